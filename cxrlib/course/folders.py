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

    If the environment variable ``CXR_CACHE`` is set, it names the folder. If not,
    the folder is ``data/cache`` in a checkout of the project, and the user's cache
    folder elsewhere.

    Raises
    ------
    InputError
        ``CXR_CACHE`` is not an absolute path.
    """
    if named := _folder_from_environment("CXR_CACHE"):
        return named
    checkout = Path(cxrlib.__file__).parents[1]
    if (checkout / "pyproject.toml").is_file() and (checkout / "notebooks").is_dir():
        return checkout / "data" / "cache"
    return platformdirs.user_cache_path("cxrlib")


def own_cohort() -> Path | None:
    """Return the cohort that the environment variable ``CXR_COHORT`` names, or None if it is not set.

    Raises
    ------
    InputError
        ``CXR_COHORT`` is not an absolute path.
    """
    return _folder_from_environment("CXR_COHORT")


def course_cohort() -> Path:
    """Return the folder of the cohort that the notebooks read.

    It is the cohort that the environment variable ``CXR_COHORT`` names, if it is
    set. Otherwise it is the course's own cohort: 107 films with an effusion and
    1,000 without, of 128 px. This cohort is simulated at the first call and kept in
    `cache_folder`.
    """
    if named := own_cohort():
        return named
    folder = cache_folder() / f"simulated-v{VERSION}-107-1000-128px"
    return make_once(folder, lambda: simulate(folder, size=128, seed=0))


def _folder_from_environment(variable: str) -> Path | None:
    """Return the folder that an environment variable names, or None if it is unset or empty."""
    value = os.environ.get(variable)
    if value and not Path(value).is_absolute():
        raise InputError(
            f"{variable} is {value!r}; it must be an absolute path, because each notebook runs in its own folder"
        )
    return Path(value) if value else None
