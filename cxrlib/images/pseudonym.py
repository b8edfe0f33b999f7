"""Turn a patient's identifier into a name that tells nothing about the patient.

The same patient gets the same name in every cohort that is made on this computer.
The name is a keyed hash (HMAC, RFC 2104). Without the key, which we call salt,
nobody can test a guess of the identifier.
"""

import hashlib
import hmac
import os
import re
import secrets
import unicodedata
from functools import cache

import platformdirs

from cxrlib.errors import InputError
from cxrlib.files import atomic, make_once

SALT_VARIABLE = "CXR_SALT"
"""Environment variable whose text takes the place of the salt file, so that several computers can share one salt."""

SALT_FILE = "patients.salt"
"""Name of the file in the user's data folder. It is made once and holds `SALT_BYTES` random bytes."""

SALT_BYTES = 32
"""As many bytes as the hash has (RFC 2104, section 3)."""

DIGITS = 16
"""Hexadecimal digits of a name. Our choice: two of a million patients get one name with a probability of 3e-8."""

PLACEHOLDERS = (
    "ANON", "ANONYM", "ANONYMISED", "ANONYMIZED", "ANONYMOUS", "DEIDENTIFIED", "DELETED", "NA", "NAN", "NIL", "NOID",
    "NONE", "NULL", "PATIENT", "PATIENTID", "REMOVED", "UNDEFINED", "UNKNOWN",
)  # fmt: skip
"""Texts that stand in the place of an identifier, without blanks and punctuation. Our choice."""


_NUMBER = re.compile(r"(-?\d+)[.,]0*")
"""A whole number that a program wrote as a decimal: "7.0", or "7,0" where the comma is the decimal sign."""


def whole_number(text: str) -> str:
    """Return "7" for "7.0" and "7,0", and any other text as it is."""
    match = _NUMBER.fullmatch(text)
    return match[1] if match else text


def patient_key(patient_id: str) -> str:
    r"""Return one form of a patient's identifier for all the spellings that programs make of it.

    Programs change upper and lower case, blanks, invisible characters and Unicode forms.
    They put an apostrophe or ="..." around it, and zeros before or after a number.

    Examples
    --------
    >>> patient_key(" P 7"), patient_key("p\u00a07"), patient_key("007"), patient_key("7.0")
    ('p 7', 'p 7', '7', '7')
    """
    text = unicodedata.normalize("NFKC", patient_id).casefold()
    text = "".join(char for char in text if unicodedata.category(char) not in ("Cc", "Cf"))
    text = whole_number(re.sub(r"^'|^=\"|\"$", "", " ".join(text.split())))
    return (text.lstrip("0") or "0") if text.isdecimal() else text


def pseudonym(patient_id: str) -> str:
    """Return a name for a patient: 16 hexadecimal digits, or "" if the identifier is empty or a placeholder.

    Parameters
    ----------
    patient_id : str
        All spellings with one `patient_key` get one name. The issuer of the identifier
        does not count, because some films of a patient name it and others do not. Two
        patients with one identifier go into the same split, which does no harm.

    Raises
    ------
    InputError
        The salt file cannot be read or made.
    """
    letters = re.sub(r"[\W_]", "", patient_id).upper()
    if letters in PLACEHOLDERS or set(letters) <= {"0"} or set(letters) <= {"X"}:
        return ""
    salt = os.environ.get(SALT_VARIABLE, "").encode() or _salt_of_user()
    return hmac.new(salt, patient_key(patient_id).encode(), hashlib.sha256).hexdigest()[:DIGITS]


@cache
def _salt_of_user() -> bytes:
    """Return the salt of this user of this computer. The first process that needs it draws it."""
    file = platformdirs.user_data_path("cxrlib") / SALT_FILE

    def draw() -> None:
        with atomic(file) as partial:
            partial.touch(mode=0o600)  # only the user can read it
            partial.write_bytes(secrets.token_bytes(SALT_BYTES))

    try:
        salt = make_once(file, draw).read_bytes()
    except OSError as error:
        raise InputError(
            f"{file}: the salt of the patients' ids cannot be read or made ({error.strerror}); "
            f"set the environment variable {SALT_VARIABLE} to any text instead"
        ) from None
    if len(salt) != SALT_BYTES:
        raise InputError(
            f"{file}: has {len(salt)} bytes, and a salt has {SALT_BYTES}; remove it, and a new salt is drawn"
        )
    return salt
