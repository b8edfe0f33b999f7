"""The options that several commands share, and the choices of an option."""

import os
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cxrlib.cli.progress import Console

Collection = StrEnum("Collection", {"chestmnist": "chestmnist", "nih_sample": "nih-sample", "nih": "nih"})
Against = StrEnum("Against", ["nofinding", "all"])
Uncertain = StrEnum("Uncertain", ["ignore", "positive", "negative"])
Normalize = StrEnum("Normalize", ["minmax", "percentile"])
Split = StrEnum("Split", ["test", "val", "train", "all"])
Simulated = StrEnum("Simulated", ["effusion", "cardiomegaly", "pneumothorax", "nodule"])
FilmFormat = StrEnum("FilmFormat", ["png", "dicom"])
Acceptable = StrEnum("Acceptable", ["color", "modality", "unlike"])

OUTPUT, FILMS, THRESHOLD = "What is shown", "Films", "Threshold"
"""The panels of the help that several commands have. What a command needs most stands above them, without a panel."""


def examples(*commands: str) -> str:
    """Return the end of a command's help: examples, one a line. An error names the first of them."""
    return "\n".join([f"Example{'s' * (len(commands) > 1)}:", *(f"$ {command}" for command in commands)])


def open_console(context: typer.Context, quiet: bool) -> bool:
    """Make the command's `Console`, which is its ``context.obj``; close it when the command ends or fails."""
    context.obj = Console(quiet=quiet)
    context.call_on_close(context.obj.close)
    return quiet


def choose_cache(folder: Path | None) -> Path | None:
    """Keep films that do not fit into memory in this folder.

    Raises
    ------
    InputError
        It is no folder, or no file can be made in it.
    """
    if folder is not None:
        from cxrlib.errors import InputError

        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise InputError(f"--cache is {folder}; it must be a folder in which files can be made")
        tempfile.tempdir = str(folder)
    return folder


Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        callback=open_console,
        help="Show only the result, warnings and errors.",
        rich_help_panel=OUTPUT,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write the result as JSON.", rich_help_panel=OUTPUT)]
Threshold = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="Use this threshold instead of the run's, for example 0.05.", rich_help_panel=THRESHOLD
    ),
]
Accept = Annotated[
    list[Acceptable],
    typer.Option(
        metavar="|".join(Acceptable),
        help="Read films that would be refused, and warn of them. color: a picture in colour. modality: a DICOM file "
        "of another Modality. unlike: an image unlike a chest film. You can give it several times.",
        rich_help_panel=FILMS,
    ),
]
OperatingPoint = Annotated[
    str | None,
    typer.Option(
        "--operating-point",
        help="Use the operating point of this name. The one from the training is called training. Without this "
        "option, the newest is used.",
        rich_help_panel=THRESHOLD,
    ),
]
KeepLaterals = Annotated[
    bool,
    typer.Option(
        "--keep-laterals",
        help="Keep films that a DICOM header or a table calls lateral. Without it they are left out.",
        rich_help_panel=FILMS,
    ),
]
AllowColor = Annotated[
    bool, typer.Option("--allow-color", help="Do the same as --accept color.", rich_help_panel=FILMS)
]
Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        callback=choose_cache,
        help="Keep films that do not fit into 2 GB of memory in this folder. Without it, they are kept with the "
        "temporary files.",
        rich_help_panel=FILMS,
    ),
]
SplitOption = Annotated[Split, typer.Option(help="Use the films of this split.", rich_help_panel=FILMS)]


def parse_cost(text: str | None) -> tuple[float, float] | None:
    """Return the costs of a missed finding and of a false alarm in a text such as "20:1".

    Raises
    ------
    InputError
        The text is not of this form.
    """
    if text is None:
        return None
    missed, colon, false_alarm = text.partition(":")
    try:
        return float(missed), float(false_alarm if colon else "none")
    except ValueError:
        from cxrlib.errors import InputError

        raise InputError(f"--cost is {text!r:.80}; it must be MISS:ALARM, two numbers above 0 such as 20:1") from None


def accepted_kinds(accept: list[Acceptable], allow_color: bool) -> tuple[str, ...]:
    """Return what `--accept` and its older form `--allow-color` name together."""
    return tuple(sorted({kind.value for kind in accept} | ({"color"} if allow_color else set())))
