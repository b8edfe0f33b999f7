import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from cxrlib.evaluation import (
    auc,
    auc_difference,
    auc_interval,
    brier,
    effective_size,
    proportion,
)
from cxrlib.performance import performance, predictive_values
from cxrlib.radiograph import InputError


def draw(rng, n=200, ties=False):
    labels = rng.permutation(np.repeat([1, 0], [max(1, n // 5), n - max(1, n // 5)]))
    scores = rng.normal(labels, 1.0)
    return labels, np.round(scores, 1) if ties else scores


def test_auc_is_scikit_learns_and_the_share_of_pairs():
    rng = np.random.default_rng(0)
    for case in range(300):
        labels, scores = draw(rng, int(rng.integers(2, 80)), ties=case % 2 == 0)
        pairs = scores[labels == 1][:, None] - scores[labels == 0][None]
        by_pairs = (pairs > 0).mean() + (pairs == 0).mean() / 2
        assert auc(labels, scores) == pytest.approx(by_pairs, abs=1e-12)
        assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_the_bootstrap_is_a_bootstrap():
    """Against resampling films by hand: the same centre and spread."""
    rng = np.random.default_rng(1)
    labels, scores = draw(rng)
    made = auc_interval(labels, scores)
    by_hand = []
    for _ in range(2000):
        rows = rng.integers(len(labels), size=len(labels))
        by_hand.append(roc_auc_score(labels[rows], scores[rows]))
    np.testing.assert_allclose([made.low, made.high], np.quantile(by_hand, [0.025, 0.975]), atol=0.01)
    assert made.low < made.value < made.high


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


def test_the_same_seed_gives_the_same_interval():
    labels, scores = draw(np.random.default_rng(5))
    assert auc_interval(labels, scores) == auc_interval(labels, scores)
    assert auc_interval(labels, scores, seed=1) != auc_interval(labels, scores)


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


def test_bad_prevalence():
    with pytest.raises(InputError, match="prevalence is 0"):
        performance([1, 0], [0.3, 0.2], 0.25, prevalence=0)
