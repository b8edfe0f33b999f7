"""Every chart and picture: each function draws on the axes that it is given and returns them.

Colours are from the palette of Okabe and Ito, which colour-blind readers can tell
apart: vermilion for the finding, blue for no finding. Axes of rates show 0 to 1.
Everywhere labels are (N,) with 1 = the finding, and scores are (N,) in [0, 1].
"""

from io import StringIO

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import ArrayLike

from cxrlib.evaluation.decisions import THRESHOLDS
from cxrlib.evaluation.decisions import decision_curve as net_benefits
from cxrlib.evaluation.estimate import Patients, check_scores
from cxrlib.evaluation.rates import performance
from cxrlib.evaluation.roc_auc import auc_interval, roc
from cxrlib.evaluation.seeds import by_arm

FINDING, NOFINDING, NEUTRAL = "#D55E00", "#0072B2", "#555555"
PALE_FINDING = "#F3C9A8"

CLASS_NAMES = ("no effusion", "effusion")
"""The classes of the course, by label."""

HEAT_OPACITY = 0.6
"""Opacity of a heat map at its hottest place: 0.6 of the film is hidden there. We chose it by looking at pictures."""

UNIT = (-0.02, 1.02)
"""The limits of an axis from 0 to 1. The margins are for dots and lines at 0 and 1."""


MAX_SVG = 100_000
"""A chart with more characters of SVG is shown as JPEG, so that a lesson stays small (our choice)."""


def set_page() -> None:
    """Set the size and the format of a notebook's figures.

    A figure with films is a JPEG, because PNG files of films are large: films have much
    grain. We chose the size and the quality by looking at pictures. `show` makes an SVG
    of a chart, which stays sharp at every size.
    """
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    plt.rcParams["figure.dpi"] = 90
    set_matplotlib_formats("jpeg", pil_kwargs={"quality": 88})


