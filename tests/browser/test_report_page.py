"""The page of `cxr report` in a browser: without a network, on wide and narrow screens, light and dark."""

import numpy as np
import pytest

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.evaluation.decisions import cost_threshold
from cxrlib.evaluation.rates import evaluate_scores, performance
from cxrlib.report.page import PREVALENCES, write_page

PICTURES = "[...document.images].map(image => image.decode().then(() => image.naturalWidth))"
LIVE = """names => {
    const text = (name) => document.querySelector(`[data-live="${name}"]`).textContent;
    return Object.fromEntries(names.map((name) => [name, text(name)]));
}"""
TYPE = """([id, value]) => {
    const field = document.getElementById(id);
    field.value = value;
    field.dispatchEvent(new Event("input", {bubbles: true}));
}"""


@pytest.fixture(scope="module")
def report(tiny_run, sim_cohort, tmp_path_factory):
    return write_page(tiny_run, tmp_path_factory.mktemp("page") / "report.html", read_cohort(sim_cohort))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_opens_and_shuts_nobody_out(report, open_page, shuts_out, pictures, width, scheme):
    page = open_page(report, width=width, scheme=scheme)
    assert page.locator("h1").count() == 1
    for part in page.locator("details").all():
        part.evaluate("part => part.open = true")
    widths = page.evaluate(f"Promise.all({PICTURES})")
    assert len(widths) > 8  # curves, calibration, groups, and the worst errors
    assert min(widths) > 0
    assert not shuts_out(page)
    sizes = page.evaluate("[...document.querySelectorAll('body *')].map(e => parseFloat(getComputedStyle(e).fontSize))")
    assert min(sizes) >= 11
    page.screenshot(path=pictures / f"report-{scheme}-{width}.png", full_page=True)


def test_it_never_scrolls_sideways(report, open_page):
    page = open_page(report)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    for width in range(320, 1441, 20):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width


def test_at_200_thresholds_its_figures_are_those_of_evaluate(report, open_page, tiny_run, sim_cohort):
    """Every score is among the thresholds, because there a >= and a > differ."""
    page = open_page(report)
    scores = tiny_run.scores[lambda table: table["split"] == "test"]
    cohort, rng = read_cohort(sim_cohort), np.random.default_rng(0)
    thresholds = [0.0, 1.0, *scores["score"].tolist(), *(10 ** rng.uniform(-3, 0, 198 - len(scores))).tolist()]
    prevalences = [None, 0.02, 0.3]
    for number, threshold in enumerate(thresholds):
        prevalence = prevalences[number % 3]
        columns = scores["label"], scores["score"], threshold, scores["patient_id"]
        made = evaluate_scores("test", *columns, prevalence=prevalence)
        if number % 50 == 49:  # the films are scored anew, as `cxr evaluate --threshold` does
            assert tiny_run.evaluate(cohort, threshold=threshold, prevalence=prevalence).as_text() == made.as_text()
        rates, figures = made.performance, made.as_text()
        page.evaluate(TYPE, ["prevalence", "" if prevalence is None else repr(prevalence)])
        page.evaluate(TYPE, ["threshold-number", repr(threshold)])
        expected = {name: f"{getattr(rates, name):,}" for name in ("tp", "fn", "fp", "tn")}
        expected |= {name: str(getattr(rates, name)) for name in ("sensitivity", "specificity", "ppv", "npv")}
        expected["benefit"] = figures["net benefit over flag none"]
        expected["benefit-over-all"] = figures["net benefit over flag all"]
        expected["cost"] = f"{9 * rates.fn + rates.fp:,}"
        assert page.evaluate(LIVE, list(expected)) == expected, (threshold, prevalence)
    assert number == 199


def test_several_films_of_one_patient_widen_its_intervals_as_the_library_does(report, open_page):
    """The tests' cohort has few films of each patient, so the formulas are also tried on made ones with many."""
    page, rng = open_page(report), np.random.default_rng(1)
    for _ in range(20):
        patients = rng.integers(0, 12, 80)
        labels = (rng.random(80) < 0.2 + 0.5 * (patients % 2)).astype(int)
        scores = np.round(rng.beta(2, 3, 80) * 0.7 + 0.3 * rng.random(12)[patients], 2)
        threshold, prevalence = float(rng.choice(scores)), float(rng.uniform(0.01, 0.6))
        films = {"score": scores.tolist(), "label": labels.tolist(), "patient": patients.tolist()}
        script = """([films, threshold, prevalence]) => {
            Object.assign(FILMS, films);
            return [null, prevalence].map((p) => {
                const made = measure(threshold, p);
                return [made.sensitivity, made.specificity, made.ppv, made.npv, made.benefit, made.benefitOverAll];
            });
        }"""
        for found, at in zip(page.evaluate(script, [films, threshold, prevalence]), (None, prevalence), strict=True):
            made = evaluate_scores("test", labels, scores, threshold, patients, prevalence=at)
            rates = made.performance
            expected = [rates.sensitivity, rates.specificity, rates.ppv, rates.npv]
            expected += [made.net_benefit, made.net_benefit_over_all]
            np.testing.assert_allclose(np.array(found, float), expected, rtol=0, atol=1e-9)


