"""Uploads: DICOM, zips and HL7 text, as forms and as they are; what is refused,
what breaks off, and what a user then sees."""

import io
import os
import re
import socket
import struct
import sys
import tempfile
import threading
import time
import zipfile
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import hl7, sample
from harness.portal import Http, add_user, login, raw, users
from harness.runner import equal, main
from harness.server import wait_for

RAW = {"Content-Type": "application/octet-stream"}


def images(count=2, **fields):
    """Files as bytes."""
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for path in sample.study(folder, count=count, **fields):
            with open(path, "rb") as f:
                found.append(f.read())
        return found


def zipped(entries, **more):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **more) as z:
        for name, data in entries:
            z.writestr(name, data)
    return out.getvalue()


def form(files, boundary="frontier"):
    body = b"".join(
        (f"--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; "
         f"filename=\"{name}\"\r\nContent-Type: application/octet-stream"
         f"\r\n\r\n").encode() + data + b"\r\n" for name, data in files)
    return body + f"--{boundary}--\r\n".encode(), {
        "Content-Type": f"multipart/form-data; boundary={boundary}"}


def send(web, body, headers=None):
    return web.ask("POST", "/api/v1/uploads", body, headers or RAW)


def send_form(web, files):
    return send(web, *form(files))


def outcomes(got):
    return [f["outcome"] for f in got.json["files"]]


def portal(*options):
    server = users()
    add_user(server, "up", "--rights", "search,download,upload", *options)
    return server


def studies(web):
    return sorted(s["uid"] for s in web.get("/api/v1/studies").json["studies"])


def left_behind(server):
    """Files of things that have not been finished."""
    return [os.path.join(at, name) for at, _, names in os.walk(server.data)
            for name in names if re.search(r"tmp|temp|part", name)]


def t_form_and_raw():
    one, two, three = images(3)
    with portal() as server:
        web = login(server, "up")
        got = send_form(web, [("a.dcm", one), ("../../b", two), ("c", one)])
        equal(got.status, 200, got)
        equal(outcomes(got), ["stored", "stored", "same"])
        equal([f["name"] for f in got.json["files"]],
              ["a.dcm", "../../b", "c"])
        equal(got.json["files"][0]["study"], sample.uid("study", "a"))
        equal((got.json["stored"], got.json["same"], got.json["refused"]),
              (2, 1, 0))
        got = send(web, three, {"Content-Type": "application/dicom"})
        equal((got.status, outcomes(got)), (200, ["stored"]))
        equal(studies(web), [sample.uid("study", "a")])
        assert not left_behind(server)


def t_every_syntax():
    with tempfile.TemporaryDirectory() as folder, portal() as server:
        web = login(server, "up")
        for n, syntax in enumerate((
                sample.EXPLICIT_LITTLE, sample.IMPLICIT_LITTLE,
                sample.EXPLICIT_BIG, sample.DEFLATED)):
            path = sample.write(sample.image(number=n + 1),
                                os.path.join(folder, str(n)), syntax)
            with open(path, "rb") as f:
                got = send(web, f.read())
            equal((got.status, outcomes(got)), (200, ["stored"]), syntax)


def t_chunked():
    one, = images(1)
    with portal() as server:
        web = login(server, "up")
        head = head_for(web, 0).replace(
            b"Content-Length: 0", b"Transfer-Encoding: chunked")
        body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (
            one[i:i + 999] for i in range(0, len(one), 999)))
        got = raw(web.address, head + body + b"0\r\n\r\n")
        assert b'"outcome":"stored"' in got, got


def t_differs():
    one, = images(1)
    other, = images(1, StudyDescription="Other")
    with portal() as server:
        web = login(server, "up")
        got = send_form(web, [("a", one), ("b", other)])
        equal(outcomes(got), ["stored", "quarantined"])


def t_zip():
    one, two = images(2)
    nested = zipped([("x.dcm", one)])
    with portal() as server:
        web = login(server, "up")
        got = send(web, zipped([
            ("../../etc/evil.dcm", one), ("C:\\x\\DICOMDIR.txt", b"read me"),
            ("/abs/zw\u00f6lf", two), ("in.zip", nested),
            ("order.hl7", hl7.order())]))
        equal(got.status, 200, got)
        equal(sorted(outcomes(got)), ["ignored", "orders", "refused",
                                      "stored", "stored"])
        equal(studies(web), [sample.uid("study", "a")])
        for at, _, names in os.walk(os.path.dirname(server.data)):
            assert not {"evil.dcm", "zw\u00f6lf"} & set(names), at
        # In whatever locale the server runs.
        assert "/abs/zw\u00f6lf" in [f["name"] for f in got.json["files"]], got
        # Stored without compression, its length behind it.
        out = io.BytesIO()

        class Pipe(io.RawIOBase):
            def write(self, data):
                return out.write(data)

            def writable(self):
                return True
        with zipfile.ZipFile(Pipe(), "w") as z:
            z.writestr("one", one)
        got = send_form(web, [("z.zip", out.getvalue())])
        equal((outcomes(got), got.json["files"][0]["zip"]),
              (["same"], "z.zip"))


