"""The exercises of the lessons, by name. Each module holds the exercises of one lesson."""

from importlib import import_module

from cxrlib.course.checks import Exercise

LESSONS = [import_module(f"{__name__}.lesson_{number:02d}") for number in range(12)]
"""The modules, in the order of the lessons."""

EXERCISES: dict[str, Exercise] = {name: exercise for lesson in LESSONS for name, exercise in lesson.EXERCISES.items()}
