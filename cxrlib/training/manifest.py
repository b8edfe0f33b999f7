"""The manifest of a run folder: the hash of each file that belongs to the run.

The files of a run depend on each other: the scores on the network, and the threshold
on the scores. `cxrlib.training.fitting.train` writes the manifest at its end, and
`cxrlib.training.run.open_run` checks it. So a file that was changed, or that was
copied from another run, is found.
"""

import hashlib
import json
import re
from pathlib import Path

import cxrlib
from cxrlib.errors import InputError
from cxrlib.files import read_json, write_text

MANIFEST = "manifest.json"

POINTS = "operating_points"
"""The folder, in a run folder, of the operating points that were chosen after the training."""

_POINT = re.compile(rf"{POINTS}/(?!(?i:training)\.json)[A-Za-z0-9][A-Za-z0-9._-]{{0,99}}\.json")

FORMAT = 1
"""Version of the manifest. A manifest of another version is refused."""

FILES = (
    "recipe.json",
    "model.keras",
    "weights.npz",
    "split.csv",
    "scores.csv",
    "history.csv",
    "reference.json",
    "origin.json",
    "ancestors.csv",
    "details.npz",
    "warnings.csv",
    "environment.json",
    "made.json",
    "operating_point.json",
)
"""Names of the files that a run may consist of. Other files in its folder, such as a page, are not checked. The
files in `POINTS` belong to a run as well if its manifest lists them."""

_ADVICE = "copy the whole run folder again, or train the run anew"


def is_point_file(name: str) -> bool:
    """Return whether this is the name, within a run folder, of a file in `POINTS`.

    The name "training" is that of the operating point in operating_point.json.
    """
    return _POINT.fullmatch(name) is not None


def write_manifest(folder: Path, coming: dict[str, str] | None = None, *, completes_folder: bool = False) -> None:
    """Write the manifest of a run folder, or write it again after a file of the run was replaced on purpose.

    Operating points stay listed if they were listed before.

    Parameters
    ----------
    folder : Path
    coming : dict of file name to text, optional
        Text files that are not written yet, or that are not listed yet. They are hashed
        too. A training writes operating_point.json after the manifest, because the folder
        counts as finished from then on.
    completes_folder : bool
        As in `cxrlib.files.atomic`.
    """
    names = (*FILES, *filter(is_point_file, _names_in_manifest(folder)))
    hashes = {name: hash_file(folder / name) for name in names if (folder / name).is_file()}
    hashes |= {name: hashlib.sha256(text.encode()).hexdigest() for name, text in (coming or {}).items()}
    content = {"format": FORMAT, "cxrlib": cxrlib.__version__, "sha256": hashes}
    write_text(folder / MANIFEST, json.dumps(content, indent=2) + "\n", completes_folder=completes_folder)


def _names_in_manifest(folder: Path) -> list[str]:
    """Return the names that the present manifest lists; none if there is no manifest, or a damaged one."""
    try:
        hashes = read_json(folder / MANIFEST).get("sha256")
    except InputError:
        return []
    return sorted(hashes) if isinstance(hashes, dict) else []


def check_manifest(folder: Path) -> frozenset[str] | None:
    """Check that the files of a run folder are those of its manifest.

    Returns
    -------
    frozenset of str or None
        The names that the manifest lists. None if there is no manifest, as in runs of
        earlier versions. A file in `POINTS` that is not listed is left alone: a process
        that was killed may have left it.

    Raises
    ------
    InputError
        A file of the run is missing, was changed, or belongs to another run. Or the
        manifest is damaged or of another version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    content = read_json(path)
    if content.get("format") != FORMAT:
        raise InputError(f"{path}: is of another version of cxrlib (this one reads format {FORMAT}); use that version")
    hashes = content.get("sha256")
    if not isinstance(hashes, dict) or not all(name in FILES or is_point_file(name) for name in hashes):
        raise InputError(f"{path}: is damaged: it does not list the files of a run; {_ADVICE}")
    for name in dict.fromkeys((*FILES, *hashes)):
        exists = (folder / name).is_file()
        if name in hashes and not exists:
            raise InputError(f"{folder / name}: is missing, but {MANIFEST} lists it; {_ADVICE}")
        if exists and name not in hashes:
            raise InputError(f"{folder / name}: does not belong to this run: {MANIFEST} does not list it; remove it")
        if exists and hash_file(folder / name) != hashes[name]:
            raise InputError(
                f"{folder / name}: is not the file that belongs to this run (its SHA-256 differs from that in "
                f"{MANIFEST}); {_ADVICE}"
            )
    return frozenset(hashes)


def hash_file(path: Path) -> str:
    """Return the SHA-256 hash of a file, in hexadecimal digits.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
