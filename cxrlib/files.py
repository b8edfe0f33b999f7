"""Read and write files so that each is whole or absent, and work on many files in parallel.

In this order: whole files; locks and folders; tables (CSV); settings (JSON); arrays
(.npy and .npz); a parallel map and its progress.

A file may come from anywhere, so its size is checked before it is read. A file that
is written gets its own name only when it is complete.
"""

import csv
import ctypes
import io
import json
import math
import os
import platform
import re
import stat
import sys
import warnings
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from threading import get_ident
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeVar

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

MAX_TABLE_BYTES = 100_000_000
"""A larger CSV file is refused before it is read. NIH's table of 112,120 films has 8 million bytes."""

MAX_LINE = 1_000_000
"""A CSV file with a longer line, in characters, is refused. Our choice: NIH's longest line has about 200."""

MAX_COLUMNS = 1000
"""A CSV file with more columns is refused. Our choice: the widest public table of films has about 100 columns."""

MAX_CELLS = 20_000_000
"""A CSV file with more cells is refused, because each takes memory even if it is empty. Our choice: NIH's table has 1.4
million cells."""

MAX_CELL = 100_000
"""A CSV file with a longer cell, in characters, is refused. Our choice: a radiologist's report has about 1,000. A quote
that is never closed takes in all the rows below it."""

MAX_JSON_BYTES = 10_000_000
"""A larger JSON file is refused before it is read. A recipe has less than a thousand bytes."""

MAX_JSON_DEPTH = 50
"""JSON that is nested more deeply is refused. Our choice: the settings of a Keras network are nested 11 deep."""

MAX_JSON_DIGITS = 20
"""A whole number in JSON with more characters is refused. A number of 64 bits has at most 20, with its sign."""

MAX_DIRECTORY_BYTES = 1_000_000
"""A ZIP archive with a larger list of its files is refused. Our choice: the checkpoint of a ResNet-50 holds about 1,000
arrays, and the list has about 60 bytes for each."""

LOCK = ".lock"
"""Name of the file that a process locks while it writes to a folder."""

PARTIAL_PATTERN = ".*.[0-9]*-[0-9]*.partial*"
"""Names of files that `atomic` has not completed yet. A process that is killed may leave such files behind. The numbers
keep apart what has a similar name and is not ours."""


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


def refuse_link(path: Path) -> None:
    """Raise an InputError for a link, because what would be written, replaced or removed there may not be ours."""
    if path.is_symlink():
        raise InputError(
            f"{path}: is a link, and only files and folders of our own are written here; remove it, or name another "
            "folder"
        )


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
    InputError
        There is a link at the path.

    Examples
    --------
    >>> with atomic(Path("scores.csv")) as partial:  # doctest: +SKIP
    ...     partial.write_text("path,score")
    """
    refuse_link(path)
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
def locked(folder: Path, *, name: str = LOCK, guarded: Path | None = None, wait: bool = False) -> Iterator[None]:
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
    guarded : Path, optional
        What the lock guards, for the message. By default the folder.
    wait : bool
        Wait for the other process instead of raising an error.

    Raises
    ------
    InputError
        Another process holds the lock, and the message says which one. Or the lock is a link.
    """
    refuse_link(folder / name)
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    lock = FileLock(file, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"{guarded or folder}: {_lock_holder(file)} is at work in it; wait until it ends") from None
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
        return read_bytes(file, max_bytes=1000).decode() or "another process"
    except (InputError, ValueError):
        return "another process"


def is_empty(folder: Path) -> bool:
    """Return whether a folder does not exist, or holds only files that a killed process left behind."""
    if not folder.exists():
        return True
    return folder.is_dir() and all(
        path.is_file() and not path.is_symlink() and (path.name == LOCK or path.match(PARTIAL_PATTERN))
        for path in folder.iterdir()
    )


def remove_partial_files(folder: Path) -> None:
    """Remove the partial files of killed processes below a folder. The caller must hold the folder's lock.

    Links are neither followed nor removed.
    """
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names if fnmatchcase(name, PARTIAL_PATTERN)):
            if not path.is_symlink():
                path.unlink(missing_ok=True)


