"""The network of a recipe: built, asked, read from a file, and packed small to be shipped."""

import json
import math
import re
import warnings
import zipfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import h5py
import numpy as np

from cxrlib.errors import InputError
from cxrlib.files import atomic, check_file, read_npy_header
from cxrlib.model.backend import keras
from cxrlib.model.distributed import single_process
from cxrlib.model.network import build_network
from cxrlib.model.recipe import Recipe

MODEL = "model.keras"
PACKED = "weights.npz"
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MEMBERS = ("metadata.json", CONFIG, WEIGHTS)
MOST_BYTES = 2_000_000_000
"""Of a ``.keras`` file; the largest network of a recipe has about 1.5 billion."""


@single_process()
def load_network(folder: Path, recipe: Recipe) -> keras.Model:
    """Load a run's network, from Keras' own file or from packed weights."""
    packed = folder / PACKED
    if not packed.is_file():
        return read_network(folder / MODEL)
    model = build_network(recipe)
    try:
        with packed.open("rb") as file, np.load(file) as saved:  # refuses pickles
            model.set_weights([saved[name].astype(np.float32) for name in _fitting(saved, model)])
    except Exception as error:  # zipfile and NumPy raise many kinds for broken files
        raise InputError(f"{packed}: cannot be loaded: {error}") from None
    return _finite(model, packed)


def _fitting(saved: np.lib.npyio.NpzFile, model: keras.Model) -> list[str]:
    """Return the names of the packed weights, if they are declared as the model needs them: before any is read."""
    names = [f"weight_{i:03d}" for i in range(len(model.weights))]
    if saved.files != names:
        raise ValueError(
            f"it holds {len(saved.files)} arrays; this network has {len(names)}, {names[0]} to {names[-1]}"
        )
    for info, weight in zip(saved.zip.infolist(), model.weights, strict=True):
        if info.file_size > 4 * math.prod(weight.shape) + 1000:
            raise ValueError(f"{info.filename} is declared to have {info.file_size:,} bytes, far more than it needs")
        with saved.zip.open(info) as member:
            shape, _, kind = read_npy_header(member)
        if shape != weight.shape or kind not in (np.float16, np.float32):
            raise ValueError(f"{info.filename} is {kind} of shape {shape}; needed are floats of shape {weight.shape}")
    return names


def _finite(model: keras.Model, path: Path) -> keras.Model:
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise InputError(f"{path}: has weights that are not finite numbers")
    return model


@single_process()
def read_network(path: Path) -> keras.Model:
    """Read a ``.keras`` file that `build_resnet` and Keras made.

    No object that the file describes is made, and no code in it is run: from
    its description is learned which of our networks it is, which is then
    built, and given the weights of the file.

    Raises
    ------
    InputError
        It is no ``.keras`` file, or holds another network, or anything beside one.
    """
    check_file(path, MOST_BYTES)
    try:
        if path.suffix != ".keras":
            raise ValueError("the name of the file must end in .keras")
        with zipfile.ZipFile(path) as archive:
            _check_members(archive)
            model = _described(json.loads(archive.read(CONFIG)))
            with archive.open(WEIGHTS) as member, h5py.File(member) as file:
                sizes = []
                file.visititems(lambda name, item: sizes.append(getattr(item, "size", 0)))
        if sum(sizes) != model.count_params():  # few bytes may declare many numbers
            raise ValueError(f"it holds {sum(sizes):,} numbers; this network has {model.count_params():,}")
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras passes over weights that are not there
            model.load_weights(path)
    except Exception as error:  # zipfile, HDF5 and Keras raise many kinds for broken files
        raise InputError(f"{path}: cannot be loaded: {error}") from None
    return _finite(model, path)


def _check_members(archive: zipfile.ZipFile) -> None:
    """Refuse what Keras does not write: other files, and compressed ones, which could be of any size."""
    names = sorted(info.filename for info in archive.infolist())
    if names != sorted(MEMBERS):
        raise ValueError(f"it holds {', '.join(names)[:200] or 'nothing'}; needed are {', '.join(MEMBERS)} alone")
    for info in archive.infolist():
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise ValueError(f"{info.filename} is compressed, which Keras never does")
    damaged = archive.testzip()
    if damaged:
        raise ValueError(f"the checksum of {damaged} is wrong")


def _described(config: dict) -> keras.Model:
    """Return our network that a file's config.json describes, if it is one of ours."""
    name, layers = config["config"]["name"], config["config"]["layers"]
    found = re.fullmatch(r"resnet(\d{2})_width(\d{1,3})", name)
    kinds = [layer["class_name"] for layer in layers]
    if not found:
        raise ValueError(f"it holds the network {name!r:.50}, which this library did not make")
    recipe = Recipe(
        depth=int(found[1]),
        width=int(found[2]),
        size=layers[0]["config"]["batch_shape"][1] or Recipe.size,
        skip="Add" in kinds,
        standardize="LayerNormalization" in kinds,
    )
    model = build_network(recipe)
    known = set(_kinds(json.loads(model.to_json())))
    foreign = [f"{module}.{kind}" for module, kind in _kinds(config) if (module, kind) not in known]
    if foreign:
        raise ValueError(f"it holds {foreign[0]:.80}, which no network of this library has")
    if kinds != [type(layer).__name__ for layer in model.layers]:
        raise ValueError(f"its layers are not those of {name}")
    return model


def _kinds(node) -> Iterator[tuple[str | None, str]]:
    """Yield the module and the class of every object that a description would have Keras make."""
    if isinstance(node, dict):
        if "class_name" in node:
            yield node.get("module"), node["class_name"]
        yield from chain.from_iterable(map(_kinds, node.values()))
    elif isinstance(node, list):
        yield from chain.from_iterable(map(_kinds, node))


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
