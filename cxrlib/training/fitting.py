"""Train a network by a recipe, from a cohort to a run folder. An interrupted training resumes.

The steps of `train`:

1. check the folder, the cohort and the recipe before anything is written;
2. read the films, and look for copies between the splits;
3. build the network and restore the last whole epoch, if there is one;
4. fit;
5. blend the weights with those of the start, if the recipe says so;
6. score the validation and test films, choose the operating point, and write both.

One process takes all six steps. Where several processes train together
(`cxrlib.model.distributed`), process 0 takes all six, and the others read their
own training films, build, restore and fit.
"""

import gc
import json
import os
import platform
import time
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

import cxrlib
from cxrlib.cohorts.cohort import Cohort, check_both_classes, read_cohort, refuse_inside_cohort, simulated_seed
from cxrlib.cohorts.duplicates import agree, check_copies, detail_signs
from cxrlib.cohorts.split import draw_split
from cxrlib.cohorts.user_table import folder_key
from cxrlib.errors import InputError, printable
from cxrlib.evaluation.estimate import are_constant
from cxrlib.evaluation.operating_point import choose_by_sensitivity, max_missed
from cxrlib.files import (
    Progress,
    atomic,
    for_spreadsheets,
    is_empty,
    locked,
    map_in_order,
    no_progress,
    read_csv,
    remove_partial_files,
    write_csv,
    write_text,
)
from cxrlib.images.film_facts import count_warnings
from cxrlib.images.likeness import likeness_warnings
from cxrlib.images.radiograph import read_film_id
from cxrlib.model import distributed
from cxrlib.model import loss as losses
from cxrlib.model.backend import SETTINGS, keras, own_settings, tf
from cxrlib.model.network import build_network, predict_logits
from cxrlib.model.network_file import MODEL
from cxrlib.model.recipe import DEFAULT, FINDING_RULE, Recipe, read_recipe, recipe_text
from cxrlib.training.batches import Films, load_films, make_dataset, steps_per_epoch
from cxrlib.training.checkpoint import CHECKPOINT, CheckpointCallback
from cxrlib.training.manifest import write_manifest
from cxrlib.training.origin import Origin, OverlapWarning, find_overlap, find_same_patients, known, write_origin
from cxrlib.training.run import Run, open_run, read_contents
from cxrlib.training.schedule import make_optimizer
from cxrlib.training.start import Start, read_start
from cxrlib.training.stored_point import OPERATING_POINT
from cxrlib.training.unusual import write_reference

UNUSUAL = "warnings.csv"
"""The file of a run folder that lists what is unusual in its films. It is there only if something is."""


class UnusualFilmsWarning(UserWarning):
    """Films of a training are lateral, inverted, turned, in colour, enlarged, or otherwise not as they should be."""


class BlendWarning(UserWarning):
    """The start was trained for another finding, and part of its weights will be kept."""


@dataclass(frozen=True)
class _Training:
    """One training that passed all checks.

    Attributes
    ----------
    cohort : Cohort
        With a split.
    parts : dict
        The films of each split: train and val, and test if the cohort has one.
    recipe : Recipe
    folder : Path
        The run folder.
    start : Start
    allow_overlap : bool
        Warn of validation and test films that the start was trained on, instead of
        refusing them.
    callbacks : tuple of Keras callbacks
    progress : callable
    look_for_copies : bool
        Compare the films of val and test with the training films.
    """

    cohort: Cohort
    parts: dict[str, Cohort]
    recipe: Recipe
    folder: Path
    start: Start
    allow_overlap: bool
    callbacks: tuple[keras.callbacks.Callback, ...]
    progress: Progress
    look_for_copies: bool

    @property
    def weight(self) -> float:
        """The weight of the finding in the loss."""
        return losses.class_weight(self.recipe.weight, self.parts["train"].labels)

    @property
    def score_weight(self) -> float:
        """The weight that `cxrlib.model.loss.score` corrects the scores for.

        Training with weight w on n1 films with the finding and n0 films without it adds
        log(w n1 / n0) to the logits. The start and the training each add such a term. A
        blended network has the blend of the two terms. Its scores must be probabilities
        at the prevalence of the training. So only log(n1 / n0) may remain, and the score
        corrects for the rest. If both weights are "balanced", this is the weight of the
        loss. The rule is exact only if the logits are linear in the network's weights.
        """
        own_log_odds = losses.initial_bias(self.parts["train"].labels, self.weight)
        if self.start.log_odds is None:
            return self.weight
        return self.weight * float(np.exp((1 - self.recipe.blend) * (self.start.log_odds - own_log_odds)))

    def paths(self, split: str) -> list[str]:
        """Return the paths of the films of one split; of the training films, only those of this process."""
        shard_index, num_shards = distributed.shard() if split == "train" else (0, 1)
        return self.parts[split].table["path"].tolist()[shard_index::num_shards]

    def read_films(self, split: str) -> Films:
        """Read the films of `paths`."""
        return load_films(
            [self.cohort.folder / path for path in self.paths(split)],
            size=self.recipe.size,
            normalize=self.recipe.normalize,
            check=(lambda image: ()) if simulated_seed(self.cohort.folder) is not None else likeness_warnings,
            progress=self.progress,
        )


@own_settings()
def train(
    cohort: Cohort | str | Path,
    folder: str | Path,
    recipe: Recipe | None = None,
    *,
    resume: bool = False,
    allow_overlap: bool = False,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
    progress: Progress = no_progress,
    look_for_copies: bool = True,
) -> Run:
    """Train a network and write a run folder.

    Several processes that were joined (`cxrlib.model.distributed`) train one
    network together. Process 0 writes the run folder. All processes must be able to
    read it.

    Two trainings by the same recipe on one machine give the same weights, bit for
    bit, if ``tf.config.experimental.enable_op_determinism()`` was called.
    `cxrlib.model.session.start_session` and ``cxr train`` call it.

    Parameters
    ----------
    cohort : Cohort or path-like
    folder : path-like
        A new or empty folder.
    recipe : Recipe, optional
        By default `cxrlib.model.recipe.DEFAULT`.
    resume : bool
        Continue an interrupted run of the same recipe. Start a new one in an empty
        folder. Do nothing if the run is complete. A run that another process
        is training is refused.
    allow_overlap : bool
        Only warn if the starting weights were trained on validation or test films.
        The warning is kept in the run, and `Run.evaluate` and the run's page repeat it.
    callbacks : tuple of Keras callbacks
    progress : callable
        ``progress(items, total)`` wraps the reading of images, as tqdm does.
    look_for_copies : bool
        Compare the films of val and test with the training films
        (`cxrlib.cohorts.duplicates.check_copies`). False saves this time where it is
        known that there are no copies.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        The cohort, a film or the starting weights cannot be used. The folder holds a
        run already, something besides a run, or a run of a different recipe or of
        different films; it lies inside the cohort; or another process is training in it.
        A split lacks a class, or two splits hold the same film. The starting weights
        were trained on films of val or test. The validation films are too few for the
        confidence. The batch does not fit the devices. The loss or a score is not a
        finite number, or all scores are the same.

    Warns
    -----
    UnusualFilmsWarning
        Films are unusual. The run's warnings.csv lists them.
    BlendWarning
        The start was trained for another finding, and part of its weights will be kept.
    OverlapWarning
        It is not known what the starting weights were trained on, or they have
        learned from films of val or test.
    """
    recipe, folder = recipe or DEFAULT, Path(folder)
    cohort = with_split(cohort if isinstance(cohort, Cohort) else read_cohort(cohort), recipe.split_seed)
    _check_finding(cohort)
    refuse_inside_cohort(folder)
    if _is_complete(folder, recipe, cohort, resume=resume):
        return open_run(folder)
    parts = _checked_parts(cohort)
    # if the films are too few to show the confidence, refuse it now and not after hours of training
    max_missed(int(parts["val"].labels.sum()), recipe.sensitivity, recipe.confidence)
    start = read_start(recipe)
    distributed.check_batch(recipe.batch, len(parts["train"].labels))
    training = _Training(cohort, parts, recipe, folder, start, allow_overlap, callbacks, progress, look_for_copies)
    shard_index, num_shards = distributed.shard()
    if shard_index == 0:
        _warn_of_other_finding(training)
    distributed.wait_for_all("the folder was looked at")  # process 0 is about to write into it
    if shard_index > 0:
        _fit(training, training.read_films("train").images, None)
    else:
        with locked(folder):
            # the same check a second time: another process may have finished the run before this one had the lock.
            # Processes that train together go on, because the others already wait in the fit.
            if _is_complete(folder, recipe, cohort, resume=resume) and num_shards == 1:
                return open_run(folder)
            remove_partial_files(folder)
            _train_and_write(training)
    distributed.wait_for_all("the run was written")
    return open_run(folder)


def _train_and_write(training: _Training) -> None:
    """Train as process 0 or as the only one, and write the run folder."""
    films = {split: training.read_films(split) for split in training.parts}
    images = {split: each.images for split, each in films.items()}
    if training.look_for_copies:
        check_copies(images, training.parts, distributed.shard()[1])
    origin = _checked_origin(training, {split: films[split] for split in films if split != "train"})
    write_text(training.folder / "recipe.json", recipe_text(training.recipe))  # first: with it, the folder is a run's
    _report_unusual(training, films)
    write_csv(training.folder / "split.csv", _split_table(training, films))
    write_origin(training.folder, origin, detail_signs(images["train"]))
    network = _fit(training, images["train"], images["val"])
    write_reference(training.folder, images["train"])
    _finish(training, network, {split: films for split, films in images.items() if split != "train"})


def _report_unusual(training: _Training, films: dict[str, Films]) -> None:
    """Write warnings.csv about unusual films, if there are any, and warn of them once."""
    tables = [each.list_warnings(training.paths(split)) for split, each in films.items()]
    table = pd.concat(tables, ignore_index=True)
    if table.empty:
        (training.folder / UNUSUAL).unlink(missing_ok=True)
        return
    write_csv(training.folder / UNUSUAL, for_spreadsheets(table))
    sentence = f"unusual films: {count_warnings(table['kind'])}; see {training.folder / UNUSUAL}"
    warnings.warn(sentence, UnusualFilmsWarning, stacklevel=4)


def _fit(training: _Training, train_images: np.ndarray, val_images: np.ndarray | None) -> keras.Model:
    """Fit from the last whole epoch on, and return the network with the weights of the epoch that is kept, blended.

    Parameters
    ----------
    train_images : ndarray, (N, S, S), uint16
        The training films of this process.
    val_images : ndarray, (M, S, S), uint16, or None
        None in every process except process 0. The network that these processes
        return has its initial weights.
    """
    recipe, labels = training.recipe, training.parts["train"].labels
    steps = steps_per_epoch(len(labels), recipe.batch)
    bias = losses.initial_bias(labels, training.weight)
    model = build_network(recipe, output_bias=bias, fast=True)
    model.compile(optimizer=make_optimizer(recipe, steps), loss=losses.weighted_cross_entropy(training.weight))
    model.optimizer.build(model.trainable_variables)  # so that a checkpoint can be restored before the first step
    with distributed.single_process():
        scorer = build_network(recipe)
    val_labels = training.parts["val"].labels
    start = training.start.weights
    checkpoint = CheckpointCallback(training.folder, recipe, scorer, val_images, val_labels, start=start)
    checkpoint.set_model(model)
    if start is not None:
        model.set_weights(start)
    epochs_done = checkpoint.restore()
    if epochs_done < recipe.epochs:
        batches = make_dataset(
            train_images,
            labels,
            batch=recipe.batch,
            augmentation=recipe.augmentation,
            seed=recipe.seed,
            epochs=range(epochs_done, recipe.epochs),
            shard=distributed.shard(),
        )
        with distributed.explain_lost_process():
            model.fit(
                batches,
                initial_epoch=epochs_done,
                epochs=recipe.epochs,
                steps_per_epoch=steps,
                callbacks=[checkpoint, *training.callbacks],
                shuffle=False,  # `make_dataset` has shuffled them
                verbose=0,
            )
        # The iterator of the batches is part of a reference cycle, and calls Python when it is freed. At the end
        # of the process that is too late, and TensorFlow complains on stderr.
        del batches
        gc.collect()
    if val_images is not None:
        # The checkpoint holds the weights before blending, so a training that goes on blends them once.
        scorer.set_weights(blend_weights(start or checkpoint.kept, checkpoint.kept, recipe.blend))
    return scorer


def blend_weights(start: list[np.ndarray], trained: list[np.ndarray], fraction: float) -> list[np.ndarray]:
    """Return (1 - fraction) * start + fraction * trained, array by array, float32.

    The moving means and variances of batch normalisation are blended like all other
    weights (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).

    Parameters
    ----------
    start, trained : list of ndarray
        The weights of two networks of one shape, as ``model.get_weights()`` returns them.
    fraction : float, above 0, at most 1

    Examples
    --------
    >>> blend_weights([np.array([1.0, 2.0])], [np.array([3.0, 2.0])], 0.5)
    [array([2., 2.], dtype=float32)]
    """
    return [((1 - fraction) * a + fraction * b).astype(np.float32) for a, b in zip(start, trained, strict=True)]


def _warn_of_other_finding(training: _Training) -> None:
    """Warn if the start was trained for another finding, and part of its weights will be kept."""
    recipe, found, finding = training.recipe, training.start.finding, training.cohort.finding
    if recipe.blend < 1 and found is not None and folder_key(found) != folder_key(finding):
        sentence = (
            f"the start {recipe.start} looks for {found}, and {1 - recipe.blend:g} of its weights will be kept "
            f"(blend {recipe.blend:g}); if {finding} is another finding, use --blend 1"
        )
        warnings.warn(sentence, BlendWarning, stacklevel=3)


def _checked_origin(training: _Training, films: dict[str, Films]) -> Origin:
    """Return the origin with its warnings; refuse films of val or test that the start was trained on.

    Parameters
    ----------
    training : _Training
    films : dict of split to Films
        The films of val and test.
    """
    origin, found = training.start.origin, []
    for split, each in films.items():
        found += [f"{split}: {sentence}" for sentence in find_overlap(training.parts[split], each.film_ids, origin)]
    if found and not training.allow_overlap:
        raise InputError(
            f"{training.cohort.folder}: the start {origin.start} was trained on films of val or test: "
            f"{'; '.join(found)}; give these films the split train, start from other weights, or use "
            "--allow-overlap, and the figures will be too good"
        )
    chosen_on = known(origin.ancestors.loc[origin.ancestors["split"] == "val", "film_id"])
    for split, each in films.items():
        patients = find_same_patients(training.parts[split], each.film_ids, origin)
        found += [f"{split}: {sentence}" for sentence in patients]
        is_new = ~pd.Series(each.film_ids).isin(known(origin.ancestors["film_id"])).to_numpy()
        if num_copies := int((agree(detail_signs(each.images), origin.details) & is_new).sum()):
            found.append(f"{split}: {num_copies:,} films look like copies of films that the start was trained on")
    if num_chosen := int(pd.Series(films["test"].film_ids).isin(chosen_on).sum()) if "test" in films else 0:
        found.append(f"test: {num_chosen:,} films were validation films of a run that this run started from")
    if not origin.history_known:
        found.append(
            f"it is not known which films the start {origin.start} was trained on, so the figures may be too good"
        )
    for sentence in found:
        warnings.warn(sentence, OverlapWarning, stacklevel=4)
    return replace(origin, warnings=tuple(found))


def _split_table(training: _Training, films: dict[str, Films]) -> pd.DataFrame:
    """Return what becomes split.csv: path, patient_id, split, label and film_id, in the order of the cohort."""
    # another process may have read a training film; then its id is read here
    id_of_path: dict[str, str] = {}
    for split, each in films.items():
        id_of_path |= dict(zip(training.paths(split), each.film_ids, strict=True))
    table = training.cohort.table[["path", "patient_id", "split", "label"]]
    missing = [path for path in table["path"] if path not in id_of_path]
    ids = map_in_order(read_film_id, [training.cohort.folder / path for path in missing])
    id_of_path |= dict(zip(missing, ids, strict=True))
    return table.assign(film_id=table["path"].map(id_of_path))


def with_split(cohort: Cohort, seed: int) -> Cohort:
    """Return the cohort with its own split. If it has no split, draw one by patient."""
    if cohort.has_split:
        return cohort
    return replace(cohort, table=cohort.table.assign(split=draw_split(cohort.table["patient_id"], seed=seed)))


def _check_finding(cohort: Cohort) -> None:
    """Refuse a finding that a run folder cannot hold, before hours of training."""
    if not FINDING_RULE.accepts(cohort.finding):
        raise InputError(
            f"{cohort.folder}: the finding is {cohort.finding!r:.120}; it must be {FINDING_RULE.needed}; rename the "
            "class folder"
        )


def _is_complete(folder: Path, recipe: Recipe, cohort: Cohort, *, resume: bool) -> bool:
    """Return True if the run is complete, False if it can be started or resumed. Refuse any other folder."""
    if is_empty(folder):
        return False
    if not (folder / "recipe.json").exists():
        raise InputError(f"{folder}: holds something other than a run; choose a new folder")
    if not resume:
        raise InputError(f"{folder}: holds a run already; choose another folder, or continue it with --resume")
    found = read_recipe(folder / "recipe.json")
    if found != recipe:
        old, new = asdict(found), asdict(recipe)
        changed = [name for name in old if old[name] != new[name]]
        changes = "; ".join(f"{name} was {old[name]!r} and is now {new[name]!r}" for name in changed)
        raise InputError(f"{folder}: was begun with another recipe ({changes}); choose another folder")
    if (folder / "split.csv").exists():
        _check_same_films(folder, cohort)
    return (folder / OPERATING_POINT).exists()


