"""Lesson 11: for each exercise a right answer, and typical wrong ones with words of the reply that each must get."""

ANSWERS = {
    "audit an honest test": {
        "right": """\
def honest_test(split):
    is_test = split["split"] == "test"
    met = split["patient_id"][~is_test]
    return split["path"][is_test & ~split["patient_id"].isin(met)]
""",
        "wrong": [
            (
                """\
def honest_test(split):
    is_test = split["split"] == "test"
    met = split["path"][~is_test]
    return split["path"][is_test & ~split["path"].isin(met)]
""",
                "A leak is about patients",
            ),
            (
                """\
def honest_test(split):
    is_test = split["split"] == "test"
    met = split["patient_id"][split["split"] == "train"]
    return split["path"][is_test & ~split["patient_id"].isin(met)]
""",
                "The threshold was chosen on it",
            ),
            (
                """\
def honest_test(split):
    test = split[split["split"] == "test"]
    return test.drop_duplicates("patient_id")["path"]
""",
                "not enough to keep one film",
            ),
            (
                """\
def honest_test(split):
    films = split.groupby("patient_id")["path"].transform("size")
    return split["path"][(split["split"] == "test") & (films == 1)]
""",
                "are no leak",
            ),
            (
                """\
def honest_test(split):
    is_test = split["split"] == "test"
    met = split["patient_id"][~is_test]
    return split["patient_id"][is_test & ~split["patient_id"].isin(met)]
""",
                "Return paths of films",
            ),
            (
                """\
def honest_test(split):
    is_test = split["split"] == "test"
    met = split["patient_id"][~is_test]
    return split[is_test & ~split["patient_id"].isin(met)]
""",
                "Return its column path alone",
            ),
        ],
    },
    "audit within groups": {
        "right": """\
def auc_within(label, score, group):
    wins, pairs = 0, 0
    for name in np.unique(group):
        effusion = score[(group == name) & (label == 1)]
        other = score[(group == name) & (label == 0)]
        difference = effusion[:, None] - other
        wins += np.sum(difference > 0) + np.sum(difference == 0) / 2
        pairs += difference.size
    return wins / pairs
""",
        "wrong": [
            (
                """\
def auc_within(label, score, group):
    difference = score[label == 1][:, None] - score[label == 0]
    return np.mean(difference > 0) + np.mean(difference == 0) / 2
""",
                "Leave these pairs out",
            ),
            (
                """\
def auc_within(label, score, group):
    values = []
    for name in np.unique(group):
        effusion = score[(group == name) & (label == 1)]
        other = score[(group == name) & (label == 0)]
        difference = effusion[:, None] - other
        values.append(np.mean(difference > 0) + np.mean(difference == 0) / 2)
    return np.mean(values)
""",
                "Count pairs, not groups",
            ),
            (
                """\
def auc_within(label, score, group):
    total = 0
    for name in np.unique(group):
        effusion = score[(group == name) & (label == 1)]
        other = score[(group == name) & (label == 0)]
        difference = effusion[:, None] - other
        value = np.mean(difference > 0) + np.mean(difference == 0) / 2
        total += value * np.mean(group == name)
    return total
""",
                "weight by the number of pairs",
            ),
            (
                """\
def auc_within(label, score, group):
    wins, pairs = 0, 0
    for name in np.unique(group):
        effusion = score[(group == name) & (label == 1)]
        other = score[(group == name) & (label == 0)]
        difference = effusion[:, None] - other
        wins += np.sum(difference > 0)
        pairs += difference.size
    return wins / pairs
""",
                "but some pairs have equal scores",
            ),
            (
                """\
def auc_within(label, score, group):
    wins, pairs = 0, 0
    for name in np.unique(group):
        effusion = score[(group == name) & (label == 1)]
        other = score[(group == name) & (label == 0)]
        difference = effusion[:, None] - other
        wins += np.sum(difference >= 0)
        pairs += difference.size
    return wins / pairs
""",
                "equal scores as won",
            ),
            (
                """\
def auc_within(label, score, group):
    wins, pairs = 0, 0
    for name in np.unique(group):
        effusion = score[(group == name) & (label == 1)]
        other = score[(group == name) & (label == 0)]
        difference = effusion[:, None] - other
        wins += np.sum(difference < 0) + np.sum(difference == 0) / 2
        pairs += difference.size
    return wins / pairs
""",
                "Turn the comparison round",
            ),
        ],
    },
    "audit a tuned threshold": {
        "right": """\
def sensitivity_on_new_films(n, missed):
    places = n + 1
    below = missed + 1
    return (places - below) / places
""",
        "wrong": [
            (
                """\
def sensitivity_on_new_films(n, missed):
    return (n - missed) / n
""",
                "what is reported",
            ),
            (
                """\
def sensitivity_on_new_films(n, missed):
    return n / (n + 1)
""",
                "the threshold is higher",
            ),
            (
                """\
def sensitivity_on_new_films(n, missed):
    return (n + 1 - missed) / (n + 1)
""",
                "are below the threshold",
            ),
            (
                """\
def sensitivity_on_new_films(n, missed):
    return (missed + 1) / (n + 1)
""",
                "The sensitivity is the rest",
            ),
            (
                """\
def sensitivity_on_new_films(n, missed):
    rng, found = np.random.default_rng(1), []
    for _ in range(10000):
        threshold = np.sort(rng.random(n))[missed - 1]
        found.append(np.mean(rng.random(100) >= threshold))
    return np.mean(found)
""",
                "are below the threshold",
            ),
        ],
    },
    "audit five detectors": {
        "right": """\
from cxrlib.course.audit import solution

diagnosis = solution()  # the answer for your seed
""",
        "wrong": [
            (
                """\
from cxrlib.course.audit import solution

swapped = {"leak": "shortcut", "shortcut": "leak"}
diagnosis = {letter: (swapped.get(flaw, flaw), *numbers) for letter, (flaw, *numbers) in solution().items()}
answer = diagnosis
""",
                "3 of 5 flaws are right",
            ),
            (
                """\
from cxrlib.course.audit import solution

swapped = {"labels": "normalisation", "normalisation": "labels"}
diagnosis = {letter: (swapped.get(flaw, flaw), *numbers) for letter, (flaw, *numbers) in solution().items()}
""",
                "AUC at sites 0, 1 and 2",
            ),
            (
                """\
from cxrlib.course.audit import solution

swapped = {"threshold": "leak", "leak": "threshold"}
diagnosis = {letter: (swapped.get(flaw, flaw), *numbers) for letter, (flaw, *numbers) in solution().items()}
""",
                "Its threshold was chosen on",
            ),
            (
                """\
from cxrlib.course.audit import detectors, solution

diagnosis = {}
for letter, (flaw, *numbers) in solution().items():
    fresh_auc = detectors()[letter].fresh_report["auc"].value
    diagnosis[letter] = (flaw, fresh_auc) if flaw == "leak" else (flaw, *numbers)
answer = diagnosis
""",
                "4 of 5 numbers",
            ),
            (
                """\
from cxrlib.course.audit import detectors, solution

diagnosis = {}
for letter, (flaw, first, *rest) in solution().items():
    fresh_auc = detectors()[letter].fresh_report["auc"].value
    diagnosis[letter] = flaw, round(fresh_auc, 2) if flaw == "normalisation" else first, *rest
answer = diagnosis
""",
                "Give the AUC at the site where it is lowest",
            ),
            (
                """\
from cxrlib.course.audit import detectors, solution

diagnosis = {}
for letter, (flaw, first, *rest) in solution().items():
    sensitivity = detectors()[letter].fresh_report["sensitivity"].value
    diagnosis[letter] = flaw, sensitivity if flaw == "threshold" else first, *rest
answer = diagnosis
""",
                "is its sensitivity on fresh films",
            ),
            (
                """\
from cxrlib.course.audit import solution

diagnosis = {
    letter: (flaw, 0 if flaw == "labels" else first, *rest) for letter, (flaw, first, *rest) in solution().items()
}
""",
                "0 shows no flaw",
            ),
            (
                """\
from cxrlib.course.audit import solution

diagnosis = {
    letter: (flaw, 0.123 if flaw == "shortcut" else first, *rest) for letter, (flaw, first, *rest) in solution().items()
}
""",
                "does not show this flaw",
            ),
            (
                """\
from cxrlib.course.audit import solution

diagnosis = {letter: (flaw, first) for letter, (flaw, first, *rest) in solution().items()}
""",
                "give 2 numbers, and not 1",
            ),
            (
                """\
from cxrlib.course.audit import solution

diagnosis = {
    letter: (flaw, first, *(-number for number in rest if flaw == "shortcut"), *(rest if flaw != "shortcut" else ()))
    for letter, (flaw, first, *rest) in solution().items()
}
""",
                "has the wrong sign",
            ),
            (
                """\
from cxrlib.course.audit import solution

diagnosis = {
    letter: (flaw, first, *(first for _ in rest)) if flaw == "normalisation" else (flaw, first, *rest)
    for letter, (flaw, first, *rest) in solution().items()
}
""",
                "is not the second number",
            ),
            (
                """\
from cxrlib.course.audit import dealt

diagnosis = dealt()
""",
                "without a number",
            ),
            (
                """\
diagnosis = dict.fromkeys("ABCDE", ("shortcut", 0.9))
""",
                "Each occurs once",
            ),
            (
                """\
diagnosis = {"A": ("leak", 12)}
""",
                "a flaw and a number for each of the letters",
            ),
            (
                """\
diagnosis = dict.fromkeys("ABCDE", (12, "leak"))
""",
                "The flaw comes first",
            ),
        ],
    },
}
