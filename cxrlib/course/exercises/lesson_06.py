"""The exercises of lesson 6: the numbers of a block, a receptive field, the first paper's block, a folded layer."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from cxrlib.course.checks import Exercise, WrongAnswer, require

if TYPE_CHECKING:  # loaded by the one check that needs it, because Keras takes seconds
    import keras


def _block_numbers(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with a sum over the layers of the block, and name the part that is missing."""
    # On the first pair, no two of the mistakes below give the same number.
    for before, after in ((8, 20), *rng.integers(3, 100, (8, 2)).tolist()):
        first, second, skip = 9 * before * after, 9 * after * after, before * after
        norms = 4 * before + 4 * after
        expected = first + second + skip + norms
        given = float(answer(before, after))
        at = f"for {before} channels in and {after} out you count {given:,.0f}"
        require(
            given != expected - skip,
            f"{at}. The 1 x 1 convolution on the skip is missing: it leads from {before} to {after} channels.",
        )
        require(
            given != expected - skip + 9 * skip,
            f"{at}. The convolution on the skip is 1 x 1, and you counted it as 3 x 3.",
        )
        require(
            given != expected - norms,
            f"{at}. These are the convolutions alone. The two batch normalisations hold numbers, too.",
        )
        require(
            given != expected - norms / 2,
            f"{at}. You gave batch normalisation 2 numbers a channel, gamma and beta. Keras' count includes the "
            "running mean and the running variance, which training updates without a gradient.",
        )
        require(
            given not in (expected + 2 * after, expected + 3 * after),
            f"{at}. You gave the convolutions a bias, one number for each map. These have none (`use_bias=False`): "
            "the beta of batch normalisation does its work.",
        )
        require(
            given not in (expected - norms + 8 * after, expected - norms + 8 * before),
            f"{at}. The two batch normalisations differ in size. Each counts the channels of what comes into it: the "
            f"first gets {before}, and the second gets what the first convolution gives out.",
        )
        require(
            given not in (expected - second + first, expected - first + second),
            f"{at}. You gave both 3 x 3 convolutions the same size. The first leads from {before} to {after} channels, "
            f"and the second from {after} to {after}.",
        )
        require(
            given == expected,
            f"{at}, and {expected:,} is right. Write down the 5 layers that hold numbers, one a line, and add them.",
        )
    return "it was tried on 9 blocks."


def _field(kernels: list[int], strides: list[int]) -> int:
    """Return the receptive field of a stack, by the distances of neighbours."""
    field, distance = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (kernel - 1) * distance
        distance *= stride
    return field


def _receptive_field(answer: Callable, rng: np.random.Generator) -> str:
    """Compare on stacks with and without strides."""
    stacks = [([3, 3], [1, 1]), ([7, 3, 3], [2, 2, 1])]
    for _ in range(10):
        length = int(rng.integers(2, 7))
        kernels, strides = rng.choice([1, 3, 5, 7], length).tolist(), rng.choice([1, 2], length).tolist()
        stacks.append((kernels, strides))
    for kernels, strides in stacks:
        given, expected = float(answer(list(kernels), list(strides))), _field(kernels, strides)
        at = f"for kernels {kernels} and strides {strides} you get {given:g}"
        if given == expected:
            continue
        require(
            given != expected - 1,
            f"{at}, 1 less than is right. Before the first layer, a place sees itself: start from 1.",
        )
        require(
            given != _field(kernels, [1] * len(kernels)),
            f"{at}. That would hold if all strides were 1. After a stride of 2, neighbours lie twice as far apart on "
            "the film, so each later kernel covers more of it.",
        )
        own = 1 + sum((kernel - 1) * int(np.prod(strides[: i + 1])) for i, kernel in enumerate(kernels))
        require(
            given != own,
            f"{at}, and {expected} is right. You let a layer's own stride widen its own kernel. Its kernel looks at "
            "the places of the layer before. Its stride counts for the layers after it.",
        )
        single = 1 + sum((kernel - 1) * before for kernel, before in zip(kernels, [1, *strides[:-1]], strict=True))
        require(
            given != single,
            f"{at}, and {expected} is right. You took the stride of the last layer alone. The distances of all layers "
            "before are multiplied: after 2 strides of 2, neighbours lie 4 pixels apart.",
        )
        product = int(np.prod(kernels))
        require(
            given not in (sum(kernels), product),
            f"{at}. Kernels overlap, so they are neither added nor multiplied: a kernel of k places reaches k - 1 "
            "steps further than the place itself.",
        )
        require(
            False,
            f"{at}, and {expected} is right. Keep 2 numbers while you walk through the layers: how much a place sees, "
            "and how far apart neighbours lie.",
        )
    return f"it was tried on {len(stacks)} stacks of layers."


