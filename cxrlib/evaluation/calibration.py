"""Check whether scores are probabilities, and turn logits into probabilities.

A score of 0.3 is a probability if 3 in 10 films with such a score have the finding.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import (
    UNDEFINED,
    Estimate,
    Patients,
    are_constant,
    check_finite,
    check_scores,
    number_patients,
    proportion,
)
from cxrlib.evaluation.intervals import half_width, interval_from_influence

HIGHEST_LOGIT = float(logit(1 - np.finfo(float).eps))
"""A score of 1 has no finite logit. `calibration_line` gives it this one, 36.0, and a score of 0 the negative of it."""


def brier(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the Brier score: the mean of (score - label) squared, from 0 (best) to 1.

    Parameters
    ----------
    labels : array, (N,), 1 = the finding
    scores : array, (N,)
        Probabilities, in [0, 1].

    Raises
    ------
    InputError
        As in `cxrlib.evaluation.estimate.check_scores`.

    Examples
    --------
    >>> brier([1, 0], [0.5, 0.0])
    0.125
    """
    labels, scores = check_scores(labels, scores, probabilities=True)
    return float(np.mean((scores - labels) ** 2))


def brier_interval(labels: ArrayLike, scores: ArrayLike, patients: Patients = None) -> Estimate:
    """Return the Brier score and its interval, for films clustered by patient.

    The interval is computed like that of the AUC (`cxrlib.evaluation.intervals`).
    The influence value of a film is (its squared error - Brier score) / N.

    Parameters
    ----------
    labels : array, (N,), 1 = the finding
    scores : array, (N,)
        Probabilities, in [0, 1].
    patients : array, (N,), optional

    Raises
    ------
    InputError
        As in `cxrlib.evaluation.estimate.check_scores`, or the numbers of ids and films
        differ.

    Notes
    -----
    We simulated calibrated scores of films clustered by patient, 20 to 1,000 of them
    with the finding, with AUCs of 0.75 to 0.95. The interval holds the true Brier
    score in 93 to 98 % of samples. If each sample has the same fraction of films with
    the finding, the interval holds the true Brier score in more samples than that.
    """
    labels, scores = check_scores(labels, scores, probabilities=True)
    errors = (scores - labels) ** 2
    value = float(errors.mean())
    return interval_from_influence(labels, value, (errors - value) / len(errors), patients)


def reliability(labels: ArrayLike, scores: ArrayLike, patients: Patients = None, *, bins: int = 8) -> pd.DataFrame:
    """Return the mean score and the fraction of films with the finding, in groups of films of similar score.

    Parameters
    ----------
    labels : array, (N,), 1 = the finding
    scores : array, (N,)
        Probabilities, in [0, 1].
    patients : array, (N,), optional
    bins : int
        Number of groups. They are of equal size, from the lowest scores to the
        highest. If films are left over, the first groups have one film more.

    Returns
    -------
    DataFrame
        One row for each group: ``n``, mean ``score``, and ``fraction`` with its interval
        ``low`` to ``high``.

    Raises
    ------
    InputError
        As in `brier_interval`, or there are fewer films than groups.
    """
    labels, scores = check_scores(labels, scores, probabilities=True)
    if not 1 <= bins <= len(labels):
        raise InputError(f"bins is {bins}; it must be from 1 to the number of films, {len(labels):,}")
    patients = number_patients(patients, len(labels))
    # films with equal scores are shuffled; in the order of the files they would be sorted by class
    order = np.lexsort((np.random.default_rng(0).random(len(scores)), scores))
    rows = [
        (len(group), scores[group].mean(), *proportion(labels[group] == 1, patients[group]))
        for group in np.array_split(order, bins)
    ]
    return pd.DataFrame(rows, columns=["n", "score", "fraction", "low", "high"])


