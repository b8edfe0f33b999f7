"""What the notebooks share: one run on the course's films, and the scores that the course reads."""

import hashlib

import numpy as np
import pandas as pd

from cxrlib.cohorts.cohort import Cohort, read_cohort
from cxrlib.course.cohorts import digest
from cxrlib.course.experiments import COLUMNS, FOLDER, SMALL, TEST_SEED, VAL_SEED
from cxrlib.course.folders import cache_folder, course_cohort, own_cohort
from cxrlib.files import LOCK, csv_text, locked
from cxrlib.images.pixels import minmax
from cxrlib.images.radiograph import read_image
from cxrlib.model.recipe import Recipe
from cxrlib.phantom.film import take_film
from cxrlib.phantom.roster import order_of
from cxrlib.training.fitting import train
from cxrlib.training.run import Run

SCORES = "scores.csv"


def course_run(recipe: Recipe = SMALL, films: Cohort | None = None) -> Run:
    """Return a run of a recipe on the course's films, or on others; trained at the first call, then kept.

    An interrupted training goes on where it stopped; another process that wants
    the same run waits.
    """
    films = films or read_cohort(course_cohort())
    known = films.table.filter(["path", "label", "patient_id", "split"])
    name = f"{recipe.name}-{digest(recipe)}-{hashlib.sha256(csv_text(known).encode()).hexdigest()[:12]}"
    runs = cache_folder() / "runs"
    with locked(runs, name=f".{name}{LOCK}", wait=True):
        return train(films, runs / name, recipe, resume=True)


def course_scores(split: str) -> pd.DataFrame:
    """Return the films of one split with their logits and scores, and what is known of each.

    For the course's own films these are the scores that the repository holds
    (`make experiments`), the same on every machine: of `SMALL`, seed 0, on films
    of other seeds. For a cohort of yours, those of `course_run`.

    Parameters
    ----------
    split : {"val", "test"}
    """
    if own_cohort() is None:
        table = pd.read_csv(FOLDER / SCORES, dtype={"patient_id": str}).fillna({"side": "", "devices": ""})
    else:
        cohort = read_cohort(course_cohort())
        known = cohort.table[[name for name in COLUMNS if name in cohort.table]].drop(columns=["label", "patient_id"])
        table = course_run(films=cohort).scores.merge(known, on="path")
        for name in table.columns.intersection(["volume_ml", "site"]):
            table[name] = pd.to_numeric(table[name])
    return table[table["split"] == split].reset_index(drop=True)


def course_film(row: dict, *, size: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return one film of `course_scores` as an image (S, S), and the mask of its fluid where that is known.

    The course's own films are taken again, at any size; those of a cohort of
    yours are read.

    Parameters
    ----------
    row : dict
        A row of `course_scores`.
    size : int, pixels
    """
    if own_cohort() is not None:
        return read_image(course_cohort() / row["path"], size=size), None
    seed = VAL_SEED if row["split"] == "val" else TEST_SEED
    film = take_film(order_of(row, seed=seed), size=size)
    return minmax(film.pixels), film.mask
