"""One film: what is asked for, and what comes back with its truth."""

from dataclasses import dataclass

import numpy as np

from cxrlib.errors import InputError
from cxrlib.phantom.body.bones import bones, heads
from cxrlib.phantom.body.chest import CELLS, Cavity, chest_box, cross_wall, trace, trunk_chord
from cxrlib.phantom.body.devices import DEVICES, draw_devices
from cxrlib.phantom.body.fluid import MOST, POSTURES, SIDES, SQUEEZED, Filling, fill, space_ml, uneven, volumes_of
from cxrlib.phantom.body.heart import cardiothoracic_ratio, enlarge_heart, heart_shadow
from cxrlib.phantom.body.look_alikes import bowel_gas, opacities, soft_parts, with_look_alikes
from cxrlib.phantom.body.patient import Patient, draw_geometry, draw_patient, pushed
from cxrlib.phantom.body.vessels import airways, vessel_depth
from cxrlib.phantom.physics.detector import SITES, expose, mark
from cxrlib.phantom.physics.materials import AIR, FAT, SOFT, WATER
from cxrlib.phantom.physics.rays import Geometry, Rays, ellipsoid, path
from cxrlib.phantom.physics.texture import grain

FINDINGS = ("effusion", "cardiomegaly", "pneumothorax", "nodule")
SIZES = (32, 1024)
BAND = 1 << 21  # samples that are traced at a time: a few MB an array
SEEN = 0.1  # cm of fluid or gas along a ray count as inside its mask


