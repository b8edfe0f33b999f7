"""Many images: two class folders, an optional cohort.csv, and a split by patient.

A cohort is a folder that holds ``nofinding/`` and one folder named for the
finding, such as ``effusion/``. With a ``cohort.csv`` beside them it also knows
patients, splits, views and more; without it the bare folders will do.
"""

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from cxrlib.cohorts.split import SPLITS, check_split, patients_from_names
from cxrlib.errors import InputError
from cxrlib.files import read_csv
from cxrlib.images.radiograph import SUFFIXES

NOFINDING = "nofinding"
COLUMNS = ("path", "label", "patient_id", "split", "view", "sex", "age", "findings")
NEEDED = ("path", "label")
NOT_CLASSES = ("masks",)


@dataclass(frozen=True)
class Cohort:
    """The images of one folder.

    Attributes
    ----------
    folder : Path
    finding : str
        The name of the positive class and of its folder, in lower case.
    table : DataFrame
        One row an image, sorted by path: ``path`` (relative to the folder, with
        forward slashes), ``label`` (1 = the finding, 0 = nofinding),
        ``patient_id`` (str), and whatever else cohort.csv holds.
    notes : tuple of str
        What the reader assumed.
    """

    folder: Path
    finding: str
    table: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> np.ndarray:
        """(N,) int, 1 = the finding."""
        return self.table["label"].to_numpy()

    @property
    def files(self) -> list[Path]:
        """(N,) paths that can be opened."""
        return [self.folder / path for path in self.table["path"]]

    @property
    def has_split(self) -> bool:
        """Whether every image belongs to train, val or test."""
        return "split" in self.table

    def part(self, split: str) -> "Cohort":
        """Return the images of one split, or all of them for ``"all"``."""
        if split == "all":
            return self
        if split not in SPLITS:
            raise InputError(f"split is {split!r}; it must be one of {', '.join(SPLITS)} or all")
        if not self.has_split:
            raise InputError(f"{self.folder}: it is not known which images are {split}")
        chosen = self.table[self.table["split"] == split].reset_index(drop=True)
        if chosen.empty:
            found = ", ".join(f"{n:,} {name}" for name, n in self.table["split"].value_counts().items())
            raise InputError(f"{self.folder}: no image is in the split {split!r} ({found}); take another (--split)")
        return replace(self, table=chosen)

    def check_classes(self, which: str) -> None:
        """Refuse images of one class only, for which there is no AUC."""
        ill = int(self.labels.sum())
        if ill in (0, len(self.labels)):
            raise InputError(
                f"{self.folder}: {which} are {ill:,} of {self.finding} and {len(self.labels) - ill:,} of {NOFINDING}; "
                "both are needed, so take another split (--split train, val, test or all)"
            )


