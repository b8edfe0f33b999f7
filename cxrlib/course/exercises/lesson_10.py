"""The exercises of lesson 10: the source alone, pairs within sources, a capacity with ties, two limits for drift."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from cxrlib.course.checks import Exercise, NotTried, WrongAnswer, require
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


def _auc_within(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the mean of the AUCs of the sources, weighted by their pairs. One source has only one label."""
    for n in rng.integers(150, 400, 10):
        names = rng.permutation(["north", "east", "south", "west"])
        sizes, fractions = np.array([0.1, 0.45, 0.3, 0.15]), np.array([0.5, 0.1, 0.7, 1.0])
        drawn = rng.choice(4, n, p=sizes)
        label = (rng.random(n) < fractions[drawn]).astype(int)
        label[:6], drawn[:6] = [0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 2, 2]  # the first 3 sources have both labels
        signs = np.array([2.0, 0.5, 0.0, 0.0])[drawn]  # how well the score separates the labels of each source
        score = np.round(signs * label + 2.0 * fractions[drawn] + rng.normal(size=n), 1)
        source = names[drawn]
        given = _number(answer(source.copy(), label.copy(), score.copy()), "the AUC of the pairs within sources")
        inside = [source == name for name in np.unique(source)]
        both = [films for films in inside if 0 < label[films].sum() < films.sum()]
        aucs = [auc(label[films], score[films]) for films in both]
        pairs = [label[films].sum() * (1 - label[films]).sum() for films in both]
        right = np.average(aucs, weights=pairs)
        if np.isclose(given, right, atol=1e-6):
            continue
        at = f"for {n} films of 4 sources you get {given:.3f}"
        require(
            not np.isclose(given, auc(label, score)),
            f"{at}. This is the pooled AUC. It also counts pairs of films of different sources. Go through the "
            "sources, and compute the AUC of each one's films.",
        )
        require(
            not np.isclose(given, np.mean(aucs)),
            f"{at}. You gave each source the same weight. Give each AUC the weight of its number of pairs: effusions "
            "times other films.",
        )
        require(
            not np.isclose(given, np.average(aucs, weights=[films.sum() for films in both])),
            f"{at}. You weighted by the number of films. A source of 100 films with 1 effusion has only 99 pairs, and "
            "one with 50 effusions has 2,500. Weight by effusions times other films.",
        )
        require(
            not np.isnan(given),
            f"{at}, which means not a number. One source has only one label. Leave it out: it has no pairs.",
        )
        require(
            not np.isclose(given, 1 - right),
            f"{at}. Your pairs point the wrong way: count those in which the effusion has the higher score. auc takes "
            "the labels first, then the scores.",
        )
        require(
            not np.isclose(given, np.sum(np.multiply(aucs, pairs))),
            f"{at}. This is a number of pairs. Divide it by the number of all pairs within sources.",
        )
        ties = [(score[films & (label == 1)][:, None] == score[films & (label == 0)]).mean() for films in both]
        require(
            not np.isclose(given, right - np.average(ties, weights=pairs) / 2),
            f"{at}. Your idea is right. But if both films of a pair have the same score, auc counts half a pair, and "
            "you count none.",
        )
        require(
            False,
            f"{at}. The right answer is {right:.3f}. For each source with both labels, compute the AUC of its films "
            "and its number of pairs. Then take the mean of the AUCs, weighted by the pairs.",
        )
    return "it was tried on 10 tables of 4 sources. In each, one source has only effusions."


