"""The lab of lesson 9: add fluid to a patient until the network calls it, and look at its heat map."""

from dataclasses import replace
from typing import Any

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrlib.course.cohorts import LAB_SEED, VAL_SEED
from cxrlib.course.folders import own_cohort
from cxrlib.course.labs.lesson_01 import quiz_score
from cxrlib.course.lessons import course_film
from cxrlib.course.reader import recall
from cxrlib.phantom.film import Film, Order, fit_volume, take_film
from cxrlib.phantom.roster import order_of
from cxrlib.report import plots
from cxrlib.training.run import Run

VOLUMES = (0, 50, 100, 150, 200, 300, 400, 600, 800)
"""The volumes in mL at which a patient is filmed for the curve of the lab."""

LAYERS = {"third stage": "stage_3", "last maps": "last_maps"}
"""The layers of the lab by the names that the lesson gives them."""

OVER_LUNG = 3.0
"""Centimetres of lung along a ray of the film without fluid, from which fluid can be seen over lung."""

SIZE = 256
"""Side of the films that the lab draws, in pixels."""

_TRIES: dict[tuple[int, str], np.ndarray] = {}


def visible_fluid(order: Order, *, size: int) -> tuple[Film, np.ndarray]:
    """Take a film, and return where its fluid lies over what would be lung without the fluid: (S, S), bool.

    The same patient is filmed a second time without the fluid. Fluid behind the
    diaphragm lies over the abdomen, which is white already, so it cannot be seen.
    Nor can fluid below the border of a film, where both films have the same pixels.
    """
    film, dry = (take_film(taken, size=size) for taken in (order, replace(order, amount=0.0)))
    return film, film.mask & (dry.lung > OVER_LUNG) & (film.pixels != dry.pixels)


