"""Whether acting on the scores is better than looking again at every film, or at none: net benefit.

A threshold t says what errors cost. It is the best threshold for somebody to whom a
missed finding is as bad as (1 - t) / t false alarms (Elkan, IJCAI 2001). The net benefit
weighs the false alarms accordingly (Vickers and Elkin, Med Decis Making 2006).
"""

from collections.abc import Iterable
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import (
    UNDEFINED,
    Estimate,
    Patients,
    check_fraction,
    check_scores,
    check_threshold,
    difference,
    number_patients,
    proportion,
)
from cxrlib.evaluation.operating_point import check_costs

THRESHOLDS = tuple(np.geomspace(0.01, 0.5, 41))
"""The thresholds of a decision curve: a missed finding is as bad as 99 false alarms, down to 1. They are our choice."""


def cost_threshold(*, missed: float, false_alarm: float) -> float:
    """Return the threshold that two costs imply, if the score is a probability.

    Calling a film with the probability p costs (1 - p) x false_alarm on average, and
    leaving it alone costs p x missed. The two are equal at

        p = false_alarm / (false_alarm + missed)

    So with a missed finding that costs c false alarms, the threshold is 1 / (1 + c)
    (Elkan, *The foundations of cost-sensitive learning*, IJCAI 2001). No film with a
    label is needed. The score must be a probability at the prevalence where it is used.

    Parameters
    ----------
    missed, false_alarm : float
        Cost of one missed finding and of one false alarm, in any unit.

    Raises
    ------
    InputError
        A cost is not above 0.

    Examples
    --------
    >>> cost_threshold(missed=9, false_alarm=1)
    0.1
    """
    check_costs(missed, false_alarm)
    return false_alarm / (false_alarm + missed)


def shift_prevalence(scores: ArrayLike, *, old: float, new: float) -> np.ndarray:
    """Return scores as they would be where the finding is more or less frequent.

    The odds p / (1 - p) of each score are divided by the odds of the old prevalence and
    multiplied by the odds of the new one (Elkan, IJCAI 2001, theorem 2). This is right if
    the films with the finding look alike in both places, and so do those without.

    Parameters
    ----------
    scores : array, (N,), in [0, 1]
    old, new : float in (0, 1)
        The prevalence that the scores were made for, and the one where they are used.

    Raises
    ------
    InputError
        A prevalence is not between 0 and 1.

    Examples
    --------
    >>> shift_prevalence([0.5], old=0.5, new=0.1).round(3)
    array([0.1])
    """
    old, new = check_fraction(old, "old prevalence"), check_fraction(new, "new prevalence")
    scores = np.asarray(scores, float)
    called, left = scores * new / old, (1 - scores) * (1 - new) / (1 - old)
    return called / (called + left)


