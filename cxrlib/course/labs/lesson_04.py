"""The lab of lesson 4: move a film by hand, and see which part of the chest leaves it."""

import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrlib.course.reader import keep, recall
from cxrlib.errors import InputError
from cxrlib.phantom.film import Film
from cxrlib.phantom.signs import lateral_angle
from cxrlib.report import plots

FLIPS = ("none", "mirror", "upside down")
"""What `augmentation_lab` can flip."""

TRIES, MAX_TRIES = "moves of lesson 4", 30
"""The name under which the reader's tries are kept, and how many of them."""

GUESS, GUESS_COLOR = "shift of lesson 4", "#CC79A7"
"""The name and the colour of the reader's guess: at which shift to the left, in % of the side, a corner leaves."""


def costophrenic_corners(film: Film) -> np.ndarray:
    """Return where the lateral costophrenic corners of a simulated film lie.

    The corner is the lowest point beside the chest wall at which a ray passes through
    lung or fluid, as in `cxrlib.phantom.signs.lateral_angle`.

    Parameters
    ----------
    film : Film

    Returns
    -------
    ndarray, (0 to 2, 2), int
        x and y in pixels: of the right side, then of the left. A side whose corner lies
        outside the film is left out.
    """
    corners = []
    for side in ("right", "left"):
        try:
            rows, columns = np.nonzero(lateral_angle(film, side))
        except InputError:  # the corner lies below the edge of the film
            continue
        corners.append((columns.min() if side == "right" else columns.max(), rows.max()))
    return np.array(corners, dtype=int).reshape(-1, 2)


def fluid_above_corners(film: Film) -> np.ndarray:
    """Return the fluid of a simulated film down to its lower costophrenic corner: (H, W), bool.

    Fluid below the corner lies behind the abdomen. It is in the film's mask, but no
    eye finds it on a frontal film.
    """
    corners = costophrenic_corners(film)
    seen = film.mask.copy()
    if len(corners):
        seen[corners[:, 1].max() + 1 :] = False
    return seen


def new_to_old(size: int, *, right: float, down: float, scale: float, rotate: float, flip: str) -> np.ndarray:
    """Return the matrix (3, 3) that maps positions (x, y, 1) on the moved film to positions on the old one.

    Parameters
    ----------
    size : int
        Side of the film in pixels.
    right, down : float
        The shift, as a fraction of the side.
    scale : float
        The factor by which the chest grows.
    rotate : float, degrees
        Counter-clockwise.
    flip : {"none", "mirror", "upside down"}
    """
    angle, centre = np.deg2rad(rotate), (size - 1) / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    linear = turn @ np.diag([-1 if flip == "mirror" else 1, -1 if flip == "upside down" else 1])
    offset = centre - linear @ (centre + size * np.array([right, down]))
    return np.vstack([np.column_stack([linear, offset]), [0, 0, 1]])