def read_cohort(folder, *, finding: str | None = None) -> Cohort:
    """Read a cohort from its folder; no image is opened.

    Parameters
    ----------
    folder : path-like
    finding : str, optional
        The positive class. Needed only where more than one folder could be it.

    Raises
    ------
    InputError
        A missing or empty folder, one class only, a cohort.csv that lacks a
        column or names images that are not there, two files of one name in one
        class, a patient in two splits.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: {'is a file, not a folder' if folder.exists() else 'no such folder'}")
    finding = find_class(folder, finding)
    listed = pd.concat([_list_class(folder, name) for name in (finding, NOFINDING)], ignore_index=True)
    table_file = folder / "cohort.csv"
    if table_file.is_file():
        table, notes = _read_table(table_file, listed, finding)
    else:
        table, notes = listed, ()
    if "patient_id" not in table:
        table["patient_id"], note = patients_from_names(table["path"])
        notes += (note,)
    for label, name in ((1, finding), (0, NOFINDING)):
        if not (table["label"] == label).any():
            raise InputError(f"{folder}: no images of the class {name}/; both classes are needed")
    table = table.sort_values("path", ignore_index=True)
    if "split" in table:
        check_split(table, table_file)
    return Cohort(folder, finding, table, notes)


def find_class(folder: Path, finding: str | None = None) -> str:
    """Return the name of the positive class folder beside ``nofinding/``."""
    names = sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith((".", "_")) and entry.name not in NOT_CLASSES
    )
    needed = "needed are nofinding/ and one folder named for the finding, such as effusion/"
    if NOFINDING not in names:
        raise InputError(f"{folder}: no folder nofinding/ (found: {', '.join(names) or 'no folders'}); {needed}")
    others = [name for name in names if name != NOFINDING]
    if finding is not None:
        if finding.lower() not in others:
            raise InputError(f"{folder}: no folder {finding.lower()}/ (found: {', '.join(names)})")
        return finding.lower()
    if len(others) != 1:
        found = f"found beside it: {', '.join(others)}" if others else "found only nofinding/"
        raise InputError(f"{folder}: {found}; {needed}")
    return others[0]


def _list_class(folder: Path, name: str) -> pd.DataFrame:
    """List the images below one class folder, refusing two of one name."""
    paths = sorted(
        path.relative_to(folder).as_posix()
        for path in (folder / name).rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    seen: dict[str, str] = {}
    for path in paths:
        if not path.isprintable():
            raise InputError(f"{folder}: the file name {path!r} cannot be written in a table; give it a plain name")
        stem = PurePosixPath(path).stem
        if stem in seen:
            raise InputError(f"{folder}: two files of one name in one class: {seen[stem]} and {path}")
        seen[stem] = path
    if not paths:
        raise InputError(f"{folder}: no images in {name}/ (looked for {', '.join(SUFFIXES)})")
    return pd.DataFrame({"path": paths, "label": 1 if name != NOFINDING else 0})


def _read_table(table_file: Path, listed: pd.DataFrame, finding: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read cohort.csv and hold it against the files that are there."""
    table = read_csv(table_file, needed=NEEDED)
    table = table.loc[:, [column for column in table if not (table[column] == "").all() or column in NEEDED]]
    if not table["label"].isin(["0", "1"]).all():
        wrong = table.loc[~table["label"].isin(["0", "1"]), "label"].iloc[0]
        raise InputError(f"{table_file}: label {wrong!r}; 1 is {finding}, 0 is {NOFINDING}")
    table["label"] = table["label"].astype(int)
    if "patient_id" in table and (table["patient_id"] == "").any():
        raise InputError(
            f"{table_file}: {int((table['patient_id'] == '').sum()):,} films have no patient_id; "
            "give each its patient, or leave the column out"
        )
    if table["path"].duplicated().any():
        twice = table.loc[table["path"].duplicated(), "path"].iloc[0]
        raise InputError(f"{table_file}: {twice} is listed twice")
    in_folder = table["path"].map(listed.set_index("path")["label"])
    missing = table.loc[in_folder.isna(), "path"]
    if len(missing):
        raise InputError(
            f"{table_file}: names {len(table):,} images, of which {len(missing):,} are not in "
            f"{finding}/ or {NOFINDING}/ (first: {missing.iloc[0]})"
        )
    wrong = table.loc[table["label"] != in_folder, "path"]
    if len(wrong):
        raise InputError(f"{table_file}: {wrong.iloc[0]} has the label of the other class folder")
    refuse_links_out(table_file.parent, table["path"], table_file)
    notes = ()
    if "age" in table:
        given = table["age"]
        table["age"] = pd.to_numeric(given, errors="coerce")
        if unread := int((table["age"].isna() & (given != "")).sum()):
            notes += (f"{unread:,} ages are no numbers and are left out",)
    if extra := len(listed) - len(table):
        notes += (f"{extra:,} images in the folders are not in cohort.csv and are left out",)
    return table, notes


def refuse_links_out(folder: Path, paths, where) -> None:
    """Refuse a file that a CSV names, where it or a folder above it is a link that leads out of `folder`.

    Only links are resolved: a cohort may have 100,000 files.
    """
    named = set(paths)
    for parent in {PurePosixPath(path).parent for path in named}:
        named |= {above.as_posix() for above in (parent, *parent.parents)}
    root = folder.resolve()
    for path in sorted(path for path in named - {"."} if (folder / path).is_symlink()):
        if not (folder / path).resolve().is_relative_to(root):
            raise InputError(f"{where}: names {path}, a link that leads out of {folder}; put the file itself there")
