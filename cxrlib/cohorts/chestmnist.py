"""ChestMNIST: NIH's films as small pictures, all of them in one ``.npz``.

Yang et al., "MedMNIST v2", Scientific Data 2023;10:41; the order of the labels
is that of ``INFO["chestmnist"]["label"]`` in the package medmnist 3.0.2.
Nothing is unpacked and nothing unpickled: the arrays' headers are read, then
one film after another, so that memory does not grow with their number.
"""

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from cxrlib.cohorts.split import SPLITS
from cxrlib.errors import InputError
from cxrlib.files import read_npy_header
from cxrlib.images.pixels import minmax, percentile, resize_to_square

FINDINGS = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
    "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia",
)  # fmt: skip
"""The columns of its labels, in NIH's words; medmnist calls the 13th "pleural"."""

MOST_FILMS = 1_000_000
LARGEST_SIDE = 1024
NO_PATIENTS = (
    "ChestMNIST does not say which films are of one patient: each counts as a patient of its own, so intervals are "
    "narrower than they should be, and whether a patient is in two splits cannot be checked"
)
OWN_SPLIT = "the split is ChestMNIST's own; its authors call it official, but it has other sizes than NIH's two lists"
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)


def find_archive(source: Path) -> Path | None:
    """Return the ``.npz`` that the source is, or the one that the folder holds beside nothing else."""
    if source.is_file():
        return source if source.suffix == ".npz" else None
    held = [path for path in source.glob("*") if not path.name.startswith(".")]
    if not held or any(path.suffix != ".npz" for path in held):
        return None
    if len(held) > 1:
        raise InputError(f"{source}: holds {len(held)} .npz files; name one of them, such as {min(held)}")
    return held[0]


def list_films(archive: Path, *, finding: str, against: str) -> tuple[str, pd.DataFrame, tuple[str, ...]]:
    """List the films of a finding and of its opposite, after a check that the whole archive can be read.

    Parameters
    ----------
    finding : str
        One of `FINDINGS`, in any case.
    against : {"nofinding", "all"}
        Films without any of the 14 findings, or all others.

    Returns
    -------
    name : str
        The finding in lower case.
    table : DataFrame
        In the archive's order: ``source`` (such as train_000012), ``label``,
        ``patient_id`` (one a film), ``split``, ``findings``.
    notes : tuple of str

    Raises
    ------
    InputError
        A damaged archive, or one that is not ChestMNIST's.
    """
    name = next((known for known in FINDINGS if known.lower() == finding.lower()), None)
    if name is None:
        raise InputError(f"finding {finding!r} is not one of ChestMNIST's: {', '.join(FINDINGS)}")
    if against not in ("nofinding", "all"):
        raise InputError(f"against is {against!r}; it must be nofinding or all")
    table = pd.concat([_list_split(archive, split, name) for split in SPLITS], ignore_index=True)
    table = table[(table["label"] == 1) | (table["findings"] == "No Finding") | (against == "all")]
    found, others = ((table["label"] == label).sum() for label in (1, 0))
    if not (found and others):
        raise InputError(f"{archive}: {found:,} films are {name}, {others:,} to be compared with; both are needed")
    return name.lower(), table.reset_index(drop=True), (NO_PATIENTS, OWN_SPLIT)


def side(archive: Path) -> int:
    """Return the side of the films in pixels."""
    with _array(archive, f"{SPLITS[0]}_images") as (shape, _, _):
        return shape[-1]


def read_films(archive: Path, sources: Iterable[str]) -> Iterator[np.ndarray]:
    """Yield films as they are in the archive: (S, S), uint8.

    Parameters
    ----------
    sources : iterable of str
        As in the table of `list_films`, and in its order.
    """
    wanted = set(sources)
    for split in SPLITS:
        with _array(archive, f"{split}_images") as (shape, _, stream):
            for i in range(shape[0]):
                pixels = _take(archive, stream, shape[1] * shape[2])
                if _source(split, i) in wanted:
                    yield np.frombuffer(pixels, np.uint8).reshape(shape[1:])


