"""``cxr fetch``: public films, ready for ``cxr prepare``.

``cxr``: the command line. Each command is a few lines over the library.
"""

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cxrlib.cli import options, output, progress
from cxrlib.cli.options import Quiet
from cxrlib.cli.progress import byte_bar, note
from cxrlib.model.session import start_session

Public = StrEnum("Public", {"chestmnist": "chestmnist", "nih_sample": "nih-sample", "nih": "nih"})


def fetch(
    name: Annotated[Public, typer.Argument(help="ChestMNIST from Zenodo, or NIH's sample or full set from Kaggle.")],
    out: Annotated[Path, typer.Argument(help="A folder.")],
    size: Annotated[int, typer.Option(help="ChestMNIST: side in pixels, 28, 64, 128 or 224.")] = 28,
    quiet: Quiet = False,
):
    """Fetch public films, or check those that are there; what was cut off goes on."""
    if quiet:  # before kagglehub and its tqdm are imported, who read it then
        os.environ |= {"TQDM_DISABLE": "1", "KAGGLEHUB_VERBOSITY": "error"}
    import pooch

    from cxrlib.cohorts.fetching import fetch as run

    pooch.get_logger().setLevel("WARNING")
    made = run(name.value, out, size=size, notify=note, progress=byte_bar("fetching"))
    for terms in made.terms:
        typer.echo(f"terms: {terms}", err=True)
    sized = f" --size {size}" if name is Public.chestmnist else ""
    typer.echo(f"{made.path}: {'was there, and is whole' if made.was_there else 'fetched and checked'}")
    typer.echo(f"next: cxr prepare {made.path} COHORT{sized}")


app = typer.Typer(
    help="Find an anomaly in chest X-rays: from a folder of films to an operating point.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(fetch)

UNSEEN = (
    "this is the network that comes with cxrlib: it was trained on simulated films alone, has seen no patient, and "
    "its threshold is from simulated films; for teaching, not for deciding about a patient"
)
UNTESTED = "the test films are not of both classes, so there is no test figure"


@app.command()
def prepare(
    source: Annotated[
        Path, typer.Argument(help="NIH ChestX-ray14 as published, ChestMNIST's .npz, or two class folders.")
    ],
    out: Annotated[Path, typer.Argument(help="A new folder, or one to continue.")],
    finding: Annotated[str | None, typer.Option(help="One of NIH's 14 findings.  [default: Effusion]")] = None,
    against: options.AgainstOption = options.Against.nofinding,
    size: Annotated[int, typer.Option(min=8, help="Side in pixels.")] = 256,
    normalize: options.NormalizeOption = options.Normalize.minmax,
    seed: Annotated[int, typer.Option(min=0, help="Of the split, where the source brings none.")] = 0,
    allow_missing: options.AllowMissing = False,
    allow_color: options.AllowColor = False,
    quiet: options.Quiet = False,
):
    """Make a cohort of one resolution: 16-bit PNG in two folders, and cohort.csv."""
    from cxrlib.cohorts.preparation import prepare as run

    made = run(
        source,
        out,
        finding=finding,
        against=against.value,
        size=size,
        normalize=normalize.value,
        seed=seed,
        allow_missing=allow_missing,
        allow_color=allow_color,
        progress=progress.film_bar("preparing"),
    )
    progress.note(*made.notes)
    told = ", ".join(f"{count:,} {name}" for name, count in made.counts.items())
    typer.echo(f"{out}: {told}; {len(made.rejected):,} rejected" + (" (rejected.csv)" if len(made.rejected) else ""))


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    films: Annotated[int, typer.Option(min=2, help="How many.")] = 1107,
    finding: options.SimulatedOption = options.Simulated.effusion,
    prevalence: Annotated[float, typer.Option(help="Share of the films filed under the finding.")] = 0.0967,
    label_noise: options.LabelNoise = (0.0, 0.0),
    shortcut: options.Shortcut = 0.0,
    size: Annotated[int, typer.Option(help="Side in pixels, 32 to 1024.")] = 128,
    format: options.FilmFormatOption = options.FilmFormat.png,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    quiet: options.Quiet = False,
):
    """Simulate a cohort of chest films with exact truth."""
    from cxrlib.cohorts.cohort import NOFINDING
    from cxrlib.phantom.simulation import simulate as run

    run(
        out,
        films=films,
        finding=finding.value,
        prevalence=prevalence,
        label_noise=label_noise,
        shortcut=shortcut,
        size=size,
        format=format.value,
        seed=seed,
        progress=progress.film_bar("simulating"),
    )
    positives = round(films * prevalence)
    typer.echo(f"{out}: {positives:,} {finding.value}, {films - positives:,} {NOFINDING}")


