"""Activity of the portal: sessions, failed log-ins, links, programs; that
nothing secret is in it; and who may see and delete it."""

import contextlib
import os
import re
import socket
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom, hl7, sample
from harness.portal import PASSWORD, Http, add_user, basic, login, users
from harness.runner import equal, main, on_one_day
from harness.server import Server, wait_for

BROWSER = {"User-Agent": "Tester/1.0 \x1b[31m<b>"}


def archive(**settings):
    server = users(token_days="-1", **settings)
    with tempfile.TemporaryDirectory() as folder:
        sample.study(folder, count=2, study="1")
        server.verb("import", folder)
    return server


def rows(web, query="protocol=web"):
    got = web.get("/api/v1/activity?" + query)
    equal(got.status, 200, got)
    return got.json["activity"]


def of(web, who, by="cookie"):
    return [r for r in rows(web) if (r["who"], r["called"]) == (who, by)]


def told(web, row, action):
    """Is it among what this session did?"""
    return any(a.endswith(" " + action) for a in web.get(
        f"/api/v1/activity/{row['id']}").json["actions"])


@on_one_day
def t_session():
    with archive() as server:
        root = login(server, "root")
        eva = login(server, "eva", User_Agent="Tester/1.0 <b>")
        row, = wait_for(lambda: of(root, "eva"))
        equal((row["end"], row["ended"], row["address"], row["browser"]),
              ("open", "", "127.0.0.1", "Tester/1.0 <b>"))
        eva.get("/api/v1/studies?patient_name=Sample")
        # While it goes on what it did is told as of now.
        row = wait_for(lambda: next(
            (r for r in of(root, "eva") if r.get("finds")), None))
        # A request is noted when its answer is out: they may come in any
        # order.
        wait_for(lambda: told(root, row, "POST /api/v1/session 200") and told(
            root, row, "GET /api/v1/studies?patient_name=Sample 200"))
        uid = sample.uid("study", "1")
        size = len(eva.get(f"/api/v1/studies/{uid}/archive").body)
        now = root.get("/api/v1/activity/now").json["activity"]
        mine, = [v for v in now if v["who"] == "eva"]
        equal(mine["session"], row["session"])
        wait_for(lambda: [v for v in root.get(
            "/api/v1/activity/now").json["activity"]
            if v["who"] == "eva" and v["bytes_out"] > size])
        equal(eva.delete("/api/v1/session").status, 204)
        row, = wait_for(lambda: [r for r in of(root, "eva") if r["ended"]])
        equal((row["end"], row["gets"], row["finds"]), ("logged out", 1, 1))
        assert row["requests"] >= 3 and row["bytes_in"] > 500, row
        assert row["bytes_out"] > size, (row, size)
        assert re.fullmatch(r"[A-Za-z0-9]{11,12}", row["session"]), row
        shown = root.get(f"/api/v1/activity/{row['id']}").json["actions"]
        text = "\n".join(shown)
        assert re.search(r"^\d\d:\d\d:\d\d POST /api/v1/session 200$", text,
                         re.M), text
        assert "GET /api/v1/studies?patient_name=Sample 200" in text, text
        assert f"GET /api/v1/studies/{uid}/archive 200" in text, text
        equal(root.get("/api/v1/activity/999999").status, 404)
        equal(root.get("/api/v1/activity/x").status, 404)


