import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, confusion_matrix, recall_score, roc_auc_score

from cxrlib.errors import InputError
from cxrlib.evaluation.average_precision import average_precision_interval
from cxrlib.evaluation.calibration import brier, brier_interval, platt, reliability
from cxrlib.evaluation.estimate import UNDEFINED, Estimate, difference, effective_size, proportion
from cxrlib.evaluation.groups import performance_by
from cxrlib.evaluation.operating_point import choose_by_cost, choose_by_sensitivity, floor_confidence
from cxrlib.evaluation.rates import compare_thresholds, evaluate_scores, performance, predictive_values
from cxrlib.evaluation.roc_auc import auc, auc_difference, auc_interval, aucs_of_samples
from cxrlib.evaluation.seeds import mean_interval, paired_difference


def draw(rng, n=200, ties=False):
    labels = rng.permutation(np.repeat([1, 0], [max(1, n // 5), n - max(1, n // 5)]))
    scores = rng.normal(labels, 1.0)
    return labels, np.round(scores, 1) if ties else scores


def by_pairs(labels, scores):
    """1 where the finding (row) scores higher than the film without it (column), 1/2 where they tie."""
    difference = scores[labels == 1][:, None] - scores[labels == 0][None]
    return (difference > 0) + (difference == 0) / 2


def logit_interval(value, variance, freedom, level=0.95):
    half = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(variance) / (value * (1 - value))
    return [value, *(1 / (1 + np.exp(-np.log(value / (1 - value)) + sign * half)) for sign in (1, -1))]


def wilson(hits):
    """Return the roots q of (p - q)^2 = z^2 q (1 - q) / n, of films with a patient each.

    The variance over patients divides by their number less 1, so n is one less than the films, unless all agree.
    """
    p, n = np.mean(hits), len(hits) - (0 < np.mean(hits) < 1)
    z2 = stats.norm.ppf(0.975) ** 2 / n
    return sorted(np.roots([1 + z2, -2 * p - z2, p**2]))


def test_auc_is_scikit_learns_and_the_fraction_of_pairs():
    """A thousand cases and more, with ties and without, of one film a class and up."""
    for most, decimals in itertools.product((12, 80, 600), (None, 1, 0)):
        rng = np.random.default_rng(most)
        for case in range(120):
            n = int(rng.integers(2, most))
            positives = (1, n - 1, int(rng.integers(1, n)))[case % 3]  # one film only, all but one, any number
            labels = rng.permutation(np.arange(n) < positives).astype(int)
            scores = rng.normal(labels, 1.0)
            scores = scores if decimals is None else np.round(scores, decimals)
            assert auc(labels, scores) == pytest.approx(by_pairs(labels, scores).mean(), abs=1e-12)
            assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_the_average_precision_is_scikit_learns():
    for most, decimals in itertools.product((12, 80, 600), (None, 1, 0)):
        rng = np.random.default_rng(most)
        for case in range(40):
            n = int(rng.integers(2, most))
            labels = rng.permutation(np.arange(n) < (1, n - 1, int(rng.integers(1, n)))[case % 3]).astype(int)
            scores = rng.normal(labels, 1.0)
            scores = scores if decimals is None else np.round(scores, decimals)
            made, expected = average_precision_interval(labels, scores), average_precision_score(labels, scores)
            assert made.value == pytest.approx(expected, abs=1e-12)
            assert made.low <= made.value <= made.high


def test_the_interval_of_an_average_precision_agrees_with_a_bootstrap_over_patients():
    rng = np.random.default_rng(1)
    patients = np.repeat(np.arange(500), 3)
    labels = (rng.random(1500) < rng.beta(0.3, 0.7, 500)[patients]).astype(int)
    scores = np.round(rng.normal(size=500)[patients] + rng.normal(size=1500) + 1.5 * labels, 1)
    resampled = []
    for _ in range(1000):
        rows = (3 * rng.integers(500, size=500)[:, None] + np.arange(3)).ravel()
        resampled.append(average_precision_score(labels[rows], scores[rows]))
    made = average_precision_interval(labels, scores, patients)
    np.testing.assert_allclose([made.low, made.high], np.quantile(resampled, [0.025, 0.975]), atol=0.01)
    alone = average_precision_interval(labels, scores)
    assert made.high - made.low > 1.2 * (alone.high - alone.low)


def test_an_average_precision_of_1_is_not_certain():
    made = average_precision_interval(np.repeat([1, 0], [20, 100]), np.linspace(1, 0, 120))
    assert made.value == made.high == 1
    assert made.low < 0.9


def test_the_aucs_of_samples_are_those_of_films_drawn_without_replacement():
    """All but one film of each class: each AUC is scikit-learn's of the films without one pair of them."""
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0], [4, 5])
    scores = rng.normal(labels, 1.0)
    without_a_pair = [
        roc_auc_score(np.delete(labels, [i, j]), np.delete(scores, [i, j])) for i in range(4) for j in range(4, 9)
    ]
    aucs = aucs_of_samples(labels, scores, 3, 4)
    assert aucs.shape == (1000,)
    np.testing.assert_allclose(np.unique(aucs.round(9)), np.unique(np.round(without_a_pair, 9)))
    assert aucs.mean() == pytest.approx(np.mean(without_a_pair), abs=0.01)  # each pair is left out equally often
    assert not np.array_equal(aucs, aucs_of_samples(labels, scores, 3, 4, seed=1))
    np.testing.assert_allclose(aucs_of_samples(labels, scores, 4, 5), roc_auc_score(labels, scores))  # all films
    with pytest.raises(InputError, match="needs 5 films of a class; 1 to 4 can be drawn"):
        aucs_of_samples(labels, scores, 5, 5)


@pytest.mark.parametrize("ties", [False, True])
def test_the_interval_is_delongs_on_the_logit_scale(ties):
    """DeLong's variance counted pair by pair: the variances of rows and columns over their numbers."""
    labels, scores = draw(np.random.default_rng(1), ties=ties)
    pairs = by_pairs(labels, scores)
    m, n = pairs.shape
    variance = pairs.mean(1).var(ddof=1) / m + pairs.mean(0).var(ddof=1) / n
    expected = logit_interval(pairs.mean(), variance, m - 1)
    assert auc_interval(labels, scores) == pytest.approx(expected)
    assert auc_interval(labels, scores, np.arange(len(labels))[::-1]) == pytest.approx(expected)
    assert auc_interval(labels, scores, level=0.8) == pytest.approx(logit_interval(pairs.mean(), variance, m - 1, 0.8))


def test_the_clustered_variance_is_obuchowskis_by_hand():
    """Three patients; a has films of both classes.

    Findings 3 and 5 (a), 4 (b); others 1 (a), 2 and 4.5 (c). Findings win 2/3, 1, 2/3 of their pairs, the others
    1, 1, 1/3; AUC 7/9. Sums by patient less AUC times films: 1/9 (a) and -1/9 (b); 2/9 (a) and -2/9 (c).
    S10 = 2/(1*3) * 2/81 = 4/243; S01 = 2/(1*3) * 8/81 = 16/243; S11 = 3/2 * 2/81 = 1/27.
    Variance S10/3 + S01/3 + 2 S11/9 = 26/729. Each class is worth 9/5 patients.
    """
    labels, scores, patients = [1, 1, 1, 0, 0, 0], [3, 5, 4, 1, 2, 4.5], list("aabacc")
    made = auc_interval(labels, scores, patients, level=0.5)
    assert made == pytest.approx(logit_interval(7 / 9, 26 / 729, 4 / 5, level=0.5))


def test_the_difference_is_delongs_with_its_covariance():
    rng = np.random.default_rng(2)
    labels, a = draw(rng)
    b = a + rng.normal(0, 0.5, len(a))
    one, two = by_pairs(labels, a), by_pairs(labels, b)
    m, n = one.shape
    covariance = np.cov(one.mean(1), two.mean(1)) / m + np.cov(one.mean(0), two.mean(0)) / n
    half = stats.t.ppf(0.975, m - 1) * np.sqrt([1, -1] @ covariance @ [1, -1])
    value = one.mean() - two.mean()
    assert auc_difference(labels, a, b) == pytest.approx((value, value - half, value + half))


def test_with_many_films_it_agrees_with_a_bootstrap_over_patients():
    rng = np.random.default_rng(1)
    patients = np.repeat(np.arange(500), 3)
    labels = (rng.random(1500) < rng.beta(0.3, 0.7, 500)[patients]).astype(int)
    scores = rng.normal(size=500)[patients] + rng.normal(size=1500) + 1.5 * labels
    resampled = []
    for _ in range(1000):
        rows = (3 * rng.integers(500, size=500)[:, None] + np.arange(3)).ravel()
        resampled.append(roc_auc_score(labels[rows], scores[rows]))
    made = auc_interval(labels, scores, patients)
    np.testing.assert_allclose([made.low, made.high], np.quantile(resampled, [0.025, 0.975]), atol=0.005)
    assert made.low < made.value < made.high


def test_an_auc_of_1_is_not_certain():
    """The exact lower bound of 20 hits in 20 independent pairs: 0.025 ** (1 / 20)."""
    labels, scores = np.repeat([1, 0], [20, 100]), np.linspace(1, 0, 120)
    exact = stats.binomtest(20, 20).proportion_ci(method="exact").low
    assert auc_interval(labels, scores) == pytest.approx((1, exact, 1))
    assert auc_interval(labels, -scores) == pytest.approx((0, 0, 1 - exact))
    assert auc_interval(labels, np.zeros(120)) == pytest.approx((0.5, exact / 2, 1 - exact / 2))
    patients = np.concatenate([np.arange(20) // 2, np.arange(100) // 2])  # ten have films of both classes
    exact = stats.binomtest(10, 10).proportion_ci(method="exact").low
    assert auc_interval(labels, scores, patients) == pytest.approx((1, exact, 1))


def test_one_film_of_a_class_says_nearly_nothing():
    for labels in ([1, 0, 0, 0], [1, 1, 1, 0], [1, 0]):
        made = auc_interval(labels, np.arange(len(labels)))
        assert made.high - made.low > 0.95
    assert auc_interval([1, 1, 0, 0], [3, 1, 2, 0], ["a"] * 4).low < 0.03  # one patient


def test_two_networks_that_both_separate_the_films_may_differ():
    labels, scores = np.repeat([1, 0], [20, 100]), np.linspace(1, 0, 120)
    other_order = np.concatenate([scores[:20][::-1], scores[20:]])
    low = auc_interval(labels, scores).low
    assert auc_difference(labels, scores, other_order) == pytest.approx((0, low - 1, 1 - low))
    assert auc_difference(labels, scores, 2 * scores) == (0, 0, 0)


def test_the_width_is_that_of_hanley_and_mcneil():
    rng = np.random.default_rng(2)
    labels, scores = draw(rng, 1000)
    made = auc_interval(labels, scores)
    a, n1, n0 = made.value, 200, 800
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    error = np.sqrt((a * (1 - a) + (n1 - 1) * (q1 - a * a) + (n0 - 1) * (q2 - a * a)) / (n1 * n0))
    assert (made.high - made.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.15)


def test_repeating_each_film_of_a_patient_does_not_narrow_the_interval():
    rng = np.random.default_rng(3)
    labels, scores = draw(rng)
    once = auc_interval(labels, scores)
    patients = np.tile(np.arange(len(labels)), 4)
    four = auc_interval(np.tile(labels, 4), np.tile(scores, 4), patients)
    naive = auc_interval(np.tile(labels, 4), np.tile(scores, 4))
    assert four.high - four.low == pytest.approx(once.high - once.low, rel=0.1)
    assert naive.high - naive.low < 0.6 * (once.high - once.low)


def test_a_paired_difference_is_narrower_than_two_intervals():
    rng = np.random.default_rng(4)
    labels, scores = draw(rng, 500)
    noisier = scores + rng.normal(0, 0.3, 500)
    made = auc_difference(labels, scores, noisier)
    assert made.value == pytest.approx(roc_auc_score(labels, scores) - roc_auc_score(labels, noisier))
    single = auc_interval(labels, scores)
    assert made.high - made.low < 0.7 * (single.high - single.low)
    assert auc_difference(labels, scores, scores) == (0, 0, 0)


def test_proportion_is_wilsons():
    for hits, n in ((0, 10), (3, 10), (10, 10), (180, 200)):
        made = proportion(np.arange(n) < hits)
        expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
        assert made == pytest.approx((hits / n, expected.low, expected.high), abs=1e-9)


def test_the_difference_of_two_proportions_is_newcombes():
    """56 of 70 and 48 of 80 are the first example of Newcombe, Stat Med 1998; the ends are those of his method 10."""
    made = difference(proportion(np.arange(70) < 56), proportion(np.arange(80) < 48))
    assert made == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert np.isnan(difference(UNDEFINED, made)).all()


def test_an_estimate_as_text_and_as_json():
    made = Estimate(0.5, 0.25, 0.75)
    assert (str(made), f"{made:.1f}") == ("0.500 (0.250 to 0.750)", "0.5 (0.2 to 0.8)")
    assert made.as_dict("auc") == {"auc": 0.5, "auc_low": 0.25, "auc_high": 0.75}
    assert str(UNDEFINED) == f"{proportion([]):.2f}" == "not defined"
    assert UNDEFINED.as_dict("ppv") == {"ppv": None, "ppv_low": None, "ppv_high": None}


def test_clustered_films_count_for_less():
    rng = np.random.default_rng(6)
    by_patient = rng.random(100) < 0.7
    hits, patients = np.repeat(by_patient, 5).astype(float), np.repeat(np.arange(100), 5)
    assert effective_size(hits, patients) == pytest.approx(100, rel=0.02)
    assert effective_size(rng.random(500).round(), patients) > 350  # independent within patients
    assert effective_size(np.ones(500), patients) == 100


def test_performance_by_hand():
    labels = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    scores = [0.9, 0.8, 0.5, 0.1, 0.6, 0.5, 0.3, 0.2, 0.1, 0.0]
    made = performance(labels, scores, 0.5)
    assert (made.tp, made.fp, made.fn, made.tn) == (3, 2, 1, 4)  # a score at the threshold is a finding
    assert made.sensitivity.value == 0.75
    assert made.specificity.value == pytest.approx(4 / 6)
    assert made.ppv.value == 0.6
    assert made.npv.value == 0.8
    assert made.prevalence == 0.4
    flat = made.as_dict()
    assert flat["sensitivity_low"] < flat["sensitivity"] < flat["sensitivity_high"]


def test_predictive_values_follow_bayes_at_any_prevalence():
    labels, scores = draw(np.random.default_rng(7), 1000)
    own = performance(labels, scores, 0.5)
    same = performance(labels, scores, 0.5, prevalence=0.2)
    assert same.ppv.value == pytest.approx(own.ppv.value)  # 0.2 is these films' own
    assert same.npv.value == pytest.approx(own.npv.value)
    rare = performance(labels, scores, 0.5, prevalence=0.01)
    se, sp = own.sensitivity.value, own.specificity.value
    assert rare.ppv.value == pytest.approx(se * 0.01 / (se * 0.01 + (1 - sp) * 0.99))
    assert rare.ppv.low < rare.ppv.value < rare.ppv.high < own.ppv.low


def test_the_rates_of_groups_are_those_of_scikit_learn_and_wilson():
    rng = np.random.default_rng(9)
    labels, scores = draw(rng, 300)
    groups = pd.Series(rng.choice(["b", "a", "c"], 300))
    groups[:5] = ["", np.nan, None, "", np.nan]  # films of unknown group
    patients = np.arange(300)
    table = performance_by(groups, labels, scores, 0.4, patients)
    assert table["group"].tolist() == ["a", "b", "c"]
    assert table["n"].sum() == 295
    for row in table.itertuples():
        inside = (groups == row.group).to_numpy()
        truth, called = labels[inside], scores[inside] >= 0.4
        assert (row.n, row.n_finding) == (inside.sum(), truth.sum())
        for label, name in ((1, "sensitivity"), (0, "specificity")):
            assert getattr(row, name) == pytest.approx(recall_score(truth, called, pos_label=label))
            ends = [getattr(row, f"{name}_low"), getattr(row, f"{name}_high")]
            assert ends == pytest.approx(wilson((called == label)[truth == label]), abs=1e-9)


def test_a_group_without_a_class_has_no_rate_and_films_of_one_patient_count_less():
    labels, scores, groups = [1, 1, 0, 0, 0, 0], [0.9, 0.1, 0.8, 0.2, 0.1, 0.3], [2, 2, 2, 2, 10, 10]
    table = performance_by(groups, labels, scores, 0.5).set_index("group")
    assert table.index.tolist() == [2, 10]  # numbers in their order
    assert table.loc[10, ["sensitivity", "sensitivity_low"]].isna().all()
    assert table.loc[10, "specificity"] == 1
    by_patient = performance_by(groups, labels, scores, 0.5, list("aabbcc")).set_index("group")
    assert by_patient.loc[10, "specificity_low"] < table.loc[10, "specificity_low"]


def test_compared_thresholds_are_counted_as_scikit_learn_counts():
    labels, scores = draw(np.random.default_rng(10), 250)
    thresholds = {"low": 0.1234, "high": 0.9876}
    table = compare_thresholds(labels, scores, thresholds, missed=7)
    assert table.index.tolist() == ["low", "high"]
    for name, threshold in thresholds.items():
        tn, fp, fn, tp = confusion_matrix(labels, scores >= threshold).ravel()
        row = table.loc[name]
        assert (row["missed"], row["false alarms"], row["cost"]) == (fn, fp, 7 * fn + fp)
        assert row["threshold"] == round(threshold, 3)
        for rate, hits, n in (("sensitivity", tp, tp + fn), ("specificity", tn, tn + fp)):
            low, high = wilson(np.arange(n) < hits)
            assert row[rate] == f"{hits / n:.2f} ({low:.2f} to {high:.2f})"


def test_the_intervals_of_ppv_and_npv_cover_as_often_as_they_say():
    for se, sp, prevalence, n1, n0 in ((0.9, 0.8, 0.1, 60, 200), (0.8, 0.97, 0.05, 30, 300)):
        rng = np.random.default_rng(8)
        true_ppv = se * prevalence / (se * prevalence + (1 - sp) * (1 - prevalence))
        true_npv = sp * (1 - prevalence) / (sp * (1 - prevalence) + (1 - se) * prevalence)
        covered = []
        for _ in range(2000):
            a, b = rng.binomial(n1, se) / n1, rng.binomial(n0, sp) / n0
            ppv, npv = predictive_values(a, b, prevalence, (n1, n0))
            covered.append((ppv.low <= true_ppv <= ppv.high, npv.low <= true_npv <= npv.high))
        np.testing.assert_allclose(np.mean(covered, axis=0), 0.95, atol=0.02)


def test_scores_that_are_all_the_same_are_warned_of():
    labels = [1, 0, 0]
    assert evaluate_scores("val", labels, [0.2, 0.2, 0.2], 0.5).warnings == (
        "all 3 films have the score 0.2000, so it cannot tell them apart",
    )
    assert evaluate_scores("val", labels, [0.2, 0.2, 0.3], 0.5).warnings == ()


def test_a_value_that_is_not_defined_has_no_interval():
    made = performance([1, 0, 0], [0.1, 0.2, 0.3], 0.9, prevalence=0.5)
    assert made.as_dict()["ppv"] is None
    assert made.as_dict()["ppv_low"] is None


def test_brier():
    assert brier([1, 0], [0.8, 0.4]) == pytest.approx((0.04 + 0.16) / 2)


def test_the_interval_of_a_brier_score_is_that_of_a_mean_where_films_are_many():
    rng = np.random.default_rng(0)
    labels, scores = np.repeat([1, 0], [2000, 2000]), rng.uniform(size=4000)
    value, low, high = brier_interval(labels, scores)
    half = 1.96 * np.std((scores - labels) ** 2) / np.sqrt(4000)
    assert value == brier(labels, scores)
    assert (low, high) == pytest.approx((value - half, value + half), abs=1e-3)
    four = brier_interval(np.repeat(labels, 4), np.repeat(scores, 4), np.repeat(np.arange(4000), 4))
    assert four == pytest.approx((value, low, high), abs=1e-4)  # the same film four times says nothing new


def test_the_interval_of_a_brier_score_is_wide_where_nothing_can_be_learned_of_it():
    value, low, high = brier_interval([1, 0] * 5, [0.5] * 10)
    assert value == 0.25
    assert low < 0.15
    assert high > 0.5
    assert brier_interval([1, 0], [1, 0])[:2] == (0, 0)


def test_bad_input():
    for labels, scores, message in (
        ([1, 1], [0.1, 0.2], "both 0 and 1"),
        ([1, 0], [0.1], "2 labels but 1 scores"),
        ([1, 0], [0.1, np.nan], "1 of 2 scores are not finite"),
        ([2, 0], [0.1, 0.2], "both 0 and 1"),
        ([0.2, 0.9, 1, 1], [0.1, 0.2, 0.3, 0.4], "both 0 and 1 are needed"),
        ([1, np.nan], [0.1, 0.2], "1 of 2 labels are not finite"),
        ([1, 0], ["high", "low"], "the scores are not numbers"),
        ([1, 0], [0.1j, 0.2], "the scores are not numbers: some are complex or masked"),
        ([1, 0], np.ma.masked_less([0.1, 0.2], 0.15), "the scores are not numbers: some are complex or masked"),
        ([], [], "there are no labels"),
    ):
        with pytest.raises(InputError, match=message):
            auc(labels, scores)


def test_patients_of_other_films():
    for measure in (auc_interval, brier_interval, lambda *films: performance(*films[:2], 0.25, films[2])):
        with pytest.raises(InputError, match="2 labels but 3 patients"):
            measure([1, 0], [0.3, 0.2], ["a", "b", "c"])


NO_THRESHOLDS = (np.nan, 2, -1, -0.001, 1.001, "0.5", True, None, np.inf, [0.5])
NO_FRACTIONS = (0, 1, 95, -0.1, np.nan, "0.9", True)
NO_COSTS = (0, -1, np.nan, np.inf, "10")
LABELS, SCORES = [1, 0], [0.3, 0.2]
NO_ARGUMENTS = (
    (lambda value: performance(LABELS, SCORES, value), NO_THRESHOLDS, "threshold is"),
    (lambda value: evaluate_scores("test", LABELS, SCORES, value), NO_THRESHOLDS, "threshold is"),
    (lambda value: performance_by(["a", "b"], LABELS, SCORES, value), NO_THRESHOLDS, "threshold is"),
    (lambda value: compare_thresholds(LABELS, SCORES, {"own": value}, missed=1), NO_THRESHOLDS, "threshold is"),
    (lambda value: compare_thresholds(LABELS, SCORES, {"own": 0.5}, missed=value), NO_COSTS, "costs are"),
    (lambda value: choose_by_cost(LABELS, SCORES, missed=1, false_alarm=value), NO_COSTS, "costs are"),
    (lambda value: performance(LABELS, SCORES, 0.25, prevalence=value), NO_FRACTIONS, "prevalence is"),
    (lambda value: predictive_values(0.9, 0.9, value, (10, 10)), NO_FRACTIONS, "prevalence is"),
    (lambda value: predictive_values(0.9, value, 0.5, (10, 10)), NO_THRESHOLDS, "specificity is"),
    (lambda value: predictive_values(0.9, 0.9, 0.5, (10, value)), NO_COSTS, "numbers of films"),
    (lambda value: auc_interval(LABELS, SCORES, level=value), NO_FRACTIONS, "level is"),
    (lambda value: choose_by_sensitivity(LABELS, SCORES, floor=value), NO_FRACTIONS, "sensitivity is"),
    (lambda value: choose_by_sensitivity(LABELS, SCORES, confidence=value), NO_FRACTIONS, "confidence is"),
    (lambda value: floor_confidence(20, 2, value), NO_FRACTIONS, "floor is"),
    (lambda value: floor_confidence(20, value, 0.9), (-1, 21), "films are missed"),
    (lambda value: brier(LABELS, [value, 0.5]), (-0.1, 1.1, 3), "probabilities, 0 to 1"),
    (lambda value: brier_interval(LABELS, [value, 0.5]), (-0.1, 1.1, np.nan), "scores are"),
    (lambda value: reliability(LABELS, [value, 0.5], bins=1), (-0.1, 1.1, np.nan), "scores are"),
    (lambda value: reliability(LABELS, SCORES, bins=value), (0, -1, 3), "bins is"),
    (lambda value: platt([1, 0, 1, 0], [2.0, 1.0, 0.5, 0.0])([value]), (np.nan, "x"), "logits are not"),
    (lambda value: proportion([True, value]), (np.nan, 2, 0.5, "x"), "hits are"),
    (lambda value: effective_size(value), ([], [np.nan], [3]), "hits"),
    (lambda value: auc_interval(LABELS, SCORES, ["a", value]), (None, np.nan), "1 of 2 films have no patient"),
    (lambda value: performance_by(["a"] * value, LABELS, SCORES, 0.5), (1, 3), "groups; each film needs one"),
    (lambda value: performance_by(["a", "b"], [1, value], SCORES, 0.5), (np.nan, 2, "x"), "labels are"),
    (lambda value: paired_difference([0.9, 0.8], value), ([0.7], [0.7, np.nan], [0.7] * 3), "results of"),
    (lambda value: mean_interval(value), ([], [0.9], [0.9, np.nan]), "value"),
)


def test_arguments_that_cannot_be():
    for call, values, message in NO_ARGUMENTS:
        for value in values:
            with pytest.raises(InputError, match=message):
                call(value)


def test_a_threshold_may_be_an_end_and_of_any_type_of_number():
    for threshold, sensitivity in ((0, 1), (np.float32(0.25), 1), (1, 0), (np.int64(1), 0)):
        assert performance(LABELS, SCORES, threshold).sensitivity.value == sensitivity
    calls_none = choose_by_cost(LABELS * 2, [1.0, 1.0, 0.9, 0.8], missed=1, false_alarm=100).threshold
    assert calls_none > 1
    assert performance(LABELS * 2, [1.0, 1.0, 0.9, 0.8], calls_none).tp == 0
