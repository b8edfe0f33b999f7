"""Train the course's experiments over seeds, and write their tables: the work behind ``make experiments``."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from cxrlib.course.cohorts import TEST_FILMS, TEST_SEED, VAL_SEED, SimulatedCohort, digest
from cxrlib.course.experiments import COURSE, EXPERIMENTS, SCORE_COLUMNS, SMALL, TABLES, Arm
from cxrlib.course.folders import cache_folder
from cxrlib.evaluation.calibration import brier
from cxrlib.evaluation.operating_point import choose_by_sensitivity
from cxrlib.evaluation.roc_auc import auc
from cxrlib.files import Progress, no_progress, write_csv, write_text
from cxrlib.model import loss
from cxrlib.model.backend import keras, tf
from cxrlib.model.network import build_network, predict_logits
from cxrlib.model.recipe import Recipe
from cxrlib.model.session import start_session
from cxrlib.phantom.simulation import VERSION
from cxrlib.training.batches import load_images
from cxrlib.training.fitting import train
from cxrlib.training.run import Run
from cxrlib.training.start import read_start

SEEDS = range(8)
"""The training seeds of every experiment."""

Row = dict[str, Any]


def run_experiments(
    names: Sequence[str] = tuple(EXPERIMENTS),
    *,
    seeds: Sequence[int] = SEEDS,
    out: Path = TABLES,
    progress: Progress = no_progress,
) -> None:
    """Run experiments and write a CSV for each.

    One training runs on each core, on one thread. A training that several
    experiments need runs once. Every run and every result is cached, so an
    interrupted call continues where it stopped.

    Parameters
    ----------
    names : sequence of str
        Keys of `EXPERIMENTS`.
    seeds : sequence of int
    out : Path
        The folder for the tables.
    progress : callable
        Shows how many trainings are done. See `cxrlib.files.Progress`.
    """
    arms = {name: EXPERIMENTS[name]() for name in names}
    jobs = [
        (recipe, films, tests, seed)
        for (recipe, films), tests in group_by_training(arm for name in names for arm in arms[name].values()).items()
        for seed in seeds
    ]
    memory = joblib.Memory(cache_folder() / "experiments" / f"rows-v{VERSION}", verbose=0)
    cached = memory.cache(train_and_measure)
    _make_films([job for job in jobs if not cached.check_call_in_cache(*job)])
    parallel = joblib.Parallel(n_jobs=-1, return_as="generator", batch_size=1)
    results = parallel(joblib.delayed(cached)(*job) for job in jobs)
    rows: dict[tuple[Recipe, SimulatedCohort, SimulatedCohort, int], Row] = {}
    for (recipe, films, tests, seed), measured in zip(jobs, progress(results, len(jobs)), strict=True):
        rows |= {(recipe, films, test, seed): row for test, row in zip(tests, measured, strict=True)}
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        table = [
            {"arm": arm_name, "test": test_name} | rows[arm.recipe, arm.films, test, seed]
            for arm_name, arm in arms[name].items()
            for seed in seeds
            for test_name, test in arm.tests.items()
        ]
        write_csv(out / f"{name}.csv", pd.DataFrame(table))


def group_by_training(arms: Iterable[Arm]) -> dict[tuple[Recipe, SimulatedCohort], tuple[SimulatedCohort, ...]]:
    """Return every recipe and its training films once, with the test films of all arms that use this training."""
    tests: dict[tuple[Recipe, SimulatedCohort], dict[SimulatedCohort, None]] = {}
    for arm in arms:
        tests.setdefault((arm.recipe, arm.films), {}).update(dict.fromkeys(arm.tests.values()))
    return {training: tuple(films) for training, films in tests.items()}


def train_and_measure(
    recipe: Recipe, films: SimulatedCohort, tests: tuple[SimulatedCohort, ...], seed: int
) -> list[Row]:
    """Train a recipe with a seed in a worker process, and return a row for each of the test cohorts."""
    _start_worker(seed)
    start = time.perf_counter()
    run = trained_run(recipe, films, seed)
    seconds = round(time.perf_counter() - start, 1)
    measured = [measure(run, test, seed_of_test(test, seed)) for test in tests]
    keras.backend.clear_session()  # a worker trains many networks one after another, and would keep them all
    versions = " ".join(f"{name} {version(name)}" for name in ("cxrlib", "tensorflow", "keras", "numpy"))
    return [{"seed": seed} | figures | {"seconds": seconds, "versions": versions} for figures in measured]


def trained_run(recipe: Recipe, films: SimulatedCohort, seed: int) -> Run:
    """Return the run of a recipe and a seed. The first call trains it, and the cache keeps it."""
    recipe = replace(recipe, seed=seed)
    folder = cache_folder() / "experiments" / f"runs-v{VERSION}" / f"{digest(recipe)}-{digest(films)}"
    # no two simulated films are copies, and the search for some would take about a tenth of the time of a training
    return train(films.cohort(seed, size=recipe.size), folder, recipe, resume=True, look_for_copies=False)


def measure(run: Run, films: SimulatedCohort, seed: int) -> dict[str, float]:
    """Return how well a run does on the films of a seed.

    Returns
    -------
    dict
        ``auc``. ``sensitivity`` and ``specificity`` at the run's threshold.
        ``sensitivity_half`` and ``specificity_half`` at 0.5 of the sigmoid of the
        logit, which is not corrected for the loss weight. ``brier`` of the
        corrected score, and ``brier_uncorrected`` of that sigmoid.
    """
    images, labels = _images_and_labels(films, seed, run.recipe.size, run.recipe.normalize)
    logits = predict_logits(run.model, images, mirror=run.recipe.mirror)
    corrected, uncorrected = loss.score(logits, run.weight), loss.score(logits, 1.0)
    has_finding = labels == 1
    figures = {
        "auc": auc(labels, corrected),
        "sensitivity": (corrected[has_finding] >= run.threshold).mean(),
        "specificity": (corrected[~has_finding] < run.threshold).mean(),
        "sensitivity_half": (uncorrected[has_finding] >= 0.5).mean(),
        "specificity_half": (uncorrected[~has_finding] < 0.5).mean(),
        "brier": brier(labels, corrected),
        "brier_uncorrected": brier(labels, uncorrected),
    }
    return {name: round(float(value), 5) for name, value in figures.items()}


@lru_cache(maxsize=4)  # a worker scores the same test films in most of its trainings
def _images_and_labels(films: SimulatedCohort, seed: int, size: int, normalize: str) -> tuple[np.ndarray, np.ndarray]:
    cohort = films.cohort(seed, size=size)
    return load_images(cohort.files, size=size, normalize=normalize), cohort.labels


def seed_of_test(films: SimulatedCohort, seed: int) -> int:
    """Return the seed of the test films: the training's own for later visits of its patients, else `TEST_SEED`."""
    return seed if films.later_visit else TEST_SEED


