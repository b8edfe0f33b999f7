"""Write one HTML page about a run, as one file that loads nothing from other hosts."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from cxrlib.cohorts.cohort import NOFINDING, Cohort, refuse_inside_cohort
from cxrlib.cohorts.split import SPLITS
from cxrlib.errors import InputError, printable
from cxrlib.evaluation.groups import COLUMNS, MIN_FILMS, describe_differences, measure_groups
from cxrlib.evaluation.rates import Evaluation, evaluate_scores
from cxrlib.files import read_json, write_text
from cxrlib.images.pixels import as_float
from cxrlib.report.card import check_finding, model_card
from cxrlib.report.charts import calibration_chart, curve_charts, net_benefit_chart, training_charts
from cxrlib.report.html import embed_image, markdown_to_html
from cxrlib.training.run import Run

MAX_ERRORS = 6
"""A page shows at most this many misses and this many false alarms. The number is our choice."""

KEY_FIGURES = ("AUC", "sensitivity", "specificity", "PPV", "NPV")
"""The figures in the boxes at the top: those that most readers know."""


@dataclass(frozen=True)
class ScoredFilms:
    """The films of one split, as scores.csv has them, and how well the run does on them."""

    table: pd.DataFrame
    evaluation: Evaluation


def write_page(run: Run, out: str | Path | None = None, cohort: Cohort | None = None) -> Path:
    """Write a page about a run: figures with intervals, curves, calibration, groups, errors, recipe, model card.

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
        no pictures and no model card, and the page says so.

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
    text = environment.get_template("report.html").render(values)
    refuse_inside_cohort(out.parent)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, text)
    return out


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
        "recipe": dict(_flatten(asdict(run.recipe))),
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
    return {
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
        return {"cohort": None, "errors": _find_errors(run, scored.table, None)}
    split = scored.evaluation.split
    films = _find_films(run, cohort, split, scored.table)
    scores = scored.table.set_index("path")["score"].loc[films.table["path"]].to_numpy()
    card = model_card(run, cohort, split=split, scores=scores)
    groups = measure_groups(films.table, scores, run.threshold)
    return {
        "cohort": cohort.folder.resolve().name,
        "groups": groups,
        "differences": describe_differences(groups),
        "missing_columns": [column for column in COLUMNS if column not in films.table],
        "min_films": MIN_FILMS,
        "errors": _find_errors(run, scored.table, cohort),
        "card": markdown_to_html(card.split("\n", 1)[1]),  # without its title: the page has one
    }


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


def _find_errors(run: Run, scored: pd.DataFrame, cohort: Cohort | None) -> list[dict[str, Any]]:
    """Return the misses with the lowest scores and the false alarms with the highest, with pictures if possible."""
    called = scored["score"] >= run.threshold
    kinds = [
        ("misses", "missed", scored[(scored["label"] == 1) & ~called], True),
        ("false alarms", "a false alarm", scored[(scored["label"] == 0) & called], False),
    ]
    errors = []
    for title, name, wrong, lowest_first in kinds:
        worst = wrong.sort_values(["score", "path"], ascending=[lowest_first, True]).head(MAX_ERRORS)
        films = worst[["path", "score"]].to_dict("records")
        if cohort is not None:
            _add_pictures(run, cohort, films, name)
        errors.append({"title": title, "count": len(wrong), "films": films})
    return errors


def _add_pictures(run: Run, cohort: Cohort, films: list[dict[str, Any]], name: str) -> None:
    from cxrlib.evaluation.heat_maps import grad_cam  # loads TensorFlow

    if not films:
        return
    for film, pixels in zip(films, run.load_images([cohort.folder / film["path"] for film in films]), strict=True):
        image = as_float(pixels)
        alt = f"Film {film['path']}, {name} with a score of {film['score']:.3f}"
        film["picture"] = embed_image(image, alt)
        heat = grad_cam(run.model, image[None])[0]
        film["heat"] = embed_image(
            image, f"The same film under its heat map: what raises the score of {run.finding}", heat=heat
        )


def _flatten(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield names and values as text. In a dictionary within the dictionary, a name is like "augmentation: shift"."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}: ")
        elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            rows = (", ".join(f"{key} {item}" for key, item in row.items()) for row in value)
            yield f"{prefix}{name}", "; ".join(rows)
        else:
            yield f"{prefix}{name}", str(value)
