"""What the course keeps of its reader: a seed, guesses and choices. All of it lies in one file of the cache."""

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxrlib.course.folders import cache_folder
from cxrlib.files import read_json, write_text

if TYPE_CHECKING:  # needed by the lessons only: it is installed with the extra "course"
    from ipywidgets import VBox


def reader_file() -> Path:
    """Return the file that holds what the reader has chosen: ``reader.json`` in the cache. Delete it to start anew."""
    return cache_folder() / "reader.json"


def keep(name: str, value: Any) -> None:
    """Keep a value of the reader, such as a guess, for later cells and lessons.

    Parameters
    ----------
    name : str
    value : anything that JSON can hold
    """
    kept = _read() | {name: value}
    reader_file().parent.mkdir(parents=True, exist_ok=True)
    write_text(reader_file(), json.dumps(kept, indent=2) + "\n")


def recall(name: str, default: Any = None) -> Any:
    """Return a value that `keep` has kept, or the default."""
    return _read().get(name, default)


def reader_seed() -> int:
    """Return the reader's own random seed. It is drawn at the first call and then kept.

    Exercises are tried on films and numbers of this seed. So each reader gets other
    ones, and gets the same ones again after a mistake.
    """
    seed = recall("seed")
    if seed is None:
        seed = secrets.randbelow(10**6)
        keep("seed", seed)
    return seed


def guess(name: str, question: str, choices: list) -> "VBox":
    """Return a question with a slider. The reader's guess is kept under the name, and labs show it beside the result.

    Nothing is kept until the slider is moved or the button below it is pressed.

    Parameters
    ----------
    name : str
        `recall` finds the guess under this name.
    question : str
    choices : list
        The values of the slider, in order. It starts in the middle.
    """
    from ipywidgets import HTML, Button, Layout, SelectionSlider, VBox

    earlier = recall(name)
    start = earlier if earlier in choices else choices[len(choices) // 2]
    slider = SelectionSlider(options=choices, value=start, description="my guess", layout=Layout(width="24em"))
    slider.observe(lambda change: keep(name, change["new"]), names="value")
    button = Button(description="this is my guess")
    button.on_click(lambda _: keep(name, slider.value))
    return VBox([HTML(question), slider, button])


def _read() -> dict[str, Any]:
    return read_json(reader_file()) if reader_file().is_file() else {}
