"""Patients' links: what they open, for how long, and that nothing else can be
reached with them."""

import datetime
import hashlib
import io
import os
import re
import socket
import subprocess
import sys
import tempfile
import warnings
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import sample
from harness.portal import Http, add_user, login, users
from harness.runner import Skip, equal, main, on_one_day
from harness.server import wait_for

NASTY = '<img src=x onerror=alert(1)>"\'&'


def today():
    return datetime.date.today()


def archive(**settings):
    """With a study of today, an old one, and one without a date."""
    server = users(**settings)
    with tempfile.TemporaryDirectory() as folder:
        for study, more in (
                ("1", dict(name="Müller^Eva", charset="ISO_IR 192",
                           StudyDescription="Head " + NASTY)),
                ("2", dict(date="20100101")), ("3", dict(date=""))):
            sample.study(os.path.join(folder, study), count=1, study=study,
                         **{"date": today().strftime("%Y%m%d"), **more})
            server.verb("import", os.path.join(folder, study))
    return server


def uid(study):
    return sample.uid("study", study)


def token(web, study):
    got = web.get(f"/api/v1/studies/{uid(study)}/token")
    equal(got.status, 200)
    return got.json


def opened(server, text, web=None):
    web = web or Http(server)
    return web, web.get("/token?" + text)


def page_of(study):
    """The address of a link's page: neither its token nor its study."""
    return "/token/study/" + hashlib.sha256(
        uid(study).encode()).hexdigest()[:16]


def cookie_of(study):
    return "fileroom-link-" + page_of(study).rpartition("/")[2]


@on_one_day
def t_open():
    with archive(institution="St. <Mary>", department="Radiology") as server:
        eva = login(server, "eva")
        row = token(eva, "1")
        assert re.fullmatch(r"[A-Za-z0-9]{64}", row["token"]), row
        equal(row["url"], "http://127.0.0.1:%d/token?%s"
              % (eva.address[1], row["token"]))
        equal((row["open"], row["opens"], row["opened"]), (True, 0, ""))
        looked = Http(server).ask("HEAD", "/token?" + row["token"])
        equal((looked.status, looked.all("Set-Cookie")), (303, []))
        web, got = opened(server, row["token"])
        equal((got.status, got.header("Location")), (303, page_of("1")))
        assert "SameSite=Lax" in got.header("Set-Cookie"), got.headers
        equal(got.header("Referrer-Policy"), "no-referrer")
        equal(got.header("Cache-Control"), "no-store")
        page = web.get(page_of("1"))
        equal(page.status, 200)
        for text in ("Müller, Eva", "S1", "Head &lt;img", "CT",
                     f">{today()}<", ">10:11:12<", "St. &lt;Mary&gt; - Radiology",
                     "Client IP: 127.0.0.1"):
            assert text in page.text, (text, page.text)
        assert "<img" not in page.text and "<script>" not in page.text
        wait_for(lambda: token(eva, "1")["opens"] == 1)
        assert token(eva, "1")["opened"].startswith(str(
            datetime.datetime.now(datetime.timezone.utc).date()))
        assert row["token"] not in server.log()


def t_row_d6_one_study_and_nothing_else():
    with archive(token_days="-1") as server:
        eva = login(server, "eva")
        web, _ = opened(server, token(eva, "1")["token"])
        mine, other = uid("1"), uid("2")
        equal(web.get(f"/api/v1/studies/{mine}").status, 200)
        equal(web.get(f"/api/v1/studies/{mine}/series").status, 200)
        for path in ("/api/v1/studies", "/api/v1/patients",
                     "/api/v1/patients/SAMPLE1/studies",
                     f"/api/v1/studies/{other}",
                     f"/api/v1/studies/{other}/series",
                     f"/api/v1/studies/{mine}/token",
                     f"/api/v1/studies/{other}/token",
                     "/api/v1/session", "/api/v1/account", "/api/v1/users",
                     "/api/v1/account/keys"):
            for method in ("GET", "HEAD"):
                got = web.ask(method, path)
                assert got.status in (401, 403, 404), (method, path, got)
        equal(web.delete(f"/api/v1/studies/{mine}/token").status, 401)
        # A doctor who opens one stays who he is.
        doctor = login(server, "eva")
        opened(server, token(eva, "1")["token"], doctor)
        equal(doctor.get(page_of("1")).status, 200)
        equal(doctor.get(f"/api/v1/studies/{other}").status, 200)
        # Without the right to see the study it is the link that counts.
        add_user(server, "blind", "--only-institution", "Nowhere")
        blind = login(server, "blind")
        equal(blind.get(f"/api/v1/studies/{mine}").status, 404)
        opened(server, token(eva, "1")["token"], blind)
        equal(blind.get(f"/api/v1/studies/{mine}").status, 200)
        equal(blind.get(f"/api/v1/studies/{other}").status, 404)


