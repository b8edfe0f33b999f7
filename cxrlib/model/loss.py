"""Class weights, weighted cross-entropy, and what they do to probabilities.

Calling an effusion normal is worse than the reverse, so its error weighs more:

    loss = -w y log p - (1 - y) log(1 - p),   p = sigmoid(logit)

A network trained so does not put out the probability of a finding but one
whose odds are w times too high (Elkan, "The foundations of cost-sensitive
learning", IJCAI 2001); `score` divides them by w again.
"""

import numpy as np


def class_weight(weight: float | str, labels: np.ndarray) -> float:
    """Return the weight of the finding's errors as a number.

    Parameters
    ----------
    weight : float or "balanced"
        "balanced" is n0 / n1, which gives both classes the same say.
    labels : ndarray, (N,), 1 = the finding

    Examples
    --------
    >>> class_weight("balanced", np.array([1, 0, 0, 0]))
    3.0
    """
    if weight != "balanced":
        return float(weight)
    labels = np.asarray(labels)
    return float((labels == 0).sum() / (labels == 1).sum())


def initial_bias(labels: np.ndarray, weight: float) -> float:
    """Return the logit of a network that knows only how frequent the classes are.

    log(w n1 / n0): the constant at which the weighted loss is least; 0 when w
    balances the classes.
    """
    labels = np.asarray(labels)
    return float(np.log(weight * (labels == 1).sum() / (labels == 0).sum()))


def weighted_cross_entropy(weight: float):
    """Return the weighted binary cross-entropy as a loss for ``model.compile``.

    Parameters
    ----------
    weight : float
        Weight w of the errors on the finding (label 1).

    Returns
    -------
    callable
        (labels (N, 1) in {0, 1}, logits (N, 1)) -> (N,): per film
        w y softplus(-z) + (1 - y) softplus(z), the loss above in a form that
        does not overflow. With w = 1 it is Keras' own
        ``BinaryCrossentropy(from_logits=True)``.
    """
    from cxrlib.model.backend import keras

    ops = keras.ops

    def loss(labels, logits):
        labels = ops.cast(labels, logits.dtype)
        per_film = weight * labels * ops.softplus(-logits) + (1 - labels) * ops.softplus(logits)
        return ops.mean(per_film, axis=-1)

    return loss


def score(logit, weight: float) -> np.ndarray:
    """Return the probability of the finding, corrected for the loss weight.

    sigmoid(logit - log w), in [0, 1], float64.

    Examples
    --------
    >>> round(float(score(np.log(10), 10.0)), 3)
    0.5
    """
    from scipy.special import expit

    return expit(np.asarray(logit, dtype=np.float64) - np.log(weight))
