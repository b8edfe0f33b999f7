"""A JupyterLab of the tests' own, and a browser to look at it with."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parents[2]
NO_PLAYWRIGHT = "tests/browser need the package playwright: pip install -r requirements.txt"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
NO_BROWSER = (
    "tests/browser need Chromium, Chrome or Edge, and found none: install one (on Debian: apt-get install chromium; "
    "anywhere: playwright install chromium), or name its program in CXR_BROWSER"
)
START_SECONDS = 120
WIDTHS = {1280: 900, 390: 844}
"""A desk's and a telephone's, in pixels, each with a height."""
AXE = {"resultTypes": ["violations"], "preload": False}  # it may not ask for files that lie on a disk
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}


@dataclass(frozen=True)
class Lab:
    """A JupyterLab that runs."""

    url: str
    port: int
    port_asked_for: int
    notebooks: Path


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """Where the notebooks keep what they make: CXR_CACHE if it is named, else a folder that starts empty."""
    return Path(os.environ.get("CXR_CACHE") or tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def lab(tmp_path_factory, cache):
    """JupyterLab on a copy of the notebooks, with settings of its own, asked for a port that is in use."""
    home = tmp_path_factory.mktemp("lab")
    notebooks = home / "notebooks"
    shutil.copytree(ROOT / "notebooks", notebooks, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    tables = shutil.ignore_patterns("*.py", "__pycache__")
    shutil.copytree(ROOT / "benchmarks", home / "benchmarks", ignore=tables)  # lesson 10 reads them
    settings = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps(NO_NEWS), encoding="utf-8")
    own = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"IPYTHONDIR": str(home / "ipython"), "CXR_CACHE": str(cache)}
    with socket.create_server(("127.0.0.1", 0)) as taken, (home / "log.txt").open("w") as log:
        port = taken.getsockname()[1]
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": port,
            "ServerApp.root_dir": notebooks,
            "ServerApp.open_browser": False,
            "ServerApp.allow_root": True,
            "IdentityProvider.token": "",
            "LabApp.user_settings_dir": home / "settings",
            "LabApp.workspaces_dir": home / "workspaces",
            "LabApp.expose_app_in_browser": True,
        }
        command = [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())]
        server = subprocess.Popen(command, env=os.environ | own, cwd=home, stdout=log, stderr=log)
        try:
            told = wait_for_server(server, home / "runtime" / f"jpserver-{server.pid}.json")
            if told is None:
                pytest.fail("JupyterLab did not start:\n" + (home / "log.txt").read_text(encoding="utf-8")[-2000:])
            yield Lab(url=told["url"].rstrip("/"), port=told["port"], port_asked_for=port, notebooks=notebooks)
        finally:
            server.terminate()
            server.wait(timeout=60)


def wait_for_server(server, info: Path) -> dict | None:
    """Return what the server says of itself once it answers; None if it ended, or said nothing in time."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            told = json.loads(info.read_text(encoding="utf-8"))
            with urlopen(f"{told['url']}api/status", timeout=10):
                return told
        except (FileNotFoundError, json.JSONDecodeError, URLError):
            time.sleep(0.2)
    return None


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where screenshots go."""
    folder = ROOT / "build" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window: the one in CXR_BROWSER, the system's, or Playwright's own."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        pytest.exit(NO_PLAYWRIGHT, returncode=1)
    program = os.environ.get("CXR_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=program)
        except Error as error:
            pytest.exit(f"{NO_BROWSER} ({str(error).strip().splitlines()[0]})", returncode=1)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page of 1280 x 900 px."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


@pytest.fixture
def open_page(browser):
    """Return a function that opens a page with the network cut; whatever the browser complains of fails the test."""
    contexts, heard = [], []

    def open_page(path, *, width: int = 1280, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": WIDTHS[width]}, color_scheme=scheme)
        contexts.append(context)
        context.set_offline(True)
        page = context.new_page()
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("console", lambda told: heard.append(told.text) if told.type in ("error", "warning") else None)
        leaves = "net::ERR_ABORTED"  # the test left the page while a file was on its way
        page.on("requestfailed", lambda request: None if request.failure == leaves else heard.append(request.url))
        page.on(
            "request", lambda request: None if request.url.startswith(("file:", "blob:")) else heard.append(request.url)
        )
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not [told for told in heard if not told.startswith("data:")]


@pytest.fixture
def shuts_out():
    """Return a function that lists what axe-core finds serious or critical on a page."""
    from axe_playwright_python.sync_playwright import Axe  # here, for without playwright `browser` says what is needed

    def shuts_out(page) -> list:
        violations = Axe().run(page, options=AXE).response["violations"]
        grave = [violation for violation in violations if violation["impact"] in ("serious", "critical")]
        return [(violation["id"], node["target"], node["html"]) for violation in grave for node in violation["nodes"]]

    return shuts_out
