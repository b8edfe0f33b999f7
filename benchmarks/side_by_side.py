"""What the library does a second, beside what a user would pick instead.

    python benchmarks/side_by_side.py [FILMS] [--turns 5]

FILMS is a folder of PNG originals of 1024 px; without it, simulated ones are made.
Peers live in an environment of their own, build/peers, made at the first call. In
each turn every competitor of a measure runs once, each in a fresh process, in an
order that changes; a ratio is taken within a turn, and the table gives the median
over turns with the smallest and the largest. Writes results.md and results.json.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

HERE = Path(__file__).parent
BUILD = HERE.parent / "build"

COLD = "cold input: 1024 px PNG to 256 px batches"
WARM = "warm input: cached epoch, augmented, 256 px"
STEP = "training step, ResNet-18, 128 px, width {width}, {dtype}"
WIDTHS, DTYPES = (64, 16), ("float32", "bfloat16")


def contests(films: str) -> list[tuple[str, list[str], dict[str, list[list[str]]], dict[str, float]]]:
    """Return measure, our command, the peers' commands (the best of several counts), and what is to be reached."""
    cold_torch = [["cold_torch", films, reader] for reader in ("pillow", "opencv")]
    made = [
        (
            COLD,
            ["cold_ours", films],
            {
                "the original's generator": [["cold_original", films]],
                "PyTorch DataLoader, two workers": cold_torch,
                "the bare decoder": [["cold_decoder", films]],
            },
            {"the original's generator": 9, "PyTorch DataLoader, two workers": 1.2, "the bare decoder": 0.9},
        ),
        (
            WARM,
            ["warm_ours"],
            {"ImageDataGenerator.flow": [["warm_generator"]], "three Keras layers": [["warm_layers"]]},
            {"ImageDataGenerator.flow": 3, "three Keras layers": 3},
        ),
    ]
    for width in WIDTHS:
        for dtype in DTYPES:
            rivals = [["step_torch", str(width), dtype, layout] for layout in ("first", "last")]
            name = STEP.format(width=width, dtype=dtype)
            made.append((name, ["step_ours", str(width), dtype], {"PyTorch 2.13": rivals}, {"PyTorch 2.13": 1}))
    return made


def main(
    films: Annotated[Path | None, typer.Argument(help="a folder of 1024 px PNG originals")] = None,
    turns: Annotated[int, typer.Option(min=1)] = 5,
    only: Annotated[str, typer.Option(help="measures whose name holds this")] = "",
) -> None:
    """Run every contest and write the table."""
    peers = peers_python()
    rows = []
    for measure, ours, rivals, reach in contests(str((films or simulated_films()).resolve())):
        if only not in measure:
            continue
        names = {"ours": [ours]} | rivals
        taken = {name: [] for name in names}
        for turn in tqdm(range(turns), desc=measure):
            order = list(names)[turn % len(names) :] + list(names)[: turn % len(names)]
            for name in order:
                python = sys.executable if name == "ours" else str(peers)
                taken[name].append(max(measure_once(python, command) for command in names[name]))
        for name in rivals:
            ratios = [a / b for a, b in zip(taken["ours"], taken[name], strict=True)]
            ratio = statistics.median(ratios)
            rows.append(
                {
                    "measure": measure,
                    "peer_name": name,
                    "ours": round(statistics.median(taken["ours"]), 1),
                    "peer": round(statistics.median(taken[name]), 1),
                    "ratio": round(ratio, 2),
                    "low": round(min(ratios), 2),
                    "high": round(max(ratios), 2),
                    "reach": reach[name],
                    "met": ratio >= reach[name],
                }
            )
            typer.echo(json.dumps(rows[-1]))
    (HERE / "results.json").write_text(json.dumps(rows, indent=1) + "\n")
    (HERE / "results.md").write_text(table(rows, turns))


def measure_once(python: str, command: list[str]) -> float:
    """Return the rate that one fresh process prints."""
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([python, HERE / "rates.py", *command], capture_output=True, text=True, env=quiet)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def peers_python() -> Path:
    """Make the peers' environment where it is missing: their packages first, the course's after them."""
    python = BUILD / "peers/bin/python"
    wanted = (HERE / "peers.txt").read_text()
    stamp = BUILD / "peers/.made-of"
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", BUILD / "peers"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", HERE / "peers.txt"], check=True)
        own = subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        Path(own, "course.pth").write_text(f"{sysconfig.get_path('purelib')}\n{HERE.parent}\n")
        stamp.write_text(wanted)
    return python


def simulated_films() -> Path:
    """Return a folder of 24 simulated films of 1024 px."""
    from cxrlib.phantom import simulate

    folder = BUILD / "films-1024"
    if not folder.exists():
        simulate(folder, films=24, prevalence=0.25, size=1024)
    return folder / "nofinding"


def processor() -> str:
    """Return the machine's own name for its processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def table(rows: list[dict], turns: int) -> str:
    """Return the page."""
    lines = [
        "# Side by side",
        "",
        (
            f"Films a second, medians of {turns} turns, on {os.cpu_count()} cores of {processor()}; "
            "made by `make bench`. A ratio is taken within a turn; in brackets, the smallest and the largest."
        ),
        "",
        "| measure | beside | ours | theirs | ratio | to reach | reached |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['measure']} | {r['peer_name']} | {r['ours']:g} | {r['peer']:g} | **{r['ratio']:.2f}** "
        f"({r['low']:.2f} to {r['high']:.2f}) | {r['reach']:g} | {'yes' if r['met'] else 'no'} |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    typer.run(main)
