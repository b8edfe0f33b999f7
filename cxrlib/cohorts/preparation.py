"""Radiographs as they come -> a cohort of one resolution.

Reads NIH ChestX-ray14 as published, ChestMNIST's .npz, or two class folders of
PNG, JPEG or DICOM, and writes 16-bit gray PNG in two class folders with a
cohort.csv. Memory does not grow with the number of images; a run that was cut
off is continued.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import pandas as pd

from cxrlib.cohorts import chestmnist as medmnist
from cxrlib.cohorts import nih
from cxrlib.cohorts.cohort import COLUMNS, NOFINDING, read_cohort
from cxrlib.cohorts.split import UNKNOWN_PATIENT, check_split, draw_stratified_split, patients_from_names
from cxrlib.errors import InputError
from cxrlib.files import (
    Progress,
    atomic,
    csv_text,
    is_empty,
    locked,
    map_in_order,
    no_progress,
    read_json,
    sweep,
    write_csv,
    write_text,
)
from cxrlib.images.headers import MAX_SIDE
from cxrlib.images.pixels import NORMALIZATIONS
from cxrlib.images.radiograph import read_image, write_prepared

SETTINGS = "prepare.json"


@dataclass(frozen=True)
class Prepared:
    """What `prepare` made: the folder, counts by class, and the files it rejected."""

    folder: Path
    counts: dict[str, int]
    rejected: pd.DataFrame
    notes: tuple[str, ...]


def prepare(
    source,
    out,
    *,
    finding: str | None = None,
    against: str = "nofinding",
    size: int = 256,
    normalize: str = "minmax",
    seed: int = 0,
    allow_missing: bool = False,
    allow_color: bool = False,
    progress: Progress = no_progress,
) -> Prepared:
    """Write a cohort of one resolution.

    Parameters
    ----------
    source : path-like
        NIH's layout (a label file and images in any sub-folders), ChestMNIST's
        ``.npz`` or a folder with nothing else in it, or two class folders.
    out : path-like
        A new folder, or one that an earlier call with the same settings began.
    finding : str, optional
        One of NIH's 14 findings (default Effusion). For two class folders: the
        positive one, where there is a choice.
    against : {"nofinding", "all"}
        NIH: compare with images labelled No Finding, or with every other image.
    size : int
        Side in pixels.
    seed : int
        Of the split, where neither NIH's lists nor a cohort.csv give one.
    allow_missing : bool
        Prepare what is there of the images that the label file names.
    allow_color : bool
        As in `open_radiograph`.
    progress : callable
        ``progress(items, total)`` wraps the iteration, as tqdm does.

    Raises
    ------
    InputError
        Nothing is written then.
    """
    source, out = Path(source), Path(out)
    archive = medmnist.find_archive(source)
    if archive is None and not source.is_dir():
        raise InputError(f"{source}: {'is a file, not a folder' if source.exists() else 'no such folder'}")
    if out.resolve().is_relative_to(source.resolve()) or source.resolve().is_relative_to(out.resolve()):
        raise InputError(f"{out}: lies in the source, or the source in it; choose a folder beside {source}")
    if not 8 <= size <= MAX_SIDE:
        raise InputError(f"size is {size}; it must be 8 to {MAX_SIDE:,} pixels")
    if normalize not in NORMALIZATIONS:
        raise InputError(f"normalize is {normalize!r}; choose one of {', '.join(NORMALIZATIONS)}")
    label_file = nih.find_label_file(source)
    if archive is not None:
        finding, table, notes = medmnist.list_films(archive, finding=finding or "Effusion", against=against)
        if (side := medmnist.side(archive)) < size:
            notes += (f"films are enlarged from {side} to {size} px, which adds no detail (--size {side} does not)",)
    elif label_file is not None:
        finding, table, notes = nih.list_images(
            source, label_file, finding=finding or "Effusion", against=against, allow_missing=allow_missing
        )
    else:
        cohort = read_cohort(source, finding=finding)
        given = {name: f"{name}_given" for name in ("source", "reason")}  # names that are used here
        finding, table, notes = cohort.finding, cohort.table.rename(columns=given | {"path": "source"}), cohort.notes
    if "split" not in table:
        table["split"] = draw_stratified_split(table["patient_id"], table["label"], seed=seed)
        notes += ("the split is drawn by patient, 70/15/15, each class alike",)
    elif (table["split"] == "train_val").any():
        rows = table["split"] == "train_val"
        drawn = draw_stratified_split(
            table.loc[rows, "patient_id"], table.loc[rows, "label"], seed=seed, fractions=(0.85, 0.15, 0.0)
        )
        table.loc[rows, "split"] = drawn
        notes += ("test is NIH's official list; val is drawn by patient from its train_val list, 85/15",)
    check_split(table, label_file or source)
    names = table["label"].map({1: finding, 0: NOFINDING})
    table["path"] = [
        f"{name}/{PurePosixPath(path).stem}.png" for name, path in zip(names, table["source"], strict=True)
    ]

    boxes = nih.read_boxes(source) if label_file else None
    settings = {"finding": finding, "against": against, "size": size, "normalize": normalize, "seed": seed}
    settings |= {"allow_color": allow_color, "films": _fingerprint(source, table, archive)}
    is_new = _is_new(out, settings)
    with locked(out):
        if _is_new(out, settings):  # asked again, for another process may have been quicker
            write_text(out / SETTINGS, json.dumps(settings, indent=2) + "\n")
        sweep(out)
        reading = {"size": size, "normalize": normalize}
        if archive is not None:
            films, to_image = medmnist.read_films(archive, table["source"]), partial(medmnist.to_image, **reading)
        else:
            films = [source / path for path in table["source"]]
            to_image = partial(read_image, allow_color=allow_color, **reading)
        table["reason"] = _convert(films, to_image, out, table["path"], normalize, progress)
        rejected = table.loc[table["reason"] != "", ["source", "reason"]]
        kept = table[table["reason"] == ""].sort_values("path")
        counts = {name: int((names[kept.index] == name).sum()) for name in (finding, NOFINDING)}
        if 0 in counts.values():
            if is_new:
                shutil.rmtree(out)
            raise InputError(
                f"{source}: of {len(table):,} images {len(rejected):,} were rejected, which leaves "
                + " and ".join(f"{count:,} of {name}" for name, count in counts.items())
                + (f" (first: {rejected['source'].iloc[0]}: {rejected['reason'].iloc[0]})" if len(rejected) else "")
            )
        by_name = table["patient_id"].tolist() == patients_from_names(table["source"])[0]
        made_up = by_name and table["patient_id"].str.startswith(UNKNOWN_PATIENT).any()
        unknown = ("patient_id",) if made_up or archive is not None else ()  # so that who reads the cohort is told
        columns = [c for c in (*COLUMNS, *table.columns) if c in table and c not in ("source", "reason", *unknown)]
        write_csv(out / "rejected.csv", rejected)
        if boxes is not None:
            paths = dict(zip(kept["source"].map(lambda path: PurePosixPath(path).name), kept["path"], strict=True))
            boxes.insert(0, "path", boxes["image"].map(paths))
            write_csv(out / "boxes.csv", boxes.dropna(subset="path").drop(columns="image"))
        write_csv(out / "cohort.csv", kept[list(dict.fromkeys(columns))])
    return Prepared(out, counts, rejected, notes)


def _convert(films: Iterable, to_image: Callable, out: Path, targets, normalize: str, progress: Callable) -> list[str]:
    """Write the images that are not there yet; return for each why it was rejected, or ""."""
    for folder in {PurePosixPath(path).parent for path in targets}:
        (out / folder).mkdir(exist_ok=True)

    def convert(job: tuple) -> str:
        film, target = job
        if (out / target).exists():  # complete: it was renamed into place
            return ""
        try:
            image = to_image(film)
        except InputError as error:
            return str(error).removeprefix(f"{film}: ")
        with atomic(out / target) as partial_file:
            write_prepared(partial_file, image, normalize=normalize)
        return ""

    return list(progress(map_in_order(convert, zip(films, targets, strict=True)), len(targets)))


def _fingerprint(source: Path, table: pd.DataFrame, archive: Path | None) -> str:
    """Return a hash of which files become which films: paths, labels, splits and sizes in bytes."""
    if archive is not None:
        sizes = archive.stat().st_size
    else:
        sizes = [(source / path).stat().st_size for path in table["source"]]
    return hashlib.sha256(csv_text(table.assign(bytes=sizes)).encode()).hexdigest()


def _is_new(out: Path, settings: dict) -> bool:
    """Return whether the output folder is new, rather than begun with these settings; refuse any other."""
    record = out / SETTINGS
    if record.exists():
        try:
            earlier = read_json(record)
        except InputError:
            raise InputError(f"{record}: is damaged; remove {out} and prepare it anew") from None
        if earlier.get("films") != settings["films"]:
            raise InputError(
                f"{out}: was prepared from other films or labels than the source has now; choose another folder"
            )
        different = {k: (earlier.get(k), v) for k, v in settings.items() if earlier.get(k) != v}
        if different:
            told = "; ".join(f"{k} was {a!r} and is now {b!r}" for k, (a, b) in different.items())
            raise InputError(f"{out}: holds a cohort prepared with other settings ({told}); choose another folder")
        return False
    if not is_empty(out):
        raise InputError(f"{out}: exists and was not made by prepare; choose a new or an empty folder")
    return True
