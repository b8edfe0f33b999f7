"""A command that is killed at a random moment and called a second time makes what it makes undisturbed."""

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from fuzz import simulated_films
from tiny import TINY

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.errors import InputError
from cxrlib.model.network_file import MODEL, read_network
from cxrlib.phantom.simulation import simulate
from cxrlib.training.manifest import MANIFEST, check_manifest
from cxrlib.training.run import open_run
from cxrlib.training.stored_point import read_points

KILLS, FEW_KILLS = 20, 2
CXR = [sys.executable, "-m", "cxrlib.cli"]
DATED = {"environment.json", MODEL, MANIFEST}
"""The files of a run that contain dates, or their hashes. Of the model, the weights are compared instead."""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    return simulate(tmp_path_factory.mktemp("cohort") / "films", films=150, prevalence=0.4, size=128, seed=4)


@pytest.fixture(scope="module")
def recipe(cohort, tmp_path_factory) -> Path:
    """A recipe that begins with a run and blends with it, so that a resumed training needs the start too."""
    folder = tmp_path_factory.mktemp("recipe")
    for name, recipe in (("first", TINY), ("tiny", replace(TINY, start=str(folder / "run"), blend=0.5))):
        (folder / f"{name}.json").write_text(json.dumps(asdict(recipe)))
    complete([*CXR, "train", cohort, folder / "run", "--recipe", folder / "first.json"])
    return folder / "tiny.json"


def contents(folder: Path) -> dict[str, str]:
    """Return a hash of each file in a folder, hidden ones too, except those that contain dates."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in DATED]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def kill_after(seconds: float, command: list) -> bool:
    """Start a command and kill it; return whether it was still running."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)  # only this process: its workers must notice by themselves
        process.wait()
        return True


def complete(command: list) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def survive(make_command, folder: Path, short: bool, check=lambda out: None) -> None:
    """Kill a command at random moments, call it a second time, and compare the result with an undisturbed one.

    The moments are fractions of the time that the undisturbed command took. No
    result depends on them: a round in which the command ended before its
    moment is not counted as a kill.

    Parameters
    ----------
    make_command : callable
        Folder -> command.
    check : callable
        Checks the folder right after the kill.
    """
    start = time.monotonic()
    complete(make_command(folder / "whole"))
    length = time.monotonic() - start
    expected, rng, killed, rounds = contents(folder / "whole"), np.random.default_rng(0), 0, 0
    while killed < (FEW_KILLS if short else KILLS):
        out, rounds = folder / f"killed {rounds}", rounds + 1
        killed += kill_after(rng.uniform(0.1, 1.0) * length, make_command(out))
        check(out)
        complete(make_command(out))
        assert contents(out) == expected
        left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
        assert left == []
        if (out / MODEL).exists():
            pair = [read_network(each / MODEL).get_weights() for each in (folder / "whole", out)]
            assert all(np.array_equal(a, b) for a, b in zip(*pair, strict=True))
    print(f"{killed} kills at random moments of {length:.1f} s; in {rounds - killed} rounds the command ended earlier")


def test_simulate(tmp_path, short):
    def check(out):
        assert not out.exists() or len(read_cohort(out).table) == 300  # complete or absent

    survive(lambda out: [*CXR, "simulate", out, "--films", "300", "--size", "96"], tmp_path, short, check)


def test_prepare(tmp_path, short, cohort):
    survive(lambda out: [*CXR, "prepare", cohort, out, "--size", "1024"], tmp_path, short)


