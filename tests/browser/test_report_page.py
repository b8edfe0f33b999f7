"""The page of `cxr report` in a browser: without a network, on wide and narrow screens, light and dark."""

import pytest

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.report.page import write_page

PICTURES = "[...document.images].map(image => image.decode().then(() => image.naturalWidth))"


@pytest.fixture(scope="module")
def report(tiny_run, sim_cohort, tmp_path_factory):
    return write_page(tiny_run, tmp_path_factory.mktemp("page") / "report.html", read_cohort(sim_cohort))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_opens_and_shuts_nobody_out(report, open_page, shuts_out, pictures, width, scheme):
    page = open_page(report, width=width, scheme=scheme)
    assert page.locator("h1").count() == 1
    widths = page.evaluate(f"Promise.all({PICTURES})")
    assert len(widths) > 8  # curves, calibration, groups, and the worst errors
    assert min(widths) > 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not shuts_out(page)
    page.screenshot(path=pictures / f"report-{scheme}-{width}.png", full_page=True)
