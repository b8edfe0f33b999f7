import hashlib

import cv2
import numpy as np
import pytest

from cxrlib.cohort import check_split, read_cohort
from cxrlib.phantom import draw_patients, film, simulate
from cxrlib.phantom.anatomy import build_thorax
from cxrlib.phantom.beam import line_integral
from cxrlib.phantom.fluid import add_effusion
from cxrlib.radiograph import InputError


def thorax(seed=0):
    return build_thorax(np.random.default_rng(seed), np.random.default_rng(seed + 100), size=96, magnify=1.0)


@pytest.mark.parametrize("volume", [100, 500, 1500])
@pytest.mark.parametrize("posture", ["upright", "supine"])
def test_the_fluid_has_the_volume_asked_for(volume, posture):
    body = thorax()
    fluid = add_effusion(body, volume, side="right", posture=posture)
    assert fluid.sum() * body.voxel_ml == pytest.approx(volume, rel=0.02)
    assert not (fluid & body.left).any()


def test_upright_fluid_lies_low_and_climbs_at_the_wall():
    body = thorax()
    fluid = add_effusion(body, 600, side="left", posture="upright")
    z = np.broadcast_to(body.z, fluid.shape)
    assert z[fluid].mean() < z[body.left].mean() - 3
    at_wall = fluid & (body.gap < 1.5)
    inwards = fluid & (body.gap > 3)
    assert z[at_wall].max() > z[inwards].max() + 1


def test_supine_fluid_layers_behind():
    body = thorax()
    fluid = add_effusion(body, 600, side="left", posture="supine")
    y = np.broadcast_to(body.y, fluid.shape)
    assert y[fluid].mean() > y[body.left].mean() + 2


def test_fluid_absorbs():
    before = line_integral(thorax())
    body = thorax()
    fluid = add_effusion(body, 500, side="right", posture="upright")
    added = line_integral(body) - before
    assert (added[~fluid.any(axis=1)] == 0).all()
    assert added[fluid.any(axis=1)].mean() > 0.1


def test_the_patients_left_is_on_the_images_right():
    row = {"patient_id": "1", "path": "a/00001_000.png", "view": "PA", "volume_ml": 0.0, "side": "", "site": 0}
    without = film(row).astype(float)
    left = film(row | {"volume_ml": 1500.0, "side": "left"}).astype(float) - without
    assert left[:, 64:].mean() > left[:, :64].mean() + 50


def test_the_same_seed_gives_the_same_films(tmp_path):
    def hashes(folder, seed):
        simulate(folder, effusion=3, nofinding=5, size=48, seed=seed)
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*.*"))]

    assert hashes(tmp_path / "a", 1) == hashes(tmp_path / "b", 1)
    assert hashes(tmp_path / "a2", 2) != hashes(tmp_path / "b2", 1)


def test_the_cohort_is_one(sim_cohort):
    cohort = read_cohort(sim_cohort)
    assert cohort.labels.sum() == 40
    assert cohort.notes == ()
    table = cohort.table
    assert (table.loc[table["label"] == 1, "volume_ml"].astype(float) > 0).all()
    assert (table.loc[table["label"] == 0, "volume_ml"].astype(float) == 0).all()


def test_volumes_and_patients_are_as_stated():
    table = draw_patients(2000, 2000)
    volumes = table.loc[table["label"] == 1, "volume_ml"]
    assert np.median(volumes) == pytest.approx(500, rel=0.06)
    np.testing.assert_allclose(np.quantile(volumes, [0.05, 0.95]), [120, 2000], rtol=0.15)
    check_split(table, "drawn")
    assert 1.1 < len(table) / table["patient_id"].nunique() < 1.8


def test_a_row_of_a_cohort_gives_its_film_again(sim_cohort):
    row = read_cohort(sim_cohort).table.iloc[0].to_dict()
    stored = cv2.imread(str(sim_cohort / row["path"]), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(film(row, size=64, seed=3), stored)


def test_refusals(tmp_path):
    with pytest.raises(InputError, match="effusion is 0"):
        simulate(tmp_path / "a", effusion=0)
    with pytest.raises(InputError, match="size is 8"):
        simulate(tmp_path / "a", size=8)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        simulate(tmp_path / "mine")
    assert not (tmp_path / "a").exists()
