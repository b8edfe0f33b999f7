"""Shadows that may be taken for the finding: diseased lungs, breasts, fat pads, skin folds, gas and more.

Without these shadows the two classes would be too easy to tell apart, and a
specificity measured on the films would mean nothing. None of them depends on the label.

Lungs and hearts that are not `sick` are what "No Finding" means: clear lungs and a normal
heart. If a patient is sick, most films show some of these: consolidation (60 %), collapse
or bands near the base (50 %), haze as in oedema (60 %), scars (30 %), thickened pleura
with an old blunting of the angle (12 % on each side), a raised dome with collapse above it
(20 %), and an enlarged heart (40 %).

On all films, sick or not: fat pads, breasts, skin folds, muscles, gas in stomach and
bowel. `patient` adds raised domes without disease and shallow breaths. `detector` adds
borders and lead shields.

Scars, thickened pleura, fat pads, breasts and the heart's size belong to the patient. The
rest differs between visits. Probabilities, sizes (in cm) and densities are chosen by eye.
"""

from dataclasses import replace
from math import cos, sin
from typing import NamedTuple

import cv2
import numpy as np

from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.materials import FAT, SOFT
from cxrlib.phantom.physics.rays import Rays, ellipsoid, path_length
from cxrlib.phantom.physics.texture import grain

MAX_AIRLESS = 0.9
"""Fraction of a ray's path through lung that look-alikes can take: some air always stays."""

AIRLESS_SIDE, BREAST_SIDE = 96, 256  # pixels a side at which these are drawn on larger films, and enlarged


class _RaisedDome(NamedTuple):
    is_left: bool
    rise: float  # cm


def with_look_alikes(patient: Patient, *, sick: bool = False) -> Patient:
    """Return the patient with fat pads beside the heart, and with what disease does to pleura, domes and heart.

    Parameters
    ----------
    patient : Patient
    sick : bool
        Whether pleura may be thickened, a dome raised and the heart enlarged.
    """
    rng = patient.rng("look-alikes")

    def on_a_side(probability: float, low: float, high: float) -> float:
        size = float(rng.uniform(low, high))
        return size if rng.random() < probability else 0.0

    pads = on_a_side(0.20, 1.2, 2.8), on_a_side(0.20, 1.2, 2.8)
    patient = replace(patient, fat_pads=pads)
    if not sick:
        return patient
    thickening = on_a_side(0.12, 0.3, 1.2), on_a_side(0.12, 0.3, 1.2)
    larger = float(rng.uniform(1.1, 1.4)) if rng.random() < 0.4 else 1.0
    x, y, z = patient.heart
    right, left = patient.domes
    raised = _raised_dome(patient)
    if raised:
        right, left = (right, left + raised.rise) if raised.is_left else (right + raised.rise, left)
    return replace(
        patient, pleural_thickening=thickening, heart=(x * larger, y * larger, z * larger), domes=(right, left)
    )


def _raised_dome(patient: Patient) -> _RaisedDome | None:
    """Return the dome that has risen because the lung above it has collapsed, or None: of a patient who is sick."""
    rng = patient.rng("raised dome", same_every_visit=False)
    raised = _RaisedDome(rng.random() < 0.55, float(rng.uniform(1.0, 3.0)))
    return raised if rng.random() < 0.20 else None


