"""Find the films in a user's folder: by name where that is enough, otherwise by the first bytes of a file.

Links to files and folders are followed, because large collections are often kept on
another disk. Hidden files, trash and thumbnails are never films.
"""

import glob
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cxrlib.errors import InputError
from cxrlib.images.formats import FORMAT_BYTES, name_format
from cxrlib.images.radiograph import SUFFIXES

_LITTER = frozenset(
    {
        "@eadir", "@recycle", "@recycled", "@tmp", "@__thumb", "#recycle", "#snapshot",  # Synology and QNAP
        "$recycle.bin", "recycler", "recycled", "system volume information", "found.000",  # Windows
        "thumbs.db", "ehthumbs.db", "desktop.ini",
        "__macosx", "temporary items", "network trash folder",  # macOS
        "lost+found", "trash", "__pycache__",
        "thumb", "thumbs", "thumbnail", "thumbnails", "_thumbs", "_thumbnails",
        "dicomdir",  # the table of contents of a DICOM disc (DICOM PS3.10, 8.6)
    }
)  # fmt: skip
"""Names, in lower case, that systems and programs give to their own files and folders."""

_THUMBNAIL = re.compile(r"(synophoto_)?thumb(nail)?s?[_.-].*|.*[_.-]thumb(nail)?s?(\.[^.]+)?")
"""Names, in lower case, of small copies of pictures, such as film_thumb.jpg."""

_NOT_FILMS = frozenset(
    {
        ".csv", ".tsv", ".txt", ".json", ".xml", ".yaml", ".yml", ".md", ".rst", ".log", ".ini", ".cfg", ".db",
        ".html", ".htm", ".pdf", ".doc", ".docx", ".odt", ".rtf", ".xls", ".xlsx", ".ods", ".ppt", ".pptx", ".py",
        ".ipynb", ".r", ".m", ".sh", ".bat", ".lnk", ".url", ".exe", ".dll", ".npy", ".npz", ".h5", ".hdf5",
        ".keras", ".pkl", ".parquet",
    }
)  # fmt: skip
"""Endings of files that are not opened, because they do not hold a film. In lower case."""

_READABLE = ("PNG", "JPEG", "DICOM")
_NOT_PICTURES = ("NumPy", "PDF", "HDF5/Keras")
_FILM, _NO_PICTURE = "film", "no picture"
_UNKNOWN = "of an unknown format"
_BROKEN = "a link that leads nowhere"
_LOOP = "a link to a folder above it"
_REPEATED = "a link or folder that is listed already by another name"
_SPECIAL = "a pipe or a device"
_CLOSED = "a file that cannot be opened"
_SMALL = "a thumbnail by its name"


