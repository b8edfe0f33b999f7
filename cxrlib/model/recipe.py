"""The recipe: every knob of a training in one frozen dataclass, and the two named recipes."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from cxrlib.errors import InputError
from cxrlib.files import read_json
from cxrlib.images.augmentation import Augmentation
from cxrlib.images.pixels import NORMALIZATIONS

FORMAT = 1
"""Version of the run folder. A run of another format is refused."""


class _Rule(NamedTuple):
    """What a knob must be: a test, and its words for an error."""

    accepts: Callable[[Any], bool]
    needed: str


def _is_number(value: object, kind: type = float) -> bool:
    return isinstance(value, (int, kind)) and not isinstance(value, bool)


def _whole(low: int, high: int) -> _Rule:
    needed = f"a whole number from {low:,} to {high:,}"
    return _Rule(lambda value: _is_number(value, int) and low <= value <= high, needed)


def _one_of(*choices: str | int) -> _Rule:
    needed = f"one of {', '.join(map(str, choices))}"
    return _Rule(lambda value: isinstance(value, type(choices[0])) and value in choices, needed)


_TEXT = _Rule(lambda value: isinstance(value, str), "a text")
_FLAG = _Rule(lambda value: isinstance(value, bool), "true or false")
_ABOVE_0 = _Rule(lambda value: _is_number(value) and 0 < value <= 1e30, "a number above 0 and at most 1e30")
_FRACTION = _Rule(lambda value: _is_number(value) and 0 < value < 1, "a number between 0 and 1")
_SEED = _whole(0, 4_000_000)  # `build_resnet` makes a thousand of Keras' seeds, which have 32 bits, of each of ours
_BATCH = _whole(2, 65_536)

RULES = {
    "name": _TEXT,
    "depth": _one_of(18, 34, 50),
    "width": _whole(1, 256),  # a wider ResNet-50 would have more than 2 GB of weights
    "size": _whole(32, 4096),  # the network halves the side five times, so 32 pixels become one
    "skip": _FLAG,
    "normalize": _one_of(*NORMALIZATIONS),
    "standardize": _FLAG,
    "augmentation": _Rule(lambda value: isinstance(value, Augmentation), "an Augmentation"),
    "epochs": _whole(1, 100_000),
    "batch": _Rule(
        lambda value: _BATCH.accepts(value) and value % 2 == 0,
        f"{_BATCH.needed}, and even (odd ones make TensorFlow 2.21 write past its memory on processors with AVX-512)",
    ),
    "optimizer": _one_of("sgd", "adamw"),
    "learning_rate": _ABOVE_0,
    "weight_decay": _Rule(lambda value: _is_number(value) and 0 <= value <= 1e30, "a number from 0 to 1e30"),
    "schedule": _one_of("none", "halving", "cosine"),
    "hold": _whole(0, 100_000),
    "weight": _Rule(lambda value: _ABOVE_0.accepts(value) or value == "balanced", f"{_ABOVE_0.needed}, or 'balanced'"),
    "start": _TEXT,
    "precision": _one_of("float32", "bfloat16"),
    "keep": _one_of("best", "last"),
    "mirror": _FLAG,
    "sensitivity": _FRACTION,
    "confidence": _Rule(lambda value: value is None or _FRACTION.accepts(value), f"{_FRACTION.needed}, or none"),
    "seed": _SEED,
    "split_seed": _SEED,
}
"""What each knob must be. A recipe.json may come from anywhere, so every number has an upper limit. Those without a
comment are chosen: far above what anybody needs."""


@dataclass(frozen=True)
class Recipe:
    """Every knob of a training.

    Attributes
    ----------
    name : str
    depth : {18, 34, 50}
        Layers of the ResNet.
    width : int
        Channels of its first stage.
    size : int
        Side of the images in pixels.
    skip : bool
        Whether each residual block adds its input to its output. A network without
        is not a residual network; it is here for comparison.
    normalize : {"minmax", "percentile"}
    standardize : bool
        Whether the first layer scales each film to mean 0 and standard deviation 1.
    augmentation : Augmentation
    epochs, batch : int
    optimizer : {"sgd", "adamw"}
    learning_rate : float
    weight_decay : float
        For AdamW only.
    schedule : {"none", "halving", "cosine"}
        The learning rate is constant, is halved each epoch, or falls along half a
        cosine to 0.
    hold : int
        Epochs before the decay begins. "halving" keeps the full rate in them,
        "cosine" raises the rate from 0 in a straight line.
    weight : float or "balanced"
        Weight of a missed finding in the loss; "balanced" is n0 / n1, films without
        the finding over films with it.
    start : str
        Where training begins: "scratch" (random weights), "simulated" (the
        weights that come with the library, trained on simulated films alone), a
        run folder or a ``.keras`` file. A network of another shape must begin
        from scratch, and needs about 40 epochs.
    precision : {"float32", "bfloat16"}
        The format that a training computes in. bfloat16 has two to three digits. It
        is replaced by float32 where the hardware does not have it. Weights are
        always float32, and so is all scoring.
    keep : {"best", "last"}
        The epoch whose weights are kept: the one with the highest validation AUC, or the last.
    mirror : bool
        Whether the score of a film comes from the mean of two logits: of the film
        and of its mirror image.
    sensitivity : float
        The smallest sensitivity that the operating point may have.
    confidence : float, optional
        How sure it must be that this sensitivity is reached on new films. By
        default it must be reached on the validation films only.
    seed : int
        The seed of the weights, the shuffling and the augmentation.
    split_seed : int
        The seed of the split, if the cohort has none. It is separate from `seed`, so
        that trainings with different seeds are tested on the same films.
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

    def __post_init__(self) -> None:
        for knob, rule in RULES.items():
            value = getattr(self, knob)
            if not rule.accepts(value):
                raise InputError(f"recipe: {knob} is {value!r:.80}; it must be {rule.needed}")


