"""Fluid and gas in a pleural space, under gravity and against the lung's elasticity.

The lung is taken for an elastic layer on the chest wall: below the fluid's top the
pressure grows with the depth, by 1 cm of water for each cm, and the lung yields
until, at its recoil pressure P, it gives way altogether and floats. With a lung
that yields by d at the pressure P * d / (d + d0), a point at height h and distance
d from the wall is reached in the order of h + P * d / (d + d0): the fluid climbs
at the wall to the height P above its level in mid-chest, and no higher. Fluid
fills the space in this order until its volume is reached; gas does the same from
the highest point. The meniscus, the blunted angle and the haze behind a lying
patient's lung are what rays see of it: nothing is painted.
"""

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from scipy.optimize import brentq

from cxrlib.errors import InputError
from cxrlib.phantom.body.chest import CELLS, FAR, Cavity, Pleura, chest_box, cross_wall, fractions, trace
from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.rays import Geometry, Rays
from cxrlib.phantom.physics.texture import grain

POSTURES = {"upright": (0.0, 1.0), "supine": (-1.0, 0.12), "semi-erect": (-0.6, 0.8)}
"""Upwards, as parts of y (backwards) and z: lying, the head is a little raised."""

SIDES = ("right", "left", "both")
ROUGH = (0.3, 1.6)  # cm by which the order varies from place to place, for no lung is alike all over
SQUEEZED = 3.0  # cm of fluid above which the lung is pressed airless
MOST = 0.85  # of a pleural space: some lung stays at the hilum
SURVEY = 144  # rays a side, to find the level


@dataclass(frozen=True)
class Filling:
    """What fills the pleural spaces, and up to where.

    Attributes
    ----------
    gas : bool
        Gas rises; fluid falls.
    posture : str
    levels : (right, left), cm
        The order up to which each side is filled; -1000 for not at all.
    shrunk : (right, left)
        Volume of each lung over what it was before.
    """

    gas: bool
    posture: str
    levels: tuple[float, float]
    shrunk: tuple[float, float]

    def excess(self, pleura: Pleura, patient: Patient, unevenness: np.ndarray) -> np.ndarray:
        """Return by how much (CELLS + 1, H, W), in cm, the level is above a point's place in the order."""
        level = np.where(pleura.left, np.float32(self.levels[1]), np.float32(self.levels[0]))
        return level - order(pleura, patient, self.posture, unevenness, gas=self.gas)


def uneven(patient: Patient, size: int) -> np.ndarray:
    """Return by how many cm (H, W) the order varies over the film."""
    rng = patient.rng("adhesions")
    return np.float32(rng.uniform(*ROUGH)) * grain(rng, size, coarsest=5, octaves=3)


def order(pleura: Pleura, patient: Patient, posture: str, unevenness: np.ndarray, *, gas: bool = False) -> np.ndarray:
    """Return in which order (CELLS + 1, H, W), in cm, the points of a pleural space are reached."""
    back, up = POSTURES[posture]
    length = np.hypot(back, up) * (-1 if gas else 1)
    climbed = pleura.height * np.float32(up / length)
    if back:
        climbed = climbed + pleura.depth * np.float32(back / length)
    climbed = climbed + pleura.gap * np.float32(patient.recoil) / (pleura.gap + np.float32(patient.yielding))
    return climbed + unevenness


