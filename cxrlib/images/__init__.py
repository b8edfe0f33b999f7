"""One file becomes one image: PNG, JPEG or DICOM in, a float image in [0, 1] out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
