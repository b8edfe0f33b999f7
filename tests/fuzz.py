"""Damaged files by the thousand: their makers, and the one process in which they are read.

    python tests/fuzz.py films FOLDER FIRST LAST

reads the inputs FIRST to LAST, says the number of each before it is read (the
last one said is the one it died of), and ends with counts as JSON.
"""

import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import cv2
import gdcm
import numpy as np
import pydicom
from PIL import Image
from test_dicom import write

SLOWEST, MOST_MEMORY = 5.0, 1 << 30  # seconds of a read; bytes above the start


def film(rows: int = 52, columns: int = 44, bits: int = 12) -> np.ndarray:
    """Return something smooth and noisy of that many bits."""
    y, x = np.mgrid[:rows, :columns]
    noise = np.random.default_rng(0).normal(0, 0.01, (rows, columns))
    return ((0.5 + 0.4 * np.sin(y / 9) * np.cos(x / 7) + noise) * (2**bits - 1)).astype(np.uint16)


def compressed(syntax: int, pixels: np.ndarray, bits: int, **tags) -> bytes:
    """Return a DICOM file in one of GDCM's transfer syntaxes."""
    with tempfile.TemporaryDirectory() as folder:
        plain, done = f"{folder}/plain.dcm", f"{folder}/done.dcm"
        tags |= dict(BitsStored=bits, HighBit=bits - 1)
        if bits == 8:
            tags |= dict(BitsAllocated=8, PixelData=pixels.astype(np.uint8).tobytes())
        write(plain, pixels, **tags)
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(plain)
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetFileName(done)
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return Path(done).read_bytes()


def dicom(pixels: np.ndarray, **tags) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder) / "film.dcm", pixels, **tags).read_bytes()


def reencoded(data: bytes, syntax: str) -> bytes:
    """Return an uncompressed DICOM file in another uncompressed transfer syntax."""
    dataset, out = pydicom.dcmread(io.BytesIO(data)), io.BytesIO()
    big = syntax == pydicom.uid.ExplicitVRBigEndian
    if big:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    implicit = syntax == pydicom.uid.ImplicitVRLittleEndian
    pydicom.dcmwrite(out, dataset, implicit_vr=implicit, little_endian=not big, enforce_file_format=True)
    return out.getvalue()


def pictured(pixels: np.ndarray, kind: str, mode: str | None = None, **options) -> bytes:
    out = io.BytesIO()
    picture = Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(out, kind, **options)
    return out.getvalue()


