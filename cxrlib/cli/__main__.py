"""``python -m cxrlib.cli`` is ``cxr``."""

from cxrlib.cli.commands import main

main()
