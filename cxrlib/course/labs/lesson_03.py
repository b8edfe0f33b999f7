"""The lab of lesson 3: how a leak and a shortcut move the AUC of the validation films and of an honest test."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from cxrlib.course.reader import recall
from cxrlib.evaluation.roc_auc import auc
from cxrlib.phantom.film import Order, take_film
from cxrlib.phantom.roster import ADULT, draw_roster, order_of
from cxrlib.report import plots

SEED = 4000
"""Seed of the patients who are filmed twice on one day. No training has this seed."""

PATIENTS, VALIDATION, TEST = 200, 40, 40
"""The number of patients, and of those in the validation and in the honest test. All others are for training."""

DRAWS = 20
"""The patients are drawn so often. Each draw is a dot."""

SIDE, THUMBNAIL = 64, 16
"""Sides in pixels of the films, and of the thumbnails that are compared."""

CABLES = ((), ("leads",), ("line",))
"""What lies on the patient's chest on each film of one day."""

PLACES: tuple[dict[str, Any], ...] = (
    dict(view="PA", posture="upright", site=0, devices=()),
    dict(view="AP", posture="semi-erect", site=1, devices=("portable",)),
)
"""Where a film is taken: in the X-ray room, and at the bedside of another hospital."""

EARLIER = 8
"""The number of earlier tries that are drawn."""


@dataclass(frozen=True)
class DayFilms:
    """Two films of one day, for each patient and each place.

    Attributes
    ----------
    thumbnails : ndarray, (patients, 2 places, 2 films, pixels)
    labels : ndarray, (patients,), 1 = effusion
    """

    thumbnails: np.ndarray
    labels: np.ndarray


_tries: list[tuple[float, float, tuple[float, float]]] = []


def day_orders(patients: int = PATIENTS) -> list[Order]:
    """Return one order for each of the patients, who are adults. Every second one has an effusion of 300 mL or more.

    Parameters
    ----------
    patients : int
        An even number of up to 200.
    """
    roster = draw_roster(900, prevalence=0.5, seed=SEED).drop_duplicates("patient_id")
    volume, adult = roster["volume_ml"], roster["age"] >= ADULT
    roster = roster[adult & ((roster["label"] == 0) | volume.between(300, 1500))].sort_values("patient_id")
    both = [roster[roster["label"] == label].head(patients // 2).to_dict("records") for label in (0, 1)]
    rows = [row for pair in zip(*both, strict=True) for row in pair]
    return [replace(order_of(row, seed=SEED), **PLACES[0]) for row in rows]


def make_thumbnails(films: ArrayLike) -> np.ndarray:
    """Return the films (N, S, S) as rows (N, 256) of mean 0 and standard deviation 1."""
    films = np.asarray(films, np.float64)
    step = films.shape[-1] // THUMBNAIL
    small = films.reshape(-1, THUMBNAIL, step, THUMBNAIL, step).mean(axis=(2, 4)).reshape(-1, THUMBNAIL**2)
    small = small - small.mean(axis=1, keepdims=True)
    return small / small.std(axis=1, keepdims=True)


@lru_cache(maxsize=1)
def day_films() -> DayFilms:
    """Simulate the films of the lab. That takes about 10 seconds; a second call returns the same films at once."""
    orders = day_orders()
    films = [
        take_film(replace(order, **{**place, "devices": (*place["devices"], *cables)}), size=SIDE).image
        for order in orders
        for place in PLACES
        for cables in CABLES[:2]
    ]
    thumbnails = make_thumbnails(films).reshape(len(orders), len(PLACES), 2, -1)
    return DayFilms(thumbnails, np.array([int(order.amount > 0) for order in orders]))


def nearest_film_score(train: np.ndarray, labels: np.ndarray, films: np.ndarray) -> np.ndarray:
    """Return how much nearer each film lies to a training film with an effusion than to one without."""
    distance = cdist(films, train)
    return distance[:, labels == 0].min(axis=1) - distance[:, labels == 1].min(axis=1)


def try_split(films: DayFilms, *, leak: float, shortcut: float, draws: int = DRAWS) -> np.ndarray:
    """Return the AUC of the validation films and of the honest test, (draws, 2).

    Parameters
    ----------
    films : DayFilms
    leak : float in [0, 1]
        The fraction of the validation films whose patient is also in the training.
    shortcut : float in [0, 1]
        The fraction of the patients whose label decides the place. The others are filmed
        at a place by chance. In the honest test, this holds for everyone.
    draws : int
        How often patients are drawn for training, validation and test.
    """
    count = len(films.labels)
    areas = np.empty((draws, 2))
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        order, by_label, by_chance = rng.permutation(count), rng.random(count) < shortcut, rng.integers(2, size=count)
        place = np.where(by_label, films.labels, by_chance)
        new, test, train = np.split(order, [VALIDATION, VALIDATION + TEST])
        known = round(leak * VALIDATION)
        validation = np.concatenate([train[:known], new[known:]])
        rows, labels = films.thumbnails[train, place[train], 0], films.labels[train]
        for column, (people, where) in enumerate(((validation, place), (test, by_chance))):
            scores = nearest_film_score(rows, labels, films.thumbnails[people, where[people], 1])
            areas[seed, column] = auc(films.labels[people], scores)
    return areas


def split_lab(leak: float = 0.0, shortcut: float = 0.0) -> Figure:
    """Draw the AUC of validation and honest test for a leak and a shortcut, with the earlier tries.

    Parameters
    ----------
    leak, shortcut : float in [0, 1]
        As in `try_split`.
    """
    areas = try_split(day_films(), leak=leak, shortcut=shortcut)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.4), layout="constrained", width_ratios=(1, 1.4))
    _draw_places(left, shortcut)
    _draw_areas(right, areas)
    mean = float(areas[:, 0].mean()), float(areas[:, 1].mean())
    figure.suptitle(
        f"leak {leak:g}, shortcut {shortcut:g}: AUC {mean[0]:.2f} on validation, {mean[1]:.2f} on the honest test",
        fontsize=11,
    )
    if (leak, shortcut) not in [(each[0], each[1]) for each in _tries]:
        _tries.append((leak, shortcut, mean))
    return figure


