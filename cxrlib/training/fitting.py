"""Training by a Recipe, from a cohort to a run folder; interrupted, it resumes."""

import gc
import json
import os
import platform
import time
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd

import cxrlib
from cxrlib.cohorts.cohort import Cohort, read_cohort
from cxrlib.cohorts.duplicates import check_copies
from cxrlib.cohorts.split import draw_split
from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import are_constant
from cxrlib.evaluation.operating_point import choose_by_sensitivity, most_missed
from cxrlib.files import Progress, atomic, csv_text, is_empty, locked, no_progress, sweep, write_csv, write_text
from cxrlib.model import distributed
from cxrlib.model import loss as losses
from cxrlib.model.backend import keras, tf
from cxrlib.model.network import build_network, predict_logits
from cxrlib.model.network_file import MODEL, read_network
from cxrlib.model.recipe import Recipe, read_recipe, recipe_text
from cxrlib.training.batches import load_images, make_dataset, steps_per_epoch
from cxrlib.training.checkpoint import CHECKPOINT, Keeper
from cxrlib.training.run import OPERATING_POINT, Run, open_run
from cxrlib.training.schedule import make_optimizer
from cxrlib.training.unusual import write_reference


def train(
    cohort: Cohort | str | Path,
    folder,
    recipe: Recipe | None = None,
    *,
    resume: bool = False,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
    progress: Progress = no_progress,
) -> Run:
    """Train a network and write a run folder.

    Several processes that were joined (`cxrlib.model.distributed`) train one network
    together; the first of them writes the run folder, and all of them see it.

    Two trainings with one recipe on one machine are equal bit for bit where
    ``tf.config.experimental.enable_op_determinism()`` was called, as ``cxr
    train`` does.

    Parameters
    ----------
    cohort : Cohort or path
    folder : path-like
        A new or empty folder.
    recipe : Recipe, optional
        `cxrlib.model.recipe.DEFAULT` if not given.
    resume : bool
        Continue an interrupted run of the same recipe; start where there is
        none yet; do nothing where it is complete. A run that another process
        is training is refused.
    callbacks : tuple of Keras callbacks
    progress : callable
        ``progress(items, total)`` wraps the reading of images, as tqdm does.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        The folder is taken, by another recipe or on other films; a split lacks a
        class; a film is in two splits; the loss is no number; scores are all the same.
    """
    cohort = cohort if isinstance(cohort, Cohort) else read_cohort(cohort)
    recipe, folder = recipe or Recipe(), Path(folder)
    cohort = with_split(cohort, recipe.split_seed)
    split = _split_table(cohort)
    if _begin(folder, recipe, split, resume):
        return open_run(folder)
    parts = {split: cohort.part(split) for split in ("train", "val", "test") if (cohort.table["split"] == split).any()}
    for name in ("train", "val"):
        _check_part(cohort, parts, name)
    most_missed(int(parts["val"].labels.sum()), recipe.sensitivity, recipe.confidence)  # or say now that it cannot be
    start = starting_weights(recipe)
    index, of = distributed.shard()
    distributed.check_batch(recipe.batch, len(parts["train"].table))
    distributed.wait_for_all("the folder was looked at")
    with locked(folder) if index == 0 else nullcontext():
        if index == 0:
            if _begin(folder, recipe, split, resume) and of == 1:  # another process was quicker
                return open_run(folder)
            sweep(folder)
        _fit(cohort, parts, folder, recipe, split, start, callbacks, progress)
    distributed.wait_for_all("the run was written")
    return open_run(folder)


def _fit(cohort, parts: dict[str, Cohort], folder: Path, recipe: Recipe, split, start, callbacks, progress) -> None:
    """Train, from the last whole epoch on, and write the run."""
    index, of = distributed.shard()
    shares = {name: part.files[index::of] if name == "train" else part.files for name, part in parts.items()}
    read = lambda files: load_images(files, size=recipe.size, normalize=recipe.normalize, progress=progress)
    images = {name: read(files) for name, files in shares.items() if index == 0 or name == "train"}
    if index == 0:
        check_copies(images, parts, of)
        write_text(folder / "recipe.json", recipe_text(recipe))
        write_csv(folder / "split.csv", split)

    weight = losses.class_weight(recipe.weight, parts["train"].labels)
    steps = steps_per_epoch(len(parts["train"].labels), recipe.batch)
    bias = losses.initial_bias(parts["train"].labels, weight)
    model = build_network(recipe, output_bias=bias, fast=True)
    model.compile(optimizer=make_optimizer(recipe, steps), loss=losses.weighted_cross_entropy(weight))
    model.optimizer.build(model.trainable_variables)
    with distributed.single_process():
        trained = build_network(recipe)
    keeper = Keeper(folder, recipe, trained, images.get("val"), parts["val"].labels)
    keeper.set_model(model)
    if start:
        model.set_weights(start)
    done = keeper.restore()
    data = make_dataset(
        images["train"],
        parts["train"].labels,
        batch=recipe.batch,
        augmentation=recipe.augmentation,
        seed=recipe.seed,
        epochs=range(done, recipe.epochs),
        share=(index, of),
    )
    if done < recipe.epochs:
        with distributed.explain_lost_process():
            model.fit(
                data,
                initial_epoch=done,
                epochs=recipe.epochs,
                steps_per_epoch=steps,
                callbacks=[keeper, *callbacks],
                shuffle=False,  # the batches come shuffled
                verbose=0,
            )
    del data
    gc.collect()  # its iterator, in a cycle, calls Python when it goes: too late at the end of the process
    if index == 0:
        keeper.use_kept()
        write_reference(folder, images["train"])
        _finish(folder, cohort, recipe, trained, weight, [(images[s], parts[s]) for s in parts if s != "train"])


