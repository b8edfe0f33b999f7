import copy
import io
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import platformdirs
import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from cxrlib.errors import InputError
from cxrlib.images import pseudonym as pseudonyms
from cxrlib.images.film_facts import FilmHeader, is_lateral
from cxrlib.images.pixels import minmax
from cxrlib.images.pseudonym import SALT_FILE, pseudonym
from cxrlib.images.radiograph import open_radiograph, read_header, read_image


def write(path, pixels, **tags):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = pydicom.uid.DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    dataset.Modality, dataset.PatientName = "DX", "Doe^Jane"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = 16
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = pixels.astype("<u2").tobytes()
    for name, value in tags.items():
        if value is None:
            delattr(dataset, name)
        elif isinstance(value, pydicom.DataElement):  # of another type than its tag has, or without a keyword
            dataset[value.tag] = value
        else:
            setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def ramp():
    return np.arange(32 * 32).reshape(32, 32) * 4


def test_12_bit_and_no_name_in_what_is_returned(tmp_path, ramp):
    opened = open_radiograph(write(tmp_path / "a.dcm", ramp))
    np.testing.assert_allclose(opened.image, minmax(ramp), atol=1e-6)
    assert opened.warnings == ()


def test_monochrome1_is_inverted(tmp_path, ramp):
    path = write(tmp_path / "a.dcm", ramp.max() - ramp, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_allclose(read_image(path), minmax(ramp), atol=1e-6)


def test_gray_in_ybr_is_read(tmp_path):
    gray = np.arange(32 * 32, dtype=np.uint8).reshape(32, 32) // 5
    ybr = np.stack([gray, np.full_like(gray, 128), np.full_like(gray, 128)], axis=-1)
    tags = dict(SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="YBR_FULL")
    tags |= dict(BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=ybr.tobytes())
    np.testing.assert_allclose(read_image(write(tmp_path / "a.dcm", ybr, **tags)), minmax(gray), atol=0.02)


def test_window_clips_by_the_formula_of_the_standard(tmp_path, ramp):
    center, width = 2000, 1000
    image = read_image(write(tmp_path / "a.dcm", ramp, WindowCenter=center, WindowWidth=width))
    expected = np.clip((ramp - (center - 0.5)) / (width - 1) + 0.5, 0, 1)  # PS3.3 C.11.2.1.2.1
    np.testing.assert_allclose(image, expected, atol=1e-6)


def test_the_modality_lut_comes_before_the_window(tmp_path, ramp):
    tags = dict(RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=2000, WindowWidth=1000)
    image = read_image(write(tmp_path / "a.dcm", ramp, **tags))
    expected = np.clip((2 * ramp - 1000 - 1999.5) / 999 + 0.5, 0, 1)
    np.testing.assert_allclose(image, expected, atol=1e-6)


def test_padding_does_not_set_the_range(tmp_path, ramp):
    padded = ramp.copy() + 1000
    padded[:4] = 0
    image = read_image(write(tmp_path / "a.dcm", padded, PixelPaddingValue=0, BitsStored=16, HighBit=15))
    np.testing.assert_allclose(image[4:], minmax(padded[4:]), atol=1e-6)
    assert image[:4].max() == 0


def test_refusals_name_the_file_and_not_the_patient(tmp_path, ramp):
    refused = [
        (dict(Modality="CT"), "Modality CT"),
        (dict(Modality="MG"), "Modality MG"),
        (dict(NumberOfFrames=3), "3 frames"),
        (dict(PhotometricInterpretation="PALETTE COLOR"), "PALETTE COLOR"),
        (dict(Rows=60_000, Columns=60_000), "60000x60000"),
        (dict(SamplesPerPixel=2), "2 values for each of 1,024 pixels"),
        (dict(BitsAllocated=32), "BitsAllocated is 32; it must be 8 or 16"),
        (dict(PixelData=b"\0\0"), "is probably cut off: it has 2 of 2,048 bytes of pixels"),
        (dict(Modality="OT", BodyPartExamined="HAND"), "Modality OT, body part HAND"),
        (dict(Modality="", BodyPartExamined="LEFT HANDS"), "Modality missing, body part HAND"),
        (dict(Modality="", BodyPartExamined="KNEE_L"), "Modality missing, body part KNEE"),
        (dict(Modality="", SliceThickness=2), "Modality missing, and it is a slice"),
        (dict(Modality="", SOPClassUID=uid.CTImageStorage), "SOP class CT Image Storage"),
        (dict(Modality="DOE", SOPClassUID=uid.RawDataStorage), "SOP class Raw Data Storage"),
        (dict(Modality="DOE", SOPClassUID="1.2.3"), "Modality unknown"),
        (dict(PixelData=None), "without an image"),
        (dict(Rows=None), "Rows is missing"),
        (dict(Columns=None), "Columns is missing"),
        (dict(PhotometricInterpretation=None), "PhotometricInterpretation is missing"),
        (dict(PhotometricInterpretation="MONOCHROME"), "'MONOCHROME'; it must be MONOCHROME1 or"),
        (dict(BitsStored=99), "BitsStored is 99; it must be 1 to 16"),
        (dict(BitsAllocated=None, PixelData=b"\0\0"), "BitsAllocated is missing"),
        (dict(PixelRepresentation=None, PixelData=(ramp.astype(np.int16) - 9).tobytes()), "PixelRepresentation is m"),
        (dict(PixelRepresentation=7), "PixelRepresentation is 7"),
    ]
    for tags, message in refused:
        path = write(tmp_path / "a.dcm", ramp, **tags)
        with pytest.raises(InputError, match=message) as caught:
            read_image(path)
        assert "a.dcm" in str(caught.value)
        assert "Doe" not in str(caught.value)


def test_there_are_warnings_of_another_body_part_and_of_a_lateral_view(tmp_path, ramp):
    path = write(tmp_path / "a.dcm", ramp, BodyPartExamined="HAND", ViewPosition="LL")
    part, view = open_radiograph(path).warnings
    assert "HAND" in part
    assert "lateral" in view


def test_a_range_of_padding_does_not_set_the_range(tmp_path, ramp):
    """PS3.3 C.7.5.1.1.2: all values between the padding value and its limit are padding."""
    padded = ramp.copy() + 1000
    padded[:4] = 4
    tags = dict(PixelPaddingValue=0, PixelPaddingRangeLimit=10, BitsStored=16, HighBit=15)
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        image = read_image(write(tmp_path / "a.dcm", padded, PhotometricInterpretation=photometric, **tags))
        assert image[:4].max() == 0
        assert image[4:].max() == 1


# what is missing or cannot be right


V = (np.add.outer(np.arange(40) ** 2, np.arange(32) * 30) * 1.6).astype(np.int64)
"""A film of 12 bits, whose darkest pixel is at the top left."""
FULL = dict(BitsStored=16, HighBit=15)
SIGNED = FULL | dict(PixelRepresentation=1)


OVERLAY = pydicom.DataElement(0x60000102, "US", 15)  # the bit of the pixels that holds an overlay


def padding(vr, value, limit=None):
    tags = dict(PixelPaddingValue=pydicom.DataElement(0x00280120, vr, value))
    return tags if limit is None else tags | dict(PixelPaddingRangeLimit=pydicom.DataElement(0x00280121, vr, limit))


def table(entries, first=0, bits=12, count=None):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [count or len(entries), first, bits])
    item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
    return [item]


