import gzip
import io
import struct
import zlib
from itertools import product

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from cxrlib.errors import InputError
from cxrlib.images import headers, png_jpeg
from cxrlib.images.film_facts import FilmWarning
from cxrlib.images.formats import name_format
from cxrlib.images.pixels import minmax, percentile, pixel_digest, resize_to_square
from cxrlib.images.radiograph import open_radiograph, read_film_id, read_image, read_prepared_facts, write_prepared


def save(tmp_path, array, name="film.png", mode=None, **options):
    path = tmp_path / name
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def test_every_8_bit_png_mode_reads_as_the_same_film(tmp_path, film):
    for mode in ("L", "LA", "RGB", "RGBA"):
        image = read_image(save(tmp_path, film, mode=mode))
        assert image.dtype == np.float32
        np.testing.assert_array_equal(image, minmax(film), err_msg=mode)
    image = read_image(save(tmp_path, film, mode="P"))
    assert image.shape == (96, 80)
    assert np.abs(image - minmax(film)).max() < 0.15  # a palette of 216 colours is coarse


def test_a_gray_film_is_read_by_opencv_where_the_faster_decoder_fails(tmp_path, film, monkeypatch):
    class Panic(BaseException):
        """What Rust raises is no Exception."""

    def fail(data):
        raise Panic

    path = save(tmp_path, film)
    fast = read_image(path)
    monkeypatch.setattr(png_jpeg.imgrs.Image, "open", fail)
    np.testing.assert_array_equal(read_image(path), fast)


def test_16_bit_png_keeps_its_depth(tmp_path):
    deep = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    for channels in (1, 3, 4):
        array = deep if channels == 1 else np.repeat(deep[..., None], channels, axis=2)
        if channels == 4:
            array[..., 3] = 65535
        cv2.imwrite(str(tmp_path / "deep.png"), array)
        image = read_image(tmp_path / "deep.png")
        assert len(np.unique(image)) == 64 * 64
        np.testing.assert_allclose(image, deep / deep.max(), atol=1e-6)


def test_jpeg(tmp_path, film):
    for mode in ("L", "RGB"):
        image = read_image(save(tmp_path, film, "film.jpg", mode, quality=95))
        assert np.abs(image - minmax(film)).max() < 0.05


def test_content_decides_not_the_name(tmp_path, film):
    jpeg_named_png = save(tmp_path, film, "film.png", format="JPEG")
    assert read_image(jpeg_named_png).shape == film.shape
    png_named_dicom = save(tmp_path, film, "film.dcm", format="PNG")
    assert read_image(png_named_dicom).shape == film.shape


def test_minmax_uses_the_whole_range_where_dividing_by_255_does_not(tmp_path, film):
    image = read_image(save(tmp_path, film))
    assert (image.min(), image.max()) == (0, 1)
    assert (film / 255).max() < 1


def test_percentile_is_not_moved_by_a_hot_pixel(tmp_path, film):
    hot = film.astype(np.uint16)
    hot[0, 0] = 60_000
    cv2.imwrite(str(tmp_path / "hot.png"), hot)
    assert np.median(read_image(tmp_path / "hot.png")) < 0.01
    robust = read_image(tmp_path / "hot.png", normalize="percentile")
    assert abs(np.median(robust) - np.median(percentile(film))) < 0.01


