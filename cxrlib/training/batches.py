"""From a cohort to batches: films are read once, kept in 16 bits, and augmented anew in each epoch."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxrlib.errors import InputError
from cxrlib.files import Progress, map_in_order, no_progress
from cxrlib.images.augmentation import Augmentation, augment
from cxrlib.images.film_facts import FilmWarning, count_warnings
from cxrlib.images.pixels import quantize
from cxrlib.images.radiograph import open_radiograph

if TYPE_CHECKING:
    from cxrlib.model.backend import tf

MEMORY_LIMIT = 2 << 30
"""Bytes of images that are kept in memory; a larger array is kept in a file. 100,000 films of 160 px need 5 GB."""


class FilmsOnDiskWarning(UserWarning):
    """The films that are about to be read do not fit into `MEMORY_LIMIT`."""


MAX_WORKERS = 8
"""Threads that make batches. Each thread has up to four batches ready, which on many cores would fill the memory."""


@dataclass(frozen=True)
class Films:
    """Films that were read for a network.

    Attributes
    ----------
    images : ndarray, (N, S, S), uint16
        0 to 65535 stands for 0 to 1.
    film_ids : list of str
        The `cxrlib.images.radiograph.Radiograph.film_id` of each film.
    warnings : list of tuple of FilmWarning
        What is unusual in each film.
    refused : dict of int to str
        The files that are not among these films because they were refused: the number
        of each in the order of the files, and why.
    """

    images: np.ndarray
    film_ids: list[str]
    warnings: list[tuple[FilmWarning, ...]]
    refused: dict[int, str] = field(default_factory=dict)

    def count_unusual(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Return one sentence that counts the warnings by kind and quotes the first; none if there are no warnings."""
        table = self.list_warnings(paths)
        if table.empty:
            return ()
        path, _, sentence = table.iloc[0]
        return (f"unusual films: {count_warnings(table['kind'])} (first: {path}: {sentence})",)

    def list_warnings(self, paths: Iterable[str]) -> pd.DataFrame:
        """Return one row for each warning: path, kind, warning.

        Parameters
        ----------
        paths : iterable of str
            The name of each film in the table.
        """
        rows = [
            (path, each.kind, str(each)) for path, found in zip(paths, self.warnings, strict=True) for each in found
        ]
        return pd.DataFrame(rows, columns=["path", "kind", "warning"])


def load_images(
    files: Sequence[Path],
    *,
    size: int,
    normalize: str = "minmax",
    progress: Progress = no_progress,
) -> np.ndarray:
    """Return only the images of `load_films`: (N, size, size), uint16."""
    return load_films(files, size=size, normalize=normalize, progress=progress).images


def load_films(
    files: Sequence[Path],
    *,
    size: int,
    normalize: str = "minmax",
    check: Callable[[np.ndarray], tuple[FilmWarning, ...]] = lambda image: (),
    accept: Collection[str] = (),
    leave_out: bool = False,
    progress: Progress = no_progress,
) -> Films:
    """Read films with `open_radiograph` into one array of 16 bits.

    An array larger than `MEMORY_LIMIT` lives in a temporary file, in the folder that
    ``tempfile.gettempdir()`` names (``cxr train --cache FOLDER``). The file has no name,
    and disappears with the process.

    Parameters
    ----------
    files : sequence of N paths
    size : int
        Side of the images in pixels.
    normalize : {"minmax", "percentile"}
    check : callable
        ``check(image)`` returns warnings about an image, (size, size), uint16. By
        default there are only the warnings of `open_radiograph`.
    accept : collection of str
        As in `open_radiograph`.
    leave_out : bool
        Leave out files that are refused, and say so in `Films.refused`, instead of raising
        an error.
    progress : callable
        ``progress(items, total)`` wraps the reading, as tqdm does.

    Returns
    -------
    Films
        A film has at most one warning of each kind from `check`, and none of a kind that
        it has already.

    Raises
    ------
    InputError
        A file is refused by `open_radiograph` or by `check`.
    OSError
        The disk has no space for the temporary file.

    Warns
    -----
    FilmsOnDiskWarning
        The array lives in a file. The sentence says how large it is, and where.
    """
    images = _allocate((len(files), size, size))
    film_ids: list[str] = []
    found: list[tuple[FilmWarning, ...]] = []
    refused: dict[int, str] = {}

    def read(path: Path) -> tuple[np.ndarray, str, tuple[FilmWarning, ...]] | str:
        try:
            film = open_radiograph(path, size=size, normalize=normalize, accept=accept)
            image, kinds = quantize(film.image), {warning.kind for warning in film.warnings}
            return image, film.film_id, (*film.warnings, *(each for each in check(image) if each.kind not in kinds))
        except InputError as error:
            if not leave_out:
                raise
            return str(error)

    for index, result in enumerate(progress(map_in_order(read, files), len(files))):
        if isinstance(result, str):
            refused[index] = result
            continue
        images[len(film_ids)], film_id, unusual = result
        film_ids.append(film_id)
        found.append(unusual)
    return Films(images[: len(film_ids)], film_ids, found, refused)


def _allocate(shape: tuple[int, ...]) -> np.ndarray:
    """Return an array of uint16 without values, in memory or, above `MEMORY_LIMIT`, in a temporary file."""
    num_bytes = int(np.prod(shape)) * np.dtype(np.uint16).itemsize
    if num_bytes <= MEMORY_LIMIT:
        return np.empty(shape, np.uint16)
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    warnings.warn(
        f"{shape[0]:,} films of {shape[1]} px need {num_bytes / 1e9:.1f} GB: they are kept in a file in {folder}, "
        f"which has {free / 1e9:.1f} GB free; --cache names another folder",
        FilmsOnDiskWarning,
        stacklevel=3,
    )
    with tempfile.TemporaryFile() as file:
        if hasattr(os, "posix_fallocate"):  # not on macOS and Windows
            # takes the whole space on the disk now: on a full disk, writing to a mapped file kills the process
            try:
                os.posix_fallocate(file.fileno(), 0, num_bytes)
            except OSError as error:
                message = f"{num_bytes:,} bytes of images cannot be kept ({error.strerror})"
                raise OSError(error.errno, message, folder) from None
        return np.memmap(file, np.uint16, mode="w+", shape=shape)  # the mapping stays when the file is closed


def iterate_batches(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    batch: int,
    augmentation: Augmentation,
    seed: int,
    epochs: Iterable[int],
    shard: tuple[int, int] = (0, 1),
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the augmented batches of one epoch after another, made on several threads.

    The random numbers depend on the seed, the epoch and the film alone. So a training
    that resumes at epoch k gets the same batches as a training that was not
    interrupted. Several processes together get the same batches as one process.

    Parameters
    ----------
    images : ndarray, (N, S, S), as `load_images` returns them
        The films of this process.
    labels : ndarray, (M,), 1 = the finding
        The labels of all M films of the training, in the same order.
    batch : int
        Films in a batch of all processes together.
    augmentation : Augmentation
    seed : int
    epochs : iterable of int
        Numbers of the epochs, from 0.
    shard : (shard_index, num_shards)
        This process has every film whose row r in `labels` has
        r mod num_shards = shard_index.

    Yields
    ------
    images : ndarray, (B, S, S, 1), float32 in [0, 1]
        The films of this process in one batch: B = batch / num_shards.
    labels : ndarray, (B, 1), float32
    """
    shard_index, num_shards = shard

    def make(drawn: tuple[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        epoch, rows = drawn
        rows = rows[shard_index::num_shards]
        films = np.empty((len(rows), *images.shape[1:], 1), np.float32)
        for film, row in zip(films, rows, strict=True):
            rng = np.random.default_rng([seed, epoch, row])
            film[..., 0] = augment(images[row // num_shards], augmentation, rng)
        return films, labels[rows, None].astype(np.float32)

    drawn = shuffle_rows(len(labels), batch=batch, seed=seed, epochs=epochs)
    yield from map_in_order(make, drawn, workers=min(MAX_WORKERS, os.cpu_count() or 1))


def shuffle_rows(num_films: int, *, batch: int, seed: int, epochs: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the epoch and the rows of the films, (batch,), of one batch after another.

    Film i is always at position i mod `batch` of a batch. Each epoch draws anew which
    batch that is. So a process that fills every n-th position of the batches needs
    every n-th film only.

    All batches have the same size, because a very small one would upset batch
    normalisation. If the last batch would be smaller, it is filled with films of the other batches.
    """
    steps = steps_per_epoch(num_films, batch)
    table = np.arange(steps * batch).reshape(steps, batch) % num_films  # one row a batch, one column a position
    num_repeated = steps * batch - num_films
    repeated = np.arange(batch)[batch - num_repeated :]  # the positions of the last batch that repeat a film
    for epoch in epochs:
        rng = np.random.default_rng([seed, epoch])
        if steps > 1:
            table[-1, repeated] = table[rng.integers(steps - 1, size=num_repeated), repeated]
        for rows in rng.permuted(table, axis=0):
            yield epoch, rows


def steps_per_epoch(num_films: int, batch: int) -> int:
    """Return how many batches of `batch` films an epoch has, rounded up."""
    return -(-num_films // batch)


def make_dataset(images: np.ndarray, labels: np.ndarray, **options: Any) -> "tf.data.Dataset":
    """Return `iterate_batches` as a ``tf.data.Dataset`` that makes two batches in advance.

    Parameters
    ----------
    images, labels, **options
        As `iterate_batches` takes them.
    """
    from cxrlib.model.backend import tf

    side = images.shape[1]
    signature = (tf.TensorSpec((None, side, side, 1), tf.float32), tf.TensorSpec((None, 1), tf.float32))
    make = lambda: iterate_batches(images, labels, **options)
    fixed = tf.data.Options()
    # There is nothing to tune here, and the end of a fit would wait until the tuner's thread wakes: up to a minute.
    fixed.autotune.enabled = False
    return tf.data.Dataset.from_generator(make, output_signature=signature).prefetch(2).with_options(fixed)
