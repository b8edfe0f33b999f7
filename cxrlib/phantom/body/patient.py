"""The patient in front of the detector: one number and one seed give one patient, at any number of visits.

Build, bones and heart are the same at every visit: they are drawn from one stream of
random numbers. Breath and framing differ between visits: they are drawn from a second
stream. So one patient can be imaged several times. Lengths are in cm: x to the patient's left, y
to the back, z upwards. The ranges are chosen by this project within what anatomy
allows. Where a range has a source, a comment names it.
"""

from dataclasses import dataclass, replace
from math import exp

import numpy as np

from cxrlib.phantom.physics.rays import Geometry

PA_DISTANCE = 183.0
"""Centimetres from source to detector on a PA film; the median of 7,469 headers of Open-i is 182.5."""
AP_DISTANCES = (127.0, 152.0)
"""Centimetres from source to detector on an AP film with a mobile unit."""

TYPICAL_WIDTH = 13.5
"""Half-width of the chest, in cm, for which the shapes of bones and airways are written down."""

TAKEN_UP_ML = 500
"""Millilitres of fluid or gas that a lung makes way for by itself, before anything else moves."""

MAX_SHIFT = 4.0
"""Centimetres by which the mediastinum moves at most: the lung and the ribs of the opposite side resist."""


@dataclass(frozen=True)
class Patient:
    """One patient at one visit, without any finding.

    Attributes
    ----------
    number, visit, seed : int
        The three numbers that the patient is drawn from.
    sex : {"F", "M"}
    age : int, years
    width, depth : float, cm
        Half-axes of the chest cavity where it is widest: about 7:5.
    apex, base : float, cm
        Heights of the top of the lungs and of the lateral costophrenic angle.
    domes : (right, left), cm
        Heights of the diaphragm's domes above `base`. The right one is 1 to 2 cm
        higher, unless the left one is raised.
    rim_slope : float
        Fall of the rim of the diaphragm, in cm for each cm towards the back.
    muscle, fat, breast : float, cm
        Thicknesses in front and behind.
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
        visit = 0 if same_every_visit else 1 + self.visit
        return np.random.default_rng([self.seed, self.number, visit, *purpose.encode()])

    @property
    def heart_centre(self) -> tuple[float, float, float]:
        """(x, y, z) of the heart's middle, in cm. The heart rests on the lower dome of the diaphragm."""
        return (
            0.36 * self.heart[0] + self.shift,
            -0.25 * self.depth,
            self.base + 0.7 * min(self.domes) + 0.95 * self.heart[2],
        )


