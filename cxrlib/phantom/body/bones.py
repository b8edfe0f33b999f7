"""Ribs, spine, clavicles, scapulae and arms: what they add to the attenuation along each ray.

Each bone is a curve or an outline in space, projected onto a canvas and filled. A cortex is a
brighter line along its borders. Shapes that may cross (ribs behind and in front, the spine, the
shoulders) have a canvas each, so that they add up.

Lengths are in cm, for a man with `patient.scale` 1. Sizes and densities are chosen by eye, unless a
comment names a source.
"""

from dataclasses import dataclass
from itertools import groupby
from math import cos, pi, sin

import cv2
import numpy as np

from cxrlib.phantom.body.chest import wall_at
from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.body.trunk import place_arm, shoulder_line
from cxrlib.phantom.physics.drawing import FRACTION_BITS, band, canvas_points, canvas_side, differences, shrink
from cxrlib.phantom.physics.materials import BONE, SOFT
from cxrlib.phantom.physics.rays import Geometry

RIBS = 12  # pairs

MINERAL = 0.01
"""Centimetres of cortical bone for each gray level of a canvas; the rest of a bone counts as soft tissue."""

WALL = 0.35
"""Centimetres from the inner wall of the chest to the middle of a rib."""

STEPS = 24
"""Points along a rib: angles around the chest, from the spine behind to the sternum in front."""
ROUND = np.array([(sin(pi * step / STEPS), cos(pi * step / STEPS)) for step in range(STEPS + 1)], np.float32)

SIDES = np.array([(-1, 1, 1), (1, 1, 1)])[:, None, None]
"""Factors (2, 1, 1, 3) that mirror points of the patient's left to the right, and that leave them on the left."""

RING = np.array([(cos(pi * step / 5), sin(pi * step / 5)) for step in range(10)])

# gray levels: inside, and along the border
POSTERIOR, ANTERIOR = (48.0, 92.0), (24.0, 42.0)
WALL_LINES = ((0.8, 10), (0.6, 20), (0.4, 30), (0.2, 36))  # radius in cm, gray level
BODY, PEDICLE, TRANSVERSE, MANUBRIUM = (30.0, 60.0), (55.0, 75.0), 22.0, (10.0, 20.0)
CALCIFIED = (5.0, 13.0)
CLAVICLE, ARM = (85.0, 130.0), (75.0, 130.0)
BLADE, BLADE_BORDER, BLADE_SPINE, CORACOID = (14.0, 24.0), (38.0, 66.0), (22.0, 50.0), (22.0, 28.0)

UPPER_ACROSS, UPPER_ALONG = (0.62, 0.80, 0.92, 0.98), (0.70, 0.84, 0.94, 1.0)
"""Width and length of the upper ribs over those of the wall there: the first reaches 7 cm from the midline."""

FLOATING = np.ones((RIBS, STEPS + 1))
"""Width of each rib at its points: ribs 11 and 12 end in a point."""
FLOATING[10, :10] = np.sqrt(np.minimum(np.linspace(10, 0, 10), 1))
FLOATING[11, :7] = np.sqrt(np.minimum(np.linspace(7, 0, 7), 1))

CARTILAGE = (2.6, 4.2, 5.4, 6.4, 7.6, 9.0, 10.4, 11.4, 12.0, 12.6)
"""How far from the midline the bone of each rib ends in front. Ribs 11 and 12 have no end in front."""


