"""The questions at the top of a run's HTML page, each with a yes or a no and the figure behind it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cxrlib.cohorts.cohort import Cohort
from cxrlib.cohorts.duplicates import agree, detail_signs
from cxrlib.evaluation.groups import LEVEL, Group, compare_groups, describe_differences
from cxrlib.evaluation.rates import Evaluation
from cxrlib.training.run import Run

FILMS_AT_ONCE = 512
"""Films that are read at a time when copies are looked for, so that memory does not grow with the films."""


@dataclass(frozen=True)
class Badge:
    """A question about a run, with its answer.

    Attributes
    ----------
    question : str
    answer : {"yes", "no", "not known"}
    is_good : bool or None
        Whether this is the answer that one hopes for. None where it is not known.
    reason : str
        The figures behind the answer, in sentences.
    """

    question: str
    answer: Literal["yes", "no", "not known"]
    is_good: bool | None
    reason: str


def floor_badge(run: Run, evaluation: Evaluation) -> Badge:
    """Say whether the sensitivity on these films is at least the floor of the operating point."""
    question, floor = "Is the sensitivity floor kept on these films?", run.operating_point.floor
    sensitivity = evaluation.performance.sensitivity
    found = f"The sensitivity on the {evaluation.split} films is {sensitivity:.3f}."
    if floor is None:
        return Badge(question, "not known", None, f"The rule of the threshold has no floor. {found}")
    is_kept = sensitivity.value >= floor
    doubt = "" if sensitivity.low >= floor else " The interval reaches below the floor, so new films may have less."
    return Badge(
        question, "yes" if is_kept else "no", is_kept, f"{found} The floor is {floor:g}.{doubt if is_kept else ''}"
    )


def calibration_badge(evaluation: Evaluation) -> Badge:
    """Say whether the intervals of the calibration's slope and intercept include 1 and 0."""
    question = "Is it calibrated, as far as these films can tell?"
    slope, intercept = evaluation.slope, evaluation.intercept
    found = f"The slope is {slope:.2f}, and the intercept is {intercept:.2f}."
    if np.isnan([slope.low, intercept.low]).any():
        return Badge(question, "not known", None, "The slope and the intercept are not defined for these films.")
    is_calibrated = bool(slope.low <= 1 <= slope.high and intercept.low <= 0 <= intercept.high)
    detail = f"Probabilities have a slope of 1 and an intercept of 0. {found}"
    if is_calibrated:
        detail += " Both intervals include these values, so we found no clear deviation."
    return Badge(question, "yes" if is_calibrated else "no", is_calibrated, detail)


def groups_badge(groups: dict[str, list[Group]] | None) -> Badge:
    """Say whether a figure differs between groups by more than chance; None stands for an unknown cohort."""
    question = "Do groups differ by more than chance?"
    if groups is None:
        return Badge(question, "not known", None, "The page was made without the cohort, which knows the groups.")
    tests = compare_groups(groups)
    if not tests:
        return Badge(question, "not known", None, describe_differences(groups))
    differ = any(test.adjusted_p < LEVEL for test in tests)
    smallest = min(tests, key=lambda test: test.adjusted_p)
    figure = f"The smallest adjusted p is {smallest.adjusted_p:.3f}, of {smallest.figure} by {smallest.column}."
    return Badge(question, "yes" if differ else "no", not differ, f"{describe_differences(groups)} {figure}")


def copies_badge(run: Run, films: Cohort | None) -> Badge:
    """Say whether a film is in the run twice, and whether one of these films looks like a training film.

    Parameters
    ----------
    run : Run
    films : Cohort or None
        The films of the page. None if they are not known: then only exact copies can be found.
    """
    question, ids = "Are there duplicate films?", run.split["film_id"]
    num_exact = int(ids[ids != ""].duplicated().sum())
    exact = f"{num_exact:,} of {len(ids):,} films have the same pixels as another one"
    if not run.knows_films:
        return Badge(question, "not known", None, "The run is of an earlier version, which kept no ids of films.")
    if films is None or not len(run.details):
        doubt = "Films that only look alike were not searched for"
        answer: Literal["yes", "not known"] = "yes" if num_exact else "not known"
        return Badge(question, answer, False if num_exact else None, f"{exact}. {doubt}: this needs the cohort.")
    num_near, files = 0, films.files
    for first in range(0, len(files), FILMS_AT_ONCE):
        images = run.load_images(files[first : first + FILMS_AT_ONCE])
        num_near += int(agree(detail_signs(images), run.details).sum())
    near = f"{num_near:,} of {len(files):,} films of this page look like a training film"
    has_copies = bool(num_exact or num_near)
    return Badge(question, "yes" if has_copies else "no", not has_copies, f"{exact}. {near}.")
