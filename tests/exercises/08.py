"""Lesson 8: for each exercise a right answer, and typical wrong ones with words of the reply that each must get."""

ANSWERS = {
    "most misses": {
        "right": """\
from scipy.stats import binom

def most_misses(n, floor, sure):
    misses = np.arange(n)
    holds = binom.sf(misses, n, 1 - floor)
    return max(misses[holds >= sure], default=-1)
""",
        "wrong": [
            (
                """\
def most_misses(n, floor, sure):
    return int(n * (1 - floor) + 1e-9)
""",
                "New films are another",
            ),
            (
                """\
from scipy.stats import binom

def most_misses(n, floor, sure):
    misses = np.arange(n)
    holds = binom.sf(misses - 1, n, 1 - floor)
    return max(misses[holds >= sure], default=-1)
""",
                "That is 1 too many",
            ),
            (
                """\
from scipy.stats import binom

def most_misses(n, floor, sure):
    misses = np.arange(n)
    holds = binom.sf(misses, n, 1 - floor)
    return misses[holds < sure].min()
""",
                "That is 1 too many",
            ),
            (
                """\
from scipy.stats import binom

def most_misses(n, floor, sure):
    misses = np.arange(n)
    holds = binom.sf(misses, n, 1 - floor)
    return min(misses[holds >= sure], default=-1)
""",
                "Return the largest number that is sure enough",
            ),
            (
                """\
from scipy.stats import binom

def most_misses(n, floor, sure):
    misses = np.arange(n)
    holds = binom.sf(misses + 1, n, 1 - floor)
    return max(misses[holds >= sure], default=-1)
""",
                "You are 1 too low",
            ),
            (
                """\
from scipy.stats import binom

def most_misses(n, floor, sure):
    misses = np.arange(n)
    holds = binom.sf(misses, n, floor)
    return max(misses[holds >= sure], default=-1)
""",
                "which is not sure enough",
            ),
            (
                """\
def most_misses(n, floor, sure):
    return n * (1 - floor) * sure
""",
                "Return a number of effusions",
            ),
            (
                """\
from scipy.stats import binom

def most_misses(n, floor, sure):
    misses = np.arange(n)
    holds = binom.sf(misses, n, 1 - floor)
    return max(misses[holds >= sure], default=0)
""",
                "So for sure = 0.9 return -1",
            ),
            (
                """\
def most_misses(n, floor, sure):
    return int(np.ceil(n * (1 - floor) / 4))
""",
                "Return the largest number",
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
    cut = 1 / c  # the odds of 1 / (1 + c)
    cut = cut * (old / (1 - old)) / (new / (1 - new))
    return cut / (1 + cut)
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
