"""What is known about a film besides its pixels: what its header says, and what is unusual about it."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from cxrlib.errors import InputError

ACCEPTABLE = ("color", "modality", "unlike")
"""What a caller may accept although it is refused by default: a picture in colour, a DICOM file of any Modality, and
an image that does not look like a chest film."""

NO_COLOR = "a chest film is gray; prepare and predict read a picture in colour as gray with --accept color"
"""The end of a message that refuses a picture in colour: what is needed, and what else can be done."""


MAX_AGE = 120
"""Years. Nobody older is in a hospital, but some programs write 999, and NIH's table has ages up to 414."""

YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1, "": 1}
"""The units of an age (DICOM PS3.5, 6.2, Age String) in years. Some programs leave the unit out and mean years."""


def check_accept(accept: Collection[str]) -> None:
    """Refuse what is not a collection of names of `ACCEPTABLE`, such as the name alone.

    Raises
    ------
    InputError
    """
    if isinstance(accept, str) or not isinstance(accept, Collection) or not set(accept) <= set(ACCEPTABLE):
        raise InputError(f"accept is {accept!r:.80}; it must hold names of {', '.join(ACCEPTABLE)}, as in ('color',)")


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


Warn: TypeAlias = Callable[[str, str], None]
"""``warn(kind, sentence)`` adds a `FilmWarning` to those of a film."""


def count_warnings(kinds: Iterable[str]) -> str:
    """Return how many warnings of each kind there are, as a text.

    Parameters
    ----------
    kinds : iterable of str
        The kind of each warning.

    Examples
    --------
    >>> count_warnings(["lateral", "color", "lateral"])
    '2 lateral, 1 color'
    """
    return ", ".join(f"{count:,} {kind}" for kind, count in Counter(kinds).most_common())


@dataclass(frozen=True)
class FilmHeader:
    """What a DICOM header says about patient and view. Every field is empty for other files.

    Attributes
    ----------
    patient_id : str
        A salted hash of PatientID, so that nothing of the header itself is kept.
    view : str
        "PA", "AP" or "LATERAL".
    sex : str
        "M", "F" or "O".
    age : float or None
        Years.
    """

    patient_id: str = ""
    view: str = ""
    sex: str = ""
    age: float | None = None


_SIDE = r"(L|R|LT|RT|LEFT|RIGHT)?"
_LATERAL_WORD = re.compile(rf"{_SIDE}LAT(ERAA?L(E|IS)?)?{_SIDE}|[LR]L|[LR]LO|PROFILE?|PERFIL|SEITLICH")
_LATERAL_VIEWS = ("L", "XTABLELAT", "XTABLELATERAL")  # "L" is how PadChest calls a lateral film


def is_lateral(view: str) -> bool:
    """Return whether the name of a view, from a header or a table, means a lateral film.

    A lateral decubitus film is not one: the patient lies on one side, and the
    projection is frontal. The code words LL, RL, LLO, RLO, LLD and RLD are those of
    View Position (DICOM PS3.3, C.8.7.1.1.2 and C.8.11.5).

    Parameters
    ----------
    view : str
        Upper and lower case, accents, blanks, digits and punctuation do not count.

    Examples
    --------
    >>> [is_lateral(view) for view in ("LL", "Left lateral", "XTABLE LATERAL", "PA", "lateral decubitus")]
    [True, True, True, False, False]
    """
    letters = unicodedata.normalize("NFKD", view.upper()).encode("ascii", "ignore").decode()  # without accents
    words = re.split(r"[\W\d_]+", letters)
    if any(word.startswith(("DECUB", "LLD", "RLD")) for word in words):
        return False
    return "".join(words) in _LATERAL_VIEWS or any(_LATERAL_WORD.fullmatch(word) for word in words)
