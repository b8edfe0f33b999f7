"""Ribs, spine, clavicles, scapulae and arms: what they add to the attenuation along each ray.

The chest wall is crossed twice, behind and in front, and at each crossing the rib
cage is a pattern on the wall: rows of ribs that fall towards the front. So one
formula gives the posterior ribs, nearly level, the anterior ones, steep, and the
dense line where a ray runs along the wall.
"""

from math import sin

import cv2
import numpy as np

from cxrlib.phantom.body.chest import Cavity
from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.materials import BONE, SOFT
from cxrlib.phantom.physics.rays import Geometry, Rays


def bones(rays: Rays, patient: Patient, geometry: Geometry, inner: Cavity, outer: Cavity) -> np.ndarray:
    """Return the attenuation (H, W) that the bones add to the soft tissue in their place."""
    added = _ribs(rays, patient, inner, outer)
    added += _spine(rays, patient)
    added += _shoulders(rays, patient, geometry)
    return added


def _ribs(rays: Rays, patient: Patient, inner: Cavity, outer: Cavity) -> np.ndarray:
    top = patient.apex - 0.3
    total = np.zeros_like(rays.x0)
    crossings = (
        (np.maximum(outer.back - inner.back, 0), (inner.back + outer.back) / 2, 1.0),
        (np.maximum(inner.front - outer.front, 0), (inner.front + outer.front) / 2, 0.8),
    )
    for way, y, mineral in crossings:
        x, z = rays.at(y)
        fall = np.float32(patient.slope) * (np.float32(patient.depth) - y)
        row = (np.float32(top) - z - fall) / np.float32(patient.spacing)
        off = row - np.floor(row) - np.float32(0.5)
        flat = np.clip(1 - (off / np.float32(0.25)) ** 2, 0, 1)
        rib = np.sqrt(flat) * np.float32(0.7) + np.float32(0.55) * flat * (1 - flat) * 4 * np.float32(0.6)
        rib = np.where((row > 0) & (row < 9.8), rib * np.clip((11 - row) / 4, 0, 1), 0)
        if mineral < 1:  # towards the sternum the ribs are cartilage, which hardly shows
            edge = np.abs(x) / np.float32(0.48 * patient.width) - 1
            rib = rib * np.clip(edge * 3, 0, 1) * np.clip(8 - row, 0, 1)
        total += rib * np.minimum(way, 2) * rays.length * np.float32(mineral)
    return total * np.float32(0.62 * patient.bone * (BONE - SOFT))


def _spine(rays: Rays, patient: Patient) -> np.ndarray:
    """Return vertebral bodies with discs between them, arches behind and the sternum in front."""
    rng = patient.rng("spine")
    y, period = 0.72 * patient.depth, 0.98 * patient.spacing
    bend, tilt = rng.normal(0, 0.35), rng.normal(0, 0.02)
    x, z = rays.at(np.float32(y))
    up = z / np.float32(12)
    x = x - np.float32(bend) * (1 - up * up) - np.float32(tilt) * z
    wide = np.float32(1.75 * patient.width / 13.5) * (np.float32(1.08) - np.float32(0.16) * up)
    body = np.sqrt(np.clip(1 - (x / wide) ** 2, 0, 1)) * np.float32(3.2)
    row = z / np.float32(period) + np.float32(rng.random())
    row = row - np.floor(row)
    disc = np.clip(np.abs(row - np.float32(0.5)) * np.float32(10) - np.float32(3.6), 0, 1)  # 1 in the disc
    spinous = np.clip(1 - (x / np.float32(0.35)) ** 2, 0, 1) * np.clip(1 - ((row - np.float32(0.6)) / 0.25) ** 2, 0, 1)
    away = (np.abs(x) - np.float32(0.95)) / np.float32(0.32)
    pedicle = np.clip(1 - away * away - ((row - np.float32(0.35)) / np.float32(0.16)) ** 2, 0, 1)
    across = np.clip(1 - ((row - np.float32(0.42)) / 0.2) ** 2, 0, 1) * np.clip(3.3 - np.abs(x), 0, 1)
    mineral = body * (1 - np.float32(0.85) * disc) + 1.2 * spinous + 1.4 * np.sqrt(pedicle) + np.float32(0.5) * across
    added = mineral * np.float32(0.04 * patient.bone * (BONE - SOFT))
    plate = np.clip((np.float32(patient.apex - 4) - z) * 2, 0, 1) * np.clip((z + 6) * 2, 0, 1)
    added += np.clip((np.float32(1.6) - np.abs(x)) * 3, 0, 1) * plate * np.float32(0.25 * 0.3 * (BONE - SOFT))
    return added


