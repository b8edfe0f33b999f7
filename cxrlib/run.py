"""A finished training: its model, its recipe and its operating point, ready to score films."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from cxrlib import loss as losses
from cxrlib.cohort import Cohort
from cxrlib.evaluation import Estimate, Performance, auc_interval, brier, performance
from cxrlib.pipeline import as_float, load_images
from cxrlib.radiograph import InputError, open_radiograph, quantize, resize_to_square
from cxrlib.recipe import Recipe, read_recipe

MADE_LAST = "operating_point.json"
"""A run folder without this file is unfinished."""


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
class Evaluation:
    """How a run does on the films of one split."""

    split: str
    auc: Estimate
    brier: float
    performance: Performance
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict:
        """Return one flat dictionary of plain numbers, with intervals as ``auc_low`` and so on."""
        head = {"split": self.split, "auc": self.auc.value, "auc_low": self.auc.low, "auc_high": self.auc.high}
        return head | {"brier": self.brier} | self.performance.as_dict() | {"warnings": list(self.warnings)}


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
        import keras

        try:
            return keras.saving.load_model(self.folder / "model.keras", compile=False, safe_mode=True)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.folder / 'model.keras'}: cannot be loaded: {error}") from None

    @property
    def split(self) -> pd.DataFrame:
        """One row a film that the run knows: path, patient_id, split, bytes."""
        return pd.read_csv(self.folder / "split.csv", dtype={"path": str, "patient_id": str, "split": str})

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch: epoch, learning_rate, loss, val_auc."""
        return pd.read_csv(self.folder / "history.csv")

    @property
    def kept_epoch(self) -> int:
        """The epoch, from 1, whose weights the model has."""
        history = self.history
        row = history["val_auc"].idxmax() if self.recipe.keep == "best" else history.index[-1]
        return int(history.loc[row, "epoch"])

    @property
    def scores(self) -> pd.DataFrame:
        """The validation and test films: path, patient_id, split, label, logit, score."""
        return pd.read_csv(self.folder / "scores.csv", dtype={"path": str, "patient_id": str, "split": str})

    def predict(self, image, *, threshold: float | None = None, allow_color: bool = False) -> Prediction:
        """Score one film.

        Parameters
        ----------
        image : path-like, or ndarray (H, W) in [0, 1], dense bright
        threshold : float, optional
            Chosen by hand, in place of the run's own.

        Raises
        ------
        InputError
            The file cannot be read, or is not a chest radiograph.
        """
        size, warnings = self.recipe.size, ()
        if isinstance(image, np.ndarray):
            pixels = _check_array(image)
            pixels = resize_to_square(pixels, size)
        else:
            film = open_radiograph(image, size=size, normalize=self.recipe.normalize, allow_color=allow_color)
            pixels, warnings = film.image, film.warnings
        score = float(self.score_images(quantize(pixels)[None])[0])
        threshold = self.threshold if threshold is None else threshold
        return Prediction(score, threshold, score >= threshold, warnings)

    def score_images(self, images: np.ndarray) -> np.ndarray:
        """Return the scores (N,), float64, of cached images (N, S, S), uint8 or uint16."""
        return losses.score(predict_logits(self.model, images), self.weight)

    def evaluate(
        self,
        cohort: Cohort,
        *,
        split: str = "test",
        threshold: float | None = None,
        prevalence: float | None = None,
        progress: Callable = lambda items, total: items,
    ) -> "Evaluation":
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
            Where it cannot be known which films belong to the split.
        """
        part = self.assign_split(cohort).part(split)
        scores = self.score_cohort(part, progress=progress)
        patients = part.table["patient_id"]
        threshold = self.threshold if threshold is None else threshold
        learned = set(self.split.loc[self.split["split"] == "train", "path"]) if split == "all" else set()
        seen = int((part.table["split"] == "train").sum()) if learned and part.has_split else 0
        return Evaluation(
            split=split,
            auc=auc_interval(part.labels, scores, patients),
            brier=brier(part.labels, scores),
            performance=performance(part.labels, scores, threshold, patients, prevalence=prevalence),
            warnings=(f"{seen:,} of these films were trained on",) if seen else (),
        )

    def score_cohort(self, cohort: Cohort, *, progress: Callable = lambda items, total: items) -> np.ndarray:
        """Return the scores (N,) of a cohort's films."""
        recipe = self.recipe
        images = load_images(cohort.files, size=recipe.size, normalize=recipe.normalize, progress=progress)
        return self.score_images(images)

    def assign_split(self, cohort: Cohort) -> Cohort:
        """Return a cohort with the splits that are known of its films.

        Films that the run was trained with keep the run's split, whatever a
        cohort.csv says now; a film is recognised by its path within the cohort
        and its size in bytes.
        """
        known = {(row.path, row.bytes): row.split for row in self.split.itertuples()}
        keys = [(path, file.stat().st_size) for path, file in zip(cohort.table["path"], cohort.files, strict=True)]
        splits = [known.get(key) for key in keys]
        if all(split is None for split in splits):
            return cohort
        if cohort.has_split:
            splits = [run or own for run, own in zip(splits, cohort.table["split"], strict=True)]
        elif None in splits:
            raise InputError(
                f"{cohort.folder}: {splits.count(None):,} of {len(splits):,} films are not in "
                f"{self.folder / 'split.csv'}, so it is not known which are test; score all of them (--split all)"
            )
        return replace(cohort, table=cohort.table.assign(split=splits))


def predict_logits(model, images: np.ndarray, *, batch: int = 64) -> np.ndarray:
    """Return the logits (N,), float32, of cached images (N, S, S)."""
    count = len(images)
    if count % 2:  # batches are even; see Recipe
        images = np.concatenate([images, images[-1:]])
    chunks = [images[i : i + batch] for i in range(0, len(images), batch)]
    logits = [model.predict_on_batch(as_float(chunk)[..., None])[:, 0] for chunk in chunks]
    return np.concatenate(logits)[:count]


def _check_array(image: np.ndarray) -> np.ndarray:
    image = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    if image.ndim != 2:
        raise InputError(f"the image has the shape {image.shape}; (H, W) or (H, W, 1) is needed")
    if (
        not np.issubdtype(image.dtype, np.floating)
        or not np.isfinite(image).all()
        or image.min() < 0
        or image.max() > 1
    ):
        raise InputError(f"the image is {image.dtype} from {image.min()} to {image.max()}; floats in [0, 1] are needed")
    return image.astype(np.float32)


def open_run(folder) -> Run:
    """Open a finished run.

    Raises
    ------
    InputError
        No run, an unfinished one, or one of another version.
    """
    folder = Path(folder)
    if not (folder / "recipe.json").is_file():
        raise InputError(f"{folder}: {'not a run folder (no recipe.json)' if folder.is_dir() else 'no such folder'}")
    recipe = read_recipe(folder / "recipe.json")
    if not (folder / MADE_LAST).is_file():
        done = len(pd.read_csv(folder / "history.csv")) if (folder / "history.csv").is_file() else 0
        raise InputError(
            f"{folder}: the run is unfinished ({done} of {recipe.epochs} epochs); continue it with `cxr train --resume`"
        )
    point = json.loads((folder / MADE_LAST).read_text(encoding="utf-8"))
    return Run(folder, recipe, point["finding"], point["weight"], point["threshold"])
