"""The labs of lesson 6: the maps of a network's stages, the gradients of its blocks, and whether it can be trained."""

from functools import cache
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.course.folders import course_cohort
from cxrlib.course.lessons import course_film, course_scores
from cxrlib.images.pixels import as_float
from cxrlib.model.backend import keras, tf
from cxrlib.model.resnet import BLOCKS as LIBRARY_BLOCKS
from cxrlib.report import plots
from cxrlib.training.batches import load_images
from cxrlib.training.run import open_run

WIDTH, SIDE, FILMS, SEED = 8, 64, 40, 0
"""The small network and its training: channels of the first stage, side of the films, their number, seed."""

STEPS = {"SGD": 30, "AdamW": 60}
"""The steps of a training. With skips alone, AdamW needs about 40 to learn the films by heart."""

BLOCKS = {18: LIBRARY_BLOCKS[18], 34: LIBRARY_BLOCKS[34], 66: (8, 8, 8, 8)}
"""For each depth, the blocks of the 4 stages. The library has no network of 66 layers."""

LOWEST, HIGHEST = 5e-4, 20.0
"""The limits of the axis of losses. Losses beyond them are drawn at the border."""

LATER = 10
"""After so many steps the gradients are measured for the second time."""

SMALLEST, LARGEST = 1e-7, 1e5
"""The limits of the axis of gradients. Gradients beyond them are drawn at the border."""

LINES = ("--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)))
"""The lines of the lab's tries, in turn."""

CHANCE = float(np.log(2))
"""The cross-entropy of a network that says 0.5 of every film."""

STAGES = ("stem", "stage_1", "stage_2", "stage_3", "stage_4")
LAB_FILMS = (40, 19, 46, 300)
"""Rows of the validation films, chosen by eye: two effusions of some 350 mL, one of 3.5 L, and a film without."""

NUM_MAPS = 6
"""The maps of a stage that are drawn."""


@cache
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
    *,
    depth: int = 18,
    skips: bool = True,
    normalisation: bool = True,
    width: int = WIDTH,
    size: int = SIDE,
    seed: int = SEED,
) -> keras.Model:
    """Build the lesson's network with two switches: skips, and batch normalisation.

    With both on, it is `cxrlib.model.build_resnet` of the same width with ``standardize``.

    Parameters
    ----------
    depth : {18, 34, 66}
    skips : bool
        Add each block's input to its output.
    normalisation : bool
        Normalise over the batch before each ReLU.
    width : int
        Channels of the first stage.
    size : int, pixels
    seed : int
        Draws the first weights.
    """
    layers, seeds = keras.layers, iter(range(seed * 1000, seed * 1000 + 1000))

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


class _ClippedSGD(keras.optimizers.SGD):
    """SGD that shortens each weight's gradient to at most ``longest``, as Keras' ``clipnorm`` does.

    Here the limit can change between trainings, without another compilation.
    """

    def __init__(self, learning_rate: float, *, momentum: float) -> None:
        super().__init__(learning_rate, momentum=momentum, name="SGD")
        self.longest = tf.Variable(np.inf, trainable=False, dtype=tf.float32)

    def apply(self, grads: list, trainable_variables: list | None = None) -> Any:
        clipped = [gradient * tf.minimum(1.0, self.longest / tf.norm(gradient)) for gradient in grads]
        return super().apply(clipped, trainable_variables)


@cache
def _compiled(depth: int, skips: bool, normalisation: bool, optimiser: str) -> tuple[keras.Model, list[np.ndarray]]:
    """Return a network that is ready to be trained, and the numbers that its optimiser starts from.

    Seeds share it, because Keras needs seconds to prepare a deep network for its first step.
    """
    network = switch_network(depth=depth, skips=skips, normalisation=normalisation)
    optimisers = keras.optimizers
    chosen = _ClippedSGD(0.05, momentum=0.9) if optimiser == "SGD" else optimisers.AdamW(2e-3)
    network.compile(chosen, keras.losses.BinaryCrossentropy(from_logits=True))
    chosen.build(network.trainable_variables)
    return network, [np.array(variable) for variable in chosen.variables]


