"""The user's Keras settings, KERAS_BACKEND, closed streams and Python's options change no result."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from cxrlib.evaluation.heat_maps import grad_cam
from cxrlib.images.radiograph import read_image
from cxrlib.model.backend import keras, own_settings
from cxrlib.training.run import open_run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")

CXR = [sys.executable, "-m", "cxrlib.cli"]


def python(code, *words, **environment):
    """Run code in a new Python, and return what it printed as JSON."""
    words = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# Keras' settings

WITH_OTHER_SETTINGS = """
import json, sys
import numpy as np
from tiny import TINY
from cxrlib.evaluation.heat_maps import grad_cam
from cxrlib.images.radiograph import read_image
from cxrlib.model.backend import keras
from cxrlib.model.session import start_session
from cxrlib.training.fitting import train
from cxrlib.training.run import open_run

cohort, film, out = sys.argv[1:]
keras.config.set_dtype_policy("mixed_bfloat16")
names = ("floatx", "epsilon", "image_data_format", "max_epochs", "max_steps_per_epoch")
settings = lambda: [getattr(keras.config, name)() for name in names] + [keras.config.dtype_policy().name]
before = settings()
shipped = open_run("simulated")
image = read_image(film, size=128)
score = shipped.predict(image).score
heat = grad_cam(shipped.model, image[None])
start_session(0)
run = train(cohort, out + "/run", TINY)
np.savez(out + "/arrays.npz", *run.model.get_weights(), heat=heat)
environment = json.loads((run.folder / "environment.json").read_text())["keras_settings"]
print(json.dumps([before, settings(), score, run.threshold, keras.config.backend(), environment]))
"""

OTHER = {"floatx": "float16", "epsilon": 0.5, "image_data_format": "channels_first", "backend": "torch"}


def test_the_settings_of_the_users_keras_change_nothing_and_stay(tiny_run, sim_cohort, tmp_path):
    film = next(iter(sorted((sim_cohort / "effusion").iterdir())))
    (tmp_path / "keras.json").write_text(json.dumps(OTHER))
    variables = dict(KERAS_HOME=str(tmp_path), KERAS_MAX_EPOCHS="1", PYTHONPATH=os.pathsep.join(sys.path))
    before, after, score, threshold, backend, environment = python(
        WITH_OTHER_SETTINGS, sim_cohort, film, tmp_path, **variables
    )
    assert before == after == ["float16", 0.5, "channels_first", 1, None, "mixed_bfloat16"]
    assert backend == "tensorflow"
    assert environment["floatx"] == "float32"
    assert environment["image_data_format"] == "channels_last"
    image, shipped = read_image(film, size=128), open_run("simulated")
    assert score == shipped.predict(image).score
    assert threshold == tiny_run.threshold
    with np.load(tmp_path / "arrays.npz") as saved:
        np.testing.assert_array_equal(saved["heat"], grad_cam(shipped.model, image[None]))
        for i, weights in enumerate(tiny_run.model.get_weights()):
            assert saved[f"arr_{i}"].dtype == weights.dtype
            np.testing.assert_array_equal(saved[f"arr_{i}"], weights)


def test_the_users_settings_come_back_after_an_error_and_after_the_outermost_block():
    def fail():
        raise RuntimeError

    keras.config.set_epsilon(0.25)
    try:
        with own_settings():
            with pytest.raises(RuntimeError), own_settings():
                fail()
            assert keras.config.epsilon() == 1e-7
        assert keras.config.epsilon() == 0.25
    finally:
        keras.config.set_epsilon(1e-7)


# the backend

UNKNOWN_BACKENDS = """
import json, os, sys
from pathlib import Path
from cxrlib.errors import InputError
from cxrlib.model.session import start_session

def message(**environment):
    for name in ("KERAS_BACKEND", "KERAS_HOME"):
        os.environ.pop(name, None)
    os.environ.update(environment)
    try:
        import cxrlib.training.fitting
    except InputError as error:
        first = str(error)
    try:
        start_session()
    except InputError as error:
        assert str(error) == first
        assert not [name for name in sys.modules if name.split(".")[0] in ("keras", "tensorflow", "torch")]
        return first

