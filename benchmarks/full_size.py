"""Rehearse the whole way at the full size of NIH ChestX-ray14: ``make fullsize SOURCE=folder``.

    python benchmarks/full_size.py SOURCE WORK [--films 112120]

SOURCE is a folder of real films in NIH's layout, of any number. WORK is a new folder on
a disk with 30 GB free. The script makes a collection in NIH's layout there: as many films
and patients as NIH has, with its fractions of labels and views in both official lists. Each
film is a link to one of SOURCE's films, enlarged to 1024 px. So reading it costs what NIH's
films cost, but nothing can be learned from them.

Then it runs `prepare`, one epoch of `train`, `evaluate`, `predict --csv` and `report` with
their defaults. Each is killed once in the middle (SIGKILL), and called again. The script
writes full_size.csv, and the table of full_size.md: seconds until the kill and
afterwards, CPU seconds, the peak memory of the largest process, and the bytes that were
written.
"""

import csv
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import pandas as pd
import typer

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.images.radiograph import read_image

HERE = Path(__file__).parent
TEST_FRACTION, TEST_PATIENTS = 25_596 / 112_120, 2_797 / 30_805
"""Films and patients of the official test list (Wang et al., CVPR 2017, and NIH's lists)."""

LABELS = {False: (0.100, 0.538), True: (0.182, 0.538)}
"""Fractions of Effusion and of No Finding in train_val and in test. 60,361 of all films have no finding; here, the
same fraction in both lists."""

AP = {False: 0.35, True: 0.57}
"""Fractions of films with the view AP in train_val and in test."""


