"""The whole path on real films. CXR_REAL_DATA names a folder in NIH's layout."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.nih import find_label_file
from cxrlib.training.run import open_run

SOURCE = os.environ.get("CXR_REAL_DATA")
pytestmark = pytest.mark.skipif(not SOURCE, reason="CXR_REAL_DATA names no folder in NIH's layout")


def cxr(*words):
    done = subprocess.run([sys.executable, "-m", "cxrlib.cli", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real") / "cohort"
    cxr("prepare", SOURCE, folder, "--size", 192)
    return folder


@pytest.fixture(scope="module")
def run(prepared):
    folder = prepared.parent / "run"
    cxr("train", prepared, folder, "--epochs", 2, "--size", 96)
    return open_run(folder)


def test_prepare_takes_every_film_of_the_finding_and_of_none(prepared):
    entries = pd.read_csv(find_label_file(Path(SOURCE)), usecols=["Image Index", "Finding Labels", "Patient ID"])
    effusion = entries["Finding Labels"].str.contains("Effusion")
    none = entries["Finding Labels"] == "No Finding"
    cohort = read_cohort(prepared)
    assert cohort.labels.sum() == effusion.sum()
    assert len(cohort.table) == (effusion | none).sum()
    assert cohort.table["patient_id"].nunique() == entries.loc[effusion | none, "Patient ID"].nunique()
    assert cohort.table.groupby("patient_id")["split"].nunique().max() == 1


def test_a_short_training_learns_and_evaluates(prepared, run):
    result = json.loads(cxr("evaluate", run.folder, prepared, "--json"))
    assert result["auc"] > 0.6
    assert result["auc_low"] < result["auc"] < result["auc_high"]
    same = json.loads(cxr("evaluate", run.folder, prepared, "--json", "--threshold", result["threshold"]))
    assert same == result | {"operating_point": None}  # a threshold of one's own is no operating point


def test_originals_and_prepared_copies_score_alike(prepared, run):
    originals = {path.name: path for path in Path(SOURCE).rglob("*.png")}
    scores = []
    for path in read_cohort(prepared).table["path"][::40]:
        original, copy = run.predict(originals[Path(path).name]), run.predict(prepared / path)
        assert abs(original.score - copy.score) < 0.005
        scores.append(original.score)
    assert max(scores) - min(scores) > 0.05
