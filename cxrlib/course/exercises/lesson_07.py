"""The exercises of lesson 7: a loss with two costs, weights and odds, a learning rate."""

from collections.abc import Callable

import numpy as np

from cxrlib.course.checks import Exercise, require


def _loss_with_two_costs(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the mean of the weighted cross-entropies, on batches of both classes."""
    for _ in range(20):
        n = int(rng.integers(10, 60))
        labels = np.concatenate([[0, 1, 1], rng.integers(0, 2, n)])
        p = rng.uniform(0.02, 0.98, len(labels))
        miss, alarm = float(rng.integers(5, 20)), float(rng.integers(2, 5))
        given = np.asarray(answer(labels, p, miss, alarm), dtype=float)
        effusion, other = -labels * np.log(p), -(1 - labels) * np.log(1 - p)
        films = miss * effusion + alarm * other
        right, total = films.mean(), films.sum()
        at = f"for {len(labels)} films with miss = {miss:g} and alarm = {alarm:g} "
        require(
            given.ndim == 0,
            f"{at}you return {given.size} numbers. These may be the losses of the films: return their mean.",
        )
        at += f"you get {float(given):.3f}"
        is_near = lambda value, given=given: bool(np.isclose(given, value, rtol=1e-4))
        if is_near(right):
            continue
        require(
            not is_near(-right),
            f"{at}. The size is right and the sign is not: the logarithm of a number below 1 is negative, so each term "
            "begins with a minus.",
        )
        require(not is_near(total), f"{at}. That is the sum over the films. Divide by their number.")
        require(
            not is_near((alarm * effusion + miss * other).mean()),
            f"{at}. The two costs are swapped: a miss is an error on an effusion, so `miss` belongs to the films with "
            "label 1.",
        )
        require(
            not is_near((miss * (effusion + other)).mean()),
            f"{at}. You multiply both terms by `miss`. Then every film counts the same, and the costs change nothing "
            "between the classes.",
        )
        require(
            not is_near((miss * effusion + other).mean()),
            f"{at}. A film without effusion counts once in your loss. It must count `alarm` times.",
        )
        require(
            not is_near((miss / alarm * effusion + other).mean()),
            f"{at}. You use only the ratio of the two costs. For the minimum this is enough, but the loss itself is "
            "then too small by the factor `alarm`.",
        )
        require(
            not is_near((miss * effusion).mean()),
            f"{at}. The films without effusion are missing. A false alarm costs something as well.",
        )
        swapped = -miss * labels * np.log(1 - p) - alarm * (1 - labels) * np.log(p)
        require(
            not is_near(swapped.mean()),
            f"{at}. p and 1 - p are exchanged: an effusion must cost little if p is near 1.",
        )
        require(
            not is_near((miss * effusion - alarm * other).mean())
            and not is_near((alarm * other - miss * effusion).mean()),
            f"{at}. One of the two terms has the wrong sign. Both logarithms are negative, so both terms begin with a "
            "minus.",
        )
        of_classes = miss * effusion[labels == 1].mean() + alarm * other[labels == 0].mean()
        require(
            not is_near(of_classes) and not is_near(of_classes / 2),
            f"{at}. You take the mean of each class by itself. That gives the rare class a further weight. Divide the "
            "sum of all films by the number of all films.",
        )
        require(
            not is_near(total / np.where(labels == 1, miss, alarm).sum()),
            f"{at}. You divide by the sum of the weights. Keras divides by the number of films. With your answer, "
            "doubling both costs would not change the loss.",
        )
        require(
            False,
            f"{at}, and {right:.3f} is right. Write the loss of one effusion, and of one other film, and only then "
            "the mean.",
        )
    return "it was tried on 20 batches with other costs."


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
        at = f"a sigmoid of {p:.2f} with the weight {old:g}, exchanged for {new:g}, gave {given:.3f}"
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
            f"{at}. You moved the wrong way: a larger weight raises the sigmoid.",
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


EXERCISES = {
    "loss with two costs": Exercise(
        _loss_with_two_costs,
        "begin with the line of section 1 that computes `loss`. Which factor stands before the second term there? "
        "Keras adds the losses of all films and divides by the number of films.",
    ),
    "loss weight from a cut": Exercise(
        _weight_from_a_cut,
        "section 2 says which cut of the score belongs to a sigmoid of 0.5 and a weight w. Solve this for w.",
    ),
    "loss weight exchanged": Exercise(
        _weight_exchanged,
        "the weight multiplies the odds p / (1 - p). Take the old weight out of the odds, and put the new one in.",
    ),
    "rate that ends above 0": Exercise(
        _rate_that_ends_above_0,
        "in section 4, (1 + cos(...)) / 2 falls from 1 to 0. What must you multiply it by, and what must you add, so "
        "that it falls from top to last?",
    ),
}
