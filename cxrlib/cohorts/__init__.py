"""Many images: class folders, tables, public collections, and a split by patient."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
