"""Ribs, spine, clavicles, scapulae and arms: what they add to the attenuation along each ray.

Each bone is a curve or an outline in space, projected onto a canvas and filled. A cortex is a
brighter line along its borders. Shapes that may cross (ribs behind and in front, the spine, the
shoulders) have a canvas each, so that they add up.

Lengths are in cm, for a man with `patient.scale` 1. Sizes and densities are chosen by eye, unless a
comment names a source.
"""

from dataclasses import dataclass
from math import cos, pi, sin

import cv2
import numpy as np

from cxrlib.phantom.body.chest import wall_at
from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.body.trunk import place_arm, shoulder_line
from cxrlib.phantom.physics.drawing import FRACTION_BITS, canvas_points, canvas_side, shrink
from cxrlib.phantom.physics.materials import BONE, SOFT
from cxrlib.phantom.physics.rays import Geometry

RIBS = 12  # pairs

MINERAL = 0.01
"""Centimetres of cortical bone for each gray level of a canvas; the rest of a bone counts as soft tissue."""

WALL = 0.45
"""Centimetres from the inner wall of the chest to the middle of a rib."""

STEPS = 24
"""Points along a rib: angles around the chest, from the spine behind to the sternum in front."""
ROUND = np.array([(sin(pi * step / STEPS), cos(pi * step / STEPS)) for step in range(STEPS + 1)], np.float32)

RING = [(cos(pi * step / 5), sin(pi * step / 5)) for step in range(10)]

# gray levels: inside, and along the border
POSTERIOR, ANTERIOR = (52.0, 110.0), (24.0, 48.0)
WALL_LINES = ((0.75, 12), (0.5, 24), (0.28, 34))  # radius in cm, gray level
BODY, PEDICLE, TRANSVERSE, MANUBRIUM = (30.0, 52.0), (48.0, 72.0), 18.0, (10.0, 20.0)
CLAVICLE, ARM = (60.0, 100.0), (50.0, 100.0)
BLADE, BLADE_BORDER, BLADE_SPINE = (14.0, 24.0), (26.0, 50.0), (22.0, 50.0)

UPPER_ACROSS, UPPER_ALONG = (0.62, 0.80, 0.92, 0.98), (0.70, 0.84, 0.94, 1.0)
"""Width and length of the upper ribs over those of the wall there: the first reaches 7 cm from the midline."""

CARTILAGE = (2.6, 4.2, 5.4, 6.4, 7.6, 9.0, 10.4, 11.4, 12.0, 12.6)
"""How far from the midline the bone of each rib ends in front. Ribs 11 and 12 have no end in front."""


@dataclass(frozen=True)
class Shape:
    """A part of a bone, to be filled and outlined.

    Attributes
    ----------
    layer : int
        Shapes of different layers add up. In one layer, the later shape covers the earlier one.
    points : ndarray, (N, 3), cm
    inside, border : float
        Gray levels. A border of 0 is not drawn.
    closed : bool
        Whether the outline is drawn all around. Else the first and the second half of the points are two lines.
    """

    layer: int
    points: np.ndarray
    inside: float
    border: float = 0.0
    closed: bool = False


def bone_attenuation(patient: Patient, geometry: Geometry, size: int) -> np.ndarray:
    """Return what the bones add (H, W) to the -ln T of the soft tissue in their place.

    Parameters
    ----------
    patient : Patient
    geometry : Geometry
    size : int, pixels
    """
    side = canvas_side(size, max(512, 2 * size))
    trim = 0.5 * geometry.field / side  # OpenCV fills a polygon with its outline, half a pixel wider on every side
    shapes = [
        *_ribs(patient, trim),
        *_wall_lines(patient, trim),
        *_spine(patient, trim),
        *_manubrium(patient),
        *_shoulders(patient, geometry.view, trim),
    ]
    places = canvas_points(geometry, np.concatenate([shape.points for shape in shapes]), side)
    outlines = np.split(places, np.cumsum([len(shape.points) for shape in shapes])[:-1])
    total = np.zeros((side, side), np.uint8)
    for layer in sorted({shape.layer for shape in shapes}):
        canvas = np.zeros((side, side), np.uint8)
        for shape, outline in zip(shapes, outlines, strict=True):
            if shape.layer != layer:
                continue
            if shape.inside:
                cv2.fillPoly(canvas, [outline], shape.inside, cv2.LINE_8, FRACTION_BITS)
            if shape.border:
                half = len(outline) // 2
                lines = [outline] if shape.closed else [outline[:half], outline[half:]]
                width = 1 if side < 1024 else 2
                cv2.polylines(canvas, lines, shape.closed, shape.border, width, cv2.LINE_8, FRACTION_BITS)
        cv2.add(total, canvas, dst=total)
    return shrink(total, size) * (MINERAL * patient.bone_density * (BONE - SOFT))


