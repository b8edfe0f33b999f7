"""Read many images: two class folders, an optional cohort.csv, and a split by patient.

A cohort is a folder that holds ``nofinding/`` and one folder named for the
finding, such as ``effusion/``. A ``cohort.csv`` beside them may add patients,
splits, views and more. Without it, the two class folders are enough.
"""

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cxrlib.cohorts.film_files import FilmFiles, is_litter, list_films
from cxrlib.cohorts.film_headers import add_headers, leave_out_laterals
from cxrlib.cohorts.other_tables import describe_tables
from cxrlib.cohorts.split import SPLITS, check_split, patients_from_names
from cxrlib.cohorts.user_table import (
    find_paths,
    folder_key,
    read_ages,
    read_labels,
    read_patients,
    read_splits,
    read_user_table,
)
from cxrlib.errors import InputError
from cxrlib.files import read_json
from cxrlib.images.film_facts import MAX_AGE
from cxrlib.images.radiograph import SUFFIXES

NOFINDING = "nofinding"
"""The name of the negative class and of its folder."""

OTHER_NAMES = {"pleural_effusion": "effusion"}
"""What some collections call a finding, and the name of its class. NIH has Effusion, and CheXpert Pleural Effusion."""

COLUMNS = ("path", "label", "patient_id", "split", "view", "sex", "age", "findings", "film_id")
"""The columns of cohort.csv that have a fixed meaning, in the order in which `prepare` writes them."""

REQUIRED_COLUMNS = ("path", "label")
MEANT = {"patient_id": "patient|subject", "view": "view|projection|lateral", "split": "split|fold|subset|partition"}
"""Words in the headings of other tables that may have been meant as one of our columns."""

TABLE = "cohort.csv"

SIMULATION = "simulation.json"
"""The file that says how a cohort was simulated. A second call of `simulate` with the same settings does nothing."""

PREPARATION = "prepare.json"
"""The file that says how a cohort was prepared, and from which films. A later call of `prepare` continues the folder
only if its settings and films are the same."""

MAX_NAMES = 8
"""A message lists no more names of folders. A collection may have a folder for each of its patients."""

NAME_CLASSES = "if these are the classes, cxr prepare reads them with --positive NAME --negative NAME"

NOT_CLASSES = ("masks",)
"""Folders beside the class folders that are not classes. `simulate` writes its masks into ``masks``."""


@dataclass(frozen=True)
class Cohort:
    """The images of one folder.

    Attributes
    ----------
    folder : Path
    finding : str
        The name of the positive class and of its folder, in lower case.
    table : DataFrame
        One row for each image, sorted by path: ``path`` (relative to the folder,
        with forward slashes), ``label`` (1 = the finding, 0 = nofinding),
        ``patient_id`` (str), and all other columns of cohort.csv.
    notes : tuple of str
        What the reader assumed.
    """

    folder: Path
    finding: str
    table: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> np.ndarray:
        """The labels, (N,) int, 1 = the finding."""
        return self.table["label"].to_numpy()

    @property
    def files(self) -> list[Path]:
        """The images' files, N paths that can be opened."""
        return [self.folder / path for path in self.table["path"]]

    @property
    def has_split(self) -> bool:
        """Whether every image belongs to train, val or test."""
        return "split" in self.table

    def part(self, split: str) -> "Cohort":
        """Return the images of one split.

        Parameters
        ----------
        split : {"train", "val", "test", "all"}
            "all" returns the whole cohort.

        Raises
        ------
        InputError
            The name is not one of these, the cohort has no split, or the split has no
            images.
        """
        if split == "all":
            return self
        if split not in SPLITS:
            raise InputError(f"split is {split!r}; it must be one of {', '.join(SPLITS)} or all")
        if not self.has_split:
            raise InputError(f"{self.folder}: it is not known which images are {split}; take all (--split all)")
        chosen = self.table[self.table["split"] == split].reset_index(drop=True)
        if chosen.empty:
            found = ", ".join(f"{n:,} {name}" for name, n in self.table["split"].value_counts().items())
            raise InputError(f"{self.folder}: no image is in the split {split!r} ({found}); take another (--split)")
        return replace(self, table=chosen)

    def check_classes(self, description: str) -> None:
        """Refuse images that are all of one class, because they have no AUC.

        Parameters
        ----------
        description : str
            The images in the words of the message, such as "its test films".

        Raises
        ------
        InputError
            As in `check_both_classes`.
        """
        advice = ", so take another split (--split train, val, test or all)"
        check_both_classes(self.labels, self.finding, f"{self.folder}: {description}", advice=advice)