def smooth_outline(mask: np.ndarray, ax: Axes, *, color: str = plots.FINDING) -> Axes:
    """Draw the border of a mask (H, W), bool, as a smooth line."""
    if mask.any():
        smooth = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), len(mask) / 128)
        ax.contour(smooth, levels=[0.5], colors=[color], linewidths=1.4)
    return ax


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of `cxrlib.evaluation.performance_by` with each rate and its interval in one column of text."""
    rates = ("auc", "sensitivity", "specificity")
    columns = {"effusions": table["n_finding"].to_numpy()}
    for rate in rates:
        values = table[[rate, f"{rate}_low", f"{rate}_high"]].itertuples(index=False)
        columns[rate.replace("auc", "AUC")] = [f"{value:.2f} ({low:.2f} to {high:.2f})" for value, low, high in values]
    return pd.DataFrame(columns, index=list(table["group"]))


def kinds_of(scores: pd.DataFrame) -> pd.Series:
    """Return view and posture of each film of ``course_scores``, for example "AP supine"; " " if none is known."""
    parts = scores.reindex(columns=["view", "posture"], fill_value="").astype(str)
    return parts["view"] + " " + parts["posture"]


def volume_groups(scores: pd.DataFrame) -> pd.Series:
    """Return the group of volumes of each effusion of ``course_scores``; missing where no volume is known."""
    volume = scores.reindex(columns=["volume_ml"])["volume_ml"].where(scores["label"] == 1)
    names = ("0-100 mL", "100-200 mL", "200-400 mL", "400-800 mL", "over 800 mL")
    return pd.cut(volume, (0, 100, 200, 400, 800, np.inf), labels=names)


def draw_scored(row: dict[str, Any], ax: Axes, *, size: int = SIZE) -> Axes:
    """Draw the film of a row of ``course_scores("val")``, with an outline of the fluid that can be seen over lung."""
    if own_cohort() is not None:
        return plots.show_image(course_film(row, size=size)[0], ax, title=f"score {row['score']:.3f}")
    film, visible = visible_fluid(order_of(row, seed=VAL_SEED), size=size)
    plots.show_image(film.image, ax, title=f"{film.volume_ml:.0f} mL, {row['posture']}, score {row['score']:.3f}")
    return smooth_outline(visible, ax)


def detector_lab(
    run: Run,
    volume: float = 150,
    *,
    patient: int = 1,
    posture: str = "upright",
    layer: str = "third stage",
    opacity: float = 0.6,
) -> Figure:
    """Draw a patient with fluid on the right, the heat map, and the score against the volume.

    The curve on the right keeps the patients that were tried before, and the reader's
    guess of the volume. The patients are those of the lab set's seed.

    Parameters
    ----------
    run : Run
    volume : float, mL
    patient : int
    posture : {"upright", "supine"}
        Films of people who lie are AP films.
    layer : {"third stage", "last maps"}
    opacity : float in [0, 1]
        Of the heat map at its hottest place.
    """
    from cxrlib.evaluation.heat_maps import grad_cam  # loads TensorFlow

    volume = fit_volume(lab_order(patient, posture, volume))  # less, if the chest cannot hold it
    order = lab_order(patient, posture, volume)
    film, visible = visible_fluid(order, size=SIZE)
    image = take_film(order, size=run.recipe.size).image
    score = float(run.score_images(image[None])[0])
    heat = cv2.resize(grad_cam(run.model, image[None], layer=LAYERS[layer])[0], (SIZE, SIZE))
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 4.1), layout="constrained")
    plots.show_image(film.image, left, title=f"patient {patient}, {posture}, {volume:,.0f} mL on the right")
    smooth_outline(visible, left)
    plots.show_image(film.image, middle, title=f"heat map: {layer}")
    middle.imshow(heat, cmap="magma", vmin=0, vmax=1, alpha=opacity * heat, interpolation="bilinear")
    smooth_outline(visible, middle, color="white")
    _draw_curves(run, right, patient, posture)
    right.plot(volume, score, "o", color="black", markersize=8)
    called = "called an effusion" if score >= run.operating_point.threshold else "not called"
    right.set_title(f"score {score:.3f}: {called}", fontsize=9)
    if known := quiz_score():
        figure.suptitle(known, fontsize=10)
    return figure


def lab_order(patient: int, posture: str, volume: float) -> Order:
    """Return the order of a lab film: fluid on the right, PA upright or AP lying down."""
    view = "AP" if posture == "supine" else "PA"
    return Order(patient=patient, seed=LAB_SEED, view=view, posture=posture, amount=float(volume), side="right")


def scores_by_volume(run: Run, patient: int, posture: str) -> np.ndarray:
    """Return the run's score of a patient at each of `VOLUMES`; NaN where the chest cannot hold the volume."""
    if (patient, posture) not in _TRIES:
        held = fit_volume(lab_order(patient, posture, VOLUMES[-1]))
        orders = [lab_order(patient, posture, volume) for volume in VOLUMES if volume <= held]
        scores = run.score_images(np.array([take_film(order, size=run.recipe.size).image for order in orders]))
        _TRIES[patient, posture] = np.append(scores, [np.nan] * (len(VOLUMES) - len(orders)))
    return _TRIES[patient, posture]


def _draw_curves(run: Run, ax: Axes, patient: int, posture: str) -> None:
    """Draw the score against the volume: this patient, those tried before, the threshold and the reader's guess."""
    scores = scores_by_volume(run, patient, posture)
    earlier = [tried for name, tried in _TRIES.items() if name != (patient, posture)]
    for index, tried in enumerate(earlier):
        ax.plot(VOLUMES, tried, color="#BBBBBB", linewidth=1, label="tried before" if index == 0 else None)
    ax.plot(VOLUMES, scores, ".-", color=plots.FINDING, label="this patient")
    threshold = run.operating_point.threshold
    ax.axhline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.2f}")
    guessed = recall("smallest volume")
    if guessed is not None:
        ax.axvline(guessed, color=plots.NOFINDING, linestyle=":", label=f"your guess: {guessed} mL")
    ax.set(xlabel="mL of fluid", ylabel="score", ylim=plots.UNIT)
    ax.legend(loc="lower right", fontsize=9)
