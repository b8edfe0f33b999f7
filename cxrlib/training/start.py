"""What a training starts from: random weights, another run, or a ``.keras`` file."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from cxrlib.errors import InputError
from cxrlib.model.backend import keras
from cxrlib.model.loss import initial_bias
from cxrlib.model.network import build_network
from cxrlib.model.network_file import read_network
from cxrlib.model.recipe import Recipe
from cxrlib.training.origin import Origin
from cxrlib.training.run import Run, open_run


@dataclass(frozen=True)
class Start:
    """The weights that a training starts from, and what is known about them.

    Attributes
    ----------
    weights : list of ndarray, optional
        As ``model.get_weights()`` returns them; None for random weights.
    origin : Origin
        What the weights were trained on.
    finding : str, optional
        What the weights were trained to find. None if it is not known: for random
        weights, and for a ``.keras`` file.
    log_odds : float, optional
        What their training added to the logits: `cxrlib.model.loss.initial_bias` of its
        films. None if it is not known.
    """

    weights: list[np.ndarray] | None = None
    origin: Origin = field(default_factory=Origin)
    finding: str | None = None
    log_odds: float | None = None


def read_start(recipe: Recipe) -> Start:
    """Read what a recipe starts from.

    Raises
    ------
    InputError
        There is no such run or file, or its network has another shape than the recipe's.
    """
    if recipe.start == "scratch":
        return Start()
    if recipe.start.endswith(".keras"):
        network = read_network(Path(recipe.start))
        return Start(_checked_weights(network, recipe), Origin(recipe.start, history_known=False))
    run = open_run(recipe.start)
    return Start(_checked_weights(run.model, recipe), _origin_of(run, recipe.start), run.finding, _log_odds_of(run))


def _checked_weights(network: keras.Model, recipe: Recipe) -> list[np.ndarray]:
    """Return the weights of a network; refuse one of another shape than the recipe's."""
    needed = build_network(recipe)
    shapes_of = lambda network: [weight.shape for weight in network.weights] + [type(x) for x in network.layers]
    if shapes_of(network) != shapes_of(needed):
        raise InputError(
            f"{recipe.start}: its network ({len(network.layers)} layers, {network.count_params():,} weights) is not "
            f"this recipe's (depth {recipe.depth}, width {recipe.width}, standardize {recipe.standardize}: "
            f"{len(needed.layers)} layers, {needed.count_params():,} weights); "
            "change the recipe, or begin from scratch (--start scratch)"
        )
    return network.get_weights()


def _origin_of(run: Run, start: str) -> Origin:
    """Return what a training that starts from a run is to know: the films of the run and of its ancestors."""
    learned = run.split[run.split["split"] != "test"]
    own = pd.DataFrame({"film_id": learned["film_id"], "split": learned["split"], "patient_id": learned["patient_id"]})
    ancestors = pd.concat([run.origin.ancestors, own.assign(run=run.folder.resolve().name)], ignore_index=True)
    is_known = run.origin.history_known and run.knows_films
    return Origin(start, is_known, run.origin.simulated_seeds, details=run.details, ancestors=ancestors)


def _log_odds_of(run: Run) -> float | None:
    """Return `Start.log_odds` of a run."""
    labels = run.split.loc[run.split["split"] == "train", "label"]
    if len(labels):
        return initial_bias(labels, run.weight)
    return 0.0 if run.recipe.weight == "balanced" else None  # the library's run does not list its films
