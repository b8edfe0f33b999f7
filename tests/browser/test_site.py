"""The site as a reader meets it: opened from a disk with the network cut, by keyboard, on a telephone, in the dark."""

import cv2
import numpy as np
import pytest
from built import pages

from cxrlib.course.labs.lesson_02 import PATIENT, SIZE
from cxrlib.course.lessons import course_scores
from cxrlib.evaluation.rates import performance
from cxrlib.phantom.film import Order, take_film

FIRST, LESSON_2, LESSON_8 = (
    "book/index.html",
    "notebooks/02_read_a_chest_film.html",
    "notebooks/08_choose_a_threshold.html",
)
PAGE_WIDTH = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
SQUARE = 256  # side of the ROC's unit square in its picture


@pytest.fixture
def looked_at(site, short):
    """Every page but the one that only leads on; in the short form three of them."""
    return [site / name for name in (FIRST, LESSON_2, LESSON_8)] if short else set(pages(site)) - {site / "index.html"}


def test_the_first_address_leads_to_the_first_page(site, open_page):
    page = open_page(site / "index.html")
    page.wait_for_url((site / FIRST).as_uri())


def test_each_page_loads_and_is_no_wider_than_a_telephone(looked_at, open_page):
    page = open_page(next(iter(looked_at)), width=390)
    for path in looked_at:
        page.goto(path.as_uri())
        assert page.evaluate(PAGE_WIDTH) <= 390, path.name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_on_a_page_shuts_somebody_out(looked_at, open_page, shuts_out, scheme):
    page, found = open_page(next(iter(looked_at)), scheme=scheme), {}
    for path in looked_at:
        page.goto(path.as_uri())
        found[path.name] = shuts_out(page)
    assert not any(found.values()), found


def test_search_finds_pages(site, open_page):
    page = open_page(site / FIRST)
    page.get_by_role("textbox", name="Search").fill("meniscus")
    page.keyboard.press("Enter")
    page.locator("#search-results a", has_text="Read a chest film").first.click()
    page.wait_for_url(f"{(site / LESSON_2).as_uri()}*")


def test_dark_and_light_by_the_button(site, open_page):
    page = open_page(site / FIRST)
    grounds = []
    for _ in range(2):
        page.locator(".theme-toggle:visible").press("Enter")
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    dark, light = (sum(map(int, ground[4:-1].split(","))) for ground in grounds)
    assert dark < 100 < 700 < light


VOLUME_MOVES = [
    (None, {}),
    (("volume", "ArrowRight"), {"amount": 500}),
    (("volume", "Home"), {"amount": 0}),
    (("volume", "End"), {"amount": 2000}),
    (("side", "ArrowDown"), {"side": "left"}),
    (("posture", "End"), {"posture": "supine"}),
    (("view", "ArrowDown"), {"view": "AP"}),
    (("volume", "ArrowLeft"), {"amount": 1400}),
    (("side", "End"), {"side": "both"}),
]
"""Keys on the controls, and what each changes in the order of the film."""


IMAGE_IS_THERE = """svg => {
    const image = new Image();
    image.src = svg.querySelector("image").href.baseVal;
    return image.decode();
}"""


def test_the_volume_explorer_shows_the_films_that_the_library_takes(site, open_page):
    page = open_page(site / LESSON_2)
    explorer = page.get_by_role("form", name="Volume explorer")
    controls, picture, outline = (explorer.locator(part) for part in (".controls", "svg", "path"))
    order, before = {"patient": PATIENT, "amount": 400, "side": "right", "posture": "upright", "view": "PA"}, None
    for key, change in VOLUME_MOVES:
        if key:
            controls.get_by_label(key[0]).press(key[1])
        order |= change
        film = take_film(Order(**order), size=SIZE)
        asked = f"{order['amount']:,} mL, {order['side']}, {order['posture']}, {order['view']}"
        told = f"{asked}: fluid on {film.mask.mean():.1%} of the film"
        assert explorer.get_by_role("status").inner_text() == told
        assert picture.get_attribute("aria-labelledby") == "film-title"
        assert told in picture.locator("title").text_content()
        assert controls.get_by_label("volume").get_attribute("aria-valuetext") == f"{order['amount']:,} mL"
        pixels = film.image * 255
        shown = shown_at(picture, pixels.shape)
        assert np.abs(shown - pixels).mean() < 2
        assert before is None or np.square(shown - pixels).mean() < np.square(shown - before).mean()
        before = pixels
        assert outline.get_attribute("d") == ""  # guess first
    controls.get_by_label("outline").press("Space")
    box = outline.evaluate("path => { const b = path.getBBox(); return [b.x, b.y, b.x + b.width, b.y + b.height]; }")
    rows, columns = np.nonzero(film.mask)
    assert box == pytest.approx([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], abs=1)


def shown_at(picture, size: tuple[int, int]) -> np.ndarray:
    """Return what a picture on the page shows, as gray levels of 0 to 255 at a film's own size."""
    picture.evaluate(IMAGE_IS_THERE)
    shown = cv2.imdecode(np.frombuffer(picture.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
    return cv2.resize(shown, size, interpolation=cv2.INTER_AREA).astype(float)


THRESHOLD_MOVES = [
    (None, 0.05, 10),
    (("threshold", "ArrowRight"), 0.051, 10),
    (("price of a miss", "ArrowRight"), 0.051, 30),
    (("threshold", "Home"), 0.001, 30),
    (("threshold", "End"), 1.0, 30),
    (("price of a miss", "Home"), 1.0, 1),
    (("threshold", "PageDown"), 0.73, 1),
    (("price of a miss", "End"), 0.73, 100),
]
"""Keys on the sliders, and the threshold and the price that each leads to."""


def test_the_threshold_explorer_shows_what_performance_says(site, open_page):
    page, val = open_page(site / LESSON_8), course_scores("val")
    explorer = page.get_by_role("form", name="Threshold explorer")
    controls = explorer.locator(".controls")
    for key, threshold, price in THRESHOLD_MOVES:
        if key:
            controls.get_by_label(key[0]).press(key[1])
        at = performance(val["label"], val["score"], threshold, val["patient_id"])
        assert float(controls.get_by_label("threshold").get_attribute("aria-valuetext")) == threshold
        counts = explorer.locator("td[data-show]").all_inner_texts()
        assert counts == [f"{n:,}" for n in (at.tp, at.fn, at.fp, at.tn)]
        assert explorer.get_by_role("status").inner_text().splitlines() == [
            f"sensitivity {at.sensitivity:.2f}",
            f"specificity {at.specificity:.2f}",
            f"{at.fn} x {price} + {at.fp} = a cost of {price * at.fn + at.fp:,}",
        ]
        dot = explorer.locator("circle").evaluate("dot => [dot.cx.baseVal.value, dot.cy.baseVal.value]")
        place = [SQUARE * (1 - at.specificity.value), SQUARE * (1 - at.sensitivity.value)]
        assert dot == pytest.approx(place, abs=0.01)


@pytest.mark.parametrize("width", [1280, 390])
def test_it_can_be_looked_at(site, open_page, pictures, width):
    for scheme in ("light", "dark"):
        open_page(site / FIRST, width=width, scheme=scheme).screenshot(
            path=pictures / f"site-first-{scheme}-{width}.png"
        )
    for name, lesson in (("volume", LESSON_2), ("threshold", LESSON_8)):
        explorer = open_page(site / lesson, width=width).locator(f"[data-explorer={name}]")
        explorer.screenshot(path=pictures / f"site-{name}-{width}.png")
