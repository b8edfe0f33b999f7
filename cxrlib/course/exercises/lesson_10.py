"""The exercises of lesson 10: the source alone, pairs within sources, each source left out, two limits for drift."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from cxrlib.course.checks import Exercise, WrongAnswer, require
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


def _leave_one_out(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the AUC of each hospital, by weights from the other 2. In one, the tone says nothing."""
    for _ in range(6):
        names = rng.permutation(["north", "east", "south"])
        sizes = rng.integers(150, 300, 3)
        agreement = np.repeat([0.9, 0.9, 0.5], sizes)
        label = (rng.random(sizes.sum()) < np.repeat(rng.uniform(0.3, 0.5, 3), sizes)).astype(int)
        is_pale = rng.random(len(label)) < np.where(label == 1, agreement, 1 - agreement)
        sign = 1.2 * label + rng.normal(size=len(label))
        films = np.column_stack([sign, is_pale + 0.3 * rng.normal(size=len(label)), np.ones(len(label))])
        source, order = np.repeat(names, sizes), rng.permutation(len(label))
        films, label, source = films[order], label[order], source[order]
        given = answer(films.copy(), label.copy(), source.copy())
        require(
            isinstance(given, dict) and set(given) == set(names.tolist()),
            f"your function returns {given!r:.80}. Return a dictionary with one AUC for each of the hospitals "
            f"{', '.join(sorted(names))}.",
        )
        for name in names:
            _compare_left_out(_number(given[name], f"the AUC of {name}"), name, films, label, source)
    return "it was tried on 6 times 3 hospitals. In each 3, the tone of 1 hospital says nothing, and its AUC is low."


def _compare_left_out(given: float, name: str, films: np.ndarray, label: np.ndarray, source: np.ndarray) -> None:
    """Raise `WrongAnswer` unless this is the AUC of a hospital by weights from the others."""
    inside = source == name
    masks = {"inside": inside, "outside": ~inside, "all": np.full(len(label), True)}
    scores = {part: films @ np.linalg.lstsq(films[mask], label[mask], rcond=None)[0] for part, mask in masks.items()}
    aucs = {
        (trained, tested): auc(label[mask], scores[trained][mask])
        for trained in masks
        for tested, mask in masks.items()
    }
    right = aucs["outside", "inside"]
    if np.isclose(given, right, atol=1e-6):
        return
    at = f"for the hospital {name} you get {given:.3f}"
    mistakes = {
        ("all", "inside"): "Your weights come from all films, also from those of this hospital. Leave them out.",
        ("inside", "inside"): "You trained and tested on the films of this hospital. Train on the other hospitals.",
        ("outside", "outside"): "You tested on the films that the weights come from. Test on the hospital that was "
        "left out.",
        ("inside", "outside"): "It is the other way round: you trained on this hospital, and tested on the others.",
        ("outside", "all"): "You tested on all films. Most of them are those that the weights come from.",
        ("all", "all"): "You trained and tested on all films. No hospital was left out.",
    }
    for (trained, tested), words in mistakes.items():
        require(not np.isclose(given, aucs[trained, tested], atol=1e-6), f"{at}. {words}")
    called = (scores["outside"] >= 0.5).astype(float)
    require(
        not np.isclose(given, auc(label[inside], called[inside])),
        f"{at}. You rounded the scores to 0 and 1 before the AUC. It needs their order.",
    )
    require(
        not np.isclose(given, np.mean(called[inside] == label[inside])),
        f"{at}. That is the fraction of right answers at 0.5, and not the AUC.",
    )
    require(
        not np.isclose(given, 1 - right),
        f"{at}. Your pairs point the wrong way: auc takes the labels first, then the scores.",
    )
    require(False, f"{at}. The right answer is {right:.3f}. Use all 3 numbers of a film, as lstsq does in section 2.")


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
    "leave one source out": Exercise(
        _leave_one_out,
        "go through np.unique(source). With out = source == name, films[~out] are the films of the other hospitals. "
        "lstsq finds the weights, as in section 2.",
    ),
    "drift alarm": Exercise(
        _alarm_limits,
        "binom.pmf gives the probability of each count from 0 to n. Section 5 adds them up from the highest count "
        "down. For the lower limit add them up from 0.",
    ),
}
