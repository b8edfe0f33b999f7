"""A cohort -> batches: read once, kept as 16 bit, augmented afresh each epoch."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from cxrlib.augment import Augmentation, augment
from cxrlib.files import map_in_order
from cxrlib.radiograph import quantize, read_image

BUDGET = 2 << 30
"""Bytes of images that are kept in memory; above it they go to a file on disk."""


def load_images(
    files: Sequence[Path],
    *,
    size: int,
    normalize: str = "minmax",
    budget: int = BUDGET,
    bits: int = 16,
    cache_folder: Path | None = None,
    progress: Callable[[Iterable, int], Iterable] = lambda items, total: items,
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
            images = np.memmap(nameless, dtype, mode="w+", shape=shape)

    def read(path: Path) -> np.ndarray:
        image = read_image(path, size=size, normalize=normalize)
        return quantize(image) if bits == 16 else np.rint(image * 255).astype(np.uint8)

    for index, image in enumerate(progress(map_in_order(read, files), len(files))):
        images[index] = image
    return images


def iterate_batches(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    batch: int,
    augmentation: Augmentation,
    seed: int,
    epochs: Iterable[int],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (B, S, S, 1) float32 images and (B, 1) float32 labels, epoch after epoch, made on several threads.

    What is drawn depends on the seed, the epoch and the film alone, so that a
    training that resumes at epoch k sees what an uninterrupted one sees. All
    batches have the same size: the last one of an epoch is filled up with films
    from its beginning. A tiny batch would upset batch normalisation, and an odd
    one TensorFlow (see `cxrlib.recipe.Recipe`).
    """
    make = lambda dealt: make_batch(images, labels, dealt[1], augmentation=augmentation, seed=seed, epoch=dealt[0])
    yield from map_in_order(make, deal_rows(len(images), batch=batch, seed=seed, epochs=epochs))


def deal_rows(count: int, *, batch: int, seed: int, epochs: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield an epoch and the rows (B,) of one of its batches, batch after batch."""
    for epoch in epochs:
        order = np.random.default_rng([seed, epoch]).permutation(count)
        for rows in np.resize(order, (steps_per_epoch(count, batch), batch)):  # repeats from the start
            yield epoch, rows


def make_batch(
    images: np.ndarray, labels: np.ndarray, rows: np.ndarray, *, augmentation: Augmentation, seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the augmented films (B, S, S, 1) and the labels (B, 1) of some rows, float32."""
    films = np.empty((len(rows), *images.shape[1:], 1), np.float32)
    for film, row in zip(films, rows, strict=True):
        film[..., 0] = augment(images[row], augmentation, np.random.default_rng([seed, epoch, row]))
    return films, labels[rows, None].astype(np.float32)


def steps_per_epoch(count: int, batch: int) -> int:
    """Return how many batches of at most `batch` films an epoch has."""
    return -(-count // batch)


def batches(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    batch: int,
    augmentation: Augmentation,
    seed: int,
    epochs: Iterable[int],
):
    """Return `iterate_batches` as a ``tf.data.Dataset``, made ahead of need."""
    import tensorflow as tf

    side = images.shape[1]
    kinds = (tf.TensorSpec((None, side, side, 1), tf.float32), tf.TensorSpec((None, 1), tf.float32))
    options = dict(batch=batch, augmentation=augmentation, seed=seed, epochs=epochs)
    make = lambda: iterate_batches(images, labels, **options)
    return tf.data.Dataset.from_generator(make, output_signature=kinds).prefetch(2)
