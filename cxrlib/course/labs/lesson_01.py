"""The labs of lesson 1: 12 films, you against the network, and a threshold that moves along the ROC curve."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from cxrlib.course.cohorts import VAL_SEED
from cxrlib.course.folders import own_cohort
from cxrlib.course.lessons import course_film, course_scores
from cxrlib.course.reader import keep, recall
from cxrlib.evaluation.rates import performance
from cxrlib.evaluation.roc_auc import roc
from cxrlib.phantom.film import Order, take_film
from cxrlib.phantom.roster import order_of
from cxrlib.report import plots

if TYPE_CHECKING:  # needed by the lessons only: it is installed with the extra "course"
    from ipywidgets import VBox

PAIRS = (
    ("effusion/00286_001.png", "nofinding/00611_001.png"),
    ("effusion/00666_000.png", "nofinding/00250_000.png"),
    ("effusion/00219_001.png", "nofinding/00256_000.png"),
    ("effusion/00414_000.png", "nofinding/00406_004.png"),
    ("effusion/00268_000.png", "nofinding/00608_000.png"),
    ("effusion/00447_000.png", "nofinding/00232_000.png"),
)
"""The films of the quiz, chosen by eye. The two of a pair have the same view, sex and posture, and nearly the same age.

So none of these tells the label. Half of each class has a tube, a line or a port.
"""

EACH = 6
"""Films of each class in the quiz."""

THRESHOLD = 0.1
"""The network's threshold in the quiz: the first one of the page."""

QUIZ_SEED = 2
"""Seed of the order of the films."""

VISIBLE = 0.05
"""Fluid is visible where it makes the film brighter by more than this. 1 is from black to white. It is our choice."""

SIDE = 384
"""Pixels along a side of a film of the quiz."""

CALLS = ("no effusion", "effusion")
"""The two answers, by label."""

ANSWERS, RESULT, SCORE = "answers of lesson 1", "quiz of lesson 1", "score of lesson 1"
"""What is kept of the reader: the list of 0 and 1, the counts, and the number of right answers."""


@dataclass(frozen=True)
class QuizFilm:
    """One film of the quiz.

    Attributes
    ----------
    image : ndarray, (S, S), float32 in [0, 1]
    brighter : ndarray, (S, S), float32, or None
        As `brighter_by_fluid` returns it. None for a film without an effusion or of your own cohort.
    label : {0, 1}
    score : float
        The score of the network.
    called : {0, 1}
        What the network calls it.
    volume_ml : float
        NaN where it is not known.
    """

    image: np.ndarray
    brighter: np.ndarray | None
    label: int
    score: float
    called: int
    volume_ml: float


def brighter_by_fluid(order: Order, *, size: int) -> np.ndarray:
    """Return by how much the fluid of a film makes it brighter: (size, size), float32, smoothed, 0 outside the fluid.

    The same film is simulated without the fluid, and subtracted.

    Parameters
    ----------
    order : Order
        Of a film with an effusion.
    size : int, pixels
    """
    film, without = take_film(order, size=size), take_film(replace(order, amount=0.0), size=size)
    brighter = np.where(film.mask, film.image - without.image, np.float32(0))
    return cv2.GaussianBlur(brighter, (0, 0), size / 50)


def outline_visible(brighter: np.ndarray, ax: Axes) -> Axes:
    """Draw a smooth line around the fluid that can be seen: where `brighter_by_fluid` exceeds `VISIBLE`."""
    if (brighter > VISIBLE).any():
        ax.contour(brighter, levels=[VISIBLE], colors=[plots.FINDING], linewidths=1.5)
    return ax


@lru_cache(maxsize=1)
def quiz_films() -> tuple[QuizFilm, ...]:
    """Return the films of the quiz, in the order in which they are shown. From your own cohort, draw them by chance."""
    table = course_scores("val")
    if own_cohort() is None:
        table = table[table["path"].isin([path for pair in PAIRS for path in pair])]
    else:
        classes = [table[table["label"] == label] for label in (0, 1)]
        table = pd.concat([part.sample(min(EACH, len(part)), random_state=QUIZ_SEED) for part in classes])
    rows = table.sample(frac=1, random_state=QUIZ_SEED).to_dict("records")
    return tuple(_quiz_film(row) for row in rows)


def _quiz_film(row: dict[str, Any]) -> QuizFilm:
    image, mask = course_film(row, size=SIDE)
    brighter = None
    if mask is not None and row["label"]:
        brighter = brighter_by_fluid(order_of(row, seed=VAL_SEED), size=SIDE)
    called = int(row["score"] >= THRESHOLD)
    return QuizFilm(image, brighter, int(row["label"]), row["score"], called, float(row.get("volume_ml", np.nan)))


