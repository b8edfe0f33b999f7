"""A large file over HTTP: whole and checked, or not there; cut off, it goes on at the next attempt."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from cxrlib.errors import InputError

RATE = 50e6 / 8
"""Bytes in a second that the time is estimated with: 50 Mbit/s."""

ATTEMPTS = 5
TIMEOUT = (10.0, 30.0)
"""Seconds for a connection, and without a byte."""

PAUSE = 2.0
"""Seconds before the second attempt; twice as long before each further one."""

CHUNK = 1 << 20


def work_folder(path: Path) -> Path:
    """Return the folder in which something waits until it is whole."""
    return path.with_name(f".{path.name}.partial")


def download(url: str, path: Path, md5: str, tell: Callable, progress: Callable) -> None:
    """Download a file with pooch, which gives it its name where its checksum is right; try several times.

    Parameters
    ----------
    path : Path
        In a folder of its own, where what has come waits for the next call.
    md5 : str
        In hexadecimal digits.
    tell, progress : callable
        As in `cxrlib.cohorts.fetching.fetch`.

    Raises
    ------
    InputError
        It could not be had; what has come is kept.
    """
    import pooch
    import requests

    path.parent.mkdir(exist_ok=True)
    for left_behind in path.parent.glob("tmp*"):  # by pooch, where it was killed
        left_behind.unlink()
    come = path.with_suffix(".come")

    def go_on(url: str, file: str, _) -> None:
        _receive(url, come, tell, progress)
        os.replace(come, file)

    for attempt in range(1, ATTEMPTS + 1):
        try:
            pooch.retrieve(url, f"md5:{md5}", fname=path.name, path=path.parent, downloader=go_on)
            return
        except InputError:
            raise
        except (requests.RequestException, ValueError) as error:  # a ValueError by pooch: the checksum is wrong
            reason = reason_of(error)
        if attempt < ATTEMPTS:
            tell(f"{path.name}: {reason}; attempt {attempt + 1} of {ATTEMPTS} follows")
            time.sleep(PAUSE * 2 ** (attempt - 1))
    kept = f"{come.stat().st_size / 1e6:.1f} MB have come, and" if come.exists() else "nothing has come;"
    raise InputError(
        f"{path.name} could not be fetched from {urlsplit(url).netloc} in {ATTEMPTS} attempts ({reason}): {kept} the "
        "same command goes on from there"
    )


def reason_of(error: Exception) -> str:
    """Say in a few words why a download failed."""
    if isinstance(error, ValueError) and "hash" in str(error):
        return "what has come has another checksum than was stated, and was thrown away"
    return f"{type(error).__name__}: {error}"[:200]


def _receive(url: str, come: Path, tell: Callable, progress: Callable) -> None:
    """Download what is still missing of a file; raise where it did not come whole.

    Raises
    ------
    requests.RequestException
        Worth another attempt.
    InputError
        Not worth one: the server refuses, or the disk is too full.
    """
    import requests

    done = come.stat().st_size if come.exists() else 0
    headers = {"User-Agent": "cxrlib", "Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        declared = answer.headers.get("Content-Range", "")  # "bytes 100-999/1000", or "bytes */1000" (RFC 9110, 14.4)
        if answer.status_code == 416:  # there is nothing after what has come
            if declared == f"bytes */{done}":
                return
            come.unlink()
            raise requests.ConnectionError("more had come than the server has now; it begins anew")
        if 400 <= answer.status_code < 500 and answer.status_code not in (408, 429):  # a timeout, or too many requests
            raise InputError(
                f"{urlsplit(url).netloc} answers {answer.status_code} {answer.reason} to {url}: the file is not to be "
                "had there; look whether the data have moved"
            )
        answer.raise_for_status()
        if not declared.startswith(f"bytes {done}-"):
            done = 0  # the server sends all of it
        length = answer.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() else None
        _announce(come.stem, urlsplit(url).netloc, total, done, tell)
        check_space(come.parent, (total or 0) - done)
        with open(come, "ab" if done else "wb") as file:
            for chunk in progress(answer.iter_content(CHUNK), total, done):
                try:
                    file.write(chunk)
                except OSError as error:  # of a full disk, which lacks the name
                    raise OSError(error.errno, error.strerror, str(come)) from None
    if total is not None and come.stat().st_size != total:
        raise requests.ConnectionError(f"{come.stat().st_size:,} of {total:,} bytes have come")


def _announce(what: str, where: str, total: float | None, done: float, tell: Callable) -> None:
    if total is None:
        tell(f"{what}: {where} does not say how large it is")
        return
    here = f", of which {amount(done)} are here" if done else ""
    tell(f"{what}: {amount(total)} from {where}{here}; {duration((total - done) / RATE)} at 50 Mbit/s")


def amount(count: float) -> str:
    """Say a number of bytes.

    Examples
    --------
    >>> amount(82_802_576), amount(45e9)
    ('82.8 MB', '45.0 GB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    """Say how long something takes.

    Examples
    --------
    >>> duration(13.2), duration(7200)
    ('about 13 s', 'about 120 min')
    """
    return f"about {seconds / 60:,.0f} min" if seconds >= 90 else f"about {max(1, seconds):.0f} s"


def check_space(folder: Path, needed: float) -> None:
    """Refuse what the disk has no room for, in bytes."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{folder}: {amount(needed)} are needed, and {amount(free)} are free; make room, or name "
            "a folder on another disk"
        )