def kinds(opened):
    return [warning.kind for warning in opened.warnings]


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        (dict(WindowCenter=0, WindowWidth=0), "window"),
        (dict(WindowCenter=2000, WindowWidth=0.5), "window"),
        (dict(WindowCenter=2000, WindowWidth=-4096), "window"),
        (dict(WindowCenter=0, WindowWidth=1), "window"),
        (dict(WindowCenter=40_000, WindowWidth=10), "window"),
        (dict(WindowCenter=-5, WindowWidth=3, VOILUTFunction="SIGMOID"), "window"),
        (dict(WindowCenter=2048, WindowWidth=4096, VOILUTFunction="FANCY"), "window"),
        (dict(WindowCenter=2048), "window"),
        (dict(WindowWidth=2048), "window"),
        (dict(WindowCenter=2048, WindowWidth=0, RescaleSlope=2, RescaleIntercept=7), "window"),
        (dict(WindowCenter=[0, 2048], WindowWidth=[0, 4096]), "window"),
        (dict(VOILUTSequence=table([1, 2, 3], count=4096)), "window"),
        (dict(VOILUTSequence=table([7] * 4096)), "window"),
        (dict(VOILUTSequence=[Dataset()]), "window"),
        (dict(RescaleSlope=0, RescaleIntercept=5), "rescale"),
        (dict(RescaleSlope="1e300"), "rescale"),
        (dict(ModalityLUTSequence=[Dataset()]), "modality table"),
        (dict(ShutterShape="RECTANGULAR"), "shutter"),
        (dict(ShutterShape="STAR"), "shutter"),
        (dict(PixelSpacing=[0.1, 90]), "pixel shape"),
        (dict(BitsStored=12, HighBit=3), "bits"),
        (dict(BitsStored=None), "missing element"),
        (dict(BitsAllocated=None), "missing element"),
        (dict(SamplesPerPixel=None), "missing element"),
        (dict(PixelRepresentation=None), "missing element"),
        (dict(PhotometricInterpretation=None, PresentationLUTShape="IDENTITY"), "missing element"),
    ],
)
def test_what_cannot_be_right_is_left_out_or_inferred_with_a_warning(tmp_path, tags, kind):
    opened = open_radiograph(write(tmp_path / "a.dcm", V, **tags))
    np.testing.assert_allclose(opened.image, minmax(V), atol=1e-3)
    assert kinds(opened) == [kind]


