"""A finished training: its network, its recipe and its operating point, ready to score films."""

from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import cxrlib
from cxrlib.cohorts.cohort import Cohort
from cxrlib.cohorts.duplicates import agree, detail_signs
from cxrlib.cohorts.split import SPLITS, check_split
from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import check_fraction, check_threshold
from cxrlib.evaluation.groups import check_columns, measure_groups
from cxrlib.evaluation.rates import Evaluation, evaluate_scores
from cxrlib.evaluation.roc_auc import auc
from cxrlib.files import Progress, map_in_order, no_progress, read_csv, read_numbers
from cxrlib.images.film_facts import FilmWarning, check_accept
from cxrlib.images.film_source import FilmSource
from cxrlib.images.pixels import quantize
from cxrlib.images.radiograph import open_radiograph, read_film_id
from cxrlib.model import loss as losses
from cxrlib.model.recipe import Recipe, read_recipe
from cxrlib.training.batches import Films, load_films
from cxrlib.training.manifest import check_manifest
from cxrlib.training.origin import (
    Origin,
    find_overlap,
    find_same_patients,
    known,
    known_patients,
    read_details,
    read_origin,
)
from cxrlib.training.stored_point import OPERATING_POINT, StoredPoint, read_points
from cxrlib.training.unusual import Reference, read_reference

if TYPE_CHECKING:
    from cxrlib.model.backend import keras

SIMULATED = Path(cxrlib.__file__).with_name("weights")
"""The run that comes with the library. It was trained on simulated films alone (`make weights`)."""

MADE = "made.json"
"""The file of the run that comes with the library, and of its copies, that says how it was made."""

SCORE_ROUNDING = 1e-6
"""How far a score in scores.csv may be from that of its logit. Our choice: above the rounding of float32."""

PREDICTED_AT_ONCE = 32
"""Films that `Run.predict_many` scores at a time. With their mirror images they are one batch
(`cxrlib.model.network.BATCH`)."""

