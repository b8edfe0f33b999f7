"""Films are fetched from a local server that stalls, cuts off, corrupts and refuses, and from a stand-in for Kaggle."""

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
import requests

from cxrlib.cohorts import download
from cxrlib.cohorts import fetching as fetch
from cxrlib.cohorts.preparation import prepare
from cxrlib.errors import InputError
from cxrlib.files import locked


def small_chestmnist() -> bytes:
    rng, arrays = np.random.default_rng(0), {}
    for split, count in {"train": 18, "val": 6, "test": 6}.items():
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.eye(14, dtype=np.uint8)[[2] * count] * (np.arange(count) % 2 == 0)[:, None]
    stream = io.BytesIO()
    np.savez(stream, **{name: array.astype(np.uint8) for name, array in arrays.items()})
    return stream.getvalue()


DATA = small_chestmnist()
CHUNK = 4096
CUT = 3 * CHUNK


class Zenodo(BaseHTTPRequestHandler):
    """Sends DATA; the server's `moods`, one a request, say what goes wrong."""

    def do_GET(self):
        server = self.server
        mood = server.moods.pop(0) if server.moods else "well"
        asked = self.headers.get("Range")
        server.asked.append((self.path, asked))
        start = 0
        if asked and mood != "ranges refused":
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if isinstance(mood, int):
            return self.send_error(mood)
        if start >= len(DATA):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(DATA)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        body = DATA[start:]
        if mood == "corrupt":
            body = bytes([body[0] ^ 255]) + body[1:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
        if mood == "huge":
            self.send_header("Content-Length", str(10**18))
        elif mood != "no length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if mood in ("cut", "stall"):
            self.wfile.write(body[: CHUNK if start else CUT])
            self.wfile.flush()
            if mood == "stall":
                server.over.wait(5)
        elif mood != "huge":
            self.wfile.write(body)
        return None

    def log_message(self, *args):
        pass


@pytest.fixture
def zenodo(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Zenodo)
    server.moods, server.asked, server.over = [], [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setattr(fetch, "ZENODO", f"http://127.0.0.1:{server.server_port}/files/")
    monkeypatch.setitem(fetch.CHESTMNIST, 28, ("chestmnist.npz", hashlib.md5(DATA).hexdigest()))
    monkeypatch.setattr(download, "PAUSE", 0.001)
    monkeypatch.setattr(download, "TIMEOUT", (2, 0.3))
    monkeypatch.setattr(download, "CHUNK", CHUNK)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def left_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.name != ".lock")


def test_chestmnist_is_fetched_and_prepared_and_a_second_call_only_checks(zenodo, tmp_path):
    told = []
    made = fetch.fetch("chestmnist", tmp_path / "data", tell=told.append)
    assert made.path.read_bytes() == DATA
    assert left_in(tmp_path / "data") == ["chestmnist.npz"]
    assert zenodo.asked == [("/files/chestmnist.npz?download=1", None)]
    assert f"{len(DATA) / 1e6:.1f} MB from 127.0.0.1" in told[0]
    assert "about 1 s at 50 Mbit/s" in told[0]
    again = fetch.fetch("chestmnist", tmp_path / "data")
    assert (again.path, again.was_there, made.was_there) == (made.path, True, False)
    assert len(zenodo.asked) == 1
    assert prepare(made.path, tmp_path / "cohort", size=28).counts == {"effusion": 15, "nofinding": 15}


@pytest.mark.parametrize(
    ("moods", "ranges"),
    [
        (["cut"], [None, CUT]),
        (["stall"], [None, CUT]),
        (["cut", "cut", "stall"], [None, CUT, CUT + CHUNK, CUT + 2 * CHUNK]),
        (["cut", "ranges refused"], [None, CUT]),
        (["cut", "corrupt"], [None, CUT, None]),
        (["corrupt"], [None, None]),
        ([503, 429], [None, None, None]),
        (["no length"], [None]),
    ],
)
def test_what_goes_wrong_on_the_way_is_mended(zenodo, tmp_path, moods, ranges):
    zenodo.moods[:] = moods
    told = []
    assert fetch.fetch("chestmnist", tmp_path, tell=told.append).path.read_bytes() == DATA
    assert left_in(tmp_path) == ["chestmnist.npz"]
    assert [asked for _, asked in zenodo.asked] == [place and f"bytes={place}-" for place in ranges]
    assert sum("attempt" in text for text in told) == len(ranges) - 1


def test_what_has_come_waits_for_the_next_call(zenodo, tmp_path):
    zenodo.moods[:] = ["cut", 503, 503, 503, 503]
    with pytest.raises(InputError, match=r"in 5 attempts .*503.* have come, and the same command goes on"):
        fetch.fetch("chestmnist", tmp_path)
    assert left_in(tmp_path) == [".chestmnist.npz.partial", ".chestmnist.npz.partial/chestmnist.come"]
    assert fetch.fetch("chestmnist", tmp_path).path.read_bytes() == DATA
    assert zenodo.asked[-1][1] == f"bytes={CUT}-"
    assert left_in(tmp_path) == ["chestmnist.npz"]


@pytest.mark.parametrize("come", [DATA, DATA + b"more", DATA[:CUT] + b"x"])
def test_whatever_waits_there_the_file_is_whole_in_the_end(zenodo, tmp_path, come):
    (tmp_path / ".chestmnist.npz.partial").mkdir()
    (tmp_path / ".chestmnist.npz.partial" / "chestmnist.come").write_bytes(come)
    (tmp_path / ".chestmnist.npz.partial" / "tmp123").write_bytes(b"of a call that was killed")
    assert fetch.fetch("chestmnist", tmp_path).path.read_bytes() == DATA
    assert left_in(tmp_path) == ["chestmnist.npz"]


@pytest.mark.parametrize(
    ("moods", "message"),
    [
        ([404], "answers 404 .* the file is not to be had there"),
        ([403], "answers 403"),
        (["huge"], "1000000000.0 GB are needed, and .* are free"),
        (["corrupt"] * 5, "in 5 attempts .what has come has another checksum.*: nothing has come"),
    ],
)
def test_what_cannot_be_mended_is_told_and_leaves_no_file(zenodo, tmp_path, moods, message):
    zenodo.moods[:] = list(moods)
    with pytest.raises(InputError, match=message):
        fetch.fetch("chestmnist", tmp_path)
    assert len(zenodo.asked) == len(moods)  # one that is of no use is not repeated
    assert left_in(tmp_path) == []


def test_no_server_at_all(zenodo, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "ZENODO", "http://127.0.0.1:9/")
    with pytest.raises(InputError, match=r"could not be fetched from 127\.0\.0\.1:9 in 5 attempts .ConnectionError"):
        fetch.fetch("chestmnist", tmp_path)


def test_what_is_there_is_not_overwritten(zenodo, tmp_path):
    (tmp_path / "chestmnist.npz").write_bytes(b"my own")
    with pytest.raises(InputError, match=r"chestmnist\.npz: is not what .* move it away"):
        fetch.fetch("chestmnist", tmp_path)
    assert (tmp_path / "chestmnist.npz").read_bytes() == b"my own"
    assert zenodo.asked == []


@pytest.mark.parametrize(
    ("options", "message"), [({"name": "mimic"}, "choose one of chestmnist, nih-sample, nih"), ({"size": 32}, "28, 64")]
)
def test_what_is_not_to_be_had(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        fetch.fetch(**{"name": "chestmnist", "out": tmp_path} | options)


def test_one_process_at_a_time(zenodo, tmp_path):
    with locked(tmp_path), pytest.raises(InputError, match="is at work in it"):
        fetch.fetch("chestmnist", tmp_path)


def test_progress_sees_every_byte_once(zenodo, tmp_path):
    zenodo.moods[:] = ["cut"]
    seen = []

    def progress(chunks, total, done):
        for chunk in chunks:
            seen.append((done, total, len(chunk)))
            yield chunk

    fetch.fetch("chestmnist", tmp_path, progress=progress)
    assert sum(count for *_, count in seen) == len(DATA)
    assert {total for _, total, _ in seen} == {len(DATA)}
    assert {done for done, *_ in seen} == {0, CUT}


def test_addresses_and_sizes_are_those_that_are_stated():
    assert fetch.CHESTMNIST[224] == ("chestmnist_224.npz", "45bd33e6f06c3e8cdb481c74a89152aa")
    assert all(len(md5) == 32 for _, md5 in fetch.CHESTMNIST.values())
    assert fetch.ZENODO == "https://zenodo.org/records/10519652/files/"


class UnauthenticatedError(Exception):
    pass


class DataCorruptionError(Exception):
    pass


@pytest.fixture
def kaggle(monkeypatch, film):
    """A stand-in for kagglehub: unpacks a sample as Kaggle has it, into the folder that its variable names."""
    hub, exceptions = types.ModuleType("kagglehub"), types.ModuleType("kagglehub.exceptions")
    exceptions.UnauthenticatedError = exceptions.CredentialError = UnauthenticatedError
    exceptions.DataCorruptionError = DataCorruptionError
    hub.exceptions, hub.calls, hub.mood = exceptions, [], None

    def dataset_download(handle):
        hub.calls.append(handle)
        folder = fetch.Path(os.environ["KAGGLEHUB_CACHE"]) / "datasets" / handle / "versions" / "4"
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(hub.mood, Exception):
            raise hub.mood
        rows = []
        for i in range(40):
            name = f"{i:08d}_000.png"
            for place in ("sample/images", "sample/sample/images"):
                (folder / place).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / place / name), np.roll(film, i, axis=0))
            rows.append(f"{name},{'Effusion' if i % 2 else 'No Finding'},{i},058Y,M,PA")
        head = "Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position"
        for place in ("", "sample"):
            (folder / place / "sample_labels.csv").write_text("\n".join([head, *rows]) + "\n")
        if hub.mood == "missing":
            for place in ("sample/images", "sample/sample/images"):
                (folder / place / "00000007_000.png").unlink()
        if hub.mood == "link":
            (folder / "sample" / "out").symlink_to(os.path.abspath(os.sep))
        if hub.mood == "no labels":
            (folder / "sample_labels.csv").unlink()
            (folder / "sample" / "sample_labels.csv").unlink()
        if hub.mood == "nested":
            (folder / "sample_labels.csv").unlink()
        return str(folder)

    hub.dataset_download = dataset_download
    monkeypatch.setitem(sys.modules, "kagglehub", hub)
    monkeypatch.setitem(sys.modules, "kagglehub.exceptions", exceptions)
    monkeypatch.setitem(fetch.KAGGLE, "nih-sample", ("nih-chest-xrays/sample", 1e6))
    monkeypatch.setenv("KAGGLEHUB_CACHE", "as it was")
    return hub