def t_bad_zips():
    one, = images(1)
    good = zipped([("a", one)])
    head, size = large_image(256)
    bomb = zipped([("bomb", head + bytes(size))])
    nothing = zipped([("viewer.exe", b"MZ" * 99), ("x", b"")])
    wrong = bytearray(zipped([("a", one)]))
    wrong[200] ^= 1
    with portal() as server:
        web = login(server, "up")
        for what, data in (("cut", good[:len(good) // 2]),
                           ("damaged", bytes(wrong)), ("bomb", bomb),
                           ("no DICOM in it", nothing),
                           ("nothing in it", zipped([]))):
            got = send(web, data)
            equal((got.status, got.code), (422, "refused"), (what, got))
        equal(studies(web), [])
        many = zipped([(f"n{i}", b"") for i in range(3000)] + [("a", one)])
        got = send(web, many)
        equal((got.status, got.json["stored"], got.json["refused"]),
              (200, 1, 3000))
        equal((len(got.json["files"]), got.json["unlisted"]), (1001, 2000))
        assert not left_behind(server)


def t_orders():
    with portal() as server:
        web, root = login(server, "up"), login(server, "root")
        got = send(web, hl7.order("1") + hl7.order("2", accession="A2"),
                   {"Content-Type": "text/plain"})
        equal(got.status, 200, got)
        row, = got.json["files"]
        equal((row["outcome"], row["messages"], row["taken"]),
              ("orders", 2, 2))
        got = send_form(root, [("x.hl7", hl7.order("1")),
                               ("y.hl7", b"MSH|^~\\&|A|B\rPID|1\r")])
        equal([f["taken"] for f in got.json["files"]], [1, 0])
        equal(got.json["files"][0]["repeated"], 1)
        assert got.json["files"][1]["reasons"], got
        equal(outcomes(got), ["orders", "refused"])
        # Of which no message is taken, it is refused as a whole.
        got = send(web, b"MSH|^~\\&|A|B\rPID|1\r")
        equal((got.status, got.json["orders"], got.json["refused"]),
              (422, 0, 1))
        listed = server.verb("worklist", "list")
        assert "A1" in listed and "A2" in listed, listed


def t_refused():
    one, = images(1)
    with portal() as server:
        web = login(server, "up")
        for what, data in (("text", b"hello"), ("page", b"<html>"),
                           ("empty", b""), ("cut", one[:-100]),
                           ("no meta", one[:300]), ("noise", b"\xff" * 9999)):
            got = send(web, data)
            equal((got.status, got.code), (422, "refused"), (what, got))
        equal(send_form(web, []).status, 200)
        got = send_form(web, [("", b"")])
        equal((got.status, got.json["files"]), (200, []))
        # The good ones of a form are taken.
        got = send_form(web, [("x", b"junk" * 100), ("y", one)])
        equal((got.status, outcomes(got)), (200, ["refused", "stored"]))
        for kind in ("application/json", "multipart/related; boundary=x",
                     "application/x-www-form-urlencoded"):
            equal(send(web, one, {"Content-Type": kind}).status, 415)
        equal(send(web, one, {"Content-Encoding": "gzip"}).status, 415)


def t_malformed_forms():
    one, = images(1)
    with portal() as server:
        web = login(server, "up")
        body, headers = form([("a", one)])
        equal(send(web, body, {"Content-Type": "multipart/form-data"}).code,
              "malformed")
        for what, data in (
                ("cut", body[:-9]), ("empty", b""),
                ("no mark", b"hello" + body), ("behind", body + b"more"),
                ("bare lines", body.replace(b"\r\n", b"\n")),
                ("no head", body.replace(b"Content-Disposition", b"X-Y")),
                ("encoded", body.replace(
                    b"Content-Type: ", b"Content-Transfer-Encoding: ")),
                ("long head", body.replace(
                    b"filename=", b"x=" + b"y" * 9000 + b"; filename="))):
            got = send(web, data, headers)
            equal((got.status, got.code), (400, "malformed"), (what, got))
        # What was whole before stays, and is told.
        two = images(2)[1]
        body, headers = form([("a", one), ("b", two)])
        got = send(web, body[:-500], headers)
        equal((got.status, outcomes(got)[:1]), (400, ["same"]))
        assert not left_behind(server)


def t_who_may():
    one, = images(1)
    with portal() as server:
        eva, web = login(server, "eva"), login(server, "up")
        equal(send(eva, one).status, 403)
        equal(send(Http(server), one).status, 401)
        for headers in ({"X-Fileroom-Token": None},
                        {"Origin": "http://evil.example"},
                        {"Sec-Fetch-Site": "cross-site"}):
            got = web.ask("POST", "/api/v1/uploads", one, {**RAW, **headers})
            equal(got.status, 403, headers)
        equal(studies(web), [])
        equal(send(web, one).status, 200)


def t_only_own():
    """Who sees only what he has uploaded himself."""
    one, two = images(2)
    other = images(1, study="b")[0]
    scan = images(2, study="c", InstitutionName="North")
    with portal("--only-own", "yes") as server:
        web, root = login(server, "up"), login(server, "root")
        send(root, scan[0])
        equal(studies(web), [])
        equal(outcomes(send_form(web, [("1", one), ("2", two),
                                       ("3", other)])), ["stored"] * 3)
        own = sorted(sample.uid("study", s) for s in "ab")
        equal(studies(web), own)
        # An image of a foreign study does not open that study.
        equal(outcomes(send_form(web, [("1", scan[0]), ("2", scan[1])])),
              ["same", "stored"])
        equal(studies(web), own)
        foreign = sample.uid("study", "c")
        for path in (f"/api/v1/studies/{foreign}",
                     f"/api/v1/studies/{foreign}/archive",
                     f"/api/v1/archive?studies={foreign}",
                     f"/api/v1/series/{sample.uid('series', 'c', 1)}/archive"):
            equal(web.get(path).status, 404, path)
            equal(root.get(path).status, 200, path)
        got = web.get("/api/v1/patients/SAMPLE1/archive")
        with zipfile.ZipFile(io.BytesIO(got.body)) as z:
            equal(len(z.namelist()), 3)
        # Sent again after a stop, it is still one's own.
        server.stop()
        server.start()
        web = login(server, "up")
        equal(outcomes(send(web, one)), ["same"])
        equal(studies(web), own)


def head_for(web, length):
    return (f"POST /api/v1/uploads HTTP/1.1\r\nHost: localhost\r\n"
            f"Cookie: fileroom={web.cookies['fileroom']}\r\n"
            f"X-Fileroom-Token: {web.csrf}\r\nConnection: close\r\n"
            f"Content-Length: {length}\r\n\r\n").encode()


def t_broken_off():
    one, = images(1, rows=512)
    with portal() as server:
        web = login(server, "up")
        for part in (0, 200, 5000, len(one) - 1):
            with socket.create_connection(web.address, 120) as s:
                s.sendall(head_for(web, len(one)) + one[:part])
        equal(studies(web), [])
        wait_for(lambda: not left_behind(server), what="nothing left")
        wait_for(lambda: server.log().count("it broke off") >= 3)
        equal(send(web, one).json["stored"], 1)


def t_slow_body():
    """A byte now and then is cut off, and leaves nothing."""
    one, = images(1)
    with portal() as server:
        web = login(server, "up")
        with socket.create_connection(web.address, 120) as s:
            s.sendall(head_for(web, len(one)))
            began, answer = time.monotonic(), b"?"
            s.settimeout(0.5)
            while answer == b"?" and time.monotonic() - began < 300:
                try:
                    s.sendall(one[:1])
                    answer = s.recv(100)
                except TimeoutError:
                    continue
                except OSError:
                    answer = b""
            equal(answer, b"")
        wait_for(lambda: not left_behind(server))
        equal(studies(web), [])


def memory_kb(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))


def large_image(mib):
    """The bytes before and after the pixels of an image of so many MiB."""
    one, = images(1, rows=64)
    tag = b"\xe0\x7f\x10\x00OW\0\0"
    at = one.index(tag)
    return one[:at] + tag + struct.pack("<I", mib << 20), mib << 20


def t_large_in_little_memory():
    """An image of 700 MiB goes through at constant memory."""
    head, size = large_image(700)
    with portal() as server:
        web = login(server, "up")
        equal(send(web, images(1, study="warm")[0]).status, 200)
        before = memory_kb(server)
        with socket.create_connection(web.address, 600) as s:
            s.sendall(head_for(web, len(head) + size) + head)
            block = bytes(1 << 20)
            for _ in range(size >> 20):
                s.sendall(block)
            got = s.recv(65536)
            assert b"200 OK" in got, got
        grown = memory_kb(server) - before
        # A sanitizer keeps what is freed for a while.
        most = 24 if "asan" not in server.program else 300
        assert grown < most << 10, f"{grown} KiB more"


def t_beside_each_other():
    with portal() as server:
        web = login(server, "up")
        sets = [images(3, study=f"p{n}") for n in range(8)]
        answers = []

        def run(files):
            answers.append(send_form(web, [("f", f) for f in files]))
        threads = [threading.Thread(target=run, args=(s,)) for s in sets]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        equal([a.json["stored"] for a in answers], [3] * 8)
        equal(len(studies(web)), 8)


if __name__ == "__main__":
    main(sys.modules[__name__])
