"""The portal in Debian's Chromium: what a person does on its pages, that
nothing is blocked by the pages' policy, that no page has a fault that axe-core
finds, in light and dark, wide and on a telephone, from left and from right."""

import base64
import datetime
import hashlib
import hmac
import os
import re
import struct
import sys
import tempfile
import time
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.dirname(__file__))

from _browser import AXE, Browser, Keys, needed
from harness import dicom, hl7, sample
from harness.portal import (PASSWORD, Http, add_user, login, portal, trusting,
                            users)
from harness.runner import Skip, equal, main, on_one_day
from harness.server import wait_for

STUDIES = (
    # Of today, if no date stands here.
    dict(study="1", patient="P1", name="Müller^Eva^Maria",
         PatientSex="F", StudyDescription="CT thorax"),
    dict(study="2", patient="P1", name="Müller^Eva^Maria", date="20250301",
         modality="MR", sop_class=sample.MR, PatientSex="F"),
    dict(study="3", patient="P2", name="Yamada^Tarou=山田^太郎",
         date="20240101", PatientSex="M"),
    dict(study="4", patient="P3", name="الحسيني^ليلى", date="20230101"),
)
PDF = "JVBERi0xLjQKJSVFT0YK"  # "%PDF-1.4\n%%EOF\n"
world = {}


def report(control, title, status, *observations):
    """One of the first study, as text of HL7."""
    uid = sample.uid("study", "1")
    return "\r".join([
        f"MSH|^~\\&|RIS|CLINIC|||20260101||ORU^R01|{control}|P|2.5",
        "PID|||P1||Müller^Eva^Maria",
        f"OBR|1||F{control}|X^{title}" + 21 * "|" + status,
        f"OBX|1|RP|113014^DICOM Study^DCM||{uid}", *observations, ""])


def today():
    return datetime.date.today().strftime("%Y%m%d")


def archive(fresh=False):
    """One server for all tests of this file; with fresh its study of today is
    of today, though midnight has passed."""
    if fresh and world.get("day", today()) != today():
        world.pop("server").close()
    if "server" not in world:
        needed()
        world["day"] = today()
        server = users(institution="St. Elisabeth", department="Radiology")
        with tempfile.TemporaryDirectory() as folder:
            for fields in STUDIES:
                sample.study(os.path.join(folder, fields["study"]), count=2,
                             series=2, charset="ISO_IR 192", rows=16,
                             **{"date": world["day"], **fields})
            server.verb("import", folder)
            path = os.path.join(folder, "reports.hl7")
            with open(path, "w", encoding="utf-8", newline="") as f:
                f.write(report("1", "CT thorax", "P",
                               "OBX|2|TX|G||First impression") +
                        report("2", "<b>CT</b> Thorax", "F",
                               "OBX|2|TX|G||No <i>nodule</i>.~Größe: 4 mm",
                               f"OBX|3|ED|P||^a^PDF^Base64^{PDF}"))
            server.verb("worklist", "import", path)
        world["server"] = server
    return world["server"]


def inside(name="root", **more):
    b = Browser(archive(), **more)
    try:
        b.log_in(name, PASSWORD)
    except BaseException:
        b.driver.quit()
        raise
    return b


def t_log_in_and_out():
    with Browser(archive()) as b:
        b.go("/")
        equal(b.at(), "/login")
        b.fill("username", "eva")
        b.fill("password", "wrong password")
        b.click("Log in")
        b.wait_text("The user name or the password is wrong.")
        b.check_console(but=("401",))
        b.go("/login#/account")
        b.fill("username", "eva")
        b.fill("password", PASSWORD)
        b.click("Log in")
        b.wait_text("My account: eva")
        equal(b.at(), "/#/account")
        b.wait_text("St. Elisabeth - Radiology")
        b.wait_text("Client IP: 127.0.0.1")
        b.click("Log out")
        wait_for(lambda: b.at() == "/login", what="the log-in page")
        b.go("/")
        equal(b.at(), "/login")


def t_log_in_without_scripts():
    with Browser(archive(), scripts=False) as b:
        b.go("/login")
        b.fill("username", "eva")
        b.fill("password", PASSWORD)
        b.click("Log in")
        wait_for(lambda: b.at() == "/", what="the portal")


