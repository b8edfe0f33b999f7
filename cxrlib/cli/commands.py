"""The commands of ``cxr``. Each is a few lines over the library.

A command imports the library inside its function, so ``cxr --help`` does not wait for
TensorFlow and pandas. Results go to stdout. Notes, progress, warnings and errors go to
stderr. The help is given as ``help=``, because Python removes docstrings under ``-OO``.
"""

import os
import sys
from collections.abc import Iterable
from contextlib import closing, nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxrlib.cli import options, output
from cxrlib.cli.progress import Console, tensorboard_logs
from cxrlib.cli.streams import read_names, standard_streams
from cxrlib.errors import InputError
from cxrlib.model.session import start_session, without_unused_packages

if TYPE_CHECKING:
    from cxrlib.cohorts.cohort import Cohort
    from cxrlib.training.run import Run

app = typer.Typer(
    help="Find an anomaly in chest X-rays: from a folder of films to an operating point.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

SIMULATED_ONLY = (
    "this is the network that comes with cxrlib: it was trained on simulated films alone, has seen no patient, and "
    "its threshold is from simulated films; for teaching, not for deciding about a patient"
)
SIMULATED_COPY = (
    "this is a copy of the network that comes with cxrlib: it was trained on simulated films alone; for teaching, not "
    "for deciding about a patient"
)
NO_TEST_SCORES = "the cohort has no test films of both classes, so there are no test figures"


@app.command(help="Fetch public films, or check those that are there. An interrupted download continues.")
def fetch(
    context: typer.Context,
    name: Annotated[
        options.Collection, typer.Argument(help="ChestMNIST from Zenodo, or NIH's sample or full set from Kaggle.")
    ],
    out: Annotated[Path, typer.Argument(help="The folder for the films.")],
    size: Annotated[int, typer.Option(help="Side of ChestMNIST's films in pixels: 28, 64, 128 or 224.")] = 28,
    quiet: options.Quiet = False,
) -> None:
    """Run ``cxr fetch``."""
    if quiet:  # kagglehub and its tqdm read these when they are imported
        os.environ |= {"TQDM_DISABLE": "1", "KAGGLEHUB_VERBOSITY": "error"}
    from cxrlib.cohorts.fetching import fetch as fetch_films

    console: Console = context.obj
    fetched = fetch_films(name.value, out, size=size, notify=console.note, progress=console.byte_bar("fetching"))
    for terms in fetched.terms:
        output.show(f"terms: {terms}", err=True)  # even if quiet: whoever uses the films must know them
    size_option = f" --size {size}" if name is options.Collection.chestmnist else ""
    output.show(f"{fetched.path}: {'was there, and is whole' if fetched.was_there else 'fetched and checked'}")
    output.show(f"next: cxr prepare {fetched.path} COHORT{size_option}")


@app.command(help="Make a cohort of films of one size: 16-bit PNG in two class folders, and cohort.csv.")
def prepare(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            help="NIH ChestX-ray14 or CheXpert as published, ChestMNIST's .npz, a folder with two class folders, or "
            "films that a table names."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="A new folder, or one that an interrupted prepare began.")],
    finding: Annotated[
        str | None,
        typer.Option(help='The collection\'s own word, such as "Pleural Effusion".  [default: Effusion]'),
    ] = None,
    against: Annotated[
        options.Against, typer.Option(help="The other class: films labelled No Finding, or all other films.")
    ] = options.Against.nofinding,
    class_as: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="NAME", help="The name of the finding's class, as in other collections: lung_opacity."
        ),
    ] = None,
    table: Annotated[Path | None, typer.Option(help="The table of labels: a .csv or .csv.gz file.")] = None,
    path_column: Annotated[str | None, typer.Option(help="Its column with the paths or names of the films.")] = None,
    label_column: Annotated[
        str | None,
        typer.Option(
            help="Its column with 1, 0, -1 (uncertain) or nothing, or with the names of findings.  [default: the "
            "column with the name of the finding]"
        ),
    ] = None,
    patient_column: Annotated[str | None, typer.Option(help="Its column with the patients.")] = None,
    view_column: Annotated[
        list[str], typer.Option(help="Its column with the views. You can give it several times.")
    ] = [],  # noqa: B006 (typer makes a new list for each call)
    uncertain: Annotated[
        options.Uncertain, typer.Option(help="What becomes of films with an uncertain label.")
    ] = options.Uncertain.ignore,
    positive: Annotated[str | None, typer.Option(help="The folder of films with the finding.")] = None,
    negative: Annotated[
        str | None, typer.Option(help="The folder of films without it, or the table's word for No Finding.")
    ] = None,
    size: Annotated[int, typer.Option(min=8, help="Side in pixels.")] = 256,
    normalize: Annotated[
        options.Normalize, typer.Option(help="What becomes 0 and 1: the darkest and brightest pixel, or percentiles.")
    ] = options.Normalize.minmax,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split, if the source has no split.")] = 0,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out films that a table names but that are not there.")
    ] = False,
    keep_laterals: options.KeepLaterals = False,
    accept: options.Accept = [],  # noqa: B006 (typer makes a new list for each call)
    allow_color: options.AllowColor = False,
    quiet: options.Quiet = False,
) -> None:
    """Run ``cxr prepare``."""
    from cxrlib.cohorts.preparation import prepare as prepare_cohort
    from cxrlib.cohorts.table_source import TableLayout
    from cxrlib.images.film_facts import count_warnings

    console: Console = context.obj
    prepared = prepare_cohort(
        source,
        out,
        finding=finding,
        against=against.value,
        layout=TableLayout(
            table=table,
            path_column=path_column,
            label_column=label_column,
            patient_column=patient_column,
            view_columns=tuple(view_column),
            uncertain=uncertain.value,
        ),
        class_as=class_as,
        positive=positive,
        negative=negative,
        size=size,
        normalize=normalize.value,
        seed=seed,
        allow_missing=allow_missing,
        keep_laterals=keep_laterals,
        accept=options.accepted_kinds(accept, allow_color),
        progress=console.film_bar("preparing"),
    )
    console.note(*prepared.notes)
    counts = ", ".join(f"{count:,} {name}" for name, count in prepared.counts.items())
    if len(prepared.warnings):
        output.print_warnings(
            [f"unusual films: {count_warnings(prepared.warnings['kind'])}; see {out / 'warnings.csv'}"]
        )
    rejected = f"{len(prepared.rejected):,} rejected" + (" (rejected.csv)" if len(prepared.rejected) else "")
    output.show(f"{out}: {counts}; {rejected}")


