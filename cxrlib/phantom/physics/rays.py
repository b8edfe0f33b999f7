"""Diverging rays from a point source to every pixel, and the shapes that they cross.

Lengths are in cm, in the patient's own axes: x to the patient's left, y to the back,
z upwards. The origin is in the middle of the chest. Along a ray, x and z are linear
in y. So four numbers describe a ray, and its path through an ellipsoid has a closed
form. Rows of an image run from the head down. Columns run from the patient's right to
the patient's left, in both views.

Arrays along rays are float32. A Python float does not change an array's type (NumPy 2).
A NumPy float64 would change the type to float64. So ``np.float32`` is written around
numbers that may be a NumPy float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Rays:
    """A bundle of rays, one for each pixel: x = x0 + dx * y and z = z0 + dz * y.

    Attributes
    ----------
    x0, dx, z0, dz : ndarray, (H, W), float32
    length : ndarray, (H, W), float32
        Centimetres along the ray for each centimetre of y.
    pixel : float, cm
        Height of a pixel on the detector.
    aspect : float
        Width of a pixel over its height.
    """

    x0: np.ndarray
    dx: np.ndarray
    z0: np.ndarray
    dz: np.ndarray
    length: np.ndarray
    pixel: float
    aspect: float = 1.0

    def __getitem__(self, part: tuple[slice, slice]) -> "Rays":
        """Return the rays of some rows and columns."""
        x0, dx, z0, dz, length = (
            np.ascontiguousarray(array[part]) for array in (self.x0, self.dx, self.z0, self.dz, self.length)
        )
        return Rays(x0, dx, z0, dz, length, self.pixel, self.aspect)

    def at_depth(self, y: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return x and z (H, W), in cm, where the rays reach depth y."""
        return self.x0 + self.dx * y, self.z0 + self.dz * y


@dataclass(frozen=True)
class Geometry:
    """The positions of source, patient and detector.

    Attributes
    ----------
    view : {"PA", "AP"}
        The beam enters at the back (PA) or at the front (AP). The detector is
        on the other side.
    source_to_detector, origin_to_detector : float, cm
        Distances from the detector.
    field : float, cm
        Height of the detector.
    aspect : float
        Width of the detector over its height. The film is square all the same: it is squeezed.
    centre : (x, z), cm
        The point of the patient in front of the middle of the detector.
    source_height : float, cm
        Height of the source above the middle of the detector.
    yaw, roll : float, degrees
        Turn of the patient about the long axis, and turn of the film in its own plane.
    """

    view: str = "PA"
    source_to_detector: float = 183.0
    origin_to_detector: float = 12.0
    field: float = 38.0
    aspect: float = 1.0
    centre: tuple[float, float] = (0.0, 0.0)
    source_height: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0

    @property
    def _detector_y(self) -> float:
        """The y of the detector, in cm. For PA it is in front of the patient, where y is below 0; for AP behind."""
        return -self.origin_to_detector if self.view == "PA" else self.origin_to_detector

    @property
    def _to_source(self) -> float:
        """The y of the source minus the y of the detector, in cm."""
        return self.source_to_detector if self.view == "PA" else -self.source_to_detector

    def magnification(self, y: float) -> float:
        """Return how many times larger than life an object at depth y appears on the detector."""
        return float(1 / self.narrowing(y))

    def narrowing(self, y: float | np.ndarray) -> np.ndarray:
        """Return the width of a pixel's bundle of rays at depth y, as a fraction of its width on the detector."""
        return np.abs(y - (self._detector_y + self._to_source)) / self.source_to_detector

    def cast(self, size: int) -> Rays:
        """Return the rays to the (size, size) pixels."""
        pixel = self.field / size
        ticks = (np.arange(size) + 0.5) * pixel - self.field / 2
        across, down = self.aspect * ticks[None, :], -ticks[:, None]
        turn = radians(self.roll)
        u = self.centre[0] + across * cos(turn) - down * sin(turn)
        v = self.centre[1] + across * sin(turn) + down * cos(turn)
        dx = (self.centre[0] - u) / self._to_source
        dz = (self.centre[1] + self.source_height - v) / self._to_source
        x0, z0 = u - dx * self._detector_y, v - dz * self._detector_y
        c, s = cos(radians(self.yaw)), sin(radians(self.yaw))
        stretch = 1 / (c - dx * s)  # cm of depth outside for each cm of the turned patient's own y
        turned_dx, turned_dz = (dx * c + s) * stretch, dz * stretch
        return Rays(
            x0=(x0 * c + turned_dx * x0 * s).astype(np.float32),
            dx=turned_dx.astype(np.float32),
            z0=(z0 + turned_dz * x0 * s).astype(np.float32),
            dz=turned_dz.astype(np.float32),
            length=np.sqrt(1 + turned_dx**2 + turned_dz**2).astype(np.float32),
            pixel=pixel,
            aspect=self.aspect,
        )

    def project(self, points: ArrayLike) -> np.ndarray:
        """Return where points (..., 3) fall on the squeezed film, (..., 2): column and row from its upper left.

        They are counted so that the film is `field` high and wide: in cm of the detector's height.
        """
        points = np.asarray(points, float)
        c, s = cos(radians(self.yaw)), sin(radians(self.yaw))
        x = points[..., 0] * c - points[..., 1] * s
        y = points[..., 0] * s + points[..., 1] * c
        source_y = self._detector_y + self._to_source
        reach = (self._detector_y - source_y) / (y - source_y)
        u = (x - self.centre[0]) * reach
        v = (points[..., 2] - self.centre[1] - self.source_height) * reach + self.source_height
        turn = radians(self.roll)
        across, down = u * cos(turn) + v * sin(turn), -u * sin(turn) + v * cos(turn)
        return np.stack([across / self.aspect + self.field / 2, self.field / 2 - down], axis=-1)


