"""What the detector of the site needs: the network's weights, and simulated films with their scores.

The site's pages run the network that comes with the library in the visitor's browser
(`_static/detector*.js`). The weights, and the numbers of `cxrlib` that the scripts
need, are written here when the site is built. So no number stands in two places.
The data are scripts and not JSON, because a browser lets a page that is opened from a
disk load a script, but not read a file.
"""

import base64
import hashlib
import json
import os
import re
import zlib
from dataclasses import asdict
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import joblib
import numpy as np
from contourpy import contour_generator
from pydicom import uid
from pydicom.tag import Tag

from cxrlib.course.labs.lesson_09 import lab_order, visible_fluid
from cxrlib.images import likeness
from cxrlib.images.dicom import header
from cxrlib.images.pixels import quantize
from cxrlib.images.radiograph import open_radiograph
from cxrlib.phantom.film import Order, fit_volume, take_film
from cxrlib.training import unusual

ROOT = Path(__file__).parents[1]

FRAGMENT = ROOT / "book" / "_templates" / "detector.html"

PATIENTS = {"found": 12, "missed": 21}
"""Patients of lesson 9's lab. The score of the first rises with the volume in both postures (but for steps of 0.01).
Lying down, the network misses 1,000 mL in the second. 24 patients were tried."""

POSTURES = ("upright", "supine")

VOLUMES = (*range(0, 300, 25), *range(300, 500, 50), *range(500, 1001, 100))
"""In mL. The steps are small where fluid begins to be seen."""

START = ("found", "upright", 300)
"""The patient, the posture and the volume that the page shows first."""

SIZE = 512
"""Side of the films that the page shows, in pixels."""

QUALITY = 90
"""Of the films as WebP, from 0 to 100. Chosen by eye. The scores are those of the films as they are shown."""

BORDER_SIZE = 256
"""Side of the films by which the border of the fluid is found, in pixels."""

MIN_ISLAND = 0.0005
"""Parts of the fluid that cover a smaller fraction of the film get no border. Chosen by eye."""

LAYERS = ("stage_1", "stage_2", "stage_3", "stage_4", "last_maps")


def save_detector(folder: Path) -> None:
    """Save films, weights and numbers in a folder, unless the files there were computed by the same code."""
    package = ROOT / "cxrlib"
    sources = [Path(__file__), *sorted(package.rglob("*.py")), *sorted((package / "weights").iterdir())]
    code = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = folder / "made_by.txt"  # the hash of the code that computed the files
    if stamp.is_file() and stamp.read_text() == code:
        return
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from cxrlib.training.run import open_run  # loads TensorFlow

    run = open_run("simulated")
    numbers = network_numbers(run) | {"dicom": dicom_rules(), "reference": reference_numbers(run)}
    films = simulated_films(folder, run)
    write_script(folder / "weights.js", "detectorWeights", packed_weights(run))
    write_script(folder / "films.js", "detectorFilms", {"numbers": numbers, "size": SIZE, "films": films})
    stamp.write_text(code)


def write_script(path: Path, name: str, value: Any) -> None:
    """Write a value as a script that gives it a name."""
    path.write_text(f"globalThis.{name} = {json.dumps(value, separators=(',', ':'))};\n")


def packed_weights(run: Any) -> str:
    """Return the weights in float16, as they are shipped: all upper bytes, then all lower bytes, deflated, in base64.

    The upper bytes hold sign and exponent, and differ little. So the file is 7 % smaller
    than with both bytes of each number side by side.
    """
    halves = [np.float16(array) for array in run.model.get_weights()]
    if any((half != array).any() for half, array in zip(halves, run.model.get_weights(), strict=True)):
        raise ValueError("the weights of the network are not float16, so the site would compute other scores")
    bits = np.concatenate([half.ravel() for half in halves]).view(np.uint16)
    planes = np.concatenate([bits >> 8, bits & 255]).astype(np.uint8)
    return base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode()


def network_numbers(run: Any) -> dict[str, Any]:
    """Return the network's size and width, the weight that its scores are corrected for, and its threshold."""
    recipe = run.recipe
    if (recipe.depth, recipe.skip, recipe.standardize, recipe.mirror, recipe.normalize) != (
        18,
        True,
        True,
        True,
        "minmax",
    ):
        raise ValueError("detector_network.js computes a standardising ResNet-18 with mirror images, and no other one")
    return {"size": recipe.size, "width": recipe.width, "weight": run.weight, "threshold": run.threshold}


def reference_numbers(run: Any) -> dict[str, Any]:
    """Return what the training films look like, and the rules by which a film is compared with them."""
    rules = {
        "side": likeness.SIDE,
        "edge": likeness.EDGE,
        "lead": likeness.LEAD,
        "minLikeness": likeness.MIN_LIKENESS,
        "looks": likeness.WARNINGS,
        "margin": unusual.MARGIN,
        "hints": unusual.HINTS,
    }
    return asdict(run.reference) | rules


def dicom_rules() -> dict[str, Any]:
    """Return the words and numbers by which `cxrlib.images.dicom.header` knows a chest film."""
    return {
        "chestModalities": header.CHEST_MODALITIES,
        "possibleModalities": header.POSSIBLE_MODALITIES,
        "otherModalities": header.OTHER_MODALITIES,
        "chestClasses": header.CHEST_CLASSES,
        "imageClasses": header.IMAGE_CLASSES,
        "sliceTags": [int(Tag(name)) for name in header.SLICE_ELEMENTS],
        "otherParts": header.OTHER_PARTS,
        "chestPart": header._CHEST_PART.pattern,
        "syntaxes": {str(syntax): syntax.name for syntax in uid.AllTransferSyntaxes},
    }


