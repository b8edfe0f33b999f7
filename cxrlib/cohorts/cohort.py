"""Read many images: two class folders, an optional cohort.csv, and a split by patient.

A cohort is a folder that holds ``nofinding/`` and one folder named for the
finding, such as ``effusion/``. A ``cohort.csv`` beside them may add patients,
splits, views and more. Without it, the two class folders are enough.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cxrlib.cohorts.film_headers import add_headers, leave_out_laterals
from cxrlib.cohorts.split import SPLITS, check_split, patients_from_names
from cxrlib.errors import InputError
from cxrlib.files import read_csv
from cxrlib.images.radiograph import SUFFIXES

NOFINDING = "nofinding"
"""The name of the negative class and of its folder."""

COLUMNS = ("path", "label", "patient_id", "split", "view", "sex", "age", "findings", "film_id")
"""The columns of cohort.csv that have a fixed meaning, in the order in which `prepare` writes them."""

REQUIRED_COLUMNS = ("path", "label")
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


def read_cohort(folder: str | Path, *, finding: str | None = None, keep_laterals: bool = False) -> Cohort:
    """Read a cohort from its folder. Of the films, only headers of DICOM files are opened.

    Parameters
    ----------
    folder : path-like
    finding : str, optional
        The positive class, in upper or lower case. It is needed only if several
        folders could be the positive class.
    keep_laterals : bool
        Keep films that a header or cohort.csv calls lateral. By default they are left
        out, with a note.

    Raises
    ------
    InputError
        The folder is missing or empty, or has only one class. A cohort.csv lacks
        a column or names images that are not there. Two files of one class have
        the same name. A patient is in two splits.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: {'is a file, not a folder' if folder.exists() else 'no such folder'}")
    finding = _find_positive_class(folder, finding)
    in_folders = pd.concat([_list_class(folder, name) for name in (finding, NOFINDING)], ignore_index=True)
    table_file = folder / "cohort.csv"
    if table_file.is_file():
        table, notes = _read_table(table_file, in_folders, finding)
    else:
        table, notes = in_folders, ()
    table, header_notes = add_headers(table, [folder / path for path in table["path"]])
    notes += header_notes
    if "patient_id" not in table:
        table["patient_id"] = ""
    if (is_unknown := table["patient_id"] == "").any():
        table.loc[is_unknown, "patient_id"], note = patients_from_names(table.loc[is_unknown, "path"])
        notes += (note,)
    if not keep_laterals:
        table, lateral_notes = leave_out_laterals(table)
        notes += lateral_notes
    check_both_classes(table["label"], finding, f"{folder}: the images that cohort.csv names")
    table = table.sort_values("path", ignore_index=True)
    if "split" in table:
        check_split(table, table_file)
    return Cohort(folder, finding, table, notes)


def _find_positive_class(folder: Path, finding: str | None) -> str:
    """Return the name of the positive class: the finding if it is given, else the only folder beside ``nofinding/``."""
    names = sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith((".", "_")) and entry.name not in NOT_CLASSES
    )
    needed = "a cohort has nofinding/ and one folder named for the finding, such as effusion/"
    if NOFINDING not in names:
        raise InputError(f"{folder}: no folder nofinding/ (found: {', '.join(names) or 'no folders'}); {needed}")
    positive = [name for name in names if name != NOFINDING]
    if finding is not None:
        if finding.lower() not in positive:
            raise InputError(f"{folder}: no folder {finding.lower()}/ (found: {', '.join(names)})")
        return finding.lower()
    if len(positive) != 1:
        found = f"found beside nofinding/: {', '.join(positive)}" if positive else "found only nofinding/"
        raise InputError(f"{folder}: {found}; {needed}")
    return positive[0]


