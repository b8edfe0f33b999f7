from .lesson_05 import window_lab
from .lesson_08 import threshold_lab

__all__ = ["threshold_lab", "window_lab"]
