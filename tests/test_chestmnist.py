"""ChestMNIST's .npz is read: 30 films in the same format stand in for it."""

import io
import zipfile

import cv2
import numpy as np
import pytest

from cxrlib.cohorts import chestmnist, nih
from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.preparation import prepare
from cxrlib.errors import InputError
from cxrlib.images.radiograph import read_image

STATED = [
    "atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia", "pneumothorax",
    "consolidation", "edema", "emphysema", "fibrosis", "pleural", "hernia",
]  # fmt: skip
"""INFO["chestmnist"]["label"] of medmnist 3.0.2."""


def arrays(side=28):
    """Return 18 + 6 + 6 films: of every three, one has an effusion, one a mass and one nothing."""
    rng, result = np.random.default_rng(5), {}
    for split, count in {"train": 18, "val": 6, "test": 6}.items():
        result[f"{split}_images"] = rng.integers(0, 256, (count, side, side), dtype=np.uint8)
        labels = np.zeros((count, 14), np.uint8)
        labels[0::3, STATED.index("effusion")] = 1
        labels[1::3, STATED.index("mass")] = 1
        labels[0::6, STATED.index("mass")] = 1
        result[f"{split}_labels"] = labels
    return result


@pytest.fixture
def archive(tmp_path):
    (tmp_path / "source").mkdir()
    path = tmp_path / "source" / "chestmnist.npz"
    np.savez_compressed(path, **arrays())
    return path


def test_the_labels_are_in_medmnists_order_and_nihs_words():
    assert [name.lower().split("_")[0] for name in chestmnist.FINDINGS] == STATED
    assert set(chestmnist.FINDINGS) == set(nih.FINDINGS)


@pytest.mark.parametrize("as_folder", [False, True])
def test_a_cohort_of_chestmnist(archive, tmp_path, as_folder):
    result = prepare(archive.parent if as_folder else archive, tmp_path / "out", size=28)
    assert result.counts == {"effusion": 10, "nofinding": 10}
    assert "Each counts as a patient of its own" in result.notes[0]
    cohort = read_cohort(tmp_path / "out")
    assert "each film counts as a patient" in cohort.notes[0]  # whoever trains on the cohort reads it, too
    assert cohort.table["split"].value_counts().to_dict() == {"train": 12, "val": 4, "test": 4}
    rows = cohort.table.set_index("path")
    assert rows.loc["effusion/train_000000.png", "findings"] == "Effusion|Mass"
    assert rows.loc["nofinding/test_000005.png", "findings"] == "No Finding"


def test_the_pixels_are_those_of_the_film_as_a_png(archive, tmp_path):
    prepare(archive, tmp_path / "out", size=20)
    for split, index, name in (("train", 3, "effusion"), ("val", 2, "nofinding"), ("test", 5, "nofinding")):
        png = tmp_path / f"{split}.png"
        cv2.imwrite(str(png), arrays()[f"{split}_images"][index])
        prepared = read_image(tmp_path / "out" / name / f"{split}_{index:06d}.png", size=20)
        np.testing.assert_allclose(prepared, read_image(png, size=20), atol=1 / 65535)


def test_another_finding_against_all_and_a_note_on_the_enlargement(archive, tmp_path):
    result = prepare(archive, tmp_path / "out", finding="mass", against="all", size=32)
    assert result.counts == {"mass": 15, "nofinding": 15}
    assert "enlarged from 28 to 32 px" in result.notes[-1]


def test_a_second_call_continues_and_another_archive_is_refused(archive, tmp_path):
    prepare(archive, tmp_path / "out", size=28)
    film = tmp_path / "out" / "effusion" / "train_000003.png"
    before = film.read_bytes()
    film.unlink()
    prepare(archive, tmp_path / "out", size=28)
    assert film.read_bytes() == before
    np.savez(archive, **arrays())
    with pytest.raises(InputError, match="other films or labels"):
        prepare(archive, tmp_path / "out", size=28)


