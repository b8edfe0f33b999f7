"""AUC and shares of films, with intervals.

Labels are (N,) with 1 = the finding; scores are (N,), higher for the finding;
patients are (N,) ids. Intervals are 95 % unless a level is given, and allow
for several films of one patient.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import stats

from cxrlib.radiograph import InputError

RESAMPLES = 2000
BLOCK = 50  # resamples at a time: memory does not grow with their number
LEVEL = 0.95


class Estimate(NamedTuple):
    """A value with its interval."""

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        value, low, high = (format(number, spec or ".3f") for number in self)
        return f"{value} ({low} to {high})"

    def __str__(self) -> str:
        return format(self)


def auc(labels, scores) -> float:
    """Return the area under the ROC curve, exactly.

    The share of pairs (one film with the finding, one without) in which the
    finding scores higher, ties counted as half (Hanley and McNeil 1982).

    Examples
    --------
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    labels, scores = check_scores(labels, scores)
    return float(_weighted_aucs(labels, scores, np.ones((1, len(labels))))[0])


def auc_interval(labels, scores, patients=None, *, level: float = LEVEL, seed: int = 0) -> Estimate:
    """Return the AUC and its percentile interval by bootstrap over patients."""
    labels, scores = check_scores(labels, scores)
    samples = [_weighted_aucs(labels, scores, weights) for weights in _resample(labels, patients, seed)]
    return Estimate(auc(labels, scores), *_percentiles(samples, level))


def auc_difference(labels, scores_a, scores_b, patients=None, *, level: float = LEVEL, seed: int = 0) -> Estimate:
    """Return AUC(a) - AUC(b) on the same films, with its paired bootstrap interval."""
    labels, scores_a = check_scores(labels, scores_a)
    _, scores_b = check_scores(labels, scores_b)
    samples = [
        _weighted_aucs(labels, scores_a, weights) - _weighted_aucs(labels, scores_b, weights)
        for weights in _resample(labels, patients, seed)
    ]
    return Estimate(auc(labels, scores_a) - auc(labels, scores_b), *_percentiles(samples, level))


def aucs_of_few(labels, scores, n_finding: int, n_nofinding: int, *, draws: int = 1000, seed: int = 0) -> np.ndarray:
    """Return the AUCs (draws,) of small sets of films, each drawn from these without replacement.

    Parameters
    ----------
    n_finding, n_nofinding : int
        Films of each class in a set; no more than there are.
    """
    labels, scores = check_scores(labels, scores)
    rng, made = np.random.default_rng(seed), []
    classes = [(np.flatnonzero(labels == label), count) for label, count in ((1, n_finding), (0, n_nofinding))]
    for _ in range(draws):
        few = np.concatenate([rng.choice(films, count, replace=False) for films, count in classes])
        made.append(auc(labels[few], scores[few]))
    return np.array(made)


def check_scores(labels, scores) -> tuple[np.ndarray, np.ndarray]:
    """Return labels as int and scores as float, (N,) each, or refuse them."""
    labels, scores = np.asarray(labels).astype(int).ravel(), np.asarray(scores, dtype=float).ravel()
    if labels.shape != scores.shape:
        raise InputError(f"{labels.size} labels but {scores.size} scores")
    if not np.isin(labels, (0, 1)).all() or len(np.unique(labels)) != 2:
        raise InputError(f"labels are {np.unique(labels)[:5]}; both 0 and 1 are needed, and nothing else")
    if not np.isfinite(scores).all():
        raise InputError(f"{int((~np.isfinite(scores)).sum())} of {scores.size} scores are not finite numbers")
    return labels, scores


def alike(scores) -> bool:
    """Return whether scores or logits differ by no more than rounding, and so tell no film from another.

    Examples
    --------
    >>> alike([0.25, 0.25, 0.25]), alike([0.25, 0.25, 0.26])
    (True, False)
    """
    scores = np.asarray(scores, dtype=float)
    return bool(np.ptp(scores) <= 1e-5 * max(1.0, np.abs(scores).max()))


