"""Small files of text: tables as CSV, and settings as JSON.

Files that are whole or not there, and work on many of them at once.
"""

import io
import json
import os
import platform
import stat
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident
from typing import IO, TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from filelock import FileLock, Timeout

from cxrlib.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
R = TypeVar("R")


class Progress(Protocol):
    """Shows how far a loop is: ``progress(items, total)`` yields the items, as tqdm does."""

    def __call__(self, items: Iterable[T], total: int) -> Iterable[T]:  # noqa: D102  (said above)
        ...


def no_progress(items: Iterable[T], total: int) -> Iterable[T]:
    """Yield the items and show nothing."""
    return items


MAX_BYTES = 200_000_000
"""A larger file is refused before it is read: that of the largest film in 16 bits has 72 million."""


def check_file(path: Path, most: int) -> None:
    """Refuse what is no file that can be read, or a larger one than `most` bytes.

    Raises
    ------
    InputError
        It is not there, a folder, a pipe or a device, or larger.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:  # a ValueError for a name with a zero byte
        raise InputError(f"{str(path)!r}: cannot be read ({error})") from None
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path}: cannot be read: it is a folder, and a file is needed")
    if not stat.S_ISREG(status.st_mode):  # reading it might never end
        raise InputError(f"{path}: cannot be read: it is a pipe or a device, and a file is needed")
    if status.st_size > most:
        raise InputError(f"{path}: has {status.st_size:,} bytes; at most {most:,} are read")


def read_bytes(path: Path, most: int = MAX_BYTES) -> bytes:
    """Return what a file holds, or raise as `check_file` does."""
    check_file(path, most)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


MOST_CSV, MOST_JSON = 200_000_000, 10_000_000
"""Bytes; NIH's table of 112,120 films has 8 million, a recipe less than a thousand."""


def read_csv(path: Path, *, needed: tuple[str, ...], may_be_empty: bool = False, **options) -> "pd.DataFrame":
    """Read a CSV, as text with empty cells as "" if pandas' options do not say otherwise, and insist on its columns.

    Raises
    ------
    InputError
        It cannot be read, lacks a column, or has no rows.
    """
    import pandas as pd  # takes a while, and only tables need it

    options = options or {"dtype": str, "keep_default_na": False}
    data = io.BytesIO(read_bytes(path, MOST_CSV))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # cells beyond the headings would be dropped
            table = pd.read_csv(data, encoding="utf-8-sig", index_col=False, low_memory=False, **options)
    except (ValueError, pd.errors.ParserWarning) as error:  # pandas' parser errors are ValueErrors
        raise InputError(f"{path}: cannot be read as CSV: {error}") from None
    missing = [column for column in needed if column not in table]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)} (found: {', '.join(map(str, table.columns))})")
    if table.empty and not may_be_empty:
        raise InputError(f"{path}: has headings but no rows")
    return table


def read_numbers(path: Path, *, text: tuple[str, ...] = (), numbers: tuple[str, ...], may_be_empty: bool = False):
    """Read a CSV that has columns of text, and of numbers without a gap.

    Raises
    ------
    InputError
        As in `read_csv`, or a number is missing.
    """
    import pandas as pd

    empty = {column: [""] for column in numbers}  # in a column of text "NA" and "null" are names
    options = {"dtype": dict.fromkeys(text, str), "keep_default_na": False, "na_values": empty}
    table = read_csv(path, needed=(*text, *numbers), may_be_empty=may_be_empty, **options)
    for column in numbers if len(table) else ():
        if not pd.api.types.is_numeric_dtype(table[column]) or not np.isfinite(table[column]).all():
            raise InputError(f"{path}: the column {column} must hold a finite number in each row")
    return table


def read_json(path: Path) -> dict:
    """Read a JSON file of names and values.

    Raises
    ------
    InputError
        It cannot be read, or holds something else.
    """
    try:
        data = json.loads(read_bytes(path, MOST_JSON).decode("utf-8"))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: holds a {type(data).__name__}, where names and values are needed")
    return data


LOCK = ".lock"
PARTIAL = ".*.partial*"
"""Names of what a process writes before it is whole; what was killed leaves some behind."""


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a partial file's path; rename it into place if nothing was raised.

    Raises
    ------
    OSError
        With the file's name, which that of a full disk lacks.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror or f"cannot be written: {error}", str(path)) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path, *, name: str = LOCK, wait: bool = False) -> Iterator[None]:
    """Keep other processes from writing to a folder; the lock ends with the process that holds it.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    name : str
        Of the lock file in it, which goes when all went well.
    wait : bool
        Wait for the other process, in place of an error.

    Raises
    ------
    InputError
        Another process holds it; the message says which.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    lock = FileLock(file, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"{folder}: {_holder(file)} is at work in it; wait until it ends") from None
    try:
        with suppress(PermissionError):  # Windows lets nobody write what is locked; the name is a help, no more
            file.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
        with suppress(OSError):  # Windows removes it itself
            file.unlink()
    except BaseException:
        if is_new and is_empty(folder):  # nothing was begun
            with suppress(OSError):
                file.unlink()
                folder.rmdir()
        raise
    finally:
        lock.release()


def _holder(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8") or "another process"
    except OSError:
        return "another process"


def is_empty(folder: Path) -> bool:
    """Return whether a folder is missing, or holds nothing but what a process that was killed leaves behind."""
    if not folder.exists():
        return True
    return folder.is_dir() and all(
        path.is_file() and (path.name == LOCK or path.match(PARTIAL)) for path in folder.iterdir()
    )


def sweep(folder: Path) -> None:
    """Remove the partial files of processes that were killed; for whoever has the folder's lock."""
    for path in folder.rglob(PARTIAL):
        if path.is_file():  # a folder of such a name holds what `cxr fetch` goes on with
            path.unlink(missing_ok=True)


def make_once(folder: Path, make: Callable[[], object]) -> Path:
    """Return a folder that ``make()`` makes where it is missing, while other processes that want it wait."""
    if not folder.exists():
        with locked(folder.parent, name=f".{folder.name}{LOCK}", wait=True):
            if not folder.exists():
                make()
    return folder


def write_text(path: Path, text: str) -> None:
    """Write a small text file, whole or not at all."""
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_csv(path: Path, table) -> None:
    """Write a DataFrame as CSV, whole or not at all, with the same bytes on every system."""
    write_text(path, csv_text(table))


def csv_text(table) -> str:
    """Return a DataFrame as CSV."""
    return table.to_csv(index=False, lineterminator="\n")


def map_in_order(function: Callable[[T], R], items: Iterable[T], *, workers: int | None = None) -> Iterator[R]:
    """Apply a function on threads, yield results in order, and hold few of them at a time.

    Decoding, resizing and compressing release Python's lock, so threads do for
    them what processes would.
    """
    workers = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= 4 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def read_npy_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return the shape, the order (True for Fortran's) and the dtype of an array in the .npy format.

    Nothing of the array itself is read, so a header that declares a huge array
    costs nothing. See ``numpy.lib.format`` for the format.

    Parameters
    ----------
    stream : binary file
        At its start; afterwards at the first byte of the array's values.

    Raises
    ------
    ValueError
        The stream does not hold a .npy header of version 1 or 2.
    """
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    return np.lib.format.read_array_header_2_0(stream)
