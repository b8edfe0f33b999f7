import re
import tempfile
from contextlib import nullcontext

import numpy as np
import pytest

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.errors import InputError
from cxrlib.images.augmentation import Augmentation
from cxrlib.images.pixels import as_float
from cxrlib.images.radiograph import read_image
from cxrlib.training import batches
from cxrlib.training.batches import iterate_batches, load_images, make_dataset, shuffle_rows, steps_per_epoch

PLAIN = dict(batch=4, augmentation=Augmentation(), seed=0)
MOVING = dict(batch=4, augmentation=Augmentation(shift=0.1, rotate=5, gamma=1.3), seed=0)


@pytest.fixture(scope="module")
def cohort(sim_cohort):
    return read_cohort(sim_cohort).part("test")


@pytest.fixture(scope="module")
def images(cohort):
    return load_images(cohort.files, size=48)


def assert_equal_batches(found, expected):
    for (found_x, found_y), (expected_x, expected_y) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(found_x, expected_x)
        np.testing.assert_array_equal(found_y, expected_y)


def test_images_are_what_the_reader_gives_in_memory_and_on_disk(cohort, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for limit in (batches.MEMORY_LIMIT, 0):
        monkeypatch.setattr(batches, "MEMORY_LIMIT", limit)
        size = re.escape(f"{len(cohort.files)} films of 48 px need 0.0 GB: they are kept in a file in {tmp_path}, ")
        with nullcontext() if limit else pytest.warns(batches.FilmsOnDiskWarning, match=size):
            images = load_images(cohort.files, size=48)
        assert images.dtype == np.uint16
        assert isinstance(images, np.memmap) == (limit == 0)
        for image, path in zip(images, cohort.files, strict=True):
            np.testing.assert_allclose(as_float(image), read_image(path, size=48), atol=0.51 / 65535)
        assert list(tmp_path.iterdir()) == []  # the file on disk has no name that could be left behind


def test_an_epoch_holds_each_film_and_fills_up_its_last_batch(images, cohort):
    made = list(iterate_batches(images, cohort.labels, epochs=[0], **PLAIN))
    assert len(made) == steps_per_epoch(len(images), 4)
    assert {len(y) for _, y in made} == {4}
    pixels, labels = np.concatenate([x for x, _ in made])[..., 0], np.concatenate([y for _, y in made])[:, 0]
    order = [int(np.argmin(np.abs(as_float(images) - film).sum(axis=(1, 2)))) for film in pixels]
    assert set(order) == set(range(len(images)))
    assert max(order.count(row) for row in order) <= 2
    np.testing.assert_array_equal(pixels, as_float(images)[order])
    np.testing.assert_array_equal(labels, cohort.labels[order])


def test_several_processes_make_the_batches_that_one_makes(images, cohort):
    """Each process has only its own films. Together they make the same batches of the same films."""
    options = dict(epochs=range(2), **MOVING)
    whole = list(iterate_batches(images, cohort.labels, **options))
    for shard_index in (0, 1):
        half = iterate_batches(images[shard_index::2], cohort.labels, shard=(shard_index, 2), **options)
        assert_equal_batches(half, [(x[shard_index::2], y[shard_index::2]) for x, y in whole])


def test_each_epoch_has_every_film_in_another_order():
    for num_films in (1, 3, 4, 9, 103):
        drawn = list(shuffle_rows(num_films, batch=4, seed=0, epochs=range(3)))
        for epoch in range(3):
            rows = np.concatenate([rows for number, rows in drawn if number == epoch])
            assert len(rows) == 4 * steps_per_epoch(num_films, 4)
            assert set(rows) == set(range(num_films))
        assert num_films < 9 or not np.array_equal(drawn[0][1], drawn[len(drawn) // 3][1])


def test_epochs_differ_and_a_resumed_one_is_the_same(images, cohort):
    whole = list(iterate_batches(images, cohort.labels, epochs=range(3), **MOVING))
    resumed = list(iterate_batches(images, cohort.labels, epochs=range(2, 3), **MOVING))
    assert_equal_batches(resumed, whole[2 * len(resumed) :])
    assert not np.array_equal(whole[0][0], whole[len(resumed)][0])


def test_tf_data_gives_the_same_batches(images, cohort):
    options = dict(epochs=range(2), **MOVING)
    made = make_dataset(images, cohort.labels, **options).as_numpy_iterator()
    assert_equal_batches(made, iterate_batches(images, cohort.labels, **options))


def test_an_unreadable_film_stops_the_reading(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no film")
    with pytest.raises(InputError, match=r"bad\.png"):
        load_images([tmp_path / "bad.png"], size=32)