def test_a_number_with_a_comma_is_no_window(tmp_path):
    path = write(tmp_path / "a.dcm", V, WindowCenter="2048", WindowWidth="1234.5")
    path.write_bytes(path.read_bytes().replace(b"1234.5", b"1234,5"))
    opened = open_radiograph(path)
    np.testing.assert_allclose(opened.image, minmax(V), atol=1e-6)
    assert kinds(opened) == ["window"]


@pytest.mark.parametrize(
    ("stored", "tags", "expected"),
    [
        (V << 4, dict(HighBit=15), V),
        (V << 2, dict(HighBit=13), V),
        ((V - 2048) << 4, dict(HighBit=15, PixelRepresentation=1), V),
        (V, dict(HighBit=15), V),  # a wrong high bit: the values lie in the lower bits
        ((V - 2048) & 0xFFF, dict(PixelRepresentation=1), V),  # without sign extension
        (V | (V % 2 << 15), dict(overlay=OVERLAY), V),
        ((V << 4) | (V % 2), dict(HighBit=15), V),
        (4095 - V, dict(PresentationLUTShape="INVERSE", PhotometricInterpretation="MONOCHROME1"), V),
        (4095 - V, dict(RescaleSlope=-1, RescaleIntercept=4095), V),
        # a window over a falling rescale: 0 to 4095 after it
        (4095 - V, dict(RescaleSlope=-1, RescaleIntercept=4095, WindowCenter=2048, WindowWidth=4096), V),
        (V, dict(ModalityLUTSequence=table(4095 - np.arange(4096))), 4095 - V),
        (V - 2048, SIGNED | dict(VOILUTSequence=table(np.arange(4096), first=65536 - 2048)), V),
        (V, dict(VOILUTSequence=table(np.arange(1001), first=1500)), np.clip(V, 1500, 2500)),
        (V, dict(WindowCenter=1000, WindowWidth=2000, VOILUTFunction="LINEAR_EXACT"), np.clip(V, 0, 2000)),
        (
            V,
            dict(WindowCenter=1500, WindowWidth=900, VOILUTFunction="SIGMOID"),
            1 / (1 + np.exp((1500 - V) / 225)),
        ),
    ],
)
def test_bits_tables_and_windows(tmp_path, stored, tags, expected):
    path = write(tmp_path / "a.dcm", stored & 0xFFFF, **tags)
    for packed in (False, True):
        if packed:
            dataset = pydicom.dcmread(path)
            dataset.compress(uid.RLELossless)
            dataset.save_as(path)
        opened = open_radiograph(path)
        np.testing.assert_allclose(opened.image, minmax(expected), atol=1e-6)
        assert opened.warnings == ()


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("width", ["1E+09", "1E+18", "1E+30"])
def test_a_very_wide_window_keeps_all_gray_levels(tmp_path, function, width):
    tags = dict(WindowCenter=2048, WindowWidth=width, VOILUTFunction=function)
    opened = open_radiograph(write(tmp_path / "a.dcm", V, **tags))
    np.testing.assert_allclose(opened.image, minmax(V), atol=1e-6)
    assert opened.warnings == ()


@pytest.mark.parametrize(
    ("stored", "tags", "expected"),
    [
        (V, dict(BitsStored=8, HighBit=7), V),
        (V, dict(BitsStored=11, HighBit=10), V),
        (V, dict(PixelRepresentation=1), V),
        (V * 16, SIGNED, V),
        (V | ((V % 7 == 0) << 15), {}, V),  # an overlay that is not declared
    ],
)
def test_bits_or_sign_that_cannot_be_right(tmp_path, stored, tags, expected):
    """If the header were right about them, the film would have jumps that no film has."""
    opened = open_radiograph(write(tmp_path / "a.dcm", stored, **tags))
    np.testing.assert_allclose(opened.image, minmax(expected), atol=1e-6)
    assert kinds(opened) == ["bits"]


