"""Keras' own legacy augmentation, for a comparison side by side."""

from cxrlib.images.augmentation import Augmentation


def keras_generator(augmentation: Augmentation):
    """Return Keras' legacy ``ImageDataGenerator`` with the same ranges.

    For use side by side. It differs in three ways: it draws the zoom for x and
    y separately, so that it also stretches; it draws from NumPy's global state;
    and it has no gamma. ``probability`` has no counterpart either.
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
