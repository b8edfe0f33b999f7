"""Lesson 9: for each exercise a right answer, and typical wrong ones with words of the reply that each must get."""

ANSWERS = {
    "heat map against": {
        "right": """\
def heat_against(maps, gradients):
    weight = gradients.mean(axis=(0, 1))
    total = (maps * weight).sum(axis=-1)
    heat = np.maximum(-total, 0)
    return heat / heat.max()
""",
        "wrong": [
            (
                """\
def f(maps, gradients):
    heat = np.maximum((maps * gradients.mean(axis=(0, 1))).sum(axis=-1), 0)
    return heat / heat.max()
""",
                "Grad-CAM itself",
            ),
            (
                """\
def f(maps, gradients):
    heat = np.maximum((maps * gradients.mean(axis=(0, 1))).sum(axis=-1), 0)
    return 1 - heat / heat.max()
""",
                "A place that does nothing",
            ),
            (
                """\
def f(maps, gradients):
    heat = np.maximum((maps * gradients.mean(axis=(0, 1))).sum(axis=-1), 0)
    return -heat
""",
                "after ReLU",
            ),
            (
                """\
def f(maps, gradients):
    return -(maps * gradients.mean(axis=(0, 1))).sum(axis=-1)
""",
                "You left out ReLU",
            ),
            (
                """\
def f(maps, gradients):
    heat = np.abs((maps * gradients.mean(axis=(0, 1))).sum(axis=-1))
    return heat / heat.max()
""",
                "absolute value",
            ),
            (
                """\
def f(maps, gradients):
    heat = np.maximum(-(maps * gradients).sum(axis=-1), 0)
    return heat / heat.max()
""",
                "its own gradient",
            ),
            (
                """\
def f(maps, gradients):
    weight = gradients.mean(axis=-1, keepdims=True)
    heat = np.maximum(-(maps * weight).sum(axis=-1), 0)
    return heat / heat.max()
""",
                "mean over the channels",
            ),
            (
                """\
def f(maps, gradients):
    return np.maximum(-(maps * gradients.mean(axis=(0, 1))).sum(axis=-1), 0)
""",
                "Divide by it",
            ),
            (
                """\
def f(maps, gradients):
    return np.maximum(-maps * gradients.mean(axis=(0, 1)), 0)
""",
                "add the channels",
            ),
            (
                """\
def f(maps, gradients):
    weight = gradients.mean(axis=(1, 2), keepdims=True)
    heat = np.maximum(-(maps * weight).sum(axis=-1), 0)
    return heat / heat.max()
""",
                "over the axes 1 and 2",
            ),
            (
                """\
def f(maps, gradients):
    weight = np.minimum(gradients.mean(axis=(0, 1)), 0)
    heat = -(maps * weight).sum(axis=-1)
    return heat / heat.max()
""",
                "ReLU belongs after the sum",
            ),
            (
                """\
def f(maps, gradients):
    heat = np.minimum((maps * gradients.mean(axis=(0, 1))).sum(axis=-1), 0)
    return heat / np.abs(heat).max()
""",
                "your values are negative",
            ),
        ],
    },
    "heat map control": {
        "right": """\
def control_rate(masks, patients):
    hits = []
    for mask, patient in zip(masks, patients):
        others = masks[patients != patient]
        place = others.mean(axis=0).argmax()
        hits.append(mask.ravel()[place])
    return np.mean(hits)
""",
        "wrong": [
            (
                """\
def f(masks, patients):
    place = masks.mean(axis=0).argmax()
    return masks.reshape(len(masks), -1)[:, place].mean()
""",
                "chosen on all films",
            ),
            (
                """\
def f(masks, patients):
    hits = []
    for i in range(len(masks)):
        place = np.delete(masks, i, axis=0).mean(axis=0).argmax()
        hits.append(masks[i].ravel()[place])
    return np.mean(hits)
""",
                "other films of the same patient",
            ),
            (
                """\
def f(masks, patients):
    hits = []
    for mask, patient in zip(masks, patients):
        place = masks[patients != patient].mean(axis=0).argmax()
        hits.append(mask.ravel()[place])
    hits = np.array(hits)
    return np.mean([hits[patients == name].mean() for name in np.unique(patients)])
""",
                "mean over patients",
            ),
            (
                """\
def f(masks, patients):
    hits = []
    for mask, patient in zip(masks, patients):
        place = masks[patients == patient].mean(axis=0).argmax()
        hits.append(mask.ravel()[place])
    return np.mean(hits)
""",
                "films of the same patient. It is these",
            ),
            (
                """\
def f(masks, patients):
    hits = []
    for mask, patient in zip(masks, patients):
        hits.append(mask.ravel()[masks[patients != patient].mean(axis=0).argmax()])
    return np.array(hits)
""",
                "One is asked for",
            ),
            (
                """\
def f(masks, patients):
    half = np.unique(patients, return_inverse=True)[1] % 2 == 0
    hits = np.zeros(len(masks), bool)
    for part in (half, ~half):
        hits[part] = masks[part].reshape(part.sum(), -1)[:, masks[~part].mean(axis=0).argmax()]
    return hits.mean()
""",
                "on one half of the patients",
            ),
            (
                """\
def f(masks, patients):
    hits = 0
    for mask, patient in zip(masks, patients):
        hits += mask.ravel()[masks[patients != patient].mean(axis=0).argmax()]
    return hits
""",
                "Divide by the number of films",
            ),
        ],
    },
    "group mended": {
        "right": """\
def can_be_mended(labels, scores, sensitivity, specificity):
    for threshold in np.unique(scores):
        called = scores >= threshold
        found = called[labels == 1].mean()
        left_alone = (~called)[labels == 0].mean()
        if found >= sensitivity and left_alone >= specificity:
            return True
    return False
""",
        "wrong": [
            (
                """\
def f(labels, scores, sensitivity, specificity):
    called = scores >= 0.5
    return called[labels == 1].mean() >= sensitivity and (~called)[labels == 0].mean() >= specificity
""",
                "the threshold 0.5 alone",
            ),
            (
                """\
def f(labels, scores, sensitivity, specificity):
    for threshold in np.linspace(0, 1, 11):
        called = scores >= threshold
        if called[labels == 1].mean() >= sensitivity and (~called)[labels == 0].mean() >= specificity:
            return True
    return False
""",
                "in steps of 0.1",
            ),
            (
                """\
def f(labels, scores, sensitivity, specificity):
    finds, leaves = False, False
    for threshold in np.unique(scores):
        called = scores >= threshold
        finds = finds or called[labels == 1].mean() >= sensitivity
        leaves = leaves or (~called)[labels == 0].mean() >= specificity
    return finds and leaves
""",
                "**same** threshold",
            ),
            (
                """\
def f(labels, scores, sensitivity, specificity):
    pairs = scores[labels == 1][:, None] > scores[labels == 0][None, :]
    return pairs.mean() >= 0.85
""",
                "follows the AUC alone",
            ),
            (
                """\
def f(labels, scores, sensitivity, specificity):
    for threshold in np.unique(scores):
        called = scores >= threshold
        if (called == (labels == 1)).mean() >= (sensitivity + specificity) / 2:
            return True
    return False
""",
                "into one number",
            ),
            (
                """\
def f(labels, scores, sensitivity, specificity):
    for threshold in np.unique(scores):
        called = scores >= threshold
        if called[labels == 1].mean() >= sensitivity and (~called)[labels == 0].mean() >= specificity:
            return True
        return False
""",
                "`return False` belongs after the loop",
            ),
            (
                """\
def f(labels, scores, sensitivity, specificity):
    for threshold in np.unique(scores):
        called = scores >= threshold
        if called[labels == 1].mean() >= sensitivity and called[labels == 0].mean() >= specificity:
            return True
    return False
""",
                "that are **not** called",
            ),
            (
                """\
def f(labels, scores, sensitivity, specificity):
    for threshold in np.unique(scores):
        called = scores >= threshold
        if called[labels == 1].mean() >= specificity and (~called)[labels == 0].mean() >= sensitivity:
            return True
    return False
""",
                "The limits are mixed up",
            ),
        ],
    },
    "volume found": {
        "right": """\
def volume_found(first_called):
    for volume in np.sort(first_called):
        if np.mean(first_called <= volume) >= 0.90:
            return volume
""",
        "wrong": [
            ("def f(first_called):\n    return np.mean(first_called)\n", "A mean says nothing"),
            (
                """\
def f(first_called):
    called = np.sort(first_called[np.isfinite(first_called)])
    return called[int(np.ceil(0.9 * len(called))) - 1]
""",
                "You left out the patients",
            ),
            ("def f(first_called):\n    return np.quantile(first_called, 0.9)\n", "between two volumes"),
            ("def f(first_called):\n    return np.sort(first_called)[int(0.1 * len(first_called))]\n", "the wrong end"),
            (
                "def f(first_called):\n    return np.sort(first_called)[int(0.9 * len(first_called))]\n",
                "one patient too far",
            ),
            ("def f(first_called):\n    return first_called.max()\n", "one patient too far"),
            ("def f(first_called):\n    return np.sort(first_called)[8]\n", "You took the 9th patient"),
        ],
    },
}