NO_MANIFEST = (
    "the run has no manifest.json (earlier versions wrote none), so it is not known whether its files belong together"
)
NO_FILM_IDS = (
    "the run is of an earlier version that kept no ids of films, so copies of its training films under other names "
    "are not found"
)


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
        The weight that the scores are corrected for; see `cxrlib.model.loss.score`. It is
        the weight of the finding in the loss. After blending with a start whose weight
        was not "balanced", it allows for that weight too.
    threshold : float in [0, 1]
        The threshold of the operating point.
    operating_point : StoredPoint
        The operating point that is used: the newest, or the one that was named.
    notes : tuple of str
        What could not be checked when the run was opened.
    """

    folder: Path
    recipe: Recipe
    finding: str
    weight: float
    threshold: float
    operating_point: StoredPoint
    notes: tuple[str, ...] = ()

    @property
    def is_simulated(self) -> bool:
        """Whether it is the run that comes with the library, or a copy of it, which keep no scores."""
        return (self.folder / MADE).is_file()

    @cached_property
    def model(self) -> "keras.Model":
        """The network: (N, S, S, 1) in [0, 1] -> (N, 1) logit."""
        from cxrlib.model.network_file import MODEL, load_network

        model, recipe = load_network(self.folder, self.recipe), self.recipe
        kinds = {type(layer).__name__ for layer in model.layers}
        found = (model.name, model.input_shape[1], "Add" in kinds, "LayerNormalization" in kinds)
        needed = (f"resnet{recipe.depth}_width{recipe.width}", recipe.size, recipe.skip, recipe.standardize)
        if found != needed:
            say = lambda name, size, skip, standardize: f"{name}, size {size}, skip {skip}, standardize {standardize}"
            raise InputError(
                f"{self.folder / MODEL}: does not belong to this run: its network is {say(*found)}; recipe.json "
                f"describes {say(*needed)}"
            )
        return model

    @cached_property
    def reference(self) -> Reference | None:
        """What the training films look like; None for a run of an earlier version."""
        return read_reference(self.folder)

    @cached_property
    def split(self) -> pd.DataFrame:
        """One row for each film of the training: path, patient_id, split, label, film_id.

        ``film_id`` is `cxrlib.images.radiograph.Radiograph.film_id`. In a run of an
        earlier version it is empty, and there is a column ``bytes``, the size of the file.
        """
        path = self.folder / "split.csv"
        table = read_csv(path, needed=("path", "patient_id", "split"), may_be_empty=True)
        if "film_id" in table and "label" not in table:
            raise InputError(f"{path}: is damaged; it must have a column label")
        if "film_id" not in table:
            if "bytes" not in table:
                raise InputError(f"{path}: is damaged; it must have a column film_id")
            is_finding = table["path"].str.lower().str.startswith(f"{self.finding}/")  # the name of the class folder
            table = table.assign(film_id="", label=is_finding.astype(int).astype(str))
        if not table["split"].isin(SPLITS).all() or not table["label"].isin(["0", "1"]).all():
            raise InputError(f"{path}: is damaged; each film needs a split ({', '.join(SPLITS)}) and a label, 0 or 1")
        return table.assign(label=table["label"].astype(int))

    @cached_property
    def origin(self) -> Origin:
        """Where the weights come from that the training started from, and what they were trained on."""
        return read_origin(self.folder, self.recipe.start)

    @cached_property
    def details(self) -> np.ndarray:
        """The `cxrlib.cohorts.duplicates.detail_signs` of all training films, also of the runs before: (N, 128)."""
        return read_details(self.folder)

    @property
    def knows_films(self) -> bool:
        """Whether split.csv has the ids of the films. False for runs of earlier versions."""
        return bool((self.split["film_id"] != "").all())

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
    def chosen_on_val(self) -> str:
        """What the validation films of the training chose, in words that "on them" or "on these films" can follow."""
        has_best, has_threshold = self.recipe.keep == "best", self.operating_point.is_of_training
        if has_best and has_threshold:
            return "Its epoch and its threshold were chosen"
        if has_best or has_threshold:
            return f"Its {'epoch' if has_best else 'threshold'} was chosen"
        return "Neither its epoch nor its threshold was chosen"

    @property
    def blended_auc(self) -> float | None:
        """The validation AUC of the network after blending; None if the recipe's `blend` is 1.

        The AUC before blending is that of `kept_epoch` in `history`.
        """
        if self.recipe.blend == 1:
            return None
        val = self.scores[lambda table: table["split"] == "val"]
        return auc(val["label"], val["logit"])

    @property
    def scores(self) -> pd.DataFrame:
        """The validation and test films: path, patient_id, split, label, logit, score.

        Raises
        ------
        InputError
            The file is missing or damaged, or does not agree with the other files of the run.
        """
        path = self.folder / "scores.csv"
        table = read_numbers(path, text=("path", "patient_id", "split"), numbers=("label", "logit", "score"))
        recorded = self.split.drop_duplicates("path").set_index("path").reindex(table["path"])
        for column in ("split", "label"):
            if differs := int((recorded[column].to_numpy() != table[column].to_numpy()).sum()):
                raise InputError(
                    f"{path}: does not belong to this run: {differs:,} of its {len(table):,} films have another "
                    f"{column} than in split.csv"
                )
        if not np.allclose(table["score"], losses.score(table["logit"], self.weight), atol=SCORE_ROUNDING):
            raise InputError(
                f"{path}: does not belong to this run: its scores are not those of its logits with the weight in "
                f"{OPERATING_POINT}, {self.weight:g}"
            )
        return table

    @property
    def is_tested(self) -> bool:
        """Whether `scores` has test films of both classes."""
        scores = self.scores
        return scores.loc[scores["split"] == "test", "label"].nunique() == 2

    def predict(self, image: FilmSource, *, threshold: float | None = None, accept: Collection[str] = ()) -> Prediction:
        """Score one film, and warn of what is unusual in it (`cxrlib.training.unusual`).

        Parameters
        ----------
        image : path-like, bytes, binary stream, pydicom Dataset, Pillow image, or array
            An array is (H, W) or (H, W, 1), and dense is bright. Floats in [0, 1] count as
            normalised. Gray levels in uint8 or uint16 are normalised like those of a file.
        threshold : float in [0, 1], optional
            Used instead of the run's threshold.
        accept : collection of str
            As in `cxrlib.images.radiograph.open_radiograph`.

        Raises
        ------
        InputError
            The film cannot be read, is not a chest radiograph, or does not look like
            one. Or the threshold is not from 0 to 1.
        """
        threshold = self.threshold if threshold is None else check_threshold(threshold)
        _ = self.model  # a damaged network is an error of the run, whatever the film
        pixels, warnings = self._read_film(image, accept)
        score = float(self.score_images(pixels[None])[0])
        return Prediction(score, threshold, score >= threshold, warnings)

    def predict_many(
        self, films: Iterable[FilmSource], *, threshold: float | None = None, accept: Collection[str] = ()
    ) -> Generator[Prediction | InputError]:
        """Score many films, and yield what `predict` returns or raises for each, in their order.

        Several threads read films while the network scores those before. Films are scored in
        batches, and a score differs from that of `predict` by rounding only. Memory does not
        grow with the number of films.

        Parameters
        ----------
        films : iterable of FilmSource
            Each as `predict` takes it.
        threshold, accept
            As in `predict`.

        Yields
        ------
        Prediction or InputError
            The error if the film cannot be read, is not a chest radiograph, or does not
            look like one, or if its score is not a finite number.

        Raises
        ------
        InputError
            At once: the network cannot be loaded, or the threshold or `accept` is not one
            that `predict` takes.

        Examples
        --------
        >>> run = open_run("simulated")
        >>> [str(error) for error in run.predict_many(["a.png", "b.png"])]
        ['a.png: there is no such file', 'b.png: there is no such file']
        """
        threshold = self.threshold if threshold is None else check_threshold(threshold)
        check_accept(accept)
        _ = self.model  # a damaged network is one error, and not one of each film
        return self._predict_many(films, threshold, accept)

    def _predict_many(
        self, films: Iterable[FilmSource], threshold: float, accept: Collection[str]
    ) -> Generator[Prediction | InputError]:
        def read(film: FilmSource) -> tuple[FilmSource, tuple[np.ndarray, tuple[FilmWarning, ...]] | InputError]:
            try:
                return film, self._read_film(film, accept)
            except InputError as error:
                return film, InputError(str(error))  # a new one, because the traceback holds the pixels

        with closing(map_in_order(read, films, ahead=2 * PREDICTED_AT_ONCE)) as results:
            while chunk := list(islice(results, PREDICTED_AT_ONCE)):
                images = [result[0] for _, result in chunk if not isinstance(result, InputError)]
                scores = iter(self._scores(np.stack(images)) if images else ())
                for film, result in chunk:
                    if isinstance(result, InputError):
                        yield result
                    elif np.isfinite(score := float(next(scores))):
                        yield Prediction(score, threshold, score >= threshold, result[1])
                    else:
                        yield InputError(f"{_name_of(film)}: its score is not a finite number")

    def _read_film(self, film: FilmSource, accept: Collection[str]) -> tuple[np.ndarray, tuple[FilmWarning, ...]]:
        """Return a film as the network needs it, (S, S), uint16, and what is unusual in it."""
        radiograph = open_radiograph(film, size=self.recipe.size, normalize=self.recipe.normalize, accept=accept)
        pixels, warnings = quantize(radiograph.image), radiograph.warnings
        if self.reference is not None:
            warnings += self.reference.check(pixels, _name_of(film), accept="unlike" in accept)
        return pixels, warnings

    def score_images(self, images: np.ndarray) -> np.ndarray:
        """Return the scores (N,), float64 in [0, 1], of images (N, S, S), uint8 or uint16 of full range.

        Raises
        ------
        InputError
            A score is not a finite number.
        """
        scores = self._scores(images)
        if num_bad := int((~np.isfinite(scores)).sum()):
            raise InputError(
                f"{self.folder}: the scores of {num_bad:,} of {len(scores):,} films are not finite numbers"
            )
        return scores

    def _scores(self, images: np.ndarray) -> np.ndarray:
        """Return what `score_images` does, also if a score is not a finite number."""
        from cxrlib.model.network import predict_logits

        return losses.score(predict_logits(self.model, images, mirror=self.recipe.mirror), self.weight)

    def score_cohort(self, cohort: Cohort, *, progress: Progress = no_progress) -> np.ndarray:
        """Return the scores (N,), float64 in [0, 1], of a cohort's films."""
        return self.score_images(self.load_images(cohort.files, progress=progress))

    def load_films(self, files: Sequence[Path], *, progress: Progress = no_progress) -> Films:
        """Read films as the network needs them, with their ids, and with the warnings that `predict` gives."""
        options: dict[str, Any] = {"size": self.recipe.size, "normalize": self.recipe.normalize}
        if self.reference is not None:
            options["check"] = partial(self.reference.check, accept=True)
        return load_films(files, **options, progress=progress)

    def load_accepted(
        self, files: Sequence[Path], *, accept: Collection[str] = (), progress: Progress = no_progress
    ) -> Films:
        """Read films as `load_films` does, but leave out those that `predict` refuses (`Films.refused`)."""
        options: dict[str, Any] = {"size": self.recipe.size, "normalize": self.recipe.normalize, "accept": accept}
        if self.reference is not None:
            options["check"] = partial(self.reference.check, accept="unlike" in accept)
        return load_films(files, **options, leave_out=True, progress=progress)

    def load_images(self, files: Sequence[Path], *, progress: Progress = no_progress) -> np.ndarray:
        """Return only the images of `load_films`: (N, S, S), uint16 of full range."""
        return self.load_films(files, progress=progress).images

    def evaluate(
        self,
        cohort: Cohort,
        *,
        split: str = "test",
        threshold: float | None = None,
        prevalence: float | None = None,
        by: Sequence[str] = (),
        progress: Progress = no_progress,
    ) -> Evaluation:
        """Score the films of one split and compare the scores with their labels.

        Parameters
        ----------
        cohort : Cohort
            The cohort of the training, or a different one.
        split : {"test", "val", "train", "all"}
        threshold : float in [0, 1], optional
            Used instead of the run's threshold.
        prevalence : float in (0, 1), optional
            The prevalence that PPV, NPV and net benefit are computed for; by default the
            cohort's.
        by : sequence of str
            Columns of the cohort's table, such as "view" and "sex". The result has the
            figures of their groups too (`cxrlib.evaluation.groups.measure_groups`).

        Raises
        ------
        InputError
            It is not known which films belong to the split; the films are of
            one class only; or a score is not a finite number. The threshold or the
            prevalence is out of range. Films cannot be grouped by a column.
        """
        name = self.operating_point.name if threshold is None else None
        threshold = self.threshold if threshold is None else check_threshold(threshold)
        prevalence = None if prevalence is None else check_fraction(prevalence, "prevalence")
        part = self.part_of(cohort, split)
        part.check_classes(f"its {split} films")
        check_columns(part.table, by)
        films = self.load_films(part.files, progress=progress)
        scores = self.score_images(films.images)
        result = evaluate_scores(split, part.labels, scores, threshold, part.table["patient_id"], prevalence=prevalence)
        warnings = self.overlap_warnings(part, films, split=split)
        if name is not None:
            warnings += self.choice_warnings(films.film_ids)
        unusual = films.count_unusual(part.table["path"])
        groups = measure_groups(part.table, scores, threshold, by)
        return replace(result, warnings=warnings + unusual + result.warnings, operating_point=name, groups=groups)

    def recorded_films(self, cohort: Cohort) -> dict[str, Any]:
        """Return the films of a cohort that are recorded in split.csv, as rows of split.csv by path.

        A film is recognised by its path within the cohort and by its
        `cxrlib.images.radiograph.Radiograph.film_id`. For a run of an earlier version, it
        is the path and the size of the file in bytes.
        """
        recorded = {row.path: row for row in self.split.itertuples()}
        paths = [path for path in cohort.table["path"] if path in recorded]
        column = "film_id" if self.knows_films else "bytes"
        contents = read_contents([cohort.folder / path for path in paths], column)
        pairs = zip(paths, contents, strict=True)
        return {path: recorded[path] for path, content in pairs if getattr(recorded[path], column) == content}

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

    def overlap_warnings(self, part: Cohort, films: Films | None = None, *, split: str = "test") -> tuple[str, ...]:
        """Return warnings about films that can make a run look better or worse than it is.

        There is one warning each for: a different finding; films that the run was
        trained on, under any name; films that chose its epoch or its threshold; films
        with another label than in the training; further films of patients that the run
        was trained on; and films that an ancestor of the run was trained on.

        Parameters
        ----------
        part : Cohort
            N films. Its table may lack labels.
        films : Films, optional
            The films, as `load_films` returns them. By default their ids are read from the
            files, and it is not searched for films that only look like training films.
        split : {"test", "val", "train", "all"}
            The split that these films were asked for. Whoever asks for the validation
            films needs no warning that they are validation films.
        """
        ids = list(map_in_order(read_film_id, part.files)) if films is None else films.film_ids
        table = part.table.assign(film_id=ids)
        own = self.split[self.split["film_id"] != ""]
        trained_on, chosen_on = own[own["split"] == "train"], own[own["split"] == "val"]
        is_trained_on = table["film_id"].isin(trained_on["film_id"])
        if not self.knows_films:
            recorded_train = [path for path, row in self.recorded_films(part).items() if row.split == "train"]
            is_trained_on = table["path"].isin(recorded_train)
        is_chosen_on = table["film_id"].isin(chosen_on["film_id"]) & ~is_trained_on
        if split == "val":
            is_chosen_on &= ~table["path"].isin(chosen_on["path"])
        is_recorded = table["film_id"].isin(own["film_id"])
        labelled = set(zip(own["film_id"], own["label"], strict=True))
        is_relabelled = np.zeros(len(table), bool)
        if "label" in table:
            is_same = [film in labelled for film in zip(table["film_id"], table["label"], strict=True)]
            is_relabelled = is_recorded.to_numpy() & ~np.array(is_same) & (part.finding == self.finding)
        train_patients = known_patients(self.split[self.split["split"] == "train"])
        is_patient_met = table["patient_id"].isin(train_patients) & ~is_trained_on
        is_new = ~table["film_id"].isin([*known(own["film_id"]), *known(self.origin.ancestors["film_id"])])
        is_copy = np.zeros(len(table), bool)
        if films is not None:
            is_copy = agree(detail_signs(films.images), self.details) & is_new.to_numpy()
        first_of = lambda is_one: "".join(f" (first: {path})" for path in table["path"][is_one].head(1))
        renamed = _under_other_names(table[is_chosen_on], chosen_on)
        reasons = (
            (is_trained_on, f"are training films of the run{_under_other_names(table[is_trained_on], trained_on)}"),
            (is_chosen_on, f"are validation films of the run{renamed}. {self.chosen_on_val} on them"),
            (is_relabelled, f"had another label in the training{first_of(is_relabelled)}"),
            (is_patient_met, "have the same patient_id as a training film. They may show the same patient"),
            (is_copy, f"look like copies of training films{first_of(is_copy)}"),
        )
        warnings = [f"{which.sum():,} of these films {reason}" for which, reason in reasons if which.any()]
        if part.finding != self.finding:
            warnings.insert(0, f"the run looks for {self.finding}, and these films are filed as {part.finding}")
        new = replace(part, table=table[~is_recorded].reset_index(drop=True))
        warnings += find_overlap(new, new.table["film_id"], self.origin)
        warnings += find_same_patients(new, new.table["film_id"], self.origin)
        warnings += [f"when the run was trained: {text}" for text in self.origin.warnings]
        return tuple(warnings) if self.knows_films else (*warnings, NO_FILM_IDS)

    def choice_warnings(self, film_ids: Iterable[str]) -> tuple[str, ...]:
        """Return a warning if the operating point was chosen on some of these films, after the training.

        The warning about the training's own operating point is one of `overlap_warnings`.

        Parameters
        ----------
        film_ids : iterable of str
            The `cxrlib.images.radiograph.Radiograph.film_id` of each film.
        """
        chosen_on = set(self.operating_point.film_ids)
        if not chosen_on or not (num_films := sum(film_id in chosen_on for film_id in film_ids)):
            return ()
        name = self.operating_point.name
        reason = "so the rates at its threshold are too good. Films that did not choose it give fair ones"
        return (f"the operating point {name} was chosen on {num_films:,} of these films, {reason}",)


