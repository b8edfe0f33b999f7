"""Radiographs as they are published become a cohort of one resolution."""

import io
import json
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest

from cxrlib import files, prepare
from cxrlib.cohorts import preparation
from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.table_source import TableLayout
from cxrlib.errors import InputError
from cxrlib.images.radiograph import read_image

FINGERPRINT = "644185e003c3b807dfd9df44eaba6bdfce23e135c3e6710b4530b1278d8f0953"
"""The hash of the films of `two_folders`, each of 9,000 bytes."""

HEAD = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)


@pytest.fixture
def nih(tmp_path, film):
    """NIH's layout: 20 patients of 2 films in two sub-folders, a label file and boxes."""
    source = tmp_path / "nih"
    rows = []
    for patient in range(1, 21):
        for visit in range(2):
            name = f"{patient:08d}_{visit:03d}.png"
            folder = source / f"images_{1 + patient % 2:03d}" / "images"
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name), np.roll(film, 3 * patient + visit, axis=0))
            labels = "Effusion|Mass" if patient % 4 == 0 else "Mass" if patient % 4 == 1 else "No Finding"
            age = ["58", "058Y", "009M", "414"][patient % 4]
            rows.append(f"{name},{labels},{visit},{patient},{age},M,AP,80,96,0.168,0.168")
    (source / "Data_Entry_2017.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    (source / "BBox_List_2017.csv").write_text(
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n00000004_000.png,Effusion,256.0,512.0,128.0,64.0,,,\n"
    )
    return source


def test_nih_layout(nih, tmp_path):
    result = prepare(nih, tmp_path / "out", size=48)
    assert result.counts == {"effusion": 10, "nofinding": 20}
    cohort = read_cohort(tmp_path / "out")
    assert cohort.table["patient_id"].nunique() == 15
    assert cohort.table.groupby("patient_id")["split"].nunique().max() == 1
    row = cohort.table.set_index("path").loc["effusion/00000004_000.png"]
    assert (row["view"], row["sex"], row["age"], row["findings"]) == ("AP", "M", 58, "Effusion|Mass")
    ages = cohort.table.set_index("path")["age"]
    assert ages["nofinding/00000002_000.png"] == 0  # nine months
    assert np.isnan(ages["nofinding/00000003_000.png"])  # nobody is 414
    boxes = pd.read_csv(tmp_path / "out" / "boxes.csv")
    assert boxes.iloc[0].tolist() == ["effusion/00000004_000.png", "Effusion", 0.25, 0.5, 0.125, 0.0625]
    original = nih / "images_001" / "images" / "00000004_000.png"
    prepared = tmp_path / "out" / "effusion" / "00000004_000.png"
    assert cv2.imread(str(prepared), cv2.IMREAD_UNCHANGED).dtype == np.uint16
    np.testing.assert_allclose(read_image(prepared, size=48), read_image(original, size=48), atol=1 / 65535)


def test_a_film_that_is_there_twice_is_read_once(nih, tmp_path):
    """As in Kaggle's sample of NIH's films, where sample/sample/images repeats sample/images."""
    shutil.copytree(nih / "images_001", nih / "copy")
    assert prepare(nih, tmp_path / "out", size=32).counts == {"effusion": 10, "nofinding": 20}


@pytest.mark.parametrize("against", ["nofinding", "all"])
def test_the_label_file_read_as_any_other_table_gives_the_same_films(nih, tmp_path, against):
    columns = dict(patient_column="patient id", view_columns=("View Position",))
    layout = TableLayout(
        table="Data_Entry_2017.csv", path_column="Image Index", label_column="Finding Labels", **columns
    )
    first = prepare(nih, tmp_path / "first", against=against, size=32)
    second = prepare(nih, tmp_path / "second", layout=layout, finding="Effusion", against=against, size=32)
    assert first.counts == second.counts
    pd.testing.assert_frame_equal(read_cohort(first.folder).table, read_cohort(second.folder).table)


def test_another_finding_against_all(nih, tmp_path):
    result = prepare(nih, tmp_path / "out", finding="mass", against="all", size=32)
    assert result.counts == {"mass": 20, "nofinding": 20}
    assert set(read_cohort(tmp_path / "out").table.query("label == 0")["findings"]) == {"No Finding"}


