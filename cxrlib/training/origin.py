"""What a run was trained on before its own training: the films of the runs that it started from.

A run may start from the weights of another run, which may have started from a third
one. If a test film was a training film of any of them, the test figures are too good.
So each run folder keeps the films of these ancestors, with the ids by which films are
known under any name (`cxrlib.images.radiograph.Radiograph.film_id`).
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from cxrlib.cohorts.cohort import Cohort, simulated_seed
from cxrlib.cohorts.duplicates import DETAIL_BYTES
from cxrlib.cohorts.split import UNKNOWN_PATIENT
from cxrlib.errors import InputError
from cxrlib.files import MAX_BYTES, ArrayKind, atomic, read_csv, read_json, read_npz, write_csv, write_text

ORIGIN, ANCESTORS, DETAILS = "origin.json", "ancestors.csv", "details.npz"

COLUMNS = ("film_id", "split", "patient_id", "run")
"""The columns of ancestors.csv: the id of a film, its split and patient in the run that it belongs to, and the name of
that run's folder."""


class OverlapWarning(UserWarning):
    """A run starts from weights that may have been trained on its validation or test films."""


@dataclass(frozen=True)
class Origin:
    """Where the weights come from that a training starts from.

    Attributes
    ----------
    start : str
        As in the recipe: "scratch", "simulated", a run folder or a ``.keras`` file.
    history_known : bool
        False if it is not known which films these weights were trained on.
    simulated_seeds : tuple of int
        Seeds of simulated cohorts that they were trained on, if no table lists the
        films. It is so for the network that comes with the library.
    warnings : tuple of str
        What is wrong with the validation or test films of the run because of its
        start. Each is a sentence without its full stop.
    details : ndarray, (N, 128), uint8
        `cxrlib.cohorts.duplicates.detail_signs` of the training films of the runs before.
        Only a training needs them: in a run folder they stand in details.npz, before those
        of its own training films.
    ancestors : DataFrame
        The training and validation films of the runs before. The columns are `COLUMNS`.
    """

    start: str = "scratch"
    history_known: bool = True
    simulated_seeds: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    details: np.ndarray = field(default_factory=lambda: np.empty((0, DETAIL_BYTES), np.uint8))
    ancestors: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(COLUMNS), dtype=str))


def write_origin(folder: Path, origin: Origin, own_details: np.ndarray | None = None) -> None:
    """Write origin.json and details.npz into a run folder, and ancestors.csv if there are films of ancestors.

    `own_details` are the `cxrlib.cohorts.duplicates.detail_signs` of the run's own
    training films, (N, 128). Without them, no details.npz is written: the library's
    weights do not list their films.
    """
    content = asdict(origin)
    ancestors, _ = content.pop("ancestors"), content.pop("details")
    write_text(folder / ORIGIN, json.dumps(content, indent=2) + "\n")
    if len(ancestors):
        write_csv(folder / ANCESTORS, ancestors)
    else:
        (folder / ANCESTORS).unlink(missing_ok=True)  # of a training that was begun before
    if own_details is None:
        return
    with atomic(folder / DETAILS) as partial:
        np.savez(partial, details=np.concatenate([origin.details, own_details]))


def read_origin(folder: Path, start: str) -> Origin:
    """Read the origin of a run folder.

    Parameters
    ----------
    folder : Path
    start : str
        The start in the run's recipe. A run of an earlier version has no origin.json.
        Then only a start from scratch has a known history.

    Raises
    ------
    InputError
        A file is damaged.
    """
    path = folder / ORIGIN
    if not path.is_file():
        return Origin(start, history_known=start == "scratch")
    content = read_json(path)
    is_whole = isinstance(content.get("history_known"), bool) and all(
        isinstance(content.get(name), list) and all(isinstance(item, kind) for item in content[name])
        for name, kind in (("simulated_seeds", int), ("warnings", str))
    )
    if not is_whole:
        raise InputError(f"{path}: is damaged; it must hold history_known, simulated_seeds and warnings")
    ancestors = Origin().ancestors
    if (folder / ANCESTORS).is_file():
        ancestors = read_csv(folder / ANCESTORS, needed=COLUMNS, may_be_empty=True)[list(COLUMNS)]
    seeds, warnings = tuple(content["simulated_seeds"]), tuple(content["warnings"])
    return Origin(start, content["history_known"], seeds, warnings, ancestors=ancestors)


def read_details(folder: Path) -> np.ndarray:
    """Read the `Origin.details` of a run and of the runs before it. There are none in runs of earlier versions.

    Raises
    ------
    InputError
        The file is damaged.
    """
    path = folder / DETAILS
    if not path.is_file():
        return Origin().details
    try:
        return read_npz(path, {"details": ArrayKind((None, DETAIL_BYTES), ("uint8",))}, max_bytes=MAX_BYTES)["details"]
    except ValueError as error:
        raise InputError(f"{path}: is damaged ({error})") from None


def find_overlap(part: Cohort, film_ids: Iterable[str], origin: Origin) -> tuple[str, ...]:
    """Return one sentence for each way in which films of a cohort overlap with the films that a start was trained on.

    Parameters
    ----------
    part : Cohort
        N films that must be new to the network.
    film_ids : N str
        The `cxrlib.images.radiograph.Radiograph.film_id` of each film.
    origin : Origin

    Returns
    -------
    tuple of str
        Empty if no overlap is known. A sentence says how many films there are, and
        names the first.
    """
    trained_on = origin.ancestors[origin.ancestors["split"] == "train"]
    is_film = pd.Series(list(film_ids), dtype=str).isin(known(trained_on["film_id"])).to_numpy()
    is_simulated = np.full(len(part.table), simulated_seed(part.folder) in origin.simulated_seeds)
    reasons = {
        "are training films of a run that this run started from": is_film,
        "are simulated with the seed of films that these weights were trained on": is_simulated,
    }
    return tuple(_count(part, films, reason) for reason, films in reasons.items() if films.any())


def find_same_patients(part: Cohort, film_ids: Iterable[str], origin: Origin) -> tuple[str, ...]:
    """Return a sentence if new films have the patient_id of a film that a start was trained on.

    That is no proof: two collections may use the same id for two persons. Arguments are
    those of `find_overlap`.
    """
    trained_on = origin.ancestors[origin.ancestors["split"] == "train"]
    is_new = ~pd.Series(list(film_ids), dtype=str).isin(known(trained_on["film_id"])).to_numpy()
    is_met = part.table["patient_id"].isin(known_patients(trained_on)).to_numpy() & is_new
    reason = "have the patient_id of a training film of a run that this run started from"
    return (f"{_count(part, is_met, reason)}. They may show the same patient",) if is_met.any() else ()


def _count(part: Cohort, films: np.ndarray, reason: str) -> str:
    """Return how many films a reason holds for, and the first of them."""
    return f"{films.sum():,} of {len(films):,} films {reason} (first: {part.table['path'].iloc[int(films.argmax())]})"


def known(film_ids: pd.Series) -> list[str]:
    """Return the ids of films, without the empty ids of runs of earlier versions."""
    return film_ids[film_ids != ""].tolist()


def known_patients(films: pd.DataFrame) -> list[str]:
    """Return the patients of films, without those whose id was only made from a file name."""
    # equal file names do not mean the same person
    return [patient for patient in films["patient_id"].unique() if not patient.startswith(UNKNOWN_PATIENT)]
