"""Describe a collection of films to `prepare` in the same way for every format.

Each kind of collection has one function that returns a `Source`:
`open_class_folders` here, and ``open_source`` in `cxrlib.cohorts.nih`,
`cxrlib.cohorts.chestmnist` and `cxrlib.cohorts.table_source`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cxrlib.cohorts.cohort import MAX_NAMES, NOFINDING, list_classes, read_cohort
from cxrlib.cohorts.split import (
    SPLITS,
    UNKNOWN_PATIENT,
    add_missing_val,
    patients_from_folders,
    patients_from_names,
)
from cxrlib.cohorts.user_table import SPLIT_NAMES, folder_key
from cxrlib.errors import InputError
from cxrlib.images.radiograph import Radiograph, open_radiograph


@dataclass(frozen=True)
class Source:
    """A collection of films, listed but not yet read.

    Attributes
    ----------
    path : Path
        The folder of the collection, or the one file that holds all its films.
    finding : str
        The name of the positive class, in lower case.
    table : DataFrame
        One row for each film. ``source`` is the film's path relative to the
        collection's folder, or the film's name if the collection is one file.
        ``label`` is 1 for the finding. ``patient_id`` is text. ``split`` is there if
        the collection has a split. All further columns are written to cohort.csv.
    films : iterable
        What `read` takes as its argument, for each film in the order of the table.
        The films are produced one by one, so that memory does not grow with their
        number.
    read : callable
        ``read(film, size=size, normalize=normalize)`` returns a `Radiograph` whose image
        is (size, size). The function raises `InputError` for a film that
        cannot be used. Several threads call it at the same time.
    notes : tuple of str
        What was assumed about the collection.
    boxes : DataFrame or None
        As `cxrlib.cohorts.nih.read_boxes` returns it.
    knows_patients : bool
        False if the patients are not known. Then each ``patient_id`` was made from the
        film's name.
    origin : mapping of str to str
        What prepare.json keeps besides the settings, such as the collection's own word
        for the finding.
    """

    path: Path
    finding: str
    table: pd.DataFrame
    films: Iterable[Any]
    read: Callable[..., Radiograph]
    notes: tuple[str, ...] = ()
    boxes: pd.DataFrame | None = None
    knows_patients: bool = True
    origin: Mapping[str, str] = field(default_factory=dict)


def open_class_folders(
    folder: Path,
    *,
    finding: str | None,
    negative: str = NOFINDING,
    seed: int = 0,
    keep_laterals: bool = False,
    accept: Collection[str] = (),
) -> Source:
    """Return the films of two class folders, or of two class folders in each of train/, val/ and test/.

    Parameters
    ----------
    seed : int
        If there are train/ and test/ and no val/, it draws val from train.
    folder, finding, negative, keep_laterals, accept
        As in `read_cohort` and `cxrlib.images.radiograph.open_radiograph`.

    Raises
    ------
    InputError
        As in `read_cohort`.
    """
    names = _find_split_folders(folder, negative)
    if names:
        parts = {
            split: open_class_folders(
                folder / name, finding=finding, negative=negative, keep_laterals=keep_laterals, accept=accept
            )
            for split, name in names.items()
        }
        return _join_splits(folder, parts, seed)
    cohort = read_cohort(folder, finding=finding, negative=negative, keep_laterals=keep_laterals)
    ids, _ = patients_from_names(cohort.table["path"])
    # the names of the prepared copies tell no more about the patients than these names, but the folders are gone
    is_made_up = (
        cohort.table["patient_id"].tolist() == ids
        and any(each.startswith(UNKNOWN_PATIENT) for each in ids)
        and not any(patients_from_folders(cohort.table["path"]))
    )
    # `prepare` adds columns of these names, so the columns of a user's cohort.csv are renamed
    names_here = {name: f"{name}_given" for name in ("source", "reason", "film_id")} | {"path": "source"}
    return Source(
        path=folder,
        finding=cohort.finding,
        table=cohort.table.rename(columns=names_here),
        films=cohort.files,
        read=partial(open_radiograph, accept=accept),
        notes=cohort.notes,
        knows_patients=not is_made_up,
    )


def _find_split_folders(folder: Path, negative: str) -> dict[str, str]:
    """Return the names of the folders train/, val/ and test/ by split, if one of them holds the negative class."""

    def holds_class(place: Path) -> bool:
        with suppress(OSError):  # a folder that may not be listed
            return any(folder_key(name) == folder_key(negative) for name in list_classes(place))
        return False

    if not folder.is_dir() or holds_class(folder):
        return {}
    found: dict[str, str] = {}
    for name in list_classes(folder):
        split = SPLIT_NAMES.get(name.lower(), name.lower())
        if split in SPLITS and split in found:
            raise InputError(f"{folder}: {found[split]}/ and {name}/ both stand for {split}; keep one of them")
        if split in SPLITS:
            found[split] = name
    if not any(holds_class(folder / name) for name in found.values()):
        return {}
    return {split: found[split] for split in SPLITS if split in found}


def _join_splits(folder: Path, parts: Mapping[str, Source], seed: int) -> Source:
    """Return the films of the folders train/, val/ and test/ as one source with this split."""
    first, *others = parts.values()
    for part in others:
        if part.finding != first.finding:
            found = f"{first.path.name}/ is about {first.finding}, and {part.path.name}/ about {part.finding}"
            raise InputError(f"{folder}: {found}; name the class that all have with --positive")
    tables = []
    for split, part in parts.items():
        table, start = part.table.copy(), f"{part.path.name}/"
        # a name that two splits use is not the same film
        is_unknown = table["patient_id"] == UNKNOWN_PATIENT + table["source"]
        table.loc[is_unknown, "patient_id"] = UNKNOWN_PATIENT + start + table["source"]
        tables.append(table.assign(source=start + table["source"], split=split))
    table, split_notes = add_missing_val(pd.concat(tables, ignore_index=True), seed)
    used = [part.path.name for part in parts.values()]
    notes = (f"the split is that of the folders {', '.join(used)}", *split_notes)
    if unused := [name for name in list_classes(folder) if name not in used]:
        notes += (f"not read, because they are beside the folders of the split: {', '.join(unused[:MAX_NAMES])}",)
    return replace(
        first,
        path=folder,
        table=table,
        films=[folder / path for path in table["source"]],
        notes=notes + tuple(dict.fromkeys(note for part in parts.values() for note in part.notes)),
        knows_patients=any(part.knows_patients for part in parts.values()),
    )


def check_choice(finding: str | None, against: str, *, findings: tuple[str, ...], collection: str) -> str:
    """Return the finding as the collection spells it, after a check of the arguments `finding` and `against`.

    Parameters
    ----------
    finding : str or None
        In upper or lower case. None means Effusion.
    against : {"nofinding", "all"}
    findings : tuple of str
        All findings of the collection.
    collection : str
        The name of the collection, for the message.

    Raises
    ------
    InputError
        The collection has no such finding, or `against` has another value.
    """
    wanted = folder_key(finding or "Effusion")
    name = next((each for each in findings if folder_key(each) == wanted), None)
    if name is None:
        raise InputError(f"finding {finding!r} is not one of {collection}'s: {', '.join(findings)}")
    check_against(against)
    return name


def check_against(against: str) -> None:
    """Refuse a value that is neither nofinding nor all.

    Raises
    ------
    InputError
    """
    if against not in ("nofinding", "all"):
        raise InputError(f"against is {against!r}; it must be nofinding or all")