def t_side_by_side():
    """Links of one browser: each has a cookie of its own, for its own study."""
    with archive(token_days="-1") as server:
        eva = login(server, "eva")
        texts = {n: token(eva, n)["token"] for n in "123"}
        web = Http(server)
        for n in "123":
            got = opened(server, texts[n], web)[1]
            equal(got.header("Location"), page_of(n))
            equal(len(got.all("Set-Cookie")), 1)
        equal(sorted(web.cookies), sorted(map(cookie_of, "123")))

        def works(n, who):
            page = who.get(page_of(n))
            return page.status == 200 and f"<bdi>S{n}<" in page.text and \
                who.get(f"/api/v1/studies/{uid(n)}/archive").status == 200

        def closed(n, who):
            for path in (page_of(n), f"/api/v1/studies/{uid(n)}",
                         f"/api/v1/studies/{uid(n)}/series",
                         f"/api/v1/studies/{uid(n)}/reports",
                         f"/api/v1/studies/{uid(n)}/archive"):
                got = who.get(path)
                equal(got.status, 401, path)
                assert "Open your link again" in got.text, (path, got)

        for _ in range(2):
            for n in "123":
                assert works(n, web), n
        # The cookie of one opens no other, whatever it is called.
        for n, other in ("12", "21", "13"):
            thief = Http(server)
            thief.cookies[cookie_of(n)] = web.cookies[cookie_of(n)]
            assert works(n, thief)
            closed(other, thief)
            thief.cookies[cookie_of(other)] = web.cookies[cookie_of(n)]
            closed(other, thief)
            assert works(n, thief)
        # Opened again, it is another visit; the others go on.
        was = dict(web.cookies)
        opened(server, texts["2"], web)
        equal([n for n in "123" if web.cookies[cookie_of(n)] !=
               was[cookie_of(n)]], ["2"])
        assert works("1", web) and works("2", web)
        old = Http(server)
        old.cookies = was
        closed("2", old)
        # One that is revoked ends alone.
        equal(eva.delete(f"/api/v1/studies/{uid('1')}/token").status, 204)
        closed("1", web)
        assert works("2", web) and works("3", web)
        # Who is logged in keeps his session beside them.
        doctor = login(server, "eva")
        for n in "23":
            opened(server, texts[n], doctor)
        assert works("2", doctor) and works("3", doctor)
        equal(doctor.get("/api/v1/session").status, 200)


def t_many_links_of_one_browser():
    """A referring doctor's: so many cookies as a browser and a request can
    bear; those opened last stay."""
    with users(token_days="-1") as server:
        names = [str(n) for n in range(1, 51)]
        with tempfile.TemporaryDirectory() as folder:
            for n in names:
                sample.study(os.path.join(folder, n), count=1, study=n, rows=8)
            server.verb("import", folder)
        eva = login(server, "eva")
        web = Http(server)
        # Left from a server that stopped, and what is no cookie of ours.
        web.cookies = {cookie_of(str(n)): "x" * 43 for n in range(90, 95)}
        web.cookies["fileroom-link-zzz"] = web.cookies["other"] = "y"
        for n in names:
            equal(opened(server, token(eva, n)["token"], web)[1].status, 303)
        kept = [n for n in names if cookie_of(n) in web.cookies]
        equal(kept, names[-24:])
        equal(len(web.cookies), 26)
        for n in (names[-24], names[-1]):
            equal(web.get(page_of(n)).status, 200)
        got = web.get(page_of(names[0]))
        assert got.status == 401 and "Open your link again" in got.text
        # The one used longest ago goes, not the one opened longest ago.
        equal(opened(server, token(eva, names[0])["token"], web)[1].status,
              303)
        equal([n for n in names if cookie_of(n) in web.cookies],
              [names[0], names[-24], *names[-22:]])
        # More than a browser sends at once.
        web.cookies.update({cookie_of(str(n)): "x" * 43
                            for n in range(100, 200)})
        equal(opened(server, token(eva, "1")["token"], web)[1].status, 303)
        equal(web.get(page_of("1")).status, 200)


