"""Lesson 3: for each exercise a right answer, and typical wrong ones with words of the reply that each must get."""

ANSWERS = {
    "split by patient": {
        "right": """\
def split_by_patient(patients, fraction, rng):
    people = rng.permutation(np.unique(patients))
    drawn = people[: round(fraction * len(people))]
    return np.isin(patients, drawn)
""",
        "wrong": [
            (
                """\
def split_by_patient(patients, fraction, rng):
    return rng.random(len(patients)) < fraction
""",
                "your split is by film: patient",
            ),
            (
                """\
def split_by_patient(patients, fraction, rng):
    people = np.unique(patients)
    return np.isin(patients, people[: round(fraction * len(people))])
""",
                "not drawn by chance",
            ),
            (
                """\
def split_by_patient(patients, fraction, rng):
    people = rng.permutation(np.unique(patients))
    return np.isin(patients, people[round(fraction * len(people)) :])
""",
                "That is the rest of them",
            ),
            (
                """\
def split_by_patient(patients, fraction, rng):
    drawn = rng.permutation(patients)[: round(fraction * len(patients))]
    return np.isin(patients, drawn)
""",
                "the fraction counts patients",
            ),
            (
                """\
def split_by_patient(patients, fraction, rng):
    people = rng.permutation(np.unique(patients))
    return people[: round(fraction * len(people))]
""",
                "True or False for each film",
            ),
            (
                """\
def split_by_patient(patients, fraction, rng):
    people = np.random.permutation(np.unique(patients))
    return np.isin(patients, people[: round(fraction * len(people))])
""",
                "no other generator",
            ),
            (
                """\
def split_by_patient(patients, fraction, rng):
    people = np.unique(patients)
    return np.isin(patients, people[rng.random(len(people)) < fraction])
""",
                "chance decides for each patient alone",
            ),
            (
                """\
def split_by_patient(patients, fraction, rng):
    people = np.unique(patients)
    return np.isin(patients, rng.choice(people, round(fraction * len(people))))
""",
                "replace=False",
            ),
            (
                """\
def split_by_patient(patients, fraction, rng):
    rng.shuffle(patients)
    people = np.unique(patients)
    return np.isin(patients, people[: round(fraction * len(people))])
""",
                "changes the array",
            ),
        ],
    },
    "leaked test films": {
        "right": """\
def leaked_fraction(patients, split):
    train = patients[split == "train"]
    test = patients[split == "test"]
    return np.isin(test, train).mean()
""",
        "wrong": [
            (
                """\
def leaked_fraction(patients, split):
    train, test = set(patients[split == "train"]), set(patients[split == "test"])
    return len(train & test) / len(test)
""",
                "You counted patients",
            ),
            (
                """\
def leaked_fraction(patients, split):
    return np.isin(patients[split == "test"], patients[split != "test"]).mean()
""",
                "patients of the validation films too",
            ),
            (
                """\
def leaked_fraction(patients, split):
    return np.isin(patients[split == "train"], patients[split == "test"]).mean()
""",
                "fraction of the training films",
            ),
            (
                """\
def leaked_fraction(patients, split):
    return np.isin(patients[split == "test"], patients[split == "train"]).sum() / len(patients)
""",
                "divided by all films",
            ),
            (
                """\
def leaked_fraction(patients, split):
    return 100 * np.isin(patients[split == "test"], patients[split == "train"]).mean()
""",
                "in percent",
            ),
            (
                """\
def leaked_fraction(patients, split):
    return np.isin(patients[split == "test"], patients[split == "train"])
""",
                "One number is asked for",
            ),
            (
                """\
def leaked_fraction(patients, split):
    return np.isin(patients[split == "test"], patients[split == "train"]).sum()
""",
                "the number of films",
            ),
            (
                """\
def leaked_fraction(patients, split):
    return 1 - np.isin(patients[split == "test"], patients[split == "train"]).mean()
""",
                "without a leak",
            ),
            (
                """\
def leaked_fraction(patients, split):
    return np.isin(patients[split == "test"], patients).mean()
""",
                "with all films",
            ),
        ],
    },
    "auc of the view": {
        "right": """\
def view_auc(ap_films, ap_rate, pa_films, pa_rate):
    ap_effusions, pa_effusions = ap_films * ap_rate, pa_films * pa_rate
    ap_others, pa_others = ap_films - ap_effusions, pa_films - pa_effusions
    a = ap_effusions / (ap_effusions + pa_effusions)
    b = ap_others / (ap_others + pa_others)
    return (1 + a - b) / 2
""",
        "wrong": [
            (
                """\
def view_auc(ap_films, ap_rate, pa_films, pa_rate):
    return (1 + ap_rate - pa_rate) / 2
""",
                "the fraction of effusions that are AP",
            ),
            (
                """\
def view_auc(ap_films, ap_rate, pa_films, pa_rate):
    return ap_films * ap_rate / (ap_films * ap_rate + pa_films * pa_rate)
""",
                "the sensitivity",
            ),
            (
                """\
def view_auc(ap_films, ap_rate, pa_films, pa_rate):
    a = ap_films * ap_rate / (ap_films * ap_rate + pa_films * pa_rate)
    b = ap_films * (1 - ap_rate) / (ap_films * (1 - ap_rate) + pa_films * (1 - pa_rate))
    return a - b
""",
                "the difference of the two fractions",
            ),
            (
                """\
def view_auc(ap_films, ap_rate, pa_films, pa_rate):
    a = ap_films * ap_rate / (ap_films * ap_rate + pa_films * pa_rate)
    b = ap_films * (1 - ap_rate) / (ap_films * (1 - ap_rate) + pa_films * (1 - pa_rate))
    return (1 + b - a) / 2
""",
                "are swapped",
            ),
            (
                """\
def view_auc(ap_films, ap_rate, pa_films, pa_rate):
    a = ap_films * ap_rate / (ap_films * ap_rate + pa_films * pa_rate)
    return (1 + a - ap_films / (ap_films + pa_films)) / 2
""",
                "Leave the effusions out",
            ),
            (
                """\
def view_auc(ap_films, ap_rate, pa_films, pa_rate):
    a = ap_films * ap_rate / (ap_films * ap_rate + pa_films * pa_rate)
    b = ap_films * (1 - ap_rate) / (ap_films * (1 - ap_rate) + pa_films * (1 - pa_rate))
    return round((1 + a - b) / 2, 2)
""",
                "You seem to round",
            ),
        ],
    },
    "leaky columns": {
        "right": """\
leaky_columns = "BCE"
""",
        "wrong": [
            ('leaky_columns = "BC"\n', "left out E"),
            ('leaky_columns = "BCDE"\n', "D is known before"),
            ('leaky_columns = "CE"\n', "left out B"),
            ('leaky_columns = "BCEF"\n', "F is a property of the film"),
        ],
    },
    "right in folder": {
        "right": """\
def right_in_folder(effusions, others, wrong):
    right = effusions * (1 - wrong)
    return right / (right + others * wrong)
""",
        "wrong": [
            (
                """\
def right_in_folder(effusions, others, wrong):
    return 1 - wrong
""",
                "the fraction of all films that are right",
            ),
            (
                """\
def right_in_folder(effusions, others, wrong):
    return others * wrong / (effusions * (1 - wrong) + others * wrong)
""",
                "shows no effusion",
            ),
            (
                """\
def right_in_folder(effusions, others, wrong):
    return effusions / (effusions + others * wrong)
""",
                "does not hold all of them",
            ),
            (
                """\
def right_in_folder(effusions, others, wrong):
    return effusions * (1 - wrong) / (effusions + others)
""",
                "You divided by all films",
            ),
            (
                """\
def right_in_folder(effusions, others, wrong):
    return effusions / (effusions + others)
""",
                "the fraction of all films with an effusion",
            ),
            (
                """\
def right_in_folder(effusions, others, wrong):
    return effusions * (1 - wrong) / (others * wrong)
""",
                "The folder holds 2 kinds of films",
            ),
            (
                """\
def right_in_folder(effusions, others, wrong):
    return effusions * (1 - wrong), others * wrong
""",
                "Return one number",
            ),
        ],
    },
}
