"""What goes with a network when it is handed on: its model card."""

from dataclasses import asdict

import numpy as np

from cxrlib.cohorts.cohort import Cohort
from cxrlib.cohorts.split import SPLITS
from cxrlib.errors import InputError
from cxrlib.evaluation.calibration import brier_interval
from cxrlib.evaluation.rates import Performance, performance, performance_by
from cxrlib.evaluation.roc_auc import auc_interval
from cxrlib.files import read_json
from cxrlib.training.run import OPERATING_POINT, SIMULATED, Run

GROUPS = ("view", "sex", "site")
FEW = 10

CLAIM = {
    "9": "pre-processing", "20": "how data were assigned to partitions", "21": "level at which partitions are disjoint",
    "22": "model", "24": "initialisation", "25": "training", "26": "choice of the final model", "28": "metrics",
    "29": "uncertainty", "36": "accuracy and its precision", "38": "limitations",
}  # fmt: skip
"""Items of the checklist of Mongan, Moy and Kahn (Radiology: AI 2020; 42 items) that a card speaks to."""

TRIPOD_AI = {
    "7": "data preparation", "10": "sample size", "12": "analytical methods", "13": "class imbalance",
    "14": "fairness", "15": "model output", "22": "model specification", "23": "performance", "26": "limitations",
}  # fmt: skip
"""Items of the statement of Collins et al. (BMJ 2024;385:e078378; 27 items) that a card speaks to."""


def model_card(run: Run, cohort: Cohort, *, split: str = "test", scores: np.ndarray | None = None) -> str:
    """Return a run's model card in Markdown: what it is, learned, can and cannot do.

    Figures carry 95 % intervals; a group of fewer than 10 films with the finding
    (for sensitivity) or without (for specificity) is named, but not measured.

    Parameters
    ----------
    run : Run
    cohort : Cohort
        The films that it is reported on.
    split : {"test", "val", "train", "all"}
    scores : array, (N,), optional
        Of the split's films, where they are known; else the run scores them.

    Raises
    ------
    InputError
        It cannot be known which films belong to the split, or they are of
        another finding.
    """
    if cohort.finding != run.finding:
        raise InputError(f"{run.folder}: looks for {run.finding}, but {cohort.folder} holds {cohort.finding}")
    part = run.part_of(cohort, split)
    known = "".join(f"\n\nWarning: {warning}." for warning in run.overlap_warnings(part))
    scores = run.score_cohort(part) if scores is None else scores
    labels, patients = part.labels, part.table["patient_id"]
    done = performance(labels, scores, run.threshold, patients)
    sections = [
        f"# Model card: {run.finding}, recipe {run.recipe.name}",
        "**Not a medical device.** For teaching and research; no decision about a patient may rest on it.",
        _about(run),
        _data(run),
        _training(run),
        f"## Performance\n\nOn {'all' if split == 'all' else f'the {split}'} films of {cohort.folder.name}: "
        f"{done.n:,} films of {done.n_patients:,} patients, {done.n_finding:,} with the finding.\n\n"
        + _table(_figures(labels, scores, patients, done))
        + known,
        _groups(part, scores, run.threshold),
        _limits(run),
        _checklists(),
    ]
    return "\n\n".join(sections) + "\n"


def _about(run: Run) -> str:
    return (
        f"## What it is\n\nA residual network of {run.recipe.depth} layers and {run.model.count_params():,} weights. "
        f"In: one frontal chest film, {run.recipe.size} x {run.recipe.size} pixels, {run.recipe.normalize} to [0, 1], "
        "dense bright. Out: a score in [0, 1], the probability of the finding at the prevalence of the training films "
        f"as far as the network has learned it. At {run.threshold:.4f} or above, a film is called {run.finding}."
    )


def _data(run: Run) -> str:
    if run.folder == SIMULATED:
        return _simulated_data(run)
    split = run.split
    counts = split.groupby("split").agg(films=("path", "size"), patients=("patient_id", "nunique"))
    ill = split["path"].str.startswith(f"{run.finding}/").groupby(split["split"]).sum()
    order = [name for name in SPLITS if name in counts.index]
    rows = {name: f"{counts.films[name]:,} films, {counts.patients[name]:,} patients, {ill[name]:,} with the finding"
            for name in order}  # fmt: skip
    note = "Patients are split, not films, as far as cohort.csv or the file names tell them apart."
    return f"## What it has learned from\n\n{note}\n\n" + _table(rows)


