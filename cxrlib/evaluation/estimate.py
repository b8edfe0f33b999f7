"""A value with its confidence interval: proportions, differences, and the checks of labels and scores."""

from numbers import Real
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from cxrlib.errors import InputError

Patients = ArrayLike | None
"""The patient of each film, (N,), as ids of any kind; None if every film comes from a different patient."""

LEVEL = 0.95
"""The confidence level of all intervals, unless a function's argument ``level`` says otherwise."""

Z = float(special.ndtri((1 + LEVEL) / 2))
"""The quantile of the normal distribution for `LEVEL`: 1.96."""

HIGHEST_THRESHOLD = float(np.nextafter(1.0, 2.0))
"""The next float above 1. No score reaches it, so a threshold there calls no film a finding (`choose_by_cost`)."""

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


def check_scores(
    labels: ArrayLike, scores: ArrayLike, *, both_classes: bool = True, probabilities: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels as int and scores as float64, (N,) each.

    Parameters
    ----------
    labels : array, (N,), 1 = the finding
    scores : array, (N,)
    both_classes : bool
        Refuse films that are all of one class.
    probabilities : bool
        Refuse scores outside [0, 1].

    Raises
    ------
    InputError
        There are no films. The numbers of labels and scores differ. The labels are
        not 0 and 1, a score is not a finite number, or as the parameters say.
    """
    labels, scores = check_finite(labels, "labels"), check_finite(scores, "scores")
    if labels.shape != scores.shape:
        raise InputError(f"there are {labels.size} labels but {scores.size} scores; each film needs one of each")
    if not np.isin(labels, (0, 1)).all() or (both_classes and len(np.unique(labels)) < 2):
        needed = "both 0 and 1 are needed" if both_classes else "0 and 1 are allowed"
        raise InputError(f"the labels are {np.unique(labels)[:5].tolist()}; {needed}, and nothing else")
    if probabilities and not 0 <= scores.min() <= scores.max() <= 1:
        raise InputError(f"the scores are from {scores.min():g} to {scores.max():g}; probabilities, 0 to 1, are needed")
    return labels.astype(int), scores


def check_finite(values: ArrayLike, name: str) -> np.ndarray:
    """Return values as float64, (N,).

    Parameters
    ----------
    values : array, (N,) or (N, 1)
    name : str
        What the values are, such as "scores", for the message.

    Raises
    ------
    InputError
        There are no values, or some are not finite numbers.
    """
    try:
        if np.iscomplexobj(values) or np.ma.is_masked(values):
            raise TypeError("some are complex or masked")
        numbers = np.asarray(values, dtype=float).ravel()
    except (TypeError, ValueError) as error:
        raise InputError(f"the {name} are not numbers: {error}") from None
    if not numbers.size:
        raise InputError(f"there are no {name}; at least one is needed")
    if num_bad := int((~np.isfinite(numbers)).sum()):
        raise InputError(f"{num_bad:,} of {numbers.size:,} {name} are not finite numbers")
    return numbers


def is_real_number(value: object) -> bool:
    """Return whether a value is one real number of Python or NumPy. True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_threshold(threshold: float) -> float:
    """Return a threshold on scores as a float.

    Raises
    ------
    InputError
        It is not a number from 0 to 1. `HIGHEST_THRESHOLD` is allowed too.
    """
    if not (is_real_number(threshold) and 0 <= threshold <= HIGHEST_THRESHOLD):
        raise InputError(f"threshold is {threshold!r:.80}; it must be a number from 0 to 1")
    return float(threshold)


def check_fraction(value: float, name: str) -> float:
    """Return a fraction as a float.

    Parameters
    ----------
    value : float in (0, 1)
    name : str
        What the fraction is, such as "prevalence", for the message.

    Raises
    ------
    InputError
        It is not a number above 0 and below 1.
    """
    if not (is_real_number(value) and 0 < value < 1):
        raise InputError(f"{name} is {value!r:.80}; it must lie between 0 and 1")
    return float(value)


def number_patients(patients: Patients, films: int) -> np.ndarray:
    """Return each film's patient as a whole number from 0, (N,). Without ids, every film has a different patient.

    Raises
    ------
    InputError
        The numbers of ids and films differ, or an id is missing.
    """
    if patients is None:
        return np.arange(films)
    given = np.asarray(patients, dtype=object).ravel()  # otherwise NumPy turns a missing id into the text "nan"
    patients = np.asarray(patients).ravel()
    if len(patients) != films:
        raise InputError(f"there are {films} labels but {len(patients)} patients; each film needs one of each")
    if num_missing := int(pd.isna(given).sum()):
        raise InputError(f"{num_missing:,} of {films:,} films have no patient; give each film an id, or no ids at all")
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

    Raises
    ------
    InputError
        A hit is neither true nor false, or as in `number_patients`.

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
    hits = np.asarray(hits)
    if hits.size == 0:
        return UNDEFINED
    hits = _check_hits(hits)
    fraction, size = hits.mean(), effective_size(hits, patients)
    centre = (fraction + Z**2 / (2 * size)) / (1 + Z**2 / size)
    half = Z / (1 + Z**2 / size) * np.sqrt(fraction * (1 - fraction) / size + Z**2 / (4 * size**2))
    low, high = max(0, centre - half), min(1, centre + half)
    # Wilson's interval holds the fraction itself; at 0 and 1 it may miss it by a rounding error
    return Estimate(float(fraction), float(min(low, fraction)), float(max(high, fraction)))


def difference(a: Estimate, b: Estimate, *, correlation: float = 0.0) -> Estimate:
    """Return a - b with its interval, for two estimates whose intervals are known (MOVER).

    With the values a and b, and the correlation r of their errors, the lower end is

        a - b - sqrt(l^2 + u^2 - 2 r l u),   l = a - low of a,   u = high of b - b

    and the upper end has the other two distances (Zou and Donner, Stat Med 2008). So the
    interval keeps the form of the two, which need not be symmetric.

    Parameters
    ----------
    a, b : Estimate
        With intervals of the same level, such as the AUCs of two groups.
    correlation : float in [-1, 1]
        0, the default, is right if the two come from different patients. For two
        scores of the same films, see `cxrlib.evaluation.auc_difference`.

    Returns
    -------
    Estimate
        Not defined if one of the two is not.

    Examples
    --------
    >>> print(difference(Estimate(0.92, 0.86, 0.96), Estimate(0.72, 0.63, 0.80)))
    0.200 (0.100 to 0.298)
    """

    def reach(of_a: float, of_b: float) -> float:
        return float(np.sqrt(max(0.0, of_a**2 + of_b**2 - 2 * correlation * of_a * of_b)))  # rounding goes below 0

    value = a.value - b.value
    return Estimate(
        value, value - reach(a.value - a.low, b.high - b.value), value + reach(a.high - a.value, b.value - b.low)
    )


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

    Raises
    ------
    InputError
        There are no films, a hit is neither true nor false, or as in `number_patients`.
    """
    hits = _check_hits(hits)
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


def _check_hits(hits: ArrayLike) -> np.ndarray:
    """Return hits as floats, each 0 or 1, (N,)."""
    hits = check_finite(hits, "hits")
    if not np.isin(hits, (0, 1)).all():
        raise InputError(f"the hits are {np.unique(hits)[:5]}; each must be true or false")
    return hits
