"""The pixels of one chest radiograph in DICOM: look-up tables, window, inversion.

Nothing of the patient's identity is read or repeated: messages quote numbers
and known code words alone, never pydicom's own words, which may hold a header's.
"""

import io
import logging
import threading
import warnings as python_warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEG2000TransferSyntaxes, RLELossless

from cxrlib.errors import InputError
from cxrlib.images.decoder_process import decode_apart
from cxrlib.images.headers import MAX_SIDE, check_size, read_jpeg, read_jpeg2000

CHEST_MODALITIES = ("CR", "DX", "RG")  # computed, digital and film radiography
OTHER_MODALITIES = (
    "BI", "BMD", "CT", "DOC", "ECG", "ES", "GM", "IO", "IVUS", "KO", "LS", "MG", "MR", "NM", "OCT", "OP", "OT", "PR",
    "PT", "PX", "RF", "RTDOSE", "RTIMAGE", "RTPLAN", "RTSTRUCT", "SC", "SEG", "SM", "SR", "US", "XA", "XC",
)  # fmt: skip
OTHER_PARTS = (
    "ABDOMEN", "ANKLE", "ARM", "BREAST", "CSPINE", "ELBOW", "FOOT", "FOREARM", "HAND", "HEAD", "HIP", "KNEE", "LEG",
    "LSPINE", "NECK", "PELVIS", "SHOULDER", "SKULL", "SPINE", "TSPINE", "WRIST",
)  # fmt: skip
PHOTOMETRICS = (
    "ARGB", "CMYK", "HSV", "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "XYB", "YBR_FULL", "YBR_FULL_422",
    "YBR_ICT", "YBR_PARTIAL_420", "YBR_PARTIAL_422", "YBR_RCT",
)  # fmt: skip
LATERAL_VIEWS = ("LL", "RL", "LATERAL")
MOST_VALUES = MAX_SIDE**2
MOST_INFLATED = 150_000_000  # bytes
MOST_ELEMENTS = 100_000

_lock = threading.Lock()


