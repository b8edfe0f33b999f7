"""Draw a cohort: which patients come, when, how they are imaged, and what is filed about each film."""

from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from cxrlib.cohorts.cohort import NOFINDING
from cxrlib.cohorts.split import draw_stratified_split
from cxrlib.errors import InputError
from cxrlib.phantom.body.devices import DEVICES
from cxrlib.phantom.body.patient import draw_patient
from cxrlib.phantom.film import FINDINGS, Order, fit_volume

MEASURES = {"effusion": "volume_ml", "pneumothorax": "volume_ml", "cardiomegaly": "ctr", "nodule": "diameter_cm"}
"""The column of cohort.csv that holds the amount of a finding."""

FILMS, PREVALENCE = 1107, 107 / 1107
"""107 films with an effusion and 1,000 without: as many as in the tutorial that the course grew from."""

MEDIAN_ML, SPREAD, MIN_ML, MAX_ML = 450.0, 0.95, 20.0, 4000.0
"""Volumes of adults are log-normal: 5 to 95 % of them lie between about 95 and 2,150 mL, 1 in 5 below 200 mL."""

ALWAYS_FITS_ML = 450.0
"""Each side of every adult's chest holds this much."""

SICK_PROBABILITY = 0.40
"""Probability that lungs and heart are diseased, in either class, if that has nothing to do with the label.

In ChestX-ray14, 38,442 of the 98,803 films without an effusion (39 %) carry another label.
"""

SICK_WITH_FINDING = 0.80
"""The same for films with the finding at a comorbidity of 1. Films without it then show healthy lungs and hearts.

Chosen: 70 % of the films with an effusion in ChestX-ray14 carry another label, and the labels miss some diseases.
"""

SICK_DEVICES, HEALTHY_DEVICES = 1.4, 0.6
"""Factors of the probability of a device. Chosen: the sick have more lines and cables."""

AP_PROBABILITY = 0.4
"""As in ChestX-ray14, where 44,810 of 112,120 films are AP."""

RETURN_PROBABILITY = 0.25
"""Probability that a patient comes back."""

ADULT = 18
"""Years."""

LATER_VISIT = 500
"""Number of the visit from which later visits are counted: no patient has so many films in the roster itself."""

POSTURES_AP = {"upright": 0.35, "semi-erect": 0.35, "supine": 0.30}
"""Probability of each posture on an AP film. PA films are taken upright."""

DEVICE_PROBABILITIES = {
    "AP": {"leads": 0.5, "tube": 0.15, "line": 0.3, "port": 0.05, "pacemaker": 0.06, "drain": 0.04, "portable": 0.5},
    "PA": {"leads": 0.05, "tube": 0.0, "line": 0.04, "port": 0.04, "pacemaker": 0.04, "drain": 0.01, "portable": 0.0},
}
"""Chosen: devices are more common at the bedside."""

SHORTCUT_DEVICES = ["leads", "drain", "portable"]
"""The devices of a film with the finding, if the label decides its devices."""


