"""The lab of lesson 11 draws the fresh films of a detector, and the AUC of each group."""

import numpy as np
import pytest

from cxrlib.course.audit import example
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
