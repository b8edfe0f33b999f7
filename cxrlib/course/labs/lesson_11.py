"""The lab of lesson 11: what the score of a detector follows, on its fresh films."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrlib.course.audit import Detector, detectors, example
from cxrlib.course.reader import recall
from cxrlib.evaluation.roc_auc import auc
from cxrlib.report import plots

PROPERTIES = ("view", "marker", "cables", "site", "sex")
"""What the lab can group films by. The marker is the word PORTABLE, and the cables are those of an ECG."""

LOWEST, HIGHEST = 1e-3, 0.999
"""The ends of the axis of scores. Scores beyond an end are drawn there."""

TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
"""The marks on the axis of scores, which is stretched near 0 and near 1."""


def group_films(films: pd.DataFrame, by: str) -> pd.Series:
    """Return the group of each film, as a text, by one of `PROPERTIES`."""
    if by in ("marker", "cables"):
        device = {"marker": "portable", "cables": "leads"}[by]
        has_it = films["devices"].str.split().apply(lambda devices: device in devices)
        return pd.Series(np.where(has_it, f"with {by}", f"no {by}"), index=films.index)
    return by + " " + films[by].astype(str)


def audit_lab(detector: str | Detector = "X", by: str = "view", only: str = "all views") -> Figure:
    """Draw the score of each fresh film of a detector, in groups, and the AUC of each group.

    Parameters
    ----------
    detector : str or Detector
        "X" is the example of the lesson, and "A" to "E" are the reader's own detectors.
    by : str
        One of `PROPERTIES`.
    only : {"all views", "AP", "PA"}
        Which films are drawn.
    """
    if isinstance(detector, str):
        detector = example() if detector == "X" else detectors()[detector]
    films = detector.fresh
    films = films if only == "all views" else films[films["view"] == only]
    groups = group_films(films, by)
    names = sorted(groups.unique())
    figure, ax = plt.subplots(figsize=(8, 1.2 + 0.95 * len(names)), layout="constrained")
    rng, ticks = np.random.default_rng(0), []
    for row, name in enumerate(names):
        part = films[groups == name]
        _draw_class(ax, part["score"][part["label"] == 0], row + 0.2, "o", plots.NOFINDING, rng)
        _draw_class(ax, part["score"][part["label"] == 1], row - 0.2, "^", plots.FINDING, rng)
        value = f"AUC {auc(part['label'], part['score']):.2f}" if part["label"].nunique() == 2 else "no AUC"
        ticks.append(f"{name}\n{value}, {len(part)} films")
    ax.axvline(detector.run.threshold, color="black", linestyle="--", linewidth=1)
    ax.set(xscale="logit", xlim=(7e-4, 1 - 7e-4), ylim=(len(names) - 0.5, -0.5))
    ax.set_yticks(range(len(names)), ticks)
    ax.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    ax.set_xticks([], minor=True)
    title = f"detector {detector.name}, fresh films, {only}. Dashed: its threshold. Bars: medians"
    if detector.name == "X" and (guessed := recall("fresh auc of X")):
        whole = auc(detector.fresh["label"], detector.fresh["score"])
        title += f"\nYour guess for the AUC of all fresh films was {guessed}, and it is {whole:.2f}"
    ax.set(xlabel="score", title=title)
    ax.title.set_fontsize(10)
    classes = [line for line in ax.lines if line.get_marker() in ("o", "^")][:2]
    figure.legend(classes, plots.CLASS_NAMES, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def _draw_class(ax: Axes, scores: pd.Series, row: float, marker: str, color: str, rng: np.random.Generator) -> None:
    """Draw the scores of one class at random heights around a row, with a bar at their median."""
    heights = row + rng.uniform(-0.13, 0.13, len(scores))
    ax.plot(scores.clip(LOWEST, HIGHEST), heights, marker, color=color, markersize=4, alpha=0.6)
    if len(scores):
        ax.plot(2 * [min(max(LOWEST, scores.median()), HIGHEST)], [row - 0.18, row + 0.18], "k-", linewidth=2)
