import os
import subprocess
import sys
from pathlib import Path

import pytest

from cxrlib.course.folders import cache_folder, course_cohort
from cxrlib.errors import InputError
from cxrlib.model.backend import LOG_LEVEL, captured_stderr, quiet_tensorflow


def test_folders_named_in_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("CXR_CACHE", raising=False)
    assert cache_folder().parts[-2:] == ("data", "cache")
    monkeypatch.setenv("CXR_CACHE", str(tmp_path))
    monkeypatch.setenv("CXR_COHORT", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path
    assert course_cohort() == tmp_path / "mine"


def test_a_relative_path_is_refused(monkeypatch):
    """It would name one folder for the notebooks and another for the person who set it."""
    for variable, folder in (("CXR_CACHE", cache_folder), ("CXR_COHORT", course_cohort)):
        monkeypatch.setenv(variable, "my/folder")
        with pytest.raises(InputError, match=f"{variable} is 'my/folder'"):
            folder()


def test_what_compiled_code_writes_is_hidden_and_shown_if_the_block_fails(capfd):
    def write_and_fail():
        os.write(2, b"shown")
        raise RuntimeError

    with captured_stderr():
        os.write(2, b"hidden")
    with pytest.raises(RuntimeError), captured_stderr():
        write_and_fail()
    assert capfd.readouterr().err == "shown"


def test_tensorflows_messages_are_shown_if_the_environment_asks_for_them(capfd, monkeypatch):
    for level, message in (("0", "shown"), ("1", ""), ("3", ""), (None, "")):
        monkeypatch.delenv(LOG_LEVEL, raising=False)
        if level:
            monkeypatch.setenv(LOG_LEVEL, level)
        with quiet_tensorflow():
            os.write(2, b"shown")
            assert os.environ[LOG_LEVEL] == (level or "1")
        assert os.environ.get(LOG_LEVEL) == level
        assert capfd.readouterr().err == message


def run_python(code, *words, **environment):
    """Run a new Python without TensorFlow's variables; return its stdout and stderr."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    words = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(words, capture_output=True, text=True, env=bare | environment, cwd=Path(__file__).parents[1])
    return done.stdout.strip(), done.stderr


ONEDNN = "\nfrom tensorflow.python.util._pywrap_util_port import IsMklEnabled\nprint(IsMklEnabled())"
HAS_ONEDNN = str(sys.platform == "linux")
"""Elsewhere TensorFlow is built without oneDNN."""

LIBRARY_ALONE = """
import os, sys
import cxrlib
run = cxrlib.open_run(sys.argv[1])
run.predict(sys.argv[2])
run.evaluate(cxrlib.read_cohort(sys.argv[3]))
cxrlib.train(sys.argv[3], sys.argv[4], cxrlib.Recipe(width=4, size=48, epochs=1, start="scratch"))
assert "TF_CPP_MIN_LOG_LEVEL" not in os.environ
"""


def test_the_library_is_silent_without_a_session_and_uses_onednn(tiny_run, sim_cohort, tmp_path):
    """It opens a run, predicts, evaluates and trains."""
    film = next((sim_cohort / "effusion").iterdir())
    out = run_python(LIBRARY_ALONE + ONEDNN, tiny_run.folder, film, sim_cohort, tmp_path / "run")
    assert out == (HAS_ONEDNN, "")


SESSION = "from cxrlib.model.session import start_session\nstart_session(1)"


def test_a_session_is_silent():
    assert run_python(SESSION + ONEDNN) == (HAS_ONEDNN, "")


LEAN = """
import gc
import sys
from cxrlib.model.session import UNUSED, quick_loading, start_session
import matplotlib
with quick_loading():
    start_session(1)
    assert not gc.isenabled()
assert gc.isenabled() and gc.get_freeze_count()
print(sorted({"IPython", "jax", "sklearn"} & set(sys.modules)), sys.modules["matplotlib"] is matplotlib)
import sklearn.linear_model
import matplotlib.pyplot
from cxrlib.evaluation.heat_maps import grad_cam
"""


def test_the_command_line_loads_keras_without_what_nothing_uses():
    """What was hidden can be imported afterwards, what was loaded before stays, and the collector works again."""
    assert run_python(LEAN) == ("[] True", "")


def test_the_environment_can_forbid_onednn():
    assert run_python(SESSION + ONEDNN, TF_ENABLE_ONEDNN_OPTS="0") == ("False", "")
