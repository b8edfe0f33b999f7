"""Public chest films, fetched: ChestMNIST from Zenodo, NIH's sample and full set from Kaggle.

A file has its final name only when it is whole and checked. What has come of it
waits in a hidden folder beside it, and the next call goes on from there.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cxrlib.cohorts import nih
from cxrlib.cohorts.download import RATE, amount, check_space, download, duration, reason_of, work_folder
from cxrlib.errors import InputError
from cxrlib.files import locked, read_csv

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
"""Name on Kaggle, and about how many bytes: 45 GB for 112,120 films; the sample has 5,606, each of them twice."""

NAMES = ("chestmnist", *KAGGLE)
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
    """What `fetch` leaves: the path that `prepare` takes, and on which terms; `was_there` before, or came now."""

    path: Path
    terms: tuple[str, ...]
    was_there: bool


def fetch(
    name: str,
    out,
    *,
    size: int = 28,
    tell: Callable[[str], object] = lambda text: None,
    progress: Callable[[Iterable[bytes], int | None, int], Iterable[bytes]] = lambda chunks, total, done: chunks,
) -> Fetched:
    """Fetch public films into a folder, or check those that are there.

    Parameters
    ----------
    name : {"chestmnist", "nih-sample", "nih"}
        The last two need the package kagglehub.
    out : path-like
        A folder; several can be fetched into one.
    size : {28, 64, 128, 224}
        ChestMNIST: the side of its films in pixels.
    tell : callable
        Is given a sentence with size and time before something is fetched, and
        one for each further attempt.
    progress : callable
        ``progress(chunks, total, done)`` wraps the iteration over what comes;
        total (None where the server does not say) and done are bytes.

    Raises
    ------
    InputError
        It cannot be fetched, or not enough space is left; the message says what
        to do.
    """
    if name not in NAMES:
        raise InputError(f"there is no {name!r} to fetch; choose one of {', '.join(NAMES)}")
    if size not in CHESTMNIST:
        raise InputError(f"size is {size}; ChestMNIST has {', '.join(map(str, CHESTMNIST))}")
    out = Path(out)
    with locked(out):
        if name == "chestmnist":
            return _fetch_chestmnist(out, *CHESTMNIST[size], tell, progress)
        return _fetch_kaggle(out / name, *KAGGLE[name], tell)


def _fetch_chestmnist(out: Path, name: str, md5: str, tell: Callable, progress: Callable) -> Fetched:
    import pooch

    path, work = out / name, work_folder(out / name)
    terms = (CHESTMNIST_TERMS, NIH_TERMS)
    if path.is_file() and pooch.file_hash(str(path), alg="md5") == md5:
        return Fetched(path, terms, was_there=True)
    if path.exists():
        raise InputError(f"{path}: is not what {ZENODO} holds under that name; move it away, and fetch it again")
    try:
        download(f"{ZENODO}{name}?download=1", work / name, md5, tell, progress)
        os.replace(work / name, path)
    finally:
        with suppress(OSError):
            work.rmdir()  # unless something waits in it
    return Fetched(path, terms, was_there=False)


def _fetch_kaggle(path: Path, handle: str, size: float, tell: Callable) -> Fetched:
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

    work = work_folder(path)
    come = sum(file.stat().st_size for file in work.rglob("*") if file.is_file())
    check_space(path.parent, 2 * size - come)  # the archive, and what it holds
    tell(
        f"{path.name}: about {amount(size)} from Kaggle ({handle}), {duration(size / RATE)} at 50 Mbit/s, and as much "
        "space again while it is unpacked"
    )
    try:
        with _kaggle_cache(work):
            films = Path(kagglehub.dataset_download(handle))
    except (exceptions.UnauthenticatedError, exceptions.CredentialError) as error:
        raise InputError(_sign_in(handle, error)) from None
    except requests.RequestException as error:
        if error.response is not None and error.response.status_code in (401, 403):
            raise InputError(_sign_in(handle, error)) from None
        raise InputError(
            f"{handle} could not be fetched from Kaggle ({reason_of(error)}); the same command goes on"
        ) from None
    except exceptions.DataCorruptionError:
        raise InputError(f"{handle}: what came from Kaggle was damaged, and was thrown away; fetch it again") from None
    source = _check_films(films)
    if work not in films.parents:  # on Kaggle and on Colab, where it is at hand and not downloaded
        return Fetched(source, (NIH_TERMS,), was_there=True)
    os.replace(films, path)
    shutil.rmtree(work)
    return Fetched(path / source.relative_to(films), (NIH_TERMS,), was_there=False)


def _sign_in(handle: str, error: Exception) -> str:
    return (
        f"Kaggle does not give {handle} without an account: make one at https://www.kaggle.com, then sign in once with "
        f"kagglehub.login() in Python, or put your API token into KAGGLE_API_TOKEN ({type(error).__name__})"
    )


@contextmanager
def _kaggle_cache(folder: Path) -> Iterator[None]:
    """Have kagglehub work in a folder of ours: there it resumes, which it does not with ``output_dir`` (1.0.3)."""
    before = os.environ.get("KAGGLEHUB_CACHE")
    os.environ["KAGGLEHUB_CACHE"] = str(folder.resolve())
    try:
        yield
    finally:
        if before is None:
            del os.environ["KAGGLEHUB_CACHE"]
        else:
            os.environ["KAGGLEHUB_CACHE"] = before


def _check_films(folder: Path) -> Path:
    """Return the folder with NIH's label file, if all of its films are below `folder` and no link leads out."""
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{path}: is a link that leads out of {folder}; remove {folder} and fetch it again")
    places = (folder, *sorted(path for path in folder.glob("*/**") if path.is_dir()))
    source = next((place for place in places if nih.find_label_file(place)), None)
    if source is None:
        raise InputError(f"{folder}: has none of {', '.join(nih.LABEL_FILES)}; remove it and fetch it again")
    label_file = nih.find_label_file(source)
    listed = set(read_csv(label_file, needed=("Image Index",))["Image Index"])
    missing = listed - {path.name for path in source.rglob("*.png")}
    if missing:
        raise InputError(
            f"{label_file}: names {len(listed):,} films, of which {len(missing):,} are not there (first: "
            f"{min(missing)}); remove {folder} and fetch it again"
        )
    return source