def draw_roster(
    films: int,
    *,
    finding: str = "effusion",
    prevalence: float = PREVALENCE,
    label_noise: tuple[float, float] = (0.0, 0.0),
    shortcut: float = 0.0,
    comorbidity: float = 0.0,
    later_visit: bool = False,
    seed: int = 0,
) -> pd.DataFrame:
    """Draw the films of a cohort, one row each, with the columns of cohort.csv.

    Parameters
    ----------
    films : int
    finding : {"effusion", "cardiomegaly", "pneumothorax", "nodule"}
    prevalence : float in (0, 1)
        Fraction of the films that are filed under the finding.
    label_noise : (float, float), each in [0, 1]
        Two fractions of wrong labels: of the films filed under the finding, and of the
        films filed as nofinding.
    shortcut : float in [0, 1]
        Fraction of the films whose view, site and devices follow from the label. At 0
        they have nothing to do with the label. At 1 the label decides all of them.
    comorbidity : float in [0, 1]
        How closely other diseases of lungs and heart go with the label. At 0 they have
        nothing to do with it: 40 % of the films of either class show them. At 1 they are as
        ChestX-ray14 files them: 80 % of the films with the finding show other diseases, and
        no film without it does, because its No Finding excludes 13 other labels, too.
    later_visit : bool
        Draw the same patients at a later visit: with another breath, another framing and
        another exposure. The findings are the same, but a volume that the chest cannot
        hold with this depth of breath is lowered.
    seed : int
        The same seed gives the same table.

    Returns
    -------
    DataFrame
        ``label`` is what is filed: 1 for the finding, 0 for nofinding. ``true_label`` is
        what the film shows.

    Raises
    ------
    InputError
        The finding is unknown, a fraction lies outside [0, 1], or a class has no films.
    """
    _check_options(finding, prevalence, label_noise, shortcut, comorbidity, seed)
    positives = round(films * prevalence)
    if not 0 < positives < films:
        raise InputError(
            f"{films} films at a prevalence of {prevalence:g} are {positives} {finding} and "
            f"{films - positives} {NOFINDING}; at least 1 film of each class is needed"
        )
    # the order of the draws from this stream is part of the films: keep it
    rng = np.random.default_rng([seed, *b"roster"])
    labels = rng.permutation(np.repeat([1, 0], [positives, films - positives]))
    patients, visits = _draw_visits(rng, films)
    true_labels = _draw_true_labels(rng, labels, label_noise)
    by_label = rng.random(films) < shortcut  # the films whose view, site and devices follow from the label
    views = np.where(np.where(by_label, labels == 1, rng.random(films) < AP_PROBABILITY), "AP", "PA")
    amounts = _draw_amounts(rng, finding, true_labels)
    sides = _draw_sides(rng, finding, true_labels)
    sites = _draw_sites(rng, labels, by_label)
    postures = np.where(views == "AP", rng.choice(list(POSTURES_AP), films, p=list(POSTURES_AP.values())), "upright")
    sick = rng.random(films) < np.where(
        labels == 1,
        SICK_PROBABILITY + comorbidity * (SICK_WITH_FINDING - SICK_PROBABILITY),
        SICK_PROBABILITY * (1 - comorbidity),
    )
    devices = _draw_devices(rng, views, labels, by_label, sick)

    patient_ids = [f"{patient:05d}" for patient in patients]
    folders = np.where(labels == 1, finding, NOFINDING)
    visits += LATER_VISIT if later_visit else 0
    people = [draw_patient(int(patient), seed=seed) for patient in patients]
    table = pd.DataFrame(
        {
            "path": [f"{f}/{p}_{v:03d}.png" for f, p, v in zip(folders, patient_ids, visits, strict=True)],
            "label": labels,
            "patient_id": patient_ids,
            "split": draw_stratified_split(patient_ids, labels, seed=seed),
            "view": views,
            "sex": [person.sex for person in people],
            "age": [person.age for person in people],
            "findings": np.where(labels == 1, finding.capitalize(), "No Finding"),
            "true_label": true_labels,
            MEASURES[finding]: amounts,
            "side": sides,
            "site": sites,
            "posture": postures,
            "sick": sick.astype(int),
            "devices": devices,
        }
    )
    if MEASURES[finding] == "volume_ml":
        sizes = np.array([person.scale**3 if person.age < ADULT else 1.0 for person in people])
        table["volume_ml"] = np.ceil(table["volume_ml"] * sizes)  # a child's effusion is as small as its chest
        _fit_volumes(table, finding, seed)
    return table.sort_values("path", ignore_index=True)


def order_of(row: dict[str, Any], *, finding: str = "effusion", seed: int = 0) -> Order:
    """Return the order for a film of `draw_roster`, or for a row of a simulated cohort.csv.

    Parameters
    ----------
    row : dict
        Numbers may be text.
    finding : str
        The finding of the cohort.
    seed : int
        The seed of the cohort.

    Examples
    --------
    >>> from cxrlib.phantom import draw_roster, take_film
    >>> row = draw_roster(10, prevalence=0.5, seed=4).iloc[0].to_dict()
    >>> film = take_film(order_of(row, seed=4))
    """
    number, visit = PurePosixPath(row["path"]).stem.split("_")
    return Order(
        patient=int(number),
        visit=int(visit),
        seed=seed,
        view=row["view"],
        posture=row["posture"],
        finding=finding,
        amount=float(row[MEASURES[finding]]),
        side=row.get("side") or "right",  # an empty column may have been left out
        site=int(row["site"]),
        sick=bool(int(row.get("sick") or 0)),
        devices=tuple(row.get("devices", "").split()),
    )


def _check_options(
    finding: str, prevalence: float, label_noise: tuple[float, float], shortcut: float, comorbidity: float, seed: int
) -> None:
    if finding not in FINDINGS:
        raise InputError(f"finding is {finding!r}; it must be one of {', '.join(FINDINGS)}")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed is {seed}; it must be at least 0 and below 2**32")
    if len(label_noise) != 2:
        raise InputError(f"label_noise is {label_noise!r}; two fractions are needed: for {finding}, for {NOFINDING}")
    fractions = {"prevalence": prevalence, "shortcut": shortcut, "comorbidity": comorbidity}
    fractions |= {"label_noise (finding)": label_noise[0], "label_noise (nofinding)": label_noise[1]}
    for name, fraction in fractions.items():
        if not 0 <= fraction <= 1:
            raise InputError(f"{name} is {fraction}; it must lie between 0 and 1")


