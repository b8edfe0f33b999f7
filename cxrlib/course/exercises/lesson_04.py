"""The exercises of lesson 4: augmentation."""

from cxrlib.course.checks import Exercise

EXERCISES: dict[str, Exercise] = {}
