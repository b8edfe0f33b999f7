import numpy as np
import pytest

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.errors import InputError
from cxrlib.images.augmentation import Augmentation
from cxrlib.images.pixels import as_float
from cxrlib.images.radiograph import read_image
from cxrlib.training.batches import deal_rows, iterate_batches, load_images, make_dataset, steps_per_epoch

PLAIN = dict(batch=4, augmentation=Augmentation(), seed=0)
MOVING = dict(batch=4, augmentation=Augmentation(shift=0.1, rotate=5, gamma=1.3), seed=0)


@pytest.fixture(scope="module")
def films(sim_cohort):
    cohort = read_cohort(sim_cohort).part("test")
    return load_images(cohort.files, size=48), cohort


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("budget", [1 << 30, 0])
def test_cached_films_are_what_the_reader_gives(films, tmp_path, bits, budget):
    _, cohort = films
    images = load_images(cohort.files, size=48, bits=bits, budget=budget, cache_folder=tmp_path)
    assert images.dtype == np.dtype(f"uint{bits}")
    assert isinstance(images, np.memmap) == (budget == 0)
    for image, path in zip(images, cohort.files, strict=True):
        np.testing.assert_allclose(as_float(image), read_image(path, size=48), atol=0.51 / (2**bits - 1))
    assert list(tmp_path.iterdir()) == []  # the disk cache has no name to be left behind


def test_an_epoch_holds_each_film_and_fills_up_its_last_batch(films):
    images, cohort = films
    made = list(iterate_batches(images, cohort.labels, epochs=[0], **PLAIN))
    assert len(made) == steps_per_epoch(len(images), 4)
    assert {len(y) for _, y in made} == {4}
    pixels, labels = np.concatenate([x for x, _ in made])[..., 0], np.concatenate([y for _, y in made])[:, 0]
    order = [int(np.argmin(np.abs(as_float(images) - film).sum(axis=(1, 2)))) for film in pixels]
    assert set(order) == set(range(len(images)))
    assert max(order.count(row) for row in order) <= 2
    np.testing.assert_array_equal(pixels, as_float(images)[order])
    np.testing.assert_array_equal(labels, cohort.labels[order])


def test_several_processes_make_the_batches_that_one_makes(films):
    """Each from its own films alone; together, the same films in the same batches."""
    images, cohort = films
    whole = list(iterate_batches(images, cohort.labels, epochs=range(2), **MOVING))
    halves = [
        list(iterate_batches(images[i::2], cohort.labels, epochs=range(2), share=(i, 2), **MOVING)) for i in (0, 1)
    ]
    for (x, y), (x0, y0), (x1, y1) in zip(whole, *halves, strict=True):
        for all_of, first, second in ((x, x0, x1), (y, y0, y1)):
            np.testing.assert_array_equal(all_of[0::2], first)
            np.testing.assert_array_equal(all_of[1::2], second)


@pytest.mark.parametrize("count", [1, 3, 4, 9, 103])
def test_every_film_is_dealt_in_each_epoch_in_another_order(count):
    dealt = list(deal_rows(count, batch=4, seed=0, epochs=range(3)))
    for epoch in range(3):
        rows = np.concatenate([rows for e, rows in dealt if e == epoch])
        assert len(rows) == 4 * steps_per_epoch(count, 4)
        assert set(rows) == set(range(count))
    assert count < 9 or not np.array_equal(dealt[0][1], dealt[len(dealt) // 3][1])


def test_epochs_differ_and_a_resumed_one_is_the_same(films):
    images, cohort = films
    whole = list(iterate_batches(images, cohort.labels, epochs=range(3), **MOVING))
    late = list(iterate_batches(images, cohort.labels, epochs=range(2, 3), **MOVING))
    steps = len(late)
    for (x, y), (xx, yy) in zip(whole[2 * steps :], late, strict=True):
        np.testing.assert_array_equal(x, xx)
        np.testing.assert_array_equal(y, yy)
    assert not np.array_equal(whole[0][0], whole[steps][0])


def test_tf_data_gives_the_same_batches(films):
    images, cohort = films
    expected = list(iterate_batches(images, cohort.labels, epochs=range(2), **MOVING))
    made = list(make_dataset(images, cohort.labels, epochs=range(2), **MOVING).as_numpy_iterator())
    for (x, y), (xx, yy) in zip(expected, made, strict=True):
        np.testing.assert_array_equal(x, xx)
        np.testing.assert_array_equal(y, yy)


def test_an_unreadable_film_stops_the_reading(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no film")
    with pytest.raises(InputError, match=r"bad\.png"):
        load_images([tmp_path / "bad.png"], size=32)
