from .lesson_01 import auc_scatter_lab, network_result, outline_visible, quiz_buttons, quiz_lab, roc_lab, visible_fluid
from .lesson_02 import draw_film, draw_side_films, film_lab, films_to_compare, outline_fluid, real_film_file
from .lesson_04 import augmentation_lab, costophrenic_corners, fluid_above_corners
from .lesson_07 import training_films, training_lab
from .lesson_08 import threshold_lab
from .lesson_10 import measure_agreement, source_lab, write_collection

__all__ = [
    "auc_scatter_lab",
    "augmentation_lab",
    "costophrenic_corners",
    "draw_film",
    "draw_side_films",
    "film_lab",
    "films_to_compare",
    "fluid_above_corners",
    "measure_agreement",
    "network_result",
    "outline_fluid",
    "outline_visible",
    "quiz_buttons",
    "quiz_lab",
    "real_film_file",
    "roc_lab",
    "source_lab",
    "threshold_lab",
    "training_films",
    "training_lab",
    "visible_fluid",
    "write_collection",
]