def airless_thickness(rays: Rays, patient: Patient, lung: np.ndarray, *, sick: bool = False) -> np.ndarray:
    """Return the part (H, W), in cm, of the path through lung that is airless: consolidation, collapse, scars, haze.

    Parameters
    ----------
    rays : Rays
    patient : Patient
    lung : ndarray, (H, W), cm
        Path length through the lungs. The result is at most 0.9 of it.
    sick : bool
        Whether the lungs are diseased. Lungs that are not sick are clear: the result is 0.
    """
    size = lung.shape[0]
    if not sick:
        return np.zeros_like(lung)
    # all but the bands has soft borders, so it is drawn small and enlarged
    x, z = _coarse(rays, 0.0, AIRLESS_SIDE)
    small = cv2.resize(lung, x.shape, interpolation=cv2.INTER_AREA)
    total = np.zeros_like(small)
    scars = patient.rng("scars")  # the same at every visit, and faint
    if scars.random() < 0.3:
        for _ in range(scars.integers(1, 4)):
            total += _draw_patch(x, z, patient, small, scars, densest=0.25)
    rng = patient.rng("patches", same_every_visit=False)
    if rng.random() < 0.6:
        for _ in range(min(rng.geometric(0.55), 5)):
            total += _draw_patch(x, z, patient, small, rng, densest=0.6)
    rng = patient.rng("haze", same_every_visit=False)
    if rng.random() < 0.6:
        total += _draw_haze(x, z, patient, small, rng)
    rng = patient.rng("bands", same_every_visit=False)
    raised, bands = _raised_dome(patient), 0
    if rng.random() < 0.5:
        collapsed = rng.random() < 0.6
        bands = int(rng.integers(0 if collapsed else 1, 4))
        if collapsed:
            total += _draw_basal_collapse(x, z, patient, small, rng, is_left=rng.random() < 0.6)
    if raised:
        total += _draw_basal_collapse(x, z, patient, small, rng, is_left=raised.is_left)
    total = _enlarge(total, size)
    for _ in range(bands):
        _add_band(total, rays, patient, lung, rng)
    return np.clip(total, 0, MAX_AIRLESS * lung)


