"""The exercises of lesson 7: the loss and the learning rate."""

from cxrlib.course.checks import Exercise

EXERCISES: dict[str, Exercise] = {}
