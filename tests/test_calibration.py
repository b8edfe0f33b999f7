"""Reliability and Platt's sigmoid, against probabilities that are known."""

import numpy as np
import pytest
from scipy.special import expit

from cxrlib.evaluation.calibration import platt, reliability


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


def test_equal_scores_are_grouped_in_no_order_of_the_files():
    fractions = reliability(np.repeat([1, 0], [200, 600]), np.full(800, 0.25), bins=4)["fraction"]
    assert fractions.between(0.15, 0.35).all()
