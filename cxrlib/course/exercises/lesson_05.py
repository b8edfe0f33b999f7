"""The exercises of lesson 5: normalisation."""

from cxrlib.course.checks import Exercise

EXERCISES: dict[str, Exercise] = {}
