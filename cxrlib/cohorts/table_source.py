"""Read a collection whose labels stand in one table: CheXpert, PadChest, VinDr-CXR, RSNA or a hospital's own.

A column of labels has one of two forms. Either it holds values for one finding: 1,
0, -1 for uncertain, or nothing. Or it holds the names of findings, one or several in
a cell, and a film may have several rows.
"""

import filecmp
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from cxrlib.cohorts.cohort import add_patients, check_both_classes, class_name, plain_name
from cxrlib.cohorts.film_files import FilmFiles, list_films
from cxrlib.cohorts.film_headers import leave_out_laterals
from cxrlib.cohorts.other_tables import CHEXPERT, list_tables, read_headings
from cxrlib.cohorts.source import Source, check_against
from cxrlib.cohorts.split import SPLITS, UNKNOWN_PATIENT, add_missing_val
from cxrlib.cohorts.user_table import (
    FALSE_WORDS,
    SPLIT_NAMES,
    TRUE_WORDS,
    folder_key,
    read_ages,
    read_patients,
    read_splits,
    read_user_table,
)
from cxrlib.errors import InputError
from cxrlib.images.film_facts import is_lateral
from cxrlib.images.pseudonym import whole_number
from cxrlib.images.radiograph import SUFFIXES, open_radiograph

UNCERTAIN = ("ignore", "positive", "negative")
"""What becomes of films whose label is uncertain: U-Ignore, U-Ones and U-Zeros of the CheXpert paper."""

UNCERTAIN_WORDS = ("-1", "uncertain")
"""Labels, in lower case, that mean uncertain. CheXpert and MIMIC-CXR-JPG write -1."""

NO_FINDING_WORDS = ("nofinding", "normal")
"""What collections call films without any finding, as `folder_key` spells it. PadChest and Open-i say normal."""

OTHER_COLUMNS = {
    "sex": ("sex", "gender", "patientsex", "patientgender", "patientsexdicom"),
    "age": ("age", "patientage"),
    "split": ("split",),
}
"""Columns that are read without being named, and the headings by which they are known, as `folder_key` spells them."""

_LIST_ITEM = re.compile(r"'([^']*)'|\"([^\"]*)\"")
"""The words in a cell that holds a Python list as text, as in PadChest: ['pleural effusion', 'cardiomegaly']."""

_UNCERTAIN, _BLANK = -1, -2
"""States of a label besides 1 and 0."""

_MAX_NAMES = 12
"""A message lists no more labels."""

_MAX_START = 4
"""So many folders at the start of the films' paths may be absent in the table. Our choice."""


@dataclass(frozen=True, kw_only=True)
class TableLayout:
    """Say which table holds the labels, and what its columns mean.

    Headings are found in any case. The columns of CheXpert's table need not be named.

    Attributes
    ----------
    table : path-like or None
        A CSV file, also packed as ``.csv.gz``. Its path is relative to the collection's
        folder or to the working folder.
    path_column : str or None
        The column with the films' paths, or with their names with or without an ending.
    label_column : str or None
        The column with the values 1, 0, -1 or nothing for one finding, or with the
        names of findings. None means the column named like the finding.
    patient_column : str or None
        None means that patients are known from DICOM headers, or from names of files
        and folders.
    view_columns : tuple of str
        The first that has a value tells the view. A film is lateral if one of them says
        so.
    uncertain : {"ignore", "positive", "negative"}
        What becomes of films whose label is uncertain.

    Examples
    --------
    >>> TableLayout(table="stage_2_train_labels.csv", path_column="patientId", label_column="Target").uncertain
    'ignore'
    """

    table: str | Path | None = None
    path_column: str | None = None
    label_column: str | None = None
    patient_column: str | None = None
    view_columns: tuple[str, ...] = ()
    uncertain: str = "ignore"


