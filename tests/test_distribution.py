"""Training on several processes of one machine, by the real command."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import TINY

from cxrlib.recipe import recipe_text
from cxrlib.run import open_run

HERE = Path(__file__).parent
ALONE = {name: value for name, value in os.environ.items() if not name.startswith(("KERAS_", "XLA_", "JAX_"))}
BATCH = 16


def command(cohort, run, *options):
    return [str(Path(sys.executable).with_name("cxr")), "train", str(cohort), str(run), "--distributed", *options]


def start(commands, **more):
    """Start each command as one process of a training."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    started = []
    for index, words in enumerate(commands):
        told = {
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
            "KERAS_DISTRIBUTION_NUM_PROCESSES": str(len(commands)),
            "KERAS_DISTRIBUTION_PROCESS_ID": str(index),
        }
        pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(subprocess.Popen(words, env=ALONE | told | more, **pipes))
    return started


def finish(started, timeout=240):
    """Wait for all of them and return what they said."""
    return [process.communicate(timeout=timeout) for process in started]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    file = tmp_path_factory.mktemp("recipe") / "tiny.json"
    file.write_text(recipe_text(replace(TINY, epochs=3, batch=BATCH)))
    return file


@pytest.fixture(scope="module")
def alone(sim_cohort, tmp_path_factory, recipe):
    """The same training by one process."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    words = command(sim_cohort, folder, "--recipe", str(recipe), "--quiet")
    done = subprocess.run(words, env=ALONE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return open_run(folder)


WORKER = """
import sys
from cxrlib.session import start_session
start_session(0, distributed=True)
import keras, numpy as np
from cxrlib.recipe import find_recipe
from cxrlib.training import train
cohort, folder, recipe, weights = sys.argv[1:]
save = lambda logs: np.savez(weights, *keep.model.get_weights())
keep = keras.callbacks.LambdaCallback(on_train_end=save)
train(cohort, folder, find_recipe(recipe), callbacks=(keep,))
"""


def test_two_processes_train_as_one_does(sim_cohort, alone, recipe, tmp_path):
    folder = tmp_path / "run"
    words = [sys.executable, "-c", WORKER, str(sim_cohort), str(folder), str(recipe)]
    started = start([[*words, str(tmp_path / f"weights{i}.npz")] for i in (0, 1)])
    said = finish(started)
    assert [process.returncode for process in started] == [0, 0], said
    both = [np.load(tmp_path / f"weights{i}.npz") for i in (0, 1)]
    for name in both[0].files:
        np.testing.assert_array_equal(both[0][name], both[1][name])
    np.testing.assert_allclose(open_run(folder).history["loss"], alone.history["loss"], atol=1e-3)
    assert {path.name for path in folder.iterdir()} == {path.name for path in alone.folder.iterdir()}


LEFT = """
import gc, sys
from cxrlib.session import start_session
start_session(0, distributed=True)
from cxrlib.recipe import find_recipe
from cxrlib.training import train
gc.disable()  # or Python might tidy up by chance
cohort, folder, recipe = sys.argv[1:]
train(cohort, folder, find_recipe(recipe))
print(sum(type(thing).__name__ == "OwnedIterator" for thing in gc.get_objects()))
"""


def test_no_iterator_outlives_its_training(sim_cohort, recipe, tmp_path):
    """One that is still there when the interpreter ends makes TensorFlow complain on stderr, now and then."""
    words = [sys.executable, "-c", LEFT, str(sim_cohort), str(tmp_path / "run"), str(recipe)]
    done = subprocess.run(words, env=ALONE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "0"


def test_two_devices_of_one_process_are_both_used(sim_cohort, alone, recipe, tmp_path):
    """As several GPUs of one machine would be; here the processor counts as two."""
    words = command(sim_cohort, tmp_path / "run", "--recipe", str(recipe))
    env = ALONE | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(open_run(tmp_path / "run").history["loss"], alone.history["loss"], atol=1e-3)


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"KERAS_BACKEND": "tensorflow"}, "distributed training needs Keras on JAX; it runs on tensorflow"),
        ({"KERAS_DISTRIBUTION_PROCESS_ID": "1"}, "KERAS_DISTRIBUTION_JOB_ADDRESSES, KERAS_DISTRIBUTION_NUM_PROCESSES"),
        ({"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}, "16 films cannot be shared evenly by 3 devices"),
    ],
)
def test_what_cannot_be_joined_is_said(sim_cohort, recipe, tmp_path, env, told):
    words = command(sim_cohort, tmp_path / "run", "--recipe", str(recipe))
    done = subprocess.run(words, env=ALONE | env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "run").exists()


def test_model_loss_and_metrics_are_the_same_on_jax():
    files = [str(HERE / f"test_{name}.py") for name in ("resnet", "loss", "evaluation")]
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(words, env=ALONE | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout
