"""The simulator's physics: held against tables, formulas and what is known of the signs."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from cxrlib.errors import InputError
from cxrlib.phantom.body.chest import cross_wall, trace_pleura
from cxrlib.phantom.body.fluid import draw_unevenness, fill, filled_ml, pleural_space_ml
from cxrlib.phantom.body.heart import cardiothoracic_ratio, heart_shadow
from cxrlib.phantom.body.patient import displace, draw_geometry, draw_patient, total_lung_capacity
from cxrlib.phantom.film import Film, Order, fit_volume, take_film
from cxrlib.phantom.physics import detector
from cxrlib.phantom.physics.detector import GRID, detect, scatter_fraction
from cxrlib.phantom.physics.materials import AIR, DENSITIES, ENERGIES, FAT, MASS_ATTENUATION, attenuation
from cxrlib.phantom.physics.rays import Geometry, ellipsoid, path_length
from cxrlib.phantom.signs import blunting, lateral_angle

LINEAR = {  # 1/cm, FACTS: soft tissue and bone as tabulated there, water of density 1
    ("water", 65): 0.1987,
    ("soft tissue", 60): 0.217,
    ("soft tissue", 70): 0.203,
    ("cortical bone", 60): 0.605,
    ("cortical bone", 65): 0.541,
    ("cortical bone", 70): 0.494,
}


ADULTS = [number for number in range(200) if draw_patient(number).age >= 18]
"""Numbers of patients whose chests are large enough for the volumes of these tests."""


def test_attenuation_is_that_of_the_tables():
    for arguments, value in LINEAR.items():
        assert attenuation(*arguments) == pytest.approx(value, rel=0.01), arguments


def test_attenuation_falls_with_energy_and_between_the_tabulated_ones():
    for material, row in MASS_ATTENUATION.items():
        values = [attenuation(material, energy) for energy in np.linspace(40, 100, 61)]
        assert (np.diff(values) < 0).all()
        assert values[0] == pytest.approx(row[0] * DENSITIES[material])
    assert AIR < FAT < attenuation("water") < attenuation("soft tissue")
    with pytest.raises(ValueError, match="30 keV; the table goes from 40 to 100"):
        attenuation("water", 30)


def test_a_water_slab_obeys_beer_and_lambert():
    quanta = 1e7
    for thickness in (0.5, 5.0, 15.0):
        slab = np.full((200, 200), thickness * attenuation("water"))
        counted = detect(slab, np.random.default_rng(0), quanta=quanta)
        assert -np.log(counted.mean() / quanta) == pytest.approx(0.1987 * thickness, rel=1e-3)


def test_noise_has_the_variance_of_its_mean():
    for mean in (300, 3_000, 300_000):
        counted = detect(np.zeros((400, 400)), np.random.default_rng(1), quanta=mean)
        assert counted.var() == pytest.approx(mean, rel=0.02)
        assert counted.mean() == pytest.approx(mean, rel=0.01)


def test_scatter_behind_the_mediastinum():
    """About 0.9 without a grid and above a half with one (Niklason, Sorenson and Nelson, Med Phys 1981)."""
    behind, lungs = [], []
    for number in range(12):
        film = take_film(Order(patient=number), size=64)
        middle = (slice(24, 48), slice(30, 35))
        open_lung = film.lung > 0.7 * film.lung.max()
        fractions = [scatter_fraction(film.attenuation, scatter=scatter) for scatter in (1.0, GRID)]
        behind.append([np.median(fraction[middle]) for fraction in fractions])
        lungs.append([np.median(fraction[open_lung]) for fraction in fractions])
    without, with_grid = np.median(behind, axis=0)
    assert without == pytest.approx(0.9, abs=0.04)
    assert 0.5 < with_grid < 0.65
    assert (np.median(lungs, axis=0) < (without - 0.1, with_grid - 0.1)).all()


def test_scatter_grows_with_thickness_and_a_slab_keeps_its_ratio():
    ratios = []
    for cm in (2.0, 10.0, 20.0):
        slab = np.full((64, 64), cm * attenuation("water"))
        fraction = scatter_fraction(slab, scatter=1.0)
        assert np.ptp(fraction) < 1e-6
        ratios.append(fraction[0, 0] / (1 - fraction[0, 0]))
        assert ratios[-1] == pytest.approx(np.exp(0.5 * 0.1987 * cm) - 1, rel=0.01)
    assert not scatter_fraction(np.zeros((64, 64)), scatter=1.0).any()


def test_no_film_is_black_or_white():
    for number in range(40):
        film = take_film(Order(patient=number, view=("PA", "AP")[number % 2], site=number % 3), size=64)
        shown = film.image / film.image.max()
        lung = shown[film.lung > 0.6 * film.lung.max()]
        assert 0.12 < np.median(lung) < 0.8
        assert shown.std() > 0.08
        dense = shown[film.attenuation > np.quantile(film.attenuation, 0.9)]
        assert np.median(dense) > np.median(lung) + 0.15


def test_a_border_covers_what_lies_outside_its_rectangle():
    picture = np.full((200, 200), 0.5)
    framed = detector._border(
        picture, np.array([0.1, -0.2, 0.05, -0.2]), 0.0, tilt=0.0, soft=0.0, rounded=0.0
    )  # left and upper
    assert (framed[:, :19] == 0).all()
    assert (framed[:9] == 0).all()
    assert (framed[11:, 21:] == 0.5).all()
    white = detector._border(picture, np.array([-1.0, -1.0, -1.0, 0.1]), 1.0, tilt=np.radians(2), soft=0.0, rounded=0.0)
    heights = (white == 1).sum(axis=0)
    assert heights.mean() == pytest.approx(20, abs=1)
    assert abs(heights[-1] - heights[0]) == pytest.approx(200 * np.tan(np.radians(2)), abs=1.5)
    assert (picture == 0.5).all()
    rounded = detector._border(picture, np.full(4, 0.1), 0.0, tilt=0.0, soft=0.0, rounded=0.1)
    area = rounded.sum() / 0.5 / 200**2  # a square of 0.8 without its corners
    assert area == pytest.approx(0.8**2 - (4 - np.pi) * 0.1**2, abs=0.01)


def test_borders_are_as_common_as_their_table_says():
    """Of many gray pictures, count the sides whose middle is covered: in all, and for each edge."""
    gray, covered = np.full((100, 100), 0.5), []
    for number in range(1500):
        framed = detector.frame(gray, np.random.default_rng(number), "PA")
        middles = framed[50, 0], framed[50, -1], framed[0, 50], framed[-1, 50]
        covered.append([abs(value - 0.5) > 0.2 for value in middles])
        assert framed[45:55, 45:55] == pytest.approx(0.5)
        assert framed.shape == gray.shape
    sides = np.array(detector.BORDER_SIDES["PA"])
    # also on all four sides, as slivers on one of four, by turning, by the shield below, and by the blank of a name
    least = 1 - (1 - sides) * (1 - detector.FOUR_SIDES)
    found = np.mean(covered, axis=0)
    assert (found > least - 0.05).all()
    assert (
        found < least + detector.EDGED / 4 + detector.TURNED + [0, 0, 0.02, detector.SHIELDS["PA"] + 0.02] + 0.03
    ).all()


def test_markers_are_on_the_side_that_they_name():
    """An L stands on the right half of the picture, where the patient's left is, and an R on the left half."""
    gray, halves = np.full((128, 128), 0.2), {"L": [], "R": []}
    for number in range(40):
        drawn = []
        with pytest.MonkeyPatch.context() as patch:
            original = detector._marker
            patch.setattr(
                detector,
                "_marker",
                lambda white, black, rng, letter, place, original=original, drawn=drawn: (
                    drawn.append((letter, place)),
                    original(white, black, rng, letter, place),
                ),
            )
            film = detector.burn_in_markers(gray, np.random.default_rng(number), 0, portable=False)
        changed = np.flatnonzero((film != film[64, 64]).any(axis=0))
        if len(drawn) == 1:
            halves[drawn[0][0]].append(changed.mean() / 128)
        elif not drawn:
            assert not len(changed)
    assert min(halves["L"]) > 0.7
    assert max(halves["R"]) < 0.3


