"""Decide which patient belongs to which split: train, val or test."""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cxrlib.errors import InputError

SPLITS = ("train", "val", "test")

FRACTIONS = (0.70, 0.15, 0.15)
"""The fractions of train, val and test, in the order of `SPLITS`. They are our choice."""

TRAIN_VAL_FRACTIONS = (0.85, 0.15, 0.0)
"""How the patients of train are divided into train, val and test if a collection has no val. Our choice."""

UNKNOWN_PATIENT = "file:"
"""The id of an unknown patient starts with this. The rest is the file's path."""

HEADER_PATIENT = "dicom:"
"""The id of a patient whom a DICOM header names starts with this. The rest is a salted hash."""

_NIH_NAME = re.compile(r"^(\d{8})_\d{3}(?!\d)")
"""Eight digits of the patient and three of the image: 00000013_005, or 00000013_005 (1), as a browser copies it."""


_GROUP_WORDS = """
train training val valid validation test testing dev holdout fold part batch set subset group split chunk shard
image images img imgs film films picture pictures photo photos xray xrays cxr dicom dcm png jpg
jpeg raw data dataset
ap pa lat lateral frontal view views left right supine upright portable
male female men women adult adults child children
normal abnormal positive negative effusion finding findings nofinding mild moderate severe grade
site hospital clinic ward center centre device scanner room disk disc cd dvd vol volume folder dir new old export
series visit session date year month week day q
jan feb mar apr may jun jul aug sep oct nov dec january february march april june july august september october
november december patients subjects cases persons people px version release size
"""
"""Words in the names of folders that hold films of many patients. Our choice."""

_PATIENT_WORDS = ("patient", "pat", "subject", "subj", "sub", "case", "person", "participant", "volunteer", "pid", "pt")
"""How the names of patients' folders begin. Our choice: CheXpert has patient00001, and BIDS has sub-01."""

_DATE = re.compile(r"(19|20)\d\d([-_. ]?[01]\d([-_. ]?[0-3]\d)?)?")
MAX_MEAN_FILMS = 30
"""Folders with more films than this on average are not taken for patients. Our choice: NIH ChestX-ray14 has 3.6 films
of a patient on average."""


def patients_from_names(paths: Iterable[str]) -> tuple[list[str], str]:
    """Return the patient of each file by its name or its folder, and a note that says what was assumed.

    Parameters
    ----------
    paths : iterable of str
        Paths with forward slashes, from the class folder on.

    Returns
    -------
    patient_ids : list of str
        One id for each file. If the file name is one of NIH's, the id is NIH's number
        of the patient without leading zeros. Otherwise the id is the name of the
        patient's folder, as `patients_from_folders` finds it. Where there is none, the
        id is `UNKNOWN_PATIENT` and the path, so the file counts as the only film of its
        patient.
    note : str

    Examples
    --------
    >>> patients_from_names(["a/00000013_005.png", "a/film.png"])[0]
    ['13', 'file:a/film.png']
    """
    paths = list(paths)
    ids, num_unknown, by_folder = [], 0, None
    for path, folder in zip(paths, patients_from_folders(paths), strict=True):
        if match := _NIH_NAME.match(PurePosixPath(path).stem):
            ids.append(str(int(match[1])))
        elif folder:
            ids.append(folder)
            by_folder = by_folder or f"patients are taken from folder names: {path} is of patient {folder}"
        else:
            ids.append(f"{UNKNOWN_PATIENT}{path}")
            num_unknown += 1
    if by_folder:
        return ids, by_folder + (
            f"; {num_unknown:,} films in no such folder count as a patient each" if num_unknown else ""
        )
    if ids and num_unknown == len(ids):
        return ids, "no patients are known: each film counts as a patient of its own"
    if num_unknown:
        return ids, "patients are known from NIH file names only: each other film counts as a patient of its own"
    return ids, "patients are taken from NIH file names"


def patients_from_folders(paths: Iterable[str]) -> list[str]:
    """Return for each file the name of the folder that seems to hold one patient's films, in lower case, or "".

    The folder is the first one below the class folder whose name looks like a
    patient's: it has a digit or begins with a word such as "patient". It is no date and
    has no word such as "train", "images" or "batch". One class needs two such folders,
    with at most `MAX_MEAN_FILMS` films on average. Otherwise the next folder is tried.

    Parameters
    ----------
    paths : iterable of str
        Paths with forward slashes, from the class folder on.

    Examples
    --------
    >>> patients_from_folders(["a/train/p7/x.png", "a/train/p8/x.png", "b/p7/y.png", "b/p9/y.png", "b/y.png"])
    ['p7', 'p8', 'p7', 'p9', '']
    """
    folders = [path.split("/")[:-1] for path in paths]
    nothing = [""] * len(folders)
    if all(len(names) < 2 for names in folders):
        return nothing
    looks_right = _find_patient_folders({name for names in folders for name in names[1:]})
    candidates = [
        [unicodedata.normalize("NFC", name).casefold() for name in names[1:] if name in looks_right]
        for names in folders
    ]
    for depth in range(max(map(len, candidates))):
        chosen = [names[min(depth, len(names) - 1)] if names else "" for names in candidates]
        below = [
            (name, names[depth + 1]) for name, names in zip(chosen, candidates, strict=True) if depth + 1 < len(names)
        ]
        if below and all(lower.startswith(upper) for upper, lower in below):
            continue  # as in MIMIC-CXR, where p10 holds the patients p10000032, p10000764 and so on
        in_class: dict[str, set[str]] = defaultdict(set)
        for names, name in zip(folders, chosen, strict=True):
            if name:
                in_class[names[0]].add(name)
        num_films = sum(map(bool, chosen))
        num_patients = len(set(chosen) - {""})
        if max(map(len, in_class.values()), default=0) > 1 and num_films <= MAX_MEAN_FILMS * num_patients:
            return chosen
    return nothing


