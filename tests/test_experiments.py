"""The course's comparisons: what an arm is, what the files hold, and what is said of them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from train_experiments import SEEDS, _merge, _test_seed

from cxrlib.course.cohorts import SimulatedCohort, cut_centre, digest
from cxrlib.course.experiments import EXPERIMENTS, FOLDER, SMALL, TEST_FILMS, TEST_SEED, VAL_SEED, read_experiment
from cxrlib.evaluation.seeds import arms_table, by_arm, compare_arms, paired_difference
from cxrlib.images.radiograph import read_image
from cxrlib.model.recipe import CLASSIC


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


def test_a_table_to_be_read_gives_the_difference_with_its_interval():
    rows = [{"arm": arm, "seed": s, "auc": 0.8 + gain} for s in range(3) for arm, gain in (("a", s / 100), ("b", 0))]
    made = arms_table(pd.DataFrame(rows), "b")
    half = 4.303 * 0.01 / 3**0.5  # Student's t with two degrees of freedom: any table of it
    assert made["mean AUC (95 % interval)"].tolist() == [
        f"0.810 ({0.81 - half:.3f} to {0.81 + half:.3f})", "0.800 (0.800 to 0.800)",
    ]  # fmt: skip
    assert made["difference (95 % interval)"]["a"] == f"0.010 ({0.01 - half:.3f} to {0.01 + half:.3f})"
    assert made["difference (95 % interval)"]["b"] == ""


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_file_holds_each_training_of_its_experiment(name):
    arms, table = EXPERIMENTS[name](), pd.read_csv(FOLDER / f"{name}.csv")
    assert len(SEEDS) >= 8
    assert TEST_FILMS >= 2000
    expected = {(arm, test, seed) for arm, made in arms.items() for test in made.tests for seed in SEEDS}
    assert set(zip(table["arm"], table["test"], table["seed"], strict=True)) == expected
    assert len(table) == len(expected)
    assert table["auc"].between(0.3, 1).all()
    assert table["versions"].str.fullmatch(r"cxrlib \S+ tensorflow \S+ keras \S+ numpy \S+").all()
    assert table["sensitivity"].nunique() > 4
    assert not read_experiment(name).empty


def test_what_is_scored_was_not_trained_on():
    for make in EXPERIMENTS.values():
        for arm in make().values():
            for seed in SEEDS:
                for films in arm.tests.values():
                    assert films.again or _test_seed(films, seed) not in SEEDS
    assert VAL_SEED not in {*SEEDS, TEST_SEED}


def test_films_change_as_they_say(cache):
    plain = SimulatedCohort(40).cohort(3, size=64)
    noisy = SimulatedCohort(40, label_noise=(0.5, 0.0)).cohort(3, size=64)
    assert (plain.labels == plain.table["true_label"].astype(int)).all()
    assert (noisy.labels != noisy.table["true_label"].astype(int)).sum() == 2
    assert set(SimulatedCohort(40, site=0).cohort(3, size=64).table["site"].astype(int)) == {0}
    assert set(SimulatedCohort(40, site=-1).cohort(3, size=64).table["site"].astype(int)) == {1, 2}
    assert set(SimulatedCohort(40, other=1).cohort(2, size=64).table["patient_id"]) == set(plain.table["patient_id"])


def test_a_share_is_one_of_the_training_patients(cache, monkeypatch):
    whole = SimulatedCohort().cohort(0, size=32).table
    for share in (0.25, 0.5):
        fewer = SimulatedCohort(share=share).cohort(0, size=32).table
        left, all_of_them = (t.loc[t["split"] == "train", "patient_id"].nunique() for t in (fewer, whole))
        assert left / all_of_them == pytest.approx(share, abs=0.05)
        assert (fewer["split"] == "val").sum() == (whole["split"] == "val").sum()


def test_films_taken_again_are_other_films_of_the_training_patients_with_the_same_truth(cache):
    first, again = (
        SimulatedCohort(60).cohort(3, size=64).table,
        SimulatedCohort(60, again=True).cohort(3, size=64).table,
    )
    first = first[first["split"] == "train"]
    keep = ["patient_id", "label", "side", "view", "site"]
    sort = lambda table: table[keep].fillna("").sort_values(keep, ignore_index=True)
    pd.testing.assert_frame_equal(sort(first), sort(again))
    assert not set(first["path"]) & set(again["path"])


def test_a_crop_is_cut_from_a_larger_film(cache):
    larger, cropped = SimulatedCohort(30).cohort(5, size=128), SimulatedCohort(30, crop=0.5).cohort(5, size=64)
    path = larger.table["path"][0]
    whole, centre = read_image(larger.folder / path), read_image(cropped.folder / path)
    np.testing.assert_allclose(centre, whole[32:96, 32:96], atol=1e-4)
    square = np.arange(100.0).reshape(10, 10)
    assert cut_centre(square, 4)[0, 0] == 33


def test_a_fixed_range_is_fixed(cache):
    fixed = SimulatedCohort(30, fixed=True).cohort(5, size=64)
    highest = [read_image(fixed.folder / p).max() for p in fixed.table["path"]]
    assert min(highest) < 0.9 < max(highest) <= 1  # one site ends at 3,000 of 4,095


def test_what_two_experiments_share_is_trained_once():
    arms = [arm for make in EXPERIMENTS.values() for arm in make().values()]
    merged = _merge(arms)
    assert len(merged) < len(arms)
    alike = [arm for arm in arms if (arm.recipe, arm.films) == (SMALL, SimulatedCohort())]
    assert len(alike) > 3
    (shared,) = [arm for arm in merged.values() if (arm.recipe, arm.films) == (SMALL, SimulatedCohort())]
    assert set(shared.tests.values()) == {films for arm in alike for films in arm.tests.values()}


def test_a_digest_is_another_for_another_value():
    assert digest(SimulatedCohort()) == digest(SimulatedCohort(1107))
    assert (
        len({digest(thing) for thing in (SimulatedCohort(), SimulatedCohort(share=0.5), SMALL, replace(SMALL, seed=1))})
        == 4
    )


def test_a_renamed_field_keeps_the_name_of_its_cached_folder():
    """The digests of the version in which `Augmentation.probability` was called `share`."""
    assert [digest(recipe) for recipe in (SMALL, CLASSIC)] == ["4fab1081dedd", "d8fac55df0a0"]
    assert digest(SimulatedCohort()) == "36fb44b5bf63"


def test_an_arm_with_two_rows_of_a_seed_is_refused():
    rows = pd.DataFrame({"seed": [0, 0], "arm": ["a", "a"], "auc": [0.8, 0.9]})
    with pytest.raises(ValueError, match="duplicate"):
        by_arm(rows)
