"""Simulated cohorts by description: simulated at first use, then kept in the cache."""

import hashlib
import json
import tempfile
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cxrlib.cohorts.cohort import NOFINDING, Cohort, read_cohort
from cxrlib.course.folders import cache_folder
from cxrlib.files import make_once, map_in_order, write_csv
from cxrlib.images.radiograph import read_image, write_prepared
from cxrlib.phantom.roster import FILMS, PREVALENCE
from cxrlib.phantom.simulation import VERSION, simulate

TWELVE_BITS = 4095
"""The largest value of a simulated film."""

TEST_SEED, TEST_FILMS = 1000, 3321
"""Seed and number of the test films. No training has this seed. The number is three times that of a course cohort."""

VAL_SEED = 2000
"""Seed of the validation films in scores.csv, on which its threshold is chosen. No training has this seed."""

LAB_SEED, LAB_FILMS, LAB_PREVALENCE = 3000, 1000, 0.3
"""Seed, number and prevalence of the films on which lessons try things out. No training has this seed."""

SITES_1_AND_2 = -1
"""The value of `SimulatedCohort.site` for all films except those of site 0."""


@dataclass(frozen=True)
class SimulatedCohort:
    """A description of simulated films. They are simulated at first use and then kept in the cache.

    Attributes
    ----------
    count : int
        The number of films to simulate.
    finding, prevalence, label_noise, shortcut, comorbidity
        As in `cxrlib.phantom.simulation.simulate`.
    site : {0, 1, 2, SITES_1_AND_2}, optional
        Keep only the films of this site, or of sites 1 and 2. By default films of
        all sites are kept.
    crop : float in (0, 1]
        Cut out the centre of each film. The side of the centre is this fraction
        of the film's side. The film is simulated larger, so that nothing has to
        be enlarged.
    fixed : bool
        Divide the pixels by 4095, the largest value that 12 bits hold. By
        default each film is normalised by its own minimum and maximum.
    later_visit : bool
        Keep the training patients only, and take a second film for each of their
        films, at a later visit. The findings are the same.
    """

    count: int = FILMS
    finding: str = "effusion"
    prevalence: float = PREVALENCE
    label_noise: tuple[float, float] = (0.0, 0.0)
    shortcut: float = 0.0
    comorbidity: float = 0.0
    site: int | None = None
    crop: float = 1.0
    fixed: bool = False
    later_visit: bool = False

    def cohort(self, seed: int, *, size: int) -> Cohort:
        """Return the films of a seed as a cohort.

        Parameters
        ----------
        seed : int
        size : int, pixels
            Side of the films.
        """
        cohort = read_cohort(self.make(seed, size=size), finding=self.finding)
        table = cohort.table
        if self.later_visit:
            table = table[table["split"] == "train"]
        if self.site is not None:
            sites = table["site"].astype(int)
            table = table[sites != 0] if self.site == SITES_1_AND_2 else table[sites == self.site]
        return replace(cohort, table=table.reset_index(drop=True))

    def make(self, seed: int, *, size: int) -> Path:
        """Return the folder with the films of every site and patient. Simulate them if the folder does not exist."""
        # `cohort` selects sites when it reads, so one folder serves every selection.
        whole = replace(self, site=None)
        folder = cache_folder() / "experiments" / f"films-v{VERSION}-{size}px-{digest(whole)}-{seed}"
        return make_once(folder, lambda: whole._write(folder, seed, size))

    def _write(self, folder: Path, seed: int, size: int) -> None:
        """Write the films into a folder that does not exist yet."""
        if self.crop == 1 and not self.fixed:
            names = ("finding", "prevalence", "label_noise", "shortcut", "comorbidity", "later_visit")
            options: dict[str, Any] = {name: getattr(self, name) for name in names}
            simulate(folder, films=self.count, **options, size=size, seed=seed)
            return
        plain = replace(self, crop=1.0, fixed=False)
        cohort = read_cohort(plain.make(seed, size=round(size / self.crop)))

        def write_altered(path: str) -> None:
            pixels = cv2.imread(str(cohort.folder / path), cv2.IMREAD_UNCHANGED)
            assert pixels is not None  # it was simulated a moment ago
            image = pixels / np.float32(TWELVE_BITS) if self.fixed else read_image(cohort.folder / path)
            write_prepared(partial / path, cut_centre(image, size))

        # Written under another name and then renamed, so that the folder is complete or absent.
        with tempfile.TemporaryDirectory(prefix=".films-", dir=folder.parent) as work:
            partial = Path(work) / folder.name
            for name in (cohort.finding, NOFINDING):
                (partial / name).mkdir(parents=True)
            for _ in map_in_order(write_altered, cohort.table["path"]):
                pass
            write_csv(partial / "cohort.csv", cohort.table)
            partial.rename(folder)


def course_test_set(*, size: int = 128) -> Cohort:
    """Return the course's test set: 3,321 films at the prevalence of the training, of patients of its own.

    No training of the course has seen them. Open them where a result is reported, and only once.
    They are simulated at the first call and kept in the cache.

    Parameters
    ----------
    size : int, pixels
    """
    return SimulatedCohort(TEST_FILMS).cohort(TEST_SEED, size=size)


def course_lab_set(*, size: int = 128) -> Cohort:
    """Return the course's lab set: 1,000 films, 300 of them with an effusion, of patients of its own.

    They are for trying things out, as often as you like. They are simulated at the first call and kept in the cache.

    Parameters
    ----------
    size : int, pixels
    """
    return SimulatedCohort(LAB_FILMS, prevalence=LAB_PREVALENCE).cohort(LAB_SEED, size=size)


def cut_centre(image: np.ndarray, size: int) -> np.ndarray:
    """Return the central (size, size) pixels of an image (S, S).

    The course measures what this costs and does not recommend it: the finding
    may lie outside the centre.
    """
    start = (image.shape[0] - size) // 2
    return image[start : start + size, start : start + size]


def digest(description: object) -> str:
    """Return 12 hexadecimal digits that name the values of a frozen dataclass: a SHA-256 of its fields.

    If a field's metadata holds ``not_hashed``, a field of this value is left out. A field
    can then be added, and descriptions with this value keep their digest.

    Examples
    --------
    >>> digest(SimulatedCohort()) == digest(SimulatedCohort(1107))
    True
    """
    return hashlib.sha256(json.dumps(_hashed_fields(description), sort_keys=True).encode()).hexdigest()[:12]


def _hashed_fields(value: object) -> object:
    if not is_dataclass(value):
        return value
    hashed = [item for item in fields(value) if getattr(value, item.name) != item.metadata.get("not_hashed", MISSING)]
    return {item.name: _hashed_fields(getattr(value, item.name)) for item in hashed}
