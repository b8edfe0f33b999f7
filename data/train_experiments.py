"""Running the course's experiments: trainings over seeds, a row for each (`make experiments`)."""

import json
import tempfile
import time
from dataclasses import asdict, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from cxrlib.course.cohorts import SimulatedCohort, digest
from cxrlib.course.experiments import COLUMNS, EXPERIMENTS, FOLDER, SMALL, TEST_FILMS, TEST_SEED, VAL_SEED, Arm
from cxrlib.course.folders import cache_folder
from cxrlib.evaluation.calibration import brier
from cxrlib.evaluation.operating_point import choose_by_sensitivity
from cxrlib.evaluation.roc_auc import auc
from cxrlib.files import Progress, no_progress, write_csv, write_text
from cxrlib.model import loss as losses
from cxrlib.model.backend import keras, tf
from cxrlib.model.network import predict_logits
from cxrlib.model.session import start_session
from cxrlib.phantom.simulation import VERSION
from cxrlib.training.batches import load_images
from cxrlib.training.fitting import train
from cxrlib.training.run import Run

SEEDS = range(8)


def run_arm(arm: Arm, seed: int, folder: Path) -> list[dict]:
    """Train an arm with a seed, and score it; a row for each of its tests."""
    start = time.perf_counter()
    cohort = arm.films.cohort(seed, size=arm.recipe.size)
    run = train(cohort, folder, replace(arm.recipe, seed=seed))
    seconds = time.perf_counter() - start
    rows = []
    for name, films in arm.tests.items():
        measured = measure(run, films, _test_seed(films, seed))
        rows.append({"test": name, "seed": seed} | measured | {"seconds": round(seconds, 1)})
    return rows


def measure(run: Run, films: SimulatedCohort, seed: int) -> dict[str, float]:
    """Return what the experiments' files hold of a run: figures on the films that a seed gives.

    Returns
    -------
    dict
        ``auc``; ``sensitivity`` and ``specificity`` at the run's threshold;
        ``sensitivity_half`` and ``specificity_half`` where the logit's own
        sigmoid is 0.5; ``brier``, and ``brier_uncorrected`` of that sigmoid.
    """
    images, labels = _images_and_labels(films, seed, run.recipe.size, run.recipe.normalize)
    logits = predict_logits(run.model, images, mirror=run.recipe.mirror)
    score, raw = losses.score(logits, run.weight), losses.score(logits, 1.0)
    ill = labels == 1
    made = {
        "auc": auc(labels, score),
        "sensitivity": (score[ill] >= run.threshold).mean(),
        "specificity": (score[~ill] < run.threshold).mean(),
        "sensitivity_half": (raw[ill] >= 0.5).mean(),
        "specificity_half": (raw[~ill] < 0.5).mean(),
        "brier": brier(labels, score),
        "brier_uncorrected": brier(labels, raw),
    }
    return {name: round(float(value), 5) for name, value in made.items()}


@lru_cache(maxsize=4)
def _images_and_labels(films: SimulatedCohort, seed: int, size: int, normalize: str) -> tuple[np.ndarray, np.ndarray]:
    cohort = films.cohort(seed, size=size)
    return load_images(cohort.files, size=size, normalize=normalize), cohort.labels


def run_experiments(names=tuple(EXPERIMENTS), *, seeds=SEEDS, out: Path = FOLDER, progress: Progress = no_progress):
    """Run experiments and write a CSV for each; what was done before is not done again.

    Trainings run one a core, each on one thread. What two experiments share is
    trained once. An interrupted call goes on where it was.

    Parameters
    ----------
    names : sequence of str
        Of `EXPERIMENTS`.
    seeds : sequence of int
    out : Path
    progress : callable
        ``progress(items, total)``, as tqdm does.
    """
    arms = {name: EXPERIMENTS[name]() for name in names}
    merged = _merge([arm for name in names for arm in arms[name].values()])
    open_jobs = [(arm, seed) for arm in merged.values() for seed in seeds if not _is_done(arm, seed)]
    _make_films(open_jobs)
    pool = joblib.Parallel(n_jobs=-1, return_as="generator_unordered", batch_size=1)
    for _ in progress(pool(joblib.delayed(_work)(arm, seed) for arm, seed in open_jobs), len(open_jobs)):
        pass
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        rows = []
        for arm_name, arm in arms[name].items():
            for seed in seeds:
                made = json.loads(_memo(arm, seed).read_text())
                rows += [{"arm": arm_name, "test": test} | made[digest(films)] for test, films in arm.tests.items()]
        write_csv(out / f"{name}.csv", pd.DataFrame(rows))


