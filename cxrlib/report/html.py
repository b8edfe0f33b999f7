"""What a page of HTML holds within itself: charts as SVG, films as JPEG, Markdown as HTML."""

import io
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import matplotlib
import mistune
import numpy as np
from markupsafe import Markup, escape
from matplotlib.figure import Figure

LOOK = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 11,
    "legend.fontsize": 9,
    "legend.edgecolor": "none",
    "svg.hashsalt": "cxrlib",  # the same run gives the same page
}


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, and words for who cannot see it."""

    source: str
    alt: str
    width: int
    height: int


def embed_chart(draw: Callable, alt: str, *, size: tuple[float, float] = (4.2, 3.6)) -> Picture:
    """Return what ``draw(ax)`` draws, as SVG on no ground of its own: a page may be light or dark.

    Parameters
    ----------
    size : (float, float)
        Inches.
    """
    data = io.BytesIO()
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        figure.savefig(data, format="svg", transparent=True, metadata={"Date": None})
    return Picture(_uri("svg+xml", data.getvalue()), alt, round(96 * size[0]), round(96 * size[1]))


def embed_image(image: np.ndarray, alt: str, *, heat: np.ndarray | None = None) -> Picture:
    """Return a film, as `cxrlib.report.plots.show_image` and `cxrlib.report.plots.heat_over` would show it.

    Parameters
    ----------
    image, heat : ndarray, (H, W), in [0, 1]
    """
    shown = np.repeat(image[..., None], 3, axis=2).astype(float)
    if heat is not None:
        share = 0.6 * heat[..., None]
        shown = (1 - share) * shown + share * matplotlib.colormaps["magma"](heat)[..., :3]
    pixels = np.rint(255 * shown[..., ::-1]).astype(np.uint8)
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    return Picture(_uri("jpeg", data), alt, image.shape[1], image.shape[0])


def markdown_to_html(markdown: str, *, below: int = 1) -> Markup:
    """Return Markdown as HTML: text, headings, emphasis and tables; no HTML of its own, links or images.

    Parameters
    ----------
    below : int
        How many levels its headings go down.
    """
    render = mistune.create_markdown(renderer=_Renderer(below), plugins=["table"])
    for rule in ("link", "auto_link", "auto_email", "inline_html"):
        render.inline.rules.remove(rule)
    return Markup(render(markdown))  # the renderer has escaped it


class _Renderer(mistune.HTMLRenderer):
    """Tables have the heading above them as caption, and no empty headings; the first cell names its row."""

    def __init__(self, below: int):
        super().__init__(escape=True)
        self.below, self.title = below, ""

    def heading(self, text: str, level: int, **attributes) -> str:
        self.title = text
        return super().heading(text, level + self.below, **attributes)

    def table(self, text: str) -> str:
        caption = f"<caption>{self.title}</caption>" if self.title else ""
        label = escape(Markup(self.title).striptags())
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

    def table_cell(self, text: str, align=None, head: bool = False) -> str:
        return f'<th scope="col">{text}</th>' if head else f"<td>{text}</td>"


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(data).decode()}"
