"""Detectors with one hidden flaw each, for the lesson in which the reader finds the flaws.

Each detector is a run folder with the films that it was made from, and with fresh films
that it has never met. The fresh films have exact truth. A detector is trained when it is
first used, and then kept in the cache.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import joblib
import numpy as np
import pandas as pd

from cxrlib.cohorts.cohort import SIMULATION, Cohort
from cxrlib.cohorts.split import FRACTIONS, SPLITS
from cxrlib.course.experiments import TABLES
from cxrlib.course.folders import cache_folder
from cxrlib.course.reader import reader_seed
from cxrlib.errors import InputError
from cxrlib.evaluation.rates import performance
from cxrlib.evaluation.roc_auc import auc, auc_interval
from cxrlib.files import LOCK, atomic, locked, write_csv, write_text
from cxrlib.images.pixels import minmax
from cxrlib.model.recipe import Recipe
from cxrlib.model.session import start_session
from cxrlib.phantom.film import Order, take_film
from cxrlib.phantom.roster import draw_roster
from cxrlib.phantom.simulation import IDLE_SECONDS, VERSION
from cxrlib.training.manifest import write_manifest
from cxrlib.training.run import Run, open_run

FLAWS = {
    "leak": "films of the same patients are in more than one split",
    "shortcut": "view, site and devices follow the label in its films, and its score follows them",
    "normalisation": "all films of one site are cut off at a fixed gray level",
    "labels": "many of its training films have the wrong label",
    "threshold": "its threshold was chosen on its test films",
}
"""The flaws, by the names that an answer uses."""

LETTERS = "ABCDE"
"""The names of the detectors of a deal."""

SIZE = 96
"""Side of the films in pixels."""

RECIPE = Recipe(name="audit", size=SIZE, epochs=3, batch=16, learning_rate=5e-4, hold=1, mirror=False)
"""The recipe of each detector. It starts from the weights that come with the library."""

FILMS, FRESH_FILMS, PREVALENCE = 480, 400, 0.3
"""Films of a detector, fresh films, and the fraction of either with an effusion."""

TRAIN_SEED, FRESH_SEED = 11_000, 12_000
"""Added to the seed of a detector, they give the seeds of its films. No other training of the course has them."""

EXAMPLE_SEED, DEALT_SEED = 0, 1
"""The seeds of the example on the page of the lesson, and of the detectors that are dealt."""

DRAW = 2
"""Changes when the films of a detector are drawn in another way."""

SHORTCUT = 0.9
"""The fraction of the films of one detector in which view, site and devices follow the label."""

WRONG_LABELS = 0.25
"""The fraction of the training films of one detector that have the wrong label."""

FIXED_SITE, FIXED_WHITE = 0, 2047
"""One detector clips the films of this site at this gray level, as if they had 11 bits. They have 12."""

MAX_READINGS = 60
"""How many films the second readers have time for."""

EXAMPLE = TABLES / "audit_example"
"""The committed example. It has no network: only tables, which are the same on every machine."""

DESCRIBED = ("view", "sex", "age", "site", "posture", "devices")
"""The columns of both tables that describe a film."""


@dataclass(frozen=True)
class Detector:
    """A detector that is to be audited.

    Attributes
    ----------
    name : str
    make : callable
        Returns its folder. The first call may train the network.
    """

    name: str
    make: Callable[[], Path] = field(repr=False)

    @cached_property
    def folder(self) -> Path:
        """The folder with the run folder and the tables of films."""
        return self.make()

    @cached_property
    def run(self) -> Run:
        """The run folder, with its split, its scores and its operating points."""
        return open_run(self.folder / "run")

    @property
    def films(self) -> pd.DataFrame:
        """The films of its training, validation and test, one row each.

        ``label`` is what a film is filed as: 1 for effusion. Other columns are ``path``, ``patient_id``,
        ``split``, ``view``, ``sex``, ``age``, ``site``, ``posture`` and ``devices``.
        """
        return self._films[["path", "patient_id", "split", "label", *DESCRIBED]].copy()

    @property
    def fresh(self) -> pd.DataFrame:
        """Films that it has never met, one row each, of patients that it has never met.

        ``label`` is the truth, and ``volume_ml`` the volume of the fluid. ``score`` is the score of
        the detector, and ``start_score`` that of the network from which its training started.
        Other columns are ``path``, ``patient_id``, ``view``, ``sex``, ``age``, ``site``,
        ``posture`` and ``devices``.
        """
        return self._fresh[["path", "patient_id", "label", "volume_ml", *DESCRIBED, "score", "start_score"]].copy()

    @property
    def report(self) -> dict[str, Any]:
        """The figures that come with the detector, from its test films at its threshold.

        ``auc``, ``sensitivity`` and ``specificity`` are estimates with intervals.
        """
        return _figures(self.run.scores.query("split == 'test'"), self.run.threshold)

    @property
    def fresh_report(self) -> dict[str, Any]:
        """The same figures of the fresh films."""
        return _figures(self._fresh, self.run.threshold)

    def read_again(self, paths: Iterable[str]) -> np.ndarray:
        """Return what films really show: 1 for effusion, 0 for none.

        Parameters
        ----------
        paths : iterable of str
            Paths of `films` or `fresh`. At most `MAX_READINGS` in a call: the second readers have no time for more.

        Raises
        ------
        InputError
            These films are too many, or a path is unknown.
        """
        paths = list(paths)
        if len(paths) > MAX_READINGS:
            raise InputError(f"{len(paths):,} films are to be read again; there is time for {MAX_READINGS}")
        return np.array([int(self._row(path)["volume_ml"] > 0) for path in paths])

    def film(self, path: str, *, size: int = 256) -> tuple[np.ndarray, np.ndarray]:
        """Return a film at a larger size, prepared as this detector prepares it.

        Parameters
        ----------
        path : str
            A path of `films` or `fresh`.
        size : int, pixels

        Returns
        -------
        image : ndarray, (S, S), float32 in [0, 1]
        mask : ndarray, (S, S), bool
            Where there is fluid.
        """
        row = self._row(path)
        film = take_film(_order(row), size=size)
        return minmax(_prepare(film.pixels, row)), film.mask

    @cached_property
    def _films(self) -> pd.DataFrame:
        return _read_table(self.folder / "films.csv")

    @cached_property
    def _fresh(self) -> pd.DataFrame:
        return _read_table(self.folder / "fresh.csv")

    def _row(self, path: str) -> dict[str, Any]:
        for table in (self._films, self._fresh):
            if (found := table["path"] == path).any():
                return table[found].iloc[0].to_dict()
        raise InputError(f"detector {self.name} has no film {path!r:.80}")


def example() -> Detector:
    """Return the detector X, which the lesson audits on its page. Its tables are committed; it has no network."""
    return Detector("X", lambda: EXAMPLE)


def detectors(deal: int | None = None) -> dict[str, Detector]:
    """Return the five detectors of a deal by their letters. Each is trained when it is first used.

    Parameters
    ----------
    deal : int, optional
        Decides which letter has which flaw. By default it is the reader's own seed. The five
        detectors themselves are the same in each deal.

    Examples
    --------
    >>> sorted(detectors(0))
    ['A', 'B', 'C', 'D', 'E']
    """
    return {letter: Detector(letter, partial(make_detector, flaw)) for letter, flaw in dealt(deal).items()}


def dealt(deal: int | None = None) -> dict[str, str]:
    """Return the flaw of each letter in a deal.

    Examples
    --------
    >>> sorted(dealt(0).values())
    ['labels', 'leak', 'normalisation', 'shortcut', 'threshold']
    """
    order = np.random.default_rng([reader_seed() if deal is None else deal, *b"audit"]).permutation(list(FLAWS))
    return {letter: str(flaw) for letter, flaw in zip(LETTERS, order, strict=True)}


@dataclass(frozen=True)
class Evidence:
    """What speaks for or against each flaw of a detector.

    Attributes
    ----------
    shared_patients : int
        Patients with films in more than one split.
    reported_auc, fresh_auc : float
        On its test films, and on the fresh films.
    reported_rates, fresh_rates : tuple of float
        Sensitivity and specificity on the same films.
    view_auc : float
        How well its score tells AP from PA on fresh films without an effusion. The AUC
        counts an AP film as positive.
    misled_change : float
        The AUC minus that of the start, on the pairs of an effusion on a PA film and
        another AP film. A score that follows the view gets such pairs wrong.
    site_aucs, start_site_aucs : tuple of float
        The AUC on the fresh films of sites 0, 1 and 2, and that of the start.
    read_again, wrong_labels : int
        Random training films whose label was compared with the truth, and how many labels were wrong.
    chosen_on : dict of str to int
        The films that its threshold was chosen on, counted by split.
    """

    shared_patients: int
    reported_auc: float
    fresh_auc: float
    reported_rates: tuple[float, float]
    fresh_rates: tuple[float, float]
    view_auc: float
    misled_change: float
    site_aucs: tuple[float, ...]
    start_site_aucs: tuple[float, ...]
    read_again: int
    wrong_labels: int
    chosen_on: dict[str, int]

    def number(self, flaw: str) -> float:
        """Return the number that shows a flaw of `FLAWS` and no other."""
        return {
            "leak": self.shared_patients,
            "shortcut": self.view_auc,
            "normalisation": min(self.site_aucs),
            "labels": self.wrong_labels,
            "threshold": self.chosen_on.get("test", 0),
        }[flaw]

    def second_number(self, flaw: str) -> float | None:
        """Return the number that tells a shortcut and a normalisation apart. None for the other flaws.

        A shortcut costs the pairs in which the view misleads. A wrong normalisation also
        lowers the AUC of the start at the site where the detector's own is lowest.
        """
        if flaw == "shortcut":
            return self.misled_change
        return self.start_site_aucs[int(np.argmin(self.site_aucs))] if flaw == "normalisation" else None


def measure(detector: Detector) -> Evidence:
    """Measure the signs of all five flaws on a detector, as its lesson does."""
    split, fresh = detector.run.split, detector.fresh
    splits_of_patient = split.groupby("patient_id")["split"].nunique()
    report, fresh_report = detector.report, detector.fresh_report
    empty = fresh[fresh["label"] == 0]
    misled = fresh[(fresh["view"] == "AP") != (fresh["label"] == 1)]
    sites = [fresh[fresh["site"] == site] for site in sorted(fresh["site"].unique())]
    training = detector.films.query("split == 'train'").sample(MAX_READINGS, random_state=0)
    wrong = detector.read_again(training["path"]) != training["label"]
    used = split["split"][split["film_id"].isin(detector.run.operating_point.film_ids)]
    return Evidence(
        int((splits_of_patient > 1).sum()),
        report["auc"].value,
        fresh_report["auc"].value,
        (report["sensitivity"].value, report["specificity"].value),
        (fresh_report["sensitivity"].value, fresh_report["specificity"].value),
        auc(empty["view"] == "AP", empty["score"]),
        auc(misled["label"], misled["score"]) - auc(misled["label"], misled["start_score"]),
        tuple(auc(films["label"], films["score"]) for films in sites),
        tuple(auc(films["label"], films["start_score"]) for films in sites),
        len(training),
        int(wrong.sum()),
        used.value_counts().to_dict(),
    )


def solution(deal: int | None = None) -> dict[str, tuple[str | float, ...]]:
    """Return the flaw of each letter in a deal, and its numbers. It may train the detectors first.

    The first number shows the flaw. A shortcut and a normalisation have a second one (`Evidence.second_number`).

    Parameters
    ----------
    deal : int, optional
        By default the reader's own seed, as in `detectors`.
    """
    flaws = dealt(deal)
    found = {letter: measure(detector) for letter, detector in detectors(deal).items()}
    numbers = {
        letter: (found[letter].number(flaw), found[letter].second_number(flaw)) for letter, flaw in flaws.items()
    }
    return {
        letter: (flaw, *(round(number, 3) for number in numbers[letter] if number is not None))
        for letter, flaw in flaws.items()
    }


def make_detector(flaw: str, seed: int = DEALT_SEED) -> Path:
    """Return the folder of a detector with a flaw. Train the detector if there is no such folder yet.

    Parameters
    ----------
    flaw : str
        A key of `FLAWS`.
    seed : int
        The seed of its films.
    """
    settings = [
        flaw,
        seed,
        DRAW,
        VERSION,
        FILMS,
        FRESH_FILMS,
        PREVALENCE,
        SHORTCUT,
        WRONG_LABELS,
        FIXED_WHITE,
        str(RECIPE),
    ]
    audit = cache_folder() / "audit"
    folder = audit / hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]  # does not tell the flaw
    with locked(audit, name=f".{folder.name}{LOCK}", wait=True):
        if not (folder / "fresh.csv").is_file():  # it is written last
            _make(flaw, seed, folder)
    return folder


def _make(flaw: str, seed: int, folder: Path) -> None:
    if "tensorflow" not in sys.modules:
        start_session()  # so that it prints no messages into the reader's notebook
    from cxrlib.training.fitting import train  # TensorFlow takes a while to import
    from cxrlib.training.threshold import choose_threshold

    films = _draw_films(flaw, TRAIN_SEED + seed)
    fresh = draw_roster(FRESH_FILMS, prevalence=PREVALENCE, seed=FRESH_SEED + seed)
    fresh = _describe(fresh, flaw, FRESH_SEED + seed)
    cohort, fresh_cohort = _take(films, TRAIN_SEED + seed), _take(fresh, FRESH_SEED + seed)
    # two films of a patient may look like copies: that is the leak, and a warning would tell it
    run = train(cohort, folder / "run", RECIPE, resume=True, look_for_copies=False)
    if flaw == "threshold":
        run = choose_threshold(run, cohort, split="test", sensitivity=RECIPE.sensitivity, name="in-use")
    else:
        run = choose_threshold(run, sensitivity=RECIPE.sensitivity, name="in-use")
    networks = {"score": run, "start_score": open_run(RECIPE.start)}
    scores = {name: network.score_cohort(fresh_cohort).round(6) for name, network in networks.items()}
    write_csv(folder / "films.csv", films)
    write_csv(folder / "fresh.csv", fresh.assign(**scores))


def _draw_films(flaw: str, seed: int) -> pd.DataFrame:
    """Draw the films of a detector with a flaw: its training, validation and test."""
    roster = draw_roster(FILMS, prevalence=PREVALENCE, shortcut=SHORTCUT if flaw == "shortcut" else 0.0, seed=seed)
    rng = np.random.default_rng([seed, *b"flaw"])
    if flaw == "leak":  # each film is drawn by itself
        roster["split"] = rng.permutation(rng.choice(SPLITS, len(roster), p=FRACTIONS))
    if flaw == "labels":
        for label in (0, 1):
            rows = roster.index[(roster["split"] == "train") & (roster["true_label"] == label)]
            roster.loc[rng.permutation(rows)[: round(WRONG_LABELS * len(rows))], "label"] = 1 - label
    # In both seeds that are used, the effusions of the validation films are easier to find than those of the test
    # films. We exchange the two. So a threshold that is chosen on the test films promises too much.
    roster["split"] = roster["split"].replace({"val": "test", "test": "val"})
    return _describe(roster, flaw, seed)


def _describe(roster: pd.DataFrame, flaw: str, seed: int) -> pd.DataFrame:
    """Return the columns that are needed to take the films, under paths that do not tell the class."""
    table = roster.assign(
        seed=seed,
        visit=[int(Path(path).stem.split("_")[1]) for path in roster["path"]],
        white=np.where((flaw == "normalisation") & (roster["site"] == FIXED_SITE), FIXED_WHITE, 4095),
    )
    orders = [f"{_order(row)} {row['white']}" for row in table.to_dict("records")]
    table["path"] = [f"films/{hashlib.sha256(order.encode()).hexdigest()[:10]}.png" for order in orders]
    columns = [
        "path",
        "patient_id",
        "split",
        "label",
        *DESCRIBED,
        "volume_ml",
        "side",
        "sick",
        "visit",
        "seed",
        "white",
    ]
    return table[columns].sort_values("path", ignore_index=True)


def _order(row: dict[str, Any]) -> Order:
    return Order(
        patient=int(row["patient_id"]),
        visit=int(row["visit"]),
        seed=int(row["seed"]),
        view=row["view"],
        posture=row["posture"],
        amount=float(row["volume_ml"]),
        side=row["side"] or "right",
        site=int(row["site"]),
        sick=bool(row["sick"]),
        devices=tuple(row["devices"].split()),
    )


def _prepare(pixels: np.ndarray, row: dict[str, Any]) -> np.ndarray:
    """Return pixels of 12 bits, clipped as the detector clips the films of this site."""
    return np.minimum(pixels, int(row["white"])).astype(np.uint16)


def _take(table: pd.DataFrame, seed: int) -> Cohort:
    """Take those films of a table that are not in the cache yet, and return the table as a cohort."""
    folder = cache_folder() / "audit" / f"films-v{VERSION}-{SIZE}px-{seed}"
    (folder / "films").mkdir(parents=True, exist_ok=True)
    write_text(folder / SIMULATION, json.dumps({"seed": seed}) + "\n")
    missing = [row for row in table.to_dict("records") if not (folder / row["path"]).exists()]
    tasks = (joblib.delayed(_write_film)(folder / row["path"], row) for row in missing)
    joblib.Parallel(n_jobs=-1 if len(missing) > 24 else 1, batch_size=8, idle_worker_timeout=IDLE_SECONDS)(tasks)
    return Cohort(folder, "effusion", table)


def _write_film(path: Path, row: dict[str, Any]) -> None:
    pixels = _prepare(take_film(_order(row), size=SIZE).pixels, row)
    with atomic(path) as unfinished:
        unfinished.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def write_example(folder: Path = EXAMPLE) -> None:
    """Write the tables of the example: a detector with a shortcut, without its network.

    Parameters
    ----------
    folder : Path
        It must not exist.
    """
    made = make_detector("shortcut", EXAMPLE_SEED)
    networks = ("model.keras", "weights.npz", "details.npz", "reference.json", "environment.json")
    shutil.copytree(made, folder, ignore=lambda _, names: [name for name in names if name in networks])
    write_manifest(folder / "run")
    films = Detector("X", lambda: made)._films
    write_csv(folder / "test.csv", score_test_films(films[films["split"] == "test"]))


def score_test_films(films: pd.DataFrame) -> pd.DataFrame:
    """Return ``path`` and ``start_score`` of test films of the example: the score of the network it started from."""
    from cxrlib.training.run import open_run  # TensorFlow takes a while to import

    films = films.reset_index(drop=True)
    scores = open_run(RECIPE.start).score_cohort(_take(films, TRAIN_SEED + EXAMPLE_SEED))
    return films[["path"]].assign(start_score=scores.round(6))


def makers_test() -> pd.DataFrame:
    """Return the test films of the example X, with the score of X and that of the network it started from.

    Returns
    -------
    DataFrame
        The test rows of ``example().films``, with ``start_score`` and ``score``.
    """
    x = example()
    films = x.films.query("split == 'test'")
    for scores in (pd.read_csv(x.folder / "test.csv"), x.run.scores[["path", "score"]]):
        films = films.merge(scores, on="path", validate="one_to_one")
    return films


def _read_table(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, dtype={"patient_id": str})
    return table.fillna({"side": "", "devices": ""})


def _figures(films: pd.DataFrame, threshold: float) -> dict[str, Any]:
    label, score, patients = films["label"].to_numpy(), films["score"].to_numpy(), films["patient_id"]
    result = performance(label, score, threshold, patients)
    return {
        "n": len(films),
        "auc": auc_interval(label, score, patients),
        "sensitivity": result.sensitivity,
        "specificity": result.specificity,
    }