def t_wrong_tokens():
    with archive() as server:
        right = token(login(server, "eva"), "1")["token"]
        for text in ("", "x", "x" * 64, right[:-1], right + "x",
                     right.swapcase(), right + "&x=1", "token=" + right,
                     "' or 1=1 --", "%00", "x" * 5000):
            _, got = opened(server, text)
            assert got.status == 404, (text, got)
            equal(got.all("Set-Cookie"), [])
        for path in (page_of("1"), page_of("1")[:-1], page_of("1") + "0",
                     "/token/study/x"):
            equal(Http(server).get(path).status, 401)
        equal(Http(server).get("/token/study").status, 404)


def t_revoked():
    with archive() as server:
        eva = login(server, "eva")
        first = token(eva, "1")["token"]
        web, _ = opened(server, first)
        equal(web.get(page_of("1")).status, 200)
        equal(eva.delete(f"/api/v1/studies/{uid('1')}/token").status, 204)
        # Who has no account is not sent to log in.
        for path in (page_of("1"), f"/api/v1/studies/{uid('1')}/archive"):
            got = web.get(path)
            assert got.status == 401 and "Open your link again" in got.text
        equal(opened(server, first)[1].status, 404)
        second = token(eva, "1")["token"]
        assert second != first
        web, _ = opened(server, second)
        # By another process, too.
        server.verb("token", "revoke", uid("1"))
        assert web.get(page_of("1")).status in (401, 404)


@on_one_day
def t_window():
    with archive() as server:
        eva = login(server, "eva")
        with tempfile.TemporaryDirectory() as folder, \
                warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for n, date in (("4", "00000000"), ("5", "20101399")):
                sample.study(f"{folder}/{n}", count=1, study=n, date=date)
            server.verb("import", folder)
        texts = {n: token(eva, n)["token"] for n in "12345"}

        def statuses():
            return [opened(server, texts[n])[1].status for n in "12345"]

        def ends(n):
            """Days from today to that on which it is open last."""
            end = datetime.datetime.fromisoformat(
                token(eva, n)["until"].replace("Z", "+00:00")).astimezone()
            equal((end.hour, end.minute, end.second), (0, 0, 0))
            return (end.date() - today()).days - 1

        def set_to(key, value):
            server.verb("settings", "set", "http." + key, value)

        # A study without a date, or with none of a calendar, counts from its
        # arrival.
        equal(statuses(), [303, 410, 303, 303, 303])
        equal(ends("1"), 60)
        equal(token(eva, "2")["open"], False)
        web, _ = opened(server, texts["1"])
        set_to("token_days", "0")
        wait_for(lambda: statuses() == [410] * 5)
        assert web.get(page_of("1")).status in (401, 410)
        set_to("token_days", "-1")
        wait_for(lambda: statuses() == [303] * 5)
        equal(token(eva, "2")["until"], "")
        set_to("token_days", "7")
        wait_for(lambda: statuses() == [303, 410, 303, 303, 303])
        set_to("token_from", "received")
        wait_for(lambda: statuses() == [303] * 5)
        set_to("token_from", "issued")
        equal(statuses(), [303] * 5)
        wait_for(lambda: ends("2") == 7)


def steps(text):
    return re.findall(r'data-text="(step_\w+)"', text)


