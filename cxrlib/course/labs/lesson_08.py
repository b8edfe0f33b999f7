"""The lab of lesson 8: a threshold on two histograms, and what it means for 1,000 people."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from cxrlib.course.labs.lesson_01 import quiz_score
from cxrlib.course.reader import recall
from cxrlib.evaluation.decisions import cost_threshold, shift_prevalence
from cxrlib.evaluation.rates import performance
from cxrlib.report import plots

PEOPLE, COLUMNS = 1000, 40
"""The number of people in the right picture, and in each of its rows."""


def threshold_lab(
    labels: ArrayLike, scores: ArrayLike, threshold: float = 0.1, *, cost: float = 10.0, prevalence: float = 0.1
) -> Figure:
    """Draw a threshold on the histograms of both classes, and its result for 1,000 people.

    The people are computed from the sensitivity and the specificity on these films,
    and from the prevalence. Lines on the left show the threshold, the threshold of
    the cost formula at this prevalence, and the reader's thresholds from earlier. The
    title repeats the reader's result in the quiz of lesson 1.

    Parameters
    ----------
    labels : array, (N,), 1 = the finding
    scores : array, (N,), in [0, 1]
    threshold : float
        A film with this score or a higher one is called positive.
    cost : float
        The cost of one missed finding, in false alarms.
    prevalence : float in (0, 1)
        The fraction of the 1,000 people with the finding.
    """
    result = performance(labels, scores, threshold)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.4), layout="constrained")
    plots.score_histogram(labels, scores, left)
    left.axvline(threshold, color="black", linewidth=2, label=f"threshold: {threshold:.3g}")
    left.set_title(
        f"threshold {threshold:.3g}: sensitivity {result.sensitivity.value:.2f}, "
        f"specificity {result.specificity.value:.2f}",
        fontsize=10,
    )
    cut = cost_threshold(missed=cost, false_alarm=1)  # of a score that is made for the new prevalence
    lines = {"formula": float(shift_prevalence(cut, old=prevalence, new=float(np.mean(np.asarray(labels)))))}
    guesses = {"your guess of lesson 1": "threshold of lesson 1", "your guess above": "cut of lesson 8"}
    lines |= {name: recall(kept) for name, kept in guesses.items() if recall(kept)}
    for (name, value), style in zip(lines.items(), ("--", ":", "-."), strict=False):
        left.axvline(value, color=plots.NEUTRAL, linestyle=style, label=f"{name}: {value:.3g}")
    classes = left.get_legend()
    left.legend(handles=left.lines, loc="center left", fontsize=9)
    left.add_artist(classes)
    if known := quiz_score():
        figure.suptitle(known, fontsize=10)
    found, missed, alarms = count_people(result.sensitivity.value, result.specificity.value, prevalence)
    _draw_people(right, found, missed, alarms)
    right.set_title(
        f"of 1,000 people: {found} found, {missed} missed, {alarms} false alarms\n"
        f"cost {missed} x {cost:g} + {alarms} = {missed * cost + alarms:,.0f}",
        fontsize=10,
    )
    return figure


def count_people(sensitivity: float, specificity: float, prevalence: float) -> tuple[int, int, int]:
    """Return how many of 1,000 people have a finding that is found, one that is missed, and a false alarm."""
    ill = round(PEOPLE * prevalence)
    found = round(ill * sensitivity)
    return found, ill - found, round((PEOPLE - ill) * (1 - specificity))


def _draw_people(ax: Axes, found: int, missed: int, alarms: int) -> None:
    """Draw each person as a mark: the kinds differ in colour and in shape."""
    rest = PEOPLE - found - missed - alarms
    kinds = (
        (found, "o", plots.FINDING, "found"),
        (missed, "X", "black", "missed"),
        (alarms, "^", plots.PALE_FINDING, "false alarm"),
        (rest, ".", "#BBBBBB", "rightly left alone"),
    )
    start = 0
    for count, marker, color, name in kinds:
        place = np.arange(start, start + count)
        ax.plot(place % COLUMNS, place // COLUMNS, marker, color=color, markersize=4.5, label=name)
        start += count
    ax.set(xlim=(-1, COLUMNS), ylim=(PEOPLE // COLUMNS, -1))
    ax.axis("off")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=4, frameon=False, fontsize=9, handletextpad=0.2)