@on_one_day
def t_failures_and_links():
    with archive() as server:
        root = login(server, "root")
        uid = sample.uid("study", "1")
        token = root.get(f"/api/v1/studies/{uid}/token").json["token"]
        for name in ("eva", "my secret password"):
            Http(server).post("/api/v1/session", {
                "username": name, "password": "quite wrong"})
        Http(server).get("/token?" + "x" * 64)
        Http(server).get("/api/v1/studies", headers={
            "Authorization": "Bearer frk_nothing"})
        failed = wait_for(lambda: [r for r in rows(root)
                                   if r["called"] == "log-in"][3:] and [
            r for r in rows(root) if r["called"] == "log-in"])
        equal(sorted((r["who"], r["detail"]) for r in failed), [
            ("", "a link that is not known"), ("", "wrong API key"),
            ("", "wrong user name or password"),
            ("eva", "wrong user name or password")])
        web = Http(server)
        web.get(web.get("/token?" + token).header("Location"))
        row, = wait_for(lambda: of(root, "", "link"))
        equal(row["detail"], "study " + uid)
        web.get(f"/token/archive?{token}")
        text = server.verb("activity", "list", "--web")
        assert "eva" in text and uid in text, text
        equal(server.verb("activity", "list", "--hl7"), "")
        # None of the secrets is anywhere in it.
        root.delete("/api/v1/session")
        root = login(server, "root")
        everything = text + "".join(
            root.get(f"/api/v1/activity/{r['id']}").text for r in rows(root))
        for secret in (token, PASSWORD, "quite wrong", "my secret", "frk_",
                       root.csrf, *root.cookies.values(),
                       *web.cookies.values()):
            assert secret not in everything, secret


@on_one_day
def t_programs():
    """One row for what a program asks in a while."""
    with archive() as server:
        root = login(server, "root")
        key = root.post("/api/v1/account/keys", {"name": "k"}).json["key"]
        for _ in range(5):
            for headers in (basic("eva", PASSWORD),
                            {"Authorization": "Bearer " + key}):
                equal(Http(server).get("/api/v1/studies",
                                       headers=headers).status, 200)
        wait_for(lambda: of(root, "eva", "basic"))
        equal((len(of(root, "eva", "basic")), len(of(root, "root", "key"))),
              (1, 1))
        server.stop()
        server.start()
        root = login(server, "root")
        row, = of(root, "eva", "basic")
        equal((row["requests"], row["end"]), (5, "server stopped"))


def written(server):
    """Sessions in the database."""
    path = os.path.join(server.data, "fileroom.db")
    with contextlib.closing(sqlite3.connect(
            f"file:{path}?mode=ro", uri=True, timeout=120)) as db:
        return db.execute("SELECT count(*) FROM activity"
                          " WHERE protocol = 'web'").fetchone()[0]


@on_one_day
def t_killed():
    """What was open when the process died is closed by the next one."""
    with archive() as server:
        login(server, "eva")
        root = login(server, "root")
        wait_for(lambda: written(server) >= 2)
        server.kill()
        server.start()
        root = login(server, "root")
        row, = wait_for(lambda: of(root, "eva"))
        equal(row["end"], "server ended")


@on_one_day
def t_all_protocols_days_pages():
    with archive() as server:
        root = login(server, "root")
        with dicom.Association(server.dicom_port, [
                (dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE])]) as a:
            equal(a.echo(), 0)
        wait_for(lambda: rows(root, "protocol=dicom"))
        for _ in range(4):
            login(server, "eva")
        found = wait_for(lambda: rows(root, "")[5:] and rows(root, ""))
        equal({r["protocol"] for r in found}, {"dicom", "web"})
        equal(rows(root, "when=yesterday"), [])
        for when in ("today", "last7", "all"):
            assert len(rows(root, "when=" + when)) >= 6, when
        pages, after = [], ""
        while True:
            got = root.get(f"/api/v1/activity?limit=2&next={after}").json
            pages += [r["id"] for r in got["activity"]]
            after = got["next"]
            if not after:
                break
        equal(len(pages), len(set(pages)))
        assert set(pages) >= {r["id"] for r in found}
        for query in ("when=never", "protocol=ftp", "next=1", "next=a-b",
                      "limit=0", "x=1"):
            equal(root.get("/api/v1/activity?" + query).status, 400, query)


