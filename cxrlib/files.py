"""Read and write files so that each is whole or absent, and work on many files in parallel.

In this order: whole files; locks and folders; tables (CSV); settings (JSON); array
headers (.npy); a parallel map and its progress.

A file may come from anywhere, so its size is checked before it is read. A file that
is written gets its own name only when it is complete.
"""

import ctypes
import io
import json
import os
import platform
import re
import stat
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from filelock import FileLock, Timeout

from cxrlib.errors import InputError, printable

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = re.compile(r"[\s\x00-\x1f\x7f-\xa0\u200b-\u200f\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""The start of a formula: =, +, - or @, of the usual width or of that of Chinese signs, also after what is not seen."""

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)

T = TypeVar("T")
R = TypeVar("R")

MAX_BYTES = 200_000_000
"""A larger file is refused before it is read. The largest film that is accepted has 72 million bytes in 16 bits. NIH's
table of 112,120 films has 8 million bytes."""

MAX_JSON_BYTES = 10_000_000
"""A larger JSON file is refused before it is read. A recipe has less than a thousand bytes."""

LOCK = ".lock"
"""Name of the file that a process locks while it writes to a folder."""

PARTIAL_PATTERN = ".*.partial*"
"""Names of files that are not complete yet. A process that is killed may leave such files behind."""


# Whole files


def check_file(path: Path, max_bytes: int) -> None:
    """Refuse a path that is not a readable file of at most `max_bytes` bytes.

    Raises
    ------
    InputError
        The path does not exist; it is a folder, a pipe or a device; or the file
        is larger.
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
    if status.st_size > max_bytes:
        raise InputError(f"{path}: has {status.st_size:,} bytes; at most {max_bytes:,} are read")


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the content of a file.

    Raises
    ------
    InputError
        The file is refused by `check_file`, or cannot be read.
    """
    check_file(path, max_bytes)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


@contextmanager
def atomic(path: Path, *, completes_folder: bool = False) -> Iterator[Path]:
    """Yield the path of a partial file, and rename the file to `path` if the block raises nothing.

    Parameters
    ----------
    path : Path
    completes_folder : bool
        The file says that its folder is complete. So all that was written before is
        brought to the disk before the file gets its name: after a power failure, no
        folder counts as complete that is not.

    Raises
    ------
    OSError
        The file cannot be written. The error names the file; the system's own
        error for a full disk does not.

    Examples
    --------
    >>> with atomic(Path("scores.csv")) as partial:  # doctest: +SKIP
    ...     partial.write_text("path,score")
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.partial{path.suffix}")
    try:
        yield partial
        if completes_folder:
            sync_disk(path.parent)
        os.replace(partial, path)
        if completes_folder:
            sync_disk(path.parent)  # the new name as well
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror or f"cannot be written: {error}", str(path)) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def sync_disk(folder: Path) -> None:
    """Return when all that was written to the file system of a folder is on its disk.

    One call for all files: ``syncfs`` on Linux (see its manual page, section 2), and
    ``sync`` elsewhere. To call ``fsync`` for each of thousands of films would take
    longer than to make them. Windows has neither.

    Raises
    ------
    OSError
        The disk could not take the data.
    """
    if sys.platform == "linux":
        system = ctypes.CDLL(None, use_errno=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            if system.syncfs(descriptor) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
        finally:
            os.close(descriptor)
    elif hasattr(os, "sync"):
        os.sync()


def write_text(path: Path, text: str, *, completes_folder: bool = False) -> None:
    """Write a small text file, whole or not at all, with the same bytes on every system.

    `completes_folder` is that of `atomic`.
    """
    with atomic(path, completes_folder=completes_folder) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


# Locks and folders


@contextmanager
def locked(folder: Path, *, name: str = LOCK, wait: bool = False) -> Iterator[None]:
    """Keep other processes from writing to a folder while the block runs.

    The lock ends with the process that holds it, even if that process is killed.

    Parameters
    ----------
    folder : Path
        The folder is made if it does not exist. If the block fails before it has
        written anything, the new folder is removed.
    name : str
        Name of the lock file in the folder. The lock file is removed at the end. If the
        block fails in a folder that existed before, the lock file stays.
    wait : bool
        Wait for the other process instead of raising an error.

    Raises
    ------
    InputError
        Another process holds the lock. The message says which process.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    lock = FileLock(file, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"{folder}: {_lock_holder(file)} is at work in it; wait until it ends") from None
    try:
        with suppress(PermissionError):  # Windows does not let anyone write to a locked file; the text is only a help
            file.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
        with suppress(OSError):  # on Windows the file is removed when the lock is released
            file.unlink()
    except BaseException:
        if is_new and is_empty(folder):  # the work failed before it wrote anything
            with suppress(OSError):
                file.unlink()
                folder.rmdir()
        raise
    finally:
        lock.release()


