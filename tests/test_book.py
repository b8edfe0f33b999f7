"""The site: it is built without a warning, needs no other host, and has an alt text for each picture."""

import json
import re
from collections import Counter
from functools import cache
from itertools import product
from pathlib import Path
from urllib.parse import unquote, urlsplit

import cv2
import numpy as np
import typer
from bs4 import BeautifulSoup
from built import pages

from cxrlib.cli.commands import app
from cxrlib.course.labs.lesson_01 import VISIBLE, quiz_films
from cxrlib.course.labs.lesson_02 import PATIENT
from cxrlib.phantom.film import Order, take_film
from cxrlib.phantom.signs import blunting

ROOT = Path(__file__).parents[1]
LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
LOADS = {
    "script": "src",
    "img": "src",
    "image": "href",
    "source": "src",
    "iframe": "src",
    "embed": "src",
    "object": "data",
}
LINKS = {"next", "prev", "author", "search", "index", "canonical", "license"}  # a browser loads them only on demand
IN_STYLES = re.compile(r"""(?:url\(|@import)\s*["']?([^"')\s;]+)""")
IN_SCRIPTS = re.compile(r"""["'`](?:https?:)?//[\w-]+\.[^"'`]+["'`]""")
NAMESPACES = {"http://www.w3.org/2000/svg"}  # the name of a language: nothing is loaded from there


def is_on_another_host(address: str) -> bool:
    return bool(urlsplit(address.strip()).netloc) and address not in NAMESPACES


@cache
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(), "html.parser")


@cache
def anchors(path: Path) -> frozenset[str]:
    return frozenset(tag["id"] for tag in soup(path).find_all(id=True))


def test_it_loads_nothing_from_another_host(site):
    for path in pages(site):
        for tag in soup(path).find_all(True):
            loaded = [tag.get(LOADS.get(tag.name, ""), "")]
            loaded += [part.split()[0] for part in tag.get("srcset", "").split(",") if part.strip()]
            if tag.name == "link" and not LINKS & set(tag.get("rel", [])):
                loaded.append(tag["href"])
            styles = tag.get_text() if tag.name == "style" else tag.get("style", "")
            loaded += IN_STYLES.findall(styles)
            if tag.name == "script":
                loaded += [found.strip("\"'`") for found in IN_SCRIPTS.findall(tag.get_text())]
            assert not [address for address in loaded if is_on_another_host(address)], (path.name, tag)


def test_its_styles_and_scripts_load_nothing_from_another_host(site):
    styles, scripts = list(site.rglob("*.css")), list(site.rglob("*.js"))
    assert styles
    assert scripts
    for path in styles:
        assert not [found for found in IN_STYLES.findall(path.read_text()) if is_on_another_host(found)], path.name
    for path in scripts:
        if path.name not in ("searchindex.js", "search_texts.js"):  # the text of the pages, which are checked above
            found = [address.strip("\"'`") for address in IN_SCRIPTS.findall(path.read_text())]
            assert not [address for address in found if is_on_another_host(address)], path.name


def test_links_and_anchors_lead_somewhere(site):
    for path in pages(site):
        for tag in soup(path).find_all("a", href=True):
            address = urlsplit(tag["href"])
            if address.scheme or address.netloc:
                assert address.scheme in {"https", "mailto"}, (path.name, tag["href"])
                continue
            target = (path.parent / unquote(address.path)).resolve() if address.path else path.resolve()
            assert target.is_file(), (path.name, tag["href"])
            if address.fragment and target.suffix == ".html":
                assert unquote(address.fragment) in anchors(target), (path.name, tag["href"])


def test_each_picture_has_an_alt_text_and_is_there(site):
    for path in pages(site):
        for tag in soup(path).find_all("img"):
            is_decoration = tag.get("alt") == "" and tag.find_parent("a").get_text(strip=True)  # beside words
            assert is_decoration or len(tag.get("alt", "")) > 20, (path.name, tag)
            assert tag["src"].startswith("data:") or (path.parent / tag["src"]).is_file()


def pictures_without_sliders(notebook: str) -> int:
    """Count the pictures of a notebook that are not in a cell whose sliders move on the site."""
    labs = [path.stem for path in (ROOT / "book" / "_templates").glob("*_lab.html")]
    counts = []
    for cell in json.loads(notebook)["cells"]:
        code = "".join(cell["source"])
        kinds = [kind for output in cell.get("outputs", []) for kind in output.get("data", {})]
        has_widget = any("widget-view" in kind for kind in kinds) and not re.search(r"^guess\(", code, re.MULTILINE)
        moves = has_widget and any(lab in code for lab in labs)
        counts.append(0 if moves else sum(kind.startswith("image/") for kind in kinds))
    return sum(counts)


