"""What comes over the wire of HTTP: requests that two programs could read in
two ways (smuggling), lengths of every field (row A1), mutated requests (A4),
and what of a peer's words returns in headers (C5)."""

import os
import random
import re
import select
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), HERE]

from harness import dicom
from harness.portal import Http, login, until_closed, users
from harness.runner import equal, main

SOAK = bool(os.environ.get("SOAK"))
LENGTHS = (0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 4095, 65535, 65536,
           1 << 20) if SOAK else (0, 16, 65, 256, 4096, 65536)
# Stands where it is no request, unless somebody lost his place.
HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
HOST = b"Host: localhost\r\n"
world = {}


def portal():
    """One server for all tests of this file."""
    if "server" not in world:
        world["server"] = users()
    return world["server"]


def root():
    """Logged in once: others try passwords until nobody may."""
    if "root" not in world:
        world["root"] = login(portal(), "root")
    return world["root"]


def answers(got):
    return re.findall(rb"(?:^|\n)HTTP/1\.[01] (\d\d\d) ", got)


def framed(got):
    """The answers as a client reads them, up to one that says close, and what
    stands behind. (libmicrohttpd before 1.0 writes the head of its own answer
    to a bad length twice, the second time as that answer's body.)"""
    found = []
    while got:
        head, end, got = got.partition(b"\r\n\r\n")
        assert end and head.startswith(b"HTTP/1."), (found, head[:300])
        found.append(head[9:12])
        length = re.search(rb"(?i)\r\nContent-Length: (\d+)", head)
        got = got[int(length.group(1)) if length else 0:]
        if re.search(rb"(?i)\r\nConnection: close", head):
            break
    return found, got


def body_of(line):
    """A POST with these lines in its head, and a body that is short or
    chunked, whoever reads it how."""
    return (b"POST /nothing HTTP/1.1\r\n" + HOST + line + b"\r\n0\r\n\r\n")


