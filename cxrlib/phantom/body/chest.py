"""The two lungs along every ray, and the pleural spaces that fluid or gas may fill.

The chest cavity has elliptic sections that narrow upwards. The shapes that press into it
are cut out: the two tops, the diaphragm's domes, the heart, the great vessels, the
mediastinum. Each ray is sampled between the two points where it crosses the wall.
Within a cell the boundary is interpolated, so that thicknesses are smooth. They differ
by less than 0.2 cm (root mean square) from thicknesses that samples 32 times finer give.

Sizes and places of the shapes, in cm, are chosen by eye unless a comment says more.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from cxrlib.errors import InputError
from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.rays import Chord, Rays, ellipsoid, solve_chord

CELLS = 12
"""Cells along each ray, from wall to wall."""

TYPICAL_HEART = 6.5
"""Half the length of an average heart, in cm. The vessels beside a heart are scaled by its length over this one."""

POCKET, POCKET_FROM = 1.0, 0.5
"""Behind the domes the rim of the diaphragm falls by this much more, in cm for each cm towards the back, from this
fraction of the chest's depth. So the lung behind a dome fades out downwards."""

FAR = 1e3  # cm: farther than anything in the chest
LONG = 60.0  # cm: longer than any film, so that an ellipsoid is nearly a cylinder


@dataclass(frozen=True)
class Cavity:
    """Where each ray crosses the inner wall of the chest.

    Attributes
    ----------
    front, back : ndarray, (H, W), cm
        Values of y. They are equal where the ray misses the cavity.
    """

    front: np.ndarray
    back: np.ndarray

    def __getitem__(self, part: tuple[slice, slice]) -> "Cavity":
        """Return the crossings of some rows and columns."""
        return Cavity(self.front[part], self.back[part])


@dataclass(frozen=True)
class Pleura:
    """Both pleural spaces, sampled along the rays.

    Attributes
    ----------
    inside : ndarray, (CELLS + 1, H, W)
        Above 0 in the pleural space, and near enough to linear for interpolation.
    x, y, z : ndarray, (CELLS + 1, H, W), cm
        Position of each sample.
    wall : Wall
        The wall of the cavity where each ray crosses it.
    left : ndarray, (CELLS + 1, H, W), bool
        Which samples lie on the patient's left.
    cell : ndarray, (H, W), cm
        Length along the ray of one cell.
    """

    inside: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    wall: "Wall"
    left: np.ndarray
    cell: np.ndarray

    @cached_property
    def gap(self) -> np.ndarray:
        """Distance from the chest wall (CELLS + 1, H, W), in cm, to first order.

        For the ellipse f = 1 - (x/a)**2 - (y/b)**2, the distance from its border is
        about f over the length of f's gradient.
        """
        # arrays are reused, because these are the largest of a film
        across, deep = self.x - self.wall.middle_x, self.y - self.wall.middle_y
        across /= self.wall.width
        deep /= self.wall.depth
        across *= across
        deep *= deep
        gap = 1 - across
        gap -= deep
        across *= 1 / (self.wall.width * self.wall.width)
        deep *= 1 / (self.wall.depth * self.wall.depth)
        across += deep
        np.sqrt(across, out=across)
        across *= 2
        across += np.float32(1e-4)  # the gradient is 0 on the axis
        gap /= across
        return np.maximum(gap, 0, out=gap)

    def thickness(self, within: np.ndarray) -> np.ndarray:
        """Return the path length (H, W), in cm, through where `within` (CELLS + 1, H, W) is above 0."""
        return cell_fractions(within).sum(axis=0, dtype=np.float32) * self.cell


def cell_fractions(within: np.ndarray) -> np.ndarray:
    """Return the fraction of each cell in which a function is above 0.

    Parameters
    ----------
    within : ndarray, (CELLS + 1, H, W)
        Values at the ends of the cells. Between them the function is taken as linear.

    Returns
    -------
    ndarray, (CELLS, H, W), in [0, 1]
    """
    ahead, behind = within[:-1], within[1:]
    step = ahead - behind
    np.abs(step, out=step)
    step += np.float32(1e-9)  # no division by 0 where both ends are equal
    fraction = np.maximum(ahead, behind)
    fraction /= step
    return np.clip(fraction, 0, 1, out=fraction)