def make_once(path: Path, make: Callable[[], object]) -> Path:
    """Call ``make()`` if a folder or file does not exist, and return its path.

    If several processes need it, one makes it and the others wait.
    """
    if not path.exists():
        with locked(path.parent, name=f".{path.name}{LOCK}", wait=True):
            if not path.exists():  # another process may have made it while this one waited
                make()
    return path


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
    data = read_bytes(path, MAX_TABLE_BYTES)
    try:
        deque(csv_rows(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")), maxlen=0)
        with warnings.catch_warnings():
            # pandas only warns when a row has more cells than there are columns, and drops the cells
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(io.BytesIO(data), encoding="utf-8-sig", index_col=False, low_memory=False, **options)
    except (ValueError, OverflowError, csv.Error, pd.errors.ParserWarning) as error:  # pandas raises ValueErrors
        raise InputError(f"{path}: cannot be read as CSV: {error}") from None
    missing = [column for column in needed if column not in table]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)} (found: {', '.join(map(str, table.columns))})")
    if table.empty and not may_be_empty:
        raise InputError(f"{path}: has headings but no rows")
    return table


def csv_rows(lines: Iterable[str], **options: Any) -> Iterator[list[str]]:
    """Yield the rows of a table. Refuse one that pandas would read wrongly, or that would take too much memory.

    The rules for quotes are those of RFC 4180.

    Parameters
    ----------
    lines : iterable of str
        The lines of the whole table.
    **options
        Options of `csv.reader`.

    Raises
    ------
    ValueError, csv.Error
        The table holds a zero byte, or a quote that is not closed where a cell ends.
        Two columns have the same name. There are more than `MAX_COLUMNS` columns or
        `MAX_CELLS` cells. A line has more than `MAX_LINE` characters, or a cell more
        than `MAX_CELL`.
    """
    rows = csv.reader(map(_checked_line, lines), strict=True, **options)
    num_cells = width = 0
    for row in rows:
        if len(row) > MAX_COLUMNS:
            raise ValueError(f"line {rows.line_num} has {len(row):,} cells; at most {MAX_COLUMNS:,} are read")
        if any(len(cell) > MAX_CELL for cell in row):
            raise ValueError(f"a cell that ends in line {rows.line_num} has more than {MAX_CELL:,} characters")
        if not width:
            width = len(row)
            if repeated := [name for name in row if name.strip() and row.count(name) > 1]:
                raise ValueError(f"two columns have the name {repeated[0]!r:.80}")
        num_cells += max(len(row), width)
        if num_cells > MAX_CELLS:
            raise ValueError(f"it has more than {MAX_CELLS:,} cells")
        yield row


def _checked_line(line: str) -> str:
    if "\0" in line:
        raise ValueError("it holds zero bytes; save the table as CSV in UTF-8")
    if len(line) > MAX_LINE:
        raise ValueError(f"a line has more than {MAX_LINE:,} characters")
    return line


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
    options: dict[str, Any] = {"dtype": dict.fromkeys(text, str), "keep_default_na": False, "na_values": empty}
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
    as_text = lambda cell: spreadsheet_text(cell) if isinstance(cell, str) else cell
    return table.map(as_text).rename(columns=as_text)


def spreadsheet_text(cell: str) -> str:
    """Return one text of a table as `for_spreadsheets` does. It has no line breaks.

    Examples
    --------
    >>> spreadsheet_text("=1+2.png")
    "'=1+2.png"
    """
    is_formula = _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
    return ("'" if is_formula else "") + printable(cell)


