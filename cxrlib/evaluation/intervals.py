"""The interval that the AUC and the Brier score share, for films clustered by patient.

The influence value of a film says by how much the film moves the statistic away
from its mean. The statistic's variance follows from the sums of these values over
each patient's films. So films of one patient may be correlated in any way.
"""

import numpy as np
from scipy import special, stats

from cxrlib.evaluation.estimate import LEVEL, Estimate, Patients, number_patients

ROUNDING = 1e-12
"""A standard error below this is a rounding error: the influence values are all 0."""


def interval_from_influence(
    labels: np.ndarray, value: float, influence: np.ndarray, patients: Patients, *, level: float = LEVEL
) -> Estimate:
    """Return a value between 0 and 1 with its interval, computed on the logit scale.

    logit(value) +- half width / (value (1 - value)), taken back by the sigmoid
    (Pepe 2003). So the interval stays between 0 and 1.

    Where the half width cannot be estimated, the interval is that of n independent
    pairs that all agree: n agreeing pairs have a probability of value to the n.
    The lower end is the value at which this probability is (1 - level) / 2.

    Parameters
    ----------
    labels : ndarray, (N,), 1 = the finding
    value : float
    influence : ndarray, (N,)
        The values of each class sum to 0, or those of both classes together.
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

        variance = m/(m-1) sum u^2 + n/(n-1) sum v^2 + 2 k/(k-1) sum u v

    where m, n and k patients have a film with the finding, one without, and any
    film. With one film a patient, this is DeLong's variance (DeLong et al.,
    Biometrics 1988).

    The half width is the standard error times a quantile of Student's t. Its degrees
    of freedom are one less than the number of equally large patients that the
    smaller class is worth: N^2 / sum of squared numbers of films (Kish 1965).

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
    return float(stats.t.ppf((1 + level) / 2, min(patients_worth) - 1) * np.sqrt(variance))


def _count_independent_pairs(labels: np.ndarray, patients: Patients) -> int:
    """Return how many pairs (a film with the finding, one without) there are if each patient is used only once."""
    patients = number_patients(patients, len(labels))
    patients_of_class = [len(np.unique(patients[labels == label])) for label in (0, 1)]
    return max(1, min((patients.max() + 1) // 2, *patients_of_class))
