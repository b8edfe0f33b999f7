"""Measure how much an image resembles a chest film: as it is, turned, and inverted.

The image is made small, and each gray level is replaced by its rank. Then it is
correlated with a template, the mean of many chest films.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np

import cxrlib
from cxrlib.files import read_json
from cxrlib.images.film_facts import FilmWarning
from cxrlib.images.pixels import as_float

SIDE = 32
"""Side of a thumbnail in pixels. We chose it on real films, where 16 was tried too (benchmarks/README.md)."""

EDGE = 4
"""Pixels of a thumbnail that are left out at each border. The number is our choice."""

SHIFT = 3
"""Pixels of a thumbnail by which the template is moved in each direction: 7 x 7 positions are tried. The number is our
choice."""

LEAD = 0.1
"""By how much the likeness of a turned or inverted image must exceed the likeness of the image as it is. We chose it on
real films; benchmarks/README.md measures how often the warnings are right."""

MIN_LIKENESS = 0.4
"""An image with a smaller likeness does not look like a chest film: as it is, and turned or inverted in any way. We
chose it on real films; benchmarks/README.md measures what the rule finds and how often it is wrong."""

REFERENCE = "reference.json"
"""The file of a run that holds the template of its training films (`cxrlib.training.unusual`)."""

LOOKS = ("upright", "inverted", "upside down", "turned")
"""What an image may look like. The first is how it should look."""

WARNINGS = {
    "inverted": "inverted; dense must be bright: if so, invert it",
    "upside down": "upside down: if so, turn it",
    "turned": "turned by a quarter: if so, turn it upright",
}
"""What the warning says of each other look."""


def thumbnail_of(image: np.ndarray) -> np.ndarray:
    """Return an image (S, S) as a thumbnail (SIDE, SIDE), float32 in [0, 1]."""
    return cv2.resize(as_float(image), (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def _central_ranks(thumbnail: np.ndarray) -> np.ndarray:
    """Return the ranks of a thumbnail's gray levels, without its border.

    Ranks do not change with brightness or gamma.
    """
    # the same as scipy.stats.rankdata, but each start of `cxr predict` would wait half a second for that import
    _, places, counts = np.unique(thumbnail, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2
    ranks = mean_ranks[places].reshape(thumbnail.shape) / thumbnail.size
    return ranks[EDGE:-EDGE, EDGE:-EDGE].astype(np.float32)


def _correlations(ranks: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation at each position of the template in the ranks; 0 where one of them is constant."""
    found = cv2.matchTemplate(np.ascontiguousarray(ranks), template, cv2.TM_CCOEFF_NORMED)
    return np.clip(np.nan_to_num(found), -1, 1)


def make_template(thumbnails: list[np.ndarray]) -> np.ndarray:
    """Return the template that images are compared with: the symmetric mean of upright chest films.

    Parameters
    ----------
    thumbnails : list of ndarray, (SIDE, SIDE)
        As `thumbnail_of` returns them.

    Returns
    -------
    ndarray, (N, N), float32, with N = SIDE - 2 EDGE - 2 SHIFT
        The template is smaller than the central ranks of a thumbnail. So it can be
        shifted by SHIFT pixels in each direction.
    """
    mean = np.mean([_central_ranks(thumbnail) for thumbnail in thumbnails], axis=0)
    return ((mean + mean[:, ::-1]) / 2)[SHIFT:-SHIFT, SHIFT:-SHIFT].round(4)


def likenesses(thumbnail: np.ndarray, template: np.ndarray) -> dict[str, float]:
    """Return the likeness of an image to a chest film: as it is, and as if it were turned or inverted.

    Parameters
    ----------
    thumbnail : ndarray, (SIDE, SIDE)
    template : ndarray
        As `make_template` returns it.

    Returns
    -------
    dict
        One correlation in [-1, 1] for each of `LOOKS`.
    """
    ranks = _central_ranks(thumbnail)
    maps = [_correlations(np.rot90(ranks, turns), template.astype(np.float32)) for turns in range(4)]
    upright, left, half, right = (float(each.max()) for each in maps)
    inverted = -float(min(maps[0].min(), maps[2].min()))  # an inverted film may be upright or upside down
    return dict(zip(LOOKS, (upright, inverted, half, max(left, right)), strict=True))


@cache
def shipped_template() -> np.ndarray:
    """Return the template of the simulated films that the network that comes with the library was trained on."""
    return np.array(read_json(Path(cxrlib.__file__).with_name("weights") / REFERENCE)["template"])


def likeness_warnings(image: np.ndarray) -> tuple[FilmWarning, ...]:
    """Return warnings if an image does not look like an upright chest film whose dense parts are bright.

    It is compared with `shipped_template`.

    Parameters
    ----------
    image : ndarray, (S, S), uint8, uint16 or float32, full range for [0, 1]
    """
    likeness = likenesses(thumbnail_of(image), shipped_template())
    best = max(likeness.values())
    if best < MIN_LIKENESS:
        sentence = f"does not look like a chest film (its likeness to one is {best:.2f})"
        return (FilmWarning("unlike", sentence),)
    warning = orientation_warning(likeness)
    return (warning,) if warning else ()


def orientation_warning(likeness: dict[str, float]) -> FilmWarning | None:
    """Return a warning if an image would resemble a chest film clearly more if it were turned or inverted.

    Parameters
    ----------
    likeness : dict
        As `likenesses` returns it.

    Returns
    -------
    FilmWarning or None
        None if the likeness of a changed image exceeds that of the image as it is by at
        most `LEAD`.
    """
    look = max(WARNINGS, key=lambda look: likeness[look])
    upright, changed = likeness["upright"], likeness[look]
    if changed <= upright + LEAD:
        return None
    sentence = f"looks {WARNINGS[look]} (its likeness to a chest film is {upright:.2f}, and then {changed:.2f})"
    return FilmWarning(look, sentence)
