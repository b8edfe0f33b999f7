"""Fluid and gas in a pleural space, under gravity and against the lung's elasticity.

The lung is modelled as an elastic layer on the chest wall. Below the top of the fluid
the pressure grows by 1 cm of water for each cm of depth. The lung yields to this
pressure. At the recoil pressure P the lung gives way altogether and floats. At the
pressure P * d / (d + d0) the lung has yielded by d, where d0 is the yield at half of P.

So the points of the space are reached in the order of h + P * d / (d + d0), where h is
a point's height and d is its distance from the wall. At the wall, the fluid climbs to
the height P above its level in mid-chest, and no higher. Fluid fills the space in this order until its volume is
reached. Gas does the same from the highest point.

The meniscus, the blunted angle, and the haze behind the lung of a supine patient follow
from the geometry. None of them is painted.
"""

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from scipy.optimize import brentq

from cxrlib.errors import InputError
from cxrlib.phantom.body.chest import CELLS, FAR, Pleura, cell_fractions, chest_box, cross_wall, trace_pleura
from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.rays import Geometry, Rays
from cxrlib.phantom.physics.texture import grain

POSTURES = {"upright": (0.0, 1.0), "supine": (-1.0, 0.12), "semi-erect": (-0.6, 0.8)}
"""The direction upwards, as its components in y (to the back) and z. A supine patient's head is a little raised."""

SIDES = ("right", "left", "both")

ROUGHNESS = (0.1, 0.8)
"""Centimetres by which the filling order varies from place to place, because no lung is the same everywhere. By eye."""

AIRLESS = 3.0
"""Centimetres beyond the fluid in which the lung is pressed airless. By eye."""

MAX_FILLED = 0.85
"""Fraction of a pleural space that can be filled: some lung stays at the hilum."""

SURVEY_SIZE = 80
"""Rays along a side of the survey that finds the level. The volume on the film then is right to 2 %."""

EMPTY = -FAR
"""The level of an empty side, in cm: below every point of a chest."""


@dataclass(frozen=True)
class Filling:
    """What fills the pleural spaces, and up to which level.

    Attributes
    ----------
    gas : bool
        Gas rises; fluid falls.
    posture : {"upright", "semi-erect", "supine"}
    levels : (right, left), cm
        Level in the filling order up to which each side is filled; `EMPTY` for an empty side.
    lung_fractions : (right, left)
        Volume of each lung over its volume without the filling.
    """

    gas: bool
    posture: str
    levels: tuple[float, float]
    lung_fractions: tuple[float, float]

    def excess(self, pleura: Pleura, patient: Patient, unevenness: np.ndarray) -> np.ndarray:
        """Return how far (CELLS + 1, H, W), in cm, the level is above each point's place in the filling order."""
        level = np.where(pleura.left, np.float32(self.levels[1]), np.float32(self.levels[0]))
        return level - filling_order(pleura, patient, self.posture, unevenness, gas=self.gas)


def draw_unevenness(patient: Patient, size: int) -> np.ndarray:
    """Return by how many cm (size, size) the filling order varies over the film: the same at each visit."""
    rng = patient.rng("adhesions")
    return np.float32(rng.uniform(*ROUGHNESS)) * grain(rng, size, coarsest=4, octaves=2)


def filling_order(
    pleura: Pleura, patient: Patient, posture: str, unevenness: np.ndarray, *, gas: bool = False
) -> np.ndarray:
    """Return the order (CELLS + 1, H, W), in cm, in which the points of a pleural space are filled: lowest first.

    Parameters
    ----------
    pleura : Pleura
    patient : Patient
    posture : {"upright", "semi-erect", "supine"}
    unevenness : ndarray, (H, W), cm
        As `draw_unevenness` returns it, for these rays.
    gas : bool
        Gas fills the space from the top.
    """
    back, up = POSTURES[posture]
    length = np.hypot(back, up) * (-1 if gas else 1)
    climbed: np.ndarray = pleura.z * np.float32(up / length)
    if back:
        climbed = climbed + pleura.y * np.float32(back / length)
    climbed = climbed + pleura.gap * patient.recoil_pressure / (pleura.gap + patient.half_yield)
    return climbed + unevenness


