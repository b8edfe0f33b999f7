"""The recipe: every setting of a training in one frozen dataclass, and the two named recipes."""

import json
import re
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


class Rule(NamedTuple):
    """What a setting must be: a test of the value, and the words that an error uses."""

    accepts: Callable[[Any], bool]
    needed: str


def _is_number(value: object, kind: type = float) -> bool:
    return isinstance(value, (int, kind)) and not isinstance(value, bool)


def _whole(low: int, high: int) -> Rule:
    needed = f"a whole number from {low:,} to {high:,}"
    return Rule(lambda value: _is_number(value, int) and low <= value <= high, needed)


def _one_of(*choices: str | int) -> Rule:
    needed = f"one of {', '.join(map(str, choices))}"
    return Rule(lambda value: isinstance(value, type(choices[0])) and value in choices, needed)


_FINDING = re.compile(r"[^/\\\x00-\x1f]{1,100}")

FINDING_RULE = Rule(
    lambda value: isinstance(value, str) and value.isprintable() and bool(_FINDING.fullmatch(value)),
    "a name of 1 to 100 printable characters without a slash or a back slash",
)
"""A finding is the name of a class folder, and is written into the files of a run. The length is our choice."""

WEIGHT_RULE = Rule(lambda value: _is_number(value) and 1e-30 <= value <= 1e30, "a number from 1e-30 to 1e30")
"""The weight of the finding in the loss. Its logarithm corrects the scores, so it must not be 0. The limits are our
choice: far beyond what anybody needs, and far within what float32 can hold."""

_TEXT = Rule(lambda value: isinstance(value, str), "a text")
_FLAG = Rule(lambda value: isinstance(value, bool), "true or false")
_ABOVE_0 = Rule(lambda value: _is_number(value) and 0 < value <= 1e30, "a number above 0 and at most 1e30")
_FRACTION = Rule(lambda value: _is_number(value) and 0 < value < 1, "a number between 0 and 1")
_SEED = _whole(0, 4_000_000)  # `build_resnet` makes 1,000 seeds from each, and Keras' seeds must be below 2**32
_BATCH = _whole(2, 65_536)

RULES = {
    "name": _TEXT,
    "depth": _one_of(18, 34, 50),
    "width": _whole(1, 256),  # a wider ResNet-50 would have more than 2 GB of weights
    "size": _whole(32, 4096),  # the network halves the side five times, so 32 pixels become one
    "skip": _FLAG,
    "normalize": _one_of(*NORMALIZATIONS),
    "standardize": _FLAG,
    "augmentation": Rule(lambda value: isinstance(value, Augmentation), "an Augmentation"),
    "epochs": _whole(1, 100_000),
    "batch": Rule(
        lambda value: _BATCH.accepts(value) and value % 2 == 0,
        f"{_BATCH.needed}, and even (with an odd one TensorFlow 2.21 writes past its memory on CPUs with AVX-512)",
    ),
    "optimizer": _one_of("sgd", "adamw"),
    "learning_rate": _ABOVE_0,
    "weight_decay": Rule(lambda value: _is_number(value) and 0 <= value <= 1e30, "a number from 0 to 1e30"),
    "schedule": _one_of("none", "halving", "cosine"),
    "hold": _whole(0, 100_000),
    "weight": Rule(
        lambda value: WEIGHT_RULE.accepts(value) or value == "balanced", f"{WEIGHT_RULE.needed}, or 'balanced'"
    ),
    "start": _TEXT,
    "blend": Rule(lambda value: _is_number(value) and 0 < value <= 1, "a number above 0 and at most 1"),
    "precision": _one_of("float32", "bfloat16"),
    "keep": _one_of("best", "last"),
    "mirror": _FLAG,
    "sensitivity": _FRACTION,
    "confidence": Rule(lambda value: value is None or _FRACTION.accepts(value), f"{_FRACTION.needed}, or none"),
    "seed": _SEED,
    "split_seed": _SEED,
}
"""What each setting must be. A recipe.json may come from anywhere, so every number has an upper limit. Limits without a
comment are chosen: far above what anybody needs."""


