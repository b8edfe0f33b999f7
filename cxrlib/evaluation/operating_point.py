"""Choose an operating point: the threshold on the score from which a film is called a finding.

Choose the threshold on validation films, and report its results on test films. A
missed finding is worse than a false alarm. So the default rule is the highest
specificity at which the sensitivity is at least a chosen floor. Where no labels are
known, `choose_by_capacity` needs only scores.
"""

from dataclasses import dataclass

import numpy as np
import scipy  # it imports scipy.stats, which takes half a second, at the first use
from numpy.typing import ArrayLike

from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import are_constant, check_finite, check_fraction, check_scores, is_real_number


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and how it was chosen.

    Attributes
    ----------
    threshold : float
        finding = score >= threshold.
    rule : str
        The rule, in words.
    floor : float or None
        The lowest sensitivity that is accepted. None for a rule without a floor.
    confidence : float or None
        The confidence that was reached: the probability that the sensitivity on new
        films is at least the floor. The argument ``confidence`` of
        `choose_by_sensitivity` is the confidence that is demanded, and is at most as
        large. The confidence reached is computed as if no scores were tied, so it is
        a lower bound. None for a rule without a floor.
    n_finding : int or None
        Number of films with the finding among the films on which the threshold was
        chosen. None if their labels are not known.
    """

    threshold: float
    rule: str
    floor: float | None
    confidence: float | None
    n_finding: int | None


def floor_confidence(n_finding: int, missed: int, floor: float) -> float:
    """Return the probability that a sensitivity floor holds on new films.

    Let the threshold be the m-th highest of the n scores of films with the finding.
    Then the sensitivity on new films has the distribution Beta(m, n - m + 1),
    whatever the distribution of the scores (order statistics; Wilks 1941).

    The formula treats all films as independent. If 20 films come from 11 patients, the
    returned probability is too high by up to 0.05.

    Parameters
    ----------
    n_finding, missed : int
        Number of validation films with the finding, and how many of them fall below
        the threshold.
    floor : float in (0, 1)

    Raises
    ------
    InputError
        More films are missed than there are, a number is negative, or the floor is not
        between 0 and 1.
    """
    floor = check_fraction(floor, "floor")
    if not 0 <= missed <= n_finding:
        raise InputError(f"{missed} of {n_finding} films are missed; 0 to {n_finding} are possible")
    found = n_finding - missed
    return float(scipy.stats.beta.sf(floor, found, missed + 1)) if found > 0 else 0.0


def max_missed(n_finding: int, floor: float, confidence: float | None = None) -> int:
    """Return how many of these films with the finding may fall below the threshold.

    Parameters
    ----------
    n_finding : int
    floor : float in (0, 1)
    confidence : float in (0, 1), optional
        As in `choose_by_sensitivity`.

    Raises
    ------
    InputError
        The floor or the confidence is not between 0 and 1, or there are too few films
        with the finding for the confidence.
    """
    floor = check_fraction(floor, "sensitivity")
    if confidence is None:
        return int(np.floor(n_finding * (1 - floor) + 1e-9))  # 10 (1 - 0.9) is computed as 0.9999..., and must be 1
    confidence, missed = check_fraction(confidence, "confidence"), -1
    while missed + 1 < n_finding and floor_confidence(n_finding, missed + 1, floor) >= confidence:
        missed += 1
    if missed < 0:
        needed = int(np.ceil(np.log(1 - confidence) / np.log(floor)))  # with none missed: 1 - floor ** n
        raise InputError(
            f"{n_finding} validation films with the finding cannot show a sensitivity of {floor:g} "
            f"with a confidence of {confidence:g}; at least {needed} are needed"
        )
    return missed


def choose_by_sensitivity(
    labels: ArrayLike, scores: ArrayLike, *, floor: float = 0.90, confidence: float | None = None
) -> OperatingPoint:
    """Choose the highest specificity with sensitivity >= floor.

    Parameters
    ----------
    labels : array, (N,), 1 = the finding
    scores : array, (N,)
    floor : float in (0, 1)
    confidence : float in (0, 1), optional
        The sensitivity on new films must be at least the floor with this probability.
        By default, only the sensitivity on these films must be at least the floor.

    Raises
    ------
    InputError
        As in `check_scores` and `max_missed`.
    """
    labels, scores = check_scores(labels, scores)
    findings = np.sort(scores[labels == 1])
    n = len(findings)
    missed = max_missed(n, floor, confidence)
    # if scores are tied, fewer films fall below; the confidence is computed as if there were no ties: a lower bound
    threshold = _just_below(findings[missed], scores)
    rule = f"highest specificity with sensitivity >= {floor:g}"
    if confidence is not None:
        rule += f" on new films, with confidence {confidence:g}"
    return OperatingPoint(threshold, rule, floor, floor_confidence(n, missed, floor), n)


def choose_by_youden(labels: ArrayLike, scores: ArrayLike) -> OperatingPoint:
    """Choose the highest sensitivity + specificity - 1 (Youden 1950).

    Same as ``choose_by_cost(missed=N0, false_alarm=N1)``, with N1 and N0 films with and
    without the finding.

    Parameters
    ----------
    labels : array, (N,), 1 = the finding
    scores : array, (N,)

    Raises
    ------
    InputError
        As in `check_scores`.
    """
    labels, scores = check_scores(labels, scores)
    n_finding, n_nofinding = int((labels == 1).sum()), int((labels == 0).sum())
    return _choose_lowest_cost(labels, scores, n_nofinding, n_finding, "highest sensitivity + specificity - 1")


def choose_by_cost(labels: ArrayLike, scores: ArrayLike, *, missed: float, false_alarm: float) -> OperatingPoint:
    """Choose the lowest total cost of missed findings and false alarms on these films.

    Parameters
    ----------
    labels : array, (N,), 1 = the finding
    scores : array, (N,)
    missed, false_alarm : float
        Cost of one missed finding and of one false alarm, in any unit.

    Raises
    ------
    InputError
        A cost is not above 0, or as in `check_scores`.
    """
    check_costs(missed, false_alarm)
    rule = f"lowest cost, a missed finding at {missed:g}, a false alarm at {false_alarm:g}"
    return _choose_lowest_cost(*check_scores(labels, scores), missed, false_alarm, rule)


def choose_by_capacity(scores: ArrayLike, *, capacity: float) -> OperatingPoint:
    """Choose the lowest threshold that calls at most a fraction of these films a finding.

    No labels are needed. So the sensitivity and the specificity are not known.

    Parameters
    ----------
    scores : array, (N,)
    capacity : float in (0, 1)
        The fraction of the films that may be flagged, for example 0.3. If scores are
        tied at the threshold, fewer films are flagged.

    Raises
    ------
    InputError
        The capacity is not between 0 and 1, a score is not a finite number, or there
        are too few films to flag one of them. All scores are the same, or the highest
        score is that of more films than may be flagged.

    Examples
    --------
    >>> choose_by_capacity([0.125, 0.25, 0.5, 0.75], capacity=0.5).threshold
    0.375
    """
    capacity, scores = check_fraction(capacity, "capacity"), check_finite(scores, "scores")
    n = len(scores)
    most = int(np.floor(n * capacity + 1e-9))  # 10 * 0.3 is computed as 2.9999..., and must be 3
    if most == 0:
        needed = int(np.ceil(1 / capacity - 1e-9))
        raise InputError(
            f"{n} films are too few to flag a fraction of {capacity:g} of them; at least {needed} are needed"
        )
    if are_constant(scores):
        raise InputError(f"all {n:,} films have the score {scores[0]:.4f}, so no threshold can tell them apart")
    candidates, counts = np.unique(-scores, return_counts=True)  # the highest score first
    flagged = counts.cumsum()
    if flagged[0] > most:
        raise InputError(
            f"{flagged[0]:,} of {n:,} films have the highest score, {scores.max():.4f}, and only {most:,} may be "
            "flagged; choose a larger capacity"
        )
    lowest = -candidates[flagged <= most][-1]
    rule = f"the highest scores, at most a fraction of {capacity:g} of the films"
    return OperatingPoint(_just_below(lowest, scores), rule, None, None, None)


def check_costs(missed: float, false_alarm: float) -> None:
    """Refuse costs of a missed finding and of a false alarm that are not finite numbers above 0.

    Raises
    ------
    InputError
        As the first line says.
    """
    if not all(is_real_number(cost) and 0 < cost < np.inf for cost in (missed, false_alarm)):
        raise InputError(f"costs are {missed!r:.80} and {false_alarm!r:.80}; both must be numbers above 0")


def _choose_lowest_cost(
    labels: np.ndarray, scores: np.ndarray, missed: float, false_alarm: float, rule: str
) -> OperatingPoint:
    findings, others = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    candidates = findings[::-1]  # between two findings, the higher threshold is never worse
    cost = missed * np.searchsorted(findings, candidates)
    cost = cost + false_alarm * (len(others) - np.searchsorted(others, candidates))
    if missed * len(findings) < cost.min():  # calling no film a finding is cheaper than every candidate
        threshold = np.nextafter(scores.max(), np.inf)
    else:
        most_sensitive = candidates[np.flatnonzero(cost == cost.min())[-1]]  # of all thresholds with the lowest cost
        threshold = _just_below(most_sensitive, scores)
    return OperatingPoint(float(threshold), rule, None, None, len(findings))


def _just_below(score: float, scores: np.ndarray) -> float:
    """Return the middle between a score and the next lower score.

    On these films, this threshold gives the same decisions as the score itself. On a
    different processor the last bit of a film's score may differ. The margin keeps
    the decisions the same there, too.
    """
    lower = scores[scores < score]
    return float((score + lower.max()) / 2 if lower.size else score)
