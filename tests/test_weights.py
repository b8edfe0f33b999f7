"""The network that comes with the library."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from tiny import TINY
from typer.testing import CliRunner

from cxrlib.cli.commands import app
from cxrlib.cohorts.cohort import read_cohort
from cxrlib.course.cohorts import LAB_SEED, TEST_SEED, VAL_SEED
from cxrlib.errors import InputError
from cxrlib.model.network import build_network, predict_logits
from cxrlib.model.network_file import PACKED, load_network, pack_network
from cxrlib.model.recipe import DEFAULT, Recipe
from cxrlib.model.resnet import build_resnet
from cxrlib.phantom.simulation import VERSION, simulate
from cxrlib.training.batches import load_images
from cxrlib.training.fitting import train
from cxrlib.training.run import SIMULATED, open_run

MAX_BYTES = 6_000_000


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Films like those of the training, of patients that no training has seen."""
    folder = tmp_path_factory.mktemp("fresh") / "cohort"
    return simulate(folder, films=120, prevalence=0.4, comorbidity=1.0, size=128, seed=99)


def test_it_is_small_and_its_checksum_stands_beside_it():
    record = json.loads((SIMULATED / "made.json").read_text())
    packed = SIMULATED / PACKED
    assert packed.stat().st_size <= MAX_BYTES
    assert hashlib.sha256(packed.read_bytes()).hexdigest() == record["sha256"]
    assert record["films"]["phantom"] == VERSION


def test_the_course_scores_it_on_no_film_that_it_was_trained_on():
    seed = json.loads((SIMULATED / "made.json").read_text())["films"]["seed"]
    assert seed not in {TEST_SEED, VAL_SEED, LAB_SEED, *range(10)}  # the experiments train on films of seeds 0 to 8


def test_it_finds_simulated_effusions_on_fresh_films(fresh):
    result = open_run("simulated").evaluate(read_cohort(fresh), split="all")
    assert result.auc.value > 0.97
    assert result.performance.sensitivity.high > 0.9
    assert result.performance.specificity.value > 0.9
    assert all(warning.startswith("unusual films: 1 ") for warning in result.warnings)  # 1 in 60 is warned of


def test_predict_without_a_run_uses_it_and_says_what_it_is(fresh):
    film = next((fresh / "effusion").iterdir())
    done = CliRunner().invoke(app, ["predict", str(film), "--json"])
    assert done.exit_code == 0
    assert "trained on simulated films alone, has seen no patient" in " ".join(done.stderr.split())
    said = json.loads(done.stdout)
    assert said["score"] == pytest.approx(open_run("simulated").predict(film).score, abs=1e-6)


def test_packed_weights_lose_three_digits_at_most(tmp_path):
    recipe = replace(TINY, name="packed")
    model = build_resnet(width=recipe.width, size=recipe.size, standardize=True, seed=4)
    pack_network(model, tmp_path / PACKED)
    films = np.random.default_rng(0).random((4, recipe.size, recipe.size, 1)).astype(np.float32)
    loaded = load_network(tmp_path, recipe)
    np.testing.assert_allclose(loaded.predict_on_batch(films), model.predict_on_batch(films), atol=2e-2)


def test_what_half_precision_cannot_hold_is_not_packed(tmp_path):
    model = build_resnet(width=4, size=32, output_bias=1e6)
    with pytest.raises(ValueError, match="not finite in half precision"):
        pack_network(model, tmp_path / PACKED)
    assert not (tmp_path / PACKED).exists()


def test_damaged_weights_are_refused_by_name(tmp_path):
    whole = (SIMULATED / PACKED).read_bytes()
    for damaged in (whole[: len(whole) // 2], b"no archive"):
        (tmp_path / PACKED).write_bytes(damaged)
        with pytest.raises(InputError, match=rf"{PACKED}: cannot be loaded"):
            load_network(tmp_path, Recipe())


def test_default_begins_from_it_and_its_network_fits():
    ours = build_network(DEFAULT)
    assert [w.shape for w in ours.weights] == [w.shape for w in open_run(DEFAULT.start).model.weights]


def test_a_network_of_another_shape_is_told_to_begin_from_scratch(fresh, tmp_path):
    with pytest.raises(InputError, match=r"simulated: its network .*change the recipe, or begin from scratch"):
        train(fresh, tmp_path / "run", replace(DEFAULT, width=8))


def test_mirrored_scoring_is_the_mean_of_both_views(fresh):
    run = open_run("simulated")
    films = load_images(read_cohort(fresh).files[:6], size=128)
    plain, mirrored = (predict_logits(run.model, view) for view in (films, films[:, :, ::-1]))
    np.testing.assert_allclose(predict_logits(run.model, films, mirror=True), (plain + mirrored) / 2, atol=1e-5)
    np.testing.assert_allclose(run.score_images(films[:, :, ::-1]), run.score_images(films), atol=1e-6)
    assert np.abs(plain - mirrored).max() > 0.01