def _make_films(jobs: list[tuple[Recipe, SimulatedCohort, tuple[SimulatedCohort, ...], int]]) -> None:
    """Simulate the films before the trainings start, because one simulation uses all cores."""
    wanted = {(films, seed, recipe.size) for recipe, films, _, seed in jobs}
    wanted |= {(test, seed_of_test(test, seed), recipe.size) for recipe, _, tests, seed in jobs for test in tests}
    for films, seed, size in sorted(wanted, key=str):
        films.make(seed, size=size)


def _start_worker(seed: int) -> None:
    """Seed a worker, and hold it to one thread: sums over several threads have no fixed order."""
    start_session(seed)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def make_lower_cut(out: Path = TABLES, *, seeds: Sequence[int] = SEEDS) -> None:
    """Write the rates of the arm "weight 1" of the experiment "weights" at another cut of the probability.

    The cut is 1 / (1 + w), where w is the weight that balances the classes of the training films.
    Lesson 7 compares these rates with those of the arm "balanced" at a cut of 0.5.
    """
    rates = joblib.Parallel(n_jobs=-1)(joblib.delayed(_measure_lower_cut)(seed) for seed in seeds)
    rows = [
        {"arm": "weight 1, lower cut", "test": "test", "seed": seed} | row
        for seed, row in zip(seeds, rates, strict=True)
    ]
    write_csv(out / "lower_cut.csv", pd.DataFrame(rows))


def _measure_lower_cut(seed: int) -> dict[str, float]:
    """Return sensitivity and specificity of one seed on the test films."""
    _start_worker(seed)
    arm = EXPERIMENTS["weights"]()["weight 1"]
    run = trained_run(arm.recipe, arm.films, seed)
    images, labels = _images_and_labels(arm.tests["test"], TEST_SEED, run.recipe.size, run.recipe.normalize)
    logits = predict_logits(run.model, images, mirror=run.recipe.mirror)
    keras.backend.clear_session()
    weight = loss.class_weight("balanced", arm.films.cohort(seed, size=arm.recipe.size).part("train").labels)
    called = loss.score(logits, 1.0) >= 1 / (1 + weight)
    rates = {"sensitivity": called[labels == 1].mean(), "specificity": 1 - called[labels == 0].mean()}
    return {name: round(float(value), 5) for name, value in rates.items()}


