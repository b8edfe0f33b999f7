"""The lab of lesson 5 draws what NumPy's own percentiles say."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cxrlib.course.labs import lesson_05, window_lab


@pytest.fixture(autouse=True)
def no_tries(monkeypatch):
    monkeypatch.setattr(lesson_05, "_tries", {})
    yield
    plt.close("all")


def test_the_titles_hold_the_window_the_median_and_the_clipped_fraction():
    figure = window_lab("percentiles", 2, 95, real=False)
    for (name, (pixels, _)), low_ax in zip(lesson_05.machine_films().items(), figure.axes, strict=False):
        low, high = np.percentile(pixels, (2, 95))
        assert low_ax.get_title() == f"{name}\nwindow {low:,.0f} to {high:,.0f}"
    titles = [ax.get_title() for ax in figure.axes]
    pixels = lesson_05.machine_films()["site 0"][0]
    low, high = np.percentile(pixels, (2, 95))
    median = np.median((pixels - low) / (high - low))
    clipped = np.mean((pixels < low) | (pixels > high))
    assert f"median gray {median:.2f}, {clipped:.1%} clipped" in titles


def test_a_marker_covers_its_fraction_and_moves_min_max():
    pixels = lesson_05.machine_films()["site 2"][0]
    for fraction in lesson_05.MARKERS.values():
        marked = lesson_05.add_marker(pixels, fraction)
        assert np.mean(marked != pixels) == pytest.approx(fraction, rel=0.03)
    window_lab("percentiles", 0, 100, "none", real=False)
    window_lab("percentiles", 0, 100, "1 pixel", real=False)
    plain, beside = list(lesson_05._tries.values())[-2:]
    assert all(beside[name] < 0.6 * plain[name] for name in plain)


def test_the_picture_of_the_real_film_is_drawn_only_if_asked_for():
    films = lesson_05.machine_films()
    if lesson_05.REAL not in films:
        pytest.skip("pydicom-data is not installed")
    for real, pictures in ((False, len(films) - 1), (True, len(films))):
        figure = window_lab(real=real)
        assert sum(len(ax.images) for ax in figure.axes) == pictures


def test_the_present_setting_is_the_top_row_and_the_division_stays():
    for low in (0, 0.5, 1, 2, 5, 10, 0):
        figure = window_lab("percentiles", low, 99, real=False)
        rows = [label.get_text() for label in figure.axes[-1].get_yticklabels()]
        assert rows[0] == f"percentiles {low:g} to 99"
        assert rows[-1] == lesson_05.RULES[0]
        assert len(rows) <= lesson_05.MAX_TRIES
        plt.close(figure)


def test_the_guess_is_drawn(monkeypatch):
    monkeypatch.setattr(lesson_05, "recall", lambda name: 0.3)
    legend = window_lab(real=False).axes[-1].get_legend()
    assert "your guess for 1 pixel: 0.3" in [text.get_text() for text in legend.get_texts()]


def test_the_middle_window_does_not_see_what_lies_near_the_edges():
    pixels = lesson_05.machine_films()["site 1"][0]
    edged = pixels.copy()
    edged[:, :40] = edged[:10] = 9999
    plain, beside = lesson_05.middle_window(pixels), lesson_05.middle_window(edged)
    assert np.array_equal(beside[10:, 40:], plain[10:, 40:])
    assert (beside[:10] == 1).all()
    assert plain.min() == 0
    middle = pixels[51:-51, 51:-51]  # 256 // 5 is 51
    low, high = np.percentile(middle, (0.5, 99.5))
    assert np.isclose(np.mean(plain[51:-51, 51:-51] == 0), 0.005, atol=0.002)
    assert np.isclose(np.median(plain[51:-51, 51:-51]), (np.median(middle) - low) / (high - low))
