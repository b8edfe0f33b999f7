"""What only the lessons use: cached cohorts and runs, committed experiments, widgets."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