@on_one_day
def t_search():
    archive(fresh=True)
    with inside() as b:
        equal(len(b.rows()), 4)
        assert "Müller, Eva Maria" in b.rows()[0], b.rows()
        assert "Yamada, Tarou (山田, 太郎)" in b.rows()[2], b.rows()
        b.fill("patient_name", "muller")
        b.one("form button.primary").click()
        wait_for(lambda: len(b.rows()) == 2, what="two studies")
        assert "patient_name=muller" in b.at(), b.at()
        b.driver.refresh()
        b.one("tbody tr")
        equal(len(b.rows()), 2)
        b.choose("mode", "today")
        wait_for(lambda: len(b.rows()) == 1, what="one study")
        b.driver.back()
        wait_for(lambda: len(b.rows()) == 2, what="two studies again")
        b.click("Clear")
        wait_for(lambda: len(b.rows()) == 4, what="all")
        b.one("button[title='Sort by Patient name']").click()
        wait_for(lambda: "sort=name" in b.at(), what="the order")
        wait_for(lambda: "Yamada" in b.rows()[2], what="the order")
        b.click("Patients")
        wait_for(lambda: len(b.rows()) == 3, what="patients")
        b.click("Series")
        wait_for(lambda: len(b.rows()) == 8, what="series")
        b.fill("modality", "MR")
        b.one("form button.primary").click()
        wait_for(lambda: len(b.rows()) == 2, what="series of MR")


def names_in(path):
    """What is in a zip that is whole."""
    with zipfile.ZipFile(path) as z:
        equal(z.testzip(), None)
        return [n for n in z.namelist() if n.endswith(".dcm")]


def t_patients_whom_no_address_holds():
    """Who has no ID, or a step of a path for one, is still himself."""
    with users() as server, tempfile.TemporaryDirectory() as folder:
        for n, (patient, name) in enumerate(
                (("", "Nobody^A"), ("..", "Dots^B"), (".", "Dot^C"),
                 ("-", "Dash^D"), ("%2e%2e", "Percent^E"), ("L" * 64, "W" * 44 + "^F"))):
            sample.study(folder + f"/{n}", count=1, study=f"n{n}", rows=8,
                         patient=patient, name=name, series=11 if n else 1,
                         StudyDescription=name)
        server.verb("import", folder)
        with Browser(server) as b:
            b.log_in("root", PASSWORD)
            for name in ("Nobody, A", "Dots, B", "Percent, E"):
                b.go("/#/studies")
                b.named(name, "td a").click()
                b.one(".facts")
                b.click("Studies")
                b.one("main h1")
                wait_for(lambda: b.at().startswith("/#/patient/"), 60, "page")
                b.wait_text("Zip file of all studies")
                rows = b.rows()
                equal(len(rows), 1)
                assert name.replace(", ", "^") in rows[0], rows
                equal(b.driver.execute_script(
                    "return document.querySelector('h1').innerText"), name)
                b.click("Zip file of all studies")
                with zipfile.ZipFile(b.download("*.zip")) as z:
                    equal(len(z.namelist()), 1 if name[0] == "N" else 11)
                os.remove(b.download("*.zip"))
            # Series of a study are in their order, however they arrived.
            b.go("/#/series?patient_id=..")
            wait_for(lambda: b.driver.execute_script(
                "return [...document.querySelectorAll('tbody tr')].map(e =>"
                " e.cells[7]?.innerText)") ==
                [f"Series {n}" for n in range(1, 12)], 60, "series")
            # A long ID takes no room from what can be done with a row.
            b.go("/#/studies")
            b.named("Nobody, A", "td a")
            right = b.driver.execute_script(
                "return Math.max(...[...document.querySelectorAll('td.act')]"
                ".map(e => e.getBoundingClientRect().right))")
            assert right <= 1360, right
            # Nor does a long name make a page wider than a telephone.
            b.go("/#/patients?patient_id=LLL")
            b.named("Studies of " + "W" * 44 + ", F", "a").click()
            b.size(360, 860, True)
            b.named("Zip file of all studies")
            equal(b.overflow(), 0)
            b.all("td.title a")[0].click()
            b.named("Zip file of the study")
            equal(b.overflow(), 0)
            b.click("Patient link")
            b.one("dialog svg.qr")
            equal(b.overflow(), 0)


def t_zips():
    """Of a study, a patient, a series, and of what is selected."""
    with inside() as b:
        b.rows()
        b.click("Zip file of Müller, Eva Maria")
        path = b.download("*.zip")
        equal(len(names_in(path)), 4)
        os.remove(path)
        for box in b.all("tbody input[type=checkbox]")[1:3]:
            box.click()
        b.wait_text("2 selected")
        b.click("Zip of the selection")
        path = b.download("*.zip")
        equal(len(names_in(path)), 8)
        os.remove(path)
        b.click("Patients")
        wait_for(lambda: len(b.rows()) == 3, what="patients")
        b.click("Zip file of Müller, Eva Maria")
        path = b.download("*.zip")
        equal(len(names_in(path)), 8)
        os.remove(path)
        b.one("thead input[type=checkbox]").click()
        b.wait_text("3 selected")
        b.click("Zip of the selection")
        path = b.download("*.zip")
        equal(len(names_in(path)), 16)
        os.remove(path)
        b.go("/#/study/" + sample.uid("study", "3"))
        b.click("Zip file of Series 2: Series 2")
        path = b.download("*.zip")
        equal(len(names_in(path)), 2)
        os.remove(path)
        b.click("Zip file of the study")
        path = b.download("*.zip")
        equal(len(names_in(path)), 4)


