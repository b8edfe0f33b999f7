"""The patient in front of the detector: one number and one seed give one patient, at any number of visits.

Build, bones and heart are the same at every visit: they are drawn from one stream of
random numbers. Breath and framing differ between visits: they are drawn from a second
stream. So one patient can be imaged several times. Lengths are in cm: x to the patient's left, y
to the back, z upwards. The ranges are chosen by this project within what anatomy
allows. Where a range has a source, a comment names it.
"""

from dataclasses import dataclass, replace
from math import exp, log

import numpy as np

from cxrlib.phantom.physics.rays import Geometry

PA_DISTANCE = 183.0
"""Centimetres from source to detector on a PA film; the median of 7,469 headers of Open-i is 182.5."""
AP_DISTANCES = (127.0, 152.0)
"""Centimetres from source to detector on an AP film with a mobile unit."""

DETECTORS = {
    "PA": ((0.50, 42.7, 1.0), (0.32, 35.0, 1.22), (0.18, 42.7, 0.82)),
    "AP": ((0.06, 42.7, 1.0), (0.94, 35.0, 1.22)),
}
"""The detectors of a view: probability, height in cm, width over height.

Most originals of ChestX-ray14 have 2992 x 2991, 2500 x 2048 or 2048 x 2500 pixels of 0.14 to 0.17 mm. NIH squeezed each
into a square, and so are the films here. The probabilities are near those of the 794 originals at hand.
"""

TYPICAL_TLC = 6.9
"""Total lung capacity, in L, of a man of 45 years and 176 cm. The shapes of the chest are written down for him."""

ADULT_HEIGHTS = {"F": (163.0, 6.5), "M": (176.0, 7.0)}
"""Mean and standard deviation of the height, in cm."""

CHILD_PROBABILITY = 0.10
"""A tenth of the real films at hand are of people under 18. The youngest patient here is 5 years old."""

CHILD_HEIGHTS = {"F": (108, 128, 145, 160, 163), "M": (109, 128, 144, 164, 175)}
"""Heights in cm at 5, 8, 11, 14 and 17 years: medians of the CDC growth charts (2000), rounded."""

TAKEN_UP_ML = 500
"""Millilitres of fluid or gas that a lung makes way for by itself, before anything else moves."""

MAX_SHIFT = 4.0
"""Centimetres by which the mediastinum moves at most: the lung and the ribs of the opposite side resist."""

RIBS_GIVE = 0.6
"""Centimetres by which the ribs of a side move outwards for each litre beyond `TAKEN_UP_ML`. Chosen."""


def total_lung_capacity(sex: str, age: float, height: float) -> float:
    """Return the median total lung capacity, in L.

    Parameters
    ----------
    sex : {"F", "M"}
    age : float, years
    height : float, cm

    Notes
    -----
    The reference values of the Global Lung Function Initiative (Hall et al., Eur Respir J 2021;57:2000289).

    Examples
    --------
    >>> round(total_lung_capacity("M", 45, 176), 1), round(total_lung_capacity("F", 45, 163), 1)
    (6.9, 5.1)
    """
    a, b, c = (-10.1128, 0.1062, 2.2259) if sex == "F" else (-10.5861, 0.1433, 2.3155)
    return exp(a + b * log(age) + c * log(height))


