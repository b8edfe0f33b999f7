"""Trainings on several processes, by the real command."""

import os
import sys
from dataclasses import replace
from pathlib import Path

from tiny import TINY

from cxrlib.model.recipe import recipe_text

BARE_ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("KERAS_", "XLA_", "JAX_"))
}


def train_command(cohort, run, recipe: Path, *options: str) -> list[str]:
    """Return the words of `cxr train --distributed`."""
    cxr = Path(sys.executable).with_name("cxr")
    return [str(cxr), "train", str(cohort), str(run), "--distributed", "--recipe", str(recipe), *options]


def write_recipe(folder: Path, **changes) -> Path:
    """Write the tiny recipe, changed, and return its file."""
    file = folder / "tiny.json"
    file.write_text(recipe_text(replace(TINY, **changes)))
    return file
