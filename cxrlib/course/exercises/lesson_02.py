"""The exercises of lesson 2: fluid on a ray, a tilted bed, the side of an effusion, the first blunted angle."""

from collections.abc import Callable

import numpy as np

from cxrlib.course.checks import Exercise, NotTried, WrongAnswer, require
from cxrlib.course.labs.lesson_02 import QUIZ_FILMS, quiz_orders
from cxrlib.errors import InputError
from cxrlib.phantom.film import Film, Order, take_film
from cxrlib.phantom.signs import blunting

VOLUMES = range(25, 501, 25)
"""The volumes in mL that are tried in the exercise on the first blunted angle."""


def _fluid_on_a_ray(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with Beer-Lambert, for fluid that takes the place of lung."""
    for _ in range(20):
        passed, lung, fluid = rng.uniform(0.1, 0.9), rng.uniform(0.03, 0.07), rng.uniform(0.17, 0.25)
        given = float(answer(passed, fluid, lung))
        at = f"with passed={passed:.2f}, mu_fluid={fluid:.3f} and mu_lung={lung:.3f} you get {given:.2f} cm"
        expected = -np.log(passed) / (fluid - lung)
        mistakes = {
            -np.log(passed) / fluid: "That would be so if there was nothing before the fluid. But the fluid takes the "
            "place of lung, and the lung took away something too.",
            -np.log(passed) / (fluid + lung): "You add the two attenuations. The fluid takes the place of lung, so "
            "the lung's attenuation is gone.",
            (1 - passed) / (fluid - lung): "That is a straight line: it holds only for very thin layers. Each further "
            "cm takes a fraction of what is left, so a logarithm is needed.",
            -np.log10(passed) / (fluid - lung): "You use the logarithm to base 10. The law is written with exp, so "
            "the natural logarithm np.log undoes it.",
            -np.log(1 - passed) / (fluid - lung): "You use 1 - passed, the fraction that is lost. The law of Beer and "
            "Lambert is about the fraction that arrives.",
            -expected: "The thickness cannot be below 0. The logarithm of a fraction is negative: look at the sign.",
            np.exp(-passed * (fluid - lung)): "You solved the question the other way round: `passed` is a fraction, "
            "not a number of cm.",
        }
        for wrong, words in mistakes.items():
            require(not np.isclose(given, wrong, rtol=1e-3), f"{at}. {words}")
        require(
            np.isclose(given, expected, rtol=1e-3),
            f"{at}. With so much fluid a fraction of {np.exp(-given * (fluid - lung)):.2f} passes. Solve "
            "passed = exp(-cm * (mu_fluid - mu_lung)) for cm.",
        )
    return "it was tried on 20 rays through fluid."


def _toy_space() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a coarse pleural space like the one of the lesson: which voxels are inside, and their y and z in cm."""
    x, y, z = np.meshgrid(np.arange(-5.5, 6), np.arange(-7.5, 8), np.arange(0.5, 26), indexing="ij")
    wall = np.hypot(x / 6, y / 8)
    inside = (wall < 1) & (z > 11.5 - 9 * wall**2 - 0.4 * y)
    return inside, y, z


def _tilted_bed(answer: Callable, rng: np.random.Generator) -> str:
    """Compare the filled voxels with those that lie lowest, at several tilts of the bed."""
    inside, y, z = _toy_space()
    for degrees in (int(rng.integers(15, 40)), int(rng.integers(50, 75)), 0, 90):
        count = int(rng.integers(100, 600))
        try:
            given = np.asarray(answer(inside.copy(), y.copy(), z.copy(), degrees, count))
        except WrongAnswer as error:
            raise WrongAnswer(
                f"{error}. The check brings a space of the shape {inside.shape}. Do you use `fill`, or another array "
                "of the page? Then the places do not fit."
            ) from error
        at = f"with the bed tilted by {degrees} degrees and {count} voxels of fluid"
        require(
            given.shape == inside.shape and given.dtype == bool,
            f"your answer has the shape {given.shape} and the type {given.dtype}. It must be an array of True and "
            f"False with the shape of `inside`, {inside.shape}.",
        )
        require(
            not (given & ~inside).any(),
            f"{at}, {(given & ~inside).sum()} of the voxels that you fill lie outside the pleural space. Only voxels "
            "where `inside` is True can hold fluid. A place in `height[inside]` is not a place in `height`.",
        )
        require(
            given.sum() == count,
            f"{at}, you fill {given.sum()} voxels. The volume is {count} voxels, no more, no less. Many voxels "
            "are equally high, so a limit of height takes too many: sort, and take the first `count`.",
        )
        angle = np.radians(degrees)
        height = z * np.cos(angle) - y * np.sin(angle)
        if _holds_the_lowest(given, inside, height):
            continue
        mistakes = (
            (-height, "You fill the highest voxels first. That is where gas goes. Fluid goes to the lowest."),
            (z * np.cos(degrees) - y * np.sin(degrees), "You give NumPy degrees, but np.cos and np.sin take radians."),
            (
                z * (1 - degrees / 90) - y * degrees / 90,
                "You mix z and y in proportion to the degrees. A rotation mixes them with the cosine and the sine.",
            ),
            (z, "You fill it as if the patient stood: the tilt changes nothing. Which way is up in a tilted bed?"),
            (
                z * np.cos(angle) + y * np.sin(angle),
                "The fluid lies at the front of the chest. But on a tilted bed the back is low, and there y is large.",
            ),
            (
                z * np.sin(angle) - y * np.cos(angle),
                "Sine and cosine are swapped: at 0 degrees the patient stands, so z alone must decide.",
            ),
        )
        for wrong, words in mistakes:
            require(not _holds_the_lowest(given, inside, wrong), f"{at}: {words}")
        raise WrongAnswer(
            f"{at}, the highest voxel with fluid is {height[given].max():.1f} cm above 0, and the lowest without is at "
            f"{height[inside & ~given].min():.1f} cm. No dry voxel may lie lower than a wet one. Height is "
            "measured along gravity."
        )
    return "fluid lies lowest at each of 4 tilts, from standing to lying."


def _holds_the_lowest(filled: np.ndarray, inside: np.ndarray, height: np.ndarray) -> bool:
    """Return whether no dry voxel of the space lies lower than a filled one."""
    return bool(filled.any() and height[filled].max() <= height[inside & ~filled].min() + 1e-6)


def _effusion_side(answer: object, rng: np.random.Generator) -> str:
    """Compare the named sides with the orders of the reader's own films."""
    truth = [order.side if order.amount else "none" for order in quiz_orders(rng)]
    words = ("right", "left", "none")
    require(
        isinstance(answer, (list, tuple)) and len(answer) == QUIZ_FILMS and all(side in words for side in answer),
        f'write a list of {QUIZ_FILMS} words, one for each film. Each is "right", "left" or "none".',
    )
    sides = list(answer) if isinstance(answer, (list, tuple)) else []
    swapped = {"right": "left", "left": "right", "none": "none"}
    require(
        [swapped[side] for side in sides] != truth,
        "you found each effusion, but every side is swapped. The patient faces you, so the patient's right is on the "
        "left of the film.",
    )
    wrong = [number for number, (side, true) in enumerate(zip(sides, truth, strict=True), 1) if side != true]
    if wrong:
        first = wrong[0]
        side, true = sides[first - 1], truth[first - 1]
        if side == "none":
            why = "It shows an effusion, and you call none. Compare the two costophrenic angles: both are sharp on a "
            why += "film without fluid."
        elif true == "none":
            why = "It shows no effusion. A bright area with a border like a dome is the diaphragm, and it may stand "
            why += "high. Breasts and a dense lung are bright too. Look at the angle below: is it sharp?"
        else:
            why = "It shows an effusion, but on the other side. The patient faces you: their right is on your left."
        raise WrongAnswer(f"{len(wrong)} of {QUIZ_FILMS} films are wrong. Look at film {first} again. {why}")
    return f"all {QUIZ_FILMS} films are named correctly."


def _first_blunted(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the lowest volume at which `blunting` exceeds 0.5, for patients of the reader's own seed."""
    for number, side in enumerate(("right", "left", "right")):
        patient, films = _patient_with_an_angle(rng, side)
        fractions = {ml: blunting(film, side) for ml, film in films.items()}
        expected = next(ml for ml, fraction in fractions.items() if fraction > 0.5)
        at = f"for patient {patient} on the {side}"
        try:
            given = answer(patient, side)
        except NotTried:
            if number == 0:
                raise
            raise WrongAnswer(
                f"{at}, your function finds no volume. Is the fluid ordered on the side whose angle you measure?"
            ) from None
        given = float(given)
        require(
            given in fractions,
            f"{at}, you return {given:g}. It must be one of the volumes 25, 50, 75, ..., 500 mL, not its place in the "
            "list and not the fraction.",
        )
        require(
            given <= expected,
            f"{at}, you return {given:g} mL. The angle is blunted with {expected} mL already. Start with the smallest "
            "volume, and stop at the first that is blunted.",
        )
        require(
            given >= expected,
            f"{at}, you return {given:g} mL. There, {fractions[int(given)]:.2f} of the angle is fluid. Some fluid is "
            "not enough: the angle is called blunted above 0.5.",
        )
    return "it was tried on 3 patients, on both sides."


def _patient_with_an_angle(rng: np.random.Generator, side: str) -> tuple[int, dict[int, Film]]:
    """Return a patient whose angle is on the film and is blunted by one of the volumes, and films up to that volume."""
    while True:
        patient, films = int(rng.integers(1000, 10**6)), {}
        try:
            for ml in VOLUMES:
                films[ml] = take_film(Order(patient=patient, amount=float(ml), side=side), size=96)
                if blunting(films[ml], side) > 0.5:
                    break
            else:
                continue
        except InputError:  # a child's chest, or an angle below the edge of the film
            continue
        if len(films) > 2:  # so that the smallest volume is not right by chance
            for ml in VOLUMES[len(films) :]:
                films[ml] = films[VOLUMES[len(films) - 1]]
            return patient, films


EXERCISES = {
    "fluid on a ray": Exercise(
        _fluid_on_a_ray,
        "each cm of fluid takes the place of one cm of lung. So what passes falls as "
        "exp(-cm * (mu_fluid - mu_lung)). Which function undoes exp?",
    ),
    "tilted bed": Exercise(
        _tilted_bed,
        "write down the height of a voxel at 0 degrees, and at 90 degrees. Between them it is a mixture with "
        "np.cos and np.sin of np.radians(degrees). Then fill the lowest, as `fill` does.",
    ),
    "effusion side": Exercise(
        _effusion_side,
        "look at the two costophrenic angles of a film first. Is each one sharp and dark? Then say the side as the "
        "patient would.",
    ),
    "first blunted angle": Exercise(
        _first_blunted,
        "use a loop over range(25, 501, 25). Take a film of each volume with size=96, and return the volume as soon "
        "as blunting(film, side) is above 0.5.",
    ),
}
