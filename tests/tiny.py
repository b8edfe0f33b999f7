"""The smallest recipe whose network still learns: most tests that need a run train it."""

from cxrlib.images.augmentation import Augmentation
from cxrlib.model.recipe import Recipe

TINY = Recipe(
    name="tiny",
    width=8,
    size=64,
    epochs=8,
    start="scratch",
    precision="float32",
    batch=16,
    learning_rate=4e-3,
    hold=0,
    keep="best",
    augmentation=Augmentation(shift=0.05, scale=0.05, rotate=5.0, gamma=1.2, horizontal_flip=True),
)
