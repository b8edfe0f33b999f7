"""The lungs' own markings: a tree of vessels, the airways, and the grain of the tissue."""

import cv2
import numpy as np

from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.rays import Geometry, Rays

GENERATIONS = 7
TRUNK = 0.5  # cm, radius of the vessel that enters a lung


def branch(patient: Patient) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Grow the trees of both lungs.

    Returns
    -------
    list of (starts, stops, radius)
        A generation each: (N, 3) points in cm, and the radius of its vessels. At
        each fork two of three quarters of the radius follow.
    """
    rng = patient.rng("vessels")
    roots, courses = [], []
    for side in (-1, 1):
        hilum = np.array([patient.shift + side * 2.2, 0.5, patient.apex - 10.2 + 0.5 * side])
        for angle in (80, 50, 15, -15, -45, -65, -85):
            turn = np.radians(angle + rng.normal(0, 8))
            course = np.array([side * np.cos(turn), rng.normal(0, 0.45), np.sin(turn)])
            roots.append(hilum + rng.normal(0, 0.4, 3))
            courses.append(course / np.linalg.norm(course))
    starts, courses = np.array(roots), np.array(courses)
    radius, generations = TRUNK * rng.uniform(0.75, 1.2), []
    for level in range(GENERATIONS):
        reach = (3.6 if level == 0 else 2.6) * rng.uniform(0.6, 1.25, (len(starts), 1)) * 0.93**level
        stops = starts + courses * reach
        generations.append((starts, stops, radius))
        starts = np.repeat(stops, 2, axis=0)
        courses = np.repeat(courses, 2, axis=0) + rng.normal(0, 0.33, (len(starts), 3))
        courses /= np.linalg.norm(courses, axis=1, keepdims=True)
        kept = (np.abs(starts[:, 0]) < patient.width) & (np.abs(starts[:, 2]) < 15)
        starts, courses = starts[kept], courses[kept]
        radius *= 0.75
    return generations


def vessel_depth(patient: Patient, geometry: Geometry, size: int) -> np.ndarray:
    """Return the way (H, W), in cm, through the vessels, as if there were lung everywhere."""
    finer = max(1, 512 // size)
    canvas = np.zeros((size * finer, size * finer), np.uint8)
    per_cm = canvas.shape[0] / geometry.field * geometry.magnification(0.0)
    scale = 16 * canvas.shape[0] / geometry.field
    for starts, stops, radius in reversed(branch(patient)):
        ends = np.rint(geometry.project(np.stack([starts, stops], axis=1)) * scale).astype(np.int32)
        width = 2 * radius * per_cm
        for share, height in ((1.0, 1.2), (0.6, 1.8)):
            # a line thinner than a pixel is drawn as one pixel, of less
            value = height * radius * min(1.0, width * share) * 100
            cv2.polylines(
                canvas, list(ends), False, round(min(value, 255)), max(1, round(width * share)), cv2.LINE_8, 4
            )
    drawn = cv2.resize(canvas.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    return drawn / np.float32(100)


def airways(rays: Rays, patient: Patient) -> np.ndarray:
    """Return the way (H, W), in cm, through the air of trachea and main bronchi."""
    x, z = rays.at(np.float32(0.18 * patient.depth))
    carina = patient.apex - 8.6
    x = x - np.float32(patient.shift + 0.25)
    width = np.float32(0.78 * patient.width / 13.5)
    inside = np.sqrt(np.clip(1 - (x / width) ** 2, 0, 1)) * np.clip((z - np.float32(carina)) * 2, 0, 1)
    for side, fall in ((-1, 1.5), (1, 0.8)):
        below = np.float32(carina) + np.float32(0.3) - z
        off = (x - side * below / np.float32(fall)) / np.float32(0.95)
        along = np.clip(below * 2, 0, 1) * np.clip((np.float32(3.2) - below) * 2, 0, 1)
        inside = np.maximum(inside, np.sqrt(np.clip(1 - off * off, 0, 1)) * along * np.float32(0.8))
    return inside * (2 * width)
