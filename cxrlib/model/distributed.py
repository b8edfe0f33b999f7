"""One training on several processes or GPUs, by Keras' data parallelism on JAX.

Of n processes, each reads every n-th training film and fills every n-th position
of each batch. Gradients and the statistics of batch normalisation are those of the
whole batch. All code of this library that needs JAX is in this module.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cxrlib.errors import InputError

JOIN_VARIABLES = (
    "KERAS_DISTRIBUTION_JOB_ADDRESSES",
    "KERAS_DISTRIBUTION_NUM_PROCESSES",
    "KERAS_DISTRIBUTION_PROCESS_ID",
)
"""Keras' environment variables: host:port of process 0, how many processes there are, and which one this is."""

LAUNCHER_VARIABLES = ("SLURM_JOB_ID", "OMPI_MCA_orte_hnp_uri")
"""Variables that Slurm and Open MPI set. If one is set, JAX itself finds out which processes belong together."""

HEARTBEAT_TIMEOUT = 20
"""Seconds without a sign of life after which a process counts as dead (chosen; JAX waits 100 s by default)."""


def join_processes() -> None:
    """Join the processes that train together, and use all their devices.

    The environment names the processes: it holds either all of `JOIN_VARIABLES`, or what
    Slurm or Open MPI set. If it names none, this process trains alone, on all GPUs of
    the machine or on its processor.

    Raises
    ------
    InputError
        Keras does not run on JAX; only some of the variables are set; or the other
        processes cannot be reached.
    """
    from cxrlib.model.backend import keras

    if keras.backend.backend() != "jax":
        raise InputError(
            f"distributed training needs Keras on JAX; Keras runs on {keras.backend.backend()}: set KERAS_BACKEND=jax"
        )
    given = {name: os.environ[name] for name in JOIN_VARIABLES if os.environ.get(name)}
    if given and len(given) < len(JOIN_VARIABLES):
        missing = ", ".join(name for name in JOIN_VARIABLES if name not in given)
        raise InputError(f"to join other processes, {missing} must be set too")
    if given or any(name in os.environ for name in LAUNCHER_VARIABLES):
        import jax

        try:
            place: dict[str, Any] = {}
            if given:
                address, count, index = given.values()
                place = dict(coordinator_address=address, num_processes=int(count), process_id=int(index))
            jax.distributed.initialize(**place, heartbeat_timeout_seconds=HEARTBEAT_TIMEOUT)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"cannot join the other processes: {error}") from None
    # Keras' own sharding of the data is off, because `cxrlib.training.batches` gives each process its films
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


def shard() -> tuple[int, int]:
    """Return (shard_index, num_shards): which process this is, from 0, and how many there are.

    The result is (0, 1) if there is only one process.
    """
    from cxrlib.model.backend import keras

    distribution = keras.distribution.distribution()
    if distribution is None or distribution.num_processes == 1:
        return 0, 1
    return distribution.data_shard_id, distribution.num_processes


def check_batch(batch: int, num_films: int) -> None:
    """Refuse a batch that cannot be divided evenly among the devices.

    If several processes train together, also refuse a batch that is larger than the
    training set.

    Parameters
    ----------
    batch : int
    num_films : int
        The size of the training set.
    """
    from cxrlib.model.backend import keras

    distribution = keras.distribution.distribution()
    num_devices = 1 if distribution is None else distribution.num_model_replicas
    if batch % num_devices:
        raise InputError(f"a batch of {batch} films cannot be shared evenly by {num_devices} devices")
    if shard()[1] > 1 and num_films < batch:
        raise InputError(
            f"{num_films} training films are fewer than a batch of {batch}; too few to share among processes"
        )


@contextmanager
def single_process() -> Iterator[None]:
    """Compute in this process alone, without the other processes. Also usable as a decorator."""
    from cxrlib.model.backend import keras

    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


@contextmanager
def explain_lost_process() -> Iterator[None]:
    """Explain the error that JAX raises when another process of the training has ended.

    JAX raises an error of its own class, or a ValueError that names Gloo. Gloo is the
    library by which processes without GPUs exchange numbers.
    """
    try:
        yield
    except Exception as error:
        is_lost = type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError") or "Gloo" in str(error)
        if shard()[1] == 1 or not is_lost:
            raise
        raise InputError(
            "another process of this training has ended; start all of them again with --resume "
            f"({str(error).splitlines()[0][:200]})"
        ) from None


def wait_for_all(step: str) -> None:
    """Wait until every process has reached this step. Without other processes, do nothing."""
    if shard()[1] > 1:
        from jax.experimental import multihost_utils

        with explain_lost_process():
            multihost_utils.sync_global_devices(step)
