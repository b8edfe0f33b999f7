"""Who comes to be imaged, when, where, how, and what is then filed about it."""

from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from cxrlib.cohorts.cohort import NOFINDING
from cxrlib.cohorts.split import draw_stratified_split
from cxrlib.errors import InputError
from cxrlib.phantom.body.devices import DEVICES
from cxrlib.phantom.body.patient import draw_patient
from cxrlib.phantom.film import FINDINGS, Order, fitting_ml

MEASURES = {"effusion": "volume_ml", "pneumothorax": "volume_ml", "cardiomegaly": "ctr", "nodule": "diameter_cm"}
"""The column of cohort.csv that holds how much of a finding there is."""

MEDIAN_ML, SPREAD, LEAST_ML, MOST_ML = 500.0, 0.855, 20.0, 4000.0
"""Volumes are log-normal; 5 to 95 % of them lie between about 120 and 2,000 mL."""

SURE_ML = 450.0  # a side of every patient holds this much
AP_SHARE, RETURNING = 0.4, 0.25
LATER = 500
"""Visits between a patient's films and those taken `again`."""

POSTURES_AP = {"upright": 0.35, "semi-erect": 0.35, "supine": 0.30}
DEVICE_SHARES = {
    "AP": {"leads": 0.5, "tube": 0.15, "line": 0.3, "port": 0.05, "pacemaker": 0.06, "drain": 0.04, "portable": 0.5},
    "PA": {"leads": 0.05, "tube": 0.0, "line": 0.04, "port": 0.04, "pacemaker": 0.04, "drain": 0.01, "portable": 0.0},
}


def draw_roster(
    films: int,
    *,
    finding: str = "effusion",
    prevalence: float = 107 / 1107,
    label_noise: tuple[float, float] = (0.0, 0.0),
    shortcut: float = 0.0,
    again: bool = False,
    seed: int = 0,
) -> pd.DataFrame:
    """Draw a cohort's films, one row each, in the columns of cohort.csv.

    Parameters
    ----------
    films : int
    finding : {"effusion", "cardiomegaly", "pneumothorax", "nodule"}
    prevalence : float
        Share of the films that are filed under the finding.
    label_noise : (float, float)
        Share of the films filed under the finding that do not show it, and
        share of those filed as nofinding that do.
    shortcut : float in [0, 1]
        0: view, site and devices have nothing to do with the label; 1: the
        label decides them; between, it decides them for that share of the films.
    again : bool
        The same patients at a later visit: another breath, another framing,
        another exposure. Findings are the same, but for a volume that the chest
        cannot hold at this breath.
    seed : int

    Returns
    -------
    DataFrame
        ``label`` is what is filed, ``true_label`` what is there.

    Raises
    ------
    InputError
        An unknown finding, a share outside [0, 1], a class without films.
    """
    if finding not in FINDINGS:
        raise InputError(f"finding is {finding!r}; the simulator knows {', '.join(FINDINGS)}")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed is {seed}; it must be at least 0 and below 2**32")
    shares = {"prevalence": prevalence, "shortcut": shortcut}
    shares |= dict(zip(("label_noise (finding)", "label_noise (nofinding)"), _pair(label_noise), strict=True))
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise InputError(f"{name} is {share}; it must lie between 0 and 1")
    positives = round(films * prevalence)
    if not 0 < positives < films:
        raise InputError(
            f"{films} films at a prevalence of {prevalence:g} are {positives} {finding} and "
            f"{films - positives} {NOFINDING}; at least 1 film of each class is needed"
        )
    rng = np.random.default_rng([seed, *b"roster"])
    labels = rng.permutation(np.repeat([1, 0], [positives, films - positives]))
    visits = 1 + (rng.random(films) < RETURNING) * rng.geometric(0.5, films)
    patients = np.repeat(np.arange(films), visits)[:films]
    table = pd.DataFrame({"label": labels, "patient_id": [f"{p:05d}" for p in patients]})
    visit = table.groupby("patient_id").cumcount() + (LATER if again else 0)
    folder = np.where(labels == 1, finding, NOFINDING)
    names = [f"{f}/{p}_{v:03d}.png" for f, p, v in zip(folder, table["patient_id"], visit, strict=True)]
    table.insert(0, "path", names)
    table["split"] = draw_stratified_split(table["patient_id"], labels, seed=seed)
    truth = labels.copy()
    for label, share in zip((1, 0), _pair(label_noise), strict=True):
        filed = np.flatnonzero(labels == label)
        truth[rng.permutation(filed)[: round(share * len(filed))]] = 1 - label
    told = (rng.random(films) < shortcut, labels == 1)  # where the label decides, and what
    table["view"] = np.where(np.where(*told, rng.random(films) < AP_SHARE), "AP", "PA")
    people = [draw_patient(int(p), seed=seed) for p in patients]
    table["sex"], table["age"] = [p.sex for p in people], [p.age for p in people]
    table["findings"] = np.where(labels == 1, finding.capitalize(), "No Finding")
    table["true_label"] = truth
    table[MEASURES[finding]] = _amounts(rng, finding, truth)
    sides = rng.choice(["right", "left", "both"], films, p=[0.4, 0.35, 0.25])
    if finding in ("pneumothorax", "nodule"):  # one side
        sides = np.where(sides == "both", "right", sides)
    table["side"] = np.where((truth == 1) & (finding != "cardiomegaly"), sides, "")
    table["site"] = np.where(
        told[0], np.where(told[1], 1, 2 * rng.integers(2, size=films)), rng.integers(3, size=films)
    )
    lying = rng.choice(list(POSTURES_AP), films, p=list(POSTURES_AP.values()))
    table["posture"] = np.where(table["view"] == "AP", lying, "upright")
    table["devices"] = _devices(rng, table["view"], *told)
    if MEASURES[finding] == "volume_ml":
        _make_fit(table, finding, seed)
    return table.sort_values("path", ignore_index=True)


