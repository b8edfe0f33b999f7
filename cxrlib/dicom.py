"""The pixels of one chest radiograph in DICOM: look-up tables, window, inversion."""

import io
import warnings as python_warnings
from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from cxrlib.radiograph import CHEST_MODALITIES, MAX_PIXELS, InputError


def decode_dicom(path: Path, data: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return pixels (H, W), float64, dense bright, and warnings.

    The modality LUT comes before the VOI LUT or window (DICOM PS3.3 C.11.1,
    C.11.2); MONOCHROME1 shows its lowest value white and is inverted. Nothing
    of the patient's identity is read or repeated.

    Raises
    ------
    InputError
        Not DICOM, not a chest radiograph, more than one frame, or damaged.
    """
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")  # pydicom comments on every odd header
        try:
            dataset = pydicom.dcmread(io.BytesIO(data))
        except Exception as error:  # pydicom raises many kinds for broken files
            raise InputError(f"{path}: not a readable DICOM file ({type(error).__name__})") from None
        try:
            return _pixels(path, dataset, _check(path, dataset))
        except InputError:
            raise
        except Exception as error:  # as above
            syntax = getattr(dataset.file_meta, "TransferSyntaxUID", "unknown")
            name = getattr(syntax, "name", syntax)
            raise InputError(f"{path}: cannot be decoded ({name}): {error}") from None


def _check(path: Path, dataset: pydicom.Dataset) -> str:
    """Refuse what is no single-frame chest radiograph; return the photometric interpretation."""
    modality = str(dataset.get("Modality", "")).strip()
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
    rows, columns = int(dataset.get("Rows", 0)), int(dataset.get("Columns", 0))
    if not 0 < rows * columns <= MAX_PIXELS:
        raise InputError(f"{path}: {columns}x{rows} pixels; 1 to {MAX_PIXELS:,} are read")
    return str(dataset.get("PhotometricInterpretation", "")).strip()


def _pixels(path: Path, dataset: pydicom.Dataset, photometric: str) -> tuple[np.ndarray, tuple[str, ...]]:
    stored = dataset.pixel_array
    if stored.ndim == 3:  # RGB, which pydicom makes of YBR too; the channels must be equal
        if np.ptp(stored.astype(int), axis=-1).max() > 8:
            raise InputError(f"{path}: a picture in colour ({photometric}); a radiograph has one channel")
        stored, photometric = stored[..., 1], "MONOCHROME2"
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(f"{path}: PhotometricInterpretation {photometric!r}; needed is MONOCHROME1 or 2")
    values = np.asarray(apply_voi_lut(apply_modality_lut(stored, dataset), dataset), dtype=np.float64)
    if photometric == "MONOCHROME1":
        values = values.max() - values
    padding = dataset.get("PixelPaddingValue")
    if padding is not None:
        outside = stored == padding
        if outside.any() and not outside.all():
            values[outside] = values[~outside].min()  # what the beam did not reach is shown black
    return values, _warnings(dataset)


def _warnings(dataset: pydicom.Dataset) -> tuple[str, ...]:
    found = []
    body = str(dataset.get("BodyPartExamined", "")).strip().upper()
    if body not in ("", "CHEST", "THORAX"):
        found.append(f"body part examined is {body}, not CHEST")
    view = str(dataset.get("ViewPosition", "")).strip().upper()
    if view in ("LL", "RL", "LATERAL"):
        found.append(f"a lateral film (view position {view}); frontal ones are expected")
    return tuple(found)
