"""Diverging rays from a point source to every pixel, and the shapes that they cross.

Lengths in cm, in the patient's own axes: x to the patient's left, y to the back,
z upwards, the origin in the middle of the chest. Along a ray x and z are linear
in y, so a ray is four numbers, and what it crosses of an ellipsoid has a closed
form. Images have rows from the top down and columns from the patient's right to
the patient's left, whichever the view.
"""

from dataclasses import dataclass, fields
from math import cos, radians, sin

import numpy as np


@dataclass(frozen=True)
class Rays:
    """A bundle of rays, one a pixel: x = x0 + dx * y and z = z0 + dz * y.

    Attributes
    ----------
    x0, dx, z0, dz : ndarray, (H, W), float32
    length : ndarray, (H, W), float32
        Centimetres along the ray for each centimetre of y.
    pixel : float, cm
        Side of a pixel on the detector.
    """

    x0: np.ndarray
    dx: np.ndarray
    z0: np.ndarray
    dz: np.ndarray
    length: np.ndarray
    pixel: float

    def __getitem__(self, rows) -> "Rays":
        """Return some of the rays."""
        arrays = (getattr(self, field.name)[rows] for field in fields(self)[:-1])
        return Rays(*(np.ascontiguousarray(array) for array in arrays), self.pixel)

    def at(self, y) -> tuple[np.ndarray, np.ndarray]:
        """Return x and z where the rays pass a given y."""
        return self.x0 + self.dx * y, self.z0 + self.dz * y


@dataclass(frozen=True)
class Geometry:
    """Where source, patient and detector stand.

    Attributes
    ----------
    view : {"PA", "AP"}
        The beam enters at the back (PA) or at the front (AP); the detector is
        on the other side.
    distance : float, cm
        From the source to the detector.
    detector : float, cm
        From the origin to the detector.
    field : float, cm
        Side of the square detector.
    centre : (x, z), cm
        What part of the patient lies before the middle of the detector.
    tilt : float, cm
        How far above the middle of the detector the source stands.
    yaw, roll : float, degrees
        The patient turned about the long axis; the film turned in its plane.
    """

    view: str = "PA"
    distance: float = 183.0
    detector: float = 12.0
    field: float = 38.0
    centre: tuple[float, float] = (0.0, 0.0)
    tilt: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0

    @property
    def _front(self) -> float:
        return -1.0 if self.view == "PA" else 1.0

    def magnification(self, y: float) -> float:
        """Return how much larger than life a thing at depth y is on the detector."""
        detector = self._front * self.detector
        return self.distance / (self.distance - abs(y - detector))

    def narrowing(self, y):
        """Return how much smaller a pixel's bundle is at depth y (scalar or array) than on the detector."""
        return np.abs(y - np.float32(self._front * self.detector - self._front * self.distance)) / self.distance

    def cast(self, size: int) -> Rays:
        """Return the rays to the (size, size) pixels."""
        pixel = self.field / size
        ticks = (np.arange(size) + 0.5) * pixel - self.field / 2
        across, down = ticks[None, :], -ticks[:, None]
        turn = radians(self.roll)
        u = self.centre[0] + across * cos(turn) - down * sin(turn)
        v = self.centre[1] + across * sin(turn) + down * cos(turn)
        detector = self._front * self.detector
        to_source = -self._front * self.distance
        dx, dz = (self.centre[0] - u) / to_source, (self.centre[1] + self.tilt - v) / to_source
        x0, z0 = u - dx * detector, v - dz * detector
        c, s = cos(radians(self.yaw)), sin(radians(self.yaw))
        stretch = 1 / (c - dx * s)  # y of the room for each y of the patient
        turned_dx, turned_dz = (dx * c + s) * stretch, dz * stretch
        bundle = (
            x0 * c + turned_dx * x0 * s,
            turned_dx,
            z0 + turned_dz * x0 * s,
            turned_dz,
            np.sqrt(1 + turned_dx**2 + turned_dz**2),
        )
        return Rays(*(array.astype(np.float32) for array in bundle), pixel)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return where points (..., 3) fall on the detector, (..., 2): column and row in cm from its corner."""
        points = np.asarray(points, float)
        c, s = cos(radians(self.yaw)), sin(radians(self.yaw))
        x = points[..., 0] * c - points[..., 1] * s
        y = points[..., 0] * s + points[..., 1] * c
        detector = self._front * self.detector
        source_y = detector - self._front * self.distance
        reach = (detector - source_y) / (y - source_y)
        u = (x - self.centre[0]) * reach
        v = (points[..., 2] - self.centre[1] - self.tilt) * reach + self.tilt
        turn = radians(self.roll)
        across, down = u * cos(turn) + v * sin(turn), -u * sin(turn) + v * cos(turn)
        return np.stack([across + self.field / 2, self.field / 2 - down], axis=-1)


def chord(a, b, c) -> tuple[np.ndarray, np.ndarray]:
    """Return middle and half-length, in y, of where a*y**2 + 2*b*y + c < 0; the half is 0 where nowhere."""
    return -b / a, np.sqrt(np.maximum(b * b - a * c, 0)) / a


def ellipsoid(rays: Rays, centre, axes, *, lean: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return middle and half-length, in y, of the rays' way through an ellipsoid.

    Parameters
    ----------
    centre, axes : (x, y, z), cm
        Semi-axes.
    lean : float, radians
        Turn in the x-z plane: positive brings the x axis down on the patient's left.
    """
    (cx, cy, cz), (ax, ay, az) = centre, axes
    x, z = rays.x0 - np.float32(cx), rays.z0 - np.float32(cz)
    if lean:
        c, s = cos(lean), sin(lean)
        x, z, dx, dz = x * c - z * s, x * s + z * c, rays.dx * c - rays.dz * s, rays.dx * s + rays.dz * c
    else:
        dx, dz = rays.dx, rays.dz
    p, dp, q, dq = x * (1 / ax), dx * (1 / ax), z * (1 / az), dz * (1 / az)
    a = dp * dp + dq * dq + 1 / ay**2
    b = p * dp + q * dq - cy / ay**2
    return chord(a, b, p * p + q * q + (cy * cy / ay**2 - 1))


def path(rays: Rays, half: np.ndarray) -> np.ndarray:
    """Return the way (H, W), in cm, of a chord's half-length in y."""
    return 2 * half * rays.length