def _draw_visits(rng: np.random.Generator, films: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw each film's patient and number of the visit, from 0. Most patients come once."""
    counts = 1 + (rng.random(films) < RETURN_PROBABILITY) * rng.geometric(0.5, films)
    patients = np.repeat(np.arange(films), counts)
    visits = np.concatenate([np.arange(count) for count in counts])
    return patients[:films], visits[:films]


def _draw_true_labels(rng: np.random.Generator, labels: np.ndarray, label_noise: tuple[float, float]) -> np.ndarray:
    """Draw what the films show: the label, except on the fraction of each class that is filed wrongly."""
    true_labels = labels.copy()
    for label, fraction in zip((1, 0), label_noise, strict=True):
        filed = np.flatnonzero(labels == label)
        true_labels[rng.permutation(filed)[: round(fraction * len(filed))]] = 1 - label
    return true_labels


def _draw_amounts(rng: np.random.Generator, finding: str, true_labels: np.ndarray) -> np.ndarray:
    """Draw volumes in mL, ratios, or diameters in cm: 0 without the finding. Every heart has a ratio."""
    count, present = len(true_labels), true_labels == 1
    if finding == "cardiomegaly":  # normal hearts are below 0.5
        return np.round(np.where(present, rng.uniform(0.53, 0.68, count), rng.uniform(0.37, 0.48, count)), 3)
    if finding == "nodule":  # log-normal: the median is 2.5 cm
        return np.where(present, np.round(np.clip(np.exp(rng.normal(0.9, 0.4, count)), 0.8, 8), 1), 0.0)
    volumes = np.round(MEDIAN_ML * np.exp(SPREAD * rng.standard_normal(count)))
    return np.where(present, np.clip(volumes, MIN_ML, MAX_ML), 0.0)


def _draw_sides(rng: np.random.Generator, finding: str, true_labels: np.ndarray) -> np.ndarray:
    """Draw the side of each finding: "" on a film without the finding, and for cardiomegaly."""
    sides = rng.choice(["right", "left", "both"], len(true_labels), p=[0.4, 0.35, 0.25])
    if finding in ("pneumothorax", "nodule"):  # these are on one side
        sides = np.where(sides == "both", "right", sides)
    return np.where((true_labels == 1) & (finding != "cardiomegaly"), sides, "")


def _draw_sites(rng: np.random.Generator, labels: np.ndarray, by_label: np.ndarray) -> np.ndarray:
    """Draw the site of each film.

    Where the label decides, films with the finding come from site 1, and films without
    the finding from sites 0 and 2.
    """
    films = len(labels)
    sites_by_label = np.where(labels == 1, 1, 2 * rng.integers(2, size=films))
    return np.where(by_label, sites_by_label, rng.integers(3, size=films))


def _draw_devices(
    rng: np.random.Generator, views: np.ndarray, labels: np.ndarray, by_label: np.ndarray, sick: np.ndarray
) -> list[str]:
    """Draw the devices of each film, as one text of names."""
    names = (*DEVICES, "portable")
    result = []
    draws_of_films = rng.random((len(views), len(names))) / np.where(sick, SICK_DEVICES, HEALTHY_DEVICES)[:, None]
    for draws, view, label, decided in zip(draws_of_films, views, labels, by_label, strict=True):
        if decided:
            devices = SHORTCUT_DEVICES if label == 1 else []
        else:
            probabilities = DEVICE_PROBABILITIES[view]
            devices = [name for name, draw in zip(names, draws, strict=True) if draw < probabilities[name]]
        result.append(" ".join(devices))
    return result


def _fit_volumes(table: pd.DataFrame, finding: str, seed: int) -> None:
    """Lower the volumes that a patient's chest cannot hold, in place."""
    volume_per_side = table["volume_ml"] / np.where(table["side"] == "both", 2, 1)
    is_doubtful = (volume_per_side > ALWAYS_FITS_ML) | ((table["age"] < ADULT) & (volume_per_side > 0))
    for index in table.index[is_doubtful]:  # to look into every chest would take long
        order = order_of(table.loc[index].to_dict(), finding=finding, seed=seed)
        table.loc[index, "volume_ml"] = float(np.floor(fit_volume(order)))
