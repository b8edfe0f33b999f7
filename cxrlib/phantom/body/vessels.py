"""The lungs' own markings: arteries and veins that fill each lung, and the air in trachea and main bronchi.

Each trunk at the hilum feeds a cloud of end points in its part of the lung. A vessel runs
to the middle of its cloud, the cloud is cut in two, and so on: the vessels curve, taper and
reach all of the lung. The idea is that of
Kitaoka et al., J Appl Physiol 1999;87:2207, who grow airways so.

Lengths are in cm, for a man with `patient.scale` 1. Numbers without a source are chosen by eye.
"""

import cv2
import numpy as np

from cxrlib.phantom.body.chest import wall_at
from cxrlib.phantom.body.patient import Patient
from cxrlib.phantom.physics.drawing import FRACTION_BITS, band, canvas_points, canvas_side, shrink
from cxrlib.phantom.physics.rays import Geometry

GENERATIONS = 5
ENDS = 2**GENERATIONS  # of one tree
NARROWING = 0.80  # radius after a fork over the radius before it

_T = np.array([0.0, 1 / 3, 2 / 3, 1.0])[:, None]
FROM_START, FROM_BEND, FROM_STOP = (1 - _T) * (1 - _T), 2 * _T * (1 - _T), _T * _T
"""Weights (4, 1) of the points of a parabola that leaves its start towards its bend and reaches its stop from there."""

RIGHT_HILUM = 12.0
"""How far the right hilum lies below the top of the lung. The left hilum is 1 cm higher (Radiopaedia, "hilum")."""

INTERLOBAR_RADIUS = (0.66, 0.52)
"""At its beginning and its end. The right one is 1.0 to 1.6 cm wide (Chang, Am J Roentgenol 1962;87:929)."""

TREES = np.array(
    # root: from the midline, above the hilum, y; course: outwards, upwards; cloud: from the mediastinum (0) to the
    # wall (1), from the diaphragm (0) to the top (1), from front (-1) to back (1); radius; one row for each trunk
    [
        # arteries
        (3.2, 0.6, 0.5, 0.5, 0.9, 0.00, 0.60, 0.62, 1.00, -0.5, 0.9, 0.22),  # to the top
        (3.6, 0.2, -0.5, 0.9, 0.4, 0.30, 1.00, 0.50, 0.88, -1.0, 0.3, 0.22),  # upper lobe, in front
        (4.3, -1.6, 1.0, 0.9, 0.1, 0.30, 1.00, 0.35, 0.66, 0.1, 1.0, 0.25),  # top of the lower lobe
        (4.6, -3.2, -0.5, 0.8, -0.6, 0.20, 1.00, 0.08, 0.42, -1.0, 0.0, 0.26),  # middle lobe or lingula
        (4.7, -4.8, 0.8, 0.5, -0.9, 0.45, 1.00, 0.00, 0.36, -0.4, 0.9, 0.30),  # base, outwards
        (4.6, -5.2, 1.2, 0.1, -1.0, 0.00, 0.55, 0.00, 0.30, 0.0, 1.0, 0.30),  # base, inwards
        # veins: they run lateral to the arteries above, and more level below, to the left atrium
        (3.3, -2.4, -0.5, 0.5, 0.9, 0.15, 0.85, 0.55, 0.98, -0.8, 0.6, 0.26),
        (3.0, -3.0, -0.6, 0.9, 0.1, 0.35, 1.00, 0.25, 0.60, -1.0, 0.3, 0.25),
        (2.6, -5.6, 0.9, 0.9, -0.5, 0.35, 1.00, 0.02, 0.40, -0.3, 1.0, 0.26),
        (2.4, -6.2, 1.2, 0.6, -0.8, 0.05, 0.60, 0.00, 0.30, 0.2, 1.0, 0.26),
    ]
)

PROFILE = ((1.0, 1.2), (0.6, 1.8))
"""A vessel's round section in two steps: width over the diameter, and thickness over the radius.

Their area is 3.12 r**2, where a circle's is 3.14 r**2.
"""

ROUND = ((1.0, 0.7), (0.9, 1.2), (0.75, 1.55), (0.5, 1.85))
"""The same in four steps, for wide tubes."""

