"""Choose a new threshold for a finished run, on films of the place where it will be used.

A threshold that was chosen in one place often does not suit another, because scores
shift with machines, patients and prevalence. So a run may get further operating points. See
`cxrlib.evaluation.operating_point` for the rules and `cxrlib.training.stored_point` for the files.
"""

import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrlib.cohorts.cohort import Cohort, read_unlabelled, refuse_inside_cohort
from cxrlib.errors import InputError
from cxrlib.evaluation.estimate import check_fraction, proportion
from cxrlib.evaluation.operating_point import (
    OperatingPoint,
    check_costs,
    choose_by_capacity,
    choose_by_cost,
    choose_by_sensitivity,
)
from cxrlib.evaluation.rates import performance
from cxrlib.files import LOCK, Progress, is_empty, locked, no_progress, refuse_link, remove_partial_files, sync_disk
from cxrlib.training.manifest import FILES, MANIFEST, POINTS, check_manifest, is_point_file
from cxrlib.training.run import SIMULATED, Run, open_run
from cxrlib.training.stored_point import StoredPoint, read_points, refuse_name, write_point

Choose = Callable[[Any, np.ndarray], OperatingPoint]
"""A rule: labels (N,), or None if they are not known, and scores (N,) give an operating point."""


@dataclass(frozen=True)
class _Scored:
    """N films that a threshold is chosen on: labels or None, scores, and what a `StoredPoint` says about the films."""

    films: str
    labels: np.ndarray | None
    scores: np.ndarray
    patients: pd.Series
    film_ids: list[str]
    warnings: tuple[str, ...] = ()


def choose_threshold(
    run: Run,
    cohort: Cohort | None = None,
    *,
    films: str | Path | None = None,
    split: str | None = None,
    sensitivity: float | None = None,
    confidence: float | None = None,
    cost: tuple[float, float] | None = None,
    capacity: float | None = None,
    name: str | None = None,
    out: str | Path | None = None,
    accept: Collection[str] = (),
    keep_laterals: bool = False,
    notify: Callable[[str], None] = lambda note: None,
    warn: Callable[[str], None] = lambda warning: None,
    progress: Progress = no_progress,
) -> Run:
    """Choose a threshold by one rule, and write it into the run as a new operating point.

    From then on, the run uses it (`cxrlib.training.run.open_run`). The older operating
    points stay. By default the threshold is chosen on the run's own validation films.

    Parameters
    ----------
    run : Run
    cohort : Cohort, optional
        Labelled films of the new place. Of a cohort with a split, the validation films
        are used. Of a cohort without one, all films are used.
    films : path-like, optional
        A folder of films without labels. They allow only the rule `capacity`. Films that
        `Run.predict` refuses are left out.
    split : {"val", "test", "train", "all"}, optional
        The split of the cohort to use instead.
    sensitivity, confidence : float in (0, 1), optional
        As in `choose_by_sensitivity`.
    cost : (float, float), optional
        The cost of a missed finding and of a false alarm, as in `choose_by_cost`.
    capacity : float in (0, 1), optional
        As in `choose_by_capacity`.
    name : str, optional
        The name of the operating point. By default its rule and the date (UTC), such as
        "capacity-0.3-2026-02-03". If the name is taken, a number is added.
    out : path-like, optional
        A new folder for a copy of the run. The copy gets the operating point, and the run
        stays as it is. The run that comes with the library needs `out`.
    accept : collection of str
        As in `Run.predict`, for `films`.
    keep_laterals : bool
        Keep those of `films` that a DICOM header calls lateral.
    notify, warn : callable
        Called with a note about `films`, and with the reason for each of them that is
        left out.
    progress : callable
        ``progress(items, total)`` wraps the reading, as tqdm does.

    Returns
    -------
    Run
        The run, or its copy, at the new operating point (`Run.operating_point`).

    Raises
    ------
    InputError
        No rule or several rules are given, or the rule does not fit the films; see
        `cxrlib.evaluation.operating_point`. The cohort has another finding, its films
        are all of one class, or its validation films are not known. The name is taken,
        the folder `out` is not empty, or the run may not be changed.

    Examples
    --------
    >>> run = choose_threshold(open_run("run"), films="incoming", capacity=0.3)  # doctest: +SKIP
    """
    rule_name, choose = _rule(sensitivity, confidence, cost, capacity)
    if cohort is not None and films is not None:
        raise InputError("a cohort and a folder of films are given; choose the threshold on one of them")
    if films is not None and capacity is None:
        raise InputError(f"{films}: the films have no labels, so the rule must be a capacity (--capacity 0.3)")
    if split is not None and cohort is None:
        raise InputError("a split is given without a cohort; name the cohort (--cohort)")
    if accept and films is None:
        raise InputError("accept is given without a folder of films (--films); for a cohort, give it to cxr prepare")
    points, _ = read_points(run.folder, check_manifest(run.folder))
    name = _free_name(f"{rule_name}-{datetime.now(UTC):%Y-%m-%d}", points) if name is None else name
    refuse_name(run.folder, name, points)
    copy = None if out is None else Path(out)
    _check_place(run, copy)
    if films is not None:
        scored = _score_folder(run, Path(films), accept, keep_laterals, notify, warn, progress)
    elif cohort is not None:
        scored = _score_part(run, cohort, split, progress)
    else:
        scored = _own_scores(run)
    result = choose(scored.labels, scored.scores)
    point = _describe(run, name, result, scored)
    if copy is None:
        write_point(run.folder, point)
    else:
        _write_copy(run.folder, copy, point)
    return open_run(copy or run.folder, operating_point=name)


