"""Ribs, spine, clavicles, scapulae and arms: what they add to the attenuation along each ray.

Each bone is a curve or an outline in space, projected onto a canvas and filled. A cortex is a
brighter line along its borders. Shapes that may cross (ribs behind and in front, the spine, the
shoulders) have a canvas each, so that they add up.

Lengths are in cm, for a man with `patient.scale` 1. Sizes and densities are chosen by eye, unless a
comment names a source.
"""

from math import cos, pi, sin

import cv2
import numpy as np

from cxrlib.phantom.body.chest import wall_at
from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.body.trunk import place_arm, shoulder_line
from cxrlib.phantom.physics.drawing import FRACTION_BITS, band_borders, canvas_points, canvas_side, draw_bands, shrink
from cxrlib.phantom.physics.materials import BONE, SOFT
from cxrlib.phantom.physics.rays import Geometry

RIBS = 12  # pairs

MINERAL = 0.01
"""Centimetres of cortical bone for each gray level of a canvas; the rest of a bone counts as soft tissue."""

WALL = 0.45
"""Centimetres from the inner wall of the chest to the middle of a rib."""

STEPS = 24
"""Points along a rib: angles around the chest, from the spine behind to the sternum in front."""
ROUND = np.array([(sin(pi * step / STEPS), cos(pi * step / STEPS)) for step in range(STEPS + 1)])

CARTILAGE = (2.6, 4.2, 5.4, 6.4, 7.6, 9.0, 10.4, 11.4, 12.0, 12.6, 0.0, 0.0)
"""How far from the midline the bone of each rib ends in front. Ribs 11 and 12 have no end in front."""


def bone_attenuation(patient: Patient, geometry: Geometry, size: int) -> np.ndarray:
    """Return what the bones add (H, W) to the -ln T of the soft tissue in their place.

    Parameters
    ----------
    patient : Patient
    geometry : Geometry
    size : int, pixels
    """
    side = canvas_side(size)
    total = np.zeros((side, side), np.uint8)
    for draw in (_draw_posterior_ribs, _draw_anterior_ribs, _draw_wall, _draw_spine, _draw_shoulders):
        canvas = np.zeros((side, side), np.uint8)
        draw(canvas, patient, geometry)
        cv2.add(total, canvas, dst=total)
    return shrink(total, size) * (MINERAL * patient.bone_density * (BONE - SOFT))


def rib_curves(patient: Patient) -> list[np.ndarray]:
    """Return the middle of each rib on the patient's left: (25, 3) in cm, from the spine to the sternum.

    A rib lies on the wall of the chest. It falls by `patient.rib_slope` for each cm towards the front. The neck
    of the first rib lies at the top of the lung.
    """
    curves = []
    for number in range(RIBS):
        first = patient.apex - 0.3 * patient.scale - number * patient.rib_spacing
        z = np.full(STEPS + 1, first, np.float32)
        for _ in range(3):  # height and wall depend on each other
            wall = wall_at(patient, z, beyond=WALL * patient.scale)
            y = wall.middle_y + wall.depth * ROUND[:, 1].astype(np.float32)
            z = (np.float32(first) - np.float32(patient.rib_slope) * (y[0] - y)).astype(np.float32)
        x = wall.width * ROUND[:, 0].astype(np.float32)
        curves.append(np.stack([x, y, z], axis=-1).astype(float))
    return curves


def _rib_parts(patient: Patient, anterior: bool) -> tuple[list[np.ndarray], list[float]]:
    """Return the bony parts of all ribs behind or in front of the widest point, both sides, and their brightness."""
    rng = patient.rng("ribs")
    parts, gray = [], []
    for number, curve in enumerate(rib_curves(patient)):
        bright = rng.uniform(0.9, 1.1)
        middle = STEPS // 2
        if anterior:
            if not CARTILAGE[number]:
                continue
            stop = int((curve[middle:, 0] > CARTILAGE[number] * patient.scale).sum()) + middle
            part = curve[middle : max(stop, middle + 2)]
        else:
            part = curve[2 : (middle + 1, middle - 2, middle - 5)[max(0, number - RIBS + 3)]]
        for side in (-1, 1):
            parts.append(part * (side, 1, 1) + (patient.middle, 0, 0))
            gray.append(bright)
    return parts, gray


