import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from cxrlib.errors import InputError
from cxrlib.images.pixels import minmax
from cxrlib.images.radiograph import open_radiograph, read_image


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
        (dict(SamplesPerPixel=2), "2 samples for each of 1,024 pixels"),
        (dict(BitsAllocated=32), "neither 8 nor 16"),
        (dict(PixelData=b"\0\0"), "cannot be decoded"),
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
