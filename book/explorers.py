"""Films and counts for the sliders of the site. The library computes them when the site is built.

A page of the site cannot run Python. So every setting of the sliders of lessons 2
and 8 is computed here, and `_static/explorers.js` looks it up. The data are
scripts and not JSON, because a browser lets a page that is opened from a disk load
a script, but not read a file.
"""

import hashlib
import json
import os
from itertools import product
from pathlib import Path

import cv2
import joblib
import numpy as np
from contourpy import contour_generator

from cxrlib.course.labs.lesson_02 import PATIENT, SIZE, caption
from cxrlib.evaluation.rates import performance
from cxrlib.evaluation.roc_auc import roc
from cxrlib.phantom.film import MIN_VISIBLE, Film, Order, take_film

ROOT = Path(__file__).parents[1]

VOLUMES = (0, 25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 700, 1000, 1400, 2000)
"""In mL. The steps are small where fluid begins to be seen."""

SIDES, POSTURES, VIEWS = ("right", "left", "both"), ("upright", "semi-erect", "supine"), ("PA", "AP")
"""The choices of lesson 2."""

THRESHOLDS = [f"{n / 10**digits:.{digits}f}" for digits in (4, 3, 2) for n in range(10, 100)] + ["1.0"]
"""From 0.0010 to 1.0 with two significant digits: the steps look about equal on a logarithmic axis."""

MISSED = (1, 3, 10, 30, 100)
"""Costs of a missed finding, in false alarms: the choices of lesson 8."""


def save_explorers(folder: Path) -> None:
    """Save films and data in a folder, unless the files there were computed by the same code."""
    sources = [
        Path(__file__),
        *sorted((ROOT / "cxrlib").rglob("*.py")),
        ROOT / "cxrlib" / "course" / "tables" / "scores.csv",
    ]
    code = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = folder / "made_by.txt"  # the hash of the code that computed the files
    if stamp.is_file() and stamp.read_text() == code:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in (("volume", volume_data(folder)), ("threshold", threshold_data())):
        (folder / f"{name}.js").write_text(f"const {name}Data = {json.dumps(data, separators=(',', ':'))};\n")
    stamp.write_text(code)


def volume_data(folder: Path) -> dict:
    """Save a strip of the films of all volumes for each side, posture and view. Return their captions and outlines."""
    choices = list(product(SIDES, POSTURES, VIEWS))
    films = joblib.Parallel(n_jobs=-1)(joblib.delayed(save_strip)(folder, *choice) for choice in choices)
    strips = {"-".join(choice): strip for choice, strip in zip(choices, films, strict=True)}
    return {"size": SIZE, "volumes": VOLUMES, "start": VOLUMES.index(400), "strips": strips}


def save_strip(folder: Path, side: str, posture: str, view: str) -> list[dict]:
    """Save the films of all volumes side by side in one JPEG. Return the caption and the outline of each."""
    orders = [Order(patient=PATIENT, amount=float(ml), side=side, posture=posture, view=view) for ml in VOLUMES]
    films = [take_film(order, size=SIZE) for order in orders]
    strip = np.hstack([np.rint(film.image * 255).astype(np.uint8) for film in films])
    cv2.imwrite(str(folder / f"{side}-{posture}-{view}.jpg"), strip, [cv2.IMWRITE_JPEG_QUALITY, 88])
    return [
        {"caption": caption(order, film), "outline": outline(film)} for order, film in zip(orders, films, strict=True)
    ]


def outline(film: Film) -> str:
    """Return the border of a film's fluid as an SVG path, in pixels from the film's upper left corner."""
    lines = contour_generator(z=film.filled).lines(MIN_VISIBLE)
    # Points are dropped where the line moves by at most 0.2 px, chosen by eye. Contours count from the centre of
    # the first pixel, SVG from its corner: hence 0.5.
    lines = [cv2.approxPolyDP(line.astype(np.float32), 0.2, closed=False).reshape(-1, 2) + 0.5 for line in lines]
    return "".join("M" + " ".join(f"{x:.1f},{y:.1f}" for x, y in line) for line in lines)


def threshold_data() -> dict:
    """Return counts and rates of each threshold on the validation films of lesson 8, and their ROC curve."""
    os.environ.pop("CXR_COHORT", None)  # the page shows the course's films, not a cohort of the user
    from cxrlib.course.lessons import course_scores

    val = course_scores("val")
    labels, scores, patients = val["label"], val["score"], val["patient_id"]
    settings = []
    for threshold in THRESHOLDS:
        result = performance(labels, scores, float(threshold), patients)
        counts = {name: getattr(result, name) for name in ("tp", "fn", "fp", "tn")}
        rates = {"sensitivity": f"{result.sensitivity:.2f}", "specificity": f"{result.specificity:.2f}"}
        settings.append({"threshold": threshold} | counts | rates)
    false_positive, sensitivity, _ = roc(labels, scores)
    curve = np.column_stack([false_positive, sensitivity]).round(4).tolist()
    return {"settings": settings, "start": THRESHOLDS.index("0.050"), "missed": MISSED, "roc": curve}
