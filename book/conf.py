"""Sphinx' settings for the site: ``make book``.

The source of the site is the whole folder of the project. So a link that works in
Jupyter or in a checkout leads to the same page here. This folder holds the pages
that only the site has.
"""

import importlib
import json
import os
import re
import runpy
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import latex2mathml.converter
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.writers.html5 import HTML5Translator

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "book")]
import detector  # noqa: E402
from command_line import command_reference  # noqa: E402
from drawings import inline_chart, inline_drawings  # noqa: E402
from explorers import save_explorers  # noqa: E402
from first_page import lesson_cards, save_first_page  # noqa: E402
from questions import guess_form, insert_quiz  # noqa: E402
from searching import save_search_texts  # noqa: E402

import cxrlib  # noqa: E402  (from this checkout, whatever version is installed)
from cxrlib.course.experiments import read_experiment  # noqa: E402
from cxrlib.evaluation.seeds import arms_table  # noqa: E402
from cxrlib.report import plots  # noqa: E402

project = "cxrlib"
author = "The cxrlib developers"
copyright = f"{author}. Text and figures CC BY 4.0, code Apache-2.0"
release = cxrlib.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "book/index"
include_patterns = ["book/**.md", "notebooks/*.ipynb", "data/README.md", "benchmarks/*.md", "CHANGELOG.md"]
exclude_patterns = [".*", "build", "book/_build", "data/cache", "tests", "*.egg-info"]
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!cxrlib\.).*")
]  # types of other packages are not linked; every name of our own must resolve
nitpick_ignore = [("py:class", "cxrlib.files.T"), ("py:class", "cxrlib.files.R")]  # type variables have no entry

# Furo shows the whole course in its side bar, reads well on a phone, and loads nothing from another host.
html_theme = "furo"
LIGHT = {
    "font-stack": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif",
    "color-brand-primary": "#00507d",
    "color-brand-content": "#005f94",
    "color-brand-visited": "#5b4a8a",
    "color-background-primary": "#ffffff",
    "color-background-secondary": "#f5f7f8",
    "color-sidebar-background": "#f5f7f8",
    "color-foreground-primary": "#1b2329",
    "color-foreground-secondary": "#4d5960",
    "color-picture": "#ffffff",
    "color-sidebar-caption-text": "#4d5960",
    "drawing-ink": "#222222",
    "drawing-finding-ink": "#993f00",
    "drawing-nofinding-ink": "#00507d",
    "drawing-finding-ground": "#fdf3ea",
    "drawing-nofinding-ground": "#eef3f8",
    "drawing-ground": "#f2f2f2",
    "drawing-box": "#ffffff",
    "drawing-nofinding-box": "#b5d6eb",
    "chart-frame": "#cccccc",
    "chart-finding": plots.FINDING,
    "chart-nofinding": plots.NOFINDING,
    "chart-pale-finding": plots.PALE_FINDING,
}
DARK = LIGHT | {
    "color-brand-primary": "#8fcaf0",
    "color-brand-content": "#8fcaf0",
    "color-brand-visited": "#c3b1f2",
    "color-background-primary": "#13181c",
    "color-background-secondary": "#1a2126",
    "color-sidebar-background": "#1a2126",
    "color-foreground-primary": "#dfe5e9",
    "color-foreground-secondary": "#a7b2b9",
    "color-sidebar-caption-text": "#a7b2b9",
    "drawing-ink": "#dfe5e9",
    "drawing-finding-ink": "#ff9d52",
    "drawing-nofinding-ink": "#7cc0ee",
    "drawing-finding-ground": "#3a2817",
    "drawing-nofinding-ground": "#172c3a",
    "drawing-ground": "#252d33",
    "drawing-box": "#20282e",
    "drawing-nofinding-box": "#1f4560",
    "chart-frame": "#4d5960",
    "chart-finding": "#f08a3c",
    "chart-nofinding": "#4fa8e0",
    "chart-pale-finding": "#6b4526",
}
SIDEBAR = ("brand", "search", "scroll-start", "navigation", "version", "scroll-end")
html_title = "Find an effusion"
html_static_path = ["_static"]
html_css_files = ["book.css", "explorers.css"]
html_js_files = ["book.js", "reader.js", "explorers.js"]
html_favicon = "_static/favicon.svg"
html_baseurl = os.environ.get("CXR_SITE_URL", "")
"""Where the site will stand, ending in "/". Links of the social card must be whole; the pages work without it."""

