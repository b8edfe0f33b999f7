"""Compare the library's speed with what a user would pick instead: ``make bench``.

    python benchmarks/side_by_side.py [FILMS] [--real SOURCE] [--turns 3] [--only WORDS]

FILMS is a folder of PNG originals of 1024 px. Without it, films are simulated.
SOURCE is a folder of real films in NIH's layout. Without it, their row is left out.
The peers have an environment of their own, build/peers, which the first call
creates. In each turn, every competitor of a measure runs once, each in a fresh
process, in an order that changes. A ratio is taken within a turn. The table gives
its median over the turns, with the smallest and the largest. Trainings take long
and run once. The script writes results.md and results.json. With --only, the other
rows stay as they were.
"""

import json
import math
import os
import platform
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from prepare_speed import compare, replicate, seconds_and_megabytes
from tqdm import tqdm

from cxrlib.model.distributed import JOIN_VARIABLES

HERE = Path(__file__).parent
BUILD = HERE.parent / "build"

COLD = "cold input: 1024 px PNG to 256 px batches, augmented"
STILL = "cold input: 1024 px PNG to 256 px batches, not augmented"
WARM = "warm input: cached epoch, augmented, 256 px"
STEP = "training step, ResNet-18, 128 px, width {width}, {dtype}"
WIDTHS, DTYPES = (64, 16), ("float32", "bfloat16")
SGEMM = "float32 step, width 64: convolutions beside a matrix product"
REACH = "time to 97 % of the AUC of a ten times longer training, simulated films"
PASSES = "time to pass classic's final AUC, {films} films"
LINEAR, FLAT = "prepare, 10,000 beside ten times 1,000 images: time", "prepare, 10,000 beside 1,000 images: memory"
BARE = "prepare, 1024 px PNG to 256 px"
CURVE = "2 processes beside 1: largest difference in loss, 4 epochs"
SPEEDUP = "2 processes of a core beside 1: 3 epochs of batches of 256"
NOTEBOOKS = "the notebooks, compared strictly, from an empty cache"
COURSE = {"films": 1107, "prevalence": 107 / 1107, "seed": 0}
FRESH = {"films": 2000, "prevalence": 107 / 1107, "seed": 77}
SMALL = {"size": 96, "width": 16, "batch": 16, "start": "scratch"}
"""Changes to `default` for the network whose time to an AUC is measured: small, and from random weights."""

SOON = 30
"""Seconds within which that network should reach its AUC."""

SHORT, REAL_SHORT = {"epochs": 30}, {"epochs": 12}
"""Epochs of the trainings whose time is measured. Each completes its schedule within them."""

WHY = {
    (COLD, "the original's generator"): (
        "330 to 350 films a second were reached. Decoding takes 3.8 of the 5.7 ms of a film; hashing its pixels, "
        "min-max and the resize take most of the rest"
    ),
    (BARE, "decode, hash, resize, write PNG"): (
        "`prepare` also normalises, checks each part of the file, and compares each film with the typical one. It "
        "writes each file so that a power cut cannot leave half of it"
    ),
    (REACH, "classic"): (
        "30 epochs end at 0.819, and 40 at 0.811. Tried for less time: 18 epochs, with 8 settings of rate, warm-up, "
        "decay, precision, width and batch (0.73 to 0.80). Fewer pixels do not pay: an epoch at 48 px takes 0.8 times "
        "as long as one at 96 px, and teaches less. The weights that come with the library would make no fair row: "
        "they have seen films of the same simulator"
    ),
}
"""For a row that misses its goal: the reason, as far as it is known."""


@dataclass(frozen=True)
class Row:
    """One row of the table. The ratio says how many times better ours is than the peer."""

    measure: str
    peer_name: str
    ours: float
    peer: float
    ratio: float
    reach: float
    met: bool
    unit: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Contest:
    """The commands of rates.py for us and for each rival, and the ratio to reach. A rival's best command counts."""

    measure: str
    ours: list[str]
    rivals: dict[str, list[list[str]]]
    reach: dict[str, float]
    unit: str = "films/s"


