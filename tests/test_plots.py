from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from cxrlib.evaluation.rates import performance
from cxrlib.report import plots

mpl.use("agg")


@pytest.fixture
def ax():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


@pytest.fixture
def films():
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0], [20, 80])
    return labels, 1 / (1 + np.exp(-rng.normal(2 * labels - 1, 1)))


def height_at(line, x):
    """The height of a step curve at x, read off its drawn path."""
    points = line.get_path().vertices
    flat = [(a, b) for a, b in pairwise(points) if a[1] == b[1]]
    heights = {round(a[1], 9) for a, b in flat if min(a[0], b[0]) < x < max(a[0], b[0])}
    assert len(heights) == 1
    return heights.pop()


def test_the_sweep_shows_what_a_threshold_does(ax, films):
    plots.threshold_sweep(*films, ax, threshold=0.5)
    ax.figure.canvas.draw()
    sensitivity, specificity = ax.get_lines()[:2]
    for threshold in (0.123, 0.5, 0.777):
        made = performance(*films, threshold)
        assert height_at(sensitivity, threshold) == pytest.approx(made.sensitivity.value)
        assert height_at(specificity, threshold) == pytest.approx(made.specificity.value)


def test_the_roc_has_the_threshold_as_a_dot_and_the_interval_in_words(ax, films):
    plots.roc_curve(*films, ax, threshold=0.5)
    made = performance(*films, 0.5)
    dot = ax.get_lines()[-1]
    assert dot.get_xydata()[0] == pytest.approx([1 - made.specificity.value, made.sensitivity.value])
    assert " to " in ax.get_legend().get_texts()[0].get_text()
    assert ax.get_aspect() == 1


def test_the_history_marks_the_kept_epoch(ax):
    table = pd.DataFrame({"epoch": [1, 2, 3], "val_auc": [0.5, 0.8, 0.7], "learning_rate": [0.0, 1e-3, 5e-4]})
    plots.history(table, ax, kept=2)
    assert ax.get_lines()[1].get_xydata().tolist() == [[2, 0.8]]
    ax.clear()
    plots.learning_rates(table, ax)
    assert ax.get_lines()[0].get_ydata().tolist() == [0.0, 1e-3, 5e-4]


def test_a_film_is_shown_on_fixed_limits(ax):
    plots.show_image(np.full((8, 8), 0.25), ax, title="gray")
    assert ax.get_images()[0].get_clim() == (0, 1)


def test_the_histogram_counts_each_class_for_itself(ax, films):
    plots.score_histogram(*films, ax)
    assert sum(patch.get_height() for patch in ax.patches) == pytest.approx(2)