html_search_scorer = str(ROOT / "book" / "search_scorer.js")
html_theme_options = {"light_css_variables": LIGHT, "dark_css_variables": DARK}
html_sidebars = {"**": [f"sidebar/{part}.html" for part in SIDEBAR]}
pygments_dark_style = "github-dark"
templates_path = ["_templates"]
html_additional_pages = {"index": "redirect.html"}  # the first page lies in book/, where its source is
html_copy_source = False
html_domain_indices = False  # the side bar lists the modules
html_show_sourcelink = False

nb_execution_mode = "off"  # pages show the saved outputs, which the tests compare
nb_merge_streams = True
nb_code_prompt_show = "Show the code of this picture or lab"
nb_code_prompt_hide = "Hide the code"
nb_ipywidgets_js = {}  # widgets need a kernel, and their scripts come from another host
myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
html_math_renderer = "mathml"
myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
napoleon_use_rtype = False
default_role = "py:obj"

TOO_COMMON = {"run", "split", "arm", "skip", "seed", "view", "site", "image", "film", "finding", "score", "mask"}
"""Terms of the glossary that are ordinary words too. Their first mention on a page often means something else."""

WIDGET = "application/vnd.jupyter.widget-view+json"
NO_KERNEL = "*The lab of this lesson runs in JupyterLab: open this notebook with `make lab`.*"
ONE_SETTING = re.compile(r" ?\(Without a running kernel you see one setting[^)]*\)")
"""A remark in the notebooks about their sliders. On the site the sliders work, so it is left out."""

EXPLORERS = {path.stem: path for path in (ROOT / "book" / "_templates").glob("*_lab.html")}
"""By the name of the function that a lab calls: the HTML that replaces its widgets on the site."""

SECTION_OF_README = re.compile(r"^\{\{README: (.+?)\}\}$", re.MULTILINE)


EXPERIMENT = re.compile(r"^\{\{experiment (.+?)\}\}$", re.MULTILINE)


REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("urls", {}).get("Repository", "")


def raw_html(text: str) -> str:
    """Return HTML as a block of Markdown."""
    return f"````{{raw}} html\n{text}\n````"


