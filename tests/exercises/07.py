"""Lesson 7: for each exercise a right answer, and typical wrong ones with words of the reply that each must get."""

ANSWERS = {
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
    "errors of one network alone": {
        "right": """\
def errors_alone(labels, p_plain, p_weighted, w):
    plain_wrong = (p_plain >= 1 / (1 + w)) != (labels == 1)
    weighted_wrong = (p_weighted >= 0.5) != (labels == 1)
    only_plain = plain_wrong & ~weighted_wrong
    only_weighted = weighted_wrong & ~plain_wrong
    return only_plain.sum(), only_weighted.sum()
""",
        "wrong": [
            (
                """\
def f(labels, p_plain, p_weighted, w):
    a, b = (p_plain >= 0.5) != labels, (p_weighted >= 0.5) != labels
    return (a & ~b).sum(), (b & ~a).sum()
""",
                "both networks at 0.5",
            ),
            (
                """\
def f(labels, p_plain, p_weighted, w):
    a, b = (p_plain >= 1 / w) != labels, (p_weighted >= 0.5) != labels
    return (a & ~b).sum(), (b & ~a).sum()
""",
                "odds of the cut",
            ),
            (
                """\
def f(labels, p_plain, p_weighted, w):
    a, b = (p_plain >= 1 / (1 + w)) != labels, (p_weighted >= 1 / (1 + w)) != labels
    return (a & ~b).sum(), (b & ~a).sum()
""",
                "its cut is 0.5",
            ),
            (
                """\
def f(labels, p_plain, p_weighted, w):
    a, b = (p_plain >= 0.5) != labels, (p_weighted >= 1 / (1 + w)) != labels
    return (a & ~b).sum(), (b & ~a).sum()
""",
                "exchanged the two cuts",
            ),
            (
                """\
def f(labels, p_plain, p_weighted, w):
    a, b = (p_plain >= 1 / (1 + w)) != labels, (p_weighted >= 0.5) != labels
    return a.sum(), b.sum()
""",
                "all errors of each network",
            ),
            (
                """\
def f(labels, p_plain, p_weighted, w):
    a, b = (p_plain >= 1 / (1 + w)) != labels, (p_weighted >= 0.5) != labels
    return (b & ~a).sum(), (a & ~b).sum()
""",
                "in the wrong order",
            ),
            (
                """\
def f(labels, p_plain, p_weighted, w):
    a, b = p_plain >= 1 / (1 + w), p_weighted >= 0.5
    return (a & ~b).sum(), (b & ~a).sum()
""",
                "only one network calls",
            ),
            (
                """\
def f(labels, p_plain, p_weighted, w):
    a, b = p_plain >= 1 / (1 + w), p_weighted >= 0.5
    return (b & ~a & (labels == 1)).sum(), (a & ~b & (labels == 1)).sum()
""",
                "missed effusions only",
            ),
            (
                """\
def f(labels, p_plain, p_weighted, w):
    a, b = p_plain >= 1 / (1 + w), p_weighted >= 0.5
    return (a & ~b & (labels == 0)).sum(), (b & ~a & (labels == 0)).sum()
""",
                "false alarms only",
            ),
            (
                """\
def f(labels, p_plain, p_weighted, w):
    a, b = (p_plain >= 1 / (1 + w)) != labels, (p_weighted >= 0.5) != labels
    return (a != b).sum()
""",
                "Return two counts",
            ),
            ("def f(labels, p_plain, p_weighted, w):\n    return 7.0, 1000.0\n", "Begin with the errors of each"),
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
