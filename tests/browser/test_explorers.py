"""The explorers of lessons 1, 2 and 8, the guesses, the quiz and the progress: by keyboard, from a disk, offline."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from cxrlib.course.labs.lesson_01 import quiz_films, quiz_result
from cxrlib.course.labs.lesson_02 import PATIENT
from cxrlib.course.labs.lesson_08 import count_people
from cxrlib.course.lessons import course_scores
from cxrlib.evaluation.decisions import cost_threshold, shift_prevalence
from cxrlib.evaluation.rates import performance
from cxrlib.phantom.film import Order, take_film

LESSON_1, LESSON_2, LESSON_8, TEACH = (
    "notebooks/01_frame_the_problem.html",
    "notebooks/02_read_a_chest_film.html",
    "notebooks/08_choose_a_threshold.html",
    "book/teach.html",
)
COSTS, PREVALENCES = (1, 3, 10, 30, 100), (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
REFUSE_STORAGE = """Object.defineProperty(window, "localStorage", {
    configurable: true,
    get() { throw new DOMException("refused", "SecurityError"); },
})"""
STICKING_OUT = """[...document.querySelectorAll("form[data-explorer], form[data-guess], .questions, .progress")]
    .filter(form => form.clientWidth && (form.scrollWidth > form.clientWidth
        || form.getBoundingClientRect().right > form.parentElement.getBoundingClientRect().right + 1))
    .map(form => form.className)"""
SMALLEST_TYPE = """() => Math.min(...[...document.querySelectorAll(".explorer *, .guess *, .questions *, .progress *")]
    .filter(part => part.getClientRects().length && [...part.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(part => parseFloat(getComputedStyle(part).fontSize)))"""


VOLUME_MOVES = [
    (None, {}),
    (("volume", "ArrowRight"), {"amount": 500}),
    (("volume", "Home"), {"amount": 0}),
    (("volume", "End"), {"amount": 2000}),
    (("side", "ArrowRight"), {"side": "left"}),
    (("posture", "ArrowLeft"), {"posture": "supine"}),
    (("view", "ArrowRight"), {"view": "AP"}),
    (("volume", "ArrowLeft"), {"amount": 1400}),
    (("side", "ArrowRight"), {"side": "both"}),
]
"""Keys on the controls, and what each changes in the order of the film."""

IMAGE_IS_THERE = """svg => {
    const image = new Image();
    image.src = svg.querySelector("image").href.baseVal;
    return image.decode();
}"""


def press(form, name: str, key: str) -> None:
    """Press a key on the slider or on the chosen button of the group that has this name."""
    group = form.get_by_role("group", name=name, exact=True)
    (group.locator(":checked") if group.count() else form.get_by_label(name)).press(key)


def shown_at(picture, size: tuple[int, int]) -> np.ndarray:
    """Return what a picture on the page shows, as gray levels of 0 to 255 at this size."""
    picture.evaluate(IMAGE_IS_THERE)
    shown = cv2.imdecode(np.frombuffer(picture.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
    return cv2.resize(shown, size, interpolation=cv2.INTER_AREA).astype(float)


def test_the_volume_explorer_shows_the_films_that_the_library_takes(site, open_page):
    page = open_page(site / LESSON_2)
    form = page.get_by_role("form", name="Volume explorer")
    first, second = form.locator("[data-film=first]"), form.locator("[data-film=second]")
    order, before = {"patient": PATIENT, "amount": 400, "side": "right", "posture": "upright", "view": "PA"}, None
    for key, change in VOLUME_MOVES:
        if key:
            press(form, *key)
        order |= change
        pixels = take_film(Order(**order), size=256).image * 255
        asked = f"{order['amount']:,} mL, {order['side']}, {order['posture']}, {order['view']}"
        assert first.get_by_role("status").inner_text().startswith(f"{asked}: fluid on")
        assert asked in first.locator("title").text_content()
        assert form.get_by_label("volume").get_attribute("aria-valuetext") == f"{order['amount']:,} mL"
        shown = shown_at(first.locator("svg"), pixels.shape)
        assert np.abs(shown - pixels).mean() < 3
        assert before is None or np.square(shown - pixels).mean() < np.square(shown - before).mean()
        before = pixels
    assert first.locator("path").get_attribute("d") == ""  # guess first
    form.get_by_label("outline").press("Space")
    assert first.locator("path").get_attribute("d").startswith("M")
    assert second.is_hidden()
    form.get_by_label("a second film").press("Space")
    press(form, "posture, second film", "ArrowRight")
    assert second.get_by_role("status").inner_text().startswith("1,400 mL, both, upright, AP: fluid on")


def random_settings(form, count: int) -> Iterator[tuple[float, int, float]]:
    """Move the sliders by keys. Yield the threshold, the cost and the prevalence, if there is one, of each setting."""
    rng, keys = np.random.default_rng(0), ("ArrowRight", "ArrowLeft", "PageUp", "PageDown", "PageUp", "End", "Home")
    sliders = [form.locator(f"[name={name}]") for name in ("threshold", "cost", "prevalence")]
    sliders = [slider for slider in sliders if slider.count()]
    for _ in range(count):
        yield tuple(float(slider.get_attribute("aria-valuetext").split()[0]) for slider in sliders)
        sliders[rng.choice(len(sliders), p=[0.6, *[0.4 / (len(sliders) - 1)] * (len(sliders) - 1)])].press(
            str(rng.choice(keys))
        )


def test_the_threshold_explorer_shows_what_the_library_computes(site, open_page, short):
    page, val = open_page(site / LESSON_8), course_scores("val")
    form, settings = page.get_by_role("form", name="Threshold explorer"), set()
    for threshold, cost, prevalence in random_settings(form, 30 if short else 150):
        settings.add((threshold, cost, prevalence))
        at = performance(val["label"], val["score"], threshold, val["patient_id"])
        there = performance(val["label"], val["score"], threshold, val["patient_id"], prevalence=prevalence)
        shown = {part.get_attribute("data-show"): part.inner_text() for part in form.locator("[data-show]").all()}
        assert [shown[name] for name in ("tp", "fn", "fp", "tn")] == [f"{n:,}" for n in (at.tp, at.fn, at.fp, at.tn)]
        rates = {"sensitivity": at.sensitivity, "specificity": at.specificity, "ppv": there.ppv, "npv": there.npv}
        assert {name: shown[name] for name in rates} == {name: str(rate) for name, rate in rates.items()}
        found, missed, alarms = count_people(at.sensitivity.value, at.specificity.value, prevalence)
        assert form.get_by_role("status").inner_text().splitlines() == [
            f"Of 1,000 people: {found} found, {missed} missed, {alarms} false alarms.",
            f"Cost: {missed} x {cost:g} + {alarms} = {missed * cost + alarms:,.0f}",
        ]
        marks = {kind: form.locator(f"svg.people:not(.swatch) .{kind}") for kind in ("found", "missed", "alarm")}
        drawn = [marks[kind].get_attribute("d").count("M") for kind in marks]
        assert drawn == [found, missed, alarms]
        cut = cost_threshold(missed=cost, false_alarm=1)
        on_score = float(shift_prevalence(cut, old=prevalence, new=val["label"].mean()))
        assert f"= {cut:.3g} on" in shown["rule"]
        assert float(shown["rule"].rsplit(" ", 1)[1].rstrip(".")) == pytest.approx(on_score, rel=6e-3)
    assert len(settings) > (15 if short else 75)


def test_the_button_goes_to_the_threshold_of_the_formula(site, open_page):
    form = open_page(site / LESSON_8).get_by_role("form", name="Threshold explorer")
    form.get_by_role("button", name="go there").press("Enter")
    assert form.get_by_role("slider", name="threshold").get_attribute("aria-valuetext") == "0.088"
    form.get_by_role("slider", name="cost of a miss").press("End")
    form.get_by_role("button", name="go there").press("Enter")
    assert form.get_by_role("slider", name="threshold").get_attribute("aria-valuetext") == "0.0095"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_line_is_dragged_by_a_pointer_and_then_moved_by_a_key(site, open_page, width):
    page = open_page(site / LESSON_8, width=width)
    form = page.get_by_role("form", name="Threshold explorer")
    chart, slider = form.locator("svg.histogram"), form.get_by_role("slider", name="threshold")
    chart.evaluate("svg => svg.scrollIntoView({ block: 'center', behavior: 'instant' })")
    box, axis = (
        chart.bounding_box(),
        chart.locator(".axis").evaluate("path => [path.getBBox().x, path.getBBox().width]"),
    )
    places = [box["x"] + axis[0] + axis[1] * (3 + np.log10(score)) / 3 for score in (0.5, 0.01)]
    page.mouse.move(places[0], box["y"] + 50)
    page.mouse.down()
    assert float(slider.get_attribute("aria-valuetext")) == pytest.approx(0.5, rel=0.03)
    page.mouse.move(places[1], box["y"] + 60, steps=4)
    page.mouse.up()
    assert float(slider.get_attribute("aria-valuetext")) == pytest.approx(0.01, rel=0.03)
    page.mouse.move(places[0], box["y"] + 60)  # the line was let go
    before = float(slider.get_attribute("aria-valuetext"))
    page.keyboard.press("ArrowRight")
    assert before < float(slider.get_attribute("aria-valuetext")) < before * 1.11
    line = chart.locator(".line.threshold").evaluate("path => path.getBBox().x")
    score = float(slider.get_attribute("aria-valuetext"))
    assert line == pytest.approx(axis[0] + axis[1] * (3 + np.log10(score)) / 3, abs=1)


def test_a_finger_moves_the_line(site, browser):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, offline=True)
    page = context.new_page()
    page.goto((site / LESSON_8).as_uri())
    form = page.get_by_role("form", name="Threshold explorer")
    form.locator("svg.histogram").tap(position={"x": 300, "y": 60})
    assert float(form.get_by_role("slider", name="threshold").get_attribute("aria-valuetext")) > 0.3
    context.close()


def test_the_roc_explorer_shows_what_the_library_computes(site, open_page, short):
    page, val = open_page(site / LESSON_1), course_scores("val")
    form = page.get_by_role("form", name="ROC explorer")
    for threshold, cost in random_settings(form, 10 if short else 60):
        at = performance(val["label"], val["score"], threshold)
        text = form.get_by_role("status").inner_text()
        assert text.startswith(f"{at.tp} of 107 effusions found, {at.fn} missed, {at.fp} false alarms on 1,000 other")
        assert f"sensitivity {at.sensitivity:.2f}".split(" (")[0] in text
        assert text.endswith(f"Cost: {cost:g} x {at.fn} + {at.fp} = {cost * at.fn + at.fp:,.0f}")
    square = form.locator("svg.roc rect").evaluate("r => [r.x, r.y, r.width].map(part => part.baseVal.value)")
    dot = form.locator("svg.roc > g > circle").last.evaluate("c => [c.cx.baseVal.value, c.cy.baseVal.value]")
    at = performance(
        val["label"], val["score"], float(form.get_by_role("slider", name="threshold").get_attribute("aria-valuetext"))
    )
    place = [square[0] + square[2] * (1 - at.specificity.value), square[1] + square[2] * (1 - at.sensitivity.value)]
    assert dot == pytest.approx(place, abs=0.1)


def play(page, calls: list[int]):
    """Play the quiz of lesson 1 by keys alone, and return its form."""
    form = page.get_by_role("form", name="You against the network")
    form.get_by_role("button", name="show film 1").press("Enter")
    for number, call in enumerate(calls, 1):
        assert form.get_by_role("status").inner_text().startswith(f"film {number} of {len(calls)}")
        page.keyboard.press("ne"[call])
    return form


def test_the_quiz_counts_as_the_library_does_and_keeps_the_answers(site, open_page):
    page, films = open_page(site / LESSON_1), quiz_films()
    calls = np.random.default_rng(1).integers(0, 2, len(films)).tolist()
    form = play(page, calls)
    for row, called in zip(form.locator("tbody tr").all(), (calls, [film.called for film in films]), strict=True):
        counts = quiz_result(called)
        assert row.locator("td").all_inner_texts() == [
            f"{counts['right']} of {len(films)}",
            f"{counts['found']} of {counts['effusions']}",
            f"{counts['alarms']} of {counts['others']}",
        ]
    shown = form.get_by_role("listitem").all()
    assert [f"{film.volume_ml:,.0f} mL" in item.inner_text() for film, item in zip(films, shown, strict=True)] == [
        film.label == 1 for film in films
    ]
    right = [item.inner_text().splitlines()[-1] in ("you: found", "you: rightly left alone") for item in shown]
    assert right == [call == film.label for call, film in zip(calls, films, strict=True)]
    star = page.get_by_role("form", name="ROC explorer").locator(".you")
    assert star.count() == 1
    page.reload()
    assert form.locator("tbody td").first.inner_text() == f"{quiz_result(calls)['right']} of {len(films)}"
    form.get_by_role("button", name="clear my answers").press("Enter")
    assert star.count() == 0
    assert form.get_by_role("button", name="show film 1").evaluate("button => button === document.activeElement")
    page.reload()
    assert form.get_by_role("button", name="show film 1").is_visible()


def test_the_buttons_of_the_quiz_answer_as_the_keys_do(site, open_page):
    page = open_page(site / LESSON_1)
    form = page.get_by_role("form", name="You against the network")
    form.get_by_role("button", name="show film 1").click()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # no effusion
    form.get_by_role("button", name="effusion E").click()
    assert form.get_by_role("status").inner_text().startswith("film 3")
    page.keyboard.press("Control+e")  # a key of the browser is no answer
    assert form.get_by_role("status").inner_text().startswith("film 3")


def test_a_guess_is_kept_drawn_in_a_later_lesson_and_cleared(site, open_page):
    page = open_page(site / LESSON_1)
    form = page.locator('[data-guess="threshold of lesson 1"]')
    field, keep, clear = (
        form.get_by_role("spinbutton"),
        *[form.get_by_role("button", name=n) for n in ("keep", "clear")],
    )
    field.fill("7")  # a score is at most 0.9 on this slider
    keep.press("Enter")
    assert clear.is_hidden()
    field.fill("0.15")
    field.press("Enter")
    assert form.get_by_role("status").inner_text() == "Your guess: 0.15. It is kept in this browser."
    page.goto((site / LESSON_8).as_uri())
    legend = page.get_by_role("form", name="Threshold explorer").locator(".legend").first
    assert "your guess in lesson 1: 0.15" in legend.inner_text()
    page.goto((site / LESSON_1).as_uri())
    assert field.input_value() == "0.15"
    clear.press("Enter")
    assert field.input_value() == ""
    page.goto((site / LESSON_8).as_uri())
    assert "your guess" not in legend.inner_text()


def test_a_guess_in_words_is_kept(site, open_page):
    page = open_page(site / LESSON_2)
    field = page.locator('[data-guess="upper edge of the fluid"]').get_by_role("combobox")
    field.select_option("level")
    field.press("Tab")
    page.keyboard.press("Enter")
    page.reload()
    assert field.input_value() == "level"


def test_where_nothing_may_be_kept_all_works_until_one_leaves(site, browser):
    context, broken = browser.new_context(offline=True), []
    context.add_init_script(REFUSE_STORAGE)
    page = context.new_page()
    page.on("pageerror", lambda error: broken.append(error.stack))
    page.goto((site / LESSON_1).as_uri())
    form = page.locator('[data-guess="auc of lesson 1"]')
    form.get_by_role("spinbutton").fill("0.8")
    form.get_by_role("button", name="keep").press("Enter")
    assert "forgotten when you leave" in form.get_by_role("status").inner_text()
    play(page, [1] * len(quiz_films()))
    assert page.get_by_role("form", name="ROC explorer").locator(".you").count() == 1
    progress = page.get_by_role("region", name="Your progress")
    progress.get_by_role("button", name="I have finished").press("Enter")
    assert "Finished: 1" in progress.get_by_role("status").inner_text()
    assert "forgotten when you leave" in progress.get_by_role("status").inner_text()
    assert not broken
    context.close()


def test_the_quiz_of_the_course_replies_keeps_and_forgets(site, open_page):
    page = open_page(site / TEACH)
    form = page.get_by_role("form", name="Quiz")
    questions, check = form.locator("fieldset").all(), form.get_by_role("button", name="check my answers")
    rights = [question.get_attribute("data-right") for question in questions]
    for question, right in zip(questions, rights, strict=True):
        question.locator("input").nth("abcd".index(right)).press("Space")
    check.press("Enter")
    assert form.get_by_role("status").inner_text() == "12 of 12 are right."
    wrong = questions[0].locator('input[value="b"]')
    wrong.press("Space")
    assert form.get_by_role("status").inner_text() == ""  # the reply was to the old answers
    check.press("Enter")
    assert form.get_by_role("status").inner_text() == "11 of 12 are right."
    assert questions[0].locator(".reply").inner_text() == 'Not right: always saying "no" is right as often.'
    page.reload()
    assert wrong.is_checked()
    assert form.locator(":checked").count() == 12
    form.get_by_role("button", name="clear my answers").press("Enter")
    page.reload()
    assert form.locator(":checked").count() == 0


def test_progress_is_kept_shown_in_the_list_and_cleared(site, open_page):
    page = open_page(site / LESSON_2)
    page.goto((site / LESSON_8).as_uri())
    progress = page.get_by_role("region", name="Your progress")
    finished, told = progress.get_by_role("button", name="I have finished"), progress.get_by_role("status")
    finished.press("Enter")
    assert finished.get_attribute("aria-pressed") == "true"
    assert told.inner_text().startswith("Finished: 1 of 12 lessons. Opened: 2.")
    page.goto((site / LESSON_1).as_uri())
    marks = page.locator(".sidebar-tree .lesson-mark").all_text_contents()
    assert [mark.split() for mark in marks] == [["·", "opened"], ["·", "opened"], ["✓", "finished"]]
    progress.get_by_role("button", name="clear my progress").press("Enter")
    assert page.locator(".lesson-mark").count() == 0
    page.reload()
    assert told.inner_text().startswith("Finished: 0 of 12 lessons. Opened: 1.")


def test_everything_can_be_cleared_at_once(site, open_page):
    page = open_page(site / LESSON_1)
    play(page, [0] * len(quiz_films()))
    with page.expect_navigation():
        page.get_by_role("button", name="clear guesses and answers").press("Enter")
    kept = page.evaluate("JSON.parse(localStorage.getItem('cxrlib reader'))")
    assert set(kept) <= {"lessons opened", "lessons finished"}
    assert page.get_by_role("button", name="show film 1").is_visible()


def show_all(page) -> None:
    """Bring the explorers of a page to the state that shows the most."""
    if page.get_by_role("button", name="show film 1").count():
        play(page, [1] * len(quiz_films()))
    for box in page.locator(".explorer [type=checkbox]").all():
        box.check()
    if page.locator(".questions").count():
        page.locator(".questions input").first.check()
        page.get_by_role("button", name="check my answers").click()


@pytest.mark.parametrize("name", [LESSON_1, LESSON_2, LESSON_8, TEACH])
def test_no_form_is_wider_than_its_place_and_no_type_is_small(site, open_page, short, name):
    page = open_page(site / name, width=390)
    show_all(page)
    for width in range(320, 1441, 140 if short else 20):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.evaluate(STICKING_OUT) == [], width
        assert page.evaluate(SMALLEST_TYPE) >= 11, width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [LESSON_1, LESSON_2, LESSON_8, TEACH])
def test_the_forms_shut_nobody_out(site, open_page, shuts_out, name, scheme):
    page = open_page(site / name, scheme=scheme)
    show_all(page)
    assert not shuts_out(page)


@pytest.mark.parametrize("width", [1280, 390])
def test_they_can_be_looked_at(site, open_page, pictures, width):
    for scheme in ("light", "dark"):
        for name in (LESSON_1, LESSON_2, LESSON_8):
            page = open_page(site / name, width=width, scheme=scheme)
            show_all(page)
            for form in page.locator("[data-explorer]").all():
                explorer = form.get_attribute("data-explorer")
                form.screenshot(path=pictures / f"site-{explorer}-{scheme}-{width}.png")
