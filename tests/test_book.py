"""The site: it is built without a warning, needs no other host, and has an alt text for each picture."""

import json
import re
from collections import Counter
from functools import cache
from itertools import product
from pathlib import Path
from urllib.parse import unquote, urlsplit

import cv2
from bs4 import BeautifulSoup
from built import pages

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
        if path.name != "searchindex.js":  # the text of the pages, which are checked above
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
            assert len(tag.get("alt", "")) > 20, (path.name, tag)
            assert tag["src"].startswith("data:") or (path.parent / tag["src"]).is_file()


def test_a_lesson_has_its_pictures_and_says_what_needs_a_kernel(site):
    for lesson in LESSONS:
        source = (ROOT / "notebooks" / f"{lesson}.ipynb").read_text()
        page = soup(site / "notebooks" / f"{lesson}.html")
        assert len(page.select(".cell_output img")) == len(re.findall(r'"image/(?:jpeg|png)": "', source)), lesson
        assert "VBox(" not in page.get_text(), lesson
        explorers = len(page.select("[data-explorer]"))
        notes = page.find_all(string=re.compile("where a kernel runs: open|Write your guess down"))
        assert len(notes) + explorers == source.count('"application/vnd.jupyter.widget-view+json":'), lesson
        assert "Without a running kernel" not in page.get_text(), lesson


def explorer_data(site, name: str) -> dict:
    script = (site / "_static" / "explorers" / f"{name}.js").read_text()
    return json.loads(script.removeprefix(f"const {name}Data = ").removesuffix(";\n"))


def test_the_volume_explorer_has_a_film_for_each_of_its_settings(site):
    page, data = soup(site / "notebooks" / "02_read_a_chest_film.html"), explorer_data(site, "volume")
    choices = [[option.get_text(strip=True) for option in select.find_all("option")] for select in page("select")]
    assert set(data["strips"]) == {"-".join(choice) for choice in product(*choices)}
    for name, films in data["strips"].items():
        strip = cv2.imread(str(site / "_static" / "explorers" / f"{name}.jpg"), cv2.IMREAD_GRAYSCALE)
        assert strip.shape == (data["size"], data["size"] * len(data["volumes"]))
        assert [film["caption"].split(" mL")[0] for film in films] == [f"{ml:,}" for ml in data["volumes"]]
        assert [bool(film["outline"]) for film in films] == [ml > 0 for ml in data["volumes"]]


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
