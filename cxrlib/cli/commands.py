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

from cxrlib import __version__
from cxrlib.cli import options, output
from cxrlib.cli.progress import Console, tensorboard_logs
from cxrlib.cli.streams import read_names, standard_streams
from cxrlib.errors import InputError
from cxrlib.model.session import quick_loading, start_session

if TYPE_CHECKING:
    from cxrlib.cohorts.cohort import Cohort
    from cxrlib.training.run import Run

app = typer.Typer(
    help="Find an anomaly in chest X-rays: from a folder of films to an operating point.",
    epilog=options.examples("cxr predict film.png", "cxr train --help"),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",  # the help has groups; typer draws it with rich, which is imported for --help alone
)
TABLE, FOLDERS, FAULTS = "A table of labels", "Folders of your own", "Faults of real collections"
RULE, PROCESS = "Rule (choose one)", "How the training runs"
MAKE_COHORT, MAKE_NETWORK, USE_NETWORK = "Get films", "Train and measure a network", "Use a network"

SIMULATED_ONLY = (
    "this is the network that comes with cxrlib: it was trained on simulated films alone, has seen no patient, and "
    "its threshold is from simulated films; for teaching, not for deciding about a patient"
)
SIMULATED_COPY = (
    "this is a copy of the network that comes with cxrlib: it was trained on simulated films alone; for teaching, not "
    "for deciding about a patient"
)
NO_TEST_SCORES = "the cohort has no test films of both classes, so there are no test figures"


def show_version(is_asked: bool) -> None:
    """Show the version and end, if ``--version`` is given."""
    if is_asked:
        output.show(f"cxrlib {__version__}")
        raise typer.Exit


@app.callback()
def cxr(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command(
    help="Fetch public films, or check those that are there. An interrupted download continues.",
    epilog=options.examples("cxr fetch chestmnist downloads --size 128"),
    rich_help_panel=MAKE_COHORT,
)
def fetch(
    context: typer.Context,
    name: Annotated[
        options.Collection,
        typer.Argument(metavar="NAME", help="Choose ChestMNIST from Zenodo, or NIH's sample or full set from Kaggle."),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Write the films into this folder.")],
    size: Annotated[
        int, typer.Option(help="Take ChestMNIST's films with this side in pixels: 28, 64, 128 or 224.")
    ] = 28,
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
    size_option = ("--size", size) if name is options.Collection.chestmnist else ()
    output.show(f"{fetched.path}: {'was there, and is whole' if fetched.was_there else 'fetched and checked'}")
    console.show_next("prepare", fetched.path, "COHORT", *size_option)


@app.command(
    help="Make a cohort of films of one size: 16-bit PNG in two class folders, and cohort.csv.",
    epilog=options.examples(
        "cxr prepare downloads/nih cohort", "cxr prepare films cohort --positive sick --negative healthy"
    ),
    rich_help_panel=MAKE_COHORT,
)
def prepare(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Read NIH ChestX-ray14 or CheXpert as published, ChestMNIST's .npz, a folder with two class folders, "
            "or films that a table names.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="Write the cohort into this folder. It is new, or an interrupted prepare began it."
        ),
    ],
    finding: Annotated[
        str | None,
        typer.Option(
            help='Look for this finding, in the collection\'s own word: "Pleural Effusion". Without it: Effusion.'
        ),
    ] = None,
    against: Annotated[
        options.Against, typer.Option(help="Take as the other class the films labelled No Finding, or all other films.")
    ] = options.Against.nofinding,
    class_as: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="NAME", help="Call the finding's class by this name, as in other collections: lung_opacity."
        ),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Read the labels from this .csv or .csv.gz file.", rich_help_panel=TABLE)
    ] = None,
    path_column: Annotated[
        str | None, typer.Option(help="Find the paths or names of the films in this column.", rich_help_panel=TABLE)
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option(
            help="Find the labels in this column: 1, 0, -1 (uncertain) or nothing, or the names of findings. Without "
            "it, the column with the name of the finding is used.",
            rich_help_panel=TABLE,
        ),
    ] = None,
    patient_column: Annotated[
        str | None, typer.Option(help="Find the patients in this column.", rich_help_panel=TABLE)
    ] = None,
    view_column: Annotated[
        list[str],
        typer.Option(
            metavar="COLUMN",
            help="Find the views in this column. You can give it several times.",
            rich_help_panel=TABLE,
        ),
    ] = [],  # noqa: B006 (typer makes a new list for each call)
    uncertain: Annotated[
        options.Uncertain,
        typer.Option(help="Say what becomes of films with an uncertain label.", rich_help_panel=TABLE),
    ] = options.Uncertain.ignore,
    positive: Annotated[
        str | None, typer.Option(help="Take the films with the finding from this folder.", rich_help_panel=FOLDERS)
    ] = None,
    negative: Annotated[
        str | None,
        typer.Option(
            help="Take the films without it from this folder. With a table: its word for No Finding.",
            rich_help_panel=FOLDERS,
        ),
    ] = None,
    size: Annotated[int, typer.Option(min=8, help="Make the images this many pixels wide and high.")] = 256,
    normalize: Annotated[
        options.Normalize,
        typer.Option(help="Say what becomes 0 and 1: the darkest and brightest pixel, or percentiles."),
    ] = options.Normalize.minmax,
    seed: Annotated[
        int, typer.Option(min=0, help="Split the patients with this random seed, if the source has no split.")
    ] = 0,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing",
            help="Leave out films that a table names but that are not there.",
            rich_help_panel=options.FILMS,
        ),
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
    console.show_next("train", out, "RUN")


