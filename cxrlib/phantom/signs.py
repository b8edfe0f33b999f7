"""Signs of an effusion, measured on a simulated film from its truth."""

import numpy as np

from cxrlib.errors import InputError
from cxrlib.phantom.film import Film

ANGLE = (2.5, 1.5)  # cm from the chest wall inwards, and from the angle's tip upwards
DEEP = 3.0  # cm of lung along a ray show dark on a film


def blunting(film: Film, side: str) -> float:
    """Return how much of the lateral costophrenic angle is filled, from 0 to 1.

    The angle is what lies within 2.5 cm of the chest wall and 1.5 cm above the
    lowest point there at which a ray passes 3 cm of pleural space; blunting is
    the mean share of fluid along its rays. Above 0.5 the angle is called blunted.

    Parameters
    ----------
    film : Film
    side : {"right", "left"}
    """
    rays = lateral_angle(film, side)
    space = film.lung + film.filled
    return float((film.filled[rays] / space[rays]).mean())


def lateral_angle(film: Film, side: str) -> np.ndarray:
    """Return which rays (H, W), bool, pass the lateral costophrenic angle of a side."""
    pixel = film.geometry.field / film.pixels.shape[0]
    deep = film.lung + film.filled > DEEP
    half = deep.shape[1] // 2
    columns = np.flatnonzero(deep.any(axis=0))
    columns = columns[columns < half] if side == "right" else columns[columns >= half]
    if not len(columns):
        raise InputError(f"no lung is seen on the {side} of this film")
    wall = columns.min() if side == "right" else columns.max()
    near = np.abs(np.arange(deep.shape[1]) - wall) * pixel <= ANGLE[0]
    beside = deep & near
    tip = np.flatnonzero(beside.any(axis=1)).max()
    above = (tip - np.arange(deep.shape[0])) * pixel
    return beside & ((above >= 0) & (above <= ANGLE[1]))[:, None]
