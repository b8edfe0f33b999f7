"""Compare an image with the films that a network was trained on.

At the end of a training, a `Reference` is made of the training films and kept in
the run folder: their mean picture as a thumbnail, and the range of their mean,
contrast and sharpness. `Reference.check` compares a new image with it. It finds
images that are not chest films, that are turned or inverted, or that differ from
the training films in brightness, contrast or sharpness.

benchmarks/README.md reports what the rules find and how often they are wrong. Their
four numbers were chosen there: `MARGIN` and `TAIL`, and `MIN_LIKENESS` and `LEAD` of
`cxrlib.images.likeness`.
"""

import json
from dataclasses import asdict, dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cxrlib.errors import InputError
from cxrlib.files import read_json, write_text
from cxrlib.images.film_facts import FilmWarning
from cxrlib.images.likeness import (
    EDGE,
    MIN_LIKENESS,
    REFERENCE,
    SHIFT,
    SIDE,
    likenesses,
    make_template,
    orientation_warning,
    thumbnail_of,
)
from cxrlib.images.pixels import as_float

MARGIN = 0.25
"""How far a figure may lie outside the training films' range, as a fraction of the width of that range."""

TAIL = 0.005
"""Fraction of the training films, at each end, that is left out of the range."""

MAX_FILMS = 2000
"""The largest number of films that a reference is made of, which bounds the time that it takes."""

EPSILON = 1e-6
"""Added to the numerator and the denominator of the sharpness, so that a constant image has a sharpness too. One gray
level of 16 bits is 15 times as large."""

HINTS = {
    "mean": "much black or white around the film, or an image of a different kind?",
    "contrast": "a clipped range, or a wide border?",
    "sharpness": "a low value may mean blurred or enlarged, a high value noisy",
}
"""What may be wrong with an image whose figure lies outside the range; the keys are those of `measure`."""


TEMPLATE_SIDE = SIDE - 2 * EDGE - 2 * SHIFT
"""Side of the template that `cxrlib.images.likeness.make_template` returns, in pixels."""

LIMITS = {"template": (0, 1), "likeness": (-1, 1), "mean": (0, 1), "contrast": (0, 0.5), "sharpness": (-20, 20)}
"""What the numbers of a `Reference` can be. The standard deviation of values in [0, 1] is at most 0.5. The Laplacian is
at most 8, so with `EPSILON` the sharpness is between -14 and 16."""


@dataclass(frozen=True)
class Reference:
    """What the training films look like.

    Attributes
    ----------
    films : int
        The number of films that the reference was made of.
    template : list of lists of float, in [0, 1]
        The mean thumbnail, as `cxrlib.images.likeness.make_template` returns it.
    likeness : float in [-1, 1]
        99.5 % of the training films have at least this likeness to the template.
        Each film was compared as it is, turned and inverted, and its best likeness
        counts, because a film that is filed upside down is a chest film too.
    mean, contrast, sharpness : (low, high) of float
        The range of the training films' values of `measure`, without a `TAIL` at each end.
    """

    films: int
    template: list[list[float]]
    likeness: float
    mean: tuple[float, float]
    contrast: tuple[float, float]
    sharpness: tuple[float, float]

    def check(
        self, image: np.ndarray, name: str | Path = "the image", *, accept: bool = False
    ) -> tuple[FilmWarning, ...]:
        """Return one warning for each thing that is unusual in an image.

        Parameters
        ----------
        image : ndarray, (S, S), uint8 or uint16, full range for [0, 1]
            The image as the network gets it.
        name : str or Path
            The name of the image in an error.
        accept : bool
            Give a warning where an image that does not look like a chest film would be
            refused.

        Raises
        ------
        InputError
            The image is constant, or does not look like a chest film at all.
        """
        thumbnail = thumbnail_of(image)
        if np.ptp(thumbnail) == 0:
            raise InputError(f"{name}: constant image; a chest film is needed")
        likeness = likenesses(thumbnail, np.array(self.template))
        best = max(likeness.values())
        needed = min(MIN_LIKENESS, self.likeness)  # never more than what 99.5 % of the training films have
        found = f"its likeness to the training films is {best:.3f}"
        if best < needed and not accept:
            raise InputError(
                f"{name}: does not look like a chest film: {found}, and at least {needed:.3f} is needed; "
                "give a frontal chest film, or score it all the same with --accept unlike"
            )
        warnings = []
        if best < self.likeness:
            sentence = f"looks little like a chest film: {found}, below {self.likeness:.3f}. Look at the film"
            warnings.append(FilmWarning("unlike", sentence))
        if warning := orientation_warning(likeness):
            warnings.append(warning)
        for figure, value in measure(image).items():
            low, high = getattr(self, figure)
            margin = MARGIN * (high - low)
            if not low - margin <= value <= high + margin:
                theirs = f"{low:.3f} to {high:.3f}"
                sentence = f"{figure} is {value:.3f}, far from the training films' {theirs}: {HINTS[figure]}"
                warnings.append(FilmWarning(figure, sentence))
        return tuple(warnings)