def _capacity_with_ties(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the calls of the library, on scores of 2 decimals, in which many films are tied.

    At the end more films than may be flagged have the highest score. Then no film may be flagged.
    """
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
    scores = rng.permutation(np.append(np.full(5, 0.9), np.round(rng.uniform(0, 0.8, 15), 1)))
    at = "5 of 20 films have the highest score, 0.9, and at most 4 may be flagged. So no film can be flagged"
    _require_no_flag(answer, scores, 0.2, at, "Return np.inf: no score reaches it.")
    scores = rng.permutation(20) / 20
    at = "of 20 films a fraction of 0.04 may be flagged, so not even 1"
    _require_no_flag(answer, scores, 0.04, at, "If most is 0, [most - 1] is the last place of the list.")
    return f"it was tried on {len(sizes) + 2} sets of scores with ties."


def _require_no_flag(answer: Callable, scores: np.ndarray, capacity: float, at: str, words: str) -> None:
    """Raise `WrongAnswer` unless the threshold is above all scores."""
    try:
        given = _number(answer(scores.copy(), capacity), "the threshold")
    except (NotTried, WrongAnswer) as error:
        raise WrongAnswer(f"{at}, and the answer is np.inf. But your function gives no number: {error}.") from error
    require(
        given > scores.max(),
        f"{at}. Your threshold is {given:.4g}, and it flags {np.sum(scores >= given)}. {words}",
    )


def _alarm_limits(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the binomial distribution: the last k with P(X <= k) and the first with P(X >= k) at most 0.01."""
    sizes = [200, 1000, 2000, 50, *rng.integers(300, 900, 4).tolist(), 200]
    probabilities = [0.2, 0.3, 0.1, 0.3, 0.1, 0.2, 0.1, 0.2, 0.02]  # at last: a week without an alarm is common
    for n, p in zip(sizes, probabilities, strict=True):
        try:
            given = answer(n, p)
        except WrongAnswer as error:
            if p > 0.02:
                raise
            raise WrongAnswer(
                f"for {n} films and a probability of {p:g}, {0.98**n:.1%} of the weeks have no flagged film. So even "
                f"0 is not that rare, and the lower limit is -1. But {error}."
            ) from error
        require(
            np.shape(given) == (2,) and None not in tuple(given),
            f"your function returns {given!r:.60}. Return 2 counts: the lower limit and the upper limit.",
        )
        low, high = (float(each) for each in given)
        exact_low, exact_high = _limits(n, p)
        if (low, high) == (exact_low, exact_high):
            continue
        mean, at = n * p, f"for {n} films and a probability of {p:g} you get {low:.4g} and {high:.4g}"
        require(
            low != n - high,
            f"{at}. {n} minus the upper limit counts the films that are not flagged. The lower limit is a small number "
            "of flagged films.",
        )
        require(
            low <= high,
            f"{at}. The first number must be the lower limit, and the second the upper one.",
        )
        require(
            low >= -1 and high > 1,
            f"{at}. The limits are numbers of films in a week, not fractions. Only a lower limit may be -1.",
        )
        require(
            (n, p) == (200, 0.2) or (low, high) != _limits(200, 0.2),
            f"{at}. These are the limits for 200 films and a probability of 0.2. Use n and p.",
        )
        in_proportion = np.array(_limits(200, p)) * n / 200
        require(
            n == 200 or np.abs(in_proportion - (low, high)).max() > 1,
            f"{at}. You took the limits of 200 films in proportion to n. With more films the fraction varies less, so "
            "the limits lie nearer to the mean. Compute the probabilities for n films.",
        )
        require(
            exact_low >= 0 or low < 0,
            f"{at}. Even 0 flagged films happen in {0.98**n:.1%} of the weeks, which is more than 1 %. So the lower "
            "limit is -1.",
        )
        reached, passed_not = scipy.stats.binom.sf(high - 1, n, p), scipy.stats.binom.cdf(low, n, p)
        simulated = " If you drew weeks: their quantiles vary by chance. Add up the probabilities of the counts."
        require(
            high <= exact_high,
            f"{at}. A limit of {high:.4g} is too high. {exact_high} films or more already happen in at most 1 % of the "
            f"weeks.{simulated}",
        )
        require(
            high == exact_high,
            f"{at}. Without any change, {reached:.1%} of the weeks have {high:.4g} films or more. It may be at most "
            f"1 %. The mean is {mean:.0f}.{simulated}",
        )
        require(
            abs(low - (2 * mean - high)) > 0.5,
            f"{at}. The upper limit is right. You put the lower one at the same distance from the mean. But the "
            "distribution is not the same on both sides. Add up the probabilities from 0 upward.",
        )
        require(
            low > exact_low,
            f"{at}. The upper limit is right. A lower limit of {low:.4g} is too low. {exact_low} films or fewer "
            f"already happen in at most 1 % of the weeks.{simulated}",
        )
        require(
            False,
            f"{at}. The upper limit is right. But without any change, {passed_not:.1%} of the weeks have {low:.4g} "
            f"films or fewer. It may be at most 1 %.{simulated}",
        )
    return "it was tried with 9 kinds of a week."


def _limits(n: int, p: float) -> tuple[int, int]:
    """Return the last count that at most 1 week in 100 does not pass, and the first that at most 1 in 100 reaches.

    The first is -1 if even 0 films are flagged in more than 1 week in 100.
    """
    counts = np.arange(-1, n + 1)
    at_most = scipy.stats.binom.cdf(counts, n, p)
    at_least = scipy.stats.binom.sf(counts - 1, n, p)
    return int(counts[at_most <= 0.01][-1]), int(counts[at_least <= 0.01][0])


EXERCISES = {
    "source auc": Exercise(
        _source_auc,
        "somebody sees only the source of a film. The best score that this person can give is the fraction of this "
        "source's films with an effusion. Fill an array with it, source by source.",
    ),
    "auc within sources": Exercise(
        _auc_within,
        "go through the sources as in section 3. For each, p * q is its number of pairs. Skip the source if this is 0. "
        "Add up AUC * p * q, add up p * q, and divide.",
    ),
    "capacity with ties": Exercise(
        _capacity_with_ties,
        "go through the different scores from the lowest up (np.unique sorts them). How many films reach each of them? "
        "Stop at the first score that few enough films reach. If there is none, return np.inf.",
    ),
    "drift alarm": Exercise(
        _alarm_limits,
        "binom.pmf gives the probability of each count from 0 to n. Section 5 adds them up from the highest count "
        "down. For the lower limit add them up from 0.",
    ),
}