LENGTH_LINES = [
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    b"Content-Length: 4\r\nContent-Length: 5\r\n",
    b"Content-Length: 4\r\nContent-Length: 4\r\n",
    b"content-length: 4\r\nCONTENT-LENGTH: 0\r\n",
    *(b"Content-Length: %s\r\n" % v for v in (
        b"+4", b"-1", b"4, 4", b"4,5", b"0x4", b"1e1", b"4;q=1", b"\"4\"",
        b"4 4", b"\xef\xbc\x94", b"99999999999999999999",
        b"18446744073709551616", b"4\x0b", b"\x0c4", b"4\0", b"4\x005")),
    b"Content-Length : 5\r\n", b"Content-Length\t: 5\r\n",
    b"Content-Length\x0b: 5\r\n", b"Content-Length\0: 5\r\n",
    b"\x20Content-Length: 5\r\n", b"X: y\r\n Content-Length: 5\r\n",
    b": 5\r\n", b"Content-Length 5\r\n", b"Content Length: 5\r\n",
    b"X: y\nContent-Length: 5\r\n", b"X: y\rContent-Length: 5\r\n",
    b"X: y\n\rContent-Length: 5\r\n", b"X: y\r\r\nContent-Length: 5\r\n",
    b"Content-Length: 5\n", b"X: y\0\r\nContent-Length: 5\r\n",
    b"X: \0Content-Length: 5\r\n", b"\0Content-Length: 5\r\n",
    b"\0\r\nContent-Length: 5\r\n", b"X: y\r\n\0\r\nContent-Length: 5\r\n",
    b"X: y\r\n\0 z\r\nContent-Length: 5\r\n",
    # Folded lines (RFC 9112 5.2), also such as make another name.
    b"Content-Length:\r\n 5\r\n", b"X: y\r\n z\r\n", b"X: y\r\n\tz\r\n",
    b"Content-: 5\r\n Length\r\n", b"X: y\r\n \r\n", b"X: y\r\n z\r\n z\r\n",
    *(b"Transfer-Encoding: %s\r\n" % v for v in (
        b"chunked, identity", b"identity", b"xchunked", b"chunked, chunked",
        b"gzip, chunked", b"chunked;q=1", b"\"chunked\"", b"'chunked'",
        b"\x0bchunked", b"chunked\x0b", b"chunked\0", b"chu\0nked",
        b"identity, chunked", b"", b",", b"chunked,", b"chunke",
        b"\xc5\xbfchunked")),
    b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding:\r\n chunked\r\n",
    b"Transfer-: chunked\r\n Encoding\r\n",
    b"X: y\rTransfer-Encoding: chunked\r\n",
    b"X: y\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    b"Host: localhost\r\n", b"Host: evil.example\r\n",
]
LINES = [
    b"GET  /nothing HTTP/1.1\r\n", b"GET /nothing  HTTP/1.1\r\n",
    b"GET\t/nothing\tHTTP/1.1\r\n", b"GET /nothing\tHTTP/1.1\r\n",
    b"GET /no thing HTTP/1.1\r\n", b"GET /nothing HTTP/1.1 \r\n",
    b"GET /nothing HTTP/1.1\n", b"GET /nothing HTTP/1.1\r\r\n",
    b"GET /nothing\r HTTP/1.1\r\n", b"GET /no\rthing HTTP/1.1\r\n",
    b"GET /nothing\0 HTTP/1.1\r\n", b"GET /healthz\0/x HTTP/1.1\r\n",
    b"GET /no?a\0b HTTP/1.1\r\n", b"GET\0 /nothing HTTP/1.1\r\n",
    b"GET\0X /healthz HTTP/1.1\r\n", b"G(T /nothing HTTP/1.1\r\n",
    b"GET /nothing HTTP/1.1\0\r\n", b"GET /nothing HTTP/0.9\r\n",
    b"GET /nothing HTTP/2.0\r\n", b"GET /nothing HTTP/1.1.1\r\n",
    b"GET /nothing HTTP/11\r\n", b"GET /nothing http/1.1\r\n",
    b"GET /nothing HTTP /1.1\r\n", b"GET /nothing XTTP/1.1\r\n",
    b"GET /healthz\r\n", b"GET\r\n", b"GET \r\n", b" GET /healthz HTTP/1.1\r\n",
    b"GET nothing HTTP/1.1\r\n", b"GET  HTTP/1.1\r\n",
    # Targets that are no path of ours (RFC 9112 3.2.2 to 3.2.4).
    b"GET http://localhost/healthz HTTP/1.1\r\n",
    b"GET http://evil.example/healthz HTTP/1.1\r\n",
    b"GET //evil.example\\healthz HTTP/1.1\r\nX: y\nZ: w\r\n",
    b"GET * HTTP/1.1\r\n", b"OPTIONS * HTTP/1.1\r\n",
    b"CONNECT localhost:80 HTTP/1.1\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\n",
    b"PRI * HTTP/2.0\r\n",
]
CHUNKS = [
    b"5\r\nabcde\r\n0\r\n\r\n", b"5;x=y\r\nabcde\r\n0\r\n\r\n",
    b"5;\r\nabcde\r\n0\r\n\r\n", b"5;\nabcde\r\n0\r\n\r\n",
    b"5;x=\"\r\n\"\r\nabcde\r\n0\r\n\r\n", b"5\nabcde\r\n0\r\n\r\n",
    b"5\r\nabcde\n0\r\n\r\n", b"5\r\nabcde0\r\n\r\n", b"5\r\nabcdefg\r\n0\r\n\r\n",
    b"0x5\r\nabcde\r\n0\r\n\r\n", b"+5\r\nabcde\r\n0\r\n\r\n",
    b"-5\r\nabcde\r\n0\r\n\r\n", b" 5\r\nabcde\r\n0\r\n\r\n",
    b"5 \r\nabcde\r\n0\r\n\r\n", b"5\0\r\nabcde\r\n0\r\n\r\n",
    b"05\r\nabcde\r\n00\r\n\r\n", b"5\r\r\nabcde\r\n0\r\n\r\n", b"\r\n0\r\n\r\n",
    b"g\r\n0\r\n\r\n", b"fffffffffffffffff\r\n0\r\n\r\n",
    b"0\r\nX: y\r\n\r\n", b"0\r\nContent-Length: 70\r\n\r\n",
    b"0\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\n\0\r\n\r\n",
    b"0\r\nX: y\r\n z\r\n\r\n", b"0\r\nno colon\r\n\r\n", b"0\n\n",
    b"0;" + b"x" * 40000 + b"\r\n\r\n", b"0\r\n" + b"X: y\r\n" * 9000 + b"\r\n",
]


