from .film import Film, Order, take_film
from .physics.materials import AIR, BONE, FAT, SOFT, WATER, attenuation
from .roster import draw_roster, order_of
from .signs import blunting
from .simulation import VERSION, simulate

__all__ = [
    "AIR",
    "BONE",
    "FAT",
    "SOFT",
    "VERSION",
    "WATER",
    "Film",
    "Order",
    "attenuation",
    "blunting",
    "draw_roster",
    "order_of",
    "simulate",
    "take_film",
]
