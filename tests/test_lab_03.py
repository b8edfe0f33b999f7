"""The lab of lesson 3: its detector is scikit-learn's nearest neighbours, and it draws what it says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from cxrlib.course.labs import lesson_03
from cxrlib.course.labs.lesson_03 import DayFilms, day_orders, make_thumbnails, nearest_film_score, try_split


@pytest.fixture
def films():
    """Patients whose two films are alike, and whose place moves the first pixels."""
    rng = np.random.default_rng(0)
    person = rng.normal(size=(200, 1, 1, 20))
    place = np.zeros((1, 2, 1, 20))
    place[0, 1, 0, :10] = 5.0
    return DayFilms(person + place + 0.05 * rng.normal(size=(200, 2, 2, 20)), np.tile([0, 1], 100))


def test_the_score_is_that_of_nearest_neighbours():
    rng = np.random.default_rng(0)
    train, held_out, labels = rng.normal(size=(50, 8)), rng.normal(size=(20, 8)), rng.integers(0, 2, 50)
    nearest = [NearestNeighbors(n_neighbors=1).fit(train[labels == label]).kneighbors(held_out)[0] for label in (0, 1)]
    np.testing.assert_allclose(nearest_film_score(train, labels, held_out), (nearest[0] - nearest[1])[:, 0])


def test_a_leak_and_a_shortcut_raise_validation_alone(films):
    honest, leak, shortcut = (
        try_split(films, leak=leak, shortcut=shortcut).mean(axis=0) for leak, shortcut in ((0, 0), (1, 0), (0, 1))
    )
    assert np.abs(honest - 0.5).max() < 0.06
    assert leak[0] == shortcut[0] == 1
    assert np.abs(np.array([leak[1], shortcut[1]]) - 0.5).max() < 0.06
    rng = np.random.default_rng(0)  # the first draw by hand, without a leak or a shortcut
    order, _, place = rng.permutation(200), rng.random(200), rng.integers(2, size=200)
    train, new = order[80:], order[:40]
    scores = nearest_film_score(
        films.thumbnails[train, place[train], 0], films.labels[train], films.thumbnails[new, place[new], 1]
    )
    assert try_split(films, leak=0, shortcut=0, draws=1)[0, 0] == pytest.approx(
        roc_auc_score(films.labels[new], scores)
    )


def test_the_figure_says_what_was_measured_and_keeps_the_earlier_tries(films, monkeypatch):
    monkeypatch.setattr(lesson_03, "_tries", [])
    monkeypatch.setattr(lesson_03, "day_films", lambda: films)
    monkeypatch.setattr(lesson_03, "recall", {"leak auc": 0.7}.get)
    lesson_03.split_lab(0.0, 0.2)
    figure = lesson_03.split_lab(0.5, 0.4)
    mean = try_split(films, leak=0.5, shortcut=0.4).mean(axis=0)
    title = figure._suptitle.get_text()
    assert f"AUC {mean[0]:.2f} on validation, {mean[1]:.2f} on the honest test" in title
    left, right = figure.axes
    assert [bar.get_height() for bar in left.patches[:2]] == pytest.approx([0.3, 0.7])
    assert "0, 0.2" in [text.get_text() for text in right.texts]
    assert "your guess in section 3: 0.7" in [text.get_text() for text in right.get_legend().get_texts()]
    plt.close("all")


def test_the_patients_are_adults_and_half_of_them_have_an_effusion():
    orders = day_orders(20)
    assert len({order.patient for order in orders}) == 20
    assert [order.amount >= 300 for order in orders] == [False, True] * 10
    thumbnail = make_thumbnails(np.arange(64 * 64.0).reshape(1, 64, 64))
    assert thumbnail.shape == (1, 256)
    assert thumbnail.mean() == pytest.approx(0, abs=1e-9)
    assert thumbnail.std() == pytest.approx(1)
