"""From attenuation to a film: Beer-Lambert, scatter, quantum noise, blur, the curve of each site, and its frame.

Numbers without a source are chosen, so that the gray levels look like those of real films.
"""

from dataclasses import dataclass
from math import cos, exp, log, radians, sin

import cv2
import numpy as np

from cxrlib.phantom.physics.drawing import canvas_side
from cxrlib.phantom.physics.rays import Geometry

QUANTA = 3.0e7
"""Detected quanta for each square cm behind nothing but air, at an average exposure."""

BEDSIDE_QUANTA = 0.2
"""Factor of the exposure on AP films: a mobile unit has less power, so its films are noisier."""

GRID = 0.12
"""Fraction of the scatter that passes a grid, relative to the fraction of the primary quanta. AP films have no grid.

Behind the mediastinum about 0.9 of what is detected without a grid is scatter, and with a 12:1 grid more than half
(Niklason, Sorenson and Nelson, Med Phys 1981;8:677-681: less than half of the primary contrast is left).
"""

AP_BLUR = 1.2
"""Factor of the blur on AP films."""

SCATTER_SPREAD, EQUALISED, FINE = 0.10, 0.07, 0.5
"""Spread of the scatter and of the coarse unsharp mask: fractions of the film's side. That of the fine mask, in cm."""

PIXEL_BLUR = 0.40
"""Blur by the width of a pixel, in pixels: rays are traced to its middle only."""

SMALL_COPY = 48  # pixels a side: enough for so wide a blur, which is much faster on a small image


@dataclass(frozen=True)
class Site:
    """How one hospital's system turns exposure into a picture.

    Attributes
    ----------
    low, high : int
        Values of the darkest and of the brightest pixel, out of 0 to 4095.
    lung : float
        Gray of the lungs, on average, out of 0 to 1.
    white : float
        Gray at which the curve levels off in the densest parts of the body, on average.
    equalise, detail : float
        Weights of the two unsharp masks, coarse and fine, on average. Both bring out local contrast.
    grid : float
        Factor of the scatter that passes the grid, beside `GRID`.
    monochrome1 : bool
        Whether its DICOM files hold the picture inverted.
    """

    low: int
    high: int
    lung: float
    white: float
    equalise: float
    detail: float
    grid: float
    monochrome1: bool


SITES = (
    Site(low=0, high=4095, lung=0.47, white=0.97, equalise=0.55, detail=0.75, grid=0.9, monochrome1=False),
    Site(low=300, high=3800, lung=0.5, white=0.975, equalise=0.32, detail=1.1, grid=1.1, monochrome1=True),
    Site(low=0, high=3000, lung=0.43, white=0.965, equalise=0.8, detail=0.55, grid=1.4, monochrome1=False),
)


def detect(attenuation: np.ndarray, rng: np.random.Generator, *, quanta: float, scatter: float = 0.0) -> np.ndarray:
    """Return the detected quanta (H, W) in each pixel, with their noise.

    Parameters
    ----------
    attenuation : ndarray, (H, W)
        -ln T along each ray, where T is the transmission.
    rng : Generator
    quanta : float
        Expected number in a pixel behind nothing. By Beer-Lambert, quanta * T are
        expected behind the patient.
    scatter : float
        A part of the body with transmission T sends out quanta * (sqrt(T) - T) scattered
        quanta, times `scatter`. They arrive blurred over the film. So behind a wide and
        even body the ratio of scatter to primary is scatter * (1 / sqrt(T) - 1): it
        grows with thickness, and nothing scatters beside the patient.

    Notes
    -----
    Quantum noise has a Poisson distribution, whose variance equals its mean. A pixel
    has hundreds of quanta or more, and there the distribution is close to a normal
    one. The normal one is drawn, because it takes the same random numbers on every
    processor.
    """
    expected = np.exp(-attenuation.astype(np.float64))
    if scatter:
        expected += scatter * _scattered(expected)
    expected *= quanta
    counted = expected.astype(np.float32)
    noise = rng.standard_normal(expected.shape, dtype=np.float32)
    noise *= np.sqrt(counted)
    counted += noise
    return np.maximum(counted, 1.0, out=counted)


