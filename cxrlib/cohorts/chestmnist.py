"""Read ChestMNIST: NIH's films as small pictures, all of them in one ``.npz``.

Yang et al., "MedMNIST v2", Scientific Data 2023;10:41. The order of the labels
is that of ``INFO["chestmnist"]["label"]`` in the package medmnist 3.0.2.
The archive is not unpacked to the disk, and nothing is unpickled. The headers of the
arrays are read first, and then one film after another. So memory does not grow with
the number of films.
"""

import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from cxrlib.cohorts.cohort import check_both_classes
from cxrlib.cohorts.film_files import is_litter
from cxrlib.cohorts.source import Source, check_choice
from cxrlib.cohorts.split import SPLITS, UNKNOWN_PATIENT
from cxrlib.errors import InputError
from cxrlib.files import DAMAGED_ARCHIVE, check_declared_size, read_npy_header
from cxrlib.images.pixels import NORMALIZATIONS, pixel_digest, resize_to_square
from cxrlib.images.radiograph import Radiograph

FINDINGS = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
    "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia",
)  # fmt: skip
"""The columns of the labels, in NIH's words. The package medmnist calls the 13th "pleural"."""

MAX_FILMS = 1_000_000
"""Largest number of films in one split. ChestMNIST has 112,120 films in all, so a header that declares many more is
damaged."""

MAX_SIDE = 1024
"""Largest side of a film in pixels. ChestMNIST's largest films have 224, and NIH's own films 1024."""

NO_PATIENTS = (
    "ChestMNIST does not say which films are of one patient. Each counts as a patient of its own, so intervals are "
    "narrower than they should be, and whether a patient is in two splits cannot be checked"
)
OWN_SPLIT = (
    "the split is ChestMNIST's own. Its authors call it official, but its parts have other sizes than NIH's two lists"
)


def find_archive(source: Path) -> Path | None:
    """Return the ``.npz`` that the source is, or that is the only file of the folder; else None.

    Raises
    ------
    InputError
        The folder holds several ``.npz`` files and nothing else.
    """
    if source.is_file():
        return source if source.suffix == ".npz" else None
    files = [path for path in source.glob("*") if not is_litter(path.name)]
    if not files or any(path.suffix != ".npz" for path in files):
        return None
    if len(files) > 1:
        raise InputError(f"{source}: holds {len(files)} .npz files; name one of them, such as {min(files)}")
    return files[0]


def open_source(archive: Path, *, finding: str | None = None, against: str = "nofinding", size: int) -> Source:
    """Return the films of a finding and the films to compare them with, after a check that all of them can be read.

    Parameters
    ----------
    archive : Path
    finding : str or None
        One of `FINDINGS`, in any case. None means Effusion.
    against : {"nofinding", "all"}
        Compare with films without any of the 14 findings, or with every other film.
    size : int
        The side in pixels that the films will have. If they have to be enlarged, a
        note says so.

    Returns
    -------
    Source
        Its table is in the archive's order: ``source`` (such as train_000012),
        ``label`` (1 = the finding), ``patient_id`` (a different one for each film),
        ``split``, ``findings``.

    Raises
    ------
    InputError
        The archive is damaged, is not ChestMNIST's, or lacks one of the classes.
    """
    name = check_choice(finding, against, findings=FINDINGS, collection="ChestMNIST")
    table = pd.concat([_list_split(archive, split, name) for split in SPLITS], ignore_index=True)
    if against == "nofinding":
        table = table[(table["label"] == 1) | (table["findings"] == "No Finding")].reset_index(drop=True)
    check_both_classes(table["label"], name, f"{archive}: the {len(table):,} films to compare")
    notes: tuple[str, ...] = (NO_PATIENTS, OWN_SPLIT)
    with _open_array(archive, f"{SPLITS[0]}_images") as (shape, _, _):
        side = shape[-1]
    if side < size:
        notes += (f"films are enlarged from {side} to {size} px, which adds no detail (--size {side} does not)",)
    return Source(
        path=archive,
        finding=name.lower(),
        table=table,
        films=read_films(archive, table["source"]),
        read=to_radiograph,
        notes=notes,
        knows_patients=False,
    )


