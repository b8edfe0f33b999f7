"""The exercises of lesson 4: look closer at a place, keep the fluid on the film, and count comparisons."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from scipy import stats

from cxrlib.course.checks import Exercise, NotTried, require
from cxrlib.course.cohorts import LAB_SEED
from cxrlib.course.labs.lesson_04 import costophrenic_corners, fluid_above_corners, fraction_inside, positions
from cxrlib.images.augmentation import Augmentation, draw_affine
from cxrlib.phantom.film import take_film
from cxrlib.phantom.roster import draw_roster, order_of

ENOUGH_FLUID, ENOUGH_DRAWS = 0.8, 0.99
"""At least this fraction of the fluid above the corners stays on the film, in at least this fraction of the draws."""

GIVEN = {"scale": 0.05, "rotate": 5.0}
"""The ranges that the exercise fixes."""

STEP = 0.01
"""The steps in which the largest shift is looked for."""

DRAWS = 20
"""Moves of each film, as on the page."""

MOST_COMPARISONS = 100
"""The largest number of comparisons that the exercise asks for."""


def _square(answer: Any, name: str) -> np.ndarray:
    """Return the answer as a matrix (3, 3)."""
    matrix = np.asarray(answer, dtype=float)
    require(
        matrix.shape == (3, 3),
        f"{name} has the shape {matrix.shape}, and (3, 3) is needed: 3 rows of 3 numbers, of which the last row is "
        "0, 0, 1.",
    )
    require(abs(np.linalg.det(matrix)) > 1e-9, f"{name} cannot be inverted: it puts all pixels on one line.")
    return matrix


def _look_closer(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the one matrix that enlarges by s and puts (x, y) into the centre."""
    for _ in range(20):
        size = int(rng.choice([64, 128, 256]))
        x, y = rng.integers(size // 8, size // 3), rng.integers(size // 2, size - size // 8)
        s = float(rng.choice([1.5, 2.0, 2.5, 3.0]))
        given = _square(answer(int(x), int(y), s, size), "your matrix")
        centre = (size - 1) / 2
        build = lambda diagonal, a, b: np.array([[diagonal, 0, a], [0, diagonal, b], [0, 0, 1]])
        expected = build(1 / s, x - centre / s, y - centre / s)
        at = f"for x = {x}, y = {y}, s = {s:g} and size = {size}"
        require(
            not np.allclose(given, expected.T),
            f"{at} the shift stands in the last row. It belongs into the last column. Then the matrix times (x, y, 1) "
            "adds it.",
        )
        require(
            not np.allclose(given, np.linalg.inv(expected)),
            f"{at} your matrix leads from the old film to the new one. A film is filled the other way: from the new "
            "position to the old one. Invert it, or start from the new film's centre.",
        )
        require(
            not np.isclose(given[0, 0], s),
            f"{at} your matrix has {s:g} on the diagonal. That makes the chest {s:g} times smaller: a step of 1 pixel "
            f"on the new film is a step of {s:g} pixels on the old one.",
        )
        require(
            not np.allclose(given, build(1 / s, y - centre / s, x - centre / s)),
            f"{at} you look at the point ({y}, {x}): x and y are swapped. The first row of the matrix gives the old x.",
        )
        require(
            not np.allclose(given, build(1 / s, x, y)),
            f"{at} the point lands in the top-left corner of the new film, at (0, 0). It should land in the centre, at "
            f"({centre:g}, {centre:g}).",
        )
        require(
            not np.allclose(given, build(1 / s, x - centre, y - centre)),
            f"{at} the shift is right only without scaling. The new centre ({centre:g}, {centre:g}) is first divided "
            "by s, and then shifted. So how large must the shift be?",
        )
        require(
            not np.allclose(given, build(1 / s, centre - centre / s, centre - centre / s)),
            f"{at} the film is enlarged about its own centre. The point ({x}, {y}) does not come to the centre.",
        )
        half = build(1 / s, x - size / 2 / s, y - size / 2 / s)
        require(
            not np.allclose(given, half),
            f"{at} the idea is right, but the centre is not size / 2. Pixels are counted from 0 to {size - 1}, so the "
            f"centre is {centre:g}.",
        )
        require(
            not np.allclose(given, build(1 / s, centre - (2 * centre - x) / s, centre - (2 * centre - y) / s)),
            f"{at} you enlarge first and shift afterwards. The enlargement has then already pushed the point away from "
            "the centre. Swap the two matrices: the last move stands on the right.",
        )
        require(
            not np.allclose(given, build(1 / s, (x - centre) / s, (y - centre) / s)),
            f"{at} you enlarge about the top-left corner, and shift afterwards. By then the point is at ({s * x:g}, "
            f"{s * y:g}). Shift first, or shift from there to the centre.",
        )
        wrong_signs = (
            build(1 / s, centre / s - x, centre / s - y),
            build(1 / s, 2 * centre - centre / s - x, 2 * centre - centre / s - y),
        )
        require(
            not any(np.allclose(given, wrong) for wrong in wrong_signs),
            f"{at} you shift in the wrong direction, so the point moves away from the centre. The matrix leads from "
            "new to old: to shift the film to the right, look to the left.",
        )
        require(
            not np.allclose(given, build(1 / s, centre - x / s, centre - y / s)),
            f"{at} you divide the old point by s. But the matrix is applied to the *new* position: the centre is "
            "divided by s, and the result must be the old point.",
        )
        require(
            np.allclose(given[:2, :2], expected[:2, :2]),
            f"{at} the diagonal should be {1 / s:.3f} twice, so that the film is enlarged by {s:g}. Yours is "
            f"{given[0, 0]:.3f} and {given[1, 1]:.3f}.",
        )
        landed = positions(np.array([[x, y]]), np.linalg.inv(given))[0]
        require(
            np.allclose(given, expected),
            f"{at} the point lands at ({landed[0]:.1f}, {landed[1]:.1f}), and it should land at ({centre:g}, "
            f"{centre:g}).",
        )
    return "the point came to the centre, at the right size. It was tried on 20 points and sizes."


def _shift(answer: Any, rng: np.random.Generator) -> str:
    """Repeat the draws of the page with these settings and with a larger shift, and then take fresh films."""
    if callable(answer):
        raise NotTried("an Augmentation is needed, not a function")
    require(
        isinstance(answer, Augmentation),
        f"your answer is of the type {type(answer).__name__}. An Augmentation is needed, for example "
        "Augmentation(shift=0.2, scale=0.05, rotate=5.0).",
    )
    require(
        not answer.vertical_flip,
        "your settings turn films upside down. The fluid stays on the film, but it lies at the top. Fluid in somebody "
        "who stands collects at the bottom.",
    )
    require(
        answer.probability == 1,
        f"your settings move a film with a probability of {answer.probability:g} only. The others stay as they are, so "
        "they lose nothing and they also teach nothing new. Leave the probability at 1.",
    )
    for name, value in GIVEN.items():
        require(
            np.isclose(getattr(answer, name), value),
            f"your {name} is {getattr(answer, name):g}, and the exercise fixes it at {value:g}. If 2 ranges "
            "change, you cannot say which of them costs the fluid.",
        )
    fluid = _fluid(100, LAB_SEED, 96)
    found = _fraction_of_draws(answer, fluid, 0)
    says = f"with a shift of {answer.shift:g}, most of the fluid stays inside in {found:.1%} of the draws"
    require(
        found >= ENOUGH_DRAWS,
        f"{says}, and {ENOUGH_DRAWS:.0%} is asked for. In the other draws more than a fifth of the fluid is outside, "
        "and the film is still called an effusion. Use a smaller shift.",
    )
    wider = replace(answer, shift=answer.shift + STEP)
    more = _fraction_of_draws(wider, fluid, 0)
    require(
        more < ENOUGH_DRAWS,
        f"{says}. That is safe, but it is not the largest shift: {wider.shift:g} still gives {more:.1%}. Films that "
        "hardly move teach the network little that is new.",
    )
    seed = int(rng.integers(10_000, 10**6))
    fresh = _fraction_of_draws(answer, _fluid(40, seed, 64), seed)
    return (
        f"{says}, and with {wider.shift:g} in {more:.1%}. On 40 other films it is {fresh:.1%} with your shift: a limit "
        "found on some films is only about right for others."
    )


@cache
def _fluid(films: int, seed: int, size: int) -> list[np.ndarray]:
    """Return the fluid above the corners, for simulated films with an effusion that show both corners."""
    roster = draw_roster(2 * films, prevalence=0.5, seed=seed)
    rows = roster[roster["label"] == 1].to_dict("records")
    taken = [take_film(order_of(row, seed=seed), size=size) for row in rows]
    fluid = [fluid_above_corners(film) for film in taken if len(costophrenic_corners(film)) == 2]
    return [mask for mask in fluid if mask.any()]


def _fraction_of_draws(settings: Augmentation, fluid: list[np.ndarray], seed: int) -> float:
    """Return the fraction of random moves after which enough of the fluid is still on the film."""
    rng = np.random.default_rng(seed)
    matrices = [np.vstack([draw_affine(settings, len(mask), rng), [0, 0, 1]]) for mask in fluid * DRAWS]
    inside = [fraction_inside(mask, matrix) for mask, matrix in zip(fluid * DRAWS, matrices, strict=True)]
    return float(np.mean(np.array(inside) >= ENOUGH_FLUID))


def _most_comparisons(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the largest whole number of comparisons k for which the interval of level 1 - 0.05 / k is clear."""
    samples = [_differences(k, sign, rng) for k, sign in ((0, 1), (1, -1), (3, 1), (8, -1), (25, 1), (60, -1))]
    given = []
    for sample in samples:
        found = answer(sample.copy())
        require(
            isinstance(found, int | np.integer) and not isinstance(found, bool | np.bool_),
            f"most_comparisons returns {found!r}. It should return a whole number: how many comparisons.",
        )
        given.append(int(found))
    right = [_comparisons(sample) for sample in samples]
    for wrong, message in _MISTAKES:
        require(given != [wrong(sample) for sample in samples], message)
    for sample, found, expected in zip(samples, given, right, strict=True):
        low, high = _interval(sample, max(expected, 1))
        require(
            found == expected,
            f"for {len(sample)} seeds with the mean {sample.mean():.3f}, you return {found}, and {expected} is right. "
            f"With {max(expected, 1)} the interval is {low:.4f} to {high:.4f}.",
        )
    return "it was tried on 6 sets of differences, above and below zero, for 5 to 12 seeds."


def _differences(comparisons: int, sign: int, rng: np.random.Generator) -> np.ndarray:
    """Return differences of AUC whose corrected interval excludes zero up to this number of comparisons, and no more.

    The p-value is 0.05 / (comparisons + 0.3), so rounding cannot move the limit.
    """
    seeds = int(rng.integers(5, 13))
    values = rng.normal(size=seeds)
    values = (values - values.mean()) / stats.sem(values)
    return sign * rng.uniform(0.005, 0.02) * (values + stats.t.isf(0.025 / (comparisons + 0.3), seeds - 1))


def _interval(differences: np.ndarray, comparisons: int) -> tuple[float, float]:
    """Return the interval that is corrected for this number of comparisons."""
    half = stats.t.isf(0.025 / comparisons, len(differences) - 1) * stats.sem(differences)
    return differences.mean() - half, differences.mean() + half


def _comparisons(differences: np.ndarray, *, tail: Callable | None = None, error: float = 1.0, sides: int = 2) -> int:
    """Return the largest number of comparisons, up to 100, for a two-sided interval by Student's t.

    Other values of the options give the result of a mistake: another distribution, a standard error that is too large
    by a factor, or an interval with all of its 5 % on one side.
    """
    tail = tail or (lambda t: stats.t.sf(t, len(differences) - 1))
    p = sides * tail(abs(differences.mean()) / stats.sem(differences) / error)
    return min(MOST_COMPARISONS, int(0.05 / p))


def _first_to_fail(differences: np.ndarray) -> int:
    return min(MOST_COMPARISONS, _comparisons(differences) + 1)


def _narrower(differences: np.ndarray) -> int:
    """Return the result for a level of 0.95 / comparisons: the largest number always excludes zero."""
    return MOST_COMPARISONS


_MISTAKES: tuple[tuple[Callable[[np.ndarray], int], str], ...] = (
    (
        _narrower,
        (
            "you return 100 each time. Your interval becomes narrower with more comparisons, and it should become "
            "wider. The 5 % are divided, not the 95 %: the level is 1 - 0.05 / comparisons."
        ),
    ),
    (
        _first_to_fail,
        "you return the first number with which the interval includes zero. The one before it is asked for.",
    ),
    (
        lambda differences: _comparisons(differences) if differences.mean() > 0 else 0,
        "you find only differences above zero. An interval that ends below zero excludes zero, too.",
    ),
    (
        lambda differences: max(1, _comparisons(differences)),
        "you return 1 where the interval includes zero already with 1 comparison. Then the answer is 0.",
    ),
    (
        lambda differences: _comparisons(differences, sides=1),
        (
            "your interval leaves out 5 % / comparisons on each side. Half of that belongs on each side, so "
            "t is taken at (1 + level) / 2."
        ),
    ),
    (
        lambda differences: _comparisons(differences, tail=stats.norm.sf),
        (
            "you take the factor from the normal distribution. With so few seeds, Student's t is larger: it allows for "
            "a standard deviation that is itself uncertain."
        ),
    ),
    (
        lambda differences: _comparisons(differences, error=len(differences) ** 0.5),
        (
            "you take the standard deviation of the seeds. The interval is of their mean, so divide it by the root of "
            "the number of seeds: that is the standard error."
        ),
    ),
    (
        lambda differences: _comparisons(differences, error=(1 - 1 / len(differences)) ** 0.5),
        "the idea is right, but np.std divides by n, and here n - 1 is needed. Use ddof=1 or stats.sem.",
    ),
    (
        lambda differences: min(1, _comparisons(differences)),
        "you never return more than 1. Do not stop at the first number: try larger ones, too.",
    ),
)
"""What typical mistakes return, and what the reader is told."""


EXERCISES = {
    "augmentation zoom": Exercise(
        _look_closer,
        "the new film's centre, c = (size - 1) / 2, must lead to the old point (x, y). The diagonal is 1 / s. "
        "So 1 / s * c + shift = x. Solve it for the shift.",
    ),
    "augmentation shift": Exercise(
        _shift,
        "print stays(draws(Augmentation(shift=..., scale=0.05, rotate=5.0))) for a shift of 0.04 and of 0.08. Where "
        "between them do the 99 % lie?",
    ),
    "augmentation comparisons": Exercise(
        _most_comparisons,
        "call corrected(differences, 1), then with 2, with 3, and so on. Keep the last number for which low is above 0 "
        "or high is below 0.",
    ),
}
