"""The exercises: right answers are accepted, typical wrong ones get the words that help, and the lessons hold both."""

import re
import runpy
from pathlib import Path

import nbformat
import numpy as np
import pytest

from cxrlib.course.checks import check
from cxrlib.course.exercises import EXERCISES
from cxrlib.course.reader import keep
from cxrlib.errors import InputError

ROOT = Path(__file__).parents[1]
LESSONS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
ANSWERS = {
    path.stem: runpy.run_path(str(path))["ANSWERS"] for path in sorted((ROOT / "tests" / "exercises").glob("*.py"))
}


@pytest.fixture(autouse=True)
def reader(tmp_path, monkeypatch):
    """A reader with a cache of their own for what is kept of them, and the course's cache for the films."""
    monkeypatch.setattr("cxrlib.course.reader.reader_file", lambda: tmp_path / "reader.json")


def reply(code: str, exercise: str, capsys) -> str:
    """Run an answer as its cell would, and return what the check prints. Its last name is the answer."""
    namespace: dict = {"np": np}
    known = set(namespace)
    exec(code, namespace)
    answer = [value for name, value in namespace.items() if name not in known and name != "__builtins__"][-1]
    check(exercise, answer)
    return capsys.readouterr().out


def test_each_exercise_has_a_right_answer_and_three_wrong_ones():
    written = [exercise for answers in ANSWERS.values() for exercise in answers]
    assert sorted(written) == sorted(EXERCISES)
    for answers in ANSWERS.values():
        assert len(answers) >= 3
        for exercise, answer in answers.items():
            assert len(answer["wrong"]) >= 3, exercise


@pytest.mark.parametrize("lesson", ANSWERS)
@pytest.mark.parametrize("seed", range(3))
def test_right_answers_are_accepted_and_wrong_ones_explained(lesson, seed, capsys):
    keep("seed", seed)
    for exercise, answer in ANSWERS[lesson].items():
        assert reply(answer["right"], exercise, capsys).startswith("Right: "), exercise
        replies = []
        for code, words in answer["wrong"]:
            replies.append(reply(code, exercise, capsys))
            assert replies[-1].startswith("Not right: "), (exercise, code)
            assert words in replies[-1], (exercise, code, replies[-1])


def test_a_small_chest_does_not_stop_an_exercise(capsys):
    keep("seed", 120)  # the chest of its first patient holds less than the volume that is drawn for it
    assert reply(ANSWERS["00"]["path inverted film"]["right"], "path inverted film", capsys).startswith("Right: ")


def test_another_reader_gets_other_numbers_and_the_same_ones_again(capsys, tmp_path, monkeypatch):
    wrong = ANSWERS["08"]["cut elsewhere"]["wrong"][0][0]
    first = reply(wrong, "cut elsewhere", capsys)
    assert reply(wrong, "cut elsewhere", capsys) == first
    monkeypatch.setattr("cxrlib.course.reader.reader_file", lambda: tmp_path / "other.json")
    assert reply(wrong, "cut elsewhere", capsys) != first


def test_a_function_that_stops_and_one_that_returns_nothing(capsys):
    assert "stopped with ZeroDivisionError" in reply("def f(*values):\n    return 1 / 0\n", "cut elsewhere", capsys)
    assert reply("def f(*values):\n    ...\n", "cut elsewhere", capsys) == (
        "Not tried yet: f returns nothing. Fill in the dots and run the cell again.\n"
    )
    check("cut elsewhere", None, hint=True)
    assert capsys.readouterr().out.startswith("Hint: ")
    with pytest.raises(InputError, match="there is no exercise"):
        check("nothing", 1)


def test_the_lessons_hold_the_starter_cells_and_the_folded_answers():
    for lesson, answers in ANSWERS.items():
        (path,) = [path for path in LESSONS if path.name.startswith(lesson)]
        cells = nbformat.read(path, as_version=4).cells
        folded = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        code = {cell.source: cell for cell in cells if cell.cell_type == "code"}
        for exercise, answer in answers.items():
            (starter,) = [source for source in code if re.search(rf'check\("{exercise}", \w+\)', source)]
            printed = "".join(output.get("text", "") for output in code[starter].outputs)
            assert printed.startswith("Not tried yet: "), exercise
            assert f"```python\n{answer['right']}```" in folded, exercise
