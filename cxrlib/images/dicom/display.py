"""From the stored pixels of a DICOM film to the pixels that are displayed.

In this order: shutter and padding; modality look-up table; VOI look-up table or
window; inversion; square pixels (DICOM PS3.3, C.7.6.11, C.7.5.1.1.2, C.11.1, C.11.2,
C.7.6.3).
"""

import math

import cv2
import numpy as np
import pydicom

from cxrlib.errors import InputError
from cxrlib.images.dicom.file import code_words, numbers, small_value
from cxrlib.images.film_facts import NO_COLOR, Warn

MAX_CHANNEL_SPREAD = 8
"""Channels that differ by at most this many stored gray levels count as equal. It is our choice: the conversion from
YBR to RGB rounds, so equal channels may differ a little."""

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""

MAX_CLIPPED = 0.9
"""A window that shows a larger fraction of the pixels as plain black or white is left out. Our choice: direct exposure
and collimators rarely cover half of a film."""

MUCH_CLIPPED = 0.6
"""A window that shows a larger fraction of the pixels as plain black or white is used, with a warning. Our choice."""

PADDING_FRACTION = 0.001
"""Padding that is not declared covers at least this fraction of a film. Our choice: a line of pixels at one edge."""

PADDING_LEVELS = 32
"""Padding that is not declared has at most so many gray levels, and the rest of the film has more. Our choice."""

PADDING_GAP = 1.0
"""Padding that is not declared lies below or above all other values, by more than this many times their range. Our
choice."""

PADDING_GAP_OF_MINIMUM = 0.125
"""The same for the smallest number that the pixels can hold, such as -32768. Our choice."""

MAX_VALUE = 1e30
"""A rescale slope and intercept that give larger values, or NaN, cannot be right. Our choice."""

SQUARE_TOLERANCE = 0.01
"""Height and width of a pixel that differ by a smaller fraction count as equal. Our choice."""

MAX_ASPECT = 4.0
"""Pixels that are longer than so many times their width cannot be. Our choice."""

MIN_OPENING = 0.1
"""A shutter that leaves a smaller fraction of the film open cannot be right. Our choice."""

SPACINGS = ("PixelAspectRatio", "ImagerPixelSpacing", "PixelSpacing", "NominalScannedPixelSpacing")
"""Elements with the height and the width of a pixel, in this order (PS3.3, C.7.6.3.1.7 and 10.7.1)."""


def displayed_pixels(
    dataset: pydicom.Dataset, stored: np.ndarray, photometric: str, warn: Warn, *, accept_color: bool
) -> np.ndarray:
    """Return the displayed value of each pixel: (H, W), float64. Dense is bright.

    The look-up tables are applied once to each gray level between the smallest
    and the largest, because there are fewer levels than pixels.

    Parameters
    ----------
    dataset : Dataset
    stored : ndarray, (H, W) or (H, W, 3), integers of 8 or 16 bits
        With three channels: red, green and blue.
    photometric : str
        The photometric interpretation.
    warn : callable
        Takes what is unusual.
    accept_color : bool
        Read a picture in colour by its luminance.

    Raises
    ------
    InputError
        A picture in colour is not accepted, or has no palette. The message does not
        name the file.
    """
    if stored.ndim == 3:
        stored = _gray(stored, photometric, accept_color, warn)
        photometric = "RGB"
    opening = _open_shutter(dataset, stored.shape, warn)
    low, high = int(stored.min()), int(stored.max())
    levels = np.arange(low, high + 1)
    # The difference of signed pixels may overflow. If its bits are read as an unsigned number, the number is correct.
    level_index = (stored - stored.dtype.type(low)).view(f"u{stored.dtype.itemsize}")
    counts = cv2.calcHist([level_index], [0], opening, [len(levels)], [0, len(levels)]).ravel()
    is_padding = _find_padding(dataset, levels, counts, warn) if photometric.startswith("MONO") else levels < low
    is_used = (counts > 0) & ~is_padding
    if not is_used.any():  # a film of padding alone
        is_padding[:], is_used = False, counts > 0
    if photometric == "PALETTE COLOR":
        values = _palette_values(dataset, levels, is_used, accept_color, warn)
    elif photometric == "RGB":
        values = levels.astype(np.float64)
    else:
        values = _apply_modality_lut(dataset, levels, warn)
        values = _apply_window(dataset, values, np.where(is_used, counts, 0), warn)
    if _is_inverted(dataset, photometric, warn):
        values = values[is_used].max() - values
    # Padding is where the beam did not reach. It is shown as dark as the darkest pixel of the film. So padding does not
    # widen the range of the image.
    darkest = values[is_used].min()
    values[is_padding] = darkest
    pixels = values[level_index]
    if opening is not None:
        pixels[opening == 0] = darkest
    return _square(dataset, pixels, warn)


