"""The exercises of lesson 3: a split by patient, a leak, a shortcut, columns that know the answer, a folder."""

from collections.abc import Callable

import numpy as np

from cxrlib.course.checks import Exercise, require


def _draw_patients(rng: np.random.Generator, people: int) -> np.ndarray:
    """Return the patient of each film, as text. Some patients have many films."""
    numbers = rng.permutation(np.arange(10, 99))[:people]
    return rng.permutation(np.repeat(numbers, rng.integers(1, 8, people))).astype(str)


def _split_by_patient(answer: Callable, rng: np.random.Generator) -> str:
    """Look for patients on both sides, then count the patients that are held out."""
    for fraction in (0.2, 0.25, 0.4):
        people = int(rng.choice([20, 40, 60]))
        patients = _draw_patients(rng, people)
        draws = []
        for seed in range(1, 31):
            given = patients.copy()
            draws.append(np.asarray(answer(given, fraction, np.random.default_rng(seed))))
            require(
                bool((given == patients).all()),
                "your function changes the array `patients` itself, so its films no longer belong to the right "
                "patients. rng.shuffle does this. rng.permutation(np.unique(patients)) returns a new array.",
            )
        _explain_counts(patients, fraction, people, draws)
        for held_out in draws:
            _compare_split(patients, fraction, people, held_out)
        require(
            any((held_out != draws[0]).any() for held_out in draws),
            "30 different generators gave the same patients, so your split is not drawn by chance with rng. Low "
            "numbers may be the patients who came first, and a fixed seed draws the same patients each time. Shuffle "
            "the patients with rng.",
        )
        again = np.asarray(answer(patients.copy(), fraction, np.random.default_rng(1)))
        require(
            bool((again == draws[0]).all()),
            "the same seed gave 2 different splits. Draw with rng, and with no other generator: then the split can be "
            "repeated.",
        )
    return "no patient was on both sides, and the fraction of patients was right, in 90 splits."


def _explain_counts(patients: np.ndarray, fraction: float, people: int, draws: list[np.ndarray]) -> None:
    """Name what makes the number of held-out patients differ from draw to draw, if no patient is on both sides."""
    if any(
        held_out.shape != patients.shape or held_out.dtype != bool or set(patients[held_out]) & set(patients[~held_out])
        for held_out in draws
    ):
        return
    drawn = [len(set(patients[held_out])) for held_out in draws]
    expected = round(fraction * people)
    if np.mean(drawn) > 1.2 * expected:  # the fraction of the films is drawn, with more patients
        return
    at = (
        f"for a fraction of {fraction:g} and {people} patients, you hold out from {min(drawn)} to {max(drawn)} patients"
    )
    require(
        len(set(drawn)) == 1 or max(drawn) > expected,
        f"{at}. It should be {expected} each time. Perhaps one patient is drawn twice: rng.choice does that unless "
        "you write replace=False, and an array with one entry for each film holds a patient several times. Take each "
        "patient once, and shuffle.",
    )
    require(
        len(set(drawn)) == 1,
        f"{at}. It should be {expected} each time. If chance decides for each patient alone, as in "
        "rng.random(...) < fraction, the number is left to chance too. Shuffle the patients and take the first ones.",
    )


def _compare_split(patients: np.ndarray, fraction: float, people: int, held_out: np.ndarray) -> None:
    films, expected = len(patients), round(fraction * people)
    require(
        held_out.shape == (films,) and held_out.dtype == bool,
        f"there are {films} films, and your answer has the shape {held_out.shape} and the type {held_out.dtype}. "
        "Return True or False for each film, and no 0, 1 or row numbers. np.isin(a, b) asks it for each value of a, so "
        "a must be the patients of the films.",
    )
    both = sorted(set(patients[held_out]) & set(patients[~held_out]))
    require(
        not both,
        f"your split is by film: patient {both[0] if both else ''} is on both sides, and so are {len(both) - 1} "
        "other patients. Draw patients, not films.",
    )
    drawn = len(set(patients[held_out]))
    at = f"for a fraction of {fraction:g} and {people} patients with {films} films"
    require(
        drawn != people - expected or drawn == expected,
        f"{at}, True marks {drawn} patients. That is the rest of them: True should mark the films that are held out.",
    )
    require(
        drawn == expected,
        f"{at}, you hold out {drawn} patients. It should be {expected}: the fraction counts patients. Count each "
        "patient once, however many films there are. (If your number is too small by 1: int cuts off the decimals, "
        "round does not.)",
    )


