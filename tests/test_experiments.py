"""The course's comparisons: their arms, their films, their committed tables, and the script that trains them."""

from dataclasses import replace
from pathlib import Path

import joblib
import nbformat
import numpy as np
import pandas as pd
import pytest
import train_experiments
from scipy import stats
from sklearn.metrics import roc_auc_score
from train_experiments import SEEDS, group_by_training, run_experiments, seed_of_test

from cxrlib.course.cohorts import (
    LAB_SEED,
    TEST_FILMS,
    TEST_SEED,
    VAL_SEED,
    SimulatedCohort,
    course_lab_set,
    course_test_set,
    cut_centre,
    digest,
)
from cxrlib.course.experiments import EXPERIMENTS, GALLERY, SMALL, TABLES, Arm, read_experiment
from cxrlib.errors import InputError
from cxrlib.evaluation.seeds import arms_table, by_arm, compare_arms, paired_difference
from cxrlib.images.radiograph import read_image
from cxrlib.model.recipe import Recipe

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CXR_CACHE", str(tmp_path))


def experiments_by_lesson():
    """Return the names of the experiments in the code of each lesson."""
    shown = {}
    for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        code = "".join(cell.source for cell in cells if cell.cell_type == "code")
        shown[path.stem] = {name for name in EXPERIMENTS if f'"{name}"' in code}
    return shown


def test_an_experiment_that_no_lesson_names_is_one_of_the_gallery():
    assert set(EXPERIMENTS) - set().union(*experiments_by_lesson().values()) == set(GALLERY)


def test_a_lesson_shows_at_most_two_experiments():
    assert {lesson: names for lesson, names in experiments_by_lesson().items() if len(names) > 2} == {}


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
    result = compare_arms(pd.DataFrame(rows).sample(frac=1, random_state=1), "b")
    expected = paired_difference(gains["a"], gains["b"])
    assert result.loc["a", ["difference", "low", "high"]].tolist() == pytest.approx(expected)
    assert np.isnan(result.loc["b", "difference"])


def test_a_baseline_that_is_no_arm_is_refused_with_the_arms_that_there_are():
    table = pd.DataFrame([(0, "a", 0.9), (0, "b", 0.8)], columns=["seed", "arm", "auc"])
    with pytest.raises(InputError, match="there is no arm 'c'; the arms are a, b"):
        compare_arms(table, "c")


def test_the_readable_table_gives_the_difference_with_its_interval():
    rows = [{"arm": arm, "seed": s, "auc": 0.8 + gain} for s in range(3) for arm, gain in (("a", s / 100), ("b", 0))]
    table = arms_table(pd.DataFrame(rows), "b")
    half = 4.303 * 0.01 / 3**0.5  # Student's t with two degrees of freedom: any table of it
    assert table["mean AUC (95 % interval)"].tolist() == [
        f"0.810 ({0.81 - half:.3f} to {0.81 + half:.3f})", "0.800 (0.800 to 0.800)",
    ]  # fmt: skip
    assert table["difference (95 % interval)"]["a"] == f"0.010 ({0.01 - half:.3f} to {0.01 + half:.3f})"
    assert table["difference (95 % interval)"]["b"] == ""


def test_each_table_holds_every_training_of_its_experiment():
    assert len(SEEDS) >= 8
    assert TEST_FILMS >= 2000
    for experiment, make_arms in EXPERIMENTS.items():
        table = pd.read_csv(TABLES / f"{experiment}.csv")
        expected = {(name, test, seed) for name, arm in make_arms().items() for test in arm.tests for seed in SEEDS}
        assert set(zip(table["arm"], table["test"], table["seed"], strict=True)) == expected, experiment
        assert len(table) == len(expected), experiment
        assert table["auc"].between(0.3, 1).all(), experiment
        assert table["versions"].str.fullmatch(r"cxrlib \S+ tensorflow \S+ keras \S+ numpy \S+").all(), experiment
        assert table["sensitivity"].nunique() > 4, experiment
        assert not read_experiment(experiment).empty, experiment


