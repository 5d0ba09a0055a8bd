"""DICOMDIRs that we make, read by others: DCMTK, pydicom, dicom3tools, and our
own import. Record by record they say what dcmmkdir says of the same files."""

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

import pydicom
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet

from harness import runner, sample
from harness.runner import equal
from harness.server import binary, shared

SR = "1.2.840.10008.5.1.4.1.1.88.11"
GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
PALETTE = "1.2.840.10008.5.1.4.39.1"

# What the one or the other invents where the objects have nothing.
INVENTED = {"PatientID", "StudyID", "StudyDate", "StudyTime", "SeriesNumber",
            "InstanceNumber"}


def verb(data, *args, fails=False):
    done = subprocess.run([binary(), *args, "--data", data], capture_output=True,
                          text=True, timeout=800, check=False)
    assert fails or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def tree(path):
    """{file: its record and those above it}, by the offsets."""
    ds = pydicom.dcmread(path)
    records = {r.seq_item_tell: r for r in ds.DirectoryRecordSequence}
    found, seen = {}, set()
    open_ = [(ds.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity, [])]
    while open_:
        at, above = open_.pop()
        last = None
        while at != 0:
            assert at not in seen, at
            seen.add(at)
            record, last = records[at], at
            record.decode()
            if "ReferencedFileID" in record:
                name = record.ReferencedFileID
                name = [name] if isinstance(name, str) else list(name)
                found["/".join(name)] = above + [record]
            open_.append((record.OffsetOfReferencedLowerLevelDirectoryEntity,
                          above + [record]))
            at = record.OffsetOfTheNextDirectoryRecord
        if not above:
            equal(ds.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity,
                  last or 0)
    equal(len(seen), len(records))
    return found


def files(folder):
    return sorted(os.path.relpath(os.path.join(top, name), folder)
                  for top, _, names in os.walk(os.path.join(folder, "DICOM"))
                  for name in names)


def check_tree(folder):
    """Each file is there once, and its record is of it."""
    found = tree(os.path.join(folder, "DICOMDIR"))
    equal(sorted(found), files(folder))
    for path, records in found.items():
        ds = pydicom.dcmread(os.path.join(folder, path), force=True,
                             stop_before_pixels=True)
        equal(records[-1].ReferencedSOPInstanceUIDInFile,
              ds.file_meta.MediaStorageSOPInstanceUID)
        equal(records[-1].ReferencedTransferSyntaxUIDInFile,
              ds.file_meta.TransferSyntaxUID)
        for part in path.split("/"):
            assert 1 <= len(part) <= 8 and part.upper() == part, path
        if len(records) == 1:
            continue
        equal([r.DirectoryRecordType for r in records[:3]],
              ["PATIENT", "STUDY", "SERIES"])
        for record, names in zip(records, (
                ("PatientID",), ("StudyDate", "StudyTime", "StudyID"),
                ("Modality", "SeriesNumber"))):
            for name in names:
                assert str(record[name].value) != "", (path, name)
    return found


def check_others(folder):
    """DCMTK and pydicom read it."""
    path = os.path.join(folder, "DICOMDIR")
    done = subprocess.run(["dcmdump", path], capture_output=True, check=False)
    equal((done.returncode, done.stderr), (0, b""))
    kinds = {r[-1].DirectoryRecordType for r in tree(path).values()}
    if not kinds <= set(pydicom.fileset._PREFIXES):
        return  # of a later edition than this pydicom
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        equal(len(FileSet(path)), len(files(folder)))


