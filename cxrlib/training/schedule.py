"""The optimiser of a recipe, and its decaying learning rate."""

from cxrlib.model.backend import keras
from cxrlib.model.recipe import Recipe


def make_optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """Return the recipe's optimiser with its decaying learning rate.

    Parameters
    ----------
    steps : int
        Batches in an epoch.
    """
    rate = learning_rate(recipe, steps)
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(rate)
    return keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)


def learning_rate(recipe: Recipe, steps: int):
    """Return the learning rate: a number, or a Keras schedule over optimiser steps."""
    if recipe.schedule == "none":
        return recipe.learning_rate
    if recipe.schedule == "halving":
        borders = [steps * epoch - 1 for epoch in range(recipe.hold + 1, recipe.epochs)]
        rates = [recipe.learning_rate * 0.5**k for k in range(len(borders) + 1)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(borders, rates) if borders else rates[0]
    warmup = steps * min(recipe.hold, recipe.epochs - 1)
    return keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate if warmup == 0 else 0.0,
        decay_steps=steps * recipe.epochs - warmup,
        warmup_target=recipe.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