@pytest.mark.parametrize("syntax", ["JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEG2000Lossless"])
def test_the_high_bit_of_compressed_films(tmp_path, syntax):
    import fuzz  # it imports this module

    def pixels_of(stored, bits, **tags):
        data = fuzz.compressed(getattr(fuzz.gdcm.TransferSyntax, syntax), stored, bits)
        dataset = pydicom.dcmread(io.BytesIO(data))
        for name, value in tags.items():
            setattr(dataset, name, value)
        dataset.save_as(tmp_path / "a.dcm")
        return read_image(tmp_path / "a.dcm")

    upper = dict(BitsStored=12, HighBit=15)
    with_overlay = V | (V % 2 << 15)
    for stored, bits, tags in (
        (V, 12, {}),
        (V, 12, upper),  # a wrong high bit
        (V << 4, 16, upper),
        (V, 16, dict(BitsStored=12, HighBit=11)),
        (with_overlay, 16, dict(BitsStored=12, HighBit=11)),
    ):
        np.testing.assert_allclose(pixels_of(stored, bits, **tags), minmax(V), atol=1e-6)


def padded(value, count=200):
    """Return the film minus 2048 with some pixels of padding, which are not its darkest."""
    pixels = (V - 2048).copy()
    pixels.flat[-count:] = np.resize(value, count)
    return pixels


@pytest.mark.parametrize(
    ("value", "tags", "warned"),
    [
        (-32768, SIGNED | padding("SS", -32768), []),
        (-32768, SIGNED | padding("US", 32768), []),
        (-2500, SIGNED | padding("US", 63036), []),
        (-2500, SIGNED | padding("US", 63036, 63040), []),
        (-32768, SIGNED, ["padding"]),
        (-20000, SIGNED, ["padding"]),
        (-32768, SIGNED | padding("SS", 5000), ["padding"]),  # another value is declared
        (-32768, SIGNED | dict(PhotometricInterpretation="MONOCHROME1"), ["padding"]),
        (32767, SIGNED, ["padding"]),
        (-32768, SIGNED | dict(RescaleSlope=1, RescaleIntercept=9000), ["padding"]),
        ([-32768, -32767], SIGNED, ["padding"]),
        (-32768, dict(PixelRepresentation=1), ["padding"]),  # outside the 12 bits
        (-32768, dict(PixelRepresentation=1) | padding("SS", -32768), ["padding"]),
        (-32768, SIGNED | dict(WindowCenter=0, WindowWidth=9000), ["padding"]),
        (3000, SIGNED | padding("SS", 3000), []),
    ],
)
def test_padding_is_dark_and_does_not_set_the_range(tmp_path, value, tags, warned):
    opened = open_radiograph(write(tmp_path / "a.dcm", padded(value) & 0xFFFF, **tags))
    film = V.ravel()[:-200]
    expected = minmax(-film if "PhotometricInterpretation" in tags else film)
    np.testing.assert_allclose(opened.image.ravel()[:-200], expected, atol=1e-6)
    assert opened.image.ravel()[-200:].max() == 0
    assert kinds(opened) == warned


def test_a_negative_padding_value_of_unsigned_pixels(tmp_path):
    pixels = V.copy()
    pixels[-2:] = 63536
    image = read_image(write(tmp_path / "a.dcm", pixels, **FULL, **padding("SS", -2000)))
    np.testing.assert_allclose(image[:-2], minmax(V[:-2]), atol=1e-6)
    assert image[-2:].max() == 0


@pytest.mark.parametrize(
    ("value", "shift", "tags", "warned"),
    [
        (65535, 0, FULL, ["padding"]),
        (65535, 0, FULL | dict(PhotometricInterpretation="MONOCHROME1"), ["padding"]),
        (65535, 0, padding("US", 65535), []),  # outside the 12 bits
        (0, 9000, FULL, ["padding"]),
    ],
)
def test_padding_of_unsigned_pixels(tmp_path, value, shift, tags, warned):
    pixels = V + shift
    pixels[-5:] = value
    opened = open_radiograph(write(tmp_path / "a.dcm", pixels, **tags))
    expected = minmax(-V[:-5] if "PhotometricInterpretation" in tags else V[:-5])
    np.testing.assert_allclose(opened.image[:-5], expected, atol=1e-6)
    assert opened.image[-5:].max() == 0
    assert kinds(opened) == warned


def test_good_signed_films_are_not_taken_for_padded_ones(tmp_path):
    clipped = np.clip(V * 30 - 40_000, -32768, 32767)  # saturated at the smallest number
    one_dark_pixel = padded(-32768, 1)
    for pixels in (V - 2048, clipped, one_dark_pixel, V, V * 8):
        opened = open_radiograph(write(tmp_path / "a.dcm", pixels & 0xFFFF, **SIGNED))
        np.testing.assert_allclose(opened.image, minmax(pixels), atol=1e-6)
        assert opened.warnings == ()


