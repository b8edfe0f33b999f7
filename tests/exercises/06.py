"""Lesson 6: for each exercise a right answer, and typical wrong ones with words of the reply that each must get."""

_FIRST = """\
import keras

def first_block(x, filters):
    y = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    y = keras.layers.BatchNormalization()(y)
    y = keras.layers.ReLU()(y)
    y = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(y)
    y = keras.layers.BatchNormalization()(y)
    if x.shape[-1] != filters:
        x = keras.layers.Conv2D(filters, 1, use_bias=False)(x)
    total = keras.layers.Add()([x, y])
    return keras.layers.ReLU()(total)
"""
_END = "    total = keras.layers.Add()([x, y])\n    return keras.layers.ReLU()(total)\n"
_PROJECT = "    if x.shape[-1] != filters:\n        x = keras.layers.Conv2D(filters, 1, use_bias=False)(x)\n"
_NORM = "    y = keras.layers.BatchNormalization()(y)\n    if"
_INNER = "    y = keras.layers.BatchNormalization()(y)\n"
_RELU = "    y = keras.layers.ReLU()(y)\n"
_SECTION_3 = """\
import keras

def residual_block(x, filters):
    y = x
    for _ in range(2):
        y = keras.layers.ReLU()(keras.layers.BatchNormalization()(y))
        y = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(y)
    return keras.layers.Add()([x, y])
"""
_WRONG_FIRST = [
    (_FIRST.replace(_END, "    return keras.layers.Add()([x, keras.layers.ReLU()(y)])\n"), "stands before the sum"),
    (_FIRST.replace(_END, "    return keras.layers.Add()([x, y])\n"), "after the sum"),
    (_FIRST.replace(_PROJECT, ""), "Put a 1 x 1 convolution"),
    (_FIRST.replace(_END, "    return keras.layers.ReLU()(y)\n"), "nothing passes by"),
    (_FIRST.replace("    if x.shape[-1] != filters:\n        x", "    x"), "although the numbers of maps agree"),
    (_FIRST.replace(_END, _END.replace("[x,", "[keras.layers.BatchNormalization()(x),")), "Add x as it came in"),
    (_FIRST.replace(_NORM, "    if"), "followed by one"),
    (_FIRST.replace(', padding="same"', ""), "padding"),
    (_FIRST.replace(_NORM, _NORM.replace("    if", _RELU + "    if")), "before the sum as well"),
    (_FIRST.replace(_RELU, ""), "no ReLU between"),
    (_FIRST.replace(_INNER + _RELU, _RELU + _INNER), "normalisation comes before the ReLU"),
    (_FIRST.replace(_END, _END.replace("Add", "Concatenate")), "side by side"),
    (_FIRST.replace(_END, _END.replace("return", "return keras.Model(x, [").replace("(total)", "(total)])")), "maps"),
    (_SECTION_3, "the block of section 3"),
]

ANSWERS = {
    "block numbers": {
        "right": """\
def block_numbers(before, after):
    norms = 4 * before + 4 * after
    convs = 3 * 3 * before * after + 3 * 3 * after * after
    return norms + convs + before * after  # the last is the 1 x 1 convolution
""",
        "wrong": [
            ("def f(a, b):\n    return 4 * a + 9 * a * b + 4 * b + 9 * b * b\n", "on the skip is missing"),
            ("def f(a, b):\n    return 9 * a * b + 9 * b * b + a * b\n", "convolutions alone"),
            ("def f(a, b):\n    return 2 * a + 9 * a * b + 2 * b + 9 * b * b + a * b\n", "running mean"),
            ("def f(a, b):\n    return 4 * a + 9 * a * b + 4 * b + 9 * b * b + a * b + 3 * b\n", "a bias"),
            ("def f(a, b):\n    return 8 * b + 9 * a * b + 9 * b * b + a * b\n", "differ in size"),
            ("def f(a, b):\n    return 4 * a + 4 * b + 18 * a * b + a * b\n", "the same size"),
            ("def f(a, b):\n    return 4 * a + 4 * b + 18 * a * b + 9 * b * b\n", "as 3 x 3"),
            ("def f(a, b):\n    return a * b\n", "5 layers"),
            ("def f(a, b):\n    return 8 * a + 4 * b + 9 * a * b + 9 * b * b + a * b\n", "of its own"),
            ("def f(a, b):\n    return a + b + 2 + (9 * a * b + 9 * b * b + a * b) / 4\n", "5 layers"),
            ("def f(a, b):\n    return (4 * a + 4 * b + 9 * a * b + 9 * b * b + a * b) / 4\n", "by the stride"),
            ("def f(a, b):\n    return 8 + 9 * a * b + 9 * b * b + a * b\n", "4 for each map"),
            ("def f(a, b):\n    return 4 * a + 4 * b + 9 * a * b + 9 * b * b + b\n", "for each pair"),
            ("def f(a, b):\n    return 4 * a + 4 * b + 9 * a * a + 9 * a * b + a * b\n", "already changes"),
            ("def f(a, b):\n    return 4 * a + 4 * b + 3 * a * b + 3 * b * b + a * b\n", "not 3"),
        ],
    },
    "block receptive field": {
        "right": """\
def receptive_field(kernels, strides):
    field, distance = 1, 1
    for kernel, stride in zip(kernels, strides):
        field = field + (kernel - 1) * distance
        distance = distance * stride
    return field
""",
        "wrong": [
            ("def f(kernels, strides):\n    return 1 + sum(k - 1 for k in kernels)\n", "if all strides were 1"),
            ("def f(kernels, strides):\n    return sum(kernels)\n", "neither added nor multiplied"),
            (
                """\
def f(kernels, strides):
    field, distance = 1, 1
    for kernel, stride in zip(kernels, strides):
        distance = distance * stride
        field = field + (kernel - 1) * distance
    return field
""",
                "own stride widen",
            ),
            (
                """\
def f(kernels, strides):
    field, distance = 1, 1
    for kernel, stride in zip(kernels, strides):
        field = field + (kernel - 1) * distance
        distance = stride
    return field
""",
                "the last layer alone",
            ),
            (
                """\
def f(kernels, strides):
    field, distance = 0, 1
    for kernel, stride in zip(kernels, strides):
        field = field + (kernel - 1) * distance
        distance = distance * stride
    return field
""",
                "start from 1",
            ),
            (
                """\
def f(kernels, strides):
    field, distance = 1, 1
    for kernel, stride in zip(kernels, strides):
        field = field + kernel * distance
        distance = distance * stride
    return field
""",
                "the whole kernel",
            ),
            (
                """\
def f(kernels, strides):
    field, distance = 1, 1
    for kernel, stride in zip(kernels, strides):
        field = field + (kernel - 1) * distance
        distance = distance + stride
    return field
""",
                "added the strides",
            ),
            (
                """\
def f(kernels, strides):
    field, distance = kernels[0], 1
    for kernel, stride in zip(kernels[1:], strides[1:]):
        field = field + (kernel - 1) * distance
        distance = distance * stride
    return field
""",
                "stride of the first layer",
            ),
            (
                """\
def f(kernels, strides):
    field, distance = kernels[0], 1
    for kernel, stride in zip(kernels, strides):
        field = field + (kernel - 1) * distance
        distance = distance * stride
    return field
""",
                "the first kernel twice",
            ),
            (
                """\
def f(kernels, strides):
    field = 1
    for kernel, stride in zip(kernels, strides):
        field = field * stride + kernel - 1
    return field
""",
                "what a place sees by the stride",
            ),
        ],
    },
    "block of the first paper": {"right": _FIRST, "wrong": _WRONG_FIRST},
}
