"""Signs of an effusion, measured on a simulated film from its truth."""

import numpy as np

from cxrlib.errors import InputError
from cxrlib.phantom.film import Film

ANGLE_WIDTH, ANGLE_HEIGHT = 2.5, 1.5
"""Centimetres from the chest wall inwards, and from the tip of the angle upwards. By eye."""

DARK = 3.0
"""Centimetres of lung along a ray that look dark on a film. By eye."""


def blunting(film: Film, side: str) -> float:
    """Return how much of the lateral costophrenic angle is filled, from 0 to 1.

    The angle is the region within 2.5 cm of the chest wall and within 1.5 cm above the
    tip. The tip is the lowest point beside the wall at which a ray passes through 3 cm
    of pleural space. Blunting is the mean, over the rays of the angle, of the fraction of a ray's
    path that is fluid. Above 0.5 the angle is called blunted.

    Parameters
    ----------
    film : Film
    side : {"right", "left"}

    Raises
    ------
    InputError
        No lung is seen on this side, or the angle lies below the edge of the film.

    Examples
    --------
    >>> from cxrlib.phantom import Order, take_film
    >>> blunting(take_film(Order(patient=3)), "right")
    0.0
    """
    angle = lateral_angle(film, side)
    space = film.lung + film.filled
    return float((film.filled[angle] / space[angle]).mean())


def lateral_angle(film: Film, side: str) -> np.ndarray:
    """Return which rays (H, W), bool, pass through the lateral costophrenic angle of a side.

    Raises
    ------
    InputError
        No lung is seen on this side, or the angle lies below the edge of the film.
    """
    pixel = film.geometry.field / film.pixels.shape[0]
    dark = film.lung + film.filled > DARK
    half = dark.shape[1] // 2
    columns = np.flatnonzero(dark.any(axis=0))
    columns = columns[columns < half] if side == "right" else columns[columns >= half]
    if not len(columns):
        raise InputError(f"no lung is seen on the {side} of this film, so it has no costophrenic angle there")
    wall = columns.min() if side == "right" else columns.max()
    beside_wall = dark & (np.abs(np.arange(dark.shape[1]) - wall) * pixel * film.geometry.aspect <= ANGLE_WIDTH)
    tip = np.flatnonzero(beside_wall.any(axis=1)).max()
    if tip == len(dark) - 1:
        raise InputError(f"the costophrenic angle on the {side} lies below the edge of this film")
    height = (tip - np.arange(dark.shape[0])) * pixel
    return beside_wall & ((height >= 0) & (height <= ANGLE_HEIGHT))[:, None]
