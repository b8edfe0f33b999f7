"""Choosing an operating point: the score from which a film is called a finding.

Chosen on validation films, reported on test films. Recall before precision: by
default the highest specificity at which the sensitivity floor holds.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import check_scores


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and how it was chosen.

    Attributes
    ----------
    threshold : float
        finding = score >= threshold.
    rule : str
    floor : float or None
        The sensitivity that was asked for.
    confidence : float or None
        Probability that the sensitivity on new films is at least the floor; a
        lower bound of it where scores are tied.
    n_finding : int
        Films with the finding that it was chosen on.
    """

    threshold: float
    rule: str
    floor: float | None
    confidence: float | None
    n_finding: int


def floor_confidence(n_finding: int, missed: int, floor: float) -> float:
    """Return how sure it is that a sensitivity floor holds on new films.

    With the threshold at the m-th highest of n scores of the finding, the
    sensitivity on new films is Beta(m, n - m + 1), whatever the scores'
    distribution (order statistics; Wilks 1941). It counts films as
    independent: where 20 of them come from 11 patients, it promises up to 0.05 too much.

    Parameters
    ----------
    n_finding, missed : int
        Validation films with the finding, and how many of them fall below the
        threshold.
    """
    found = n_finding - missed
    return float(stats.beta.sf(floor, found, missed + 1)) if found > 0 else 0.0


def most_missed(n_finding: int, floor: float, confidence: float | None = None) -> int:
    """Return how many of these films with the finding may fall below the threshold.

    Raises
    ------
    InputError
        Too few films with the finding for that confidence.
    """
    for name, value in {"sensitivity": floor, "confidence": confidence}.items():
        if value is not None and not 0 < value < 1:
            raise InputError(f"{name} is {value}; it must lie between 0 and 1")
    if confidence is None:
        return int(np.floor(n_finding * (1 - floor) + 1e-9))
    missed = -1
    while floor_confidence(n_finding, missed + 1, floor) >= confidence:
        missed += 1
    if missed < 0:
        needed = int(np.ceil(np.log(1 - confidence) / np.log(floor)))
        raise InputError(
            f"{n_finding} validation films with the finding cannot show a sensitivity of {floor:g} "
            f"with a confidence of {confidence:g}; at least {needed} are needed"
        )
    return missed


def choose_by_sensitivity(labels, scores, *, floor: float = 0.90, confidence: float | None = None) -> OperatingPoint:
    """Choose the highest specificity with sensitivity >= floor.

    Parameters
    ----------
    floor : float in (0, 1)
    confidence : float in (0, 1), optional
        Choose so that the floor holds on new films with this probability; by
        default it need hold on these films.

    Raises
    ------
    InputError
        Too few films with the finding for that confidence.
    """
    labels, scores = check_scores(labels, scores)
    findings = np.sort(scores[labels == 1])
    n = len(findings)
    missed = most_missed(n, floor, confidence)
    threshold = _just_below(findings[missed], scores)  # misses fewer where scores are tied, by chance: not counted
    rule = f"highest specificity with sensitivity >= {floor:g}"
    if confidence is not None:
        rule += f" on new films, with confidence {confidence:g}"
    return OperatingPoint(threshold, rule, floor, floor_confidence(n, missed, floor), n)


def choose_by_youden(labels, scores) -> OperatingPoint:
    """Choose the highest sensitivity + specificity - 1 (Youden 1950)."""
    return _choose_least(labels, scores, 1.0, 1.0, "highest sensitivity + specificity - 1", by_rate=True)


def choose_by_cost(labels, scores, *, missed: float, false_alarm: float) -> OperatingPoint:
    """Choose the lowest total cost of missed findings and false alarms on these films."""
    if missed <= 0 or false_alarm <= 0:
        raise InputError(f"costs are {missed} and {false_alarm}; both must be above 0")
    rule = f"lowest cost, a missed finding at {missed:g}, a false alarm at {false_alarm:g}"
    return _choose_least(labels, scores, missed, false_alarm, rule)


def _choose_least(labels, scores, missed: float, false_alarm: float, rule: str, by_rate: bool = False):
    labels, scores = check_scores(labels, scores)
    findings, others = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    candidates = findings[::-1]  # between two findings, the higher threshold is never worse
    cost = missed * np.searchsorted(findings, candidates) / (len(findings) if by_rate else 1)
    cost += false_alarm * (len(others) - np.searchsorted(others, candidates)) / (len(others) if by_rate else 1)
    best = candidates[np.flatnonzero(cost == cost.min())[-1]]  # of equals the more sensitive
    none = missed * (1 if by_rate else len(findings))
    threshold = np.nextafter(scores.max(), np.inf) if none < cost.min() else _just_below(best, scores)
    return OperatingPoint(float(threshold), rule, None, None, len(findings))


def _just_below(score: float, scores: np.ndarray) -> float:
    """Return the middle between a score and the next lower one.

    It calls these films as the score itself would, and a rounding error in the
    last bit, on another processor, does not turn a film over.
    """
    lower = scores[scores < score]
    return float((score + lower.max()) / 2 if lower.size else score)
