"""Put the lessons' drawings and charts into their pages as SVG, so that they can follow light and dark."""

import html
import math
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

from cxrlib.report import plots

ROOT = Path(__file__).parents[1]

CHART_COLOURS = {
    "#000000": "drawing-ink",
    "#555555": "color-foreground-secondary",
    "#cccccc": "chart-frame",
    plots.FINDING.lower(): "chart-finding",
    plots.NOFINDING.lower(): "chart-nofinding",
    plots.PALE_FINDING.lower(): "chart-pale-finding",
}
"""The colours of charts, and the variables of the style sheet that take their place. Other colours stay."""

SMALLEST_TYPE = 11
"""Height of the smallest type in a chart on a phone, in px. A chart that needs more room than the phone scrolls."""


def inline_svg(path: Path, alt: str) -> str:
    """Return an SVG file as a part of a page: with its alt text, and with ids that no other drawing has.

    The style sheet gives it its size and its colours in the dark.
    """
    svg, name = path.read_text(encoding="utf-8"), path.stem
    svg = with_own_ids(svg[svg.index("<svg") :], name)
    return named(svg, f"drawing {name}", alt).replace(' width="540"', "", 1)


def inline_chart(svg: str, alt: str, name: str) -> str:
    """Return a chart, which Matplotlib made, as a part of a page. Its name is unique in the page."""
    svg = re.sub(r"<metadata>.*</metadata>|<style.*</style>", "", svg, flags=re.DOTALL)
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
    smallest = min(map(float, re.findall(r"font-size: ([\d.]+)px", svg)), default=10)
    narrowest, widest = width * SMALLEST_TYPE / smallest, width * 96 / 72  # 72 points are 96 px
    sizes = f"--narrowest: {math.ceil(narrowest)}px; max-width: {widest:.0f}px"
    svg = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"', f' style="{sizes}"', svg)
    for colour, variable in CHART_COLOURS.items():
        svg = svg.replace(f": {colour}", f": var(--{variable})")
    svg = re.sub(r"(<path [^>]*fill: )#ffffff", r"\1var(--color-background-primary)", svg)
    svg = named(with_own_ids(svg, name), "chart", alt)
    return f'<div class="chart" role="group" aria-label="Chart" tabindex="0">{svg}</div>'


def with_own_ids(svg: str, name: str) -> str:
    """Return an SVG whose ids begin with a name, so that no other SVG of the page has them."""
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\1{name}-", svg)


def named(svg: str, kind: str, alt: str) -> str:
    """Return an SVG with a class, and with an alt text for readers who cannot see it."""
    return svg.replace("<svg", f'<svg class="{kind}" role="img" aria-label="{html.escape(alt, quote=True)}"', 1)


def inline_drawings(app: Sphinx, doctree: nodes.document) -> None:
    """Replace each image of ``notebooks/drawings`` by the drawing itself."""
    for image in list(doctree.findall(nodes.image)):
        path = ROOT / image["uri"]
        if path.parent == ROOT / "notebooks" / "drawings":
            app.env.note_dependency(path)
            image.parent.replace(image, nodes.raw("", inline_svg(path, image["alt"]), format="html"))
