"""The lab of lesson 4, against OpenCV, against slices of the array, and on a film whose corners are known."""

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest

from cxrlib.course.labs import lesson_04 as lab
from cxrlib.course.reader import keep, recall
from cxrlib.phantom.film import Order, take_film

STILL = {"right": 0.0, "down": 0.0, "scale": 1.0, "rotate": 0.0, "flip": "none"}


@pytest.fixture(autouse=True)
def reader(tmp_path, monkeypatch):
    """A reader with a file of their own."""
    monkeypatch.setattr("cxrlib.course.reader.reader_file", lambda: tmp_path / "reader.json")


@pytest.fixture(scope="module")
def film():
    return take_film(Order(patient=189, amount=400.0, side="right"), size=96)


def matrix(**moves):
    return lab.new_to_old(96, **(STILL | moves))


def test_the_matrix_is_opencvs_and_flips_are_slices(film):
    expected = cv2.getRotationMatrix2D((47.5, 47.5), 20, 1.3)  # from old to new, counter-clockwise
    expected[:, 2] += (0.1 * 96, -0.2 * 96)
    found = np.linalg.inv(matrix(right=0.1, down=-0.2, scale=1.3, rotate=20))
    np.testing.assert_allclose(found[:2], expected, atol=1e-9)
    for flip, flipped in {"mirror": film.image[:, ::-1], "upside down": film.image[::-1]}.items():
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        np.testing.assert_array_equal(cv2.warpAffine(film.image, matrix(flip=flip)[:2], (96, 96), flags=flags), flipped)


def test_the_fluid_inside_is_what_a_slice_of_the_mask_holds(film):
    fluid = lab.fluid_above_corners(film)
    assert fluid.any()
    assert not (fluid & ~film.mask).any()
    assert lab.fraction_inside(fluid, matrix()) == 1
    assert lab.fraction_inside(fluid, matrix(flip="upside down")) == 1
    assert lab.fraction_inside(fluid, matrix(right=-0.25)) == pytest.approx(fluid[:, 24:].sum() / fluid.sum())
    assert lab.fraction_inside(fluid, matrix(down=0.25)) == pytest.approx(fluid[:-24].sum() / fluid.sum())


def test_a_corner_is_inside_until_the_film_has_moved_by_its_column(film):
    corners = lab.costophrenic_corners(film)
    assert corners.shape == (2, 2)
    (right, _), (left, _) = corners
    assert right < 48 < left  # the patient's right side is on the left of the film
    for shift, expected in ((right, True), (right + 1, False)):
        moved = lab.positions(corners, np.linalg.inv(matrix(right=-shift / 96)))
        assert lab.are_inside(moved, 96)[0] == expected


def test_the_first_corner_of_the_lessons_film_leaves_at_a_shift_of_18_percent():
    film = take_film(Order(patient=189, amount=400.0, side="right"), size=256)
    corners = lab.costophrenic_corners(film)
    assert corners[0, 0] == 45
    for percent, expected in ((17, [True, True]), (18, [False, True])):
        move = lab.new_to_old(256, **(STILL | {"right": -percent / 100}))
        moved = lab.positions(corners, np.linalg.inv(move))
        np.testing.assert_array_equal(lab.are_inside(moved, 256), expected)


def test_the_figure_says_what_is_inside_and_keeps_tries_only_when_it_is_asked_to(film):
    figure = lab.augmentation_lab(film)
    assert "2 of 2 corners inside,\n100 % of the fluid" in figure.axes[1].get_title()
    assert recall(lab.TRIES) is None
    keep(lab.GUESS, 12)
    figure = lab.augmentation_lab(film, right=-30, remember=True)
    assert "1 of 2 corners inside" in figure.axes[1].get_title()
    assert [text.get_text().strip() for text in figure.axes[0].texts] == ["my guess: 12 %"]
    ((fluid, both_inside),) = recall(lab.TRIES)
    assert fluid < 100
    assert not both_inside
    plt.close("all")


def test_a_real_film_is_moved_without_a_truth_and_its_try_is_not_kept(film):
    keep(lab.GUESS, 12)
    figure = lab.augmentation_lab(film.image, right=-30, flip="mirror", remember=True)
    assert "both corners?" in figure.axes[1].get_title()
    assert recall(lab.TRIES) is None
    assert not figure.axes[0].texts
    moved, truth = (lab.augmentation_lab(f, right=-30, flip="mirror").axes[1].images[0] for f in (film.image, film))
    np.testing.assert_array_equal(moved.get_array(), truth.get_array())
    plt.close("all")
