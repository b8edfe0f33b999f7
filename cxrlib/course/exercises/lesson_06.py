"""The exercises of lesson 6: the network."""

from cxrlib.course.checks import Exercise

EXERCISES: dict[str, Exercise] = {}
