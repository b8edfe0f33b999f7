"""Films and counts for the explorers of the site. The library computes them when the site is built.

A page of the site cannot run Python. So every setting of the explorers of lessons 1, 2
and 8 is computed here, and the scripts in `_static` look it up. The data are scripts
and not JSON, because a browser lets a page that is opened from a disk load a script,
but not read a file.
"""

import hashlib
import json
import os
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import joblib
import numpy as np
import pandas as pd
from contourpy import contour_generator

from cxrlib.course.labs.lesson_01 import SIDE, VISIBLE, QuizFilm, quiz_films
from cxrlib.course.labs.lesson_02 import PATIENT, caption
from cxrlib.course.labs.lesson_08 import count_people
from cxrlib.errors import InputError
from cxrlib.evaluation.decisions import cost_threshold, shift_prevalence
from cxrlib.evaluation.rates import performance
from cxrlib.evaluation.roc_auc import roc
from cxrlib.phantom.film import Film, Order, take_film
from cxrlib.phantom.signs import blunting

ROOT = Path(__file__).parents[1]

SIZE = 512
"""Pixels along a side of a film of lesson 2."""

QUALITY = [cv2.IMWRITE_WEBP_QUALITY, 88]
"""Of the films, in WebP: chosen by eye. They take about 3 MB together."""

VOLUMES = (0, 25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 700, 1000, 1400, 2000)
"""In mL. The steps are small where fluid begins to be seen."""

SIDES, POSTURES, VIEWS = ("right", "left", "both"), ("upright", "semi-erect", "supine"), ("PA", "AP")
"""The choices of lesson 2."""

THRESHOLDS = [f"{n / 10**digits:.{digits}f}" for digits in (4, 3, 2) for n in range(10, 100)] + ["1.0"]
"""From 0.0010 to 1.0 with two significant digits."""

