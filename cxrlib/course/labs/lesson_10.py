"""Lesson 10: a small collection in NIH's layout, and the lab: a network that can learn the hospital."""

from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrlib.course.reader import keep, recall
from cxrlib.evaluation.roc_auc import auc
from cxrlib.files import write_text
from cxrlib.images.pixels import minmax
from cxrlib.phantom.film import Order, take_film
from cxrlib.report import plots

PATIENTS, SIDE = 36, 128
"""The number of patients in the small collection, and the side of its films in pixels."""

HEADINGS = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position"

AGREEMENTS = np.linspace(0.5, 1, 11)
"""The agreements of the hospital with the label for which the lab draws its curves."""

GUESS = "AUC in a new hospital"
"""The name under which the lesson keeps the reader's guess."""


def write_collection(folder: Path) -> None:
    """Write simulated films as NIH publishes real ones: 8-bit PNG files and Data_Entry_2017.csv.

    4 files are odd, as in real collections: one is cut off, one is in colour, one is upside
    down, and one is a copy of another patient's film.

    Parameters
    ----------
    folder : Path
        A new folder.
    """
    images = folder / "images_001" / "images"
    images.mkdir(parents=True)
    rows = [HEADINGS]
    for patient in range(1, PATIENTS + 1):
        labels = _labels_of(patient)
        amount = 700.0 if "Effusion" in labels else 0.0
        view = "AP" if patient % 5 == 0 else "PA"
        for visit in range(1 + (patient % 4 == 0)):
            order = Order(patient=patient, visit=visit, view=view, amount=amount, seed=10)
            image = np.rint(minmax(take_film(order, size=SIDE).pixels) * 255).astype(np.uint8)
            name = f"{patient:08d}_{visit:03d}.png"
            cv2.imwrite(str(images / name), image)
            rows.append(f"{name},{labels},{visit},{patient},{30 + patient},{'MF'[patient % 2]},{view}")
    _make_odd(images)
    write_text(folder / "Data_Entry_2017.csv", "\n".join(rows) + "\n")


def _labels_of(patient: int) -> str:
    """Return the labels of a patient: every third has an effusion, and 4 have another finding alone."""
    if patient % 3 == 0:
        return "Effusion|Cardiomegaly" if patient % 2 else "Effusion"
    return "Mass" if patient % 9 == 2 else "No Finding"


def _make_odd(images: Path) -> None:
    cut_off, colour, turned = (images / f"{patient:08d}_000.png" for patient in (6, 7, 10))
    content = cut_off.read_bytes()
    cut_off.write_bytes(content[: len(content) // 2])
    gray, upright = (np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)) for path in (colour, turned))
    cv2.imwrite(str(colour), cv2.applyColorMap(gray, cv2.COLORMAP_JET))
    cv2.imwrite(str(turned), upright[::-1])
    (images / "00000014_000.png").write_bytes((images / "00000013_000.png").read_bytes())