def _coarse(rays: Rays, y: float, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x and z, in cm, where the rays reach depth y, on at most `side` pixels a side."""
    side = min(side, rays.x0.shape[0])
    x0, dx, z0, dz = (
        cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA) for part in (rays.x0, rays.dx, rays.z0, rays.dz)
    )
    return (x0 + dx * y, z0 + dz * y) if y else (x0, z0)


def _enlarge(small: np.ndarray, size: int) -> np.ndarray:
    """Return an image enlarged to (size, size)."""
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC) if small.shape[0] < size else small


def _draw_haze(
    x: np.ndarray, z: np.ndarray, patient: Patient, lung: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return water in the tissue (H, W), in cm: from a trace to oedema, denser towards the hila and the bases."""
    amount = min(rng.gamma(1.3, 0.06), 0.35)
    below_hila = z - np.float32(patient.apex - rng.uniform(10, 16) * patient.scale)
    near = 1 / (1 + (x * x) / 49 + (below_hila * below_hila) / 81)
    low = np.clip(0.5 - below_hila * np.float32(0.04), 0, 1)
    cloudy = 1 + 0.4 * grain(rng, lung.shape[0], coarsest=6, octaves=3)
    return lung * np.float32(amount) * (0.25 + near + np.float32(rng.uniform(0, 0.8)) * low) * np.clip(cloudy, 0.2, 2)


def _draw_basal_collapse(
    x: np.ndarray, z: np.ndarray, patient: Patient, lung: np.ndarray, rng: np.random.Generator, *, is_left: bool
) -> np.ndarray:
    """Return collapsed lung above a dome (H, W), in cm. Its upper border is soft, and it may lie behind the heart."""
    out = x * np.float32(1 if is_left else -1)
    top = patient.base + patient.domes[is_left] + rng.uniform(0.0, 4.0) * patient.scale
    slope, soft = rng.uniform(-0.45, 0.25), rng.uniform(0.8, 3.0)  # below 0, it is highest beside the spine
    depth = np.float32(top) + np.float32(slope) * (out - np.float32(6 * patient.scale)) - z
    fraction = np.clip(0.5 + depth / np.float32(soft), 0, 1) * np.clip(out + 1, 0, 1)
    uneven = np.clip(1 + 0.3 * grain(rng, lung.shape[0], coarsest=10, octaves=2), 0.3, 1.6)
    return fraction * uneven * np.float32(rng.uniform(0.2, 0.75)) * np.minimum(lung, 7)


def _draw_patch(
    x: np.ndarray, z: np.ndarray, patient: Patient, lung: np.ndarray, rng: np.random.Generator, *, densest: float
) -> np.ndarray:
    """Return one consolidation (H, W), in cm: a cluster of blots with soft borders, uneven inside."""
    side, size = rng.choice([-1, 1]), patient.scale
    cx = side * rng.uniform(3.0 * size, 0.85 * patient.width)
    cz = patient.base + 1 + (patient.apex - patient.base - 5) * rng.random() ** 1.6  # rather low in the lung
    patch, spread = np.zeros_like(lung), rng.uniform(1.2, 3.2) * size
    for _ in range(rng.integers(3, 10)):
        px, pz = cx + rng.normal(0, spread), cz + rng.normal(0, spread)
        width, height = rng.uniform(0.8, 3.0, 2) * size
        square = ((x - np.float32(px)) * np.float32(1 / width)) ** 2 + (
            (z - np.float32(pz)) * np.float32(1 / height)
        ) ** 2
        patch += np.float32(rng.uniform(0.3, 1.0)) / (1 + square * square)
    texture = np.clip(1 + 0.3 * grain(rng, lung.shape[0], coarsest=12, octaves=3), 0.2, 2)
    return np.minimum(patch, 1) * texture * np.float32(rng.uniform(0.1, densest)) * np.minimum(lung, 6)


def _box(rays: Rays, middle: tuple[float, float], reach: tuple[float, float]) -> tuple[slice, slice]:
    """Return the rows and columns of a place (x, z) in mid-chest, with 2 cm more than it reaches in x and z."""
    size = rays.x0.shape[0]
    near_x = np.abs(rays.x0[size // 2] - np.float32(middle[0])) < reach[0] + 2
    near_z = np.abs(rays.z0[:, size // 2] - np.float32(middle[1])) < reach[1] + 2
    rows, columns = np.flatnonzero(near_z), np.flatnonzero(near_x)
    if not len(rows) or not len(columns):
        return slice(0, 0), slice(0, 0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _add_band(total: np.ndarray, rays: Rays, patient: Patient, lung: np.ndarray, rng: np.random.Generator) -> None:
    """Add one disc of collapsed lung, in cm, to a map (H, W), in place: thin, dense, near the base."""
    side = rng.choice([-1, 1])
    cx, cz = side * rng.uniform(4, 10), patient.base + rng.uniform(3.5, 9)
    turn, reach, thickness = rng.normal(0, 0.35), rng.uniform(1.5, 4.5), rng.uniform(0.15, 0.5)
    amount = rng.uniform(0.4, 2.0)
    box = _box(rays, (cx, cz), (reach, reach))
    x, z = rays.x0[box] - np.float32(cx), rays.z0[box] - np.float32(cz)
    along = x * np.float32(cos(turn)) + z * np.float32(sin(turn))
    off = (z * np.float32(cos(turn)) - x * np.float32(sin(turn))) * np.float32(1 / thickness)
    off *= off
    shape = np.clip(1 - along * along * np.float32(1 / reach**2), 0, 1) / (1 + off * off)
    total[box] += shape * np.float32(amount) * np.clip(lung[box] * np.float32(1 / 3), 0, 1)


def soft_tissue_attenuation(rays: Rays, patient: Patient, view: str) -> np.ndarray:
    """Return what breasts, folds of skin, and the muscles of chest and back add to -ln T: (H, W).

    Parameters
    ----------
    rays : Rays
    patient : Patient
    view : {"PA", "AP"}
        On AP films breasts fall to the sides, and folds of skin are common.
    """
    size = rays.x0.shape[0]
    muscle = patient.rng("muscles", same_every_visit=False).uniform(0.0, 0.2)  # -ln T of the muscles, which are uneven
    uneven = grain(patient.rng("muscles"), min(size, 32), coarsest=3, octaves=2)
    added = _enlarge(np.float32(muscle) * np.clip(1 + 0.5 * uneven, 0, 3), size)
    added += _breasts(rays, patient, view)
    added += _skin_folds(rays, patient, view)
    return added


def _breasts(rays: Rays, patient: Patient, view: str) -> np.ndarray:
    """Return -ln T of the breasts (H, W): flat domes with a sharp lower border, which fade out upwards.

    The lower border is the fold. It lies over the base of the lung or the dome below, lower in the old.
    The breast reaches from beside the sternum to the side of the chest or beyond.
    """
    size, rng, visit_rng = rays.x0.shape[0], patient.rng("breasts"), patient.rng("breasts", same_every_visit=False)
    full = patient.breast if patient.sex == "F" else 0.9 * max(patient.fat - 1.0, 0.0)  # stout men
    full *= rng.uniform(0.6, 1.5)
    if patient.age < 14 or full < 0.5:
        return np.zeros_like(rays.x0)
    x, z = _coarse(rays, -(patient.depth + patient.muscle + 0.5 * full), BREAST_SIDE)
    side = x.shape[0]
    scale, old = patient.scale, min(max(patient.age - 35, 0) / 45, 1.0)
    sag = 2.5 * old + 0.35 * full
    fold = patient.base + rng.uniform(-1.0, 5.0) * scale - sag  # height of the lower border
    width = (rng.uniform(0.40, 0.50) + 0.015 * full) * patient.width
    height = (rng.uniform(5.5, 8.5) + 0.4 * full) * scale
    apart = rng.uniform(0.60, 0.72) * patient.width
    if view == "AP":
        apart, width, fold, full = 1.16 * apart, 1.1 * width, fold + 1.0 * scale, 0.75 * full
    removed = rng.choice([-1, 1]) if rng.random() < 0.03 and patient.sex == "F" else 0
    wired, nipples = visit_rng.random() < (0.06 if view == "PA" else 0.02), visit_rng.random() < 0.06
    added = np.zeros((side, side), np.float32)
    for sign in (-1, 1):
        larger, lower, wider = _near_1(rng), rng.normal(0, 0.6), _near_1(rng)
        if sign == removed:
            continue
        u = (x * np.float32(sign) - np.float32(apart)) * np.float32(1 / (width * wider))
        v = (z - np.float32(fold + lower + height)) * np.float32(1 / height)
        np.multiply(v, np.float32(0.6), out=v, where=v > 0)  # the upper half is longer
        square = u * u + v * v
        heavy = np.float32(0.5) - np.float32(0.5) * v  # 1 at the fold, 0 at the upper border
        added += np.sqrt(np.maximum(1 - square, 0)) * heavy * np.float32(full * larger * 0.75 * (FAT + SOFT))
        if wired and patient.sex == "F":  # along the fold, 0.2 cm wide or as wide as a pixel
            from_fold = (np.sqrt(square) - np.float32(0.97)) * np.float32(width)
            thick = max(0.1, 0.5 * rays.pixel * size / side)
            near = np.maximum(1 - (from_fold / np.float32(thick)) ** 2, 0) * np.clip(-2 * v - np.float32(0.3), 0, 1)
            added += near * np.float32(0.6 * 0.1 / thick)
        if nipples:
            out, up = u - np.float32(0.1), v + np.float32(0.62)
            disc = 1 - (out * out * np.float32(width**2) + up * up * np.float32(height**2)) / np.float32(0.55**2)
            added += np.clip(3 * disc, 0, 1) * np.float32(0.13)
    return added if side == size else cv2.resize(added, (size, size), interpolation=cv2.INTER_LINEAR)


def _near_1(rng: np.random.Generator) -> float:
    """Return a factor near 1, 0.8 to 1.2."""
    return float(np.clip(rng.normal(1, 0.08), 0.8, 1.2))


def _skin_folds(rays: Rays, patient: Patient, view: str) -> np.ndarray:
    """Return -ln T of folds of skin, and rarely of a sheet (H, W).

    A fold is a long oblique line. On its inner side it is dense, and fades towards the midline. A sheet has many
    fainter ones.
    """
    rng = patient.rng("skin folds", same_every_visit=False)
    probability = 0.15 if view == "AP" else 0.015
    folds = int((rng.random(2) < probability).sum())
    sheet = int(rng.integers(3, 7)) if rng.random() < 0.3 * probability else 0
    added = np.zeros_like(rays.x0)
    for number in range(folds + sheet):
        side, turn, fade = rng.choice([-1, 1]), rng.uniform(-0.6, 0.6), rng.uniform(1.5, 5)
        place, middle, reach = side * rng.uniform(4, 12), rng.uniform(-8, 4), rng.uniform(6, 14)
        bend, step = rng.uniform(-0.02, 0.02), rng.uniform(0.06, 0.22) * (1 if number < folds else 0.25)
        x, z = rays.at_depth(float(patient.depth) if view == "AP" else -float(patient.depth))
        along = z - np.float32(middle)
        across = (np.float32(place) - x) * np.float32(cos(turn)) - along * np.float32(sin(turn))
        across += np.float32(bend) * along * along
        across *= np.float32(side)  # inwards
        inside = np.clip(1 - across / np.float32(fade), 0, 1) * np.clip(across / np.float32(rays.pixel) + 0.5, 0, 1)
        added += inside * np.clip((np.float32(reach) - np.abs(along)) / 3, 0, 1) * np.float32(step)
    return added


def bowel_gas_thickness(rays: Rays, patient: Patient, view: str) -> np.ndarray:
    """Return the path length (H, W), in cm, through gas in stomach and bowel. It stays below the domes.

    Parameters
    ----------
    rays : Rays
    patient : Patient
    view : {"PA", "AP"}
        The patient stands on PA films, so there the stomach's gas ends in a level of fluid below it.
    """
    rng, scale = patient.rng("bowel", same_every_visit=False), patient.scale
    gas = np.zeros_like(rays.x0)
    has_bubble, has_colon = rng.random() < (0.55 if view == "PA" else 0.35), rng.random() < 0.35
    # the stomach's bubble
    wide, high, deep = rng.uniform(1.8, 3.6) * scale, rng.uniform(1.2, 2.6) * scale, rng.uniform(1.5, 3.5) * scale
    x = float(0.40 * patient.width + rng.normal(0, 0.8))
    top = min(_dome_height(patient, x - 0.7 * wide), _dome_height(patient, x + 0.7 * wide)) - rng.uniform(0.6, 1.5)
    level = rng.uniform(-0.4, 0.6)
    if has_bubble:
        box = _box(rays, (x, float(top - high)), (wide, high))
        part = rays[box]
        bubble = path_length(part, ellipsoid(part, (x, -2.0, float(top - high)), (wide, deep, high)))
        if view == "PA":
            _, height = part.at_depth(-2.0)
            bubble *= np.clip((height - np.float32(top - high + level * high)) / np.float32(rays.pixel) + 0.5, 0, 1)
        gas[box] += bubble
    # a piece of colon: a row of pouches, which the haustra part
    is_left, pouches = rng.random() < 0.75, int(rng.integers(2, 6))
    x = rng.uniform(0.35, 0.7) * patient.width * (1 if is_left else -1)
    z = _dome_height(patient, x) - rng.uniform(2.5, 7.0) * scale
    turn, pouch = rng.uniform(-1.6, 0.3), rng.uniform(0.9, 1.7) * scale
    bend = rng.uniform(-0.5, 0.5)
    if has_colon:
        for _ in range(pouches):
            radius = pouch * _near_1(rng)
            roof = min(_dome_height(patient, x - radius), _dome_height(patient, x + radius)) - 0.8 - radius
            place = (x, -1.0, float(min(z, roof)))
            box = _box(rays, (x, place[2]), (radius, radius))
            part = rays[box]
            pouch_cm = path_length(part, ellipsoid(part, place, (radius, 1.3 * radius, radius)))
            gas[box] = np.maximum(gas[box], pouch_cm)
            x, z, turn = x + 1.45 * radius * cos(turn), z + 1.45 * radius * sin(turn), turn + bend
    return 0.6 * np.minimum(gas, 6)  # by eye: without the factor and the limit, the gas would be too dark


def _dome_height(patient: Patient, x: float) -> float:
    """Return the height of the diaphragm, in cm, at a place x from the midline; `chest` has the same shape."""
    dome, sign = (patient.domes[1], 1) if x > 0 else (patient.domes[0], -1)
    across = (x - patient.middle - sign * 0.43 * patient.width) / (0.605 * patient.width)
    return patient.base + dome * max(1 - across * across, 0.0) ** 0.5
