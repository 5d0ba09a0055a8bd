"""The HTTP server itself: its port, TLS and certificates, names and proxies,
what it does not understand, and clients that are slow."""

import os
import re
import select
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import tls
from harness.portal import Http, portal, raw, trusting, until_closed
from harness.runner import equal, main, raises
from harness.server import Server, free_port, wait_for


def t_status():
    with portal() as server:
        web = Http(server)
        equal(web.get("/healthz").text, "ok\n")
        equal(web.get("/readyz").text, "ready\n")
        server.verb("settings", "set", "store.reserve", "900TB")
        got = wait_for(lambda: web.get("/readyz").status == 503 and
                       web.get("/readyz"))
        assert got.code == "full" and "reserve" in got.text, got
        got = web.get("/metrics")
        assert "\nfileroom_studies 0\n" in got.text, got.text
        equal(got.header("Cache-Control"), "no-store")
        head = web.ask("HEAD", "/healthz")
        equal((head.status, head.body), (200, b""))
        equal(head.header("Content-Length"), "3")


def t_closed_port():
    with Server() as server:
        assert "http" not in server.ports, server.ports


def t_wrong_requests():
    with portal() as server:
        web = Http(server)
        equal(web.get("/nothing").status, 404)
        equal(web.get("/api/v1/nothing").code, "missing")
        for path in ("/nothing", "/token?x", "/reset?x"):
            assert "Client IP: 127.0.0.1" in web.get(path).text, path
        got = web.post("/healthz", b"")
        equal((got.status, got.header("Allow")), (405, "GET, HEAD"))
        for method in ("BREW", "OPTIONS", "TRACE"):
            got = web.ask(method, "/healthz")
            equal((got.status, got.header("Allow")), (405, "GET, HEAD"))
        equal(web.ask("OPTIONS", "/nothing").status, 404)
        equal(web.get("/healthz?a=1").status, 400)
        equal(web.get("/healthz", headers={"Content-Length": "9"},
                      body=b"123456789").status, 413)


def connected(address, context=None):
    s = socket.create_connection(address, 120)
    return context.wrap_socket(s) if context else s


ALIVE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def kept_open(address, context=None):
    """A connection by which something was asked already: without, its time to
    do so would be short."""
    s = connected(address, context)
    s.sendall(ALIVE)
    got = b""
    while not got.endswith(b"ok\n"):
        more = s.recv(65536)
        assert more, got
        got += more
    return s