@dataclass(frozen=True)
class Order:
    """What a film shows.

    Attributes
    ----------
    patient : int
    visit : int
    seed : int
    view : {"PA", "AP"}
    posture : {"upright", "semi-erect", "supine"}
    finding : {"effusion", "cardiomegaly", "pneumothorax", "nodule"}
    amount : float
        mL of fluid or gas; cardiothoracic ratio; or diameter in cm. 0 for none.
    side : {"right", "left", "both"}
    site : int
    devices : tuple of str
    """

    patient: int = 0
    visit: int = 0
    seed: int = 0
    view: str = "PA"
    posture: str = "upright"
    finding: str = "effusion"
    amount: float = 0.0
    side: str = "right"
    site: int = 0
    devices: tuple[str, ...] = ()

    def __post_init__(self):
        if self.view not in ("PA", "AP"):
            raise InputError(f"view is {self.view!r}; it must be PA or AP")
        if self.finding not in FINDINGS:
            raise InputError(f"finding is {self.finding!r}; it must be one of {', '.join(FINDINGS)}")
        for name in ("patient", "visit", "seed"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 0")
        if not 0 <= self.site < len(SITES):
            raise InputError(f"site is {self.site}; it must be 0 to {len(SITES) - 1}")
        if self.posture not in POSTURES:
            raise InputError(f"posture is {self.posture!r}; it must be one of {', '.join(POSTURES)}")
        sides = SIDES[:2] if self.finding == "nodule" else SIDES
        if self.side not in sides:
            raise InputError(f"side is {self.side!r}; it must be one of {', '.join(sides)}")
        unknown = set(self.devices) - {*DEVICES, "portable"}
        if unknown:
            raise InputError(f"device {sorted(unknown)[0]!r} is unknown; known are {', '.join(DEVICES)} and portable")
        if self.finding == "nodule" and self.amount > 15:
            raise InputError(f"a nodule of {self.amount:g} cm is asked for; it must be at most 15 cm")
        if not 0 <= self.amount < 1e5:
            raise InputError(f"amount is {self.amount}; it must lie between 0 and 100,000")


@dataclass(frozen=True)
class Film:
    """One film and its truth.

    Attributes
    ----------
    pixels : ndarray, (H, W), uint16 of 12 bits
        Dense bright, the patient's left on the right.
    attenuation : ndarray, (H, W), float32
        -ln T along each ray, before scatter, noise and look-up.
    mask : ndarray, (H, W), bool
        Where rays pass at least 1 mm of the fluid, the gas or the nodule. For
        cardiomegaly it is the heart's shadow, normal or not.
    lung, filled : ndarray, (H, W), float32, cm
        Way of each ray through lung, and through fluid or gas.
    volume_ml : float
        Of fluid or gas, as drawn.
    ctr : float
        Cardiothoracic ratio, as projected, to the pixel.
    geometry : Geometry
    seed : int
    """

    pixels: np.ndarray
    attenuation: np.ndarray
    mask: np.ndarray
    lung: np.ndarray
    filled: np.ndarray
    volume_ml: float
    ctr: float
    geometry: Geometry
    seed: int

    @property
    def image(self) -> np.ndarray:
        """The film as shown, 0 to 4095 as black to white: (H, W) float32 in [0, 1]."""
        return self.pixels / np.float32(4095)


def take_film(order: Order, *, size: int = 128) -> Film:
    """Take a film of a patient.

    Parameters
    ----------
    order : Order
    size : int, pixels

    Raises
    ------
    InputError
        More fluid than the patient's chest can hold, a nodule that finds no room, an
        impossible ratio or size.
    """
    if not SIZES[0] <= size <= SIZES[1]:
        raise InputError(f"size is {size}; it must be {SIZES[0]} to {SIZES[1]} pixels")
    patient, geometry = _stand(order)
    filling = None
    if order.amount and order.finding == "cardiomegaly":
        patient = enlarge_heart(patient, geometry, order.amount)
    elif order.amount and order.finding in ("effusion", "pneumothorax"):
        patient = pushed(patient, *_loads(order, order.amount))
        gas = order.finding == "pneumothorax"
        filling = fill(patient, geometry, order.amount, side=order.side, posture=order.posture, gas=gas)
    rays = geometry.cast(size)
    inner = cross_wall(rays, patient)
    lung, filled, squeezed, volume, density = _lungs(rays, patient, geometry, inner, filling)
    nodule = _nodule(rays, patient, order, lung)
    depth = _attenuation(rays, patient, geometry, inner, lung, filled, squeezed, filling, density)
    depth += nodule * np.float32(SOFT - patient.lung)
    depth += draw_devices(patient, geometry, order.devices, size)
    mask, ctr = filled > SEEN, cardiothoracic_ratio(rays, patient, inner)
    if order.finding == "nodule":
        mask = nodule > SEEN
    elif order.finding == "cardiomegaly":
        mask = heart_shadow(rays, patient)
    shown = expose(depth, patient.rng("exposure", stays=False), order.site, geometry)
    shown = mark(shown, patient.rng("markers", stays=False), order.site, portable="portable" in order.devices)
    return Film(shown, depth, mask, lung, filled, volume, ctr, geometry, order.seed)


def fitting_ml(order: Order) -> float:
    """Return the volume of an order, or as much of it as the patient's chest can hold.

    A space grows with what is in it, so the most is found by trying.
    """
    patient, geometry = _stand(order)
    volume = order.amount
    for _ in range(6):
        spaces = space_ml(pushed(patient, *_loads(order, volume)), geometry)
        most = 0.98 * MOST * (2 * min(spaces) if order.side == "both" else spaces[order.side == "left"])
        if volume <= most:
            break
        volume = most
    return volume


def _stand(order: Order) -> tuple[Patient, Geometry]:
    """Return the patient of an order as they stand, before the finding, and the geometry of the film."""
    patient = with_look_alikes(draw_patient(order.patient, visit=order.visit, seed=order.seed))
    return patient, draw_geometry(patient, order.view)


def _loads(order: Order, volume: float) -> list[float]:
    share = volume / (2 if order.side == "both" else 1)
    return [share if order.side in (name, "both") else 0.0 for name in ("right", "left")]


def _lungs(rays: Rays, patient: Patient, geometry: Geometry, inner: Cavity, filling: Filling | None):
    """Return ways (H, W) through lung, filling and squeezed lung, the mL drawn, and how much denser each lung is."""
    size = rays.x0.shape[0]
    lung, filled = np.zeros_like(rays.x0), np.zeros_like(rays.x0)
    density = np.ones_like(rays.x0)
    squeezed = np.zeros_like(lung)
    rough = uneven(patient, size) if filling else None
    volume = 0.0
    rows, across = chest_box(rays, patient, inner)
    step = max(1, BAND // (CELLS * (across.stop - across.start)))
    for start in range(rows.start, rows.stop, step):
        here = slice(start, min(start + step, rows.stop)), across
        band = rays[here]
        pleura = trace(band, patient, Cavity(inner.front[here], inner.back[here]))
        lung[here] = pleura.thickness(pleura.inside)
        if filling:
            excess = filling.excess(pleura, patient, rough[here])
            within = np.minimum(pleura.inside, excess)
            filled[here] = pleura.thickness(within)
            volume += sum(volumes_of(within, pleura, band, geometry))
            squeezed[here] = pleura.thickness(np.minimum(pleura.inside, excess + SQUEEZED)) - filled[here]
            shrunk = np.where(pleura.left[CELLS // 2], filling.shrunk[1], filling.shrunk[0])
            density[here] = (1 / np.maximum(shrunk, 0.3)).astype(np.float32)
    return lung - filled, filled, squeezed, volume, density


def _attenuation(rays, patient, geometry, inner, lung, filled, squeezed, filling, density) -> np.ndarray:
    """Return -ln T (H, W): the trunk as soft tissue, and what differs from it."""
    size = rays.x0.shape[0]
    outer = cross_wall(rays, patient, beyond=0.75)
    trunk = path(rays, trunk_chord(rays, patient))
    lean = path(rays, trunk_chord(rays, patient, less=patient.fat))
    x, z = rays.at(np.float32(0))
    # the line from neck to shoulder, and the neck above it
    line = np.float32(patient.apex + 4.0) - np.float32(0.42) * np.maximum(np.abs(x) - 4, 0)
    below = np.sqrt(np.clip((line - z) / np.float32(10), 0, 1))
    spread = np.float32(5.5) + np.float32(0.12) * np.clip(np.float32(patient.apex + 7) - z, 0, 6) ** 2
    neck = np.sqrt(np.clip(1 - (x / spread) ** 2, 0, 1)) * np.float32(15.5)
    torso = np.maximum(trunk * below, np.minimum(neck, trunk))
    fat = (trunk - lean) * below
    arms = np.maximum(heads(rays, patient) - torso, 0)
    total = np.float32(SOFT) * (torso + arms) + np.float32(FAT - SOFT) * fat
    rng = patient.rng("lung")
    texture = 1 + np.float32(0.05) * grain(rng, size, coarsest=12, octaves=4, fall=0.9)
    below_middle = 1 - np.float32(0.012) * z
    # a lung that has yielded is denser, for its tissue is the same: but fluid is all that it is not
    airless = np.minimum(
        opacities(rays, patient, lung) + np.float32(rng.uniform(0.1, 0.6)) * squeezed, np.float32(0.95) * lung
    )
    tissue = np.float32(patient.lung) * density * texture * below_middle
    total += (np.minimum(tissue, np.float32(SOFT)) - np.float32(SOFT)) * (lung - airless)
    if filling:
        total += np.float32((AIR if filling.gas else WATER) - SOFT) * filled
    aerated = lung / np.maximum(lung + filled, np.float32(0.1)) * np.clip(lung / 3, 0, 1)
    prominence = np.float32(rng.uniform(1.3, 2.8))
    total += vessel_depth(patient, geometry, size) * aerated * prominence * np.float32(SOFT - patient.lung)
    total -= airways(rays, patient) * np.float32(SOFT - AIR) * np.clip(torso / 8, 0, 1) * np.float32(0.6)
    total -= bowel_gas(rays, patient) * np.float32(SOFT)
    total += bones(rays, patient, geometry, inner, outer) * np.clip(torso + arms, 0, 4) / 4
    total += soft_parts(rays, patient)
    return np.maximum(total, np.float32(0.01))


def _nodule(rays: Rays, patient: Patient, order: Order, lung: np.ndarray) -> np.ndarray:
    """Return the way (H, W), in cm, through a round nodule somewhere in a lung."""
    if order.finding != "nodule" or not order.amount:
        return np.zeros_like(lung)
    rng, sign = patient.rng("nodule"), 1 if order.side == "left" else -1
    for _ in range(50):
        at = (
            sign * rng.uniform(0.35, 0.72) * patient.width,
            rng.uniform(-0.3, 0.4) * patient.depth,
            rng.uniform(patient.base + 6, patient.apex - 4),
        )
        way = path(rays, ellipsoid(rays, at, (order.amount / 2,) * 3)[1])
        if way.any() and (lung[way > 0] > way[way > 0]).mean() > 0.9:
            return way
    raise InputError(f"a nodule of {order.amount:g} cm finds no room in this patient's {order.side} lung")
