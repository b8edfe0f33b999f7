"""What a DICOM header says about patient, view, and kind of image.

No text of the header is kept or repeated. Messages quote only code words from the
lists below.
"""

import re
from contextlib import suppress
from pathlib import Path

import pydicom
from pydicom import uid
from pydicom.datadict import tag_for_keyword

from cxrlib.images.dicom.file import code_words, known_word, numbers, parse_header, silent_pydicom, small_value
from cxrlib.images.film_facts import MAX_AGE, YEARS, FilmHeader, Warn, is_lateral
from cxrlib.images.pseudonym import pseudonym

CHEST_MODALITIES = ("CR", "DX", "RG")  # computed, digital and film radiography
POSSIBLE_MODALITIES = ("DR", "HC", "OT", "RF", "SC", "XR")
"""Hospitals give chest films these words, too: DR and XR (digital radiography, not in the standard), hard copy, other,
fluoroscopy, secondary capture."""
OTHER_MODALITIES = (
    "AR", "AU", "BDUS", "BI", "BMD", "CT", "DG", "DOC", "ECG", "EPS", "ES", "FID", "GM", "HD", "IO", "IVOCT", "IVUS",
    "KER", "KO", "LEN", "LS", "MG", "MR", "NM", "OAM", "OCT", "OP", "OPM", "OPT", "OPV", "PLAN", "PR", "PT", "PX",
    "REG", "RESP", "RTDOSE", "RTIMAGE", "RTPLAN", "RTRECORD", "RTSTRUCT", "SEG", "SM", "SMR", "SR", "SRF", "STAIN",
    "TG", "US", "VA", "XA", "XC",
)  # fmt: skip
"""Modalities of other images and of documents (PS3.3, C.7.3.1.1.1)."""

CHEST_CLASSES = (
    uid.ComputedRadiographyImageStorage,
    uid.DigitalXRayImageStorageForPresentation,
    uid.DigitalXRayImageStorageForProcessing,
    uid.SecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
    uid.XRayRadiofluoroscopicImageStorage,
)
"""Kinds of DICOM object (SOP classes) that a chest film may be."""

IMAGE_CLASSES = "1.2.840.10008.5.1.4.1.1."
"""The identifiers of all kinds of image of the standard begin so (PS3.4, B.5)."""

SLICE_ELEMENTS = ("ImagePositionPatient", "SliceThickness", "SliceLocation", "EchoTime", "RepetitionTime")
"""Elements of CT and MR that no radiograph has. They tell a slice whose Modality has been removed."""

_CHEST_PART = re.compile(r"CHEST|T.{1,2}RAX|TORA(CE|KS)|BRUSTKORB|POITRINE|CXR|LUNG|PULM|POUMON")
"""Words in which a body part is the chest: TORAX, TÓRAX (also if its letters are read in a wrong character set)."""

OTHER_PARTS = (
    "ABDOMEN", "ANKLE", "ARM", "BREAST", "CSPINE", "ELBOW", "FEMUR", "FINGER", "FOOT", "FOREARM", "HAND", "HEAD", "HIP",
    "KNEE", "LEG", "LSPINE", "NECK", "PELVIS", "RIB", "RIBS", "SHOULDER", "SKULL", "SPINE", "SSPINE", "STERNUM", "TOE",
    "TSPINE", "WRIST",
)  # fmt: skip

VIEW_WORDS = ("AP", "PA", "LATERAL", "LAT", "LL", "RL", "LLO", "RLO", "LLD", "RLD", "XTABLE LATERAL")
VIEW_CODES = {
    "399067008": "LATERAL", "R-102CD": "LATERAL",
    "399173006": "LATERAL", "R-10236": "LATERAL",  # left lateral
    "399198007": "LATERAL", "R-10232": "LATERAL",  # right lateral
    "272479007": "PA", "R-10214": "PA", "R-40888": "PA",
    "399348003": "AP", "R-10206": "AP",
}  # fmt: skip
"""Codes of the views of a chest (PS3.16, CID 4010), in SNOMED CT and in the older SNOMED-RT."""