SIGHTS = (  # width, telephone, dark, direction
    (1360, False, False, "ltr"), (1360, False, True, "ltr"),
    (1360, False, False, "rtl"), (390, True, False, "ltr"),
    (390, True, True, "rtl"))


def look_all_over(b, name):
    """axe-core, and that a telephone need not be moved sideways."""
    for width, phone, dark, way in SIGHTS:
        b.size(width, 860, phone)
        b.dark(dark)
        b.direction(way)
        equal(b.axe(), [], f"{name} {width} dark {dark} {way}")
        if width < 500:
            equal(b.overflow(), 0, f"overflow of {name} {way}")
    b.direction("ltr")
    b.dark(False)
    b.size(1360)


def t_axe_log_in():
    if not os.path.exists(AXE):
        raise Skip("axe-core is not installed: tools/deps --test")
    with Browser(archive()) as b:
        b.go("/login")
        look_all_over(b, "log in")


def t_axe_lists():
    with inside() as b:
        for path in ("/#/studies", "/#/patients", "/#/series", "/#/patient/P1",
                     "/#/studies?patient_name=nobody",
                     "/#/study/" + sample.uid("study", "1")):
            b.go(path)
            b.one("main")
            look_all_over(b, path)


def t_axe_users_and_account():
    with inside() as b:
        for path in ("/#/users", "/#/users/new", "/#/users/edit/eva",
                     "/#/account"):
            b.go(path)
            b.one("main h1")
            look_all_over(b, path)


def t_link():
    """A study's link: shown, copied, as QR code, opened, counted, revoked."""
    with inside() as b:
        b.rows()
        b.click("Patient link for Müller, Eva Maria")
        link = b.one("dialog input").get_attribute("value")
        b.wait_text("Not opened yet")
        equal(len(b.all("dialog svg.qr")), 1)
        look_all_over(b, "link")
        # Where the browser does not let us copy, the text is marked.
        b.driver.execute_script(
            "navigator.clipboard.writeText = () => Promise.reject();"
            "document.execCommand = () => false")
        b.click("Copy link")
        b.wait_text("the link is marked")
        equal(b.driver.execute_script("return getSelection().toString()"),
              link)
        b.driver.execute_script(
            "navigator.clipboard.writeText = async t => { window.had = t }")
        b.click("Copy link")
        b.wait_text("Copied.")
        equal(b.driver.execute_script("return window.had"), link)
        b.driver.execute_script(
            "window.print = () => { window.printed ="
            " document.querySelector('.sheet').textContent }")
        b.click("Print a sheet")
        sheet = b.driver.execute_script("return window.printed")
        assert link in sheet and "Müller, Eva Maria" in sheet, sheet
        for scripts in (True, False):
            with Browser(archive(), scripts=scripts) as p:
                p.go("/token" + link.split("/token")[1])
                assert re.fullmatch("/token/study/[0-9a-f]{16}", p.at())
                p.click("Zip file of the study")
                equal(len(names_in(p.download("*.zip"))), 4)
                for text in ("Müller, Eva Maria", "CT thorax", "S1",
                             "St. Elisabeth - Radiology",
                             "Client IP: 127.0.0.1"):
                    p.wait_text(text)
                equal([e.text for e in p.all("ol li")][::2],
                      ["Download the zip file of the study.",
                       "Ask your doctor what the images show."])
                if scripts:
                    look_all_over(p, "patient's page")
                p.go("/")
                equal(p.at(), "/login")
        b.click("Close")
        b.click("Patient link for Müller, Eva Maria")
        b.wait_text("Opened 2 times")
        b.click("Revoke")
        b.one("dialog dialog button.danger").click()
        b.wait_text("The link was revoked.")
        with Browser(archive()) as p:
            p.go("/token" + link.split("/token")[1])
            p.wait_text("This link is not valid")
            p.check_console(but=("404",))


