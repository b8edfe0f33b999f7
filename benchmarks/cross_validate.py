"""Cross-validate recipes on NIH films, with k folds grouped by patient.

    python benchmarks/cross_validate.py SOURCE OUT --recipe default --recipe classic

SOURCE is in NIH's layout. If it holds a ``sources.csv`` (image, group), AUCs are
also given by group. The patients of each fold are scored by a network that never
saw them. Of the other patients, 15 % are for validation and the rest train.
Validation chooses the threshold and, where the recipe keeps the best epoch, the
epoch. OUT keeps the runs, so a second call continues where the first stopped. OUT
gets ``scores.csv`` (out of fold) and ``folds.csv`` (an AUC for each fold and subset).
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from sklearn.model_selection import StratifiedGroupKFold
from tqdm import tqdm

from cxrlib.cohorts.cohort import Cohort, read_cohort
from cxrlib.cohorts.preparation import prepare
from cxrlib.cohorts.split import draw_stratified_split
from cxrlib.evaluation.roc_auc import auc, auc_difference, auc_interval
from cxrlib.files import write_csv
from cxrlib.model.backend import keras, tf
from cxrlib.model.recipe import find_recipe
from cxrlib.training.fitting import train


def main(
    source: Path,
    out: Path,
    recipe: Annotated[list[str], typer.Option(help="default, classic or a .json file; may be repeated")],
    folds: int = 5,
    seed: Annotated[int, typer.Option(help="of the folds")] = 0,
    train_seed: Annotated[int, typer.Option(help="of weights, shuffling and augmentation")] = 0,
    start: Annotated[str, typer.Option(help="simulated, a run or FILE.keras: train from there as well")] = "",
    start_epochs: Annotated[int | None, typer.Option(help="epochs of the trainings from those weights")] = None,
    only: Annotated[int, typer.Option(help="run the first N folds only, to screen a recipe")] = 0,
) -> None:
    """Cross-validate recipes by patient and print their AUCs."""
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(train_seed)
    cohort = read_cohort(prepare(source, out / "cohort").folder)
    cohort = with_groups(cohort, source)
    tables, scores_of_recipes = [], []
    for name, origin in ((name, origin) for name in recipe for origin in (["", start] if start else [""])):
        label = Path(name).stem + ("-pretrained" if origin else "")
        changes = {"start": origin, "epochs": start_epochs} if origin else {}
        chosen = find_recipe(name, seed=train_seed, **changes)
        scores = [
            score_fold(cohort, out / f"{label}-fold{seed}.{fold}of{folds}-seed{train_seed}", chosen, rows, fold)
            for fold, rows in enumerate(draw_folds(cohort, folds, seed)[: only or folds])
        ]
        scores = pd.concat(scores, ignore_index=True).assign(recipe=label)
        write_csv(out / f"scores-{label}.csv", scores)
        tables.append(summarize(scores))
        scores_of_recipes.append(scores)
    summary = pd.concat(tables, ignore_index=True)
    write_csv(out / "folds.csv", summary)
    typer.echo(summary.round(3).to_string(index=False))
    first, *others = scores_of_recipes
    for other in others:
        typer.echo(f"\n{first['recipe'][0]} - {other['recipe'][0]}, paired, by patient:")
        typer.echo(compare_scores(first, other).round(3).to_string(index=False))


def with_groups(cohort: Cohort, source: Path) -> Cohort:
    """Add the column ``group`` from sources.csv, where there is one."""
    if not (source / "sources.csv").is_file():
        return cohort
    groups = pd.read_csv(source / "sources.csv").set_index("image")["group"]
    names = cohort.table["path"].map(lambda path: Path(path).name)
    return Cohort(cohort.folder, cohort.finding, cohort.table.assign(group=names.map(groups)))


def draw_folds(cohort: Cohort, folds: int, seed: int) -> list[np.ndarray]:
    """Return the rows of each fold. A patient is in one fold; labels and groups are as frequent in each fold."""
    table = cohort.table
    strata = table["label"].astype(str) + table.get("group", pd.Series("", table.index)).astype(str)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return [rows for _, rows in splitter.split(table, strata, table["patient_id"])]


def score_fold(cohort: Cohort, folder: Path, recipe, rows: np.ndarray, fold: int) -> pd.DataFrame:
    """Train without the patients of the fold, and score their films."""
    bar = tqdm(total=recipe.epochs, desc=folder.name, unit="epoch")
    show = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: (bar.update(), bar.set_postfix(logs)))
    run = train(split_fold(cohort, rows), folder, recipe, resume=True, callbacks=(show,))
    bar.close()
    test = run.scores[run.scores["split"] == "test"].drop(columns=["patient_id", "split"])
    columns = [column for column in ("path", "patient_id", "view", "group") if column in cohort.table]
    return test.merge(cohort.table[columns], on="path").assign(fold=fold)


def split_fold(cohort: Cohort, rows: np.ndarray) -> Cohort:
    """Return the cohort split anew: these rows are the test, and 15 % of the other patients are for validation."""
    table = cohort.table.copy()
    table["split"] = "test"
    rest = np.setdiff1d(np.arange(len(table)), rows)
    table.loc[rest, "split"] = draw_stratified_split(
        table.loc[rest, "patient_id"], table.loc[rest, "label"], fractions=(0.85, 0.15, 0.0)
    )
    return replace(cohort, table=table)


def subsets_of(scores: pd.DataFrame) -> dict[str, pd.Series]:
    """Return which rows belong to each subset: all films, a view, a group."""
    subsets = {"all": scores.index == scores.index}
    for column in ("view", "group"):
        if column in scores:
            subsets |= {name: scores[column] == name for name in sorted(scores[column].dropna().unique())}
    return subsets


def compare_scores(scores: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Return, for each subset, the difference of the two pooled AUCs on the same films, with its paired interval."""
    both = scores.merge(other[["path", "score"]], on="path", suffixes=("", "_other"))
    rows = []
    for subset, chosen in subsets_of(both).items():
        part = both[chosen]
        if part["label"].nunique() == 2:
            gain = auc_difference(part["label"], part["score"], part["score_other"], part["patient_id"])
            rows.append(
                {"subset": subset, "n": len(part), "difference": gain.value, "low": gain.low, "high": gain.high}
            )
    return pd.DataFrame(rows)


def summarize(scores: pd.DataFrame) -> pd.DataFrame:
    """Return, for each subset of films, the AUC of each fold, their mean, and the pooled AUC."""
    rows = []
    for subset, chosen in subsets_of(scores).items():
        part = scores[chosen]
        by_fold = [auc(f["label"], f["score"]) for _, f in part.groupby("fold") if f["label"].nunique() == 2]
        if len(by_fold) < part["fold"].nunique():
            continue
        pooled = auc_interval(part["label"], part["score"], part["patient_id"])
        row = {"recipe": part["recipe"].iloc[0], "subset": subset, "n": len(part), "finding": int(part["label"].sum())}
        row |= {f"fold_{i}": value for i, value in enumerate(by_fold)}
        row |= {"mean": np.mean(by_fold), "pooled": pooled.value, "low": pooled.low, "high": pooled.high}
        rows.append(row)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    typer.run(main)