def find_chexpert_table(folder: Path) -> Path | None:
    """Return CheXpert's table in a folder, train.csv before others; None if there is none."""
    return min(_list_chexpert(folder), key=lambda table: not table.name.lower().startswith("train"), default=None)


def open_source(
    folder: Path,
    layout: TableLayout,
    *,
    finding: str | None = None,
    negative: str | None = None,
    against: str = "nofinding",
    seed: int = 0,
    allow_missing: bool = False,
    keep_laterals: bool = False,
    accept: Collection[str] = (),
) -> Source:
    """Return the films of a finding and the films to compare them with, as a table labels them.

    Parameters
    ----------
    folder : Path
        The films lie anywhere below it.
    layout : TableLayout
        Its table must be named.
    finding : str or None
        The collection's own word, such as "Pleural Effusion", in any case. None means
        the name of the label column, and Effusion for CheXpert.
    negative : str or None
        The collection's word for films without any finding. None means "No Finding" or
        "normal".
    against : {"nofinding", "all"}
        Compare with films without any finding, or with all others.
    seed : int
        If the table has a split without val, it draws val from train.
    allow_missing : bool
        Leave out the films that are not there, with a note. By default missing films
        are an error.
    keep_laterals : bool
        Keep films that the table or a DICOM header calls lateral.
    accept : collection of str
        As in `cxrlib.images.radiograph.open_radiograph`.

    Returns
    -------
    Source
        Its table has ``source``, ``label`` (1 = the finding), ``patient_id``, and where
        they are known ``split``, ``view``, ``sex``, ``age`` (years) and ``findings``.

    Raises
    ------
    InputError
        The table cannot be used, or a column is missing. A label has another value. Two
        rows for one film disagree. Films are not there. A class is empty.
    """
    check_against(against)
    if layout.uncertain not in UNCERTAIN:
        raise InputError(f"uncertain is {layout.uncertain!r:.80}; it must be one of {', '.join(UNCERTAIN)}")
    if not folder.is_dir():
        raise InputError(f"{folder}: {'is a file, not a folder' if folder.exists() else 'no such folder'}")
    table_file = _find_table(folder, layout)
    headings = read_headings(table_file)
    layout, finding = _complete(layout, finding, headings, table_file)
    rows, columns, notes = _read_rows(table_file, layout, headings, negative)
    films = list_films(folder)
    path_of_text, path_notes = match_paths(rows["path"].unique(), films.paths, folder, table_file)
    rows["source"] = rows["path"].map(path_of_text).astype(object)
    # a film that is not there is called as in the table
    rows["film"] = [path_of_text.get(text, text) for text in rows["path"]]
    asked = _Asked(table_file, columns, layout.uncertain, finding, negative, against)
    lateral_notes: tuple[str, ...] = ()
    if any(use.startswith("view ") for use in columns):
        rows["view"] = _read_views(rows, asked)
        if not keep_laterals:
            _, lateral_notes = leave_out_laterals(rows[~rows["film"].duplicated()])
            lateral = [text for text in rows["view"].unique() if is_lateral(text)]
            rows = rows[~rows["view"].isin(lateral)]
            if rows.empty:
                raise InputError(f"{table_file}: all its films are lateral; keep them with --keep-laterals")
    chosen, word, label_notes = _choose(rows, asked)
    table, fact_notes = _add_facts(chosen, rows, asked)
    notes += path_notes + lateral_notes + label_notes + fact_notes
    if _is_chexpert(headings) and (others := [each for each in _list_chexpert(folder) if each.name != table_file.name]):
        notes += (f"not read: {', '.join(each.name for each in others)}; name such a table with --table",)
    check_both_classes(
        table["label"], word, f"{table_file}: of {rows['film'].nunique():,} films", advice=_join_notes(notes)
    )
    table, missing_notes = _leave_out_missing(table, films, folder, table_file, allow_missing)
    notes += missing_notes
    if num_extra := len(set(films.paths) - set(path_of_text.values())):
        notes += (f"{num_extra:,} films in the folder are not in {table_file.name} and are left out",)
    below = f"{folder.resolve().name}/"  # the names of the folders may tell the patients, from the second on
    table, patient_notes = add_patients(folder, table.rename(columns={"source": "path"}), below=below)
    lateral_notes = ()
    if not keep_laterals:  # those that only a DICOM header calls lateral
        table, lateral_notes = leave_out_laterals(table)
    notes += patient_notes + lateral_notes
    if "split" in table:
        table, split_notes = add_missing_val(table, seed)
        notes += (f"the split is that of the column {columns['split']}", *split_notes)
    check_both_classes(table["label"], word, f"{table_file}: of the films that are there", advice=_join_notes(notes))
    table = table.reset_index(drop=True)
    return Source(
        path=folder,
        finding=class_name(word),
        table=table.rename(columns={"path": "source"}),
        films=[folder / path for path in table["path"]],
        read=partial(open_radiograph, accept=accept),
        notes=notes + films.notes,
        knows_patients=not table["patient_id"].str.startswith(UNKNOWN_PATIENT).all(),
        origin={"table": table_file.name, "word": word, "uncertain": layout.uncertain},
    )


