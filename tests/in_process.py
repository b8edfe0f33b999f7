"""The command line in this process: no new Python has to import TensorFlow."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from subprocess import CompletedProcess
from unittest.mock import patch

from cxrlib.cli.commands import main


def cxr(*words, check=True) -> CompletedProcess:
    """Run a command and return what a process of it would give: exit code, stdout and stderr of Python."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with patch.object(sys, "argv", ["cxr", *map(str, words)]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    assert not (check and code), err.getvalue()
    return CompletedProcess(words, code, out.getvalue(), err.getvalue())
