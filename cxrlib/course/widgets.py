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


MAX_BUTTONS = 6
"""A choice of at most so many values has a button for each, and a longer list has a slider (our choice)."""


def sliders(draw: Callable[..., Figure], **choices: tuple[int, int, int] | list) -> "VBox":
    """Return sliders and buttons, and below them a figure that is drawn again when one of them is moved.

    The new figure takes the place of the old one when it is complete, so nothing jumps.

    Parameters
    ----------
    draw : callable
        Takes the choices by name and returns a figure. Each of its parameters
        has a default, at which the control starts.
    **choices
        For each parameter, either (lowest, highest, step) or a list of values. A list of
        at most `MAX_BUTTONS` values becomes buttons. A list of 1 value gets no control.

    Examples
    --------
    >>> sliders(film_lab, volume=(0, 2000, 50), side=["right", "left"])  # doctest: +SKIP
    """
    from IPython.core.pylabtools import print_figure
    from ipywidgets import Image, IntSlider, Layout, Output, SelectionSlider, ToggleButtons, VBox

    def control(name: str, choice: tuple[int, int, int] | list) -> "Widget":
        start = signature(draw).parameters[name].default
        if isinstance(choice, tuple):
            lowest, highest, step = choice
            return IntSlider(min=lowest, max=highest, step=step, value=start, description=name)
        if len(choice) <= MAX_BUTTONS:
            style = {"button_width": "auto"}
            return ToggleButtons(options=choice, value=start, description=name, style=style)
        return SelectionSlider(options=choice, value=start, description=name)

    class Picture(Image):
        def __repr__(self) -> str:  # a notebook saves it; the bytes of a picture differ between processors
            return "Image()"

    controls = {name: control(name, choice) for name, choice in choices.items() if len(choice) > 1}
    picture = Picture(layout=Layout(max_width="100%", height="auto", align_self="flex-start"))
    errors = Output()

    def draw_setting(change: object = None) -> None:
        errors.outputs = ()
        with errors:
            figure = draw(**{name: widget.value for name, widget in controls.items()})
            plt.close(figure)  # otherwise the notebook would show it once more below the cell
            picture.value = print_figure(figure, bbox_inches="tight")

    for widget in controls.values():
        widget.observe(draw_setting, names="value")
    draw_setting()
    return VBox([*controls.values(), picture, errors])