def contests(films: str) -> list[Contest]:
    """Return the contests: the measures that are rates."""
    torch_loaders = [["cold_torch", films, reader] for reader in ("pillow", "opencv")]
    rivals = {"the original's generator": [["cold_original", films]], "PyTorch DataLoader, two workers": torch_loaders}
    result = [Contest(COLD, ["cold_ours", films, "moved"], rivals, dict(zip(rivals, (15, 1.6), strict=True)))]
    rivals = {"OpenCV: decode and resize": [["cold_decoder", films]]}
    result.append(Contest(STILL, ["cold_ours", films, "still"], rivals, {"OpenCV: decode and resize": 0.9}))
    rivals = {"ImageDataGenerator.flow": [["warm_generator"]], "three Keras layers": [["warm_layers"]]}
    result.append(Contest(WARM, ["warm_ours"], rivals, dict.fromkeys(rivals, 3)))
    for width in WIDTHS:
        for dtype in DTYPES:
            name = STEP.format(width=width, dtype=dtype)
            rivals = {"PyTorch 2.13": [["step_torch", str(width), dtype, layout] for layout in ("first", "last")]}
            result.append(Contest(name, ["step_ours", str(width), dtype], rivals, {"PyTorch 2.13": 1}))
    rivals = {"sgemm": [["gigaflops_sgemm", library] for library in ("numpy", "torch")]}
    result.append(Contest(SGEMM, ["gigaflops_ours", "64", "float32"], rivals, {"sgemm": 0.8}, "GFLOP/s"))
    return result


def main(
    films: Annotated[Path | None, typer.Argument(help="a folder of 1024 px PNG originals")] = None,
    real: Annotated[Path | None, typer.Option(envvar="CXR_REAL_DATA", help="films in NIH's layout")] = None,
    turns: Annotated[int, typer.Option(min=1)] = 3,
    only: Annotated[str, typer.Option(help="measures whose name holds this")] = "",
) -> None:
    """Run every measure and write the table."""
    films = (films or simulated_films()).resolve()
    is_wanted = lambda *measures: any(only in measure for measure in measures)
    for contest in contests(str(films)):
        if is_wanted(contest.measure):
            write(compete(contest, turns), turns)
    if is_wanted(BARE):
        write([prepare_beside_bare(films, turns)], turns)
    if is_wanted(LINEAR, FLAT):
        write(prepare_growth(films), turns)
    if is_wanted(NOTEBOOKS):
        write([time_notebooks()], turns)
    if is_wanted(CURVE, SPEEDUP):
        write(compare_processes(), turns)
    if is_wanted(REACH, PASSES.format(films="simulated")):
        write(time_to_auc(), turns)
    if real and is_wanted(PASSES.format(films="real")):
        write([time_on_real(real.resolve())], turns)


def compete(contest: Contest, turns: int) -> list[Row]:
    """Run one contest, turn by turn."""
    peers = peers_python()
    names = {"ours": [contest.ours]} | contest.rivals
    taken = {name: [] for name in names}
    for turn in tqdm(range(turns), desc=contest.measure):
        order = list(names)[turn % len(names) :] + list(names)[: turn % len(names)]
        for name in order:
            python = sys.executable if name == "ours" else str(peers)
            taken[name].append(max(measure_once(python, command) for command in names[name]))
    rows = []
    for name in contest.rivals:
        ratios = [a / b for a, b in zip(taken["ours"], taken[name], strict=True)]
        ratio, reach = statistics.median(ratios), contest.reach[name]
        figures = [statistics.median(taken["ours"]), statistics.median(taken[name]), ratio, reach]
        rows.append(
            Row(contest.measure, name, *figures, ratio >= reach, contest.unit, low=min(ratios), high=max(ratios))
        )
    return rows


def prepare_beside_bare(films: Path, turns: int) -> Row:
    """Compare `prepare` with its bare steps: decode, hash, resize, write PNG."""
    pairs = compare(films, turns)
    ratios = [ours / bare for ours, bare in pairs]
    ours, bare = (statistics.median(rates) for rates in zip(*pairs, strict=True))
    ratio = statistics.median(ratios)
    name = "decode, hash, resize, write PNG"
    return Row(BARE, name, ours, bare, ratio, 0.9, ratio >= 0.9, "films/s", min(ratios), max(ratios))


def prepare_growth(films: Path) -> list[Row]:
    """Compare the time and the memory of `prepare` for 1,000 and for 10,000 images."""
    taken = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in (1_000, 10_000):
            source = replicate(films, Path(folder) / f"source{count}", count)
            taken[count] = seconds_and_megabytes(source, Path(folder) / f"made{count}")
    (seconds_1k, megabytes_1k), (seconds_10k, megabytes_10k) = taken.values()
    speed, memory = 10 * seconds_1k / seconds_10k, megabytes_1k / megabytes_10k
    return [
        Row(LINEAR, "itself", seconds_10k, 10 * seconds_1k, speed, 0.9, speed >= 0.9, "s"),
        Row(FLAT, "itself", megabytes_10k, megabytes_1k, memory, 0.9, memory >= 0.9, "MB"),
    ]


