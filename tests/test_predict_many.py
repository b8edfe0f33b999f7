"""Many films at once: the same answers as one by one, in tables that go on where they stopped."""

import csv
import io
import json
import os
import sys
from pathlib import Path

import cv2
import fuzz
import numpy as np
import pandas as pd
import pytest
from in_process import cxr
from test_cli import NAMES_THAT_MISLEAD

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.film_files import find_films
from cxrlib.errors import InputError
from cxrlib.files import map_in_order
from cxrlib.images.radiograph import read_image
from cxrlib.model import network
from cxrlib.training.run import PREDICTED_AT_ONCE, Prediction
from cxrlib.training.score_table import COLUMNS, MADE_SUFFIX, open_score_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory, sim_cohort) -> Path:
    """Films of many formats, odd ones, and files that cannot be read."""
    folder = tmp_path_factory.mktemp("films")
    (folder / "sub").mkdir()
    for number, path in enumerate(read_cohort(sim_cohort).files[:70]):
        os.symlink(path, folder / f"{number:02d}.png")
    for name, data in fuzz.simulated_films().items():
        (folder / "sub" / name).write_bytes(data)
    image = read_image(folder / "00.png")
    cv2.imwrite(str(folder / "turned.png"), np.rint(255 * image[::-1]).astype(np.uint8))
    board = np.kron(np.indices((8, 8)).sum(axis=0) % 2, np.ones((16, 16))).astype(np.uint8)
    cv2.imwrite(str(folder / "board.png"), 255 * board)
    cv2.imwrite(str(folder / "color.png"), np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    (folder / "40 broken.png").write_bytes(b"no film")
    return folder


def one_by_one(run, films, **options):
    for film in films:
        try:
            yield run.predict(film, **options)
        except InputError as error:
            yield error


def assert_same(many, single):
    many, single = list(many), list(single)
    assert [type(each) for each in many] == [type(each) for each in single]
    for found, expected in zip(many, single, strict=True):
        if isinstance(expected, InputError):
            assert str(found) == str(expected)
        else:
            assert found.score == pytest.approx(expected.score, abs=1e-6)
            assert (found.threshold, found.warnings) == (expected.threshold, expected.warnings)
            assert found.finding == (found.score >= found.threshold)


def test_many_films_get_what_each_gets_alone(tiny_run, folder):
    films, _ = find_films([folder])
    assert len(films) > 3 * PREDICTED_AT_ONCE
    for options in ({}, {"threshold": 0.25, "accept": ("color", "modality", "unlike")}):
        many = list(tiny_run.predict_many(films, **options))
        assert {type(each) for each in many} == {Prediction, InputError}
        assert any(each.warnings for each in many if isinstance(each, Prediction))
        assert_same(many, one_by_one(tiny_run, films, **options))


def test_films_that_are_no_files_and_no_films_at_all(tiny_run, folder):
    films = [read_image(folder / "00.png"), (folder / "01.png").read_bytes(), np.zeros((64, 64), np.uint8)]
    assert_same(tiny_run.predict_many(iter(films)), one_by_one(tiny_run, films))
    assert list(tiny_run.predict_many([])) == []


def test_wrong_options_are_refused_at_once(tiny_run, tmp_path):
    for options, message in (({"threshold": 2}, "threshold is 2"), ({"accept": "color"}, "accept is 'color'")):
        with pytest.raises(InputError, match=message):
            tiny_run.predict_many(["film.png"], **options)
        with pytest.raises(InputError, match=message), open_score_table(tmp_path / "out.csv", tiny_run, **options):
            pass
    assert not list(tmp_path.iterdir())


def test_a_score_that_is_no_number_is_an_error_of_its_film_alone(tiny_run, folder, monkeypatch):
    def with_nan(model, images, *, mirror):
        return np.where(np.arange(len(images)) == 1, np.nan, 0).astype(np.float32)

    monkeypatch.setattr(network, "predict_logits", with_nan)
    first, second, third = tiny_run.predict_many([folder / f"0{number}.png" for number in range(3)])
    assert str(second) == f"{folder / '01.png'}: its score is not a finite number"
    assert first.score == third.score


def test_a_bounded_number_of_films_is_read_ahead(tiny_run, folder):
    taken = 0

    def films():
        nonlocal taken
        while True:  # it would never end
            taken += 1
            yield folder / "00.png"

    predictions = tiny_run.predict_many(films())
    for number in range(1, 5 * PREDICTED_AT_ONCE):
        next(predictions)
        assert taken <= number + 3 * PREDICTED_AT_ONCE + 4 * os.cpu_count()
    predictions.close()


def test_items_are_worked_on_ahead_while_the_caller_uses_a_result():
    started = []
    results = map_in_order(started.append, range(1000), workers=2, ahead=100)
    next(results)
    results.close()  # waits for those that have begun
    assert len(started) <= 100


def test_the_mirror_image_is_in_the_same_batch(tiny_run, sim_cohort):
    """Of any number of films, also an odd one."""
    images = tiny_run.load_images(read_cohort(sim_cohort).files[:67])
    for count in (1, 2, 31, 67):
        films = images[:count]
        plain, mirrored = (network.predict_logits(tiny_run.model, each) for each in (films, films[:, :, ::-1]))
        found = network.predict_logits(tiny_run.model, films, mirror=True)
        np.testing.assert_allclose(found, (plain + mirrored) / 2, atol=1e-5)


# which films


def test_files_folders_patterns_and_lists_name_films(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b [1].png", "deep/er/c.png", "deep/d.jpg", "deep/notes.txt", "other/e.png", "other/x.tif"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"II*\0" if name == "other/x.tif" else b"")
    assert find_films(["absent.png", "a.png"]) == (["absent.png", "a.png"], ())  # files are not opened
    assert find_films(["deep", "./a.png"])[0] == ["deep/d.jpg", "deep/er/c.png", "a.png"]
    assert find_films(["*.png", "**/*.jpg"])[0] == ["a.png", "b [1].png", "deep/d.jpg"]
    assert find_films(["b [1].png"])[0] == ["b [1].png"]  # it exists, so it is no pattern
    assert find_films([Path("b [2].png")])[0] == ["b [2].png"]
    paths, notes = find_films(["a.png", ".", "oth*"])
    assert sorted(paths) == ["a.png", "b [1].png", "deep/d.jpg", "deep/er/c.png", "other/e.png"]
    assert paths[0] == "a.png"
    assert notes[-1] == "names that were repeated: 2; each film is taken once"
    assert "TIFF" in notes[0]


def test_places_without_films_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "tiff").mkdir()
    (tmp_path / "tiff" / "x.tif").write_bytes(b"II*\0")
    (tmp_path / "a.png").write_bytes(b"")
    for places, message in (
        (["a.png", "empty"], "empty: holds no film; PNG, JPEG or DICOM files are needed"),
        (["tiff"], "TIFF, a format that is not read"),
        (["*.dcm"], r"\*\.dcm: no file matches this pattern"),
        ([""], "a name is empty"),
        ([], "no film is named"),
    ):
        with pytest.raises(InputError, match=message):
            find_films(places)


# the command


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names_on_stdin(monkeypatch, names):
    stream = io.TextIOWrapper(io.BytesIO(b"".join(os.fsencode(name) + b"\n" for name in names)))
    monkeypatch.setattr(sys, "stdin", stream)


def test_the_table_holds_what_the_lines_say(tiny_run, folder, tmp_path, monkeypatch):
    out = tmp_path / "new" / "out.csv"
    words = ("predict", folder, "--run", tiny_run.folder)
    done = cxr(*words, "--csv", out, check=False)
    assert done.returncode == 1
    lines = [json.loads(line) for line in cxr(*words, "--json", check=False).stdout.splitlines()]
    rows = rows_of(out)
    assert tuple(rows[0]) == COLUMNS
    errors = [line["error"] for line in lines if "error" in line]
    assert [line.removeprefix("cxr: ") for line in done.stderr.splitlines() if line.startswith("cxr: ")] == errors
    for row, line in zip(rows, lines, strict=True):
        assert row["path"] == line["path"]
        assert row["error"] == line.get("error", "")
        assert row["warnings"] == "; ".join(line.get("warnings", ()))
        if "score" in line:
            assert [float(row["score"]), float(row["threshold"])] == [line["score"], line["threshold"]]
            assert row["finding"] == str(int(line["finding"]))
        else:
            assert row["score"] == row["threshold"] == row["finding"] == ""
    counts = [sum(line.get("finding") is each for line in lines) for each in (True, False)]
    assert done.stdout.startswith(f"{out}: {len(lines)} films: {counts[0]} effusion, {counts[1]} nofinding; ")
    assert done.stdout.endswith(f"; {len(errors)} could not be read\n")
    table = pd.read_csv(out)
    assert table["score"].between(0, 1).sum() == len(lines) - len(errors)
    assert sorted(path.name for path in out.parent.iterdir()) == ["out.csv", "out.csv.made.json"]


def test_names_from_a_list_on_stdin(tiny_run, folder, tmp_path, monkeypatch):
    names = [str(folder / "03.png"), "", str(folder / "02.png"), str(folder / "03.png")]
    names_on_stdin(monkeypatch, names)
    done = cxr("predict", "-", folder / "turned.png", "--run", tiny_run.folder, "--json")
    paths = [json.loads(line)["path"] for line in done.stdout.splitlines()]
    assert paths == [names[0], names[2], str(folder / "turned.png")]
    assert "note: names that were repeated: 1" in done.stderr
    names_on_stdin(monkeypatch, [])
    done = cxr("predict", "-", check=False)
    assert (done.returncode, done.stderr) == (2, "cxr: no film is named; name files, folders or patterns\n")


def test_a_call_goes_on_with_what_is_missing(tiny_run, folder, tmp_path):
    out, whole = tmp_path / "out.csv", tmp_path / "whole.csv"
    words = ("predict", folder, "--run", tiny_run.folder, "--csv")
    cxr(*words, whole, check=False)
    data = whole.read_bytes()
    ends = [place for place, byte in enumerate(data) if byte == ord("\n")]
    made = Path(f"{whole}{MADE_SUFFIX}").read_bytes()
    # cut off after no byte, in the headings, after them, after a whole row and in the middle of one
    for cut in (0, 5, ends[0] + 1, ends[40] + 1, ends[64] + 9, len(data) - 1, len(data)):
        out.write_bytes(data[:cut])
        Path(f"{out}{MADE_SUFFIX}").write_bytes(made)
        done = cxr(*words, out, check=False)
        assert done.returncode == 1  # also if the films that cannot be read were in the first call
        assert done.stdout.split(": ", 1)[1] == f"{len(ends) - 1} films" + done.stdout.split(" films", 1)[1]
        for found, expected in zip(rows_of(out), rows_of(whole), strict=True):
            if expected["score"]:
                assert float(found.pop("score")) == pytest.approx(float(expected.pop("score")), abs=1e-6)
            assert found == expected
    readable = folder / "00.png"
    assert cxr("predict", readable, "--run", tiny_run.folder, "--csv", out).returncode == 0  # it has a score


def test_rows_that_were_made_otherwise_stay_alone(tiny_run, folder, tmp_path):
    film, out, made = folder / "00.png", tmp_path / "out.csv", tmp_path / f"out.csv{MADE_SUFFIX}"
    words = ("predict", film, "--csv", out)
    cxr(*words, "--run", tiny_run.folder, "--threshold", 0.25)
    before = {path: path.read_bytes() for path in (out, made)}

    def refusal(*options):
        done = cxr(*words, *options, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert set(before) == set(tmp_path.iterdir())
        assert all(path.read_bytes() == data for path, data in before.items())
        return done.stderr

    same = ("--run", tiny_run.folder, "--threshold", 0.25)
    end = "; name a new file\n"
    assert refusal(*same[:3], 0.5).endswith(f"was made with the threshold 0.25, and 0.5 is given now{end}")
    assert "was made with the accept" in refusal(*same, "--accept", "color")
    assert f"was made with the run {str(tiny_run.folder)!r}" in refusal("--threshold", 0.25)
    for data, message in (
        (b"path,score\n", "its columns are not path, score"),
        (b",".join(c.encode() for c in COLUMNS) + b"\na.png,0.5\n", "row 1 has 2 cells"),
        (b"\xff\xfe\n", "is not a table that `cxr predict` wrote"),
    ):
        out.write_bytes(data)
        before[out] = data
        assert message in refusal(*same)
    done = cxr(*words[:2], "--csv", out / "x.csv", *same, check=False)
    assert done.stderr == f"cxr: {out}: is a file; the table needs a folder\n"
    made.unlink()
    del before[made]
    assert "is not beside it; name a new file" in refusal(*same)


def test_relative_names_belong_to_the_folder_in_which_the_table_was_begun(tiny_run, film, tmp_path, monkeypatch):
    out = tmp_path / "out.csv"
    words = ("predict", "a.png", "--run", tiny_run.folder, "--csv", out)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "a.png"), film)
    monkeypatch.chdir(tmp_path / "one")
    cxr(*words)
    before = out.read_bytes()
    monkeypatch.chdir(tmp_path / "two")
    done = cxr(*words, check=False)
    assert (done.returncode, out.read_bytes()) == (2, before)
    assert f"the table was begun in {tmp_path / 'one'}; call the command there" in done.stderr
    cxr("predict", tmp_path / "two", *words[2:])  # a whole path means the same film in every folder
    assert [row["path"] for row in rows_of(out)] == ["a.png", str(tmp_path / "two" / "a.png")]


