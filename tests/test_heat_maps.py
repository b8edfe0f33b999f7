"""Grad-CAM against its own definition, and the measures of heat maps against masks."""

import cv2
import numpy as np
import pytest

from cxrlib.evaluation.heat_maps import fraction_inside, grad_cam, pointing_hit, with_random_weights
from cxrlib.model.backend import keras
from cxrlib.model.resnet import LAST_MAPS, build_resnet


@pytest.fixture(scope="module")
def network():
    return build_resnet(depth=18, width=4, size=64, seed=3)


def test_at_the_last_maps_it_is_the_class_activation_map(network):
    """There the gradient is the last layer's weights (Zhou et al., CVPR 2016), which needs no differentiation."""
    images = np.random.default_rng(0).random((3, 64, 64)).astype(np.float32)
    heat = grad_cam(network, images, layer=LAST_MAPS)
    seen = keras.Model(network.inputs[0], network.get_layer(LAST_MAPS).output)
    maps = np.asarray(seen(np.concatenate([images, images[:1]])[..., None], training=False))[:3]
    by_hand = np.maximum(maps @ np.asarray(network.get_layer("logit").kernel)[:, 0], 0)
    assert by_hand.any()
    for ours, small in zip(heat, by_hand, strict=True):
        enlarged = cv2.resize(small, (64, 64), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(ours, enlarged / (enlarged.max() or 1), atol=1e-4)


def test_an_earlier_layer_is_finer(network):
    image = np.random.default_rng(1).random((1, 64, 64)).astype(np.float32)
    values = [len(np.unique(grad_cam(network, image, layer=f"stage_{stage}"))) for stage in (1, 4)]
    assert values[0] > values[1]
    assert network.get_layer("stage_3").output.shape[1:3] == (4, 4)


def test_integers_are_read_as_the_images_that_they_stand_for(network):
    image = np.random.default_rng(2).random((1, 64, 64)).astype(np.float32)
    integers = np.rint(image * 65535).astype(np.uint16)
    np.testing.assert_allclose(grad_cam(network, integers), grad_cam(network, image), atol=1e-2)


def test_the_control_has_the_same_shape_and_other_weights(network):
    trained = keras.models.clone_model(network)
    trained.set_weights([w + 1 for w in network.get_weights()])
    for initial, random in zip(network.get_weights(), with_random_weights(trained).get_weights(), strict=True):
        np.testing.assert_array_equal(initial, random)  # drawn from the seed of the network


def test_pointing_game_and_heat_inside():
    heat, mask = np.zeros((8, 8)), np.zeros((8, 8), bool)
    mask[2:4, 2:4] = True
    heat[3, 3], heat[7, 7] = 3.0, 1.0
    assert pointing_hit(heat, mask)
    assert fraction_inside(heat, mask) == 0.75
    assert not pointing_hit(heat[::-1], mask)
    assert not pointing_hit(np.zeros((8, 8)), mask)
    assert np.isnan(fraction_inside(np.zeros((8, 8)), mask))
    assert fraction_inside(np.ones((8, 8)), mask) == mask.mean()
