"""Read one file as one image: PNG, JPEG or DICOM, min-max normalised, of one resolution.

The order of the steps changes pixels, so it is fixed:

1. decode;
2. modality and VOI look-up tables, and inversion (DICOM);
3. min-max at full resolution;
4. pad with 0 to a square;
5. resize by area.

Preparation, training and prediction all read their films here.
"""

import json
import os
import struct
import zlib
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cxrlib.errors import InputError
from cxrlib.files import parse_json
from cxrlib.images.film_facts import ACCEPTABLE, FilmHeader, FilmWarning, check_accept
from cxrlib.images.film_source import FilmSource, read_source
from cxrlib.images.formats import FORMAT_BYTES, name_format
from cxrlib.images.headers import JPEG_START, MAX_TEXT, PNG_END, PNG_START, read_first_texts
from cxrlib.images.pixels import NORMALIZATIONS, as_float, pixel_digest, quantize, resize_to_square
from cxrlib.images.png_jpeg import decode_picture

DICOM_SUFFIXES = (".dcm", ".dicom")
SUFFIXES = (".png", ".jpg", ".jpeg", *DICOM_SUFFIXES)
"""Endings of file names that are taken for radiographs, in lower case."""

MARK = "cxrlib"
"""Keyword of the PNG text that marks a prepared copy: it is already normalised and padded."""

FILM_MARK = "cxrlib-film"
"""Keyword of the PNG text of a prepared copy that holds the `Radiograph.film_id` of its original."""

WARNINGS_MARK = "cxrlib-warnings"
"""Keyword of the PNG text of a prepared copy that holds the warnings about its original: [[kind, sentence], ...]."""

_MARKS = (MARK, FILM_MARK, WARNINGS_MARK)
_IHDR_BITS = slice(24, 26)  # bits of a sample, and 0 for gray (ISO/IEC 15948, 11.2.2)
_IHDR_END = 8 + 25  # bytes of the PNG signature and of the chunk IHDR, which must come first


@dataclass(frozen=True)
class Radiograph:
    """One image, and what its reader should know about it.

    Attributes
    ----------
    image : ndarray, (H, W), float32 in [0, 1]
        Dense is bright.
    warnings : tuple of FilmWarning
        Texts. Empty if nothing is unusual.
    film_id : str
        32 hexadecimal digits by which the film is known again under any name. They are
        the `pixel_digest` of the pixels in the file. A prepared copy has the digits of its
        original, whatever the size of the copy.
    """

    image: np.ndarray
    warnings: tuple[FilmWarning, ...] = ()
    film_id: str = ""


