"""The simulator: chest films with exact truth, free, seeded and small.

A first sketch of a voxel thorax with parallel rays: `anatomy` builds a patient,
`fluid` fills the pleural space, `beam` exposes the film, and here patients come
and come back.
"""

import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from cxrlib.cohort import NOFINDING, draw_stratified_split
from cxrlib.files import map_in_order, write_csv
from cxrlib.phantom.anatomy import build_thorax
from cxrlib.phantom.beam import expose, line_integral
from cxrlib.phantom.fluid import add_effusion
from cxrlib.radiograph import InputError

VERSION = 1
"""Of the films that a seed makes: another version makes others."""

FINDING = "effusion"
MEDIAN_ML, SPREAD = 500.0, 0.86
"""Volumes are log-normal; 5 to 95 % of them lie between 120 and 2,000 mL."""

SITES = (
    {"gamma": 1.0, "low": 0, "high": 4095},
    {"gamma": 0.75, "low": 300, "high": 3800},
    {"gamma": 1.35, "low": 0, "high": 3000},
)


def simulate(
    out,
    *,
    effusion: int = 107,
    nofinding: int = 1000,
    size: int = 128,
    seed: int = 0,
    progress: Callable[[Iterable, int], Iterable] = lambda items, total: items,
) -> Path:
    """Write a simulated cohort: two folders of 16-bit PNG and a cohort.csv.

    Parameters
    ----------
    out : path-like
        A new or empty folder.
    effusion, nofinding : int
        Numbers of films.
    size : int
        Side of the films in pixels.
    seed : int
        The same seed gives the same films.

    Returns
    -------
    Path
        The folder. Its cohort.csv adds ``volume_ml``, ``side`` and ``site``.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists and is not empty; choose a new folder")
    for name, count in ((FINDING, effusion), (NOFINDING, nofinding)):
        if count < 1:
            raise InputError(f"{name} is {count}; at least 1 film of each class is needed")
    if not 32 <= size <= 512:
        raise InputError(f"size is {size}; it must be 32 to 512 pixels")
    table = draw_patients(effusion, nofinding, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as made:
        folder = Path(made) / out.name
        for name in (FINDING, NOFINDING):
            (folder / name).mkdir(parents=True)
        rows = table.to_dict("records")
        write = partial(_write_film, folder, size, seed)
        for _ in progress(map_in_order(write, rows), len(rows)):
            pass
        write_csv(folder / "cohort.csv", table)
        if out.exists():
            out.rmdir()
        folder.rename(out)  # whole, or not there
    return out


def draw_patients(effusion: int, nofinding: int, *, seed: int = 0) -> pd.DataFrame:
    """Draw who comes: one row a film, in the columns of cohort.csv."""
    rng = np.random.default_rng([seed, 0])
    count = effusion + nofinding
    labels = rng.permutation(np.repeat([1, 0], [effusion, nofinding]))
    visits = 1 + (rng.random(count) < 0.25) * rng.geometric(0.5, count)
    patient = np.repeat(np.arange(count), visits)[:count]
    table = pd.DataFrame({"label": labels, "patient_id": [f"{p:05d}" for p in patient]})
    number = table.groupby("patient_id").cumcount()
    names = np.where(labels == 1, FINDING, NOFINDING)
    table.insert(
        0, "path", [f"{n}/{p}_{k:03d}.png" for n, p, k in zip(names, table["patient_id"], number, strict=True)]
    )
    table["split"] = draw_stratified_split(table["patient_id"], labels, seed=seed)
    table["view"] = np.where(rng.random(count) < 0.4, "AP", "PA")
    table["sex"] = rng.choice(["F", "M"], count)[patient]
    table["age"] = np.clip(rng.normal(52, 17, count), 18, 95).astype(int)[patient]
    table["findings"] = np.where(labels == 1, "Effusion", "No Finding")
    volumes = np.round(MEDIAN_ML * np.exp(SPREAD * rng.standard_normal(count)))
    table["volume_ml"] = np.where(labels == 1, np.clip(volumes, 30, 3500), 0)
    table["side"] = np.where(labels == 1, rng.choice(["right", "left", "both"], count, p=[0.4, 0.35, 0.25]), "")
    table["site"] = rng.integers(len(SITES), size=count)
    return table.sort_values("path", ignore_index=True)


def film(row: dict, *, size: int = 128, seed: int = 0) -> np.ndarray:
    """Return one film (size, size), uint16 of 12 bits, dense bright.

    Parameters
    ----------
    row : dict
        ``patient_id``, ``path``, ``view``, ``volume_ml``, ``side`` and ``site``,
        as in cohort.csv.
    """
    number = int(row["patient_id"])
    visit = int(Path(row["path"]).stem.split("_")[-1])
    patient = np.random.default_rng([seed, 1, number])
    moment = np.random.default_rng([seed, 2, number, visit])
    portable = row["view"] == "AP"
    thorax = build_thorax(patient, moment, size=size, magnify=1.08 if portable else 1.0)
    volume = float(row["volume_ml"])
    if volume > 0:
        posture = "supine" if portable and moment.random() < 0.3 else "upright"
        add_effusion(thorax, volume, side=row["side"], posture=posture)
    return expose(line_integral(thorax), moment, SITES[int(row["site"])], portable=portable)


def _write_film(out: Path, size: int, seed: int, row: dict) -> None:
    cv2.imwrite(str(out / row["path"]), film(row, size=size, seed=seed))