def t_links_in_two_tabs():
    """Each page goes on showing and giving its own study."""
    def study(n):
        return sample.uid("study", n)

    def zip_of(n):
        with zipfile.ZipFile(b.download("*.zip")) as z:
            inside = b"".join(map(z.read, z.namelist()))
        os.remove(b.download("*.zip"))
        return study(n).encode() in inside

    needed()
    with users() as server, Browser(server) as b, \
            tempfile.TemporaryDirectory() as folder:
        for n in "13":
            sample.study(os.path.join(folder, n), count=1, study=n, date=today())
        server.verb("import", folder)
        root = login(server, "root")
        tabs = {}
        for n in "13":
            if tabs:
                b.driver.switch_to.new_window("tab")
            b.go("/token?" + root.get(
                f"/api/v1/studies/{study(n)}/token").json["token"])
            b.wait_text("S" + n)
            tabs[n] = b.driver.current_window_handle, b.at()
        assert tabs["1"][1] != tabs["3"][1], tabs
        for n in "1331":
            b.driver.switch_to.window(tabs[n][0])
            b.click("Zip file of the study")
            assert zip_of(n), n
            b.driver.refresh()
            b.wait_text("S" + n)
            equal(b.at(), tabs[n][1])
        equal(root.delete(f"/api/v1/studies/{study('3')}/token").status, 204)
        b.driver.switch_to.window(tabs["3"][0])
        b.driver.refresh()
        b.wait_text("Open your link again")
        b.driver.switch_to.window(tabs["1"][0])
        b.driver.refresh()
        b.wait_text("S1")
        b.click("Zip file of the study")
        assert zip_of("1")
        b.check_console(but=("401",))