@app.command(help="Simulate a cohort of chest films with exact truth.")
def simulate(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    films: Annotated[int, typer.Option(min=2, help="Number of films.")] = 1107,
    finding: Annotated[options.Simulated, typer.Option(help="What to look for.")] = options.Simulated.effusion,
    prevalence: Annotated[float, typer.Option(help="Fraction of the films filed under the finding.")] = 0.0967,
    label_noise: Annotated[
        tuple[float, float],
        typer.Option(help="Fraction filed under the finding without it, and fraction filed as nofinding with it."),
    ] = (0.0, 0.0),
    shortcut: Annotated[
        float, typer.Option(help="Fraction of films whose view, site and devices the label decides.")
    ] = 0.0,
    comorbidity: Annotated[
        float,
        typer.Option(
            help="How closely other diseases go with the label, from 0 (not at all) to 1 (as in ChestX-ray14)."
        ),
    ] = 0.0,
    size: Annotated[int, typer.Option(help="Side in pixels, 32 to 1024.")] = 128,
    format: Annotated[options.FilmFormat, typer.Option(help="16-bit PNG, or 12-bit DICOM.")] = options.FilmFormat.png,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    quiet: options.Quiet = False,
) -> None:
    """Run ``cxr simulate``."""
    from cxrlib.cohorts.cohort import NOFINDING
    from cxrlib.phantom.simulation import simulate as simulate_cohort

    console: Console = context.obj
    simulate_cohort(
        out,
        films=films,
        finding=finding.value,
        prevalence=prevalence,
        label_noise=label_noise,
        shortcut=shortcut,
        comorbidity=comorbidity,
        size=size,
        format=format.value,
        seed=seed,
        progress=console.film_bar("simulating"),
    )
    positives = round(films * prevalence)
    output.show(f"{out}: {positives:,} {finding.value}, {films - positives:,} {NOFINDING}")


