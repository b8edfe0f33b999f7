"""The exercises of lesson 11: an honest test, an AUC within groups, a tuned threshold, and five detectors."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from cxrlib.course.audit import FLAWS, Evidence, dealt, detectors, measure
from cxrlib.course.checks import Exercise, require
from cxrlib.evaluation.roc_auc import auc


def _honest_test(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the test films whose patient has no film in training or validation, on 20 leaky splits."""
    for _ in range(20):
        patients = rng.permutation(np.repeat(np.arange(60), rng.choice([1, 2, 3], 60, p=[0.5, 0.3, 0.2])))
        split = pd.DataFrame({"patient_id": [f"{patient:05d}" for patient in patients]})
        split["path"] = [f"films/{number:04d}.png" for number in rng.permutation(len(split))]
        split["split"] = rng.choice(["train", "val", "test"], len(split), p=[0.6, 0.2, 0.2])
        test, other = split[split["split"] == "test"], split[split["split"] != "test"]
        clean = test[~test["patient_id"].isin(other["patient_id"])]
        made = answer(split.copy())
        require(
            not isinstance(made, pd.DataFrame),
            "you return a table. Return its column path alone.",
        )
        given = set(made)
        if given == set(clean["path"]):
            continue
        at = f"of {len(test)} test films you keep {len(given)}, and {len(clean)} are right"
        unknown = sorted(str(path) for path in given - set(split["path"]))
        require(not unknown, f"{at}. You return {''.join(unknown[:1])!r}, which is not a path. Return paths of films.")
        require(given <= set(test["path"]), f"{at}. Some of your films are not test films at all.")
        require(
            given != set(test["path"]),
            f"{at}. No path is in 2 splits, so you removed nothing. A leak is about patients: compare patient_id.",
        )
        patient_of = split.set_index("path")["patient_id"]
        leaking = {patient_of[path] for path in given} & set(other["patient_id"])
        if leaking:
            at += f". You keep films of patient {min(leaking)}"
            met = {name: leaking & set(split["patient_id"][split["split"] == name]) for name in ("train", "val")}
            require(
                bool(met["train"]),
                f"{at}, who has a validation film. The threshold was chosen on it. Compare with both splits.",
            )
            require(
                bool(met["val"]),
                f"{at}, who has a training film. Did you compare with the validation films alone?",
            )
            require(False, f"{at}, who is in another split too. It is not enough to keep one film of each patient.")
        lost = min(set(clean["path"]) - given)
        require(
            False,
            f"{at}. You drop {lost} of patient {patient_of[lost]}, who has no film in training or validation. Several "
            "test films of one patient are no leak.",
        )
    return "it was tried on 20 leaky splits."


def _auc_within(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the fraction of pairs from one group that the effusion wins, on 20 sets of films."""
    for _ in range(20):
        sizes = rng.integers(12, 120, 3)
        group = np.repeat(["PA", "AP", "lateral"], sizes)
        label = (rng.random(sizes.sum()) < np.repeat(rng.uniform(0.2, 0.8, 3), sizes)).astype(int)
        label[np.cumsum(sizes) - 1], label[np.cumsum(sizes) - 2] = 0, 1  # both classes in each group
        shift = np.repeat(rng.uniform(0, 3, 3), sizes)
        score = (label * np.repeat(rng.uniform(0.2, 2, 3), sizes) + shift + rng.normal(size=len(label))).round(1)
        parts = [(label[group == name], score[group == name]) for name in np.unique(group)]
        aucs = np.array([auc(*part) for part in parts])
        pairs = np.array([part[0].sum() * (1 - part[0]).sum() for part in parts])
        films = np.array([len(part[0]) for part in parts])
        given, expected = float(answer(label, score, group)), float(np.sum(aucs * pairs) / pairs.sum())
        if np.isclose(given, expected):
            continue
        at = f"for 3 groups with the AUCs {', '.join(f'{value:.3f}' for value in aucs)} you get {given:.3f}"
        require(
            not np.isclose(given, auc(label, score)),
            f"{at}. That is the AUC of all pairs. It also compares an effusion of one group with films of another "
            "group, so it counts what separates the groups. Leave these pairs out.",
        )
        require(
            not np.isclose(given, aucs.mean()),
            f"{at}. That is the mean of the AUCs, which counts a small group as much as a large one. Count pairs, not "
            "groups.",
        )
        require(
            not np.isclose(given, np.sum(aucs * films) / films.sum()),
            f"{at}. You weighted each group by its films. The AUC is a fraction of pairs, so weight by the number of "
            "pairs: effusions times other films.",
        )
        wins = [np.mean(part[1][part[0] == 1][:, None] > part[1][part[0] == 0]) for part in parts]
        require(
            not np.isclose(given, np.sum(wins * pairs) / pairs.sum()),
            f"{at}. Your idea is right, but some pairs have equal scores. Such a pair counts one half.",
        )
        require(
            not np.isclose(given, np.sum(aucs * pairs)),
            f"{at}. That is a number of pairs. Divide it by the number of all pairs within the groups.",
        )
        require(
            not np.isclose(given, 1 - expected),
            f"{at}. That is the fraction of pairs in which the film without an effusion scores higher. Turn the "
            "comparison round.",
        )
        require(
            not np.isclose(given, np.sum((2 * aucs - wins) * pairs) / pairs.sum()),
            f"{at}. Your idea is right, but you count pairs with equal scores as won. Such a pair counts one half.",
        )
        require(
            not np.isclose(given, aucs).any(),
            f"{at}. That is the AUC of one group alone. Add up the pairs of all groups.",
        )
        require(
            False,
            f"{at}. The right answer is {expected:.3f}. In each group, count its pairs and the pairs that the effusion "
            "wins. Add up both over the groups, and divide.",
        )
    return "it was tried on 20 sets of films in 3 groups."


def _tuned_threshold(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with (n - missed) / (n + 1); a simulation may be 0.006 away."""
    for _ in range(12):
        n = int(rng.integers(8, 17))
        missed = int(rng.integers(2, 4))
        given, expected = float(answer(n, missed)), (n - missed) / (n + 1)
        if abs(given - expected) <= 0.006:
            continue
        at = f"with {n} test effusions and {missed} missed you get {given:.3f}"
        mistakes = {
            (n - missed) / n: "That is what is reported on the test films. The threshold was chosen to make it so. "
            "On new films it is lower.",
            n / (n + 1): "That is right if no effusion is missed. Here the threshold is higher: "
            f"{missed} of the test effusions lie below it.",
            (n - missed + 1) / (n + 1): f"{n} scores leave {n + 1} places for a new effusion. The threshold is one of "
            f"the scores, and {missed} lie below it. So {missed + 1} places, not {missed}, are below the threshold.",
            (missed + 1) / (n + 1): "That is the fraction of the new effusions that are missed. The sensitivity is "
            "the rest.",
            (n - missed - 1) / n: "Close, but you took off one whole test effusion. Count places, not films: "
            f"{n} scores leave {n + 1} places for a new one.",
        }
        nearest = min((abs(value - given), value) for value in mistakes)[1]
        require(abs(nearest - given) > 0.006, f"{at}. {mistakes[nearest]}")
        require(
            False,
            f"{at}. The right answer is {expected:.3f}. Sort the {n} scores. A new effusion falls with the same "
            f"probability into each of the {n + 1} places between and beside them. How many places lie above the "
            "threshold?",
        )
    return "it was tried on 12 numbers of effusions. A simulation may be 0.006 away."


def _audit(answer: dict, rng: np.random.Generator) -> str:
    """Compare flaws with the deal of the reader, and numbers with what is measured on each detector."""
    truth, names = dealt(), ", ".join(FLAWS)
    form = "such as {'A': ('leak', 12), 'B': ('shortcut', 0.81, -0.25), ...}"
    require(
        isinstance(answer, dict) and set(answer) == set(truth),
        f"write a flaw and a number for each of the letters A to E, {form}.",
    )
    for letter, pair in answer.items():
        require(
            not isinstance(pair, str),
            f"detector {letter}: you give the flaw {pair!r} without a number. Which number shows it? Write both, "
            f"{form}.",
        )
        require(
            isinstance(pair, tuple | list) and len(pair) >= 2,
            f"detector {letter}: write the flaw and its number, {form}.",
        )
        require(
            _flaw_name(pair[0]) in FLAWS,
            f"detector {letter}: {pair[0]!r} is not one of the flaws. They are {names}. The flaw comes first.",
        )
        for number in pair[1:]:
            require(
                isinstance(number, int | float | np.number),
                f"detector {letter}: {number!r} is not a number. Write a number of its audit, {form}.",
            )
    flaws = {letter: _flaw_name(answer[letter][0]) for letter in truth}
    twice = [flaw for flaw in FLAWS if list(flaws.values()).count(flaw) > 1]
    require(not twice, f"you have given the flaw {twice[0] if twice else ''!r} to several detectors. Each occurs once.")
    numbers = {letter: float(answer[letter][1]) for letter in truth}
    right = sum(flaws[letter] == flaw for letter, flaw in truth.items())
    for letter, flaw in truth.items():
        if flaws[letter] != flaw:
            found = measure(detectors()[letter])
            require(
                False,
                f"{right} of 5 flaws are right. Detector {letter}: you said {flaws[letter]}. "
                f"{describe(flaws[letter], found)} Look at something else: {describe(flaw, found)}",
            )
    found_of = {letter: measure(detector) for letter, detector in detectors().items()}
    shown = [_agrees(numbers[letter], found_of[letter].number(flaw)) for letter, flaw in truth.items()]
    for (letter, flaw), agrees in zip(truth.items(), shown, strict=True):
        require(
            agrees,
            f"all 5 flaws are right, and {sum(shown)} of 5 numbers. Detector {letter}, {flaw}: "
            f"{_weigh(numbers[letter], flaw, letter, found_of)}",
        )
    for letter, flaw in truth.items():
        second, given_numbers = found_of[letter].second_number(flaw), answer[letter][1:]
        needed = 1 if second is None else 2
        require(
            len(given_numbers) == needed,
            f"all 5 flaws are right. Detector {letter}: for {flaw}, give {needed} "
            f"number{'s' if needed > 1 else ''}, and not {len(given_numbers)}. "
            f"{'' if second is None else 'The second is ' + SECOND[flaw] + '.'}",
        )
        if second is not None:
            given = float(given_numbers[1])
            words = f"{given:g} is not the second number. Give {SECOND[flaw]}."
            if flaw == "shortcut" and _agrees(-given, second):
                words = f"{given:g} has the wrong sign. The detector lost these pairs: take it minus its start."
            require(_agrees(given, second), f"all 5 flaws are right. Detector {letter}, {flaw}: {words}")
    return "all 5 flaws are found, and the numbers show them."


def _flaw_name(flaw: object) -> str:
    """Return the name of a flaw as `FLAWS` spells it."""
    return str(flaw).strip().lower().replace("normalization", "normalisation")


def _agrees(given: float, measured: float) -> bool:
    """Return whether a number is the measured one. A rate may be rounded to two decimals, or cut off there."""
    if isinstance(measured, int):
        return given == measured
    return abs(given - measured) <= 0.0051 or bool(np.isclose(given, np.floor(100 * measured) / 100))


def _weigh(given: float, flaw: str, letter: str, found_of: dict[str, Evidence]) -> str:
    """Return what a number is that does not show the flaw, and which one would show it."""
    found, look = found_of[letter], f"Give {SHOWN_BY[flaw]}."
    if given == 0:
        return f"0 shows no flaw. {look}"
    for other in FLAWS:
        if other not in (flaw, "normalisation") and _agrees(given, found.number(other)):
            return f"{given:g} is {SHOWN_BY[other]}. That row shows another flaw, {other}. {look}"
    for place, rates in (
        ("in the report", (found.reported_auc, *found.reported_rates)),
        ("on fresh films", (found.fresh_auc, *found.fresh_rates)),
    ):
        for name, rate in zip(("AUC", "sensitivity", "specificity"), rates, strict=True):
            if _agrees(given, rate):
                return (
                    f"{given:g} is its {name} {place}. It is an alarm if this falls from the report to the fresh "
                    f"films, but it may fall for any of the flaws. {look}"
                )
    sites = [site for site, value in enumerate(found.site_aucs) if _agrees(given, value)]
    if sites:
        return f"{given:g} is its AUC at site {sites[0]}. {look}"
    for owner, measured in found_of.items():
        if _agrees(given, measured.number(flaw)):
            return f"{given:g} belongs to detector {owner}. {look}"
    return f"{given:g} does not show this flaw. {look} Take the row of the detector, and not that of the start."


SECOND = {
    "shortcut": "the detector minus its start, for the AUC of the pairs of an effusion on PA and another film on AP",
    "normalisation": "the AUC of the start at the site where the detector's own AUC is lowest",
}
"""The number that tells these 2 flaws apart: each lowers the AUC on fresh films, and at some site."""

SHOWN_BY = {
    "leak": "the number of patients in more than one split",
    "shortcut": "the AUC of AP against PA, among fresh films without an effusion",
    "normalisation": "the AUC at the site where it is lowest",
    "labels": "the number of wrong labels among the 60 films of `wrong_labels`",
    "threshold": "the number of test films that its threshold was chosen on",
}
"""The number that shows each flaw and no other."""


def describe(flaw: str, found: Evidence) -> str:
    """Return the evidence about one flaw in a sentence, whether it speaks for the flaw or against it."""
    sites = ", ".join(f"{value:.2f}" for value in found.site_aucs)
    return {
        "leak": f"{found.shared_patients} patients have films in more than one split.",
        "shortcut": (
            f"On fresh films without an effusion, its score tells AP from PA with an AUC of {found.view_auc:.2f}. Its "
            f"reported AUC is {found.reported_auc:.2f}, and on fresh films it is {found.fresh_auc:.2f}."
        ),
        "normalisation": f"On fresh films, its AUC at sites 0, 1 and 2 is {sites}.",
        "labels": f"Of {found.read_again} random training films, {found.wrong_labels} have the wrong label.",
        "threshold": (
            "Its threshold was chosen on "
            + " and ".join(f"{count} {split} films" for split, count in found.chosen_on.items())
            + f". Its sensitivity is {found.reported_rates[0]:.2f} in the report, and {found.fresh_rates[0]:.2f} on "
            "fresh films."
        ),
    }[flaw]


EXERCISES = {
    "audit an honest test": Exercise(
        _honest_test,
        "take the patients of all films that are not test films. Keep the test films whose patient is not among them.",
    ),
    "audit within groups": Exercise(
        _auc_within,
        "for each group, make the table of pairs of lesson 1: each effusion minus each other film of the same group. "
        "Add up the wins and the pairs of all groups, and divide once at the end.",
    ),
    "audit a tuned threshold": Exercise(
        _tuned_threshold,
        "sort n scores. They leave n + 1 places for a new score, and each place is equally likely. The threshold is "
        "one of the n scores. How many places lie above it?",
    ),
    "audit five detectors": Exercise(
        _audit,
        "print the audit of your five side by side, as section 6 says. In each row, look for the number that is far "
        "away from those of the other four detectors. For the second numbers use x_minus_start, as in section 3, and "
        "auc_of with start_score, as in section 5.",
    ),
}