HEADER_BYTES = 1 << 18
"""Bytes that are read of a file to find the patient and the view. Our choice: they stand in the first few thousand."""

SEXES = {"M": "M", "MALE": "M", "F": "F", "FEMALE": "F", "O": "O", "OTHER": "O"}
"""Patient's Sex (PS3.3, C.7.1.1), and the words that some programs write."""

_WANTED = [
    tag_for_keyword(keyword) or 0
    for keyword in (
        "SpecificCharacterSet", "BodyPartExamined", "PatientID", "PatientSex", "PatientAge", "ViewPosition",
        "PatientOrientation", "ViewCodeSequence",
    )
]  # fmt: skip


def read_dicom_header(path: Path) -> FilmHeader:
    """Return what the header of a DICOM file says about patient and view, without reading its pixels.

    A file whose header cannot be read gives an empty `FilmHeader`:
    `cxrlib.images.dicom.film.decode_dicom` says what is wrong with it.

    Raises
    ------
    InputError
        There is no salt for the patient's name (`cxrlib.images.pseudonym.pseudonym`).
    """
    try:
        with path.open("rb") as file:
            data = file.read(HEADER_BYTES)
        with silent_pydicom():
            dataset = parse_header(data, _WANTED)
            patient = " ".join(code_words(dataset, "PatientID"))
            view, age = find_view(dataset), _age(dataset)
            sex = SEXES.get(" ".join(code_words(dataset, "PatientSex")), "")
    except Exception:  # pydicom raises many kinds of error for broken files
        return FilmHeader()
    return FilmHeader(pseudonym(patient), view, sex, age)


def _age(dataset: pydicom.Dataset) -> float | None:
    """Return years, or None. "000Y" stands for an unknown age: an infant's is in days, weeks or months."""
    match = re.fullmatch(r"(\d{1,3}) *([DWMY]?)", " ".join(code_words(dataset, "PatientAge")))
    if match is None or (int(match[1]) == 0 and match[2] in ("Y", "")):
        return None
    age = round(int(match[1]) * YEARS[match[2]], 2)
    return age if age <= MAX_AGE else None


def find_view(dataset: pydicom.Dataset) -> str:
    """Return "PA", "AP", "LATERAL", or "" if the header does not say which.

    View Position counts before View Code Sequence and Patient Orientation. A film is
    lateral if one side of it runs to the front or the back of the patient (A or P),
    and the other to the head or the feet (H or F; PS3.3, C.7.6.1.1.1).
    """
    return next(iter(_views(dataset)), "")


def _views(dataset: pydicom.Dataset) -> list[str]:
    views = [_named_view(" ".join(code_words(dataset, "ViewPosition")))]
    with suppress(Exception):  # a broken sequence
        for item in small_value(dataset, "ViewCodeSequence") or ():
            code = " ".join(code_words(item, "CodeValue"))
            views.append(VIEW_CODES.get(code) or _named_view(" ".join(code_words(item, "CodeMeaning"))))
    axes = {word[0] for word in code_words(dataset, "PatientOrientation")}
    if axes & {"A", "P"} and axes & {"H", "F"}:
        views.append("LATERAL")
    part = " ".join(code_words(dataset, "BodyPartExamined"))
    if _is_chest(dataset) and is_lateral(part) and not re.search(r"\b(PA|AP)\b", part):  # CHEST LAT
        views.append("LATERAL")
    return [view for view in views if view]


def _named_view(name: str) -> str:
    if is_lateral(name):
        return "LATERAL"
    words = {"AP", "PA"} & set(re.split(r"[\W_]+", name.upper().replace("POSTERO-ANTERIOR", "PA")))
    return words.pop() if len(words) == 1 else ""


