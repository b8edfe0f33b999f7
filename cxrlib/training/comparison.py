"""Compare two runs on the same films."""

from dataclasses import dataclass, replace

from cxrlib.cohorts.cohort import Cohort
from cxrlib.evaluation.estimate import Estimate
from cxrlib.evaluation.roc_auc import auc_difference, auc_interval
from cxrlib.files import Progress, no_progress
from cxrlib.training.run import Run


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same films: each AUC, and their difference with its paired interval.

    Attributes
    ----------
    auc_a, auc_b : Estimate
    difference : Estimate
        AUC of a minus AUC of b.
    n, n_finding, n_patients : int
        Films, films with the finding, and patients.
    warnings : tuple of str
        Films, or patients of films, that one of the runs was trained on.
    """

    auc_a: Estimate
    auc_b: Estimate
    difference: Estimate
    n: int
    n_finding: int
    n_patients: int
    warnings: tuple[str, ...] = ()


def compare(
    run_a: Run, run_b: Run, cohort: Cohort, *, split: str = "test", progress: Progress = no_progress
) -> Comparison:
    """Compare two runs on the films that belong to the split for both of them.

    Raises
    ------
    InputError
        It is not known which films belong to the split, or the films are of one class only.
    """
    paths_b = run_b.part_of(cohort, split).table["path"]
    table = run_a.part_of(cohort, split).table
    films = replace(cohort, table=table[table["path"].isin(paths_b)].reset_index(drop=True))
    films.check_classes(f"the films that are {split} for both runs")
    scores, warnings = [], []
    for run in (run_a, run_b):
        loaded = run.load_films(films.files, progress=progress)
        scores.append(run.score_images(loaded.images))
        found = run.overlap_warnings(films, loaded, split=split)
        warnings += [f"{run.folder}: {text}" for text in found + loaded.count_unusual(films.table["path"])]
    scores_a, scores_b = scores
    patients = films.table["patient_id"]
    return Comparison(
        auc_a=auc_interval(films.labels, scores_a, patients),
        auc_b=auc_interval(films.labels, scores_b, patients),
        difference=auc_difference(films.labels, scores_a, scores_b, patients),
        n=len(films.table),
        n_finding=int(films.labels.sum()),
        n_patients=patients.nunique(),
        warnings=tuple(warnings),
    )
