from .lesson_03 import day_orders, split_lab
from .lesson_08 import threshold_lab

__all__ = ["day_orders", "split_lab", "threshold_lab"]
