"""Intervals hold the true value, and floors hold, as often as they say, on simulated films whose truth is known.

Run as ``pytest tests/slow/test_statistics.py -s`` it prints what it measured.
"""

import numpy as np
import pytest
from scipy import special, stats

from cxrlib.evaluation.calibration import brier_interval
from cxrlib.evaluation.estimate import effective_size, proportion
from cxrlib.evaluation.operating_point import choose_by_sensitivity
from cxrlib.evaluation.rates import predictive_values
from cxrlib.evaluation.roc_auc import auc_difference, auc_interval

POSITIVES = (20, 50, 100, 300, 1000)
KINDS = ("independent", "clustered")


@pytest.fixture(scope="session")
def samples(short):
    return 200 if short else 2000


@pytest.fixture(scope="session")
def slack(short):
    """What chance may add to a bound: two standard errors of 95 % in 2,000 samples; three in 200."""
    return 0.05 if short else 0.01


def draw(rng, positives, kind):
    """Return labels and patients of films, nine without the finding for one with it, but at most 2,000 of them.

    Clustered: patients have one to five films each and a propensity of their own to the finding, so strong that on
    the average 20 findings come from 11 patients; some have films of both classes.
    """
    negatives = min(9 * positives, 2000)
    if kind == "independent":
        return np.repeat([1, 0], [positives, negatives]), np.arange(positives + negatives)
    fraction = positives / (positives + negatives)
    while True:
        sizes = rng.integers(1, 6, size=(positives + negatives) // 3)
        patients = np.repeat(np.arange(len(sizes)), sizes)
        labels = (rng.random(len(patients)) < rng.beta(fraction, 1 - fraction, len(sizes))[patients]).astype(int)
        if 0 < labels.sum() < len(labels):
            return labels, patients


def noise(rng, patients):
    """Return standard normal numbers, (N,), correlated by 0.5 within a patient, if he has several films."""
    films = rng.standard_normal(len(patients))
    if patients[-1] == len(patients) - 1:
        return films
    return np.sqrt(0.5) * (rng.standard_normal(patients[-1] + 1)[patients] + films)


def shift(area):
    """Return by how much findings must score higher, in standard deviations, for this true AUC."""
    return np.sqrt(2) * stats.norm.ppf(area)


def holds(interval, truth):
    return interval.low <= truth <= interval.high


def report(name, *cell, **fractions):
    print(f"\n{name}", *cell, *(f"{key} {100 * fraction:.1f} %" for key, fraction in fractions.items()), end="")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("positives", POSITIVES)
@pytest.mark.parametrize("area", [0.75, 0.85, 0.95])
def test_the_interval_of_an_auc(area, positives, kind, samples, slack):
    rng, held = np.random.default_rng([positives, round(100 * area), len(kind)]), 0
    for _ in range(samples):
        labels, patients = draw(rng, positives, kind)
        held += holds(auc_interval(labels, noise(rng, patients) + shift(area) * labels, patients), area)
    report("AUC", area, positives, kind, coverage=held / samples)
    assert 0.93 - slack <= held / samples <= 0.97 + slack


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("positives", [20, 50])
def test_why_the_interval_is_not_a_bootstrap(positives, kind, samples, slack):
    """The interval from 2.5 to 97.5 % of the AUCs of 500 resamples of patients holds a true AUC of 0.95 too seldom."""
    samples //= 2
    rng, held = np.random.default_rng([positives, 95, len(kind)]), 0
    for _ in range(samples):
        labels, patients = draw(rng, positives, kind)
        scores, ill = noise(rng, patients) + shift(0.95) * labels, labels == 1
        count = patients[-1] + 1
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=500)[:, patients].astype(float)
        wins = ((drawn[:, ill] @ (scores[ill][:, None] > scores[~ill])) * drawn[:, ~ill]).sum(axis=1)
        pairs = drawn[:, ill].sum(axis=1) * drawn[:, ~ill].sum(axis=1)
        low, high = np.quantile(wins[pairs > 0] / pairs[pairs > 0], [0.025, 0.975])
        held += low <= 0.95 <= high
    report("bootstrap", 0.95, positives, kind, coverage=held / samples)
    assert held / samples <= 0.925 + slack


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("area", [0.99, 0.999])
def test_the_interval_of_a_nearly_perfect_auc(area, kind, samples, slack):
    """With 20 findings, 20 to 80 % of the samples at 0.999 have an AUC of 1. It may hold the truth too often."""
    rng, held, perfect = np.random.default_rng([3, round(1000 * area), len(kind)]), 0, 0
    for _ in range(samples):
        labels, patients = draw(rng, 20, kind)
        made = auc_interval(labels, noise(rng, patients) + shift(area) * labels, patients)
        held, perfect = held + holds(made, area), perfect + (made.value == 1)
    report("AUC", area, 20, kind, coverage=held / samples, perfect=perfect / samples)
    assert held / samples >= 0.93 - slack


