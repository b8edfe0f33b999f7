"""The exercises of lesson 1: accuracy, the AUC and a confusion matrix."""

from cxrlib.course.checks import Exercise

EXERCISES: dict[str, Exercise] = {}
