"""Read the pixels of one chest radiograph in DICOM: look-up tables, window, inversion.

Nothing about the patient is read or repeated. Messages quote only numbers and code
words from the lists below. They never quote pydicom's messages, which may contain
text from the header.
"""

import io
import logging
import threading
import warnings as python_warnings
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEG2000TransferSyntaxes, RLELossless

from cxrlib.errors import InputError
from cxrlib.images.decoder_process import decode_in_child
from cxrlib.images.film_facts import FilmHeader, FilmWarning
from cxrlib.images.headers import MAX_SIDE, check_size, read_jpeg, read_jpeg2000
from cxrlib.images.pixels import pixel_digest

CHEST_MODALITIES = ("CR", "DX", "RG")  # computed, digital and film radiography
OTHER_MODALITIES = (
    "BI", "BMD", "CT", "DOC", "ECG", "ES", "GM", "IO", "IVUS", "KO", "LS", "MG", "MR", "NM", "OCT", "OP", "OT", "PR",
    "PT", "PX", "RF", "RTDOSE", "RTIMAGE", "RTPLAN", "RTSTRUCT", "SC", "SEG", "SM", "SR", "US", "XA", "XC",
)  # fmt: skip
CHEST_PARTS = ("CHEST", "THORAX")
OTHER_PARTS = (
    "ABDOMEN", "ANKLE", "ARM", "BREAST", "CSPINE", "ELBOW", "FOOT", "FOREARM", "HAND", "HEAD", "HIP", "KNEE", "LEG",
    "LSPINE", "NECK", "PELVIS", "SHOULDER", "SKULL", "SPINE", "TSPINE", "WRIST",
)  # fmt: skip
PHOTOMETRICS = (
    "ARGB", "CMYK", "HSV", "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "XYB", "YBR_FULL", "YBR_FULL_422",
    "YBR_ICT", "YBR_PARTIAL_420", "YBR_PARTIAL_422", "YBR_RCT",
)  # fmt: skip
LATERAL_VIEWS = ("LL", "RL", "LATERAL")

MAX_SAMPLES = MAX_SIDE**2
"""Largest number of values of all channels. A picture with three channels may have a third as many pixels as a gray
picture."""

MAX_INFLATED_BYTES = 150_000_000
"""Our choice: twice the 72 million bytes of the largest film in 16 bits, and room for a header."""

MAX_ELEMENTS = 100_000
"""A file with more data elements is not a film. Reading them all would only cost time."""

MAX_CHANNEL_SPREAD = 8
"""Channels that differ by at most this many stored gray levels count as equal. It is our choice: the conversion from
YBR to RGB rounds, so equal channels may differ a little."""

_pydicom_lock = threading.Lock()


def decode_dicom(
    path: Path, data: bytes, accept: Collection[str] = ()
) -> tuple[np.ndarray, tuple[FilmWarning, ...], str]:
    """Return the pixels of a DICOM file as they are to be displayed, warnings, and the digest of the stored pixels.

    The modality look-up table is applied before the VOI look-up table or window
    (DICOM PS3.3 C.11.1 and C.11.2). MONOCHROME1 displays its lowest value as
    white, so it is inverted.

    Parameters
    ----------
    path : Path
        Only for messages.
    data : bytes
        The whole file.
    accept : collection of str
        Some of `cxrlib.images.film_facts.ACCEPTABLE`.

    Returns
    -------
    pixels : ndarray, (H, W), float64
        Dense is bright.
    warnings : tuple of FilmWarning
    digest : str
        `cxrlib.images.pixels.pixel_digest` of the pixels as they are stored.

    Raises
    ------
    InputError
        The file is not DICOM, is damaged, has more than one frame, or is not a
        chest radiograph.
    """
    with _silent_pydicom():
        try:
            dataset = _inflate(path, data) if DeflatedExplicitVRLittleEndian.encode() in data else _parse(data)
        except InputError:
            raise
        except Exception as error:  # pydicom raises many kinds of error for broken files
            raise InputError(f"{path}: not a readable DICOM file ({type(error).__name__})") from None
        try:
            photometric = _check_header(path, dataset)
            stored = _stored_pixels(path, dataset, data)
            pixels = _displayed_pixels(path, dataset, stored, photometric)
            return pixels, _warnings(dataset), pixel_digest(stored)
        except InputError:
            raise
        except Exception as error:  # pydicom raises many kinds of error here, too
            raise InputError(f"{path}: cannot be decoded ({_syntax(dataset)}; {type(error).__name__})") from None