def totp(secret):
    """RFC 6238, as the app on the telephone reckons."""
    key = base64.b32decode(secret.replace(" ", ""))
    mac = hmac.new(key, struct.pack(">Q", int(time.time()) // 30),
                   hashlib.sha1).digest()
    at = mac[-1] & 15
    return "%06d" % (
        (struct.unpack(">I", mac[at:at + 4])[0] & 0x7fffffff) % 1000000)


def t_users():
    with inside() as b:
        b.go("/#/users")
        b.click("Add user")
        b.fill("name", "zoë")
        b.fill("first_name", "Zoë")
        b.fill("last_name", "Roth")
        b.fill("email", "zoe@example.org")
        b.fill("only_modality", "CT")
        b.fill("password", "short")
        b.wait_text("Too short")
        b.fill("password", "fourteen little words")
        b.wait_text("Strong.")
        b.named("Save").click()
        b.wait_text("User zoë")
        b.go("/#/users")
        b.wait_text("Zoë Roth")
        with Browser(archive()) as z:
            z.log_in("zoë", "fourteen little words")
            equal(len(z.rows()), 3, "only CT")
            equal([e.text for e in z.all("nav a")],
                  ["Search", "Patients", "Studies", "Series"])
            b.click("zoë")
            b.one("input[type=checkbox]").click()
            b.named("Save").click()
            wait_for(lambda: not login(archive(), "root").get(
                "/api/v1/users/zo%C3%AB").json["active"], what="the change")
            # Who is not active any more is out at once.
            z.go("/#/account")
            z.driver.refresh()
            wait_for(lambda: z.at().startswith("/login"), what="the log-in")
            z.check_console(but=("401",))
        b.click("Link for a new password")
        link = b.one("dialog input").get_attribute("value")
        assert "/reset?" in link, link
        b.click("Close")
        b.one("input[type=checkbox]").click()
        b.named("Save").click()
        wait_for(lambda: login(archive(), "root").get(
            "/api/v1/users/zo%C3%AB").json["active"], what="the change")
        with Browser(archive()) as z:
            z.go("/reset" + link.split("/reset")[1])
            z.wait_text("At least 8 characters")
            equal(z.axe(), [], "reset page")
            z.fill("password", "quite another password")
            z.click("Save")
            wait_for(lambda: z.at().startswith("/login"), what="the log-in")
            z.log_in("zoë", "quite another password")
        b.click("Delete user")
        b.one("dialog button.danger").click()
        b.one("a[href='#/users/new']")
        b.wait_text("eva")
        assert "zoë" not in b.text()


def t_account():
    with inside("eva") as b:
        b.go("/#/account")
        b.fill("phone", "+49 30 1234")
        b.named("Save").click()
        b.wait_text("Saved.")
        b.driver.refresh()
        wait_for(lambda: b.one("[name=phone]").get_attribute("value") ==
                 "+49 30 1234", what="what was saved")
        b.fill("key", "night script")
        b.click("Make a key")
        b.wait_text("shown this once")
        key = b.one("input.link").get_attribute("value")
        web = Http(archive())
        got = web.get("/api/v1/account", headers={
            "Authorization": "Bearer " + key})
        equal(got.json["phone"], "+49 30 1234")
        b.click("Delete the key night script")
        b.one("dialog button.danger").click()
        b.wait_text("There are no keys.")
        equal(web.get("/api/v1/account", headers={
            "Authorization": "Bearer " + key}).status, 401)


def t_second_factor():
    with inside("eva") as b:
        b.go("/#/account")
        b.click("Set up")
        secret = b.one("p.once").text.split(":")[1]
        equal(len(b.all("svg.qr")), 1)
        b.fill("code", totp(secret))
        b.fill("password", PASSWORD)
        b.click("Turn on")
        b.wait_text("The second factor is on.")
        with Browser(archive()) as z:
            # Six digits count once: those that were just used may not.
            z.go("/login")
            z.fill("username", "eva")
            z.fill("password", PASSWORD)
            z.click("Log in")
            z.wait_text("Type the six digits")
            equal(z.axe(), [], "second factor")

            tried = set()

            def enter():
                code = totp(secret)
                if code in tried:
                    return False
                tried.add(code)
                z.fill("code", code)
                z.click("Log in")
                wait_for(lambda: z.at() != "/login" or
                         "wrong" in z.text(), what="an answer")
                return z.at() != "/login"
            wait_for(enter, 150, "the portal")
            z.check_console(but=("401", "429"))
        b.fill("password", PASSWORD)
        b.click("Turn off")
        b.wait_text("The second factor is off.")
        # Others' sessions went on, this one too.
        b.driver.refresh()
        b.wait_text("Set up")


def t_change_password():
    with inside("eva") as b:
        b.go("/#/account")
        b.fill("old", PASSWORD)
        b.fill("new", PASSWORD + " 2")
        b.fill("again", PASSWORD + " 3")
        b.click("Change password")
        b.wait_text("are not the same")
        b.fill("again", PASSWORD + " 2")
        b.click("Change password")
        b.wait_text("The password was changed.")
        b.fill("old", PASSWORD + " 2")
        b.fill("new", PASSWORD)
        b.fill("again", PASSWORD)
        b.click("Change password")
        wait_for(lambda: b.one("[name=old]").get_attribute("value") == "",
                 what="the second change")


def t_set_up():
    """The first administrator, by the link that the server has printed."""
    with portal() as server:
        link = wait_for(lambda: re.search(r"/setup\?\w+", server.log()),
                        what="the link").group()
        with Browser(server) as b:
            b.go("/login")
            b.wait_text("There is no user yet")
            b.go(link)
            equal(b.axe(), [], "set-up")
            b.fill("username", "chief")
            b.fill("password", PASSWORD)
            b.click("Save")
            b.wait_text("Nothing was found.")


def t_language():
    """Texts, dates and numbers are the browser's."""
    with Browser(archive(), language="de-DE") as b:
        b.log_in("root", PASSWORD)
        b.one("tbody tr")
        for text in ("01.01.2024", "Weiblich", "Patientenname", "Abmelden"):
            assert text in b.text(), (text, b.text())
        equal(b.axe(), [])
    with Browser(archive(), language="el-GR") as b:
        b.log_in("root", PASSWORD)
        b.one("tbody tr")
        for text in ("Όνομα ασθενούς", "Γυναίκα", "Αποσύνδεση"):
            assert text in b.text(), (text, b.text())
        equal(b.axe(), [])
        b.go("/token?" + "x" * 64)
        b.wait_text("Αυτός ο σύνδεσμος δεν ισχύει, ή δεν ισχύει πια.")
        equal(b.one("h1").text, "Κάτι δεν πήγε καλά")
        equal(b.axe(), [])
        b.check_console(but=("404",))
        b.go("/#/upload")
        b.wait_text("Επιλογή αρχείων")
        b.size(390, 860, True)
        equal(b.overflow(), 0)
    with Browser(archive(), language="en-US") as b:
        b.log_in("root", PASSWORD)
        b.one("tbody tr")
        assert "01/01/2024" in b.text() and "03/01/2025" in b.text(), b.text()


def t_keyboard():
    with inside() as b:
        b.rows()
        active = b.driver.switch_to
        active.active_element.send_keys(Keys.TAB)
        wait_for(lambda: active.active_element.text == "Skip to the content",
                 what="the link to the content")
        b.all("tbody a.name")[0].send_keys(Keys.ARROW_DOWN)
        wait_for(lambda: active.active_element == b.all("tbody a.name")[1],
                 what="the second study")
        active.active_element.send_keys(Keys.ENTER)
        b.one(".facts")
        b.driver.back()
        wait_for(lambda: len(b.rows()) == 4, what="the list")


def t_reports():
    """Of a study: the newest read at once, others when asked for; a PDF is
    saved; who may not search sees none."""
    with inside("eva") as b:
        b.go("/#/study/" + sample.uid("study", "2"))
        b.one("tbody tr")
        assert "Reports" not in b.text(), b.text()
        b.go("/#/study/" + sample.uid("study", "1"))
        b.wait_text("No <i>nodule</i>.\nGröße: 4 mm")
        first, second = [e.text for e in b.all(".reports article")]
        assert "<b>CT</b> Thorax Final" in first and "From RIS, CLINIC" in \
            first, first
        assert re.search(r"\d{4}, \d\d:\d\d", first), first
        assert "CT thorax Preliminary" in second, second
        assert "First impression" not in b.text()
        b.click("Show text: CT thorax")
        b.wait_text("First impression")
        b.click("Hide text: <b>CT</b> Thorax")
        wait_for(lambda: "nodule" not in b.text(), what="it is hidden")
        equal(b.axe(), [], "two reports")
        here = b.driver.current_window_handle
        b.click("Open PDF: <b>CT</b> Thorax")
        there, = wait_for(lambda: {*b.driver.window_handles} - {here},
                          what="a tab")
        b.driver.switch_to.window(there)
        wait_for(lambda: b.at().endswith("?form=view"), what="the PDF")
        equal(b.driver.execute_script(
            "return [document.contentType, window.opener]"),
            ["application/pdf", None])
        b.check_console(but=("favicon",))
        b.driver.close()
        b.driver.switch_to.window(here)
        b.click("Save PDF: <b>CT</b> Thorax")
        with open(b.download("*.pdf"), "rb") as f:
            equal(f.read(), base64.b64decode(PDF))


def all_there(b):
    """Rows come into the database soon after what they tell of, and the page
    shows what was there when it asked."""
    rows = b.rows()
    if any("C-ECHO" in r for r in rows) and any(
            r.startswith("watch") for r in rows):
        return rows
    b.driver.refresh()
    b.one(".top")
    return None


@on_one_day
def t_activity():
    """Now and by days, of each kind, what a session asked for, deleting; for
    who may see it."""
    server = archive(fresh=True)
    with inside("eva") as b:
        assert "Activity" not in [e.text for e in b.all(".top nav a")]
        b.go("/#/activity")
        b.wait_text("There is no such page.")
    if "watch" not in server.verb("user", "list"):
        add_user(server, "watch", "--rights", "activity")
    with dicom.Association(server.dicom_port, [
            (dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE])]) as a:
        equal(a.echo(), 0)
    wait_for(lambda: "echoes=1" in server.verb("activity", "list"),
             what="the echo")
    with inside("watch") as b:
        equal([e.text for e in b.all(".top nav a")], ["Activity"])
        wait_for(lambda: b.driver.title == "Activity · Fileroom")
        rows = wait_for(lambda: all_there(b), what="both are listed")
        mine, = [r for r in rows if r.startswith("watch")]
        assert "Portal" in mine and "Login" in mine and "open" in mine, mine
        echo, = [r for r in rows if "C-ECHO" in r]
        assert "DICOM" in echo and "released" in echo, echo
        assert re.search(r"\b0:\d\d:\d\d\b", echo), echo
        equal(b.axe(), [], "activity")
        b.size(390, 860, True)
        b.dark(True)
        equal((b.axe(), b.overflow()), ([], 0), "activity on a telephone")
        b.dark(False)
        b.size(1360)
        b.choose("protocol", "dicom")
        wait_for(lambda: len(b.rows()) == 1, what="the association")
        assert "protocol=dicom" in b.at(), b.at()
        b.choose("protocol", "")
        b.click("Yesterday")
        b.wait_text("Nothing in this time.")
        b.click("Now")
        wait_for(lambda: any(r.startswith("watch") for r in b.rows()),
                 what="who is here")
        assert not any("C-ECHO" in r for r in b.rows())
        b.click("All")
        wait_for(lambda: any("C-ECHO" in r for r in b.rows()), what="all")
        b.click("Details of watch")
        b.wait_text("POST /api/v1/session 200")
        b.wait_text("Session ID")
        equal(b.axe(), [], "details")
        b.one("dialog").send_keys(Keys.ESCAPE)
        b.click("Delete all")
        b.one("dialog button.danger").click()
        b.wait_text("Deleted.")
        wait_for(lambda: "C-ECHO" not in "".join(b.rows() or ["C-ECHO"]),
                 what="what is left")
        assert any(r.startswith("watch") for r in b.rows()), b.rows()