def test_the_tone_of_a_film_does_not_depend_on_its_size():
    """All that is drawn for a film comes before the noise, whose numbers are as many as the pixels."""
    for number in range(6):
        small, large = (take_film(Order(patient=number, view="AP"), size=size).image for size in (64, 256))
        shrunk = large.reshape(64, 4, 64, 4).mean(axis=(1, 3))
        assert np.abs(shrunk - small).mean() < 0.02


def test_the_path_length_through_a_sphere():
    rays = Geometry(source_to_detector=183.0, origin_to_detector=12.0, field=30.0).cast(301)
    length = path_length(rays, ellipsoid(rays, (0.0, 0.0, 0.0), (4.0, 4.0, 4.0)))
    assert length[150, 150] == pytest.approx(8.0, rel=1e-4)
    shadow = (length > 0)[150].sum() * rays.pixel / 2
    tangent = 183 / np.sqrt((183 - 12) ** 2 - 4**2) * 4  # of the cone that touches the sphere
    assert shadow == pytest.approx(tangent, abs=rays.pixel)


def test_points_fall_where_rays_pass_them():
    geometry = Geometry(view="AP", source_to_detector=130.0, centre=(1.0, -2.0), source_height=6.0, yaw=5.0, roll=3.0)
    rays = geometry.cast(200)
    for point in ([3.0, 4.0, 5.0], [-6.0, -7.0, 2.0]):
        column, row = geometry.project(np.array(point)) / rays.pixel
        x, z = rays.at_depth(point[1])
        pixel = int(row), int(column)
        assert x[pixel] == pytest.approx(point[0], abs=2 * rays.pixel)
        assert z[pixel] == pytest.approx(point[2], abs=2 * rays.pixel)


def test_the_heart_is_larger_on_ap_by_chons_formula():
    def shadow(patient, view, distance):
        geometry = replace(
            draw_geometry(patient, view),
            view=view,
            source_to_detector=distance,
            yaw=0.0,
            roll=0.0,
            source_height=0.0,
            field=50.0,
            aspect=1.0,
        )
        rays = geometry.cast(800)
        columns = np.flatnonzero(heart_shadow(rays, patient).any(axis=0))
        ratio = cardiothoracic_ratio(rays, patient, cross_wall(rays, patient))
        return (columns[-1] - columns[0] + 1) * rays.pixel, ratio

    for distance in (127, 140, 152):
        ratios = []
        for patient in map(draw_patient, ADULTS[:12]):
            (pa, ctr_pa), (ap, ctr_ap) = shadow(patient, "PA", 183.0), shadow(patient, "AP", distance)
            ratios.append(pa / ap)
            assert ctr_ap > ctr_pa
        assert np.mean(ratios) == pytest.approx(0.00099 * distance + 0.79, rel=0.03)


def test_lungs_have_the_total_capacity_of_their_height_age_and_sex():
    assert total_lung_capacity("M", 45, 176) == pytest.approx(6.9, abs=0.05)
    assert total_lung_capacity("F", 45, 163) == pytest.approx(5.1, abs=0.05)
    ratios = []
    for patient in map(draw_patient, range(80)):
        capacity = total_lung_capacity(patient.sex, min(patient.age, 80), patient.height)
        deep = replace(patient, base=-patient.apex)  # as after a full breath
        ratios.append(sum(pleural_space_ml(deep, draw_geometry(deep, "PA"))) / 1000 / capacity)
    assert np.median(ratios) == pytest.approx(1, abs=0.05)
    assert np.quantile(ratios, 0.05) > 0.75
    assert np.quantile(ratios, 0.95) < 1.3


def test_hearts_are_narrower_than_half_the_chest():
    ratios = []
    for number in range(80):
        patient = draw_patient(number)
        rays = draw_geometry(patient, "PA").cast(192)
        ratios.append(cardiothoracic_ratio(rays, patient, cross_wall(rays, patient)))
    assert 0.40 < np.median(ratios) < 0.49
    assert np.mean(np.array(ratios) > 0.5) < 0.15


def test_the_right_dome_is_higher_by_one_or_two_cm_in_most():
    higher = np.array([p.domes[0] - p.domes[1] for p in map(draw_patient, range(300))])
    assert ((higher >= 1) & (higher <= 2)).mean() > 0.8


def test_the_fluid_drawn_is_the_fluid_asked_for():
    positions = (("upright", "PA"), ("supine", "AP"), ("semi-erect", "AP"))
    for volume, (posture, view), side in product((60, 250, 900), positions, ("right", "both")):
        for patient in ADULTS[:4]:  # at a size other than the one at which the level is found
            order = Order(patient=patient, amount=volume, posture=posture, view=view, side=side)
            assert take_film(order, size=150).volume_ml == pytest.approx(volume, rel=0.02, abs=3), order


