"""Settings of the whole process: the command line makes them, and the first cell of a notebook."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

UNUSED = ("IPython", "jax", "matplotlib", "sklearn")
"""What Keras and TensorFlow import where it is installed, and that nothing here needs of them: Keras' display of a
weights file, its pictures, its wrapper for scikit-learn, and TensorFlow Lite's converter of JAX."""


@contextmanager
def quick_loading() -> Iterator[None]:
    """Let the block load Keras, TensorFlow and a network in about half the time.

    The block runs as if `UNUSED` were not installed, and without Python's garbage
    collector. Loading makes millions of objects that stay, and the collector would go
    through them again and again. After the block it leaves them alone (`gc.freeze`).

    This is for the command line. In a notebook, `keras.wrappers` and Keras' pictures would
    be missing. A package that is loaded already, or that Keras is to run on, is not hidden.
    """
    backend = os.environ.get("KERAS_BACKEND")
    hidden = [name for name in UNUSED if name not in sys.modules and name != backend]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: it cannot be imported
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        if was_collecting:
            gc.freeze()
            gc.enable()


def start_session(seed: int = 0, *, distributed: bool = False) -> None:
    """Load TensorFlow without its start-up messages, and make what follows repeatable.

    Python, NumPy and Keras get the seed, and TensorFlow is asked for deterministic
    operations. On one machine, the same seed then gives the same weights, bit for
    bit. On a different kind of processor the last digits differ.

    Parameters
    ----------
    seed : int, at least 0
    distributed : bool
        Run Keras on JAX, and join the other processes of the training
        (`cxrlib.model.distributed`).

    Raises
    ------
    InputError
        ``KERAS_BACKEND`` names something else than tensorflow or jax, or Keras cannot be
        loaded. `distributed` is given without the package jax, or the processes
        cannot be joined.
    """
    if distributed:
        if find_spec("jax") is None:
            from cxrlib.errors import InputError

            raise InputError("training on several processes needs the package jax: pip install jax")
        os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or "jax"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # must be set before TensorFlow is loaded
    from cxrlib.model.backend import keras, quiet_tensorflow, tf

    if distributed:
        from cxrlib.model.distributed import join_processes

        with quiet_tensorflow():
            join_processes()
    tf.get_logger().setLevel("ERROR")  # hides warnings of retracing, which images of several sizes cause
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
