"""A network as an ONNX graph, from an image to a score.

ONNX (https://onnx.ai) is a format for networks that many programs run without Keras.
The networks of `cxrlib.model.resnet` have eight kinds of layers. ONNX has operators of the
same meaning (https://onnx.ai/onnx/operators), so this module writes them itself. It
needs the package onnx.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

import cxrlib

if TYPE_CHECKING:
    from cxrlib.model.backend import keras

OPSET, IR_VERSION = 17, 8
"""Versions of ONNX' operators and of its file format, both of 2022. So older programs can read the file too. Nothing
newer is needed."""

IMAGE, SCORE = "image", "score"
"""The names of the graph's input and output."""


@dataclass(frozen=True)
class _Graph:
    """The operators and the constants of a graph, in their order. Names are numbered, so that they repeat."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add an operator, and return the name of its output."""
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, values: Any, dtype: type = np.float32) -> str:
        """Add an array of constants, and return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype), name))
        return name


def to_onnx(model: "keras.Model", *, mirror: bool = False, weight: float = 1.0) -> ModelProto:
    """Return a network of this library as an ONNX model that gives scores.

    Parameters
    ----------
    model : Keras model
        A network of `cxrlib.model.resnet.build_resnet` for images of a fixed size S.
    mirror : bool
        Score by the mean of two logits: of the image and of its mirror image.
    weight : float
        The loss weight that the scores are corrected for (`cxrlib.model.loss.score`).

    Returns
    -------
    ModelProto
        Its input "image" is (N, S, S, 1), float32 in [0, 1]. Its output "score" is (N,),
        float32 in [0, 1]: sigmoid(logit - log(weight)). The same network gives the same
        bytes (`ModelProto.SerializeToString`).

    Raises
    ------
    ValueError
        The network has a layer that no network of this library has.

    Examples
    --------
    >>> from cxrlib.model import build_resnet
    >>> graph = to_onnx(build_resnet(width=4, size=32)).graph
    >>> graph.input[0].name, graph.output[0].name
    ('image', 'score')
    """
    graph, size = _Graph(), model.input_shape[1]
    x = graph.add("Transpose", IMAGE, perm=[0, 3, 1, 2])  # ONNX has channels first: (N, 1, S, S)
    if mirror:
        last, before_first, columns = (graph.constant([n], np.int64) for n in (-1, np.iinfo(np.int64).min, 3))
        reversed_columns = graph.add("Slice", x, last, before_first, columns, last)
        x = graph.add("Concat", x, reversed_columns, axis=0)  # (2 N, 1, S, S): all images, then all mirror images
    names = {id(model.inputs[0]): x}
    for layer in model.layers[1:]:  # the first is the input
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        names[id(layer.output)] = _add_layer(graph, layer, [names[id(tensor)] for tensor in inputs])
    logit = names[id(model.outputs[0])]
    logits = graph.add("Reshape", logit, graph.constant([2 if mirror else 1, -1], np.int64))
    logit = graph.add("ReduceMean", logits, axes=[0], keepdims=0)  # (N,)
    graph.add("Sigmoid", graph.add("Sub", logit, graph.constant(np.log(weight))), output=SCORE)
    image = helper.make_tensor_value_info(IMAGE, TensorProto.FLOAT, ["N", size, size, 1])
    score = helper.make_tensor_value_info(SCORE, TensorProto.FLOAT, ["N"])
    return helper.make_model(
        helper.make_graph(graph.nodes, model.name, [image], [score], graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name=cxrlib.__name__,
        producer_version=cxrlib.__version__,
    )


def _add_layer(graph: _Graph, layer: "keras.Layer", inputs: list[str]) -> str:
    """Add the operators of one layer, and return the name of their output."""
    weights = layer.get_weights()
    match type(layer).__name__:
        case "LayerNormalization":
            return _standardize(graph, *inputs, epsilon=layer.epsilon)
        case "Conv2D":
            kernel = graph.constant(weights[0].transpose(3, 2, 0, 1))  # Keras: (rows, columns, inputs, outputs)
            return graph.add("Conv", *inputs, kernel, **_window(layer, layer.kernel_size[0]))
        case "MaxPooling2D":
            return graph.add("MaxPool", *inputs, **_window(layer, layer.pool_size[0]))
        case "BatchNormalization":  # both have the order: scale, shift, mean, variance
            return graph.add("BatchNormalization", *inputs, *map(graph.constant, weights), epsilon=layer.epsilon)
        case "ReLU":
            return graph.add("Relu", *inputs)
        case "Add":
            return graph.add("Add", *inputs)
        case "GlobalAveragePooling2D":
            return graph.add("Flatten", graph.add("GlobalAveragePool", *inputs))
        case "Dense":
            return graph.add("Gemm", *inputs, *map(graph.constant, weights))
        case kind:
            raise ValueError(f"the network has a layer {kind}, which no network of this library has")


def _standardize(graph: _Graph, image: str, *, epsilon: float) -> str:
    """Add the operators of (x - mean) / sqrt(variance + epsilon) over the pixels of each image (N, 1, S, S).

    Each mean is the mean of the means of the rows. ONNX Runtime's InstanceNormalization
    adds up all pixels one after the other in float32. On real films, its rounding
    changed scores by 4e-5.
    """

    def mean(x: str) -> str:
        return graph.add("ReduceMean", graph.add("ReduceMean", x, axes=[3]), axes=[2])

    centred = graph.add("Sub", image, mean(image))
    variance = mean(graph.add("Mul", centred, centred))
    deviation = graph.add("Sqrt", graph.add("Add", variance, graph.constant(epsilon)))
    return graph.add("Div", centred, deviation)


def _window(layer: "keras.Layer", side: int) -> dict[str, Any]:
    """Return the attributes of an operator that slides a square window over square maps, with padding "same".

    The output has ceil(size / stride) pixels a side. If the number of pixels to add is
    odd, TensorFlow adds the odd one at the end ("Notes on padding" in the reference of
    ``tf.nn``).
    """
    size, stride = layer.input.shape[1], layer.strides[0]
    added = max((-(-size // stride) - 1) * stride + side - size, 0)
    first, last = added // 2, added - added // 2
    return {"kernel_shape": [side, side], "strides": [stride, stride], "pads": [first, first, last, last]}
