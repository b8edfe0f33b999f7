"""Draw on a canvas that is finer than the film, so that thin shapes keep their width and their place."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

from cxrlib.phantom.physics.rays import Geometry

FRACTION_BITS = 4
"""OpenCV takes integer coordinates; their last 4 bits count sixteenths of a pixel (its ``shift`` argument)."""


def canvas_side(size: int, wanted: int = 512) -> int:
    """Return the side of the canvas: the largest multiple of the film's `size` up to `wanted`, or `size` if larger."""
    return size * max(1, wanted // size)


def canvas_points(geometry: Geometry, points: ArrayLike, side: int) -> np.ndarray:
    """Return where points (..., 3), in cm, fall on a canvas: (..., 2), int32, in sixteenths of a pixel."""
    return np.rint(geometry.project(points) * (side / geometry.field) * 2**FRACTION_BITS).astype(np.int32)


def draw_lines(canvas: np.ndarray, lines: np.ndarray, *, width: float, brightness: float, geometry: Geometry) -> None:
    """Draw lines on a canvas, in place. A line thinner than a pixel is drawn one pixel wide, and fainter.

    Parameters
    ----------
    canvas : ndarray, (side, side), uint8 or float32
    lines : ndarray, (L, N, 3), cm
        L lines of N points. All are projected in one call, which is much faster than one by one.
    width : float, pixels of the canvas
    brightness : float
    geometry : Geometry
    """
    points = list(canvas_points(geometry, lines, canvas.shape[0]))
    cv2.polylines(canvas, points, False, brightness * min(1.0, width), max(1, round(width)), cv2.LINE_8, FRACTION_BITS)


def shrink(canvas: np.ndarray, size: int) -> np.ndarray:
    """Return a canvas averaged down to a film (size, size), float32."""
    return cv2.resize(canvas.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)


def draw_bands(
    canvas: np.ndarray, geometry: Geometry, curves: Sequence[np.ndarray], radii: Sequence[np.ndarray], brightness: float
) -> None:
    """Draw curves as filled bands whose width changes along them, in place.

    Parameters
    ----------
    canvas : ndarray, (side, side), uint8
    geometry : Geometry
    curves : sequence of ndarray, (N, 3), cm
    radii : sequence of ndarray, (N,), cm
        Half the width of a band at each point of its curve.
    brightness : float
    """
    for border in band_borders(geometry, curves, radii, canvas.shape[0]):
        cv2.fillPoly(canvas, [border], brightness, cv2.LINE_8, FRACTION_BITS)


def band_borders(
    geometry: Geometry, curves: Sequence[np.ndarray], radii: Sequence[np.ndarray], side: int
) -> list[np.ndarray]:
    """Return the outlines of bands on a canvas: (2 N, 2) each, int32, in sixteenths of a pixel.

    First comes one border from the start of the curve to its end, then the other one on the way back. OpenCV fills
    a polygon with its outline, half a pixel wider on every side, so half a pixel is taken off.
    """
    borders = []
    for points, radius in zip(curves, radii, strict=True):
        places = geometry.project(points) * (side / geometry.field)
        along = np.empty_like(places)
        along[1:-1] = places[2:] - places[:-2]
        along[0], along[-1] = places[1] - places[0], places[-1] - places[-2]
        length = np.sqrt((along * along).sum(axis=1)) + 1e-6
        per_cm = side / geometry.field * geometry.magnification(float(points[len(points) // 2, 1]))
        out = np.maximum(radius * per_cm - 0.5, 0.0) / length
        normal = np.stack([-along[:, 1] * out, along[:, 0] * out], axis=-1)
        outline = np.concatenate([places + normal, (places - normal)[::-1]])
        borders.append(np.rint(outline * 2**FRACTION_BITS).astype(np.int32))
    return borders
