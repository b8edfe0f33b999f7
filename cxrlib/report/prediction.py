"""What a run says of one film, as a picture: the film, what speaks for the finding, score, decision and warnings."""

import hashlib
import re
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from cxrlib.errors import InputError
from cxrlib.files import atomic
from cxrlib.images.radiograph import open_radiograph
from cxrlib.report import plots
from cxrlib.training.run import Prediction, Run

LINE = 110  # characters of a warning that fit under the two films


def draw_prediction(
    run: Run, path, answer: Prediction | None = None, *, allow_color: bool = False, name: str = ""
) -> Figure:
    """Ask a run about one film, and draw the film and what speaks for the finding (Grad-CAM).

    Parameters
    ----------
    run : Run
    path : path-like
        PNG, JPEG or DICOM.
    answer : Prediction, optional
        Where the run has been asked before.
    allow_color : bool
        As in `Run.predict`.
    name : str
        A line above the films.

    Returns
    -------
    Figure
        8 inches wide; higher, the more there is to warn of.

    Raises
    ------
    InputError
        The file cannot be read, or there can be no heat map.
    """
    from cxrlib.evaluation.heat_maps import grad_cam  # loads TensorFlow

    answer = answer or run.predict(path, allow_color=allow_color)
    shape = {"size": run.recipe.size, "normalize": run.recipe.normalize}
    image = open_radiograph(path, **shape, allow_color=allow_color).image
    heat = grad_cam(run.model, image[None])[0]
    lines = [line for warning in answer.warnings for line in textwrap.wrap(f"Warning: {warning}", LINE)]
    figure, axes = plt.subplots(1, 2, figsize=(8, 4.2 + 0.2 * (len(lines) + bool(name))), layout="constrained")
    decision = f"{run.finding}, look again" if answer.finding else "nofinding, pass"
    plots.show_image(image, axes[0], title=f"{decision} (score {answer.score:.4f}, threshold {answer.threshold:.4f})")
    told = f"what speaks for {run.finding}" if heat.any() else f"nothing speaks for {run.finding}"
    plots.heat_over(image, heat, axes[1], title=told)
    for text in (axes[0].title, axes[1].title):
        text.set_parse_math(False)
    if name:
        figure.suptitle(_drawable(name), fontsize=10, parse_math=False)
    if lines:
        figure.supxlabel(_drawable("\n".join(lines)), fontsize=9, x=0.02, ha="left", parse_math=False)
    return figure


def save_prediction(run: Run, path, answer: Prediction, folder: Path, *, allow_color: bool = False) -> Path:
    """Draw an answer into a folder, which is made where it is missing; return the picture's path.

    The same film's picture is replaced; another film's never, whatever the two
    are called.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; the pictures need a folder")
    folder.mkdir(parents=True, exist_ok=True)
    figure = draw_prediction(run, path, answer, allow_color=allow_color, name=Path(path).name)
    made = folder / picture_name(path)
    try:
        with atomic(made) as partial:
            figure.savefig(partial, format="png", dpi=150)
    finally:
        plt.close(figure)
    return made


def picture_name(path) -> str:
    """Return the name of a film's picture: what is plain in the file's own name, and a mark of where the file is.

    Examples
    --------
    >>> picture_name("/films/../a film.dcm")
    'a-film-26115075e605.png'
    """
    place = hashlib.sha256(str(Path(path).resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", Path(path).stem).strip("-")[:60]
    return f"{plain or 'film'}-{place}.png"


def _drawable(text: str) -> str:
    """Return a text without the characters that the font of a picture lacks."""
    plain = text.encode("latin-1", "replace").decode("latin-1")
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in plain)
