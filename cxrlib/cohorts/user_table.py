"""Read a table that a person or another program wrote: Excel, pandas, Windows.

Such tables have another separator, another encoding, headings in another case,
labels in words, or empty rows. What has one clear meaning is read, with a note.
Anything else is refused, with the number of its row.
"""

import codecs
import csv
import gzip
import io
import re
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from cxrlib.errors import InputError
from cxrlib.files import MAX_TABLE_BYTES, csv_rows, read_bytes
from cxrlib.images.film_facts import MAX_AGE, YEARS
from cxrlib.images.formats import name_format
from cxrlib.images.pseudonym import patient_key, whole_number

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
"""Excel writes semicolons where the comma is the decimal sign."""

SPLIT_NAMES = {"training": "train", "valid": "val", "validate": "val", "validation": "val", "testing": "test"}
"""Other names of the splits, in lower case."""

TRUE_WORDS, FALSE_WORDS = ("1", "true", "yes", "positive"), ("0", "false", "no", "negative")
"""Labels, in lower case, that mean with and without the finding."""

_SEPARATOR_LINE = re.compile(r'\A"?sep=[^\r\n]"?(\r\n|\r|\n)')
"""The line in which Excel names the separator."""

_MAX_HEADING = 100_000  # characters
_SHORTENED = re.compile(r"-?\d([.,]\d+)?[Ee]\+\d+")
"""A number of many digits as Excel shows and saves it: 1.23457E+12. Different ids become equal by it."""


def folder_key(name: str) -> str:
    """Return a name without upper case, blanks, underscores and hyphens: "No Finding" and "no_finding" are one name."""
    return re.sub(r"[\s_\-]+", "", unicodedata.normalize("NFC", name)).casefold()


