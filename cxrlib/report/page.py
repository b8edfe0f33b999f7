"""The charts of a run's page, each with words that say what it shows.

One page of HTML about a run, in one file that asks no other host for anything.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from cxrlib.cohorts.cohort import NOFINDING, Cohort
from cxrlib.cohorts.split import SPLITS
from cxrlib.errors import InputError
from cxrlib.evaluation.calibration import reliability
from cxrlib.evaluation.estimate import Estimate
from cxrlib.evaluation.rates import Evaluation, evaluate_scores, performance_by
from cxrlib.evaluation.roc_auc import auc_interval
from cxrlib.files import read_json, write_text
from cxrlib.report import plots
from cxrlib.report.html import Picture, embed_chart, embed_image, markdown_to_html
from cxrlib.report.model_card import FEW, model_card
from cxrlib.training.run import OPERATING_POINT, SIMULATED, Run

BINS, FEWEST = 8, 10
"""Groups of films in a reliability diagram, and films in each of them at least."""


def training(run: Run) -> list[Picture]:
    """Return loss, AUC on val and learning rate by epoch."""
    table, kept = run.history, run.kept_epoch
    first, last = table.iloc[0], table.iloc[-1]
    auc = table["val_auc"][table["epoch"] == kept].iloc[0]
    rates = table["learning_rate"]
    return [
        embed_chart(
            lambda ax: plots.losses(table, ax),
            f"Training loss by epoch: {first['loss']:.3f} in the first, {last['loss']:.3f} in the last.",
        ),
        embed_chart(
            lambda ax: plots.history(table, ax, kept=kept),
            f"AUC on the validation films by epoch: {first['val_auc']:.3f} in the first, {auc:.3f} in epoch {kept}, "
            "whose weights are kept.",
        ),
        embed_chart(
            lambda ax: plots.learning_rates(table, ax),
            f"Learning rate by epoch: at most {rates.max():.2g}, {rates.iloc[-1]:.2g} in the last.",
        ),
    ]


def curves(table: pd.DataFrame, made: Evaluation) -> list[Picture]:
    """Return the ROC curve, and precision against recall, with the threshold as a dot.

    Parameters
    ----------
    table : DataFrame
        label, score and patient_id of each film.
    """
    labels, scores, patients = table["label"], table["score"], table["patient_id"]
    at, threshold = made.performance, made.performance.threshold
    where = f"The chosen threshold is at a sensitivity of {at.sensitivity.value:.2f}"
    return [
        embed_chart(
            lambda ax: plots.roc_curve(labels, scores, ax, patients=patients, threshold=threshold),
            f"ROC curve with an AUC of {made.auc:.2f}. {where} and a specificity of {at.specificity.value:.2f}.",
        ),
        embed_chart(
            lambda ax: plots.precision_recall_curve(labels, scores, ax, threshold=threshold),
            f"Precision against recall. {where} and a precision of {at.ppv.value:.2f}.",
        ),
    ]


def calibration(table: pd.DataFrame) -> dict:
    """Return the reliability diagram, its rows, the mean score and the share with the finding."""
    labels, scores, patients = table["label"], table["score"], table["patient_id"]
    bins = int(np.clip(len(labels) // FEWEST, 2, BINS))
    rows = reliability(labels, scores, patients, bins=bins)
    alt = (
        f"Share with the finding against the mean score, in {bins} groups of films from the lowest scores "
        f"({rows['score'].iloc[0]:.2f}: {rows['fraction'].iloc[0]:.2f}) to the highest "
        f"({rows['score'].iloc[-1]:.2f}: {rows['fraction'].iloc[-1]:.2f})."
    )
    picture = embed_chart(lambda ax: plots.reliability(rows, ax), alt)
    return {"picture": picture, "rows": rows.to_dict("records"), "mean": scores.mean(), "share": labels.mean()}


COLUMNS = ("view", "sex", "age", "site", "posture")
AGES = {"0 to 39": 0, "40 to 59": 40, "60 to 79": 60, "80 and over": 80}
SHOWN = 6  # of each kind of error
PLAIN = {"sensitivity": "sensitivity", "specificity": "specificity", "ppv": "PPV", "npv": "NPV"}


@dataclass(frozen=True)
class Part:
    """The films of one split, as scores.csv has them, and how the run does on them."""

    table: pd.DataFrame
    made: Evaluation


def write_page(run: Run, out=None, cohort: Cohort | None = None) -> Path:
    """Write a page about a run: figures with intervals, curves, calibration, groups, errors, recipe, model card.

    Figures are of the run's test scores or, where it has none, of its
    validation scores, which the page then says. All comes from the run's
    folder, and is that of ``run.evaluate`` on its cohort.

    Parameters
    ----------
    run : Run
    out : path-like, optional
        Ends in .html; by default report.html in the run's folder. An older
        page is replaced.
    cohort : Cohort, optional
        The one that the run was trained on. Without it there are no groups,
        pictures and model card, and the page says so.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    InputError
        The run has no scores, or of one class only; or the cohort is another
        than the run's.
    """
    out = Path(out) if out is not None else run.folder / "report.html"
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{out}: the page is HTML; its name must end in .html")
    if run.folder == SIMULATED:
        raise InputError(
            "the network that comes with cxrlib keeps no scores; `cxr evaluate simulated COHORT` makes some"
        )
    parts = _parts(run)
    split = list(parts)[-1]
    films = None if cohort is None else _films(run, cohort, split, parts[split].table)
    rooms = Environment(
        loader=PackageLoader("cxrlib.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    text = rooms.get_template("report.html").render(_facts(run, parts, split, cohort, films))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, text)
    return out


def _parts(run: Run) -> dict[str, Part]:
    """Return val and test, as far as they are scored and hold both classes."""
    if not (run.folder / "scores.csv").is_file():
        raise InputError(f"{run.folder}: has no scores.csv, which a training writes; train the run anew")
    scores, parts = run.scores, {}
    for split in SPLITS:
        table = scores[scores["split"] == split].reset_index(drop=True)
        if table["label"].nunique() != 2:
            continue
        made = evaluate_scores(split, table["label"], table["score"], run.threshold, table["patient_id"])
        parts[split] = Part(table, made)
    if not parts:
        found = ", ".join(f"{n:,} {split}" for split, n in scores["split"].value_counts().items())
        raise InputError(f"{run.folder / 'scores.csv'}: no split holds films of both classes (found: {found})")
    return parts


def _films(run: Run, cohort: Cohort, split: str, scored: pd.DataFrame) -> Cohort:
    """Return the cohort's films of the split, in the order of their scores, or refuse another cohort."""
    if cohort.finding != run.finding:
        raise InputError(f"{run.folder}: looks for {run.finding}, but {cohort.folder} holds {cohort.finding}")
    sizes = {path: file.stat().st_size for path, file in zip(cohort.table["path"], cohort.files, strict=True)}
    rows = run.split[run.split["split"] == split]
    same = sum(sizes.get(row.path) == row.bytes for row in rows.itertuples())
    if same < len(rows):
        raise InputError(
            f"{cohort.folder}: is not the cohort that {run.folder} was trained on, or was changed since: it holds "
            f"{same:,} of the run's {len(rows):,} {split} films"
        )
    part = run.part_of(cohort, split)
    if set(part.table["path"]) != set(scored["path"]):
        raise InputError(f"{cohort.folder}: its {split} films are not those that {run.folder / 'scores.csv'} lists")
    return part


