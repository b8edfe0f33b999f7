"""Read NIH ChestX-ray14 in the layout in which it is published.

Wang et al., "ChestX-ray8", CVPR 2017; https://nihcc.app.box.com/v/ChestXray-NIHCC.
"""

import filecmp
from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from cxrlib.cohorts.cohort import NOFINDING, check_both_classes
from cxrlib.cohorts.film_files import FilmFiles, list_films
from cxrlib.cohorts.film_headers import leave_out_laterals
from cxrlib.cohorts.other_tables import list_tables, read_headings
from cxrlib.cohorts.source import Source, check_choice
from cxrlib.cohorts.split import TRAIN_VAL_FRACTIONS, draw_stratified_split
from cxrlib.cohorts.user_table import folder_key, read_ages, read_patients, read_user_table
from cxrlib.errors import InputError
from cxrlib.files import read_bytes, read_csv
from cxrlib.images.radiograph import open_radiograph

FINDINGS = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis",
    "Hernia", "Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax",
)  # fmt: skip
LABEL_FILES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv", "sample_labels.csv")
"""Names of NIH's label file, the newest first. If several are present, the first of them is read."""

LABEL_FILE_STARTS = ("data_entry", "sample_labels")
"""How the name of a label file begins, in lower case, if it was changed: a browser adds " (1)" to a second download."""

NEEDED_HEADINGS = ("Image Index", "Finding Labels")

LISTS = {"train_val": "train_val_list.txt", "test": "test_list.txt"}
"""The official split: each file lists the names of its images."""

HEADINGS = {"view": ("View Position",), "sex": ("Patient Gender", "Patient Sex")}
"""Our columns, and what the releases call them."""

KNOWN_HEADINGS = (*NEEDED_HEADINGS, "Patient ID", "Patient Age", *HEADINGS["view"], *HEADINGS["sex"])

BOXES = "BBox_List_2017.csv"
PUBLISHED_SIDE = 1024
"""Side in pixels of the published images. The boxes are given in pixels of these images."""


def find_label_file(folder: Path) -> Path | None:
    """Return the label file of NIH's layout, or None where there is none.

    The file has one of `LABEL_FILES` as its name, in upper or lower case. Or its name
    begins like one of them, and it has NIH's headings. It lies in the folder or in one
    of the folders in it.

    Raises
    ------
    InputError
        Several files could be the label file, and they differ.
    """
    official = [name.lower() for name in LABEL_FILES]
    candidates: dict[tuple[int, int], list[Path]] = defaultdict(list)
    for table in list_tables(folder):
        name, is_below = table.name.lower(), table.parent != folder
        is_official = name in official
        if (is_official and not is_below) or (name.startswith(LABEL_FILE_STARTS) and _has_headings(table)):
            candidates[is_below, official.index(name) if is_official else len(official)].append(table)
    if not candidates:
        return None
    first, *others = candidates[min(candidates)]
    if different := next((each for each in others if not filecmp.cmp(first, each, shallow=False)), None):
        both = " and ".join(each.relative_to(folder).as_posix() for each in (first, different))
        raise InputError(f"{folder}: {both} could both be the table of labels; keep one of them")
    return first


def _has_headings(table: Path) -> bool:
    found = {folder_key(heading) for heading in read_headings(table)}
    return all(folder_key(heading) in found for heading in NEEDED_HEADINGS)