def check_dcmmkdir(folder, ours, tmp):
    """What dcmmkdir has of these files we have, with the same values."""
    path = os.path.join(tmp, "theirs")
    subprocess.run(
        ["dcmmkdir", "+I", "+r", "-Nxc", "-Nrc", "-Nec", "+D", path, "+id",
         folder, "DICOM"], capture_output=True, check=False)
    theirs = tree(path)
    for name, records in theirs.items():
        equal([r.DirectoryRecordType for r in records],
              [r.DirectoryRecordType for r in ours[name]], name)
        object_ = pydicom.dcmread(os.path.join(folder, name),
                                  stop_before_pixels=True)
        for mine, other in zip(ours[name], records):
            for element in other:
                if element.keyword in (
                        "OffsetOfTheNextDirectoryRecord",
                        "OffsetOfReferencedLowerLevelDirectoryEntity",
                        "SpecificCharacterSet"):
                    continue
                if element.keyword in INVENTED and \
                        not object_.get(element.keyword):
                    continue
                assert element.tag in mine, (name, element)
                equal(mine[element.tag].value, element.value, (name, element))
    return theirs


def document(number, **more):
    ds = sample.image(number=number, series=9, sop_class=SR, modality="SR")
    for name in ("PixelData", "Rows", "Columns", "ImageType",
                 "SamplesPerPixel", "PhotometricInterpretation",
                 "BitsAllocated", "BitsStored", "HighBit",
                 "PixelRepresentation"):
        delattr(ds, name)
    for key, value in more.items():
        setattr(ds, key, value)
    return ds


def code(value, meaning):
    ds = Dataset()
    ds.CodeValue, ds.CodingSchemeDesignator = value, "DCM"
    ds.CodeMeaning = meaning
    return ds


def all_kinds(folder):
    """Objects of several record types and character sets."""
    made = [sample.image(number=n, series=s) for s in (1, 2) for n in (1, 2)]
    made += [sample.image(patient="P2", study="b", name=name, charset=charset,
                          StudyDescription=text, number=n, series=n)
             for n, (name, charset, text) in enumerate((
                 ("Müller^Jörg", "ISO_IR 100", "Schädel"),
                 ("Müller^Jörg", "ISO_IR 192", "Schädel")), 1)]
    made.append(sample.image(
        patient="P3", study="c", charset=["", "ISO 2022 IR 87"],
        name="Yamada^Tarou=山田^太郎=やまだ^たろう"))
    made.append(sample.image(patient="", study="d", name="No^Id"))
    made[-1].StudyID = ""
    made[-1].SeriesNumber = None
    mod = Dataset()
    mod.RelationshipType, mod.ValueType = "HAS CONCEPT MOD", "CODE"
    mod.ConceptNameCodeSequence = [code("121049", "Language")]
    mod.ConceptCodeSequence = [code("en", "English")]
    text = Dataset()
    text.RelationshipType, text.ValueType = "CONTAINS", "TEXT"
    text.ConceptNameCodeSequence = [code("121071", "Finding")]
    text.TextValue = "nothing"
    made.append(document(
        1, ContentDate="20260102", ContentTime="101500",
        CompletionFlag="COMPLETE", VerificationFlag="UNVERIFIED",
        ConceptNameCodeSequence=[code("18748-4", "Report")],
        ContentSequence=[mod, text]))
    image, series = Dataset(), Dataset()
    image.ReferencedSOPClassUID = sample.CT
    image.ReferencedSOPInstanceUID = sample.uid("instance", "a", 1, 1)
    series.SeriesInstanceUID = sample.uid("series", "a", 1)
    series.ReferencedImageSequence = [image]
    made.append(document(
        2, SOPClassUID=GSPS, ContentLabel="STATE", ContentDescription="",
        PresentationCreationDate="20260102", ContentCreatorName="",
        PresentationCreationTime="101500", Modality="PR",
        SeriesInstanceUID=sample.uid("series", "a", 10),
        ReferencedSeriesSequence=[series]))
    made.append(document(
        3, SOPClassUID=PDF, ContentDate="20260102", ContentTime="101500",
        DocumentTitle="Letter", ConceptNameCodeSequence=[],
        MIMETypeOfEncapsulatedDocument="application/pdf", Modality="DOC",
        SeriesInstanceUID=sample.uid("series", "a", 11),
        EncapsulatedDocument=b"%PDF-1.4\n" * 50000))
    return [sample.write(ds, os.path.join(folder, "%d.dcm" % i))
            for i, ds in enumerate(made)]


