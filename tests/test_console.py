"""What the command line shows of long work: in a terminal, without one, and under --quiet."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict

import pytest
from in_process import cxr
from tiny import TINY

from cxrlib.cli import progress
from cxrlib.model.backend import keras
from cxrlib.training.fitting import train

CXR = [sys.executable, "-m", "cxrlib.cli"]
STEPS = 5  # of an epoch of TINY on the simulated cohort


def in_terminal(*words, code=0, **environment):
    """Run a command in a terminal of 120 columns; return the lines that were seen there, each bar's every state."""
    env = os.environ | {"NO_COLOR": "", "TERM": "xterm"} | environment
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    with subprocess.Popen([*CXR, *map(str, words)], stdin=theirs, stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        seen = b""
        with io.FileIO(ours) as terminal:
            while chunk := read(terminal):
                seen += chunk
    assert process.returncode == code, seen.decode()
    return [line for line in re.split(r"[\r\n]+", seen.decode()) if line.strip()]


def read(terminal):
    try:
        return terminal.read(65536)
    except OSError:  # Linux' end of a terminal
        return b""


def bar(what, done, total, unit, left):
    """Return a pattern of a bar in one of its states."""
    percent = re.escape(f"{100 * done / total:3.0f}%")
    return rf"{what}: {percent}\|.*\| {done:,} of {total:,} {unit}, {left} left"


def first_and_last(lines, what):
    shown = [line for line in lines if line.startswith(what)]
    return shown[0], shown[-1]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "tiny.json"
    path.write_text(json.dumps(asdict(TINY)))
    return path


class StopAfterTwo(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def cut_off_once(sim_cohort, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "cut"
    with pytest.raises(KeyboardInterrupt):
        train(sim_cohort, folder, TINY, callbacks=(StopAfterTwo(),))
    return folder


@pytest.fixture
def cut(cut_off_once, tmp_path):
    """A training that was cut off after two epochs of eight."""
    return shutil.copytree(cut_off_once, tmp_path / "cut")


@pytest.fixture
def long_work(monkeypatch):
    """All work counts as long."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)


def test_a_terminal_has_a_bar_with_the_time_left(sim_cohort, tmp_path):
    for words, what in (
        (("simulate", tmp_path / "sim", "--films", 30, "--prevalence", 0.5, "--size", 32), "simulating"),
        (("prepare", sim_cohort, tmp_path / "cohort", "--size", 32), "preparing"),
    ):
        films = 30 if what == "simulating" else 100
        lines = in_terminal(*words)
        first, last = first_and_last(lines, what)
        assert re.fullmatch(bar(what, 0, films, "films", r"\?"), first)
        assert re.fullmatch(bar(what, films, films, "films", "00:00"), last)
        assert "effusion" in lines[-2]  # the result has a line of its own
        assert lines[-1] == f"next: cxr train {words[2] if what == 'preparing' else words[1]} RUN"


def test_findings_warnings_and_errors_have_a_colour_in_a_terminal_and_nowhere_else(tiny_run, sim_cohort, tmp_path):
    """NO_COLOR (https://no-color.org) and pipes take it away. The words are the same."""
    film = next((sim_cohort / "effusion").iterdir())
    words = ("predict", film, tmp_path / "none.png", "--run", tiny_run.folder, "--threshold", 0, "--quiet")
    colored, plain = in_terminal(*words, code=1), in_terminal(*words, code=1, NO_COLOR="1")
    assert [re.sub(r"\x1b\[\d*m", "", line) for line in colored] == plain
    for text in ("effusion", "cxr: "):
        (line,) = [line for line in colored if "\x1b[" in line and text in re.findall(r"m([^\x1b]+)\x1b\[0m", line)]
        assert "\x1b[31m" in line
    assert not any("\x1b" in line for line in plain)
    piped = cxr(*words, check=False)
    assert "\x1b" not in piped.stdout + piped.stderr
    assert sorted((piped.stdout + piped.stderr).splitlines()) == sorted(plain)


def test_a_resumed_training_is_shown_from_where_it_was(cut, sim_cohort, recipe):
    lines = in_terminal("train", sim_cohort, cut, "--recipe", recipe, "--resume")
    total = STEPS * TINY.epochs
    assert any(re.fullmatch(bar("reading", 66, 66, "films", "00:00"), line) for line in lines)
    first, last = first_and_last(lines, "training")
    assert re.fullmatch(bar("training", 2 * STEPS, total, "batches", r"\?"), first)
    figures = r", loss \d\.\d{3}, AUC on val \d\.\d{3}"
    assert re.fullmatch(bar("training, epoch 8 of 8", total, total, "batches", "00:00") + figures, last)


def test_without_a_terminal_there_are_a_few_lines_with_the_time_left(long_work, cut, sim_cohort, recipe, tmp_path):
    for words, pattern in (
        (
            ("simulate", tmp_path / "sim", "--films", 100, "--size", 32),
            r"simulating: (\d+) of 100 films, (\d\d:\d\d|\?) left",
        ),
        (
            ("train", sim_cohort, cut, "--recipe", recipe, "--resume"),
            r"training(?:, epoch [3-8] of 8)?: (\d+) of 40 batches, (\d\d:\d\d|\?) left(?:, loss .*, AUC on val .*)?",
        ),
    ):
        done = cxr(*words)
        lines = [line for line in done.stderr.splitlines() if not line.startswith(("reading: ", "next: "))]
        matches = [re.fullmatch(pattern, line) for line in lines]
        assert all(matches), lines
        counts = [int(match[1]) for match in matches]
        assert counts == sorted(set(counts))
        assert 3 <= len(counts) <= 10
        assert [match[2] for match in matches].count("?") <= 2  # the rest know how long it takes
        assert "left" not in done.stdout


def test_the_first_batch_does_not_count_in_the_time_left():
    """It compiles, and takes as long as many that follow; nor do epochs before a resume."""
    shown = progress.Console().epoch_bar(4)
    shown.set_params({"steps": 10})
    shown.on_epoch_begin(2)
    shown.bar.start_t -= 1000  # as if the first batch had taken so long
    shown.bar.last_print_t -= 1000
    shown.on_train_batch_end(0)
    assert shown.bar.n == shown.bar.initial == 21
    assert shown.bar.format_dict["elapsed"] < 900
    shown.on_train_end()


def test_quiet_is_quiet(long_work, tiny_run, two_folders, sim_cohort, recipe, tmp_path):
    """Nothing but the result and warnings, where all work counts as long and there is something to note.

    test_cli.py looks at a quiet process, to which TensorFlow writes by itself.
    """
    run = tiny_run.folder
    for words, has_notes in (
        (("simulate", tmp_path / "sim", "--films", 10, "--prevalence", 0.5, "--size", 32), True),
        (("prepare", two_folders, tmp_path / "cohort", "--size", 32), True),
        (("train", sim_cohort, tmp_path / "run", "--recipe", recipe, "--epochs", 1), False),
        (("evaluate", run, sim_cohort), True),
        (("compare", run, run, sim_cohort), False),
        (("predict", next((sim_cohort / "effusion").iterdir()), "--run", run), False),
        (("report", run, tmp_path / "page.html"), False),
    ):
        done = cxr(*words, "--quiet")
        unexpected = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
        assert not unexpected, words[0]
        assert done.stdout
        if has_notes:  # without --quiet the same work is shown
            if words[0] in ("simulate", "prepare"):
                shutil.rmtree(words[2] if words[0] == "prepare" else words[1])
            assert re.search(r"^(simulating|preparing|reading|note): ", cxr(*words).stderr, re.MULTILINE), words[0]


def test_a_bar_that_an_error_leaves_open_is_closed():
    """Its line would go on in the error's message."""
    console = progress.Console()
    films = console.film_bar("reading")(range(3), 3)
    next(films)
    (bar,) = console._bars
    assert not bar.disable
    console.close()
    assert bar.disable  # as tqdm marks a bar that is closed
