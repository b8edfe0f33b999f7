"""What keeps effusions company and what is taken for one: in both classes, because specificity means nothing without.

Look-alikes are drawn with the patient (scars, thickened pleura, fat pads) or with
the film (consolidation, collapse, skin folds), whatever the label says.
"""

from dataclasses import replace
from math import cos, sin

import cv2
import numpy as np

from cxrlib.phantom.materials import FAT, SOFT
from cxrlib.phantom.patient import Patient
from cxrlib.phantom.rays import Geometry, Rays, ellipsoid, path
from cxrlib.phantom.vessels import grain

METAL = 2.5  # what a pacemaker adds to -ln T
DEVICES = ("leads", "tube", "line", "port", "pacemaker", "drain")


def with_company(patient: Patient) -> Patient:
    """Return the patient with what presses into, or lines, the pleural spaces besides fluid."""
    rng, now = patient.rng("company"), patient.rng("company", stays=False)
    peel = tuple(float(rng.uniform(0.3, 1.2)) if rng.random() < 0.12 else 0.0 for _ in range(2))
    pads = tuple(float(rng.uniform(1.2, 2.8)) if rng.random() < 0.20 else 0.0 for _ in range(2))
    domes = list(patient.domes)
    if now.random() < 0.12:  # part of a lung has collapsed, and its dome has come up
        domes[int(now.random() < 0.55)] += now.uniform(1.0, 3.0)
    return replace(patient, peel=peel, pads=pads, domes=tuple(map(float, domes)))


def opacities(rays: Rays, patient: Patient, lung: np.ndarray) -> np.ndarray:
    """Return how many cm (H, W) of the lung's way are airless: consolidation, collapse, scars, haze.

    Parameters
    ----------
    lung : ndarray, (H, W), cm
        Way through the lungs.
    """
    total = np.zeros_like(lung)
    size = lung.shape[0]
    x, z = rays.at(np.float32(0))
    for rng, most, chance in ((patient.rng("scars"), 0.25, 0.25), (patient.rng("patches", stays=False), 0.8, 0.30)):
        while rng.random() < chance:
            side = rng.choice([-1, 1])
            cx = side * rng.uniform(3.0, 0.85 * patient.width)
            cz = patient.base + 1 + (patient.apex - patient.base - 5) * rng.random() ** 1.6  # rather low in the lung
            patch = np.zeros_like(lung)
            for _ in range(rng.integers(2, 7)):
                px, pz = cx + rng.normal(0, 1.6), cz + rng.normal(0, 1.6)
                wide, high = rng.uniform(0.8, 3.2, 2)
                square = ((x - np.float32(px)) / np.float32(wide)) ** 2 + ((z - np.float32(pz)) / np.float32(high)) ** 2
                patch = np.maximum(patch, 1 / (1 + square * square * square))
            texture = np.clip(1 + np.float32(0.35) * grain(rng, size, coarsest=16, octaves=3), 0.2, 2)
            total += patch * texture * np.float32(rng.uniform(0.1, most)) * np.minimum(lung, 6)
    now = patient.rng("bands", stays=False)
    while now.random() < 0.3:  # discs of collapse: thin, dense, near the base
        side = now.choice([-1, 1])
        cx, cz = side * now.uniform(4, 10), patient.base + now.uniform(3.5, 9)
        turn, reach, thick = now.normal(0, 0.35), now.uniform(1.5, 4.5), now.uniform(0.15, 0.5)
        along = (x - np.float32(cx)) * cos(turn) + (z - np.float32(cz)) * sin(turn)
        off = (z - np.float32(cz)) * cos(turn) - (x - np.float32(cx)) * sin(turn)
        shape = np.clip(1 - (along / reach) ** 2, 0, 1) / (1 + (off / thick) ** 4)
        total += shape * np.float32(now.uniform(0.4, 2.0)) * np.clip(lung / 3, 0, 1)
    if now.random() < 0.25:  # a haze of water in the tissue, more towards the hila and the bases
        amount = now.gamma(1.5, 0.03)
        near = 1 / (1 + (x / 6) ** 2 + ((z - np.float32(patient.apex - 12)) / 8) ** 2)
        total += lung * np.float32(amount) * (0.4 + 1.2 * near)
    return np.minimum(total, np.float32(0.9) * lung)


def soft_parts(rays: Rays, patient: Patient) -> np.ndarray:
    """Return the attenuation (H, W) of breasts, folds of skin, and what lies on the plate's upper edge."""
    rng, now = patient.rng("soft parts"), patient.rng("soft parts", stays=False)
    added = np.zeros_like(rays.x0)
    front = -(patient.depth + patient.muscle + 0.7 * patient.fat)
    low = patient.base + rng.uniform(-3.0, 4.5)
    wide, high = rng.uniform(5.0, 7.5) + 0.4 * patient.fat, rng.uniform(4.0, 6.5) + 0.3 * patient.fat
    if patient.breast > 0.5:
        for side in (-1, 1):
            if rng.random() < 0.02:
                continue  # removed
            centre = (side * rng.normal(0.56, 0.03) * patient.width, front, low + high + rng.normal(0, 0.5))
            way = path(rays, ellipsoid(rays, centre, (wide, patient.breast, high))[1])
            added += np.float32(0.5 * (FAT + SOFT) / 2) * way
    x, z = rays.at(np.float32(0))
    while now.random() < 0.12:  # a fold: a step at one side of a line that fades on the other
        turn, at = now.uniform(-0.5, 0.5), now.uniform(-11, 11)
        across = (x - np.float32(at)) * cos(turn) + z * sin(turn)
        fade = np.clip(1 - across / np.float32(now.uniform(1.5, 5)), 0, 1) * (across > 0)
        added += fade * np.float32(now.uniform(0.05, 0.2))
    thick = np.float32(now.uniform(0.0, 0.25))  # muscles of chest and back, uneven
    return added + thick * np.clip(1 + np.float32(0.5) * grain(rng, rays.x0.shape[0], coarsest=3, octaves=2), 0, 3)


def bowel_gas(rays: Rays, patient: Patient) -> np.ndarray:
    """Return the way (H, W), in cm, through gas in stomach and bowel, all of it below the diaphragm."""
    rng = patient.rng("bowel", stays=False)
    gas = np.zeros_like(rays.x0)
    top = patient.base + patient.domes[1]
    if rng.random() < 0.4:
        high = rng.uniform(0.6, 1.6)
        at = (0.45 * patient.width + rng.normal(0, 1), -1.0, top - 0.9 - high)
        gas += path(rays, ellipsoid(rays, at, (rng.uniform(1.5, 3.2), rng.uniform(1.5, 3.5), high))[1])
    while rng.random() < 0.35:
        at = (rng.uniform(2, 11), rng.uniform(-5, 3), top - rng.uniform(3, 7))
        gas += path(rays, ellipsoid(rays, at, tuple(rng.uniform(0.8, 2.0, 3)))[1])
    return 0.6 * np.minimum(gas, 6)


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
