from .lesson_01 import auc_scatter_lab, quiz_lab, roc_lab
from .lesson_02 import film_lab
from .lesson_03 import split_lab
from .lesson_04 import augmentation_lab
from .lesson_05 import window_lab
from .lesson_06 import maps_lab, network_lab
from .lesson_07 import training_lab
from .lesson_08 import threshold_lab
from .lesson_09 import detector_lab
from .lesson_10 import source_lab
from .lesson_11 import audit_lab

__all__ = [
    "auc_scatter_lab",
    "audit_lab",
    "augmentation_lab",
    "detector_lab",
    "film_lab",
    "maps_lab",
    "network_lab",
    "quiz_lab",
    "roc_lab",
    "source_lab",
    "split_lab",
    "threshold_lab",
    "training_lab",
    "window_lab",
]
