import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from cxrlib.errors import InputError
from cxrlib.evaluation.calibration import brier, brier_interval
from cxrlib.evaluation.estimate import effective_size, proportion
from cxrlib.evaluation.rates import performance, predictive_values
from cxrlib.evaluation.roc_auc import auc, auc_difference, auc_interval


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


@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize("most", [12, 80, 600])
def test_auc_is_scikit_learns_and_the_share_of_pairs(most, decimals):
    """A thousand cases and more, with ties and without, of one film a class and up."""
    rng = np.random.default_rng(most)
    for case in range(120):
        n = int(rng.integers(2, most))
        positives = (1, n - 1, int(rng.integers(1, n)))[case % 3]  # one film only, all but one, any number
        labels = rng.permutation(np.arange(n) < positives).astype(int)
        scores = rng.normal(labels, 1.0)
        scores = scores if decimals is None else np.round(scores, decimals)
        assert auc(labels, scores) == pytest.approx(by_pairs(labels, scores).mean(), abs=1e-12)
        assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


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
    again = []
    for _ in range(1000):
        rows = (3 * rng.integers(500, size=500)[:, None] + np.arange(3)).ravel()
        again.append(roc_auc_score(labels[rows], scores[rows]))
    made = auc_interval(labels, scores, patients)
    np.testing.assert_allclose([made.low, made.high], np.quantile(again, [0.025, 0.975]), atol=0.005)
    assert made.low < made.value < made.high


def test_films_that_all_agree_are_no_certainty():
    """As many of independent pairs: 0.025 ** (1 / 20), the exact lower bound of 20 hits in 20."""
    labels, scores = np.repeat([1, 0], [20, 100]), np.linspace(1, 0, 120)
    exact = stats.binomtest(20, 20).proportion_ci(method="exact").low
    assert auc_interval(labels, scores) == pytest.approx((1, exact, 1))
    assert auc_interval(labels, -scores) == pytest.approx((0, 0, 1 - exact))
    assert auc_interval(labels, np.zeros(120)) == pytest.approx((0.5, exact / 2, 1 - exact / 2))
    patients = np.concatenate([np.arange(20) // 2, np.arange(100) // 2])  # ten have films of both classes
    exact = stats.binomtest(10, 10).proportion_ci(method="exact").low
    assert auc_interval(labels, scores, patients) == pytest.approx((1, exact, 1))


@pytest.mark.parametrize("labels", [[1, 0, 0, 0], [1, 1, 1, 0], [1, 0]])
def test_one_film_of_a_class_says_nearly_nothing(labels):
    made = auc_interval(labels, np.arange(len(labels)))
    assert made.high - made.low > 0.95
    assert auc_interval([1, 1, 0, 0], [3, 1, 2, 0], ["a"] * 4).low < 0.03  # one patient


def test_two_networks_that_both_separate_the_films_may_differ():
    labels, scores = np.repeat([1, 0], [20, 100]), np.linspace(1, 0, 120)
    other = np.concatenate([scores[:20][::-1], scores[20:]])
    low = auc_interval(labels, scores).low
    assert auc_difference(labels, scores, other) == pytest.approx((0, low - 1, 1 - low))
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
    other = scores + rng.normal(0, 0.3, 500)
    made = auc_difference(labels, scores, other)
    assert made.value == pytest.approx(roc_auc_score(labels, scores) - roc_auc_score(labels, other))
    apart = auc_interval(labels, scores)
    assert made.high - made.low < 0.7 * (apart.high - apart.low)
    assert auc_difference(labels, scores, scores) == (0, 0, 0)


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (180, 200)])
def test_proportion_is_wilsons(hits, n):
    made = proportion(np.arange(n) < hits)
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert made == pytest.approx((hits / n, expected.low, expected.high), abs=1e-9)


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


@pytest.mark.parametrize(("se", "sp", "prevalence", "n1", "n0"), [(0.9, 0.8, 0.1, 60, 200), (0.8, 0.97, 0.05, 30, 300)])
def test_the_intervals_of_ppv_and_npv_cover_as_often_as_they_say(se, sp, prevalence, n1, n0):
    rng = np.random.default_rng(8)
    true_ppv = se * prevalence / (se * prevalence + (1 - sp) * (1 - prevalence))
    true_npv = sp * (1 - prevalence) / (sp * (1 - prevalence) + (1 - se) * prevalence)
    covered = []
    for _ in range(2000):
        a, b = rng.binomial(n1, se) / n1, rng.binomial(n0, sp) / n0
        ppv, npv = predictive_values(a, b, prevalence, (n1, n0))
        covered.append((ppv.low <= true_ppv <= ppv.high, npv.low <= true_npv <= npv.high))
    np.testing.assert_allclose(np.mean(covered, axis=0), 0.95, atol=0.02)


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


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 1], [0.1, 0.2], "both 0 and 1"),
        ([1, 0], [0.1], "2 labels but 1 scores"),
        ([1, 0], [0.1, np.nan], "1 of 2 scores are not finite"),
        ([2, 0], [0.1, 0.2], "both 0 and 1"),
    ],
)
def test_bad_input(labels, scores, message):
    with pytest.raises(InputError, match=message):
        auc(labels, scores)


def test_patients_of_other_films():
    with pytest.raises(InputError, match="2 labels but 3 patients"):
        auc_interval([1, 0], [0.3, 0.2], ["a", "b", "c"])


def test_bad_prevalence():
    with pytest.raises(InputError, match="prevalence is 0"):
        performance([1, 0], [0.3, 0.2], 0.25, prevalence=0)


def test_labels_between_0_and_1_are_refused():
    with pytest.raises(InputError, match="both 0 and 1 are needed"):
        auc([0.2, 0.9, 1, 1], [0.1, 0.2, 0.3, 0.4])
