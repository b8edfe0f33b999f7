"""Download a large file over HTTP.

The file appears under its name only when it is whole and its checksum is right. A
download that was interrupted is continued by the next call.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cxrlib.errors import InputError
from cxrlib.files import refuse_link

if TYPE_CHECKING:
    import requests

ASSUMED_RATE = 50e6 / 8
"""Bytes per second: 50 Mbit/s, our choice. The estimated time of a download is computed with it."""

ATTEMPTS = 5
TIMEOUT = (10.0, 30.0)
"""Seconds to wait for a connection, and for the next byte."""

PAUSE = 2.0
"""Seconds before the second attempt. The pause doubles before each further one."""

CHUNK = 1 << 20
"""Bytes that are written at a time, at most."""

MIN_RATE = 1000
"""Bytes per second, our choice: a server that sends less for `RATE_SECONDS` is asked anew. At this rate, the smallest
file of ChestMNIST would take a day."""

RATE_SECONDS = 60.0
"""The rate is measured over so long (our choice): a network may fail for half a minute."""

RETRIED_STATUS = (408, 429)
"""Request Timeout and Too Many Requests: the client errors after which another attempt may succeed."""

Notify = Callable[[str], object]
"""Is called with a sentence for the user."""

ByteProgress = Callable[[Iterable[bytes], int | None, int], Iterable[bytes]]
"""``progress(chunks, total, done)`` yields the chunks. Total is None where it is unknown; total and done are bytes."""


def partial_folder(path: Path) -> Path:
    """Return the hidden folder beside a path, where the received part is kept until all of it is there."""
    return path.with_name(f".{path.name}.partial")


def download_file(url: str, path: Path, md5: str, *, max_bytes: int, notify: Notify, progress: ByteProgress) -> None:
    """Download a file, with up to `ATTEMPTS` attempts; each continues where the one before was interrupted.

    Parameters
    ----------
    url : str
    path : Path
        The part that was received is kept in `partial_folder(path)` for the next
        call.
    md5 : str
        The checksum in hexadecimal digits.
    max_bytes : int
        The file cannot be larger. A server that sends more is not listened to.
    notify : callable
        Is called before the download and before each further attempt.
    progress : callable
        See `ByteProgress`.

    Raises
    ------
    InputError
        The file could not be downloaded. The part that was received is kept.
    """
    import requests

    folder = partial_folder(path)
    received = folder / f"{path.stem}.part"
    refuse_link(folder)
    folder.mkdir(exist_ok=True)
    refuse_link(received)
    try:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _resume_download(url, received, max_bytes, notify, progress)
            except requests.RequestException as error:
                reason = describe_error(error)
            else:
                if file_md5(received) == md5:
                    os.replace(received, path)
                    shutil.rmtree(folder)
                    return
                received.unlink()
                reason = "the file had another checksum than the expected one, and was deleted"
            if attempt < ATTEMPTS:
                notify(f"{path.name}: {reason}; attempt {attempt + 1} of {ATTEMPTS} follows")
                time.sleep(PAUSE * 2 ** (attempt - 1))
        size = received.stat().st_size if received.exists() else 0
        kept = f"{format_bytes(size)} were received" if size else "nothing was received"
        raise InputError(
            f"{path.name} could not be downloaded from {urlsplit(url).netloc} in {ATTEMPTS} attempts ({reason}); "
            f"{kept}. Run the same command again to go on"
        )
    finally:
        with suppress(OSError):  # the folder holds the received part, or is gone already
            folder.rmdir()


def file_md5(path: Path) -> str:
    """Return the MD5 checksum of a file in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def describe_error(error: Exception) -> str:
    """Return in a few words why a download failed."""
    return f"{type(error).__name__}: {error}"[:200]  # the messages of requests may quote a long address