def test_official_lists_give_the_test_split(nih, tmp_path):
    names = sorted(path.name for path in nih.rglob("*.png"))
    test = [name for name in names if int(name[:8]) > 14]
    (nih / "test_list.txt").write_text("\n".join(test))
    with pytest.raises(InputError, match="only one of"):
        prepare(nih, tmp_path / "out", size=32)
    (nih / "train_val_list.txt").write_text("\n".join(set(names) - set(test)))
    prepare(nih, tmp_path / "out", size=32)
    table = read_cohort(tmp_path / "out").table
    assert set(table.loc[table["split"] == "test", "path"].str[-16:]) == set(table["path"].str[-16:]) & set(test)
    assert set(table["split"]) == {"train", "val", "test"}


def test_unreadable_files_are_listed_and_a_second_call_continues(nih, tmp_path):
    bad = nih / "images_001" / "images" / "00000002_000.png"
    bad.write_bytes(bad.read_bytes()[:100])
    out = tmp_path / "out"
    result = prepare(nih, out, size=32)
    rejected = pd.read_csv(out / "rejected.csv")
    assert rejected["source"].tolist() == ["images_001/images/00000002_000.png"]
    assert len(read_cohort(out).table) == 29
    assert result.counts["nofinding"] == 19

    first = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for name in ("cohort.csv", "effusion/00000004_000.png", "nofinding/00000006_001.png"):
        (out / name).unlink()
    untouched = (out / "effusion" / "00000004_001.png").stat().st_mtime_ns
    prepare(nih, out, size=32)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == first
    assert (out / "effusion" / "00000004_001.png").stat().st_mtime_ns == untouched


def test_no_name_acts_as_a_formula_in_a_table_for_people(two_folders, tmp_path):
    names = {
        "=1+2.png": "'=1+2.png",
        "+1.png": "'+1.png",
        "-1.png": "'-1.png",
        "@SUM(A1).png": "'@SUM(A1).png",
        " \t=1.png": r"' \t=1.png",
        "\n=1.png": r"'\n=1.png",
        "\uff1d1.png": "'\uff1d1.png",
        "-12.5": "-12.5",
        "a=1.png": "a=1.png",
        "\udcff.png": r"\udcff.png",
    }
    table = pd.DataFrame({"path": list(names), "score": -np.arange(len(names)) / 4, "label": -1})
    shown = pd.read_csv(io.StringIO(files.csv_text(files.for_spreadsheets(table))), dtype={"path": str})
    assert shown["path"].tolist() == list(names.values())
    pd.testing.assert_frame_equal(shown[["score", "label"]], table[["score", "label"]])
    (two_folders / "nofinding" / "=1+2.png").write_bytes(b"")
    prepare(two_folders, tmp_path / "out", size=32)
    row = pd.read_csv(tmp_path / "out" / "rejected.csv").iloc[0]
    assert (row["source"], "empty" in row["reason"]) == ("nofinding/=1+2.png", True)  # it does not begin with =


def test_two_folders_are_prepared_too_and_keep_their_split(sim_cohort, two_folders, tmp_path):
    prepare(sim_cohort, tmp_path / "out", size=32)
    before, after = read_cohort(sim_cohort).table, read_cohort(tmp_path / "out").table
    pd.testing.assert_series_equal(before["split"], after["split"])
    pd.testing.assert_series_equal(before["volume_ml"].astype(float), after["volume_ml"].astype(float))


def test_no_two_films_get_the_same_name(two_folders, tmp_path):
    """Equal names in sub-folders, names that differ by ending or by case, and names that Windows does not allow."""
    film = (two_folders / "effusion" / "e0.png").read_bytes()
    names = {
        "p1/view1.png": "p1-view1", "p2/view1.png": "p2-view1", "p2-view1.png": None,
        "e1.jpg": "e1-jpg", "E2.png": "E2", "1.2.840.1": "1.2.840.1", "1.2.840.2": "1.2.840.2",
        "a?.png": "a_", "aux.png": "film-aux", "x.PNG": "x", f"{'n' * 200}.png": None,
    }  # fmt: skip
    for name in names:
        (two_folders / "effusion" / name).parent.mkdir(exist_ok=True)
        (two_folders / "effusion" / name).write_bytes(film)
    result = prepare(two_folders, tmp_path / "out", size=32)
    assert result.counts == {"effusion": 6 + len(names), "nofinding": 6}
    written = {path.stem for path in (tmp_path / "out" / "effusion").iterdir()}
    assert len({name.casefold() for name in written}) == 6 + len(names)
    assert max(len(name) for name in written) <= 160
    # e2 and E2, and p2/view1 and p2-view1, need the hash of their path too
    expected = {name for name in names.values() if name and not name.startswith(("E2", "p2"))}
    assert expected <= written, written
    assert len(read_cohort(tmp_path / "out").table) == 12 + len(names)
    assert prepare(two_folders, tmp_path / "out", size=32).counts == result.counts


