import json
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pandas as pd
import pytest
from in_process import cxr
from tiny import TINY

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.fetching import fetch
from cxrlib.cohorts.preparation import prepare
from cxrlib.errors import InputError
from cxrlib.evaluation.operating_point import choose_by_sensitivity
from cxrlib.evaluation.roc_auc import auc
from cxrlib.model.backend import keras
from cxrlib.model.loss import score
from cxrlib.model.network import build_network, predict_logits
from cxrlib.model.recipe import CLASSIC, DEFAULT, Recipe, recipe_text
from cxrlib.phantom.simulation import simulate
from cxrlib.report.card import model_card
from cxrlib.report.page import write_page
from cxrlib.report.prediction import save_prediction
from cxrlib.training.fitting import BlendWarning, UnusualFilmsWarning, train
from cxrlib.training.manifest import write_manifest
from cxrlib.training.origin import OverlapWarning
from cxrlib.training.run import open_run
from cxrlib.training.schedule import learning_rate
from cxrlib.training.start import read_start

FILES = {
    "model.keras",
    "recipe.json",
    "history.csv",
    "scores.csv",
    "split.csv",
    "operating_point.json",
    "environment.json",
    "reference.json",
    "origin.json",
    "manifest.json",
    "details.npz",
}


def test_the_run_folder(tiny_run):
    assert {path.name for path in tiny_run.folder.iterdir()} == FILES
    assert len(tiny_run.history) == TINY.epochs
    scores = tiny_run.scores
    assert set(scores["split"]) == {"val", "test"}
    np.testing.assert_allclose(scores["score"], score(scores["logit"], tiny_run.weight), rtol=1e-6)
    val = scores[scores["split"] == "val"]
    assert auc(val["label"], val["score"]) == pytest.approx(tiny_run.history["val_auc"].max())
    point = json.loads((tiny_run.folder / "operating_point.json").read_text())
    assert (val.loc[val["label"] == 1, "score"] >= point["threshold"]).mean() >= 0.9


def test_it_learns(tmp_path):
    """200 films are enough for large hearts. They are too few for effusions."""
    films = simulate(tmp_path / "cohort", films=200, prevalence=0.4, size=64, seed=5, finding="cardiomegaly")
    run = train(films, tmp_path / "run", TINY)
    assert run.history["loss"].iloc[-1] < run.history["loss"].iloc[0]
    assert run.history["val_auc"].max() > 0.75