@app.command(help="Train a network and choose its operating point on the validation films.")
def train(
    context: typer.Context,
    cohort: Annotated[Path, typer.Argument(help="A folder with two class folders, with or without cohort.csv.")],
    run: Annotated[Path, typer.Argument(help="A new folder for the run.")],
    recipe: Annotated[str, typer.Option(help="Its settings: default, classic or a .json file.")] = "default",
    epochs: Annotated[int | None, typer.Option(min=1, help="Number of epochs.")] = None,
    size: Annotated[int | None, typer.Option(min=32, help="Side of the images in pixels.")] = None,
    width: Annotated[
        int | None, typer.Option(min=1, help="Number of channels in the first stage of the network.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the first weights, the order of films and the augmentation.")
    ] = None,
    sensitivity: Annotated[
        float | None, typer.Option(help="The sensitivity that the threshold must reach.  [default: 0.90]")
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(help="How sure you want to be that new films reach this sensitivity, for example 0.9."),
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="The first weights: scratch (random), simulated, a run folder, or FILE.keras.")
    ] = None,
    blend: Annotated[
        float | None,
        typer.Option(
            help="The fraction of the trained weights in the final network, for example 0.5. The rest comes from the "
            "start. 1 keeps the trained weights as they are.  [default: the recipe's]"
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted training, or begin a new one.")
    ] = False,
    allow_overlap: Annotated[
        bool,
        typer.Option(
            "--allow-overlap", help="Warn of val and test films that the start was trained on, and train all the same."
        ),
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write logs for TensorBoard to RUN/tensorboard.")
    ] = False,
    distributed: Annotated[
        bool,
        typer.Option("--distributed", help="Train on all GPUs, and with the processes that the environment names."),
    ] = False,
    keep_laterals: options.KeepLaterals = False,
    quiet: options.Quiet = False,
) -> None:
    """Run ``cxr train``."""
    from cxrlib.model.recipe import find_recipe

    changes: dict[str, Any] = dict(epochs=epochs, size=size, width=width, seed=seed)
    changes |= dict(sensitivity=sensitivity, confidence=confidence, start=start, blend=blend)
    chosen = find_recipe(recipe, **changes)
    console: Console = context.obj
    films = _read_cohort(cohort, console, keep_laterals)
    with nullcontext() if distributed else without_unused_packages():
        start_session(chosen.seed, distributed=distributed)
    from cxrlib.model.distributed import shard  # after start_session, which chooses the backend
    from cxrlib.training.fitting import train as train_run

    shard_index, _ = shard()
    callbacks = [console.epoch_bar(chosen.epochs)] if shard_index == 0 else []
    if tensorboard and shard_index == 0:
        callbacks.append(tensorboard_logs(run))
    reading = console.film_bar("reading")
    settings: dict[str, Any] = dict(resume=resume, allow_overlap=allow_overlap, callbacks=tuple(callbacks))
    trained = train_run(films, run, chosen, **settings, progress=reading)
    if shard_index != 0:
        return  # the first process shows the result
    value = trained.history["val_auc"][trained.kept_epoch - 1]
    result = f"{run}: epoch {trained.kept_epoch} of {chosen.epochs} is kept, AUC on val {value:.3f}"
    if (blended := trained.blended_auc) is not None:
        result += f"; {blended:.3f} after its weights were blended with those of the start (blend {chosen.blend:g})"
    output.show(result)
    if trained.is_tested:
        output.print_evaluation(trained.evaluate(films))
    else:
        console.note(f"{NO_TEST_SCORES}; `cxr evaluate {run} {cohort} --split val` reports on the validation films")


