from .cohort import NOFINDING, Cohort, read_cohort
from .duplicates import CopyWarning, check_copies, exact_copies, near_copies
from .fetching import Fetched, fetch
from .preparation import Prepared, prepare
from .split import SPLITS, draw_split, draw_stratified_split, patient_position
from .table_source import TableLayout

__all__ = [
    "NOFINDING",
    "SPLITS",
    "Cohort",
    "CopyWarning",
    "Fetched",
    "Prepared",
    "TableLayout",
    "check_copies",
    "draw_split",
    "draw_stratified_split",
    "exact_copies",
    "fetch",
    "near_copies",
    "patient_position",
    "prepare",
    "read_cohort",
]