def make_collection(source: Path, folder: Path, num_films: int) -> None:
    """Write the label file, the two lists and the links. Films of train, val and test are linked to different films."""
    rng = np.random.default_rng(0)
    originals = folder / "originals"
    originals.mkdir(parents=True)
    for path in sorted(source.rglob("*.png")):
        large = cv2.resize(255 * read_image(path), (1024, 1024), interpolation=cv2.INTER_CUBIC)
        noisy = large + rng.normal(0, 1.5, large.shape)  # so that the file is as large as NIH's are
        cv2.imwrite(str(originals / path.name), np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
    names = [path.name for path in sorted(originals.iterdir())]
    num_test = round(num_films * TEST_FRACTION)
    rows, lists, patient = [], {False: [], True: []}, 0
    pools = {"test": names[::4], "val": names[1::8], "train": [n for i, n in enumerate(names) if i % 4 and i % 8 != 1]}
    for is_test, number in ((False, num_films - num_test), (True, num_test)):
        num_patients = round(30_805 * num_films / 112_120 * (TEST_PATIENTS if is_test else 1 - TEST_PATIENTS))
        made = 0
        while made < number:
            patient += 1
            pool = pools["test" if is_test else "val" if rng.random() < 1 / 8 else "train"]
            for follow_up in range(min(number - made, int(rng.geometric(num_patients / number)))):
                name = f"{patient:08d}_{follow_up:03d}.png"
                kind = np.searchsorted(np.cumsum(LABELS[is_test]), rng.random())
                label = ("Effusion", "No Finding", "Infiltration")[kind]
                view = "AP" if rng.random() < AP[is_test] else "PA"
                rows.append((name, label, follow_up, patient, 20 + patient % 70, "MF"[patient % 2], view))
                lists[is_test].append(name)
                place = folder / "nih" / f"images_{len(rows) // 10_000 + 1:03d}" / "images"
                place.mkdir(parents=True, exist_ok=True)
                (place / name).symlink_to(originals / pool[int(rng.integers(len(pool)))])
                made += 1
    columns = ["Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", "Patient Gender"]
    table = pd.DataFrame(rows, columns=[*columns, "View Position"])
    table.to_csv(folder / "nih" / "Data_Entry_2017.csv", index=False)
    (folder / "nih" / "train_val_list.txt").write_text("\n".join(lists[False]) + "\n")
    (folder / "nih" / "test_list.txt").write_text("\n".join(lists[True]) + "\n")


def part_validation(source: Path, cohort: Path) -> None:
    """Give the split val to the patients whose films are linked to the films kept for it.

    `prepare` has drawn other patients. Their films are copies of training films here, which `train` refuses.
    """
    names = sorted(path.name for path in (source.parent / "originals").iterdir())
    kept = set(names[1::8])
    table = pd.read_csv(cohort / "cohort.csv", dtype=str)
    place = {path.name: path for path in source.rglob("*.png")}
    is_val = [os.path.basename(os.readlink(place[Path(path).name])) in kept for path in table["path"]]
    table.loc[table["split"] != "test", "split"] = "train"
    table.loc[np.array(is_val) & (table["split"] != "test"), "split"] = "val"
    table.to_csv(cohort / "cohort.csv", index=False)


def run(command: list[str], log: Path, is_halfway: Callable[[float], bool] | None) -> tuple[float, float, float]:
    """Run a command, and kill it when `is_halfway(seconds)`; return its seconds, CPU seconds and peak memory in MB."""
    start = time.monotonic()
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
        while is_halfway and process.poll() is None and not is_halfway(time.monotonic() - start):
            time.sleep(1)
        if is_halfway and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return time.monotonic() - start, 0, 0
        _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed; see {log}")
    return time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def size_of(place: Path) -> int:
    """Return the bytes of a file, or of the files below a folder."""
    files = place.rglob("*") if place.is_dir() else [place]
    return sum(path.stat().st_size for path in files if path.is_file() and not path.is_symlink())


def count_files(folder: Path) -> int:
    """Return how many files lie below a folder."""
    return sum(len(files) for _, _, files in os.walk(folder))


def write_page(rows: pd.DataFrame) -> None:
    """Write full_size.md: a table, and what ten times as many films would need."""
    minutes = lambda seconds: f"{seconds / 60:.1f} min"
    gigabytes = lambda size: f"{size / 1e9:.2f} GB" if size else "-"
    heads = ["command", "killed after", "then to its end", "CPU time", "largest process", "written"]
    heads.append(f"{10 * rows.films[0]:,} films")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows.itertuples():
        tenfold = f"{10 * (row.seconds_until_kill + row.seconds) / 3600:.1f} h, {gigabytes(10 * row.bytes)}"
        cells = [f"`{row.command}`", minutes(row.seconds_until_kill), minutes(row.seconds), minutes(row.cpu_seconds)]
        lines.append(f"| {' | '.join([*cells, f'{row.megabytes:,} MB', gigabytes(row.bytes), tenfold])} |")
    page = HERE / "full_size.md"
    start, _, rest = page.read_text().partition("<!-- table -->")
    _, _, end = rest.partition("<!-- end of table -->")
    page.write_text(f"{start}<!-- table -->\n\n" + "\n".join(lines) + f"\n\n<!-- end of table -->{end}")


def main(
    source: Path, work: Path, films: Annotated[int, typer.Option(help="as many as NIH has by default")] = 112_120
) -> None:
    """Make the collection, run the commands, and write full_size.csv and the table of full_size.md."""
    work = work.resolve()
    if work.exists():
        raise SystemExit(f"{work}: exists; name a new folder")
    if shutil.disk_usage(work.parent).free < 270_000 * films:
        raise SystemExit(f"{work.parent}: has not the {270_000 * films / 1e9:.0f} GB that are needed")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    make_collection(source, work, films)
    nih, cohort, trained, table = work / "nih", work / "cohort", work / "run", work / "scores.csv"
    (work / "cache").mkdir()
    lines = lambda: table.exists() and sum(1 for _ in table.open("rb")) > films / 2
    after = lambda part: lambda seconds: seconds > part * films / 112_120
    age = lambda path: time.time() - path.stat().st_mtime if path.exists() else 0
    cxr = [sys.executable, "-m", "cxrlib.cli"]
    kept = ["--cache", str(work / "cache")]
    commands = {
        "prepare": (["prepare", nih, cohort, "--against", "all"], lambda s: count_files(cohort) > films / 2, cohort),
        "train, 1 epoch": (
            ["train", cohort, trained, "--epochs", "1", "--resume", *kept],
            lambda s: age(trained / "split.csv") > 60 * films / 112_120,
            trained,
        ),
        "evaluate": (["evaluate", trained, cohort, *kept], after(40), None),
        "predict --csv": (["predict", nih, "--run", trained, "--csv", table], lambda s: lines(), table),
        "report": (["report", trained, "--cohort", cohort, *kept], after(40), trained / "report.html"),
    }
    rows = []
    for name, (words, is_halfway, result) in commands.items():
        command = [*cxr, *map(str, words)]
        before, _, _ = run(command, work / "log.txt", is_halfway)
        seconds, cpu, megabytes = run(command, work / "log.txt", None)
        rows.append((name, films, before, seconds, cpu, megabytes, size_of(result) if result else 0))
        with (HERE / "full_size.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["command", "films", "seconds_until_kill", "seconds", "cpu_seconds", "megabytes", "bytes"])
            writer.writerows([*row[:2], *(f"{value:.0f}" for value in row[2:])] for row in rows)
        typer.echo(rows[-1])
        if name == "prepare":
            part_validation(nih, cohort)
            typer.echo(read_cohort(cohort).table.groupby(["split", "label"]).size().to_dict())
    write_page(pd.read_csv(HERE / "full_size.csv"))


if __name__ == "__main__":
    typer.run(main)
