"""Make a cohort of one resolution from radiographs as they are published.

`prepare` reads NIH ChestX-ray14 and CheXpert as published, ChestMNIST's .npz, any
films with a table of labels, or two class folders of PNG, JPEG or DICOM. It
writes 16-bit gray PNG in two class folders, with a cohort.csv. Memory does not
grow with the number of images. A call that was cut off is continued by the next
one.
"""

import hashlib
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pandas as pd

from cxrlib import files
from cxrlib.cohorts import chestmnist, nih
from cxrlib.cohorts.cohort import (
    COLUMNS,
    NOFINDING,
    PREPARATION,
    check_both_classes,
    class_name,
    refuse_inside_cohort,
    simulated_seed,
)
from cxrlib.cohorts.film_files import is_litter, is_thumbnail
from cxrlib.cohorts.source import Source, open_class_folders
from cxrlib.cohorts.split import check_split, draw_stratified_split, split_keys
from cxrlib.cohorts.table_source import TableLayout, find_chexpert_table
from cxrlib.cohorts.table_source import open_source as open_table
from cxrlib.errors import InputError
from cxrlib.files import Progress, no_progress
from cxrlib.images.film_facts import FilmWarning, check_accept
from cxrlib.images.headers import MAX_SIDE
from cxrlib.images.likeness import likeness_warnings
from cxrlib.images.pixels import NORMALIZATIONS
from cxrlib.images.radiograph import SUFFIXES, read_prepared_facts, write_prepared

TABLES = ("cohort.csv", "rejected.csv", "boxes.csv", "warnings.csv")

MIN_SIDE = 8
"""Pixels. It is our choice: on a smaller film nothing can be seen."""


MAX_NAME_BYTES = 160
"""A longer name is cut, and gets a hash. File systems allow 255 bytes, and a partial file's name has up to 60 more."""

