from . import cohorts, course, evaluation, images, model, phantom, report, training
from .cohorts.cohort import read_cohort
from .cohorts.preparation import prepare
from .errors import InputError
from .images.augmentation import Augmentation
from .images.radiograph import open_radiograph, read_image
from .model.recipe import Recipe
from .phantom.simulation import simulate
from .report.card import model_card
from .training.fitting import train
from .training.run import open_run

__version__: str
__all__ = [
    "Augmentation",
    "InputError",
    "Recipe",
    "cohorts",
    "course",
    "evaluation",
    "images",
    "model",
    "model_card",
    "open_radiograph",
    "open_run",
    "phantom",
    "prepare",
    "read_cohort",
    "read_image",
    "report",
    "simulate",
    "train",
    "training",
]
