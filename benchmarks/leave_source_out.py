"""Train on real films of some sources, and score films of another source.

    python benchmarks/leave_source_out.py SOURCE OUT [--recipe default] [--seeds 3] [--folds 5]

SOURCE is in NIH's layout with a ``sources.csv`` (image, group). Outside
``one-per-patient``, nearly every effusion comes from one source. Every film without an
effusion comes from another. There, a network gains by recognising the source. So there
are two tasks:

- *others*: train on the other groups, score one-per-patient;
- *one-per-patient*: train on it, score the other groups, within AP and within PA.

The group ``singles`` is left out of both, and no patient is on both sides. With
``--folds``, the recipe is also cross-validated by patient on all films.

Each training gives several networks: the *start*, the *trained* network (blend = 1), and
the *blended* one (the recipe's blend). If there are several seeds, *average* is the
mean of their trained weights. OUT keeps the runs, so a second call continues where the
first stopped. Each scoring becomes a row of ``benchmarks/looks.csv``. OUT gets
``aucs.csv`` and ``calibration.csv``.
"""

import datetime
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from cross_validate import draw_folds, split_fold, with_groups
from scipy.special import expit, logit
from transfer import HELD_OUT_GROUP, record_look

from cxrlib.cohorts.cohort import Cohort, read_cohort
from cxrlib.cohorts.preparation import prepare
from cxrlib.evaluation.calibration import fit_sigmoid
from cxrlib.evaluation.intervals import half_width, interval_from_influence
from cxrlib.evaluation.roc_auc import auc, auc_and_influence, auc_interval
from cxrlib.files import write_csv
from cxrlib.model.network import predict_logits
from cxrlib.model.recipe import Recipe, find_recipe
from cxrlib.model.session import start_session
from cxrlib.phantom.simulation import VERSION
from cxrlib.training.batches import load_images
from cxrlib.training.fitting import blend_weights, train
from cxrlib.training.run import open_run
from cxrlib.training.start import read_start

LOOK_COLUMNS = ("AP", "PA", HELD_OUT_GROUP)
"""The columns of looks.csv that hold AUCs: AP and PA of the other groups, and the held-out group."""

SAMPLES = 500
"""Bootstrap samples of patients for an interval of the calibration."""

Weights = list[np.ndarray]
"""The weights of a network, as ``model.get_weights()`` returns them."""


@dataclass(frozen=True)
class Task:
    """Films to train on and films to score.

    Attributes
    ----------
    name : str
        What the network is trained on.
    parts : list of Cohort
        Cohorts with a split. Their test films are scored. Several parts are the folds of a
        cross-validation.
    """

    name: str
    parts: list[Cohort]


def main(
    source: Path,
    out: Path,
    recipe: Annotated[str, typer.Option(help="default or a .json file")] = "default",
    seeds: Annotated[int, typer.Option(help="trainings for each of the two tasks")] = 3,
    folds: Annotated[int, typer.Option(help="also cross-validate with this number of folds")] = 0,
    fold_seeds: Annotated[int, typer.Option(help="trainings for each fold")] = 1,
    note: Annotated[str, typer.Option(help="what is tried, for looks.csv")] = "",
) -> None:
    """Train, score, and print AUCs, paired differences and calibration."""
    chosen, cohort = find_recipe(recipe), with_groups(read_cohort(prepare(source, out / "cohort").folder), source)
    start = read_start(chosen).weights
    if start is None:
        raise typer.BadParameter(f"{recipe} starts from random weights; it must start from trained weights")
    digest = hashlib.sha256(b"".join(weights.tobytes() for weights in start)).hexdigest()
    folder = out / f"{chosen.name}-{digest[:8]}"  # other starting weights are another folder
    tasks = [(task, seeds) for task in leave_source_out(cohort)]
    if folds:
        parts = [split_fold(cohort, rows) for rows in draw_folds(cohort, folds, 0)]
        tasks.append((Task(f"{folds} folds", parts), fold_seeds))
    aucs, calibrations = [], []
    for task, num_seeds in tasks:
        scores = score_task(task, folder, chosen, start, num_seeds, note or chosen.name)
        aucs += measure_aucs(task, scores)
        write_csv(out / "aucs.csv", pd.DataFrame(aucs).round(4))
        calibrations += measure_calibration(task, scores)
        write_csv(out / "calibration.csv", pd.DataFrame(calibrations).round(4))
    typer.echo(pd.DataFrame(aucs).round(3).to_string(index=False))
    typer.echo(pd.DataFrame(calibrations).round(3).to_string(index=False))