def decode_dicom(path: Path, data: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return pixels (H, W), float64, dense bright, and warnings.

    The modality LUT comes before the VOI LUT or window (DICOM PS3.3 C.11.1,
    C.11.2); MONOCHROME1 shows its lowest value white and is inverted.

    Raises
    ------
    InputError
        Not DICOM, not a chest radiograph, more than one frame, or damaged.
    """
    with _quiet():
        try:
            dataset = _inflate(path, data) if DeflatedExplicitVRLittleEndian.encode() in data else _parse(data)
        except InputError:
            raise
        except Exception as error:  # pydicom raises many kinds for broken files
            raise InputError(f"{path}: not a readable DICOM file ({type(error).__name__})") from None
        try:
            photometric = _check(path, dataset)
            stored = _stored(path, dataset, data)
            return _shown(path, dataset, stored, photometric), _warnings(dataset)
        except InputError:
            raise
        except Exception as error:  # as above
            raise InputError(f"{path}: cannot be decoded ({_syntax(dataset)}; {type(error).__name__})") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pydicom's remarks on odd headers out of warnings and logs.

    Both belong to the whole process, so one DICOM file is read at a time.
    """
    log = logging.getLogger("pydicom")
    with _lock, python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")
        level = log.level
        log.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            log.setLevel(level)


def _parse(data: bytes) -> pydicom.Dataset:
    count = iter(range(MOST_ELEMENTS))
    stop = lambda *element: next(count, None) is None  # what has so many is no film, but a way to keep us busy
    return pydicom.filereader.read_partial(io.BytesIO(data), stop_when=stop)


def _inflate(path: Path, data: bytes) -> pydicom.Dataset:
    """Read a deflated file (PS3.5 A.5), which pydicom would inflate to any size."""
    if data[128:136] != b"DICM\2\0\0\0":
        raise InputError(f"{path}: a deflated DICOM file whose header does not begin with its length")
    start = 144 + int.from_bytes(data[140:144], "little")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflater.decompress(data[start:], MOST_INFLATED)
    if not inflater.eof:
        raise InputError(f"{path}: is cut off, or inflates to more than {MOST_INFLATED:,} bytes")
    dataset = pydicom.dcmread(io.BytesIO(plain), force=True)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _word(dataset: pydicom.Dataset, name: str, known: tuple[str, ...]) -> str:
    """Return a code word of the header if it is a known one, "" if it is empty, else "unknown"."""
    word = str(dataset.get(name) or "").strip().upper()
    return word if word in ("", *known) else "unknown"


def _syntax(dataset: pydicom.Dataset) -> str:
    syntax = dataset.file_meta.get("TransferSyntaxUID", "")
    return syntax.name if syntax in pydicom.uid.AllTransferSyntaxes else "unknown transfer syntax"


def _check(path: Path, dataset: pydicom.Dataset) -> str:
    """Refuse what is no single-frame chest radiograph; return the photometric interpretation."""
    modality = _word(dataset, "Modality", CHEST_MODALITIES + OTHER_MODALITIES)
    if modality not in CHEST_MODALITIES:
        raise InputError(
            f"{path}: not a chest radiograph (Modality {modality or 'missing'}); "
            f"needed is one of {', '.join(CHEST_MODALITIES)}"
        )
    if "PixelData" not in dataset:
        raise InputError(f"{path}: a DICOM file without an image")
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    if frames != 1:
        raise InputError(f"{path}: {frames} frames; a radiograph has one")
    rows, columns, samples = (int(dataset.get(name) or 0) for name in ("Rows", "Columns", "SamplesPerPixel"))
    check_size(path, columns, rows)
    if samples not in (1, 3) or rows * columns * samples > MOST_VALUES:
        raise InputError(f"{path}: {samples} samples a pixel; 1 is needed, or 3 in up to {MOST_VALUES // 3:,} pixels")
    if dataset.get("BitsAllocated") not in (8, 16):
        raise InputError(f"{path}: the bits allocated to a pixel are neither 8 nor 16")
    return _word(dataset, "PhotometricInterpretation", PHOTOMETRICS)


def _stored(path: Path, dataset: pydicom.Dataset, data: bytes) -> np.ndarray:
    """Return the pixels as they are stored: (H, W) or (H, W, 3), of 8 or 16 bits."""
    rows, columns, samples = dataset.Rows, dataset.Columns, dataset.SamplesPerPixel
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        needed = rows * columns * samples * dataset.BitsAllocated // 8
        found = len(dataset.PixelData)
        if found < needed and "422" not in str(dataset.PhotometricInterpretation):
            raise InputError(f"{path}: cannot be decoded: it has {found:,} of {needed:,} bytes of pixels")
        return dataset.pixel_array
    if syntax != RLELossless:
        frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
        try:
            size = read_jpeg2000(frame) if syntax in JPEG2000TransferSyntaxes else read_jpeg(frame)
        except ValueError as error:
            raise InputError(f"{path}: cannot be decoded ({_syntax(dataset)}): {error}") from None
        if (size.columns, size.rows, size.channels) != (columns, rows, samples):
            raise InputError(
                f"{path}: its compressed image is {size.columns}x{size.rows} with {size.channels} channels, "
                f"where its header says {columns}x{rows} with {samples}"
            )
    try:
        pixels, kind, shape = decode_apart(data)
    except ValueError as error:
        raise InputError(f"{path}: cannot be decoded ({_syntax(dataset)}; {error})") from None
    return np.frombuffer(pixels, kind).reshape(shape)


def _shown(path: Path, dataset: pydicom.Dataset, stored: np.ndarray, photometric: str) -> np.ndarray:
    """Apply the look-up tables to each value that may be stored, rather than to each pixel."""
    if stored.ndim == 3:  # RGB, which pydicom makes of YBR too; the channels must be equal
        spread = stored.max(axis=-1).astype(np.int32) - stored.min(axis=-1)
        if spread.max() > 8:
            raise InputError(f"{path}: a picture in colour ({photometric}); a radiograph has one channel")
        stored, photometric = stored[..., 1], "MONOCHROME2"
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(f"{path}: PhotometricInterpretation {photometric!r}; needed is MONOCHROME1 or 2")
    low, high = int(stored.min()), int(stored.max())
    levels = np.arange(low, high + 1).astype(stored.dtype)
    values = np.asarray(apply_voi_lut(apply_modality_lut(levels, dataset), dataset), dtype=np.float64)
    places = (stored - stored.dtype.type(low)).view(f"u{stored.dtype.itemsize}")  # wraps around, and back
    there = np.zeros(len(levels), bool)
    there[places] = True
    if photometric == "MONOCHROME1":
        values = values[there].max() - values
    padding = dataset.get("PixelPaddingValue")
    if padding is not None:
        limit = dataset.get("PixelPaddingRangeLimit", padding)  # PS3.3 C.7.5.1.1.2: all values between the two
        outside = (levels >= min(padding, limit)) & (levels <= max(padding, limit))
        if (there & outside).any() and not outside[there].all():
            values[outside] = values[there & ~outside].min()  # what the beam did not reach is shown black
    return values[places]


def _warnings(dataset: pydicom.Dataset) -> tuple[str, ...]:
    found = []
    body = _word(dataset, "BodyPartExamined", ("CHEST", "THORAX", *OTHER_PARTS))
    if body not in ("", "CHEST", "THORAX"):
        found.append(f"body part examined is {body}, not CHEST")
    view = _word(dataset, "ViewPosition", LATERAL_VIEWS)
    if view in LATERAL_VIEWS:
        found.append(f"a lateral film (view position {view}); frontal ones are expected")
    return tuple(found)
