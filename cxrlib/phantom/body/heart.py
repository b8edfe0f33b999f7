"""The heart's shadow, and the cardiothoracic ratio."""

from dataclasses import replace

import numpy as np

from cxrlib.errors import InputError
from cxrlib.phantom.body.chest import Cavity, cross_wall, heart_shapes
from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.rays import Geometry, Rays

RATIOS = (0.25, 0.85)
"""Cardiothoracic ratios that can be asked for. A normal one is below 0.5 on a PA film."""


def heart_shadow(rays: Rays, patient: Patient) -> np.ndarray:
    """Return which rays (H, W), bool, cross the heart."""
    ventricles, atrium = heart_shapes(rays, patient)
    return np.maximum(ventricles.half, atrium.half) > 0


def cardiothoracic_ratio(rays: Rays, patient: Patient, inner: Cavity) -> float:
    """Return the width of the heart's shadow over the width of the chest on the film, both where they are widest.

    Parameters
    ----------
    rays : Rays
    patient : Patient
    inner : Cavity
        The inner wall of the chest along the rays.
    """
    widths = []
    for shape in (heart_shadow(rays, patient), inner.back > inner.front):
        columns = np.flatnonzero(shape.any(axis=0))
        widths.append(columns[-1] - columns[0] + 1 if len(columns) else 1)
    return float(widths[0] / widths[1])


def enlarge_heart(patient: Patient, geometry: Geometry, ratio: float) -> Patient:
    """Return the patient with a heart that has this cardiothoracic ratio on this film.

    Raises
    ------
    InputError
        The ratio lies outside 0.25 to 0.85.
    """
    if not RATIOS[0] <= ratio <= RATIOS[1]:
        raise InputError(
            f"a cardiothoracic ratio of {ratio:g} is asked for; it must lie between {RATIOS[0]} and {RATIOS[1]}"
        )
    rays = geometry.cast(256)
    inner = cross_wall(rays, patient)
    for _ in range(4):  # a larger heart also moves, so its shadow is not in proportion to its size
        current = cardiothoracic_ratio(rays, patient, inner)
        x, y, z = (axis * ratio / current for axis in patient.heart)
        patient = replace(patient, heart=(x, y, z))
    return patient
