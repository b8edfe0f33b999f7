"""Keras and TensorFlow, loaded without the lines that TensorFlow writes when it starts.

All other modules of the library import them from here. To see TensorFlow's lines,
set the environment variable ``TF_CPP_MIN_LOG_LEVEL`` to 0.

oneDNN is used, unless ``TF_ENABLE_ONEDNN_OPTS`` forbids it. By itself TensorFlow
uses it on newer processors only; on one that has AVX2 alone, training without
oneDNN was a third as fast. The choice is made here, where TensorFlow is loaded, so
that a seed gives the same weights whatever was imported first.

Keras runs on TensorFlow, or on JAX if ``KERAS_BACKEND`` says so. The settings of the
user's Keras (``keras.json``, ``KERAS_HOME``, `keras.config`) do not change a result of
the library: see `own_settings`.
"""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from cxrlib.errors import InputError

BACKENDS = ("tensorflow", "jax")
"""What Keras can run on in this library. Training on several processes needs JAX, and heat maps need TensorFlow."""

SETTINGS: dict[str, Any] = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
    "max_epochs": None,
    "max_steps_per_epoch": None,
}
"""Keras' own defaults, under their names in `keras.config`. The library always computes with them."""

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
    try:
        original = os.dup(2)
    except OSError:  # the program was started without a stderr, as by `2>&-`
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except InputError:  # its message says all
            raise
        except BaseException:
            os.dup2(original, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)


def _check_backend() -> str:
    """Return the backend that Keras is to be loaded on; refuse any that this library does not know.

    Only the variable ``KERAS_BACKEND`` chooses it. The file ``keras.json`` does not.
    """
    loaded = sys.modules.get("keras")
    name = loaded.config.backend() if loaded else os.environ.get("KERAS_BACKEND") or BACKENDS[0]
    if loaded and name not in BACKENDS:
        raise InputError(
            f"Keras was already loaded on {name}, and cxrlib needs {' or '.join(BACKENDS)}; set "
            "KERAS_BACKEND=tensorflow and start Python again"
        )
    if name not in BACKENDS:
        raise InputError(f"KERAS_BACKEND is {name!r}; it must be {' or '.join(BACKENDS)}, or not be set")
    if find_spec(name) is None:
        raise InputError(f"KERAS_BACKEND is {name!r}, and the package {name} is not installed: pip install {name}")
    return name


def _load_keras(backend: str) -> None:
    """Load Keras on a backend. If that fails, leave no half of it behind, so that a second try can succeed."""
    before, variable = set(sys.modules), os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = backend
    try:
        import keras  # noqa: F401
    except Exception as error:  # a keras.json with a wrong value, or a broken installation
        for name in set(sys.modules) - before:
            if name.split(".")[0] == "keras":
                del sys.modules[name]
        found = " ".join(str(error).split())[:200]
        raise InputError(
            f"Keras cannot be loaded ({found}); check keras.json in ~/.keras, or in the folder KERAS_HOME"
        ) from None
    finally:
        if variable is None:
            del os.environ["KERAS_BACKEND"]
        else:
            os.environ["KERAS_BACKEND"] = variable


os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with quiet_tensorflow():
    _load_keras(_check_backend())
    import keras
    import tensorflow as tf

    tf.config.list_physical_devices()  # looks for GPUs now, because it writes to stderr if there are none


_lock = threading.Lock()
_users_settings: dict[str, Any] = {}
_num_inside = 0


@contextmanager
def own_settings() -> Iterator[None]:
    """Compute with Keras' defaults (`SETTINGS`), and give the user's settings back. Also usable as a decorator.

    Several threads may be inside at a time. The last one that leaves gives the settings
    back. Keras keeps the dtype policy for each thread.
    """
    global _num_inside
    policy = keras.config.dtype_policy()
    with _lock:
        if _num_inside == 0:
            _users_settings.update({name: getattr(keras.config, name)() for name in SETTINGS})
            _set(SETTINGS)
        _num_inside += 1
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
        with _lock:
            _num_inside -= 1
            if _num_inside == 0:
                _set(_users_settings)


def _set(settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        getattr(keras.config, f"set_{name}")(value)