def _shoulders(rays: Rays, patient: Patient, geometry: Geometry) -> np.ndarray:
    """Return clavicles, scapulae and the heads of the arms, drawn where they fall on the detector."""
    rng, now = patient.rng("shoulders"), patient.rng("shoulders", stays=False)
    wide, top, front = patient.width, patient.apex - 1.0, -0.62 * patient.depth
    slope = rng.normal(0.10, 0.06) + now.normal(0, 0.05)
    reach, bend = arm_place(patient)
    out = rng.uniform(0.2, 3.2) - (0 if geometry.view == "PA" else 2.8)  # arms forward turn the blades outwards
    tubes, plates = [], []  # (points, radius, thickness of bone)
    for side in (-1, 1):
        lift = now.normal(0, 0.4)
        t = np.linspace(0, 1, 24)
        x = 1.6 + t * (wide + patient.muscle - 1.0)
        z = top - 1.4 + slope * x + 0.7 * np.array([sin(6.28 * v) for v in t]) + lift
        tubes.append((np.stack([side * x, front + 0.5 * x, z], -1), 0.58 + 0.18 * (2 * t - 1) ** 2, 1.1))
        blade = np.array([(9.0, 8.6), (8.2, 3.5), (10.2, -2.2), (11.4, -1.4), (13.5, 6.2), (15.5, 8.4), (12, 8.6)])
        blade = blade * (wide / 13.5) + (out, patient.apex - 11.0 + lift)
        corners = np.column_stack([side * blade[:, 0], np.full(len(blade), 0.75 * patient.depth), blade[:, 1]])
        plates.append(corners)
        tubes.append((corners[1:5], np.full(4, 0.32), 0.5))
        head = np.array([[side * reach, 1.0, patient.apex - 5.0 + lift]])
        tubes.append((np.concatenate([head, head + np.array([side * 14.0 * bend, 0, -14.0])]), np.full(2, 1.1), 1.0))
        tubes.append((np.concatenate([head, head + 0.01]), np.full(2, 2.1), 1.6))
    size = rays.x0.shape[0]
    finer = max(1, 384 // size)
    canvas, scale = np.zeros((2, size * finer, size * finer), np.uint8), size * finer / geometry.field
    for corners in plates:
        cv2.fillPoly(canvas[0], [np.rint(geometry.project(corners) * scale * 16).astype(np.int32)], 30, cv2.LINE_8, 4)
    for share, height in ((1.0, 55), (0.8, 80), (0.5, 100)):  # round: thickest along the middle, in steps
        for points, radius, thick in tubes:
            places = np.rint(geometry.project(points) * scale * 16).astype(np.int32)
            for start, stop, r in zip(places[:-1], places[1:], radius[:-1], strict=True):
                width = max(1, round(2 * r * share * scale * geometry.magnification(float(points[0, 1]))))
                cv2.line(canvas[1], start, stop, round(thick * height), width, cv2.LINE_8, 4)
    bone = cv2.resize(cv2.add(canvas[0], canvas[1]).astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    return bone * np.float32(0.01 * 0.8 * patient.bone * (BONE - SOFT))


def heads(rays: Rays, patient: Patient) -> np.ndarray:
    """Return the way (H, W), in cm, through the soft tissue of the shoulders beside the trunk."""
    reach, bend = arm_place(patient)
    x, z = rays.at(np.float32(0))
    below = np.float32(patient.apex - 5.0) - z
    radius = np.float32(7.5 + 0.9 * patient.fat)
    middle = np.float32(reach) + np.float32(bend) * np.maximum(below, 0)
    over = np.minimum(below, 0)  # round at the top
    square = radius * radius - (np.abs(x) - middle) ** 2 - over * over
    inner = np.abs(x) < middle  # towards the trunk the shoulder is filled
    filled = (radius * radius - over * over) * np.clip((5 - below) / 6, 0, 1)
    square = np.where(inner, np.maximum(square, filled), square)
    return 2 * np.sqrt(np.maximum(square, 0))


def arm_place(patient: Patient) -> tuple[float, float]:
    """Return how far an arm's middle is from the midline at the shoulder, and how far it leaves for each cm down."""
    rng = patient.rng("arms", stays=False)
    return patient.width + 0.6 * patient.flank + 3.0, float(max(rng.normal(0.2, 0.25), -0.05))