def _lock_holder(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8") or "another process"
    except OSError:
        return "another process"


def is_empty(folder: Path) -> bool:
    """Return whether a folder does not exist, or holds only files that a killed process left behind."""
    if not folder.exists():
        return True
    return folder.is_dir() and all(
        path.is_file() and (path.name == LOCK or path.match(PARTIAL_PATTERN)) for path in folder.iterdir()
    )


def remove_partial_files(folder: Path) -> None:
    """Remove the partial files of killed processes below a folder. The caller must hold the folder's lock."""
    for path in folder.rglob(PARTIAL_PATTERN):
        if path.is_file():  # a folder with such a name is a download that `cxr fetch` can continue
            path.unlink(missing_ok=True)


def make_once(folder: Path, make: Callable[[], object]) -> Path:
    """Call ``make()`` if the folder does not exist, and return the folder.

    If several processes need the folder, one makes it and the others wait.
    """
    if not folder.exists():
        with locked(folder.parent, name=f".{folder.name}{LOCK}", wait=True):
            if not folder.exists():  # another process may have made it while this one waited
                make()
    return folder


# Tables


def read_csv(path: Path, *, needed: tuple[str, ...], may_be_empty: bool = False, **options: Any) -> "pd.DataFrame":
    """Read a CSV file with certain columns.

    Parameters
    ----------
    path : Path
    needed : tuple of str
        Columns that the table must have.
    may_be_empty : bool
        Accept a table without rows.
    **options
        Options of `pandas.read_csv`. Without any, every cell is text, and an
        empty cell is "".

    Raises
    ------
    InputError
        The file cannot be read, a column is missing, or there are no rows.
    """
    import pandas as pd  # takes a while to import, and only tables need it

    options = options or {"dtype": str, "keep_default_na": False}
    data = io.BytesIO(read_bytes(path))
    try:
        with warnings.catch_warnings():
            # pandas only warns when a row has more cells than there are columns, and drops the cells
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(data, encoding="utf-8-sig", index_col=False, low_memory=False, **options)
    except (ValueError, pd.errors.ParserWarning) as error:  # pandas' parser errors are ValueErrors
        raise InputError(f"{path}: cannot be read as CSV: {error}") from None
    missing = [column for column in needed if column not in table]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)} (found: {', '.join(map(str, table.columns))})")
    if table.empty and not may_be_empty:
        raise InputError(f"{path}: has headings but no rows")
    return table


