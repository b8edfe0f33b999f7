from .augmentation import Augmentation, augment, draw_affine
from .pixels import as_float, check_image, minmax, percentile, quantize, resize_to_square
from .radiograph import Radiograph, open_radiograph, read_image, write_prepared

__all__ = [
    "Augmentation",
    "Radiograph",
    "as_float",
    "augment",
    "check_image",
    "draw_affine",
    "minmax",
    "open_radiograph",
    "percentile",
    "quantize",
    "read_image",
    "resize_to_square",
    "write_prepared",
]
