"""The model card of a run: what goes with a network when it is handed on."""

import re
from collections.abc import Mapping

import numpy as np

from cxrlib.cohorts.cohort import NOFINDING, Cohort
from cxrlib.cohorts.split import SPLITS
from cxrlib.cohorts.user_table import folder_key
from cxrlib.errors import InputError, printable
from cxrlib.evaluation.groups import COLUMNS, FIGURES, Group, describe_differences, measure_groups
from cxrlib.evaluation.rates import Evaluation, evaluate_scores
from cxrlib.files import map_in_order, read_json
from cxrlib.images.augmentation import Augmentation
from cxrlib.images.radiograph import read_film_id
from cxrlib.model.recipe import Recipe
from cxrlib.training.run import MADE, Run

CLAIM = {
    "9": "pre-processing", "20": "how data were assigned to partitions", "21": "level at which partitions are disjoint",
    "22": "model", "24": "initialisation", "25": "training", "26": "choice of the final model", "28": "metrics",
    "29": "uncertainty", "36": "accuracy and its precision", "38": "limitations",
}  # fmt: skip
"""The items that a card covers of the checklist by Mongan, Moy and Kahn (Radiology: AI 2020; 42 items)."""

TRIPOD_AI = {
    "7": "data preparation", "10": "sample size", "12": "analytical methods", "13": "class imbalance",
    "14": "fairness", "15": "model output", "22": "model specification", "23": "performance", "26": "limitations",
}  # fmt: skip
"""The items that a card covers of the statement by Collins et al. (BMJ 2024;385:e078378; 27 items)."""

_MARKDOWN_SIGNS = re.compile(r"""[!"#$&*:<=>@[\\\]^_`{|}~]|(?<=www)\.""", re.IGNORECASE)
"""What Markdown may read as more than text within a line. GitHub makes links of http:, of www. and of addresses too."""


def model_card(
    run: Run, cohort: Cohort, *, split: str = "test", scores: np.ndarray | None = None, has_recipe: bool = True
) -> str:
    """Return a run's model card in Markdown: what it is, what it learned from, what it can and cannot do.

    Figures have 95 % intervals. A group with fewer than 10 films with the finding has
    no sensitivity; one with fewer than 10 films without it has no specificity. A group has
    an AUC if it has both.

    Parameters
    ----------
    run : Run
    cohort : Cohort
        The films that the performance is measured on.
    split : {"test", "val", "train", "all"}
    scores : array, (N,), optional
        The scores of the split's films, if the caller knows them. By default the run
        scores the films.
    has_recipe : bool
        Whether the card lists the settings of the training. The page of ``cxr report``
        lists them in a place of their own.

    Raises
    ------
    InputError
        The cohort does not say which films belong to the split, or the cohort's finding
        is not the run's.
    """
    check_finding(run, cohort)
    films = run.part_of(cohort, split)
    scores = run.score_cohort(films) if scores is None else scores
    evaluation = evaluate_scores(split, films.labels, scores, run.threshold, films.table["patient_id"])
    sections = [
        f"# Model card: {escape_markdown(run.finding)}, recipe {escape_markdown(run.recipe.name)}",
        "**Not a medical device.** For teaching and research; no decision about a patient may rest on it.",
        _network(run),
        _data(run),
        _training(run, has_recipe),
        _performance(evaluation, cohort),
        *(f"Warning: {escape_markdown(warning)}." for warning in _warnings(run, films)),
        _groups(measure_groups(films.table, scores, run.threshold)),
        _limits(run),
        _checklists(),
    ]
    return "\n\n".join(sections) + "\n"


def _warnings(run: Run, films: Cohort) -> tuple[str, ...]:
    """Return the warnings that `Run.evaluate` gives about films that the run knows."""
    return run.overlap_warnings(films) + run.choice_warnings(map_in_order(read_film_id, films.files))


def check_finding(run: Run, cohort: Cohort) -> None:
    """Raise an InputError if the cohort's finding is not the run's."""
    if cohort.finding != run.finding:
        raise InputError(f"{run.folder}: looks for {run.finding}, but {cohort.folder} holds {cohort.finding}")


def _network(run: Run) -> str:
    return (
        f"## What it is\n\nA residual network of {run.recipe.depth} layers and {run.model.count_params():,} weights. "
        f"In: one frontal chest film, {run.recipe.size} x {run.recipe.size} pixels, {run.recipe.normalize} to [0, 1], "
        "dense bright. Out: a score in [0, 1], the probability of the finding at the prevalence of the training films "
        f"as far as the network has learned it. At {run.threshold:.4f} or above, a film is called "
        f"{escape_markdown(run.finding)}."
    )


def _data(run: Run) -> str:
    note, rows = _simulated_films(run) if run.is_simulated else _listed_films(run)
    return f"## What it has learned from\n\n{note}\n\n" + _table(rows)


