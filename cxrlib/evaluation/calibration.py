"""Check whether scores are probabilities, and turn logits into probabilities.

A score of 0.3 is a probability if 3 in 10 films with such a score have the finding.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit

from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import Estimate, Patients, check_finite, check_scores, number_patients, proportion
from cxrlib.evaluation.intervals import interval_from_influence


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
    labels, logits = check_scores(labels, logits)
    from sklearn.linear_model import LogisticRegression  # takes a while to import

    fitted = LogisticRegression(C=np.inf).fit(logits[:, None], labels)  # an infinite C: no penalty on a
    slope, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])

    def to_probabilities(new_logits: ArrayLike) -> np.ndarray:
        values = check_finite(new_logits, "logits").reshape(np.shape(new_logits))
        return expit(slope * values + offset)

    return to_probabilities
