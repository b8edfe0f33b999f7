"""An exported run scores real films as Keras does."""

import os
import re
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from cxrlib.images.pixels import as_float
from cxrlib.training.export import export_onnx
from cxrlib.training.run import open_run

SOURCE = os.environ.get("CXR_REAL_DATA")
pytestmark = pytest.mark.skipif(not SOURCE, reason="CXR_REAL_DATA names no folder in NIH's layout")
PAGE = Path(__file__).parents[2] / "book" / "own_films.md"


def test_every_real_film_has_the_score_of_keras(tmp_path, monkeypatch):
    """Within 1e-5; so do the lines on the page, from the films themselves."""
    run = open_run("simulated")
    out = export_onnx(run, tmp_path / "effusion.onnx")
    session = onnxruntime.InferenceSession(out)
    files = sorted(Path(SOURCE).rglob("*.png"))
    images = run.load_images(files)
    expected = run.score_images(images)
    found = [session.run(None, {"image": as_float(image)[None, ..., None]})[0][0] for image in images]
    assert np.ptp(expected) > 0.9
    np.testing.assert_allclose(found, expected, atol=1e-5)

    (lines,) = (text for text in re.findall(r"^```python\n(.+?)^```$", PAGE.read_text(), re.M | re.S) if "onnx" in text)
    program, read = compile(lines, str(PAGE), "exec"), cv2.imread
    monkeypatch.chdir(tmp_path)
    for file, score in list(zip(files, expected, strict=True))[::20]:
        monkeypatch.setattr(cv2, "imread", lambda name, flags, file=file: read(str(file), flags))
        names: dict = {}
        exec(program, names)
        assert names["score"] == pytest.approx(score, abs=1e-5), file.name
