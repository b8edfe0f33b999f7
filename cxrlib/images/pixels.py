"""Arrays of pixels: normalise, check, resize, quantise, identify."""

import hashlib

import cv2
import numpy as np

from cxrlib.errors import InputError
from cxrlib.images.headers import MAX_SIDE

PERCENTILES = (0.5, 99.5)
"""The percentiles that `percentile` maps to 0 and 1. They are our choice."""

BLOCK_PIXELS = 1 << 20
"""Number of pixels in a block. Processing a large image in blocks needs less memory and is faster."""


def minmax(pixels: np.ndarray) -> np.ndarray:
    """Map the smallest value to 0 and the largest to 1: (x - min) / (max - min).

    Parameters
    ----------
    pixels : ndarray, any shape and real dtype, not constant

    Returns
    -------
    ndarray, same shape, float32 in [0, 1]

    Raises
    ------
    InputError
        The pixels are not finite real numbers, or all have the same value.

    Examples
    --------
    >>> minmax(np.array([100, 150, 300]))
    array([0.  , 0.25, 1.  ], dtype=float32)
    """
    pixels = _real_numbers(pixels)
    return _stretch(pixels, float(pixels.min()), float(pixels.max()))


def percentile(pixels: np.ndarray) -> np.ndarray:
    """Map the 0.5th percentile to 0 and the 99.5th to 1, and clip the rest.

    A few very bright or dark pixels hardly change the result. Arguments, result
    and errors are those of `minmax`.
    """
    pixels = _real_numbers(pixels)
    with np.errstate(invalid="ignore", over="ignore"):  # infinite values are refused by `_stretch`
        low, high = np.percentile(pixels, PERCENTILES)
    return _stretch(pixels, float(low), float(high))


NORMALIZATIONS = {"minmax": minmax, "percentile": percentile}
"""The functions that an option `normalize` may name."""


def _stretch(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map `low` to 0 and `high` to 1, and clip the rest."""
    if not np.isfinite([low, high]).all():
        raise InputError("the image has pixels that are not finite numbers")
    if high <= low:
        raise InputError(f"constant image: the range to normalise is {low:g} to {high:g}")
    if not 1e-300 < high - low < 1e300:  # otherwise the range or its inverse may not be a finite float64
        raise InputError(f"the range to normalise is {low:g} to {high:g}, which is too narrow or too wide")
    if pixels.dtype == np.uint8:  # a table of 256 values is several times faster
        table = _stretch_values(np.arange(256), low, high).astype(np.float32)
        return cv2.LUT(np.ascontiguousarray(pixels), table) if pixels.ndim == 2 else table[pixels]
    stretched = np.empty(pixels.shape, np.float32)
    rows = max(1, BLOCK_PIXELS // max(1, pixels[0].size))
    for start in range(0, len(pixels), rows):
        stretched[start : start + rows] = _stretch_values(pixels[start : start + rows], low, high)
    return stretched


def _stretch_values(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    # float64 only for more than 16 bits, where float32 cannot tell neighbouring values apart
    stretched: np.ndarray = pixels.astype(np.float64 if pixels.dtype.itemsize > 2 else np.float32)
    with np.errstate(over="ignore"):  # values far outside the range, which are clipped
        stretched -= low
        stretched *= 1 / (high - low)
    return np.clip(stretched, 0, 1, out=stretched)


def _real_numbers(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype.kind not in "biuf" or pixels.size == 0:
        raise InputError(f"the image is {pixels.dtype} of shape {pixels.shape}; at least one real number is needed")
    return pixels.astype(np.uint8) if pixels.dtype.kind == "b" else pixels


def check_image(image: np.ndarray) -> np.ndarray:
    """Check that an array is an image, and return it with the shape (H, W): floats as float32, others unchanged.

    Parameters
    ----------
    image : ndarray, (H, W) or (H, W, 1), floats in [0, 1], or gray levels in uint8 or uint16

    Raises
    ------
    InputError
        The array has a different shape or dtype, or a pixel is NaN or outside [0, 1].
    """
    if image.dtype.kind != "f" and image.dtype not in (np.uint8, np.uint16):
        raise InputError(f"the image is {image.dtype}; uint8, uint16 or floats in [0, 1] are needed")
    image = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    if image.ndim != 2 or image.size == 0:
        raise InputError(f"the image has the shape {image.shape}; (H, W) or (H, W, 1) is needed")
    if image.dtype.kind != "f":
        return image
    if not 0 <= image.min() <= image.max() <= 1:  # also if one is NaN
        raise InputError(f"the image is {image.dtype} from {image.min()} to {image.max()}; floats in [0, 1] are needed")
    return image.astype(np.float32)


def resize_to_square(image: np.ndarray, size: int) -> np.ndarray:
    """Pad an image (H, W) with 0 to a centred square, then resize the square to (size, size).

    A large square is shrunk by area averaging. A small one is enlarged by bilinear
    interpolation. The image is never cropped or stretched.

    Parameters
    ----------
    image : ndarray, (H, W), floats in [0, 1]
        Each side has 1 to `MAX_SIDE` pixels.
    size : int
        Side of the result in pixels.

    Returns
    -------
    ndarray, (size, size), float32 in [0, 1]

    Raises
    ------
    InputError
        The image has a different number of axes, or a side has no pixel or more than
        `MAX_SIDE` pixels.
    """
    image = np.ascontiguousarray(image, np.float32)
    if image.ndim != 2 or not 1 <= min(image.shape) <= max(image.shape) <= MAX_SIDE:
        raise InputError(f"the image has the shape {image.shape}; (H, W) is needed, each of 1 to {MAX_SIDE:,} pixels")
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
    return np.clip(resized, 0, 1, out=resized)  # rounding may give values slightly outside [0, 1]


def quantize(image: np.ndarray) -> np.ndarray:
    """Return an image in [0, 1] as uint16: each value times 65535, rounded."""
    return np.rint(image * np.float32(65535)).astype(np.uint16)


def as_float(pixels: np.ndarray) -> np.ndarray:
    """Return uint8 or uint16 pixels, divided by the largest value of their type, as float32 in [0, 1].

    An array of floats is returned unchanged, without a copy.
    """
    if np.issubdtype(pixels.dtype, np.floating):
        return pixels
    return np.divide(pixels, np.float32(np.iinfo(pixels.dtype).max), dtype=np.float32)


def pixel_digest(pixels: np.ndarray) -> str:
    """Return 32 hexadecimal digits that depend on the shape and the values of an array alone.

    It is the start of a SHA-256 hash. Two films have the same digest only if all their
    pixels are equal.

    Parameters
    ----------
    pixels : ndarray, any shape, of integers or floats
    """
    digest = hashlib.sha256(f"{pixels.shape} {pixels.dtype.str}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()[:32]
