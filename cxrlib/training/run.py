"""A finished training: its model, its recipe and its operating point, ready to score films.

Two runs on the same films.
"""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

import cxrlib
from cxrlib.cohorts.cohort import Cohort
from cxrlib.cohorts.split import UNKNOWN_PATIENT, check_split
from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import Estimate
from cxrlib.evaluation.rates import Evaluation, evaluate_scores
from cxrlib.evaluation.roc_auc import auc_difference, auc_interval
from cxrlib.files import Progress, no_progress, read_csv, read_json, read_numbers
from cxrlib.images.pixels import check_image, quantize, resize_to_square
from cxrlib.images.radiograph import open_radiograph
from cxrlib.model import loss as losses
from cxrlib.model.recipe import Recipe, read_recipe
from cxrlib.training.batches import load_images
from cxrlib.training.unusual import Reference, read_reference

OPERATING_POINT = "operating_point.json"
"""A run folder without this file is unfinished."""

_FINDING = re.compile(r"[^/\\\x00-\x1f]{1,100}")  # the name of a folder

SIMULATED = Path(cxrlib.__file__).with_name("weights")
"""The run that comes with the library: trained on simulated films alone (`make weights`)."""


@dataclass(frozen=True)
class Prediction:
    """What a run says of one film.

    Attributes
    ----------
    score : float in [0, 1]
        The probability of the finding, at the training cohort's prevalence.
    threshold : float
    finding : bool
        score >= threshold.
    warnings : tuple of str
    """

    score: float
    threshold: float
    finding: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """A run folder; see `open_run`."""

    folder: Path
    recipe: Recipe
    finding: str
    weight: float
    threshold: float

    @cached_property
    def model(self):
        """The network: (N, S, S, 1) in [0, 1] -> (N, 1) logit."""
        from cxrlib.model.network_file import load_network

        return load_network(self.folder, self.recipe)

    @cached_property
    def reference(self) -> Reference | None:
        """What its training films look like; None for a run of an earlier version."""
        return read_reference(self.folder)

    @property
    def split(self) -> pd.DataFrame:
        """One row a film that the run knows: path, patient_id, split, bytes."""
        text = ("path", "patient_id", "split")
        return read_numbers(self.folder / "split.csv", text=text, numbers=("bytes",), may_be_empty=True)

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch: epoch, learning_rate, loss, val_auc."""
        return read_numbers(self.folder / "history.csv", numbers=("epoch", "learning_rate", "loss", "val_auc"))

    @property
    def kept_epoch(self) -> int:
        """The epoch, from 1, whose weights the model has."""
        history = self.history
        row = history["val_auc"].idxmax() if self.recipe.keep == "best" else history.index[-1]
        return int(history.loc[row, "epoch"])

    @property
    def scores(self) -> pd.DataFrame:
        """The validation and test films: path, patient_id, split, label, logit, score."""
        text = ("path", "patient_id", "split")
        return read_numbers(self.folder / "scores.csv", text=text, numbers=("label", "logit", "score"))

    @property
    def is_tested(self) -> bool:
        """Whether `scores` has test films of both classes."""
        scores = self.scores
        return scores.loc[scores["split"] == "test", "label"].nunique() == 2

    def predict(self, image, *, threshold: float | None = None, allow_color: bool = False) -> Prediction:
        """Score one film, and say what is unusual in it (`cxrlib.training.unusual`).

        Parameters
        ----------
        image : path-like, or ndarray (H, W) in [0, 1], dense bright
        threshold : float, optional
            Chosen by hand, in place of the run's own.

        Raises
        ------
        InputError
            The file cannot be read, or is not a chest radiograph, or does not
            look like one.
        """
        size, warnings = self.recipe.size, ()
        if isinstance(image, np.ndarray):
            pixels = resize_to_square(check_image(image), size)
        else:
            film = open_radiograph(image, size=size, normalize=self.recipe.normalize, allow_color=allow_color)
            pixels, warnings = film.image, film.warnings
        pixels = quantize(pixels)
        score = float(self.score_images(pixels[None])[0])
        if self.reference is not None:
            warnings += self.reference.check(pixels, image)
        threshold = self.threshold if threshold is None else threshold
        return Prediction(score, threshold, score >= threshold, warnings)

    def score_images(self, images: np.ndarray) -> np.ndarray:
        """Return the scores (N,), float64, of cached images (N, S, S), uint8 or uint16."""
        from cxrlib.model.network import predict_logits

        scores = losses.score(predict_logits(self.model, images, mirror=self.recipe.mirror), self.weight)
        if wrong := int((~np.isfinite(scores)).sum()):
            raise InputError(f"{self.folder}: its network gives {wrong:,} of {len(scores):,} films no finite score")
        return scores

    def evaluate(
        self,
        cohort: Cohort,
        *,
        split: str = "test",
        threshold: float | None = None,
        prevalence: float | None = None,
        progress: Progress = no_progress,
    ) -> Evaluation:
        """Score the films of one split and hold the scores against their labels.

        Parameters
        ----------
        cohort : Cohort
            The one trained on, or any other.
        split : {"test", "val", "train", "all"}
        threshold : float, optional
            Chosen by hand, in place of the run's own.
        prevalence : float in (0, 1), optional
            That PPV and NPV are for; by default the cohort's.

        Raises
        ------
        InputError
            Where it cannot be known which films belong to the split, they are
            of one class only, or scores are not finite.
        """
        part = self.part_of(cohort, split)
        part.check_classes(f"its {split} films")
        scores = self.score_cohort(part, progress=progress)
        threshold = self.threshold if threshold is None else threshold
        made = evaluate_scores(split, part.labels, scores, threshold, part.table["patient_id"], prevalence=prevalence)
        return replace(made, warnings=self.overlap_warnings(part) + made.warnings)

    def score_cohort(self, cohort: Cohort, *, progress: Progress = no_progress) -> np.ndarray:
        """Return the scores (N,) of a cohort's films."""
        return self.score_images(self.load(cohort.files, progress=progress))

    def load(self, files, *, progress: Progress = no_progress) -> np.ndarray:
        """Read films as the network wants them: (N, S, S), uint16 of full range."""
        return load_images(files, size=self.recipe.size, normalize=self.recipe.normalize, progress=progress)

    def part_of(self, cohort: Cohort, split: str) -> Cohort:
        """Return the cohort's films of one split, as far as the run knows them.

        Films that the run was trained or chosen on keep the run's split and
        patient, whatever a cohort.csv says now. A film is recognised by its
        path within the cohort and its size in bytes.

        Raises
        ------
        InputError
            Where it cannot be known which films belong to the split, or a
            patient would be in two.
        """
        known = self._known(cohort)
        if split == "all" or all(film is None for film in known):
            return cohort.part(split)
        if not cohort.has_split and None in known:
            raise InputError(
                f"{cohort.folder}: {known.count(None):,} of {len(known):,} films are not in "
                f"{self.folder / 'split.csv'}, so it is not known which are {split}; score all of them (--split all)"
            )
        table = cohort.table.copy()
        for column in ("split", "patient_id"):
            said = table.get(column, [None] * len(table))
            table[column] = [getattr(film, column) if film else own for film, own in zip(known, said, strict=True)]
        check_split(table, f"{cohort.folder}, as split by {self.folder}")
        return replace(cohort, table=table).part(split)

    def _known(self, cohort: Cohort) -> list:
        """Return the run's own row for each film, or None."""
        rows = {(row.path, row.bytes): row for row in self.split.itertuples()}
        films = zip(cohort.table["path"], cohort.files, strict=True)
        return [rows.get((path, file.stat().st_size)) for path, file in films]

    def overlap_warnings(self, part: Cohort) -> tuple[str, ...]:
        """Say which films, or at least whose, the run has learned from, and whether they are of its finding."""
        split = self.split
        learned = np.array([film is not None and film.split == "train" for film in self._known(part)])
        patients = {
            each for each in split.loc[split["split"] == "train", "patient_id"] if not each.startswith(UNKNOWN_PATIENT)
        }
        met = part.table["patient_id"].isin(patients).to_numpy() & ~learned
        told = []
        if part.finding != self.finding:
            told.append(f"the run looks for {self.finding}, and these films are filed as {part.finding}")
        if learned.any():
            told.append(f"{learned.sum():,} of these films were trained on")
        if met.any():
            told.append(f"{met.sum():,} of these films have the patient_id of one trained on: the same people?")
        return tuple(told)


