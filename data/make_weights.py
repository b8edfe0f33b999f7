"""Make the weights that come with the library: ``make weights`` (ten minutes on two cores).

The script simulates films, trains a network on them and chooses the operating
point on simulated validation films. No film of a patient is used. It writes the
folder of the library's weights: a run whose network is stored in half precision.
Films and run are kept in build/weights, so a second call continues where the
first stopped.
"""

import hashlib
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import typer

from cxrlib.cli.progress import Console
from cxrlib.cohorts.cohort import read_cohort
from cxrlib.files import read_json, write_csv, write_text
from cxrlib.model.recipe import Recipe, recipe_text
from cxrlib.model.session import start_session
from cxrlib.phantom.simulation import VERSION, simulate
from cxrlib.training.manifest import write_manifest
from cxrlib.training.origin import Origin, write_origin
from cxrlib.training.run import OPERATING_POINT, SIMULATED, open_run

FILMS: dict[str, Any] = {"films": 8_000, "prevalence": 0.4, "comorbidity": 1.0, "seed": 1001}
"""Chosen: an effusion on 4 in 10 films, and other diseases as ChestX-ray14 files them. The course uses no film of
this seed. More films, more pixels or more epochs scored real films worse (benchmarks/README.md)."""

TRAINING_SIZE = 96
"""Side of the training films in pixels. Real films scored better if the network reads them larger than it learned
from (Touvron et al., *Fixing the train-test resolution discrepancy*, NeurIPS 2019)."""

RECIPE = Recipe(name="simulated", size=128, epochs=12, start="scratch", seed=1)
"""The recipe of the network that ships. It reads films at this size."""

BUILD = Path(__file__).parents[1] / "build" / "weights"


def main(build: Path = BUILD) -> None:
    """Simulate the films, train the network, and write its packed weights with their operating point."""
    start_session(RECIPE.seed)  # before the imports below, which load TensorFlow
    from cxrlib.evaluation.operating_point import choose_by_sensitivity
    from cxrlib.evaluation.roc_auc import auc_interval
    from cxrlib.model.loss import score
    from cxrlib.model.network import predict_logits
    from cxrlib.model.network_file import PACKED, load_network, pack_network
    from cxrlib.training.batches import load_images
    from cxrlib.training.fitting import train
    from cxrlib.training.unusual import MAX_FILMS, write_reference

    console = Console()
    cohorts = {}
    for size in (TRAINING_SIZE, RECIPE.size):  # the same films twice: only their size differs
        films = build / f"films-v{VERSION}-{size}px"
        if not films.exists():
            simulate(films, **FILMS, size=size, progress=console.film_bar(f"simulating at {size} px"))
        cohorts[size] = read_cohort(films)
    cohort = cohorts[RECIPE.size]
    train_files = cohort.part("train").files
    # spread over all training films, because the table is sorted by path: films with an effusion come first
    rows = np.linspace(0, len(train_files) - 1, min(len(train_files), MAX_FILMS)).astype(int)
    reference_files = [train_files[row] for row in rows]
    write_reference(SIMULATED, load_images(reference_files, size=RECIPE.size, progress=console.film_bar("reading")))
    recipe = replace(RECIPE, size=TRAINING_SIZE)
    bar = console.epoch_bar(recipe.epochs)
    run = train(cohorts[TRAINING_SIZE], build / "run", recipe, resume=True, callbacks=(bar,))

    # The packed network is scored, because it is the network that ships. Its weights are rounded to half precision.
    pack_network(run.model, SIMULATED / PACKED)
    packed = load_network(SIMULATED, RECIPE)
    scores = {}
    for split in ("val", "test"):
        part = cohort.part(split)
        images = load_images(part.files, size=RECIPE.size, progress=console.film_bar(f"scoring {split}"))
        scores[split] = part.table.assign(score=score(predict_logits(packed, images, mirror=RECIPE.mirror), run.weight))
    val, test = scores["val"], scores["test"]
    point = choose_by_sensitivity(val["label"], val["score"], floor=RECIPE.sensitivity)
    estimate = auc_interval(test["label"], test["score"], test["patient_id"])

    write_text(SIMULATED / "recipe.json", recipe_text(RECIPE))
    shutil.copy(run.folder / "history.csv", SIMULATED)
    write_csv(SIMULATED / "split.csv", run.split.head(0))  # no rows: these films are not published
    write_origin(SIMULATED, Origin(simulated_seeds=(FILMS["seed"],)))  # so films of this seed are known
    origin = {
        "films": {"phantom": VERSION} | FILMS | {"size": TRAINING_SIZE},
        "split": cohort.table["split"].value_counts().to_dict(),
        "test_auc": [round(value, 4) for value in estimate],
        "sha256": hashlib.sha256((SIMULATED / PACKED).read_bytes()).hexdigest(),
        "environment": read_json(run.folder / "environment.json"),
    }
    write_text(SIMULATED / "made.json", json.dumps(origin, indent=2) + "\n")
    task = {"finding": run.finding, "weight": run.weight}
    write_text(SIMULATED / OPERATING_POINT, json.dumps(task | asdict(point), indent=2) + "\n")
    write_manifest(SIMULATED)
    typer.echo(f"{open_run(SIMULATED).folder}: the AUC on simulated test films is {estimate}.")


if __name__ == "__main__":
    typer.run(main)