def measure(image: np.ndarray) -> dict[str, float]:
    """Return the mean, the contrast and the sharpness of an image.

    The contrast is the standard deviation of the gray levels. The sharpness is the
    natural logarithm of the root mean square of the Laplacian, divided by the
    contrast: log(rms / contrast).

    Parameters
    ----------
    image : ndarray, (S, S), uint8 or uint16, full range for [0, 1]
    """
    film = as_float(image)
    contrast = float(film.std())
    detail = np.sqrt(np.square(cv2.Laplacian(film, cv2.CV_32F)).mean())
    sharpness = float(np.log((detail + EPSILON) / (contrast + EPSILON)))
    return {"mean": float(film.mean()), "contrast": contrast, "sharpness": sharpness}


def make_reference(images: np.ndarray) -> Reference:
    """Return the reference of training films.

    Parameters
    ----------
    images : ndarray, (N, S, S), uint8 or uint16, full range for [0, 1]
        If there are more than `MAX_FILMS` images, the reference is made of `MAX_FILMS`
        evenly spaced ones.
    """
    chosen = images[np.linspace(0, len(images) - 1, min(len(images), MAX_FILMS)).astype(int)]
    thumbnails = [thumbnail_of(image) for image in chosen]
    measured = [measure(image) for image in chosen]
    mean, contrast, sharpness = (_range([each[figure] for each in measured]) for figure in HINTS)
    template = make_template(thumbnails).tolist()
    best = [max(likenesses(thumbnail, np.array(template)).values()) for thumbnail in thumbnails]
    return Reference(len(chosen), template, _range(best)[0], mean, contrast, sharpness)


def _range(values: list[float]) -> tuple[float, float]:
    """Return the range of the values without a `TAIL` at each end, to four decimals."""
    low, high = np.quantile(values, (TAIL, 1 - TAIL)).round(4).tolist()
    return low, high


def write_reference(folder: Path, images: np.ndarray) -> None:
    """Write the reference of training images (N, S, S) into a run folder."""
    write_text(folder / REFERENCE, json.dumps(asdict(make_reference(images))) + "\n")


def read_reference(folder: Path) -> Reference | None:
    """Return the reference of a run folder, or None if the folder has none, as in runs of earlier versions.

    Raises
    ------
    InputError
        The file is damaged.
    """
    path = folder / REFERENCE
    if not path.is_file():
        return None
    try:
        return _checked_reference(read_json(path))
    except (ValueError, TypeError, KeyError, InputError) as error:
        found = str(error).removeprefix(f"{path}: ")
        raise InputError(
            f"{path}: is damaged ({found}); copy the whole run folder again, or train the run anew"
        ) from None


def _checked_reference(values: dict[str, Any]) -> Reference:
    """Return the reference that a file describes; refuse a value of the wrong type, shape or range."""
    names = [field.name for field in fields(Reference)]
    if sorted(values) != sorted(names):
        raise ValueError(f"it holds {', '.join(values)!r:.100}; it must hold {', '.join(names)}")
    if type(values["films"]) is not int or values["films"] < 1:
        raise ValueError(f"films is {values['films']!r:.50}; it must be a whole number above 0")
    rows = values["template"]
    if not isinstance(rows, list) or [isinstance(r, list) and len(r) for r in rows] != [TEMPLATE_SIDE] * TEMPLATE_SIDE:
        raise ValueError(f"template must have {TEMPLATE_SIDE} rows of {TEMPLATE_SIDE} numbers")
    numbers = {"template": list(chain.from_iterable(rows)), "likeness": [values["likeness"]]}
    for figure in HINTS:
        numbers[figure] = pair = values[figure]
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError(f"{figure} is {pair!r:.50}; it must be two numbers")
    for name, (low, high) in LIMITS.items():
        for value in numbers[name]:
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise ValueError(f"{name} holds {value!r:.50}; it must be a number from {low} to {high}")
    if min(numbers["template"]) == max(numbers["template"]):
        raise ValueError("template is constant")
    for figure in HINTS:
        if values[figure][0] > values[figure][1]:
            raise ValueError(f"{figure} is {values[figure]}; the first number must not be the larger one")
    return Reference(**values | {figure: tuple(values[figure]) for figure in HINTS})