def _rule(
    sensitivity: float | None, confidence: float | None, cost: tuple[float, float] | None, capacity: float | None
) -> tuple[str, Choose]:
    """Return the one rule that is given, as a part of a name and as a function of labels and scores.

    Refuse no rule, several rules, and values that are not possible.
    """
    num_rules = sum(value is not None for value in (sensitivity, cost, capacity))
    if num_rules != 1:
        found = f"{num_rules} rules are given" if num_rules else "no rule is given"
        raise InputError(f"{found}; exactly one is needed: --sensitivity, --cost or --capacity")
    if confidence is not None and sensitivity is None:
        raise InputError("a confidence is given without a sensitivity; it needs one (--sensitivity 0.9)")
    if sensitivity is not None:
        floor = check_fraction(sensitivity, "sensitivity")
        sure = "" if confidence is None else f"-confidence-{check_fraction(confidence, 'confidence'):g}"
        return f"sensitivity-{floor:g}{sure}", partial(choose_by_sensitivity, floor=floor, confidence=confidence)
    if cost is not None:
        missed, false_alarm = cost
        check_costs(missed, false_alarm)
        name = f"cost-{missed:g}-{false_alarm:g}".replace("+", "")
        return name, partial(choose_by_cost, missed=missed, false_alarm=false_alarm)
    assert capacity is not None
    fraction = check_fraction(capacity, "capacity")

    def choose(labels: np.ndarray | None, scores: np.ndarray) -> OperatingPoint:
        n_finding = None if labels is None else int(labels.sum())
        return replace(choose_by_capacity(scores, capacity=fraction), n_finding=n_finding)

    return f"capacity-{fraction:g}", choose


def _free_name(name: str, points: Collection[str]) -> str:
    taken = {point.lower() for point in points}
    numbered = (name, *(f"{name}-{number}" for number in range(2, len(taken) + 2)))
    return next(each for each in numbered if each.lower() not in taken)


def _check_place(run: Run, out: Path | None) -> None:
    """Refuse a folder that the operating point cannot be written into, before films are scored."""
    if out is None:
        if run.folder.resolve() == SIMULATED.resolve():
            raise InputError(
                "the network that comes with cxrlib is not changed; name a new folder for a copy of it (--out FOLDER)"
            )
        with locked(run.folder):  # so it can be written to, and no other process is at work in it
            pass
        return
    refuse_link(out)
    refuse_link(_work_folder(out))
    refuse_inside_cohort(out)
    if not is_empty(out):
        raise InputError(f"{out}: exists and is not empty; choose a new folder for the copy of the run (--out)")


def _own_scores(run: Run) -> _Scored:
    """Return the run's own validation films with their scores in scores.csv."""
    if run.is_simulated:
        raise InputError(
            "the network that comes with cxrlib keeps no validation films; name films to choose on "
            "(--cohort COHORT or --films FOLDER)"
        )
    table = run.scores.query("split == 'val'")
    id_of_path = dict(zip(run.split["path"], run.split["film_id"], strict=True))
    film_ids = [id_of_path[path] for path in table["path"]]
    words = "the validation films of the training"
    return _Scored(words, table["label"].to_numpy(), table["score"].to_numpy(), table["patient_id"], film_ids)


