"""Lesson 0: for each exercise a right answer, and typical wrong ones with words of the reply that each must get."""

FINAL_TEST = """\
from cxrlib.evaluation import choose_by_sensitivity


def final_test(scores):
    val = scores[scores["split"] == "val"]
    test = scores[scores["split"] == "test"]
    threshold = choose_by_sensitivity(val["label"], val["score"], floor=0.90).threshold
    called = test["score"] >= threshold
    effusion = test["label"] == 1
    return threshold, called[effusion].mean(), effusion[called].mean()
"""
"""The right answer of the exercise "path final test". Each wrong one has one mistake in it."""

CHOSEN = 'choose_by_sensitivity(val["label"], val["score"], floor=0.90).threshold'
RATES = "called[effusion].mean(), effusion[called].mean()"
"""Parts of it that mistakes replace."""

ANSWERS = {
    "path inverted film": {
        "right": """\
def image_of(raw):
    scaled = (raw - raw.min()) / (raw.max() - raw.min())
    return 1 - scaled
""",
        "wrong": [
            (
                """\
def image_of(raw):
    return (raw - raw.min()) / (raw.max() - raw.min())
""",
                "did not invert it",
            ),
            (
                """\
def image_of(raw):
    return 1 - raw / raw.max()
""",
                "without the minimum",
            ),
            (
                """\
def image_of(raw):
    return 1 - raw / 255
""",
                "255 belongs to photographs",
            ),
            (
                """\
def image_of(raw):
    return raw.max() - raw
""",
                "did not divide",
            ),
            (
                """\
def image_of(raw):
    return -(raw - raw.min()) / (raw.max() - raw.min())
""",
                "A minus sign",
            ),
            (
                """\
def image_of(raw):
    scaled = (raw - raw.min()) / (raw.max() - raw.min())
    return scaled[::-1]
""",
                "upside down",
            ),
            (
                """\
def image_of(raw):
    return 1 - (raw - raw.min()) / raw.max()
""",
                "divided by the maximum",
            ),
            (
                """\
def image_of(raw):
    return raw.max()
""",
                "Each pixel needs its own value",
            ),
        ],
    },
    "path final test": {
        "right": FINAL_TEST,
        "wrong": [
            (FINAL_TEST.replace('val["label"], val["score"]', 'test["label"], test["score"]'), "on the test films"),
            (FINAL_TEST.replace('val["label"], val["score"]', 'scores["label"], scores["score"]'), "on all films"),
            (FINAL_TEST.replace(CHOSEN, "0.5"), "of the validation effusions"),
            (FINAL_TEST.replace("floor=0.90", "floor=0.99"), "with fewer false alarms"),
            (
                FINAL_TEST.replace('called = test["', 'called = val["').replace(
                    'effusion = test["', 'effusion = val["'
                ),
                "counted the validation films",
            ),
            (
                FINAL_TEST.replace(RATES, "effusion[called].mean(), called[effusion].mean()"),
                "Divide by the effusions",
            ),
            (
                FINAL_TEST.replace("effusion[called].mean()", "(called == effusion).mean()"),
                "how often the network is right",
            ),
            (FINAL_TEST.replace(f"threshold, {RATES}", "called[effusion].mean()"), "Return 3 numbers"),
        ],
    },
    "path patients": {
        "right": """\
def patients_on_both_sides(train, test):
    return len(set(train) & set(test))
""",
        "wrong": [
            (
                """\
def patients_on_both_sides(train, test):
    return sum(patient in train for patient in test)
""",
                "films of the test list",
            ),
            (
                """\
def patients_on_both_sides(train, test):
    return sum(a == b for a, b in zip(train, test))
""",
                "place by place",
            ),
            (
                """\
def patients_on_both_sides(train, test):
    return len(set(train + test))
""",
                "in at least one list",
            ),
            (
                """\
def patients_on_both_sides(train, test):
    return len(set(test) - set(train))
""",
                "in the test list only",
            ),
            (
                """\
def patients_on_both_sides(train, test):
    return set(train) & set(test)
""",
                "one number",
            ),
            (
                """\
def patients_on_both_sides(train, test):
    return len(train & test)
""",
                "Make sets first",
            ),
        ],
    },
    "path order": {
        "right": """\
steps_in_order = "DBCA"
""",
        "wrong": [
            ('steps_in_order = "DBAC"\n', "before the threshold is chosen"),
            ('steps_in_order = "BDCA"\n', "before the patients are split"),
            ('steps_in_order = "DCBA"\n', "before the network is trained"),
            ('steps_in_order = "DBC"\n', "each of the letters"),
        ],
    },
}
