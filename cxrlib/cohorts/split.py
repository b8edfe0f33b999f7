"""Which patient belongs to which split: train, val or test."""

import hashlib
import re
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from cxrlib.errors import InputError

SPLITS = ("train", "val", "test")
FRACTIONS = (0.70, 0.15, 0.15)
UNKNOWN_PATIENT = "file:"  # how the id of a patient who is not known begins
_NIH_NAME = re.compile(r"^(\d{8})_\d{3}$")


def patients_from_names(paths) -> tuple[list[str], str]:
    """Take the patient from NIH file names (00000013_005.png), else one patient a file."""
    stems = [PurePosixPath(path).stem for path in paths]
    matches = [_NIH_NAME.match(stem) for stem in stems]
    if all(matches):
        return [str(int(match[1])) for match in matches], "patients are taken from NIH file names"
    ids = [
        str(int(match[1])) if match else f"{UNKNOWN_PATIENT}{path}" for match, path in zip(matches, paths, strict=True)
    ]
    return ids, "no patients are known: each file counts as a patient of its own (but for NIH file names)"


def patient_position(patient_id: str, seed: int) -> float:
    """Return a patient's place in [0, 1): a function of the id and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{patient_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def draw_split(patient_ids, *, seed: int = 0, fractions=FRACTIONS) -> list[str]:
    """Assign each image to train, val or test by its patient's position, which is the same whoever comes or goes."""
    positions = [patient_position(patient, seed) for patient in patient_ids]
    return [SPLITS[i] for i in np.searchsorted(np.cumsum(fractions)[:2], positions, side="right")]


def draw_stratified_split(patient_ids, labels, *, seed: int = 0, fractions=FRACTIONS) -> list[str]:
    """Assign patients to splits so that each class is divided in the same proportion.

    Patients with at least one image of the finding are one stratum, all others
    the second; within each, they are dealt out in order of their position.
    """
    has_finding = pd.Series(np.asarray(labels)).groupby(list(patient_ids)).max()
    chosen = {}
    for label in (1, 0):
        stratum = has_finding.index[has_finding == label]
        ordered = sorted(stratum, key=lambda patient: patient_position(patient, seed))
        borders = np.rint(np.cumsum(fractions)[:2] * len(ordered)).astype(int)
        for start, stop, split in zip((0, *borders), (*borders, len(ordered)), SPLITS, strict=True):
            chosen.update(dict.fromkeys(ordered[start:stop], split))
    return [chosen[patient] for patient in patient_ids]


def check_split(table: pd.DataFrame, where) -> None:
    """Refuse unknown splits and any patient in two of them."""
    unknown = sorted(set(table["split"]) - set(SPLITS))
    if unknown:
        raise InputError(f"{where}: split {unknown[0]!r}; each image needs one of {', '.join(SPLITS)}")
    splits = table.groupby("patient_id")["split"].nunique()
    shared = splits[splits > 1]
    if len(shared):
        told = f"{len(shared):,} patients are in more than one split (first: patient {shared.index[0]})"
        raise InputError(f"{where}: {told}; a patient belongs to one")
