"""The projector against two that share none of its formulas: lines in 3-D, and points along each ray.

`cxrlib.phantom.physics.rays` writes x and z of a ray as linear in y, in the patient's axes and in float32. Here source
and pixels are points in the room. They are turned into the patient's axes by matrices, in float64.
"""

from itertools import product

import numpy as np
import pytest

from cxrlib.phantom.physics.detector import detect
from cxrlib.phantom.physics.materials import BONE, SOFT, WATER
from cxrlib.phantom.physics.rays import Geometry, ellipsoid, path_length

PHANTOM = (  # centre and semi-axes in cm, lean in degrees, attenuation in 1/cm that it adds
    ((0.0, 0.0, 0.0), (14.0, 9.0, 20.0), 0.0, SOFT),
    ((6.5, 0.5, 2.0), (5.0, 7.0, 9.0), 6.0, -0.8 * SOFT),
    ((-6.5, 0.5, 2.0), (5.0, 7.0, 9.0), -6.0, -0.8 * SOFT),
    ((2.0, -4.0, -3.0), (5.5, 3.0, 4.5), 35.0, 0.3 * WATER),
    ((0.0, 7.0, 0.0), (1.8, 1.5, 19.0), 0.0, BONE - SOFT),
    ((-8.0, 2.0, 5.0), (0.8, 0.8, 0.8), 0.0, SOFT),
)

GEOMETRIES = [
    Geometry(view=view, source_to_detector=distance, field=44.0, centre=(0.7, -1.3), **turns)
    for (view, distance), turns in product(
        (("PA", 183.0), ("AP", 127.0)),
        (
            {},
            {"yaw": 7.0},
            {"yaw": -5.0, "roll": 4.0, "source_height": 9.0},
            {"roll": -3.0, "source_height": -6.0, "origin_to_detector": 17.0},
        ),
    )
]

SIZE = 96


def turn(degrees, first, second):
    """The matrix that turns the axis `first` towards the axis `second`."""
    matrix, angle = np.eye(3), np.radians(degrees)
    matrix[[first, second], [first, second]] = np.cos(angle)
    matrix[second, first], matrix[first, second] = np.sin(angle), -np.sin(angle)
    return matrix


def lines(geometry, size):
    """The source (3,) and the middles of the pixels (size, size, 3), in cm, in the patient's axes.

    The detector is a plane across y. Its middle lies behind the point `centre`, on the patient's far side from the
    source. Rows run down from the head, columns run to the patient's left. The film is turned by `roll` about its
    middle, and the patient by `yaw` about the long axis.
    """
    front_or_back = -1 if geometry.view == "PA" else 1  # where the detector is
    middle = np.array([geometry.centre[0], front_or_back * geometry.origin_to_detector, geometry.centre[1]])
    source = middle + np.array([0, -front_or_back * geometry.source_to_detector, geometry.source_height])
    edges = np.linspace(-0.5, 0.5, size + 1) * geometry.field
    ticks = (edges[:-1] + edges[1:]) / 2
    flat = np.zeros((size, size, 3))
    flat[..., 0], flat[..., 2] = ticks, -ticks[:, None]
    pixels = middle + flat @ turn(geometry.roll, 0, 2).T
    to_patient = turn(geometry.yaw, 0, 1).T
    return source @ to_patient.T, pixels @ to_patient.T


def to_unit_sphere(points, centre, axes, lean):
    """Points (..., 3) in axes in which the ellipsoid is the unit sphere."""
    return (points - centre) @ turn(lean, 0, 2).T / axes


def exact_length(source, pixels, shape):
    """The path length (H, W), in cm, through an ellipsoid: |pixel - source| times the difference of the two roots t.

    A ray is source + t (pixel - source), for t from 0 to 1. In axes in which the ellipsoid is the unit sphere, the ray
    crosses the surface where |s + t d| = 1.
    """
    s = to_unit_sphere(source, *shape)
    d = to_unit_sphere(pixels, *shape) - s
    a, b, c = (d * d).sum(-1), 2 * (d * s).sum(-1), (s * s).sum() - 1
    root = np.sqrt(np.maximum(b * b - 4 * a * c, 0)) / (2 * a)
    near, far = np.clip(-b / (2 * a) - root, 0, 1), np.clip(-b / (2 * a) + root, 0, 1)
    return np.linalg.norm(pixels - source, axis=-1) * (far - near)


def library_lengths(geometry, size=SIZE):
    rays = geometry.cast(size)
    return [
        path_length(rays, ellipsoid(rays, centre, axes, lean=np.radians(lean))) for centre, axes, lean, _ in PHANTOM
    ]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_path_lengths_and_transmission_are_those_of_lines_in_space(geometry):
    source, pixels = lines(geometry, SIZE)
    attenuation = expected_attenuation = 0.0
    for length, (*shape, added) in zip(library_lengths(geometry), PHANTOM, strict=True):
        expected = exact_length(source, pixels, shape)
        assert (expected > 0).any()
        assert np.abs(length - expected).sum() < 1e-5 * expected.sum()
        # float32 has 7 digits; near the border of a shape the root of a difference loses half of them
        assert np.abs(length - expected).max() < 0.005
        attenuation, expected_attenuation = attenuation + length * added, expected_attenuation + expected * added
    transmission, expected = np.exp(-attenuation), np.exp(-expected_attenuation)
    quanta = 1e14  # so many that noise hardly counts
    detected = detect(attenuation, np.random.default_rng(0), quanta=quanta) / quanta
    assert np.abs(detected / expected - 1).max() < 1e-3  # Beer-Lambert, up to the detector
    assert 0.0 < expected.min() < 0.05 < 0.99 < expected.max() <= 1.0
    assert np.abs(transmission / expected - 1).mean() < 1e-5


def test_path_lengths_are_those_of_points_along_each_ray():
    """Count the points inside each shape, 0.2 mm apart: no chord is computed."""
    for geometry in GEOMETRIES[2], GEOMETRIES[6]:
        source, pixels = lines(geometry, 24)
        reach = np.linalg.norm(pixels - source, axis=-1)
        near = 1 - 40 / geometry.source_to_detector  # the phantom lies within 40 cm of the detector
        steps = np.linspace(near, 1, 2001)[:-1] + (1 - near) / 4000
        points = source + steps[:, None, None, None] * (pixels - source)
        for length, (*shape, _) in zip(library_lengths(geometry, 24), PHANTOM, strict=True):
            inside = (to_unit_sphere(points, *shape) ** 2).sum(-1) < 1
            counted = inside.mean(axis=0) * (1 - near) * reach
            step = (1 - near) / 2000 * reach
            assert np.abs(length - counted).max() < 1.5 * step.max()


def test_places_in_the_image_are_those_of_lines_in_space():
    """`project` says where a point falls: there, the line from the source through the pixel passes the point."""
    for geometry in GEOMETRIES:
        source, pixels = lines(geometry, SIZE)
        for point in np.array([[3.0, 4.0, 5.0], [-6.0, -5.0, 2.0], [0.0, 8.0, -12.0]]):
            column, row = geometry.project(point) / (geometry.field / SIZE) - 0.5
            right, down = pixels[0, 1] - pixels[0, 0], pixels[1, 0] - pixels[0, 0]
            pixel = pixels[0, 0] + column * right + row * down
            direction = (pixel - source) / np.linalg.norm(pixel - source)
            assert np.linalg.norm(np.cross(point - source, direction)) < 1e-9
