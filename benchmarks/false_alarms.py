"""Measure how often the library's warnings are right: ``make alarms SOURCE=folder``.

SOURCE is in NIH's layout. The constants of the rules were chosen on the films of
one half of its patients. The script writes benchmarks/false_alarms.csv. It says
how often `Reference.check` refuses films and warns of them: films of the other
half, simulated films of another seed, corrupted copies of both, and images that
are no chest films. It also says how often `near_copies` takes different films for
copies, and how many copies it finds.

A row is `flagged` where a film is warned of or refused, or called a copy.
"""

import gzip
import warnings
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pandas as pd
import pydicom
import sklearn.datasets
import typer
from PIL import Image, ImageDraw

from cxrlib.cohorts import duplicates
from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.nih import find_label_file
from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import Estimate, proportion
from cxrlib.files import write_csv
from cxrlib.images.pixels import minmax, quantize, resize_to_square
from cxrlib.images.radiograph import read_image
from cxrlib.phantom.simulation import simulate
from cxrlib.training.batches import load_images
from cxrlib.training.run import open_run
from cxrlib.training.unusual import Reference, make_reference

OUT = Path(__file__).with_suffix(".csv")
SIZE = 160
FRESH = {"films": 800, "prevalence": 0.4, "size": 160, "seed": 77}
COURSE = {"films": 1107, "prevalence": 107 / 1107, "size": 128, "seed": 0}
TURNED = ("00017999_000.png", "00003490_011.png")
"""Films that NIH published inverted and upside down. Both are in the half that the constants were chosen on."""


def blurred(fraction):
    """Return a function that blurs a film by a Gaussian whose sigma is a fraction of the film's side."""
    return lambda film, rng: cv2.GaussianBlur(film, (0, 0), fraction * len(film))


def noisy(sd):
    """Return a function that adds Gaussian noise to a film."""
    return lambda film, rng: film + rng.normal(0, sd, film.shape)


def enlarged(side):
    """Return a function that reduces a film to a small side and enlarges it again."""
    small = lambda film: cv2.resize(film, (side, side), interpolation=cv2.INTER_AREA)
    return lambda film, rng: cv2.resize(small(film), film.shape[::-1], interpolation=cv2.INTER_LINEAR)


def quadrant(film, rng):
    """Return one quarter of a film."""
    n = len(film) // 2
    top, left = rng.integers(0, 2, 2) * n
    return film[top : top + n, left : left + n]


def painted(film, rng):
    """Paint one quarter of a film black."""
    n = len(film) // 2
    top, left = rng.integers(0, 2, 2) * n
    film = film.copy()
    film[top : top + n, left : left + n] = 0
    return film


def bordered(film, rng):
    """Put a film at half its size into a black border."""
    n = len(film) // 4
    return np.pad(cv2.resize(film, (2 * n, 2 * n), interpolation=cv2.INTER_AREA), n)


def boxed(film, rng):
    """Paint a black box over the middle of a film. It is half as wide and high as the film."""
    film, n = film.copy(), len(film) // 4
    film[n : 3 * n, n : 3 * n] = 0
    return film


CORRUPTIONS = {
    "as it is": lambda film, rng: film,
    "inverted": lambda film, rng: 1 - film,
    "upside down": lambda film, rng: film[::-1],
    "turned by 180 degrees": lambda film, rng: film[::-1, ::-1],
    "turned by 90 degrees": lambda film, rng: np.rot90(film, rng.choice([1, 3])),
    "inverted and upside down": lambda film, rng: 1 - film[::-1],
    "mirrored": lambda film, rng: film[:, ::-1],
    "blurred, 1 % of the side": blurred(0.01),
    "blurred, 2.5 % of the side": blurred(0.025),
    "noise, sd 0.1": noisy(0.1),
    "noise, sd 0.3": noisy(0.3),
    "a quadrant alone": quadrant,
    "a quadrant black": painted,
    "black border, film at half size": bordered,
    "black box over the middle": boxed,
    "contrast clipped to the 40th to 60th percentile": lambda film, rng: np.clip(film, *np.quantile(film, (0.4, 0.6))),
    "24 px enlarged": enlarged(24),
    "48 px enlarged": enlarged(48),
}


