"""Reports of a study: to whom they are shown, and in what form."""

import datetime
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import sample
from harness.portal import Http, login, users
from harness.runner import equal, main

PDF = "JVBERi0xLjQKJSVFT0YK"
NASTY = '<script>alert(1)</script>'


def uid(study):
    return sample.uid("study", study)


def oru(control, study, *observations, patient="SAMPLE1"):
    return "\r".join([
        f"MSH|^~\\&|RIS|CLINIC|||20260101||ORU^R01|{control}|P|2.5",
        f"PID|||{patient}||DOE^JANE",
        f"OBR|1||F{control}|X^Kopf {NASTY} Ä|||||||||||||||||||||F",
        f"OBX|1|RP|113014^DICOM Study^DCM||{uid(study)}", *observations, ""])


def archive():
    """Two studies: text, and a text with a PDF, of the first."""
    server = users()
    with tempfile.TemporaryDirectory() as folder:
        for study in ("1", "2"):
            sample.study(os.path.join(folder, study), count=1, study=study,
                         date=datetime.date.today().strftime("%Y%m%d"))
        server.verb("import", folder)
        path = os.path.join(folder, "reports.hl7")
        with open(path, "w", encoding="utf-8", newline="") as f:
            f.write(oru("1", "1", f"OBX|2|TX|G||{NASTY}~Größe") +
                    oru("2", "1", "OBX|2|TX|G||See PDF",
                        f"OBX|3|ED|P||^a^PDF^Base64^{PDF}") +
                    oru("3", "2", "OBX|2|TX|G||Of another study"))
        server.verb("worklist", "import", path)
    return server


def reports(web, study="1"):
    return web.get(f"/api/v1/studies/{uid(study)}/reports")


def one(web, number, study="1", **more):
    return web.get(f"/api/v1/studies/{uid(study)}/reports/{number}", **more)


def t_list():
    with archive() as server:
        web = login(server, "eva")
        rows = reports(web).json["reports"]
        equal([r["id"] for r in rows], [2, 1])
        equal(rows[1]["title"], f"Kopf {NASTY} Ä")
        equal((rows[1]["status"], rows[1]["text_bytes"], rows[1]["pdf_bytes"]),
              ("F", len(f"{NASTY}\nGröße".encode()), 0))
        equal(rows[0]["pdf_bytes"], 15)
        equal((rows[0]["application"], rows[0]["facility"]),
              ("RIS", "CLINIC"))
        equal(reports(web, "9").status, 404)
        equal(reports(Http(server)).status, 401)


def t_forms():
    with archive() as server:
        web = login(server, "eva")
        got = one(web, 1)
        equal((got.status, got.text), (200, f"{NASTY}\nGröße"))
        equal(got.header("Content-Type"), "text/plain; charset=utf-8")
        equal(got.header("X-Content-Type-Options"), "nosniff")
        got = one(web, 2)
        equal(got.body, b"%PDF-1.4\n%%EOF\n")
        equal(got.header("Content-Type"), "application/pdf")
        assert got.header("Content-Disposition").startswith(
            "attachment; "), got.headers
        assert "<" not in got.header("Content-Disposition"), got.headers
        equal(one(web, "2?form=text").text, "See PDF")
        equal(one(web, "2?form=pdf").body[:5], b"%PDF-")
        got = one(web, "2?form=view")
        equal((got.body[:5], got.header("Content-Type")),
              (b"%PDF-", "application/pdf"))
        assert got.header("Content-Disposition").startswith(
            "inline; "), got.headers
        equal(got.header("X-Content-Type-Options"), "nosniff")
        assert "'none'" in got.header("Content-Security-Policy"), got.headers
        equal(one(web, "1?form=pdf").status, 404)
        equal(one(web, "1?form=view").status, 404)
        equal(one(web, "1?form=odt").status, 400)


def t_not_of_the_study():
    with archive() as server:
        web = login(server, "eva")
        equal(one(web, 3, "2").status, 200)
        for number in (3, 4, 0, -1, "x", "1%20", 2 ** 64 + 1):
            equal(one(web, number).status, 404, number)


def t_patients_link():
    with archive() as server:
        token = login(server, "eva").get(
            f"/api/v1/studies/{uid('1')}/token").json["token"]
        web = Http(server)
        web.get("/token?" + token)
        equal(len(reports(web).json["reports"]), 2)
        equal(one(web, 2).body[:5], b"%PDF-")
        assert reports(web, "2").status in (401, 403, 404)
        assert one(web, 3, "2").status in (401, 403, 404)
        equal(one(web, 3).status, 404)


def t_another_patient():
    """A report names the study, and somebody else: doctors are warned, the
    patient's link does not give it."""
    with archive() as server:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "other.hl7")
            with open(path, "w", encoding="utf-8", newline="") as f:
                f.write(oru("4", "1", "OBX|2|TX|G||Of somebody else",
                            patient="SOMEBODY"))
            server.verb("worklist", "import", path)
        web = login(server, "eva")
        equal([(r["id"], r["other_patient"])
               for r in reports(web).json["reports"]],
              [(4, "SOMEBODY"), (2, ""), (1, "")])
        equal(one(web, 4).text, "Of somebody else")
        token = web.get(f"/api/v1/studies/{uid('1')}/token").json["token"]
        web = Http(server)
        web.get("/token?" + token)
        equal([r["id"] for r in reports(web).json["reports"]], [2, 1])
        equal(one(web, 4).status, 404)


if __name__ == "__main__":
    sys.exit(main())
