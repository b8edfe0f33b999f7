"""Find films that are in two splits: exact copies stop a training, near copies give a warning.

Exact copies have equal pixels once they are read for a training. Near
copies were re-encoded, resized, moved, trimmed, brightened, mirrored or written on.
All chest films look alike at low resolution. So each held-out film is first
compared with all training films as a thumbnail, and then closely with the few
nearest ones. benchmarks/README.md measures how often this is wrong.
"""

import warnings
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from cxrlib.cohorts.cohort import Cohort
from cxrlib.errors import InputError
from cxrlib.files import map_in_order
from cxrlib.images.pixels import as_float, pixel_digest

THUMBNAIL_SIDE, CLOSE_SIDE = 32, 96
"""Sides in pixels of the thumbnails, and of the films that are compared closely. They are our choice."""

THUMBNAIL_BLUR, CLOSE_BLUR = 4.0, 3.0
"""Pixels. Coarser structure is removed, because all chest films look alike in it. The widths are our choice."""

NUM_CANDIDATES = 5
"""How many training films are compared closely with a held-out film, and how many with its mirror image. The number is
our choice."""

MAX_SHIFT = 4
"""Pixels at `CLOSE_SIDE` by which a copy may be moved. The number is our choice."""

SCALES = (0.96, 0.98, 1.0, 1.02, 1.04)
"""A trimmed film is enlarged when it is resized to the common size, so several scales are compared. They are our
choice."""

MIN_CORRELATION = 0.9
"""Two films with at least this correlation in the close comparison count as copies.

At first this limit was 0.86. We raised it because it gave a false warning: in one of
five cohorts without copies, two films had a correlation of 0.871 (see
benchmarks/README.md).
"""


DETAIL_BYTES = THUMBNAIL_SIDE**2 // 8
"""Bytes of the signs of a film's fine structure, one bit for each pixel of its thumbnail."""

MIN_AGREEMENT = 0.96
"""Two films whose `detail_signs` agree in at least this fraction of the bits count as copies.

We chose it on 794 films of NIH ChestX-ray14. Re-encoded as JPEG of quality 80, resized to
half and back, mirrored or changed by a gamma of 1.2, they agree with their originals in at
least 0.965 of the bits. Two films of different patients agree in at most 0.928. Of one patient,
they agree in at most 0.924, but for one film that the collection holds twice. Moved films
agree less, and are not found.
"""

_FILMS_AT_ONCE = 128  # one product of matrices for so many films is many times as fast as one for each film
_BLOCK = 4096  # films that are compared at once, so that 100,000 films need little memory


class CopyWarning(UserWarning):
    """A film of one split looks like a copy of a film in another split."""


def check_copies(images: dict[str, np.ndarray], parts: Mapping[str, Cohort], num_shards: int = 1) -> None:
    """Refuse exact copies of a film in two splits, and warn of near copies of training films.

    Parameters
    ----------
    images : dict of split to ndarray, (N, S, S), uint8 or uint16
        Where several processes train together, the first process holds its own
        shard of the training films and all films of the other splits. It cannot
        find copies of training films that only another process holds.
    parts : mapping of split to Cohort
    num_shards : int
        The number of processes. The first one holds every num_shards-th training
        film, beginning with film 0.

    Raises
    ------
    InputError
        Two films of different splits have equal pixels.

    Warns
    -----
    CopyWarning
        Films of val or test are nearly equal to a training film.
    """
    paths = {split: part.table["path"].tolist() for split, part in parts.items()}
    paths["train"] = paths["train"][::num_shards]
    pairs = exact_copies(images)
    if pairs:
        first, second = (f"{paths[split][index]} ({split})" for split, index in pairs[0])
        raise InputError(
            f"{len(pairs):,} films are in two splits, with equal pixels; the first is {first} and {second}: remove one "
            "of each pair, or give both the same patient_id in cohort.csv"
        )
    held_out = [(split, index) for split in images if split != "train" for index in range(len(images[split]))]
    copies = near_copies(images["train"], [images[split][index] for split, index in held_out])
    if copies:
        row, train_index, correlation = copies[0]
        split, index = held_out[row]
        warnings.warn(
            f"{len(copies):,} of {len(held_out):,} films of val and test look like copies of training films; the first "
            f"is {paths[split][index]} ({split}) of {paths['train'][train_index]} (train; correlation "
            f"{correlation:.2f}): if it is a copy, remove it, or give both the same patient_id in cohort.csv",
            CopyWarning,
            stacklevel=3,
        )


def exact_copies(images: Mapping[str, np.ndarray]) -> list[tuple[tuple[str, int], tuple[str, int]]]:
    """Return ((split, index), (later split, index)) for each film whose pixels are also in an earlier split.

    Parameters
    ----------
    images : mapping of split to ndarray, (N, S, S), uint8 or uint16
    """
    first_with: dict[str, tuple[str, int]] = {}
    pairs = []
    for split, films in images.items():
        for index, digest in enumerate(map_in_order(pixel_digest, films)):
            first = first_with.setdefault(digest, (split, index))
            if first[0] != split:
                pairs.append((first, (split, index)))
    return pairs


