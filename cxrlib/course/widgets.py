"""The figures behind the course's sliders and its upload button: each function draws one setting."""

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from cxrlib.errors import InputError
from cxrlib.report.prediction import draw_prediction
from cxrlib.training.run import Run

if TYPE_CHECKING:  # needed by the lessons only: it is installed with the extra "course"
    from ipywidgets import VBox, Widget


def upload_explorer(run: Run) -> "VBox":
    """Return a button that takes the file of a film, and draws the run's prediction below. The file is not kept."""
    from IPython.display import display
    from ipywidgets import FileUpload, Output, VBox

    upload, output = FileUpload(accept=".png,.jpg,.jpeg,.dcm"), Output()

    @output.capture(clear_output=True)
    def draw_upload(change: dict[str, Any]) -> None:
        uploaded = change["new"][0]
        with TemporaryDirectory() as folder:
            path = Path(folder) / Path(uploaded["name"]).name  # the name alone, so that nothing is written elsewhere
            path.write_bytes(uploaded["content"])
            try:
                draw_prediction(run, path)
            except InputError as error:
                display({"text/plain": str(error).replace(str(path), path.name)}, raw=True)
            plt.show()

    upload.observe(draw_upload, names="value")
    return VBox([upload, output])


def sliders(draw: Callable[..., Figure], **choices: tuple[int, int, int] | list) -> "VBox":
    """Return sliders that draw a figure each time one of them is moved. Before that they draw nothing.

    Parameters
    ----------
    draw : callable
        Takes the choices by name and returns a figure. Each of its parameters
        has a default, at which the slider starts.
    **choices
        For each parameter, either (lowest, highest, step) or a list of values.

    Examples
    --------
    >>> sliders(film_lab, volume=(0, 2000, 50), side=["right", "left"])  # doctest: +SKIP
    """
    from ipywidgets import IntSlider, SelectionSlider, VBox, interactive

    is_first_call = True

    def draw_setting(**setting: Any) -> None:
        nonlocal is_first_call
        if not is_first_call:  # `interactive` calls once by itself; the page shows this first figure already
            draw(**setting)
            plt.show()
        is_first_call = False

    def slider(name: str, choice: tuple[int, int, int] | list) -> "Widget":
        start = signature(draw).parameters[name].default
        if isinstance(choice, list):  # a slider and not a menu, so that the arrow keys move every control
            return SelectionSlider(options=choice, value=start, description=name)
        lowest, highest, step = choice
        return IntSlider(min=lowest, max=highest, step=step, value=start, description=name)

    return VBox(interactive(draw_setting, **{name: slider(name, choice) for name, choice in choices.items()}).children)