def _leaked_fraction(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with a count by sets, on 20 tables with 3 splits."""
    for _ in range(20):
        patients = _draw_patients(rng, 40)
        split = rng.choice(["train", "val", "test"], len(patients), p=[0.4, 0.2, 0.4])
        test, train = patients[split == "test"], patients[split == "train"]
        leaked = np.isin(test, train)
        given = np.asarray(answer(patients, split))
        require(
            given.size == 1,
            f"you return {given.size} values, and {len(test)} films are in the test. One number is asked for. The mean "
            "of True and False is the fraction that is True.",
        )
        _compare_leak(float(given.item()), patients, split, leaked)
    return "it was tried on 20 tables with train, val and test."


def _compare_leak(given: float, patients: np.ndarray, split: np.ndarray, leaked: np.ndarray) -> None:
    expected = leaked.mean()
    if np.isclose(given, expected):
        return
    test, train, rest = patients[split == "test"], patients[split == "train"], patients[split != "test"]
    both = set(test) & set(train)
    at = f"of {len(test)} test films, {leaked.sum()} are of a patient with training films. You return {given:.3f}"
    require(
        not np.isclose(given, 100 * expected),
        f"{at}. That is in percent. Return a fraction from 0 to 1.",
    )
    require(
        not np.isclose(given, leaked.sum()),
        f"{at}. That is the number of films. Divide it by the number of test films.",
    )
    require(
        not np.isclose(given, 1 - expected),
        f"{at}. That is the fraction of the test films without a leak. Return the fraction of the others.",
    )
    people = [len(set(test)), len(set(train)), len(set(patients)), len(test)]
    require(
        not np.isclose(given, len(both) / np.array(people)).any(),
        f"{at}. You counted patients: {len(both)} of them are on both sides. Some have many test films: count the "
        "films.",
    )
    on_both_sides = np.isin(patients, sorted(both))
    require(
        not np.isclose(given, [on_both_sides.mean(), on_both_sides.sum() / len(test)]).any(),
        f"{at}. You counted the training films of these patients too. Count test films alone, and divide by the number "
        "of test films.",
    )
    require(
        not np.isclose(given, [1, np.isin(test, patients[split == "val"]).mean()]).any(),
        f"{at}. You compare the test films with all films, or with the validation films. The network learns from the "
        "films where split is 'train'.",
    )
    require(
        not np.isclose(given, np.isin(test, rest).mean()),
        f"{at}. You counted patients of the validation films too. The network learns from the training films alone.",
    )
    require(
        not np.isclose(given, np.isin(train, test).mean()),
        f"{at}. That is the fraction of the training films that share a patient with the test. Ask it of each test "
        "film.",
    )
    require(
        not np.isclose(given, leaked.sum() / len(patients)),
        f"{at}. You divided by all films. Divide by the number of test films.",
    )
    require(
        False,
        f"{at}. It should be {expected:.3f}. Take the patients of the training films. For each test film, ask whether "
        "its patient is one of them.",
    )


def _view_auc(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with (1 + a - b) / 2 by counts, on NIH's figures and on random ones."""
    nih = (44810, 0.150, 67310, 0.098)
    drawn = [(*_draw_view(rng), *_draw_view(rng)) for _ in range(20)]
    for ap_films, ap_rate, pa_films, pa_rate in [*drawn, nih]:
        ap, pa = ap_films * ap_rate, pa_films * pa_rate
        in_effusions, in_others = ap / (ap + pa), (ap_films - ap) / (ap_films - ap + pa_films - pa)
        in_all = ap_films / (ap_films + pa_films)
        expected = _area_of_counts(ap_films, ap, pa_films, pa)
        given = float(answer(ap_films, ap_rate, pa_films, pa_rate))
        whole = _area_of_counts(ap_films, round(ap_films * ap_rate), pa_films, round(pa_films * pa_rate))
        if np.isclose(given, expected) or np.isclose(given, whole):  # effusions rounded to whole films are right too
            continue
        at = (
            f"for {ap_films:,} AP films with {ap_rate:.1%} effusions and {pa_films:,} PA films with {pa_rate:.1%}, "
            f"you get {given:.3f}"
        )
        require(
            not np.isclose(given, (1 + ap_rate - pa_rate) / 2),
            f"{at}. You put in the fraction of AP films with an effusion. The formula needs the fraction of effusions "
            "that are AP. These are not the same: how many effusions are AP, and how many effusions are there?",
        )
        require(
            not np.isclose(given, 1 - expected),
            f"{at}. Your two fractions are swapped: AP is more common in one class, and that class must come first.",
        )
        require(
            not np.isclose(given, in_effusions),
            f"{at}. That is the fraction of the effusions that are AP, the sensitivity. The AUC also needs the films "
            "without an effusion: b is the fraction of them that are AP. (The PA films among the effusions are not b.)",
        )
        require(
            not np.isclose(given, (1 + in_effusions - in_all) / 2),
            f"{at}. Your b is the fraction of all films that are AP. Leave the effusions out: b is the fraction of the "
            "films without an effusion that are AP.",
        )
        require(
            not np.isclose(given, in_all),
            f"{at}. That is the fraction of all films that are AP. Divide within each class: how many of the effusions "
            "are AP, and how many of the films without an effusion?",
        )
        total = ap_films + pa_films
        require(
            not np.isclose(given, (1 + ap / total - (ap_films - ap) / total) / 2),
            f"{at}. You divided both numbers by all films. Divide the AP effusions by the effusions, and the other AP "
            "films by the films without an effusion.",
        )
        require(
            not np.isclose(given, _area_of_counts(ap_films, ap / 100, pa_films, pa / 100)),
            f"{at}. You divided the rates by 100. They are fractions already.",
        )
        require(
            not np.isclose(given, ap_rate / (ap_rate + pa_rate)),
            f"{at}. You used the rates without the numbers of films. Multiply first: films times rate is the number of "
            "effusions.",
        )
        require(
            abs(given - expected) > 0.006,
            f"{at}. The exact value is {expected:.5f}. You seem to round: return the number as it is.",
        )
        require(
            not np.isclose(given, in_effusions - in_others),
            f"{at}. That is the difference of the two fractions. Half of the pairs in which both films have the same "
            "view count as won: use (1 + a - b) / 2.",
        )
        require(
            False,
            f"{at}. It should be {expected:.3f}. Count the films first: how many effusions are AP, how many are PA, "
            "and the same for the films without an effusion.",
        )
    return "it was tried on 20 collections. For ChestX-ray14 you get 0.56: a small shortcut."


def _area_of_counts(ap_films: float, ap_effusions: float, pa_films: float, pa_effusions: float) -> float:
    """Return the AUC of the view: (1 + a - b) / 2."""
    ap_others, pa_others = ap_films - ap_effusions, pa_films - pa_effusions
    return (1 + ap_effusions / (ap_effusions + pa_effusions) - ap_others / (ap_others + pa_others)) / 2


def _draw_view(rng: np.random.Generator) -> tuple[int, float]:
    """Return a number of films, and the fraction of them with an effusion."""
    return int(rng.integers(500, 5000)), round(float(rng.uniform(0.05, 0.4)), 3)


def _leaky_columns(answer: str, rng: np.random.Generator) -> str:
    """Compare with the letters of the columns that know the answer."""
    if isinstance(answer, (list, tuple, set)):
        answer = "".join(map(str, answer))
    require(isinstance(answer, str), f"your answer is {answer!r}. Write letters in quotes, such as 'ABC'.")
    letters = {letter for letter in answer.upper() if letter.isalpha()}
    require(letters <= set("ABCDEF"), "the columns have the letters A to F.")
    why = {
        "A": "A is known before anybody reads the film. It may help, and it is no leak.",
        "D": "D is known before anybody reads the film. It can be a shortcut, so measure it as in section 4. But it "
        "does not come from the answer.",
        "F": "F is a property of the film itself, and is known for a new film too. It can be a shortcut between "
        "machines, but it does not come from the answer.",
        "B": "you left out B. Why is a drain put in, and when?",
        "C": "you left out C. From what were the labels made?",
        "E": "you left out E. Look at the first word of the path. Who chose it?",
    }
    for letter in "ADFBCE":
        require((letter in letters) == (letter in "BCE"), why[letter])
    return "B, C and E come from the answer."


def _right_in_folder(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the films that are right in the folder of the effusions, over all films there."""
    drawn = [
        (int(rng.integers(20, 300)), int(rng.integers(500, 3000)), float(rng.uniform(0.02, 0.2))) for _ in range(9)
    ]
    for effusions, others, wrong in [(107, 1000, 0.1), *drawn]:
        right, intruders = effusions * (1 - wrong), others * wrong
        expected = right / (right + intruders)
        given = answer(effusions, others, wrong)
        require(
            np.ndim(given) == 0 and not isinstance(given, str),
            f"your function returns {given!r:.60}. Return one number: a fraction.",
        )
        given = float(given)
        whole = round(right) / (round(right) + round(intruders))
        if np.isclose(given, expected) or np.isclose(given, whole):  # films rounded to whole ones are right too
            continue
        at = (
            f"for {effusions} films with an effusion, {others} without, and a fraction of {wrong:.3f} in the wrong "
            f"folder, you get {given:.3f}"
        )
        films = effusions + others
        mistakes = {
            "That is the fraction of all films that are right. Count only the films in the folder effusion.": 1 - wrong,
            "That is the fraction of the folder that shows no effusion. The question is how much of it does.": (
                1 - expected
            ),
            "Some of the effusions lie in the other folder, so the folder effusion does not hold all of them.": (
                effusions / (effusions + intruders)
            ),
            "You divided by all films. Divide by the films in the folder effusion.": right / films,
            "That is the fraction of all films with an effusion. Which films lie in the folder effusion?": (
                effusions / films
            ),
        }
        for words, value in mistakes.items():
            require(not np.isclose(given, value), f"{at}. {words}")
        require(
            False,
            f"{at}. It should be {expected:.3f}. The folder holds 2 kinds of films: the effusions that are filed "
            "right, and the other films that are filed wrong.",
        )
    return "it was tried on 10 collections. For the one of section 5 you get 0.49."


EXERCISES = {
    "split by patient": Exercise(
        _split_by_patient,
        "np.unique(patients) holds each patient once. Shuffle them with rng.permutation, take the first "
        "round(fraction * number of patients), and use np.isin.",
    ),
    "leaked test films": Exercise(
        _leaked_fraction,
        "patients[split == 'train'] are the patients of the training films. np.isin(a, b) is True where a value of a "
        "is in b. The mean of True and False is a fraction.",
    ),
    "auc of the view": Exercise(
        _view_auc,
        "count 4 numbers: AP and PA films with an effusion, AP and PA films without. Then a is the fraction of the "
        "effusions that are AP, and b is the fraction of the other films that are AP.",
    ),
    "leaky columns": Exercise(
        _leaky_columns,
        "ask of each column: do I know it for a new patient at the moment when the film is taken? 3 of them are "
        "known only to somebody who has the answer.",
    ),
    "right in folder": Exercise(
        _right_in_folder,
        "count 2 kinds of films in the folder effusion: effusions * (1 - wrong) are right there. How many of the "
        "others lie there too?",
    ),
}