def open_run(folder) -> Run:
    """Open a finished run: its folder, or "simulated" for the one that comes with the library.

    Raises
    ------
    InputError
        No run, an unfinished one, or one of another version.
    """
    folder = SIMULATED if folder == "simulated" else Path(folder)
    if not (folder / "recipe.json").is_file():
        raise InputError(f"{folder}: {'not a run folder (no recipe.json)' if folder.is_dir() else 'no such folder'}")
    recipe = read_recipe(folder / "recipe.json")
    if not (folder / OPERATING_POINT).is_file():
        table = folder / "history.csv"
        done = len(read_csv(table, needed=("epoch",), may_be_empty=True)) if table.is_file() else 0
        raise InputError(
            f"{folder}: the run is unfinished ({done} of {recipe.epochs} epochs); continue it with `cxr train --resume`"
        )
    point = read_json(folder / OPERATING_POINT)
    finding, weight, threshold = (point.get(name) for name in ("finding", "weight", "threshold"))
    if not (
        isinstance(finding, str)
        and _FINDING.fullmatch(finding)
        and _is_number_between(weight, 1e-30, 1e30)
        and _is_number_between(threshold, 0, 1)
    ):
        raise InputError(
            f"{folder / OPERATING_POINT}: is damaged (finding {finding!r:.80}, weight {weight!r:.80}, "
            f"threshold {threshold!r:.80}); needed are a word, a number above 0, and one from 0 to 1"
        )
    return Run(folder, recipe, finding, float(weight), float(threshold))


def _is_number_between(number, low: float, high: float) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and low <= number <= high


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same films: each AUC, and their difference with its paired interval."""

    auc_a: Estimate
    auc_b: Estimate
    difference: Estimate
    n: int
    n_finding: int
    n_patients: int
    warnings: tuple[str, ...] = ()


def compare(
    run_a: Run, run_b: Run, cohort: Cohort, *, split: str = "test", progress: Progress = no_progress
) -> Comparison:
    """Compare two runs on the films that belong to the split for both of them.

    Raises
    ------
    InputError
        Such films are not known, or are of one class only.
    """
    parts = [run.part_of(cohort, split) for run in (run_a, run_b)]
    table = parts[0].table[parts[0].table["path"].isin(parts[1].table["path"])].reset_index(drop=True)
    shared = replace(cohort, table=table)
    shared.check_classes(f"the films that are {split} for both runs")
    scores = [run.score_cohort(shared, progress=progress) for run in (run_a, run_b)]
    labels, patients = shared.labels, table["patient_id"]
    return Comparison(
        *(auc_interval(labels, s, patients) for s in scores),
        auc_difference(labels, *scores, patients),
        n=len(table),
        n_finding=int(labels.sum()),
        n_patients=table["patient_id"].nunique(),
        warnings=tuple(f"{run.folder}: {told}" for run in (run_a, run_b) for told in run.overlap_warnings(shared)),
    )
