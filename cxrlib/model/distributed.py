"""One training on several processes or GPUs, by Keras' data parallelism on JAX.

Each process has every n-th film and makes its share of each batch; gradients and
the statistics of batch normalisation are those of the whole batch. What knows of
JAX in this library is here.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from cxrlib.errors import InputError

JOIN = ("KERAS_DISTRIBUTION_JOB_ADDRESSES", "KERAS_DISTRIBUTION_NUM_PROCESSES", "KERAS_DISTRIBUTION_PROCESS_ID")
"""What each process is told by its environment: host:port of process 0, how many there are, which one it is."""

LAUNCHERS = ("SLURM_JOB_ID", "OMPI_MCA_orte_hnp_uri")
"""What Slurm and Open MPI set; JAX reads the rest from them by itself."""

PATIENCE = 20
"""Seconds without a sign of life after which a process counts as dead."""


def join_processes() -> None:
    """Join the other processes, if the environment names any, and train on all devices of all of them.

    The environment holds either the three variables of `JOIN`, which are Keras'
    own, or what Slurm or Open MPI set, which JAX reads. In a process
    of its own this takes all GPUs of the machine, or its processor.

    Raises
    ------
    InputError
        Keras runs on another backend, or only some of the variables are set.
    """
    from cxrlib.model.backend import keras

    if keras.backend.backend() != "jax":
        raise InputError(
            f"distributed training needs Keras on JAX; it runs on {keras.backend.backend()}: set KERAS_BACKEND=jax"
        )
    told = [name for name in JOIN if os.environ.get(name)]
    if told and len(told) < len(JOIN):
        missing = ", ".join(name for name in JOIN if name not in told)
        raise InputError(f"to join other processes, {missing} must be set too")
    if told or any(name in os.environ for name in LAUNCHERS):
        import jax

        try:
            address, count, index = (os.environ.get(name) for name in JOIN)
            numbers = (int(count), int(index)) if told else (None, None)
            jax.distributed.initialize(address, *numbers, heartbeat_timeout_seconds=PATIENCE)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"cannot join the other processes: {error}") from None
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


def shard() -> tuple[int, int]:
    """Return which process this is, from 0, and how many there are; (0, 1) where there is but one."""
    from cxrlib.model.backend import keras

    distribution = keras.distribution.distribution()
    if distribution is None or distribution.num_processes == 1:
        return 0, 1
    return distribution.data_shard_id, distribution.num_processes


def check_batch(batch: int, films: int) -> None:
    """Refuse a batch that cannot be shared out evenly among the devices."""
    from cxrlib.model.backend import keras

    distribution = keras.distribution.distribution()
    devices = 1 if distribution is None else distribution.num_model_replicas
    if batch % devices:
        raise InputError(f"a batch of {batch} films cannot be shared evenly by {devices} devices")
    if shard()[1] > 1 and films < batch:
        raise InputError(f"{films} training films are fewer than a batch of {batch}; too few to share among processes")


@contextmanager
def single_process() -> Iterator[None]:
    """Compute in this process alone: the others need not do the same. Also a decorator."""
    from cxrlib.model.backend import keras

    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


@contextmanager
def explain_lost_process() -> Iterator[None]:
    """Say it in a sentence where another process of the training has ended.

    JAX raises an error of its own then, or a ValueError that names Gloo, by which processors talk to each other.
    """
    try:
        yield
    except Exception as error:
        lost = type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError") or "Gloo" in str(error)
        if shard()[1] == 1 or not lost:
            raise
        raise InputError(
            "another process of this training has ended; start all of them again with --resume "
            f"({str(error).splitlines()[0][:200]})"
        ) from None


def wait_for_all(step: str) -> None:
    """Wait until every process has come here."""
    if shard()[1] > 1:
        from jax.experimental import multihost_utils

        with explain_lost_process():
            multihost_utils.sync_global_devices(step)
