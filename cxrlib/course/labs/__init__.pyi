from .lesson_02 import draw_film, draw_side_films, film_lab, films_to_compare, outline_fluid, real_film_file
from .lesson_08 import threshold_lab
from .lesson_11 import audit_lab

__all__ = [
    "audit_lab",
    "draw_film",
    "draw_side_films",
    "film_lab",
    "films_to_compare",
    "outline_fluid",
    "real_film_file",
    "threshold_lab",
]
