"""Lesson 8: for each exercise a right answer, and typical wrong ones with words of the reply that each must get."""

ANSWERS = {
    "floor threshold": {
        "right": """\
def floor_threshold(labels, scores, floor):
    effusions = np.sort(scores[labels == 1])
    may_miss = int(len(effusions) * (1 - floor) + 1e-9)
    return effusions[may_miss]
""",
        "wrong": [
            (
                "def floor_threshold(labels, scores, floor):\n    return np.quantile(scores, 1 - floor)\n",
                "A higher threshold",
            ),
            (
                "def floor_threshold(labels, scores, floor):\n    return np.sort(scores[labels == 1])[int(len(scores) * 0.02) + 5]\n",
                "below the floor",
            ),
            ("def floor_threshold(labels, scores, floor):\n    return scores[labels == 1].min()\n", "may be missed"),
            (
                "def floor_threshold(labels, scores, floor):\n    return np.quantile(scores[labels == 1], floor)\n",
                "count from the lowest",
            ),
        ],
    },
    "alarms that are right": {
        "right": """\
def alarms_that_are_right(sensitivity, specificity, prevalence):
    right = sensitivity * prevalence
    false = (1 - specificity) * (1 - prevalence)
    return right / (right + false)
""",
        "wrong": [
            ("def f(sensitivity, specificity, prevalence):\n    return sensitivity\n", "the other way"),
            (
                "def f(sensitivity, specificity, prevalence):\n    return sensitivity / (sensitivity + 1 - specificity)\n",
                "half of the people",
            ),
            (
                "def f(sensitivity, specificity, prevalence):\n"
                "    return sensitivity * prevalence + (1 - specificity) * (1 - prevalence)\n",
                "divide the right alarms",
            ),
        ],
    },
    "new prevalence": {
        "right": """\
def new_score(score, old, new):
    odds = score / (1 - score)
    odds = odds / (old / (1 - old)) * (new / (1 - new))
    return odds / (1 + odds)
""",
        "wrong": [
            ("def f(score, old, new):\n    return score * new / old\n", "more than 1"),
            (
                "def f(score, old, new):\n    odds = score / (1 - score)\n"
                "    return odds / (old / (1 - old)) * (new / (1 - new))\n",
                "These are the odds",
            ),
            (
                "def f(score, old, new):\n    odds = score / (1 - score) * (old / (1 - old)) / (new / (1 - new))\n"
                "    return odds / (1 + odds)\n",
                "the wrong way",
            ),
        ],
    },
}