def _restart(network: keras.Model, seed: int) -> None:
    """Give a network that `switch_network` built with `SEED` the first weights of another seed."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            ones, zeros = np.ones(layer.gamma.shape), np.zeros(layer.gamma.shape)
            layer.set_weights([ones, zeros, zeros, ones])  # gamma, beta, running mean and running variance
        elif layer.weights:
            start = layer.kernel_initializer
            moved = type(start)(seed=start.get_config()["seed"] + (seed - SEED) * 1000)
            layer.set_weights([moved(layer.kernel.shape), *layer.get_weights()[1:]])
            if layer.bias is not None:
                layer.bias.assign(np.zeros(layer.bias.shape))


def gradient_sizes(network: keras.Model, films: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the size of the loss's gradient for the first 3 x 3 kernels of each block, in the order of the blocks.

    The size is the root of the sum of squares. The batch normalisations see the films as one batch.

    Parameters
    ----------
    network : keras.Model
        As `switch_network` builds it.
    films : ndarray, (N, H, W, 1), float32 in [0, 1]
    labels : ndarray, (N, 1), 1 = effusion

    Returns
    -------
    sizes : ndarray, (blocks,)
    """
    layers = [layer for layer in network.layers if getattr(layer, "kernel_size", None) == (3, 3)]
    with tf.GradientTape() as tape:
        loss = keras.losses.BinaryCrossentropy(from_logits=True)(labels, network(films, training=True))
    gradients = tape.gradient(loss, [layer.kernel.value for layer in layers[::2]])
    return np.array([np.linalg.norm(gradient) for gradient in gradients])


@cache
def training_losses(
    *,
    depth: int = 34,
    skips: bool = True,
    normalisation: bool = True,
    optimiser: str = "SGD",
    clip: float | None = None,
    seed: int = SEED,
) -> list[float]:
    """Train `switch_network` on `few_films` with shuffled labels, and return the training loss before each step.

    Each step sees all films. A setting is trained once in a session. A loss that is
    not a number says that the training broke down. For the lab, the losses are kept,
    and the gradients of the blocks of the first seed. Trainings with a clip are not.

    Parameters
    ----------
    depth, skips, normalisation, seed
        As in `switch_network`.
    optimiser : {"SGD", "AdamW"}
    clip : float, optional
        SGD shortens the gradient of each kernel, or other weights of a layer, to this size.
    """
    films, labels = few_films()
    shuffled = np.random.default_rng(1).permutation(labels)
    network, start = _compiled(depth, skips, normalisation, optimiser)
    _restart(network, seed)
    for variable, value in zip(network.optimizer.variables, start, strict=True):
        variable.assign(value)
    if optimiser == "SGD":
        network.optimizer.longest.assign(np.inf if clip is None else clip)
    name, losses = setting_name(depth, skips, normalisation, optimiser), []
    for step in range(STEPS[optimiser]):
        if clip is None and seed == SEED and step in (0, LATER):
            GRADIENTS.setdefault(name, {})[step] = gradient_sizes(network, films, shuffled)
        losses.append(float(network.train_on_batch(films, shuffled)))
    if clip is None:
        TRIES.setdefault(name, []).append(losses)
    return losses


TRIES: dict[str, list[list[float]]] = {}
"""The training losses of each setting that this session has trained, one list for each seed, by the setting's name."""

GRADIENTS: dict[str, dict[int, np.ndarray]] = {}
"""The sizes of the blocks' gradients of each setting, by the number of steps taken, for the first seed."""


def setting_name(depth: int, skips: bool, normalisation: bool, optimiser: str) -> str:
    """Return the words for a setting in the lab's legend."""
    parts = ["skips"] * skips + ["normalisation"] * normalisation
    return f"{depth} layers, {' and '.join(parts) or 'neither'}, {optimiser}"


def between(numbers: np.ndarray | float) -> str:
    """Return the powers of ten around positive numbers, in words: ``between(6146.0)`` is "1,000 to 10,000".

    Later digits of a deep network's gradient differ from processor to processor.
    """
    lowest, highest = np.floor(np.log10(np.min(numbers))), np.ceil(np.log10(np.max(numbers)))
    return f"{10**lowest:,g} to {10**highest:,g}"


