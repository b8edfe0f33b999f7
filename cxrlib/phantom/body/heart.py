"""The heart's shadow, and its breadth over that of the chest."""

from dataclasses import replace

import numpy as np

from cxrlib.errors import InputError
from cxrlib.phantom.body.chest import Cavity, cross_wall, heart
from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.rays import Geometry, Rays


def heart_shadow(rays: Rays, patient: Patient) -> np.ndarray:
    """Return where (H, W) the rays pass the heart."""
    return np.maximum(*(half for _, half in heart(rays, patient))) > 0


def cardiothoracic_ratio(rays: Rays, patient: Patient, inner: Cavity) -> float:
    """Return the widest breadth of the heart's shadow over that of the chest's, on the film."""
    breadths = []
    for shape in (heart_shadow(rays, patient), inner.back > inner.front):
        columns = np.flatnonzero(shape.any(axis=0))
        breadths.append(columns[-1] - columns[0] + 1 if len(columns) else 1)
    return float(breadths[0] / breadths[1])


def enlarge_heart(patient: Patient, geometry: Geometry, ratio: float) -> Patient:
    """Return the patient with a heart of a cardiothoracic ratio on this film."""
    if not 0.25 <= ratio <= 0.85:
        raise InputError(f"a cardiothoracic ratio of {ratio:g} is asked for; it must lie between 0.25 and 0.85")
    rays = geometry.cast(256)
    inner = cross_wall(rays, patient)
    for _ in range(4):
        now = cardiothoracic_ratio(rays, patient, inner)
        patient = replace(patient, heart=tuple(axis * ratio / now for axis in patient.heart))
    return patient
