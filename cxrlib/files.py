"""Files that are whole or not there, and work on many of them at once."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a partial file's path; rename it into place if nothing was raised."""
    partial = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


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