def read_films(archive: Path, names: Iterable[str]) -> Iterator[np.ndarray]:
    """Yield films as they are in the archive: (S, S), uint8.

    Parameters
    ----------
    archive : Path
    names : iterable of str
        The column ``source`` of the table of `open_source`, in its order.
    """
    wanted = set(names)
    for split in SPLITS:
        with _open_array(archive, f"{split}_images") as (shape, _, stream):
            for i in range(shape[0]):
                pixels = np.frombuffer(stream.read(shape[1] * shape[2]), np.uint8).reshape(shape[1:])
                if _film_name(split, i) in wanted:
                    yield pixels


def to_radiograph(pixels: np.ndarray, *, size: int, normalize: str = "minmax") -> Radiograph:
    """Return a film of the archive as `open_radiograph` would: (size, size), float32 in [0, 1]."""
    image = resize_to_square(NORMALIZATIONS[normalize](pixels), size)
    return Radiograph(image, film_id=pixel_digest(pixels))


def _film_name(split: str, index: int) -> str:
    return f"{split}_{index:06d}"


def _list_split(archive: Path, split: str, finding: str) -> pd.DataFrame:
    """Return the rows of one split, with every value of its two arrays read once."""
    with _open_array(archive, f"{split}_labels") as (shape, dtype, stream):
        if len(shape) != 2 or shape[1] != len(FINDINGS) or dtype.kind not in "biu":
            needed = f"ChestMNIST has integers of shape (N, {len(FINDINGS)})"
            raise InputError(f"{archive}: {split}_labels is {dtype} of shape {shape}; {needed}")
        labels = np.frombuffer(stream.read(), dtype).reshape(shape)
    if not np.isin(labels, (0, 1)).all():
        raise InputError(f"{archive}: {split}_labels has values other than 0 and 1")
    with _open_array(archive, f"{split}_images") as (shape, dtype, stream):
        if len(shape) != 3 or dtype != np.uint8 or shape[1] != shape[2] or not 1 <= shape[1] <= MAX_SIDE:
            needed = "ChestMNIST has uint8 of shape (N, S, S)"
            raise InputError(f"{archive}: {split}_images is {dtype} of shape {shape}; {needed}")
        if shape[0] != len(labels):
            raise InputError(f"{archive}: {split} has {shape[0]:,} films and {len(labels):,} labels")
        while stream.read(1 << 20):  # zipfile checks the checksum only at the end of the array
            pass
    names = [_film_name(split, i) for i in range(len(labels))]
    return pd.DataFrame(
        {
            "source": names,
            "label": labels[:, FINDINGS.index(finding)].astype(int),
            "patient_id": [f"{UNKNOWN_PATIENT}{name}" for name in names],
            "split": split,
            "findings": ["|".join(np.array(FINDINGS)[row.astype(bool)]) or "No Finding" for row in labels],
        }
    )


@contextmanager
def _open_array(archive: Path, name: str) -> Iterator[tuple[tuple[int, ...], np.dtype, IO[bytes]]]:
    """Yield an array's shape and dtype, and the stream of its values (the .npy format, numpy.lib.format).

    Errors of the stream inside the ``with`` block become an `InputError`, too.
    """
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(f"{name}.npy") as stream:
            shape, fortran_order, dtype = read_npy_header(stream)
            if dtype.hasobject or fortran_order or not shape or not 1 <= shape[0] <= MAX_FILMS:
                needed = f"1 to {MAX_FILMS:,} rows of numbers are needed"
                raise InputError(f"{archive}: {name} is {dtype} of shape {shape}; {needed}")
            check_declared_size(opened.getinfo(f"{name}.npy"), stream.tell(), shape, dtype)
            yield shape, dtype, stream
    except InputError:
        raise
    except KeyError:
        raise InputError(f"{archive}: has no array {name}, which ChestMNIST has") from None
    except DAMAGED_ARCHIVE as error:
        raise InputError(f"{archive}: is damaged or is no .npz file ({error}); fetch the file again") from None