def test_volumes_are_those_of_a_grid_of_points_in_the_chest():
    """The pleural spaces, and fluid in one of them, counted on a cubic grid: no ray in it narrows or turns."""
    patient = replace(draw_patient(1), pleural_thickening=(0.0, 0.0))
    expected = pleural_space_ml(
        patient, Geometry(view="PA", source_to_detector=1e6, origin_to_detector=12.0, field=44.0)
    )
    for view, yaw in product(("PA", "AP"), (0.0, 10.0, -10.0)):
        geometry = Geometry(view=view, source_to_detector=140.0, field=44.0, yaw=yaw)
        assert pleural_space_ml(patient, geometry) == pytest.approx(expected, rel=0.015)
        filling = fill(patient, geometry, 500, side="left", posture="upright")
        rays = geometry.cast(150)
        pleura = trace_pleura(rays, patient, cross_wall(rays, patient))
        within = np.minimum(pleura.inside, filling.excess(pleura, patient, draw_unevenness(patient, 150)))
        right, left = filled_ml(within, pleura, rays, geometry)
        assert left == pytest.approx(500, rel=0.02)
        assert right < 1


def test_blunting_of_the_angle_comes_with_volume():
    volumes = (50, 200, 500)
    blunted, cut_off = {volume: [] for volume in volumes}, 0
    for patient in ADULTS[:50]:
        side = ("right", "left")[patient % 2]
        dry = take_film(Order(patient=patient), size=96)
        try:
            lateral_angle(dry, side)
        except InputError:  # one film in eight is taken too high
            cut_off += 1
            continue
        opacity = [blunting(take_film(Order(patient=patient, amount=v, side=side), size=96), side) for v in volumes]
        assert opacity == sorted(opacity)
        for volume, value in zip(volumes, opacity, strict=True):
            blunted[volume].append(value > 0.5)
    assert cut_off <= 12
    assert np.mean(blunted[50]) <= 0.10
    assert np.mean(blunted[200]) > 0.5
    assert np.mean(blunted[500]) >= 0.90


def upper_edge(film, *, least=0.5):
    """The height in cm, by column, of the highest ray that passes more fluid than lung; the opaque part's edge."""
    rows = film.filled.shape[0]
    opaque = film.filled > least * np.maximum(film.lung + film.filled, 1)
    return np.where(opaque.any(axis=0), rows - opaque.argmax(axis=0), np.nan) * film.geometry.field / rows


def test_the_meniscus_is_concave_and_higher_at_the_wall():
    drops = []
    for patient in ADULTS[:20]:
        film = take_film(Order(patient=patient, amount=700, side="left"), size=192)
        edge = upper_edge(film)
        columns = np.flatnonzero(~np.isnan(edge))
        wall, inner = columns.max(), columns.min()
        places = wall - np.array([0.1, 0.3, 0.5]) * (wall - inner)
        near, between, middle = (np.nanmean(edge[int(place) - 3 : int(place) + 4]) for place in places)
        drops.append((near - between, between - middle))
    outer, inner = np.mean(drops, axis=0)
    assert outer > 1.0  # cm: it climbs to the wall
    assert outer > inner + 0.5  # ever more steeply: concave


def test_lying_fluid_is_a_haze_without_an_edge():
    veils, steps = [], []
    for patient in ADULTS[:10]:
        order = Order(patient=patient, amount=250, side="right", view="AP")
        films = [take_film(replace(order, posture=posture), size=128) for posture in ("supine", "upright")]
        lung = (films[0].lung + films[0].filled) > 3
        lung[:, 64:] = False
        veils.append([(film.filled[lung] > 0.3).mean() for film in films])
        steps.append([np.quantile(np.abs(np.diff(film.filled, axis=0))[lung[1:]], 0.98) for film in films])
        veiled = lung & (films[0].filled > 0.3)
        assert (films[0].lung[veiled] > 1).mean() > 0.85  # lung in front of it, and its vessels
    lying, standing = np.median(veils, axis=0)
    assert lying > 0.6  # spread over the lung
    assert standing < 0.5
    lying, standing = np.median(steps, axis=0)
    assert lying < 0.3  # cm from one row to the next: no edge
    assert standing > 2 * lying


