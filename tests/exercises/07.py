"""Lesson 7: for each exercise a right answer, and typical wrong ones with words of the reply that each must get."""

ANSWERS = {
    "loss with two costs": {
        "right": """\
def mean_loss(labels, p, miss, alarm):
    effusion = -miss * labels * np.log(p)
    other = -alarm * (1 - labels) * np.log(1 - p)
    return np.mean(effusion + other)
""",
        "wrong": [
            (
                """\
def f(labels, p, miss, alarm):
    return np.mean(-miss * (labels * np.log(p) + (1 - labels) * np.log(1 - p)))
""",
                "both terms by `miss`",
            ),
            (
                """\
def f(labels, p, miss, alarm):
    return np.mean(-alarm * labels * np.log(p) - miss * (1 - labels) * np.log(1 - p))
""",
                "are swapped",
            ),
            (
                """\
def f(labels, p, miss, alarm):
    loss = -np.log(np.where(labels == 1, p, 1 - p))
    return np.average(loss, weights=np.where(labels == 1, miss, alarm))
""",
                "sum of the weights",
            ),
            (
                """\
def f(labels, p, miss, alarm):
    return np.mean(-miss * labels * np.log(p) - (1 - labels) * np.log(1 - p))
""",
                "counts once",
            ),
            (
                """\
def f(labels, p, miss, alarm):
    return -miss * labels * np.log(p) - alarm * (1 - labels) * np.log(1 - p)
""",
                "return their mean",
            ),
            (
                """\
def f(labels, p, miss, alarm):
    return np.sum(-miss * labels * np.log(p) - alarm * (1 - labels) * np.log(1 - p))
""",
                "the sum over the films",
            ),
            (
                """\
def f(labels, p, miss, alarm):
    return np.mean(miss * labels * np.log(p) + alarm * (1 - labels) * np.log(1 - p))
""",
                "each term begins with a minus",
            ),
            (
                """\
def f(labels, p, miss, alarm):
    return np.mean(-miss * labels * np.log(p) + alarm * (1 - labels) * np.log(1 - p))
""",
                "One of the two terms",
            ),
            (
                """\
def f(labels, p, miss, alarm):
    return np.mean(-miss / alarm * labels * np.log(p) - (1 - labels) * np.log(1 - p))
""",
                "only the ratio",
            ),
            (
                """\
def f(labels, p, miss, alarm):
    return np.mean(-miss * labels * np.log(p))
""",
                "without effusion are missing",
            ),
            (
                """\
def f(labels, p, miss, alarm):
    return np.mean(-miss * labels * np.log(1 - p) - alarm * (1 - labels) * np.log(p))
""",
                "p and 1 - p are exchanged",
            ),
            (
                """\
def f(labels, p, miss, alarm):
    ill, well = p[labels == 1], p[labels == 0]
    return -miss * np.mean(np.log(ill)) - alarm * np.mean(np.log(1 - well))
""",
                "the mean of each class by itself",
            ),
        ],
    },
    "loss weight from a cut": {
        "right": """\
def weight_for(cut):
    return (1 - cut) / cut
""",
        "wrong": [
            ("def f(cut):\n    return 1 / cut\n", "cut = 1 / w"),
            ("def f(cut):\n    return cut / (1 - cut)\n", "upside down"),
            ("def f(cut):\n    return 0.5 / cut\n", "the odds and not the probability"),
            ("def f(cut):\n    return 1 - cut\n", "a ratio of two probabilities"),
            ("def f(cut):\n    return 1 / (1 + cut)\n", "in the place of w"),
            ("def f(cut):\n    return 1 / cut + 1\n", "to the other side"),
            ("def f(cut):\n    return 1 / (1 - cut)\n", "the other way round"),
            ("def f(cut):\n    return round((1 - cut) / cut)\n", "do not round"),
            ("def f(cut):\n    return 9.51\n", "is right. Solve"),
        ],
    },
    "loss weight exchanged": {
        "right": """\
def exchange_weight(p, old, new):
    odds = p / (1 - p)
    odds = odds / old * new
    return odds / (1 + odds)
""",
        "wrong": [
            ("def f(p, old, new):\n    return p / old * new\n", "multiplied the probability"),
            ("def f(p, old, new):\n    return p / (1 - p) / old * new\n", "These are odds"),
            ("def f(p, old, new):\n    odds = p * old / (1 - p) / new\n    return odds / (1 + odds)\n", "wrong way"),
            ("def f(p, old, new):\n    odds = p / (1 - p) / old\n    return odds / (1 + odds)\n", "That is the score"),
            ("def f(p, old, new):\n    odds = p / (1 - p) * new\n    return odds / (1 + odds)\n", "still in as well"),
            ("def f(p, old, new):\n    return min(p / old * new, 1)\n", "multiplied the probability"),
            (
                "def f(p, old, new):\n    odds = p / (1 - p) * new * old\n    return odds / (1 + odds)\n",
                "by both weights",
            ),
            ("def f(p, old, new):\n    return p / (1 - p) / old\n", "still missing"),
            (
                "def f(p, old, new):\n    odds = p / (1 - p) / old\n    return odds / (1 + odds) * new\n",
                "the score, which",
            ),
            (
                "def f(p, old, new):\n    z = np.log(p / (1 - p)) * new / old\n    return 1 / (1 + np.exp(-z))\n",
                "the logit",
            ),
            (
                "def f(p, old, new):\n    odds = p / (1 - p) / old * new\n    return odds / (1 - odds)\n",
                "not by 1 - odds",
            ),
        ],
    },
    "rate that ends above 0": {
        "right": """\
def rate_at(t, steps, warm_up, top, last):
    if t < warm_up:
        return top * t / warm_up
    done = (t - warm_up) / (steps - warm_up)
    return last + (top - last) * (1 + np.cos(np.pi * done)) / 2
""",
        "wrong": [
            (
                """\
def f(t, steps, warm_up, top, last):
    if t < warm_up:
        return top * t / warm_up
    return top * (1 + np.cos(np.pi * (t - warm_up) / (steps - warm_up))) / 2
""",
                "`last` changes nothing",
            ),
            (
                """\
def f(t, steps, warm_up, top, last):
    if t < warm_up:
        return top * t / warm_up
    return max(last, top * (1 + np.cos(np.pi * (t - warm_up) / (steps - warm_up))) / 2)
""",
                "the cosine is cut off",
            ),
            (
                """\
def f(t, steps, warm_up, top, last):
    if t < warm_up:
        return top * t / warm_up
    return last + top * (1 + np.cos(np.pi * (t - warm_up) / (steps - warm_up))) / 2
""",
                "above `top`",
            ),
            (
                """\
def f(t, steps, warm_up, top, last):
    if t < warm_up:
        return top * t / warm_up
    return last + (top - last) * (1 + np.cos(np.pi * t / steps)) / 2
""",
                "do not count in it",
            ),
            (
                """\
def f(t, steps, warm_up, top, last):
    if t < warm_up:
        return top * t / warm_up
    return last + (top - last) * (1 + np.cos(np.pi * (t - warm_up) / steps)) / 2
""",
                "the decay has not ended",
            ),
            (
                """\
def f(t, steps, warm_up, top, last):
    if t < warm_up:
        return top * t / warm_up
    return last + (top - last) * (1 + np.cos(2 * np.pi * (t - warm_up) / (steps - warm_up))) / 2
""",
                "a whole cosine",
            ),
            (
                """\
def f(t, steps, warm_up, top, last):
    if t < warm_up:
        return top * t / warm_up
    return last + (top - last) * (1 + np.cos(np.pi * (t - warm_up) / (steps - warm_up)))
""",
                "divide it by 2",
            ),
            (
                """\
def f(t, steps, warm_up, top, last):
    if t < warm_up:
        return top * t / warm_up
    return (top - last) * (1 + np.cos(np.pi * (t - warm_up) / (steps - warm_up))) / 2
""",
                "Lift it by `last`",
            ),
            (
                """\
def f(t, steps, warm_up, top, last):
    if t < warm_up:
        return last + (top - last) * t / warm_up
    return last + (top - last) * (1 + np.cos(np.pi * (t - warm_up) / (steps - warm_up))) / 2
""",
                "rises from 0",
            ),
            (
                """\
def f(t, steps, warm_up, top, last):
    if t < warm_up:
        return top * t / warm_up
    return top + (last - top) * (t - warm_up) / (steps - warm_up)
""",
                "in a straight line",
            ),
            (
                """\
def f(t, steps, warm_up, top, last):
    return last + (top - last) * (1 + np.cos(np.pi * (t - warm_up) / (steps - warm_up))) / 2
""",
                "warm-up is missing",
            ),
            (
                """\
def f(t, steps, warm_up, top, last):
    if t < warm_up:
        return top * (t + 1) / warm_up
    return last + (top - last) * (1 + np.cos(np.pi * (t - warm_up) / (steps - warm_up))) / 2
""",
                "at step 0, in the warm-up",
            ),
        ],
    },
}
