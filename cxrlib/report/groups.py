"""The figures of groups of films, by view, sex, age, site and posture: for the model card and for the page."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxrlib.cohorts.cohort import Cohort
from cxrlib.evaluation.estimate import Estimate
from cxrlib.evaluation.rates import performance_by
from cxrlib.evaluation.roc_auc import auc_interval

COLUMNS = ("view", "sex", "age", "site", "posture")
"""Columns of a cohort's table that films are grouped by, where it has them."""

AGES = {"0 to 39": 0, "40 to 59": 40, "60 to 79": 60, "80 and over": 80}
"""Names and first years of the age groups (chosen)."""

FEWEST_FILMS = 10
"""A rate of fewer films is not given (chosen): of 10 films that are all right, the interval reaches down to 0.72."""


@dataclass(frozen=True)
class Group:
    """The figures of one group of films; None stands for a figure with too few films."""

    name: str
    n: int
    n_finding: int
    auc: Estimate | None
    sensitivity: Estimate | None
    specificity: Estimate | None


def measure_groups(films: Cohort, scores: np.ndarray, threshold: float) -> dict[str, list[Group]]:
    """Return the groups of each column of `COLUMNS` that the cohort has.

    Sensitivity needs `FEWEST_FILMS` films with the finding, specificity as many
    without it, and the AUC as many of each class. Films whose group is missing belong
    to no group.

    Parameters
    ----------
    films : Cohort
    scores : array, (N,)
        In the order of the cohort's table.
    threshold : float
    """
    labels, patients = films.labels, films.table["patient_id"]
    groups_of_column = {}
    for column in [name for name in COLUMNS if name in films.table]:
        group_of_film = films.table[column]
        if column == "age":
            edges = [*AGES.values(), np.inf]
            group_of_film = pd.cut(group_of_film, edges, right=False, labels=list(AGES)).astype(object)
        groups = []
        for row in performance_by(group_of_film, labels, scores, threshold, patients).itertuples():
            has_finding, has_nofinding = row.n_finding >= FEWEST_FILMS, row.n - row.n_finding >= FEWEST_FILMS
            inside = (group_of_film == row.group).to_numpy()
            auc = sensitivity = specificity = None
            if has_finding:
                sensitivity = Estimate(row.sensitivity, row.sensitivity_low, row.sensitivity_high)
            if has_nofinding:
                specificity = Estimate(row.specificity, row.specificity_low, row.specificity_high)
            if has_finding and has_nofinding:
                auc = auc_interval(labels[inside], scores[inside], patients[inside])
            groups.append(Group(str(row.group), row.n, row.n_finding, auc, sensitivity, specificity))
        groups_of_column[column] = groups
    return groups_of_column
