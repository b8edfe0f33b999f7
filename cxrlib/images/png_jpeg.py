"""Read the pixels of one PNG or JPEG: decoded, in the file's own depth, one channel."""

import io
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import cv2
import imgrs
import numpy as np
from PIL import Image

from cxrlib.errors import InputError
from cxrlib.images.film_facts import NO_COLOR, FilmWarning
from cxrlib.images.formats import explain_format, name_format
from cxrlib.images.headers import check_size, read_jpeg, read_png
from cxrlib.images.pixels import BLOCK_PIXELS

COLOR_SPREAD = 0.1
"""A pixel counts as coloured if its channels differ by more than this fraction of the full range. It is our choice."""

MAX_COLOR_FRACTION = 0.001
"""A picture with a larger fraction of coloured pixels counts as a picture in colour. It is our choice."""


_IHDR_REST, _GRAY8 = slice(24, 29), b"\x08\0\0\0\0"  # 8 bits, gray, deflate, the usual filters, not interlaced
_SECOND_KIND = slice(37, 41)  # the kind of the second part; a part tRNS would come before IDAT


def decode_picture(
    path: Path, data: bytes, accept: Collection[str], keywords: tuple[str, ...]
) -> tuple[np.ndarray, tuple[FilmWarning, ...], dict[str, str]]:
    """Return the pixels of a PNG or JPEG, warnings, and texts from the file.

    The pixels are turned and mirrored as the Exif orientation of the file says.

    Parameters
    ----------
    path : Path
        Only for messages.
    data : bytes
        The whole file.
    accept : collection of str
        With "color", a picture in colour is read by its luminance.
    keywords : tuple of str
        Keywords of the PNG texts to return.

    Returns
    -------
    pixels : ndarray, (H, W), uint8 or uint16
    warnings : tuple of FilmWarning
    texts : dict of keyword to str
        Empty if the pixels are not 16-bit gray: then another program has changed the
        file since the texts were written.

    Raises
    ------
    InputError
        The file is neither PNG nor JPEG, too large, damaged, or in colour.
    """
    texts: dict[str, str] = {}
    name = name_format(data)
    if name not in ("PNG", "JPEG", ""):
        raise InputError(f"{path}: {explain_format(name)}")
    try:
        if name == "PNG":
            size, texts, data = read_png(data, keywords)
        elif name == "JPEG":
            size = read_jpeg(data)
        else:
            raise ValueError("unknown format")
        check_size(size.columns, size.rows)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except ValueError as error:
        found = f"{len(data):,} bytes, beginning with {data[:4]!r}"
        raise InputError(f"{path}: not a readable PNG, JPEG or DICOM file ({found}): {error}") from None
    pixels = _decode_gray8(data) if name == "PNG" else None
    if pixels is None:
        with suppress(cv2.error):  # OpenCV, because Pillow reduces 16-bit colour to 8 bits
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape[:2] != (size.rows, size.columns):
        raise InputError(f"{path}: the file is damaged or cut off: {_damage(data)}")
    if pixels.ndim == 2:
        return _turn(pixels, size.orientation), (), texts if pixels.dtype == np.uint16 else {}
    gray, warnings = _to_gray(path, pixels, "color" in accept)
    return _turn(gray, size.orientation), warnings, {}


def _decode_gray8(data: bytes) -> np.ndarray | None:
    """Return the pixels (H, W) of an 8-bit gray PNG, in half the time of OpenCV; None if they cannot be decoded so.

    `data` is what `read_png` keeps. That function has compared the checksum of every
    part. The second checksum, inside the compressed pixels, is not compared.
    """
    if data[_IHDR_REST] != _GRAY8 or data[_SECOND_KIND] != b"IDAT":
        return None
    try:
        picture = imgrs.Image.open(data)
        columns, rows = picture.size
        return np.frombuffer(picture.to_bytes(), np.uint8).reshape(rows, columns)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # imgrs is written in Rust, and a panic of Rust is no Exception
        return None


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn and mirror an image (H, W) from its stored to its right orientation (Exif, CIPA DC-008, 4.6.5.1)."""
    if orientation in (2, 4, 5, 7):  # stored as in a mirror
        pixels = pixels[:, ::-1]
    quarter_turns = {3: 2, 4: 2, 5: 1, 6: -1, 7: -1, 8: 1}  # counter-clockwise
    return np.ascontiguousarray(np.rot90(pixels, quarter_turns.get(orientation, 0)))


def _damage(data: bytes) -> str:
    """Return Pillow's message about a file that OpenCV refuses without a message."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            picture.load()
    except Exception as error:  # Pillow raises many kinds of error for broken files
        return str(error)
    return "it could not be decoded"


def _to_gray(path: Path, pixels: np.ndarray, allow_color: bool) -> tuple[np.ndarray, tuple[FilmWarning, ...]]:
    """Reduce BGR or BGRA pixels to one channel, in blocks of rows. Refuse or warn of colour."""
    full = np.iinfo(pixels.dtype).max
    rows = max(1, BLOCK_PIXELS // pixels.shape[1])
    blocks = [pixels[start : start + rows] for start in range(0, len(pixels), rows)]
    num_colored = sum(int((_channel_spread(block) > COLOR_SPREAD * full).sum()) for block in blocks)
    fraction = num_colored / pixels[..., 0].size
    warnings: tuple[FilmWarning, ...] = ()
    if fraction <= MAX_COLOR_FRACTION:
        gray = cv2.extractChannel(pixels, 1)  # green: it equals the others, and JPEG preserves it best
    elif allow_color:
        to_gray = lambda block: cv2.cvtColor(np.ascontiguousarray(block[..., :3]), cv2.COLOR_BGR2GRAY)
        gray = np.concatenate([to_gray(block) for block in blocks])
        warnings += (FilmWarning("color", f"in colour ({fraction:.0%} of the pixels): read as gray, by its luminance"),)
    else:
        raise InputError(
            f"{path}: a picture in colour (red, green and blue differ in {fraction:.1%} of the pixels); {NO_COLOR}"
        )
    if pixels.shape[2] == 4 and (alpha := cv2.extractChannel(pixels, 3)).min() < full:
        for start in range(0, len(gray), rows):
            block, opacity = gray[start : start + rows], alpha[start : start + rows] / np.float32(full)
            block[:] = (block.astype(np.float32) * opacity).astype(gray.dtype)
        sentence = f"partly transparent ({float((alpha < full).mean()):.0%}): laid on black"
        warnings += (FilmWarning("transparent", sentence),)
    return gray, warnings


def _channel_spread(block: np.ndarray) -> np.ndarray:
    """Return the largest minus the smallest of red, green and blue at each pixel."""
    blue, green, red, *_ = cv2.split(block)
    return cv2.max(cv2.max(blue, green), red) - cv2.min(cv2.min(blue, green), red)
