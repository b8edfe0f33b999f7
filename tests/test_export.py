"""A run as an ONNX file: another program gives the scores of Keras, and nothing else is written."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from in_process import cxr

from cxrlib.errors import InputError
from cxrlib.images.pixels import as_float
from cxrlib.model.loss import score
from cxrlib.model.network import predict_logits
from cxrlib.model.onnx_graph import OPSET, to_onnx
from cxrlib.model.resnet import build_resnet
from cxrlib.phantom.simulation import simulate
from cxrlib.training.export import NO_ONNX, export_onnx
from cxrlib.training.run import open_run
from cxrlib.training.threshold import choose_threshold

PAGE = Path(__file__).parents[1] / "book" / "own_films.md"
LINES = next(text for text in re.findall(r"^```python\n(.+?)^```$", PAGE.read_text(), re.M | re.S) if "onnx" in text)


def run_onnx(model: bytes, images: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(model).run(None, {"image": images})[0]


def facts_of(path: Path) -> dict[str, str]:
    return onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export_onnx(open_run("simulated"), tmp_path_factory.mktemp("exported") / "effusion.onnx")


def test_each_kind_of_network_gives_the_scores_of_keras():
    """Odd sizes need padding on one side only. Random weights tell the four of batch normalisation apart."""
    rng = np.random.default_rng(0)
    for depth, size, skip, standardize, mirror, weight in (
        (18, 64, True, True, True, 9.5),
        (34, 51, True, False, False, 1.0),
        (50, 77, True, True, False, 0.2),
        (18, 33, False, True, True, 1.0),
    ):
        model = build_resnet(depth=depth, width=4, size=size, skip=skip, standardize=standardize)
        images = rng.integers(0, 65536, (6, size, size), np.uint16)
        for layer in model.layers:
            if type(layer).__name__ == "BatchNormalization":
                layer.gamma.assign(rng.uniform(0.5, 1.5, layer.gamma.shape))
                layer.beta.assign(rng.uniform(-0.5, 0.5, layer.beta.shape))
                layer.momentum = 0  # the averages become those of these images
        model(as_float(images)[..., None], training=True)
        expected = score(predict_logits(model, images, mirror=mirror), weight)
        assert np.ptp(expected) > 1e-3
        made = to_onnx(model, mirror=mirror, weight=weight)
        onnx.checker.check_model(made, full_check=True)
        found = run_onnx(made.SerializeToString(), as_float(images)[..., None])
        assert (found.shape, found.dtype) == ((6,), np.float32)
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=f"ResNet-{depth}, {size} px")


def test_a_layer_that_it_does_not_know_is_refused():
    model = build_resnet(width=4, size=32)
    model.layers[-1].__class__ = type("Foreign", (type(model.layers[-1]),), {})
    with pytest.raises(ValueError, match="has a layer Foreign"):
        to_onnx(model)


def test_the_file_says_what_its_scores_need_and_mean(exported):
    run, facts = open_run("simulated"), facts_of(exported)
    assert (int(facts["size"]), float(facts["threshold"])) == (run.recipe.size, run.threshold)
    assert (facts["finding"], json.loads(facts["names"])) == ("effusion", ["nofinding", "effusion"])
    assert (facts["operating_point"], facts["rule"]) == ("training", run.operating_point.rule)
    assert (facts["normalize"], facts["license"]) == ("minmax", "Apache-2.0")
    assert "no medical device" in facts["use"]
    assert "simulated films alone" in facts["use"]
    made = onnx.load(exported)
    assert "no medical device" in made.doc_string
    assert [(each.domain, each.version) for each in made.opset_import] == [("", OPSET)]
    size = run.recipe.size
    wrong_size = np.zeros((1, size + 1, size + 1, 1), np.float32)
    with pytest.raises(Exception, match=f"Got: {size + 1} Expected: {size}"):  # an error of onnxruntime's own
        run_onnx(exported.read_bytes(), wrong_size)


def test_the_lines_on_the_page_score_as_predict_does_without_this_library(exported, film, tmp_path):
    assert "cxrlib" not in LINES
    (tmp_path / exported.name).write_bytes(exported.read_bytes())
    folder = simulate(tmp_path / "films", films=2, prevalence=0.5, size=300, seed=5)
    (chest,) = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (folder / "effusion").iterdir())
    run = open_run("simulated")
    for pixels in (
        chest[:, 20:251],  # upright, 16 bits
        (chest[31:240] // 257).astype(np.uint8),  # across, 8 bits
        cv2.cvtColor((chest // 257).astype(np.uint8), cv2.COLOR_GRAY2BGR),  # gray, in three channels
        film,  # smaller than the images of the network
    ):
        cv2.imwrite(str(tmp_path / "film.png"), pixels)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", LINES], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        printed = re.fullmatch(r"effusion: score (\d\.\d{6}), at or above the threshold: (True|False)\n", done.stdout)
        expected = run.predict(tmp_path / "film.png", accept=["unlike"])
        assert float(printed[1]) == pytest.approx(expected.score, abs=1e-5)
        assert printed[2] == str(expected.finding)


def test_the_command_exports_the_newest_operating_point_or_the_one_that_is_named(tiny_run, sim_cohort, tmp_path):
    copy = choose_threshold(tiny_run, films=sim_cohort, capacity=0.2, name="night", out=tmp_path / "copy").folder
    out = tmp_path / "new" / "run.onnx"
    done = cxr("export", copy, out)
    run = open_run(copy)
    figures = f"{out.stat().st_size / 1e6:.1f} MB; threshold {run.threshold:.4f}, operating point night"
    assert done.stdout == f"{out}: {figures}\n"
    assert "no medical device" in done.stderr
    newest = facts_of(out)
    assert (newest["operating_point"], float(newest["threshold"])) == ("night", run.threshold)
    assert "does not record the terms" in newest["license"]
    assert "simulated" not in newest["use"]
    cxr("export", copy, out, "--operating-point", "training")
    assert float(facts_of(out)["threshold"]) == tiny_run.threshold != run.threshold
    assert os.listdir(out.parent) == ["run.onnx"]


def test_the_same_run_gives_the_same_bytes(tiny_run, tmp_path):
    files = [export_onnx(open_run(tiny_run.folder), tmp_path / name) for name in ("a.onnx", "b.ONNX")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_percentiles_are_in_the_preprocessing(tiny_run, tmp_path):
    run = replace(tiny_run, recipe=replace(tiny_run.recipe, normalize="percentile"))
    facts = facts_of(export_onnx(run, tmp_path / "run.onnx"))
    assert facts["normalize"] == "percentile"
    assert "the 0.5 and 99.5 percentiles" in facts["preprocessing"]


def test_what_stands_there_and_was_not_exported_is_kept(tiny_run, sim_cohort, tmp_path, monkeypatch):
    other, folder = tmp_path / "other.onnx", tmp_path / "folder.onnx"
    other.write_bytes(b"\x08\x08\x12\x06tf2onx")
    folder.mkdir()
    for out, message in (
        (other, r"other.onnx: exists, and is not a file that `cxr export` wrote"),
        (folder, r"folder.onnx: exists, and is not a file"),
        (tmp_path / "run.keras", r"run.keras: .* must end in \.onnx"),
        (sim_cohort / "effusion" / "run.onnx", "lies inside the cohort"),
    ):
        with pytest.raises(InputError, match=message):
            export_onnx(tiny_run, out)
    assert other.read_bytes() == b"\x08\x08\x12\x06tf2onx"
    assert sorted(os.listdir(tmp_path)) == ["folder.onnx", "other.onnx"]
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "cxrlib.model.onnx_graph")
    done = cxr("export", tiny_run.folder, tmp_path / "run.onnx", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == f"cxr: {NO_ONNX}"
    assert not (tmp_path / "run.onnx").exists()


def test_the_message_names_the_version_that_the_project_names():
    named = re.search(r'"(onnx~=[\d.]+)"', (PAGE.parents[1] / "pyproject.toml").read_text())[1]
    assert f'pip install "{named}"' in NO_ONNX
    assert f'pip install "{named}"' in PAGE.read_text()
