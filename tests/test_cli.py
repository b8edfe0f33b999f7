import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import typer
from in_process import cxr

import cxrlib
from cxrlib.cli import commands, output
from cxrlib.cohorts.cohort import read_cohort
from cxrlib.training import batches
from cxrlib.training.comparison import compare
from cxrlib.training.run import NO_MANIFEST


def cxr_process(*words):
    return subprocess.run([sys.executable, "-m", "cxrlib.cli", *map(str, words)], capture_output=True, text=True)


def test_the_whole_path(two_folders, tmp_path):
    """simulate, prepare, train, evaluate, compare and predict; the training is a process of its own."""
    cohort, run = tmp_path / "cohort", tmp_path / "run"
    simulated = cxr("simulate", tmp_path / "sim", "--films", 70, "--prevalence", 0.43, "--size", 64)
    assert "30 effusion, 40 nofinding" in simulated.stdout
    prepared = cxr("prepare", tmp_path / "sim", cohort, "--size", 48)
    assert "30 effusion, 40 nofinding; 0 rejected" in prepared.stdout
    train = ("train", cohort, run, "--epochs", 1, "--width", 4, "--start", "scratch", "--size", 48, "--seed", 1)
    trained = cxr_process(*train, "--tensorboard", "--sensitivity", 0.8, "--quiet")
    assert trained.returncode == 0
    assert "is kept, AUC on val" in trained.stdout
    assert "PPV" in trained.stdout
    others = [line for line in trained.stderr.splitlines() if "unusual films" not in line]
    assert others == []  # TensorFlow is silent too
    assert list((run / "tensorboard").rglob("events*"))
    assert "holds a run already" in cxr(*train, "--sensitivity", 0.8, check=False).stderr
    assert "is kept" in cxr(*train, "--sensitivity", 0.8, "--resume").stdout

    result = json.loads(cxr("evaluate", run, cohort, "--json", "--prevalence", 0.1).stdout)
    needed = {"auc", "auc_low", "auc_high", "n", "n_patients", "n_finding", "threshold", "sensitivity", "specificity"}
    assert needed | {"ppv", "npv", "ppv_low", "npv_high", "prevalence"} <= set(result)
    assert result["prevalence"] == 0.1
    by_hand = cxr("evaluate", run, cohort, "--json", "--threshold", 0, "--split", "all")
    assert json.loads(by_hand.stdout)["sensitivity"] == 1
    compared = json.loads(cxr("compare", run, run, cohort, "--json").stdout)
    assert compared["difference"] == 0

    film, bad = next((cohort / "effusion").iterdir()), tmp_path / "bad.png"
    bad.write_text("no film")
    done = cxr("predict", bad, film, "--run", run, "--json", "--threshold", 0.0, check=False)
    first, second = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert set(first) == {"path", "error"}
    assert set(second) == {"path", "score", "threshold", "finding", "operating_point", "warnings"}
    assert second["operating_point"] is None
    assert second["finding"] is True
    assert "threshold" in cxr("predict", film, "--run", run).stdout


def test_films_that_exceed_the_memory_go_where_the_user_says(tiny_run, sim_cohort, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)  # restored afterwards
    monkeypatch.setattr(batches, "MEMORY_LIMIT", 0)
    in_memory = json.loads(cxr("evaluate", tiny_run.folder, sim_cohort, "--json").stdout)
    done = cxr("evaluate", tiny_run.folder, sim_cohort, "--json", "--cache", tmp_path)
    assert json.loads(done.stdout) == in_memory
    assert f"they are kept in a file in {tmp_path}, which has " in done.stderr
    assert list(tmp_path.iterdir()) == []
    refused = cxr("evaluate", tiny_run.folder, sim_cohort, "--cache", tmp_path / "none", check=False)
    assert refused.returncode == 2
    assert f"--cache is {tmp_path / 'none'}; it must be a folder in which files can be made" in refused.stderr


