"""What several notebooks use: one trained run, its scores, and the films behind them."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from cxrlib.cohorts.cohort import Cohort, read_cohort
from cxrlib.course.cohorts import TEST_SEED, VAL_SEED, digest
from cxrlib.course.experiments import COURSE, SCORE_COLUMNS, TABLES
from cxrlib.course.folders import cache_folder, course_cohort, own_cohort
from cxrlib.files import LOCK, csv_text, locked, read_json
from cxrlib.images.pixels import minmax
from cxrlib.images.radiograph import read_image
from cxrlib.model.recipe import Recipe
from cxrlib.phantom.film import take_film
from cxrlib.phantom.roster import order_of
from cxrlib.training.fitting import train
from cxrlib.training.run import Run


def course_run(recipe: Recipe = COURSE, cohort: Cohort | None = None) -> Run:
    """Return the run of a recipe on a cohort. Train it at the first call, and keep it in the cache.

    An interrupted training continues where it stopped. A second process that
    asks for the same run waits for the first.

    Parameters
    ----------
    recipe : Recipe
    cohort : Cohort, optional
        By default the cohort of `cxrlib.course.folders.course_cohort`.
    """
    cohort = cohort or read_cohort(course_cohort())
    # The folder's name depends on the recipe, films, labels and split: when one of them changes, a new run is trained.
    films = csv_text(cohort.table.filter(["path", "label", "patient_id", "split"]))
    name = f"{recipe.name}-{digest(recipe)}-{hashlib.sha256(films.encode()).hexdigest()[:12]}"
    runs = cache_folder() / "runs"
    with locked(runs, name=f".{name}{LOCK}", wait=True):
        return train(cohort, runs / name, recipe, resume=True)


def course_scores(split: str) -> pd.DataFrame:
    """Return the scored films of one split, with what is known of each film.

    For the course's own films, these are the committed scores of `COURSE`, trained
    with seed 0, on films of seeds that no training has (``make experiments``). The
    committed scores are the same on every machine. For your own cohort
    (``CXR_COHORT``), these are the scores of `course_run`.

    Parameters
    ----------
    split : {"val", "test"}

    Returns
    -------
    DataFrame
        ``path``, ``patient_id``, ``label``, ``logit``, ``score`` in [0, 1],
        ``split``, and those columns of ``cohort.csv`` that describe a film, such
        as ``view``, ``age`` and ``volume_ml``. The course's own validation films also
        have a ``start_logit``: that of the network before the training. Its
        ``attrs["weight"]`` is the weight of the finding in the loss of the training.
    """
    if own_cohort() is None:
        table = pd.read_csv(TABLES / "scores.csv", dtype={"patient_id": str}).fillna({"side": "", "devices": ""})
        weight = read_json(TABLES / "scores.json")["weight"]
    else:
        cohort = read_cohort(course_cohort())
        # The run's scores have label and patient_id already.
        described = [name for name in SCORE_COLUMNS if name in cohort.table and name not in ("label", "patient_id")]
        run = course_run(cohort=cohort)
        table, weight = run.scores.merge(cohort.table[described], on="path"), run.weight
        for name in table.columns.intersection(["volume_ml", "site"]):
            table[name] = pd.to_numeric(table[name])
    scored = table[table["split"] == split].reset_index(drop=True)
    if split == "test":  # the start was not scored on these
        scored = scored.drop(columns="start_logit", errors="ignore")
    scored.attrs["weight"] = weight
    return scored


def course_film(row: dict[str, Any], *, size: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the film of a row of `course_scores`, and the mask of its fluid.

    A film of the course is simulated at the size that is asked for. A film of your own cohort
    is read from its file.

    Parameters
    ----------
    row : dict
        A row of `course_scores`.
    size : int, pixels

    Returns
    -------
    image : ndarray, (S, S), float32 in [0, 1]
    mask : ndarray, (S, S), bool, or None
        Where there is fluid. None for a film of your own cohort.
    """
    if own_cohort() is not None:
        return read_image(course_cohort() / row["path"], size=size), None
    seed = VAL_SEED if row["split"] == "val" else TEST_SEED
    film = take_film(order_of(row, seed=seed), size=size)
    return minmax(film.pixels), film.mask


def own_films(count: int, *, size: int) -> dict[str, np.ndarray]:
    """Return the first films of the reader's own cohort (``CXR_COHORT``), to be shown beside simulated ones.

    Returns
    -------
    dict
        "your film 1" and so on: ndarray, (S, S), float32 in [0, 1]. Empty if ``CXR_COHORT`` is not set.
    """
    if own_cohort() is None:
        return {}
    paths = read_cohort(course_cohort()).table["path"].head(count)
    return {
        f"your film {number}": read_image(course_cohort() / path, size=size) for number, path in enumerate(paths, 1)
    }