def positions(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return a matrix (3, 3) applied to points (N, 2)."""
    return (matrix @ np.column_stack([points, np.ones(len(points))]).T)[:2].T


def are_inside(points: np.ndarray, size: int) -> np.ndarray:
    """Return which points (N, 2) lie on a film: (N,), bool. Pixel 0 reaches from -0.5 to 0.5."""
    return np.all((points > -0.5) & (points < size - 0.5), axis=1)


def fraction_inside(mask: np.ndarray, matrix: np.ndarray) -> float:
    """Return the fraction of a mask's pixels (H, W) that still lie on the film after a move."""
    points = np.argwhere(mask)[:, ::-1]  # (row, column) -> (x, y)
    return float(are_inside(positions(points, np.linalg.inv(matrix)), len(mask)).mean())


def augmentation_lab(
    film: Film | np.ndarray,
    *,
    right: float = 0,
    down: float = 0,
    size: float = 100,
    rotation: float = 0,
    flip: str = "none",
    remember: bool = False,
) -> Figure:
    """Draw a film before and after a move, with its costophrenic corners, and the reader's earlier tries.

    On the left, a frame shows which part of the film the moved film will show. A dashed
    line is the reader's guess, if there is one. On the right of the moved film stands
    how much of the fluid above the corners was still inside, for each try.

    Parameters
    ----------
    film : Film, or ndarray (S, S) in [0, 1]
        A simulated film with an effusion. Of a real film neither fluid nor corners are
        known, so they are not drawn, and the try is not kept.
    right, down : float, % of the side
    size : float, %
        100 leaves the chest as it is.
    rotation : float, degrees
        Counter-clockwise.
    flip : {"none", "mirror", "upside down"}
    remember : bool
        Keep this try, so that later pictures show it.
    """
    if isinstance(film, Film):
        image, corners, fluid = film.image, costophrenic_corners(film), fluid_above_corners(film)
    else:
        image, corners, fluid = film, np.empty((0, 2)), np.zeros(film.shape, bool)
    side = len(image)
    matrix = new_to_old(side, right=right / 100, down=down / 100, scale=size / 100, rotate=rotation, flip=flip)
    moved = positions(corners, np.linalg.inv(matrix))
    inside = are_inside(moved, side)
    tries, state = recall(TRIES, []), "after: does it still show\nboth corners?"
    if fluid.any():
        kept = 100 * fraction_inside(fluid, matrix)
        state = f"after: {inside.sum()} of {len(corners)} corners inside,\n{kept:.0f} % of the fluid inside"
        if remember:
            tries = [*tries, [round(kept, 1), bool(inside.all())]][-MAX_TRIES:]
            keep(TRIES, tries)
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 4.3), layout="constrained", width_ratios=(1, 1, 0.6))
    _draw_film(image, fluid, corners, axes[0], title="before: the blue frame shows\nwhat the new film will show")
    frame = positions(np.array([[0, 0], [side - 1, 0], [side - 1, side - 1], [0, side - 1], [0, 0]]), matrix)
    axes[0].plot(*frame.T, color="#56B4E9", linewidth=2.5)
    if fluid.any() and (guessed := recall(GUESS)) is not None:
        axes[0].axvline(guessed / 100 * side, color=GUESS_COLOR, linestyle="--")
        axes[0].text(guessed / 100 * side, side + 0.1 * side, f" my guess: {guessed} %", color="black", fontsize=10)
    margin = 0.15 * side  # a frame larger than the film is seen, too
    axes[0].set(xlim=(-margin, side + margin), ylim=(side + margin, -margin))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(image, matrix[:2], (side, side), flags=flags)
    warped_fluid = cv2.warpAffine(fluid.astype(np.float32), matrix[:2], (side, side), flags=flags)
    _draw_film(warped, warped_fluid > 0.5, moved[inside], axes[1], title=state)
    _draw_tries(tries, axes[2])
    return figure


def _draw_film(image: np.ndarray, fluid: np.ndarray, corners: np.ndarray, ax: Axes, *, title: str) -> None:
    """Draw a film with the outline of its fluid, and a ring around each costophrenic corner."""
    plots.show_image(image, ax)
    ax.set_title(title, fontsize=10)
    plots.outline(fluid, ax)
    ax.plot(*corners.T, "o", color="#F0E442", markersize=13, markeredgewidth=2, fillstyle="none")


def _draw_tries(tries: list, ax: Axes) -> None:
    """Draw how much of the fluid was inside in each try. A cross is a try that loses a corner."""
    ax.set_title("my tries", fontsize=10)
    ax.set(ylim=(-2, 102), xlim=(0, max(10, len(tries) + 1)), xlabel="try", ylabel="fluid inside, %")
    if not tries:
        ax.text(0.5, 0.5, "none yet", ha="center", va="center", transform=ax.transAxes, color=plots.NEUTRAL)
        return
    kept, whole = np.array([float(value) for value, _ in tries]), np.array([bool(both) for _, both in tries])
    number = np.arange(1, len(tries) + 1)
    ax.plot(number[whole], kept[whole], "o", color=plots.NOFINDING, label="both corners inside")
    ax.plot(number[~whole], kept[~whole], "X", color=plots.FINDING, label="a corner outside")
    ax.legend(loc="lower left", fontsize=9)
