"""Lesson 0: for each exercise a right answer, and typical wrong ones with words of the reply that each must get."""

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
    "path two networks": {
        "right": """\
def sensitivity_of_two(labels, first, second):
    called = first | second
    return called[labels == 1].mean()
""",
        "wrong": [
            (
                """\
def sensitivity_of_two(labels, first, second):
    called = first & second
    return called[labels == 1].mean()
""",
                "only if both networks call it",
            ),
            (
                """\
def sensitivity_of_two(labels, first, second):
    return (first[labels == 1].mean() + second[labels == 1].mean()) / 2
""",
                "the mean of the two sensitivities",
            ),
            (
                """\
def sensitivity_of_two(labels, first, second):
    missed = (1 - first[labels == 1].mean()) * (1 - second[labels == 1].mean())
    return 1 - missed
""",
                "miss independently",
            ),
            (
                """\
def sensitivity_of_two(labels, first, second):
    called = first | second
    return (called == labels).mean()
""",
                "That is the accuracy",
            ),
            (
                """\
def sensitivity_of_two(labels, first, second):
    called = first | second
    return labels[called].mean()
""",
                "divide by the number of calls",
            ),
            (
                """\
def sensitivity_of_two(labels, first, second):
    called = first | second
    return (called & (labels == 1)).mean()
""",
                "by the number of all films",
            ),
            (
                """\
def sensitivity_of_two(labels, first, second):
    called = first or second
    return called[labels == 1].mean()
""",
                "For arrays write `|`",
            ),
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