def t_https():
    """All of it by a certificate that the server has made."""
    with users(tls="true") as server, \
            tempfile.TemporaryDirectory() as folder:
        sample.study(folder, count=1, study="1", date=today())
        server.verb("import", folder)
        with Browser(server, secure=True) as b:
            b.log_in("root", PASSWORD)
            equal(len(b.rows()), 1)
            kept, = b.driver.get_cookies()
            equal((kept["name"], kept["secure"], kept["httpOnly"],
                   kept["sameSite"]), ("__Host-fileroom", True, True, "Strict"))
            b.fill("patient_id", "nobody" + Keys.ENTER)
            b.wait_text("Nothing was found.")
            b.go("/#/study/" + sample.uid("study", "1"))
            b.one("tbody tr")
            b.click("Zip file of the study")
            equal(len(names_in(b.download("*.zip"))), 1)
            b.click("Patient link")
            link = b.one("dialog input").get_attribute("value")
            assert link.startswith(b.base + "/token?"), link
            plain(b)
            b.click("Close")
            b.click("Log out")
            b.one("[name=username]")
            b.driver.get(link)
            page = b.at()
            assert page.startswith("/token/study/"), page
            b.one("dl")
            equal([(c["name"], c["secure"]) for c in b.driver.get_cookies()],
                  [("__Host-fileroom-link-" + page[-16:], True)])
            plain(b)


