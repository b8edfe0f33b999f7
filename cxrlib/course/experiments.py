"""The course's comparisons: recipes over paired seeds, on simulated films.

Each experiment is a function that returns its arms. Within a seed, the arms
learn from films of the same patients and are scored on the same test films,
which no seed trains on; so arms are compared within a seed, and the interval
is over seeds. ``data/train_experiments.py`` runs them (`make experiments`); the results are in ``tables/``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from cxrlib.course.cohorts import SimulatedCohort
from cxrlib.model.recipe import DEFAULT, Recipe

FOLDER = Path(__file__).with_name("tables")
TEST_SEED, TEST_FILMS = 1000, 3321
VAL_SEED = 2000  # of the films that a threshold is chosen on in scores.csv
COLUMNS = (
    *("path", "patient_id", "label", "view", "sex", "age"),
    *("site", "posture", "side", "volume_ml", "devices"),
)
"""What scores.csv says of each film, besides its scores."""


SMALL = replace(DEFAULT, name="small", size=64, width=16, start="scratch", epochs=20, batch=16, mirror=False)
"""The network of every experiment, small enough to be trained on the page."""


@dataclass(frozen=True)
class Arm:
    """One side of a comparison: a recipe, the films that it learns from, and those that it is scored on."""

    recipe: Recipe = SMALL
    films: SimulatedCohort = field(default_factory=SimulatedCohort)
    tests: dict[str, SimulatedCohort] = field(default_factory=lambda: {"test": SimulatedCohort(TEST_FILMS)})


def small(**changes) -> Arm:
    """Return an arm on plain films, with some knobs of `SMALL` changed."""
    return Arm(replace(SMALL, **changes))


def augmented(**changes) -> Arm:
    """Return an arm on plain films, with its augmentation changed."""
    return small(augmentation=replace(SMALL.augmentation, **changes))


NOTHING_MOVES = dict(shift=0.0, scale=0.0, rotate=0.0, gamma=1.0, horizontal_flip=False)


def label_noise() -> dict[str, Arm]:
    """Exchange a share of each class folder for the other; score against the truth."""
    return {f"{share:.0%} wrong": Arm(films=SimulatedCohort(label_noise=(share, share))) for share in (0.0, 0.1, 0.2)}


def leak() -> dict[str, Arm]:
    """Score one network on later films of those whom it has learned from, and of those whom another seed has."""
    tests = {
        "test": SimulatedCohort(TEST_FILMS),
        "the same patients": SimulatedCohort(again=True),
        "new patients": SimulatedCohort(again=True, other=1),
    }
    return {"split by image": Arm(tests=tests)}


def shortcut() -> dict[str, Arm]:
    """Let view, site and devices tell the label in training; then they do, or do not."""
    tests = {"test": SimulatedCohort(TEST_FILMS), "shortcut holds": SimulatedCohort(TEST_FILMS, shortcut=0.8)}
    return {
        "honest films": Arm(tests=tests),
        "films with a shortcut": Arm(films=SimulatedCohort(shortcut=0.8), tests=tests),
    }


def flips() -> dict[str, Arm]:
    """Mirror films left to right, or turn them upside down, at random."""
    return {
        "no flip": augmented(horizontal_flip=False),
        "horizontal": Arm(),
        "vertical": augmented(horizontal_flip=False, vertical_flip=True),
    }


def centre_crop() -> dict[str, Arm]:
    """Show the network the whole film, or its centre enlarged."""
    arm = lambda share: Arm(films=SimulatedCohort(crop=share), tests={"test": SimulatedCohort(TEST_FILMS, crop=share)})
    return {"whole film": Arm(), "centre 87.5 %": arm(0.875), "centre 70 %": arm(0.7)}


def augmentation() -> dict[str, Arm]:
    """Train with and without augmentation, at three sizes of the training set."""
    still = replace(SMALL, augmentation=replace(SMALL.augmentation, **NOTHING_MOVES))
    return {
        f"{name}, {share:.0%} of the patients": Arm(recipe, SimulatedCohort(share=share))
        for share in (0.25, 0.5, 1.0)
        for name, recipe in (("still", still), ("moved", SMALL))
    }


def normalization() -> dict[str, Arm]:
    """Learn at one site, and score there and at the other two, by four normalisations."""

    def arm(fixed: bool = False, **changes) -> Arm:
        films = lambda count, site: SimulatedCohort(count, site=site, fixed=fixed)
        tests = {"same site": films(TEST_FILMS, 0), "test": films(TEST_FILMS, -1)}
        return Arm(replace(SMALL, **changes), films(2214, 0), tests)

    return {
        "fixed range": arm(True, standardize=False),
        "min-max": arm(standardize=False),
        "percentiles": arm(standardize=False, normalize="percentile"),
        "min-max, standardised": arm(),
    }


def skips() -> dict[str, Arm]:
    """Build the network with and without skip connections, at two depths."""
    return {
        f"{depth} layers, {'skips' if skip else 'no skips'}": small(depth=depth, skip=skip)
        for depth in (18, 34)
        for skip in (True, False)
    }


def weights() -> dict[str, Arm]:
    """Weight a missed finding in the loss by 1, 3 or n0 / n1."""
    return {"weight 1": small(weight=1.0), "weight 3": small(weight=3.0), "balanced": Arm()}


def schedules() -> dict[str, Arm]:
    """Hold the learning rate, halve it each epoch, or let it fall along half a cosine."""
    return {
        "constant": small(schedule="none"),
        "halving": small(schedule="halving", hold=1),
        "cosine": Arm(),
    }


def findings() -> dict[str, Arm]:
    """Look for other findings by the same path."""
    arm = lambda finding: Arm(
        films=SimulatedCohort(finding=finding), tests={"test": SimulatedCohort(TEST_FILMS, finding)}
    )
    return {finding: arm(finding) for finding in ("effusion", "cardiomegaly", "pneumothorax")}


EXPERIMENTS: dict[str, Callable[[], dict[str, Arm]]] = {
    make.__name__: make
    for make in (
        *(label_noise, leak, shortcut, flips, centre_crop, augmentation),
        *(normalization, skips, weights, schedules, findings),
    )
}
"""By name: a function that returns the arms."""


def read_experiment(name: str, *, test: str = "test", folder: Path = FOLDER) -> pd.DataFrame:
    """Return the rows of one experiment for one of its tests."""
    table = pd.read_csv(folder / f"{name}.csv")
    return table[table["test"] == test].reset_index(drop=True)
