"""The exercises of lesson 3: splits and shortcuts."""

from cxrlib.course.checks import Exercise

EXERCISES: dict[str, Exercise] = {}
