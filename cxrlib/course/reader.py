"""What the course keeps of its reader: a seed, guesses and choices. All of it lies in one file of the cache."""

import json
import secrets
from collections.abc import Callable
from numbers import Number
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


def guess(name: str, question: str, choices: list, result: Callable[[], Any] | None = None) -> "VBox":
    """Return a question with a slider. The reader's guess is kept under the name, and shown beside the result.

    Nothing is kept until the slider is moved or the button below it is pressed.

    Parameters
    ----------
    name : str
        `recall` finds the guess under this name. Labs use it to draw the guess.
    question : str
    choices : list
        The values of the slider, in order. It starts in the middle.
    result : callable, optional
        Returns what is to be guessed, from variables of later cells. As soon as these
        exist, the widget shows guess and result side by side.
    """
    from ipywidgets import HTML, Button, Layout, SelectionSlider, VBox

    earlier = recall(name)
    start = earlier if earlier in choices else choices[len(choices) // 2]
    slider = SelectionSlider(options=choices, value=start, description="my guess", layout=Layout(width="24em"))
    button = Button(description="this is my guess")
    compared = HTML()
    known: list[Any] = []  # the result, once it is there: later cells may use its variables for something else

    def compare(_: object = None) -> None:
        if result and not known:
            try:
                known.append(result())
            except NameError:  # its cell has not run yet
                return
        mine = recall(name)
        if known and mine is not None:
            shown = [format(value, ".3g") if isinstance(value, Number) else str(value) for value in (mine, *known)]
            compared.value = f"You guessed <b>{shown[0]}</b>. The result is <b>{shown[1]}</b>."

    def keep_guess(_: object) -> None:
        keep(name, slider.value)
        compare()

    slider.observe(keep_guess, names="value")
    button.on_click(keep_guess)
    if result:
        _after_each_cell(name, compare)
    return VBox([HTML(question), slider, button, compared])


_hooks: dict[str, Callable[..., None]] = {}
"""What runs after each cell, by the name of the guess."""


def _after_each_cell(name: str, action: Callable[..., None]) -> None:
    """Run the action after each cell of the notebook, in place of an earlier one of this name."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:  # no notebook
        return
    if name in _hooks:
        shell.events.unregister("post_run_cell", _hooks[name])
    _hooks[name] = action
    shell.events.register("post_run_cell", action)


def _read() -> dict[str, Any]:
    return read_json(reader_file()) if reader_file().is_file() else {}
