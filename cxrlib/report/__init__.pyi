from . import plots
from .card import model_card
from .page import write_page
from .prediction import draw_prediction, save_prediction

__all__ = [
    "draw_prediction",
    "model_card",
    "plots",
    "save_prediction",
    "write_page",
]
