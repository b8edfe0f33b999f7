"""Every notebook in JupyterLab, as a student meets it: opened, run, its sliders moved, films uploaded, looked at."""

import ast
from pathlib import Path
from urllib.parse import urlsplit

from cxrlib.images.radiograph import write_prepared
from cxrlib.phantom.film import Order, take_film

NOTEBOOKS = sorted(path.name for path in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
SHORT = ("02_read_a_chest_film.ipynb", "08_choose_a_threshold.ipynb")
"""The notebooks of the short form. They have sliders, and are quick."""

UPLOADS = {"09_see_what_it_sees.ipynb": 1}
"""The notebooks that take a file, and how many buttons for it each has."""

ONE_FILM = "list(lab_films)"
"""The choice of a film in lesson 4. Without films of the reader's own there is 1, and so no control."""

RUN_SECONDS = 900
MOVE_SECONDS = 60
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

READY = """() => {
    const panel = window.jupyterapp?.shell.currentWidget;
    return panel?.sessionContext?.session?.kernel?.status === "idle" && panel.content.widgets.length > 1;
}"""
CODE_CELLS = """() => jupyterapp.shell.currentWidget.content.widgets
    .map((widget, index) => ({index, ...widget.model.toJSON()}))
    .filter(cell => cell.cell_type === "code")"""
ENDED = f"""() => {{
    const cells = ({CODE_CELLS})();
    const idle = jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === "idle";
    const failed = cells.some(cell => cell.outputs.some(output => output.output_type === "error"));
    return failed || (idle && cells.every(cell => cell.execution_count));
}}"""
SHOW_CELL = """async index => {
    const notebook = jupyterapp.shell.currentWidget.content;
    await notebook.scrollToItem(index, "start");
    return notebook.widgets[index].node;
}"""
BAR = ".jp-Notebook-ExecutionIndicator[data-status={status}] [role=progressbar]"
SLIDER = ".widget-slider [role=slider]"
TOGGLE = ".widget-toggle-buttons"
PICTURE = "img.widget-image"
UPLOAD = ".widget-upload"
ANOTHER_PICTURE = """([node, shown]) => {
    const picture = node.querySelector("img.widget-image");
    return picture?.naturalWidth && picture.src !== shown;
}"""
STOP_KERNELS = "() => jupyterapp.serviceManager.sessions.shutdownAll()"


def pytest_generate_tests(metafunc):
    if "notebook" in metafunc.fixturenames:
        names = SHORT if metafunc.config.getoption("--short") else NOTEBOOKS
        metafunc.parametrize("notebook", names, ids=lambda name: name.removesuffix(".ipynb"))


def test_where_the_port_is_in_use_the_next_free_one_is_taken(lab):
    assert lab.port != lab.port_asked_for


def test_notebook_runs_in_jupyterlab(notebook, lab, page, pictures, tmp_path):
    asked, broken = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.goto(f"{lab.url}/lab/tree/{notebook}?reset")
    page.wait_for_function(READY, timeout=120_000)
    try:
        choose(page, "Edit", "Clear Outputs of All Cells")
        choose(page, "Run", "Run All Cells")
        page.wait_for_selector(BAR.format(status="busy"))
        page.wait_for_function(ENDED, timeout=RUN_SECONDS * 1000, polling=500)
        cells = page.evaluate(CODE_CELLS)
        assert not list(complaints(cells))
        assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
        page.wait_for_selector(BAR.format(status="idle") + '[aria-valuenow="100"]')
        assert not page.locator("[role=dialog], .jp-Notification-Toast, .Toastify__toast").count()
        assert move_sliders(page, cells) == sum(count_sliders(cell["source"]) for cell in cells)
        see_guesses_beside_results(page, cells)
        assert upload_films(page, cells, tmp_path) == UPLOADS.get(notebook, 0)
        assert not page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count()  # below a slider, too
        take_pictures(page, cells, pictures / notebook.removesuffix(".ipynb"))
    finally:
        page.screenshot(path=pictures / "last.png")  # what was seen when something failed
        page.evaluate(STOP_KERNELS)
    assert {urlsplit(url).hostname for url in asked if url.startswith("http")} == {"127.0.0.1"}
    assert not broken


def choose(page, menu: str, item: str) -> None:
    """Choose an item of the menu bar."""
    page.locator(".lm-MenuBar-itemLabel", has_text=menu).first.click()
    page.locator(".lm-Menu-itemLabel").get_by_text(item, exact=True).click()


def complaints(cells: list[dict]):
    """Yield what stands in outputs as an error or on stderr."""
    for cell in cells:
        for output in cell["outputs"]:
            if output["output_type"] == "error" or output.get("name") == "stderr":
                yield "".join(cell["source"]), output.get("traceback") or output.get("text")


def count_sliders(source: str) -> int:
    """Return how many controls the calls of `sliders` in a cell ask for."""
    nodes = list(ast.walk(ast.parse(source)))
    assigned = [node for node in nodes if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
    dicts = {node.targets[0].id: node.value for node in assigned}
    calls = [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "sliders"]
    words = [word for call in calls for word in call.keywords]
    words = [word for word in words if ast.unparse(word.value) != ONE_FILM]
    return sum(1 if word.arg else len(dicts[word.value.id].keywords) for word in words)  # no arg: sliders(**ranges)


def move_sliders(page, cells: list[dict]) -> int:
    """Move each slider and press one button of each choice, see the picture change, and return how many."""
    moved = 0
    for cell in (cell for cell in cells if "sliders(" in cell["source"]):
        node = page.evaluate_handle(SHOW_CELL, cell["index"]).as_element()
        node.wait_for_selector(PICTURE)  # it is there before anything is moved
        page.wait_for_function(ANOTHER_PICTURE, arg=[node, None], timeout=MOVE_SECONDS * 1000)
        for control in node.query_selector_all(f"{SLIDER}, {TOGGLE}"):
            shown = node.query_selector(PICTURE).get_attribute("src")
            first, button = (control.query_selector(f"button{kind}") for kind in (".mod-active", ":not(.mod-active)"))
            (button or control).focus()
            page.keyboard.press("Enter" if button else "ArrowRight")
            page.wait_for_function(ANOTHER_PICTURE, arg=[node, shown], timeout=MOVE_SECONDS * 1000)
            moved += 1
            if button:  # back to the first choice: some sliders change nothing with another one
                shown = node.query_selector(PICTURE).get_attribute("src")
                first.focus()
                page.keyboard.press("Enter")
                page.wait_for_function(ANOTHER_PICTURE, arg=[node, shown], timeout=MOVE_SECONDS * 1000)
    return moved


def see_guesses_beside_results(page, cells: list[dict]) -> None:
    """Make each guess whose result is known by now, and see both side by side."""
    for cell in (cell for cell in cells if "guess(" in cell["source"] and "result=" in cell["source"]):
        node = page.evaluate_handle(SHOW_CELL, cell["index"]).as_element()
        node.wait_for_selector("button:has-text('this is my guess')").click()
        node.wait_for_selector("text=/You guessed .+ The result is .+/")


def upload_films(page, cells: list[dict], folder: Path) -> int:
    """Upload a film and then what is none, see the picture and then a sentence, and return to how many buttons."""
    film, letter = folder / "film.png", folder / "letter.png"
    write_prepared(film, take_film(Order(patient=1), size=256).image)
    letter.write_text("Dear doctor,")
    uploads = [cell for cell in cells if "upload_explorer(" in cell["source"]]
    for cell in uploads:
        node = page.evaluate_handle(SHOW_CELL, cell["index"]).as_element()
        for path, answer in ((film, ".widget-output img"), (letter, ".widget-output >> text=letter.png: ")):
            button = node.wait_for_selector(UPLOAD)
            with page.expect_file_chooser() as chooser:
                button.click()
            chooser.value.set_files(path)
            node.wait_for_selector(answer, timeout=MOVE_SECONDS * 1000)
        assert not node.query_selector(".widget-output img")
    return len(uploads)


def take_pictures(page, cells: list[dict], stem: Path) -> None:
    """Save the largest figure at 1280 px, and what a telephone shows of the page's top and of that figure."""
    largest = max(cells, key=lambda cell: max(map(picture_bytes, cell["outputs"]), default=0))
    node = page.evaluate_handle(SHOW_CELL, largest["index"]).as_element()
    node.wait_for_selector(".jp-OutputArea img").screenshot(path=f"{stem}-figure-{DESK['width']}.png")
    page.set_viewport_size(PHONE)
    page.evaluate("jupyterapp.shell.collapseLeft()")  # the list of files would leave no room
    for name, index in (("top", 0), ("figure", largest["index"])):
        page.evaluate(SHOW_CELL, index)
        page.wait_for_timeout(1000)  # JupyterLab draws what comes into view a little later
        page.screenshot(path=f"{stem}-{name}-{PHONE['width']}.png")


def picture_bytes(output: dict) -> int:
    """Return the length of an output's picture or chart, 0 where it is none."""
    data = output.get("data", {})
    return max(len("".join(data.get(kind, ""))) for kind in ("image/jpeg", "image/svg+xml"))
