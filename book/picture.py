"""Copy the first picture of the README and the site from the notebook that draws it: python book/picture.py."""

import base64
import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "09_see_what_it_sees.ipynb"
ALT_TEXT = "under its heat map"
"""Words that only the alt text of this picture holds."""

PICTURE = ROOT / "book" / "picture.jpg"


def picture() -> bytes:
    """Return the picture as JPEG, unchanged from the notebook."""
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            if ALT_TEXT in json.dumps(output.get("metadata")):
                return base64.b64decode("".join(output["data"]["image/jpeg"]))
    raise LookupError(f"{NOTEBOOK.name} has no picture whose alt text holds {ALT_TEXT!r}.")


if __name__ == "__main__":
    PICTURE.write_bytes(picture())
