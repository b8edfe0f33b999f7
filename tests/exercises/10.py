"""Lesson 10: for each exercise a right answer, and typical wrong ones with words of the reply that each must get."""

ANSWERS = {
    "source auc": {
        "right": """\
from cxrlib.evaluation import auc

def source_auc(source, label):
    score = np.zeros(len(label))
    for name in np.unique(source):
        score[source == name] = label[source == name].mean()
    return auc(label, score)
""",
        "wrong": [
            (
                """\
from cxrlib.evaluation import auc

def source_auc(source, label):
    score = np.unique(source, return_inverse=True)[1]
    return auc(label, score)
""",
                "in the order of their names",
            ),
            (
                """\
from cxrlib.evaluation import auc

def source_auc(source, label):
    return auc(label, [label[source == name].sum() for name in source])
""",
                "its number of effusions",
            ),
            (
                """\
from cxrlib.evaluation import auc

def source_auc(source, label):
    return auc(label, [(source == name).sum() for name in source])
""",
                "its number of films",
            ),
            (
                """\
from cxrlib.evaluation import auc

def source_auc(source, label):
    return auc(label, [1 - label[source == name].mean() for name in source])
""",
                "the wrong way",
            ),
            (
                """\
from cxrlib.evaluation import auc

def source_auc(source, label):
    return auc(label, [round(label[source == name].mean()) for name in source])
""",
                "yes or no for each source",
            ),
            (
                """\
from cxrlib.evaluation import auc

def source_auc(source, label):
    score = np.zeros_like(label)
    for name in np.unique(source):
        score[source == name] = label[source == name].mean()
    return auc(label, score)
""",
                "whole numbers",
            ),
            (
                """\
def source_auc(source, label):
    return {name: label[source == name].mean() for name in np.unique(source)}
""",
                "Return one number",
            ),
        ],
    },
    "auc within sources": {
        "right": """\
from cxrlib.evaluation import auc

def auc_within(source, label, score):
    right = pairs = 0
    for name in np.unique(source):
        films = source == name
        p, q = np.sum(label[films] == 1), np.sum(label[films] == 0)
        if p * q > 0:
            right += auc(label[films], score[films]) * p * q
            pairs += p * q
    return right / pairs
""",
        "wrong": [
            (
                """\
from cxrlib.evaluation import auc

def auc_within(source, label, score):
    return auc(label, score)
""",
                "This is the pooled AUC",
            ),
            (
                """\
from cxrlib.evaluation import performance_by

def auc_within(source, label, score):
    return performance_by(source, label, score, 0.5)["auc"].mean()
""",
                "the same weight",
            ),
            (
                """\
from cxrlib.evaluation import performance_by

def auc_within(source, label, score):
    table = performance_by(source, label, score, 0.5).dropna(subset="auc")
    return np.average(table["auc"], weights=table["n"])
""",
                "by the number of films",
            ),
            (
                """\
from cxrlib.evaluation import performance_by

def auc_within(source, label, score):
    table = performance_by(source, label, score, 0.5)
    pairs = table["n_finding"] * (table["n"] - table["n_finding"])
    return np.average(table["auc"], weights=pairs)
""",
                "One source has only one label",
            ),
            (
                """\
def auc_within(source, label, score):
    wins = []
    for i in np.flatnonzero(label == 1):
        wins.extend(score[i] > score[(label == 0) & (source == source[i])])
    return np.mean(wins)
""",
                "counts half a pair",
            ),
            (
                """\
def auc_within(source, label, score):
    wins = []
    for i in np.flatnonzero(label == 1):
        others = score[(label == 0) & (source == source[i])]
        wins.extend((score[i] < others) + (score[i] == others) / 2)
    return np.mean(wins)
""",
                "the wrong way",
            ),
            (
                """\
from cxrlib.evaluation import auc

def auc_within(source, label, score):
    return np.mean([auc(label[source == name], score[source == name]) for name in np.unique(source)])
""",
                "stopped with InputError",
            ),
            (
                """\
from cxrlib.evaluation import performance_by

def auc_within(source, label, score):
    table = performance_by(source, label, score, 0.5).dropna(subset="auc")
    return np.sum(table["auc"] * table["n_finding"] * (table["n"] - table["n_finding"]))
""",
                "number of pairs. Divide",
            ),
        ],
    },
    "leave one source out": {
        "right": """\
from cxrlib.evaluation import auc

def leave_one_out(films, label, source):
    aucs = {}
    for name in np.unique(source):
        out = source == name
        weights = np.linalg.lstsq(films[~out], label[~out], rcond=None)[0]
        aucs[name] = auc(label[out], films[out] @ weights)
    return aucs
""",
        "wrong": [
            (
                """\
from cxrlib.evaluation import auc

def leave_one_out(films, label, source):
    aucs = {}
    for name in np.unique(source):
        out = source == name
        weights = np.linalg.lstsq(films[:], label[:], rcond=None)[0]
        aucs[name] = auc(label[out], films[out] @ weights)
    return aucs
""",
                "also from those of this hospital",
            ),
            (
                """\
from cxrlib.evaluation import auc

def leave_one_out(films, label, source):
    aucs = {}
    for name in np.unique(source):
        out = source == name
        weights = np.linalg.lstsq(films[out], label[out], rcond=None)[0]
        aucs[name] = auc(label[out], films[out] @ weights)
    return aucs
""",
                "trained and tested on the films of this hospital",
            ),
            (
                """\
from cxrlib.evaluation import auc

def leave_one_out(films, label, source):
    aucs = {}
    for name in np.unique(source):
        out = source == name
        weights = np.linalg.lstsq(films[~out], label[~out], rcond=None)[0]
        aucs[name] = auc(label[~out], films[~out] @ weights)
    return aucs
""",
                "the films that the weights come from",
            ),
            (
                """\
from cxrlib.evaluation import auc

def leave_one_out(films, label, source):
    aucs = {}
    for name in np.unique(source):
        out = source == name
        weights = np.linalg.lstsq(films[out], label[out], rcond=None)[0]
        aucs[name] = auc(label[~out], films[~out] @ weights)
    return aucs
""",
                "the other way round",
            ),
            (
                """\
from cxrlib.evaluation import auc

def leave_one_out(films, label, source):
    aucs = {}
    for name in np.unique(source):
        out = source == name
        weights = np.linalg.lstsq(films[~out], label[~out], rcond=None)[0]
        aucs[name] = auc(label[out], films[out] @ weights >= 0.5)
    return aucs
""",
                "You rounded the scores",
            ),
            (
                """\
from cxrlib.evaluation import auc

def leave_one_out(films, label, source):
    aucs = {}
    for name in np.unique(source):
        out = source == name
        weights = np.linalg.lstsq(films[~out], label[~out], rcond=None)[0]
        aucs[name] = np.mean((films[out] @ weights >= 0.5) == label[out])
    return aucs
""",
                "the fraction of right answers",
            ),
            (
                """\
from cxrlib.evaluation import auc

def leave_one_out(films, label, source):
    aucs = {}
    for name in np.unique(source):
        out = source == name
        weights = np.linalg.lstsq(films[~out], label[~out], rcond=None)[0]
        aucs[name] = auc(label[out], films[out] @ weights)
    return np.mean(list(aucs.values()))
""",
                "Return a dictionary",
            ),
            (
                """\
from cxrlib.evaluation import auc

def leave_one_out(films, label, source):
    aucs = {}
    for name in np.unique(source):
        out = source == name
        weights = np.linalg.lstsq(films[~out], label[~out], rcond=None)[0]
        aucs[name] = auc(label[out], films[out, 0])
    return aucs
""",
                "Use all 3 numbers of a film",
            ),
        ],
    },
    "drift alarm": {
        "right": """\
from scipy.stats import binom

def alarm_limits(n, p):
    counts = np.arange(-1, n + 1)  # fewer than 0 never happens
    chance = binom.pmf(counts, n, p)
    at_most = chance.cumsum()
    at_least = chance[::-1].cumsum()[::-1]
    return counts[at_most <= 0.01][-1], counts[at_least <= 0.01][0]
""",
        "wrong": [
            (
                """\
from scipy.stats import binom

def alarm_limits(n, p):
    at_least = binom.pmf(np.arange(n + 1), n, p)[::-1].cumsum()[::-1]
    return np.argmax(at_least <= 0.01)
""",
                "Return 2 counts",
            ),
            (
                """\
def alarm_limits(n, p):
    return 26, 55
""",
                "Use n and p",
            ),
            (
                """\
def alarm_limits(n, p):
    weeks = np.random.default_rng(0).binomial(n, p, 10_000)
    return tuple(np.quantile(weeks, [0.01, 0.99]).astype(int))
""",
                "If you drew weeks",
            ),
            (
                """\
from scipy.stats import binom

def alarm_limits(n, p):
    counts = np.arange(n + 1)
    high = counts[binom.sf(counts - 1, n, p) <= 0.01][0]
    return n - high, high
""",
                "counts the films that are not flagged",
            ),
            (
                """\
from scipy.stats import binom

def alarm_limits(n, p):
    counts = np.arange(n + 1)
    high = counts[binom.sf(counts - 1, n, p) <= 0.01][0]
    return round(2 * n * p - high), high
""",
                "not the same on both sides",
            ),
            (
                """\
from scipy.stats import binom

def alarm_limits(n, p):
    counts = np.arange(201)
    low = counts[binom.cdf(counts, 200, p) <= 0.01][-1]
    high = counts[binom.sf(counts - 1, 200, p) <= 0.01][0]
    return round(low * n / 200), round(high * n / 200)
""",
                "in proportion to n",
            ),
            (
                """\
from scipy.stats import binom

def alarm_limits(n, p):
    counts = np.arange(n + 1)
    high = counts[binom.sf(counts - 1, n, p) <= 0.01][0]
    return high, counts[binom.cdf(counts, n, p) <= 0.01][-1]
""",
                "must be the lower limit",
            ),
            (
                """\
from scipy.stats import binom

def alarm_limits(n, p):
    low, high = binom.ppf([0.005, 0.995], n, p)
    return low - 1, high + 1
""",
                "is too high",
            ),
            (
                """\
from scipy.stats import binom

def alarm_limits(n, p):
    counts = np.arange(n + 1)
    high = counts[binom.sf(counts - 1, n, p) <= 0.01][0]
    return counts[binom.cdf(counts, n, p) <= 0.01][-1], high
""",
                "and the lower limit is -1. But alarm_limits stopped with IndexError",
            ),
            (
                """\
from scipy.stats import binom

def alarm_limits(n, p):
    counts = np.arange(n + 1)
    high = counts[binom.sf(counts - 1, n, p) <= 0.01][0]
    return max(counts[binom.cdf(counts, n, p) <= 0.01], default=0), high
""",
                "which is more than 1 %. So the lower limit is -1",
            ),
        ],
    },
}
