"""What the sliders of the site show: films and counts, made by the library when the site is built.

A page of the site has no Python behind it. So each setting of lesson 2's and lesson 8's sliders is worked out
here, and `_static/explorers.js` only looks it up. Data are scripts, not JSON: a page opened from a disk may
load a script beside it, but not ask for a file.
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

from cxrlib.course.widgets import PATIENT, SIZE, caption
from cxrlib.evaluation.rates import performance
from cxrlib.evaluation.roc_auc import roc
from cxrlib.phantom.film import SEEN, Film, Order, take_film

ROOT = Path(__file__).parents[1]

VOLUMES = (0, 25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 700, 1000, 1400, 2000)
"""mL, in small steps where one begins to see it."""
SIDES, POSTURES, VIEWS = ("right", "left", "both"), ("upright", "semi-erect", "supine"), ("PA", "AP")
"""As in lesson 2."""

THRESHOLDS = [f"{n / 10**digits:.{digits}f}" for digits in (4, 3, 2) for n in range(10, 100)] + ["1.0"]
"""From 0.0010 to 1.0 in steps of the second figure: about as even as a logarithmic axis."""
MISSED = (1, 3, 10, 30, 100)
"""Costs of a missed finding, in false alarms, as in lesson 8."""


def save_explorers(folder: Path) -> None:
    """Save films and data in a folder, unless what lies there was made by the same code."""
    sources = [
        Path(__file__),
        *sorted((ROOT / "cxrlib").rglob("*.py")),
        ROOT / "cxrlib" / "course" / "tables" / "scores.csv",
    ]
    made_by = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = folder / "made_by.txt"
    if stamp.is_file() and stamp.read_text() == made_by:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in (("volume", volume_data(folder)), ("threshold", threshold_data())):
        (folder / f"{name}.js").write_text(f"const {name}Data = {json.dumps(data, separators=(',', ':'))};\n")
    stamp.write_text(made_by)


def volume_data(folder: Path) -> dict:
    """Return what is told of each film, and save the films: a strip of all volumes for each side, posture and view."""
    choices = list(product(SIDES, POSTURES, VIEWS))
    told = joblib.Parallel(n_jobs=-1)(joblib.delayed(save_strip)(folder, *choice) for choice in choices)
    strips = {"-".join(choice): films for choice, films in zip(choices, told, strict=True)}
    return {"size": SIZE, "volumes": VOLUMES, "start": VOLUMES.index(400), "strips": strips}


def save_strip(folder: Path, side: str, posture: str, view: str) -> list[dict]:
    """Save the films of all volumes side by side, and return caption and outline of each."""
    orders = [Order(patient=PATIENT, amount=float(ml), side=side, posture=posture, view=view) for ml in VOLUMES]
    films = [take_film(order, size=SIZE) for order in orders]
    strip = np.hstack([np.rint(film.image * 255).astype(np.uint8) for film in films])
    cv2.imwrite(str(folder / f"{side}-{posture}-{view}.jpg"), strip, [cv2.IMWRITE_JPEG_QUALITY, 88])
    return [{"caption": caption(*pair), "outline": outline(pair[1])} for pair in zip(orders, films, strict=True)]


def outline(film: Film) -> str:
    """Return the border of a film's fluid as a path of SVG, in pixels from the film's upper left corner."""
    lines = contour_generator(z=film.filled).lines(SEEN)
    short = [cv2.approxPolyDP(line.astype(np.float32), 0.2, closed=False).reshape(-1, 2) + 0.5 for line in lines]
    return "".join("M" + " ".join(f"{x:.1f},{y:.1f}" for x, y in line) for line in short)


def threshold_data() -> dict:
    """Return what each threshold does on the validation films of lesson 8, and their ROC curve."""
    os.environ.pop("CXR_COHORT", None)  # the page is about the course's films
    from cxrlib.course.lessons import course_scores

    val = course_scores("val")
    labels, scores, patients = val["label"], val["score"], val["patient_id"]
    settings = []
    for threshold in THRESHOLDS:
        at = performance(labels, scores, float(threshold), patients)
        counts = {name: getattr(at, name) for name in ("tp", "fn", "fp", "tn")}
        rates = {"sensitivity": f"{at.sensitivity:.2f}", "specificity": f"{at.specificity:.2f}"}
        settings.append({"threshold": threshold} | counts | rates)
    false_positive, sensitivity, _ = roc(labels, scores)
    curve = np.column_stack([false_positive, sensitivity]).round(4).tolist()
    return {"settings": settings, "start": THRESHOLDS.index("0.050"), "missed": MISSED, "roc": curve}
