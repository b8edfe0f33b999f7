"""Tens of thousands of damaged files, and the largest films that are accepted."""

import fuzz
import numpy as np
import pytest

from cxrlib.images.headers import MAX_SIDE


@pytest.mark.parametrize(
    ("kind", "count", "batch"),
    [("films", 20_000, 5000), ("gray", 20_000, 10_000), ("tables", 2000, 500), ("networks", 200, 50)],
)
def test_damaged_files_become_images_or_refusals(tmp_path, short, kind, count, batch):
    """In several processes, because Keras keeps some memory of every network that it has built."""
    count = count // 10 if short else count
    for first in range(0, count, batch):
        fuzz.run(kind, tmp_path / str(first), min(batch, count - first), first=100_000 + first)


LARGEST = {
    "rgba.png": lambda film: fuzz.cv2.imencode(".png", np.repeat(film[..., None], 4, axis=2))[1].tobytes(),
    "gray.jpg": lambda film: fuzz.pictured((film >> 8).astype(np.uint8), "JPEG", "CMYK", progressive=True),
    "window.dcm": lambda film: fuzz.dicom(
        film, BitsStored=16, HighBit=15, WindowCenter=20_000, WindowWidth=30_000, PixelPaddingValue=5
    ),
    "lossless.dcm": lambda film: fuzz.compressed(fuzz.gdcm.TransferSyntax.JPEGLosslessProcess14_1, film, 16),
    "2000.dcm": lambda film: fuzz.compressed(fuzz.gdcm.TransferSyntax.JPEG2000Lossless, film, 16),
}


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_film_stays_below_one_gigabyte(tmp_path, name):
    y, x = np.ogrid[:MAX_SIDE, :MAX_SIDE]
    film = (30_000 + 20_000 * np.sin(y / 900) * np.cos(x / 700)).astype(np.uint16)
    film += np.random.default_rng(0).integers(0, 64, film.shape, dtype=np.uint16)
    (tmp_path / name).write_bytes(LARGEST[name](film))
    outcome, _, memory, child_memory = fuzz.read_in_process(tmp_path)[name]
    assert outcome == f"({MAX_SIDE}, {MAX_SIDE})"
    assert max(memory, child_memory) < fuzz.MAX_MEMORY
