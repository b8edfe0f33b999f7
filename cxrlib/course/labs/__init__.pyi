from .lesson_06 import few_films, maps_lab, network_lab, switch_network, training_losses
from .lesson_08 import threshold_lab

__all__ = ["few_films", "maps_lab", "network_lab", "switch_network", "threshold_lab", "training_losses"]