@dataclass(frozen=True)
class Wall:
    """The elliptic section of the cavity at some heights.

    Attributes
    ----------
    width, depth : ndarray, (H, W), cm
        Its half-axes.
    middle_x : float, cm
    middle_y : ndarray, (H, W), cm
        Its middle. The back is upright and the front leans back, so the middle moves back towards the top.
    """

    width: np.ndarray
    depth: np.ndarray
    middle_x: float
    middle_y: np.ndarray


def wall_at(patient: Patient, z: np.ndarray, *, beyond: float = 0.0) -> Wall:
    """Return the wall of the cavity at height z (H, W), in cm, or a wall that lies `beyond` cm outside it.

    Towards the apex the width falls to 0.50 of its largest value, and the depth to 0.56 (by eye).
    """
    up = np.clip((z - np.float32(patient.base)) / np.float32(patient.apex - patient.base), 0, 1)
    square = up * up
    width = np.float32(patient.width) * (1 - np.float32(0.50) * square * up)
    narrower = np.float32(0.44 * patient.depth) * square
    depth = np.float32(patient.depth) - narrower
    return Wall(width + np.float32(beyond), depth + np.float32(beyond), patient.middle, np.float32(0.6) * narrower)


def cross_wall(rays: Rays, patient: Patient, *, beyond: float = 0.0) -> Cavity:
    """Return where the rays cross the wall of the cavity, or a wall that lies `beyond` cm outside it."""
    ends = []
    first = _cross_section(rays, wall_at(patient, rays.z0, beyond=beyond))
    for sign in (-1, 1):  # the crossing depends on the wall at its own height; the second pass corrects the first
        y = first.middle + sign * first.half
        second = _cross_section(rays, wall_at(patient, rays.z0 + rays.dz * y, beyond=beyond))
        ends.append(second.middle + sign * second.half)
    front, back = ends
    return Cavity(np.minimum(front, back), np.maximum(back, front))


def _cross_section(rays: Rays, wall: Wall) -> Chord:
    """Return the part of each ray that lies in an upright elliptic cylinder with this section."""
    across, deep = 1 / (wall.width * wall.width), 1 / (wall.depth * wall.depth)
    x = rays.x0 - np.float32(wall.middle_x)
    return solve_chord(
        rays.dx * rays.dx * across + deep,
        x * rays.dx * across - wall.middle_y * deep,
        x * x * across + wall.middle_y * wall.middle_y * deep - 1,
    )


def heart_shapes(rays: Rays, patient: Patient) -> list[Chord]:
    """Return the parts of each ray that lie in the ventricles and in the right atrium."""
    bulk, (x, y, z) = patient.heart[0] / TYPICAL_HEART, patient.heart_centre
    return [
        ellipsoid(rays, (x, y, z), patient.heart, lean=patient.heart_lean),
        ellipsoid(rays, (patient.shift - 1.2 * bulk, y + 0.5, z + 0.4 * bulk), (3.0 * bulk, 3.0 * bulk, 5.4 * bulk)),
    ]


