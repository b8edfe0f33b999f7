"""A run gets further thresholds, each with its rule, its films and its intervals. It uses the newest or a named one."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from in_process import cxr
from sklearn.metrics import roc_curve

import cxrlib
from cxrlib.cohorts.cohort import read_cohort, read_unlabelled
from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import proportion
from cxrlib.files import locked
from cxrlib.phantom.simulation import simulate
from cxrlib.report.page import write_page
from cxrlib.training import stored_point, threshold
from cxrlib.training.manifest import MANIFEST, write_manifest
from cxrlib.training.run import SIMULATED, open_run
from cxrlib.training.stored_point import POINTS, read_points
from cxrlib.training.threshold import choose_threshold


@pytest.fixture
def run(tiny_run, tmp_path):
    return open_run(shutil.copytree(tiny_run.folder, tmp_path / "run"))


@pytest.fixture(scope="module")
def new_place(tmp_path_factory) -> Path:
    """A cohort that the run has not seen, with a split."""
    return simulate(tmp_path_factory.mktemp("new") / "place", films=80, prevalence=0.4, size=64, seed=21)


@pytest.fixture
def folder(new_place, tmp_path) -> Path:
    """A folder of 40 films without labels, in sub-folders, and of three files that are refused."""
    folder = tmp_path / "incoming"
    (folder / "deep").mkdir(parents=True)
    for index, path in enumerate(read_cohort(new_place).files[::2]):
        shutil.copy(path, folder / ("deep" if index % 2 else ".") / f"film{index}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno film")
    (folder / "deep" / "empty.dcm").write_bytes(b"")
    cv2.imwrite(str(folder / "colour.png"), np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    return folder


def snapshot(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_on_the_runs_own_validation_films_it_is_the_best_of_the_roc(run):
    before = snapshot(run.folder)
    chosen = choose_threshold(run, sensitivity=0.8)
    point, val = chosen.operating_point, run.scores.query("split == 'val'")
    fpr, tpr, _ = roc_curve(val["label"], val["score"], drop_intermediate=False)
    assert point.sensitivity.value == pytest.approx(tpr[tpr >= 0.8].min())
    assert point.specificity.value == pytest.approx((1 - fpr)[tpr >= 0.8].max())
    called = val["score"] >= chosen.threshold
    assert point.flagged == proportion(called, val["patient_id"])
    assert (point.n, point.n_finding, point.n_patients) == (len(val), val["label"].sum(), val["patient_id"].nunique())
    assert set(point.film_ids) == set(run.split.query("split == 'val'")["film_id"])
    assert point.name == f"sensitivity-0.8-{datetime.now(UTC):%Y-%m-%d}"
    after = snapshot(run.folder)
    assert set(after) - set(before) == {f"{POINTS}/{point.name}.json"}
    assert [name for name in before if before[name] != after[name]] == [MANIFEST]
    cheapest = choose_threshold(run, cost=(20, 1)).threshold
    costs = [
        20 * ((val["score"] < t) & (val["label"] == 1)).sum() + ((val["score"] >= t) & (val["label"] == 0)).sum()
        for t in [cheapest, *val["score"], 1.0]
    ]
    assert costs[0] == min(costs)


def test_the_newest_is_used_and_each_can_be_named(run, sim_cohort):
    first = choose_threshold(run, capacity=0.5, name="first")
    second = choose_threshold(first, capacity=0.2, name="second")
    again = open_run(run.folder)
    assert again.operating_point == second.operating_point
    assert first.threshold < second.threshold == again.threshold
    assert open_run(run.folder, operating_point="first").threshold == first.threshold
    assert open_run(run.folder, operating_point="training").threshold == run.threshold
    assert open_run(run.folder, operating_point="training").operating_point == run.operating_point
    with pytest.raises(InputError, match=r"has no operating point 'third'; it has training, first, second$"):
        open_run(run.folder, operating_point="third")
    film = read_cohort(sim_cohort).files[0]
    assert again.predict(film).threshold == second.threshold
    assert again.predict(film, threshold=0.25).threshold == 0.25
    result = again.evaluate(read_cohort(sim_cohort))
    assert (result.operating_point, result.performance.threshold) == ("second", second.threshold)
    assert again.evaluate(read_cohort(sim_cohort), threshold=0.25).operating_point is None


def test_newest_is_by_the_time_in_the_file_and_a_wrong_clock_does_not_matter(run):
    first = choose_threshold(run, capacity=0.5, name="b").operating_point
    ahead = datetime.now(UTC) + timedelta(days=400)
    path = run.folder / POINTS / "b.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chosen": ahead.isoformat()}))
    write_manifest(run.folder)
    second = choose_threshold(run, capacity=0.2, name="a").operating_point
    assert second.chosen > ahead > first.chosen
    path.touch()
    assert open_run(run.folder).operating_point.name == "a"
    names = [choose_threshold(run, capacity=0.2).operating_point.name for _ in range(3)]
    assert names == [names[0], f"{names[0]}-2", f"{names[0]}-3"]
    assert list(read_points(run.folder, None)[0]) == ["training", "b", "a", *names]


def test_a_cohort_gives_its_validation_films_unless_another_split_is_named(run, new_place, two_folders):
    cohort = read_cohort(new_place)
    scores = pd.Series(run.score_cohort(cohort), cohort.table["path"])
    for split in (None, "test", "all"):
        part = cohort.part(split or "val")
        chosen = choose_threshold(run, cohort, split=split, capacity=0.25)
        point = chosen.operating_point
        in_part = scores[part.table["path"]]
        assert (in_part >= chosen.threshold).sum() == len(part.table) // 4
        assert point.films == {"all": "all films of place"}.get(split, f"the {split or 'val'} films of place")
        assert (point.n, point.n_finding) == (len(part.table), part.labels.sum())
    (two_folders.parent / "bare").rename(two_folders.parent / "no split")
    bare = choose_threshold(run, read_cohort(two_folders.parent / "no split"), capacity=0.25).operating_point
    assert (bare.films, bare.n) == ("all films of no split", 12)


def test_training_films_among_them_cause_a_warning(run, sim_cohort):
    cohort = read_cohort(sim_cohort)
    assert not [text for text in choose_threshold(run, cohort, capacity=0.3).operating_point.warnings if "run" in text]
    point = choose_threshold(run, cohort, split="all", capacity=0.3).operating_point
    num_train = (run.split["split"] == "train").sum()
    assert point.warnings[0] == f"{num_train} of these films are training films of the run"
    shutil.copytree(sim_cohort / "effusion", run.folder.parent / "unlabelled")
    point = choose_threshold(run, films=run.folder.parent / "unlabelled", capacity=0.3).operating_point
    learned = (run.split.query("split == 'train'")["label"] == 1).sum()
    assert point.warnings[0].startswith(f"{learned} of these films are training films of the run")


def test_evaluate_warns_of_the_films_that_chose_the_point_that_is_used(run, new_place):
    cohort = read_cohort(new_place)
    chosen = choose_threshold(run, cohort, sensitivity=0.7, name="here")
    num_val = len(cohort.part("val").table)
    warned = lambda result: [text for text in result.warnings if "was chosen on" in text]
    for split in ("val", "all"):
        (warning,) = warned(chosen.evaluate(cohort, split=split))
        assert warning.startswith(f"the operating point here was chosen on {num_val} of these films")
    assert warned(chosen.evaluate(cohort)) == []
    assert warned(chosen.evaluate(cohort, split="val", threshold=0.5)) == []
    assert warned(open_run(run.folder, operating_point="training").evaluate(cohort, split="val")) == []


def test_films_without_labels_are_flagged_as_predict_scores_them(run, folder):
    left_out = []
    chosen = choose_threshold(run, films=folder, capacity=0.3, warn=left_out.append)
    films = sorted(folder.rglob("film*.png"))
    scores = np.array([run.predict(film).score for film in films])
    assert sum(chosen.predict(film).finding for film in films) == (scores >= chosen.threshold).sum() == 12
    point = chosen.operating_point
    assert (point.n, point.n_finding, point.sensitivity, point.specificity) == (40, None, None, None)
    assert point.flagged == proportion(scores >= chosen.threshold, np.arange(40))
    assert sorted(text.split(": ")[1].rsplit("/")[-1] for text in left_out) == ["broken.png", "colour.png", "empty.dcm"]
    assert point.warnings[0] == "3 of 43 films were refused and are left out (first: broken.png)"
    assert "sensitivity and specificity are not known, because these films have no labels" in point.describe_figures()
    assert "labels not known" in point.describe()


def test_patients_of_a_folder_are_known_by_its_names(tmp_path):
    for patient in ("patient1", "patient2"):
        (tmp_path / "films" / patient).mkdir(parents=True)
        for index in range(2):
            cv2.imwrite(str(tmp_path / "films" / patient / f"{index}.png"), np.eye(8, dtype=np.uint8))
    table, _ = read_unlabelled(tmp_path / "films")
    assert table["patient_id"].tolist() == ["patient1", "patient1", "patient2", "patient2"]
    with pytest.raises(InputError, match="no such folder"):
        read_unlabelled(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no films in it"):
        read_unlabelled(tmp_path / "empty")


def test_what_cannot_be_is_refused_in_one_sentence_and_nothing_is_written(run, new_place, folder, tmp_path):
    cohort = read_cohort(new_place)
    other = read_cohort(simulate(tmp_path / "other", films=20, prevalence=0.5, size=64, finding="nodule"))
    table = cohort.table
    one_class = cohort.part("all").__class__(
        cohort.folder, cohort.finding, table[(table["split"] != "val") | (table["label"] == 0)].reset_index(drop=True)
    )
    (tmp_path / "only bad").mkdir()
    shutil.copy(folder / "broken.png", tmp_path / "only bad")
    (tmp_path / "few").mkdir()
    shutil.copy(folder / "film0.png", tmp_path / "few")
    (tmp_path / "link").symlink_to(tmp_path)
    choose_threshold(run, capacity=0.3, name="there")
    before = snapshot(run.folder)
    for arguments, message in (
        ({}, r"no rule is given; exactly one is needed: --sensitivity, --cost or --capacity"),
        ({"capacity": 0.3, "cost": (2, 1)}, "2 rules are given; exactly one is needed"),
        ({"capacity": 0.3, "confidence": 0.9}, "a confidence is given without a sensitivity"),
        ({"capacity": 1.5}, "capacity is 1.5; it must lie between 0 and 1"),
        ({"sensitivity": 90}, "sensitivity is 90; it must lie between 0 and 1"),
        ({"sensitivity": 0.9, "confidence": 1}, "confidence is 1; it must lie between 0 and 1"),
        ({"sensitivity": 0.9, "confidence": 0.99}, r"cannot show a sensitivity of 0\.9 .*; at least 44 are needed"),
        ({"cost": (0, 1)}, "costs are 0 and 1; both must be numbers above 0"),
        ({"films": folder, "cost": (2, 1)}, "the films have no labels, so the rule must be a capacity"),
        ({"films": folder, "cohort": cohort, "capacity": 0.3}, "a cohort and a folder of films are given"),
        ({"split": "val", "capacity": 0.3}, "a split is given without a cohort"),
        ({"cohort": cohort, "accept": ("color",), "capacity": 0.3}, "accept is given without a folder of films"),
        ({"cohort": other, "capacity": 0.3}, "looks for effusion, but .* holds nodule"),
        ({"cohort": one_class, "capacity": 0.3}, "its val films: 0 with effusion and .* without; at least one of each"),
        ({"films": tmp_path / "absent", "capacity": 0.3}, "absent: no such folder"),
        ({"films": tmp_path / "only bad", "capacity": 0.3}, r"none of its 1 films can be used \(first: .*broken\.png"),
        ({"films": tmp_path / "few", "capacity": 0.3}, "1 films are too few to flag a fraction of 0.3"),
        ({"capacity": 0.3, "name": "there"}, "already has an operating point there; choose another name"),
        ({"capacity": 0.3, "name": "THERE"}, "already has an operating point THERE"),
        ({"capacity": 0.3, "name": "training"}, "already has an operating point training"),
        ({"capacity": 0.3, "name": "../up"}, r"the name '\.\./up' cannot be a file name"),
        ({"capacity": 0.3, "name": ""}, "the name '' cannot be a file name"),
        ({"capacity": 0.3, "out": run.folder}, "exists and is not empty; choose a new folder for the copy of the run"),
        ({"capacity": 0.3, "out": new_place / "effusion" / "x"}, "lies inside the cohort"),
        ({"capacity": 0.3, "out": tmp_path / "link"}, "is a link"),
    ):
        with pytest.raises(InputError, match=message) as refused:
            choose_threshold(run, **arguments)
        assert "\n" not in str(refused.value)
    assert snapshot(run.folder) == before
    with locked(run.folder), pytest.raises(InputError, match="is at work in it"):
        choose_threshold(run, capacity=0.3)


def test_the_librarys_own_network_is_copied_and_not_changed(new_place, tmp_path):
    before, run, cohort = snapshot(SIMULATED), open_run("simulated"), read_cohort(new_place)
    with pytest.raises(InputError, match=r"comes with cxrlib is not changed; name a new folder .* \(--out FOLDER\)"):
        choose_threshold(run, cohort, sensitivity=0.9)
    with pytest.raises(InputError, match="keeps no validation films; name films to choose on"):
        choose_threshold(run, sensitivity=0.9, out=tmp_path / "site")
    copy = choose_threshold(run, cohort, sensitivity=0.9, out=tmp_path / "site")
    assert snapshot(SIMULATED) == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    after = snapshot(tmp_path / "site")
    assert {name for name in after if name not in before} == {f"{POINTS}/{copy.operating_point.name}.json"}
    assert all(after[name] == before[name] for name in before if name != MANIFEST)
    film = cohort.files[0]
    assert copy.predict(film).score == run.predict(film).score
    second = choose_threshold(copy, cohort, capacity=0.3, out=tmp_path / "second")
    assert open_run(tmp_path / "second", operating_point=copy.operating_point.name).threshold == copy.threshold
    assert "films of the library's simulator" in cxrlib.model_card(second, cohort)
    with pytest.raises(InputError, match="comes with cxrlib keeps no scores"):
        write_page(second, tmp_path / "page.html")
    made = second.folder / "made.json"
    whole = made.read_text()
    for damaged in (
        "{}",
        '{"environment": 3}',
        whole.replace('"n":', '"m":'),
        whole.replace('"films": 8000', '"films": {}'),
    ):
        made.write_text(damaged)
        with pytest.raises(InputError, match=r"made\.json: is damaged; it must say how many films"):
            cxrlib.model_card(second, cohort)
    made.write_text(whole)
    done = cxr("predict", film, "--run", tmp_path / "second")
    assert done.stderr.startswith("warning: this is a copy of the network that comes with cxrlib")


class Killed(BaseException):
    """Ends the work as a kill would: no code of the library catches it."""


def test_a_kill_loses_nothing_and_leaves_a_run_that_opens(run, tmp_path, monkeypatch):
    choose_threshold(run, capacity=0.3, name="old")

    def kill(*arguments, **options):
        raise Killed

    def choose_and_kill(module, function, **options):
        with monkeypatch.context() as patched:
            patched.setattr(module, function, kill)
            choose_threshold(run, capacity=0.4, **options)

    for module, function in ((stored_point, "write_text"), (stored_point, "write_manifest")):
        before = open_run(run.folder)
        with pytest.raises(Killed):
            choose_and_kill(module, function, name=f"killed-in-{function}")
        after = open_run(run.folder)
        assert after.operating_point == before.operating_point
    (note,) = after.notes
    assert "killed-in-write_manifest.json is not used, because manifest.json does not list it" in note
    again = choose_threshold(run, capacity=0.4, name="killed-in-write_manifest")
    assert again.notes == ()
    assert list(read_points(run.folder, None)[0]) == ["training", "old", "killed-in-write_manifest"]
    for module, function in ((stored_point, "write_manifest"), (threshold, "sync_disk")):
        with pytest.raises(Killed):
            choose_and_kill(module, function, name="copied", out=tmp_path / "copy")
        assert not (tmp_path / "copy").exists()
    copy = choose_threshold(run, capacity=0.4, name="copied", out=tmp_path / "copy")
    assert list(read_points(copy.folder, None)[0]) == ["training", "old", "killed-in-write_manifest", "copied"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "run"]


def test_a_stored_point_belongs_to_its_run(run, tmp_path):
    choose_threshold(run, capacity=0.3, name="own")
    path = run.folder / POINTS / "own.json"
    whole = path.read_bytes()
    path.write_text(whole.decode().replace('"threshold": 0', '"threshold": 1'))
    with pytest.raises(InputError, match=r"own\.json: is not the file that belongs to this run"):
        open_run(run.folder)
    path.unlink()
    with pytest.raises(InputError, match=r"own\.json: is missing, but manifest\.json lists it"):
        open_run(run.folder)
    path.write_bytes(whole)
    shutil.copy(path, path.with_name("foreign.json"))
    opened = open_run(run.folder)
    assert opened.operating_point.name == "own"
    assert "foreign.json is not used" in opened.notes[0]
    path.with_name("foreign.json").write_text(json.dumps(json.loads(whole) | {"weight": 7.5}))
    (run.folder / MANIFEST).unlink()
    with pytest.raises(InputError, match=r"foreign\.json: does not belong to this run: .* loss weight of 7\.5"):
        open_run(run.folder)
    path.with_name("foreign.json").unlink()
    second = choose_threshold(run, capacity=0.2)  # a run of an earlier version gets no manifest that vouches for it
    assert not (run.folder / MANIFEST).exists()
    assert open_run(run.folder).threshold == second.threshold


def test_links_are_not_written_through(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (run.folder / POINTS).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=f"{POINTS}: is a link"):
        choose_threshold(run, capacity=0.3)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_more_films_than_can_be_read_again_are_refused(run, monkeypatch):
    monkeypatch.setattr(stored_point, "MAX_JSON_BYTES", 500)
    with pytest.raises(InputError, match=r"the ids of \d+ films take .* bytes, and at most 500 can be read again"):
        choose_threshold(run, capacity=0.3)
    assert open_run(run.folder).notes == ()


def test_card_and_page_say_which_point_is_used_and_on_which_films(run, sim_cohort, new_place):
    cohort = read_cohort(sim_cohort)
    chosen = choose_threshold(run, read_cohort(new_place), sensitivity=0.8, name="new-place")
    sentence = f"operating point new-place, {chosen.operating_point.describe()}"
    card = cxrlib.model_card(chosen, cohort)
    page = BeautifulSoup(write_page(chosen, cohort=cohort).read_text(encoding="utf-8"), "html.parser")
    assert sentence in card.replace("\\", "")
    assert sentence in page.find(id="run").parent.text
    assert sentence in page.find(id="card").parent.text
    assert f"{chosen.threshold:.4f}" in card
    assert "was chosen on" not in "".join(each.text for each in page.select(".notice"))
    own = choose_threshold(run, cohort, split="test", sensitivity=0.8, name="on-test")
    warning = f"the operating point on-test was chosen on {own.operating_point.n} of these films"
    assert warning in cxrlib.model_card(own, cohort)
    page = BeautifulSoup(write_page(own, run.folder / "p.html").read_text(encoding="utf-8"), "html.parser")
    assert warning in page.text
    training = open_run(run.folder, operating_point="training")
    assert cxrlib.model_card(training, cohort) == cxrlib.model_card(run, cohort)


def test_threshold_is_a_command(run, sim_cohort, new_place, folder, tmp_path):
    done = cxr("threshold", run.folder, "--cohort", new_place, "--sensitivity", 0.8, "--name", "labelled")
    point = open_run(run.folder).operating_point
    head, described, *rates = done.stdout.splitlines()
    assert head == f"{run.folder}: operating point labelled, threshold {point.threshold:.4f}"
    assert described == point.describe()
    assert rates[:3] == [f"{name:12} {getattr(point, name)}" for name in ("flagged", "sensitivity", "specificity")]
    assert rates[3] == f"confidence   {point.confidence:.3f} that the sensitivity on new films is at least 0.8"
    assert "their rates are a little too good" in done.stderr
    done = cxr("threshold", run.folder, "--films", folder, "--capacity", 0.3, "--quiet")
    assert done.stdout.count("not known, because these films have no labels") == 2
    assert done.stderr.count("warning: left out: ") == 3
    coloured = cxr("threshold", run.folder, "--films", folder, "--capacity", 0.3, "--json", "--accept", "color")
    assert json.loads(coloured.stdout)["sensitivity"] is None
    film = read_cohort(sim_cohort).files[0]
    unlabelled = open_run(run.folder).operating_point
    done = cxr("predict", film, "--run", run.folder)
    assert f"threshold {unlabelled.threshold:.4f}" in done.stdout
    assert f"note: operating point {unlabelled.name}, chosen on" in done.stderr
    result = json.loads(cxr("predict", film, "--run", run.folder, "--operating-point", "labelled", "--json").stdout)
    assert (result["operating_point"], result["threshold"]) == ("labelled", point.threshold)
    done = cxr("evaluate", run.folder, sim_cohort, "--operating-point", "training")
    assert "note: operating point" not in done.stderr
    both = ("evaluate", run.folder, sim_cohort, "--json", "--operating-point", "labelled")
    assert json.loads(cxr(*both).stdout)["operating_point"] == "labelled"
    result = json.loads(cxr(*both, "--threshold", 0.5).stdout)
    assert (result["operating_point"], result["threshold"]) == (None, 0.5)
    page = cxr("report", run.folder, tmp_path / "p.html", "--operating-point", "labelled")
    assert "note: operating point labelled, chosen on" in page.stderr
    for words, message in (
        (("--cost", "20"), "--cost is '20'; it must be MISS:ALARM, two numbers above 0 such as 20:1"),
        (("--cost", "a:b"), "--cost is 'a:b'"),
        (("--cost", "0:1"), "costs are 0.0 and 1.0; both must be numbers above 0"),
        ((), "no rule is given"),
    ):
        done = cxr("threshold", run.folder, *words, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
    assert cxr("threshold", run.folder, "--cost", "20:1").returncode == 0
