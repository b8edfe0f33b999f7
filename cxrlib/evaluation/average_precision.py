"""The average precision, which is the area under the curve of precision against recall, and its interval."""

import numpy as np
from numpy.typing import ArrayLike

from cxrlib.evaluation.estimate import Estimate, Patients, check_scores
from cxrlib.evaluation.intervals import interval_from_influence


def average_precision_interval(labels: ArrayLike, scores: ArrayLike, patients: Patients = None) -> Estimate:
    """Return the average precision and its interval, for films clustered by patient.

    Take each film with the finding, and call a finding every film that scores at least
    as high. The average precision is the mean of the precisions of these thresholds
    (`sklearn.metrics.average_precision_score`). Scores that guess have about the
    prevalence. So compare average precisions only where the prevalence is the same.

    The interval is computed like that of the AUC (`cxrlib.evaluation.intervals`), on
    the logit scale as in Boyd, Eng and Page (ECML PKDD 2013).

    Parameters
    ----------
    labels : array, (N,), 1 = the finding
    scores : array, (N,)
    patients : array, (N,), optional

    Raises
    ------
    InputError
        As in `cxrlib.evaluation.estimate.check_scores`, or the numbers of ids and films
        differ.

    Notes
    -----
    tests/slow/test_statistics.py simulates calibrated scores of films clustered by
    patient, 20 to 1,000 of them with the finding, with AUCs of 0.75 to 0.95. The
    interval holds the true average precision in 94 to 97 % of samples. If each sample
    has the same fraction of films with the finding, it holds the truth in more of them.
    If the average precision is 1, the lower end is that of an AUC of 1 (`auc_interval`).
    This is our choice.

    Examples
    --------
    >>> round(average_precision_interval([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).value, 3)
    0.833
    """
    labels, scores = check_scores(labels, scores)
    return interval_from_influence(labels, *_value_and_influence(labels, scores), patients)


def _value_and_influence(labels: np.ndarray, scores: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the average precision, and the influence value of each film, (N,).

    With w_i the weight of film i, the average precision is sum w_i P_i / sum w_i over
    the films with the finding. P_i = T_i / (T_i + F_i), where T_i and F_i are the
    weights of the films with and without the finding that score at least as high. The
    influence value is the derivative by the film's weight, at weights of 1.
    """
    # per distinct score, from the highest to the lowest: films with and without the finding, there and above
    _, place = np.unique(-scores, return_inverse=True)
    with_finding = labels == 1
    found_here = np.bincount(place, with_finding)
    found = np.cumsum(found_here)
    alarms = np.cumsum(np.bincount(place, ~with_finding))
    precision, num_finding = found / (found + alarms), with_finding.sum()
    value = float((found_here * precision).sum() / num_finding)
    # a film changes the precision at its own score and at all lower ones
    lower = lambda change: np.cumsum((found_here * change)[::-1])[::-1][place] / num_finding
    gain, loss = lower(alarms / (found + alarms) ** 2), lower(found / (found + alarms) ** 2)
    return value, np.where(with_finding, (precision[place] - value) / num_finding + gain, -loss)
