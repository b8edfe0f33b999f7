import numpy as np
import pytest

from cxrlib.model.backend import keras, tf
from cxrlib.model.network import has_bfloat16
from cxrlib.model.resnet import LAST_MAPS, FusedBatchNormalization, build_resnet


def test_parameters_are_those_of_the_paper():
    """He et al. 2016: 11.7, 21.8 and 25.6 million, less 999 of 1,000 outputs and two of three input channels."""
    for depth, millions in ((18, 11.2), (34, 21.3), (50, 23.5)):
        model = build_resnet(depth=depth, width=64, size=64)
        assert model.count_params() / 1e6 == pytest.approx(millions, abs=0.1)


def test_stages_halve_and_double():
    model = build_resnet(depth=18, width=8, size=128)
    adds = [layer.output.shape[1:] for layer in model.layers if isinstance(layer, keras.layers.Add)]
    assert adds == [(32, 32, 8)] * 2 + [(16, 16, 16)] * 2 + [(8, 8, 32)] * 2 + [(4, 4, 64)] * 2
    convolutions = sum(isinstance(layer, keras.layers.Conv2D) and layer.kernel_size != (1, 1) for layer in model.layers)
    assert convolutions + 1 == 18  # and the dense layer


def test_it_is_flat_and_its_last_maps_have_a_name():
    model = build_resnet(width=4, size=64)
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert model.get_layer(LAST_MAPS).output.shape == (None, 2, 2, 32)


def test_any_size():
    model = build_resnet(width=4, size=None)
    for side in (64, 100):
        assert model(np.zeros((1, side, side, 1), np.float32)).shape == (1, 1)


def test_standardizing_removes_exposure():
    """The logit does not change when a film x is made paler and darker: a x + b."""
    film = np.random.default_rng(0).random((2, 64, 64, 1)).astype(np.float32)
    for standardize, same in ((True, True), (False, False)):
        model = build_resnet(width=4, size=None, standardize=standardize, seed=3)
        difference = np.abs(model.predict_on_batch(0.5 * film + 0.3) - model.predict_on_batch(film)).max()
        assert (difference < 0.01) == same


def test_the_output_bias_is_the_bias_of_the_logit():
    model = build_resnet(width=4, size=32, output_bias=-2.2)
    assert model.get_layer("logit").bias.numpy() == pytest.approx(-2.2)


def test_the_seed_makes_the_weights():
    same = [build_resnet(width=4, size=32, seed=s).get_weights() for s in (1, 1, 2)]
    assert all(np.array_equal(a, b) for a, b in zip(same[0], same[1], strict=True))
    assert not np.array_equal(same[0][0], same[2][0])


def test_another_depth_is_refused():
    with pytest.raises(ValueError, match="one of 18, 34, 50"):
        build_resnet(depth=20)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the fused kernel is TensorFlow's")
def test_fused_normalization_is_keras_own():
    """One layer's outputs in training, gradients and moving averages; in a whole network rounding errors would grow."""
    images = np.random.default_rng(0).normal(3, 2, (8, 12, 10, 5)).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=images.shape).astype(np.float32)  # so that gradients are not 0
    results = []
    for kind in (keras.layers.BatchNormalization, FusedBatchNormalization):
        layer = kind(momentum=0.9, epsilon=1e-5)
        layer.build(images.shape)
        layer.set_weights([np.array([0.5, 1, 2, -1, 3]), np.array([0, 1, -1, 2, 0.5]), *layer.get_weights()[2:]])
        inputs = tf.Variable(images)
        with tf.GradientTape() as tape:
            outputs = layer(inputs, training=True)
            total = tf.reduce_sum(outputs * weights)
        results.append([outputs, *tape.gradient(total, [inputs, *layer.trainable_variables]), *layer.get_weights()])
        results[-1].append(layer(images, training=False))
    for plain, fused in zip(*results, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the fused kernel is TensorFlow's")
def test_a_fused_network_has_the_layers_and_outputs_of_keras_own():
    films = np.random.default_rng(0).random((8, 64, 64, 1)).astype(np.float32)
    plain, fused = (build_resnet(width=4, size=64, seed=1, fused=fused) for fused in (False, True))
    assert sum(isinstance(layer, FusedBatchNormalization) for layer in fused.layers) == 17
    assert not any(isinstance(layer, FusedBatchNormalization) for layer in plain.layers)
    np.testing.assert_allclose(fused(films, training=True), plain(films, training=True), rtol=1e-2, atol=1e-2)


@pytest.mark.skipif(not has_bfloat16(), reason="this processor does not multiply bfloat16")
def test_bfloat16_computes_in_it_and_keeps_weights_in_float32():
    model = build_resnet(width=4, size=64, precision="bfloat16")
    assert {layer.compute_dtype for layer in model.layers if isinstance(layer, keras.layers.Conv2D)} == {"bfloat16"}
    assert {str(v.dtype) for v in model.variables} == {"float32"}
    films = np.random.default_rng(0).random((4, 64, 64, 1)).astype(np.float32)
    float32 = build_resnet(width=4, size=64)
    np.testing.assert_allclose(model.predict_on_batch(films), float32.predict_on_batch(films), atol=0.1)


def test_bfloat16_is_not_used_where_it_is_forbidden(monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert not has_bfloat16()
