"""Wires, tubes and ports that lie on or in the patient, and what operations left behind.

Places, sizes (in cm) and densities (what a device adds to -ln T) are chosen by eye.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.drawing import FRACTION_BITS, canvas_points, canvas_side, draw_lines, shrink
from cxrlib.phantom.physics.rays import Geometry

DEVICES = ("leads", "tube", "line", "port", "pacemaker", "drain")

METAL = 2.5
"""What the case of a pacemaker adds to -ln T."""

STERNAL_WIRES, CLIPS = 0.08, 0.05
"""Probability that an adult has wires in the sternum, and clips of another operation."""


class _Wire(NamedTuple):
    """A wire or tube along a curve: four control points (x, z), in cm, its width in cm, what it adds to -ln T."""

    points: Sequence[Sequence[float] | np.ndarray]
    width: float
    density: float


class _Oval(NamedTuple):
    """An oval: middle, half-axes in cm, what it adds to -ln T, and the width of its outline (0: filled)."""

    x: float
    z: float
    across: float
    up: float
    density: float
    outline: float = 0.0


def draw_devices(patient: Patient, geometry: Geometry, devices: Sequence[str], size: int) -> np.ndarray:
    """Return what devices add to -ln T: (size, size), float32.

    Parameters
    ----------
    patient : Patient
        Decides which operations have left wires or clips; these are in addition to the devices.
    geometry : Geometry
    devices : sequence of str
        Names in `DEVICES`, and "portable", which adds nothing: it is a text on the film.
    size : int, pixels
    """
    shapes = [*_remains(patient), *_shapes(patient, devices)]
    if not shapes:
        return np.zeros((size, size), np.float32)
    side = canvas_side(size, max(256, 2 * size))
    per_cm = side / geometry.field
    canvas = np.zeros((side, side), np.float32)
    for shape in sorted(shapes, key=lambda shape: shape.density):  # where two cross, the denser one is drawn over
        if isinstance(shape, _Wire):
            curve = _bezier(np.asarray(shape.points, float))
            places = np.column_stack([curve[:, 0], np.full(len(curve), -0.5 * patient.depth), curve[:, 1]])
            draw_lines(canvas, places[None], width=shape.width * per_cm, brightness=shape.density, geometry=geometry)
        else:
            _draw_oval(canvas, shape, geometry, -patient.depth)
    return shrink(canvas, size)


def _draw_oval(canvas: np.ndarray, oval: _Oval, geometry: Geometry, y: float) -> None:
    side = canvas.shape[0]
    per_cm = side / geometry.field
    column, row = map(int, canvas_points(geometry, [oval.x, y, oval.z], side))
    axes = [max(1, round(axis * per_cm * 2**FRACTION_BITS)) for axis in (oval.across / geometry.aspect, oval.up)]
    width = oval.outline * per_cm
    density = oval.density * (min(1.0, width) if width else 1.0)
    thickness = max(1, round(width)) if width else -1
    cv2.ellipse(canvas, (column, row), axes, 0, 0, 360, density, thickness, cv2.LINE_8, FRACTION_BITS)


def _remains(patient: Patient) -> Iterator[_Wire | _Oval]:
    """Yield what operations have left: a chain of wire loops in the sternum, or clips."""
    rng = patient.rng("operations")
    opened, clipped = rng.random(2) < (STERNAL_WIRES, CLIPS)
    if patient.age < 30:
        return
    top, size = patient.apex, patient.scale
    if opened:
        middle, count = rng.normal(0, 0.4), int(rng.integers(5, 8))
        for number in range(count):
            x, z = middle + rng.normal(0, 0.2), top - (5.0 + 13.0 * number / count) * size + rng.normal(0, 0.2)
            yield _Oval(x, z, rng.uniform(0.5, 0.8), rng.uniform(0.3, 0.55), 1.2, 0.1)
            yield _Wire([(x, z), (x + 0.1, z + 0.1), (x + 0.3, z), (x + rng.uniform(0.3, 0.7), z)], 0.14, 1.2)
        if rng.random() < 0.5:  # clips along a bypass
            yield from _clips(rng, (4.5 * size, top - 13 * size), 4.0)
    if clipped:
        place = [(8 * size, top - 4 * size), (-8 * size, top - 4 * size), (-6 * size, patient.base - 3)]
        yield from _clips(rng, place[int(rng.integers(3))], 2.0)


def _clips(rng: np.random.Generator, middle: tuple[float, float], spread: float) -> Iterator[_Wire]:
    for _ in range(rng.integers(3, 9)):
        start = np.array(middle) + rng.normal(0, 0.5 * spread, 2)
        step = rng.normal(0, 0.12, 2)
        yield _Wire([start, start + step, start + 2 * step, start + 3 * step], 0.12, 1.0)


def _shapes(patient: Patient, devices: Sequence[str]) -> Iterator[_Wire | _Oval]:
    wide, top, low = patient.width, patient.apex, patient.base
    if "leads" in devices:
        yield from _leads(patient)
    rng = patient.rng("devices", same_every_visit=False)
    if "tube" in devices:  # in the trachea, with a dense line along it; in 7 of 10 patients also a tube to the stomach
        tip = top - rng.uniform(4, 8)
        yield _Wire([(0.2, top + 8), (0.3, top), (0.2, top - 3), (0.2, tip)], 0.8, 0.10)
        yield _Wire([(0.5, top + 8), (0.5, top), (0.4, top - 3), (0.4, tip)], 0.12, 0.5)
        if rng.random() < 0.7:
            curl = rng.uniform(2, 7), low - rng.uniform(0, 5)
            yield _Wire([(0, top + 8), (0.4, top - 8), (0.8, low + 3), curl], 0.4, 0.18)
            yield _Wire([(0.1, top + 8), (0.5, top - 8), (0.9, low + 3), curl], 0.1, 0.5)
    if "line" in devices:  # a central venous line: from the neck, from below the clavicle, or from the arm
        side = rng.choice([-1, 1], p=[0.7, 0.3])
        end = (-1.8 * patient.scale, top - rng.uniform(8, 13) * patient.scale)
        density, origin = rng.uniform(0.3, 0.7), rng.random()
        if origin < 0.4:
            start, bend = (side * rng.uniform(2.5, 4.5), top + 7), (side * 2.6, top - 1)
        elif origin < 0.7:
            start, bend = (side * rng.uniform(7, 10), top - 5), (side * 5, top - 0.5)
        else:
            start, bend = (side * (wide + 3), top - rng.uniform(6, 12)), (side * 9, top + 0.5)
        yield _Wire([start, bend, (-0.5, top - 3), end], 0.2, density)
    if "port" in devices:
        side = rng.choice([-1, 1], p=[0.7, 0.3])
        x, z = side * rng.uniform(6, 9), top - rng.uniform(5, 8)
        yield _Oval(x, z, 1.25, 1.2, 0.5)
        yield _Oval(x, z, 1.25, 1.2, 1.4, 0.15)
        yield _Oval(x, z, 0.7, 0.65, 1.4, 0.15)
        yield _Wire([(x, z + 1.2), (x, top - 1), (side * 2, top - 1), (-1.8, top - 10)], 0.22, 0.6)
    if "pacemaker" in devices:
        x, z = rng.uniform(7, 10), top - rng.uniform(4, 7)
        across, up = rng.uniform(1.9, 2.5), rng.uniform(1.9, 2.3)
        yield _Oval(x, z, across, up, METAL)
        yield _Oval(x - 0.6, z + up, 0.9, 0.5, 1.4)  # where the leads leave it
        yield _Wire([(x - 1, z + up), (4, top + 0.5), (-4, top - 5), (1.5, low + 6)], 0.18, 1.3)
        if rng.random() < 0.7:
            yield _Wire([(x - 0.5, z + up), (4, top + 1), (-4.5, top - 6), (-2.2, low + 11)], 0.18, 1.3)
    if "drain" in devices:  # through the wall of the chest, upwards in the pleural space, with a dense line along it
        side = rng.choice([-1, 1])
        z = low + rng.uniform(3, 9)
        points = [(side * wide * 1.25, z - 2), (side * wide * 0.9, z), (side * 8, z + 3), (side * 7, top - 5)]
        yield _Wire(points, 0.6, 0.12)
        yield _Wire([(x + 0.15, z) for x, z in points], 0.12, 0.6)


def _leads(patient: Patient) -> Iterator[_Wire | _Oval]:
    """Yield the electrodes of the electrocardiogram, with their snaps and their cables to beyond the film."""
    rng = patient.rng("leads", same_every_visit=False)
    wide, top, low = patient.width, patient.apex, patient.base
    places = np.array(
        [(-0.75, top - 3), (0.75, top - 3), (-0.85, low + 3), (0.85, low + 3), (0.1, low + 12), (0.6, low + 6)]
    )
    exit_x, exit_z = rng.choice([-1, 1]) * wide * rng.uniform(0.6, 1.6), rng.choice([top + 8, low - 12])
    kind, density, count = rng.random(), rng.uniform(0.25, 0.6), int(rng.integers(3, 6))
    for place in rng.permutation(places)[:count]:
        x, z = place[0] * wide + rng.normal(0, 1.2), place[1] + rng.normal(0, 2.0)
        yield _Oval(x, z, 1.7, 1.6, 0.04)  # the pad
        if kind < 0.5:  # a ring with a snap
            yield _Oval(x, z, 0.55, 0.5, density + 0.3, 0.16)
        else:  # a snap, and a clip that holds it
            yield _Oval(x, z, 0.4, 0.4, density + 0.4)
            turn = rng.uniform(-1, 1, 2)
            yield _Wire([(x, z), (x, z) + turn / 3, (x, z) + turn / 2, (x, z) + 1.5 * turn], 0.6, density)
        ends = np.array([(x, z), (exit_x + rng.normal(0, 1.5), exit_z)])
        first, second = (ends[0] + part * (ends[1] - ends[0]) + rng.normal(0, 3.0, 2) for part in (0.3, 0.7))
        yield _Wire([ends[0], first, second, ends[1]], 0.14, density)


def _bezier(points: np.ndarray) -> np.ndarray:
    """Return 40 points (40, 2) of the cubic Bezier curve with these control points (4, 2)."""
    t = np.linspace(0, 1, 40)[:, None]
    a, b, c, d = points
    return (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
