"""Small files of text: tables as CSV, and settings as JSON."""

import io
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from cxrlib.headers import InputError, read_bytes

MOST_CSV, MOST_JSON = 200_000_000, 10_000_000
"""Bytes; NIH's table of 112,120 films has 8 million, a recipe less than a thousand."""


def read_csv(path: Path, *, needed: tuple[str, ...], may_be_empty: bool = False, **options) -> pd.DataFrame:
    """Read a CSV, as text with empty cells as "" if pandas' options do not say otherwise, and insist on its columns.

    Raises
    ------
    InputError
        It cannot be read, lacks a column, or has no rows.
    """
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
