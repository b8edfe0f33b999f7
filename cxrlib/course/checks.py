"""Try a reader's answer to an exercise, and say what is wrong with it and why."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from cxrlib.errors import InputError


class WrongAnswer(Exception):
    """The answer is wrong. The message says why, and names the misconception."""


class NotTried(Exception):
    """The starter code was not changed."""


@dataclass(frozen=True)
class Exercise:
    """How the answer to an exercise is tried.

    Attributes
    ----------
    test : callable
        Takes the answer and a random generator with the reader's own seed. Returns a
        sentence that says on what the answer was tried. Raises `WrongAnswer`.
    hint : str
        What the reader sees with ``hint=True``.
    """

    test: Callable[[Any, np.random.Generator], str]
    hint: str


def check(exercise: str, answer: Any, *, hint: bool = False) -> None:
    """Try the answer to an exercise, and print what was found.

    Parameters
    ----------
    exercise : str
        The name of the exercise. It stands in the cell of the exercise.
    answer : object
        A function or a value, as the exercise asks.
    hint : bool
        Print a hint first.

    Raises
    ------
    InputError
        There is no exercise of this name.
    """
    from cxrlib.course.exercises import EXERCISES
    from cxrlib.course.reader import reader_seed

    if exercise not in EXERCISES:
        raise InputError(f"there is no exercise {exercise!r}; the exercises are {', '.join(EXERCISES)}")
    chosen = EXERCISES[exercise]
    lines = [f"Hint: {chosen.hint}"] if hint else []
    try:
        if answer is None or answer is ...:
            raise NotTried("the answer is empty")
        tried = chosen.test(_watched(answer) if callable(answer) else answer, np.random.default_rng(reader_seed()))
        lines.append(f"Right: {tried}")
    except NotTried as error:
        lines.append(f"Not tried yet: {error}. Fill in the dots and run the cell again.")
    except WrongAnswer as error:
        lines.append(f"Not right: {error}")
    sys.stdout.write("\n".join(lines) + "\n")


def require(holds: bool, message: str) -> None:
    """Raise `WrongAnswer` with this message, unless the condition holds."""
    if not holds:
        raise WrongAnswer(message)


def _watched(function: Callable) -> Callable:
    """Return the function with its faults turned into sentences for the reader."""

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        try:
            result = function(*args, **options)
        except Exception as error:
            raise WrongAnswer(f"{function.__name__} stopped with {type(error).__name__}: {error}") from error
        if result is None or result is ...:
            raise NotTried(f"{function.__name__} returns nothing")
        return result

    return call
