"""From a thorax to a film: Beer-Lambert, scatter, noise, look-up, and what lies on the plate."""

import cv2
import numpy as np

from cxrlib.phantom.anatomy import DEPTH, Thorax


def line_integral(thorax: Thorax) -> np.ndarray:
    """Return -ln T (Z, X) along parallel rays from front to back."""
    return thorax.mu.sum(axis=1) * (DEPTH / thorax.mu.shape[1])


def expose(depth: np.ndarray, film: np.random.Generator, site: dict, *, portable: bool) -> np.ndarray:
    """Return a 12-bit film (H, W), uint16, dense bright.

    Parameters
    ----------
    depth : ndarray, (H, W)
        The line integral of the attenuation.
    site : dict
        ``gamma``, ``low`` and ``high`` of the site's look-up.
    """
    size = depth.shape[0]
    depth = depth + _lines(film, size, portable)
    depth = _place(depth, film)
    transmitted = np.exp(-depth)
    scatter = cv2.GaussianBlur(transmitted, (0, 0), size * 0.08) * film.uniform(0.1, 0.5)
    quanta = film.uniform(0.6, 1.6) * 4e6 * (128 / size) ** 2 * (transmitted + scatter)
    noisy = np.maximum(quanta + np.sqrt(quanta) * film.standard_normal(quanta.shape), 1)
    signal = cv2.GaussianBlur(np.log(noisy).astype(np.float32), (0, 0), film.uniform(0.3, 0.7) * size / 128)
    low, high = np.percentile(signal, [0.5, 99.0])
    shown = np.clip((high - signal) / (high - low), 0, 1) ** (site["gamma"] * np.exp(film.normal(0, 0.15)))
    shown = _collimate(shown.astype(np.float32), film)
    shown = _mark(shown, film, portable)
    return np.rint(site["low"] + shown * (site["high"] - site["low"])).astype(np.uint16)


def _place(depth: np.ndarray, film: np.random.Generator) -> np.ndarray:
    """Turn, shift and frame the patient as one stands before the plate."""
    size = depth.shape[0]
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), film.normal(0, 2.0), film.uniform(0.92, 1.12))
    matrix[:, 2] += film.normal(0, 0.02, 2) * size
    return cv2.warpAffine(depth.astype(np.float32), matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)


def _lines(film: np.random.Generator, size: int, portable: bool) -> np.ndarray:
    """Return the attenuation of cables and tubes, more of them on a portable film."""
    drawn = np.zeros((size * 2, size * 2), np.float32)
    for _ in range(film.poisson(1.5 if portable else 0.2)):
        points = film.uniform(0.05, 0.95, (4, 2)) * size * 2
        t = np.linspace(0, 1, 40)[:, None]
        curve = (1 - t) ** 3 * points[0] + 3 * t * (1 - t) ** 2 * points[1]
        curve = curve + 3 * t**2 * (1 - t) * points[2] + t**3 * points[3]
        cv2.polylines(drawn, [np.rint(curve).astype(np.int32)], False, film.uniform(0.1, 0.5), max(1, size // 64))
    return cv2.resize(drawn, (size, size), interpolation=cv2.INTER_AREA)


def _collimate(shown: np.ndarray, film: np.random.Generator) -> np.ndarray:
    if film.random() < 0.25:
        size = shown.shape[0]
        top, bottom, left, right = (film.uniform(0, 0.05, 4) * size).astype(int)
        framed = np.zeros_like(shown)
        framed[top : size - bottom, left : size - right] = shown[top : size - bottom, left : size - right]
        return framed
    return shown


def _mark(shown: np.ndarray, film: np.random.Generator, portable: bool) -> np.ndarray:
    """Burn in the side marker (the patient's left is on the image's right) and PORTABLE."""
    size = shown.shape[0]
    at = film.uniform(0.84, 0.93), film.uniform(0.08, 0.16)
    texts = [("L", at, 0.5)] if film.random() < 0.8 else []
    if portable and film.random() < 0.5:
        texts.append(("PORTABLE", (film.uniform(0.05, 0.3), 0.06), 0.25))
    lead = np.zeros(shown.shape, np.uint8)
    for text, (column, row), scale in texts:
        place = round(column * size), round(row * size)
        cv2.putText(lead, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale * size / 128, 255, 1, cv2.LINE_AA)
    return np.maximum(shown, lead.astype(np.float32) / 255)
