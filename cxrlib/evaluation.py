"""AUC with its interval, operating points, and what they mean on new films.

Labels are (N,) with 1 = the finding; scores are (N,), higher for the finding;
patients are (N,) ids. Intervals are 95 % unless a level is given, and allow
for several films of one patient.
"""

from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from cxrlib.radiograph import InputError

RESAMPLES = 2000
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
    labels, scores = _check(labels, scores)
    return float(_weighted_aucs(labels, scores, np.ones((1, len(labels))))[0])


def auc_interval(labels, scores, patients=None, *, level: float = LEVEL, seed: int = 0) -> Estimate:
    """Return the AUC and its percentile interval by bootstrap over patients."""
    labels, scores = _check(labels, scores)
    samples = _weighted_aucs(labels, scores, _resample(labels, patients, seed))
    return Estimate(auc(labels, scores), *_percentiles(samples, level))


def auc_difference(labels, scores_a, scores_b, patients=None, *, level: float = LEVEL, seed: int = 0) -> Estimate:
    """Return AUC(a) - AUC(b) on the same films, with its paired bootstrap interval."""
    labels, scores_a = _check(labels, scores_a)
    _, scores_b = _check(labels, scores_b)
    weights = _resample(labels, patients, seed)
    samples = _weighted_aucs(labels, scores_a, weights) - _weighted_aucs(labels, scores_b, weights)
    return Estimate(auc(labels, scores_a) - auc(labels, scores_b), *_percentiles(samples, level))


def _check(labels, scores) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = np.asarray(labels).astype(int).ravel(), np.asarray(scores, dtype=float).ravel()
    if labels.shape != scores.shape:
        raise InputError(f"{labels.size} labels but {scores.size} scores")
    if not np.isin(labels, (0, 1)).all() or len(np.unique(labels)) != 2:
        raise InputError(f"labels are {np.unique(labels)[:5]}; both 0 and 1 are needed, and nothing else")
    if not np.isfinite(scores).all():
        raise InputError(f"{int((~np.isfinite(scores)).sum())} of {scores.size} scores are not finite numbers")
    return labels, scores


def _resample(labels: np.ndarray, patients, seed: int) -> np.ndarray:
    """Return (RESAMPLES, N) weights: how often each film's patient was drawn."""
    groups = np.arange(len(labels)) if patients is None else np.unique(patients, return_inverse=True)[1]
    count = groups.max() + 1
    rng = np.random.default_rng(seed)
    weights = np.empty((RESAMPLES, len(labels)), np.float32)
    for row in weights:
        while True:
            row[:] = np.bincount(rng.integers(count, size=count), minlength=count)[groups]
            if row[labels == 1].any() and row[labels == 0].any():  # else it has no AUC
                break
    return weights


def _weighted_aucs(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the AUC for each row of film weights, (R, N) -> (R,)."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))  # of runs of equal scores
    positive = weights[:, order] * labels[order]
    negative = weights[:, order] * (1 - labels[order])
    positive = np.add.reduceat(positive, starts, axis=1, dtype=np.float64)
    negative = np.add.reduceat(negative, starts, axis=1, dtype=np.float64)
    below = np.cumsum(negative, axis=1) - negative
    wins = (positive * (below + negative / 2)).sum(axis=1)
    return wins / (positive.sum(axis=1) * negative.sum(axis=1))


def _percentiles(samples: np.ndarray, level: float) -> tuple[float, float]:
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
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
    return Estimate(float(share), float(max(0, centre - half)), float(min(1, centre + half)))


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


@dataclass(frozen=True)
class Performance:
    """What a threshold does on a set of films; see `performance`."""

    threshold: float
    n: int
    n_finding: int
    n_patients: int
    tp: int
    fp: int
    fn: int
    tn: int
    prevalence: float
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate

    def as_dict(self) -> dict:
        """Return plain numbers, intervals as ``sensitivity_low`` and so on."""
        flat = {}
        for name, value in asdict(self).items():
            flat[name] = value.value if isinstance(value, Estimate) else value
            if isinstance(value, Estimate):
                flat |= {f"{name}_low": value.low, f"{name}_high": value.high}
        return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in flat.items()}


