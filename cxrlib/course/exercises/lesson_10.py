"""The exercises of lesson 10: what the source tells, blended weights, a capacity with ties, an alarm for drift."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from cxrlib.course.checks import Exercise, require
from cxrlib.evaluation.operating_point import choose_by_capacity
from cxrlib.evaluation.roc_auc import auc


def _number(given: Any, wanted: str) -> float:
    """Return the answer as a number, or say that it is none."""
    require(
        given is not None and np.ndim(np.asarray(given)) == 0 and not isinstance(given, dict | str),
        f"your function returns a {type(given).__name__}. Return one number: {wanted}.",
    )
    return float(given)


def _source_auc(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the AUC of each source's fraction of effusions."""
    for n in rng.integers(150, 400, 10):
        names = rng.permutation(["north", "east", "south", "west"])
        sizes, fractions = np.array([0.15, 0.4, 0.2, 0.25]), np.array([0.5, 0.3, 0.8, 0.1])
        drawn = rng.choice(4, n, p=sizes)
        source, label = names[drawn], (rng.random(n) < fractions[drawn]).astype(int)
        given = _number(answer(source.copy(), label.copy()), "the AUC")
        found = {name: label[source == name] for name in np.unique(source)}
        scores = {
            "right": np.array([found[name].mean() for name in source]),
            "sums": np.array([found[name].sum() for name in source]),
            "sizes": np.array([len(found[name]) for name in source]),
            "names": np.unique(source, return_inverse=True)[1],
        }
        aucs = {name: auc(label, score) for name, score in scores.items()}
        if np.isclose(given, aucs["right"], atol=1e-6):
            continue
        at = f"for {n} films of 4 sources you get {given:.3f}"
        majority = np.array([round(found[name].mean()) for name in source])
        require(
            not np.isclose(given, aucs["sums"]),
            f"{at}. You gave each source its number of effusions. A large source then has a high score, even if few of "
            "its films show one. Take the fraction of its films.",
        )
        require(
            not np.isclose(given, aucs["sizes"]),
            f"{at}. You gave each source its number of films. How many films a source has says nothing about an "
            "effusion. Take the fraction of its films with an effusion.",
        )
        require(
            not np.isclose(given, aucs["names"]),
            f"{at}. You numbered the sources in the order of their names. This order says nothing about effusions. "
            "What does the label say about each source?",
        )
        require(
            not np.isclose(given, 1 - aucs["right"]),
            f"{at}. Your scores point the wrong way: a source with many effusions must get a high score.",
        )
        require(
            not np.isclose(given, np.mean(majority == label)) and not np.isclose(given, auc(label, majority)),
            f"{at}. You only said yes or no for each source. Then a source with 1 effusion in 10 and one with 4 in 10 "
            "look alike. Keep the fraction as the score.",
        )
        require(
            not np.isclose(given, 0.5),
            f"{at}. All your films seem to have the same score. An array of whole numbers, such as np.zeros(n, int), "
            "cuts a fraction of 0.4 down to 0. Use an array of decimal numbers.",
        )
        require(
            False,
            f"{at}. The right answer is {aucs['right']:.3f}. Give each film one score: the fraction of its source's "
            "films with an effusion. Then compute the AUC.",
        )
    return "it was tried on 10 tables of 4 sources."


