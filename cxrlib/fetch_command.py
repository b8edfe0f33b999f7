"""``cxr fetch``: public films, ready for ``cxr prepare``."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cxrlib.console import byte_bar, tell
from cxrlib.options import Quiet

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

    from cxrlib.fetch import fetch as run

    pooch.get_logger().setLevel("WARNING")
    made = run(name.value, out, size=size, tell=tell, progress=byte_bar("fetching"))
    for terms in made.terms:
        typer.echo(f"terms: {terms}", err=True)
    sized = f" --size {size}" if name is Public.chestmnist else ""
    typer.echo(f"{made.path}: {'was there, and is whole' if made.was_there else 'fetched and checked'}")
    typer.echo(f"next: cxr prepare {made.path} COHORT{sized}")
