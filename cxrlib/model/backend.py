"""Keras and TensorFlow, loaded without the lines that TensorFlow writes as it starts; no other module imports them.

The lines are held back; who wants them sets ``TF_CPP_MIN_LOG_LEVEL`` to 0. oneDNN
is used, if ``TF_ENABLE_ONEDNN_OPTS`` does not say otherwise: TensorFlow does so
unasked on newer processors only, and trained a third as fast without it on one
that has AVX2 alone. It is chosen here, where TensorFlow is loaded, so that the
same seed gives the same weights whatever was imported first.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""TensorFlow reads this variable once, as it starts: at 0 it tells all, at 1 what goes wrong, at 3 nothing."""


@contextmanager
def unasked_silence() -> Iterator[None]:
    """Keep TensorFlow's start to itself, unless the environment asks for its messages."""
    asked = os.environ.get(LEVEL)
    if asked == "0" or sys.stderr is None:
        yield
        return
    os.environ[LEVEL] = asked or "1"
    try:
        with captured_stderr():
            yield
    finally:
        if asked is None:
            del os.environ[LEVEL]


@contextmanager
def captured_stderr() -> Iterator[None]:
    """Hold back what compiled code writes to stderr, and show it if the block fails.

    TensorFlow writes its first lines before its log level counts, past
    ``sys.stderr``, so the file descriptor itself is turned aside.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with unasked_silence():
    import keras  # noqa: F401  (for the other modules)
    import tensorflow as tf

    tf.config.list_physical_devices()  # looks for GPUs, and complains where there are none