def _draw_ribs(
    canvas: np.ndarray, patient: Patient, geometry: Geometry, *, anterior: bool, half: float, inside: int, border: int
) -> None:
    parts, gray = _rib_parts(patient, anterior)
    edges = []
    for part, bright in zip(parts, gray, strict=True):
        up = np.zeros_like(part)
        up[:, 2] = half * patient.scale
        outline = canvas_points(geometry, np.concatenate([part + up, (part - up)[::-1]]), canvas.shape[0])
        cv2.fillPoly(canvas, [outline], inside * bright, cv2.LINE_8, FRACTION_BITS)
        edges += [outline[: len(part)], outline[len(part) :]]
    cv2.polylines(canvas, edges, False, border, 1, cv2.LINE_8, FRACTION_BITS)


def _draw_posterior_ribs(canvas: np.ndarray, patient: Patient, geometry: Geometry) -> None:
    _draw_ribs(canvas, patient, geometry, anterior=False, half=0.58, inside=42, border=62)


def _draw_anterior_ribs(canvas: np.ndarray, patient: Patient, geometry: Geometry) -> None:
    _draw_ribs(canvas, patient, geometry, anterior=True, half=0.72, inside=22, border=32)


def _draw_wall(canvas: np.ndarray, patient: Patient, geometry: Geometry) -> None:
    """Draw the white line at each side: rays run along the wall there, and cross one rib after the other."""
    z = np.linspace(patient.base - 6, patient.apex - 0.5 * patient.scale, 24, dtype=np.float32)
    for beyond, radius, brightness in ((0.35, 0.75, 14), (0.4, 0.5, 26), (0.35, 0.28, 36)):
        wall = wall_at(patient, z, beyond=beyond * patient.scale)
        for side in (-1, 1):
            line = np.stack([patient.middle + side * wall.width, wall.middle_y, z], axis=-1).astype(float)
            radii = np.full(len(z), radius * patient.scale)
            draw_bands(canvas, geometry, [line], [radii], brightness)


def _draw_spine(canvas: np.ndarray, patient: Patient, geometry: Geometry) -> None:
    """Draw vertebral bodies with their borders, pedicles, spinous and transverse processes, and the manubrium."""
    rng, size = patient.rng("spine"), patient.scale
    bend, tilt = rng.normal(0, 0.35), rng.normal(0, 0.02)  # no spine is quite straight
    depth = 0.80 * patient.depth
    height = 0.98 * patient.rib_spacing
    bodies, borders, pedicles, processes, spines = [], [], [], [], []
    for number in range(-5, 14):
        z = (
            patient.apex - 0.3 * size - 0.75 * height - number * height
        )  # the rib meets the upper border of its vertebra
        up = float(np.clip(z / (14 * size), -1.3, 1.3))
        middle = bend * (1 - up * up) + tilt * z
        wide = size * (1.75 - 0.28 * up)
        tall = 0.40 * height
        right, left = middle - wide, middle + wide
        waist = 0.12 * size  # the sides are hollow
        outline = np.array(
            [
                (right, z + tall),
                (left, z + tall),
                (left - waist, z),
                (left, z - tall),
                (right, z - tall),
                (right + waist, z),
            ]
        )
        bodies.append(outline)
        borders.append(np.concatenate([outline, outline[:1]]))
        for sign in (-1, 1):
            pedicles.append((middle + sign * 0.62 * wide, z + 0.35 * tall))
            root = middle + sign * 0.8 * wide
            tip = middle + sign * (wide + 1.3 * size)
            processes.append(np.array([(root, z + 0.2 * tall), (tip, z + 0.75 * tall)]))
        spines.append((middle + rng.normal(0, 0.08), z - 0.9 * tall))

    def at(points: np.ndarray) -> np.ndarray:
        x, z = np.moveaxis(np.asarray(points, float), -1, 0)
        return canvas_points(geometry, np.stack([x, np.full_like(x, depth), z], axis=-1), canvas.shape[0])

    per_cm = canvas.shape[0] / geometry.field * geometry.magnification(depth) * 2**FRACTION_BITS
    for process in processes:
        points = np.stack([process[:, 0], np.full(2, depth + 1.5), process[:, 1]], axis=-1)
        draw_bands(canvas, geometry, [points], [np.array([0.45, 0.55]) * size], 16)
    cv2.fillPoly(canvas, list(at(np.array(bodies))), 26, cv2.LINE_8, FRACTION_BITS)
    cv2.polylines(canvas, list(at(np.array(borders))), False, 44, 1, cv2.LINE_8, FRACTION_BITS)
    _draw_ellipses(canvas, at(np.array(pedicles)), (0.30 * size * per_cm, 0.46 * size * per_cm), 40, 62)
    _draw_ellipses(canvas, at(np.array(spines)), (0.22 * size * per_cm, 0.55 * size * per_cm), 48, 56)
    # the manubrium: 5 cm high, wider above
    top = patient.apex - 4.8 * size
    wall = wall_at(patient, np.array([top], np.float32))
    front = float(wall.middle_y[0] - wall.depth[0]) - 1.0
    corners = np.array(
        [(-2.6, 0), (-1.0, -0.4), (1.0, -0.4), (2.6, 0), (2.9, -1.2), (1.5, -4.6), (-1.5, -4.6), (-2.9, -1.2)]
    )
    corners = corners * size + (patient.shift * 0.2, top)
    points = np.column_stack([corners[:, 0], np.full(len(corners), front), corners[:, 1]])
    manubrium = np.zeros_like(canvas)
    outline = canvas_points(geometry, points, canvas.shape[0])
    cv2.fillPoly(manubrium, [outline], 8, cv2.LINE_8, FRACTION_BITS)
    cv2.polylines(manubrium, [outline], True, 18, 1, cv2.LINE_8, FRACTION_BITS)
    cv2.add(canvas, manubrium, dst=canvas)


