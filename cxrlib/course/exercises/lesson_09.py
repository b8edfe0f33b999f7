"""The exercises of lesson 9: heat maps and subgroups."""

from cxrlib.course.checks import Exercise

EXERCISES: dict[str, Exercise] = {}
