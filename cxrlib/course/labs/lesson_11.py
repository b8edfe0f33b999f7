"""The lab of lesson 11: what the score of a detector follows, on its fresh films."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxrlib.course.audit import Detector, detectors, example
from cxrlib.course.reader import recall
from cxrlib.evaluation.roc_auc import auc
from cxrlib.report import plots

PROPERTIES = ("view", "marker", "cables", "site", "sex")
"""What the lab can group films by. The marker is the word PORTABLE, and the cables are those of an ECG."""


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
    rng, titles = np.random.default_rng(0), []
    for row, name in enumerate(names):
        part = films[groups == name]
        for label, marker, color, words in (
            (0, "o", plots.NOFINDING, "no effusion"),
            (1, "^", plots.FINDING, "effusion"),
        ):
            score = part["score"][part["label"] == label]
            height = row + (0.2 if label == 0 else -0.2) + rng.uniform(-0.13, 0.13, len(score))
            ax.plot(np.clip(score, 1e-3, 1), height, marker, color=color, markersize=4, alpha=0.6, label=words)
            if len(score):
                ax.plot(
                    2 * [score.clip(1e-3).median()],
                    row + np.array([0.02, 0.38]) * (1 if label == 0 else -1),
                    "k-",
                    lw=2,
                )
        value = f"AUC {auc(part['label'], part['score']):.2f}" if part["label"].nunique() == 2 else "no AUC"
        titles.append(f"{name}\n{value}, {len(part)} films")
    ax.axvline(detector.run.threshold, color="black", linestyle="--", linewidth=1)
    ax.set(xscale="log", xlim=(8e-4, 1.2), yticks=range(len(names)), yticklabels=titles, ylim=(len(names) - 0.5, -0.5))
    title = f"detector {detector.name}, fresh films, {only}. Dashed: its threshold. Bars: medians"
    if detector.name == "X" and (guessed := recall("fresh auc of X")):
        whole = auc(detector.fresh["label"], detector.fresh["score"])
        title += f"\nYour guess for the AUC of all fresh films was {guessed}, and it is {whole:.2f}"
    ax.set(xlabel="score", title=title)
    ax.title.set_fontsize(10)
    handles, words = ax.get_legend_handles_labels()
    unique = dict(zip(words, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure
