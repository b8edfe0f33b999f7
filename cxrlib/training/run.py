"""A finished training: its network, its recipe and its operating point, ready to score films."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import pandas as pd

import cxrlib
from cxrlib.cohorts.cohort import Cohort
from cxrlib.cohorts.split import UNKNOWN_PATIENT, check_split
from cxrlib.errors import InputError
from cxrlib.evaluation.rates import Evaluation, evaluate_scores
from cxrlib.files import Progress, no_progress, read_csv, read_json, read_numbers
from cxrlib.images.film_facts import FilmWarning
from cxrlib.images.pixels import check_image, quantize, resize_to_square
from cxrlib.images.radiograph import open_radiograph
from cxrlib.model import loss as losses
from cxrlib.model.recipe import Recipe, read_recipe
from cxrlib.training.batches import load_images
from cxrlib.training.unusual import Reference, read_reference

if TYPE_CHECKING:
    from cxrlib.model.backend import keras

OPERATING_POINT = "operating_point.json"
"""The file of a run folder that is written last. A folder without it is unfinished."""

SIMULATED = Path(cxrlib.__file__).with_name("weights")
"""The run that comes with the library. It was trained on simulated films alone (`make weights`)."""

_FINDING = re.compile(r"[^/\\\x00-\x1f]{1,100}")
"""A finding is the name of a class folder, so it has no slash and no control character."""


@dataclass(frozen=True)
class Prediction:
    """What a run says about one film.

    Attributes
    ----------
    score : float in [0, 1]
        The probability of the finding, at the training cohort's prevalence.
    threshold : float
    finding : bool
        score >= threshold.
    warnings : tuple of FilmWarning
        Texts.
    """

    score: float
    threshold: float
    finding: bool
    warnings: tuple[FilmWarning, ...] = ()


@dataclass(frozen=True)
class Run:
    """A run folder; see `open_run`.

    Attributes
    ----------
    folder : Path
    recipe : Recipe
    finding : str
        The name of the positive class.
    weight : float
        The weight of the finding in the loss; see `cxrlib.model.loss.score`.
    threshold : float in [0, 1]
        The operating point.
    """

    folder: Path
    recipe: Recipe
    finding: str
    weight: float
    threshold: float

    @cached_property
    def model(self) -> "keras.Model":
        """The network: (N, S, S, 1) in [0, 1] -> (N, 1) logit."""
        from cxrlib.model.network_file import load_network

        return load_network(self.folder, self.recipe)

    @cached_property
    def reference(self) -> Reference | None:
        """What the training films look like; None for a run of an earlier version."""
        return read_reference(self.folder)

    @cached_property
    def split(self) -> pd.DataFrame:
        """One row for each film of the training: path, patient_id, split, bytes."""
        text = ("path", "patient_id", "split")
        return read_numbers(self.folder / "split.csv", text=text, numbers=("bytes",), may_be_empty=True)

    @property
    def history(self) -> pd.DataFrame:
        """One row for each epoch: epoch, learning_rate, loss, val_auc."""
        return read_numbers(self.folder / "history.csv", numbers=("epoch", "learning_rate", "loss", "val_auc"))

    @property
    def kept_epoch(self) -> int:
        """The epoch, from 1, whose weights the network has."""
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

    def predict(
        self, image: str | Path | np.ndarray, *, threshold: float | None = None, accept: Collection[str] = ()
    ) -> Prediction:
        """Score one film, and warn of what is unusual in it (`cxrlib.training.unusual`).

        Parameters
        ----------
        image : path-like, or ndarray (H, W) or (H, W, 1), float in [0, 1], dense is bright
        threshold : float, optional
            Used instead of the run's threshold.
        accept : collection of str
            As in `cxrlib.images.radiograph.open_radiograph`.

        Raises
        ------
        InputError
            The file cannot be read, is not a chest radiograph, or does not
            look like one.
        """
        size = self.recipe.size
        warnings: tuple[FilmWarning, ...] = ()
        if isinstance(image, np.ndarray):
            pixels, name = resize_to_square(check_image(image), size), "the image"
        else:
            film = open_radiograph(image, size=size, normalize=self.recipe.normalize, accept=accept)
            pixels, name, warnings = film.image, str(image), film.warnings
        pixels = quantize(pixels)
        score = float(self.score_images(pixels[None])[0])
        unusual = () if self.reference is None else self.reference.check(pixels, name, accept="unlike" in accept)
        threshold = self.threshold if threshold is None else threshold
        return Prediction(score, threshold, score >= threshold, warnings + unusual)

    def score_images(self, images: np.ndarray) -> np.ndarray:
        """Return the scores (N,), float64 in [0, 1], of images (N, S, S), uint8 or uint16 of full range.

        Raises
        ------
        InputError
            A score is not a finite number.
        """
        from cxrlib.model.network import predict_logits

        scores = losses.score(predict_logits(self.model, images, mirror=self.recipe.mirror), self.weight)
        if num_bad := int((~np.isfinite(scores)).sum()):
            raise InputError(
                f"{self.folder}: the scores of {num_bad:,} of {len(scores):,} films are not finite numbers"
            )
        return scores

    def score_cohort(self, cohort: Cohort, *, progress: Progress = no_progress) -> np.ndarray:
        """Return the scores (N,), float64 in [0, 1], of a cohort's films."""
        return self.score_images(self.load_images(cohort.files, progress=progress))

    def load_images(self, files: Sequence[Path], *, progress: Progress = no_progress) -> np.ndarray:
        """Read films as the network needs them: (N, S, S), uint16 of full range."""
        return load_images(files, size=self.recipe.size, normalize=self.recipe.normalize, progress=progress)

    def evaluate(
        self,
        cohort: Cohort,
        *,
        split: str = "test",
        threshold: float | None = None,
        prevalence: float | None = None,
        progress: Progress = no_progress,
    ) -> Evaluation:
        """Score the films of one split and compare the scores with their labels.

        Parameters
        ----------
        cohort : Cohort
            The cohort of the training, or a different one.
        split : {"test", "val", "train", "all"}
        threshold : float, optional
            Used instead of the run's threshold.
        prevalence : float in (0, 1), optional
            The prevalence that PPV and NPV are computed for; by default the cohort's.

        Raises
        ------
        InputError
            It is not known which films belong to the split; the films are of
            one class only; or a score is not a finite number.
        """
        recorded = self.recorded_films(cohort)
        part = self.part_of(cohort, split, recorded)
        part.check_classes(f"its {split} films")
        scores = self.score_cohort(part, progress=progress)
        threshold = self.threshold if threshold is None else threshold
        result = evaluate_scores(split, part.labels, scores, threshold, part.table["patient_id"], prevalence=prevalence)
        return replace(result, warnings=self.overlap_warnings(part, recorded) + result.warnings)

    def recorded_films(self, cohort: Cohort) -> dict[str, Any]:
        """Return the films of a cohort that are recorded in split.csv, as rows of split.csv by path.

        A film is recognised by its path within the cohort and by the size of its
        file in bytes.
        """
        recorded = {row.path: row for row in self.split.itertuples()}
        films = zip(cohort.table["path"], cohort.files, strict=True)
        return {
            path: recorded[path]
            for path, file in films
            if path in recorded and recorded[path].bytes == file.stat().st_size
        }

    def part_of(self, cohort: Cohort, split: str, recorded: dict[str, Any] | None = None) -> Cohort:
        """Return the cohort's films of one split.

        Films of the run's training, validation and test keep the split and the
        patient that the run recorded, even if the cohort's table says something
        else now.

        Parameters
        ----------
        cohort : Cohort
        split : {"test", "val", "train", "all"}
        recorded : dict, optional
            `recorded_films` of this cohort, if it is known already.

        Raises
        ------
        InputError
            It is not known which films belong to the split, or a patient would
            be in two splits.
        """
        recorded = self.recorded_films(cohort) if recorded is None else recorded
        if split == "all" or not recorded:
            return cohort.part(split)
        num_films = len(cohort.table)
        if not cohort.has_split and len(recorded) < num_films:
            raise InputError(
                f"{cohort.folder}: {num_films - len(recorded):,} of {num_films:,} films are not in "
                f"{self.folder / 'split.csv'}, so it is not known which are {split}; score all of them (--split all)"
            )
        table = cohort.table.copy()
        for column in ("split", "patient_id"):
            known = table["path"].map({path: getattr(row, column) for path, row in recorded.items()})
            table[column] = known.fillna(table[column]) if column in table else known
        check_split(table, f"{cohort.folder}, as split by {self.folder}")
        return replace(cohort, table=table).part(split)

    def overlap_warnings(self, part: Cohort, recorded: dict[str, Any] | None = None) -> tuple[str, ...]:
        """Return warnings about films that can make a run look better or worse than it is.

        There is one warning each for a different finding, for films that the run was
        trained on, and for further films of patients that the run was trained on.

        Parameters
        ----------
        part : Cohort
        recorded : dict, optional
            `recorded_films` of this cohort, if it is known already.
        """
        recorded = self.recorded_films(part) if recorded is None else recorded
        trained_on = [path for path, row in recorded.items() if row.split == "train"]
        is_trained_on = part.table["path"].isin(trained_on)
        train_patients = self.split.loc[self.split["split"] == "train", "patient_id"]
        # the id of an unknown patient is made from the file name, and equal file names do not mean the same person
        train_patients = train_patients[~train_patients.str.startswith(UNKNOWN_PATIENT)]
        is_patient_met = part.table["patient_id"].isin(train_patients) & ~is_trained_on
        warnings = []
        if part.finding != self.finding:
            warnings.append(f"the run looks for {self.finding}, and these films are filed as {part.finding}")
        if is_trained_on.any():
            warnings.append(f"{is_trained_on.sum():,} of these films were trained on")
        if is_patient_met.any():
            found = f"{is_patient_met.sum():,} of these films have the same patient_id as a training film"
            warnings.append(f"{found}. They may show the same patient")
        return tuple(warnings)


