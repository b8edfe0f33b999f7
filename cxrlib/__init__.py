"""Finding an anomaly in chest X-rays: the library behind the course.

Everything public is importable from its module (``from cxrlib.cohort import
read_cohort``); the few names that a session starts with are also here. They
load on first use, so that ``import cxrlib`` is instant and does not import
TensorFlow.
"""

import importlib

__version__ = "0.1.0"

_HOME = {
    "InputError": "radiograph",
    "open_radiograph": "radiograph",
    "read_image": "radiograph",
    "read_cohort": "cohort",
    "prepare": "preparation",
    "simulate": "phantom",
    "Augmentation": "augment",
    "Recipe": "recipe",
    "train": "training",
    "open_run": "run",
    "model_card": "report",
}
__all__ = [*_HOME, "__version__"]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'cxrlib' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"cxrlib.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
