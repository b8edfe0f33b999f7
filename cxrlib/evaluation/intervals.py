"""The interval that the AUC and the Brier score share, for films clustered by patient.

The influence value of a film is the film's part in the error of the statistic: the
error is about the sum of the influence values of all films. Let s_p be the sum over
the films of patient p. Different patients are independent, so the variance is about
sum s_p^2. The films of one patient may be correlated in any way.
"""

import numpy as np
import scipy  # it imports scipy.stats, which takes half a second, at the first use
from scipy import special

from cxrlib.evaluation.estimate import LEVEL, Estimate, Patients, number_patients

ROUNDING = 1e-12
"""If the standard error is smaller than this, it is only a rounding error, and all influence values are really 0."""


def interval_from_influence(
    labels: np.ndarray, value: float, influence: np.ndarray, patients: Patients, *, level: float = LEVEL
) -> Estimate:
    """Return a value between 0 and 1 with its interval, computed on the logit scale.

    The ends are sigmoid(logit(value) -+ half width / (value (1 - value))) (Pepe 2003).
    So the interval stays between 0 and 1.

    Sometimes the half width cannot be estimated, for example where the AUC is 1. Then
    let n be the number of pairs (a film with the finding, one without) in which no
    patient occurs twice, and f = ((1 - level) / 2)^(1/n). The interval is value f to
    1 - (1 - value) f. For an AUC of 1 this is the exact lower end: if the true AUC is
    a, all n pairs are ordered correctly with probability a^n at most, and at a = f
    this probability is (1 - level) / 2.

    Parameters
    ----------
    labels : ndarray, (N,), 1 = the finding
    value : float
    influence : ndarray, (N,)
        Their sum is 0, within each class or over all films.
    patients : array, (N,), optional
    level : float in (0, 1)
    """
    half = half_width(labels, influence, patients, level=level)
    if half is None:
        factor = ((1 - level) / 2) ** (1 / _count_independent_pairs(labels, patients))
        return Estimate(value, value * factor, 1 - (1 - value) * factor)
    centre, half = special.logit(value), half / (value * (1 - value))
    return Estimate(value, float(special.expit(centre - half)), float(special.expit(centre + half)))


def half_width(labels: np.ndarray, influence: np.ndarray, patients: Patients, *, level: float = LEVEL) -> float | None:
    """Return half the width of an interval, or None where the variance cannot be estimated.

    The variance is Obuchowski's (Biometrics 1997). Let u and v be the sums of a
    patient's influence values over the films with and without the finding. Then

        variance = m/(m-1) sum u^2 + n/(n-1) sum v^2 + 2 q/(q-1) sum u v

    where m patients have a film with the finding, n patients have a film without it,
    and q is the number of all patients. With one film for each patient, this is
    DeLong's variance (DeLong et al., Biometrics 1988).

    The half width is the standard error times a quantile of Student's t. For each
    class let n_p be its number of films of patient p, and

        k = (sum n_p)^2 / sum n_p^2

    (Kish 1965), which is the number of patients if all have equally many films. The
    degrees of freedom are k - 1, with the smaller k of the two classes.

    Parameters
    ----------
    labels, influence, patients, level
        As in `interval_from_influence`.

    Returns
    -------
    float or None
        None where a class comes from fewer than two patients, or all influence
        values are 0, for example where the AUC is 1.
    """
    patients = number_patients(patients, len(labels))
    count = patients.max() + 1
    sums, variance, patients_worth = [], 0.0, []
    for films in (labels == 1, labels == 0):
        size = np.bincount(patients[films], minlength=count)
        sums.append(np.bincount(patients[films], influence[films], minlength=count))
        with_films = (size > 0).sum()
        if with_films < 2:
            return None
        variance += with_films / (with_films - 1) * (sums[-1] ** 2).sum()
        patients_worth.append(films.sum() ** 2 / (size**2).sum())
    variance += 2 * count / (count - 1) * (sums[0] * sums[1]).sum()
    if variance < ROUNDING**2:
        return None
    return float(scipy.stats.t.ppf((1 + level) / 2, min(patients_worth) - 1) * np.sqrt(variance))


def _count_independent_pairs(labels: np.ndarray, patients: Patients) -> int:
    """Return the largest number of pairs (a film with the finding, one without) in which no patient occurs twice."""
    patients = number_patients(patients, len(labels))
    patients_of_class = [len(np.unique(patients[labels == label])) for label in (0, 1)]
    return max(1, min((patients.max() + 1) // 2, *patients_of_class))
