"""The parts of an HTML page that is one file: charts as SVG, films as JPEG, Markdown as HTML."""

import io
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import matplotlib
import mistune
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrlib.report.plots import HEAT_OPACITY

STYLE: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 11,
    "legend.fontsize": 9,
    "legend.edgecolor": "none",
    "svg.hashsalt": "cxrlib",  # ids in the SVG are the same each time, so the same run gives the same page
}
"""Matplotlib's settings for the charts of a page."""

CHART_INCHES = (4.2, 3.6)
CSS_PIXELS_AN_INCH = 96

JPEG_QUALITY = 90
"""We chose it by looking at films: at this quality no blocks can be seen."""

OUTLINE_SIDE = 400
"""Side in pixels of the enlarged mask from which `outline_path` draws. The number is our choice."""


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, with alternative text for readers who cannot see it."""

    source: str
    alt: str
    width: int
    height: int


def embed_chart(draw: Callable[[Axes], Axes], alt: str) -> Picture:
    """Return what ``draw(ax)`` draws, as SVG. The background is transparent, because a page may be light or dark."""
    data = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=CHART_INCHES, layout="constrained")
        draw(figure.subplots())
        figure.savefig(data, format="svg", transparent=True, metadata={"Date": None})  # a date would change the page
    width, height = (round(CSS_PIXELS_AN_INCH * side) for side in CHART_INCHES)
    return Picture(_data_uri("svg+xml", data.getvalue()), alt, width, height)


def embed_image(image: np.ndarray, alt: str, *, heat: np.ndarray | None = None, max_side: int | None = None) -> Picture:
    """Return a film as JPEG, alone or under its heat map.

    The picture looks like those of `cxrlib.report.plots.show_image` and
    `cxrlib.report.plots.heat_over`.

    Parameters
    ----------
    image : ndarray, (H, W), in [0, 1]
    alt : str
    heat : ndarray, (H, W), in [0, 1], optional
    max_side : int, optional
        The largest height and width of the picture in pixels. A larger film is made smaller.
    """
    rgb = np.repeat(image[..., None], 3, axis=2).astype(float)
    if heat is not None:
        opacity = HEAT_OPACITY * heat[..., None]
        rgb = (1 - opacity) * rgb + opacity * matplotlib.colormaps["magma"](heat)[..., :3]
    bgr = np.rint(255 * rgb[..., ::-1]).astype(np.uint8)  # OpenCV's order of colours
    if max_side is not None and max(bgr.shape[:2]) > max_side:
        height, width = (max(1, round(side * max_side / max(bgr.shape[:2]))) for side in bgr.shape[:2])
        bgr = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
    return Picture(_data_uri("jpeg", data), alt, bgr.shape[1], bgr.shape[0])


def outline_path(mask: np.ndarray) -> str:
    """Return the border of a mask as a smooth path of SVG, in a square of 100 x 100 units; "" for an empty mask.

    The mask is smoothed before the border is drawn, so that it shows no steps of pixels.

    Parameters
    ----------
    mask : ndarray, (H, W), bool
    """
    soft = cv2.resize(mask.astype(np.float32), (OUTLINE_SIDE, OUTLINE_SIDE), interpolation=cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(soft, (0, 0), OUTLINE_SIDE / 100)
    inside = np.pad(soft > 0.5, 1).astype(np.uint8)
    parts = []
    for border in cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]:
        points = (cv2.approxPolyDP(border, 0.8, closed=True)[:, 0] - 0.5) * 100 / OUTLINE_SIDE
        parts.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z")
    return "".join(parts)


def markdown_to_html(markdown: str) -> Markup:
    """Return Markdown as HTML: text, headings, emphasis and tables.

    HTML in the Markdown is escaped. Links and images stay text, because the page must
    load nothing from other hosts. Each heading goes down by one level, because the page
    has the first level.
    """
    render = mistune.create_markdown(renderer=_Renderer(escape=True), plugins=["table"])
    for rule in ("link", "auto_link", "auto_email", "inline_html"):
        render.inline.rules.remove(rule)
    return Markup(render(markdown))  # safe: the renderer has escaped the text


class _Renderer(mistune.HTMLRenderer):
    """Render tables so that screen readers can announce them.

    The caption of a table is the heading above it. The first cell of a row is the
    heading of the row. A row of empty headings is left out.
    """

    heading_above = ""

    def heading(self, text: str, level: int, **attributes: Any) -> str:
        self.heading_above = text
        return super().heading(text, level + 1, **attributes)

    def table(self, text: str) -> str:
        caption = f"<caption>{self.heading_above}</caption>" if self.heading_above else ""
        label = escape(Markup(self.heading_above).striptags())
        return (
            f'<div class="scroll" tabindex="0" role="region" aria-label="{label}, a table">'
            f"<table>{caption}{text}</table></div>\n"
        )

    def table_head(self, text: str) -> str:
        return f"<thead><tr>{text}</tr></thead>" if Markup(text).striptags() else ""

    def table_row(self, text: str) -> str:
        if text.startswith("<td"):
            text = text.replace("<td", '<th scope="row"', 1).replace("</td>", "</th>", 1)
        return f"<tr>{text}</tr>\n"

    def table_cell(self, text: str, align: str | None = None, head: bool = False) -> str:
        return f'<th scope="col">{text}</th>' if head else f"<td>{text}</td>"


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(data).decode()}"