def t_viewer_and_sante_link():
    with archive(viewer_name="Good & Free Viewer",
                 viewer_url="https://viewer.example/?a=1&b=2",
                 sante_links="true",
                 server_name="pacs.example.org") as server:
        eva = login(server, "eva")
        row = token(eva, "1")
        assert row["url"].startswith("http://pacs.example.org:%d/token?"
                                     % eva.address[1]), row
        web, _ = opened(server, row["token"])
        text = web.get(page_of("1")).text
        assert "Good &amp; Free Viewer" in text
        equal(steps(text), ["step_zip", "step_viewer", "step_ask"])
        assert 'href="https://viewer.example/?a=1&amp;b=2"' in text
        assert ("sante://download?url=pacs.example.org:%d&amp;ssl=no&amp;"
                "token=%s" % (eva.address[1], row["token"])) in text
        for wrong in ("javascript:alert(1)", "www.viewer.example", "https"):
            done = server.run("settings", "set", "http.viewer_url", wrong)
            equal(done.returncode, 2, wrong)
            assert "https://" in done.stderr, done.stderr
    with archive() as server:
        web, _ = opened(server, token(login(server, "eva"), "1")["token"])
        equal(steps(web.get(page_of("1")).text),
              ["step_zip", "step_unpack", "step_ask"])


def t_row_d3_guessing_links():
    with archive(trusted_proxies="127.0.0.1") as server:
        right = token(login(server, "eva"), "1")["token"]
        web = Http(server, X_Forwarded_For="192.0.2.9",
                   X_Forwarded_Proto="https")
        for n in range(40):
            equal(web.get(f"/token?{n:064d}").status, 404)
        equal(web.get("/token?" + right).status, 429)
        equal(Http(server).get("/token?" + right).status, 303)


def t_share_needs_the_right():
    with archive() as server:
        add_user(server, "reader", "--rights", "search,download")
        web = login(server, "reader")
        path = f"/api/v1/studies/{uid('1')}/token"
        equal(web.get(path).status, 403)
        equal(web.delete(path).status, 403)
        eva = login(server, "eva")
        equal(eva.get("/api/v1/studies/1.2.3/token").status, 404)


def t_no_secret_is_kept_in_the_clear():
    with archive() as server:
        eva = login(server, "eva")
        text = token(eva, "1")["token"]
        opened(server, text)
        secrets = [text, *eva.cookies.values(), eva.csrf]
        server.stop()
        found = subprocess.run(
            ["grep", "-rlaF", *(x for s in secrets for x in ("-e", s)),
             server.data, server.log_path],
            capture_output=True, text=True, check=False).stdout
        equal(found, "")


def zip_names(body):
    with zipfile.ZipFile(io.BytesIO(body)) as z:
        return z.namelist()


def t_archive_for_programs():
    """/token/archive?TOKEN: no cookie, resumable, and as closed as the link."""
    with archive() as server:
        eva = login(server, "eva")
        right, old = token(eva, "1")["token"], token(eva, "2")["token"]
        web = Http(server)
        got = web.get("/token/archive?" + right)
        equal((got.status, got.header("Content-Type")),
              (200, "application/zip"))
        equal(got.all("Set-Cookie"), [])
        equal(len(zip_names(got.body)), 1)
        equal(got.body, eva.get(
            f"/api/v1/studies/{uid('1')}/archive?syntax=original").body)
        wait_for(lambda: token(eva, "1")["opens"] == 1)
        part = web.get(f"/token/archive?{right}&syntax=original",
                       headers={"Range": "bytes=10-99"})
        equal((part.status, part.body), (206, got.body[10:100]))
        head = web.ask("HEAD", "/token/archive?" + right)
        equal(head.header("Content-Length"), str(len(got.body)))
        equal(token(eva, "1")["opens"], 1)
        equal(web.get(f"/token/archive?{right}&syntax=jpeg-ls").status, 501)
        equal(web.get(f"/token/archive?{right}&other=1").status, 400)
        equal(web.get("/token/archive?" + old).status, 410)
        for text in ("", "x", "x" * 64, right[:-1], right + "x", "%00",
                     "&syntax=original", "token=" + right):
            got = web.get("/token/archive?" + text)
            equal(got.status, 404, text)
        equal(web.get("/token/archive").status, 404)
        eva.delete(f"/api/v1/studies/{uid('1')}/token")
        equal(web.get("/token/archive?" + right).status, 404)
        assert right not in server.log()