def _listed_films(run: Run) -> tuple[str, dict[str, str]]:
    """Return a note, and how many films each split has, for a run with a split.csv."""
    split = run.split
    counts = split.groupby("split").agg(films=("path", "size"), patients=("patient_id", "nunique"))
    has_finding = split["path"].str.split("/").str[0].map(folder_key) != folder_key(NOFINDING)
    n_finding = has_finding.groupby(split["split"]).sum()
    rows = {
        name: f"{counts.films[name]:,} films, {counts.patients[name]:,} patients, {n_finding[name]:,} with the finding"
        for name in SPLITS
        if name in counts.index
    }
    note = (
        "Patients are split, not films: no patient is in two splits. Patients are told apart by cohort.csv or, without "
        "it, by the file names."
    )
    return note, rows


def _simulated_films(run: Run) -> tuple[str, dict[str, str]]:
    """Return a note, and how many films each split had, for the run that comes with the library, and for its copies."""
    record = read_json(run.folder / MADE)
    try:  # the file of a copy may come from anywhere
        counts = {(row["split"], row["label"]): int(row["n"]) for row in record["environment"]["images"]}
        films = {name: counts[name, 0] + counts[name, 1] for name in SPLITS}
        num_films = int(record["films"]["films"])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{run.folder / MADE}: is damaged; it must say how many films each split had") from None
    rows = {name: f"{films[name]:,} films, {counts[name, 1]:,} with the finding" for name in SPLITS}
    note = (
        f"{films['train']:,} of {num_films:,} films of the library's simulator (the others chose the "
        "threshold and tested it), and no film of a patient. The simulated patients are split, not the films."
    )
    return note, rows


def _training(run: Run, has_recipe: bool) -> str:
    note = (
        f"In the loss, a missed finding weighs {run.weight:.2f} times as much as a false alarm; the scores are "
        f"corrected for it. {_threshold(run)}"
    )
    if run.blended_auc is not None:
        before = run.history["val_auc"][run.kept_epoch - 1]
        note = (
            "In the loss, a missed finding weighs more than a false alarm; the scores are corrected for it, by a "
            f"weight of {run.weight:.2f}. After the training, each weight of the network was blended: "
            f"{run.recipe.blend:g} of the trained one and {1 - run.recipe.blend:g} of the start's. The AUC on the "
            f"validation films was {before:.3f} before and {run.blended_auc:.3f} after. {_threshold(run)}"
        )
    table = f"\n\n{_table(describe_recipe(run.recipe))}" if has_recipe else ""
    return f"## How it was trained\n\n{note}{table}"


def describe_recipe(recipe: Recipe) -> dict[str, str]:
    """Return every setting of a recipe but its name, in words: what it is about -> what it is.

    Examples
    --------
    >>> describe_recipe(Recipe(keep="best"))["kept weights"]
    'those of the epoch with the highest AUC on the validation films'
    """
    gray_levels = {"minmax": "the darkest and the brightest pixel", "percentile": "two percentiles of the pixels"}
    schedules = {
        "none": "constant",
        "halving": f"constant for {_count(recipe.hold, 'epoch')}, then halved each epoch",
        "cosine": f"rises for {_count(recipe.hold, 'epoch')}, then falls to 0 along half a cosine",
    }
    starts = {"scratch": "random weights", "simulated": "the weights that come with cxrlib, from simulated films"}
    optimizers = {"sgd": "SGD", "adamw": "AdamW"}
    missed = "a missed finding weighs"
    return {
        "network": f"ResNet of {recipe.depth} layers, {_count(recipe.width, 'channel')} in its first stage, "
        f"{'with' if recipe.skip else 'without'} skip connections",
        "films": f"{recipe.size} x {recipe.size} pixels; {gray_levels[recipe.normalize]} become 0 and 1",
        "first layer": "scales each film to mean 0 and standard deviation 1"
        if recipe.standardize
        else "takes each film as it is",
        "random changes of training films": _describe_augmentation(recipe.augmentation),
        "length": f"{_count(recipe.epochs, 'epoch')}, with {_count(recipe.batch, 'film')} a step",
        "optimizer": f"{optimizers[recipe.optimizer]}, weight decay {recipe.weight_decay:g}"
        + (" (not used by SGD)" if recipe.optimizer == "sgd" else ""),
        "learning rate": f"at most {recipe.learning_rate:g}; {schedules[recipe.schedule]}"
        + ("" if recipe.schedule != "none" else f" (hold {recipe.hold} is not used)"),
        "loss": f"{missed} as much as films without the finding are more frequent (balanced)"
        if recipe.weight == "balanced"
        else f"{missed} {recipe.weight:g} times as much as a false alarm",
        "first weights": starts.get(recipe.start, f"those of {recipe.start}"),
        "final weights": "the trained weights"
        if recipe.blend == 1
        else f"a blend: {recipe.blend:g} of the trained weights, {1 - recipe.blend:g} of the first ones",
        "kept weights": "those of the epoch with the highest AUC on the validation films"
        if recipe.keep == "best"
        else "those of the last epoch",
        "numbers in training": recipe.precision,
        "score": "the mean of the logits of the film and of its mirror image" if recipe.mirror else "of the film alone",
        "threshold": "highest specificity on the validation films with a sensitivity of at least "
        f"{recipe.sensitivity:g}"
        + ("" if recipe.confidence is None else f", and on new films with a probability of {recipe.confidence:g}"),
        "random seeds": f"{recipe.seed} for the training, {recipe.split_seed} for the split",
    }


