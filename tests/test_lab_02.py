"""The lab of lesson 2 draws the film that is ordered, and what the library measures on it."""

import numpy as np
import pytest

from cxrlib.course.labs import lesson_02
from cxrlib.course.labs.lesson_02 import SIZE, draw_film, film_lab, films_to_compare, quiz_orders, real_film_file
from cxrlib.errors import InputError
from cxrlib.phantom.film import Order, take_film
from cxrlib.phantom.signs import blunting


@pytest.fixture(autouse=True)
def reader(tmp_path, monkeypatch):
    monkeypatch.setattr("cxrlib.course.reader.reader_file", lambda: tmp_path / "reader.json")
    monkeypatch.setattr(lesson_02, "_tries", [])


def test_the_lab_draws_the_film_its_angle_and_the_earlier_films():
    for tries, (posture, outline) in enumerate((("upright", "off"), ("supine", "on")), start=1):
        left, right = film_lab(700, posture, "PA", "left", 40, outline).axes
        film = take_film(Order(patient=40, amount=700.0, posture=posture, side="left"), size=SIZE)
        np.testing.assert_array_equal(left.images[0].get_array(), film.image)
        assert left.get_title() == f"700 mL, left, {posture}, PA: fluid on {film.mask.mean():.1%} of the film"
        assert bool(left.collections) == (outline == "on")
        labels = [line.get_label() for line in right.lines]
        assert f"this film: {blunting(film, 'left'):.2f}" in labels
        assert len([line for line in right.lines if len(line.get_xdata()) == 1]) == tries
    assert not film_lab(0, outline="on").axes[0].collections


def test_the_quiz_has_each_answer_and_follows_from_the_readers_seed():
    orders = quiz_orders()
    assert orders == quiz_orders()
    assert {order.side if order.amount else "none" for order in orders} == {"right", "left", "none"}


def test_the_real_film_is_read_and_shown():
    pytest.importorskip("data_store", reason="pydicom-data is not installed")
    films = films_to_compare()
    assert list(films) == ["simulated", "real"]
    assert films["real"].shape == (400, 400)
    assert films["real"].std() > 0.1
    assert draw_film(films["real"], "real").axes[0].get_title() == "real"


def test_without_its_package_the_real_film_is_asked_for_in_a_sentence(monkeypatch):
    monkeypatch.setattr("pydicom.data.get_testdata_file", lambda *args, **options: None)
    with pytest.raises(InputError, match="pip install pydicom-data"):
        real_film_file()
