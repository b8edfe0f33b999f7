"""The exercises of lesson 9: a map of what lowers the score, a control, a group, and the smallest volume."""

from collections.abc import Callable

import numpy as np

from cxrlib.course.checks import Exercise, require
from cxrlib.evaluation.roc_auc import auc


def _scaled(heat: np.ndarray) -> np.ndarray:
    heat = np.maximum(heat, 0)
    return heat / heat.max() if heat.max() > 0 else heat


def _heat_against(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with Grad-CAM of the negative logit, on random maps and gradients."""
    for _ in range(20):
        size, channels = int(rng.integers(4, 9)), int(rng.integers(6, 12))
        maps = rng.gamma(1.0, 1.0, (size, size, channels))
        gradients = rng.normal(0, 1, (size, size, channels)) + rng.normal(0, 0.5, channels)
        total = (maps * gradients.mean(axis=(0, 1))).sum(axis=-1)
        expected = _scaled(-total)
        if not expected.any() or not (total > 0).any():
            continue
        given = np.asarray(answer(maps.copy(), gradients.copy()), dtype=float)
        require(
            given.shape == (size, size),
            f"for maps of shape {maps.shape} your heat map has the shape {given.shape}, and it must be "
            f"{(size, size)}: add the channels, and keep the places.",
        )
        if np.allclose(given, expected, atol=1e-6):
            continue
        require(
            not np.allclose(given, _scaled(total)),
            "this is Grad-CAM itself. It shows what raises the score. The question is what lowers it: which sign do "
            "these places have before ReLU?",
        )
        require(
            not np.allclose(given, 1 - _scaled(total)),
            "this is 1 minus Grad-CAM. A place that does nothing gets 1 there, as if it lowered the score most. A "
            "place where nothing happens must be 0.",
        )
        positive = np.maximum(total, 0)
        after = [-_scaled(total), -positive, np.zeros_like(total), np.maximum(-positive, 0)]
        require(
            not any(np.allclose(given, wrong) for wrong in after),
            "the sign is changed after ReLU. ReLU has already removed all places below 0, and these are the places "
            "that you look for. Change the sign first.",
        )
        require(
            not any(np.allclose(given, wrong) for wrong in (-expected, np.minimum(total, 0))),
            f"the places are right, but your values are negative, down to {given.min():.2f}. The largest value of the "
            "map must be 1. Change the sign.",
        )
        weights = gradients.mean(axis=(0, 1))
        negative = (maps * np.maximum(-weights, 0)).sum(axis=-1)
        require(
            not any(np.allclose(given, wrong) for wrong in (negative, _scaled(negative))),
            "you set weights to 0. ReLU belongs after the sum: a channel with a positive weight can cancel one with a "
            "negative weight at the same place.",
        )
        rows = (maps * gradients.mean(axis=(1, 2))[:, None, None]).sum(axis=-1)
        require(
            not any(np.allclose(given, wrong) for wrong in (_scaled(-rows), np.maximum(-rows, 0))),
            "you took the mean over the axes 1 and 2, as section 1 does for several films. Here is one film, so the "
            "axes of its places are 0 and 1.",
        )
        lowest = total.min()
        require(
            not any(np.allclose(given, wrong) for wrong in (-total, total / lowest, -total / np.abs(total).max())),
            f"the lowest value of your map is {given.min():.2f}. Places that raise the score are still in it, as "
            "negative numbers. You left out ReLU: set what is below 0 to 0.",
        )
        absolute = np.abs(total)
        require(
            not any(np.allclose(given, wrong) for wrong in (absolute, absolute / absolute.max())),
            "you took the absolute value. It puts what raises the score and what lowers it into one map. Keep the "
            "negative part alone.",
        )
        by_place = (maps * gradients).sum(axis=-1)
        require(
            not any(np.allclose(given, wrong) for wrong in (_scaled(-by_place), np.maximum(-by_place, 0))),
            "you multiplied each place by its own gradient. In Grad-CAM a channel has one weight: the mean of its "
            "gradient over all places.",
        )
        across = maps.sum(axis=-1) * gradients.mean(axis=-1), maps.mean(axis=-1) * gradients.mean(axis=-1)
        require(
            not any(np.allclose(given, _scaled(-wrong)) for wrong in across),
            "you took the mean over the channels, so each place has a weight. Each channel needs one: take the mean "
            "over the two axes of places.",
        )
        require(
            not np.allclose(given, np.maximum(-total, 0)),
            f"the places are right, but the largest value is {given.max():.2f}. Divide by it, so that it is 1.",
        )
        require(
            False,
            f"for maps of shape {maps.shape} your map differs from the right one by up to "
            f"{np.abs(given - expected).max():.2f}. Change one sign in the lines of section 1.",
        )
    return "it shows what lowers the score. It was tried on 20 sets of maps."


def _blobs(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return masks of fluid, (N, 12, 12), bool, and the patient of each. Films of one patient are much alike."""
    masks, patients = [], []
    for patient in range(int(rng.integers(8, 14))):
        row, column, side = rng.integers(4, 10), rng.integers(0, 9), rng.integers(2, 5)
        for _ in range(int(rng.choice([1, 1, 2, 6]))):
            mask = np.zeros((12, 12), bool)
            mask[row : row + side, column : column + side] = True
            masks.append(mask)
            patients.append(patient)
    order = rng.permutation(len(masks))
    names = rng.permutation(1000)[: max(patients) + 1]
    return np.array(masks)[order], names[np.array(patients)][order]


def _fixed_hits(masks: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Return the hit of each film, at the best place of the films that a row of `keep` (N, N) names."""
    flat = masks.reshape(len(masks), -1)
    places = [flat[chosen].mean(axis=0).argmax() if chosen.any() else 0 for chosen in keep]
    return flat[np.arange(len(flat)), places]


def _half(patients: np.ndarray) -> np.ndarray:
    """Return the half of the patients that each film belongs to."""
    return np.unique(patients, return_inverse=True)[1] % 2


def _control_rates(masks: np.ndarray, patients: np.ndarray) -> dict[str, float]:
    """Return the right hit rate, and those that typical mistakes give."""
    n = len(masks)
    hits = _fixed_hits(masks, patients[:, None] != patients[None, :])
    return {
        "right": float(hits.mean()),
        "all films": float(_fixed_hits(masks, np.ones((n, n), bool)).mean()),
        "other films": float(_fixed_hits(masks, ~np.eye(n, dtype=bool)).mean()),
        "two halves": float(_fixed_hits(masks, _half(patients)[:, None] != _half(patients)[None, :]).mean()),
        "by patient": float(np.mean([hits[patients == name].mean() for name in np.unique(patients)])),
    }


def _heat_control(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the best place of the other patients' films, on masks whose patients come back."""
    sets: list[tuple[np.ndarray, np.ndarray]] = []
    while len(sets) < 10:
        masks, patients = _blobs(rng)
        rates = _control_rates(masks, patients)
        # the first set must tell the mistakes apart, and a count of hits from a rate
        if sets or (len({round(rate, 6) for rate in rates.values()}) == 5 and rates["right"] * len(masks) > 1.5):
            sets.append((masks, patients))
    for masks, patients in sets:
        n, rates = len(masks), _control_rates(masks, patients)
        given = np.asarray(answer(masks.copy(), patients.copy()), dtype=float)
        require(
            given.ndim == 0,
            f"you return {given.size} numbers. One is asked for: the fraction of the films on which the place hits.",
        )
        rate = float(given)
        if np.isclose(rate, rates["right"]):
            continue
        start = f"for {n} films of {len(np.unique(patients))} patients you get {rate:.3f}"
        require(
            not np.isclose(rate, rates["all films"]),
            f"{start}. Your place is chosen on all films, also on the film that it is tried on. That flatters the "
            "control. Leave out the films of the patient.",
        )
        require(
            not np.isclose(rate, rates["other films"]),
            f"{start}. You leave out the film, but other films of the same patient still help to choose its place. "
            "They look alike. Leave out all films of the patient.",
        )
        require(
            not np.isclose(rate, rates["by patient"]),
            f"{start}. That is the mean over patients. Here each film counts once, as in the lesson.",
        )
        require(
            not np.isclose(rate, rates["two halves"]),
            f"{start}. You chose the place on one half of the patients, as in section 2. Here only one patient is left "
            "out at a time: all others choose the place.",
        )
        own = _fixed_hits(masks, patients[:, None] == patients[None, :]).mean()
        require(
            not np.isclose(rate, own),
            f"{start}. You chose the place on the films of the same patient. It is these that must be left out.",
        )
        require(
            not (rate > 1 and np.isclose(rate, rates["right"] * n)),
            f"{start}. That is the number of films that are hit. Divide by the number of films.",
        )
        require(False, f"{start}, and {rates['right']:.3f} is right. For each film: which films choose its place?")
    return "each film is tried at a place that its patient did not help to choose. It was tried on 10 sets of films."


def _reach(labels: np.ndarray, scores: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return sensitivity and specificity at each threshold."""
    called = scores[None, :] >= np.asarray(thresholds)[:, None]
    return called[:, labels == 1].mean(axis=1), (~called[:, labels == 0]).mean(axis=1)


def _draw_group(rng: np.random.Generator, gap: float, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores of a group; `tail` is the fraction of the effusions that look like no effusion."""
    n = int(rng.integers(40, 80))
    labels = np.repeat([1, 0], [n, 4 * n])
    logits = rng.normal(np.where(labels == 1, gap, 0.0), 1.0)
    hidden = (labels == 1) & (rng.random(5 * n) < tail)
    logits[hidden] = rng.normal(-1.0, 1.0, hidden.sum())
    order = rng.permutation(5 * n)
    return labels[order], (1 / (1 + np.exp(rng.uniform(2, 6) - logits)))[order]


Case = tuple[np.ndarray, np.ndarray, tuple[float, float], bool]
"""Labels, scores, the two rates that are asked for, and whether one threshold has both."""


def _draw_cases(rng: np.random.Generator) -> list[Case]:
    """Return 24 groups, half of which can be mended."""
    cases: list[Case] = []
    while len(cases) < 24:
        kind = len(cases) % 4
        labels, scores = _draw_group(rng, *[(3.6, 0.0), (1.2, 0.0), (6.0, 0.18), (2.4, 0.0)][kind])
        targets = (0.8 if kind == 3 else 0.9, 0.8)
        found, left_alone = _reach(labels, scores, np.append(np.unique(scores), np.inf))
        mended = bool(((found >= targets[0]) & (left_alone >= targets[1])).any())
        if mended == (kind in (0, 3)):
            cases.append((labels, scores, targets, mended))
    return cases


def _by_total(labels: np.ndarray, scores: np.ndarray, targets: tuple[float, float]) -> bool:
    """Return what a reader would say who compares the sum of both rates."""
    found, left_alone = _reach(labels, scores, np.unique(scores))
    return bool((found + left_alone >= sum(targets)).any())


def _follows(areas: np.ndarray, answers: list[bool]) -> bool:
    """Return whether a limit on the AUC gives all these answers."""
    yes = np.array(answers)
    return bool(yes.any() and not yes.all() and areas[yes].min() >= areas[~yes].max())


def _groups_mended(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with a search over all scores, on groups whose AUC alone does not decide."""
    cases = _draw_cases(rng)
    areas = np.array([auc(labels, scores) for labels, scores, _, _ in cases])
    while _follows(areas, [_by_total(*case[:3]) for case in cases]):  # these two mistakes must differ
        cases = _draw_cases(rng)
        areas = np.array([auc(labels, scores) for labels, scores, _, _ in cases])
    given = [bool(answer(labels.copy(), scores.copy(), *targets)) for labels, scores, targets, _ in cases]
    expected = [case[3] for case in cases]
    if given == expected:
        return "it was tried on 24 groups. Half of them can be mended."

    def by(rule: Callable) -> list[bool]:
        return [bool(rule(labels, scores, targets)) for labels, scores, targets, _ in cases]

    def at(thresholds: np.ndarray) -> list[bool]:
        def rule(labels: np.ndarray, scores: np.ndarray, targets: tuple[float, float]) -> bool:
            reached = _reach(labels, scores, thresholds)
            return bool(((reached[0] >= targets[0]) & (reached[1] >= targets[1])).any())

        return by(rule)

    wrong = next(index for index, pair in enumerate(zip(given, expected, strict=True)) if pair[0] != pair[1])
    _, scores, targets, mended = cases[wrong]
    ask = f"sensitivity {targets[0]:g} and specificity {targets[1]:g}"

    def swapped(labels: np.ndarray, scores: np.ndarray, targets: tuple[float, float]) -> bool:
        found, left_alone = _reach(labels, scores, np.unique(scores))
        return bool(((found >= targets[1]) & (left_alone >= targets[0])).any())

    require(
        any(given),
        "you answer False for each of 24 groups, and half of them can be mended. If you try the threshold 0.5 alone: "
        f"the scores of one group lie between {scores.min():.4f} and {scores.max():.4f}, so try the scores "
        "themselves. If you use a loop: does it stop at the first threshold? `return False` belongs after the loop.",
    )
    require(
        given != at(np.array([0.5])),
        f"you try the threshold 0.5 alone. The scores of one group lie between {scores.min():.4f} and "
        f"{scores.max():.4f}. The question is whether **any** threshold mends the group. Try the scores themselves.",
    )
    for step in (0.1, 0.05, 0.01):
        require(
            given != at(np.arange(0, 1 + step / 2, step)),
            f"you try thresholds in steps of {step:g}. The scores of one group lie between {scores.min():.4f} and "
            f"{scores.max():.4f}, so your steps jump over the right one. Try the scores themselves.",
        )
    require(
        len(set(given)) > 1,
        f"you answer True for each of 24 groups. For one of them, {ask} can not both be had. Look at two things. Do "
        "you ask for both at the **same** threshold? And is your specificity the fraction of the films **without** an "
        "effusion that are **not** called?",
    )
    require(
        given != by(swapped),
        f"for one group with an AUC of {areas[wrong]:.2f} you say {given[wrong]}, and {mended} is right. There are two "
        "usual reasons. The limits are mixed up: sensitivity belongs to label 1, specificity to label 0. Or the answer "
        "follows the AUC alone: the AUC is a mean over all thresholds, so try the thresholds one by one.",
    )

    def by_accuracy(labels: np.ndarray, scores: np.ndarray, targets: tuple[float, float]) -> bool:
        correct = (scores[None, :] >= np.unique(scores)[:, None]) == (labels == 1)
        return bool((correct.mean(axis=1) >= sum(targets) / 2).any())

    require(
        given not in (by(_by_total), by(by_accuracy)),
        f"you put both rates into one number. For one group that number is high enough, but {ask} can not both be "
        "had: a high specificity does not make up for a low sensitivity. Compare each rate with its own limit.",
    )
    require(
        not _follows(areas, given),
        f"your answer follows the AUC alone. For one group the AUC is {areas[wrong]:.2f}, and {ask} can "
        f"{'' if mended else 'not '}both be had. The AUC is a mean over all thresholds. Try the thresholds one by one.",
    )
    require(
        False,
        f"for one group you say {given[wrong]}, and {mended} is right: {ask} can {'' if mended else 'not '}both be had "
        "at one threshold. Compare both rates with `>=`, at the same threshold.",
    )
    return ""


def _volume_found(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the smallest volume at which at least 9 of 10 patients are called."""
    volumes = np.array([50, 100, 150, 200, 300, 500, 800, 1200], dtype=float)
    for attempt in range(30):
        n = [10, 20, 40, 17, 33, 10][attempt % 6]
        first = rng.choice(volumes, n)
        never = [0, 1, 2, 0, 1, 2][attempt % 6]
        first[:never] = np.inf
        if attempt % 6 == 0:  # one patient far above the others: 9 of 10 are found without this one
            first[first == first.max()] = 500
            first[0] = 1200
        first = rng.permutation(first)
        ordered = np.sort(first)
        needed = int(np.ceil(0.9 * n - 1e-9))
        expected = ordered[needed - 1]
        with np.errstate(invalid="ignore"):
            given = float(answer(first.copy()))
            interpolated = float(np.quantile(first, 0.9))
        if given == expected:
            continue
        at = f"for {n} patients, {never} of them never called, you get {given:g}"
        finite = np.sort(first[np.isfinite(first)])
        called = (first <= given).mean() if given == given else 0.0  # NaN is not equal to itself
        require(
            not np.isclose(given, len(first[first <= expected]) / n),
            f"{at}. That is a fraction of patients. A volume in mL is asked for.",
        )
        dropped = [finite[int(np.ceil(0.9 * len(finite) - 1e-9)) - 1], np.quantile(finite, 0.9)]
        require(
            never == 0 or not any(np.isclose(given, value) for value in (*dropped, finite.max())),
            f"{at} mL. You left out the patients that were never called. They count: the network missed them at every "
            f"volume. Only {called:.2f} of all patients are called at {given:g} mL.",
        )
        require(
            given == given and not np.isclose(given, first.mean()) and not np.isclose(given, finite.mean()),
            f"{at}. A mean says nothing about 9 of 10 patients, and one patient that is never called makes it "
            "infinite. Sort the volumes, and count.",
        )
        low = [
            np.quantile(first, 0.1, method="lower"),
            ordered[max(0, int(0.1 * n))],
            ordered[max(0, int(0.1 * n) - 1)],
        ]
        require(
            given >= expected or given not in low,
            f"{at} mL. At this volume only {called:.2f} of the patients are called. You count from the wrong end: "
            "sorted from the smallest volume, 9 of 10 patients lie to the left.",
        )
        require(
            given in first or np.isinf(given) or not np.isclose(given, interpolated),
            f"{at} mL. No patient was first called there: `np.quantile` takes a point between two volumes. Take the "
            "volume of a patient.",
        )
        require(
            not (given > expected and given == ordered[min(n - 1, needed)]),
            f"{at} mL, one patient too far. At {expected:g} mL, {needed} of {n} are called, and that is enough. If "
            "you compare, use `<=` and `>=`. If you use an index, Python counts from 0: the 9th of 10 has the index 8.",
        )
        require(
            not (n > 10 and given == ordered[8]),
            f"{at} mL, where {called:.2f} of the patients are called. You took the 9th patient. That is right for 10 "
            f"patients. Here are {n}.",
        )
        require(
            not (given > expected and given == ordered[-1]),
            f"{at} mL. That is where all patients are called. 9 of 10 are enough.",
        )
        require(
            False,
            f"{at} mL, where {called:.2f} of the patients are called, and {expected:g} mL is right. Sort the volumes, "
            "and go up until at least 0.90 of the patients are called.",
        )
    return "patients that are never called count, too. It was tried on 30 sets of patients."


EXERCISES = {
    "heat map against": Exercise(
        _heat_against,
        "the weighted sum of section 1 is above 0 where a place raises the score. Where is it below 0? Change the "
        "sign of the sum before ReLU.",
    ),
    "heat map control": Exercise(
        _heat_control,
        "go through the films. For one film, take the masks of all other patients, find the place that most of them "
        "cover, and look whether this film's mask covers it.",
    ),
    "group mended": Exercise(
        _groups_mended,
        "each score of the group is a threshold to try. At each, compute both rates, and see whether both are high "
        "enough.",
    ),
    "volume found": Exercise(
        _volume_found,
        "sort the volumes. Of 10 patients, 9 are called at the 9th volume. How many patients are 90 % of n?",
    ),
}
