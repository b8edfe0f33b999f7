"""Reliability and Platt's sigmoid, against probabilities that are known."""

import numpy as np
import pytest
from scipy import optimize
from scipy.special import expit

from cxrlib.evaluation.calibration import calibration_line, fit_sigmoid, platt, reliability


@pytest.fixture
def known():
    rng = np.random.default_rng(0)
    logits = rng.normal(-1, 2, 20_000)
    return (rng.random(20_000) < expit(logits)).astype(int), logits


def test_true_probabilities_lie_on_the_diagonal(known):
    labels, logits = known
    table = reliability(labels, expit(logits), bins=10)
    assert table["n"].sum() == 20_000
    assert table["score"].is_monotonic_increasing
    inside = (table["low"] <= table["score"]) & (table["score"] <= table["high"])
    assert inside.sum() >= 8


def test_platt_finds_the_sigmoid_that_was_put_in(known):
    labels, logits = known
    repaired = platt(labels, 3 * logits + 2)(3 * logits + 2)
    assert np.abs(repaired - expit(logits)).max() < 0.02


def test_platt_takes_out_a_loss_weight(known):
    labels, logits = known
    weighted = logits + np.log(9.0)
    assert np.abs(platt(labels, weighted)(weighted) - expit(logits)).max() < 0.02


def likelihood_fit(labels, logits, counts):
    """Slope and intercept that minimise the negative logarithm of the likelihood, by SciPy."""
    loss = lambda line: counts @ np.logaddexp(0, (1 - 2 * labels) * (line[0] * logits + line[1]))
    return optimize.minimize(loss, [1.0, 0.0], method="BFGS", options={"gtol": 1e-6}).x


def test_the_line_is_the_most_likely_one(known):
    labels, logits = known[0][:500], 2 * known[1][:500] + 1
    for counts in (np.ones(500), np.random.default_rng(0).integers(0, 3, 500)):
        expected = likelihood_fit(labels, logits, counts)
        assert fit_sigmoid(labels, logits, counts) == pytest.approx(expected, abs=1e-5)
    slope, intercept = calibration_line(labels, expit(logits))
    assert (slope.value, intercept.value) == pytest.approx(likelihood_fit(labels, logits, np.ones(500)), abs=1e-5)


def test_slope_and_intercept_are_those_that_were_put_in(known):
    """Logits twice too large and 1 too high: p = sigmoid((logit - 1) / 2)."""
    labels, logits = known
    for scores, truth in ((expit(logits), (1, 0)), (expit(2 * logits + 1), (0.5, -0.5))):
        for made, true in zip(calibration_line(labels, scores), truth, strict=True):
            assert made.low < true < made.high
            assert made.high - made.low < 0.1


def test_the_intervals_of_slope_and_intercept_agree_with_a_bootstrap_over_patients():
    rng = np.random.default_rng(1)
    patients = np.repeat(np.arange(400), 3)
    logits = rng.normal(-1, 1.5, 400)[patients] + rng.normal(0, 0.5, 1200)
    labels = (rng.random(400)[patients] < expit(logits)).astype(int)  # one draw a patient: his films are much alike
    resampled = []
    for _ in range(500):
        rows = (3 * rng.integers(400, size=400)[:, None] + np.arange(3)).ravel()
        resampled.append(fit_sigmoid(labels[rows], logits[rows]))
    for made, each in zip(calibration_line(labels, expit(logits), patients), np.transpose(resampled), strict=True):
        ends = np.quantile(each, [0.025, 0.975])
        np.testing.assert_allclose([made.low, made.high], ends, atol=0.15 * np.ptp(ends))
    alone = calibration_line(labels, expit(logits))[0]
    clustered = calibration_line(labels, expit(logits), patients)[0]
    assert clustered.high - clustered.low > 1.4 * (alone.high - alone.low)


def test_a_line_that_no_films_determine_is_not_defined():
    for labels, scores, patients in (
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], None),  # separated
        ([0, 0, 1, 1], [0.4, 0.3, 0.2, 0.1], None),
        ([0, 0, 1, 1], [0.1, 0.2, 0.2, 0.4], None),  # separated but for a tie
        ([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.3], None),
        ([0, 1, 0, 1], [0.3, 0.2, 0.4, 0.5], list("abcb")),  # both findings are of one patient
    ):
        assert [str(made) for made in calibration_line(labels, scores, patients)] == ["not defined"] * 2
    slope, _ = calibration_line([0, 1, 0, 1] * 5, [0.0, 1.0, 1.0, 0.5] * 5)  # logits of 0 and 1 are not finite
    assert slope.low < 0.05 < slope.high


def test_equal_scores_are_grouped_in_no_order_of_the_files():
    fractions = reliability(np.repeat([1, 0], [200, 600]), np.full(800, 0.25), bins=4)["fraction"]
    assert fractions.between(0.15, 0.35).all()
