"""Simulated films by description: made when they are first asked for, and kept in the cache."""

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from cxrlib.cohorts.cohort import NOFINDING, Cohort, read_cohort
from cxrlib.cohorts.split import patient_position
from cxrlib.course.folders import cache_folder
from cxrlib.files import make_once, map_in_order, write_csv
from cxrlib.images.radiograph import read_image, write_prepared
from cxrlib.phantom.simulation import VERSION, simulate

PREVALENCE = 107 / 1107
TWELVE_BITS = 4095


@dataclass(frozen=True)
class SimulatedCohort:
    """Simulated films, made at first use and kept in the cache.

    Attributes
    ----------
    count, finding, label_noise, shortcut
        As in `cxrlib.phantom.simulation.simulate`.
    site : int, optional
        Only the films of one site; -1 for those of all but site 0.
    share : float in (0, 1]
        Of the training patients.
    crop : float in (0, 1]
        Side of the centre that is cut out, as a share of the film's; it is cut
        from a larger film, so that nothing is enlarged.
    fixed : bool
        Divided by the most that 12 bits hold, in place of min-max.
    again : bool
        Of the training patients, not the films but others at a later visit, with
        the finding that they had.
    other : int
        Of the seed that comes so many places after the one that is asked for.
    """

    count: int = 1107
    finding: str = "effusion"
    label_noise: tuple[float, float] = (0.0, 0.0)
    shortcut: float = 0.0
    site: int | None = None
    share: float = 1.0
    crop: float = 1.0
    fixed: bool = False
    again: bool = False
    other: int = 0

    def cohort(self, seed: int, *, size: int) -> Cohort:
        """Return the films that a seed gives, at a size in pixels."""
        seed += self.other
        cohort = read_cohort(self.make(seed, size=size), finding=self.finding)
        table = cohort.table
        if self.again:
            table = table[table["split"] == "train"]
        if self.site is not None:
            sites = table["site"].astype(int)
            table = table[sites != 0] if self.site < 0 else table[sites == self.site]
        if self.share < 1:
            # apart from the position that the split was drawn by
            place = table["patient_id"].map(lambda patient: patient_position(f"share of {patient}", seed))
            table = table[(table["split"] != "train") | (place < self.share)]
        return replace(cohort, table=table.reset_index(drop=True))

    def make(self, seed: int, *, size: int) -> Path:
        """Return the folder of the whole cohort, made where it is missing."""
        whole = replace(self, site=None, share=1.0, other=0)
        folder = cache_folder() / "experiments" / f"films-v{VERSION}-{size}px-{digest(whole)}-{seed}"
        return make_once(folder, lambda: self._write(whole, folder, seed, size))

    def _write(self, whole: "SimulatedCohort", folder: Path, seed: int, size: int) -> None:
        if self.crop < 1 or self.fixed:
            plain = replace(whole, crop=1.0, fixed=False)
            self._alter(read_cohort(plain.make(seed, size=round(size / self.crop))), folder, size)
            return
        simulate(
            folder,
            films=self.count,
            finding=self.finding,
            prevalence=PREVALENCE,
            label_noise=self.label_noise,
            shortcut=self.shortcut,
            again=self.again,
            size=size,
            seed=seed,
        )

    def _alter(self, cohort: Cohort, folder: Path, size: int) -> None:
        """Write a cohort whose films are changed."""

        def write(made: Path, path: str) -> None:
            pixels = cv2.imread(str(cohort.folder / path), cv2.IMREAD_UNCHANGED)
            image = pixels / np.float32(TWELVE_BITS) if self.fixed else read_image(cohort.folder / path)
            write_prepared(made / path, cut_centre(image, size))

        with tempfile.TemporaryDirectory(prefix=".films-", dir=folder.parent) as partial:
            made = Path(partial) / folder.name
            for name in (cohort.finding, NOFINDING):
                (made / name).mkdir(parents=True)
            for _ in map_in_order(lambda path: write(made, path), cohort.table["path"]):
                pass
            write_csv(made / "cohort.csv", cohort.table)
            made.rename(folder)


def cut_centre(image: np.ndarray, size: int) -> np.ndarray:
    """Return the centre (size, size) of an image (S, S): what this course does not do."""
    start = (image.shape[0] - size) // 2
    return image[start : start + size, start : start + size]


def digest(thing) -> str:
    """Return a short name for a frozen dataclass: another for other values."""
    return hashlib.sha256(json.dumps(asdict(thing), sort_keys=True).encode()).hexdigest()[:12]
