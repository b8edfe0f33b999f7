"""Who stands before the detector: a patient is a seed, and each visit is another.

What stays with a patient (build, bones, heart) is drawn from one stream of random
numbers, what changes between films (breath, posture, framing) from a second, so
that one patient can be imaged again. Lengths in cm; x to the patient's left, y to
the back, z upwards. Ranges are the project's choice within what anatomy allows;
those with a source name it.
"""

from dataclasses import dataclass, replace
from math import exp

import numpy as np

from cxrlib.phantom.physics.rays import Geometry

PA_DISTANCE, AP_DISTANCES = 183.0, (127.0, 152.0)


@dataclass(frozen=True)
class Patient:
    """One patient at one visit, before anything is wrong.

    Attributes
    ----------
    number, visit, seed : int
    sex : {"F", "M"}
    age : int, years
    width, depth : float
        Half-axes of the chest cavity where it is widest; about 7:5.
    apex, base : float
        Heights of the top of the lungs and of the lateral costophrenic angle.
    domes : (right, left)
        Heights of the diaphragm's domes above `base`; the right is 1 to 2 cm
        higher, but where the left is raised.
    tail : float
        How far the rim of the diaphragm falls for each cm towards the back.
    muscle, fat, breast : float
        Thicknesses in front and behind.
    flank : float
        Thickness of the wall at the sides, with the muscles of back and armpit.
    heart : (x, y, z)
        Semi-axes; the first leans down to the left by `lean` radians.
    mediastinum : float
        Half-width between the lungs.
    lung : float, 1/cm
        Attenuation of the inflated lung.
    bone : float
        Mineral of the bones, 1 for dense.
    spacing, slope : float
        Of the ribs: from one to the next, and fall for each cm towards the front.
    recoil : float, cm of water
        Pressure at which the lung gives way.
    yielding : float, cm
        How far it has yielded at half that pressure.
    compliance : float, cm/L
        How far a litre of fluid beyond the first half pushes the mediastinum.
    shift : float
        The mediastinum's, to the patient's left.
    peel : (right, left)
        Thickness of a thickened pleura.
    pads : (right, left)
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
    tail: float
    muscle: float
    flank: float
    fat: float
    breast: float
    heart: tuple[float, float, float]
    lean: float
    mediastinum: float
    lung: float
    bone: float
    spacing: float
    slope: float
    recoil: float
    yielding: float
    compliance: float
    shift: float = 0.0
    peel: tuple[float, float] = (0.0, 0.0)
    pads: tuple[float, float] = (0.0, 0.0)

    def rng(self, what: str, *, stays: bool = True) -> np.random.Generator:
        """Return a stream of random numbers for one organ; it stays with the patient, or with the film."""
        return np.random.default_rng([self.seed, self.number, 0 if stays else 1 + self.visit, *what.encode()])

    @property
    def heart_centre(self) -> tuple[float, float, float]:
        """(x, y, z) of the heart's middle, which rests on the diaphragm."""
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
        The same three give the same patient at the same breath.
    """
    stay = np.random.default_rng([seed, number, 0, *b"patient"])
    now = np.random.default_rng([seed, number, 1 + visit, *b"patient"])
    sex, age = ("F" if stay.random() < 0.45 else "M"), int(np.clip(stay.normal(50, 17), 18, 95))
    female, old = sex == "F", np.clip((age - 40) / 50, 0, 1)
    build = (0.91 if female else 1.0) * stay.normal(1.0, 0.045)
    habitus = float(np.clip(stay.gamma(3.0, 0.33), 0.15, 3.5))  # 1 is average
    width = 13.7 * build * stay.normal(1.0, 0.03)
    depth = width * (np.clip(stay.normal(0.70, 0.05), 0.56, 0.85) + 0.04 * old)
    full = stay.normal(28.0, 1.4) * build
    breath = now.normal(0.0, 1.0) - 2.5 * (now.random() < 0.25) - 0.5 * (habitus - 1)
    right = np.clip(stay.normal(4.5, 0.7) - 0.3 * breath, 2.0, 7)
    drop = stay.uniform(1.0, 2.0)
    left = right - drop
    if stay.random() < 0.10:  # a raised hemidiaphragm, either side
        lift = stay.uniform(1.5, 4.0)
        right, left = (right + lift, left) if stay.random() < 0.6 else (right, left + lift)
    large = stay.random() < 0.12
    bulk = build * (stay.normal(1.0, 0.07) + 0.10 * old + (stay.uniform(0.1, 0.35) if large else 0))
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
        tail=float(stay.uniform(0.46, 0.68)),
        muscle=float((1.2 if female else 1.6) * stay.uniform(0.8, 1.3)),
        flank=float(stay.uniform(2.5, 5.0) + 1.3 * habitus),
        fat=float(1.1 * habitus),
        breast=float((stay.uniform(0.8, 2.6) + 0.6 * habitus) if female else 0.35 * max(habitus - 1, 0)),
        heart=(float(6.8 * bulk), float(5.6 * bulk), float(5.0 * bulk * stay.normal(1, 0.04))),
        lean=float(stay.uniform(0.55, 0.9)),
        mediastinum=float(1.2 * build * stay.uniform(0.6, 1.5)),
        lung=float(np.clip(0.047 * exp(stay.normal(0, 0.13)) * (1 - 0.04 * breath), 0.03, 0.08)),
        bone=float(np.clip(stay.normal(0.85, 0.15) - 0.25 * old, 0.35, 1.2)),
        spacing=float(2.55 * build * stay.uniform(0.94, 1.08)),
        slope=float(stay.uniform(0.42, 0.72)),
        recoil=float(exp(stay.normal(1.8, 0.3))),
        yielding=float(exp(stay.normal(0.4, 0.4))),
        compliance=float(stay.uniform(0.7, 1.5)),
    )


def draw_geometry(patient: Patient, view: str) -> Geometry:
    """Draw how source, patient and detector stand for one film: never twice quite the same."""
    rng = patient.rng("geometry", stays=False)
    portable = view == "AP"
    reach = patient.depth + patient.muscle + patient.fat
    loose = 1.6 if portable else 1.0
    shares = rng.uniform((0.58, 0.58), (0.86, 0.84)) * (0.82 if portable else 1.0)  # of the film, by the lungs
    field = max(2 * patient.width / shares[0], (patient.apex - patient.base) / shares[1])
    middle = (patient.apex + patient.base) / 2 + (0.02 if portable else -0.03) * field
    return Geometry(
        view=view,
        distance=float(rng.uniform(*AP_DISTANCES)) if portable else PA_DISTANCE,
        detector=float(reach + (rng.uniform(2.0, 4.0) if portable else rng.uniform(0.5, 2.0))),
        field=float(np.clip(field, 26, 54)),
        centre=(float(rng.normal(0, 0.7 * loose)), float(middle + rng.normal(0, 1.1 * loose))),
        tilt=float(rng.normal(-4.0 if portable else 0.0, 7.0 if portable else 2.0)),
        yaw=float(rng.normal(0, 3.0 * loose)),
        roll=float(rng.normal(0, 1.3 * loose)),
    )


def pushed(patient: Patient, right_ml: float, left_ml: float) -> Patient:
    """Return the patient with mediastinum and diaphragm moved by what fills the pleural spaces.

    The mediastinum gives way to the difference of the two sides beyond the
    half litre that the lungs take up by themselves; a side's dome is pressed
    down by its own load. At most 4 cm, where the lung opposite and the ribs
    hold against it.
    """
    excess = (max(right_ml - 500, 0) - max(left_ml - 500, 0)) / 1000
    shift = float(np.clip(patient.compliance * excess, -4, 4))
    right, left = (
        max(dome - 0.8 * patient.compliance * max(ml - 500, 0) / 1000, 1.0)
        for dome, ml in zip(patient.domes, (right_ml, left_ml), strict=True)
    )
    return replace(patient, shift=patient.shift + shift, domes=(float(right), float(left)))
