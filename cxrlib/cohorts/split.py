"""Decide which patient belongs to which split: train, val or test."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cxrlib.errors import InputError

SPLITS = ("train", "val", "test")

FRACTIONS = (0.70, 0.15, 0.15)
"""The fractions of train, val and test, in the order of `SPLITS`. They are our choice."""

UNKNOWN_PATIENT = "file:"
"""The id of an unknown patient starts with this. The rest is the file's path."""

HEADER_PATIENT = "dicom:"
"""The id of a patient whom a DICOM header names starts with this. The rest is a salted hash."""

_NIH_NAME = re.compile(r"^(\d{8})_\d{3}$")
"""Eight digits of the patient and three of the image: 00000013_005."""


def patients_from_names(paths: Iterable[str]) -> tuple[list[str], str]:
    """Return the patient of each file by its name, and a note that says what was assumed.

    Parameters
    ----------
    paths : iterable of str
        Paths with forward slashes.

    Returns
    -------
    patient_ids : list of str
        One id for each file. If the file name is one of NIH's, the id is NIH's number
        of the patient without leading zeros. Otherwise the id is `UNKNOWN_PATIENT` and
        the path, so the file counts as the only film of its patient.
    note : str

    Examples
    --------
    >>> patients_from_names(["a/00000013_005.png", "a/film.png"])[0]
    ['13', 'file:a/film.png']
    """
    ids, num_unknown = [], 0
    for path in paths:
        match = _NIH_NAME.match(PurePosixPath(path).stem)
        ids.append(str(int(match[1])) if match else f"{UNKNOWN_PATIENT}{path}")
        num_unknown += match is None
    if num_unknown:
        return ids, "no patients are known: each file counts as a patient of its own, unless it has one of NIH's names"
    return ids, "patients are taken from NIH file names"


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
