"""Make thousands of damaged files, and read them in a process of their own.

    python tests/fuzz.py films FOLDER FIRST LAST

makes and reads the inputs FIRST to LAST - 1. It prints the number of each input before
it is read, so the last number is that of the input that ended the process. At the end
it prints counts as JSON.

Time is measured as CPU time, and relative to a reference: a film that the same process
reads. So the result does not depend on what else the machine does.
"""

import io
import json
import os
import re
import statistics
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

MAX_COST = 200
"""CPU time of one input, in reads of the reference film. Chosen: a network of Keras costs about 50, a bomb up to 33."""

MAX_MEMORY = 1 << 30
"""Bytes of one process, above those that it had at its start."""


def film(rows: int = 52, columns: int = 44, bits: int = 12) -> np.ndarray:
    """Return a film with that many bits: a smooth pattern and noise."""
    y, x = np.mgrid[:rows, :columns]
    noise = np.random.default_rng(0).normal(0, 0.01, (rows, columns))
    return ((0.5 + 0.4 * np.sin(y / 9) * np.cos(x / 7) + noise) * (2**bits - 1)).astype(np.uint16)


def compressed(syntax: int, pixels: np.ndarray, bits: int, **tags) -> bytes:
    """Return a DICOM file in one of GDCM's transfer syntaxes."""
    with tempfile.TemporaryDirectory() as folder:
        plain, result = f"{folder}/plain.dcm", f"{folder}/compressed.dcm"
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
        writer.SetFileName(result)
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return Path(result).read_bytes()


