"""What keeps effusions company and what is taken for one: in both classes, because specificity means nothing without.

Look-alikes are drawn with the patient (scars, thickened pleura, fat pads) or with
the film (consolidation, collapse, skin folds), whatever the label says.
"""

from dataclasses import replace
from math import cos, sin

import numpy as np

from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.materials import FAT, SOFT
from cxrlib.phantom.physics.rays import Rays, ellipsoid, path
from cxrlib.phantom.physics.texture import grain


def with_look_alikes(patient: Patient) -> Patient:
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