def _first_block(answer: Callable, rng: np.random.Generator) -> str:
    """Build the answer as a model, set its 3 x 3 kernels to 0, and look at what comes through."""
    from cxrlib.model.backend import keras

    channels, side = int(rng.integers(3, 9)), 8
    x = rng.normal(size=(2, side, side, channels)).astype(np.float32)
    model = _model_of(answer, keras, side, channels, channels)
    require(
        tuple(model.output.shape[1:]) == (side, side, channels),
        f"a block for {channels} channels must give maps of ({side}, {side}, {channels}), and yours gives "
        f"{tuple(model.output.shape[1:])}. Do your convolutions have padding='same' and no stride?",
    )
    large, small = _kernels(model, keras)
    require(
        len(large) == 2, f"your block has {len(large)} convolutions of 3 x 3, and the block of the first paper has 2."
    )
    require(
        not small,
        "your skip has a 1 x 1 convolution although the numbers of channels agree. There the input goes by unchanged.",
    )
    _silence(model, keras)
    given = np.asarray(model(x, training=False))
    zero = "with all 3 x 3 kernels at 0, "
    require(
        not np.allclose(given, 0),
        f"{zero}your block gives 0 for every input: nothing passes by on the skip. Is the x that you add still the "
        "input, or did you write over it?",
    )
    rectified = sum(isinstance(layer, keras.layers.ReLU) or _is_relu(layer) for layer in model.layers)
    if np.allclose(given, x, atol=1e-5):
        require(
            rectified >= 2,
            f"{zero}your block gives x, with its negative numbers. The first paper's block has a second ReLU, after "
            "the sum.",
        )
        raise WrongAnswer(
            f"{zero}your block gives x, with its negative numbers. Your last ReLU stands before the sum, so it does "
            "not reach what came by on the skip. It belongs after the sum."
        )
    require(
        np.allclose(given, np.maximum(x, 0), atol=1e-5),
        f"{zero}your block must give relu(x), and it differs by up to {np.abs(given - np.maximum(x, 0)).max():.2f}. "
        "Something changes x on the skip, such as a normalisation or a ReLU. Add x as it came in.",
    )
    norms = sum(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)
    require(norms == 2, f"your block has {norms} batch normalisations. Each of the 2 convolutions is followed by one.")
    wider = _model_of(answer, keras, side, channels, 2 * channels)
    large, small = _kernels(wider, keras)
    shape = tuple(wider.output.shape[1:])
    require(
        shape == (side, side, 2 * channels) and len(small) == 1,
        f"for {channels} channels in and {2 * channels} filters your block gives {shape}, with {len(small)} "
        "convolutions of 1 x 1. It needs one of them, on the skip, to make the numbers of channels agree.",
    )
    return "relu(x) comes through, and the block can change the number of channels."


def _model_of(answer: Callable, keras: object, side: int, channels: int, filters: int) -> "keras.Model":
    """Return the answer as a model. Say what is missing if its sum cannot be built."""
    image = keras.Input((side, side, channels))  # type: ignore[attr-defined]
    try:
        output = answer(image, filters)
    except WrongAnswer as error:
        if "shape" in str(error) and filters == channels:
            raise WrongAnswer(
                f"{error}. The maps on the skip and in the block differ in size or number. Do your 3 x 3 convolutions "
                "have padding='same' and no stride?"
            ) from None
        if "shape" in str(error):
            raise WrongAnswer(
                f"with {channels} channels in and {filters} filters the sum cannot be built: the skip still has "
                f"{channels} channels. Put a 1 x 1 convolution on the skip, where the two numbers differ."
            ) from None
        raise
    return keras.Model(image, output)  # type: ignore[attr-defined]


def _kernels(model: "keras.Model", keras: object) -> tuple[list, list]:
    """Return the convolutions of 3 x 3 and those of 1 x 1."""
    found = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]  # type: ignore[attr-defined]
    return [layer for layer in found if layer.kernel_size == (3, 3)], [
        layer for layer in found if layer.kernel_size == (1, 1)
    ]


