"""The page of the command line. It is made from the commands themselves, so it says what ``cxr --help`` says."""

import re
from itertools import groupby
from typing import Any

import typer

from cxrlib.cli.commands import app

PANELS = {"argument": "Arguments", "option": "Options"}
"""The names of the groups that a command does not name itself."""


def plain(text: str) -> str:
    """Return a text as Markdown that shows it as it is, on one line."""
    return re.sub(r"([*_<\[`])", r"\\\1", " ".join(text.split()))


def paragraphs(text: str) -> str:
    """Return a help text as Markdown. Lines that are commands become code."""
    parts = []
    for block in re.split(r"\n\s*\n", (text or "").replace("\b", "").strip()):
        lines = [line.strip() for line in block.splitlines()]
        for is_code, group in groupby(lines, key=lambda line: line.startswith(("cxr ", "$ "))):
            text = ("\n" if is_code else " ").join(group)
            parts.append(f"```\n{text}\n```" if is_code else plain(text))
    return "\n\n".join(part for part in parts if part)


def options(command: Any, context: Any) -> list[str]:
    """Return the arguments and options of a command as Markdown, one text for each group."""
    rows: dict[str, list[str]] = {}
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None:  # None: a hidden option
            panel = getattr(parameter, "rich_help_panel", None) or PANELS[parameter.param_type_name]
            rows.setdefault(panel, []).append(f"`{record[0]}`\n: {plain(record[1])}")
    return [f"**{panel}**\n\n" + "\n\n".join(entries) for panel, entries in rows.items()]


def command_reference() -> str:
    """Return the options of ``cxr``, and the arguments, options and help of each command, as Markdown."""
    program = typer.main.get_command(app)
    parts = options(program, program.context_class(program, info_name="cxr"))
    for name, command in program.commands.items():
        context = command.context_class(command, info_name=f"cxr {name}")
        usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
        usage = re.sub(r"\{(\w+)\}", lambda match: match[1].upper(), usage)
        parts += [f"## `cxr {name}`", paragraphs(command.help), f"```\n{usage}\n```"]
        if getattr(command, "epilog", None):
            parts.append(paragraphs(command.epilog))
        parts += options(command, context)
    return "\n\n".join(parts)
