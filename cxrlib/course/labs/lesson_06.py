"""The labs of lesson 6: what each stage of a network shows of a film, and which networks can be trained."""

from functools import cache
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.course.folders import course_cohort
from cxrlib.course.lessons import course_film, course_scores
from cxrlib.course.reader import recall
from cxrlib.images.pixels import as_float
from cxrlib.model.backend import keras
from cxrlib.model.network import predict_logits
from cxrlib.model.resnet import BLOCKS
from cxrlib.report import plots
from cxrlib.training.batches import load_images
from cxrlib.training.run import open_run

WIDTH, SIDE, FILMS, STEPS, SEED = 8, 64, 40, 60, 0
"""The small network and its training: channels of the first stage, side of the films, their number, steps, seed."""

LOWEST, HIGHEST = 5e-4, 20.0
"""The limits of the axis of losses. Losses beyond them are drawn at the border."""

LINES = ("--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)))
"""The lines of the lab's tries, in turn."""

CHANCE = float(np.log(2))
"""The cross-entropy of a network that says 0.5 of every film."""

STAGES = ("stem", "stage_1", "stage_2", "stage_3", "stage_4")
LAB_FILMS = (40, 19, 46, 300)
"""Rows of the validation films, chosen by eye: two effusions of some 350 mL, one of 3.5 L, and a film without."""

NUM_MAPS = 6
"""The maps of a stage that are drawn."""


def few_films(count: int = FILMS) -> tuple[np.ndarray, np.ndarray]:
    """Return a few training films of the course's cohort, half of them with an effusion.

    Parameters
    ----------
    count : int, even
        If a class has too few films, both classes give fewer.

    Returns
    -------
    films : ndarray, (N, 64, 64, 1), float32 in [0, 1]
    labels : ndarray, (N, 1), float32, 1 = effusion
    """
    cohort = read_cohort(course_cohort())
    part = cohort.part("train") if cohort.has_split else cohort
    classes = [np.flatnonzero(part.labels == label) for label in (1, 0)]
    each = min(count // 2, *map(len, classes))
    chosen = np.concatenate([members[:each] for members in classes])
    films = as_float(load_images([part.files[i] for i in chosen], size=SIDE))[..., None]
    return films, part.labels[chosen].astype(np.float32)[:, None]


def switch_network(
    *, depth: int = 18, skips: bool = True, normalisation: bool = True, width: int = WIDTH, size: int = SIDE
) -> keras.Model:
    """Build the lesson's network with two switches: skips, and batch normalisation.

    With both on, it is `cxrlib.model.build_resnet` of the same width with ``standardize``.

    Parameters
    ----------
    depth : {18, 34}
    skips : bool
        Add each block's input to its output.
    normalisation : bool
        Normalise over the batch before each ReLU.
    width : int
        Channels of the first stage.
    size : int, pixels
    """
    layers, seeds = keras.layers, iter(range(SEED * 1000, SEED * 1000 + 1000))

    def conv(x: keras.KerasTensor, filters: int, kernel: int = 3, stride: int = 1) -> keras.KerasTensor:
        start = keras.initializers.HeNormal(seed=next(seeds))
        return layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, kernel_initializer=start)(x)

    def activate(x: keras.KerasTensor) -> keras.KerasTensor:
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x) if normalisation else x)

    def block(x: keras.KerasTensor, filters: int, stride: int) -> keras.KerasTensor:
        active = activate(x)
        if not skips:
            return conv(activate(conv(active, filters, 3, stride)), filters)
        skip = x if stride == 1 and x.shape[-1] == filters else conv(active, filters, 1, stride)
        return layers.Add()([skip, conv(activate(conv(active, filters, 3, stride)), filters)])

    film = keras.Input((size, size, 1))
    x = layers.LayerNormalization(axis=(1, 2, 3), epsilon=1e-6, center=False, scale=False)(film)
    x = layers.MaxPooling2D(3, 2, padding="same")(conv(x, width, 7, 2))
    for stage, count in enumerate(BLOCKS[depth]):
        for index in range(count):
            x = block(x, width * 2**stage, 2 if stage > 0 and index == 0 else 1)
    x = layers.GlobalAveragePooling2D()(activate(x))
    return keras.Model(film, layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)))(x))


@cache
def training_losses(
    *, depth: int = 34, skips: bool = True, normalisation: bool = True, optimiser: str = "SGD"
) -> list[float]:
    """Train `switch_network` on `few_films` with shuffled labels, and return the training loss before each of 60 steps.

    Each step sees all films. A setting is trained once in a session. A loss that is
    not a number says that the training broke down.

    Parameters
    ----------
    depth, skips, normalisation
        As in `switch_network`.
    optimiser : {"SGD", "AdamW"}
    """
    films, labels = few_films()
    shuffled = np.random.default_rng(1).permutation(labels)
    network = switch_network(depth=depth, skips=skips, normalisation=normalisation)
    optimisers = keras.optimizers
    chosen = optimisers.SGD(0.05, momentum=0.9) if optimiser == "SGD" else optimisers.AdamW(2e-3)
    network.compile(chosen, keras.losses.BinaryCrossentropy(from_logits=True))
    losses = [float(network.train_on_batch(films, shuffled)) for _ in range(STEPS)]
    TRIES[setting_name(depth, skips, normalisation, optimiser)] = losses
    return losses


TRIES: dict[str, list[float]] = {}
"""The training losses of each setting that this session has trained, by its name."""


def setting_name(depth: int, skips: bool, normalisation: bool, optimiser: str) -> str:
    """Return the words for a setting in the lab's legend."""
    parts = ["skips"] * skips + ["normalisation"] * normalisation
    return f"{depth} layers, {' and '.join(parts) or 'neither'}, {optimiser}"


