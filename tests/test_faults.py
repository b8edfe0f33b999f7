"""Full disks, read-only folders, vanished files, two processes in one folder: an error says so, and nothing is lost."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import fuzz
import numpy as np
import pytest
from filelock import FileLock
from tiny import TINY

from cxrlib import files
from cxrlib.cohorts import download
from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.fetching import fetch
from cxrlib.cohorts.preparation import prepare
from cxrlib.errors import InputError
from cxrlib.files import LOCK, atomic, is_empty, locked, make_once
from cxrlib.images.radiograph import read_image
from cxrlib.model.backend import keras
from cxrlib.phantom.simulation import simulate
from cxrlib.report.page import write_page
from cxrlib.report.prediction import save_prediction
from cxrlib.training import batches
from cxrlib.training.batches import load_images
from cxrlib.training.checkpoint import CHECKPOINT
from cxrlib.training.fitting import train

CXR = [sys.executable, "-m", "cxrlib.cli"]
NOBODY = 65534


def cxr(*words, **options) -> subprocess.CompletedProcess:
    return subprocess.run([*CXR, *map(str, words)], capture_output=True, text=True, **options)


@pytest.fixture
def holder(tmp_path):
    """A process that works in a folder until it is killed: call it with the folder."""
    code = "import sys; from pathlib import Path; from cxrlib.files import locked\n"
    code += "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    started = []

    def hold(folder: Path) -> subprocess.Popen:
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process = subprocess.Popen([sys.executable, "-c", code, folder], text=True, **pipes)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.mark.parametrize(
    ("held", "work"),
    [
        (".new.simulating", lambda cohort, out: simulate(out, films=10, prevalence=0.5, size=32)),
        ("new", lambda cohort, out: prepare(cohort, out, size=32)),
        ("new", lambda cohort, out: train(cohort, out, TINY)),
    ],
    ids=["simulate", "prepare", "train"],
)
def test_a_second_process_is_refused_and_works_when_the_first_is_dead(held, work, holder, sim_cohort, tmp_path):
    first = holder(tmp_path / held)
    with pytest.raises(InputError, match=rf"process {first.pid} on .* is at work in it; wait until it ends"):
        work(sim_cohort, tmp_path / "new")
    assert [path.name for path in (tmp_path / held).iterdir()] == [LOCK]
    first.kill()
    first.wait()
    work(sim_cohort, tmp_path / "new")
    assert not list(tmp_path.rglob(LOCK))


def test_a_second_process_waits_for_the_cache_that_the_first_makes(tmp_path, monkeypatch):
    """A thread stands in for the second process: it begins to wait before the folder is there."""
    calls, folder, waits = [], tmp_path / "films", threading.Event()

    class ObservedLock(FileLock):
        def acquire(self, *args, **options):
            waits.set()
            return super().acquire(*args, **options)

    with ThreadPoolExecutor() as pool:
        with locked(tmp_path, name=f".films{LOCK}", wait=True):
            monkeypatch.setattr("cxrlib.files.FileLock", ObservedLock)
            second = pool.submit(make_once, folder, lambda: calls.append("made twice"))
            waits.wait()
            assert not second.done()
            folder.mkdir()
        assert second.result() == folder
    assert calls == []


def test_a_lock_leaves_nothing_where_nothing_was_begun(tmp_path):
    with pytest.raises(ValueError, match="stop"), locked(tmp_path / "new"):
        raise ValueError("stop")
    assert is_empty(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("marker", "work"),
    [
        ("simulation.json", lambda cohort, out: simulate(out, films=10, prevalence=0.5, size=32)),
        ("cohort.csv", lambda cohort, out: prepare(cohort, out, size=32)),
        ("operating_point.json", lambda cohort, out: train(cohort, out, TINY)),
    ],
    ids=["simulate", "prepare", "train"],
)
def test_all_files_are_on_the_disk_before_the_one_that_says_complete(marker, work, sim_cohort, tmp_path, monkeypatch):
    """What the disk holds at the first of two calls is what a power failure after it leaves."""
    on_disk = []

    def record(folder: Path) -> None:
        on_disk.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()})

    monkeypatch.setattr(files, "sync_disk", record)
    work(read_cohort(sim_cohort) if marker == "operating_point.json" else sim_cohort, tmp_path / "out")
    before, after = on_disk
    assert Path(marker) not in before
    finished = {path: data for path, data in after.items() if path.name != LOCK}
    partial = [path for path in before if path.match(files.PARTIAL_PATTERN)]
    assert [before.pop(path) for path in partial] == [finished.pop(Path(marker))]  # its content, not yet its name
    assert finished.items() <= before.items()


def test_the_disk_is_asked_to_keep_what_was_written(tmp_path):
    files.sync_disk(tmp_path)
    with pytest.raises(OSError, match="absent"):
        files.sync_disk(tmp_path / "absent")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MB; call it with mount options to change it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")

    def change(options: str) -> Path:
        subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)
        return disk

    yield change
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.json"
    path.write_text(json.dumps(asdict(TINY)))
    return path


def commands(name: str, cohort: Path, out: Path, recipe: Path) -> list:
    return {
        "simulate": ["simulate", out, "--films", 60, "--size", 128],
        "prepare": ["prepare", cohort, out, "--size", 128],
        "train": ["train", cohort, out, "--recipe", recipe, "--resume"],
    }[name]


@pytest.mark.parametrize("name", ["simulate", "prepare", "train"])
def test_a_full_disk_is_reported_with_the_file_and_the_work_goes_on_once_there_is_space(
    name, small_disk, sim_cohort, recipe, tmp_path
):
    disk = small_disk("size=1m")
    (disk / "before").write_bytes(os.urandom(200_000))
    before = (disk / "before").read_bytes()
    command = commands(name, sim_cohort, disk / "out", recipe)
    failed = cxr(*command)
    assert failed.returncode == 2
    assert "No space left on device" in failed.stderr
    assert str(disk) in failed.stderr
    assert "Traceback" not in failed.stderr
    assert (disk / "before").read_bytes() == before
    small_disk("size=64m")
    done = cxr(*command)
    assert done.returncode == 0, done.stderr
    assert not [path for path in disk.rglob(".*") if path.is_file()]


@pytest.mark.parametrize("name", ["simulate", "prepare", "train"])
def test_a_read_only_folder_is_reported(name, small_disk, sim_cohort, recipe):
    disk = small_disk("ro")
    failed = cxr(*commands(name, sim_cohort, disk / "out", recipe))
    assert failed.returncode == 2
    assert "Read-only file system" in failed.stderr
    assert str(disk) in failed.stderr
    assert "Traceback" not in failed.stderr


def test_images_that_do_not_fit_are_refused_before_they_are_written(small_disk, sim_cohort, monkeypatch):
    """Else a signal would kill the process when it writes to the mapped file."""
    disk = small_disk("size=1m")
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    monkeypatch.setattr(batches, "MEMORY_LIMIT", 0)
    files = read_cohort(sim_cohort).files
    with (
        pytest.warns(batches.FilmsOnDiskWarning, match=f"in {re.escape(str(disk))}, which has 0.0 GB free"),
        pytest.raises(OSError, match=r"bytes of images cannot be kept \(No space left on device\)"),
    ):
        load_images(files, size=256)
    assert list(disk.iterdir()) == []


def test_an_error_without_a_file_gets_one(tmp_path):
    def write(partial):
        partial.write_text("half")
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(OSError, match=r"No space left on device: '.*table.csv'"),
        atomic(tmp_path / "table.csv") as partial,
    ):
        write(partial)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user")
def test_a_file_that_may_not_be_read_is_named(sim_cohort):
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.png"
        film.write_bytes(next((sim_cohort / "effusion").iterdir()).read_bytes())
        film.chmod(0)
        Path(folder).chmod(0o755)
        os.seteuid(NOBODY)
        try:
            with pytest.raises(InputError, match=r"film\.png: cannot be read \(Permission denied\)"):
                read_image(film)
        finally:
            os.seteuid(0)


def test_a_film_that_vanishes_is_named(tmp_path, sim_cohort):
    files = read_cohort(sim_cohort).files
    with pytest.raises(InputError, match=r"gone\.png: there is no such file"):
        load_images([*files[:3], tmp_path / "gone.png"], size=64)
    assert np.isfinite(load_images(files[:3], size=64)).all()


class Stop(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise KeyboardInterrupt


def changed(name, change):
    return lambda arrays: arrays | {name: change(arrays[name])}


DAMAGED_CHECKPOINTS = (
    (lambda arrays: {name: arrays[name] for name in arrays if name != "kept_3"}, r"\(kept_3\)"),
    (lambda arrays: arrays | {"more": np.zeros(3)}, r"\(more\)"),
    (changed("kept_0", lambda a: a[..., :1]), r"kept_0\.npy is float32 of shape .*; it must be float32"),
    (changed("kept_0", lambda a: a.astype(np.float64)), r"kept_0\.npy is float64"),
    (changed("kept_0", lambda a: a.astype(object)), "is object of shape"),
    (changed("kept_0", lambda a: np.full_like(a, np.nan)), "kept_0 holds a number that is not finite"),
    (changed("kept_0", lambda a: np.zeros((10**8,), np.float32)), r"kept_0\.npy is float32 of shape \(100000000,\)"),
    (changed("history", lambda a: a[:0]), "its history must have the epochs"),
    (changed("history", lambda a: np.tile(a, (2, 1))), "its history must have the epochs"),
    (changed("history", lambda a: np.zeros((10**7, 4))), r"history\.npy is float64 of shape \(10000000, 4\)"),
)


def test_a_damaged_checkpoint_or_one_of_another_run_is_refused(sim_cohort, tmp_path):
    """Whatever it declares, it takes little memory."""
    with pytest.raises(KeyboardInterrupt):
        train(sim_cohort, tmp_path / "run", TINY, callbacks=(Stop(),))
    callback = fuzz.make_checkpoint(tmp_path / "run", TINY)
    assert callback.restore() == 1
    path = tmp_path / "run" / CHECKPOINT
    whole = path.read_bytes()
    for damage in (b"", b"PK\x03\x04", b"x" * 1000, whole[:-100], whole[:5000] + b"xxxx" + whole[5004:]):
        path.write_bytes(damage)
        with pytest.raises(InputError, match=r"checkpoint\.npz: is damaged .*; remove the file to begin the training"):
            callback.restore()
    arrays = dict(np.load(io.BytesIO(whole)))
    for change, message in DAMAGED_CHECKPOINTS:
        np.savez_compressed(path, **change(arrays))
        tracemalloc.start()
        with pytest.raises(InputError, match=message):
            callback.restore()
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
        tracemalloc.stop()
    path.write_bytes(whole)
    for name in ("recipe.json", "split.csv"):
        text = (tmp_path / "run" / name).read_text()
        (tmp_path / "run" / name).write_text(text.replace("0", "1"))
        with pytest.raises(InputError, match=f"belongs to another run, because it was written beside another {name}"):
            callback.restore()
        (tmp_path / "run" / name).write_text(text)
    other = replace(TINY, seed=7)
    with pytest.raises(KeyboardInterrupt):
        train(sim_cohort, tmp_path / "other", other, callbacks=(Stop(),))
    path.replace(tmp_path / "other" / CHECKPOINT)
    with pytest.raises(
        InputError,
        match=r"other/checkpoint\.npz: belongs to another run, because it was written beside another recipe\.json",
    ):
        train(sim_cohort, tmp_path / "other", other, resume=True)


def test_a_complete_simulation_is_not_made_a_second_time(tmp_path):
    options = dict(films=10, prevalence=0.5, size=32)
    simulate(tmp_path / "cohort", **options)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cohort").rglob("*")}
    simulate(tmp_path / "cohort", **options)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cohort").rglob("*")} == before
    with pytest.raises(InputError, match="not made by this call"):
        simulate(tmp_path / "cohort", **options, seed=1)


def test_the_part_that_a_fetch_received_is_kept_and_its_folder_is_not_empty(two_folders, tmp_path):
    waiting = tmp_path / "out" / ".chestmnist.npz.partial" / "chestmnist.part"
    waiting.parent.mkdir(parents=True)
    waiting.write_bytes(b"half of it")
    assert not is_empty(tmp_path / "out")
    with pytest.raises(InputError, match="was not made by prepare"):
        prepare(two_folders, tmp_path / "out", size=32)
    assert waiting.exists()


def test_a_lock_left_behind_is_no_obstacle(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / LOCK).write_text("process 1 on nowhere")
    assert len(read_cohort(simulate(out, films=10, prevalence=0.4, size=32)).table) == 10


def test_no_command_writes_through_a_link_or_removes_what_lies_behind_it(tiny_run, sim_cohort, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_resume_download", lambda *_: pytest.fail("asked a server"))
    film, elsewhere, out = next((sim_cohort / "effusion").iterdir()), tmp_path / "elsewhere", tmp_path / "out"
    picture = save_prediction(tiny_run, film, tiny_run.predict(film), tmp_path / "pictures").name
    cases = {
        out / ".lock": lambda: fetch("chestmnist", out),
        out / "cohort.csv": lambda: prepare(sim_cohort, out, size=32),
        out / picture: lambda: save_prediction(tiny_run, film, tiny_run.predict(film), out),
        out / "page.html": lambda: write_page(tiny_run, out / "page.html"),
        out / ".chestmnist.npz.partial": lambda: fetch("chestmnist", out),
        out / ".chestmnist.npz.partial" / "chestmnist.part": lambda: fetch("chestmnist", out),
        tmp_path / ".out.simulating": lambda: simulate(out, films=4, prevalence=0.5, size=32),
    }
    for link, write in cases.items():
        for is_folder in (False, True):
            (elsewhere / "mine").mkdir(parents=True)
            (elsewhere / "film.png").write_text("mine")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(elsewhere if is_folder else elsewhere / "film.png")
            with pytest.raises(InputError, match=f"{link}: is a link"):
                write()
            assert link.is_symlink()
            assert sorted(path.name for path in elsewhere.iterdir()) == ["film.png", "mine"]
            assert (elsewhere / "film.png").read_text() == "mine"
            link.unlink()
            shutil.rmtree(elsewhere)
            shutil.rmtree(out, ignore_errors=True)