def read_numbers(
    path: Path, *, text: tuple[str, ...] = (), numbers: tuple[str, ...], may_be_empty: bool = False
) -> "pd.DataFrame":
    """Read a CSV file whose columns hold text or finite numbers.

    Parameters
    ----------
    path : Path
    text : tuple of str
        Columns that the table must have, and that are read as text.
    numbers : tuple of str
        Columns that the table must have, and that must hold a finite number in each
        row.
    may_be_empty : bool
        Accept a table without rows.

    Raises
    ------
    InputError
        As in `read_csv`, or a number is missing or infinite.
    """
    import pandas as pd

    # "" is a missing value only in the columns of numbers; in a column of text "NA" and "null" may be names
    empty = {column: [""] for column in numbers}
    options = {"dtype": dict.fromkeys(text, str), "keep_default_na": False, "na_values": empty}
    table = read_csv(path, needed=(*text, *numbers), may_be_empty=may_be_empty, **options)
    for column in numbers if len(table) else ():  # without rows, pandas has no type for a column
        if not pd.api.types.is_numeric_dtype(table[column]) or not np.isfinite(table[column]).all():
            raise InputError(f"{path}: the column {column} must hold a finite number in each row")
    return table


def csv_text(table: "pd.DataFrame") -> str:
    """Return a table as CSV text, without its index."""
    return table.to_csv(index=False, lineterminator="\n")


def write_csv(path: Path, table: "pd.DataFrame", *, completes_folder: bool = False) -> None:
    """Write a table as a CSV file, whole or not at all, with the same bytes on every system.

    `completes_folder` is that of `atomic`.
    """
    write_text(path, csv_text(table), completes_folder=completes_folder)


def for_spreadsheets(table: "pd.DataFrame") -> "pd.DataFrame":
    r"""Return a table for people: no text in it can act as a formula, or be unreadable.

    A spreadsheet computes a cell that begins with =, +, - or @. So text that begins so
    gets an apostrophe before it (OWASP, "CSV injection"). Columns of numbers, and
    texts that are one number, are left alone. Control characters are escaped. Tables
    that the library reads back are not written so.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"path": ["=1+2.png", "a.png"], "score": [-0.5, 0.5]})
    >>> print(csv_text(for_spreadsheets(table)))
    path,score
    '=1+2.png,-0.5
    a.png,0.5
    <BLANKLINE>
    """

    def as_text(cell: object) -> object:
        if not isinstance(cell, str):
            return cell
        is_formula = _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
        return ("'" if is_formula else "") + printable(cell)

    return table.map(as_text).rename(columns=as_text)


# Settings


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds one object: names and values.

    Raises
    ------
    InputError
        The file cannot be read, or does not hold one JSON object.
    """
    data = read_bytes(path, MAX_JSON_BYTES)
    try:
        values = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # a RecursionError for brackets that are nested too deeply
        raise InputError(f"{path}: cannot be read as JSON: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds a {type(values).__name__}, where names and values are needed")
    return values


# Array headers


def read_npy_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return the shape, the order (True for Fortran's) and the dtype of an array in the .npy format.

    The array itself is not read. So no memory is reserved for a huge array that the
    header declares. See ``numpy.lib.format`` for the format.

    Parameters
    ----------
    stream : binary file
        Its position must be the start of the array. Afterwards its position is the
        first byte of the array's values.

    Raises
    ------
    ValueError
        The stream does not hold a .npy header of version 1 or 2.
    """
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    return np.lib.format.read_array_header_2_0(stream)


# Parallel map and progress


class Progress(Protocol):
    """Shows how far a loop has come: ``progress(items, total)`` yields the items, as tqdm does."""

    def __call__(self, items: Iterable[T], total: int) -> Iterable[T]:
        """Yield the items."""
        ...


def no_progress(items: Iterable[T], total: int) -> Iterable[T]:
    """Return the items and show nothing."""
    return items


def map_in_order(function: Callable[[T], R], items: Iterable[T], *, workers: int | None = None) -> Iterator[R]:
    """Apply a function in several threads, and yield the results in the order of the items.

    Threads are enough, because decoding, resizing and compressing release Python's
    global lock. At most four results for each worker are held in memory at a time.

    Parameters
    ----------
    function : callable
    items : iterable
    workers : int, optional
        Number of threads; by default one for each processor core.
    """
    workers = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= 4 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # after an error, or when the caller stops early
            for future in waiting:
                future.cancel()
