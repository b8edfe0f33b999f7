"""The exercises of lesson 10: going to real films."""

from cxrlib.course.checks import Exercise

EXERCISES: dict[str, Exercise] = {}
