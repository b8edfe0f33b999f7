"""The network of a recipe: built, asked, read from a file, and packed small to be shipped."""

import os
import zipfile
from pathlib import Path

import keras
import numpy as np

from cxrlib.distribution import apart
from cxrlib.files import atomic
from cxrlib.radiograph import InputError, as_float
from cxrlib.recipe import Recipe
from cxrlib.resnet import build_resnet

MODEL = "model.keras"
PACKED = "weights.npz"


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


@apart()
def load_network(folder: Path, recipe: Recipe) -> keras.Model:
    """Load a run's network, from Keras' own file or from packed weights."""
    packed = folder / PACKED
    if not packed.is_file():
        return read_network(folder / MODEL)
    model = build_network(recipe)
    try:
        with packed.open("rb") as file, np.load(file) as saved:  # refuses pickles
            model.set_weights([saved[name].astype(np.float32) for name in saved.files])
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{packed}: cannot be loaded: {error}") from None
    return model


@apart()
def read_network(path: Path) -> keras.Model:
    """Read a ``.keras`` file; code in it is not run."""
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be loaded: {error}") from None


@apart()
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


def pack_network(model: keras.Model, path: Path) -> None:
    """Write a network's weights in half precision, which is half the size and costs three to four digits.

    Raises
    ------
    ValueError
        A weight is too large for half precision (65,504).
    """
    with np.errstate(over="ignore"):
        packed = [weight.astype(np.float16) for weight in model.get_weights()]
    if not all(np.isfinite(weight).all() for weight in packed):
        raise ValueError("a weight is not finite in half precision")
    with atomic(path) as partial:
        np.savez_compressed(partial, **{f"weight_{i:03d}": weight for i, weight in enumerate(packed)})