def _facts(run: Run, parts: dict[str, Part], split: str, cohort: Cohort | None, films: Cohort | None) -> dict:
    part, point, figures = parts[split], read_json(run.folder / OPERATING_POINT), _figures(parts)
    place = run.folder / "environment.json"
    scores = None
    if films is not None:
        scores = part.table.set_index("path")["score"].loc[films.table["path"]].to_numpy()
    return {
        "finding": run.finding,
        "nofinding": NOFINDING,
        "name": run.folder.resolve().name,
        "recipe": dict(_flat(asdict(run.recipe))),
        "environment": dict(_flat(read_json(place))) if place.is_file() else {},
        "weight": run.weight,
        "threshold": run.threshold,
        "point": point,
        "split": split,
        "at": part.made.performance,
        "key": [(title, *told[split].partition(" ")[::2]) for title, told in figures[:5]],
        "figures": figures,
        "parts": {name: p.made for name, p in parts.items()},
        "counts": run.split.groupby("split", sort=False)["patient_id"].agg(["size", "nunique"]).to_dict("index"),
        "training": training(run),
        "curves": curves(part.table, part.made),
        "calibration": calibration(part.table),
        "cohort": cohort.folder.resolve().name if cohort else None,
        "groups": [] if films is None else list(_groups(films, scores, run.threshold)),
        "silent": [] if films is None else [column for column in COLUMNS if column not in films.table],
        "few": FEW,
        "errors": _errors(run, part, cohort),
        "card": None if films is None else _card(model_card(run, cohort, split=split, scores=scores)),
    }


