"""Zips of studies, series, patients and selections: whole, in parts, and only
to who may have them."""

import io
import os
import subprocess
import sys
import tempfile
import urllib.parse
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

import pydicom
from pydicom.fileset import FileSet

from harness import runner, sample
from harness.portal import Http, basic, portal
from harness.runner import equal

PASSWORD = "a good one 1"


def user(server, name="doctor", *more):
    server.verb("user", "add", name, "--password-stdin", *more,
                stdin=PASSWORD + "\n")
    return Http(server, **basic(name, PASSWORD))


def fill(server, tmp, **more):
    """A study's files by their instances."""
    paths = sample.study(tmp, **more)
    server.verb("import", *paths)
    return {str(pydicom.dcmread(p).SOPInstanceUID): sample.digest(p)
            for p in paths}


def opened(answer):
    """{instance: digest} of a zip; its checksums are right."""
    equal(answer.status, 200, answer)
    equal(answer.header("Content-Type"), "application/zip")
    equal(int(answer.header("Content-Length")), len(answer.body))
    found = {}
    with zipfile.ZipFile(io.BytesIO(answer.body)) as z, \
            tempfile.TemporaryDirectory() as tmp:
        equal(z.testzip(), None)
        for info in z.infolist():
            assert ".." not in info.filename, info
            path = os.path.join(tmp, "one")
            with open(path, "wb") as f:
                f.write(z.read(info))
            found[str(pydicom.dcmread(path).SOPInstanceUID)] = \
                sample.digest(path)
    return found


def t_study_series_patient_selection():
    with portal() as server, tempfile.TemporaryDirectory() as tmp:
        web = user(server)
        a = fill(server, tmp + "/a", count=3, series=2, study="a",
                 patient="P/1 \u00e4")
        b = fill(server, tmp + "/b", count=2, study="b", patient="P/1 \u00e4")
        fill(server, tmp + "/c", count=1, study="c", patient="P2")
        study = sample.uid("study", "a")
        base = "/api/v1/studies/" + study
        equal(opened(web.get(base + "/archive")), a)
        equal(opened(web.get(base + "/archive?syntax=original")), a)
        series = sample.uid("series", "a", 1)
        first = opened(web.get(base + "/series/" + series + "/archive"))
        equal(len(first), 3)
        equal(opened(web.get("/api/v1/series/%s/archive" % series)), first)
        patient = "/api/v1/patients/%s/archive" % urllib.parse.quote(
            "P/1 \u00e4", safe="")
        equal(opened(web.get(patient)), {**a, **b})
        equal(opened(web.get(patient + "?issuer=")), {**a, **b})
        equal(web.get(patient + "?issuer=NO").status, 404)
        # The same ID of another issuer is another patient.
        other = fill(server, tmp + "/d", count=1, study="d",
                     patient="P/1 \u00e4", IssuerOfPatientID="H2")
        equal(opened(web.get(patient + "?issuer=")), {**a, **b})
        equal(opened(web.get(patient + "?issuer=H2")), other)
        equal(opened(web.get(patient)), {**a, **b, **other})
        equal(opened(web.get("/api/v1/archive?studies=%s&series=%s" % (
            sample.uid("study", "b"), series))), {**b, **first})
        # Again what is in already.
        equal(opened(web.get("/api/v1/archive?studies=%s,%s" % (
            study, study))), a)


def t_by_unzip():
    with portal() as server, tempfile.TemporaryDirectory() as tmp:
        web = user(server)
        fill(server, tmp + "/a", count=3, series=2, study="a")
        got = web.get("/api/v1/studies/%s/archive" % sample.uid("study", "a"))
        path = os.path.join(tmp, "a.zip")
        with open(path, "wb") as f:
            f.write(got.body)
        done = subprocess.run(["unzip", "-t", path], capture_output=True,
                              text=True, check=False)
        assert "No errors detected" in done.stdout, done.stdout
        name = got.header("Content-Disposition")
        assert "Sample_One" in name and name.endswith('.zip"') or \
            ".zip" in name, name