def test_threshold(tmp_path, short, cohort, recipe):
    """The run, and a copy of it, open after each kill with what they had, or with the new operating point too."""
    run, rng = tmp_path / "run", np.random.default_rng(0)
    complete([*CXR, "train", cohort, run, "--recipe", recipe])
    choose = [*CXR, "threshold", run, "--cohort", cohort, "--capacity", "0.3", "--name"]
    start = time.monotonic()
    complete([*choose, "whole"])
    length, killed, rounds, names = time.monotonic() - start, 0, 0, {"training", "whole"}
    while killed < (FEW_KILLS if short else KILLS):
        name, copy = f"point-{rounds}", tmp_path / f"copy-{rounds}"
        for options in ([], ["--out", copy]):
            # late moments, because the files are written at the end
            killed += kill_after(rng.uniform(0.7, 1.1) * length, [*choose, name, *options])
        names_now = set(read_points(run, check_manifest(run))[0])
        assert names_now in (names, names | {name})
        names, rounds = names_now, rounds + 1
        assert open_run(run).threshold > 0
        if copy.exists():
            assert {name} <= set(read_points(copy, check_manifest(copy))[0]) <= names | {name}
        complete([*choose, f"{name}-again"])
        names.add(f"{name}-again")
        assert open_run(run).operating_point.name == f"{name}-again"
        assert set(read_points(run, check_manifest(run))[0]) == names


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def end_after(num_rows: int, command: list, table: Path, how: signal.Signals) -> tuple[int, str]:
    """Start a command, send it a signal when its table has so many rows, and return its exit code and stderr."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        while process.poll() is None and not (table.exists() and table.read_bytes().count(b"\n") > num_rows):
            time.sleep(0.01)
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # as Ctrl-C in a terminal does: all processes of the group get it
        else:
            process.send_signal(how)  # only this process: its decoders must notice by themselves
        stderr = process.communicate()[1]
    return process.returncode, stderr


@pytest.fixture
def sigint():
    """A job in the background ignores Ctrl-C, and its children too. Here they get it, wherever the tests run."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_predict(tmp_path, short, cohort, sigint):
    """Killed, or interrupted by Ctrl-C, and called a second time, it writes the table of an undisturbed call.

    A round in which the command ended before it got the signal does not count. Most rounds must count.
    """
    films = tmp_path / "films"
    for number in range(10):
        for name in ("effusion", "nofinding"):
            shutil.copytree(cohort / name, films / str(number) / name)
    (films / "7" / "effusion" / "broken.png").write_bytes(b"no film")
    for name, data in simulated_films().items():
        if name.endswith(".dcm"):  # their decoders are child processes
            (films / "9" / "nofinding" / name).write_bytes(data)
    predict = [*CXR, "predict", films, "--quiet", "--csv"]
    whole, rng = tmp_path / "whole.csv", np.random.default_rng(0)
    assert subprocess.run([*predict, whole]).returncode == 1  # one film is broken
    expected = rows_of(whole)
    codes = {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130}
    left = dict.fromkeys(codes, FEW_KILLS if short else KILLS // 2)
    rounds = 4 * sum(left.values())
    while any(left.values()):
        rounds -= 1
        assert rounds >= 0, f"too many rounds ended before the signal; still to do: {left}"
        how = max(left, key=lambda each: left[each])
        out = tmp_path / f"{how.name} {left[how]} {rng.integers(1_000_000)}.csv"
        code, stderr = end_after(int(rng.integers(1, len(expected) // 2)), [*predict, out], out, how)
        assert code in (1, codes[how])
        left[how] -= code == codes[how]
        kept = out.read_bytes()
        if code == 130:
            assert f"cxr: stopped; {out} keeps" in stderr
            assert "crashed" not in stderr
        assert subprocess.run([*predict, out], capture_output=True).returncode == 1
        assert out.read_bytes().startswith(kept[: kept.rfind(b"\n") + 1])
        for found, row in zip(rows_of(out), expected, strict=True):
            assert float(found["score"] or -1) == pytest.approx(float(row["score"] or -1), abs=1e-6)
            assert found | {"score": ""} == row | {"score": ""}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_train(tmp_path, short, cohort, recipe):
    def check(out):
        try:
            run = open_run(out)
        except InputError:
            return
        assert len(run.history) == TINY.epochs  # a run is never half complete
        assert len(run.scores)
        assert run.model.count_params()

    survive(lambda out: [*CXR, "train", cohort, out, "--recipe", recipe, "--resume"], tmp_path, short, check)
