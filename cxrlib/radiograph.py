"""One file -> one image: PNG, JPEG or DICOM, min-max normalised, one resolution.

The order of the steps changes pixels, so it is fixed: decode; modality and VOI
look-up tables and inversion (DICOM); min-max at full resolution; pad with 0 to
a square; resize by area. Preparation, training and prediction all pass here.
"""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cxrlib.headers import AT_ONCE, JPEG_START, MAX_SIDE, PNG_START, InputError, read_bytes
from cxrlib.picture import decode_picture

SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")
"""File name endings that are taken for radiographs, in lower case."""

NORMALIZATIONS = ("minmax", "percentile")
PERCENTILES = (0.5, 99.5)
MARK = "cxrlib"  # the PNG text chunk that says: already normalised and padded
_PNG_HEAD = 8 + 25  # bytes of the signature and of the first chunk, which must stay first


@dataclass(frozen=True)
class Radiograph:
    """One image, and what its reader should know of it.

    Attributes
    ----------
    image : ndarray, (H, W), float32 in [0, 1]
        Dense is bright.
    warnings : tuple of str
        Empty when there was nothing unusual.
    """

    image: np.ndarray
    warnings: tuple[str, ...] = ()


def open_radiograph(
    path, *, size: int | None = None, normalize: str = "minmax", allow_color: bool = False
) -> Radiograph:
    """Read one chest radiograph.

    Parameters
    ----------
    path : path-like
        PNG (8 or 16 bit), JPEG or DICOM, recognised by content, not by name.
    size : int, optional
        Side of the square result in pixels. A non-square film is padded with 0
        to a square, never cropped and never stretched. Without it the film
        keeps its own shape.
    normalize : {"minmax", "percentile"}
        Per image: (x - min) / (max - min), or the same between the 0.5th and
        the 99.5th percentile, clipped.
    allow_color : bool
        Read a picture in colour by its luminance, with a warning, instead of
        refusing it.

    Raises
    ------
    InputError
        The file cannot be read, or is not a chest radiograph.

    Notes
    -----
    A copy written by `write_prepared` carries a mark and is not normalised a
    second time: area averaging shrinks the range, and stretching it again would
    make the copy score differently from its original.
    """
    path = Path(path)
    if normalize not in NORMALIZATIONS:
        raise InputError(f"normalize is {normalize!r}; it must be one of {NORMALIZATIONS}")
    data = read_bytes(path)
    named_dicom = path.suffix.lower() in (".dcm", ".dicom") and not data.startswith((PNG_START, JPEG_START))
    if data[128:132] == b"DICM" or named_dicom:
        from cxrlib.dicom import decode_dicom  # pydicom takes a while to import

        pixels, warnings = decode_dicom(path, data)
        mark = None
    else:
        pixels, warnings, mark = decode_picture(path, data, allow_color, MARK)
    if mark is None:
        image = _normalize(path, pixels, normalize)
    elif mark != normalize and mark in NORMALIZATIONS:
        raise InputError(f"{path}: was prepared with normalize={mark!r}, but {normalize!r} is wanted")
    elif mark != normalize:
        raise InputError(f"{path}: was prepared in a way that this version of cxrlib does not know")
    else:
        image = as_float(pixels)
    if size is not None:
        if max(image.shape) < size:
            warnings += (f"enlarged from {image.shape[1]}x{image.shape[0]} to {size} px: detail is missing",)
        image = resize_to_square(image, size)
    return Radiograph(image, warnings)


def read_image(path, *, size: int | None = None, normalize: str = "minmax", allow_color: bool = False) -> np.ndarray:
    """Return the image of `open_radiograph` alone: (H, W), float32 in [0, 1]."""
    return open_radiograph(path, size=size, normalize=normalize, allow_color=allow_color).image


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


def _normalize(path: Path, pixels: np.ndarray, normalize: str) -> np.ndarray:
    try:
        return minmax(pixels) if normalize == "minmax" else percentile(pixels)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


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


def write_prepared(path, image: np.ndarray, *, normalize: str = "minmax") -> None:
    """Write an image (H, W) in [0, 1] as 16-bit gray PNG that reads back as it is."""
    fast = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    data = cv2.imencode(".png", quantize(image), fast)[1].tobytes()
    text = b"tEXt" + MARK.encode() + b"\0" + normalize.encode()
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    Path(path).write_bytes(data[:_PNG_HEAD] + chunk + data[_PNG_HEAD:])


def quantize(image: np.ndarray) -> np.ndarray:
    """Round an image in [0, 1] to uint16, 65535 for 1."""
    return np.rint(image * np.float32(65535)).astype(np.uint16)


def as_float(pixels: np.ndarray) -> np.ndarray:
    """Return uint8 or uint16 pixels of full range as float32 in [0, 1]; floats as they are."""
    if np.issubdtype(pixels.dtype, np.floating):
        return pixels
    return np.divide(pixels, np.float32(np.iinfo(pixels.dtype).max), dtype=np.float32)
