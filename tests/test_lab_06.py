"""The labs of lesson 6: the network with two switches is the library's, and the figures show what was computed."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cxrlib.course.labs import lesson_06 as lab
from cxrlib.course.labs.lesson_06 import (
    few_films,
    gradient_sizes,
    maps_lab,
    network_lab,
    switch_network,
    training_losses,
)
from cxrlib.course.lessons import course_film, course_scores
from cxrlib.model import build_resnet
from cxrlib.model.backend import keras
from cxrlib.model.network import predict_logits
from cxrlib.training.run import open_run


@pytest.fixture(autouse=True)
def few_steps(monkeypatch, tmp_path):
    monkeypatch.setattr(lab, "STEPS", {"SGD": 2, "AdamW": 2})
    monkeypatch.setattr(lab, "TRIES", {})
    monkeypatch.setattr(lab, "GRADIENTS", {})
    monkeypatch.setattr(lab, "LATER", 1)
    monkeypatch.setattr("cxrlib.course.reader.reader_file", lambda: tmp_path / "reader.json")
    training_losses.cache_clear()
    yield
    training_losses.cache_clear()
    plt.close("all")


def test_with_both_switches_on_it_is_the_librarys_network():
    for depth in (18, 34):
        ours, reference = switch_network(depth=depth), build_resnet(depth=depth, width=8, size=64, standardize=True)
        for a, b in zip(ours.get_weights(), reference.get_weights(), strict=True):
            assert np.array_equal(a, b)
        films = np.random.default_rng(0).random((2, 64, 64, 1)).astype(np.float32)
        np.testing.assert_allclose(ours(films), reference(films), atol=1e-4)


def test_each_switch_takes_its_layers_away():
    kinds = lambda network: {type(layer) for layer in network.layers}
    assert keras.layers.Add not in kinds(switch_network(skips=False))
    assert keras.layers.BatchNormalization not in kinds(switch_network(normalisation=False))


def test_its_depth_is_the_number_of_its_convolutions_and_the_last_layer():
    for depth in lab.BLOCKS:
        large = [
            layer for layer in switch_network(depth=depth).layers if getattr(layer, "kernel_size", (1, 1)) != (1, 1)
        ]
        assert len(large) + 1 == depth


def test_a_seed_starts_from_its_own_weights_whatever_was_trained_before(monkeypatch):
    films = np.random.default_rng(0).random((4, 64, 64, 1)).astype(np.float32), np.eye(4, dtype=np.float32)[:, :1]
    monkeypatch.setattr(lab, "few_films", lambda: films)
    first = training_losses(depth=18, seed=1)
    training_losses(depth=18, seed=0)
    training_losses.cache_clear()
    assert training_losses(depth=18, seed=1) == first
    network, _ = lab._compiled(18, True, True, "SGD")
    lab._restart(network, 1)
    for restarted, fresh in zip(network.get_weights(), switch_network(seed=1).get_weights(), strict=True):
        assert np.array_equal(restarted, fresh)


def test_a_clip_is_that_of_keras_and_leaves_no_trace_in_the_lab(monkeypatch):
    films = np.random.default_rng(0).random((4, 64, 64, 1)).astype(np.float32), np.eye(4, dtype=np.float32)[:, :1]
    monkeypatch.setattr(lab, "few_films", lambda: films)
    shuffled = np.random.default_rng(1).permutation(films[1])
    for clip in (None, 0.1):
        network = switch_network(depth=18, skips=False)
        network.compile(
            keras.optimizers.SGD(0.05, momentum=0.9, clipnorm=clip), keras.losses.BinaryCrossentropy(from_logits=True)
        )
        expected = [float(network.train_on_batch(films[0], shuffled)) for _ in range(2)]
        assert training_losses(depth=18, skips=False, clip=clip) == pytest.approx(expected, rel=1e-3)
    (runs,) = lab.TRIES.values()
    assert len(runs) == 1


def test_the_size_of_a_gradient_is_how_fast_the_loss_rises_along_it():
    network, (films, labels) = switch_network(depth=18), few_films(10)
    loss = lambda: float(keras.losses.BinaryCrossentropy(from_logits=True)(labels, network(films, training=True)))
    sizes = gradient_sizes(network, films, labels)
    layers = [layer for layer in network.layers if getattr(layer, "kernel_size", None) == (3, 3)]
    assert len(sizes) == 8
    rng = np.random.default_rng(0)
    for block in (0, 7):
        kernel = layers[2 * block].kernel
        start, slopes = np.array(kernel), []
        for _ in range(30):  # along random steps, the mean square of the slopes is the square of the gradient's size
            step = 3e-3 * rng.normal(size=start.shape)
            kernel.assign(start + step)
            up = loss()
            kernel.assign(start - step)
            slopes.append((up - loss()) / 6e-3)
        kernel.assign(start)
        assert np.sqrt(np.mean(np.square(slopes))) == pytest.approx(sizes[block], rel=0.5)


def test_without_skips_the_gradient_grows_from_the_last_block_to_the_first():
    films, labels = few_films()
    growth = {}
    for skips in (False, True):
        sizes = gradient_sizes(switch_network(depth=66, skips=skips), films, labels)
        growth[skips] = sizes[0] / sizes[-1]
    assert growth[False] > 1000 > 100 > growth[True] > 1


def test_the_powers_of_ten_are_those_around_the_numbers():
    assert lab.between(np.array([7089.0, 3290.0])) == "1,000 to 10,000"
    assert lab.between(0.06) == "0.01 to 0.1"


def test_the_gradient_of_each_block_and_start_is_drawn():
    sizes = {False: np.array([[100.0, 1.0], [90.0, 1.0]]), True: np.array([[2.0, 1.0], [3.0, 1.0]])}
    (ax,) = lab.draw_gradients(sizes).axes
    assert [list(line.get_ydata()) for line in ax.lines] == [[100, 1], [90, 1], [2, 1], [3, 1]]


def test_the_lab_draws_each_setting_that_was_trained_and_the_current_one_thick(monkeypatch):
    monkeypatch.setattr(lab, "few_films", lambda: (np.random.default_rng(0).random((4, 64, 64, 1)), np.eye(4)[:, :1]))
    first = training_losses(depth=18, skips=False, normalisation=False)
    lab.TRIES["18 layers, broke down"] = [[1.0, 2.0, float("nan")]]
    lab.TRIES["34 layers, another depth"] = [[1.0, 2.0]]
    left, right = network_lab(18, True, True, "AdamW").axes
    lines = {line.get_label(): line for line in right.lines}
    name = "18 layers, skips and normalisation, AdamW"
    assert list(lines["18 layers, neither, SGD"].get_ydata()) == pytest.approx(first)
    assert lines[name].get_linewidth() == 3
    (cross,) = [line for line in right.lines if line.get_marker() == "X"]
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (2, 2.0)
    assert "34 layers, another depth" not in lines
    (thick,) = [line for line in left.lines if line.get_linewidth() == 3]
    films, labels = lab.few_films()
    shuffled = np.random.default_rng(1).permutation(labels)
    assert thick.get_ydata() == pytest.approx(gradient_sizes(switch_network(), films, shuffled), rel=1e-3)
    (later,) = [line for line in left.lines if line.get_marker() == "."]
    assert list(later.get_ydata()) == pytest.approx(list(lab.GRADIENTS[name][1]))
    assert "after 1 steps" in left.get_xlabel()


def test_the_maps_are_those_of_the_librarys_network():
    image, mask, logit, maps = lab.stage_maps(0)
    run = open_run("simulated")
    assert image.shape == mask.shape == (256, 256)
    row = course_scores("val").iloc[lab.LAB_FILMS[0]].to_dict()
    film = (course_film(row, size=run.recipe.size)[0] * 255).round().astype(np.uint8)
    assert logit == pytest.approx(predict_logits(run.model, film[None])[0], abs=0.01)
    means = maps["stage_4"].shape
    assert means == run.model.get_layer("stage_4").output.shape[1:]
    figure = maps_lab(0, "stage_3")
    drawn = [ax.images[0].get_array() for ax in figure.axes[1:]]
    channels, lowest, highest = lab.varying_maps("stage_3")
    for axis, array, channel in zip(figure.axes[1:], drawn, channels, strict=True):
        assert np.array_equal(array, maps["stage_3"][..., channel])
        assert axis.get_title() == f"map {channel}"
    without = maps_lab(3, "stage_3")
    limits = lambda figure: [ax.images[0].get_clim() for ax in figure.axes[1:]]
    assert limits(figure) == limits(without) == list(zip(lowest, highest, strict=True))  # one scale for all films
    assert f"logit {logit:.1f}" in figure.axes[0].get_title()
    assert "no fluid" in maps_lab(3, "stem").axes[0].get_title()


def test_few_films_are_half_with_an_effusion():
    films, labels = few_films(10)
    assert films.shape == (10, 64, 64, 1)
    assert labels.sum() == 5
