"""The measures of `make contact`, on arrays whose distributions are known."""

import numpy as np
import pytest
import realism
from scipy import stats


def test_samples_of_one_distribution_are_not_told_apart_and_shifted_ones_are():
    rng = np.random.default_rng(0)
    real, same = rng.standard_normal((2, 300, 20))
    patients = np.arange(600)
    assert realism.separation(real, same, patients).value == pytest.approx(0.5, abs=0.08)
    assert realism.separation(real, same + 3, patients).value > 0.99
    # two normal distributions with unit variances and a distance d in one feature: AUC = Phi(d / sqrt(2))
    shifted = same + np.eye(20)[0] * 1.5
    assert realism.separation(real, shifted, patients).value == pytest.approx(stats.norm.cdf(1.5 / 2**0.5), abs=0.04)


def test_knowing_a_patient_does_not_help():
    """Ten equal films of each patient: only a classifier that has seen the patient can tell them apart."""
    people = np.random.default_rng(1).standard_normal((60, 200)).repeat(10, axis=0)
    patients = np.arange(60).repeat(10)
    auc = realism.separation(people[:300], people[300:], patients)
    assert auc.value < 0.75
    assert auc.low < 0.5


def test_a_thumbnail_holds_the_means_of_blocks():
    image = np.random.default_rng(2).random((32, 32)).astype(np.float32)
    blocks = image.reshape(8, 4, 8, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(realism.thumbnail(image), blocks.ravel(), atol=1e-6)


def test_a_wave_has_its_power_in_its_ring_and_noise_has_as_much_in_each():
    size, cycles = 96, 24  # rings are (48 - 0.5) / 24 cycles wide
    wave = 0.5 + 0.4 * np.sin(2 * np.pi * cycles * np.arange(size) / size)
    rings = realism.spectrum(np.tile(wave, (size, 1)))
    assert rings.argmax() == int((cycles - 0.5) / ((48 - 0.5) / 24))
    noise = np.random.default_rng(3).standard_normal((300, size, size))
    rings = np.mean([10 ** realism.spectrum(image) for image in noise], axis=0)
    expected = (np.hanning(size) ** 2).sum() ** 2  # Parseval: unit variance times the window's power
    np.testing.assert_allclose(rings[3:], expected, rtol=0.06)


def test_the_numbers_of_a_film_that_can_be_counted():
    image = np.full((64, 64), 0.5, np.float32)
    image[:4] = 0.0  # the upper side of the frame, which is 4 pixels wide
    image[-4:, :32] = 1.0
    mean, sd, black, white, sharpness = realism.numbers(image)
    frame = 64 * 64 - 56 * 56
    assert mean == pytest.approx(image.mean(), rel=1e-6)
    assert sd == pytest.approx(image.std(), rel=1e-6)
    assert black == pytest.approx(4 * 64 / frame)
    assert white == pytest.approx(4 * 32 / frame)
    rng = np.random.default_rng(4)
    grain = image + 0.1 * rng.random((64, 64)).astype(np.float32)
    assert realism.numbers(grain)[4] > sharpness


def test_the_text_tells_what_differs():
    rng = np.random.default_rng(5)
    films = rng.random((120, 64, 64)).astype(np.float32)
    films[60:, :32] += 0.5  # simulated films are brighter above
    views, is_real = np.tile(["PA", "AP"], 60), np.arange(120) < 60
    text = realism.describe(films, is_real, views, np.arange(120))
    assert "thumbnail all  1.000" in text
    assert "60 and 60" in text
    assert "30 and 30" in text
    assert text.count("simulated - real") == 6
