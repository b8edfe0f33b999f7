"""The lab of lesson 2: one film with an effusion of any volume. Also the films of its exercise and its real film."""

from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from cxrlib.course.lessons import own_films
from cxrlib.course.reader import reader_seed, recall
from cxrlib.errors import InputError
from cxrlib.images.radiograph import read_image
from cxrlib.phantom.film import MIN_VISIBLE, Film, Order, fit_volume, take_film
from cxrlib.phantom.physics.materials import BEAM
from cxrlib.phantom.signs import blunting
from cxrlib.report import plots

PATIENT, SIZE = 189, 256
"""The simulated patient that the lab starts with, chosen by eye, and the side of the film in pixels."""

PATIENTS = [PATIENT, 40, 44, 47, 51]
"""The patients that the lab offers."""

PUBLISHED_ML = (175, 200)
"""From these volumes on, the lateral angle of an upright PA film is blunted (Radiopaedia)."""

QUIZ_FILMS, QUIZ_ML = 6, (600.0, 1000.0)
"""The number of films in the exercise on sides, and the range of their volumes."""

_tries: list[tuple[float, float, str]] = []
"""Volume, fraction of the angle that is fluid, and posture of each film that the lab has drawn."""


def caption(order: Order, film: Film) -> str:
    """Return the title of a film with an effusion: what was ordered, and how much of the film shows fluid."""
    ordered = f"{order.amount:,.0f} mL, {order.side}, {order.posture}, {order.view}"
    return f"{ordered}: fluid on {film.mask.mean():.1%} of the film"


def outline_fluid(film: Film, ax: Axes) -> None:
    """Draw a smooth line around the rays that pass through at least 1 mm of fluid."""
    if film.filled.max() > MIN_VISIBLE:
        ax.contour(film.filled, levels=[MIN_VISIBLE], colors=[plots.FINDING], linewidths=1.4)


def film_lab(
    volume: float = 400,
    posture: str = "upright",
    view: str = "PA",
    side: str = "right",
    patient: int = PATIENT,
    outline: str = "off",
    energy: float = BEAM,
) -> Figure:
    """Draw a film with an effusion, and beside it how much of the costophrenic angle is fluid.

    The right picture also shows the lab's earlier films and the reader's guess.

    Parameters
    ----------
    volume : float, mL
        A chest that cannot hold it gets as much as it can hold.
    posture, view, side, patient
        As in `cxrlib.phantom.film.Order`.
    outline : {"off", "on"}
        Whether the fluid is outlined.
    energy : float, keV
        Of the beam. At a lower energy ribs stand out more.
    """
    order = Order(patient=patient, amount=float(volume), side=side, posture=posture, view=view, energy=float(energy))
    if volume > 1000:  # every chest that the lab offers holds less than that with ease
        order = replace(order, amount=fit_volume(order))
    film = take_film(order, size=SIZE)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9.5, 4.9), layout="constrained", gridspec_kw={"width_ratios": [1.25, 1]}
    )
    plots.show_image(film.image, left, title=caption(order, film))
    if outline == "on":
        outline_fluid(film, left)
    _draw_tries(right, film, order)
    return figure


def _draw_tries(ax: Axes, film: Film, order: Order) -> None:
    """Draw the fraction of the angle that is fluid, for this film and for the earlier ones."""
    ax.axvspan(*PUBLISHED_ML, color=plots.PALE_FINDING, label="published, upright PA")
    guess = recall("mL first seen")
    if guess:
        ax.axvline(guess, color=plots.NEUTRAL, linestyle=":", label=f"your guess: {guess} mL")
    ax.axhline(0.5, color=plots.NEUTRAL, linestyle="--", linewidth=1)
    ax.text(12, 0.52, "called blunted above this line", fontsize=9, color=plots.NEUTRAL)
    for volume, fraction, posture in _tries:
        ax.plot(volume, fraction, "o" if posture == "upright" else "s", color=plots.NOFINDING, alpha=0.4, markersize=6)
    try:
        sides = ("right", "left") if order.side == "both" else (order.side,)
        fraction = float(np.mean([blunting(film, side) for side in sides]))
    except InputError:  # the angle lies below the edge of the film
        ax.text(12, 0.9, "the angle is not on this film", fontsize=10)
    else:
        shown = max(order.amount, 10)
        mark = "o" if order.posture == "upright" else "s"
        ax.plot(shown, fraction, mark, color=plots.FINDING, markersize=10, label=f"this film: {fraction:.2f}")
        _tries.append((shown, fraction, order.posture))
    ax.set(xscale="log", xlim=(9, 2500), ylim=plots.UNIT, xlabel="mL (0 is drawn at 10)")
    ax.set_xticks([10, 50, 200, 500, 2000], ["10", "50", "200", "500", "2,000"])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_title(
        "fraction of the costophrenic angle that is fluid\n(circle: upright, square: other posture)", fontsize=9
    )
    ax.legend(loc="lower right", fontsize=9)


def quiz_orders(rng: np.random.Generator | None = None) -> list[Order]:
    """Return the orders of the films in the exercise on sides. They follow from the reader's seed.

    An order with the amount 0 is a film without an effusion.

    Parameters
    ----------
    rng : Generator, optional
        By default one with the reader's seed.
    """
    rng = rng or np.random.default_rng(reader_seed())
    sides = ["right", "left", "none", *rng.choice(["right", "left", "none"], QUIZ_FILMS - 3)]
    orders = []
    for side in rng.permutation(sides):
        patient, amount = int(rng.integers(1000, 10**6)), float(rng.uniform(*QUIZ_ML))
        order = Order(patient=patient, amount=amount, side="left" if side == "left" else "right")
        orders.append(Order(patient=patient, amount=0.0 if side == "none" else fit_volume(order), side=order.side))
    return orders


def draw_side_films() -> None:
    """Show the films of the exercise on sides, without the truth."""
    figure, axes = plt.subplots(2, QUIZ_FILMS // 2, figsize=(8.4, 6.05), layout="constrained")
    for number, (order, ax) in enumerate(zip(quiz_orders(), axes.flat, strict=True), start=1):
        plots.show_image(take_film(order, size=SIZE).image, ax, title=f"film {number}")
    plots.show("Six chest films, numbered. Some show an effusion on one side, some show none.")
    plt.close(figure)


def real_film_file() -> Path:
    """Return the file of the radiograph RG1 in the package ``pydicom-data``.

    Nothing is downloaded.

    Raises
    ------
    InputError
        The package is not installed.
    """
    from pydicom.data import get_testdata_file

    path = get_testdata_file("RG1_UNCR.dcm", download=False)
    if not path:
        raise InputError("the real film of lesson 2 is in the package pydicom-data: pip install pydicom-data")
    return Path(path)


def films_to_compare() -> dict[str, np.ndarray]:
    """Return a simulated film, the real film, and up to 3 films of the reader's own cohort, by name."""
    films = {
        "simulated": take_film(Order(patient=PATIENT), size=400).image,
        "real": read_image(real_film_file(), size=400),
    }
    return films | own_films(3, size=400)


def draw_film(image: np.ndarray, name: str) -> Figure:
    """Draw one film at full size."""
    figure, ax = plt.subplots(figsize=(5.2, 5.4), layout="constrained")
    plots.show_image(image, ax, title=name)
    return figure
