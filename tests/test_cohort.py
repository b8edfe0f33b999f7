import fuzz
import numpy as np
import pandas as pd
import pytest

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.split import check_split, draw_split, draw_stratified_split, patients_from_names
from cxrlib.errors import InputError


def test_bare_folders(two_folders):
    cohort = read_cohort(two_folders)
    assert cohort.finding == "effusion"
    assert cohort.labels.tolist() == [1] * 6 + [0] * 6
    assert cohort.table["patient_id"].nunique() == 12
    assert "each film counts as a patient" in cohort.notes[0]
    assert all(path.is_file() for path in cohort.files)


def test_patients_come_from_nih_names():
    ids, note = patients_from_names(
        ["effusion/00000013_005 (1).png", "nofinding/00000013_000.png", "a/00030805_000.png"]
    )
    assert ids == ["13", "13", "30805"]
    assert "NIH" in note


def test_cohort_csv_brings_patients_and_split(sim_cohort):
    cohort = read_cohort(sim_cohort)
    assert cohort.has_split
    assert {"volume_ml", "view", "age"} <= set(cohort.table)
    assert cohort.part("val").table["split"].unique().tolist() == ["val"]
    assert len(cohort.part("all").table) == 100
    with pytest.raises(InputError, match="must be one of"):
        cohort.part("training")


def test_a_split_that_is_not_there_is_refused(two_folders):
    with pytest.raises(InputError, match=r"not known which images are test; take all \(--split all\)"):
        read_cohort(two_folders).part("test")
    paths = sorted(path.relative_to(two_folders).as_posix() for path in two_folders.glob("*/*.png"))
    table = pd.DataFrame({"path": paths, "label": [int(path.startswith("effusion")) for path in paths]})
    table.assign(split="train").to_csv(two_folders / "cohort.csv", index=False)
    with pytest.raises(InputError, match=r"no image is in the split 'test' \(12 train\)"):
        read_cohort(two_folders).part("test")


def test_a_drawn_split_depends_on_patient_and_seed_alone():
    patients = [f"p{i}" for i in range(2000)]
    whole = dict(zip(patients, draw_split(patients, seed=1), strict=True))
    few = dict(zip(patients[500:600], draw_split(patients[500:600], seed=1), strict=True))
    assert all(whole[patient] == split for patient, split in few.items())
    assert draw_split(patients, seed=2) != list(whole.values())
    fractions = pd.Series(whole).value_counts(normalize=True)
    np.testing.assert_allclose(fractions[["train", "val", "test"]], [0.7, 0.15, 0.15], atol=0.03)


def test_a_stratified_split_divides_each_class_in_the_same_proportion_and_no_patient():
    rng = np.random.default_rng(0)
    patients = [f"p{i}" for i in rng.integers(400, size=1000)]
    labels = rng.random(1000) < 0.1
    table = pd.DataFrame({"patient_id": patients, "label": labels, "split": draw_stratified_split(patients, labels)})
    check_split(table, "here")
    patient_table = table.groupby("patient_id").agg(label=("label", "max"), split=("split", "first"))
    for _, stratum in patient_table.groupby("label"):
        fractions = stratum["split"].value_counts(normalize=True)
        np.testing.assert_allclose(fractions[["train", "val", "test"]], [0.7, 0.15, 0.15], atol=0.01)
    order = rng.permutation(1000)
    shuffled = draw_stratified_split([patients[i] for i in order], labels[order])
    assert shuffled == table["split"].iloc[order].tolist()  # the order of the files does not matter