def _told(estimate: Estimate) -> str:
    return "undefined" if np.isnan(estimate.value) else str(estimate)


def _figures(parts: dict[str, Part]) -> list[tuple[str, dict[str, str]]]:
    """Return the rows of the table of figures: a name, and what it is in each split."""
    rows = [("AUC", {name: _told(part.made.auc) for name, part in parts.items()})]
    for key, title in PLAIN.items():
        rows.append((title, {name: _told(getattr(part.made.performance, key)) for name, part in parts.items()}))
    rows.append(("Brier score", {name: f"{part.made.brier:.4f}" for name, part in parts.items()}))
    return rows


def _groups(part: Cohort, scores: np.ndarray, threshold: float) -> Iterator[dict]:
    """Yield, for each column of groups, its rows with figures that enough films stand behind."""
    labels, patients = part.labels, part.table["patient_id"]
    for column in (name for name in COLUMNS if name in part.table):
        groups = part.table[column]
        if column == "age":
            groups = pd.cut(groups, [*AGES.values(), np.inf], right=False, labels=list(AGES)).astype(object)
        rows = []
        for row in performance_by(groups, labels, scores, threshold, patients).to_dict("records"):
            ill, well = row["n_finding"], row["n"] - row["n_finding"]
            told = {"group": row["group"], "n": row["n"], "n_finding": ill, "auc": None}
            for rate, count in (("sensitivity", ill), ("specificity", well)):
                told[rate] = (
                    _told(Estimate(*(row[rate + end] for end in ("", "_low", "_high")))) if count >= FEW else None
                )
            if min(ill, well) >= FEW:
                inside = (groups == row["group"]).to_numpy()
                told["auc"] = _told(auc_interval(labels[inside], scores[inside], patients[inside]))
            rows.append(told)
        yield {"column": column, "rows": rows, "unknown": len(part.table) - sum(row["n"] for row in rows)}


def _errors(run: Run, part: Part, cohort: Cohort | None) -> list[dict]:
    """Return the worst misses and the worst false alarms, with pictures where the films are there."""
    table = part.table
    called = table["score"] >= run.threshold
    kinds = {
        "misses": ("missed", (table["label"] == 1) & ~called, True),
        "false alarms": ("a false alarm", (table["label"] == 0) & called, False),
    }
    made = []
    for title, (told, chosen, lowest_first) in kinds.items():
        worst = table[chosen].sort_values(["score", "path"], ascending=[lowest_first, True]).head(SHOWN)
        films = [
            {"path": row.path, "score": row.score, "alt": f"Film {row.path}, {told} with a score of {row.score:.3f}"}
            for row in worst.itertuples()
        ]
        if cohort is not None:
            _add_pictures(run, cohort, films)
        made.append({"title": title, "count": int(chosen.sum()), "films": films})
    return made


def _add_pictures(run: Run, cohort: Cohort, films: list[dict]) -> None:
    from cxrlib.evaluation.heat_maps import grad_cam  # loads TensorFlow

    images = run.load_images([cohort.folder / film["path"] for film in films]) if films else []
    for film, image in zip(films, images, strict=True):
        heat = grad_cam(run.model, image[None])[0]
        image = image / np.float32(65535)
        film["picture"] = embed_image(image, film["alt"])
        film["heat"] = embed_image(image, f"The same film under its heat map: what spoke for {run.finding}", heat=heat)


def _card(markdown: str):
    """Return the model card as HTML, without its title, for the page has one."""
    return markdown_to_html(markdown.split("\n", 1)[1])


def _flat(names: dict, above: str = "") -> Iterator[tuple[str, str]]:
    """Yield names and values, those of a dictionary within under both names."""
    for name, value in names.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}: ")
        elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            told = "; ".join(", ".join(f"{k} {v}" for k, v in row.items()) for row in value)
            yield above + str(name), told
        else:
            yield above + str(name), str(value)