def dicom(pixels: np.ndarray, **tags) -> bytes:
    """Return an uncompressed DICOM file."""
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
    """Return a PNG or JPEG that Pillow writes."""
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
    """Return a PNG with these chunks (kind, body), with correct lengths and checksums."""
    parts = (struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def simulated_films() -> dict[str, bytes]:
    """Return one film for each kind of file that the library reads."""
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
    films["bare.dcm"] = dicom(deep, PatientID="7", PatientAge="060Y", PatientOrientation=["A", "F"])[132:]
    films["odd.dcm"] = dicom(
        deep, Modality="OT", HighBit=15, PixelAspectRatio=[2, 1], ShutterShape=["CIRCULAR", "POLYGONAL"],
        CenterOfCircularShutter=[26, 22], RadiusOfCircularShutter=30,
        VerticesOfThePolygonalShutter=[1, 1, 1, 44, 52, 9],
    )  # fmt: skip
    color = dict(BitsAllocated=8, BitsStored=8, HighBit=7)
    rgb = dict(SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="RGB")
    films["color.dcm"] = dicom(flat, **color, **rgb, PixelData=np.dstack([flat, flat // 2, flat]).tobytes())
    palette = {}
    for name in ("Red", "Green", "Blue"):
        palette[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        palette[f"{name}PaletteColorLookupTableData"] = (np.arange(256) * len(name) * 40).astype("<u2").tobytes()
    films["palette.dcm"] = dicom(
        flat, **color, **palette, PhotometricInterpretation="PALETTE COLOR", PixelData=flat.tobytes()
    )
    for name, syntax in (("lossless", kinds.JPEGLosslessProcess14_1), ("ls", kinds.JPEGLSLossless)):
        films[f"{name}.dcm"] = compressed(syntax, deep, 12)
    films["2000.dcm"] = compressed(kinds.JPEG2000Lossless, deep, 12)
    films["run.dcm"] = compressed(kinds.RLELossless, deep, 12)
    films["jpeg.dcm"] = compressed(kinds.JPEGBaselineProcess1, film(bits=8), 8, PhotometricInterpretation="MONOCHROME1")
    return films


def real_films(folder: Path) -> dict[str, bytes]:
    """Return real films, and small copies of PNG and JPEG, which are read about 100 times as fast."""
    films = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".png", ".jpg", ".dcm")):
        films[f"real-{path.name}"] = path.read_bytes()
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if pixels is not None:
            small = cv2.resize(pixels, (64, 60), interpolation=cv2.INTER_AREA)
            films[f"small-{path.name}"] = cv2.imencode(path.suffix, small)[1].tobytes()
    return films


TOKENS = (
    b"NaN", b"Infinity", b"-1e999", b"9" * 400, b"1" + b"0" * 5000, b"null", b"[" * 5000, b"{", b'"', b",", b",,,,",
    b"-0", b"\n", b"\0", b"\xff\xfe", b"../../x.png", b"/etc/passwd", b"true", b"1e308", b"\r", b"2147483648",
)  # fmt: skip


def mutate(data: bytes, donor: bytes, rng: np.random.Generator, *, text: bool) -> bytes:
    """Return a file with 1 to 4 damages. Half of them are in its first 1,500 bytes, where headers are.

    The end of the file may be replaced by the end of the file `donor`.
    """
    damaged = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        position = int(rng.integers(min(len(damaged), 1500 if rng.random() < 0.5 else len(damaged)) or 1))
        length = int(rng.integers(1, 40))
        kind = rng.integers(9)
        if kind == 0 and damaged:
            damaged[position] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            damaged[position : position + 1] = rng.bytes(1)
        elif kind == 2 and rng.random() < 0.5:
            del damaged[position:]
        elif kind == 3:
            start = int(rng.integers(max(1, len(donor))))
            damaged[position:] = donor[start:]
        elif kind == 4:
            damaged[position:position] = damaged[position : position + length]
        elif kind == 5:
            del damaged[position : position + length]
        elif kind == 6:
            damaged[position:position] = TOKENS[rng.integers(len(TOKENS))] if text else rng.bytes(length)
        elif kind == 7:  # a number of 2 or 4 bytes, like a length, a size or a tag
            value = int(rng.choice([0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1, int(rng.integers(2**32))]))
            size = int(rng.choice([2, 4]))
            damaged[position : position + size] = (value % 256**size).to_bytes(size, str(rng.choice(["little", "big"])))
        elif kind == 8 and not text:
            damaged[position : position + length] = b"\xff" * length
    if data.startswith(b"\x89PNG") and rng.random() < 0.7:
        damaged = with_checksums(bytes(damaged))
    return bytes(damaged)


def parts(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the kind and the body of each chunk of a PNG."""
    chunks, place = [], 8
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        chunks.append((kind, data[place + 8 : place + 8 + length]))
        place += 12 + length
    return chunks


def mutate_lines(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage the lines of pixels that a PNG's data are inflated to."""
    chunks = parts(data)
    stream = b"".join(body for kind, body in chunks if kind == b"IDAT")
    lines = zlib.decompressobj().decompress(stream)  # a decompressobj, because the end of some real films is missing
    before = [chunk for chunk in chunks if chunk[0] in (b"IHDR", b"PLTE", b"tRNS")]
    return png([*before, (b"IDAT", zlib.compress(mutate(lines, lines, rng, text=False), 1)), (b"IEND", b"")])


def with_checksums(data: bytes) -> bytes:
    """Correct the checksums of a damaged PNG, so that its reader comes to the damage."""
    corrected, start = bytearray(data), 8
    while start + 12 <= len(corrected):
        end = start + 12 + int.from_bytes(corrected[start : start + 4], "big")
        if end > len(corrected):
            break
        corrected[end - 4 : end] = struct.pack(">I", zlib.crc32(corrected[start + 4 : end - 4]))
        start = end
    return bytes(corrected)


def check_film(path: Path, rng: np.random.Generator) -> None:
    """Read a film with random options, and check the image."""
    from cxrlib.images.radiograph import open_radiograph, read_header

    size = [None, 32][rng.integers(2)]
    normalize = ["minmax", "percentile"][rng.integers(2)]
    read_header(path)  # refuses nothing
    accept = ["color", "modality"] * bool(rng.integers(2))
    image = open_radiograph(path, size=size, normalize=normalize, accept=accept).image
    assert image.dtype == np.float32
    assert image.ndim == 2
    assert size is None or image.shape == (size, size)
    assert np.isfinite(image).all()
    assert image.min() >= 0
    assert image.max() <= 1


def readers(folder: Path) -> dict:
    """Return the function that reads each file in a folder that `make_folders` made."""
    from cxrlib.cohorts.chestmnist import open_source as open_mnist
    from cxrlib.cohorts.chestmnist import read_films
    from cxrlib.cohorts.cohort import read_cohort
    from cxrlib.cohorts.nih import open_source, read_boxes
    from cxrlib.files import read_json
    from cxrlib.model.network_file import load_network
    from cxrlib.model.recipe import read_recipe
    from cxrlib.training.checkpoint import CHECKPOINT
    from cxrlib.training.run import open_run
    from cxrlib.training.unusual import read_reference

    nih, run, keras_run = folder / "nih", folder / "run", folder / "keras"
    mnist, checkpoint = folder / "mnist" / "chestmnist.npz", make_checkpoint(run, read_recipe(run / "recipe.json"))
    labels = nih / "Data_Entry_2017.csv"
    read_nih = lambda: open_source(nih, labels, allow_missing=True)
    return {
        folder / "cohort" / "cohort.csv": lambda: read_cohort(folder / "cohort"),
        labels: read_nih,
        nih / "test_list.txt": read_nih,
        nih / "BBox_List_2017.csv": lambda: read_boxes(nih),
        run / "recipe.json": lambda: open_run(run),
        run / "operating_point.json": lambda: open_run(run),
        run / "operating_points" / "site.json": lambda: open_run(run),
        run / "history.csv": lambda: (open_run(run).history, open_run(run).kept_epoch),
        run / "split.csv": lambda: open_run(run).split,
        run / "scores.csv": lambda: open_run(run).scores,
        run / "reference.json": lambda: read_reference(run),
        run / "environment.json": lambda: read_json(run / "environment.json"),
        run / CHECKPOINT: checkpoint.restore,
        mnist: lambda: list(read_films(mnist, open_mnist(mnist, size=32).table["source"])),
        run / "weights.npz": lambda: load_network(run, read_recipe(run / "recipe.json")),
        keras_run / "model.keras": lambda: load_network(keras_run, read_recipe(run / "recipe.json")),
    }


def make_checkpoint(folder: Path, recipe):
    """Return the callback that writes and restores the checkpoint of a training in a run folder."""
    from cxrlib.model.network import build_network
    from cxrlib.training.checkpoint import CheckpointCallback
    from cxrlib.training.schedule import make_optimizer

    model = build_network(recipe)
    model.compile(optimizer=make_optimizer(recipe, 3), loss="mse")
    model.optimizer.build(model.trainable_variables)
    films, labels = np.stack([film(recipe.size, recipe.size, 16)] * 2), np.array([0, 1])
    checkpoint = CheckpointCallback(folder, recipe, build_network(recipe), films, labels)
    checkpoint.set_model(model)
    return checkpoint


def stored_point() -> dict:
    """Return the content of an operating point that was chosen after the training, on films without labels."""
    values = {"format": 1, "finding": "effusion", "weight": 1.0, "threshold": 0.4, "rule": "the highest scores"}
    values |= {"floor": None, "confidence": None, "n_finding": None, "films": "the films in new", "n": 3}
    values |= {"n_patients": 2, "chosen": "2026-02-03T04:05:06.000007+00:00", "film_ids": ["0" * 32], "warnings": []}
    return values | {"flagged": 0.3, "flagged_low": 0.1, "flagged_high": 0.6}


def make_folders(folder: Path) -> None:
    """Make a cohort, folders in the layouts of NIH and ChestMNIST, and a run. All are tiny and undamaged."""
    from cxrlib.model.loss import score
    from cxrlib.model.network import build_network
    from cxrlib.model.network_file import pack_network
    from cxrlib.model.recipe import Recipe, recipe_text
    from cxrlib.training.unusual import write_reference

    for name in ("cohort/effusion", "cohort/nofinding", "nih/images", "mnist", "run", "keras"):
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
    (folder / "run" / "operating_points").mkdir()
    (folder / "run" / "operating_points" / "site.json").write_text(json.dumps(stored_point()))
    write_lines(
        "run/history.csv", ["epoch,learning_rate,loss,val_auc", *(f"{i},0.01,{1 / i},0.7" for i in range(1, 9))]
    )
    films = [(f"effusion/{i}.png", i, ("train", "val", "test")[i % 3], 1, f"{i:032x}") for i in range(9)]
    write_lines("run/split.csv", ["path,patient_id,split,label,film_id", *(",".join(map(str, row)) for row in films)])
    lines = (f"{path},{i},{split},1,{i - 4}.0,{score(i - 4, 1.0)}" for path, i, split, *_ in films if i % 3)
    write_lines("run/scores.csv", ["path,patient_id,split,label,logit,score", *lines])
    network = build_network(recipe)
    pack_network(network, folder / "run" / "weights.npz")
    network.save(folder / "keras" / "model.keras")
    write_reference(folder / "run", np.stack([film(32, 32, 16), 65535 - film(32, 32, 16).T]))
    (folder / "run" / "environment.json").write_text(json.dumps({"keras": "3", "images": [{"split": "test", "n": 3}]}))
    checkpoint = make_checkpoint(folder / "run", recipe)
    checkpoint.on_epoch_begin(0)
    checkpoint.on_epoch_end(0, {"loss": 0.5})
    labels = np.eye(4, 14, -1, np.uint8)  # the last film has effusion, and the first no finding
    films = np.stack([film(28, 28, 8).astype(np.uint8)] * 4)
    splits = {
        f"{split}_{name}": array
        for split in ("train", "val", "test")
        for name, array in (("images", films), ("labels", labels))
    }
    np.savez_compressed(folder / "mnist" / "chestmnist.npz", **splits)


def inner_damage(path: Path, data: bytes, rng: np.random.Generator) -> bytes:
    """Damage one file in a ZIP archive, and leave the archive itself undamaged."""
    result = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(result, "w") as new:
        chosen = old.namelist()[rng.integers(len(old.namelist()))]
        for name in old.namelist():
            body = old.read(name)
            new.writestr(name, mutate(body, body, rng, text=name.endswith("json")) if name == chosen else body)
    return result.getvalue()


def read_films(folder: Path, first: int, last: int, report) -> None:
    """Damage films and read them. `report` gets the seed, a name and the function that reads."""
    odd = os.environ.get("CXR_ODD_DATA")
    folder.mkdir(exist_ok=True)
    films = simulated_films() | (real_films(Path(odd)) if odd else {})
    kinds = {kind: [name for name in films if name.endswith(kind)] for kind in (".png", ".jpg", ".dcm")}
    for seed in range(first, last):
        rng = np.random.default_rng([seed, 1])
        names = kinds[rng.choice(list(kinds), p=[0.3, 0.2, 0.5])]
        weights = np.array([1 / max(4000, len(films[name])) for name in names])  # small files are read most often
        name, donor = rng.choice(names, 2, p=weights / weights.sum())
        donor = rng.choice(list(films)) if rng.random() < 0.1 else donor
        path = folder / f"input{name[-4:]}"
        if name.endswith(".png") and rng.random() < 0.3:
            path.write_bytes(mutate_lines(films[name], rng))
        else:
            path.write_bytes(mutate(films[name], films[donor], rng, text=False))
        report(seed, name[-3:] if name[-3:] != "dcm" else name, lambda path=path, rng=rng: check_film(path, rng))


def read_gray(folder: Path, first: int, last: int, report) -> None:
    """Damage 8-bit gray PNG, which one decoder reads first and OpenCV only after it, and compare the two."""
    odd = os.environ.get("CXR_ODD_DATA")
    films = {name: data for name, data in simulated_films().items() if name == "L.png"}
    flat = film(bits=8).astype(np.uint8)
    for level in (1, 6, 9):  # OpenCV chooses other filters and blocks at each
        films[f"{level}.png"] = cv2.imencode(".png", flat, [cv2.IMWRITE_PNG_COMPRESSION, level])[1].tobytes()
    if odd:
        films |= {name: data for name, data in real_films(Path(odd)).items() if name.startswith("small-")}
    names = [name for name, data in films.items() if data[24:29] == b"\x08\0\0\0\0"]
    folder.mkdir(exist_ok=True)
    for seed in range(first, last):
        rng = np.random.default_rng([seed, 3])
        data = films[rng.choice(names)]
        data = mutate_lines(data, rng) if rng.random() < 0.4 else with_checksums(mutate(data, data, rng, text=False))
        path = folder / "input.png"
        path.write_bytes(data)
        report(seed, "gray", lambda path=path: compare_with_opencv(path))


def compare_with_opencv(path: Path) -> None:
    """Read a film, and check that it has the pixels that OpenCV reads.

    OpenCV also compares a checksum inside the compressed pixels. A film that it refuses may be
    read if the compressed pixels can be inflated to all lines of the picture without that.
    """
    from cxrlib.errors import InputError
    from cxrlib.images.headers import read_png
    from cxrlib.images.png_jpeg import decode_picture

    data = path.read_bytes()
    try:
        size, _, kept = read_png(data, ())
        expected = cv2.imdecode(np.frombuffer(kept, np.uint8), cv2.IMREAD_UNCHANGED)
    except (ValueError, InputError, cv2.error):
        expected = None
    try:
        pixels, *_ = decode_picture(path, data, (), ())
    except InputError:
        is_read = expected is not None and expected.shape == (size.rows, size.columns)
        assert not is_read or not data.startswith(b"\x89PNG\r\n\x1a\n")
        raise
    if expected is None:
        stream = b"".join(body for kind, body in parts(kept) if kind == b"IDAT")
        assert len(zlib.decompressobj(-15).decompress(stream[2:])) >= pixels.shape[0] * (pixels.shape[1] + 1)
    elif expected.ndim == 2:
        np.testing.assert_array_equal(pixels, expected)


def read_tables(folder: Path, first: int, last: int, report, *, networks: bool = False) -> None:
    """Damage tables and settings, or networks, and read them."""
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
            report(seed, path.name, read)
            path.write_bytes(whole)


def peak_memory(*, children: bool = False) -> int:
    """Return the most bytes that this process has used so far, or that the largest of its ended children has.

    The system's count begins with the memory of the process that started this one.
    Linux has another count that does not.
    """
    import resource  # only Unix has it

    if not children and sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])
    used = resource.getrusage(resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF).ru_maxrss
    return used * (1 if sys.platform == "darwin" else 1024)


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its ended children."""
    import resource

    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def reference_seconds() -> float:
    """Return the CPU time that this process needs to read the reference film: 1024 x 1024 pixels of 16 bits."""
    from cxrlib.images.radiograph import read_image

    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        cv2.imwrite(f"{folder}/reference.png", film(1024, 1024, bits=16))
        for _ in range(10):
            start = time.process_time()
            read_image(f"{folder}/reference.png")
            seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def read_each(folder: Path) -> None:
    """Read each film in a folder. Print its name, the shape or the refusal, the cost, and the memory."""
    import cxrlib.images.dicom.film  # so that its memory does not count for the first film  # noqa: F401
    from cxrlib.errors import InputError
    from cxrlib.images.dicom.decoder_process import stop_children
    from cxrlib.images.radiograph import open_radiograph

    reference = reference_seconds()
    for path in sorted(folder.iterdir()):
        memory, start = peak_memory(), cpu_seconds()
        try:
            outcome = str(open_radiograph(path, normalize="percentile").image.shape)
        except InputError as error:
            outcome = str(error)
        stop_children()  # the memory and the time of a running child are not counted
        cost = (cpu_seconds() - start) / reference
        print(json.dumps([path.name, outcome, cost, peak_memory() - memory, peak_memory(children=True)]))


def main(kind: str, folder: Path, first: int, last: int) -> None:
    """Make and read the inputs of one kind."""
    from cxrlib.errors import InputError
    from cxrlib.images.dicom.decoder_process import stop_children

    outcomes, failures, slowest, start_memory = Counter(), [], (0.0, None), None
    reference = reference_seconds()

    def report(seed: int, name: str, read) -> None:
        nonlocal slowest, start_memory
        start_memory = start_memory or peak_memory()  # here, so that all imports are done
        print(seed, name, flush=True)
        start = time.process_time()
        try:
            read()
            outcome = "read"
        except InputError as error:
            outcome = "refused"
            if "Doe" in str(error):  # the patient's name in every simulated DICOM file
                failures.append((seed, name, f"repeats the patient's name: {error}"))
            if "took more than" in str(error):
                failures.append((seed, name, str(error)))
        except BaseException as error:
            outcome = "failed"
            failures.append((seed, name, f"{type(error).__name__}: {error}"[:300]))
        slowest = max(slowest, ((time.process_time() - start) / reference, seed))
        outcomes[f"{name} {outcome}"] += 1

    readers = {"films": read_films, "gray": read_gray, "tables": read_tables}
    readers["networks"] = lambda *a: read_tables(*a, networks=True)
    readers[kind](folder, first, last, report)
    stop_children()
    result = {"outcomes": outcomes, "failures": failures, "slowest": slowest}
    result |= {"memory": peak_memory() - start_memory, "child_memory": peak_memory(children=True)}
    print(json.dumps(result))


def _run(*arguments: object, **options) -> subprocess.CompletedProcess:
    """Run this file as a program. One thread, because each would reserve memory."""
    words = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, **options)


def read_in_process(folder: Path) -> dict[str, tuple[str, float, int, int]]:
    """Return what `read_each` prints about the films in a folder, by name."""
    lines = _run("each", folder, check=True).stdout.splitlines()
    return {name: tuple(rest) for name, *rest in map(json.loads, lines)}


def run(kind: str, folder: Path, count: int, *, first: int = 0) -> dict:
    """Read that many inputs in one process. Check that each becomes an image or a refusal, with little time and memory.

    Returns
    -------
    dict
        The counts.
    """
    done = _run(kind, folder, first, first + count, timeout=3600)  # only so that a test that hangs ends
    lines = done.stdout.splitlines() or ["nothing"]
    assert done.returncode == 0, f"ended with {done.returncode} at the input {lines[-1]}: {done.stderr[-2000:]}"
    result = json.loads(lines[-1])
    assert not result["failures"], result["failures"][:10]
    assert result["slowest"][0] < MAX_COST, result["slowest"]
    assert result["memory"] < MAX_MEMORY, f"{result['memory']:,} bytes"
    assert result["child_memory"] < MAX_MEMORY, f"{result['child_memory']:,} bytes"
    assert "Doe" not in done.stderr
    return result


if __name__ == "__main__":
    if sys.argv[1] == "each":
        read_each(Path(sys.argv[2]))
    else:
        main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
