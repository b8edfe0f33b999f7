"""Linear attenuation of what a chest is made of.

The mass attenuation coefficients come from tabulated cross sections and ICRU-44
compositions. They agree with NIST SRD 126. Between the tabulated energies the
logarithms are interpolated. One energy, 65 keV, stands for the whole spectrum: behind
15 cm of water the spectrum has a mean of 61 keV at 100 kV and of 68 keV at 120 kV.
"""

import numpy as np

ENERGIES = (40, 50, 60, 65, 70, 80, 100)  # keV
MASS_ATTENUATION = {  # cm2/g
    "water": (0.2683, 0.2269, 0.2059, 0.1987, 0.1929, 0.1837, 0.1707),
    "soft tissue": (0.2688, 0.2264, 0.2048, 0.1976, 0.1916, 0.1823, 0.1693),
    "cortical bone": (0.6655, 0.4242, 0.3148, 0.2818, 0.2570, 0.2229, 0.1855),
}
DENSITIES = {"water": 1.00, "soft tissue": 1.06, "cortical bone": 1.92}  # g/cm3
BEAM = 65.0  # keV


def attenuation(material: str, energy: float = BEAM) -> float:
    """Return the linear attenuation coefficient, in 1/cm.

    Parameters
    ----------
    material : {"water", "soft tissue", "cortical bone"}
    energy : float, keV, 40 to 100

    Raises
    ------
    ValueError
        The energy lies outside 40 to 100 keV, the energies of the table.

    Examples
    --------
    >>> round(attenuation("water"), 4)
    0.1987
    """
    if not ENERGIES[0] <= energy <= ENERGIES[-1]:
        raise ValueError(f"energy is {energy} keV; the table goes from {ENERGIES[0]} to {ENERGIES[-1]} keV")
    logs = np.interp(np.log(energy), np.log(ENERGIES), np.log(MASS_ATTENUATION[material]))
    return float(np.exp(logs)) * DENSITIES[material]


# The values below are rounded, so that the last digits of NumPy's exp and log do not reach the films.
WATER = round(attenuation("water"), 4)
"""Linear attenuation of water, and so of an effusion, in 1/cm at 65 keV."""
SOFT = round(attenuation("soft tissue"), 4)
"""Linear attenuation of soft tissue, in 1/cm at 65 keV."""
BONE = round(attenuation("cortical bone"), 4)
"""Linear attenuation of cortical bone, in 1/cm at 65 keV."""
FAT = round(0.1974 * 0.95 * 0.1987 / 0.2059, 4)
"""Linear attenuation of adipose tissue, in 1/cm at 65 keV.

Its mass attenuation at 60 keV (0.1974 cm2/g) times its density (0.95 g/cm3), times the ratio of water's values at
65 and at 60 keV.
"""
AIR = 2e-4
"""Linear attenuation of air, in 1/cm at 65 keV."""