def _simulated_data(run: Run) -> str:
    """Return the same for the run that comes with the library, whose films are counted but not listed."""
    made = read_json(run.folder / "made.json")
    counts = {(row["split"], row["label"]): row["n"] for row in made["environment"]["images"]}
    rows = {name: f"{counts[name, 0] + counts[name, 1]:,} films, {counts[name, 1]:,} with the finding"
            for name in SPLITS}  # fmt: skip
    note = (
        f"{counts['train', 0] + counts['train', 1]:,} of {made['films']['films']:,} films of the library's simulator "
        "(the others chose the threshold and tested it), and no film of a patient. The simulated patients are split, "
        "not the films."
    )
    return f"## What it has learned from\n\n{note}\n\n" + _table(rows)


def _training(run: Run) -> str:
    knobs = {name: value for name, value in asdict(run.recipe).items() if name != "name"}
    moves = knobs.pop("augmentation")
    told = {name: str(value) for name, value in knobs.items()} | {
        f"augmentation: {k}": str(v) for k, v in moves.items()
    }
    note = (
        f"The loss weighs a missed finding {run.weight:.2f} times a false alarm; scores are corrected for it. "
        f"The threshold was chosen on validation films: {_rule(run)}."
    )
    return "## How it was trained\n\n" + note + "\n\n" + _table(told)


def _rule(run: Run) -> str:
    return read_json(run.folder / OPERATING_POINT).get("rule", "by an unknown rule")


def _figures(labels, scores, patients, done: Performance) -> dict[str, str]:
    return {
        "AUC": str(auc_interval(labels, scores, patients)),
        "sensitivity": str(done.sensitivity),
        "specificity": str(done.specificity),
        f"PPV at prevalence {done.prevalence:.3f}": str(done.ppv),
        f"NPV at prevalence {done.prevalence:.3f}": str(done.npv),
        "Brier score": f"{brier_interval(labels, scores, patients):.4f}",
    }


def _groups(part: Cohort, scores, threshold: float) -> str:
    lines = [
        "## In groups",
        "",
        "| group | films | with the finding | sensitivity | specificity |",
        "|---|---|---|---|---|",
    ]
    for column in (name for name in GROUPS if name in part.table):
        table = performance_by(part.table[column], part.labels, scores, threshold, part.table["patient_id"])
        for row in table.to_dict("records"):
            cells = [
                _rate(row, "sensitivity", row["n_finding"]),
                _rate(row, "specificity", row["n"] - row["n_finding"]),
            ]
            counts = f"{row['n']:,} | {row['n_finding']:,}"
            lines.append(f"| {column} {_cell(row['group'])} | {counts} | {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 4 else "## In groups\n\nThe cohort names no view, sex or site."


def _rate(row: dict, name: str, count: int) -> str:
    if count < FEW:
        return "too few films"
    return f"{row[name]:.2f} ({row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f})"


def _limits(run: Run) -> str:
    start = "" if run.recipe.start == "scratch" else f" It began from other weights: {run.recipe.start}."
    return (
        "## What it is not good for\n\nOther hospitals, machines, projections and ages than it was measured on; any "
        "finding but this one; films that are no frontal chest films. Intervals allow for several films of one "
        f"patient, and for nothing else. Explanations of single films were not validated.{start}"
    )


def _checklists() -> str:
    told = lambda items: "; ".join(f"{number} {topic}" for number, topic in items.items())
    return (
        "## Items that this card speaks to\n\n"
        f"CLAIM 2020, {len(CLAIM)} of 42: {told(CLAIM)}.\n\n"
        f"TRIPOD+AI, {len(TRIPOD_AI)} of 27: {told(TRIPOD_AI)}.\n\n"
        "The others ask about a study (why, where, who paid, what was registered), and are for its authors."
    )


def _table(rows: dict[str, str]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items())])


def _cell(value) -> str:
    """Return a value for a cell of a Markdown table, whose columns a bar would break."""
    return str(value).replace("|", "\\|")