def leave_source_out(cohort: Cohort) -> Iterator[Task]:
    """Yield the two tasks. Each trains on the films that the other scores."""
    films = cohort.table[cohort.table["group"] != "singles"]
    is_held_out = films["group"] == HELD_OUT_GROUP
    for name, is_scored in (("others", is_held_out), (HELD_OUT_GROUP, ~is_held_out)):
        is_known = ~is_scored & films["patient_id"].isin(films.loc[is_scored, "patient_id"])
        table = films[~is_known].reset_index(drop=True)
        rows = np.flatnonzero(is_scored[~is_known])
        yield Task(name, [split_fold(replace(cohort, table=table), rows)])


def score_task(task: Task, folder: Path, recipe: Recipe, start: Weights, num_seeds: int, note: str) -> pd.DataFrame:
    """Return the validation and test films with a logit for each seed and network.

    Returns
    -------
    DataFrame
        path, split, label, patient_id, view, group, part, seed, network and logit.
    """
    tables = []
    for part, cohort in enumerate(task.parts):
        runs = [folder / f"{task.name}-{part}-{seed}".replace(" ", "-") for seed in range(num_seeds)]
        for seed, run in enumerate(runs):
            table = score_training(cohort, run, replace(recipe, seed=seed), start)
            tables.append(table.assign(part=part, seed=str(seed)))
        if num_seeds > 1 and len(task.parts) == 1:
            table = score_average(cohort, runs, recipe, start)
            tables.append(table.assign(part=part, seed="average"))
    scores = pd.concat(tables, ignore_index=True)
    for seed, table in scores.groupby("seed"):
        name = f"looks-{task.name}-{f'average-{num_seeds}' if seed == 'average' else seed}.csv".replace(" ", "-")
        if not (folder / name).exists():
            rows = list(describe_looks(task, table, recipe, note))
            for row in rows:
                record_look(row)
            write_csv(folder / name, pd.DataFrame(rows))
    return scores


def score_training(cohort: Cohort, folder: Path, recipe: Recipe, start: Weights) -> pd.DataFrame:
    """Train once, unblended, and return the logits of start, blended and trained network."""
    if not (folder / "logits.csv").exists():
        start_session(recipe.seed)
        run = train(cohort, folder, replace(recipe, blend=1.0), resume=True)
        trained = run.model.get_weights()
        networks = {"start": start, "blended": blend_weights(start, trained, recipe.blend), "trained": trained}
        write_csv(folder / "logits.csv", score_networks(cohort, run.model, networks, recipe))
    return pd.read_csv(folder / "logits.csv", dtype={"patient_id": str})


def score_average(cohort: Cohort, folders: list[Path], recipe: Recipe, start: Weights) -> pd.DataFrame:
    """Return the logits of the mean of the trained weights of several seeds, and of it blended with the start."""
    path = folders[0] / f"logits-average-{len(folders)}.csv"
    if not path.exists():
        runs = [open_run(folder) for folder in folders]
        mean = [np.mean(arrays, axis=0) for arrays in zip(*(run.model.get_weights() for run in runs), strict=True)]
        networks = {"blended": blend_weights(start, mean, recipe.blend), "trained": mean}
        write_csv(path, score_networks(cohort, runs[0].model, networks, recipe))
    return pd.read_csv(path, dtype={"patient_id": str})


def score_networks(cohort: Cohort, model, networks: dict[str, Weights], recipe: Recipe) -> pd.DataFrame:
    """Return the validation and test films with the logit of each network, one row for each pair."""
    table = cohort.table[cohort.table["split"] != "train"]
    table = table[["path", "split", "label", "patient_id", "view", "group"]]
    images = load_images([cohort.folder / path for path in table["path"]], size=recipe.size)
    tables = []
    for name, weights in networks.items():
        model.set_weights(weights)
        tables.append(table.assign(network=name, logit=predict_logits(model, images, mirror=recipe.mirror)))
    return pd.concat(tables, ignore_index=True)


def subsets_of(task: Task, films: pd.DataFrame) -> dict[str, pd.Series]:
    """Return which films to report on: one-per-patient, and AP and PA of the other groups."""
    is_held_out = films["group"] == HELD_OUT_GROUP
    subsets = {HELD_OUT_GROUP: is_held_out} | {view: ~is_held_out & (films["view"] == view) for view in ("AP", "PA")}
    if len(task.parts) > 1:
        subsets |= {"AP, all": films["view"] == "AP", "PA, all": films["view"] == "PA", "all": films["label"] >= 0}
    return {name: chosen for name, chosen in subsets.items() if chosen.any()}


