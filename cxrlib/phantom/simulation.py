"""Write a simulated cohort to a folder: two class folders, cohort.csv, and masks."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import joblib
import numpy as np

from cxrlib import files
from cxrlib.cohorts.cohort import NOFINDING, SIMULATION, refuse_inside_cohort
from cxrlib.errors import InputError
from cxrlib.phantom.film import check_size, take_film
from cxrlib.phantom.roster import FILMS, PREVALENCE, draw_roster, order_of

VERSION = 3
"""Version of the films that a seed gives. It changes when the films do."""

FORMATS = ("png", "dicom")

MIN_FILMS_FOR_PROCESSES = 24  # fewer films are simulated sooner than other processes have started
IDLE_SECONDS = 20  # a worker process ends after so long without work: its parent may have been killed


def simulate(
    out: str | os.PathLike[str],
    *,
    films: int = FILMS,
    finding: str = "effusion",
    prevalence: float = PREVALENCE,
    label_noise: tuple[float, float] = (0.0, 0.0),
    shortcut: float = 0.0,
    comorbidity: float = 0.0,
    later_visit: bool = False,
    size: int = 128,
    format: str = "png",
    seed: int = 0,
    progress: files.Progress = files.no_progress,
) -> Path:
    """Write a simulated cohort: two class folders, cohort.csv, and masks.

    Until all films are there, they are kept in a hidden folder beside `out`. If a call
    is interrupted, the same call continues it. If the cohort is complete, the same call
    has nothing to do.

    Parameters
    ----------
    out : path-like
        A new or empty folder.
    films, finding, prevalence, label_noise, shortcut, comorbidity, later_visit, seed
        As in `draw_roster`. The same seed gives the same films on every processor that was tried.
    size : int, pixels
        Side of the films, 32 to 1024.
    format : {"png", "dicom"}
        16-bit PNG that holds 12 bits, dense is bright; or 12-bit DICOM. The DICOM files
        of one site are MONOCHROME1.
    progress : callable (items, total) -> items
        Shows how far the work is.

    Returns
    -------
    Path
        The folder. ``masks/`` holds a mask for each film that shows the finding, under
        the path of the film: an 8-bit PNG that is 255 where the finding is visible.

    Raises
    ------
    InputError
        The folder is not empty or lies inside another cohort, an option is out of range, or another process is writing
        the same cohort. Then nothing is written.

    Examples
    --------
    >>> simulate("my/cohort", films=200, prevalence=0.3, seed=1)  # doctest: +SKIP
    """
    out = Path(out).resolve()
    check_size(size)
    if format not in FORMATS:
        raise InputError(f"format is {format!r}; it must be one of {', '.join(FORMATS)}")
    options: dict[str, Any] = dict(finding=finding, prevalence=prevalence, label_noise=label_noise)
    options |= dict(shortcut=shortcut, comorbidity=comorbidity)
    table = draw_roster(films, **options, later_visit=later_visit, seed=seed)
    if format == "dicom":
        table["path"] = table["path"].str.replace(".png", ".dcm")
    settings = {"version": VERSION, "films": films} | options
    settings |= {"later_visit": later_visit, "size": size, "format": format, "seed": seed}
    settings_text, work = json.dumps(settings, indent=2) + "\n", out.with_name(f".{out.name}.simulating")
    files.refuse_link(work)
    if (out / SIMULATION).is_file() and files.read_bytes(out / SIMULATION) == settings_text.encode():
        shutil.rmtree(work, ignore_errors=True)  # an earlier call has written all of it
        return out
    refuse_inside_cohort(out)
    if not files.is_empty(out):
        raise InputError(f"{out}: exists and is not empty, and was not made by this call; choose a new folder")
    with files.locked(work):
        folder = work / hashlib.sha256(settings_text.encode()).hexdigest()[:16]
        for started in work.iterdir():
            if started.is_dir() and started != folder:
                shutil.rmtree(started)  # an earlier call with different settings began it
        for name in (finding, NOFINDING):
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / "masks" / name).mkdir(parents=True, exist_ok=True)
        files.remove_partial_files(folder)
        missing = [row for row in table.to_dict("records") if not (folder / row["path"]).exists()]
        for _ in progress(_in_processes(partial(_write_film, folder, size, finding, seed), missing), len(missing)):
            pass
        files.write_csv(folder / "cohort.csv", table)
        files.write_text(folder / SIMULATION, settings_text, completes_folder=True)
        if out.exists():  # it holds at most what a killed process left behind
            files.remove_partial_files(out)
            (out / files.LOCK).unlink(missing_ok=True)
            out.rmdir()
        folder.rename(out)  # so the cohort is complete or absent
    shutil.rmtree(work)
    return out


def _in_processes(function: Callable[[dict], None], rows: list[dict]) -> Iterable[None]:
    """Apply a function to rows on all processors. Most of the work is Python's own, so threads would not help."""
    if len(rows) < MIN_FILMS_FOR_PROCESSES:
        return map(function, rows)
    parallel = joblib.Parallel(n_jobs=-1, return_as="generator", batch_size=8, idle_worker_timeout=IDLE_SECONDS)
    return parallel(joblib.delayed(function)(row) for row in rows)


def _write_film(folder: Path, size: int, finding: str, seed: int, row: dict[str, Any]) -> None:
    film = take_film(order_of(row, finding=finding, seed=seed), size=size)
    path = folder / row["path"]
    # the mask comes first: a resumed call skips the films that it finds, so their masks must be there
    if row["true_label"]:
        _write_png(folder / "masks" / Path(row["path"]).with_suffix(".png"), film.mask.astype(np.uint8) * 255)
    if path.suffix == ".dcm":
        from cxrlib.phantom.dicom import write_dicom  # pydicom takes a while to import

        with files.atomic(path) as unfinished:
            write_dicom(unfinished, film, row)
    else:
        _write_png(path, film.pixels)


def _write_png(path: Path, pixels: np.ndarray) -> None:
    with files.atomic(path) as unfinished:
        unfinished.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
