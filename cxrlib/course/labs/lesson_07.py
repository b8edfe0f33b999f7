"""The lab of lesson 7: train the last layer of a network with a weight, a schedule and a rate, in a second."""

from dataclasses import dataclass, field, replace

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy.special import expit

from cxrlib.course.cohorts import course_lab_set
from cxrlib.course.reader import recall
from cxrlib.evaluation.roc_auc import roc
from cxrlib.report import plots

EPOCHS, WARM_UP, BATCH, SEEDS = 30, 2, 32, 8
"""Epochs of a try, epochs before the rate falls, films in a batch, and trainings of each try."""

EARLIER = 4
"""How many earlier tries are drawn beside the present one."""

GUESS = "sensitivity of lesson 7"
"""The name of the reader's guess: the sensitivity at p = 0.5 with a weight of 3."""


@dataclass(frozen=True)
class TrainingFilms:
    """Films as the last layer of a network sees them.

    Attributes
    ----------
    train, val : ndarray, (N, F) and (M, F)
        The features of the films, with mean 0 and standard deviation 1 over the training films.
    train_labels, val_labels : ndarray, (N,) and (M,), 1 = the finding
    """

    train: np.ndarray
    train_labels: np.ndarray
    val: np.ndarray
    val_labels: np.ndarray


@dataclass(frozen=True)
class Try:
    """The result of one setting, for each of the seeds.

    Attributes
    ----------
    name : str
        The setting, in words.
    auc : ndarray, (epochs, seeds)
        The AUC on the validation films after each epoch.
    probabilities : ndarray, (seeds, M)
        The sigmoid p of each validation film at the end.
    sensitivity, false_alarms : ndarray, (seeds,)
        The fractions of both classes that are called at p = 0.5 or more.
    number : int
        Counts the tries of this session, from 1.
    """

    name: str
    auc: np.ndarray = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    sensitivity: np.ndarray
    false_alarms: np.ndarray
    number: int = 1


_tries: list[Try] = []


def lab_films(*, size: int = 48) -> TrainingFilms:
    """Return the training and validation films of the course's lab set, as the last layer sees them.

    Parameters
    ----------
    size : int, pixels
    """
    from cxrlib.images.pixels import as_float
    from cxrlib.training.batches import load_images

    films = course_lab_set()
    train, val = films.part("train"), films.part("val")
    images, images_val = (as_float(load_images(part.files, size=size)) for part in (train, val))
    return training_films(images, train.labels, images_val, val.labels)


def training_films(train: np.ndarray, train_labels: ArrayLike, val: np.ndarray, val_labels: ArrayLike) -> TrainingFilms:
    """Return what the last layer of the library's network sees of films that are given as images.

    Parameters
    ----------
    train, val : ndarray, (N, S, S) and (M, S, S), float in [0, 1]
        Images of one size. The network has learned from larger ones.
    train_labels, val_labels : array, (N,) and (M,), 1 = the finding
    """
    from cxrlib.model.backend import keras
    from cxrlib.model.network import BATCH as FILMS_AT_ONCE
    from cxrlib.model.network import build_network
    from cxrlib.model.resnet import LAST_MAPS
    from cxrlib.training.run import open_run

    run = open_run("simulated")
    network = build_network(replace(run.recipe, size=train.shape[1]))
    network.set_weights(run.model.get_weights())
    pooled = keras.layers.GlobalAveragePooling2D()(network.get_layer(LAST_MAPS).output)
    model = keras.Model(network.input, pooled)

    def features_of(images: np.ndarray) -> np.ndarray:
        missing = -len(images) % FILMS_AT_ONCE  # batches of one size: see `cxrlib.model.recipe.RULES`
        filled = np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])[..., None]
        batches = np.split(filled.astype(np.float32), len(filled) // FILMS_AT_ONCE)
        return np.concatenate([model.predict_on_batch(batch) for batch in batches])[: len(images)].astype(np.float64)

    seen, seen_val = features_of(train), features_of(val)
    mean, spread = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    labels, labels_val = np.asarray(train_labels), np.asarray(val_labels)
    return TrainingFilms((seen - mean) / spread, labels, (seen_val - mean) / spread, labels_val)


def rates_of(schedule: str, top: float, *, steps: int, epochs: int = EPOCHS, warm_up: int = WARM_UP) -> np.ndarray:
    """Return the learning rate of each step, (epochs * steps,), as `cxrlib.training.learning_rate` has it.

    Parameters
    ----------
    schedule : {"constant", "halving", "cosine"}
    top : float
        The highest rate.
    steps : int
        Batches in an epoch.
    epochs : int
    warm_up : int
        Epochs in which a cosine rises from 0, and in which a halving rate is not yet halved.
    """
    t, start = np.arange(epochs * steps), warm_up * steps
    if schedule == "constant":
        return np.full(len(t), float(top))
    if schedule == "halving":
        return top * 0.5 ** np.maximum(0, t // steps - warm_up + 1)
    falling = (1 + np.cos(np.pi * (t - start) / (len(t) - start))) / 2
    return top * np.where(t < start, t / start, falling)


def train_last_layer(
    films: TrainingFilms, *, weight: float, schedule: str, rate: float, seeds: int = SEEDS, epochs: int = EPOCHS
) -> Try:
    """Train a layer of one logit by stochastic gradient descent, once for each seed.

    A seed decides the first weights and the order of the films. All seeds take their
    steps at the same time.
    """
    rng = np.random.default_rng(0)
    x, y = films.train, films.train_labels
    steps = len(x) // BATCH
    kernel, bias = rng.normal(0, 0.01, (seeds, x.shape[1])), np.zeros(seeds)
    all_rates = rates_of(schedule, rate, steps=steps, epochs=epochs).reshape(epochs, steps)
    aucs = []
    for rates in all_rates:
        order = rng.permuted(np.tile(np.arange(len(x)), (seeds, 1)), axis=1)
        for step, step_rate in enumerate(rates):
            rows = order[:, step * BATCH : (step + 1) * BATCH]
            seen, label = x[rows], y[rows]
            p = expit(np.einsum("sbf,sf->sb", seen, kernel) + bias[:, None])
            slope = np.where(label == 1, weight, 1.0) * (p - label) / BATCH
            kernel -= step_rate * np.einsum("sbf,sb->sf", seen, slope)
            bias -= step_rate * slope.sum(axis=1)
        logits = kernel @ films.val.T + bias[:, None]
        aucs.append(_aucs(logits, films.val_labels))
    p = expit(logits)
    called = p >= 0.5
    return Try(
        f"weight {weight:g}, {schedule}, rate {rate:g}",
        np.array(aucs),
        p,
        called[:, films.val_labels == 1].mean(axis=1),
        called[:, films.val_labels == 0].mean(axis=1),
    )


def training_lab(films: TrainingFilms, weight: float = 3, schedule: str = "cosine", rate: float = 0.1) -> Figure:
    """Train the last layer with these settings, and draw the result beside the reader's earlier tries.

    Left: the validation AUC by epoch, as the mean of 8 seeds and the band from the lowest to the highest.
    Right: sensitivity and false alarms at p = 0.5, on the ROC curve of the network of seed 0. The
    reader's guess is a dashed line.

    Parameters
    ----------
    films : TrainingFilms
    weight : float
        The weight of an effusion in the loss.
    schedule : {"constant", "halving", "cosine"}
    rate : float
        The highest learning rate.
    """
    result = train_last_layer(films, weight=weight, schedule=schedule, rate=rate)
    result = replace(result, number=_tries[-1].number + 1 if _tries else 1)
    earlier = [each for each in _tries if each.name != result.name][-EARLIER:]
    _tries.append(result)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.4), layout="constrained")
    _draw_aucs(left, result, earlier)
    _draw_rates(right, result, earlier, films.val_labels)
    figure.suptitle(f"try {result.number}: {result.name}", fontsize=11)
    return figure


