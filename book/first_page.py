"""The lesson cards of the first page, their thumbnails, and the picture that other sites show beside a link.

All of it is made when the site is built: titles and minutes come from the table of
the README, thumbnails from the saved figures of the lessons.
"""

import base64
import html
import json
import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

ROOT = Path(__file__).parents[1]
LESSON = re.compile(
    r"^\| (?P<number>\d+) \| \[(?P<title>.+?)\]\(notebooks/(?P<name>\w+)\.ipynb\)(?:: (?P<subtitle>.+?))? "
    r"\| (?P<minutes>\d+) min \| (?P<seconds>\d+) s \|$",
    re.MULTILINE,
)
"""A row of the README's table of lessons."""

THUMBNAILS = {
    "00": ("One chest twice", (0, 0.06, 1, 1)),
    "01": ("12 chest films, numbered", (0, 0.275, 0.667, 0.5)),
    "02": ("A chest film with names", (0, 0.48, 1, 0.98)),
    "03": ("Two films of patient 5", (0, 0.08, 0.66, 1)),
    "04": ("A film with 4 marks", (0, 0.07, 1, 1)),
    "05": ("One chest with fluid at 3 sites", (0, 0.08, 0.665, 1)),
    "06": ("A film, and what the kernel gives", (0, 0.06, 1, 1)),
    "07": ("Mean loss against p", (0, 0, 1, 1)),
    "08": ("3 hills of the true sensitivity", (0, 0, 1, 1)),
    "09": ("Four films under their heat maps", (0.25, 0.08, 0.75, 1)),
    "10": ("Left: films as sign against tone", (0, 0, 1, 1)),
    "11": ("The same film twice, with the fluid outlined", (0, 0.08, 1, 1)),
}
"""By lesson: the first words of a figure's alt text, and the part of it that is shown: left, top, right, bottom."""

WIDTH, HEIGHT = 512, 256
"""Pixels of a thumbnail: twice its size on a card, for screens with fine pixels."""

WHITE = 240
"""Pixels of at least this value, of 255, may be the margin of a figure. JPEG does not keep white exactly."""

CARD_WIDTH, CARD_HEIGHT = 1200, 630
"""Pixels of the social card: the size that https://ogp.me readers such as Facebook and LinkedIn ask for."""


@dataclass(frozen=True)
class Lesson:
    """A row of the README's table.

    Attributes
    ----------
    number, minutes, seconds : int
    title : str
    subtitle : str
        One line on the lesson, or "".
    name : str
        The name of its notebook, without the ending.
    """

    number: int
    title: str
    subtitle: str
    name: str
    minutes: int
    seconds: int


def lessons() -> list[Lesson]:
    """Return the lessons in the README's table."""
    rows = [row.groupdict(default="") for row in LESSON.finditer((ROOT / "README.md").read_text(encoding="utf-8"))]
    numbers = ("number", "minutes", "seconds")
    return [Lesson(**{key: int(text) if key in numbers else text for key, text in row.items()}) for row in rows]


def lesson_cards() -> str:
    """Return the cards of all lessons as HTML, for a page in book/."""
    cards = []
    for lesson in lessons():
        subtitle = html.escape(lesson.subtitle[:1].upper() + lesson.subtitle[1:])
        cards.append(
            f'<li><a href="../notebooks/{lesson.name}.html">'
            f'<img src="../_static/thumbnails/{thumbnail_name(lesson)}" width="{WIDTH}" height="{HEIGHT}" alt="">'
            f'<span class="number">Lesson {lesson.number} · {lesson.minutes} min</span>'
            f'<strong>{html.escape(lesson.title)}</strong><span class="line">{subtitle}</span></a></li>'
        )
    return '<ol class="cards">' + "\n".join(cards) + "</ol>"


def figure(lesson: Lesson) -> dict[str, str]:
    """Return the figure of a lesson's thumbnail by its kind: an SVG as text, or a JPEG as base64."""
    words, _ = THUMBNAILS[lesson.name[:2]]
    for cell in json.loads((ROOT / "notebooks" / f"{lesson.name}.ipynb").read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            for kind in ("image/svg+xml", "image/jpeg"):
                is_there = kind in output.get("data", {})
                if is_there and output["metadata"].get(kind, {}).get("alt", "").startswith(words):
                    return {kind: "".join(output["data"][kind])}
    raise LookupError(f"{lesson.name} has no figure whose alt text starts with {words!r}.")


def thumbnail_name(lesson: Lesson) -> str:
    """Return the name of a lesson's thumbnail: a chart stays an SVG."""
    return f"{lesson.name}.{'svg' if 'image/svg+xml' in figure(lesson) else 'jpg'}"


def thumbnail(picture: np.ndarray, part: tuple[float, float, float, float]) -> np.ndarray:
    """Return the middle of a part of a figure without its white margins: (HEIGHT, WIDTH, 3), uint8, BGR."""
    height, width = picture.shape[:2]
    left, top, right, bottom = (round(edge * side) for edge, side in zip(part, (width, height) * 2, strict=True))
    picture = picture[top:bottom, left:right]
    inside = Image.fromarray(picture.min(axis=2)).point(lambda value: 255 * (value < WHITE)).getbbox()
    middle = Image.fromarray(picture).crop(inside)
    return np.asarray(ImageOps.fit(middle, (WIDTH, HEIGHT), Image.Resampling.LANCZOS))


def save_first_page(folder: Path) -> None:
    """Save a thumbnail of each lesson, and the social card, in a folder of the site."""
    (folder / "thumbnails").mkdir(parents=True, exist_ok=True)
    for lesson in lessons():
        [(kind, data)] = figure(lesson).items()
        path = folder / "thumbnails" / thumbnail_name(lesson)
        if kind == "image/svg+xml":
            path.write_text(data, encoding="utf-8")
            continue
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        small = thumbnail(picture, THUMBNAILS[lesson.name[:2]][1])
        cv2.imwrite(str(path), small, [cv2.IMWRITE_JPEG_QUALITY, 84])
    social_card().save(folder / "card.jpg", quality=85)


def social_card() -> Image.Image:
    """Return the picture that other sites show beside a link: (CARD_WIDTH, CARD_HEIGHT), the title and the films."""
    card = Image.new("RGB", (CARD_WIDTH, CARD_HEIGHT), "#10202c")
    with Image.open(ROOT / "book" / "picture.jpg") as films:
        card.paste(films.resize((660, round(660 * films.height / films.width)), Image.Resampling.LANCZOS), (500, 141))
    draw = ImageDraw.Draw(card)
    for y, size, text in ((190, 72, "Find an\neffusion"), (390, 30, "Chest X-rays, a small\nnetwork, and a threshold")):
        draw.multiline_text((60, y), text, font=ImageFont.load_default(size), fill="white", spacing=12)
    return card
