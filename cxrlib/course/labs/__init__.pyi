from .lesson_08 import threshold_lab
from .lesson_09 import detector_lab

__all__ = ["detector_lab", "threshold_lab"]