def outputs(notebook: dict) -> Iterator[tuple[dict, dict]]:
    """Yield each code cell of a notebook with each of its outputs."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            yield cell, output


def alt_text(output: dict) -> str:
    """Return the alt text of a picture, or "" for an output without one."""
    return next((v["alt"] for v in output.get("metadata", {}).values() if isinstance(v, dict) and "alt" in v), "")


def widget_replacement(cells: list[str]) -> dict[str, str]:
    """Return what replaces the widget of the last of these code cells: a form or an explorer of the site, or a note."""
    if re.search(r"^guess\(", cells[-1], re.MULTILINE):
        return {"text/html": guess_form(cells)}
    if "upload_explorer(" in cells[-1]:
        return {"text/html": detector.fragment(layers=True)}
    explorers = [path for name, path in EXPLORERS.items() if name in cells[-1]]
    return {"text/html": explorers[0].read_text()} if explorers else {"text/markdown": NO_KERNEL}


def adapt_notebook(text: str) -> str:
    """Return a notebook with its alt texts where myst-nb looks for them, and without widgets, which need a kernel."""
    notebook = json.loads(text)
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell, output in outputs(notebook):
        if alt_text(output):
            cell["metadata"]["mystnb"] = {"image": {"alt": alt_text(output)}}
        if svg := output.get("data", {}).get("image/svg+xml"):
            output["data"] = {"text/html": inline_chart("".join(svg), alt_text(output), f"chart-{cell['id']}")}
        if WIDGET in output.get("data", {}):
            output["data"] = widget_replacement(cells[: cells.index("".join(cell["source"])) + 1])
            if "data-explorer" in output["data"].get("text/html", ""):  # a still picture would show the same again
                cell["outputs"] = [output]
    adapted = json.dumps(notebook).replace("](../cxrlib/__init__.py)", "](../book/reference/index.md)")
    return ONE_SETTING.sub("", adapted)


def readme_section(match: re.Match[str]) -> str:
    """Return the section of the README that a page names. Its links are changed to start in book/."""
    readme = (ROOT / "README.md").read_text()
    section = re.search(rf"^## {re.escape(match[1])}\n(.+?)(?=^## |\Z)", readme, re.MULTILINE | re.DOTALL)
    if section is None:
        raise LookupError(f"The README has no section {match[1]!r}, which a page of the site asks for.")
    return re.sub(r"\]\((?!https:|#)", "](../", section[1]).replace("](../book/", "](").strip()


def all_answers() -> str:
    """Return the answers to all exercises, and the typical wrong answers with words of the reply to each."""
    parts = []
    for path in sorted((ROOT / "tests" / "exercises").glob("[0-9][0-9].py")):
        (lesson,) = (ROOT / "notebooks").glob(f"{path.stem}_*.ipynb")
        title = json.loads(lesson.read_text())["cells"][0]["source"]
        title = "".join(title).splitlines()[0].removeprefix("# ")
        parts.append(f"## [{int(path.stem)}. {title}](../notebooks/{lesson.name})")
        for name, answer in runpy.run_path(str(path))["ANSWERS"].items():
            parts.append(f"### {name}\n\n```python\n{answer['right']}```\n\nTypical wrong answers:")
            parts += [f"The reply says *{words.strip()}* to\n\n```python\n{code}```" for code, words in answer["wrong"]]
    return "\n\n".join(parts)


def experiment_table(match: re.Match[str]) -> str:
    """Return the results of an experiment as a table.

    A page asks for it with ``{{experiment NAME | TEST | BASELINE | ARM ...}}``, and for another column than the
    AUC with ``NAME: COLUMN``.
    """
    name, test, *arms = (part.strip() for part in match[1].split("|"))
    name, _, column = (part.strip() for part in name.partition(":"))
    results = read_experiment(name, test=test).rename(columns={"auc": "_", column: "auc"} if column else {})
    results = results.groupby(["arm", "seed"], as_index=False)["auc"].mean()
    table = arms_table(results[results["arm"].isin(arms)], arms[0]).loc[arms]
    head = [title.replace("AUC", column.split("_")[0] or "AUC") for title in table.columns]
    lines = [f"| arm | {' | '.join(head)} |", "|---|---|---|"]
    lines += [f"| {arm} | {' | '.join(row)} |" for arm, row in zip(table.index, table.to_numpy(), strict=True)]
    return f"Scored on *{test}*:\n\n" + "\n".join(lines)


def read_source(app: Sphinx, docname: str, source: list[str]) -> None:
    """Adapt notebooks, and insert sections of the README where a page asks for them."""
    if docname.startswith("notebooks/"):
        source[0] = adapt_notebook(source[0])
        scripts = [Path(__file__), *((ROOT / "book" / f"{name}.py") for name in ("questions", "drawings"))]
        for path in (*scripts, detector.FRAGMENT, *EXPLORERS.values()):
            app.env.note_dependency(path)  # Sphinx reads the lesson again when one of these files changes
    if docname.startswith("book/"):
        source[0] = SECTION_OF_README.sub(readme_section, source[0])
        if docname == "book/teach":
            source[0] = insert_quiz(source[0])
        source[0] = source[0].replace("{{answers}}", all_answers())
        source[0] = EXPERIMENT.sub(experiment_table, source[0])
    if docname == "book/index":
        for path in (ROOT / "README.md", detector.FRAGMENT):
            app.env.note_dependency(path)
        source[0] = source[0].replace("{{detector}}", raw_html(detector.fragment()))
        source[0] = source[0].replace("{{lesson cards}}", raw_html(lesson_cards()))
    if docname == "book/reference/cli":
        source[0] = source[0].replace("{{command line}}", command_reference())
    source[0] = source[0].replace("](../README.md)", "](../book/own_films.md)")


def glossary_terms() -> dict[str, re.Pattern[str]]:
    """Return the glossary's terms, each with the pattern that finds it in a text.

    The longest come first, so that "mined labels" is linked before "label".
    """
    text = (ROOT / "book" / "glossary.md").read_text()
    lines = [line for block in text.split("```{glossary}\n")[1:] for line in block.split("```")[0].splitlines()]
    terms = [line for line in lines if re.match(r"\S", line) and line not in TOO_COMMON]
    return {t: re.compile(rf"(?<![\w-]){re.escape(t)}(?![\w-])") for t in sorted(terms, key=len, reverse=True)}


def link_terms(app: Sphinx, doctree: nodes.document) -> None:
    """Link the first mention of each term in a notebook's text to the glossary."""
    if not app.env.docname.startswith("notebooks/"):
        return
    # no link inside a link, code or a heading
    excluded = (nodes.reference, nodes.literal, nodes.literal_block, nodes.title, pending_xref, nodes.raw)
    for term, pattern in glossary_terms().items():
        for text in list(doctree.findall(nodes.Text)):
            parent, match = text.parent, pattern.search(str(text))
            while match and parent is not None and not isinstance(parent, excluded):
                parent = parent.parent
            if match and parent is None:
                before, after = str(text)[: match.start()], str(text)[match.end() :]
                link = pending_xref("", nodes.inline("", term, classes=["glossary-word"]), refdomain="std")
                link["reftype"], link["reftarget"], link["refdoc"] = "term", term, app.env.docname
                link["refexplicit"] = link["refwarn"] = True
                text.parent.replace(text, [nodes.Text(before), link, nodes.Text(after)])
                break


