"""The lab of lesson 9: visible fluid, the curve of scores, and what the figure says."""

import runpy
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cxrlib.course import course_scores
from cxrlib.course.labs.lesson_09 import (
    VOLUMES,
    as_text,
    detector_lab,
    kinds_of,
    lab_order,
    scores_by_volume,
    visible_fluid,
)
from cxrlib.course.reader import keep
from cxrlib.evaluation import performance_by
from cxrlib.phantom import take_film
from cxrlib.training import open_run


@pytest.fixture(scope="module")
def run():
    return open_run("simulated")


@pytest.fixture(autouse=True)
def reader(tmp_path, monkeypatch):
    monkeypatch.setattr("cxrlib.course.reader.reader_file", lambda: tmp_path / "reader.json")


def test_visible_fluid_is_a_part_of_the_fluid_over_what_would_be_lung():
    order = lab_order(1, "upright", 400)
    film, visible = visible_fluid(order, size=96)
    dry = take_film(replace(order, amount=0.0), size=96)
    assert 0 < visible.sum() < film.mask.sum()
    assert film.mask[visible].all()
    assert dry.lung[visible].min() > 3
    assert (film.attenuation - dry.attenuation)[visible].mean() > 0.3  # it takes a quarter of the beam and more


def test_the_curve_is_what_the_run_gives_each_film(run):
    scores = scores_by_volume(run, 1, "upright")
    film = take_film(lab_order(1, "upright", VOLUMES[4]), size=run.recipe.size)
    assert scores[4] == pytest.approx(run.score_images(film.image[None])[0], abs=1e-4)
    assert scores[0] < run.operating_point.threshold < scores[-1]
    assert np.isnan(scores_by_volume(run, 4, "supine")[-1])  # this chest holds less than 800 mL


def test_the_lab_answers_as_the_page_says(run):
    """The page names volumes that the curves of the lab show, and no cell prints."""
    for posture, volumes in {"upright": [100] * 5, "supine": [50, 200, 400, 800, 300]}.items():
        for patient, volume in zip((1, 5, 7, 8, 9), volumes, strict=True):
            called = scores_by_volume(run, patient, posture) >= run.operating_point.threshold
            assert VOLUMES[called.argmax()] == volume, (patient, posture)


def test_no_threshold_brings_semi_erect_validation_films_to_the_pair_of_section_6():
    films = course_scores("val")
    films = films[kinds_of(films) == "AP semi-erect"]
    answer = runpy.run_path(str(Path(__file__).parent / "exercises" / "09.py"))["ANSWERS"]["group mended"]["right"]
    names = {"np": np}
    exec(answer, names)  # the solution that the page shows
    assert not names["can_be_mended"](films["label"], films["score"], 0.90, 0.60)
    assert names["can_be_mended"](films["label"], films["score"], 0.90, 0.40)


def test_the_figure_shows_the_film_the_guess_and_the_score_of_lesson_1(run):
    keep("smallest volume", 200)
    keep("score of lesson 1", 9)
    figure = detector_lab(run, 800, patient=4, posture="supine", layer="last maps", opacity=0.3)
    left, middle, right = figure.axes
    assert left.get_title() == "patient 4, supine, 498 mL on the right"  # all that fits
    assert middle.get_title() == "heat map: last maps"
    labels = [text.get_text() for text in right.get_legend().get_texts()]
    assert labels[-3:] == ["this patient", f"threshold {run.operating_point.threshold:.2f}", "your guess: 200 mL"]
    assert figure.get_suptitle() == "you, in lesson 1: 9 of 12 films right"
    plt.close(figure)


def test_rates_as_text():
    labels, scores = np.repeat([1, 0], 20), np.linspace(1, 0, 40)
    table = as_text(performance_by(["a"] * 40, labels, scores, 0.5))
    assert table.loc["a"].tolist()[:2] == [20, "1.00 (0.83 to 1.00)"]
    assert list(table.columns) == ["effusions", "AUC", "sensitivity", "specificity"]
    assert as_text(pd.DataFrame(performance_by([""] * 40, labels, scores, 0.5))).empty


def test_the_kind_of_a_film_is_its_view_and_posture():
    films = pd.DataFrame({"view": ["AP", "PA"], "posture": ["supine", "upright"]})
    assert list(kinds_of(films)) == ["AP supine", "PA upright"]
    assert list(kinds_of(films[["view"]])) == ["AP ", "PA "]
    assert list(kinds_of(pd.DataFrame(index=[0]))) == [" "]
