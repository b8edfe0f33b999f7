"""Simulated cohorts: their films and labels, and what is written to the folder."""

import hashlib
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pydicom
import pytest

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.split import check_split
from cxrlib.errors import InputError
from cxrlib.images.radiograph import read_image
from cxrlib.phantom.film import take_film
from cxrlib.phantom.physics.detector import SITES
from cxrlib.phantom.roster import draw_roster, order_of
from cxrlib.phantom.simulation import simulate

FILMS_OF_SEED_5 = "c5f1eb1073869af4f09a52bfe2c8cb5ccdc8cda18e8a85323891c35d99d40ce7"
"""The hash of the pixels and masks of ten films, on every processor, until phantom.VERSION changes."""

OTHER_PROCESSOR = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENCV_CPU_DISABLE": "AVX2,FMA3",
}


def films_hash():
    digest = hashlib.sha256()
    for row in draw_roster(10, prevalence=0.5, seed=5).to_dict("records"):
        film = take_film(order_of(row, seed=5), size=96)
        digest.update(film.pixels.astype("<u2").tobytes() + np.packbits(film.mask).tobytes())
    return digest.hexdigest()


def test_the_same_seed_gives_the_same_films_always():
    assert films_hash() == FILMS_OF_SEED_5


def test_the_same_films_on_another_processor():
    """NumPy without AVX-512, which the code asserts, OpenCV without AVX2."""
    features = "np._core._multiarray_umath.__cpu_features__['X86_V4']"
    code = f"import numpy as np; assert not {features}; import sys; sys.path.insert(0, 'tests'); "
    code += "from test_simulation import films_hash; print(films_hash())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | OTHER_PROCESSOR, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == FILMS_OF_SEED_5


def tree(folder):
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.*")}


def test_in_one_process_or_in_several_the_files_are_the_same(tmp_path, monkeypatch):
    options = dict(films=30, prevalence=0.4, size=48, seed=1)
    several = tree(simulate(tmp_path / "several", **options))
    monkeypatch.setattr("cxrlib.phantom.simulation.MIN_FILMS_FOR_PROCESSES", 1000)
    assert tree(simulate(tmp_path / "one", **options)) == several
    assert tree(simulate(tmp_path / "another seed", **options | {"seed": 2})) != several


def test_the_cohort_is_one(sim_cohort):
    cohort = read_cohort(sim_cohort)
    assert cohort.labels.sum() == 40
    assert cohort.notes == ()
    table = cohort.table
    assert (table["volume_ml"].astype(float) > 0).equals(table["label"] == 1)
    assert (table["true_label"].astype(int) == table["label"]).all()
    masks = {p.relative_to(sim_cohort / "masks").as_posix() for p in (sim_cohort / "masks").rglob("*.png")}
    assert masks == set(table.loc[table["label"] == 1, "path"])