def corpus():
    found = [body_of(line) for line in LENGTH_LINES]
    found += [line + HOST + b"\r\n" for line in LINES]
    chunked = b" HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n"
    for chunks in CHUNKS:
        for head in (b"POST /nothing", b"POST /api/v1/session",
                     b"GET /api/v1/studies", b"DELETE /api/v1/session",
                     b"PATCH /api/v1/account"):
            found.append(head + chunked + b"Content-Type: application/json"
                         b"\r\n\r\n" + chunks)
    found.append(b"POST /nothing HTTP/1.0\r\n" + HOST
                 + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    # A body where none is taken.
    for method in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE",
                   b"OPTIONS", b"TRACE", b"CONNECT", b"LOCK"):
        for path in (b"/nothing", b"/healthz", b"/api/v1/studies",
                     b"/api/v1/session"):
            found.append(method + b" " + path + b" HTTP/1.1\r\n" + HOST
                         + b"Content-Length: %d\r\n\r\n" % len(HIDDEN))
    for line in (b"A: " + b"b" * 40000 + b"\r\n", b"A: b\r\n" * 70,
                 b"A: b\r\n" * 5000, b"B" * 40000 + b": x\r\n"):
        found.append(b"GET /nothing HTTP/1.1\r\n" + HOST + line + b"\r\n")
    return found


def sent(address, *parts):
    with socket.create_connection(address, 120) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for p in parts:
                s.sendall(p)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return until_closed(s)


def t_row_e_smuggling_corpus():
    """Whatever two programs could read in two ways is the last of its
    connection: one answer at most, and what stands behind is no request."""
    address = portal().ports["http"]
    rng = random.Random(1)
    for data in corpus():
        cuts = sorted(rng.randrange(len(data)) for _ in range(2))
        whole = data + HIDDEN
        for parts in ((whole,), (data[:cuts[0]], data[cuts[0]:cuts[1]],
                                 whole[cuts[1]:])):
            got = sent(address, *parts)
            assert b"ok\n" not in got, (data[:200], got)
            found, rest = framed(got)
            assert len(found) <= 1 and b" 200 " not in rest, (data[:200], got)
            assert not found or found[0][:1] in b"45", (data[:200], got)


def t_row_e_endless_bodies():
    """What promises more than ever comes swallows what stands behind it, and
    is not answered."""
    address = portal().ports["http"]
    links = []
    for length in (b"Content-Length: 9223372036854775807\r\n\r\n",
                   b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                   b"Transfer-Encoding: chunked\r\n\r\n8000000000000000\r\n",
                   b"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff;\n"):
        for route in (b"POST /api/v1/session", b"GET /api/v1/studies",
                      b"DELETE /api/v1/session", b"PATCH /api/v1/account"):
            s = socket.create_connection(address, 120)
            s.sendall(route + b" HTTP/1.1\r\n" + HOST + length + HIDDEN)
            links.append(s)
    # One that came later has been answered.
    equal(Http(portal()).get("/healthz").status, 200)
    for s in links:
        s.setblocking(False)
        try:
            got = s.recv(9999)
        except BlockingIOError:
            got = b""
        assert b"ok\n" not in got and b" 200 " not in got, got
        s.close()


def clear(*lines):
    return b"\r\n".join((b"GET /healthz HTTP/1.1", *lines, b"", b""))


