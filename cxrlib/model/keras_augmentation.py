"""Keras' own legacy augmentation, for comparison."""

from typing import TYPE_CHECKING

from cxrlib.images.augmentation import Augmentation

if TYPE_CHECKING:
    from cxrlib.model.backend import tf


def keras_generator(augmentation: Augmentation) -> "tf.keras.preprocessing.image.ImageDataGenerator":
    """Return Keras' legacy ``ImageDataGenerator`` with the same ranges, for comparison.

    The generator differs in three ways. It draws the zoom for x and y separately, so
    it also stretches. It draws from NumPy's global state. It has no counterpart of
    gamma and ``probability``.
    """
    from cxrlib.model.backend import tf

    return tf.keras.preprocessing.image.ImageDataGenerator(
        width_shift_range=augmentation.shift,
        height_shift_range=augmentation.shift,
        zoom_range=augmentation.scale,
        rotation_range=augmentation.rotate,
        horizontal_flip=augmentation.horizontal_flip,
        vertical_flip=augmentation.vertical_flip,
        fill_mode="constant",
        cval=0.0,
    )
