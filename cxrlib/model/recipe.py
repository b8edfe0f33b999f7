"""A Recipe: every knob of a training in one frozen place, and the two named ones."""

import json
import math
import types
import typing
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from cxrlib.errors import InputError
from cxrlib.files import read_json
from cxrlib.images.augmentation import Augmentation
from cxrlib.images.pixels import NORMALIZATIONS

FORMAT = 1
"""Version of the run folder; a run of another format is refused."""

DEPTHS = (18, 34, 50)
CHOICES = {
    "depth": DEPTHS,
    "normalize": NORMALIZATIONS,
    "optimizer": ("sgd", "adamw"),
    "schedule": ("none", "halving", "cosine"),
    "keep": ("best", "last"),
    "precision": ("float32", "bfloat16"),
}
LIMITS = {
    "width": 256, "size": 4096, "epochs": 100_000, "hold": 100_000, "batch": 65_536, "learning_rate": 1e30,
    "weight": 1e30, "weight_decay": 1e30, "seed": 4_000_000, "split_seed": 4_000_000,
}  # fmt: skip
"""A recipe may come from anywhere: a width above this asks for more than 2 GB of weights; a thousand seeds of Keras,
which have 32 bits, are made of one of ours."""


@dataclass(frozen=True)
class Recipe:
    """Every knob of a training.

    Attributes
    ----------
    name : str
    depth, width, size : int
        ResNet layers (18, 34 or 50), channels of its first stage, and the side
        of the images in pixels.
    skip : bool
        Whether each residual block adds its input to its output; without, it is
        no residual network, which is here to be compared.
    normalize : {"minmax", "percentile"}
    standardize : bool
        Whether the network begins by bringing each film to mean 0 and standard
        deviation 1.
    augmentation : Augmentation
    epochs, batch : int
    optimizer : {"sgd", "adamw"}
    learning_rate : float
    weight_decay : float
        AdamW's; not applied to SGD.
    schedule : {"none", "halving", "cosine"}
        Constant; halved each epoch; or along half a cosine to 0.
    hold : int
        Epochs by which the decay is put off: at the full rate for "halving", in
        a linear warm-up for "cosine".
    weight : float or "balanced"
        Weight of a missed finding in the loss; "balanced" is n0 / n1.
    start : str
        Where training begins: "scratch" (random weights), "simulated" (the
        weights that come with the library, made from simulated films alone), a
        run folder or a ``.keras`` file. A network of another shape than theirs
        begins from scratch, and needs about 40 epochs.
    precision : {"float32", "bfloat16"}
        What a training computes in. bfloat16 has two to three digits, and falls
        back to float32 where there is no hardware for it; weights are float32,
        and so is all scoring.
    keep : {"best", "last"}
        The epoch that is kept: of the highest validation AUC, or the last.
    mirror : bool
        Whether a film is scored together with its mirror image: by the mean of
        the two logits.
    sensitivity : float
        Floor of the operating point.
    confidence : float, optional
        How sure it must be that the floor holds on new films; by default the
        floor need hold on the validation films only.
    seed : int
        Of weights, shuffling and augmentation.
    split_seed : int
        Of the split, where the cohort brings none: apart from `seed`, so that
        trainings that differ in it are tested on the same films.
    """

    name: str = "default"
    depth: int = 18
    width: int = 32
    size: int = 160
    skip: bool = True
    normalize: str = "minmax"
    standardize: bool = True
    augmentation: Augmentation = field(
        default_factory=lambda: Augmentation(shift=0.08, scale=0.10, rotate=7.0, gamma=1.4, horizontal_flip=True)
    )
    epochs: int = 15
    batch: int = 32
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    schedule: str = "cosine"
    hold: int = 2
    weight: float | str = "balanced"
    start: str = "simulated"
    precision: str = "bfloat16"
    keep: str = "last"
    mirror: bool = True
    sensitivity: float = 0.90
    confidence: float | None = None
    seed: int = 0
    split_seed: int = 0

    def __post_init__(self):
        hints = typing.get_type_hints(type(self))
        for knob in fields(self):
            value, hint = getattr(self, knob.name), hints[knob.name]
            allowed = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
            allowed += (int,) if float in allowed else ()
            if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
                raise InputError(f"recipe: {knob.name} is {value!r}; it must be of type {hint}")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(f"recipe: {name} is {getattr(self, name)!r}; it must be one of {choices}")
        if isinstance(self.weight, str) and self.weight != "balanced":
            raise InputError(f"recipe: weight is {self.weight!r}; it must be a number or 'balanced'")
        positive = ("width", "epochs", "batch", "learning_rate") + (("weight",) if self.weight != "balanced" else ())
        for name in positive:
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"recipe: {name} is {getattr(self, name)!r}; it must be above 0")
        for name in ("weight_decay", "hold", "seed", "split_seed"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"recipe: {name} is {getattr(self, name)!r}; it must be at least 0")
        for name, limit in LIMITS.items():
            if getattr(self, name) != "balanced" and getattr(self, name) > limit:
                raise InputError(f"recipe: {name} is {getattr(self, name):.6g}; it must be at most {limit:.6g}")
        if self.batch % 2:
            raise InputError(
                f"recipe: batch is {self.batch}; it must be even (with odd ones TensorFlow 2.21 "
                "writes past its memory on processors with AVX-512)"
            )
        if self.size < 32:
            raise InputError(f"recipe: size is {self.size}; a ResNet needs at least 32 pixels")
        for name in ("sensitivity", "confidence"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise InputError(f"recipe: {name} is {value!r}; it must lie between 0 and 1")


DEFAULT = Recipe()
"""The course's own, begun from the weights that come with the library."""

CLASSIC = Recipe(
    name="classic",
    width=64,
    size=256,
    standardize=False,
    augmentation=Augmentation(rotate=10.0, probability=0.5),
    epochs=10,
    optimizer="sgd",
    learning_rate=0.01,
    weight_decay=0.0,
    schedule="halving",
    hold=1,
    weight=10.0,
    start="scratch",
    precision="float32",
    keep="best",
    mirror=False,
)
"""The recipe of the tutorial that this course grew from, as its code really ran:
its callback set 0.01, 0.01, 0.005, 0.0025 ... over the 0.005 that its text names."""

NAMED = {recipe.name: recipe for recipe in (DEFAULT, CLASSIC)}


def find_recipe(name_or_file: str, **changes) -> Recipe:
    """Return a named recipe, or one from a JSON file, with some knobs changed.

    Changes that are None are passed over.
    """
    changes = {knob: value for knob, value in changes.items() if value is not None}
    if name_or_file in NAMED:
        return replace(NAMED[name_or_file], **changes)
    path = Path(name_or_file)
    if path.suffix != ".json":
        raise InputError(f"recipe {name_or_file!r} is neither {' nor '.join(NAMED)} nor a .json file")
    return replace(read_recipe(path), **changes)


def read_recipe(path: Path) -> Recipe:
    """Read recipe.json; knobs that it does not name keep their default values."""
    data = read_json(path)
    if data.pop("format", FORMAT) != FORMAT:
        raise InputError(f"{path}: is of another version of cxrlib; this one reads format {FORMAT}")
    try:
        if "augmentation" in data:
            data["augmentation"] = Augmentation(**_known(Augmentation, data["augmentation"], path))
        return Recipe(**_known(Recipe, data, path))
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: {error}") from None


def _known(kind: type, data: dict, path: Path) -> dict:
    knobs = [knob.name for knob in fields(kind)]
    for knob in fields(kind):
        former = knob.metadata.get("former_name")  # in files of older versions
        if former in data and knob.name not in data:
            data[knob.name] = data.pop(former)
    unknown = [name for name in data if name not in knobs]
    if unknown:
        raise InputError(f"{path}: unknown knob {unknown[0]!r}; there are {', '.join(knobs)}")
    return data


def recipe_text(recipe: Recipe) -> str:
    """Return a recipe as the JSON that `read_recipe` reads."""
    return json.dumps({"format": FORMAT} | asdict(recipe), indent=2) + "\n"
