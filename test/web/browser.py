"""The portal in Debian's Chromium: what a person does on its pages, that
nothing is blocked by the pages' policy, that no page has a fault that axe-core
finds, in light and dark, wide and on a telephone, from left and from right;
and that names full of markup stay names."""

import datetime
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.dirname(__file__))

from _browser import Browser, needed
from harness import sample
from harness.portal import PASSWORD, Http, users
from harness.runner import equal, main
from harness.server import wait_for

TODAY = datetime.date.today().strftime("%Y%m%d")
# What must stay text wherever it is shown.
MARKUP = ("<img src=x onerror=\"document.title='XSS'\">",
          "</title><script>document.title='XSS'</script>",
          "javascript:document.title='XSS'",
          "\" onmouseover=\"document.title='XSS'\" x=\"",
          "'><svg/onload=document.title='XSS'>",
          "{{constructor.constructor('document.title=1')()}}",
          "+ADw-script+AD4-document.title='XSS'+ADw-/script+AD4-")

STUDIES = (
    dict(study="1", patient="P1", name="Müller^Eva^Maria", date=TODAY,
         PatientSex="F", StudyDescription="CT thorax"),
    dict(study="2", patient="P1", name="Müller^Eva^Maria", date="20250301",
         modality="MR", sop_class=sample.MR, PatientSex="F"),
    dict(study="3", patient="P2", name="Yamada^Tarou=山田^太郎",
         date="20240101", PatientSex="M"),
    dict(study="4", patient="P3", name="الحسيني^ليلى", date="20230101"),
)
world = {}


def archive():
    """One server for all tests of this file."""
    if "server" not in world:
        needed()
        server = users(institution="St. Elisabeth", department="Radiology")
        with tempfile.TemporaryDirectory() as folder:
            for fields in STUDIES:
                sample.study(os.path.join(folder, fields["study"]), count=2,
                             series=2, charset="ISO_IR 192", rows=16, **fields)
            server.verb("import", folder)
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
        wait_for(lambda: b.at() == "/login", 10, "the log-in page")
        b.go("/")
        equal(b.at(), "/login")


def t_log_in_without_scripts():
    with Browser(archive(), scripts=False) as b:
        b.go("/login")
        b.fill("username", "eva")
        b.fill("password", PASSWORD)
        b.click("Log in")
        wait_for(lambda: b.at() == "/", 20, "the portal")


def t_search():
    with inside() as b:
        equal(len(b.rows()), 4)
        assert "Müller, Eva Maria" in b.rows()[0], b.rows()
        assert "Yamada, Tarou (山田, 太郎)" in b.rows()[2], b.rows()
        b.fill("patient_name", "muller")
        b.one("form button.primary").click()
        wait_for(lambda: len(b.rows()) == 2, 10, "two studies")
        assert "patient_name=muller" in b.at(), b.at()
        b.driver.refresh()
        b.one("tbody tr")
        equal(len(b.rows()), 2)
        b.choose("mode", "today")
        wait_for(lambda: len(b.rows()) == 1, 10, "one study")
        b.driver.back()
        wait_for(lambda: len(b.rows()) == 2, 10, "two studies again")
        b.click("Clear")
        wait_for(lambda: len(b.rows()) == 4, 10, "all")
        b.one("button[title='Sort by Patient name']").click()
        wait_for(lambda: "sort=name" in b.at(), 10, "the order")
        wait_for(lambda: "Yamada" in b.rows()[2], 10, "the order")
        b.click("Patients")
        wait_for(lambda: len(b.rows()) == 3, 10, "patients")


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
    with Browser(archive()) as b:
        b.go("/login")
        look_all_over(b, "log in")


def t_axe_lists():
    with inside() as b:
        for path in ("/#/studies", "/#/patients", "/#/patient/P1",
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
