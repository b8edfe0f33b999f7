from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from cxrlib.images.augmentation import Augmentation, augment, draw_affine
from cxrlib.model.keras_augmentation import keras_generator

RANGES = Augmentation(shift=0.1, scale=0.2, rotate=10.0, gamma=1.5)


@pytest.fixture
def image():
    return ndimage.gaussian_filter(np.random.default_rng(0).random((64, 64)), 3).astype(np.float32)


def test_nothing_is_done_when_nothing_is_asked(image):
    assert augment(image, Augmentation(), np.random.default_rng(0)) is image
    assert augment(image, Augmentation(rotate=10, probability=0.0), np.random.default_rng(0)) is image


def test_the_warp_is_scipys_affine_transform(image):
    geometry = Augmentation(shift=0.1, scale=0.2, rotate=10.0)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        rng.random()  # the draw that decides whether the image is transformed
        matrix = draw_affine(geometry, 64, rng)
        swap = np.array([[0, 1], [1, 0]])  # (x, y) -> (row, column)
        linear, offset = swap @ matrix[:, :2] @ swap, swap @ matrix[:, 2]
        expected = ndimage.affine_transform(image, linear, offset, order=1, mode="grid-constant", cval=0)
        moved = augment(image, geometry, np.random.default_rng(seed))
        np.testing.assert_allclose(moved, expected, atol=0.02)  # OpenCV interpolates at 1/32 pixel
        assert np.abs(moved - image).max() > 0.05


def test_the_draws_fill_the_ranges_and_stay_within():
    rng = np.random.default_rng(0)
    centre = np.array([31.5, 31.5])
    zooms, angles, shifts = [], [], []
    for _ in range(2000):
        matrix = draw_affine(RANGES, 64, rng)
        linear = np.linalg.inv(matrix[:, :2])  # input -> output
        zooms.append(np.sqrt(np.linalg.det(linear)))
        angles.append(np.degrees(np.arctan2(linear[0, 1], linear[0, 0])))
        shifts.append(np.linalg.solve(matrix[:, :2], centre - matrix[:, 2]) - centre)
    for drawn, limit in ((np.array(zooms) - 1, 0.2), (np.array(angles), 10), (np.array(shifts) / 64, 0.1)):
        assert np.abs(drawn).max() <= limit + 1e-9
        assert drawn.max() > 0.95 * limit
        assert drawn.min() < -0.95 * limit


def test_up_stays_up_and_only_the_option_mirrors(image):
    plain = [np.linalg.det(draw_affine(RANGES, 64, np.random.default_rng(s))[:, :2]) for s in range(200)]
    assert min(plain) > 0
    flips = [draw_affine(Augmentation(horizontal_flip=True), 64, np.random.default_rng(s))[:, :2] for s in range(200)]
    mirrored = np.array([np.linalg.det(m) < 0 for m in flips])
    assert 0.35 < mirrored.mean() < 0.65
    assert all(m[1, 1] > 0 for m in flips)  # never upside down
    seed = int(np.argmax(mirrored))
    np.testing.assert_array_equal(
        np.linalg.det(draw_affine(Augmentation(horizontal_flip=True), 64, np.random.default_rng(seed))[:, :2]), -1
    )


def test_mirroring_is_exact(image):
    results = [augment(image, Augmentation(horizontal_flip=True), np.random.default_rng(s)) for s in range(20)]
    is_same = [np.abs(result - image).max() < 1e-6 for result in results]
    is_mirrored = [np.abs(result - image[:, ::-1]).max() < 1e-6 for result in results]
    assert all(a or b for a, b in zip(is_same, is_mirrored, strict=True))
    assert any(is_same)
    assert any(is_mirrored)


def test_the_result_meets_the_contract(image):
    for seed in range(20):
        moved = augment(image, RANGES, np.random.default_rng(seed))
        assert moved.dtype == np.float32
        assert moved.shape == image.shape
        assert moved.min() >= 0
        assert moved.max() <= 1


def test_probability_is_the_fraction_of_films_that_change(image):
    half = Augmentation(rotate=10.0, probability=0.5)
    touched = [augment(image, half, np.random.default_rng(s)) is not image for s in range(400)]
    assert 0.42 < np.mean(touched) < 0.58


@pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning")  # Keras' legacy code
def test_keras_generator_has_the_same_ranges():
    generator = keras_generator(Augmentation(shift=0.1, scale=0.2, rotate=10.0, horizontal_flip=True))
    assert (generator.width_shift_range, generator.height_shift_range) == (0.1, 0.1)
    assert generator.zoom_range == [0.8, 1.2]
    assert generator.rotation_range == 10.0
    assert generator.horizontal_flip
    assert not generator.vertical_flip
    moved = generator.random_transform(np.ones((32, 32, 1), np.float32))
    assert moved.shape == (32, 32, 1)


def test_cached_films_are_augmented_as_floats_are(image):
    for (dtype, step), seed in product([(np.uint8, 1 / 255), (np.uint16, 1 / 65535)], range(5)):
        cached = np.rint(image * np.iinfo(dtype).max).astype(dtype)
        result = augment(cached, RANGES, np.random.default_rng(seed))
        expected = augment(image, RANGES, np.random.default_rng(seed))
        assert result.dtype == np.float32
        assert 0 <= result.min() <= result.max() <= 1
        tolerance = step ** (1 / RANGES.gamma) + 0.01  # a gamma below 1 spreads the darkest values
        np.testing.assert_allclose(result, expected, atol=tolerance)
        assert augment(cached, Augmentation(), np.random.default_rng(0)).dtype == np.float32