def open_radiograph(
    source: FilmSource, *, size: int | None = None, normalize: str = "minmax", accept: Collection[str] = ()
) -> Radiograph:
    """Read one chest radiograph.

    Parameters
    ----------
    source : path-like, bytes, binary stream, pydicom Dataset, Pillow image, or array
        PNG (8 or 16 bit), JPEG or DICOM. The content decides, not the name. An array
        is (H, W) or (H, W, 1). Floats in [0, 1] count as normalised. Gray levels in
        uint8 or uint16 are normalised like those of a file.
    size : int, optional
        Side of the square result in pixels. A film that is not square is padded
        with 0 to a square. It is never cropped or stretched. Without `size` the
        film keeps its own shape.
    normalize : {"minmax", "percentile"}
        How each image is normalised: (x - min) / (max - min). With "percentile", the
        0.5th and the 99.5th percentile take the places of min and max, and the result
        is clipped to [0, 1].
    accept : collection of {"color", "modality", "unlike"}
        Read, with a warning, what is refused otherwise. "color": a picture in
        colour, by its luminance. "modality": a DICOM file of any Modality.
        "unlike" has no effect here: only a run compares a film with chest films
        (`cxrlib.training.run.Run.predict`).

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
    if normalize not in NORMALIZATIONS:
        raise InputError(f"normalize is {normalize!r}; it must be one of {', '.join(NORMALIZATIONS)}")
    check_accept(accept)
    path, content = read_source(source)
    pixels, warnings, digest, mark = _decode(path, content, accept)
    if mark is None and pixels.dtype.kind == "f" and isinstance(content, np.ndarray):
        image = pixels
    elif mark is None:
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
            sentence = f"enlarged from {image.shape[1]}x{image.shape[0]} to {size} px: detail is missing"
            warnings += (FilmWarning("enlarged", sentence),)
        image = resize_to_square(image, size)
    return Radiograph(image, warnings, digest)


def _decode(
    path: Path, content: bytes | np.ndarray, accept: Collection[str]
) -> tuple[np.ndarray, tuple[FilmWarning, ...], str, str | None]:
    """Return the pixels of a film, warnings, its `Radiograph.film_id`, and how a prepared copy was normalised."""
    if isinstance(content, np.ndarray):
        return content, (), pixel_digest(content), None
    if _is_dicom(path, content):
        from cxrlib.images.dicom.film import decode_dicom  # pydicom takes a while to import

        return *decode_dicom(path, content, accept), None
    pixels, warnings, texts = decode_picture(path, content, accept, _MARKS)
    warnings += _parse_warnings(texts.get(WARNINGS_MARK, ""))
    return pixels, warnings, texts.get(FILM_MARK) or pixel_digest(pixels), texts.get(MARK)


def read_film_id(path: Path) -> str:
    """Return the `Radiograph.film_id` of a file. A prepared copy carries it, so its pixels are not decoded.

    Raises
    ------
    InputError
        The file cannot be read, or is not a chest radiograph.
    """
    facts = read_prepared_facts(path)
    if facts is not None:
        return facts[0]
    return _decode(*read_source(path), ACCEPTABLE)[2]


def read_image(
    source: FilmSource, *, size: int | None = None, normalize: str = "minmax", accept: Collection[str] = ()
) -> np.ndarray:
    """Return only the image of `open_radiograph`: (H, W), float32 in [0, 1].

    Arguments and errors are those of `open_radiograph`.
    """
    return open_radiograph(source, size=size, normalize=normalize, accept=accept).image


def read_header(path: Path) -> FilmHeader:
    """Return what a DICOM file says about patient and view; an empty `FilmHeader` for every other file."""
    if not is_dicom_file(path):
        return FilmHeader()
    from cxrlib.images.dicom.header import read_dicom_header  # pydicom takes a while to import

    return read_dicom_header(path)


def is_dicom_file(path: Path) -> bool:
    """Return whether a file is read as DICOM. Only its first bytes are read. A file that cannot be read is not."""
    try:
        with open(path, "rb", buffering=0) as file:
            return _is_dicom(path, file.read(FORMAT_BYTES))
    except OSError:
        return False


def _is_dicom(path: Path, data: bytes) -> bool:
    """Return whether a file is to be read as DICOM. Its content decides; its name does if the content tells nothing."""
    if data.startswith((PNG_START, JPEG_START)):  # most files, and there may be 100,000
        return False
    name = name_format(data)
    return name == "DICOM" or (name == "" and path.suffix.lower() in DICOM_SUFFIXES)


def read_prepared_facts(path: Path) -> tuple[str, tuple[FilmWarning, ...]] | None:
    """Return the `Radiograph.film_id` and the warnings that a prepared copy carries, without decoding it.

    Returns
    -------
    (str, tuple of FilmWarning) or None
        None if the file is not a copy that `write_prepared` wrote with a `film_id`, or
        is cut off, as a power failure may leave it.
    """
    with suppress(OSError), path.open("rb") as file:
        head = file.read(_IHDR_END + 3 * MAX_TEXT)
        file.seek(-len(PNG_END), os.SEEK_END)
        if file.read() != PNG_END:
            return None
        texts = read_first_texts(head, _MARKS)
        # another program may have changed the pixels and kept the texts; see `decode_picture`
        is_gray16 = head[_IHDR_BITS] == b"\x10\0"
        if is_gray16 and MARK in texts and FILM_MARK in texts:
            return texts[FILM_MARK], _parse_warnings(texts.get(WARNINGS_MARK, ""))
    return None


def write_prepared(
    path: str | os.PathLike[str],
    image: np.ndarray,
    *,
    normalize: str = "minmax",
    film_id: str = "",
    warnings: Sequence[FilmWarning] = (),
) -> None:
    """Write an image (H, W) in [0, 1] as a 16-bit gray PNG. `read_image` reads the same 16-bit values back.

    Parameters
    ----------
    path : path-like
    image : ndarray, (H, W), floats in [0, 1]
    normalize : {"minmax", "percentile"}
        How the image was normalised. The name is written into the file as a text.
    film_id : str
        `Radiograph.film_id` of the original, which is written into the file too.
    warnings : sequence of FilmWarning
        What is unusual in the original. `open_radiograph` gives the same warnings for
        the copy.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    # half the time of OpenCV's own choice of filters, and files of the same size
    fast = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    fast += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
    data = cv2.imencode(".png", quantize(image), fast)[1].tobytes()
    facts = json.dumps([[warning.kind, warning] for warning in warnings]) if warnings else ""
    texts = b"".join(
        _text_chunk(keyword, text) for keyword, text in zip(_MARKS, (normalize, film_id, facts), strict=True) if text
    )
    Path(path).write_bytes(data[:_IHDR_END] + texts + data[_IHDR_END:])


def _parse_warnings(text: str) -> tuple[FilmWarning, ...]:
    """Return the warnings that a prepared copy carries; none if the text is damaged."""
    try:
        return tuple(FilmWarning(str(kind), str(sentence)) for kind, sentence in parse_json(text.encode() or b"[]"))
    except (ValueError, TypeError):
        return ()


def _text_chunk(keyword: str, text: str) -> bytes:
    """Return a text as a chunk of a PNG file (ISO/IEC 15948, 11.3.4.3)."""
    content = b"tEXt" + keyword.encode() + b"\0" + text.encode()
    return struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