def _check_same_films(folder: Path, cohort: Cohort) -> None:
    """Refuse to continue a run that was begun on other films, or on films with another label, patient or split."""
    recorded = read_csv(folder / "split.csv", needed=("path", "patient_id", "split")).drop_duplicates("path")
    content = "film_id" if "film_id" in recorded else "bytes"  # in a run of an earlier version
    films = cohort.table.assign(**{content: read_contents(cohort.files, content)}).set_index("path").astype(str)
    recorded = recorded.set_index("path")
    advice = "choose another folder"
    if different := recorded.index.symmetric_difference(films.index).tolist():
        found = f"{len(different):,} films are only in one of the two (first: {different[0]})"
        raise InputError(f"{folder}: was begun with other films than this cohort has: {found}; {advice}")
    for column, name in {"split": "split", "patient_id": "patient", "label": "label", content: "film"}.items():
        if column in recorded and len(changed := films.index[films[column] != recorded[column].reindex(films.index)]):
            found = f"{len(changed):,} films had another {name} (first: {changed[0]})"
            if column == content:
                found = f"{len(changed):,} files hold another film now (first: {changed[0]})"
            raise InputError(f"{folder}: was begun with other {name}s than this cohort has: {found}; {advice}")


def _checked_parts(cohort: Cohort) -> dict[str, Cohort]:
    """Return the films of each split; refuse a train or val split without both classes."""
    splits = set(cohort.table["split"])
    parts = {split: cohort.part(split) for split in ("train", "val", "test") if split in splits}
    for split in ("train", "val"):
        labels = parts[split].labels if split in parts else np.array([], int)
        advice = (
            ". Give cohort.csv a column split, let `cxr prepare` draw a split that divides each class alike, or add "
            "images"
        )
        check_both_classes(labels, cohort.finding, f"{cohort.folder}: the split {split}", advice=advice)
    return parts


def _finish(training: _Training, network: keras.Model, images: dict[str, np.ndarray]) -> None:
    """Write the network, the scores of val and test, and the operating point.

    The operating point is written last, because a folder without it counts as
    unfinished.
    """
    folder, recipe = training.folder, training.recipe
    tables = []
    for split, films in images.items():
        logits = predict_logits(network, films, mirror=recipe.mirror)
        columns = training.parts[split].table[["path", "patient_id", "split", "label"]]
        tables.append(columns.assign(logit=logits, score=losses.score(logits, training.score_weight)))
    scores = pd.concat(tables, ignore_index=True)
    val = scores[scores["split"] == "val"]
    if are_constant(val["logit"]):
        raise InputError(
            f"{folder}: the network has learned nothing: the logits of all {len(val):,} validation films are "
            f"{val['logit'].mean():.4f}; train into a new folder, with a smaller learning rate or for more epochs"
        )
    point = choose_by_sensitivity(val["label"], val["score"], floor=recipe.sensitivity, confidence=recipe.confidence)
    with atomic(folder / MODEL) as partial:
        network.save(partial)
    write_csv(folder / "scores.csv", scores)
    write_text(folder / "environment.json", json.dumps(_environment(training.cohort), indent=2) + "\n")
    record = {"finding": training.cohort.finding, "weight": training.score_weight} | asdict(point)
    text = json.dumps(record, indent=2) + "\n"
    write_manifest(folder, {OPERATING_POINT: text})
    write_text(folder / OPERATING_POINT, text, completes_folder=True)
    (folder / CHECKPOINT).unlink(missing_ok=True)


def _environment(cohort: Cohort) -> dict[str, object]:
    """Return what a run was made with: the versions, the machine and the cohort."""
    return {
        "cxrlib": cxrlib.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "keras_settings": {name: getattr(keras.config, name)() for name in SETTINGS},
        "processes": distributed.shard()[1],
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "cohort": printable(cohort.folder.name),  # a name on a disk may hold bytes that are no text
        "images": cohort.table.groupby(["split", "label"]).size().rename("n").reset_index().to_dict("records"),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
