"""Arrays of pixels: normalise, check, resize, quantise."""

import cv2
import numpy as np

from cxrlib.errors import InputError
from cxrlib.images.headers import AT_ONCE, MAX_SIDE

NORMALIZATIONS = ("minmax", "percentile")
PERCENTILES = (0.5, 99.5)


def minmax(pixels: np.ndarray) -> np.ndarray:
    """Map the smallest value to 0 and the largest to 1.

    Parameters
    ----------
    pixels : ndarray, any shape and real dtype, not constant

    Returns
    -------
    ndarray, same shape, float32 in [0, 1]

    Examples
    --------
    >>> minmax(np.array([100, 150, 300]))
    array([0.  , 0.25, 1.  ], dtype=float32)
    """
    pixels = _numbers(pixels)
    return _stretch(pixels, pixels.min(), pixels.max())


def percentile(pixels: np.ndarray, limits: tuple[float, float] = PERCENTILES) -> np.ndarray:
    """Map two percentiles to 0 and 1 and clip what lies outside (robust to hot pixels)."""
    pixels = _numbers(pixels)
    with np.errstate(invalid="ignore", over="ignore"):  # of infinities; said below
        low, high = np.percentile(pixels, limits)
    return _stretch(pixels, low, high)


def _stretch(pixels: np.ndarray, low, high) -> np.ndarray:
    low, high = float(low), float(high)
    if not np.isfinite([low, high]).all():
        raise InputError("the image has pixels that are not finite numbers")
    if high <= low:
        raise InputError(f"constant image: the range to normalise is {low:g} to {high:g}")
    if not 1e-300 < high - low < 1e300:  # its inverse, or the range, would not be finite
        raise InputError(f"the range to normalise is {low:g} to {high:g}, which is too narrow or too wide")
    if pixels.dtype == np.uint8:  # a table of 256 values is several times faster
        table = _stretch_values(np.arange(256), low, high).astype(np.float32)
        return cv2.LUT(np.ascontiguousarray(pixels), table) if pixels.ndim == 2 else table[pixels]
    stretched = np.empty(pixels.shape, np.float32)
    rows = max(1, AT_ONCE // max(1, pixels[0].size))
    for start in range(0, len(pixels), rows):
        stretched[start : start + rows] = _stretch_values(pixels[start : start + rows], low, high)
    return stretched


def _stretch_values(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    # float64 only where float32 could not tell neighbouring values apart
    stretched = pixels.astype(np.float64 if pixels.dtype.itemsize > 2 else np.float32)
    with np.errstate(over="ignore"):  # of what lies far outside, and is clipped
        stretched -= low
        stretched *= 1 / (high - low)
    return np.clip(stretched, 0, 1, out=stretched)


def _numbers(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype.kind not in "biuf" or pixels.size == 0:
        raise InputError(f"the image is {pixels.dtype} of shape {pixels.shape}; real numbers are needed, and some")
    return pixels.astype(np.uint8) if pixels.dtype.kind == "b" else pixels


def check_image(image: np.ndarray) -> np.ndarray:
    """Return an image as (H, W), float32, or refuse what is none: (H, W) or (H, W, 1), floats in [0, 1]."""
    image = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    if image.ndim != 2 or image.size == 0:
        raise InputError(f"the image has the shape {image.shape}; (H, W) or (H, W, 1) is needed")
    if image.dtype.kind != "f":
        raise InputError(f"the image is {image.dtype}; floats in [0, 1] are needed")
    if not 0 <= image.min() <= image.max() <= 1:  # nor is NaN
        raise InputError(f"the image is {image.dtype} from {image.min()} to {image.max()}; floats in [0, 1] are needed")
    return image.astype(np.float32)


def resize_to_square(image: np.ndarray, size: int) -> np.ndarray:
    """Pad (H, W) with 0 to a square, centred, then resize to (size, size).

    Shrinks by area averaging, enlarges bilinearly.
    """
    image = np.ascontiguousarray(image, np.float32)
    if image.ndim != 2 or not 1 <= min(image.shape) <= max(image.shape) <= MAX_SIDE:
        raise InputError(f"the image has the shape {image.shape}; needed is (H, W), of 1 to {MAX_SIDE:,} pixels")
    height, width = image.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = image
    if height != width:
        square = np.pad(image, ((top, side - height - top), (left, side - width - left)))
    if side == size:
        return square
    interpolation = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    resized = cv2.resize(square, (size, size), interpolation=interpolation)
    return np.clip(resized, 0, 1, out=resized)


def quantize(image: np.ndarray) -> np.ndarray:
    """Round an image in [0, 1] to uint16, 65535 for 1."""
    return np.rint(image * np.float32(65535)).astype(np.uint16)


def as_float(pixels: np.ndarray) -> np.ndarray:
    """Return uint8 or uint16 pixels of full range as float32 in [0, 1]; floats as they are."""
    if np.issubdtype(pixels.dtype, np.floating):
        return pixels
    return np.divide(pixels, np.float32(np.iinfo(pixels.dtype).max), dtype=np.float32)
