"""The simulator: chest films with exact truth, free, seeded and small."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
