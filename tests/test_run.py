import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.preparation import prepare
from cxrlib.errors import InputError
from cxrlib.evaluation.roc_auc import auc
from cxrlib.images.radiograph import read_image
from cxrlib.phantom.simulation import simulate
from cxrlib.training.comparison import compare
from cxrlib.training.run import open_run


def test_predict_agrees_with_the_scores_of_the_training(tiny_run, sim_cohort):
    table = tiny_run.scores
    for row in table.iloc[::10].itertuples():
        prediction = tiny_run.predict(sim_cohort / row.path)
        assert prediction.score == pytest.approx(row.score, abs=1e-5)
        assert prediction.finding == (row.score >= tiny_run.threshold)


def test_predict_takes_an_array_and_a_threshold(tiny_run, sim_cohort):
    path = sim_cohort / tiny_run.scores["path"][0]
    by_path, by_array = tiny_run.predict(path), tiny_run.predict(read_image(path)[..., None])
    assert by_array.score == pytest.approx(by_path.score, abs=1e-6)
    assert tiny_run.predict(path, threshold=0.0).finding
    assert not tiny_run.predict(path, threshold=1.0).finding
    for wrong in (np.zeros((3, 4, 5)), np.full((8, 8), 7.0), np.zeros((8, 8), int)):
        with pytest.raises(InputError, match="the image"):
            tiny_run.predict(wrong)


def spoiled(film: np.ndarray, case: str, rng: np.random.Generator) -> np.ndarray:
    """Return a film as an original may be, uint16: wider than high, of 12 bits, or with a hot pixel."""
    film = cv2.resize(film, (512, 512)).astype(np.float64) + rng.normal(0, 20, (512, 512))
    film = np.clip(film[60:440] if case == "wide" else film, 0, 4095).astype(np.uint16)
    if case == "hot":
        film[200, 100] = 30_000
    return film


def test_an_original_and_its_prepared_copy_score_alike(tiny_run, tmp_path, sim_cohort):
    for case in ("wide", "12-bit", "hot"):
        source, out, rng = tmp_path / case, tmp_path / f"{case} prepared", np.random.default_rng(0)
        for name in ("effusion", "nofinding"):
            (source / name).mkdir(parents=True)
            for i, path in enumerate(sorted((sim_cohort / name).iterdir())[:4]):
                film = spoiled(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), case, rng)
                cv2.imwrite(str(source / name / f"{i}.png"), film)
        prepare(source, out, size=128)
        paths = read_cohort(out).table["path"]
        scores = np.array([[tiny_run.predict(folder / path).score for path in paths] for folder in (source, out)])
        assert np.abs(scores[0] - scores[1]).max() < 0.005
        assert np.ptp(scores[0]) > 0.005  # scores that never differ would prove nothing


def test_evaluate_and_the_splits_it_knows(tiny_run, sim_cohort, two_folders):
    cohort = read_cohort(sim_cohort)
    result = tiny_run.evaluate(cohort)
    test = tiny_run.scores.query("split == 'test'")
    assert result.auc.value == pytest.approx(auc(test["label"], test["score"]))
    everything = tiny_run.evaluate(cohort, split="all")
    assert everything.performance.n == 100
    learned = (read_cohort(sim_cohort).table["split"] == "train").sum()
    assert everything.warnings == (f"{learned:,} of these films were trained on",)
    assert result.warnings == ()
    with pytest.raises(InputError, match="not known which images are test"):
        tiny_run.evaluate(read_cohort(two_folders))
    assert tiny_run.evaluate(read_cohort(two_folders), split="all").warnings == ()
    by_hand = tiny_run.evaluate(cohort, threshold=0.0)
    assert by_hand.performance.sensitivity.value == 1


def test_films_trained_on_stay_so_whatever_cohort_csv_says(tiny_run, sim_cohort, tmp_path):
    shutil.copytree(sim_cohort, tmp_path / "copy")
    table = read_cohort(sim_cohort).table
    table.assign(split="test").to_csv(tmp_path / "copy" / "cohort.csv", index=False)
    result = tiny_run.evaluate(read_cohort(tmp_path / "copy"))
    assert result.performance.n == (table["split"] == "test").sum()
    (tmp_path / "copy" / "cohort.csv").unlink()  # the bare folders of the same files
    assert tiny_run.evaluate(read_cohort(tmp_path / "copy")).performance.n == result.performance.n


def test_a_cohort_that_the_run_does_not_know(tiny_run, sim_cohort, tmp_path):
    """Its own split counts. Patients with the id of one trained on cause a warning."""
    other = simulate(tmp_path / "other", films=30, prevalence=1 / 3, size=64, seed=9)
    result = tiny_run.evaluate(read_cohort(other), split="all")
    assert result.performance.n == 30
    assert "same patient_id as a training film" in result.warnings[0]
    assert "were trained on" not in result.warnings[0]