def check_varied(logits, what: str) -> None:
    """Refuse logits that are the same for all films.

    Parameters
    ----------
    what : str
        What is wrong then, for the message.
    """
    if len(logits) > 1 and alike(logits):
        raise InputError(
            f"{what}: the logits of all {len(logits):,} validation films are {np.mean(logits):.4f}; "
            "train into a new folder, with a smaller learning rate or for more epochs"
        )


def _resample(labels: np.ndarray, patients, seed: int) -> Iterator[np.ndarray]:
    """Yield (BLOCK, N) weights, RESAMPLES rows in all: how often each film's patient was drawn."""
    groups = np.arange(len(labels)) if patients is None else np.unique(patients, return_inverse=True)[1]
    count = groups.max() + 1
    rng = np.random.default_rng(seed)
    for _ in range(RESAMPLES // BLOCK):
        weights = np.empty((BLOCK, len(labels)))
        for row in weights:
            while True:
                row[:] = np.bincount(rng.integers(count, size=count), minlength=count)[groups]
                if row[labels == 1].any() and row[labels == 0].any():  # else it has no AUC
                    break
        yield weights


def _weighted_aucs(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the AUC for each row of film weights, (R, N) -> (R,)."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))  # of runs of equal scores
    positive = weights[:, order] * labels[order]
    negative = weights[:, order] * (1 - labels[order])
    positive = np.add.reduceat(positive, starts, axis=1)
    negative = np.add.reduceat(negative, starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    wins = (positive * (below + negative / 2)).sum(axis=1)
    return wins / (positive.sum(axis=1) * negative.sum(axis=1))


def _percentiles(samples: list[np.ndarray], level: float) -> tuple[float, float]:
    low, high = np.quantile(np.concatenate(samples), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def proportion(hits, patients=None, *, level: float = LEVEL) -> Estimate:
    """Return a share of films with its Wilson interval, allowing for repeated patients.

    The sample size is divided by the design effect of the clustering (Rao and
    Scott, Biometrics 1992), which is taken as at least 1.

    Parameters
    ----------
    hits : array of bool, (N,)
    patients : array, (N,), optional
    """
    hits = np.asarray(hits, dtype=float)
    if hits.size == 0:
        return Estimate(np.nan, np.nan, np.nan)
    share, size = hits.mean(), effective_size(hits, patients)
    z = stats.norm.ppf((1 + level) / 2)
    centre = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z / (1 + z**2 / size) * np.sqrt(share * (1 - share) / size + z**2 / (4 * size**2))
    low, high = max(0, centre - half), min(1, centre + half)  # which hold the share, but for rounding
    return Estimate(float(share), float(min(low, share)), float(max(high, share)))


def effective_size(hits: np.ndarray, patients=None) -> float:
    """Return how many independent films a clustered sample is worth.

    Where all films agree, the clustering cannot be estimated, and the number of
    patients is returned.
    """
    if patients is None:
        return float(len(hits))
    groups = np.unique(patients, return_inverse=True)[1]
    count, share = groups.max() + 1, hits.mean()
    if share in (0, 1) or count < 2:
        return float(count)
    residuals = np.bincount(groups, weights=hits - share)
    variance = count / (count - 1) * (residuals**2).sum() / len(hits) ** 2
    design_effect = variance / (share * (1 - share) / len(hits))
    return len(hits) / max(1.0, design_effect)


def brier(labels, scores) -> float:
    """Return the Brier score: the mean squared error of a probability."""
    labels, scores = check_scores(labels, scores)
    return float(np.mean((scores - labels) ** 2))


def roc(labels, scores) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return false positive rate, sensitivity and threshold along the ROC curve."""
    from sklearn.metrics import roc_curve

    return roc_curve(*check_scores(labels, scores), drop_intermediate=False)


def precision_recall(labels, scores) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return precision (PPV), recall (sensitivity) and threshold."""
    from sklearn.metrics import precision_recall_curve

    return precision_recall_curve(*check_scores(labels, scores))
