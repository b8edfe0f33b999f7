"""The charts of a run's page, each with words that say what it shows."""

import numpy as np
import pandas as pd

from cxrlib import embed, plots
from cxrlib.calibration import reliability
from cxrlib.performance import Evaluation
from cxrlib.run import Run

BINS, FEWEST = 8, 10
"""Groups of films in a reliability diagram, and films in each of them at least."""


def training(run: Run) -> list[embed.Picture]:
    """Return loss, AUC on val and learning rate by epoch."""
    table, kept = run.history, run.kept_epoch
    first, last = table.iloc[0], table.iloc[-1]
    auc = table["val_auc"][table["epoch"] == kept].iloc[0]
    rates = table["learning_rate"]
    return [
        embed.chart(
            lambda ax: plots.losses(table, ax),
            f"Training loss by epoch: {first['loss']:.3f} in the first, {last['loss']:.3f} in the last.",
        ),
        embed.chart(
            lambda ax: plots.history(table, ax, kept=kept),
            f"AUC on the validation films by epoch: {first['val_auc']:.3f} in the first, {auc:.3f} in epoch {kept}, "
            "whose weights are kept.",
        ),
        embed.chart(
            lambda ax: plots.learning_rates(table, ax),
            f"Learning rate by epoch: at most {rates.max():.2g}, {rates.iloc[-1]:.2g} in the last.",
        ),
    ]


def curves(table: pd.DataFrame, made: Evaluation) -> list[embed.Picture]:
    """Return the ROC curve, and precision against recall, with the threshold as a dot.

    Parameters
    ----------
    table : DataFrame
        label, score and patient_id of each film.
    """
    labels, scores, patients = table["label"], table["score"], table["patient_id"]
    at, threshold = made.performance, made.performance.threshold
    where = f"The chosen threshold is at a sensitivity of {at.sensitivity.value:.2f}"
    return [
        embed.chart(
            lambda ax: plots.roc_curve(labels, scores, ax, patients=patients, threshold=threshold),
            f"ROC curve with an AUC of {made.auc:.2f}. {where} and a specificity of {at.specificity.value:.2f}.",
        ),
        embed.chart(
            lambda ax: plots.precision_recall_curve(labels, scores, ax, threshold=threshold),
            f"Precision against recall. {where} and a precision of {at.ppv.value:.2f}.",
        ),
    ]


def calibration(table: pd.DataFrame) -> dict:
    """Return the reliability diagram, its rows, the mean score and the share with the finding."""
    labels, scores, patients = table["label"], table["score"], table["patient_id"]
    bins = int(np.clip(len(labels) // FEWEST, 2, BINS))
    rows = reliability(labels, scores, patients, bins=bins)
    alt = (
        f"Share with the finding against the mean score, in {bins} groups of films from the lowest scores "
        f"({rows['score'].iloc[0]:.2f}: {rows['share'].iloc[0]:.2f}) to the highest "
        f"({rows['score'].iloc[-1]:.2f}: {rows['share'].iloc[-1]:.2f})."
    )
    picture = embed.chart(lambda ax: plots.reliability(rows, ax), alt)
    return {"picture": picture, "rows": rows.to_dict("records"), "mean": scores.mean(), "share": labels.mean()}
