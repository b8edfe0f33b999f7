"""Read what a picture declares, before anything in it is decoded.

The decoders would take as much memory as a file declares. So the size is read and
checked first. Pillow's `Image.open` also reads only headers, but it does not limit
the number of chunks or scans, refuses a film for a long text in it, and cannot read
the JPEG streams of DICOM.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from cxrlib.errors import InputError

MAX_SIDE = 6000
"""Pixels. A larger film is refused before it is decoded. Detectors and digitisers have up to about 5,000 (43 cm at
0.085 mm). With more pixels, the steps of one film would need more than 1 GB of memory."""

PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_END = b"\0\0\0\0IEND\xae\x42\x60\x82"  # the chunk IEND, which has no content, and its checksum
JPEG_START = b"\xff\xd8\xff"

MAX_PARTS = 100_000
"""Chunks of a PNG, or segments of a JPEG. A file with more is not a picture; reading them would only cost time."""

MAX_SCANS = 100
"""A progressive JPEG has about 10 scans. Each costs as much time as a whole picture, however few bytes it has."""

MAX_TEXT = 4000
"""Characters that are read of a text in a PNG, with its keyword. Our choice: a prepared copy has a few hundred."""

_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_IHDR_BYTES = 25  # length, kind, 13 bytes of content, checksum
_EXIF_START = b"Exif\0\0"
_EXIF_TEXT = re.compile(rb"Raw profile type (exif|APP1)\0")
_MAX_EXIF = 1 << 16  # bytes that are read of Exif data in a PNG; a segment of a JPEG has no more
_ORIENTATION_TAG = 0x0112
_APP1 = 0xE1
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)  # DHT, JPG and DAC lie among the start-of-frame markers C0 to CF
_JPEG_LS_FRAME = 0xF7
_NO_SIZE = "it does not say how large the picture is"


@dataclass(frozen=True)
class Size:
    """What a picture declares about itself.

    Attributes
    ----------
    columns, rows : int
        Pixels as they are stored, before the picture is turned.
    channels : int or None
        None where it is not read.
    orientation : int
        The Exif orientation, 1 to 8, by which the stored pixels are to be turned.
    """

    columns: int
    rows: int
    channels: int | None = None
    orientation: int = 1


def check_size(columns: int, rows: int) -> None:
    """Refuse a film that declares no pixels, or too many.

    Raises
    ------
    InputError
        A side is not between 1 and `MAX_SIDE` pixels. The message does not name the file.
    """
    if not 1 <= min(columns, rows) <= max(columns, rows) <= MAX_SIDE:
        raise InputError(f"has {columns}x{rows} pixels; each side must have 1 to {MAX_SIDE:,}")


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
        The Exif orientation is that of the chunk eXIf, or of the text in which
        ImageMagick 6 keeps Exif data.
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
    exif = b""
    exif_texts: dict[bytes, bytes] = {}
    for chunk in _png_chunks(data):
        kind = bytes(chunk[4:8])
        if len(kept) == 1 and (kind, len(chunk)) != (b"IHDR", _IHDR_BYTES):
            raise ValueError("it does not begin with the size of the picture")
        if kind in _PIXEL_CHUNKS:
            kept.append(chunk)
        elif kind == b"eXIf":
            exif = exif or bytes(chunk[8:-4][:_MAX_EXIF])
        elif kind in (b"tEXt", b"zTXt") and (match := _EXIF_TEXT.match(chunk, 8)):
            if match[1] not in exif_texts:  # only the first: to inflate thousands would take long
                exif_texts[match[1]] = _exif_in_text(bytes(chunk[8:-4]))
        elif kind == b"tEXt":
            keyword, text = _keyword_and_text(chunk)
            if keyword in keywords:
                texts[keyword] = text
    columns, rows = struct.unpack_from(">II", kept[1], 8)
    exif = exif or next(filter(None, exif_texts.values()), b"")
    return Size(columns, rows, orientation=_orientation(exif)), texts, b"".join(kept)


def _exif_in_text(content: bytes) -> bytes:
    """Return the Exif data that a PNG text holds as "exif", a length and hexadecimal digits, on lines of their own."""
    text = content.partition(b"\0")[2]
    if text.startswith(b"\0"):  # a zTXt: the compression method 0 comes before the compressed text
        with suppress(zlib.error):
            text = zlib.decompressobj().decompress(text[1:], 2 * _MAX_EXIF)
    lines = text[: 2 * _MAX_EXIF].split()
    with suppress(ValueError):
        return bytes.fromhex(b"".join(lines[2:]).decode("ascii"))
    return b""


def _orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, that Exif data state (CIPA DC-008, 4.6.5.1); 1 if they are absent or damaged.

    The data are laid out like a TIFF file: byte order, 42, the position of a list,
    and a list of entries with 12 bytes each: tag, type, count, value (TIFF 6.0, 2).
    """
    exif = exif.removeprefix(_EXIF_START)
    with suppress(KeyError, struct.error):
        order = {b"II": "<", b"MM": ">"}[exif[:2]]
        start = struct.unpack_from(order + "I", exif, 4)[0]
        for entry in range(struct.unpack_from(order + "H", exif, start)[0]):
            position = start + 2 + 12 * entry
            tag, kind = struct.unpack_from(order + "HH", exif, position)
            if tag == _ORIENTATION_TAG:
                value = struct.unpack_from(order + {3: "H", 4: "I"}[kind], exif, position + 8)[0]
                return value if 1 <= value <= 8 else 1
    return 1