def test_nihs_sample_is_fetched_and_prepared_and_a_second_call_only_checks(kaggle, tmp_path):
    told = []
    made = fetch.fetch("nih-sample", tmp_path, tell=told.append)
    assert made.path == tmp_path / "nih-sample"
    assert "about 1.0 MB from Kaggle (nih-chest-xrays/sample), about 1 s at 50 Mbit/s" in told[0]
    assert [path.name for path in tmp_path.iterdir()] == ["nih-sample"]
    assert os.environ["KAGGLEHUB_CACHE"] == "as it was"
    assert fetch.fetch("nih-sample", tmp_path) == fetch.Fetched(made.path, made.terms, was_there=True)
    assert kaggle.calls == ["nih-chest-xrays/sample"]
    assert prepare(made.path, tmp_path / "cohort", size=32).counts == {"effusion": 20, "nofinding": 20}


def test_the_label_file_is_found_where_it_lies(kaggle, tmp_path):
    kaggle.mood = "nested"
    assert fetch.fetch("nih-sample", tmp_path).path == tmp_path / "nih-sample" / "sample"
    assert fetch.fetch("nih-sample", tmp_path).path == tmp_path / "nih-sample" / "sample"


def refused(status):
    answer = requests.Response()
    answer.status_code = status
    return requests.HTTPError(f"{status} Client Error", response=answer)


