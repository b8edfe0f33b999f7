"""Images that are turned, inverted, blurred or not chest films cause warnings or are refused; other films pass."""

import json
import shutil

import cv2
import numpy as np
import pytest

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.errors import InputError
from cxrlib.images.pixels import quantize
from cxrlib.images.radiograph import read_image
from cxrlib.phantom.simulation import simulate
from cxrlib.training import unusual
from cxrlib.training.batches import load_images
from cxrlib.training.manifest import MANIFEST
from cxrlib.training.run import SIMULATED, open_run
from cxrlib.training.unusual import REFERENCE, TEMPLATE_SIDE, make_reference, measure, read_reference, write_reference


@pytest.fixture(scope="module")
def shipped():
    """The reference of the network that comes with the library."""
    return read_reference(SIMULATED)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Simulated films that no training has seen, (60, 128, 128)."""
    folder = simulate(tmp_path_factory.mktemp("new") / "cohort", films=60, prevalence=0.4, size=128, seed=41)
    return load_images(read_cohort(folder).files, size=128) / np.float32(65535)


def warnings_of(reference, films):
    return [reference.check(quantize(np.ascontiguousarray(film, np.float32))) for film in films]


def fraction_warned(reference, films, words):
    return np.mean([any(words in each for each in warnings) for warnings in warnings_of(reference, films)])


def test_films_as_they_are_pass(shipped, films):
    assert sum(bool(warnings) for warnings in warnings_of(shipped, films)) <= 2


def noisy(film):
    return np.clip(film + np.random.default_rng(0).normal(0, 0.3, film.shape), 0, 1)


def test_what_is_wrong_is_named(shipped, films):
    cases = [
        ("looks inverted; dense must be bright", lambda film: 1 - film, 0.95),
        ("looks upside down", lambda film: film[::-1], 0.95),
        ("looks upside down", lambda film: film[::-1, ::-1], 0.95),
        ("looks turned by a quarter", np.rot90, 0.95),
        ("sharpness", lambda film: cv2.GaussianBlur(film, (0, 0), 3), 0.95),
        ("sharpness", noisy, 0.5),
        ("mean", lambda film: np.pad(film[::2, ::2], 32), 0.95),
        ("looks little like a chest film", lambda film: np.pad(film[::4, ::4], 48), 0.95),
        ("contrast", lambda film: (film > np.median(film)).astype(np.float32), 0.95),
        ("mean", lambda film: 0.15 * film, 0.95),
    ]
    for words, spoil, at_least in cases:
        assert fraction_warned(shipped, [spoil(film) for film in films], words) >= at_least, words


def test_gamma_and_mirroring_are_not_unusual(shipped, films):
    for change in (lambda film: film**1.4, lambda film: film**0.7, lambda film: film[:, ::-1]):
        assert fraction_warned(shipped, [change(film) for film in films], "looks") <= 0.05


rows, columns = np.mgrid[:128, :128] / 127
CHECKERBOARD = (np.floor(rows * 8) + np.floor(columns * 8)) % 2
NOISE = np.random.default_rng(0).random((128, 128))
STRIPES = (1 + np.sin(40 * columns)) / 2


def test_images_that_are_not_chest_films_are_refused(shipped):
    message = r"the image: does not look like a chest film: its likeness .* at least 0\.40"
    for image in (NOISE, CHECKERBOARD, STRIPES):
        with pytest.raises(InputError, match=message):
            warnings_of(shipped, [image])
    with pytest.raises(InputError, match="constant image"):
        warnings_of(shipped, [np.full((128, 128), 0.5)])


def test_predict_warns_for_paths_and_for_arrays(tiny_run, sim_cohort, tmp_path):
    path = sim_cohort / tiny_run.scores["path"][0]
    assert tiny_run.predict(path).warnings == ()
    upside_down = np.ascontiguousarray(read_image(path, size=64)[::-1])
    cv2.imwrite(str(tmp_path / "turned.png"), quantize(upside_down))
    for image in (upside_down, tmp_path / "turned.png"):
        prediction = tiny_run.predict(image)
        assert 0 <= prediction.score <= 1
        assert any("looks upside down" in warning for warning in prediction.warnings)
    cv2.imwrite(str(tmp_path / "board.png"), quantize(CHECKERBOARD.astype(np.float32)))
    with pytest.raises(InputError, match=r"board\.png: does not look like a chest film"):
        tiny_run.predict(tmp_path / "board.png")


def test_a_reference_does_not_depend_on_order_or_mirroring(films):
    images = quantize(films)
    one, two = make_reference(images), make_reference(images[::-1, :, ::-1])
    np.testing.assert_allclose(one.template, two.template, atol=2e-4)
    assert one.mean == two.mean


def test_a_reference_of_many_films_is_made_of_some_of_them(films, monkeypatch):
    monkeypatch.setattr(unusual, "MAX_FILMS", 7)
    images = quantize(films)
    assert make_reference(images) == make_reference(images[[0, 9, 19, 29, 39, 49, 59]])
    assert make_reference(images).films == 7


def test_measures_by_hand():
    """A checkerboard of single pixels from 0 to 1: the Laplacian is -4 and 4, the contrast a half."""
    board = ((np.indices((64, 64)).sum(axis=0) % 2) * 65535).astype(np.uint16)
    figures = measure(board)
    assert figures["mean"] == pytest.approx(0.5)
    assert figures["contrast"] == pytest.approx(0.5)
    assert figures["sharpness"] == pytest.approx(np.log(4 / 0.5), abs=1e-4)


def test_the_reference_is_written_and_read(films, tmp_path):
    write_reference(tmp_path, quantize(films))
    assert json.loads((tmp_path / REFERENCE).read_text())["films"] == 60
    assert warnings_of(read_reference(tmp_path), films[:5]) == warnings_of(make_reference(quantize(films)), films[:5])


def test_a_run_without_a_reference_predicts_without_these_warnings(tiny_run, sim_cohort, tmp_path):
    copy = shutil.copytree(tiny_run.folder, tmp_path / "copy")
    (copy / REFERENCE).unlink()
    (copy / MANIFEST).unlink()
    film = read_image(sim_cohort / tiny_run.scores["path"][0], size=64)
    assert open_run(copy).predict(1 - film).warnings == ()


NAN = float("nan")
WRONG_REFERENCES = (
    ({"template": [[1.0]] * 99}, "template must have"),
    ({"template": [[0.5] * TEMPLATE_SIDE] * TEMPLATE_SIDE}, "template is constant"),
    ({"template": [[0.5] * TEMPLATE_SIDE] * (TEMPLATE_SIDE - 1) + [[2] * TEMPLATE_SIDE]}, "template holds 2"),
    ({"template": [[0.5] * TEMPLATE_SIDE] * (TEMPLATE_SIDE - 1) + [["0"] * TEMPLATE_SIDE]}, "template holds '0'"),
    ({"mean": [1, 0]}, "mean is"),
    ({"mean": [0.1, 1.5]}, "mean holds 1.5"),
    ({"contrast": [NAN, NAN]}, "NaN is not a number"),
    ({"sharpness": None}, "sharpness is None"),
    ({"sharpness": [-3, -2, -1]}, "sharpness is"),
    ({"likeness": NAN}, "NaN is not a number"),
    ({"likeness": -2}, "likeness holds -2"),
    ({"likeness": True}, "likeness holds True"),
    ({"films": 0}, "films is 0"),
    ({"films": 1.5}, "films is 1.5"),
    ({"more": 1}, "it must hold films"),
)


def test_a_damaged_reference_is_refused_by_name(tmp_path, films):
    write_reference(tmp_path, quantize(films))
    saved = json.loads((tmp_path / REFERENCE).read_text())
    texts = [(json.dumps(saved | change), message) for change, message in WRONG_REFERENCES]
    for text, message in [*texts, ("[" * 100_000, "nested more than 50 deep"), ("{}", "it must hold films")]:
        (tmp_path / REFERENCE).write_text(text)
        with pytest.raises(InputError, match=rf"reference\.json: is damaged \(.*{message}.*\); copy the whole run"):
            read_reference(tmp_path)
