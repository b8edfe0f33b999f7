"""Real films pass; turned and inverted ones cause warnings; films of different people are not copies of each other."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxrlib.cohorts.duplicates import exact_copies, near_copies
from cxrlib.cohorts.nih import find_label_file
from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import proportion
from cxrlib.training.batches import load_images
from cxrlib.training.run import open_run
from cxrlib.training.unusual import make_reference

SOURCE, ODD = os.environ.get("CXR_REAL_DATA"), os.environ.get("CXR_ODD_DATA")
pytestmark = pytest.mark.skipif(not SOURCE, reason="CXR_REAL_DATA names no folder in NIH's layout")


@pytest.fixture(scope="module")
def paths():
    assert find_label_file(Path(SOURCE)).is_file()
    return sorted(path for path in Path(SOURCE).rglob("*.png"))


@pytest.fixture(scope="module")
def films(paths):
    return load_images(paths, size=128)


@pytest.fixture(scope="module")
def patients(paths):
    """NIH names a film by its patient and a number."""
    return np.array([path.name[:8] for path in paths])


def warnings_of(reference, films):
    """Return the warnings of each film as one text, or "refused"."""
    texts = []
    for film in films:
        try:
            texts.append(" ".join(reference.check(film)))
        except InputError:
            texts.append("refused")
    return texts


def test_real_films_are_not_refused_and_seldom_cause_a_warning(films, patients):
    """With the reference of the library's network, and with one of every second patient's films."""
    in_reference = np.isin(patients, np.unique(patients)[::2])
    for reference in (open_run("simulated").reference, make_reference(films[in_reference])):
        warnings = warnings_of(reference, films[~in_reference])
        assert "refused" not in warnings
        assert proportion([bool(each) for each in warnings]).value <= 0.04


def test_a_change_of_real_films_is_named(films):
    changes = {
        "looks inverted": lambda film: 65535 - film,
        "looks upside down": lambda film: film[::-1],
        "looks turned by a quarter": np.rot90,
        "sharpness": lambda film: cv2.GaussianBlur(film, (0, 0), 0.025 * len(film)),
    }
    for words, change in changes.items():
        changed = [np.ascontiguousarray(change(film)) for film in films[::4]]
        warnings = warnings_of(open_run("simulated").reference, changed)
        assert "refused" not in warnings
        assert np.mean([words in each for each in warnings]) >= 0.95


def test_real_films_of_different_people_are_no_copies(films, patients):
    is_test = np.isin(patients, np.unique(patients)[::3])
    assert exact_copies({"train": films[~is_test], "test": films[is_test]}) == []
    assert near_copies(films[~is_test], films[is_test]) == []


@pytest.mark.skipif(not ODD, reason="CXR_ODD_DATA names no folder of odd files")
def test_predict_with_the_network_that_ships():
    run = open_run("simulated")
    for name in ("cxr_monochrome2.dcm", "cxr_1036x885_rgb.jpg"):
        assert run.predict(Path(ODD) / name).warnings == ()
    # the same pixels under the other tag are an inverted film
    assert "looks inverted" in run.predict(Path(ODD) / "cxr_monochrome1.dcm").warnings[0]
    assert any("sharp" in each or "enlarged" in each for each in run.predict(Path(ODD) / "nih_64px_rgb.png").warnings)
    for path in sorted((Path(ODD) / "originals").glob("*.png"))[:5]:
        assert run.predict(path).warnings == ()
