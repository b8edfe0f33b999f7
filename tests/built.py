"""The site, built as `make book` builds it, but somewhere else."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def build_site(out: Path) -> Path:
    """Build the site by the Makefile's own recipe, without a warning, and return its folder."""
    recipe = re.search(r"^book:.*\n\t(.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    words = recipe.replace("$(BIN)/python", sys.executable).replace("book/_build", str(out)).split()
    assert {"--nitpicky", "--fail-on-warning"} <= set(words)
    built = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return out / "html"


def pages(site: Path) -> list[Path]:
    """Return every page of the site."""
    return sorted(site.rglob("*.html"))
