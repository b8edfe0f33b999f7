"""The labs of the lessons: each function draws what one setting of a lesson's sliders shows."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
