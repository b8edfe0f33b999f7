"""Standard streams: a list of names on stdin, and streams that the caller closed (``cxr ... 2>&-``)."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cxrlib.cli import output


def read_names() -> Iterator[Path]:
    """Yield the names in the list on stdin, one a line. Empty lines do not count."""
    for line in getattr(sys.stdin, "buffer", ()):
        if name := line.rstrip(b"\r\n"):
            yield Path(os.fsdecode(name))


@contextmanager
def standard_streams() -> Iterator[None]:
    """Let the block run as usual, also where standard streams are closed.

    A closed stream is opened on the null device. Otherwise the next file that is opened
    would take its number, and messages of compiled code would be written into that file.
    If stdout is closed, stderr says that results are not shown. If stderr is closed and
    the block fails, its messages go to stdout.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number
            if null != number:
                os.dup2(null, number)
                os.close(null)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 (open until the process ends)
    if is_mute := sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is not None:
        if is_mute:
            output.print_warnings(["the standard output is closed, so results are not shown"])
        yield
        return
    sys.stderr = held = io.StringIO()
    try:
        yield
    except BaseException as error:
        if not isinstance(error, SystemExit) or error.code:
            for line in held.getvalue().splitlines():
                output.show(line)
        raise