def read_dicom_header(path: Path) -> FilmHeader:
    """Return what the header of a DICOM file says about patient and view, without reading its pixels.

    A file whose header cannot be read gives an empty `FilmHeader`: `decode_dicom`
    says what is wrong with it.
    """
    return FilmHeader()


@contextmanager
def _silent_pydicom() -> Iterator[None]:
    """Suppress pydicom's warnings and log messages about odd headers.

    Warning filters and log levels belong to the whole process, so only one DICOM
    file is read at a time.
    """
    log = logging.getLogger("pydicom")
    with _pydicom_lock, python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")
        level = log.level
        log.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            log.setLevel(level)


def _parse(data: bytes) -> pydicom.Dataset:
    allowed = iter(range(MAX_ELEMENTS))
    stop = lambda *element: next(allowed, None) is None  # pydicom calls it once for each data element
    return pydicom.filereader.read_partial(io.BytesIO(data), stop_when=stop)


def _inflate(path: Path, data: bytes) -> pydicom.Dataset:
    """Read a deflated file (PS3.5 A.5). pydicom itself would inflate it to any size."""
    # The preamble, "DICM", and the first element (0002,0000), which holds the length of the file's meta information
    if data[128:136] != b"DICM\2\0\0\0":
        raise InputError(f"{path}: a deflated DICOM file whose header does not begin with its length")
    start = 144 + int.from_bytes(data[140:144], "little")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)  # negative: without a zlib header
    inflated = inflater.decompress(data[start:], MAX_INFLATED_BYTES)
    if not inflater.eof:
        raise InputError(f"{path}: is cut off, or inflates to more than {MAX_INFLATED_BYTES:,} bytes")
    dataset = pydicom.dcmread(io.BytesIO(inflated), force=True)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _code_word(dataset: pydicom.Dataset, name: str, code_words: tuple[str, ...]) -> str:
    """Return a header's value if it is one of the code words, "" if it is empty, and otherwise "unknown"."""
    word = str(dataset.get(name) or "").strip().upper()
    return word if word in ("", *code_words) else "unknown"


def _syntax(dataset: pydicom.Dataset) -> str:
    syntax = dataset.file_meta.get("TransferSyntaxUID", "")
    return syntax.name if syntax in pydicom.uid.AllTransferSyntaxes else "unknown transfer syntax"


def _check_header(path: Path, dataset: pydicom.Dataset) -> str:
    """Refuse what is not a chest radiograph of one frame. Return the photometric interpretation."""
    modality = _code_word(dataset, "Modality", CHEST_MODALITIES + OTHER_MODALITIES)
    if modality not in CHEST_MODALITIES:
        raise InputError(
            f"{path}: not a chest radiograph (Modality {modality or 'missing'}); "
            f"its Modality must be one of {', '.join(CHEST_MODALITIES)}"
        )
    if "PixelData" not in dataset:
        raise InputError(f"{path}: a DICOM file without an image")
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    if frames != 1:
        raise InputError(f"{path}: has {frames} frames; a radiograph has one")
    rows, columns, samples = (int(dataset.get(name) or 0) for name in ("Rows", "Columns", "SamplesPerPixel"))
    check_size(path, columns, rows)
    if samples not in (1, 3) or rows * columns * samples > MAX_SAMPLES:
        raise InputError(
            f"{path}: has {samples} samples for each of {rows * columns:,} pixels; "
            f"it must have 1, or 3 for up to {MAX_SAMPLES // 3:,} pixels"
        )
    if dataset.get("BitsAllocated") not in (8, 16):
        raise InputError(f"{path}: the number of bits allocated to a pixel is neither 8 nor 16")
    return _code_word(dataset, "PhotometricInterpretation", PHOTOMETRICS)