def read_user_table(
    path: Path, *, needed: tuple[str, ...], known: Collection[str], only_known: bool = False
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read a table as text, and return it with notes.

    Parameters
    ----------
    path : Path
        If the name ends in ``.gz``, the file is unpacked first.
    needed : tuple of str
        Columns that the table must have. A row without a value in the first of them is
        refused, unless the whole row is empty. Empty rows are dropped.
    known : collection of str
        The columns whose headings are found in any case, and whose cells are returned
        without blanks around them.
    only_known : bool
        Keep no other columns. A wide table then takes less memory.

    Returns
    -------
    table : DataFrame
        Every cell is text. The index is the row's number as a spreadsheet counts: the
        heading is row 1.
    notes : tuple of str
        What was read in another way than it is written.

    Raises
    ------
    InputError
        The file cannot be read as a table. A column is missing, or is there twice.
    """
    data = _read_table_bytes(path)
    if name := name_format(data):
        raise InputError(f"{path}: is {name}, not text; save the table as CSV in UTF-8, not as a workbook")
    text, encoding = _decode(path, data)
    text = _SEPARATOR_LINE.sub("", text, count=1)  # a spreadsheet does not count it as a row
    keys = {folder_key(column): column for column in known}
    heading = next(iter(text[:_MAX_HEADING].lstrip().splitlines()), "")
    cells_by_separator = {separator: next(csv.reader([heading], delimiter=separator), []) for separator in SEPARATORS}
    separator = max(SEPARATORS, key=lambda each: sum(folder_key(cell) in keys for cell in cells_by_separator[each]))
    reader = _read_rows(path, text, separator)
    num_before, cells = next((row for row in enumerate(reader) if any(row[1])), (0, []))  # empty rows above the heading
    given = [cell.strip() for cell in cells]
    names = [keys.get(folder_key(cell), cell) for cell in given]
    for name in names:
        if name and names.count(name) > 1:
            raise InputError(f"{path}: has {names.count(name)} columns named {name}; one is needed")
    missing = [column for column in needed if column not in names]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)} (found: {', '.join(names)})")
    kept = [i for i, name in enumerate(names) if name in known or not only_known]
    rows = []
    for number, cells in enumerate(reader, start=num_before + 2):
        if any(cell.strip() for cell in cells[len(names) :]):
            found = f"row {number} has {len(cells)} cells, and the heading has {len(names)}"
            raise InputError(f"{path}: {found}; put quotes around a cell that holds a separator")
        rows.append([cells[i] if i < len(cells) else "" for i in kept])
    names, given = [names[i] for i in kept], [given[i] for i in kept]
    table = pd.DataFrame(rows, pd.RangeIndex(num_before + 2, num_before + 2 + len(rows)), names, dtype=str)
    for column in known:
        if column in table:
            table[column] = [cell.strip() for cell in table[column]]
    without = table[table[needed[0]] == ""]
    is_empty = (without.apply(lambda column: column.str.strip()) == "").all(axis=1)
    if not is_empty.all():
        raise InputError(f"{path}: row {without.index[~is_empty][0]} has no {needed[0]}; fill it in, or remove the row")
    table = table.drop(index=without.index)
    if table.empty:
        raise InputError(f"{path}: has headings but no rows")
    notes = []
    if separator != ",":
        notes.append(f"{path.name} is separated by {SEPARATORS[separator]}")
    if encoding != "utf-8-sig":
        read_as = "Windows-1252" if encoding == "cp1252" else "UTF-16"
        notes.append(f"{path.name} is read as {read_as}, because it is not UTF-8")
    notes += _notes_on_words(path, "headings", dict(zip(given, names, strict=True)))
    has_name = [name != "" for name in names]
    if (table.loc[:, np.logical_not(has_name)] != "").any(axis=None):
        notes.append(f"{path.name}: a column without a heading is left out")
    return table.loc[:, has_name], tuple(notes)


def _read_rows(path: Path, text: str, separator: str) -> Iterator[list[str]]:
    try:
        yield from csv_rows(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}") from None


def _read_table_bytes(path: Path) -> bytes:
    """Return the content of a table, unpacked if its name ends in ``.gz``."""
    data = read_bytes(path, MAX_TABLE_BYTES)
    if path.suffix.lower() != ".gz":
        return data
    try:
        with gzip.open(io.BytesIO(data)) as packed:
            data = packed.read(MAX_TABLE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be unpacked ({error}); get the file again") from None
    if len(data) > MAX_TABLE_BYTES:
        raise InputError(f"{path}: has more than {MAX_TABLE_BYTES:,} bytes when it is unpacked, which is too many")
    return data


def _decode(path: Path, data: bytes) -> tuple[str, str]:
    """Return a text and its encoding: UTF-8, UTF-16, or else Windows-1252."""
    encodings = ["utf-8-sig", "cp1252"]
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif data[1:8:2] == bytes(4):  # in UTF-16, one of the two bytes of a Latin letter is zero
        encodings = ["utf-16-le"]
    elif data[0:8:2] == bytes(4):
        encodings = ["utf-16-be"]
    for encoding in encodings:
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    raise InputError(f"{path}: is not text in UTF-8, UTF-16 or Windows-1252; save it as UTF-8")


def read_labels(labels: pd.Series, path: Path, finding: str, nofinding: str) -> tuple[pd.Series, tuple[str, ...]]:
    """Return labels as 1 and 0, from numbers, True and False, yes and no, or the names of the classes.

    Raises
    ------
    InputError
        A label is none of these. The message has its row.
    """
    meanings = dict.fromkeys(TRUE_WORDS, 1) | dict.fromkeys(FALSE_WORDS, 0)
    classes = {folder_key(finding): 1, folder_key(nofinding): 0}
    texts = labels.unique()
    # a number keeps its sign: CheXpert's -1 means uncertain, and is neither class
    read = {text: meanings.get(whole_number(text).casefold(), classes.get(folder_key(text))) for text in texts}
    result = labels.map(read)
    if result.isna().any():
        row = result.index[result.isna()][0]
        needed = f"write 1 for {finding}, or 0 for {nofinding}"
        found = f"the label {labels[row]!r}" if labels[row] else "no label"
        raise InputError(f"{path}: row {row} has {found}; {needed}")
    return result.astype(int), _notes_on_words(path, "labels", read)


def read_splits(splits: pd.Series, path: Path, allowed: Collection[str]) -> tuple[pd.Series, tuple[str, ...]]:
    """Return splits as train, val and test.

    Raises
    ------
    InputError
        A split is missing, or has another name. The message has its row.
    """
    names = dict.fromkeys(allowed) | SPLIT_NAMES
    read = {text: names.get(text.casefold(), "") or text.casefold() for text in splits.unique()}
    result = splits.map(read)
    is_wrong = ~result.isin(allowed)
    if is_wrong.any():
        row = splits.index[is_wrong][0]
        found = f"the split {splits[row]!r}" if splits[row] else "no split"
        raise InputError(f"{path}: row {row} has {found}; it must be one of {', '.join(allowed)}")
    return result, _notes_on_words(path, "splits", read)


def _notes_on_words(path: Path, what: str, read: Mapping[str, object]) -> tuple[str, ...]:
    """Return a note that lists the words of a table that are read as something else."""
    others = [f"{text!r} as {meaning}" for text, meaning in read.items() if text != str(meaning)]
    return (f"{path.name}: {what} are read as follows: {', '.join(others)}",) if others else ()


def read_patients(patients: pd.Series, path: Path) -> tuple[pd.Series, tuple[str, ...]]:
    """Return patient ids, with one spelling for each patient.

    Programs change ids, for example "007" to "7.0". Ids that differ only in such a way
    become equal (`cxrlib.images.pseudonym.patient_key` lists the ways). All other ids stay
    as they are, except for a ".0" at the end.

    Raises
    ------
    InputError
        A patient id is missing, or a spreadsheet has shortened it, as in 1.23E+12. The
        message has its row.
    """
    if (patients == "").any():
        row, num_blank = patients.index[patients == ""][0], int((patients == "").sum())
        found = f"{num_blank:,} films have no patient_id (first: row {row})"
        raise InputError(f"{path}: {found}; fill it in, or remove the column")
    if (is_short := patients.str.fullmatch(_SHORTENED)).any():
        row = patients.index[is_short][0]
        found = f"the patient_id {patients[row]}, which a spreadsheet has shortened"
        raise InputError(f"{path}: row {row} has {found}; write the whole id")
    ids = pd.Series(patients.unique())
    whole, keys = ids.map(whole_number), ids.map(patient_key)
    spellings = whole.groupby(keys).unique()
    names = [spellings[key][0] if len(spellings[key]) == 1 else key for key in keys]
    notes: tuple[str, ...] = ()
    if (is_read := whole != ids).any():
        notes += (f"patient ids such as {ids[is_read].iloc[0]} are read as {whole[is_read].iloc[0]}",)
    for first, second, *_ in [each for each in spellings if len(each) > 1][:1]:
        notes += (f"patient ids such as {first!r} and {second!r} are taken for one patient",)
    return patients.map(dict(zip(ids, names, strict=True))), tuple(f"{path.name}: {note}" for note in notes)


def read_ages(ages: pd.Series) -> pd.Series:
    """Return ages in years, from "58", "58,5", "058Y", "009M" or "012D"; NaN for what is no age of a person."""
    parts = ages.str.strip().str.upper().str.replace(",", ".").str.extract(r"^(\d{1,4}(?:\.\d+)?) *([YMWD]?)$")
    years = pd.to_numeric(parts[0]) * parts[1].map(YEARS)
    return years.where(years <= MAX_AGE)


def find_paths(
    paths: pd.Series, path: Path, films: Collection[str], left_out: Mapping[str, str], where: str
) -> tuple[pd.Series, tuple[str, ...]]:
    r"""Find the films that a table names, also by another case, with ``\``, or by the file name alone.

    Parameters
    ----------
    paths : Series of str
    path : Path
        The table. Its folder is the cohort.
    films : collection of str
        The films that are there, relative to the folder, with forward slashes.
    left_out : mapping of str to str
        Files that are there and are not read, with the reason.
    where : str
        The folders in which the films are, for the message.

    Raises
    ------
    InputError
        A path leads out of the folder, fits several films, or is not there.
    """
    known = set(films)
    is_there = paths.isin(known)
    if is_there.all():
        return paths, ()
    by_key: dict[str, list[str]] = defaultdict(list)
    by_name: dict[str, list[str]] = defaultdict(list)
    for film in films:
        by_key[_path_key(film)].append(film)
        by_name[_path_key(PurePosixPath(film).name)].append(film)
    found: dict[str, str] = {}
    missing: list[tuple[int, str]] = []
    for row, text in paths[~is_there].items():
        inside = _inside(text, path, int(row))
        fits = [inside] if inside in known else by_key.get(_path_key(inside), [])
        fits = fits or by_key.get(_path_key(inside.removeprefix(f"{path.parent.absolute().name}/")), [])
        if not fits and "/" not in inside:
            fits = by_name.get(_path_key(inside), [])
        if len(fits) > 1:
            both = f"{fits[0]} and {fits[1]}"
            raise InputError(f"{path}: row {row} names {text!r}, which may be {both}; write the whole path")
        if fits:
            found[text] = fits[0]
        else:
            missing.append((int(row), text))
    if missing:
        row, text = missing[0]
        reason = f", which is {left_out[text]} and is not read" if text in left_out else ""
        raise InputError(
            f"{path}: names {len(paths):,} films, of which {len(missing):,} are not in {where} "
            f"(first: row {row}, {text}{reason}); correct the paths, or remove the rows"
        )
    given, film = next(iter(found.items()))
    note = f"{path.name}: {len(found):,} paths are not spelled as the files are (first: {given!r} is read as {film})"
    return paths.where(is_there, paths.map(found)), (note,)


def _path_key(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _inside(text: str, table_file: Path, row: int) -> str:
    """Return a path of the table relative to the table's folder, and refuse it if it leads out of the folder."""
    path = text.replace("\\", "/")
    for root in (table_file.parent.absolute(), table_file.parent.resolve()):
        path = path.removeprefix(f"{root.as_posix()}/")
    pure = PurePosixPath(path)
    if pure.is_absolute() or re.match(r"[A-Za-z]:", path) or ".." in pure.parts:
        needed = f"a path below {table_file.parent} is needed"
        raise InputError(f"{table_file}: row {row} names {text!r}, which leads out of the folder; {needed}")
    return pure.as_posix()
