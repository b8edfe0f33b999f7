"""Measure how fast `prepare` is beside the bare decoder, and whether its memory stays constant.

    python benchmarks/prepare_speed.py FILMS

FILMS is a folder of PNG originals (1024 px), which are replicated by links. The
peer does the minimum that any reader must do: ``cv2.imdecode`` and an area resize
on as many threads as prepare has (one for each core). It normalises nothing and
writes nothing. The two take turns, and the one that goes first changes. Memory is
the peak of a fresh process.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import typer

from cxrlib.cohorts.preparation import prepare

SIZE = 256


def replicate(films: Path, out: Path, count: int) -> Path:
    """Fill two class folders with `count` links to the films."""
    originals = sorted(films.glob("*.png"))
    for i in range(count):
        link = out / ("effusion" if i % 10 == 0 else "nofinding") / f"{i:06d}.png"
        link.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(originals[i % len(originals)].resolve(), link)
    return out


def bare(source: Path) -> float:
    """Return the images a second of the bare decoder."""

    def read(path: Path) -> None:
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA)

    paths = sorted(source.rglob("*.png"))
    start = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(read, paths))
    return len(paths) / (time.perf_counter() - start)


def ours(source: Path, out: Path) -> float:
    """Return the images a second of `prepare`, including the writing of files."""
    start = time.perf_counter()
    prepared = prepare(source, out, size=SIZE)
    return sum(prepared.counts.values()) / (time.perf_counter() - start)


def seconds_and_megabytes(source: Path, out: Path) -> tuple[float, float]:
    """Return the seconds that `prepare` takes, and the peak memory of its process in MB."""
    done = subprocess.run(
        [sys.executable, __file__, "--measure", source, out], capture_output=True, text=True, check=True
    )
    return tuple(json.loads(done.stdout))


def main(films: Path, repeats: int = 5, count: int = 216, large_count: int = 10_000) -> None:
    """Print the ratio of the speeds, and the peak memory at 100 and at 10,000 images."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        source = replicate(films, folder / "source", count)
        bare(source)  # not counted: afterwards the system has the files in its cache for both
        pairs = []
        for i in range(repeats):
            if i % 2:
                pairs.append((ours(source, folder / f"out{i}"), bare(source)))
            else:
                pairs.append((bare(source), ours(source, folder / f"out{i}"))[::-1])
        ratio = [a / b for a, b in pairs]
        our_rate, peer_rate = (statistics.median(column) for column in zip(*pairs, strict=True))
        typer.echo(f"prepare {our_rate:.0f} images/s, bare decoder {peer_rate:.0f} images/s, {repeats} turns")
        typer.echo(f"ratio {statistics.median(ratio):.2f} ({min(ratio):.2f} to {max(ratio):.2f})")
        for n in (100, large_count):
            source = replicate(films, folder / f"source{n}", n)
            typer.echo(f"{n:6,} images: peak memory {seconds_and_megabytes(source, folder / f'made{n}')[1]:.0f} MB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        start = time.perf_counter()
        prepare(sys.argv[2], sys.argv[3], size=SIZE)
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sys.stdout.write(json.dumps([time.perf_counter() - start, megabytes]))
    else:
        typer.run(main)
