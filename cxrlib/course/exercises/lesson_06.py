"""The exercises of lesson 6: the numbers of a block, a receptive field, the first paper's block."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from cxrlib.course.checks import Exercise, WrongAnswer, require

if TYPE_CHECKING:  # loaded by the one check that needs it, because Keras takes seconds
    from cxrlib.model.backend import keras


def _block_numbers(answer: Callable, rng: np.random.Generator) -> str:
    """Compare with a sum over the layers of the block, and name what is missing or counted wrong."""
    # On the first pair, no two of the mistakes below give the same number.
    for before, after in ((8, 20), *rng.integers(3, 100, (8, 2)).tolist()):
        first, second, skip = 9 * before * after, 9 * after * after, before * after
        norms = 4 * before + 4 * after
        expected = first + second + skip + norms
        given = float(answer(before, after))
        mistakes = {
            f"The 1 x 1 convolution on the skip is missing: it leads from {before} to {after} maps.": [expected - skip],
            "The convolution on the skip is 1 x 1, and you counted it as 3 x 3.": [expected + 8 * skip],
            f"The 1 x 1 convolution on the skip has a weight for each pair of a map in and a map out: {before} * "
            f"{after}.": [expected - skip + before, expected - skip + after],
            "These are the convolutions alone. The two batch normalisations hold numbers, too.": [expected - norms],
            "You gave batch normalisation 2 numbers a map, gamma and beta. Keras' count includes the running mean and "
            "the running variance, which training updates without a gradient.": [expected - norms / 2],
            "You gave each batch normalisation 4 numbers. It holds 4 for each map that comes in.": [
                expected - norms + 8
            ],
            "You gave the skip a batch normalisation of its own. In section 4, both ways share the first one.": [
                expected + 4 * before,
                expected + 4 * after,
            ],
            "You gave convolutions a bias, one number for each map. These have none (`use_bias=False`): the beta of "
            "batch normalisation does its work.": [expected + k * after for k in (1, 2, 3)],
            f"The two batch normalisations differ in size. Each counts the maps that come into it: the first gets "
            f"{before}, and the second gets what the first convolution gives out.": [
                expected - norms + 8 * after,
                expected - norms + 8 * before,
            ],
            f"You gave both 3 x 3 convolutions the same size. The first leads from {before} to {after} maps, and the "
            f"second from {after} to {after}.": [expected - second + first, expected - first + second],
            f"The first 3 x 3 convolution already changes the number of maps, from {before} to {after}.": [
                expected - second + 9 * before * before
            ],
            "A kernel of 3 x 3 has 9 weights for each pair of a map in and a map out, not 3.": [
                expected - (first + second) * 2 / 3
            ],
            "You divided by the stride. The stride makes the maps smaller, and not the kernels.": [
                expected / 2,
                expected / 4,
            ],
        }
        at = f"for {before} maps in and {after} out you count {given:,.0f}"
        for sentence, values in mistakes.items():
            require(given == expected or given not in values, f"{at}. {sentence}")
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


def _wrong_fields(kernels: list[int], strides: list[int]) -> dict[str, tuple[int, ...]]:
    """Return what typical mistakes give, by the sentence that names the mistake."""
    right, steps = _field(kernels, strides), [kernel - 1 for kernel in kernels]
    own = [int(np.prod(strides[: index + 1])) for index in range(len(kernels))]
    added = [1, *(1 + np.cumsum(strides)[:-1])]
    before = [1, *strides[:-1]]
    whole = sum(kernel * distance for kernel, distance in zip(kernels, [1, *own[:-1]], strict=True))
    forward = 1
    for kernel, stride in zip(kernels, strides, strict=True):
        forward = forward * stride + kernel - 1
    return {
        "That is 1 less than is right. Before the first layer, a place sees itself: start from 1.": (right - 1,),
        "That would hold if all strides were 1. After a stride of 2, neighbours lie twice as far apart on the film, so "
        "each later kernel covers more of it.": (_field(kernels, [1] * len(kernels)),),
        "You let a layer's own stride widen its own kernel. Its kernel looks at the places of the layer before. Its "
        "stride counts for the layers after it.": (
            1 + int(np.dot(steps, own)),
            1 + int(np.dot(steps, strides)),
            kernels[0] + int(np.dot(steps[1:], strides[1:])),
        ),
        "You took the stride of the last layer alone. The distances of all layers before are multiplied: after 2 "
        "strides of 2, neighbours lie 4 pixels apart.": (1 + int(np.dot(steps, before)),),
        "You added the strides. They are multiplied: after 2 strides of 2, neighbours lie 4 pixels apart.": (
            1 + int(np.dot(steps, added)),
        ),
        "Kernels overlap, so they are neither added nor multiplied: a kernel of k places reaches k - 1 steps further "
        "than the place itself.": (sum(kernels), int(np.prod(kernels))),
        "You added the whole kernel. One of its places is the place itself, so it adds kernel - 1 steps.": (
            whole,
            whole + 1,
        ),
        "You left out the stride of the first layer.": (kernels[0] - 1 + _field(kernels[1:], strides[1:]),),
        "You counted the first kernel twice: once at the start, and once in the loop.": (kernels[0] - 1 + right,),
        "You multiplied what a place sees by the stride. The stride changes how far apart neighbours lie, and that "
        "counts for later kernels.": (forward,),
        "You added half of each kernel. It reaches further on both sides.": (
            1 + sum(step // 2 * distance for step, distance in zip(steps, [1, *own[:-1]], strict=True)),
        ),
    }


def _receptive_field(answer: Callable, rng: np.random.Generator) -> str:
    """Compare on stacks with and without strides."""
    # On the first stack, no two of the mistakes give the same number.
    stacks = [([3, 7, 3, 5], [2, 2, 1, 2]), ([3, 3], [1, 1])]
    for _ in range(10):
        length = int(rng.integers(2, 7))
        stacks.append((rng.choice([1, 3, 5, 7], length).tolist(), rng.choice([1, 2], length).tolist()))
    for index, (kernels, strides) in enumerate(stacks):
        given, expected = float(answer(list(kernels), list(strides))), _field(kernels, strides)
        at = f"for kernels {kernels} and strides {strides} you get {given:g}, and {expected} is right"
        for sentence, values in _wrong_fields(kernels, strides).items() if index == 0 else ():
            require(given not in values, f"{at}. {sentence}")
        require(
            given == expected,
            f"{at}. Keep 2 numbers while you walk through the layers: how much a place sees, and how far apart "
            "neighbours lie.",
        )
    return f"it was tried on {len(stacks)} stacks of layers."


def _first_block(answer: Callable, rng: np.random.Generator) -> str:
    """Build the answer as a model, set its 3 x 3 kernels to 0, and look at what comes through."""
    from cxrlib.model.backend import keras

    channels, side = int(rng.integers(3, 9)), 8
    x = rng.normal(size=(2, side, side, channels)).astype(np.float32)
    model = _model_of(answer, keras, side, channels, channels)
    require(
        model.output.shape[-1] != 2 * channels,
        f"for {channels} maps in, your block gives {2 * channels}. It puts the two parts side by side. Add them, with "
        "`keras.layers.Add()`.",
    )
    require(
        tuple(model.output.shape[1:]) == (side, side, channels),
        f"a block for {channels} maps must give maps of ({side}, {side}, {channels}), and yours gives "
        f"{tuple(model.output.shape[1:])}. Do your convolutions have padding='same' and no stride?",
    )
    large, small = _kernels(model, keras)
    require(
        len(large) == 2, f"your block has {len(large)} convolutions of 3 x 3, and the block of the first paper has 2."
    )
    require(
        not small,
        "your skip has a 1 x 1 convolution although the numbers of maps agree. There the input goes by unchanged.",
    )
    order = _order(model, keras)
    require(
        order != ["normalisation", "ReLU", "convolution"] * 2 + ["sum"],
        "this is the block of section 3. In the block of the first paper, normalisation and ReLU come after the "
        "convolution, and the last ReLU comes after the sum.",
    )
    _silence(model, keras)
    given = np.asarray(model(x, training=False))
    zero = "with all 3 x 3 kernels at 0, "
    require(
        not np.allclose(given, 0),
        f"{zero}your block gives 0 for every input: nothing passes by on the skip. Is the x that you add still the "
        "input, or did you write over it?",
    )
    if np.allclose(given, x, atol=1e-5):
        require(
            order.count("ReLU") >= 2,
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
    _require_order(order)
    wider = _model_of(answer, keras, side, channels, 2 * channels)
    large, small = _kernels(wider, keras)
    shape = tuple(wider.output.shape[1:])
    require(
        shape == (side, side, 2 * channels) and len(small) == 1,
        f"for {channels} maps in and {2 * channels} filters your block gives {shape}, with {len(small)} "
        "convolutions of 1 x 1. It needs one of them, on the skip, to make the numbers of maps agree.",
    )
    return "relu(x) comes through, and the block can change the number of maps."


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
                f"with {channels} maps in and {filters} filters the sum cannot be built: the skip still has "
                f"{channels} maps. Put a 1 x 1 convolution on the skip, where the two numbers differ."
            ) from None
        raise
    require(
        isinstance(output, keras.KerasTensor),  # type: ignore[attr-defined]
        f"your function must return the maps that come out, and it returns a {type(output).__name__}.",
    )
    return keras.Model(image, output)  # type: ignore[attr-defined]


def _order(model: "keras.Model", keras: object) -> list[str]:
    """Return the names of the block's steps in their order."""
    layers = keras.layers  # type: ignore[attr-defined]
    names = []
    for step in model.operations:
        if isinstance(step, layers.Conv2D):
            names += ["convolution", "ReLU"] if _is_relu(step) else ["convolution"]
        elif isinstance(step, layers.BatchNormalization):
            names.append("normalisation")
        elif isinstance(step, layers.ReLU) or _is_relu(step):
            names.append("ReLU")
        elif type(step).__name__ == "Add":
            names.append("sum")
    return names