# Settings


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds one object: names and values.

    Raises
    ------
    InputError
        The file cannot be read, does not hold one JSON object, or is refused by
        `parse_json`.
    """
    data = read_bytes(path, MAX_JSON_BYTES)
    try:
        values = parse_json(data)
    except ValueError as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds a {type(values).__name__}, where names and values are needed")
    return values


def parse_json(data: bytes) -> Any:
    """Return the value of a JSON text (RFC 8259) in UTF-8, with or without a byte order mark.

    Raises
    ------
    ValueError
        The text is not JSON. A number is not finite, or a whole number has more than
        64 bits. An object names a value twice. Text holds half of a character. Values
        are nested more than `MAX_JSON_DEPTH` deep.
    """
    try:
        value = json.loads(
            data.decode("utf-8-sig"),
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            parse_int=_small_int,
            object_pairs_hook=_unique_names,
        )
    except RecursionError:
        raise ValueError(f"its values are nested more than {MAX_JSON_DEPTH} deep") from None
    _check_nesting(value, 0)
    return value


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number that JSON has")


def _finite_float(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"the number {text:.30} is too large")
    return value


def _small_int(text: str) -> int:
    if len(text) > MAX_JSON_DIGITS or not -(2**63) <= int(text) < 2**64:
        raise ValueError(f"the whole number {text:.30} has more than 64 bits")
    return int(text)


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"it names {next(name for name in names if names.count(name) > 1)!r:.80} twice")
    return values


def _check_nesting(value: Any, depth: int) -> None:
    if depth > MAX_JSON_DEPTH:
        raise ValueError(f"its values are nested more than {MAX_JSON_DEPTH} deep")
    if isinstance(value, str):
        value.encode()  # raises a ValueError for half of a character
    elif isinstance(value, dict | list):
        for inner in value:  # the names of an object, or the items of a list
            _check_nesting(inner, depth + 1)
        for inner in value.values() if isinstance(value, dict) else ():
            _check_nesting(inner, depth + 1)


# Arrays


NpyHeader: TypeAlias = tuple[tuple[int, ...], bool, np.dtype]
"""The shape of an array, whether its order is Fortran's, and its dtype."""


def read_npy_header(stream: IO[bytes]) -> NpyHeader:
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
    try:
        if np.lib.format.read_magic(stream) == (1, 0):
            return np.lib.format.read_array_header_1_0(stream)
        return np.lib.format.read_array_header_2_0(stream)
    except Exception as error:  # NumPy parses the header as Python, which raises errors of many kinds
        raise ValueError(f"the header of an array cannot be read: {error}") from None


MAX_LENGTH = 1_500_000
"""The largest length of an array whose length is not known in advance. The longest one has 128 bytes for each training
film of a run and of the runs before it, and so many of them have `MAX_BYTES`."""


class ArrayKind(NamedTuple):
    """What an array in an ``.npz`` file must be.

    Attributes
    ----------
    shape : tuple of int or None
        None stands for any length up to `MAX_LENGTH`.
    dtypes : tuple of str
        The dtypes that are accepted, such as ("float16", "float32").
    """

    shape: tuple[int | None, ...]
    dtypes: tuple[str, ...]


def open_archive(path: Path, max_bytes: int) -> zipfile.ZipFile:
    """Open a ZIP archive of few files.

    Python's zipfile reads the whole list of files when it opens an archive. So the
    size of the list is checked first (PKWARE, APPNOTE.TXT, 4.3.14 to 4.3.16).

    Raises
    ------
    InputError
        As in `check_file`.
    ValueError, OSError, zipfile.BadZipFile
        The file is not a ZIP archive, or its list of files is too large.
    """
    check_file(path, max_bytes)
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 66_000))  # the last record has a comment of at most 65,535 bytes
        end = file.read()
    has_no_comment = end[-22:-18] == b"PK\5\6" and end[-2:] == b"\0\0"
    place = len(end) - 22 if has_no_comment else end.rfind(b"PK\5\6")
    if place < 0:
        raise ValueError("it is not a ZIP archive")
    size = int.from_bytes(end[place + 12 : place + 16], "little")
    if place >= 76 and end[place - 20 : place - 16] == b"PK\6\7":  # ZIP64, for archives above 4 GB
        size = int.from_bytes(end[place - 36 : place - 28], "little")
    if size > MAX_DIRECTORY_BYTES:
        raise ValueError(f"its list of files has {size:,} bytes; at most {MAX_DIRECTORY_BYTES:,} are read")
    return zipfile.ZipFile(path)


