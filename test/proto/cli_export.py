"""Export: folders and zips with names for people, media with those of the
standard, what cannot be written or converted."""

import os
import subprocess
import sys
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

import pydicom  # noqa: E402
from harness import sample  # noqa: E402
from harness.cli import (Folder, all_files, counts, digests,  # noqa: E402
                         digests_raw, files, flip, instance_path, objects)
from harness.runner import equal, main  # noqa: E402
from harness.server import binary  # noqa: E402

TSAN = True


def t_export_and_import_again():
    with Folder() as f:
        paths = sample.study(f("in"), count=3, series=2)
        f.verb("import", f("in"))
        uid = sample.uid("study", "a")
        got = counts(f.verb("export", uid, "-o", f("out")))
        equal(got["exported"], 6)
        out = files(f("out"))
        equal(digests(out), digests(paths))
        names = {os.path.relpath(p, f("out")) for p in out}
        assert ("Sample_One_SAMPLE1/20260102_Study_a/001_Series_1/0001.dcm"
                in names), names
        for p in out:
            meta = pydicom.dcmread(p).file_meta
            equal(str(meta.TransferSyntaxUID), sample.EXPLICIT_LITTLE)
            equal(str(meta.MediaStorageSOPClassUID), sample.CT)
            assert "PrivateInformation" not in meta
        # Again: a folder of its own, nothing overwritten.
        f.verb("export", uid, "-o", f("out"))
        equal(len(files(f("out"))), 12)
        assert os.path.isdir(f("out", "Sample_One_SAMPLE1",
                               "20260102_Study_a_2"))
        first = f.data
        f.data = f("second")
        equal(counts(f.verb("import", f("out")))["stored"], 6)
        equal(digests_raw(objects(f.data)), digests_raw(objects(first)))


def t_export_zip():
    with Folder() as f:
        paths = sample.study(f("in"), count=3)
        f.verb("import", f("in"))
        uid = sample.uid("study", "a")
        f.verb("export", uid, "-o", f("a.zip"))
        with zipfile.ZipFile(f("a.zip")) as z:
            equal(z.testzip(), None)
            equal({i.compress_type for i in z.infolist()},
                  {zipfile.ZIP_STORED})
            z.extractall(f("out"))
        equal(digests(files(f("out"))), digests(paths))
        text = f.error(1, "export", uid, "-o", f("a.zip"))
        assert "there already" in text
        assert not os.path.exists(f("a.zip.part"))
        f.data = f("second")
        equal(counts(f.verb("import", f("a.zip")))["stored"], 3)


def t_export_medium():
    """Names of the standard, one patient for each ID, and what few media
    allow is there and named."""
    with Folder() as f:
        for n, (issuer, name) in enumerate((("A", "One^Ann"),
                                            ("B", "Two^Bob")), 1):
            sample.write(sample.image(
                patient="77", IssuerOfPatientID=issuer, name=name,
                study=str(n)), f("in/%d" % n))
        sample.write(sample.image(patient="77", IssuerOfPatientID="A",
                                  name="One^Ann", study="1", number=2),
                     f("in/3"), syntax=sample.IMPLICIT_LITTLE)
        f.verb("import", f("in"))
        uids = [sample.uid("study", n) for n in ("1", "2")]
        done = f.run("export", *uids, uids[0], "-o", f("out"), "--dicomdir")
        equal(done.returncode, 0, done.stderr)
        equal(counts(done.stdout)["exported"], 3)
        assert "1 of them" in done.stderr, done.stderr
        equal({os.path.relpath(p, f("out")) for p in all_files(f("out"))}, {
            "DICOMDIR", "README.TXT",
            "DICOM/PT000001/ST000001/SE000001/IM000001",
            "DICOM/PT000001/ST000001/SE000001/IM000002",
            "DICOM/PT000002/ST000001/SE000001/IM000001"})
        records = pydicom.dcmread(f("out", "DICOMDIR")).DirectoryRecordSequence
        equal([(r.PatientID, r.PatientName, r.IssuerOfPatientID)
               for r in records if "PatientID" in r],
              [("77", "One^Ann", "A"), ("77_2", "Two^Bob", "B")])
        with open(f("out", "README.TXT"), encoding="ascii") as text:
            text = text.read()
        assert "2 patients" in text and "3 files" in text, text
        assert "DICOM/PT000001/ST000001/SE000001: 1 file" in text, text
        assert "Implicit VR Little Endian" in text, text
        # A medium is never mixed with another, nor overwritten.
        text = f.error(1, "export", uids[0], "-o", f("out"), "--dicomdir")
        assert "is there already" in text, text
        equal(len(all_files(f("out"))), 5)
        f.verb("export", uids[0], "-o", f("x.zip"), "--dicomdir", "--syntax",
               "explicit")
        with zipfile.ZipFile(f("x.zip")) as z:
            equal(z.testzip(), None)
            assert b"transfer syntaxes" not in z.read("README.TXT")
            z.extractall(f("x"))
        for record in pydicom.dcmread(
                f("x", "DICOMDIR")).DirectoryRecordSequence:
            if "ReferencedFileID" in record:
                equal(record.ReferencedTransferSyntaxUIDInFile,
                      sample.EXPLICIT_LITTLE)