def _require_order(order: list[str]) -> None:
    """Name what is wrong with the order of the steps."""
    require("sum" in order, "there is no sum with the skip in your block. Add x and y with `keras.layers.Add()`.")
    start = order[: order.index("sum")]
    require(
        start[-1] != "ReLU",
        "you rectify before the sum as well as after it. Then the change could never be negative. The second "
        "normalisation goes into the sum as it is.",
    )
    require(
        "ReLU" in start,
        "there is no ReLU between your two convolutions. Without one, two convolutions compute nothing that a single, "
        "larger convolution could not.",
    )
    require(start[0] == "convolution", f"your block begins with a {start[0]}. The first paper's begins by convolving.")
    require(
        start[:3] == ["convolution", "normalisation", "ReLU"],
        f"your block begins with {', '.join(start[:3])}. In the first paper normalisation comes before the ReLU.",
    )
    require(
        order == ["convolution", "normalisation", "ReLU", "convolution", "normalisation", "sum", "ReLU"],
        f"your steps are {', '.join(order)}. Compare them with the order in the question.",
    )


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
    return (
        "relu" in layer.name
        or "maximum" in layer.name
        or getattr(getattr(layer, "activation", None), "__name__", "") == "relu"
    )


EXERCISES: dict[str, Exercise] = {
    "block numbers": Exercise(
        _block_numbers,
        "5 layers hold numbers: 2 batch normalisations, 2 convolutions of 3 x 3, and 1 convolution of 1 x 1. For each, "
        "how many maps come in, and how many go out?",
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
}