def fill(
    patient: Patient, geometry: Geometry, volume_ml: float, *, side: str, posture: str, gas: bool = False
) -> Filling:
    """Find the level at which a pleural space holds a volume.

    Parameters
    ----------
    patient : Patient
    geometry : Geometry
    volume_ml : float
        With ``side="both"``, each side gets half of it.
    side : {"right", "left", "both"}
    posture : {"upright", "semi-erect", "supine"}
    gas : bool

    Raises
    ------
    InputError
        The volume is above what the space can hold.
    """
    rays, pleura, box = _survey(patient, geometry)
    order = filling_order(pleura, patient, posture, draw_unevenness(patient, SURVEY_SIZE)[box], gas=gas)
    cells = _cell_volumes(rays, pleura, geometry)
    levels, lung_fractions = [], []
    for left, volume in zip((False, True), split_volume(volume_ml, side), strict=True):
        inside = np.where(pleura.left == left, pleura.inside, -FAR).reshape(CELLS + 1, -1)
        near = (inside > -2).any(axis=0)  # all other rays miss this space, and would cost time
        inside = inside[:, near]
        reached, weights = (array.reshape(len(array), -1)[:, near] for array in (order, cells))
        capacity = _volume(inside, weights)
        if volume > MAX_FILLED * capacity:
            raise InputError(
                f"{volume:,.0f} mL on the {'left' if left else 'right'}: this patient's pleural space holds "
                f"{capacity:,.0f} mL, of which at most {MAX_FILLED:.0%} can be filled"
            )
        levels.append(_find_level(inside, reached, weights, volume) if volume else EMPTY)
        lung_fractions.append(1 - volume / capacity)
    return Filling(gas, posture, (levels[0], levels[1]), (lung_fractions[0], lung_fractions[1]))


def split_volume(volume_ml: float, side: str) -> tuple[float, float]:
    """Return the volumes (right, left), in mL, of a volume on one side or on both."""
    if side == "both":
        return volume_ml / 2, volume_ml / 2
    return (volume_ml, 0.0) if side == "right" else (0.0, volume_ml)


def filled_ml(filled: np.ndarray, pleura: Pleura, rays: Rays, geometry: Geometry) -> tuple[float, float]:
    """Return the volumes (right, left), in mL, of where `filled` (CELLS + 1, H, W) is above 0."""
    weights = _cell_volumes(rays, pleura, geometry)
    right, left = (_volume(np.where(pleura.left == left, filled, -FAR), weights) for left in (False, True))
    return right, left


def pleural_space_ml(patient: Patient, geometry: Geometry) -> tuple[float, float]:
    """Return the volumes, in mL, of the right and the left pleural space."""
    rays, pleura, _ = _survey(patient, geometry)
    return filled_ml(pleura.inside, pleura, rays, geometry)


def _survey(patient: Patient, geometry: Geometry) -> tuple[Rays, Pleura, tuple[slice, slice]]:
    """Trace the pleural spaces with few rays. Return these rays, the spaces, and their rows and columns."""
    rays = geometry.cast(SURVEY_SIZE)
    cavity = cross_wall(rays, patient)
    box = chest_box(rays, patient, cavity)
    rays = rays[box]
    return rays, trace_pleura(rays, patient, cavity[box]), box


def _cell_volumes(rays: Rays, pleura: Pleura, geometry: Geometry) -> np.ndarray:
    """Return the volume of each cell (CELLS, H, W), in mL. The bundle of a pixel narrows towards the source."""
    y = (pleura.y[:-1] + pleura.y[1:]) / 2
    step = (pleura.y[-1] - pleura.y[0]) / CELLS
    c, s = np.float32(cos(radians(geometry.yaw))), np.float32(sin(radians(geometry.yaw)))
    depth = (rays.x0 + rays.dx * y) * s + y * c  # along the beam: the patient is turned, the beam is not
    width = rays.pixel * geometry.narrowing(depth)
    return (width * width * rays.aspect) * (step * (rays.dx * s + c))


def _volume(inside: np.ndarray, weights: np.ndarray) -> float:
    return float((cell_fractions(inside) * weights).sum(dtype=np.float64))


def _find_level(inside: np.ndarray, reached: np.ndarray, weights: np.ndarray, volume_ml: float) -> float:
    """Return the level, in cm, up to which a volume fills the space."""

    def surplus(level: float) -> float:
        return _volume(np.minimum(inside, np.float32(level) - reached), weights) - volume_ml

    return brentq(surplus, float(reached.min()), float(reached.max()), xtol=1e-3, rtol=1e-4)