def performance(labels, scores, threshold: float, patients=None, *, prevalence: float | None = None) -> Performance:
    """Return sensitivity, specificity and predictive values of finding = score >= threshold.

    Parameters
    ----------
    prevalence : float in (0, 1), optional
        Of the finding among the films that the predictive values are for; by
        default that of these films.
    """
    labels, scores = _check(labels, scores)
    if prevalence is not None and not 0 < prevalence < 1:
        raise InputError(f"prevalence is {prevalence}; it must lie between 0 and 1")
    patients = np.arange(len(labels)) if patients is None else np.asarray(patients)
    called, ill = scores >= threshold, labels == 1
    sensitivity = proportion(called[ill], patients[ill])
    specificity = proportion(~called[~ill], patients[~ill])
    if prevalence is None:
        ppv = proportion(ill[called], patients[called])
        npv = proportion(~ill[~called], patients[~called])
    else:
        sizes = effective_size(called[ill] * 1.0, patients[ill]), effective_size(~called[~ill] * 1.0, patients[~ill])
        ppv, npv = predictive_values(sensitivity.value, specificity.value, prevalence, sizes)
    return Performance(
        threshold=float(threshold),
        n=len(labels),
        n_finding=int(ill.sum()),
        n_patients=len(np.unique(patients)),
        tp=int((called & ill).sum()),
        fp=int((called & ~ill).sum()),
        fn=int((~called & ill).sum()),
        tn=int((~called & ~ill).sum()),
        prevalence=float(ill.mean() if prevalence is None else prevalence),
        sensitivity=sensitivity,
        specificity=specificity,
        ppv=ppv,
        npv=npv,
    )


def predictive_values(
    sensitivity: float, specificity: float, prevalence: float, sizes: tuple[float, float]
) -> tuple[Estimate, Estimate]:
    """Return PPV and NPV at a given prevalence, by Bayes' theorem.

    Intervals are on the logit scale (Mercaldo, Lau and Zhou, Statistics in
    Medicine 2007), with half a film added to each cell (Haldane 1956).

    Parameters
    ----------
    sizes : (float, float)
        Films with and without the finding that the two rates come from.
    """
    z = stats.norm.ppf((1 + LEVEL) / 2)

    def bayes(hit: float, error: float, share: float) -> float:
        found = hit * share + error * (1 - share)
        return hit * share / found if found > 0 else np.nan

    def interval(value: float, se: float, sp: float, share: float, n1: float, n0: float) -> Estimate:
        se, sp = (se * n1 + 0.5) / (n1 + 1), (sp * n0 + 0.5) / (n0 + 1)
        centre = np.log(se * share / ((1 - sp) * (1 - share)))
        half = z * np.sqrt((1 - se) / (se * (n1 + 1)) + sp / ((1 - sp) * (n0 + 1)))
        low, high = 1 / (1 + np.exp(-(centre - half))), 1 / (1 + np.exp(-(centre + half)))
        return Estimate(float(value), float(min(low, value)), float(max(high, value)))

    n1, n0 = sizes
    ppv = bayes(sensitivity, 1 - specificity, prevalence)
    npv = bayes(specificity, 1 - sensitivity, 1 - prevalence)
    # the NPV is the PPV of the test for "nofinding", with the roles exchanged
    return (
        interval(ppv, sensitivity, specificity, prevalence, n1, n0),
        interval(npv, specificity, sensitivity, 1 - prevalence, n0, n1),
    )


def brier(labels, scores) -> float:
    """Return the Brier score: the mean squared error of a probability."""
    labels, scores = _check(labels, scores)
    return float(np.mean((scores - labels) ** 2))


def roc(labels, scores) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return false positive rate, sensitivity and threshold along the ROC curve."""
    from sklearn.metrics import roc_curve

    return roc_curve(*_check(labels, scores), drop_intermediate=False)


def precision_recall(labels, scores) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return precision (PPV), recall (sensitivity) and threshold."""
    from sklearn.metrics import precision_recall_curve

    return precision_recall_curve(*_check(labels, scores))