@pytest.mark.parametrize(
    ("tags", "is_open"),
    [
        (
            dict(ShutterShape="RECTANGULAR", ShutterLeftVerticalEdge=3, ShutterRightVerticalEdge=30)
            | dict(ShutterUpperHorizontalEdge=5, ShutterLowerHorizontalEdge=40),
            lambda row, column: (row >= 5) & (column >= 3) & (column <= 30),
        ),
        (
            dict(ShutterShape="CIRCULAR", CenterOfCircularShutter=[20, 16], RadiusOfCircularShutter=10),
            lambda row, column: (row - 20) ** 2 + (column - 16) ** 2 <= 100,
        ),
        (
            dict(ShutterShape="POLYGONAL", VerticesOfThePolygonalShutter=[1, 1, 1, 32, 32, 1]),
            lambda row, column: row + column <= 33,
        ),
    ],
)
def test_outside_the_display_shutter_the_film_is_dark(tmp_path, tags, is_open):
    """PS3.3 C.7.6.11: rows and columns count from 1, and the row comes first."""
    row, column = np.mgrid[1:41, 1:33]
    inside = is_open(row, column)
    opened = open_radiograph(write(tmp_path / "a.dcm", V, **tags))
    np.testing.assert_allclose(opened.image[inside], minmax(V[inside]), atol=1e-6)
    assert opened.image[~inside].max() == 0
    assert opened.warnings == ()


@pytest.mark.parametrize(
    ("tags", "shape"),
    [
        (dict(PixelAspectRatio=[2, 1]), (40, 16)),
        (dict(PixelAspectRatio=[1, 2]), (20, 32)),
        (dict(ImagerPixelSpacing=[0.15, 0.1]), (40, 21)),
        (dict(PixelSpacing=[0.2, 0.25]), (32, 32)),
        (dict(PixelAspectRatio=[1, 1], PixelSpacing=[0.1, 0.1005]), (40, 32)),
    ],
)
def test_pixels_are_made_square(tmp_path, tags, shape):
    opened = open_radiograph(write(tmp_path / "a.dcm", V, **tags))
    assert opened.image.shape == shape
    assert kinds(opened) == (["pixel shape"] if shape != (40, 32) else [])
    for axis in (0, 1):  # the film is brighter from top to bottom and from left to right, as before
        assert (np.diff(opened.image.mean(axis=axis)) > 0).all()


# kinds of film


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (dict(Modality=None), ["modality"]),
        (dict(Modality=""), ["modality"]),
        *((dict(Modality=word), ["modality"]) for word in ("DR", "OT", "SC", "XR", "RF", "HC")),
        (dict(Modality="X-RAY", BodyPartExamined="CHEST", SOPClassUID="1.2.3"), ["modality"]),
        (dict(Modality="X-RAY", ViewPosition="PA", SOPClassUID="1.2.3"), ["modality"]),
        (dict(Modality=["OT", "DX"]), []),
        (dict(Modality="dx "), []),
        *(
            (dict(BodyPartExamined=part), [])
            for part in (
                "CHEST",
                "PORTABLE CHEST",
                "NON GRID CHEST",
                "CHEST PA",
                "CHEST_2VIEW",
                "TORAX",
                "T\xd3RAX",
                "TORACE",
                "CXR",
            )
        ),
        *((dict(BodyPartExamined=part), []) for part in ("Thorax", "BRUSTKORB", "LUNGS")),
        *(
            (dict(BodyPartExamined=part), ["body part"])
            for part in ("TSPINE", "THORACIC SPINE", "RIBS", "HAND", "LEFT HAND")
        ),
        (dict(PresentationIntentType="FOR PROCESSING"), ["for processing"]),
        (dict(SOPClassUID=uid.DigitalXRayImageStorageForProcessing), ["for processing"]),
        (dict(PixelIntensityRelationship="LIN", PixelIntensityRelationshipSign=1), ["for processing"]),
        (dict(PixelIntensityRelationship="LOG", PixelIntensityRelationshipSign=-1), []),
        (dict(ViewPosition="LL"), ["lateral"]),
        (dict(ViewPosition="PA", PatientOrientation=["A", "F"]), ["view"]),
        (dict(PresentationLUTShape="INVERSE"), ["inversion"]),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # it warns of odd values that are written here
def test_warnings_by_kind(tmp_path, tags, expected):
    assert kinds(open_radiograph(write(tmp_path / "a.dcm", V, **tags))) == expected