def test_tables_print_the_figures_of_the_json(tiny_run, sim_cohort, capsys):
    """At a threshold of 1 there are no alarms, so the PPV is not defined."""

    def printed(print_result, result):
        texts = []
        for as_json in (False, True):
            print_result(result, as_json=as_json)
            texts.append(capsys.readouterr().out)
        return texts[0].splitlines(), json.loads(texts[1])

    cohort = read_cohort(sim_cohort)
    (head, *lines), result = printed(output.print_evaluation, tiny_run.evaluate(cohort, threshold=1.0))
    counts = "{split}: {n:,} films of {n_patients:,} patients, {n_finding:,} with the finding"
    assert head == counts.format(**result)
    assert lines[0] == f"{'AUC':36} " + "{auc:.3f} ({auc_low:.3f} to {auc_high:.3f})".format(**result)
    assert lines[2] == f"{'sensitivity at threshold 1.0000':36} 0.000 (0.000 to {result['sensitivity_high']:.3f})"
    titles = ["AUC", "average", "sensitivity", "specificity", "PPV", "NPV", "net", "net", "Brier"]
    assert [line.split()[0] for line in lines] == [*titles, "calibration", "calibration"]
    assert lines[4] == f"{'PPV at prevalence ' + format(result['prevalence'], '.3f'):36} not defined"
    assert lines[6] == f"{'net benefit over flag none':36} not defined"
    slope = "{slope:.3f} ({slope_low:.3f} to {slope_high:.3f})".format(**result)
    assert lines[9] == f"{'calibration slope':36} {slope}"
    assert result["ppv"] is result["ppv_low"] is result["net_benefit"] is None
    assert "groups" not in result

    table, result = printed(output.print_comparison, compare(tiny_run, tiny_run, cohort))
    assert table[0] == f"{result['n']} films of {result['n_patients']} patients, {result['n_finding']} with the finding"
    assert table[1] == "AUC of A     {auc_a:.3f} ({auc_a_low:.3f} to {auc_a_high:.3f})".format(**result)
    assert table[3] == "A - B        0.000 (0.000 to 0.000)"


def test_groups_are_asked_for_by_column(tiny_run, sim_cohort, tmp_path):
    shutil.copytree(sim_cohort, tmp_path / "films")
    table = pd.read_csv(tmp_path / "films" / "cohort.csv", dtype=str)
    table.loc[::3, "sex"] = ""
    table.drop(columns="site").to_csv(tmp_path / "films" / "cohort.csv", index=False)
    command = ("evaluate", tiny_run.folder, tmp_path / "films", "--split", "all", "--by", "view, sex,age", "--quiet")
    lines = cxr(*command).stdout.splitlines()
    result = json.loads(cxr(*command, "--json").stdout)
    assert [line for line in lines if line.startswith("by ")] == [
        "by view",
        "by sex (not known for 34 films)",
        "by age",
    ]
    assert list(result["groups"]) == ["view", "sex", "age"]
    assert lines[-1] == result["groups_summary"]
    assert f"{len(result['group_differences'])} comparisons were made" in lines[-1]
    for column, groups in result["groups"].items():
        known = table[column] != "" if column == "sex" else table[column].notna()
        assert sum(group["n"] for group in groups) == known.sum()
        for group in groups:
            (line,) = [line for line in lines if line.startswith(group["group"] + " ")]
            counts = [f"{group['n']:,}", f"{group['n_finding']:,}"]
            assert line[len(group["group"]) :].split()[:2] == counts
            for name in ("auc", "sensitivity", "specificity"):
                text = f"{group[name]:.2f} (" if group[name] is not None else "under 10 films"
                assert text in line
    done = cxr("evaluate", tiny_run.folder, tmp_path / "films", "--by", "site", check=False)
    assert done.returncode == 2
    assert "cxr: films cannot be grouped by 'site'; the columns of the cohort are: view, sex, age" in done.stderr


