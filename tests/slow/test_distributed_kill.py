"""A training of several processes, one of which is killed: the others end, and all of them resume."""

import signal
import time
from dataclasses import replace

import pandas as pd
import pytest
from test_distribution import BATCH, command, finish, start
from tiny import TINY

from cxrlib.recipe import recipe_text
from cxrlib.run import open_run

EPOCHS = 40  # enough of them that the training does not end before the kill


@pytest.fixture
def recipe(tmp_path):
    file = tmp_path / "tiny.json"
    file.write_text(recipe_text(replace(TINY, epochs=EPOCHS, batch=BATCH)))
    return file


def test_a_killed_worker_ends_the_training_and_it_resumes(sim_cohort, recipe, tmp_path):
    folder = tmp_path / "run"
    words = command(sim_cohort, folder, "--recipe", str(recipe))
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
