"""The manifest of a run folder: the hash of each file that belongs to the run.

The files of a run depend on each other: the scores on the network, and the threshold
on the scores. `cxrlib.training.fitting.train` writes the manifest at its end, and
`cxrlib.training.run.open_run` checks it. So a file that was changed, or that was
copied from another run, is found.
"""

import hashlib
import json
from pathlib import Path

import cxrlib
from cxrlib.errors import InputError
from cxrlib.files import read_json, write_text

MANIFEST = "manifest.json"

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
"""Names of the files that a run may consist of. Other files in its folder, such as a page, are not checked."""

_ADVICE = "copy the whole run folder again, or train the run anew"


def write_manifest(folder: Path, coming: dict[str, str] | None = None) -> None:
    """Write the manifest of a run folder, or write it again after a file of the run was replaced on purpose.

    Parameters
    ----------
    folder : Path
    coming : dict of file name to text, optional
        Text files that are not written yet. They are hashed too. A training writes
        operating_point.json after the manifest, because the folder counts as finished
        from then on.
    """
    hashes = {name: _hash_of(folder / name) for name in FILES if (folder / name).is_file()}
    hashes |= {name: hashlib.sha256(text.encode()).hexdigest() for name, text in (coming or {}).items()}
    content = {"format": FORMAT, "cxrlib": cxrlib.__version__, "sha256": hashes}
    write_text(folder / MANIFEST, json.dumps(content, indent=2) + "\n")


def check_manifest(folder: Path) -> bool:
    """Check that the files of a run folder are those of its manifest.

    Returns
    -------
    bool
        False if there is no manifest, as in runs of earlier versions.

    Raises
    ------
    InputError
        A file of the run is missing, was changed, or belongs to another run. Or the
        manifest is damaged or of another version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return False
    content = read_json(path)
    if content.get("format") != FORMAT:
        raise InputError(f"{path}: is of another version of cxrlib (this one reads format {FORMAT}); use that version")
    hashes = content.get("sha256")
    if not isinstance(hashes, dict) or not set(hashes) <= set(FILES):
        raise InputError(f"{path}: is damaged: it does not list the files of a run; {_ADVICE}")
    for name in FILES:
        exists = (folder / name).is_file()
        if name in hashes and not exists:
            raise InputError(f"{folder / name}: is missing, but {MANIFEST} lists it; {_ADVICE}")
        if exists and name not in hashes:
            raise InputError(f"{folder / name}: does not belong to this run: {MANIFEST} does not list it; remove it")
        if exists and _hash_of(folder / name) != hashes[name]:
            raise InputError(
                f"{folder / name}: is not the file that belongs to this run (its SHA-256 differs from that in "
                f"{MANIFEST}); {_ADVICE}"
            )
    return True


def _hash_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
