"""Compare configurations over paired random seeds.

An arm is one configuration of an experiment. Every arm is trained with the same
seeds, so the differences between arms are paired by seed. The tables have a row for
each training, with the columns ``seed``, ``arm`` and the results, such as ``auc``.
"""

import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import LEVEL, UNDEFINED, Estimate, check_finite


def paired_difference(a: ArrayLike, b: ArrayLike) -> Estimate:
    """Return the mean of a - b over paired seeds, with its interval by Student's t.

    Parameters
    ----------
    a, b : array, (seeds,)
        In the same order of seeds.

    Raises
    ------
    InputError
        The two have different lengths, or as in `mean_interval`.

    Examples
    --------
    >>> print(paired_difference([0.91, 0.92, 0.93], [0.90, 0.90, 0.90]))
    0.020 (-0.005 to 0.045)
    """
    a, b = check_finite(a, "results of a"), check_finite(b, "results of b")
    if a.shape != b.shape:
        raise InputError(f"there are {a.size} results of a but {b.size} of b; each seed needs one of each")
    return mean_interval(a - b)


def mean_interval(values: ArrayLike) -> Estimate:
    """Return the mean of independent values, (n,), with its interval by Student's t (1908).

    The ends are mean -+ t s / sqrt(n). s is the standard deviation of the values, and t
    is the quantile of Student's t with n - 1 degrees of freedom.

    Raises
    ------
    InputError
        There are fewer than two values, or some are not finite numbers.
    """
    values = check_finite(values, "values")
    if len(values) < 2:
        raise InputError("there is only 1 value; an interval needs at least 2")
    mean, half = values.mean(), stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * stats.sem(values)
    return Estimate(float(mean), float(mean - half), float(mean + half))


def by_arm(table: pd.DataFrame, column: str = "auc") -> pd.DataFrame:
    """Return one column of a table with a row for each seed and a column for each arm, in the order of the table.

    Raises
    ------
    ValueError
        An arm has two rows of one seed.
    """
    wide = table.set_index(["seed", "arm"])[column].unstack()  # noqa: PD010  (pivot_table would average them)
    return wide[list(table["arm"].unique())]


def compare_arms(table: pd.DataFrame, baseline: str, *, column: str = "auc") -> pd.DataFrame:
    """Return, for each arm, the mean of a column and its paired difference to the baseline arm.

    Parameters
    ----------
    table : DataFrame
        One row for each training: ``seed``, ``arm`` and the results.
    baseline : str
        The arm that all others are compared with.
    column : str
        The result that is compared.

    Returns
    -------
    DataFrame
        Indexed by arm: ``mean``, ``difference``, ``low``, ``high``. The last three are
        NaN for the baseline.

    Raises
    ------
    InputError
        The table has no arm of the baseline's name.
    """
    wide = by_arm(table, column)
    if baseline not in wide:
        raise InputError(f"there is no arm {baseline!r}; the arms are {', '.join(wide)}")
    rows = {}
    for arm in wide:
        difference = UNDEFINED if arm == baseline else paired_difference(wide[arm], wide[baseline])
        rows[arm] = (wide[arm].mean(), *difference)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "difference", "low", "high"])


def arms_table(table: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return the AUC of each arm, and its paired difference to the baseline arm, as text to be read."""
    wide = by_arm(table)
    rows = {arm: (str(mean_interval(wide[arm])), str(paired_difference(wide[arm], wide[baseline]))) for arm in wide}
    rows[baseline] = (rows[baseline][0], "")
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mean AUC", "difference"]).add_suffix(
        " (95 % interval)", axis="columns"
    )
