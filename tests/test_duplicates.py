"""Copies of films across splits, and networks whose scores are useless."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
from tiny import TINY

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.duplicates import CopyWarning, check_copies, exact_copies, near_copies
from cxrlib.errors import InputError
from cxrlib.images.pixels import minmax, quantize, resize_to_square
from cxrlib.model.backend import keras
from cxrlib.phantom.simulation import simulate
from cxrlib.training.batches import load_images
from cxrlib.training.checkpoint import CheckpointCallback
from cxrlib.training.fitting import train
from cxrlib.training.run import open_run


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Simulated films of 60 to 80 patients, (80, 128, 128), float32."""
    folder = simulate(tmp_path_factory.mktemp("films") / "cohort", films=80, prevalence=0.4, size=128, seed=12)
    return load_images(read_cohort(folder).files, size=128) / np.float32(65535)


def jpeg(film):
    data = cv2.imencode(".jpg", np.rint(film * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) / np.float32(255)


COPIES = {
    "JPEG": jpeg,
    "smaller": lambda film: cv2.resize(film, (96, 96), interpolation=cv2.INTER_AREA),
    "gamma": lambda film: film**1.3,
    "mirrored": lambda film: film[:, ::-1],
    "trimmed": lambda film: film[2:-2, 2:-2],
    "moved": lambda film: np.pad(film[:-1, :-1], ((1, 0), (1, 0)), mode="edge"),
}


def test_near_copies_are_found_and_different_films_are_not(films):
    for change in COPIES.values():
        changed = [minmax(np.ascontiguousarray(change(film))) for film in films[:20]]
        copies = np.array([quantize(resize_to_square(film, 128)) for film in changed])
        found = near_copies(quantize(films), copies)
        assert all(index == row for row, index, _ in found)
        assert len(found) >= 19
        assert near_copies(quantize(films[20:]), copies) == []


def test_exact_copies_are_counted_across_splits_only(films):
    images = quantize(films)
    split = {"train": np.concatenate([images[:10], images[:1]]), "val": images[10:15], "test": images[[3, 11, 20]]}
    assert exact_copies(split) == [(("train", 3), ("test", 0)), (("val", 1), ("test", 1))]


def leak(sim_cohort, tmp_path, change):
    """Copy a training film into test, as a film of another patient; return the cohort's folder and the two paths."""
    folder = shutil.copytree(sim_cohort, tmp_path / "leak")
    table = read_cohort(folder).table
    film = table[table["split"] == "train"].iloc[0]
    pixels = cv2.imread(str(folder / film["path"]), cv2.IMREAD_UNCHANGED)
    path = film["path"].replace(".png", "-copy.png")
    cv2.imwrite(str(folder / path), change(pixels))
    row = film.to_dict() | {"path": path, "patient_id": "another", "split": "test"}
    pd.concat([table, pd.DataFrame([row])]).to_csv(folder / "cohort.csv", index=False)
    return folder, film["path"], path


def test_a_training_stops_at_an_exact_copy(sim_cohort, tmp_path):
    """The copy has other bytes: its values are twice as large, but its image is the same."""
    folder, original, copy = leak(sim_cohort, tmp_path, lambda pixels: pixels * 2)
    assert (folder / original).read_bytes() != (folder / copy).read_bytes()
    with pytest.raises(InputError, match=rf"1 films? .*{original} \(train\) and {copy} \(test\): remove"):
        train(folder, tmp_path / "run", TINY)
    assert not (tmp_path / "run").exists()


def test_a_training_warns_of_a_near_copy(sim_cohort, tmp_path):
    folder, original, copy = leak(sim_cohort, tmp_path, lambda pixels: np.ascontiguousarray(pixels[:, ::-1]))
    with pytest.warns(
        CopyWarning, match=rf"1 of \d+ films .*{copy} \(test\) of {original} \(train; correlation 1\.00\)"
    ):
        train(folder, tmp_path / "run", replace(TINY, epochs=1, width=4))


def test_a_training_that_does_not_look_finds_no_copy(sim_cohort, tmp_path):
    """Warnings are errors in the tests, and a near copy gives one."""
    folder, _, _ = leak(sim_cohort, tmp_path, lambda pixels: np.ascontiguousarray(pixels[:, ::-1]))
    train(folder, tmp_path / "run", replace(TINY, epochs=1, width=4), look_for_copies=False)


def test_the_command_line_prints_the_warning_as_one_line(sim_cohort, tmp_path):
    folder, original, copy = leak(sim_cohort, tmp_path, lambda pixels: np.ascontiguousarray(pixels[:, ::-1]))
    words = ["train", folder, tmp_path / "run", "--start", "scratch", "--size", 32, "--width", 4, "--epochs", 1]
    done = subprocess.run(
        [sys.executable, "-m", "cxrlib.cli", *map(str, words)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
        check=True,
    )
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert f"{copy} (test) of {original} (train" in warnings[0]
    assert "duplicates.py" not in done.stderr


def test_the_first_of_several_processes_names_its_own_films(films):
    """Of two processes it has every second training film, so its film 2 is film 4 of the split."""
    images = quantize(films)
    part = lambda *names: SimpleNamespace(table={"path": np.array(names)})
    parts = {"train": part(*(f"t{i}" for i in range(6))), "val": part("v0", "v1")}
    with pytest.raises(InputError, match=r"t4 \(train\) and v1 \(val\)"):
        check_copies({"train": images[[0, 2, 4]], "val": images[[9, 4]]}, parts, num_shards=2)


def test_a_network_that_scores_all_alike_does_not_end_as_a_run(sim_cohort, tmp_path):
    class Still(keras.callbacks.Callback):
        """After the epoch's end nothing is left of the last layer."""

        def on_train_batch_end(self, batch, logs=None):
            last = self.model.layers[-1]
            last.set_weights([np.zeros_like(weight) for weight in last.get_weights()])

    with pytest.raises(InputError, match=r"has learned nothing: the logits of all \d+ validation films are 0\.0000"):
        train(sim_cohort, tmp_path / "run", replace(TINY, epochs=1, width=4), callbacks=(Still(),))
    with pytest.raises(InputError, match="unfinished"):
        open_run(tmp_path / "run")


def test_evaluating_such_a_network_says_so(tiny_run, sim_cohort, tmp_path):
    run = open_run(shutil.copytree(tiny_run.folder, tmp_path / "copy"))
    last = run.model.layers[-1]
    last.set_weights([np.zeros_like(weight) for weight in last.get_weights()])
    result = run.evaluate(read_cohort(sim_cohort))
    assert result.auc.value == 0.5
    assert "have the score 0." in result.warnings[-1]
    last.set_weights([np.full_like(weight, np.nan) for weight in last.get_weights()])
    for ask in (lambda: run.evaluate(read_cohort(sim_cohort)), lambda: run.predict(sim_cohort / run.scores["path"][0])):
        with pytest.raises(InputError, match=r"films are not finite numbers"):
            ask()


def test_validation_logits_that_are_not_finite_stop_the_training(tiny_run, tmp_path):
    """With a loss that is finite: batch normalisation may break only where it scores."""
    model = tiny_run.model
    keeper = CheckpointCallback(
        tmp_path, tiny_run.recipe, model, np.zeros((4, 64, 64), np.uint16), np.array([0, 1, 0, 1])
    )
    kept = model.get_weights()
    try:
        keeper.set_model(model)
        keeper.rate = 1.0
        model.set_weights([np.full_like(weight, np.nan) for weight in kept])
        with pytest.raises(InputError, match="epoch 3: 4 of 4 validation films have a score that is not"):
            keeper.on_epoch_end(2, {"loss": 0.5})
    finally:
        model.set_weights(kept)
