"""A model card says what the run holds, and nothing else."""

import re
from dataclasses import replace

import numpy as np
import pytest

import cxrlib
from cxrlib.cohorts.cohort import read_cohort
from cxrlib.errors import InputError
from cxrlib.phantom.simulation import simulate
from cxrlib.report.card import CLAIM, TRIPOD_AI
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
    for name in ("width", "epochs", "learning_rate", "start"):
        assert f"| {name} | {getattr(tiny_run.recipe, name)} |" in card
    counts = tiny_run.split["split"].value_counts()
    for split in ("train", "val", "test"):
        assert f"| {split} | {counts[split]:,} films" in card


def test_small_groups_are_named_and_not_measured(card):
    rows = re.findall(r"^\| (view|sex|site) .*$", card, re.MULTILINE)
    assert rows
    assert "too few films" in card


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
    assert "14,040 of 20,000 films of the library's simulator" in learned
    rows = re.findall(r"^\| (\w+) \| ([\d,]+) films, ([\d,]+) with the finding \|$", learned, re.MULTILINE)
    assert [name for name, *_ in rows] == ["train", "val", "test"]
    assert sum(int(films.replace(",", "")) for _, films, _ in rows) == 20_000
    assert "On all films of" in card


def test_a_bar_in_a_name_does_not_break_a_table(tiny_run, sim_cohort):
    cohort = read_cohort(sim_cohort)
    table = cohort.table.assign(site=cohort.table["site"].map("ward|{}".format))
    card = cxrlib.model_card(tiny_run, replace(cohort, table=table))
    assert r"| site ward\|0 |" in card
