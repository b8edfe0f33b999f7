"""The weighted cross-entropy, and how its weight changes probabilities.

A missed effusion is worse than a false alarm, so it counts w times:

    loss = -w y log p - (1 - y) log(1 - p),   p = sigmoid(logit)

The p of a network that is trained with this loss is not the probability of the
finding: the odds p / (1 - p) are w times too high (Elkan, "The foundations of cost-sensitive learning",
IJCAI 2001). `score` divides the odds by w.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cxrlib.cohorts.cohort import check_both_classes


def class_weight(weight: float | str, labels: ArrayLike) -> float:
    """Return the weight w of a missed finding, as a number.

    Parameters
    ----------
    weight : float or "balanced"
        "balanced" is n0 / n1, films without the finding over films with it. Then both
        classes have the same total weight.
    labels : array_like, (N,), 1 = the finding
        The labels of the training films.

    Raises
    ------
    InputError
        The weight is "balanced", and all films are of one class.

    Examples
    --------
    >>> class_weight("balanced", np.array([1, 0, 0, 0]))
    3.0
    """
    if weight != "balanced":
        return float(weight)
    check_both_classes(labels, "the finding", "the training films")
    labels = np.asarray(labels)
    return float((labels == 0).sum() / (labels == 1).sum())


def initial_bias(labels: ArrayLike, weight: float) -> float:
    """Return the logit of a network that knows only how frequent the classes are.

    The logit is log(w n1 / n0). Of all constant logits, this one has the smallest
    weighted loss. It is 0 for the balanced weight w = n0 / n1.

    Parameters
    ----------
    labels : array_like, (N,), 1 = the finding
    weight : float
        The weight w of a missed finding.

    Raises
    ------
    InputError
        All films are of one class.
    """
    check_both_classes(labels, "the finding", "the training films")
    labels = np.asarray(labels)
    return float(np.log(weight * (labels == 1).sum() / (labels == 0).sum()))


def weighted_cross_entropy(weight: float) -> Callable[[Any, Any], Any]:
    """Return the weighted binary cross-entropy as a loss for ``model.compile``.

    Parameters
    ----------
    weight : float
        The weight w of a missed finding (label 1).

    Returns
    -------
    callable
        (labels (N, 1) in {0, 1}, logits z (N, 1)) -> (N,). For each film it is
        w y softplus(-z) + (1 - y) softplus(z): the loss above in a form that
        does not overflow. With w = 1 it is Keras' own
        ``BinaryCrossentropy(from_logits=True)``.
    """
    from cxrlib.model.backend import keras

    ops = keras.ops

    def loss(labels: Any, logits: Any) -> Any:  # tensors of Keras' backend
        labels = ops.cast(labels, logits.dtype)
        per_film = weight * labels * ops.softplus(-logits) + (1 - labels) * ops.softplus(logits)
        return ops.mean(per_film, axis=-1)

    return loss


def score(logit: ArrayLike, weight: float) -> np.ndarray:
    """Return the probability of the finding, corrected for the loss weight.

    It is sigmoid(logit - log w), float64 in [0, 1], in the shape of the logits.

    Examples
    --------
    >>> round(float(score(np.log(10), 10.0)), 3)
    0.5
    """
    from scipy.special import expit

    return expit(np.asarray(logit, dtype=np.float64) - np.log(weight))
