"""Fetch public chest films: ChestMNIST from Zenodo, NIH's sample and full set from Kaggle.

A file gets its final name only when it is whole and checked. Until then the part
that was received is kept in a hidden folder beside it. The next call continues this
part.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxrlib.cohorts import download, nih
from cxrlib.cohorts.cohort import refuse_inside_cohort
from cxrlib.cohorts.download import ByteProgress, Notify, format_bytes
from cxrlib.errors import InputError
from cxrlib.files import locked, read_csv, refuse_link, sync_disk

ZENODO = "https://zenodo.org/records/10519652/files/"
CHESTMNIST = {
    28: ("chestmnist.npz", "02c8a6516a18b556561a56cbdd36c4a8"),
    64: ("chestmnist_64.npz", "9de6cd0b934ebb5b7426cfba5efbae16"),
    128: ("chestmnist_128.npz", "db107e5590b27930b62dbaf558aebee3"),
    224: ("chestmnist_224.npz", "45bd33e6f06c3e8cdb481c74a89152aa"),
}
"""File and MD5 for each side in pixels, as INFO["chestmnist"] of the package medmnist 3.0.2 states them."""

KAGGLE = {
    "nih-sample": ("nih-chest-xrays/sample", 45e9 * 2 * 5_606 / 112_120),
    "nih": ("nih-chest-xrays/data", 45e9),
}
"""Kaggle's name of each collection, and about how many bytes it has: 45 GB for 112,120 films. The sample holds each of
its 5,606 films twice."""

COLLECTIONS = ("chestmnist", *KAGGLE)
NIH_TERMS = (
    "NIH ChestX-ray14: free to use; link to https://nihcc.app.box.com/v/ChestXray-NIHCC, cite Wang et al., "
    '"ChestX-ray8", CVPR 2017, and acknowledge the NIH Clinical Center as provider'
)
CHESTMNIST_TERMS = (
    'ChestMNIST: CC BY 4.0; not for clinical use; cite Yang et al., "MedMNIST v2", Scientific Data 2023;10:41, Yang et '
    'al., "MedMNIST Classification Decathlon", ISBI 2021, and the films\' source'
)


@dataclass(frozen=True)
class Fetched:
    """The result of `fetch`.

    Attributes
    ----------
    path : Path
        What `prepare` takes as its source.
    terms : tuple of str
        The terms of use.
    was_there : bool
        Whether the films were in the folder before this call.
    """

    path: Path
    terms: tuple[str, ...]
    was_there: bool


def fetch(
    name: str,
    out: str | Path,
    *,
    size: int = 28,
    notify: Notify = lambda message: None,
    progress: ByteProgress = lambda chunks, total, done: chunks,
) -> Fetched:
    """Fetch public films into a folder, or check those that are there.

    Parameters
    ----------
    name : {"chestmnist", "nih-sample", "nih"}
        The last two need the package kagglehub.
    out : path-like
        A folder. Several collections can be fetched into the same one.
    size : {28, 64, 128, 224}
        ChestMNIST: the side of its films in pixels.
    notify : callable
        Is called with a sentence that says size and time before something is
        fetched, and with one before each further attempt.
    progress : callable
        ChestMNIST: ``progress(chunks, total, done)`` wraps the iteration over the
        received chunks; see `cxrlib.cohorts.download.ByteProgress`.

    Raises
    ------
    InputError
        The films cannot be fetched, there is not enough space, or the folder lies
        inside a cohort. The message says what to do.
    """
    if name not in COLLECTIONS:
        raise InputError(f"there is no {name!r} to fetch; choose one of {', '.join(COLLECTIONS)}")
    if size not in CHESTMNIST:
        raise InputError(f"size is {size}; ChestMNIST has {', '.join(map(str, CHESTMNIST))}")
    out = Path(out)
    refuse_inside_cohort(out / name)
    with locked(out):
        if name == "chestmnist":
            return _fetch_chestmnist(out, *CHESTMNIST[size], _max_bytes(size), notify, progress)
        return _fetch_kaggle(out / name, *KAGGLE[name], notify)


def _max_bytes(size: int) -> int:
    """Return the bytes of ChestMNIST's 112,120 films with 14 labels each, uncompressed, and 1 MB for headers."""
    return 112_120 * (size**2 + 14) + 1_000_000