@dataclass(frozen=True)
class Patient:
    """One patient at one visit, without any finding.

    Attributes
    ----------
    number, visit, seed : int
        The three numbers that the patient is drawn from.
    sex : {"F", "M"}
    age : int, years
    height : float, cm
    scale : float
        Size of the chest over that of a man with a total lung capacity of `TYPICAL_TLC`.
    width, depth : float, cm
        Half-axes of the chest cavity where it is widest: about 7:5.
    middle : float, cm
        Where the middle of the cavity lies, to the patient's left. It moves if the ribs of one side give way.
    apex, base : float, cm
        Heights of the top of the lungs and of the lateral costophrenic angle.
    domes : (right, left), cm
        Heights of the diaphragm's domes above `base`. The right one is 1 to 2 cm
        higher, unless the left one is raised.
    rim_slope : float
        Fall of the rim of the diaphragm, in cm for each cm towards the back.
    muscle, fat : float, cm
        Thicknesses in front and behind.
    breast : float, cm
        Thickness of a breast; 0 for none.
    flank : float, cm
        Thickness of the wall at the sides, with the muscles of back and armpit.
    heart : (x, y, z), cm
        Semi-axes. The first one points to the left and down, at the angle `heart_lean`.
    heart_lean : float, radians
        Angle of the heart's first axis below the horizontal.
    mediastinum : float, cm
        Half-width between the lungs.
    lung_attenuation : float, 1/cm
        Linear attenuation of the inflated lung.
    bone_density : float
        Mineral of the bones: 1 is dense.
    rib_spacing : float, cm
        From one rib to the next.
    rib_slope : float
        Fall of the ribs, in cm for each cm towards the front.
    recoil_pressure : float, cm of water
        Pressure at which the lung gives way.
    half_yield : float, cm
        How far the lung has yielded at half of `recoil_pressure`.
    compliance : float, cm/L
        Shift of the mediastinum for each litre of fluid beyond the first half litre.
    shift : float, cm
        Position of the mediastinum, to the patient's left.
    pleural_thickening : (right, left), cm
        Thickness of a thickened pleura.
    fat_pads : (right, left), cm
        Radius of the fat beside the heart.
    """

    number: int
    visit: int
    seed: int
    sex: str
    age: int
    height: float
    scale: float
    width: float
    depth: float
    apex: float
    base: float
    domes: tuple[float, float]
    rim_slope: float
    muscle: float
    flank: float
    fat: float
    breast: float
    heart: tuple[float, float, float]
    heart_lean: float
    mediastinum: float
    lung_attenuation: float
    bone_density: float
    rib_spacing: float
    rib_slope: float
    recoil_pressure: float
    half_yield: float
    compliance: float
    middle: float = 0.0
    shift: float = 0.0
    pleural_thickening: tuple[float, float] = (0.0, 0.0)
    fat_pads: tuple[float, float] = (0.0, 0.0)

    def rng(self, purpose: str, *, same_every_visit: bool = True) -> np.random.Generator:
        """Return a stream of random numbers for one purpose.

        Parameters
        ----------
        purpose : str
            Part of the seed, so a different string gives different films. The strings in
            use stay, even where the code now uses a different name.
        same_every_visit : bool
            Whether the stream is the same at every visit of the patient.
        """
        return _stream(self.seed, self.number, 0 if same_every_visit else 1 + self.visit, purpose)

    @property
    def heart_centre(self) -> tuple[float, float, float]:
        """(x, y, z) of the heart's middle, in cm. The heart rests on the lower dome of the diaphragm."""
        return (
            0.36 * self.heart[0] + self.shift,
            -0.25 * self.depth,
            self.base + 0.75 * min(self.domes) + 0.75 * self.heart[2],
        )


def _stream(seed: int, number: int, visit: int, purpose: str) -> np.random.Generator:
    # as an array: NumPy would convert a list number by number, which takes longer than all else here
    return np.random.default_rng(np.array([seed, number, visit, *purpose.encode()], np.uint32))