@dataclass(frozen=True)
class Shapes:
    """Parts of bones that look alike, to be filled and outlined in one call.

    Attributes
    ----------
    layer : int
        Shapes of different layers add up. In one layer, the later ones cover the earlier ones.
    points : ndarray, (M, N, 3), cm
        M outlines of N points each.
    inside, border : float
        Gray levels. A border of 0 is not drawn.
    closed : bool
        Whether an outline is drawn all around. Else the first and the second half of its points are two lines.
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
    side = canvas_side(size, max(256, 2 * size))
    trim = 0.5 * geometry.field / side  # OpenCV fills a polygon with its outline, half a pixel wider on every side
    ribs = rib_curves(patient)
    shapes = [
        *_ribs(patient, ribs, trim),
        *_wall_lines(patient, ribs, trim),
        *_spine(patient),
        *_manubrium(patient),
        *_shoulders(patient, geometry.view, trim),
    ]
    shapes.sort(key=lambda shape: shape.layer)
    places = canvas_points(geometry, np.concatenate([shape.points.reshape(-1, 3) for shape in shapes]), side)
    pixels = side / 512  # width of a border: about 0.08 cm; OpenCV draws 0.9 or 3.5 pixels; the gray makes up for it
    width, strength = (1, pixels) if pixels < 2 else (2, pixels / 3.9)
    total, start = np.zeros((side, side), np.uint8), 0
    for _, layer in groupby(shapes, key=lambda shape: shape.layer):
        canvas = np.zeros((side, side), np.uint8)
        for shape in layer:
            count, length, _ = shape.points.shape
            outlines = list(places[start : start + count * length].reshape(count, length, 2))
            start += count * length
            cv2.fillPoly(canvas, outlines, shape.inside, cv2.LINE_8, FRACTION_BITS)
            if shape.border:
                half = length // 2
                lines = outlines if shape.closed else [part for line in outlines for part in (line[:half], line[half:])]
                gray = shape.inside + strength * (shape.border - shape.inside)
                cv2.polylines(canvas, lines, shape.closed, gray, width, cv2.LINE_8, FRACTION_BITS)
        cv2.add(total, canvas, dst=total)
    return shrink(total, size) * (MINERAL * patient.bone_density * (BONE - SOFT))


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


def _ribs(patient: Patient, curves: np.ndarray, trim: float) -> list[Shapes]:
    """Return the ribs behind (layer 0) and in front (layer 1), and what is calcified of their cartilage."""
    rng, size, middle = patient.rng("ribs"), patient.scale, STEPS // 2
    bright = rng.uniform(0.9, 1.1, RIBS) * np.clip(2.2 - 0.15 * np.arange(RIBS), 0.5, 1)  # the lowest are thin
    calcified = rng.random((RIBS, 2, STEPS // 2)) < 0.012 * max(patient.age - 35, 0)
    dx, dz = differences(curves[..., 0]), differences(curves[..., 2])
    level = np.abs(dx) / np.sqrt(dx * dx + dz * dz)  # at the side a rib is seen from its edge, which is thinner
    both = curves * SIDES + (patient.middle, 0, 0)
    behind = band(both, (0.20 + 0.31 * level) * FLOATING * size, trim)
    cartilage = np.array((*CARTILAGE, 0, 0))[:, None] * size
    ends = np.clip((curves[..., 0] - cartilage) / size + 0.1, 0.1, 1)  # in front, a rib narrows to its end
    in_front = band(both, (0.20 + 0.44 * level) * np.sqrt(ends) * size, trim)
    stops = middle + (curves[:, middle:, 0] > cartilage).sum(axis=1)
    shapes = []
    for number, (light, stop) in enumerate(zip(bright.tolist(), stops.tolist(), strict=True)):
        inside, border = POSTERIOR[0] * light, POSTERIOR[1] * light
        rear, front = behind[:, number], in_front[:, number]
        if number < len(CARTILAGE):
            nearer = 1.5 if number < 2 else 1.0  # the first two are seen from their broad side
            shapes += [  # towards the front it fades
                Shapes(0, _part(rear, 1, middle - 1), inside, border),
                Shapes(0, _part(rear, middle - 2, middle + 1), 0.85 * inside, 0.85 * border),
                Shapes(0, _part(rear, middle, middle + 3), 0.6 * inside, 0.6 * border),
                Shapes(1, _part(front, middle + 2, max(stop, middle + 4)), ANTERIOR[0] * light * nearer, ANTERIOR[1]),
            ]
        else:
            shapes.append(Shapes(0, _part(rear, 1, (10, 7)[number - len(CARTILAGE)]), inside, border))
        sides, places = np.nonzero(calcified[number, :, stop - middle :])
        if number < 9 and len(sides):
            at = places + stop
            corners = np.stack([at - 1, at, -at - 1, -at], axis=-1)
            shapes.append(Shapes(1, front[sides[:, None], corners], *CALCIFIED))
    return shapes


def _part(outlines: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return the outlines (..., N, 3) of bands from one of their points to before another one."""
    length = outlines.shape[-2]
    return np.concatenate([outlines[..., start:stop, :], outlines[..., length - stop : length - start, :]], axis=-2)