def shapes_in_cavity(rays: Rays, patient: Patient) -> list[Chord]:
    """Return the parts of each ray that lie in what presses into the lungs: heart, great vessels, spine, domes."""
    shift, base, apex, size = patient.shift, patient.base, patient.apex, patient.scale
    old = max(patient.age - 40, 0) / 50  # 0 up to 40 years, 1 at 90: the vessels widen
    bulk, (heart_x, _, heart_z) = patient.heart[0] / TYPICAL_HEART, patient.heart_centre
    aorta, deep = size * (1.25 + 0.45 * old), patient.depth  # radius of the aorta in cm
    lean = patient.rng("spine's lean").normal(0, 0.03)  # radians
    shapes = [
        *heart_shapes(rays, patient),
        # the spine with the muscles and rib heads beside it, and what lies in front of it: no spine is quite straight
        ellipsoid(rays, (lean * 8, 0.85 * deep, 0.0), (4.2 * size, 0.23 * deep, LONG), lean=lean),
        ellipsoid(rays, (-lean * 8, 0.68 * deep, 0.0), (1.3 * size, 0.32 * deep, LONG), lean=lean),
        # the descending aorta on the left, wider with age, and its arch
        ellipsoid(
            rays, (size * (1.2 + 0.4 * old) + 0.5 * shift, 0.45 * deep, 0.0), (aorta, aorta, LONG), lean=lean - 0.02
        ),
        ellipsoid(
            rays,
            (shift + size * (1.3 + 0.6 * old), 1.0, apex - 7.2 * size),
            (1.75 * size + 0.5 * old, 3.0 * size, 2.2 * size + 0.3 * old),
        ),
        # the trunk of the great vessels above the heart: it leans from the right atrium to the left of the arch
        ellipsoid(
            rays, (shift + 0.4 * bulk, -1.0, heart_z + 6.0 * bulk), (3.3 * bulk, 3.2 * bulk, 6.8 * bulk), lean=0.12
        ),
        # the left border of the heart, up to the trunk of the pulmonary artery
        ellipsoid(
            rays,
            (shift + 1.6 * bulk, -1.0, heart_z + 3.8 * bulk),
            (6.8 * bulk, 3.6 * bulk, 3.4 * bulk),
            lean=1.0,
        ),
        # the vena cava and the upper mediastinum, on the right
        ellipsoid(rays, (shift - 1.0 * size, 0.0, apex - 7.0 * size), (2.4 * size, 2.6 * size, 8.0 * size), lean=0.07),
    ]
    right, left = patient.domes
    for side, dome in (
        (-1, right),
        (0, 0.95 * min(right, left)),
        (1, left),
    ):  # 0: the diaphragm's middle, under the heart
        shapes.append(_cross_dome(rays, patient, side, dome))
    for side, radius in zip((-1, 1), patient.fat_pads, strict=True):
        if radius:
            place = (heart_x + side * 0.75 * patient.heart[0], -0.6 * patient.depth, base + 0.8 * min(patient.domes))
            shapes.append(ellipsoid(rays, place, (radius, 3.0, radius)))
    return shapes


def _cross_dome(rays: Rays, patient: Patient, side: int, dome: float) -> Chord:
    """Return the part of each ray in half an ellipsoid, sheared so that its rim falls towards the back.

    Parameters
    ----------
    rays : Rays
    patient : Patient
    side : {-1, 0, 1}
        Right, between the two, or left.
    dome : float, cm
        Height above the rim.
    """
    cx, ax = patient.middle + side * 0.43 * patient.width, (0.63 if side else 0.55) * patient.width
    # the dome ends well before the wall of the back: behind it lies a deep pocket of the pleural space
    cy, ay = -0.20 * patient.depth, 0.90 * patient.depth
    x = rays.x0 - cx
    h, dh = (rays.z0 - patient.base) / dome, (rays.dz + patient.rim_slope) / dome
    a = dh * dh + rays.dx * rays.dx / ax**2 + 1 / ay**2
    b = h * dh + x * rays.dx / ax**2 - cy / ay**2
    return solve_chord(a, b, h * h + x * x / ax**2 + (cy * cy / ay**2 - 1))


def chest_box(rays: Rays, patient: Patient, cavity: Cavity) -> tuple[slice, slice]:
    """Return the rows and columns outside which no ray crosses a lung.

    Raises
    ------
    InputError
        No ray crosses the chest.
    """
    deepest = patient.rim_slope * patient.depth + POCKET * (1 - POCKET_FROM) * patient.depth  # of the pocket behind
    lowest, highest = patient.base - deepest - 2, patient.apex + 2
    hit = (cavity.back > cavity.front) & (rays.z0 > lowest) & (rays.z0 < highest)
    if not hit.any():
        raise InputError("no ray crosses the chest, so the film would show nothing")
    return _bounds(hit)


