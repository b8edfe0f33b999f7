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
    assert "each file counts as a patient" in cohort.notes[0]
    assert all(path.is_file() for path in cohort.files)


def test_patients_come_from_nih_names():
    ids, note = patients_from_names(["effusion/00000013_005.png", "nofinding/00000013_000.png", "a/00030805_000.png"])
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
        table["label"] = ["yes", "no"]
    elif how == "shared patient":
        table = table.assign(patient_id="7", split=["train", "test"])
    elif how == "blank patient":
        table = table.assign(patient_id=["7", ""])
    elif how == "unknown split":
        table = table.assign(split=["train", "dev"])
    elif how == "no rows":
        table = table[:0]
    elif how == "twice":
        table = pd.concat([table, table])
    table.to_csv(csv, index=False)


def test_a_bad_cohort_csv_is_refused(two_folders):
    messages = {
        "missing column": "no column label",
        "absent image": r"names 2 images, of which 1 .*absent\.png",
        "outside": r"are not in effusion/ or nofinding/",
        "wrong class": "other class folder; correct the label, or move the file",
        "label": "label 'yes'; 1 is effusion, and 0 is nofinding",
        "shared patient": r"1 patients are in more than one split \(first: patient 7\)",
        "blank patient": "1 films have no patient_id",
        "unknown split": "split 'dev'; it must be one of train, val, test",
        "no rows": "no rows",
        "twice": "listed twice",
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
    (tmp_path / "one" / "nofinding").mkdir(parents=True)
    with pytest.raises(InputError, match="found only nofinding/"):
        read_cohort(tmp_path / "one")
    (tmp_path / "one" / "effusion").mkdir()
    with pytest.raises(InputError, match="no images in effusion/"):
        read_cohort(tmp_path / "one")
    twin = two_folders / "effusion" / "more" / "e0.png"
    twin.parent.mkdir()
    twin.write_bytes((two_folders / "effusion" / "e0.png").read_bytes())
    with pytest.raises(InputError, match="two files of one name in one class"):
        read_cohort(two_folders)


def test_another_finding_is_the_other_folder(two_folders):
    (two_folders / "effusion").rename(two_folders / "cardiomegaly")
    assert read_cohort(two_folders).finding == "cardiomegaly"
    (two_folders / "mass").mkdir()
    with pytest.raises(InputError, match="cardiomegaly, mass"):
        read_cohort(two_folders)
    assert read_cohort(two_folders, finding="Cardiomegaly").finding == "cardiomegaly"


def test_a_note_counts_the_ages_that_are_no_numbers(two_folders):
    paths = sorted(path.relative_to(two_folders).as_posix() for path in two_folders.glob("*/*.png"))
    table = pd.DataFrame({"path": paths, "label": [int(path.startswith("effusion")) for path in paths]})
    table.assign(age=["58", "058Y", *[""] * 10]).to_csv(two_folders / "cohort.csv", index=False)
    cohort = read_cohort(two_folders)
    assert "1 ages are no numbers and are left out" in cohort.notes
    assert cohort.table["age"].notna().sum() == 1


def test_a_file_name_that_is_no_text_is_refused(two_folders):
    (two_folders / "effusion" / "Gr\udcf6sse.png").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written in a table"):
        read_cohort(two_folders)
