"""Train on simulated films only, and score real ones.

    python benchmarks/transfer.py SOURCE OUT [--seeds 3] [--look]

SOURCE is in NIH's layout with a ``sources.csv`` (image, group). The settings of the
simulator are chosen by the AUCs within AP and within PA, over the groups other than
``one-per-patient``. With ``--look`` this held-out group is scored too, and each
such look becomes a row of ``benchmarks/looks.csv``. The network is that of the last
epoch, so no real film chooses anything. OUT keeps films and runs, so a second call
continues where the first stopped.
"""

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from cross_validate import with_groups
from tqdm import tqdm

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.preparation import prepare
from cxrlib.evaluation.roc_auc import auc, auc_interval
from cxrlib.evaluation.seeds import mean_interval
from cxrlib.files import csv_text, write_csv, write_text
from cxrlib.model.backend import keras, tf
from cxrlib.model.recipe import find_recipe
from cxrlib.phantom.simulation import VERSION, simulate
from cxrlib.training.fitting import train

HELD_OUT_GROUP = "one-per-patient"
LOOKS = Path(__file__).with_name("looks.csv")


def main(
    source: Path,
    out: Path,
    films: Annotated[int, typer.Option(help="simulated films to train on")] = 4000,
    prevalence: float = 0.4,
    comorbidity: float = 0.0,
    recipe: str = "default",
    epochs: Annotated[int | None, typer.Option()] = None,
    size: Annotated[int | None, typer.Option()] = None,
    width: Annotated[int | None, typer.Option()] = None,
    seeds: Annotated[int, typer.Option(help="trainings, each on films and weights of its own")] = 1,
    first_seed: int = 0,
    note: Annotated[str, typer.Option(help="what is tried, for looks.csv")] = "",
    look: Annotated[bool, typer.Option("--look", help="score one-per-patient, and say so in looks.csv")] = False,
) -> None:
    """Train on simulation, score real films, print AUCs within AP and within PA."""
    tf.config.experimental.enable_op_determinism()
    chosen = find_recipe(recipe, epochs=epochs, size=size, width=width, start="scratch")
    real = with_groups(read_cohort(prepare(source, out / "real").folder), source)
    rows = []
    for seed in range(first_seed, first_seed + seeds):
        run = train_on_simulation(out, chosen, seed, films, prevalence, comorbidity)
        table = real.table.assign(score=run.score_cohort(real))
        write_csv(run.folder / "real.csv", table)
        rows.append({"seed": seed, "val": run.history["val_auc"].iloc[-1]} | measure_aucs(table, look=look))
        typer.echo(pd.DataFrame(rows[-1:]).round(3).to_string(index=False))
        if look:
            settings = {"films": films, "size": chosen.size, "width": chosen.width, "epochs": chosen.epochs}
            settings |= {"comorbidity": comorbidity}
            record_look(
                {"date": datetime.date.today().isoformat(), "version": VERSION} | settings | rows[-1] | {"note": note}
            )
    for name in [name for name in rows[0] if name not in ("seed", "val", "low", "high")]:
        values = [row[name] for row in rows]
        summary = mean_interval(values) if len(values) > 1 else f"{values[0]:.3f}"
        typer.echo(f"{name}: {summary}, {len(values)} trainings")


def train_on_simulation(out: Path, recipe, seed: int, films: int, prevalence: float, comorbidity: float):
    """Simulate films and train on them. Films and run are kept."""
    cohort = out / f"films-v{VERSION}-{films}-{prevalence:g}-{comorbidity:g}-{recipe.size}px-{seed}"
    if not cohort.exists():
        simulate(
            cohort,
            films=films,
            prevalence=prevalence,
            comorbidity=comorbidity,
            size=recipe.size,
            seed=1000 + seed,
            progress=lambda items, total: tqdm(items, total=total, desc="simulating"),
        )
    keras.utils.set_random_seed(seed)
    recipe = replace(recipe, seed=seed)
    folder = out / f"run-{cohort.name}-w{recipe.width}-e{recipe.epochs}"
    bar = tqdm(total=recipe.epochs, desc=folder.name, unit="epoch")
    show = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: (bar.update(), bar.set_postfix(logs)))
    run = train(read_cohort(cohort), folder, recipe, resume=True, callbacks=(show,))
    bar.close()
    return run


def measure_aucs(table: pd.DataFrame, *, look: bool) -> dict[str, float]:
    """Return the AUCs within AP and within PA of the other groups and, with `look`, that of the held-out group."""
    is_held_out = table["group"] == HELD_OUT_GROUP
    parts = {view: table[~is_held_out & (table["view"] == view)] for view in ("AP", "PA")}
    aucs = {name: auc(part["label"], part["score"]) for name, part in parts.items()}
    if look:
        part = table[is_held_out]
        whole = auc_interval(part["label"], part["score"], part["patient_id"])
        aucs |= {HELD_OUT_GROUP: whole.value, "low": whole.low, "high": whole.high}
    return aucs


def record_look(row: dict) -> None:
    """Add a row to looks.csv, the list of looks at the held-out group."""
    text = LOOKS.read_bytes().decode()  # so the rows that are there keep their line ends
    columns = text.splitlines()[0].split(",")
    write_text(LOOKS, text + csv_text(pd.DataFrame([row], columns=columns).round(4)).partition("\n")[2])


if __name__ == "__main__":
    typer.run(main)
