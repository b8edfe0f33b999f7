"""The command ``cxr``.

- `cxrlib.cli.commands`: the commands, each a few lines over the library
- `cxrlib.cli.options`: the options that several commands share
- `cxrlib.cli.mistakes`: what is wrong with the words of a command, in one sentence
- `cxrlib.cli.output`: results as tables and JSON on stdout
- `cxrlib.cli.progress`: notes and progress bars on stderr
- `cxrlib.cli.streams`: standard streams that the caller closed
"""
