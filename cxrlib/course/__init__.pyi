from .cohorts import SimulatedCohort
from .experiments import EXPERIMENTS, NOTHING_MOVES, SMALL, Arm, read_experiment, schedules
from .folders import cache_folder, course_cohort, own_cohort
from .lessons import course_film, course_run, course_scores
from .widgets import sliders, threshold_explorer, upload_explorer, volume_explorer

__all__ = [
    "EXPERIMENTS",
    "NOTHING_MOVES",
    "SMALL",
    "Arm",
    "SimulatedCohort",
    "cache_folder",
    "course_cohort",
    "course_film",
    "course_run",
    "course_scores",
    "own_cohort",
    "read_experiment",
    "schedules",
    "sliders",
    "threshold_explorer",
    "upload_explorer",
    "volume_explorer",
]
