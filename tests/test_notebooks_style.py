"""The template that every notebook keeps. Each test looks at all notebooks and names those that break the rule."""

import ast
import re
from itertools import pairwise
from pathlib import Path
from statistics import median

import nbformat

FOLDER = Path(__file__).parents[1] / "notebooks"
LABS = FOLDER.parent / "cxrlib" / "course" / "labs"
NOTEBOOKS = {path: nbformat.read(path, as_version=4) for path in sorted(FOLDER.glob("*.ipynb"))}
HEADINGS = ["What you will learn", "What you need", "Exercises", "In practice", "Summary", "References"]
OLD_HEADINGS = ["What you will learn", "What you need", "In practice", "Try it", "Summary", "References"]
MAX_KILOBYTES = 600
MAX_SECONDS = 120
CODE_CELLS = range(12, 26)
SETUP_LINES, MEDIAN_LINES, SCREEN_LINES, LINE_LENGTH = 12, 6, 20, 88
EXERCISES = 3
IGNORED_FRACTION = 0.10
STATED = re.compile(r"\*\d+ minutes to read and try \(the exercises come on top\), about (\d+) seconds to run")
IGNORE, FOLDED = "nbval-ignore-output", "hide-input"
PATH_OF_A_MACHINE = re.compile(r"(/home/|/root/|/Users/|/work/|/tmp/|[A-Z]:\\)")
NUMBER = re.compile(r"(?<![\w./-])(?:\d+\.\d{2,}|[1-9]\d\.\d)(?![\w/-])")  # results: 0.10, 12.3; not 0.1, 12
GIVEN = {  # numbers with a decimal that no cell prints: worked by hand, from a source, or in the answer of an exercise
    "03": {"82.7", "99.6", "15.0"},
    "04": {"57.6", "87.5", "98.7", "99.3"},
    "07": {"19.1"},
}


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def visible_cells(notebook):
    return [cell for cell in code_cells(notebook) if FOLDED not in cell.metadata.get("tags", [])]


def is_rewritten(notebook):
    """Whether a lesson has the new shape, with exercises that are checked."""
    return "## Exercises" in prose(notebook)


def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def printed(output):
    return str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))


def each_notebook():
    """Yield the name and the content of each notebook."""
    return ((path.stem, notebook) for path, notebook in NOTEBOOKS.items())


def test_the_lessons_are_numbered_verbs_and_each_leads_to_the_next():
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{number:02d}" for number in range(12)]
    for path in NOTEBOOKS:
        assert re.fullmatch(r"\d\d_[a-z]+(_[a-z]+)+", path.stem), path.stem
    for path, following in pairwise(NOTEBOOKS):
        link = re.search(r"\*\*Next:\*\*(.+)", prose(NOTEBOOKS[path]))[1]
        assert f"]({following.name})" in link, path.stem


def test_headings_stand_in_order():
    for name, notebook in each_notebook():
        text = prose(notebook)
        found = re.findall(r"^#{1,2} (.+)$", text, re.MULTILINE)
        headings = HEADINGS if is_rewritten(notebook) else OLD_HEADINGS
        assert [heading for heading in found if heading in headings] == headings, name
        assert text.startswith("# "), name
        assert "**Next:**" in text, name
        assert 3 <= sum(bool(re.match(r"\d\. ", heading)) for heading in found) <= 7, name
        assert text.count("<details>") >= 2, name


def test_it_says_how_long_it_takes_and_is_not_too_heavy():
    for path, notebook in NOTEBOOKS.items():
        stated = STATED.search(prose(notebook))
        assert stated, f"{path.stem}: no line says how long it takes"
        assert int(stated[1]) <= MAX_SECONDS, path.stem
        assert path.stat().st_size <= MAX_KILOBYTES * 1000, path.stem