def answer(web, text):
    return web.ask("POST", page_of("1"), ("birth_date=" + text).encode(), {
        "Content-Type": "application/x-www-form-urlencoded"})


def t_question():
    """http.token_question: nothing of the study before the right answer."""
    with archive(token_question="birth_date") as server:
        eva = login(server, "eva")
        right = token(eva, "1")["token"]
        web, got = opened(server, right)
        equal(got.status, 303)
        page = web.get(page_of("1")).text
        assert 'name="birth_date"' in page and "Müller" not in page, page
        for path in ("", "/series", "/archive"):
            got = web.get(f"/api/v1/studies/{uid('1')}{path}")
            equal((got.status, got.code), (403, "question"), path)
        for text in ("", "1970-01-30", "19700131x1", "01/31/1970"):
            got = answer(web, text)
            equal(got.status, 403, text)
            assert "<h1 data-text=\"error\">" in got.text, got.text
            assert f'<a href="{page_of("1")}" data-text="try_again">' \
                in got.text, got.text
        got = web.ask("POST", page_of("1"), b"birth_date=1970-01-31", {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": "http://evil.example"})
        equal(got.status, 403)
        assert "Müller" not in web.get(page_of("1")).text
        equal(answer(web, "1970-01-31").status, 303)
        assert "Müller" in web.get(page_of("1")).text
        equal(web.get(f"/api/v1/studies/{uid('1')}/archive").status, 200)
        equal(web.get(f"/api/v1/studies/{uid('3')}/archive").status, 401)
        # Programs give it along; another visit is asked anew.
        other, _ = opened(server, right)
        assert "Müller" not in other.get(page_of("1")).text
        equal(other.get("/token/archive?" + right).status, 403)
        equal(other.get(f"/token/archive?{right}&birth_date=19700131").status,
              200)
        for _ in range(10):
            equal(answer(other, "1970-01-01").status, 403)
        equal(answer(other, "1970-01-31").status, 429)
        got = other.get(f"/token/archive?{right}&birth_date=19700131")
        equal(got.status, 429)
        # Who was in before goes on.
        equal(web.get(page_of("1")).status, 200)


def t_question_without_birth_date():
    with users(token_question="birth_date", token_days="-1") as server:
        with tempfile.TemporaryDirectory() as folder:
            sample.study(folder, count=1, study="1", PatientBirthDate="")
            server.verb("import", folder)
        eva = login(server, "eva")
        web, _ = opened(server, token(eva, "1")["token"])
        for text in ("", "19700131"):
            got = answer(web, text)
            equal(got.status, 403)
            assert "there is none with the images" in got.text, got
        equal(web.get(f"/api/v1/studies/{uid('1')}").status, 403)


def own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
        except OSError:
            raise Skip("this machine is in no network") from None
        return s.getsockname()[0]


def t_outside_address():
    """Links never lead to the machine of whoever follows them."""
    own = own_address()
    with archive(bind="") as server:
        eva = login(server, "eva", address=("127.0.0.1", server.http_port))
        assert token(eva, "1")["url"].startswith(
            f"http://{own}:{server.http_port}/token?"), token(eva, "1")
        for key, value, want in (
                ("outside_address", "198.51.100.7",
                 f"http://198.51.100.7:{server.http_port}/"),
                ("outside_address", "gate.example.org:8443",
                 "http://gate.example.org:8443/"),
                ("outside_address", "2001:db8::5",
                 f"http://[2001:db8::5]:{server.http_port}/"),
                ("server_name", "pacs.example.org",
                 f"http://pacs.example.org:{server.http_port}/")):
            server.verb("settings", "set", "http." + key, value)
            wait_for(lambda: token(eva, "1")["url"].startswith(want))


if __name__ == "__main__":
    main(sys.modules[__name__])
