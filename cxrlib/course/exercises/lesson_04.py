"""The exercises of lesson 4: look closer at a place, settings that keep the fluid on the film, and a mirror."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from cxrlib.course.checks import Exercise, NotTried, require
from cxrlib.course.labs.lesson_04 import fraction_inside, positions, visible_fluid
from cxrlib.images.augmentation import Augmentation, draw_affine
from cxrlib.phantom.film import take_film
from cxrlib.phantom.roster import draw_roster, order_of

ENOUGH_FLUID, ENOUGH_DRAWS = 0.8, 0.99
"""At least this fraction of the visible fluid stays on the film, in at least this fraction of the draws."""

LEAST = {"shift": 0.03, "scale": 0.04, "rotate": 4.0}
"""The smallest ranges that the exercise accepts."""

FILMS, DRAWS, SIZE = 60, 20, 64
"""How many fresh films with an effusion, how many moves of each, and their side in pixels."""


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
            f"{at} your matrix has {s:g} on the diagonal. That makes the chest {s:g} times smaller: {s:g} pixels of "
            "the old film go by for each pixel of the new one.",
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
        landed = positions(np.array([[x, y]]), np.linalg.inv(given))[0]
        require(
            np.allclose(given, expected),
            f"{at} the point lands at ({landed[0]:.1f}, {landed[1]:.1f}), and it should land at ({centre:g}, "
            f"{centre:g}). The diagonal should be {1 / s:.3f}, and yours is {given[0, 0]:.3f}.",
        )
    return "the point came to the centre, at the right size. It was tried on 20 points and sizes."


def _settings(answer: Any, rng: np.random.Generator) -> str:
    """Draw moves with the settings, and count how often the fluid leaves fresh films."""
    if callable(answer):
        raise NotTried("an Augmentation is needed, not a function")
    require(
        isinstance(answer, Augmentation),
        f"your answer is of the type {type(answer).__name__}. An Augmentation is needed, for example "
        "Augmentation(shift=0.1, scale=0.1, rotate=10.0).",
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
    small = [name for name, least in LEAST.items() if getattr(answer, name) < least - 1e-9]
    require(
        not small,
        f"{', '.join(f'{name} is {getattr(answer, name):g}' for name in small)}, and at least "
        f"{', '.join(f'{LEAST[name]:g}' for name in small)} is asked for. Settings that hardly move a film are safe, "
        "but they are no augmentation.",
    )
    seed = int(rng.integers(10_000, 10**6))
    roster = draw_roster(2 * FILMS, prevalence=0.5, seed=seed)
    rows = roster[roster["label"] == 1].to_dict("records")
    fluid = [visible_fluid(take_film(order_of(row, seed=seed), size=SIZE)) for row in rows]
    fluid = [mask for mask in fluid if mask.any()]
    found = _fraction_of_draws(answer, fluid, seed)
    alone = {name: _fraction_of_draws(Augmentation(**{name: getattr(answer, name)}), fluid, seed) for name in LEAST}
    worst = min(alone, key=lambda name: alone[name])
    require(
        found >= ENOUGH_DRAWS,
        f"on {len(fluid)} fresh films at least {ENOUGH_FLUID:.0%} of the visible fluid stays inside in {found:.1%} of "
        f"the draws, and {ENOUGH_DRAWS:.0%} is asked for. The {worst} of {getattr(answer, worst):g} does most of it: "
        f"alone it reaches {alone[worst]:.1%}. A film moved so far is still called an effusion, and shows less of it.",
    )
    return (
        f"at least {ENOUGH_FLUID:.0%} of the visible fluid stays inside in {found:.1%} of the draws, on {len(fluid)} "
        f"fresh films with {DRAWS} draws each."
    )


def _fraction_of_draws(settings: Augmentation, fluid: list[np.ndarray], seed: int) -> float:
    """Return the fraction of random moves after which enough of the fluid is still on the film."""
    rng = np.random.default_rng(seed)
    plain = replace(settings, gamma=1.0)
    draw = lambda: np.vstack([draw_affine(plain, SIZE, rng), [0, 0, 1]])
    return float(np.mean([fraction_inside(mask, draw()) >= ENOUGH_FLUID for mask in fluid for _ in range(DRAWS)]))


def _mirror(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the flip from left to right, for several sizes."""
    for size in map(int, rng.permutation([5, 32, 96, 255, 256])):
        given = _square(answer(size), "your matrix")
        last = size - 1
        build = lambda x_sign, x_shift, y_sign, y_shift: np.array(
            [[x_sign, 0, x_shift], [0, y_sign, y_shift], [0, 0, 1]]
        )
        at = f"for size = {size}"
        require(
            not np.allclose(given, np.eye(3)),
            f"{at} your matrix leaves each pixel where it is. Then nothing is mirrored.",
        )
        require(
            not np.allclose(given[:2, :2], np.diag([1, -1])),
            f"{at} your matrix turns the film upside down: it reverses y. The fluid then lies at the top. Which of the "
            "two flips keeps it at the bottom?",
        )
        require(
            not np.allclose(given[:2, :2], -np.eye(2)),
            f"{at} your matrix reverses x and y: that is half a turn, and the fluid lies at the top. Reverse one of "
            "them.",
        )
        require(
            not np.allclose(given, build(-1, 0, 1, 0)),
            f"{at} the new pixel x = 1 is looked for at the old x = -1, outside the film. The result is black, but for "
            "one column. Reversing x turns about the left edge: what brings the film back?",
        )
        require(
            not np.allclose(given, build(-1, size, 1, 0)),
            f"{at} the new pixel x = 0 is looked for at the old x = {size}, and the last column is {last}. The idea is "
            "right, but the film is one pixel off.",
        )
        require(
            not np.allclose(given.T, build(-1, last, 1, 0)),
            f"{at} the shift stands in the last row. It belongs into the last column, in the row of x.",
        )
        first = given @ np.array([0, 0, 1])
        require(
            np.allclose(given, build(-1, last, 1, 0)),
            f"{at} the new pixel (0, 0) is looked for at the old ({first[0]:g}, {first[1]:g}). The left edge of a "
            f"mirrored film comes from the right edge of the old one, at ({last}, 0).",
        )
    return "each pixel comes from the other side, and the fluid stays at the bottom. It was tried on films of 5 sizes."


EXERCISES = {
    "augmentation zoom": Exercise(
        _look_closer,
        "the new film's centre, c = (size - 1) / 2, must lead to the old point (x, y). The diagonal is 1 / s. "
        "So 1 / s * c + shift = x. Solve it for the shift.",
    ),
    "augmentation settings": Exercise(
        _settings,
        "print stays(draws(...)) for the course's settings, and then make one range smaller at a time.",
    ),
    "augmentation mirror": Exercise(
        _mirror,
        "write down for a film of 5 columns from which old column each new column comes: 0 from 4, 1 from 3, and so "
        "on. Which formula gives the old column from the new one?",
    ),
}
