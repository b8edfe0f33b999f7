"""Ribs, spine, clavicles, scapulae and arms: what they add to the attenuation along each ray.

Each ray crosses the chest wall twice, behind and in front. The rib cage is a pattern on
the wall: rows of ribs that fall towards the front. One formula gives the posterior
ribs, which are nearly level, and the anterior ribs, which are steep. The formula also
gives the dense line where a ray runs along the wall.

Sizes are in cm. Sizes and densities are chosen by eye.
"""

from math import sin

import cv2
import numpy as np

from cxrlib.phantom.body.chest import Cavity
from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.body.trunk import place_arm
from cxrlib.phantom.physics.drawing import FRACTION_BITS, canvas_points, canvas_side, shrink
from cxrlib.phantom.physics.materials import BONE, SOFT
from cxrlib.phantom.physics.rays import Geometry, Rays

RIB_MINERAL, SPINE_MINERAL, SHOULDER_MINERAL = 0.62, 0.04, 0.8
"""Fractions of a bone's thickness that count as cortical bone; the rest counts as soft tissue."""

STERNUM = 0.25 * 0.3  # cm of cortical bone along a ray


def bone_attenuation(rays: Rays, patient: Patient, geometry: Geometry, inner: Cavity, outer: Cavity) -> np.ndarray:
    """Return what the bones add (H, W) to the -ln T of the soft tissue in their place.

    Parameters
    ----------
    rays : Rays
    patient : Patient
    geometry : Geometry
        The geometry that the rays were cast with.
    inner, outer : Cavity
        The inner and the outer surface of the rib cage along the rays.
    """
    added = _ribs(rays, patient, inner, outer)
    added += _spine(rays, patient)
    added += _shoulders(patient, geometry, rays.x0.shape[0])
    return added


def _ribs(rays: Rays, patient: Patient, inner: Cavity, outer: Cavity) -> np.ndarray:
    first = patient.apex - 0.3  # height at which the first rib begins, behind
    total = np.zeros_like(rays.x0)
    crossings = (  # whether in front, thickness of the wall in y, its middle, mineral over that of a posterior rib
        (False, np.maximum(outer.back - inner.back, 0), (inner.back + outer.back) / 2, 1.0),
        (True, np.maximum(inner.front - outer.front, 0), (inner.front + outer.front) / 2, 0.8),
    )
    for is_anterior, wall, y, mineral in crossings:
        x, z = rays.at_depth(y)
        fall = patient.rib_slope * (patient.depth - y)
        row = (first - z - fall) / patient.rib_spacing  # counts the ribs from the top
        off = row - np.floor(row) - 0.5
        flat = np.clip(1 - (off / 0.25) ** 2, 0, 1)  # a rib is half as high as the ribs are apart
        rib = np.sqrt(flat) * 0.7 + 0.55 * flat * (1 - flat) * 4 * 0.6  # denser near its borders
        rib = np.where((row > 0) & (row < 9.8), rib * np.clip((11 - row) / 4, 0, 1), 0)  # the lowest ribs are faint
        if is_anterior:  # towards the sternum the ribs are cartilage, which hardly shows
            edge = np.abs(x) / (0.48 * patient.width) - 1
            rib = rib * np.clip(edge * 3, 0, 1) * np.clip(8 - row, 0, 1)
        total += rib * np.minimum(wall, 2) * rays.length * mineral  # 2 cm: no rib is longer along a ray
    return total * (RIB_MINERAL * patient.bone_density * (BONE - SOFT))


def _spine(rays: Rays, patient: Patient) -> np.ndarray:
    """Return what the vertebral bodies, the discs between them, the arches behind and the sternum add (H, W)."""
    rng = patient.rng("spine")
    bend, tilt = rng.normal(0, 0.35), rng.normal(0, 0.02)  # no spine is quite straight
    x, z = rays.at_depth(0.72 * patient.depth)
    up = z / 12
    x = x - bend * (1 - up * up) - tilt * z
    width = 1.75 * patient.scale * (1.08 - 0.16 * up)  # narrower upwards
    body = np.sqrt(np.clip(1 - (x / width) ** 2, 0, 1)) * 3.2
    row = z / (0.98 * patient.rib_spacing) + rng.random()  # a vertebra for each rib
    row = row - np.floor(row)
    disc = np.clip(np.abs(row - 0.5) * 10 - 3.6, 0, 1)  # 1 in the disc
    spinous = np.clip(1 - (x / 0.35) ** 2, 0, 1) * np.clip(1 - ((row - 0.6) / 0.25) ** 2, 0, 1)
    away = (np.abs(x) - 0.95) / 0.32
    pedicle = np.clip(1 - away * away - ((row - 0.35) / 0.16) ** 2, 0, 1)
    transverse = np.clip(1 - ((row - 0.42) / 0.2) ** 2, 0, 1) * np.clip(3.3 - np.abs(x), 0, 1)
    mineral = body * (1 - 0.85 * disc) + 1.2 * spinous + 1.4 * np.sqrt(pedicle) + 0.5 * transverse
    added = mineral * (SPINE_MINERAL * patient.bone_density * (BONE - SOFT))
    # the sternum: from 4 cm below the apex to 6 cm below the middle of the chest
    plate = np.clip((patient.apex - 4 - z) * 2, 0, 1) * np.clip((z + 6) * 2, 0, 1)
    added += np.clip((1.6 - np.abs(x)) * 3, 0, 1) * plate * (STERNUM * (BONE - SOFT))
    return added


