"""Wires, tubes and ports that lie on or in the patient."""

import cv2
import numpy as np

from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.rays import Geometry

METAL = 2.5  # what a pacemaker adds to -ln T
DEVICES = ("leads", "tube", "line", "port", "pacemaker", "drain")


def draw_devices(patient: Patient, geometry: Geometry, devices, size: int) -> np.ndarray:
    """Return the attenuation (H, W) of wires, tubes and ports.

    Parameters
    ----------
    devices : sequence of str
        Of `DEVICES`.
    """
    if not devices:
        return np.zeros((size, size), np.float32)
    rng = patient.rng("devices", stays=False)
    finer = max(1, 512 // size)
    canvas = np.zeros((size * finer, size * finer), np.float32)
    per_cm = canvas.shape[0] / geometry.field
    wide, top, low = patient.width, patient.apex, patient.base

    def wire(points, cm: float, depth: float) -> None:
        curve = _curve(np.asarray(points, float))
        places = np.column_stack([curve[:, 0], np.full(len(curve), -0.5 * patient.depth), curve[:, 1]])
        pixels = np.rint(geometry.project(places) * per_cm * 16).astype(np.int32)
        layer = np.zeros_like(canvas)
        width = cm * per_cm
        cv2.polylines(layer, [pixels], False, depth * min(1, width), max(1, round(width)), cv2.LINE_8, 4)
        np.add(canvas, layer, out=canvas)

    def disc(x: float, z: float, cm: float, depth: float) -> None:
        place = np.rint(geometry.project(np.array([x, -patient.depth, z])) * per_cm).astype(int)
        layer = np.zeros_like(canvas)
        cv2.circle(layer, tuple(map(int, place)), max(1, round(cm * per_cm)), depth, -1)
        np.add(canvas, layer, out=canvas)

    if "leads" in devices:
        for _ in range(rng.integers(2, 5)):
            x, z = rng.uniform(-0.9, 0.9) * wide, rng.uniform(low, top)
            end = (rng.choice([-1, 1]) * wide * 1.4, rng.uniform(low - 5, top))
            disc(x, z, rng.uniform(0.4, 1.0), rng.uniform(0.1, 0.6))
            wire([(x, z), rng.uniform(-wide, wide, 2), rng.uniform(-wide, wide, 2), end], 0.15, rng.uniform(0.15, 0.6))
    if "tube" in devices:
        wire([(0.2, top + 6), (0.3, top), (0.2, top - 3), (0.2, top - rng.uniform(4, 7))], 0.7, 0.12)
        wire([(0.4, top + 6), (0.4, top), (0.4, top - 3), (0.4, top - 6)], 0.12, 0.5)
        if rng.random() < 0.7:
            wire([(0, top + 6), (0.4, top - 8), (0.8, low + 3), (5, low - 2)], 0.3, 0.3)
    if "line" in devices:
        side = rng.choice([-1, 1], p=[0.7, 0.3])
        end = (-1.8, top - rng.uniform(8, 13))
        wire(
            [(side * rng.uniform(3, 9), top + 2), (side * 4, top - 2), (-1, top - 3), end], 0.22, rng.uniform(0.3, 0.7)
        )
    if "port" in devices:
        x, z = -rng.uniform(6, 9), top - rng.uniform(5, 8)
        disc(x, z, 1.2, 0.8)
        wire([(x, z), (x, top - 1), (-2, top - 1), (-1.8, top - 10)], 0.22, 0.5)
    if "pacemaker" in devices:
        x, z = rng.uniform(7, 10), top - rng.uniform(4, 7)
        disc(x, z, rng.uniform(1.8, 2.4), METAL)
        wire([(x, z), (4, top - 1), (-2, top - 4), (1, low + 6)], 0.2, 1.2)
    if "drain" in devices:
        side = rng.choice([-1, 1])
        z = low + rng.uniform(3, 9)
        wire([(side * wide * 1.2, z - 2), (side * wide * 0.9, z), (side * 8, z + 3), (side * 7, top - 5)], 0.5, 0.3)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)


def _curve(points: np.ndarray) -> np.ndarray:
    """Return a cubic Bezier curve of 40 points."""
    t = np.linspace(0, 1, 40)[:, None]
    a, b, c, d = points
    return (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