class Chord(NamedTuple):
    """The part of each ray that lies inside a shape, as an interval of y: from middle - half to middle + half.

    Attributes
    ----------
    middle, half : ndarray, (H, W), cm
        Middle and half-length of the interval. The half-length is 0 where the ray misses the shape.
    """

    middle: np.ndarray
    half: np.ndarray


def solve_chord(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Chord:
    """Return the interval of y, for each ray, in which a * y**2 + 2 * b * y + c is below 0 (a is above 0)."""
    return Chord(-b / a, np.sqrt(np.maximum(b * b - a * c, 0)) / a)


def ellipsoid(rays: Rays, centre: Sequence[float], axes: Sequence[float], *, lean: float = 0.0) -> Chord:
    """Return the part of each ray that lies in an ellipsoid.

    Parameters
    ----------
    rays : Rays
    centre, axes : (x, y, z), cm
        The middle and the semi-axes of the ellipsoid.
    lean : float, radians
        Turn in the x-z plane. Above 0 it brings the x axis down on the patient's left.
    """
    (cx, cy, cz), (ax, ay, az) = centre, axes
    x, z = rays.x0 - np.float32(cx), rays.z0 - np.float32(cz)
    dx, dz = rays.dx, rays.dz
    if lean:
        c, s = cos(lean), sin(lean)
        x, z, dx, dz = x * c - z * s, x * s + z * c, dx * c - dz * s, dx * s + dz * c
    p, dp, q, dq = x * (1 / ax), dx * (1 / ax), z * (1 / az), dz * (1 / az)
    a = dp * dp + dq * dq + 1 / ay**2
    b = p * dp + q * dq - cy / ay**2
    return solve_chord(a, b, p * p + q * q + (cy * cy / ay**2 - 1))


def path_length(rays: Rays, chord: Chord) -> np.ndarray:
    """Return how many cm of each ray lie inside a shape: (H, W)."""
    return 2 * chord.half * rays.length