def plain(b):
    """Nothing of the page came by another way than the page."""
    asked = b.driver.execute_script(
        "return performance.getEntriesByType('resource').map(e => e.name)")
    assert asked, "no resources"
    equal([a for a in asked if not a.startswith(b.base + "/")], [])


def upload_files(folder):
    """What is DICOM, and what is not."""
    files = {}
    for name, fields in (
            ("one.dcm", dict(study="u")),
            ("differs.dcm", dict(study="u", StudyDescription="Other"))):
        files[name] = sample.write(
            sample.image(**fields), os.path.join(folder, name))
    more = [sample.write(sample.image(study="z", number=n + 1),
                         os.path.join(folder, f"z{n}.dcm")) for n in range(2)]
    files["two.zip"] = os.path.join(folder, "two.zip")
    with zipfile.ZipFile(files["two.zip"], "w") as z:
        for path in more:
            z.write(path, os.path.basename(path))
    files["orders.hl7"] = os.path.join(folder, "orders.hl7")
    with open(files["orders.hl7"], "wb") as f:
        f.write(hl7.order())
    for name, data in (("notes.txt", b"Not an image.\n"), ("empty", b"")):
        files[name] = os.path.join(folder, name)
        with open(files[name], "wb") as f:
            f.write(data)
    return files


def t_upload():
    """Chosen, a folder, and dropped; what is told of each file."""
    with users() as server, tempfile.TemporaryDirectory() as folder, \
            Browser(server) as b:
        files = upload_files(folder)
        b.log_in("root", PASSWORD)
        b.click("Upload")
        equal(b.at(), "/#/upload")
        look_all_over(b, "upload, nothing chosen")
        choose = "input[type=file][name=files]"
        b.all(choose)[0].send_keys(files["one.dcm"])
        b.wait_text("Stored: 1")
        b.all(choose)[0].send_keys("\n".join(files.values()))

        def over(n):
            wait_for(lambda: len(b.rows()) == n and not b.all("progress[value]"
                     ":not(.all)") and "running" not in b.text(), what="the end")
            return {r.split()[0]: r for r in b.rows()[1:]}
        rows = over(7)
        for name, became in (
                ("differs.dcm", "Quarantined"), ("two.zip", "Stored: 2"),
                ("one.dcm", "Already there"), ("orders.hl7", "1 message taken"),
                ("notes.txt", "neither DICOM, nor a zip, nor HL7"),
                ("empty", "it is empty")):
            assert became in rows[name], rows
        wait_for(lambda: [e.text for e in b.all("[role=status]")][0] ==
                 "Stored: 3, Orders: 1, Already there: 1, Quarantined: 1, "
                 "Refused: 2", what="the sums")
        look_all_over(b, "upload")
        b.click("Study of one.dcm")
        b.wait_text(sample.uid("study", "u"))
        # What was sent is still there to read.
        b.click("Upload")
        wait_for(lambda: len(b.rows()) == 7, what="what was sent")
        b.click("Clear what is done")
        wait_for(lambda: not b.rows(), what="an empty list")
        inner = os.path.join(folder, "disc", "IMAGES")
        os.makedirs(inner)
        sample.write(sample.image(study="f"), os.path.join(inner, "IM1"))
        b.all("input[name=folder]")[0].send_keys(os.path.dirname(inner))
        b.wait_text("disc/IMAGES/IM1")
        b.wait_text("Stored: 1")
        b.driver.execute_script(
            "const d = new DataTransfer();"
            "d.items.add(new File(['nothing'], 'dropped.txt'));"
            "document.querySelector('main').dispatchEvent(new DragEvent("
            "'drop', { dataTransfer: d, bubbles: true, cancelable: true }))")
        b.wait_text("dropped.txt")
        b.wait_text("Refused: 1")
        equal(len(login(server, "root").get("/api/v1/studies")
                  .json["studies"]), 3)
        b.check_console(but=("422",))