def _draw_places(ax: Axes, shortcut: float) -> None:
    """Draw where the films of each class are taken, in training and validation."""
    bedside = np.array([(1 - shortcut) / 2, (1 + shortcut) / 2])
    ax.bar([0, 1], bedside, color=plots.FINDING, label="at the bedside", width=0.6)
    ax.bar([0, 1], 1 - bedside, bottom=bedside, color="#BBBBBB", label="in the X-ray room", width=0.6)
    ax.set_xticks([0, 1], plots.CLASS_NAMES)
    ax.set(ylim=(0, 1.25), ylabel="fraction of the patients", yticks=[0, 0.5, 1], xlim=(-0.5, 1.5))
    ax.set_title("training and validation films", fontsize=10)
    ax.legend(loc="upper center", ncols=2, fontsize=8, frameon=False)


def _draw_areas(ax: Axes, areas: np.ndarray) -> None:
    """Draw each draw as a dot, their mean, the earlier tries and the reader's guess."""
    ax.plot([0, 1], [0, 1], ":", color=plots.NEUTRAL, linewidth=1)
    ax.text(0.2, 0.23, "both agree", rotation=45, rotation_mode="anchor", color="#555555", fontsize=9)
    for leak, shortcut, mean in _tries[-EARLIER:]:
        ax.plot(*mean, "s", color="#888888", markersize=5)
        ax.annotate(f"{leak:g}, {shortcut:g}", mean, (3, -11), textcoords="offset points", fontsize=7, color="#555555")
    ax.plot(areas[:, 0], areas[:, 1], "o", color=plots.FINDING, alpha=0.35, markersize=4, label="a draw of patients")
    ax.plot(*areas.mean(axis=0), "D", color="black", markersize=8, label="their mean")
    for name, text, style in (
        ("leak auc", "your guess in section 3", "--"),
        ("shortcut auc", "your guess in section 4", "-."),
    ):
        if (value := recall(name)) is not None:
            ax.axvline(value, color=plots.NEUTRAL, linestyle=style, linewidth=1.2, label=f"{text}: {value:g}")
    ax.set(xlim=plots.UNIT, ylim=plots.UNIT, aspect="equal")
    ax.set(xlabel="AUC on the validation films", ylabel="AUC on the honest test")
    ax.legend(loc="lower right", fontsize=8)