@app.command(
    help="Simulate a cohort of chest films with exact truth.",
    epilog=options.examples("cxr simulate films --films 200 --prevalence 0.3"),
    rich_help_panel=MAKE_COHORT,
)
def simulate(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Write the cohort into this new folder.")],
    films: Annotated[int, typer.Option(min=2, help="Simulate this many films.")] = 1107,
    finding: Annotated[options.Simulated, typer.Option(help="Simulate this finding.")] = options.Simulated.effusion,
    prevalence: Annotated[
        float, typer.Option(help="File this fraction of the films under the finding, for example 0.3.")
    ] = 0.0967,
    label_noise: Annotated[
        tuple[float, float],
        typer.Option(
            help="File this fraction of the films without the finding under it, and this fraction of those with it "
            "as nofinding, for example 0.1 0.2.",
            rich_help_panel=FAULTS,
        ),
    ] = (0.0, 0.0),
    shortcut: Annotated[
        float,
        typer.Option(
            help="Let the label decide view, site and devices on this fraction of the films.", rich_help_panel=FAULTS
        ),
    ] = 0.0,
    comorbidity: Annotated[
        float,
        typer.Option(
            help="Say how closely other diseases go with the label, from 0 (not at all) to 1 (as in ChestX-ray14).",
            rich_help_panel=FAULTS,
        ),
    ] = 0.0,
    size: Annotated[int, typer.Option(help="Make the films this many pixels wide and high, from 32 to 1024.")] = 128,
    format: Annotated[
        options.FilmFormat, typer.Option(help="Write 16-bit PNG, or 12-bit DICOM.")
    ] = options.FilmFormat.png,
    seed: Annotated[int, typer.Option(min=0, help="Simulate the films of this random seed.")] = 0,
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
    console.show_next("train", out, "RUN")


@app.command(
    help="Train a network and choose its operating point on the validation films.",
    epilog=options.examples("cxr train cohort run", "cxr train cohort run --epochs 5 --sensitivity 0.95"),
    rich_help_panel=MAKE_NETWORK,
)
def train(
    context: typer.Context,
    cohort: Annotated[
        Path,
        typer.Argument(
            metavar="COHORT", help="Train on this folder with two class folders, with or without cohort.csv."
        ),
    ],
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Write the run into this new folder.")],
    recipe: Annotated[
        str, typer.Option(help="Take the settings from this recipe: default, classic or a .json file.")
    ] = "default",
    epochs: Annotated[int | None, typer.Option(min=1, help="Train for this many epochs.")] = None,
    size: Annotated[int | None, typer.Option(min=32, help="Scale the images to this side in pixels.")] = None,
    width: Annotated[
        int | None, typer.Option(min=1, help="Give the first stage of the network this many channels.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Use this random seed for the first weights, the order of films and the augmentation."
        ),
    ] = None,
    sensitivity: Annotated[
        float | None,
        typer.Option(
            help="Choose the threshold so that the sensitivity is at least this high. Without it, the recipe's "
            "sensitivity is used: 0.90.",
            rich_help_panel=options.THRESHOLD,
        ),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(
            help="Say how sure you want to be that new films reach this sensitivity, for example 0.9.",
            rich_help_panel=options.THRESHOLD,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="Start from these weights: scratch (random), simulated, a run folder, or FILE.keras."),
    ] = None,
    blend: Annotated[
        float | None,
        typer.Option(
            help="Take this fraction of the final network from the trained weights, and the rest from the start: 0.5. "
            "1 keeps the trained weights as they are. Without it, the recipe decides."
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue an interrupted training, or begin a new one.", rich_help_panel=PROCESS),
    ] = False,
    allow_overlap: Annotated[
        bool,
        typer.Option(
            "--allow-overlap",
            help="Warn of val and test films that the start was trained on, and train all the same.",
            rich_help_panel=options.FILMS,
        ),
    ] = False,
    tensorboard: Annotated[
        bool,
        typer.Option("--tensorboard", help="Write logs for TensorBoard to RUN/tensorboard.", rich_help_panel=PROCESS),
    ] = False,
    distributed: Annotated[
        bool,
        typer.Option(
            "--distributed",
            help="Train on all GPUs, and with the processes that the environment names.",
            rich_help_panel=PROCESS,
        ),
    ] = False,
    keep_laterals: options.KeepLaterals = False,
    cache: options.Cache = None,
    quiet: options.Quiet = False,
) -> None:
    """Run ``cxr train``."""
    from cxrlib.model.recipe import find_recipe

    changes: dict[str, Any] = dict(epochs=epochs, size=size, width=width, seed=seed)
    changes |= dict(sensitivity=sensitivity, confidence=confidence, start=start, blend=blend)
    chosen = find_recipe(recipe, **changes)
    console: Console = context.obj
    films = _read_cohort(cohort, console, keep_laterals)
    with nullcontext() if distributed else quick_loading():
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
    console.show_next("report", run, "--cohort", cohort)


@app.command(
    help="Report AUC, rates at the threshold, net benefit and calibration, with intervals.",
    epilog=options.examples("cxr evaluate run cohort", "cxr evaluate run cohort --by view,sex --json"),
    rich_help_panel=MAKE_NETWORK,
)
def evaluate(
    context: typer.Context,
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Use this run folder, or simulated: the network that comes with cxrlib."),
    ],
    cohort: Annotated[
        Path, typer.Argument(metavar="COHORT", help="Use the films of this folder with two class folders.")
    ],
    split: options.SplitOption = options.Split.test,
    threshold: options.Threshold = None,
    operating_point: options.OperatingPoint = None,
    prevalence: Annotated[
        float | None,
        typer.Option(help="Compute PPV, NPV and net benefit for this prevalence. Without it, the cohort's is used."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            metavar="COLUMN,COLUMN,...",
            help="Also report on groups of films, by these columns of the cohort's table: view,sex,age.",
        ),
    ] = "",
    as_json: options.AsJson = False,
    keep_laterals: options.KeepLaterals = False,
    cache: options.Cache = None,
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


@app.command(
    help="Choose a threshold on films of the place where the run is used, and write it into the run.",
    epilog=options.examples(
        "cxr threshold run --cohort cohort --sensitivity 0.95", "cxr threshold run --films films --capacity 0.1"
    ),
    rich_help_panel=MAKE_NETWORK,
)
def threshold(
    context: typer.Context,
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Choose for this run folder, or for simulated: the network that comes with cxrlib. It needs --out.",
        ),
    ],
    cohort: Annotated[
        Path | None,
        typer.Option(
            help="Use this folder with two class folders: its validation films, or all films if it has no split. "
            "Without it, the run's own validation films are used.",
            rich_help_panel=options.FILMS,
        ),
    ] = None,
    films: Annotated[
        Path | None,
        typer.Option(
            help="Use this folder of films without labels. It needs --capacity.", rich_help_panel=options.FILMS
        ),
    ] = None,
    split: Annotated[
        options.Split | None,
        typer.Option(help="Use this split of the cohort instead.", rich_help_panel=options.FILMS),
    ] = None,
    sensitivity: Annotated[
        float | None,
        typer.Option(
            help="Choose the highest specificity with at least this sensitivity, for example 0.9.",
            rich_help_panel=RULE,
        ),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(
            help="With --sensitivity: say how sure you want to be that new films reach it too, for example 0.9.",
            rich_help_panel=RULE,
        ),
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(
            metavar="MISS:ALARM",
            help="Choose the lowest cost. 20:1 says that a missed finding costs as much as 20 false alarms.",
            rich_help_panel=RULE,
        ),
    ] = None,
    capacity: Annotated[
        float | None,
        typer.Option(
            help="Flag this fraction of the films, those with the highest scores, for example 0.1.",
            rich_help_panel=RULE,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Call the operating point by this name. Without it, the name is the rule and the date."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Copy the run to this new folder. The copy gets the operating point, and the run stays as it is."
        ),
    ] = None,
    accept: options.Accept = [],  # noqa: B006 (typer makes a new list for each call)
    as_json: options.AsJson = False,
    keep_laterals: options.KeepLaterals = False,
    cache: options.Cache = None,
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
    if not as_json:
        console.show_next("predict", "FILMS", "--run", chosen.folder)


@app.command(
    help="Compare the AUCs of two runs on the same films.",
    epilog=options.examples("cxr compare run_a run_b cohort"),
    rich_help_panel=MAKE_NETWORK,
)
def compare(
    context: typer.Context,
    run_a: Annotated[str, typer.Argument(metavar="RUN_A", help="Compare this run folder, or simulated.")],
    run_b: Annotated[str, typer.Argument(metavar="RUN_B", help="Compare it with this run folder, or simulated.")],
    cohort: Annotated[
        Path, typer.Argument(metavar="COHORT", help="Use the films of this folder with two class folders.")
    ],
    split: options.SplitOption = options.Split.test,
    as_json: options.AsJson = False,
    keep_laterals: options.KeepLaterals = False,
    cache: options.Cache = None,
    quiet: options.Quiet = False,
) -> None:
    """Run ``cxr compare``."""
    from cxrlib.training.comparison import compare as compare_runs

    console: Console = context.obj
    runs, films = (_open_run(run_a), _open_run(run_b)), _read_cohort(cohort, console, keep_laterals)
    comparison = compare_runs(*runs, films, split=split.value, progress=console.film_bar("reading"))
    output.print_comparison(comparison, as_json=as_json)


@app.command(
    help="Score films: one line each, or a table. The exit code is 1 if a film could not be read.",
    epilog=options.examples("cxr predict film.png", "cxr predict films --run run --csv scores.csv --explain pictures"),
    rich_help_panel=USE_NETWORK,
)
def predict(
    context: typer.Context,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES",
            help="Score these PNG, JPEG or DICOM files, folders of them, or patterns in quotes such as 'films/*.png'. "
            "With -, the names are read from stdin, one a line.",
        ),
    ],
    run: Annotated[
        str, typer.Option(help="Use this run folder, or simulated: the network that comes with cxrlib.")
    ] = "simulated",
    threshold: options.Threshold = None,
    operating_point: options.OperatingPoint = None,
    accept: options.Accept = [],  # noqa: B006 (typer makes a new list for each call)
    allow_color: options.AllowColor = False,
    explain: Annotated[
        Path | None,
        typer.Option(
            help="Write a picture of each film into this folder: heat map, score, decision, warnings.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Write a table with one row for each film. If the command stopped early, call it again in the same "
            "way: it goes on with the films that are missing.",
            rich_help_panel=options.OUTPUT,
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
    help="Write one HTML page about a run: curves, figures with intervals, calibration, groups, errors, recipe.",
    epilog=options.examples("cxr report run --cohort cohort"),
    rich_help_panel=USE_NETWORK,
)
def report(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="Report on this run folder.")],
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="Write the page to this file. Without it: RUN/report.html.")
    ] = None,
    cohort: Annotated[
        Path | None,
        typer.Option(
            help="Add groups, errors as pictures and the model card, from the cohort that the run was trained on."
        ),
    ] = None,
    operating_point: options.OperatingPoint = None,
    keep_laterals: options.KeepLaterals = False,
    cache: options.Cache = None,
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


@app.command(
    help="Write a run as one ONNX file, which scores images without this library.",
    epilog=options.examples("cxr export run effusion.onnx"),
    rich_help_panel=USE_NETWORK,
)
def export(
    context: typer.Context,
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Use this run folder, or simulated: the network that comes with cxrlib."),
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Write this file, such as effusion.onnx. An older export is replaced.")
    ],
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
    with quick_loading():
        from cxrlib.training.run import open_run

        if name == "simulated":
            output.print_warnings([SIMULATED_ONLY])  # even if quiet
        run = open_run(name, operating_point=operating_point)
        if run.is_simulated and name != "simulated":
            output.print_warnings([SIMULATED_COPY])
        output.print_warnings(run.notes)
        start_session()
        _ = run.model  # loaded here, so that a damaged network is one error of the run, and not of its first film
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
                code = app(prog_name="cxr", standalone_mode=False)  # the sentences about mistakes are ours
        except typer.TyperException as error:
            from cxrlib.cli.mistakes import describe_mistake

            message, code = describe_mistake(error), 2
        except (InputError, OSError) as error:
            message, code = str(error), 2
        else:
            message = ""
        if message:
            output.print_error(message)
        sys.exit(code)