def resolve_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Node
) -> nodes.Node | None:
    """Link a name of a package, such as `cxrlib.evaluation.auc`, to the module that defines it."""
    package, _, name = node["reftarget"].rpartition(".")
    if node.get("refdomain") != "py" or not package.startswith("cxrlib"):
        return None
    try:
        defined_in = getattr(importlib.import_module(package), name).__module__
    except (ImportError, AttributeError):
        return None
    domain, target = env.domains["py"], f"{defined_in}.{name}"
    return domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], target, node, content)


def skip_member(app: Sphinx, what: str, name: str, member: object, skip: bool, options: object) -> bool | None:
    """Leave out the docstrings that `collections.namedtuple` writes for its fields."""
    return True if (getattr(member, "__doc__", None) or "").startswith("Alias for field number") else None


def describe(doctree: nodes.document | None) -> str:
    """Return the first sentences of a page, for search engines and for links on other sites."""
    for paragraph in doctree.findall(nodes.paragraph) if doctree else ():
        text = " ".join(paragraph.astext().split())
        if len(text) > 40:
            return textwrap.shorten(text, 160, placeholder=" …")
    return "A course in Jupyter notebooks: find an effusion in chest X-rays with a small network."


def add_to_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> str | None:
    """Give the templates of a page what they show. Return another template for the first page."""
    context["page_description"] = describe(doctree)
    card = "_static/card.jpg"
    context["card_url"] = html_baseurl + card if html_baseurl else context["pathto"](card, 1)
    context["repository"] = REPOSITORY
    if pagename == "search":
        app.add_js_file("search_texts.js")
        app.add_js_file("search_context.js")
    return "first_page.html" if pagename == root_doc else None


def write_formula(translator: HTML5Translator, node: nodes.math | nodes.math_block) -> None:
    """Write a formula as MathML, which browsers draw without a script or a font from elsewhere."""
    display = "block" if isinstance(node, nodes.math_block) else "inline"
    translator.body.append(latex2mathml.converter.convert(node.astext(), display=display))
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Connect the functions above to the steps of Sphinx."""
    app.add_html_math_renderer("mathml", (write_formula, None), (write_formula, None))
    app.connect("builder-inited", lambda app: save_explorers(Path(app.outdir) / "_static" / "explorers"))
    app.connect("builder-inited", lambda app: save_first_page(Path(app.outdir) / "_static"))
    app.connect("build-finished", save_search_texts)
    app.connect("html-page-context", add_to_page)
    app.connect("builder-inited", lambda app: detector.save_detector(Path(app.outdir) / "_static" / "detector"))
    app.connect("source-read", read_source)
    app.connect("doctree-read", inline_drawings)
    app.connect("doctree-read", link_terms)
    app.connect("missing-reference", resolve_public_name)
    app.connect("autodoc-skip-member", skip_member)