def t_export_medium_without_what_is_damaged():
    with Folder() as f:
        sample.study(f("in"), count=3)
        f.verb("import", f("in"))
        victim = sorted(objects(f.data))[1]
        with open(victim, "r+b") as file:
            file.seek(-3, os.SEEK_END)
            file.write(b"xyz")
        uid = sample.uid("study", "a")
        done = f.run("export", uid, "-o", f("out"), "--dicomdir")
        equal(done.returncode, 1)
        equal(counts(done.stdout), {"exported": 2, "failed": 1})
        records = pydicom.dcmread(f("out", "DICOMDIR")).DirectoryRecordSequence
        names = ["/".join(r.ReferencedFileID) for r in records
                 if "ReferencedFileID" in r]
        equal(sorted(names), sorted(
            os.path.relpath(p, f("out"))
            for p in all_files(f("out", "DICOM"))))
        equal(len(names), 2)


def t_export_unknown_study():
    with Folder() as f:
        f.verb("import", sample.write(sample.image(), f("a.dcm")))
        text = f.error(1, "export", "1.2.3", "-o", f("out"))
        assert "'1.2.3'" in text
        assert not os.path.exists(f("out"))
        f.error(1, "export", sample.uid("study", "a"), "1.2.3", "-o",
                f("a.zip"))
        assert not os.path.exists(f("a.zip"))
        # One named twice is exported once.
        uid = sample.uid("study", "a")
        equal(counts(f.verb("export", uid, uid, "-o", f("b.zip")))["exported"],
              1)


def t_export_says_why_it_cannot_write():
    with Folder() as f:
        image = sample.image()
        image.PixelData = os.urandom(6_000_000)
        f.verb("import", sample.write(image, f("a.dcm")))
        done = subprocess.run(
            ["bash", "-c", 'trap "" XFSZ; ulimit -f 4000; exec "$@"', "-",
             binary(), "export", sample.uid("study", "a"), "--data", f.data,
             "-o", f("out.zip")], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, encoding="utf-8", check=False)
        equal(done.returncode, 1)
        assert "File too large" in done.stderr, done.stderr
        assert not os.path.exists(f("out.zip"))
        # Nothing follows a link within the archive; the folder may be one.
        os.rename(os.path.join(f.data, "objects"), f("elsewhere"))
        os.symlink(f("elsewhere"), os.path.join(f.data, "objects"))
        assert "objects' is a link" in f.error(1, "check")


def t_export_names_are_safe_and_unique():
    with Folder() as f:
        hostile = dict(name="../../^x/y", patient="..\\..", StudyDate="",
                       StudyDescription="CON", SeriesDescription="\u5c71",
                       charset="ISO_IR 192", SeriesNumber=None,
                       InstanceNumber=None)
        for n in range(1, 4):
            sample.write(sample.image(number=n, **hostile),
                         f("in", f"{n}.dcm"))
        last = sample.write(sample.image(number=1, series=2, **hostile),
                            f("last.dcm"))
        f.verb("import", f("in"))
        f.verb("import", last)
        f.verb("export", sample.uid("study", "a"), "-o", f("out"))
        names = sorted(os.path.relpath(p, f("out")) for p in files(f("out")))
        equal(names, ["x_y/CON_/series/image.dcm",
                      "x_y/CON_/series/image_2.dcm",
                      "x_y/CON_/series/image_3.dcm",
                      "x_y/CON_/series_2/image.dcm"])
        equal(sorted(os.listdir(f.path)), ["data", "in", "last.dcm", "out"])


def t_export_syntax():
    with Folder() as f:
        path = sample.write(sample.image(), f("a.dcm"))
        f.verb("import", path)
        uid = sample.uid("study", "a")
        want = pydicom.dcmread(path)
        for name, syntax in (("implicit", sample.IMPLICIT_LITTLE),
                             (sample.EXPLICIT_BIG, sample.EXPLICIT_BIG),
                             ("deflated", sample.DEFLATED),
                             ("explicit", sample.EXPLICIT_LITTLE)):
            out = f("out" + syntax)
            f.verb("export", uid, "-o", out, "--syntax", name)
            got = pydicom.dcmread(files(out)[0])
            equal(str(got.file_meta.TransferSyntaxUID), syntax)
            equal(got.PatientName, want.PatientName)
            equal(got.Rows, want.Rows)
            assert (got.pixel_array == want.pixel_array).all(), name
            f.verb("export", uid, "-o", f(name + ".zip"), "--syntax", name)
            with zipfile.ZipFile(f(name + ".zip")) as z:
                equal(z.testzip(), None)


def t_export_refuses_what_cannot_be_converted_or_is_damaged():
    with Folder() as f:
        ds = sample.image(number=1)
        ds.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
        sample.write(ds, f("in", "1.dcm"), "1.2.840.10008.1.2.4.50")
        sample.write(sample.image(number=2), f("in", "2.dcm"))
        f.verb("import", f("in"))
        uid = sample.uid("study", "a")
        done = f.run("export", uid, "-o", f("out"), "--syntax", "implicit")
        equal(done.returncode, 1)
        equal(counts(done.stdout), {"exported": 1, "failed": 1})
        assert sample.uid("instance", "a", 1, 1) in done.stderr
        assert "not converted" in done.stderr
        equal(len(files(f("out"))), 1)
        equal(counts(f.verb("export", uid, "-o", f("all")))["exported"], 2)
        # A flipped byte never leaves the archive.
        flip(instance_path(f, 2))
        done = f.run("export", uid, "-o", f("after"))
        equal(done.returncode, 1)
        equal(counts(done.stdout), {"exported": 1, "failed": 1})
        equal(len(files(f("after"))), 1)


if __name__ == "__main__":
    sys.exit(main())
