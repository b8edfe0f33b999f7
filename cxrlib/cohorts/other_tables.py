"""Say which collection's table lies in a folder that has no class folders, so that the user is not left to guess."""

import gzip
import os
import zlib
from pathlib import Path

from cxrlib.cohorts.film_files import is_litter

_COLLECTIONS = {
    "NIH ChestX-ray14": ("Image Index", "Finding Labels"),
    "CheXpert": ("Path", "Frontal/Lateral"),
    "MIMIC-CXR": ("subject_id", "study_id"),
    "PadChest": ("ImageID", "ImageDir"),
    "VinDr-CXR": ("image_id", "class_name"),
    "RSNA's pneumonia challenge": ("patientId", "Target"),
    "the Open-i collection": ("uid", "MeSH"),
    "the COVID-19 image collection": ("patientid", "finding"),
}
"""Collections of chest films, and two headings by which the table of each is known."""

_MAX_TABLES = 50
_MAX_HEADING = 20_000  # bytes


def describe_tables(folder: Path) -> str:
    """Return what the tables in a folder, or one folder below, are; "" if there are none.

    Examples
    --------
    >>> describe_tables(Path("CheXpert-v1.0-small"))  # doctest: +SKIP
    '; train.csv is a table of CheXpert, which is not read yet: sort its films into class folders'
    """
    seen = ""
    for table in list_tables(folder):
        name = table.relative_to(folder).as_posix()
        headings = read_headings(table)
        for collection, wanted in _COLLECTIONS.items():
            if set(wanted) <= set(headings):
                needed = "is not read yet: sort its films into class folders"
                if collection.startswith("NIH"):
                    needed = "is read if its name begins with Data_Entry"
                return f"; {name} is a table of {collection}, which {needed}"
        if not seen and headings:
            shown = ", ".join(headings[:5]) + (" ..." if len(headings) > 5 else "")
            seen = f"; the table {name} ({shown}) cannot take the place of these folders"
    return seen


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
    try:
        with gzip.open(table) if table.suffix.lower() == ".gz" else table.open("rb") as file:
            line = file.readline(_MAX_HEADING)
    except (OSError, EOFError, zlib.error):
        return []
    text = line.decode("utf-8-sig", "replace").strip()
    separator = max(",;\t", key=text.count)
    return [heading.strip().strip('"').strip() for heading in text.split(separator)]
