"""A thorax of linear attenuation coefficients in centimetres, one patient a seed.

Axes: x to the patient's left (the image's right), y to the back, z upwards; the
origin lies in the middle of the chest. Attenuation at 65 keV, in 1/cm, from
tabulated cross sections (NIST SRD 126, ICRU-44 compositions).
"""

from dataclasses import dataclass

import numpy as np

WATER, SOFT, FAT, BONE, LUNG, AIR = 0.1987, 0.2095, 0.183, 0.541, 0.05, 2e-4
FIELD = 37.0  # cm, side of the film's field
DEPTH = 26.0  # cm, from the front of the grid to its back


@dataclass(frozen=True)
class Thorax:
    """One patient at one inspiration.

    Attributes
    ----------
    mu : ndarray, (Z, Y, X), float32, 1/cm
        Z from the top of the film downwards, as rows are.
    right, left : ndarray, (Z, Y, X), bool
        The pleural spaces, lungs included.
    gap : ndarray, (Z, Y, X), float32, cm
        Distance inwards from the chest wall.
    x, y, z : ndarrays that broadcast to (Z, Y, X), cm
    """

    mu: np.ndarray
    right: np.ndarray
    left: np.ndarray
    gap: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in mL."""
        rows, layers, columns = self.mu.shape
        return (FIELD / rows) * (DEPTH / layers) * (FIELD / columns)


def build_thorax(patient: np.random.Generator, film: np.random.Generator, *, size: int, magnify: float) -> Thorax:
    """Build a patient's thorax.

    Parameters
    ----------
    patient, film : numpy Generators
        What stays with the patient, and what changes from film to film
        (inspiration, heart phase).
    size : int
        Rows and columns; the depth has a third as many layers.
    magnify : float
        Enlargement of what lies in front, as the heart on an AP film.
    """
    layers = max(16, size // 3)
    z = (FIELD / 2 - (np.arange(size, dtype=np.float32) + 0.5) * FIELD / size)[:, None, None]
    y = ((np.arange(layers, dtype=np.float32) + 0.5) * DEPTH / layers - DEPTH / 2)[None, :, None]
    x = ((np.arange(size, dtype=np.float32) + 0.5) * FIELD / size - FIELD / 2)[None, None, :]

    build = patient.uniform(0.88, 1.1)
    width = 13.6 * build * patient.uniform(0.95, 1.05)  # inner half-width of the chest
    depth = width * patient.uniform(0.64, 0.78)  # AP to transverse about 5:7
    wall, fat = patient.uniform(1.2, 2.2), patient.gamma(2.0, 0.7) + 0.4
    apex = 14.5 * build
    base = -11.0 * build + film.normal(0, 1.0)  # height of the domes: inspiration

    # the chest narrows towards the apex
    up = np.clip((z - base) / (apex - base), 0, 1)
    taper = np.sqrt(np.clip(1 - up**3, 0.02, 1)) * (1 - 0.12 * up)
    radius = np.sqrt((x / (width * taper)) ** 2 + (y / (depth * taper)) ** 2)
    gap = (1 - radius) * width * taper * 0.85
    trunk = np.sqrt((x / (width + wall)) ** 2 + (y / (depth + wall)) ** 2)
    shoulders = 1 + 0.55 / (1 + np.exp(-(z - apex + 3) / 1.5))
    trunk = trunk / shoulders
    mu = np.where(trunk < 1, np.float32(SOFT), np.float32(AIR))
    skin = 1 + fat / width
    mu = np.where((trunk >= 1) & (trunk < skin), np.float32(FAT), mu)

    # two domes, the right one higher
    raised = patient.uniform(1, 2) + (patient.gamma(2, 0.8) if patient.random() < 0.12 else 0)
    dome = np.where(x < 0, base + raised, base) + film.normal(0, 0.2)
    dome = dome + 3.6 - 0.045 * (np.abs(x) - 0.5 * width) ** 2 - 0.045 * (y + 1.5) ** 2
    middle = 2.4 + 0.9 * np.exp(-(((z - 5) / 5) ** 2))
    cavity = (radius < 1) & (z > dome) & (z < apex)
    heart_size = patient.uniform(0.82, 1.25) * magnify
    hx, hz = 2.4 + patient.normal(0, 0.4), base + 6.2
    tilt = 0.55
    along, across = (x - hx) * np.cos(tilt) - (z - hz) * np.sin(tilt), (x - hx) * np.sin(tilt) + (z - hz) * np.cos(tilt)
    heart = (along / 6.8) ** 2 + (across / 5.0) ** 2 + ((y + 2.5) / 4.5) ** 2 < heart_size**2
    knob = ((x - 2.6) / 1.9) ** 2 + ((z - 5.5) / 1.9) ** 2 < 1
    hila = (((np.abs(x) - 3.6) / 1.8) ** 2 + ((z - 1.5) / 2.6) ** 2 + (y / 3) ** 2) < 1
    inside = cavity & (np.abs(x) > middle) & ~heart & ~(knob & (np.abs(y) < 4))
    mu = np.where(inside, np.float32(LUNG * patient.uniform(0.75, 1.1)), mu)
    mu = np.where(inside & hila, np.float32(0.10), mu)
    mu = _patchy(mu, inside, patient, film, x, y, z)

    # bones: ribs slope down to the front and wrap around the cavity
    spacing, slope = 2.5 * build, patient.uniform(0.25, 0.5)
    phase = ((z + slope * (y - depth)) / spacing + patient.random()) % 1.0
    shell = (gap > -0.9) & (gap < 0.05) & (z > base - 6)
    density = patient.uniform(0.5, 1.0)
    mu = np.where(shell & (phase < 0.42), np.float32(SOFT + density * 0.16), mu)
    spine = (x / 1.9) ** 2 + ((y - depth * 0.78) / 1.8) ** 2 < 1
    disc = ((z + 40) / 2.4) % 1.0 < 0.2
    mu = np.where(spine & ~disc, np.float32(SOFT + density * 0.12), mu)
    clavicle = np.abs(z - (apex - 2.6 + 0.18 * np.abs(x) - 0.4)) < 0.6
    mu = np.where(
        clavicle & (np.abs(y + depth * 0.75) < 1.2) & (np.abs(x) > 1.5) & (np.abs(x) < width), SOFT + 0.15, mu
    )
    trachea = ((x - 0.3) / 0.9) ** 2 + (y / 0.9) ** 2 < 1
    mu = np.where(trachea & (z > 3.5), np.float32(AIR), mu)
    bubble = ((x - 6) / 2.4) ** 2 + ((z - base + 1.5) / 1.4) ** 2 + ((y + 1) / 3) ** 2 < 1
    mu = np.where(bubble & ~cavity & (patient.random() < 0.7), np.float32(AIR), mu)
    if patient.random() < 0.5:
        mu = mu + _breasts(patient, x, y, z, width, depth, base)
    return Thorax(mu.astype(np.float32), inside & (x < 0), inside & (x > 0), gap, x, y, z)


def _patchy(mu, inside, patient, film, x, y, z):
    """Add round opacities that are no effusion, in both classes; some stay with the patient."""
    for rng, chance in ((patient, 0.25), (film, 0.25)):
        while rng.random() < chance:
            cx, cy, cz = rng.uniform(-11, 11), rng.uniform(-6, 6), rng.uniform(-9, 8)
            wide = rng.uniform(1.0, 3.5)
            blob = np.exp(-(((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2) / (2 * wide**2)))
            mu = mu + np.where(inside, rng.uniform(0.04, 0.14) * blob, 0)
    return mu


def _breasts(patient, x, y, z, width, depth, base):
    thick = patient.uniform(1.5, 4.5)
    cz, spread = base + patient.uniform(3, 7), patient.uniform(4, 5.5)
    reach = np.clip(1 - ((np.abs(x) - width * 0.55) / spread) ** 2 - ((z - cz) / spread) ** 2, 0, 1)
    front = np.abs(y + depth + 2) < thick * reach / 2
    return np.where(front, np.float32(FAT), np.float32(0))