def interlaced(pixels: np.ndarray) -> bytes:
    """Return an interlaced 8-bit gray PNG (ISO/IEC 15948, 8.2), which neither Pillow nor OpenCV writes."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = (pixels[top::down, left::right] for top, left, down, right in passes)
    lines = b"".join(b"\0" + line.tobytes() for part in parts if part.size for line in part.astype(np.uint8))
    rows, columns = pixels.shape
    head = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 1)
    return png(((b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")))


def png(chunks) -> bytes:
    """Return a PNG of (kind, body), with right lengths and checksums."""
    made = (struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


def simulated_films() -> dict[str, bytes]:
    """Return one film of every kind of file that is read."""
    deep, flat = film(), film(bits=8).astype(np.uint8)
    rgba = np.repeat((deep * 16)[..., None], 4, axis=2)
    kinds = gdcm.TransferSyntax
    plain = dicom(deep)
    lut = pydicom.Dataset()
    lut.LUTDescriptor = [4096, 0, 12]
    lut.LUTData = (np.arange(4096) ** 2 // 4096).astype("<u2").tobytes()
    lut["LUTData"].VR = "OW"
    films = {"deep.png": cv2.imencode(".png", deep * 16)[1].tobytes()}
    films["rgba.png"] = cv2.imencode(".png", rgba)[1].tobytes()
    films["interlaced.png"] = interlaced(flat)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        films[f"{mode}.png"] = pictured(flat, "PNG", mode)
    for bits in (1, 2, 4):
        films[f"{bits}bit.png"] = pictured(flat >> (8 - bits), "PNG", "P", bits=bits)
    for mode in ("L", "RGB", "CMYK"):
        films[f"{mode}.jpg"] = pictured(flat, "JPEG", mode)
    films["progressive.jpg"] = pictured(flat, "JPEG", progressive=True)
    films["plain.dcm"] = plain
    films["implicit.dcm"] = reencoded(plain, pydicom.uid.ImplicitVRLittleEndian)
    films["big.dcm"] = reencoded(plain, pydicom.uid.ExplicitVRBigEndian)
    films["deflated.dcm"] = reencoded(plain, pydicom.uid.DeflatedExplicitVRLittleEndian)
    films["window.dcm"] = dicom(deep, WindowCenter=2000, WindowWidth=1500, RescaleSlope=2, RescaleIntercept=-1000)
    films["lut.dcm"] = dicom(deep, VOILUTSequence=[lut], PhotometricInterpretation="MONOCHROME1")
    films["signed.dcm"] = dicom(
        deep, PixelRepresentation=1, BitsStored=16, HighBit=15, PixelPaddingValue=int(deep[0, 0])
    )
    for name, syntax in (("lossless", kinds.JPEGLosslessProcess14_1), ("ls", kinds.JPEGLSLossless)):
        films[f"{name}.dcm"] = compressed(syntax, deep, 12)
    films["2000.dcm"] = compressed(kinds.JPEG2000Lossless, deep, 12)
    films["run.dcm"] = compressed(kinds.RLELossless, deep, 12)
    films["jpeg.dcm"] = compressed(kinds.JPEGBaselineProcess1, film(bits=8), 8, PhotometricInterpretation="MONOCHROME1")
    return films


def real_films(folder: Path) -> dict[str, bytes]:
    """Return real films; of PNG and JPEG also small copies, which are read a hundred times as fast."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".png", ".jpg", ".dcm")):
        found[f"real-{path.name}"] = path.read_bytes()
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if pixels is not None:
            small = cv2.resize(pixels, (64, 60), interpolation=cv2.INTER_AREA)
            found[f"small-{path.name}"] = cv2.imencode(path.suffix, small)[1].tobytes()
    return found


TOKENS = (
    b"NaN", b"Infinity", b"-1e999", b"9" * 400, b"1" + b"0" * 5000, b"null", b"[" * 5000, b"{", b'"', b",", b",,,,",
    b"-0", b"\n", b"\0", b"\xff\xfe", b"../../x.png", b"/etc/passwd", b"true", b"1e308", b"\r", b"2147483648",
)  # fmt: skip