def _bounds(hit: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and the columns between the first and the last that are hit: none, if none is hit."""
    left, top, width, height = cv2.boundingRect(hit.view(np.uint8))
    return slice(top, top + height), slice(left, left + width)


def trace_pleura(rays: Rays, patient: Patient, cavity: Cavity) -> Pleura:
    """Sample both pleural spaces along the rays.

    Parameters
    ----------
    rays : Rays
    patient : Patient
    cavity : Cavity
        The inner wall, as `cross_wall` returns it for these rays.
    """
    t = np.linspace(0, 1, CELLS + 1, dtype=np.float32)[:, None, None]
    span = cavity.back - cavity.front
    # These are the largest arrays of a film: they lie in one block of memory, and are used again and again.
    x, y, z, off, inside, work = np.empty((6, CELLS + 1, *span.shape), np.float32)
    np.multiply(span, t, out=y)
    y += cavity.front
    for place, origin, slope in ((x, rays.x0, rays.dx), (z, rays.z0, rays.dz)):
        np.multiply(slope, y, out=place)
        place += origin
    np.subtract(x, patient.shift, out=off)
    left = off > 0
    np.abs(off, out=off)  # from the middle
    np.multiply(y, y, out=inside)  # at first, how far from the middle a lung begins
    inside *= np.float32(-0.8 / patient.depth**2)  # in front and behind, the lungs nearly meet
    inside += 1
    inside *= _mediastinum_width(rays, patient)
    np.subtract(off, inside, out=inside)
    np.subtract(patient.base + min(patient.domes), z, out=work)  # below the domes
    np.clip(work, 0, np.inf, out=work)  # much faster than np.maximum with a number
    work *= np.float32(0.35)
    inside -= work  # beside the spine and the crura the lower edge slants outwards
    np.minimum(inside, _below_tops(patient, off, y, z, work=work), out=inside)
    for chord in shapes_in_cavity(rays, patient):
        hit = chord.half > 0
        rows, columns = _bounds(hit)  # no ray outside meets the shape
        middle, half = chord.middle[rows, columns], chord.half[rows, columns]
        outside = y[:, rows, columns] - np.where(hit[rows, columns], middle, np.float32(FAR))
        np.abs(outside, out=outside)
        outside -= half
        np.minimum(inside[:, rows, columns], outside, out=inside[:, rows, columns])
    np.minimum(inside, _above_rim(patient, y, z, out=off, work=work), out=inside)
    pleura = Pleura(inside, x, y, z, wall_at(patient, rays.z0), left, span * rays.length / CELLS)
    if any(patient.pleural_thickening):  # over the lower half; it fades out over 6 cm
        lower = np.clip((np.float32((patient.apex + 2 * patient.base) / 3) - z) / 6, 0, 1)
        right_cm, left_cm = patient.pleural_thickening
        thickening = np.where(left, np.float32(left_cm), np.float32(right_cm))
        np.minimum(inside, pleura.gap - lower * thickening, out=inside)
    return pleura


def _mediastinum_width(rays: Rays, patient: Patient) -> np.ndarray:
    """Return the half-width of the mediastinum (H, W), in cm, where it is widest along each ray.

    On each side it widens and narrows with the height, along a smooth curve of the patient's own.
    """
    rng = patient.rng("mediastinum")
    up = (rays.z0 - np.float32((patient.apex + patient.base) / 2)) * np.float32(2 / (patient.apex - patient.base))
    np.clip(up, -1, 1, out=up)
    square, sides = up * up, []
    for _ in range(2):
        a, b, c = (np.float32(rng.normal(0, 0.25)) for _ in range(3))
        curve = 1 + a * up + b * (3 * square - 1) / 2 + c * (5 * square - 3) * up / 2  # Legendre polynomials
        sides.append(np.maximum(curve, np.float32(0.25)))
    left, right = sides
    return np.float32(patient.mediastinum) * np.where(rays.x0 > patient.shift, left, right)


def _above_rim(patient: Patient, y: np.ndarray, z: np.ndarray, *, out: np.ndarray, work: np.ndarray) -> np.ndarray:
    """Return how far (CELLS + 1, H, W), in cm and to first order, points lie above the rim of the diaphragm.

    The result is written to `out`; `work` is overwritten.
    """
    above = np.subtract(y, np.float32(POCKET_FROM * patient.depth), out=out)
    np.clip(above, 0, np.inf, out=above)
    above *= np.float32(POCKET)
    above += np.multiply(y, np.float32(patient.rim_slope), out=work)
    above += z
    above -= np.float32(patient.base)
    return above


def _below_tops(patient: Patient, off: np.ndarray, y: np.ndarray, z: np.ndarray, *, work: np.ndarray) -> np.ndarray:
    """Return how far (CELLS + 1, H, W), in cm, points lie below the rounded tops of the lungs.

    A top lies beside the midline and rather to the back. Towards the front it falls, as the first rib does.
    The result is written to `off`, which is the distance from the midline; `work` is overwritten.
    """
    size = patient.scale
    off -= np.float32(4.3 * size)
    off *= off
    off *= np.float32(-0.13 / size)
    off += np.float32(patient.apex)
    off -= z
    forward = np.subtract(np.float32(2.0 * size), y, out=work)
    np.clip(forward, 0, np.inf, out=forward)
    forward *= np.float32(0.4)
    off -= forward
    return off
