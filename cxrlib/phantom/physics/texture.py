"""Random texture that looks the same at every resolution."""

import cv2
import numpy as np


def grain(
    rng: np.random.Generator, size: int, *, coarsest: int = 8, octaves: int = 4, fall: float = 0.75
) -> np.ndarray:
    """Return a random field (size, size), mean about 0 and deviation about 0.8, alike at every size."""
    total, weight = np.zeros((size, size)), 0.0
    for octave in range(octaves):
        cells = coarsest * 2**octave
        drawn = rng.standard_normal((cells, cells))
        how = cv2.INTER_CUBIC if cells < size else cv2.INTER_AREA
        total += fall**octave * cv2.resize(drawn, (size, size), interpolation=how)
        weight += fall ** (2 * octave)
    return (total / np.sqrt(weight)).astype(np.float32)