def test_where_the_interval_of_an_auc_falls_short(samples, slack):
    """The limit that the docstring states: few effusions, a high AUC, scores of effusions that vary twice as much."""
    rng, held = np.random.default_rng(4), 0
    for _ in range(samples):
        labels, patients = draw(rng, 20, "independent")
        scores = np.where(labels == 1, np.sqrt(5) * stats.norm.ppf(0.95) + 2 * noise(rng, patients), 0.0)
        scores[labels == 0] = rng.standard_normal((labels == 0).sum())
        held += holds(auc_interval(labels, scores, patients), 0.95)
    report("AUC", 0.95, 20, "twice as variable", coverage=held / samples)
    assert held / samples >= 0.85 - slack


@pytest.mark.parametrize("positives", POSITIVES)
@pytest.mark.parametrize("area", [0.75, 0.85, 0.95])
def test_the_interval_of_a_brier_score(area, positives, samples, slack):
    """Of calibrated scores, so that the truth is the mean of p (1 - p) over all films that there could be."""
    rng, held, distance = np.random.default_rng([5, positives, round(100 * area)]), 0, shift(area)
    fraction = positives / (positives + min(9 * positives, 2000))

    def probability(x):
        return special.expit(special.logit(fraction) + distance * (x - distance / 2))

    x = np.linspace(-9, 9 + distance, 20001)
    density = (1 - fraction) * stats.norm.pdf(x) + fraction * stats.norm.pdf(x - distance)
    truth = np.trapezoid(density * probability(x) * (1 - probability(x)), x)
    for _ in range(samples):
        labels, patients = draw(rng, positives, "clustered")
        held += holds(brier_interval(labels, probability(noise(rng, patients) + distance * labels), patients), truth)
    report("Brier", area, positives, "clustered", coverage=held / samples)
    assert 0.93 - slack <= held / samples <= (0.97 if positives >= 50 else 0.98) + slack  # it may hold more on few


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("positives", POSITIVES)
@pytest.mark.parametrize("areas", [(0.75, 0.75), (0.85, 0.75), (0.95, 0.85), (0.95, 0.95)])
def test_the_interval_of_a_difference(areas, positives, kind, samples, slack):
    """Of two networks whose scores are correlated by 0.6; it may hold more on fewer than 100 findings."""
    rng, held = np.random.default_rng([positives, *(round(100 * area) for area in areas), len(kind)]), 0
    for _ in range(samples):
        labels, patients = draw(rng, positives, kind)
        common = np.sqrt(0.6) * noise(rng, patients)
        a, b = (common + np.sqrt(0.4) * noise(rng, patients) + shift(area) * labels for area in areas)
        held += holds(auc_difference(labels, a, b, patients), areas[0] - areas[1])
    report("difference", *areas, positives, kind, coverage=held / samples)
    assert 0.93 - slack <= held / samples <= (0.97 if positives >= 100 else 0.99) + slack


@pytest.mark.parametrize("fraction", [0.75, 0.9, 0.95])
@pytest.mark.parametrize("n", POSITIVES)
def test_the_interval_of_a_fraction_of_independent_films(n, fraction):
    """Counted over all numbers of hits: no simulation. It swings with n and the fraction, for hits are whole films."""
    hits = np.arange(n + 1)
    held = [holds(proportion(np.arange(n) < k), fraction) for k in hits]
    coverage = stats.binom.pmf(hits, n, fraction)[held].sum()
    report("fraction", fraction, n, "independent", coverage=coverage)
    assert 0.92 <= coverage <= 0.975


