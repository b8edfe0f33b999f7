"""Measure how fast `prepare` is beside its bare steps, and whether its memory stays constant.

    python benchmarks/prepare_speed.py FILMS

FILMS is a folder of PNG originals (1024 px), which are replicated by links. The
peer does the same steps with the same libraries and nothing else: it decodes,
hashes the pixels, resizes by areas, and writes a 16-bit PNG, on as many threads as
prepare has (one for each core). It normalises, checks and records nothing. The two
take turns, and the one that goes first changes. Memory is the peak of a fresh process.
"""

import hashlib
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
import imgrs
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


def bare(source: Path, out: Path) -> float:
    """Return the images a second of the bare steps."""
    fast = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    fast += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]

    def convert(path: Path) -> str:
        picture = imgrs.Image.open(path.read_bytes())
        pixels = np.frombuffer(picture.to_bytes(), np.uint8).reshape(picture.size)
        small = cv2.resize(pixels * np.float32(257), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(out / path.name), np.rint(small).astype(np.uint16), fast)
        return hashlib.sha256(pixels).hexdigest()

    out.mkdir()
    paths = sorted(source.rglob("*.png"))
    start = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(convert, paths))
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


def compare(films: Path, repeats: int = 5, count: int = 2000) -> list[tuple[float, float]]:
    """Return the images a second of `prepare` and of its bare steps in each turn."""
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        source = replicate(films, folder / "source", count)
        bare(source, folder / "first")  # not counted: afterwards the system has the files in its cache for both
        for i in range(repeats):
            if i % 2:
                pairs.append((ours(source, folder / f"ours{i}"), bare(source, folder / f"bare{i}")))
            else:
                pairs.append((bare(source, folder / f"bare{i}"), ours(source, folder / f"ours{i}"))[::-1])
    return pairs


def main(films: Path, repeats: int = 5) -> None:
    """Print the ratio of the speeds, and the peak memory at 100 and at 10,000 images."""
    pairs = compare(films, repeats)
    ratio = [a / b for a, b in pairs]
    our_rate, peer_rate = (statistics.median(column) for column in zip(*pairs, strict=True))
    typer.echo(f"prepare {our_rate:.0f} images/s, bare steps {peer_rate:.0f} images/s, {repeats} turns")
    typer.echo(f"ratio {statistics.median(ratio):.2f} ({min(ratio):.2f} to {max(ratio):.2f})")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for n in (100, 10_000):
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