def test_fluid_absorbs_as_water_and_less_than_a_whole_chest():
    dry, wet = (take_film(Order(patient=5, amount=a, side="right"), size=96) for a in (0, 400))
    added = wet.attenuation - dry.attenuation
    deep = wet.filled > 4
    assert added[deep].mean() / wet.filled[deep].mean() == pytest.approx(0.15, abs=0.03)  # water less lung
    assert np.abs(added[(wet.filled == 0) & (wet.lung == 0)]).max() < 0.05


def test_at_a_lower_energy_bones_stand_out_more():
    high, low, usual = (take_film(Order(patient=189, energy=energy), size=128) for energy in (100, 40, 65))
    inside = usual.attenuation > 1  # in the patient, away from the skin
    for film, energy in ((high, 100), (low, 40)):
        ratio = film.attenuation[inside] / usual.attenuation[inside]
        least, most = sorted(
            MASS_ATTENUATION[tissue][ENERGIES.index(energy)] / MASS_ATTENUATION[tissue][ENERGIES.index(65)]
            for tissue in ("soft tissue", "cortical bone")
        )
        assert least - 0.01 < ratio.min() < ratio.max() < most + 0.01
    shoulder = np.s_[20:40, 2:14]  # the head of the humerus and the blade behind it
    belly = np.s_[110:126, 30:50]
    contrast = [film.attenuation[shoulder].max() / film.attenuation[belly].mean() for film in (low, usual, high)]
    assert contrast == sorted(contrast, reverse=True)


def test_the_patients_left_is_on_the_images_right():
    for view in ("PA", "AP"):
        film = take_film(Order(patient=2, amount=800, side="left", view=view), size=64)
        assert film.mask[:, 32:].sum() > 5 * film.mask[:, :32].sum()
        dry = take_film(Order(patient=2, view=view), size=64)
        assert film.pixels[film.mask].mean() > dry.pixels[film.mask].mean()


def test_a_large_effusion_pushes_the_heart_away():
    patient = next(n for n in range(50) if draw_patient(n).width > 13.5)
    assert displace(draw_patient(patient), 1500, 0).heart_centre[0] > draw_patient(patient).heart_centre[0] + 0.5
    assert displace(draw_patient(patient), 0, 1500).heart_centre[0] < draw_patient(patient).heart_centre[0] - 0.5
    assert displace(draw_patient(patient), 400, 0).shift == 0


def test_gas_rises_and_is_dark():
    dry = take_film(Order(patient=3), size=96)
    film = take_film(Order(patient=3, finding="pneumothorax", amount=600, side="right"), size=96)
    rows = np.flatnonzero(film.mask.any(axis=1))
    lung = np.flatnonzero((dry.lung > 1).any(axis=1))
    assert rows.min() <= lung.min() + 3
    assert film.attenuation[film.filled > 3].mean() < dry.attenuation[film.filled > 3].mean()


def test_a_nodule_has_its_size():
    for diameter in (1.5, 4.0):
        film = take_film(Order(patient=4, finding="nodule", amount=diameter), size=512)
        width = film.mask.any(axis=0).sum() * film.geometry.field * film.geometry.aspect / 512
        assert width == pytest.approx(diameter * film.geometry.magnification(0.0), rel=0.12)


def test_a_heart_has_the_ratio_asked_for():
    for ratio, patient in product((0.42, 0.55, 0.65), range(4)):
        film = take_film(Order(patient=patient, finding="cardiomegaly", amount=ratio), size=256)
        assert film.ctr == pytest.approx(ratio, abs=0.015)
        assert film.mask.any()


def test_a_patient_comes_back():
    first, repeated, later = (take_film(Order(patient=p, visit=v), size=64).pixels for p, v in ((7, 0), (7, 0), (7, 1)))
    np.testing.assert_array_equal(first, repeated)
    assert (first != later).mean() > 0.5
    people = draw_patient(7), draw_patient(7, visit=1), draw_patient(8)
    bones = [(person.width, person.rib_spacing, person.rib_slope, person.heart) for person in people]
    assert bones[0] == bones[1] != bones[2]


