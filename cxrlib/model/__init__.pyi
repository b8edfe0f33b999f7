from .keras_augmentation import keras_generator
from .loss import class_weight, initial_bias, score, weighted_cross_entropy
from .network import build_network, predict_logits
from .network_file import load_network, read_network
from .recipe import CLASSIC, DEFAULT, Recipe, find_recipe, read_recipe
from .resnet import LAST_MAPS, build_resnet
from .session import start_session

__all__ = [
    "CLASSIC",
    "DEFAULT",
    "LAST_MAPS",
    "Recipe",
    "build_network",
    "build_resnet",
    "class_weight",
    "find_recipe",
    "initial_bias",
    "keras_generator",
    "load_network",
    "predict_logits",
    "read_network",
    "read_recipe",
    "score",
    "start_session",
    "weighted_cross_entropy",
]
