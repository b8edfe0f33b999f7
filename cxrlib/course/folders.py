"""The folders that the course reads and writes: its cache, and the cohort of its lessons."""

import os
from pathlib import Path

import platformdirs

import cxrlib
from cxrlib.errors import InputError
from cxrlib.files import make_once
from cxrlib.phantom.simulation import VERSION, simulate


def cache_folder() -> Path:
    """Return the folder in which the course keeps what it simulates and trains.

    ``CXR_CACHE`` if that environment variable is set; ``data/cache`` in a
    checkout of the project; otherwise the user's own cache folder.
    """
    if named := _named_folder("CXR_CACHE"):
        return named
    checkout = Path(cxrlib.__file__).parents[1]
    if (checkout / "pyproject.toml").is_file() and (checkout / "notebooks").is_dir():
        return checkout / "data" / "cache"
    return platformdirs.user_cache_path("cxrlib")


def own_cohort() -> Path | None:
    """Return the cohort that the environment variable ``CXR_COHORT`` names, if it names one."""
    return _named_folder("CXR_COHORT")


def course_cohort() -> Path:
    """Return the cohort that the notebooks read.

    The one named in the environment variable ``CXR_COHORT``, or else the
    course's own of 107 effusion and 1,000 nofinding films, which is simulated
    at the first call and kept in `cache_folder`.
    """
    if named := own_cohort():
        return named
    folder = cache_folder() / f"simulated-v{VERSION}-107-1000-128px"
    return make_once(folder, lambda: simulate(folder, films=1107, prevalence=107 / 1107, size=128, seed=0))


def _named_folder(variable: str) -> Path | None:
    """Return the folder that an environment variable names, if it does."""
    named = os.environ.get(variable)
    if named and not Path(named).is_absolute():
        raise InputError(f"{variable} is {named!r}; give the whole path, for each notebook runs in its own folder")
    return Path(named) if named else None