def net_benefit(
    labels: ArrayLike,
    scores: ArrayLike,
    threshold: float,
    patients: Patients = None,
    *,
    over: Literal["none", "all"] = "none",
    prevalence: float | None = None,
) -> Estimate:
    """Return the net benefit of finding = score >= threshold, and its interval, for films clustered by patient.

    With N films and the threshold t,

        net benefit = TP / N - FP / N * t / (1 - t)

    Its unit is findings for each film: 0.02 is worth as much as 2 findings in 100
    films without a false alarm. The net benefit of flagging no film is 0. The highest
    possible one is the prevalence. The scores should be probabilities.

    The interval is by MOVER (Zou and Donner, Stat Med 2008). It combines the Wilson
    intervals of the two fractions in the formula, which allow for several films of one
    patient (`cxrlib.evaluation.estimate.proportion`), and the correlation of the two,
    estimated from sums by patient. So the interval is right where few films are missed,
    or few are false alarms.

    Parameters
    ----------
    labels : array, (N,), 1 = the finding
    scores : array, (N,)
        Probabilities, in [0, 1].
    threshold : float in [0, 1]
    patients : array, (N,), optional
    over : {"none", "all"}
        What the scores are compared with. "all" subtracts the net benefit of flagging
        all films. The difference is TN / N * t / (1 - t) - FN / N.
    prevalence : float in (0, 1), optional
        The fraction of films with the finding that the net benefit is computed for. By
        default it is the fraction among these films.

    Returns
    -------
    Estimate
        Not defined at a threshold of 1, because there a false alarm costs too much to
        be counted.

    Raises
    ------
    InputError
        A score lies outside [0, 1], the threshold is not from 0 to 1, the prevalence
        is not between 0 and 1, `over` is neither of the two, or as in `cxrlib.evaluation.estimate.check_scores`.

    Notes
    -----
    tests/slow/test_statistics.py simulates calibrated scores of films clustered by
    patient, 20 to 1,000 of them with the finding, with AUCs of 0.75 to 0.95. At
    thresholds of 0.05 to 0.3, the interval holds the true net benefit in 93 to 97 % of
    samples, over flagging none and over flagging all, and also at a prevalence of 0.02 or
    0.3 that is given. An interval of value -+ half width
    (`cxrlib.evaluation.intervals`) misses more often over flagging all: for 20 films
    with the finding, an AUC of 0.95 and a threshold of 0.05, it holds the truth in
    77 % of samples.

    Examples
    --------
    >>> round(net_benefit([1, 1, 0, 0], [0.9, 0.2, 0.4, 0.1], 0.3).value, 4)
    0.1429
    """
    labels, scores = check_scores(labels, scores, probabilities=True)
    threshold = check_threshold(threshold)
    prevalence = None if prevalence is None else check_fraction(prevalence, "prevalence")
    patients = number_patients(patients, len(labels))
    if over not in ("none", "all"):
        raise InputError(f"over is {over!r:.80}; it must be none or all")
    if threshold >= 1:
        return UNDEFINED
    # over flagging all, the score saves the films that it does not flag: the same formula, with the other sign
    flagged = scores >= threshold if over == "none" else scores < threshold
    parts = []
    for label, worth in ((1, 1.0), (0, threshold / (1 - threshold))):
        own = labels == label
        films = np.ones_like(own)
        if prevalence is not None:  # it does not vary by chance, so only the fraction of the class does
            films, worth = own, worth * (prevalence if label == 1 else 1 - prevalence)
        fraction = proportion((flagged & own)[films], patients[films])
        errors = np.bincount(patients, films * ((flagged & own) - fraction.value))
        parts.append((Estimate(*(worth * end for end in fraction)), errors))
    (found, found_errors), (lost, lost_errors) = parts
    scale = np.linalg.norm(found_errors) * np.linalg.norm(lost_errors)
    correlation = float(found_errors @ lost_errors / scale) if scale > 0 else 0.0
    made = difference(found, lost, correlation=correlation)
    if over == "none":
        return made
    return Estimate(0 - made.value, 0 - made.high, 0 - made.low)  # 0 - 0 is 0, and not -0


def decision_curve(
    labels: ArrayLike, scores: ArrayLike, patients: Patients = None, *, thresholds: Iterable[float] = THRESHOLDS
) -> pd.DataFrame:
    """Return the net benefit at each of several thresholds, and that of flagging all films.

    Where it is above that of flagging all, and above 0, which is that of flagging none,
    the scores are useful to whoever weighs errors by this threshold.

    Parameters
    ----------
    labels : array, (N,), 1 = the finding
    scores : array, (N,)
        Probabilities, in [0, 1].
    patients : array, (N,), optional
    thresholds : iterable of float in [0, 1)

    Returns
    -------
    DataFrame
        One row a threshold: ``threshold``, ``net_benefit`` with its interval ``low`` to
        ``high``, and ``flag_all``, the net benefit of flagging all films. The interval
        is for each threshold on its own.

    Raises
    ------
    InputError
        As in `net_benefit`.
    """
    labels, scores = check_scores(labels, scores, probabilities=True)
    rows = [
        (threshold, *net_benefit(labels, scores, threshold, patients), _flag_all(labels.mean(), threshold))
        for threshold in thresholds
    ]
    return pd.DataFrame(rows, columns=["threshold", "net_benefit", "low", "high", "flag_all"])


def _flag_all(prevalence: float, threshold: float) -> float:
    return prevalence - (1 - prevalence) * threshold / (1 - threshold) if threshold < 1 else np.nan
