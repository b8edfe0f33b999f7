"""Lesson 4: for each exercise a right answer, and typical wrong ones with words of the reply that each must get."""

ANSWERS = {
    "augmentation zoom": {
        "right": """\
def look_closer(x, y, s, size):
    centre = (size - 1) / 2
    return np.array([[1 / s, 0, x - centre / s], [0, 1 / s, y - centre / s], [0, 0, 1]])
""",
        "wrong": [
            (
                """\
def look_closer(x, y, s, size):
    centre = (size - 1) / 2
    return np.array([[s, 0, centre - s * x], [0, s, centre - s * y], [0, 0, 1]])
""",
                "from the old film to the new one",
            ),
            (
                """\
def look_closer(x, y, s, size):
    centre = (size - 1) / 2
    return np.array([[s, 0, x - centre * s], [0, s, y - centre * s], [0, 0, 1]])
""",
                "times smaller",
            ),
            (
                """\
def look_closer(x, y, s, size):
    centre = (size - 1) / 2
    return np.array([[1 / s, 0, y - centre / s], [0, 1 / s, x - centre / s], [0, 0, 1]])
""",
                "swapped",
            ),
            (
                """\
def look_closer(x, y, s, size):
    return np.array([[1 / s, 0, x], [0, 1 / s, y], [0, 0, 1]])
""",
                "top-left corner",
            ),
            (
                """\
def look_closer(x, y, s, size):
    centre = (size - 1) / 2
    return np.array([[1 / s, 0, x - centre], [0, 1 / s, y - centre], [0, 0, 1]])
""",
                "only without scaling",
            ),
            (
                """\
def look_closer(x, y, s, size):
    centre = (size - 1) / 2
    return np.array([[1 / s, 0, centre - centre / s], [0, 1 / s, centre - centre / s], [0, 0, 1]])
""",
                "about its own centre",
            ),
            (
                """\
def look_closer(x, y, s, size):
    return np.array([[1 / s, 0, x - size / 2 / s], [0, 1 / s, y - size / 2 / s], [0, 0, 1]])
""",
                "not size / 2",
            ),
            (
                """\
def look_closer(x, y, s, size):
    return np.array([[1 / s, 0, x], [0, 1 / s, y]])
""",
                "the shape (2, 3)",
            ),
            (
                """\
def look_closer(x, y, s, size):
    c = (size - 1) / 2
    return np.array([[1 / s, 0, c - (c + c - x) / s], [0, 1 / s, c - (c + c - y) / s], [0, 0, 1]])
""",
                "enlarge first and shift afterwards",
            ),
            (
                """\
def look_closer(x, y, s, size):
    c = (size - 1) / 2
    return np.array([[1 / s, 0, (x - c) / s], [0, 1 / s, (y - c) / s], [0, 0, 1]])
""",
                "enlarge about the top-left corner",
            ),
            (
                """\
def look_closer(x, y, s, size):
    c = (size - 1) / 2
    return np.array([[1 / s, 0, c / s - x], [0, 1 / s, c / s - y], [0, 0, 1]])
""",
                "in the wrong direction",
            ),
            (
                """\
def look_closer(x, y, s, size):
    c = (size - 1) / 2
    return np.array([[1 / s, 0, c - x / s], [0, 1 / s, c - y / s], [0, 0, 1]])
""",
                "divide the old point by s",
            ),
            (
                """\
def look_closer(x, y, s, size):
    c = (size - 1) / 2
    return np.array([[1, 0, x - c], [0, 1, y - c], [0, 0, 1]])
""",
                "the diagonal should be",
            ),
        ],
    },
    "augmentation shift": {
        "right": """\
from cxrlib.images import Augmentation

mine = Augmentation(shift=0.06, scale=0.05, rotate=5.0)
""",
        "wrong": [
            (
                """\
from cxrlib.images import Augmentation

mine = Augmentation(shift=0.1, scale=0.05, rotate=5.0)
""",
                "Use a smaller shift",
            ),
            (
                """\
from cxrlib.images import Augmentation

mine = Augmentation(shift=0.02, scale=0.05, rotate=5.0)
""",
                "not the largest shift",
            ),
            (
                """\
from cxrlib.images import Augmentation

mine = Augmentation(shift=0.06)
""",
                "scale is 0, and the exercise fixes it at 0.05",
            ),
            (
                """\
from cxrlib.images import Augmentation

mine = Augmentation(shift=0.06, scale=0.05, rotate=5.0, vertical_flip=True)
""",
                "upside down",
            ),
            (
                """\
from cxrlib.images import Augmentation

mine = Augmentation(shift=0.3, scale=0.05, rotate=5.0, probability=0.1)
""",
                "probability of 0.1",
            ),
            ("mine = 0.06\n", "of the type float"),
        ],
    },
    "augmentation comparisons": {
        "right": """\
from scipy import stats


def most_comparisons(differences):
    distance = abs(np.mean(differences)) / stats.sem(differences)
    for comparisons in range(100, 0, -1):
        if distance > stats.t.ppf(1 - 0.025 / comparisons, len(differences) - 1):
            return comparisons
    return 0
""",
        "wrong": [
            (
                """\
from scipy import stats


def most_comparisons(differences):
    most = 0
    for comparisons in range(1, 101):
        t = stats.t.ppf(1 - 0.025 / comparisons, len(differences) - 1)
        half = t * stats.sem(differences)
        if np.mean(differences) > half:
            most = comparisons
    return most
""",
                "only differences above zero",
            ),
            (
                """\
from scipy import stats


def most_comparisons(differences):
    most = 1
    for comparisons in range(1, 101):
        t = stats.t.ppf(1 - 0.025 / comparisons, len(differences) - 1)
        half = t * stats.sem(differences)
        if abs(np.mean(differences)) > half:
            most = comparisons
    return most
""",
                "already with 1 comparison",
            ),
            (
                """\
from scipy import stats


def most_comparisons(differences):
    most = 0
    for comparisons in range(1, 101):
        t = stats.t.ppf(1 - 0.05 / comparisons, len(differences) - 1)
        half = t * stats.sem(differences)
        if abs(np.mean(differences)) > half:
            most = comparisons
    return most
""",
                "on each side",
            ),
            (
                """\
from scipy import stats


def most_comparisons(differences):
    most = 0
    for comparisons in range(1, 101):
        t = stats.norm.ppf(1 - 0.025 / comparisons)
        half = t * stats.sem(differences)
        if abs(np.mean(differences)) > half:
            most = comparisons
    return most
""",
                "normal distribution",
            ),
            (
                """\
from scipy import stats


def most_comparisons(differences):
    most = 0
    for comparisons in range(1, 101):
        t = stats.t.ppf(1 - 0.025 / comparisons, len(differences) - 1)
        half = t * np.std(differences, ddof=1)
        if abs(np.mean(differences)) > half:
            most = comparisons
    return most
""",
                "standard deviation of the seeds",
            ),
            (
                """\
from scipy import stats


def most_comparisons(differences):
    most = 0
    for comparisons in range(1, 101):
        t = stats.t.ppf(1 - 0.025 / comparisons, len(differences) - 1)
        half = t * np.std(differences) / len(differences) ** 0.5
        if abs(np.mean(differences)) > half:
            most = comparisons
    return most
""",
                "ddof=1",
            ),
            (
                """\
from scipy import stats


def most_comparisons(differences):
    most = 0
    for comparisons in range(1, 101):
        level = 0.95 / comparisons
        t = stats.t.ppf((1 + level) / 2, len(differences) - 1)
        half = t * stats.sem(differences)
        if abs(np.mean(differences)) > half:
            most = comparisons
    return most
""",
                "narrower with more comparisons",
            ),
            (
                """\
from scipy import stats


def most_comparisons(differences):
    for comparisons in range(1, 101):
        t = stats.t.ppf(1 - 0.025 / comparisons, len(differences) - 1)
        half = t * stats.sem(differences)
        if abs(np.mean(differences)) < half:
            return comparisons
    return 100
""",
                "the first number",
            ),
            (
                """\
from scipy import stats


def most_comparisons(differences):
    for comparisons in range(1, 101):
        t = stats.t.ppf(1 - 0.025 / comparisons, len(differences) - 1)
        half = t * stats.sem(differences)
        if abs(np.mean(differences)) > half:
            return comparisons
    return 0
""",
                "never return more than 1",
            ),
            (
                """\
from scipy import stats


def most_comparisons(differences):
    most = 0
    for comparisons in range(1, 101):
        t = stats.t.ppf(1 - 0.025 / comparisons, len(differences) - 1)
        half = t * stats.sem(differences)
        if abs(np.mean(differences)) > half:
            most += 0.5
    return most
""",
                "whole number",
            ),
        ],
    },
}
