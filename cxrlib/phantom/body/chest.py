"""The two lungs along every ray, and the pleural spaces that fluid or gas may fill.

The chest cavity is an elliptic cylinder that narrows to the apex. Out of it are
cut what presses in: the diaphragm's domes, the heart, the great vessels, the
mediastinum. Each ray is sampled between the two points where it passes the wall;
within a cell the boundary is interpolated, so that thicknesses are smooth: against
samples 32 times finer they differ by less than 0.2 cm (root mean square).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cxrlib.errors import InputError
from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.rays import Rays, chord, ellipsoid

CELLS = 16  # along each ray, from wall to wall
HEART = 6.8  # cm, half the length of an average one
FAR = 1e3  # cm, beyond everything


@dataclass(frozen=True)
class Cavity:
    """Where each ray passes the inner wall of the chest.

    Attributes
    ----------
    front, back : ndarray, (H, W), cm
        Values of y; equal where the ray misses the cavity.
    """

    front: np.ndarray
    back: np.ndarray


@dataclass(frozen=True)
class Pleura:
    """Both pleural spaces, sampled along the rays.

    Attributes
    ----------
    inside : ndarray, (CELLS + 1, H, W)
        Above 0 in the pleural space, linear enough to interpolate.
    height : ndarray, (CELLS + 1, H, W), cm
        z of each sample.
    depth : ndarray, (CELLS + 1, H, W), cm
        y of each sample.
    across : ndarray, (CELLS + 1, H, W), cm
        x of each sample.
    wide : ndarray, (H, W), cm
        Half-width of the cavity where the ray crosses it.
    flatness : float
        Depth of the cavity over its width.
    left : ndarray, (CELLS + 1, H, W), bool
        Which samples lie on the patient's left.
    cell : ndarray, (H, W), cm
        Way along the ray through one cell.
    """

    inside: np.ndarray
    height: np.ndarray
    depth: np.ndarray
    across: np.ndarray
    wide: np.ndarray
    flatness: float
    left: np.ndarray
    cell: np.ndarray

    @cached_property
    def gap(self) -> np.ndarray:
        """Distance from the chest wall (CELLS + 1, H, W), in cm, to first order."""
        across, deep = self.across / self.wide, self.depth / (self.wide * np.float32(self.flatness))
        across *= across
        deep *= deep
        slope = np.sqrt(across + deep * np.float32(1 / self.flatness**2))
        slope *= 2
        slope += np.float32(1e-3)
        gap = self.wide * (1 - across - deep)
        gap /= slope
        return np.maximum(gap, 0, out=gap)

    def thickness(self, within: np.ndarray) -> np.ndarray:
        """Return the way (H, W), in cm, through where `within` (CELLS + 1, H, W) is above 0."""
        return fractions(within).sum(axis=0, dtype=np.float32) * self.cell


def fractions(within: np.ndarray) -> np.ndarray:
    """Return the share of each cell (CELLS, H, W) in which a linear function of its two ends is above 0."""
    ahead, behind = within[:-1], within[1:]
    step = np.abs(ahead - behind)
    step += np.float32(1e-9)
    share = np.maximum(ahead, behind)
    share /= step
    return np.clip(share, 0, 1, out=share)


def half_width(patient: Patient, z: np.ndarray) -> np.ndarray:
    """Return the half-width of the cavity at a height; it narrows to nothing at the apex."""
    start = patient.base + 2.0
    up = np.clip((z - start) / (patient.apex - start), 0, 1)
    narrow = np.sqrt(np.maximum(1 - up * up * np.sqrt(up) * (np.float32(0.4) + np.float32(0.6) * up), 1e-4))
    return np.float32(patient.width) * narrow.astype(np.float32)


def cross_wall(rays: Rays, patient: Patient, *, beyond: float = 0.0) -> Cavity:
    """Return where the rays pass the wall of the cavity, or a wall `beyond` it by some cm."""
    ratio = patient.depth / patient.width
    ends = []
    for sign in (-1, 1):
        y = np.zeros_like(rays.x0)
        for _ in range(2):  # the wall narrows upwards, so where it is passed depends on the height there
            wide = half_width(patient, rays.z0 + rays.dz * y) + np.float32(beyond)
            deep = wide * np.float32(ratio) + np.float32(beyond * (1 - ratio))
            middle, half = _through_cylinder(rays, wide, deep)
            y = middle + sign * half
        ends.append(y)
    front, back = ends
    return Cavity(np.minimum(front, back), np.maximum(back, front))


def _through_cylinder(rays: Rays, wide, deep):
    inverse = 1 / (wide * wide)
    return chord(
        rays.dx * rays.dx * inverse + 1 / (deep * deep),
        rays.x0 * rays.dx * inverse,
        rays.x0 * rays.x0 * inverse - np.float32(1),
    )


def trunk_chord(rays: Rays, patient: Patient, *, less: float = 0.0) -> np.ndarray:
    """Return the half-length, in y, of the way through the trunk without its outermost `less` cm."""
    ones = np.ones_like(rays.x0)
    across = patient.width + patient.flank - less  # at the sides the back's muscles are thick
    deep = patient.depth + patient.muscle + patient.fat - less
    return _through_cylinder(rays, ones * np.float32(across), ones * np.float32(deep))[1]


def heart(rays: Rays, patient: Patient) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return middle and half-length of the ways through the ventricles and through the right atrium."""
    bulk, (x, y, z) = patient.heart[0] / HEART, patient.heart_centre
    return [
        ellipsoid(rays, (x, y, z), patient.heart, lean=patient.lean),
        ellipsoid(rays, (patient.shift - 1.5 * bulk, y + 1.5, z + 0.8), (3.6 * bulk, 4.8, 5.2 * bulk)),
    ]