def test_a_film_is_the_same_at_another_resolution():
    small = take_film(Order(patient=9, amount=500), size=64)
    large = take_film(Order(patient=9, amount=500), size=256)
    shrunk = large.attenuation.reshape(64, 4, 64, 4).mean(axis=(1, 3))
    assert np.corrcoef(small.attenuation.ravel(), shrunk.ravel())[0, 1] > 0.99
    assert small.volume_ml == pytest.approx(large.volume_ml, rel=0.02)


REFUSED = [
    ({"view": "lateral"}, "view is 'lateral'; it must be one of PA, AP"),
    ({"finding": "hernia"}, "finding is 'hernia'; it must be one of effusion"),
    ({"amount": -5.0}, "amount is -5.0; it must lie between 0 and 100,000"),
    ({"amount": float("nan")}, "amount is nan"),
    ({"amount": 100.0, "side": "front"}, "side is 'front'; it must be one of right"),
    ({"posture": "sitting"}, "posture is 'sitting'; it must be one of upright"),
    ({"amount": 9000.0}, "9,000 mL on the right: this patient's pleural space holds"),
    ({"amount": 0.95, "finding": "cardiomegaly"}, "ratio of 0.95 is asked for; it must lie between 0.25 and 0.85"),
    ({"amount": 3.0, "finding": "nodule", "side": "both"}, "side is 'both'; it must be one of right, left"),
    ({"amount": 14.0, "finding": "nodule"}, "a nodule of 14 cm finds no place"),
    ({"amount": 16.0, "finding": "nodule"}, "a nodule of 16 cm is asked for; it must be at most 15 cm"),
    ({"devices": ("leads", "watch")}, "device 'watch' is unknown; it must be one of leads"),
    ({"patient": -1}, "patient is -1"),
    ({"seed": 2**32}, "seed is 4294967296; it must be at least 0 and below 4,294,967,296"),
    ({"visit": 2**32 - 1}, "visit is 4294967295; it must be at least 0 and below 4,294,967,295"),
    ({"site": 7}, "site is 7"),
    ({"energy": 30.0}, "energy is 30.0 keV; it must lie between 40 and 100 keV"),
]


def test_an_order_that_cannot_be_is_refused():
    for wrong, message in REFUSED:
        with pytest.raises(InputError, match=message):
            take_film(Order(**wrong))


def test_a_volume_is_lowered_to_what_the_chest_can_hold():
    for side in ("right", "left", "both"):
        order = Order(patient=6, amount=9000.0, side=side)
        volume = fit_volume(order)
        film = take_film(replace(order, amount=volume), size=64)  # `fill` would refuse more than fits
        assert 500 < volume < 9000
        assert (film.lung > 0).any()
        assert fit_volume(replace(order, amount=300.0)) == 300


def flat_film(*, filled):
    """A film of 100 pixels of 0.4 cm with two rectangular lungs, 10 cm deep: the angle can be counted by hand."""
    space = np.zeros((100, 100), np.float32)
    space[10:81, 10:45] = space[10:81, 55:91] = 10
    fluid = space * np.float32(filled)
    nothing, geometry = np.zeros((100, 100)), Geometry(field=40.0)
    return Film(nothing, nothing, fluid > 0.1, space - fluid, fluid, 0.0, 0.5, geometry, 0)


def test_the_lateral_angle_is_the_lowest_corner_at_the_wall():
    film = flat_film(filled=0.25)
    for side, columns in (("right", range(10, 17)), ("left", range(84, 91))):
        rows, found = np.nonzero(lateral_angle(film, side))
        assert set(found) == set(columns)  # 2.5 cm from the wall are 6 pixels
        assert set(rows) == set(range(77, 81))  # 1.5 cm above the tip are 3 pixels
        assert blunting(film, side) == pytest.approx(0.25)
        assert blunting(flat_film(filled=1.0), side) == 1
    cut = replace(film, lung=film.lung[:78], filled=film.filled[:78], pixels=film.pixels[:78])
    with pytest.raises(InputError, match="the costophrenic angle on the right lies below the edge of this film"):
        blunting(cut, "right")
    film.lung[:, 50:] = 0
    film.filled[:, 50:] = 0
    with pytest.raises(InputError, match="no lung is seen on the left of this film"):
        blunting(film, "left")
