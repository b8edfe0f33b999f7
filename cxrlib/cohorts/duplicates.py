"""Films that stand in two splits: exact copies stop a training, near copies are worth a warning.

Exact copies have the same cached pixels, whatever file they came from. Near ones
were re-encoded, resized, moved, trimmed, brightened, mirrored or written on. All
chest films look alike from afar, so each held-out film is first held against all
training films as a thumbnail, and then closely against the few nearest. How often
this is wrong is measured in benchmarks/README.md.
"""

import warnings
from collections.abc import Sequence
from hashlib import blake2b

import cv2
import numpy as np

from cxrlib.cohorts.cohort import Cohort
from cxrlib.errors import InputError
from cxrlib.files import map_in_order
from cxrlib.images.pixels import as_float

SMALL, CLOSE = 32, 96
"""Sides in pixels of the thumbnails, and of the films that are looked at closely."""

COARSE, FINE = 4.0, 3.0
"""Pixels: what varies over more than this is taken out of a thumbnail, and of a film looked at closely."""

NEAREST = 5
"""Training films that each held-out film, and its mirror image, is looked at closely with."""

MOVED = 4
"""Pixels by which a copy may be moved, when looked at closely."""

SCALES = (0.96, 0.98, 1.0, 1.02, 1.04)

SAME = 0.9
"""Correlation of two films looked at closely from which they count as copies."""


class CopyWarning(UserWarning):
    """A film of one split seems to be a copy of one in another."""


def check_copies(images: dict[str, np.ndarray], parts: dict[str, Cohort], of: int = 1) -> None:
    """Stop at films that are in two splits, and warn of those that seem to be.

    Parameters
    ----------
    images : dict of split to ndarray, (N, S, S), uint8 or uint16
        Of several processes, the first has its own share of the training films and
        all others; copies of films that only another process has are not found.
    parts : dict of split to Cohort
    of : int
        How many processes share the training films: this one has every of-th.

    Raises
    ------
    InputError
        Two films of different splits have equal pixels.

    Warns
    -----
    CopyWarning
        Films of val or test are nearly equal to one of train.
    """
    paths = {split: part.table["path"].tolist() for split, part in parts.items()}
    paths["train"] = paths["train"][::of]
    pairs = exact_copies(images)
    if pairs:
        (split, film), (other, again) = pairs[0]
        raise InputError(
            f"{len(pairs):,} films are in two splits, with equal pixels; the first is {paths[split][film]} ({split}) "
            f"and {paths[other][again]} ({other}): remove one of each, or give both the same patient_id in cohort.csv"
        )
    held = [(split, film) for split in images if split != "train" for film in range(len(images[split]))]
    near = near_copies(images["train"], [images[split][film] for split, film in held])
    if near:
        row, film, likeness = near[0]
        split, index = held[row]
        warnings.warn(
            f"{len(near):,} of {len(held):,} films of val and test look like copies of training films; the first is "
            f"{paths[split][index]} ({split}) of {paths['train'][film]} (train; correlation {likeness:.2f}): if it is "
            "one, remove it, or give both the same patient_id in cohort.csv",
            CopyWarning,
            stacklevel=3,
        )


def exact_copies(images: dict[str, np.ndarray]) -> list[tuple[tuple[str, int], tuple[str, int]]]:
    """Return ((split, index), (other split, index)) for each film whose pixels an earlier split has."""
    seen, pairs = {}, []
    for split, films in images.items():
        for index, digest in enumerate(map_in_order(_digest, films)):
            first = seen.setdefault(digest, (split, index))
            if first[0] != split:
                pairs.append((first, (split, index)))
    return pairs


def near_copies(train: np.ndarray, held: Sequence[np.ndarray]) -> list[tuple[int, int, float]]:
    """Return (index in held, index in train, correlation) for each held-out film that looks like a copy.

    Parameters
    ----------
    train : ndarray, (N, S, S), uint8 or uint16
    held : sequence of ndarray, M of (S, S), of the same type
    """
    thumbnails = np.array([_detail(film, SMALL, COARSE).ravel() for film in train])
    thumbnails /= np.linalg.norm(thumbnails, axis=1, keepdims=True) + 1e-9

    def look(row: int) -> tuple[float, int]:
        views = [held[row], np.ascontiguousarray(held[row][:, ::-1])]
        best = (-1.0, 0)
        for view in views:
            templates = [_template(view, scale) for scale in SCALES]
            nearness = thumbnails @ _detail(view, SMALL, COARSE).ravel()
            for film in np.argsort(-nearness)[:NEAREST].tolist():
                close = _detail(train[film], CLOSE, FINE)
                found = [cv2.matchTemplate(close, template, cv2.TM_CCOEFF_NORMED).max() for template in templates]
                best = max(best, (float(np.nan_to_num(found).max()), film))
        return best

    found = enumerate(map_in_order(look, range(len(held))))
    return [(row, film, likeness) for row, (likeness, film) in found if likeness >= SAME]


def _digest(film: np.ndarray) -> bytes:
    return blake2b(np.ascontiguousarray(film).data, digest_size=16).digest()


def _template(film: np.ndarray, scale: float) -> np.ndarray:
    """Return the middle of a film made larger or smaller, looked at closely."""
    detail = _detail(film, round(CLOSE * scale), FINE)
    edge = MOVED + max(0, (len(detail) - CLOSE + 1) // 2)
    return np.ascontiguousarray(detail[edge:-edge, edge:-edge])


def _detail(film: np.ndarray, side: int, blur: float) -> np.ndarray:
    """Return a film's fine structure at one resolution, (side, side), of equal strength everywhere."""
    shrinks = len(film) > side
    image = cv2.resize(as_float(film), (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    smooth = lambda values: cv2.GaussianBlur(values, (0, 0), blur, borderType=cv2.BORDER_REFLECT)
    image = image - smooth(image)
    return image / (np.sqrt(smooth(image**2)) + 0.01)