def describe_looks(task: Task, scores: pd.DataFrame, recipe: Recipe, note: str) -> Iterator[dict]:
    """Yield a row of looks.csv for each network that was scored with one seed. Start is the same for all seeds."""
    seed, trained = scores["seed"].iloc[0], [int((part.table["split"] == "train").sum()) for part in task.parts]
    settings = {"date": datetime.date.today().isoformat(), "version": VERSION, "films": sum(trained) // len(trained)}
    settings |= {"size": recipe.size, "width": recipe.width, "epochs": recipe.epochs}
    settings["seed"] = "" if seed == "average" else seed
    for network, films in scores.groupby("network", sort=False):
        if network == "start" and seed != "0":
            continue
        test, val = films[films["split"] == "test"], films[films["split"] == "val"]
        row = settings | {"val": np.mean([auc(part["label"], part["logit"]) for _, part in val.groupby("part")])}
        for name, chosen in subsets_of(task, test).items():
            if name in LOOK_COLUMNS:
                part = test[chosen]
                whole = auc_interval(part["label"], part["logit"], part["patient_id"])
                row |= {name: whole.value} | ({"low": whole.low, "high": whole.high} if name == HELD_OUT_GROUP else {})
        kind = f"{network}, average of the seeds" if seed == "average" else network
        yield row | {"note": f"{note}, trained on real films ({task.name}): {kind}"}


def measure_aucs(task: Task, scores: pd.DataFrame) -> list[dict]:
    """Return AUCs with their intervals, and the paired differences to trained and start, for each seed and network.

    The seed "mean" is the mean AUC of all seeds. The intervals allow for several films
    of a patient, and not for the choice of the seeds.
    """
    test, rows = scores[scores["split"] == "test"], []
    logits = test.pivot_table(index="path", columns=["seed", "network"], values="logit", sort=False)
    films = test.drop_duplicates("path").set_index("path").loc[logits.index]
    seeds = [seed for seed in logits.columns.unique("seed") if seed != "average"]
    for subset, chosen in subsets_of(task, films).items():
        labels, patients = films.loc[chosen, "label"].to_numpy(), films.loc[chosen, "patient_id"]
        found = {pair: auc_and_influence(labels, logits.loc[chosen, pair].to_numpy()) for pair in logits.columns}
        for network in ("blended", "trained"):
            each = [found[seed, network] for seed in seeds]
            found["mean", network] = tuple(np.mean(part, axis=0) for part in zip(*each, strict=True))
        for (seed, network), (value, influence) in found.items():
            if network == "start" and seed != "0":  # the same network
                continue
            whole = interval_from_influence(labels, value, influence, patients)
            row = {"trained on": task.name, "films": subset, "n": len(labels), "effusions": labels.sum()}
            row |= {"seed": "" if network == "start" else seed, "network": network}
            row |= {"auc": whole.value, "low": whole.low, "high": whole.high}
            others = {"start": ("0", "start"), "trained": ("mean" if seed == "average" else seed, "trained")}
            for name, other in others.items():
                half = half_width(labels, influence - found[other][1], patients)
                if network != "start" and half is not None:  # None: the same network
                    gain = value - found[other][0]
                    row |= {f"over {name}": gain, f"{name} low": gain - half, f"{name} high": gain + half}
            rows.append(row)
    return rows


def measure_calibration(task: Task, scores: pd.DataFrame) -> list[dict]:
    """Return slope, intercept and Brier score of each network: means over the seeds, with bootstrap intervals.

    The logits are first corrected to the prevalence of the films that are scored. If scores
    are true probabilities, the slope is 1 and the intercept 0 (Cox, Biometrika 1958).
    The bootstrap draws patients.
    """
    test, rows = scores[(scores["split"] == "test") & (scores["seed"] != "average")], []
    for network, films in test.groupby("network", sort=False):
        rng, patients = np.random.default_rng(0), films["patient_id"].unique()
        figures = [calibration_of(films, np.ones(len(films)))]
        for _ in range(SAMPLES):
            times = pd.Series(rng.choice(patients, len(patients))).value_counts()
            figures.append(calibration_of(films, films["patient_id"].map(times).fillna(0).to_numpy()))
        row = {"trained on": task.name, "network": network, "n": films["path"].nunique()}
        ends = np.quantile(figures[1:], (0.025, 0.975), axis=0)
        for name, value, low, high in zip(("slope", "intercept", "brier"), figures[0], *ends, strict=True):
            row |= {name: value, f"{name} low": low, f"{name} high": high}
        rows.append(row)
    return rows


def calibration_of(films: pd.DataFrame, counts: np.ndarray) -> np.ndarray:
    """Return slope, intercept and Brier score, (3,), as means over the seeds. Each film counts `counts` times."""
    found = []
    for rows in films.reset_index(drop=True).groupby("seed").indices.values():
        labels, count = films["label"].to_numpy()[rows], counts[rows]
        # the network's logit is that of equally frequent classes, because the weight of the loss is balanced
        logits = films["logit"].to_numpy()[rows] + logit(np.average(labels, weights=count))
        slope, intercept = fit_sigmoid(labels, logits, count)
        brier = np.average((expit(logits) - labels) ** 2, weights=count)
        found.append((slope, intercept, brier))
    return np.mean(found, axis=0)


if __name__ == "__main__":
    typer.run(main)
