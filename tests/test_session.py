import os
import subprocess
import sys
from pathlib import Path

import pytest

from cxrlib.radiograph import InputError
from cxrlib.session import cache_folder, course_cohort


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


def test_a_session_is_silent_and_what_fails_in_it_is_not():
    quiet = "from cxrlib.session import start_session; start_session(1)"
    loud = (
        "import os\nfrom cxrlib.session import _captured_stderr\n"
        "with _captured_stderr():\n    os.write(2, b'from compiled code')\n    raise RuntimeError"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    words = {"capture_output": True, "text": True, "env": environment, "cwd": Path(__file__).parents[1]}
    assert subprocess.run([sys.executable, "-c", quiet], **words).stderr == ""
    assert "from compiled code" in subprocess.run([sys.executable, "-c", loud], **words).stderr
