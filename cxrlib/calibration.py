"""Whether a score of 0.3 means three in ten, and how to make it so."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from cxrlib.evaluation import check_scores, proportion


def reliability(labels, scores, patients=None, *, bins: int = 8) -> pd.DataFrame:
    """Return, for groups of films of similar score, the mean score and the share with the finding.

    Parameters
    ----------
    labels, scores, patients
        As in `cxrlib.evaluation`.
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
