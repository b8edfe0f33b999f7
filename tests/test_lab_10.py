"""The lab of lesson 10, and its small collection."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score

from cxrlib import prepare
from cxrlib.course.labs.lesson_10 import (
    GUESS,
    auc_of_same_source,
    draw_hospital_films,
    measure_agreement,
    source_lab,
    write_collection,
)
from cxrlib.course.reader import keep


@pytest.fixture(autouse=True)
def reader(tmp_path, monkeypatch):
    monkeypatch.setattr("cxrlib.course.reader.reader_file", lambda: tmp_path / "reader.json")


def test_the_collection_is_read_as_nih_publishes_it_and_its_odd_files_are_found(tmp_path):
    write_collection(tmp_path / "nih")
    table = pd.read_csv(tmp_path / "nih" / "Data_Entry_2017.csv")
    assert table["Patient ID"].nunique() == 36
    prepared = prepare(tmp_path / "nih", tmp_path / "cohort", size=64)
    assert prepared.counts == {"effusion": 14, "nofinding": 24}
    assert [reason.split(" (")[0] for reason in prepared.rejected["reason"]] == [
        "not a readable PNG, JPEG or DICOM file",
        "a picture in colour",
    ]
    assert prepared.warnings["kind"].tolist() == ["upside down"]
    assert "under several names" in prepared.notes[-1]


def test_the_aucs_of_the_lab_are_those_of_scikit_learn():
    given = measure_agreement(0.9, seed=3)
    rng = np.random.default_rng(3)
    films, label, _ = draw_hospital_films(4000, 0.9, rng)
    fitted = LinearRegression().fit(films[:, :2], label)
    for name, agreement in (("validation", 0.9), ("new hospital", 0.5)):
        films, label, _ = draw_hospital_films(4000, agreement, rng)
        assert given[name] == pytest.approx(roc_auc_score(label, fitted.predict(films[:, :2])))


def test_the_auc_of_the_same_source_counts_pairs_of_films_of_one_source():
    rng = np.random.default_rng(4)
    source, label, score = rng.integers(0, 3, 200), rng.integers(0, 2, 200), np.round(rng.normal(size=200), 1)
    label[source == 2] = 1  # this source has no pairs
    pairs = [
        (score[i] > score[j]) + (score[i] == score[j]) / 2
        for i in np.flatnonzero(label == 1)
        for j in np.flatnonzero((label == 0) & (source == source[i]))
    ]
    assert auc_of_same_source(source, label, score) == pytest.approx(np.mean(pairs))
    assert np.isnan(auc_of_same_source(label, label, score))
    assert np.isnan(measure_agreement(1.0)["same hospital"])
    tone_alone = draw_hospital_films(40_000, 0.9, rng)
    assert auc_of_same_source(tone_alone[2], tone_alone[1], tone_alone[0][:, 1]) == pytest.approx(0.5, abs=0.03)


def test_the_lab_draws_the_setting_the_guess_and_earlier_settings():
    keep(GUESS, 0.75)
    source_lab(60)
    plt.close("all")
    figure = source_lab(90)
    left, right = figure.axes
    lines = {line.get_label(): line for line in right.lines}
    assert lines["my guess"].get_ydata() == [0.75]
    assert lines["tried before"].get_xdata() == [60]
    now = measure_agreement(0.9)
    assert lines["validation"].get_ydata()[8] == pytest.approx(now["validation"])
    assert f"validation {now['validation']:.2f}" in right.get_title()
    assert len(left.lines[0].get_xdata()) + len(left.lines[1].get_xdata()) == 300
    plt.close("all")
