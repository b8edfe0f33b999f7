"""Files that are broken, odd, or meant to do harm become a correct image or a refusal, and nothing else."""

import ast
import contextlib
import gzip
import io
import json
import logging
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
import zlib
from dataclasses import fields, replace
from itertools import product
from pathlib import Path

import cv2
import fuzz
import h5py
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from typer.testing import CliRunner

from cxrlib import files
from cxrlib.cli.commands import app
from cxrlib.cohorts import nih
from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.preparation import prepare
from cxrlib.errors import InputError
from cxrlib.files import LOCK, MAX_BYTES, locked
from cxrlib.images.dicom import decoder_process
from cxrlib.images.dicom.decoder_process import decode_in_child
from cxrlib.images.pixels import minmax, percentile, resize_to_square
from cxrlib.images.radiograph import open_radiograph, read_image
from cxrlib.model.backend import keras
from cxrlib.model.network import build_network
from cxrlib.model.network_file import CONFIG, WEIGHTS, load_network, pack_network, read_network
from cxrlib.model.recipe import Recipe, read_recipe, recipe_text
from cxrlib.phantom.simulation import simulate
from cxrlib.training.run import open_run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes and signals")

ROOT = Path(__file__).parents[1]
MANY = settings(max_examples=300, deadline=None, derandomize=True, database=None)
FEW = settings(MANY, max_examples=60)
RECIPE = Recipe(width=4, size=32)


def check_image_contract(image, shape=None):
    assert image.dtype == np.float32
    assert shape is None or image.shape == shape
    assert np.isfinite(image).all()
    assert image.min() >= 0
    assert image.max() <= 1


