from .lesson_01 import (
    auc_scatter_lab,
    network_result,
    outline_visible,
    quiz_buttons,
    quiz_lab,
    roc_lab,
    visible_fluid,
)
from .lesson_08 import threshold_lab

__all__ = [
    "auc_scatter_lab",
    "network_result",
    "outline_visible",
    "quiz_buttons",
    "quiz_lab",
    "roc_lab",
    "threshold_lab",
    "visible_fluid",
]
