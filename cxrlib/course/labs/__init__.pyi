from .lesson_08 import threshold_lab

__all__ = ["threshold_lab"]
