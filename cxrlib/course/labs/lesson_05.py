"""The lab of lesson 5: four machines, each with the histogram of its film and the film in the chosen window."""

from functools import lru_cache
from typing import Any

import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrlib.course.lessons import own_films
from cxrlib.course.reader import recall
from cxrlib.phantom.film import Order, take_film
from cxrlib.report import plots

PATIENT, AMOUNT, SIZE = 189, 500.0, 256
"""The simulated patient, mL of fluid on the right, and the side of the film in pixels."""

REAL, OWN = "real film RG1", "your film 1"

RULES = ("divide by the largest", "percentiles")
MARKERS = {"none": 0.0, "1 pixel": 1 / SIZE**2, "0.4 % of the film": 0.004, "2 % of the film": 0.02}
"""The marker that is laid on the film, by name: the fraction of the film that it covers."""

BRIGHTER = 2.0
"""The marker's value, divided by the highest value of the film."""

SHAPES = ("o", "s", "^", "D", "P")
COLORS = (plots.NOFINDING, plots.FINDING, "#009E73", "#333333", "#CC79A7")
MAX_TRIES = 5
"""Rows at the bottom of the lab."""

_tries: dict[str, dict[str, float]] = {}
"""The median gray of each machine's film, for each setting that the lab has drawn. The last one is drawn now."""


def window_lab(
    rule: str = "percentiles", low: float = 0.5, high: float = 99.5, marker: str = "none", *, real: bool = True
) -> Figure:
    """Draw the histogram of the films of four machines, each film in its window, and the medians of all settings.

    Parameters
    ----------
    rule : {"divide by the largest", "percentiles"}
        The window is from 0 to the largest value that the machine can store. Or it is from
        one percentile of the film to another. Percentiles 0 and 100 are min-max.
    low, high : float, in percent
    marker : key of `MARKERS`
        A rectangle in the upper left corner, twice as bright as the brightest pixel of the film.
    real : bool
        Whether the pictures of real films are drawn. Their histograms are drawn in any case.
    """
    films = machine_films()
    figure = plt.figure(figsize=(3.2 * len(films), 7.6), layout="constrained")
    panels: Any = figure.subfigures(2, 1, height_ratios=(2.6, 1))
    above, below = panels
    histograms, pictures = above.subplots(2, len(films), height_ratios=(1, 2.4))
    medians = {}
    for (name, (pixels, largest)), low_ax, ax in zip(films.items(), histograms, pictures, strict=True):
        marked = add_marker(pixels, MARKERS[marker])
        start, end = (0.0, largest) if rule == RULES[0] else np.percentile(marked, (low, high))
        image = np.clip((marked - start) / max(end - start, 1e-9), 0, 1)
        medians[name] = float(np.median(image))
        _draw_histogram(low_ax, marked, largest, start, end, name)
        if name in (REAL, OWN) and not real:
            text = "The film of a real person\nis drawn only when you\nmove a slider."
            ax.text(0.5, 0.5, text, ha="center", va="center", fontsize=11)
            ax.axis("off")
        else:
            plots.show_image(image, ax)
        clipped = np.mean((marked < start) | (marked > end))
        ax.set_title(f"median gray {medians[name]:.2f}, {clipped:.1%} clipped", fontsize=11)
    setting = rule if rule == RULES[0] else f"percentiles {low:g} to {high:g}"
    setting += "" if marker == "none" else f"\nmarker of {marker}"
    divided = {name: float(np.median(pixels)) / largest for name, (pixels, largest) in films.items()}
    _tries.setdefault(RULES[0], divided)  # the other rows are compared with it
    _tries.pop(setting, None)
    _tries[setting] = medians
    _draw_tries(below.subplots())
    return figure