def test_no_network_is_scored_on_films_that_it_was_trained_on():
    for make_arms in EXPERIMENTS.values():
        for arm in make_arms().values():
            for seed in SEEDS:
                for films in arm.tests.values():
                    assert films.later_visit or seed_of_test(films, seed) not in SEEDS
    assert len({*SEEDS, TEST_SEED, VAL_SEED, LAB_SEED}) == len(SEEDS) + 3


def test_label_noise_and_site_select_the_films_that_they_name(cache):
    plain = SimulatedCohort(40).cohort(3, size=64)
    noisy = SimulatedCohort(40, label_noise=(0.5, 0.0)).cohort(3, size=64)
    assert (plain.labels == plain.table["true_label"].astype(int)).all()
    assert (noisy.labels != noisy.table["true_label"].astype(int)).sum() == 2
    assert set(SimulatedCohort(40, site=0).cohort(3, size=64).table["site"].astype(int)) == {0}
    assert set(SimulatedCohort(40, site=-1).cohort(3, size=64).table["site"].astype(int)) == {1, 2}


def test_a_later_visit_gives_other_films_of_the_training_patients_with_the_same_truth(cache):
    first, later = (SimulatedCohort(60, later_visit=late).cohort(3, size=64).table for late in (False, True))
    first = first[first["split"] == "train"]
    keep = ["patient_id", "label", "side", "view", "site"]
    sort = lambda table: table[keep].fillna("").sort_values(keep, ignore_index=True)
    pd.testing.assert_frame_equal(sort(first), sort(later))
    assert not set(first["path"]) & set(later["path"])


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


def test_a_training_that_several_experiments_need_is_there_once_with_the_tests_of_all():
    arms = [arm for make_arms in EXPERIMENTS.values() for arm in make_arms().values()]
    trainings = group_by_training(arms)
    assert len(trainings) < len(arms)
    same = [arm for arm in arms if (arm.recipe, arm.films) == (SMALL, SimulatedCohort())]
    assert len(same) > 3
    assert set(trainings[SMALL, SimulatedCohort()]) == {films for arm in same for films in arm.tests.values()}


def test_an_interrupted_run_goes_on_where_it_stopped(cache, tmp_path, monkeypatch):
    trained = []

    def train_and_measure(recipe, films, tests, seed):
        if len(trained) == 3 and "interrupted" not in trained:
            trained.append("interrupted")
            raise KeyboardInterrupt
        trained.append((recipe.weight, seed))
        return [{"seed": seed, "auc": recipe.weight + seed + films.count / 100} for films in tests]

    tests = {"few": SimulatedCohort(20), "many": SimulatedCohort(30)}
    arms = {f"weight {w:g}": Arm(replace(SMALL, weight=w), SimulatedCohort(10), tests) for w in (1.0, 3.0)}
    monkeypatch.setattr(train_experiments, "train_and_measure", train_and_measure)
    monkeypatch.setattr(train_experiments, "_make_films", lambda jobs: None)
    monkeypatch.setitem(EXPERIMENTS, "two", lambda: arms)
    monkeypatch.setitem(EXPERIMENTS, "one", lambda: {"its own name": Arm(arms["weight 3"].recipe, SimulatedCohort(10))})
    names, out = ["two", "one"], tmp_path / "tables"
    with joblib.parallel_config(backend="sequential"):  # in this process, where the function above can be seen
        with pytest.raises(KeyboardInterrupt):
            run_experiments(names, seeds=[0, 1], out=out)
        run_experiments(names, seeds=[0, 1], out=out)
    assert sorted(job for job in trained if job != "interrupted") == [(1.0, 0), (1.0, 1), (3.0, 0), (3.0, 1)]
    two, one = (pd.read_csv(out / f"{name}.csv") for name in names)
    assert two["arm"].tolist() == ["weight 1"] * 4 + ["weight 3"] * 4
    assert two["test"].tolist() == ["few", "many"] * 4
    assert two["auc"].tolist() == pytest.approx([1.2, 1.3, 2.2, 2.3, 3.2, 3.3, 4.2, 4.3])
    assert one["auc"].tolist() == pytest.approx([3 + TEST_FILMS / 100, 4 + TEST_FILMS / 100])


def test_a_digest_differs_for_different_values():
    assert digest(SimulatedCohort()) == digest(SimulatedCohort(1107))
    different = (SimulatedCohort(), SimulatedCohort(crop=0.5), SMALL, replace(SMALL, seed=1))
    assert len({digest(description) for description in different}) == 4


def test_the_test_set_and_the_lab_set_are_films_of_their_own(cache, monkeypatch):
    monkeypatch.setattr("cxrlib.course.cohorts.TEST_FILMS", 60)
    monkeypatch.setattr("cxrlib.course.cohorts.LAB_FILMS", 50)
    test, lab = course_test_set(size=32), course_lab_set(size=32)
    assert (len(test.table), test.labels.sum()) == (60, 6)  # as many in a hundred as in the training films
    assert (len(lab.table), lab.labels.sum()) == (50, 15)
    assert course_lab_set(size=32).folder == lab.folder  # kept, not made again


def test_a_field_that_was_added_leaves_digests_as_they_were():
    assert digest(Recipe(blend=1)) == digest(Recipe()) != digest(Recipe(blend=0.5))


def test_an_arm_with_two_rows_of_a_seed_is_refused():
    rows = pd.DataFrame({"seed": [0, 0], "arm": ["a", "a"], "auc": [0.8, 0.9]})
    with pytest.raises(ValueError, match="duplicate"):
        by_arm(rows)


def test_a_lower_cut_calls_at_least_as_many_films_of_either_class():
    lower, weights = read_experiment("lower_cut"), read_experiment("weights")
    half = weights[weights["arm"] == "weight 1"].reset_index(drop=True)
    assert list(lower["seed"]) == list(half["seed"])
    assert (lower["sensitivity"] >= half["sensitivity_half"]).all()
    assert (lower["specificity"] <= half["specificity_half"]).all()


def test_the_lower_cut_is_where_a_balanced_weight_puts_its_own(cache, tmp_path, monkeypatch):
    films = SimulatedCohort(100, prevalence=0.3)
    arm = Arm(replace(SMALL, weight=1.0, size=32, width=4, epochs=1), films, {"test": films})
    monkeypatch.setitem(EXPERIMENTS, "weights", lambda: {"weight 1": arm})
    monkeypatch.setattr(train_experiments, "_start_worker", lambda seed: None)
    cohort = films.cohort(TEST_SEED, size=32)
    logits = np.linspace(-4, 4, len(cohort.labels))
    monkeypatch.setattr(train_experiments, "predict_logits", lambda *given, **options: logits)
    (tmp_path / "tables").mkdir()
    monkeypatch.setattr(train_experiments.joblib, "Parallel", lambda **options: list)
    monkeypatch.setattr(train_experiments.joblib, "delayed", lambda function: function)
    train_experiments.make_lower_cut(tmp_path / "tables", seeds=[3])
    (row,) = pd.read_csv(tmp_path / "tables" / "lower_cut.csv").to_dict("records")
    train_labels = films.cohort(3, size=32).part("train").labels
    called = 1 / (1 + np.exp(-logits)) >= train_labels.mean()  # 1 / (1 + w) with w = others / effusions
    assert row["sensitivity"] == pytest.approx(called[cohort.labels == 1].mean(), abs=1e-5)
    assert row["specificity"] == pytest.approx((~called)[cohort.labels == 0].mean(), abs=1e-5)


def test_other_films_of_the_same_names_have_another_run(cache, monkeypatch):
    monkeypatch.setattr(train_experiments, "train", lambda cohort, folder, recipe, **_: folder)
    recipe, films = replace(SMALL, size=32), SimulatedCohort(20)
    jobs = [(recipe, films, 0), (recipe, films, 1), (replace(recipe, width=4), films, 0)]
    jobs += [(recipe, replace(films, **change), 0) for change in ({"crop": 0.5}, {"shortcut": 0.8}, {"fixed": True})]
    assert len({train_experiments.trained_run(*job) for job in jobs}) == len(jobs)
    assert train_experiments.trained_run(*jobs[0]) == train_experiments.trained_run(recipe, SimulatedCohort(20), 0)


def test_the_leak_scores_each_network_on_later_films_of_each_group(cache, tmp_path, monkeypatch):
    films = SimulatedCohort(60, prevalence=0.4)
    arm = Arm(replace(SMALL, width=4, epochs=1, batch=8), films, {"test": films})
    monkeypatch.setitem(EXPERIMENTS, "shortcut", lambda: {"honest films": arm})
    monkeypatch.setattr(train_experiments, "_start_worker", lambda seed: None)
    monkeypatch.setattr(train_experiments.joblib, "Parallel", lambda **options: list)
    monkeypatch.setattr(train_experiments.joblib, "delayed", lambda function: function)
    train_experiments.make_leak(tmp_path, seeds=[3, 4])
    table = pd.read_csv(tmp_path / "leak.csv").set_index(["network", "seed"])
    assert table["arm"].tolist() == ["the same patients", "new patients", "new patients", "the same patients"]
    run = train_experiments.trained_run(arm.recipe, films, 3)
    later = replace(films, later_visit=True).cohort(4, size=SMALL.size)
    scores = run.score_images(run.load_images(later.files))
    assert table.loc[(3, 4), "auc"] == pytest.approx(roc_auc_score(later.labels, scores), abs=1e-5)
    committed = read_experiment("leak", test="later films")
    assert set(zip(committed["network"], committed["seed"], strict=True)) == {(n, s) for n in SEEDS for s in SEEDS}
    assert ((committed["network"] == committed["seed"]) == (committed["arm"] == "the same patients")).all()


def test_the_auc_on_training_films_is_that_of_the_run(cache, tmp_path, monkeypatch):
    films = SimulatedCohort(100, prevalence=0.3)
    arm = Arm(replace(SMALL, size=32, width=4, epochs=2, batch=8), films, {"test": films})
    monkeypatch.setitem(EXPERIMENTS, "augmentation", lambda: {"still": arm})
    monkeypatch.setattr(train_experiments, "_start_worker", lambda seed: None)
    monkeypatch.setattr(train_experiments.joblib, "Parallel", lambda **options: list)
    monkeypatch.setattr(train_experiments.joblib, "delayed", lambda function: function)
    train_experiments.make_training_aucs(tmp_path, seeds=[3])
    (row,) = pd.read_csv(tmp_path / "training_aucs.csv").to_dict("records")
    run = train_experiments.trained_run(arm.recipe, films, 3)
    train = films.cohort(3, size=32).part("train")
    scores = run.score_images(run.load_images(train.files))
    assert (row["films"], row["effusions"]) == (len(train.labels), train.labels.sum())
    assert row["auc"] == pytest.approx(roc_auc_score(train.labels, scores), abs=1e-5)
    assert 1 <= row["epoch"] <= 2


def test_still_films_are_learned_by_heart_and_their_best_epoch_comes_earlier():
    table = read_experiment("training_aucs", test="train")
    assert table.groupby("arm", sort=False).size().to_dict() == dict.fromkeys(EXPERIMENTS["augmentation"](), 8)
    still, best = (table[table["arm"] == name] for name in ("still", "still, best epoch"))
    assert still["auc"].min() > 0.99
    assert set(still["epoch"]) == {30}
    assert best["epoch"].mean() < 30
