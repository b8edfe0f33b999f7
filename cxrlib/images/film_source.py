"""Take a film from wherever it is: a file, bytes, a stream, a pydicom Dataset, a Pillow image or an array."""

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, Union

import numpy as np
from PIL import Image, ImageOps

from cxrlib.errors import InputError
from cxrlib.files import MAX_BYTES, read_bytes
from cxrlib.images.pixels import check_image

if TYPE_CHECKING:
    from pydicom import Dataset

FilmSource: TypeAlias = Union[str, "os.PathLike[str]", bytes, BinaryIO, "Dataset", Image.Image, np.ndarray]
"""What a film can be read from."""

_PNG_MODES = ("1", "L", "LA", "P", "I;16", "RGB", "RGBA")
"""The modes of Pillow images that can be written as PNG without a loss."""

_NEEDED = "a path, bytes, a binary stream, a pydicom Dataset, a Pillow image or an array (H, W)"


def read_source(source: FilmSource) -> tuple[Path, bytes | np.ndarray]:
    """Return a name for messages, and the bytes of a PNG, JPEG or DICOM file, or an array of pixels.

    Parameters
    ----------
    source : FilmSource
        An array is (H, W) or (H, W, 1): uint8 or uint16, which are gray levels of any
        range, or floats in [0, 1], which count as normalised. Dense is bright. A stream
        is read from its position to its end.

    Returns
    -------
    name : Path
        The path of a file, or words such as "the stream".
    content : bytes or ndarray, (H, W), uint8, uint16 or float32

    Raises
    ------
    InputError
        It is none of these, or cannot be read.
    """
    if isinstance(source, np.ndarray):
        return Path("the image"), _check_array(source)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return path, read_bytes(path)
    if isinstance(source, bytes | bytearray | memoryview):
        return Path("the bytes"), _check_bytes(bytes(source), "the bytes")
    if isinstance(source, Image.Image):
        return Path("the image"), _picture_content(source)
    # a program that has a Dataset has imported pydicom, which takes a while
    if "pydicom" in sys.modules and isinstance(source, sys.modules["pydicom"].Dataset):
        return Path("the Dataset"), _dataset_bytes(source)
    if hasattr(source, "read"):
        return Path("the stream"), _read_stream(source)
    raise InputError(f"a film cannot be read from {type(source).__name__}; give {_NEEDED}")


def _check_array(pixels: np.ndarray) -> np.ndarray:
    if np.ma.is_masked(pixels):
        raise InputError("the image is an array in which pixels are masked; give each pixel a value")
    return check_image(np.asarray(pixels, pixels.dtype.newbyteorder("=")))


def _read_stream(stream: Any) -> bytes:
    buffer = io.BytesIO()
    try:  # one call may return less than it was asked for
        while buffer.tell() <= MAX_BYTES and (data := stream.read(MAX_BYTES + 1 - buffer.tell())):
            buffer.write(data)
    except (TypeError, ValueError) as error:  # a stream of text, a closed one, or one that was opened for writing
        raise InputError(f"the stream cannot be read: {error}; open the file in binary mode, for reading") from None
    return _check_bytes(buffer.getvalue(), "the stream")


def _check_bytes(data: bytes, name: str) -> bytes:
    if len(data) > MAX_BYTES:
        raise InputError(f"{name}: has more than {MAX_BYTES:,} bytes; at most {MAX_BYTES:,} are read")
    return data


def _picture_content(picture: Image.Image) -> bytes | np.ndarray:
    """Return a Pillow image as a PNG, turned as its Exif data say; one of more than 16 bits as an array."""
    try:
        if picture.mode in ("F", "I", "I;16B"):
            values = np.asarray(picture)
            if picture.mode == "I" and 0 <= values.min() <= values.max() <= 65535:
                values = values.astype(np.uint16)
            return _check_array(values)
        if picture.mode not in _PNG_MODES:
            raise InputError(f"the image has the mode {picture.mode}; give one of {', '.join(_PNG_MODES)}")
        upright, buffer = ImageOps.exif_transpose(picture), io.BytesIO()
        upright.save(buffer, "PNG")
    except InputError:
        raise
    except Exception as error:  # Pillow raises many kinds of error for an image that it cannot load or save
        raise InputError(f"the image cannot be read: {error}") from None
    return buffer.getvalue()


def _dataset_bytes(dataset: "Dataset") -> bytes:
    buffer = io.BytesIO()
    try:
        dataset.save_as(buffer, enforce_file_format=True)
    except Exception as error:  # pydicom raises many kinds; their messages may repeat values of the header
        raise InputError(
            f"the Dataset cannot be written as a DICOM file ({type(error).__name__}); it needs a SOP class, a SOP "
            "instance and a transfer syntax, as `pydicom.dcmread` returns them"
        ) from None
    return buffer.getvalue()
