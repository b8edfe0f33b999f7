"""Random texture that looks the same at every resolution."""

import cv2
import numpy as np


def grain(
    rng: np.random.Generator, size: int, *, coarsest: int = 8, octaves: int = 4, persistence: float = 0.75
) -> np.ndarray:
    """Return a random field (size, size), float32, with a mean of about 0 and a standard deviation of about 0.8.

    The field is a sum of octaves. Each has half the scale of the one before.

    Parameters
    ----------
    rng : Generator
    size : int
        Side of the field. The numbers drawn do not depend on it, so a seed gives
        the same field at every size.
    coarsest : int
        Cells along a side in the first octave.
    octaves : int
    persistence : float
        Amplitude of an octave over that of the one before.
    """
    total, variance = np.zeros((size, size)), 0.0
    for octave in range(octaves):
        cells = coarsest * 2**octave
        drawn = rng.standard_normal((cells, cells))
        interpolation = cv2.INTER_CUBIC if cells < size else cv2.INTER_AREA
        total += persistence**octave * cv2.resize(drawn, (size, size), interpolation=interpolation)
        variance += persistence ** (2 * octave)
    return (total / np.sqrt(variance)).astype(np.float32)
