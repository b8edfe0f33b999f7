from .checks import check
from .cohorts import SimulatedCohort, course_lab_set, course_test_set
from .experiments import COURSE, EXPERIMENTS, NOTHING_MOVES, SMALL, Arm, read_experiment, schedules
from .folders import cache_folder, course_cohort, own_cohort
from .lessons import course_film, course_run, course_scores
from .reader import guess
from .widgets import sliders, upload_explorer

__all__ = [
    "COURSE",
    "EXPERIMENTS",
    "NOTHING_MOVES",
    "SMALL",
    "Arm",
    "SimulatedCohort",
    "cache_folder",
    "check",
    "course_cohort",
    "course_film",
    "course_lab_set",
    "course_run",
    "course_scores",
    "course_test_set",
    "guess",
    "own_cohort",
    "read_experiment",
    "schedules",
    "sliders",
    "upload_explorer",
]