def _name_of(film: FilmSource) -> str:
    return str(film) if isinstance(film, str | Path) else "the image"


def _under_other_names(films: pd.DataFrame, recorded: pd.DataFrame) -> str:
    """Return how many of these films are recorded under another path, in words that end a sentence; "" if none is."""
    path_of_film = dict(zip(recorded["film_id"], recorded["path"], strict=True))
    pairs = set(zip(recorded["film_id"], recorded["path"], strict=True))
    renamed = [pair for pair in zip(films["film_id"], films["path"], strict=True) if pair not in pairs]
    if not renamed or not pairs:
        return ""
    film_id, path = renamed[0]
    return f", {len(renamed):,} of them under other names (first: {path}, which was {path_of_film[film_id]})"


def read_contents(files: Sequence[Path], column: str) -> list[str]:
    """Return what split.csv has in a column about each file: its ``film_id``, or its size in ``bytes``."""
    return list(map_in_order(read_film_id if column == "film_id" else lambda file: str(file.stat().st_size), files))


def open_run(folder: str | Path, *, operating_point: str | None = None) -> Run:
    """Open a finished run.

    Parameters
    ----------
    folder : path-like
        A run folder, or "simulated" for the run that comes with the library.
    operating_point : str, optional
        The name of the operating point to use: "training" for that of the training, or a
        name that `cxrlib.training.threshold.choose_threshold` gave. By default the newest.

    Raises
    ------
    InputError
        The folder holds no run, an unfinished run, or a run of another version of cxrlib.
        It has no operating point of this name. Or a file is not the one that belongs to
        the run (`cxrlib.training.manifest`).
    """
    folder = SIMULATED if folder == "simulated" else Path(folder)
    if not (folder / "recipe.json").is_file():
        raise InputError(f"{folder}: {'not a run folder (no recipe.json)' if folder.is_dir() else 'no such folder'}")
    recipe = read_recipe(folder / "recipe.json")
    if not (folder / OPERATING_POINT).is_file():
        if not (folder / "checkpoint.npz").is_file():
            check_manifest(folder)  # a finished run that has lost the file
        table = folder / "history.csv"
        epochs_done = len(read_csv(table, needed=("epoch",), may_be_empty=True)) if table.is_file() else 0
        raise InputError(
            f"{folder}: the run is unfinished ({epochs_done} of {recipe.epochs} epochs); "
            "continue it with `cxr train --resume`"
        )
    listed = check_manifest(folder)
    points, notes = read_points(folder, listed)
    if operating_point is not None and operating_point not in points:
        raise InputError(f"{folder}: has no operating point {operating_point!r:.120}; it has {', '.join(points)}")
    point = list(points.values())[-1] if operating_point is None else points[operating_point]
    notes = notes if listed is not None else (NO_MANIFEST, *notes)
    return Run(folder, recipe, point.finding, point.weight, point.threshold, point, notes)
