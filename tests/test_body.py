"""Bones, vessels, look-alikes and devices, checked against geometry that is worked out here."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from cxrlib.phantom.body import bones, devices, look_alikes, vessels
from cxrlib.phantom.body.chest import cross_wall, wall_at
from cxrlib.phantom.body.devices import DEVICES, METAL, draw_devices
from cxrlib.phantom.body.heart import cardiothoracic_ratio
from cxrlib.phantom.body.look_alikes import airless_thickness, with_look_alikes
from cxrlib.phantom.body.patient import draw_geometry, draw_patient
from cxrlib.phantom.film import Order, take_film
from cxrlib.phantom.physics.drawing import band
from cxrlib.phantom.physics.rays import Geometry

SIZE = 440
PARALLEL = Geometry(source_to_detector=1e6, origin_to_detector=12.0, field=44.0)
"""Parallel rays, so that a film shows the patient in true size: 0.1 cm a pixel."""

X = (np.arange(SIZE) + 0.5) * 0.1 - 22  # cm, of each column
Z = -X  # cm, of each row


def skeleton(patient):
    return bones.bone_attenuation(patient, PARALLEL, SIZE)


def posterior_ribs(patient, x):
    """Heights in cm, from the top, of the middle of each rib in a column of the lower half of the chest.

    Between the spine and the shoulder blades only ribs are met.
    """
    column = skeleton(patient)[:, np.abs(X - x).argmin()]
    column = np.where((patient.base + 2 < Z) & (patient.base + 13 > Z), column, 0)  # where the wall is nearly upright
    borders = np.flatnonzero(np.diff((column > 0.02).astype(int)))
    middles = [Z[start + 1 : stop + 1].mean() for start, stop in zip(borders[::2], borders[1::2], strict=True)]
    return np.array(middles[1:-1])  # the first and the last may be cut off


def test_ribs_are_as_far_apart_as_the_patient_says(monkeypatch):
    monkeypatch.setattr(bones, "ANTERIOR", (0.0, 0.0))  # the ribs in front
    for number, spacing in ((0, 2.2), (1, 2.6), (2, 3.0)):
        ribs = posterior_ribs(replace(draw_patient(number), rib_spacing=spacing, age=20), 5.0)
        assert len(ribs) >= 2
        assert -np.diff(ribs) == pytest.approx(spacing, rel=0.07)  # the wall still leans a little


def test_ribs_fall_towards_the_front(monkeypatch):
    """Farther from the midline the wall is farther in front, so the same rib is met lower there."""
    monkeypatch.setattr(bones, "ANTERIOR", (0.0, 0.0))  # the ribs in front
    for slope in (0.5, 0.7):
        patient = replace(draw_patient(1), rib_slope=slope, width=13.0, depth=9.0, middle=0.0, age=20)
        a, b = 13.0 + bones.WALL * patient.scale, 9.0 + bones.WALL * patient.scale  # a rib lies in the wall
        depth_near, depth_far = (b * np.sqrt(1 - (x / a) ** 2) for x in (4.0, 6.0))  # of an ellipse
        fall = slope * (depth_near - depth_far)
        for side in (-1, 1):
            near, far = posterior_ribs(patient, side * 4.0), posterior_ribs(patient, side * 6.0)
            assert near[1] - fall == pytest.approx(far[np.abs(far - near[1] + fall).argmin()], abs=0.15)
            assert 0.28 < fall < 0.7 < patient.rib_spacing / 2  # so the nearest rib is the same one


def test_twelve_ribs_lie_on_the_wall_and_ten_of_them_above_the_dome():
    for number in range(20):
        patient = draw_patient(number)
        curves = bones.rib_curves(patient)
        assert len(curves) == 12
        wall = wall_at(patient, curves[4:, :, 2].astype(np.float32), beyond=bones.WALL * patient.scale)
        across, deep = curves[4:, :, 0] / wall.width, (curves[4:, :, 1] - wall.middle_y) / wall.depth
        assert across**2 + deep**2 == pytest.approx(1, abs=0.03)
        widest = curves[:, :, 0].max(axis=1)
        assert (np.diff(widest[:4]) > 0).all()  # the first ribs are the shortest
    # 10 posterior ribs lie above the right dome in full inspiration: in a man with scale 1, its top is 4.6 cm high
    man = replace(draw_patient(0), apex=14.75, rib_spacing=2.6, scale=1.0)
    assert (bones.rib_curves(man)[:, 2, 2] > -14.75 + 4.6).sum() in (9, 10, 11)


def test_a_rib_is_thinner_than_the_gap_between_two(monkeypatch):
    monkeypatch.setattr(bones, "ANTERIOR", (0.0, 0.0))  # the ribs in front
    for number in range(5):
        patient = replace(draw_patient(number), age=20)
        column = skeleton(patient)[(patient.base + 2 < Z) & (patient.base + 13 > Z), np.abs(X - 5).argmin()]
        assert 0.3 < (column > 0.02).mean() < 0.5


def test_bones_with_twice_the_mineral_add_twice_as_much():
    patient = draw_patient(3)
    sparse, dense = (skeleton(replace(patient, bone_density=density)) for density in (0.5, 1.0))
    assert (sparse >= 0).all()
    assert dense == pytest.approx(2 * sparse, abs=1e-5)
    assert dense.max() > 0.1


def test_the_spine_is_in_the_middle(monkeypatch):
    monkeypatch.setattr(bones, "POSTERIOR", (0.0, 0.0))
    monkeypatch.setattr(bones, "ANTERIOR", (0.0, 0.0))
    rows = (Z < -7) & (Z > -10)  # below the sternum and the shoulders
    middle, beside = np.abs(X) < 5, (np.abs(X) > 3.5) & (np.abs(X) < 5)
    for number in range(8):
        profile = skeleton(draw_patient(number))[rows].mean(axis=0)
        profile = profile[middle] - profile[beside].mean()
        spine = X[middle][profile > 0.5 * profile.max()]
        assert abs(spine.mean()) < 1.0  # cm: no spine is quite straight
        assert 2 < np.ptp(spine) < 7


def test_a_band_is_as_wide_as_asked():
    curve = np.stack([np.linspace(-3, 3, 9), np.zeros(9), np.linspace(-4, 4, 9)], axis=-1)  # at 3:4, so 0.6 and 0.8
    outline = band(curve, np.full(9, 0.5), 0.1)
    assert outline[:9] - curve == pytest.approx(np.tile([-0.8 * 0.4, 0, 0.6 * 0.4], (9, 1)), abs=1e-5)
    assert outline[9:][::-1] - curve == pytest.approx(np.tile([0.8 * 0.4, 0, -0.6 * 0.4], (9, 1)), abs=1e-5)


def test_clavicles_begin_beside_the_midline_and_rise_to_the_acromion():
    for number in range(20):
        patient = draw_patient(number)
        for view in ("PA", "AP"):
            (clavicles,) = [shapes.points for shapes in bones._shoulders(patient, view, 0.0) if shapes.layer == 6]
            assert len(clavicles) == 2
            for points in clavicles:
                half = len(points) // 2
                middle = (points[:half] + points[half:][::-1]) / 2
                first, last = middle[0], middle[-1]
                assert 2.0 <= abs(first[0]) / patient.scale <= 3.0  # 2 to 3 cm in a large man
                assert 3 < (patient.apex - first[2]) / patient.scale < 5.5  # behind it lies the 3rd or 4th rib
                assert abs(last[0]) > patient.width
                assert last[2] > first[2] - 1.5


def test_vessels_fork_and_narrow():
    for number in range(5):
        generations = vessels.grow_vessels(draw_patient(number))
        assert len(generations) == vessels.GENERATIONS
        for (curves, radii), (branches, narrower) in pairwise(generations):
            assert len(branches) == 2 * len(curves)
            assert narrower == pytest.approx(np.repeat(radii * vessels.NARROWING, 2))
            assert branches[:, 0] == pytest.approx(np.repeat(curves[:, -1], 2, axis=0))  # each grows out of one


def test_vessels_are_thinner_towards_the_edge_of_the_lung_and_end_before_it():
    for number in range(5):
        patient = draw_patient(number)
        thickness = vessels.vessel_thickness(patient, PARALLEL, SIZE)
        hilum = patient.apex - vessels.RIGHT_HILUM * patient.scale
        from_hilum = np.hypot(np.abs(X)[None, :] - 3.5 * patient.scale, Z[:, None] - hilum)
        rings = [thickness[(from_hilum >= r) & (from_hilum < r + 3)].mean() for r in range(0, 12, 3)]
        assert (np.diff(rings) < 0).all()
        assert rings[0] > 4 * rings[-1]
        ends = vessels.grow_vessels(patient)[-1][0][:, -1]
        wall = wall_at(patient, ends[:, 2].astype(np.float32))
        assert (np.abs(ends[:, 0] - patient.middle) < wall.width - 0.7).all()


def test_lower_vessels_are_wider_and_more_than_upper_ones():
    for number in range(5):
        patient = draw_patient(number)
        hilum = patient.apex - vessels.RIGHT_HILUM * patient.scale
        curves, radii = vessels.grow_vessels(patient)[0]
        below = curves[:, -1, 2] < hilum - 2
        assert below.sum() > (~below & (curves[:, -1, 2] > hilum + 1)).sum()
        assert radii[below].mean() > 1.1 * radii[curves[:, -1, 2] > hilum + 1].mean()


def test_a_vessel_is_as_thick_as_the_chord_of_a_cylinder(monkeypatch):
    monkeypatch.setattr(vessels, "PULSATION", 0.0)
    size, geometry = 1000, replace(PARALLEL, field=20.0)  # 0.02 cm a pixel, by which OpenCV's lines are too wide
    x = (np.arange(size) + 0.5) * 0.02 - 10
    monkeypatch.setattr(vessels, "hilar_arteries", lambda patient: [])
    monkeypatch.setattr(vessels, "PIECES", 0)
    for radius in (0.4, 1.0):
        vessel = np.array([[[5.0, 0.0, -6.0], [5.0, 0.0, 6.0]]]), np.array([radius])
        monkeypatch.setattr(vessels, "grow_vessels", lambda patient, vessel=vessel: [vessel])
        thickness = vessels.vessel_thickness(draw_patient(0), geometry, size)
        profile, chord = thickness[size // 2], 2 * np.sqrt(np.maximum(radius**2 - (x - 5) ** 2, 0))
        assert profile.sum() * 0.02 == pytest.approx(np.pi * radius**2, rel=0.05)  # the section, in cm2
        assert profile.max() == pytest.approx(2 * radius, rel=0.15)
        assert np.abs(profile - chord)[chord > 0].mean() < 0.25 * radius  # a circle in two steps
        assert profile[np.abs(x - 5) > radius + 0.04].max() == 0
        assert thickness[: size // 10].max() == 0  # above its end


def test_the_interlobar_artery_is_1_to_1_6_cm_wide_and_the_left_hilum_is_higher():
    for number in range(20):
        patient = draw_patient(number)
        (right, right_radii), (left, _) = vessels.hilar_arteries(patient)
        assert (2 * right_radii[2:5] / patient.scale >= 1.0).all()
        assert (2 * right_radii[2:5] / patient.scale <= 1.75).all()  # its bend is wider than its trunk
        assert right[-1, 0] < right[0, 0] < left[0, 0]
        assert 0.5 < (left[:, 2].max() - right[:, 2].max()) / patient.scale < 2.0


def test_the_trachea_is_as_wide_as_in_breatnachs_patients():
    for number in range(20):
        patient = draw_patient(number)
        air = vessels.airway_thickness(patient, PARALLEL, SIZE)
        profile = air[np.abs(Z - (patient.apex - 3 * patient.scale)).argmin()]
        width = (profile > 0.1).sum() * 0.1
        assert 1.3 <= width / patient.scale <= 2.5  # cm, men
        assert profile.max() == pytest.approx(width, rel=0.2)  # round
        assert air[patient.apex - 14 * patient.scale > Z].max() == 0  # below the main bronchi


def test_bones_vessels_and_airways_are_the_same_at_every_size():
    patient = draw_patient(4)
    geometry = draw_geometry(patient, "PA")
    for draw in (bones.bone_attenuation, vessels.vessel_thickness, vessels.airway_thickness):
        small = draw(patient, geometry, 64)
        for size in (128, 256, 512):
            same = draw(patient, geometry, size).reshape(64, size // 64, 64, size // 64).mean(axis=(1, 3))
            assert same.mean() == pytest.approx(small.mean(), rel=0.06)
            assert np.abs(same - small).mean() < 0.12 * small.std()


def test_clear_lungs_and_sick_lungs():
    """Without disease there is none; with it, each kind is as common as its probability says."""
    rays = PARALLEL.cast(32)
    lung = np.full((32, 32), 10.0, np.float32)
    found = []
    for number in range(600):
        patient = draw_patient(number)
        clear, sick = with_look_alikes(patient), with_look_alikes(patient, sick=True)
        assert not airless_thickness(rays, clear, lung).any()
        assert replace(clear, fat_pads=(0.0, 0.0)) == patient  # fat pads are in all patients
        assert clear.fat_pads == sick.fat_pads
        larger = sick.heart[0] / patient.heart[0]
        assert larger == 1 or 1.1 <= larger <= 1.4
        assert sick.heart == pytest.approx([axis * larger for axis in patient.heart])
        right, left = np.subtract(sick.domes, patient.domes)
        assert min(right, left) == 0
        airless = airless_thickness(rays, sick, lung, sick=True)
        found.append(
            (any(clear.fat_pads), any(sick.pleural_thickening), larger > 1, right + left > 0, airless.max() > 0)
        )
    # by the probabilities of a side, 0.20 and 0.12; of a patient, 0.4 and 0.2; of patches, haze, scars, bands, dome
    expected = [1 - 0.80**2, 1 - 0.88**2, 0.4, 0.2, 1 - 0.4 * 0.4 * 0.7 * 0.5 * 0.8]
    assert np.mean(found, axis=0) == pytest.approx(expected, abs=0.06)


def test_an_enlarged_heart_takes_more_than_half_of_the_chest():
    ratios = {True: [], False: []}
    for number in range(80):
        patient = with_look_alikes(draw_patient(number), sick=True)
        if patient.age < 18:
            continue
        rays = draw_geometry(patient, "PA").cast(256)
        ratio = cardiothoracic_ratio(rays, patient, cross_wall(rays, patient))
        ratios[patient.heart != draw_patient(number).heart].append(ratio)
    assert np.median(ratios[True]) > 0.5 > np.median(ratios[False])


def test_airless_lung_is_never_thicker_than_the_lung():
    rays, seen = PARALLEL.cast(48), 0
    lung = np.random.default_rng(0).uniform(0, 20, (48, 48)).astype(np.float32)
    lung[:, 20:28] = 0
    for number in range(60):
        airless = airless_thickness(rays, draw_patient(number), lung, sick=True)
        assert (airless >= 0).all()
        assert (airless <= 0.9 * lung + 1e-5).all()
        seen += airless.max() > 1
    assert seen > 30


def test_breasts_end_in_a_fold_over_the_base_and_children_and_lean_men_have_none():
    """The lower border is a step, and upwards the breast fades; a breast lies on each side."""
    geometry, women = PARALLEL, 0
    rays = geometry.cast(SIZE)
    for number in range(40):
        patient = draw_patient(number)
        added = look_alikes._breasts(rays, patient, "PA")
        if patient.age < 14 or (patient.sex == "M" and patient.fat < 1.0):
            assert not added.any()
        elif patient.sex == "F":
            women += 1
            sides = [added[:, X < 0], added[:, X > 0]]
            removed = [side.max() == 0 for side in sides]
            assert sum(removed) <= 1
            for side in (side for side, gone in zip(sides, removed, strict=True) if not gone):
                profile = side[:, side.max(axis=0).argmax()]
                rows = np.flatnonzero(profile)
                assert -14 < Z[rows[-1]] - patient.base < 8  # the fold
                thickest = profile.argmax()
                assert rows[-1] - thickest < 0.5 * (thickest - rows[0])  # nearer to the fold than to the upper border
    assert women > 8


def test_gas_stays_below_the_domes_and_ends_in_a_level_when_standing():
    rays, seen = PARALLEL.cast(SIZE), 0
    for number in range(60):
        patient = draw_patient(number)
        gas = look_alikes.bowel_gas_thickness(rays, patient, "PA")
        rows, columns = np.nonzero(gas > 0.01)
        for row, column in zip(rows[::50], columns[::50], strict=True):
            sign = 1 if X[column] > 0 else -1
            across = (X[column] - sign * 0.43 * patient.width) / (0.605 * patient.width)  # the dome, as in `chest`
            dome = patient.base + patient.domes[int(sign > 0)] * np.sqrt(max(1 - across**2, 0))
            assert Z[row] < dome
        seen += len(rows) > 0
    assert 30 < seen < 55  # by the probabilities: 0.55 and 0.35 of the films


def test_look_alikes_leave_the_truth_about_the_fluid_alone(monkeypatch):
    order = Order(patient=12, amount=400.0, side="right")
    film = take_film(order, size=64)
    for name in ("airless_thickness", "soft_tissue_attenuation", "bowel_gas_thickness"):
        monkeypatch.setattr(f"cxrlib.phantom.body.look_alikes.{name}", lambda rays, *_, **__: np.zeros_like(rays.x0))
    plain = take_film(order, size=64)
    assert (film.attenuation != plain.attenuation).any()
    np.testing.assert_array_equal(film.mask, plain.mask)
    np.testing.assert_array_equal(film.filled, plain.filled)
    assert film.volume_ml == plain.volume_ml


def test_each_device_adds_to_the_attenuation(monkeypatch):
    monkeypatch.setattr(devices, "_remains", lambda patient: [])
    for number in range(5):
        patient = draw_patient(number)
        layers = {name: draw_devices(patient, PARALLEL, (name,), SIZE) for name in DEVICES}
        for name, layer in layers.items():
            assert layer.min() == 0, name
            assert layer.max() > 0.1, name
        case = layers["pacemaker"] >= METAL - 1e-5
        assert 1.7 < np.sqrt(case.sum() * 0.01 / np.pi) < 2.6  # cm, the radius of a disc of this area
        assert X[case.any(axis=0)].min() > 0  # on the patient's left
        assert not draw_devices(patient, PARALLEL, ("portable",), SIZE).any()  # that is a text


def test_wires_of_an_opened_sternum_lie_in_a_row_in_the_middle():
    found, adults = 0, 0
    for number in range(300):
        patient = draw_patient(number)
        wires = [shape for shape in devices._remains(patient) if isinstance(shape, devices._Oval)]
        adults += patient.age >= 30
        if wires:
            found += 1
            assert patient.age >= 30
            assert 5 <= len(wires) <= 7
            assert all(abs(wire.x) < 2.5 for wire in wires)
            assert np.ptp([wire.z for wire in wires]) > 8 * patient.scale
    assert found / adults == pytest.approx(0.08, abs=0.05)


def test_a_ring_keeps_its_size_on_a_squeezed_film():
    geometry = replace(PARALLEL, aspect=0.8)
    canvas = np.zeros((SIZE, SIZE), np.float32)
    devices._draw_oval(canvas, devices._Oval(0.0, 0.0, 4.0, 4.0, 1.0), geometry, 0.0)
    assert canvas.any(axis=0).sum() * 0.1 * 0.8 == pytest.approx(8.0, abs=0.2)  # a column is 0.08 cm wide
    assert canvas.any(axis=1).sum() * 0.1 == pytest.approx(8.0, abs=0.2)