def _gray(stored: np.ndarray, photometric: str, accept_color: bool, warn: Warn) -> np.ndarray:
    """Return one channel (H, W) of three that are equal, or the luminance."""
    spread = stored.max(axis=-1).astype(np.int32) - stored.min(axis=-1)
    is_colored = spread > MAX_CHANNEL_SPREAD
    if not is_colored.any():
        return np.ascontiguousarray(stored[..., 1])
    _refuse_or_warn_of_color(photometric, float(is_colored.mean()), accept_color, warn)
    return np.rint(stored @ np.array(LUMINANCE, np.float32)).astype(stored.dtype)


def _refuse_or_warn_of_color(photometric: str, fraction: float, accept_color: bool, warn: Warn) -> None:
    if not accept_color:
        raise InputError(f"a picture in colour ({photometric}); {NO_COLOR}")
    warn("color", f"in colour ({fraction:.0%} of the pixels): read as gray, by its luminance")


def _palette_values(
    dataset: pydicom.Dataset, levels: np.ndarray, is_used: np.ndarray, accept_color: bool, warn: Warn
) -> np.ndarray:
    """Return the luminance of each level's colour in the palette (PS3.3, C.7.6.3.1.5 and C.7.6.3.1.6)."""
    try:
        channels = []
        for color in ("Red", "Green", "Blue"):
            names = [f"{color}PaletteColorLookupTable{part}" for part in ("Descriptor", "Data")]
            channels.append(_look_up(dataset, levels, *(small_value(dataset, name) for name in names)))
    except Exception:  # pydicom and NumPy raise many kinds of error for a broken table
        raise InputError("PhotometricInterpretation is PALETTE COLOR, and its palette is missing or broken") from None
    colors = np.stack(channels, axis=-1)
    full = 255 if colors.max() < 256 else 65535
    spread = np.ptp(colors, axis=-1) > MAX_CHANNEL_SPREAD * (full // 255)
    if spread[is_used].any():
        _refuse_or_warn_of_color("PALETTE COLOR", float(spread[is_used].mean()), accept_color, warn)
    return colors @ np.array(LUMINANCE)


def _look_up(
    dataset: pydicom.Dataset, values: np.ndarray, descriptor: list[int], table: bytes | list[int]
) -> np.ndarray:
    """Apply a look-up table (PS3.3, C.11.1.1 and C.7.6.3.1.5): values beyond its ends get its first or last entry.

    pydicom's own functions refuse tables of 12 bits, and overflow beyond the end of
    a table.
    """
    count, first, _ = (int(number) for number in descriptor)
    count = count or 1 << 16  # 0 stands for 65,536, which does not fit 16 bits
    if first >= 1 << 15 and values.min() < 0:
        first -= 1 << 16  # a negative number in a field for positive ones
    if isinstance(table, bytes):
        is_little = dataset.original_encoding[1] is not False
        kind = ("<u2" if is_little else ">u2") if len(table) >= 2 * count else "u1"
        table = np.frombuffer(table, kind)  # type: ignore[assignment]
    entries = np.asarray(table, np.float64)[:count]
    if len(entries) < count:
        raise ValueError("the table has fewer entries than it declares")
    return entries[np.clip(np.rint(values) - first, 0, count - 1).astype(np.int64)]


def _look_up_in_sequence(dataset: pydicom.Dataset, name: str, values: np.ndarray) -> np.ndarray | None:
    """Apply the first table of a sequence. Return None if there is none. Raise any error if it is broken."""
    sequence = small_value(dataset, name)
    if not sequence:
        return None
    return _look_up(dataset, values, *(small_value(sequence[0], part) for part in ("LUTDescriptor", "LUTData")))


def _apply_modality_lut(dataset: pydicom.Dataset, levels: np.ndarray, warn: Warn) -> np.ndarray:
    """Return the levels in units that all devices share: by a table, or by slope and intercept (PS3.3, C.11.1)."""
    plain = levels.astype(np.float64)
    try:
        looked_up = _look_up_in_sequence(dataset, "ModalityLUTSequence", plain)
        if looked_up is not None:
            return looked_up
    except Exception:  # pydicom and NumPy raise many kinds of error for a broken table
        warn("modality table", "the modality look-up table is left out: it is broken")
    slope, intercept = (numbers(dataset, name)[:1] for name in ("RescaleSlope", "RescaleIntercept"))
    if not slope and not intercept:
        return plain
    values = plain * (slope or [1])[0] + (intercept or [0])[0]
    if slope != [0] and np.abs(values).max() < MAX_VALUE and (len(values) == 1 or np.ptp(values) > 0):
        return values
    warn("rescale", "the rescale slope and intercept are left out: they cannot be right")
    return plain


def _apply_window(dataset: pydicom.Dataset, values: np.ndarray, counts: np.ndarray, warn: Warn) -> np.ndarray:
    """Return the values after the VOI look-up table, or the first window that can be, or unchanged (PS3.3, C.11.2)."""
    reasons = []
    try:
        looked_up = _look_up_in_sequence(dataset, "VOILUTSequence", values)
        if looked_up is not None and np.ptp(looked_up[counts > 0]) > 0:
            return looked_up
        if looked_up is not None:
            reasons.append("the VOI look-up table is left out: it makes all pixels equal")
    except Exception:  # pydicom and NumPy raise many kinds of error for a broken table
        reasons.append("the VOI look-up table is left out: it is broken")
    centers, widths = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    if bool(centers) != bool(widths):
        reasons.append(f"the window is left out: it has no {'center' if widths else 'width'}")
    function = " ".join(code_words(dataset, "VOILUTFunction")) or "LINEAR"
    for center, width in zip(centers, widths, strict=False):
        windowed, clipped, fault = _window(values, counts, center, width, function)
        if not fault:
            values = windowed
            if clipped > MUCH_CLIPPED:
                warn("window", f"the window shows {clipped:.0%} of the pixels as plain black or white")
            break
        reasons.append(fault)
    if reasons:
        warn("window", reasons[0])
    return values


def _window(
    values: np.ndarray, counts: np.ndarray, center: float, width: float, function: str
) -> tuple[np.ndarray, float, str]:
    """Return the values in a window, the fraction of pixels outside, and why the window cannot be, or "".

    The formulas are those of PS3.3, C.11.2.1.2 and C.11.2.1.3, but for the scale of the
    result. Each image is normalised later, so the scale does not matter.
    """
    if not (math.isfinite(center) and math.isfinite(width)):
        return values, 0, "the window is left out: its center or width is not a number"
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        return values, 0, "the window is left out: its VOI LUT function is unknown"
    if width <= 0 or (function == "LINEAR" and width < 1):
        return values, 0, "the window is left out: its width is too small"
    if function == "SIGMOID":
        windowed = np.tanh(2 * (values - center) / width)  # the sigmoid of the standard in the range -1 to 1
    elif function == "LINEAR_EXACT":
        windowed = np.clip(values, center - width / 2, center + width / 2)
    elif width > 1:
        windowed = np.clip(values, center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2)
    else:
        windowed = (values > center - 0.5).astype(np.float64)
    # at this distance from the center, a line ends, and a sigmoid reaches 2 % or 98 %
    reach = width if function == "SIGMOID" else width / 2
    is_clipped = (values <= center - reach) | (values >= center + reach)
    clipped = float(counts[is_clipped].sum() / counts.sum())
    if clipped > MAX_CLIPPED or np.ptp(windowed[counts > 0]) == 0:
        return values, clipped, "the window is left out: it shows nearly all pixels as plain black or white"
    return windowed, clipped, ""


def _is_inverted(dataset: pydicom.Dataset, photometric: str, warn: Warn) -> bool:
    """Return whether low values are displayed as white.

    MONOCHROME1 says so, and so does the Presentation LUT Shape INVERSE, which a file
    must have only together with MONOCHROME1 (PS3.3, C.8.11.3.1.2).
    """
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        return False
    is_inverse = code_words(dataset, "PresentationLUTShape") == ["INVERSE"]
    if is_inverse and photometric == "MONOCHROME2":
        warn(
            "inversion", "its header says MONOCHROME2 and Presentation LUT Shape INVERSE: low values are taken as white"
        )
    return is_inverse or photometric == "MONOCHROME1"


# Padding, shutter, aspect


def _find_padding(dataset: pydicom.Dataset, levels: np.ndarray, counts: np.ndarray, warn: Warn) -> np.ndarray:
    """Return which levels are padding: declared (PS3.3, C.7.5.1.1.2), or far from all others."""
    bits, is_signed = int(dataset.BitsStored), dataset.PixelRepresentation == 1
    declared = numbers(dataset, "PixelPaddingValue")[:1]
    is_padding = np.zeros(len(levels), bool)
    if declared and math.isfinite(declared[0]):
        limit = numbers(dataset, "PixelPaddingRangeLimit")[:1]
        ends = [_as_stored(value, bits, is_signed) for value in (*declared, *limit) if math.isfinite(value)]
        is_padding = (levels >= min(ends)) & (levels <= max(ends))
    while len(used := np.flatnonzero((counts > 0) & ~is_padding)) > PADDING_LEVELS:
        values = levels[used]
        cut = int(np.argmax(np.diff(values))) + 1
        is_low = cut <= len(used) // 2
        few, rest = (used[:cut], used[cut:]) if is_low else (used[cut:], used[:cut])
        is_minimum = is_low and is_signed and values[0] == -(1 << (bits - 1))
        gap_needed = (PADDING_GAP_OF_MINIMUM if is_minimum else PADDING_GAP) * np.ptp(levels[rest])
        is_common = counts[few].sum() >= PADDING_FRACTION * counts.sum()
        if values[cut] - values[cut - 1] <= gap_needed or not is_common or not len(few) <= PADDING_LEVELS < len(rest):
            break
        is_padding[few] = True
        found = f"up to {values[cut - 1]} lie far below" if is_low else f"from {values[cut]} lie far above"
        warn("padding", f"pixels {found} all others: taken as padding")
    return is_padding


def _as_stored(value: float, bits: int, is_signed: bool) -> int:
    """Return a padding value as the pixels hold it. Some programs write -32768 as 32768, or -2000 as 63536."""
    number = int(value)
    low = -(1 << (bits - 1)) if is_signed else 0
    if low <= number < low + (1 << bits):
        return number
    if is_signed and 0 <= number < 1 << bits:
        return number - (1 << bits)
    return (number - low) % (1 << 16) + low if bits > 8 else number


def _open_shutter(dataset: pydicom.Dataset, shape: tuple[int, ...], warn: Warn) -> np.ndarray | None:
    """Return 1 where the display shutter is open and 0 elsewhere, or None if there is no shutter (PS3.3, C.7.6.11)."""
    shapes = code_words(dataset, "ShutterShape")
    if not shapes:
        return None
    opening = np.ones(shape, np.uint8)
    try:
        for word in shapes:
            part = np.zeros(shape, np.uint8)
            if word == "RECTANGULAR":
                edges = ("UpperHorizontal", "LowerHorizontal", "LeftVertical", "RightVertical")
                top, bottom, left, right = (int(numbers(dataset, f"Shutter{edge}Edge")[0]) for edge in edges)
                part[max(top - 1, 0) : max(bottom, 0), max(left - 1, 0) : max(right, 0)] = 1  # they count from 1
            elif word == "CIRCULAR":
                row, column = (int(number) - 1 for number in numbers(dataset, "CenterOfCircularShutter"))
                radius = int(numbers(dataset, "RadiusOfCircularShutter")[0])
                rows, columns = np.ogrid[: shape[0], : shape[1]]
                part[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = 1
            elif word == "POLYGONAL":
                corners = np.array(numbers(dataset, "VerticesOfThePolygonalShutter")).reshape(-1, 2)
                cv2.fillPoly(part, [(corners[:, ::-1] - 1).astype(np.int32)], 1)
            else:
                raise ValueError("unknown shape")
            opening &= part
    except (IndexError, TypeError, ValueError, OverflowError, cv2.error):
        opening[:] = 0
    if opening.mean() < MIN_OPENING:
        warn("shutter", "the display shutter is left out: it cannot be right")
        return None
    return None if opening.all() else opening


def _square(dataset: pydicom.Dataset, pixels: np.ndarray, warn: Warn) -> np.ndarray:
    """Resize a film whose pixels are not square. Its longer side does not grow."""
    for name in SPACINGS:
        sizes = numbers(dataset, name)
        if len(sizes) != 2 or not all(size > 0 and math.isfinite(size) for size in sizes):
            continue
        aspect = sizes[0] / sizes[1]  # the height of a pixel comes first
        if abs(aspect - 1) <= SQUARE_TOLERANCE:
            continue
        if not 1 / MAX_ASPECT <= aspect <= MAX_ASPECT:
            warn("pixel shape", "the height and width of a pixel are left out: they cannot be right")
            continue
        height, width = pixels.shape[0] * aspect, float(pixels.shape[1])
        scale = min(1, max(pixels.shape) / max(height, width))
        shape = max(1, round(width * scale)), max(1, round(height * scale))
        warn("pixel shape", f"the pixels are not square (height to width {aspect:.2f}): the film is resized")
        is_smaller = shape[0] <= pixels.shape[1] and shape[1] <= pixels.shape[0]
        return cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR)
    return pixels
