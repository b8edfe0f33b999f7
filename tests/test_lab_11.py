"""The lab of lesson 11 draws the fresh films of a detector, and the AUC of each group."""

import numpy as np
import pytest

from cxrlib.course.audit import example, makers_test, score_test_films
from cxrlib.course.labs.lesson_11 import HIGHEST, LOWEST, PROPERTIES, audit_lab, group_films
from cxrlib.course.reader import keep
from cxrlib.evaluation import auc


@pytest.fixture(autouse=True)
def reader(tmp_path, monkeypatch):
    monkeypatch.setattr("cxrlib.course.reader.reader_file", lambda: tmp_path / "reader.json")


def test_the_lab_draws_each_film_once_and_the_auc_of_each_group():
    fresh = example().fresh
    for by in PROPERTIES:
        (ax,) = audit_lab("X", by).axes
        dots = np.concatenate([line.get_xdata() for line in ax.lines if line.get_marker() in "o^"])
        np.testing.assert_allclose(np.sort(dots), np.sort(fresh["score"].clip(LOWEST, HIGHEST)))
        groups = group_films(fresh, by)
        for label in ax.get_yticklabels():
            name, words = label.get_text().split("\n")
            part = fresh[groups == name]
            assert words == f"AUC {auc(part['label'], part['score']):.2f}, {len(part)} films"
    keep("fresh auc of X", 0.95)
    (ax,) = audit_lab("X", "sex", "AP").axes
    assert "Your guess for the AUC of all fresh films was 0.95, and it is 0.86" in ax.get_title()
    assert (
        sum(line.get_marker() in "o^" and len(line.get_xdata()) for line in ax.lines) == (fresh["view"] == "AP").sum()
    )


def test_the_test_films_of_the_example_have_both_scores():
    films, x = makers_test(), example()
    assert len(films) == x.report["n"]
    assert auc(films["label"], films["score"]) == x.report["auc"].value
    assert set(films["path"]) == set(x.films.query("split == 'test'")["path"])


def test_the_saved_scores_are_those_of_the_start(tmp_path, monkeypatch):
    monkeypatch.setenv("CXR_CACHE", str(tmp_path))
    films = example()._films.query("split == 'test'")
    saved = makers_test().set_index("path")["start_score"]
    measured = score_test_films(films).set_index("path")["start_score"]
    np.testing.assert_allclose(saved[measured.index], measured, atol=0.01)
