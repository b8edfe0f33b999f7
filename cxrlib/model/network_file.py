"""A network on disk: Keras' own file, and small packed weights that come with the library."""

import json
import math
import re
import warnings
import zipfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

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
"""The files in a ``.keras`` archive."""

MAX_BYTES = 2_000_000_000
"""A larger ``.keras`` file is refused. The largest network of a recipe has about 1.5 billion bytes."""


@single_process()
def load_network(folder: Path, recipe: Recipe) -> keras.Model:
    """Load a run's network, from packed weights or from Keras' own file.

    Raises
    ------
    InputError
        The file is damaged, or does not hold the recipe's network.
    """
    path = folder / PACKED
    if not path.is_file():
        return read_network(folder / MODEL)
    model = build_network(recipe)
    try:
        with zipfile.ZipFile(path) as archive:
            names = _check_packed(archive, model)
        with path.open("rb") as file, np.load(file) as saved:  # NumPy refuses pickles
            model.set_weights([saved[name].astype(np.float32) for name in names])
    except Exception as error:  # zipfile and NumPy raise many kinds for broken files
        raise InputError(f"{path}: cannot be loaded: {error}") from None
    _check_finite(model, path)
    return model


def _check_packed(archive: zipfile.ZipFile, model: keras.Model) -> list[str]:
    """Return the names of the packed weights; refuse any but those that the model needs, before reading an array."""
    names = [f"weight_{i:03d}" for i in range(len(model.weights))]
    if [info.filename for info in archive.infolist()] != [f"{name}.npy" for name in names]:
        raise ValueError(
            f"it holds {len(archive.infolist())} arrays; this network has {len(names)}, {names[0]} to {names[-1]}"
        )
    for info, weight in zip(archive.infolist(), model.weights, strict=True):
        if info.file_size > 4 * math.prod(weight.shape) + 1000:  # 4 bytes a number, and a header
            raise ValueError(f"{info.filename} is declared to have {info.file_size:,} bytes, far more than it needs")
        with archive.open(info) as member:
            shape, _, dtype = read_npy_header(member)
        if shape != weight.shape or dtype not in (np.float16, np.float32):
            raise ValueError(f"{info.filename} is {dtype} of shape {shape}; it must be floats of shape {weight.shape}")
    return names


def _check_finite(model: keras.Model, path: Path) -> None:
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise InputError(f"{path}: has weights that are not finite numbers")


@single_process()
def read_network(path: Path) -> keras.Model:
    """Read a ``.keras`` file that holds a network of `build_resnet`.

    No object that the file describes is created, and no code in the file is run. Its
    config.json only tells which of this library's networks it holds. That network is
    built, and gets the weights of the file.

    Raises
    ------
    InputError
        The file is not a ``.keras`` file, holds a network that `build_resnet` does
        not build, or holds something besides a network.
    """
    check_file(path, MAX_BYTES)
    try:
        if path.suffix != ".keras":
            raise ValueError("the name of the file must end in .keras")
        with zipfile.ZipFile(path) as archive:
            _check_members(archive)
            model = _network_of_config(json.loads(archive.read(CONFIG)))
            with archive.open(WEIGHTS) as member, h5py.File(member) as file:
                sizes: list[int] = []
                file.visititems(lambda name, item: sizes.append(getattr(item, "size", 0)))
        if sum(sizes) != model.count_params():  # a compressed array of few bytes may have any number of values
            raise ValueError(f"it holds {sum(sizes):,} numbers; this network has {model.count_params():,}")
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # for a missing weight, Keras only warns
            model.load_weights(path)
    except Exception as error:  # zipfile, HDF5 and Keras raise many kinds for broken files
        raise InputError(f"{path}: cannot be loaded: {error}") from None
    _check_finite(model, path)
    return model


def _check_members(archive: zipfile.ZipFile) -> None:
    """Refuse files that Keras does not write, and compressed files, which could unpack to any size."""
    names = sorted(info.filename for info in archive.infolist())
    if names != sorted(MEMBERS):
        raise ValueError(
            f"it holds {', '.join(names)[:200] or 'nothing'}; it must hold {', '.join(MEMBERS)} and nothing else"
        )
    for info in archive.infolist():
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise ValueError(f"{info.filename} is compressed, which Keras never does")
    if damaged := archive.testzip():
        raise ValueError(f"the checksum of {damaged} is wrong")


def _network_of_config(config: dict[str, Any]) -> keras.Model:
    """Return the network of this library that a file's config.json describes; refuse any other."""
    name, layers = config["config"]["name"], config["config"]["layers"]
    match = re.fullmatch(r"resnet(\d{2})_width(\d{1,3})", name)
    if not match:
        raise ValueError(f"it holds the network {name!r:.50}, which this library did not make")
    layer_types = [layer["class_name"] for layer in layers]
    recipe = Recipe(
        depth=int(match[1]),
        width=int(match[2]),
        size=layers[0]["config"]["batch_shape"][1] or Recipe.size,
        skip="Add" in layer_types,
        standardize="LayerNormalization" in layer_types,
    )
    model = build_network(recipe)
    own_types = set(_object_types(json.loads(model.to_json())))
    foreign = [".".join(map(str, kind)) for kind in _object_types(config) if kind not in own_types]
    if foreign:
        raise ValueError(f"it holds {foreign[0]:.80}, which no network of this library has")
    if layer_types != [type(layer).__name__ for layer in model.layers]:
        raise ValueError(f"its layers are not those of {name}")
    return model


def _object_types(node: object) -> Iterator[tuple[str | None, str]]:
    """Yield the module and the class of every object that Keras would create from a description."""
    if isinstance(node, dict):
        if "class_name" in node:
            yield node.get("module"), node["class_name"]
        yield from chain.from_iterable(map(_object_types, node.values()))
    elif isinstance(node, list):
        yield from chain.from_iterable(map(_object_types, node))


def pack_network(model: keras.Model, path: Path) -> None:
    """Write a network's weights in half precision.

    The file is half the size. The weights keep three to four digits.

    Raises
    ------
    ValueError
        A weight is too large for half precision (65,504).
    """
    with np.errstate(over="ignore"):  # overflow is found in the next lines
        packed = [weight.astype(np.float16) for weight in model.get_weights()]
    if not all(np.isfinite(weight).all() for weight in packed):
        raise ValueError("a weight is not finite in half precision")
    with atomic(path) as partial:
        np.savez_compressed(partial, **{f"weight_{i:03d}": weight for i, weight in enumerate(packed)})
