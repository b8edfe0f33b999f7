"""The lab of lesson 7: its rates are the library's, its training ends where scikit-learn's does, its titles hold."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from cxrlib.course.experiments import SMALL
from cxrlib.course.labs import lesson_07
from cxrlib.course.labs.lesson_07 import TrainingFilms, rates_of, train_last_layer
from cxrlib.evaluation import auc
from cxrlib.training import learning_rate


@pytest.fixture
def films():
    """Films with 3 features, of which the first tells something about the label."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 640)
    features = rng.normal(size=(640, 3)) + labels[:, None] * [1.5, 0.0, 0.0]
    return TrainingFilms(features[:480], labels[:480], features[480:], labels[480:])


def test_the_rates_are_those_of_the_library():
    for schedule, hold in (("cosine", 2), ("halving", 1)):  # as in the experiment of the lesson
        rate = learning_rate(replace(SMALL, schedule=schedule, learning_rate=0.3, epochs=6, hold=hold), 5)
        expected = [float(rate(step)) for step in range(30)]
        np.testing.assert_allclose(rates_of(schedule, 0.3, steps=5, epochs=6), expected, atol=1e-6)
    assert set(rates_of("constant", 0.3, steps=5)) == {0.3}


def test_every_seed_comes_to_the_lowest_weighted_loss(films):
    for weight in (1, 5):
        result = train_last_layer(films, weight=weight, schedule="cosine", rate=0.5)
        model = LogisticRegression(C=1e6, class_weight={0: 1, 1: weight}).fit(films.train, films.train_labels)
        expected = model.predict_proba(films.val)[:, 1]
        assert np.abs(result.probabilities - expected).max() < 0.05
        found = [auc(films.val_labels, scores) for scores in result.probabilities]
        np.testing.assert_allclose(result.auc[-1], found)


def test_the_figure_says_what_was_measured_and_keeps_the_earlier_tries(films, monkeypatch):
    monkeypatch.setattr(lesson_07, "_tries", [])
    monkeypatch.setattr(lesson_07, "recall", lambda name: 0.9)
    lesson_07.training_lab(films, 1, "constant", 0.01)
    figure = lesson_07.training_lab(films, 5, "cosine", 0.1)
    result = train_last_layer(films, weight=5, schedule="cosine", rate=0.1)
    left, right = figure.axes
    assert f"mean {result.auc[-1].mean():.2f}" in left.get_title()
    assert f"sensitivity {result.sensitivity.mean():.2f}" in right.get_title()
    assert "try 2: weight 5, cosine, rate 0.1" in figure._suptitle.get_text()
    assert [text.get_text() for text in left.texts] == ["1"]
    assert "your guess for weight 3: 0.9" in [text.get_text() for text in right.get_legend().get_texts()]
    plt.close("all")
