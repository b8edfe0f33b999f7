"""NIH ChestX-ray14 in the layout in which it is published.

Wang et al., "ChestX-ray8", CVPR 2017; https://nihcc.app.box.com/v/ChestXray-NIHCC.
"""

import filecmp
from pathlib import Path

import numpy as np
import pandas as pd

from cxrlib.cohorts.cohort import refuse_links_out
from cxrlib.errors import InputError
from cxrlib.files import MOST_CSV, read_bytes, read_csv
from cxrlib.images.radiograph import SUFFIXES

FINDINGS = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis",
    "Hernia", "Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax",
)  # fmt: skip
LABEL_FILES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv", "sample_labels.csv")
"""The newest first: where several are present, the first is read."""

LISTS = {"train_val": "train_val_list.txt", "test": "test_list.txt"}
BOXES = "BBox_List_2017.csv"
PUBLISHED_SIDE = 1024  # boxes are given in pixels of the published 1024x1024 image
OLDEST = 120  # NIH's table has ages up to 414


def find_label_file(source: Path) -> Path | None:
    """Return the label file of NIH's layout, or None where there is none."""
    return next((source / name for name in LABEL_FILES if (source / name).is_file()), None)


def list_images(
    source: Path, label_file: Path, *, finding: str, against: str, allow_missing: bool = False
) -> tuple[str, pd.DataFrame, tuple[str, ...]]:
    """List the images of a finding and of its opposite.

    Parameters
    ----------
    finding : str
        One of `FINDINGS`, in any case.
    against : {"nofinding", "all"}

    Returns
    -------
    name : str
        The finding in lower case.
    table : DataFrame
        ``source`` (path relative to the folder), ``label``, ``patient_id``,
        ``view``, ``sex``, ``age``, ``findings``; with official lists also
        ``split`` ("train_val" or "test").
    notes : tuple of str
    """
    name = next((known for known in FINDINGS if known.lower() == finding.lower()), None)
    if name is None:
        raise InputError(f"finding {finding!r} is not one of NIH's: {', '.join(FINDINGS)}")
    if against not in ("nofinding", "all"):
        raise InputError(f"against is {against!r}; it must be nofinding or all")
    entries = read_csv(label_file, needed=("Image Index", "Finding Labels"))
    twice = entries.loc[entries["Image Index"].duplicated(), "Image Index"]
    if len(twice):
        raise InputError(f"{label_file}: {len(twice):,} images are listed twice (first: {twice.iloc[0]})")
    found = entries["Finding Labels"].str.split("|")
    positive = found.map(lambda labels: name in labels)
    negative = ~positive if against == "all" else found.map(lambda labels: labels == ["No Finding"])
    chosen = entries[positive | negative]
    if not positive.any() or not negative.any():
        raise InputError(
            f"{label_file}: of {len(entries):,} images {int(positive.sum()):,} are {name} and "
            f"{int(negative.sum()):,} are to be compared with; both are needed"
        )
    table = pd.DataFrame({"image": chosen["Image Index"], "label": positive[chosen.index].astype(int)})
    table["patient_id"] = _patients(chosen)
    for column, heads in {"view": ["View Position"], "sex": ["Patient Gender", "Patient Sex"]}.items():
        head = next((h for h in heads if h in chosen), None)
        if head:
            table[column] = chosen[head]
    if "Patient Age" in chosen:
        table["age"] = _years(chosen["Patient Age"])
    table["findings"] = chosen["Finding Labels"]
    table, notes = _locate(source, label_file, table, allow_missing)
    return name.lower(), *_official_split(source, table, notes)


def _patients(entries: pd.DataFrame) -> pd.Series:
    if "Patient ID" in entries:
        return entries["Patient ID"].str.strip()
    return entries["Image Index"].str.split("_").str[0].str.lstrip("0")