def test_patients_of_folders_are_kept_in_the_prepared_cohort(two_folders, tmp_path):
    for name in ("effusion", "nofinding"):
        for i, film in enumerate(sorted((two_folders / name).glob("*.png"))[:5]):
            place = two_folders / name / f"patient{i // 2}"
            place.mkdir(exist_ok=True)
            film.rename(place / f"view{i % 2}.png")
    prepare(two_folders, tmp_path / "out", size=32)
    patients = read_cohort(tmp_path / "out").table.set_index("path")["patient_id"]
    assert patients["effusion/patient1-view0.png"] == patients["nofinding/patient1-view1.png"] == "patient1"
    assert patients.nunique() == 3 + 2


@pytest.mark.parametrize(
    ("name", "labels", "separator"),
    [
        ("Data_Entry_2017 (1).csv", ("Effusion", "No Finding"), ","),
        ("DATA_ENTRY_2017.CSV", ("effusion", "no finding"), ","),
        ("labels/Data_Entry_2017_v2020.csv", (" Effusion ", "No Finding "), ","),
        ("Data_Entry_2017.csv", ("Mass | EFFUSION", " No finding"), ";"),
    ],
)
def test_nih_labels_and_label_files_in_other_spellings(nih, tmp_path, name, labels, separator):
    text = (
        (nih / "Data_Entry_2017.csv").read_text().replace("Effusion|Mass", labels[0]).replace("No Finding", labels[1])
    )
    (nih / "Data_Entry_2017.csv").unlink()
    (nih / name).parent.mkdir(exist_ok=True)
    lines = text.splitlines()
    (nih / name).write_text(
        "\n".join([lines[0].replace(",", separator), *(x.replace(",", separator) for x in lines[1:])])
    )
    assert prepare(nih, tmp_path / "out", size=32).counts == {"effusion": 10, "nofinding": 20}


def test_nih_laterals_are_left_out_unless_they_are_wanted(nih, tmp_path):
    edit(nih / "Data_Entry_2017.csv", lambda text: re.sub(r"(_001.png.*),AP,", r"\1,LL,", text))
    prepared = prepare(nih, tmp_path / "out", size=32)
    assert prepared.counts == {"effusion": 5, "nofinding": 10}
    assert any(note.startswith("15 lateral films are left out") for note in prepared.notes)
    kept = prepare(nih, tmp_path / "kept", size=32, keep_laterals=True)
    assert kept.counts == {"effusion": 10, "nofinding": 20}


def test_nih_lists_and_images_in_another_case(nih, tmp_path):
    names = sorted(path.name for path in nih.rglob("*.png"))
    (nih / "Test_List.TXT").write_text("\ufeff" + "\n".join(names[28:]), encoding="utf-8")
    (nih / "TRAIN_VAL_LIST.txt").write_text("\n".join(names[:28]))
    for path in sorted(nih.rglob("*_001.png")):
        path.rename(path.with_suffix(".PNG"))
    assert prepare(nih, tmp_path / "out", size=32).counts == {"effusion": 10, "nofinding": 20}
    table = read_cohort(tmp_path / "out").table
    assert set(table.loc[table["split"] == "test", "path"].str[-16:]) == set(table["path"].str[-16:]) & set(names[28:])


def test_two_label_files_that_differ_are_refused(nih, tmp_path):
    text = (nih / "Data_Entry_2017.csv").read_text()
    (nih / "Data_Entry_2017.csv").rename(nih / "Data_Entry (1).csv")
    (nih / "Data_Entry (2).csv").write_text(text)
    assert prepare(nih, tmp_path / "out", size=32).counts == {"effusion": 10, "nofinding": 20}
    (nih / "Data_Entry (2).csv").write_text(text.replace("Mass", "Hernia"))
    with pytest.raises(InputError, match=r"Data_Entry \(1\).csv and Data_Entry \(2\).csv could both be"):
        prepare(nih, tmp_path / "out2", size=32)
    (nih / "Data_Entry_2017_v2020.csv").write_text(text)
    assert prepare(nih, tmp_path / "out", size=32).counts == {"effusion": 10, "nofinding": 20}


