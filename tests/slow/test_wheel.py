"""The wheel: built, installed in an environment of its own, and used far away from the checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from cxrlib.phantom.simulation import simulate

ROOT = Path(__file__).parents[2]


def run(*words, **options):
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Return an environment that holds the wheel, and borrows its dependencies from this one."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "cxrlib", source / "cxrlib", ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source)
    shutil.rmtree(source)
    environment = folder / "env"
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    (wheel,) = folder.glob("*.whl")
    run(sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "install", "--no-deps", wheel)
    # A path in a .pth file lends the packages there, but not their own .pth files: this checkout stays unknown.
    (site,) = (environment / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin"


@pytest.fixture
def elsewhere(tmp_path) -> dict:
    """Return what runs a command in an empty folder, with a home of its own and no variable of the course."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CXR_", "PYTHON", "XDG_"))}
    return {"cwd": tmp_path, "env": kept | {"HOME": str(tmp_path / "home")}}


def test_the_command_scores_a_film(installed, elsewhere, tmp_path):
    cohort = simulate(tmp_path / "films", films=4, prevalence=0.5, size=128, seed=1)
    film = next((cohort / "effusion").glob("*.png"))
    prediction = json.loads(run(installed / "cxr", "predict", film, "--json", **elsewhere))
    assert 0 <= prediction["score"] <= 1


def test_tables_stubs_and_templates_are_in_it_and_the_cache_is_the_users(installed, elsewhere, tmp_path):
    code = """
from pathlib import Path
import cxrlib
from cxrlib.course import cache_folder, course_scores, read_experiment
from jinja2 import Environment, PackageLoader
package = Path(cxrlib.__file__).parent
assert package.parent.name == "site-packages", package
assert not read_experiment("augmentation").empty
assert not course_scores("test").empty
assert all((package / name).is_file() for name in ("py.typed", "__init__.pyi", "images/__init__.pyi"))
Environment(loader=PackageLoader("cxrlib.report")).get_template("report.html")
print(cache_folder())
"""
    cache = Path(run(installed / "python", "-c", code, **elsewhere).strip())
    assert cache.is_relative_to(tmp_path / "home")
