"""Take the picture that opens the README and the site out of the notebook that made it: python book/picture.py."""

import base64
import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "09_see_what_it_sees.ipynb"
WORDS = "under its heat map"
"""Of the picture's alt text."""

PICTURE = ROOT / "book" / "picture.jpg"


def picture() -> bytes:
    """Return the picture, as the notebook holds it."""
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            if WORDS in json.dumps(output.get("metadata")):
                return base64.b64decode("".join(output["data"]["image/jpeg"]))
    raise LookupError(f"{NOTEBOOK.name} has no picture of which it says {WORDS!r}")


if __name__ == "__main__":
    PICTURE.write_bytes(picture())
