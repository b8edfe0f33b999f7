"""Free fluid under gravity: it fills the pleural space from the lowest point.

The lung is elastic: it floats, and yields first where it touches the wall. So a
point of the pleural space at height h and distance d from the wall fills in the
order of h + d / k, with k the lung's stiffness. The meniscus follows.
"""

import numpy as np

from cxrlib.phantom.anatomy import WATER, Thorax

STIFFNESS = 1.0


def add_effusion(thorax: Thorax, volume_ml: float, *, side: str, posture: str) -> np.ndarray:
    """Return which voxels (Z, Y, X) hold fluid; the thorax' `mu` is changed in place.

    Parameters
    ----------
    volume_ml : float
    side : {"right", "left", "both"}
        With "both", each side gets half.
    posture : {"upright", "supine"}
    """
    fluid = np.zeros(thorax.mu.shape, bool)
    sides = ("right", "left") if side == "both" else (side,)
    height = thorax.z if posture == "upright" else -thorax.y
    order = height + thorax.gap / STIFFNESS
    for name in sides:
        space = getattr(thorax, name)
        voxels = min(round(volume_ml / len(sides) / thorax.voxel_ml), int(0.9 * space.sum()))
        keys = order[space]
        level = np.partition(keys, voxels)[voxels]
        fluid |= space & (order < level)
    thorax.mu[fluid] = WATER
    return fluid