def read(data: bytes, suffix: str, **options):
    """Return the image in a file, or None if the file is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"film{suffix}"
        path.write_bytes(data)
        try:
            image = open_radiograph(path, **options).image
        except InputError:
            return None
    check_image_contract(image)
    return image


# arrays

KINDS = ("?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "S3", "U2", "M8[s]", "O")
dtypes = st.builds(lambda order, kind: np.dtype(order + kind), st.sampled_from("<>"), st.sampled_from(KINDS))
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9)


def arrays(kinds=dtypes):
    elements = lambda dtype: st.integers(0, 9) if dtype.kind == "O" else None
    return kinds.flatmap(lambda dtype: hnp.arrays(dtype, shapes, elements=elements(dtype)))


@MANY
@given(arrays(), st.sampled_from([minmax, percentile]))
def test_any_array_is_normalised_or_refused(array, normalise):
    try:
        image = normalise(array)
    except InputError:
        return
    check_image_contract(image, array.shape)


def test_a_range_that_cannot_be_divided_by_is_refused():
    for low, high in ((0, 5e-324), (-1.7e308, 1.7e308), (0, np.inf), (np.nan, 1), (-np.inf, 0)):
        for normalise in (minmax, percentile):
            with pytest.raises(InputError, match=r"the range to normalise|finite numbers"):
                normalise(np.array([[low, high], [high, low]]))


@MANY
@given(
    hnp.arrays(st.sampled_from(["<f4", ">f4", "<f8", ">f8", "<f2"]), shapes, elements=st.floats(0, 1, width=16)),
    st.integers(1, 40),
    st.booleans(),
)
def test_any_image_is_resized_or_refused(image, size, reverse):
    try:
        square = resize_to_square(image[::-1] if reverse and image.ndim else image, size)
    except InputError:
        assert image.ndim != 2 or 0 in image.shape
        return
    check_image_contract(square, (size, size))


def test_a_long_strip_does_not_become_a_square_of_terabytes(tmp_path):
    with pytest.raises(InputError, match="of 1 to"):
        resize_to_square(np.zeros((1, 10_000_000), np.float32), 32)
    cv2.imwrite(str(tmp_path / "strip.png"), np.arange(30_000, dtype=np.uint16)[None])
    with pytest.raises(InputError, match="30000x1 pixels"):
        read_image(tmp_path / "strip.png", size=32)


@FEW
@given(arrays(st.sampled_from([np.dtype(k) for k in ("<f4", ">f8", "f2", "u1", "?", "S3", "c8")])))
def test_predict_takes_any_array_or_refuses_it(array):
    run = open_run("simulated")
    try:
        prediction = run.predict(array)
    except InputError:
        return
    assert 0 <= prediction.score <= 1


# files of every kind

COLOURS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
sides = st.integers(1, 20)


@MANY
@given(
    st.sampled_from([(c, b) for c, bits in COLOURS.items() for b in bits]), sides, sides, st.randoms(), st.booleans()
)
def test_a_png_of_any_mode_and_depth(kind, rows, columns, random, allow_color):
    colour, bits = kind
    values = np.array([random.randrange(2**bits) for _ in range(rows * columns * CHANNELS[colour])]).reshape(rows, -1)
    places = np.arange(bits)[::-1]
    packed = np.packbits((values[..., None] >> places & 1).astype(np.uint8).reshape(rows, -1), axis=1)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", columns, rows, bits, colour, 0, 0, 0))]
    if colour == 3:
        chunks.append((b"PLTE", random.randbytes(3 * 2**bits)))
    lines = b"".join(b"\0" + line.tobytes() for line in packed)
    image = read(
        fuzz.png([*chunks, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]), ".png", accept=["color"] * allow_color
    )
    if colour == 0 and np.ptp(values) > 0:
        np.testing.assert_allclose(image, minmax(values), atol=1e-6)
    elif colour == 0:
        assert image is None


def test_an_interlaced_png_reads_as_the_plain_one():
    film = fuzz.film(bits=8)
    np.testing.assert_array_equal(read(fuzz.interlaced(film), ".png"), minmax(film.astype(np.uint8)))


@FEW
@given(st.sampled_from(["L", "RGB", "CMYK"]), sides, sides, st.integers(1, 100), st.booleans(), st.booleans())
def test_a_jpeg_of_any_mode(mode, rows, columns, quality, progressive, allow_color):
    film = fuzz.film(rows, columns, bits=8).astype(np.uint8)
    data = fuzz.pictured(film, "JPEG", mode, quality=quality, progressive=progressive)
    image = read(data, ".jpg", accept=["color"] * allow_color)
    assert image is None or image.shape == film.shape


@MANY
@given(st.data())
def test_a_dicom_file_of_any_depth_sign_order_and_window(data):
    bits, signed = data.draw(st.sampled_from([8, 12, 16])), data.draw(st.booleans())
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    kind = np.dtype(("<i" if signed else "<u") + ("1" if bits == 8 else "2"))
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
    stored = data.draw(hnp.arrays(kind, shape, elements=st.integers(low, high)))
    body = stored.tobytes() + b"\0" * (stored.nbytes % 2)
    tags = dict(BitsAllocated=8 * kind.itemsize, BitsStored=bits, HighBit=bits - 1, PixelData=body)
    tags |= dict(
        PixelRepresentation=int(signed),
        PhotometricInterpretation=data.draw(st.sampled_from(["MONOCHROME1", "MONOCHROME2"])),
    )
    extra = {}
    if data.draw(st.booleans()):
        numbers = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: round(x, 3))
        extra |= dict(WindowCenter=data.draw(numbers), WindowWidth=data.draw(numbers))
        extra |= dict(VOILUTFunction=data.draw(st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID", "CUBIC"])))
        extra |= dict(RescaleSlope=data.draw(numbers), RescaleIntercept=data.draw(numbers))
    if data.draw(st.booleans()):
        extra |= dict(PixelPaddingValue=max(0, int(stored.flat[0])))
    encoded = fuzz.dicom(stored, **tags, **extra)
    if kind.itemsize == 2:
        order = data.draw(
            st.sampled_from(
                [
                    pydicom.uid.ExplicitVRLittleEndian,
                    pydicom.uid.ImplicitVRLittleEndian,
                    pydicom.uid.ExplicitVRBigEndian,
                    pydicom.uid.DeflatedExplicitVRLittleEndian,
                ]
            )
        )
        encoded = fuzz.reencoded(encoded, order)
    image = read(encoded, ".dcm")
    if not extra and np.ptp(stored.astype(int)) > 0:
        expected = minmax(stored.astype(int))
        expected = 1 - expected if tags["PhotometricInterpretation"] == "MONOCHROME1" else expected
        np.testing.assert_allclose(image, expected, atol=1e-6)


@pytest.fixture(scope="module")
def films():
    return fuzz.simulated_films()


def test_a_compressed_or_rewritten_dicom_file_reads_as_the_plain_one(films):
    expected = read(films["plain.dcm"], ".dcm")
    for name in ("lossless.dcm", "ls.dcm", "2000.dcm", "run.dcm", "big.dcm", "deflated.dcm", "implicit.dcm"):
        np.testing.assert_array_equal(read(films[name], ".dcm"), expected, err_msg=name)


# thousands of damaged files; tests/slow has ten times as many


@pytest.mark.parametrize(("kind", "count"), [("films", 2000), ("tables", 100), ("networks", 8)])
def test_damaged_files_become_images_or_refusals(tmp_path, kind, count):
    outcomes = fuzz.run(kind, tmp_path, count)["outcomes"]
    num_read = sum(n for name, n in outcomes.items() if name.endswith(" read"))
    assert 0.02 * count < num_read < 0.6 * sum(outcomes.values())  # otherwise there is too much damage, or too little


# the child process that decodes


def assert_decodes(films):
    np.testing.assert_array_equal(read(films["lossless.dcm"], ".dcm"), read(films["plain.dcm"], ".dcm"))


@pytest.mark.parametrize("death", ["SIGABRT", "SIGSEGV", "SIGKILL"])
def test_a_child_that_ends_during_a_film_ends_nothing_else(monkeypatch, films, death):
    """GDCM crashes on much damaged data, but not each time. So the child is ended on purpose."""
    send = decoder_process._send
    decoder_process.stop_children()  # so that there is only one

    def send_and_end(stream, block):
        decoder_process._children[-1].send_signal(signal.Signals[death])
        decoder_process._children[-1].wait()
        send(stream, block)

    with monkeypatch.context() as patch:
        patch.setattr(decoder_process, "_send", send_and_end)
        with pytest.raises(ValueError, match="the decoder crashed"):
            decode_in_child(films["lossless.dcm"])
    assert_decodes(films)


def test_a_child_that_ended_between_two_films_is_started_again(films):
    decoder_process.stop_children()
    assert_decodes(films)
    decoder_process._children[-1].kill()
    decoder_process._children[-1].wait()
    assert_decodes(films)


def test_a_child_that_hangs_is_ended(monkeypatch, films):
    decoder_process.stop_children()
    assert_decodes(films)
    hanging = decoder_process._children[-1]
    with monkeypatch.context() as patch:
        patch.setattr(decoder_process, "TIME_LIMIT", 0.2)
        hanging.send_signal(signal.SIGSTOP)
        with pytest.raises(ValueError, match=r"the decoder took more than 0\.2 s"):
            decode_in_child(films["lossless.dcm"])
    assert hanging.returncode == -signal.SIGKILL
    assert_decodes(films)


def test_after_each_damaged_stream_the_next_film_is_read(films):
    for seed in range(60):
        with contextlib.suppress(ValueError):
            damaged = fuzz.mutate(films["lossless.dcm"], films["lossless.dcm"], np.random.default_rng(seed), text=False)
            decode_in_child(damaged)
        assert read(films["lossless.dcm"], ".dcm") is not None


def test_the_answer_for_an_interrupted_film_is_not_given_for_the_next(monkeypatch, films):
    def interrupt(stream):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(decoder_process, "_receive", interrupt)
        with pytest.raises(KeyboardInterrupt):
            read(films["jpeg.dcm"], ".dcm")
    assert_decodes(films)


def test_threads_decode_at_the_same_time_in_children_of_their_own(films):
    names = ("lossless.dcm", "ls.dcm", "2000.dcm", "plain.dcm") * 8
    expected, filters = read(films["plain.dcm"], ".dcm"), warnings.filters[:]
    for image in files.map_in_order(lambda name: read(films[name], ".dcm"), names, workers=8):
        np.testing.assert_array_equal(image, expected)
    assert 1 <= len(decoder_process._children) <= os.cpu_count()
    assert len(decoder_process._idle) == len(decoder_process._children)
    assert warnings.filters == filters
    assert logging.getLogger("pydicom").level <= logging.CRITICAL


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of the child is limited only on Linux")
def test_the_memory_of_the_child_is_limited(films):
    decoder_process.stop_children()
    assert decode_in_child(films["lossless.dcm"]).shape == (52, 44)
    limits = Path(f"/proc/{decoder_process._children[-1].pid}/limits").read_text()
    assert re.search(rf"Max data size +{decoder_process.MEMORY_LIMIT} ", limits)


FORK = """
import os, sys
from cxrlib.images.dicom import decoder_process
from cxrlib.images.dicom.decoder_process import decode_in_child
data = open(sys.argv[1], "rb").read()
expected = decode_in_child(data).tobytes()
pid = os.fork()
assert decode_in_child(data).tobytes() == expected
if pid:
    assert os.waitpid(pid, 0)[1] == 0
    assert decode_in_child(data).tobytes() == expected