def platt(labels: ArrayLike, logits: ArrayLike) -> Callable[[ArrayLike], np.ndarray]:
    """Fit a sigmoid to validation films; return the function from logits to probabilities.

    p = sigmoid(a logit + b). a and b maximise the likelihood (Platt, "Probabilistic
    outputs for support vector machines", 1999). We leave out Platt's smoothing of the
    labels. The correction for a loss weight w is the case a = 1, b = -log w.

    Parameters
    ----------
    labels : array, (N,), 1 = the finding
    logits : array, (N,)

    Raises
    ------
    InputError
        As in `cxrlib.evaluation.estimate.check_scores`.
    """
    slope, offset = fit_sigmoid(*check_scores(labels, logits))

    def to_probabilities(new_logits: ArrayLike) -> np.ndarray:
        values = check_finite(new_logits, "logits").reshape(np.shape(new_logits))
        return expit(slope * values + offset)

    return to_probabilities


def fit_sigmoid(labels: np.ndarray, logits: np.ndarray, counts: np.ndarray | None = None) -> tuple[float, float]:
    """Return slope a and intercept b of the sigmoid(a logit + b) that fits the labels best.

    a and b maximise the likelihood. They are not finite if a threshold separates the
    classes without an error; the caller must rule that out.

    Parameters
    ----------
    labels, logits : ndarray, (N,)
        As `cxrlib.evaluation.estimate.check_scores` returns them.
    counts : ndarray, (N,), optional
        How many times each film counts, from 0. By default once.
    """
    from sklearn.linear_model import LogisticRegression  # takes a while to import

    # an infinite C: no penalty on a
    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky").fit(logits[:, None], labels, counts)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def calibration_line(labels: ArrayLike, scores: ArrayLike, patients: Patients = None) -> tuple[Estimate, Estimate]:
    """Return slope and intercept of the calibration, and their intervals, for films clustered by patient.

    They are a and b in p = sigmoid(a logit(score) + b), fitted to these films (Cox,
    Biometrika 1958). If the scores are probabilities, the slope is 1 and the intercept
    0. With a slope below 1, the scores are too extreme: high ones are too high, and low
    ones too low. The intercept is the error of a score of 0.5, on the logit scale.

    The intervals are value -+ half width (see `cxrlib.evaluation.intervals`). The
    influence values of a film are H^-1 x (label - p), where x = (logit, 1), and H is the
    sum of x x' p (1 - p) over all films (Liang and Zeger, Biometrika 1986).

    Parameters
    ----------
    labels : array, (N,), 1 = the finding
    scores : array, (N,)
        Probabilities, in [0, 1]. For the logits of 0 and 1 see `HIGHEST_LOGIT`.
    patients : array, (N,), optional

    Returns
    -------
    (Estimate, Estimate)
        Slope and intercept. Both are not defined if all scores are equal, if a
        threshold separates the classes without an error, or if all films of a class
        come from one patient.

    Raises
    ------
    InputError
        As in `brier_interval`.

    Notes
    -----
    tests/slow/test_statistics.py simulates calibrated scores of films clustered by
    patient, 20 to 1,000 of them with the finding, with AUCs of 0.75 to 0.95. The
    intervals hold the true slope and the true intercept in 94 to 98 % of samples.
    """
    labels, scores = check_scores(labels, scores, probabilities=True)
    logits = np.clip(logit(scores), -HIGHEST_LOGIT, HIGHEST_LOGIT)
    with_finding, without = logits[labels == 1], logits[labels == 0]
    is_separated = with_finding.min() >= without.max() or with_finding.max() <= without.min()
    if is_separated or are_constant(logits):
        return UNDEFINED, UNDEFINED
    line = fit_sigmoid(labels, logits)
    p, x = expit(line[0] * logits + line[1]), np.stack([logits, np.ones_like(logits)])
    influence = np.linalg.solve((x * p * (1 - p)) @ x.T, x * (labels - p))
    estimates = []
    for value, part in zip(line, influence, strict=True):
        half = half_width(labels, part, patients)
        estimates.append(UNDEFINED if half is None else Estimate(value, value - half, value + half))
    return estimates[0], estimates[1]
