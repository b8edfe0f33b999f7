"""The site: ``make book``.

Its source is the whole folder of the project, so that a link which leads somewhere in Jupyter
or in a checkout leads to the same page here; this folder holds the pages that are only here.
"""

import json
import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "book")]
from explorers import save_explorers  # noqa: E402

import cxrlib  # noqa: E402  (from this checkout, whatever is installed)

project = "cxrlib"
author = "The cxrlib developers"
copyright = f"{author}. Text and figures CC BY 4.0, code Apache-2.0"
release = cxrlib.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "book/index"
include_patterns = ["book/**.md", "notebooks/*.ipynb", "data/README.md", "benchmarks/*.md", "CHANGELOG.md"]
exclude_patterns = [".*", "build", "book/_build", "data/cache", "tests", "*.egg-info"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!cxrlib\.).*")]  # types of others are not linked; our own have to be found
nitpick_ignore = [("py:obj", "cxrlib.phantom.film.Order")]  # it stands where it is defined, in cxrlib.phantom.film

# Furo: the whole course stands in its side bar, it reads well on a phone, and it loads nothing from another host.
html_theme = "furo"
html_title = "Find an effusion"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_js_files = ["book.js", "explorers.js"]
pygments_dark_style = "github-dark"
templates_path = ["_templates"]
html_additional_pages = {"index": "redirect.html"}  # the first page lies in book/, as its source does
html_copy_source = False
html_domain_indices = False  # modules stand in the side bar
html_show_sourcelink = False

nb_execution_mode = "off"  # pages are as the notebooks were saved, which the tests compare
nb_merge_streams = True
nb_ipywidgets_js = {}  # widgets need a kernel, and their scripts would come from another host
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
napoleon_use_rtype = False
default_role = "py:obj"

TOO_COMMON = {"run", "split", "arm", "skip", "seed", "view", "site", "image", "film", "finding", "score", "mask"}
"""Terms of the glossary that are ordinary words too: a link on the first of them would lead astray."""

WIDGET = "application/vnd.jupyter.widget-view+json"
NO_KERNEL = "*Sliders and buttons move where a kernel runs: open this notebook with `make lab`.*"
ONE_SETTING = re.compile(r" ?\(Without a running kernel you see one setting[^)]*\)")
"""What a notebook says of its sliders, and what is not so here."""
EXPLORERS = {path.stem: path for path in (ROOT / "book" / "_templates").glob("*_explorer.html")}
"""What a notebook draws when its sliders move, and the page's part that stands for it here."""
SECTION_OF_README = re.compile(r"^\{\{README: (.+?)\}\}$", re.MULTILINE)


def outputs(notebook: dict):
    """Yield each code cell of a notebook with each of its outputs."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            yield cell, output


def alt_of(output: dict) -> str:
    """Return the words that a picture carries for who cannot see it."""
    return next((v["alt"] for v in output.get("metadata", {}).values() if isinstance(v, dict) and "alt" in v), "")


def without_kernel(code: str) -> dict:
    """Return what stands in a widget's place: the site's own sliders where it has them, else a note."""
    drawn = [path for name, path in EXPLORERS.items() if "sliders(" in code and name in code]
    return {"text/html": drawn[0].read_text()} if drawn else {"text/markdown": NO_KERNEL}


def adapt_notebook(text: str) -> str:
    """Return a notebook with its alt texts where myst-nb looks for them, and without what needs a kernel."""
    notebook = json.loads(text)
    for cell, output in outputs(notebook):
        if alt_of(output):
            cell["metadata"]["mystnb"] = {"image": {"alt": alt_of(output)}}
        if WIDGET in output.get("data", {}):
            output["data"] = without_kernel("".join(cell["source"]))
    adapted = json.dumps(notebook).replace("](../cxrlib/__init__.py)", "](../book/reference/index.md)")
    return ONE_SETTING.sub("", adapted)


def section_of_readme(match: re.Match) -> str:
    """Return a section of the README, its links as seen from book/."""
    readme = (ROOT / "README.md").read_text()
    body = re.search(rf"^## {re.escape(match[1])}\n(.+?)(?=^## |\Z)", readme, re.MULTILINE | re.DOTALL)[1]
    return re.sub(r"\]\((?!https:|#)", "](../", body).replace("](../book/", "](").strip()


def read_source(app, docname: str, source: list[str]) -> None:
    """Adapt notebooks; put sections of the README where a page asks for them."""
    if docname.startswith("notebooks/"):
        source[0] = adapt_notebook(source[0])
        for path in (Path(__file__), *EXPLORERS.values()):
            app.env.note_dependency(path)  # a lesson is read again when one of these has changed
    if docname.startswith("book/"):
        source[0] = SECTION_OF_README.sub(section_of_readme, source[0])
    source[0] = source[0].replace("](../README.md)", "](../book/own_films.md)")


def terms() -> dict[str, re.Pattern]:
    """Return the glossary's terms, longest first, each with what finds it in a text."""
    text = (ROOT / "book" / "glossary.md").read_text()
    found = [line for block in text.split("```{glossary}\n")[1:] for line in block.split("```")[0].splitlines()]
    found = [line for line in found if re.match(r"\S", line) and line not in TOO_COMMON]
    return {t: re.compile(rf"(?<![\w-]){re.escape(t)}(?![\w-])") for t in sorted(found, key=len, reverse=True)}


def link_terms(app, doctree: nodes.document) -> None:
    """Link the first mention of each term in a notebook's text to the glossary."""
    if not app.env.docname.startswith("notebooks/"):
        return
    within = (nodes.reference, nodes.literal, nodes.literal_block, nodes.title, pending_xref, nodes.raw)
    for term, pattern in terms().items():
        for text in list(doctree.findall(nodes.Text)):
            up, match = text.parent, pattern.search(str(text))
            while match and up is not None and not isinstance(up, within):
                up = up.parent
            if match and up is None:
                before, after = str(text)[: match.start()], str(text)[match.end() :]
                link = pending_xref("", nodes.inline("", term, classes=["glossary-word"]), refdomain="std")
                link["reftype"], link["reftarget"], link["refdoc"] = "term", term, app.env.docname
                link["refexplicit"] = link["refwarn"] = True
                text.parent.replace(text, [nodes.Text(before), link, nodes.Text(after)])
                break


def skip_member(app, what, name, member, skip, options) -> bool | None:
    """Leave out what `collections.namedtuple` writes of each field."""
    return True if (getattr(member, "__doc__", None) or "").startswith("Alias for field number") else None


def setup(app) -> None:
    """Connect the steps above to Sphinx' own."""
    app.connect("builder-inited", lambda app: save_explorers(Path(app.outdir) / "_static" / "explorers"))
    app.connect("source-read", read_source)
    app.connect("doctree-read", link_terms)
    app.connect("autodoc-skip-member", skip_member)