def _score_part(run: Run, cohort: Cohort, split: str | None, progress: Progress) -> _Scored:
    """Score the validation films of a cohort, or those of another split."""
    if cohort.finding != run.finding:
        raise InputError(f"{run.folder}: looks for {run.finding}, but {cohort.folder} holds {cohort.finding}")
    recorded = run.recorded_films(cohort)
    split = split or ("val" if cohort.has_split or recorded else "all")
    part = run.part_of(cohort, split, recorded)
    part.check_classes(f"its {split} films")
    films = run.load_films(part.files, progress=progress)
    warnings = run.overlap_warnings(part, films, split=split) + films.count_unusual(part.table["path"])
    words = f"{'all' if split == 'all' else f'the {split}'} films of {cohort.folder.resolve().name}"
    scores, patients = run.score_images(films.images), part.table["patient_id"]
    return _Scored(words, part.labels, scores, patients, films.film_ids, warnings)


def _score_folder(
    run: Run,
    folder: Path,
    accept: Collection[str],
    keep_laterals: bool,
    notify: Callable[[str], None],
    warn: Callable[[str], None],
    progress: Progress,
) -> _Scored:
    """Score the films of a folder without labels. Those that `predict` refuses are left out, counted and named."""
    table, notes = read_unlabelled(folder, keep_laterals=keep_laterals)
    for note in notes:
        notify(note)
    files = [folder / path for path in table["path"]]
    films = run.load_accepted(files, accept=accept, progress=progress)
    for reason in films.refused.values():
        warn(f"left out: {reason}")
    if not films.film_ids:
        raise InputError(f"{folder}: none of its {len(files):,} films can be used (first: {films.refused[0]})")
    table = table.drop(index=list(films.refused)).reset_index(drop=True)
    unlabelled = Cohort(folder, run.finding, table)
    warnings = run.overlap_warnings(unlabelled, films, split="all") + films.count_unusual(table["path"])
    if films.refused:
        first = files[min(films.refused)].relative_to(folder).as_posix()
        left_out = f"{len(films.refused):,} of {len(files):,} films were refused and are left out (first: {first})"
        warnings = (left_out, *warnings)
    words = f"the films in {folder.resolve().name}"
    return _Scored(words, None, run.score_images(films.images), table["patient_id"], films.film_ids, warnings)


def _describe(run: Run, name: str, result: OperatingPoint, scored: _Scored) -> StoredPoint:
    """Return the operating point with its rates on the films, and what is known about the films."""
    # choose_by_cost may return the next float above 1
    threshold = min(result.threshold, 1.0)
    rates = {"flagged": proportion(scored.scores >= threshold, scored.patients)}
    if scored.labels is not None:
        figures = performance(scored.labels, scored.scores, threshold, scored.patients)
        rates |= {"sensitivity": figures.sensitivity, "specificity": figures.specificity}
    return StoredPoint(
        name,
        run.finding,
        run.weight,
        threshold,
        rule=result.rule,
        floor=result.floor,
        confidence=result.confidence,
        n_finding=result.n_finding,
        films=scored.films,
        chosen=datetime.now(UTC),
        n=len(scored.scores),
        n_patients=scored.patients.nunique(),
        film_ids=tuple(film_id for film_id in scored.film_ids if film_id),
        warnings=scored.warnings,
        **rates,
    )


def _work_folder(out: Path) -> Path:
    place = out.resolve()
    return place.with_name(f".{place.name}.copying")


def _write_copy(folder: Path, out: Path, point: StoredPoint) -> None:
    """Copy a run folder with one more operating point. The copy is complete or absent."""
    work = _work_folder(out)
    with locked(work):
        copy = work / "run"
        shutil.rmtree(copy, ignore_errors=True)  # what a process left that was killed
        (copy / POINTS).mkdir(parents=True)
        listed = check_manifest(folder)
        points = [f"{POINTS}/{path.name}" for path in (folder / POINTS).glob("*.json")]
        used = [name for name in points if is_point_file(name) and (listed is None or name in listed)]
        for name in (*FILES, MANIFEST, *used):
            if (folder / name).is_file():
                shutil.copyfile(folder / name, copy / name)
        write_point(copy, point)
        sync_disk(copy)
        if out.exists():  # it holds at most what a killed process left behind
            remove_partial_files(out)
            (out / LOCK).unlink(missing_ok=True)
            out.rmdir()
        copy.rename(out)
    shutil.rmtree(work)
