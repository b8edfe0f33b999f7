"""How good the scores are: AUC, rates and calibration with intervals, thresholds, heat maps."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
