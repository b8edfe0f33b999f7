"""Write a simulated film as DICOM, with tags that say that the film is simulated."""

from pathlib import Path
from typing import Any

import numpy as np

import cxrlib.images.dicom  # noqa: F401

# isort: split
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

from cxrlib.phantom.film import Film
from cxrlib.phantom.physics.detector import SITES

MAKER = "cxrlib simulator"


def write_dicom(path: Path, film: Film, row: dict[str, Any]) -> None:
    """Write a film as 12-bit DICOM: a synthetic image, uncompressed.

    If the system of the film's site writes MONOCHROME1, the stored values are inverted,
    and the tag PhotometricInterpretation says so.

    Parameters
    ----------
    path : Path
    film : Film
    row : dict
        The film's row of cohort.csv, with ``path``, ``patient_id``, ``sex``, ``age``, ``view``, ``site``, ``posture``.
    """
    inverted = SITES[int(row["site"])].monochrome1
    data = Dataset()
    data.SOPClassUID = uid.SecondaryCaptureImageStorage
    # the UIDs follow from the film: the same film always has the same UIDs, and two different films never share one
    name, pixels = Path(row["path"]).stem, film.pixels.tobytes()
    data.SOPInstanceUID = uid.generate_uid(entropy_srcs=[MAKER, name, pixels.hex()])
    data.StudyInstanceUID = uid.generate_uid(entropy_srcs=[MAKER, "study", data.SOPInstanceUID])
    data.SeriesInstanceUID = uid.generate_uid(entropy_srcs=[MAKER, "series", data.SOPInstanceUID])
    data.PatientID = str(row["patient_id"])
    data.IssuerOfPatientID = f"{MAKER}, seed {film.seed}"  # patient 7 of another seed is another person
    data.PatientName = f"Simulated^{row['patient_id']}"
    data.PatientSex = row["sex"]
    data.PatientAge = f"{int(row['age']):03d}Y"
    data.Modality = "DX"
    data.ConversionType = "SYN"
    data.ImageType = ["DERIVED", "SECONDARY"]
    data.Manufacturer = MAKER
    data.InstitutionName = f"Site {row['site']}"
    data.BodyPartExamined = "CHEST"
    data.ViewPosition = row["view"]
    data.PatientOrientation = ["L", "F"]
    data.DistanceSourceToDetector = round(film.geometry.source_to_detector * 10, 1)
    data.BurnedInAnnotation = "NO"  # there are markers, but nothing that names anybody
    data.ImageComments = f"{row['posture']}; simulated, shows no real person"
    data.StudyDate = data.StudyTime = data.AccessionNumber = data.StudyID = ""
    data.PatientBirthDate = data.ReferringPhysicianName = ""
    data.SeriesNumber = data.InstanceNumber = 1
    rows, columns = film.pixels.shape
    data.Rows, data.Columns = rows, columns
    if film.geometry.aspect == 1:  # a film that was squeezed into a square, as NIH's are, has no true spacing any more
        spacing = round(film.geometry.field * 10 / columns, 5)
        data.ImagerPixelSpacing = [spacing, spacing]
    data.SamplesPerPixel, data.PixelRepresentation = 1, 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    stored = np.uint16(4095) - film.pixels if inverted else film.pixels
    data.PixelData = stored.astype("<u2").tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    data.save_as(path, enforce_file_format=True)