def _scattered(transmission: np.ndarray) -> np.ndarray:
    """Return the scatter without a grid (H, W), as a fraction of the quanta behind nothing."""
    small = cv2.resize(transmission, (SMALL_COPY, SMALL_COPY), interpolation=cv2.INTER_AREA)
    # the body goes on beyond the film's edge: the blur repeats the edge's pixels
    small = cv2.GaussianBlur(
        np.sqrt(small) - small, (0, 0), SMALL_COPY * SCATTER_SPREAD, borderType=cv2.BORDER_REPLICATE
    )
    size = transmission.shape[0]
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)


def scatter_fraction(attenuation: np.ndarray, *, scatter: float) -> np.ndarray:
    """Return the fraction (H, W) of the detected quanta that is scatter: S / (S + P).

    Parameters
    ----------
    attenuation : ndarray, (H, W)
        -ln T along each ray.
    scatter : float
        As for `detect`: 1 without a grid, `GRID` with one.
    """
    primary = np.exp(-attenuation.astype(np.float64))
    scattered = scatter * _scattered(primary)
    return scattered / (scattered + primary)


def _local_contrast(signal: np.ndarray, side: int, sigma: float) -> np.ndarray:
    """Return the image minus its blur, which is computed on a copy of at most `side` pixels a side.

    `sigma` is in pixels of the image.
    """
    size = signal.shape[0]
    side = min(side, size)
    small = cv2.resize(signal, (side, side), interpolation=cv2.INTER_AREA).astype(np.float64)
    blurred = cv2.GaussianBlur(small, (0, 0), max(sigma * side / size, 0.3), borderType=cv2.BORDER_REPLICATE)
    return signal - cv2.resize(blurred.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)