def simulated_films(folder: Path, run: Any) -> list[dict[str, Any]]:
    """Save the films of the slider as WebP. Return of each what it shows, its score and its small heat maps."""
    orders = [(name, posture, ml) for name, posture in product(PATIENTS, POSTURES) for ml in volumes(name, posture)]
    films = joblib.Parallel(n_jobs=-1)(joblib.delayed(save_film)(folder, *order) for order in orders)
    pixels = np.stack([film.pop("pixels") for film in films])
    scores = run.score_images(pixels)
    heats = {layer: small_heat_maps(run.model, pixels, layer) for layer in LAYERS}
    for index, film in enumerate(films):
        film["score"] = round(float(scores[index]), 5)
        film["heat"] = {layer: base64.b64encode(maps[index].tobytes()).decode() for layer, maps in heats.items()}
    return films


def volumes(name: str, posture: str) -> tuple[int, ...]:
    """Return those of `VOLUMES` that a patient's chest can hold."""
    held = fit_volume(lab_order(PATIENTS[name], posture, VOLUMES[-1]))
    return tuple(ml for ml in VOLUMES if ml <= held)


def save_film(folder: Path, name: str, posture: str, ml: int) -> dict[str, Any]:
    """Save a film as WebP. Return what it shows, and its pixels as the network gets them from this file."""
    order = lab_order(PATIENTS[name], posture, ml)
    film = take_film(order, size=SIZE)
    path = folder / f"{name}-{posture}-{ml}.webp"
    cv2.imwrite(str(path), np.rint(film.image * 255).astype(np.uint8), [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    shown = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    pixels = quantize(open_radiograph(shown, size=128).image)
    return {"patient": name, "posture": posture, "ml": ml, "outline": visible_border(order), "pixels": pixels}


def visible_border(order: Order) -> str:
    """Return a smooth border of the fluid that lies over lung, as an SVG path in pixels of the film that is shown."""
    _, visible = visible_fluid(order, size=BORDER_SIZE)
    smooth = cv2.GaussianBlur(visible.astype(np.float32), (0, 0), BORDER_SIZE / 128)
    lines = contour_generator(z=np.pad(smooth, 1)).lines(0.5)
    # islands of less than 1 cm or so are left out: they are parts where the fluid is thin
    lines = [line for line in lines if cv2.contourArea(line.astype(np.float32)) > MIN_ISLAND * BORDER_SIZE**2]
    paths = []
    for line in lines:  # contours count from the centre of the first pixel, which is padding here
        points = (
            (cv2.approxPolyDP(line.astype(np.float32), 0.15, closed=True).reshape(-1, 2) - 0.5) * SIZE / BORDER_SIZE
        )
        paths.append("M" + " ".join(f"{x:.1f},{y:.1f}" for x, y in points) + "Z")
    return "".join(paths)


def small_heat_maps(model: Any, images: np.ndarray, layer: str) -> np.ndarray:
    """Return Grad-CAM before it is enlarged: (N, n, n), uint8, where 255 is each film's hottest place."""
    from cxrlib.evaluation.heat_maps import grad_cam

    size = model.get_layer(layer).output.shape[1]
    heats = grad_cam(model, images, layer=layer)
    # the enlargement is linear and loses nothing, so its inverse gives the small maps
    enlarge = cv2.resize(np.eye(size), (size, images.shape[1]), interpolation=cv2.INTER_LINEAR)
    shrink = np.linalg.pinv(enlarge)
    small = np.maximum(shrink @ heats @ shrink.T, 0)
    largest = small.max(axis=(1, 2), keepdims=True)
    return np.rint(255 * np.divide(small, largest, out=np.zeros_like(small), where=largest > 0)).astype(np.uint8)


@cache
def measured() -> dict[str, str]:
    """Return what the network reached on real films, as benchmarks/README.md says it."""
    text = (ROOT / "benchmarks" / "README.md").read_text()
    interval = r"[\d.]+ \([\d.]+ to [\d.]+\)"
    auc = re.search(rf"^\| \*\*comes with the library\*\*.*\| ({interval}) \|$", text, re.MULTILINE)
    films = re.search(r"\| all \((\d+)\) \|", text)
    rates = re.search(
        rf"On the (\d+) real ones, it has a sensitivity of ({interval}) and a specificity of ({interval})", text
    )
    if auc is None or films is None or rates is None or films[1] != rates[1]:
        raise LookupError("benchmarks/README.md no longer says how well the library's network does on real films")
    return {"films": films[1], "auc": auc[1], "sensitivity": rates[2], "specificity": rates[3]}


def fragment(*, layers: bool = False) -> str:
    """Return the detector as HTML for a page one folder below the top of the site.

    Parameters
    ----------
    layers : bool
        Let the reader choose the layer of the heat map, as in lesson 9.
    """
    html = FRAGMENT.read_text()
    name, posture, ml = START
    opacity = "0.5" if layers else "0"  # on the first page, heat would hide the fluid
    values = {"start": f"{name}-{posture}-{ml}", "ml": str(ml), "opacity": opacity}
    for key, value in (measured() | values).items():
        html = html.replace(f"[[{key}]]", value)
    return html.replace("data-layers hidden", "data-layers") if layers else html
