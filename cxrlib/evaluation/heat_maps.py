"""Where a network looks, and whether the finding is there.

A heat map alone proves nothing. So we compare it with the true mask, and with the
heat maps of a network that has learned nothing.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cxrlib.errors import InputError
from cxrlib.images.pixels import as_float

if TYPE_CHECKING:
    from cxrlib.model.backend import keras

DEFAULT_LAYER = "stage_3"
"""The layer whose feature maps are used. For a film of 128 pixels they have 8 x 8 places. These maps pointed to the
finding more often than the 4 x 4 places of the last stage."""


def grad_cam(model: "keras.Model", images: np.ndarray, *, layer: str = DEFAULT_LAYER) -> np.ndarray:
    """Return heat maps: how much each place of a film raises the score (Selvaraju et al., "Grad-CAM", ICCV 2017).

    heat = relu(sum over channels k of a_k A_k). A_k is the feature map of channel k of
    a layer. a_k is the mean over all places of the gradient of the logit with respect
    to A_k. The heat map is enlarged bilinearly to the film's size.

    Parameters
    ----------
    model : keras.Model
        (N, S, S, 1) -> (N, 1) logit, such as ``run.model``.
    images : ndarray, (N, S, S)
        float32 in [0, 1], or uint8 or uint16 of full range. Dense is bright.
    layer : str
        Name of the layer, ``stage_1`` to ``stage_4`` or `cxrlib.model.resnet.LAST_MAPS`.

    Returns
    -------
    ndarray, (N, S, S), float32 in [0, 1]
        The largest value of each film is 1. If no place raises the score, all values
        are 0.

    Raises
    ------
    InputError
        Keras does not run on TensorFlow. The gradients are computed by TensorFlow.
    """
    import cv2  # imported here: the package's other modules load without OpenCV

    from cxrlib.model.backend import keras, own_settings, tf

    if (backend := keras.backend.backend()) != "tensorflow":
        raise InputError(
            f"heat maps need Keras on TensorFlow, but Keras runs on {backend}; set KERAS_BACKEND=tensorflow"
        )
    heat = np.zeros(images.shape, np.float32)
    with own_settings():
        maps_and_logit = keras.Model(model.inputs[0], [model.get_layer(layer).output, model.outputs[0]])
        for index, image in enumerate(images):
            # the film twice, because with odd batches TensorFlow 2.21 writes past its memory on AVX-512 processors
            pair = tf.convert_to_tensor(np.repeat(as_float(image)[None, ..., None], 2, axis=0))
            with tf.GradientTape() as tape:
                maps, logit = maps_and_logit(pair, training=False)
            weights = tf.reduce_mean(tape.gradient(logit, maps), axis=(1, 2))[0]
            small = np.maximum((maps[0] * weights).numpy().sum(axis=-1), 0)
            heat[index] = cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_LINEAR)
    largest = heat.max(axis=(1, 2), keepdims=True)
    return np.divide(heat, largest, out=heat, where=largest > 0)


def with_random_weights(model: "keras.Model") -> "keras.Model":
    """Return the same network with new random weights, as a control (Adebayo et al., NeurIPS 2018).

    A heat map that looks the same with random weights says nothing about what the
    network has learned.
    """
    from cxrlib.model.backend import keras, own_settings

    with own_settings():
        return keras.models.clone_model(model)


def score_heat_maps(heats: np.ndarray, masks: np.ndarray) -> pd.DataFrame:
    """Return for each film whether its heat map points into the mask, and the fraction of the heat inside the mask.

    Parameters
    ----------
    heats : ndarray, (N, S, S)
    masks : ndarray, (N, S, S), bool

    Returns
    -------
    DataFrame
        One row a film: ``hit`` (bool, see `pointing_hit`) and ``inside`` (see
        `fraction_inside`).
    """
    rows = [(pointing_hit(heat, mask), fraction_inside(heat, mask)) for heat, mask in zip(heats, masks, strict=True)]
    return pd.DataFrame(rows, columns=["hit", "inside"])


def boxes_as_masks(boxes: pd.DataFrame, size: int) -> np.ndarray:
    """Return a mask for each row of a table of boxes, (N, size, size), bool.

    Parameters
    ----------
    boxes : DataFrame
        The boxes.csv that `cxrlib.cohorts.prepare` writes: x and y of the upper left
        corner, width and height, as fractions of the film's side.
    size : int
        Side of the masks in pixels.
    """
    masks = np.zeros((len(boxes), size, size), bool)
    for mask, box in zip(masks, boxes.to_dict("records"), strict=True):
        x, y, width, height = (round(size * box[name]) for name in ("x", "y", "width", "height"))
        mask[y : y + height, x : x + width] = True
    return masks


def pointing_hit(heat: np.ndarray, mask: np.ndarray) -> bool:
    """Return whether the hottest place lies inside the mask: the pointing game (Zhang et al., ECCV 2016).

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
    """Return the fraction of the heat that lies inside the mask, in [0, 1]; NaN where there is no heat.

    Compare it with the fraction of the film that the mask covers. A heat map that has
    the same value everywhere gives exactly this fraction.

    Parameters
    ----------
    heat : ndarray, (S, S)
    mask : ndarray, (S, S), bool
    """
    total = heat.sum(dtype=np.float64)
    return float(heat[mask].sum(dtype=np.float64) / total) if total > 0 else float("nan")
