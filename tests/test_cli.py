import json
import os
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest

from cxrlib.cohorts.cohort import read_cohort


def cxr(*words, check=True):
    done = subprocess.run([sys.executable, "-m", "cxrlib.cli", *map(str, words)], capture_output=True, text=True)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def test_the_whole_path(two_folders, tmp_path):
    """prepare, train, evaluate, compare and predict by the real command."""
    told = cxr("simulate", tmp_path / "sim", "--films", 70, "--prevalence", 0.43, "--size", 64)
    assert "30 effusion, 40 nofinding" in told.stdout
    told = cxr("prepare", tmp_path / "sim", tmp_path / "cohort", "--size", 48)
    assert "30 effusion, 40 nofinding; 0 rejected" in told.stdout
    train = (
        "train",
        tmp_path / "cohort",
        tmp_path / "run",
        "--epochs",
        2,
        "--width",
        4,
        "--start",
        "scratch",
        "--size",
        48,
        "--seed",
        1,
    )
    told = cxr(*train, "--tensorboard", "--sensitivity", 0.8, "--quiet")
    assert "is kept, AUC on val" in told.stdout
    assert "PPV" in told.stdout
    assert told.stderr == ""  # TensorFlow is silent too
    assert list((tmp_path / "run" / "tensorboard").rglob("events*"))
    assert "holds a run already" in cxr(*train, "--sensitivity", 0.8, check=False).stderr
    assert "is kept" in cxr(*train, "--sensitivity", 0.8, "--resume").stdout

    result = json.loads(cxr("evaluate", tmp_path / "run", tmp_path / "cohort", "--json", "--prevalence", 0.1).stdout)
    needed = {"auc", "auc_low", "auc_high", "n", "n_patients", "n_finding", "threshold", "sensitivity", "specificity"}
    assert needed | {"ppv", "npv", "ppv_low", "npv_high", "prevalence"} <= set(result)
    assert result["prevalence"] == 0.1
    by_hand = cxr("evaluate", tmp_path / "run", tmp_path / "cohort", "--json", "--threshold", 0, "--split", "all")
    assert json.loads(by_hand.stdout)["sensitivity"] == 1
    compared = json.loads(cxr("compare", tmp_path / "run", tmp_path / "run", tmp_path / "cohort", "--json").stdout)
    assert compared["difference"] == 0

    film, bad = next((tmp_path / "cohort" / "effusion").iterdir()), tmp_path / "bad.png"
    bad.write_text("no film")
    done = cxr("predict", bad, film, "--run", tmp_path / "run", "--json", "--threshold", 0.0, check=False)
    first, second = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert set(first) == {"path", "error"}
    assert set(second) == {"path", "score", "threshold", "finding", "warnings"}
    assert second["finding"] is True
    shown = cxr("predict", film, "--run", tmp_path / "run")
    assert "threshold" in shown.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("prepare", "{tmp}/absent", "{tmp}/out"), "absent: no such folder"),
        (("prepare", "{bare}", "{tmp}/out", "--size", "3"), "--size"),
        (("train", "{tmp}/absent", "{tmp}/out"), "no such folder"),
        (("train", "{bare}", "{tmp}/out", "--recipe", "modern"), "neither default nor classic"),
        (("train", "{one}", "{tmp}/out"), "nofinding"),
        (("train", "{constant}", "{tmp}/out"), "constant image"),
        (("evaluate", "{tmp}/absent", "{bare}"), "no such folder"),
        (("predict", "x.png", "--run", "{bare}"), "not a run folder"),
        (("predict", "x.png", "--run", "{bare}", "--threshold", "2"), "--threshold"),
    ],
)
def test_mistakes_end_in_a_sentence_and_exit_code_2(two_folders, tmp_path, film, words, message):
    (tmp_path / "one" / "effusion").mkdir(parents=True)
    for name in ("effusion", "nofinding"):
        (tmp_path / "constant" / name).mkdir(parents=True)
        for i in range(30):
            cv2.imwrite(str(tmp_path / "constant" / name / f"{i}.png"), np.zeros_like(film))
    places = {"tmp": tmp_path, "bare": two_folders, "one": tmp_path / "one", "constant": tmp_path / "constant"}
    done = cxr(*[word.format(**places) for word in words], check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def least_time(words, tries=5):
    """Return the seconds that the processor works for a command, whatever else it does meanwhile."""
    times = []
    for _ in range(tries):
        before = os.times()
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        after = os.times()
        times.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return min(times)


def test_help_and_import_are_quick_and_without_tensorflow():
    assert least_time(["-m", "cxrlib.cli", "--help"]) < 0.6
    assert least_time(["-c", "import cxrlib"]) < 0.3
    loaded = "import cxrlib, sys; sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras', 'pandas')))"
    subprocess.run([sys.executable, "-c", loaded], check=True)


def test_simulate_has_an_option_for_each(tmp_path):
    options = ("--finding", "nodule", "--films", 12, "--prevalence", 0.5, "--label-noise", 0.34, 0.17, "--seed", 2)
    told = cxr("simulate", tmp_path / "sim", *options, "--shortcut", 1, "--format", "dicom", "--size", 48)
    assert "6 nodule, 6 nofinding" in told.stdout
    table = read_cohort(tmp_path / "sim").table
    assert table.groupby("label")["true_label"].agg(lambda truth: truth.astype(int).sum()).tolist() == [1, 4]
    assert table.groupby("label")["view"].unique().map(list).tolist() == [["PA"], ["AP"]]
    assert len(list((tmp_path / "sim" / "masks").rglob("*.png"))) == 5
    refused = cxr("simulate", tmp_path / "sim", check=False)
    assert refused.returncode == 2
    assert "not empty" in refused.stderr
    refused = cxr("simulate", tmp_path / "new", "--prevalence", 2, check=False)
    assert refused.returncode == 2
    assert "prevalence is 2.0; it must lie between 0 and 1" in refused.stderr
    assert not (tmp_path / "new").exists()


def test_train_starts_from_another_run(tiny_run, sim_cohort, tmp_path):
    words = (
        "train",
        sim_cohort,
        tmp_path / "run",
        "--epochs",
        1,
        "--width",
        4,
        "--size",
        48,
        "--start",
        tiny_run.folder,
    )
    refused = cxr(*words, check=False)
    assert refused.returncode == 2
    assert "they must agree" in refused.stderr


@pytest.fixture
def untested(sim_cohort, tmp_path):
    """Return a maker of copies of the cohort, all of whose test films of some labels are train."""

    def make(name, labels):
        shutil.copytree(sim_cohort, tmp_path / name)
        table = pd.read_csv(tmp_path / name / "cohort.csv", dtype={"patient_id": str})
        moved = table.loc[(table["split"] == "test") & table["label"].isin(labels), "patient_id"]
        table.loc[table["patient_id"].isin(moved), "split"] = "train"
        table.to_csv(tmp_path / name / "cohort.csv", index=False)
        return tmp_path / name

    return make


def test_films_without_a_test_are_told_with_what_to_do(untested):
    evaluate, compare = ("evaluate", "simulated"), ("compare", "simulated", "simulated")
    one_class = r"test.* are 0 of effusion and \d+ of nofinding; both are needed, so take another split \(--split .*\)"
    for words, folder, message in (
        (evaluate, untested("none", (0, 1)), r"no image is in the split 'test' \(.* train, .* val\); take another .*"),
        (evaluate, untested("nofinding alone", (1,)), one_class),
        (compare, untested("again", (1,)), one_class),
    ):
        done = cxr(*words, folder, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert re.search(rf"^cxr: {folder}: .*{message}$", done.stderr, re.MULTILINE)


def test_a_run_without_test_scores_says_so_where_it_is_trained_and_where_it_is_reported(untested, tmp_path):
    cohort, run = untested("none", (0, 1)), tmp_path / "run"
    small = ("--epochs", 1, "--width", 4, "--size", 48, "--start", "scratch", "--sensitivity", 0.7)
    trained = cxr("train", cohort, run, *small)
    assert f"so there is no test figure; `cxr evaluate {run} {cohort} --split val` reports" in trained.stderr
    assert "AUC" in cxr("evaluate", run, cohort, "--split", "val").stdout
    reported = cxr("report", run)
    assert "there is no test figure; the page is about those of validation" in reported.stderr
    (run / "scores.csv").unlink()
    done = cxr("report", run, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        f"cxr: {run}: has no scores.csv, which a training writes; train the run anew\n",
    )
