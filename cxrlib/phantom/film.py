"""One film: the order that describes it, and the film with its truth."""

from dataclasses import dataclass

import cv2
import numpy as np

from cxrlib.errors import InputError
from cxrlib.phantom.body import bones, chest, fluid, heart, look_alikes, trunk, vessels
from cxrlib.phantom.body.devices import DEVICES, draw_devices
from cxrlib.phantom.body.patient import Patient, displace, draw_geometry, draw_patient
from cxrlib.phantom.physics.detector import SITES, burn_in_markers, expose, frame
from cxrlib.phantom.physics.materials import AIR, BEAM, BONE, ENERGIES, FAT, SOFT, WATER
from cxrlib.phantom.physics.materials import attenuation as linear_attenuation
from cxrlib.phantom.physics.rays import Geometry, Rays, ellipsoid, path_length
from cxrlib.phantom.physics.texture import grain

FINDINGS = ("effusion", "cardiomegaly", "pneumothorax", "nodule")
MIN_SIZE, MAX_SIZE = 32, 1024
"""Pixels along a side of a film."""

MIN_VISIBLE = 0.1
"""Centimetres along a ray from which fluid, gas or a nodule belongs to the mask."""

MAX_NODULE = 15
"""Centimetres. Chosen: a lung hardly has space for so large a nodule."""

FEWEST_RAYS = 96  # a side, on films that are not smaller; large films have half as many as pixels
BAND = 1 << 21  # samples that are traced at a time, so that an array needs a few MB
MIN_ATTENUATION = 0.01  # of every ray: also beside the patient, and where rounding would give less than 0


@dataclass(frozen=True)
class Order:
    """What a film shows.

    Attributes
    ----------
    patient, visit, seed : int
        The same three numbers give the same patient with the same depth of breath.
    view : {"PA", "AP"}
    posture : {"upright", "semi-erect", "supine"}
    finding : {"effusion", "cardiomegaly", "pneumothorax", "nodule"}
    amount : float
        Fluid or gas in mL, the cardiothoracic ratio, or the diameter of the nodule in
        cm. 0 for no finding.
    side : {"right", "left", "both"}
        A nodule is on one side.
    site : int
        0, 1 or 2: the hospital. It decides the scatter grid and the look-up curve.
    sick : bool
        Whether lungs and heart show other diseases: see `cxrlib.phantom.body.look_alikes`.
    devices : tuple of str
        Out of "leads", "tube", "line", "port", "pacemaker", "drain" and "portable".
    energy : float, keV
        Of the beam, 40 to 100. At a lower energy bones stand out more from soft tissue.

    Raises
    ------
    InputError
        An attribute has a value that is not allowed.
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
    sick: bool = False
    devices: tuple[str, ...] = ()
    energy: float = BEAM

    def __post_init__(self) -> None:
        sides = ("right", "left") if self.finding == "nodule" else fluid.SIDES
        choices = {"view": ("PA", "AP"), "finding": FINDINGS, "posture": tuple(fluid.POSTURES), "side": sides}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(allowed)}")
        for name, limit in {"patient": 2**32, "visit": 2**32 - 1, "seed": 2**32}.items():
            if not 0 <= getattr(self, name) < limit:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 0 and below {limit:,}")
        if not 0 <= self.site < len(SITES):
            raise InputError(f"site is {self.site}; it must be 0 to {len(SITES) - 1}")
        unknown = set(self.devices) - {*DEVICES, "portable"}
        if unknown:
            raise InputError(f"device {min(unknown)!r} is unknown; it must be one of {', '.join(DEVICES)}, portable")
        if self.finding == "nodule" and self.amount > MAX_NODULE:
            raise InputError(f"a nodule of {self.amount:g} cm is asked for; it must be at most {MAX_NODULE} cm")
        if not ENERGIES[0] <= self.energy <= ENERGIES[-1]:
            raise InputError(f"energy is {self.energy} keV; it must lie between {ENERGIES[0]} and {ENERGIES[-1]} keV")
        if not 0 <= self.amount < 1e5:
            raise InputError(f"amount is {self.amount}; it must lie between 0 and 100,000")


@dataclass(frozen=True)
class Film:
    """One film and its truth.

    Attributes
    ----------
    pixels : ndarray, (H, W), uint16 of 12 bits
        Dense is bright. The patient's left is on the right.
    attenuation : ndarray, (H, W), float32
        -ln T along each ray, where T is the transmission: before scatter, noise and
        look-up curve.
    mask : ndarray, (H, W), bool
        Where rays pass through at least 1 mm of the fluid, the gas or the nodule. For
        cardiomegaly it is the heart's shadow, normal or not.
    lung, filled : ndarray, (H, W), float32, cm
        Path length of each ray through lung, and through fluid or gas.
    volume_ml : float
        Fluid or gas in mL, as drawn.
    ctr : float
        Cardiothoracic ratio on the film, to the pixel.
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
        """The film as shown: (H, W), float32 in [0, 1], where 0 is black and 4095 is white."""
        return self.pixels / np.float32(4095)


