"""The page about a run shows what the run's files say, asks no other host, and escapes HTML that files hold."""

import base64
import hashlib
import json
import re
import shutil
from dataclasses import asdict, replace
from itertools import pairwise

import cv2
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from in_process import cxr

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import UNDEFINED, Estimate
from cxrlib.evaluation.groups import compare_groups, measure_groups
from cxrlib.evaluation.rates import evaluate_scores
from cxrlib.images.augmentation import Augmentation
from cxrlib.model.loss import score
from cxrlib.model.recipe import Recipe
from cxrlib.phantom.simulation import simulate
from cxrlib.report import page as page_module
from cxrlib.report.badges import calibration_badge, copies_badge, floor_badge, groups_badge
from cxrlib.report.card import describe_recipe
from cxrlib.report.charts import NUM_BARS, score_bars
from cxrlib.report.html import embed_image, markdown_to_html, outline_path
from cxrlib.report.page import write_page
from cxrlib.report.prediction import draw_prediction, picture_name, plt, save_prediction
from cxrlib.training.run import Prediction, open_run


@pytest.fixture(scope="module")
def text(tiny_run, sim_cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "new" / "report.html"
    assert write_page(tiny_run, out, read_cohort(sim_cohort)) == out
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    return BeautifulSoup(text, "html.parser")


@pytest.fixture
def copy(tiny_run, tmp_path):
    return open_run(shutil.copytree(tiny_run.folder, tmp_path / "copy"))


def cells(page, caption):
    table = next(t for t in page.find_all("table") if t.caption and caption in t.caption.text)
    return [[cell.text.strip() for cell in row.find_all(["th", "td"])] for row in table.find_all("tr")]


def test_its_figures_are_those_of_evaluate(page, tiny_run, sim_cohort):
    head, *rows = cells(page, "At the threshold")
    assert head == ["figure", "val", "test"]
    table = {row[0]: row[1:] for row in rows}
    for column, split in enumerate(head[1:]):
        made = tiny_run.evaluate(read_cohort(sim_cohort), split=split)
        at = made.performance
        assert table["AUC"][column] == str(made.auc)
        assert table["sensitivity"][column] == str(at.sensitivity)
        assert table["specificity"][column] == str(at.specificity)
        assert table["PPV"][column] == str(at.ppv)
        assert table["NPV"][column] == str(at.npv)
        assert table["average precision"][column] == str(made.average_precision)
        assert table["net benefit over flag all"][column] == f"{made.net_benefit_over_all:.4f}"
        assert table["calibration slope"][column] == str(made.slope)
        assert table["films, with the finding"][column] == f"{at.n}, {at.n_finding}"
    assert cells(page, "Confusion")[1:] == [
        ["effusion", f"{at.tp}found", f"{at.fn}missed"],
        ["nofinding", f"{at.fp}false alarms", f"{at.tn}passed"],
    ]
    big = [re.sub(r"\s+", " ", dd.text.strip()) for dd in page.select("dl.key dd")]
    assert big == [str(x) for x in (made.auc, at.sensitivity, at.specificity, at.ppv, at.npv)]


def test_its_groups_are_those_of_evaluate(page, tiny_run, sim_cohort):
    columns = ("view", "sex", "age", "site", "posture")
    made = tiny_run.evaluate(read_cohort(sim_cohort), by=columns).as_dict()
    for column in columns:
        for cell, group in zip(cells(page, f"By {column}")[1:], made["groups"][column], strict=True):
            assert cell[:3] == [group["group"], f"{group['n']:,}", f"{group['n_finding']:,}"]
            for text, name in zip(cell[3:], ("auc", "sensitivity", "specificity"), strict=True):
                known = group[name] is not None
                assert text == ("{:.3f} ({:.3f} to {:.3f})" if known else "too few films").format(
                    *(group[name + end] for end in ("", "_low", "_high"))
                )
    assert page.find(id="groups").parent.p.text == made["groups_summary"]


def test_a_column_without_values_is_said(copy, sim_cohort, tmp_path):
    cohort = read_cohort(sim_cohort)
    blank = replace(cohort, table=cohort.table.assign(sex="").drop(columns="site"))
    page = BeautifulSoup(write_page(copy, tmp_path / "p.html", blank).read_text(encoding="utf-8"), "html.parser")
    groups = page.find(id="groups").parent.text
    assert "The cohort does not say: site." in groups
    assert "By sex: not known for any film." in groups


def test_it_asks_no_host_and_runs_only_its_own_script(page, text):
    """The policy names the hash of the script, so the browser runs no other (W3C, Content Security Policy Level 3)."""
    assert not page.find_all(["link", "iframe", "object", "embed"])
    data, script = page.find_all("script")
    assert data["type"] == "application/json"
    digest = base64.b64encode(hashlib.sha256(script.string.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.find("meta", attrs={"http-equiv": True})["content"]
    assert not re.search(r"fetch|XMLHttp|import|http", script.string)
    assert not [name for tag in page.find_all() for name in tag.attrs if name.startswith("on")]
    for tag in page.find_all(src=True):
        assert tag["src"].startswith("data:image/"), tag["src"][:60]
    ids = {tag["id"] for tag in page.find_all(id=True)}
    headings = {tag["id"] for tag in page.find_all("h2", id=True)}
    assert {a["href"] for a in page.find_all(href=True)} == {f"#{name}" for name in headings}
    assert len(ids) == len(page.find_all(id=True))
    assert "url(" not in page.style.text
    assert "@import" not in page.style.text
    assert "default-src 'none'" in text


def test_it_can_be_read_by_everybody(page):
    assert page.html["lang"] == "en"
    assert page.title.text
    assert all(len(image["alt"]) > 20 for image in page.find_all("img"))
    assert all(table.caption and table.caption.text.strip() for table in page.find_all("table"))
    assert all(th.get("scope") for th in page.find_all("th"))
    levels = [int(tag.name[1]) for tag in page.find_all(re.compile("^h[1-6]$"))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert "prefers-color-scheme: dark" in page.style.text


def test_colours_have_the_contrast_of_wcag_aa(page):
    """4.5 of text against each ground that it stands on (WCAG 2.2, 1.4.3)."""

    def luminance(colour):
        full = colour if len(colour) == 7 else "#" + "".join(2 * c for c in colour[1:])
        parts = [int(full[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    schemes = re.findall(r":root \{(.*?)\}", page.style.text, re.DOTALL)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--([\w-]+): (#\w+)", scheme))
        for ink in ("text", "quiet", "link"):
            for ground in ("ground", "raised", *(("warn-ground", "wrong", "right") if ink == "text" else ())):
                dark, light = sorted(luminance(colours[name]) for name in (ink, ground))
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


def test_it_holds_recipe_environment_groups_errors_and_card(page, tiny_run, sim_cohort):
    recipe = dict(cells(page, "Every setting")[1:])
    assert recipe == describe_recipe(tiny_run.recipe)
    assert dict(cells(page, "made on")[1:])["cohort"] == sim_cohort.name
    scores = tiny_run.scores
    test = scores[scores["split"] == "test"]
    for column in ("view", "sex", "age", "site", "posture"):
        rows = cells(page, f"By {column}")[1:]
        assert sum(int(row[1]) for row in rows) == len(test)
        assert sum(int(row[2]) for row in rows) == test["label"].sum()
    missed = test[(test["label"] == 1) & (test["score"] < tiny_run.threshold)].sort_values("score")["path"]
    alarms = test[(test["label"] == 0) & (test["score"] >= tiny_run.threshold)].sort_values("score")["path"][::-1]
    assert [path.text for path in page.select("#errors ~ ul .path")] == [*missed, *alarms]
    films = page.select(".films li")
    assert [film["data-kind"] for film in films] == ["1"] * len(missed) + ["0"] * len(alarms)
    table = read_cohort(sim_cohort).table.set_index("path")
    for film in films:
        row = table.loc[film.select_one(".path").text]
        assert (film["data-view"], film["data-sex"], film["data-site"]) == (row["view"], row["sex"], row["site"])
        assert len(film.select("img")) == 2
        has_mask = (sim_cohort / "masks" / row.name).is_file()
        assert len(film.select("path")) == 2 * has_mask
        assert has_mask == (film["data-kind"] == "1")
    assert "Patients are split, not films" in page.find(id="card").parent.text


def test_without_the_cohort_it_says_what_is_missing(tiny_run, tmp_path):
    page = BeautifulSoup(write_page(tiny_run, tmp_path / "p.html").read_text(encoding="utf-8"), "html.parser")
    assert len(page.find_all("code", string=re.compile("--cohort"))) == 3
    answers = [badge.text for badge in page.select(".answer")]
    assert answers[2:] == ["Not known.", "Not known."]
    assert not page.select(".pair")
    assert len(page.select(".chart img")) == 7


def test_no_patient_is_named(tiny_run, tmp_path, copy):
    """The page shows the paths of films, but no patient_id."""
    for name in ("scores.csv", "split.csv"):
        table = pd.read_csv(copy.folder / name, dtype={"patient_id": str})
        table["patient_id"] = "Doe^Jane " + table["patient_id"]
        table.to_csv(copy.folder / name, index=False)
    assert "Jane" not in write_page(copy, tmp_path / "p.html").read_text(encoding="utf-8")


def test_what_comes_from_files_is_escaped(copy, tmp_path):
    evil = "<script>alert(1)</script>"
    scores = copy.scores
    scores.loc[scores["label"] == 0, "path"] = [f"nofinding/{i}{evil}.png" for i in range((scores["label"] == 0).sum())]
    scores["logit"] = np.where(scores["label"] == 0, 5.0, scores["logit"])
    scores["score"] = score(scores["logit"], copy.weight)
    scores.to_csv(copy.folder / "scores.csv", index=False)
    scores.assign(film_id=scores["path"]).to_csv(copy.folder / "split.csv", index=False)
    (copy.folder / "environment.json").write_text(json.dumps({"cohort": evil, evil: [evil], "odd": "\u202e"}))
    run = replace(copy, finding='<img src="http://e.x/y.png">')
    page = BeautifulSoup(write_page(run, tmp_path / "p.html").read_text(encoding="utf-8"), "html.parser")
    data, script = page.find_all("script")
    assert "alert" not in data.string + script.string
    assert all(image["src"].startswith("data:") for image in page.find_all("img"))
    assert evil in page.find(id="errors").parent.text
    assert evil in page.find(id="environment").parent.text
    assert r"\u202e" in page.find(id="environment").parent.text  # turns the text after it


def test_markdown_brings_no_html_links_or_images():
    made = markdown_to_html(
        "# a <b>\n\n[x](http:e.x) ![x](http:e.x/y.png) <http://e.x> <script>1</script>\n\n| | |\n|---|---|\n| k | <i> |"
    )
    page = BeautifulSoup(made, "html.parser")
    assert {tag.name for tag in page.find_all()} == {"h2", "p", "div", "table", "caption", "tbody", "tr", "th", "td"}
    assert page.td.text == "<i>"


def test_a_film_within_the_page_is_the_film():
    image = cv2.resize(np.random.default_rng(0).random((8, 8), np.float32), (64, 64), interpolation=cv2.INTER_LINEAR)
    cold = embed_image(image, "a film", heat=np.zeros_like(image))
    assert cold == embed_image(image, "a film")
    data = np.frombuffer(base64.b64decode(cold.source.split(",")[1]), np.uint8)
    assert np.abs(cv2.imdecode(data, 0) / 255 - image).max() < 0.03


def test_a_run_without_test_scores_is_reported_on_val_and_says_so(copy, tmp_path):
    scores = copy.scores
    scores[scores["split"] == "val"].to_csv(copy.folder / "scores.csv", index=False)
    page = BeautifulSoup(write_page(copy).read_text(encoding="utf-8"), "html.parser")
    assert "No test scores." in page.text
    assert cells(page, "At the threshold")[0] == ["figure", "val"]


def test_a_rate_that_is_not_defined_is_shown_as_such(copy):
    """No film reaches a threshold of 1, so no film is called a finding, and there is no PPV."""
    page = BeautifulSoup(write_page(replace(copy, threshold=1.0)).read_text(encoding="utf-8"), "html.parser")
    assert ["PPV", "not defined", "not defined"] in cells(page, "At the threshold")
    assert page.select("dl.key dd")[3].text.strip() == "not defined"


def test_what_cannot_be_reported_is_said(copy, tiny_run, sim_cohort, tmp_path):
    with pytest.raises(InputError, match=r"must end in \.html"):
        write_page(tiny_run, tmp_path / "film.png")
    with pytest.raises(InputError, match="comes with cxrlib keeps no scores"):
        write_page(open_run("simulated"), tmp_path / "p.html")
    other_cohort = read_cohort(simulate(tmp_path / "c", films=40, prevalence=0.5, size=64, seed=9))
    with pytest.raises(InputError, match=r"is not the cohort that .* was trained on.*holds 0 of the run's"):
        write_page(tiny_run, tmp_path / "p.html", other_cohort)
    with pytest.raises(InputError, match=r"looks for effusion, but .* holds nodule"):
        write_page(tiny_run, tmp_path / "p.html", replace(other_cohort, finding="nodule"))
    scores = copy.scores
    scores[scores["label"] == 1].to_csv(copy.folder / "scores.csv", index=False)
    with pytest.raises(InputError, match="no split holds films of both classes"):
        write_page(copy, tmp_path / "p.html")
    (copy.folder / "scores.csv").unlink()
    with pytest.raises(InputError, match=r"has no scores\.csv"):
        write_page(copy, tmp_path / "p.html")
    assert not (tmp_path / "p.html").exists()


def test_the_same_run_gives_the_same_page(text, tiny_run, sim_cohort, tmp_path):
    second = write_page(tiny_run, tmp_path / "p.html", read_cohort(sim_cohort))
    assert second.read_text(encoding="utf-8") == text


def test_names_of_pictures_stay_in_their_folder_and_differ(tmp_path):
    paths = [
        "a/film.png",
        "b/film.png",
        "a/film.dcm",
        "../film.png",
        "/",
        "..",
        "x/\u9aa8.png",
        "x/" + 200 * "y",
        "a/..b",
    ]
    names = [picture_name(path) for path in paths]
    assert len(set(names)) == len(paths)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,73}\.png", name) for name in names)
    assert picture_name("a/../a/film.png") == names[0]


def test_a_picture_shows_score_threshold_decision_and_warnings(tiny_run, sim_cohort):
    path = read_cohort(sim_cohort).files[0]
    for finding, decision in ((True, "effusion, look again"), (False, "nofinding, pass")):
        answer = Prediction(0.25, 0.125, finding, ("looks $odd$ " + 30 * "very ", "a second \u9aa8"))
        figure = draw_prediction(tiny_run, path, answer, name="a $film$ \u9aa8.png")
        assert figure.axes[0].get_title() == f"{decision} (score 0.2500, threshold 0.1250)"
        warnings = figure.get_supxlabel()
        assert "Warning: looks $odd$" in warnings
        assert "Warning: a second ?" in warnings
        assert figure.get_suptitle() == "a $film$ ?.png"
        figure.canvas.draw()
        plt.close(figure)


def test_explain_writes_a_picture_for_each_film_that_can_be_read(tiny_run, sim_cohort, tmp_path):
    film, bad = read_cohort(sim_cohort).files[0], tmp_path / "bad.png"
    bad.write_text("no film")
    out = tmp_path / "new" / "pictures"
    done = cxr("predict", film, bad, "--run", tiny_run.folder, "--explain", out, "--json", check=False)
    first, second = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert "not a readable PNG" in second["error"]
    assert [str(path) for path in out.iterdir()] == [first["picture"]]
    assert cv2.imread(first["picture"]).shape[1] == 1200
    prediction = tiny_run.predict(film)
    with pytest.raises(InputError, match="is a file; the pictures need a folder"):
        save_prediction(tiny_run, film, prediction, bad)


def test_report_is_a_command(tiny_run, sim_cohort, tmp_path):
    done = cxr("report", tiny_run.folder, tmp_path / "p.html", "--cohort", sim_cohort)
    assert done.stdout.startswith(f"{tmp_path / 'p.html'}: ")
    assert done.stderr == ""


def test_every_setting_of_a_recipe_is_in_the_words_and_no_code_is():
    """If any setting changes, so do the words."""
    recipe = Recipe(augmentation=Augmentation(shift=0.05, scale=0.04, rotate=5.0, gamma=1.2))
    changes = dict(
        depth=34, width=7, size=97, skip=False, normalize="percentile", standardize=False, epochs=7, batch=6,
        optimizer="sgd", learning_rate=0.123, weight_decay=0.17, schedule="halving", hold=1, weight=7.5,
        start="scratch", blend=0.6, precision="float32", keep="best", mirror=False,
        sensitivity=0.77, confidence=0.83, seed=41, split_seed=43, augmentation=Augmentation(),
    )  # fmt: skip
    assert {*changes, "name"} == set(asdict(recipe))
    made = [replace(recipe, **{name: value}) for name, value in changes.items()]
    augmentations = dict(
        shift=0.5, scale=0.7, rotate=9.0, gamma=3.0, horizontal_flip=True, vertical_flip=True, probability=0.3
    )
    assert set(augmentations) == set(asdict(recipe.augmentation))
    for name, value in augmentations.items():
        made.append(replace(recipe, augmentation=replace(recipe.augmentation, **{name: value})))
    texts = [" ".join(describe_recipe(each).values()) for each in (recipe, *made)]
    assert len(set(texts)) == len(texts)
    assert not [text for text in texts if re.search(r"None|True|False|[{}_]", text)]


def test_the_kept_epoch_is_called_best_only_by_the_rule_that_keeps_the_best(copy, tmp_path):
    """The last epoch may happen to have the highest AUC: then it is still the last that was kept."""
    for keep, words in (("best", "the epoch with the highest AUC"), ("last", "the last epoch")):
        run = replace(copy, recipe=replace(copy.recipe, keep=keep))
        page = BeautifulSoup(write_page(run, tmp_path / "p.html").read_text(encoding="utf-8"), "html.parser")
        assert f"has the weights of {words}" in page.find(id="training").parent.text
        assert ("Its epoch and" in page.text) == (keep == "best")
        assert "best:" not in page.text
        assert [text for text in ("best: epoch", "kept: epoch") if text in _svg_texts(page)] == ["kept: epoch"]


def _svg_texts(page):
    """Matplotlib writes each text of a chart as a comment, before the shapes of its letters."""
    charts = [base64.b64decode(image["src"].split(",")[1]).decode() for image in page.select(".chart img")]
    return "\n".join(charts)


def test_answers_follow_from_their_figures(tiny_run, sim_cohort):
    films = tiny_run.part_of(read_cohort(sim_cohort), "test")
    scores = tiny_run.scores.set_index("path")["score"].loc[films.table["path"]].to_numpy()
    made = evaluate_scores("test", films.labels, scores, tiny_run.threshold, films.table["patient_id"])
    for sensitivity, floor, answer in (
        (0.91, 0.9, "yes"),
        (0.9, 0.9, "yes"),
        (0.89, 0.9, "no"),
        (0.5, None, "not known"),
    ):
        rates = replace(made.performance, sensitivity=Estimate(sensitivity, 0.4, 0.95))
        run = replace(tiny_run, operating_point=replace(tiny_run.operating_point, floor=floor))
        badge = floor_badge(run, replace(made, performance=rates))
        assert badge.answer == answer
        assert f"{sensitivity:.3f}" in badge.reason
    for slope, intercept, answer in (
        (Estimate(0.9, 0.8, 1.1), Estimate(0.1, -0.1, 0.3), "yes"),
        (Estimate(0.9, 0.8, 0.95), Estimate(0.1, -0.1, 0.3), "no"),
        (Estimate(0.9, 0.8, 1.1), Estimate(0.2, 0.1, 0.3), "no"),
        (UNDEFINED, UNDEFINED, "not known"),
    ):
        assert calibration_badge(replace(made, slope=slope, intercept=intercept)).answer == answer
    groups = measure_groups(films.table, scores, tiny_run.threshold)
    group = groups["view"][0]
    far = {
        "view": [
            replace(group, auc=None, specificity=None, sensitivity=Estimate(value, value - 0.05, value + 0.05))
            for value in (0.2, 0.8)
        ]
    }
    assert compare_groups(far)[0].adjusted_p < 0.05
    assert (groups_badge(far).answer, groups_badge(far).is_good) == ("yes", False)
    near = {"view": [far["view"][0], far["view"][0]]}
    assert groups_badge(near).answer == "no"


def test_copies_are_found_where_they_are(tiny_run, sim_cohort):
    cohort = read_cohort(sim_cohort)
    test, train = (tiny_run.part_of(cohort, split) for split in ("test", "train"))
    assert copies_badge(tiny_run, test).answer == "no"
    badge = copies_badge(tiny_run, train)
    assert (badge.answer, badge.is_good) == ("yes", False)
    assert f"{len(train.table)} of {len(train.table)} films of this page" in badge.reason


def test_bars_and_outlines_are_true():
    films = pd.DataFrame({"label": [1, 1, 1, 1, 0, 0], "score": [1.0, 0.9, 0.95, 1e-9, 0.011, 0.011]})
    bars = score_bars(films)
    assert bars[1] == [(0, 0.25), (NUM_BARS - 1, 0.75)]
    assert bars[0] == [(NUM_BARS // 3, 1.0)]
    yy, xx = np.mgrid[0:64, 0:64] + 0.5
    path = outline_path((yy - 32) ** 2 + (xx - 24) ** 2 < 16**2)  # in units of 100: centre (37.5, 50), radius 25
    assert path.count("M") == 1
    points = np.array([[float(number) for number in point.split()] for point in re.split("[ML]", path.strip("Z"))[1:]])
    assert np.abs(np.hypot(*(points - [37.5, 50]).T) - 25).max() < 1
    assert outline_path(np.zeros((64, 64), bool)) == ""


def test_boxes_stand_for_masks_where_a_cohort_has_no_masks(sim_cohort, tmp_path):
    cohort = replace(read_cohort(sim_cohort), folder=tmp_path)
    assert page_module._read_mask(cohort, "effusion/a.png", page_module._read_boxes(cohort), 32) is None
    rows = ["path,finding,x,y,width,height", "effusion/a.png,Effusion,0.25,0.5,0.5,0.25", "effusion/a.png,Mass,0,0,1,1"]
    (tmp_path / "boxes.csv").write_text("\n".join(rows) + "\n")
    boxes = page_module._read_boxes(cohort)
    expected = np.zeros((32, 32), bool)
    expected[16:24, 8:24] = True
    np.testing.assert_array_equal(page_module._read_mask(cohort, "effusion/a.png", boxes, 32), expected)
    assert page_module._read_mask(cohort, "effusion/b.png", boxes, 32) is None


def test_errors_fill_the_gallery_from_both_kinds(copy, monkeypatch, tmp_path):
    monkeypatch.setattr(page_module, "MAX_ERRORS", 4)
    scores = copy.scores
    test = scores["split"] == "test"
    for threshold in np.quantile(scores.loc[test, "score"], [0, 0.2, 0.5, 0.8]):
        called = scores["score"] >= threshold
        num_missed, num_alarms = (
            int((test & (scores["label"] == label) & (called != label)).sum()) for label in (1, 0)
        )
        run = replace(copy, threshold=float(threshold))
        page = BeautifulSoup(write_page(run, tmp_path / "p.html").read_text(encoding="utf-8"), "html.parser")
        kinds = [film["data-kind"] for film in page.select(".films li")]
        assert len(kinds) == min(4, num_missed + num_alarms)
        assert kinds.count("1") >= min(2, num_missed)
        assert kinds.count("0") >= min(2, num_alarms)
