"""The questions of the course as forms of HTML: the guesses of the lessons, and the quiz on *How to teach it*.

`_static/reader.js` keeps the answers in the reader's browser.
"""

import ast
import re
from html import escape
from typing import Any

WRITE_IT_DOWN = "<em>Write your guess down before you read on.</em>"
SAFE = {"list": list, "range": range, "round": round}
"""What the notebooks call to make the choices of a guess."""

QUESTION = re.compile(r"^(\d+)\. (.+)\n {3,}(\(a\) .+)$", re.MULTILINE)
KEY_ROW = re.compile(r"^\| (\d+) \| ([a-d]) \| (.+) \|$", re.MULTILINE)
MISTAKES = re.compile(r"([a-d](?:, [a-d])*): (.+?)(?=\.? [a-d](?:, [a-d])*: |$)")


def read_guess(cells: list[str]) -> tuple[str, str, list]:
    """Return the name, the question and the choices of the call of ``guess`` in the last of these code cells.

    The earlier cells are needed because a list of choices may be made there. Assignments
    that need anything but `SAFE` are left out.
    """
    names: dict[str, Any] = {"__builtins__": SAFE}
    for statement in (node for cell in cells for node in ast.parse(cell).body):
        if isinstance(statement, ast.Assign | ast.AugAssign):
            try:
                exec(compile(ast.Module([statement], []), "notebook", "exec"), names)  # the notebooks are our own
            except (NameError, TypeError, AttributeError):
                continue
    calls = [node for node in ast.walk(ast.parse(cells[-1])) if isinstance(node, ast.Call)]
    (call,) = (node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "guess")
    name, question, choices = (eval(ast.unparse(argument), names) for argument in call.args)
    return name, question, choices


def guess_form(cells: list[str]) -> str:
    """Return the form that takes the guess in the last of these code cells: a number, or one of some words."""
    name, question, choices = read_guess(cells)
    place = "guess-" + re.sub(r"\W+", "-", name)
    if isinstance(choices[0], str):
        options = "".join(f"<option>{escape(choice)}</option>" for choice in choices)
        field = f'<select id="{place}" name="guess" required><option value="">choose</option>{options}</select>'
    else:
        limits = f'min="{choices[0]}" max="{choices[-1]}" step="any" inputmode="decimal"'
        hint = f"from {choices[0]:,} to {choices[-1]:,}"
        field = f'<input type="number" id="{place}" name="guess" {limits} required placeholder="{hint}">'
    return (
        f'<form class="guess" data-guess="{escape(name)}" aria-label="Your guess: {escape(question)}" hidden>'
        f'<label for="{place}">{escape(question)}</label><div>{field} <button>keep my guess</button>'
        '<button type="button" name="clear" hidden>clear it</button></div>'
        "<output></output></form>"
        f"<noscript>{WRITE_IT_DOWN}</noscript>"
    )


def insert_quiz(page: str) -> str:
    """Return the page with its quiz as a form. The replies come from the key below the quiz."""
    questions = list(QUESTION.finditer(page))
    key = {row[1]: (row[2], row[3]) for row in KEY_ROW.finditer(page)}
    if not questions or {match[1] for match in questions} != set(key):
        raise LookupError("book/teach.md needs a key with a row for each question of its quiz.")
    items = "".join(quiz_question(match, *key[match[1]]) for match in questions)
    form = (
        f'<form class="questions" data-questions="quiz of the course" aria-label="Quiz"><ol>{items}</ol><div>'
        '<button>check my answers</button> <button type="button" name="clear">clear my answers</button></div>'
        "<output></output></form>"
    )
    return f"{page[: questions[0].start()]}```{{raw}} html\n{form}\n```\n{page[questions[-1].end() :]}"


def quiz_question(match: re.Match[str], right: str, mistakes: str) -> str:
    """Return one question with its choices. Each wrong choice carries the idea that it stands for."""
    number, text, choices = match.groups()
    stands_for = {
        letter: idea.rstrip(".") for letters, idea in MISTAKES.findall(mistakes) for letter in letters.split(", ")
    }
    labels = []
    for letter, choice in re.findall(r"\(([a-d])\) (.+?)(?= \([a-d]\) |$)", choices):
        reply = "right" if letter == right else stands_for[letter].replace("*", "")
        field = f'<input type="radio" name="question-{number}" value="{letter}" data-reply="{escape(reply)}">'
        labels.append(f"<label>{field} <span>({letter}) {as_html(choice)}</span></label>")
    fields = f"<legend>{as_html(text)}</legend>{''.join(labels)}<p class='reply' hidden></p>"
    return f'<li><fieldset data-right="{right}">{fields}</fieldset></li>'


def as_html(text: str) -> str:
    """Return a sentence of Markdown as HTML. Bold and italic words are all that it may have."""
    bold = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(text, quote=False))
    return re.sub(r"\*(.+?)\*", r"<em>\1</em>", bold)
