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

from cxrlib.errors import InputError
from cxrlib.files import read_bytes
from cxrlib.images.headers import JPEG_START, PNG_START
from cxrlib.images.pixels import NORMALIZATIONS, as_float, minmax, percentile, quantize, resize_to_square
from cxrlib.images.png_jpeg import decode_picture

SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")
"""File name endings that are taken for radiographs, in lower case."""
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
        from cxrlib.images.dicom import decode_dicom  # pydicom takes a while to import

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


def _normalize(path: Path, pixels: np.ndarray, normalize: str) -> np.ndarray:
    try:
        return minmax(pixels) if normalize == "minmax" else percentile(pixels)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def write_prepared(path, image: np.ndarray, *, normalize: str = "minmax") -> None:
    """Write an image (H, W) in [0, 1] as 16-bit gray PNG that reads back as it is."""
    fast = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    data = cv2.imencode(".png", quantize(image), fast)[1].tobytes()
    text = b"tEXt" + MARK.encode() + b"\0" + normalize.encode()
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    Path(path).write_bytes(data[:_PNG_HEAD] + chunk + data[_PNG_HEAD:])