@dataclass(frozen=True)
class _Lungs:
    """What the rays meet in the pleural spaces.

    Attributes
    ----------
    lung, filled, squeezed : ndarray, (H, W), float32, cm
        Path lengths through lung, through fluid or gas, and through the lung that the filling presses airless.
    density : ndarray, (H, W), float32
        Density of the lung, divided by its density without the filling.
    gas : bool
        Whether the filling is gas.
    volume_ml : float
        Volume of the filling, summed along the rays.
    """

    lung: np.ndarray
    filled: np.ndarray
    squeezed: np.ndarray
    density: np.ndarray
    gas: bool
    volume_ml: float


def take_film(order: Order, *, size: int = 128) -> Film:
    """Take a film of a patient.

    Parameters
    ----------
    order : Order
    size : int, pixels
        32 to 1024.

    Returns
    -------
    Film
        The same order gives the same film on every processor that was tried.

    Raises
    ------
    InputError
        The patient's chest cannot hold the volume or the nodule, or the
        cardiothoracic ratio or the size is out of range.

    Examples
    --------
    >>> film = take_film(Order(patient=3, amount=500.0, side="left"), size=64)
    >>> film.pixels.shape, round(film.volume_ml, -2)
    ((64, 64), 500.0)
    """
    check_size(size)
    patient, geometry = _pose(order)
    filling = None
    if order.amount and order.finding == "cardiomegaly":
        patient = heart.enlarge_heart(patient, geometry, order.amount)
    elif order.amount and order.finding in ("effusion", "pneumothorax"):
        patient = displace(patient, *fluid.split_volume(order.amount, order.side))
        gas = order.finding == "pneumothorax"
        filling = fluid.fill(patient, geometry, order.amount, side=order.side, posture=order.posture, gas=gas)
    # no edge inside the body is sharper than the blur of the detector, so fewer rays than pixels will do
    rays = geometry.cast(min(size, max(FEWEST_RAYS, size // 2)))
    inner = chest.cross_wall(rays, patient)
    lungs = _trace_lungs(rays, patient, geometry, inner, filling)
    nodule = _nodule_thickness(rays, patient, order, lungs.lung)
    smooth, body, aerated = _trace_body(rays, patient, geometry, lungs, sick=order.sick)
    smooth += nodule * (SOFT - patient.lung_attenuation)
    maps = (smooth, body, aerated, lungs.lung, lungs.filled, nodule)
    smooth, body, aerated, lung, filled, nodule = (_enlarge(array, size) for array in maps)
    attenuation = smooth + _fine_attenuation(patient, geometry, body, aerated)
    if order.energy != BEAM:
        attenuation = _at_energy(attenuation, _bone_attenuation(patient, geometry, body), order.energy)
    attenuation += draw_devices(patient, geometry, order.devices, size)
    np.maximum(attenuation, MIN_ATTENUATION, out=attenuation)
    if order.finding == "cardiomegaly":
        mask = heart.heart_shadow(geometry.cast(size), patient)
    else:
        mask = (nodule if order.finding == "nodule" else filled) > MIN_VISIBLE
    shown = expose(attenuation, patient.rng("exposure", same_every_visit=False), order.site, geometry)
    shown = frame(shown, patient.rng("frame", same_every_visit=False), order.view)
    markers = patient.rng("markers", same_every_visit=False)
    pixels = burn_in_markers(shown, markers, order.site, portable="portable" in order.devices, posture=order.posture)
    ctr = heart.cardiothoracic_ratio(rays, patient, inner)
    return Film(pixels, attenuation, mask, lung, filled, lungs.volume_ml, ctr, geometry, order.seed)


def _enlarge(array: np.ndarray, size: int) -> np.ndarray:
    """Return an array (H, H) enlarged to (size, size)."""
    return array if len(array) == size else cv2.resize(array, (size, size), interpolation=cv2.INTER_LINEAR)


def check_size(size: int) -> None:
    """Raise InputError if films cannot have this size in pixels."""
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise InputError(f"size is {size}; it must be {MIN_SIZE} to {MAX_SIZE} pixels")


def fit_volume(order: Order) -> float:
    """Return the volume of an order in mL, or the largest that the patient's chest can hold if that is less."""
    patient, geometry = _pose(order)
    volume = order.amount
    for _ in range(6):  # fluid moves heart and dome, so a larger volume makes a larger space: approach from above
        right, left = fluid.pleural_space_ml(displace(patient, *fluid.split_volume(volume, order.side)), geometry)
        space = {"right": right, "left": left, "both": 2 * min(right, left)}[order.side]
        largest = 0.98 * fluid.MAX_FILLED * space  # 2 % less than `fill` accepts
        if volume <= largest:
            break
        volume = largest
    return volume


def _pose(order: Order) -> tuple[Patient, Geometry]:
    """Return an order's patient, with look-alikes but without the finding, and the geometry of the film."""
    patient = look_alikes.with_look_alikes(
        draw_patient(order.patient, visit=order.visit, seed=order.seed, view=order.view)
    )
    return patient, draw_geometry(patient, order.view)


def _trace_lungs(
    rays: Rays, patient: Patient, geometry: Geometry, inner: chest.Cavity, filling: fluid.Filling | None
) -> _Lungs:
    size = rays.x0.shape[0]
    lung, filled, squeezed = np.zeros((3, size, size), np.float32)
    density = np.ones((size, size), np.float32)
    unevenness = fluid.draw_unevenness(patient, size) if filling else np.zeros_like(density)
    volume = 0.0
    rows, columns = chest.chest_box(rays, patient, inner)
    step = max(1, BAND // (chest.CELLS * (columns.stop - columns.start)))
    for start in range(rows.start, rows.stop, step):
        part = slice(start, min(start + step, rows.stop)), columns
        band = rays[part]
        pleura = chest.trace_pleura(band, patient, inner[part])
        lung[part] = pleura.thickness(pleura.inside)
        if filling:
            excess = filling.excess(pleura, patient, unevenness[part])
            within = np.minimum(pleura.inside, excess)
            filled[part] = pleura.thickness(within)
            volume += sum(fluid.filled_ml(within, pleura, band, geometry))
            squeezed[part] = pleura.thickness(np.minimum(pleura.inside, excess + fluid.AIRLESS)) - filled[part]
            # a lung that is compressed has as much tissue in less volume, so its density is divided by the fraction
            # of the volume that is left; the sample in mid-chest tells which lung a ray crosses
            right, left = filling.lung_fractions
            fraction = np.where(pleura.left[chest.CELLS // 2], left, right)
            density[part] = (1 / np.maximum(fraction, 0.3)).astype(np.float32)
    gas = filling is not None and filling.gas
    return _Lungs(lung - filled, filled, squeezed, density, gas, volume)


def _trace_body(
    rays: Rays, patient: Patient, geometry: Geometry, lungs: _Lungs, *, sick: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what the rays meet in the body, without vessels and bones, which are drawn.

    Returns
    -------
    attenuation : ndarray, (H, W)
        -ln T: the body as soft tissue, and the difference of all other tissues from it.
    body : ndarray, (H, W), cm
        Path length through the body.
    aerated : ndarray, (H, W), in [0, 1]
        How well vessels show: only where there is lung around them, and less where the lung is thin.
    """
    body = trunk.body_thickness(rays, patient, geometry.view)
    total = SOFT * body + (FAT - SOFT) * trunk.fat_thickness(patient, body)
    total += _lung_attenuation(rays, patient, lungs, sick=sick)
    total += ((AIR if lungs.gas else WATER) - SOFT) * lungs.filled
    total -= look_alikes.bowel_gas_thickness(rays, patient, geometry.view) * SOFT
    total += look_alikes.soft_tissue_attenuation(rays, patient, geometry.view)
    thin = np.clip(lungs.lung / 10, 0, 1)
    aerated = lungs.lung / np.maximum(lungs.lung + lungs.filled, 0.1) * thin * thin
    return total, body, aerated


def _fine_attenuation(patient: Patient, geometry: Geometry, body: np.ndarray, aerated: np.ndarray) -> np.ndarray:
    """Return what vessels, airways and bones add (H, W) to -ln T. The arguments are as `_trace_body` returns them."""
    size = len(body)
    prominence = patient.rng("vessels' prominence").uniform(1.3, 2.6)  # patients differ in it
    total = vessels.vessel_thickness(patient, geometry, size) * aerated
    total *= np.float32(prominence * (SOFT - patient.lung_attenuation))
    total -= vessels.airway_thickness(patient, geometry, size) * (SOFT - AIR) * np.clip(body / 8, 0, 1)
    total += _bone_attenuation(patient, geometry, body)
    return total


def _bone_attenuation(patient: Patient, geometry: Geometry, body: np.ndarray) -> np.ndarray:
    """Return what bones add (H, W) to -ln T: none outside the body."""
    return bones.bone_attenuation(patient, geometry, len(body)) * np.clip(body / 4, 0, 1)


def _at_energy(attenuation: np.ndarray, bone: np.ndarray, energy: float) -> np.ndarray:
    """Return -ln T (H, W) at another energy than that of the beam. `bone` is what bones add to it.

    All but bone changes as soft tissue does. For water this is right to 1 %; for fat it is less exact.
    """
    soft, hard = linear_attenuation("soft tissue", energy), linear_attenuation("cortical bone", energy)
    other = (attenuation - bone) * np.float32(soft / SOFT)
    return other + bone * np.float32((hard - soft) / (BONE - SOFT))


def _lung_attenuation(rays: Rays, patient: Patient, lungs: _Lungs, *, sick: bool) -> np.ndarray:
    """Return -ln T of the lung minus -ln T of the same thickness of soft tissue: (H, W), below 0."""
    rng = patient.rng("lung")
    _, z = rays.at_depth(0.0)
    texture = 1 + 0.05 * grain(rng, rays.x0.shape[0], coarsest=12, octaves=4, persistence=0.9)
    downwards = 1 - 0.012 * z  # the lung is denser towards its base, by 1.2 % for each cm (by eye)
    squeezed_fraction = rng.uniform(0.1, 0.6)  # of the lung near the fluid that holds no air
    airless = look_alikes.airless_thickness(rays, patient, lungs.lung, sick=sick) + squeezed_fraction * lungs.squeezed
    airless = np.minimum(airless, 0.95 * lungs.lung)
    tissue = patient.lung_attenuation * lungs.density * texture * downwards
    return (np.minimum(tissue, SOFT) - SOFT) * (lungs.lung - airless)


def _nodule_thickness(rays: Rays, patient: Patient, order: Order, lung: np.ndarray) -> np.ndarray:
    """Return the path length (H, W), in cm, through a round nodule somewhere in a lung.

    Raises
    ------
    InputError
        No place is found for the nodule.
    """
    if order.finding != "nodule" or not order.amount:
        return np.zeros_like(lung)
    rng, sign = patient.rng("nodule"), 1 if order.side == "left" else -1
    for _ in range(50):  # tries, until nine tenths of its rays pass through more lung than nodule
        centre = (
            sign * rng.uniform(0.35, 0.72) * patient.width,
            rng.uniform(-0.3, 0.4) * patient.depth,
            rng.uniform(patient.base + 6, patient.apex - 4),
        )
        nodule = path_length(rays, ellipsoid(rays, centre, (order.amount / 2,) * 3))
        if nodule.any() and (lung[nodule > 0] > nodule[nodule > 0]).mean() > 0.9:
            return nodule
    raise InputError(f"a nodule of {order.amount:g} cm finds no place in this patient's {order.side} lung")
