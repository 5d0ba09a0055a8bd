"""Row E2 of the security list over HTTP: heads, bodies and readers that take
their time are cut off, and who is quick does not notice them."""

import os
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import sample
from harness.portal import Http, login, users
from harness.runner import equal, main
from harness.server import wait_for


def archive(count=2, rows=64):
    server = users()
    with tempfile.TemporaryDirectory() as folder:
        sample.study(folder, count=count, study="1", rows=rows)
        server.verb("import", folder)
    return server


def ended(s):
    """The server has closed it."""
    s.setblocking(False)
    try:
        while s.recv(65536):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def connected(server, data=b"", room=None):
    s = socket.socket()
    if room:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    s.settimeout(120)
    s.connect(server.ports["http"])
    s.sendall(data)
    return s


def drip(links, stop):
    """One byte each, twice a second."""
    while not stop.wait(0.5):
        for s in links:
            try:
                s.sendall(b"x")
            except OSError:
                pass


def t_row_e2_slow_heads_and_bodies():
    with archive() as server:
        web = login(server, "eva")
        head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
        body = (b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\n"
                b"Content-Length: 9000\r\n\r\n")
        began = time.monotonic()
        heads = [connected(server, head) for _ in range(100)]
        bodies = [connected(server, body) for _ in range(100)]
        stop = threading.Event()
        thread = threading.Thread(target=drip, args=(heads + bodies, stop))
        thread.start()
        try:
            opened, beside = time.monotonic() - began, 0
            for _ in range(100):
                equal(web.get("/api/v1/studies").status, 200)
                if any(map(ended, heads + bodies)):
                    break
                beside += 1
            # If others had to wait for slow ones, one of these would be cut
            # off first; but for a machine so slow that it has been already.
            assert beside > 0 or opened > 15, "others waited"
            wait_for(lambda: all(map(ended, heads + bodies)), 300,
                     "slow ones are cut off")
        finally:
            stop.set()
            thread.join()
            for s in heads + bodies:
                s.close()
        equal(web.get("/api/v1/studies").status, 200)


def sip(s, n):
    while n > 0:
        got = len(s.recv(8192))
        assert got > 0, "who takes a little was cut off"
        n -= got


def t_row_e2_slow_readers():
    """Who takes nothing of a large answer is cut off; the others are served
    meanwhile, and who takes a little goes on."""
    with archive(count=60, rows=512) as server:
        web = login(server, "eva")
        path = f"/api/v1/studies/{sample.uid('study', '1')}/archive"
        ask = (f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: fileroom="
               f"{web.cookies['fileroom']}\r\n\r\n").encode()
        before = open_files(server)
        still = [connected(server, ask, 4096) for _ in range(60)]
        sips = connected(server, ask, 4096)
        # One that logged in may not have been gone yet.
        wait_for(lambda: open_files(server) >= before + 55)
        began = time.monotonic()
        # Some files are the database's.
        while open_files(server) > before + 20:
            assert time.monotonic() - began < 300, open_files(server)
            # However long the others take, it keeps up a rate.
            sip(sips, 1 << 16)
            equal(web.get("/api/v1/studies").status, 200)
            time.sleep(0.25)
        sip(sips, 1 << 16)
        assert len(web.get(path).body) > 30 << 20
        for s in [*still, sips]:
            s.close()


def t_row_e2_fast_then_slow():
    """Who was fast at first does not rest on it."""
    with archive() as server:
        web = login(server, "root")
        head = (f"POST /api/v1/uploads HTTP/1.1\r\nHost: localhost\r\n"
                f"Cookie: fileroom={web.cookies['fileroom']}\r\n"
                f"X-Fileroom-Token: {web.csrf}\r\n"
                f"Content-Length: {1 << 30}\r\n\r\n").encode()
        s = connected(server, head + bytes(4 << 20))
        stop = threading.Event()
        thread = threading.Thread(target=drip, args=([s], stop))
        thread.start()
        try:
            wait_for(lambda: "it broke off" in server.log(), 300)
        finally:
            stop.set()
            thread.join()
            s.close()


def open_files(server):
    """Who takes nothing does not even learn that he was cut off: it is the
    server's connections that are counted."""
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def t_row_c3_error_pages():
    """What comes back of a request stands in no page as it was sent."""
    nasty = "<img src=x onerror=alert(1)>\"'`{{7*7}}</script><script>"
    with archive() as server:
        web = Http(server)
        user = login(server, "root")
        for path in ("/" + nasty, "/?" + nasty, "/token?" + nasty,
                     "/token/archive?" + nasty, "/token/archive?x&" + nasty,
                     "/token/study/" + nasty, "/assets/" + nasty,
                     "/setup?" + nasty, "/reset?" + nasty, "/login?" + nasty,
                     "/login/" + nasty, "/api/v1/" + nasty,
                     "/api/v1/studies?" + nasty,
                     "/api/v1/studies?patient_name=" + nasty,
                     "/api/v1/users/" + nasty, "/api/v1/activity/" + nasty):
            for who in (web, user):
                got = who.get(path.replace(" ", "%20"), headers={
                    "User-Agent": nasty, "Referer": nasty})
                html = (got.header("Content-Type") or "").startswith(
                    "text/html")
                for bad in ("<img", "onerror=alert(1)>", "</script><script>"):
                    assert not html or bad not in got.text, (path, got)
                equal(got.header("X-Content-Type-Options"), "nosniff")
                assert "unsafe" not in got.header("Content-Security-Policy")


if __name__ == "__main__":
    main(sys.modules[__name__])
