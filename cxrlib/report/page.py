"""Write one HTML page about a run, as one file that loads nothing from other hosts."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cxrlib.cohorts.cohort import NOFINDING, Cohort, refuse_inside_cohort
from cxrlib.cohorts.split import SPLITS
from cxrlib.errors import InputError, printable
from cxrlib.evaluation.estimate import number_patients
from cxrlib.evaluation.groups import COLUMNS, MIN_FILMS, describe_differences, measure_groups, name_groups
from cxrlib.evaluation.heat_maps import boxes_as_masks
from cxrlib.evaluation.rates import Evaluation, evaluate_scores, performance
from cxrlib.files import read_csv, read_json, write_text
from cxrlib.images.pixels import as_float
from cxrlib.report.badges import calibration_badge, copies_badge, floor_badge, groups_badge
from cxrlib.report.card import check_finding, describe_recipe, model_card
from cxrlib.report.charts import (
    LOWEST_SCORE,
    NUM_BARS,
    calibration_chart,
    curve_charts,
    net_benefit_chart,
    score_bars,
    training_charts,
)
from cxrlib.report.html import embed_image, markdown_to_html, outline_path
from cxrlib.training.run import Run

MAX_ERRORS = 60
"""A page shows at most this many errors: half of them misses and half false alarms, if there are so many of each. The
number is our choice."""

PICTURE_SIDE = 160
"""The largest side in pixels of a film in the gallery. With 60 errors the page stays below 3 MB."""

PREVALENCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""The prevalences for which the page lists predictive values. They are our choice."""

KEY_FIGURES = ("AUC", "sensitivity", "specificity", "PPV", "NPV")
"""The figures in the boxes at the top: those that most readers know."""


@dataclass(frozen=True)
class ScoredFilms:
    """The films of one split, as scores.csv has them, and how well the run does on them."""

    table: pd.DataFrame
    evaluation: Evaluation


def write_page(run: Run, out: str | Path | None = None, cohort: Cohort | None = None) -> Path:
    """Write a page about a run: figures with intervals, curves, calibration, groups, errors, recipe, model card.

    The reader can move the threshold, name costs and a prevalence, and filter the errors.
    A browser without JavaScript shows the same page at the run's threshold.

    The figures are computed from the run's test scores. If the run has no test scores,
    they are computed from its validation scores, and the page says so. All scores are
    read from the run's folder, so the figures equal those of ``run.evaluate`` on the
    run's cohort.

    Parameters
    ----------
    run : Run
    out : path-like, optional
        A name that ends in .html. By default it is report.html in the run's folder.
        An older page is replaced.
    cohort : Cohort, optional
        The cohort that the run was trained on. Without a cohort there are no groups,
        no pictures and no model card, and the page says so. The true outlines come from
        the cohort's folder ``masks`` or its boxes.csv, if it has one of them.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        The run has no scores, or scores of one class only, or was trained on a
        different cohort. Or the page's name does not end in .html, or the page would lie
        in a class folder of a cohort.
    """
    out = Path(out) if out is not None else run.folder / "report.html"
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{out}: the page is HTML; its name must end in .html")
    if run.is_simulated:
        raise InputError(
            "the network that comes with cxrlib keeps no scores; `cxr evaluate simulated COHORT` makes some"
        )
    scored = _read_scores(run)
    split = list(scored)[-1]
    values = _describe_run(run) | _describe_scores(run, scored, split) | _describe_cohort(run, scored[split], cohort)
    # autoescape: HTML in names and texts that come from files is shown as text
    environment = Environment(
        loader=PackageLoader("cxrlib.report"),
        autoescape=True,
        finalize=lambda value: printable(value) if type(value) is str else value,  # Markup is HTML, and a str as well
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    style, script = (_read_template(environment, f"report.{kind}") for kind in ("css", "js"))
    # the page's Content-Security-Policy names the hash of this script, so the browser runs no other one
    script_hash = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = environment.get_template("report.html").render(values, style=style, script=script, script_hash=script_hash)
    refuse_inside_cohort(out.parent)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, text)
    return out


def _read_template(environment: Environment, name: str) -> Markup:
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0])  # safe: it is our own file


def _read_scores(run: Run) -> dict[str, ScoredFilms]:
    """Return the scored films of val and of test, each only if it holds both classes."""
    if not (run.folder / "scores.csv").is_file():
        raise InputError(f"{run.folder}: has no scores.csv, which a training writes; train the run anew")
    scores, scored = run.scores, {}
    recorded = run.split.drop_duplicates("path").set_index("path")
    for split in SPLITS:
        table = scores[scores["split"] == split].reset_index(drop=True)
        if table["label"].nunique() == 2:
            columns = table["label"], table["score"], run.threshold, table["patient_id"]
            evaluation = evaluate_scores(split, *columns)
            film_ids = recorded["film_id"].reindex(table["path"])
            warnings = run.choice_warnings(film_ids) + evaluation.warnings
            scored[split] = ScoredFilms(table, replace(evaluation, warnings=warnings))
    if not scored:
        found = ", ".join(f"{n:,} {split}" for split, n in scores["split"].value_counts().items())
        raise InputError(f"{run.folder / 'scores.csv'}: no split holds films of both classes (found: {found})")
    return scored


