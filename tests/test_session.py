import os
import subprocess
import sys
from pathlib import Path

import pytest

from cxrlib.course.folders import cache_folder, course_cohort
from cxrlib.errors import InputError


def test_folders_named_in_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("CXR_CACHE", raising=False)
    assert cache_folder().parts[-2:] == ("data", "cache")
    monkeypatch.setenv("CXR_CACHE", str(tmp_path))
    monkeypatch.setenv("CXR_COHORT", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path
    assert course_cohort() == tmp_path / "mine"


@pytest.mark.parametrize(("variable", "ask"), [("CXR_CACHE", cache_folder), ("CXR_COHORT", course_cohort)])
def test_a_relative_path_is_refused(monkeypatch, variable, ask):
    """It would mean one folder to the notebooks and another to who set it."""
    monkeypatch.setenv(variable, "my/folder")
    with pytest.raises(InputError, match=f"{variable} is 'my/folder'"):
        ask()


def stderr_of(code, *words, **environment):
    """Return what a new Python says on stderr, of itself and of what it has compiled."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    words = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(words, capture_output=True, text=True, env=bare | environment, cwd=Path(__file__).parents[1])
    return done.stderr


def test_a_session_is_silent_and_what_fails_in_it_is_not():
    loud = (
        "import os\nfrom cxrlib.model.backend import captured_stderr\n"
        "with captured_stderr():\n    os.write(2, b'from compiled code')\n    raise RuntimeError"
    )
    assert stderr_of("from cxrlib.model.session import start_session; start_session(1)") == ""
    assert "from compiled code" in stderr_of(loud)


PLAIN = """
import os, sys
import cxrlib
run = cxrlib.open_run(sys.argv[1])
run.predict(sys.argv[2])
run.evaluate(cxrlib.read_cohort(sys.argv[3]))
cxrlib.train(sys.argv[3], sys.argv[4], cxrlib.Recipe(width=4, size=48, epochs=1, start="scratch"))
assert "TF_CPP_MIN_LOG_LEVEL" not in os.environ
"""


def test_plain_python_is_silent_too_and_no_switch_is_set(tiny_run, sim_cohort, tmp_path):
    """Without a session: opened, asked, evaluated and trained by the library alone."""
    film = next((sim_cohort / "effusion").iterdir())
    assert stderr_of(PLAIN, tiny_run.folder, film, sim_cohort, tmp_path / "run") == ""


def test_who_asks_for_tensorflows_messages_gets_them():
    code = (
        "import os\nfrom cxrlib.model.backend import unasked_silence\nwith unasked_silence():\n    os.write(2, b'said')"
    )
    assert "said" in stderr_of(code, TF_CPP_MIN_LOG_LEVEL="0")
    assert stderr_of(code, TF_CPP_MIN_LOG_LEVEL="1") == ""  # as a process has it, and its children, that loaded JAX


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere TensorFlow is built without it")
def test_onednn_is_used_unless_told_otherwise():
    """It is three times as fast on processors on which TensorFlow would not use it."""
    code = (
        "import cxrlib.course.lessons\n"  # the library alone, before any session
        "from tensorflow.python.util import _pywrap_util_port as port; import sys\n"
        "print(port.IsMklEnabled(), file=sys.stderr)"
    )
    assert stderr_of(code).strip() == "True"
    assert stderr_of(code, TF_ENABLE_ONEDNN_OPTS="0").strip() == "False"
