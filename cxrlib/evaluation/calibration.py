"""Whether a score of 0.3 means three in ten, and how to make it so."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from cxrlib.evaluation.estimate import LEVEL, Estimate, _by_parts, check_scores, proportion


def brier(labels, scores) -> float:
    """Return the Brier score: the mean squared error of a probability."""
    labels, scores = check_scores(labels, scores)
    return float(np.mean((scores - labels) ** 2))


def brier_interval(labels, scores, patients=None, *, level: float = LEVEL) -> Estimate:
    """Return the Brier score and its interval, made as that of `auc_interval`, of the squared errors of films.

    Notes
    -----
    In simulations (calibrated scores of films clustered by patient, 20 to 1,000 with
    the finding, AUCs of 0.75 to 0.95) it holds the true score in 93 to 98 % of
    samples; in more where the share with the finding is the same in each.
    """
    labels, scores = check_scores(labels, scores)
    errors = (scores - labels) ** 2
    value = float(errors.mean())
    return _by_parts(labels, value, (errors - value) / len(errors), patients, level)


def reliability(labels, scores, patients=None, *, bins: int = 8) -> pd.DataFrame:
    """Return, for groups of films of similar score, the mean score and the share with the finding.

    Parameters
    ----------
    labels, scores, patients
        As in `cxrlib.evaluation.roc_auc`.
    bins : int
        Groups of equal size, from the lowest scores to the highest.

    Returns
    -------
    DataFrame
        ``n``, ``score``, and ``share`` with its interval ``low`` to ``high``.
    """
    labels, scores = check_scores(labels, scores)
    patients = np.arange(len(labels)) if patients is None else np.asarray(patients)
    rows = []
    order = np.lexsort((np.random.default_rng(0).random(len(scores)), scores))  # equal scores in no order of the files
    for group in np.array_split(order, bins):
        share = proportion(labels[group] == 1, patients[group])
        rows.append((len(group), scores[group].mean(), *share))
    return pd.DataFrame(rows, columns=["n", "score", "share", "low", "high"])


def platt(labels, logits) -> Callable[[np.ndarray], np.ndarray]:
    """Fit a sigmoid to validation films; return the function from logits to probabilities.

    p = sigmoid(a logit + b), a and b by maximum likelihood (Platt, "Probabilistic
    outputs for support vector machines", 1999, without its smoothing of the
    labels). Correcting for the loss weight is a = 1, b = -log w.

    Parameters
    ----------
    labels : array, (N,), 1 = the finding
    logits : array, (N,)
    """
    labels, logits = check_scores(labels, logits)
    fitted = LogisticRegression(C=np.inf).fit(logits[:, None], labels)
    slope, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return lambda new: expit(slope * np.asarray(new, float) + offset)