def _merge(arms: list[Arm]) -> dict[str, Arm]:
    """Return one arm for each training, with the tests of all arms that share it, named by their films."""
    merged: dict[str, Arm] = {}
    for arm in arms:
        key = _training_of(arm)
        tests = merged[key].tests if key in merged else {}
        merged[key] = replace(arm, tests=tests | {digest(films): films for films in arm.tests.values()})
    return merged


def _make_films(jobs: list[tuple[Arm, int]]) -> None:
    """Make the films before the trainings start, for simulation itself uses all cores."""
    wanted = {(arm.films, seed, arm.recipe.size) for arm, seed in jobs}
    for arm, seed in jobs:
        wanted |= {(films, _test_seed(films, seed), arm.recipe.size) for films in arm.tests.values()}
    for films, seed, size in sorted(wanted, key=str):
        films.make(seed + films.other, size=size)


def _test_seed(films: SimulatedCohort, seed: int) -> int:
    return seed if films.again else TEST_SEED


def _work(arm: Arm, seed: int) -> None:
    """Do one training in a worker, and keep its rows."""
    _start_worker(seed)
    versions = " ".join(f"{name} {version(name)}" for name in ("cxrlib", "tensorflow", "keras", "numpy"))
    with tempfile.TemporaryDirectory() as folder:
        rows = run_arm(arm, seed, Path(folder) / "run")
    memo = _memo(arm, seed)
    memo.parent.mkdir(parents=True, exist_ok=True)
    earlier = json.loads(memo.read_text()) if memo.exists() else {}
    write_text(memo, json.dumps(earlier | {row.pop("test"): row | {"versions": versions} for row in rows}))
    keras.backend.clear_session()


def _start_worker(seed: int) -> None:
    """Make a worker repeatable: one thread, whose sums have one order."""
    start_session(seed)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _is_done(arm: Arm, seed: int) -> bool:
    memo = _memo(arm, seed)
    return memo.exists() and set(arm.tests) <= set(json.loads(memo.read_text()))


def _memo(arm: Arm, seed: int) -> Path:
    return cache_folder() / "experiments" / f"rows-v{VERSION}" / f"{_training_of(arm)}-{seed}.json"


def _training_of(arm: Arm) -> str:
    return f"{digest(arm.recipe)}-{digest(arm.films)}"


def make_course_scores(out: Path = FOLDER) -> None:
    """Train `SMALL` with seed 0, and write its scores on films of two other seeds, and its operating point."""
    ((table, point),) = joblib.Parallel(n_jobs=2)([joblib.delayed(_score_course)()])
    write_csv(out / "scores.csv", table)
    write_text(out / "scores.json", json.dumps(point, indent=2) + "\n")


def _score_course() -> tuple[pd.DataFrame, dict]:
    _start_worker(0)
    with tempfile.TemporaryDirectory() as folder:
        run = train(SimulatedCohort().cohort(0, size=SMALL.size), Path(folder) / "run", SMALL)
        tables = []
        for split, seed, count in (("val", VAL_SEED, SimulatedCohort().count), ("test", TEST_SEED, TEST_FILMS)):
            cohort = SimulatedCohort(count).cohort(seed, size=SMALL.size)
            logits = predict_logits(run.model, run.load(cohort.files), mirror=SMALL.mirror)
            scores = {"split": split, "logit": logits.round(4), "score": losses.score(logits, run.weight).round(6)}
            tables.append(cohort.table[list(COLUMNS)].assign(**scores))
    table = pd.concat(tables)
    val = table[table["split"] == "val"]
    point = choose_by_sensitivity(val["label"], val["score"], floor=SMALL.sensitivity)
    return table, {"weight": run.weight} | asdict(point)
