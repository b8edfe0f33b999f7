"""The figures of groups of films, by view, sex, age, site and posture: for the model card and for the page."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxrlib.cohorts.cohort import Cohort
from cxrlib.evaluation.estimate import Estimate
from cxrlib.evaluation.rates import rates_of_groups
from cxrlib.evaluation.roc_auc import auc_interval

COLUMNS = ("view", "sex", "age", "site", "posture")
"""Columns of a cohort's table that films are grouped by, where it has them."""

AGES = {"0 to 39": 0, "40 to 59": 40, "60 to 79": 60, "80 and over": 80}
"""The age groups: their names, and the age in years at which each begins. They are our choice."""

MIN_FILMS = 10
"""A rate is given only for at least this many films. If all 10 of 10 films are right, the interval of the rate is 0.72
to 1; with fewer films it is even wider. The limit is our choice."""


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

    Sensitivity needs `MIN_FILMS` films with the finding. Specificity needs as many
    without the finding, and the AUC as many of each class. Films whose group is
    missing belong to no group.

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
        rates = rates_of_groups(group_of_film, labels, scores >= threshold, patients)
        for name, inside, sensitivity, specificity in rates:
            n, n_finding = int(inside.sum()), int(labels[inside].sum())
            se = sensitivity if n_finding >= MIN_FILMS else None
            sp = specificity if n - n_finding >= MIN_FILMS else None
            auc = auc_interval(labels[inside], scores[inside], patients[inside]) if se and sp else None
            groups.append(Group(str(name), n, n_finding, auc, se, sp))
        groups_of_column[column] = groups
    return groups_of_column