def read_first_texts(data: bytes, keywords: tuple[str, ...]) -> dict[str, str]:
    """Return the texts that directly follow the size of a PNG, and have one of the keywords.

    Parameters
    ----------
    data : bytes
        The first bytes of the file; the pixels need not be among them.
    keywords : tuple of str

    Returns
    -------
    dict of keyword to str
        Empty if the file is no PNG.
    """
    texts: dict[str, str] = {}
    if data.startswith(PNG_START):
        with suppress(ValueError):  # the pixels are cut off
            for chunk in islice(_png_chunks(data), 1, 1 + len(keywords)):
                keyword, text = _keyword_and_text(chunk)
                if chunk[4:8] == b"tEXt" and keyword in keywords:
                    texts[keyword] = text
    return texts


def _keyword_and_text(chunk: memoryview) -> tuple[str, str]:
    """Return the keyword and the text of a chunk tEXt, without what exceeds `MAX_TEXT`."""
    keyword, _, text = bytes(chunk[8:-4][:MAX_TEXT]).decode("latin-1").partition("\0")
    return keyword, text


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
    """Return what the headers of a JPEG or JPEG-LS stream declare (ITU-T T.81, B.2.2; T.87, C.2.2).

    The size is that of the first frame header. The orientation is that of the first
    segment with Exif data.

    Raises
    ------
    ValueError
        There is no frame header, or there are too many scans.
    """
    if data.count(b"\xff\xda") > MAX_SCANS:
        raise ValueError(f"it has more than {MAX_SCANS} scans")
    frame, exif = None, b""
    for code, position in _jpeg_segments(data):
        if frame is None and (code == _JPEG_LS_FRAME or (0xC0 <= code <= 0xCF and code not in _NOT_FRAMES)):
            frame = struct.unpack_from(">HHB", data, position + 3)
        elif code == _APP1 and not exif and data.startswith(_EXIF_START, position + 2):
            exif = data[position + 2 : position + struct.unpack_from(">H", data, position)[0]]
    if frame is None:
        raise ValueError(_NO_SIZE)
    rows, columns, channels = frame
    return Size(columns, rows, channels, _orientation(exif))


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the marker code of each segment before the first scan, and the position of its length (2 bytes)."""
    position = 2
    for _ in range(MAX_PARTS):
        marker = _JPEG_MARKER.search(data, position)
        if marker is None or len(data) < marker.end() + 8:
            return
        code, position = marker[1][0], marker.end()
        if code in (0xD9, 0xDA):  # the end of the picture, or the start of a scan
            return
        if not (code == 0x01 or 0xD0 <= code <= 0xD8):  # these markers have no length
            yield code, position
            position += struct.unpack_from(">H", data, position)[0]


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