def _blend(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with (1 - fraction) * start + fraction * trained, array by array."""
    for fraction in (0.5, 0.25, 1.0, round(rng.uniform(0.6, 0.9), 2)):
        shapes = ((3, 3, 1, 4), (4,), (4, 2))
        start, trained = ([rng.normal(size=shape).astype(np.float32) for shape in shapes] for _ in range(2))
        before = [array.copy() for array in start]
        given = answer(start, trained, fraction)
        is_changed = any(not np.array_equal(a, b) for a, b in zip(start, before, strict=True))
        require(
            not is_changed,
            "your function changes the arrays of start themselves. The network that you began with is then lost. "
            "Make new arrays: do not use += on the old ones.",
        )
        is_list = isinstance(given, list | tuple)
        require(
            is_list and len(given) == len(shapes),
            f"start has {len(shapes)} arrays, one for each group of weights. Return a list with as many arrays: "
            f"yours is a {type(given).__name__}" + (f" of {len(given)}." if is_list else "."),
        )
        found = [np.shape(array) for array in given]
        require(
            found == list(shapes),
            f"the first shapes are {found[0]} and {shapes[0]}. Each array must keep its shape: blend number by number, "
            "and take no mean over an array.",
        )
        at = f"with a fraction of {fraction:g}"

        def equals(keep: float, add: float, given: list = given, arrays: tuple = (before, trained)) -> bool:
            return all(np.allclose(g, keep * a + add * b, atol=1e-5) for g, a, b in zip(given, *arrays, strict=True))

        if equals(1 - fraction, fraction):
            continue
        require(
            not equals(fraction, 1 - fraction),
            f"{at} you keep this fraction of the start. It is the fraction of the trained weights: at 1 the trained "
            "network is kept as it is.",
        )
        require(
            not equals(0.5, 0.5),
            f"{at} you return the mean of both. This is right for 0.5 alone. The fraction must count.",
        )
        require(
            not equals(1, fraction),
            f"{at} you add to the whole start. Then the weights grow. The two parts must add up to 1.",
        )
        require(
            False,
            f"{at} the first weight of the start is {before[1][0]:.3f}, the trained one is {trained[1][0]:.3f}, and "
            f"yours is {np.asarray(given[1]).flat[0]:.3f}. Blend every array, also the short ones.",
        )
    return "it was tried with 4 fractions, and start was not changed."


def _capacity_with_ties(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the calls of the library, on scores of 2 decimals, in which many films are tied."""
    sizes = [100, 100, 36, *rng.integers(60, 300, 12).tolist()]
    capacities = [0.29, 0.3, 0.1, *rng.choice([0.1, 0.2, 0.3], 12).tolist()]
    for n, capacity in zip(sizes, capacities, strict=True):
        scores = np.round(rng.beta(2, 4, n), 1 if n % 2 else 2)
        if n == 100:  # many ties
            scores = np.round(scores, 1)
        if capacity == 0.29 or n == 36:  # without ties, for the rounding of 100 * 0.29 and of 3.6
            scores = rng.permutation(n) / n
        most = int(np.floor(n * capacity + 1e-9))
        ordered = np.sort(scores)[::-1]
        if ordered[most] == ordered[0]:  # too many films have the highest score
            continue
        expected = scores >= choose_by_capacity(scores, capacity=capacity).threshold
        given = _number(answer(scores.copy(), capacity), "the threshold")
        called = scores >= given
        if np.array_equal(called, expected):
            continue
        at = f"of {n} films at most {most} may be flagged. Your threshold is {given:.4g}, and it flags {called.sum()}"
        require(
            not (int(n * capacity) < most and called.sum() == int(n * capacity)),
            f"{at}. Your idea is right, but {n} * {capacity:g} is a little too small in Python, so int gives "
            f"{int(n * capacity)}. Add 1e-9 before you cut off the decimals.",
        )
        require(
            not called.sum() >= n - most,
            f"{at}. These are the films with the lowest scores left out, and all others flagged. Flag the highest "
            "scores, and as many as the capacity allows.",
        )
        require(
            called.sum() <= most
            or called.sum() != round(n * capacity)
            or np.isclose(given, np.quantile(scores, 1 - capacity)),
            f"{at}. The capacity allows {n * capacity:.1f} films, and {called.sum()} is more. Do not round up.",
        )
        require(
            not (called.sum() > most and given == ordered[most - 1]),
            f"{at}. Several films have this score, so they are all flagged or all left alone. Neither a place in the "
            "sorted list nor np.quantile knows that. Go up to the next higher score.",
        )
        require(
            not np.isclose(given, np.quantile(scores, 1 - capacity)),
            f"{at}. np.quantile does not know that tied films go together, and that the capacity is an upper limit. "
            "Count the flagged films, and take one of the scores.",
        )
        require(
            not (called.sum() > most and given == ordered[most]),
            f"{at}. Your threshold is the score of the first film that is too many. It is flagged too, since its score "
            "is at least the threshold. Go up to the next higher score.",
        )
        require(
            called.sum() <= most,
            f"{at}. That is more than the capacity allows. Count how many films have your threshold or a higher score.",
        )
        require(
            False,
            f"{at}. A lower threshold flags {expected.sum()}, which is still allowed. Take the lowest score that "
            "keeps the capacity.",
        )
    return f"it was tried on {len(sizes)} sets of scores with ties."


def _alarm_count(answer: Callable, rng: np.random.Generator) -> str:
    """Accept a count within 1 of the exact one: the smallest k with P(X >= k) at most 0.01, X binomial."""
    sizes = [200, 1000, 2000, 50, *rng.integers(300, 900, 4).tolist()]
    capacities = [0.2, 0.3, 0.1, 0.3, 0.1, 0.2, 0.1, 0.2]
    for n, capacity in zip(sizes, capacities, strict=True):
        exact = int(scipy.stats.binom.isf(0.01, n, capacity)) + 1
        slack = 1 + round(0.1 * np.sqrt(n * capacity * (1 - capacity)))  # a simulated quantile varies by chance
        given = _number(answer(n, capacity), "the limit")
        if abs(given - exact) <= slack:
            continue
        mean, deviation = n * capacity, np.sqrt(n * capacity * (1 - capacity))
        at = f"for {n} films and a capacity of {capacity:g} you get {given:.4g}"
        at_once = float(scipy.stats.binom.sf(np.ceil(given) - 1, n, capacity))
        require(
            given >= 1,
            f"{at}. This is a fraction, or less than 1 film. The answer is a number of flagged films.",
        )
        require(
            abs(given - (n - exact)) > slack and abs(given - (2 * mean - exact)) > slack,
            f"{at}. That is the other end: so few flagged films are rare. Here we look for too many.",
        )
        require(
            abs(given - mean) > slack,
            f"{at}. This is the expected number. About every second week reaches it, although nothing has changed.",
        )
        require(
            given not in (53, 54),
            f"{at}. This is the limit of section 6, for 200 films and a capacity of 0.2. Use n and capacity.",
        )
        of_200 = int(scipy.stats.binom.isf(0.01, 200, capacity)) + 1
        require(
            abs(given - of_200 * n / 200) > n / 100,
            f"{at}. You took the limit of 200 films in proportion to n. With more films the fraction varies less, so "
            "the limit lies nearer to the capacity. Draw weeks of n films.",
        )
        require(
            given >= exact,
            f"{at}. Without any change, {at_once:.1%} of the weeks have as many. It may be at most 1 %. How far do "
            f"counts lie from {mean:.0f} by chance? Their standard deviation is {deviation:.1f}.",
        )
        require(
            False,
            f"{at}. So many are rarer than needed: {exact} films already happen in at most 1 % of the weeks. A limit "
            "that is too high overlooks a change.",
        )
    return "it was tried with 8 sizes of a week."


EXERCISES = {
    "source auc": Exercise(
        _source_auc,
        "somebody sees only the source of a film. The best score that this person can give is the fraction of this "
        "source's films with an effusion. Fill an array with it, source by source.",
    ),
    "blended weights": Exercise(
        _blend,
        "go through both lists together with zip. Each new array is a part of the start and a part of the trained "
        "array, and the parts add up to 1.",
    ),
    "capacity with ties": Exercise(
        _capacity_with_ties,
        "go through the different scores from the highest down (np.unique sorts them). How many films reach each of "
        "them? Stop before there are too many.",
    ),
    "drift alarm": Exercise(
        _alarm_count,
        "draw many weeks in which nothing has changed, as section 6 does. Which count do only 1 in 100 of these weeks "
        "reach?",
    ),
}