def draw_patient(number: int, *, visit: int = 0, seed: int = 0, view: str = "PA") -> Patient:
    """Draw a patient at a visit.

    Parameters
    ----------
    number, visit, seed : int
        The same three numbers give the same patient with the same depth of breath.
    view : {"PA", "AP"}
        At the bedside (AP) the breath is shallower.

    Returns
    -------
    Patient
    """
    patient_rng, visit_rng = _stream(seed, number, 0, "patient"), _stream(seed, number, 1 + visit, "patient")
    # near ChestX-ray14, where 48,780 of 112,120 films are of women (43.5 %) and the median age is 49
    sex = "F" if patient_rng.random() < 0.45 else "M"
    mean, spread = ADULT_HEIGHTS[sex]
    age, height = int(np.clip(patient_rng.normal(50, 16), 18, 95)), patient_rng.normal(mean, spread)
    if patient_rng.random() < CHILD_PROBABILITY:
        age = int(patient_rng.integers(5, 18))
        height *= float(np.interp(age, (5, 8, 11, 14, 17), CHILD_HEIGHTS[sex])) / mean
    female, old = sex == "F", np.clip((age - 40) / 50, 0, 1)
    grown = float(np.clip((height - 100) / 60, 0.3, 1))  # of muscle, fat and breasts
    habitus = float(np.clip(patient_rng.gamma(3.0, 0.33), 0.15, 3.5)) * grown  # 1 is average, more is stout
    capacity = total_lung_capacity(sex, min(age, 80), height) * exp(patient_rng.normal(0, 0.11))
    scale = float((capacity / TYPICAL_TLC) ** (1 / 3))
    broad = exp(patient_rng.normal(0, 0.05))  # a broad chest is short
    flat = float(np.clip(patient_rng.normal(0.74, 0.05) + 0.04 * old, 0.58, 0.85))  # AP to transverse: about 5:7
    width = 14.4 * scale * broad * (0.73 / flat) ** 0.5
    depth = width * flat
    full = 30.5 * scale / broad  # from base to apex, in full inspiration
    # cm by which the base stays above that of full inspiration; a quarter of the films catch a shallow breath
    shallow = visit_rng.uniform(0.0, 1.8) + visit_rng.uniform(1.5, 4.0) * (visit_rng.random() < 0.25)
    bedside = visit_rng.uniform(2.5, 8.5) + 0.8 * habitus
    lost = scale * (shallow + (bedside if view == "AP" else 0.0) + 0.3 * max(habitus - 1, 0))
    lost = min(lost, 0.3 * full)
    right = scale * np.clip(patient_rng.normal(4.5, 0.6), 3.0, 6.5) + 0.12 * lost
    drop = patient_rng.uniform(1.0, 2.0)  # the right dome is 1 to 2 cm above the left
    left = right - drop * min(scale, 1)
    if patient_rng.random() < 0.10:  # a raised hemidiaphragm, on either side
        lift = patient_rng.uniform(1.5, 4.0) * scale
        right, left = (right + lift, left) if patient_rng.random() < 0.6 else (right, left + lift)
    bulk = 1.01 * scale * exp(patient_rng.normal(0.0, 0.06)) * (1 + 0.07 * old)
    # the order of the draws below is part of the films: keep it
    return Patient(
        number=number,
        visit=visit,
        seed=seed,
        sex=sex,
        age=age,
        height=float(height),
        scale=scale,
        width=float(width),
        depth=float(depth),
        apex=float(full / 2),
        base=float(-full / 2 + lost),
        domes=(float(right), float(max(left, 1.5 * scale))),
        rim_slope=float(patient_rng.uniform(0.32, 0.46)),
        muscle=float((0.9 if female else 1.2) * patient_rng.uniform(0.8, 1.3) * grown),
        flank=float(patient_rng.uniform(2.0, 3.0) * scale + 1.0 * habitus),
        fat=float(0.9 * habitus),
        breast=float((patient_rng.uniform(1.5, 4.5) + 1.2 * habitus) if female and age > 13 else 0.0),
        heart=(float(6.5 * bulk), float(6.0 * bulk), float(4.8 * bulk * patient_rng.normal(1, 0.04))),
        heart_lean=float(patient_rng.uniform(0.50, 0.85)),
        mediastinum=float(1.9 * scale * patient_rng.uniform(0.8, 1.25)),
        # inflated lung: 0.04 to 0.06 in the tables; less air at a shallow breath
        lung_attenuation=float(np.clip(0.042 * exp(patient_rng.normal(0, 0.13)) * (1 + 0.03 * lost), 0.03, 0.08)),
        bone_density=float(np.clip(patient_rng.normal(0.9, 0.13) - 0.25 * old, 0.4, 1.2)),
        rib_spacing=float(2.6 * scale * patient_rng.uniform(0.94, 1.08)),
        rib_slope=float(patient_rng.uniform(0.42, 0.72)),
        recoil_pressure=float(exp(patient_rng.normal(1.8, 0.3))),
        half_yield=float(exp(patient_rng.normal(0.4, 0.4))),
        compliance=float(patient_rng.uniform(0.7, 1.5)),
    )