def test_any_modality_is_read_if_it_is_accepted(tmp_path):
    for tags in (dict(Modality="CT"), dict(Modality="MG", BodyPartExamined="BREAST"), dict(Modality="", EchoTime=2)):
        path = write(tmp_path / "a.dcm", V, **tags)
        with pytest.raises(InputError, match=r"not a chest film .*--accept modality"):
            open_radiograph(path)
        opened = open_radiograph(path, accept=["modality"])
        np.testing.assert_allclose(opened.image, minmax(V), atol=1e-6)
        assert kinds(opened)[0] == "modality"


def colored(kind):
    """Return a gray picture of 8 bits with a yellow corner, its luminance (ITU-R BT.601), and its tags."""
    gray = (V >> 4).astype(np.uint8)
    rgb = np.dstack([gray] * 3)
    rgb[-4:, -4:] = (255, 255, 0)
    luminance = rgb @ np.array([0.299, 0.587, 0.114])
    tags = dict(BitsAllocated=8, BitsStored=8, HighBit=7, SamplesPerPixel=3, PlanarConfiguration=0)
    if kind == "PALETTE COLOR":
        gray[-4:, -4:] = 255  # no other pixel is 255
        tags |= dict(SamplesPerPixel=1, PixelData=gray.tobytes())
        for name, last in (("Red", 255), ("Green", 255), ("Blue", 0)):
            entries = np.append(np.arange(255), last) * 257
            tags[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
            tags[f"{name}PaletteColorLookupTableData"] = entries.astype("<u2").tobytes()
    elif kind == "YBR_FULL":
        tags |= dict(PixelData=pydicom.pixels.convert_color_space(rgb, "RGB", "YBR_FULL").tobytes())
    else:
        tags |= dict(PixelData=rgb.tobytes())
    return gray, luminance, tags | dict(PhotometricInterpretation=kind)


@pytest.mark.parametrize("kind", ["RGB", "YBR_FULL", "PALETTE COLOR"])
def test_colour_is_read_by_its_luminance_if_it_is_accepted(tmp_path, kind):
    assert (V >> 4).max() < 255
    gray, luminance, tags = colored(kind)
    path = write(tmp_path / "a.dcm", gray, **tags)
    with pytest.raises(InputError, match=f"a picture in colour .{kind}.*--accept color"):
        read_image(path)
    opened = open_radiograph(path, accept=["color"])
    np.testing.assert_allclose(opened.image, minmax(luminance), atol=0.01)
    assert kinds(opened) == ["color"]


def test_a_palette_of_grays_needs_no_option(tmp_path):
    gray, _, tags = colored("PALETTE COLOR")
    tags["BluePaletteColorLookupTableData"] = tags["RedPaletteColorLookupTableData"]
    opened = open_radiograph(write(tmp_path / "a.dcm", gray, **tags))
    np.testing.assert_allclose(opened.image, minmax(gray), atol=1e-6)
    assert opened.warnings == ()


# files


def variants(path):
    """Yield a film as it is stored with and without preamble and meta information."""
    whole = path.read_bytes()
    dataset = pydicom.dcmread(path)
    yield "no preamble", whole[132:]
    for name, implicit, little in (("implicit", True, True), ("explicit", False, True), ("big endian", False, False)):
        bare = Dataset(copy.deepcopy(dataset))
        if not little:
            bare["PixelData"].VR = "OW"
            bare.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        out = io.BytesIO()
        pydicom.dcmwrite(out, bare, implicit_vr=implicit, little_endian=little)
        yield f"no meta information, {name}", out.getvalue()
    dataset.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    yield "deflated", path.read_bytes()
    yield "deflated, no preamble", path.read_bytes()[132:]


def test_files_without_preamble_or_meta_information_are_read(tmp_path):
    tags = dict(PatientID="7", PatientSex="F", SOPClassUID=uid.DigitalXRayImageStorageForPresentation)
    original = open_radiograph(write(tmp_path / "a.dcm", V, **tags))
    header = read_header(tmp_path / "a.dcm")
    assert (header.sex, header.patient_id) == ("F", pseudonym("7"))
    for name, data in variants(tmp_path / "a.dcm"):
        (tmp_path / "b.dcm").write_bytes(data)
        opened = open_radiograph(tmp_path / "b.dcm")
        np.testing.assert_array_equal(opened.image, original.image, err_msg=name)
        assert opened.film_id == original.film_id, name
        assert read_header(tmp_path / "b.dcm") == header, name


def test_a_compressed_film_that_is_cut_off_or_unknown_is_called_so(tmp_path):
    path = write(tmp_path / "a.dcm", V, PatientID="7", ViewPosition="PA")
    dataset = pydicom.dcmread(path)
    dataset.compress(uid.RLELossless)
    dataset.save_as(path)
    whole = path.read_bytes()
    for length in (len(whole) - 8, len(whole) - 500, whole.index(b"\xe0\x7f\x10\0") + 40):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="is cut off"):
            read_image(path)
        assert read_header(path) == FilmHeader(pseudonym("7"), "PA")
    for syntax in (uid.HTJ2K, uid.MPEG2MPML):
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(path)
        with pytest.raises(InputError, match="its compression cannot be read"):
            read_image(path)
    path.write_bytes(whole.replace(uid.RLELossless.encode(), uid.ExplicitVRLittleEndian.encode()))
    with pytest.raises(InputError, match="its pixels are compressed, and its transfer syntax says otherwise"):
        read_image(path)