def test_a_square_is_made_by_padding_not_by_cropping_or_stretching():
    for shape, size in product([(96, 80), (80, 96), (97, 33), (64, 64)], [32, 50, 128]):
        square = resize_to_square(np.ones(shape, np.float32), size)
        assert square.shape == (size, size)
        assert square.mean() == pytest.approx(np.prod(shape) / max(shape) ** 2, abs=0.02)  # all of it is there
        inside = square[size // 2] if shape[0] >= shape[1] else square[:, size // 2]
        assert inside.max() == pytest.approx(1)


def test_shrinking_averages_areas():
    image = np.random.default_rng(0).random((96, 96)).astype(np.float32)
    expected = image.reshape(32, 3, 32, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(resize_to_square(image, 32), expected, atol=1e-6)


def test_a_prepared_copy_reads_as_its_original(tmp_path):
    films = {"square": (300, 300), "narrow": (300, 200), "hot": (300, 300)}
    for (name, shape), normalize in product(films.items(), ["minmax", "percentile"]):
        array = np.random.default_rng(1).integers(300, 4000, shape).astype(np.uint16)
        if name == "hot":
            array[17, 23] = 65_000
        cv2.imwrite(str(tmp_path / "original.png"), array)
        direct = read_image(tmp_path / "original.png", size=64, normalize=normalize)
        write_prepared(tmp_path / "copy.png", direct, normalize=normalize)
        copy = read_image(tmp_path / "copy.png", size=64, normalize=normalize)
        np.testing.assert_allclose(copy, direct, atol=1 / 65535)
        if (name, normalize) == ("hot", "minmax"):  # the mark in the copy prevents this
            assert np.abs(minmax(direct) - direct).max() > 0.5


def test_a_copy_prepared_with_another_normalisation_is_refused(tmp_path, film):
    write_prepared(tmp_path / "copy.png", minmax(film))
    with pytest.raises(InputError, match="prepared with normalize='minmax'"):
        read_image(tmp_path / "copy.png", normalize="percentile")


def test_colour_is_refused_unless_allowed(tmp_path, film):
    color = np.stack([film, film[::-1], film], axis=-1)
    path = save(tmp_path, color)
    with pytest.raises(InputError, match="picture in colour"):
        read_image(path)
    opened = open_radiograph(path, accept=["color"])
    assert opened.image.shape == film.shape
    assert "luminance" in opened.warnings[0]


def test_a_transparent_border_is_laid_on_black_with_a_warning(tmp_path, film):
    rgba = np.stack([film] * 3 + [np.full_like(film, 255)], axis=-1)
    rgba[:10, :, 3] = 0
    opened = open_radiograph(save(tmp_path, rgba))
    assert opened.image[:10].max() == 0
    assert "transparent" in opened.warnings[0]


def test_there_is_a_warning_of_enlarging(tmp_path, film):
    assert open_radiograph(save(tmp_path, film), size=64).warnings == ()
    assert "enlarged from 80x96 to 128" in open_radiograph(save(tmp_path, film), size=128).warnings[0]


def damaged(film) -> dict[str, bytes]:
    buffer = io.BytesIO()
    Image.fromarray(film).save(buffer, "PNG")
    data = buffer.getvalue()
    jpeg = io.BytesIO()
    Image.fromarray(film).save(jpeg, "JPEG")
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 255
    return {
        "cut.png": data[: len(data) // 2],
        "flipped.png": bytes(flipped),
        "cut.jpg": jpeg.getvalue()[: len(jpeg.getvalue()) // 2],
        "text.png": b"version https://git-lfs.github.com/spec/v1",
        "empty.png": b"",
        "text.dcm": b"not a DICOM file at all",
        "only-preamble.dcm": bytes(128) + b"DICM",
    }


def test_damaged_files_are_refused_by_name(tmp_path, film, capfd):
    for name, data in damaged(film).items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=name):
            open_radiograph(tmp_path / name)
    assert capfd.readouterr() == ("", "")  # no messages of the decoders


def pillow(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)).save(buffer, form)
    return buffer.getvalue()


OTHER_FILES = {
    "an empty file": (b"", "the file is empty"),
    "a file of zeros": (bytes(5000), "only zeros"),
    "a web page (HTML)": (b"\xef\xbb\xbf\n <!DOCTYPE html><html>sign in</html>", "a web page"),
    "a web page (HTML) ": (b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml">', "a web page"),
    "a web page (HTML)  ": ("<html><body>no</body></html>".encode("utf-16"), "a web page"),
    "XML": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML; a film must be PNG"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
    "TIFF": (pillow("TIFF"), "TIFF, which is not read; convert it to PNG"),
    "BMP": (pillow("BMP"), "BMP, .* convert"),
    "GIF": (pillow("GIF"), "GIF, .* convert"),
    "WebP": (pillow("WebP"), "WebP, .* convert"),
    "JPEG 2000": (pillow("JPEG2000"), "JPEG 2000, .* convert"),
    "HEIC": (b"\0\0\0\x18ftypheic", "HEIC, .* convert"),
    "AVIF": (b"\0\0\0\x20ftypavif", "AVIF, .* convert"),
    "NIfTI": (b"\x5c\x01\0\0" + bytes(340) + b"n+1\0" + bytes(9), "NIfTI, .* convert"),
    "NIfTI or another gzip file": (gzip.compress(bytes(9)), "gzip file; a film must be"),
    "PGM/PPM": (b"P5\n4 4\n255\n" + bytes(16), "PGM/PPM, .* convert"),
    "Photoshop": (b"8BPS\0\1", "Photoshop, .* convert"),
    "PDF": (b"%PDF-1.7", "PDF; a film must be"),
    "ZIP": (b"PK\x03\x04", "ZIP; a film must be"),
    "NumPy": (b"\x93NUMPY", "NumPy; a film must be"),
    "HDF5/Keras": (b"\x89HDF\r\n\x1a\n", "HDF5/Keras; a film must be"),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_a_file_of_another_format_is_called_what_it_is(tmp_path, name):
    data, message = OTHER_FILES[name]
    assert name_format(data) == name.rstrip()
    for suffix in ("png", "dcm"):  # the content decides, whatever the name says
        path = tmp_path / f"film.{suffix}"
        path.write_bytes(data)
        with pytest.raises(InputError, match=message):
            open_radiograph(path)


def test_formats_that_are_read_are_known_by_their_first_bytes():
    dicom = {
        "the preamble holds a TIFF file": b"II*\0" + bytes(124) + b"DICM",
        "no preamble": b"\x02\0\0\0UL\x04\0\xb6\0\0\0",
        "no preamble and no file meta": b"\x08\0\x05\0CS\x0a\0ISO_IR 100",
        "implicit": b"\x08\0\x08\0\x10\0\0\0ORIGINAL\\PRIMARY",
    }
    assert {case: name_format(data) for case, data in dicom.items()} == dict.fromkeys(dicom, "DICOM")
    assert (name_format(pillow("PNG")), name_format(pillow("JPEG"))) == ("PNG", "JPEG")
    texts = (b"path,label", b"BMI and age of each patient", b"not a DICOM file", b"\n", b"<5 films")
    assert [name_format(text) for text in texts] == [""] * len(texts)


EXIF = b"Exif\0\0"


def exif(orientation: int, order: str = "<", kind: str = "H") -> bytes:
    start = b"II*\0\x08\0\0\0" if order == "<" else b"MM\0*\0\0\0\x08"
    other = struct.pack(order + "HHII", 0x010F, 2, 4, 0)  # the camera's maker
    tag = struct.pack(order + "HHI", 0x0112, {"H": 3, "I": 4}[kind], 1)
    value = struct.pack(order + kind, orientation).ljust(4, b"\0")
    return start + struct.pack(order + "H", 2) + other + tag + value + bytes(4)


def old_exif_text(data: bytes, kind: str = "exif") -> PngImagePlugin.PngInfo:
    """Return Exif data as ImageMagick 6 and its forerunners (APP1) write them into a PNG."""
    info = PngImagePlugin.PngInfo()
    info.add_text(
        f"Raw profile type {kind}", f"\nexif\n{len(data):8}\n{data[:20].hex()}\n{data[20:].hex()}\n", zip=True
    )
    return info


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(tmp_path, orientation):
    """Pillow's exif_transpose is the reference. The pixels have no symmetry, and blocks that JPEG keeps apart."""
    stored = np.kron(np.arange(12, dtype=np.uint8).reshape(4, 3) * 20, np.ones((16, 16), np.uint8))
    for name, mode, options in (
        ("gray.jpg", "L", {"exif": EXIF + exif(orientation)}),
        ("rgb.jpg", "RGB", {"exif": EXIF + exif(orientation, ">")}),
        ("long.jpg", "L", {"exif": EXIF + exif(orientation, "<", "I"), "progressive": True}),
        ("gray.png", "L", {"exif": exif(orientation)}),
        ("rgb.png", "RGB", {"exif": exif(orientation, ">")}),
        ("old.png", "L", {"pnginfo": old_exif_text(exif(orientation))}),
        ("older.png", "L", {"pnginfo": old_exif_text(EXIF + exif(orientation))}),
        ("oldest.png", "L", {"pnginfo": old_exif_text(EXIF + exif(orientation), "APP1")}),
    ):
        path = save(tmp_path, stored, name, mode, **options)
        upright_picture = Image.fromarray(stored)
        upright_picture.getexif()[0x0112] = orientation
        expected = minmax(np.asarray(ImageOps.exif_transpose(upright_picture)))
        opened = open_radiograph(path)
        np.testing.assert_allclose(opened.image, expected, atol=0.03, err_msg=name)
        assert opened.warnings == ()
        if name == "gray.png":
            upright = save(tmp_path, np.rint(expected * 220).astype(np.uint8), "upright.png")
            assert opened.film_id == open_radiograph(upright).film_id


def test_damaged_exif_data_are_ignored(tmp_path, film, monkeypatch):
    """No byte of them may cost time or a film. A tag that says 6 makes the film wide."""
    wide, tall = film.shape[::-1], film.shape
    whole = exif(6)
    entry = whole.index(b"\x12\x01")
    damaged = [whole[:k] for k in range(len(whole))]
    damaged += [bytes(whole[:k] + bytes([byte]) + whole[k + 1 :]) for k in range(len(whole)) for byte in (0, 127, 255)]
    damaged += [exif(0), exif(9), exif(65535), exif(1 << 31, kind="I"), b"II*\0" + b"\xff" * 60_000]
    damaged += [whole[:4] + struct.pack("<I", 4) + whole[8:], whole[:8] + b"\xff\xff" + whole[10:entry]]
    for name in ("film.png", "film.jpg"):
        for data in damaged:
            assert read_image(save(tmp_path, film, name, exif=data)).shape in (wide, tall)
        for data in damaged[: entry + 8]:  # cut off before the value
            assert read_image(save(tmp_path, film, name, exif=data)).shape == tall
    info = PngImagePlugin.PngInfo()
    info.add(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(50_000_000)))
    for text in ("", "exif", "\nexif\n 4\nxyz", "\nexif\n 4\n123", "\nexif\n 8\n\u0660\u0660"):
        info.add_itxt("Raw profile type exif", text)
        info.add(b"tEXt", b"Raw profile type exif\0" + text.encode())
    inflated = []
    with monkeypatch.context() as patch:
        inflate = headers._exif_in_text
        patch.setattr(headers, "_exif_in_text", lambda content: inflated.append(inflate(content)) or inflated[-1])
        assert read_image(save(tmp_path, film, "film.png", pnginfo=info)).shape == tall
    assert inflated == [b""]  # the first of all, and never more of it than Exif data may have


def test_other_refusals(tmp_path, film):
    with pytest.raises(InputError, match="no such file"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path)
    with pytest.raises(InputError, match="constant image"):
        read_image(save(tmp_path, np.full_like(film, 7)))
    with pytest.raises(InputError, match="normalize is 'max'"):
        read_image(save(tmp_path, film), normalize="max")


def test_a_mark_of_another_version_is_refused(tmp_path, film):
    write_prepared(tmp_path / "copy.png", minmax(film), normalize="equalised")
    with pytest.raises(InputError, match="in a way that this version of cxrlib does not know"):
        read_image(tmp_path / "copy.png")


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path):
    side = 20_000
    bomb = Image.new("1", (side, side))
    bomb.save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    with pytest.raises(InputError, match=r"bomb\.png"):
        read_image(tmp_path / "bomb.png")


def test_a_prepared_copy_keeps_the_id_and_the_warnings_of_its_original_at_every_size(tmp_path, film):
    original = save(tmp_path, film)
    opened = open_radiograph(original)
    assert len(opened.film_id) == 32
    assert opened.film_id != open_radiograph(save(tmp_path, film + 1, "other.png")).film_id
    warning = FilmWarning("lateral", "a lateral film; frontal ones are expected")
    for size in (32, 64):
        image = read_image(original, size=size)
        write_prepared(tmp_path / "copy.png", image, film_id=opened.film_id, warnings=[warning])
        copy = open_radiograph(tmp_path / "copy.png")
        assert copy.film_id == opened.film_id
        assert [(each.kind, str(each)) for each in copy.warnings] == [(warning.kind, str(warning))]
        assert read_prepared_facts(tmp_path / "copy.png") == (opened.film_id, (warning,))
    write_prepared(tmp_path / "plain.png", image)
    assert read_prepared_facts(tmp_path / "plain.png") is None
    assert read_prepared_facts(original) is None
    # another program has made 8 bits of the copy, and kept the texts
    data, pixels = (tmp_path / "copy.png").read_bytes(), (image * 255).astype(np.uint8)
    eight_bit = cv2.imencode(".png", pixels)[1].tobytes()
    (tmp_path / "copy.png").write_bytes(eight_bit[:33] + data[33 : data.index(b"IDAT") - 4] + eight_bit[33:])
    assert read_prepared_facts(tmp_path / "copy.png") is None
    assert read_film_id(tmp_path / "copy.png") == open_radiograph(tmp_path / "copy.png").film_id == pixel_digest(pixels)
    assert read_prepared_facts(tmp_path / "absent.png") is None
