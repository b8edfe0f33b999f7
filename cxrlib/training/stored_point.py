"""The operating points of a run: the one from its training, and those that were chosen later on other films.

The file operating_point.json holds the one from the training.
`cxrlib.training.threshold.choose_threshold` writes each of the others into a file of the
folder operating_points. By default a run uses the newest. The time in the file decides
which is newest. `cxrlib.training.run.open_run` can name another.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import Estimate, check_threshold
from cxrlib.files import MAX_JSON_BYTES, locked, read_json, refuse_link, remove_partial_files, write_text
from cxrlib.model.recipe import FINDING_RULE, WEIGHT_RULE, Rule
from cxrlib.training.manifest import MANIFEST, POINTS, check_manifest, is_point_file, write_manifest

OPERATING_POINT = "operating_point.json"
"""The file of a run folder that is written last. A folder without it is unfinished."""

TRAINING = "training"
"""The name of the operating point in `OPERATING_POINT`, which the training chose."""

FORMAT = 1
"""Version of a file in `POINTS`. A file of another version is refused."""

RATES = ("flagged", "sensitivity", "specificity")
"""The rates of a `StoredPoint` that have an interval. Only the first is known without labels."""

UNKNOWN = "not known, because these films have no labels"


@dataclass(frozen=True)
class StoredPoint:
    """A threshold of a run, how it was chosen, and on which films.

    Attributes
    ----------
    name : str
    finding : str
        The name of the positive class.
    weight : float
        The weight of the finding in the loss, which the scores are corrected for.
    threshold : float in [0, 1]
    rule : str
        The rule, in words.
    floor, confidence, n_finding
        As in `cxrlib.evaluation.operating_point.OperatingPoint`; None where not known.
    films : str
        The films that it was chosen on, in words.
    chosen : datetime or None
        When it was chosen, with its time zone. None for the operating point of the training.
    n, n_patients : int or None
        Films and patients. None for the operating point of the training.
    sensitivity, specificity : Estimate or None
        On the films that it was chosen on. New films usually have slightly lower rates.
        None if the labels are not known.
    flagged : Estimate or None
        The fraction of these films that reaches the threshold.
    film_ids : tuple of str
        The `cxrlib.images.radiograph.Radiograph.film_id` of these films. Empty for the
        operating point of the training: split.csv has them.
    warnings : tuple of str
        Reasons to doubt the choice, each a sentence without its full stop.
    """

    name: str
    finding: str
    weight: float
    threshold: float
    rule: str = "by an unknown rule"
    floor: float | None = None
    confidence: float | None = None
    n_finding: int | None = None
    films: str = "the validation films of the training"
    chosen: datetime | None = None
    n: int | None = None
    n_patients: int | None = None
    sensitivity: Estimate | None = None
    specificity: Estimate | None = None
    flagged: Estimate | None = None
    film_ids: tuple[str, ...] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def is_of_training(self) -> bool:
        """Whether the training chose it."""
        return self.chosen is None

    def as_dict(self) -> dict[str, Any]:
        """Return one flat dictionary for JSON, without film_ids, and with ``sensitivity_low`` and so on."""
        flat: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, Estimate):
                flat |= value.as_dict(name)
            elif name != "film_ids":
                flat[name] = value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
        return flat

    def describe(self) -> str:
        """Return on which films it was chosen, when, and by which rule, in words without a full stop."""
        if self.chosen is None:
            counted = "" if self.n_finding is None else f", {self.n_finding:,} with the finding"
            return f"chosen on {self.films}{counted}: {self.rule}"
        known = "labels not known" if self.n_finding is None else f"{self.n_finding:,} with the finding"
        films = f"{self.films} ({self.n:,} films of {self.n_patients:,} patients, {known})"
        return f"chosen on {self.chosen:%Y-%m-%d} on {films}: {self.rule}"

    def rates_as_text(self) -> dict[str, str]:
        """Return each of `RATES` with its interval, or why it is not known."""
        rates = {name: getattr(self, name) for name in RATES}
        return {name: UNKNOWN if rate is None else str(rate) for name, rate in rates.items()}

    def describe_figures(self) -> str:
        """Return what is known of its rates, and what is not, in words without a full stop."""
        texts = self.rates_as_text()
        known = ", ".join(f"{name} {text}" for name, text in texts.items() if text != UNKNOWN)
        if self.sensitivity is None and self.flagged is not None:
            known += f"; sensitivity and specificity are {UNKNOWN}"
        return known


def _or_none(rule: Rule) -> Rule:
    return Rule(lambda value: value is None or rule.accepts(value), f"{rule.needed}, or null")


def _is_time(value: object) -> bool:
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        return False
    return time.utcoffset() is not None and 2000 <= time.year < 3000


_TEXT = Rule(lambda value: isinstance(value, str), "a text")
_TEXTS = Rule(lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value), "a list of texts")
_COUNT = Rule(lambda value: type(value) is int and value >= 0, "a whole number from 0")
_RATE = Rule(lambda value: type(value) in (int, float) and 0 <= value <= 1, "a number from 0 to 1")
_OF_ALL = {"finding": FINDING_RULE, "weight": WEIGHT_RULE}
_OF_TRAINING = _OF_ALL | {"rule": _TEXT} | {"floor": _or_none(_RATE), "confidence": _or_none(_RATE)}
_OF_TRAINING |= {"n_finding": _or_none(_COUNT)}
_OF_STORED = _OF_TRAINING | {
    "format": Rule(lambda value: value == FORMAT, f"{FORMAT}; use the version of cxrlib that wrote it"),
    "chosen": Rule(_is_time, "a time with its zone in the years 2000 to 2999, such as 2026-02-03T04:05:06+00:00"),
    "films": _TEXT,
    "n": _COUNT,
    "n_patients": _COUNT,
    "film_ids": _TEXTS,
    "warnings": _TEXTS,
    **{name + end: _RATE for name in RATES for end in ("", "_low", "_high")},
}
"""What each value in a file must be. The file may come from anywhere."""


def read_points(folder: Path, listed: Collection[str] | None) -> tuple[dict[str, StoredPoint], tuple[str, ...]]:
    """Read all operating points of a run folder.

    Parameters
    ----------
    folder : Path
    listed : collection of str or None
        The names in the run's manifest; None if it has no manifest.

    Returns
    -------
    points : dict of name to StoredPoint
        First that of the training, then the others, oldest first.
    notes : tuple of str
        Files that do not belong to the run, and are not used.

    Raises
    ------
    InputError
        A file is damaged or belongs to another run.
    """
    training = _read_point(folder / OPERATING_POINT, is_stored=False)
    stored, notes = [], []
    for path in sorted((folder / POINTS).glob("*.json")):
        name = f"{POINTS}/{path.name}"
        if not is_point_file(name):
            continue
        if listed is not None and name not in listed:
            notes.append(
                f"{path} is not used, because {MANIFEST} does not list it: it comes from a `cxr threshold` that "
                "was interrupted, or from another run; remove it, or choose the threshold again"
            )
            continue
        point = _read_point(path, is_stored=True)
        if (point.finding, point.weight) != (training.finding, training.weight):
            raise InputError(
                f"{path}: does not belong to this run: it is for {point.finding} and a loss weight of "
                f"{point.weight:g}, and the run is for {training.finding} and {training.weight:g}"
            )
        stored.append(point)
    stored.sort(key=lambda point: (point.chosen, point.name))
    return {point.name: point for point in (training, *stored)}, tuple(notes)


def _read_point(path: Path, *, is_stored: bool) -> StoredPoint:
    values: dict[str, Any] = read_json(path)
    rules = _OF_STORED if is_stored else _OF_TRAINING
    given: Any = values.get("threshold")
    try:
        threshold = min(check_threshold(given), 1.0)
    except InputError as error:
        raise InputError(f"{path}: is damaged: {error}") from None
    rates = [name for name in RATES if name in values]
    optional = set() if is_stored else set(rules) - set(_OF_ALL)
    optional |= {name + end for name in RATES[1:] if name not in rates for end in ("", "_low", "_high")}
    for name, rule in rules.items():
        if (name in values or name not in optional) and not rule.accepts(values.get(name)):
            raise InputError(f"{path}: is damaged: {name} is {values.get(name)!r:.80}; it must be {rule.needed}")
    taken = {name: values[name] for name in rules if name in values and not name.startswith((*RATES, "format"))}
    taken |= {"weight": float(values["weight"]), "threshold": threshold}
    if not is_stored:
        return StoredPoint(TRAINING, **taken)
    taken |= {name: Estimate(*(float(values[name + end]) for end in ("", "_low", "_high"))) for name in rates}
    taken |= {name: tuple(values[name]) for name in ("film_ids", "warnings")}
    return StoredPoint(path.stem, **taken | {"chosen": datetime.fromisoformat(values["chosen"])})


def write_point(folder: Path, point: StoredPoint) -> None:
    """Write an operating point into a run folder, and list it in the manifest.

    The new operating point must be the newest. If the clock of another machine was ahead,
    its time is set just after the latest of the others.

    The manifest is written last. If the process is killed before that, the run still opens,
    with the operating points that it had. A run of an earlier version has no manifest, and
    gets none.

    Raises
    ------
    InputError
        The run has an operating point of this name. A file of the run was changed, or
        another process is at work in the folder. There are too many films for one file.
    """
    path = folder / POINTS / f"{point.name}.json"
    with locked(folder):
        listed = check_manifest(folder)
        points, _ = read_points(folder, listed)
        refuse_name(folder, point.name, points)
        last = list(points.values())[-1].chosen
        if last is not None and point.chosen is not None and point.chosen <= last:
            point = replace(point, chosen=last + timedelta(microseconds=1))
        text = _point_text(path, point)
        refuse_link(path.parent)
        path.parent.mkdir(exist_ok=True)
        remove_partial_files(path.parent)
        write_text(path, text, completes_folder=listed is None)
        if listed is not None:
            write_manifest(folder, {f"{POINTS}/{path.name}": text}, completes_folder=True)


def _point_text(path: Path, point: StoredPoint) -> str:
    """Return the text of a file in `POINTS`; refuse one that is too long to be read again."""
    values = {"format": FORMAT} | point.as_dict() | {"film_ids": list(point.film_ids)}
    del values["name"]
    for name in RATES:
        if values[name] is None:
            del values[name]
    text = json.dumps(values, indent=2) + "\n"
    if len(text) > MAX_JSON_BYTES:
        raise InputError(
            f"{path}: the ids of {len(point.film_ids):,} films take {len(text):,} bytes, and at most "
            f"{MAX_JSON_BYTES:,} can be read again; choose the threshold on fewer films"
        )
    return text


def refuse_name(folder: Path, name: str, points: Collection[str]) -> None:
    """Refuse a name that a new operating point of a run cannot have.

    Raises
    ------
    InputError
        It cannot be the name of a file, or the run already has an operating point of this name.
    """
    if name.lower() in map(str.lower, points):
        raise InputError(f"{folder}: already has an operating point {name}; choose another name (--name)")
    if not is_point_file(f"{POINTS}/{name}.json"):
        raise InputError(
            f"the name {name!r:.120} cannot be a file name; it must have at most 100 characters (A to Z, a to z, "
            "digits, full stops, hyphens, underscores), and begin with a letter or a digit"
        )
