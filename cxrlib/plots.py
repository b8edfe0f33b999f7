"""Every picture: each function takes the axes that it draws on and returns them.

Colours are from the palette of Okabe and Ito, which colour-blind readers can
tell apart: vermilion for the finding, blue for nofinding.
"""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from cxrlib.evaluation import auc_interval, roc
from cxrlib.performance import performance

FINDING, NOFINDING, NEUTRAL = "#D55E00", "#0072B2", "#555555"


def film(image: np.ndarray, ax: Axes, *, title: str = "") -> Axes:
    """Show one film (H, W) in [0, 1], always on the same gray scale."""
    ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()
    return ax


def history(table: pd.DataFrame, ax: Axes, *, kept: int) -> Axes:
    """Draw the validation AUC of each epoch, the one that is kept as a dot."""
    ax.plot(table["epoch"], table["val_auc"], color=NEUTRAL)
    ax.plot(kept, table["val_auc"][kept - 1], "o", color=FINDING, label=f"kept: epoch {kept}")
    ax.set(xlabel="epoch", ylabel="AUC on val", ylim=(-0.02, 1.02))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.axhline(0.5, color=NEUTRAL, linestyle=":", linewidth=1)
    ax.legend(loc="lower right")
    return ax


def learning_rates(table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the learning rate of each epoch."""
    ax.plot(table["epoch"], table["learning_rate"], ".-", color=NEUTRAL)
    ax.set(xlabel="epoch", ylabel="learning rate at its start", ylim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def roc_curve(labels, scores, ax: Axes, *, patients=None, threshold: float | None = None) -> Axes:
    """Draw the ROC curve in the whole unit square, its AUC with the interval, and the threshold as a dot."""
    false_positive, sensitivity, _ = roc(labels, scores)
    ax.plot(false_positive, sensitivity, color=NEUTRAL, label=f"AUC {auc_interval(labels, scores, patients):.2f}")
    ax.plot([0, 1], [0, 1], color=NEUTRAL, linestyle=":", linewidth=1)
    if threshold is not None:
        at = performance(labels, scores, threshold)
        ax.plot(1 - at.specificity.value, at.sensitivity.value, "o", color=FINDING, label="the chosen threshold")
    ax.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    ax.legend(loc="lower right")
    return ax


def threshold_sweep(labels, scores, ax: Axes, *, threshold: float | None = None) -> Axes:
    """Draw sensitivity and specificity against the threshold.

    The axis is logarithmic: where a finding is rare, most scores are small.
    """
    false_positive, sensitivity, thresholds = roc(labels, scores)
    inside = thresholds <= 1
    ax.step(thresholds[inside], sensitivity[inside], where="post", color=FINDING, label="sensitivity")
    ax.step(thresholds[inside], 1 - false_positive[inside], where="post", color=NOFINDING, label="specificity")
    if threshold is not None:
        ax.axvline(threshold, color=NEUTRAL, linestyle="--", linewidth=1, label="the chosen threshold")
    lowest = max(1e-4, 0.8 * thresholds.min())
    ax.set(xlabel="threshold on the score", xscale="log", xlim=(lowest, 1.05), ylim=(-0.01, 1.01))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.legend(loc="lower center")
    return ax


def score_histogram(labels, scores, ax: Axes, *, names: tuple[str, str] = ("nofinding", "effusion")) -> Axes:
    """Draw how the scores of each class are spread, each class as shares of its own."""
    table = pd.DataFrame({"score": scores, "class": np.asarray(names)[np.asarray(labels)]})
    sns.histplot(
        table,
        x="score",
        hue="class",
        hue_order=names[::-1],
        palette=[FINDING, NOFINDING],
        bins=np.linspace(0, 1, 21),
        stat="proportion",
        common_norm=False,
        ax=ax,
    )
    ax.set(xlabel="score", ylabel="share of the class")
    return ax