def test_all_films_can_be_scored_when_some_are_new(tiny_run, sim_cohort, tmp_path):
    shutil.copytree(sim_cohort, tmp_path / "grown")
    (tmp_path / "grown" / "cohort.csv").unlink()
    shutil.copy(next((sim_cohort / "effusion").iterdir()), tmp_path / "grown" / "effusion" / "new.png")
    grown = read_cohort(tmp_path / "grown")
    assert tiny_run.evaluate(grown, split="all").performance.n == 101
    with pytest.raises(InputError, match="not known which are test"):
        tiny_run.evaluate(grown)


def test_a_new_film_of_a_patient_trained_on_cannot_be_test(tiny_run, sim_cohort, tmp_path):
    shutil.copytree(sim_cohort, tmp_path / "leak")
    table = read_cohort(sim_cohort).table
    shutil.copy(sim_cohort / table["path"][0], tmp_path / "leak" / "effusion" / "again.png")
    patient = table.loc[table["split"] == "train", "patient_id"].iloc[0]
    row = {"path": "effusion/again.png", "label": 1, "patient_id": patient, "split": "test"}
    rest = table[table["patient_id"] != patient]
    grown = pd.concat([rest, pd.DataFrame([row])])
    grown.to_csv(tmp_path / "leak" / "cohort.csv", index=False)
    warnings = tiny_run.evaluate(read_cohort(tmp_path / "leak")).warnings
    assert "1 of these films have the same patient_id as a training film" in warnings[0]


def test_a_run_against_itself(tiny_run, sim_cohort):
    result = compare(tiny_run, tiny_run, read_cohort(sim_cohort))
    assert result.difference == (0, 0, 0)
    assert result.auc_a == result.auc_b == tiny_run.evaluate(read_cohort(sim_cohort)).auc
    test = tiny_run.scores.query("split == 'test'")
    assert (result.n, result.n_finding) == (len(test), test["label"].sum())


def copy_of(run, tmp_path):
    return shutil.copytree(run.folder, tmp_path / "copy")


def test_folders_that_are_no_run(tiny_run, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        open_run(tmp_path / "absent")
    with pytest.raises(InputError, match="not a run folder"):
        open_run(tmp_path)
    copy = copy_of(tiny_run, tmp_path)
    recipe = json.loads((copy / "recipe.json").read_text())
    (copy / "recipe.json").write_text(json.dumps(recipe | {"format": 0}))
    with pytest.raises(InputError, match="another version"):
        open_run(copy)
    (copy / "recipe.json").write_text(json.dumps(recipe))
    (copy / "operating_point.json").write_text('{"finding": "effusion"}')
    with pytest.raises(InputError, match=r"operating_point\.json: is damaged"):
        open_run(copy)


def test_a_damaged_model(tiny_run, tmp_path):
    copy = copy_of(tiny_run, tmp_path)
    (copy / "model.keras").write_bytes((copy / "model.keras").read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model\.keras: cannot be loaded"):
        open_run(copy).predict(np.zeros((64, 64)))


def test_a_comparison_says_what_either_run_has_learned_from(tiny_run, sim_cohort):
    warnings = compare(tiny_run, tiny_run, read_cohort(sim_cohort), split="all").warnings
    assert len(warnings) == 2
    assert all("of these films were trained on" in text for text in warnings)
    assert not compare(tiny_run, tiny_run, read_cohort(sim_cohort)).warnings


def test_films_of_another_finding_cause_a_warning(tiny_run, tmp_path):
    other = simulate(tmp_path / "other", films=20, prevalence=0.5, size=64, seed=5, finding="cardiomegaly")
    warnings = tiny_run.evaluate(read_cohort(other), split="all").warnings
    assert "the run looks for effusion, and these films are filed as cardiomegaly" in warnings


def test_equal_file_names_do_not_make_the_same_people(tiny_run, two_folders, monkeypatch):
    split = pd.DataFrame({"path": ["effusion/e0.png"], "patient_id": ["file:effusion/e0.png"], "split": ["train"]})
    monkeypatch.setitem(tiny_run.__dict__, "split", split.assign(bytes=0))
    assert not tiny_run.overlap_warnings(read_cohort(two_folders))


def test_a_patient_may_be_called_na(tiny_run, tmp_path):
    copy = copy_of(tiny_run, tmp_path)
    split = tiny_run.split.assign(patient_id="NA")
    split.to_csv(copy / "split.csv", index=False)
    assert open_run(copy).split["patient_id"].unique().tolist() == ["NA"]