def test_mistakes_end_in_a_sentence_and_exit_code_2(two_folders, tmp_path, film):
    (tmp_path / "one" / "effusion").mkdir(parents=True)
    for name in ("effusion", "nofinding"):
        (tmp_path / "constant" / name).mkdir(parents=True)
        for i in range(30):
            cv2.imwrite(str(tmp_path / "constant" / name / f"{i}.png"), np.zeros_like(film))
    out, bare = tmp_path / "out", two_folders
    rows = [
        (("prepare", tmp_path / "absent", out), "absent: no such folder"),
        (("train", tmp_path / "absent", out), "no such folder"),
        (("train", bare, out, "--recipe", "modern"), "neither default nor classic"),
        (("train", tmp_path / "one", out), "nofinding"),
        (("train", tmp_path / "constant", out), "constant image"),
        (("evaluate", tmp_path / "absent", bare), "no such folder"),
        (("predict", "x.png", "--run", bare), "not a run folder"),
    ]
    for words, message in rows:
        done = cxr(*words, check=False)
        assert done.returncode == 2, words
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert not out.exists()
    words, message = rows[0]
    done = cxr_process(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("cxr: ")
    assert message in done.stderr


def test_words_that_a_command_does_not_take_are_answered_in_one_sentence():
    """It says what was found, what is needed and where."""
    number = "it must be a whole number of at least 8; see cxr prepare --help"
    for words, message in (
        (("prepare", "a", "b", "--size", "3"), f"--size is '3'; {number}"),
        (("prepare", "a", "b", "--size", "x\ny"), f"--size is 'x\\ny'; {number}"),
        (
            ("predict", "a", "--threshold", 2),
            "--threshold is '2'; it must be a number from 0 to 1; see cxr predict --help",
        ),
        (
            ("predict", "a", "--accept", "all"),
            "--accept is 'all'; it must be color, modality or unlike; see cxr predict --help",
        ),
        (("fetch", "x", "y"), "NAME is 'x'; it must be chestmnist, nih-sample or nih; see cxr fetch --help"),
        (
            ("simulate", "a", "--label-noise", 0, "x"),
            "--label-noise is 'x'; it must be 2 numbers; see cxr simulate --help",
        ),
        (("simulate", "a", "--label-noise", 0), "--label-noise needs 2 values after it"),
        (("prepare", "a", "b", "--size"), "--size needs a value after it"),
        (("train", "a", "b", "--resume=1"), "--resume takes no value, so leave out the = and what follows it"),
        (("train", "a"), "RUN is missing; cxr train needs COHORT and RUN, for example: cxr train cohort run"),
        (
            ("train", "a", "b", "--sise", 3),
            "cxr train has no option '--sise' (did you mean --size?); see cxr train --help",
        ),
        (
            ("train", "a", "b", "c d"),
            "'c d' is too much; cxr train takes COHORT and RUN; put a name with spaces in quotes; see cxr train --help",
        ),
        (("trian", "a"), "there is no command 'trian' (did you mean train?); see cxr --help"),
        (("--size",), "cxr has no option '--size'; see cxr --help"),
    ):
        done = cxr(*words, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"cxr: {message}\n"), words


def test_each_option_has_a_sentence_and_each_command_an_example_that_it_understands():
    """rich takes [words] in brackets for a style, and would not show them."""
    for name, command in typer.main.get_command(commands.app).commands.items():
        *_, last = examples = command.epilog.split("\n$ ")[1:]
        for parameter in command.params:
            assert parameter.help.endswith("."), (name, parameter.name)
            assert parameter.help[0].isupper() or parameter.help.startswith("16-bit")
            assert "[" not in parameter.help
        for example in examples:
            words = shlex.split(example)
            assert words[:2] == ["cxr", name]
            command.make_context(name, words[2:], resilient_parsing=False)
        assert last in " ".join(cxr(name, "--help").stdout.split())


def test_the_help_and_the_version():
    shown = cxr("--help")
    assert all(re.search(rf"^. {name} ", shown.stdout, re.MULTILINE) for name in ("fetch", "train", "predict"))
    assert cxr("--version").stdout == f"cxrlib {cxrlib.__version__}\n"
    alone = cxr(check=False)
    assert (alone.returncode, alone.stdout.rstrip(), alone.stderr) == (2, shown.stdout.rstrip(), "")


def test_what_to_do_next_is_shown_on_stderr_where_nobody_asked_for_quiet_or_json(tiny_run, sim_cohort, tmp_path):
    copy, out = tmp_path / "a copy", tmp_path / "films"
    threshold = ("threshold", tiny_run.folder, "--cohort", sim_cohort, "--sensitivity", 0.5, "--out")
    simulate = ("simulate", "--films", 4, "--prevalence", 0.5, "--size", 32)
    for words, line in (
        ((*threshold, copy), f"next: cxr predict FILMS --run '{copy}'"),
        ((*simulate, out), f"next: cxr train {out} RUN"),
        ((*threshold, tmp_path / "json", "--json"), None),
        ((*simulate, tmp_path / "quiet", "--quiet"), None),
    ):
        done = cxr(*words)
        assert "next: " not in done.stdout
        shown = [text for text in done.stderr.splitlines() if text.startswith("next: ")]
        assert shown == ([line] if line else []), words


def test_help_and_import_load_no_large_package():
    """These packages take 0.1 to 3 s to import. Nobody who asks for help should wait for them."""
    large = {"tensorflow", "keras", "pandas", "scipy", "sklearn", "matplotlib", "cv2", "numpy", "tqdm"}
    for code in (
        "import cxrlib",
        "from cxrlib.cli import commands; commands.app(['--help'], standalone_mode=False)",
    ):
        check = f"import sys; {code}; sys.exit(' '.join({large} & set(sys.modules)) or None)"
        done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
        assert done.returncode == 0, f"{code} loads {done.stderr}"


NAMES_THAT_MISLEAD = {
    "film.png: nofinding (score 0.0001, threshold 0.5)\nb.png": r"0.5)\nb.png",
    "a\r\x1b[2Kb.png": r"a\r\x1b[2Kb.png",
    "a\u202egnp.exe": r"a\u202egnp.exe",
    "a\u2028\u2066\x85b.png": r"a\u2028\u2066\x85b.png",
    "a\udcff\udce9.png": r"a\udcff\udce9.png",  # bytes that are not UTF-8
    "Röntgen 肺 \u202f1.png": "Röntgen 肺 \u202f1.png",  # letters and spaces stay
}


def test_a_file_name_cannot_forge_a_line(tiny_run, film, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, shown in NAMES_THAT_MISLEAD.items():
        film_file, bad_file = tmp_path / name, tmp_path / f"bad {name}"
        film_file.write_bytes(cv2.imencode(".png", film)[1].tobytes())
        bad_file.write_bytes(b"")
        words = ("predict", film_file.name, bad_file.name, "--run", tiny_run.folder)
        done = cxr(*words, "--explain", "pictures", check=False)
        result, picture = done.stdout.splitlines()
        assert shown in result
        assert picture.startswith("  picture: pictures")
        errors = [line for line in done.stderr.splitlines() if line.startswith("cxr: ")]
        assert len(errors) == 1
        assert shown in errors[0]
        assert all(letter.isprintable() or letter == "\u202f" for line in done.stderr.splitlines() for letter in line)
        lines = cxr(*words, "--json", check=False).stdout
        assert lines.isascii()
        assert [json.loads(line)["path"] for line in lines.splitlines()] == [film_file.name, bad_file.name]


def test_all_that_the_command_prints_is_escaped():
    for path in Path(output.__file__).parent.glob("*.py"):
        allowed = path.name == "output.py"
        assert len(re.findall(r"\b(?:typer\.echo|secho|print|(?:stdout|stderr)\.write)\(", path.read_text())) == allowed


def test_a_console_that_lacks_letters_gets_escapes():
    code = "from cxrlib.cli.output import show; show('lung 肺'); show('lung 肺', err=True)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}
    )
    assert (done.stdout.split(), done.stderr.split()) == ([b"lung", rb"\u80ba"], [b"lung", rb"\u80ba"])


def test_simulate_has_an_option_for_each(tmp_path):
    options = ("--finding", "nodule", "--films", 12, "--prevalence", 0.5, "--label-noise", 0.34, 0.17, "--seed", 2)
    done = cxr("simulate", tmp_path / "sim", *options, "--shortcut", 1, "--format", "dicom", "--size", 48)
    assert "6 nodule, 6 nofinding" in done.stdout
    table = read_cohort(tmp_path / "sim").table
    assert table.groupby("label")["true_label"].agg(lambda truth: truth.astype(int).sum()).tolist() == [1, 4]
    assert table.groupby("label")["view"].unique().map(list).tolist() == [["PA"], ["AP"]]
    assert len(list((tmp_path / "sim" / "masks").rglob("*.png"))) == 5
    refused = cxr("simulate", tmp_path / "sim", check=False)
    assert refused.returncode == 2
    assert "not empty" in refused.stderr
    refused = cxr("simulate", tmp_path / "new", "--prevalence", 2, check=False)
    assert refused.returncode == 2
    assert "prevalence is 2.0; it must lie between 0 and 1" in refused.stderr
    assert not (tmp_path / "new").exists()


def test_train_starts_from_another_run(tiny_run, sim_cohort, tmp_path):
    small = ("--epochs", 1, "--width", 4, "--size", 48)
    refused = cxr("train", sim_cohort, tmp_path / "run", *small, "--start", tiny_run.folder, check=False)
    assert refused.returncode == 2
    assert "change the recipe" in refused.stderr


@pytest.fixture
def untested(sim_cohort, tmp_path):
    """Return a maker of copies of the cohort, all of whose test films of some labels are train."""

    def make(name, labels):
        shutil.copytree(sim_cohort, tmp_path / name)
        table = pd.read_csv(tmp_path / name / "cohort.csv", dtype={"patient_id": str})
        moved = table.loc[(table["split"] == "test") & table["label"].isin(labels), "patient_id"]
        table.loc[table["patient_id"].isin(moved), "split"] = "train"
        table.to_csv(tmp_path / name / "cohort.csv", index=False)
        return tmp_path / name

    return make


def test_a_cohort_without_test_films_is_refused_with_what_to_do(untested):
    evaluate, compare_twice = ("evaluate", "simulated"), ("compare", "simulated", "simulated")
    one_class = (
        r"test.*: 0 with effusion and \d+ without; at least one of each .*, so take another split \(--split .*\)"
    )
    for words, folder, message in (
        (evaluate, untested("none", (0, 1)), r"no image is in the split 'test' \(.* train, .* val\); take another .*"),
        (evaluate, untested("nofinding alone", (1,)), one_class),
        (compare_twice, untested("once more", (1,)), one_class),
    ):
        done = cxr(*words, folder, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert re.search(rf"^cxr: {folder}: .*{message}$", done.stderr, re.MULTILINE)


def test_a_run_without_test_scores_says_so_where_it_is_trained_and_where_it_is_reported(untested, tmp_path):
    cohort, run = untested("none", (0, 1)), tmp_path / "run"
    small = ("--epochs", 1, "--width", 4, "--size", 48, "--start", "scratch", "--sensitivity", 0.7)
    trained = cxr("train", cohort, run, *small)
    assert f"so there are no test figures; `cxr evaluate {run} {cohort} --split val` reports" in trained.stderr
    assert "AUC" in cxr("evaluate", run, cohort, "--split", "val").stdout
    reported = cxr("report", run)
    assert "there are no test figures; the page is about the validation films" in reported.stderr
    (run / "scores.csv").unlink()
    (run / "manifest.json").unlink()
    done = cxr("report", run, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        f"warning: {NO_MANIFEST}\ncxr: {run}: has no scores.csv, which a training writes; train the run anew\n",
    )
