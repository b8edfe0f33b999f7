"""The exercises of lesson 0: an inverted film, two networks together, patients on both sides, the order of the path."""

from collections.abc import Callable
from typing import Any

import numpy as np

from cxrlib.course.checks import Exercise, WrongAnswer, require
from cxrlib.errors import InputError
from cxrlib.phantom.film import Order, take_film

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


def _two_readers(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Return the right sensitivity, and what typical mistakes give, by the words that explain them."""
    called, both, ill = first | second, first & second, labels == 1
    a, b = first[ill].mean(), second[ill].mean()
    return {
        RIGHT: called[ill].mean(),
        "You count an effusion only if both networks call it. One of them is enough.": both[ill].mean(),
        "That is the mean of the two sensitivities. An effusion that one network misses may be found by the other.": (
            a + b
        )
        / 2,
        "That is the better of the two sensitivities. The other network may find some of the effusions that this one "
        "misses.": max(a, b),
        "That is the first network alone.": a if a < b else -1,
        "That is the second network alone.": b if b < a else -1,
        "You add the two sensitivities. Effusions that both networks find are counted twice.": a + b,
        "You multiply the two rates of misses. That is right only if the networks miss independently. But an effusion "
        "that is hard to see is missed by both. Count the films instead.": 1 - (1 - a) * (1 - b),
        "That is the accuracy: you count the films without an effusion too. Take the effusions alone.": (
            called == ill
        ).mean(),
        "That is the fraction of all films that are called. Take the effusions alone.": called.mean(),
        "You divide by the number of calls: that is the fraction of the calls that are right. Sensitivity is a "
        "fraction of the effusions.": called[ill].sum() / called.sum(),
        "You divide the found effusions by the number of all films. Divide by the number of effusions.": (
            called & ill
        ).mean(),
        "That is the fraction of the effusions that are missed. Sensitivity is the fraction that is found.": 1
        - called[ill].mean(),
        "That is the specificity. You looked at the films without an effusion.": (~called)[~ill].mean(),
        "That is the number of found effusions. Divide by the number of effusions.": called[ill].sum(),
    }


def _sensitivity_of_two(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with a count, on 10 sets of films on which both networks tend to miss the same effusions."""
    tried = 0
    while tried < 10:
        n = int(rng.integers(150, 400))
        labels = (rng.random(n) < 0.3).astype(int)
        visible = rng.normal(1.6 * labels, 0.8)  # how much a film looks like an effusion, to both networks
        first, second = (visible + rng.normal(0, 0.7, n) > limit for limit in rng.uniform(0.5, 1.2, 2))
        values = _two_readers(labels, first, second)
        used = [value for value in values.values() if value >= 0]
        if np.diff(np.sort(used)).min() < 0.004:
            continue  # two mistakes give nearly the same value, so the words could be the wrong ones
        tried += 1
        where = f"for {n} films, {labels.sum()} of them with an effusion,"
        try:
            returned = answer(labels.copy(), first.copy(), second.copy())
        except WrongAnswer as error:
            if "ambiguous" not in str(error):
                raise
            words = "`or`, `and` and `not` work on one value. For arrays write `|`, `&` and `~`."
            raise WrongAnswer(f"{error}. {words}") from error
        require(
            np.ndim(returned) == 0,
            f"{where} you return {np.size(returned)} values. Return one number: which fraction of them is True?",
        )
        given = _number(returned, where)
        right = values.pop(RIGHT)
        for words, value in values.items():
            require(not np.isclose(given, value), f"{where} you get {given:.3f}. {words}")
        require(
            bool(np.isclose(given, right)),
            f"{where} you get {given:.3f}, and {right:.3f} is right. Which films are called by at least one network? "
            "Which of these calls belong to effusions?",
        )
    return (
        "it was tried on 10 sets of films. The pair finds at least as many effusions as each network alone. It also "
        "raises at least as many false alarms."
    )


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
    "path two networks": Exercise(
        _sensitivity_of_two,
        "called = first | second is True where at least one network calls the film. Section 5 computes a sensitivity "
        "from called and label.",
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
