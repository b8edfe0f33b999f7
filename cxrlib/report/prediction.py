"""One film as a picture: the film, its heat map, score, decision and warnings."""

import hashlib
import re
import textwrap
from collections.abc import Collection
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from cxrlib.cohorts.cohort import refuse_inside_cohort
from cxrlib.errors import InputError, printable
from cxrlib.files import atomic
from cxrlib.images.radiograph import open_radiograph
from cxrlib.report import plots
from cxrlib.training.run import Prediction, Run

LINE_WIDTH = 110
"""How many characters of a warning fit on a line below the two films. We chose it by looking at pictures."""


def draw_prediction(
    run: Run, path: str | Path, prediction: Prediction | None = None, *, accept: Collection[str] = (), name: str = ""
) -> Figure:
    """Draw a film, its heat map (Grad-CAM), and the run's score, decision and warnings.

    Parameters
    ----------
    run : Run
    path : path-like
        PNG, JPEG or DICOM.
    prediction : Prediction, optional
        The run's prediction for the film. By default the run predicts it here.
    accept : collection of str
        As in `cxrlib.training.run.Run.predict`.
    name : str
        The text of a line above the films. By default there is no such line.

    Returns
    -------
    Figure
        8 inches wide. Each line of warnings makes it higher.

    Raises
    ------
    InputError
        The file cannot be read, or Keras does not run on TensorFlow.
    """
    from cxrlib.evaluation.heat_maps import grad_cam  # loads TensorFlow

    prediction = prediction or run.predict(path, accept=accept)
    recipe = run.recipe
    image = open_radiograph(path, size=recipe.size, normalize=recipe.normalize, accept=accept).image
    heat = grad_cam(run.model, image[None])[0]
    lines = [line for warning in prediction.warnings for line in textwrap.wrap(f"Warning: {warning}", LINE_WIDTH)]
    figure, axes = plt.subplots(1, 2, figsize=(8, 4.2 + 0.2 * (len(lines) + bool(name))), layout="constrained")
    decision = f"{run.finding}, look again" if prediction.finding else "nofinding, pass"
    title = f"{decision} (score {prediction.score:.4f}, threshold {prediction.threshold:.4f})"
    plots.show_image(image, axes[0], title=title)
    heat_title = f"what speaks for {run.finding}" if heat.any() else f"nothing speaks for {run.finding}"
    plots.heat_over(image, heat, axes[1], title=heat_title)
    # names and warnings may hold a $, which Matplotlib would read as mathematics
    for text in (axes[0].title, axes[1].title):
        text.set_parse_math(False)
    if name:
        figure.suptitle(_replace_missing_glyphs(printable(name)), fontsize=10, parse_math=False)
    if lines:
        text = _replace_missing_glyphs("\n".join(lines))
        figure.supxlabel(text, fontsize=9, x=0.02, ha="left", parse_math=False)
    return figure


def save_prediction(
    run: Run, path: str | Path, prediction: Prediction, folder: str | Path, *, accept: Collection[str] = ()
) -> Path:
    """Draw a prediction into a folder, and return the picture's path. The folder is made if it does not exist.

    An older picture of the same film file is replaced. Pictures of other film files are
    never replaced, even if two film files have the same name.

    Raises
    ------
    InputError
        The folder is a file or lies inside a cohort, or as in `draw_prediction`.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; the pictures need a folder")
    refuse_inside_cohort(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figure = draw_prediction(run, path, prediction, accept=accept, name=Path(path).name)
    picture = folder / picture_name(path)
    try:
        with atomic(picture) as partial:
            figure.savefig(partial, format="png", dpi=150)
    finally:
        plt.close(figure)
    return picture


def picture_name(path: str | Path) -> str:
    """Return the name of a film's picture: the plain letters of the file's name, and a hash of the file's place.

    Examples
    --------
    >>> picture_name("/films/../a film.dcm")
    'a-film-26115075e605.png'
    """
    place = hashlib.sha256(str(Path(path).resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", Path(path).stem).strip("-")[:60]
    return f"{plain or 'film'}-{place}.png"


def _replace_missing_glyphs(text: str) -> str:
    """Return a text with ? for each character that the font of a picture may lack."""
    latin = text.encode("latin-1", "replace").decode("latin-1")
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in latin)
