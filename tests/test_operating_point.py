import numpy as np
import pytest
from sklearn.metrics import roc_curve

from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import proportion
from cxrlib.evaluation.operating_point import (
    choose_by_capacity,
    choose_by_cost,
    choose_by_sensitivity,
    choose_by_youden,
    floor_confidence,
)
from cxrlib.evaluation.rates import performance


@pytest.fixture(params=[0, 1, 2])
def films(request):
    rng = np.random.default_rng(request.param)
    labels = rng.permutation(np.repeat([1, 0], [50, 300]))
    scores = 1 / (1 + np.exp(-rng.normal(2 * labels - 1, 1)))
    return labels, np.round(scores, 2) if request.param == 2 else scores  # with ties too


def test_no_other_threshold_is_more_specific_at_the_floor(films):
    for floor in (0.5, 0.9, 0.95, 0.99):
        point = choose_by_sensitivity(*films, floor=floor)
        chosen = performance(*films, point.threshold)
        fpr, tpr, _ = roc_curve(*films, drop_intermediate=False)
        assert chosen.sensitivity.value >= floor
        assert chosen.specificity.value == pytest.approx((1 - fpr)[tpr >= floor].max())


def test_youden_is_the_best_of_the_roc(films):
    made = performance(*films, choose_by_youden(*films).threshold)
    fpr, tpr, _ = roc_curve(*films, drop_intermediate=False)
    assert made.sensitivity.value + made.specificity.value - 1 == pytest.approx((tpr - fpr).max())


def test_no_other_threshold_costs_less(films):
    labels, scores = films

    def cost(threshold, missed):
        return missed * ((scores < threshold) & (labels == 1)).sum() + ((scores >= threshold) & (labels == 0)).sum()

    for missed in (0.05, 1, 10, 1000):
        made = choose_by_cost(labels, scores, missed=missed, false_alarm=1)
        assert cost(made.threshold, missed) == min(cost(t, missed) for t in [*np.unique(scores), 2])


def test_the_confidence_is_that_of_the_order_statistic():
    """How often the floor really holds on new films, by simulation."""
    rng = np.random.default_rng(0)
    n, floor, held = 60, 0.9, []
    for _ in range(4000):
        findings = rng.random(n)  # uniform scores: a threshold t has the true sensitivity 1 - t
        scores = np.concatenate([findings, rng.random(5)])
        point = choose_by_sensitivity(np.repeat([1, 0], [n, 5]), scores, floor=floor)
        held.append(1 - np.sort(findings)[6] >= floor)
    assert np.mean(held) == pytest.approx(point.confidence, abs=0.025)


def test_a_confidence_asked_for_is_kept():
    rng = np.random.default_rng(1)
    n, held = 80, []
    for _ in range(2000):
        scores = rng.random(n + 40)
        point = choose_by_sensitivity(np.repeat([1, 0], [n, 40]), scores, floor=0.9, confidence=0.9)
        assert point.confidence >= 0.9
        held.append(1 - point.threshold >= 0.9)
    assert np.mean(held) >= 0.89


def test_ties_do_not_raise_the_confidence():
    """Ten of twelve findings score alike: none is missed, but that is luck; the floor was set at one of twelve."""
    labels, scores = np.repeat([1, 0], [12, 3]), np.repeat([0.5, 0.9, 0.1], [10, 2, 3])
    point = choose_by_sensitivity(labels, scores, floor=0.9)
    assert performance(labels, scores, point.threshold).fn == 0
    assert point.confidence == floor_confidence(12, 1, 0.9)


def test_too_few_findings_for_a_confidence():
    labels, scores = np.repeat([1, 0], [10, 10]), np.linspace(0, 1, 20)
    with pytest.raises(InputError, match="at least 22 are needed"):  # 0.9 ** 22 < 0.1 < 0.9 ** 21
        choose_by_sensitivity(labels, scores, floor=0.9, confidence=0.9)


def test_a_floor_lies_between_0_and_1(films):
    for floor in (0, 1, 1.2):
        with pytest.raises(InputError, match=f"sensitivity is {floor}; it must lie between 0 and 1"):
            choose_by_sensitivity(*films, floor=floor)


def test_no_film_lies_at_the_threshold(films):
    point = choose_by_sensitivity(*films)
    assert not np.isin(point.threshold, films[1])
    assert floor_confidence(10, 10, 0.9) == 0


def test_bad_costs():
    with pytest.raises(InputError, match="both must be numbers above 0"):
        choose_by_cost([1, 0], [0.2, 0.1], missed=0, false_alarm=1)


def test_a_capacity_flags_as_many_films_as_it_may(films):
    scores = films[1]
    for capacity in (0.01, 0.1, 0.3, 0.5, 0.999):
        threshold = choose_by_capacity(scores, capacity=capacity).threshold
        possible = [(scores >= other).mean() for other in np.unique(scores)]
        assert (scores >= threshold).mean() == max(each for each in possible if each <= capacity + 1e-12)
        assert not np.isin(threshold, scores)


def test_without_ties_a_capacity_is_a_quantile():
    rng = np.random.default_rng(0)
    for n, capacity in ((10, 0.3), (20, 0.05), (1000, 0.1), (7, 0.5)):  # 10 * 0.3 is 2.9999... in floating point
        scores = rng.random(n)
        point = choose_by_capacity(scores, capacity=capacity)
        flagged = np.sort(scores)[::-1][: int(round(n * capacity, 9))]
        assert set(scores[scores >= point.threshold]) == set(flagged)
        highest_left = np.quantile(scores, (n - len(flagged) - 1) / (n - 1))
        assert point.threshold == pytest.approx((flagged.min() + highest_left) / 2)
        assert (point.floor, point.confidence, point.n_finding) == (None, None, None)


def test_the_interval_of_the_flagged_fraction_holds_that_of_new_films():
    """Uniform scores: a threshold t flags a fraction 1 - t of all films to come."""
    rng, held = np.random.default_rng(0), []
    for _ in range(3000):
        scores = rng.random(100)
        threshold = choose_by_capacity(scores, capacity=0.3).threshold
        flagged = proportion(scores >= threshold)
        held.append(flagged.low <= 1 - threshold <= flagged.high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


def test_a_capacity_that_cannot_be_kept_is_refused():
    for scores, capacity, message in (
        (np.linspace(0, 1, 9), 0.1, "9 films are too few to flag a fraction of 0.1 of them; at least 10 are needed"),
        (np.full(20, 0.5), 0.3, "all 20 films have the score 0.5000"),
        (np.repeat([0.9, 0.1], [8, 12]), 0.3, "8 of 20 films have the highest score, 0.9000, and only 6 may be"),
        ([], 0.3, "there are no scores"),
        ([0.1, np.nan], 0.5, "1 of 2 scores are not finite"),
    ):
        with pytest.raises(InputError, match=message):
            choose_by_capacity(scores, capacity=capacity)
    for capacity in (0, 1, 30, -0.1, np.nan, True):
        with pytest.raises(InputError, match=r"capacity is .*; it must lie between 0 and 1"):
            choose_by_capacity([0.1, 0.2], capacity=capacity)