# corners of a shoulder blade, (x, z) in cm; x from the midline, z from 11 cm below the apex
BLADE = np.array([(9.0, 8.6), (8.2, 3.5), (10.2, -2.2), (11.4, -1.4), (13.5, 6.2), (15.5, 8.4), (12, 8.6)])


def _shoulders(patient: Patient, geometry: Geometry, size: int) -> np.ndarray:
    """Return what clavicles, scapulae and upper arms add (H, W), drawn where they fall on the detector."""
    blades, tubes = _shoulder_shapes(patient, geometry.view)
    side = canvas_side(size, 384)
    blade_canvas, tube_canvas = np.zeros((2, side, side), np.uint8)
    for corners in blades:
        cv2.fillPoly(blade_canvas, [canvas_points(geometry, corners, side)], 30, cv2.LINE_8, FRACTION_BITS)
    # a tube is thickest along its middle: three lines, each narrower and brighter than the one before
    for fraction, brightness in ((1.0, 55), (0.8, 80), (0.5, 100)):
        for points, radius, thickness in tubes:
            places = canvas_points(geometry, points, side)
            per_cm = side / geometry.field * geometry.magnification(float(points[0, 1]))
            for start, stop, r in zip(places[:-1], places[1:], radius[:-1], strict=True):
                width = max(1, round(2 * r * fraction * per_cm))
                cv2.line(tube_canvas, start, stop, round(thickness * brightness), width, cv2.LINE_8, FRACTION_BITS)
    drawn = shrink(cv2.add(blade_canvas, tube_canvas), size)
    return drawn * (0.01 * SHOULDER_MINERAL * patient.bone_density * (BONE - SOFT))  # a brightness of 100 is 1 cm


def _shoulder_shapes(
    patient: Patient, view: str
) -> tuple[list[np.ndarray], list[tuple[np.ndarray, np.ndarray, float]]]:
    """Return the shapes of both sides, in cm.

    Returns
    -------
    blades : list of ndarray, (7, 3)
        The corners of each shoulder blade.
    tubes : list of (points, radius, thickness)
        Points (N, 3) along a clavicle, the border of a blade, an arm, or the head of an arm; the
        radius (N,) at each; and the thickness of the bone.
    """
    patient_rng, visit_rng = patient.rng("shoulders"), patient.rng("shoulders", same_every_visit=False)
    clavicle_z, clavicle_y = patient.apex - 1.0, -0.62 * patient.depth
    slope = patient_rng.normal(0.10, 0.06) + visit_rng.normal(0, 0.05)
    # on a PA film the arms are brought forward, which turns the blades outwards
    out = patient_rng.uniform(0.2, 3.2) - (0 if view == "PA" else 2.8)
    blades, tubes = [], []
    for side in (-1, 1):
        arm_x, arm_slope = place_arm(patient, view, side)
        lift = visit_rng.normal(0, 0.4)
        t = np.linspace(0, 1, 24)
        x = 1.6 + t * (patient.width + patient.muscle - 1.0)
        wave = np.array([sin(6.28 * v) for v in t])  # NumPy's own sine differs between processors in its last bits
        z = clavicle_z - 1.4 + slope * x + 0.7 * wave + lift  # an S, thicker at its ends
        tubes.append((np.stack([side * x, clavicle_y + 0.5 * x, z], -1), 0.58 + 0.18 * (2 * t - 1) ** 2, 1.1))
        blade = BLADE * (patient.scale) + (out, patient.apex - 11.0 + lift)
        corners = np.column_stack([side * blade[:, 0], np.full(len(blade), 0.75 * patient.depth), blade[:, 1]])
        blades.append(corners)
        tubes.append((corners[1:5], np.full(4, 0.32), 0.5))  # the thick lateral border of the blade
        head = np.array([[side * arm_x, 1.0, patient.apex - 5.0 + lift]])
        shaft = np.concatenate([head, head + np.array([side * 14.0 * arm_slope, 0, -14.0])])
        tubes.append((shaft, np.full(2, 1.1), 1.0))
        tubes.append((np.concatenate([head, head + 0.01]), np.full(2, 2.1), 1.6))  # so short a line is drawn as a disc
    return blades, tubes