def studies(data):
    import sqlite3
    with sqlite3.connect(os.path.join(data, "fileroom.db")) as db:
        return [row[0] for row in
                db.execute("SELECT StudyInstanceUID FROM study")]


def t_read_by_others():
    with tempfile.TemporaryDirectory() as tmp:
        data, out = os.path.join(tmp, "data"), os.path.join(tmp, "out")
        paths = all_kinds(os.path.join(tmp, "in"))
        verb(data, "import", *paths)
        verb(data, "export", *studies(data), "-o", out, "--dicomdir")
        equal(sorted(os.listdir(out)), ["DICOM", "DICOMDIR", "README.TXT"])
        ours = check_tree(out)
        equal({r[-1].DirectoryRecordType for r in ours.values()},
              {"IMAGE", "SR DOCUMENT", "PRESENTATION", "ENCAP DOC"})
        check_others(out)
        equal(set(check_dcmmkdir(out, ours, tmp)), set(ours))
        names = {str(r[0].PatientName) for r in ours.values()}
        equal(names, {"Sample^One", "Müller^Jörg", "No^Id",
                      "Yamada^Tarou=山田^太郎=やまだ^たろう"})


def t_found_again():
    """Our import finds every file through the DICOMDIR, in a folder and in a
    zip, whatever the case of the names."""
    with tempfile.TemporaryDirectory() as tmp:
        data, out = os.path.join(tmp, "data"), os.path.join(tmp, "out")
        paths = all_kinds(os.path.join(tmp, "in"))
        verb(data, "import", *paths)
        verb(data, "export", *studies(data), "-o", out, "--dicomdir")
        verb(data, "export", *studies(data), "-o", out + ".zip", "--dicomdir")
        with zipfile.ZipFile(out + ".zip") as z:
            equal(z.testzip(), None)
            for name in z.namelist():
                with open(os.path.join(out, name), "rb") as f:
                    equal(z.read(name), f.read(), name)
        wanted = sorted(map(sample.digest, paths))
        equal(sorted(sample.digest(os.path.join(out, p)) for p in files(out)),
              wanted)
        text = verb(os.path.join(tmp, "b"), "import",
                    os.path.join(out, "DICOMDIR"))
        assert "stored: %d (" % len(paths) in text, text
        text = verb(os.path.join(tmp, "c"), "import", out + ".zip")
        assert "stored: %d (" % len(paths) in text, text
        text = verb(os.path.join(tmp, "d"), "import", out)
        assert "stored: %d (" % len(paths) in text, text


def t_dicom3tools():
    if shutil.which("dciodvfy") is None:
        raise runner.Skip("dicom3tools is not installed")
    with tempfile.TemporaryDirectory() as tmp:
        data, out = os.path.join(tmp, "data"), os.path.join(tmp, "out")
        verb(data, "import", *all_kinds(os.path.join(tmp, "in")))
        verb(data, "export", *studies(data), "-o", out, "--dicomdir")
        done = subprocess.run(
            ["dciodvfy", os.path.join(out, "DICOMDIR")], capture_output=True,
            text=True, errors="replace", check=False)
        wrong = [line for line in (done.stdout + done.stderr).splitlines()
                 if line.startswith("Error")]
        equal(wrong, [])


def t_shared_files():
    if shared("data", "dicom") is None:
        raise runner.Skip("the shared sample data are not here")
    with tempfile.TemporaryDirectory() as tmp, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data, out = os.path.join(tmp, "data"), os.path.join(tmp, "out")
        verb(data, "import", shared("data", "dicom"), fails=True)
        verb(data, "export", *studies(data), "-o", out, "--dicomdir")
        found = check_tree(out)
        assert len(found) > 500
        check_others(out)
        with open(os.path.join(out, "README.TXT"), encoding="ascii",
                  newline="") as f:
            text = f.read()
        assert text.count("\r\n") == text.count("\n")
        assert "JPEG-LS Lossless" in text
        done = verb(os.path.join(tmp, "b"), "import",
                    os.path.join(out, "DICOMDIR"))
        assert "stored: %d (" % len(found) in done, done


if __name__ == "__main__":
    sys.exit(runner.main())
