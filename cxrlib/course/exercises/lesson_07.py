"""The exercises of lesson 7: weights and odds, a learning rate."""

from collections.abc import Callable

import numpy as np

from cxrlib.course.checks import Exercise, require


def _weight_from_a_cut(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with (1 - cut) / cut."""
    for cut in (*rng.uniform(0.01, 0.45, 10), *rng.uniform(0.55, 0.9, 10), 0.5):
        given = float(answer(cut))
        right = (1 - cut) / cut
        at = f"for a cut of {cut:.2f} you get a weight of {given:.3f}"
        is_near = lambda value, given=given: bool(np.isclose(given, value, rtol=1e-3))
        if is_near(right):
            continue
        require(
            not is_near(1 / cut),
            f"{at}. You solved cut = 1 / w. The rule is cut = 1 / (1 + w): at a cut of one half both errors cost the "
            "same, and the weight must be 1.",
        )
        require(
            not is_near(cut / (1 - cut)),
            f"{at}. That is upside down. A lower cut calls more films. So a miss costs more, and the weight is larger.",
        )
        require(
            not is_near(0.5 / cut),
            f"{at}. You divided the probability 0.5 by the cut. The weight multiplies the odds and not the "
            "probability: what are the odds of 0.5, and what are the odds of the cut?",
        )
        require(
            not is_near(1 / cut + 1),
            f"{at}. One step is wrong: from cut = 1 / (1 + w) follows 1 + w = 1 / cut. Take the 1 to the other side.",
        )
        require(
            not is_near(1 / (1 - cut)),
            f"{at}. A higher cut gives a higher weight in your answer. A higher cut calls fewer films, so it must be "
            "the other way round.",
        )
        require(
            not is_near(round(right)) or cut == 0.5,
            f"{at}. The idea is right, but do not round: the exact weight is {right:.3f}.",
        )
        require(
            not is_near(1 - cut),
            f"{at}. That is the probability of no effusion at the cut. The odds are a ratio of two probabilities.",
        )
        require(
            not is_near(1 / (1 + cut)),
            f"{at}. You put the cut in the place of w: 1 / (1 + w) gives the cut for a weight. Here the cut is known: "
            "solve cut = 1 / (1 + w) for w.",
        )
        require(False, f"{at}, and {right:.3f} is right. Solve cut = 1 / (1 + w) for w.")
    return "it was tried on 21 cuts."


def _weight_exchanged(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the odds of p, divided by the old weight and multiplied by the new."""
    for _ in range(20):
        p = float(rng.uniform(0.05, 0.95))
        old, new = (float(each) for each in rng.choice([2.0, 3.0, 4.0, 6.0, 9.0, 12.0], 2, replace=False))
        given = float(answer(p, old, new))
        odds = p / (1 - p)
        probability = lambda odds: odds / (1 + odds)
        at = f"p = {p:.2f} with the weight {old:g}, exchanged for {new:g}, gave {given:.3f}"
        is_near = lambda value, given=given: bool(np.isclose(given, value, rtol=1e-4))
        require(
            not is_near(p * new / old) and not is_near(min(p * new / old, 1.0)),
            f"{at}. You multiplied the probability, which can give more than 1. The weight multiplies the odds, "
            "p / (1 - p).",
        )
        require(
            not is_near(odds * new / old),
            f"{at}. These are odds. Turn them into a probability: odds / (1 + odds).",
        )
        require(
            not is_near(probability(odds * old / new)),
            f"{at}. You moved the wrong way: a larger weight raises p.",
        )
        require(
            not is_near(probability(odds / old)),
            f"{at}. That is the score: the old weight is taken out, and the new one is not put in.",
        )
        require(
            not is_near(probability(odds * new)),
            f"{at}. You put the new weight in, and the old one is still in as well. Take it out first.",
        )
        require(
            not is_near(probability(odds * old * new)),
            f"{at}. You multiplied by both weights. The old weight is in the odds already: divide by it.",
        )
        require(not is_near(odds / old), f"{at}. These are the odds of the score. The new weight is still missing.")
        require(
            not is_near(probability(odds / old) * new),
            f"{at}. You multiplied the score, which is a probability. Multiply the odds first, and then "
            "turn them into a probability.",
        )
        require(
            not is_near(probability(odds ** (new / old))),
            f"{at}. You multiplied the logit. The weight multiplies the odds. For the logit this means "
            "to add log(new / old).",
        )
        moved = odds * new / old
        require(
            not is_near(moved / (1 - moved)),
            f"{at}. The odds are right. To turn them into a probability, divide by 1 + odds and not by 1 - odds.",
        )
        right = probability(moved)
        require(is_near(right), f"{at}, and {right:.3f} is right. Start from the odds, p / (1 - p).")
    return "it was tried on 20 films, with weights that rise and that fall."


def _rate_that_ends_above_0(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the formula at every step of several schedules."""
    for _ in range(5):
        warm_up, rest = int(rng.integers(5, 20)), int(rng.integers(40, 100))
        steps, top = warm_up + rest, float(rng.uniform(0.5, 3.0))
        last = float(rng.uniform(0.05, 0.3)) * top
        t = np.arange(steps + 1)
        given = np.array([float(answer(int(step), steps, warm_up, top, last)) for step in t])
        done = (t - warm_up) / rest
        height = (1 + np.cos(np.pi * done)) / 2
        schedule = lambda falling, t=t, warm_up=warm_up, top=top: np.where(t < warm_up, top * t / warm_up, falling)
        right = schedule(last + (top - last) * height)
        at = f"with steps = {steps}, warm_up = {warm_up}, top = {top:.2f} and last = {last:.2f} "
        fits = lambda values, given=given: bool(np.allclose(given, values, rtol=1e-6, atol=1e-9))
        end = f"your rate at step {steps} is {given[-1]:.3f}"
        require(
            not fits(schedule(top * height)),
            f"{at}{end}. It falls to 0, and `last` changes nothing.",
        )
        require(
            not fits(schedule(np.maximum(last, top * height))) and not fits(np.maximum(last, schedule(top * height))),
            f"{at}{end}, but the cosine is cut off: the rate is constant at the end. Let the cosine itself run from "
            "`top` to `last`, by a height of top - last.",
        )
        require(
            not fits(schedule(last + top * height)),
            f"{at}your rate jumps to {given[warm_up]:.3f} after the warm-up, above `top`. The cosine begins at `top` "
            "and ends at `last`, so its height is not `top` but the difference of the two.",
        )
        require(
            not fits(schedule(last + (top - last) * 2 * height)),
            f"{at}your rate at step {warm_up} is {given[warm_up]:.3f}, above `top`. 1 + cos(...) falls from 2 to 0: "
            "divide it by 2.",
        )
        require(
            not fits(schedule((top - last) * height)),
            f"{at}{end}. Your rate falls by the right height, from top - last to 0. Lift it by `last`.",
        )
        require(
            not fits(np.where(t < warm_up, last + (top - last) * t / warm_up, right)),
            f"{at}your rate at step 0 is {given[0]:.3f}. `last` belongs to the end. The warm-up rises from 0.",
        )
        require(
            not fits(schedule(top + (last - top) * done)),
            f"{at}your rate falls in a straight line. It must fall along half a cosine.",
        )
        of_all = (1 + np.cos(np.pi * t / steps)) / 2
        require(
            not fits(schedule(last + (top - last) * of_all)),
            f"{at}your rate jumps from {given[warm_up - 1]:.3f} to {given[warm_up]:.3f} and not to `top` after the "
            "warm-up. The decay begins at step warm_up, so the steps of the warm-up do not count in it.",
        )
        of_rest = (1 + np.cos(np.pi * (t - warm_up) / steps)) / 2
        require(
            not fits(schedule(last + (top - last) * of_rest)),
            f"{at}{end}, and not `last`: the decay has not ended. It lasts steps - warm_up steps, because the warm-up "
            "took the others.",
        )
        whole = (1 + np.cos(2 * np.pi * done)) / 2
        require(
            not fits(schedule(last + (top - last) * whole)),
            f"{at}{end}. Your rate falls and rises again: that is a whole cosine. Half of one ends at pi.",
        )
        require(
            not fits(last + (top - last) * height),
            f"{at}your rate at step 0 is {given[0]:.3f}, and it must be 0. The warm-up is missing.",
        )
        wrong = np.flatnonzero(~np.isclose(given, right, rtol=1e-6, atol=1e-9))
        if len(wrong):
            step = wrong[0]
            part = "in the warm-up" if step < warm_up else "in the decay"
            at += f"your rate at step {step}, {part}, is {given[step]:.4f}"
            require(False, f"{at}, and {right[step]:.4f} is right.")
    return "it was tried on every step of 5 schedules."


def _errors_of_one_alone(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the numbers of films on which only the first, and only the second network is wrong."""
    given, rights, mistakes, at = [], [], [], ""
    for _ in range(10):
        w, n = float(rng.choice([3.0, 4.0, 6.0, 9.0])), int(rng.integers(150, 250))
        labels = (rng.random(n) < 0.3).astype(int)
        odds = np.exp(rng.normal(-2.0, 1.0, n) + 1.2 * labels)
        plain, weighted = odds * np.exp(rng.normal(0, 0.7, n)), w * odds * np.exp(rng.normal(0, 0.4, n))
        p_plain, p_weighted = plain / (1 + plain), weighted / (1 + weighted)
        found = answer(labels.copy(), p_plain.copy(), p_weighted.copy(), w)
        require(
            isinstance(found, (tuple, list, np.ndarray)) and len(found) == 2,
            f"your function returns {found!r:.60}. Return two counts: the films on which only the first network is "
            "wrong, and those on which only the second is.",
        )
        given.append((float(found[0]), float(found[1])))
        right, wrong = _counts_alone(labels, p_plain, p_weighted, w)
        rights.append(right)
        mistakes.append(wrong)
        if not at and given[-1] != right:
            at = (
                f"with w = {w:g} you get {given[-1][0]:g} and {given[-1][1]:g}, and {right[0]} and {right[1]} are right"
            )
    for words in mistakes[0]:  # a mistake must explain all 10 results: one may agree by chance
        require(given == rights or given != [each[words] for each in mistakes], f"{at}. {words}")
    require(given == rights, f"{at}. Begin with the errors of each network.")
    return "it was tried on 10 pairs of networks."


def _counts_alone(
    labels: np.ndarray, p_plain: np.ndarray, p_weighted: np.ndarray, w: float
) -> tuple[tuple[int, int], dict[str, tuple[int, int]]]:
    """Return the two right counts, and those of each typical mistake by the words that explain it."""
    both = lambda first, second: (int(first.sum()), int(second.sum()))
    alone = lambda first, second: both(first & ~second, second & ~first)
    ill, cut = labels == 1, 1 / (1 + w)
    errors = lambda cut, cut_weighted: ((p_plain >= cut) != ill, (p_weighted >= cut_weighted) != ill)
    called, called_weighted = p_plain >= cut, p_weighted >= 0.5
    right = alone(*errors(cut, 0.5))
    return right, {
        "You cut both networks at 0.5. The network without a weight has lower odds: section 2 says where to cut it.": (
            alone(*errors(0.5, 0.5))
        ),
        "You cut the first network at 1 / w. These are the odds of the cut.": alone(*errors(1 / w, 0.5)),
        "You cut both networks at 1 / (1 + w). The second was trained with the weight: its cut is 0.5.": (
            alone(*errors(cut, cut))
        ),
        "You exchanged the two cuts.": alone(*errors(0.5, cut)),
        "These are all errors of each network. Count the films on which the other network is right.": (
            both(*errors(cut, 0.5))
        ),
        "These counts are in the wrong order: first the films on which only the network without a weight is wrong.": (
            right[::-1]
        ),
        "You counted films that only one network calls. A call is an error only if the film shows no effusion.": (
            alone(called, called_weighted)
        ),
        "You counted missed effusions only. A false alarm is an error, too.": alone(
            ~called & ill, ~called_weighted & ill
        ),
        "You counted false alarms only. A missed effusion is an error, too.": alone(
            called & ~ill, called_weighted & ~ill
        ),
    }


EXERCISES = {
    "loss weight from a cut": Exercise(
        _weight_from_a_cut,
        "section 2 says which cut of the score belongs to p = 0.5 and a weight w. Solve this for w.",
    ),
    "loss weight exchanged": Exercise(
        _weight_exchanged,
        "the weight multiplies the odds p / (1 - p). Take the old weight out of the odds, and put the new one in.",
    ),
    "errors of one network alone": Exercise(
        _errors_of_one_alone,
        "make one array of True and False for each network: is it wrong on this film? Section 2 gives both cuts.",
    ),
    "rate that ends above 0": Exercise(
        _rate_that_ends_above_0,
        "in section 4, (1 + cos(...)) / 2 falls from 1 to 0. What must you multiply it by, and what must you add, so "
        "that it falls from top to last?",
    ),
}
