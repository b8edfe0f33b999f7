"""The exercises of lesson 8: how many may be missed, the specificity needed, a cost elsewhere, a report with faults."""

from collections.abc import Callable
from typing import Any

import numpy as np

from cxrlib.course.checks import Exercise, require
from cxrlib.evaluation.decisions import cost_threshold, shift_prevalence
from cxrlib.evaluation.operating_point import floor_confidence


def _number(given: Any, name: str) -> float:
    """Return the answer as a number."""
    require(np.ndim(given) == 0, f"{name} must return one number. Yours returns {np.size(given)} numbers.")
    try:
        return float(given)
    except (TypeError, ValueError):
        require(False, f"{name} must return one number. Yours returns {type(given).__name__}: {given!r:.60}.")
        raise


def _most_misses(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the largest number of misses that is sure enough. A simulation of 20,000 tries is near enough."""
    tried = 0
    while tried < 12:
        n = int(rng.integers(40, 250))
        floor, sure = float(rng.choice([0.8, 0.9, 0.95])), float(rng.choice([0.7, 0.8, 0.9]))
        holds = np.array([floor_confidence(n, missed, floor) for missed in range(n)])
        if holds[0] < sure or np.abs(holds - sure).min() < 0.015:  # the second would need a longer simulation
            continue
        tried += 1
        _compare_misses(n, floor, sure, holds, _number(answer(n, floor, sure), "most_misses"))
    given = _number(answer(15, 0.9, 0.9), "most_misses")
    require(
        given < 0,
        f"with 15 effusions even a threshold that misses none of them keeps a floor of 0.9 in only "
        f"{floor_confidence(15, 0, 0.9):.0%} of the tries. So for sure = 0.9 return -1. You get {given:g}.",
    )
    return "it was tried on 12 numbers of effusions, and on 15, which are too few."


def _compare_misses(n: int, floor: float, sure: float, holds: np.ndarray, given: float) -> None:
    expected = int(np.flatnonzero(holds >= sure).max())
    if given == expected:
        return
    at = f"for {n} effusions, a floor of {floor:g} and sure = {sure:g} you get {given:g}"
    require(given == int(given) and 0 <= given < n, f"{at}. Return a number of effusions: a whole number below {n}.")
    at += f". With {given:g} missed the floor holds with a probability of {holds[int(given)]:.0%}"
    require(
        given not in (round(n * (1 - floor)), int(n * (1 - floor) + 1e-9)),
        f"{at}. You took {1 - floor:.0%} of the effusions. This keeps the floor on these films. New films are another "
        "matter.",
    )
    require(
        given != 0,
        f"{at}. That is the smallest number, and the surest. But fewer misses cost more false alarms. Return the "
        "largest number that is sure enough.",
    )
    require(
        given != expected + 1,
        f"{at}. That is 1 too many. If m effusions are missed, the threshold is the score of the next one. So more "
        "than m ranks must lie below 1 - floor.",
    )
    require(
        given != expected - 1,
        f"{at}. That is sure enough, but {expected} would be, too: {holds[expected]:.0%}. You are 1 too low.",
    )
    require(
        holds[int(given)] >= sure,
        f"{at}, which is not sure enough. Each rank is below 1 - floor with a probability of 1 - floor.",
    )
    require(False, f"{at}. That is sure enough, but {expected} would be, too. Return the largest number.")


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
    "most misses": Exercise(
        _most_misses,
        "section 2 computes how often the floor holds with binom.sf(missed, n, 0.1). Here 0.1 becomes 1 - floor. Try "
        "each number of misses from 0 up. How long is it sure enough?",
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