def _wall_lines(patient: Patient, ribs: np.ndarray, trim: float) -> list[Shapes]:
    """Return the white line at each side (layer 2): rays along the wall cross one rib after the other."""
    z = np.linspace(patient.base - 5, float(ribs[1, STEPS // 2, 2]), 20, dtype=np.float32)
    ends = np.minimum(np.linspace(0, 8, 20), 1) * np.minimum(np.linspace(4, 0, 20), 1)  # it is narrow at both ends
    wall = wall_at(patient, z, beyond=0.35 * patient.scale)
    line = np.stack([wall.width, wall.middle_y, z], axis=-1).astype(float)
    radii, grays = np.array(WALL_LINES).T
    bands = band(line, radii[:, None] * patient.scale * ends, trim)
    return [
        Shapes(2, outline * SIDES[:, 0] + (patient.middle, 0, 0), gray)
        for outline, gray in zip(bands, grays.tolist(), strict=True)
    ]


def _spine(patient: Patient) -> list[Shapes]:
    """Return vertebral bodies with pedicles and spinous processes (layer 2), and transverse processes (layer 4)."""
    rng, size = patient.rng("spine"), patient.scale
    bend, tilt = rng.normal(0, 0.35), rng.normal(0, 0.02)  # no spine is quite straight
    depth, height = 0.80 * patient.depth, 0.98 * patient.rib_spacing
    # a rib meets the upper border of its vertebra
    z = patient.apex - 0.3 * size - (0.75 + np.arange(-5, 15)) * height
    up = np.clip(z / (14 * size), -1.3, 1.3)
    x, wide, tall = bend * (1 - up * up) + tilt * z, size * (1.75 - 0.28 * up), 0.40 * height
    aside = rng.normal(0, 0.08, len(z))
    body = np.array([(1, 1), (0.98, 0.8), (0.92, 0.0), (0.98, -0.8), (1, -1)])  # the sides are hollow
    body = np.concatenate([body, body[::-1] * (-1, 1)])
    bodies = _around(x, z, wide[:, None] * body[:, 0], tall * body[:, 1], depth)
    oval = RING * (0.26 * size, 0.44 * size)
    pedicles = [_around(x + sign * 0.62 * wide, z + 0.35 * tall, oval[:, 0], oval[:, 1], depth + 2) for sign in (-1, 1)]
    oval = RING * (0.22 * size, 0.55 * size)
    spines = _around(x + aside, z - 0.9 * tall, oval[:, 0], oval[:, 1], depth + 3)
    stub = np.array([(-0.7, 0.1), (0.6, 0.5), (0.6, 1.1), (-0.7, 0.8)]) * (size, tall)
    stubs = [_around(x + sign * (wide + 0.6 * size), z, sign * stub[:, 0], stub[:, 1], depth + 1.5) for sign in (-1, 1)]
    return [
        Shapes(2, bodies, *BODY, closed=True),
        Shapes(2, np.concatenate([*pedicles, spines]), *PEDICLE, closed=True),
        Shapes(4, np.concatenate(stubs), TRANSVERSE),
    ]


def _around(x: np.ndarray, z: np.ndarray, across: np.ndarray, up: np.ndarray, depth: float) -> np.ndarray:
    """Return outlines (M, N, 3) around M points (x, z), at one depth; `across` and `up` are (N,) or (M, N)."""
    points = np.empty((len(x), across.shape[-1], 3))
    points[..., 0], points[..., 1], points[..., 2] = x[:, None] + across, depth, z[:, None] + up
    return points


def _flat(outlines: list[list[tuple[float, float]]], depth: float) -> np.ndarray:
    """Return M outlines of N corners (x, z) as points (M, N, 3) at one depth."""
    return np.array([[(x, depth, z) for x, z in corners] for corners in outlines])


def _manubrium(patient: Patient) -> list[Shapes]:
    """Return the upper part of the sternum (layer 3): 5 cm high, wider above."""
    size = patient.scale
    top = patient.apex - 4.8 * size
    half = (0.5, -0.4), (2.4, 0.0), (2.8, -1.0), (1.5, -3.2), (1.4, -5.0)
    right = [(-x * size, top + z * size) for x, z in half]
    left = [(x * size, top + z * size) for x, z in half]
    return [Shapes(3, _flat([right[::-1] + left], -0.6 * patient.depth), *MANUBRIUM, closed=True)]


def _smooth(values: np.ndarray) -> np.ndarray:
    """Return finer curves (..., 6 N - 5, K) through the points of curves (..., N, K), by Catmull and Rom."""
    first, last = values[..., :1, :], values[..., -1:, :]
    padded = np.concatenate([2 * first - values[..., 1:2, :], values, 2 * last - values[..., -2:-1, :]], axis=-2)
    a, b, c, d = (padded[..., start : start + values.shape[-2] - 1, None, :] for start in range(4))
    t = np.arange(6)[:, None] / 6
    finer = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return np.concatenate([finer.reshape(*values.shape[:-2], -1, values.shape[-1]), last], axis=-2)


def _shoulders(patient: Patient, view: str, trim: float) -> list[Shapes]:
    """Return shoulder blades (layers 3 to 5), clavicles (6), and upper arms (7)."""
    size = patient.scale
    patient_rng, visit_rng = patient.rng("shoulders"), patient.rng("shoulders", same_every_visit=False)
    high, slope = shoulder_line(patient)
    turned = patient_rng.uniform(0.0, 1.0)  # how far the blades are turned out of the lungs
    thick = patient_rng.uniform(0.85, 1.15) * size
    front, behind = -0.62 * patient.depth, 0.45 * patient.depth
    blades, sides = [], []
    for side in (-1, 1):
        arm_x, arm_slope = place_arm(patient, view, side)
        lift = visit_rng.normal(0, 0.4) * size
        line = patient.apex + high * size - slope * (arm_x - 5 * size)  # of the skin above the joint
        joint = min(max(line - 3.7 * size, patient.apex - 6.5 * size), patient.apex - 1.5 * size) + 0.3 * lift
        # the clavicle: medial end 4 cm below the top of the lung, 2.3 cm beside the midline
        medial, medial_z = 2.3 * size, patient.apex - 4.2 * size + 0.4 * lift
        out, up = arm_x - 1.0 * size - medial, joint + 3.4 * size - medial_z
        clavicle = [
            (medial + t * out, front + deep * patient.depth, medial_z + rise * up, radius * thick)
            for t, deep, rise, radius in (
                (0.0, 0.0, 0.0, 0.6),
                (0.12, 0.0, 0.05, 0.95),
                (0.38, -0.05, 0.36, 0.58),
                (0.68, 0.2, 0.8, 0.6),
                (0.88, 0.6, 0.97, 0.78),
                (1.0, 0.8, 1.0, 0.4),
            )
        ]
        # the shoulder blade: glenoid beside the head of the arm, lower angle at the level of the 7th rib
        glenoid = arm_x - 2.3 * size
        inner = min(patient.width * ((0.80 if view == "PA" else 0.55) + 0.22 * turned), glenoid - 4.5 * size)
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
        blades.append([(side * x, z) for x, z in blade])
        border = [
            (lower_x + 0.3 * size, behind, lower_z + 0.5 * size, 0.35 * size),
            (glenoid - 2.4 * size, behind, joint - 5.2 * size, 0.42 * size),
            (glenoid - 0.9 * size, behind, joint - 2.6 * size, 0.6 * size),
            (glenoid - 0.2 * size, behind, joint - 0.2 * size, 1.0 * size),
        ]
        spine = [
            (inner + 0.6 * size, behind + 1, joint + 0.2 * size, 0.25 * size),
            (glenoid - 2.5 * size, behind + 2, joint + 1.9 * size, 0.4 * size),
            (glenoid + 0.8 * size, behind, joint + 2.9 * size, 0.55 * size),
            (arm_x + 1.2 * size, 0.5, joint + 2.6 * size, 0.75 * size),
        ]
        coracoid = [
            (glenoid - 1.6 * size, 0.0, joint + 1.6 * size, 0.7 * size),
            (glenoid - 0.6 * size, -2.0, joint + 1.1 * size, 0.65 * size),
        ]
        # the arm: a round head, and a shaft with a cortex on either side
        start, radii = joint + 2.3 * size, (0.9, 2.0, 2.3, 2.0, 1.4, 1.2, 1.1, 1.1)
        arm = [
            (arm_x - 0.3 * size + arm_slope * max(fall - 2, 0) * size, 1.0, start - fall * size, radius * size)
            for fall, radius in zip((0.0, 1.2, 2.4, 3.6, 5.5, 9.0, 16.0, 32.0), radii, strict=True)
        ]
        sides.append((border, spine, clavicle, coracoid, arm))
    shapes = [Shapes(3, _flat(blades, behind), *BLADE, closed=True)]
    looks = (4, BLADE_BORDER), (5, BLADE_SPINE), (6, CLAVICLE), (7, CORACOID), (7, ARM)
    for (layer, grays), tubes in zip(looks, zip(*sides, strict=True), strict=True):
        curves = _smooth(np.array(tubes))
        outlines = band(curves[..., :3], np.maximum(curves[..., 3], 0.05), trim)
        shapes.append(Shapes(layer, outlines * SIDES[:, 0], *grays))
    return shapes
