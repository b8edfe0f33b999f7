"""Try changes to `default` on real films. Each trial is cross-validated by patient.

    python benchmarks/trials.py SOURCE OUT screen NAME ...    # folds of seed 1, one training seed
    python benchmarks/trials.py SOURCE OUT confirm NAME ...   # folds of seed 0, two training seeds

A trial is a set of changes to `default` (TRIALS below), or several trials whose
logits are averaged (ENSEMBLES). With "+mirror" after its name, a film is scored
together with its mirror image. Two folds are trained at a time, on one thread each.
OUT keeps the runs, so a second call continues where the first stopped. It gets the
out-of-fold scores. trials.csv in this folder gets the AUCs and, for each trial, the
paired difference to the BASE of its stage on the same films, with its 95 %
interval, clustered by patient.
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}  # for the two processes

import numpy as np
import pandas as pd
import typer
from joblib import Parallel, delayed
from tqdm import tqdm

from cxrlib.cohorts.cohort import Cohort, read_cohort
from cxrlib.cohorts.preparation import prepare
from cxrlib.evaluation.roc_auc import auc, auc_difference, auc_interval
from cxrlib.files import write_csv
from cxrlib.model.recipe import find_recipe

BASE = {"screen": "scratch, 96 px", "confirm": "scratch"}
SCRATCH = {"start": "scratch", "size": 128, "epochs": 40, "precision": "float32"}
FAST = SCRATCH | {"precision": "bfloat16"}
PRETRAINED = FAST | {"start": "simulated", "epochs": 15, "blend": 1.0}
TRIALS: dict[str, dict] = {
    "scratch, float32, 96 px": SCRATCH | {"size": 96},
    "scratch, 96 px": FAST | {"size": 96},
    "simulated, 96 px": PRETRAINED | {"size": 96},
    "simulated, 96 px, a quarter of the rate": PRETRAINED | {"size": 96, "learning_rate": 5e-4},
    "scratch": FAST,
    "simulated, 128 px": PRETRAINED,
    "simulated, 160 px": PRETRAINED | {"size": 160},
    "simulated, 192 px": PRETRAINED | {"size": 192},
}
ENSEMBLES = {"scratch and simulated, 96 px": ("scratch, 96 px", "simulated, 96 px")}
TABLE = Path(__file__).with_name("trials.csv")
Stage = StrEnum("Stage", ["screen", "confirm"])


def main(
    source: Path,
    out: Path,
    stage: Stage,
    names: Annotated[list[str], typer.Argument(help="trials; the one that they are compared with comes first")],
) -> None:
    """Train, score out of fold, and write the table."""
    cohort = prepare_films(source, out)
    seeds = (0,) if stage == Stage.screen else (0, 1)
    for seed in seeds:
        plain = dict.fromkeys(name.removesuffix("+mirror") for name in names)
        jobs = [(name, fold) for name in plain if name in TRIALS for fold in range(5)]
        calls = (delayed(train_fold)(source, out, stage, name, fold, seed) for name, fold in jobs)
        for _ in tqdm(Parallel(2, return_as="generator")(calls), total=len(jobs), desc=f"{stage}, seed {seed}"):
            pass
    rows = [row for name in names for seed in seeds for row in compare_with_base(out, cohort, stage, name, seed)]
    kept = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame()
    table = pd.concat([kept, pd.DataFrame(rows)], ignore_index=True)
    table = table.drop_duplicates(["stage", "trial", "seed", "films"], keep="last", ignore_index=True)
    write_csv(TABLE, table.round(4))
    typer.echo(pd.DataFrame(rows).round(3).to_string(index=False))


def prepare_films(source: Path, out: Path) -> Cohort:
    """Return the real films at 256 px, with their groups."""
    from cross_validate import with_groups

    return with_groups(read_cohort(prepare(source, out / "cohort").folder), source)


def train_fold(source: Path, out: Path, stage: str, name: str, fold: int, seed: int) -> None:
    """Train without the patients of one fold. Keep the logits of their films and of the mirrored films."""
    from cross_validate import draw_folds, split_fold

    from cxrlib.model.network import predict_logits
    from cxrlib.model.session import start_session
    from cxrlib.training.batches import load_images
    from cxrlib.training.fitting import train

    start_session(seed)
    cohort = prepare_films(source, out)
    changes = {"seed": seed} | TRIALS[name]
    recipe = find_recipe("default", **changes)
    rows = draw_folds(cohort, 5, 1 if stage == Stage.screen else 0)[fold]
    folder = training_folder(out, stage, name, seed, fold)
    if (folder / "fold.csv").exists():
        return
    run = train(split_fold(cohort, rows), folder, recipe, resume=True)
    test = cohort.table.iloc[rows].reset_index(drop=True)
    images = load_images([cohort.folder / path for path in test["path"]], size=recipe.size)
    logits = {"logit": predict_logits(run.model, images), "mirrored": predict_logits(run.model, images[:, :, ::-1])}
    write_csv(folder / "fold.csv", test[["path"]].assign(fold=fold, **logits))


def training_folder(out: Path, stage: str, name: str, seed: int, fold: int) -> Path:
    """Return the folder of one training."""
    return out / stage / f"{name.replace(' ', '-').replace(',', '')}-{seed}-{fold}"


def out_of_fold(out: Path, cohort: Cohort, stage: str, name: str, seed: int) -> pd.DataFrame:
    """Return the films with the logits of a trial. Each film is scored by the network that never saw its patient."""
    mirrored = name.endswith("+mirror")
    members = ENSEMBLES.get(name.removesuffix("+mirror"), (name.removesuffix("+mirror"),))
    logits = []
    for member in members:
        files = [training_folder(out, stage, member, seed, fold) / "fold.csv" for fold in range(5)]
        table = pd.concat([pd.read_csv(file) for file in files]).set_index("path")
        logits.append((table["logit"] + table["mirrored"]) / 2 if mirrored else table["logit"])
    fold = table["fold"]
    return cohort.table.assign(
        logit=cohort.table["path"].map(sum(logits) / len(logits)), fold=cohort.table["path"].map(fold)
    )


def compare_with_base(out: Path, cohort: Cohort, stage: str, name: str, seed: int) -> list[dict]:
    """Return a row for each subset of films: the AUCs of the trial, and its difference to BASE."""
    from cross_validate import subsets_of

    ours = out_of_fold(out, cohort, stage, name, seed)
    try:
        base = out_of_fold(out, cohort, stage, BASE[stage], seed)
    except FileNotFoundError:  # BASE was not trained with this seed
        base = None
    rows = []
    for films, chosen in subsets_of(ours).items():
        part = ours[chosen]
        label, patient = part["label"], part["patient_id"]
        if films == "singles" or label.nunique() < 2:  # some groups hold one class only
            continue
        mean = np.mean([auc(f["label"], f["logit"]) for _, f in part.groupby("fold")])
        pooled = auc_interval(label, part["logit"], patient)
        row = {"stage": str(stage), "trial": name, "seed": seed, "films": films, "n": len(part), "mean": mean}
        row |= {"pooled": pooled.value, "low": pooled.low, "high": pooled.high}
        if base is not None:
            gain = auc_difference(label, part["logit"], base.loc[chosen, "logit"], patient)
            row |= {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
        rows.append(row)
    return rows


if __name__ == "__main__":
    typer.run(main)