def band(curves: np.ndarray, radii: np.ndarray, trim: float) -> np.ndarray:
    """Return the outlines (..., 2 N, 3) of bands along curves (..., N, 3), as seen from the front.

    Parameters
    ----------
    curves : ndarray, (..., N, 3), cm
    radii : ndarray, (..., N), cm
        Half the width at each point.
    trim : float, cm
        What is taken off each radius.
    """
    x, z = curves[..., 0], curves[..., 2]
    dx, dz = _differences(x), _differences(z)
    out = np.maximum(radii - trim, 0.02) / (np.sqrt(dx * dx + dz * dz) + 1e-6)
    normal = np.stack([-dz * out, np.zeros_like(x), dx * out], axis=-1)
    return np.concatenate([curves + normal, (curves - normal)[..., ::-1, :]], axis=-2)


def _differences(values: np.ndarray) -> np.ndarray:
    """Return the difference (..., N) between the neighbours of each value, and at an end to its only neighbour."""
    steps = np.empty_like(values)
    steps[..., 1:-1] = values[..., 2:] - values[..., :-2]
    steps[..., 0] = values[..., 1] - values[..., 0]
    steps[..., -1] = values[..., -1] - values[..., -2]
    return steps


def rib_curves(patient: Patient) -> np.ndarray:
    """Return the middle of each rib on the patient's left: (12, 25, 3) in cm, from the spine to the sternum.

    A rib lies on the wall of the chest. It falls by `patient.rib_slope` for each cm towards the front. The neck
    of the first rib lies at the top of the lung.
    """
    first = patient.apex - 0.3 * patient.scale - np.arange(RIBS)[:, None] * patient.rib_spacing
    first = first.astype(np.float32)
    z = np.repeat(first, STEPS + 1, axis=1)
    for _ in range(3):  # height and wall depend on each other
        wall = wall_at(patient, z, beyond=WALL * patient.scale)
        y = wall.middle_y + wall.depth * ROUND[:, 1]
        z = first - np.float32(patient.rib_slope) * (y[:, :1] - y)
    curves = np.stack([wall.width * ROUND[:, 0], y, z], axis=-1).astype(float)
    for curve, across, along in zip(curves, UPPER_ACROSS, UPPER_ALONG, strict=False):
        curve[:, 0] *= across
        curve[:, 1:] = curve[0, 1:] + along * (curve[:, 1:] - curve[0, 1:])
    return curves