def press_in(rays: Rays, patient: Patient) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return middle and half-length of what presses into the lungs: heart, great vessels, spine, domes."""
    shift, base = patient.shift, patient.base
    bulk, (hx, _, hz) = patient.heart[0] / HEART, patient.heart_centre
    old = max(patient.age - 40, 0) / 50
    shapes = [
        *heart(rays, patient),
        ellipsoid(rays, (0.0, 0.66 * patient.depth, 0.0), (2.2, 4.2, 60.0)),  # the spine, and what lies before it
        ellipsoid(rays, (1.6 + 0.5 * old + 0.5 * shift, 0.5 * patient.depth, 0.0), (1.5 + 0.3 * old, 1.6, 60.0)),
        ellipsoid(rays, (shift + 1.7 + 0.5 * old, 1.5, patient.apex - 7.0), (1.9 + 0.5 * old, 3.2, 1.9 + 0.4 * old)),
        ellipsoid(rays, (shift + 0.9, 0.0, patient.apex - 11.0), (3.7 * bulk, 3.8, 8.5)),
        ellipsoid(
            rays, (shift + 1.4 * bulk, -1.0, hz + 3.5 * bulk), (8.0 * bulk, 4.2, 4.4 * bulk), lean=1.05
        ),  # left border
        ellipsoid(rays, (shift - 0.9, 0.5, patient.apex - 5.5), (2.6, 3.4, 10.0)),
    ]
    tendon = (0.55 * patient.width, 1.0 * patient.depth, 0.95 * min(patient.domes))
    shapes.append(ellipsoid(rays, (0.0, -0.1 * patient.depth, base), tendon))
    for side, dome in zip((-1, 1), patient.domes, strict=True):
        shapes.append(_dome(rays, patient, side, dome, base))
    for side, pad in zip((-1, 1), patient.pads, strict=True):
        if pad:
            at = (hx + side * 0.75 * patient.heart[0], -0.6 * patient.depth, base + 0.8 * min(patient.domes))
            shapes.append(ellipsoid(rays, at, (pad, 3.0, pad)))
    return shapes


def _dome(rays: Rays, patient: Patient, side: int, dome: float, base: float):
    """Cut a cap of an ellipsoid over a rim that falls towards the back."""
    cx, ax = side * 0.43 * patient.width, 0.605 * patient.width
    cy, ay = -0.08 * patient.depth, 1.0 * patient.depth
    x = rays.x0 - np.float32(cx)
    h, dh = (rays.z0 - np.float32(base)) / dome, (rays.dz + np.float32(patient.tail)) / dome
    a = dh * dh + rays.dx * rays.dx / ax**2 + 1 / ay**2
    b = h * dh + x * rays.dx / ax**2 - cy / ay**2
    return chord(a, b, h * h + x * x / ax**2 + (cy * cy / ay**2 - 1))


def chest_box(rays: Rays, patient: Patient, cavity: Cavity) -> tuple[slice, slice]:
    """Return rows and columns outside which no ray passes a lung.

    Raises
    ------
    InputError
        No ray passes the chest.
    """
    lowest, highest = patient.base - patient.tail * patient.depth - 2, patient.apex + 2
    hit = (cavity.back > cavity.front) & (rays.z0 > lowest) & (rays.z0 < highest)
    if not hit.any():
        raise InputError("no ray passes the chest")
    return _bounds(hit)


def _bounds(hit: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and the columns between the first and the last that hold something."""
    rows, columns = np.flatnonzero(hit.any(axis=1)), np.flatnonzero(hit.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def trace(rays: Rays, patient: Patient, cavity: Cavity) -> Pleura:
    """Sample the pleural spaces along the rays."""
    t = np.linspace(0, 1, CELLS + 1, dtype=np.float32)[:, None, None]
    span = cavity.back - cavity.front
    y = cavity.front + span * t
    x, z = rays.at(y)
    wide = np.maximum(half_width(patient, rays.z0), np.float32(0.5))
    middle = x - np.float32(patient.shift)
    inside = np.abs(middle)
    between = y * y  # the lungs, narrower in front and behind, where they nearly meet
    between *= np.float32(-0.5 * patient.mediastinum / patient.depth**2)
    between += np.float32(patient.mediastinum)
    inside -= between
    lower = np.subtract(np.float32(patient.base + min(patient.domes)), z, out=between)
    np.maximum(lower, 0, out=lower)
    lower *= np.float32(0.6)
    inside -= lower  # beside spine and crura the lower edge slants outwards
    np.minimum(inside, np.float32(patient.apex) - z, out=inside)
    for centre, half in press_in(rays, patient):
        hit = half > 0
        if not hit.any():
            continue
        box = _bounds(hit)  # the rest of the rays miss the shape
        off = y[:, *box] - np.where(hit[box], centre[box], np.float32(FAR))
        np.abs(off, out=off)
        off -= half[box]
        np.minimum(inside[:, *box], off, out=inside[:, *box])
    rim = (np.float32(patient.base) - rays.z0) / (np.float32(patient.tail) + rays.dz)
    np.minimum(inside, y - rim, out=inside)
    ratio = patient.depth / patient.width
    cell = span * rays.length / np.float32(CELLS)
    pleura = Pleura(inside, z, y, x, wide, ratio, middle > 0, cell)
    if any(patient.peel):  # thickened pleura, over the lower half
        lower = np.clip((np.float32((patient.apex + 2 * patient.base) / 3) - z) / 6, 0, 1)
        np.minimum(inside, pleura.gap - lower * np.where(pleura.left, *np.float32(patient.peel[::-1])), out=inside)
    return pleura