def open_source(
    folder: Path,
    label_file: Path,
    *,
    finding: str | None = None,
    against: str = "nofinding",
    seed: int = 0,
    allow_missing: bool = False,
    keep_laterals: bool = False,
    accept: Collection[str] = (),
) -> Source:
    """Return the images of a finding and the images to compare them with, with NIH's boxes.

    Where the official lists are present, the test list is the test set. The
    patients of the train_val list are divided into train and val.

    Parameters
    ----------
    folder : Path
        The images lie anywhere below it.
    label_file : Path
        As `find_label_file` returns it.
    finding : str or None
        One of `FINDINGS`, in any case. None means Effusion.
    against : {"nofinding", "all"}
        Compare with images labelled No Finding alone, or with every other image.
    seed : int
        The seed of the division of the train_val list.
    allow_missing : bool
        Leave out the images that are not there, with a note. By default missing images
        are an error.
    keep_laterals : bool
        Keep films whose view is a lateral one.
    accept : collection of str
        As in `cxrlib.images.radiograph.open_radiograph`.

    Returns
    -------
    Source
        Its table has ``source`` (path relative to the folder), ``label`` (1 = the
        finding), ``patient_id``, ``view``, ``sex``, ``age`` (years), ``findings``, and
        with the official lists also ``split``.

    Raises
    ------
    InputError
        The label file cannot be used or lists an image twice. A class is empty.
        An image is missing, or two different files have its name. The official
        lists do not fit the images. The box file cannot be used.
    """
    name = check_choice(finding, against, findings=FINDINGS, collection="NIH")
    entries, notes = read_user_table(label_file, needed=NEEDED_HEADINGS, known=KNOWN_HEADINGS)
    for column, wrong in (("Image Index", r"[/\\]"), ("Finding Labels", r"^$")):
        rows = entries.index[entries[column].str.contains(wrong)]
        if len(rows):
            found = f"row {rows[0]} has {entries.loc[rows[0], column]!r} as {column}"
            raise InputError(f"{label_file}: {found}; a file name without a folder and at least one label are needed")
    duplicates = entries.loc[entries["Image Index"].duplicated(), "Image Index"]
    if len(duplicates):
        raise InputError(f"{label_file}: {len(duplicates):,} images are listed twice (first: {duplicates.iloc[0]})")
    # an image has one or more labels, such as "Effusion|Mass"; "No Finding" stands alone
    given = entries["Finding Labels"]
    labels = {text: {folder_key(label) for label in text.split("|")} for text in given.unique()}
    positive = given.map({text: folder_key(name) in each for text, each in labels.items()})
    negative = (
        ~positive if against == "all" else given.map({text: each == {NOFINDING} for text, each in labels.items()})
    )
    chosen = entries[positive | negative]
    table = pd.DataFrame({"image": chosen["Image Index"], "label": positive[chosen.index].astype(int)})
    check_both_classes(
        table["label"], name, f"{label_file}: has {len(entries):,} images, of which {len(table):,} can be compared"
    )
    table["patient_id"], patient_notes = _patients(chosen, label_file)
    notes += patient_notes
    for column, headings in HEADINGS.items():
        if heading := next((each for each in headings if each in chosen), None):
            table[column] = chosen[heading]
    if "Patient Age" in chosen:
        table["age"] = read_ages(chosen["Patient Age"]).floordiv(1).astype("Int64")
    table["findings"] = chosen["Finding Labels"]
    films = list_films(folder)
    notes += films.notes
    table.insert(0, "source", table["image"].map(_find_files(folder, films, table["image"])))
    missing = table.loc[table["source"].isna(), "image"]
    if len(missing):
        found = f"{len(missing):,} are not below {folder} (first: {missing.iloc[0]})"
        message = f"names {len(table):,} images, of which {found}"
        if not allow_missing or len(missing) == len(table):
            raise InputError(f"{label_file}: {message}; get them, or allow missing images (--allow-missing)")
        notes += (f"{label_file.name} {message}: they are left out",)
        table = table.dropna(subset="source")
    if not keep_laterals:
        table, lateral_notes = leave_out_laterals(table)
        notes += lateral_notes
    table = _with_official_split((folder, label_file.parent), table.reset_index(drop=True), seed).drop(columns="image")
    if "split" in table:
        notes += ("test is NIH's official list; val is drawn by patient from its train_val list, 85/15",)
    return Source(
        path=folder,
        finding=name.lower(),
        table=table,
        films=[folder / path for path in table["source"]],
        read=partial(open_radiograph, accept=accept),
        notes=notes,
        boxes=read_boxes(folder, label_file.parent),
    )