def break_cohort(folder, how):
    csv = folder / "cohort.csv"
    table = pd.DataFrame({"path": ["effusion/e0.png", "nofinding/n0.png"], "label": [1, 0]})
    if how == "missing column":
        table = table.drop(columns="label")
    elif how == "absent image":
        table.loc[1, "path"] = "nofinding/absent.png"
    elif how == "outside":
        table.loc[1, "path"] = "../bare/nofinding/n0.png"
    elif how == "wrong class":
        table["label"] = [1, 1]
    elif how == "label":
        table["label"] = ["1", "perhaps"]
    elif how == "shared patient":
        table = table.assign(patient_id="7", split=["train", "test"])
    elif how == "blank patient":
        table = table.assign(patient_id=["7", ""])
    elif how == "unknown split":
        table = table.assign(split=["train", "dev"])
    elif how == "some splits":
        table = table.assign(split=["train", ""])
    elif how == "uncertain":  # as CheXpert writes it
        table["label"] = [-1, 0]
    elif how == "long row":
        csv.write_text("path,label\neffusion/e0.png,1\nnofinding/n0.png,0,x\n")
        return
    elif how == "no path":
        table.loc[1, "path"] = " "
    elif how == "two headings":
        table["Label "] = [1, 0]
    elif how == "ambiguous":
        (folder / "nofinding" / "e0.png").write_bytes(b"")
        table.loc[0, "path"] = "e0.png"
    elif how == "shortened":
        table = table.assign(patient_id=["1.23457E+12", "7"])
    elif how == "workbook":
        csv.write_bytes(b"PK\x03\x04" + bytes(range(256)))
        return
    elif how == "no rows":
        table = table[:0]
    elif how == "twice":
        table = pd.concat([table, table])
    table.to_csv(csv, index=False)


def test_a_bad_cohort_csv_is_refused(two_folders):
    messages = {
        "missing column": "no column label",
        "absent image": r"names 2 films, of which 1 .*first: row 3, nofinding/absent\.png",
        "outside": r"row 3 names '../bare/nofinding/n0.png', which leads out of the folder",
        "wrong class": r"nofinding/n0.png \(row 3\) has the label of the other class folder; correct the label, or",
        "label": "row 3 has the label 'perhaps'; write 1 for effusion, or 0 for nofinding",
        "uncertain": "row 2 has the label '-1'; write 1 for effusion, or 0 for nofinding",
        "long row": "row 3 has 3 cells, and the heading has 2",
        "shared patient": r"1 patients are in more than one split \(first: patient 7\)",
        "blank patient": r"1 films have no patient_id \(first: row 3\)",
        "unknown split": "row 3 has the split 'dev'; it must be one of train, val, test",
        "some splits": "row 3 has no split; it must be one of train, val, test",
        "no path": "row 3 has no path",
        "two headings": "2 columns named label",
        "ambiguous": "row 2 names 'e0.png', which may be effusion/e0.png and nofinding/e0.png",
        "shortened": r"row 2 has the patient_id 1.23457E\+12, which a spreadsheet has shortened",
        "workbook": "is ZIP, not text; save the table as CSV in UTF-8, not as a workbook",
        "no rows": "no rows",
        "twice": r"effusion/e0.png is listed twice \(again in row 4\)",
    }
    for how, message in messages.items():
        break_cohort(two_folders, how)
        with pytest.raises(InputError, match=message):
            read_cohort(two_folders)


