"""What DICOM headers say about the films of a cohort: patient, view, sex and age; and which films are lateral."""

from collections.abc import Sequence
from dataclasses import astuple, fields
from itertools import compress
from pathlib import Path

import pandas as pd

from cxrlib.cohorts.split import HEADER_PATIENT, MAX_MEAN_FILMS
from cxrlib.files import map_in_order
from cxrlib.images.film_facts import FilmHeader, is_lateral
from cxrlib.images.radiograph import is_dicom_file, read_header


def add_headers(table: pd.DataFrame, files: Sequence[Path]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Add what the headers of DICOM films say, in columns that the table does not have yet.

    Parameters
    ----------
    table : DataFrame
        One row for each film.
    files : sequence of paths
        The film of each row.

    Returns
    -------
    table : DataFrame
        With ``patient_id``, ``view``, ``sex`` and ``age`` where a header knows them. A
        ``patient_id`` is "" if the header of that film names no patient. Otherwise it is
        `HEADER_PATIENT` and a salted hash.
    notes : tuple of str
    """
    missing = [column for column in ("patient_id", "view", "sex", "age") if column not in table]
    if not missing:
        return table, ()
    is_dicom = [is_dicom_file(file) for file in files]
    if not any(is_dicom):
        return table, ()
    found = map_in_order(read_header, compress(files, is_dicom))
    rows = [astuple(next(found)) if each else astuple(FilmHeader()) for each in is_dicom]
    headers = pd.DataFrame(rows, table.index, [column.name for column in fields(FilmHeader)])
    named = headers.loc[headers["patient_id"] != "", "patient_id"]
    notes: tuple[str, ...] = ()
    if "patient_id" in missing and len(named):
        if len(named) > 2 and (named == named.iloc[0]).all():
            notes += (f"all {len(named):,} DICOM headers name the same patient: taken for a placeholder, and not used",)
            headers["patient_id"] = ""
        else:
            notes += (f"{len(named):,} films have patients from DICOM headers; only a salted hash of each id is kept",)
            headers.loc[named.index, "patient_id"] = HEADER_PATIENT + named
            most = int(named.value_counts().iloc[0])
            if most > max(MAX_MEAN_FILMS, len(named) / 2):
                sentence = f"{most:,} DICOM headers name the same patient, so these films go into one split"
                notes += (f"{sentence}; check that this patient is no placeholder",)
    headers["age"] = headers["age"].astype(float)
    known = [column for column in missing if (headers[column].notna() & (headers[column] != "")).any()]
    return table.assign(**{column: headers[column] for column in known}), notes


def leave_out_laterals(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the films that are not lateral by their column ``view``, and a note that counts the others."""
    if "view" not in table:
        return table, ()
    lateral = table["view"].isin([view for view in table["view"].unique() if is_lateral(view)])
    if not lateral.any():
        return table, ()
    note = f"{lateral.sum():,} lateral films are left out; keep them with --keep-laterals"
    return table[~lateral].reset_index(drop=True), (note,)