@pytest.mark.parametrize(
    ("mood", "message"),
    [
        (UnauthenticatedError("User is not authenticated"), r"make one at https://www\.kaggle\.com, then sign in once"),
        (refused(403), r"without an account.*kagglehub\.login"),
        (refused(500), r"could not be fetched from Kaggle .*500 Client Error.*; the same command goes on"),
        (requests.ConnectionError("no route"), r"no route.*the same command goes on"),
        (DataCorruptionError(), "damaged, and was thrown away; fetch it again"),
        ("missing", r"names 40 films, of which 1 are not there .*00000007_000\.png"),
        ("link", "is a link that leads out"),
        ("no labels", "has none of Data_Entry"),
    ],
)
def test_what_goes_wrong_at_kaggle_is_told_and_leaves_no_folder(kaggle, tmp_path, mood, message):
    kaggle.mood = mood
    with pytest.raises(InputError, match=message):
        fetch.fetch("nih-sample", tmp_path)
    assert not (tmp_path / "nih-sample").exists()
    kaggle.mood = None
    shutil.rmtree(tmp_path / ".nih-sample.partial")
    assert fetch.fetch("nih-sample", tmp_path).path == tmp_path / "nih-sample"


def test_films_that_went_missing_are_seen_by_the_second_call(kaggle, tmp_path):
    made = fetch.fetch("nih-sample", tmp_path)
    for path in made.path.rglob("00000007_000.png"):
        path.unlink()
    with pytest.raises(InputError, match=r"of which 1 are not there .* remove .*nih-sample and fetch it again"):
        fetch.fetch("nih-sample", tmp_path)