@on_one_day
def t_now():
    """What is open at this moment, of every kind; nothing else."""
    with Server(settings={"http.port": "auto", "http.bind": "127.0.0.1",
                          "hl7.port": "auto"}) as server:
        add_user(server, "root", "--role", "admin")
        root = login(server, "root")

        def now():
            return sorted((r["protocol"], r["who"], r["called"])
                          for r in root.get("/api/v1/activity/now")
                          .json["activity"])
        session = ("web", "root", "cookie")
        equal(now(), [session])
        association = ("dicom", "PARROT", "FILEROOM")
        began = time.monotonic()
        with dicom.Association(server.dicom_port, [
                (dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE])]) as a, \
                socket.create_connection(server.ports["hl7"], 120) as line:
            wait_for(lambda: now() == [association, ("hl7", "", ""), session],
                     what="who is connected")
            line.sendall(hl7.frame(hl7.order(application="HIS")))
            line.recv(1000)
            wait_for(lambda: now() == [
                association, ("hl7", "HIS", "WARD"), session],
                what="its name")
            row, = [r for r in root.get("/api/v1/activity/now")
                    .json["activity"] if r["protocol"] == "dicom"]
            equal((row["address"], row["outgoing"]), ("127.0.0.1", False))
            assert row["seconds"] <= time.monotonic() - began + 1, row
            assert "Z" in row["began"], row
            a.release()
        wait_for(lambda: now() == [session], what="nobody else")
        row, = wait_for(lambda: rows(root, "protocol=hl7"), what="its row")
        equal((row["who"], row["called"], row["stores"]), ("HIS", "WARD", 1))
        line, = root.get(f"/api/v1/activity/{row['id']}").json["actions"]
        assert re.fullmatch(r"\d\d:\d\d:\d\d ORM\^O01 1 applied", line), line


@on_one_day
def t_right():
    with archive() as server:
        add_user(server, "watch", "--rights", "activity")
        eva, watch = login(server, "eva"), login(server, "watch")
        login(server, "root").delete("/api/v1/session")
        row = wait_for(lambda: of(watch, "root"))[0]
        for path in ("", "/now", f"/{row['id']}"):
            equal(eva.get("/api/v1/activity" + path).status, 403, path)
        equal(eva.delete("/api/v1/activity").status, 403)
        equal(watch.delete("/api/v1/activity").status, 204)
        left = rows(watch)
        equal(sorted(r["who"] for r in left), ["eva", "watch"])
        assert "deleted the activity" in server.log()
        watch.delete("/api/v1/session")
        wait_for(lambda: [r for r in rows(login(server, "watch"))
                          if r["end"] == "logged out"])


@on_one_day
def t_row_c5_log_injection():
    """What somebody sends makes no line of the log and no row of its own."""
    with archive() as server:
        root = login(server, "root")
        for text in ("x\\u000a2026-11-21T00:00:00Z info http forged",
                     "\\u001b[2Jforged", "x\\r\\nforged"):
            got = Http(server).ask(
                "POST", "/api/v1/session",
                b'{"username":"%s","password":"xxxxxxxx"}' % text.encode(),
                {"Content-Type": "application/json",
                 "User-Agent": "a\tb\x7f"})
            assert got.status in (400, 401), got
        web = login(server, "root")
        web.get("/api/v1/studies?patient_name=%0Aforged%1b%5b2J")
        web.get("/%0aforged%0d")
        Http(server).get("/", headers={"X-Forwarded-For": "forged",
                                       "Referer": "forged\x1b"})
        web.ask("POST", "/api/v1/uploads",
                b"--x\r\nContent-Disposition: form-data; name=\"f\"; "
                b"filename=\"a\tforged\x1b[2J\"\r\n\r\njunk\r\n--x--\r\n",
                {"Content-Type": "multipart/form-data; boundary=x"})
        for line in server.log().splitlines():
            assert "\x1b" not in line and not re.match(
                r"(?!\d{4}-|$|There is|administrator|    http).*forged",
                line), line
            assert "info http forged" not in line, line
        web.delete("/api/v1/session")
        for r in rows(root):
            shown = root.get(f"/api/v1/activity/{r['id']}").json
            assert all(re.match(r"\d\d:\d\d:\d\d [A-Z]+ /", a)
                       for a in shown["actions"]), shown
            assert "\x1b" not in str(shown), shown


if __name__ == "__main__":
    main(sys.modules[__name__])
