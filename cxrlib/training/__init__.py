"""From a cohort to a run folder: batches, learning rate, fit, checkpoint, run, threshold."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
