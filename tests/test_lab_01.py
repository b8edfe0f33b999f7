"""The labs of lesson 1: the quiz is fair, its buttons count right, and the pictures show what scikit-learn says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from cxrlib.course.labs import lesson_01
from cxrlib.course.lessons import course_scores
from cxrlib.course.reader import keep, recall
from cxrlib.phantom.film import take_film
from cxrlib.phantom.roster import order_of


@pytest.fixture(autouse=True)
def reader(tmp_path, monkeypatch):
    """A reader who has answered nothing yet, and films that are small and quick."""
    monkeypatch.setattr("cxrlib.course.reader.reader_file", lambda: tmp_path / "reader.json")
    monkeypatch.setattr(lesson_01, "SIDE", 128)
    lesson_01.quiz_films.cache_clear()
    yield
    lesson_01.quiz_films.cache_clear()
    plt.close("all")


def test_only_the_lungs_tell_the_label():
    films = course_scores("val").set_index("path")
    for effusion, other in lesson_01.PAIRS:
        one, two = films.loc[effusion], films.loc[other]
        assert (one["label"], two["label"]) == (1, 0)
        assert one[["view", "sex", "posture"]].tolist() == two[["view", "sex", "posture"]].tolist()
        assert abs(one["age"] - two["age"]) <= 5
    effusions, others = (films.loc[[pair[label] for pair in lesson_01.PAIRS]] for label in (0, 1))
    for device in ("portable", "leads"):
        assert effusions["devices"].str.contains(device).sum() == others["devices"].str.contains(device).sum()
    assert (effusions["devices"] != "").sum() == (others["devices"] != "").sum()


def test_the_outline_lies_within_the_fluid_and_grows_with_it():
    row = course_scores("val").query("volume_ml > 1000 and posture == 'upright'").iloc[0].to_dict()
    order = order_of(row, seed=lesson_01.VAL_SEED)
    brighter = lesson_01.brighter_by_fluid(order, size=128)
    visible = brighter > lesson_01.VISIBLE
    assert 0 < visible.mean() < 1.2 * take_film(order, size=128).mask.mean()


def test_the_pictures_of_the_quiz():
    hidden = lesson_01.quiz_lab()
    assert [ax.get_title() for ax in hidden.axes] == [f"film {number}" for number in range(1, 13)]
    assert not any(ax.collections for ax in hidden.axes)
    shown = lesson_01.quiz_lab(reveal=True)
    for ax, film in zip(shown.axes, lesson_01.quiz_films(), strict=True):
        assert lesson_01.CALLS[film.label] in ax.get_title()
        visible = film.brighter is not None and (film.brighter > lesson_01.VISIBLE).any()
        assert bool(ax.collections) == visible
        assert visible <= film.label


def test_a_reader_who_plays_the_quiz():
    box = lesson_01.quiz_buttons()
    films = lesson_01.quiz_films()
    box.children[1].children[0].click()
    for number, film in enumerate(films, 1):
        assert f"film {number} of 12" in box.children[0].value
        call = film.label if number > 2 else 1 - film.label  # the first two are wrong
        box.children[1].children[call].click()
    assert recall("score of lesson 1") == 10
    assert "10 of 12" in box.children[0].value
    assert "you: " in lesson_01.quiz_lab(reveal=True).axes[0].get_title()
    network = lesson_01.quiz_result([film.called for film in films])
    assert f"{network['right']} of 12 right" in lesson_01.network_result()
    box.children[1].children[0].click()  # play again
    assert "film 1 of 12" in box.children[0].value


def test_the_roc_lab_counts_as_scikit_learn():
    films = course_scores("val")
    label, score = films["label"].to_numpy(), films["score"].to_numpy()
    keep(lesson_01.RESULT, {"right": 8, "found": 3, "effusions": 6, "alarms": 1, "others": 6})
    left, right = lesson_01.roc_lab(label, score, 0.2, cost=30, tried=[0.5, 0.05]).axes
    (tp, fn), (fp, _) = confusion_matrix(label, score >= 0.2, labels=[1, 0])
    assert f"{tp} of 107 effusions found,\n{fn} missed, {fp} false alarms" in left.get_title()
    assert right.get_title() == f"cost 30 x {fn} + {fp} = {30 * fn + fp:,}"
    drawn = {line.get_label(): line.get_xydata() for line in right.lines}
    assert np.allclose(drawn["this threshold"], [[fp / 1000, tp / 107]])
    assert len(drawn["tried before"]) == 2
    assert np.allclose(drawn["you, on the quiz"], [[1 / 6, 3 / 6]])


def test_the_scatter_of_small_test_sets_shows_the_guesses():
    keep("auc of lesson 1", 0.7)
    figure = lesson_01.auc_scatter_lab({10: [0.8, 0.9, 1.0], 100: [0.89, 0.9, 0.91]}, 0.9)
    assert [ax.get_title() for ax in figure.axes] == ["test sets with 10 effusions", "test sets with 100 effusions"]
    assert [line.get_xdata()[0] for line in figure.axes[0].lines] == [0.9, 0.7]


def test_films_of_your_own(monkeypatch, tmp_path):
    monkeypatch.setattr(lesson_01, "own_cohort", lambda: tmp_path)
    monkeypatch.setattr(lesson_01, "course_film", lambda row, *, size: (np.zeros((size, size), np.float32), None))
    table = course_scores("val").drop(columns="volume_ml")
    monkeypatch.setattr(lesson_01, "course_scores", lambda split: table)
    assert sum(film.label for film in lesson_01.quiz_films()) == 6
    assert len(lesson_01.quiz_lab(reveal=True).axes) == 12
