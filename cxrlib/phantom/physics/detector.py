"""From attenuation to a film: Beer-Lambert, scatter, quantum noise, blur, and each site's look-up."""

from dataclasses import dataclass
from math import exp

import cv2
import numpy as np

from cxrlib.phantom.physics.rays import Geometry

QUANTA = 3.0e7
"""Detected quanta for each square cm behind nothing but air."""


@dataclass(frozen=True)
class Site:
    """How one hospital's system turns exposure into a picture.

    Attributes
    ----------
    low, high : int
        What the darkest and the brightest becomes, of 12 bits.
    gamma : float
        Above 1, the middle is darker.
    detail : float
        How much of the local contrast is added again (unsharp masking).
    contrast : float
        Steepness of the curve from exposure to gray, as of film: flat at both ends.
    grid : float
        Scatter that its grid lets through, on average, as `detect` takes it; on
        AP films, taken without one, it is four times as much.
    monochrome1 : bool
        Whether its DICOM files hold the picture inverted.
    shutters : float
        How often black borders are laid around the collimated field.
    """

    low: int
    high: int
    gamma: float
    detail: float
    contrast: float
    grid: float
    monochrome1: bool
    shutters: float


NO_GRID = 4.0
"""How much more scatter there is without a grid."""

SITES = (
    Site(0, 4095, 0.6, 0.25, 4.0, 0.12, False, 0.05),
    Site(300, 3800, 0.42, 0.45, 3.2, 0.2, True, 0.1),
    Site(0, 3000, 0.8, 0.15, 5.0, 0.35, False, 0.2),
)


def detect(attenuation: np.ndarray, rng: np.random.Generator, *, quanta: float, scatter: float = 0.0) -> np.ndarray:
    """Return detected quanta (H, W) in each pixel, with their noise.

    Parameters
    ----------
    attenuation : ndarray, (H, W)
        -ln T along each ray.
    quanta : float
        Expected for a pixel behind nothing: Beer-Lambert gives quanta * T.
    scatter : float
        Scattered quanta: the primary ones smeared over the film, times this. What
        passes beside the patient scatters little, so it counts for a quarter at most.

    Notes
    -----
    Quantum noise is Poisson's, whose variance is its mean; at the hundreds of
    quanta and more in a pixel its distribution is the normal one, which is drawn here
    because it takes the same random numbers on every processor.
    """
    expected = quanta * np.exp(-attenuation.astype(np.float64))
    if scatter:
        expected = expected + scatter * smear(np.minimum(expected, 0.25 * quanta))
    return np.maximum(expected + np.sqrt(expected) * rng.standard_normal(expected.shape), 1.0)


def smear(image: np.ndarray, *, share: float = 0.10) -> np.ndarray:
    """Return the image blurred over a share of its side, by way of a small copy."""
    size = image.shape[0]
    small = cv2.resize(image, (48, 48), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 48 * share)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)


def expose(attenuation: np.ndarray, rng: np.random.Generator, site: int, geometry: Geometry) -> np.ndarray:
    """Return what the site's system shows (H, W), float64 in [0, 1], dense bright."""
    system, size = SITES[site], attenuation.shape[0]
    pixel = geometry.field / size
    quanta = QUANTA * pixel**2 * exp(rng.normal(0.0, 1.0))
    scatter = system.grid * rng.uniform(0.6, 1.4) * (NO_GRID if geometry.view == "AP" else 1.0)
    counted = detect(attenuation, rng, quanta=quanta, scatter=scatter)
    sharp = rng.uniform(0.03, 0.12) * (1.4 if geometry.view == "AP" else 1.0) / pixel  # of focus, motion and screen
    if sharp > 0.2:
        counted = cv2.GaussianBlur(counted, (0, 0), max(sharp, 0.3))
    signal = -np.log(counted / quanta)
    signal = signal + system.detail * rng.uniform(0.0, 2.5) * (signal - smear(signal, share=0.07))
    edge, step = size // 8, max(1, size // 128)
    low, middle, high = np.quantile(signal[edge:-edge:step, edge:-edge:step], (0.05, 0.5, 0.95))
    steep = system.contrast * exp(rng.normal(0, 0.3)) / max(high - low, 1e-6)
    shown = 1 / (1 + np.exp(steep * (middle + rng.normal(0, 0.1) * (high - low) - signal)))
    shown = shown ** (system.gamma * exp(rng.normal(0, 0.35)))
    if rng.random() < system.shutters:
        top, bottom, right, left = (rng.uniform(0, 0.06, 4) * size).astype(int)
        shown[:top] = shown[size - bottom :] = 0
        shown[:, :right] = shown[:, size - left :] = 0
    return shown


def mark(shown: np.ndarray, rng: np.random.Generator, site: int, *, portable: bool) -> np.ndarray:
    """Burn in the side marker and PORTABLE, and return the film (H, W), uint16 of 12 bits."""
    system, size = SITES[site], shown.shape[0]
    texts = []
    if rng.random() < 0.8:  # L lies on the image's right, R on its left
        letter, column = ("L", rng.uniform(0.86, 0.94)) if rng.random() < 0.7 else ("R", rng.uniform(0.03, 0.1))
        texts.append((letter, (column, rng.uniform(0.06, 0.16)), rng.uniform(0.03, 0.055)))
    if portable:
        texts.append(("PORTABLE", (rng.uniform(0.05, 0.6), rng.uniform(0.03, 0.07)), rng.uniform(0.02, 0.03)))
    finer = max(1, 512 // size)
    lead = np.zeros((size * finer, size * finer), np.uint8)
    for text, (column, row), height in texts:
        place = round(column * lead.shape[1]), round(row * lead.shape[0])
        scale = height * lead.shape[0] / 22
        cv2.putText(lead, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, max(1, round(scale * 2)), cv2.LINE_8)
    lead = cv2.resize(lead, (size, size), interpolation=cv2.INTER_AREA) / 255.0
    shown = np.maximum(shown, lead)
    return np.rint(system.low + shown * (system.high - system.low)).astype(np.uint16)
