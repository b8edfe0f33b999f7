"""Trunk, shoulders, arms, neck and head: the soft tissue of the body, as thickness along each ray.

The lungs are taken out of it elsewhere. All of it is so smooth that each ray is taken to run straight through at
the depth of the body's middle. Sizes, in cm, are chosen by eye.
"""

import numpy as np

from cxrlib.phantom.body.chest import wall_at
from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.rays import Rays


def body_thickness(rays: Rays, patient: Patient, view: str) -> np.ndarray:
    """Return the path length (H, W), in cm, through the body.

    Parameters
    ----------
    rays : Rays
    patient : Patient
    view : {"PA", "AP"}
        On a PA film the arms are brought forward; at the bedside they lie beside the trunk, and the chin may be seen.
    """
    x, z = rays.at_depth(0.0)
    x = x - np.float32(patient.middle)
    thickness = _torso(patient, x, z)
    thickness = _join(thickness, _shoulders(patient, x, z))
    np.maximum(thickness, _arms(patient, x, z, view), out=thickness)
    np.maximum(thickness, _neck(patient, x, z), out=thickness)
    thickness += _shoulder_blade_muscles(patient, x, z) * np.minimum(thickness / 8, 1)
    if view == "AP":
        np.maximum(thickness, _head(patient, x, z), out=thickness)
    return thickness


def _join(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the larger of two thicknesses (H, W), in cm, without a kink where they are equal."""
    difference = a - b
    return 0.5 * (a + b + np.sqrt(difference * difference + np.float32(2.4) * np.minimum(a, b)))


def fat_thickness(patient: Patient, thickness: np.ndarray) -> np.ndarray:
    """Return the path length (H, W), in cm, through the fat under the skin, in front and behind."""
    return np.minimum(thickness, np.float32(2 * patient.fat))


def _torso(patient: Patient, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    wall = wall_at(patient, z)
    across = x / (wall.width + np.float32(patient.flank))
    across *= across
    across *= np.sqrt(np.sqrt(across))  # a section that is squarer than an ellipse: x to the power of 2.5
    deep = wall.depth + np.float32(patient.muscle + patient.fat)
    belly = np.clip((np.float32(patient.base + 5 * patient.scale) - z) / np.float32(8 * patient.scale), 0, 1)
    deep += belly * np.float32(0.8 * patient.scale + 0.7 * patient.fat)
    above = np.clip((np.float32(patient.apex + 0.5 * patient.scale) - z) / np.float32(8 * patient.scale), 0, 1)
    return 2 * deep * np.sqrt(np.maximum(1 - across, 0)) * np.sqrt(above)


def _shoulders(patient: Patient, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the thickness (H, W) of the shoulders: their line falls outwards from the neck, down to the armpits."""
    size, fat = patient.scale, patient.fat
    high, slope = shoulder_line(patient)
    reach = patient.width + (6.5 * size + fat)
    out = np.abs(x)
    line = np.float32(patient.apex + high * size) - np.float32(slope) * (out - np.float32(5 * size))
    end = np.clip((np.float32(reach) - out) / np.float32(4 * size), 0, 1)
    below = np.clip((line - z) / np.float32(4 * size), 0, 1)
    # the fold of the armpit hangs from the arm down to the trunk
    armpit = np.float32(patient.apex - 25.0 * size) + np.float32(0.45) * np.maximum(out - np.float32(patient.width), 0)
    above = np.clip((z - armpit) / np.float32(12.0 * size), 0, 1)
    deep = np.float32(16.0 * size + 1.8 * fat) - np.float32(0.18) * out
    return deep * above * np.sqrt(below * np.sqrt(end))


def _shoulder_blade_muscles(patient: Patient, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the thickness (H, W) of the muscles on both sides of the shoulder blades, and of those in front."""
    size = np.float32(patient.scale)
    across = (np.abs(x) - 12 * size) / (6.5 * size)
    down = (z - np.float32(patient.apex) + 12 * size) / (12 * size)
    return np.float32(1.8 * patient.muscle) * np.maximum(1 - across * across - down * down, 0)


def _arms(patient: Patient, x: np.ndarray, z: np.ndarray, view: str) -> np.ndarray:
    radius = np.float32(4.5 * patient.scale + 1.0 * patient.fat)
    total = np.zeros_like(x)
    for side in (-1, 1):
        joint, slope = place_arm(patient, view, side)
        below = np.float32(patient.apex - 5.0 * patient.scale) - z
        middle = np.float32(joint) + np.float32(slope) * np.maximum(below, 0)
        over = np.minimum(below, 0)  # round at the top
        away = (x * side - middle) / np.float32((1 + slope * slope) ** 0.5)
        np.maximum(total, 2 * np.sqrt(np.maximum(radius * radius - away * away - over * over, 0)), out=total)
    return total


def shoulder_line(patient: Patient) -> tuple[float, float]:
    """Return the height of the shoulder line over the tops of the lungs, 5 cm beside the midline, and its slope."""
    rng = patient.rng("shoulder line")
    slope, high = rng.uniform(0.18, 0.42), rng.uniform(2.0, 4.5)
    return float(high), float(slope)


def place_arm(patient: Patient, view: str, side: int) -> tuple[float, float]:
    """Return where an arm is on this film.

    Parameters
    ----------
    patient : Patient
    view : {"PA", "AP"}
    side : {-1, 1}
        Right or left.

    Returns
    -------
    x : float, cm
        From the midline outwards to the middle of the arm, at the shoulder.
    slope : float
        How far the arm moves away from the trunk, in cm for each cm downwards.
    """
    rng = patient.rng(f"arm {side}", same_every_visit=False)
    slope = rng.uniform(0.10, 0.75) if view == "PA" else rng.uniform(0.0, 0.40)
    return patient.width + patient.flank * 0.5 + 2.6 * patient.scale, float(slope)


def _neck(patient: Patient, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    size = patient.scale
    wider = np.clip(np.float32(patient.apex + 6 * size) - z, 0, 8 * size)
    width = np.float32(5.8 * size + 0.5 * patient.fat) + np.float32(0.12 / size) * wider * wider
    across = x / width
    return np.float32(18.0 * size + patient.fat) * np.sqrt(np.maximum(1 - across * across, 0))


def _head(patient: Patient, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the thickness (H, W) of the head. The chin is low at the bedside."""
    rng, size = patient.rng("head", same_every_visit=False), patient.scale
    low, aside = patient.apex + rng.uniform(1.5, 10.0) * size, rng.normal(0, 2.0)
    across = (x - np.float32(aside)) / np.float32(6.8 * size)
    up = (z - np.float32(low + 9 * size)) / np.float32(9 * size)
    return np.float32(17 * size) * np.sqrt(np.maximum(1 - across * across - up * up, 0))