@app.command(help="Report AUC, rates at the threshold, net benefit and calibration, with intervals.")
def evaluate(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="A run folder, or simulated: the network that comes with cxrlib.")],
    cohort: Annotated[Path, typer.Argument(help="A folder with two class folders.")],
    split: options.SplitOption = options.Split.test,
    threshold: options.Threshold = None,
    operating_point: options.OperatingPoint = None,
    prevalence: Annotated[
        float | None, typer.Option(help="The prevalence for PPV, NPV and net benefit.  [default: the cohort's]")
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            metavar="COLUMN,COLUMN,...",
            help="Also report on groups of films by these columns of the cohort's table, for example view,sex,age.",
        ),
    ] = "",
    as_json: options.AsJson = False,
    keep_laterals: options.KeepLaterals = False,
    quiet: options.Quiet = False,
) -> None:
    """Run ``cxr evaluate``."""
    console: Console = context.obj
    opened, films = _open_run(run, operating_point), _read_cohort(cohort, console, keep_laterals)
    if threshold is None:
        console.note(*_describe_point(opened))
    settings: dict[str, Any] = dict(split=split.value, threshold=threshold, prevalence=prevalence)
    settings["by"] = [name.strip() for name in by.split(",") if name.strip()]
    evaluation = opened.evaluate(films, **settings, progress=console.film_bar("reading"))
    output.print_evaluation(evaluation, as_json=as_json)


@app.command(help="Choose a threshold on films of the place where the run is used, and write it into the run.")
def threshold(
    context: typer.Context,
    run: Annotated[
        str, typer.Argument(help="A run folder. simulated is the network that comes with cxrlib; it needs --out.")
    ],
    cohort: Annotated[
        Path | None,
        typer.Option(
            help="A folder with two class folders. Its validation films are used, or all films if it has no split.  "
            "[default: the run's own validation films]"
        ),
    ] = None,
    films: Annotated[Path | None, typer.Option(help="A folder of films without labels. It needs --capacity.")] = None,
    split: Annotated[options.Split | None, typer.Option(help="Use this split of the cohort instead.")] = None,
    sensitivity: Annotated[
        float | None,
        typer.Option(help="Rule: the highest specificity with at least this sensitivity, for example 0.9."),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(help="With --sensitivity: how sure you want to be that new films reach it too, for example 0.9."),
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(
            metavar="MISS:ALARM",
            help="Rule: the lowest cost. 20:1 says that a missed finding costs as much as 20 false alarms.",
        ),
    ] = None,
    capacity: Annotated[
        float | None, typer.Option(help="Rule: flag this fraction of the films, those with the highest scores.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The name of the operating point.  [default: its rule and the date]")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A new folder for a copy of the run. The copy gets the operating point; the run stays as it is."
        ),
    ] = None,
    accept: options.Accept = [],  # noqa: B006 (typer makes a new list for each call)
    as_json: options.AsJson = False,
    keep_laterals: options.KeepLaterals = False,
    quiet: options.Quiet = False,
) -> None:
    """Run ``cxr threshold``."""
    from cxrlib.training.threshold import choose_threshold

    console: Console = context.obj
    costs, opened = options.parse_cost(cost), _open_run(run)
    labelled = _read_cohort(cohort, console, keep_laterals) if cohort else None
    rule: dict[str, Any] = dict(sensitivity=sensitivity, confidence=confidence, cost=costs, capacity=capacity)
    chosen = choose_threshold(
        opened,
        labelled,
        films=films,
        split=split.value if split else None,
        **rule,
        name=name,
        out=out,
        accept=options.accepted_kinds(accept, False),
        keep_laterals=keep_laterals,
        notify=console.note,
        warn=lambda warning: output.print_warnings([warning]),
        progress=console.film_bar("reading"),
    )
    output.print_operating_point(chosen, as_json=as_json)
    if chosen.operating_point.sensitivity is not None:
        console.note("the threshold was chosen on these films, so their rates are a little too good for new films")


