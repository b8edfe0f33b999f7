from . import decisions, heat_maps, seeds
from .calibration import brier_interval, platt, reliability
from .estimate import proportion
from .groups import performance_by
from .operating_point import choose_by_cost, choose_by_sensitivity, choose_by_youden, floor_confidence
from .rates import compare_thresholds, performance, predictive_values
from .roc_auc import auc, auc_difference, auc_interval, aucs_of_samples, roc

__all__ = [
    "auc",
    "auc_difference",
    "auc_interval",
    "aucs_of_samples",
    "brier_interval",
    "choose_by_cost",
    "choose_by_sensitivity",
    "choose_by_youden",
    "compare_thresholds",
    "decisions",
    "floor_confidence",
    "heat_maps",
    "performance",
    "performance_by",
    "platt",
    "predictive_values",
    "proportion",
    "reliability",
    "roc",
    "seeds",
]