def test_a_lesson_has_its_pictures_and_says_what_needs_a_kernel(site):
    for lesson in LESSONS:
        source = (ROOT / "notebooks" / f"{lesson}.ipynb").read_text()
        page = soup(site / "notebooks" / f"{lesson}.html")
        assert len(page.select(".cell_output :is(img:not(#detector img), svg.chart)")) == pictures_without_sliders(
            source
        ), lesson
        assert "VBox(" not in page.get_text(), lesson
        forms = len(page.select("form[data-explorer], form[data-guess], #detector"))
        notes = page.find_all(string=re.compile("runs in JupyterLab: open"))
        assert len(notes) + forms == source.count('"application/vnd.jupyter.widget-view+json":'), lesson
        assert "Without a running kernel" not in page.get_text(), lesson


def explorer_data(site, name: str) -> dict:
    script = (site / "_static" / "explorers" / f"{name}.js").read_text()
    return json.loads(script.removeprefix(f"const {name}Data = ").removesuffix(";\n"))


def read_strip(site, name: str) -> np.ndarray:
    strip = cv2.imread(str(site / "_static" / "explorers" / f"{name}.webp"), cv2.IMREAD_GRAYSCALE)
    side = strip.shape[0]
    assert strip.shape[1] % side == 0
    return strip.reshape(side, -1, side).swapaxes(0, 1) / 255


def drawn_inside(path: str, side: int) -> np.ndarray:
    """Return the mask that an outline of SVG encloses, (side, side), bool. A line that ends at the edge is closed."""
    lines = [np.array([point.split(",") for point in part.split()], float) for part in path.split("M") if part]
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [np.rint(line - 0.5).astype(np.int32) for line in lines], 1)
    return mask > 0


def test_the_volume_explorer_has_a_film_for_each_of_its_settings(site):
    page, data = soup(site / "notebooks" / "02_read_a_chest_film.html"), explorer_data(site, "volume")
    for which in ("first", "second"):
        names = ("side", f"posture-{which}", f"view-{which}")
        choices = [[radio["value"] for radio in page.select(f"input[name={name}]")] for name in names]
        assert set(data["strips"]) == {"-".join(choice) for choice in product(*choices)}
    for films in data["strips"].values():
        assert [film["caption"].split(" mL")[0] for film in films] == [f"{ml:,}" for ml in data["volumes"]]
        assert [bool(film["outline"]) for film in films] == [ml > 0 for ml in data["volumes"]]


def test_films_captions_and_outlines_of_the_volume_explorer_are_those_of_the_library(site):
    data, rng = explorer_data(site, "volume"), np.random.default_rng(0)
    for _ in range(20):
        name, place = str(rng.choice(list(data["strips"]))), int(rng.integers(len(data["volumes"])))
        side, posture, view = re.fullmatch(r"(\w+)-(.+)-(\w+)", name).groups()
        order = Order(patient=PATIENT, amount=float(data["volumes"][place]), side=side, posture=posture, view=view)
        film, shown = take_film(order, size=data["size"]), data["strips"][name][place]
        assert shown["caption"].endswith(f"fluid on {film.mask.mean():.1%} of the film")
        if side != "both" and shown["angle"]:
            assert shown["angle"] == f"{blunting(film, side):.2f}"
        assert np.abs(read_strip(site, name)[place] - film.image).mean() < 0.006
        if film.mask.any():
            inside = drawn_inside(shown["outline"], data["size"])
            closed = (inside | film.mask).sum() - (inside & film.mask).sum()
            assert closed / film.mask.sum() < 0.06, (name, place, closed / film.mask.sum())


def test_an_outline_has_no_islands_and_keeps_both_sides(site):
    strips = explorer_data(site, "volume")["strips"]
    assert {film["outline"].count("M") for film in strips["right-upright-PA"][5:]} == {1}
    assert {film["outline"].count("M") for film in strips["both-upright-PA"][5:]} == {2}