def draw_hospital_films(
    n: int, agreement: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return n films as numbers (N, 3): sign, tone and 1; their labels (N,); and whether each is from hospital A (N,).

    Parameters
    ----------
    n : int
    agreement : float in [0.5, 1]
        The probability that a film with an effusion comes from hospital A, and that one
        without comes from hospital B.
    rng : Generator
    """
    label = (rng.random(n) < 0.3).astype(int)
    from_a = rng.random(n) < np.where(label == 1, agreement, 1 - agreement)
    sign = 1.2 * label + rng.normal(size=n)
    tone = from_a + 0.3 * rng.normal(size=n)
    return np.column_stack([sign, tone, np.ones(n)]), label, from_a


def measure_agreement(agreement: float, seed: int = 0, n: int = 4000) -> dict[str, float]:
    """Return 4 AUCs of a detector that learned from hospitals with this agreement.

    The keys are "validation" (new films of A and B), "same hospital" (their pairs of films
    of the same hospital; NaN if there are none), "new hospital" (where the tone says
    nothing) and "tone left out" (a detector of the sign alone, in the new hospital).
    """
    rng = np.random.default_rng(seed)
    films, label, _ = draw_hospital_films(n, agreement, rng)
    weights = np.linalg.lstsq(films, label, rcond=None)[0]
    same, same_label, from_a = draw_hospital_films(n, agreement, rng)
    new, new_label, _ = draw_hospital_films(n, 0.5, rng)
    return {
        "validation": auc(same_label, same @ weights),
        "same hospital": auc_of_same_source(from_a, same_label, same @ weights),
        "new hospital": auc(new_label, new @ weights),
        "tone left out": auc(new_label, new[:, 0]),
    }


def auc_of_same_source(source: np.ndarray, label: np.ndarray, score: np.ndarray) -> float:
    """Return the fraction of pairs of films of the same source in which the film with the finding scores higher.

    It is the mean of the AUCs of the sources, weighted by their pairs. NaN if no source has
    films of both labels.

    Parameters
    ----------
    source, label, score : ndarray, (N,)
        ``label`` is 1 for an effusion.
    """
    aucs, pairs = [], []
    for name in np.unique(source):
        inside = source == name
        if num_pairs := int(label[inside].sum() * (1 - label[inside]).sum()):
            aucs.append(auc(label[inside], score[inside]))
            pairs.append(num_pairs)
    return float(np.average(aucs, weights=pairs)) if pairs else np.nan


def source_lab(agreement: int = 90) -> Figure:
    """Draw films as sign against tone, the border of the detector, and its AUCs for each agreement.

    The reader's guess and earlier settings are drawn too.

    Parameters
    ----------
    agreement : int, 50 to 100
        Per cent.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
    _draw_films(left, agreement / 100)
    curves = [measure_agreement(each) for each in AGREEMENTS]
    styles = {
        "validation": ("-o", plots.FINDING),
        "same hospital": ("-.^", plots.NOFINDING),
        "new hospital": ("--s", "black"),
        "tone left out": (":", "gray"),
    }
    for name, (style, color) in styles.items():
        right.plot(AGREEMENTS * 100, [curve[name] for curve in curves], style, color=color, markersize=4, label=name)
    now = measure_agreement(agreement / 100)
    right.axvline(agreement, color=plots.NEUTRAL, linewidth=2, alpha=0.5)
    if guessed := recall(GUESS):
        right.plot([90], [guessed], "*", color="tab:orange", markersize=14, label="my guess")
    tried = [each for each in recall("agreements tried", []) if each != agreement]
    right.plot(tried, [0.52] * len(tried), "|", color=plots.NEUTRAL, label="tried before" if tried else None)
    keep("agreements tried", [*tried, agreement][-8:])
    right.set(xlabel="agreement of hospital and label, %", ylabel="AUC", ylim=(0.5, 1.01), xlim=(48, 102))
    names = [name for name in ("validation", "same hospital", "new hospital") if np.isfinite(now[name])]
    right.set_title(", ".join(f"{name} {now[name]:.2f}" for name in names), fontsize=10)
    right.legend(fontsize=9, loc="lower left", bbox_to_anchor=(0.0, 0.08))
    return figure


def _draw_films(ax: Axes, agreement: float) -> None:
    """Draw 300 films of hospitals A and B, and the line at which the detector's score is 0.3."""
    rng = np.random.default_rng(1)
    films, label, _ = draw_hospital_films(300, agreement, rng)
    for value, marker, color, name in ((0, "o", plots.NEUTRAL, "no effusion"), (1, "^", plots.FINDING, "effusion")):
        chosen = films[label == value]
        ax.plot(chosen[:, 0], chosen[:, 1], marker, color=color, markersize=4, alpha=0.7, label=name)
    many, labels, _ = draw_hospital_films(4000, agreement, np.random.default_rng(0))
    weights = np.linalg.lstsq(many, labels, rcond=None)[0]
    tone, sign = np.meshgrid(np.linspace(-1, 2.6, 60), np.linspace(-3, 4.5, 60))
    score = weights[0] * sign + weights[1] * tone + weights[2]
    ax.contour(sign, tone, score, levels=[0.3], colors="black", linestyles="--")
    ax.plot([], [], "--", color="black", label="border: score 0.3")
    ax.set(xlabel="sign of fluid", ylabel="tone of the film", xlim=(-3, 4.5), ylim=(-1, 2.6))
    ax.set_title("films of hospital A (tone about 1) and B (about 0)", fontsize=10)
    ax.legend(fontsize=9, loc="upper left")