def refusal(dataset: pydicom.Dataset) -> str:
    """Return in a few words why an image is not a chest radiograph; "" if it may be one.

    CR, DX and RG are radiographs. With another Modality, or without one, the other
    elements decide: the kind of object, the body part, and elements that only slices
    have. A word that we do not know needs an element that speaks for a chest film.
    """
    word = modality_word(dataset)
    if word in OTHER_MODALITIES:
        return f"Modality {word}"
    kind = uid.UID(str(dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID") or ""))
    if kind.startswith(IMAGE_CLASSES) and kind not in CHEST_CLASSES:
        return f"SOP class {kind.name}" if kind in uid.UID_dictionary else "SOP class unknown"
    if word in CHEST_MODALITIES:
        return ""
    if any(name in dataset for name in SLICE_ELEMENTS):
        return f"Modality {word}, and it is a slice of the body"
    if part := _other_part(dataset):
        return f"Modality {word}, body part {part}"
    is_chest = find_view(dataset) or _is_chest(dataset) or kind in CHEST_CLASSES
    return "" if word != "unknown" or is_chest else "Modality unknown"


def modality_word(dataset: pydicom.Dataset) -> str:
    """Return the Modality if it is a code word that we know, or "missing", or "unknown"."""
    words = code_words(dataset, "Modality")
    for known in (CHEST_MODALITIES, OTHER_MODALITIES, POSSIBLE_MODALITIES):
        for word in words:
            if word in known:
                return word
    return "unknown" if words else "missing"


def _other_part(dataset: pydicom.Dataset) -> str:
    """Return the first of `OTHER_PARTS` in the body part, also as in LEFT HAND or HANDS, or "" if there is none."""
    words = [] if _is_chest(dataset) else re.split(r"[\W\d_]+", " ".join(code_words(dataset, "BodyPartExamined")))
    return next((part for word in words for part in (word, word.removesuffix("S")) if part in OTHER_PARTS), "")


def _is_chest(dataset: pydicom.Dataset) -> bool:
    return bool(_CHEST_PART.search(" ".join(code_words(dataset, "BodyPartExamined"))))


def warn_of_header(dataset: pydicom.Dataset, warn: Warn) -> None:
    """Warn of what is unusual in the header of a chest radiograph."""
    word = modality_word(dataset)
    if word not in CHEST_MODALITIES:
        warn("modality", f"its Modality is {word} (usual are {', '.join(CHEST_MODALITIES)}): read as a chest film")
    if code_words(dataset, "BodyPartExamined") and not _is_chest(dataset):
        warn("body part", f"body part examined is {_other_part(dataset) or 'unknown'}, not CHEST")
    views = _views(dataset)
    if views[:1] == ["LATERAL"]:
        position = known_word(dataset, "ViewPosition", VIEW_WORDS)
        by = f" (view position {position})" if position in VIEW_WORDS else ""
        warn("lateral", f"a lateral film{by}; frontal ones are expected")
    elif "LATERAL" in views:
        warn("view", f"its header calls it {views[0]} in one place and lateral in another: taken as {views[0]}")
    if _is_raw(dataset):
        warn(
            "for processing",
            "its pixels are raw (for processing): the contrast may be wrong, or black and white exchanged",
        )


def _is_raw(dataset: pydicom.Dataset) -> bool:
    """Return whether pixels are as the detector gave them: bright where the beam is strong (PS3.3, C.8.11.3.1.1)."""
    intent = code_words(dataset, "PresentationIntentType")
    kind = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID")
    if intent == ["FOR PROCESSING"] or (not intent and kind == uid.DigitalXRayImageStorageForProcessing):
        return True
    is_bright_in_air = code_words(dataset, "PhotometricInterpretation") == ["MONOCHROME2"] and numbers(
        dataset, "PixelIntensityRelationshipSign"
    ) == [1]
    return is_bright_in_air and code_words(dataset, "PixelIntensityRelationship") == ["LIN"]
