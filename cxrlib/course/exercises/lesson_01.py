"""The exercises of lesson 1: accuracy without looking, the AUC of calls, a detector to buy, the AUC after a change."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

from cxrlib.course.checks import Exercise, WrongAnswer, require


def _number(given: Any, where: str) -> float:
    """Return the answer as a number, or say that it is none."""
    try:
        return float(given)
    except (TypeError, ValueError):
        raise WrongAnswer(f"{where} you return {given!r}. One number is needed.") from None


def _accuracy_without_looking(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the larger class, at prevalences on both sides of one half."""
    values = [*np.round(rng.uniform(0.02, 0.45, 5), 2), *np.round(rng.uniform(0.55, 0.95, 5), 2)]
    given = np.array([_number(answer(p), f"at a prevalence of {p:g}") for p in values])
    prevalence = np.array(values)
    at = f"at a prevalence of {prevalence[0]:g} you get {given[0]:.3f}"
    high = f"at a prevalence of {prevalence[-1]:g} you get {given[-1]:.3f}"
    require(
        not np.allclose(given, given[0]),
        f"{at}, and {high}. The accuracy of a detector that never looks depends on the prevalence. Count it for "
        "100 films, of which 30 show an effusion.",
    )
    require(bool((given <= 1).all()), f"{high}. An accuracy is a fraction from 0 to 1, and not a percentage.")
    require(
        not np.allclose(given, 1 - prevalence),
        f"{high}. That is the detector that always says 'no effusion'. Where most films show an effusion, "
        "the other detector is right more often.",
    )
    require(
        not np.allclose(given, prevalence),
        f"{at}. That is the detector that always says 'effusion'. Where effusions are rare, the other detector is "
        "right more often.",
    )
    require(
        not np.allclose(given, np.minimum(prevalence, 1 - prevalence)),
        f"{at}. That is the worse of the two detectors. The question asks for the better one.",
    )
    mixed = prevalence**2 + (1 - prevalence) ** 2
    require(
        not np.allclose(given, mixed),
        f"{at}. That is a detector that says 'effusion' by chance, as often as effusions occur. The two of the "
        "question always say the same.",
    )
    expected = np.maximum(prevalence, 1 - prevalence)
    wrong = np.flatnonzero(~np.isclose(given, expected))
    require(
        not len(wrong),
        ""
        if not len(wrong)
        else f"at a prevalence of {prevalence[wrong[0]]:g} you get {given[wrong[0]]:.3f}, and "
        f"{expected[wrong[0]]:.3f} is right. Of 100 films, on how many is each of the two detectors right?",
    )
    return "it was tried at 10 prevalences, below and above one half."


RIGHT = "right"
"""The key of the right value among the values of typical mistakes."""


def _aucs_of_calls(tp: int, fn: int, fp: int, tn: int) -> dict[str, float]:
    """Return the right AUC of calls, and what typical mistakes give, by the words that explain them."""
    ill, well = tp + fn, fp + tn
    se, sp = tp / ill, tn / well
    right = (se + sp) / 2
    return {
        RIGHT: right,
        "Ties are missing: two films that are both called tie, and so do two that are both not called. A tie counts "
        "one half.": se * sp,
        "You count a tie as a whole win. A tie counts one half.": 1 - (1 - se) * (1 - sp),
        "That is the accuracy: it counts films. The AUC counts pairs of one effusion and one other film.": (tp + tn)
        / (ill + well),
        "That is the fraction of the effusions that are called. The false alarms must count, too.": se,
        "That is the fraction of the other films that are left alone. The missed effusions must count, too.": sp,
        "That is 1 minus the AUC: you count the pairs in which the wrong film scores higher.": 1 - right,
        "You add two rates. An AUC is at most 1. How many pairs are there in all?": se + sp,
        "That is 0 for a detector that calls by chance. Its AUC must be 0.5.": se + sp - 1,
        "One kind of tie is missing: two films that are both not called tie as well.": se * sp + se * (1 - sp) / 2,
        "One kind of tie is missing: two films that are both called tie as well.": se * sp + (1 - se) * sp / 2,
        "You pair films of the same class: TP and FN are both effusions. A pair is one effusion and one other film.": (
            tp * tn + (tp * fn + fp * tn) / 2
        )
        / (ill * well),
        "That is the mean of the sensitivity and of the false alarm rate. A detector with more false alarms would get "
        "a higher AUC.": (se + 1 - sp) / 2,
        "You leave out the pairs that are lost. They count 0, but they belong to the number of all pairs.": right
        / (1 - (1 - se) * (1 - sp)),
        "That is the number of pairs that are won. Divide it by the number of all pairs.": right * ill * well,
        "You divide by the number of films. Divide by the number of pairs.": right * ill * well / (ill + well),
    }