def time_notebooks() -> Row:
    """Time all notebooks, run as the tests run them. The seconds of each notebook are printed."""
    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        command = [sys.executable, "-m", "pytest", "-q", "notebooks"]
        subprocess.run(command, cwd=HERE.parent, env=os.environ | {"CXR_CACHE": cache}, check=True)
        taken = time.perf_counter() - start
    return Row(NOTEBOOKS, "eight minutes", taken, 480, 480 / taken, 1, taken <= 480, "s")


def compare_processes() -> list[Row]:
    """Compare a training in one process on one core with a training in two processes on a core each."""
    cohort = simulated("course-128", COURSE | {"size": 128})
    changes = {"size": 128, "batch": 256, "epochs": 4, "start": "scratch", "learning_rate": 2e-4}
    single = time_trainings([dict(cohort=cohort, changes=changes, distributed=True)], cores=True)
    double = time_trainings([dict(cohort=cohort, changes=changes, distributed=True)] * 2, cores=True)
    difference = max(abs(a["loss"] - b["loss"]) for a, b in zip(single, double, strict=True))
    one, two = (sum(row["training"] for row in rows[1:]) for rows in (single, double))  # the first epoch compiles
    return [
        Row(CURVE, "1 process, same global batch", difference, 0.0, difference, 1e-3, difference <= 1e-3, "loss"),
        Row(SPEEDUP, "1 process, same global batch", two, one, one / two, 1.6, one / two >= 1.6, "s"),
    ]


def time_to_auc() -> list[Row]:
    """Time `default` and `classic`, from random weights, on the course's films."""
    fresh = {size: simulated(f"fresh-{size}", FRESH | {"size": size}) for size in (96, 256)}
    cohorts = {size: simulated(f"course-{size}", COURSE | {"size": size}) for size in (96, 256)}
    base = dict(cohort=cohorts[96], fresh=fresh[96])
    ours = time_trainings([base | dict(changes=SMALL | SHORT, each=True)])
    longer = time_trainings([base | dict(changes=SMALL | {"epochs": 10 * SHORT["epochs"]})])
    classic = time_trainings([dict(recipe="classic", cohort=cohorts[256], fresh=fresh[256], changes={})])
    target = 0.97 * longer[-1]["kept_auc"]
    reached, classic_seconds = seconds_to_reach(ours, target), classic[-1]["seconds"]
    name = f"classic (which ends at {classic[-1]['kept_auc']:.3f}; to reach: {target:.3f}, within {SOON} s)"
    return [
        Row(REACH, name, reached, classic_seconds, classic_seconds / reached, SOON, reached <= SOON, "s"),
        passing(PASSES.format(films="simulated"), ours, classic),
    ]


def time_on_real(source: Path) -> Row:
    """Time both recipes on one fold of real films. The patients of the other folds train."""
    from trials import prepare_films

    cohort = str(prepare_films(source, BUILD / "real").folder)
    base = dict(cohort=cohort, fold=0)
    ours = time_trainings([base | dict(changes=REAL_SHORT, each=True)])
    classic = time_trainings([base | dict(recipe="classic", changes={})])
    return passing(PASSES.format(films="real"), ours, classic)


def passing(measure: str, ours: list[dict], classic: list[dict]) -> Row:
    """Compare our time to pass the final AUC of `classic` with the whole time of `classic`."""
    final, classic_seconds = classic[-1]["kept_auc"], classic[-1]["seconds"]
    reached = seconds_to_reach(ours, final)
    ratio = classic_seconds / reached
    return Row(measure, f"classic (ends at {final:.3f})", reached, classic_seconds, ratio, 10, ratio >= 10, "s")


def seconds_to_reach(rows: list[dict], target: float) -> float:
    """Return the seconds after which an epoch first reaches the target AUC, or infinity if none does."""
    return next((row["seconds"] for row in rows if row["auc"] >= target), float("inf"))


