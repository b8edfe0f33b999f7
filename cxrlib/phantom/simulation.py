"""The simulator: chest films with exact truth, free, seeded and small.

Downwards: `rays` from a source to the detector, the `patient`, the `chest` along
each ray, its `heart`, `fluid` under gravity, `bones`, `vessels`, the `company` of
look-alikes and devices, the `beam`; `film` puts them together, `signs` measures
what it shows, `roster` says who comes, and here they become a cohort.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import cv2
import joblib
import numpy as np

from cxrlib.cohorts.cohort import NOFINDING
from cxrlib.errors import InputError
from cxrlib.files import LOCK, Progress, atomic, is_empty, locked, no_progress, sweep, write_csv, write_text
from cxrlib.phantom.film import SIZES, Film, Order, take_film
from cxrlib.phantom.roster import draw_roster, order_of

__all__ = ["FORMATS", "VERSION", "Film", "Order", "draw_roster", "order_of", "simulate", "take_film"]

VERSION = 2
"""Of the films that a seed makes: another version makes others."""

FORMATS = ("png", "dicom")
SETTINGS = "simulation.json"
"""How a cohort was simulated: the same call again has nothing to do."""

FEW = 24  # films that are not worth the start of other processes
ORPHANED = 20  # seconds without work after which such a process ends, its parent perhaps killed


def simulate(
    out,
    *,
    films: int = 1107,
    finding: str = "effusion",
    prevalence: float = 107 / 1107,
    label_noise: tuple[float, float] = (0.0, 0.0),
    shortcut: float = 0.0,
    again: bool = False,
    size: int = 128,
    format: str = "png",
    seed: int = 0,
    progress: Progress = no_progress,
) -> Path:
    """Write a simulated cohort: two class folders, cohort.csv, and masks.

    Parameters
    ----------
    out : path-like
        A new or empty folder. Until all is there, films are kept in a hidden
        folder beside it; a call that was cut off is continued by the same call,
        and one that was not has nothing left to do.
    films, finding, prevalence, label_noise, shortcut, again, seed
        As in `draw_roster`. The same seed gives the same films, on any processor.
    size : int, pixels
        Side of the films.
    format : {"png", "dicom"}
        16-bit PNG that holds 12 bits, dense bright; or 12-bit DICOM, of which one
        site's are MONOCHROME1.
    progress : callable (items, total) -> items

    Returns
    -------
    Path
        The folder. ``masks/`` holds, under the film's own path, an 8-bit PNG of
        where the finding is seen, for each film that shows it.

    Raises
    ------
    InputError
        A folder that holds something, impossible sizes, shares or findings, or
        another process at work; nothing is written then.
    """
    out = Path(out).resolve()
    if not SIZES[0] <= size <= SIZES[1]:
        raise InputError(f"size is {size}; it must be {SIZES[0]} to {SIZES[1]} pixels")
    if format not in FORMATS:
        raise InputError(f"format is {format!r}; it must be one of {', '.join(FORMATS)}")
    options = dict(finding=finding, prevalence=prevalence, label_noise=label_noise, shortcut=shortcut, again=again)
    table = draw_roster(films, **options, seed=seed)
    if format == "dicom":
        table["path"] = table["path"].str.replace(".png", ".dcm")
    settings = {"version": VERSION, "films": films} | options | {"size": size, "format": format, "seed": seed}
    named, work = json.dumps(settings, indent=2) + "\n", out.with_name(f".{out.name}.simulating")
    if (out / SETTINGS).is_file() and (out / SETTINGS).read_text(
        encoding="utf-8"
    ) == named:  # whole, by an earlier call
        shutil.rmtree(work, ignore_errors=True)
        return out
    if not is_empty(out):
        raise InputError(f"{out}: exists and is not empty, and was not made by this call; choose a new folder")
    with locked(work):
        folder = work / hashlib.sha256(named.encode()).hexdigest()[:16]
        for other in work.iterdir():
            if other.is_dir() and other != folder:
                shutil.rmtree(other)  # begun with other settings
        for name in (finding, NOFINDING):
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / "masks" / name).mkdir(parents=True, exist_ok=True)
        sweep(folder)
        missing = [row for row in table.to_dict("records") if not (folder / row["path"]).exists()]
        for _ in progress(_in_processes(partial(_write_film, folder, size, finding, seed), missing), len(missing)):
            pass
        write_csv(folder / "cohort.csv", table)
        write_text(folder / SETTINGS, named)
        if out.exists():  # empty, but for what a process that was killed left behind
            sweep(out)
            (out / LOCK).unlink(missing_ok=True)
            out.rmdir()
        folder.rename(out)  # whole, or not there
    shutil.rmtree(work)
    return out


def _in_processes(function: Callable, rows: list) -> Iterable:
    """Apply a function to rows on all processors: Python itself is most of the work, so threads would not do."""
    if len(rows) < FEW:
        return map(function, rows)
    work = joblib.Parallel(n_jobs=-1, return_as="generator", batch_size=8, idle_worker_timeout=ORPHANED)
    return work(joblib.delayed(function)(row) for row in rows)


def _write_film(folder: Path, size: int, finding: str, seed: int, row: dict) -> None:
    film = take_film(order_of(row, finding=finding, seed=seed), size=size)
    path = folder / row["path"]
    if row["true_label"]:
        _write_png(folder / "masks" / Path(row["path"]).with_suffix(".png"), film.mask.astype(np.uint8) * 255)
    if path.suffix == ".dcm":  # after its mask: where the film is, all of it is
        from cxrlib.phantom.dicom import write_dicom  # pydicom takes a while to import

        with atomic(path) as whole:
            write_dicom(whole, film, row)
    else:
        _write_png(path, film.pixels)


def _write_png(path: Path, pixels: np.ndarray) -> None:
    with atomic(path) as whole:
        whole.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