def starting_weights(recipe: Recipe) -> list[np.ndarray] | None:
    """Return the weights that the recipe starts from; None for random ones.

    Raises
    ------
    InputError
        They belong to another kind of network.
    """
    if recipe.start == "scratch":
        return None
    is_file = recipe.start.endswith(".keras")
    model = read_network(Path(recipe.start)) if is_file else open_run(recipe.start).model
    ours = build_network(recipe)
    theirs, needed = ([weight.shape for weight in m.weights] + [type(x) for x in m.layers] for m in (model, ours))
    if theirs != needed:
        raise InputError(
            f"{recipe.start}: its network ({len(model.layers)} layers, {model.count_params():,} weights) is not "
            f"this recipe's (depth {recipe.depth}, width {recipe.width}, standardize {recipe.standardize}: "
            f"{len(ours.layers)} layers, {ours.count_params():,} weights); "
            "they must agree, or begin from scratch (--start scratch)"
        )
    return model.get_weights()


def with_split(cohort: Cohort, seed: int) -> Cohort:
    """Return the cohort with its own split, or with one drawn by patient."""
    if cohort.has_split:
        return cohort
    table = cohort.table.assign(split=draw_split(cohort.table["patient_id"], seed=seed))
    return replace(cohort, table=table)


def _begin(folder: Path, recipe: Recipe, split: pd.DataFrame, resume: bool) -> bool:
    """Refuse a folder that is taken; return whether the run in it is complete."""
    if is_empty(folder):
        return False
    if not (folder / "recipe.json").exists():
        raise InputError(f"{folder}: holds something other than a run; choose a new folder")
    if not resume:
        raise InputError(f"{folder}: holds a run already; choose another folder, or continue it with --resume")
    earlier = read_recipe(folder / "recipe.json")
    if earlier != recipe:
        old, new = asdict(earlier), asdict(recipe)
        told = "; ".join(f"{k} was {old[k]!r} and is now {new[k]!r}" for k in old if old[k] != new[k])
        raise InputError(f"{folder}: was begun with another recipe ({told})")
    if (folder / "split.csv").exists() and (folder / "split.csv").read_text(encoding="utf-8") != csv_text(split):
        raise InputError(f"{folder}: was begun on other films, or on another split of them, than this cohort's")
    return (folder / OPERATING_POINT).exists()


def _check_part(cohort: Cohort, parts: dict[str, Cohort], split: str) -> None:
    labels = parts[split].labels if split in parts else np.array([], int)
    counts = {cohort.finding: int((labels == 1).sum()), "nofinding": int((labels == 0).sum())}
    if 0 in counts.values():
        told = " and ".join(f"{count} of {name}" for name, count in counts.items())
        raise InputError(
            f"{cohort.folder}: the split {split} has {told}; it needs both. Give cohort.csv a column split, "
            "let `cxr prepare` draw one that divides each class alike, or add images"
        )


def _split_table(cohort: Cohort) -> pd.DataFrame:
    return cohort.table[["path", "patient_id", "split"]].assign(bytes=[path.stat().st_size for path in cohort.files])


def _finish(folder: Path, cohort: Cohort, recipe: Recipe, model: keras.Model, weight: float, held_out: list) -> None:
    """Write the model, the scores of val and test, and last of all the operating point."""
    tables = []
    for images, part in held_out:
        logits = predict_logits(model, images, mirror=recipe.mirror)
        columns = part.table[["path", "patient_id", "split", "label"]]
        tables.append(columns.assign(logit=logits, score=losses.score(logits, weight)))
    scores = pd.concat(tables, ignore_index=True)
    val = scores[scores["split"] == "val"]
    check_varied(val["logit"], f"{folder}: the network has learned nothing")
    point = choose_by_sensitivity(val["label"], val["score"], floor=recipe.sensitivity, confidence=recipe.confidence)
    with atomic(folder / MODEL) as partial:
        model.save(partial)
    write_csv(folder / "scores.csv", scores)
    write_text(folder / "environment.json", json.dumps(environment(cohort), indent=2) + "\n")
    text = {"finding": cohort.finding, "weight": weight} | asdict(point)
    write_text(folder / OPERATING_POINT, json.dumps(text, indent=2) + "\n")
    (folder / CHECKPOINT).unlink(missing_ok=True)


def check_varied(logits, what: str) -> None:
    """Refuse logits that are the same for all films.

    Parameters
    ----------
    what : str
        What is wrong then, for the message.
    """
    if len(logits) > 1 and are_constant(logits):
        raise InputError(
            f"{what}: the logits of all {len(logits):,} validation films are {np.mean(logits):.4f}; "
            "train into a new folder, with a smaller learning rate or for more epochs"
        )


def environment(cohort: Cohort) -> dict:
    """Return what a run was made on: versions, machine and cohort."""
    return {
        "cxrlib": cxrlib.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "processes": distributed.shard()[1],
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "cohort": cohort.folder.name,
        "images": cohort.table.groupby(["split", "label"]).size().rename("n").reset_index().to_dict("records"),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
