"""Draw the charts of a run's HTML page, each with a sentence that says what it shows."""

import numpy as np
import pandas as pd

from cxrlib.evaluation.calibration import reliability
from cxrlib.evaluation.decisions import decision_curve
from cxrlib.evaluation.rates import Evaluation
from cxrlib.report import plots
from cxrlib.report.html import Picture, embed_chart
from cxrlib.training.run import Run

LOWEST_SCORE, NUM_BARS = 1e-3, 30
"""The histogram begins at this score, on a logarithmic axis, and lower scores are drawn there. Each class has this many
bars: 10 for each factor of 10. Both are our choice."""

MAX_BINS, MIN_FILMS_A_BIN = 8, 10
"""A reliability diagram has at most 8 groups of films, and each group has at least 10 films. Both are our choice."""


def training_charts(run: Run) -> list[Picture]:
    """Return loss, validation AUC and learning rate, each by epoch."""
    table, kept = run.history, run.kept_epoch
    loss, val_auc, rate = (table[name].to_numpy() for name in ("loss", "val_auc", "learning_rate"))
    loss_alt = f"Training loss by epoch: {loss[0]:.3f} in the first, {loss[-1]:.3f} in the last."
    auc_alt = (
        f"AUC on the validation films by epoch: {val_auc[0]:.3f} in the first, {val_auc[kept - 1]:.3f} in epoch "
        f"{kept}, whose weights are kept."
    )
    blended = run.blended_auc
    if blended is not None:
        auc_alt += f" After they were blended with those of the start, it is {blended:.3f}."
    rate_alt = f"Learning rate by epoch: at most {rate.max():.2g}, {rate[-1]:.2g} in the last."
    return [
        embed_chart(lambda ax: plots.losses(table, ax), loss_alt),
        embed_chart(lambda ax: plots.history(table, ax, kept=kept, blended=blended), auc_alt),
        embed_chart(lambda ax: plots.learning_rates(table, ax), rate_alt),
    ]


def curve_charts(films: pd.DataFrame, evaluation: Evaluation) -> list[Picture]:
    """Return the ROC curve, and precision against recall, with the threshold as a dot.

    Parameters
    ----------
    films : DataFrame
        ``label``, ``score`` and ``patient_id`` of each film.
    evaluation : Evaluation
        How well the run does on these films.
    """
    labels, scores, patients, result = films["label"], films["score"], films["patient_id"], evaluation.performance
    threshold = result.threshold
    dot = f"The chosen threshold is at a sensitivity of {result.sensitivity.value:.2f}"
    return [
        embed_chart(
            lambda ax: plots.roc_curve(labels, scores, ax, patients=patients, threshold=threshold),
            f"ROC curve with an AUC of {evaluation.auc:.2f}. {dot} and a specificity of "
            f"{result.specificity.value:.2f}.",
        ),
        embed_chart(
            lambda ax: plots.precision_recall_curve(labels, scores, ax, threshold=threshold),
            f"Precision against recall. {dot} and a precision of {result.ppv.value:.2f}.",
        ),
    ]


def score_bars(films: pd.DataFrame) -> dict[int, list[tuple[int, float]]]:
    """Return the histogram of the scores of each class: label -> (number of the bar, its height) of each bar.

    The height is the fraction of the class's films, divided by the largest fraction of
    both classes, so it is at most 1. Bars without films are left out.

    Parameters
    ----------
    films : DataFrame
        ``label`` and ``score`` of each film, of both classes.
    """
    places = np.log10(np.clip(films["score"], LOWEST_SCORE, 1))
    edges = np.linspace(np.log10(LOWEST_SCORE), 0, NUM_BARS + 1)
    fractions = {label: np.histogram(places[films["label"] == label], edges)[0] for label in (1, 0)}
    fractions = {label: counts / counts.sum() for label, counts in fractions.items()}
    highest = max(heights.max() for heights in fractions.values())
    return {
        label: [(bar, float(height / highest)) for bar, height in enumerate(heights) if height > 0]
        for label, heights in fractions.items()
    }


def net_benefit_chart(films: pd.DataFrame, evaluation: Evaluation) -> Picture:
    """Return the decision curve, with the threshold as a dot.

    Parameters
    ----------
    films, evaluation
        As in `curve_charts`.
    """
    labels, scores, patients = films["label"], films["score"], films["patient_id"]
    threshold = evaluation.performance.threshold
    flag_all = decision_curve(labels, scores, thresholds=[threshold])["flag_all"].item()
    alt = (
        f"Net benefit against the threshold. At the chosen threshold it is {evaluation.net_benefit:.3f}. That of "
        f"flagging all films is {flag_all:.3f}, and that of flagging none is 0."
    )
    if threshold >= 1:
        alt = "Net benefit against the threshold. It is not defined at the chosen threshold, 1."
    return embed_chart(lambda ax: plots.decision_curve(labels, scores, ax, patients=patients, threshold=threshold), alt)


def calibration_chart(films: pd.DataFrame) -> tuple[Picture, pd.DataFrame]:
    """Return the reliability diagram, and the table that it draws (`cxrlib.evaluation.reliability`).

    Parameters
    ----------
    films : DataFrame
        ``label``, ``score`` and ``patient_id`` of each film.
    """
    bins = int(np.clip(len(films) // MIN_FILMS_A_BIN, 2, MAX_BINS))
    table = reliability(films["label"], films["score"], films["patient_id"], bins=bins)
    (low_score, low), (high_score, high) = table[["score", "fraction"]].iloc[[0, -1]].to_numpy()
    alt = (
        f"Fraction with the finding against the mean score, in {bins} groups of films from the lowest scores "
        f"({low_score:.2f}: {low:.2f}) to the highest ({high_score:.2f}: {high:.2f})."
    )
    return embed_chart(lambda ax: plots.reliability(table, ax), alt), table
