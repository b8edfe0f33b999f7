"""A model card says what the run holds, and nothing else."""

import re
from dataclasses import replace

import numpy as np
import pytest
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt
from mistune import create_markdown

import cxrlib
from cxrlib.cohorts.cohort import read_cohort
from cxrlib.errors import InputError, printable
from cxrlib.phantom.simulation import simulate
from cxrlib.report.card import CLAIM, TRIPOD_AI, escape_markdown
from cxrlib.training.run import open_run


@pytest.fixture(scope="module")
def card(tiny_run, sim_cohort):
    return cxrlib.model_card(tiny_run, read_cohort(sim_cohort))


def test_its_figures_are_those_of_evaluate(card, tiny_run, sim_cohort):
    made = tiny_run.evaluate(read_cohort(sim_cohort))
    assert f"| AUC | {made.auc} |" in card
    assert f"| sensitivity | {made.performance.sensitivity} |" in card
    assert f"{tiny_run.threshold:.4f}" in card
    assert f"{made.performance.n:,} films of {made.performance.n_patients:,} patients" in card


def test_it_names_each_setting_and_each_split(card, tiny_run):
    recipe = tiny_run.recipe
    assert recipe.start == "scratch"
    plural = "" if recipe.epochs == 1 else "s"
    for words in (f"{recipe.width} channels", f"{recipe.epochs} epoch{plural}", f"at most {recipe.learning_rate:g};"):
        assert words in card
    assert "| first weights | random weights |" in card
    counts = tiny_run.split["split"].value_counts()
    for split in ("train", "val", "test"):
        assert f"| {split} | {counts[split]:,} films" in card


def test_small_groups_are_named_and_not_measured(card):
    rows = re.findall(r"^\| (view|sex|site) .*$", card, re.MULTILINE)
    assert rows
    assert "too few films" in card
    assert "| group | films | with the finding | AUC | sensitivity | specificity |" in card
    assert re.search(r"comparisons? (was|were) made, and Holm's method|No two groups have enough films", card)


def test_each_checklist_item_exists_in_its_checklist(card):
    assert all(1 <= int(number) <= 42 for number in CLAIM)
    assert all(1 <= int(number) <= 27 for number in TRIPOD_AI)
    assert f"CLAIM 2020, {len(CLAIM)} of 42" in card


def test_another_finding_is_refused(tiny_run, tmp_path):
    nodules = simulate(tmp_path / "c", films=20, finding="nodule", prevalence=0.5, size=64)
    with pytest.raises(InputError, match=r"looks for effusion, but .* holds nodule"):
        cxrlib.model_card(tiny_run, read_cohort(nodules), split="all")


def test_the_librarys_own_run_says_that_it_has_learned_from_no_patient(sim_cohort):
    run, cohort = open_run("simulated"), read_cohort(sim_cohort)
    card = cxrlib.model_card(run, cohort, split="all", scores=np.linspace(0, 1, len(cohort.table)))
    learned = card[card.index("## What it has learned from") : card.index("## How it was trained")]
    assert "5,677 of 8,000 films of the library's simulator" in learned
    rows = re.findall(r"^\| (\w+) \| ([\d,]+) films, ([\d,]+) with the finding \|$", learned, re.MULTILINE)
    assert [name for name, *_ in rows] == ["train", "val", "test"]
    assert sum(int(films.replace(",", "")) for _, films, _ in rows) == 8_000
    assert "On all films of" in card


HOSTILE = (
    r"back \ slash \` `code` *a* **b** _c_ __d__ ~~e~~ # | a || b [x](http://e.x) ![x](http://e.x/y.png) "
    "[x]: http://e.x <http://e.x> <me@e.x> http://e.x www.e.x me@e.x <script>1</script> <!-- x --> <b> </td> "
    "&amp; &lt; &#35; $a$ ==b== ^c^ :smile: {{d}} {e}`f` - + 1. #"
)


def test_text_from_outside_comes_out_of_markdown_as_it_went_in():
    """By two renderers that others wrote: markdown-it-py by CommonMark, and mistune with GitHub's links and more."""
    ours = "# Title\n\nText.\n\n| a | b |\n|---|---|\n| c | d |\n"
    texts = HOSTILE, "1. a", "- a", "a\nb | c\n# d", "a\u202eb", "a\udcff"
    plugins = ["table", "url", "strikethrough", "math", "superscript", "mark"]
    for text in texts:
        card = ours.replace("Title", f"Title: {escape_markdown(text)}").replace(
            "Text", f"Text: {escape_markdown(text)}"
        )
        card = card.replace("| c | d |", f"| {escape_markdown(text)} | x {escape_markdown(text)} |")
        for render in (
            MarkdownIt("commonmark").enable(["table"]).render,
            create_markdown(escape=False, plugins=plugins),
        ):
            page = BeautifulSoup(render(card), "html.parser")
            names = {tag.name for tag in page.find_all()}
            assert names == {"h1", "p", "table", "thead", "tbody", "tr", "th", "td"}
            cells = [cell.text for cell in page.find_all("td")]
            shown = [page.h1.text, page.p.text, *cells]
            assert shown == [
                f"Title: {printable(text)}",
                f"Text: {printable(text)}.",
                printable(text),
                f"x {printable(text)}",
            ]


def test_no_name_in_a_card_becomes_markdown(tiny_run, sim_cohort):
    cohort = read_cohort(sim_cohort)
    plain = BeautifulSoup(
        MarkdownIt("commonmark").enable("table").render(cxrlib.model_card(tiny_run, cohort)), "html.parser"
    )
    table = cohort.table.assign(site=cohort.table["site"].map(lambda site: f"{HOSTILE}{site}"))
    run = replace(tiny_run, recipe=replace(tiny_run.recipe, name=HOSTILE, start=HOSTILE))
    card = cxrlib.model_card(run, replace(cohort, table=table))
    page = BeautifulSoup(MarkdownIt("commonmark").enable("table").render(card), "html.parser")
    assert [tag.name for tag in page.find_all()] == [tag.name for tag in plain.find_all()]
    assert page.text.count(HOSTILE) == 3 + cohort.table["site"].nunique()  # title, start twice, sites