def test_names_in_a_table_can_neither_mislead_nor_compute(tiny_run, film, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = cv2.imencode(".png", film)[1].tobytes()
    for name in (*NAMES_THAT_MISLEAD, "=1+2.png", "@a.png"):
        (tmp_path / name).write_bytes(data)
    words = ("predict", "=1+2.png", "@a.png", *NAMES_THAT_MISLEAD, "--run", tiny_run.folder, "--csv", "out.csv")
    for _ in range(2):  # the second call finds all of them
        cxr(*words)
        rows = rows_of("out.csv")
        assert [row["path"] for row in rows[:2]] == ["'=1+2.png", "'@a.png"]
        assert len(rows) == len(NAMES_THAT_MISLEAD) + 2
        assert all(row["score"] for row in rows)
    (tmp_path / "a\nb.png").write_bytes(data)
    (tmp_path / r"a\nb.png").write_bytes(data)
    done = cxr("predict", "a\nb.png", r"a\nb.png", "--run", tiny_run.folder, "--csv", "two.csv", check=False)
    assert done.returncode == 2
    assert "two films would have this path in the table" in done.stderr


def test_nothing_is_written_if_there_is_no_film_or_no_run(tiny_run, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for words in ((tmp_path / "empty", "--run", tiny_run.folder), (folder, "--run", tmp_path / "empty")):
        done = cxr("predict", *words, "--csv", tmp_path / "out.csv", check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert len([line for line in done.stderr.splitlines() if line.startswith("cxr: ")]) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_an_interrupted_call_keeps_its_rows_and_says_so(tiny_run, folder, tmp_path, monkeypatch):
    out, calls = tmp_path / "out.csv", 0
    predict_logits = network.predict_logits

    def interrupt(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return predict_logits(*arguments, **options)

    words = ("predict", folder, "--run", tiny_run.folder, "--csv")
    with monkeypatch.context() as patch:
        patch.setattr(network, "predict_logits", interrupt)
        done = cxr(*words, out, check=False)
    assert done.returncode not in (0, 1, 2)
    assert f"cxr: stopped; {out} keeps {2 * PREDICTED_AT_ONCE} films" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.csv.made.json"]
    cxr(*words, out, check=False)
    cxr(*words, tmp_path / "whole.csv", check=False)
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()  # the same batches, so the same bits


def test_two_processes_do_not_write_one_table(tiny_run, tmp_path):
    out = tmp_path / "out.csv"
    with (
        open_score_table(out, tiny_run),
        pytest.raises(InputError, match=r"out\.csv: process \d+ on .* is at work in it"),
        open_score_table(out, tiny_run),
    ):
        pass