def test_without_kagglehub_it_is_said_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(InputError, match=r'pip install "kagglehub~=1\.0", and sign in'):
        fetch.fetch("nih", tmp_path)


def test_a_full_disk_is_seen_before_kaggle_is_asked(kaggle, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=1e6))
    with pytest.raises(InputError, match=r"2\.0 MB are needed, and 1\.0 MB are free"):
        fetch.fetch("nih-sample", tmp_path)
    assert kaggle.calls == []


COMMAND = """
import sys
from cxrlib.cli import commands, progress
from cxrlib.cohorts import download, fetching
progress.EVERY = 0  # all work is long
fetching.ZENODO, fetching.CHESTMNIST[28] = sys.argv[1], ("chestmnist.npz", sys.argv[2])
download.CHUNK = 4096
sys.argv = ["cxr", "fetch", *sys.argv[3:]]
commands.main()
"""


def cxr_fetch(*words):
    words = [sys.executable, "-c", COMMAND, fetch.ZENODO, hashlib.md5(DATA).hexdigest(), *map(str, words)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_the_command_and_its_quiet_form(zenodo, tmp_path):
    done = cxr_fetch("chestmnist", tmp_path / "a")
    assert done.stdout.splitlines() == [
        f"{tmp_path / 'a' / 'chestmnist.npz'}: fetched and checked",
        f"next: cxr prepare {tmp_path / 'a' / 'chestmnist.npz'} COHORT --size 28",
    ]
    lines = done.stderr.splitlines()
    assert lines[0].startswith("note: chestmnist")
    assert [line.split(":")[0] for line in lines[1:-2]] == ["fetching"] * len(lines[1:-2])
    assert re.fullmatch(r"fetching: [\d.]+k?B of [\d.]+kB, (\d\d:\d\d|\?) left", lines[-3])
    assert "CC BY 4.0" in lines[-2]
    assert "Wang et al." in lines[-1]
    quiet = cxr_fetch("chestmnist", tmp_path / "b", "--quiet")
    assert [line.split(":")[0] for line in quiet.stderr.splitlines()] == ["terms", "terms"]
    assert "was there, and is whole" in cxr_fetch("chestmnist", tmp_path / "a").stdout
    wrong = cxr_fetch("chestmnist", tmp_path / "a", "--size", 32)
    assert (wrong.returncode, wrong.stderr) == (2, "cxr: size is 32; ChestMNIST has 28, 64, 128, 224\n")


def test_a_process_that_is_killed_goes_on(zenodo, tmp_path):
    zenodo.moods[:] = ["stall"]
    slow = COMMAND.replace("download.CHUNK", "download.TIMEOUT = (9, 9); download.CHUNK")
    words = [sys.executable, "-c", slow, fetch.ZENODO, hashlib.md5(DATA).hexdigest(), "chestmnist", str(tmp_path)]
    come = tmp_path / ".chestmnist.npz.partial" / "chestmnist.come"
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while not (come.exists() and come.stat().st_size) and time.monotonic() < until:
            time.sleep(0.02)
        process.kill()
    assert not (tmp_path / "chestmnist.npz").exists()
    there = come.stat().st_size
    assert fetch.fetch("chestmnist", tmp_path).path.read_bytes() == DATA
    assert zenodo.asked[-1][1] == f"bytes={there}-"
