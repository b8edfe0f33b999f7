"""Odd but real files, in the folder that CXR_ODD_DATA names: each is read, or refused with the right message."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxrlib.errors import InputError
from cxrlib.images.png_jpeg import decode_picture
from cxrlib.images.radiograph import open_radiograph, read_image

FOLDER = os.environ.get("CXR_ODD_DATA")
pytestmark = pytest.mark.skipif(not FOLDER, reason="CXR_ODD_DATA names no folder of odd files")
ODD = Path(FOLDER or "")


def test_all_originals_are_read_to_one_channel():
    paths = sorted((ODD / "originals").glob("*.png"))
    assert len(paths) == 27
    for path in paths:
        opened = open_radiograph(path, size=256)
        assert opened.image.shape == (256, 256)
        assert opened.image.dtype == np.float32
        assert 0 <= opened.image.min() < opened.image.max() <= 1
        assert opened.warnings == ()


def test_pixels_are_those_of_opencv():
    paths = sorted([*(ODD / "originals").glob("*.png"), *Path(os.environ.get("CXR_REAL_DATA", ODD)).rglob("0*.png")])
    assert len(paths) > 50
    for path in paths:
        pixels, *_ = decode_picture(path, path.read_bytes(), (), ())
        expected = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(pixels, expected if expected.ndim == 2 else expected[..., 1])


def test_monochrome1_is_inverted():
    """Both files store the same pixels, so the images differ only by the inversion that the tag asks for."""
    two, one = (read_image(ODD / f"cxr_monochrome{k}.dcm") for k in (2, 1))
    assert two.shape == (1024, 1024)
    np.testing.assert_allclose(one, 1 - two, atol=1e-6)


def test_a_file_that_is_not_a_radiograph_is_refused_by_name():
    messages = {
        "ct_slice_16bit.dcm": "Modality CT",
        "lfs_pointer_not_an_image.png": "Git LFS pointer",
        "README.md": "unknown format",
        "nih_rgb.jpg": "picture in colour",  # a heat map is laid over the film
        "nih_lung_masked_rgb.png": "picture in colour",  # the lungs are painted green
    }
    for name, message in messages.items():
        with pytest.raises(InputError, match=message) as caught:
            read_image(ODD / name)
        assert name in str(caught.value)


def test_pictures_in_colour_are_read_on_request():
    for name in ("nih_rgb.jpg", "nih_lung_masked_rgb.png"):
        opened = open_radiograph(ODD / name, size=128, accept=["color"])
        assert opened.image.shape == (128, 128)
        assert "luminance" in opened.warnings[0]


def test_a_film_that_is_not_square_is_padded():
    image = read_image(ODD / "cxr_1036x885_rgb.jpg", size=256)
    content = round(256 * 885 / 1036)
    rows = np.flatnonzero(image.max(axis=1) > 0.02)
    assert rows[-1] - rows[0] + 1 == pytest.approx(content, abs=3)
    assert image[: (256 - content) // 2 - 2].max() == 0


def test_a_small_film_is_read_with_a_warning():
    assert "enlarged from 64x64" in open_radiograph(ODD / "nih_64px_rgb.png", size=128).warnings[0]
