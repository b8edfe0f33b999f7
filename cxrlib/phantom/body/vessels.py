"""The lungs' own markings: a tree of vessels in each lung, and the airways.

Numbers are chosen by eye. Lengths are in cm.
"""

import numpy as np

from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.drawing import canvas_side, draw_lines, shrink
from cxrlib.phantom.physics.rays import Geometry, Rays

GENERATIONS = 7
FIRST_RADIUS = 0.5  # cm, of the vessels that enter a lung
NARROWING = 0.75  # radius after a fork over the radius before it
DIRECTIONS = (80, 50, 15, -15, -45, -65, -85)  # degrees above the horizontal, of the vessels that enter a lung

PROFILE = ((1.0, 1.2), (0.6, 1.8))
"""A vessel's round section in two steps: width over the diameter, and thickness over the radius.

Their area is 3.12 r**2, where a circle's is 3.14 r**2.
"""

GRAY_PER_CM = 100  # the canvas holds 8 bits, so up to 2.55 cm


def grow_vessels(patient: Patient) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Grow the trees of both lungs.

    Returns
    -------
    list of (starts, stops, radius)
        One entry for each generation: points (N, 3) in cm, and the radius of its vessels.
        At each fork a vessel divides into two, which have 0.75 of its radius.
    """
    rng = patient.rng("vessels")
    roots, root_courses = [], []
    for side in (-1, 1):
        hilum = np.array([patient.shift + side * 2.2, 0.5, patient.apex - 10.2 + 0.5 * side])  # the left is higher
        for direction in DIRECTIONS:
            angle = np.radians(direction + rng.normal(0, 8))
            course = np.array([side * np.cos(angle), rng.normal(0, 0.45), np.sin(angle)])
            roots.append(hilum + rng.normal(0, 0.4, 3))
            root_courses.append(course / np.linalg.norm(course))
    starts, courses = np.array(roots), np.array(root_courses)
    radius, generations = FIRST_RADIUS * rng.uniform(0.75, 1.2), []
    for level in range(GENERATIONS):
        # the first vessels are the longest; each later generation is 7 % shorter
        reach = (3.6 if level == 0 else 2.6) * rng.uniform(0.6, 1.25, (len(starts), 1)) * 0.93**level
        stops = starts + courses * reach
        generations.append((starts, stops, radius))
        starts = np.repeat(stops, 2, axis=0)
        courses = np.repeat(courses, 2, axis=0) + rng.normal(0, 0.33, (len(starts), 3))
        courses /= np.linalg.norm(courses, axis=1, keepdims=True)
        kept = (np.abs(starts[:, 0]) < patient.width) & (
            np.abs(starts[:, 2]) < 15
        )  # roughly the chest: vessels outside it are left out
        starts, courses = starts[kept], courses[kept]
        radius *= NARROWING
    return generations


def vessel_thickness(patient: Patient, geometry: Geometry, size: int) -> np.ndarray:
    """Return the path length (H, W), in cm, through the vessels, as if there were lung everywhere."""
    side = canvas_side(size)
    canvas = np.zeros((side, side), np.uint8)
    per_cm = side / geometry.field * geometry.magnification(0.0)
    for starts, stops, radius in reversed(
        grow_vessels(patient)
    ):  # the large vessels are drawn last, over the small ones
        lines = np.stack([starts, stops], axis=1)
        for width, thickness in PROFILE:
            pixels, gray = 2 * radius * per_cm * width, thickness * radius * GRAY_PER_CM
            draw_lines(canvas, lines, width=pixels, brightness=gray, geometry=geometry)
    return shrink(canvas, size) / GRAY_PER_CM


def airway_thickness(rays: Rays, patient: Patient) -> np.ndarray:
    """Return the path length (H, W), in cm, through the air of the trachea and the main bronchi."""
    x, z = rays.at_depth(0.18 * patient.depth)
    carina = patient.apex - 8.6  # height of the fork
    x = x - (patient.shift + 0.25)
    radius = 0.78 * patient.scale  # of the trachea
    inside = np.sqrt(np.clip(1 - (x / radius) ** 2, 0, 1)) * np.clip((z - carina) * 2, 0, 1)
    for side, steepness in ((-1, 1.5), (1, 0.8)):  # the right bronchus falls more steeply than the left
        below = np.float32(carina) + np.float32(0.3) - z  # added in float32: the films depend on its rounding
        off = (x - side * below / steepness) / 0.95
        along = np.clip(below * 2, 0, 1) * np.clip((3.2 - below) * 2, 0, 1)
        inside = np.maximum(inside, np.sqrt(np.clip(1 - off * off, 0, 1)) * along * 0.8)
    return inside * (2 * radius)
