"""The exercises of lesson 5: standardising, a window beside plates, a window from a header, and two differences."""

from collections.abc import Callable

import numpy as np
from scipy import stats

from cxrlib.course.checks import Exercise, require
from cxrlib.images.pixels import minmax, percentile
from cxrlib.phantom.film import Order, take_film

SIZE = 96
"""The side of the films that answers are tried on, in pixels."""


def _film(rng: np.random.Generator) -> np.ndarray:
    """Return the stored values of a fresh film."""
    order = Order(patient=int(rng.integers(1000, 10**6)), site=int(rng.integers(3)))
    return take_film(order, size=SIZE).pixels


def _quietly(answer: Callable, *args: object) -> np.ndarray:
    """Call the answer without NumPy's warnings, which would stop it before its result can be looked at."""
    with np.errstate(all="ignore"):
        return np.asarray(answer(*args))


def _same_shape(given: np.ndarray, pixels: np.ndarray, reason: str) -> None:
    require(
        given.shape == pixels.shape,
        f"the film has the shape {pixels.shape}, and your result has {given.shape}. {reason}",
    )


def _beside_plates(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the window of the inner 3 fifths, on films with plates at the border and a bright pixel inside."""
    for _ in range(4):
        film = _film(rng) + 1500.0
        film[3, SIZE // 2] = 500.0  # a dead pixel: the lowest value is not that of a border
        fifth = round(0.2 * SIZE)
        centre = film[fifth : SIZE - fifth, fifth : SIZE - fifth]
        film[SIZE // 2, SIZE // 2 + int(rng.integers(-9, 9))] = 2 * film.max()
        low, high = (float(end) for end in np.percentile(centre, (0.5, 99.5)))
        plated, is_plate = film.copy(), np.zeros(film.shape, bool)
        height, width = int(rng.integers(10, 14)), int(rng.integers(16, 22))
        top, left = int(rng.integers(1, 4)), int(rng.choice([2, SIZE - 24]))
        is_plate[top : top + height, left : left + width] = True
        plated[is_plate] = film.max()
        given = _quietly(answer, plated.copy())
        _same_shape(given, film, "Use the middle to choose the window, then apply the window to the whole film.")
        expected = np.clip((plated - low) / (high - low), 0, 1)
        if np.abs(given - expected).max() <= 0.03:
            continue
        _explain_window(given, plated, is_plate, (low, high))
    return "it was tried on 4 films, each with a plate and a bright pixel. The plate did not move your window."


def _explain_window(given: np.ndarray, pixels: np.ndarray, is_plate: np.ndarray, window: tuple[float, float]) -> None:
    low, high = window
    at = f"the plate covers {is_plate.mean():.1%} of the film. Outside it your grays go to {given[~is_plate].max():.2f}"
    fifth = round(0.2 * SIZE)
    middle = pixels[fifth:-fifth, fifth:-fifth]
    scaled = minmax(pixels)
    lowest_to_highest = f"your result goes from {given.min():.2f} to {given.max():.2f}"

    def matches(expected: np.ndarray, tolerance: float = 1e-4) -> bool:
        return bool(np.allclose(given, expected, atol=tolerance))

    def stretched(start: float, end: float) -> np.ndarray:
        return np.clip((pixels - start) / (end - start), 0, 1)

    require(
        not matches((pixels - low) / (high - low), 0.03),
        f"the window is right, but {lowest_to_highest}. Clip it to 0 and 1.",
    )
    require(
        not matches(scaled),
        f"{at}, and half of the film is darker than {np.median(given):.2f}. That is min-max: the plate has become 1, "
        "and all else is pressed together. If you clip to 0 and 1 after that, nothing is left to clip. Find the window "
        "first.",
    )
    require(
        not matches(np.clip(scaled, 0.005, 0.995)),
        f"{at}. You clipped the gray levels at 0.005 and 0.995. Percentiles count pixels: 0.5 % of the pixels are "
        "darker than the 0.5th percentile, whatever their gray is.",
    )
    for source, tolerance in ((scaled, 1e-4), (scaled[fifth:-fifth, fifth:-fifth], 0.01)):
        require(
            not matches(np.clip(scaled, *np.percentile(source, (0.5, 99.5))), tolerance),
            f"{lowest_to_highest}, not from 0 to 1. You clipped after scaling. The window itself must become 0 and 1: "
            "subtract its low end, and divide by its width.",
        )
    for source in (pixels, middle):
        require(
            not matches(stretched(*np.percentile(source, (0.005, 0.995))), 0.03),
            f"{(given == 1).mean():.0%} of your film is white. np.percentile wants percent: the 99.5th percentile is "
            "99.5, not 0.995.",
        )
    require(
        not matches(stretched(*np.percentile(pixels, (0.5, 99.5)))),
        f"{at}, and half of the film is darker than {np.median(given):.2f}. The window is that of the whole film, so "
        "the plate decides its upper end. Take the percentiles of the middle only.",
    )
    require(
        not matches(stretched(middle.min(), middle.max()), 0.01),
        f"{at}. You took the lowest and the highest value of the middle. There is 1 very bright pixel in it, and it "
        "has become the upper end. Take percentiles.",
    )
    for source in (pixels, middle):
        require(
            not matches(np.clip(pixels, *np.percentile(source, (0.5, 99.5))), 5.0),
            f"{lowest_to_highest}. You clipped to the window, but the window is not yet 0 to 1: subtract its low end, "
            "and divide by its width.",
        )
    for part in (pixels[fifth:, fifth:], pixels[:-fifth, :-fifth], pixels[fifth:-fifth], pixels[:, fifth:-fifth]):
        require(
            not matches(stretched(*np.percentile(part, (0.5, 99.5))), 0.01),
            f"{at}, and half of the film is darker than {np.median(given):.2f}. You cut off only 2 of the 4 sides. Cut "
            "at the top, the bottom, the left and the right.",
        )
    require(
        False,
        f"{at}, and half of the film is darker than {np.median(given):.2f}. The window should be "
        f"{low:,.0f} to {high:,.0f}: the percentiles 0.5 and 99.5 of the inner 3 fifths. "
        "Did you cut off 1 fifth at each of the 4 sides?",
    )


def _of_header(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with slope, window and inversion in this order, on 8 headers."""
    for number in range(8):
        film = _film(rng)
        slope, intercept = float(rng.choice([0.5, 2.0, 4.0])), float(rng.integers(-2000, 2000))
        values = slope * film + intercept
        low, high = np.percentile(values, (rng.uniform(10, 25), rng.uniform(75, 90)))
        center, width = float((low + high) / 2), float(high - low)
        word = ("MONOCHROME2", "MONOCHROME1")[number % 2]
        given = _quietly(answer, film.copy(), slope, intercept, center, width, word)
        _same_shape(given, film, "Return one value for each pixel.")
        _explain_header(given, film, (slope, intercept, center, width, word))
    return "it was tried on 8 headers, with and without MONOCHROME1."


def _explain_header(given: np.ndarray, film: np.ndarray, header: tuple[float, float, float, float, str]) -> None:
    slope, intercept, center, width, word = header
    is_inverted = word == "MONOCHROME1"
    at = f"for {word}, slope {slope:g}, intercept {intercept:g} and a window of {width:,.0f} around {center:,.0f}"

    def shown(values: np.ndarray, *, invert: bool, start: float = 0.5) -> np.ndarray:
        image = np.clip((values - center) / width + start, 0, 1)
        return 1 - image if invert else image

    def matches(expected: np.ndarray) -> bool:
        return bool(np.allclose(given, expected, atol=5e-3))

    values = slope * film + intercept
    if matches(shown(values, invert=is_inverted)):
        return
    require(
        not matches(shown(values, invert=False)),
        f"{at} your film is a negative. MONOCHROME1 means that low values are white: turn it over.",
    )
    require(
        not matches(shown(values, invert=True)),
        f"{at} your film is a negative. Only MONOCHROME1 is turned over.",
    )
    free = (values - center) / width + 0.5
    require(
        not matches(free) and not matches(1 - free),
        f"{at} your values go from {given.min():.2f} to {given.max():.2f}. What lies outside the window is plain black "
        "or plain white: clip to 0 and 1.",
    )
    require(
        not matches(shown(film, invert=is_inverted)),
        f"{at} you used the window on the stored values. A window counts in rescaled values: first slope "
        "and intercept.",
    )
    turned = [v.max() - v for v in (values, film.astype(float))] + [4095.0 - film, 65535.0 - film]
    turned[1:] = [slope * v + intercept for v in turned[1:]]
    require(
        not (is_inverted and any(matches(shown(v, invert=False)) for v in turned)),
        f"{at} you turned the film over before the window. The window is meant for the values that are not turned over "
        "yet.",
    )
    require(
        not matches(shown(values, invert=is_inverted, start=0.0)),
        f"{at} your window begins at its centre. It begins half a width below: centre - width / 2.",
    )
    require(
        not matches(shown(slope * (film + intercept), invert=is_inverted)),
        f"{at} you added the intercept before you multiplied. Multiply by the slope first, then add the intercept.",
    )
    wide = np.clip((values - center) / (2 * width) + 0.5, 0, 1)
    require(
        not matches(1 - wide if is_inverted else wide),
        f"{at} your window is twice too wide. It goes from centre - width / 2 to centre + width / 2.",
    )
    unscaled = np.clip(values, center - width / 2, center + width / 2)
    require(
        not any(np.allclose(given, v, atol=2) for v in (unscaled, -unscaled, 1 - unscaled)),
        f"{at} your values go from {given.min():.0f} to {given.max():.0f}. You clipped to the window. Now bring the "
        "window to 0 and 1: subtract its low end, and divide by its width.",
    )
    ranged = minmax(values)
    require(
        not matches(1 - ranged if is_inverted else ranged) and not matches(ranged),
        f"{at} you used min-max and ignored the window. The header asks for black below the window and white above.",
    )
    require(
        False,
        f"{at} your values go from {given.min():.2f} to {given.max():.2f}, but not as the header says. Do the steps "
        "one by one: slope and intercept, window, clip, and MONOCHROME1 last.",
    )


def _standardised_alike(answer: str, rng: np.random.Generator) -> str:
    """Compare the letters with what the six changes do to a fresh film."""
    require(isinstance(answer, str), f"your answer is {answer!r}. Write letters in quotes, such as 'AC'.")
    letters = {letter for letter in answer.upper() if letter.isalpha()}
    require(letters <= set("ABCDEF"), "the changes have the letters A to F.")
    film = _film(rng).astype(np.float64)
    standard = lambda image: (image - image.mean()) / image.std()
    scaled = minmax(film).astype(np.float64)
    changed = {
        "A": film / 4095,
        "B": np.sqrt(scaled),
        "C": percentile(film).astype(np.float64),
        "D": 2 * film - 1024,
        "E": 1 - scaled,
        "F": scaled,
    }
    differs = {name: float(np.abs(standard(image) - standard(film)).max()) for name, image in changed.items()}
    wrong = {
        "E": "It multiplies by a number below 0. The mean is taken away, but the sign stays: the film is a negative.",
        "B": "A root lifts dark grays more than bright ones. A mean and a standard deviation cannot undo a curve.",
        "C": "The window alone would be undone. But the clipped pixels have lost their values.",
    }
    for name, reason in wrong.items():
        require(
            name not in letters,
            f"{name} does change it, by up to {differs[name]:.2f} standard deviations on a film of yours. {reason}",
        )
    missing = {
        "A": "It divides by 4,095, and the standard deviation is divided by the same number.",
        "D": "It multiplies by 2 and subtracts 1,024. Is the number below 0 that matters the factor, or the other one?",
        "F": "Its 2 steps subtract one number and divide by another. It does not matter that these differ from film to "
        "film.",
    }
    for name, reason in missing.items():
        require(
            name in letters,
            f"you left out {name}. On a film of yours it changes the standardised image by less than "
            f"{max(1e-4, differs[name]):.4f}. {reason}",
        )
    return "A, D and F subtract a number and divide by a positive one. Standardising undoes exactly that."


def _more_away(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with the interval of the paired difference of two gains, over several seeds."""
    for sign in (1, -1, 1):
        seeds = int(rng.integers(6, 12))
        shared = rng.normal(0, 0.05, seeds)  # what a seed adds to both gains: pairing takes it out
        home, away = (
            np.column_stack([before, before + gain + shared + rng.normal(0, 0.008, seeds)])
            for before, gain in (
                (rng.normal(0.65, 0.03, seeds), 0.02),
                (rng.normal(0.6, 0.03, seeds), 0.02 + 0.05 * sign),
            )
        )
        given = np.asarray(answer(home.copy(), away.copy()), float)
        require(given.shape == (2,), "return 2 numbers, the lower and the upper end: (low, high).")
        _explain_difference(given, home, away)
    return "it was tried on 3 experiments with 6 to 11 seeds each."


def _explain_difference(given: np.ndarray, home: np.ndarray, away: np.ndarray) -> None:
    gain_home, gain_away = home[:, 1] - home[:, 0], away[:, 1] - away[:, 0]
    d = gain_away - gain_home
    error, t = float(stats.sem(d)), float(stats.t.ppf(0.975, len(d) - 1))

    def matches(middle: float, half: float) -> bool:
        return bool(np.allclose(given, (middle - half, middle + half), atol=1e-6))

    def ends(gain: np.ndarray) -> np.ndarray:
        return gain.mean() + np.array([-1, 1]) * t * stats.sem(gain)

    at = f"you return {given[0]:.3f} to {given[1]:.3f}"
    if matches(d.mean(), t * error):
        return
    require(
        not np.allclose(given, ends(gain_away)),
        f"{at}. That is what the rule adds away. It may add the same at home: subtract what it adds there.",
    )
    require(
        not np.allclose(given, ends(gain_away) - ends(gain_home)),
        f"{at}. You made 2 intervals and subtracted their ends. That is no interval. Subtract the gains of each seed "
        "first, and make one interval.",
    )
    require(
        not np.allclose(given, ends(gain_away) - ends(gain_home)[::-1]),
        f"{at}. You compared the ends of 2 intervals. Two intervals may overlap although the difference is clear. "
        "Subtract the gains of each seed first, and make one interval.",
    )
    require(
        not np.allclose(given, ends(away[:, 1] - home[:, 1])),
        f"{at}. You subtracted the AUC at home from the AUC away, both with the rule. Ask what the rule adds: "
        "subtract the AUC without it, at each place.",
    )
    require(
        not matches(-d.mean(), t * error),
        f"{at}. The sign is turned over: you subtracted the gain away from the gain at home.",
    )
    require(
        not any(
            matches(d.mean(), factor * float(np.hypot(stats.sem(gain_home), stats.sem(gain_away))))
            for factor in (t, 1.96, float(stats.t.ppf(0.975, 2 * len(d) - 2)))
        ),
        f"{at}. You added the variances of both gains, as if they were independent. But each seed has a gain at both "
        "places. Subtract within a seed: what is common to both goes away.",
    )
    require(
        not matches(d.mean(), 1.96 * error),
        f"{at}. The factor 1.96 is that of the normal distribution. With {len(d)} seeds, Student's t gives {t:.2f}.",
    )
    require(
        not matches(d.mean(), t * float(d.std(ddof=1))) and not matches(d.mean(), t * float(d.std())),
        f"{at}. You took the standard deviation of the seeds. The interval is of their mean: divide it by the root of "
        f"{len(d)}. stats.sem does that.",
    )
    require(
        not matches(d.mean(), float(stats.t.ppf(0.95, len(d) - 1)) * error),
        f"{at}. You left out 5 % at each end. An interval of 95 % leaves out 2.5 % at each end: t is taken at 0.975.",
    )
    require(
        not matches(d.mean(), float(stats.t.ppf(1 - 0.025 / 11, len(d) - 1)) * error),
        f"{at}. You corrected for 11 comparisons. The exercise asks for the usual interval.",
    )
    require(
        False,
        f"{at}. Here the rule adds {gain_home.mean():.3f} at home and {gain_away.mean():.3f} away. So the middle "
        f"should be {d.mean():.3f}. Half of the width is t = {t:.2f} times the standard error of {len(d)} differences.",
    )


EXERCISES = {
    "standardised alike": Exercise(
        _standardised_alike,
        "which changes have the form a x + b, with the same a and b for all pixels of the film, and with a above 0?",
    ),
    "window beside plates": Exercise(
        _beside_plates,
        "cut off 1 fifth at each side, take the 2 percentiles of what is left, and then stretch and clip the whole "
        "film with them.",
    ),
    "window of a header": Exercise(
        _of_header,
        "4 lines: rescale; subtract the lower end of the window and divide by its width; clip; and 1 minus the image "
        "if the word is MONOCHROME1.",
    ),
    "more away than at home": Exercise(
        _more_away,
        "for each seed, subtract twice: what the rule adds away, minus what it adds at home. Then take the interval of "
        "these numbers, as section 4 does with interval(d, 1).",
    ),
}
