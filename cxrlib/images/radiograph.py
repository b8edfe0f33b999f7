"""Read one file as one image: PNG, JPEG or DICOM, min-max normalised, of one resolution.

The order of the steps changes pixels, so it is fixed:

1. decode;
2. modality and VOI look-up tables, and inversion (DICOM);
3. min-max at full resolution;
4. pad with 0 to a square;
5. resize by area.

Preparation, training and prediction all read their films here.
"""

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cxrlib.errors import InputError
from cxrlib.files import read_bytes
from cxrlib.images.headers import JPEG_START, PNG_START
from cxrlib.images.pixels import NORMALIZATIONS, as_float, quantize, resize_to_square
from cxrlib.images.png_jpeg import decode_picture

DICOM_SUFFIXES = (".dcm", ".dicom")
SUFFIXES = (".png", ".jpg", ".jpeg", *DICOM_SUFFIXES)
"""Endings of file names that are taken for radiographs, in lower case."""

MARK = "cxrlib"
"""Keyword of the PNG text that marks a prepared copy: it is already normalised and padded."""

_IHDR_END = 8 + 25  # bytes of the PNG signature and of the chunk IHDR, which must come first


@dataclass(frozen=True)
class Radiograph:
    """One image, and what its reader should know about it.

    Attributes
    ----------
    image : ndarray, (H, W), float32 in [0, 1]
        Dense is bright.
    warnings : tuple of str
        Empty if nothing is unusual.
    """

    image: np.ndarray
    warnings: tuple[str, ...] = ()


def open_radiograph(
    path: str | os.PathLike[str], *, size: int | None = None, normalize: str = "minmax", allow_color: bool = False
) -> Radiograph:
    """Read one chest radiograph.

    Parameters
    ----------
    path : path-like
        PNG (8 or 16 bit), JPEG or DICOM. The content decides, not the name.
    size : int, optional
        Side of the square result in pixels. A film that is not square is padded
        with 0 to a square. It is never cropped or stretched. Without `size` the
        film keeps its own shape.
    normalize : {"minmax", "percentile"}
        How each image is normalised: (x - min) / (max - min). With "percentile", the
        0.5th and the 99.5th percentile take the places of min and max, and the result
        is clipped to [0, 1].
    allow_color : bool
        Read a picture in colour by its luminance, with a warning. Without it,
        such a picture is refused.

    Raises
    ------
    InputError
        The file cannot be read, or is not a chest radiograph. Or `normalize` has another
        value, or is not the one that a prepared copy was made with.

    Notes
    -----
    A copy written by `write_prepared` carries a mark and is not normalised again.
    Area averaging shrinks the range of the pixels. If the copy were stretched to
    [0, 1] again, it would get another score than its original.
    """
    path = Path(path)
    if normalize not in NORMALIZATIONS:
        raise InputError(f"normalize is {normalize!r}; it must be one of {', '.join(NORMALIZATIONS)}")
    data = read_bytes(path)
    mark = None
    # A DICOM file may lack the preamble and "DICM"; then its name decides
    is_dicom = path.suffix.lower() in DICOM_SUFFIXES and not data.startswith((PNG_START, JPEG_START))
    if data[128:132] == b"DICM" or is_dicom:
        from cxrlib.images.dicom import decode_dicom  # pydicom takes a while to import

        pixels, warnings = decode_dicom(path, data)
    else:
        pixels, warnings, mark = decode_picture(path, data, allow_color, MARK)
    if mark is None:
        try:
            image = NORMALIZATIONS[normalize](pixels)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    elif mark == normalize:
        image = as_float(pixels)
    elif mark in NORMALIZATIONS:
        raise InputError(f"{path}: was prepared with normalize={mark!r}, but {normalize!r} is wanted")
    else:
        raise InputError(f"{path}: was prepared in a way that this version of cxrlib does not know")
    if size is not None:
        if max(image.shape) < size:
            warnings += (f"enlarged from {image.shape[1]}x{image.shape[0]} to {size} px: detail is missing",)
        image = resize_to_square(image, size)
    return Radiograph(image, warnings)


def read_image(
    path: str | os.PathLike[str], *, size: int | None = None, normalize: str = "minmax", allow_color: bool = False
) -> np.ndarray:
    """Return only the image of `open_radiograph`: (H, W), float32 in [0, 1].

    Arguments and errors are those of `open_radiograph`.
    """
    return open_radiograph(path, size=size, normalize=normalize, allow_color=allow_color).image


def write_prepared(path: str | os.PathLike[str], image: np.ndarray, *, normalize: str = "minmax") -> None:
    """Write an image (H, W) in [0, 1] as a 16-bit gray PNG. `read_image` reads the same 16-bit values back.

    Parameters
    ----------
    path : path-like
    image : ndarray, (H, W), floats in [0, 1]
    normalize : {"minmax", "percentile"}
        How the image was normalised. The name is written into the file as a text.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    fast = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    data = cv2.imencode(".png", quantize(image), fast)[1].tobytes()
    text = b"tEXt" + MARK.encode() + b"\0" + normalize.encode()
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    Path(path).write_bytes(data[:_IHDR_END] + chunk + data[_IHDR_END:])