@dataclass(frozen=True)
class Recipe:
    """Every setting of a training.

    Attributes
    ----------
    name : str
        The name of the recipe. A training does not depend on it.
    depth : {18, 34, 50}
        Layers of the ResNet.
    width : int
        Channels of its first stage.
    size : int
        Side of the images in pixels.
    skip : bool
        Whether each residual block adds its input to its output. Without skip
        connections the network is not a residual network. It serves for comparison.
    normalize : {"minmax", "percentile"}
        Which gray levels of a film become 0 and 1: its smallest and largest, or two
        percentiles (`cxrlib.images.pixels`).
    standardize : bool
        Whether the first layer scales each film to mean 0 and standard deviation 1.
    augmentation : Augmentation
        The random transforms of the training films.
    epochs : int
        How many times the network sees all training films.
    batch : int
        Films for each step of the optimiser. An even number.
    optimizer : {"sgd", "adamw"}
    learning_rate : float
        The highest learning rate of the training.
    weight_decay : float
        Weight decay of AdamW. SGD does not use it.
    schedule : {"none", "halving", "cosine"}
        The learning rate is constant, is halved each epoch, or falls along half a
        cosine to 0.
    hold : int
        Epochs before the decay. With "halving" the rate is constant in these epochs.
        With "cosine" it rises from 0 in a straight line.
    weight : float or "balanced"
        Weight of a missed finding in the loss; "balanced" is n0 / n1, films without
        the finding over films with it.
    start : str
        The weights that the training starts from: "scratch" (random weights), "simulated" (the
        weights that come with the library, trained on simulated films alone), a
        run folder or a ``.keras`` file. A network of a different shape must
        start from scratch, and needs about 40 epochs.
    blend : float, above 0, at most 1
        The fraction of the trained weights in the final network. Each weight
        becomes (1 - blend) * start + blend * trained (Wortsman et al., "Robust
        fine-tuning of zero-shot models", CVPR 2022). With 1, the trained weights are
        kept as they are. With random first weights (`start` is "scratch"), blend must be 1.
    precision : {"float32", "bfloat16"}
        The format that a training computes in. bfloat16 has two to three digits. If the
        hardware does not have bfloat16, float32 is used. Weights and scoring are always
        float32.
    keep : {"best", "last"}
        The epoch whose weights are kept: the one with the highest validation AUC, or the last.
    mirror : bool
        Whether the score of a film comes from the mean of two logits: of the film
        and of its mirror image.
    sensitivity : float, 0 to 1, exclusive
        The smallest sensitivity that the operating point may have.
    confidence : float, 0 to 1, exclusive, optional
        The probability with which new films reach this sensitivity. None: only the
        validation films must reach it.
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
    blend: float = field(default=1.0, metadata={"not_hashed": 1.0})  # recipes of older versions have no blend
    precision: str = "bfloat16"
    keep: str = "last"
    mirror: bool = True
    sensitivity: float = 0.90
    confidence: float | None = None
    seed: int = 0
    split_seed: int = 0

    def __post_init__(self) -> None:
        for name, rule in RULES.items():
            value = getattr(self, name)
            if not rule.accepts(value):
                raise InputError(f"recipe: {name} is {value!r:.80}; it must be {rule.needed}")
        if self.start == "scratch" and self.blend != 1:
            raise InputError(
                f"recipe: blend is {self.blend!r}, but there is nothing to blend with if start is 'scratch' (random "
                "weights); it must be 1, or start must name trained weights"
            )


DEFAULT = Recipe(blend=0.5)
"""The course's own recipe. It starts from the weights that come with the library. Each weight of the final network is
the mean of the starting weight and the trained weight. The reason: training on few films of few sources also teaches
the network to tell the sources apart, and it forgets some of what the start knew. The mean forgets less."""

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
    """Return a named recipe, or one from a JSON file, with some settings changed.

    Parameters
    ----------
    name_or_file : str
        "default", "classic" or the path of a ``.json`` file.
    **changes
        Settings and their new values. A value of None changes nothing. If `start` becomes
        "scratch" and no `blend` is given, `blend` becomes 1.

    Raises
    ------
    InputError
        There is no such recipe or file, or a setting has a value that is not allowed.
    """
    changes = {name: value for name, value in changes.items() if value is not None}
    if changes.get("start") == "scratch":
        changes.setdefault("blend", 1.0)
    if name_or_file in NAMED:
        return replace(NAMED[name_or_file], **changes)
    path = Path(name_or_file)
    if path.suffix != ".json":
        raise InputError(f"recipe {name_or_file!r} is neither {' nor '.join(NAMED)} nor a .json file")
    return replace(read_recipe(path), **changes)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.json. Settings that the file does not name have their default values.

    Raises
    ------
    InputError
        The file cannot be read, is of another format, or has an unknown setting or a
        value that is not allowed. The message names the file.
    """
    data = read_json(path)
    if data.pop("format", FORMAT) != FORMAT:
        raise InputError(f"{path}: is of another version of cxrlib; this one reads format {FORMAT}")
    try:
        if "augmentation" in data:
            data["augmentation"] = Augmentation(**_checked_settings(Augmentation, data["augmentation"]))
        return Recipe(**_checked_settings(Recipe, data))
    except (InputError, TypeError, ValueError) as error:  # not InputError: a number or a list as the augmentation
        raise InputError(f"{path}: {error}") from None


def _checked_settings(kind: type, data: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a dataclass, under their present names; refuse unknown settings."""
    for setting in fields(kind):
        former = setting.metadata.get("former_name")  # in files of older versions
        if former in data and setting.name not in data:
            data[setting.name] = data.pop(former)
    names = [setting.name for setting in fields(kind)]
    unknown = [name for name in data if name not in names]
    if unknown:
        raise InputError(f"unknown setting {unknown[0]!r}; it must be one of {', '.join(names)}")
    return data


def recipe_text(recipe: Recipe) -> str:
    """Return a recipe as the JSON that `read_recipe` reads."""
    return json.dumps({"format": FORMAT} | asdict(recipe), indent=2) + "\n"
