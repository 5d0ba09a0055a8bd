"""Synthetic DICOM files for tests, made with pydicom: nothing here is a real
patient's. Every function is deterministic but for its UIDs, which derive from
the names given to it."""

import hashlib
import os

import numpy
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
SC = "1.2.840.10008.5.1.4.1.1.7"


def uid(*names):
    """The same names give the same UID."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return "2.25." + str(int.from_bytes(digest[:15], "big"))


def image(patient="SAMPLE1", name="Sample^One", study="a", series=1, number=1,
          sop_class=CT, modality="CT", rows=64, date="20260102",
          charset=None, **more):
    ds = Dataset()
    if charset is not None:
        ds.SpecificCharacterSet = charset
    ds.SOPClassUID = sop_class
    ds.StudyInstanceUID = uid("study", study)
    ds.SeriesInstanceUID = uid("series", study, series)
    ds.SOPInstanceUID = uid("instance", study, series, number)
    ds.StudyDate = date
    ds.SeriesDate = date
    ds.StudyTime = "101112"
    ds.AccessionNumber = "ACC" + str(study)
    ds.Modality = modality
    ds.ReferringPhysicianName = "Refer^Rita"
    ds.StudyDescription = "Study " + str(study)
    ds.SeriesDescription = "Series " + str(series)
    ds.PatientName = name
    ds.PatientID = patient
    ds.PatientBirthDate = "19700131"
    ds.PatientSex = "O"
    ds.StudyID = "S" + str(study)[:8]
    ds.SeriesNumber = series
    ds.InstanceNumber = number
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows = rows
    ds.Columns = rows
    ds.BitsAllocated = 16
    ds.BitsStored = 12
    ds.HighBit = 11
    ds.PixelRepresentation = 0
    for key, value in more.items():
        setattr(ds, key, value)
    pixels = numpy.arange(rows * rows, dtype=numpy.uint32)
    pixels = (pixels * 7 + number * 13) % 4096
    ds.PixelData = pixels.astype("<u2").tobytes()
    return ds


def write(ds, path, syntax=EXPLICIT_LITTLE):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    out = FileDataset(str(path), ds, file_meta=meta, preamble=b"\0" * 128)
    out.is_little_endian = syntax != EXPLICIT_BIG
    out.is_implicit_VR = syntax == IMPLICIT_LITTLE
    if syntax == EXPLICIT_BIG:
        out.PixelData = numpy.frombuffer(
            ds.PixelData, "<u2").astype(">u2").tobytes()
    os.makedirs(os.path.dirname(str(path)), exist_ok=True)
    out.save_as(str(path), write_like_original=False)
    return str(path)


def study(folder, count=5, series=1, **fields):
    """count files of one study, in numbered files; returns their paths."""
    return [
        write(image(number=n, series=s, **fields),
              os.path.join(str(folder), "s%d" % s, "i%04d.dcm" % n))
        for s in range(1, series + 1) for n in range(1, count + 1)
    ]


def data_set(path):
    """The bytes of a file's data set, after its meta header."""
    with open(path, "rb") as f:
        whole = f.read()
    meta = pydicom.filereader.read_file_meta_info(path)
    # group length element: preamble, DICM, 12 bytes of its own, then the group
    return whole[132 + 12 + meta.FileMetaInformationGroupLength:]


def digest(path):
    return hashlib.sha256(data_set(path)).hexdigest()