def _patients(entries: pd.DataFrame, label_file: Path) -> tuple[pd.Series, tuple[str, ...]]:
    """Return the patients' ids, from the file names where the table has none: 00000013_005.png is of patient 13.

    Raises
    ------
    InputError
        The images of one patient by their names have several ids.
    """
    by_name = entries["Image Index"].str.split("_").str[0].str.lstrip("0").replace("", "0")
    if "Patient ID" not in entries:
        return by_name, ()
    patients, notes = read_patients(entries["Patient ID"], label_file)
    is_named_by_nih = entries["Image Index"].str.match(r"\d{8}_\d{3}")
    first = patients.groupby(by_name).transform("first").where(is_named_by_nih, patients)
    if (differs := patients != first).any():  # as after sorting one column alone
        row = differs.index[differs][0]
        raise InputError(
            f"{label_file}: row {row} has Patient ID {patients[row]}, but other images with the name of patient "
            f"{by_name[row]} have {first[row]}: the rows are mixed up; get the published table again"
        )
    return patients, notes


def _find_files(folder: Path, films: FilmFiles, images: Iterable[str]) -> dict[str, str]:
    """Find images by name, in any case, among the films below the folder; return the relative path of each."""
    wanted = {name.casefold(): name for name in images}
    path_of_image: dict[str, str] = {}
    for path in films.paths:
        name = wanted.get(path.rpartition("/")[2].casefold())
        if name is None:
            continue
        first = path_of_image.setdefault(name, path)
        # Kaggle's sample holds each film twice, so only files that differ are refused
        if first != path and not filecmp.cmp(folder / first, folder / path, shallow=False):
            raise InputError(f"{folder}: two different films have one name: {first} and {path}; remove one of them")
    return path_of_image


def _find_beside(places: Iterable[Path], name: str) -> Path | None:
    """Return a file of this name, in upper or lower case, in the first of the folders that has one."""
    found = (each for place in places for each in sorted(place.iterdir()) if each.name.lower() == name.lower())
    return next((each for each in found if each.is_file()), None)


def _with_official_split(places: tuple[Path, ...], table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Add the column split where both of NIH's lists are present. The train_val list is divided into train and val."""
    folder = places[0]
    present = {split: path for split, name in LISTS.items() if (path := _find_beside(places, name))}
    if not present:
        return table
    if len(present) < len(LISTS):
        raise InputError(f"{folder}: only one of {' and '.join(LISTS.values())} is there; both or none are needed")
    images = {split: set(read_bytes(path).decode("utf-8-sig", "replace").split()) for split, path in present.items()}
    if in_both := images["train_val"] & images["test"]:
        raise InputError(f"{present['test']}: {len(in_both):,} images are in both lists (first: {min(in_both)})")
    split_of_image = {image: split for split, names in images.items() for image in names}
    split = table["image"].map(split_of_image)
    in_none = table.loc[split.isna(), "image"]
    if len(in_none):
        raise InputError(f"{folder}: {len(in_none):,} images are in neither official list (first: {in_none.iloc[0]})")
    to_divide = table[split == "train_val"]
    split[to_divide.index] = draw_stratified_split(
        to_divide["patient_id"], to_divide["label"], seed=seed, fractions=TRAIN_VAL_FRACTIONS
    )
    return table.assign(split=split)


def read_boxes(*places: Path) -> pd.DataFrame | None:
    """Read NIH's boxes around findings.

    Parameters
    ----------
    *places : Path
        The folders in which the file may lie.

    Returns
    -------
    DataFrame or None
        ``image``, ``finding``, and ``x``, ``y``, ``width``, ``height`` as
        fractions of the image's side, measured from its top left corner. None
        where there is no box file.

    Raises
    ------
    InputError
        The box file cannot be read, or a number is missing or infinite.
    """
    path = _find_beside(places, BOXES)
    if path is None:
        return None
    needed = "each row needs an image, a finding and four numbers"
    text, numbers = ["image", "finding"], ["x", "y", "width", "height"]
    types = dict.fromkeys(text, str) | dict.fromkeys(numbers, float)
    try:
        # the file's headings are not used: "Bbox [x,y,w,h]" is itself split at its commas
        boxes = read_csv(
            path, needed=(), may_be_empty=True, usecols=range(6), header=0, names=[*text, *numbers], dtype=types
        )
        is_finite = np.isfinite(boxes[numbers]).all(axis=None)
    except InputError as error:
        raise InputError(f"{error}; {needed}") from None
    if not is_finite:
        raise InputError(f"{path}: has a number that is missing or infinite; {needed}")
    boxes[numbers] = (boxes[numbers] / PUBLISHED_SIDE).round(6)
    return boxes
