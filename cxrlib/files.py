"""Files that are whole or not there, and work on many of them at once."""

import os
import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident

from filelock import FileLock, Timeout

from cxrlib.radiograph import InputError

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


def map_in_order(function: Callable, items: Iterable, *, workers: int | None = None) -> Iterator:
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
