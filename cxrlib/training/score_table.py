"""A table of scores that is written row by row, so that an interrupted call can go on where it stopped.

Beside OUT.csv lies OUT.csv.made.json. It says with which run, threshold and options the
rows were made. Rows that were made otherwise are never added to them.
"""

import csv
import hashlib
import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import check_threshold
from cxrlib.files import LOCK, check_file, csv_rows, locked, read_json, refuse_link, spreadsheet_text, write_text
from cxrlib.images.film_facts import check_accept
from cxrlib.training.manifest import hash_file
from cxrlib.training.run import Prediction, Run

COLUMNS = ("path", "score", "threshold", "finding", "warnings", "error")

MADE_SUFFIX = ".made.json"
"""The end of the name of the file that says how a table was made; its start is the name of the table."""

MAX_BYTES = 2_000_000_000
"""A larger table is refused. A million films have about 150 million bytes."""

_LINE_BYTES = 1 << 20  # no row is longer


class ScoreTable:
    """The rows of a table that `open_score_table` has opened.

    Attributes
    ----------
    counts : Counter of str
        The rows with each content of the column ``finding``, which is "" without a score, and
        those with "warnings".
    """

    def __init__(self, rows: Iterable[list[str]], file: IO[str], *, folder: str):
        self.counts = Counter[str]()
        self._has_score: dict[str, bool] = {}
        self._file = file
        self._folder = folder  # to which relative paths in the table are relative
        self._writer = csv.writer(file, lineterminator="\n")
        for row in rows:
            self._count(row)

    def missing(self, paths: Collection[str]) -> list[str]:
        """Return the paths that have no row yet, in their order.

        Raises
        ------
        InputError
            Two paths would look the same in the table, because characters that cannot be
            shown are escaped. Or a path is relative, and the table was begun in another
            folder: there, the same path names another film.
        """
        relative = [path for path in paths if not os.path.isabs(path)]
        if relative and os.getcwd() != self._folder:
            raise InputError(
                f"{relative[0]}: is relative to the current folder, {os.getcwd()}, but the table was begun in "
                f"{self._folder}; call the command there, or name a new file"
            )
        cells = [spreadsheet_text(path) for path in paths]
        if len(set(cells)) < len(cells):
            twice = Counter(cells).most_common(1)[0][0]
            raise InputError(f"{twice}: two films would have this path in the table; rename one of them")
        return [path for path, cell in zip(paths, cells, strict=True) if cell not in self._has_score]

    def add(self, path: str, result: Prediction | InputError) -> None:
        """Write the row of one film. It is in the file when this returns, even if the process is killed then."""
        if isinstance(result, InputError):
            numbers, texts = ["", "", ""], ["", str(result)]
        else:
            numbers = [repr(result.score), repr(result.threshold), str(int(result.finding))]
            texts = ["; ".join(result.warnings), ""]
        row = [spreadsheet_text(path), *numbers, *map(spreadsheet_text, texts)]
        self._writer.writerow(row)
        self._file.flush()
        self._count(row)

    def all_have_scores(self, paths: Iterable[str]) -> bool:
        """Return whether each of these films, all of which have a row, has a score."""
        return all(self._has_score[spreadsheet_text(path)] for path in paths)

    def describe(self, finding: str) -> str:
        """Return how many rows there are of each kind.

        Parameters
        ----------
        finding : str
            The name of the positive class.
        """
        count = self.counts
        sentence = f"{len(self._has_score):,} films: {count['1']:,} {finding}, {count['0']:,} nofinding"
        sentence += f"; {count['warnings']:,} of them with warnings" if count["warnings"] else ""
        return sentence + (f"; {count['']:,} could not be read" if count[""] else "")

    def _count(self, row: list[str]) -> None:
        path, score, _, finding, warnings, _ = row
        self._has_score[path] = bool(score)
        self.counts.update([finding, *(["warnings"] if warnings else [])])


