import io
import json
import os
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.preparation import prepare
from cxrlib.errors import InputError
from cxrlib.evaluation.roc_auc import auc
from cxrlib.files import write_csv
from cxrlib.images.film_facts import count_warnings
from cxrlib.images.pixels import minmax
from cxrlib.images.radiograph import read_image
from cxrlib.phantom.simulation import simulate
from cxrlib.training.comparison import compare
from cxrlib.training.manifest import FILES, MANIFEST, write_manifest
from cxrlib.training.run import NO_FILM_IDS, NO_MANIFEST, open_run


def test_predict_agrees_with_the_scores_of_the_training(tiny_run, sim_cohort):
    table = tiny_run.scores
    for row in table.iloc[::10].itertuples():
        prediction = tiny_run.predict(sim_cohort / row.path)
        assert prediction.score == pytest.approx(row.score, abs=1e-5)
        assert prediction.finding == (row.score >= tiny_run.threshold)


def test_predict_takes_an_array_and_a_threshold(tiny_run, sim_cohort):
    path = sim_cohort / tiny_run.scores["path"][0]
    by_path, by_array = tiny_run.predict(path), tiny_run.predict(read_image(path)[..., None])
    assert by_array.score == pytest.approx(by_path.score, abs=1e-6)
    assert tiny_run.predict(path, threshold=0.0).finding
    assert not tiny_run.predict(path, threshold=1.0).finding
    for wrong in (np.zeros((3, 4, 5)), np.full((8, 8), 7.0), np.zeros((8, 8), int)):
        with pytest.raises(InputError, match="the image"):
            tiny_run.predict(wrong)


def spoiled(film: np.ndarray, case: str, rng: np.random.Generator) -> np.ndarray:
    """Return a film as an original may be, uint16: wider than high, of 12 bits, or with a hot pixel."""
    film = cv2.resize(film, (512, 512)).astype(np.float64) + rng.normal(0, 20, (512, 512))
    film = np.clip(film[60:440] if case == "wide" else film, 0, 4095).astype(np.uint16)
    if case == "hot":
        film[200, 100] = 30_000
    return film


def test_an_original_and_its_prepared_copy_score_alike(tiny_run, tmp_path, sim_cohort):
    for case in ("wide", "12-bit", "hot"):
        source, out, rng = tmp_path / case, tmp_path / f"{case} prepared", np.random.default_rng(0)
        for name in ("effusion", "nofinding"):
            (source / name).mkdir(parents=True)
            for i, path in enumerate(sorted((sim_cohort / name).iterdir())[:4]):
                film = spoiled(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), case, rng)
                cv2.imwrite(str(source / name / f"{i}.png"), film)
        prepare(source, out, size=128)
        paths = read_cohort(out).table["path"]
        scores = np.array([[tiny_run.predict(folder / path).score for path in paths] for folder in (source, out)])
        assert np.abs(scores[0] - scores[1]).max() < 0.005
        assert np.ptp(scores[0]) > 0.005  # scores that never differ would prove nothing


def overlaps(result) -> tuple[str, ...]:
    """Return the warnings of an evaluation or comparison, without those about films that look unusual."""
    return tuple(warning for warning in result.warnings if "unusual films:" not in warning)


