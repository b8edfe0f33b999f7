"""Training on several processes and devices of one machine, by the real command; and one of them is killed."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_distribution import ALONE, command, write_recipe

from cxrlib.training.run import open_run

TESTS = Path(__file__).parents[1]
EPOCHS = 40  # enough of them that the training does not end before the kill


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
    return write_recipe(tmp_path_factory.mktemp("recipe"), epochs=3)


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


def test_a_killed_worker_ends_the_training_and_it_resumes(sim_cohort, tmp_path):
    folder = tmp_path / "run"
    words = command(sim_cohort, folder, "--recipe", str(write_recipe(tmp_path, EPOCHS)))
    started = start([words, words])
    while not (folder / "history.csv").exists() or len(pd.read_csv(folder / "history.csv")) < 1:
        assert started[0].poll() is None, started[0].communicate()
        time.sleep(0.05)
    started[1].send_signal(signal.SIGKILL)
    begun = time.monotonic()
    _, told = started[0].communicate(timeout=120)
    started[1].communicate()
    assert started[0].returncode not in (0, None)
    assert "another process of this training has ended; start all of them again with --resume" in told
    assert time.monotonic() - begun < 60
    done = len(pd.read_csv(folder / "history.csv"))
    assert done < EPOCHS
    again = start([[*words, "--resume"], [*words, "--resume"]])
    said = finish(again)
    assert [process.returncode for process in again] == [0, 0], said
    assert len(open_run(folder).history) == EPOCHS


def test_model_loss_and_metrics_are_the_same_on_jax():
    files = [str(TESTS / f"test_{name}.py") for name in ("resnet", "loss", "evaluation")]
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(words, env=ALONE | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout
