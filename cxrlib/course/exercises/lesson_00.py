"""The exercises of lesson 0: an inverted film, a network's own test, patients on both sides, the order of the path."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from cxrlib.course.checks import Exercise, WrongAnswer, require
from cxrlib.errors import InputError
from cxrlib.evaluation.operating_point import max_missed
from cxrlib.phantom.film import Order, fit_volume, take_film

RIGHT = "right"
"""The key of the right value among the values of typical mistakes."""


def _image_from(answer: Callable, raw: np.ndarray) -> Any:
    """Return the reader's image. `read_image` refuses int64, so an answer that calls it gets the film as uint16."""
    try:
        return answer(raw.copy())
    except WrongAnswer as error:
        if not isinstance(error.__cause__, InputError):
            raise
        return answer(raw.astype(np.uint16))


def _inverted_image(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with 1 - min-max, on inverted films of three machines."""
    for machine in range(3):
        order = Order(patient=int(rng.integers(10**6)), amount=float(rng.integers(300, 1500)), site=machine)
        order = replace(order, amount=fit_volume(order))  # some chests hold less
        pixels = take_film(order, size=64).pixels.astype(int)
        raw = int(rng.integers(4200, 6000)) - pixels
        given = _image_from(answer, raw)
        try:
            image = np.asarray(given, dtype=float)
        except (TypeError, ValueError):
            raise WrongAnswer(f"you return {given!r}. Return an array of numbers with the shape of raw.") from None
        require(
            image.shape == raw.shape,
            f"your image has the shape {image.shape}, and the film has {raw.shape}. Each pixel needs its own value.",
        )
        low, high, span = raw.min(), raw.max(), raw.max() - raw.min()
        if np.allclose(image, (high - raw) / span, atol=1e-4):
            continue
        at = f"for a film with values from {low} to {high}, yours go from {image.min():.3g} to {image.max():.3g}"
        scaled = (raw - low) / span
        mistakes = {
            "Dense tissue is still dark: you scaled the film, but did not invert it.": scaled,
            "You turned the film upside down. Change the gray values, and leave each pixel in its place.": raw[::-1],
            "You turned the scaled film upside down. Change the gray values, and leave each pixel in its place.": (
                scaled[::-1]
            ),
            "You scaled and inverted the film, but also turned it upside down. Leave each pixel in its place.": (
                1 - scaled[::-1]
            ),
            "You took 1 minus, without the minimum in the division. So the image does not reach from 0 to 1. First "
            "subtract the minimum, and divide by maximum - minimum.": 1 - raw / high,
            "You divided by the maximum. Divide by maximum - minimum, as in section 1.": 1 - (raw - low) / high,
            "4095 is the largest value that 12 bits can hold. This film has its own range.": 1 - raw / 4095,
            "255 belongs to photographs. A film has its own range: use its minimum and its maximum.": 1 - raw / 255,
            "You only divided by 255, as for photographs. Use the film's own range, and invert it.": raw / 255,
            "You inverted the film, but did not divide. The range has to be from 0 to 1.": high - raw,
            "A minus sign inverts the film, but no value is above 0 now. Which number must you add?": -scaled,
            "You subtract the scaled film the wrong way round: scaled - 1 is not 1 - scaled.": scaled - 1,
            "You subtract from 1 before you scale. Scale first.": 1 - raw,
            "255 belongs to photographs. Scale the film first, and then subtract from 1.": 255 - raw,
        }
        for words, value in mistakes.items():
            require(not np.allclose(image, value, atol=1e-4), f"{at}. {words}")
        require(
            np.isclose(image.min(), 0, atol=1e-4) and np.isclose(image.max(), 1, atol=1e-4),
            f"{at}. They have to go from 0 to 1. Scale the film as in section 1, and then invert it.",
        )
        raise WrongAnswer(
            f"{at}, which is right. But values in between are wrong. Each of them is 1 minus the min-max value."
        )
    return "it was tried on films of 3 machines."


FLOOR = 0.90
"""The rule of the page: the sensitivity that the threshold must reach on the validation films."""


def _draw_scores(rng: np.random.Generator) -> pd.DataFrame:
    """Return a table like `run.scores`: validation and test films with labels and scores. No two scores are equal."""
    parts = []
    for split, films in (("val", int(rng.integers(250, 400))), ("test", int(rng.integers(250, 400)))):
        label = (rng.random(films) < 0.2).astype(int)
        logit = rng.normal(1.8 * label - 2.5 - 0.3 * (split == "test"), 1.0)
        parts.append(pd.DataFrame({"split": split, "label": label, "score": 1 / (1 + np.exp(-logit))}))
    table = pd.concat(parts)
    return table.sample(frac=1, random_state=int(rng.integers(10**6))).reset_index(drop=True)


def _allowed_thresholds(labels: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """Return between which values all thresholds call the same films, with the highest specificity under the rule."""
    high = np.sort(scores[labels == 1])[max_missed(int(labels.sum()), FLOOR)]
    below = scores[scores < high]
    return float(below.max()) if len(below) else 0.0, float(high)


def _rates(labels: np.ndarray, scores: np.ndarray, threshold: float) -> dict[str, float]:
    """Return the fractions that a threshold gives."""
    called, ill = scores >= threshold, labels == 1
    return {
        "sensitivity": called[ill].mean(),
        "specificity": (~called)[~ill].mean(),
        "right alarms": ill[called].mean() if called.any() else 0.0,
        "accuracy": (called == ill).mean(),
        "found of all films": (called & ill).mean(),
    }


def _final_test(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the rule of section 4 and the counts of section 5, on 10 tables of scores."""
    tried = 0
    while tried < 10:
        table = _draw_scores(rng)
        arrays = {split: (rows["label"].to_numpy(), rows["score"].to_numpy()) for split, rows in table.groupby("split")}
        arrays["all"] = (table["label"].to_numpy(), table["score"].to_numpy())
        ranges = {name: _allowed_thresholds(*pair) for name, pair in arrays.items()}
        rates = {name: _rates(*arrays[name], ranges["val"][1]) for name in ("val", "test")}
        values = [*rates["test"].values(), *rates["val"].values()]
        highs = sorted(high for _, high in ranges.values())
        if np.diff(np.sort(values)).min() < 0.002 or np.diff(highs).min() < 0.003:
            continue  # two mistakes give nearly the same value, so the words could be the wrong ones
        tried += 1
        given = answer(table.copy())
        require(
            isinstance(given, tuple | list | np.ndarray) and len(given) == 3,
            f"you return {given!r}. Return 3 numbers: threshold, sensitivity, fraction of right alarms.",
        )
        threshold, sensitivity, right = (_number(value, "") for value in given)
        _require_threshold(threshold, arrays["val"], ranges)
        expected = _rates(*arrays["test"], threshold)
        _require_fraction(sensitivity, "sensitivity", expected, rates["val"])
        _require_fraction(right, "right alarms", expected, rates["val"])
    return (
        "it was tried on 10 tables. Now call final_test(run.scores), once. Another threshold for the same test films "
        "would be chosen on the test."
    )


def _require_threshold(
    threshold: float, val: tuple[np.ndarray, np.ndarray], ranges: dict[str, tuple[float, float]]
) -> None:
    """Raise `WrongAnswer` unless the threshold calls the films that the rule calls on validation."""
    low, high = ranges["val"]
    if low < threshold <= high:
        return
    for name, words in (("test", "on the test films"), ("all", "on all films, also those of the test")):
        require(
            not ranges[name][0] < threshold <= ranges[name][1],
            f"your threshold is {threshold:.4f}. You chose it {words}. Choose it on the validation films alone.",
        )
    found = _rates(*val, threshold)["sensitivity"]
    require(
        found >= FLOOR,
        f"your threshold is {threshold:.4f}. It finds only {found:.3f} of the validation effusions, and at least "
        f"{FLOOR:.2f} is the rule. The highest threshold that reaches it is {high:.4f}.",
    )
    raise WrongAnswer(
        f"your threshold is {threshold:.4f}. It finds {found:.3f} of the validation effusions. But {high:.4f} finds at "
        f"least {FLOOR:.2f}, too, with fewer false alarms."
    )


def _require_fraction(given: float, name: str, test: dict[str, float], val: dict[str, float]) -> None:
    """Raise `WrongAnswer` unless this is the fraction of this name on the test films. Name another that it is."""
    if np.isclose(given, test[name]):
        return
    number = {"sensitivity": "second", "right alarms": "third"}[name]
    asked = {
        "sensitivity": "the fraction of the test effusions that raise an alarm",
        "right alarms": "the fraction of the alarms on test films that are right",
    }
    at = f"your {number} number is {given:.3f}, and {test[name]:.3f} is right: {asked[name]}."
    require(not np.isclose(given, val[name]), f"{at} You counted the validation films.")
    mistakes = {
        "sensitivity": "That is the sensitivity: you divided by the effusions. Divide by the alarms.",
        "right alarms": "That is the fraction of right alarms: you divided by the alarms. Divide by the effusions.",
        "specificity": "That is the specificity: you looked at the films without an effusion.",
        "accuracy": "That is how often the network is right, on films of both classes.",
        "found of all films": "You divided the found effusions by all films.",
    }
    for other, words in mistakes.items():
        require(not np.isclose(given, test[other]), f"{at} {words}")
    require(not np.isclose(given, 1 - test[name]), f"{at} You give the rest: 1 minus it.")
    raise WrongAnswer(at)


def _shared_patients(train: list[str], test: list[str]) -> dict[str, float]:
    """Return the right number of patients, and what typical mistakes give, by the words that explain them."""
    both = set(train) & set(test)
    return {
        RIGHT: len(both),
        "You count films of the test list. A patient with 2 films in it counts once.": sum(p in both for p in test),
        "You count films of the training list. A patient with 2 films in it counts once.": sum(
            p in both for p in train
        ),
        "You count films of both lists. A patient counts once.": sum(p in both for p in train + test),
        "You count each pair of a training film and a test film of the same patient. A patient counts once.": sum(
            p == q for p in train for q in test
        ),
        "That is the number of patients in at least one list. The question asks for patients in both.": len(
            set(train) | set(test)
        ),
        "That is the number of patients in only one list. The question asks for patients in both.": len(
            set(train) ^ set(test)
        ),
        "That is the number of patients in the test list. How many of them are in the training list too?": len(
            set(test)
        ),
        "That is the number of patients in the training list. How many of them are in the test list too?": len(
            set(train)
        ),
        "That is the number of patients in the training list only. The question asks for patients in both.": len(
            set(train) - set(test)
        ),
        "You compare the lists place by place. A patient can be at different places of the two lists.": sum(
            p == q for p, q in zip(train, test, strict=False)
        ),
        "That is the number of patients in the test list only. The question asks for patients in both.": len(
            set(test) - set(train)
        ),
        "You add the patients of both lists. Count only those who are in both.": len(set(train)) + len(set(test)),
        "That is a fraction. The question asks for a number of patients.": len(both) / len(set(test)),
    }


def _patients_on_both_sides(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the size of the intersection, on 10 pairs of lists."""
    tried = 0
    while tried < 10:
        people = [f"{number:05d}" for number in rng.choice(100_000, 40, replace=False)]
        train = list(rng.choice(people[:30], 60))
        test = list(rng.choice(people[22:], 25))
        train, test = [str(p) for p in train], [str(p) for p in test]
        values = _shared_patients(train, test)
        if len(set(values.values())) < len(values):
            continue  # two mistakes give the same number
        tried += 1
        where = f"for {len(train)} training films and {len(test)} test films"
        try:
            given = answer(list(train), list(test))
        except WrongAnswer as error:
            if "'list' and 'list'" not in str(error):
                raise
            raise WrongAnswer(f"{error}. Lists have no such operator, but sets have. Make sets first.") from error
        require(
            not isinstance(given, bool | np.bool_),
            f"{where} you return {given}. The question asks how many patients there are: one number.",
        )
        require(
            not isinstance(given, set | list | tuple | dict | str),
            f"{where} you return a {type(given).__name__}. Return how many patients there are: one number.",
        )
        number = _number(given, where)
        right = values.pop(RIGHT)
        for words, value in values.items():
            require(not np.isclose(number, value), f"{where} you get {number:g}. {words}")
        require(
            number == right,
            f"{where} you get {number:g}, and {right} is right. Make a set of each list: it holds each patient once.",
        )
    return "it was tried on 10 pairs of lists."


ORDER = "DBCA"
"""The steps of the path: split, train, choose the threshold, open the test films."""


def _order_of_steps(answer: Any, rng: np.random.Generator) -> str:
    """Compare with the order of the path. Name the first step that is too early."""
    if isinstance(answer, list | tuple):
        answer = "".join(map(str, answer))
    require(isinstance(answer, str), f"your answer is {answer!r}. Write letters in quotes, such as 'ABCD'.")
    letters = [letter for letter in answer.upper() if letter.isalpha()]
    require(
        sorted(letters) == sorted(ORDER),
        f"your answer is {answer!r}. It must have each of the letters A, B, C and D once.",
    )
    place = {letter: letters.index(letter) for letter in letters}
    require(
        place["C"] < place["A"],
        "you open the test films (A) before the threshold is chosen (C). If you have seen the test results, you may "
        "choose a threshold that suits these films. Then the test no longer says what happens with new patients.",
    )
    require(
        place["D"] < place["B"],
        "you train (B) before the patients are split (D). Then the network may have learned from films that test it "
        "later, or from other films of the same patients.",
    )
    require(
        place["B"] < place["C"],
        "you choose the threshold (C) before the network is trained (B). A threshold belongs to the scores of one "
        "network. Before the training there are no scores.",
    )
    require(
        place["B"] < place["A"],
        "you open the test films (A) before the network is trained (B). There is no result to report yet.",
    )
    require("".join(letters) == ORDER, "the split by patient (D) comes first. All other steps use its 3 parts.")
    return "split, train, choose, and open the test films last."


def _number(given: Any, where: str) -> float:
    """Return the answer as a number, or say that it is none."""
    try:
        return float(given)
    except (TypeError, ValueError):
        raise WrongAnswer(f"{where} you return {given!r}. One number is needed.") from None


EXERCISES = {
    "path inverted film": Exercise(
        _inverted_image,
        "scale raw as in section 1. The darkest pixel is 0 now and should be 1. The brightest is 1 and should be 0. "
        "Which subtraction does this?",
    ),
    "path final test": Exercise(
        _final_test,
        'val = scores[scores["split"] == "val"] are the validation films. choose_by_sensitivity of section 4 gives a '
        'point with .threshold. Then take the test films: called = test["score"] >= threshold.',
    ),
    "path patients": Exercise(
        _patients_on_both_sides,
        "set(train) holds each patient of the list once. a & b of two sets holds what is in both.",
    ),
    "path order": Exercise(
        _order_of_steps,
        "look at the drawing at the top of the page, from top to bottom and from left to right.",
    ),
}
