"""How much an image looks like a chest film, as it stands and as if it were turned or inverted."""

import cv2
import numpy as np
from scipy import stats

from cxrlib.images.pixels import as_float

SIDE, EDGE, SHIFT = 32, 4, 3
"""Pixels: of a film made small; left out at each border; that a chest may be off its place."""

LEAD = 0.1
"""By how much a turned or inverted image must be more like a chest film than it is as it stands."""

UPRIGHT = ""
LOOKS = (
    UPRIGHT,
    "inverted; dense must be bright: if so, invert it",
    "upside down: if so, turn it",
    "turned by a quarter: if so, turn it upright",
)


def thumbnail_of(image: np.ndarray) -> np.ndarray:
    """Return an image (S, S) as a thumbnail (SIDE, SIDE), float32 in [0, 1]."""
    return cv2.resize(as_float(image), (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def ranks_of(thumbnail: np.ndarray) -> np.ndarray:
    """Return the middle of a small film, each gray level replaced by its rank: brightness and gamma do not count."""
    ranks = stats.rankdata(thumbnail).reshape(thumbnail.shape) / thumbnail.size
    return ranks[EDGE:-EDGE, EDGE:-EDGE].astype(np.float32)


def _correlate(film: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Return the correlations at all places of the template in the film; 0 where one of them is constant."""
    found = cv2.matchTemplate(np.ascontiguousarray(film), template, cv2.TM_CCOEFF_NORMED)
    return np.clip(np.nan_to_num(found), -1, 1)


def make_template(thumbnails: list[np.ndarray]) -> np.ndarray:
    """Return the mean of thumbnails of upright chest films, made symmetric: the template that images are compared with.

    Parameters
    ----------
    thumbnails : list of ndarray, (SIDE, SIDE)
        As `thumbnail_of` returns them.
    """
    mean = np.mean([ranks_of(thumbnail) for thumbnail in thumbnails], axis=0)
    return ((mean + mean[:, ::-1]) / 2)[SHIFT:-SHIFT, SHIFT:-SHIFT].round(4)


def likenesses(thumbnail: np.ndarray, template: np.ndarray) -> dict[str, float]:
    """Return the likeness in [-1, 1] to a chest film, as the image stands and as if it were turned or inverted.

    Parameters
    ----------
    thumbnail : ndarray, (SIDE, SIDE)
    template : ndarray, as `make_template` returns it

    Returns
    -------
    dict
        One correlation for each of `LOOKS`.
    """
    film = ranks_of(thumbnail)
    maps = [_correlate(np.rot90(film, turns), template.astype(np.float32)) for turns in range(4)]
    turned = [float(each.max()) for each in maps]
    negative = -float(min(maps[0].min(), maps[2].min()))
    return dict(zip(LOOKS, (turned[0], negative, turned[2], max(turned[1], turned[3])), strict=True))


def orientation_warning(likeness: dict[str, float]) -> str | None:
    """Return a warning where an image looks more like a chest film turned or inverted than as it stands.

    Parameters
    ----------
    likeness : dict
        As `likenesses` returns it.
    """
    others = {look: value for look, value in likeness.items() if look != UPRIGHT}
    look, upright = max(others, key=others.get), likeness[UPRIGHT]
    if others[look] <= upright + LEAD:
        return None
    return f"looks {look} (its likeness to a chest film is {upright:.2f}, {others[look]:.2f} then)"
