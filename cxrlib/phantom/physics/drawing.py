"""Draw on a canvas that is finer than the film, so that thin shapes keep their width and their place."""

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


def band(curves: np.ndarray, radii: np.ndarray, trim: float) -> np.ndarray:
    """Return the outlines (..., 2 N, 3) of bands along curves (..., N, 3), as seen from the front.

    Parameters
    ----------
    curves : ndarray, (..., N, 3), cm
    radii : ndarray, (..., N), cm
        Half the width at each point. Several radii may share one curve.
    trim : float, cm
        What is taken off each radius.
    """
    x, z = curves[..., 0], curves[..., 2]
    dx, dz = differences(x), differences(z)
    out = np.maximum(radii - trim, 0.02) / (np.sqrt(dx * dx + dz * dz) + 1e-6)
    normal = np.zeros((*out.shape, 3))
    normal[..., 0], normal[..., 2] = -dz * out, dx * out
    return np.concatenate([curves + normal, (curves - normal)[..., ::-1, :]], axis=-2)


def differences(values: np.ndarray) -> np.ndarray:
    """Return the difference (..., N) between the neighbours of each value, and at an end to its only neighbour."""
    steps = np.empty_like(values)
    steps[..., 1:-1] = values[..., 2:] - values[..., :-2]
    steps[..., 0] = values[..., 1] - values[..., 0]
    steps[..., -1] = values[..., -1] - values[..., -2]
    return steps