def _list_class(folder: Path, name: str) -> pd.DataFrame:
    """Return path and label of the images below one class folder.

    Two files of one name are refused: `prepare` would write both as one PNG.
    """
    paths = sorted(
        path.relative_to(folder).as_posix()
        for path in (folder / name).rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    path_of_stem: dict[str, str] = {}
    for path in paths:
        if not path.isprintable():
            raise InputError(f"{folder}: the file name {path!r} cannot be written in a table; give it a plain name")
        stem = PurePosixPath(path).stem
        if stem in path_of_stem:
            raise InputError(
                f"{folder}: two files of one name in one class: {path_of_stem[stem]} and {path}; rename one"
            )
        path_of_stem[stem] = path
    if not paths:
        raise InputError(f"{folder}: no images in {name}/ (looked for {', '.join(SUFFIXES)})")
    return pd.DataFrame({"path": paths, "label": 1 if name != NOFINDING else 0})


def _read_table(table_file: Path, in_folders: pd.DataFrame, finding: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read cohort.csv, check it against the files in the class folders, and return it with notes."""
    table = read_csv(table_file, needed=REQUIRED_COLUMNS)
    # a column without any value is treated as if it were missing
    table = table.loc[:, [column for column in table if column in REQUIRED_COLUMNS or (table[column] != "").any()]]
    wrong_labels = table.loc[~table["label"].isin(["0", "1"]), "label"]
    if len(wrong_labels):
        needed = f"1 is {finding}, and 0 is {NOFINDING}"
        raise InputError(f"{table_file}: an image has the label {wrong_labels.iloc[0]!r}; {needed}")
    table["label"] = table["label"].astype(int)
    if "patient_id" in table and (num_blank := int((table["patient_id"] == "").sum())):
        raise InputError(f"{table_file}: {num_blank:,} films have no patient_id; fill it in, or remove the column")
    duplicates = table.loc[table["path"].duplicated(), "path"]
    if len(duplicates):
        raise InputError(f"{table_file}: {duplicates.iloc[0]} is listed twice; remove one of the rows")
    label_of_folder = table["path"].map(in_folders.set_index("path")["label"])
    missing = table.loc[label_of_folder.isna(), "path"]
    if len(missing):
        raise InputError(
            f"{table_file}: names {len(table):,} images, of which {len(missing):,} are not in "
            f"{finding}/ or {NOFINDING}/ (first: {missing.iloc[0]})"
        )
    misfiled = table.loc[table["label"] != label_of_folder, "path"]
    if len(misfiled):
        needed = "correct the label, or move the file"
        raise InputError(f"{table_file}: {misfiled.iloc[0]} has the label of the other class folder; {needed}")
    refuse_links_out(table_file.parent, table["path"], table_file)
    notes: tuple[str, ...] = ()
    if "age" in table:
        text = table["age"]
        table["age"] = pd.to_numeric(text, errors="coerce")
        if num_unread := int((table["age"].isna() & (text != "")).sum()):
            notes += (f"{num_unread:,} ages are no numbers and are left out",)
    if num_extra := len(in_folders) - len(table):
        notes += (f"{num_extra:,} images in the folders are not in cohort.csv and are left out",)
    return table, notes


def refuse_links_out(folder: Path, paths: Iterable[str], table_file: Path) -> None:
    """Refuse a table that names a file outside the folder through a symbolic link.

    Only links are resolved, not every path: a cohort may have 100,000 files.

    Parameters
    ----------
    folder : Path
    paths : iterable of str
        Relative to the folder, with forward slashes.
    table_file : Path
        The table that names the paths. The message begins with it.

    Raises
    ------
    InputError
        A path, or a folder above it, is a link to a place outside the folder.
    """
    to_check = set(paths)
    for parent in {PurePosixPath(path).parent for path in to_check}:
        to_check |= {above.as_posix() for above in (parent, *parent.parents)}
    root = folder.resolve()
    for path in sorted(path for path in to_check - {"."} if (folder / path).is_symlink()):
        if not (folder / path).resolve().is_relative_to(root):
            raise InputError(
                f"{table_file}: names {path}, a link that leads out of {folder}; put the file itself there"
            )