def _describe_run(run: Run) -> dict[str, Any]:
    environment = run.folder / "environment.json"
    return {
        "name": run.folder.resolve().name,
        "finding": run.finding,
        "nofinding": NOFINDING,
        "recipe": run.recipe,
        "recipe_words": describe_recipe(run.recipe),
        "chosen_on_val": run.chosen_on_val,
        "has_choice": run.recipe.keep == "best" or run.operating_point.is_of_training,
        "environment": dict(_flatten(read_json(environment))) if environment.is_file() else {},
        "weight": run.weight,
        "trained_auc": run.history["val_auc"][run.kept_epoch - 1],
        "blended": run.blended_auc,
        "threshold": run.threshold,
        "operating_point": run.operating_point,
        "counts": run.split.groupby("split", sort=False)["patient_id"].agg(["size", "nunique"]).to_dict("index"),
        "training": training_charts(run),
        "warnings": run.notes
        + run.origin.warnings
        + tuple(f"when the operating point was chosen: {warning}" for warning in run.operating_point.warnings),
    }


def _describe_scores(run: Run, scored: dict[str, ScoredFilms], split: str) -> dict[str, Any]:
    films, result = scored[split].table, scored[split].evaluation.performance
    figures = {name: each.evaluation.as_text() for name, each in scored.items()}
    chart, table = calibration_chart(films)
    columns = films["label"], films["score"], run.threshold, films["patient_id"]
    at_prevalence = {prevalence: performance(*columns, prevalence=prevalence) for prevalence in PREVALENCES}
    return {
        "badges": [floor_badge(run, scored[split].evaluation), calibration_badge(scored[split].evaluation)],
        "films": _films_as_json(films, run.threshold),
        "at_prevalence": {prevalence: (str(made.ppv), str(made.npv)) for prevalence, made in at_prevalence.items()},
        "bars": score_bars(films),
        "num_bars": NUM_BARS,
        "line_at": 1 - np.log10(np.clip(run.threshold, LOWEST_SCORE, 1)) / np.log10(LOWEST_SCORE),
        "split": split,
        "evaluations": {name: each.evaluation for name, each in scored.items()},
        "figures": figures,
        "key_figures": {title: figures[split][title].split(" (") for title in KEY_FIGURES},  # value and interval
        "result": result,
        "curves": curve_charts(films, scored[split].evaluation),
        "net_benefit": net_benefit_chart(films, scored[split].evaluation),
        "calibration": {
            "chart": chart,
            "rows": table.to_dict("records"),
            "mean_score": films["score"].mean(),
            "fraction": films["label"].mean(),
        },
    }


def _describe_cohort(run: Run, scored: ScoredFilms, cohort: Cohort | None) -> dict[str, Any]:
    if cohort is None:
        badges = [groups_badge(None), copies_badge(run, None)]
        return {"cohort": None, "cohort_badges": badges, "filters": {}} | _find_errors(run, scored.table, None)
    split = scored.evaluation.split
    films = _find_films(run, cohort, split, scored.table)
    scores = scored.table.set_index("path")["score"].loc[films.table["path"]].to_numpy()
    card = model_card(run, cohort, split=split, scores=scores, has_recipe=False)
    groups = measure_groups(films.table, scores, run.threshold)
    return {
        "cohort": cohort.folder.resolve().name,
        "groups": groups,
        "differences": describe_differences(groups),
        "missing_columns": [column for column in COLUMNS if column not in films.table],
        "min_films": MIN_FILMS,
        "cohort_badges": [groups_badge(groups), copies_badge(run, films)],
        "filters": {column: [group.name for group in made] for column, made in groups.items() if len(made) > 1},
        "card": markdown_to_html(card.split("\n", 1)[1]),  # without its title: the page has one
    } | _find_errors(run, scored.table, films)


def _find_films(run: Run, cohort: Cohort, split: str, scored: pd.DataFrame) -> Cohort:
    """Return the cohort's films of the split, or raise an InputError if the run was trained on another cohort."""
    check_finding(run, cohort)
    recorded = run.recorded_films(cohort)
    rows = run.split[run.split["split"] == split]
    same = sum(path in recorded for path in rows["path"])
    if same < len(rows):
        raise InputError(
            f"{cohort.folder}: is not the cohort that {run.folder} was trained on, or was changed since: it holds "
            f"{same:,} of the run's {len(rows):,} {split} films"
        )
    films = run.part_of(cohort, split, recorded)
    if set(films.table["path"]) != set(scored["path"]):
        raise InputError(f"{cohort.folder}: its {split} films are not those that {run.folder / 'scores.csv'} lists")
    return films