@app.command(help="Compare the AUCs of two runs on the same films.")
def compare(
    context: typer.Context,
    run_a: Annotated[str, typer.Argument(help="A run folder, or simulated.")],
    run_b: Annotated[str, typer.Argument(help="Another run folder, or simulated.")],
    cohort: Annotated[Path, typer.Argument(help="A folder with two class folders.")],
    split: options.SplitOption = options.Split.test,
    as_json: options.AsJson = False,
    keep_laterals: options.KeepLaterals = False,
    quiet: options.Quiet = False,
) -> None:
    """Run ``cxr compare``."""
    from cxrlib.training.comparison import compare as compare_runs

    console: Console = context.obj
    runs, films = (_open_run(run_a), _open_run(run_b)), _read_cohort(cohort, console, keep_laterals)
    comparison = compare_runs(*runs, films, split=split.value, progress=console.film_bar("reading"))
    output.print_comparison(comparison, as_json=as_json)


@app.command(help="Score films: one line each, or a table. The exit code is 1 if a film could not be read.")
def predict(
    context: typer.Context,
    images: Annotated[
        list[str],
        typer.Argument(
            help="PNG, JPEG or DICOM files, folders of them, or patterns in quotes such as 'films/*.png'. "
            "With -, a list of names is read from stdin, one a line."
        ),
    ],
    run: Annotated[
        str, typer.Option(help="A run folder; simulated is the network that comes with cxrlib.")
    ] = "simulated",
    threshold: options.Threshold = None,
    operating_point: options.OperatingPoint = None,
    accept: options.Accept = [],  # noqa: B006 (typer makes a new list for each call)
    allow_color: options.AllowColor = False,
    explain: Annotated[
        Path | None,
        typer.Option(help="Write a picture of each film into this folder: heat map, score, decision, warnings."),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Write a table with one row for each film. If the command stopped early, call it again in the same "
            "way: it goes on with the films that are missing."
        ),
    ] = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Run ``cxr predict``."""
    from cxrlib.cohorts.film_files import find_films

    console: Console = context.obj
    listed = (read_names() if word == "-" else (word,) for word in images)
    films, notes = find_films(chain.from_iterable(listed))  # before TensorFlow is loaded, because names may be wrong
    console.note(*notes)
    opened = _open_run(run, operating_point)
    from cxrlib.training.run import Prediction
    from cxrlib.training.score_table import open_score_table

    point = opened.operating_point.name if threshold is None else None
    if threshold is None:
        console.note(*_describe_point(opened))
    settings: dict[str, Any] = dict(threshold=threshold, accept=options.accepted_kinds(accept, allow_color))
    with open_score_table(csv, opened, **settings) if csv else nullcontext() as table:
        missing = table.missing(films) if table else films
        all_read = True
        try:
            with closing(opened.predict_many(missing, **settings)) as predictions:
                pairs: Iterable[tuple[str, Prediction | InputError]] = zip(missing, predictions, strict=True)
                if table or not sys.stdout.isatty():  # otherwise the lines on the terminal show how far it is
                    pairs = console.film_bar("predicting")(pairs, len(missing))
                for path, prediction in pairs:
                    picture = None
                    if explain and isinstance(prediction, Prediction):
                        from cxrlib.report.prediction import save_prediction

                        picture = save_prediction(opened, path, prediction, explain, accept=settings["accept"])
                    if table:
                        table.add(path, prediction)
                    all_read &= isinstance(prediction, Prediction)
                    if as_json or not table or not isinstance(prediction, Prediction):
                        console.clear()
                        output.print_prediction(
                            path, prediction, finding=opened.finding, point=point, picture=picture, as_json=as_json
                        )
        except KeyboardInterrupt:
            if table:
                console.clear()
                output.show(f"cxr: stopped; {csv} keeps {table.describe(opened.finding)}", err=True)
                output.show("cxr: call the same command again to go on with the films that are missing", err=True)
            raise
        if table:
            all_read = table.all_have_scores(films)
            if not as_json:
                output.show(f"{csv}: {table.describe(opened.finding)}")
    if not all_read:
        raise typer.Exit(1)


@app.command(
    help="Write one HTML page about a run: curves, figures with intervals, calibration, groups, errors, recipe."
)
def report(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="A run folder.")],
    out: Annotated[Path | None, typer.Argument(help="The page.  [default: RUN/report.html]")] = None,
    cohort: Annotated[
        Path | None,
        typer.Option(
            help="The cohort that the run was trained on. It adds groups, errors as pictures and the model card."
        ),
    ] = None,
    operating_point: options.OperatingPoint = None,
    keep_laterals: options.KeepLaterals = False,
    quiet: options.Quiet = False,
) -> None:
    """Run ``cxr report``."""
    from cxrlib.report.page import write_page

    console: Console = context.obj
    opened = _open_run(run, operating_point)
    console.note(*_describe_point(opened))
    page = write_page(opened, out, _read_cohort(cohort, console, keep_laterals) if cohort else None)
    if not opened.is_tested:
        console.note(f"{NO_TEST_SCORES}; the page is about the validation films")
    output.show(f"{page}: {page.stat().st_size / 1e6:.1f} MB, in one file; open it in a browser")


@app.command(help="Write a run as one ONNX file, which scores images without this library.")
def export(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="A run folder, or simulated: the network that comes with cxrlib.")],
    out: Annotated[Path, typer.Argument(help="The file, such as effusion.onnx. An older export is replaced.")],
    operating_point: options.OperatingPoint = None,
    quiet: options.Quiet = False,
) -> None:
    """Run ``cxr export``."""
    from cxrlib.training.export import USE, export_onnx

    console: Console = context.obj
    opened = _open_run(run, operating_point)
    console.note(*_describe_point(opened), USE)
    file = export_onnx(opened, out)
    point = f"threshold {opened.threshold:.4f}, operating point {opened.operating_point.name}"
    output.show(f"{file}: {file.stat().st_size / 1e6:.1f} MB; {point}")


def _open_run(name: str, operating_point: str | None = None) -> "Run":
    from cxrlib.training.run import open_run

    if name == "simulated":
        output.print_warnings([SIMULATED_ONLY])  # even if quiet
    run = open_run(name, operating_point=operating_point)
    if run.is_simulated and name != "simulated":
        output.print_warnings([SIMULATED_COPY])
    output.print_warnings(run.notes)
    with without_unused_packages():
        start_session()
    _ = run.model  # loaded here, so that a damaged network is one error of the run, and not an error of its first film
    return run


def _describe_point(run: "Run") -> list[str]:
    """Return one note about the operating point; none about that of the training, which a run has from the start."""
    point = run.operating_point
    return [] if point.is_of_training else [f"operating point {point.name}, {point.describe()}"]


def _read_cohort(folder: Path, console: Console, keep_laterals: bool) -> "Cohort":
    from cxrlib.cohorts.cohort import read_cohort

    cohort = read_cohort(folder, keep_laterals=keep_laterals)
    console.note(*cohort.notes)
    return cohort


def main() -> None:
    """Run the command line. An error that the user can correct is one line and exit code 2."""
    with standard_streams():
        try:
            with output.show_library_warnings():
                app()
        except Exception as error:
            if not isinstance(error, InputError | OSError):
                raise
            output.show(f"cxr: {error}", err=True)
            sys.exit(2)