def edit(path, change):
    path.write_text(change(path.read_text()))


def test_what_is_refused_writes_nothing(nih, tmp_path):
    label_file, film, boxes = "Data_Entry_2017.csv", "images_001/images/00000004_000.png", "BBox_List_2017.csv"
    cases = [
        (lambda s: (s / film).unlink(), {}, r"names 30 images, of which 1 .*00000004_000"),
        (None, {"finding": "Efusion"}, "not one of NIH's: Atelectasis"),
        (lambda s: edit(s / label_file, lambda text: "Image Index,View\na.png,AP\n"), {}, "no column Finding Labels"),
        (lambda s: (s / "00000004_000.png").write_bytes(b"x"), {}, "two different films have one name"),
        (None, {"finding": "Hernia"}, "has 40 images, of which 20 can be compared: 0 with Hernia and 20 without"),
        (None, {"size": 4}, "must be 8 to 6,000"),
        (lambda s: (s / boxes).write_text("a,b\n1,2\n"), {}, r"BBox_List_2017\.csv: .*each row needs"),
        (lambda s: edit(s / label_file, lambda text: text * 2), {}, "images are listed twice"),
        (lambda s: edit(s / label_file, lambda text: text.replace(",1,3,", ",1,4,")), {}, "the rows are mixed up"),
        (None, {"against": "none"}, "against is 'none'"),
        (None, {"normalize": "foo"}, "normalize is 'foo'"),
        (None, {"size": 200_000}, "size is 200000; it must be 8 to 6,000"),
    ]
    for i, (break_it, options, message) in enumerate(cases):
        source = shutil.copytree(nih, tmp_path / f"source {i}")
        if break_it:
            break_it(source)
        with pytest.raises(InputError, match=message):
            prepare(source, tmp_path / "out", **{"size": 32} | options)
        assert not (tmp_path / "out").exists()


def test_a_source_that_is_no_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="absent: no such folder"):
        prepare(tmp_path / "absent", tmp_path / "out")
    (tmp_path / "film.png").write_bytes(b"")
    with pytest.raises(InputError, match="is a file, not a folder"):
        prepare(tmp_path / "film.png", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_official_lists_that_do_not_fit_are_refused(nih, tmp_path):
    names = sorted(path.name for path in nih.rglob("*.png"))
    cases = [
        (names, names[-1:], "1 images are in both lists"),
        (names[:20], names[22:], "images are in neither official list"),
        (names[:31], names[31:], "1 patients are in more than one split"),
    ]
    for train_val, test, message in cases:
        (nih / "train_val_list.txt").write_text("\n".join(train_val))
        (nih / "test_list.txt").write_text("\n".join(test))
        with pytest.raises(InputError, match=message):
            prepare(nih, tmp_path / "out", size=32)


def test_missing_images_can_be_allowed(nih, tmp_path):
    (nih / "images_001/images/00000004_000.png").unlink()
    result = prepare(nih, tmp_path / "out", size=32, allow_missing=True)
    assert result.counts == {"effusion": 9, "nofinding": 20}
    assert "of which 1" in result.notes[0]


def test_an_output_folder_that_holds_something_else_is_refused(nih, tmp_path):
    prepare(nih, tmp_path / "out", size=32)
    with pytest.raises(InputError, match="size was 32 and is now 64"):
        prepare(nih, tmp_path / "out", size=64)
    label_file = nih / "Data_Entry_2017.csv"
    label_file.write_text(
        label_file.read_text().replace("00000004_000.png,Effusion|Mass", "00000004_000.png,No Finding")
    )
    with pytest.raises(InputError, match="other films or labels"):
        prepare(nih, tmp_path / "out", size=32)
    with pytest.raises(InputError, match="lies in the source"):
        prepare(nih, nih / "prepared", size=32)
    (tmp_path / "out" / "prepare.json").write_text("{")
    with pytest.raises(InputError, match=r"prepare\.json: is damaged"):
        prepare(nih, tmp_path / "out", size=32)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    with pytest.raises(InputError, match="not made by prepare"):
        prepare(nih, tmp_path / "mine", size=32)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "dear"


def test_when_everything_is_unreadable_nothing_is_left(nih, tmp_path):
    for path in nih.rglob("*.png"):
        path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"30 images were rejected.*: 0 with effusion and 0 without.* \(first"):
        prepare(nih, tmp_path / "out", size=32)
    assert not (tmp_path / "out").exists()


