"""Files before anything in them is decoded: what they are, and what a PNG, JPEG or JPEG 2000 declares."""

import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from cxrlib.errors import InputError

MAX_SIDE = 6000
"""Pixels; a larger film is refused before it is decoded. Detectors and digitisers have up to about 5,000 (43 cm at
0.085 mm), and with more the steps of one film would not stay below 1 GB of memory."""

AT_ONCE = 1 << 20
"""Pixels of a part, where a film is worked on in parts: that needs less memory, and is faster."""

PNG_START = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8\xff"
MOST_PARTS = 100_000
"""Chunks of a PNG or segments of a JPEG above this are no picture, but a way to keep its reader busy."""

MOST_SCANS = 100
"""A progressive JPEG has about ten scans; each costs as much time as a whole picture, however few bytes it has."""

_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)  # DHT, JPG and DAC lie among the start of frame markers C0 to CF


@dataclass(frozen=True)
class Size:
    """What a picture declares of itself."""

    columns: int
    rows: int
    channels: int


def check_size(path: Path, columns: int, rows: int) -> None:
    """Refuse a film of no pixels, or of too many, by the size that its file declares."""
    if not 1 <= min(columns, rows) <= max(columns, rows) <= MAX_SIDE:
        raise InputError(f"{path}: {columns}x{rows} pixels; a side of 1 to {MAX_SIDE:,} is read")


def read_png(data: bytes, keyword: str) -> tuple[Size, str | None, bytes]:
    """Check every chunk of a PNG (ISO/IEC 15948) and keep those that the pixels come from.

    Colour profiles, texts and animations are left out: a decoder would inflate them, to any size.

    Parameters
    ----------
    data : bytes
        Beginning with `PNG_START`.
    keyword : str
        Of a text that is looked for.

    Returns
    -------
    size : Size
    text : str or None
        The text of that keyword, if there is one.
    kept : bytes
        The same picture with the chunks IHDR, PLTE, tRNS, IDAT and IEND alone.

    Raises
    ------
    ValueError
        The file is damaged or cut off.
    """
    view, place, kept, text = memoryview(data), len(PNG_START), [PNG_START], None
    wanted = keyword.encode() + b"\0"
    for _ in range(MOST_PARTS):
        if place + 12 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            break
        if place == len(PNG_START) and (kind, length) != (b"IHDR", 13):
            raise ValueError("it does not begin with the size of the picture")
        if zlib.crc32(view[place + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise ValueError(f"the checksum of its part at byte {place:,} is wrong")
        if kind in _PIXEL_CHUNKS:
            kept.append(view[place:end])
        elif kind == b"tEXt" and data.startswith(wanted, place + 8):
            text = data[place + 8 + len(wanted) : end - 4][:80].decode("latin-1")
        if kind == b"IEND":
            columns, rows = struct.unpack_from(">II", data, 16)
            return Size(columns, rows, {2: 3, 3: 3, 4: 2, 6: 4}.get(data[25], 1)), text, b"".join(kept)
        place = end
    else:
        raise ValueError(f"it has more than {MOST_PARTS:,} parts")
    raise ValueError("it is cut off")


def read_jpeg(data: bytes) -> Size:
    """Return what the first frame header of a JPEG or JPEG-LS stream declares (ITU-T T.81, B.2.2; T.87, C.2.2).

    Raises
    ------
    ValueError
        It has none, or too many scans.
    """
    if data.count(b"\xff\xda") > MOST_SCANS:
        raise ValueError(f"it has more than {MOST_SCANS} scans")
    place = 2
    for _ in range(MOST_PARTS):
        marker = _JPEG_MARKER.search(data, place)
        if marker is None or len(data) < marker.end() + 8:
            break
        code, place = marker[1][0], marker.end()
        if code == 0xF7 or (0xC0 <= code <= 0xCF and code not in _NOT_FRAMES):
            rows, columns, channels = struct.unpack_from(">HHB", data, place + 3)
            return Size(columns, rows, channels)
        if code in (0xD9, 0xDA):  # the end, or a scan
            break
        if not (code == 0x01 or 0xD0 <= code <= 0xD8):  # these have no length
            place += struct.unpack_from(">H", data, place)[0]
    raise ValueError("it does not say how large the picture is")


def read_jpeg2000(data: bytes) -> Size:
    """Return what the SIZ marker of a JPEG 2000 stream declares (ITU-T T.800, A.5.1).

    Raises
    ------
    ValueError
        It has none.
    """
    start = data.find(b"\xff\x4f\xff\x51")
    if start < 0 or len(data) < start + 42:
        raise ValueError("it does not say how large the picture is")
    right, bottom, left, top = struct.unpack_from(">4I", data, start + 8)
    return Size(right - left, bottom - top, struct.unpack_from(">H", data, start + 40)[0])
