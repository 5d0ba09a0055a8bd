"""C3 of stored cross-site scripting: markup in every text that reaches the
pages (names, descriptions, users, the institution) stays text, with a browser
looking on: no script of it runs, the pages' policy has nothing to block."""

import datetime
import os
import sys
import tempfile
import urllib.parse
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.dirname(__file__))

from _browser import Browser, needed
from harness import sample
from harness.portal import PASSWORD, Http, login, users
from harness.runner import equal, main
from harness.server import wait_for

# Links are open for a while from the study's date.
TODAY = datetime.date.today().strftime("%Y%m%d")
# Longer ones do not fit into every attribute (LO: 64 characters).
MARKUP = ("<img src=x onerror=\"document.title='XSS'\">",
          "</title><script>document.title='XSS'</script>",
          "javascript:document.title='XSS'",
          "\" autofocus onfocus=\"document.title='XSS'\" x=\"",
          "'><svg/onload=document.title='XSS'>",
          "{{constructor.constructor('document.title=1')()}}",
          "+ADw-script+AD4-document.title='XSS'+ADw-/script+AD4-",
          "</noscript><iframe srcdoc='<script>parent.x=1</script>'>",
          "&lt;img src=x onerror=document.title='XSS'&gt;",
          "\u2028\u202e<b onmouseover=document.title='XSS'>x</b>")
# No = in it: that divides names.
TOLD = "Told<svg onload><img><script>document.title"


def report(i, text):
    """What HL7 tells of the study: a title and a text."""
    text = text.replace("&", "\\T\\")
    return (f"MSH|^~\\&|RIS|{TOLD}|||20260101||ORU^R01|r{i}|P|2.5\r"
            f"OBR|1||F{i}|X^{text}" + 21 * "|" + "<b>\r"
            "OBX|1|RP|113014^DICOM Study^DCM||"
            f"{sample.uid('study', f'x{i}')}\rOBX|2|TX|G||{text}\r")


def fill(server):
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for i, text in enumerate(MARKUP):
            plain = text.encode("ascii", "ignore").decode()
            sample.study(
                os.path.join(folder, str(i)), count=1, study=f"x{i}",
                date=TODAY, charset="ISO_IR 192", rows=8, patient=text[:60],
                name=text, StudyDescription=text, SeriesDescription=text,
                InstitutionName=text, ReferringPhysicianName=text,
                StationName=text, BodyPartExamined=plain[:16],
                PatientSex="M", StudyTime=plain[:14])
        sample.study(os.path.join(folder, "hl7"), count=1, study="hl7",
                     patient="HL7", name="Plain")
        server.verb("import", folder)
        # The name that a message tells takes its place.
        path = os.path.join(folder, "adt.hl7")
        with open(path, "w", encoding="utf-8", newline="") as f:
            f.write("MSH|^~\\&|HIS|H|||20260101||ADT^A08|1|P|2.5\r"
                    f"PID|||HL7||{TOLD}\r")
            for i, text in enumerate(MARKUP):
                f.write(report(i, text))
        server.verb("worklist", "import", path)


def clean(b, where):
    """No script ran, nothing of it became an element."""
    b.settle()
    assert "XSS" not in b.driver.title, where
    equal(b.driver.execute_script(
        "return document.querySelectorAll('iframe, [onerror], [onload], "
        "[onfocus], [onmouseover], img, script:not([src])').length"), 0, where)
    equal(b.driver.execute_script("return window.x"), None, where)


def t_C3_stored_markup_stays_text():
    needed()
    server = users(institution=MARKUP[0], department=MARKUP[1])
    with server:
        fill(server)
        root = login(server, "root")
        for text in MARKUP[:3] + MARKUP[4:5]:
            name = text.replace(":", ";")
            got = root.post("/api/v1/users", {
                "name": name, "first_name": text, "last_name": text,
                "institution": text, "only_institution": text})
            equal(got.status, 201, got)
        with Browser(server) as b, Browser(server) as patient:
            b.go("/login")
            b.wait_text("Client IP")
            clean(b, "log in")
            b.log_in("root", PASSWORD)
            equal(len(b.rows()), len(MARKUP) + 1)
            assert MARKUP[0] in b.text(), b.text()
            assert TOLD in b.text(), b.text()
            clean(b, "studies")
            b.go("/#/patients")
            b.one("tbody tr")
            clean(b, "patients")
            for i, text in enumerate(MARKUP):
                b.go("/#/study/" + sample.uid("study", f"x{i}"))
                wait_for(lambda: text[:12].strip() in b.text()
                         or i == len(MARKUP) - 1, what=text)
                b.one("tbody tr")
                b.one(".reports pre")
                clean(b, f"study {text}")
                b.go("/#/patient/" + urllib.parse.quote(text[:60], safe=""))
                b.one("tbody tr")
                clean(b, f"patient {text}")
                b.one("tbody .acts button").click()
                b.one("dialog svg.qr")
                clean(b, f"link {text}")
                link = b.one("dialog input").get_attribute("value")
                patient.go("/token" + link.split("/token")[1])
                patient.one("dl")
                clean(patient, f"patient's page {text}")
            b.go("/#/studies?patient_name="
                 + urllib.parse.quote(MARKUP[0], safe=""))
            clean(b, "criteria from the address")
            b.go("/#/users")
            b.one("tbody tr")
            clean(b, "users")
            b.go("/#/users/edit/" + urllib.parse.quote(
                MARKUP[0].replace(":", ";"), safe=""))
            b.one("fieldset")
            clean(b, "user")
            for text in MARKUP:
                Http(server).post("/api/v1/session", {
                    "username": "eva", "password": "wrong one"}, headers={
                        "User-Agent": text.encode("ascii", "ignore")})
            b.go("/#/activity")
            wait_for(lambda: sum("Failed" in r for r in b.rows()) ==
                     len(MARKUP), what="failures")
            for at in range(len(MARKUP)):
                b.all("tbody .acts button")[at].click()
                b.one("dialog dl")
                clean(b, f"activity {at}")
                b.one("dialog button").click()
            b.go("/#/" + urllib.parse.quote(MARKUP[0], safe=""))
            clean(b, "no such page")
            b.go("/reset?" + urllib.parse.quote(MARKUP[0], safe=""))
            clean(b, "error page")
            b.check_console(but=("404",))


if __name__ == "__main__":
    sys.exit(main())