def test_the_quiz_has_the_films_and_calls_of_the_library(site):
    data = explorer_data(site, "quiz")
    for shown, image, film in zip(data["films"], read_strip(site, "quiz"), quiz_films(), strict=True):
        assert (shown["label"], shown["called"], shown["score"]) == (film.label, film.called, f"{film.score:.3f}")
        assert np.abs(image - film.image).mean() < 0.006
        if film.brighter is None or film.brighter.max() <= VISIBLE:
            assert not shown["outline"]
        else:
            inside = drawn_inside(shown["outline"], data["size"])
            assert inside.sum() > 0.6 * (film.brighter > VISIBLE).sum()
            assert (film.brighter[inside] > VISIBLE).mean() > 0.9


def test_a_guess_on_the_site_asks_what_the_notebook_asks(site):
    for lesson in LESSONS:
        source = (ROOT / "notebooks" / f"{lesson}.ipynb").read_text()
        forms = soup(site / "notebooks" / f"{lesson}.html").select("form[data-guess]")
        names = re.findall(r'guess\((?:\\n",\s+"\s*)?\\"([^"]+?)\\"', source)
        assert [form["data-guess"] for form in forms] == names
        for form in forms:
            field = form.select_one("[name=guess]")
            assert form.label["for"] == field["id"]
            if field.name == "select":
                assert len(field.find_all("option")) > 3
            else:
                assert float(field["min"]) < float(field["max"])


def test_each_question_of_the_quiz_has_a_reply_for_each_answer(site):
    questions = soup(site / "book" / "teach.html").select("form[data-questions] fieldset")
    rows = soup(site / "book" / "teach.html").find(string="The key").find_parent("details").select("tbody tr")
    assert len(questions) == len(rows) == 12
    for question, row in zip(questions, rows, strict=True):
        right, ideas = (row.find_all("td")[place].get_text(" ", strip=True) for place in (1, 2))
        ideas = ideas.translate(str.maketrans("“”", '""'))
        assert question["data-right"] == right
        replies = {field["value"]: field["data-reply"] for field in question.find_all("input")}
        assert replies.pop(right) == "right"
        assert len(replies) == 3
        assert all(reply.split()[0] in ideas and "undefined" not in reply for reply in replies.values())


def test_the_threshold_explorer_goes_from_all_films_to_none(site):
    settings = explorer_data(site, "threshold")["settings"]
    assert settings[0]["fn"] == settings[-1]["tp"] == settings[-1]["fp"] == 0
    thresholds = [float(setting["threshold"]) for setting in settings]
    assert thresholds == sorted(set(thresholds))


def test_each_page_has_a_title_a_language_and_one_first_heading(site):
    for path in pages(site):
        page = soup(path)
        assert page.html["lang"] == "en", path.name
        assert page.title.get_text(strip=True), path.name
        if path not in (
            site / "index.html",
            site / "search.html",
        ):  # a redirect; filled by a script
            assert len(page.find_all("h1")) == 1, path.name


def test_the_reference_has_a_page_for_each_package_and_each_module_once():
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "cxrlib").rglob("*.py")
        if path.name != "__main__.py"  # it runs the command line when it is imported
    }
    on_pages = {
        page.stem: re.findall(r"automodule:: ([\w.]+)", page.read_text())
        for page in (ROOT / "book" / "reference").glob("*.md")
    }
    assert Counter(name for names in on_pages.values() for name in names) == Counter(modules)
    for page, names in on_pages.items():
        package = "cxrlib" if page == "index" else f"cxrlib.{page}"
        assert names[0] == package
        assert page == "index" or all(name.startswith(f"{package}.") for name in names[1:]), page
    order = re.findall(r"^- `cxrlib\.(\w+)`", (ROOT / "cxrlib" / "__init__.py").read_text(), re.MULTILINE)
    listed = (ROOT / "book" / "reference" / "index.md").read_text().split("```{toctree}")[1].split("```")[0]
    assert [line for line in listed.split() if line in on_pages] == order


def test_the_glossary_is_in_order_and_names_each_term_once():
    text = (ROOT / "book" / "glossary.md").read_text()
    blocks = [block.split("```")[0] for block in text.split("```{glossary}\n")[1:]]
    assert len(blocks) == 2
    entries = [re.split(r"\n\n+", block.strip("\n")) for block in blocks]
    for block in entries:
        heads = [[line for line in entry.splitlines() if re.match(r"\S", line)] for entry in block]
        first_names = [head[0].lower() for head in heads]
        assert first_names == sorted(first_names)
        assert all(entry.splitlines()[-1].startswith("  ") for entry in block)
    terms = [line for block in entries for entry in block for line in entry.splitlines() if re.match(r"\S", line)]
    assert max(Counter(terms).values()) == 1


