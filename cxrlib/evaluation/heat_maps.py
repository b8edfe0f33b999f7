"""Where a network looks, and whether it is where the finding is.

A heat map explains nothing by itself: it is held against the true mask, and
against the maps of a network that has learned nothing.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cxrlib.errors import InputError
from cxrlib.images.pixels import as_float

if TYPE_CHECKING:
    from cxrlib.model.backend import keras

DEFAULT_LAYER = "stage_3"
"""The layer that maps are made from: its 8 x 8 places (of a film of 128 pixels) pointed better than the last 4 x 4."""


def grad_cam(model: "keras.Model", images: np.ndarray, *, layer: str = DEFAULT_LAYER) -> np.ndarray:
    """Return what speaks for the finding, place by place (Selvaraju et al., "Grad-CAM", ICCV 2017).

    relu(sum over channels k of a_k A_k), with A the feature maps of a layer and
    a_k the mean over places of the logit's gradient with respect to A_k;
    enlarged bilinearly to the film's size.

    Parameters
    ----------
    model : keras.Model
        (N, S, S, 1) -> (N, 1) logit, such as ``run.model``. On TensorFlow.
    images : ndarray, (N, S, S)
        float32 in [0, 1], or uint8 or uint16 of full range.
    layer : str
        Name of the layer: ``stage_1`` to ``stage_4``, or `cxrlib.model.resnet.LAST_MAPS`.

    Returns
    -------
    ndarray, (N, S, S), float32 in [0, 1]
        Each film's largest value is 1; all 0 where nothing speaks for the finding.

    Raises
    ------
    InputError
        Keras' backend is not TensorFlow, whose gradients are needed.
    """
    import cv2

    from cxrlib.model.backend import keras, tf

    if (backend := keras.backend.backend()) != "tensorflow":
        raise InputError(
            f"heat maps need Keras on TensorFlow, and here it is on {backend}: set KERAS_BACKEND=tensorflow"
        )
    seen = keras.Model(model.inputs[0], [model.get_layer(layer).output, model.outputs[0]])
    heat = np.zeros(images.shape, np.float32)
    for index, image in enumerate(images):
        pair = tf.convert_to_tensor(np.repeat(as_float(image)[None, ..., None], 2, axis=0))  # even, see Recipe
        with tf.GradientTape() as tape:
            maps, logit = seen(pair, training=False)
        weights = tf.reduce_mean(tape.gradient(logit, maps), axis=(1, 2))[0]
        small = np.maximum((maps[0] * weights).numpy().sum(axis=-1), 0)
        heat[index] = cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_LINEAR)
    largest = heat.max(axis=(1, 2), keepdims=True)
    return np.divide(heat, largest, out=heat, where=largest > 0)


def randomised(model: "keras.Model") -> "keras.Model":
    """Return the same network with random weights: the control of Adebayo et al., NeurIPS 2018."""
    from cxrlib.model.backend import keras

    return keras.models.clone_model(model)


def score_heat_maps(heats: np.ndarray, masks: np.ndarray) -> pd.DataFrame:
    """Return, for each film, whether its map points into the mask, and which share of the heat lies inside.

    Parameters
    ----------
    heats : ndarray, (N, S, S)
    masks : ndarray, (N, S, S), bool

    Returns
    -------
    DataFrame
        ``hit`` (bool) and ``inside``; one row a film.
    """
    rows = [(pointing_hit(h, m), fraction_inside(h, m)) for h, m in zip(heats, masks, strict=True)]
    return pd.DataFrame(rows, columns=["hit", "inside"])


def boxes_as_masks(boxes: pd.DataFrame, size: int) -> np.ndarray:
    """Return (N, size, size), bool, of the boxes.csv that `preparation.prepare` writes: one mask a row."""
    masks = np.zeros((len(boxes), size, size), bool)
    for mask, box in zip(masks, boxes.to_dict("records"), strict=True):
        x, y, width, height = (round(size * box[name]) for name in ("x", "y", "width", "height"))
        mask[y : y + height, x : x + width] = True
    return masks


def pointing_hit(heat: np.ndarray, mask: np.ndarray) -> bool:
    """Return whether the hottest place lies within the mask: the pointing game (Zhang et al., ECCV 2016).

    Parameters
    ----------
    heat : ndarray, (S, S)
    mask : ndarray, (S, S), bool

    Examples
    --------
    >>> pointing_hit(np.array([[0.0, 1.0]]), np.array([[False, True]]))
    True
    """
    return bool(heat.max() > 0 and mask[np.unravel_index(heat.argmax(), heat.shape)])


def fraction_inside(heat: np.ndarray, mask: np.ndarray) -> float:
    """Return the share of the heat that lies within the mask, in [0, 1]; NaN where there is no heat.

    A map that is the same everywhere has the mask's share of the film.
    """
    total = heat.sum(dtype=np.float64)
    return float(heat[mask].sum(dtype=np.float64) / total) if total > 0 else float("nan")
