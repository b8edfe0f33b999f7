"""Say which tables and labels lie in a folder that has no class folders, and how `prepare` reads them."""

import csv
import gzip
import os
import re
import shlex
import zlib
from pathlib import Path

from cxrlib.cohorts.film_files import is_litter
from cxrlib.files import csv_rows

CHEXPERT = ("Path", "Frontal/Lateral")
"""Two headings by which CheXpert's table is known."""

_ON_PAGE = 'the page "On your own films" shows how to join its tables'

_COLLECTIONS = {
    "NIH ChestX-ray14": (("Image Index", "Finding Labels"), "cxr prepare reads it if its name begins with Data_Entry"),
    "CheXpert": (CHEXPERT, "cxr prepare reads it as it is"),
    "MIMIC-CXR-JPG": (("subject_id", "study_id"), _ON_PAGE),
    "PadChest": (
        ("ImageID", "ImageDir"),
        '--path-column ImageID --label-column Labels --view-column Projection --finding "pleural effusion"',
    ),
    "VinDr-CXR": (
        ("image_id", "class_name"),
        '--path-column image_id --label-column class_name --finding "Pleural effusion"',
    ),
    "RSNA's pneumonia challenge": (
        ("patientId", "Target"),
        "--path-column patientId --label-column Target --as lung_opacity --against all",
    ),
    "the Open-i collection": (("uid", "MeSH"), _ON_PAGE),
}
"""Collections of chest films: two headings by which the table of each is known, and how `prepare` reads it."""

_MAX_TABLES = 50
_MAX_HEADING = 20_000  # bytes
_MAX_LINES = 1000
_LABELS = re.compile(r"label|finding|class|target|diagnos|problem", re.IGNORECASE)
"""A heading with one of these words is shown with its labels. Our choice."""


def describe_tables(folder: Path) -> str:
    """Return which tables and labels are in a folder, or one folder below; "" if there are none.

    Examples
    --------
    >>> describe_tables(Path("rsna"))  # doctest: +SKIP
    "; stage_2_train_labels.csv is a table of RSNA's pneumonia challenge (labels in Target: 0, 1); cxr prepare reads it
    with --table stage_2_train_labels.csv --path-column patientId --label-column Target --as lung_opacity --against all"
    """
    seen = []
    for table in list_tables(folder):
        name, headings = table.relative_to(folder).as_posix(), read_headings(table)
        for collection, (wanted, how) in _COLLECTIONS.items():
            if set(wanted) <= set(headings):
                how = f"cxr prepare reads it with --table {shlex.quote(name)} {how}" if how.startswith("--") else how
                return f"; {name} is a table of {collection}{_describe_labels(table)}; {how}"
        if headings:
            shown = ", ".join(headings[:8]) + (", ..." if len(headings) > 8 else "")
            seen.append(f"{name} has the columns {shown}{_describe_labels(table)}")
    if not seen:
        return ""
    more = f", and {len(seen) - 3} more tables" if len(seen) > 3 else ""
    return f"; {'; '.join(seen[:3])}{more}; cxr prepare reads a table with --table, --path-column and --label-column"


def _describe_labels(table: Path) -> str:
    """Return the first labels in the columns that seem to hold labels, such as " (labels in Target: 0, 1)"."""
    headings, *rows = _read_start(table, _MAX_LINES) or [[]]
    seen = []
    for i, heading in enumerate(headings):
        labels = {row[i]: None for row in rows if _LABELS.search(heading) and i < len(row) and row[i]}
        if labels:
            shown = ", ".join(f"{label:.40}" for label in [*labels][:5])
            seen.append(f"labels in {heading}: {shown}{', ...' if len(labels) > 5 else ''}")
    return f" ({'; '.join(seen[:3])})" if seen else ""


def list_tables(folder: Path) -> list[Path]:
    """Return the CSV files in a folder and one folder below, at most 50 in each; the folder's own come first."""
    found: list[list[Path]] = [[], []]
    places = [(folder, 0)]
    while places:
        place, depth = places.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.name.lower().endswith((".csv", ".csv.gz", ".tsv")):
                        if entry.is_file() and not is_litter(entry.name):
                            found[depth].append(place / entry.name)
                    elif depth == 0 and entry.is_dir() and not is_litter(entry.name):
                        places.append((place / entry.name, 1))
        except OSError:
            continue
    return [table for tables in found for table in sorted(tables)[:_MAX_TABLES]]


def read_headings(table: Path) -> list[str]:
    """Return the first line of a table, split into its headings; an empty list if the file cannot be read."""
    return next(iter(_read_start(table, 1)), [])


def _read_start(table: Path, num_lines: int) -> list[list[str]]:
    """Return the first lines of a table, split into cells; an empty list if the file cannot be read."""
    try:
        with gzip.open(table) if table.suffix.lower() == ".gz" else table.open("rb") as file:
            lines = [file.readline(_MAX_HEADING) for _ in range(num_lines)]
    except (OSError, EOFError, zlib.error):
        return []
    text = [line.decode("utf-8-sig", "replace").strip() for line in lines if line]
    separator = max(",;\t", key=text[0].count) if text else ","
    rows: list[list[str]] = []
    try:
        for cells in csv_rows(text, delimiter=separator, skipinitialspace=True):
            rows.append([cell.strip() for cell in cells])
    except (ValueError, csv.Error):
        pass  # a cell in quotes may go on after the lines that were read
    return rows
