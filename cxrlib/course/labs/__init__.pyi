from .lesson_07 import training_films, training_lab
from .lesson_08 import threshold_lab

__all__ = ["threshold_lab", "training_films", "training_lab"]