CLEAR = [
    clear(b"Host: localhost"), clear(b"host:localhost"),
    clear(b"HOST: \t localhost"), clear(b"Host: localhost", b"X:"),
    clear(b"X: ", b"Host: localhost"), clear(b"Host: localhost", b"X: a b\tc"),
    clear(b"Host: localhost", b"X: a  "), clear(b"Host: localhost", b"X: a\t"),
    clear(b"Host: localhost", b"X: \xe4\xff\xf0\x9f\x98\x80"),
    clear(b"Host: localhost", b"X: y", b"X: z", b"x: w"),
    clear(b"Host: localhost", b"!#$%&'*+-.^_`|~09azAZ: x"),
    clear(b"Host: localhost", b"Cookie: a=b; c=\"d\"; e"),
    clear(b"Host: localhost", b"Content-Length: 0"),
    clear(b"Host: localhost", b"Connection: keep-alive, Upgrade",
          b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"),
    clear(b"Host: localhost", b"Connection: Upgrade, HTTP2-Settings",
          b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"),
    clear(b"Host: localhost", b"Expect: 200-ok"),
    clear(b"Host: localhost", *(b"X%d: y" % i for i in range(60))),
    clear(b"Host: localhost", *(b"X%d: %s" % (i, b"z" * 700)
                                for i in range(20))),
    clear(b"Host: localhost", b"X: " + b"y" * 15000),
    b"\r\n" + clear(b"Host: localhost"),
    b"HEAD" + clear(b"Host: localhost")[3:],
    clear(b"Host: localhost").replace(b"1.1\r\n", b"1.0\r\n").replace(
        b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"),
]


def t_clear_requests_are_answered():
    """However unusual; cut anywhere, and one behind the other."""
    address = portal().ports["http"]
    last = clear(b"Host: localhost", b"Connection: close")
    rng = random.Random(2)
    for data in CLEAR:
        got = sent(address, data + last)
        equal(answers(got), [b"200"] * 2, (data[:200], got))
        cuts = sorted({0, len(data), *(rng.randrange(len(data))
                                       for _ in range(6))})
        got = sent(address, *(data[a:b] for a, b in zip(cuts, cuts[1:])), last)
        equal(answers(got), [b"200"] * 2, (data[:200], got))
    got = sent(address, *(bytes([b]) for b in CLEAR[0] + last))
    equal(answers(got), [b"200"] * 2)
    got = sent(address, b"".join(CLEAR) + last)
    equal(answers(got), [b"200"] * (len(CLEAR) + 1))
    assert b" 101 " not in got


def all_answered(address, requests):
    """(answer, request) of each, all sent at once. Some wait for more of a
    body: of these it is what has come after a while."""
    links, watch = {}, select.poll()
    for data in requests:
        s = socket.create_connection(address, 120)
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        s.setblocking(False)
        links[s.fileno()] = [s, data, b""]
        watch.register(s, select.POLLIN)
    waiting, end = len(links), time.monotonic() + 20
    while waiting and time.monotonic() < end:
        # The last one that is answered, and then a second of silence.
        events = watch.poll(1000)
        if not events:
            break
        for fd, _ in events:
            link = links[fd]
            try:
                got = link[0].recv(65536)
            except OSError:
                got = b""
            link[2] += got
            if not got:
                watch.unregister(fd)
                waiting -= 1
    for s, data, got in links.values():
        s.close()
        yield got, data


def t_row_a4_mutated_requests():
    """Bytes changed, left out, doubled: an answer or none, and it lives."""
    server = portal()
    web = root()
    seed = int(os.environ.get("ATTACK_SEED", "7"))
    rng = random.Random(seed)
    own = (b"Cookie: fileroom=" + web.cookies["fileroom"].encode()
           + b"\r\nX-Fileroom-Token: " + web.csrf.encode() + b"\r\n")
    form = (b"--b\r\nContent-Disposition: form-data; name=\"f\"; filename="
            b"\"a\"\r\n\r\nMSH|^~\\&|A|B\rPID|1\r\r\n--b--\r\n")
    seeds = [
        b"GET /api/v1/studies?patient_name=a*&limit=3&sort=-date HTTP/1.1\r\n"
        + HOST + own + b"\r\n",
        b"GET /api/v1/patients?next=1~a~b HTTP/1.1\r\n" + HOST + own + b"\r\n",
        b"PATCH /api/v1/account HTTP/1.1\r\n" + HOST + own
        + b"Content-Type: application/json\r\nContent-Length: 26\r\n\r\n"
        b'{"phone":"1","email":"\\u"}',
        b"POST /api/v1/uploads HTTP/1.1\r\n" + HOST + own
        + b"Content-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: %d\r\n\r\n" % len(form) + form,
        b"POST /api/v1/uploads HTTP/1.1\r\n" + HOST + own
        + b"Transfer-Encoding: chunked\r\n\r\n9\r\nMSH|^~\\&|\r\n0\r\n\r\n",
        b"GET /assets/x HTTP/1.1\r\n" + HOST + b"Range: bytes=1-2\r\n\r\n",
    ]
    all_ = []
    for _ in range(int(os.environ.get("ATTACK_ROUNDS", "800"))):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.choice((1, 1, 2, 3, 8))):
            at = rng.randrange(len(data))
            what = rng.randrange(4)
            if what == 0:
                data[at] = rng.choice((0, 10, 13, 32, 0x25, 0x7f, 0xff,
                                       rng.randrange(256)))
            elif what == 1:
                del data[at:at + rng.choice((1, 2, 9, 40))]
            elif what == 2:
                data[at:at] = data[at:at + rng.choice((1, 5, 60))]
            else:
                data[at:at] = bytes([rng.randrange(256)]) * rng.choice((1, 99))
            if not data:
                break
        all_.append(bytes(data))
    for got, data in all_answered(server.ports["http"], all_):
        for status in answers(got):
            assert status[:1] in b"1245" or status == b"303", (data, got)
            assert status != b"500", (seed, data, got)
    equal(web.get("/healthz").status, 200)


def t_row_c5_header_injection():
    """A patient's name stands in the name of the zip: in no header of its
    own."""
    server = portal()
    names = ("a\r\nSet-Cookie: x=y", "a\nX-Forged: 1", "a\"; filename=\"b",
             "a;b=c", "a\x1b[2J", "../../etc/passwd", "\u202egpj", "a\\b",
             "%0d%0aX: y", "\u00e9\u4e2d", ".", "")
    with dicom.Association(server.dicom_port, [
            (dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
        for i, name in enumerate(names):
            uid = f"1.2.50.{i}"
            equal(a.store(dicom.CT, uid, dicom.instance(
                uid, study=f"1.2.51.{i}", patient=name, name=name,
                more=[(0x00080005, "CS", "ISO_IR 192")])), 0, name)
    web = root()
    for i, name in enumerate(names):
        for more in ("", "?dicomdir=1"):
            got = web.get(f"/api/v1/studies/1.2.51.{i}/archive{more}")
            equal(got.status, 200, (name, got))
            equal(got.all("X-Forged"), [])
            equal(got.all("Set-Cookie"), [])
            told = got.header("Content-Disposition")
            assert re.fullmatch(
                r"attachment; filename=\"[A-Za-z0-9 ._-]+\.zip\""
                r"(; filename\*=UTF-8''[A-Za-z0-9._%~!$&+^`|#-]+)?", told), told
            assert "%0d" not in told.lower() and "%0a" not in told.lower()
            assert "%2f" not in told.lower() and "%5c" not in told.lower()


def routes():
    web = Http(portal())
    paths = web.get("/api/v1/openapi.json").json["paths"]
    for path, methods in sorted(paths.items()):
        for method, about in methods.items():
            kinds = about.get("requestBody", {}).get("content", {})
            for kind, schema in kinds.items():
                yield (method.upper(), re.sub(r"\{[^}]*\}", "nothing", path),
                       kind, sorted(schema["schema"].get("properties", ())))


def t_row_a1_field_lengths():
    """Every member of every body, every header that is read, the path and the
    query: of every length."""
    web = root()
    for method, path, kind, members in routes():
        # A password that is checked takes its time.
        slow = "password" in members and not SOAK
        for member in members:
            for n in (0, 4096) if slow else LENGTHS:
                body = f'{{"{member}":"{"a" * n}"}}' if "json" in kind \
                    else f"{member}={'a' * n}"
                try:
                    got = web.ask(method, path, body.encode(),
                                  {"Content-Type": kind})
                except OSError:
                    # Refused, and closed, while it was still being sent.
                    assert n > 16000, (method, path, member, n)
                    continue
                assert 200 <= got.status < 500, (method, path, member, n, got)
            if "json" not in kind or slow:
                continue
            for value in ("null", "true", "-1", "1e400", "9" * 400, "[]",
                          '["a",1]', "{}", '"\\ud800"', '"\\u0000"', "[[",
                          '"a', "nul", "", "01", '"\xff"'):
                got = web.ask(method, path, (
                    f'{{"{member}":{value}}}').encode("latin-1"),
                    {"Content-Type": kind})
                assert 200 <= got.status < 500, (method, path, member, value,
                                                 got)
    headers = ("Cookie", "Authorization", "X-Fileroom-Token", "Origin",
               "Sec-Fetch-Site", "User-Agent", "X-Forwarded-For", "Range",
               "If-Range", "If-None-Match", "Accept-Language", "Content-Type",
               "Host", "Connection", "Expect")
    for n in LENGTHS:
        text = "a" * n
        for name in headers:
            forms = {"Cookie": ("fileroom=",), "Range": ("bytes=",),
                     "Authorization": ("Bearer ", *("Basic ",) * (
                         n in (65, 65536))),
                     "Content-Type": ("multipart/form-data; boundary=",)}
            for form in ("", *forms.get(name, ())):
                value = form + text
                try:
                    got = Http(portal()).get("/api/v1/session", headers={
                        name: value})
                except OSError:
                    # Cut off while it was still being sent.
                    assert n > 20000, (name, n)
                    continue
                assert got.status < 500, (name, n, got)
        for path in ("/" + text, "/healthz?" + text, "/token?" + text,
                     "/api/v1/users/" + text, "/api/v1/studies?next=" + text,
                     "/api/v1/studies?patient_name=" + text,
                     "/assets/" + text, "/api/v1/studies/" + text):
            try:
                got = web.get(path)
            except OSError:
                assert n > 20000, (path[:40], n)
                continue
            assert got.status < 500, (path[:40], n, got)


def t_no_two_servers_spoke():
    """The last: nothing of all that was noticed but in answers."""
    server = world.pop("server")
    with server:
        equal(Http(server).get("/readyz").status, 200)
        assert "error" not in server.log().lower().replace(
            "errors", ""), server.log()[-2000:]


if __name__ == "__main__":
    sys.exit(main())