def quiz_lab(*, reveal: bool = False) -> Figure:
    """Draw the films of the quiz.

    Parameters
    ----------
    reveal : bool
        Draw the visible fluid, and write the truth and the calls above each film: the
        network's, and the reader's if the reader has answered.
    """
    films = quiz_films()
    answers = recall(ANSWERS) or []
    rows = -(-len(films) // 3)
    width, height = (7.4, 2.85) if reveal else (8.9, 3.2)  # a notebook holds both pictures, and may not be too large
    figure, axes = plt.subplots(rows, 3, figsize=(width, height * rows), layout="constrained", squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for number, (film, ax) in enumerate(zip(films, axes.flat, strict=False), 1):
        plots.show_image(film.image, ax, title=f"film {number}")
        if reveal:
            answer = answers[number - 1] if len(answers) == len(films) else None
            ax.set_title(_caption(number, film, answer), fontsize=8.5)
            if film.brighter is not None:
                outline_visible(film.brighter, ax)
    return figure


def _caption(number: int, film: QuizFilm, answer: int | None) -> str:
    """Return the truth, and who called it what."""
    truth = CALLS[film.label]
    if film.label and not np.isnan(film.volume_ml):
        truth += f", {film.volume_ml:,.0f} mL"
    lines = f"film {number}: {truth}\nnetwork {film.score:.3f}: {_verdict(film.called, film.label)}"
    return lines if answer is None else f"{lines}\nyou: {_verdict(answer, film.label)}"


def _verdict(called: int, label: int) -> str:
    """Return the name of one of the four kinds of result."""
    return (("rightly left alone", "false alarm"), ("missed", "found"))[label][called]


def quiz_result(called: Sequence[int]) -> dict[str, int]:
    """Return how many films of the quiz were called right, and the counts of both classes.

    Parameters
    ----------
    called : sequence of {0, 1}
        One call for each film, in order.
    """
    labels, calls = np.array([film.label for film in quiz_films()]), np.asarray(called)
    return {
        "right": int((labels == calls).sum()),
        "found": int(calls[labels == 1].sum()),
        "effusions": int(labels.sum()),
        "alarms": int(calls[labels == 0].sum()),
        "others": int((labels == 0).sum()),
    }


def network_result() -> str:
    """Return in words how many films of the quiz the network calls right."""
    counts = quiz_result([film.called for film in quiz_films()])
    return (
        f"the network: {counts['right']} of {counts['effusions'] + counts['others']} right, "
        f"{counts['found']} of {counts['effusions']} effusions found, "
        f"false alarms on {counts['alarms']} of {counts['others']} other films"
    )


def quiz_score() -> str:
    """Return in words how many films of the quiz the reader called right; "" before the quiz."""
    known = recall(SCORE)
    return "" if known is None else f"you, in lesson 1: {known} of {2 * EACH} films right"


def quiz_buttons() -> "VBox":
    """Return the quiz: one film after the other with two buttons, then the result and the films with their fluid.

    The answers are kept. ``score of lesson 1`` is the number of right answers.
    """
    from ipywidgets import HTML, Button, HBox, Layout, VBox

    answers: list[int] = []
    picture = HTML(f"{2 * EACH} films, one after the other. Say for each whether it shows an effusion.")
    start = Button(description="show film 1")
    buttons = [Button(description=call, layout=Layout(width="10em")) for call in CALLS]
    box = VBox([picture, HBox([start])])

    def show_film() -> None:
        films = quiz_films()
        number = len(answers)
        _, encoded = cv2.imencode(".jpg", np.round(255 * films[number].image).astype(np.uint8))
        picture.value = (
            f"film {number + 1} of {len(films)}<br>{_picture(encoded.tobytes(), f'film {number + 1}', SIDE)}"
        )
        box.children = [picture, HBox(buttons)]

    def answer(call: int) -> None:
        answers.append(call)
        if len(answers) < len(quiz_films()):
            show_film()
            return
        result = quiz_result(answers)
        keep(ANSWERS, list(answers))
        keep(RESULT, result)
        keep(SCORE, result["right"])
        picture.value = _result_page(result)
        start.description = "play again"
        box.children = [picture, HBox([start])]

    def begin(_: Button) -> None:
        answers.clear()
        show_film()

    start.on_click(begin)
    for call, button in enumerate(buttons):
        button.on_click(lambda _, call=call: answer(call))
    return box


def _result_page(result: dict[str, int]) -> str:
    """Return both results as a table of HTML, and the films with their fluid outlined."""
    network = quiz_result([film.called for film in quiz_films()])
    rows = "".join(
        f"<tr><th>{name}</th><td>{counts['right']} of {counts['effusions'] + counts['others']}</td>"
        f"<td>{counts['found']} of {counts['effusions']}</td><td>{counts['alarms']} of {counts['others']}</td></tr>"
        for name, counts in (("you", result), ("the network", network))
    )
    head = "<tr><th></th><th>right</th><th>effusions found</th><th>false alarms</th></tr>"
    figure, stream = quiz_lab(reveal=True), BytesIO()
    figure.savefig(stream, format="jpeg", dpi=90)
    plt.close(figure)
    alt = "The films of the quiz, each with the truth, and with the visible fluid outlined."
    return f"<table>{head}{rows}</table>{_picture(stream.getvalue(), alt, 800)}"


def _picture(jpeg: bytes, alt: str, width: int) -> str:
    """Return a picture as HTML that is no wider than the page."""
    data = base64.b64encode(jpeg).decode()
    return f'<img alt="{alt}" style="width:{width}px;max-width:100%" src="data:image/jpeg;base64,{data}">'


def roc_lab(
    labels: ArrayLike, scores: ArrayLike, threshold: float = 0.1, *, cost: float = 10.0, tried: Sequence[float] = ()
) -> Figure:
    """Draw a threshold on the histograms of both classes, and as a dot on the ROC curve.

    The thresholds that were tried before are small dots. If the reader has answered the
    quiz, a star shows the reader's sensitivity and rate of false alarms in it.

    Parameters
    ----------
    labels : array, (N,), 1 = the finding
    scores : array, (N,), in [0, 1]
    threshold : float
    cost : float
        The cost of one miss, in false alarms.
    tried : sequence of float
        Earlier thresholds.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.4), layout="constrained")
    result = performance(labels, scores, threshold)
    plots.score_histogram(labels, scores, left)
    for text in left.get_legend().get_texts():
        text.set_text(text.get_text().replace("nofinding", "no effusion"))
    left.axvline(threshold, color="black", linewidth=2)
    others = result.fp + result.tn
    left.set_title(
        f"threshold {threshold:.3g}: {result.tp} of {result.tp + result.fn} effusions found,\n"
        f"{result.fn} missed, {result.fp} false alarms on {others:,} other films",
        fontsize=10,
    )
    false_alarm_rate, sensitivity, _ = roc(labels, scores)
    right.plot(false_alarm_rate, sensitivity, color=plots.NEUTRAL)
    right.plot([0, 1], [0, 1], color=plots.NEUTRAL, linestyle=":", linewidth=1)  # a coin
    earlier = [performance(labels, scores, value) for value in tried]
    if earlier:
        x, y = [e.fp / others for e in earlier], [e.sensitivity.value for e in earlier]
        right.plot(x, y, ".", color=plots.NOFINDING, label="tried before")
    right.plot(result.fp / others, result.sensitivity.value, "o", color="black", markersize=9, label="this threshold")
    if quiz := recall(RESULT):
        alarm_rate, found = quiz["alarms"] / max(quiz["others"], 1), quiz["found"] / max(quiz["effusions"], 1)
        right.plot(alarm_rate, found, "*", color=plots.FINDING, markersize=14, label="you, on the quiz")
    right.legend(loc="lower right")
    right.set(xlabel="false alarm rate", ylabel="sensitivity", xlim=plots.UNIT, ylim=plots.UNIT, aspect="equal")
    right.set_title(f"cost {cost:g} x {result.fn} + {result.fp} = {cost * result.fn + result.fp:,.0f}", fontsize=10)
    return figure


def auc_scatter_lab(aucs: Mapping[int, Sequence[float]], whole: float) -> Figure:
    """Draw the AUCs of many small test sets, with the AUC of all films and the reader's guesses as lines.

    Parameters
    ----------
    aucs : mapping
        Number of effusions in a test set -> the AUCs of many such sets.
    whole : float
        The AUC of all films.
    """
    figure, axes = plt.subplots(len(aucs), 1, figsize=(7.5, 2.1 * len(aucs)), layout="constrained", sharex=True)
    guesses = {"your guess of the AUC": recall("auc of lesson 1"), "your guess of the low end": recall("low auc")}
    for (n, values), ax in zip(aucs.items(), np.atleast_1d(axes), strict=True):
        ax.hist(values, bins=np.arange(0.5, 1.005, 0.01), color=plots.NOFINDING, alpha=0.6)
        low, high = np.quantile(values, [0.025, 0.975])
        ax.axvspan(low, high, color=plots.NEUTRAL, alpha=0.15, linewidth=0, label="95 % of the test sets")
        ax.axvline(whole, color="black", label=f"all films: {whole:.3f}")
        for (name, value), style in zip(guesses.items(), ("--", ":"), strict=True):
            if value is not None:
                ax.axvline(value, color=plots.FINDING, linestyle=style, label=name)
        ax.set(title=f"test sets with {n} effusions", ylabel="number of test sets", xlim=(0.5, 1))
    np.atleast_1d(axes)[-1].set_xlabel("AUC")
    np.atleast_1d(axes)[0].legend(loc="upper left", fontsize=9)
    return figure