def _ribs(patient: Patient, trim: float) -> list[Shape]:
    """Return the ribs behind (layer 0) and in front (layer 1), and what is calcified of their cartilage."""
    rng, size, middle = patient.rng("ribs"), patient.scale, STEPS // 2
    curves = rib_curves(patient)
    bright = rng.uniform(0.9, 1.1, RIBS) * np.minimum(1, 1.9 - 0.1 * np.arange(RIBS))  # the lowest are thin
    calcified = rng.random((RIBS, 2, STEPS // 2)) < 0.012 * max(patient.age - 35, 0)
    dx, dz = _differences(curves[..., 0]), _differences(curves[..., 2])
    level = np.abs(dx) / np.sqrt(dx * dx + dz * dz)  # at the side a rib is seen from its edge, which is thinner
    shapes = []
    for i, side in enumerate((-1, 1)):
        both = curves * (side, 1, 1) + (patient.middle, 0, 0)
        behind = band(both, (0.30 + 0.25 * level) * size, trim)
        ends = np.clip((np.abs(both[..., 0]) - np.array((*CARTILAGE, 0, 0))[:, None] * size) / size + 0.1, 0.1, 1)
        in_front = band(both, (0.30 + 0.38 * level) * np.sqrt(ends) * size, trim)
        for number in range(RIBS):
            last = (middle + 1, middle - 2, middle - 5)[max(0, number - RIBS + 3)]
            shapes.append(Shape(0, _part(behind[number], 1, last), POSTERIOR[0] * bright[number], POSTERIOR[1]))
            if number >= len(CARTILAGE):
                continue
            end = middle + int((curves[number, middle:, 0] > CARTILAGE[number] * size).sum())
            bone = _part(in_front[number], middle, max(end, middle + 2))
            shapes.append(Shape(1, bone, ANTERIOR[0] * bright[number], ANTERIOR[1]))
            for piece in (np.flatnonzero(calcified[number, i]) + middle).tolist():
                if end <= piece < STEPS and number < 9:
                    line = _part(in_front[number], piece - 1, piece + 1)
                    shapes.append(Shape(1, line, 4.0, 22.0))
    return shapes


def _part(outline: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return the outline of a band from one of its points to before another one."""
    return np.concatenate([outline[start:stop], outline[len(outline) - stop : len(outline) - start]])


def _wall_lines(patient: Patient, trim: float) -> list[Shape]:
    """Return the white line at each side (layer 2): rays along the wall cross one rib after the other."""
    top = float(rib_curves(patient)[0, STEPS // 2, 2])
    z = np.linspace(patient.base - 5, top, 20, dtype=np.float32)
    ends = np.minimum(np.linspace(0, 8, 20), 1) * np.minimum(np.linspace(4, 0, 20), 1)  # it is narrow at both ends
    wall = wall_at(patient, z, beyond=0.35 * patient.scale)
    line = np.stack([wall.width, wall.middle_y, z], axis=-1).astype(float)
    shapes = []
    for side in (-1, 1):
        curve = line * (side, 1, 1) + (patient.middle, 0, 0)
        for radius, gray in WALL_LINES:
            shapes.append(Shape(2, band(curve, radius * patient.scale * ends, trim), gray))
    return shapes


def _spine(patient: Patient, trim: float) -> list[Shape]:
    """Return vertebral bodies with pedicles and spinous processes (layer 3), and transverse processes (layer 4)."""
    rng, size = patient.rng("spine"), patient.scale
    bend, tilt = rng.normal(0, 0.35), rng.normal(0, 0.02)  # no spine is quite straight
    depth, height = 0.80 * patient.depth, 0.98 * patient.rib_spacing
    shapes = []
    for number in range(-5, 15):
        # a rib meets the upper border of its vertebra
        z = patient.apex - 0.3 * size - 0.75 * height - number * height
        up = min(max(z / (14 * size), -1.3), 1.3)
        x, wide, tall = bend * (1 - up * up) + tilt * z, size * (1.75 - 0.28 * up), 0.40 * height
        for sign in (-1, 1):
            stub = (
                (0.8 * wide, 0.1 * tall),
                (wide + 1.3 * size, 0.5 * tall),
                (wide + 1.3 * size, 1.1 * tall),
                (0.8 * wide, 0.8 * tall),
            )
            shapes.append(Shape(4, _flat([(x + sign * a, z + b) for a, b in stub], depth + 1.5), TRANSVERSE))
        body = (1, 1), (0.98, 0.8), (0.92, 0.0), (0.98, -0.8), (1, -1)  # the sides are hollow
        right = [(x - a * wide, z + b * tall) for a, b in body]
        left = [(x + a * wide, z + b * tall) for a, b in body]
        shapes.append(Shape(3, _flat(right + left[::-1], depth), *BODY, closed=True))
        aside = rng.normal(0, 0.08)
        for middle, half in (
            ((x - 0.62 * wide, z + 0.35 * tall), (0.26 * size, 0.44 * size)),
            ((x + 0.62 * wide, z + 0.35 * tall), (0.26 * size, 0.44 * size)),
            ((x + aside, z - 0.9 * tall), (0.22 * size, 0.55 * size)),
        ):
            ring = [(middle[0] + half[0] * a, middle[1] + half[1] * b) for a, b in RING]
            shapes.append(Shape(3, _flat(ring, depth + 2), *PEDICLE, closed=True))
    return shapes


def _flat(corners: list[tuple[float, float]], depth: float) -> np.ndarray:
    """Return corners (x, z) as points (N, 3) at one depth."""
    return np.array([(x, depth, z) for x, z in corners])


def _manubrium(patient: Patient) -> list[Shape]:
    """Return the upper part of the sternum (layer 5): 5 cm high, wider above."""
    size = patient.scale
    top = patient.apex - 4.8 * size
    half = (0.5, -0.4), (2.4, 0.0), (2.8, -1.0), (1.5, -3.2), (1.4, -5.0)
    right = [(-x * size, top + z * size) for x, z in half]
    left = [(x * size, top + z * size) for x, z in half]
    return [Shape(5, _flat(right[::-1] + left, -0.6 * patient.depth), *MANUBRIUM, closed=True)]


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


def _shoulders(patient: Patient, view: str, trim: float) -> list[Shape]:
    """Return shoulder blades (layers 6 to 8), clavicles (9), and upper arms (10)."""
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
        joint = float(np.clip(line - 3.7 * size, patient.apex - 6.5 * size, patient.apex - 1.5 * size)) + 0.3 * lift
        behind = 0.45 * patient.depth

        def tube(layer: int, points: list, radii: list, grays: tuple[float, float], side: int = side) -> Shape:
            curve, radius = _smooth(np.array(points, float) * (side, 1, 1), np.array(radii, float))
            return Shape(layer, band(curve, radius, trim), *grays)

        # the clavicle: medial end 4 cm below the top of the lung, 2.4 cm beside the midline
        medial, medial_z = 2.3 * size, patient.apex - 4.2 * size + 0.4 * lift
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
        shapes.append(tube(9, points, radii, CLAVICLE))
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
        shapes.append(Shape(6, _flat([(side * x, z) for x, z in blade], behind), *BLADE, closed=True))
        lateral_border = [
            (lower_x + 0.3 * size, behind, lower_z + 0.5 * size),
            (glenoid - 2.4 * size, behind, joint - 5.2 * size),
            (glenoid - 0.9 * size, behind, joint - 2.6 * size),
            (glenoid - 0.2 * size, behind, joint - 0.2 * size),
        ]
        shapes.append(tube(7, lateral_border, [0.35 * size, 0.42 * size, 0.6 * size, 1.0 * size], BLADE_BORDER))
        spine = [
            (inner + 0.6 * size, behind + 1, joint + 0.2 * size),
            (glenoid - 2.5 * size, behind + 2, joint + 1.9 * size),
            (glenoid + 0.8 * size, behind, joint + 2.9 * size),
            (arm_x + 1.2 * size, 0.5, joint + 2.6 * size),
        ]
        shapes.append(tube(8, spine, [0.25 * size, 0.4 * size, 0.55 * size, 0.75 * size], BLADE_SPINE))
        coracoid = [(glenoid - 1.6 * size, 0.0, joint + 1.6 * size), (glenoid - 0.6 * size, -2.0, joint + 1.1 * size)]
        shapes.append(tube(10, coracoid, [0.7 * size, 0.65 * size], BLADE_SPINE))
        # the arm: a round head, and a shaft with a cortex on either side
        fall = [0.0, 1.2, 2.4, 3.6, 5.5, 9.0, 14.0, 24.0]
        start = joint + 2.3 * size
        arm = [(arm_x - 0.3 * size + arm_slope * max(f - 2, 0) * size, 1.0, start - f * size) for f in fall]
        shapes.append(
            tube(
                10,
                arm,
                [0.9 * size, 2.0 * size, 2.3 * size, 2.0 * size, 1.4 * size, 1.2 * size, 1.1 * size, 1.1 * size],
                ARM,
            )
        )
    return shapes