def _describe_augmentation(changes: Augmentation) -> str:
    if changes.is_identity:
        return "none"
    flips = {"horizontal_flip": "half of them are mirrored", "vertical_flip": "half of them are turned upside down"}
    texts = [
        f"moved by up to {changes.shift:g} of the side",
        f"scaled by up to {changes.scale:g}",
        f"turned by up to {changes.rotate:g} degrees",
        f"brightness changed by a gamma of up to {changes.gamma:g}",
        *(text for name, text in flips.items() if getattr(changes, name)),
    ]
    return f"{'; '.join(texts)}. A film is changed with a probability of {changes.probability:g}"


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def _threshold(run: Run) -> str:
    """Return which operating point is used, and on which films it was chosen."""
    point = run.operating_point
    if point.is_of_training:
        return f"The threshold was chosen on validation films: {escape_markdown(point.rule)}."
    doubts = "".join(f" Warning about the choice: {escape_markdown(warning)}." for warning in point.warnings)
    return (
        f"The threshold is that of the operating point {escape_markdown(point.name)}, "
        f"{escape_markdown(point.describe())}. On these films: {escape_markdown(point.describe_figures())}.{doubts}"
    )


def _performance(evaluation: Evaluation, cohort: Cohort) -> str:
    result, split = evaluation.performance, evaluation.split
    at_prevalence = f" at prevalence {result.prevalence:.3f}"
    figures = {
        title + (at_prevalence if title in ("PPV", "NPV") else ""): text for title, text in evaluation.as_text().items()
    }
    return (
        f"## Performance\n\nOn {'all' if split == 'all' else f'the {split}'} films of "
        f"{escape_markdown(cohort.folder.name)}: "
        f"{result.n:,} films of {result.n_patients:,} patients, {result.n_finding:,} with the finding.\n\n"
    ) + _table(figures)


def _groups(groups_of_column: dict[str, list[Group]]) -> str:
    if not groups_of_column:
        return f"## In groups\n\nThe cohort has none of the columns {', '.join(COLUMNS)}."
    lines = [
        f"| group | films | with the finding | {' | '.join(FIGURES.values())} |",
        f"|{'---|' * (3 + len(FIGURES))}",
    ]
    for column, groups in groups_of_column.items():
        for group in groups:
            figures = [getattr(group, name) for name in FIGURES]
            texts = ["too few films" if figure is None else f"{figure:.2f}" for figure in figures]
            name = f"{column} {escape_markdown(group.name)}"
            lines.append(f"| {name} | {group.n:,} | {group.n_finding:,} | {' | '.join(texts)} |")
    return "## In groups\n\n" + "\n".join(lines) + f"\n\n{describe_differences(groups_of_column)}"


def _limits(run: Run) -> str:
    began = f" Its training began from other weights: {escape_markdown(run.recipe.start)}."
    start = "" if run.recipe.start == "scratch" else began
    return (
        "## What it is not good for\n\nOther hospitals, machines, projections and ages than it was measured on; any "
        "finding but this one; films that are no frontal chest films. Intervals allow for several films of one "
        f"patient, and for nothing else. Explanations of single films were not validated.{start}"
    )


def _checklists() -> str:
    claim, tripod = ("; ".join(f"{number} {topic}" for number, topic in items.items()) for items in (CLAIM, TRIPOD_AI))
    return (
        "## Items that this card speaks to\n\n"
        f"CLAIM 2020, {len(CLAIM)} of 42: {claim}.\n\n"
        f"TRIPOD+AI, {len(TRIPOD_AI)} of 27: {tripod}.\n\n"
        "The others ask about a study (why, where, who paid, what was registered), and are for its authors."
    )


def _table(rows: Mapping[str, object]) -> str:
    lines = [f"| {name} | {escape_markdown(value)} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def escape_markdown(value: object) -> str:
    r"""Return a value as Markdown that shows its text, and that makes no heading, link, picture, table or HTML.

    A back slash before a sign of ASCII makes the sign plain text (CommonMark 0.31.2, 2.4).
    Signs that mean nothing within a line are left alone.

    Examples
    --------
    >>> print(escape_markdown("![x](http://e.x) <b> 0.5"))
    \!\[x\](http\://e.x) \<b\> 0.5
    """
    return _MARKDOWN_SIGNS.sub(r"\\\g<0>", printable(value))
