"""A finished training: its model, its recipe and its operating point, ready to score films."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from cxrlib import loss as losses
from cxrlib.cohort import MADE_UP, Cohort, check_split
from cxrlib.performance import Evaluation, evaluate_scores
from cxrlib.pipeline import load_images
from cxrlib.plausibility import Reference, read_reference
from cxrlib.radiograph import InputError, check_image, open_radiograph, quantize, resize_to_square
from cxrlib.recipe import Recipe, read_recipe
from cxrlib.texts import read_csv, read_json, read_numbers

MADE_LAST = "operating_point.json"
"""A run folder without this file is unfinished."""

_FINDING = re.compile(r"[^/\\\x00-\x1f]{1,100}")  # the name of a folder

SIMULATED = Path(__file__).with_name("weights")
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
        from cxrlib.network import load_network

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
        """Score one film, and say what is unusual in it (`cxrlib.plausibility`).

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
        from cxrlib.network import predict_logits

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
        progress: Callable = lambda items, total: items,
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
        return replace(made, warnings=self.acquaintances(part) + made.warnings)

    def score_cohort(self, cohort: Cohort, *, progress: Callable = lambda items, total: items) -> np.ndarray:
        """Return the scores (N,) of a cohort's films."""
        return self.score_images(self.load(cohort.files, progress=progress))

    def load(self, files, *, progress: Callable = lambda items, total: items) -> np.ndarray:
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

    def acquaintances(self, part: Cohort) -> tuple[str, ...]:
        """Say which films, or at least whose, the run has learned from, and whether they are of its finding."""
        split = self.split
        learned = np.array([film is not None and film.split == "train" for film in self._known(part)])
        patients = {each for each in split.loc[split["split"] == "train", "patient_id"] if not each.startswith(MADE_UP)}
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
    if not (folder / MADE_LAST).is_file():
        table = folder / "history.csv"
        done = len(read_csv(table, needed=("epoch",), may_be_empty=True)) if table.is_file() else 0
        raise InputError(
            f"{folder}: the run is unfinished ({done} of {recipe.epochs} epochs); continue it with `cxr train --resume`"
        )
    point = read_json(folder / MADE_LAST)
    finding, weight, threshold = (point.get(name) for name in ("finding", "weight", "threshold"))
    if not (
        isinstance(finding, str)
        and _FINDING.fullmatch(finding)
        and _lies(weight, 1e-30, 1e30)
        and _lies(threshold, 0, 1)
    ):
        raise InputError(
            f"{folder / MADE_LAST}: is damaged (finding {finding!r:.80}, weight {weight!r:.80}, "
            f"threshold {threshold!r:.80}); needed are a word, a number above 0, and one from 0 to 1"
        )
    return Run(folder, recipe, finding, float(weight), float(threshold))


def _lies(number, low: float, high: float) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and low <= number <= high