def test_a_constant_film_is_rejected_by_name(archive, tmp_path):
    changed = arrays()
    changed["train_images"][0] = 7
    np.savez_compressed(archive, **changed)
    result = prepare(archive, tmp_path / "out", size=28)
    assert result.rejected["source"].tolist() == ["train_000000"]
    assert "constant image" in result.rejected["reason"].iloc[0]


def replaced(**changes):
    def change(path):
        np.savez_compressed(path, **{k: v for k, v in (arrays() | changes).items() if v is not None})

    return change


def with_val_images(change):
    """Return what changes the bytes of one array, but not the length that its header declares."""

    def write(path):
        np.savez(path, **arrays())
        with zipfile.ZipFile(path) as opened:
            members = {name: opened.read(name) for name in opened.namelist()}
        members["val_images.npy"] = change(members["val_images.npy"])
        with zipfile.ZipFile(path, "w") as written:
            for name, data in members.items():
                written.writestr(name, data)

    return write


def a_wrong_byte(path):
    np.savez(path, **arrays())
    data = bytearray(path.read_bytes())
    place = data.index(arrays()["test_images"].tobytes()[:64]) + 5
    data[place] ^= 1
    path.write_bytes(data)


def a_pickle(path):
    """An array of objects would be unpickled by a reader that is not careful."""
    stream = io.BytesIO()
    np.save(stream, np.array([{}] * 18, dtype=object), allow_pickle=True)
    np.savez(path, **{k: v for k, v in arrays().items() if k != "train_labels"})
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr("train_labels.npy", stream.getvalue())


def test_what_is_refused_writes_nothing(archive, tmp_path):
    no_effusion_or_mass = {f"{s}_labels": arrays()[f"{s}_labels"] * 0 for s in ("train", "val", "test")}
    cases = [
        (lambda path: path.write_bytes(b"no archive"), r"damaged or is no \.npz"),
        (lambda path: path.write_bytes(path.read_bytes()[:-2000]), r"damaged or is no \.npz"),
        (replaced(val_labels=None), "no array val_labels"),
        (replaced(val_labels=np.zeros((6, 2), np.uint8)), r"shape \(6, 2\)"),
        (replaced(val_labels=np.zeros((6, 14))), "float64"),
        (replaced(val_labels=np.full((6, 14), 2)), "other than 0 and 1"),
        (replaced(val_labels=np.zeros((5, 14), np.uint8)), "val has 6 films and 5 labels"),
        (replaced(val_images=np.zeros((6, 28, 28, 3), np.uint8)), r"uint8 of shape \(N, S, S\)"),
        (replaced(train_images=np.zeros((0, 28, 28), np.uint8)), r"1 to 1,000,000 rows"),
        (replaced(**no_effusion_or_mass), "the 30 films to compare: 0 with Effusion and 30 without"),
        (
            with_val_images(lambda data: data[:-100]),
            r"val_images\.npy is declared to have 4,732 bytes, and needs 4,832",
        ),
        (
            with_val_images(lambda data: data + b"more"),
            r"val_images\.npy is declared to have 4,836 bytes, and needs 4,832",
        ),
        (a_wrong_byte, "Bad CRC"),
        (a_pickle, "train_labels is object"),
    ]
    for break_it, message in cases:
        np.savez_compressed(archive, **arrays())
        break_it(archive)
        with pytest.raises(InputError, match=message):
            prepare(archive, tmp_path / "out", size=28)
        assert not (tmp_path / "out").exists()


def test_several_archives_or_an_unknown_finding_are_refused(archive, tmp_path):
    np.savez(archive.with_name("chestmnist_64.npz"), **arrays(64))
    with pytest.raises(InputError, match=r"holds 2 \.npz files; name one"):
        prepare(archive.parent, tmp_path / "out")
    with pytest.raises(InputError, match="not one of ChestMNIST's"):
        prepare(archive, tmp_path / "out", finding="fracture")
