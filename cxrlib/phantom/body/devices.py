"""Wires, tubes and ports that lie on or in the patient.

Places, sizes (in cm) and densities (what a device adds to -ln T) are chosen by eye.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.drawing import canvas_side, draw_lines, shrink
from cxrlib.phantom.physics.rays import Geometry

DEVICES = ("leads", "tube", "line", "port", "pacemaker", "drain")

METAL = 2.5
"""What the case of a pacemaker adds to -ln T."""


class _Wire(NamedTuple):
    """A wire or tube along a curve: four control points (x, z), in cm, its width in cm, what it adds to -ln T."""

    points: Sequence[Sequence[float] | np.ndarray]
    width: float
    density: float


class _Disc(NamedTuple):
    """A disc: its middle and radius in cm, and what it adds to -ln T."""

    x: float
    z: float
    radius: float
    density: float


def draw_devices(patient: Patient, geometry: Geometry, devices: Sequence[str], size: int) -> np.ndarray:
    """Return what devices add to -ln T: (size, size), float32.

    Parameters
    ----------
    patient : Patient
    geometry : Geometry
    devices : sequence of str
        Names in `DEVICES`, and "portable", which adds nothing: it is a text on the film.
    size : int, pixels
    """
    if not devices:
        return np.zeros((size, size), np.float32)
    side = canvas_side(size)
    per_cm = side / geometry.field
    canvas = np.zeros((side, side), np.float32)
    for shape in _shapes(patient, devices):
        layer = np.zeros_like(canvas)  # where two devices cross, their densities add
        if isinstance(shape, _Wire):
            curve = _bezier(np.asarray(shape.points, float))
            places = np.column_stack([curve[:, 0], np.full(len(curve), -0.5 * patient.depth), curve[:, 1]])
            draw_lines(layer, places[None], width=shape.width * per_cm, brightness=shape.density, geometry=geometry)
        else:
            place = np.rint(geometry.project([shape.x, -patient.depth, shape.z]) * per_cm).astype(int)
            column, row = map(int, place)
            cv2.circle(layer, (column, row), max(1, round(shape.radius * per_cm)), shape.density, -1)
        canvas += layer
    return shrink(canvas, size)


def _shapes(patient: Patient, devices: Sequence[str]) -> Iterator[_Wire | _Disc]:
    rng = patient.rng("devices", same_every_visit=False)
    wide, top, low = patient.width, patient.apex, patient.base
    if "leads" in devices:  # of the electrocardiogram, from the chest to beyond the film
        for _ in range(rng.integers(2, 5)):
            x, z = rng.uniform(-0.9, 0.9) * wide, rng.uniform(low, top)
            end = (rng.choice([-1, 1]) * wide * 1.4, rng.uniform(low - 5, top))
            yield _Disc(x, z, rng.uniform(0.4, 1.0), rng.uniform(0.1, 0.6))
            bends = rng.uniform(-wide, wide, 2), rng.uniform(-wide, wide, 2)
            yield _Wire([(x, z), *bends, end], 0.15, rng.uniform(0.15, 0.6))
    if "tube" in devices:  # in the trachea, with a dense line along it; in 7 of 10 patients also a tube to the stomach
        yield _Wire([(0.2, top + 6), (0.3, top), (0.2, top - 3), (0.2, top - rng.uniform(4, 7))], 0.7, 0.12)
        yield _Wire([(0.4, top + 6), (0.4, top), (0.4, top - 3), (0.4, top - 6)], 0.12, 0.5)
        if rng.random() < 0.7:
            yield _Wire([(0, top + 6), (0.4, top - 8), (0.8, low + 3), (5, low - 2)], 0.3, 0.3)
    if "line" in devices:  # a central venous line
        side = rng.choice([-1, 1], p=[0.7, 0.3])
        end = (-1.8, top - rng.uniform(8, 13))
        start = (side * rng.uniform(3, 9), top + 2)
        yield _Wire([start, (side * 4, top - 2), (-1, top - 3), end], 0.22, rng.uniform(0.3, 0.7))
    if "port" in devices:
        x, z = -rng.uniform(6, 9), top - rng.uniform(5, 8)
        yield _Disc(x, z, 1.2, 0.8)
        yield _Wire([(x, z), (x, top - 1), (-2, top - 1), (-1.8, top - 10)], 0.22, 0.5)
    if "pacemaker" in devices:
        x, z = rng.uniform(7, 10), top - rng.uniform(4, 7)
        yield _Disc(x, z, rng.uniform(1.8, 2.4), METAL)
        yield _Wire([(x, z), (4, top - 1), (-2, top - 4), (1, low + 6)], 0.2, 1.2)
    if "drain" in devices:  # through the wall of the chest, upwards in the pleural space
        side = rng.choice([-1, 1])
        z = low + rng.uniform(3, 9)
        points = [(side * wide * 1.2, z - 2), (side * wide * 0.9, z), (side * 8, z + 3), (side * 7, top - 5)]
        yield _Wire(points, 0.5, 0.3)


def _bezier(points: np.ndarray) -> np.ndarray:
    """Return 40 points (40, 2) of the cubic Bezier curve with these control points (4, 2)."""
    t = np.linspace(0, 1, 40)[:, None]
    a, b, c, d = points
    return (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