_UNSAFE = re.compile(r'[<>:"\\|?*\x00-\x1f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names and characters that Windows does not allow in a file's name (learn.microsoft.com, "Naming Files")."""


@dataclass(frozen=True)
class Prepared:
    """The result of `prepare`.

    Attributes
    ----------
    folder : Path
    counts : dict of class name to int
        How many images each class has.
    rejected : DataFrame
        ``source`` and ``reason`` of each film that could not be used.
    warnings : DataFrame
        ``source``, ``path``, ``kind`` and ``warning`` of each thing that is unusual in a
        film that was used. One film may have several.
    notes : tuple of str
        What was assumed.
    """

    folder: Path
    counts: dict[str, int]
    rejected: pd.DataFrame
    warnings: pd.DataFrame
    notes: tuple[str, ...]


def prepare(
    source: str | Path,
    out: str | Path,
    *,
    finding: str | None = None,
    against: str = "nofinding",
    layout: TableLayout | None = None,
    class_as: str | None = None,
    positive: str | None = None,
    negative: str | None = None,
    size: int = 256,
    normalize: str = "minmax",
    seed: int = 0,
    allow_missing: bool = False,
    keep_laterals: bool = False,
    accept: Collection[str] = (),
    progress: Progress = no_progress,
) -> Prepared:
    """Write a cohort of one resolution.

    Parameters
    ----------
    source : path-like
        NIH's layout (a label file, and images in any sub-folders), CheXpert's folder,
        films that a table names, ChestMNIST's ``.npz`` or a folder with nothing else in
        it, or two class folders. Class folders may lie below train/, val/ and test/,
        which are then the split.
    out : path-like
        A new folder, or one that an earlier call with the same settings began.
    finding : str, optional
        The collection's own word for it. NIH and ChestMNIST: one of the 14 findings.
        NIH, ChestMNIST and CheXpert: the default is Effusion. Two class folders: the
        positive class. It is needed only if several folders could be the positive
        class.
    against : {"nofinding", "all"}
        Compare with images labelled No Finding, or with every other image. Class
        folders have no other images.
    layout : TableLayout, optional
        The table of labels, and what its columns mean.
    class_as : str, optional
        The name of the finding's class and folder, if it is not to be the collection's
        word. A run that was trained on one collection then knows its finding in another.
    positive, negative : str, optional
        Two class folders: their names. A table: `negative` is its word for images
        without any finding.
    size : int
        The side of the images in pixels.
    normalize : {"minmax", "percentile"}
        As in `cxrlib.images.radiograph.open_radiograph`.
    seed : int
        The seed of the split. It is used where the source has no complete split.
    allow_missing : bool
        Leave out the images that a table names but that are not there. By default
        missing images are an error.
    keep_laterals : bool
        Keep films that a header or a table calls lateral. By default they are left out
        and counted in a note.
    accept : collection of str
        As in `cxrlib.images.radiograph.open_radiograph`.
    progress : callable
        ``progress(items, total)`` wraps the iteration, as tqdm does.

    Raises
    ------
    InputError
        The source or a setting cannot be used, a class would be empty, or another
        process works in the folder. A new output folder is not left behind.

    Examples
    --------
    >>> prepared = prepare("real/nih-sample", "cohort", size=256)  # doctest: +SKIP
    >>> prepared.counts, len(prepared.rejected)  # doctest: +SKIP
    """
    path, out = Path(source), Path(out)
    check_accept(accept)
    _check_arguments(path, out, size, normalize)
    options = dict(seed=seed, allow_missing=allow_missing, keep_laterals=keep_laterals, accept=accept)
    opened = _open_source(path, layout or TableLayout(), positive, negative, size, finding, against, options)
    if class_as is not None:
        opened = replace(opened, finding=class_name(class_as))
    table, notes = _with_split(opened, seed)
    table["path"] = _target_paths(table, opened.finding)
    settings = {"finding": opened.finding, "against": against, "size": size, "normalize": normalize, "seed": seed}
    settings |= {"keep_laterals": keep_laterals, "accept": sorted(accept), "films": _fingerprint(opened.path, table)}
    settings |= opened.origin
    if (simulated := simulated_seed(path)) is not None:
        settings["simulated_seed"] = simulated  # a run that was trained on these films must know them
    for name in (*TABLES, PREPARATION):
        files.refuse_link(out / name)
    is_new = _is_new(out, settings)  # a folder that cannot be used is refused before anything is written
    with files.locked(out):
        if _is_new(out, settings):  # asked once more under the lock: another process may have begun meanwhile
            files.write_text(out / PREPARATION, json.dumps(settings, indent=2) + "\n")
        files.remove_partial_files(out)
        results = _convert(opened, table, out, size, normalize, progress)
        table["reason"], table["film_id"] = zip(*((each.reason, each.film_id) for each in results), strict=True)
        warnings = [
            (film, path, warning.kind, str(warning))
            for film, path, each in zip(table["source"], table["path"], results, strict=True)
            for warning in each.warnings
        ]
        unusual = pd.DataFrame(warnings, columns=["source", "path", "kind", "warning"])
        kept = table[table["reason"] == ""].sort_values("path")
        rejected = table.loc[table["reason"] != "", ["source", "reason"]]
        counts = {name: int((kept["label"] == label).sum()) for name, label in ((opened.finding, 1), (NOFINDING, 0))}
        try:
            _check_classes(path, opened.finding, kept, rejected)
        except InputError:
            if is_new:
                _remove(out, table)
            raise
        _write_tables(out, opened, kept, rejected, unusual)
    return Prepared(out, counts, rejected, unusual, notes + _notes_on_copies(kept))


def _open_source(
    path: Path,
    layout: TableLayout,
    positive: str | None,
    negative: str | None,
    size: int,
    finding: str | None,
    against: str,
    options: dict[str, Any],
) -> Source:
    """Find out what kind of collection it is, and open it. The options are those of a table."""
    in_folders = {name: options[name] for name in ("seed", "keep_laterals", "accept")}
    if positive is not None:
        if layout != TableLayout():
            raise InputError(f"{path}: --positive is for class folders; name the finding of a table with --finding")
        opened = open_class_folders(path, finding=positive, negative=negative or NOFINDING, **in_folders)
        return replace(opened, finding=class_name(opened.finding))
    options |= {"finding": finding, "against": against}
    if layout.table is not None:
        return open_table(path, layout, negative=negative, **options)
    archive, label_file = chestmnist.find_archive(path), nih.find_label_file(path)
    if not (archive or label_file) and (chexpert := find_chexpert_table(path)):
        return open_table(path, replace(layout, table=chexpert.absolute()), negative=negative, **options)
    if layout != TableLayout():
        raise InputError(f"{path}: the columns of a table are given, and no table; name it with --table")
    if (archive or label_file) and negative is not None:
        raise InputError(f"{path}: is a collection with its own word for No Finding; leave --negative out")
    if archive:
        return chestmnist.open_source(archive, finding=finding, against=against, size=size)
    if label_file:
        return nih.open_source(path, label_file, **options)
    return open_class_folders(path, finding=finding, negative=negative or NOFINDING, **in_folders)


def _check_arguments(source: Path, out: Path, size: int, normalize: str) -> None:
    if out.resolve().is_relative_to(source.resolve()) or source.resolve().is_relative_to(out.resolve()):
        raise InputError(f"{out}: lies in the source or contains it; choose a folder beside {source}")
    refuse_inside_cohort(out)
    if not MIN_SIDE <= size <= MAX_SIDE:
        raise InputError(f"size is {size}; it must be {MIN_SIDE} to {MAX_SIDE:,} pixels")
    if normalize not in NORMALIZATIONS:
        raise InputError(f"normalize is {normalize!r}; it must be one of {', '.join(NORMALIZATIONS)}")


def _with_split(source: Source, seed: int) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the source's table with a split, and the source's notes with one more if the split was drawn here."""
    table, notes = source.table.copy(), source.notes
    if "split" not in table:
        keys = split_keys(table["patient_id"], table["source"])
        table["split"] = draw_stratified_split(keys, table["label"], seed=seed)
        notes += ("the split is drawn by patient, 70/15/15, with the same fractions in each class",)
    check_split(table, source.path)
    return table, notes


def _target_paths(table: pd.DataFrame, finding: str) -> list[str]:
    """Return where each film is written, relative to the output folder. No two films get the same name.

    A copy has the name of its film. Where two names would be the same, also on a system
    that does not distinguish upper and lower case, the names of the folders are put
    before them. If that is not enough, the ending of the file, and then a hash of the
    path, are added.
    """
    classes = table["label"].map({1: finding, 0: NOFINDING})
    sources = list(table["source"])
    names = [_safe_name(_stem(source)) for source in sources]
    longer: tuple[Callable[[str], str], ...] = (_name_with_folders, _name_with_suffix, _name_with_hash)
    for lengthen in longer:
        keys = [f"{name}/{target}".casefold() for name, target in zip(classes, names, strict=True)]
        count = Counter(keys)
        names = [
            name if count[key] == 1 else lengthen(source)
            for name, key, source in zip(names, keys, sources, strict=True)
        ]
    targets = [f"{name}/{target}.png" for name, target in zip(classes, names, strict=True)]
    if twins := [target for target, number in Counter(map(str.casefold, targets)).items() if number > 1]:
        raise InputError(f"two films would both be written as {twins[0]}; rename one of them")
    return targets


def _stem(source: str) -> str:
    """Return the name of a file without the ending of a film: a DICOM file may be called 1.2.840.10008.5."""
    name = source.rpartition("/")[2]
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in SUFFIXES else name


def _name_with_folders(source: str) -> str:
    return _safe_name("-".join((*PurePosixPath(source).parts[1:-1], _stem(source))))


def _name_with_suffix(source: str) -> str:
    suffix = PurePosixPath(source).suffix.lower()
    return _name_with_folders(source) + (suffix.replace(".", "-") if suffix in SUFFIXES else "")


def _name_with_hash(source: str) -> str:
    return f"{_name_with_suffix(source)}-{hashlib.sha256(source.encode()).hexdigest()[:16]}"


def _safe_name(name: str) -> str:
    """Return a name that every file system accepts, and that `read_cohort` takes for a film's."""
    safe = unicodedata.normalize("NFC", _UNSAFE.sub("_", name)).rstrip(" .") or "film"
    if is_litter(safe) or is_thumbnail(safe) or _RESERVED.fullmatch(safe):
        safe = f"film-{safe}"
    if len(safe.encode()) > MAX_NAME_BYTES:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        safe = safe.encode()[: MAX_NAME_BYTES - 17].decode(errors="ignore") + f"-{digest}"
    return safe


def _fingerprint(source: Path, table: pd.DataFrame) -> str:
    """Return a hash of which films become which images: the whole table, and the sizes of the files in bytes."""
    num_bytes = source.stat().st_size if source.is_file() else [(source / f).stat().st_size for f in table["source"]]
    return hashlib.sha256(files.csv_text(table.assign(bytes=num_bytes)).encode()).hexdigest()


def _is_new(out: Path, settings: dict[str, Any]) -> bool:
    """Return True if nothing is in the output folder yet, and False if these settings and films are recorded there.

    Any other folder is refused.
    """
    record = out / PREPARATION
    if not record.exists():
        if not files.is_empty(out):
            raise InputError(f"{out}: exists and was not made by prepare; choose a new or an empty folder")
        return True
    try:
        earlier = files.read_json(record)
    except InputError:
        raise InputError(f"{record}: is damaged; remove {out} and prepare it again") from None
    if "accept" not in earlier:
        needed = "its films have no ids; name another folder"
        raise InputError(f"{out}: was begun by an earlier version of cxrlib, and {needed}")
    if earlier.get("films") != settings["films"]:
        raise InputError(f"{out}: was prepared from other films or labels than the source has now; name another folder")
    changes = [f"{k} was {earlier.get(k)!r} and is now {v!r}" for k, v in settings.items() if earlier.get(k) != v]
    if changes:
        raise InputError(f"{out}: was prepared with other settings ({'; '.join(changes)}); name another folder")
    return False


class _Converted(NamedTuple):
    """What became of one film: why it was rejected ("" if it was not), its id and its warnings."""

    reason: str
    film_id: str
    warnings: tuple[FilmWarning, ...]


def _convert(
    source: Source, table: pd.DataFrame, out: Path, size: int, normalize: str, progress: Progress
) -> list[_Converted]:
    """Write the images that are not there yet. Images that are there tell their ids and warnings themselves."""
    for folder in _class_folders(table):
        files.refuse_link(out / folder)
        (out / folder).mkdir(exist_ok=True)

    def convert(job: tuple[Any, str, str]) -> _Converted:
        film, name, target = job
        files.refuse_link(out / target)
        if facts := read_prepared_facts(out / target):  # a file gets this name only when it is whole
            return _Converted("", *facts)
        try:
            radiograph = source.read(film, size=size, normalize=normalize)
        except InputError as error:
            # the table has the name beside the reason
            return _Converted(str(error).removeprefix(f"{source.path / name}: "), "", ())
        warnings = radiograph.warnings + likeness_warnings(radiograph.image)
        with files.atomic(out / target) as partial_file:
            write_prepared(
                partial_file, radiograph.image, normalize=normalize, film_id=radiograph.film_id, warnings=warnings
            )
        return _Converted("", radiograph.film_id, warnings)

    jobs = zip(source.films, table["source"], table["path"], strict=True)
    return list(progress(files.map_in_order(convert, jobs), len(table)))


def _class_folders(table: pd.DataFrame) -> set[PurePosixPath]:
    return {PurePosixPath(path).parent for path in table["path"]}


def _remove(out: Path, table: pd.DataFrame) -> None:
    """Remove what this call has written, and nothing else that came into the folder meanwhile."""
    for path in (*table["path"], PREPARATION):
        (out / path).unlink(missing_ok=True)
    for folder in _class_folders(table):
        with suppress(OSError):  # it holds something else
            (out / folder).rmdir()


def _check_classes(source: Path, finding: str, kept: pd.DataFrame, rejected: pd.DataFrame) -> None:
    """Refuse a source whose usable images are all of one class, and name the first image that was rejected."""
    films = f"{source}: {len(rejected):,} images were rejected, and {len(kept):,} are left"
    first = "".join(f" (first rejected: {row.source}: {row.reason})" for row in rejected.head(1).itertuples())
    check_both_classes(kept["label"], finding, films, advice=first)


def _notes_on_copies(kept: pd.DataFrame) -> tuple[str, ...]:
    """Return a note if films have equal pixels, and how many of them are in both classes or in several splits."""
    copies = kept[kept["film_id"].duplicated(keep=False)]
    if copies.empty:
        return ()
    number = copies.groupby("film_id")[["label", "split"]].nunique()
    films = "1 film is" if len(number) == 1 else f"{len(number):,} films are"
    found = f"{films} there under several names, with equal pixels"
    for column, places in (("label", "both classes"), ("split", "several splits")):
        if count := int((number[column] > 1).sum()):
            found += f"; {count:,} of them in {places}"
    first, second = copies.sort_values(["film_id", "source"])["source"].head(2)
    return (f"{found} (first: {first} and {second}); keep one of each",)


def _write_tables(out: Path, source: Source, kept: pd.DataFrame, rejected: pd.DataFrame, unusual: pd.DataFrame) -> None:
    """Write rejected.csv, warnings.csv, boxes.csv if there are boxes, and then cohort.csv.

    cohort.csv is the last file that is written. If it is there, the folder is complete.
    """
    files.write_csv(out / "rejected.csv", files.for_spreadsheets(rejected))
    files.write_csv(out / "warnings.csv", files.for_spreadsheets(unusual))
    if source.boxes is not None:
        path_of_image = dict(zip(kept["source"].map(lambda film: PurePosixPath(film).name), kept["path"], strict=True))
        boxes = source.boxes.assign(path=source.boxes["image"].map(path_of_image)).dropna(subset="path")
        files.write_csv(out / "boxes.csv", boxes[["path", *source.boxes.columns.drop("image")]])
    left_out = {"source", "reason"}
    if not source.knows_patients:  # without the column, `read_cohort` adds a note that the patients are not known
        left_out.add("patient_id")
    columns = dict.fromkeys(name for name in (*COLUMNS, *kept.columns) if name in kept and name not in left_out)
    files.write_csv(out / "cohort.csv", kept[list(columns)], completes_folder=True)
