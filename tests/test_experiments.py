"""The course's comparisons: what an arm is, what the files hold, and what is said of them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cxrlib.experiments import (
    EXPERIMENTS,
    FOLDER,
    SMALL,
    TEST_FILMS,
    TEST_SEED,
    compare_arms,
    paired_difference,
    read_experiment,
)
from cxrlib.films import Films, cut_centre, digest
from cxrlib.radiograph import read_image
from cxrlib.trials import SEEDS


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CXR_CACHE", str(tmp_path))


def test_the_interval_is_scipys_paired_t():
    a, b = np.random.default_rng(0).normal(size=(2, 8))
    reference = stats.ttest_rel(a, b)
    ours = paired_difference(a, b)
    assert ours.value == pytest.approx((a - b).mean())
    assert (ours.low, ours.high) == pytest.approx(tuple(reference.confidence_interval(0.95)))
    assert (ours.low > 0 or ours.high < 0) == (reference.pvalue < 0.05)


def test_arms_are_compared_within_a_seed():
    gains = {"b": [0.0] * 4, "a": [0.01, 0.02, 0.03, 0.02]}
    rows = [{"arm": arm, "seed": s, "auc": 0.7 + 0.1 * s % 0.3 + gains[arm][s]} for arm in gains for s in range(4)]
    made = compare_arms(pd.DataFrame(rows).sample(frac=1, random_state=1), "b")
    expected = paired_difference(gains["a"], gains["b"])
    assert made.loc["a", ["difference", "low", "high"]].tolist() == pytest.approx(expected)
    assert np.isnan(made.loc["b", "difference"])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_file_holds_each_training_of_its_experiment(name):
    arms, table = EXPERIMENTS[name](), pd.read_csv(FOLDER / f"{name}.csv")
    assert len(SEEDS) >= 8
    assert TEST_FILMS >= 2000
    expected = {(arm, test, seed) for arm, made in arms.items() for test in made.tests for seed in SEEDS}
    assert set(zip(table["arm"], table["test"], table["seed"], strict=True)) == expected
    assert len(table) == len(expected)
    assert table["auc"].between(0.3, 1).all()
    assert table["versions"].str.contains("tensorflow").all()
    assert not read_experiment(name).empty


def test_no_seed_trains_on_the_test_films():
    assert TEST_SEED not in SEEDS


def test_films_change_as_they_say(cache):
    plain = Films(40).cohort(3, size=64)
    noisy = Films(40, label_noise=(0.5, 0.0)).cohort(3, size=64)
    assert (plain.labels == plain.table["true_label"].astype(int)).all()
    assert (noisy.labels != noisy.table["true_label"].astype(int)).sum() == 2
    assert set(Films(40, site=0).cohort(3, size=64).table["site"].astype(int)) == {0}
    assert set(Films(40, site=-1).cohort(3, size=64).table["site"].astype(int)) == {1, 2}
    fewer = Films(40, share=0.5).cohort(3, size=64).table
    assert 0 < (fewer["split"] == "train").sum() < (plain.table["split"] == "train").sum()
    assert (fewer["split"] == "val").sum() == (plain.table["split"] == "val").sum()


def test_films_taken_again_are_other_films_of_the_same_patients_with_the_same_truth(cache):
    first, again = Films(40).cohort(3, size=64).table, Films(40, again=True).cohort(3, size=64).table
    keep = ["patient_id", "label", "volume_ml", "side", "view", "site"]
    sort = lambda table: table[keep].fillna("").sort_values(keep, ignore_index=True)
    pd.testing.assert_frame_equal(sort(first), sort(again))
    assert not set(first["path"]) & set(again["path"])


def test_a_crop_is_the_enlarged_centre_and_a_fixed_range_is_a_fixed_range(cache):
    plain, cropped = Films(30).cohort(5, size=64), Films(30, crop=0.5).cohort(5, size=64)
    path = plain.table["path"][0]
    whole, centre = read_image(plain.folder / path), read_image(cropped.folder / path)
    assert centre[32, 32] == pytest.approx(whole[32, 32], abs=0.15)
    assert np.abs(cut_centre(whole, 0.5) - centre).max() < 1e-4
    fixed = Films(30, fixed=True).cohort(5, size=64)
    highest = [read_image(fixed.folder / p).max() for p in fixed.table["path"]]
    assert min(highest) < 0.9 < max(highest) <= 1  # one site ends at 3,000 of 4,095


def test_digests_tell_arms_apart():
    digests = {digest(arm) for make in EXPERIMENTS.values() for arm in make().values()}
    names = sum(len(make()) for make in EXPERIMENTS.values())
    assert 25 < len(digests) < names  # some experiments share an arm
    assert digest(Films()) == digest(Films(1107))
    assert SMALL.start == "scratch"
