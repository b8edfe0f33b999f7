"""The network of a recipe: build it, and ask it for logits."""

import os
from pathlib import Path

import numpy as np

from cxrlib.images.pixels import as_float
from cxrlib.model.backend import keras
from cxrlib.model.distributed import single_process
from cxrlib.model.recipe import Recipe
from cxrlib.model.resnet import build_resnet


def build_network(recipe: Recipe, *, output_bias: float = 0.0, fast: bool = False) -> keras.Model:
    """Return the recipe's network with its initial weights.

    Parameters
    ----------
    fast : bool
        For training: in the recipe's precision, with fused kernels, as far as
        the backend and the processor have them. Its weights fit the network
        without, which is the one that scores and is saved: that loads anywhere.
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
    """Return whether there is a GPU, or TensorFlow on an x86 Linux whose processor multiplies bfloat16 and may use it.

    Elsewhere the format would be emulated, slowly, or not be there at all.
    ``ONEDNN_MAX_CPU_ISA`` (oneDNN's own switch) can forbid it.
    """
    if any(device.lower().startswith("gpu") for device in keras.distribution.list_devices()):
        return True
    if keras.backend.backend() != "tensorflow":
        return False
    described = Path("/proc/cpuinfo")
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "DEFAULT").upper()
    able = described.exists() and "avx512_bf16" in described.read_text()
    return able and (allowed in ("DEFAULT", "ALL") or "BF16" in allowed or "AMX" in allowed)


@single_process()
def predict_logits(model, images: np.ndarray, *, mirror: bool = False, batch: int = 64) -> np.ndarray:
    """Return the logits (N,), float32, of cached images (N, S, S).

    Parameters
    ----------
    images : ndarray, uint8 or uint16 of full range
    mirror : bool
        Return the mean of the logits of a film and of its mirror image.
    """
    if mirror:
        both = [predict_logits(model, view, batch=batch) for view in (images, images[:, :, ::-1])]
        return (both[0] + both[1]) / 2
    logits = []
    for start in range(0, len(images), batch):
        chunk = as_float(images[start : start + batch])[..., None]
        even = np.concatenate([chunk, chunk[-1:]]) if len(chunk) % 2 else chunk  # see Recipe
        logits.append(model.predict_on_batch(even)[: len(chunk), 0])
    return np.concatenate(logits)