def test_the_cards_lead_to_the_lessons_and_name_the_minutes_that_the_lessons_name(site):
    cards = soup(site / "book" / "index.html").select(".cards a")
    assert [card["href"] for card in cards] == [f"../notebooks/{lesson}.html" for lesson in LESSONS]
    for card, lesson in zip(cards, LESSONS, strict=True):
        notebook = json.loads((ROOT / "notebooks" / f"{lesson}.ipynb").read_text())
        title, *_ = first_cell = "".join(notebook["cells"][0]["source"]).splitlines()
        minutes = re.search(r"^\*(\d+) minutes to read", "\n".join(first_cell), re.MULTILINE)[1]
        assert card.select_one(".number").get_text() == f"Lesson {int(lesson[:2])} · {minutes} min"
        assert card.strong.get_text() == title.removeprefix("# ").split(":")[0]
        assert card.select_one(".line").get_text()
        assert (site / "book" / card.img["src"]).is_file()


def test_each_page_describes_itself_and_has_an_icon(site):
    descriptions = {}
    for path in pages(site):
        page = soup(path)
        descriptions[path] = page.find("meta", attrs={"name": "description"})["content"]
        assert 40 < len(descriptions[path]) <= 160, path.name
        card, icon = page.find("meta", property="og:image")["content"], page.find("link", rel="icon")["href"]
        assert (path.parent / card).is_file(), path.name
        assert (path.parent / icon.split("?")[0]).is_file(), path.name
    lessons = [descriptions[site / "notebooks" / f"{lesson}.html"] for lesson in LESSONS]
    assert len(set(lessons)) == len(LESSONS)


def test_the_page_of_the_command_line_has_each_command_and_each_option(site):
    page = soup(site / "book" / "reference" / "cli.html")
    for name, command in typer.main.get_command(app).commands.items():
        section = page.find("section", id=f"cxr-{name}")
        text = section.get_text(" ")
        for parameter in command.params:
            is_option = parameter.param_type_name == "option"
            named = parameter.opts if is_option else [parameter.metavar or parameter.name]
            assert parameter.hidden or all(word in text for word in named), (name, named)


def test_each_drawing_and_chart_is_in_its_page_with_an_alt_text_and_ids_of_its_own(site):
    for lesson in LESSONS:
        page = soup(site / "notebooks" / f"{lesson}.html")
        drawings = page.select("svg.drawing, svg.chart")
        source = (ROOT / "notebooks" / f"{lesson}.ipynb").read_text()
        assert len(page.select("svg.drawing")) == source.count("](drawings/"), lesson
        assert all(len(drawing["aria-label"]) > 20 for drawing in drawings)
        ids = [tag["id"] for drawing in drawings for tag in drawing.find_all(id=True)]
        assert len(ids) == len(set(ids))
        used = {tag.get("href") or tag["xlink:href"] for drawing in drawings for tag in drawing.find_all("use")}
        assert used <= {f"#{name}" for name in ids}


def test_each_formula_of_a_lesson_is_drawn(site):
    for lesson in LESSONS:
        cells = json.loads((ROOT / "notebooks" / f"{lesson}.ipynb").read_text())["cells"]
        prose = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        page = soup(site / "notebooks" / f"{lesson}.html")
        assert len(page.select("math[display=block]")) == prose.count("$$") / 2, lesson
        words = "".join(part for part in page.find_all(string=True) if not part.find_parent(["script", "code", "pre"]))
        assert "$$" not in words, lesson
        assert "\\frac" not in words, lesson


def test_charts_follow_light_and_dark_and_their_type_is_never_too_small(site):
    charts = [svg for lesson in LESSONS for svg in soup(site / "notebooks" / f"{lesson}.html").select("svg.chart")]
    assert len(charts) > len(LESSONS)
    for svg in charts:
        assert not re.search(r"#(000000|d55e00|0072b2|f3c9a8)\b", str(svg))
        words = [tag for tag in svg.find_all(["text", "tspan"]) if "font-size" in tag.get("style", "")]
        smallest = min(float(re.search(r"font-size: ([\d.]+)px", tag["style"])[1]) for tag in words)
        narrowest = float(re.search(r"--narrowest: (\d+)px", svg["style"])[1])
        assert smallest * narrowest / float(svg["viewbox"].split()[2]) >= 11
        assert "rdf:RDF" not in str(svg)


def test_it_is_small_enough_to_be_handed_out(site):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < 25e6
