"""The site as a reader meets it: opened from a disk with the network cut, by keyboard, on a telephone, in the dark."""

import pytest
from built import pages

FIRST, LESSON_2, LESSON_8 = (
    "book/index.html",
    "notebooks/02_read_a_chest_film.html",
    "notebooks/08_choose_a_threshold.html",
)
COMMANDS, SEARCH = "book/reference/cli.html", "search.html?q=threshold"
PAGE_WIDTH = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"


@pytest.fixture
def looked_at(site, short):
    """Every page but the one that only leads on; in the short form four of them."""
    few = [site / name for name in (FIRST, LESSON_2, LESSON_8, COMMANDS)]
    return few if short else set(pages(site)) - {site / "index.html"}


def test_the_first_address_leads_to_the_first_page(site, open_page):
    page = open_page(site / "index.html")
    page.wait_for_url((site / FIRST).as_uri())


def test_each_page_loads_and_is_no_wider_than_a_telephone(looked_at, open_page):
    page = open_page(next(iter(looked_at)), width=390)
    for path in looked_at:
        page.goto(path.as_uri())
        assert page.evaluate(PAGE_WIDTH) <= 390, path.name


def test_no_page_scrolls_sideways_at_any_width(site, short, open_page):
    names = (FIRST, LESSON_8) if short else (FIRST, LESSON_2, LESSON_8, COMMANDS, SEARCH)
    page, found = open_page(site / FIRST), []
    for name in names:
        page.goto(f"{site.as_uri()}/{name}")
        for width in range(320, 1441, 40 if short else 20):
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate(PAGE_WIDTH) > width:
                found.append((name, width))
    assert not found


SMALL_TYPE = """() => {
    const sizes = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest("script, style")) continue;
        const matrix = element.ownerSVGElement?.getScreenCTM();
        const scale = matrix ? Math.hypot(matrix.a, matrix.b) : 1;
        const size = parseFloat(getComputedStyle(element).fontSize) * scale;
        if (size < 11) sizes.push([walker.currentNode.data.trim().slice(0, 30), size]);
    }
    return sizes;
}"""
"""Texts that are shown smaller than 11 px, also inside SVG."""


@pytest.mark.parametrize("width", [360, 390])
def test_type_is_large_enough_on_a_telephone(looked_at, open_page, width):
    page, found = open_page(next(iter(looked_at)), width=390), {}
    page.set_viewport_size({"width": width, "height": 844})
    for path in looked_at:
        page.goto(path.as_uri())
        found[path.name] = page.evaluate(SMALL_TYPE)
    assert not any(found.values()), found


def test_a_picture_can_be_enlarged_and_closed_by_keyboard(site, open_page):
    page = open_page(site / LESSON_2, width=390)
    page.locator(".cell_output .enlarge").first.press("Enter")
    dialog = page.get_by_role("dialog", name="Picture at its own size")
    assert dialog.locator("img").evaluate("img => img.clientWidth === img.naturalWidth")
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")


def test_the_drawings_follow_the_dark(site, open_page):
    ink = [
        open_page(site / LESSON_8, scheme=scheme)
        .locator("svg.drawing text")
        .evaluate_all("texts => texts.map(text => getComputedStyle(text).fill)")
        for scheme in ("light", "dark")
    ]
    brightness = [[sum(map(int, color[4:-1].split(","))) for color in colors] for colors in ink]
    assert max(brightness[0]) < 300 < min(brightness[1])


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


def test_search_shows_lessons_then_pages_then_the_library_each_with_context(site, open_page):
    page = open_page(site / SEARCH.split("?")[0])
    page.goto(f"{site.as_uri()}/{SEARCH}")
    page.get_by_text("Search finished").wait_for()
    results = page.locator("#search-results li")
    kinds = results.locator(".kind").all_inner_texts()
    assert len(kinds) == results.count() > 20
    assert kinds == sorted(kinds, key=["Lesson", "Page", "Library"].index)
    assert set(kinds) == {"Lesson", "Page", "Library"}
    assert results.first.locator("a").inner_text().startswith("Choose a threshold")
    pages_found = results.filter(has_text="Lesson")
    assert all("threshold" in text.lower() for text in pages_found.locator(".context").all_inner_texts())
    assert pages_found.locator(".context").count() >= kinds.count("Lesson")


def test_dark_and_light_by_the_button(site, open_page):
    page = open_page(site / FIRST)
    grounds = []
    for _ in range(2):
        page.locator(".theme-toggle:visible").press("Enter")
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    dark, light = (sum(map(int, ground[4:-1].split(","))) for ground in grounds)
    assert dark < 100 < 700 < light


@pytest.mark.parametrize("width", [1280, 390])
def test_it_can_be_looked_at(site, open_page, pictures, width):
    for scheme in ("light", "dark"):
        open_page(site / FIRST, width=width, scheme=scheme).screenshot(
            path=pictures / f"site-first-{scheme}-{width}.png"
        )