HAZE = ((3.6, 0.15), (2.9, 0.32), (2.2, 0.5), (1.6, 0.7))
"""Around the large arteries, in the same steps: small vessels, nodes and the walls of the bronchi."""

HILUM = 0.75
"""How much of their thickness the large arteries add: half of each lies in the fat and lymph nodes of the hilum."""

MIRRORED_FROM = 3  # generation

PIECES, PIECE_CM = 16, 0.3
"""Pieces of vessels that cross near each hilum; what each adds, in cm."""

GRAY_PER_CM = 100  # the canvas holds 8 bits, so up to 2.55 cm

TRACHEA_WIDTH = 1.8
"""Men 1.3 to 2.5 cm, women 1.0 to 2.1 cm from side to side (Breatnach et al., Am J Roentgenol 1984;142:903)."""

PULSATION = 0.06
"""Centimetres by which vessels are blurred. By eye."""

CARINA = 8.8  # cm below the top of the lungs


def grow_vessels(patient: Patient) -> list[tuple[np.ndarray, np.ndarray]]:
    """Grow the trees of both lungs.

    Returns
    -------
    list of (curves, radii)
        One entry for each generation: curves (N, 4, 3) of 4 points in cm, and the radius (N,) of each.
        At each fork a vessel divides into two, which have 0.8 of its radius.
    """
    rng = patient.rng("vessels")
    sides = np.repeat((-1.0, 1.0), len(TREES))
    trees = np.concatenate([TREES, TREES])
    trees[:, :5] += rng.normal(0, (0.2, 0.35, 0.2, 0.2, 0.2), (len(trees), 5))
    clouds = _end_points(patient, rng.random((len(trees), ENDS, 3)), trees[:, 5:11], sides)
    hilum = patient.apex - (RIGHT_HILUM - np.where(sides > 0, 1.0, 0.0)) * patient.scale
    starts = np.stack(
        [
            patient.shift + sides * trees[:, 0] * patient.scale,
            trees[:, 2] * patient.scale,
            hilum + trees[:, 1] * patient.scale,
        ],
        axis=-1,
    )
    courses = np.stack([sides * trees[:, 3], np.zeros(len(trees)), trees[:, 4]], axis=-1)
    radii = trees[:, 11] * (patient.scale * rng.uniform(0.85, 1.15))
    grown = []
    for level in range(GENERATIONS):
        # runs 0.4 to 0.6 of the way to the middle of its cloud; the last vessels reach their end
        middles = clouds.sum(axis=2).T * (1 / clouds.shape[2])
        ways = rng.uniform(0.35, 0.6, (len(starts), 1)) if level < GENERATIONS - 1 else 1.0
        stops = starts + ways * (middles - starts)
        across = stops - starts
        reach, norm = _length(across), _length(courses)
        bends = starts + courses * (0.45 * reach / norm)  # a parabola that leaves along the course of its parent
        curves = starts[:, None] * FROM_START + bends[:, None] * FROM_BEND + stops[:, None] * FROM_STOP
        grown.append((curves, radii))
        radii = np.repeat(radii * NARROWING, 2)
        courses = np.repeat(stops - bends, 2, axis=0)
        starts = np.repeat(stops, 2, axis=0)
        if level < GENERATIONS - 1:
            clouds = _cut_in_two(clouds)
    return grown


def _length(vectors: np.ndarray) -> np.ndarray:
    """Return the length (N, 1) of vectors (N, 3)."""
    x, y, z = vectors.T
    return np.sqrt(x * x + y * y + z * z)[:, None]


