"""The project's own files agree with each other and with the code."""

import ast
import doctest
import importlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import yaml

import cxrlib
from cxrlib.cli.commands import app

ROOT = Path(__file__).parents[1]
MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / "cxrlib").rglob("*.py"))
PYTHON = sorted(
    path.relative_to(ROOT) for top in ("cxrlib", "tests", "benchmarks", "data") for path in (ROOT / top).rglob("*.py")
)
ORDER = (
    *("errors", "files", "images", "cohorts", "model", "phantom"),
    *("evaluation", "training", "report", "course", "cli"),
)
"""A package imports only from itself and from those before it."""


def pins():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return {re.match(r"[\w.-]+", line)[0].lower(): line for line in lines}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_requirements_pin_everything_that_the_project_names():
    table = project()["project"]
    named = [*table["dependencies"], *chain(*table["optional-dependencies"].values())]
    for requirement in named:
        name = re.match(r"[\w.-]+", requirement)[0].lower()
        assert re.match(rf"{re.escape(name)}==[\d.]+", pins()[name], re.IGNORECASE), requirement
    assert all("==" in line for line in pins().values())


def test_actions_are_pinned_by_commit_and_the_base_image_by_digest():
    """A tag can be moved to other code."""
    workflows = [path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml")]
    used = re.findall(r"uses: (.*)", "\n".join(workflows))
    bases = re.findall(r"^FROM (.*)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert used
    assert bases
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+", action) for action in used)
    assert all(re.fullmatch(r"[\w.:-]+@sha256:[0-9a-f]{64}", image) for image in bases)


def test_each_dependency_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    block = text[text.index("dependencies = [") : text.index("[project.scripts]")]
    for line in block.splitlines():
        if re.match(r'\s+"[\w.-]+[~=]', line):
            assert re.search(r",\s+# \S.{5,}", line), line


def test_make_conda_and_ci_install_the_same_pins():
    makefile, conda = (ROOT / "Makefile").read_text(), (ROOT / "environment.yml").read_text()
    assert "pip install --quiet --disable-pip-version-check -r requirements.txt" in makefile
    assert re.search(r"- pip:\s+- -r requirements.txt", conda)
    packages = conda[conda.index("dependencies:") :]
    assert re.findall(r"^  - (\w+)", packages, re.MULTILINE) == ["python", "pip", "pip"]  # the rest is pip's
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    for name, line in pins().items():
        if ";" not in line:
            assert version(name) == line.split("==")[1], f"{name}: installed is not what requirements.txt pins"


def test_the_flags_are_in_pyproject_so_that_a_bare_pytest_is_strict():
    options = project()["tool"]["pytest"]["ini_options"]
    assert options["testpaths"] == ["tests", "notebooks"]
    assert "--nbval " in options["addopts"]
    assert "error" in options["filterwarnings"]


def test_a_package_imports_only_from_those_above_it():
    for path in MODULES:
        own = path.parts[1].removesuffix(".py")
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cxrlib."):
                name = node.module.split(".")[1]
                assert ORDER.index(name) <= ORDER.index(own), f"{path} imports {node.module}"


def test_the_names_of_each_package_are_few_and_there():
    for name in ("cxrlib", *(f"cxrlib.{package}" for package in ORDER[2:-1])):
        package = importlib.import_module(name)
        assert 0 < len(package.__all__) <= 20, name
        assert all(hasattr(package, each) for each in package.__all__), name


def test_an_import_loads_no_more_than_it_needs():
    for code, kept_out in {
        "import cxrlib": "tensorflow cv2 pandas",
        "from cxrlib.evaluation import auc_interval": "tensorflow cv2",
        "from cxrlib.images import read_image": "tensorflow pandas",
    }.items():
        check = f"import sys; {code}; sys.exit(' '.join(set('{kept_out}'.split()) & set(sys.modules)) or None)"
        done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
        assert done.returncode == 0, f"{code} loads {done.stderr}"


def test_keras_and_tensorflow_come_from_the_one_module_that_sets_them_up():
    for path in PYTHON:
        nodes = list(ast.walk(ast.parse((ROOT / path).read_text())))
        named = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        named += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        foreign = {name for name in named if name.split(".")[0] in ("keras", "tensorflow")}
        assert not foreign or path.name == "backend.py", f"{path} imports {foreign}; use model.backend"


def test_the_examples_in_docstrings_hold():
    for path in MODULES:
        if path.name != "__main__.py":
            name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
            assert doctest.testmod(importlib.import_module(name)).failed == 0, name


def test_the_library_does_not_print():
    for path in MODULES:
        calls = [n for n in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(n, ast.Call)]
        assert not [n for n in calls if isinstance(n.func, ast.Name) and n.func.id == "print"], path


def test_the_readme_names_targets_and_commands_that_exist():
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", readme)) <= targets
    commands = {command.callback.__name__ for command in app.registered_commands}
    assert set(re.findall(r"^cxr ([a-z]+)", readme, re.MULTILINE)) <= commands
    for target in re.findall(r"\]\(([^)#]+)\)", readme):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_each_promise_is_held_by_a_test():
    rows = (ROOT / "book" / "promises.md").read_text().split("|---|---|\n")[1].splitlines()
    assert rows
    for row in filter(None, rows):
        held_by = re.findall(r"`([\w/]+\.py)`", row.split("|")[-2])
        assert held_by, row
        assert all((ROOT / path).is_file() for path in held_by), row


def targets():
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == cxrlib.__version__
    assert citation["license"] == project()["project"]["license"]
    assert [author["name"] for author in citation["authors"]] == [a["name"] for a in project()["project"]["authors"]]
    (own,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["additional_dependencies"] for hook in own["hooks"]] == [[pins()["ruff"]]] * 2


def test_the_workflow_runs_what_ci_runs_and_targets_that_exist():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert ".ci/run" in commands
    everything = "\n".join([*commands, (ROOT / ".ci" / "run").read_text(), (ROOT / "CONTRIBUTING.md").read_text()])
    assert set(re.findall(r"\bmake ([a-z-]+)", everything)) <= targets()


def test_python_is_one_that_the_project_allows_and_docker_installs_the_pins():
    docker = (ROOT / "Dockerfile").read_text()
    conda = (ROOT / "environment.yml").read_text()
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    named = re.findall(r"python[:=-](?:version: \")?(3\.\d+)", docker + conda + workflow)
    assert len(named) == 4
    assert project()["project"]["requires-python"] == ">=3.11,<3.14"
    assert set(named) <= {"3.11", "3.12", "3.13"}
    assert "-r requirements.txt" in docker