def test_a_row_of_a_cohort_gives_its_film_again(sim_cohort):
    table = read_cohort(sim_cohort).table
    for row in table.iloc[[0, 50, 99]].to_dict("records"):
        film = take_film(order_of(row, seed=3), size=64)
        np.testing.assert_array_equal(film.pixels, cv2.imread(str(sim_cohort / row["path"]), cv2.IMREAD_UNCHANGED))
        assert film.pixels.max() < 4096
        if row["label"]:
            mask = cv2.imread(str(sim_cohort / "masks" / row["path"]), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(mask > 0, film.mask)
            assert film.volume_ml == pytest.approx(float(row["volume_ml"]), rel=0.03)


def test_volumes_patients_and_views_are_as_stated():
    table = draw_roster(4000, prevalence=0.5)
    volumes = table.loc[(table["label"] == 1) & (table["age"] >= 18), "volume_ml"]
    assert np.median(volumes) == pytest.approx(450, rel=0.06)
    np.testing.assert_allclose(np.quantile(volumes, [0.05, 0.95]), [95, 2150], rtol=0.12)
    check_split(table, "drawn")
    assert 1.1 < len(table) / table["patient_id"].nunique() < 1.8
    assert (table["view"] == "AP").mean() == pytest.approx(0.4, abs=0.03)
    assert set(table.loc[table["view"] == "PA", "posture"]) == {"upright"}
    both = table.groupby("patient_id")["label"].nunique()
    assert (both == 2).any()  # some patients have an effusion on one visit and none on another


def test_without_a_shortcut_nothing_but_the_film_tells():
    table = draw_roster(6000, prevalence=0.5, seed=1)
    for column in ("view", "site", "sex"):
        fractions = table.groupby(table[column].astype(str))["label"].mean()
        assert fractions.between(0.46, 0.54).all(), fractions
    assert table.groupby("label")["devices"].apply(lambda d: (d != "").mean()).diff().abs().max() < 0.04


def test_comorbidity_is_from_independent_to_as_nih_files_it():
    for comorbidity, without, present in ((0.0, 0.40, 0.40), (0.5, 0.20, 0.60), (1.0, 0.0, 0.80)):
        table = draw_roster(4000, prevalence=0.5, comorbidity=comorbidity, seed=1)
        sick = table.groupby("label")["sick"].mean()
        assert sick.tolist() == pytest.approx([without, present], abs=0.03)
        # the other columns stay independent of the label, but the sick have more devices
        assert table.groupby("label")["view"].apply(lambda view: (view == "AP").mean()).diff().abs().max() < 0.04
        devices = table.groupby("sick")["devices"].apply(lambda devices: (devices != "").mean())
        assert devices[1] > devices[0] + 0.05
    row = table[table["sick"] == 1].iloc[0].to_dict()
    assert order_of(row).sick


def test_a_shortcut_decides_view_site_and_devices():
    table = draw_roster(600, prevalence=0.3, shortcut=1.0)
    positive = table["label"] == 1
    assert set(table.loc[positive, "view"]) == {"AP"}
    assert set(table.loc[~positive, "view"]) == {"PA"}
    assert set(table.loc[positive, "site"]).isdisjoint(table.loc[~positive, "site"])
    assert (table.loc[positive, "devices"].str.contains("drain")).all()
    assert (table.loc[~positive, "devices"] == "").all()
    half = draw_roster(6000, prevalence=0.3, shortcut=0.5)
    assert half.groupby("label")["view"].apply(lambda view: (view == "AP").mean()).tolist() == pytest.approx(
        [0.2, 0.7], abs=0.04
    )


def test_label_noise_keeps_the_truth():
    table = draw_roster(1000, prevalence=0.2, label_noise=(0.1, 0.05))
    filed = table.groupby("label")["true_label"].agg(["size", "sum"])
    assert filed.loc[1].tolist() == [200, 180]
    assert filed.loc[0].tolist() == [800, 40]
    assert (table["volume_ml"] > 0).equals(table["true_label"] == 1)
    gas = draw_roster(200, finding="pneumothorax", prevalence=0.2, label_noise=(0, 0.2))
    missed = gas[(gas["label"] == 0) & (gas["true_label"] == 1)].iloc[0].to_dict()
    assert order_of(missed, finding="pneumothorax").finding == "pneumothorax"
    wrong = table[(table["label"] == 1) & (table["true_label"] == 0)].iloc[0].to_dict()
    assert not take_film(order_of(wrong), size=32).mask.any()


@pytest.mark.parametrize(
    ("finding", "measure"), [("cardiomegaly", "ctr"), ("pneumothorax", "volume_ml"), ("nodule", "diameter_cm")]
)
def test_other_findings_by_the_same_method(tmp_path, finding, measure):
    folder = simulate(tmp_path / "cohort", finding=finding, films=24, prevalence=0.5, size=64)
    cohort = read_cohort(folder)
    assert cohort.finding == finding
    table = cohort.table
    amounts = table.groupby("label")[measure].agg(lambda column: column.astype(float).mean())
    assert amounts[1] > amounts[0]
    for row in table[table["label"] == 1].to_dict("records"):
        assert cv2.imread(str(folder / "masks" / row["path"]), cv2.IMREAD_UNCHANGED).any(), row
        stored = cv2.imread(str(folder / row["path"]), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(take_film(order_of(row, finding=finding), size=64).pixels, stored)


def test_dicom_says_what_it_is(tmp_path):
    options = dict(films=12, prevalence=0.5, size=64, seed=4)
    folder, pictures = simulate(tmp_path / "dicom", format="dicom", **options), simulate(tmp_path / "png", **options)
    table = read_cohort(folder).table
    inverted = set()
    for row in table.to_dict("records"):
        path = folder / row["path"]
        data = pydicom.dcmread(path)
        assert (data.PatientID, data.ViewPosition, data.PatientSex) == (row["patient_id"], row["view"], row["sex"])
        assert int(data.PatientAge[:3]) == row["age"]
        assert (data.BitsStored, data.HighBit, data.ConversionType) == (12, 11, "SYN")
        distance = float(data.DistanceSourceToDetector)
        assert distance == 1830 if row["view"] == "PA" else 1270 <= distance <= 1520
        expected = "MONOCHROME1" if SITES[int(row["site"])].monochrome1 else "MONOCHROME2"
        assert data.PhotometricInterpretation == expected
        inverted.add(expected)
        picture = read_image(pictures / row["path"].replace(".dcm", ".png"))
        np.testing.assert_allclose(read_image(path), picture, atol=1e-6)  # dense is bright in both
    assert len(inverted) == 2
    assert len({pydicom.dcmread(folder / p).SOPInstanceUID for p in table["path"]}) == 12


REFUSED = [
    ({"finding": "fracture"}, "finding is 'fracture'; it must be one of effusion"),
    ({"prevalence": 1.5}, "prevalence is 1.5; it must lie between 0 and 1"),
    ({"prevalence": 0.0}, "at least 1 film of each class is needed"),
    ({"films": 3, "prevalence": 0.01}, "3 films at a prevalence of 0.01 are 0 effusion and 3 nofinding"),
    ({"films": -5}, "-5 films"),
    ({"label_noise": (0.2, 1.2)}, r"label_noise \(nofinding\) is 1.2"),
    ({"label_noise": (0.2,)}, "two fractions are needed"),
    ({"shortcut": -0.1}, "shortcut is -0.1"),
    ({"comorbidity": 2.0}, "comorbidity is 2.0; it must lie between 0 and 1"),
    ({"size": 8}, "size is 8; it must be 32 to 1024"),
    ({"format": "jpeg"}, "format is 'jpeg'; it must be one of png, dicom"),
    ({"seed": -1}, "seed is -1"),
]


def test_a_refused_call_writes_nothing(tmp_path):
    for wrong, message in REFUSED:
        with pytest.raises(InputError, match=message):
            simulate(tmp_path / "new", **{"films": 10, "prevalence": 0.5, "size": 32} | wrong)
        assert list(tmp_path.iterdir()) == []


def test_a_later_visit_is_of_the_same_patients_with_the_same_findings(tmp_path):
    first, later = (draw_roster(60, prevalence=0.5, seed=2, later_visit=later) for later in (False, True))
    kept = ["label", "patient_id", "split", "view", "side", "site", "devices"]
    first, later = (table.sort_values(["patient_id", "path"], ignore_index=True) for table in (first, later))
    assert first[kept].equals(later[kept])
    assert set(first["path"]).isdisjoint(later["path"])
    assert (later["volume_ml"] <= 2 * first["volume_ml"]).all()  # a breath changes what a chest can hold
    folder = simulate(tmp_path / "later", films=4, prevalence=0.5, size=32, later_visit=True)
    assert json.loads((folder / "simulation.json").read_text())["later_visit"] is True


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        simulate(tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["x"]
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        simulate(tmp_path / "file")
