"""The options that several commands share, and the choices of an option."""

from enum import StrEnum
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


def open_console(context: typer.Context, quiet: bool) -> bool:
    """Make the command's `Console`, which is its ``context.obj``; close it when the command ends or fails."""
    context.obj = Console(quiet=quiet)
    context.call_on_close(context.obj.close)
    return quiet


Quiet = Annotated[
    bool, typer.Option("--quiet", callback=open_console, help="Print only the result, warnings and errors.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Threshold = Annotated[float | None, typer.Option(min=0, max=1, help="A threshold of your own, instead of the run's.")]
Accept = Annotated[
    list[Acceptable],
    typer.Option(
        help="Read what is refused otherwise, with a warning: a picture in colour, a DICOM file of another Modality, "
        "or an image unlike a chest film. You can give it several times."
    ),
]
OperatingPoint = Annotated[
    str | None,
    typer.Option(
        "--operating-point",
        help="The name of the operating point to use. training is the one from the training.  [default: the newest]",
    ),
]
KeepLaterals = Annotated[
    bool,
    typer.Option(
        "--keep-laterals", help="Keep films that a DICOM header or a table calls lateral. Without it they are left out."
    ),
]
AllowColor = Annotated[bool, typer.Option("--allow-color", help="The same as --accept color.")]
SplitOption = Annotated[Split, typer.Option(help="The films to use.")]


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
