"""An image is compared with a chest film: as it is, turned and inverted."""

import numpy as np
import pytest
import scipy

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.images.likeness import (
    EDGE,
    LOOKS,
    SIDE,
    _central_ranks,
    likenesses,
    make_template,
    orientation_warning,
    thumbnail_of,
)
from cxrlib.training.batches import load_images

UPRIGHT, INVERTED, UPSIDE_DOWN, TURNED = LOOKS


@pytest.fixture(scope="module")
def thumbnails(sim_cohort):
    images = load_images(read_cohort(sim_cohort).files[:40], size=64)
    return [thumbnail_of(image) for image in images]


@pytest.fixture(scope="module")
def template(thumbnails):
    return make_template(thumbnails[:20])


def test_a_thumbnail_is_the_mean_of_each_square():
    image = np.arange(64 * 64, dtype=np.float32).reshape(64, 64) / 64**2
    expected = image.reshape(SIDE, 2, SIDE, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(thumbnail_of(image), expected, atol=1e-6)


def test_each_look_is_told_from_the_others(thumbnails, template):
    changes = {
        UPRIGHT: lambda film: film,
        INVERTED: lambda film: 1 - film,
        UPSIDE_DOWN: lambda film: film[::-1],
        TURNED: np.rot90,
    }
    for look, change in changes.items():
        found = [likenesses(np.ascontiguousarray(change(film)), template) for film in thumbnails[20:]]
        best = [max(each, key=each.get) for each in found]
        assert np.mean([each == look for each in best]) >= 0.95, look
        assert all(set(each) == set(changes) and -1 <= min(each.values()) <= max(each.values()) <= 1 for each in found)


def test_gamma_and_mirroring_do_not_change_a_likeness(thumbnails, template):
    for film in thumbnails[20:]:
        expected = list(likenesses(film, template).values())
        for change in (film**1.4, film**0.7, film[:, ::-1]):
            found = list(likenesses(np.ascontiguousarray(change), template).values())
            np.testing.assert_allclose(found, expected, atol=0.02)


def test_central_ranks_are_those_of_scipy():
    rng = np.random.default_rng(0)
    for thumbnail in (rng.random((SIDE, SIDE)), rng.integers(0, 5, (SIDE, SIDE)) / 4, np.ones((SIDE, SIDE))):
        ranks = scipy.stats.rankdata(thumbnail).reshape(SIDE, SIDE) / SIDE**2
        expected = ranks[EDGE:-EDGE, EDGE:-EDGE].astype(np.float32)
        np.testing.assert_array_equal(_central_ranks(thumbnail.astype(np.float32)), expected)


def test_a_template_has_no_side_and_no_order(thumbnails, template):
    np.testing.assert_allclose(template, template[:, ::-1], atol=1e-6)
    mirrored = make_template([film[:, ::-1] for film in thumbnails[19::-1]])
    np.testing.assert_allclose(mirrored, template, atol=2e-4)


def test_a_constant_image_is_like_nothing(template):
    assert set(likenesses(np.full((SIDE, SIDE), 0.5, np.float32), template).values()) == {0.0}


def test_a_warning_needs_a_lead():
    values = {UPRIGHT: 0.5, INVERTED: 0.3, UPSIDE_DOWN: 0.59, TURNED: 0.2}
    assert orientation_warning(values) is None
    warning = "looks upside down: if so, turn it (its likeness to a chest film is 0.50, and then 0.61)"
    assert orientation_warning(values | {UPSIDE_DOWN: 0.61}) == warning