def t_upload_breaks_off():
    """What did not come through is sent again, by itself."""
    with users() as server, tempfile.TemporaryDirectory() as folder, \
            Browser(server) as b:
        paths = [sample.write(sample.image(study="u", number=n + 1),
                              os.path.join(folder, f"{n}.dcm"))
                 for n in range(6)]
        b.log_in("root", PASSWORD)
        b.click("Upload")
        line = dict(latency=0, downloadThroughput=-1, uploadThroughput=-1)
        b.cdp("Network.enable")
        b.cdp("Network.emulateNetworkConditions", offline=True, **line)
        b.all("input[name=files]")[0].send_keys("\n".join(paths))
        b.wait_text("The server does not answer.")
        # Three were tried; the others wait until somebody says so.
        equal(sum("Broken off" in r for r in b.rows()), 3)
        equal(sum("Waiting" in r for r in b.rows()), 3)
        equal(b.axe(), [], "broken off")
        b.cdp("Network.emulateNetworkConditions", offline=False, **line)
        b.click("Try again")
        b.wait_text("Stored: 6")
        # Stopped on the way, and sent after all.
        # None of them is through before.
        line["uploadThroughput"] = 20
        b.cdp("Network.emulateNetworkConditions", offline=False, **line)
        b.all("input[name=files]")[0].send_keys("\n".join(paths))
        b.click("Stop")
        wait_for(lambda: sum("Stopped" in r for r in b.rows()) == 6,
                 what="six that were stopped")
        line["uploadThroughput"] = -1
        b.cdp("Network.emulateNetworkConditions", offline=False, **line)
        b.click("Try again")
        b.wait_text("Stored: 6, Already there: 6")
        # A file that is gone holds nothing up.
        b.click("Clear what is done")
        gone = os.path.join(folder, "gone.dcm")
        os.rename(paths[0], gone)
        b.driver.execute_script(
            "const send = XMLHttpRequest.prototype.send;"
            "XMLHttpRequest.prototype.send = function (f) {"
            " const x = this;"
            " window.held = () => send.call(x, f);"
            " XMLHttpRequest.prototype.send = send }")
        b.all("input[name=files]")[0].send_keys(gone)
        wait_for(lambda: b.driver.execute_script("return !!window.held"),
                 what="a request")
        os.remove(gone)
        b.driver.execute_script("window.held()")
        b.wait_text("cannot be read")
        b.all("input[name=files]")[0].send_keys(paths[1])
        b.wait_text("Already there: 1")
        b.check_console(but=("ERR_INTERNET_DISCONNECTED",
                             "ERR_UPLOAD_FILE_CHANGED", "ERR_FILE_NOT_FOUND"))


def t_upload_needs_its_right():
    with inside("eva") as b:
        b.rows()
        equal([e.text for e in b.all(".top nav a")], ["Search"])
        b.go("/#/upload")
        b.wait_text("There is no such page.")
        equal(b.all("input[type=file]"), [])


def t_assets():
    """Hashed names for good, pages asked for anew; three codings."""
    web = Http(archive())
    page = web.get("/login")
    equal(page.header("Cache-Control"), "no-cache")
    tag = page.header("ETag")
    again = web.get("/login", headers={"If-None-Match": f'"x", {tag}'})
    equal((again.status, again.body), (304, b""))
    path = page.text.split('rel="stylesheet"')[1].split('href="')[1]
    path = path.split('"')[0]
    plain = web.get(path)
    assert "immutable" in plain.header("Cache-Control"), plain.headers
    sizes = [len(plain.body)]
    for coding, name in (("gzip, br;q=0", "gzip"), ("gzip, deflate, br", "br")):
        got = web.get(path, headers={"Accept-Encoding": coding})
        equal(got.header("Content-Encoding"), name)
        sizes.append(len(got.body))
    assert sizes[0] > sizes[1] > sizes[2], sizes
    import gzip
    equal(gzip.decompress(web.get(path, headers={
        "Accept-Encoding": "gzip"}).body), plain.body)
    equal(web.get("/assets/nothing.js").status, 404)
    equal(web.get("/assets/index.html").status, 404)
    for word in ("style=", "onclick", "<script>"):
        assert word not in page.text, word


if __name__ == "__main__":
    try:
        status = main()
    finally:
        if "server" in world:
            world["server"].stop()
            world["server"].close()
    sys.exit(status)
