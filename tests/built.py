"""Build the site as `make book` does, but in another folder."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def build_site(out: Path) -> Path:
    """Build the site by the command in the Makefile, and return its folder. A warning is an error."""
    command = re.search(r"^book:.*\n\t(.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    words = command.replace("$(BIN)/python", sys.executable).replace("book/_build", str(out)).split()
    assert {"--nitpicky", "--fail-on-warning"} <= set(words)
    built = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return out / "html"


def pages(site: Path) -> list[Path]:
    """Return every page of the site."""
    return sorted(site.rglob("*.html"))