def read_npz(path: Path, needed: Mapping[str, ArrayKind], *, max_bytes: int = MAX_BYTES) -> dict[str, np.ndarray]:
    """Read an ``.npz`` file whose arrays are known in advance. Nothing is unpickled.

    All names, shapes, dtypes and sizes are checked before the first array is read. So a
    small file that declares huge arrays takes little memory.

    Parameters
    ----------
    path : Path
    needed : mapping of str to ArrayKind
        The arrays that the file must hold. It may hold no others.
    max_bytes : int
        The largest size of the file, and of all arrays together.

    Raises
    ------
    InputError
        As in `check_file`.
    ValueError
        The file is damaged, or an array is not of its kind. The caller knows what
        the file is for, and makes an `InputError` of it.
    """
    arrays = {}
    try:
        with open_archive(path, max_bytes) as archive:
            members = archive.infolist()
            names = [member.filename.removesuffix(".npy") for member in members]
            if sorted(names) != sorted(needed):
                unlike = sorted(set(names) ^ set(needed)) or ["one array twice"]
                raise ValueError(f"it holds {len(names):,} arrays and {len(needed):,} are needed ({unlike[0]:.50})")
            heads = {name: _check_array(archive, m, needed[name]) for name, m in zip(names, members, strict=True)}
            total = sum(math.prod(shape) * dtype.itemsize for shape, _, dtype in heads.values())
            if total > max_bytes:
                raise ValueError(f"its arrays have {total:,} bytes; at most {max_bytes:,} are read")
            for name, member in zip(names, members, strict=True):
                shape, is_fortran, dtype = heads[name]
                with archive.open(member) as stream:
                    read_npy_header(stream)
                    values = np.frombuffer(stream.read(), dtype)  # to the end, where zipfile checks the checksum
                arrays[name] = values.reshape(shape, order="F" if is_fortran else "C")
    except InputError:
        raise
    except DAMAGED_ARCHIVE as error:
        raise ValueError(str(error) or type(error).__name__) from None
    return arrays


DAMAGED_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)
"""What zipfile and NumPy raise where an archive or a header is damaged, encrypted or of an unknown kind."""


def _check_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, kind: ArrayKind) -> NpyHeader:
    """Return the header of an array; refuse one that is not of its kind, or is larger than it declares."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename} is compressed in a way that NumPy never uses")
    with archive.open(member) as stream:
        shape, is_fortran, dtype = read_npy_header(stream)
        start = stream.tell()
    is_shape = len(shape) == len(kind.shape) and all(
        length == needed or (needed is None and length <= MAX_LENGTH)
        for length, needed in zip(shape, kind.shape, strict=True)
    )
    if not is_shape or dtype.hasobject or dtype.name not in kind.dtypes:
        raise ValueError(
            f"{member.filename} is {dtype} of shape {shape}; it must be {' or '.join(kind.dtypes)} "
            f"of shape {kind.shape}"
        )
    check_declared_size(member, start, shape, dtype)
    return shape, is_fortran, dtype


def check_declared_size(member: zipfile.ZipInfo, start: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Refuse an array in a ZIP archive whose bytes are not as many as its header needs.

    Parameters
    ----------
    member : ZipInfo
    start : int
        The number of bytes of its .npy header.
    shape : tuple of int
    dtype : dtype

    Raises
    ------
    ValueError
        The archive declares another number of bytes.
    """
    needed = start + math.prod(shape) * dtype.itemsize
    if member.file_size != needed:
        raise ValueError(f"{member.filename} is declared to have {member.file_size:,} bytes, and needs {needed:,}")


# Parallel map and progress


class Progress(Protocol):
    """Shows how far a loop has come: ``progress(items, total)`` yields the items, as tqdm does."""

    def __call__(self, items: Iterable[T], total: int) -> Iterable[T]:
        """Yield the items."""
        ...


def no_progress(items: Iterable[T], total: int) -> Iterable[T]:
    """Return the items and show nothing."""
    return items


def map_in_order(
    function: Callable[[T], R], items: Iterable[T], *, workers: int | None = None, ahead: int = 0
) -> Generator[R]:
    """Apply a function in several threads, and yield the results in the order of the items.

    Threads are enough, because decoding, resizing and compressing release Python's
    global lock.

    Parameters
    ----------
    function : callable
    items : iterable
    workers : int, optional
        Number of threads; by default one for each processor core.
    ahead : int
        How many items the threads take in advance, while the caller uses a result. No more
        results than this are held in memory. At least four for each thread are taken.
    """
    workers = workers or os.cpu_count() or 1
    ahead = max(ahead, 4 * workers)
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # after an error, or when the caller stops early
            for future in waiting:
                future.cancel()
