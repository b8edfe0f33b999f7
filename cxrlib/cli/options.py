"""The options that several commands share, and the choices of an option."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cxrlib.cli.progress import Console

Collection = StrEnum("Collection", {"chestmnist": "chestmnist", "nih_sample": "nih-sample", "nih": "nih"})
Against = StrEnum("Against", ["nofinding", "all"])
Normalize = StrEnum("Normalize", ["minmax", "percentile"])
Split = StrEnum("Split", ["test", "val", "train", "all"])
Simulated = StrEnum("Simulated", ["effusion", "cardiomegaly", "pneumothorax", "nodule"])
FilmFormat = StrEnum("FilmFormat", ["png", "dicom"])


def open_console(context: typer.Context, quiet: bool) -> bool:
    """Make the command's `Console`, which is its ``context.obj``; close it when the command ends or fails."""
    context.obj = Console(quiet=quiet)
    context.call_on_close(context.obj.close)
    return quiet


Quiet = Annotated[
    bool, typer.Option("--quiet", callback=open_console, help="Say nothing but the result, warnings and errors.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Threshold = Annotated[float | None, typer.Option(min=0, max=1, help="Chosen by hand, in place of the run's own.")]
AllowColor = Annotated[bool, typer.Option("--allow-color", help="Read pictures in colour by their luminance.")]
SplitOption = Annotated[Split, typer.Option(help="Which films.")]
AllowMissing = Annotated[bool, typer.Option("--allow-missing", help="Prepare those images that are there.")]
LabelNoise = Annotated[
    tuple[float, float],
    typer.Option(help="Share filed under the finding without it, and share filed as nofinding with it."),
]
Shortcut = Annotated[float, typer.Option(help="Share of films whose view, site and devices the label decides.")]
Start = Annotated[str | None, typer.Option(help="Where it begins: scratch, simulated, a run, or FILE.keras.")]
Distributed = Annotated[
    bool, typer.Option("--distributed", help="On all GPUs, and with the processes that the environment names.")
]
RunOrSimulated = Annotated[str, typer.Option(help="A run folder; simulated is the network that comes with cxrlib.")]
Explain = Annotated[Path | None, typer.Option(help="A folder for pictures: film, heat map, score, decision, warnings.")]
TrainingCohort = Annotated[
    Path | None, typer.Option(help="What it was trained on: for groups, errors as pictures, the model card.")
]
AgainstOption = Annotated[Against, typer.Option(help="Compare with No Finding, or with all others.")]
NormalizeOption = Annotated[Normalize, typer.Option(help="Range per image.")]
SimulatedOption = Annotated[Simulated, typer.Option(help="What to look for.")]
FilmFormatOption = Annotated[FilmFormat, typer.Option(help="16-bit PNG, or 12-bit DICOM.")]
