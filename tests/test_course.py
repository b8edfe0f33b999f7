"""What several notebooks use: committed scores, films, your own cohort, sliders and the upload button."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
from IPython.core.interactiveshell import InteractiveShell

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.course.cohorts import TEST_FILMS, TEST_SEED
from cxrlib.course.labs.lesson_08 import threshold_lab
from cxrlib.course.lessons import course_film, course_run, course_scores, own_films
from cxrlib.course.reader import guess, keep, recall
from cxrlib.course.widgets import plt, sliders, upload_explorer
from cxrlib.evaluation.rates import performance
from cxrlib.evaluation.roc_auc import auc
from cxrlib.images import read_image
from cxrlib.model.loss import score
from cxrlib.phantom.roster import draw_roster


def test_the_committed_scores_belong_to_films_that_can_be_simulated():
    val, test = course_scores("val"), course_scores("test")
    assert len(test) >= 2000
    assert len(val) >= 1000
    assert 0.9 < auc(test["label"], test["score"]) < 1
    np.testing.assert_allclose(score(test["logit"], test.attrs["weight"]), test["score"], atol=1e-4)
    roster = draw_roster(TEST_FILMS, seed=TEST_SEED)[["path", "label", "volume_ml"]]
    pd.testing.assert_frame_equal(test[["path", "label", "volume_ml"]], roster)


def test_a_film_of_the_scores_can_be_simulated_again():
    row = course_scores("test").query("label == 1").iloc[0].to_dict()
    image, mask = course_film(row, size=64)
    assert image.shape == mask.shape == (64, 64)
    assert image.min() == 0
    assert image.max() == 1
    assert mask.any()


def test_a_cohort_of_your_own_replaces_the_courses(sim_cohort, monkeypatch, tmp_path):
    monkeypatch.setenv("CXR_COHORT", str(sim_cohort))
    monkeypatch.setenv("CXR_CACHE", str(tmp_path))
    from tiny import TINY

    run = course_run(TINY)
    assert course_run(TINY).folder == run.folder
    monkeypatch.setattr("cxrlib.course.lessons.course_run", lambda cohort: run)
    test = course_scores("test")
    assert len(test) == (read_cohort(sim_cohort).table["split"] == "test").sum()
    image, mask = course_film(test.iloc[0].to_dict(), size=64)
    assert image.shape == (64, 64)
    assert mask is None
    assert test["volume_ml"].dtype == float
    films = own_films(2, size=64)
    assert list(films) == ["your film 1", "your film 2"]
    first = read_cohort(sim_cohort).table["path"][0]
    np.testing.assert_array_equal(films["your film 1"], read_image(sim_cohort / first, size=64))
    monkeypatch.delenv("CXR_COHORT")
    assert own_films(2, size=64) == {}


def test_the_threshold_lab_counts_films_and_people_as_performance_does(monkeypatch, tmp_path):
    monkeypatch.setenv("CXR_CACHE", str(tmp_path))
    keep("score of lesson 1", 9)
    rng = np.random.default_rng(0)
    labels, scores = np.repeat([1, 0], 50), rng.random(100)
    result = performance(labels, scores, 0.5)
    figure = threshold_lab(labels, scores, 0.5, cost=7, prevalence=0.2)
    left, right = figure.axes
    assert f"sensitivity {result.sensitivity.value:.2f}" in left.get_title()
    found, alarms = 4 * result.tp, round(800 * (1 - result.specificity.value))
    assert f"{found} found, {200 - found} missed, {alarms} false alarms" in right.get_title()
    assert f"= {7 * (200 - found) + alarms:,}" in right.get_title()
    assert [len(line.get_xdata()) for line in right.lines] == [found, 200 - found, alarms, 800 - alarms]
    # the odds are 1 / 7, times 1 for a prevalence of 0.5, divided by 1 / 4
    assert "formula: 0.364" in [line.get_label() for line in left.lines]
    assert figure.get_suptitle() == "you, in lesson 1: 9 of 12 films right"


def test_controls_draw_their_values_at_the_start_and_when_one_is_moved():
    drawn = []

    def draw(volume=20, side="right", dose=1):
        drawn.append({"volume": volume, "side": side, "dose": dose})
        figure = plt.figure(figsize=(1, 1))
        figure.add_axes((0, 0, 1, 1)).set_title(str(drawn[-1]), y=0.5)
        return figure

    plt.close("all")
    box = sliders(draw, volume=(0, 100, 10), side=["left", "right"], dose=[*range(9)])
    assert drawn == [{"volume": 20, "side": "right", "dose": 1}]
    volume, side, dose, picture, _ = box.children
    assert [type(control).__name__ for control in (volume, side, dose)] == [
        "IntSlider",
        "ToggleButtons",
        "SelectionSlider",
    ]
    first = bytes(picture.value)
    volume.value, side.value, dose.value = 30, "left", 8
    assert drawn[1:] == [
        {"volume": 30, "side": "right", "dose": 1},
        {"volume": 30, "side": "left", "dose": 1},
        {"volume": 30, "side": "left", "dose": 8},
    ]
    assert first.startswith(b"\x89PNG")
    assert bytes(picture.value) != first
    assert not plt.get_fignums()  # the notebook would show an open figure once more
    volume, picture, _ = sliders(draw, volume=(0, 100, 10), side=["right"]).children  # 1 value is no choice
    assert drawn[-1] == {"volume": 20, "side": "right", "dose": 1}


def test_an_uploaded_film_is_drawn_and_any_other_file_is_refused_in_a_sentence(
    tiny_run, sim_cohort, monkeypatch, capsys
):
    def choose(name, content):
        upload.value = (
            {"name": name, "content": memoryview(content), "size": len(content), "type": "", "last_modified": now},
        )

    plt.close("all")
    drawn, now = [], datetime.now(UTC)
    monkeypatch.setattr(plt, "show", lambda: drawn.extend(plt.get_fignums()))
    upload, _ = upload_explorer(tiny_run).children
    film = next((sim_cohort / "nofinding").glob("*.png"))
    choose(film.name, film.read_bytes())
    assert len(drawn) == 1
    plt.close("all")
    choose("../letter.png", b"Dear doctor,")
    assert len(drawn) == 1
    assert "letter.png: " in capsys.readouterr().out


def test_a_guess_stands_beside_the_result_once_that_is_known(monkeypatch, tmp_path):
    monkeypatch.setenv("CXR_CACHE", str(tmp_path))
    shell = InteractiveShell.instance()
    try:
        cells = [
            "from cxrlib.course import guess",
            "box = guess('lungs', 'How many?', [1, 2, 3], result=lambda: lungs)",
        ]
        for cell in cells:
            assert shell.run_cell(cell).success
        _, slider, button, compared = shell.user_ns["box"].children
        slider.value = 3
        shell.run_cell("lung = 1")
        assert (recall("lungs"), compared.value) == (3, "")
        shell.run_cell("lungs = 2.0")
        assert compared.value == "You guessed <b>3</b>. The result is <b>2</b>."
        shell.run_cell("lungs = 5")  # another variable of this name
        slider.value = 1
        button.click()
        assert compared.value == "You guessed <b>1</b>. The result is <b>2</b>."
    finally:
        InteractiveShell.clear_instance()


def test_nothing_is_shown_to_a_reader_who_did_not_guess(monkeypatch, tmp_path):
    monkeypatch.setenv("CXR_CACHE", str(tmp_path))
    button, compared = guess("hearts", "How many?", [1, 2, 3], result=lambda: 1).children[2:]
    assert compared.value == ""
    button.click()
    assert compared.value == "You guessed <b>2</b>. The result is <b>1</b>."
