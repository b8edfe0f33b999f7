"""A network on disk: Keras' own file, and small packed weights that come with the library."""

import math
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from cxrlib.errors import InputError
from cxrlib.files import MAX_JSON_BYTES, ArrayKind, atomic, check_file, open_archive, parse_json, read_npz
from cxrlib.model.backend import keras, own_settings
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

MIN_WEIGHTS = 2000
"""Weights of the smallest network, divided by the square of its width. The 3 x 3 convolutions in the last two stages of
ResNet-18 alone have 3 x 576 + 288 + 3 x 144 + 72 = 2,520."""

MIN_PACKED_BYTES = 0.5
"""Bytes of one packed weight, at least. Half precision has 2, and compression saves less than a fifth of them."""


@own_settings()
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
    try:
        _check_size(path.stat().st_size, recipe, bytes_per_weight=MIN_PACKED_BYTES)
        model = build_network(recipe)
        needed = {f"weight_{i:03d}": ArrayKind(w.shape, ("float16", "float32")) for i, w in enumerate(model.weights)}
        saved = read_npz(path, needed, max_bytes=MAX_BYTES)
    except ValueError as error:
        raise InputError(f"{path}: cannot be loaded: {error}") from None
    model.set_weights([saved[name].astype(np.float32) for name in needed])
    _check_finite(model, path)
    return model


def _check_size(num_bytes: int, recipe: Recipe, *, bytes_per_weight: float) -> None:
    """Refuse weights that have too few bytes for the network, before memory is taken for that network."""
    needed = int(MIN_WEIGHTS * recipe.width**2 * bytes_per_weight)
    if num_bytes < needed:
        raise ValueError(
            f"the weights of a network of width {recipe.width} have at least {needed:,} bytes; these have {num_bytes:,}"
        )


def _check_finite(model: keras.Model, path: Path) -> None:
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise InputError(f"{path}: has weights that are not finite numbers")


@own_settings()
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
        with open_archive(path, MAX_BYTES) as archive:
            _check_members(archive)
            config = parse_json(archive.read(CONFIG))
            model = _network_of_config(config, archive.getinfo(WEIGHTS).file_size)
            with archive.open(WEIGHTS) as member, h5py.File(member, "r") as file:
                kinds = _hdf5_names(model)
                found = {name: _checked_dataset(file, name, shape) for name, (shape, _) in kinds.items()}
                for name, (_, variable) in kinds.items():  # all were checked before the first is read
                    variable.assign(found[name][()])
    except Exception as error:  # zipfile and HDF5 raise many kinds for broken files
        raise InputError(f"{path}: cannot be loaded: {error}") from None
    _check_finite(model, path)
    return model


def _hdf5_names(model: keras.Model) -> dict[str, tuple[tuple[int, ...], keras.Variable]]:
    """Return each weight of a network and its shape, under its name in the HDF5 file that Keras writes.

    Keras counts the layers of each class: "layers/conv2d/vars/0", "layers/conv2d_1/vars/0" and so on
    (``_save_container_state`` in keras/src/saving/saving_lib.py).
    """
    weights: dict[str, tuple[tuple[int, ...], keras.Variable]] = {}
    counts = Counter[str]()
    for layer in model.layers:
        kind = re.sub(
            "(?<!^)(?=[A-Z][a-z])", "_", type(layer).__name__
        ).lower()  # BatchNormalization: batch_normalization
        name = f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1
        weights |= {f"layers/{name}/vars/{i}": (tuple(w.shape), w) for i, w in enumerate(layer.weights)}
    return weights


def _checked_dataset(file: h5py.File, name: str, shape: tuple[int, ...]) -> h5py.Dataset:
    """Return an array of an HDF5 file; refuse any that Keras does not write so. No value is read.

    Keras writes floats of 32 bits in one piece, without filters. An array that is compressed, in
    chunks, in another file or made of other arrays could have any size.
    """
    node: h5py.Group | h5py.Dataset = file
    for part in name.split("/"):
        link = node.get(part, getlink=True) if isinstance(node, h5py.Group) else None
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{WEIGHTS} has no array {name}, or only a link in its place")
        node = node[part]
    if not isinstance(node, h5py.Dataset) or node.shape != shape or node.dtype != np.float32:
        found = f"{node.dtype} of shape {node.shape}" if isinstance(node, h5py.Dataset) else "a group"
        raise ValueError(f"{name} is {found}; it must be float32 of shape {shape}")
    layout = node.id.get_create_plist()
    is_one_piece = layout.get_layout() in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)
    if not is_one_piece or layout.get_nfilters() or layout.get_external_count():
        raise ValueError(f"{name} is in chunks, compressed or in another file, which Keras never does")
    if node.id.get_storage_size() != 4 * math.prod(shape):
        raise ValueError(f"{name} has {node.id.get_storage_size():,} bytes; it must have {4 * math.prod(shape):,}")
    return node


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
        if info.filename != WEIGHTS and info.file_size > MAX_JSON_BYTES:
            raise ValueError(f"{info.filename} has {info.file_size:,} bytes; at most {MAX_JSON_BYTES:,} are read")
    if damaged := archive.testzip():
        raise ValueError(f"the checksum of {damaged} is wrong")


def _network_of_config(config: dict[str, Any], num_bytes: int) -> keras.Model:
    """Return the network of this library that a file's config.json describes; refuse any other.

    Its weights have `num_bytes` bytes.
    """
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
    _check_size(num_bytes, recipe, bytes_per_weight=4)
    model = build_network(recipe)
    own_types = set(_object_types(parse_json(model.to_json().encode())))
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