def _draw_ellipses(
    canvas: np.ndarray, middles: np.ndarray, axes: tuple[float, float], inside: int, border: int
) -> None:
    half = (max(1, round(axes[0])), max(1, round(axes[1])))
    for x, y in middles.tolist():
        cv2.ellipse(canvas, (x, y), half, 0, 0, 360, inside, cv2.FILLED, cv2.LINE_8, FRACTION_BITS)
        cv2.ellipse(canvas, (x, y), half, 0, 0, 360, border, 1, cv2.LINE_8, FRACTION_BITS)


def _draw_shoulders(canvas: np.ndarray, patient: Patient, geometry: Geometry) -> None:
    """Draw clavicles, shoulder blades and upper arms."""
    for blade, tubes in _shoulder_shapes(patient, geometry.view):
        layer = np.zeros_like(canvas)
        outline = canvas_points(geometry, blade, canvas.shape[0])
        cv2.fillPoly(layer, [outline], 12, cv2.LINE_8, FRACTION_BITS)
        cv2.polylines(layer, [outline], True, 22, 1, cv2.LINE_8, FRACTION_BITS)
        cv2.add(canvas, layer, dst=canvas)
        for points, radii, inside, border in tubes:
            layer[:] = 0
            (band,) = band_borders(geometry, [points], [radii], canvas.shape[0])
            cv2.fillPoly(layer, [band], inside, cv2.LINE_8, FRACTION_BITS)
            cv2.polylines(layer, [band], True, border, 2, cv2.LINE_8, FRACTION_BITS)
            cv2.add(canvas, layer, dst=canvas)