def test_bad_folders_are_refused(two_folders, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read_cohort(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no folder nofinding/"):
        read_cohort(tmp_path / "empty")
    (tmp_path / "splits" / "train" / "NoFinding").mkdir(parents=True)
    with pytest.raises(InputError, match="class folders lie in train/: cxr prepare reads train/, val/ and test/"):
        read_cohort(tmp_path / "splits")
    (tmp_path / "one" / "nofinding").mkdir(parents=True)
    with pytest.raises(InputError, match="found only nofinding/"):
        read_cohort(tmp_path / "one")
    (tmp_path / "one" / "effusion").mkdir()
    with pytest.raises(InputError, match="no films in effusion/"):
        read_cohort(tmp_path / "one")
    (tmp_path / "one" / "No Finding").mkdir()
    with pytest.raises(InputError, match="No Finding/ and nofinding/ count as one class"):
        read_cohort(tmp_path / "one")
    (two_folders / "effusion" / "others").symlink_to(two_folders / "nofinding")
    with pytest.raises(InputError, match="are in both classes, through a link"):
        read_cohort(two_folders)


def test_another_finding_is_the_other_folder(two_folders):
    (two_folders / "effusion").rename(two_folders / "cardiomegaly")
    assert read_cohort(two_folders).finding == "cardiomegaly"
    (two_folders / "mass").mkdir()
    with pytest.raises(InputError, match="cardiomegaly, mass"):
        read_cohort(two_folders)
    assert read_cohort(two_folders, finding="Cardiomegaly").finding == "cardiomegaly"


def test_class_folders_are_found_by_any_case_and_with_blanks(two_folders):
    spellings = {
        "EFFUSION": ("Nofinding", None, "effusion"),
        "Effusion": ("NO_FINDING", "effusion", "effusion"),
        "Pleural Effusion": ("no-finding", "pleural_effusion", "pleural effusion"),
        "pleural_effusion": ("No Finding", "Pleural Effusion", "pleural_effusion"),
    }
    positive, negative = "effusion", "nofinding"
    for name, (none, wanted, finding) in spellings.items():
        positive = (two_folders / positive).rename(two_folders / name).name
        negative = (two_folders / negative).rename(two_folders / none).name
        cohort = read_cohort(two_folders, finding=wanted)
        assert (cohort.finding, cohort.labels.sum()) == (finding, 6)
        assert all(path.is_file() for path in cohort.files)


def rows_of(change=lambda path, label, patient, split: (path, label, patient, split)):
    """Six films with label, patient and split, each changed by a function."""
    splits = ("train", "val", "test")
    rows = [(f"effusion/e{i}.png", 1, i + 7, splits[i]) for i in range(3)]
    rows += [(f"nofinding/n{i}.png", 0, i + 7, splits[i]) for i in range(3)]
    return [tuple(map(str, change(*row))) for row in rows]


def text_of(rows, heading="path,label,patient_id,split", separator=","):
    return "\n".join([heading.replace(",", separator), *(separator.join(row) for row in rows)]) + "\n"


HANDS = {
    "BOM and Windows lines": ("\ufeff", {}, {}, "utf-8", None),
    "UTF-16": ("", {}, {}, "utf-16", "is read as UTF-16"),
    "UTF-16 without a BOM": ("", {}, {}, "utf-16-le", "is read as UTF-16"),
    "semicolons": ("", {}, {"separator": ";"}, "utf-8", "is separated by semicolons"),
    "semicolons, named by Excel": ("sep=;\n", {}, {"separator": ";"}, "utf-8", "is separated by semicolons"),
    "UTF-16 of a Mac": ("", {}, {}, "utf-16-be", "is read as UTF-16"),
    "empty cells at the end": ("", {"split": "{},,".format}, {}, "utf-8", None),
    "the folder's name": (
        "",
        {"path": "bare/{}".format},
        {},
        "utf-8",
        "'bare/effusion/e0.png' is read as effusion",
    ),
    "tabs": ("", {}, {"separator": "\t"}, "utf-8", "is separated by tabs"),
    "headings": ("", {}, {"heading": " Path,LABEL,Patient ID,Split "}, "utf-8", "'Patient ID' as patient_id"),
    "1.0": ("", {"label": lambda label: f"{label}.0"}, {}, "utf-8", "labels are read as follows: '1.0' as 1"),
    "True": ("", {"label": bool}, {}, "utf-8", "'True' as 1, 'False' as 0"),
    "words": ("", {"label": ("No Finding", "Effusion").__getitem__}, {}, "utf-8", "'Effusion' as 1, 'No Finding' as 0"),
    "back slashes": (
        "",
        {"path": lambda path: path.replace("/", "\\")},
        {},
        "utf-8",
        "6 paths are not spelled as the files are",
    ),
    "names only": (
        "",
        {"path": lambda path: path.split("/")[1]},
        {},
        "utf-8",
        "'e0.png' is read as effusion/e0.png",
    ),
    "other case": ("", {"path": str.upper}, {}, "utf-8", "'EFFUSION/E0.PNG' is read as effusion/e0.png"),
    "./": ("", {"path": "./{}".format}, {}, "utf-8", "6 paths are not spelled as the files are"),
    "blanks": ("", {"path": " {} ".format, "split": "{} ".format, "label": " {}".format}, {}, "utf-8", None),
    "float patients": ("", {"patient": "{}.0".format}, {}, "utf-8", "such as 7.0 are read as 7"),
    "valid": ("", {"split": {"val": "Valid", "train": "Training", "test": "TEST"}.get}, {}, "utf-8", "'Valid' as val"),
    "validation": ("", {"split": {"val": "validation", "train": "Train", "test": "test"}.get}, {}, "utf-8", None),
}


@pytest.mark.parametrize("hand", HANDS)
def test_a_table_is_read_as_other_programs_write_it(two_folders, hand):
    start, changes, form, encoding, note = HANDS[hand]
    kept = lambda value: value

    def change(path, label, patient, split):
        values = {"path": path, "label": label, "patient": patient, "split": split}
        return [changes.get(name, kept)(value) for name, value in values.items()]

    text = start + text_of(rows_of(change), **form) + "\n,,,\n".replace(",", form.get("separator", ","))
    lines = text.replace("\n", "\r\n") if "Windows" in hand else text
    (two_folders / "cohort.csv").write_bytes(lines.encode(encoding))
    cohort = read_cohort(two_folders)
    assert list(cohort.table[["path", "label", "patient_id", "split"]].itertuples(index=False, name=None)) == [
        (path, int(label), patient, split) for path, label, patient, split in rows_of()
    ]
    assert note is None or any(note in each for each in cohort.notes), cohort.notes


def test_a_table_with_an_index_other_letters_and_absolute_paths(two_folders):
    rows = [(str(i), str(two_folders / path), *rest, "M\xfcller") for i, (path, *rest) in enumerate(rows_of())]
    text = text_of(rows, ",path,label,patient_id,split,radiologist")
    (two_folders / "Cohort.CSV").write_bytes(text.encode("latin-1"))
    (two_folders / "cohort.xlsx").write_bytes(b"PK")
    cohort = read_cohort(two_folders)
    assert list(cohort.table) == ["path", "label", "patient_id", "split", "radiologist"]
    assert cohort.table["path"].tolist() == [path for path, *_ in rows_of()]
    assert set(cohort.table["radiologist"]) == {"M\xfcller"}
    for note in ("Windows-1252", "without a heading", "cohort.xlsx is not read"):
        assert any(note in each for each in cohort.notes), cohort.notes


def test_patient_ids_that_programs_change_stay_one_patient(two_folders):
    for first, second, expected in (
        ("7", "7 ", "7"), ("7", "7.0", "7"), ("007", "7", "7"), ("P7", "p7", "p7"), ("NA", "NA", "NA"),
        ("007", "007", "007"), ("P7 ", "P7", "P7"), ("0", "00", "0"), ("0", "0.0", "0"), ('="007"', "7", "7"),
        ("'7", "7", "7"), ("7\u200b", "7", "7"), ("P\u00a0 7", "P 7", "p 7"), ("\uff17", "7", "7"),
        ("M\u00fcller", "Mu\u0308ller", "m\u00fcller"),
    ):  # fmt: skip
        for others in ([], ["A1", "B0"]):  # also beside ids that are no numbers
            rows = [f"effusion/e0.png,1,{first}", f"nofinding/n0.png,0,{second}"]
            rows += [f"nofinding/n{i}.png,0,{other}" for i, other in enumerate(others, start=1)]
            (two_folders / "cohort.csv").write_text("\n".join(["path,label,patient_id", *rows]))
            patients = read_cohort(two_folders).table.set_index("path")["patient_id"]
            assert patients["effusion/e0.png"] == patients["nofinding/n0.png"] == expected
            assert patients.nunique() == 1 + len(others)


def test_a_note_names_a_column_that_may_have_been_meant_as_the_patient(two_folders):
    (two_folders / "cohort.csv").write_text(
        "path,label,patient,View Position\neffusion/e0.png,1,A,PA\nnofinding/n0.png,0,A,LL\n"
    )
    notes = read_cohort(two_folders).notes
    assert "cohort.csv: not read: 'patient'; the heading must be patient_id" in notes
    assert "cohort.csv: not read: 'View Position'; the heading must be view" in notes


def test_the_row_in_a_message_is_that_of_a_spreadsheet(two_folders):
    text = "sep=;\npath;label\n\neffusion/e0.png;1\n;\nnofinding/n0.png;2\n"
    (two_folders / "cohort.csv").write_text(text)
    with pytest.raises(InputError, match="row 5 has the label '2'"):
        read_cohort(two_folders)


def move_films(folder, places):
    """Move the six films of each class to sub-folders of these names, in turn."""
    for name in ("effusion", "nofinding"):
        for i, film in enumerate(sorted((folder / name).glob("*.png"))):
            place = folder / name / places[i % len(places)]
            place.mkdir(parents=True, exist_ok=True)
            film.rename(place / film.name)


@pytest.mark.parametrize(
    ("places", "patients"),
    [
        (["patient001/study1", "patient001/study2", "patient002/study1"], {"patient001", "patient002"}),
        (["0013", "0014", "0015"], {"0013", "0014", "0015"}),
        (["2019/A7", "2020/A8"], {"a7", "a8"}),
        (["2019", "2150"], {"2019", "2150"}),
        (["train/sub-01", "test/sub-02", "sub-03"], {"sub-01", "sub-02", "sub-03"}),
        (["p10/p10000032/s1", "p10/p10000764/s2", "p11/p11000001/s3"], {"p10000032", "p10000764", "p11000001"}),
        (["patient a", "Patient B"], {"patient a", "patient b"}),
        (["M\u00fc1", "Mu\u03081", "p2"], {"m\u00fc1", "p2"}),
        (["train", "val", "test"], None),
        (["AP", "PA"], None),
        (["2019", "2020-03"], None),
        (["images_001", "images_002"], None),
        (["batch1", "batch2"], None),
        (["fold-1", "Fold-2"], None),
        (["patient1"], None),  # all films in one folder
        (["."], None),
    ],
)
def test_patients_come_from_folders_that_look_like_patients(two_folders, places, patients):
    move_films(two_folders, places)
    cohort = read_cohort(two_folders)
    if patients is None:
        assert cohort.table["patient_id"].nunique() == 12
        assert "no patients are known" in cohort.notes[0]
    else:
        assert set(cohort.table["patient_id"]) == patients
        assert "patients are taken from folder names" in cohort.notes[0]


def test_the_patient_of_a_header_is_that_of_the_other_films_in_the_folder(two_folders):
    move_films(two_folders, ["patient1", "patient2"])
    for number, patient in ((1, "A"), (2, "B")):
        film = two_folders / "effusion" / f"patient{number}" / "film.dcm"
        film.write_bytes(fuzz.dicom(fuzz.film(), PatientID=patient, ViewPosition="PA"))
    table = read_cohort(two_folders).table
    folders = table["path"].str.split("/").str[1]
    assert table.groupby(folders)["patient_id"].nunique().tolist() == [1, 1]
    assert table["patient_id"].str.startswith("dicom:").all()
    assert table["patient_id"].nunique() == 2


def test_a_class_with_one_patient_shares_it_with_the_other_class():
    paths = [f"{place}/film.png" for place in ("effusion/p1", "effusion/p2", "nofinding/p2")]
    assert patients_from_names(paths)[0] == ["p1", "p2", "p2"]


def test_nih_names_win_over_folders_and_many_films_are_no_patient():
    paths = [f"{name}/p{i}/0000001{i}_000.png" for name in ("effusion", "nofinding") for i in range(2)]
    assert patients_from_names(paths)[0] == ["10", "11", "10", "11"]
    paths = [f"{name}/{i % 3}/film{i}.png" for name in ("effusion", "nofinding") for i in range(100)]
    assert patients_from_names(paths)[0] == [f"file:{path}" for path in paths]


def test_ages_are_read_in_years_and_a_note_counts_the_others(two_folders):
    paths = sorted(path.relative_to(two_folders).as_posix() for path in two_folders.glob("*/*.png"))
    table = pd.DataFrame({"path": paths, "label": [int(path.startswith("effusion")) for path in paths]})
    table.assign(age=["58", "058Y", "006M", "58,5", "-5", "999", "inf", "old", *[""] * 4]).to_csv(
        two_folders / "cohort.csv", index=False
    )
    cohort = read_cohort(two_folders)
    assert "4 ages are left out; an age is a number of years up to 120, or text such as 009M" in cohort.notes
    assert cohort.table["age"].dropna().tolist() == [58, 58, 0.5, 58.5]


def test_a_file_name_that_is_no_text_is_refused(two_folders):
    (two_folders / "effusion" / "Gr\udcf6sse.png").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written in a table"):
        read_cohort(two_folders)