# the header


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (dict(ViewPosition="PA", PatientSex="F", PatientAge="060Y"), FilmHeader("", "PA", "F", 60)),
        (dict(ViewPosition="AP SUPINE", PatientSex="Male", PatientAge="018M"), FilmHeader("", "AP", "M", 1.5)),
        (dict(ViewPosition="ap ", PatientSex="O", PatientAge="012W"), FilmHeader("", "AP", "O", 0.23)),
        (dict(ViewPosition="LLD", PatientSex="X", PatientAge="030D"), FilmHeader("", "", "", 0.08)),
        (dict(ViewPosition="XTABLE LATERAL", PatientAge="999Y"), FilmHeader("", "LATERAL")),
        (dict(PatientOrientation=["A", "F"], PatientAge="000Y"), FilmHeader("", "LATERAL")),
        (dict(PatientOrientation=["P", "F"], PatientAge="old"), FilmHeader("", "LATERAL")),
        (dict(PatientOrientation=["F", "A"]), FilmHeader("", "LATERAL")),  # a lateral film, turned by 90 degrees
        (dict(PatientOrientation=["R", "F"], PatientAge="000D"), FilmHeader("", "", "", 0)),
        (dict(PatientID="ANONYMOUS"), FilmHeader()),
        (dict(PatientID="7", IssuerOfPatientID="A"), FilmHeader(pseudonym("7"))),  # some films of a patient name it
        (dict(BodyPartExamined="CHEST LAT"), FilmHeader("", "LATERAL")),
        (dict(BodyPartExamined="CHEST PA LAT"), FilmHeader()),
        (dict(BodyPartExamined="LL"), FilmHeader()),  # a lower limb
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_the_header_gives_patient_view_sex_and_age(tmp_path, tags, expected):
    assert read_header(write(tmp_path / "a.dcm", V, **tags)) == expected


@pytest.mark.parametrize(
    ("code", "meaning", "view"),
    [
        ("399173006", "", "LATERAL"),
        ("R-10236", "", "LATERAL"),
        ("R-10232", "", "LATERAL"),
        ("399067008", "", "LATERAL"),
        ("272479007", "", "PA"),
        ("R-10206", "", "AP"),
        ("VIEW7", "Left lateral", "LATERAL"),
        ("VIEW7", "postero-anterior", "PA"),
        ("VIEW7", "left anterior oblique", ""),
    ],
)
def test_the_view_by_its_code(tmp_path, code, meaning, view):
    item = Dataset()
    item.CodeValue, item.CodeMeaning = code, meaning
    assert read_header(write(tmp_path / "a.dcm", V, ViewCodeSequence=[item])).view == view


def test_a_file_that_cannot_be_read_has_an_empty_header(tmp_path):
    path = write(tmp_path / "a.dcm", V, PatientID="7")
    whole = path.read_bytes()
    for data in (b"", bytes(128) + b"DICM", whole[:140], whole[:128] + b"DICM" + b"\xff" * 300):
        path.write_bytes(data)
        assert read_header(path) == FilmHeader()
    assert read_header(tmp_path / "absent.dcm") == FilmHeader()


def test_headers_are_read_by_several_threads(tmp_path):
    paths = [write(tmp_path / f"{i}.dcm", V, PatientID=f"P{i % 10}") for i in range(60)]
    with ThreadPoolExecutor(8) as pool:
        names = [header.patient_id for header in pool.map(read_header, paths)]
    assert names == [pseudonym(f"P{i % 10}") for i in range(60)]
    assert len(set(names)) == 10


