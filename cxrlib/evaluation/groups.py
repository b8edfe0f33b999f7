"""The figures of groups of films, by view, sex or age for example, and whether they differ by more than chance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy  # it imports scipy.stats, which takes half a second, at the first use
from numpy.typing import ArrayLike

from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import (
    UNDEFINED,
    Estimate,
    Patients,
    Z,
    check_scores,
    check_threshold,
    number_patients,
    proportion,
)
from cxrlib.evaluation.roc_auc import auc_interval

COLUMNS = ("view", "sex", "age", "site", "posture")
"""Columns of a cohort's table that a report groups films by, where the table has them."""

NO_GROUPS = ("path", "label", "patient_id", "split", "film_id")
"""Columns of a cohort's table that films cannot be grouped by."""

AGES = {"0 to 39": 0, "40 to 59": 40, "60 to 79": 60, "80 and over": 80}
"""The age groups: their names, and the age in years at which each begins. They are our choice."""

MIN_FILMS = 10
"""A rate is given only for at least this many films. If all 10 of 10 films are right, the interval of the rate is 0.72
to 1; with fewer films it is even wider. The limit is our choice."""

MAX_GROUPS = 20
"""`check_columns` refuses a column with more groups than this. The number is our choice."""

LEVEL = 0.05
"""The chance of calling any difference real, over all comparisons, if no groups differ."""

FIGURES = {"auc": "AUC", "sensitivity": "sensitivity", "specificity": "specificity"}
"""The figures of a `Group` that are compared, and their names in sentences."""


@dataclass(frozen=True)
class Group:
    """The figures of one group of films; None stands for a figure with too few films."""

    name: str
    n: int
    n_finding: int
    auc: Estimate | None
    sensitivity: Estimate | None
    specificity: Estimate | None

    def as_dict(self) -> dict[str, Any]:
        """Return one flat dictionary for JSON, with intervals as ``auc_low`` and so on."""
        flat: dict[str, Any] = {"group": self.name, "n": self.n, "n_finding": self.n_finding}
        for name in FIGURES:
            flat |= (getattr(self, name) or UNDEFINED).as_dict(name)
        return flat


@dataclass(frozen=True)
class Difference:
    """The test whether one figure is the same in all groups of one column.

    Attributes
    ----------
    column, figure : str
        Such as "view" and "sensitivity".
    p : float
        The p value of `homogeneity`.
    adjusted_p : float
        It allows for all comparisons of `compare_groups`. Below `LEVEL`, the groups
        differ by more than chance.
    """

    column: str
    figure: str
    p: float
    adjusted_p: float


