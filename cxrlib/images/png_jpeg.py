"""The pixels of one PNG or JPEG: decoded, in their own depth, one channel."""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cxrlib.errors import InputError
from cxrlib.images.headers import AT_ONCE, JPEG_START, PNG_START, check_size, read_jpeg, read_png

COLOR_SPREAD, COLOR_SHARE = 0.1, 0.001


def decode_picture(path: Path, data: bytes, allow_color: bool, keyword: str):
    """Return pixels (H, W), uint8 or uint16, warnings, and the PNG text of that keyword, if it still holds.

    Raises
    ------
    InputError
        Neither PNG nor JPEG, too large, damaged, or in colour.
    """
    mark = None
    try:
        if data.startswith(PNG_START):
            size, mark, data = read_png(data, keyword)
        elif data.startswith(JPEG_START):
            size = read_jpeg(data)
        else:
            raise ValueError("unknown format")
    except ValueError as error:
        pointer = "; it is a Git LFS pointer: fetch the image with `git lfs pull`"
        raise InputError(
            f"{path}: not a readable PNG, JPEG or DICOM file ({len(data):,} bytes, beginning with {data[:4]!r}): "
            f"{error}{pointer if data.startswith(b'version https://git-lfs') else ''}"
        ) from None
    check_size(path, size.columns, size.rows)
    try:  # OpenCV, because Pillow reduces 16-bit colour to 8 bits
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.shape[:2] != (size.rows, size.columns):
        raise InputError(f"{path}: the file is damaged or cut off: {_reason_of_pillow(data)}")
    if mark is not None and pixels.dtype != np.uint16:
        mark = None  # the text survived an edit that the pixels did not
    if pixels.ndim == 2:
        return pixels, (), mark
    gray, warnings = _to_gray(path, pixels, allow_color)
    return gray, warnings, None


def _reason_of_pillow(data: bytes) -> str:
    """Say in Pillow's words what OpenCV passes over in silence."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            picture.load()
    except Exception as error:  # Pillow raises many kinds for broken files
        return str(error)
    return "it could not be decoded"


def _to_gray(path: Path, pixels: np.ndarray, allow_color: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """Reduce BGR or BGRA of (nearly) equal channels to one channel, some rows at a time."""
    full = np.iinfo(pixels.dtype).max
    warnings: tuple[str, ...] = ()
    step = max(1, AT_ONCE // pixels.shape[1])
    parts = [pixels[start : start + step] for start in range(0, len(pixels), step)]
    share = sum(int((_spread(part) > COLOR_SPREAD * full).sum()) for part in parts) / pixels[..., 0].size
    if share <= COLOR_SHARE:
        gray = cv2.extractChannel(pixels, 1)  # green: equal to the others, and kept best by JPEG
    elif allow_color:
        gray = np.concatenate([cv2.cvtColor(np.ascontiguousarray(part[..., :3]), cv2.COLOR_BGR2GRAY) for part in parts])
        warnings += (f"in colour ({share:.0%} of the pixels): read by its luminance",)
    else:
        raise InputError(
            f"{path}: a picture in colour (red, green and blue differ in {share:.1%} of the pixels); "
            "a radiograph has one channel, or three that are equal"
        )
    if pixels.shape[2] == 4 and (alpha := cv2.extractChannel(pixels, 3)).min() < full:
        for start in range(0, len(gray), step):
            part, opacity = gray[start : start + step], alpha[start : start + step] / np.float32(full)
            part[:] = (part.astype(np.float32) * opacity).astype(gray.dtype)
        warnings += (f"partly transparent ({float((alpha < full).mean()):.0%}): laid on black",)
    return gray, warnings


def _spread(part: np.ndarray) -> np.ndarray:
    blue, green, red, *_ = cv2.split(part)
    return cv2.max(cv2.max(blue, green), red) - cv2.min(cv2.min(blue, green), red)
