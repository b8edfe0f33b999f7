from .batches import iterate_batches, load_images, make_dataset
from .comparison import Comparison, compare
from .export import export_onnx
from .fitting import train, with_split
from .run import SIMULATED, Prediction, Run, open_run
from .schedule import learning_rate
from .score_table import open_score_table
from .stored_point import StoredPoint
from .threshold import choose_threshold
from .unusual import Reference, make_reference

__all__ = [
    "SIMULATED",
    "Comparison",
    "Prediction",
    "Reference",
    "Run",
    "StoredPoint",
    "choose_threshold",
    "compare",
    "export_onnx",
    "iterate_batches",
    "learning_rate",
    "load_images",
    "make_dataset",
    "make_reference",
    "open_run",
    "open_score_table",
    "train",
    "with_split",
]