def test_evaluate_counts_the_warnings_that_predict_gives(tiny_run, sim_cohort, tmp_path):
    folder = shutil.copytree(sim_cohort, tmp_path / "films")
    for path in tiny_run.scores.query("split == 'test'")["path"][:2]:
        pixels = cv2.imread(str(folder / path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(folder / path), pixels.max() - pixels)
    cohort = read_cohort(folder)
    result = tiny_run.evaluate(cohort)
    found = [warning.kind for file in cohort.part("test").files for warning in tiny_run.predict(file).warnings]
    assert found.count("inverted") == 2
    expected = f"unusual films: {count_warnings(found)} (first: "
    assert any(warning.startswith(expected) for warning in result.warnings)
    assert any(expected in warning for warning in compare(tiny_run, tiny_run, cohort).warnings)


def test_evaluate_and_the_splits_it_knows(tiny_run, sim_cohort, two_folders):
    cohort = read_cohort(sim_cohort)
    result = tiny_run.evaluate(cohort)
    test = tiny_run.scores.query("split == 'test'")
    assert result.auc.value == pytest.approx(auc(test["label"], test["score"]))
    everything = tiny_run.evaluate(cohort, split="all")
    assert everything.performance.n == 100
    learned = (read_cohort(sim_cohort).table["split"] == "train").sum()
    chosen = (read_cohort(sim_cohort).table["split"] == "val").sum()
    assert overlaps(everything) == (
        f"{learned:,} of these films are training films of the run",
        f"{chosen:,} of these films are validation films of the run. Its epoch and its threshold were chosen on them",
    )
    assert overlaps(tiny_run.evaluate(cohort, split="val")) == ()
    assert overlaps(result) == ()
    with pytest.raises(InputError, match="not known which images are test"):
        tiny_run.evaluate(read_cohort(two_folders))
    assert overlaps(tiny_run.evaluate(read_cohort(two_folders), split="all")) == ()
    assert tiny_run.evaluate(cohort, by=["view"]).groups["view"][0].name == "AP"
    with pytest.raises(InputError, match="cannot be grouped by 'volume'"):
        tiny_run.evaluate(cohort, by=["view", "volume"])
    by_hand = tiny_run.evaluate(cohort, threshold=0.0)
    assert by_hand.performance.sensitivity.value == 1


def test_films_trained_on_stay_so_whatever_cohort_csv_says(tiny_run, sim_cohort, tmp_path):
    shutil.copytree(sim_cohort, tmp_path / "copy")
    table = read_cohort(sim_cohort).table
    table.assign(split="test").to_csv(tmp_path / "copy" / "cohort.csv", index=False)
    result = tiny_run.evaluate(read_cohort(tmp_path / "copy"))
    assert result.performance.n == (table["split"] == "test").sum()
    (tmp_path / "copy" / "cohort.csv").unlink()  # the bare folders of the same files
    assert tiny_run.evaluate(read_cohort(tmp_path / "copy")).performance.n == result.performance.n


def test_a_cohort_that_the_run_does_not_know(tiny_run, sim_cohort, tmp_path):
    """Its own split counts. Patients with the id of one trained on cause a warning."""
    other = simulate(tmp_path / "other", films=30, prevalence=1 / 3, size=64, seed=9)
    result = tiny_run.evaluate(read_cohort(other), split="all")
    assert result.performance.n == 30
    assert "same patient_id as a training film" in result.warnings[0]
    assert "training films of the run" not in result.warnings[0]


def test_all_films_can_be_scored_when_some_are_new(tiny_run, sim_cohort, tmp_path):
    shutil.copytree(sim_cohort, tmp_path / "grown")
    (tmp_path / "grown" / "cohort.csv").unlink()
    shutil.copy(next((sim_cohort / "effusion").iterdir()), tmp_path / "grown" / "effusion" / "new.png")
    grown = read_cohort(tmp_path / "grown")
    assert tiny_run.evaluate(grown, split="all").performance.n == 101
    with pytest.raises(InputError, match="not known which are test"):
        tiny_run.evaluate(grown)


def test_a_new_film_of_a_patient_trained_on_cannot_be_test(tiny_run, sim_cohort, tmp_path):
    shutil.copytree(sim_cohort, tmp_path / "leak")
    table = read_cohort(sim_cohort).table
    shutil.copy(sim_cohort / table["path"][0], tmp_path / "leak" / "effusion" / "again.png")
    patient = table.loc[table["split"] == "train", "patient_id"].iloc[0]
    row = {"path": "effusion/again.png", "label": 1, "patient_id": patient, "split": "test"}
    rest = table[table["patient_id"] != patient]
    grown = pd.concat([rest, pd.DataFrame([row])])
    grown.to_csv(tmp_path / "leak" / "cohort.csv", index=False)
    cv2.imwrite(str(tmp_path / "leak" / "effusion" / "again.png"), np.eye(64, dtype=np.uint8) * 200)  # a new film
    warnings = tiny_run.evaluate(read_cohort(tmp_path / "leak")).warnings
    assert "1 of these films have the same patient_id as a training film" in warnings[0]


def test_a_run_against_itself(tiny_run, sim_cohort):
    result = compare(tiny_run, tiny_run, read_cohort(sim_cohort))
    assert result.difference == (0, 0, 0)
    assert result.auc_a == result.auc_b == tiny_run.evaluate(read_cohort(sim_cohort)).auc
    test = tiny_run.scores.query("split == 'test'")
    assert (result.n, result.n_finding) == (len(test), test["label"].sum())


def copy_of(run, tmp_path):
    return shutil.copytree(run.folder, tmp_path / "copy")


def test_folders_that_are_no_run(tiny_run, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        open_run(tmp_path / "absent")
    with pytest.raises(InputError, match="not a run folder"):
        open_run(tmp_path)
    copy = copy_of(tiny_run, tmp_path)
    recipe = json.loads((copy / "recipe.json").read_text())
    (copy / "recipe.json").write_text(json.dumps(recipe | {"format": 0}))
    with pytest.raises(InputError, match="another version"):
        open_run(copy)
    shutil.copy(tiny_run.folder / "recipe.json", copy)
    (copy / "operating_point.json").unlink()
    with pytest.raises(InputError, match=r"operating_point\.json: is missing, but manifest\.json lists it"):
        open_run(copy)
    (copy / "operating_point.json").write_text('{"finding": "effusion"}')
    (copy / MANIFEST).unlink()
    with pytest.raises(InputError, match=r"operating_point\.json: is damaged"):
        open_run(copy)


def test_a_damaged_model(tiny_run, tmp_path):
    copy = copy_of(tiny_run, tmp_path)
    (copy / "model.keras").write_bytes((copy / "model.keras").read_bytes()[:1000])
    (copy / MANIFEST).unlink()
    with pytest.raises(InputError, match=r"model\.keras: cannot be loaded"):
        open_run(copy).predict(np.zeros((64, 64)))


def test_a_comparison_says_what_either_run_was_trained_on(tiny_run, sim_cohort):
    warnings = overlaps(compare(tiny_run, tiny_run, read_cohort(sim_cohort), split="all"))
    assert ["training films of the run" in text for text in warnings] == [True, False] * 2
    assert ["validation films of the run" in text for text in warnings] == [False, True] * 2
    assert all(text.startswith(f"{tiny_run.folder}: ") for text in warnings)
    assert not overlaps(compare(tiny_run, tiny_run, read_cohort(sim_cohort)))


def test_films_of_another_finding_cause_a_warning(tiny_run, tmp_path):
    other = simulate(tmp_path / "other", films=20, prevalence=0.5, size=64, seed=5, finding="cardiomegaly")
    warnings = tiny_run.evaluate(read_cohort(other), split="all").warnings
    assert "the run looks for effusion, and these films are filed as cardiomegaly" in warnings


def test_equal_file_names_do_not_make_the_same_people(tiny_run, two_folders, monkeypatch):
    split = pd.DataFrame({"path": ["effusion/e0.png"], "patient_id": ["file:effusion/e0.png"], "split": ["train"]})
    monkeypatch.setitem(tiny_run.__dict__, "split", split.assign(label=1, film_id="of other pixels"))
    assert not tiny_run.overlap_warnings(read_cohort(two_folders))


def test_a_patient_may_be_called_na(tiny_run, tmp_path):
    copy = copy_of(tiny_run, tmp_path)
    split = tiny_run.split.assign(patient_id="NA")
    split.to_csv(copy / "split.csv", index=False)
    write_manifest(copy)
    assert open_run(copy).split["patient_id"].unique().tolist() == ["NA"]


def renamed(source, out):
    """Copy the films of a cohort into bare class folders, under new names."""
    for row in read_cohort(source).table.itertuples():
        folder, name = row.path.split("/")
        (out / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(source / row.path, out / folder / f"x{name}")


def test_films_are_known_under_any_name_and_at_any_size(tiny_run, sim_cohort, tmp_path):
    split = tiny_run.split
    train, val = split[split["split"] == "train"], split[split["split"] == "val"]
    renamed(sim_cohort, tmp_path / "renamed")
    prepare(tmp_path / "renamed", tmp_path / "small", size=40)
    first = train["path"].iloc[0]
    other_name = first.replace("/", "/x")
    for folder in ("renamed", "small"):
        warnings = tiny_run.evaluate(read_cohort(tmp_path / folder), split="all").warnings
        n = len(train)
        expected = f"{n} of these films are training films of the run, {n} of them under other names"
        assert warnings[0] == f"{expected} (first: {other_name}, which was {first})"
        assert warnings[1].startswith(f"{len(val)} of these films are validation films of the run, {len(val)} of them")
        both = compare(tiny_run, tiny_run, read_cohort(tmp_path / folder), split="all").warnings
        assert [text.split(": ", 1)[1] for text in both] == [*warnings, *warnings]


def test_two_films_that_were_swapped_are_found(tiny_run, sim_cohort, tmp_path):
    shutil.copytree(sim_cohort, tmp_path / "swapped")
    in_train, in_test = (
        tiny_run.split.query(f"split == '{split}' and label == 1")["path"].iloc[0] for split in ("train", "test")
    )
    shutil.copy(sim_cohort / in_train, tmp_path / "swapped" / in_test)
    shutil.copy(sim_cohort / in_test, tmp_path / "swapped" / in_train)
    cohort = read_cohort(tmp_path / "swapped")
    assert set(cohort.table["path"]) - set(tiny_run.recorded_films(cohort)) == {in_train, in_test}
    warnings = tiny_run.evaluate(cohort).warnings
    assert (
        f"1 of these films are training films of the run, 1 of them under other names "
        f"(first: {in_test}, which was {in_train})" in (warnings)
    )


def test_a_film_with_another_label_than_in_the_training_is_named(tiny_run, sim_cohort, tmp_path):
    shutil.copytree(sim_cohort, tmp_path / "flipped")
    (tmp_path / "flipped" / "cohort.csv").unlink()
    path = tiny_run.split.query("split == 'test' and label == 1")["path"].iloc[0]
    (tmp_path / "flipped" / path).rename(tmp_path / "flipped" / "nofinding" / "flipped.png")
    warnings = tiny_run.evaluate(read_cohort(tmp_path / "flipped"), split="all").warnings
    assert "1 of these films had another label in the training (first: nofinding/flipped.png)" in warnings


def change_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def invert_labels(path):
    table = pd.read_csv(path)
    table.assign(label=1 - table["label"]).to_csv(path, index=False)


def save_another_network(path, **changes):
    from cxrlib.model.network import build_network

    build_network(replace(open_run(path.parent).recipe, **changes)).save(path)


FOREIGN = (
    ("model.keras", lambda path: save_another_network(path, width=4)),
    ("model.keras", lambda path: save_another_network(path, size=32)),
    ("model.keras", lambda path: save_another_network(path, standardize=False)),
    ("scores.csv", invert_labels),
    ("operating_point.json", lambda path: change_json(path, weight=3.5)),
)
"""Files that do not belong to the run, which the other files give away even without a manifest."""

ALTERED = (
    ("recipe.json", lambda path: change_json(path, mirror=False)),
    ("operating_point.json", lambda path: change_json(path, threshold=0.987)),
    ("history.csv", lambda path: path.write_text(path.read_text().replace("0.", "0.1"))),
    ("split.csv", lambda path: path.write_text(path.read_text().replace("train", "test"))),
    ("environment.json", lambda path: change_json(path, cohort="another")),
    ("reference.json", lambda path: change_json(path, films=7)),
    ("origin.json", lambda path: path.unlink()),
    ("scores.csv", lambda path: path.unlink()),
    ("weights.npz", lambda path: path.write_bytes(b"of another run")),
    ("ancestors.csv", lambda path: path.write_text("film_id,split,patient_id,run\n")),
)


def test_each_file_of_a_run_belongs_to_it(tiny_run, tmp_path):
    assert json.loads((tiny_run.folder / MANIFEST).read_text())["sha256"].keys() == set(FILES) & {
        path.name for path in tiny_run.folder.iterdir()
    }
    for case, (name, change) in enumerate((*FOREIGN, *ALTERED)):
        copy = shutil.copytree(tiny_run.folder, tmp_path / str(case))
        change(copy / name)
        with pytest.raises(InputError, match=rf"{name}: (is not the file|is missing|does not belong)"):
            open_run(copy)
        write_manifest(copy)  # as after a file was replaced on purpose
        (copy / "report.html").touch()  # not a file that a run consists of
        assert open_run(copy).notes == ()


def test_without_a_manifest_the_other_files_give_a_foreign_one_away(tiny_run, tmp_path):
    for case, (name, change) in enumerate(FOREIGN):
        copy = shutil.copytree(tiny_run.folder, tmp_path / str(case))
        change(copy / name)
        (copy / MANIFEST).unlink()
        run = open_run(copy)
        assert run.notes == (NO_MANIFEST,)
        with pytest.raises(InputError, match=r"does not belong to this run"):
            _ = (run.model, run.scores)


def test_a_damaged_manifest(tiny_run, tmp_path):
    copy = copy_of(tiny_run, tmp_path)
    for changes in ({"sha256": []}, {"sha256": {"../x": "0"}}, {"format": 99}, {"sha256": None}):
        write_manifest(copy)
        change_json(copy / MANIFEST, **changes)
        with pytest.raises(InputError, match=r"manifest\.json: is (damaged|of another version)"):
            open_run(copy)


def test_a_run_of_an_earlier_version_opens_with_a_note(tiny_run, sim_cohort, tmp_path):
    copy, cohort = copy_of(tiny_run, tmp_path), read_cohort(sim_cohort)
    for name in (MANIFEST, "origin.json"):
        (copy / name).unlink()
    sizes = [(sim_cohort / path).stat().st_size for path in tiny_run.split["path"]]
    tiny_run.split.drop(columns=["film_id", "label"]).assign(bytes=sizes).to_csv(copy / "split.csv", index=False)
    run = open_run(copy)
    assert run.notes == (NO_MANIFEST,)
    assert run.split[["path", "label"]].equals(tiny_run.split[["path", "label"]])
    assert overlaps(run.evaluate(cohort)) == (NO_FILM_IDS,)
    assert run.evaluate(cohort).auc == tiny_run.evaluate(cohort).auc
    trained_on = f"{(run.split['split'] == 'train').sum()} of these films are training films of the run"
    assert run.evaluate(cohort, split="all").warnings[0] == trained_on


class ShortReads(io.BytesIO):
    """A stream that gives at most 1,000 bytes at a time, as a pipe may."""

    def read(self, size=-1):
        return super().read(min(size, 1000))


def test_predict_takes_a_film_from_wherever_it_is(tiny_run, sim_cohort, tmp_path):
    path = sim_cohort / tiny_run.scores["path"][0]
    dicom = next((simulate(tmp_path / "d", films=4, prevalence=0.5, size=64, format="dicom") / "effusion").iterdir())
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    picture = Image.open(path)
    with path.open("rb") as stream:
        sources = [str(path), path.read_bytes(), bytearray(path.read_bytes()), stream, io.BytesIO(path.read_bytes())]
        sources += [pixels, pixels[..., None], picture, picture.convert("I"), read_image(path, size=64)]
        sources += [pixels.astype(">u2"), ShortReads(path.read_bytes())]
        expected = tiny_run.predict(path)
        for source in sources:
            found = tiny_run.predict(source)
            assert found.score == pytest.approx(expected.score, abs=1e-4)
            assert found.finding == expected.finding
    by_path = tiny_run.predict(dicom)
    for source in (pydicom.dcmread(dicom), dicom.read_bytes()):
        assert tiny_run.predict(source).score == by_path.score
    turned = Image.fromarray((pixels >> 4).astype(np.uint8))
    turned.getexif()[0x0112] = 3  # upside down
    upright = tiny_run.predict(np.ascontiguousarray((pixels >> 4).astype(np.uint8)[::-1, ::-1]))
    assert tiny_run.predict(turned).score == pytest.approx(upright.score, abs=1e-6)


NO_FILMS = (None, 7, ["film.png"], object(), io.StringIO("text"), pydicom.Dataset(), Image.new("RGB", (64, 64), "red"),
            np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), complex), np.zeros((0, 8), np.uint8),
            Image.new("F", (8, 8), 7.0), b"", io.BytesIO(b"no film"), Image.new("CMYK", (8, 8)),
            np.ma.masked_equal(np.arange(64, dtype=np.uint8).reshape(8, 8), 63))  # fmt: skip


def test_what_is_no_film_is_refused_in_one_sentence(tiny_run):
    for source in NO_FILMS:
        with pytest.raises(InputError, match=r"needed|give|bytes|file|colour"):
            tiny_run.predict(source)
    closed, film = io.BytesIO(b"film"), np.zeros((8, 8), np.uint8)
    closed.close()
    with open(__file__, encoding="ascii") as text, open(os.devnull, "wb") as written:
        for stream in (text, written, closed):
            with pytest.raises(InputError, match=r"the stream cannot be read: .*; open the file in binary mode"):
                tiny_run.predict(stream)
    for accept in ("color", None, 3, ["colour"]):
        with pytest.raises(InputError, match=r"accept is .*; it must hold names of color, modality, unlike"):
            tiny_run.predict(film, accept=accept)


def test_a_run_refuses_thresholds_that_cannot_be(tiny_run, sim_cohort):
    path, cohort = sim_cohort / tiny_run.scores["path"][0], read_cohort(sim_cohort)
    for threshold in (np.nan, 2, -1, "0.5", True):
        for call in (tiny_run.predict, tiny_run.evaluate):
            with pytest.raises(InputError, match="threshold is"):
                call(path if call == tiny_run.predict else cohort, threshold=threshold)
    for prevalence in (0, 1, np.nan):
        with pytest.raises(InputError, match="prevalence is"):
            tiny_run.evaluate(cohort, prevalence=prevalence)


def test_films_that_another_program_has_changed_are_known_by_their_looks(tiny_run, sim_cohort, tmp_path):
    """The copies are saved as JPEG, resized to half and back, mirrored, or of another gamma: no pixel is the same."""
    changes = (
        lambda film: film,
        lambda film: cv2.resize(cv2.resize(film, (48, 48), interpolation=cv2.INTER_AREA), (64, 64)),
        lambda film: film[:, ::-1],
        lambda film: (255 * (film / 255) ** 1.2).astype(np.uint8),
    )
    train = tiny_run.split.query("split == 'train'")["path"].tolist()
    for index, path in enumerate(train):
        film = (minmax(cv2.imread(str(sim_cohort / path), cv2.IMREAD_UNCHANGED)) * 255).astype(np.uint8)
        out = tmp_path / "saved" / path.split("/")[0] / f"{index}.jpg"
        out.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(out), changes[index % len(changes)](film), [cv2.IMWRITE_JPEG_QUALITY, 80])
    warnings = tiny_run.evaluate(read_cohort(tmp_path / "saved"), split="all").warnings
    (copies,) = [int(text.split()[0]) for text in warnings if "look like copies of training films" in text]
    assert copies >= 0.9 * len(train)
    new = simulate(tmp_path / "new", films=60, prevalence=0.5, size=64, seed=77)
    assert not any("copies" in text for text in tiny_run.evaluate(read_cohort(new), split="all").warnings)


@pytest.mark.parametrize("column", ["path", "patient_id", "split", "label", "film_id"])
def test_a_split_table_that_lacks_a_column_is_refused(tiny_run, tmp_path, column):
    copy = shutil.copytree(tiny_run.folder, tmp_path / "copy")
    (copy / MANIFEST).unlink()
    write_csv(copy / "split.csv", tiny_run.split.drop(columns=column))
    with pytest.raises(InputError, match=rf"split\.csv: .*column {column}"):
        _ = open_run(copy).split