def draw_patient(number: int, *, visit: int = 0, seed: int = 0) -> Patient:
    """Draw a patient at a visit.

    Parameters
    ----------
    number, visit, seed : int
        The same three numbers give the same patient with the same depth of breath.

    Returns
    -------
    Patient
    """
    patient_rng = np.random.default_rng([seed, number, 0, *b"patient"])
    visit_rng = np.random.default_rng([seed, number, 1 + visit, *b"patient"])
    # near ChestX-ray14, where 48,780 of 112,120 films are of women (43.5 %) and the median age is 49
    sex, age = ("F" if patient_rng.random() < 0.45 else "M"), int(np.clip(patient_rng.normal(50, 17), 18, 95))
    female, old = sex == "F", np.clip((age - 40) / 50, 0, 1)
    build = (0.91 if female else 1.0) * patient_rng.normal(1.0, 0.045)  # scale of the skeleton
    habitus = float(np.clip(patient_rng.gamma(3.0, 0.33), 0.15, 3.5))  # 1 is average, more is stout
    width = 13.7 * build * patient_rng.normal(1.0, 0.03)
    depth = width * (np.clip(patient_rng.normal(0.70, 0.05), 0.56, 0.85) + 0.04 * old)  # AP to transverse: about 5:7
    full = patient_rng.normal(28.0, 1.4) * build  # from base to apex, in full inspiration
    # cm of a breath deeper than average; a quarter of the films catch a shallow one
    breath = visit_rng.normal(0.0, 1.0) - 2.5 * (visit_rng.random() < 0.25) - 0.5 * (habitus - 1)
    right = np.clip(patient_rng.normal(4.5, 0.7) - 0.3 * breath, 2.0, 7)
    drop = patient_rng.uniform(1.0, 2.0)  # the right dome is 1 to 2 cm above the left
    left = right - drop
    if patient_rng.random() < 0.10:  # a raised hemidiaphragm, on either side
        lift = patient_rng.uniform(1.5, 4.0)
        right, left = (right + lift, left) if patient_rng.random() < 0.6 else (right, left + lift)
    large = patient_rng.random() < 0.12  # an enlarged heart
    bulk = build * (patient_rng.normal(1.0, 0.07) + 0.10 * old + (patient_rng.uniform(0.1, 0.35) if large else 0))
    # the order of the draws below is part of the films: keep it
    return Patient(
        number=number,
        visit=visit,
        seed=seed,
        sex=sex,
        age=age,
        width=float(width),
        depth=float(depth),
        apex=float(full / 2),
        base=float(-full / 2 - 0.8 * breath),
        domes=(float(right), float(max(left, 1.5))),
        rim_slope=float(patient_rng.uniform(0.46, 0.68)),
        muscle=float((1.2 if female else 1.6) * patient_rng.uniform(0.8, 1.3)),
        flank=float(patient_rng.uniform(2.5, 5.0) + 1.3 * habitus),
        fat=float(1.1 * habitus),
        breast=float((patient_rng.uniform(0.8, 2.6) + 0.6 * habitus) if female else 0.35 * max(habitus - 1, 0)),
        heart=(float(6.8 * bulk), float(5.6 * bulk), float(5.0 * bulk * patient_rng.normal(1, 0.04))),
        heart_lean=float(patient_rng.uniform(0.55, 0.9)),
        mediastinum=float(1.2 * build * patient_rng.uniform(0.6, 1.5)),
        # inflated lung: 0.04 to 0.06 in the tables; more air at a deeper breath
        lung_attenuation=float(np.clip(0.047 * exp(patient_rng.normal(0, 0.13)) * (1 - 0.04 * breath), 0.03, 0.08)),
        bone_density=float(np.clip(patient_rng.normal(0.85, 0.15) - 0.25 * old, 0.35, 1.2)),
        rib_spacing=float(2.55 * build * patient_rng.uniform(0.94, 1.08)),
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
    spread = 1.6 if portable else 1.0  # of the errors of position
    # fractions of the film's side that the lungs fill, in width and in height
    filled_width, filled_height = rng.uniform((0.58, 0.58), (0.86, 0.84)) * (0.82 if portable else 1.0)
    field = max(2 * patient.width / filled_width, (patient.apex - patient.base) / filled_height)
    middle = (patient.apex + patient.base) / 2 + (0.02 if portable else -0.03) * field
    return Geometry(
        view=view,
        source_to_detector=float(rng.uniform(*AP_DISTANCES)) if portable else PA_DISTANCE,
        origin_to_detector=float(chest_wall + (rng.uniform(2.0, 4.0) if portable else rng.uniform(0.5, 2.0))),
        field=float(np.clip(field, 26, 54)),
        centre=(float(rng.normal(0, 0.7 * spread)), float(middle + rng.normal(0, 1.1 * spread))),
        source_height=float(rng.normal(-4.0 if portable else 0.0, 7.0 if portable else 2.0)),
        yaw=float(rng.normal(0, 3.0 * spread)),
        roll=float(rng.normal(0, 1.3 * spread)),
    )


def displace(patient: Patient, right_ml: float, left_ml: float) -> Patient:
    """Return the patient with mediastinum and diaphragm moved by what fills the pleural spaces.

    A lung makes way for the first half litre by itself. Beyond it, the mediastinum
    moves with the difference between the two sides, by 4 cm at most. Each side also
    presses down its own dome.

    Parameters
    ----------
    patient : Patient
    right_ml, left_ml : float, mL
        Fluid or gas on each side.
    """
    excess = (max(right_ml - TAKEN_UP_ML, 0) - max(left_ml - TAKEN_UP_ML, 0)) / 1000
    shift = float(np.clip(patient.compliance * excess, -MAX_SHIFT, MAX_SHIFT))
    right, left = (
        max(dome - 0.8 * patient.compliance * max(ml - TAKEN_UP_ML, 0) / 1000, 1.0)
        for dome, ml in zip(patient.domes, (right_ml, left_ml), strict=True)
    )
    return replace(patient, shift=patient.shift + shift, domes=(float(right), float(left)))
