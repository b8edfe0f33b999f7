"""What DICOM headers say about a cohort: patients, views, sex and age."""

import pandas as pd
import pydicom
import pytest

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.preparation import prepare
from cxrlib.cohorts.split import HEADER_PATIENT
from cxrlib.errors import InputError
from cxrlib.phantom.simulation import simulate


@pytest.fixture
def hospital(tmp_path):
    """An export of DICOM in two class folders, without a table; and the table that was there."""
    folder = simulate(tmp_path / "hospital", films=40, prevalence=0.4, size=64, format="dicom", seed=5)
    table = pd.read_csv(folder / "cohort.csv", dtype={"patient_id": str}).sort_values("path", ignore_index=True)
    (folder / "cohort.csv").unlink()
    is_placeholder = table["patient_id"] == "00000"  # in a header it means that nobody is named
    for path in table.loc[is_placeholder, "path"]:
        (folder / path).unlink()
    return folder, table[~is_placeholder].reset_index(drop=True)


def change(folder, paths, **elements):
    for path in paths:
        dataset = pydicom.dcmread(folder / path)
        for name, value in elements.items():
            setattr(dataset, name, value)
        dataset.save_as(folder / path)


def groups(patient_ids) -> set[frozenset[int]]:
    """Return which rows belong together."""
    return {frozenset(rows) for rows in pd.Series(range(len(patient_ids))).groupby(list(patient_ids)).groups.values()}


def test_the_header_keeps_the_films_of_a_patient_together_and_is_not_kept_itself(hospital, tmp_path, monkeypatch):
    folder, truth = hospital
    prepare(folder, tmp_path / "out", size=32)
    found = read_cohort(tmp_path / "out").table.sort_values("path", ignore_index=True)
    assert groups(found["patient_id"]) == groups(truth["patient_id"])
    assert found.groupby("patient_id")["split"].nunique().max() == 1
    for column in ("view", "sex", "age"):
        assert found[column].tolist() == truth[column].tolist()
    assert set(found["patient_id"]).isdisjoint(truth["patient_id"])
    assert all(patient.startswith(HEADER_PATIENT) for patient in found["patient_id"])
    monkeypatch.setenv("CXR_SALT", "another user")
    prepare(folder, tmp_path / "elsewhere", size=32)
    elsewhere = read_cohort(tmp_path / "elsewhere").table
    assert set(elsewhere["patient_id"]).isdisjoint(found["patient_id"])
    assert elsewhere["split"].tolist() == found["split"].tolist()  # the salt does not decide the split


def test_lateral_films_are_left_out_unless_they_are_wanted(hospital, tmp_path):
    folder, truth = hospital
    lateral = truth["path"][::3].tolist()
    change(folder, lateral, ViewPosition="LL")
    cohort = read_cohort(folder)
    assert sorted(cohort.table["path"]) == sorted(set(truth["path"]) - set(lateral))
    assert any(note.startswith(f"{len(lateral)} lateral films are left out") for note in cohort.notes)
    assert len(read_cohort(folder, keep_laterals=True).table) == len(truth)
    prepared = prepare(folder, tmp_path / "out", size=32, keep_laterals=True)
    assert sorted(prepared.warnings.loc[prepared.warnings["kind"] == "lateral", "source"]) == lateral
    assert len(prepare(folder, tmp_path / "frontal", size=32).warnings) == 0


def test_a_table_comes_before_the_header(hospital):
    folder, truth = hospital
    given = truth[["path", "label"]].assign(patient_id=[f"p{row // 2}" for row in truth.index], view="lateral")
    given.loc[5:, "view"] = "AP"
    given.to_csv(folder / "cohort.csv", index=False)
    table = read_cohort(folder).table
    assert set(table["patient_id"]) == set(given["patient_id"][5:])
    assert set(table["view"]) == {"AP"}
    assert table["sex"].tolist() == truth["sex"][5:].tolist()  # what the table does not say comes from the header


def test_a_cohort_of_lateral_films_alone_is_refused_for_this_reason(hospital):
    folder, truth = hospital
    change(folder, truth["path"], ViewPosition="LL")
    with pytest.raises(InputError, match=r"films in its folders: 0 with .* lateral films are left out; keep them"):
        read_cohort(folder)


def test_what_is_said_if_some_headers_name_no_patient_or_most_the_same(hospital):
    folder, truth = hospital
    change(folder, truth["path"][:3], PatientID="")
    assert any(note.startswith("for the 3 other films, no patients are known") for note in read_cohort(folder).notes)
    change(folder, truth["path"][4:], PatientID="12345")
    notes = read_cohort(folder).notes
    assert any(f"{len(truth) - 4} DICOM headers name the same patient" in note for note in notes), notes


def test_one_name_for_all_films_is_no_patient(hospital):
    folder, truth = hospital
    change(folder, truth["path"], PatientID="12345")
    cohort = read_cohort(folder)
    assert cohort.table["patient_id"].nunique() == len(truth)
    assert any("name the same patient" in note for note in cohort.notes)
