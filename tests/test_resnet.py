import keras
import numpy as np
import pytest

from cxrlib.network import has_bfloat16
from cxrlib.resnet import LAST_MAPS, build_resnet


@pytest.mark.parametrize(("depth", "millions"), [(18, 11.2), (34, 21.3), (50, 23.5)])
def test_parameters_are_those_of_the_paper(depth, millions):
    """He et al. 2016: 11.7, 21.8 and 25.6 million, less 999 of 1,000 outputs and two of three input channels."""
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


def test_standardizing_forgets_exposure():
    """The answer does not change when a film is made paler and darker: a x + b."""
    film = np.random.default_rng(0).random((2, 64, 64, 1)).astype(np.float32)
    for standardize, same in ((True, True), (False, False)):
        model = build_resnet(width=4, size=None, standardize=standardize, seed=3)
        difference = np.abs(model.predict_on_batch(0.5 * film + 0.3) - model.predict_on_batch(film)).max()
        assert (difference < 0.01) == same


def test_the_output_bias_is_the_first_answer():
    model = build_resnet(width=4, size=32, output_bias=-2.2)
    assert model.get_layer("logit").bias.numpy() == pytest.approx(-2.2)


def test_the_seed_makes_the_weights():
    same = [build_resnet(width=4, size=32, seed=s).get_weights() for s in (1, 1, 2)]
    assert all(np.array_equal(a, b) for a, b in zip(same[0], same[1], strict=True))
    assert not np.array_equal(same[0][0], same[2][0])


def test_depths():
    with pytest.raises(ValueError, match="one of 18, 34, 50"):
        build_resnet(depth=20)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the fused kernel is TensorFlow's")
def test_fused_normalization_is_keras_own():
    """Outputs in training, gradients and moving averages, with the same weights."""
    films = np.random.default_rng(0).random((8, 64, 64, 1)).astype(np.float32)
    results = []
    for fused in (False, True):
        model = build_resnet(width=4, size=64, seed=1, fused=fused)
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
        losses = [model.train_on_batch(films, np.ones((8, 1))) for _ in range(3)]
        results.append([np.array(losses), *model.get_weights()])
    for plain, fast in zip(*results, strict=True):
        np.testing.assert_allclose(fast, plain, rtol=1e-2, atol=1e-3)


@pytest.mark.skipif(not has_bfloat16(), reason="this processor does not multiply bfloat16")
def test_bfloat16_computes_in_it_and_keeps_weights_in_float32():
    model = build_resnet(width=4, size=64, precision="bfloat16")
    assert {layer.compute_dtype for layer in model.layers if isinstance(layer, keras.layers.Conv2D)} == {"bfloat16"}
    assert {str(v.dtype) for v in model.variables} == {"float32"}
    films = np.random.default_rng(0).random((4, 64, 64, 1)).astype(np.float32)
    whole = build_resnet(width=4, size=64)
    np.testing.assert_allclose(model.predict_on_batch(films), whole.predict_on_batch(films), atol=0.1)


def test_bfloat16_is_not_used_where_it_is_forbidden(monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert not has_bfloat16()
