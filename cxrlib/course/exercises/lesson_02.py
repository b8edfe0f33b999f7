"""The exercises of lesson 2: what a film shows."""

from cxrlib.course.checks import Exercise

EXERCISES: dict[str, Exercise] = {}