@dataclass
class FilmFiles:
    """The films below a folder, and what was passed over.

    Attributes
    ----------
    paths : list of str
        Relative to the folder, with forward slashes, sorted.
    passed_over : dict of str to list of str
        The paths that might have been meant as films, by the reason why they are left
        out, such as "TIFF".
    in_two_classes : list of str
        Folders that were reached from two of the folders in which the search began.
    """

    paths: list[str] = field(default_factory=list)
    passed_over: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    in_two_classes: list[str] = field(default_factory=list)

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each reason, with a count and an example."""
        return tuple(
            f"{len(paths):,} {'links' if 'link' in reason else 'files'} in the folders are left out: each is {reason}"
            f"{'' if reason[0].islower() else ', a format that is not read'} (first: {_shown(min(paths))})"
            for reason, paths in sorted(self.passed_over.items())
        )


def is_litter(name: str) -> bool:
    """Return whether a file or folder of this name is hidden, or belongs to a system, such as its trash."""
    return name.startswith((".", "~$")) or name.lower() in _LITTER


def is_thumbnail(name: str) -> bool:
    """Return whether a file of this name is a small copy of a picture."""
    lower = name.lower()
    return "thumb" in lower and _THUMBNAIL.fullmatch(lower) is not None


def list_films(folder: Path, within: Iterable[str] = ("",)) -> FilmFiles:
    """List the films below a folder. Most are known by their names, and are not opened.

    Parameters
    ----------
    folder : Path
    within : iterable of str
        The sub-folders in which to look. By default the whole folder.

    Raises
    ------
    InputError
        A folder cannot be read, or a film's name cannot be written in a table.
    """
    films = FilmFiles()
    reached: set[tuple[int, int]] = set()
    for start in within:
        folders = _add_films(folder, start, films)
        films.in_two_classes += [place for key, place in folders.items() if key in reached]
        reached |= folders.keys()
    films.paths.sort()
    for path in films.paths:
        if not path.isprintable():
            raise InputError(f"{folder}: the file name {path!r} cannot be written in a table; give it a plain name")
    return films


def find_films(places: Iterable[str | Path]) -> tuple[list[str], tuple[str, ...]]:
    """List the films that files, folders and patterns name, in the order in which they are named.

    Parameters
    ----------
    places : iterable of str or Path
        A file, which is not opened. A folder, in which films are found as `list_films`
        does. Or, if it is a str and no such file or folder exists, a pattern such as
        "films/*.png" (`glob.glob`; ** stands for folders of any depth).

    Returns
    -------
    paths : list of str
        Each path once. The files of a folder are sorted, and so are those of a pattern.
    notes : tuple of str
        What was left out of the folders, and how many names were repeated.

    Raises
    ------
    InputError
        A folder holds no film or cannot be read, a pattern matches nothing, a name is
        empty, or no place is named.
    """
    paths: dict[str, None] = {}
    passed_over = FilmFiles()
    num_named = 0
    for place in places:
        if place == "":
            raise InputError("a name is empty; name files, folders or patterns")
        found = [str(place)]
        if isinstance(place, str) and glob.has_magic(place) and not os.path.lexists(place):
            found = sorted(glob.glob(place, recursive=True))
            if not found:
                raise InputError(f"{place}: no file matches this pattern")
        films: list[str] = []
        for name in found:
            if not os.path.isdir(name):
                films.append(str(Path(name)))
                continue
            inside = FilmFiles()
            _add_films(Path(name), "", inside)
            inside.paths.sort()
            films += [str(Path(name, path)) for path in inside.paths]
            for reason, others in inside.passed_over.items():
                passed_over.passed_over[reason] += [str(Path(name, path)) for path in others]
        if not films:
            reasons = "".join(f"; {note}" for note in passed_over.notes)
            raise InputError(f"{place}: holds no film; PNG, JPEG or DICOM files are needed{reasons}")
        num_named += len(films)
        paths |= dict.fromkeys(films)
    if not paths:
        raise InputError("no film is named; name files, folders or patterns")
    repeated = num_named - len(paths)
    notes = (f"names that were repeated: {repeated:,}; each film is taken once",) if repeated else ()
    return list(paths), passed_over.notes + notes


def _add_films(folder: Path, start: str, films: FilmFiles) -> dict[tuple[int, int], str]:
    """Add the films below one of the sub-folders. Linked folders come last, and none comes twice.

    Return the path of each folder, by its device and number.
    """
    folders: dict[tuple[int, int], str] = {}
    plain, linked = [start], list[str]()
    while plain or linked:
        place = plain.pop() if plain else linked.pop(0)
        try:
            status = os.stat(folder / place)
            key = (status.st_dev, status.st_ino)
            if key in folders:
                films.passed_over[_REPEATED].append(place)
                continue
            folders[key] = place
            with os.scandir(folder / place) as entries:
                found = sorted((entry for entry in entries if not is_litter(entry.name)), key=lambda each: each.name)
        except OSError as error:
            raise InputError(f"{folder / place}: the folder cannot be read ({error.strerror})") from None
        for entry in found:
            path = f"{place}/{entry.name}" if place else entry.name
            is_link = entry.is_symlink()
            if is_link and (reason := _why_not_followed(folder, path)):
                films.passed_over[reason].append(path)
            elif entry.is_dir():
                (linked if is_link else plain).append(path)
            elif (kind := _kind_of_file(folder, path) if entry.is_file() else _SPECIAL) == _FILM:
                films.paths.append(path)
            elif kind != _NO_PICTURE:
                films.passed_over[kind].append(path)
    return folders


def _why_not_followed(folder: Path, path: str) -> str:
    """Return why a link is left out, or "" if it is followed."""
    link = folder / path
    try:
        is_folder = link.is_dir()
        link.stat()
    except OSError:
        return _BROKEN
    if not is_folder:
        return ""
    target = Path(os.path.realpath(link))
    # a folder above the link may itself be reached through a link, so both ways up are looked at
    above = (Path(os.path.realpath(link.parent)), Path(os.path.realpath(folder)))
    return _LOOP if any(place.is_relative_to(target) for place in above) else ""


def _kind_of_file(folder: Path, path: str) -> str:
    """Return `_FILM`, `_NO_PICTURE`, or why the file is left out although it may have been meant as a film."""
    name = path.rpartition("/")[2]
    suffix = os.path.splitext(name)[1].lower()
    if suffix in _NOT_FILMS:
        return _NO_PICTURE
    if is_thumbnail(name):
        return _SMALL
    if suffix in SUFFIXES:
        return _FILM
    try:
        with open(folder / path, "rb") as file:
            start = file.read(FORMAT_BYTES)
    except OSError:
        return _CLOSED
    format_name = name_format(start)
    if format_name in _READABLE:
        return _FILM
    if format_name in _NOT_PICTURES:
        return _NO_PICTURE
    return format_name or (_UNKNOWN if b"\0" in start else _NO_PICTURE)  # text has no zero bytes


def _shown(path: str) -> str:
    return path if path.isprintable() else repr(path)
