"""Shadows that may be taken for the finding: scars, consolidation, fat pads, skin folds and more.

Scars, thickened pleura and fat pads belong to the patient. Consolidation, collapse and
skin folds differ between visits. None of them depends on the label, so both classes
have them. Without these shadows the two classes would be too easy to tell apart, and a
specificity measured on the films would mean nothing.

Probabilities, sizes (in cm) and densities are chosen by eye.
"""

from dataclasses import replace
from math import cos, sin

import numpy as np

from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.materials import FAT, SOFT
from cxrlib.phantom.physics.rays import Rays, ellipsoid, path_length
from cxrlib.phantom.physics.texture import grain

MAX_AIRLESS = 0.9
"""Fraction of a ray's path through lung that look-alikes can take: some air always stays."""


def with_look_alikes(patient: Patient) -> Patient:
    """Return the patient with some of these: thickened pleura, fat pads beside the heart, a raised dome."""
    # the string "company" is an old name of this module. It is part of the seed, so it must not change.
    patient_rng, visit_rng = patient.rng("company"), patient.rng("company", same_every_visit=False)

    def on_a_side(probability: float, low: float, high: float) -> float:
        return float(patient_rng.uniform(low, high)) if patient_rng.random() < probability else 0.0

    thickening = on_a_side(0.12, 0.3, 1.2), on_a_side(0.12, 0.3, 1.2)
    pads = on_a_side(0.20, 1.2, 2.8), on_a_side(0.20, 1.2, 2.8)
    right, left = patient.domes
    if visit_rng.random() < 0.12:  # part of a lung has collapsed, and the dome below it has risen
        is_left, rise = visit_rng.random() < 0.55, visit_rng.uniform(1.0, 3.0)
        right, left = (right, left + rise) if is_left else (right + rise, left)
    return replace(patient, pleural_thickening=thickening, fat_pads=pads, domes=(right, left))


def airless_thickness(rays: Rays, patient: Patient, lung: np.ndarray) -> np.ndarray:
    """Return the part (H, W), in cm, of the path through lung that is airless: consolidation, collapse, scars, haze.

    Parameters
    ----------
    rays : Rays
    patient : Patient
    lung : ndarray, (H, W), cm
        Path length through the lungs. The result is at most 0.9 of it.
    """
    total = np.zeros_like(lung)
    # scars are the same at every visit, and faint; patches differ between visits
    for rng, densest, probability in (
        (patient.rng("scars"), 0.25, 0.25),
        (patient.rng("patches", same_every_visit=False), 0.8, 0.30),
    ):
        while rng.random() < probability:
            total += _draw_patch(rays, patient, lung, rng, densest)
    rng = patient.rng("bands", same_every_visit=False)
    while rng.random() < 0.3:
        total += _draw_band(rays, patient, lung, rng)
    if rng.random() < 0.25:  # a haze of water in the tissue, denser towards the hila and the bases
        amount = rng.gamma(1.5, 0.03)
        x, z = rays.at_depth(0.0)
        near = 1 / (1 + (x / 6) ** 2 + ((z - (patient.apex - 12)) / 8) ** 2)
        total += lung * amount * (0.4 + 1.2 * near)
    return np.minimum(total, MAX_AIRLESS * lung)


def _draw_patch(rays: Rays, patient: Patient, lung: np.ndarray, rng: np.random.Generator, densest: float) -> np.ndarray:
    """Return one consolidation (H, W), in cm: a cluster of blots with soft borders, uneven inside."""
    x, z = rays.at_depth(0.0)
    side = rng.choice([-1, 1])
    cx = side * rng.uniform(3.0, 0.85 * patient.width)
    cz = patient.base + 1 + (patient.apex - patient.base - 5) * rng.random() ** 1.6  # rather low in the lung
    patch = np.zeros_like(lung)
    for _ in range(rng.integers(2, 7)):
        px, pz = cx + rng.normal(0, 1.6), cz + rng.normal(0, 1.6)
        width, height = rng.uniform(0.8, 3.2), rng.uniform(0.8, 3.2)
        square = ((x - np.float32(px)) / width) ** 2 + ((z - pz) / height) ** 2
        patch = np.maximum(patch, 1 / (1 + square * square * square))
    texture = np.clip(1 + 0.35 * grain(rng, lung.shape[0], coarsest=16, octaves=3), 0.2, 2)
    return patch * texture * rng.uniform(0.1, densest) * np.minimum(lung, 6)


