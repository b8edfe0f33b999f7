"""Read what a PNG, JPEG or JPEG 2000 file declares, before anything in it is decoded.

The decoders would take as much memory as a file declares. So the size is read and
checked first. Pillow's `Image.open` also reads only headers, but it does not limit
the number of chunks or scans, refuses a film for a long text in it, and cannot read
the JPEG streams of DICOM.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cxrlib.errors import InputError

MAX_SIDE = 6000
"""Pixels. A larger film is refused before it is decoded. Detectors and digitisers have up to about 5,000 (43 cm at
0.085 mm). With more pixels, the steps of one film would need more than 1 GB of memory."""

PNG_START = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8\xff"

MAX_PARTS = 100_000
"""Chunks of a PNG, or segments of a JPEG. A file with more is not a picture; reading them would only cost time."""

MAX_SCANS = 100
"""A progressive JPEG has about 10 scans. Each costs as much time as a whole picture, however few bytes it has."""

_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_IHDR_BYTES = 25  # length, kind, 13 bytes of content, checksum
_MAX_TEXT = 100  # characters that are read of a text and its keyword
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)  # DHT, JPG and DAC lie among the start-of-frame markers C0 to CF
_JPEG_LS_FRAME = 0xF7
_NO_SIZE = "it does not say how large the picture is"


@dataclass(frozen=True)
class Size:
    """What a picture declares about itself. `channels` is None where it is not read."""

    columns: int
    rows: int
    channels: int | None = None


def check_size(path: Path, columns: int, rows: int) -> None:
    """Refuse a film that declares no pixels, or too many.

    Raises
    ------
    InputError
        A side is not between 1 and `MAX_SIDE` pixels.
    """
    if not 1 <= min(columns, rows) <= max(columns, rows) <= MAX_SIDE:
        raise InputError(f"{path}: has {columns}x{rows} pixels; each side must have 1 to {MAX_SIDE:,}")


def read_png(data: bytes, keywords: tuple[str, ...]) -> tuple[Size, dict[str, str], bytes]:
    """Check every chunk of a PNG (ISO/IEC 15948), and keep the chunks that its pixels need.

    Colour profiles, texts and animations are dropped, because a decoder would
    inflate them to any size.

    Parameters
    ----------
    data : bytes
        The whole file. It begins with `PNG_START`.
    keywords : tuple of str
        Keywords of the texts to look for.

    Returns
    -------
    size : Size
    texts : dict of keyword to str
        The texts that were found.
    kept : bytes
        The same picture with only the chunks IHDR, PLTE, tRNS, IDAT and IEND.

    Raises
    ------
    ValueError
        The file is damaged or cut off.
    """
    kept: list[bytes | memoryview] = [PNG_START]
    texts: dict[str, str] = {}
    for chunk in _png_chunks(data):
        kind = bytes(chunk[4:8])
        if len(kept) == 1 and (kind, len(chunk)) != (b"IHDR", _IHDR_BYTES):
            raise ValueError("it does not begin with the size of the picture")
        if kind in _PIXEL_CHUNKS:
            kept.append(chunk)
        elif kind == b"tEXt":
            keyword, _, text = bytes(chunk[8:-4][:_MAX_TEXT]).decode("latin-1").partition("\0")
            if keyword in keywords:
                texts[keyword] = text
    columns, rows = struct.unpack_from(">II", kept[1], 8)
    return Size(columns, rows), texts, b"".join(kept)


def _png_chunks(data: bytes) -> Iterator[memoryview]:
    """Yield each chunk of a PNG: its length (4 bytes), its kind (4 bytes), its content, its checksum (4 bytes)."""
    view, start = memoryview(data), len(PNG_START)
    for _ in range(MAX_PARTS):
        end = start + 12 + int.from_bytes(view[start : start + 4], "big")
        if end > len(data):
            raise ValueError("it is cut off")
        if zlib.crc32(view[start + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise ValueError(f"the checksum of its part at byte {start:,} is wrong")
        yield view[start:end]
        if view[start + 4 : start + 8] == b"IEND":
            return
        start = end
    raise ValueError(f"it has more than {MAX_PARTS:,} parts")


def read_jpeg(data: bytes) -> Size:
    """Return what the first frame header of a JPEG or JPEG-LS stream declares (ITU-T T.81, B.2.2; T.87, C.2.2).

    Raises
    ------
    ValueError
        There is no frame header, or there are too many scans.
    """
    if data.count(b"\xff\xda") > MAX_SCANS:
        raise ValueError(f"it has more than {MAX_SCANS} scans")
    position = 2
    for _ in range(MAX_PARTS):
        marker = _JPEG_MARKER.search(data, position)
        if marker is None or len(data) < marker.end() + 8:
            break
        code, position = marker[1][0], marker.end()
        if code == _JPEG_LS_FRAME or (0xC0 <= code <= 0xCF and code not in _NOT_FRAMES):
            rows, columns, channels = struct.unpack_from(">HHB", data, position + 3)
            return Size(columns, rows, channels)
        if code in (0xD9, 0xDA):  # the end of the picture, or the start of a scan
            break
        if not (code == 0x01 or 0xD0 <= code <= 0xD8):  # these markers have no length
            position += struct.unpack_from(">H", data, position)[0]
    raise ValueError(_NO_SIZE)


def read_jpeg2000(data: bytes) -> Size:
    """Return what the SIZ marker of a JPEG 2000 stream declares (ITU-T T.800, A.5.1).

    Raises
    ------
    ValueError
        There is no SIZ marker.
    """
    start = data.find(b"\xff\x4f\xff\x51")
    if start < 0 or len(data) < start + 42:
        raise ValueError(_NO_SIZE)
    right, bottom, left, top = struct.unpack_from(">4I", data, start + 8)
    return Size(right - left, bottom - top, struct.unpack_from(">H", data, start + 40)[0])