def expose(attenuation: np.ndarray, rng: np.random.Generator, site: int, geometry: Geometry) -> np.ndarray:
    """Return the picture that a site's system shows: (H, W), float32 in [0, 1], dense is bright.

    Parameters
    ----------
    attenuation : ndarray, (H, W)
        -ln T along each ray.
    rng : Generator
        Gives the exposure, the blur, the look-up curve and the noise of this film.
    site : int
        Index of `SITES`.
    geometry : Geometry
    """
    system, size, portable = SITES[site], attenuation.shape[0], geometry.view == "AP"
    pixel = geometry.field / size
    # all that differs from film to film is drawn before the noise, whose count depends on the size
    exposure, strength, blur = exp(rng.normal(0.0, 0.5)), rng.uniform(0.8, 1.2), rng.uniform(0.02, 0.08)
    equalise, detail = system.equalise * rng.uniform(0.0, 2.0), system.detail * rng.uniform(0.0, 1.3)
    lung, white = (
        float(np.clip(rng.normal(system.lung + (0.04 if portable else 0.0), 0.07), 0.3, 0.62)),
        rng.normal(system.white, 0.015),
    )
    white = min(white - (rng.uniform(0.0, 0.14) if portable else 0.0), 1.0)
    black, lift = rng.uniform(0.0, 0.16), float(np.clip(rng.normal(0.1, 0.15), -0.1, 0.4))
    dense = white - rng.uniform(-0.02, 0.05)
    lung = min(lung, white - 0.38)  # no film is without contrast
    toe, shoulder = rng.uniform(0.02, 0.10), rng.uniform(0.06, 0.15)
    quanta = QUANTA * pixel**2 * geometry.aspect * exposure * (BEDSIDE_QUANTA if portable else 1.0)
    scatter = strength * (1.0 if portable else GRID * system.grid)
    counted = detect(attenuation, rng, quanta=quanta, scatter=scatter)
    # focus, motion and screen blur the film by 0.02 to 0.08 cm, and a pixel averages over its width
    blur *= (AP_BLUR if portable else 1.0) / pixel
    # in double precision: the last digits of blurs and logarithms differ between processors, and are rounded away here
    blurred = cv2.GaussianBlur(counted.astype(np.float64), (0, 0), (blur**2 + PIXEL_BLUR**2) ** 0.5)
    signal = (log(quanta) - np.log(blurred)).astype(np.float32)
    # the curve is set by the body in the film, without the film's margin, and by the lungs, which lie in its middle;
    # about 64 x 64 pixels are enough to find both
    edge, small = size // 16, min(size, 64)
    sample = cv2.resize(signal[edge : size - edge, edge : size - edge], (small, small), interpolation=cv2.INTER_AREA)
    thick = float(np.quantile(sample, 0.85))
    middle = sample[small // 8 : small * 3 // 4, small // 7 : small - small // 7]
    thin = float(np.quantile(middle[middle > 0.25 * thick], 0.2))
    span = max(thick - thin, 0.2)
    signal += equalise * _local_contrast(signal, SMALL_COPY, EQUALISED * size)
    signal += detail * _local_contrast(signal, 256, FINE / pixel)
    # a straight line through the lungs and the densest parts, bent to an S at both ends
    straight = (signal - thin) * ((dense - lung) / span) + lung
    between = np.clip(straight, 0, 1)
    straight += lift * between * (1 - between)  # some systems show the middle brighter or darker
    return _bend(straight, black, white, toe=toe, shoulder=shoulder)


def _bend(straight: np.ndarray, black: float, white: float, *, toe: float, shoulder: float) -> np.ndarray:
    """Return a curve that follows a straight line, and levels off towards `black` and `white`.

    Each end is a branch of a hyperbola: (v + sqrt(v**2 + 4 * toe**2)) / 2 for the toe.
    """
    above = straight - black
    rest = (white - black) - 0.5 * (above + np.sqrt(above * above + 4 * toe * toe))
    bent = white - 0.5 * (rest + np.sqrt(rest * rest + 4 * shoulder * shoulder))
    return np.clip(bent, 0.0, 1.0, out=bent)


BORDER_SIDES = {"PA": (0.05, 0.16, 0.22, 0.08), "AP": (0.10, 0.08, 0.12, 0.03)}
"""Probabilities of a border at the left, right, upper and lower edge: the collimator's, or of a film turned and padded.

They are near those of dark borders on the real films at hand.
"""

FOUR_SIDES = 0.06
"""Probability of a border on all four sides: a film that shows the edge of the field."""

TURNED = 0.04
"""Probability that a film was turned afterwards, and padded."""

EDGED = 0.4
"""Probability of a black sliver along one edge. On real films too, the darkest pixel is rarely behind the patient."""

SHIELDS = {"PA": 0.09, "AP": 0.05}
"""Probability of a white band at the lower edge: a lead shield over the abdomen, or the edge of the field."""


def frame(shown: np.ndarray, rng: np.random.Generator, view: str) -> np.ndarray:
    """Return the picture (H, W) with borders: black, white or gray, on one to four sides, and often a little tilted.

    Parameters
    ----------
    shown : ndarray, (H, W), in [0, 1]
    rng : Generator
        Says which borders there are.
    view : {"PA", "AP"}
    """
    shielded, boxed, on_all, edged, turned = rng.random(5) < (SHIELDS[view], 0.04, FOUR_SIDES, EDGED, TURNED)
    sliver, thin, slant = rng.integers(4), rng.uniform(0.002, 0.008), radians(rng.normal(0, 0.2))
    there = (rng.random(4) < BORDER_SIDES[view]) | on_all
    # left, right, upper and lower: widths as fractions of the side; most are narrow
    widths = np.where(there, np.minimum(rng.uniform(0.005, 0.025, 4) + rng.exponential(0.025, 4), 0.16), -0.2)
    if turned:  # and padded with black: a wedge on each side
        widths = np.maximum(widths, rng.uniform(-0.01, 0.03, 4))
    tilt, soft = radians(rng.normal(0, 4.0 if turned else 1.5)), rng.uniform(0.0, 0.012)
    kind, gray = rng.random(), rng.uniform(0.3, 0.9)
    level = (
        0.0 if turned or kind < (0.5 if on_all else 0.88) else (rng.uniform(0.93, 1.0) if rng.random() < 0.5 else gray)
    )
    rounded = rng.uniform(0.01, 0.06) if on_all and rng.random() < 0.6 else 0.0
    band = rng.uniform(0.02, 0.14), radians(rng.normal(0, 1.5)), rng.uniform(0.002, 0.015), rng.uniform(0.9, 1.0)
    if turned or there.any():
        shown = _border(shown, widths, level, tilt=tilt, soft=soft, rounded=rounded)
    if edged:
        edges = np.where(np.arange(4) == sliver, thin, -0.2)
        shown = _border(shown, edges, 0.0, tilt=slant, soft=0.0, rounded=0.0)
    if shielded:
        width, turn, softness, white = band
        shown = _border(shown, np.array([-1.0, -1.0, -1.0, width]), white, tilt=turn, soft=softness, rounded=0.0)
    if boxed:  # a blank rectangle, where the name of the patient was
        size = shown.shape[0]
        left = rng.uniform(0.0, 0.8)
        high, wide = rng.uniform(0.005, 0.02), rng.uniform(0.1, 0.2)
        shown = shown.copy()
        shown[: round(high * size), round(left * size) : round((left + wide) * size)] = rng.choice([0.0, 0.0, 1.0])
    return shown


def _border(
    shown: np.ndarray, widths: np.ndarray, level: float, *, tilt: float, soft: float, rounded: float
) -> np.ndarray:
    """Return the picture with this gray outside a turned rectangle with rounded corners.

    Parameters
    ----------
    shown : ndarray, (H, W)
    widths : ndarray, (4,)
        Of the left, right, upper and lower border, as fractions of the side. Below 0, there is none.
    level : float
        Gray of the border.
    tilt : float, radians
    soft, rounded : float
        Width of the transition, and radius of the corners, as fractions of the side.
    """
    size = shown.shape[0]
    left, right, top, bottom = (float(width) for width in widths)
    ticks = ((np.arange(size) + 0.5) / size - 0.5).astype(np.float32)
    c, s = np.float32(cos(tilt)), np.float32(sin(tilt))
    across = c * ticks[None, :] + s * ticks[:, None] - np.float32((left - right) / 2)
    down = c * ticks[:, None] - s * ticks[None, :] - np.float32((top - bottom) / 2)
    # distance outside the rectangle; where it is below 0, inside
    across = np.abs(across) - np.float32((1 - left - right) / 2 - rounded)
    down = np.abs(down) - np.float32((1 - top - bottom) / 2 - rounded)
    outside = np.maximum(across, down)
    if rounded:
        corner = np.sqrt(np.maximum(across, 0) ** 2 + np.maximum(down, 0) ** 2)
        outside = np.where(outside > 0, corner, outside) - np.float32(rounded)
    cover = np.clip(outside / np.float32(max(soft, 1 / size)) + np.float32(0.5), 0, 1)
    return shown + cover * (level - shown)


POSTURE_TEXTS = {"upright": ("ERECT", "UPRIGHT"), "semi-erect": ("SEMI-ERECT", "SEMI"), "supine": ("SUPINE",)}

HERSHEY = 22
"""Pixels that are taken as the height of OpenCV's font at scale 1."""


def burn_in_markers(
    shown: np.ndarray, rng: np.random.Generator, site: int, *, portable: bool, posture: str = "upright"
) -> np.ndarray:
    """Write the side marker and texts of the bedside onto a picture, and return the film: (H, W), uint16 of 12 bits.

    Parameters
    ----------
    shown : ndarray, (H, W), in [0, 1]
    rng : Generator
        Says whether there is a side marker, how it looks, and where the texts stand.
    site : int
        Index of `SITES`.
    portable : bool
        Whether PORTABLE is written. AP, the posture, the time or an arrow may stand beside it.
    posture : {"upright", "semi-erect", "supine"}
    """
    system, size = SITES[site], shown.shape[0]
    side = canvas_side(size, max(256, 2 * size))
    white, black = np.zeros((2, side, side), np.uint8)
    if rng.random() < 0.94:  # L is at the right of the image, R at its left
        letter = "L" if rng.random() < 0.75 else "R"
        column = rng.uniform(0.84, 0.97) if letter == "L" else rng.uniform(0.03, 0.16)
        row = rng.uniform(0.04, 0.2)
        _marker(white, black, rng, letter, (column, row))
        if rng.random() < 0.08:  # the marker of the other side, too
            _marker(white, black, rng, "R" if letter == "L" else "L", (1 - column, row))
    if portable:
        texts = ["PORTABLE"]
        texts += [
            text
            for text, probability in (("AP", 0.6), (rng.choice(POSTURE_TEXTS[posture]), 0.25))
            if rng.random() < probability
        ]
        if rng.random() < 0.15:
            texts.append(f"{rng.integers(24):02d}{rng.choice([':', ''])}{rng.integers(60):02d}")
        column, row = rng.uniform(0.05, 0.75), rng.uniform(0.04, 0.12) if rng.random() < 0.7 else rng.uniform(0.8, 0.95)
        height = rng.uniform(0.012, 0.022)
        for text in texts:
            _write(white, text, (column, row), height)
            row += rng.uniform(1.8, 3.5) * height
            column += rng.uniform(-0.05, 0.05)
        if rng.random() < 0.12:
            foot = round(column * side), round((row + 0.06) * side)
            cv2.arrowedLine(white, foot, (foot[0], foot[1] - side // 22), 255, max(1, side // 200), cv2.LINE_8, 0, 0.4)
    opacity = rng.uniform(0.94, 1.0)
    if black.any():
        shown = shown * (1 - _shrink(black, size))
    if white.any():
        shown = shown + _shrink(white, size) * (opacity * np.maximum(1 - shown, 0))
    return np.rint(system.low + shown * (system.high - system.low)).astype(np.uint16)


def _shrink(canvas: np.ndarray, size: int) -> np.ndarray:
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA) * (1 / 255)


def _write(canvas: np.ndarray, text: str, place: tuple[float, float], height: float) -> None:
    """Write a text of this height on a canvas. Place and height are fractions of the side."""
    side = canvas.shape[0]
    scale = height * side / HERSHEY
    origin = round(place[0] * side), round(place[1] * side)
    cv2.putText(canvas, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, max(1, round(scale * 2)), cv2.LINE_8)


def _marker(
    white: np.ndarray, black: np.ndarray, rng: np.random.Generator, letter: str, place: tuple[float, float]
) -> None:
    """Draw a side marker on two canvases, of what it makes white and black: a letter, perhaps with initials.

    It may stand in a circle or on a plate, be turned, or be mirrored where the plate lay face down.
    """
    side = white.shape[0]
    height = rng.uniform(0.026, 0.052)
    initials = "".join(chr(65 + int(code)) for code in rng.integers(26, size=rng.integers(2, 4)))
    style = rng.random()
    patch = np.zeros((64, 64), np.uint8)
    plate = np.zeros((64, 64), np.uint8)
    cv2.putText(patch, letter, (21, 38), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 6, cv2.LINE_8)
    if style < 0.2:  # a letter in a ring, on black
        patch[:] = 0
        cv2.putText(patch, letter, (25, 39), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 2, cv2.LINE_8)
        cv2.circle(plate, (32, 32), 22, 255, -1)
        cv2.circle(patch, (32, 32), 22, 255, 2)
    elif style < 0.65:  # initials below
        cv2.putText(
            patch, initials, (18 if len(initials) == 2 else 12, 56), cv2.FONT_HERSHEY_SIMPLEX, 0.55, 255, 2, cv2.LINE_8
        )
        if style < 0.3:  # a ball beside it, which shows that the patient stands
            cv2.circle(patch, (52, 12), 8, 255, -1)
    elif style < 0.75:
        cv2.rectangle(plate, (8, 4), (56, 60), 110, -1)
    turns, flipped = int(rng.choice([0, 1, 3], p=[0.7, 0.15, 0.15])), rng.random() < 0.08
    lean = rng.normal(0, 8)
    width = max(8, round(height * side * 64 / 24))
    column, row = (round(float(np.clip(value * side - width / 2, 0, side - width))) for value in place)
    turn = cv2.getRotationMatrix2D((31.5, 31.5), float(lean), 1.0)
    for canvas, drawn in ((white, patch), (black, plate)):
        turned = cv2.warpAffine(np.rot90(drawn, turns).copy(), turn, (64, 64), flags=cv2.INTER_NEAREST)
        if flipped:
            turned = turned[:, ::-1].copy()
        part = canvas[row : row + width, column : column + width]
        np.maximum(part, cv2.resize(turned, (width, width), interpolation=cv2.INTER_LINEAR), out=part)
