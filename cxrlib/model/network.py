"""The network of a recipe: build it, and compute logits with it."""

import os
from pathlib import Path

import numpy as np

from cxrlib.images.pixels import as_float
from cxrlib.model.backend import keras, own_settings
from cxrlib.model.distributed import single_process
from cxrlib.model.recipe import Recipe
from cxrlib.model.resnet import build_resnet

BATCH = 64
"""Films that are scored at once. The number is even: for odd batches see `cxrlib.model.recipe.RULES`."""


def build_network(recipe: Recipe, *, output_bias: float = 0.0, fast: bool = False) -> keras.Model:
    """Return the recipe's network with its initial weights.

    Parameters
    ----------
    output_bias : float
        The initial bias of the logit.
    fast : bool
        Build the network for training: in the recipe's precision and with fused
        kernels, if the backend and the processor have them. Its weights fit the
        network that is built without `fast`. Only that network scores and is saved,
        because it loads on any machine.
    """
    return build_resnet(
        depth=recipe.depth,
        width=recipe.width,
        size=recipe.size,
        skip=recipe.skip,
        standardize=recipe.standardize,
        output_bias=output_bias,
        seed=recipe.seed,
        precision=recipe.precision if fast and has_bfloat16() else "float32",
        fused=fast and keras.backend.backend() == "tensorflow",
    )


def has_bfloat16() -> bool:
    """Return whether this machine multiplies bfloat16 in hardware, and may do so.

    A machine with a GPU does. So does TensorFlow under Linux on an x86 processor that
    has the instructions. Elsewhere bfloat16 is slow, because it is emulated, or missing.
    oneDNN's own variable ``ONEDNN_MAX_CPU_ISA`` can forbid it.
    """
    if any(device.lower().startswith("gpu") for device in keras.distribution.list_devices()):
        return True
    if keras.backend.backend() != "tensorflow":
        return False
    cpuinfo = Path("/proc/cpuinfo")
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "DEFAULT").upper()
    has_instructions = cpuinfo.exists() and "avx512_bf16" in cpuinfo.read_text()
    return has_instructions and (allowed in ("DEFAULT", "ALL") or "BF16" in allowed or "AMX" in allowed)


@own_settings()
@single_process()
def predict_logits(model: keras.Model, images: np.ndarray, *, mirror: bool = False) -> np.ndarray:
    """Return the network's logit of each image: (N,), float32.

    Parameters
    ----------
    model : Keras model
    images : ndarray, (N, S, S), uint8 or uint16 of full range
    mirror : bool
        Return the mean of two logits: of the image and of its mirror image. Both are in one
        batch.
    """
    logits = []
    step = BATCH // 2 if mirror else BATCH
    for start in range(0, len(images), step):
        films = as_float(images[start : start + step])[..., None]
        views = np.concatenate([films, films[:, :, ::-1]]) if mirror else films
        even = np.concatenate([views, views[-1:]]) if len(views) % 2 else views
        found = model.predict_on_batch(even)[: len(views), 0]
        logits.append(found.reshape(-1, len(films)).mean(axis=0))
    return np.concatenate(logits)
