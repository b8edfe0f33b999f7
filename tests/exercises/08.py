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
                """\
def floor_threshold(labels, scores, floor):
    return np.quantile(scores, 1 - floor)
""",
                "sort their scores alone",
            ),
            (
                """\
def floor_threshold(labels, scores, floor):
    return np.quantile(scores[labels == 1], 1 - floor)
""",
                "interpolates",
            ),
            (
                """\
def floor_threshold(labels, scores, floor):
    effusions = np.sort(scores[labels == 1])
    return effusions[int(len(effusions) * (1 - floor))]
""",
                "your idea is right",
            ),
            (
                """\
def floor_threshold(labels, scores, floor):
    effusions = np.sort(scores[labels == 1])
    return effusions[int(len(effusions) * floor)]
""",
                "Count from the lowest",
            ),
            (
                """\
def floor_threshold(labels, scores, floor):
    return scores[labels == 1].min()
""",
                "How many effusions may be missed",
            ),
            (
                """\
def floor_threshold(labels, scores, floor):
    effusions = np.sort(scores[labels == 1])
    return effusions[int(len(effusions) * (1 - floor) + 1e-9) - 1]
""",
                "1 effusion too low",
            ),
            (
                """\
def floor_threshold(labels, scores, floor):
    effusions = np.sort(scores[labels == 1])
    return effusions[int(len(effusions) * (1 - floor) + 1e-9) + 1]
""",
                "1 effusion too high",
            ),
            (
                """\
def floor_threshold(labels, scores, floor):
    effusions = scores[labels == 1]
    return effusions[int(len(effusions) * (1 - floor) + 1e-9)]
""",
                "are not sorted",
            ),
            (
                """\
def floor_threshold(labels, scores, floor):
    effusions = np.sort(scores[labels == 1])
    return int(len(effusions) * (1 - floor) + 1e-9)
""",
                "Return the score at this position",
            ),
            (
                """\
def floor_threshold(labels, scores, floor):
    return np.sort(scores[labels == 1])[10]
""",
                "always the 11th",
            ),
            (
                """\
def floor_threshold(labels, scores, floor):
    return max(t for t in scores if (scores[labels == 0] >= t).mean() >= 1 - floor)
""",
                "that is the specificity",
            ),
        ],
    },
    "needed specificity": {
        "right": """\
def needed_specificity(sensitivity, prevalence, ppv):
    right = 1000 * prevalence * sensitivity
    false = right * (1 - ppv) / ppv
    return 1 - false / (1000 * (1 - prevalence))
""",
        "wrong": [
            (
                """\
def needed_specificity(sensitivity, prevalence, ppv):
    right = 1000 * prevalence * sensitivity
    return right * (1 - ppv) / ppv / (1000 * (1 - prevalence))
""",
                "1 minus it",
            ),
            (
                """\
def needed_specificity(sensitivity, prevalence, ppv):
    return 1 - sensitivity * (1 - ppv) / ppv
""",
                "must change with the prevalence",
            ),
            (
                """\
def needed_specificity(sensitivity, prevalence, ppv):
    return 1 - prevalence * sensitivity * (1 - ppv) / ppv
""",
                "divided the false alarms by all people",
            ),
            (
                """\
def needed_specificity(sensitivity, prevalence, ppv):
    return 1 - prevalence * sensitivity * ppv / (1 - ppv) / (1 - prevalence)
""",
                "the wrong way round",
            ),
            (
                """\
def needed_specificity(sensitivity, prevalence, ppv):
    return 1 - prevalence * (1 - ppv) / ppv / (1 - prevalence)
""",
                "use the sensitivity",
            ),
            (
                """\
def needed_specificity(sensitivity, prevalence, ppv):
    return 1 - sensitivity * prevalence / ppv / (1 - prevalence)
""",
                "all alarms minus the right ones",
            ),
            (
                """\
def needed_specificity(sensitivity, prevalence, ppv):
    return 1 - sensitivity * prevalence * (1 - ppv) / (1 - prevalence)
""",
                "a fraction of all alarms",
            ),
        ],
    },
    "cut elsewhere": {
        "right": """\
def cut_elsewhere(c, old, new):
    odds = 1 / c  # the odds of 1 / (1 + c)
    odds = odds * (old / (1 - old)) / (new / (1 - new))
    return odds / (1 + odds)
""",
        "wrong": [
            (
                """\
def cut_elsewhere(c, old, new):
    return 1 / (1 + c)
""",
                "The scores here are not shifted",
            ),
            (
                """\
def cut_elsewhere(c, old, new):
    odds = 1 / c * (new / (1 - new)) / (old / (1 - old))
    return odds / (1 + odds)
""",
                "the wrong way",
            ),
            (
                """\
def cut_elsewhere(c, old, new):
    return 1 / (1 + c) * old / new
""",
                "Multiply the odds",
            ),
            (
                """\
def cut_elsewhere(c, old, new):
    return 1 / c * (old / (1 - old)) / (new / (1 - new))
""",
                "These are the odds",
            ),
            (
                """\
def cut_elsewhere(c, old, new):
    odds = 1 / c * old / new
    return odds / (1 + odds)
""",
                "ratio of the probabilities",
            ),
            (
                """\
def cut_elsewhere(c, old, new):
    odds = 1 / (1 + c) * (old / (1 - old)) / (new / (1 - new))
    return odds / (1 + odds)
""",
                "You took 1 / (1 + c) as odds",
            ),
            (
                """\
def cut_elsewhere(c, old, new):
    return 1 / (1 + c) * (old / (1 - old)) / (new / (1 - new))
""",
                "multiplied a probability by a ratio of odds",
            ),
        ],
    },
    "wrong statements": {
        "right": """\
wrong_statements = "BDF"
""",
        "wrong": [
            ('wrong_statements = "BD"\n', "left out F"),
            ('wrong_statements = "BDE"\n', "E makes no mistake"),
            ('wrong_statements = "DF"\n', "left out B"),
            ('wrong_statements = "BFC"\n', "C makes no mistake"),
        ],
    },
}
