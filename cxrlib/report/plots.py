"""Every picture: each function takes the axes that it draws on and returns them.

Colours are from the palette of Okabe and Ito, which colour-blind readers can
tell apart: vermilion for the finding, blue for nofinding.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from cxrlib.evaluation.estimate import check_scores
from cxrlib.evaluation.rates import performance
from cxrlib.evaluation.roc_auc import auc_interval, roc
from cxrlib.evaluation.seeds import by_arm

FINDING, NOFINDING, NEUTRAL = "#D55E00", "#0072B2", "#555555"


def set_page() -> None:
    """Fix size and format of a notebook's figures: JPEG, for films have too much grain for PNG."""
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    plt.rcParams["figure.dpi"] = 90
    set_matplotlib_formats("jpeg", pil_kwargs={"quality": 88})


def show(alt: str) -> None:
    """Show the current figure on a notebook's page, with words for who cannot see it.

    Parameters
    ----------
    alt : str
        What the picture shows, in a sentence.
    """
    from IPython.display import display

    figure = plt.gcf()
    display(figure, metadata={kind: {"alt": alt} for kind in ("image/jpeg", "image/png")})
    plt.close(figure)


def show_image(image: np.ndarray, ax: Axes, *, title: str = "") -> Axes:
    """Show one film (H, W) in [0, 1], always on the same gray scale."""
    ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()
    return ax


def history(table: pd.DataFrame, ax: Axes, *, kept: int) -> Axes:
    """Draw the validation AUC of each epoch, the one that is kept as a dot."""
    name = "best" if kept == table["epoch"][table["val_auc"].idxmax()] else "kept"
    ax.plot(table["epoch"], table["val_auc"], color=NEUTRAL)
    ax.plot(kept, table["val_auc"][kept - 1], "o", color=FINDING, label=f"{name}: epoch {kept}")
    ax.set(xlabel="epoch", ylabel="AUC on val", ylim=(-0.02, 1.02))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.axhline(0.5, color=NEUTRAL, linestyle=":", linewidth=1)
    ax.legend(loc="lower right")
    return ax