def _end_points(patient: Patient, drawn: np.ndarray, cloud: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Return where vessels end (3, T, N), in cm, for numbers in [0, 1] drawn for each: 0.8 cm or more from the wall."""
    low, high = cloud[:, None, 0::2], cloud[:, None, 1::2]
    across, up, back = np.moveaxis(low + (high - low) * drawn, -1, 0)
    floor = patient.base + 0.35 * min(patient.domes)
    z = floor + up * (patient.apex - 1.2 * patient.scale - floor)
    wall = wall_at(patient, z.astype(np.float32))
    inner = 1.6 * patient.scale
    x = inner + across * (wall.width - 0.8 - inner)
    from_middle = x / wall.width
    deep = wall.depth * np.sqrt(np.maximum(1 - from_middle * from_middle, 0))
    y = wall.middle_y + 0.85 * back * deep
    return np.stack([patient.middle + sides[:, None] * x, y, z])


def _cut_in_two(clouds: np.ndarray) -> np.ndarray:
    """Cut each cloud (3, G, N) in two halves (3, 2 G, N / 2), across the direction in which it is longest."""
    x, y, z = clouds.swapaxes(1, 2)  # NumPy finds a maximum faster along a middle axis than along a short last one
    directions = np.array([x, 0.7 * y, z, 0.7 * (x + z), 0.7 * (x - z)])
    longest = (directions.max(axis=1) - directions.min(axis=1)).argmax(axis=0)
    groups = np.arange(len(longest))
    order = np.argsort(directions[longest, :, groups], axis=1, kind="stable")
    return clouds[:, groups[:, None], order].reshape(3, 2 * len(longest), -1)


def hilar_arteries(patient: Patient) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the arteries of both hila, as (points (N, 3), radii (N,)) in cm.

    The right one leaves the mediastinum, bends down beside the bronchus and descends. The
    left one arches over its bronchus, 1 cm higher, and descends behind the heart.
    """
    rng, size = patient.rng("hila"), patient.scale
    arteries = []
    for side, higher in ((-1, 0.0), (1, 1.0)):
        hilum = patient.apex - (RIGHT_HILUM - higher) * size
        wide = size * rng.uniform(0.85, 1.15)
        out, tilt = rng.normal(0.0, 0.2), rng.normal(0.0, 0.25)
        x = np.array([1.2, 2.8, 3.9, 4.4, 4.6 + 0.5 * tilt, 4.6 + tilt, 4.7 + 1.4 * tilt]) + out
        z = np.array([0.3, 0.5, -0.2, -1.7, -3.2, -4.8, -6.6]) + (0.3 if side > 0 else 0.0)
        y = np.array([-0.5, 0.0, 0.4, 0.7, 0.9, 1.1, 1.3])
        points = np.stack([patient.shift + side * x * size, y * size, hilum + z * size], axis=-1)
        first, last = INTERLOBAR_RADIUS
        arteries.append(
            (points, wide * np.array([0.8 * first, 0.95 * first, 1.05 * first, first, 0.9 * first, last, 0.15]))
        )
    return arteries


def _hilar_pieces(patient: Patient) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends (N, 2, 3) and radii (N,), in cm, of pieces of vessels that cross near the hila."""
    rng, size = patient.rng("hilar pieces"), patient.scale
    sides = np.repeat((-1.0, 1.0), PIECES)
    x = 4.2 + rng.normal(0, 1.1, 2 * PIECES)
    z = -1.6 + rng.normal(0, 2.2, 2 * PIECES) + np.where(sides > 0, 1.0, 0.0)
    places = np.stack([patient.shift + sides * x * size, np.zeros_like(x), patient.apex + (z - RIGHT_HILUM) * size], -1)
    runs = rng.normal(0, 0.6, (2 * PIECES, 3)) * size
    return np.stack([places, places + runs], axis=1), size * rng.uniform(0.12, 0.36, 2 * PIECES)


def vessel_thickness(patient: Patient, geometry: Geometry, size: int) -> np.ndarray:
    """Return the path length (H, W), in cm, through the vessels, as if there were lung everywhere."""
    side = canvas_side(size, max(256, 2 * size) if size <= 512 else size)
    canvas = np.zeros((side, side), np.uint8)
    per_cm = side / geometry.field * geometry.magnification(0.0)
    generations = grow_vessels(patient)
    # one lung's small vessels are drawn in the other lung too, as a mirror image: as many again, and nobody sees it
    small = [(curves * (-1, 1, 1), radii) for curves, radii in generations[MIRRORED_FROM:]]
    lines = canvas_points(geometry, np.concatenate([curves for curves, _ in (*generations, *small)]), side)
    radii = np.concatenate([radii for _, radii in (*generations, *small)])
    for radius in np.unique(radii):  # the large vessels are drawn last, over the small ones
        group = list(lines[radii == radius])
        for width, thickness in PROFILE if 2 * radius * per_cm > 4 else ((1.0, 1.56),):
            _draw_lines(canvas, group, 2 * radius * per_cm * width, thickness * radius * GRAY_PER_CM)
    hila = np.zeros_like(canvas)
    arteries = hilar_arteries(patient)
    for steps, combine in ((HAZE, cv2.add), (ROUND, cv2.max)):  # the branches begin within the arteries
        hila[:] = 0
        _draw_tubes(hila, geometry, arteries, steps, HILUM)
        combine(canvas, hila, dst=canvas)
    ends, radii = _hilar_pieces(patient)
    hila[:] = 0
    for line, radius in zip(canvas_points(geometry, ends, side), radii.tolist(), strict=True):
        _draw_lines(hila, [line], 2 * radius * per_cm, PIECE_CM * GRAY_PER_CM)
    cv2.add(canvas, hila, dst=canvas)
    if PULSATION:  # during the exposure
        cv2.GaussianBlur(canvas, (0, 0), PULSATION * per_cm, dst=canvas)
    return shrink(canvas, size) / GRAY_PER_CM


def _draw_tubes(
    canvas: np.ndarray,
    geometry: Geometry,
    tubes: list[tuple[np.ndarray, np.ndarray]],
    steps: tuple[tuple[float, float], ...],
    part: float = 1.0,
) -> None:
    """Draw tubes, given as points (N, 3) and radii (N,), with the section that `steps` describe; `part` of it."""
    trim = 0.5 * geometry.field / canvas.shape[0]  # OpenCV fills half a pixel more on every side
    widths = np.array([[width] for width, _ in steps])
    places = [canvas_points(geometry, band(points, widths * radii, trim), canvas.shape[0]) for points, radii in tubes]
    for step, (_, thickness) in enumerate(steps):
        for (_, radii), outlines in zip(tubes, places, strict=True):
            gray = part * thickness * float(radii[1:].max()) * GRAY_PER_CM
            cv2.fillPoly(canvas, [outlines[step]], gray, cv2.LINE_8, FRACTION_BITS)


def _draw_lines(canvas: np.ndarray, lines: list[np.ndarray], width: float, brightness: float) -> None:
    """Draw lines of `width` pixels. OpenCV draws 1, 3, 5, ... pixels; the brightness makes up for the rest."""
    drawn = 1 if width < 2.6 else 1 + 2 * round((width - 1) / 2)
    gray = brightness * width / drawn
    cv2.polylines(canvas, lines, False, gray, max(1, drawn - 1), cv2.LINE_8, FRACTION_BITS)


def airway_thickness(patient: Patient, geometry: Geometry, size: int) -> np.ndarray:
    """Return the path length (H, W), in cm, through the air of larynx, trachea and main bronchi."""
    rng, scale = patient.rng("airways"), patient.scale
    radius = 0.5 * TRACHEA_WIDTH * scale * rng.uniform(0.85, 1.15)
    aside = patient.shift - rng.uniform(0.1, 0.6) * scale  # the aortic arch pushes it to the right
    carina = patient.apex - CARINA * scale
    top = patient.apex + rng.uniform(2.5, 6.0) * scale  # the vocal cords
    middle = np.array([0.0, 0.0, 0.0, 0.0, 0.3 * aside, 0.9 * aside, aside, 0.7 * aside])
    z = np.array([top + 3, top + 1.5, top, top - 1.5, patient.apex, patient.apex - 4.5, carina + 1.5, carina])
    tubes = [
        (
            np.stack([middle, np.array([-2.5, -2.5, -2.5, -2.2, -1.5, 0.0, 1.0, 1.4]) * scale, z], -1),
            radius * np.array([0.9, 0.9, 0.55, 0.95, 1, 1, 1.05, 1.0]),
        )
    ]
    for side, out, down, wide in ((-1, 2.9, 3.2, 0.75), (1, 4.2, 3.0, 0.66)):  # the right bronchus is steeper and wider
        t = np.array([0.0, 0.35, 0.7, 1.0])
        x = middle[-1] + side * out * scale * t
        y = np.full(4, 1.2 * scale)
        points = np.stack([x, y, carina + 0.5 * scale - down * scale * t * (0.75 + 0.25 * t)], -1)
        tubes.append((points, radius * wide * np.array([1.0, 1.0, 0.95, 0.6])))
    canvas = np.zeros((canvas_side(size, 256),) * 2, np.uint8)
    _draw_tubes(canvas, geometry, tubes, ROUND)
    return shrink(canvas, size) / GRAY_PER_CM