def _find_patient_folders(names: Iterable[str]) -> set[str]:
    """Return the names of folders that look like a patient's."""
    found, dates, group_words = set(), set(), set(_GROUP_WORDS.split())
    for name in names:
        lower = name.strip().lower()
        words = re.findall(r"[a-z]+", lower)
        if _DATE.fullmatch(lower):
            dates.add(name)
        elif not any(word in group_words for word in words) and (
            any(char.isdigit() for char in lower) or any(word.startswith(_PATIENT_WORDS) for word in words)
        ):
            found.add(name)
    # 2019 is a number like the others if the folders have other numbers of four digits too
    lengths = {len(name) for name in found if name.isdigit()}
    return found | {name for name in dates if name.isdigit() and len(name) in lengths}


def patient_position(patient_id: str, seed: int) -> float:
    """Return a number in [0, 1) that depends on the patient's id and the seed alone.

    The numbers of many patients are uniformly distributed, because each number is the
    first 64 bits of a SHA-256 hash, divided by 2**64.
    """
    digest = hashlib.sha256(f"{seed}:{patient_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_keys(patient_ids: Iterable[str], paths: Iterable[str]) -> list[str]:
    """Return what a split is drawn by for each film: the patient's id, or a text that takes its place.

    The id of a patient whom a DICOM header names is a hash with a secret salt, which
    differs from user to user. The alphabetically first path of the patient's films
    takes its place, so that a seed gives the same split on every machine.
    """
    patients, films = list(patient_ids), list(paths)
    first_path: dict[str, str] = {}
    for patient, path in sorted(zip(patients, films, strict=True), key=lambda pair: pair[1]):
        first_path.setdefault(patient, path)
    return [first_path[patient] if patient.startswith(HEADER_PATIENT) else patient for patient in patients]


def draw_split(patient_ids: Iterable[str], *, seed: int = 0) -> list[str]:
    """Return train, val or test for each image, by the position of its patient.

    A patient keeps the split when other patients are added or removed. The
    fractions of `FRACTIONS` are therefore met only approximately.

    Parameters
    ----------
    patient_ids : iterable of str
        The patient of each image.
    """
    positions = [patient_position(patient, seed) for patient in patient_ids]
    return [SPLITS[i] for i in np.searchsorted(np.cumsum(FRACTIONS)[:2], positions, side="right")]


def draw_stratified_split(
    patient_ids: Iterable[str], labels: ArrayLike, *, seed: int = 0, fractions: Sequence[float] = FRACTIONS
) -> list[str]:
    """Return train, val or test for each image, so that each class is divided in the same proportion.

    Patients with at least one image of the finding are one stratum. All others
    are the second. In each stratum the patients are sorted by `patient_position`.
    The first go to train, the next to val and the rest to test.

    Parameters
    ----------
    patient_ids : iterable of str
        The patient of each image.
    labels : array-like, (N,)
        1 = the finding, 0 = nofinding.
    fractions : sequence of 3 floats
        The fractions of the patients in train, val and test. Their sum is 1.
    """
    patients = list(patient_ids)
    has_finding = pd.Series(np.asarray(labels)).groupby(patients).max()
    split_of_patient: dict[str, str] = {}
    for label in (1, 0):
        stratum = has_finding.index[has_finding == label]
        ordered = sorted(stratum, key=lambda patient: patient_position(patient, seed))
        borders = np.rint(np.cumsum(fractions)[:2] * len(ordered)).astype(int)
        for start, stop, split in zip((0, *borders), (*borders, len(ordered)), SPLITS, strict=True):
            split_of_patient.update(dict.fromkeys(ordered[start:stop], split))
    return [split_of_patient[patient] for patient in patients]


def add_missing_val(table: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Draw val from train by patient if a split has train and test alone, and say so in a note.

    Parameters
    ----------
    table : DataFrame
        With ``split``, ``patient_id`` and ``label``.
    seed : int
        The seed of the draw.
    """
    if set(table["split"]) != {"train", "test"}:
        return table, ()
    train = table[table["split"] == "train"]
    drawn = draw_stratified_split(train["patient_id"], train["label"], seed=seed, fractions=TRAIN_VAL_FRACTIONS)
    split = table["split"].copy()
    split[train.index] = drawn
    return table.assign(split=split), ("test is the collection's; val is drawn by patient from its train, 85/15",)


def check_split(table: pd.DataFrame, where: str | Path) -> None:
    """Refuse unknown splits, and patients that are in more than one split.

    Parameters
    ----------
    table : DataFrame
        Its columns ``split`` and ``patient_id`` are checked.
    where : str or Path
        The file or folder from which the split was read. The message begins with it.

    Raises
    ------
    InputError
        A split is not one of `SPLITS`, or two splits hold films of the same patient.
    """
    unknown = sorted(set(table["split"]) - set(SPLITS))
    if unknown:
        raise InputError(f"{where}: an image has the split {unknown[0]!r}; it must be one of {', '.join(SPLITS)}")
    num_splits = table.groupby("patient_id")["split"].nunique()
    leaking = num_splits[num_splits > 1]
    if len(leaking):
        found = f"{len(leaking):,} patients are in more than one split (first: patient {leaking.index[0]})"
        raise InputError(f"{where}: {found}; all images of a patient must be in the same one")