def class_name(finding: str) -> str:
    """Return the name of the class, and of its folder, for a collection's own word for a finding.

    Raises
    ------
    InputError
        The word has no letter or digit, or means another folder.

    Examples
    --------
    >>> class_name("Pleural Effusion"), class_name("Nodule/Mass")
    ('effusion', 'nodule_mass')
    """
    name = plain_name(finding)
    if not name or folder_key(name) in (NOFINDING, *NOT_CLASSES):
        raise InputError(f"{finding!r:.80} cannot be the name of the finding's class; choose another (--as NAME)")
    return name


def plain_name(word: str) -> str:
    """Return a word in lower case, with "_" for all that is no letter or digit, and NIH's word where it has one."""
    name = re.sub(r"[\W_]+", "_", unicodedata.normalize("NFC", word)).strip("_").lower()
    return OTHER_NAMES.get(name, name)


def check_both_classes(labels: ArrayLike, finding: str, films: str, *, advice: str = "") -> None:
    """Refuse films that are all of one class.

    Parameters
    ----------
    labels : array-like, (N,)
        1 = the finding, 0 = nofinding.
    finding : str
        The name of the positive class.
    films : str
        How the message begins: where the films are, and which films they are.
    advice : str
        How the message ends: what the user can do.

    Raises
    ------
    InputError
        The message says how many films of each class there are.
    """
    labels = np.asarray(labels)
    num_positive, num_negative = int((labels == 1).sum()), int((labels == 0).sum())
    if not (num_positive and num_negative):
        raise InputError(
            f"{films}: {num_positive:,} with {finding} and {num_negative:,} without; at least one of each is needed"
            f"{advice}"
        )


def read_cohort(
    folder: str | Path, *, finding: str | None = None, negative: str = NOFINDING, keep_laterals: bool = False
) -> Cohort:
    """Read a cohort from its folder. Of the films, only headers of DICOM files are opened.

    Parameters
    ----------
    folder : path-like
    finding : str, optional
        The positive class. It is needed only if several folders could be the positive
        class. Upper case, blanks, underscores and hyphens make no difference, neither
        here nor in the names of the class folders.
    negative : str
        The folder of the negative class, if it has another name than nofinding.
    keep_laterals : bool
        Keep films that a header or cohort.csv calls lateral. By default they are left
        out, with a note.

    Raises
    ------
    InputError
        The folder is missing or empty, or has only one class. A cohort.csv lacks
        a column or names images that are not there. A patient is in two splits.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: {'is a file, not a folder' if folder.exists() else 'no such folder'}")
    positive, negative = _find_classes(folder, finding, negative)
    finding = positive.strip().lower()
    films = list_films(folder, (positive, negative))
    table_file, others = _find_table(folder)
    notes = films.notes + tuple(f"{name} is not read; a table must be called {TABLE}" for name in others)
    if table_file:
        table, table_notes = _read_table(table_file, films, positive, negative)
        notes += table_notes
    else:
        table = _list_classes(folder, films, positive, negative)
    table, patient_notes = add_patients(folder, table)
    notes += patient_notes
    lateral_notes: tuple[str, ...] = ()
    if not keep_laterals:
        table, lateral_notes = leave_out_laterals(table)
        notes += lateral_notes
    films_used = f"the films that {TABLE} names" if table_file else "the films in its folders"
    check_both_classes(
        table["label"], finding, f"{folder}: {films_used}", advice="".join(f"; {x}" for x in lateral_notes)
    )
    table = table.sort_values("path", ignore_index=True)
    if "split" in table:
        check_split(table, table_file or folder)
    return Cohort(folder, finding, table, notes)


def read_unlabelled(folder: str | Path, *, keep_laterals: bool = False) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """List the films below a folder whose labels are not known. Of the films, only headers of DICOM files are opened.

    Parameters
    ----------
    folder : path-like
    keep_laterals : bool
        As in `read_cohort`.

    Returns
    -------
    table : DataFrame
        One row for each film, sorted by path: ``path`` and ``patient_id`` as in
        `Cohort.table`, and what DICOM headers know of view, sex and age.
    notes : tuple of str
        What the reader assumed.

    Raises
    ------
    InputError
        The folder is missing, or holds no films.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: {'is a file, not a folder' if folder.exists() else 'no such folder'}")
    films = list_films(folder)
    table = pd.DataFrame({"path": films.paths}, dtype=str)
    table, patient_notes = add_patients(folder, table, below=f"{folder.resolve().name}/")
    lateral_notes: tuple[str, ...] = ()
    if not keep_laterals:
        table, lateral_notes = leave_out_laterals(table)
    if table.empty:
        seen = "".join(f"; {note}" for note in (*films.notes, *lateral_notes))
        raise InputError(f"{folder}: no films in it (looked for {', '.join(SUFFIXES)}){seen}")
    return table, (*films.notes, *patient_notes, *lateral_notes)