def chart_svg(figure: Figure) -> str | None:
    """Return a chart as SVG, with its words as text. Return None for a figure that holds a film, or is too large."""
    if any(ax.images for ax in figure.axes):
        return None
    stream = StringIO()
    fonts = ["DejaVu Sans", "Verdana", "Arial"]  # the words are as wide in the second, and narrower in the third
    # words stay text, and the salt makes the same names each time
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "chart", "font.sans-serif": fonts}):
        figure.savefig(stream, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    svg = stream.getvalue()
    svg = " ".join(svg[svg.index("<svg") :].split())
    return svg if len(svg) <= MAX_SVG else None


def show(alt: str) -> None:
    """Show the current figure on a notebook's page, with words for readers who cannot see it.

    Parameters
    ----------
    alt : str
        What the picture shows, in a sentence.
    """
    from IPython.display import display

    figure = plt.gcf()
    metadata = {kind: {"alt": alt} for kind in ("image/svg+xml", "image/jpeg", "image/png")}
    if svg := chart_svg(figure):
        display({"image/svg+xml": svg, "text/plain": repr(figure)}, metadata=metadata, raw=True)
    else:
        display(figure, metadata=metadata)
    plt.close(figure)


def show_image(image: np.ndarray, ax: Axes, *, title: str = "") -> Axes:
    """Show one film (H, W) in [0, 1], always on the same gray scale: 0 is black and 1 is white."""
    ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()
    return ax


def history(table: pd.DataFrame, ax: Axes, *, kept: int, blended: float | None = None) -> Axes:
    """Draw the validation AUC of each epoch, with a dot at the epoch whose weights are kept.

    Parameters
    ----------
    table : DataFrame
        ``run.history``: one row for each epoch, from 1.
    kept : int
        ``run.kept_epoch``, from 1.
    blended : float, optional
        ``run.blended_auc``, drawn as a square at this epoch.
    """
    _draw_by_epoch(table, "val_auc", ax, style="-")
    ax.plot(kept, table["val_auc"][kept - 1], "o", color=FINDING, label=f"kept: epoch {kept}")
    if blended is not None:
        ax.plot(kept, blended, "s", color=FINDING, fillstyle="none", label="blended with the start")
    ax.set(ylabel="AUC on val", ylim=UNIT)
    ax.axhline(0.5, color=NEUTRAL, linestyle=":", linewidth=1)  # a network that guesses
    ax.legend(loc="lower right")
    return ax


def losses(table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the training loss of each epoch."""
    _draw_by_epoch(table, "loss", ax)
    ax.set(ylabel="training loss", ylim=(0, None))
    return ax


def learning_rates(table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the learning rate at the start of each epoch."""
    _draw_by_epoch(table, "learning_rate", ax)
    ax.set(ylabel="learning rate at its start", ylim=(0, None))
    return ax


def _draw_by_epoch(table: pd.DataFrame, column: str, ax: Axes, *, style: str = ".-") -> None:
    ax.plot(table["epoch"], table[column], style, color=NEUTRAL)
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def roc_curve(
    labels: ArrayLike, scores: ArrayLike, ax: Axes, *, patients: Patients = None, threshold: float | None = None
) -> Axes:
    """Draw the ROC curve, with the AUC and its interval in the legend, and the threshold as a dot."""
    false_positive_rate, sensitivity, _ = roc(labels, scores)
    ax.plot(false_positive_rate, sensitivity, color=NEUTRAL, label=f"AUC {auc_interval(labels, scores, patients):.2f}")
    ax.plot([0, 1], [0, 1], color=NEUTRAL, linestyle=":", linewidth=1)  # a network that guesses
    if threshold is not None:
        result = performance(labels, scores, threshold)
        _draw_threshold_dot(1 - result.specificity.value, result.sensitivity.value, ax)
    ax.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=UNIT, ylim=UNIT, aspect="equal")
    ax.legend(loc="lower right")
    return ax


def precision_recall_curve(labels: ArrayLike, scores: ArrayLike, ax: Axes, *, threshold: float | None = None) -> Axes:
    """Draw precision against recall, with the prevalence as a line, and the threshold as a dot."""
    from sklearn import metrics

    precision, recall, _ = metrics.precision_recall_curve(*check_scores(labels, scores))
    ax.step(recall, precision, where="post", color=NEUTRAL)
    prevalence = float(np.mean(np.asarray(labels)))  # the precision of a network that guesses
    ax.axhline(prevalence, color=NEUTRAL, linestyle=":", linewidth=1, label=f"guessing: {prevalence:.2f}")
    if threshold is not None:
        result = performance(labels, scores, threshold)
        _draw_threshold_dot(result.sensitivity.value, result.ppv.value, ax)
    ax.set(xlabel="recall (sensitivity)", ylabel="precision (PPV)", xlim=UNIT, ylim=UNIT, aspect="equal")
    ax.legend(loc="lower left")
    return ax


def _draw_threshold_dot(x: float, y: float, ax: Axes) -> None:
    ax.plot(x, y, "o", color=FINDING, label="the chosen threshold")


def threshold_sweep(labels: ArrayLike, scores: ArrayLike, ax: Axes, *, threshold: float | None = None) -> Axes:
    """Draw sensitivity and specificity against the threshold.

    The axis is logarithmic: where a finding is rare, most scores are small.
    """
    false_positive_rate, sensitivity, thresholds = roc(labels, scores)
    inside = thresholds <= 1  # without the first, which is infinite
    for name, rate, color, line in (
        ("sensitivity", sensitivity, FINDING, "-"),
        ("specificity", 1 - false_positive_rate, NOFINDING, "-."),
    ):
        ax.step(thresholds[inside], rate[inside], where="post", color=color, linestyle=line, label=name)
    if threshold is not None:
        ax.axvline(threshold, color=NEUTRAL, linestyle="--", linewidth=1, label="the chosen threshold")
    lowest = max(1e-4, 0.8 * thresholds.min())  # a logarithmic axis cannot begin at 0
    ax.set(xlabel="threshold on the score", xscale="log", xlim=(lowest, 1.05), ylim=UNIT)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.legend(loc="center left")
    return ax


def decision_curve(
    labels: ArrayLike, scores: ArrayLike, ax: Axes, *, patients: Patients = None, threshold: float | None = None
) -> Axes:
    """Draw the net benefit against the threshold, with its interval, beside flagging all films and flagging none.

    The interval is for each threshold on its own. The chosen threshold is a dot.
    """
    at = set(THRESHOLDS) | ({threshold} if threshold is not None and 0 < threshold < 1 else set())
    table = net_benefits(labels, scores, patients, thresholds=sorted(at))
    thresholds, prevalence = table["threshold"], float(np.mean(np.asarray(labels)))
    ax.fill_between(thresholds, table["low"], table["high"], color=FINDING, alpha=0.2, linewidth=0)
    ax.plot(thresholds, table["net_benefit"], color=FINDING, label="flag by the score")
    ax.plot(thresholds, table["flag_all"], color=NOFINDING, linestyle="-.", label="flag all")
    ax.axhline(0, color=NEUTRAL, linestyle=":", label="flag none")
    for chosen in table[thresholds == threshold].itertuples():
        _draw_threshold_dot(chosen.threshold, chosen.net_benefit, ax)
    ax.set(xlabel="threshold on the score", xscale="log", xlim=(0.95 * thresholds.min(), 1.05 * thresholds.max()))
    ax.set(ylabel="net benefit", ylim=(-0.25 * prevalence, 1.05 * table["high"].max()))  # flagging all falls far below
    ax.set_xticks([tick for tick in (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if tick >= thresholds.min()], minor=False)
    ax.xaxis.set(major_formatter="{x:g}", minor_locator=NullLocator())
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)  # within, it would hide the band
    return ax


def score_histogram(labels: ArrayLike, scores: ArrayLike, ax: Axes) -> Axes:
    """Draw how the scores of each class are spread, as fractions of the class, on a logarithmic axis.

    Scores below 0.001 are drawn at 0.001.
    """
    lowest = 0.001
    drawn = np.clip(scores, lowest, 1)
    table = pd.DataFrame({"score": drawn, "class": np.asarray(CLASS_NAMES)[np.asarray(labels)]})
    classes = {"hue_order": CLASS_NAMES[::-1], "palette": [FINDING, NOFINDING], "common_norm": False}
    bins = np.linspace(np.log10(lowest), 0, 25)
    ax.set_xscale("log")
    sns.histplot(table, x="score", hue="class", bins=bins, stat="proportion", ax=ax, **classes)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set(xlabel="score", ylabel="fraction of the class", xlim=(lowest, 1))
    return ax


def outline(mask: np.ndarray, ax: Axes, *, color: str = FINDING) -> Axes:
    """Draw the border of a mask (H, W), bool, over a film."""
    if mask.any():
        ax.contour(mask.astype(float), levels=[0.5], colors=[color], linewidths=1.2)
    return ax


def point_out(ax: Axes, signs: dict[str, tuple[float, float, float, float]], *, color: str = FINDING) -> Axes:
    """Name places on a film, each with an arrow from its name.

    Parameters
    ----------
    signs : dict
        Name -> (x, y of the place, x, y of the name), as fractions of the film's side
        from its upper left corner.
    color : str
        The colour of the arrows.
    """
    box = {"facecolor": "black", "alpha": 0.75, "edgecolor": "none", "pad": 1.5}
    arrow = {"arrowstyle": "->", "color": color, "linewidth": 1.5}
    for name, (x, y, name_x, name_y) in signs.items():
        ax.annotate(
            name, (x, 1 - y), (name_x, 1 - name_y), "axes fraction",
            color="white", ha="center", va="center", bbox=box, arrowprops=arrow,
        )  # fmt: skip
    return ax


def heat_over(image: np.ndarray, heat: np.ndarray, ax: Axes, *, title: str = "") -> Axes:
    """Draw a heat map (H, W) in [0, 1] over its film. The hotter a place, the less of the film shows through."""
    show_image(image, ax, title=title)
    ax.imshow(heat, cmap="magma", vmin=0, vmax=1, alpha=HEAT_OPACITY * heat, interpolation="bilinear")
    return ax


def seeds(table: pd.DataFrame, ax: Axes, *, column: str = "auc", label: str = "AUC on test") -> Axes:
    """Draw each arm's trainings as dots, joined by seed, and each arm's mean as a bar.

    Parameters
    ----------
    table : DataFrame
        One row for each training: ``seed``, ``arm`` and the results.
    column : str
    label : str
        The label of the axis.
    """
    wide = by_arm(table, column)
    places = np.arange(wide.shape[1])
    ax.plot(places, wide.to_numpy().T, ".-", color=NEUTRAL, linewidth=0.6, alpha=0.6)
    ax.plot(places, wide.mean(), "_", color=FINDING, markersize=30, markeredgewidth=3)
    ax.set_xticks(places, [name.replace(", ", "\n") for name in wide.columns])
    ax.set(xlim=(-0.5, len(places) - 0.5), ylabel=label)
    return ax


def differences(table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the differences of `cxrlib.evaluation.seeds.compare_arms` with their intervals, and a line at 0."""
    compared = table.dropna()  # without the baseline
    places = np.arange(len(compared))[::-1]
    errors = [compared["difference"] - compared["low"], compared["high"] - compared["difference"]]
    ax.errorbar(compared["difference"], places, xerr=errors, fmt="o", color=FINDING, capsize=3)
    ax.axvline(0, color=NEUTRAL, linestyle=":", linewidth=1)
    ax.set_yticks(places, compared.index)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    baseline = table.index[table["difference"].isna()][0]
    ax.set(ylim=(-0.6, len(compared) - 0.4), xlabel=f"difference to {baseline}")
    return ax


def confusion(labels: ArrayLike, scores: ArrayLike, threshold: float, ax: Axes) -> Axes:
    """Draw the four counts that a threshold makes, with the errors in colour."""
    result = performance(labels, scores, threshold)
    cells = [
        [(result.tp, "white"), (result.fn, FINDING)],
        [(result.fp, PALE_FINDING), (result.tn, "white")],
    ]
    for y, row in enumerate(cells):
        for x, (count, color) in enumerate(row):
            ax.add_patch(Rectangle((x, y), 1, 1, facecolor=color, edgecolor=NEUTRAL))
            ax.text(x + 0.5, y + 0.5, f"{count:,}", ha="center", va="center", fontsize=14)
    ax.set(xlim=(0, 2), ylim=(2, 0), aspect="equal")
    ax.set_xticks([0.5, 1.5], ["look again", "pass"])
    ax.set_yticks([0.5, 1.5], CLASS_NAMES[::-1], rotation=90, va="center")
    ax.tick_params(length=0, top=True, bottom=False, labeltop=True, labelbottom=False)
    return ax


def reliability(table: pd.DataFrame, ax: Axes, *, label: str = "", color: str = FINDING) -> Axes:
    """Draw `cxrlib.evaluation.calibration.reliability`: the fraction with the finding against the mean score."""
    errors = [table["fraction"] - table["low"], table["high"] - table["fraction"]]
    ax.errorbar(table["score"], table["fraction"], yerr=errors, fmt="o-", color=color, capsize=2, label=label)
    ax.plot([0, 1], [0, 1], color=NEUTRAL, linestyle=":", linewidth=1)  # scores that are right
    ax.set(xlabel="mean score", ylabel="fraction with the finding", xlim=UNIT, ylim=UNIT, aspect="equal")
    return ax


def rates_by(table: pd.DataFrame, ax: Axes, *, rate: str = "sensitivity", color: str = FINDING) -> Axes:
    """Draw a rate of `cxrlib.evaluation.groups.performance_by` for each group, with its interval.

    Below each group stands the number of films from which the rate is computed.

    Parameters
    ----------
    table : DataFrame
        What `cxrlib.evaluation.performance_by` returns.
    rate : {"sensitivity", "specificity"}
    color : str
    """
    measured = table.dropna(subset=[rate])
    places = np.arange(len(measured))
    counts = measured["n_finding"] if rate == "sensitivity" else measured["n"] - measured["n_finding"]
    errors = [measured[rate] - measured[f"{rate}_low"], measured[f"{rate}_high"] - measured[rate]]
    ax.errorbar(places, measured[rate], yerr=errors, fmt="o", color=color, capsize=3)
    ax.set_xticks(places, [f"{group}\nn = {n}" for group, n in zip(measured["group"], counts, strict=True)])
    ax.set(ylabel=rate, ylim=UNIT, xlim=(-0.5, len(places) - 0.5))
    return ax
