"""What the README tells people to type: run as it stands, or held against what there is."""

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
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.+?)^```$", README, re.MULTILINE | re.DOTALL)
FIRST_TRY = next(text for kind, text in BLOCKS if not kind and "cxr simulate films" in text)
IN_PYTHON = next(text for kind, text in BLOCKS if kind == "python")
SYNOPSIS = next(text for kind, text in BLOCKS if "cxr simulate OUT" in text)
WITH_THE_COMMANDS = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


def test_the_first_try_runs_as_it_stands_and_then_in_python(tmp_path):
    shell = dict(cwd=tmp_path, env=WITH_THE_COMMANDS, check=True, capture_output=True, text=True)
    told = [subprocess.run(shlex.split(line), **shell).stdout for line in FIRST_TRY.splitlines()]
    assert [text.split()[0] for text in told] == [
        "films:",
        "run:",
        "val:",
        "films/effusion/00005_000.png:",
        "run/report.html:",
    ]
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 1
    ends_with_it = IN_PYTHON.rstrip().rsplit("\n", 1)
    asked = f"{ends_with_it[0]}\nprint({ends_with_it[1].split('  #')[0]})"
    said = subprocess.run([sys.executable, "-c", asked], **shell).stdout
    assert said.startswith("Prediction(score=")
    score = re.search(r"score ([\d.]+)", told[3])[1]
    assert float(score) == pytest.approx(float(re.search(r"score=([\d.]+)", said)[1]), abs=1e-4)


def test_the_synopsis_names_commands_and_options_that_there_are():
    commands = typer.main.get_command(app).commands
    lines = re.sub(r"\n +", " ", SYNOPSIS).splitlines()
    assert [line.split()[1] for line in lines] == [*commands, "COMMAND"]  # whose options each command has
    for line in lines:
        named = set(re.findall(r"--[a-z-]+", line)) - {"--help"}
        for name in set(commands) & set(line.split()) or commands:
            assert named <= {option for parameter in commands[name].params for option in parameter.opts}, name


def test_each_make_target_that_it_names_is_in_the_makefile():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = set(re.findall(r"`make ([a-z-]+)", README)) | set(re.findall(r"^make ([a-z-]+)$", README, re.MULTILINE))
    assert {"walkthrough", "test", "lab", "help"} <= named <= set(targets)


def test_what_it_says_of_pip_is_what_the_makefile_does():
    said = re.findall(r"`pip install ([^`]+)`", README)
    done = re.findall(r"pip install (?:--quiet --disable-pip-version-check )?(.+)", (ROOT / "Makefile").read_text())
    assert [words for words in said if "kagglehub" not in words] == done


def test_the_picture_that_opens_it_is_one_of_a_notebook(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book")
    from picture import PICTURE, picture

    assert README.index(f"]({PICTURE.relative_to(ROOT).as_posix()})") < 1000
    assert PICTURE.read_bytes() == picture(), "another picture is in the notebook: python book/picture.py"
