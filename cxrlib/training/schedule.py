"""The optimiser of a recipe and its learning rate."""

from cxrlib.model.backend import keras
from cxrlib.model.recipe import Recipe


def make_optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """Return the recipe's optimiser with its learning rate.

    Parameters
    ----------
    steps : int
        Batches in an epoch.
    """
    rate = learning_rate(recipe, steps)
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(rate)
    return keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)


def learning_rate(recipe: Recipe, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate of a recipe.

    Parameters
    ----------
    steps : int
        Batches in an epoch.

    Returns
    -------
    float or Keras schedule
        A constant, or a function of the optimiser's step, from 0.
    """
    if recipe.schedule == "none":
        return recipe.learning_rate
    if recipe.schedule == "halving":
        # Keras takes a boundary as the last step of the old rate, hence - 1
        boundaries = [steps * epoch - 1 for epoch in range(recipe.hold + 1, recipe.epochs)]
        rates = [recipe.learning_rate * 0.5**k for k in range(len(boundaries) + 1)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates) if boundaries else rates[0]
    warmup = steps * min(recipe.hold, recipe.epochs - 1)  # at least one epoch is left for the decay
    return keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate if warmup == 0 else 0.0,
        decay_steps=steps * recipe.epochs - warmup,
        warmup_target=recipe.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