def network_lab(depth: int = 34, skips: bool = True, normalisation: bool = True, optimiser: str = "SGD") -> Figure:
    """Train one setting of the network, and draw its training loss beside those of the session's earlier tries.

    A cross marks the step at which a training broke down.

    Parameters
    ----------
    depth : {18, 34}
    skips, normalisation : bool
        As in `switch_network`.
    optimiser : {"SGD", "AdamW"}
    """
    training_losses(depth=depth, skips=skips, normalisation=normalisation, optimiser=optimiser)
    current = setting_name(depth, skips, normalisation, optimiser)
    figure, ax = plt.subplots(figsize=(8.6, 4.2), layout="constrained")
    for index, (name, losses) in enumerate(TRIES.items()):
        is_current = name == current
        color, width = (plots.FINDING, 3.0) if is_current else (plots.NEUTRAL, 1.5)
        drawn = np.clip(losses, LOWEST, HIGHEST)
        line = "-" if is_current else LINES[index % len(LINES)]
        ax.plot(range(1, len(drawn) + 1), drawn, linestyle=line, color=color, linewidth=width, label=name)
        if not np.isfinite(losses).all():
            last = int(np.isfinite(losses).argmin())  # so many steps were taken before it broke down
            ax.plot(last, drawn[last - 1], "X", color=color, markersize=11, clip_on=False, zorder=3)
    chance = f"0.5 for every film: {CHANCE:.2f}"
    ax.axhline(CHANCE, color=plots.NOFINDING, alpha=0.3, linewidth=6, zorder=0, label=chance)  # lines may lie on it
    ax.set(xlabel="step", ylabel="training loss", yscale="log", ylim=(LOWEST, HIGHEST))
    ax.set_yticks([0.001, 0.01, 0.1, 1, 10])
    ax.yaxis.set_major_formatter("{x:g}")
    guessed = recall("networks that learn")
    if guessed is not None:
        ax.set_title(f"your guess: {guessed} of the 4 networks of 34 layers learn", fontsize=10)
    figure.legend(loc="outside right upper", fontsize=9, frameon=False)
    return figure


@cache
def stage_maps(film: int) -> tuple[np.ndarray, np.ndarray | None, float, dict[str, np.ndarray]]:
    """Return a validation film, its fluid's mask, its logit and the maps of each stage of the library's network.

    Parameters
    ----------
    film : int
        A position in `LAB_FILMS`.

    Returns
    -------
    image : ndarray, (256, 256)
    mask : ndarray, (256, 256), bool, or None for a film of your own
    logit : float
    maps : dict
        For each stage (H, W, C), float32.
    """
    scores = course_scores("val")
    row: dict[str, Any] = scores.iloc[LAB_FILMS[film] % len(scores)].to_dict()
    run = open_run("simulated")
    image, mask = course_film(row, size=256)
    small = (course_film(row, size=run.recipe.size)[0] * 255).round().astype(np.uint8)[None]
    network = keras.Model(run.model.input, [run.model.get_layer(name).output for name in STAGES])
    outputs = network(as_float(small)[..., None], training=False)
    maps = {name: np.asarray(output)[0] for name, output in zip(STAGES, outputs, strict=True)}
    return image, mask, float(predict_logits(run.model, small)[0]), maps


@cache
def varying_maps(stage: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which maps of a stage vary most over the lab's films, and the smallest and largest number of each.

    Parameters
    ----------
    stage : {"stem", "stage_1", "stage_2", "stage_3", "stage_4"}

    Returns
    -------
    channels : ndarray, (6,), int
    lowest, highest : ndarray, (6,)
    """
    films = np.stack([stage_maps(film)[3][stage] for film in range(len(LAB_FILMS))])
    channels = np.argsort(films.std(axis=(0, 1, 2)))[::-1][:NUM_MAPS]
    return channels, films.min(axis=(0, 1, 2))[channels], films.max(axis=(0, 1, 2))[channels]


def maps_lab(film: int = 0, stage: str = "stage_2") -> Figure:
    """Draw a film, and the maps of one stage of the library's trained network.

    The six maps of the stage that vary most over the lab's films are drawn. Each keeps
    its own scale of grey from film to film, so that films can be compared.

    Parameters
    ----------
    film : int
        As in `stage_maps`.
    stage : {"stem", "stage_1", "stage_2", "stage_3", "stage_4"}
    """
    image, mask, logit, maps = stage_maps(film)
    chosen = maps[stage]
    side, _, count = chosen.shape
    figure = plt.figure(figsize=(9, 4.6), layout="constrained")
    left, right = np.asarray(figure.subfigures(1, 2, width_ratios=(1, 1.25)))
    ax = left.subplots()
    ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
    if mask is not None:
        plots.outline(mask, ax)
    fluid = "its fluid outlined" if mask is not None and mask.any() else "no fluid outlined"
    ax.set_title(f"film {film}, {fluid}; logit {logit:.1f}", fontsize=10)
    ax.set_axis_off()
    for axis, channel, lowest, highest in zip(right.subplots(2, 3).flat, *varying_maps(stage), strict=True):
        axis.imshow(chosen[..., channel], cmap="gray", vmin=lowest, vmax=highest, interpolation="nearest")
        axis.set_title(f"map {channel}", fontsize=9)
        axis.set_axis_off()
    name = stage.replace("_", " ")
    right.suptitle(f"{name}: {side} x {side} places, {count} maps, 6 of them drawn", fontsize=10)
    return figure