def check_columns(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse columns that films cannot be grouped by.

    Raises
    ------
    InputError
        The table lacks the column, the column is one of `NO_GROUPS`, or it has more
        than `MAX_GROUPS` different values.
    """
    possible = [name for name in table if name not in NO_GROUPS]
    for column in columns:
        if column not in possible:
            found = ", ".join(possible) or "none to group by"
            raise InputError(f"films cannot be grouped by {column!r:.80}; the columns of the cohort are: {found}")
        if (num_groups := name_groups(table, column).nunique()) > MAX_GROUPS:
            raise InputError(
                f"films cannot be grouped by {column}: it has {num_groups:,} different values, and at most "
                f"{MAX_GROUPS} groups can be compared"
            )


def measure_groups(
    table: pd.DataFrame, scores: ArrayLike, threshold: float, columns: Sequence[str] = COLUMNS
) -> dict[str, list[Group]]:
    """Return the groups of each of these columns that the table has.

    Sensitivity needs `MIN_FILMS` films with the finding. Specificity needs as many
    without the finding, and the AUC as many of each class. Films whose group is
    missing belong to no group. Ages are grouped by `AGES`.

    Parameters
    ----------
    table : DataFrame
        One row a film: ``label``, ``patient_id`` and the columns.
    scores : array, (N,)
        In the order of the table.
    threshold : float in [0, 1]
    columns : sequence of str

    Raises
    ------
    InputError
        As in `performance_by`.
    """
    groups_of_column = {}
    for column in [name for name in columns if name in table]:
        films = name_groups(table, column), table["label"], scores, threshold, table["patient_id"]
        groups = []
        for name, n, n_finding, auc, sensitivity, specificity in _measure(*films):
            is_enough = n_finding >= MIN_FILMS, n - n_finding >= MIN_FILMS
            figures = (auc, all(is_enough)), (sensitivity, is_enough[0]), (specificity, is_enough[1])
            groups.append(Group(str(name), n, n_finding, *(figure if enough else None for figure, enough in figures)))
        groups_of_column[column] = groups
    return groups_of_column


def name_groups(table: pd.DataFrame, column: str) -> pd.Series:
    """Return the group of each film by a column of the table, missing where it is not known. Ages are grouped."""
    values = table[column]
    if column == "age":
        edges = [*AGES.values(), np.inf]
        values = pd.cut(pd.to_numeric(values, errors="coerce"), edges, right=False, labels=list(AGES)).astype(object)
    elif not pd.api.types.is_numeric_dtype(values):
        values = values.astype("string").str.strip().astype(object)
    return values.replace("", np.nan)


def performance_by(
    groups: ArrayLike, labels: ArrayLike, scores: ArrayLike, threshold: float, patients: Patients = None
) -> pd.DataFrame:
    """Return AUC, sensitivity and specificity in groups of films.

    Parameters
    ----------
    groups : array, (N,)
        The group of each film, of any kind that can be sorted. A film whose group is
        missing or "" is left out.
    labels : array, (N,), 1 = the finding
    scores : array, (N,)
    threshold : float in [0, 1]
    patients : array, (N,), optional

    Returns
    -------
    DataFrame
        One row a group: ``group``, ``n``, ``n_finding``, then ``sensitivity``,
        ``specificity`` and ``auc``, each with ``_low`` and ``_high``. NaN where a group
        has no film of the class; the AUC needs films of both.

    Raises
    ------
    InputError
        The arrays differ in length, a label is not 0 or 1, a score is not finite, or
        the threshold is not from 0 to 1.
    """
    rows = [
        (group, n, n_finding, *sensitivity, *specificity, *auc)
        for group, n, n_finding, auc, sensitivity, specificity in _measure(groups, labels, scores, threshold, patients)
    ]
    columns = [name + end for name in ("sensitivity", "specificity", "auc") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["group", "n", "n_finding", *columns])


def _measure(
    groups: ArrayLike, labels: ArrayLike, scores: ArrayLike, threshold: float, patients: Patients
) -> Iterator[tuple[Any, int, int, Estimate, Estimate, Estimate]]:
    """Yield each group, its films, those with the finding, its AUC, sensitivity and specificity."""
    labels, scores = check_scores(labels, scores, both_classes=False)
    called = scores >= check_threshold(threshold)
    patients = number_patients(patients, len(labels))
    group_of_film = pd.Series(np.asarray(groups)).replace("", np.nan)
    if len(group_of_film) != len(labels):
        raise InputError(f"there are {len(labels)} labels but {len(group_of_film)} groups; each film needs one of each")
    for group in sorted(group_of_film.dropna().unique()):
        inside = (group_of_film == group).to_numpy()
        positive, negative = inside & (labels == 1), inside & (labels == 0)
        auc = UNDEFINED
        if positive.any() and negative.any():
            auc = auc_interval(labels[inside], scores[inside], patients[inside])
        sensitivity = proportion(called[positive], patients[positive])
        specificity = proportion(~called[negative], patients[negative])
        yield group, int(inside.sum()), int(positive.sum()), auc, sensitivity, specificity


def compare_groups(groups_of_column: dict[str, list[Group]]) -> list[Difference]:
    """Test each figure of each column for being the same in all groups, allowing for the number of these tests.

    The p values are adjusted by Holm's method (Scand J Stat 1979). If no groups differ,
    the chance that any adjusted p value is below 0.05 is at most 0.05, if each test
    keeps its level. It does not matter how the tests depend on each other.

    Parameters
    ----------
    groups_of_column : dict of column -> list of Group
        As `measure_groups` returns them. A figure is tested if at least two groups
        have enough films for it.

    Notes
    -----
    tests/slow/test_statistics.py simulates 50 and 300 films with the finding, in groups
    by view, sex, age and site that do not differ: up to 12 comparisons. Some adjusted p
    value is below 0.05 in 3 to 6 % of samples.
    """
    tests = []
    for column, groups in groups_of_column.items():
        for name, title in FIGURES.items():
            known = [estimate for group in groups if (estimate := getattr(group, name)) is not None]
            if len(known) > 1:
                tests.append((column, title, homogeneity(known)))
    adjusted = adjust_by_holm([p for *_, p in tests])
    return [Difference(*test, adjusted_p) for test, adjusted_p in zip(tests, adjusted, strict=True)]


def describe_differences(groups_of_column: dict[str, list[Group]]) -> str:
    """Return sentences that say which figures differ between groups by more than chance."""
    tests = compare_groups(groups_of_column)
    if not tests:
        return "No two groups have enough films to be compared."
    looked_at = "1 comparison was made" if len(tests) == 1 else f"{len(tests)} comparisons were made"
    method = f"{looked_at}, and Holm's method allows for their number (level {LEVEL})."
    if real := [test for test in tests if test.adjusted_p < LEVEL]:
        found = "; ".join(f"{test.figure} by {test.column} (adjusted p {_format_p(test.adjusted_p)})" for test in real)
        return f"Groups differ by more than chance in: {found}. {method}"
    return (
        f"No figure differs between groups by more than chance. {method} Small groups can hide a difference, so this "
        "does not show that the groups are equal."
    )


def _format_p(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def homogeneity(estimates: Sequence[Estimate]) -> float:
    """Return the p value for "the true value is the same in all groups".

    The statistic is the smallest possible sum, over all common values c, of

        ((value - c) / s)^2,   s = the distance from the value to the end of its
                               interval on the side of c, divided by 1.96

    It is compared with the chi-squared distribution of k - 1 degrees of freedom for k
    groups, like Cochran's Q (Biometrics 1954). For two groups it is the difference's
    interval by MOVER (Zou and Donner, Stat Med 2008), turned into a test. The ends of
    the intervals allow for several films of one patient, and for rates near 0 and 1.
    Groups count as independent. If they share patients, such as AP and PA films of one
    patient, their values usually vary together, and then the true p value is lower.

    Parameters
    ----------
    estimates : sequence of Estimate
        At least two, with intervals of 95 %.

    Examples
    --------
    >>> homogeneity([Estimate(0.9, 0.8, 0.95), Estimate(0.9, 0.85, 0.93)])
    1.0
    """
    values, low, high = np.transpose(estimates)

    def misfit(common: float) -> float:
        reach = np.where(common < values, values - low, high - values) / Z
        away = values != common
        return float((((values - common)[away] / reach[away]) ** 2).sum())

    if np.ptp(values) == 0:
        return 1.0
    # the sum is convex, and smallest between the lowest and the highest value
    smallest = scipy.optimize.minimize_scalar(misfit, bounds=(values.min(), values.max()), method="bounded").fun
    return float(scipy.stats.chi2.sf(smallest, len(values) - 1))


def adjust_by_holm(p_values: Sequence[float]) -> np.ndarray:
    """Return p values adjusted for their number by Holm's method (Scand J Stat 1979), in their order.

    Examples
    --------
    >>> adjust_by_holm([0.01, 0.04, 0.03, 0.005]).round(3).tolist()
    [0.03, 0.06, 0.06, 0.02]
    """
    given = np.asarray(p_values, dtype=float)
    order = np.argsort(given)
    adjusted = np.empty(len(given))
    adjusted[order] = np.maximum.accumulate((len(given) - np.arange(len(given))) * given[order])
    return np.minimum(adjusted, 1.0)
