"""Finding an anomaly in chest X-rays: the library behind the course.

Each package imports only from those above it in this list:

- `cxrlib.images`: one file becomes one image
- `cxrlib.cohorts`: many images, and a split by patient
- `cxrlib.model`: the recipe, the network, the loss, weights on disk
- `cxrlib.phantom`: the simulator
- `cxrlib.evaluation`: AUC, rates, thresholds, calibration, heat maps
- `cxrlib.training`: from a cohort to a run folder
- `cxrlib.report`: figures, the model card, the HTML page
- `cxrlib.course`: what only the lessons use
- `cxrlib.cli`: the command ``cxr``

The names that most programs start with are also here. Everything loads on first
use: ``import cxrlib`` takes milliseconds and does not import TensorFlow.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