@contextmanager
def open_score_table(
    path: str | Path, run: Run, *, threshold: float | None = None, accept: Collection[str] = ()
) -> Iterator[ScoreTable]:
    """Make a table of scores, or open one to go on with it.

    A row that was cut off, because a process was killed while it wrote, is removed.

    Parameters
    ----------
    path : path-like
        A CSV file with `COLUMNS`. ``finding`` is 1 if score >= threshold, otherwise 0. A film
        that could not be scored has only a path and an error.
    run : Run
    threshold, accept
        As in `cxrlib.training.run.Run.predict_many`.

    Raises
    ------
    InputError
        There is a file at `path` that is no such table, or one that was made with another
        run, threshold or `accept`. Another process writes to it. Or the threshold or
        `accept` is not one that `predict_many` takes.

    Examples
    --------
    >>> with open_score_table(Path("out.csv"), run) as table:  # doctest: +SKIP
    ...     missing = table.missing(paths)
    ...     for film, result in zip(missing, run.predict_many(missing)):
    ...         table.add(film, result)
    """
    path = Path(path)
    check_accept(accept)
    made: dict[str, Any] = {
        "run": str(run.folder),
        "sha256": _fingerprint(run),
        "threshold": run.threshold if threshold is None else check_threshold(threshold),
        "accept": sorted(accept),
        "folder": os.getcwd(),
    }
    _read_made(path, made)  # before the lock, which would make a file
    lock = path.with_name(f".{path.name}{LOCK}")
    with locked(path.parent, name=lock.name, guarded=path):
        try:
            found = _read_made(path, made)
            if found is None:
                write_text(_made_file(path), json.dumps(made, indent=2) + "\n")
            with path.open("a", encoding="utf-8", newline="") as file:
                _remove_cut_row(path)
                is_new = path.stat().st_size == 0
                if is_new:
                    csv.writer(file, lineterminator="\n").writerow(COLUMNS)
                yield ScoreTable(() if is_new else _rows(path), file, folder=str((found or made).get("folder")))
        except BaseException:
            with suppress(OSError):  # the folder is the user's own, so no lock file stays in it
                lock.unlink()
            raise


def _made_file(path: Path) -> Path:
    return path.with_name(path.name + MADE_SUFFIX)


def _fingerprint(run: Run) -> str:
    """Return a hash of all that a score and its warnings depend on, besides the film."""
    names = ("model.keras", "weights.npz", "recipe.json", "reference.json")
    hashes = {name: hash_file(run.folder / name) for name in names if (run.folder / name).is_file()}
    return hashlib.sha256(json.dumps([hashes, run.weight]).encode()).hexdigest()


def _read_made(path: Path, made: dict[str, Any]) -> dict[str, Any] | None:
    """Return how the table was made, or None if there is none; refuse one that was made otherwise than `made` says."""
    if path.parent.exists() and not path.parent.is_dir():
        raise InputError(f"{path.parent}: is a file; the table needs a folder")
    refuse_link(path)
    if not path.exists():
        return None
    check_file(path, MAX_BYTES)
    beside = _made_file(path)
    if not beside.is_file():
        raise InputError(
            f"{path}: exists, and {beside.name}, which would say how it was made, is not beside it; name a new file"
        )
    found = read_json(beside)
    for name, what in {"sha256": "run", "threshold": "threshold", "accept": "accept"}.items():
        if found.get(name) != made[name]:
            is_changed = what == "run" and found.get("run") == made["run"]
            now = "as it was before it changed" if is_changed else f"and {made[what]!r} is given now"
            raise InputError(f"{path}: was made with the {what} {found.get(what)!r:.200}, {now}; name a new file")
    return found


def _remove_cut_row(path: Path) -> None:
    with path.open("r+b") as file:
        start = max(0, file.seek(0, os.SEEK_END) - _LINE_BYTES)
        file.seek(start)
        file.truncate(start + file.read().rfind(b"\n") + 1)


def _rows(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv_rows(file)
            if tuple(next(rows)) != COLUMNS:
                raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
            for number, row in enumerate(rows, 1):
                if len(row) != len(COLUMNS):
                    raise ValueError(f"row {number:,} has {len(row)} cells")
                yield row
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path}: is not a table that `cxr predict` wrote: {error}; name a new file") from None