def to_image(pixels: np.ndarray, *, size: int, normalize: str = "minmax") -> np.ndarray:
    """Return a film of the archive as `open_radiograph` would: (size, size), float32 in [0, 1]."""
    return resize_to_square(minmax(pixels) if normalize == "minmax" else percentile(pixels), size)


def _source(split: str, index: int) -> str:
    return f"{split}_{index:06d}"


def _list_split(archive: Path, split: str, finding: str) -> pd.DataFrame:
    with _array(archive, f"{split}_labels") as (shape, dtype, stream):
        if len(shape) != 2 or shape[1] != len(FINDINGS) or dtype.kind not in "biu":
            raise InputError(
                f"{archive}: {split}_labels is {dtype} of shape {shape}; needed are integers, (N, {len(FINDINGS)}), "
                "as ChestMNIST has them"
            )
        labels = np.frombuffer(_take(archive, stream, shape[0] * shape[1] * dtype.itemsize), dtype).reshape(shape)
        _check_end(archive, stream)
    if not np.isin(labels, (0, 1)).all():
        raise InputError(f"{archive}: {split}_labels has values other than 0 and 1")
    with _array(archive, f"{split}_images") as (shape, dtype, stream):
        if len(shape) != 3 or dtype != np.uint8 or shape[1] != shape[2] or not 1 <= shape[1] <= LARGEST_SIDE:
            raise InputError(f"{archive}: {split}_images is {dtype} of shape {shape}; needed is uint8, (N, S, S)")
        if shape[0] != len(labels):
            raise InputError(f"{archive}: {shape[0]:,} films are {split}, and {len(labels):,} labels")
        for _ in range(shape[0]):
            _take(archive, stream, shape[1] * shape[2])
        _check_end(archive, stream)
    sources = [_source(split, i) for i in range(len(labels))]
    found = ["|".join(np.array(FINDINGS)[row.astype(bool)]) or "No Finding" for row in labels]
    return pd.DataFrame(
        {
            "source": sources,
            "label": labels[:, FINDINGS.index(finding)].astype(int),
            "patient_id": [f"file:{source}" for source in sources],
            "split": split,
            "findings": found,
        }
    )


@contextmanager
def _array(archive: Path, name: str):
    """Yield an array's shape and dtype, and the stream of its values (the .npy format, numpy.lib.format)."""
    try:
        opened = zipfile.ZipFile(archive)
    except _DAMAGE as error:
        raise InputError(f"{archive}: is damaged or no .npz file ({error}); fetch it anew") from None
    with opened:
        if f"{name}.npy" not in opened.namelist():
            raise InputError(f"{archive}: has no array {name}, which ChestMNIST has")
        try:
            stream = opened.open(f"{name}.npy")
            shape, by_columns, dtype = read_npy_header(stream)
        except _DAMAGE as error:
            raise InputError(f"{archive}: the array {name} is damaged ({error}); fetch it anew") from None
        if dtype.hasobject or by_columns or not shape or not 1 <= shape[0] <= MOST_FILMS:
            raise InputError(f"{archive}: {name} is {dtype} of shape {shape}; needed are 1 to {MOST_FILMS:,} films")
        with stream:
            yield shape, dtype, stream


def _take(archive: Path, stream, count: int) -> bytes:
    """Return the next bytes of an array."""
    try:
        data = stream.read(count)
    except _DAMAGE as error:
        raise InputError(f"{archive}: is damaged ({error}); fetch it anew") from None
    if len(data) < count:
        raise InputError(f"{archive}: {stream.name} is cut off; fetch it anew")
    return data


def _check_end(archive: Path, stream) -> None:
    """Refuse what goes on; to read to the end is also what checks the checksum."""
    try:
        more = stream.read(1)
    except _DAMAGE as error:
        raise InputError(f"{archive}: is damaged ({error}); fetch it anew") from None
    if more:
        raise InputError(f"{archive}: {stream.name} holds more than it declares; fetch it anew")