def add_patients(folder: Path, table: pd.DataFrame, *, below: str = "") -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Add what DICOM headers say, and fill ``patient_id`` by the names of files and folders.

    Parameters
    ----------
    folder : Path
    table : DataFrame
        Its column ``path`` is relative to the folder.
    below : str
        Stands before the paths, because `patients_from_names` reads them from the class
        folder on.

    Returns
    -------
    table : DataFrame
    notes : tuple of str
    """
    table, notes = add_headers(table, [folder / path for path in table["path"]])
    if "patient_id" not in table:
        table["patient_id"] = ""
    if (is_unknown := table["patient_id"] == "").any():
        paths = below + table["path"]
        ids = pd.Series(patients_from_names(paths)[0], index=table.index)
        # the patient whom a header names is also the patient of the other films in the same patient's folder
        id_in_header = dict(zip(ids[~is_unknown], table.loc[~is_unknown, "patient_id"], strict=True))
        table.loc[is_unknown, "patient_id"] = [id_in_header.get(each, each) for each in ids[is_unknown]]
        note = patients_from_names(paths[is_unknown])[1]
        notes += (note if is_unknown.all() else f"for the {is_unknown.sum():,} other films, {note}",)
    return table, notes


def list_classes(folder: Path) -> list[str]:
    """Return the names of the folders that may be class folders, sorted."""
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.is_dir()
        and not (entry.name.startswith("_") or is_litter(entry.name) or entry.name.lower() in NOT_CLASSES)
    )


def _find_classes(folder: Path, finding: str | None, wanted: str) -> tuple[str, str]:
    """Return the names of the folders of the two classes, as they are spelled there: the finding, and no finding."""
    entries = list_classes(folder)
    found = ", ".join(entries[:MAX_NAMES]) + (", ..." if len(entries) > MAX_NAMES else "") or "no folders"
    needed = f"a cohort needs {wanted}/ and one folder named after the finding, such as effusion/"
    names: dict[str, str] = {}
    for name in entries:
        if (key := folder_key(name)) in names:
            raise InputError(f"{folder}: {names[key]}/ and {name}/ count as one class; put their films into one folder")
        names[key] = name
    if (negative := names.pop(folder_key(wanted), None)) is None:
        hint = describe_tables(folder) or _describe_inner_folders(folder, entries)
        raise InputError(f"{folder}: no folder {wanted}/ (found: {found}); {needed}{hint}")
    if finding is not None:
        if (key := folder_key(finding)) not in names:
            raise InputError(f"{folder}: no folder {finding}/ (found: {found})")
        return names[key], negative
    if len(names) != 1:
        positives = ", ".join(name for name in entries if name != negative)
        broken = [entry.name for entry in folder.iterdir() if entry.is_symlink() and not entry.exists()]
        beside = f"found beside {negative}/: {positives}" if names else f"found only {negative}/"
        beside += f" (the link {min(broken)} leads nowhere)" if broken else ""
        raise InputError(f"{folder}: {beside}; {needed}")
    return next(iter(names.values())), negative


def _describe_inner_folders(folder: Path, names: list[str]) -> str:
    """Return a hint if the folders have other names, or lie one folder below, as in train/nofinding/; else ""."""
    for name in names:
        with suppress(OSError):  # a folder that may not be listed
            inner = list_classes(folder / name)
            if any(folder_key(each) == NOFINDING for each in inner):
                return f"; class folders lie in {name}/: cxr prepare reads train/, val/ and test/, and keeps that split"
            if len(inner) == 2:
                return f"; {name}/ holds {inner[0]}/ and {inner[1]}/: {NAME_CLASSES}"
    return f"; {NAME_CLASSES}" if len(names) == 2 else ""


def _find_table(folder: Path) -> tuple[Path | None, list[str]]:
    """Return cohort.csv, spelled in any case, and the names of other tables that may have been meant."""
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.lower().startswith("cohort"))
    tables = [name for name in names if name.lower() == TABLE and (folder / name).is_file()]
    if len(tables) > 1:
        raise InputError(f"{folder}: holds {' and '.join(tables)}; keep one of them")
    others = [name for name in names if name.lower().endswith((".csv", ".tsv", ".txt", ".xls", ".xlsx", ".ods"))]
    return (folder / tables[0] if tables else None), [name for name in others if name not in tables]


def _label_paths(films: FilmFiles, positive: str) -> pd.DataFrame:
    """Return path and label of the films, by the class folder in which each lies."""
    return pd.DataFrame({"path": films.paths, "label": [int(path.startswith(f"{positive}/")) for path in films.paths]})


def _list_classes(folder: Path, films: FilmFiles, positive: str, negative: str) -> pd.DataFrame:
    """Return path and label of all films in the class folders, and refuse a class without films."""
    if films.in_two_classes:
        raise InputError(
            f"{folder}: the films of {films.in_two_classes[0]}/ are in both classes, through a link; remove the link, "
            f"or say in a {TABLE} which films belong to {positive}/ and which to {negative}/"
        )
    table = _label_paths(films, positive)
    for name, label in ((positive, 1), (negative, 0)):
        if not (table["label"] == label).any():
            seen = "".join(f"; {note}" for note in films.notes)
            raise InputError(f"{folder}: no films in {name}/ (looked for {', '.join(SUFFIXES)}){seen}")
    return table


def _read_table(
    table_file: Path, films: FilmFiles, positive: str, negative: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read cohort.csv, check it against the files in the class folders, and return it with notes."""
    table, notes = read_user_table(table_file, needed=REQUIRED_COLUMNS, known=COLUMNS)
    # a column without any value is treated as if it were missing
    table = table.loc[:, [column for column in table if column in REQUIRED_COLUMNS or (table[column] != "").any()]]
    in_folders = _label_paths(films, positive)
    left_out = {path: reason for reason, paths in films.passed_over.items() for path in paths}
    readers = {
        "label": lambda column: read_labels(column, table_file, positive, negative),
        "patient_id": lambda column: read_patients(column, table_file),
        "split": lambda column: read_splits(column, table_file, SPLITS),
        "path": lambda column: find_paths(column, table_file, films.paths, left_out, f"{positive}/ or {negative}/"),
    }
    for column, reader in readers.items():
        if column in table:
            table[column], column_notes = reader(table[column])
            notes += column_notes
    duplicates = table.loc[table["path"].duplicated(), "path"]
    if len(duplicates):
        row, path = duplicates.index[0], duplicates.iloc[0]
        raise InputError(f"{table_file}: {path} is listed twice (again in row {row}); remove one of the rows")
    label_of_folder = table["path"].map(in_folders.set_index("path")["label"])
    misfiled = table.loc[table["label"] != label_of_folder, "path"]
    if len(misfiled):
        found = f"{misfiled.iloc[0]} (row {misfiled.index[0]}) has the label of the other class folder"
        raise InputError(f"{table_file}: {found}; correct the label, or move the file")
    for column, words in MEANT.items():
        others = [repr(each) for each in table if re.search(words, each, re.IGNORECASE) and each not in COLUMNS]
        if column not in table and others:
            notes += (f"{table_file.name}: not read: {', '.join(others)}; the heading must be {column}",)
    if "age" in table:
        text, table["age"] = table["age"], read_ages(table["age"])
        if num_unread := int((table["age"].isna() & (text != "")).sum()):
            needed = f"an age is a number of years up to {MAX_AGE}, or text such as 009M"
            notes += (f"{num_unread:,} ages are left out; {needed}",)
    if num_extra := len(in_folders) - len(table):
        notes += (f"{num_extra:,} films in the folders are not in {table_file.name} and are left out",)
    return table, notes


