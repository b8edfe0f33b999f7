"""Running the course's experiments: trainings over seeds, a row for each (`make experiments`)."""

import json
import os
import tempfile
import time
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from cxrlib import loss as losses
from cxrlib.evaluation import auc, brier
from cxrlib.experiments import EXPERIMENTS, FOLDER, TEST_SEED, Arm
from cxrlib.files import write_csv, write_text
from cxrlib.films import Films, digest
from cxrlib.network import predict_logits
from cxrlib.pipeline import load_images
from cxrlib.run import Run
from cxrlib.session import cache_folder, start_session
from cxrlib.training import train

SEEDS = range(8)


def run_arm(arm: Arm, seed: int, folder: Path) -> list[dict]:
    """Train an arm with a seed, and score it; a row for each of its tests."""
    start = time.perf_counter()
    cohort = arm.films.cohort(seed, size=arm.recipe.size)
    run = train(cohort, folder, replace(arm.recipe, seed=seed))
    seconds = time.perf_counter() - start
    rows = []
    for name, films in arm.tests.items():
        test_seed = seed if films.again else TEST_SEED
        rows.append({"test": name, "seed": seed} | measure(run, films, test_seed) | {"seconds": round(seconds, 1)})
    return rows


def measure(run: Run, films: Films, seed: int) -> dict[str, float]:
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
def _images_and_labels(films: Films, seed: int, size: int, normalize: str) -> tuple[np.ndarray, np.ndarray]:
    cohort = films.cohort(seed, size=size)
    return load_images(cohort.files, size=size, normalize=normalize), cohort.labels


def run_experiments(names=tuple(EXPERIMENTS), *, seeds=SEEDS, out: Path = FOLDER, progress=lambda items, total: items):
    """Run experiments and write a CSV for each; what was done before is not done again.

    Trainings run one a core, each on one thread. What two experiments share is
    trained once.

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
    jobs = {(digest(arm), seed): arm for name in names for arm in arms[name].values() for seed in seeds}
    open_jobs = [(key, arm) for key, arm in jobs.items() if not _memo(*key).exists()]
    _make_films([arm for _, arm in open_jobs], seeds)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
    os.environ.update(threads)  # of the workers to come
    pool = joblib.Parallel(n_jobs=-1, return_as="generator_unordered", batch_size=1)
    for _ in progress(pool(joblib.delayed(_work)(arm, key[1]) for key, arm in open_jobs), len(open_jobs)):
        pass
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        rows = []
        for arm_name, arm in arms[name].items():
            for seed in seeds:
                rows += [{"arm": arm_name} | row for row in json.loads(_memo(digest(arm), seed).read_text())]
        write_csv(out / f"{name}.csv", pd.DataFrame(rows))


def _make_films(arms: list[Arm], seeds) -> None:
    """Make the films before the workers start, for simulation itself uses all cores."""
    for arm in arms:
        for seed in seeds:
            arm.films.cohort(seed, size=arm.recipe.size)
        for films in arm.tests.values():
            for seed in seeds if films.again else (TEST_SEED,):
                films.cohort(seed, size=arm.recipe.size)


def _work(arm: Arm, seed: int) -> None:
    """Do one training in a worker, and keep its rows."""
    start_session(seed)
    import keras

    versions = " ".join(f"{name} {version(name)}" for name in ("cxrlib", "tensorflow", "keras", "numpy"))
    with tempfile.TemporaryDirectory() as folder:
        rows = [row | {"versions": versions} for row in run_arm(arm, seed, Path(folder) / "run")]
    memo = _memo(digest(arm), seed)
    memo.parent.mkdir(parents=True, exist_ok=True)
    write_text(memo, json.dumps(rows))
    keras.backend.clear_session()


def _memo(arm: str, seed: int) -> Path:
    return cache_folder() / "experiments" / "rows" / f"{arm}-{seed}.json"