said = [message(KERAS_BACKEND=name) for name in ("torch", "numpy", "foo", "JAX", "openvino")]
home = Path(sys.argv[1])
for text in ('{"floatx": "bfloat16"}', '{"epsilon": 1}', "[]", '{"image_data_format": "CHW"}'):
    (home / "keras.json").write_text(text)
    said.append(message(KERAS_HOME=str(home)))
os.environ["KERAS_BACKEND"] = ""  # the same as if it were not set
os.environ["KERAS_HOME"] = str(home / "new")
start_session()
from cxrlib.model.backend import keras
from cxrlib.training.fitting import train
print(json.dumps([said, keras.config.backend(), os.environ["KERAS_BACKEND"]]))
"""


def test_an_unknown_backend_or_a_broken_keras_json_is_one_sentence_and_a_second_try_succeeds(tmp_path):
    said, backend, variable = python(UNKNOWN_BACKENDS, tmp_path)
    for name, sentence in zip(("torch", "numpy", "foo", "JAX", "openvino"), said[:5], strict=True):
        assert sentence == f"KERAS_BACKEND is {name!r}; it must be tensorflow or jax, or not be set"
    for sentence in said[5:]:
        assert sentence.startswith("Keras cannot be loaded (")
        assert sentence.endswith("check keras.json in ~/.keras, or in the folder KERAS_HOME")
    assert (backend, variable) == ("tensorflow", "")


def test_cxr_refuses_an_unknown_backend_before_it_writes(sim_cohort, tmp_path):
    words = [*CXR, "train", sim_cohort, tmp_path / "run", "--quiet"]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | {"KERAS_BACKEND": "torch"})
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "cxr: KERAS_BACKEND is 'torch'; it must be tensorflow or jax, or not be set\n"
    assert not (tmp_path / "run").exists()


# streams and Python's options

WARNING = "warning: the standard output is closed, so results are not shown\n"


def in_shell(command):
    """Run a shell command in which `cxr` stands for this library's; return the exit code, stdout and stderr."""
    script = f'cxr() {{ "{sys.executable}" -m cxrlib.cli "$@"; }}; {command}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_closed_streams(tmp_path):
    out, missing = tmp_path / "out", tmp_path / "missing"
    simulate = f"cxr simulate {out} --films 4 --prevalence 0.5 --size 32 --quiet"  # a command that starts fast
    line, error = f"{out}: 2 effusion, 2 nofinding\n", f"cxr: {missing}: "
    for redirection in ("2>&-", "<&-", "2>&- <&-"):
        assert in_shell(f"{simulate} {redirection}") == (0, line, "")
    assert in_shell(f"{simulate} >&-") == (0, "", WARNING)
    assert in_shell(f"{simulate} >&- 2>&- <&-") == (0, "", "")
    code, stdout, stderr = in_shell(f"cxr prepare {missing} {out} 2>&-")
    assert (code, stderr) == (2, "")
    assert stdout.startswith(error)
    code, stdout, stderr = in_shell(f"cxr prepare {missing} {out} >&-")
    assert (code, stdout) == (2, "")
    assert stderr.startswith(WARNING + error)
    code, stdout, stderr = in_shell("cxr prepare 2>&-")
    assert (code, stderr) == (2, "")
    assert "SOURCE is missing" in stdout


def test_compiled_code_is_held_back_where_stderr_is_closed():
    code = "import os; os.close(2); from cxrlib.model.backend import captured_stderr\n"
    code += "with captured_stderr(): print(3)"
    assert python(code) == 3


def test_pipes_that_are_closed_or_full(tmp_path):
    simulate = f"cxr simulate {tmp_path / 'out'} --films 4 --prevalence 0.5 --size 32 --quiet"
    assert in_shell(f"{simulate} | true") == (0, "", "")
    if os.path.exists("/dev/full"):
        code, _, stderr = in_shell(f"{simulate} >/dev/full")
        assert (code, stderr) == (2, "cxr: [Errno 28] No space left on device\n")


def test_help_is_there_without_docstrings():
    for words in (["--help"], ["predict", "--help"]):
        plain, optimized = (
            subprocess.run(
                [sys.executable, *options, "-m", "cxrlib.cli", *words], capture_output=True, text=True
            ).stdout
            for options in ([], ["-OO"])
        )
        assert optimized == plain
        assert "Score films: one line each, or a table." in plain
