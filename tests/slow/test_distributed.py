"""Training on several processes and devices of one machine, by the real command. One of the processes is killed."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from processes import BARE_ENVIRONMENT, train_command, write_recipe

from cxrlib.training.run import open_run

TESTS = Path(__file__).parents[1]
EPOCHS = 3


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A small learning rate, because with a large one the differences of rounding grow from epoch to epoch."""
    folder = tmp_path_factory.mktemp("recipe")
    return write_recipe(folder, width=4, size=32, epochs=EPOCHS, learning_rate=2e-4)


XLA_FLAGS = "--xla_backend_optimization_level=0"
"""Compiling takes most of the time of these tests: 34 s of a training by one process, 20 s with this, and 11 s with
what an earlier process has compiled."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The environment of each process: they share what they compile."""
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled"))}
    cache |= {"JAX_PERSISTENT_COMPILATION_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    return BARE_ENVIRONMENT | cache | {"XLA_FLAGS": XLA_FLAGS}


def train_together(commands, environment):
    """Run each command as one process of a training; return what each of them wrote: (stdout, stderr)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    processes = []
    for index, words in enumerate(commands):
        place = {
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
            "KERAS_DISTRIBUTION_NUM_PROCESSES": str(len(commands)),
            "KERAS_DISTRIBUTION_PROCESS_ID": str(index),
        }
        pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(subprocess.Popen(words, env=environment | place, **pipes))
    written = [process.communicate(timeout=300) for process in processes]  # a process that hangs fails the test
    return [process.returncode for process in processes], written


@pytest.fixture(scope="module")
def alone(sim_cohort, tmp_path_factory, recipe, environment):
    """The same training by one process."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    words = train_command(sim_cohort, folder, recipe, "--quiet")
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return open_run(folder)


def assert_same_training(run, alone):
    assert len(run.history) == EPOCHS
    np.testing.assert_allclose(run.history["loss"], alone.history["loss"], atol=1e-4)
    assert {path.name for path in run.folder.iterdir()} == {path.name for path in alone.folder.iterdir()}


WORKER = """
import gc, os, signal, sys
from cxrlib.model.session import start_session
start_session(0, distributed=True)
import keras, numpy as np
from cxrlib.model.recipe import find_recipe
from cxrlib.training.fitting import train
cohort, folder, recipe, weights, kill_in_epoch = sys.argv[1:]

class Worker(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == int(kill_in_epoch):
            os.kill(os.getpid(), signal.SIGKILL)

    def on_train_end(self, logs=None):
        np.savez(weights, *self.model.get_weights())

gc.disable()  # or Python might collect the iterators by chance
train(cohort, folder, find_recipe(recipe), callbacks=(Worker(),))
print(sum(type(thing).__name__ == "OwnedIterator" for thing in gc.get_objects()), "iterators are left")
"""


def worker_command(cohort, folder, recipe, weights, *, kill_in_epoch=-1):
    """Return the words of a training by the library, which saves its weights, or kills itself in an epoch."""
    return [sys.executable, "-c", WORKER, *map(str, (cohort, folder, recipe, weights, kill_in_epoch))]


def test_two_processes_train_as_one_does(sim_cohort, alone, recipe, environment, tmp_path):
    """No iterator outlives the training: at the end of the process it would make TensorFlow write to stderr."""
    folder, files = tmp_path / "run", [tmp_path / f"weights{i}.npz" for i in (0, 1)]
    codes, written = train_together([worker_command(sim_cohort, folder, recipe, file) for file in files], environment)
    assert codes == [0, 0], written
    assert all(stdout.endswith("\n0 iterators are left\n") for stdout, _ in written)  # after a line of Gloo
    one, two = (np.load(file) for file in files)
    for name in one.files:
        np.testing.assert_array_equal(one[name], two[name])
    assert_same_training(open_run(folder), alone)


def test_two_processes_blend_as_one_does(sim_cohort, alone, environment, tmp_path):
    """Only the first process has the weights that are kept. It blends them, and all processes read one run."""
    change = dict(width=4, size=32, epochs=1, learning_rate=2e-4, start=str(alone.folder), blend=0.25)
    recipe = write_recipe(tmp_path, **change)
    codes, written = train_together([train_command(sim_cohort, tmp_path / "two", recipe, "--quiet")] * 2, environment)
    assert codes == [0, 0], written
    words = train_command(sim_cohort, tmp_path / "one", recipe, "--quiet")
    subprocess.run(words, env=environment, capture_output=True, check=True)
    two, one = (open_run(tmp_path / name) for name in ("two", "one"))
    for a, b in zip(*(run.model.get_weights() for run in (two, one)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    assert two.blended_auc == pytest.approx(one.blended_auc, abs=0.05)
    np.testing.assert_allclose(two.scores["logit"], one.scores["logit"], atol=1e-2)


def test_two_devices_of_one_process_are_both_used(sim_cohort, alone, recipe, environment, tmp_path):
    """Like several GPUs of one machine; here the processor counts as two devices."""
    words = train_command(sim_cohort, tmp_path / "run", recipe)
    env = environment | {"XLA_FLAGS": f"{XLA_FLAGS} --xla_force_host_platform_device_count=2"}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert_same_training(open_run(tmp_path / "run"), alone)


def test_a_killed_process_ends_the_training_and_it_resumes(sim_cohort, alone, recipe, environment, tmp_path):
    folder = tmp_path / "run"
    words = train_command(sim_cohort, folder, recipe)
    killed = worker_command(sim_cohort, folder, recipe, tmp_path / "weights.npz", kill_in_epoch=1)
    codes, written = train_together([words, killed], environment)
    assert codes[1] == -signal.SIGKILL
    assert codes[0] not in (0, None)
    assert "another process of this training has ended; start all of them again with --resume" in written[0][1]
    assert not (folder / "operating_point.json").exists()
    codes, written = train_together([[*words, "--resume"]] * 2, environment)
    assert codes == [0, 0], written
    assert_same_training(open_run(folder), alone)


def test_model_and_loss_are_the_same_on_jax():
    files = [str(TESTS / f"test_{name}.py") for name in ("resnet", "loss")]
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(words, env=BARE_ENVIRONMENT | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 14