def _silence(model: "keras.Model", keras: object) -> None:
    """Set the kernels to 0, and give the running variances values that show a normalisation on the skip."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):  # type: ignore[attr-defined]
            layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
        if isinstance(layer, keras.layers.BatchNormalization):  # type: ignore[attr-defined]
            layer.moving_variance.assign(np.full(layer.moving_variance.shape, 4.0, np.float32))


def _is_relu(layer: "keras.layers.Layer") -> bool:
    """Whether a layer that is no ReLU layer rectifies, as ``Activation("relu")`` or ``keras.ops.relu``."""
    return "relu" in layer.name or getattr(getattr(layer, "activation", None), "__name__", "") == "relu"


def _folded_layer(answer: Callable, rng: np.random.Generator) -> str:
    """Compare the reader's one layer with a convolution and a batch normalisation in use."""
    for _ in range(10):
        before, after = rng.integers(2, 7, 2)
        kernel = rng.normal(size=(3, 3, before, after))
        gamma, variance = rng.uniform(0.5, 2, after), rng.uniform(0.05, 3, after)
        beta, mean = rng.normal(size=(2, after))
        epsilon = float(rng.choice([0.001, 0.01, 0.1]))
        given = answer(kernel, gamma, beta, mean, variance, epsilon)
        require(
            isinstance(given, tuple) and len(given) == 2,
            "return two things: the new kernel and the new bias, as `return new_kernel, bias`.",
        )
        new_kernel, bias = (np.asarray(part, float) for part in given)
        require(
            new_kernel.shape == kernel.shape,
            f"your kernel has the shape {new_kernel.shape}, and must keep {kernel.shape}. NumPy multiplies the last "
            "axis, which holds the maps that come out, by one number each.",
        )
        require(
            bias.shape == (after,),
            f"your bias has the shape {bias.shape}. It needs one number for each of the {after} maps that come out.",
        )
        scale = gamma / np.sqrt(variance + epsilon)
        _require_kernel(new_kernel, kernel, gamma, variance, epsilon)
        at = "your kernel is right, and your bias is not. "
        require(
            not np.allclose(bias, beta),
            f"{at}It is beta alone. The running mean is subtracted before the division: what is left of it at the end?",
        )
        require(
            not np.allclose(bias, beta - mean),
            f"{at}You subtract the mean as it is. But it is divided and multiplied as the map itself is.",
        )
        require(
            not np.allclose(bias, beta + mean * scale),
            f"{at}You add the mean. Batch normalisation subtracts it.",
        )
        require(
            np.allclose(bias, beta - mean * scale), f"{at}Put a map of zeros through the formula: that is the bias."
        )
    return "your one layer gives what the two layers give. It was tried on 10 pairs of layers."


def _require_kernel(
    given: np.ndarray, kernel: np.ndarray, gamma: np.ndarray, variance: np.ndarray, epsilon: float
) -> None:
    """Name what is wrong with the kernel."""
    wrong = {
        "Your kernel is the old one. Batch normalisation multiplies each map, and a convolution of a multiplied kernel "
        "gives a multiplied map.": np.ones_like(gamma),
        "You divided by the variance. It is the standard deviation, its square root.": gamma / (variance + epsilon),
        "You left epsilon out. It is added to the variance before the root.": gamma / np.sqrt(variance),
        "You added epsilon after the root. It is added to the variance.": gamma / (np.sqrt(variance) + epsilon),
        "You divided by the standard deviation, and gamma is missing.": 1 / np.sqrt(variance + epsilon),
        "You multiplied by gamma, and did not divide by the standard deviation.": gamma,
        "You multiplied by the standard deviation. Batch normalisation divides by it.": gamma
        * np.sqrt(variance + epsilon),
    }
    for sentence, factor in wrong.items():
        require(not np.allclose(given, kernel * factor, rtol=1e-7), f"the kernel differs. {sentence}")
    require(
        np.allclose(given, kernel * gamma / np.sqrt(variance + epsilon), rtol=1e-6),
        "the kernel differs. By what does batch normalisation multiply each map, if you leave out all that is added?",
    )


EXERCISES: dict[str, Exercise] = {
    "block numbers": Exercise(
        _block_numbers,
        "5 layers hold numbers: 2 batch normalisations, 2 convolutions of 3 x 3, and 1 convolution of 1 x 1. For each, "
        "how many channels come in, and how many go out?",
    ),
    "block receptive field": Exercise(
        _receptive_field,
        "walk through the layers with 2 numbers: field = 1 and distance = 1. A layer adds (kernel - 1) * distance to "
        "the field. Then its stride multiplies the distance.",
    ),
    "block of the first paper": Exercise(
        _first_block,
        "keep the input under its own name. Build y from it in 5 steps: convolution, normalisation, ReLU, convolution, "
        "normalisation. Add, then rectify the sum.",
    ),
    "block folded": Exercise(
        _folded_layer,
        "write gamma * (map - mean) / sqrt(variance + epsilon) + beta as factor * map + rest. The map is linear in the "
        "kernel.",
    ),
}
