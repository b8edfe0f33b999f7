"""Keras and TensorFlow, loaded without the lines that TensorFlow writes when it starts.

All other modules of the library import them from here. To see TensorFlow's lines,
set the environment variable ``TF_CPP_MIN_LOG_LEVEL`` to 0.

oneDNN is used, unless ``TF_ENABLE_ONEDNN_OPTS`` forbids it. By itself TensorFlow
uses it on newer processors only; on one that has AVX2 alone, training without
oneDNN was a third as fast. The choice is made here, where TensorFlow is loaded, so
that a seed gives the same weights whatever was imported first.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""TensorFlow reads this variable once, when it starts. At 0 it writes everything, at 1 warnings and errors, at 3
nothing."""


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Hide what TensorFlow writes when it starts, unless the environment asks for it."""
    level = os.environ.get(LOG_LEVEL)
    if level == "0" or sys.stderr is None:  # None: a program without a console
        yield
        return
    os.environ[LOG_LEVEL] = level or "1"
    try:
        with captured_stderr():
            yield
    finally:
        if level is None:
            del os.environ[LOG_LEVEL]


@contextmanager
def captured_stderr() -> Iterator[None]:
    """Hold back what compiled code writes to stderr, and show it if the block fails.

    TensorFlow writes its first lines before it reads its log level, and past
    ``sys.stderr``. So the file descriptor itself is redirected to a file.
    """
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(original, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)


os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with quiet_tensorflow():
    import keras  # noqa: F401  (other modules import it from here)
    import tensorflow as tf

    tf.config.list_physical_devices()  # looks for GPUs now, because it writes to stderr if there are none