def test_what_is_not_ours_in_the_output_folder_is_neither_followed_nor_deleted(two_folders, tmp_path, monkeypatch):
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    prepare(two_folders, out, size=32)
    film = next((out / "effusion").iterdir())
    theirs = out / ".notes.partial.txt", out / "my folder" / "letter.txt"
    theirs[1].parent.mkdir()
    for path in theirs:
        path.write_text("mine")
    (out / "more").symlink_to(elsewhere)
    (elsewhere / ".a.1-1.partial.png").write_text("mine")
    prepare(two_folders, out, size=32)
    assert [path.read_text() for path in (*theirs, elsewhere / ".a.1-1.partial.png")] == ["mine"] * 3
    (out / ".b.1-1.partial.png").symlink_to(elsewhere / ".a.1-1.partial.png")
    for link, target in (
        (film, elsewhere / "film.png"),
        (out / "effusion", elsewhere),
        (out / "effusion", tmp_path / "nowhere"),
        (out / "cohort.csv", elsewhere / "table.csv"),
    ):
        kept = link.rename(tmp_path / "kept")
        link.symlink_to(target)
        with pytest.raises(InputError, match=f"{link}: is a link"):
            prepare(two_folders, out, size=32)
        assert link.is_symlink()
        assert [path.name for path in elsewhere.iterdir()] == [".a.1-1.partial.png"]
        link.unlink()
        kept.rename(link)
    prepare(two_folders, out, size=32)
    assert (out / ".b.1-1.partial.png").is_symlink()

    def add_and_fail(*arguments):
        (tmp_path / "new" / "mine.txt").write_text("mine")
        raise InputError("no")

    monkeypatch.setattr(preparation, "_check_classes", add_and_fail)
    with pytest.raises(InputError, match="no"):
        prepare(two_folders, tmp_path / "new", size=32)
    assert {path.name for path in (tmp_path / "new").iterdir()} <= {"mine.txt", files.LOCK}
    assert (tmp_path / "new" / "mine.txt").read_text() == "mine"


def test_a_film_that_a_power_failure_cut_off_is_written_anew(two_folders, tmp_path):
    out = tmp_path / "out"
    prepare(two_folders, out, size=32)
    (out / "cohort.csv").unlink()
    films = sorted(out.rglob("*.png"))
    whole = [film.read_bytes() for film in films]
    for film, length in zip(films, (0, 8, 100, len(whole[3]) - 1), strict=False):
        film.write_bytes(film.read_bytes()[:length])
    prepare(two_folders, out, size=32)
    assert [film.read_bytes() for film in films] == whole


