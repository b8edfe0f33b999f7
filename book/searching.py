"""The texts of all pages in one script, from which the search shows the words around what it found.

A browser lets a page that is opened from a disk load a script, but not read another page.
"""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx


def page_text(doctree: nodes.document) -> str:
    """Return what a page says, on one line, without raw HTML."""
    for node in list(doctree.findall(lambda node: isinstance(node, nodes.raw | nodes.comment))):
        node.parent.remove(node)
    return re.sub(r"\s+", " ", doctree.astext())


def save_search_texts(app: Sphinx, error: Exception | None) -> None:
    """Save the texts of all pages as a script, if the site was built."""
    if error or app.builder.name != "html":
        return
    texts = {name: page_text(app.env.get_doctree(name)) for name in sorted(app.env.found_docs)}
    script = f"const searchTexts = {json.dumps(texts, ensure_ascii=False, separators=(',', ':'))};\n"
    (Path(app.outdir) / "_static" / "search_texts.js").write_text(script, encoding="utf-8")
