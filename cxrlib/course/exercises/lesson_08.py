"""The exercises of lesson 8: a sensitivity floor, alarms that are right, a new prevalence."""

from collections.abc import Callable

import numpy as np

from cxrlib.course.checks import Exercise, require
from cxrlib.evaluation.operating_point import choose_by_sensitivity
from cxrlib.evaluation.rates import predictive_values


def _floor_threshold(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the threshold of the library, on scores with and without the finding."""
    for _ in range(20):
        n = int(rng.integers(20, 200))
        labels = np.repeat([1, 0], [n, 5 * n])
        scores = np.concatenate([rng.beta(4, 3, n), rng.beta(2, 5, 5 * n)])
        order = rng.permutation(len(labels))
        labels, scores = labels[order], scores[order]
        for floor in (0.9, 0.8, 0.95):
            given = float(answer(labels, scores, floor))
            found = (scores[labels == 1] >= given).mean()
            above = float((scores >= given).mean())
            expected = choose_by_sensitivity(labels, scores, floor=floor).threshold
            require(
                found >= floor - 1e-9,
                f"with {n} effusions and a floor of {floor:g} your threshold is {given:.3f}. It finds {found:.3f} of "
                "the effusions, which is below the floor. Do you sort the effusions alone, or all films? And do you "
                "count from the lowest score?",
            )
            require(
                (scores >= expected).sum() == (scores >= given).sum(),
                f"with {n} effusions and a floor of {floor:g} your threshold is {given:.3f}. It finds {found:.3f} of "
                f"the effusions, which is enough, but it flags {above:.2f} of all films. A higher threshold "
                f"({expected:.3f}) keeps the floor with fewer false alarms. How many effusions may be missed?",
            )
    return "your threshold keeps the floor, and a higher one would not. It was tried on 20 sets of films."


def _alarms_that_are_right(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with Bayes' rule, at prevalences from 1 in 200 to 1 in 2."""
    for _ in range(20):
        sensitivity, specificity = rng.uniform(0.5, 0.99, 2)
        prevalence = float(rng.choice([0.005, 0.01, 0.05, 0.1, 0.3, 0.5]))
        given = float(answer(sensitivity, specificity, prevalence))
        expected = predictive_values(sensitivity, specificity, prevalence, (1000, 1000))[0].value
        at = f"for a sensitivity of {sensitivity:.2f}, a specificity of {specificity:.2f} and a prevalence of "
        at += f"{prevalence:g} you get {given:.3f}"
        require(
            not np.isclose(given, sensitivity),
            f"{at}. That is the sensitivity: of the people with an effusion, the fraction that raise an alarm. The "
            "question goes the other way: of the alarms, the fraction that have an effusion.",
        )
        ratio = sensitivity / (sensitivity + 1 - specificity)
        require(
            not np.isclose(given, ratio) or np.isclose(expected, ratio),
            f"{at}. That holds where half of the people have an effusion. The prevalence does not change your answer, "
            "and it should: among 1,000 people, how many have an effusion, and how many have none?",
        )
        flagged = sensitivity * prevalence + (1 - specificity) * (1 - prevalence)
        require(
            not np.isclose(given, flagged),
            f"{at}. That is the fraction of all people that raise an alarm. You still have to divide the right alarms "
            "by it.",
        )
        require(np.isclose(given, expected), f"{at}, and {expected:.3f} is right. Count the alarms of 1,000 people.")
    return "it was tried on 20 combinations of sensitivity, specificity and prevalence."


def _new_prevalence(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with Bayes' rule on the odds, for prevalences that rise and that fall."""
    for _ in range(20):
        score, old, new = rng.uniform(0.02, 0.98, 3)
        given = float(answer(score, old, new))
        odds = score / (1 - score) * (new / (1 - new)) / (old / (1 - old))
        at = f"a score of {score:.2f}, made where {old:.2f} have the finding, moved to where {new:.2f} have it, gave "
        at += f"{given:.3f}"
        require(
            not np.isclose(given, odds),
            f"{at}. These are the odds. Turn them into a probability: odds / (1 + odds).",
        )
        require(
            not np.isclose(given, score * new / old),
            f"{at}. Multiplying the probability by new / old can give more than 1. It is the odds that are multiplied.",
        )
        back = score / (1 - score) * (old / (1 - old)) / (new / (1 - new))
        require(
            not np.isclose(given, back / (1 + back)),
            f"{at}. You moved the wrong way: where more people have the finding, the same film is more suspicious.",
        )
        expected = odds / (1 + odds)
        require(np.isclose(given, expected), f"{at}, and {expected:.3f} is right. Start from score / (1 - score).")
    return "it was tried on 20 scores, with the prevalence moved up and down."


EXERCISES = {
    "floor threshold": Exercise(
        _floor_threshold,
        "sort the scores of the effusions alone. If 1 - floor of them may be missed, how many films is that, "
        "and which score is then the lowest that must be called?",
    ),
    "alarms that are right": Exercise(
        _alarms_that_are_right,
        "take 1,000 people. prevalence * 1,000 of them have an effusion. How many of these raise an alarm? "
        "How many of the others do?",
    ),
    "new prevalence": Exercise(
        _new_prevalence,
        "the odds of a probability p are p / (1 - p). Only the part of the odds that comes from the prevalence "
        "changes: divide by its old odds, and multiply by its new odds.",
    ),
}
