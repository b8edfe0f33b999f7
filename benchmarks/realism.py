"""Measure how well simple classifiers tell simulated films from real ones, and where the two differ.

`describe` gives the whole text of `make contact`. Each classifier is a ridge regression
on one kind of features: a thumbnail, or the power in rings of the spectrum. An AUC of
0.5 means that these features do not tell the films apart.
"""

from collections.abc import Callable

import cv2
import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cxrlib.evaluation.estimate import Estimate
from cxrlib.evaluation.roc_auc import auc_interval
from cxrlib.images.pixels import minmax

THUMBNAIL, RINGS, FOLDS = 8, 24, 5
"""Chosen: pixels a side of a thumbnail, rings of a spectrum, folds of the cross-validation."""

FRAME, BLACK, WHITE = 1 / 16, 0.02, 0.95
"""Chosen: the width of the frame as a fraction of the film's side. A pixel is black below the gray 0.02, and white
above 0.95."""


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Return a film averaged down to 8x8 pixels, (64,)."""
    return cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).ravel()


def spectrum(image: np.ndarray) -> np.ndarray:
    """Return the log10 of the mean power of a square film in rings of equal width, (24,).

    The rings go from 0.5 cycles per film to the Nyquist frequency, size / 2 cycles per film.
    A Hann window hides the jump from one edge of the film to the opposite edge.
    """
    size = len(image)
    window = np.hanning(size)
    power = np.abs(np.fft.fft2((image - image.mean()) * np.outer(window, window))) ** 2
    cycles = np.fft.fftfreq(size, 1 / size)
    ring = np.digitize(np.hypot(cycles[:, None], cycles), np.linspace(0.5, size / 2, RINGS + 1)) - 1
    inside = (ring >= 0) & (ring < RINGS)
    sums, counts = np.bincount(ring[inside], power[inside], RINGS), np.bincount(ring[inside], minlength=RINGS)
    return np.log10(sums / counts + 1e-9)


def numbers(image: np.ndarray) -> np.ndarray:
    """Return five numbers of a film in [0, 1]; `NUMBERS` names them."""
    edge = max(1, round(FRAME * len(image)))
    in_frame = np.ones(image.shape, bool)
    in_frame[edge:-edge, edge:-edge] = False
    frame = image[in_frame]
    detail = image - cv2.GaussianBlur(image, (0, 0), 1.0)
    return np.array(
        [image.mean(), image.std(), (frame < BLACK).mean(), (frame > WHITE).mean(), detail.std() / image.std()]
    )


NUMBERS = ("mean gray", "SD of gray", "black part of the frame", "white part of the frame", "sharpness (detail SD/SD)")


def separation(real: np.ndarray, simulated: np.ndarray, patients: np.ndarray, *, seed: int = 0) -> Estimate:
    """Return the cross-validated AUC with which a ridge regression tells real from simulated films.

    Parameters
    ----------
    real : ndarray, (R, F)
        Features of the real films.
    simulated : ndarray, (S, F)
    patients : ndarray, (R + S,)
        The patient of each film, real ones first. No patient is in two folds.
    seed : int
        The seed of the folds.

    Returns
    -------
    Estimate
        With its 95 % interval, clustered by patient.
    """
    features, is_real = np.concatenate([real, simulated]), np.repeat([1, 0], [len(real), len(simulated)])
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 5, 13)))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    return auc_interval(is_real, cross_val_predict(model, features, is_real, groups=patients, cv=folds), patients)


def describe(films: np.ndarray, is_real: np.ndarray, views: np.ndarray, patients: np.ndarray, *, seed: int = 0) -> str:
    """Return the text that `make contact` prints.

    Parameters
    ----------
    films : ndarray, (N, H, H), in [0, 1]
        They are min-max normalised here.
    is_real : ndarray, (N,), bool
    views, patients : ndarray, (N,)
        The view, PA or AP, and the patient of each film.
    seed : int
        The seed of the folds.
    """
    films = np.stack([minmax(film) for film in films])
    standardised = (films - films.mean(axis=(1, 2), keepdims=True)) / films.std(axis=(1, 2), keepdims=True)
    parts = {"all": np.ones(len(films), bool), "PA": views == "PA", "AP": views == "AP"}
    lines = ["AUC, real against simulated (0.5: not told apart), with the number of real and simulated films"]
    for name, measure in (("thumbnail", thumbnail), ("spectrum", spectrum)):
        features = _each(measure, films)
        for view, part in parts.items():
            real, simulated = part & is_real, part & ~is_real
            people = np.concatenate([patients[real], patients[simulated]])
            value = separation(features[real], features[simulated], people, seed=seed)
            lines.append(f"  {name} {view:3}  {value}  {real.sum()} and {simulated.sum()}")
    for name, values in (("thumbnail", _each(thumbnail, standardised)), ("spectrum", _each(spectrum, standardised))):
        shape = (-1, THUMBNAIL) if name == "thumbnail" else (-1, RINGS // 2)
        for view, part in parts.items():
            real, simulated = values[part & is_real], values[part & ~is_real]
            difference = (simulated.mean(axis=0) - real.mean(axis=0)) / real.std(axis=0)
            lines.append(
                f"\n{name} of standardised films, {view}: root mean square difference {_rms(difference):.2f} SD"
            )
            named = ("real", real.mean(axis=0)), ("simulated", simulated.mean(axis=0))
            for title, row in (*named, ("simulated - real, in SDs of the real films", difference)):
                lines.append(f"  {title}")
                lines += ["  " + " ".join(f"{value:5.2f}" for value in line) for line in row.reshape(shape)]
    lines.append("\nmedian (10th to 90th percentile)")
    values = _each(numbers, films)
    for view, part in parts.items():
        lines += [
            f"  {name:25} {view:3}  real {_spread(real)}  simulated {_spread(simulated)}"
            for name, real, simulated in zip(NUMBERS, values[part & is_real].T, values[part & ~is_real].T, strict=True)
        ]
    return "\n".join(lines)


def _each(measure: Callable[[np.ndarray], np.ndarray], films: np.ndarray) -> np.ndarray:
    return np.stack([measure(film) for film in films])


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _spread(values: np.ndarray) -> str:
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"
