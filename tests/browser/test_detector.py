"""The detector of the site: opened from a disk with the network cut, it scores films as `predict` does."""

import io
import os
import re
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from cxrlib.errors import InputError
from cxrlib.evaluation.heat_maps import grad_cam
from cxrlib.images.pixels import quantize
from cxrlib.images.radiograph import read_image, write_prepared
from cxrlib.phantom.dicom import write_dicom
from cxrlib.phantom.film import Order, take_film
from cxrlib.training.run import Run, open_run

FIRST, LESSON_9 = "book/index.html", "notebooks/09_see_what_it_sees.html"
REAL, ODD = os.environ.get("CXR_REAL_DATA"), os.environ.get("CXR_ODD_DATA")
READY = "#detector[data-state=ready]"
LAYERS = ("stage_1", "stage_2", "stage_3", "stage_4", "last_maps")
TOLERANCE = 1e-3
NUMBER = r"(\d+\.\d+)"
ROW = {"path": "a.dcm", "patient_id": "1", "sex": "F", "age": 40, "view": "PA", "site": 0, "posture": "upright"}
SUFFIX_KINDS = ("prepared.png", "8-bit.png", "16-bit.png", "wide.png", "film.jpg", "film.dcm", "inverse.dcm")
HEAT_ALPHA = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return Array.from(data.filter((_, place) => place % 4 === 3));
}"""
FONT_SIZES = """panel => [...panel.querySelectorAll("*")].map(e => parseFloat(getComputedStyle(e).fontSize))"""
IN_PARENT = """panel => {
    const right = element => element.getBoundingClientRect().right;
    return right(panel) <= right(panel.parentElement) + 1;
}"""
PAINT_AND_WEIGHTS = """() => {
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    const [weights] = performance.getEntriesByName("detector-weights"); // set just before they are asked for
    return [paint.startTime, weights.startTime];
}"""


@pytest.fixture(scope="module")
def run() -> Run:
    return open_run("simulated")


@pytest.fixture
def detector(site, open_page):
    """The first page, with the network loaded."""
    page = open_page(site / FIRST)
    page.wait_for_selector(READY)
    return page


def read_file(page, file) -> dict:
    """Give the page a file, and return what it says: the data of `#detector`, the refusal and the warnings."""
    page.set_input_files("#detector-file", file)
    page.wait_for_selector(READY)
    said = page.locator("#detector").evaluate("detector => ({...detector.dataset})")
    warnings = page.locator("#detector-warnings li").all_inner_texts()
    return said | {"message": page.inner_text("#detector-message"), "warnings": warnings}


def are_equal(shown: list[str], warnings) -> bool:
    """Return whether the page shows these warnings; their numbers may be rounded to the next digit."""
    words = lambda texts: [re.split(NUMBER, text.removeprefix("Warning: ").strip("."))[::2] for text in texts]
    numbers = lambda texts: [float(number) for text in texts for number in re.findall(NUMBER, text)]
    return words(shown) == words(warnings) and numbers(shown) == pytest.approx(numbers(warnings), abs=0.011)


def differences(page, run: Run, paths) -> list:
    """Return where the page and `predict` say different things of films that both read."""
    found = []
    for path in paths:
        said, expected = read_file(page, path), run.predict(path)
        same = not said["message"] and abs(float(said["score"]) - expected.score) < TOLERANCE
        same &= said.get("finding") == str(expected.finding).lower()
        same &= are_equal(said["warnings"], expected.warnings)
        if not same:
            found.append((path.name, said, expected))
    return found


def save_film(folder: Path, index: int) -> Path:
    """Save a simulated film: each in another size and shape, and in the next kind of file."""
    amount, size, kind = 150.0 * (index % 6), 130 + 17 * index % 250, SUFFIX_KINDS[index % len(SUFFIX_KINDS)]
    posture, side = ("upright", "supine")[index // 2 % 2], ("right", "left")[index // 3 % 2]
    film = take_film(Order(patient=index, seed=77, amount=amount, posture=posture, side=side), size=size)
    path, gray = folder / f"{index}-{kind}", np.rint(film.image * 255).astype(np.uint8)
    if kind == "prepared.png":
        write_prepared(path, film.image)
    elif kind.endswith("dcm"):
        write_dicom(path, film, ROW)
        if kind == "inverse.dcm":
            invert(path)
    else:
        pixels = quantize(film.image) if kind == "16-bit.png" else gray[: -size // 5] if kind == "wide.png" else gray
        cv2.imwrite(str(path), pixels)
    return path


def invert(path: Path) -> None:
    """Store the same film with black and white exchanged, and with a rescale slope, an intercept and a window."""
    dataset = pydicom.dcmread(path)
    dataset.PixelData = (4095 - dataset.pixel_array).astype("<u2").tobytes()
    exchanged = {"MONOCHROME1": "MONOCHROME2", "MONOCHROME2": "MONOCHROME1"}
    dataset.PhotometricInterpretation = exchanged[dataset.PhotometricInterpretation]
    dataset.RescaleSlope, dataset.RescaleIntercept = "2", "-100"
    dataset.WindowCenter, dataset.WindowWidth = "4000", "6000"
    dataset.save_as(path)


def test_simulated_films_get_the_scores_of_predict(detector, run, short, tmp_path):
    paths = [save_film(tmp_path, index) for index in range(10 if short else 100)]
    assert not differences(detector, run, paths)


@pytest.mark.skipif(not REAL, reason="CXR_REAL_DATA names no folder of real films")
def test_real_films_get_the_scores_of_predict(detector, run, short):
    paths = sorted((Path(REAL) / "images").glob("*.png"))
    assert not differences(detector, run, paths[:: len(paths) // (10 if short else 50)][: 10 if short else 50])


@pytest.mark.skipif(not ODD, reason="CXR_ODD_DATA names no folder of odd files")
def test_odd_files_are_refused_where_predict_refuses_them(detector, run):
    paths = [path for path in sorted(Path(ODD).rglob("*.*")) if path.suffix != ".md"]
    readable = []
    for path in paths:
        with suppress(InputError):
            run.predict(path)
            readable.append(path)
    assert 0 < len(readable) < len(paths)
    assert not differences(detector, run, readable)
    for path in set(paths) - set(readable):
        said = read_file(detector, path)
        assert said["message"].startswith(f"{path.name}: "), path.name
        assert "score" not in said


def made_files() -> dict[str, tuple[bytes, str]]:
    """Return files that the page refuses, by their names, each with words of the reason."""
    gray = np.rint(take_film(Order(patient=5), size=256).image * 255).astype(np.uint8)
    encode = lambda suffix, pixels: cv2.imencode(suffix, pixels)[1].tobytes()
    png, noise = encode(".png", gray), np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    color = np.stack([gray, gray // 2, gray // 3], axis=-1)
    return {
        "film.tif": (encode(".tif", gray), "the format TIFF"),
        "film.jp2": (encode(".jp2", gray), "the format JPEG 2000"),
        "empty.png": (b"", "empty"),
        "letter.png": (b"Dear doctor,", "not a readable PNG, JPEG or DICOM file"),
        "login.dcm": (b"<!doctype html><html>", "a web page"),
        "cut.png": (png[:-2000], "damaged or cut off"),
        "changed.png": (png[:5000] + bytes([png[5000] ^ 255]) + png[5001:], "damaged"),
        "cut.jpg": (encode(".jpg", gray)[:600], "damaged"),
        "colour.png": (encode(".png", color), "in colour"),
        "constant.png": (encode(".png", np.full((200, 200), 7, np.uint8)), "constant image"),
        "noise.png": (encode(".png", noise), "does not look like a chest film"),
    }


def test_what_is_no_film_is_refused_by_a_sentence(detector, run):
    for name, (data, reason) in made_files().items():
        with pytest.raises(InputError):
            run.predict(data)
        said = read_file(detector, {"name": name, "mimeType": "", "buffer": data})
        assert said["message"].startswith(f"{name}: "), name
        assert reason in said["message"], (name, said["message"])
        assert "score" not in said


def test_compressed_dicom_is_refused_by_its_name_where_predict_reads_it(detector, run, tmp_path):
    path = tmp_path / "film.dcm"
    write_dicom(path, take_film(Order(patient=5), size=256), ROW)
    dataset, buffer = pydicom.dcmread(path), io.BytesIO()
    dataset.compress(pydicom.uid.RLELossless)
    dataset.save_as(buffer)
    assert 0 <= run.predict(buffer.getvalue()).score <= 1
    said = read_file(detector, {"name": "rle.dcm", "mimeType": "", "buffer": buffer.getvalue()})
    assert "RLE Lossless" in said["message"]
    assert "cxr predict" in said["message"]


def test_a_ct_is_refused(detector, run, tmp_path):
    path = tmp_path / "slice.dcm"
    write_dicom(path, take_film(Order(patient=5), size=256), ROW)
    dataset = pydicom.dcmread(path)
    dataset.Modality = "CT"
    dataset.save_as(path)
    with pytest.raises(InputError, match=r"not a chest film \(Modality CT\)"):
        run.predict(path)
    assert "not a chest film (Modality CT)" in read_file(detector, path)["message"]


def shown_heat(page) -> np.ndarray:
    """Return the heat map on the page, (128, 128), from 0 to 1: its opacity is the heat to the power of 0.8."""
    alpha = np.array(page.locator("#detector-heat").evaluate(HEAT_ALPHA), float)
    return (alpha.reshape(128, 128) / 255) ** (1 / 0.8)


@pytest.mark.parametrize("own", [True, False])
def test_heat_maps_are_those_of_grad_cam(site, open_page, run, tmp_path, own):
    page = open_page(site / LESSON_9)
    page.wait_for_selector(READY)
    if own:
        path = save_film(tmp_path, 4)
        assert not read_file(page, path)["message"]
        image = read_image(path, size=run.recipe.size)
    else:
        source = page.locator("#detector-simulated").get_attribute("src")
        image = read_image(cv2.imread(str(site / "notebooks" / source), cv2.IMREAD_GRAYSCALE), size=run.recipe.size)
    for layer in LAYERS:
        page.select_option("#detector-layer", layer)
        page.wait_for_timeout(500)  # the worker computes it
        expected = grad_cam(run.model, quantize(image)[None], layer=layer)[0]
        assert expected.max() == 1
        assert np.abs(shown_heat(page) - expected).max() < 0.02, layer


def move_to_first(page) -> None:
    """Move the slider of the volume to its first film."""
    page.locator("#detector-volume").press("Home")


@pytest.mark.parametrize(("patient", "rises"), [("found", True), ("missed", False)])
def test_the_slider_shows_what_the_network_says_of_its_films(site, detector, run, patient, rises):
    detector.select_option("#detector-patient", patient)
    called_from = {}
    for posture in ("upright", "supine"):
        detector.check(f"input[value={posture}]")
        move_to_first(detector)
        scores, last = [], None
        while (shown := detector.locator("#detector-simulated").get_attribute("src")) != last:
            image = cv2.imread(str(site / "book" / shown), cv2.IMREAD_GRAYSCALE)
            scores.append(float(detector.get_attribute("#detector", "data-score")))
            assert scores[-1] == pytest.approx(run.predict(image).score, abs=TOLERANCE)
            volume = int(shown.split("-")[-1].removesuffix(".webp"))
            assert detector.get_attribute("#detector-volume", "aria-valuetext") == f"{volume:,} mL"
            if scores[-1] >= run.threshold:
                called_from.setdefault(posture, volume)
            last = shown
            detector.locator("#detector-volume").press("ArrowRight")
        assert len(scores) > 15
        assert not rises or np.diff(scores).min() > -0.02
    answer = detector.locator("#detector-reach p").text_content()
    assert f"{called_from['upright']} mL or more when the patient stands" in answer
    if rises:
        assert 0 < called_from["upright"] < called_from["supine"]
        assert f"{called_from['supine']} mL or more when the patient lies" in answer
    else:
        assert "supine" not in called_from  # the network misses all of them, and the page says that it fails
        assert f"not even {volume:,} mL when the patient lies" in answer


def test_the_border_of_the_fluid_lies_where_the_fluid_is(detector):
    border = detector.locator("#detector-border")
    assert border.get_attribute("d") == ""  # guess first
    detector.get_by_label("show the true border").check()
    box = border.evaluate("path => { const b = path.getBBox(); return [b.x, b.y, b.x + b.width, b.y + b.height]; }")
    film = take_film(Order(patient=12, seed=3000, amount=300.0), size=512)
    rows, columns = np.nonzero(film.mask)
    assert columns.min() - 4 <= box[0] < box[2] <= columns.max() + 4
    assert rows.min() - 4 <= box[1] < box[3] <= rows.max() + 4
    move_to_first(detector)
    assert border.get_attribute("d") == ""


def test_the_first_paint_comes_before_the_weights(detector):
    paint, weights = detector.evaluate(PAINT_AND_WEIGHTS)
    assert 0 < paint <= weights


def test_it_is_moved_by_the_keyboard_alone(detector, tmp_path):
    detector.locator("#detector-volume").focus()
    data = lambda: detector.locator("#detector").evaluate("detector => ({...detector.dataset})")
    seen = [data()]
    moves = {
        "volume": "End",
        "posture": "ArrowRight",
        "patient": "ArrowDown",
        "border": "Space",
        "threshold": "End",
        "SUMMARY": "Enter",
        "opacity": "End",
        "file": None,
    }
    for name, key in moves.items():
        assert detector.evaluate("document.activeElement.name ?? document.activeElement.tagName") == name
        if key:
            detector.keyboard.press(key)
            seen.append(data())
            detector.keyboard.press("Tab")
    assert [before["score"] == after["score"] for before, after in pairwise(seen)] == [
        False, False, False, True, True, True, True,
    ]  # fmt: skip
    assert detector.locator("#detector-heat").evaluate("canvas => canvas.style.opacity") == "1"
    assert float(seen[-1]["threshold"]) == 1
    assert seen[-1]["finding"] == "false"
    # The key must click the input, which opens the browser's own window. That window is not opened here: some runs of
    # a browser without a screen do not.
    detector.evaluate(
        "document.activeElement.addEventListener('click', event => {"
        " event.preventDefault(); window.clicks = (window.clicks ?? 0) + 1; }, {once: true})"
    )
    detector.keyboard.press("Space")
    assert detector.evaluate("window.clicks") == 1
    detector.locator("#detector-file").set_input_files(save_film(tmp_path, 0))
    detector.wait_for_selector(READY)
    own = data()
    detector.keyboard.press("Tab")
    assert detector.evaluate("document.activeElement.id") == "detector-back"
    detector.keyboard.press("Enter")
    assert data()["score"] == seen[-1]["score"] != own["score"]
    assert detector.evaluate("document.activeElement.name") == "volume"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [FIRST, LESSON_9])
def test_it_shuts_nobody_out_and_fits(site, open_page, shuts_out, pictures, name, scheme):
    page = open_page(site / name, width=390, scheme=scheme)
    page.wait_for_selector(READY)
    panel = page.locator("#detector")
    assert not [found for found in shuts_out(page) if "detector" in found[2]]
    for width in range(320, 1441, 80):
        page.set_viewport_size({"width": width, "height": 900})
        assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth"), width
        assert panel.evaluate(IN_PARENT), width
        if width in (480, 1440):
            panel.screenshot(path=pictures / f"detector-{Path(name).stem}-{scheme}-{width}.png")
    sizes = panel.evaluate(
        "panel => [...panel.querySelectorAll('*')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 11
    assert panel.get_by_label("layer").is_visible() == (name == LESSON_9)