def t_parts():
    """What was broken off goes on, if it is still the same."""
    with portal() as server, tempfile.TemporaryDirectory() as tmp:
        web = user(server)
        fill(server, tmp + "/a", count=5, study="a")
        path = "/api/v1/studies/%s/archive" % sample.uid("study", "a")
        whole = web.get(path)
        tag, n = whole.header("ETag"), len(whole.body)
        head = web.ask("HEAD", path)
        equal((int(head.header("Content-Length")), head.body), (n, b""))
        for at in (0, 1, 700, n // 2, n - 30, n - 1):
            part = web.get(path, headers={"Range": "bytes=%d-" % at,
                                          "If-Range": tag})
            equal(part.status, 206)
            equal(part.body, whole.body[at:], at)
        cut = {"Range": "bytes=0-9"}
        for headers, status in (({"If-Match": '"x"'}, 412),
                                ({"If-Match": '"x", ' + tag}, 206),
                                ({"If-Match": "W/" + tag}, 412),
                                ({"If-None-Match": "W/" + tag}, 304),
                                ({"If-None-Match": '"x"'}, 206)):
            equal(web.get(path, headers={**cut, **headers}).status, status,
                  headers)
        # RFC 9110 14.2: a range is for GET alone.
        head = web.ask("HEAD", path, headers=cut)
        equal((head.status, head.header("Content-Length")), (200, str(n)))
        fill(server, tmp + "/more", count=6, study="a")
        part = web.get(path, headers={"Range": "bytes=100-",
                                      "If-Range": tag})
        equal(part.status, 200)
        equal(len(opened(part)), 6)


def t_medium():
    """With dicomdir=1 it is a DICOM medium, of known length and resumable."""
    with portal() as server, tempfile.TemporaryDirectory() as tmp:
        web = user(server)
        a = fill(server, tmp + "/a", count=3, series=2, study="a",
                 patient="P1", name="M\u00fcller^J\u00f6rg",
                 charset="ISO_IR 100")
        b = fill(server, tmp + "/b", count=2, study="b", patient="P2")
        path = "/api/v1/archive?studies=%s,%s&dicomdir=1" % (
            sample.uid("study", "a"), sample.uid("study", "b"))
        got = web.get(path)
        equal(got.status, 200, got)
        equal(int(got.header("Content-Length")), len(got.body))
        out = os.path.join(tmp, "out")
        with zipfile.ZipFile(io.BytesIO(got.body)) as z:
            equal(z.testzip(), None)
            equal({n.split("/")[0] for n in z.namelist()},
                  {"DICOM", "DICOMDIR", "README.TXT"})
            assert b"DICOMDIR" in z.read("README.TXT")
            z.extractall(out)
        found = FileSet(os.path.join(out, "DICOMDIR"))
        equal({str(i.SOPInstanceUID): sample.digest(i.path) for i in found},
              {**a, **b})
        equal({str(i.PatientName) for i in found},
              {"M\u00fcller^J\u00f6rg", "Sample^One"})
        again = web.get(path)
        equal(again.body, got.body)
        tag, n = got.header("ETag"), len(got.body)
        equal(again.header("ETag"), tag)
        plain = web.get(path.replace("=1", "=0"))
        assert plain.header("ETag") != tag
        equal(opened(plain), {**a, **b})
        for at in [*range(0, n, n // 40), *range(n - 9000, n, 500)]:
            part = web.get(path, headers={"Range": "bytes=%d-" % at,
                                          "If-Range": tag})
            equal(part.status, 206)
            equal(part.body, got.body[at:], at)
        name = got.header("Content-Disposition")
        assert "M" in name and "DICOM" not in name, name
        for more in ("/api/v1/studies/%s/archive" % sample.uid("study", "a"),
                     "/api/v1/series/%s/archive" % sample.uid(
                         "series", "a", 1),
                     "/api/v1/patients/P1/archive"):
            with zipfile.ZipFile(io.BytesIO(
                    web.get(more + "?dicomdir=1").body)) as z:
                assert "DICOMDIR" in z.namelist()
        equal(web.get(path.replace("=1", "=yes")).status, 400)


def t_only_what_may_be_had():
    with portal() as server, tempfile.TemporaryDirectory() as tmp:
        fill(server, tmp + "/a", count=1, study="a", patient="P")
        fill(server, tmp + "/b", count=2, study="b", patient="P")
        study = sample.uid("study", "a")
        paths = ["/api/v1/studies/%s/archive" % study,
                 "/api/v1/studies/%s/series/%s/archive" % (
                     study, sample.uid("series", "a", 1)),
                 "/api/v1/series/%s/archive" % sample.uid("series", "a", 1),
                 "/api/v1/patients/P/archive",
                 "/api/v1/archive?studies=" + study]
        nobody = Http(server)
        none = user(server, "none", "--rights", "search")
        blind = user(server, "blind", "--rights", "download",
                     "--only-modality", "XA")
        for path in paths:
            equal(nobody.get(path).status, 401, path)
            equal(none.get(path).status, 403, path)
            equal(blind.get(path).status, 404, path)


def t_missing_file():
    """Found missing before the first byte, it is told without its path."""
    with portal() as server, tempfile.TemporaryDirectory() as tmp:
        web = user(server)
        fill(server, tmp, count=1, study="a")
        for at, _, names in os.walk(os.path.join(server.data, "objects")):
            for name in names:
                os.remove(os.path.join(at, name))
        got = web.get("/api/v1/studies/%s/archive?dicomdir=1"
                      % sample.uid("study", "a"))
        equal((got.status, got.code), (500, "damaged"))
        assert "objects" not in got.text, got


def t_refused():
    with portal() as server, tempfile.TemporaryDirectory() as tmp:
        web = user(server)
        fill(server, tmp, count=1, study="a")
        base = "/api/v1/studies/%s/archive" % sample.uid("study", "a")
        equal(web.get(base + "?syntax=jpeg-ls").status, 501)
        equal(web.get(base + "?syntax=jpeg-ls").code, "not_converted")
        equal(web.get(base + "?syntax=what").status, 400)
        equal(web.get("/api/v1/archive").status, 404)
        equal(web.get("/api/v1/archive?studies=../x").status, 400)
        equal(web.get("/api/v1/studies/1.2.3/archive").status, 404)
        equal(web.get("/api/v1/series/1.2.3/archive").status, 404)


if __name__ == "__main__":
    sys.exit(runner.main())