def _join_notes(notes: tuple[str, ...]) -> str:
    return "".join(f"; {note}" for note in notes)


class _Asked(NamedTuple):
    """The table, the headings of its columns by their use, and which of its films are wanted."""

    table_file: Path
    columns: dict[str, str]
    uncertain: str
    finding: str | None
    negative: str | None
    against: str

    def means_no_finding(self, word: str) -> bool:
        """Return whether a heading or a label says that a film has no finding at all."""
        return folder_key(word) in ((folder_key(self.negative),) if self.negative else NO_FINDING_WORDS)


def _list_chexpert(folder: Path) -> list[Path]:
    return [table for table in list_tables(folder) if _is_chexpert(read_headings(table))]


def _is_chexpert(headings: list[str]) -> bool:
    return set(CHEXPERT) <= set(headings)


def _find_table(folder: Path, layout: TableLayout) -> Path:
    if layout.table is None:
        raise InputError(f"{folder}: the table is not named (--table), and it is not CheXpert's")
    for place in (folder / layout.table, Path(layout.table)):
        if place.is_file():
            return place
    raise InputError(f"{layout.table}: there is no such table, neither in {folder} nor in the working folder")


def _complete(
    layout: TableLayout, finding: str | None, headings: list[str], table_file: Path
) -> tuple[TableLayout, str | None]:
    """Return the layout with the columns of CheXpert and of the finding filled in, and the finding."""
    if _is_chexpert(headings) and layout.path_column is None:
        layout = replace(layout, path_column=CHEXPERT[0], view_columns=layout.view_columns or ("AP/PA", CHEXPERT[1]))
        finding = finding or layout.label_column or "Effusion"
    found = f"(found: {', '.join(headings)})"
    if layout.path_column is None:
        raise InputError(f"{table_file}: the column of the paths is not named (--path-column) {found}")
    if layout.label_column is None:
        if (label_column := _find_word(finding, headings) if finding else None) is None:
            asked = f"no column is named {finding!r:.80}" if finding else "the column of the labels is not named"
            raise InputError(f"{table_file}: {asked}; name one with --label-column {found}")
        layout = replace(layout, label_column=label_column)
    return layout, finding


def _find_word(finding: str, words: Iterable[str]) -> str | None:
    """Return the word that means the finding: the same in another spelling, or else one whose class is the same."""
    words = list(words)
    same = [word for word in words if folder_key(word) == folder_key(finding)]
    return next(iter(same or [word for word in words if plain_name(word) == plain_name(finding) != ""]), None)