def _auc_of_yes_or_no(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the pairs of films that are called or not, and with typical mistakes, on 20 confusion matrices."""
    tried = 0
    while tried < 20:
        ill, well = (int(n) for n in rng.integers(20, 400, 2))
        tp, tn = int(rng.integers(ill // 2, ill)), int(rng.integers(well // 2 + 1, well))
        counts = (tp, ill - tp, well - tn, tn)
        values = _aucs_of_calls(*counts)
        if np.diff(np.sort(list(values.values()))).min() < 0.002:
            continue  # two mistakes give nearly the same value, so the words could be the wrong ones
        tried += 1
        where = "for TP {}, FN {}, FP {} and TN {}".format(*counts)
        given = _number(answer(*counts), where)
        at = f"{where} you get {given:.3f}"
        right = values.pop(RIGHT)
        for words, value in values.items():
            require(not np.isclose(given, value), f"{at}. {words}")
        require(
            bool(np.isclose(given, right)),
            f"{at}, and {right:.3f} is right. Give a called film the score 1 and the others the score 0. In which "
            "pairs is the effusion's score higher, and in which are both equal?",
        )
    return "it was tried on 20 confusion matrices."


def _draw_matrices(rng: np.random.Generator) -> list[np.ndarray]:
    """Return 3 confusion matrices of detectors that were tested on 3 numbers of films, a tenth with an effusion."""
    matrices = []
    for films in rng.permutation([500, 1000, 2000]):
        ill = films // 10
        tp = round(ill * rng.uniform(0.5, 0.98))
        fp = round((films - ill) * rng.uniform(0.02, 0.4))
        matrices.append(np.array([[tp, ill - tp], [fp, films - ill - fp]]))
    return matrices


def _costs(matrix: np.ndarray, miss_cost: float) -> dict[str, float]:
    """Return what each rule wants to be small. The first rule is right; the others are named by their mistake."""
    (tp, fn), (fp, tn) = matrix.tolist()
    films = tp + fn + fp + tn
    cost = miss_cost * fn + fp
    return {
        RIGHT: cost / films,
        "you compare the cost of the whole test sets. A detector that was tested on fewer films makes fewer errors. "
        "Compare the cost of one film": cost,
        "you choose the detector with the highest accuracy. Accuracy counts a miss like a false alarm": (fn + fp)
        / films,
        "you add up the errors, and a miss counts like a false alarm": fn + fp,
        "you choose the detector that misses the smallest fraction of the effusions. It may raise so many false alarms "
        "that it costs more": fn / (tp + fn),
        "you choose the detector that raises the fewest false alarms for its films. Its misses cost more": fp
        / (fp + tn),
        "the two errors are swapped: you let the false alarm cost more. In the matrix, the miss stands in the first "
        "row, on the right": (miss_cost * fp + fn) / films,
        "you choose the detector with the smallest number of misses, and a small test set has few effusions": fn,
        "you add the error rates of both classes, as if half of the films showed an effusion": miss_cost
        * fn
        / (tp + fn)
        + fp / (fp + tn),
        "you choose the most expensive detector instead of the cheapest": -cost / films,
    }


Game = tuple[list[np.ndarray], float]
"""Three confusion matrices, and the cost of a miss."""


def _draw_games(rng: np.random.Generator) -> list[Game]:
    """Return at least 40 games. In 2 of them or more, each two rules choose differently."""
    games: list[Game] = []
    while len(games) < 40 or not _all_differ(_choices(games)):
        matrices, miss_cost = _draw_matrices(rng), float(rng.choice([2, 5, 10]))
        cheapest, second, _ = sorted(_costs(matrix, miss_cost)[RIGHT] for matrix in matrices)
        if second - cheapest > 0.005:
            games.append((matrices, miss_cost))
    return games


def _choices(games: list[Game]) -> dict[str, list[int]]:
    """Return what each rule chooses in each game."""
    chosen: dict[str, list[int]] = {}
    for matrices, miss_cost in games:
        table = [_costs(matrix, miss_cost) for matrix in matrices]
        for rule in table[0]:
            chosen.setdefault(rule, []).append(int(np.argmin([costs[rule] for costs in table])))
    return chosen


def _all_differ(choices: dict[str, list[int]]) -> bool:
    pairs = combinations(choices.values(), 2)
    return all(np.sum(np.array(one) != np.array(other)) >= 2 for one, other in pairs)


def _detector_to_buy(answer: Callable, rng: np.random.Generator) -> str:
    """Compare the choices in many games with those of the right rule, and then with those of each wrong one."""
    games = _draw_games(rng)
    given = []
    for matrices, miss_cost in games:
        copies = [matrix.copy() for matrix in matrices]
        given.append(_number(answer(copies, miss_cost), "for 3 matrices"))
    choices = _choices(games)
    right = choices.pop(RIGHT)
    if given == right:
        return f"it was tried on {len(games)} games of 3 detectors, with 3 different costs of a miss."
    strange = [number for number in given if number not in (0, 1, 2)]
    require(
        not strange,
        f"in one game you return {strange[0] if strange else 0:g}. The 3 detectors have the numbers 0, 1 and 2: return "
        "the place in the list, and not a cost.",
    )
    wrong = next(game for game in range(len(games)) if given[game] != right[game])
    matrices, miss_cost = games[wrong]
    shown = ", ".join(str(matrix.tolist()) for matrix in matrices)
    at = f"for {shown} and a miss that costs {miss_cost:g} you choose {given[wrong]:g}"
    for rule, chosen in choices.items():
        require(given != chosen, f"{at}: {rule}. In this game {right[wrong]} is the cheapest.")
    by_film = ", ".join(f"{_costs(matrix, miss_cost)[RIGHT]:.3f}" for matrix in matrices)
    raise WrongAnswer(f"{at}. The 3 cost {by_film} for one film, so {right[wrong]} is the cheapest.")


def _auc_after_a_change(answer: Callable, rng: np.random.Generator) -> str:
    """Compare the three AUCs with what the pairs say."""
    for value in np.round(rng.uniform(0.55, 0.98, 10), 3):
        given = answer(float(value))
        require(
            isinstance(given, tuple | list | np.ndarray) and len(given) == 3,
            f"you return {given!r}. Three numbers are needed: return a, b, c.",
        )
        start = f"with an AUC of {value:g},"
        turned, squared, repeated = (_number(number, f"{start} in one of the three places") for number in given)
        require(
            not np.isclose(turned, value),
            f"{start} the scores 1 - score get {turned:.3f} from you. Turning the scores round also turns the order "
            "in every pair. Who wins a pair that the effusion had won?",
        )
        require(
            turned >= 0,
            f"{start} the scores 1 - score get {turned:.3f} from you. An AUC is a fraction of pairs, so it is never "
            "negative.",
        )
        require(
            not np.isclose(turned, 0.5),
            f"{start} the scores 1 - score get 0.5 from you. That would be a coin. But turned scores are wrong in the "
            "same pairs every time.",
        )
        require(
            np.isclose(turned, 1 - value),
            f"{start} the scores 1 - score get {turned:.3f} from you, and {1 - value:.3f} is right. In each pair, the "
            "other film wins now.",
        )
        require(
            not np.isclose(squared, value**2),
            f"{start} the squared scores get {squared:.3f} from you. You squared the AUC. It is the scores that are "
            "squared. Does the order of two scores from 0 to 1 change when both are squared?",
        )
        require(
            np.isclose(squared, value),
            f"{start} the squared scores get {squared:.3f} from you. Of two scores from 0 to 1, which is higher after "
            "squaring? The AUC asks nothing else.",
        )
        require(
            not np.isclose(repeated, value / 3) and not np.isclose(repeated, value * 3),
            f"{start} threefold films without effusion get {repeated:.3f} from you. There are 3 times as many pairs, "
            "and 3 times as many are won. The AUC is a fraction of the pairs.",
        )
        require(
            not np.isclose(repeated, 1 - (1 - value) / 3) and not np.isclose(repeated, value / (3 - 2 * value)),
            f"{start} threefold films without effusion get {repeated:.3f} from you. More films without effusion do not "
            "make a detector better or worse at pairs. Accuracy moves with the prevalence, the AUC does not.",
        )
        require(
            np.isclose(repeated, value),
            f"{start} threefold films without effusion get {repeated:.3f} from you, and {value:g} is right. Think of "
            "the table of pairs: each column stands there 3 times.",
        )
    return "it was tried on 10 AUCs."


EXERCISES = {
    "accuracy without looking": Exercise(
        _accuracy_without_looking,
        "of 100 films, 100 * prevalence show an effusion. On how many of the 100 is 'always no effusion' right, and on "
        "how many 'always effusion'?",
    ),
    "auc of yes or no": Exercise(
        _auc_of_yes_or_no,
        "there are (TP + FN) * (FP + TN) pairs. In TP * TN of them the effusion has 1 and the other film has 0. In "
        "which pairs do both films have the same?",
    ),
    "detector to buy": Exercise(
        _detector_to_buy,
        "take one matrix. Which of its 4 numbers costs miss_cost, which costs 1, and over how many films?",
    ),
    "auc after a change": Exercise(
        _auc_after_a_change,
        "draw the table of pairs of section 3 again, for 1 - score, for score ** 2, and with each column 3 times.",
    ),
}
