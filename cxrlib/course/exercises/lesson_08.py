"""The exercises of lesson 8: a floor, the specificity that is needed, a cost elsewhere, a report with faults."""

from collections.abc import Callable
from typing import Any

import numpy as np

from cxrlib.course.checks import Exercise, require
from cxrlib.evaluation.decisions import cost_threshold, shift_prevalence
from cxrlib.evaluation.operating_point import choose_by_sensitivity


def _number(given: Any, name: str) -> float:
    """Return the answer as a number."""
    require(np.ndim(given) == 0, f"{name} must return one number. Yours returns {np.size(given)} numbers.")
    try:
        return float(given)
    except (TypeError, ValueError):
        require(False, f"{name} must return one number. Yours returns {type(given).__name__}: {given!r:.60}.")
        raise


def _floor_threshold(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the calls of the library, on 20 sets of films."""
    for n in rng.integers(20, 200, 20):
        labels = rng.permutation(np.repeat([1, 0], [n, 5 * n]))
        scores = np.where(labels == 1, rng.beta(4, 3, 6 * n), rng.beta(2, 5, 6 * n)).round(4)
        effusions = np.sort(scores[labels == 1])
        for floor in (0.9, 0.8, 0.95):
            given = _number(answer(labels, scores, floor), "floor_threshold")
            _compare_floor(labels, scores, effusions, floor, given)
    return "your threshold keeps the floor, and a higher one would not. It was tried on 20 sets of films with 3 floors."


def _compare_floor(labels: np.ndarray, scores: np.ndarray, effusions: np.ndarray, floor: float, given: float) -> None:
    n, expected = len(effusions), choose_by_sensitivity(labels, scores, floor=floor).threshold
    called = scores >= given
    if np.array_equal(called, scores >= expected):
        return
    found, specificity = (effusions >= given).mean(), (~called[labels == 0]).mean()
    precision = labels[called].mean() if called.any() else 0
    may_miss, cut_off = int(n * (1 - floor) + 1e-9), int(n * (1 - floor))
    missed = (effusions < given).sum()
    at = f"with {n} effusions and a floor of {floor:g} your threshold is {given:.4f}"
    require(
        given <= 1,
        f"{at}. A score lies between 0 and 1. Did you return a position? Return the score at this position.",
    )
    require(
        not (cut_off < may_miss and given == effusions[cut_off]),
        f"{at}. {n} x (1 - {floor:g}) is exactly {may_miss}, so {may_miss} effusions may be missed. Yours misses "
        f"{missed}: it is 1 effusion too low. If you wrote int(n * (1 - floor)), your idea is right: in Python "
        f"1 - {floor:g} is a little too small, so add 1e-9 before int. If you did, your count is off by 1: Python "
        "counts positions from 0.",
    )
    everything = np.sort(scores)
    require(
        not np.isclose(given, np.quantile(scores, 1 - floor))
        and given not in (everything[may_miss], everything[int(len(scores) * (1 - floor) + 1e-9)]),
        f"{at}. It counts all films. The floor is a fraction of the effusions: sort their scores alone.",
    )
    require(
        given != scores[labels == 1][may_miss],
        f"{at}. The scores of the effusions are not sorted: the one at position {may_miss} can be any of them. Sort "
        "them from low to high first.",
    )
    require(
        given != effusions[10],
        f"{at}. It is always the 11th lowest score. That was right for 107 effusions and a floor of 0.90. Here "
        f"{may_miss} may be missed.",
    )
    require(
        given != effusions[int(n * floor + 1e-9)],
        f"{at}. It finds {found:.4f} of the effusions: you left out {floor:g} of them. Count from the lowest score of "
        "the effusions: how many may lie below the threshold?",
    )
    lower = np.quantile(effusions, 1 - floor, method="lower")
    require(
        not (np.isclose(given, np.quantile(effusions, 1 - floor)) or (given == lower and missed != may_miss - 1)),
        f"{at}. np.quantile interpolates between 2 scores, so it is not the highest threshold that keeps the floor, "
        f"or it misses the floor: yours finds {found:.4f}. Take one of the scores.",
    )
    require(
        missed != may_miss + 1,
        f"{at}. It misses {missed} effusions and finds {found:.4f} of them, which is below the floor. Only {may_miss} "
        f"may be missed, since {n} x (1 - {floor:g}) = {n * (1 - floor):.2f}. Your threshold is 1 effusion too high.",
    )
    require(
        missed != may_miss - 1,
        f"{at}. It misses {missed} effusions, but {may_miss} may be missed. Your threshold is 1 effusion too low. "
        "Python counts positions from 0.",
    )
    require(
        abs(precision - floor) > 0.01 and not (precision > floor and given == scores.max()),
        f"{at}. There {precision:.2f} of the alarms are right: that is the precision. The floor is for the "
        "sensitivity, the fraction of the effusions that are found.",
    )
    require(
        abs(specificity - floor) > 0.01,
        f"{at}. It leaves {specificity:.2f} of the films without an effusion uncalled: that is the specificity. The "
        "floor is for the sensitivity, the fraction of the effusions that are found.",
    )
    require(
        found >= floor,
        f"{at}. It finds {found:.4f} of the effusions, which is below the floor. Count from the lowest score of the "
        "effusions: how many may lie below the threshold?",
    )
    require(
        False,
        f"{at}. It finds {found:.4f} of the effusions, which is enough, but a higher threshold ({expected:.4f}) keeps "
        "the floor too, with fewer false alarms. How many effusions may be missed?",
    )


def _needed_specificity(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with PPV = se p / (se p + (1 - sp) (1 - p)), solved for sp."""
    for _ in range(20):
        sensitivity, prevalence = rng.uniform(0.5, 0.99), float(rng.choice([0.01, 0.05, 0.1, 0.3]))
        ppv = rng.uniform(max(0.2, prevalence), 0.9)  # a lower one would need a specificity below 0
        right = sensitivity * prevalence
        false_rate = right * (1 - ppv) / ppv / (1 - prevalence)
        given = _number(answer(sensitivity, prevalence, ppv), "needed_specificity")
        expected = 1 - false_rate
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
            given <= 1,
            f"{at}. A specificity is a fraction between 0 and 1, not a percentage or a number of people.",
        )
        require(
            not np.isclose(given, 1 - prevalence * (1 - ppv) / ppv / (1 - prevalence)),
            f"{at}. You took all effusions as right alarms. Only those that are found raise one: use the sensitivity.",
        )
        require(
            not np.isclose(given, 1 - right / ppv / (1 - prevalence)),
            f"{at}. You counted all alarms, right ones too. Take only the false ones: all alarms minus the right ones.",
        )
        require(
            not np.isclose(given, 1 - right * (1 - ppv) / (1 - prevalence)),
            f"{at}. You took 1 - ppv as a fraction of the right alarms. It is a fraction of all alarms. How many "
            "alarms are there in all, if a fraction ppv of them is right?",
        )
        require(
            not np.isclose(given, ppv),
            f"{at}. That is the PPV itself. It is a fraction of the alarms. The specificity is a fraction of the "
            "people without an effusion.",
        )
        require(
            given >= 0,
            f"{at}. A specificity cannot be below 0. Did you divide the false alarms by the number of people without "
            "an effusion, 1000 * (1 - prevalence)?",
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
        given = _number(answer(c, old, new), "cut_elsewhere")
        cut = cost_threshold(missed=c, false_alarm=1)
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
        factor = old / (1 - old) / (new / (1 - new))
        ratio_of_probabilities = old / new / c
        require(
            not np.isclose(given, ratio_of_probabilities / (1 + ratio_of_probabilities)),
            f"{at}. You multiplied the odds by old / new. That is the ratio of the probabilities. Take the ratio of "
            "their odds, p / (1 - p).",
        )
        require(
            not np.isclose(given, cut * factor / (1 + cut * factor)),
            f"{at}. You took 1 / (1 + c) as odds, but it is a probability. Its odds are 1 / c.",
        )
        require(
            not np.isclose(given, cut * factor),
            f"{at}. You multiplied a probability by a ratio of odds. Turn 1 / (1 + c) into odds first, and the result "
            "back into a probability.",
        )
        require(
            not any(np.isclose(given, c * f / (1 + c * f)) for f in (factor, 1 / factor)),
            f"{at}. You started with odds of c. The odds of 1 / (1 + c) are 1 / c.",
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
    require(isinstance(answer, str), f"your answer is {answer!r}. Write letters in quotes, such as 'AC'.")
    require(answer.strip() != "", "your answer has no letters yet. Write at least one, such as 'AC'.")
    letters = {letter for letter in answer.upper() if letter.isalpha()}
    why = {
        "A": "A makes no mistake: no patient is in 2 of the 3 sets.",
        "C": "C makes no mistake: it has an interval, and says how many effusions it rests on.",
        "E": "E makes no mistake: 1 / (1 + 30) is lower than 1 / (1 + 10).",
        "B": "you left out B. How many rules were compared on the test films, and which one is reported?",
        "D": "you left out D. Which of the rates depends on how frequent effusions are?",
        "F": "you left out F. How often did such a floor hold in section 2?",
    }
    require(letters <= set("ABCDEF"), "the statements have the letters A to F. Write only letters, such as 'AC'.")
    for letter in "ACEBDF":
        is_wrong = letter in "BDF"
        require((letter in letters) == is_wrong, why[letter])
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
        "one report chooses on the test films, one uses a rate where it does not hold, and one is more sure than 50 "
        "effusions allow.",
    ),
}