def fill(patient: Patient, geometry: Geometry, volume_ml: float, *, side: str, posture: str, gas: bool = False):
    """Find the level at which a pleural space holds a volume.

    Parameters
    ----------
    volume_ml : float
        With ``side="both"`` each side gets half.
    side : {"right", "left", "both"}
    posture : {"upright", "supine", "semi-erect"}
    gas : bool

    Returns
    -------
    Filling

    Raises
    ------
    InputError
        A volume below 0 or above what the space can hold, an unknown side or
        posture.
    """
    if side not in SIDES:
        raise InputError(f"side is {side!r}; it must be one of {', '.join(SIDES)}")
    if posture not in POSTURES:
        raise InputError(f"posture is {posture!r}; it must be one of {', '.join(POSTURES)}")
    if not volume_ml >= 0:
        raise InputError(f"volume is {volume_ml} mL; it must be at least 0")
    rays, pleura, box = _survey(patient, geometry)
    sequence = order(pleura, patient, posture, uneven(patient, SURVEY)[box], gas=gas)
    weights = _cell_volumes(rays, pleura, geometry)
    levels, shrunk = [], []
    for left, name in ((False, "right"), (True, "left")):
        wanted = volume_ml / (2 if side == "both" else 1) if side in (name, "both") else 0.0
        inside = np.where(pleura.left == left, pleura.inside, -FAR).reshape(CELLS + 1, -1)
        near = (inside > -2).any(axis=0)  # rays that may pass the space
        inside = inside[:, near]
        reached, weight = (a.reshape(len(a), -1)[:, near] for a in (sequence, weights))
        whole = _volume(inside, weight)
        if wanted > MOST * whole:
            raise InputError(
                f"{wanted:,.0f} mL on the {name}: this patient's pleural space holds {whole:,.0f} mL, "
                f"of which at most {MOST:.0%} can be filled"
            )
        levels.append(_find_level(inside, reached, weight, wanted) if wanted else -FAR)
        shrunk.append(1 - wanted / whole)
    return Filling(gas, posture, tuple(levels), tuple(shrunk))


def volumes_of(filled: np.ndarray, pleura: Pleura, rays: Rays, geometry: Geometry) -> tuple[float, float]:
    """Return the volumes in mL (right, left) of where `filled` (CELLS + 1, H, W) is above 0."""
    weights = _cell_volumes(rays, pleura, geometry)
    return tuple(_volume(np.where(pleura.left == left, filled, -FAR), weights) for left in (False, True))


def space_ml(patient: Patient, geometry: Geometry) -> tuple[float, float]:
    """Return the volumes in mL of the right and the left pleural space."""
    rays, pleura, _ = _survey(patient, geometry)
    return volumes_of(pleura.inside, pleura, rays, geometry)


def _survey(patient: Patient, geometry: Geometry) -> tuple[Rays, Pleura, tuple[slice, slice]]:
    """Trace the pleural spaces with few rays; return these, the spaces, and which part of the field they are."""
    rays = geometry.cast(SURVEY)
    cavity = cross_wall(rays, patient)
    box = chest_box(rays, patient, cavity)
    rays = rays[box]
    return rays, trace(rays, patient, Cavity(cavity.front[box], cavity.back[box])), box


def _cell_volumes(rays: Rays, pleura: Pleura, geometry: Geometry) -> np.ndarray:
    """Return the volume of each cell (CELLS, H, W) in mL: the bundle of a pixel narrows towards the source."""
    y = (pleura.depth[:-1] + pleura.depth[1:]) / 2
    step = (pleura.depth[-1] - pleura.depth[0]) / np.float32(CELLS)
    c, s = np.float32(cos(radians(geometry.yaw))), np.float32(sin(radians(geometry.yaw)))
    in_room = (rays.x0 + rays.dx * y) * s + y * c  # the patient is turned; the bundle narrows in the room
    narrow = np.float32(rays.pixel) * geometry.narrowing(in_room)
    return narrow * narrow * (step * (rays.dx * s + c))


def _volume(inside: np.ndarray, weight: np.ndarray) -> float:
    return float((fractions(inside) * weight).sum(dtype=np.float64))


def _find_level(inside, reached, weight, wanted: float) -> float:
    """Return the level at which the volume is the one wanted."""

    def surplus(level: float) -> float:
        return _volume(np.minimum(inside, np.float32(level) - reached), weight) - wanted

    return brentq(surplus, float(reached.min()), float(reached.max()), xtol=1e-3, rtol=1e-4)
