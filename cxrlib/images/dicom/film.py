"""Read the pixels of one chest radiograph in DICOM: look-up tables, window, inversion.

Nothing about the patient is read or repeated. Messages quote only numbers and code
words from lists in the code. They never quote pydicom's messages, which may contain
text from the header.
"""

import io
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import JPEG2000TransferSyntaxes, RLELossless

from cxrlib.errors import InputError
from cxrlib.images.dicom.decoder_process import decode_in_child
from cxrlib.images.dicom.display import PADDING_LEVELS, displayed_pixels
from cxrlib.images.dicom.file import code_words, known_word, numbers, parse_file, silent_pydicom
from cxrlib.images.dicom.header import refusal, warn_of_header
from cxrlib.images.film_facts import FilmWarning, Warn
from cxrlib.images.headers import MAX_SIDE, check_size, read_jpeg, read_jpeg2000
from cxrlib.images.pixels import pixel_digest

COLOR_PHOTOMETRICS = (
    "ARGB", "CMYK", "HSV", "RGB", "XYB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_PARTIAL_420", "YBR_PARTIAL_422",
    "YBR_RCT",
)  # fmt: skip
PHOTOMETRICS = ("MONOCHROME", "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", *COLOR_PHOTOMETRICS)
"""Code words that messages may quote (PS3.3, C.7.6.3.1.2). MONOCHROME alone is a word of older files."""

MAX_SAMPLES = MAX_SIDE**2
"""Largest number of values of all channels. A picture with three channels may have a third as many pixels as a gray
picture."""

ENCAPSULATED_START = b"\xfe\xff\x00\xe0"
"""The first bytes of compressed pixels (PS3.5, A.4)."""


SAMPLED_ROWS = 256
"""Rows that are looked at to find out whether a film has jumps. Our choice."""

MUCH_SMOOTHER = 0.5
"""The pixels are taken without sign if their differences are then by this factor smaller. Our choice: the film of the
wrong sign has jumps of its whole range."""