def test_numbers_are_rounded_as_python_rounds_them(report, open_page):
    """An exact tie goes to the even digit, and a number that only looks like a tie does not."""
    numbers = [0.0625, 0.3125, 0.1875, 1.0005, 1.0015, 0.0005, 2.5, -0.0625, -0.1875, 0.99951, 0.0, 1.0]
    page = open_page(report)
    for digits in (0, 3, 4):
        shown = page.evaluate("([numbers, digits]) => numbers.map(x => format(x, digits))", [numbers, digits])
        assert shown == [f"{number:.{digits}f}" for number in numbers]


def test_the_keyboard_alone_moves_the_threshold(report, open_page, tiny_run):
    page = open_page(report)
    scores = tiny_run.scores[lambda table: table["split"] == "test"]
    slider = page.locator("#threshold-slider")
    page.locator("nav a").last.focus()
    while page.evaluate("document.activeElement.id") != "threshold-slider":
        page.keyboard.press("Tab")
    page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuetext") == "threshold 0.0010"
    for key, threshold in (("ArrowRight", 10**-2.99), ("End", 1.0)):
        page.keyboard.press(key)
        made = performance(scores["label"], scores["score"], threshold)
        assert page.locator("#sentence [data-live=tp]").text_content() == str(made.tp)
        assert float(page.locator("#threshold-number").input_value()) == pytest.approx(threshold, abs=1e-4)
    assert page.locator("#said").text_content() == page.locator("#sentence").text_content()
    page.get_by_role("button", name="The threshold of the run").press("Enter")
    assert page.locator("#sentence [data-live=at-threshold]").text_content() == f"{tiny_run.threshold:.4f}"


def test_costs_and_prevalence_are_answered(report, open_page, tiny_run):
    page = open_page(report)
    scores = tiny_run.scores[lambda table: table["split"] == "test"]
    columns = scores["label"], scores["score"], 0.4, scores["patient_id"]
    page.locator("#threshold-number").fill("0.4")
    for prevalence in PREVALENCES:
        made = performance(*columns, prevalence=prevalence)
        row = page.locator(f'[data-prevalence="{prevalence}"]')
        assert [row.locator(name).text_content() for name in (".ppv", ".npv")] == [str(made.ppv), str(made.npv)]
    page.locator("#cost-missed").fill("20")
    page.locator("#cost-alarm").fill("2.5")
    made = performance(*columns)
    assert page.locator("[data-live=cost]").text_content() == f"{20 * made.fn + 2.5 * made.fp:,g}"
    page.locator("#use-cheapest").click()
    implied = cost_threshold(missed=20, false_alarm=2.5)
    assert page.locator("#sentence [data-live=at-threshold]").text_content() == f"{implied:.4f}"
    for field, text in (("threshold-number", "1.5"), ("prevalence", "1"), ("cost-alarm", "-1")):
        page.locator(f"#{field}").fill(text)
        assert page.locator(f"#{field}").get_attribute("aria-invalid") == "true"
    assert page.locator("#sentence [data-live=at-threshold]").text_content() == f"{implied:.4f}"
    assert "not known" in page.locator("[data-live=cost]").text_content()


def test_the_line_can_be_dragged(report, open_page):
    page = open_page(report)
    page.evaluate("document.getElementById('histogram').scrollIntoView({block: 'center', behavior: 'instant'})")
    box = page.locator("#histogram").bounding_box()
    x_of = lambda threshold: box["x"] + box["width"] * (44 + 100 * (np.log10(threshold) + 3)) / 360
    page.mouse.move(x_of(0.01), box["y"] + 40)
    page.mouse.down()
    page.mouse.move(x_of(0.1), box["y"] + 40)
    page.mouse.up()
    assert float(page.locator("#threshold-number").input_value()) == pytest.approx(0.1, rel=0.02)
    line = page.locator("#threshold-line").bounding_box()
    assert line["x"] + line["width"] / 2 == pytest.approx(x_of(0.1), abs=2)


def test_the_gallery_is_filtered_by_group(report, open_page):
    page = open_page(report)
    films = page.locator(".films li")
    views = films.evaluate_all("films => films.map(film => film.dataset.view)")
    for view in set(views):
        page.locator("#filter-view").select_option(view)
        shown = page.locator(".films li:visible").evaluate_all("films => films.map(film => film.dataset.view)")
        assert shown == [view] * views.count(view)
        assert page.locator("#num-shown").text_content() == f"{len(shown)} of {len(views)} are shown."
    page.locator("#filter-view").select_option("")
    assert page.locator(".films li:visible").count() == len(views)
    if page.locator("#show-outline").count():
        page.locator("#show-outline").uncheck()
        assert page.locator(".outline:visible").count() == 0


def test_without_javascript_it_says_the_same_and_has_no_dead_controls(report, browser, open_page):
    # the row of the cost and the texts of the controls need the script
    words = "[...document.querySelectorAll('[data-live]:not([data-needs-script] *)')].map(place => place.textContent)"
    live = open_page(report).evaluate(words)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    for control in page.locator("input, select, button").all():
        assert not control.is_visible()
    shown = [place.text_content() for place in page.locator("[data-live]").all() if place.is_visible()]
    context.close()
    assert shown == live
    assert len(shown) > 15


def test_it_prints_with_all_that_is_folded(report, open_page, tmp_path):
    page = open_page(report)
    folded = page.locator("details").count()
    page.evaluate(
        "addEventListener('beforeprint', () => { window.printed = document.querySelectorAll('details[open]').length; })"
    )
    data = page.pdf(path=tmp_path / "report.pdf")
    assert data.startswith(b"%PDF")
    assert page.evaluate("window.printed") == folded > 2
    assert page.locator("details[open]").count() == 0
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
