"""What is known about a film besides its pixels: what its header says, and what is unusual about it."""

from dataclasses import dataclass

ACCEPTABLE = ("color", "modality", "unlike")
"""What a caller may accept although it is refused by default: a picture in colour, a DICOM file of any Modality, and
an image that does not look like a chest film."""


class FilmWarning(str):
    """One sentence about what is unusual in a film, with its kind.

    Parameters
    ----------
    kind : str
        One or two words by which warnings are counted, such as "lateral".
    sentence : str

    Examples
    --------
    >>> warning = FilmWarning("lateral", "a lateral film; frontal ones are expected")
    >>> warning.kind, str(warning)
    ('lateral', 'a lateral film; frontal ones are expected')
    """

    kind: str

    def __new__(cls, kind: str, sentence: str) -> "FilmWarning":
        """Make the text, and give it a kind."""
        warning = super().__new__(cls, sentence)
        warning.kind = kind
        return warning

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        """Return what `__new__` takes, for copy and pickle."""
        return self.kind, str(self)


@dataclass(frozen=True)
class FilmHeader:
    """What a DICOM header says about patient and view. Every field is empty for other files.

    Attributes
    ----------
    patient_id : str
        A salted hash of PatientID, so that nothing of the header itself is kept.
    view : str
        "PA", "AP", "LATERAL" or another code word of the header in upper case.
    sex : str
        "M", "F" or "O".
    age : float or None
        Years.
    """

    patient_id: str = ""
    view: str = ""
    sex: str = ""
    age: float | None = None