def _draw_band(rays: Rays, patient: Patient, lung: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return one disc of collapsed lung (H, W), in cm: thin, dense, near the base."""
    x, z = rays.at_depth(0.0)
    side = rng.choice([-1, 1])
    cx, cz = np.float32(side * rng.uniform(4, 10)), patient.base + rng.uniform(3.5, 9)
    turn, reach, thickness = rng.normal(0, 0.35), rng.uniform(1.5, 4.5), rng.uniform(0.15, 0.5)
    along = (x - cx) * cos(turn) + (z - cz) * sin(turn)
    off = (z - cz) * cos(turn) - (x - cx) * sin(turn)
    shape = np.clip(1 - (along / reach) ** 2, 0, 1) / (1 + (off / thickness) ** 4)
    return shape * rng.uniform(0.4, 2.0) * np.clip(lung / 3, 0, 1)


def soft_tissue_attenuation(rays: Rays, patient: Patient) -> np.ndarray:
    """Return what breasts, folds of skin, and the muscles of chest and back add to -ln T: (H, W)."""
    patient_rng, visit_rng = patient.rng("soft parts"), patient.rng("soft parts", same_every_visit=False)
    added = np.zeros_like(rays.x0)
    front = -(patient.depth + patient.muscle + 0.7 * patient.fat)
    low = patient.base + patient_rng.uniform(-3.0, 4.5)
    width, height = patient_rng.uniform(5.0, 7.5) + 0.4 * patient.fat, patient_rng.uniform(4.0, 6.5) + 0.3 * patient.fat
    if patient.breast > 0.5:
        for side in (-1, 1):
            if patient_rng.random() < 0.02:
                continue  # this breast was removed
            middle = side * patient_rng.normal(0.56, 0.03) * patient.width
            centre = (middle, front, low + height + patient_rng.normal(0, 0.5))
            breast = path_length(rays, ellipsoid(rays, centre, (width, patient.breast, height)))
            added += (0.5 * (FAT + SOFT) / 2) * breast
    x, z = rays.at_depth(0.0)
    while visit_rng.random() < 0.12:  # a fold of skin: a line with a step on one side, which fades on the opposite side
        turn, place = visit_rng.uniform(-0.5, 0.5), visit_rng.uniform(-11, 11)
        across = (x - place) * cos(turn) + z * sin(turn)
        fade = np.clip(1 - across / visit_rng.uniform(1.5, 5), 0, 1) * (across > 0)
        added += fade * visit_rng.uniform(0.05, 0.2)
    muscle = visit_rng.uniform(0.0, 0.25)  # -ln T of the muscles, which are uneven
    return added + muscle * np.clip(1 + 0.5 * grain(patient_rng, rays.x0.shape[0], coarsest=3, octaves=2), 0, 3)


def bowel_gas_thickness(rays: Rays, patient: Patient) -> np.ndarray:
    """Return the path length (H, W), in cm, through gas in stomach and bowel, all of it below the left dome."""
    rng = patient.rng("bowel", same_every_visit=False)
    gas = np.zeros_like(rays.x0)
    dome = patient.base + patient.domes[1]
    if rng.random() < 0.4:  # the stomach's bubble
        height = rng.uniform(0.6, 1.6)
        place = (0.45 * patient.width + rng.normal(0, 1), -1.0, dome - 0.9 - height)
        bubble = ellipsoid(rays, place, (rng.uniform(1.5, 3.2), rng.uniform(1.5, 3.5), height))
        gas += path_length(rays, bubble)
    while rng.random() < 0.35:
        place = (rng.uniform(2, 11), rng.uniform(-5, 3), dome - rng.uniform(3, 7))
        gas += path_length(rays, ellipsoid(rays, place, tuple(rng.uniform(0.8, 2.0, 3))))
    return 0.6 * np.minimum(gas, 6)  # by eye: without the factor and the limit, the gas would be too dark