@dataclass
class _Layout:
    """How the pixels lie in the file (PS3.3, C.7.6.3)."""

    rows: int
    columns: int
    samples: int
    photometric: str
    allocated: int
    stored: int
    high_bit: int
    is_signed: bool | None  # None: the file does not say


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
        Some of `cxrlib.images.film_facts.ACCEPTABLE`. With "color", a picture in colour
        is read by its luminance. With "modality", an image of any Modality is read.

    Returns
    -------
    pixels : ndarray, (H, W), float64
        Dense is bright.
    warnings : tuple of FilmWarning
        A look-up table, a window or another element that cannot be right is left out,
        with a warning.
    digest : str
        `cxrlib.images.pixels.pixel_digest` of the pixels as they are stored.

    Raises
    ------
    InputError
        The file is not DICOM, is damaged or cut off, has more than one frame, lacks an
        element that cannot be inferred, or is not a chest radiograph.
    """
    warnings: list[FilmWarning] = []
    fault = "not a readable DICOM file ("
    with silent_pydicom():
        try:
            dataset = parse_file(data)
            fault = f"cannot be decoded ({_syntax(dataset)}; "
            if (reason := refusal(dataset)) and "modality" not in accept:
                needed = "prepare and predict read it all the same with --accept modality"
                raise InputError(f"not a chest film ({reason}); {needed}")
            warn = lambda kind, sentence: warnings.append(FilmWarning(kind, sentence))
            warn_of_header(dataset, warn)
            layout = _read_layout(dataset, warn)
            stored = _stored_pixels(dataset, layout, warn)
            dataset.BitsStored, dataset.PixelRepresentation = layout.stored, int(bool(layout.is_signed))
            pixels = displayed_pixels(dataset, stored, layout.photometric, warn, accept_color="color" in accept)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except Exception as error:  # pydicom raises many kinds of error for broken files
            raise InputError(f"{path}: {fault}{type(error).__name__})") from None
    return pixels, tuple(warnings), pixel_digest(stored)


def _syntax(dataset: pydicom.Dataset) -> str:
    syntax = dataset.file_meta.get("TransferSyntaxUID", "")
    return syntax.name if syntax in pydicom.uid.AllTransferSyntaxes else "unknown transfer syntax"


def _whole_number(dataset: pydicom.Dataset, name: str) -> int | None:
    """Return the number in an element, or None if the element is missing or empty."""
    values = numbers(dataset, name)
    if not values:
        return None
    if len(values) > 1 or not math.isfinite(values[0]) or values[0] != int(values[0]):
        raise InputError(f"cannot be decoded: {name} is not a whole number")
    return int(values[0])


def _read_layout(dataset: pydicom.Dataset, warn: Warn) -> _Layout:
    """Check the elements that describe the pixels, and infer what is missing where that is safe."""
    if "PixelData" not in dataset:
        raise InputError("a DICOM file without an image, or cut off before the pixels; copy it again")
    number = {name: _whole_number(dataset, name) for name in ("NumberOfFrames", "Rows", "Columns")}
    if (frames := number["NumberOfFrames"] or 1) != 1:
        raise InputError(f"has {frames} frames; a chest film has 1")
    for name in ("Rows", "Columns"):
        if number[name] is None:
            raise InputError(f"cannot be decoded: {name} is missing")
    rows, columns = number["Rows"] or 0, number["Columns"] or 0
    check_size(columns, rows)

    def infer(name: str, value: int | str) -> None:
        warn("missing element", f"{name} is missing: taken as {value}")

    photometric = known_word(dataset, "PhotometricInterpretation", PHOTOMETRICS)
    samples = _whole_number(dataset, "SamplesPerPixel")
    if samples is None:
        samples = 3 if photometric in COLOR_PHOTOMETRICS else 1
        infer("SamplesPerPixel", samples)
    if samples not in (1, 3) or rows * columns * samples > MAX_SAMPLES:
        raise InputError(
            f"has {samples} values for each of {rows * columns:,} pixels; it must have 1 (gray), or 3 (colour) "
            f"for at most {MAX_SAMPLES // 3:,} pixels"
        )
    if not photometric:
        photometric = _infer_photometric(dataset, samples)
        if not photometric:
            raise InputError(
                "cannot be decoded: PhotometricInterpretation is missing, "
                "so low values may be black (MONOCHROME2) or white (MONOCHROME1); export the film again"
            )
        infer("PhotometricInterpretation", photometric)
    if samples == 1 and photometric not in ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"):
        raise InputError(f"PhotometricInterpretation is {photometric!r}; it must be MONOCHROME1 or MONOCHROME2")
    stored, high_bit = _whole_number(dataset, "BitsStored"), _whole_number(dataset, "HighBit")
    allocated = _whole_number(dataset, "BitsAllocated")
    if allocated is None:
        is_compressed = _is_compressed(dataset)
        allocated = 0 if is_compressed else 8 * (len(dataset.PixelData) // (rows * columns * samples))
        if allocated not in (8, 16):
            raise InputError("cannot be decoded: BitsAllocated is missing")
        infer("BitsAllocated", allocated)
    if allocated not in (8, 16):
        raise InputError(f"BitsAllocated is {allocated}; it must be 8 or 16")
    if stored is None:
        stored = high_bit + 1 if high_bit is not None and 8 <= high_bit + 1 <= allocated else allocated
        infer("BitsStored", stored)
    if not 1 <= stored <= allocated:
        raise InputError(f"cannot be decoded: BitsStored is {stored}; it must be 1 to {allocated}")
    if high_bit is None:
        high_bit = stored - 1
    elif not stored - 1 <= high_bit < allocated:
        warn("bits", f"HighBit {high_bit} cannot be right with BitsStored {stored}: taken as {stored - 1}")
        high_bit = stored - 1
    sign = _whole_number(dataset, "PixelRepresentation")
    if sign not in (None, 0, 1):
        raise InputError(f"cannot be decoded: PixelRepresentation is {sign}; it must be 0 or 1")
    if samples == 3 and _whole_number(dataset, "PlanarConfiguration") is None:
        infer("PlanarConfiguration", 0)
        dataset.PlanarConfiguration = 0
    is_signed = None if sign is None else sign == 1
    return _Layout(rows, columns, samples, photometric, allocated, stored, high_bit, is_signed)


def _infer_photometric(dataset: pydicom.Dataset, samples: int) -> str:
    """Return the photometric interpretation that other elements require, or ""."""
    if samples == 3:
        return "" if dataset.file_meta.TransferSyntaxUID.is_compressed else "RGB"
    if "RedPaletteColorLookupTableDescriptor" in dataset:
        return "PALETTE COLOR"
    shape = " ".join(code_words(dataset, "PresentationLUTShape"))  # PS3.3, C.8.11.3.1.2: the two go together
    return {"IDENTITY": "MONOCHROME2", "INVERSE": "MONOCHROME1"}.get(shape, "")


def _is_compressed(dataset: pydicom.Dataset) -> bool:
    """Return whether the pixels are compressed. Refuse a file that says the one and holds the other."""
    is_compressed = dataset.file_meta.TransferSyntaxUID.is_compressed
    if is_compressed != dataset.PixelData.startswith(ENCAPSULATED_START) and (
        is_compressed or dataset["PixelData"].is_undefined_length
    ):
        state = "not compressed" if is_compressed else "compressed"
        raise InputError(f"its pixels are {state}, and its transfer syntax says otherwise; export it again")
    return is_compressed


def _stored_pixels(dataset: pydicom.Dataset, layout: _Layout, warn: Warn) -> np.ndarray:
    """Return the pixels as they are stored: (H, W) or (H, W, 3), of 8 or 16 bits."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if not _is_compressed(dataset):
        needed = layout.rows * layout.columns * layout.samples * layout.allocated // 8
        found = len(dataset.PixelData)
        if found < needed and "422" not in layout.photometric:  # 4:2:2 stores fewer colour values
            raise InputError(f"is probably cut off: it has {found:,} of {needed:,} bytes of pixels; copy it again")
        pixels = _pixel_dataset(dataset, layout).pixel_array
        return _values_in_bits(dataset, pixels, layout, warn)
    if not _has_decoder(syntax):
        raise InputError(f"its compression cannot be read ({_syntax(dataset)}); export it uncompressed")
    # RLE has no size of its own. Every other compressed image declares a size, and the decoder reserves memory for it.
    if syntax != RLELossless:
        frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
        try:
            size = read_jpeg2000(frame) if syntax in JPEG2000TransferSyntaxes else read_jpeg(frame)
        except ValueError as error:
            raise InputError(f"cannot be decoded ({_syntax(dataset)}): {error}") from None
        if (size.columns, size.rows, size.channels) != (layout.columns, layout.rows, layout.samples):
            raise InputError(
                f"its compressed image is {size.columns}x{size.rows} with {size.channels} channels, "
                f"but its header says {layout.columns}x{layout.rows} with {layout.samples}"
            )
    encoded = io.BytesIO()
    pydicom.dcmwrite(encoded, _pixel_dataset(dataset, layout))
    try:
        pixels = decode_in_child(encoded.getvalue())
    except ValueError as error:
        raise InputError(f"cannot be decoded ({_syntax(dataset)}; {error})") from None
    return _values_in_bits(dataset, pixels, layout, warn)