def _films_as_json(films: pd.DataFrame, threshold: float) -> Markup:
    """Return what the page's script needs to know about the films. Patients are numbers, and no film is named."""
    content = {
        "threshold": threshold,
        "score": films["score"].tolist(),
        "label": films["label"].astype(int).tolist(),
        "patient": number_patients(films["patient_id"], len(films)).tolist(),
    }
    return Markup(json.dumps(content, separators=(",", ":")))  # safe: it holds only numbers and our own names


def _find_errors(run: Run, scored: pd.DataFrame, films: Cohort | None) -> dict[str, Any]:
    """Return the misses with the lowest scores and the false alarms with the highest, with pictures if possible."""
    called = scored["score"] >= run.threshold
    wrong = {1: scored[(scored["label"] == 1) & ~called], 0: scored[(scored["label"] == 0) & called]}
    half = MAX_ERRORS // 2
    errors = []
    for label, title in ((1, "misses"), (0, "false alarms")):
        num_shown = max(half, MAX_ERRORS - len(wrong[1 - label]))
        worst = wrong[label].sort_values(["score", "path"], ascending=[label == 1, True]).head(num_shown)
        rows = worst[["path", "score"]].assign(picture=None, outline="").to_dict("records")
        if films is not None and rows:
            _add_pictures(run, films, rows, "missed" if label == 1 else "a false alarm")
        errors.append({"title": title, "label": label, "count": len(wrong[label]), "films": rows})
    shown = [row for kind in errors for row in kind["films"]]
    return {"errors": errors, "num_shown": len(shown), "has_outlines": any(row["outline"] for row in shown)}


def _add_pictures(run: Run, films: Cohort, rows: list[dict[str, Any]], name: str) -> None:
    """Add to each row the film's ``picture``, ``heat``, ``outline`` (a path of SVG or "") and ``groups``."""
    from cxrlib.evaluation.heat_maps import grad_cam  # loads TensorFlow

    table = films.table.reset_index(drop=True)
    groups = {column: name_groups(table, column).fillna("") for column in COLUMNS if column in table}
    place_of = {path: place for place, path in enumerate(table["path"])}
    boxes = _read_boxes(films)
    for row, pixels in zip(rows, run.load_images([films.folder / row["path"] for row in rows]), strict=True):
        image = as_float(pixels)
        alt = f"Film {row['path']}, {name} with a score of {row['score']:.3f}"
        row["picture"] = embed_image(image, alt, max_side=PICTURE_SIDE)
        heat_alt = f"The same film under its heat map: what raises the score of {run.finding}"
        heat = grad_cam(run.model, image[None])[0]
        row["heat"] = embed_image(image, heat_alt, heat=heat, max_side=PICTURE_SIDE)
        row["groups"] = {column: str(names[place_of[row["path"]]]) for column, names in groups.items()}
        mask = _read_mask(films, row["path"], boxes, run.recipe.size)
        row["outline"] = "" if mask is None else outline_path(mask)


def _read_boxes(cohort: Cohort) -> pd.DataFrame | None:
    """Return the boxes around the cohort's finding that `cxrlib.cohorts.prepare` wrote, or None."""
    path = cohort.folder / "boxes.csv"
    if not path.is_file():
        return None
    numbers = ("x", "y", "width", "height")
    boxes = read_csv(path, needed=("path", "finding", *numbers), may_be_empty=True)
    boxes = boxes[boxes["finding"].str.lower() == cohort.finding.lower()]
    return boxes.assign(**{name: pd.to_numeric(boxes[name], errors="coerce") for name in numbers}).dropna()


def _read_mask(cohort: Cohort, path: str, boxes: pd.DataFrame | None, size: int) -> np.ndarray | None:
    """Return where the finding truly is, (H, W), bool: a mask of `cxrlib.phantom.simulate`, or NIH's boxes, or None."""
    file = cohort.folder / "masks" / Path(path).with_suffix(".png")
    if file.is_file():
        mask = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_GRAYSCALE)
        return None if mask is None else mask > 0
    own = None if boxes is None else boxes[boxes["path"] == path]
    return None if own is None or own.empty else np.asarray(boxes_as_masks(own, size).any(axis=0))


def _flatten(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield names and values as words. In a dictionary within the dictionary, a name is like "settings: floatx"."""
    for key, value in values.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, dict):
            yield from _flatten(value, f"{name}: ")
        elif isinstance(value, list):
            yield name, "; ".join(_in_words(row) for row in value) or "none"
        else:
            yield name, _in_words(value)


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_in_words(item)}" for key, item in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not known" if value is None or value == "" else str(value)