def _read_rows(
    table_file: Path, layout: TableLayout, headings: list[str], negative: str | None
) -> tuple[pd.DataFrame, dict[str, str], tuple[str, ...]]:
    """Return the rows as text with a column for each use, the headings by use, and notes."""
    spelled = {folder_key(heading): heading for heading in headings if heading}
    asked = {"path": layout.path_column, "label": layout.label_column, "patient_id": layout.patient_column}
    asked |= {f"view {i}": name for i, name in enumerate(layout.view_columns)}
    columns = {use: spelled.get(folder_key(name), name) for use, name in asked.items() if name}
    optional = OTHER_COLUMNS | {"no finding": (folder_key(negative),) if negative else NO_FINDING_WORDS}
    for use, keys in optional.items():
        if heading := next((spelled[key] for key in keys if spelled.get(key) not in (None, columns["label"])), None):
            columns[use] = heading
    needed = tuple(dict.fromkeys(columns[use] for use in columns if use in asked))
    known = tuple(dict.fromkeys(columns.values()))
    rows, notes = read_user_table(table_file, needed=needed, known=known, only_known=True)
    return pd.DataFrame({use: rows[heading] for use, heading in columns.items()}), columns, notes


def _choose(rows: pd.DataFrame, asked: _Asked) -> tuple[pd.DataFrame, str, tuple[str, ...]]:
    """Return the films to compare, the collection's word for the finding, and notes.

    There is one row for each film, with the number of the first row that names it:
    ``source``, ``film``, ``row``, ``label``, and ``findings`` where the labels are names.
    """
    heading = asked.columns["label"]
    is_named_so = asked.finding is None or _find_word(asked.finding, [heading]) is not None
    if is_named_so or _read_values(rows["label"]).notna().all():
        word = heading if is_named_so else str(asked.finding)
        films, notes = _label_by_values(rows, asked, word)
    else:
        films, word, notes = _label_by_names(rows, asked)
    uncertain = films["state"] == _UNCERTAIN
    if count := int(uncertain.sum()):
        fate = "left out" if asked.uncertain == "ignore" else f"taken as {asked.uncertain}"
        notes += (f"{count:,} films have an uncertain label and are {fate} (--uncertain {asked.uncertain})",)
        if asked.uncertain != "ignore":
            films.loc[uncertain, "state"] = int(asked.uncertain == "positive")
    is_positive, is_negative = films["state"] == 1, films["state"] == 0
    if asked.against == "nofinding":
        if count := int((is_negative & ~films["is_normal"]).sum()):
            notes += (f"{count:,} films have other findings and are left out (--against all takes them, too)",)
        is_negative &= films["is_normal"]
    films = films.assign(label=is_positive.astype(int), row=films.index).drop(columns=["state", "is_normal"])
    return films[is_positive | is_negative], word, notes


def _read_values(labels: pd.Series) -> pd.Series:
    """Return 1, 0 or `_UNCERTAIN` for each label, `_BLANK` for none, and NaN for another text."""
    meanings = dict.fromkeys(TRUE_WORDS, 1) | dict.fromkeys(FALSE_WORDS, 0) | dict.fromkeys(UNCERTAIN_WORDS, _UNCERTAIN)
    meanings[""] = _BLANK
    return labels.map({text: meanings.get(whole_number(text).casefold()) for text in labels.unique()}).astype(float)


