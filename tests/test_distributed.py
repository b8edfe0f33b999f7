"""What a training on several processes needs. tests/slow/test_distributed.py shows that it works."""

import subprocess

import pytest
from processes import BARE_ENVIRONMENT, train_command, write_recipe

from cxrlib.errors import InputError
from cxrlib.model import distributed
from cxrlib.model.backend import keras


def test_processes_that_cannot_join_are_told_why(monkeypatch):
    for name in distributed.JOIN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(InputError, match="distributed training needs Keras on JAX; Keras runs on tensorflow"):
        distributed.join_processes()
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setenv("KERAS_DISTRIBUTION_PROCESS_ID", "1")
    missing = "KERAS_DISTRIBUTION_JOB_ADDRESSES, KERAS_DISTRIBUTION_NUM_PROCESSES must be set too"
    with pytest.raises(InputError, match=missing):
        distributed.join_processes()


def test_a_batch_that_the_devices_cannot_share_is_refused(sim_cohort, tmp_path):
    words = train_command(sim_cohort, tmp_path / "run", write_recipe(tmp_path, batch=16, epochs=1))
    env = BARE_ENVIRONMENT | {"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "a batch of 16 films cannot be shared evenly by 3 devices" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_batch_larger_than_the_training_set_is_refused_for_several_processes(monkeypatch):
    distributed.check_batch(16, 15)
    monkeypatch.setattr(distributed, "shard", lambda: (0, 2))
    with pytest.raises(InputError, match="15 training films are fewer than a batch of 16"):
        distributed.check_batch(16, 15)


class JaxRuntimeError(RuntimeError):
    """An error with the name of JAX's own."""


def test_an_error_of_jax_becomes_a_sentence_if_a_process_has_ended(monkeypatch):
    gloo = ValueError("UNKNOWN: Gloo AllGather failed: Connection reset by peer")
    for error in (gloo, JaxRuntimeError("UNAVAILABLE: a task")):
        monkeypatch.setattr(distributed, "shard", lambda: (0, 2))
        message = "another process of this training has ended; start all of them again"
        with pytest.raises(InputError, match=message), distributed.explain_lost_process():
            raise error
        with pytest.raises(ValueError, match="a loss of nan"), distributed.explain_lost_process():
            raise ValueError("a loss of nan")
        monkeypatch.setattr(distributed, "shard", lambda: (0, 1))
        with pytest.raises(type(error)), distributed.explain_lost_process():
            raise error