def near_copies(train: np.ndarray, held_out: Sequence[np.ndarray] | np.ndarray) -> list[tuple[int, int, float]]:
    """Return (index in held_out, index in train, correlation) for each held-out film that looks like a copy.

    The correlation is the largest one over a few nearest training films, small
    shifts, all `SCALES`, and both the film and its mirror image.

    Parameters
    ----------
    train : ndarray, (N, S, S), uint8 or uint16
    held_out : sequence of M arrays, (S, S), of the same dtype
    """
    thumbnails = np.array(list(map_in_order(_thumbnail, train)))
    thumbnails /= np.linalg.norm(thumbnails, axis=1, keepdims=True) + 1e-9  # a constant film has no detail: no 0 / 0
    num_candidates = min(NUM_CANDIDATES, len(train))

    def find_best(job: tuple[np.ndarray, np.ndarray]) -> tuple[float, int]:
        view, candidates = job
        templates = [_template(view, scale) for scale in SCALES]
        best = (-1.0, 0)
        for index in candidates.tolist():
            candidate = _fine_detail(train[index], CLOSE_SIDE, CLOSE_BLUR)
            # matchTemplate moves the template over the candidate, which allows for shifts
            maxima = [cv2.matchTemplate(candidate, each, cv2.TM_CCOEFF_NORMED).max() for each in templates]
            best = max(best, (float(np.nan_to_num(maxima).max()), index))
        return best

    found = []
    for start in range(0, len(held_out), _FILMS_AT_ONCE):
        films = list(held_out[start : start + _FILMS_AT_ONCE])
        views = films + [np.ascontiguousarray(film[:, ::-1]) for film in films]  # a mirrored copy is a copy
        similarity = np.array([_thumbnail(view) for view in views]) @ thumbnails.T
        nearest = np.argpartition(-similarity, num_candidates - 1, axis=1)[:, :num_candidates]
        results = list(map_in_order(find_best, zip(views, nearest, strict=True)))
        pairs = zip(results[: len(films)], results[len(films) :], strict=True)
        found += [(start + row, *max(pair)) for row, pair in enumerate(pairs)]
    return [(row, index, correlation) for row, correlation, index in found if correlation >= MIN_CORRELATION]


def _thumbnail(film: np.ndarray) -> np.ndarray:
    return _fine_detail(film, THUMBNAIL_SIDE, THUMBNAIL_BLUR).ravel()


def detail_signs(films: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Return the signs of each film's fine structure, by which copies are found without the film itself.

    Parameters
    ----------
    films : sequence of N arrays, (S, S), uint8 or uint16

    Returns
    -------
    ndarray, (N, 128), uint8
        One bit for each pixel of a thumbnail, 1 where it is brighter than its neighbourhood.
    """
    signs = map_in_order(lambda film: np.packbits(_thumbnail(film) > 0), films)
    return np.array(list(signs), np.uint8).reshape(-1, DETAIL_BYTES)


def agree(signs: np.ndarray, recorded: np.ndarray) -> np.ndarray:
    """Return whether each film looks like a copy of a recorded film, or of its mirror image, (N,), bool.

    Parameters
    ----------
    signs : ndarray, (N, 128), uint8
    recorded : ndarray, (M, 128), uint8
        Both as `detail_signs` returns them. The time grows with N times M.
    """
    # as -1 and 1, so the product of two films is the number of equal bits minus that of different bits
    as_numbers = lambda packed: 2 * np.unpackbits(packed, axis=1).astype(np.float32) - 1
    least = (2 * MIN_AGREEMENT - 1) * THUMBNAIL_SIDE**2
    is_copy = np.zeros(len(signs), bool)
    for first in range(0, len(signs), _BLOCK):
        films = as_numbers(signs[first : first + _BLOCK])
        mirrored = films.reshape(-1, THUMBNAIL_SIDE, THUMBNAIL_SIDE)[:, :, ::-1].reshape(films.shape)
        for start in range(0, len(recorded), _BLOCK):
            block = as_numbers(recorded[start : start + _BLOCK]).T
            for view in (films, mirrored):
                is_copy[first : first + _BLOCK] |= (view @ block).max(axis=1) >= least
    return is_copy


def _template(film: np.ndarray, scale: float) -> np.ndarray:
    """Return the detail of a film at another scale, without the border that a shift needs."""
    detail = _fine_detail(film, round(CLOSE_SIDE * scale), CLOSE_BLUR)
    border = MAX_SHIFT + max(0, (len(detail) - CLOSE_SIDE + 1) // 2)  # the template must not be larger than a film
    return np.ascontiguousarray(detail[border:-border, border:-border])


def _fine_detail(film: np.ndarray, side: int, blur: float) -> np.ndarray:
    """Return a film's fine structure, (side, side), float32, with the same local contrast everywhere."""
    interpolation = cv2.INTER_AREA if len(film) > side else cv2.INTER_LINEAR  # INTER_AREA is only for making smaller
    image = cv2.resize(as_float(film), (side, side), interpolation=interpolation)
    smooth = lambda values: cv2.GaussianBlur(values, (0, 0), blur, borderType=cv2.BORDER_REFLECT)
    image = image - smooth(image)
    return image / (np.sqrt(smooth(image**2)) + 0.01)  # 0.01, our choice, keeps noise in an even area small
