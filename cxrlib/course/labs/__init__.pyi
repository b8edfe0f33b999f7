from .lesson_01 import (
    auc_scatter_lab,
    brighter_by_fluid,
    network_result,
    outline_visible,
    quiz_buttons,
    quiz_lab,
    roc_lab,
)
from .lesson_02 import draw_film, draw_side_films, film_lab, films_to_compare, outline_fluid, real_film_file
from .lesson_03 import day_orders, split_lab
from .lesson_04 import augmentation_lab, costophrenic_corners, fluid_above_corners
from .lesson_07 import training_films, training_lab
from .lesson_08 import threshold_lab
from .lesson_09 import detector_lab

__all__ = [
    "auc_scatter_lab",
    "augmentation_lab",
    "brighter_by_fluid",
    "costophrenic_corners",
    "day_orders",
    "detector_lab",
    "draw_film",
    "draw_side_films",
    "film_lab",
    "films_to_compare",
    "fluid_above_corners",
    "network_result",
    "outline_fluid",
    "outline_visible",
    "quiz_buttons",
    "quiz_lab",
    "real_film_file",
    "roc_lab",
    "split_lab",
    "threshold_lab",
    "training_films",
    "training_lab",
]
