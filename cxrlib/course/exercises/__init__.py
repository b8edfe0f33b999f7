"""The exercises of the lessons, by name. Each module holds the exercises of one lesson."""

from cxrlib.course.checks import Exercise
from cxrlib.course.exercises import (
    lesson_00,
    lesson_01,
    lesson_02,
    lesson_03,
    lesson_04,
    lesson_05,
    lesson_06,
    lesson_07,
    lesson_08,
    lesson_09,
    lesson_10,
    lesson_11,
)

LESSONS = (
    lesson_00,
    lesson_01,
    lesson_02,
    lesson_03,
    lesson_04,
    lesson_05,
    lesson_06,
    lesson_07,
    lesson_08,
    lesson_09,
    lesson_10,
    lesson_11,
)

EXERCISES: dict[str, Exercise] = {name: exercise for lesson in LESSONS for name, exercise in lesson.EXERCISES.items()}