def test_cells_are_few_and_small_and_import_from_the_library():
    for name, notebook in each_notebook():
        cells = code_cells(notebook)
        lines = [sum(bool(line.strip()) for line in cell.source.splitlines()) for cell in visible_cells(notebook)]
        assert len(cells) in CODE_CELLS, name
        assert lines[0] <= SETUP_LINES, f"{name}: {lines[0]} lines in the first cell"
        assert median(lines) <= MEDIAN_LINES, f"{name}: a median of {median(lines)} lines"
        assert max(lines) <= SCREEN_LINES, f"{name}: {max(lines)} lines in a cell"
        assert any("cxrlib" in cell.source for cell in cells), name
        if is_rewritten(notebook):
            longest = max((line for cell in cells for line in cell.source.splitlines()), key=len)
            assert len(longest) <= LINE_LENGTH, f"{name}: {longest}"


def test_a_folded_cell_is_folded_in_jupyterlab_and_on_the_site():
    for name, notebook in each_notebook():
        for cell in code_cells(notebook):
            on_site = FOLDED in cell.metadata.get("tags", [])
            assert on_site == bool(cell.metadata.get("jupyter", {}).get("source_hidden")), name


def test_a_lesson_has_exercises_that_are_checked_and_guesses_that_are_not_compared():
    for name, notebook in each_notebook():
        if not is_rewritten(notebook):
            continue
        checks = [cell for cell in code_cells(notebook) if re.search(r"^check\(", cell.source, re.MULTILINE)]
        assert len(checks) >= EXERCISES, name
        for cell in checks:
            assert "Not tried yet: " in "".join(map(printed, cell.outputs)), name
        assert any("guess(" in cell.source for cell in code_cells(notebook)), name
        assert any("sliders(" in cell.source for cell in code_cells(notebook)) or name[:2] in ("00", "10", "11"), name


def test_each_guess_is_shown_beside_its_result():
    labs = "".join(path.read_text() for path in LABS.glob("*.py"))
    for name, notebook in each_notebook():
        source = "\n".join(cell.source for cell in code_cells(notebook))
        for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
            if ast.unparse(call.func) == "guess":
                kept = ast.literal_eval(call.args[0])
                drawn = f'"{kept}"' in labs or f'recall("{kept}")' in source
                assert drawn or any(each.arg == "result" for each in call.keywords), f"{name}: {kept}"


def test_it_is_saved_as_run_from_the_top_without_an_error_or_a_warning():
    for name, notebook in each_notebook():
        cells = code_cells(notebook)
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), name
        for output in outputs(notebook):
            assert output.output_type != "error", name
            assert output.get("name") != "stderr", f"{name}: {output.get('text')}"


def test_most_outputs_are_compared_and_say_more_than_ok():
    for name, notebook in each_notebook():
        cells = code_cells(notebook)
        tags = [tag for cell in cells for tag in cell.metadata.get("tags", [])]
        assert set(tags) <= {IGNORE, FOLDED}, name
        limit = IGNORED_FRACTION if is_rewritten(notebook) else 0.15
        assert tags.count(IGNORE) <= limit * len(cells), name
        for output in outputs(notebook):
            assert printed(output).strip().lower() not in {"true", "ok", "false", "none"}, name


def test_each_picture_has_an_alt_text():
    for name, notebook in each_notebook():
        for output in outputs(notebook):
            for kind in output.get("data", {}):
                if kind.startswith("image/"):
                    assert len(output.metadata.get(kind, {}).get("alt", "")) > 20, name


def test_no_path_of_a_machine():
    for name, notebook in each_notebook():
        everything = [
            prose(notebook),
            *(cell.source for cell in code_cells(notebook)),
            *map(printed, outputs(notebook)),
        ]
        found = PATH_OF_A_MACHINE.search("\n".join(everything))
        assert not found, f"{name}: {found}"


def test_links_lead_somewhere():
    for name, notebook in each_notebook():
        for target in re.findall(r"\]\(([^)#]+)\)", prose(notebook)):
            assert target.startswith("https://") or (FOLDER / target).exists(), f"{name}: {target}"


def test_each_result_in_the_prose_is_printed_above():
    for name, notebook in each_notebook():
        above = ""
        for cell in notebook.cells:
            if cell.cell_type == "code":
                above += cell.source + "".join(map(printed, cell.outputs))
            else:
                for number in NUMBER.findall(re.sub(r"`[^`]*`", "", cell.source)):
                    given = number in GIVEN.get(name[:2], ())
                    assert given or number in above, f"{name}: {number} is in the prose, but no output above holds it"