def make_leak(out: Path = TABLES, *, seeds: Sequence[int] = SEEDS) -> None:
    """Write the AUC of each network of the arm "honest films" on later films of the training patients of each seed.

    A row has the ``network`` (its seed), the ``seed`` of the patients, and the AUC. The arm is "the
    same patients" if the network learned from earlier films of them, and otherwise "new patients".
    """
    films = EXPERIMENTS["shortcut"]()["honest films"].films
    for seed in seeds:
        replace(films, later_visit=True).make(seed, size=SMALL.size)
    rows = joblib.Parallel(n_jobs=-1)(joblib.delayed(_measure_leak)(network, seeds) for network in seeds)
    write_csv(out / "leak.csv", pd.DataFrame([row for of_network in rows for row in of_network]))


def _measure_leak(network: int, seeds: Sequence[int]) -> list[Row]:
    """Return the rows of one network."""
    _start_worker(network)
    arm, rows = EXPERIMENTS["shortcut"]()["honest films"], []
    run = trained_run(arm.recipe, arm.films, network)
    for seed in seeds:
        images, labels = _images_and_labels(replace(arm.films, later_visit=True), seed, SMALL.size, SMALL.normalize)
        logits = predict_logits(run.model, images, mirror=SMALL.mirror)
        who = "the same patients" if seed == network else "new patients"
        rows.append({"arm": who, "test": "later films", "network": network, "seed": seed})
        rows[-1]["auc"] = round(float(auc(labels, logits)), 5)
    keras.backend.clear_session()
    return rows


def make_training_aucs(out: Path = TABLES, *, seeds: Sequence[int] = SEEDS) -> None:
    """Write how well each network of the experiment "augmentation" knows the films that it learned from.

    A row has the training films, the effusions among them, the epoch whose weights were kept, and the AUC
    on these same films. Lesson 4 compares it with the AUC on new films.
    """
    jobs = [(arm, seed) for arm in EXPERIMENTS["augmentation"]() for seed in seeds]
    rows = joblib.Parallel(n_jobs=-1)(joblib.delayed(_measure_training)(*job) for job in jobs)
    write_csv(out / "training_aucs.csv", pd.DataFrame(rows))


def _measure_training(name: str, seed: int) -> Row:
    """Return the row of one arm and seed."""
    _start_worker(seed)
    arm = EXPERIMENTS["augmentation"]()[name]
    run = trained_run(arm.recipe, arm.films, seed)
    films = arm.films.cohort(seed, size=arm.recipe.size).part("train")
    logits = predict_logits(run.model, run.load_images(films.files), mirror=arm.recipe.mirror)
    keras.backend.clear_session()
    counts = {"films": len(films.labels), "effusions": int(films.labels.sum()), "epoch": run.kept_epoch}
    return {"arm": name, "test": "train", "seed": seed} | counts | {"auc": round(float(auc(films.labels, logits)), 5)}


def make_course_scores(out: Path = TABLES) -> None:
    """Train `COURSE` with seed 0. Write its scores on films of two other seeds, and its operating point.

    The validation films also have a ``start_logit``: that of the network before the training.
    """
    # n_jobs=2, because joblib runs a single job of n_jobs=1 in this process, which has more than one thread
    ((table, point),) = joblib.Parallel(n_jobs=2)([joblib.delayed(_score_course)()])
    write_csv(out / "scores.csv", table)
    write_text(out / "scores.json", json.dumps(point, indent=2) + "\n")


def _score_course() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the scored films of both splits, and the operating point that is chosen on the validation films."""
    _start_worker(0)
    run, tables = trained_run(COURSE, SimulatedCohort(), 0), []
    for split, seed, count in (("val", VAL_SEED, SimulatedCohort().count), ("test", TEST_SEED, TEST_FILMS)):
        cohort = SimulatedCohort(count).cohort(seed, size=COURSE.size)
        logits = predict_logits(run.model, run.load_images(cohort.files), mirror=COURSE.mirror)
        scores = {"split": split, "logit": logits.round(4), "score": loss.score(logits, run.weight).round(6)}
        if split == "val":
            begin = build_network(COURSE)
            begin.set_weights(read_start(COURSE).weights)
            start_logits = predict_logits(begin, run.load_images(cohort.files), mirror=COURSE.mirror)
            scores["start_logit"] = start_logits.round(4)
        tables.append(cohort.table[list(SCORE_COLUMNS)].assign(**scores))
    table = pd.concat(tables)
    val = table[table["split"] == "val"]
    point = choose_by_sensitivity(val["label"], val["score"], floor=COURSE.sensitivity)
    return table, {"weight": run.weight} | asdict(point)
