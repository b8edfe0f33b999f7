from .lesson_01 import auc_scatter_lab, brighter_by_fluid, network_result, outline_visible, quiz_buttons, quiz_lab, roc_lab
from .lesson_02 import draw_film, draw_side_films, film_lab, films_to_compare, outline_fluid, real_film_file
from .lesson_03 import day_orders, split_lab
from .lesson_04 import augmentation_lab, costophrenic_corners, fluid_above_corners
from .lesson_05 import window_lab
from .lesson_06 import few_films, maps_lab, network_lab, switch_network, training_losses
from .lesson_07 import training_films, training_lab
from .lesson_08 import threshold_lab
from .lesson_09 import detector_lab
from .lesson_10 import measure_agreement, source_lab, write_collection
from .lesson_11 import audit_lab

__all__ = [
    "auc_scatter_lab",
    "audit_lab",
    "augmentation_lab",
    "brighter_by_fluid",
    "costophrenic_corners",
    "day_orders",
    "detector_lab",
    "draw_film",
    "draw_side_films",
    "few_films",
    "film_lab",
    "films_to_compare",
    "fluid_above_corners",
    "maps_lab",
    "measure_agreement",
    "network_lab",
    "network_result",
    "outline_fluid",
    "outline_visible",
    "quiz_buttons",
    "quiz_lab",
    "real_film_file",
    "roc_lab",
    "source_lab",
    "split_lab",
    "switch_network",
    "threshold_lab",
    "training_films",
    "training_lab",
    "training_losses",
    "window_lab",
    "write_collection",
]
