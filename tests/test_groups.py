"""Figures by group, and the sentence that says whether groups differ by more than chance."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import Estimate, proportion
from cxrlib.evaluation.groups import (
    adjust_by_holm,
    check_columns,
    compare_groups,
    describe_differences,
    homogeneity,
    measure_groups,
    performance_by,
)


@pytest.fixture
def table():
    """800 films; the scores of AP films say nothing, and sex makes no difference. Sex is blank for some."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"label": np.tile([1, 0], 400), "patient_id": np.repeat(np.arange(400), 2).astype(str)})
    table["view"], table["sex"] = rng.choice(["AP", "PA"], 800), rng.choice(["F", "M", "", " "], 800)
    table["age"] = rng.uniform(0, 95, 800)
    table.loc[:9, "age"] = np.nan
    signal = np.where(table["view"] == "PA", 2.0, 0.0) * table["label"]
    return table.assign(score=stats.norm.cdf(rng.normal(signal - 1)))


def test_the_auc_of_a_group_is_scikit_learns(table):
    made = performance_by(table["view"], table["label"], table["score"], 0.5, table["patient_id"])
    for row in made.itertuples():
        inside = table[table["view"] == row.group]
        assert row.auc == pytest.approx(roc_auc_score(inside["label"], inside["score"]))
        assert row.auc_low < row.auc < row.auc_high
    one_class = performance_by(["a", "a", "b"], [1, 1, 0], [0.5, 0.6, 0.7], 0.5)
    assert one_class[["auc", "auc_low", "auc_high"]].isna().all(axis=None)


def test_a_planted_difference_is_found_and_none_where_there_is_none(table):
    groups = measure_groups(table, table["score"], 0.5)
    assert list(groups) == ["view", "sex", "age"]
    assert [group.name for group in groups["sex"]] == ["F", "M"]  # blank is no group
    assert sum(group.n for group in groups["age"]) == 790
    tests = {(test.column, test.figure): test.adjusted_p for test in compare_groups(groups)}
    assert len(tests) == 9
    real = {key for key, p in tests.items() if p < 0.05}
    assert real == {("view", "AUC"), ("view", "sensitivity")}
    text = describe_differences(groups)
    assert text.startswith(
        "Groups differ by more than chance in: AUC by view (adjusted p below 0.001); sensitivity by view"
    )
    assert "9 comparisons were made, and Holm's method allows for their number (level 0.05)." in text
    alike = describe_differences(measure_groups(table, table["score"], 0.5, ["sex"]))
    assert alike.startswith("No figure differs between groups by more than chance. 3 comparisons were made")


def test_small_groups_groups_of_one_class_and_missing_values_are_said(table):
    few = table.head(30).assign(
        sex=["F"] * 25 + ["M"] * 5, site=np.where(table["label"].head(30), "a", "b"), none=np.nan
    )
    groups = measure_groups(few, few["score"], 0.5, ("sex", "site", "none", "absent"))
    assert list(groups) == ["sex", "site", "none"]
    female, male = groups["sex"]
    assert female.auc is not None
    assert (male.n, male.auc, male.sensitivity, male.specificity) == (5, None, None, None)
    assert male.as_dict()["auc"] is None
    with_finding, without = groups["site"]
    assert with_finding.sensitivity is not None
    assert with_finding.auc is with_finding.specificity is without.auc is without.sensitivity is None
    assert groups["none"] == []
    assert describe_differences(groups) == "No two groups have enough films to be compared."
    assert describe_differences({}) == "No two groups have enough films to be compared."


def test_the_test_is_pearsons_chi_squared_where_films_are_many():
    for hits in ((500, 530, 520), (700, 770)):
        made = homogeneity([proportion(np.arange(1000) < count) for count in hits])
        counts = [hits, [1000 - count for count in hits]]
        assert made == pytest.approx(stats.chi2_contingency(counts, correction=False).pvalue, rel=0.06)


def test_two_groups_differ_where_the_interval_of_mover_is_away_from_0():
    """The difference less sqrt((p1 - l1)^2 + (u2 - p2)^2) is 0 or more (Zou and Donner 2008)."""
    a = Estimate(0.9, 0.8, 0.95)
    for distance in (0.99, 1.01):
        b = Estimate(0.9 - distance * np.hypot(0.1, 0.05), 0.5, 0.0)
        b = b._replace(high=b.value + distance * 0.05)
        lower_end = a.value - b.value - np.hypot(a.value - a.low, b.high - b.value)
        assert (homogeneity([a, b]) < 0.05) == (homogeneity([b, a]) < 0.05) == (lower_end > 0)


def test_a_rate_of_1_in_a_small_group_is_no_proof():
    perfect, other = proportion(np.ones(10)), proportion(np.arange(500) < 400)
    assert 0.05 < homogeneity([perfect, other]) < 0.5
    assert homogeneity([perfect, proportion(np.zeros(10))]) < 0.001
    assert homogeneity([perfect, perfect]) == 1


def test_holm_is_bonferroni_for_the_smallest_and_keeps_the_order():
    p = np.random.default_rng(0).random(20) ** 3
    adjusted = adjust_by_holm(p)
    assert adjusted.min() == pytest.approx(20 * p.min())
    assert (adjusted >= p).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    assert adjust_by_holm([]).size == 0


def test_a_column_that_films_cannot_be_grouped_by_is_refused(table):
    check_columns(table, ["view", "sex", "age"])
    check_columns(table, [])
    for column, message in (
        ("sight", r"grouped by 'sight'; the columns of the cohort are: view, sex, age, score"),
        ("patient_id", "grouped by 'patient_id'"),
        ("score", "score: it has 800 different values, and at most 20 groups"),
    ):
        with pytest.raises(InputError, match=message):
            check_columns(table, [column])
    with pytest.raises(InputError, match="none to group by"):
        check_columns(table[["label", "patient_id"]], ["view"])
