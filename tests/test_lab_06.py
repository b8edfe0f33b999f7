"""The labs of lesson 6: the network with two switches is the library's, and the figures show what was computed."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cxrlib.course.labs import lesson_06 as lab
from cxrlib.course.labs.lesson_06 import few_films, maps_lab, network_lab, switch_network, training_losses
from cxrlib.model import build_resnet
from cxrlib.model.backend import keras
from cxrlib.training.run import open_run


@pytest.fixture(autouse=True)
def few_steps(monkeypatch, tmp_path):
    monkeypatch.setattr(lab, "STEPS", 2)
    monkeypatch.setattr(lab, "TRIES", {})
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


def test_the_lab_draws_each_setting_that_was_trained_and_the_current_one_thick(monkeypatch):
    monkeypatch.setattr(lab, "few_films", lambda: (np.random.default_rng(0).random((4, 64, 64, 1)), np.eye(4)[:, :1]))
    monkeypatch.setattr(lab, "recall", {"networks that learn": 2}.get)
    first = training_losses(depth=18, skips=False, normalisation=False)
    lab.TRIES["one that broke down"] = [1.0, 2.0, float("nan")]
    ax = network_lab(18, True, True, "AdamW").axes[0]
    lines = {line.get_label(): line for line in ax.lines}
    assert list(lines["18 layers, neither, SGD"].get_ydata()) == pytest.approx(first)
    assert lines["18 layers, skips and normalisation, AdamW"].get_linewidth() == 3
    (cross,) = [line for line in ax.lines if line.get_marker() == "X"]
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (2, 2.0)
    assert "your guess: 2 of the 4" in ax.get_title()


def test_the_maps_are_those_of_the_librarys_network():
    image, mask, logit, maps = lab.stage_maps(0)
    run = open_run("simulated")
    assert image.shape == mask.shape == (256, 256)
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
