"""Read the data elements of a DICOM file with pydicom, safely and silently."""

import io
import logging
import math
import threading
import warnings as python_warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pydicom
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from cxrlib.errors import InputError
from cxrlib.images.formats import name_format

PIXEL_DATA = 0x7FE00010
"""Tag of the element that holds the pixels (PS3.6)."""

MAX_INFLATED_BYTES = 150_000_000
"""Our choice: twice the 72 million bytes of the largest film in 16 bits, and room for a header."""

MAX_ELEMENTS = 100_000
"""A file with more data elements is not a film. Reading them all would only cost time."""

MAX_VALUE_BYTES = 1_000_000
"""Our choice: a larger value is not read as text, numbers, table or sequence. Each of its parts would take much memory.
The largest look-up table has 131,072 bytes (PS3.3, C.11.1.1.1)."""

_lock = threading.Lock()
_silence = ExitStack()
_num_inside = 0


@contextmanager
def silent_pydicom() -> Iterator[None]:
    """Suppress pydicom's warnings and log messages about odd headers.

    Warning filters and log levels belong to the whole process. So the first thread that
    enters the block sets them, and the last one that leaves it gives them back.
    """
    global _num_inside
    with _lock:
        if _num_inside == 0:
            log = logging.getLogger("pydicom")
            _silence.callback(log.setLevel, log.level)
            _silence.enter_context(python_warnings.catch_warnings())
            python_warnings.simplefilter("ignore")
            log.setLevel(logging.CRITICAL + 1)
        _num_inside += 1
    try:
        yield
    finally:
        with _lock:
            _num_inside -= 1
            if _num_inside == 0:
                _silence.close()


def parse_file(data: bytes) -> pydicom.Dataset:
    """Return all data elements of a DICOM file, with or without a preamble.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    InputError
        The file is not DICOM, or is cut off. The message does not name the file.
    """
    if name_format(data) != "DICOM":
        raise InputError(
            f"not a DICOM file ({len(data):,} bytes): it has no letters DICM at byte 128, and does not begin "
            "with an element of a DICOM header"
        )
    if DeflatedExplicitVRLittleEndian.encode() in data:
        return _parse_deflated(data)
    dataset, tags = _parse(data)
    if "PixelData" not in dataset and PIXEL_DATA in tags:
        raise InputError("is cut off: its compressed pixels have no end; copy or download it again")
    return dataset


def parse_header(data: bytes, tags: list[int]) -> pydicom.Dataset:
    """Return some of the data elements before the pixels of a DICOM file.

    Parameters
    ----------
    data : bytes
        The file, or its first bytes.
    tags : list of int
    """
    if DeflatedExplicitVRLittleEndian.encode() in data:
        data, _ = _inflated(data)
    return _parse(data, tags)[0]


def _parse(data: bytes, wanted: list[int] | None = None) -> tuple[pydicom.Dataset, list[int]]:
    """Return the data elements, and all their tags, also that of an element in whose middle the file ends.

    If some elements are wanted, the file is read only up to its pixels.
    """
    tags: list[int] = []

    def stop(tag: int, vr: str | None, length: int) -> bool:  # pydicom calls it once for each data element
        tags.append(int(tag))
        return len(tags) > MAX_ELEMENTS or (wanted is not None and tag >= PIXEL_DATA)

    dataset = pydicom.filereader.read_partial(io.BytesIO(data), stop_when=stop, force=True, specific_tags=wanted)
    if "TransferSyntaxUID" not in dataset.file_meta:  # pydicom has found out which it is
        is_implicit, is_little = dataset.original_encoding
        syntax = ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if is_implicit else syntax
    return dataset, tags


def _inflated(data: bytes) -> tuple[bytes, bool]:
    """Inflate what follows the meta information of a deflated file (PS3.5, A.5), and return whether it has an end.

    pydicom itself would inflate it to any size.
    """
    start = 132 if data[128:132] == b"DICM" else 0  # the preamble may be missing
    if data[start : start + 4] != b"\2\0\0\0":  # the element (0002,0000) holds the length of the meta information
        raise ValueError("its header does not begin with its length")
    start += 12 + int.from_bytes(data[start + 8 : start + 12], "little")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)  # negative: without a zlib header
    return inflater.decompress(data[start:], MAX_INFLATED_BYTES), inflater.eof


def _parse_deflated(data: bytes) -> pydicom.Dataset:
    try:
        inflated, has_end = _inflated(data)
    except ValueError as error:
        raise InputError(f"a deflated DICOM file that cannot be read: {error}") from None
    if not has_end:
        raise InputError(f"is cut off, or has more than {MAX_INFLATED_BYTES:,} bytes when it is unpacked")
    dataset, _ = _parse(inflated)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def small_value(dataset: pydicom.Dataset, name: str) -> Any:
    """Return the value of an element, or None if the element is missing.

    Raises
    ------
    Exception
        The value is too large, or pydicom cannot read it.
    """
    raw = dataset.get_item(pydicom.tag.Tag(name))
    if isinstance(raw, pydicom.dataelem.RawDataElement) and len(raw.value or b"") > MAX_VALUE_BYTES:
        raise ValueError("the value is too large")
    return dataset.get(name)


def code_words(dataset: pydicom.Dataset, name: str) -> list[str]:
    """Return the values of an element as texts in upper case, without blanks around them. Empty values are left out."""
    try:
        values = _values(dataset, name)
    except Exception:  # pydicom raises many kinds of error for a value that does not fit its type
        return []
    words = (str(word).strip(" \0").upper() for word in values)
    return [word for word in words if word]


def known_word(dataset: pydicom.Dataset, name: str, words: tuple[str, ...]) -> str:
    """Return an element's value if it is one of the words, "" if it is empty, and otherwise "unknown"."""
    found = code_words(dataset, name)
    return found[0] if len(found) == 1 and found[0] in words else "unknown" if found else ""


def numbers(dataset: pydicom.Dataset, name: str) -> list[float]:
    """Return the values of an element as numbers. What is not a number becomes NaN; a missing element has no values."""
    try:
        values = _values(dataset, name)
    except Exception:  # pydicom raises many kinds of error for a value that does not fit its type
        return [math.nan]
    return [_number(value) for value in values]


def _values(dataset: pydicom.Dataset, name: str) -> list[Any]:
    value = small_value(dataset, name)
    if isinstance(value, list | tuple | pydicom.multival.MultiValue):
        return list(value)
    return [] if value is None or value == "" else [value]


def _number(value: object) -> float:
    if isinstance(value, bytes) and len(value) == 2:  # an element without a usual type, mostly in little endian
        return int.from_bytes(value, "little")
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan
