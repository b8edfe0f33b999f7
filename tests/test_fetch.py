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
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
import requests

from cxrlib.cohorts import download, fetching
from cxrlib.cohorts.fetching import fetch
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
        elif mood not in ("no length", "endless"):
            self.send_header("Content-Length", str(len(body)))
        if mood == "gzip":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if mood == "endless":
            with suppress(OSError):  # until the other side goes away
                while not server.over.is_set():
                    self.wfile.write(bytes(CHUNK))
        elif mood == "slow":
            with suppress(OSError):
                while not server.over.wait(0.01):
                    self.wfile.write(b"x")
        elif mood in ("cut", "stall"):
            self.wfile.write(body[: CHUNK if start else CUT])
            self.wfile.flush()
            if mood == "stall":
                server.over.wait()
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
    monkeypatch.setattr(fetching, "ZENODO", f"http://127.0.0.1:{server.server_port}/files/")
    monkeypatch.setitem(fetching.CHESTMNIST, 28, ("chestmnist.npz", hashlib.md5(DATA).hexdigest()))
    monkeypatch.setattr(download, "PAUSE", 0.001)
    monkeypatch.setattr(download, "TIMEOUT", (60, 60))
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
    messages = []
    first = fetch("chestmnist", tmp_path / "data", notify=messages.append)
    assert first.path.read_bytes() == DATA
    assert left_in(tmp_path / "data") == ["chestmnist.npz"]
    assert zenodo.asked == [("/files/chestmnist.npz?download=1", None)]
    assert f"{len(DATA) / 1e6:.1f} MB from 127.0.0.1" in messages[0]
    assert "about 1 s at 50 Mbit/s" in messages[0]
    second = fetch("chestmnist", tmp_path / "data")
    assert (second.path, second.was_there, first.was_there) == (first.path, True, False)
    assert len(zenodo.asked) == 1
    assert prepare(first.path, tmp_path / "cohort", size=28).counts == {"effusion": 15, "nofinding": 15}


def test_an_interrupted_download_is_continued(zenodo, tmp_path):
    cases = [
        (["cut"], [None, CUT]),
        (["cut", "cut", "cut"], [None, CUT, CUT + CHUNK, CUT + 2 * CHUNK]),
        (["cut", "ranges refused"], [None, CUT]),
        (["cut", "corrupt"], [None, CUT, None]),
        (["corrupt"], [None, None]),
        ([503, 429], [None, None, None]),
        (["no length"], [None]),
    ]
    for i, (moods, starts) in enumerate(cases):
        zenodo.moods[:], messages = moods, []
        zenodo.asked.clear()
        result = fetch("chestmnist", tmp_path / str(i), notify=messages.append)
        assert result.path.read_bytes() == DATA
        assert left_in(tmp_path / str(i)) == ["chestmnist.npz"]
        assert [asked for _, asked in zenodo.asked] == [start and f"bytes={start}-" for start in starts]
        assert sum("attempt" in message for message in messages) == len(starts) - 1


def test_a_server_that_falls_silent_is_asked_again(zenodo, tmp_path, monkeypatch):
    """On a busy machine other requests may exceed the short limit of time, too: there are attempts enough."""
    monkeypatch.setattr(download, "TIMEOUT", (60, 0.3))
    monkeypatch.setattr(download, "ATTEMPTS", 1000)
    monkeypatch.setattr(download, "PAUSE", 0)
    zenodo.moods[:] = ["stall"]
    assert fetch("chestmnist", tmp_path).path.read_bytes() == DATA
    assert len(zenodo.asked) >= 2


def test_the_received_part_waits_for_the_next_call(zenodo, tmp_path):
    zenodo.moods[:] = ["cut", 503, 503, 503, 503]
    with pytest.raises(
        InputError, match=r"in 5 attempts .*503.* MB were received\. Run the same command again to go on"
    ):
        fetch("chestmnist", tmp_path)
    assert left_in(tmp_path) == [".chestmnist.npz.partial", ".chestmnist.npz.partial/chestmnist.part"]
    assert fetch("chestmnist", tmp_path).path.read_bytes() == DATA
    assert zenodo.asked[-1][1] == f"bytes={CUT}-"
    assert left_in(tmp_path) == ["chestmnist.npz"]


def test_the_file_is_whole_whatever_part_waits(zenodo, tmp_path):
    for i, part in enumerate((DATA, DATA + b"more", DATA[:CUT] + b"x")):
        folder = tmp_path / str(i) / ".chestmnist.npz.partial"
        folder.mkdir(parents=True)
        (folder / "chestmnist.part").write_bytes(part)
        (folder / "tmp123").write_bytes(b"left by a process that was killed")
        assert fetch("chestmnist", tmp_path / str(i)).path.read_bytes() == DATA
        assert left_in(tmp_path / str(i)) == ["chestmnist.npz"]


def test_an_error_that_stays_is_explained_and_leaves_no_file(zenodo, tmp_path, monkeypatch):
    cases = [
        ([404], "answers 404 .* the file cannot be downloaded from there"),
        ([403], "answers 403"),
        (["huge"], "sends 1000000000.0 GB or more as chestmnist, which has at most 0.1 MB: this is another file"),
        (["endless"], "sends 0.1 MB or more as chestmnist, which has at most 0.1 MB"),
        (["gzip"], "sends chestmnist compressed .gzip., which was not asked for"),
        (["corrupt"] * 5, "in 5 attempts .the file had another checksum.*; nothing was received. Run the same command"),
    ]
    monkeypatch.setattr(fetching, "_max_bytes", lambda size: 2 * len(DATA))
    for moods, message in cases:
        zenodo.moods[:] = moods
        zenodo.asked.clear()
        with pytest.raises(InputError, match=message):
            fetch("chestmnist", tmp_path)
        assert len(zenodo.asked) == len(moods)  # a request that cannot succeed is not repeated
        assert left_in(tmp_path) == []


def test_a_file_that_does_not_fit_on_the_disk_is_not_begun(zenodo, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=1000))
    with pytest.raises(InputError, match=r"MB are needed, and 0\.0 MB are free"):
        fetch("chestmnist", tmp_path)
    assert left_in(tmp_path) == []


def test_a_server_that_only_drips_is_asked_again_and_the_part_is_kept(zenodo, tmp_path, monkeypatch):
    """The limit of 1 kB/s is set so high that no server meets it. Without the limit, the test would not end."""
    monkeypatch.setattr(download, "RATE_SECONDS", 0)
    monkeypatch.setattr(download, "MIN_RATE", 10**12)
    zenodo.moods[:] = ["slow"] * download.ATTEMPTS
    with pytest.raises(InputError, match=r"in 5 attempts .*only \d+ bytes came in 0 s.*were received\. Run the same"):
        fetch("chestmnist", tmp_path)
    starts = [int(asked.strip("bytes=-")) for _, asked in zenodo.asked[1:]]
    assert len(starts) == download.ATTEMPTS - 1
    assert starts[0] > 0
    assert starts == sorted(set(starts))  # each attempt goes on after what the one before received


@pytest.mark.parametrize("size", [28, 64, 128, 224])
def test_the_limit_is_above_the_real_files(size):
    """The file for 28 pixels has 82,802,576 bytes: it is compressed, which saves little."""
    raw = 112_120 * size**2
    assert raw < fetching._max_bytes(size) < 1.05 * raw
    assert fetching._max_bytes(28) > 82_802_576


def test_no_server_at_all(zenodo, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "ZENODO", "http://127.0.0.1:9/")
    with pytest.raises(InputError, match=r"could not be downloaded from 127\.0\.0\.1:9 in 5 attempts .ConnectionError"):
        fetch("chestmnist", tmp_path)


def test_a_file_that_is_there_is_not_overwritten(zenodo, tmp_path):
    (tmp_path / "chestmnist.npz").write_bytes(b"my own")
    with pytest.raises(InputError, match=r"chestmnist\.npz: is not the file that .* move it away"):
        fetch("chestmnist", tmp_path)
    assert (tmp_path / "chestmnist.npz").read_bytes() == b"my own"
    assert zenodo.asked == []


def test_an_unknown_collection_or_size_is_refused(tmp_path):
    with pytest.raises(InputError, match="choose one of chestmnist, nih-sample, nih"):
        fetch("mimic", tmp_path)
    with pytest.raises(InputError, match="28, 64"):
        fetch("chestmnist", tmp_path, size=32)


def test_one_process_at_a_time(zenodo, tmp_path):
    with locked(tmp_path), pytest.raises(InputError, match="is at work in it"):
        fetch("chestmnist", tmp_path)


def test_progress_sees_every_byte_once(zenodo, tmp_path):
    zenodo.moods[:] = ["cut"]
    seen = []

    def progress(chunks, total, done):
        for chunk in chunks:
            seen.append((done, total, len(chunk)))
            yield chunk

    fetch("chestmnist", tmp_path, progress=progress)
    assert sum(count for *_, count in seen) == len(DATA)
    assert {total for _, total, _ in seen} == {len(DATA)}
    assert {done for done, *_ in seen} == {0, CUT}


def test_addresses_and_checksums_are_those_of_zenodo_and_medmnist():
    assert fetching.CHESTMNIST[224] == ("chestmnist_224.npz", "45bd33e6f06c3e8cdb481c74a89152aa")
    assert all(len(md5) == 32 for _, md5 in fetching.CHESTMNIST.values())
    assert fetching.ZENODO == "https://zenodo.org/records/10519652/files/"


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
        folder = Path(os.environ["KAGGLEHUB_CACHE"]) / "datasets" / handle / "versions" / "4"
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
    monkeypatch.setitem(fetching.KAGGLE, "nih-sample", ("nih-chest-xrays/sample", 1e6))
    monkeypatch.setenv("KAGGLEHUB_CACHE", "as it was")
    return hub


def test_nihs_sample_is_fetched_and_prepared_and_a_second_call_only_checks(kaggle, tmp_path):
    messages = []
    first = fetch("nih-sample", tmp_path, notify=messages.append)
    assert first.path == tmp_path / "nih-sample"
    assert "about 1.0 MB from Kaggle (nih-chest-xrays/sample), about 1 s at 50 Mbit/s" in messages[0]
    assert [path.name for path in tmp_path.iterdir()] == ["nih-sample"]
    assert os.environ["KAGGLEHUB_CACHE"] == "as it was"
    assert fetch("nih-sample", tmp_path) == fetching.Fetched(first.path, first.terms, was_there=True)
    assert kaggle.calls == ["nih-chest-xrays/sample"]
    assert prepare(first.path, tmp_path / "cohort", size=32).counts == {"effusion": 20, "nofinding": 20}


def test_the_label_file_is_found_in_a_sub_folder(kaggle, tmp_path):
    kaggle.mood = "nested"
    assert fetch("nih-sample", tmp_path).path == tmp_path / "nih-sample" / "sample"
    assert fetch("nih-sample", tmp_path).path == tmp_path / "nih-sample" / "sample"


def refused(status):
    answer = requests.Response()
    answer.status_code = status
    return requests.HTTPError(f"{status} Client Error", response=answer)


def test_an_error_at_kaggle_is_explained_and_leaves_no_folder(kaggle, tmp_path):
    cases = [
        (UnauthenticatedError("User is not authenticated"), r"make one at https://www\.kaggle\.com, then sign in once"),
        (refused(403), r"without an account.*kagglehub\.login"),
        (refused(500), r"could not be fetched from Kaggle .*500 Client Error.*; run the same command again"),
        (requests.ConnectionError("no route"), r"no route.*run the same command again"),
        (DataCorruptionError(), "damaged and was deleted; fetch it again"),
        ("missing", r"names 40 films, of which 1 are not there .*00000007_000\.png"),
        ("link", "is a link that leads out"),
        ("no labels", "has none of Data_Entry"),
    ]
    for i, (mood, message) in enumerate(cases):
        kaggle.mood = mood
        with pytest.raises(InputError, match=message):
            fetch("nih-sample", tmp_path / str(i))
        assert not (tmp_path / str(i) / "nih-sample").exists()
    kaggle.mood = None  # what the first attempt left is no obstacle
    assert fetch("nih-sample", tmp_path / "0").path == tmp_path / "0" / "nih-sample"


def test_the_second_call_finds_that_films_are_missing(kaggle, tmp_path):
    first = fetch("nih-sample", tmp_path)
    for path in first.path.rglob("00000007_000.png"):
        path.unlink()
    with pytest.raises(InputError, match=r"of which 1 are not there .* remove .*nih-sample and fetch it again"):
        fetch("nih-sample", tmp_path)


def test_without_kagglehub_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(InputError, match=r'pip install "kagglehub~=1\.0", and sign in'):
        fetch("nih", tmp_path)


def test_a_full_disk_is_found_before_kaggle_is_asked(kaggle, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=1e6))
    with pytest.raises(InputError, match=r"2\.0 MB are needed, and 1\.0 MB are free"):
        fetch("nih-sample", tmp_path)
    assert kaggle.calls == []


COMMAND = """
import sys
from cxrlib.cli import commands, progress
from cxrlib.cohorts import download, fetching
progress.SECONDS_BETWEEN_LINES = 0  # all work is long
fetching.ZENODO, fetching.CHESTMNIST[28] = sys.argv[1], ("chestmnist.npz", sys.argv[2])
download.CHUNK = 4096
sys.argv = ["cxr", "fetch", *sys.argv[3:]]
commands.main()
"""


def cxr_fetch(*words):
    words = [sys.executable, "-c", COMMAND, fetching.ZENODO, hashlib.md5(DATA).hexdigest(), *map(str, words)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_the_command_and_its_quiet_form(zenodo, tmp_path):
    done = cxr_fetch("chestmnist", tmp_path / "a")
    assert done.stdout.splitlines() == [f"{tmp_path / 'a' / 'chestmnist.npz'}: fetched and checked"]
    *lines, last = done.stderr.splitlines()
    assert last == f"next: cxr prepare {tmp_path / 'a' / 'chestmnist.npz'} COHORT --size 28"
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


def test_the_download_of_a_process_that_was_killed_is_continued(zenodo, tmp_path):
    zenodo.moods[:] = ["stall"]
    patient = COMMAND.replace("download.CHUNK", "download.TIMEOUT = (None, None); download.CHUNK")
    words = [sys.executable, "-c", patient, fetching.ZENODO, hashlib.md5(DATA).hexdigest(), "chestmnist", str(tmp_path)]
    part = tmp_path / ".chestmnist.npz.partial" / "chestmnist.part"
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (part.exists() and part.stat().st_size):
            time.sleep(0.02)
        process.kill()
    assert not (tmp_path / "chestmnist.npz").exists()
    received = part.stat().st_size
    assert fetch("chestmnist", tmp_path).path.read_bytes() == DATA
    assert zenodo.asked[-1][1] == f"bytes={received}-"
