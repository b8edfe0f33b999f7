"""The page about a run shows what the run's files say, asks no other host, and escapes HTML that files hold."""

import base64
import json
import re
import shutil
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from in_process import cxr

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.errors import InputError
from cxrlib.model.loss import score
from cxrlib.phantom.simulation import simulate
from cxrlib.report.html import embed_image, markdown_to_html
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


def test_it_asks_no_host_and_runs_nothing(page, text):
    assert not page.find_all(["script", "link", "iframe", "object", "embed"])
    for tag in page.find_all(src=True):
        assert tag["src"].startswith("data:image/"), tag["src"][:60]
    ids = {tag["id"] for tag in page.find_all(id=True)}
    assert {a["href"] for a in page.find_all(href=True)} == {f"#{name}" for name in ids}
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
    assert recipe["width"] == str(tiny_run.recipe.width)
    assert recipe["augmentation: gamma"] == "1.2"
    assert dict(cells(page, "made on")[1:])["cohort"] == sim_cohort.name
    scores = tiny_run.scores
    test = scores[scores["split"] == "test"]
    for column in ("view", "sex", "age", "site", "posture"):
        rows = cells(page, f"By {column}")[1:]
        assert sum(int(row[1]) for row in rows) == len(test)
        assert sum(int(row[2]) for row in rows) == test["label"].sum()
    missed = test[(test["label"] == 1) & (test["score"] < tiny_run.threshold)].sort_values("score")["path"]
    alarms = test[(test["label"] == 0) & (test["score"] >= tiny_run.threshold)].sort_values("score")["path"][::-1]
    shown = [caption.text.split(": ")[1] for caption in page.select("#errors ~ ul figcaption")]
    assert shown == [*missed[:6], *alarms[:6]]
    assert len(page.select(".pair img")) == 2 * len(shown)
    assert "Patients are split, not films" in page.find(id="card").parent.text


def test_without_the_cohort_it_says_what_is_missing(tiny_run, tmp_path):
    page = BeautifulSoup(write_page(tiny_run, tmp_path / "p.html").read_text(encoding="utf-8"), "html.parser")
    assert len(page.find_all("code", string=re.compile("--cohort"))) == 3
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
    assert not page.find_all("script")
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
