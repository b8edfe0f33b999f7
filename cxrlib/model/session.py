"""Process-wide switches, set by the command line and by a notebook's first cell."""

import os
from importlib.util import find_spec


def start_session(seed: int = 0, *, distributed: bool = False) -> None:
    """Load TensorFlow without its start-up messages, and make what follows repeatable.

    Seeds Python, NumPy and Keras, and asks TensorFlow for deterministic
    operations: on one machine, the same seed gives the same weights, bit for
    bit. On another processor the last digits differ.

    Parameters
    ----------
    seed : int, at least 0
    distributed : bool
        Put Keras on JAX, and join the other processes (`cxrlib.model.distributed`).
    """
    if distributed:
        if find_spec("jax") is None:
            from cxrlib.errors import InputError

            raise InputError("--distributed needs the package jax: pip install jax")
        os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is loaded
    from cxrlib.model.backend import keras, tf, unasked_silence

    if distributed:
        from cxrlib.model.distributed import join_processes

        with unasked_silence():
            join_processes()
    tf.get_logger().setLevel("ERROR")  # "retracing" is no news where sizes differ
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
