"""Process-wide switches, set by the command line and by a notebook's first cell."""

import os
from importlib.util import find_spec
from pathlib import Path


def start_session(seed: int = 0, *, distributed: bool = False) -> None:
    """Load TensorFlow without its start-up messages, and make what follows repeatable.

    Seeds Python, NumPy and Keras, and asks TensorFlow for deterministic
    operations: on one machine, the same seed gives the same weights, bit for
    bit. On another processor the last digits differ.

    Parameters
    ----------
    seed : int, at least 0
    distributed : bool
        Put Keras on JAX, and join the other processes (`cxrlib.distribution`).
    """
    if distributed:
        if find_spec("jax") is None:
            from cxrlib.radiograph import InputError

            raise InputError("--distributed needs the package jax: pip install jax")
        os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is loaded
    from cxrlib.backend import keras, tf, unasked_silence

    if distributed:
        from cxrlib.distribution import join

        with unasked_silence():
            join()
    tf.get_logger().setLevel("ERROR")  # "retracing" is no news where sizes differ
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def cache_folder() -> Path:
    """Return where the notebooks keep what they make: ``CXR_CACHE``, or data/cache."""
    return _named_folder("CXR_CACHE") or Path(__file__).parents[1] / "data" / "cache"


def own_cohort() -> Path | None:
    """Return the cohort that the environment variable ``CXR_COHORT`` names, if it names one."""
    return _named_folder("CXR_COHORT")


def course_cohort() -> Path:
    """Return the cohort that the notebooks read.

    The one named in the environment variable ``CXR_COHORT``, or else the
    course's own of 107 effusion and 1,000 nofinding films, which is simulated
    at the first call and kept in `cache_folder`.
    """
    if named := own_cohort():
        return named
    from cxrlib.files import make_once
    from cxrlib.phantom import VERSION, simulate

    folder = cache_folder() / f"simulated-v{VERSION}-107-1000-128px"
    return make_once(folder, lambda: simulate(folder, films=1107, prevalence=107 / 1107, size=128, seed=0))


def _named_folder(variable: str) -> Path | None:
    """Return the folder that an environment variable names, if it does."""
    from cxrlib.radiograph import InputError

    named = os.environ.get(variable)
    if named and not Path(named).is_absolute():
        raise InputError(f"{variable} is {named!r}; give the whole path, for each notebook runs in its own folder")
    return Path(named) if named else None
