"""Long runs leave nothing behind: no memory, threads, processes or open files."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.model.recipe import DEFAULT
from cxrlib.training.batches import make_dataset, steps_per_epoch

MEGABYTE = 1 << 20
ALLOWED = 50 * MEGABYTE


@dataclass(frozen=True)
class Usage:
    """What this process uses: bytes of memory, and numbers of threads, open files and child processes."""

    memory: int
    threads: int
    files: int
    children: int


def usage() -> Usage:
    status = Path("/proc/self/status").read_text()
    memory = int(status.split("VmRSS:")[1].split()[0]) * 1024
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return Usage(memory, len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd")), len(children))


def assert_flat(early: Usage, late: Usage) -> None:
    print(f"memory {(late.memory - early.memory) / MEGABYTE:+.1f} MB; {early} -> {late}")
    assert late.memory - early.memory <= ALLOWED
    assert late.threads <= early.threads
    assert late.files <= early.files
    assert late.children <= early.children


def test_fifty_epochs_of_ten_thousand_films(short):
    count, batch, epochs = 10_000, 32, 5 if short else 50
    images = np.random.default_rng(0).integers(0, 65536, (count, 48, 48), dtype=np.uint16)
    labels = np.arange(count) % 10 == 0
    options = dict(batch=batch, augmentation=DEFAULT.augmentation, seed=0)
    films_per_epoch, seen, early = steps_per_epoch(count, batch) * batch, 0, None
    for films, _ in make_dataset(images, labels, epochs=range(epochs), **options):
        seen += len(films)
        if seen == 2 * films_per_epoch:  # after two epochs all buffers are full
            early = usage()
    late = usage()
    assert seen == epochs * films_per_epoch
    assert_flat(early, late)


MANY = """
import os, resource, sys
import numpy as np
from cxrlib.cohorts.film_files import find_films
from cxrlib.model import network
from cxrlib.training.run import open_run
from cxrlib.training.score_table import open_score_table

network.predict_logits = lambda model, images, mirror: images.mean(axis=(1, 2), dtype=np.float32)
run, (films, _) = open_run("simulated"), find_films([sys.argv[1]])
run.model  # it is loaded, and takes its memory
with open_score_table(sys.argv[2], run) as table:
    missing = table.missing(films)
    for film, result in zip(missing, run.predict_many(missing)):
        table.add(film, result)
print(len(films), 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_the_memory_of_a_table_of_scores_is_flat(short, sim_cohort, tmp_path):
    """Links stand for films, and a function stands for the network: what is counted is the rest."""
    film = sim_cohort / read_cohort(sim_cohort).table["path"][0]
    peaks = []
    for count in (1000, 4000 if short else 20_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            (folder / f"{number:06}.png").symlink_to(film)
        words = [sys.executable, "-c", MANY, folder, tmp_path / f"{count}.csv"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        found, peak = map(int, done.stdout.split())
        assert found == count
        peaks.append(peak)
    print(f"peak memory {[round(peak / MEGABYTE) for peak in peaks]} MB")
    assert peaks[1] - peaks[0] <= ALLOWED


def test_two_thousand_predictions(short, tiny_run, sim_cohort):
    files = sorted((sim_cohort / "nofinding").iterdir())[:20]
    for path in files:
        tiny_run.predict(path)
    early = usage()
    for number in range(200 if short else 2000):
        tiny_run.predict(files[number % len(files)])
    assert_flat(early, usage())