def open_run(folder: str | Path) -> Run:
    """Open a finished run.

    Parameters
    ----------
    folder : path-like
        A run folder, or "simulated" for the run that comes with the library.

    Raises
    ------
    InputError
        The folder holds no run, an unfinished run, or a run of another version of cxrlib.
    """
    folder = SIMULATED if folder == "simulated" else Path(folder)
    if not (folder / "recipe.json").is_file():
        raise InputError(f"{folder}: {'not a run folder (no recipe.json)' if folder.is_dir() else 'no such folder'}")
    recipe = read_recipe(folder / "recipe.json")
    if not (folder / OPERATING_POINT).is_file():
        table = folder / "history.csv"
        epochs_done = len(read_csv(table, needed=("epoch",), may_be_empty=True)) if table.is_file() else 0
        raise InputError(
            f"{folder}: the run is unfinished ({epochs_done} of {recipe.epochs} epochs); "
            "continue it with `cxr train --resume`"
        )
    return Run(folder, recipe, *_read_operating_point(folder / OPERATING_POINT))


def _read_operating_point(path: Path) -> tuple[str, float, float]:
    """Return the finding, the loss weight and the threshold of a run."""
    point = read_json(path)
    finding, weight, threshold = (point.get(name) for name in ("finding", "weight", "threshold"))
    is_finding = isinstance(finding, str) and _FINDING.fullmatch(finding)
    if not (is_finding and _is_number_between(weight, 1e-30, 1e30) and _is_number_between(threshold, 0, 1)):
        raise InputError(
            f"{path}: is damaged (finding {finding!r:.80}, weight {weight!r:.80}, threshold {threshold!r:.80}); "
            "they must be a word, a number above 0, and a number from 0 to 1"
        )
    return str(finding), float(weight), float(threshold)


def _is_number_between(value: object, low: float, high: float) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