DEFAULT = Recipe()
"""The course's own recipe. It starts from the weights that come with the library."""

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
"""The recipe of the tutorial that this course grew from, as its code really ran. Its text names a learning rate of
0.005, but its callback set 0.01, 0.01, 0.005, 0.0025 ..."""

NAMED = {recipe.name: recipe for recipe in (DEFAULT, CLASSIC)}


def find_recipe(name_or_file: str, **changes: Any) -> Recipe:
    """Return a named recipe, or one from a JSON file, with some knobs changed.

    Parameters
    ----------
    name_or_file : str
        "default", "classic" or the path of a ``.json`` file.
    **changes
        Knobs and their new values. A value of None changes nothing.

    Raises
    ------
    InputError
        There is no such recipe or file, or a knob has a value that is not allowed.
    """
    changes = {knob: value for knob, value in changes.items() if value is not None}
    if name_or_file in NAMED:
        return replace(NAMED[name_or_file], **changes)
    path = Path(name_or_file)
    if path.suffix != ".json":
        raise InputError(f"recipe {name_or_file!r} is neither {' nor '.join(NAMED)} nor a .json file")
    return replace(read_recipe(path), **changes)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.json. Knobs that it does not name have their default values.

    Raises
    ------
    InputError
        The file cannot be read, is of another format, or has an unknown knob or a
        value that is not allowed.
    """
    data = read_json(path)
    if data.pop("format", FORMAT) != FORMAT:
        raise InputError(f"{path}: is of another version of cxrlib; this one reads format {FORMAT}")
    try:
        if "augmentation" in data:
            data["augmentation"] = Augmentation(**_checked_knobs(Augmentation, data["augmentation"], path))
        return Recipe(**_checked_knobs(Recipe, data, path))
    except InputError:
        raise
    except (TypeError, ValueError) as error:  # where a number or a list stands in the place of the augmentation
        raise InputError(f"{path}: {error}") from None


def _checked_knobs(kind: type, data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the knobs of a dataclass, under their present names; refuse unknown ones."""
    for knob in fields(kind):
        former = knob.metadata.get("former_name")  # in files of older versions
        if former in data and knob.name not in data:
            data[knob.name] = data.pop(former)
    knobs = [knob.name for knob in fields(kind)]
    unknown = [name for name in data if name not in knobs]
    if unknown:
        raise InputError(f"{path}: unknown knob {unknown[0]!r}; there are {', '.join(knobs)}")
    return data


def recipe_text(recipe: Recipe) -> str:
    """Return a recipe as the JSON that `read_recipe` reads."""
    return json.dumps({"format": FORMAT} | asdict(recipe), indent=2) + "\n"
