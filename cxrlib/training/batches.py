"""A cohort -> batches: read once, kept as 16 bit, augmented afresh each epoch."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from cxrlib.files import Progress, map_in_order, no_progress
from cxrlib.images.augmentation import Augmentation, augment
from cxrlib.images.pixels import quantize
from cxrlib.images.radiograph import read_image

BUDGET = 2 << 30
"""Bytes of images that are kept in memory; above it they go to a file on disk."""

MOST_WORKERS = 8
"""Threads that make batches; each has four ahead, which on many cores would fill the memory."""


def load_images(
    files: Sequence[Path],
    *,
    size: int,
    normalize: str = "minmax",
    budget: int = BUDGET,
    bits: int = 16,
    cache_folder: Path | None = None,
    progress: Progress = no_progress,
) -> np.ndarray:
    """Read films through `read_image` into one array of 8 or 16 bit.

    Parameters
    ----------
    files : sequence of N paths
    size : int
        Side of the images in pixels.
    budget : int
        Bytes. A larger array lives in an unnamed temporary file in
        `cache_folder`, which is gone with the process.
    bits : {8, 16}
        8 halves the size and costs up to 0.002 in a pixel's value.

    Returns
    -------
    ndarray, (N, size, size), uint8 or uint16, full range for [0, 1]

    Raises
    ------
    InputError
        At the first file that cannot be read.
    """
    if bits not in (8, 16):
        raise ValueError(f"bits is {bits}; it must be 8 or 16")
    shape, dtype = (len(files), size, size), np.dtype(f"uint{bits}")
    if np.prod(shape) * dtype.itemsize <= budget:
        images = np.empty(shape, dtype)
    else:
        with tempfile.TemporaryFile(dir=cache_folder) as nameless:  # the mapping outlives the name
            _reserve(nameless, int(np.prod(shape)) * dtype.itemsize, cache_folder or tempfile.gettempdir())
            images = np.memmap(nameless, dtype, mode="w+", shape=shape)

    def read(path: Path) -> np.ndarray:
        image = read_image(path, size=size, normalize=normalize)
        return quantize(image) if bits == 16 else np.rint(image * 255).astype(np.uint8)

    for index, image in enumerate(progress(map_in_order(read, files), len(files))):
        images[index] = image
    return images


def _reserve(file, count: int, folder) -> None:
    """Ask for a file's whole size now: on a full disk, writing to a mapping kills the process without a word."""
    if not hasattr(os, "posix_fallocate"):  # macOS, Windows
        return
    try:
        os.posix_fallocate(file.fileno(), 0, count)
    except OSError as error:
        told = f"{count:,} bytes of images cannot be kept ({error.strerror})"
        raise OSError(error.errno, told, str(folder)) from None


def iterate_batches(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    batch: int,
    augmentation: Augmentation,
    seed: int,
    epochs: Iterable[int],
    share: tuple[int, int] = (0, 1),
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (B, S, S, 1) float32 images and (B, 1) float32 labels, epoch after epoch, made on several threads.

    What is drawn depends on the seed, the epoch and the film alone, so that a
    training that resumes at epoch k sees what an uninterrupted one sees, and so
    do several processes together.

    Parameters
    ----------
    images : ndarray, (N, S, S), as `load_images` returns them
        Of several processes, each has those of its own share.
    labels : ndarray, (M,)
        Of all M films of the training, in the same order.
    batch : int
        Films in a batch, that of all processes together.
    share : (index, of)
        This process has the films index, index + of, index + 2 of ..., and
        yields B = batch / of of each batch's films.
    """
    index, of = share
    options = dict(augmentation=augmentation, seed=seed)

    def make(dealt: tuple[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        epoch, rows = dealt
        return make_batch(images, labels, rows[index::of], epoch=epoch, of=of, **options)

    rows = deal_rows(len(labels), batch=batch, seed=seed, epochs=epochs)
    yield from map_in_order(make, rows, workers=min(MOST_WORKERS, os.cpu_count() or 1))


def deal_rows(count: int, *, batch: int, seed: int, epochs: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield an epoch and the rows (B,) of one of its batches, batch after batch.

    Film i always stands at the place i mod B of some batch, and takes turns there
    with the other films of its place in an order that is drawn anew each epoch. So
    a process that fills every n-th place needs every n-th film only. All
    batches have the same size, for a tiny one would upset batch normalisation:
    a place with a film too few repeats one.
    """
    steps = steps_per_epoch(count, batch)
    places = np.arange(steps * batch).reshape(steps, batch) % count
    short = np.arange(batch)[batch - (steps * batch - count) :]
    for epoch in epochs:
        rng = np.random.default_rng([seed, epoch])
        if steps > 1:
            places[-1, short] = places[rng.integers(steps - 1, size=len(short)), short]
        for rows in rng.permuted(places, axis=0):
            yield epoch, rows


def make_batch(
    images: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    *,
    augmentation: Augmentation,
    seed: int,
    epoch: int,
    of: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the augmented films (B, S, S, 1) and the labels (B, 1) of some rows, float32."""
    films = np.empty((len(rows), *images.shape[1:], 1), np.float32)
    for film, row in zip(films, rows, strict=True):
        film[..., 0] = augment(images[row // of], augmentation, np.random.default_rng([seed, epoch, row]))
    return films, labels[rows, None].astype(np.float32)


def steps_per_epoch(count: int, batch: int) -> int:
    """Return how many batches of at most `batch` films an epoch has."""
    return -(-count // batch)


def make_dataset(images: np.ndarray, labels: np.ndarray, **options):
    """Return `iterate_batches`, with its options, as a ``tf.data.Dataset`` that is made ahead of need."""
    from cxrlib.model.backend import tf

    side = images.shape[1]
    kinds = (tf.TensorSpec((None, side, side, 1), tf.float32), tf.TensorSpec((None, 1), tf.float32))
    make = lambda: iterate_batches(images, labels, **options)
    return tf.data.Dataset.from_generator(make, output_signature=kinds).prefetch(2)
