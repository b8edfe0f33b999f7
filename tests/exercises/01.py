"""Lesson 1: for each exercise a right answer, and typical wrong ones with words of the reply that each must get."""

ANSWERS = {
    "accuracy without looking": {
        "right": """\
def best_accuracy(prevalence):
    return max(prevalence, 1 - prevalence)
""",
        "wrong": [
            (
                """\
def f(prevalence):
    return 1 - prevalence
""",
                "always says 'no effusion'",
            ),
            (
                """\
def f(prevalence):
    return prevalence
""",
                "always says 'effusion'",
            ),
            (
                """\
def f(prevalence):
    return min(prevalence, 1 - prevalence)
""",
                "the worse of the two",
            ),
            (
                """\
def f(prevalence):
    return 0.903
""",
                "depends on the prevalence",
            ),
            (
                """\
def f(prevalence):
    return prevalence**2 + (1 - prevalence) ** 2
""",
                "by chance",
            ),
            (
                """\
def f(prevalence):
    return max(prevalence, 0.5)
""",
                "is right. Of 100 films",
            ),
        ],
    },
    "auc of yes or no": {
        "right": """\
def auc_of_calls(tp, fn, fp, tn):
    won = tp * tn
    ties = tp * fp + fn * tn
    pairs = (tp + fn) * (fp + tn)
    return (won + ties / 2) / pairs
""",
        "wrong": [
            (
                """\
def f(tp, fn, fp, tn):
    return tp * tn / ((tp + fn) * (fp + tn))
""",
                "Ties are missing",
            ),
            (
                """\
def f(tp, fn, fp, tn):
    return 1 - fn * fp / ((tp + fn) * (fp + tn))
""",
                "a tie as a whole win",
            ),
            (
                """\
def f(tp, fn, fp, tn):
    return (tp + tn) / (tp + fn + fp + tn)
""",
                "That is the accuracy",
            ),
            (
                """\
def f(tp, fn, fp, tn):
    return tp / (tp + fn)
""",
                "The false alarms must count",
            ),
            (
                """\
def f(tp, fn, fp, tn):
    return (tp * tn + tp * fp / 2) / ((tp + fn) * (fp + tn))
""",
                "both not called tie as well",
            ),
            (
                """\
def f(tp, fn, fp, tn):
    return tp * tn + (tp * fp + fn * tn) / 2
""",
                "Divide it",
            ),
            (
                """\
def f(tp, fn, fp, tn):
    return (tp * tn + (tp * fn + fp * tn) / 2) / ((tp + fn) * (fp + tn))
""",
                "films of the same class",
            ),
            (
                """\
def f(tp, fn, fp, tn):
    return (tp / (tp + fn) + fp / (fp + tn)) / 2
""",
                "of the false alarm rate",
            ),
            (
                """\
def f(tp, fn, fp, tn):
    return (tp * tn + (tp * fp + fn * tn) / 2) / (tp * tn + tp * fp + fn * tn)
""",
                "pairs that are lost",
            ),
        ],
    },
    "detector to buy": {
        "right": """\
def cheapest(matrices, miss_cost):
    costs = []
    for (tp, fn), (fp, tn) in matrices:
        films = tp + fn + fp + tn
        costs.append((miss_cost * fn + fp) / films)
    return np.argmin(costs)
""",
        "wrong": [
            (
                """\
def f(matrices, miss_cost):
    return np.argmin([miss_cost * m[0, 1] + m[1, 0] for m in matrices])
""",
                "the cost of the whole test sets",
            ),
            (
                """\
def f(matrices, miss_cost):
    return np.argmax([np.trace(m) / m.sum() for m in matrices])
""",
                "the highest accuracy",
            ),
            (
                """\
def f(matrices, miss_cost):
    return np.argmax([m[0, 0] / m[0].sum() for m in matrices])
""",
                "the smallest fraction of the effusions",
            ),
            (
                """\
def f(matrices, miss_cost):
    return np.argmin([(miss_cost * m[1, 0] + m[0, 1]) / m.sum() for m in matrices])
""",
                "the two errors are swapped",
            ),
            (
                """\
def f(matrices, miss_cost):
    return np.argmax([(miss_cost * m[0, 1] + m[1, 0]) / m.sum() for m in matrices])
""",
                "the most expensive",
            ),
            (
                """\
def f(matrices, miss_cost):
    return 1 + np.argmin([(miss_cost * m[0, 1] + m[1, 0]) / m.sum() for m in matrices])
""",
                "the numbers 0, 1 and 2",
            ),
        ],
    },
    "auc after a change": {
        "right": """\
def new_aucs(auc):
    return 1 - auc, auc, auc
""",
        "wrong": [
            (
                """\
def f(auc):
    return auc, auc, auc
""",
                "turns the order",
            ),
            (
                """\
def f(auc):
    return -auc, auc, auc
""",
                "never negative",
            ),
            (
                """\
def f(auc):
    return 1 - auc, auc**2, auc
""",
                "You squared the AUC",
            ),
            (
                """\
def f(auc):
    return 1 - auc, auc, auc / 3
""",
                "3 times as many are won",
            ),
            (
                """\
def f(auc):
    return 1 - auc, auc, 1 - (1 - auc) / 3
""",
                "Accuracy moves with the prevalence",
            ),
            (
                """\
def f(auc):
    return 0.5, auc, auc
""",
                "a coin",
            ),
        ],
    },
}
