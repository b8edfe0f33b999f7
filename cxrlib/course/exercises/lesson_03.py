"""The exercises of lesson 3: a split by patient, a leak, a shortcut, and columns that know the answer."""

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
        draws = [np.asarray(answer(patients, fraction, np.random.default_rng(seed))) for seed in (1, 2, 3)]
        for held_out in draws:
            _compare_split(patients, fraction, people, held_out)
        require(
            any((held_out != draws[0]).any() for held_out in draws),
            "3 different generators gave the same patients, so your split is not drawn by chance with rng. Low "
            "numbers may be the patients who came first, and a fixed seed draws the same patients each time. Shuffle "
            "the patients with rng.",
        )
        again = np.asarray(answer(patients, fraction, np.random.default_rng(1)))
        require(
            bool((again == draws[0]).all()),
            "the same seed gave 2 different splits. Draw with rng, and with no other generator: then the split can be "
            "repeated.",
        )
    return "no patient was on both sides, and the fraction of patients was right, in 9 splits."


def _compare_split(patients: np.ndarray, fraction: float, people: int, held_out: np.ndarray) -> None:
    films, expected = len(patients), round(fraction * people)
    require(
        held_out.shape == (films,) and held_out.dtype == bool,
        f"there are {films} films, and your answer has the shape {held_out.shape} and the type {held_out.dtype}. "
        "Return True or False for each film. np.isin tells for each film whether its patient was drawn.",
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
        "patient once, however many films there are.",
    )


def _leaked_fraction(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with a count by sets, on 20 tables with 3 splits."""
    for _ in range(20):
        patients = _draw_patients(rng, 40)
        split = rng.choice(["train", "val", "test"], len(patients), p=[0.4, 0.2, 0.4])
        test, train = patients[split == "test"], patients[split == "train"]
        leaked = np.isin(test, train)
        _compare_leak(float(answer(patients, split)), patients, split, leaked)
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
        not np.isclose(given, len(both) / len(set(test))),
        f"{at}. You counted patients. {len(set(test))} patients have test films, but some have many: count the films.",
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
        in_effusions = ap_films * ap_rate / (ap_films * ap_rate + pa_films * pa_rate)
        in_others = ap_films * (1 - ap_rate) / (ap_films * (1 - ap_rate) + pa_films * (1 - pa_rate))
        expected = (1 + in_effusions - in_others) / 2
        given = float(answer(ap_films, ap_rate, pa_films, pa_rate))
        if np.isclose(given, expected):
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
            f"{at}. That is the fraction of the effusions that are AP, the sensitivity. The AUC also needs the other "
            "films: on how many of them would AP raise a false alarm?",
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


def _draw_view(rng: np.random.Generator) -> tuple[int, float]:
    """Return a number of films, and the fraction of them with an effusion."""
    return int(rng.integers(500, 5000)), round(float(rng.uniform(0.05, 0.4)), 3)


def _leaky_columns(answer: str, rng: np.random.Generator) -> str:
    """Compare with the letters of the columns that know the answer."""
    require(isinstance(answer, str), f"your answer is {answer!r}. Write letters in quotes, such as 'ABC'.")
    letters = {letter for letter in answer.upper() if letter.isalpha()}
    require(letters <= set("ABCDEF"), "the columns have the letters A to F.")
    why = {
        "A": "A is known before anybody reads the film. It may help, and it is no leak.",
        "D": "D is known before anybody reads the film. It can be a shortcut, so measure it as in section 5. But it "
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
        "ask of each column: do I know it for a new patient at the moment when the film was taken? Three of them are "
        "known only to somebody who has the answer.",
    ),
}