def simulated_seed(folder: Path) -> int | None:
    """Return the seed of a simulated cohort, or of one that was prepared from it; None for other folders.

    Raises
    ------
    InputError
        The file that holds the seed is damaged.
    """
    for name, key in ((SIMULATION, "seed"), (PREPARATION, "simulated_seed")):
        if (folder / name).is_file():
            return read_json(folder / name).get(key)
    return None


def refuse_inside_cohort(folder: Path) -> None:
    """Refuse to write into a folder that lies inside a cohort.

    Pictures in a class folder would count as films. A new folder beside the class
    folders would count as one more class.

    Raises
    ------
    InputError
        The folder, or a folder above it, stands beside a folder nofinding/ or is one.
    """
    named, real = folder.absolute(), folder.resolve()  # either way to it may lead through a cohort
    for inner in (named, *named.parents, real, *real.parents):
        if inner != inner.parent and _holds_class_folder(inner.parent):
            raise InputError(
                f"{folder}: lies inside the cohort {inner.parent}, whose folders are its classes; choose a folder "
                "outside the cohort"
            )


def _holds_class_folder(folder: Path) -> bool:
    with suppress(OSError):  # a folder that may not be listed is no cohort that anyone can read
        return any(entry.name.lower() == NOFINDING and entry.is_dir() for entry in folder.iterdir())
    return False
