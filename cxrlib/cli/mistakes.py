"""Mistakes in the words of a command, in one sentence each: what was found, what is needed, and where."""

import re
from difflib import get_close_matches
from typing import Any


def describe_mistake(error: Any) -> str:
    """Return a sentence about a ``typer.TyperException``; "" where typer has shown the help already."""
    kind = type(error).__name__  # most of these classes have no public name in typer
    context: Any = getattr(error, "ctx", None)
    if kind == "NoArgsIsHelpError":
        return ""
    if kind == "BadOptionUsage":  # it has no context
        return _describe_missing_value(error)
    if context is None:
        return error.format_message()
    command, path = context.command, context.command_path
    help_line = f"; see {path} --help"
    if kind == "NoSuchOption":
        known = [name for parameter in command.params for name in parameter.opts if name.startswith("--")]
        return f"{path} has no option {error.option_name!r:.80}{_guess(error.option_name, known)}{help_line}"
    if kind == "MissingParameter":
        needed = [_name(one) for one in command.params if one.required]
        example = command.epilog.split("\n$ ")[1]
        return f"{_name(error.param)} is missing; {path} needs {_join(needed, 'and')}, for example: {example}"
    if kind == "BadParameter":
        return f"{_name(error.param)} is {_found(error)!r:.80}; it must be {_describe_values(error.param)}{help_line}"
    if extra := re.search(r"unexpected extra argument\(s\) \((.*)\)", error.message, re.DOTALL):
        taken = [_name(one) for one in command.params if one.param_type_name == "argument"]
        return (
            f"{extra[1]!r:.80} is too much; {path} takes {_join(taken, 'and')}; put a name with spaces in "
            f"quotes{help_line}"
        )
    if wrong := re.match(r"No such command (['\"])(.*?)\1\.", error.message):
        return f"there is no command {wrong[2]!r:.80}{_guess(wrong[2], [*command.commands])}{help_line}"
    return error.format_message() + help_line


def _describe_missing_value(error: Any) -> str:
    if "does not take a value" in error.message:
        return f"{error.option_name} takes no value, so leave out the = and what follows it"
    count = re.search(r"requires (\d+)", error.message)
    return f"{error.option_name} needs {f'{count[1]} values' if count else 'a value'} after it"


def _found(error: BaseException) -> Any:
    """Return the value as it was given. pydantic checks the values for typer, and its error holds them."""
    cause: Any = error.__cause__
    return cause.errors()[0]["input"] if hasattr(cause, "errors") else str(error)


def _name(parameter: Any) -> str:
    """Return an option as it is written, and an argument in capital letters as in the help."""
    if parameter.param_type_name == "argument":
        return parameter.name.upper()
    return parameter.opts[0]


def _describe_values(parameter: Any) -> str:
    """Return the values that a parameter takes, in words."""
    descriptor = parameter.type_descriptor
    if descriptor.choices:
        return _join([str(choice.value) for choice in descriptor.choices], "or")
    is_pair = descriptor.is_tuple
    number = "2 numbers" if is_pair else "a whole number" if descriptor.annotation is int else "a number"
    if parameter.min is not None and parameter.max is not None:
        return f"{number} from {parameter.min:g} to {parameter.max:g}"
    return number if parameter.min is None else f"{number} of at least {parameter.min:g}"


def _guess(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _join(words: list[str], last: str) -> str:
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