def time_trainings(trainings: list[dict], *, cores: bool = False) -> list[dict]:
    """Run trainings by clocked.py, several at the same time, and return the rows of the first."""
    defaults = dict(recipe="default", fresh=None, fold=None, each=False, distributed=False)
    started = []
    with tempfile.TemporaryDirectory() as folder:
        for index, training in enumerate(trainings):
            spec = Path(folder) / f"{index}.json"
            spec.write_text(json.dumps(defaults | training | {"run": str(Path(folder) / "run")}))
            joined = (f"127.0.0.1:{free_port()}" if index == 0 else started[0][1], str(len(trainings)), str(index))
            env = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "STARTED": str(time.time())}
            env |= dict(zip(JOIN_VARIABLES, joined, strict=True)) if len(trainings) > 1 else {}
            command = [sys.executable, str(HERE / "clocked.py"), str(spec)]
            command = ["taskset", "-c", str(index), *command] if cores else command
            process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            started.append((process, joined[0]))
        outputs = [process.communicate() for process, _ in started]
    for (process, _), (_, stderr) in zip(started, outputs, strict=True):
        if process.returncode:
            raise SystemExit(f"A training failed:\n{stderr[-2000:]}")
    return json.loads(outputs[0][0].splitlines()[-1])


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def measure_once(python: str, command: list[str]) -> float:
    """Return the rate that one fresh process prints."""
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([python, HERE / "rates.py", *command], capture_output=True, text=True, env=quiet)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def peers_python() -> Path:
    """Return the peers' Python. Create its environment if it is missing: their packages come before the course's."""
    python = BUILD / "peers/bin/python"
    packages = (HERE / "peers.txt").read_text()
    stamp = BUILD / "peers/.made-of"
    if not stamp.exists() or stamp.read_text() != packages:
        subprocess.run([sys.executable, "-m", "venv", "--clear", BUILD / "peers"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", HERE / "peers.txt"], check=True)
        site_packages = subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        Path(site_packages, "course.pth").write_text(f"{sysconfig.get_path('purelib')}\n{HERE.parent}\n")
        stamp.write_text(packages)
    return python


def simulated_films() -> Path:
    """Return a folder of simulated films of 1024 px."""
    return Path(simulated("films-1024", {"films": 24, "prevalence": 0.25, "size": 1024, "seed": 0})) / "nofinding"


def simulated(name: str, options: dict) -> str:
    """Return the folder of a simulated cohort. Simulate it if it is missing."""
    from cxrlib.phantom.simulation import VERSION, simulate

    folder = BUILD / f"bench-v{VERSION}" / name
    return str(folder if folder.exists() else simulate(folder, **options))


def processor() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def row_key(row: dict) -> tuple[str, str]:
    """Return the measure and the peer of a row, without the measured figures in brackets."""
    return row["measure"], row["peer_name"].split(" (")[0]


def write(rows: list[Row], turns: int) -> None:
    """Write results.json and results.md. Rows that were not measured now stay as they were."""
    results = HERE / "results.json"
    digits = lambda value: float(f"{value:.3g}") if isinstance(value, float) and math.isfinite(value) else value
    plain = lambda value: None if value == math.inf else digits(value)  # not reached; JSON has no infinity
    kept = {row_key(row): row for row in (json.loads(results.read_text()) if results.exists() else [])}
    kept |= {row_key(row): {k: plain(v) for k, v in row.items()} for row in map(asdict, rows)}
    results.write_text(json.dumps(list(kept.values()), indent=1) + "\n")
    (HERE / "results.md").write_text(table(list(kept.values()), turns))


def table(rows: list[dict], turns: int) -> str:
    """Return results.md as text."""
    lines = [
        "# Side by side",
        "",
        (
            f"On {os.cpu_count()} cores of {processor()}; made by `make bench`. Films a second, GFLOP/s, seconds, "
            f"megabytes or loss, as the unit says. A ratio says how many times better ours is; rates are medians of "
            f"{turns} turns, a ratio is taken within a turn, and in brackets stand the smallest and the largest. "
            "Trainings ran once."
        ),
        "",
        "| measure | beside | ours | theirs | ratio | to reach | reached |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        spread = f" ({r['low']:.3g} to {r['high']:.3g})" if r["low"] is not None else ""
        met = "yes" if r["met"] else "**no**"
        ours = "not reached" if r["ours"] is None else f"{r['ours']:.4g} {r['unit']}"
        lines.append(
            f"| {r['measure']} | {r['peer_name']} | {ours} | {r['peer']:.4g} {r['unit']} "
            f"| **{r['ratio']:.3g}**{spread} | {r['reach']:g} | {met} |"
        )
    missed = [r for r in rows if not r["met"] and row_key(r) in WHY]
    short = [f"- {r['measure']}, beside {r['peer_name']}: {WHY[row_key(r)]}" for r in missed]
    return "\n".join(lines + (["", "Why a row falls short:", "", *short] if short else [])) + "\n"


if __name__ == "__main__":
    typer.run(main)
