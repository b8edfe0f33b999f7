"""What training on several processes needs; that it works is held by tests/slow/test_distributed.py."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import TINY

from cxrlib.errors import InputError
from cxrlib.model import distributed
from cxrlib.model.recipe import recipe_text

ALONE = {name: value for name, value in os.environ.items() if not name.startswith(("KERAS_", "XLA_", "JAX_"))}
BATCH = 16


def command(cohort, run, *options):
    return [str(Path(sys.executable).with_name("cxr")), "train", str(cohort), str(run), "--distributed", *options]


def write_recipe(folder: Path, epochs: int) -> Path:
    file = folder / "tiny.json"
    file.write_text(recipe_text(replace(TINY, epochs=epochs, batch=BATCH)))
    return file


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"KERAS_BACKEND": "tensorflow"}, "distributed training needs Keras on JAX; it runs on tensorflow"),
        ({"KERAS_DISTRIBUTION_PROCESS_ID": "1"}, "KERAS_DISTRIBUTION_JOB_ADDRESSES, KERAS_DISTRIBUTION_NUM_PROCESSES"),
        ({"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}, "16 films cannot be shared evenly by 3 devices"),
    ],
)
def test_what_cannot_be_joined_is_said(sim_cohort, tmp_path, env, told):
    words = command(sim_cohort, tmp_path / "run", "--recipe", str(write_recipe(tmp_path, 1)))
    done = subprocess.run(words, env=ALONE | env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "run").exists()


class JaxRuntimeError(RuntimeError):
    """As JAX' own, by name."""


@pytest.mark.parametrize(
    "lost",
    [ValueError("UNKNOWN: Gloo AllGather failed: Connection reset by peer"), JaxRuntimeError("UNAVAILABLE: a task")],
)
def test_whatever_jax_raises_where_a_process_has_ended_becomes_a_sentence(lost, monkeypatch):
    monkeypatch.setattr(distributed, "shard", lambda: (0, 2))
    ended = "another process of this training has ended; start all of them again"
    with pytest.raises(InputError, match=ended), distributed.explain_lost_process():
        raise lost
    with pytest.raises(ValueError, match="a loss of nan"), distributed.explain_lost_process():
        raise ValueError("a loss of nan")
    monkeypatch.setattr(distributed, "shard", lambda: (0, 1))
    with pytest.raises(type(lost)), distributed.explain_lost_process():
        raise lost
