from .lesson_04 import augmentation_lab, costophrenic_corners, visible_fluid
from .lesson_08 import threshold_lab

__all__ = ["augmentation_lab", "costophrenic_corners", "threshold_lab", "visible_fluid"]
