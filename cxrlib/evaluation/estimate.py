"""A value with its confidence interval, the interval of a proportion, and the checks of labels and scores."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from cxrlib.errors import InputError

Patients = ArrayLike | None
"""The patient of each film, (N,), as ids of any kind; None if every film comes from a different patient."""

LEVEL = 0.95
"""The confidence level of all intervals, unless a function's argument ``level`` says otherwise."""

Z = float(stats.norm.ppf((1 + LEVEL) / 2))
"""The quantile of the normal distribution for `LEVEL`: 1.96."""

SAME_SCORE = 1e-5
"""Scores that differ by less than this count as equal. It is our choice, well above the rounding of float32 (1e-7)."""


class Estimate(NamedTuple):
    """A value with its interval; all three are NaN where the value is not defined.

    As text it has three decimals, or the format that an f-string names.

    Examples
    --------
    >>> f"{Estimate(0.875, 0.75, 0.9375)}, {Estimate(0.875, 0.75, 0.9375):.2f}, {UNDEFINED}"
    '0.875 (0.750 to 0.938), 0.88 (0.75 to 0.94), not defined'
    """

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        if np.isnan(self.value):
            return "not defined"
        value, low, high = (format(number, spec or ".3f") for number in self)
        return f"{value} ({low} to {high})"

    def __str__(self) -> str:
        return format(self)

    def as_dict(self, name: str) -> dict[str, float | None]:
        """Return ``name``, ``name_low`` and ``name_high``, as JSON has them: None stands for "not defined"."""
        numbers = zip((name, f"{name}_low", f"{name}_high"), self, strict=True)
        return {key: None if np.isnan(number) else number for key, number in numbers}


UNDEFINED = Estimate(np.nan, np.nan, np.nan)
"""The estimate of a rate if there are no films."""


def check_scores(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return labels as int and scores as float64, (N,) each.

    Raises
    ------
    InputError
        The numbers of labels and scores differ, the labels are not both 0 and 1,
        or a score is not finite.
    """
    labels, scores = (np.asarray(values, dtype=float).ravel() for values in (labels, scores))
    if labels.shape != scores.shape:
        raise InputError(f"there are {labels.size} labels but {scores.size} scores; each film needs one of each")
    if not np.array_equal(np.unique(labels), (0, 1)):
        raise InputError(f"the labels are {np.unique(labels)[:5]}; both 0 and 1 are needed, and nothing else")
    if not np.isfinite(scores).all():
        raise InputError(f"{int((~np.isfinite(scores)).sum())} of {scores.size} scores are not finite numbers")
    return labels.astype(int), scores


def number_patients(patients: Patients, films: int) -> np.ndarray:
    """Return each film's patient as a whole number from 0, (N,). Without ids, every film has a different patient.

    Raises
    ------
    InputError
        The numbers of ids and films differ.
    """
    if patients is None:
        return np.arange(films)
    patients = np.asarray(patients).ravel()
    if len(patients) != films:
        raise InputError(f"there are {films} labels but {len(patients)} patients; each film needs one of each")
    return np.unique(patients, return_inverse=True)[1]


def are_constant(scores: ArrayLike) -> bool:
    """Return whether scores or logits differ by no more than rounding, so that they cannot order the films.

    Examples
    --------
    >>> are_constant([0.25, 0.25, 0.25]), are_constant([0.25, 0.25, 0.26])
    (True, False)
    """
    scores = np.asarray(scores, dtype=float)
    return bool(np.ptp(scores) <= SAME_SCORE * max(1.0, np.abs(scores).max()))


def proportion(hits: ArrayLike, patients: Patients = None) -> Estimate:
    """Return the fraction of films that are hits, with its Wilson interval, allowing for several films of one patient.

    The interval is computed for the sample size of `effective_size` (Rao and Scott,
    Biometrics 1992).

    Parameters
    ----------
    hits : array of bool, (N,)
    patients : array, (N,), optional

    Returns
    -------
    Estimate
        Not defined where there are no films.

    Notes
    -----
    We simulated fractions of 0.75 to 0.95 of 20 to 1,000 films. The interval holds
    the true fraction in 94 to 97 % of samples of clustered films, and in 92 to 97 % of
    samples of independent films. Coverage oscillates with sample size because the
    count is an integer; it is lowest, 92.5 %, at 20 films and a fraction of 0.95.

    Examples
    --------
    >>> print(proportion([True, True, True, False]))
    0.750 (0.301 to 0.954)
    """
    hits = np.asarray(hits, dtype=float)
    if hits.size == 0:
        return UNDEFINED
    fraction, size = hits.mean(), effective_size(hits, patients)
    centre = (fraction + Z**2 / (2 * size)) / (1 + Z**2 / size)
    half = Z / (1 + Z**2 / size) * np.sqrt(fraction * (1 - fraction) / size + Z**2 / (4 * size**2))
    low, high = max(0, centre - half), min(1, centre + half)
    # Wilson's interval holds the fraction itself; at 0 and 1 it may miss it by a rounding error
    return Estimate(float(fraction), float(min(low, fraction)), float(max(high, fraction)))


def effective_size(hits: ArrayLike, patients: Patients = None) -> float:
    """Return how many independent films a sample clustered by patient is worth.

    effective size = N / max(1, design effect). The design effect is the variance of
    the fraction of hits, estimated from sums by patient, divided by the variance that
    the fraction would have if all films were independent. If all films are hits, or
    none is, the clustering cannot be estimated, and the number of patients is
    returned.

    Parameters
    ----------
    hits : array of bool, (N,)
    patients : array, (N,), optional
    """
    hits = np.asarray(hits, dtype=float)
    if patients is None:
        return float(len(hits))
    patients = number_patients(patients, len(hits))
    count, fraction = patients.max() + 1, hits.mean()
    if fraction in (0, 1) or count < 2:
        return float(count)
    residuals = np.bincount(patients, weights=hits - fraction)
    variance = count / (count - 1) * (residuals**2).sum() / len(hits) ** 2
    design_effect = variance / (fraction * (1 - fraction) / len(hits))
    return len(hits) / max(1.0, design_effect)