def _stored_pixels(path: Path, dataset: pydicom.Dataset, data: bytes) -> np.ndarray:
    """Return the pixels as they are stored: (H, W) or (H, W, 3), of 8 or 16 bits."""
    rows, columns, samples = dataset.Rows, dataset.Columns, dataset.SamplesPerPixel
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        needed = rows * columns * samples * dataset.BitsAllocated // 8
        found = len(dataset.PixelData)
        if found < needed and "422" not in str(dataset.PhotometricInterpretation):  # 4:2:2 stores fewer colour values
            raise InputError(f"{path}: cannot be decoded: it has {found:,} of {needed:,} bytes of pixels")
        return dataset.pixel_array
    # RLE has no size of its own. Every other compressed image declares a size, and the decoder reserves memory for it.
    if syntax != RLELossless:
        frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
        try:
            size = read_jpeg2000(frame) if syntax in JPEG2000TransferSyntaxes else read_jpeg(frame)
        except ValueError as error:
            raise InputError(f"{path}: cannot be decoded ({_syntax(dataset)}): {error}") from None
        if (size.columns, size.rows, size.channels) != (columns, rows, samples):
            raise InputError(
                f"{path}: its compressed image is {size.columns}x{size.rows} with {size.channels} channels, "
                f"but its header says {columns}x{rows} with {samples}"
            )
    try:
        return decode_in_child(data)
    except ValueError as error:
        raise InputError(f"{path}: cannot be decoded ({_syntax(dataset)}; {error})") from None


def _displayed_pixels(path: Path, dataset: pydicom.Dataset, stored: np.ndarray, photometric: str) -> np.ndarray:
    """Return the displayed value of each pixel.

    The look-up tables are applied once to each gray level between the smallest
    and the largest, because there are fewer levels than pixels.
    """
    if stored.ndim == 3:  # RGB; pydicom converts YBR to RGB
        spread = stored.max(axis=-1).astype(np.int32) - stored.min(axis=-1)
        if spread.max() > MAX_CHANNEL_SPREAD:
            raise InputError(f"{path}: a picture in colour ({photometric}); a radiograph has one channel")
        stored, photometric = stored[..., 1], "MONOCHROME2"
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(f"{path}: PhotometricInterpretation is {photometric!r}; it must be MONOCHROME1 or MONOCHROME2")
    low, high = int(stored.min()), int(stored.max())
    levels = np.arange(low, high + 1).astype(stored.dtype)
    values = np.asarray(apply_voi_lut(apply_modality_lut(levels, dataset), dataset), dtype=np.float64)
    # The difference of signed pixels may overflow. If its bits are read as an unsigned number, the number is correct.
    level_index = (stored - stored.dtype.type(low)).view(f"u{stored.dtype.itemsize}")
    is_used = np.zeros(len(levels), bool)
    is_used[level_index] = True
    if photometric == "MONOCHROME1":
        values = values[is_used].max() - values
    padding = dataset.get("PixelPaddingValue")
    if padding is not None:
        limit = dataset.get("PixelPaddingRangeLimit", padding)  # PS3.3 C.7.5.1.1.2: all values between the two
        is_padding = (levels >= min(padding, limit)) & (levels <= max(padding, limit))
        if (is_used & is_padding).any() and not is_padding[is_used].all():
            # Padding is where the beam did not reach. It is shown as dark as the darkest pixel of the film. So padding
            # does not widen the range of the image.
            values[is_padding] = values[is_used & ~is_padding].min()
    return values[level_index]


def _warnings(dataset: pydicom.Dataset) -> tuple[FilmWarning, ...]:
    warnings = []
    part = _code_word(dataset, "BodyPartExamined", CHEST_PARTS + OTHER_PARTS)
    if part not in ("", *CHEST_PARTS):
        warnings.append(FilmWarning("body part", f"body part examined is {part}, not CHEST"))
    view = _code_word(dataset, "ViewPosition", LATERAL_VIEWS)
    if view in LATERAL_VIEWS:
        sentence = f"a lateral film (view position {view}); frontal ones are expected"
        warnings.append(FilmWarning("lateral", sentence))
    return tuple(warnings)
