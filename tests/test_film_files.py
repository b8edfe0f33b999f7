"""Which files below a user's folder are films, and what is said about the others."""

import os

import pytest

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.cohorts.film_files import list_films
from cxrlib.errors import InputError

PNG, JPEG = b"\x89PNG\r\n\x1a\n" + bytes(40), b"\xff\xd8\xff\xe0" + bytes(40)
DICOM = bytes(128) + b"DICM" + bytes(40)
NO_PREAMBLE = b"\x08\0\x05\0CS\x0a\0ISO_IR 100"


def make(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_films_are_known_by_name_or_else_by_content(tmp_path):
    films = {
        "a.png": b"", "b.JPG": b"", "c.jpeg": b"", "d.dcm": b"", "e.DICOM": b"",  # by name, without being opened
        "IM000001": DICOM, "1.2.840.113619": DICOM, "f.IMA": DICOM, "g.dc3": NO_PREAMBLE, "h.tif": JPEG, "i": PNG,
        "sub/j.img": DICOM, "folder.png/k.png": b"",
    }  # fmt: skip
    no_films = {
        "notes.txt": PNG, "table.csv": b"", "table.json": b"", "README": b"text", "DICOMDIR": DICOM, "Thumbs.db": b"\0",
        "desktop.ini": b"", "report.pdf": b"%PDF-", "~$notes.docx": b"\0",
    }  # fmt: skip
    passed_over = {
        "x.tif": b"II*\0", "y.bmp": b"BM" + bytes(20), "z.webp": b"RIFF1234WEBP", "u.gif": b"GIF89a",
        "v.nii": b"\0" * 9 + b"x",
        "w.jp2": b"\0\0\0\x0cjP  \r\n\x87\n", "empty": b"", "film_thumb.jpg": JPEG, "thumb_1.png": PNG,
    }  # fmt: skip
    found = list_films(make(tmp_path, films | no_films | passed_over))
    assert found.paths == sorted(films)
    kinds = {path: kind for kind, paths in found.passed_over.items() for path in paths}
    assert kinds == {
        "x.tif": "TIFF", "y.bmp": "BMP", "z.webp": "WebP", "u.gif": "GIF", "v.nii": "of an unknown format",
        "w.jp2": "JPEG 2000", "empty": "an empty file", "film_thumb.jpg": "a thumbnail by its name",
        "thumb_1.png": "a thumbnail by its name",
    }  # fmt: skip
    assert "1 files in the folders are left out: each is TIFF, a format that is not read (first: x.tif)" in found.notes


@pytest.mark.parametrize(
    "name",
    [
        ".ipynb_checkpoints/e0-checkpoint.png", ".Trash-1000/files/e.png", ".git/e.png", "._e0.png", ".hidden.png",
        "@eaDir/e0.png/SYNOPHOTO_THUMB_M.jpg", "__MACOSX/e0.png", "$RECYCLE.BIN/e.png", "#recycle/e.png",
        "System Volume Information/e.png", "lost+found/e.png", "@Recycle/e.png", "Thumbs/e.png", ".thumbnails/e.png",
        "@EADIR/e.png", "p1/.cache/e.png",
    ],
)  # fmt: skip
def test_hidden_trash_and_thumbnail_folders_hold_no_films(two_folders, name):
    make(two_folders / "effusion", {name: PNG})
    if not name.startswith("p1"):
        make(two_folders, {name: PNG})
    cohort = read_cohort(two_folders)
    assert len(cohort.table) == 12
    assert len(cohort.notes) == 1  # nothing is said about them


def test_links_are_followed_once_and_loops_are_told(tmp_path):
    folder = make(tmp_path / "films", {"class/a.png": b"", "class/sub/b.png": b""})
    disk = make(tmp_path / "disk", {"c.png": b"", "more/d.png": b""})
    links = {
        "linked": disk, "again": disk / "more", "up": folder, "self": folder / "class",
        "sub/above": folder / "class",
        "e.png": disk / "c.png", "gone": tmp_path / "gone", "gone.png": tmp_path / "gone.png",
        "twin": folder / "class/sub",
    }  # fmt: skip
    for name, target in links.items():
        (folder / "class" / name).symlink_to(target)
    (disk / "more" / "round").symlink_to(disk)
    (folder / "class" / "f.png").symlink_to("f.png")
    os.mkfifo(folder / "class" / "pipe.png")
    found = list_films(folder, ["class"])
    assert found.paths == [
        "class/a.png", "class/again/d.png", "class/e.png", "class/linked/c.png", "class/sub/b.png"
    ]  # fmt: skip
    counts = {kind: len(paths) for kind, paths in found.passed_over.items()}
    assert counts == {
        "a link to a folder above it": 4, "a link or folder that is listed already by another name": 2,
        "a link that leads nowhere": 3,        "a pipe or a device": 1,
    }  # fmt: skip
    assert any("3 links in the folders are left out: each is a link that leads nowhere" in note for note in found.notes)


def test_a_class_of_films_without_endings_is_read(two_folders):
    film = two_folders / "effusion" / "e0.png"
    film.rename(film.with_suffix(""))
    (two_folders / "effusion" / "e1.png").rename(two_folders / "effusion" / "e1.tif")
    cohort = read_cohort(two_folders)
    assert len(cohort.table) == 12
    for path in (two_folders / "nofinding").iterdir():
        path.write_bytes(b"II*\0")
        path.rename(path.with_suffix(".tif"))
    with pytest.raises(InputError, match=r"no films in nofinding/ .*; 6 files .* each is TIFF"):
        read_cohort(two_folders)


def test_a_table_that_names_a_file_of_another_format_is_told_so(two_folders):
    make(two_folders / "effusion", {"x.tif": b"II*\0"})
    (two_folders / "cohort.csv").write_text("path,label\neffusion/x.tif,1\nnofinding/n0.png,0\n")
    with pytest.raises(InputError, match=r"first: row 2, effusion/x\.tif, which is TIFF and is not read"):
        read_cohort(two_folders)