def _label_by_values(rows: pd.DataFrame, asked: _Asked, word: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return each film with its state by the values of one column, and whether the column No Finding says 1."""
    states = {use: _read_values(rows[use]) for use in ("label", "no finding") if use in rows}
    for use, state in states.items():
        if (is_other := state.isna()).any():
            row = rows.index[is_other][0]
            needed = "1, 0, -1 (uncertain) or nothing is needed; if the column names findings, choose one (--finding)"
            found = f"row {row} has {rows.loc[row, use]!r:.80} in the column {asked.columns[use]}"
            raise InputError(f"{asked.table_file}: {found}; {needed}")
        _check_agreement(rows, state, use, asked)
    if asked.against == "nofinding" and "no finding" not in states:
        raise InputError(
            f"{asked.table_file}: no column {asked.negative or 'No Finding'}, so films without any finding are not "
            "known; compare with all other films (--against all), or name the column (--negative)"
        )
    films = rows[["source", "film"]].assign(state=states["label"], is_normal=states.get("no finding", 0) == 1)
    films = films[~films["film"].duplicated()]
    if (is_both := (films["state"] == 1) & films["is_normal"]).any():
        row, normal = films.index[is_both][0], asked.columns["no finding"]
        raise InputError(f"{asked.table_file}: row {row} says both {word} and {normal}; correct one of them")
    notes: tuple[str, ...] = ()
    if (is_blank := films["state"] == _BLANK).any():
        if "no finding" not in states:
            row = films.index[is_blank][0]
            raise InputError(f"{asked.table_file}: row {row} has no label; write 1, 0 or -1 (uncertain)")
        # as in CheXpert, where the cells of what a report does not mention are empty
        films = films.assign(state=films["state"].where(~is_blank, 0))
        if asked.against == "all":
            notes = (f"{is_blank.sum():,} films have no entry for {word} and count as films without it",)
    return films, notes


def _label_by_names(rows: pd.DataFrame, asked: _Asked) -> tuple[pd.DataFrame, str, tuple[str, ...]]:
    """Return each film with its state by the names in one column, which may stand in several rows of the film."""
    names_in = {text: _split_names(text) for text in rows["label"].unique()}
    count = Counter(name for text in rows["label"] for name in names_in[text])
    seen = ", ".join(repr(name) for name, _ in count.most_common(_MAX_NAMES)) + (
        ", ..." if len(count) > _MAX_NAMES else ""
    )
    where = f"{asked.table_file}: the column {asked.columns['label']}"
    if (word := _find_word(asked.finding or "", count)) is None:
        raise InputError(f"{where} has no {asked.finding!r:.80}; it has {seen or 'no labels'}")
    normal = {name for name in count if asked.means_no_finding(name)}
    if not normal and asked.against == "nofinding":
        raise InputError(
            f"{where} has no {asked.negative or 'No Finding'} (it has {seen}), so films without any finding are not "
            "known; name their label (--negative), or compare with all other films (--against all)"
        )
    has = {
        "finding": lambda names: any(folder_key(name) == folder_key(word) for name in names),
        "normal": lambda names: any(name in normal for name in names),
        "other": lambda names: any(name not in normal and folder_key(name) != folder_key(word) for name in names),
    }
    flags = {
        use: rows["label"].map({text: rule(names) for text, names in names_in.items()}) for use, rule in has.items()
    }
    films = rows[["source", "film"]].assign(**flags)
    films[list(flags)] = films.groupby("film")[list(flags)].transform("any")
    films["findings"] = _join_names(rows, names_in)
    films = films[~films["film"].duplicated()]
    is_both = films["finding"] & films["normal"]
    films["state"] = np.select([is_both, films["finding"]], [_UNCERTAIN, 1], 0)
    films["is_normal"] = films["normal"] & ~films["finding"] & ~films["other"]
    notes: tuple[str, ...] = ()
    if is_both.any():
        notes += (f"{is_both.sum():,} films are called both {word!r} and {min(normal)!r}, which counts as uncertain",)
    if (is_blank := ~films[list(flags)].any(axis=1)).any():
        notes += (f"{is_blank.sum():,} films have no label and are left out",)
    return films.loc[~is_blank, ["source", "film", "state", "is_normal", "findings"]], word, notes


def _split_names(cell: str) -> tuple[str, ...]:
    """Return the names in a cell: of a Python list as text, or with | or ; between them."""
    found = [a or b for a, b in _LIST_ITEM.findall(cell)] if cell.startswith("[") else re.split(r"[|;]", cell)
    return tuple(name.strip() for name in found if name.strip())


def _join_names(rows: pd.DataFrame, names_in: dict[str, tuple[str, ...]]) -> pd.Series:
    """Return all the names of each row's film, each once, with | between them."""
    joined = rows["label"].map({text: "|".join(dict.fromkeys(names)) for text, names in names_in.items()})
    if not (is_repeated := rows["film"].duplicated(keep=False)).any():
        return joined
    of_film = (
        joined[is_repeated].groupby(rows["film"]).agg(lambda texts: "|".join(dict.fromkeys("|".join(texts).split("|"))))
    )
    return joined.where(~is_repeated, rows["film"].map(of_film)).str.strip("|")


def _check_agreement(rows: pd.DataFrame, values: pd.Series, use: str, asked: _Asked) -> None:
    """Refuse rows that name one film and have different values in a column."""
    repeated = rows["film"].duplicated(keep=False)
    of_film = values[repeated].groupby(rows["film"][repeated])
    differs = values[repeated] != of_film.transform("first")
    if differs.any():
        row = differs.index[differs][0]
        film = rows.loc[row, "film"]
        first = rows.index[rows["film"] == film][0]
        found = f"rows {first} and {row} name one film, {film}, and have {rows.loc[first, use]!r:.80}"
        different = f"and {rows.loc[row, use]!r:.80} in the column {asked.columns[use]}"
        raise InputError(f"{asked.table_file}: {found} {different}; keep one of them")


def _read_views(rows: pd.DataFrame, asked: _Asked) -> pd.Series:
    """Return the view of each row's film: the first that a column tells, or a lateral one if a column tells one."""
    uses = [use for use in rows if use.startswith("view ")]
    lateral = {text: is_lateral(text) for use in uses for text in rows[use].unique()}
    view = pd.Series("", rows.index)
    for use in uses:
        _check_agreement(rows, rows[use], use, asked)
        replaces = (view == "") | (rows[use].map(lateral) & ~view.map(lateral | {"": False}))
        view = view.where(~replaces, rows[use])
    return view


def _add_facts(chosen: pd.DataFrame, rows: pd.DataFrame, asked: _Asked) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Add view, patient, sex, age and split to the films that were chosen, and return notes as well."""
    table = chosen.copy()
    rows = rows[rows["film"].isin(chosen["film"])]
    if "view" in rows:
        table["view"] = rows.loc[table.index, "view"]
    notes: tuple[str, ...] = ()
    for use in ("patient_id", "split"):
        if use in rows:
            _check_agreement(rows, rows[use], use, asked)
    if "patient_id" in rows:
        table["patient_id"], notes = read_patients(rows.loc[table.index, "patient_id"], asked.table_file)
    if "sex" in rows:
        sex = rows.loc[table.index, "sex"]
        table["sex"] = sex.where(~sex.str.lower().isin(["male", "female"]), sex.str[:1].str.upper())
    if "age" in rows:
        table["age"] = read_ages(rows.loc[table.index, "age"]).floordiv(1).astype("Int64")
    if "split" in rows:
        split = rows.loc[table.index, "split"].str.casefold()
        if set(split) <= {*SPLITS, *SPLIT_NAMES}:
            table["split"], split_notes = read_splits(split, asked.table_file, SPLITS)
            notes += split_notes
        else:
            other = next(text for text in split if text not in {*SPLITS, *SPLIT_NAMES})
            notes += (f"the column {asked.columns['split']} is not used: it has {other!r}, which is no split",)
    return table, notes


def match_paths(
    texts: Iterable[str], films: Sequence[str], folder: Path, table_file: Path
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Find the films that a table names by their paths, or by their names with or without an ending.

    A table may have been made in another folder: its paths begin with folders that are
    not here, or lack some that are. All paths differ in the same way, so the start
    that fits most of them is taken. Case does not count.

    Parameters
    ----------
    texts : iterable of str
        What the table has, each once.
    films : sequence of str
        The films that are there, relative to the folder.
    folder, table_file : Path
        Two films with one name are compared, and messages begin with the table.

    Returns
    -------
    path_of_text : dict of str to str
        The film of each text. A text whose film is not there is absent.
    notes : tuple of str

    Raises
    ------
    InputError
        A text fits two films that differ.
    """
    key_of = {text: re.sub(r"[/\\](\.?[/\\])*", "/", _path_key(text)).strip("/").removeprefix("./") for text in texts}
    names = {text: key for text, key in key_of.items() if "/" not in key}
    paths = {text: key for text, key in key_of.items() if "/" in key}
    by_name = _Index(film.rpartition("/")[2] for film in films) if names else _Index(())
    found = by_name.look_up(names, films, folder, table_file)
    count, best, index = 0, paths, by_name
    depth = max((key.count("/") for key in paths.values()), default=0)
    for num_less in range(_MAX_START if paths else 0):  # folders that begin the films' paths and not the table's
        shorter = _Index(film.split("/", num_less)[-1] if film.count("/") >= num_less else "" for film in films)
        for num_more in range(depth + 1):  # folders that begin the table's paths and not the films'
            keys = {text: key.split("/", num_more)[-1] for text, key in paths.items()}
            if (num_found := len(set(keys.values()) & shorter.first.keys())) > count:
                count, best, index = num_found, keys, shorter
        if count == len(paths):
            break
    by_path = index.look_up(best, films, folder, table_file) if count else {}
    text, film = next((pair for pair in by_path.items() if key_of[pair[0]] != _path_key(pair[1])), ("", ""))
    notes = (f"{table_file.name}: paths begin otherwise than here: {text} is read as {film}",) if text else ()
    return found | by_path, notes


def _path_key(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


class _Index:
    """The numbers of paths by the path, and by the path without its ending."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.first: dict[str, int] = {}
        self.others: dict[str, list[int]] = defaultdict(list)
        for number, path in enumerate(map(_path_key, paths)):
            stem, dot, ending = path.rpartition(".")
            for key in (path, stem) if f"{dot}{ending}" in SUFFIXES else (path,):
                if key and self.first.setdefault(key, number) != number:
                    self.others[key].append(number)

    def look_up(self, keys: dict[str, str], films: Sequence[str], folder: Path, table_file: Path) -> dict[str, str]:
        """Return the film of each text whose key is here. Several films must be copies of one file."""
        found: dict[str, str] = {}
        for text, key in keys.items():
            if key not in self.first:
                continue
            fits = [films[number] for number in (self.first[key], *self.others.get(key, ()))]
            found[text], *others = [film for film in fits if film.endswith(text)] or fits
            for other in others:
                if not filecmp.cmp(folder / found[text], folder / other, shallow=False):
                    either = f"{found[text]} or {other}"
                    raise InputError(f"{table_file}: {text} may be {either} in {folder}; remove one of them")
        return found


def _leave_out_missing(
    table: pd.DataFrame, films: FilmFiles, folder: Path, table_file: Path, allow_missing: bool
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the films that are there, and a note that counts the others; without `allow_missing`, refuse others."""
    missing = table[table["source"].isna()]
    kept = table.drop(columns=["film", "row"])
    if missing.empty:
        return kept, ()
    examples = ", ".join(f"{film:.120} in row {row}" for film, row in missing[["film", "row"]].head(3).to_numpy())
    found = f"{len(missing):,} of {len(table):,} films are not below {folder} ({examples})"
    if not allow_missing or len(missing) == len(table):
        there = f"films there are such as {films.paths[0]}" if films.paths else "no films are there"
        advice = "correct the paths, get the films, or leave them out with --allow-missing"
        raise InputError(f"{table_file}: {found}; {there}; {advice}")
    return kept.dropna(subset="source"), (f"{table_file.name}: {found}: they are left out",)