@app.command()
def train(
    cohort: Annotated[Path, typer.Argument(help="Two class folders, with or without cohort.csv.")],
    run: Annotated[Path, typer.Argument(help="A new folder for the run.")],
    recipe: Annotated[str, typer.Option(help="default, classic or a .json file.")] = "default",
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    size: Annotated[int | None, typer.Option(min=32, help="Side of the images in pixels.")] = None,
    width: Annotated[int | None, typer.Option(min=1, help="Channels of the first stage.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of weights, shuffling and augmentation.")] = None,
    sensitivity: Annotated[float | None, typer.Option(help="Floor of the operating point.  [default: 0.90]")] = None,
    confidence: Annotated[float | None, typer.Option(help="That the floor holds on new films.")] = None,
    start: options.Start = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue, or start where there is nothing yet.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Log to RUN/tensorboard.")] = False,
    distributed: options.Distributed = False,
    quiet: options.Quiet = False,
):
    """Train a network and choose its operating point on the validation films."""
    from cxrlib.cohorts.cohort import read_cohort
    from cxrlib.model.recipe import find_recipe

    changes = dict(epochs=epochs, size=size, width=width, seed=seed, sensitivity=sensitivity)
    changes |= dict(confidence=confidence, start=start)
    chosen = find_recipe(recipe, **changes)
    films = read_cohort(cohort)
    progress.note(*films.notes)
    start_session(chosen.seed, distributed=distributed)
    from cxrlib.model.distributed import shard
    from cxrlib.training.fitting import train as fit

    callbacks = [progress.epoch_bar(chosen.epochs), *([progress.tensorboard_logs(run)] if tensorboard else [])]
    leads = shard()[0] == 0
    made = fit(
        films,
        run,
        chosen,
        resume=resume,
        callbacks=tuple(callbacks) if leads else (),
        progress=progress.film_bar("reading"),
    )
    if not leads:
        return  # the first process tells the result
    value = made.history["val_auc"][made.kept_epoch - 1]
    typer.echo(f"{run}: epoch {made.kept_epoch} of {chosen.epochs} is kept, AUC on val {value:.3f}")
    if made.is_tested:
        output.print_evaluation(made.evaluate(films).as_dict())
    else:
        progress.note(f"{UNTESTED}; `cxr evaluate {run} {cohort} --split val` reports on those of validation")


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(help="A run folder, or simulated: the network that comes with cxrlib.")],
    cohort: Annotated[Path, typer.Argument(help="Two class folders.")],
    split: options.SplitOption = options.Split.test,
    threshold: options.Threshold = None,
    prevalence: Annotated[float | None, typer.Option(help="That PPV and NPV are for.  [default: the cohort's]")] = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
):
    """Report AUC, sensitivity, specificity and predictive values, with intervals."""
    opened, films = _open(run), _read(cohort)
    result = opened.evaluate(
        films, split=split.value, threshold=threshold, prevalence=prevalence, progress=progress.film_bar("reading")
    ).as_dict()
    if as_json:
        typer.echo(json.dumps(result))
    else:
        output.print_evaluation(result)


@app.command()
def compare(
    run_a: Annotated[str, typer.Argument(help="A run folder, or simulated.")],
    run_b: Annotated[str, typer.Argument(help="Another.")],
    cohort: Annotated[Path, typer.Argument(help="Two class folders.")],
    split: options.SplitOption = options.Split.test,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
):
    """Compare the AUCs of two runs on the same films."""
    from cxrlib.training.comparison import compare as hold_against

    result = hold_against(
        _open(run_a), _open(run_b), _read(cohort), split=split.value, progress=progress.film_bar("reading")
    )
    output.print_comparison(result, as_json)


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(help="PNG, JPEG or DICOM files.")],
    run: options.Asked = "simulated",
    threshold: options.Threshold = None,
    allow_color: options.AllowColor = False,
    explain: options.Explain = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
):
    """Score films, one line each. Exit code 1 where some could not be read."""
    from cxrlib.errors import InputError

    opened, failed = _open(run), False
    for path in images:
        try:
            made = opened.predict(path, threshold=threshold, allow_color=allow_color)
        except InputError as error:
            failed = True
            output.print_prediction({"path": str(path), "error": str(error)}, as_json)
            continue
        result = {"path": str(path), "score": made.score, "threshold": made.threshold, "finding": made.finding}
        result["warnings"] = list(made.warnings)
        if explain:
            from cxrlib.report.prediction import save_prediction

            result["picture"] = str(save_prediction(opened, path, made, explain, allow_color=allow_color))
        output.print_prediction(result, as_json, opened.finding)
    if failed:
        raise typer.Exit(1)


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="A run folder.")],
    out: Annotated[Path | None, typer.Argument(help="The page.  [default: RUN/report.html]")] = None,
    cohort: options.TrainedOn = None,
    quiet: options.Quiet = False,
):
    """Write one HTML page about a run: curves, figures with intervals, calibration, groups, errors, recipe."""
    from cxrlib.report.page import write_page

    opened = _open(run)
    made = write_page(opened, out, _read(cohort) if cohort else None)
    if not opened.is_tested:
        progress.note(f"{UNTESTED}; the page is about those of validation")
    typer.echo(f"{made}: {made.stat().st_size / 1e6:.1f} MB, in one file; open it in a browser")


def main() -> None:
    """Run the command line; what the user can mend ends in one line and exit code 2."""
    try:
        with output.show_library_warnings():
            app()
    except Exception as error:
        from cxrlib.errors import InputError

        if not isinstance(error, InputError | OSError):
            raise
        typer.echo(f"cxr: {error}", err=True)
        sys.exit(2)


def _open(run: str):
    from cxrlib.training.run import open_run

    if run == "simulated":
        typer.echo(f"warning: {UNSEEN}", err=True)  # quiet or not
    opened = open_run(run)
    start_session()
    _ = opened.model  # a damaged one is the run's fault, not the first film's
    return opened


def _read(folder: Path):
    from cxrlib.cohorts.cohort import read_cohort

    cohort = read_cohort(folder)
    progress.note(*cohort.notes)
    return cohort
