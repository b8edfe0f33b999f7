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
    "blended weights": {
        "right": """\
def blend(start, trained, fraction):
    pairs = zip(start, trained)
    return [(1 - fraction) * a + fraction * b for a, b in pairs]
""",
        "wrong": [
            (
                """\
def blend(start, trained, fraction):
    return [fraction * a + (1 - fraction) * b for a, b in zip(start, trained)]
""",
                "this fraction of the start",
            ),
            (
                """\
def blend(start, trained, fraction):
    return [(a + b) / 2 for a, b in zip(start, trained)]
""",
                "the mean of both",
            ),
            (
                """\
def blend(start, trained, fraction):
    return [a + fraction * b for a, b in zip(start, trained)]
""",
                "the weights grow",
            ),
            (
                """\
def blend(start, trained, fraction):
    for a, b in zip(start, trained):
        a += fraction * (b - a)
    return start
""",
                "changes the arrays of start",
            ),
            (
                """\
def blend(start, trained, fraction):
    pairs = zip(start, trained)
    return [(1 - fraction) * a.mean() + fraction * b.mean() for a, b in pairs]
""",
                "keep its shape",
            ),
        ],
    },
    "capacity with ties": {
        "right": """\
def capacity_threshold(scores, capacity):
    most = int(len(scores) * capacity + 1e-9)
    allowed = [s for s in np.unique(scores) if np.sum(scores >= s) <= most]
    return min(allowed)
""",
        "wrong": [
            (
                """\
def capacity_threshold(scores, capacity):
    most = int(len(scores) * capacity + 1e-9)
    return np.sort(scores)[::-1][most - 1]
""",
                "all flagged or all left alone",
            ),
            (
                """\
def capacity_threshold(scores, capacity):
    most = int(len(scores) * capacity)
    allowed = [s for s in np.unique(scores) if np.sum(scores >= s) <= most]
    return min(allowed)
""",
                "Your idea is right",
            ),
            (
                """\
def capacity_threshold(scores, capacity):
    return np.quantile(scores, 1 - capacity)
""",
                "np.quantile",
            ),
            (
                """\
def capacity_threshold(scores, capacity):
    most = int(len(scores) * capacity + 1e-9)
    return np.sort(scores)[most]
""",
                "Flag the highest scores",
            ),
            (
                """\
def capacity_threshold(scores, capacity):
    return np.max(scores)
""",
                "A lower threshold flags",
            ),
            (
                """\
def capacity_threshold(scores, capacity):
    return np.sort(scores)[::-1][int(len(scores) * capacity + 1e-9)]
""",
                "the first film that is too many",
            ),
            (
                """\
def capacity_threshold(scores, capacity):
    most = round(len(scores) * capacity)
    return min(s for s in scores if np.sum(scores >= s) <= most)
""",
                "Do not round up",
            ),
        ],
    },
    "drift alarm": {
        "right": """\
def alarm_count(n, capacity):
    rng = np.random.default_rng(0)
    weeks = rng.binomial(n, capacity, 100_000)
    return int(np.quantile(weeks, 0.99)) + 1
""",
        "wrong": [
            (
                """\
def alarm_count(n, capacity):
    return n * capacity
""",
                "every second week",
            ),
            (
                """\
def alarm_count(n, capacity):
    weeks = np.random.default_rng(0).binomial(200, capacity, 100_000)
    return (int(np.quantile(weeks, 0.99)) + 1) * n / 200
""",
                "in proportion to n",
            ),
            (
                """\
def alarm_count(n, capacity):
    weeks = np.random.default_rng(0).binomial(n, capacity, 100_000)
    return int(np.quantile(weeks, 0.01))
""",
                "the other end",
            ),
            (
                """\
def alarm_count(n, capacity):
    return n * capacity + np.sqrt(n * capacity * (1 - capacity))
""",
                "at most 1 %",
            ),
            (
                """\
def alarm_count(n, capacity):
    return 1.5 * n * capacity
""",
                "rarer than needed",
            ),
            (
                """\
def alarm_count(n, capacity):
    weeks = np.random.default_rng(0).binomial(200, 0.2, 100_000)
    return int(np.quantile(weeks, 0.99)) + 1
""",
                "the limit of section 6",
            ),
        ],
    },
}