def losses(table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the training loss of each epoch."""
    ax.plot(table["epoch"], table["loss"], ".-", color=NEUTRAL)
    ax.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
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
    rest = {"where": "post", "color": NOFINDING, "linestyle": "-."}
    ax.step(thresholds[inside], 1 - false_positive[inside], label="specificity", **rest)
    if threshold is not None:
        ax.axvline(threshold, color=NEUTRAL, linestyle="--", linewidth=1, label="the chosen threshold")
    lowest = max(1e-4, 0.8 * thresholds.min())
    ax.set(xlabel="threshold on the score", xscale="log", xlim=(lowest, 1.05), ylim=(-0.01, 1.01))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.legend(loc="center left")
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


def outline(mask: np.ndarray, ax: Axes, *, color: str = FINDING) -> Axes:
    """Draw the border of a mask (H, W), bool, over a film."""
    if mask.any():
        ax.contour(mask.astype(float), levels=[0.5], colors=[color], linewidths=1.2)
    return ax


def point_out(ax: Axes, signs: dict[str, tuple[float, float, float, float]], *, color: str = FINDING) -> Axes:
    """Name places on a film, each with an arrow.

    Parameters
    ----------
    signs : dict
        Name -> (x, y of the place, x, y of the name), as shares of the film from its upper left corner.
    """
    box = {"facecolor": "black", "alpha": 0.75, "edgecolor": "none", "pad": 1.5}
    arrow = {"arrowstyle": "->", "color": color, "linewidth": 1.5}
    for name, (x, y, at_x, at_y) in signs.items():
        ax.annotate(
            name, (x, 1 - y), (at_x, 1 - at_y), "axes fraction",
            color="white", ha="center", va="center", bbox=box, arrowprops=arrow,
        )  # fmt: skip
    return ax


def heat_over(image: np.ndarray, heat: np.ndarray, ax: Axes, *, title: str = "") -> Axes:
    """Lay a heat map (H, W) in [0, 1] over its film: the hotter, the less of the film is seen."""
    show_image(image, ax, title=title)
    ax.imshow(heat, cmap="magma", vmin=0, vmax=1, alpha=0.6 * heat, interpolation="bilinear")
    return ax


def seeds(table: pd.DataFrame, ax: Axes, *, column: str = "auc", label: str = "AUC on test") -> Axes:
    """Draw each arm's trainings as dots, those of one seed joined, and each arm's mean as a bar."""
    wide = by_arm(table, column)
    places = np.arange(wide.shape[1])
    ax.plot(places, wide.to_numpy().T, ".-", color=NEUTRAL, linewidth=0.6, alpha=0.6)
    ax.plot(places, wide.mean(), "_", color=FINDING, markersize=30, markeredgewidth=3)
    ax.set_xticks(places, [name.replace(", ", "\n") for name in wide.columns])
    ax.set(xlim=(-0.5, len(places) - 0.5), ylabel=label)
    return ax


def differences(table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the differences of `cxrlib.evaluation.seeds.compare_arms` with their intervals, and where none would be."""
    shown = table.dropna()
    places = np.arange(len(shown))[::-1]
    errors = [shown["difference"] - shown["low"], shown["high"] - shown["difference"]]
    ax.errorbar(shown["difference"], places, xerr=errors, fmt="o", color=FINDING, capsize=3)
    ax.axvline(0, color=NEUTRAL, linestyle=":", linewidth=1)
    ax.set_yticks(places, shown.index)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    baseline = table.index[table["difference"].isna()][0]
    ax.set(ylim=(-0.6, len(shown) - 0.4), xlabel=f"difference to {baseline}")
    return ax


def precision_recall_curve(labels, scores, ax: Axes, *, threshold: float | None = None) -> Axes:
    """Draw precision against recall in the whole unit square, the prevalence as a line, the threshold as a dot."""
    from sklearn import metrics

    precision, recall, _ = metrics.precision_recall_curve(*check_scores(labels, scores))
    ax.step(recall, precision, where="post", color=NEUTRAL)
    prevalence = float(np.mean(labels))
    ax.axhline(prevalence, color=NEUTRAL, linestyle=":", linewidth=1, label=f"guessing: {prevalence:.2f}")
    if threshold is not None:
        at = performance(labels, scores, threshold)
        ax.plot(at.sensitivity.value, at.ppv.value, "o", color=FINDING, label="the chosen threshold")
    ax.set(xlabel="recall (sensitivity)", ylabel="precision (PPV)", aspect="equal")
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.legend(loc="lower left")
    return ax


def confusion(
    labels, scores, threshold: float, ax: Axes, *, names: tuple[str, str] = ("nofinding", "effusion")
) -> Axes:
    """Draw the four counts that a threshold makes, errors in colour."""
    at = performance(labels, scores, threshold)
    counts = [[at.tp, at.fn], [at.fp, at.tn]]
    colors = [["white", FINDING], ["#F3C9A8", "white"]]
    for row in range(2):
        for column in range(2):
            ax.add_patch(_cell(column, row, colors[row][column]))
            ax.text(column + 0.5, row + 0.5, f"{counts[row][column]:,}", ha="center", va="center", fontsize=14)
    ax.set(xlim=(0, 2), ylim=(2, 0), aspect="equal")
    ax.set_xticks([0.5, 1.5], ["look again", "pass"])
    ax.set_yticks([0.5, 1.5], names[::-1], rotation=90, va="center")
    ax.tick_params(length=0, top=True, bottom=False, labeltop=True, labelbottom=False)
    return ax


def _cell(column: int, row: int, color: str) -> Rectangle:
    return Rectangle((column, row), 1, 1, facecolor=color, edgecolor=NEUTRAL)


def reliability(table: pd.DataFrame, ax: Axes, *, label: str = "", color: str = FINDING) -> Axes:
    """Draw `cxrlib.evaluation.calibration.reliability`: the share with the finding against the mean score."""
    errors = [table["fraction"] - table["low"], table["high"] - table["fraction"]]
    ax.errorbar(table["score"], table["fraction"], yerr=errors, fmt="o-", color=color, capsize=2, label=label)
    ax.plot([0, 1], [0, 1], color=NEUTRAL, linestyle=":", linewidth=1)
    ax.set(xlabel="mean score", ylabel="share with the finding", aspect="equal")
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    return ax


def rates_by(table: pd.DataFrame, ax: Axes, *, rate: str = "sensitivity", color: str = FINDING) -> Axes:
    """Draw a rate of `cxrlib.evaluation.rates.performance_by` for each group, with its interval."""
    shown = table.dropna(subset=[rate])
    places = np.arange(len(shown))
    counts = shown["n_finding"] if rate == "sensitivity" else shown["n"] - shown["n_finding"]
    errors = [shown[rate] - shown[f"{rate}_low"], shown[f"{rate}_high"] - shown[rate]]
    ax.errorbar(places, shown[rate], yerr=errors, fmt="o", color=color, capsize=3)
    ax.set_xticks(places, [f"{g}\nn = {n}" for g, n in zip(shown["group"], counts, strict=True)])
    ax.set(ylabel=rate, ylim=(-0.02, 1.02), xlim=(-0.5, len(places) - 0.5))
    return ax
