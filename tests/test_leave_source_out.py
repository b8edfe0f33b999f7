"""The benchmark that trains on some sources and scores another; its trainings are not run here."""

from pathlib import Path

import leave_source_out
import numpy as np
import pandas as pd
import pytest
import transfer
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss, roc_auc_score

from cxrlib.cohorts.cohort import Cohort

GROUPS = ("one-per-patient", "with-pneumonia", "nofinding-mostly-ap", "singles")


@pytest.fixture
def cohort():
    """200 films of 60 patients; some patients have films of several groups."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"path": [f"{i}.png" for i in range(200)], "patient_id": rng.integers(0, 60, 200).astype(str)})
    table["group"], table["label"] = rng.choice(GROUPS, 200), rng.integers(0, 2, 200)
    return Cohort(Path("films"), "effusion", table.assign(view=rng.choice(["AP", "PA"], 200), split=""))


def test_no_patient_and_no_source_is_on_both_sides(cohort):
    others, held_out = (task.parts[0].table for task in leave_source_out.leave_source_out(cohort))
    for table, groups in ((others, GROUPS[:1]), (held_out, GROUPS[1:3])):
        is_test = table["split"] == "test"
        expected = cohort.table["group"].isin(groups)
        assert set(table.loc[is_test, "path"]) == set(cohort.table.loc[expected, "path"])
        patients = table["patient_id"]
        assert not set(patients[is_test]) & set(patients[~is_test])
        assert not set(patients[table["split"] == "train"]) & set(patients[table["split"] == "val"])
        assert set(table.loc[~is_test, "group"]) == set(GROUPS[:3]) - set(groups)
        assert set(table["split"]) == {"train", "val", "test"}


@pytest.fixture
def scores(cohort):
    """Logits of two seeds and three networks."""
    rng, tables = np.random.default_rng(1), []
    base = pd.concat([cohort.table] * 5, ignore_index=True).assign(split="test", part=0)
    base["path"] = [f"{i}.png" for i in range(len(base))]
    base["patient_id"] = [str(i // 2) for i in range(len(base))]
    true = rng.normal(0, 1.5, len(base))
    base["label"] = (rng.random(len(base)) < expit(true)).astype(int)
    for seed in ("0", "1"):
        for network, noise in (("start", 2.0), ("blended", 0.5), ("trained", 1.0)):
            error = np.random.default_rng(2 if network == "start" else int(seed)).normal(0, noise, len(base))
            tables.append(base.assign(seed=seed, network=network, logit=2 * true + error))
    return pd.concat(tables, ignore_index=True)


def test_aucs_and_differences_are_those_of_scikit_learn(cohort, scores):
    task = leave_source_out.Task("others", [cohort])
    found = pd.DataFrame(leave_source_out.measure_aucs(task, scores)).set_index(["films", "seed", "network"])
    assert set(found.index.unique("seed")) == {"", "0", "1", "mean"}
    for films, is_chosen in (
        ("one-per-patient", scores["group"] == "one-per-patient"),
        ("AP", (scores["group"] != "one-per-patient") & (scores["view"] == "AP")),
    ):
        part = scores[is_chosen]
        value = {pair: roc_auc_score(rows["label"], rows["logit"]) for pair, rows in part.groupby(["seed", "network"])}
        for (seed, network), expected in value.items():
            if network != "start":
                assert found.loc[(films, seed, network), "auc"] == pytest.approx(expected)
        gain = np.mean([value[seed, "blended"] - value[seed, "trained"] for seed in "01"])
        row = found.loc[(films, "mean", "blended")]
        assert row["over trained"] == pytest.approx(gain)
        assert row["trained low"] < gain < row["trained high"]
        assert row["over start"] == pytest.approx(row["auc"] - value["0", "start"])


def test_calibration_is_checked_at_the_prevalence_of_the_films():
    """Logits of equally frequent classes, twice as large as they should be, on films of which 1 in 5 has a finding."""
    rng = np.random.default_rng(3)
    labels = np.repeat([1, 0], (2_000, 8_000))
    true = rng.normal(labels - 0.5, 1.0)  # the logarithm of the likelihood ratio is the value itself
    prior = logit(0.2)
    films = pd.DataFrame({"seed": "0", "label": labels, "logit": 2 * (true + prior) - prior})
    slope, intercept, brier = leave_source_out.calibration_of(films, np.ones(len(films)))
    assert slope == pytest.approx(0.5, abs=0.05)
    assert intercept == pytest.approx(0, abs=0.1)
    assert brier == pytest.approx(brier_score_loss(labels, expit(2 * (true + prior))))


def test_a_look_is_added_and_other_rows_keep_their_bytes(tmp_path, monkeypatch):
    before = b"date,seed,val,note\r\n2026-01-01,0,0.90,first\r\n2026-01-02,1,,second\n"
    monkeypatch.setattr(transfer, "LOOKS", tmp_path / "looks.csv")
    (tmp_path / "looks.csv").write_bytes(before)
    transfer.record_look({"date": "2026-01-03", "seed": "", "val": 0.123456, "note": "third, with a comma"})
    assert (tmp_path / "looks.csv").read_bytes() == before + b'2026-01-03,,0.1235,"third, with a comma"\n'
