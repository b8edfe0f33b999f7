"""From attenuation to a film: Beer-Lambert, scatter, quantum noise, blur, and each site's look-up curve.

Numbers without a source are chosen, so that the gray levels look like those of real films.
"""

from dataclasses import dataclass
from math import exp

import cv2
import numpy as np

from cxrlib.phantom.physics.drawing import canvas_side
from cxrlib.phantom.physics.rays import Geometry

QUANTA = 3.0e7
"""Detected quanta for each square cm behind nothing but air, at an average exposure."""

NO_GRID = 4.0
"""Factor of the scatter without a grid; AP films are taken without one."""

AP_BLUR = 1.4
"""Factor of the blur on AP films."""

SCATTER_SPREAD, DETAIL_SPREAD = 0.10, 0.07
"""Widths of the blur of scatter, and of the blur that gives the local contrast: fractions of the film's side."""

SMALL_COPY = 48  # pixels a side: enough for so wide a blur, which is much faster on a small image


@dataclass(frozen=True)
class Site:
    """How one hospital's system turns exposure into a picture.

    Attributes
    ----------
    low, high : int
        Values of the darkest and of the brightest pixel, out of 0 to 4095.
    gamma : float
        Above 1, the middle is darker.
    detail : float
        Weight of the local contrast that is added to the picture (unsharp masking).
    contrast : float
        Steepness of the curve from exposure to gray. As on film, the curve is flat at both ends.
    scatter : float
        The scatter that passes the grid, on average, as a fraction of the primary quanta (see `detect`).
        AP films are taken without a grid, and have `NO_GRID` times as much.
    monochrome1 : bool
        Whether its DICOM files hold the picture inverted.
    shutter_probability : float
        Probability of black borders around the collimated field.
    """

    low: int
    high: int
    gamma: float
    detail: float
    contrast: float
    scatter: float
    monochrome1: bool
    shutter_probability: float


SITES = (
    Site(
        low=0,
        high=4095,
        gamma=0.6,
        detail=0.25,
        contrast=4.0,
        scatter=0.12,
        monochrome1=False,
        shutter_probability=0.05,
    ),
    Site(
        low=300,
        high=3800,
        gamma=0.42,
        detail=0.45,
        contrast=3.2,
        scatter=0.2,
        monochrome1=True,
        shutter_probability=0.1,
    ),
    Site(
        low=0, high=3000, gamma=0.8, detail=0.15, contrast=5.0, scatter=0.35, monochrome1=False, shutter_probability=0.2
    ),
)


def detect(attenuation: np.ndarray, rng: np.random.Generator, *, quanta: float, scatter: float = 0.0) -> np.ndarray:
    """Return the detected quanta (H, W) in each pixel, with their noise.

    Parameters
    ----------
    attenuation : ndarray, (H, W)
        -ln T along each ray, where T is the transmission.
    rng : Generator
    quanta : float
        Expected number in a pixel behind nothing. By Beer-Lambert, quanta * T are
        expected behind the patient.
    scatter : float
        The scattered quanta are the primary ones, blurred over the film, times
        `scatter`. Rays that pass beside the patient scatter little, so they count as
        a quarter of `quanta` at most.

    Notes
    -----
    Quantum noise has a Poisson distribution, whose variance equals its mean. A pixel
    has hundreds of quanta or more, and there the distribution is close to a normal
    one. The normal one is drawn, because it takes the same random numbers on every
    processor.
    """
    expected = quanta * np.exp(-attenuation.astype(np.float64))
    if scatter:
        expected = expected + scatter * _blur_widely(np.minimum(expected, 0.25 * quanta), SCATTER_SPREAD)
    return np.maximum(expected + np.sqrt(expected) * rng.standard_normal(expected.shape), 1.0)


def _blur_widely(image: np.ndarray, fraction: float) -> np.ndarray:
    """Return the image blurred with a standard deviation that is a fraction of its side."""
    size = image.shape[0]
    small = cv2.resize(image, (SMALL_COPY, SMALL_COPY), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), SMALL_COPY * fraction)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)