def test_memory_does_not_grow_with_the_number_of_films(tmp_path, film):
    """The peak of a fresh process at 100 and at 2,000 films, which as arrays would be 500 MB."""
    code = (
        "import resource, sys; from cxrlib import prepare; prepare(sys.argv[1], sys.argv[2], size=32);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    big = cv2.resize(film, (256, 256))
    peaks = []
    for count in (100, 2000):
        for i in range(count):
            place = tmp_path / str(count) / ("effusion" if i % 2 else "nofinding") / f"{i}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            if i == 0:
                cv2.imwrite(str(tmp_path / "film.png"), big)
            place.symlink_to(tmp_path / "film.png")
        words = [sys.executable, "-c", code, tmp_path / str(count), tmp_path / f"out{count}"]
        peaks.append(int(subprocess.run(words, capture_output=True, text=True, check=True).stdout))
    assert peaks[1] - peaks[0] < 40


def test_a_table_may_have_columns_of_any_name(two_folders, tmp_path):
    paths = sorted(path.relative_to(two_folders).as_posix() for path in two_folders.glob("*/*.png"))
    table = pd.DataFrame({"path": paths, "label": [int(path.startswith("effusion")) for path in paths]})
    table.assign(source="ward", reason="cough").to_csv(two_folders / "cohort.csv", index=False)
    prepare(two_folders, tmp_path / "out", size=32)
    prepared = read_cohort(tmp_path / "out").table
    assert set(prepared["source_given"]) == {"ward"}
    assert set(prepared["reason_given"]) == {"cough"}


def test_unknown_patients_stay_unknown_in_the_prepared_cohort(two_folders, tmp_path):
    prepare(two_folders, tmp_path / "out", size=32)
    assert "each film counts as a patient" in read_cohort(tmp_path / "out").notes[0]


def test_the_record_of_a_preparation_does_not_change(two_folders, tmp_path):
    """A folder that was begun is continued, so neither the settings nor the hash may change."""
    for path in two_folders.rglob("*.png"):  # the hash covers the files' sizes, and an encoder may change
        path.write_bytes(path.read_bytes().ljust(9000, b"\0"))
    prepare(two_folders, tmp_path / "out", size=32, seed=2)
    record = json.loads((tmp_path / "out" / "prepare.json").read_text())
    settings = {"finding": "effusion", "against": "nofinding", "size": 32, "normalize": "minmax", "seed": 2}
    assert list(record.items()) == [*settings.items(), ("keep_laterals", False), ("accept", []), ("films", FINGERPRINT)]
    (tmp_path / "out" / "prepare.json").write_text(json.dumps(settings | {"allow_color": False, "films": FINGERPRINT}))
    with pytest.raises(InputError, match="begun by an earlier version"):
        prepare(two_folders, tmp_path / "out", size=32, seed=2)


def test_patients_whose_ids_look_made_up_are_kept_where_the_table_gives_them(two_folders, tmp_path):
    paths = sorted(path.relative_to(two_folders).as_posix() for path in two_folders.glob("*/*.png"))
    table = pd.DataFrame({"path": paths, "label": [int(path.startswith("effusion")) for path in paths]})
    table["patient_id"] = [f"file:{i // 2}" for i in range(len(paths))]
    table.to_csv(two_folders / "cohort.csv", index=False)
    prepare(two_folders, tmp_path / "out", size=32)
    assert read_cohort(tmp_path / "out").table["patient_id"].nunique() == len(paths) // 2


def test_unusual_films_are_kept_counted_and_written_down(sim_cohort, tmp_path):
    folder = shutil.copytree(sim_cohort, tmp_path / "films")
    films = sorted(folder.glob("effusion/*.png"))
    for film, change in ((films[0], lambda pixels: pixels.max() - pixels), (films[1], lambda pixels: pixels[::-1])):
        cv2.imwrite(str(film), change(cv2.imread(str(film), cv2.IMREAD_UNCHANGED)))
    names = [film.relative_to(folder).as_posix() for film in films[:2]]
    prepared = prepare(folder, tmp_path / "out", size=32)
    assert prepared.warnings[["source", "kind"]].to_numpy().tolist() == [
        [names[0], "inverted"],
        [names[1], "upside down"],
    ]
    saved = pd.read_csv(tmp_path / "out" / "warnings.csv")
    pd.testing.assert_frame_equal(saved, prepared.warnings)
    assert len(read_cohort(tmp_path / "out").table) == len(read_cohort(folder).table)
    again = prepare(folder, tmp_path / "out", size=32)  # the films are not read again
    pd.testing.assert_frame_equal(again.warnings, saved)


def test_the_film_ids_of_two_preparations_agree_whatever_the_size_and_the_names(two_folders, tmp_path):
    prepare(two_folders, tmp_path / "small", size=32)
    for path in sorted(two_folders.glob("*/*.png")):
        path.rename(path.with_name(f"renamed_{path.name}"))
    prepare(two_folders, tmp_path / "large", size=64)
    prepare(tmp_path / "large", tmp_path / "from_large", size=48)
    ids = [sorted(pd.read_csv(tmp_path / name / "cohort.csv")["film_id"]) for name in ("small", "large", "from_large")]
    assert len(set(ids[0])) == len(ids[0])
    assert ids[0] == ids[1] == ids[2]


def test_copies_in_both_classes_are_told(two_folders, tmp_path):
    film = next((two_folders / "effusion").glob("*.png"))
    (two_folders / "nofinding" / "copy.png").write_bytes(film.read_bytes())
    note = prepare(two_folders, tmp_path / "out", size=32).notes[-1]
    assert "1 film is there under several names, with equal pixels; 1 of them in both classes" in note
    assert ("of them in several splits" in note) == (
        pd.read_csv(tmp_path / "out" / "cohort.csv", index_col="path")
        .loc[[f"effusion/{film.name}", "nofinding/copy.png"], "split"]
        .nunique()
        == 2
    )
    assert film.name in note