COSTS, PREVALENCES = (1, 3, 10, 30, 100), (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
"""Costs of a missed finding, in false alarms, and fractions of people with the finding: the choices of lesson 8."""

LOWEST, BINS = 0.001, 24
"""The lowest score and the number of bars of the histograms, as `cxrlib.report.plots.score_histogram` draws them."""

ISLAND = 0.35
"""A part of an outline is left out if it encloses less than this fraction of the largest part. It is our choice."""


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
    os.environ.pop("CXR_COHORT", None)  # the pages show the course's films, not a cohort of the user
    folder.mkdir(parents=True, exist_ok=True)
    explorers = {"volume": volume_data(folder), "quiz": quiz_data(folder), "threshold": threshold_data()}
    for name, data in explorers.items():
        (folder / f"{name}.js").write_text(f"const {name}Data = {json.dumps(data, separators=(',', ':'))};\n")
    stamp.write_text(code)


def save_strip(path: Path, images: list[np.ndarray]) -> None:
    """Save images of the same size, (S, S) in [0, 1], side by side in one file."""
    cv2.imwrite(str(path), np.rint(np.hstack(images) * 255).astype(np.uint8), QUALITY)


def outline(field: np.ndarray, level: float) -> str:
    """Return the line at which a field, (S, S), has a level, as an SVG path without islands.

    Its units are pixels from the upper left corner.
    """
    lines = contour_generator(z=field).lines(level)
    areas = [cv2.contourArea(line.astype(np.float32)) for line in lines]
    lines = [line for line, area in zip(lines, areas, strict=True) if area >= ISLAND * max(areas)]
    # Points are dropped where the line moves by at most 0.2 px, chosen by eye. Contours count from the centre of
    # the first pixel, SVG from its corner: hence 0.5.
    lines = [cv2.approxPolyDP(line.astype(np.float32), 0.2, closed=False).reshape(-1, 2) + 0.5 for line in lines]
    return "".join("M" + " ".join(f"{x:.1f},{y:.1f}" for x, y in line) for line in lines)


def volume_data(folder: Path) -> dict[str, Any]:
    """Save a strip of the films of all volumes for each side, posture and view. Return what is known of each film."""
    choices = list(product(SIDES, POSTURES, VIEWS))
    films = joblib.Parallel(n_jobs=-1)(joblib.delayed(volume_strip)(folder, *choice) for choice in choices)
    strips = {"-".join(choice): strip for choice, strip in zip(choices, films, strict=True)}
    return {"size": SIZE, "volumes": VOLUMES, "start": VOLUMES.index(400), "strips": strips}


def volume_strip(folder: Path, side: str, posture: str, view: str) -> list[dict[str, Any]]:
    """Save the films of all volumes side by side. Return the caption, the outline and the blunting of each."""
    orders = [Order(patient=PATIENT, amount=float(ml), side=side, posture=posture, view=view) for ml in VOLUMES]
    films = [take_film(order, size=SIZE) for order in orders]
    save_strip(folder / f"{side}-{posture}-{view}.webp", [film.image for film in films])
    return [
        {"caption": caption(order, film), "outline": fluid_outline(film), "angle": angle(film, order)}
        for order, film in zip(orders, films, strict=True)
    ]


def fluid_outline(film: Film) -> str:
    """Return a smooth border of a film's fluid as an SVG path.

    The mask is blurred a little. So the border has no steps, and lies where it lay before.
    """
    return outline(cv2.GaussianBlur(film.mask.astype(np.float32), (0, 0), SIZE / 170), 0.5)


def angle(film: Film, order: Order) -> str | None:
    """Return the fraction of the costophrenic angle that is fluid, or None if the angle is not on the film."""
    sides = ("right", "left") if order.side == "both" else (order.side,)
    try:
        return f"{np.mean([blunting(film, side) for side in sides]):.2f}"
    except InputError:
        return None


def quiz_data(folder: Path) -> dict[str, Any]:
    """Save the films of the quiz of lesson 1. Return the truth, and the network's score and call, of each."""
    films = quiz_films()
    save_strip(folder / "quiz.webp", [film.image for film in films])
    return {"size": SIDE, "films": [quiz_film(film) for film in films]}


def quiz_film(film: QuizFilm) -> dict[str, Any]:
    """Return what the page needs of one film of the quiz. The outline encloses the fluid that can be seen."""
    return {
        "label": film.label,
        "called": film.called,
        "score": f"{film.score:.3f}",
        "truth": f"effusion, {film.volume_ml:,.0f} mL" if film.label else "no effusion",
        "outline": "" if film.brighter is None else outline(film.brighter, VISIBLE),
    }


def threshold_data() -> dict[str, Any]:
    """Return what each threshold does to the validation films, and to 1,000 people at each prevalence.

    ``formula`` holds, for each cost and each prevalence, the score from which the cost formula calls a film.
    """
    from cxrlib.course.lessons import course_scores

    val = course_scores("val")
    labels, scores = val["label"].to_numpy(), val["score"].to_numpy()
    false_positive, sensitivity, _ = roc(labels, scores)
    edges = np.logspace(np.log10(LOWEST), 0, BINS + 1)
    drawn = np.log10(np.clip(scores, LOWEST, 1))
    bars = [np.histogram(drawn[labels == label], np.log10(edges))[0] / (labels == label).sum() for label in (0, 1)]
    cuts = [cost_threshold(missed=cost, false_alarm=1) for cost in COSTS]
    old = labels.mean()
    return {
        "settings": [threshold_setting(val, threshold) for threshold in THRESHOLDS],
        "start": [THRESHOLDS.index("0.050"), COSTS.index(10), PREVALENCES.index(0.1)],
        "costs": COSTS,
        "prevalences": PREVALENCES,
        "formula": [[float(shift_prevalence(cut, old=new, new=old)) for new in PREVALENCES] for cut in cuts],
        "bars": [bar.round(5).tolist() for bar in bars],
        "roc": np.column_stack([false_positive, sensitivity]).round(4).tolist(),
    }


def threshold_setting(films: pd.DataFrame, threshold: str) -> dict[str, Any]:
    """Return the counts and rates of one threshold, and for each prevalence the people, the PPV and the NPV."""
    labels, scores, patients = films["label"], films["score"], films["patient_id"]
    result = performance(labels, scores, float(threshold), patients)
    rates = (result.sensitivity.value, result.specificity.value)
    elsewhere = [performance(labels, scores, float(threshold), patients, prevalence=p) for p in PREVALENCES]
    return {
        "threshold": threshold,
        **{name: getattr(result, name) for name in ("tp", "fn", "fp", "tn")},
        "sensitivity": str(result.sensitivity),
        "specificity": str(result.specificity),
        "people": [count_people(*rates, prevalence) for prevalence in PREVALENCES],
        "ppv": [str(place.ppv) for place in elsewhere],
        "npv": [str(place.npv) for place in elsewhere],
    }