def test_the_model_loads_in_plain_keras(tiny_run):
    code = (
        "import sys, keras, numpy as np\n"
        f"model = keras.saving.load_model({str(tiny_run.folder / 'model.keras')!r}, compile=False)\n"
        "assert 'cxrlib' not in sys.modules\n"
        "print(model(np.zeros((1, 64, 64, 1), 'float32')).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "(1, 1)" in done.stdout


def assert_equal_weights(run_a, run_b):
    for a, b in zip(run_a.model.get_weights(), run_b.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def last_run(sim_cohort, tmp_path_factory):
    """A training that differs from `tiny_run`: it has another seed, and keeps the last epoch."""
    return train(sim_cohort, tmp_path_factory.mktemp("last") / "run", replace(TINY, keep="last", epochs=2, seed=1))


def test_another_seed_gives_other_weights(tiny_run, last_run):
    assert not np.array_equal(tiny_run.model.get_weights()[0], last_run.model.get_weights()[0])


def test_the_last_epoch_can_be_kept(last_run):
    val = last_run.scores[last_run.scores["split"] == "val"]
    assert last_run.kept_epoch == 2
    assert auc(val["label"], val["score"]) == pytest.approx(last_run.history["val_auc"].iloc[-1])


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


class InterruptAtEnd(keras.callbacks.Callback):
    def on_train_end(self, logs=None):
        raise KeyboardInterrupt


def test_an_interrupted_training_resumes_to_the_same_end(tiny_run, sim_cohort, tmp_path):
    """Two trainings by one recipe are equal, bit for bit, and so is one that was interrupted."""
    with pytest.raises(KeyboardInterrupt):
        train(sim_cohort, tmp_path / "cut", TINY, callbacks=(Interrupt(),))
    with pytest.raises(InputError, match=r"unfinished \(2 of 8 epochs\)"):
        open_run(tmp_path / "cut")
    with pytest.raises(InputError, match="holds a run already"):
        train(sim_cohort, tmp_path / "cut", TINY)
    with pytest.raises(InputError, match="width was 8 and is now 4"):
        train(sim_cohort, tmp_path / "cut", replace(TINY, width=4), resume=True)
    resumed = train(sim_cohort, tmp_path / "cut", TINY, resume=True)
    assert {path.name for path in resumed.folder.iterdir()} == FILES
    assert_equal_weights(tiny_run, resumed)
    for name in FILES - {"model.keras", "environment.json", "manifest.json"}:  # which hold dates, or their hashes
        assert (tiny_run.folder / name).read_bytes() == (resumed.folder / name).read_bytes()
    done = train(sim_cohort, tmp_path / "cut", TINY, resume=True)  # complete: nothing to do
    assert done.history.equals(resumed.history)


@pytest.mark.filterwarnings("ignore::cxrlib.training.fitting.UnusualFilmsWarning")  # its films are clouds
def test_a_bare_cohort_is_split_by_patient_and_remembered(two_folders, tmp_path):
    recipe = replace(TINY, epochs=1, width=4, size=32, split_seed=seed_with_both_classes(two_folders))
    run = train(two_folders, tmp_path / "run", recipe)
    split = run.split
    assert set(split["split"]) == {"train", "val", "test"}
    assert len(split) == 12
    for name in ("train", "val", "test"):
        known = split.loc[split["split"] == name, "path"].tolist()
        assert run.part_of(read_cohort(two_folders), name).table["path"].tolist() == known
    result = run.evaluate(read_cohort(two_folders))
    assert result.performance.n == (split["split"] == "test").sum()


def seed_with_both_classes(folder):
    """Return a seed whose split has both classes in every part, which is rare for so few films."""
    from cxrlib.cohorts.split import draw_split

    table = read_cohort(folder).table
    for seed in range(1000):
        splits = table.assign(split=draw_split(table["patient_id"], seed=seed))
        if (splits.groupby("split")["label"].nunique() == 2).sum() == 3:
            return seed
    raise AssertionError


def test_a_run_does_not_go_on_with_other_films(tiny_run, sim_cohort, tmp_path):
    shutil.copytree(sim_cohort, tmp_path / "other")
    changed, other, *_ = sorted((tmp_path / "other" / "nofinding").iterdir())
    shutil.copy(other, changed)
    with pytest.raises(InputError, match=f"begun with other films .* 1 files hold .*{changed.name}"):
        train(tmp_path / "other", tiny_run.folder, TINY, resume=True)
    changed.rename(changed.with_name("renamed.png"))
    (tmp_path / "other" / "cohort.csv").unlink()
    with pytest.raises(InputError, match="2 films are only in one of the two"):
        train(tmp_path / "other", tiny_run.folder, TINY, resume=True)
    cohort = read_cohort(sim_cohort)
    for column, values in {"label": 1 - cohort.labels, "patient_id": cohort.table["patient_id"] + "0"}.items():
        table = cohort.table.assign(**{column: values})
        name = column.removesuffix("_id")
        with pytest.raises(InputError, match=f"begun with other {name}s than this cohort has: {len(table)} films had"):
            train(replace(cohort, table=table), tiny_run.folder, TINY, resume=True)


def test_a_confidence_out_of_reach_is_refused_before_the_training(sim_cohort, tmp_path):
    with pytest.raises(InputError, match="at least 22 are needed"):
        train(sim_cohort, tmp_path / "run", replace(TINY, confidence=0.9))
    assert not (tmp_path / "run").exists()


def test_a_split_without_both_classes_is_refused(two_folders, tmp_path):
    table = read_cohort(two_folders).table[["path", "label"]]
    table.assign(split=["train"] * 11 + ["val"]).to_csv(two_folders / "cohort.csv", index=False)
    with pytest.raises(InputError, match=r"the split val: 0 with effusion and 1 without; .* Give cohort\.csv"):
        train(two_folders, tmp_path / "run", TINY)
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_stops_the_training(sim_cohort, tmp_path):
    wild = replace(TINY, optimizer="sgd", learning_rate=1e20, schedule="none")
    with pytest.raises(InputError, match="the loss is"):
        train(sim_cohort, tmp_path / "run", wild)


def rates(recipe, steps=4):
    schedule = learning_rate(recipe, steps)
    return [float(schedule(step)) if callable(schedule) else schedule for step in range(steps * recipe.epochs)]


def test_classic_halves_as_the_tutorial_did():
    by_epoch = rates(CLASSIC)[::4]
    np.testing.assert_allclose(by_epoch[:4], [0.01, 0.01, 0.005, 0.0025])
    assert by_epoch[9] == pytest.approx(0.01 / 2**8)  # 4e-5
    assert all(np.ptp(rates(CLASSIC)[4 * e : 4 * e + 4]) == 0 for e in range(10))


def test_cosine_warms_up_and_ends_near_0():
    found = rates(Recipe(epochs=10, hold=2, learning_rate=1e-3))
    assert found[0] == 0
    assert max(found) == pytest.approx(1e-3)
    assert np.argmax(found) == 8
    assert found[-1] < 1e-5
    assert all(a >= b for a, b in pairwise(found[8:]))


def test_history_is_a_table_without_times(tiny_run):
    history = pd.read_csv(tiny_run.folder / "history.csv")
    assert list(history) == ["epoch", "learning_rate", "loss", "val_auc"]


def test_a_training_may_begin_with_the_weights_of_another(sim_cohort, tiny_run, tmp_path):
    for start in (tiny_run.folder, tiny_run.folder / "model.keras"):
        weights = read_start(replace(TINY, start=str(start))).weights
        for found, expected in zip(weights, tiny_run.model.get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)
    assert read_start(TINY).weights is None
    still = replace(TINY, learning_rate=1e-9, weight_decay=0.0, epochs=1, keep="last")
    tuned = train(sim_cohort, tmp_path / "run", replace(still, start=str(tiny_run.folder)))
    assert tuned.origin.warnings == tuned.evaluate(read_cohort(sim_cohort)).warnings == ()
    kernel, expected = (run.model.get_weights()[2] for run in (tuned, tiny_run))
    np.testing.assert_allclose(kernel, expected, atol=1e-6)
    assert np.abs(build_network(TINY).get_weights()[2] - expected).max() > 1e-3


@pytest.fixture(scope="module")
def blending(tiny_run):
    """A recipe that begins with `tiny_run`, changes its weights a lot, and keeps a quarter of the change."""
    return replace(TINY, start=str(tiny_run.folder), epochs=3, seed=5, blend=0.25)


@pytest.fixture(scope="module")
def blended_run(sim_cohort, blending, tmp_path_factory):
    return train(sim_cohort, tmp_path_factory.mktemp("blended") / "run", blending)


def test_the_trained_weights_are_blended_with_those_of_the_start(sim_cohort, tiny_run, blending, blended_run, tmp_path):
    """All weights, the moving statistics of batch normalisation too; the scores are those of the blended network."""
    trained = train(sim_cohort, tmp_path / "trained", replace(blending, blend=1.0))
    networks = [run.model.weights for run in (tiny_run, trained, blended_run)]
    for start, end, found in zip(*networks, strict=True):
        start, end, found = map(keras.ops.convert_to_numpy, (start, end, found))
        np.testing.assert_allclose(found, 0.75 * start + 0.25 * end, rtol=1e-5, atol=1e-6)
    assert any("moving_variance" in weight.path for weight in networks[2])
    assert blended_run.history.equals(trained.history)
    assert trained.blended_auc is None
    scores = blended_run.scores
    val = scores[scores["split"] == "val"]
    images = blended_run.load_images([sim_cohort / path for path in val["path"]])
    logits = predict_logits(blended_run.model, images, mirror=True)
    np.testing.assert_allclose(val["logit"], logits, atol=1e-5)
    assert blended_run.blended_auc == pytest.approx(auc(val["label"], logits))
    assert blended_run.threshold == choose_by_sensitivity(val["label"], val["score"], floor=0.9).threshold


def test_an_interrupted_training_is_blended_once_and_with_the_same_start(
    sim_cohort, tiny_run, blending, blended_run, tmp_path
):
    start = shutil.copytree(tiny_run.folder, tmp_path / "start")
    other = train(sim_cohort, tmp_path / "other", replace(TINY, epochs=1, seed=9))
    recipe = replace(blending, start=str(start))
    for stop in (Interrupt(), InterruptAtEnd()):
        folder = tmp_path / type(stop).__name__
        with pytest.raises(KeyboardInterrupt):
            train(sim_cohort, folder, recipe, callbacks=(stop,))
        shutil.rmtree(start)
        shutil.copytree(other.folder, start)
        with pytest.raises(InputError, match=r"checkpoint\.npz: the training began with other weights than .* holds"):
            train(sim_cohort, folder, recipe, resume=True)
        shutil.rmtree(start)
        shutil.copytree(tiny_run.folder, start)
        resumed = train(sim_cohort, folder, recipe, resume=True)
        assert_equal_weights(resumed, blended_run)
        for name in ("history.csv", "scores.csv", "operating_point.json"):
            assert (resumed.folder / name).read_bytes() == (blended_run.folder / name).read_bytes()
        assert resumed.history.equals(blended_run.history)


def test_scores_are_corrected_for_the_weights_of_both_trainings(sim_cohort, tiny_run, blending, blended_run, tmp_path):
    """The logit of a training holds log(w n1 / n0) of its films; that of a blend holds the blend of both."""
    labels = read_cohort(sim_cohort).part("train").labels
    n1, n0 = (labels == 1).sum(), (labels == 0).sum()
    assert tiny_run.weight == blended_run.weight == pytest.approx(n0 / n1)  # both are balanced
    heavy = train(sim_cohort, tmp_path / "heavy", replace(blending, weight=20.0))
    in_logit = 0.75 * np.log(tiny_run.weight * n1 / n0) + 0.25 * np.log(20.0 * n1 / n0)
    assert heavy.weight == pytest.approx(np.exp(in_logit - np.log(n1 / n0)))
    again = train(sim_cohort, tmp_path / "again", replace(blending, start=str(heavy.folder)))
    in_logit = 0.75 * np.log(heavy.weight * n1 / n0) + 0.25 * np.log(n0 / n1 * n1 / n0)
    assert again.weight == pytest.approx(np.exp(in_logit - np.log(n1 / n0)))
    with pytest.warns(OverlapWarning, match="it is not known which films"):  # nor which weight its training had
        file = train(sim_cohort, tmp_path / "file", replace(blending, start=str(heavy.folder / "model.keras")))
    assert file.weight == pytest.approx(n0 / n1)
    for run in (heavy, again):
        np.testing.assert_allclose(run.scores["score"], score(run.scores["logit"], run.weight))


def test_blending_with_a_network_for_another_finding_is_warned_of(sim_cohort, tiny_run, blending, tmp_path):
    start = shutil.copytree(tiny_run.folder, tmp_path / "start")
    point = start / "operating_point.json"
    for finding in ("Effusion", "nodule"):
        point.write_text(point.read_text().replace(open_run(start).finding, finding))
        write_manifest(start)
        recipe = replace(blending, start=str(start), epochs=1)
        if finding == "nodule":
            with pytest.warns(BlendWarning, match=r"looks for nodule, and 0\.75 .*; if effusion is another"):
                train(sim_cohort, tmp_path / finding, recipe)
        train(sim_cohort, tmp_path / f"whole {finding}", recipe if finding == "Effusion" else replace(recipe, blend=1))


def test_the_auc_before_and_after_blending_is_told(sim_cohort, blending, blended_run, tiny_run, tmp_path):
    before, after = blended_run.history["val_auc"][blended_run.kept_epoch - 1], blended_run.blended_auc
    card = model_card(blended_run, read_cohort(sim_cohort))
    assert f"The AUC on the validation films was {before:.3f} before and {after:.3f} after." in card
    page = write_page(blended_run, tmp_path / "page.html").read_text()
    assert f"The AUC on val was {before:.3f} before and {after:.3f} after." in page
    assert f"After they were blended with those of the start, it is {after:.3f}." in page
    (tmp_path / "recipe.json").write_text(recipe_text(blending))
    words = ("train", sim_cohort, blended_run.folder, "--recipe", tmp_path / "recipe.json", "--resume")
    shown = cxr(*words).stdout
    assert f"AUC on val {before:.3f}; {after:.3f} after its weights were blended" in shown
    assert "blend was 0.25 and is now 1.0" in cxr(*words, "--blend", 1, check=False).stderr
    assert "After the training" not in model_card(tiny_run, read_cohort(sim_cohort))


def test_it_does_not_begin_with_another_network(sim_cohort, tiny_run, tmp_path):
    for change in ({"width": 6}, {"standardize": False}):
        recipe = replace(TINY, start=str(tiny_run.folder), **change)
        with pytest.raises(InputError, match="change the recipe, or begin from scratch"):
            train(sim_cohort, tmp_path / "other", recipe)
        assert not (tmp_path / "other").exists()


SHORT = replace(TINY, learning_rate=1e-9, weight_decay=0.0, epochs=1, keep="last")


@pytest.fixture
def other_split(sim_cohort, tmp_path):
    """The same films under other names, in bare folders with a table: test, train and val have changed places."""
    table, folder = read_cohort(sim_cohort).table, tmp_path / "other"
    table["split"] = table["split"].map({"train": "val", "val": "test", "test": "train"})
    table["source"], table["path"] = table["path"], table["path"].str.replace("/", "/other-")
    for row in table.itertuples():
        (folder / row.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sim_cohort / row.source, folder / row.path)
    table["patient_id"] = "other " + table["patient_id"]
    table[["path", "label", "patient_id", "split"]].to_csv(folder / "cohort.csv", index=False)
    return folder


def test_films_that_an_ancestor_was_trained_on_cannot_be_val_or_test(tiny_run, sim_cohort, other_split, tmp_path):
    recipe, split = replace(SHORT, start=str(tiny_run.folder)), tiny_run.split
    films = {name: set(split.loc[split["split"] == name, "film_id"]) for name in ("train", "val", "test")}
    first = read_cohort(other_split).part("val").table["path"].iloc[0]
    overlap = f"val: {len(films['train'])} of {len(films['train'])} films are training films of a run that this run "
    with pytest.raises(InputError, match=f"{overlap}started from .first: {first}.*--allow-overlap"):
        train(other_split, tmp_path / "run", recipe)
    assert not (tmp_path / "run").exists()
    with pytest.warns(OverlapWarning) as caught:
        run = train(other_split, tmp_path / "run", recipe, allow_overlap=True)
    val_films = f"test: {len(films['val'])} films were validation films of a run that this run started from"
    messages = [str(each.message) for each in caught if each.category is OverlapWarning]
    assert [message.split(" (first")[0] for message in messages] == [f"{overlap}started from", val_films]
    assert list(run.origin.warnings) == messages
    warnings = run.evaluate(read_cohort(other_split)).warnings
    assert all(any(text in warning for warning in warnings) for text in run.origin.warnings)
    page = write_page(run, tmp_path / "page.html").read_text()
    assert all(text[1:] in page for text in run.origin.warnings)
    assert open_run(run.folder).origin.ancestors.groupby("split")["film_id"].agg(set).to_dict() == {
        name: films[name] for name in ("train", "val")
    }
    # the run that starts from this one inherits both its films and those of its ancestor
    grandchild = tmp_path / "grandchild"
    with pytest.raises(
        InputError, match=f"test: {len(films['test'])} of {len(films['test'])} films are training films"
    ):
        train(sim_cohort, grandchild, replace(recipe, start=str(run.folder)))
    with pytest.warns(OverlapWarning):
        ancestors = train(
            sim_cohort, grandchild, replace(recipe, start=str(run.folder)), allow_overlap=True
        ).origin.ancestors
    assert ancestors.groupby("run").size().to_dict() == {
        tiny_run.folder.name: len(films["train"] | films["val"]),
        "run": len(films["test"] | films["train"]),
    }


def test_patients_of_an_ancestor_in_val_or_test_cause_a_warning_that_stays(tiny_run, sim_cohort, tmp_path):
    """The same patients at a later visit: all films are new, but the patients are not."""
    later = simulate(tmp_path / "later", films=100, prevalence=0.4, size=64, seed=3, later_visit=True)
    table = read_cohort(later).table
    table["split"] = table["split"].map({"train": "test", "val": "val", "test": "train"})
    cohort = replace(read_cohort(later), table=table)
    num_test = (table["split"] == "test").sum()
    message = f"test: {num_test} of {num_test} films have the patient_id of a training film of a run that this run"
    with pytest.warns(OverlapWarning, match=message):
        run = train(cohort, tmp_path / "run", replace(SHORT, start=str(tiny_run.folder)))
    assert any(warning.startswith(message) for warning in run.origin.warnings)


def test_the_seed_of_the_network_that_comes_with_the_library_is_known(tmp_path):
    films = simulate(tmp_path / "films", films=40, prevalence=0.5, size=128, seed=1001)
    warning, *_ = open_run("simulated").evaluate(read_cohort(films), split="all").warnings
    assert warning.startswith("40 of 40 films are simulated with the seed of films that these weights")
    assert warning.endswith(f"(first: {read_cohort(films).table['path'][0]})")
    prepare(films, tmp_path / "prepared", size=48)
    prepare(tmp_path / "prepared", tmp_path / "again", size=32)  # the seed goes from copy to copy
    for cohort in (films, tmp_path / "prepared", tmp_path / "again"):
        with pytest.raises(InputError, match="films are simulated with the seed of films that these weights"):
            train(cohort, tmp_path / "run", replace(DEFAULT, epochs=1, size=32))


def test_weights_without_a_history_cause_a_warning_that_stays(tiny_run, sim_cohort, tmp_path):
    start = str(tiny_run.folder / "model.keras")
    unknown = f"it is not known which films the start {start} was trained on, so the figures may be too good"
    with pytest.warns(OverlapWarning, match=unknown):
        run = train(sim_cohort, tmp_path / "run", replace(SHORT, start=start))
    assert not run.origin.history_known
    assert run.origin.warnings == (unknown,)
    with pytest.warns(OverlapWarning, match="it is not known"):  # nor is it known one generation later
        train(sim_cohort, tmp_path / "next", replace(SHORT, start=str(run.folder)))


def test_nothing_is_written_into_a_cohort(tiny_run, sim_cohort, two_folders, tmp_path):
    film = two_folders / "effusion" / "e0.png"
    before = sorted(two_folders.rglob("*"))
    for write in (
        lambda: train(two_folders, two_folders / "run", SHORT),
        lambda: train(two_folders, two_folders / "effusion" / "a" / "run", SHORT),
        lambda: save_prediction(tiny_run, film, tiny_run.predict(film), two_folders / "effusion"),
        lambda: save_prediction(tiny_run, film, tiny_run.predict(film), two_folders / "pictures"),
        lambda: write_page(tiny_run, two_folders / "nofinding" / "page.html"),
        lambda: simulate(two_folders / "simulated", films=4, prevalence=0.5, size=32),
        lambda: fetch("chestmnist", two_folders / "fetched"),
        lambda: fetch("nih", two_folders),
        lambda: prepare(sim_cohort, two_folders / "prepared", size=32),
    ):
        with pytest.raises(InputError, match="lies inside the cohort"):
            write()
    assert sorted(two_folders.rglob("*")) == before
    assert write_page(tiny_run, two_folders / "page.html").is_file()  # a file beside the classes harms nothing


def test_what_a_run_cannot_hold_is_refused_before_the_training(two_folders, tmp_path):
    for weight in (1e-31, 0, -1, 1e31, float("nan"), True, "even"):
        with pytest.raises(InputError, match=r"weight is .* it must be a number from 1e-30 to 1e30, or 'balanced'"):
            replace(SHORT, weight=weight)
    for finding in ("pleural\\effusion", "a" * 101):
        (two_folders / "effusion").rename(two_folders / finding)
        with pytest.raises(InputError, match=r"the finding is .* it must be a name of 1 to 100 printable characters"):
            train(two_folders, tmp_path / "run", SHORT)
        (two_folders / finding).rename(two_folders / "effusion")
    assert not (tmp_path / "run").exists()


def test_a_training_writes_down_what_is_unusual_in_its_films(sim_cohort, tmp_path):
    folder = shutil.copytree(sim_cohort, tmp_path / "films")
    (folder / "simulation.json").unlink()  # the looks of simulated films are not checked
    film = next((folder / "effusion").glob("*.png"))
    cv2.imwrite(str(film), cv2.imread(str(film), cv2.IMREAD_UNCHANGED)[::-1])
    with pytest.warns(UnusualFilmsWarning, match="1 upside down"):
        train(folder, tmp_path / "run", replace(TINY, epochs=1))
    listed = pd.read_csv(tmp_path / "run" / "warnings.csv")
    assert listed[["path", "kind"]].to_numpy().tolist() == [[film.relative_to(folder).as_posix(), "upside down"]]
