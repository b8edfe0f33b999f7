"""Describe a collection of films to `prepare` in the same way for every format.

Each kind of collection has one function that returns a `Source`:
`open_class_folders` here, and ``open_source`` in `cxrlib.cohorts.nih` and
`cxrlib.cohorts.chestmnist`.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.split import UNKNOWN_PATIENT, patients_from_folders, patients_from_names
from cxrlib.cohorts.user_table import folder_key
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
    """

    path: Path
    finding: str
    table: pd.DataFrame
    films: Iterable[Any]
    read: Callable[..., Radiograph]
    notes: tuple[str, ...] = ()
    boxes: pd.DataFrame | None = None
    knows_patients: bool = True


def open_class_folders(
    folder: Path, *, finding: str | None, keep_laterals: bool = False, accept: Collection[str] = ()
) -> Source:
    """Return the films of two class folders; see `read_cohort` for the arguments and errors."""
    cohort = read_cohort(folder, finding=finding, keep_laterals=keep_laterals)
    ids, _ = patients_from_names(cohort.table["path"])
    # the names of the prepared copies tell no more about the patients than these names, but the folders are gone
    is_made_up = (
        cohort.table["patient_id"].tolist() == ids
        and any(each.startswith(UNKNOWN_PATIENT) for each in ids)
        and not any(patients_from_folders(cohort.table["path"]))
    )
    # `prepare` adds columns of these names, so the columns of a user's cohort.csv are renamed
    names = {name: f"{name}_given" for name in ("source", "reason", "film_id")} | {"path": "source"}
    return Source(
        path=folder,
        finding=cohort.finding,
        table=cohort.table.rename(columns=names),
        films=cohort.files,
        read=partial(open_radiograph, accept=accept),
        notes=cohort.notes,
        knows_patients=not is_made_up,
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
    if against not in ("nofinding", "all"):
        raise InputError(f"against is {against!r}; it must be nofinding or all")
    return name
