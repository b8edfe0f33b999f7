"""What may move, and what must not.

A film may be shifted, scaled and rotated a little, as patients and tubes are,
and its brightness may change by a gamma. It is never flipped upside down
(fluid obeys gravity; the knob for it is there to be measured) and never cropped
to its centre (the finding may lie outside it).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from cxrlib.errors import InputError
from cxrlib.images.pixels import as_float


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random transform; each is drawn uniformly.

    Attributes
    ----------
    shift : float
        Largest shift along each axis, as a share of the side.
    scale : float
        The film is enlarged by 1 - scale to 1 + scale, x and y alike.
    rotate : float
        Largest rotation to either side, in degrees.
    gamma : float, at least 1
        Brightness: x -> x**g, with log g between -log gamma and log gamma.
    horizontal_flip : bool
        Mirror half of the films. The heart changes sides: such a film is one
        of a person with situs inversus, rare in life.
    vertical_flip : bool
        Turn half of the films upside down. No film of a patient is; the knob is
        here for the experiment that measures what it does.
    share : float in [0, 1]
        The share of films that are touched at all.
    """

    shift: float = 0.0
    scale: float = 0.0
    rotate: float = 0.0
    gamma: float = 1.0
    horizontal_flip: bool = False
    vertical_flip: bool = False
    share: float = 1.0

    def __post_init__(self):
        limits = {"shift": (0, 0.5), "scale": (0, 0.9), "rotate": (0, 180), "gamma": (1, 10), "share": (0, 1)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise InputError(f"augmentation: {name} is {value!r}; it must be a number from {low} to {high}")
        for name in ("horizontal_flip", "vertical_flip"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"augmentation: {name} is {getattr(self, name)!r}; it must be true or false")

    @property
    def is_identity(self) -> bool:
        """Whether no film is ever changed."""
        unchanged = (self.shift, self.scale, self.rotate, self.gamma) == (0, 0, 0, 1)
        return self.share == 0 or (unchanged and not self.horizontal_flip and not self.vertical_flip)


def draw_affine(augmentation: Augmentation, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one transform as a (2, 3) matrix from output pixels to input pixels.

    Rotation, scale, flip and shift are fused, so that a film is interpolated
    once. Positions are (x, y, 1), in pixels, with the centre fixed but for the
    shift.
    """
    angle = np.deg2rad(rng.uniform(-augmentation.rotate, augmentation.rotate))
    zoom = rng.uniform(1 - augmentation.scale, 1 + augmentation.scale)
    shift = rng.uniform(-augmentation.shift, augmentation.shift, size=2) * size
    mirror = -1.0 if augmentation.horizontal_flip and rng.random() < 0.5 else 1.0
    turned = -1.0 if augmentation.vertical_flip and rng.random() < 0.5 else 1.0
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    linear = np.array([[cos * mirror, -sin * mirror], [sin * turned, cos * turned]])
    centre = (size - 1) / 2
    offset = centre - linear @ (centre + shift)
    return np.column_stack([linear, offset])


def augment(image: np.ndarray, augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Return one film, randomly transformed; an untouched float film is the same array.

    Parameters
    ----------
    image : ndarray, (S, S)
        float32 in [0, 1], or uint8 or uint16 of full range, which is faster.
    augmentation : Augmentation
    rng : numpy Generator

    Returns
    -------
    ndarray, (S, S), float32 in [0, 1]
        What moves in from outside is 0, as outside the beam.
    """
    if augmentation.is_identity or rng.random() >= augmentation.share:
        return as_float(image)
    size = image.shape[0]
    matrix = draw_affine(augmentation, size, rng)
    moved = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    moved = as_float(moved)
    if augmentation.gamma != 1:
        limit = np.log(augmentation.gamma)
        moved = np.power(moved, np.float32(np.exp(rng.uniform(-limit, limit))))
    return moved
