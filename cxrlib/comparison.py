"""Two runs on the same films."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from cxrlib.cohort import Cohort
from cxrlib.evaluation import Estimate, auc_difference, auc_interval
from cxrlib.run import Run


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same films: each AUC, and their difference with its paired interval."""

    auc_a: Estimate
    auc_b: Estimate
    difference: Estimate
    n: int
    n_finding: int
    n_patients: int
    warnings: tuple[str, ...] = ()


def compare(
    run_a: Run, run_b: Run, cohort: Cohort, *, split: str = "test", progress: Callable = lambda items, total: items
) -> Comparison:
    """Compare two runs on the films that belong to the split for both of them.

    Raises
    ------
    InputError
        Such films are not known, or are of one class only.
    """
    parts = [run.part_of(cohort, split) for run in (run_a, run_b)]
    table = parts[0].table[parts[0].table["path"].isin(parts[1].table["path"])].reset_index(drop=True)
    shared = replace(cohort, table=table)
    shared.check_classes(f"the films that are {split} for both runs")
    scores = [run.score_cohort(shared, progress=progress) for run in (run_a, run_b)]
    labels, patients = shared.labels, table["patient_id"]
    return Comparison(
        *(auc_interval(labels, s, patients) for s in scores),
        auc_difference(labels, *scores, patients),
        n=len(table),
        n_finding=int(labels.sum()),
        n_patients=table["patient_id"].nunique(),
        warnings=tuple(f"{run.folder}: {told}" for run in (run_a, run_b) for told in run.acquaintances(shared)),
    )
