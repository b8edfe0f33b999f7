"""Random changes of training images: which are allowed, and how they are drawn.

An image may be shifted, scaled and rotated a little, because patients and X-ray
tubes are never placed twice in the same way. Its brightness may change by a
gamma curve. By default it is never turned upside down, because fluid obeys
gravity. It is never cropped to its centre, because the finding may lie outside.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

from cxrlib.errors import InputError
from cxrlib.images.pixels import as_float

LIMITS = {"shift": (0, 0.5), "scale": (0, 0.9), "rotate": (0, 180), "gamma": (1, 10), "probability": (0, 1)}
"""Smallest and largest value of each number in an `Augmentation`. The limits are our choice. They are wide, but the
matrix of each transform can still be inverted."""


@dataclass(frozen=True)
class Augmentation:
    """The ranges of the random transform. Each value is drawn uniformly from its range.

    Attributes
    ----------
    shift : float in [0, 0.5]
        Largest shift along each axis, as a fraction of the image's side.
    scale : float in [0, 0.9]
        The image's size is multiplied by a factor between 1 - scale and 1 + scale. The
        factor is the same for x and y.
    rotate : float in [0, 180]
        Largest rotation in either direction, in degrees.
    gamma : float in [1, 10]
        Brightness changes by x -> x**g, where log g is drawn from
        [-log gamma, log gamma].
    horizontal_flip : bool
        Mirror half of the images. The heart then lies on the other side, as in a
        person with situs inversus, which is rare.
    vertical_flip : bool
        Turn half of the images upside down. No chest film looks like that. The
        option exists for the experiment that measures its effect.
    probability : float in [0, 1]
        The probability that an image is transformed at all.

    Raises
    ------
    InputError
        A value is outside its range or of another type.

    Examples
    --------
    >>> Augmentation(rotate=10.0).is_identity
    False
    """

    shift: float = 0.0
    scale: float = 0.0
    rotate: float = 0.0
    gamma: float = 1.0
    horizontal_flip: bool = False
    vertical_flip: bool = False
    # The old name still stands in recipe.json files, and names the folders in the cache.
    probability: float = field(default=1.0, metadata={"former_name": "share"})

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise InputError(f"augmentation: {name} is {value!r}; it must be a number from {low} to {high}")
        for name in ("horizontal_flip", "vertical_flip"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"augmentation: {name} is {getattr(self, name)!r}; it must be true or false")

    @property
    def is_identity(self) -> bool:
        """Whether no image is ever changed."""
        ranges_are_empty = (self.shift, self.scale, self.rotate, self.gamma) == (0, 0, 0, 1)
        return self.probability == 0 or (ranges_are_empty and not self.horizontal_flip and not self.vertical_flip)


def draw_affine(augmentation: Augmentation, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one transform as a matrix that maps output pixels to input pixels.

    Rotation, scale, flips and shift are one matrix, so an image is interpolated
    only once. Without a shift, the image's centre stays where it is.

    Parameters
    ----------
    augmentation : Augmentation
    size : int
        Side of the image in pixels.
    rng : numpy Generator

    Returns
    -------
    ndarray, (2, 3), float64
        It multiplies positions (x, y, 1) in pixels. The matrix maps output to input
        positions, so values above 1 on the diagonal shrink the image.
    """
    angle = np.deg2rad(rng.uniform(-augmentation.rotate, augmentation.rotate))
    zoom = rng.uniform(1 - augmentation.scale, 1 + augmentation.scale)
    shift = rng.uniform(-augmentation.shift, augmentation.shift, size=2) * size
    x_sign = -1.0 if augmentation.horizontal_flip and rng.random() < 0.5 else 1.0
    y_sign = -1.0 if augmentation.vertical_flip and rng.random() < 0.5 else 1.0
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    linear = np.array([[cos * x_sign, -sin * x_sign], [sin * y_sign, cos * y_sign]])
    centre = (size - 1) / 2
    offset = centre - linear @ (centre + shift)
    return np.column_stack([linear, offset])


def augment(image: np.ndarray, augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Return the image after one random transform.

    Parameters
    ----------
    image : ndarray, (S, S)
        float32 in [0, 1]; or uint8 or uint16 of full range, which is faster.
    augmentation : Augmentation
    rng : numpy Generator

    Returns
    -------
    ndarray, (S, S), float32 in [0, 1]
        Pixels that move in from outside the image are 0, as outside the X-ray
        beam. A float image that is not transformed is returned without a copy.
    """
    if augmentation.is_identity or rng.random() >= augmentation.probability:
        return as_float(image)
    size = image.shape[0]
    matrix = draw_affine(augmentation, size, rng)
    moved = as_float(cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))
    if augmentation.gamma != 1:
        limit = np.log(augmentation.gamma)
        moved = np.power(moved, np.float32(np.exp(rng.uniform(-limit, limit))))
    return moved
