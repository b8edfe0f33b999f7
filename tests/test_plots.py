from itertools import pairwise
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from test_evaluation import wilson

from cxrlib.evaluation.decisions import net_benefit
from cxrlib.evaluation.groups import performance_by
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


def test_the_decision_curve_has_three_choices_and_the_threshold_as_a_dot(ax, films):
    labels, scores = films
    plots.decision_curve(labels, scores, ax, threshold=0.3)
    by_score, flag_all, flag_none, dot = ax.get_lines()
    made = net_benefit(labels, scores, 0.3)
    assert dot.get_xydata()[0] == pytest.approx([0.3, made.value])
    for x, y in by_score.get_xydata()[::7]:
        assert y == pytest.approx(net_benefit(labels, scores, x).value)
    for x, y in flag_all.get_xydata()[::7]:
        assert y == pytest.approx(0.2 - 0.8 * x / (1 - x))
    assert set(flag_none.get_ydata()) == {0}
    band = ax.collections[0].get_paths()[0].vertices
    assert [made.low, made.high] == pytest.approx(sorted(band[np.isclose(band[:, 0], 0.3), 1])[::1][-2:], abs=1e-9)
    assert len({line.get_linestyle() for line in (by_score, flag_all, flag_none)}) == 3  # not by colour alone


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


def test_the_rate_of_each_group_is_drawn_with_its_interval(ax, films):
    """A group without films of the class is left out; the count below a group is that of the rate's films."""
    labels, scores = films
    groups = np.where(labels == 1, np.arange(100) % 2, np.arange(100) % 3)  # group 2 has no film with the finding
    table = performance_by(groups, labels, scores, 0.5)
    for rate, label, names in (("sensitivity", 1, [0, 1]), ("specificity", 0, [0, 1, 2])):
        ax.clear()
        plots.rates_by(table, ax, rate=rate)
        dots, _, (bars,) = ax.containers[0].lines
        right = [((scores >= 0.5) == label)[(groups == name) & (labels == label)] for name in names]
        assert dots.get_ydata() == pytest.approx([hits.mean() for hits in right])
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        np.testing.assert_allclose(ends, [wilson(hits) for hits in right])
        expected = [f"{name}\nn = {len(hits)}" for name, hits in zip(names, right, strict=True)]
        assert [text.get_text() for text in ax.get_xticklabels()] == expected
        assert ax.get_ylabel() == rate


def test_an_arrow_points_at_the_place_that_is_named(ax):
    """Places are counted from the upper left corner of the film, in fractions of its side."""
    plots.show_image(np.zeros((100, 100)), ax)
    plots.point_out(ax, {"left angle": (0.8, 0.9, 0.5, 0.2)}, color="white")
    ax.figure.canvas.draw()
    (note,) = ax.texts
    to_pixels = ax.transData.inverted().transform
    assert to_pixels(ax.transAxes.transform(note.xy)) == pytest.approx([79.5, 89.5])  # 0.8 and 0.9 of 100 pixels
    assert to_pixels(note.get_transform().transform(note.get_position())) == pytest.approx([49.5, 19.5])
    assert note.get_text() == "left angle"
    arrow = note.arrow_patch
    assert arrow.get_edgecolor() == mpl.colors.to_rgba("white")
    tip = arrow.get_path().vertices  # in the figure's pixels
    assert np.linalg.norm(arrow.get_transform().transform(tip) - ax.transAxes.transform(note.xy), axis=1).min() < 10


def test_a_chart_is_an_svg_with_words_and_a_film_is_none(ax):
    ax.plot([0, 1], [0, 1])
    ax.set_xlabel("false alarms")
    svg = plots.chart_svg(ax.figure)
    words = [tag.text for tag in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert "false alarms" in words
    assert svg == plots.chart_svg(ax.figure)
    ax.plot(np.arange(20_000), np.random.default_rng(0).normal(size=20_000))
    assert plots.chart_svg(ax.figure) is None  # too large
    ax.clear()
    plots.show_image(np.zeros((8, 8)), ax)
    assert plots.chart_svg(ax.figure) is None