def _years(ages: pd.Series) -> pd.Series:
    """Read ages as whole years: "58" (2017), "058Y", "009M" or "012D" (the first release)."""
    parts = ages.str.strip().str.extract(r"^([0-9]{1,4})([YMD]?)$")
    years = pd.to_numeric(parts[0]) / parts[1].map({"": 1, "Y": 1, "M": 12, "D": 365.25})
    return years.where(years <= OLDEST).floordiv(1).astype("Int64")


def _locate(source: Path, label_file: Path, table: pd.DataFrame, allow_missing: bool):
    """Find each image below the source folder, wherever it lies."""
    places: dict[str, Path] = {}
    wanted = set(table["image"])
    for path in sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES):
        if path.name in wanted:
            if path.name in places and filecmp.cmp(source / places[path.name], path, shallow=False):
                continue  # Kaggle's sample holds each film twice
            if path.name in places:
                both = f"{places[path.name]} and {path.relative_to(source)}"
                raise InputError(f"{source}: two files of one name that differ: {both}")
            places[path.name] = path.relative_to(source)
    missing = table.loc[~table["image"].isin(list(places)), "image"]
    notes: tuple[str, ...] = ()
    if len(missing):
        told = (
            f"names {len(table):,} images, of which {len(missing):,} are not below {source} (first: {missing.iloc[0]})"
        )
        if not allow_missing or len(missing) == len(table):
            raise InputError(f"{label_file}: {told}; get them, or allow missing images (--allow-missing)")
        notes = (f"{label_file.name} {told}: left out",)
    table = table[table["image"].isin(list(places))].reset_index(drop=True)
    table.insert(0, "source", [places[image].as_posix() for image in table["image"]])
    refuse_links_out(source, table["source"], label_file)
    return table, notes


def _official_split(source: Path, table: pd.DataFrame, notes: tuple[str, ...]):
    """Add NIH's own split where both of its lists are present."""
    present = {split: source / name for split, name in LISTS.items() if (source / name).is_file()}
    if len(present) == 1:
        raise InputError(f"{source}: only one of {' and '.join(LISTS.values())} is there; both or none are needed")
    if present:
        listed = {split: _names(path) for split, path in present.items()}
        both = listed["train_val"] & listed["test"]
        if both:
            raise InputError(f"{present['test']}: {len(both):,} images are in both lists (first: {min(both)})")
        split = table["image"].map(lambda image: next((s for s in listed if image in listed[s]), None))
        if split.isna().any():
            raise InputError(
                f"{source}: {int(split.isna().sum()):,} images are in neither official list "
                f"(first: {table.loc[split.isna(), 'image'].iloc[0]})"
            )
        table = table.assign(split=split)
    return table.drop(columns="image"), notes


def _names(path: Path) -> set[str]:
    return set(read_bytes(path, MOST_CSV).decode("utf-8", "replace").split())


def read_boxes(source: Path) -> pd.DataFrame | None:
    """Read NIH's boxes.

    Returns
    -------
    DataFrame or None
        ``image``, ``finding``, and ``x``, ``y``, ``width``, ``height`` as
        shares of the image's side, from its top left corner; None without a
        box file.
    """
    path = source / BOXES
    if not path.is_file():
        return None
    needed = "needed are an image, a finding and four numbers a row"
    names = ["image", "finding", "x", "y", "width", "height"]
    kinds = dict.fromkeys(names[:2], str) | dict.fromkeys(names[2:], float)
    try:
        boxes = read_csv(path, needed=(), may_be_empty=True, usecols=range(6), header=0, names=names, dtype=kinds)
        finite = np.isfinite(boxes[names[2:]]).all(axis=None)
    except InputError as error:
        raise InputError(f"{error}; {needed}") from None
    if not finite:
        raise InputError(f"{path}: has a number that is missing or infinite; {needed}")
    boxes[names[2:]] = (boxes[names[2:]] / PUBLISHED_SIDE).round(6)
    return boxes