def _fetch_chestmnist(
    out: Path, name: str, md5: str, max_bytes: int, notify: Notify, progress: ByteProgress
) -> Fetched:
    path, terms = out / name, (CHESTMNIST_TERMS, NIH_TERMS)
    if path.is_file() and download.file_md5(path) == md5:
        return Fetched(path, terms, was_there=True)
    if path.exists():
        raise InputError(f"{path}: is not the file that {ZENODO} has under this name; move it away and fetch it again")
    limits: dict[str, Any] = dict(max_bytes=max_bytes, notify=notify, progress=progress)
    download.download_file(f"{ZENODO}{name}?download=1", path, md5, **limits)
    return Fetched(path, terms, was_there=False)


def _fetch_kaggle(path: Path, handle: str, size: float, notify: Notify) -> Fetched:
    if path.is_dir():
        return Fetched(_check_films(path), (NIH_TERMS,), was_there=True)
    try:
        import kagglehub
        from kagglehub import exceptions
    except ImportError:
        raise InputError(
            f"{path.name} comes from Kaggle by the package kagglehub, which is not installed: "
            'pip install "kagglehub~=1.0", and sign in with your Kaggle account (kagglehub.login())'
        ) from None
    import requests

    partial = download.partial_folder(path)
    refuse_link(partial)
    received = sum(file.stat().st_size for file in partial.rglob("*") if file.is_file())
    # the archive and its content are on the disk at the same time
    download.check_space(path.parent, 2 * size - received)
    duration = download.format_duration(size / download.ASSUMED_RATE)
    notify(
        f"{path.name}: about {format_bytes(size)} from Kaggle ({handle}), {duration} at 50 Mbit/s; unpacking needs the "
        "same space a second time"
    )
    try:
        with _kaggle_cache(partial):
            films = Path(kagglehub.dataset_download(handle))
    except (exceptions.UnauthenticatedError, exceptions.CredentialError, requests.RequestException) as error:
        is_request = isinstance(error, requests.RequestException)
        if is_request and getattr(error.response, "status_code", None) not in (401, 403):
            reason = f"{handle} could not be fetched from Kaggle ({download.describe_error(error)})"
            raise InputError(f"{reason}; run the same command again to go on") from None
        raise InputError(
            f"Kaggle does not give {handle} without an account: make one at https://www.kaggle.com, then sign in once "
            "with kagglehub.login() in Python, or put your API token into KAGGLE_API_TOKEN "
            f"({type(error).__name__})"
        ) from None
    except exceptions.DataCorruptionError:
        raise InputError(f"{handle}: the download from Kaggle was damaged and was deleted; fetch it again") from None
    source = _check_films(films)
    if partial not in films.parents:  # on Kaggle and on Colab, where the films are at hand and are not downloaded
        return Fetched(source, (NIH_TERMS,), was_there=True)
    sync_disk(partial)  # once they have their name, only the presence of the films is checked
    os.replace(films, path)
    shutil.rmtree(partial)
    return Fetched(path / source.relative_to(films), (NIH_TERMS,), was_there=False)


@contextmanager
def _kaggle_cache(folder: Path) -> Iterator[None]:
    """Make kagglehub download into this folder, by the environment variable KAGGLEHUB_CACHE.

    In its cache folder, kagglehub resumes an interrupted download. With its argument
    ``output_dir`` it does not (kagglehub 1.0.3).
    """
    before = os.environ.get("KAGGLEHUB_CACHE")
    os.environ["KAGGLEHUB_CACHE"] = str(folder.resolve())
    try:
        yield
    finally:
        del os.environ["KAGGLEHUB_CACHE"]
        if before is not None:
            os.environ["KAGGLEHUB_CACHE"] = before


def _check_films(folder: Path) -> Path:
    """Return the folder of NIH's label file; refuse if a film is missing or a link leads out of `folder`."""
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{path}: is a link that leads out of {folder}; remove {folder} and fetch it again")
    folders = (folder, *sorted(path for path in folder.glob("*/**") if path.is_dir()))
    label_file = next(filter(None, map(nih.find_label_file, folders)), None)
    if label_file is None:
        raise InputError(f"{folder}: has none of {', '.join(nih.LABEL_FILES)}; remove it and fetch it again")
    names = set(read_csv(label_file, needed=("Image Index",))["Image Index"])
    missing = names - {path.name for path in label_file.parent.rglob("*.png")}
    if missing:
        raise InputError(
            f"{label_file}: names {len(names):,} films, of which {len(missing):,} are not there (first: "
            f"{min(missing)}); remove {folder} and fetch it again"
        )
    return label_file.parent