def _smooth(points: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a finer curve through the points (Catmull-Rom), with 6 steps from one to the next."""
    values = np.column_stack([points, radii])
    padded = np.concatenate([2 * values[:1] - values[1:2], values, 2 * values[-1:] - values[-2:-1]])
    a, b, c, d = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    finer = [
        b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
        for t in (step / 6 for step in range(6))
    ]
    curve = np.concatenate([np.stack(finer, axis=1).reshape(-1, 4), values[-1:]])
    return curve[:, :3], np.maximum(curve[:, 3], 0.05)


def _shoulder_shapes(
    patient: Patient, view: str
) -> list[tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray, int, int]]]]:
    """Return the shapes of each side, in cm.

    Returns
    -------
    list of (blade, tubes), one for each side
        The corners (N, 3) of the shoulder blade. Then clavicle, borders and spine of the blade, head and shaft of
        the arm: points (N, 3), radius (N,) at each, and the gray levels inside and along the border.
    """
    size = patient.scale
    patient_rng, visit_rng = patient.rng("shoulders"), patient.rng("shoulders", same_every_visit=False)
    high, slope = shoulder_line(patient)
    turned = patient_rng.uniform(0.0, 1.0)  # how far the blades are turned out of the lungs
    thick = patient_rng.uniform(0.85, 1.15) * size
    shapes = []
    for side in (-1, 1):
        arm_x, arm_slope = place_arm(patient, view, side)
        lift = visit_rng.normal(0, 0.4) * size
        line = patient.apex + high * size - slope * (arm_x - 5 * size)  # of the skin above the joint
        joint = float(np.clip(line - 4.6 * size, patient.apex - 7.0 * size, patient.apex - 3.5 * size)) + 0.3 * lift
        behind = 0.45 * patient.depth

        def tube(points: list, radii: list, inside: int, border: int, side: int = side) -> tuple:
            curve, radius = _smooth(np.array(points, float) * (side, 1, 1), np.array(radii, float))
            return curve, radius, inside, border

        # the clavicle: medial end 4 to 5 cm below the top of the lung, 2.4 cm beside the midline
        medial, medial_z = 2.3 * size, patient.apex - 4.6 * size + 0.4 * lift
        lateral, lateral_z = arm_x - 1.0 * size, joint + 2.7 * size
        front = -0.62 * patient.depth
        ways = (
            (0.0, 0.0, 0.0),
            (0.12, 0.05, 0.0),
            (0.38, 0.36, -0.05),
            (0.68, 0.80, 0.2),
            (0.88, 0.97, 0.6),
            (1, 1, 0.8),
        )
        points = [
            (medial + t * (lateral - medial), front + deep * patient.depth, medial_z + rise * (lateral_z - medial_z))
            for t, rise, deep in ways
        ]
        radii = [1.0 * thick, 0.85 * thick, 0.58 * thick, 0.60 * thick, 0.78 * thick, 0.7 * thick]
        tubes = [tube(points, radii, 50, 82)]
        # the shoulder blade: glenoid beside the head of the arm, lower angle at the level of the 7th rib
        glenoid = arm_x - 2.3 * size
        inner = patient.width * ((0.80 if view == "PA" else 0.55) + 0.22 * turned)
        inner = min(inner, glenoid - 4.5 * size)
        lower_x, lower_z = inner + 1.2 * size, patient.apex - 15.0 * size + lift
        upper = joint + 2.2 * size
        blade = [
            (inner + 1.4 * size, upper + 0.3 * size),
            (inner + 0.1 * size, upper - 2.5 * size),
            (inner + 0.2 * size, joint - 6 * size),
            (lower_x - 0.4 * size, lower_z),
            (lower_x + 0.6 * size, lower_z + 0.3 * size),
            (glenoid - 1.5 * size, joint - 4.0 * size),
            (glenoid, joint - 1.9 * size),
            (glenoid + 0.1 * size, joint + 1.6 * size),
            (glenoid - 2.0 * size, upper - 0.2 * size),
        ]
        corners = np.array([(side * x, behind, z) for x, z in blade])
        lateral_border = [
            (lower_x + 0.3 * size, behind, lower_z + 0.5 * size),
            (glenoid - 2.4 * size, behind, joint - 5.2 * size),
            (glenoid - 0.9 * size, behind, joint - 2.6 * size),
            (glenoid - 0.2 * size, behind, joint - 0.2 * size),
        ]
        tubes.append(tube(lateral_border, [0.35 * size, 0.42 * size, 0.6 * size, 1.0 * size], 24, 44))
        spine = [
            (inner + 0.6 * size, behind + 1, joint + 0.2 * size),
            (glenoid - 2.5 * size, behind + 2, joint + 1.9 * size),
            (glenoid + 0.8 * size, behind, joint + 2.9 * size),
            (arm_x + 1.2 * size, 0.5, joint + 2.6 * size),
        ]
        tubes.append(tube(spine, [0.25 * size, 0.4 * size, 0.55 * size, 0.75 * size], 20, 44))
        coracoid = [(glenoid - 1.6 * size, 0.0, joint + 1.6 * size), (glenoid - 0.6 * size, -2.0, joint + 1.1 * size)]
        tubes.append(tube(coracoid, [0.7 * size, 0.65 * size], 26, 46))
        # the arm: a round head, and a shaft with a cortex on either side
        fall = [0.0, 1.2, 2.4, 3.6, 5.5, 9.0, 14.0, 24.0]
        start = joint + 2.3 * size
        arm = [(arm_x - 0.3 * size + arm_slope * max(f - 2, 0) * size, 1.0, start - f * size) for f in fall]
        tubes.append(
            tube(
                arm,
                [0.9 * size, 2.0 * size, 2.3 * size, 2.0 * size, 1.4 * size, 1.2 * size, 1.1 * size, 1.1 * size],
                48,
                92,
            )
        )
        shapes.append((corners, tubes))
    return shapes
