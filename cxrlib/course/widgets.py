"""The pictures behind the course's sliders: each draws one setting and returns its figure."""

from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from cxrlib.errors import InputError
from cxrlib.evaluation.rates import performance
from cxrlib.phantom.film import Film, Order, take_film
from cxrlib.report import plots
from cxrlib.report.prediction import draw_prediction

PATIENT, SIZE = 57, 160
"""Whose films the volume explorer shows, and how large, in pixels."""


def caption(order: Order, film: Film) -> str:
    """Return what a film with an effusion shows: what was asked for, and on how much of it there is fluid."""
    asked = f"{order.amount:,.0f} mL, {order.side}, {order.posture}, {order.view}"
    return f"{asked}: fluid on {film.mask.mean():.1%} of the film"


def volume_explorer(
    volume: float = 400,
    side: str = "right",
    posture: str = "upright",
    view: str = "PA",
    *,
    patient: int = PATIENT,
    size: int = SIZE,
) -> Figure:
    """Draw a film with an effusion and the outline of its fluid.

    Parameters
    ----------
    volume : float, mL
    side, posture, view, patient
        As in `cxrlib.phantom.film.Order`.
    """
    order = Order(patient=patient, amount=float(volume), side=side, posture=posture, view=view)
    film = take_film(order, size=size)
    figure, ax = plt.subplots(figsize=(4.4, 4.7), layout="constrained")
    plots.show_image(film.image, ax, title=caption(order, film))
    plots.outline(film.mask, ax)
    return figure


def upload_explorer(run):
    """Return a widget that takes a film's file and draws the run's prediction; the file is not kept."""
    from IPython.display import display
    from ipywidgets import FileUpload, Output, VBox

    upload, shown = FileUpload(accept=".png,.jpg,.jpeg,.dcm"), Output()

    @shown.capture(clear_output=True)
    def answer(change):
        with TemporaryDirectory() as folder:
            path = Path(folder) / Path(change["new"][0]["name"]).name
            path.write_bytes(change["new"][0]["content"])
            try:
                draw_prediction(run, path)
            except InputError as refused:
                display({"text/plain": str(refused).replace(f"{path}: ", f"{path.name}: ")}, raw=True)
            plt.show()

    upload.observe(answer, names="value")
    return VBox([upload, shown])


def sliders(draw, **choices):
    """Return sliders that draw again when one is moved; until then they show nothing.

    A list is a slider, too, and no menu: arrow keys move it.

    Parameters
    ----------
    draw : callable
        Takes the choices by name and returns a figure. A slider starts at the default of its name.
    **choices
        (from, to, step), or a list, each.
    """
    from ipywidgets import IntSlider, SelectionSlider, VBox, interactive

    moved = False

    def answer(**setting):
        nonlocal moved
        if moved:  # interactive calls it once before anybody could move anything
            draw(**setting)
            plt.show()
        moved = True

    def slider(name, choice):
        start = signature(draw).parameters[name].default
        if isinstance(choice, list):
            return SelectionSlider(options=choice, value=start, description=name)
        lowest, highest, step = choice
        return IntSlider(min=lowest, max=highest, step=step, value=start, description=name)

    return VBox(interactive(answer, **{name: slider(name, choice) for name, choice in choices.items()}).children)


def threshold_explorer(labels, scores, threshold: float, *, missed: float = 10.0) -> Figure:
    """Draw what a threshold does: its place on the ROC curve, the four counts, and the cost.

    Parameters
    ----------
    labels, scores : array, (N,)
    threshold : float
    missed : float
        Cost of a missed finding, in false alarms.
    """
    at = performance(labels, scores, threshold)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    plots.roc_curve(labels, scores, left, threshold=threshold)
    plots.confusion(labels, scores, threshold, right)
    cost = missed * at.fn + at.fp
    right.set_xlabel(
        f"sensitivity {at.sensitivity.value:.2f}, specificity {at.specificity.value:.2f}\n"
        f"{at.fn} x {missed:g} + {at.fp} = a cost of {cost:,.0f}"
    )
    left.set_title(f"threshold {threshold:.4g}")
    return figure
