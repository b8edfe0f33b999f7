"""The template that every notebook keeps, as data."""

import re
from itertools import pairwise
from pathlib import Path
from statistics import median

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
HEADINGS = ["What you will learn", "What you need", "In practice", "Try it", "Summary", "References"]
MAX_KILOBYTES = 600
MAX_SECONDS = 120
CODE_CELLS = range(12, 26)
SETUP_LINES, MEDIAN_LINES, SCREEN_LINES = 12, 5, 20
IGNORED_SHARE = 0.15
IGNORE = "nbval-ignore-output"
FIRST_PERSON_PATHS = re.compile(r"(/home/|/root/|/Users/|/work/|/tmp/|[A-Z]:\\)")
NUMBER = re.compile(r"(?<![\w./-])\d+\.\d{2,}(?![\w/-])")  # results have decimals; counts of things need not


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def outputs(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            yield cell, output


def test_there_are_notebooks_and_their_names_are_numbered_verbs():
    assert NOTEBOOKS
    assert all(re.fullmatch(r"\d\d_[a-z]+(_[a-z]+)+", path.stem) for path in NOTEBOOKS)


def test_headings_stand_in_order(notebook):
    found = re.findall(r"^#{1,2} (.+)$", prose(notebook), re.MULTILINE)
    places = [found.index(heading) for heading in HEADINGS]
    assert places == sorted(places)
    assert prose(notebook).startswith("# ")
    assert "**Next:**" in prose(notebook)
    assert 3 <= sum(bool(re.match(r"\d\. ", heading)) for heading in found) <= 7
    assert prose(notebook).count("<details>") >= 2


def test_it_says_how_long_it_takes(notebook):
    named = re.search(r"\*\d+ minutes to read, about (\d+) seconds to run on two cores\.\*", prose(notebook))
    assert int(named[1]) <= MAX_SECONDS


def test_cells_are_few_and_small(notebook):
    lines = [len(cell.source.splitlines()) for cell in code_cells(notebook)]
    assert len(lines) in CODE_CELLS
    assert lines[0] <= SETUP_LINES
    assert median(lines) <= MEDIAN_LINES
    assert max(lines) <= SCREEN_LINES


def test_it_is_saved_as_run_from_the_top(notebook):
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


def test_no_output_is_an_error_or_a_warning(notebook):
    for _, output in outputs(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr"


def test_most_outputs_are_compared(notebook):
    cells = code_cells(notebook)
    tags = [tag for cell in cells for tag in cell.metadata.get("tags", [])]
    assert set(tags) <= {IGNORE}
    assert len(tags) <= IGNORED_SHARE * len(cells)


def test_the_ten_lessons_follow_each_other():
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{number:02d}" for number in range(11)]
    for path, after in pairwise(NOTEBOOKS):
        following = re.search(r"\*\*Next:\*\*(.+)", prose(nbformat.read(path, as_version=4)))[1]
        assert f"]({after.name})" in following, path.name


def test_each_imports_its_tools_from_the_library(notebook):
    assert any("cxrlib" in cell.source for cell in code_cells(notebook))


def test_each_picture_has_words_for_who_cannot_see_it(notebook):
    for _, output in outputs(notebook):
        for kind in output.get("data", {}):
            if kind.startswith("image/"):
                assert len(output.metadata.get(kind, {}).get("alt", "")) > 20


def test_a_strict_output_says_more_than_ok(notebook):
    for _, output in outputs(notebook):
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        assert text.strip().lower() not in {"true", "ok", "false", "none"}


def test_no_path_of_a_machine(notebook):
    everything = prose(notebook) + "".join(cell.source for cell in code_cells(notebook))
    for _, output in outputs(notebook):
        everything += str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
    assert not FIRST_PERSON_PATHS.search(everything)


def test_links_lead_somewhere(notebook):
    for target in re.findall(r"\]\(([^)#]+)\)", prose(notebook)):
        assert target.startswith("https://") or (FOLDER / target).exists(), target


def test_each_result_in_the_prose_is_printed_above(notebook):
    printed = ""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            printed += cell.source
            for output in cell.outputs:
                printed += str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
        else:
            for number in NUMBER.findall(re.sub(r"`[^`]*`", "", cell.source)):
                assert number in printed, f"{number} is in the prose, but no output above holds it"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_not_too_heavy(path):
    assert path.stat().st_size <= MAX_KILOBYTES * 1000
