"""Lesson 5: for each exercise a right answer, and typical wrong ones with words of the reply that each must get."""

ANSWERS = {
    "standardised alike": {
        "right": """\
same_after = "ADF"
""",
        "wrong": [
            ('same_after = "AF"\n', "left out D"),
            ('same_after = "ADEF"\n', "the film is a negative"),
            ('same_after = "ACDF"\n', "have lost their values"),
            ('same_after = "AD"\n', "left out F"),
            ('same_after = "ABDF"\n', "cannot undo a curve"),
        ],
    },
    "window beside plates": {
        "right": """\
def plate_window(pixels):
    rows, columns = pixels.shape
    middle = pixels[rows // 5 : rows - rows // 5, columns // 5 : columns - columns // 5]
    low, high = np.percentile(middle, (0.5, 99.5))
    return np.clip((pixels - low) / (high - low), 0, 1)
""",
        "wrong": [
            (
                """\
def plate_window(pixels):
    rows, columns = pixels.shape
    middle = pixels[rows // 5 : rows - rows // 5, columns // 5 : columns - columns // 5]
    return np.clip(pixels, *np.percentile(middle, (0.5, 99.5)))
""",
                "the window is not yet 0 to 1",
            ),
            (
                """\
def plate_window(pixels):
    rows, columns = pixels.shape
    low, high = np.percentile(pixels[rows // 5 :, columns // 5 :], (0.5, 99.5))
    return np.clip((pixels - low) / (high - low), 0, 1)
""",
                "only 2 of the 4 sides",
            ),
            (
                """\
def plate_window(pixels):
    low, high = np.percentile(pixels, (0.5, 99.5))
    return np.clip((pixels - low) / (high - low), 0, 1)
""",
                "the plate decides its upper end",
            ),
            (
                """\
def plate_window(pixels):
    rows, columns = pixels.shape
    middle = pixels[rows // 5 : rows - rows // 5, columns // 5 : columns - columns // 5]
    low, high = np.percentile(middle, (0.5, 99.5))
    return np.clip((middle - low) / (high - low), 0, 1)
""",
                "apply the window to the whole film",
            ),
            (
                """\
def plate_window(pixels):
    rows, columns = pixels.shape
    middle = pixels[rows // 5 : rows - rows // 5, columns // 5 : columns - columns // 5]
    low, high = np.percentile(middle, (0.5, 99.5))
    return (pixels - low) / (high - low)
""",
                "Clip it to 0 and 1",
            ),
            (
                """\
def plate_window(pixels):
    image = (pixels - pixels.min()) / (pixels.max() - pixels.min())
    return np.clip(image, 0, 1)
""",
                "nothing is left to clip",
            ),
            (
                """\
def plate_window(pixels):
    image = (pixels - pixels.min()) / (pixels.max() - pixels.min())
    rows, columns = image.shape
    middle = image[rows // 5 : rows - rows // 5, columns // 5 : columns - columns // 5]
    low, high = np.percentile(middle, (0.5, 99.5))
    return np.clip(image, low, high)
""",
                "You clipped after scaling",
            ),
            (
                """\
def plate_window(pixels):
    image = (pixels - pixels.min()) / (pixels.max() - pixels.min())
    return np.clip(image, 0.005, 0.995)
""",
                "Percentiles count pixels",
            ),
            (
                """\
def plate_window(pixels):
    rows, columns = pixels.shape
    middle = pixels[rows // 5 : rows - rows // 5, columns // 5 : columns - columns // 5]
    low, high = middle.min(), middle.max()
    return np.clip((pixels - low) / (high - low), 0, 1)
""",
                "Take percentiles",
            ),
            (
                """\
def plate_window(pixels):
    rows, columns = pixels.shape
    middle = pixels[rows // 5 : rows - rows // 5, columns // 5 : columns - columns // 5]
    low, high = np.percentile(middle, (0.005, 0.995))
    return np.clip((pixels - low) / (high - low), 0, 1)
""",
                "np.percentile wants percent",
            ),
        ],
    },
    "window of a header": {
        "right": """\
def header_image(stored, slope, intercept, center, width, photometric):
    values = slope * stored.astype(float) + intercept
    image = np.clip((values - (center - width / 2)) / width, 0, 1)
    return 1 - image if photometric == "MONOCHROME1" else image
""",
        "wrong": [
            (
                """\
def header_image(stored, slope, intercept, center, width, photometric):
    values = slope * stored + intercept
    return np.clip(values, center - width / 2, center + width / 2)
""",
                "Now bring the window",
            ),
            (
                """\
def header_image(stored, slope, intercept, center, width, photometric):
    values = slope * stored + intercept
    image = np.clip((values - (center - width)) / (2 * width), 0, 1)
    return 1 - image if photometric == "MONOCHROME1" else image
""",
                "twice too wide",
            ),
            (
                """\
def header_image(stored, slope, intercept, center, width, photometric):
    values = slope * (stored + intercept)
    image = np.clip((values - (center - width / 2)) / width, 0, 1)
    return 1 - image if photometric == "MONOCHROME1" else image
""",
                "before you multiplied",
            ),
            (
                """\
def header_image(stored, slope, intercept, center, width, photometric):
    image = np.clip((stored - (center - width / 2)) / width, 0, 1)
    return 1 - image if photometric == "MONOCHROME1" else image
""",
                "A window counts in rescaled values",
            ),
            (
                """\
def header_image(stored, slope, intercept, center, width, photometric):
    values = slope * stored + intercept
    return np.clip((values - (center - width / 2)) / width, 0, 1)
""",
                "low values are white",
            ),
            (
                """\
def header_image(stored, slope, intercept, center, width, photometric):
    values = slope * stored + intercept
    return 1 - np.clip((values - (center - width / 2)) / width, 0, 1)
""",
                "Only MONOCHROME1 is turned over",
            ),
            (
                """\
def header_image(stored, slope, intercept, center, width, photometric):
    values = slope * stored + intercept
    if photometric == "MONOCHROME1":
        values = values.max() - values
    return np.clip((values - (center - width / 2)) / width, 0, 1)
""",
                "before the window",
            ),
            (
                """\
def header_image(stored, slope, intercept, center, width, photometric):
    values = slope * stored + intercept
    image = (values - (center - width / 2)) / width
    return 1 - image if photometric == "MONOCHROME1" else image
""",
                "clip to 0 and 1",
            ),
            (
                """\
def header_image(stored, slope, intercept, center, width, photometric):
    values = slope * stored + intercept
    image = np.clip((values - center) / width, 0, 1)
    return 1 - image if photometric == "MONOCHROME1" else image
""",
                "half a width below",
            ),
            (
                """\
def header_image(stored, slope, intercept, center, width, photometric):
    values = slope * stored + intercept
    image = (values - values.min()) / (values.max() - values.min())
    return 1 - image if photometric == "MONOCHROME1" else image
""",
                "ignored the window",
            ),
        ],
    },
    "more away than at home": {
        "right": """\
from scipy import stats


def more_away(home, away):
    d = (away[:, 1] - away[:, 0]) - (home[:, 1] - home[:, 0])
    half = stats.t.ppf(0.975, len(d) - 1) * stats.sem(d)
    return d.mean() - half, d.mean() + half
""",
        "wrong": [
            (
                """\
from scipy import stats


def more_away(home, away):
    d = away[:, 1] - away[:, 0]
    half = stats.t.ppf(0.975, len(d) - 1) * stats.sem(d)
    return d.mean() - half, d.mean() + half
""",
                "may add the same at home",
            ),
            (
                """\
from scipy import stats


def more_away(home, away):
    ends = []
    for auc in (away, home):
        d = auc[:, 1] - auc[:, 0]
        half = stats.t.ppf(0.975, len(d) - 1) * stats.sem(d)
        ends.append((d.mean() - half, d.mean() + half))
    return ends[0][0] - ends[1][0], ends[0][1] - ends[1][1]
""",
                "subtracted their ends",
            ),
            (
                """\
from scipy import stats


def more_away(home, away):
    d = (home[:, 1] - home[:, 0]) - (away[:, 1] - away[:, 0])
    half = stats.t.ppf(0.975, len(d) - 1) * stats.sem(d)
    return d.mean() - half, d.mean() + half
""",
                "The sign is turned over",
            ),
            (
                """\
from scipy import stats


def more_away(home, away):
    gains = [auc[:, 1] - auc[:, 0] for auc in (away, home)]
    half = stats.t.ppf(0.975, len(home) - 1) * np.hypot(*(stats.sem(gain) for gain in gains))
    middle = gains[0].mean() - gains[1].mean()
    return middle - half, middle + half
""",
                "as if they were independent",
            ),
            (
                """\
from scipy import stats


def more_away(home, away):
    d = (away[:, 1] - away[:, 0]) - (home[:, 1] - home[:, 0])
    half = 1.96 * stats.sem(d)
    return d.mean() - half, d.mean() + half
""",
                "that of the normal distribution",
            ),
            (
                """\
from scipy import stats


def more_away(home, away):
    d = (away[:, 1] - away[:, 0]) - (home[:, 1] - home[:, 0])
    half = stats.t.ppf(0.975, len(d) - 1) * d.std()
    return d.mean() - half, d.mean() + half
""",
                "standard deviation of the seeds",
            ),
            (
                """\
from scipy import stats


def more_away(home, away):
    d = away[:, 1] - home[:, 1]
    half = stats.t.ppf(0.975, len(d) - 1) * stats.sem(d)
    return d.mean() - half, d.mean() + half
""",
                "Ask what the rule adds",
            ),
            (
                """\
from scipy import stats


def more_away(home, away):
    d = (away[:, 1] - away[:, 0]) - (home[:, 1] - home[:, 0])
    half = stats.t.ppf(0.95, len(d) - 1) * stats.sem(d)
    return d.mean() - half, d.mean() + half
""",
                "2.5 % at each end",
            ),
        ],
    },
}
