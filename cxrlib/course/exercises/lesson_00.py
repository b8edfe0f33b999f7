"""The exercises of lesson 0: the whole path."""

from cxrlib.course.checks import Exercise

EXERCISES: dict[str, Exercise] = {}