def draw_gradients(sizes: dict[bool, np.ndarray]) -> Figure:
    """Draw the size of each block's gradient, without skips and with them.

    Parameters
    ----------
    sizes : dict
        For False (without skips) and True an array of (starts, blocks).
    """
    figure, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
    for skips, color, line in ((False, plots.NEUTRAL, "--"), (True, plots.FINDING, "-")):
        for index, row in enumerate(sizes[skips]):
            label = None if index else f"with{'' if skips else 'out'} skips, {len(sizes[skips])} starts"
            ax.plot(range(1, len(row) + 1), row, line, color=color, linewidth=2, label=label)
    ax.set(yscale="log", xlabel="block", ylabel="size of the gradient")
    ax.yaxis.set_major_formatter("{x:,g}")
    ax.yaxis.set_minor_formatter("")
    ax.legend(frameon=False)
    return figure


def network_lab(depth: int = 66, skips: bool = True, normalisation: bool = True, optimiser: str = "SGD") -> Figure:
    """Train one setting of the network, and draw its gradients and its training loss beside the session's other tries.

    Only tries of the same depth are drawn. Seeds of one setting have the same line. A
    cross marks the step at which a training broke down.

    Parameters
    ----------
    depth : {18, 34, 66}
    skips, normalisation : bool
        As in `switch_network`.
    optimiser : {"SGD", "AdamW"}
    """
    training_losses(depth=depth, skips=skips, normalisation=normalisation, optimiser=optimiser)
    current = setting_name(depth, skips, normalisation, optimiser)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 5.0), layout="constrained")
    tries = {name: runs for name, runs in TRIES.items() if name.startswith(f"{depth} layers")}
    for index, (name, runs) in enumerate(tries.items()):
        is_current = name == current
        style: dict[str, Any] = {
            "color": plots.FINDING if is_current else plots.NEUTRAL,
            "linewidth": 3.0 if is_current else 1.5,
            "linestyle": "-" if is_current else LINES[index % len(LINES)],
        }
        sizes = GRADIENTS.get(name, {})
        if 0 in sizes:
            _draw_gradients(left, sizes[0], **style)
        if is_current and LATER in sizes and np.isfinite(sizes[LATER]).all():
            _draw_gradients(left, sizes[LATER], color=plots.FINDING, linewidth=1.5, marker=".")
            left.set_xlabel(f"block (line with dots: after {LATER} steps)")
        for run, losses in enumerate(runs):
            drawn = np.clip(losses, LOWEST, HIGHEST)
            right.plot(range(1, len(drawn) + 1), drawn, label=None if run else name, **style)
            if not np.isfinite(losses).all():
                last = int(np.isfinite(losses).argmin())  # so many steps were taken before it broke down
                cross: dict[str, Any] = {"color": style["color"], "markersize": 11, "clip_on": False, "zorder": 3}
                right.plot(last, drawn[last - 1], "X", **cross)
    left.set(title="gradient of each block at the start", yscale="log", ylim=(SMALLEST, LARGEST))
    left.yaxis.set_major_formatter("{x:g}")  # powers of ten would be set in a smaller type
    left.yaxis.set_minor_formatter("")
    if not left.get_xlabel():
        left.set_xlabel("block")
    chance = f"0.5 for every film: {CHANCE:.2f}"
    right.axhline(CHANCE, color=plots.NOFINDING, alpha=0.3, linewidth=6, zorder=0, label=chance)  # lines may lie on it
    right.set(title="training loss", xlabel="step", yscale="log", ylim=(LOWEST, HIGHEST))
    right.set_yticks([0.001, 0.01, 0.1, 1, 10])
    right.yaxis.set_major_formatter("{x:g}")
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return figure


def _draw_gradients(ax: Axes, sizes: np.ndarray, **style: Any) -> None:
    """Draw the size of the gradient against the number of the block."""
    ax.plot(range(1, len(sizes) + 1), np.clip(sizes, SMALLEST, LARGEST), **style)


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
    network = _stage_network()
    image, mask = course_film(row, size=256)
    small = (course_film(row, size=network.input.shape[1])[0] * 255).round().astype(np.uint8)[None]
    *outputs, logit = network(as_float(small)[..., None], training=False)
    maps = {name: np.asarray(output)[0] for name, output in zip(STAGES, outputs, strict=True)}
    return image, mask, float(logit[0, 0]), maps


@cache
def _stage_network() -> keras.Model:
    """Return the library's trained network, with the maps of each stage and the logit as outputs."""
    model = open_run("simulated").model
    return keras.Model(model.input, [*(model.get_layer(name).output for name in STAGES), model.output])


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