def expose(attenuation: np.ndarray, rng: np.random.Generator, site: int, geometry: Geometry) -> np.ndarray:
    """Return the picture that a site's system shows: (H, W), float64 in [0, 1], dense is bright.

    Parameters
    ----------
    attenuation : ndarray, (H, W)
        -ln T along each ray.
    rng : Generator
        Gives the exposure, the blur, the noise and the look-up curve of this film.
    site : int
        Index of `SITES`.
    geometry : Geometry
    """
    system, size, portable = SITES[site], attenuation.shape[0], geometry.view == "AP"
    pixel = geometry.field / size
    quanta = QUANTA * pixel**2 * geometry.aspect * exp(rng.normal(0.0, 1.0))  # exposures differ from film to film
    scatter = system.scatter * rng.uniform(0.6, 1.4) * (NO_GRID if portable else 1.0)
    counted = detect(attenuation, rng, quanta=quanta, scatter=scatter)
    # focus, motion and screen blur the film by 0.03 to 0.12 cm; less than 0.2 of a pixel is not seen
    blur = rng.uniform(0.03, 0.12) * (AP_BLUR if portable else 1.0) / pixel
    if blur > 0.2:
        counted = cv2.GaussianBlur(counted, (0, 0), max(blur, 0.3))
    signal = -np.log(counted / quanta)
    signal = signal + system.detail * rng.uniform(0.0, 2.5) * (signal - _blur_widely(signal, DETAIL_SPREAD))
    # the curve is set by the film's own range, without its margin; about 128 x 128 pixels are enough to find it
    edge, step = size // 8, max(1, size // 128)
    low, middle, high = np.quantile(signal[edge:-edge:step, edge:-edge:step], (0.05, 0.5, 0.95))
    steepness = system.contrast * exp(rng.normal(0, 0.3)) / max(high - low, 1e-6)
    shown = 1 / (1 + np.exp(steepness * (middle + rng.normal(0, 0.1) * (high - low) - signal)))
    shown = shown ** (system.gamma * exp(rng.normal(0, 0.35)))
    if rng.random() < system.shutter_probability:
        top, bottom, right, left = (rng.uniform(0, 0.06, 4) * size).astype(int)
        shown[:top] = shown[size - bottom :] = 0
        shown[:, :right] = shown[:, size - left :] = 0
    return shown


def burn_in_markers(shown: np.ndarray, rng: np.random.Generator, site: int, *, portable: bool) -> np.ndarray:
    """Write the side marker and PORTABLE onto a picture, and return the film: (H, W), uint16 of 12 bits.

    Parameters
    ----------
    shown : ndarray, (H, W), in [0, 1]
    rng : Generator
        Says whether there is a side marker, and where the texts stand.
    site : int
        Index of `SITES`.
    portable : bool
        Whether PORTABLE is written.
    """
    system, size = SITES[site], shown.shape[0]
    texts = []  # text, (column, row) and height, as fractions of the film's side
    if rng.random() < 0.8:  # L is at the right of the image, R at its left
        letter, column = ("L", rng.uniform(0.86, 0.94)) if rng.random() < 0.7 else ("R", rng.uniform(0.03, 0.1))
        texts.append((letter, (column, rng.uniform(0.06, 0.16)), rng.uniform(0.03, 0.055)))
    if portable:
        texts.append(("PORTABLE", (rng.uniform(0.05, 0.6), rng.uniform(0.03, 0.07)), rng.uniform(0.02, 0.03)))
    side = canvas_side(size)
    lead = np.zeros((side, side), np.uint8)
    for text, (column, row), height in texts:
        scale = height * side / 22  # 22 pixels are taken as the height of the font at scale 1
        origin = round(column * side), round(row * side)
        cv2.putText(lead, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, max(1, round(scale * 2)), cv2.LINE_8)
    opacity = cv2.resize(lead, (size, size), interpolation=cv2.INTER_AREA) / 255.0
    shown = np.maximum(shown, opacity)
    return np.rint(system.low + shown * (system.high - system.low)).astype(np.uint16)
