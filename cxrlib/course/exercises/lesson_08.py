"""The exercises of lesson 8: a floor, the specificity that is needed, a cost elsewhere, a report with faults."""

from collections.abc import Callable

import numpy as np

from cxrlib.course.checks import Exercise, require
from cxrlib.evaluation.decisions import cost_threshold, shift_prevalence
from cxrlib.evaluation.operating_point import choose_by_sensitivity


def _floor_threshold(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the calls of the library, on 20 sets of films."""
    for n in rng.integers(20, 200, 20):
        labels = rng.permutation(np.repeat([1, 0], [n, 5 * n]))
        scores = np.where(labels == 1, rng.beta(4, 3, 6 * n), rng.beta(2, 5, 6 * n)).round(4)
        effusions = np.sort(scores[labels == 1])
        for floor in (0.9, 0.8, 0.95):
            given = float(answer(labels, scores, floor))
            _compare_floor(labels, scores, effusions, floor, given)
    return "your threshold keeps the floor, and a higher one would not. It was tried on 20 sets of films with 3 floors."


def _compare_floor(labels: np.ndarray, scores: np.ndarray, effusions: np.ndarray, floor: float, given: float) -> None:
    n, expected = len(effusions), choose_by_sensitivity(labels, scores, floor=floor).threshold
    found = (effusions >= given).mean()
    at = f"with {n} effusions and a floor of {floor:g} your threshold is {given:.4f}"
    called = scores >= given
    if np.array_equal(called, scores >= expected):
        return
    may_miss = round(n * (1 - floor) - 1e-9) if abs(n * (1 - floor) % 1) < 1e-6 else None
    rounded = int(n * (1 - floor))
    require(
        not (rounded < int(n * (1 - floor) + 1e-9) and given == effusions[rounded]),
        f"{at}. Your idea is right, but 1 - {floor:g} is a little too small in Python, so int gives {rounded} and not "
        f"{may_miss or rounded + 1}. Add 1e-9 before you cut off the decimals.",
    )
    require(
        not np.isclose(given, np.quantile(scores, 1 - floor)),
        f"{at}. It leaves out a fraction of all films. The floor is a fraction of the effusions: sort their scores "
        "alone.",
    )
    require(
        not np.isclose(given, np.quantile(effusions, 1 - floor)),
        f"{at}. np.quantile interpolates between 2 scores, so it is not the highest threshold that keeps the floor, "
        f"or it misses the floor: yours finds {found:.4f}. Take one of the scores.",
    )
    precision = labels[called].mean() if called.any() else 0
    require(
        found >= floor,
        f"{at}. It finds {found:.4f} of the effusions, which is below the floor. Count from the lowest score of the "
        "effusions: how many may lie below the threshold?",
    )
    require(
        abs(precision - floor) > 0.01,
        f"{at}. There {precision:.2f} of the alarms are right: that is the precision. The floor is for the "
        "sensitivity, the fraction of the effusions that are found.",
    )
    require(
        False,
        f"{at}. It finds {found:.4f} of the effusions, which is enough, but a higher threshold ({expected:.4f}) keeps "
        "the floor too, with fewer false alarms. How many effusions may be missed?",
    )


def _needed_specificity(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with PPV = se p / (se p + (1 - sp) (1 - p)), solved for sp."""
    for _ in range(20):
        sensitivity, ppv = rng.uniform(0.5, 0.99), rng.uniform(0.2, 0.9)
        prevalence = float(rng.choice([0.01, 0.05, 0.1, 0.3]))
        right = sensitivity * prevalence
        false_rate = right * (1 - ppv) / ppv / (1 - prevalence)
        given, expected = float(answer(sensitivity, prevalence, ppv)), 1 - false_rate
        if np.isclose(given, expected):
            continue
        at = f"for a sensitivity of {sensitivity:.2f}, a prevalence of {prevalence:g} and a PPV of {ppv:.2f} "
        at += f"you get {given:.3f}"
        require(
            not np.isclose(given, false_rate),
            f"{at}. That is the fraction of the other films that raise an alarm. The specificity is the rest of them: "
            "1 minus it.",
        )
        require(
            not np.isclose(given, 1 - sensitivity * (1 - ppv) / ppv),
            f"{at}. That holds where half of the people have an effusion. Your answer must change with the "
            "prevalence: among 1,000 people, how many have an effusion, and how many have none?",
        )
        require(
            not np.isclose(given, 1 - right * (1 - ppv) / ppv),
            f"{at}. You divided the false alarms by all people. The specificity is a fraction of the people without "
            "an effusion.",
        )
        require(
            not np.isclose(given, 1 - right * ppv / (1 - ppv) / (1 - prevalence)),
            f"{at}. You took the PPV and its rest the wrong way round. If 9 of 10 alarms are right, there is 1 false "
            "alarm for each 9 right ones.",
        )
        require(
            False,
            f"{at}. The right answer is {expected:.3f}. Take 1,000 people: count the right alarms, then how many "
            "false alarms the PPV allows, then divide by the people without an effusion.",
        )
    return "it was tried on 20 combinations of sensitivity, prevalence and PPV."


def _cut_elsewhere(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the formula of the costs, moved to the prevalence of the scores."""
    for _ in range(20):
        c = float(rng.choice([3, 10, 30]))
        old, new = rng.uniform(0.02, 0.6, 2)
        given, cut = float(answer(c, old, new)), cost_threshold(missed=c, false_alarm=1)
        expected, wrong_way = (float(shift_prevalence(cut, old=a, new=b)) for a, b in ((new, old), (old, new)))
        if np.isclose(given, expected):
            continue
        at = f"for c = {c:g}, scores made at a prevalence of {old:.2f} and used at {new:.2f}, you get {given:.3f}"
        require(
            not np.isclose(given, cut),
            f"{at}. That is 1 / (1 + c), which is right for a shifted score. The scores here are not shifted, so the "
            "threshold has to move.",
        )
        require(
            not np.isclose(given, wrong_way),
            f"{at}. You moved the wrong way. Where effusions are rarer, fewer films should be called, so the threshold "
            "on the unshifted score must be higher.",
        )
        require(
            not np.isclose(given, cut * old / new),
            f"{at}. You multiplied the probability by old / new, which can give more than 1. Multiply the odds.",
        )
        require(
            not np.isclose(given, expected / (1 - expected)),
            f"{at}. These are the odds. Turn them into a probability: odds / (1 + odds).",
        )
        require(
            False,
            f"{at}. The right answer is {expected:.3f}. Start with the odds of 1 / (1 + c), which are 1 / c. Which "
            "factor turns the odds of a score into the odds of a shifted score?",
        )
    return "it was tried on 20 costs and pairs of prevalences."


def _wrong_statements(answer: str, rng: np.random.Generator) -> str:
    """Compare with the letters of the wrong statements."""
    require(isinstance(answer, str), f"your answer is {answer!r}. Write letters in quotes, such as 'ABC'.")
    letters = {letter for letter in answer.upper() if letter.isalpha()}
    why = {
        "A": "A is right: the course asks for exactly this.",
        "C": "C is right: the statement has an interval and says how many effusions it rests on.",
        "E": "E is right: 1 / (1 + 30) is lower than 1 / (1 + 10).",
        "B": "you left out B. How many rules were compared on the test films, and which one is reported?",
        "D": "you left out D. Which of the rates depends on how frequent effusions are?",
        "F": "you left out F. How sure is a floor if the threshold stands at its very edge? See section 2.",
    }
    for letter in "ACEBDF":
        is_wrong = letter in "BDF"
        require((letter in letters) == is_wrong, why[letter])
    require(letters <= set("ABCDEF"), "the statements have the letters A to F.")
    return "B, D and F are wrong."


EXERCISES = {
    "floor threshold": Exercise(
        _floor_threshold,
        "sort only the scores of the effusions, from low to high. A fraction of 1 - floor may be missed. How many "
        "films is that? The threshold is the next score.",
    ),
    "needed specificity": Exercise(
        _needed_specificity,
        "take 1,000 people. How many right alarms are there? If a fraction ppv of all alarms is right, how many false "
        "alarms is that? Divide by the people without an effusion.",
    ),
    "cut elsewhere": Exercise(
        _cut_elsewhere,
        "a film is called if its shifted score is at least 1 / (1 + c). Write this with odds, and solve for the odds "
        "of the unshifted score.",
    ),
    "wrong statements": Exercise(
        _wrong_statements,
        "one statement tunes on the test films, one carries a rate to a place where it does not hold, and one "
        "promises more than 50 effusions can.",
    ),
}