def test_which_names_of_views_are_lateral():
    lateral = ("LL", "rl", "LAT", "Lateral", "L LAT", "LLAT", "R-LAT", "XTABLE LATERAL", "Left Lateral", "LEFT_LATERAL")
    lateral += ("CHEST LAT", "lat chest", " LL ", "L", "LLO", "Latéral", "Seitlich", "LATERAAL", "LAT2")
    frontal = ("PA", "AP", "", "LATERAL DECUBITUS", "LLD", "Left lateral decub", "LAO", "RPO", "Frontal", "AP SUPINE")
    frontal += ("CHEST", "AP_horizontal", "PLATE", "LATITUDE", "COLLATERAL")
    assert [view for view in lateral if not is_lateral(view)] == []
    assert [view for view in frontal if is_lateral(view)] == []


# patients' names


def test_a_name_depends_on_the_identifier_and_the_salt(monkeypatch):
    assert len({pseudonym(text) for text in (" 7", "7 ", "7\0", "007")}) == 1
    assert pseudonym("P7") == pseudonym("p7")
    names = [pseudonym("7"), pseudonym("8"), pseudonym("P7")]
    monkeypatch.setenv("CXR_SALT", "another")
    names.append(pseudonym("7"))
    assert len(set(names)) == 4
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in names)
    monkeypatch.setenv("CXR_SALT", "Jefe")  # RFC 4231, test case 2
    assert pseudonym("what do ya want for nothing?") == "5bdcc146bf60754e"


def test_placeholders_are_no_patients():
    words = ("", "  ", "ANONYMOUS", "anon", "Anonymized", " UNKNOWN ", "NONE", "n/a", "NA", "0", "00000", "XXXX", "---")
    assert [word for word in words if pseudonym(word)] == []
    assert pseudonym("ANON0001") != pseudonym("ANON0002") != ""


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("CXR_SALT")
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: tmp_path / "data" / name)
    pseudonyms._salt_of_user.cache_clear()
    yield tmp_path / "data" / "cxrlib"
    pseudonyms._salt_of_user.cache_clear()


def test_the_salt_is_drawn_once_and_only_the_user_can_read_it(data_folder):
    name = pseudonym("7")
    file = data_folder / SALT_FILE
    assert len(file.read_bytes()) == 32
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    pseudonyms._salt_of_user.cache_clear()
    assert pseudonym("7") == name
    file.write_bytes(b"short")
    pseudonyms._salt_of_user.cache_clear()
    with pytest.raises(InputError, match="has 5 bytes"):
        pseudonym("7")


SEVERAL = """
import os, platformdirs, sys, time
from pathlib import Path
os.environ.pop("CXR_SALT", None)
platformdirs.user_data_path = lambda name: Path(sys.argv[1]) / name
from cxrlib.images.pseudonym import pseudonym
sys.stdin.readline()
print(pseudonym("7"))
"""


def test_several_processes_draw_one_salt(tmp_path):
    command = [sys.executable, "-c", SEVERAL, str(tmp_path / "data")]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    children = [subprocess.Popen(command, **pipes) for _ in range(4)]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    assert len({child.communicate()[0] for child in children}) == 1
    assert all(child.returncode == 0 for child in children)


def test_a_salt_that_cannot_be_kept_is_an_error(data_folder):
    data_folder.parent.write_text("a file in the place of the folder")
    with pytest.raises(InputError, match="CXR_SALT"):
        pseudonym("7")


# folders of the user


FROM_A_NOTEBOOK = """
import sys
assert sys.path[0] == ""
from cxrlib.images.radiograph import read_image
print(*(read_image(name).sum() for name in sys.argv[1:]))
import dl
print(dl.__path__[0])
"""


def test_folders_named_like_decoders_do_no_harm(tmp_path):
    from fuzz import compressed, gdcm

    write(tmp_path / "plain.dcm", V)
    (tmp_path / "ls.dcm").write_bytes(compressed(gdcm.TransferSyntax.JPEGLSLossless, V, 12))
    for name in ("dl", "DLFCN", "openjpeg", "libjpeg", "rle", "jpeg_ls", "gdcm", "pylibjpeg"):
        (tmp_path / name).mkdir()
    (tmp_path / "path").mkdir()
    (tmp_path / "pydicom.py").write_text("raise SystemExit('imported from the current folder')")
    for name in ("dl", "pylibjpeg", "rle", "pydicom"):
        (tmp_path / "path" / f"{name}.py").write_text("raise SystemExit('imported from PYTHONPATH')")
    command = [sys.executable, "-c", FROM_A_NOTEBOOK, "plain.dcm", "ls.dcm"]
    import cxrlib

    path = f"{next(iter(cxrlib.__path__))}/.."
    for added in ([], [str(tmp_path / "path")]):
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([path, *added])}
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        sums = done.stdout.splitlines()[0].split()
        assert sums[0] == sums[1], done.stderr
