"""The commands and names in the README and the site: commands are run as they stand, names are checked."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from cxrlib.cli.commands import app

ROOT = Path(__file__).parents[1]
README, MAKEFILE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "Makefile"))
TEXT = "\n".join([README, *(path.read_text(encoding="utf-8") for path in sorted((ROOT / "book").glob("*.md")))])
BLOCKS = re.findall(r"^```(\w*)\n(.+?)^```$", TEXT, re.MULTILINE | re.DOTALL)
FIRST_TRY = next(text for kind, text in BLOCKS if not kind and "cxr simulate films" in text)
IN_PYTHON = next(text for kind, text in BLOCKS if kind == "python")
SYNOPSIS = next(text for kind, text in BLOCKS if "cxr simulate OUT" in text)
WITH_CXR_ON_PATH = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


def test_the_first_try_runs_as_it_stands_and_then_in_python(tmp_path):
    shell = dict(cwd=tmp_path, env=WITH_CXR_ON_PATH, check=True, capture_output=True, text=True)
    printed = [subprocess.run(shlex.split(line), **shell).stdout for line in FIRST_TRY.splitlines()]
    assert [text.split()[0] for text in printed] == [
        "films:",
        "run:",
        "val:",
        "films/effusion/00005_000.png:",
        "run/report.html:",
    ]
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 1
    first_lines, last_line = IN_PYTHON.rstrip().rsplit("\n", 1)
    program = f"{first_lines}\nprint({last_line.split('  #')[0]})"
    prediction = subprocess.run([sys.executable, "-c", program], **shell).stdout
    assert prediction.startswith("Prediction(score=")
    score = re.search(r"score ([\d.]+)", printed[3])[1]
    assert float(score) == pytest.approx(float(re.search(r"score=([\d.]+)", prediction)[1]), abs=1e-4)


def test_the_synopsis_names_commands_and_options_that_exist():
    commands = typer.main.get_command(app).commands
    lines = re.sub(r"\n +", " ", SYNOPSIS).splitlines()
    assert [line.split()[1] for line in lines] == [*commands, "COMMAND"]  # COMMAND: options of every command
    for line in lines:
        named = set(re.findall(r"--[a-z-]+", line)) - {"--help"}
        for name in set(commands) & set(line.split()) or commands:
            assert named <= {option for parameter in commands[name].params for option in parameter.opts}, name


def test_each_make_target_that_is_named_is_in_the_makefile():
    targets = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)
    named = set(re.findall(r"`make ([a-z-]+)", TEXT)) | set(re.findall(r"^make ([a-z-]+)$", TEXT, re.MULTILINE))
    assert {"walkthrough", "test", "lab", "help"} <= named <= set(targets)


def test_the_pip_commands_are_those_of_the_makefile():
    text = README + (ROOT / "book" / "install.md").read_text(encoding="utf-8")
    in_text = re.findall(r"`pip install ([^`]+)`", text)
    in_makefile = re.findall(r"pip install (?:--quiet --disable-pip-version-check )?(.+)", MAKEFILE)
    assert {words for words in in_text if "kagglehub" not in words} == set(in_makefile)


def test_the_first_picture_of_the_readme_is_that_of_the_notebook(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book")
    from picture import PICTURE, picture

    assert README.index(f"]({PICTURE.relative_to(ROOT).as_posix()})") < 1000
    assert PICTURE.read_bytes() == picture(), "The notebook has a newer picture: run python book/picture.py."
