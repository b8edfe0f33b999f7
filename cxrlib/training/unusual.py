"""Whether an image is like the films that a network knows: a chest, upright, dense bright, as sharp as they are.

At the end of a training a `Reference` is made of the training films and kept in
the run folder: their mean picture, small, and how bright, contrasted and sharp
they are. `Reference.check` holds a new image against it. What the rules catch, and
how often they are wrong, is measured in benchmarks/README.md.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from cxrlib.errors import InputError
from cxrlib.files import write_text
from cxrlib.images.likeness import SIDE, likenesses, make_template, orientation_warning, thumbnail_of
from cxrlib.images.pixels import as_float

REFERENCE = "reference.json"

FLOOR = 0.4
"""A likeness to a chest film, turned and inverted as may be, below which an image is none and is refused."""

ROOM = 0.25
"""How far outside the training films' range a figure may lie, in widths of that range."""

OUTER = 0.005
"""Share of the training films that counts as unusual, at each end."""

MOST = 2000
"""Films that a reference is made of, at most."""


@dataclass(frozen=True)
class Reference:
    """What the training films look like.

    Attributes
    ----------
    films : int
        How many it was made of.
    template : list of lists of float, in [0, 1]
        The middle of the mean film of ranks, symmetrised.
    likeness : float in [-1, 1]
        That 99.5 % of the training films have, turned and inverted as may be: a
        film filed upside down is a chest film too.
    mean, contrast, sharpness : pair of float
        The range of the training films' values of `measure`, but for `OUTER`.
    """

    films: int
    template: list
    likeness: float
    mean: tuple[float, float]
    contrast: tuple[float, float]
    sharpness: tuple[float, float]

    def check(self, image: np.ndarray, name="the image") -> tuple[str, ...]:
        """Return what is unusual in an image, as warnings.

        Parameters
        ----------
        image : ndarray, (S, S), uint8 or uint16, full range for [0, 1]
            As the network gets it.
        name : path-like or ndarray
            What the image is called in an error; an array has no name.

        Raises
        ------
        InputError
            The image is constant, or does not look like a chest film at all.
        """
        name = "the image" if isinstance(name, np.ndarray) else name
        thumbnail = thumbnail_of(image)
        if np.ptp(thumbnail) == 0:
            raise InputError(f"{name}: constant image; a chest radiograph is needed")
        likeness = self.likenesses(thumbnail)
        best, floor = max(likeness.values()), min(FLOOR, self.likeness)
        told = f"its likeness to those the network was trained on is {best:.2f} at best"
        if best < floor:
            raise InputError(
                f"{name}: does not look like a chest film: {told}, and at least {floor:.2f} is needed; "
                "give a frontal chest radiograph"
            )
        warnings = []
        if best < self.likeness:
            warnings.append(f"looks little like a chest film: {told}, theirs at least {self.likeness:.2f}; look at it")
        if warning := orientation_warning(likeness):
            warnings.append(warning)
        for what, value in measure(image).items():
            low, high = getattr(self, what)
            room = ROOM * (high - low)
            if not low - room <= value <= high + room:
                warnings.append(
                    f"{what} is {value:.3f}, far from the training films' {low:.3f} to {high:.3f}: {HINTS[what]}"
                )
        return tuple(warnings)

    def likenesses(self, thumbnail: np.ndarray) -> dict[str, float]:
        """Return how much a thumbnail looks like a chest film; see `cxrlib.images.likeness.likenesses`."""
        return likenesses(thumbnail, np.array(self.template))


HINTS = {
    "mean": "much black or white around the film, or another kind of image?",
    "contrast": "a clipped range, or a wide border?",
    "sharpness": "blurred or enlarged, if low; noisy, if high?",
}


def measure(image: np.ndarray) -> dict[str, float]:
    """Return an image's mean and contrast, and the sharpness as a logarithm.

    Contrast is the standard deviation of the gray levels. Sharpness is the natural
    logarithm of the root mean square of the Laplacian over that.

    Parameters
    ----------
    image : ndarray, (S, S), uint8 or uint16, full range for [0, 1]
    """
    film = as_float(image)
    contrast = float(film.std())
    detail = np.sqrt(np.square(cv2.Laplacian(film, cv2.CV_32F)).mean())
    sharpness = float(np.log((detail + 1e-6) / (contrast + 1e-6)))
    return {"mean": float(film.mean()), "contrast": contrast, "sharpness": sharpness}


def make_reference(images: np.ndarray) -> Reference:
    """Return the reference of training films (N, S, S), uint8 or uint16; of `MOST` of them, evenly drawn, if more."""
    chosen = images[np.linspace(0, len(images) - 1, min(len(images), MOST)).astype(int)]
    thumbnails = [thumbnail_of(image) for image in chosen]
    template = make_template(thumbnails).tolist()
    measured = [measure(image) for image in chosen]
    ranges = {what: _quantiles([each[what] for each in measured], OUTER, 1 - OUTER) for what in HINTS}
    unfinished = Reference(len(chosen), template, 0.0, **ranges)
    best = [max(unfinished.likenesses(thumbnail).values()) for thumbnail in thumbnails]
    return replace(unfinished, likeness=_quantiles(best, OUTER)[0])


def write_reference(folder: Path, images: np.ndarray) -> None:
    """Write the reference of training images (N, S, S) into a run folder."""
    write_text(folder / REFERENCE, json.dumps(asdict(make_reference(images))) + "\n")


def read_reference(folder: Path) -> Reference | None:
    """Return a run folder's reference; None where it has none, as runs of earlier versions.

    Raises
    ------
    InputError
        It is damaged.
    """
    path = folder / REFERENCE
    if not path.is_file():
        return None
    try:
        reference = Reference(**json.loads(path.read_text(encoding="utf-8")))
        _ = reference.likenesses(np.eye(SIDE, dtype=np.float32))
        lows_and_highs = [getattr(reference, what) for what in HINTS]
        if any(not low <= high for low, high in lows_and_highs):
            raise ValueError(f"ranges {lows_and_highs}")
    except (ValueError, TypeError, cv2.error) as error:
        raise InputError(f"{path}: is damaged ({error}); without it, films are scored unchecked") from None
    return reference


def _quantiles(values: list[float], *shares: float) -> list[float]:
    return np.quantile(values, shares).round(4).tolist()