def _draw_aucs(ax: Axes, result: Try, earlier: list[Try]) -> None:
    epochs = np.arange(1, len(result.auc) + 1)
    lowest = 0.0
    for each in sorted(earlier, key=lambda one: one.auc[-1].mean()):
        ax.plot(epochs, each.auc.mean(axis=1), color="#999999", linewidth=1)
        end = each.auc[-1].mean()
        place = lowest = max(end, lowest + 0.05)  # so that no number hides another
        line = {"arrowstyle": "-", "color": "#BBBBBB"}
        number, at, beside = str(each.number), (epochs[-1], end), (epochs[-1] + 1.5, place)
        ax.annotate(number, at, beside, va="center", fontsize=9, color="#555555", arrowprops=line)
    low, high = result.auc.min(axis=1), result.auc.max(axis=1)
    ax.fill_between(epochs, low, high, color=plots.FINDING, alpha=0.25, linewidth=0, label="lowest to highest seed")
    ax.plot(epochs, result.auc.mean(axis=1), color=plots.FINDING, label=f"mean of {result.auc.shape[1]} seeds")
    ax.axhline(0.5, color=plots.NEUTRAL, linestyle=":", linewidth=1)  # a network that guesses
    last = result.auc[-1]
    ax.set_title(f"last AUC: mean {last.mean():.2f}, from {last.min():.2f} to {last.max():.2f}", fontsize=10)
    ax.set(xlabel="epoch", ylabel="AUC on the validation films", ylim=plots.UNIT, xlim=(0, len(epochs) + 4))
    ax.legend(loc="lower right", fontsize=9)


def _draw_rates(ax: Axes, result: Try, earlier: list[Try], labels: np.ndarray) -> None:
    false_alarms, sensitivity, _ = roc(labels, result.probabilities[0])
    ax.plot(false_alarms, sensitivity, color=plots.FINDING, linewidth=1, label="every threshold (ROC), seed 0")
    for each in earlier:
        x, y = each.false_alarms.mean(), each.sensitivity.mean()
        ax.plot(x, y, "s", color="#999999", markersize=5)
        ax.annotate(str(each.number), (x, y), xytext=(4, -11), textcoords="offset points", color="#555555", fontsize=9)
    ax.plot(result.false_alarms, result.sensitivity, "o", color=plots.FINDING, markersize=4, label="p = 0.5, all seeds")
    if (guessed := recall(GUESS)) is not None:
        ax.axhline(guessed, color=plots.NEUTRAL, linestyle="--", label=f"your guess for weight 3: {guessed:g}")
    ax.set_title(
        f"at p = 0.5: sensitivity {result.sensitivity.mean():.2f}, specificity {1 - result.false_alarms.mean():.2f}",
        fontsize=10,
    )
    ax.set(xlabel="false alarms (1 - specificity)", ylabel="sensitivity", xlim=plots.UNIT, ylim=plots.UNIT)
    ax.legend(loc="lower right", fontsize=9)


def _aucs(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the AUC of each row of logits, (seeds, M), by counting pairs."""
    ill, well = logits[:, labels == 1, None], logits[:, None, labels == 0]
    return ((ill > well) + 0.5 * (ill == well)).mean(axis=(1, 2))