def goes_on(s):
    s.sendall(ALIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    got = until_closed(s)
    s.close()
    return got.startswith(b"HTTP/1.1 200 ")


def certificate(address):
    with connected(address, trusting()) as s:
        return s.getpeercert(True)


def t_port_follows_the_setting():
    with Server(settings={"http.port": None, "http.bind": "127.0.0.1"},
                start=False) as server:
        # Not opened here: somebody else may have it.
        server.verb("settings", "set", "http.port", "--default")
        equal(server.verb("settings", "get", "http.port"), "3000\n")
        port = free_port()
        server.run("settings", "set", "http.port", str(port))
        server.start()
        equal(server.ports["http"], ("127.0.0.1", port))
        kept = kept_open(("127.0.0.1", port))
        other = free_port()
        server.verb("settings", "set", "http.port", str(other))
        wait_for(lambda: reachable(("127.0.0.1", other)))
        wait_for(lambda: not reachable(("127.0.0.1", port)))
        # Who was connected goes on.
        assert goes_on(kept)
        server.verb("settings", "set", "http.port", "0")
        wait_for(lambda: not reachable(("127.0.0.1", other)))
        server.ports["http"] = ("127.0.0.1", other)


def reachable(address):
    try:
        connected(address).close()
        return True
    except OSError:
        return False


def t_tls_made_by_itself():
    with portal(tls="true") as server:
        web = Http(server, secure=True)
        got = web.get("/healthz")
        equal(got.text, "ok\n")
        equal(got.header("Strict-Transport-Security"), "max-age=31536000")
        first = certificate(web.address)
        for name in ("http-cert.pem", "http-key.pem"):
            path = os.path.join(server.data, "tls", name)
            equal(os.stat(path).st_mode & 0o777, 0o600)
        server.stop()
        server.start()
        equal(certificate(server.ports["http"]), first)


def t_certificate_swapped_without_restart():
    with tls.Certificates() as made:
        one, two = made.make("one"), made.make("two")
        pem, key = made.path("in.pem"), made.path("in.key")
        copy(one, pem, key)
        with portal(tls="true", tls_cert=pem, tls_key=key) as server:
            address = server.ports["http"]
            first = certificate(address)
            kept = kept_open(address, trusting())
            copy(two, pem, key)
            wait_for(lambda: certificate(address) != first)
            # A connection from before goes on.
            assert goes_on(kept)
            second = certificate(address)
            with open(pem, "w", encoding="ascii") as f:
                f.write("no certificate\n")
            server.wait_log("what was there before")
            equal(certificate(address), second)


def copy(pair, pem, key):
    for source, to in zip(pair, (pem, key)):
        with open(source, "rb") as f:
            data = f.read()
        with open(to, "wb") as f:
            f.write(data)


def t_tls_turned_on_and_off():
    with portal() as server:
        web = Http(server)
        server.verb("settings", "set", "http.tls", "true")
        wait_for(lambda: web.get("/healthz").status == 308)
        got = web.get("/healthz?token=secret")
        equal(got.header("Location"),
              "https://127.0.0.1:%d/healthz" % web.address[1])
        assert "https://127.0.0.1" in got.text, got
        equal(web.post("/healthz", b"").status, 400)
        equal(Http(server, secure=True).get("/healthz").status, 200)
        server.verb("settings", "set", "http.tls", "false")
        wait_for(lambda: web.get("/healthz").status == 200)
        # A hello of TLS is answered in words.
        with connected(web.address) as s:
            s.sendall(bytes.fromhex("16030100a5010000a10303"))
            assert b"http.tls" in until_closed(s)
        server.wait_log("tried HTTPS")


def t_only_good_tls():
    with portal(tls="true") as server:
        address = "%s:%d" % server.ports["http"]

        def offer(*options):
            return subprocess.run(
                ["openssl", "s_client", "-connect", address, *options],
                input=b"", capture_output=True, check=False).returncode

        equal(offer("-tls1_3"), 0)
        equal(offer("-tls1_2"), 0)
        for bad in (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
                    ("-tls1_2", "-cipher", "AES128-GCM-SHA256"),
                    ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA")):
            assert offer(*bad) != 0, bad


def t_row_d5_rebinding():
    """A name that is not ours may be somebody else's that points here."""
    with portal(server_name="pacs.example.org") as server:
        web = Http(server)

        def called(host):
            return web.get("/healthz", headers={"Host": host}).status

        for host in ("localhost", "127.0.0.1:1", "[::1]:80", "192.0.2.7",
                     "pacs.example.org", "PACS.example.org:3000",
                     socket.gethostname()):
            equal(called(host), 200)
        for host in ("evil.example", "pacs.example.org.evil.example",
                     "127.0.0.1.evil.example", "localhost.evil.example"):
            equal(called(host), 421)
        for host in ("", "a b", "a\"b", "a/b", "a@b"):
            equal(called(host), 400)
        got = raw(web.address, b"GET /healthz HTTP/1.0\r\n\r\n")
        assert got.startswith(b"HTTP/1.0 400 ") or b" 400 " in got[:20], got


def t_row_d2_plain_from_elsewhere():
    """Only a page that explains; behind a trusted proxy with TLS all."""
    with portal(trusted_proxies="127.0.0.1, 10.0.0.0/8") as server:
        web = Http(server)

        def forwarded(chain, proto="http"):
            return web.get("/metrics", headers={
                "X-Forwarded-For": chain, "X-Forwarded-Proto": proto})

        got = forwarded("192.0.2.1")
        equal(got.status, 403)
        assert "http.tls" in got.text, got
        equal(forwarded("192.0.2.1", "https").status, 401)
        # The last one that is no proxy counts, and only that.
        equal(forwarded("127.0.0.1, 192.0.2.1, 10.1.2.3", "https").status,
              401)
        equal(forwarded("192.0.2.1, 127.0.0.1", "https").status, 401)
        equal(forwarded("10.9.8.7").status, 403)
        server.verb("settings", "set", "http.allow_plain", "true")
        wait_for(lambda: forwarded("192.0.2.1").status == 401)


def t_proxies_nobody_named():
    with portal() as server:
        got = Http(server).get("/metrics", headers={
            "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"})
        equal(got.status, 200)
        equal(got.header("Strict-Transport-Security"), None)
        out = server.run(
            "settings", "set", "http.trusted_proxies", "10.0.0.1/33")
        equal(out.returncode, 2)
        assert "http.trusted_proxies" in out.stderr, out


SMUGGLED = (
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    b"Content-Length: 4\r\nContent-Length: 5\r\n",
    b"Content-Length: 4\r\nContent-Length: 4\r\n",
    b"Content-Length: +4\r\n",
    b"Content-Length: 4, 4\r\n",
    b"Content-Length: 0x4\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked, identity\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    b"Host: localhost\r\n",
)


def t_row_e_smuggling():
    """Two programs must not read one request in two ways: such a one is
    refused, and what stands behind it is no request."""
    with portal() as server:
        for lines in SMUGGLED:
            got = raw(server.ports["http"],
                      b"POST /nothing HTTP/1.1\r\nHost: localhost\r\n" + lines
                      + b"\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n"
                        b"Host: localhost\r\nConnection: close\r\n\r\n")
            assert b"ok\n" not in got, (lines, got)
            assert re.match(rb"HTTP/1.1 (400|413|501) |$", got), (lines, got)


def t_row_a7_lengths_are_promises():
    """Content-Length costs nothing until bytes come."""
    with portal() as server:
        before = memory(server)
        links = []
        for _ in range(100):
            s = connected(server.ports["http"])
            s.sendall(b"POST /healthz HTTP/1.1\r\nHost: localhost\r\n"
                      b"Content-Length: 4294967296\r\n\r\n")
            links.append(s)
        for s in links:
            assert s.recv(12)[9:10] == b"4", "refused"
            s.close()
        assert memory(server) - before < 64 << 20


def memory(server):
    with open(f"/proc/{server.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * 4096


def t_huge_heads():
    with portal() as server:
        address = server.ports["http"]
        for data in (b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n",
                     b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 100000,
                     b"GET / HTTP/1.1\r\nHost: localhost\r\n"
                     + b"A: b\r\n" * 2000 + b"\r\n",
                     b"\0" * 100, b"\x00\x16\x03", b"GET\r\n\r\n"):
            got = raw(address, data, shut=True)
            assert b" 200 " not in got[:20], (data[:40], got)
        equal(Http(server).get("/healthz").status, 200)


def t_keep_alive_and_pipelining():
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    wrong = one.replace(b"healthz", b"nothing")
    with portal() as server:
        got = raw(server.ports["http"], one * 3 + wrong + one + last)
        equal(got.count(b"\r\n\r\nok\n"), 5)
        equal(got.count(b"HTTP/1.1 404 "), 1)


def t_row_e2_slow_clients():
    """Heads a byte at a time are cut off; meanwhile others are served."""
    with portal() as server:
        address = server.ports["http"]
        slow = [connected(address) for _ in range(200)]
        began = time.monotonic()
        text = b"GET /healthz HTTP/1.1\r\nX-Slow: " + b"a" * 100
        sent, beside, alive = 0, 0, len(slow)
        while alive and time.monotonic() - began < 300:
            alive = 0
            for s in slow:
                try:
                    s.send(text[sent:sent + 1])
                    alive += 1
                except OSError:
                    pass
            sent += 1
            equal(Http(server).get("/healthz").status, 200)
            beside += all(map(is_open, slow))
            time.sleep(0.5)
        equal(alive, 0)
        assert 15 < time.monotonic() - began, "too early"
        # By threads that wait there would be no answer before one of the slow
        # ones is cut off.
        assert beside > 0, "others waited for the slow ones"
        for s in slow:
            s.close()


def is_open(s):
    """The server has not closed it, nor said anything."""
    return not select.select([s], [], [], 0)[0]


def t_stop_with_connections():
    """Idle ones, half a request, nothing said: none holds a stop up."""
    with portal(tls="true") as server:
        address = server.ports["http"]
        links = [connected(address) for _ in range(3)]
        links[1].sendall(b"GET / HT")
        links.append(connected(address, trusting()))
        server.stop()
        assert "broken off" not in server.log()
        for s in links:
            s.close()


if __name__ == "__main__":
    main(sys.modules[__name__])
