"""What the notebooks share: one run on the course's films, and the scores that the course reads."""

import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from cxrlib import loss as losses
from cxrlib.cohort import Cohort, read_cohort
from cxrlib.experiments import FOLDER, SMALL, TEST_FILMS, TEST_SEED
from cxrlib.files import write_csv, write_text
from cxrlib.films import Films, digest
from cxrlib.network import predict_logits
from cxrlib.phantom import order_of, take_film
from cxrlib.radiograph import minmax, read_image
from cxrlib.recipe import Recipe
from cxrlib.run import Run
from cxrlib.session import cache_folder, course_cohort
from cxrlib.threshold import choose_by_sensitivity
from cxrlib.training import train

SCORES, POINT = "scores.csv", "scores.json"
VAL_SEED = 2000
COLUMNS = (
    *("path", "patient_id", "label", "view", "sex", "age"),
    *("site", "posture", "side", "volume_ml", "devices"),
)


def course_run(recipe: Recipe = SMALL, films: Cohort | None = None) -> Run:
    """Return a run of a recipe on the course's films, or on others; trained at the first call, then kept.

    An interrupted training goes on where it stopped.
    """
    films = films or read_cohort(course_cohort())
    name = f"{recipe.name}-{digest(recipe)}-{films.folder.name}-{len(films.table)}"
    return train(films, cache_folder() / "runs" / name, recipe, resume=True)


def course_scores(split: str) -> pd.DataFrame:
    """Return the films of one split with their logits and scores, and what is known of each.

    For the course's own films these are the scores that the repository holds
    (`make experiments`), the same on every machine: of `SMALL`, seed 0, on films
    of other seeds. For a cohort of yours, those of `course_run`.

    Parameters
    ----------
    split : {"val", "test"}
    """
    if course_cohort().parent == cache_folder():
        table = pd.read_csv(FOLDER / SCORES, dtype={"patient_id": str}).fillna({"side": "", "devices": ""})
    else:
        cohort = read_cohort(course_cohort())
        known = cohort.table[[name for name in COLUMNS if name in cohort.table]].drop(columns=["label", "patient_id"])
        table = course_run(films=cohort).scores.merge(known, on="path")
    return table[table["split"] == split].reset_index(drop=True)


def make_course_scores() -> None:
    """Train `SMALL` with seed 0, and write its scores on films of two other seeds."""
    films = Films()
    run = course_run(films=films.cohort(0, size=SMALL.size))
    tables = []
    for split, seed, count in (("val", VAL_SEED, films.count), ("test", TEST_SEED, TEST_FILMS)):
        cohort = replace(films, count=count).cohort(seed, size=SMALL.size)
        logits = predict_logits(run.model, run.load(cohort.files))
        scores = {"split": split, "logit": logits.round(4), "score": losses.score(logits, run.weight).round(6)}
        tables.append(cohort.table[list(COLUMNS)].assign(**scores))
    table = pd.concat(tables)
    write_csv(FOLDER / SCORES, table)
    val = table[table["split"] == "val"]
    point = choose_by_sensitivity(val["label"], val["score"], floor=SMALL.sensitivity)
    write_text(FOLDER / POINT, json.dumps({"weight": run.weight} | asdict(point), indent=2) + "\n")


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
    if course_cohort().parent != cache_folder():
        return read_image(course_cohort() / row["path"], size=size), None
    seed = VAL_SEED if row["split"] == "val" else TEST_SEED
    film = take_film(order_of(row, seed=seed), size=size)
    return minmax(film.pixels), film.mask