def draw_geometry(patient: Patient, view: str) -> Geometry:
    """Draw the positions of source, patient and detector for one film. They differ from film to film.

    Parameters
    ----------
    patient : Patient
        At the visit of the film.
    view : {"PA", "AP"}
        AP films are taken at the bedside: nearer, and less well aligned.

    Returns
    -------
    Geometry
    """
    rng = patient.rng("geometry", same_every_visit=False)
    portable = view == "AP"
    chest_wall = patient.depth + patient.muscle + patient.fat
    spread = 1.8 if portable else 1.0  # of the errors of position
    probabilities, heights, aspects = zip(*DETECTORS[view], strict=True)
    kind = int(np.searchsorted(np.cumsum(probabilities), rng.random()))
    # the beam is narrowed to a small patient, and some films are trimmed a little
    part = min(1.0, rng.uniform(1.5, 1.8) * 2 * patient.width / 42.7) * rng.uniform(0.84, 1.0)
    field, aspect = heights[kind] * part, aspects[kind]
    lungs, magnified = patient.apex - patient.base, 1.17 if portable else 1.08
    if field < magnified * (lungs + 4 * patient.scale):  # the lungs would not fit on it
        field, aspect = max(42.7 * part, min(42.7, magnified * (lungs + 6 * patient.scale))), 1.0
    # the upper edge of the film lies a few cm above the lungs, and the angles below are seldom cut off
    above = (rng.uniform(0.5, 9.0) + (rng.uniform(0, 6) if portable else 0)) * patient.scale
    # one film in eight is taken too high
    below = rng.uniform(0.0, 5.0) * patient.scale - (5.0 if rng.random() < 0.12 else 0.0)
    above = max(min(above, field / magnified - lungs - below), 0.0)
    middle = patient.apex + above - field / magnified / 2
    return Geometry(
        view=view,
        source_to_detector=float(rng.uniform(*AP_DISTANCES)) if portable else PA_DISTANCE,
        origin_to_detector=float(chest_wall + (rng.uniform(2.0, 4.0) if portable else rng.uniform(0.5, 2.0))),
        field=float(field),
        aspect=aspect,
        centre=(float(rng.normal(0, 1.6 * spread)), float(middle)),
        source_height=float(rng.normal(-4.0 if portable else 0.0, 7.0 if portable else 2.0)),
        yaw=float(rng.normal(0, 3.5 * spread)),
        roll=float(rng.normal(0, 1.8 * spread)),
    )


def displace(patient: Patient, right_ml: float, left_ml: float) -> Patient:
    """Return the patient with mediastinum, diaphragm and ribs moved by what fills the pleural spaces.

    A lung makes way for the first half litre by itself. Beyond it, the mediastinum
    moves with the difference between the two sides, by 4 cm at most. Each side also
    presses down its own dome, and its ribs outwards.

    Parameters
    ----------
    patient : Patient
    right_ml, left_ml : float, mL
        Fluid or gas on each side.
    """
    right_l, left_l = (max(ml - TAKEN_UP_ML, 0) / 1000 for ml in (right_ml, left_ml))
    shift = float(np.clip(patient.compliance * (right_l - left_l), -MAX_SHIFT, MAX_SHIFT))
    right, left = (
        max(dome - 0.8 * patient.compliance * litres, 1.0)
        for dome, litres in zip(patient.domes, (right_l, left_l), strict=True)
    )
    # one side moves outwards: the cavity is wider by half of it, and its middle lies that much to this side
    outwards = RIBS_GIVE * min(right_l, 3.0), RIBS_GIVE * min(left_l, 3.0)
    return replace(
        patient,
        shift=patient.shift + shift,
        domes=(float(right), float(left)),
        width=patient.width + (outwards[0] + outwards[1]) / 2,
        middle=patient.middle + (outwards[1] - outwards[0]) / 2,
    )
