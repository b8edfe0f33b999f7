"""The course's comparisons: recipes over paired seeds, on simulated films.

Each experiment is a function that returns its arms. Within a seed, the arms
learn from films of the same patients, and they are scored on the same test
films. No seed trains on these test films. So arms are compared within a seed,
and the interval is over seeds. ``data/train_experiments.py`` runs the
experiments (``make experiments``), and ``tables/`` holds the results.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from cxrlib.course.cohorts import SITES_1_AND_2, TEST_FILMS, SimulatedCohort
from cxrlib.model.recipe import DEFAULT, Recipe

TABLES = Path(__file__).with_name("tables")
"""The folder of the committed results."""

SCORE_COLUMNS = (
    *("path", "patient_id", "label", "view", "sex", "age"),
    *("site", "posture", "sick", "side", "volume_ml", "devices"),
)
"""The columns of scores.csv that describe a film. Its split, logit and score come after them."""

SMALL = replace(DEFAULT, name="small", size=64, width=16, start="scratch", blend=1.0, epochs=30, batch=32, mirror=False)
"""The recipe of every experiment. Its network is small enough to be trained while a notebook is read."""

COURSE = Recipe(name="course", size=96, start="simulated", epochs=8, blend=0.5)
"""The recipe of the network that lessons score films with. It starts from the weights that come with the library."""

NOTHING_MOVES: dict[str, Any] = dict(shift=0.0, scale=0.0, rotate=0.0, gamma=1.0, horizontal_flip=False)
"""The values that switch off an `Augmentation`."""


@dataclass(frozen=True)
class Arm:
    """One of the trainings that an experiment compares.

    Attributes
    ----------
    recipe : Recipe
    films : SimulatedCohort
        The films that the network learns from.
    tests : dict
        The films that the network is scored on, by the name of the test.
    """

    recipe: Recipe = SMALL
    films: SimulatedCohort = field(default_factory=SimulatedCohort)
    tests: dict[str, SimulatedCohort] = field(default_factory=lambda: {"test": SimulatedCohort(TEST_FILMS)})


def _small_arm(**changes: Any) -> Arm:
    """Return an arm on plain films whose recipe is `SMALL` with some fields changed."""
    return Arm(replace(SMALL, **changes))


def _augmented_arm(**changes: Any) -> Arm:
    """Return an arm on plain films whose recipe is `SMALL` with some fields of its augmentation changed."""
    return _small_arm(augmentation=replace(SMALL.augmentation, **changes))


def label_noise() -> dict[str, Arm]:
    """Compare wrong labels: a fraction of each class is filed in the wrong folder. The tests have the true labels."""
    return {
        f"{fraction:.0%} wrong": Arm(films=SimulatedCohort(label_noise=(fraction, fraction)))
        for fraction in (0.0, 0.1, 0.2)
    }


def shortcut() -> dict[str, Arm]:
    """Compare training films: in one arm, view, site and devices follow the label in 80 % of the films.

    Both networks are scored on films with this shortcut and on films without.
    """
    tests = {"test": SimulatedCohort(TEST_FILMS), "shortcut holds": SimulatedCohort(TEST_FILMS, shortcut=0.8)}
    return {
        "honest films": Arm(tests=tests),
        "films with a shortcut": Arm(films=SimulatedCohort(shortcut=0.8), tests=tests),
    }


def comorbidity() -> dict[str, Arm]:
    """Compare training films: in one arm, other diseases go with the label as in ChestX-ray14.

    Both networks are scored on films where they do, and on films where they do not.
    """
    tests = {"test": SimulatedCohort(TEST_FILMS), "comorbidity holds": SimulatedCohort(TEST_FILMS, comorbidity=1.0)}
    return {
        "independent": Arm(tests=tests),
        "as in ChestX-ray14": Arm(films=SimulatedCohort(comorbidity=1.0), tests=tests),
    }


def centre_crop() -> dict[str, Arm]:
    """Compare crops: the network sees the whole film, or only its centre at the same number of pixels."""
    arm = lambda crop: Arm(films=SimulatedCohort(crop=crop), tests={"test": SimulatedCohort(TEST_FILMS, crop=crop)})
    return {"whole film": Arm(), "centre 87.5 %": arm(0.875), "centre 70 %": arm(0.7)}


def augmentation() -> dict[str, Arm]:
    """Compare the random changes of training films: none, each of the 5 alone, and all 5.

    Without changes, the network soon knows its films by heart. So one more arm keeps the
    epoch with the best validation AUC, and not the last one. Two arms make the 4 changes
    that are no flip. One of them also turns half of the films upside down.
    """
    still = replace(SMALL.augmentation, **NOTHING_MOVES)
    fields = {
        "shift": "shift",
        "scale": "scale",
        "rotation": "rotate",
        "brightness": "gamma",
        "mirror": "horizontal_flip",
    }
    alone = {
        name: _small_arm(augmentation=replace(still, **{field: getattr(SMALL.augmentation, field)}))
        for name, field in fields.items()
    }
    best = _small_arm(augmentation=still, keep="best")
    flips = {
        "no flip": _augmented_arm(horizontal_flip=False),
        "upside down": _augmented_arm(horizontal_flip=False, vertical_flip=True),
    }
    return {"still": _small_arm(augmentation=still), "still, best epoch": best} | alone | {"all 5": Arm()} | flips


def normalization() -> dict[str, Arm]:
    """Compare normalisations: learn at site 0, and score at site 0 and at sites 1 and 2."""

    def arm(fixed: bool = False, **changes: Any) -> Arm:
        films = lambda count, site: SimulatedCohort(count, site=site, fixed=fixed)
        tests = {"same site": films(TEST_FILMS, 0), "test": films(TEST_FILMS, SITES_1_AND_2)}
        # A third of the films come from site 0. With 2,214 films the network learns from two thirds of a cohort.
        return Arm(replace(SMALL, **changes), films(2214, 0), tests)

    return {
        "fixed range": arm(True, standardize=False),
        "min-max": arm(standardize=False),
        "percentiles": arm(standardize=False, normalize="percentile"),
        "fixed range, standardised": arm(True),
        "min-max, standardised": arm(),
    }


def skips() -> dict[str, Arm]:
    """Compare networks with and without skip connections, at two depths."""
    return {
        f"{depth} layers, {'skips' if skip else 'no skips'}": _small_arm(depth=depth, skip=skip)
        for depth in (18, 34)
        for skip in (True, False)
    }


def weights() -> dict[str, Arm]:
    """Compare weights of a missed finding in the loss: 1, or n0 / n1 ("balanced")."""
    return {"weight 1": _small_arm(weight=1.0), "balanced": Arm()}


def schedules() -> dict[str, Arm]:
    """Compare learning rates: constant, halved each epoch, or falling along half a cosine."""
    return {
        "constant": _small_arm(schedule="none"),
        "halving": _small_arm(schedule="halving", hold=1),
        "cosine": Arm(),
    }


def findings() -> dict[str, Arm]:
    """Compare findings: the same recipe learns effusion, cardiomegaly and pneumothorax."""
    arm = lambda finding: Arm(
        films=SimulatedCohort(finding=finding), tests={"test": SimulatedCohort(TEST_FILMS, finding)}
    )
    return {finding: arm(finding) for finding in ("effusion", "cardiomegaly", "pneumothorax")}


EXPERIMENTS: dict[str, Callable[[], dict[str, Arm]]] = {
    make_arms.__name__: make_arms
    for make_arms in (
        *(label_noise, shortcut, comorbidity, centre_crop, augmentation),
        *(normalization, skips, weights, schedules, findings),
    )
}
"""Every experiment by its name: a function that returns its arms by their names."""

GALLERY = ("label_noise", "comorbidity", "findings")
"""The experiments that no lesson shows. Only the page of experiments does (``make gallery``)."""


def read_experiment(name: str, *, test: str = "test") -> pd.DataFrame:
    """Read the committed results of one experiment on one of its tests.

    Parameters
    ----------
    name : str
        A key of `EXPERIMENTS`, "leak", "lower_cut" or "training_aucs".
    test : str
        A name of a test in the experiment's arms.

    Returns
    -------
    DataFrame
        One row an arm and seed: ``arm``, ``test``, ``seed``, ``auc``,
        ``sensitivity`` and ``specificity`` at the run's threshold,
        ``sensitivity_half`` and ``specificity_half`` at 0.5 of the uncorrected
        probability, ``brier``, ``brier_uncorrected``, ``seconds`` of the
        training (fewer if the cache had a part of it), and ``versions``. "leak", "lower_cut" and
        "training_aucs" have other columns, which ``data/train_experiments.py`` explains.
    """
    table = pd.read_csv(TABLES / f"{name}.csv")
    return table[table["test"] == test].reset_index(drop=True)