def _resume_download(url: str, received: Path, max_bytes: int, notify: Notify, progress: ByteProgress) -> None:
    """Download the missing part of a file.

    Raises
    ------
    requests.RequestException
        The file is not whole, and another attempt may help.
    InputError
        Another attempt would not help: the server refuses, compresses the file or sends
        too much, or the disk is too full.
    """
    import requests

    host = urlsplit(url).netloc
    done = received.stat().st_size if received.exists() else 0
    # without "identity" the server might compress, and the positions of the bytes would be others
    headers = {"User-Agent": "cxrlib", "Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        # "bytes 100-999/1000", or "bytes */1000" where nothing can be sent (RFC 9110, 14.4)
        content_range = response.headers.get("Content-Range", "")
        if response.status_code == 416:  # Range Not Satisfiable: the server has nothing after the part received
            if content_range == f"bytes */{done}":
                return
            received.unlink()
            raise requests.ConnectionError("more was received than the server has now; the download starts again")
        if 400 <= response.status_code < 500 and response.status_code not in RETRIED_STATUS:
            found = f"{host} answers {response.status_code} {response.reason} to {url}"
            raise InputError(f"{found}: the file cannot be downloaded from there; find out whether it has moved")
        response.raise_for_status()
        # the server was asked not to compress; a small file could be unpacked to any size
        if (encoding := response.headers.get("Content-Encoding", "identity")) != "identity":
            raise InputError(
                f"{host} sends {received.stem} compressed ({encoding[:20]}), which was not asked for; try again later"
            )
        if not content_range.startswith(f"bytes {done}-"):
            done = 0  # the server ignores Range, and sends the file from its start
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() else None
        notify(f"{received.stem}: {_describe_size(host, total, done)}")
        size = done if total is None else total
        if size <= max_bytes:
            check_space(received.parent, size - done)
            size = done
            with open(received, "ab" if done else "wb") as file:
                for chunk in progress(_chunks(response), total, done):
                    size += len(chunk)
                    if size > max_bytes:
                        break
                    try:
                        file.write(chunk)
                    except OSError as error:  # where the disk is full, the error does not name the file
                        raise OSError(error.errno, error.strerror, str(received)) from None
    if size > max_bytes:
        received.unlink(missing_ok=True)
        raise InputError(
            f"{host} sends {format_bytes(size)} or more as {received.stem}, which has at most "
            f"{format_bytes(max_bytes)}: this is another file; look whether its address has changed"
        )
    if total is not None and (size := received.stat().st_size) != total:
        raise requests.ConnectionError(f"{size:,} of {total:,} bytes were received")


def _chunks(response: "requests.Response") -> Iterator[bytes]:
    """Yield the bytes of a response as they arrive.

    Raises
    ------
    requests.ConnectionError
        The connection is broken, or the server sends less than `MIN_RATE`.
    """
    import requests
    from urllib3.exceptions import HTTPError

    start, num_bytes = time.monotonic(), 0
    while True:
        try:  # iter_content would wait until a chunk is full, however slowly the bytes arrive
            chunk = response.raw.read1(CHUNK, decode_content=False)
        except HTTPError as error:
            raise requests.ConnectionError(error) from None
        if not chunk:
            return
        yield chunk
        num_bytes += len(chunk)
        seconds = time.monotonic() - start
        if seconds >= RATE_SECONDS:
            if num_bytes < MIN_RATE * seconds:
                raise requests.ConnectionError(
                    f"only {num_bytes:,} bytes came in {seconds:.0f} s, and at least {MIN_RATE:,} a second are needed"
                )
            start, num_bytes = time.monotonic(), 0


def _describe_size(host: str, total: int | None, done: int) -> str:
    if total is None:
        return f"{host} does not say how large the file is"
    part = f", of which {format_bytes(done)} are here" if done else ""
    return f"{format_bytes(total)} from {host}{part}; {format_duration((total - done) / ASSUMED_RATE)} at 50 Mbit/s"


def format_bytes(count: float) -> str:
    """Return a number of bytes in words.

    Examples
    --------
    >>> format_bytes(82_802_576), format_bytes(45e9)
    ('82.8 MB', '45.0 GB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def format_duration(seconds: float) -> str:
    """Return a length of time in words.

    Examples
    --------
    >>> format_duration(13.2), format_duration(7200)
    ('about 13 s', 'about 120 min')
    """
    return f"about {seconds / 60:,.0f} min" if seconds >= 90 else f"about {max(1, seconds):.0f} s"


def check_space(folder: Path, num_bytes: float) -> None:
    """Refuse to begin what does not fit on the folder's disk."""
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        found = f"{format_bytes(num_bytes)} are needed, and {format_bytes(free)} are free"
        raise InputError(f"{folder}: {found}; free some space, or name a folder on another disk")