def _has_decoder(syntax: pydicom.uid.UID) -> bool:
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:  # a compression that pydicom does not know
        return False


def _pixel_dataset(dataset: pydicom.Dataset, layout: _Layout) -> pydicom.Dataset:
    """Return only the elements that a decoder needs.

    Where the file holds one value of 8 or 16 bits for each pixel, it is decoded with
    all its bits. `_values_in_bits` finds the stored bits in it.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    is_plain = layout.samples == 1 and (syntax == RLELossless or not syntax.is_compressed)
    result = pydicom.Dataset()
    result.file_meta = pydicom.dataset.FileMetaDataset()
    result.file_meta.TransferSyntaxUID = syntax
    result.preamble = bytes(128)
    result.Rows, result.Columns, result.SamplesPerPixel = layout.rows, layout.columns, layout.samples
    result.PhotometricInterpretation = layout.photometric
    result.BitsAllocated = layout.allocated
    result.BitsStored = layout.allocated if is_plain else layout.high_bit + 1
    result.HighBit = result.BitsStored - 1
    result.PixelRepresentation = 0 if is_plain else int(bool(layout.is_signed))
    if layout.samples == 3:
        result.PlanarConfiguration = dataset.PlanarConfiguration
    result["PixelData"] = dataset["PixelData"]
    return result


def _values_in_bits(dataset: pydicom.Dataset, pixels: np.ndarray, layout: _Layout, warn: Warn) -> np.ndarray:
    """Return the values that lie in the bits up to the high bit. Bits outside may hold an overlay (PS3.5, 8.1)."""
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if layout.samples == 3:
        return pixels
    unsigned = pixels.view(f"u{pixels.dtype.itemsize}")
    bits = 8 * pixels.dtype.itemsize
    if layout.is_signed is None:
        if layout.allocated == 16 and unsigned.max() >= 1 << (bits - 1):
            raise InputError(
                "cannot be decoded: PixelRepresentation is missing, "
                "so the pixels may be signed or unsigned; export the film again"
            )
        warn("missing element", "PixelRepresentation is missing: taken as 0 (no sign)")
    values = pixels.view(f"i{pixels.dtype.itemsize}") if layout.is_signed else unsigned
    low = -(1 << (layout.stored - 1)) if layout.is_signed else 0
    if values.min() < low or values.max() >= low + (1 << layout.stored):  # else HighBit does not count
        is_outside = (values < low) | (values >= low + (1 << layout.stored))
        values = _without_other_bits(dataset, values, is_outside, layout, warn)
    if layout.is_signed and _has_wrong_sign(_sampled_rows(values), layout.stored):
        warn("bits", "PixelRepresentation is 1 (signed), which cannot be right: the pixels are read as unsigned")
        layout.is_signed = False
        return _without_sign(values, layout.stored)
    return values


def _without_sign(values: np.ndarray, stored: int) -> np.ndarray:
    unsigned = values.view(f"u{values.dtype.itemsize}")
    return unsigned & unsigned.dtype.type((1 << stored) - 1)


def _has_wrong_sign(values: np.ndarray, stored: int) -> bool:
    """Return whether signed pixels have many negative levels, which are no padding, and are smooth without sign."""
    unsigned = _without_sign(values, stored)
    is_padding = _num_levels(unsigned[values < 0]) <= PADDING_LEVELS
    return not is_padding and _roughness(unsigned) < MUCH_SMOOTHER * _roughness(values)


def _without_other_bits(
    dataset: pydicom.Dataset, values: np.ndarray, is_outside: np.ndarray, layout: _Layout, warn: Warn
) -> np.ndarray:
    """Return the values in the stored bits, or all bits of the pixels if the header cannot be right about the bits."""
    bits = 8 * values.dtype.itemsize
    unsigned = values.view(f"u{values.dtype.itemsize}")
    shifted: np.ndarray = (unsigned << (bits - 1 - layout.high_bit)).view(values.dtype)
    in_bits = shifted >> (bits - layout.stored)
    has_rest = unsigned.max() >= 1 << (layout.high_bit + 1)  # a signed film without sign extension has none
    if not has_rest or any(0x6000 <= tag.group <= 0x60FF and tag.element == 0x0102 for tag in dataset.keys()):  # noqa: SIM118
        return in_bits
    if _num_levels(unsigned[is_outside]) <= PADDING_LEVELS:
        return values  # they are padding that does not fit the stored bits
    has_jumps = _roughness(_sampled_rows(values)) < _roughness(_sampled_rows(in_bits))  # without the upper bits
    if has_jumps:
        warn("bits", f"BitsStored {layout.stored} cannot be right: all {bits} bits of the pixels are read")
    else:
        warn("bits", f"some pixels have bits above the high bit {layout.high_bit}: these bits are left out")
    return values if has_jumps else in_bits


def _num_levels(unsigned: np.ndarray) -> int:
    return int(np.count_nonzero(np.bincount(unsigned)))


def _roughness(pixels: np.ndarray) -> float:
    """Return by how much pixels differ from those beside them."""
    return float(np.abs(np.diff(pixels.astype(np.float32), axis=1)).sum())


def _sampled_rows(pixels: np.ndarray) -> np.ndarray:
    return pixels[:: max(1, len(pixels) // SAMPLED_ROWS)]