@pytest.mark.parametrize("fraction", [0.75, 0.9, 0.95])
@pytest.mark.parametrize("n", POSITIVES)
def test_the_interval_of_a_fraction_of_clustered_films(n, fraction, samples, slack):
    rng, held = np.random.default_rng([n, round(100 * fraction)]), 0
    for _ in range(samples):
        patients = np.repeat(np.arange(n), rng.integers(1, 4, size=n))[:n]
        held += holds(proportion(noise(rng, patients) < stats.norm.ppf(fraction), patients), fraction)
    report("fraction", fraction, n, "clustered", coverage=held / samples)
    assert 0.93 - slack <= held / samples <= 0.975 + slack


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("positives", POSITIVES)
@pytest.mark.parametrize("prevalence", [0.02, 0.2])
def test_the_interval_of_a_predictive_value(positives, prevalence, kind, samples, slack):
    """At a sensitivity of 0.9 and a specificity of 0.85; it may hold more on few findings."""
    rng, held = np.random.default_rng([positives, round(100 * prevalence), len(kind)]), np.zeros(2)
    ppv = 0.9 * prevalence / (0.9 * prevalence + 0.15 * (1 - prevalence))
    npv = 0.85 * (1 - prevalence) / (0.85 * (1 - prevalence) + 0.1 * prevalence)
    for _ in range(samples):
        labels, patients = draw(rng, positives, kind)
        right = noise(rng, patients) < stats.norm.ppf(np.where(labels == 1, 0.9, 0.85))
        classes = [(right[labels == label].astype(float), patients[labels == label]) for label in (1, 0)]
        sizes = tuple(effective_size(*each) for each in classes)
        made = predictive_values(classes[0][0].mean(), classes[1][0].mean(), prevalence, sizes)
        held += [holds(made[0], ppv), holds(made[1], npv)]
    report("PPV, NPV", prevalence, positives, kind, ppv=held[0] / samples, npv=held[1] / samples)
    assert (held / samples >= 0.93 - slack).all()
    assert (held / samples <= 0.99 + slack).all()


FLOORS = [(0.8, None), (0.9, None), (0.95, None), (0.8, 0.95), (0.9, 0.9), (0.9, 0.95)]
CASES = [(n, *asked) for n in (20, 30, 60, 100, 300) for asked in FLOORS]
CASES = [case for case in CASES if case not in {(20, 0.9, 0.9), (20, 0.9, 0.95)}]  # which are refused: too few


@pytest.mark.parametrize("levels", [None, 100, 20, 10, 5])
@pytest.mark.parametrize(("n", "floor", "confidence"), CASES)
def test_a_floor_holds_on_new_films_as_often_as_the_operating_point_says(n, floor, confidence, levels, samples):
    """Scores are uniform, so a threshold t has the true sensitivity 1 - t; or on so many levels, with ties."""
    rng, held = np.random.default_rng([n, round(100 * floor), levels or 0]), 0
    labels = np.repeat([1, 0], [n, 9 * n])
    for _ in range(samples):
        scores = rng.random(len(labels))
        if levels:
            scores = np.floor(scores * levels)
        point = choose_by_sensitivity(labels, scores, floor=floor, confidence=confidence)
        sensitivity = 1 - np.ceil(point.threshold) / levels if levels else 1 - point.threshold
        held += sensitivity >= floor - 1e-9
    report("floor", floor, n, f"asked {confidence} levels {levels}", held=held / samples, said=point.confidence)
    error = 3 * np.sqrt(point.confidence * (1 - point.confidence) / samples)
    assert held / samples >= max(point.confidence - error, (confidence or 0) - error)
    if not levels:
        assert held / samples <= point.confidence + error + 0.02  # the threshold lies a little below the score


@pytest.mark.parametrize("n", [30, 60, 100, 300])
def test_how_much_a_floor_promises_too_much_on_clustered_films(n, samples):
    """The limit that `floor_confidence` states: it counts films as independent."""
    rng, held, said = np.random.default_rng(n), [], []
    for _ in range(samples):
        labels, patients = draw(rng, n, "clustered")
        if labels.sum() < 22:  # too few for this confidence
            continue
        point = choose_by_sensitivity(labels, noise(rng, patients) + 1.5 * labels, floor=0.9, confidence=0.9)
        held.append(stats.norm.sf(point.threshold - 1.5) >= 0.9)
        said.append(point.confidence)
    report("floor", 0.9, n, "clustered", held=np.mean(held), said=np.mean(said))
    assert np.mean(held) >= np.mean(said) - 0.05 - 3 * np.sqrt(0.1 * 0.9 / len(held))