assert "tensorflow" not in sys.modules
"""
KILLED = """
import os, signal, sys
from cxrlib.images.dicom import decoder_process
decoder_process.decode_in_child(open(sys.argv[1], "rb").read())
print(decoder_process._children[-1].pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL if sys.argv[2] == "killed" else 0)
"""


def test_both_processes_decode_after_a_fork(tmp_path, films):
    (tmp_path / "film.dcm").write_bytes(films["ls.dcm"])
    done = subprocess.run([sys.executable, "-c", FORK, tmp_path / "film.dcm"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("end", ["ended", "killed"])
def test_no_child_is_left_behind(tmp_path, films, end):
    (tmp_path / "film.dcm").write_bytes(films["ls.dcm"])
    words = [sys.executable, "-c", KILLED, tmp_path / "film.dcm", end]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
    for _ in range(600):  # the child sees that its input is closed, and ends
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            time.sleep(0.1)
            continue
        return
    raise AssertionError("the child still runs")


def test_modules_in_the_current_folder_are_not_imported(tmp_path, films, monkeypatch):
    for name in ("json", "numpy", "pydicom", "pickle", "threading"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the current folder')")
    monkeypatch.chdir(tmp_path)
    decoder_process.stop_children()
    assert_decodes(films)


# small files that declare to be large


def bombs(films) -> dict[str, bytes]:
    film = fuzz.film(bits=8)
    plain = fuzz.pictured(film.astype(np.uint8), "PNG")
    zeros = zlib.compress(bytes(400_000_000), 9)
    head = lambda side: struct.pack(">IIBBBBB", side, side, 16, 6, 0, 0, 0)
    with_chunk = lambda kind, body: plain[:33] + fuzz.png([(kind, body)])[8:] + plain[33:]
    deflated = fuzz.reencoded(fuzz.dicom(film), pydicom.uid.DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(deflated[140:144], "little")
    result = {
        "size.png": fuzz.png([(b"IHDR", head(2**31 - 1)), (b"IDAT", zeros[:1000]), (b"IEND", b"")]),
        "side.png": fuzz.png([(b"IHDR", head(6001)), (b"IDAT", zeros), (b"IEND", b"")]),
        "text.png": with_chunk(b"zTXt", b"cxrlib\0\0" + zeros),
        "profile.png": with_chunk(b"iCCP", b"x\0\0" + zeros),
        "parts.png": plain[:33] + fuzz.png([(b"teXt", b"")])[8:] * 3_000_000,
        "deflated.dcm": deflated[:start] + gzip.compress(bytes(400_000_000))[10:-8],
    }
    scans = fuzz.pictured(film.astype(np.uint8), "JPEG", progressive=True)
    result["scans.jpg"] = scans[:-2] + scans[scans.rindex(b"\xff\xda") : -2] * 100_000 + scans[-2:]
    for name, mark, place in (
        ("2000.dcm", b"\xff\x4f\xff\x51", 8),
        ("lossless.dcm", b"\xff\xc3", 5),
        ("ls.dcm", b"\xff\xf7", 5),
    ):
        data = bytearray(films[name])
        where, size = data.index(mark) + place, struct.pack(">II", 60_000, 60_000) if place == 8 else b"\xea\x60" * 2
        data[where : where + len(size)] = size
        result[f"codestream-{name}"] = bytes(data)
    return result


def test_bombs_take_neither_memory_nor_time(tmp_path, films):
    for name, data in bombs(films).items():
        (tmp_path / name).write_bytes(data)
    results = fuzz.read_in_process(tmp_path)
    expected = {
        "size.png": "pixels; each side",
        "side.png": "6001x6001",
        "text.png": r"\(52, 44\)",
        "profile.png": r"\(52, 44\)",
        "parts.png": "more than 100,000 parts",
        "scans.jpg": "more than 100 scans",
        "deflated.dcm": "bytes when it is unpacked",
        "codestream-2000.dcm": "60000x60000",
        "codestream-lossless.dcm": "60000x60000",
        "codestream-ls.dcm": "60000x60000",
    }
    assert results.keys() == expected.keys()
    for name, (outcome, cost, memory, _) in results.items():
        assert re.search(expected[name], outcome), outcome
        assert cost < fuzz.MAX_COST, name
        assert memory < 400_000_000, name


def test_what_is_no_file_or_too_large_is_refused_before_it_is_opened(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.dcm").mkdir()
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    messages = {"pipe.png": "a pipe or a device", "device.png": "a pipe or a device", "folder.dcm": "it is a folder"}
    messages |= {"large.png": "bytes; at most", "loop.png": "cannot be read", "zero\0byte.png": "cannot be read"}
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was opened"))
    for name, message in messages.items():
        with pytest.raises(InputError, match=message):
            open_radiograph(tmp_path / name)
        with pytest.raises(InputError, match=message):
            read_recipe(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path, film):
    cv2.imwrite(str(tmp_path / "film.png"), film)
    (tmp_path / "film.png").chmod(0)
    with pytest.raises(InputError, match="cannot be read"):
        open_radiograph(tmp_path / "film.png")


# no code from data


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "model.keras"
    build_network(RECIPE).save(path)
    return path


def test_a_network_is_read_as_keras_reads_it(whole):
    ours, plain = read_network(whole), keras.saving.load_model(whole, compile=False)
    for one, other in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    films = np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)
    np.testing.assert_array_equal(ours.predict_on_batch(films), plain.predict_on_batch(films))


def doctored(whole, path, change=lambda config: None, *, extra=(), compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w", compression) as new:
        for name in old.namelist():
            body = old.read(name)
            if name == CONFIG:
                config = json.loads(body)
                change(config)
                body = json.dumps(config).encode()
            new.writestr(name, body)
        for name in extra:
            new.writestr(name, b"x")
    return path


def put(layer):
    """Return a function that puts a layer in the place of the first activation."""

    def change(config):
        layers = config["config"]["layers"]
        place = next(i for i, old in enumerate(layers) if old["class_name"] == "ReLU")
        layers[place] |= {"registered_name": None} | layer

    return change


def named(name):
    return lambda config: config["config"].update(name=name)


def initialised_by(kind):
    return lambda config: config["config"]["layers"][-1]["config"].update(kernel_initializer=kind)


CODE = {"class_name": "__lambda__", "config": {"value": "code"}}
PARTIAL = {"module": "functools", "class_name": "partial", "config": {}}
FILE_READER = {"class_name": "TextVectorization", "module": "keras.layers", "config": {"vocabulary": "/etc/passwd"}}


DOCTORED = (
    (put({"class_name": "Lambda", "module": "keras.layers", "config": {"function": CODE}}), "Lambda"),
    (put({"class_name": "system", "module": "os", "config": {"command": "true"}}), r"os\.system"),
    (put({"class_name": "ReLU", "module": "builtins", "registered_name": "mine>ReLU"}), r"builtins\.ReLU"),
    (put(FILE_READER), "TextVectorization"),
    (put(FILE_READER | {"class_name": "StringLookup"}), "StringLookup"),
    (put({"class_name": "Dropout", "module": "keras.layers"}), "Dropout"),
    (put({"class_name": "Dense", "module": "keras.layers"}), "its layers are not those of resnet18_width4"),
    (initialised_by(PARTIAL), r"functools\.partial"),
    (initialised_by(CODE), "__lambda__"),
    (lambda config: config.update(compile_config={"loss": CODE}), "__lambda__"),
    (named("resnet18_width100000000"), "this library did not make"),
    (named("resnet18_width999"), "width is 999"),
    (named("resnet50_width4"), "its layers are not those"),
    (named("resnet18_width3"), r"layers/conv2d/vars/0 is float32 of shape \(7, 7, 1, 4\); it must be float32 of shape"),
    (named("resnet18_width8"), "of width 8 have at least 512,000 bytes; these have"),
    (named("resnet18_width256"), "of width 256 have at least 524,288,000 bytes; these have"),
    (named({"class_name": "x"}), r"model\.keras: cannot be loaded"),
    (lambda config: config.clear(), r"model\.keras: cannot be loaded"),
)  # fmt: skip


def test_a_doctored_network_is_refused_by_name(whole, tmp_path):
    for change, message in DOCTORED:
        path = doctored(whole, tmp_path / "model.keras", change)
        with pytest.raises(InputError, match=message):
            read_network(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_anything_beside_the_network_is_refused(whole, tmp_path):
    for extra in ("../outside", "/etc/cron.d/x", "assets/vocabulary.txt", CONFIG):
        path = doctored(whole, tmp_path / "model.keras", extra=[extra])
        with pytest.raises(
            InputError, match=r"must hold metadata\.json, config\.json, model\.weights\.h5 and nothing else"
        ):
            read_network(path)


STEM = "layers/conv2d/vars/0"


def virtual(file):
    layout = h5py.VirtualLayout((7, 7, 1, 4), np.float32)
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (7, 7, 1, 4))
    file.create_virtual_dataset(STEM, layout)


def stem(shape=(7, 7, 1, 4), kind=np.float32, **options):
    return lambda file: file.create_dataset(STEM, shape, kind, **options)


def linked(link):
    return lambda file: file.__setitem__(STEM, link)


def filled(**options):
    return stem(data=np.zeros((7, 7, 1, 4), np.float32), **options)


DOCTORED_ARRAYS = (
    (lambda file: None, f"has no array {STEM}"),
    (linked(h5py.SoftLink("/layers/conv2d_1/vars/0")), "or only a link in its place"),
    (linked(h5py.ExternalLink("/etc/passwd", "x")), "or only a link in its place"),
    (lambda file: file.create_group(STEM), "is a group"),
    (stem((10**11,), chunks=(10**8,), compression="gzip"), r"is float32 of shape \(100000000000,\)"),
    (stem(kind=np.float64), "is float64 of shape"),
    (stem(kind=">f4"), "is >f4 of shape"),
    (stem(kind=h5py.string_dtype()), "is object of shape"),
    (stem(), "has 0 bytes; it must have 784"),
    (filled(chunks=(7, 7, 1, 4)), "in chunks, compressed or in another file"),
    (filled(chunks=(7, 7, 1, 4), maxshape=(None, 7, 1, 4)), "in chunks, compressed or in another file"),
    (filled(compression="gzip"), "in chunks, compressed or in another file"),
    (stem(external=[("/etc/passwd", 0, 784)]), "in chunks, compressed or in another file"),
    (virtual, "in chunks, compressed or in another file"),
)


def test_an_array_that_keras_does_not_write_so_is_refused_before_it_is_read(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda *_: pytest.fail("an array was read"))
    for change, message in DOCTORED_ARRAYS:
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(tmp_path / "model.keras", "w") as new:
            weights = io.BytesIO(old.read(WEIGHTS))
            with h5py.File(weights, "r+") as file:
                del file[STEM]
                change(file)
            for name in old.namelist():
                new.writestr(name, weights.getvalue() if name == WEIGHTS else old.read(name))
        with pytest.raises(InputError, match=message):
            read_network(tmp_path / "model.keras")


def test_archives_that_declare_too_much_are_refused(whole, tmp_path):
    path = tmp_path / "model.keras"
    with pytest.raises(InputError, match="is compressed"):
        read_network(doctored(whole, path, compression=zipfile.ZIP_DEFLATED))
    path.write_bytes(whole.read_bytes().replace(b"HeNormal", b"HeNurmal"))
    with pytest.raises(InputError, match="cannot be loaded"):
        read_network(path)
    (tmp_path / "model.h5").write_bytes(whole.read_bytes())
    with pytest.raises(InputError, match=r"must end in \.keras"):
        read_network(tmp_path / "model.h5")
    for place in ("hf://someone/model.keras", "https://example.org/model.keras"):
        with pytest.raises(InputError, match="no such file"):
            read_network(Path(place))


def npz(path, arrays: dict) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in arrays.items():
            archive.writestr(f"{name}.npy", body)


def npy(shape, kind="<f2", body=b"") -> bytes:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": kind, "fortran_order": False, "shape": shape})
    return head.getvalue() + body


DOCTORED_WEIGHTS = (
    (lambda a: {"weight_000": npy((10**6, 10**6)), "more": os.urandom(30_000)}, "2 arrays and 90 are needed"),
    (
        lambda a: a | {"weight_000": npy((10**6, 10**6))},
        r"weight_000\.npy is float16 of shape \(1000000, 1000000\)",
    ),
    (lambda a: a | {"weight_000": npy((7, 7, 1, 4), "|O", b"pickle")}, "is object of shape"),
    (lambda a: a | {"weight_000": npy((7, 7, 1, 4), body=bytes(100_000_000))}, "bytes, and needs 520"),
    (lambda a: a | {"weight_000": npy((7, 7, 1, 4), body=b"\xff\x7f" * 196)}, "not finite"),
    (lambda a: a | {"weight_000": npy((7, 7, 1, 4))}, "bytes, and needs 520"),
    (lambda a: a | {"../weight_000": b"x"}, "91 arrays and 90 are needed"),
    (lambda a: a | {f"x{i}": b"" for i in range(20_000)}, "its list of files has 1,"),
)


def test_doctored_packed_weights_are_refused(tmp_path):
    recipe, path = Recipe(width=4, size=32, standardize=False), tmp_path / "weights.npz"
    pack_network(build_network(recipe), path)
    with zipfile.ZipFile(path) as archive:
        arrays = {name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()}
    for doctor, message in DOCTORED_WEIGHTS:
        npz(path, doctor(arrays))
        with pytest.raises(InputError, match=message):
            load_network(tmp_path, recipe)
    with pytest.raises(InputError, match="of width 256 have at least 65,536,000 bytes; these have"):
        load_network(tmp_path, replace(recipe, width=256))


NUMBERS = [knob.name for knob in fields(Recipe) if type(knob.default) in (int, float)] + ["weight", "confidence"]


def test_absurd_recipes_are_refused(tmp_path):
    values = ("1" + "0" * 40, "1e400", "-1e400", "NaN", "Infinity", '"1"', "[1]", "{}", "true", "9" * 5000)
    for knob, value in product(NUMBERS, values):
        (tmp_path / "recipe.json").write_text(f'{{"{knob}": {value}}}')
        with pytest.raises(InputError):
            read_recipe(tmp_path / "recipe.json")


WRONG_JSON = {
    "[" * 100_000: "nested more than 50 deep",
    '{"a":' * 100_000: "nested more than 50 deep",
    '{"a": ' + "[" * 51 + "]" * 51 + "}": "nested more than 50 deep",
    "\ud800": "cannot be read as JSON",
    '{"name": "\\ud800"}': "surrogates not allowed",
    '{"name": "a", "depth": 18, "name": "b"}': "it names 'name' twice",
    '{"weight": NaN}': "NaN is not a number that JSON has",
    '{"weight": -Infinity}': "-Infinity is not a number that JSON has",
    '{"weight": 1e999}': "the number 1e999 is too large",
    '{"width": 100000000000000000000}': "has more than 64 bits",
    '{"name": 1}': "name is 1",
    "null": "holds a NoneType",
    "": "cannot be read as JSON",
    "{}x": "cannot be read as JSON",
    '{"augmentation": ["shift"]}': "must be a mapping, not list",
}


def test_absurd_json_is_refused(tmp_path):
    for text, message in WRONG_JSON.items():
        (tmp_path / "recipe.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        with pytest.raises(InputError, match=r"recipe\.json: .*" + re.escape(message)):
            read_recipe(tmp_path / "recipe.json")
    (tmp_path / "recipe.json").write_bytes(recipe_text(RECIPE).encode("utf-16"))
    with pytest.raises(InputError, match="cannot be read as JSON"):
        read_recipe(tmp_path / "recipe.json")
    (tmp_path / "recipe.json").write_bytes(recipe_text(RECIPE).encode("utf-8-sig"))  # as Windows' Notepad saves it
    assert read_recipe(tmp_path / "recipe.json") == RECIPE


WRONG_TABLES = {
    "path,n\n" + 'a,"1\n' + "b,2\n": "unexpected end of data",
    'path,n\n"a"b,1\n': "',' expected after '\"'",
    "path,n\na\0,1\n": "holds zero bytes",
    "path,n,n\na,1,2\n": "two columns have the name 'n'",
    "path,n\na,1,2\n": "Length of header or names does not match",
    "path,n" + ",c" * 1000 + "\n": "line 1 has 1,002 cells; at most 1,000 are read",
    "path,n\na,1\nb," + "," * 2_000_000: "a line has more than 1,000,000 characters",
    'path,n\na,"' + "b,2\n" * 30_000 + '"\n': "has more than 100,000 characters",
    "path,n\na,\xff\n": "'utf-8' codec can't decode",
    "": "No columns to parse",
}


def test_absurd_tables_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    for text, message in WRONG_TABLES.items():
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(InputError, match=r"table\.csv: cannot be read as CSV: .*" + re.escape(message)):
            files.read_csv(path, needed=("path", "n"))
    monkeypatch.setattr(files, "MAX_CELLS", 6)
    path.write_text("path,n\na\nb,2\nc,3\n")
    with pytest.raises(InputError, match="more than 6 cells"):
        files.read_csv(path, needed=("path", "n"))
    monkeypatch.setattr(files, "MAX_TABLE_BYTES", 10)
    with pytest.raises(InputError, match="has 17 bytes; at most 10 are read"):
        files.read_csv(path, needed=("path", "n"))


WRONG_POINTS = (
    {"threshold": float("nan")}, {"threshold": 2}, {"threshold": "0.5"}, {"threshold": True}, {"weight": 0},
    {"weight": -1}, {"weight": 10**400}, {"weight": None}, {"finding": ""}, {"finding": "../x"}, {"finding": 3},
)  # fmt: skip


def test_a_doctored_operating_point_is_refused(tmp_path):
    (tmp_path / "recipe.json").write_text(recipe_text(RECIPE))
    point = {"finding": "effusion", "weight": 1.0, "threshold": 0.5}
    (tmp_path / "operating_point.json").write_text(json.dumps(point))
    assert open_run(tmp_path).threshold == 0.5
    for change in WRONG_POINTS:
        (tmp_path / "operating_point.json").write_text(json.dumps(point | change))
        with pytest.raises(InputError, match=r"is damaged|cannot be read as JSON"):
            open_run(tmp_path)


WRONG_STORED_POINTS = (
    *WRONG_POINTS, {"format": 2}, {"format": None}, {"chosen": "yesterday"}, {"chosen": "2026-02-03T04:05:06"},
    {"chosen": "9999-12-31T23:59:59+00:00"}, {"chosen": 7}, {"film_ids": "0"}, {"film_ids": [7]}, {"film_ids": None},
    {"warnings": [None]}, {"n": -1}, {"n": 3.5}, {"n": True}, {"n_patients": "two"}, {"n_finding": []}, {"rule": 7},
    {"films": None}, {"floor": 2}, {"confidence": "0.9"}, {"flagged": None}, {"flagged_low": 2}, {"sensitivity": 0.5},
    {"weight": 2.0}, {"finding": "nodule"},
)  # fmt: skip
"""With those of the operating point of the training. A sensitivity needs both ends of its interval."""


def test_a_doctored_stored_point_is_refused(tmp_path):
    (tmp_path / "recipe.json").write_text(recipe_text(RECIPE))
    (tmp_path / "operating_point.json").write_text('{"finding": "effusion", "weight": 1.0, "threshold": 0.5}')
    (tmp_path / "operating_points").mkdir()
    path, point = tmp_path / "operating_points" / "site.json", fuzz.stored_point()
    path.write_text(json.dumps(point))
    assert open_run(tmp_path).threshold == point["threshold"]
    for name in ("training.json", ".hidden.json", "Training.json", "a b.json"):  # no names of stored points
        path.with_name(name).write_text("no JSON")
    assert open_run(tmp_path).operating_point.name == "site"
    for change in WRONG_STORED_POINTS:
        path.write_text(json.dumps(point | change))
        with pytest.raises(InputError, match=r"is damaged|cannot be read as JSON|does not belong to this run"):
            open_run(tmp_path)
    for name in point:
        path.write_text(json.dumps({key: value for key, value in point.items() if key != name}))
        if name not in ("floor", "confidence", "n_finding"):  # the same as null
            with pytest.raises(InputError, match="is damaged"):
                open_run(tmp_path)


READERS = {
    "json.loads": {"files.py"},
    "csv.reader": {"files.py", "cohorts/user_table.py"},
    "pd.read_csv": {
        "files.py",
        "course/lessons.py",
        "course/experiments.py",
        "course/audit.py",
    },  # the course's own tables
    "np.load": {"images/dicom/decoder_process.py"},  # the answer of the library's own child
    "zipfile.ZipFile": {"files.py", "cohorts/chestmnist.py"},
    "h5py.File": {"model/network_file.py"},
}
"""The only modules that may call these functions. All others read files through the readers of these modules."""


def test_each_format_has_one_reader():
    for path in (ROOT / "cxrlib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            name = {"json.load": "json.loads", "csv.DictReader": "csv.reader"}.get(name, name)
            place = path.relative_to(ROOT / "cxrlib").as_posix()
            assert place in READERS.get(name, {place}), f"{place} calls {name}"


def test_the_library_neither_unpickles_nor_runs_what_it_reads():
    forbidden = {"eval", "exec", "compile", "__import__", "load_model", "model_from_json", "deserialize_keras_object"}
    for path in (ROOT / "cxrlib").rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & {"pickle", "dill", "joblib.numpy_pickle", "marshal", "shelve", "yaml"}, path
            if isinstance(node, ast.Call):
                function = node.func
                name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
                is_method = isinstance(function, ast.Attribute)
                assert name not in forbidden or (name == "compile" and is_method), f"{path}: {name}"
                assert name not in ("Lambda", "read_pickle", "enable_unsafe_deserialization"), path
                for keyword in node.keywords:
                    assert keyword.arg != "allow_pickle" or keyword.value.value is False, path
                    assert not (keyword.arg in ("safe_mode", "shell") and not isinstance(keyword.value, ast.Name)), path


# folders


def write_table(folder, paths):
    rows = "".join(f"{path},{int(path.startswith('effusion'))}\n" for path in paths)
    (folder / "cohort.csv").write_text("path,label\n" + rows)


def test_a_table_cannot_name_a_file_elsewhere(two_folders):
    for path in (
        f"../{two_folders.name}/effusion/e0.png", "effusion/../../x.png", "/etc/passwd", "nofinding/../effusion/e0.png",
        f"{two_folders}/../x.png", f"{two_folders}x/effusion/e0.png", "C:\\films\\e0.png", "\\\\server\\films\\e0.png",
        "..\\..\\e0.png",
    ):  # fmt: skip
        write_table(two_folders, ["nofinding/n0.png", path])
        with pytest.raises(InputError, match=r"cohort\.csv: row 3 names .*, which leads out of the folder"):
            read_cohort(two_folders)


def test_links_are_followed_with_and_without_a_table(two_folders, tmp_path):
    """Large collections are kept on another disk. Only the text of a path in a table may not lead out."""
    (two_folders / "effusion" / "e0.png").rename(tmp_path / "elsewhere.png")
    (two_folders / "effusion" / "e0.png").symlink_to(tmp_path / "elsewhere.png")
    (two_folders / "nofinding").rename(tmp_path / "disk")
    (two_folders / "nofinding").symlink_to(tmp_path / "disk")
    (tmp_path / "alias").symlink_to(two_folders)
    for folder in (two_folders, tmp_path / "alias"):
        assert len(read_cohort(folder).table) == 12
    write_table(two_folders, ["effusion/e0.png", "nofinding/n0.png"])
    for folder in (two_folders, tmp_path / "alias"):
        assert read_cohort(folder).table["path"].tolist() == ["effusion/e0.png", "nofinding/n0.png"]


def test_nih_films_may_be_links_and_its_table_cannot_name_a_file_elsewhere(tmp_path):
    fuzz.make_folders(tmp_path / "whole")
    source = tmp_path / "whole" / "nih"
    labels = source / "Data_Entry_2017.csv"
    open_source = lambda: nih.open_source(source, labels)
    assert len(open_source().table) == 12
    (source / "images").rename(tmp_path / "disk")
    (source / "images").symlink_to(tmp_path / "disk")
    film = source / "images" / "00000000_000.png"
    film.rename(tmp_path / "elsewhere.png")
    film.symlink_to(tmp_path / "elsewhere.png")
    assert len(open_source().table) == 12
    for name in ("../../elsewhere.png", str(tmp_path / "elsewhere.png")):
        labels.write_text(labels.read_text().replace("00000000_000.png", name))
        with pytest.raises(
            InputError, match=r"row 2 has .*elsewhere.png' as Image Index; a file name without a folder"
        ):
            open_source()
        labels.write_text(labels.read_text().replace(name, "00000000_000.png"))


def test_a_damaged_record_of_a_preparation_is_refused(two_folders, tmp_path):
    prepare(two_folders, tmp_path / "out", size=32)
    for text in ("[" * 100_000, "{", "3", "\0"):
        (tmp_path / "out" / "prepare.json").write_text(text)
        with pytest.raises(InputError, match=r"prepare\.json: is damaged"):
            prepare(two_folders, tmp_path / "out", size=32)


def test_a_damaged_file_that_is_only_compared_is_not_ours(tmp_path):
    options = dict(films=4, prevalence=0.5, size=32)
    out = simulate(tmp_path / "out", **options)
    (out / "simulation.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="was not made by this call"):
        simulate(out, **options)
    with locked(tmp_path):
        (tmp_path / LOCK).write_bytes(b"\xff\xfe")
        with pytest.raises(InputError, match="another process is at work in it"), locked(tmp_path):
            pass


# nothing about the patient

MARKER = "QZJ"  # of three letters, as short as a name may be
IDENTITY = (
    "PatientName", "PatientID", "PatientAddress", "OtherPatientIDs", "PatientComments", "PatientBirthName",
    "PatientMotherBirthName", "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName",
    "RequestingPhysician", "AccessionNumber", "InstitutionName", "InstitutionAddress", "StudyDescription", "StudyID",
    "StationName", "SeriesDescription", "ImageComments", "ProtocolName", "Occupation", "MedicalRecordLocator",
)  # fmt: skip
QUOTED = (
    "Modality",
    "BodyPartExamined",
    "PhotometricInterpretation",
    "ViewPosition",
    "VOILUTFunction",
    "SpecificCharacterSet",
)
WINDOW = dict(WindowCenter=2000, WindowWidth=1500, RescaleSlope=1, RescaleIntercept=0)
NUMBERS = {
    "RescaleSlope": 123456,
    "WindowCenter": 123456,
    "NumberOfFrames": 123456,
    "PixelAspectRatio": ["123456", "1"],
}


def with_identity(**tags) -> bytes:
    every = dict.fromkeys(IDENTITY, MARKER) | WINDOW
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of values that are written here
        return fuzz.dicom(fuzz.film(), **every | {"PatientBirthDate": "19010101"} | tags)


def broken_with_identity() -> dict[str, bytes]:
    whole = with_identity()
    result = {"whole": whole, "cut": whole[: len(whole) // 2], "cut in the header": whole[:700]}
    result["no preamble"] = whole[132:]
    result["short"] = with_identity(PixelData=MARKER.encode() + b"0")
    result["bits"] = with_identity(BitsStored=99)
    result["samples"] = with_identity(SamplesPerPixel=3)
    result["lut"] = with_identity(VOILUTSequence=[pydicom.Dataset()], ModalityLUTSequence=[pydicom.Dataset()])
    result |= {name: with_identity(**{name: MARKER}) for name in QUOTED}
    for name, value in NUMBERS.items():
        result[name] = with_identity(**{name: value}).replace(b"123456", (MARKER * 2).encode())
    syntax = b"1.2.840.10008.1.2.1\0"
    result["syntax"] = whole.replace(syntax, (MARKER * 7)[: len(syntax)].encode())
    for syntax_id in ("1.2.840.10008.1.2.5\0", "1.2.840.10008.1.2.2\0", "1.2.840.10008.1.2\0\0\0"):
        result[syntax_id] = whole.replace(syntax, syntax_id.encode())
    result["vr"] = whole.replace(b"PN", b"XX").replace(b"LO", b"DS").replace(b"SH", b"IS")
    kinds = fuzz.gdcm.TransferSyntax
    stream = fuzz.compressed(kinds.JPEGLSLossless, fuzz.film(), 12, **dict.fromkeys(IDENTITY, MARKER))
    result["stream"] = stream[:-400] + MARKER.encode() * 100 + stream[-100:]
    rows = lambda number: struct.pack("<HHHHH", 0x28, 0x10, 0x5355, 2, number)  # (0028,0010) US
    result["rows"] = stream.replace(rows(52), rows(50))
    for seed in range(60):
        result[f"damaged {seed}"] = fuzz.mutate(whole, stream, np.random.default_rng([seed, 5]), text=False)
    return result


def test_nothing_about_the_patient_is_repeated(tmp_path, caplog, capfd, recwarn):
    caplog.set_level(logging.DEBUG)
    warnings.simplefilter("always")
    paths = []
    for number, data in enumerate(broken_with_identity().values()):
        for suffix in (".dcm", ".png"):
            paths.append(tmp_path / f"{number}{suffix}")
            paths[-1].write_bytes(data)
    caplog.clear()  # what was logged while they were written
    recwarn.clear()
    messages = []
    for path in paths:
        try:
            messages += open_radiograph(path).warnings
        except InputError as error:
            messages += [str(error), repr(error.__cause__)]
    assert sum(any(words in text for words in ("cannot be", "not a", "cut off")) for text in messages) > 20
    assert any("its Modality is unknown" in text for text in messages)
    assert any("body part examined is unknown" in text for text in messages)
    for options in ([], ["--json"]):
        done = CliRunner().invoke(app, ["predict", *options, *map(str, paths)])
        assert done.exit_code == 1
        messages += [done.stdout, done.stderr]
    messages += [caplog.text, *(str(w.message) for w in recwarn.list), *capfd.readouterr()]
    for word in (MARKER, "19010101"):
        assert not [text for text in messages if word in text]
