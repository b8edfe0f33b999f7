import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from cxrlib.errors import InputError
from cxrlib.model.backend import keras
from cxrlib.model.loss import class_weight, initial_bias, score, weighted_cross_entropy

RNG = np.random.default_rng(0)
LABELS = (RNG.random((64, 1)) < 0.2).astype(np.float32)
LOGITS = RNG.normal(0, 5, (64, 1)).astype(np.float32)


def test_weight_1_is_keras_own():
    ours = np.asarray(weighted_cross_entropy(1.0)(LABELS, LOGITS)).mean()
    assert ours == pytest.approx(float(keras.losses.BinaryCrossentropy(from_logits=True)(LABELS, LOGITS)), rel=1e-6)


def test_a_weight_is_keras_own_with_sample_weights():
    ours = np.asarray(weighted_cross_entropy(7.5)(LABELS, LOGITS)).mean()
    weights = np.where(LABELS[:, 0] == 1, 7.5, 1.0)
    keras_own = keras.losses.BinaryCrossentropy(from_logits=True)(LABELS, LOGITS, sample_weight=weights)
    assert ours == pytest.approx(float(keras_own), rel=1e-6)


def test_it_is_the_formula_of_the_docstring():
    p = 1 / (1 + np.exp(-LOGITS.astype(float)))
    expected = -3 * LABELS * np.log(p) - (1 - LABELS) * np.log1p(-p)
    np.testing.assert_allclose(weighted_cross_entropy(3.0)(LABELS, LOGITS), expected[:, 0], rtol=1e-4)


def test_large_logits_do_not_overflow():
    values = np.asarray(weighted_cross_entropy(2.0)(np.array([[1.0], [0.0]]), np.array([[-1e4], [1e4]], np.float32)))
    np.testing.assert_allclose(values, [2e4, 1e4])


def test_the_initial_bias_is_the_best_constant():
    labels = np.repeat([1.0, 0.0], [107, 1000])
    for weight in (1.0, 4.0, class_weight("balanced", labels)):
        loss = lambda b, w=weight: np.mean(w * labels * np.log1p(np.exp(-b)) + (1 - labels) * np.log1p(np.exp(b)))
        assert initial_bias(labels, weight) == pytest.approx(minimize_scalar(loss).x, abs=1e-4)
    assert initial_bias(labels, class_weight("balanced", labels)) == pytest.approx(0)


def test_the_score_is_the_probability_whatever_the_weight():
    """At a true probability of 0.3, the logit with the smallest weighted loss has the score 0.3."""
    labels = np.repeat([1, 0], [3, 7])
    for weight in (1.0, 5.0, 20.0):
        assert score(initial_bias(labels, weight), weight) == pytest.approx(0.3)


def test_one_class_alone_is_refused():
    for labels, found in ((np.zeros(3), "0 with the finding and 3 without"), (np.ones(3), "3 with the finding and 0 ")):
        with pytest.raises(InputError, match=found):
            class_weight("balanced", labels)
        with pytest.raises(InputError, match=found):
            initial_bias(labels, 2.0)
    assert class_weight(2.0, np.zeros(3)) == 2