def jpeg(film):
    """Return a film after JPEG of quality 50."""
    data = cv2.imencode(".jpg", np.rint(film * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) / np.float32(255)


def moved(fraction):
    """Return a function that moves a film right and down by a fraction of its side."""

    def move(film):
        n = round(fraction * len(film))
        return cv2.copyMakeBorder(film[:-n, :-n], n, 0, n, 0, cv2.BORDER_REPLICATE)

    return move


def trimmed(fraction):
    """Return a function that cuts a fraction of the film's side off each of its four sides."""

    def trim(film):
        n = round(fraction * len(film))
        return film[n:-n, n:-n]

    return trim


def marked(film):
    """Burn the letter L into a film, as side markers are."""
    ink, n = np.zeros(film.shape, np.uint8), len(film)
    cv2.putText(ink, "L", (int(0.85 * n), int(0.12 * n)), cv2.FONT_HERSHEY_SIMPLEX, n / 250, 255, max(2, n // 100))
    return np.maximum(film, ink / np.float32(255))


COPIES = {
    "JPEG, quality 50": jpeg,
    "reduced to 0.6": lambda film: cv2.resize(film, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA),
    "moved by 1 %": moved(0.01),
    "moved by 1.5 %": moved(0.015),
    "moved by 2 %": moved(0.02),
    "trimmed by 1 % a side": trimmed(0.01),
    "trimmed by 2 % a side": trimmed(0.02),
    "gamma 1.3": lambda film: film**1.3,
    "gamma 0.7": lambda film: film**0.7,
    "brighter, clipped": lambda film: np.clip(0.8 * film + 0.25, 0, 1),
    "mirrored": lambda film: film[:, ::-1],
    "mirrored, JPEG": lambda film: jpeg(np.ascontiguousarray(film[:, ::-1])),
    "a marker burnt in": marked,
}

WORDS = ["film", "chest", "of", "the", "patient", "lung", "heart", "and"]


def cached(film, size=SIZE):
    """Return a film as a training caches it: normalised, square and quantised."""
    return quantize(resize_to_square(minmax(np.ascontiguousarray(film, dtype=np.float32)), size))


def other_images() -> dict[str, dict[str, np.ndarray]]:
    """Return images that are no chest films, by kind. They come from installed packages or are drawn here."""
    sample = Path(matplotlib.get_data_path()) / "sample_data"
    photographs = {
        name: cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        for name, picture in zip(("china", "flower"), sklearn.datasets.load_sample_images().images, strict=True)
    }
    photographs["portrait"] = np.array(Image.open(sample / "grace_hopper.jpg").convert("L"))
    slices = {
        "MR s1045": np.frombuffer(gzip.decompress((sample / "s1045.ima.gz").read_bytes()), np.uint16).reshape(256, 256)
    }
    slices |= _pydicom_frames()
    patterns, (rows, columns) = {}, np.mgrid[:256, :256] / 255
    for seed in range(5):
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(256, 256))
        patterns[f"noise {seed}"] = noise
        patterns[f"clouds of {2 << seed} px"] = cv2.GaussianBlur(noise, (0, 0), 2 << seed)
    for cells in (2, 4, 8, 16):
        patterns[f"checkerboard of {cells}"] = (np.floor(rows * cells) + np.floor(columns * cells)) % 2
    patterns |= {
        "gradient right": columns,
        "gradient down": rows,
        "gradient up": 1 - rows,
        "gradient aslant": rows + columns,
    }
    radius = np.hypot(rows - 0.5, columns - 0.5)
    patterns |= {"disc": radius < 0.35, "bright in the middle": -radius, "dark in the middle": radius}
    patterns |= {"stripes upright": np.sin(40 * columns), "stripes level": np.sin(40 * rows)}
    pages = {f"page {number}": _page(number) for number in range(4)}
    kinds = {"photographs": photographs, "CT, MR, ultrasound ...": slices, "pages of text": pages, "patterns": patterns}
    return {
        kind: {name: minmax(np.asarray(image, np.float32)) for name, image in images.items()}
        for kind, images in kinds.items()
    }


def _pydicom_frames() -> dict[str, np.ndarray]:
    """Return one frame of each of pydicom's test files: those that show something, without duplicates."""
    found, seen = {}, []
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in sorted(folder.glob("*.dcm")):
            try:
                pixels = pydicom.dcmread(path, force=True).pixel_array
            except Exception:  # some test files are damaged on purpose
                continue
            frame = pixels[0] if pixels.ndim == 4 else pixels
            if frame.ndim == 3:
                frame = frame.mean(axis=-1) if frame.shape[-1] == 3 else frame[len(frame) // 2]
            if frame.ndim != 2 or min(frame.shape) < 32 or np.ptp(frame) == 0:
                continue
            small = cv2.resize(minmax(frame.astype(np.float32)), (32, 32), interpolation=cv2.INTER_AREA)
            if all(np.abs(small - earlier).mean() >= 0.02 for earlier in seen):  # 0.02: chosen by eye
                seen.append(small)
                found[path.stem] = frame
    return found


def _page(number: int) -> np.ndarray:
    """Return a page of words, black on white or white on black."""
    dark, rng = number % 2, np.random.default_rng(number)
    page = Image.new("L", (400, 500), 0 if dark else 255)
    pen = ImageDraw.Draw(page)
    for line in range(30, 470, 14 if number < 2 else 26):
        pen.text((30, line), " ".join(rng.choice(WORDS, 8)), fill=255 * dark)
    return np.array(page)


def check_row(name: str, reference: Reference, size: int, kind: str, case: str, films, patients=None) -> dict:
    """Return one row: how many films are refused, how many are flagged, and the reasons."""
    results = []
    for film in films:
        try:
            results.append(reference.check(cached(film, size)))
        except InputError:
            results.append(("refused",))
    refused = proportion([messages == ("refused",) for messages in results], patients)
    flagged = proportion([bool(messages) for messages in results], patients)
    # The first two words of a message name its reason.
    reasons = [" ".join(message.split()[:2]).strip(";:") for messages in results for message in messages]
    counts = pd.Series(reasons, dtype=str).value_counts()
    row = {"rule": "check", "reference": name, "films": kind, "case": case, "n": len(results)}
    row |= with_interval("refused", refused) | with_interval("flagged", flagged)
    return row | {"details": "; ".join(f"{count} {reason}" for reason, count in counts.items())}


def with_interval(name: str, estimate: Estimate) -> dict[str, float]:
    """Return an estimate as three cells of a row: the value and both ends of its interval."""
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def check_rows(
    references: dict, real: list, patients: np.ndarray, fresh: list, fresh_patients, originals: list
) -> list:
    """Return the rows of `Reference.check`."""
    rows = []
    for name, (reference, size) in references.items():
        for kind, films, ids in (("real, other half", real, patients), ("simulated, seed 77", fresh, fresh_patients)):
            for case, corrupt in CORRUPTIONS.items():
                rng = np.random.default_rng(1)
                corrupted = [corrupt(film, rng) for film in films]
                rows.append(check_row(name, reference, size, kind, case, corrupted, ids))
        rows.append(check_row(name, reference, size, "real, originals of 1024 px", "as it is", originals))
        for kind, pictures in other_images().items():
            rows.append(check_row(name, reference, size, "no chest film", kind, list(pictures.values())))
    return rows


def copy_rows(kind: str, films: list, patients: np.ndarray, size: int, draws: int = 5) -> list:
    """Return the rows of `near_copies`: false alarms on splits by patient, and copies found."""
    images = np.array([cached(film, size) for film in films])
    # The threshold is taken off, so that every pair has its correlation; the rows apply it.
    threshold, duplicates.MIN_CORRELATION = duplicates.MIN_CORRELATION, -1.0
    row = {"rule": "copies", "films": kind}

    pairs, alarms, warned_cohorts, largest = 0, 0, 0, -1.0
    for seed in range(draws):
        ids = np.unique(patients)
        held_out = np.isin(patients, np.random.default_rng(seed).permutation(ids)[: round(0.3 * len(ids))])
        found = [correlation for *_, correlation in duplicates.near_copies(images[~held_out], images[held_out])]
        pairs += held_out.sum() * (~held_out).sum()
        alarms += sum(value >= threshold for value in found)
        warned_cohorts += any(value >= threshold for value in found)
        largest = max(largest, *found)
    flagged = with_interval("flagged", proportion(np.arange(pairs) < alarms))
    case = f"different patients, {draws} splits, {warned_cohorts} of them warned of"
    rows = [row | {"case": case, "n": pairs} | flagged | {"details": f"{largest:.3f}"}]

    same = [(i, j) for i in range(len(films)) for j in range(i) if patients[i] == patients[j]]
    values = [duplicates.near_copies(images[[i]], images[[j]])[0][2] for i, j in same]
    flagged = with_interval("flagged", proportion(np.array(values) >= threshold))
    details = ", ".join(f"{value:.3f}" for value in sorted(values)[::-1][:2])
    rows.append(row | {"case": "pairs of one patient", "n": len(values)} | flagged | {"details": details})

    for case, copy in COPIES.items():
        copies = np.array([cached(copy(film), size) for film in films[::2]])
        found = duplicates.near_copies(images, copies)
        hits = np.array([film == 2 * index and value >= threshold for index, film, value in found])
        flagged = with_interval("flagged", proportion(hits, patients[::2]))
        details = f"{np.quantile([value for *_, value in found], 0.01):.3f}"
        rows.append(row | {"case": case, "n": len(hits)} | flagged | {"details": details})
    duplicates.MIN_CORRELATION = threshold
    return rows


def main(source: Path, originals: Path | None = None, build: Path = Path("build/alarms")) -> None:
    """Measure the rates and write the table."""
    entries = pd.read_csv(find_label_file(source), dtype={"Patient ID": str})
    files = {path.name: path for path in source.rglob("*.png")}
    entries = entries[entries["Image Index"].isin(files)]
    patients, names = entries["Patient ID"].to_numpy(), entries["Image Index"].to_numpy()
    films = [read_image(files[name]) for name in names]
    ids = np.unique(patients)
    chosen = np.isin(patients, np.random.default_rng(0).permutation(ids)[: len(ids) // 2])
    select = lambda items, mask: [item for item, is_in in zip(items, mask, strict=True) if is_in]
    cohorts = {}
    for name, options in {"fresh": FRESH, "course": COURSE}.items():
        folder = build / name
        cohorts[name] = read_cohort(folder if folder.exists() else simulate(folder, **options))
    fresh, course = ([read_image(path) for path in cohorts[name].files] for name in ("fresh", "course"))
    ids = {name: cohort.table["patient_id"].to_numpy() for name, cohort in cohorts.items()}
    half = make_reference(np.array([cached(film) for film in select(films, chosen)]))
    simulated = open_run("simulated")
    references = {"simulated": (simulated.reference, simulated.recipe.size), "half of the real films": (half, SIZE)}
    large = [read_image(path) for path in sorted(originals.glob("*.png"))] if originals else []
    rows = check_rows(references, select(films, ~chosen), patients[~chosen], fresh, ids["fresh"], large)
    whole, mask = references["simulated"], chosen & ~np.isin(names, TURNED)
    rows.append(check_row("simulated", *whole, "real, half chosen on", "as it is", select(films, mask), patients[mask]))
    turned = select(films, np.isin(names, TURNED))
    rows.append(check_row("simulated", *whole, "real, truly turned or inverted", "as it is", turned))
    rows += copy_rows("real, other half", select(films, ~chosen), patients[~chosen], SIZE)
    rows += copy_rows("simulated, seed 0", course, ids["course"], 128)
    small = load_images(cohorts["fresh"].files, size=64) / np.float32(65535)
    rows += copy_rows("simulated, seed 77, 64 px", list(small), ids["fresh"], 64)
    write_csv(OUT, pd.DataFrame(rows).round(4))


if __name__ == "__main__":
    typer.run(main)
