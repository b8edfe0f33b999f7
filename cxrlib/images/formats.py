"""Name the format of a file by its first bytes, so that a message can say what the file is."""

import re

FORMAT_BYTES = 1024
"""`name_format` looks at so many bytes of a file at most. A NIfTI file is known by its byte 344; the first tag of a web
page may come after a few lines."""

EMPTY, ZEROS, WEB_PAGE, LFS_POINTER = "an empty file", "a file of zeros", "a web page (HTML)", "a Git LFS pointer"

_FILMS = {"PNG": rb"\x89PNG\r\n\x1a\n", "JPEG": rb"\xff\xd8\xff(?!\xf7)"}
_PICTURES = {
    "JPEG-LS": rb"\xff\xd8\xff\xf7",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "BMP": rb"BM....\0\0\0\0",
    "GIF": rb"GIF8[79]a",
    "JPEG 2000": rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    "JPEG XL": rb"\0\0\0\x0cJXL \r\n\x87\n|\xff\x0a",
    "WebP": rb"RIFF....WEBP",
    "AVIF": rb"....ftypavi[fs]",
    "HEIC": rb"....ftyp(hei|hev|mif1|msf1)",
    "NIfTI": rb".{344}(n[i+]1\0)|.{4}(n[i+]2\0\r\n\x1a\n)",
    "NRRD": rb"NRRD000",
    "PGM/PPM": rb"P[1-6]\s+[\d#]",
    "Photoshop": rb"8BPS\0",
    "MetaImage": rb"(ObjectType|NDims) *=",
}
_NO_PICTURES = {
    "NIfTI or another gzip file": rb"\x1f\x8b\x08",
    "PDF": rb"%PDF-",
    "ZIP": rb"PK(\x03\x04|\x05\x06)",
    "RAR": rb"Rar!\x1a\x07",
    "7z": rb"7z\xbc\xaf\x27\x1c",
    "tar": rb".{257}ustar",
    "NumPy": rb"\x93NUMPY",
    "HDF5/Keras": rb"\x89HDF\r\n\x1a\n",
    LFS_POINTER: rb"version https://git-lfs",
}
_FORMATS = {name: re.compile(start, re.DOTALL) for name, start in (_FILMS | _PICTURES | _NO_PICTURES).items()}
"""First bytes of formats, as regular expressions. PRONOM (www.nationalarchives.gov.uk/pronom) lists the signatures; for
NIfTI see nifti.nimh.nih.gov, for Git LFS the file docs/spec.md of git-lfs."""

_DICOM = re.compile(rb".{128}DICM|[\x02\x08]\0.\0([A-Z]{2}|..\0\0)|\0\x08\0.[A-Z]{2}", re.DOTALL)
"""DICOM with the preamble (PS3.10, 7.1). Or without it: then a file begins with an element of group 0002 or 0008. It
has a value representation, or in little endian a length of 4 bytes (PS3.5, 7.1)."""

_HTML = re.compile(rb"<!doctype html|<html|<head|<body|<script")
_AGAIN = "copy or download it again"
_EXPLAINED = {
    EMPTY: f"the file is empty (0 bytes); {_AGAIN}",
    ZEROS: f"the file holds only zeros, as an interrupted copy does; {_AGAIN}",
    WEB_PAGE: "the file is a web page (HTML), not a film; a download that needs a sign-in ends so: download it again",
    LFS_POINTER: "the file is a Git LFS pointer; fetch the film itself with `git lfs pull`",
}


def name_format(data: bytes) -> str:
    r"""Name the format of a file by its first bytes.

    Parameters
    ----------
    data : bytes
        The file, or its first `FORMAT_BYTES` bytes.

    Returns
    -------
    str
        "PNG", "JPEG", "DICOM", "TIFF", "a web page (HTML)", "an empty file" or another
        name; "" if the format is unknown.

    Examples
    --------
    >>> name_format(b"GIF89a"), name_format(b"\n<!DOCTYPE html>"), name_format(b"patient,age")
    ('GIF', 'a web page (HTML)', '')
    """
    start = data[:FORMAT_BYTES]
    if not start:
        return EMPTY
    if _DICOM.match(start):  # before all others: the preamble may hold the start of a TIFF file (PS3.10, 7.1)
        return "DICOM"
    for name, signature in _FORMATS.items():
        if signature.match(start):
            return name
    # text may be UTF-8 or UTF-16, with a mark of byte order before it
    text = start.lstrip(b"\xef\xbb\xbf\xff\xfe").replace(b"\0", b"").strip().lower()
    if not text:
        return ZEROS if len(start) == FORMAT_BYTES or not start.strip(b"\0") else ""
    if text.startswith(b"<") and _HTML.search(text):
        return WEB_PAGE
    return "XML" if text.startswith(b"<?xml") else ""


def explain_format(name: str) -> str:
    """Return what a user should know and do who gave a file of this format (`name_format`) as a film.

    Examples
    --------
    >>> explain_format("TIFF")
    'the file is in the format TIFF, which is not read; convert it to PNG'
    """
    if name in _EXPLAINED:
        return _EXPLAINED[name]
    if name in _PICTURES:
        return f"the file is in the format {name}, which is not read; convert it to PNG"
    return f"the file is in the format {name}; a film must be PNG, JPEG or DICOM"
