"""Collections whose labels stand in a table: each command of the page runs on a small made-up copy."""

import gzip
import json
import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
from in_process import cxr
from test_dicom import write as write_dicom

from cxrlib import prepare
from cxrlib.cohorts.cohort import class_name, read_cohort
from cxrlib.cohorts.table_source import TableLayout, match_paths
from cxrlib.errors import InputError

PAGE = (Path(__file__).parents[1] / "book" / "own_films.md").read_text(encoding="utf-8")
CHEXPERT_HEAD = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,"
    "Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
LABELS = ("Effusion", "Normal", "Other", "Uncertain")


def draw(path: Path, number: int) -> None:
    """Write a film of clouds, a different one for each number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(number).integers(10, 240, (8, 7), dtype=np.uint8)
    pixels = cv2.resize(small, (64, 72), interpolation=cv2.INTER_LINEAR)
    if path.suffix in (".dcm", ".dicom"):
        write_dicom(path, pixels.astype(np.uint16) * 16)
    else:
        cv2.imwrite(str(path), pixels)


def write_lines(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)


def make_chexpert(folder: Path) -> None:
    """12 patients with an effusion, none, another finding or an uncertain effusion; every third has a lateral film."""
    rows = []
    for i in range(24):
        study = f"train/patient{i:05d}/study1"
        draw(folder / study / "view1_frontal.jpg", i)
        cells = dict.fromkeys(CHEXPERT_HEAD.split(","), "")
        cells |= {"Path": f"CheXpert-v1.0-small/{study}/view1_frontal.jpg", "Sex": "Female", "Age": "68"}
        cells |= {"Frontal/Lateral": "Frontal", "AP/PA": "AP" if i % 2 else "PA"}
        label = LABELS[i % 4]
        cells |= {"No Finding": "1.0" if label == "Normal" else "", "Edema": "1.0" if label == "Other" else ""}
        cells["Pleural Effusion"] = {"Effusion": "1.0", "Uncertain": "-1.0", "Other": "0.0"}.get(label, "")
        rows.append(",".join(cells.values()))
        if i % 3 == 0:
            draw(folder / study / "view2_lateral.jpg", 100 + i)
            cells |= {"Path": f"CheXpert-v1.0-small/{study}/view2_lateral.jpg"}
            cells |= {"Frontal/Lateral": "Lateral", "AP/PA": ""}
            rows.append(",".join(cells.values()))
    write_lines(folder / "train.csv", CHEXPERT_HEAD, *rows)
    draw(folder / "valid" / "patient64541" / "study1" / "view1_frontal.jpg", 999)
    path = "CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg"
    write_lines(folder / "valid.csv", CHEXPERT_HEAD, f"{path},Male,73,Frontal,AP,{','.join(['0.0'] * 14)}")


def make_mimic(folder: Path) -> None:
    metadata = ["dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns"]
    labels = ["subject_id,study_id,Edema,No Finding,Pleural Effusion"]
    split = ["dicom_id,study_id,subject_id,split"]
    for i in range(24):
        subject, study = 10000032 + i, 50414267 + i
        values = {"Effusion": ",,1.0", "Normal": ",1.0,", "Other": "1.0,,0.0", "Uncertain": ",,-1.0"}[LABELS[i % 4]]
        labels.append(f"{subject},{study},{values}")
        for view in ("PA", "LATERAL"):
            name = f"{i:08x}-{view.lower()}-b9d8"
            draw(folder / "files" / "p10" / f"p{subject}" / f"s{study}" / f"{name}.jpg", 2 * i + (view == "PA"))
            metadata.append(f'{name},{subject},{study},"CHEST (PA AND LAT), 2 views",{view},72,64')
            split.append(f"{name},{study},{subject},{'test' if i > 19 else 'validate' if i > 15 else 'train'}")
    for name, lines in (("metadata", metadata), ("chexpert", labels), ("split", split)):
        write_lines(folder / f"mimic-cxr-2.0.0-{name}.csv.gz", *lines)


def make_padchest(folder: Path) -> None:
    head = (
        ",ImageID,ImageDir,StudyID,PatientID,PatientBirth,PatientSex_DICOM,ViewPosition_DICOM,Projection,Report,Labels"
    )
    rows = []
    for i in range(24):
        words = {
            "Effusion": "['cardiomegaly', 'pleural effusion ', 'loc basal']",
            "Normal": "['normal']",
            "Other": "['pneumonia', '']",
            "Uncertain": "",
        }[LABELS[i % 4]]
        for view, number in (("PA" if i % 2 else "AP_horizontal", 2 * i), ("L", 2 * i + 1)):
            name = f"2168401113669640_{number:02d}.png"
            draw(folder / str(i % 3) / name, number)
            report = '"derrame pleural, ""izquierdo"" ."'
            rows.append(f'{number},{name},{i % 3},{i},{i},1950.0,F,POSTEROANTERIOR,{view},{report},"{words}"')
    write_lines(folder / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv", head, *rows)


def make_vindr(folder: Path) -> None:
    """Three readers, one row a box. Two readers of an uncertain film find nothing."""
    rows = ["image_id,rad_id,class_name,x_min,y_min,x_max,y_max"]
    for i in range(24):
        name = f"{i:032x}"
        draw(folder / "train" / f"{name}.dicom", i)
        words = {
            "Effusion": ("Pleural effusion", "Pleural effusion", "Nodule/Mass"),
            "Normal": ("No finding",) * 3,
            "Other": ("Nodule/Mass",) * 3,
            "Uncertain": ("Pleural effusion", "No finding", "No finding"),
        }[LABELS[i % 4]]
        for reader, word in enumerate((*words, words[0])):
            box = ",,," if word == "No finding" else "1,2,3,4"
            rows.append(f"{name},R{reader % 3},{word},{box}")
    draw(folder / "test" / f"{99:032x}.dicom", 99)
    write_lines(folder / "annotations" / "annotations_train.csv", *rows)


def make_openi(folder: Path) -> None:
    films, reports = ["uid,filename,projection"], ["uid,MeSH,Problems,image,indication,comparison,findings,impression"]
    for i in range(24):
        problems = {
            "Effusion": "Pleural Effusion;Cardiomegaly",
            "Normal": "normal",
            "Other": "Cardiomegaly",
            "Uncertain": "Pleural Effusion;normal",
        }[LABELS[i % 4]]
        reports.append(f'{i},{problems}/small,{problems},Chest,"fall, pain",None.,Clear.,"No XXXX,\nor so."')
        for number, view in ((1001, "Frontal"), (2001, "Lateral")):
            name = f"{i}_IM-0001-{number}.dcm.png"
            draw(folder / "images" / "images_normalized" / name, i + number)
            films.append(f"{i},{name},{view}")
    write_lines(folder / "indiana_projections.csv", *films)
    write_lines(folder / "indiana_reports.csv", *reports)


def make_rsna(folder: Path) -> None:
    rows = ["patientId,x,y,width,height,Target"]
    for i in range(24):
        name = f"{i:08x}-bb3c-4b9d"
        draw(folder / "stage_2_train_images" / f"{name}.dcm", i)
        rows += [f"{name},{x},2,3,4,1" for x in (1, 9)] if i % 4 == 0 else [f"{name},,,,,0"]
    write_lines(folder / "stage_2_train_labels.csv", *rows)


def make_kermany(folder: Path) -> None:
    for number, (split, name) in enumerate([(s, n) for s in ("train", "val", "test") for n in ("NORMAL", "PNEUMONIA")]):
        for i in range(4):
            draw(folder / split / name / f"person{i}_bacteria_{i}.jpeg", 10 * number + i)


COLLECTIONS = {
    "CheXpert": (make_chexpert, "CheXpert-v1.0-small", {"effusion": 6, "nofinding": 6}),
    "MIMIC-CXR-JPG": (make_mimic, "mimic-cxr-jpg", {"effusion": 6, "nofinding": 6}),
    "PadChest": (make_padchest, "padchest", {"effusion": 6, "nofinding": 6}),
    "VinDr-CXR": (make_vindr, "vindr-cxr", {"effusion": 6, "nofinding": 6}),
    "Open-i": (make_openi, "open-i", {"effusion": 6, "nofinding": 6}),
    "RSNA's pneumonia challenge": (make_rsna, "rsna", {"lung_opacity": 6, "nofinding": 18}),
    "Class folders with other names": (make_kermany, "chest_xray", {"pneumonia": 12, "nofinding": 12}),
}
"""For each heading of the page: what makes the copy, its folder, and how many films of each class it has."""

NOTES = {
    "CheXpert": (
        "6 films have an uncertain label and are left out",
        "6 films have other findings and are left out",
        "8 lateral films are left out",
        "not read: valid.csv",
        "patients are taken from folder names",
    ),
    "MIMIC-CXR-JPG": ("24 lateral films are left out", "the split is that of the column split"),
    "PadChest": ("6 films have no label and are left out", "24 lateral films are left out"),
    "VinDr-CXR": (
        "6 films are called both 'Pleural effusion' and 'No finding', which counts as uncertain",
        "1 films in the folder are not in annotations_train.csv",
        "each film counts as a patient",
    ),
    "Open-i": ("24 lateral films are left out", "6 films are called both 'Pleural Effusion' and 'normal'"),
    "RSNA's pneumonia challenge": (),
    "Class folders with other names": ("the split is that of the folders train, val, test",),
}


def blocks_of(heading: str) -> list[tuple[str, str]]:
    section = re.split(rf"^### {re.escape(heading)}$", PAGE, flags=re.MULTILINE)[1].split("\n#")[0]
    return re.findall(r"^```(\w*)\n(.+?)^```$", section, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("heading", COLLECTIONS)
def test_the_command_of_the_page_reads_a_copy_of_the_collection(heading, tmp_path, monkeypatch):
    make, folder, counts = COLLECTIONS[heading]
    make(tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    for kind, text in blocks_of(heading):
        if kind == "python":
            exec(compile(text, heading, "exec"), {})
        else:
            done = cxr(*shlex.split(text)[1:], "--size", 32)
    assert ", ".join(f"{count} {name}" for name, count in counts.items()) + "; 0 rejected" in done.stdout
    for note in NOTES[heading]:
        assert note in done.stderr, note
    cohort = read_cohort("cohort")
    assert cohort.finding == next(iter(counts))
    record = json.loads((tmp_path / "cohort" / "prepare.json").read_text())
    assert record["finding"] == cohort.finding
    if heading == "CheXpert":
        assert (record["table"], record["word"]) == ("train.csv", "Pleural Effusion")
        assert set(cohort.table["patient_id"]) == {f"patient{i:05d}" for i in range(24) if i % 4 < 2}
        assert set(zip(cohort.table["view"], cohort.table["sex"], cohort.table["age"], strict=True)) == {
            ("PA", "F", 68),
            ("AP", "F", 68),
        }
    if heading == "MIMIC-CXR-JPG":
        assert cohort.table["split"].value_counts().to_dict() == {"train": 8, "val": 2, "test": 2}
        assert cohort.table["patient_id"].str.startswith("100000").all()
    if heading == "PadChest":
        assert set(cohort.table["findings"]) == {"cardiomegaly|pleural effusion|loc basal", "normal"}
        assert set(cohort.table["view"]) == {"PA", "AP_horizontal"}
    if heading.startswith("Class"):
        assert cohort.table["split"].value_counts().to_dict() == {"train": 8, "val": 8, "test": 8}
        assert cohort.table["patient_id"].nunique() == 24


def test_all_collections_of_the_page_are_run():
    section = PAGE.split("\n## Collections with a table\n")[1].split("\n## ")[0]
    assert re.findall(r"^### (.+)$", section, re.MULTILINE) == list(COLLECTIONS)


@pytest.fixture
def hospital(tmp_path) -> Path:
    """Twelve films and a table: three with an effusion, three without a finding, three uncertain, three others."""
    rows = ["film,effusion,No Finding"]
    for i in range(12):
        draw(tmp_path / "hospital" / "films" / f"{i}.png", i)
        rows.append(f"films/{i}.png," + ("1,", ",1", "-1,", "0,")[i % 4])
    write_lines(tmp_path / "hospital" / "labels.csv", *rows)
    return tmp_path / "hospital"


LAYOUT = TableLayout(table="labels.csv", path_column="film", label_column="effusion")


def edit(hospital: Path, old: str, new: str) -> None:
    text = (hospital / "labels.csv").read_text()
    assert old in text
    (hospital / "labels.csv").write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("uncertain", "against", "counts"),
    [
        ("ignore", "nofinding", (3, 3)),
        ("positive", "nofinding", (6, 3)),
        ("negative", "nofinding", (3, 3)),
        ("ignore", "all", (3, 6)),
        ("positive", "all", (6, 6)),
        ("negative", "all", (3, 9)),
    ],
)
def test_uncertain_labels_and_other_findings(hospital, tmp_path, uncertain, against, counts):
    layout = TableLayout(**vars(LAYOUT) | {"uncertain": uncertain})
    prepared = prepare(hospital, tmp_path / "out", layout=layout, against=against, size=32)
    assert tuple(prepared.counts.values()) == counts
    assert any(note.startswith("3 films have an uncertain label") for note in prepared.notes)


def test_bad_tables_are_refused_in_one_sentence_and_nothing_is_written(hospital, tmp_path):
    def repeat(line):
        return lambda: edit(hospital, "films/11.png,0,\n", f"films/11.png,0,\n{line}\n")

    columns = ["--path-column", "film", "--label-column", "effusion"]
    missing = "films/x.png in row 2, films/x4.png in row 6, films/x8.png in row 10"
    cases = [
        (
            lambda: edit(hospital, "films/0.png", "films/x.png"),
            columns,
            r"1 of 6 films are not below .*x\.png in row 2",
        ),
        (lambda: edit(hospital, "films/5.png,,1", "films/5.png,2,"), columns, r"row 7 has '2' in the column effusion"),
        (lambda: edit(hospital, "films/5.png,,1", "films/5.png,,yes?"), columns, "row 7 has 'yes.' in the column No F"),
        (repeat("films/0.png,0,"), columns, "rows 2 and 14 name one film, films/0.png, and have '1' and '0'"),
        (repeat("0.png,-1,"), columns, "rows 2 and 14 name one film, films/0.png, and have '1' and '-1'"),
        (lambda: edit(hospital, "films/0.png,1,", "films/0.png,1,1"), columns, "row 2 says both effusion and No Find"),
        (lambda: edit(hospital, "No Finding", "healthy"), columns, "no column No Finding.*--against all"),
        (lambda: None, ["--path-column", "nowhere", "--label-column", "effusion"], r"no column nowhere \(found: film"),
        (lambda: None, ["--path-column", "film"], r"the column of the labels is not named.*\(found: film, effusion"),
        (lambda: None, ["--label-column", "effusion"], r"the column of the paths is not named \(--path-column\)"),
        (lambda: None, [*columns, "--as", "No Finding"], "cannot be the name of the finding's class"),
        (lambda: None, [*columns, "--positive", "effusion"], "--positive is for class folders"),
        (lambda: None, [*columns, "--table", "other.csv"], "other.csv: there is no such table"),
        (lambda: (hospital / "labels.csv").write_bytes(b"\x1f\x8b nothing"), columns, "labels.csv"),
        (lambda: [path.unlink() for path in hospital.glob("films/*")], columns, "6 of 6 films.*no films are there"),
    ]
    text = (hospital / "labels.csv").read_text()
    films = {path: path.read_bytes() for path in hospital.glob("films/*")}
    for change, options, message in cases:
        change()
        words = ["prepare", hospital, tmp_path / "out", "--table", "labels.csv", *options]
        done = cxr(*words, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), (message, done.stderr)
        assert re.search(message, done.stderr), done.stderr
        assert not (tmp_path / "out").exists()
        (hospital / "labels.csv").write_text(text)
        for path, data in films.items():
            path.write_bytes(data)
    for i in (0, 4, 8):
        edit(hospital, f"films/{i}.png", f"films/x{i or ''}.png")
    done = cxr("prepare", hospital, tmp_path / "out2", "--table", "labels.csv", *columns, check=False)
    assert f"3 of 6 films are not below {hospital} ({missing})" in done.stderr


def test_paths_are_found_when_all_begin_otherwise_and_never_by_chance():
    def match(texts, films):
        return match_paths(texts, films, Path("folder"), Path("table.csv"))[0]

    films = ["train/p1/view1.jpg", "train/p2/view1.jpg", "valid/p3/view1.jpg"]
    more = {f"/data/CheXpert/{film}": film for film in films}
    assert match(more, films) == more
    assert match({film.partition("/")[2]: film for film in films}, films) == {
        film.partition("/")[2]: film for film in films
    }
    # the film of patient 2 is not there, and the film of patient 1 has the same name
    assert match(["CheXpert/train/p1/view1.jpg", "CheXpert/train/p2/view1.jpg"], films[:1]) == {
        "CheXpert/train/p1/view1.jpg": films[0]
    }
    assert match(["A", "b.PNG", r"C.dcm", "d"], ["x/a.png", "b.png", "c.DCM"]) == {
        "A": "x/a.png",
        "b.PNG": "b.png",
        "C.dcm": "c.DCM",
    }
    assert match([r"x\a", "x/c"], ["x/a.png", "b.png"]) == {r"x\a": "x/a.png"}
    assert match(["a/b.png"], []) == match([], ["a.png"]) == {}


def test_a_name_that_fits_two_films_is_refused_unless_they_are_copies(hospital, tmp_path):
    edit(hospital, "films/", "")
    draw(hospital / "copy" / "0.png", 0)
    assert prepare(hospital, tmp_path / "out", layout=LAYOUT, size=32).counts["effusion"] == 3
    draw(hospital / "copy" / "1.png", 0)
    with pytest.raises(InputError, match=r"1\.png may be copy/1\.png or films/1\.png in .*; remove one of them"):
        prepare(hospital, tmp_path / "out2", layout=LAYOUT, size=32)


def test_missing_films_can_be_left_out_and_are_counted(hospital, tmp_path):
    (hospital / "films" / "0.png").unlink()
    prepared = prepare(hospital, tmp_path / "out", layout=LAYOUT, allow_missing=True, size=32)
    assert prepared.counts == {"effusion": 2, "nofinding": 3}
    assert any(note.startswith("labels.csv: 1 of 6 films are not below") for note in prepared.notes)


def test_a_table_may_be_in_the_working_folder_packed_and_in_other_spellings(hospital, tmp_path, monkeypatch):
    text = (hospital / "labels.csv").read_text().replace(",", ";").replace("No Finding", "no_finding")
    (tmp_path / "labels.csv.gz").write_bytes(gzip.compress(text.encode()))
    monkeypatch.chdir(tmp_path)
    layout = TableLayout(table="labels.csv.gz", path_column="FILM", label_column="Effusion")
    assert prepare("hospital", "out", layout=layout, size=32).counts == {"effusion": 3, "nofinding": 3}
    (tmp_path / "labels.csv.gz").write_bytes(gzip.compress(text.encode())[:60])
    with pytest.raises(InputError, match=r"labels\.csv\.gz: cannot be unpacked"):
        prepare("hospital", "out2", layout=layout, size=32)


def test_a_run_knows_its_finding_in_another_collection(hospital, tmp_path):
    edit(hospital, "effusion", "Pleural Effusion")
    found = TableLayout(table="labels.csv", path_column="film")
    for finding in ("Pleural Effusion", "pleural_effusion", "effusion"):
        prepared = prepare(hospital, tmp_path / finding, layout=found, finding=finding, size=32)
        assert prepared.counts == {"effusion": 3, "nofinding": 3}
        assert json.loads((tmp_path / finding / "prepare.json").read_text())["word"] == "Pleural Effusion"
    assert read_cohort(tmp_path / "effusion").finding == class_name("Effusion")  # as in a cohort of NIH's films
    prepared = prepare(hospital, tmp_path / "as", layout=found, finding="effusion", class_as="Pleural Fluid", size=32)
    assert read_cohort(tmp_path / "as").finding == "pleural_fluid"


def test_a_split_in_a_column_is_kept_and_val_is_drawn_if_it_is_absent(hospital, tmp_path):
    lines = (hospital / "labels.csv").read_text().splitlines()
    patients = [i // 2 for i in range(12)]

    def write(names):
        rows = [f"{line},{patient},{name}" for line, patient, name in zip(lines[1:], patients, names, strict=True)]
        write_lines(hospital / "labels.csv", f"{lines[0]},who,Split", *rows)

    layout = TableLayout(**vars(LAYOUT) | {"patient_column": "who", "uncertain": "positive"})
    write(["Train"] * 8 + ["testing"] * 4)
    prepared = prepare(hospital, tmp_path / "out", layout=layout, against="all", size=32)
    table = read_cohort(tmp_path / "out").table.set_index("path")
    assert {path for path, split in table["split"].items() if split == "test"} == {
        f"{name}/{i}.png" for name, i in (("effusion", 8), ("nofinding", 9), ("effusion", 10), ("nofinding", 11))
    }
    assert table.groupby("patient_id")["split"].nunique().max() == 1
    assert table["patient_id"].nunique() == 6
    assert any("val is drawn by patient from its train" in note for note in prepared.notes)
    write(["1"] * 8 + ["2"] * 4)
    prepared = prepare(hospital, tmp_path / "out2", layout=layout, against="all", size=32)
    assert any("the column Split is not used: it has '1', which is no split" in note for note in prepared.notes)
    write(["train"] * 7 + ["test"] * 5)
    with pytest.raises(InputError, match="1 patients are in more than one split"):
        prepare(hospital, tmp_path / "out3", layout=layout, against="all", size=32)


def test_class_folders_in_train_and_test_keep_that_split(tmp_path):
    for number, (split, name) in enumerate([(s, n) for s in ("Train", "testing") for n in ("nofinding", "mass")]):
        for i in range(8):
            draw(tmp_path / "films" / split / name / f"{i}.png", 10 * number + i)
    (tmp_path / "films" / "extra").mkdir()
    prepared = prepare(tmp_path / "films", tmp_path / "out", size=32)
    assert prepared.counts == {"mass": 16, "nofinding": 16}
    table = read_cohort(tmp_path / "out").table
    assert table["split"].value_counts().to_dict() == {"test": 16, "train": 14, "val": 2}
    assert any("beside the folders of the split: extra" in note for note in prepared.notes)
    (tmp_path / "films" / "test").mkdir()
    with pytest.raises(InputError, match="test/ and testing/ both stand for test"):
        prepare(tmp_path / "films", tmp_path / "out2", size=32)


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        (
            "train.csv",
            ["uid,finding", "1,pneumonia", "2,normal"],
            r"train\.csv has the columns uid, finding \(labels in",
        ),
        (
            "a.csv",
            ["patientId,Target", "x,0", "y,1"],
            r"RSNA.* \(labels in Target: 0, 1\).*--table a\.csv --path-column",
        ),
        (
            "b c.csv",
            ["image_id,class_name", "x,Nodule"],
            r"VinDr-CXR \(labels in class_name: Nodule\).*--table 'b c\.csv'",
        ),
        (
            "p.csv",
            ["ImageID,ImageDir,Labels", "x,1,['a']"],
            r"PadChest \(labels in Labels: \['a'\]\).*--path-column ImageID",
        ),
        ("m.csv", ["subject_id,study_id,Edema", "1,2,"], r"MIMIC-CXR-JPG; the page \"On your own films\" shows"),
        ("other.csv", ["name,age"], r"other\.csv has the columns name, age; cxr prepare reads a table with --table"),
        ("train.csv", ["Path,Frontal/Lateral,Edema", "x,Frontal,1"], r"train\.csv: no column is named 'Effusion'"),
        ("i.csv", ["uid,MeSH,Problems", "1,normal,normal"], r"Open-i .*\(labels in Problems: normal\); the page"),
        (
            "d/t.csv",
            ["Image Index;Finding Labels", "a;Mass"],
            r"NIH ChestX-ray14 .*Mass\); cxr prepare reads it if its",
        ),
    ],
)
def test_an_unknown_folder_is_described_by_its_tables_and_labels(tmp_path, name, lines, message):
    write_lines(tmp_path / "films" / name, *lines)
    done = cxr("prepare", tmp_path / "films", tmp_path / "out", check=False)
    assert done.returncode == 2
    assert re.search(message, done.stderr), done.stderr
    assert not (tmp_path / "out").exists()


def test_folders_of_other_names_are_described_too(tmp_path):
    draw(tmp_path / "a" / "train" / "NORMAL" / "x.png", 0)
    draw(tmp_path / "a" / "train" / "SICK" / "x.png", 1)
    with pytest.raises(InputError, match=r"train/ holds NORMAL/ and SICK/: if these are the classes.*--positive NAME"):
        prepare(tmp_path / "a", tmp_path / "out")
    with pytest.raises(InputError, match=r"found: NORMAL, SICK\).*--positive NAME --negative NAME"):
        prepare(tmp_path / "a" / "train", tmp_path / "out")
    with pytest.raises(InputError, match="no folder HEALTHY/"):
        prepare(tmp_path / "a" / "train", tmp_path / "out", positive="SICK", negative="HEALTHY")


def test_options_that_a_source_has_no_use_for_are_refused(two_folders, tmp_path):
    for layout in (TableLayout(path_column="a"), TableLayout(uncertain="positive")):
        with pytest.raises(InputError, match="the columns of a table are given, and no table"):
            prepare(two_folders, tmp_path / "out", layout=layout)
    with pytest.raises(InputError, match="uncertain is 'maybe'; it must be one of ignore, positive, negative"):
        prepare(two_folders, tmp_path / "out", layout=TableLayout(table="x.csv", uncertain="maybe"))


def test_a_damaged_table_ends_in_an_image_or_in_a_sentence(hospital, tmp_path):
    """A table of values and one of names, with bytes changed, removed and doubled."""
    rng = np.random.default_rng(0)
    names = "film,words\n" + "".join(f"films/{i}.png,{('a|b', 'normal', '', 'b;c')[i % 4]}\n" for i in range(12))
    originals = {"effusion": (hospital / "labels.csv").read_bytes(), "words": names.encode()}
    num_read = 0
    for i in range(60):
        column, data = list(originals.items())[i % 2]
        damaged = bytearray(data)
        for _ in range(rng.integers(1, 3)):
            at = int(rng.integers(len(damaged)))
            damaged[at : at + int(rng.integers(0, 3))] = bytes(
                rng.choice(list(b'\x00\xff",;|\n1-[ab/')) for _ in range(2)
            )
        (hospital / "labels.csv").write_bytes(damaged)
        words = ["--size", 8, "--table", "labels.csv", "--path-column", "film", "--label-column", column]
        done = cxr("prepare", hospital, tmp_path / str(i), *words, *(["--finding", "b"] * (i % 2)), check=False)
        num_read += done.returncode == 0
        if done.returncode:
            assert (done.returncode, done.stderr.count("\n")) == (2, 1)
            assert "labels.csv" in done.stderr
            assert not (tmp_path / str(i)).exists()
    assert 0 < num_read < 60