@lru_cache(maxsize=1)
def machine_films() -> dict[str, tuple[np.ndarray, float]]:
    """Return the film of each machine (dense is bright), and the largest value that the machine can store.

    There are the three sites of the simulator and the real film RG1. With `CXR_COHORT`, there is the
    reader's first film too. The last two are shrunk to `SIZE`.
    """
    films: dict[str, tuple[np.ndarray, float]] = {}
    for site in range(3):
        order = Order(patient=PATIENT, site=site, amount=AMOUNT)
        films[f"site {site}"] = (take_film(order, size=SIZE).pixels.astype(float), 4095.0)
    stored = _real_pixels()
    if stored is not None:
        films[REAL] = (stored, 32767.0)
    films |= {name: (image * 255.0, 255.0) for name, image in own_films(1, size=SIZE).items()}
    return films


def _real_pixels() -> np.ndarray | None:
    """Return the film RG1, shrunk and with dense bright. None if the package pydicom-data is not installed."""
    from pydicom import dcmread
    from pydicom.data import get_testdata_file

    path = get_testdata_file("RG1_UNCR.dcm", download=False)
    if not path:
        return None
    stored = dcmread(path).pixel_array
    height, width = stored.shape
    shrunk = cv2.resize(stored, (round(SIZE * width / height), SIZE), interpolation=cv2.INTER_AREA)
    return 32767.0 - shrunk  # MONOCHROME1: its lowest value is white


def middle_window(pixels: np.ndarray) -> np.ndarray:
    """Return the film (H, W) in the window of its middle, clipped to [0, 1].

    The window goes from percentile 0.5 to 99.5 of the film without 1/5 of its height and width at each side.
    """
    height, width = (side // 5 for side in pixels.shape)
    low, high = np.percentile(pixels[height:-height, width:-width], (0.5, 99.5))
    return np.clip((pixels - low) / (high - low), 0, 1)


def add_marker(pixels: np.ndarray, fraction: float) -> np.ndarray:
    """Return the film with a bright rectangle in its upper left corner that covers this fraction of it."""
    marked = pixels.copy()
    if fraction:
        area = fraction * pixels.size
        height = max(1, round((area / 2) ** 0.5))
        marked[4 : 4 + height, 4 : 4 + max(1, round(area / height))] = BRIGHTER * pixels.max()
    return marked


def _draw_histogram(ax: Axes, pixels: np.ndarray, largest: float, start: float, end: float, name: str) -> None:
    top = max(largest, pixels.max()) * 1.02
    ax.hist(pixels.ravel(), bins=list(np.linspace(0, top, 80)), color=plots.NEUTRAL)
    ax.axvspan(start, end, color=plots.PALE_FINDING, zorder=0)
    for edge in (start, end):
        ax.axvline(edge, color=plots.FINDING, linewidth=1.5)
    ax.set(xlim=(-0.02 * top, 1.02 * top), yticks=[])
    ax.set_xticks([0, largest], ["0", f"{largest:,.0f}"])
    ax.get_xticklabels()[-1].set_horizontalalignment("right" if top < 1.5 * largest else "center")
    ax.set_title(f"{name}\nwindow {start:,.0f} to {end:,.0f}", fontsize=11)


def _draw_tries(ax: Axes) -> None:
    """Draw the median gray of each machine: a row for each of the last settings, the present one at the top."""
    settings = list(_tries)[::-1][:MAX_TRIES]
    if RULES[0] not in settings:
        settings[-1] = RULES[0]
    shown = [(setting, _tries[setting]) for setting in settings]
    names = list(shown[0][1])
    for row, (_, medians) in enumerate(shown):
        for name, shape, color in zip(names, SHAPES, COLORS, strict=False):
            if name in medians:
                label = name if row == 0 else None
                ax.plot(
                    medians[name], -row, shape, color=color, markersize=8, alpha=1 if row == 0 else 0.5, label=label
                )
    guess = recall("median beside a bright pixel")
    if guess is not None:
        ax.axvline(guess, color=plots.NEUTRAL, linestyle=":", label=f"your guess for 1 pixel: {guess}")
    ax.set_yticks([-row for row in range(len(shown))], [setting for setting, _ in shown], fontsize=9)
    ax.set(xlim=plots.UNIT, ylim=(-len(shown) + 0.4, 0.6), xlabel="median gray of the film")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=10)