def mutate(data: bytes, other: bytes, rng: np.random.Generator, *, text: bool) -> bytes:
    """Return a file with one to four damages; half of them in its first 1,500 bytes, where headers are."""
    made = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(min(len(made), 1500 if rng.random() < 0.5 else len(made)) or 1))
        length = int(rng.integers(1, 40))
        kind = rng.integers(9)
        if kind == 0 and made:
            made[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            made[place : place + 1] = rng.bytes(1)
        elif kind == 2 and rng.random() < 0.5:
            del made[place:]
        elif kind == 3:
            start = int(rng.integers(max(1, len(other))))
            made[place:] = other[start:]
        elif kind == 4:
            made[place:place] = made[place : place + length]
        elif kind == 5:
            del made[place : place + length]
        elif kind == 6:
            made[place:place] = TOKENS[rng.integers(len(TOKENS))] if text else rng.bytes(length)
        elif kind == 7:  # a number of 2 or 4 bytes, as lengths, sizes and tags are
            value = int(rng.choice([0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1, int(rng.integers(2**32))]))
            size = int(rng.choice([2, 4]))
            made[place : place + size] = (value % 256**size).to_bytes(size, str(rng.choice(["little", "big"])))
        elif kind == 8 and not text:
            made[place : place + length] = b"\xff" * length
    if data.startswith(b"\x89PNG") and rng.random() < 0.7:
        made = with_checksums(bytes(made))
    return bytes(made)


def mutate_lines(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage what a PNG's pixels are inflated to."""
    chunks, place = [], 8
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        chunks.append((kind, data[place + 8 : place + 8 + length]))
        place += 12 + length
    stream = b"".join(body for kind, body in chunks if kind == b"IDAT")
    lines = zlib.decompressobj().decompress(stream)  # of some real films the end is missing
    before = [chunk for chunk in chunks if chunk[0] in (b"IHDR", b"PLTE", b"tRNS")]
    return png([*before, (b"IDAT", zlib.compress(mutate(lines, lines, rng, text=False), 1)), (b"IEND", b"")])


def with_checksums(data: bytes) -> bytes:
    """Right the checksums of a damaged PNG, so that its damage is looked at."""
    made, place = bytearray(data), 8
    while place + 12 <= len(made):
        end = place + 12 + int.from_bytes(made[place : place + 4], "big")
        if end > len(made):
            break
        made[end - 4 : end] = struct.pack(">I", zlib.crc32(made[place + 4 : end - 4]))
        place = end
    return bytes(made)


def check_film(path: Path, rng: np.random.Generator) -> None:
    from cxrlib.images.radiograph import open_radiograph

    size = [None, 32][rng.integers(2)]
    normalize = ["minmax", "percentile"][rng.integers(2)]
    image = open_radiograph(path, size=size, normalize=normalize, allow_color=bool(rng.integers(2))).image
    assert image.dtype == np.float32
    assert image.ndim == 2
    assert size is None or image.shape == (size, size)
    assert np.isfinite(image).all()
    assert image.min() >= 0
    assert image.max() <= 1


def readers(folder: Path) -> dict:
    """Return, for each file of a folder that `make_folders` made, what reads it."""
    from cxrlib.cohorts.cohort import read_cohort
    from cxrlib.cohorts.nih import list_images, read_boxes
    from cxrlib.model.network_file import load_network
    from cxrlib.model.recipe import read_recipe
    from cxrlib.training.run import open_run

    nih, run, keras_run = folder / "nih", folder / "run", folder / "keras"
    labels = nih / "Data_Entry_2017.csv"
    of_nih = lambda: list_images(nih, labels, finding="Effusion", against="nofinding", allow_missing=True)
    return {
        folder / "cohort" / "cohort.csv": lambda: read_cohort(folder / "cohort"),
        labels: of_nih,
        nih / "test_list.txt": of_nih,
        nih / "BBox_List_2017.csv": lambda: read_boxes(nih),
        run / "recipe.json": lambda: open_run(run),
        run / "operating_point.json": lambda: open_run(run),
        run / "history.csv": lambda: (open_run(run).history, open_run(run).kept_epoch),
        run / "split.csv": lambda: open_run(run).split,
        run / "scores.csv": lambda: open_run(run).scores,
        run / "weights.npz": lambda: load_network(run, read_recipe(run / "recipe.json")),
        keras_run / "model.keras": lambda: load_network(keras_run, read_recipe(run / "recipe.json")),
    }


def make_folders(folder: Path) -> None:
    """Make a cohort, NIH's layout and a run, all tiny and whole."""
    from cxrlib.model.network import build_network
    from cxrlib.model.network_file import pack_network
    from cxrlib.model.recipe import Recipe, recipe_text

    for name in ("cohort/effusion", "cohort/nofinding", "nih/images", "run", "keras"):
        (folder / name).mkdir(parents=True)
    rows, entries, boxes = (
        ["path,label,patient_id,split,view,age"],
        ["Image Index,Finding Labels,Patient ID,Patient Age"],
        [],
    )
    for i in range(12):
        name, finding = f"{i:08d}_000.png", ("Effusion|Mass", "No Finding")[i % 2]
        kind = ("effusion", "nofinding")[i % 2]
        cv2.imwrite(str(folder / "nih" / "images" / name), film())
        cv2.imwrite(str(folder / "cohort" / kind / name), film())
        rows.append(f"{kind}/{name},{1 - i % 2},{i},{('train', 'val', 'test')[i % 3]},PA,{40 + i}")
        entries.append(f"{name},{finding},{i},{40 + i}")
        boxes.append(f"{name},Effusion,{100 + i}.5,200,50,60,,,")
    write_lines = lambda place, lines: (folder / place).write_text("\n".join(lines) + "\n")
    write_lines("cohort/cohort.csv", rows)
    write_lines("nih/Data_Entry_2017.csv", entries)
    write_lines("nih/BBox_List_2017.csv", ["Image Index,Finding Label,Bbox [x,y,w,h],,,", *boxes])
    write_lines("nih/test_list.txt", [f"{i:08d}_000.png" for i in range(6)])
    write_lines("nih/train_val_list.txt", [f"{i:08d}_000.png" for i in range(6, 12)])
    recipe = Recipe(width=4, size=32)
    (folder / "run" / "recipe.json").write_text(recipe_text(recipe))
    point = {"finding": "effusion", "weight": 1.0, "threshold": 0.3, "sensitivity": 0.9}
    (folder / "run" / "operating_point.json").write_text(json.dumps(point))
    write_lines(
        "run/history.csv", ["epoch,learning_rate,loss,val_auc", *(f"{i},0.01,{1 / i},0.7" for i in range(1, 9))]
    )
    write_lines(
        "run/split.csv", ["path,patient_id,split,bytes", *(f"effusion/{i}.png,{i},train,{i}" for i in range(9))]
    )
    lines = (f"effusion/{i}.png,{i},test,1,{i / 3},0.{i}" for i in range(9))
    write_lines("run/scores.csv", ["path,patient_id,split,label,logit,score", *lines])
    network = build_network(recipe)
    pack_network(network, folder / "run" / "weights.npz")
    network.save(folder / "keras" / "model.keras")


def inner_damage(path: Path, data: bytes, rng: np.random.Generator) -> bytes:
    """Damage one member of an archive, and leave the archive whole."""
    made = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(made, "w") as new:
        chosen = old.namelist()[rng.integers(len(old.namelist()))]
        for name in old.namelist():
            body = old.read(name)
            new.writestr(name, mutate(body, body, rng, text=name.endswith("json")) if name == chosen else body)
    return made.getvalue()


def read_films(folder: Path, first: int, last: int, say) -> None:
    odd = os.environ.get("CXR_ODD_DATA")
    folder.mkdir(exist_ok=True)
    films = simulated_films() | (real_films(Path(odd)) if odd else {})
    kinds = {kind: [name for name in films if name.endswith(kind)] for kind in (".png", ".jpg", ".dcm")}
    cost = {name: max(4000, len(data)) for name, data in films.items()}
    for seed in range(first, last):
        rng = np.random.default_rng([seed, 1])
        names = kinds[rng.choice(list(kinds), p=[0.3, 0.2, 0.5])]
        share = np.array([1 / cost[name] for name in names])  # the small ones are read most often
        name, other = rng.choice(names, 2, p=share / share.sum())
        other = rng.choice(list(films)) if rng.random() < 0.1 else other
        path = folder / f"input{name[-4:]}"
        inner = name.endswith(".png") and rng.random() < 0.3
        made = mutate_lines(films[name], rng) if inner else mutate(films[name], films[other], rng, text=False)
        path.write_bytes(made)
        say(seed, name[-3:] if name[-3:] != "dcm" else name, lambda path=path, rng=rng: check_film(path, rng))


def read_tables(folder: Path, first: int, last: int, say, *, networks: bool = False) -> None:
    make_folders(folder / "whole")
    chosen = {p: r for p, r in readers(folder / "whole").items() if (p.suffix in (".npz", ".keras")) == networks}
    for path, read in chosen.items():
        read()
        whole = path.read_bytes()
        for seed in range(first, last):
            rng = np.random.default_rng([seed, 2])
            if networks and rng.random() < 0.7:
                path.write_bytes(inner_damage(path, whole, rng))
            else:
                path.write_bytes(mutate(whole, whole, rng, text=not networks))
            say(seed, path.name, read)
            path.write_bytes(whole)


def peak(*, apart: bool = False) -> int:
    """Return the most bytes of memory that this process had so far, or the largest of those that it started."""
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN if apart else resource.RUSAGE_SELF).ru_maxrss
    return used * (1 if sys.platform == "darwin" else 1024)


def read_each(folder: Path) -> None:
    """Say of each film of a folder what was read or refused, the seconds, and the memory it took here and apart."""
    import cxrlib.dicom  # or its memory would count for the first one

    from cxrlib.errors import InputError
    from cxrlib.images.radiograph import open_radiograph

    for path in sorted(folder.iterdir()):
        start, clock = peak(), time.perf_counter()
        try:
            said = str(open_radiograph(path, normalize="percentile").image.shape)
        except InputError as error:
            said = str(error)
        seconds = time.perf_counter() - clock
        cxrlib.images.decoder_process._close()  # or its memory would not be counted
        print(json.dumps([path.name, said, seconds, peak() - start, peak(apart=True)]))


def main(kind: str, folder: Path, first: int, last: int) -> None:
    from cxrlib.errors import InputError
    from cxrlib.images import decoder_process as sandbox

    outcomes, failures, slowest, start = Counter(), [], (0.0, None), 0

    def say(seed: int, what: str, read) -> None:
        nonlocal slowest, start
        start = start or peak()  # with all that was imported
        print(seed, what, flush=True)
        clock = time.perf_counter()
        try:
            read()
            outcome = "read"
        except InputError as error:
            outcome = "refused"
            if "Doe" in str(error):  # the name in every simulated DICOM file
                failures.append((seed, what, f"says who the patient is: {error}"))
        except BaseException as error:
            outcome = "failed"
            failures.append((seed, what, f"{type(error).__name__}: {error}"[:300]))
        slowest = max(slowest, (time.perf_counter() - clock, seed))
        outcomes[f"{what} {outcome}"] += 1

    options = {"films": read_films, "tables": read_tables, "networks": lambda *a: read_tables(*a, networks=True)}
    options[kind](folder, first, last, say)
    sandbox._close()
    told = {"outcomes": outcomes, "failures": failures, "slowest": slowest}
    print(json.dumps(told | {"memory": peak() - start, "apart": peak(apart=True)}))


def read_apart(folder: Path) -> dict[str, tuple[str, float, int, int]]:
    """Return what `read_each` says of a folder's films, in one process."""
    program = [sys.executable, __file__, "each", str(folder)]
    done = subprocess.run(
        program, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    return {name: tuple(rest) for name, *rest in map(json.loads, done.stdout.splitlines())}


def run(kind: str, folder: Path, count: int, *, first: int = 0, timeout: float = 3600) -> dict:
    """Read that many inputs in one process, and insist that nothing but images and refusals came of them."""
    done = subprocess.run(
        [sys.executable, __file__, kind, str(folder), str(first), str(first + count)],
        capture_output=True, text=True, timeout=timeout, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    said = done.stdout.splitlines() or ["nothing"]
    assert done.returncode == 0, f"ended with {done.returncode} at the input {said[-1]}: {done.stderr[-2000:]}"
    told = json.loads(said[-1])
    assert not told["failures"], told["failures"][:10]
    assert told["slowest"][0] < SLOWEST, told["slowest"]
    assert told["memory"] < MOST_MEMORY, f"{told['memory']:,} bytes"
    assert told["apart"] < MOST_MEMORY, f"{told['apart']:,} bytes"
    assert "Doe" not in done.stderr
    return told


if __name__ == "__main__":
    if sys.argv[1] == "each":
        read_each(Path(sys.argv[2]))
    else:
        main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
