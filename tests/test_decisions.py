"""Net benefit and decision curves, by hand and against a bootstrap."""

import numpy as np
import pytest

from cxrlib.errors import InputError
from cxrlib.evaluation.decisions import decision_curve, net_benefit
from cxrlib.evaluation.estimate import proportion
from cxrlib.evaluation.rates import performance

LABELS = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
SCORES = [0.9, 0.8, 0.5, 0.1, 0.6, 0.5, 0.3, 0.2, 0.1, 0.0]


@pytest.fixture(scope="module")
def films():
    """1,500 films of 500 patients: labels, scores and patients."""
    rng = np.random.default_rng(1)
    patients = np.repeat(np.arange(500), 3)
    labels = (rng.random(1500) < rng.beta(0.3, 0.7, 500)[patients]).astype(int)
    logits = rng.normal(size=500)[patients] + rng.normal(size=1500) + 1.5 * labels - 1.5
    return labels, 1 / (1 + np.exp(-logits)), patients


def test_it_is_the_formula_of_vickers_and_elkin():
    """3 of 4 findings and 2 false alarms at 0.5, where a false alarm costs a finding; 3 and 3 at 0.25: a third."""
    assert net_benefit(LABELS, SCORES, 0.5).value == pytest.approx(3 / 10 - 2 / 10)
    assert net_benefit(LABELS, SCORES, 0.25).value == pytest.approx(3 / 10 - 3 / 10 / 3)
    assert net_benefit(LABELS, SCORES, 0.25, over="all").value == pytest.approx((0.3 - 0.1) - (0.4 - 0.6 / 3))
    assert net_benefit(LABELS, SCORES, 0).value == 0.4  # all are flagged, and false alarms cost nothing


def test_another_prevalence_weighs_the_rates(films):
    labels, scores, patients = films
    at = performance(labels, scores, 0.2)
    se, sp, cost = at.sensitivity.value, at.specificity.value, 0.25
    rare = net_benefit(labels, scores, 0.2, patients, prevalence=0.02)
    assert rare.value == pytest.approx(0.02 * se - 0.98 * (1 - sp) * cost)
    over_all = net_benefit(labels, scores, 0.2, patients, prevalence=0.02, over="all")
    assert over_all.value == pytest.approx(rare.value - (0.02 - 0.98 * cost))
    own = net_benefit(labels, scores, 0.2, patients, prevalence=float(labels.mean()))
    random = net_benefit(labels, scores, 0.2, patients)
    assert own.value == pytest.approx(random.value)
    assert own.high - own.low < random.high - random.low  # the prevalence is known


@pytest.mark.parametrize("over", ["none", "all"])
@pytest.mark.parametrize("threshold", [0.15, 0.3])
def test_with_many_films_it_agrees_with_a_bootstrap_over_patients(films, threshold, over):
    labels, scores, patients = films
    rng, cost, resampled = np.random.default_rng(2), threshold / (1 - threshold), []
    flagged = (scores >= threshold).astype(float) - (over == "all")
    worth = flagged * np.where(labels == 1, 1, -cost)
    for _ in range(2000):
        rows = (3 * rng.integers(500, size=500)[:, None] + np.arange(3)).ravel()
        resampled.append(worth[rows].mean())
    made = net_benefit(labels, scores, threshold, patients, over=over)
    assert made.value == pytest.approx(worth.mean())
    ends = np.quantile(resampled, [0.025, 0.975])
    np.testing.assert_allclose([made.low, made.high], ends, atol=0.08 * np.ptp(ends))


def test_independent_films_have_the_interval_of_mover_by_hand():
    """No film is missed or falsely flagged at 0.5, so only the findings vary: Wilson's interval of 4 of 10."""
    labels, scores = LABELS, np.where(LABELS, 0.9, 0.1)
    made = net_benefit(labels, scores, 0.5)
    found, alarms = (proportion(hits, np.arange(10)) for hits in (np.array(labels) == 1, np.zeros(10)))
    assert made.value == 0.4
    assert made.high == pytest.approx(found.high)  # fewer false alarms than 0 there cannot be
    assert made.low == pytest.approx(0.4 - np.hypot(0.4 - found.low, alarms.high))


def test_a_threshold_that_flags_none_or_all():
    none = net_benefit(LABELS, SCORES, 0.95)
    assert none.value == 0
    assert none.low < 0 < none.high
    every = net_benefit(LABELS, SCORES, 0.0, over="all")
    assert (every.value, every.high) == (0, 0)  # at no cost of false alarms, nothing is better than flagging all
    assert str(net_benefit(LABELS, SCORES, 1.0)) == "not defined"


def test_repeating_each_film_of_a_patient_does_not_narrow_the_interval(films):
    labels, scores = films[0][:300], films[1][:300]
    once = net_benefit(labels, scores, 0.2)
    four = net_benefit(np.tile(labels, 4), np.tile(scores, 4), 0.2, np.tile(np.arange(300), 4))
    assert four == pytest.approx(once, rel=0.02)


def test_the_curve_is_the_net_benefit_of_each_threshold(films):
    labels, scores, patients = films
    table = decision_curve(labels, scores, patients, thresholds=[0.02, 0.3])
    for row in table.itertuples():
        assert (row.net_benefit, row.low, row.high) == net_benefit(labels, scores, row.threshold, patients)
        over_all = net_benefit(labels, scores, row.threshold, patients, over="all").value
        assert row.net_benefit - row.flag_all == pytest.approx(over_all)
    assert decision_curve(labels, scores)["threshold"].between(0.01, 0.5001).all()


def test_what_cannot_be_is_refused():
    for arguments, message in (
        (([1, 1], [0.1, 0.2], 0.1), "both 0 and 1 are needed"),
        (([1, 0], [1.1, 0.2], 0.1), "probabilities, 0 to 1"),
        (([1, 0], [0.1, 0.2], 2), "threshold is 2"),
        (([1, 0], [0.1, 0.2], 0.1, ["a"]), "2 labels but 1 patients"),
    ):
        with pytest.raises(InputError, match=message):
            net_benefit(*arguments)
    with pytest.raises(InputError, match="over is 'some'; it must be none or all"):
        net_benefit([1, 0], [0.1, 0.2], 0.1, over="some")
    with pytest.raises(InputError, match="prevalence is 0"):
        net_benefit([1, 0], [0.1, 0.2], 0.1, prevalence=0)