def order_of(row: dict, *, finding: str = "effusion", seed: int = 0) -> Order:
    """Return the order for a film of `draw_roster`, or for a row of a simulated cohort.csv.

    Parameters
    ----------
    row : dict
    finding : str
        Of the cohort.
    seed : int
        Of the cohort.
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
        devices=tuple(row.get("devices", "").split()),
    )


def _pair(label_noise) -> tuple[float, float]:
    if len(label_noise) != 2:
        raise InputError(f"label_noise is {label_noise!r}; two shares are needed: of the finding, of nofinding")
    return tuple(label_noise)


def _amounts(rng: np.random.Generator, finding: str, truth: np.ndarray) -> np.ndarray:
    """Draw mL, ratio or cm; a ratio for every film, for every heart has one."""
    count = len(truth)
    if finding == "cardiomegaly":
        return np.round(np.where(truth == 1, rng.uniform(0.53, 0.68, count), rng.uniform(0.37, 0.48, count)), 3)
    if finding == "nodule":
        return np.where(truth == 1, np.round(np.clip(np.exp(rng.normal(0.9, 0.4, count)), 0.8, 8), 1), 0.0)
    drawn = np.round(MEDIAN_ML * np.exp(SPREAD * rng.standard_normal(count)))
    return np.where(truth == 1, np.clip(drawn, LEAST_ML, MOST_ML), 0.0)


def _devices(rng: np.random.Generator, views, where: np.ndarray, label: np.ndarray) -> list[str]:
    chances = rng.random((len(views), len(DEVICES) + 1))
    made = []
    for view, chance, decided, positive in zip(views, chances, where, label, strict=True):
        names = [
            name for name, draw in zip((*DEVICES, "portable"), chance, strict=True) if draw < DEVICE_SHARES[view][name]
        ]
        if decided:
            names = ["leads", "drain", "portable"] if positive else []
        made.append(" ".join(names))
    return made


def _make_fit(table: pd.DataFrame, finding: str, seed: int) -> None:
    """Bring volumes that a patient's chest cannot hold down to what it can."""
    shares = table["volume_ml"] / np.where(table["side"] == "both", 2, 1)
    for index in table.index[shares > SURE_ML]:
        table.loc[index, "volume_ml"] = float(
            np.floor(fitting_ml(order_of(table.loc[index].to_dict(), finding=finding, seed=seed)))
        )
