"""What HTTP takes in: criteria that reach SQL (row C1), paths (B1), zips (B3),
files that are two things (B5, B6), depth (A6), bombs (A8), XML (C4), character
sets (C6), and what is readable on disk and in the log (B7, D7)."""

import gzip
import io
import os
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import urllib.parse
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), HERE]

import _attack
from _corpus import FIELDS, NASTY, STORED, fits, many
from harness import dicom, sample
from harness.portal import (PASSWORD, Http, Steady, add_user, basic, login,
                            users)
from harness.runner import Skip, equal, main
from harness.server import PATIENCE, wait_for

SOAK = bool(os.environ.get("SOAK"))
RAW = b"application/octet-stream"
world = {}


def study(i):
    return f"1.2.60.{i}"


def portal():
    """One server for all tests of this file, with a study for each of the
    stored texts."""
    if "server" in world:
        return world["server"]
    server = world["server"] = users(**{"trusted_proxies": "127.0.0.1"})
    with dicom.Association(server.dicom_port, [
            (dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
        for i, text in enumerate(STORED):
            equal(a.store(dicom.CT, f"1.2.61.{i}", dicom.dataset([
                (0x00080005, "CS", "ISO_IR 192"),
                (0x00080016, "UI", dicom.CT),
                (0x00080018, "UI", f"1.2.61.{i}"),
                (0x00080050, "SH", text), (0x00080060, "CS", "CT"),
                (0x00080080, "LO", text), (0x00080090, "PN", text),
                (0x00081030, "LO", text), (0x00100010, "PN", text),
                (0x00100020, "LO", text), (0x00100021, "LO", text),
                (0x0020000D, "UI", study(i)),
                (0x0020000E, "UI", f"1.2.62.{i}")])), 0, text)
    return server


def quoted(text):
    return urllib.parse.quote(text, safe="").encode()


def uids(got):
    equal(got.status, 200, got)
    return {s["uid"] for s in got.json["studies"]}


def t_row_c1_criteria_against_a_naive_matcher():
    """Whatever is asked for, the list is what the simplest comparison gives:
    no text is SQL, a pattern of the index, or more than it says."""
    web = login(portal(), "root")
    texts = NASTY + many(3000) if SOAK else NASTY[::3] + many(15)
    with Steady(web) as link:
        everything = uids(link.get(b"/api/v1/studies?limit=200"))
        equal(everything, {study(i) for i in range(len(STORED))})
        for text in texts:
            for field in FIELDS:
                path = b"/api/v1/studies?limit=200&%s=%s" % (
                    field.encode(), quoted(text))
                got = link.get(path)
                if len(text.encode()) > 256:
                    equal(got.status, 400, (field, text))
                    continue
                want = [fits(field, text, value) for value in STORED]
                if None in want:
                    assert uids(got) <= everything, (field, text)
                    continue
                equal(uids(got), {study(i) for i, w in enumerate(want) if w},
                      (field, text))
        equal(uids(link.get(b"/api/v1/studies?limit=200")), everything)


def routes():
    """(method, path, names in the path, names of the query)."""
    paths = Http(portal()).get("/api/v1/openapi.json").json["paths"]
    for path, methods in sorted(paths.items()):
        for method, about in sorted(methods.items()):
            names = [p["name"] for p in about.get("parameters", ())
                     if p["in"] == "query"]
            yield (method.upper(), path, re.findall(r"\{([^}]*)\}", path),
                   names)


def t_row_c1_every_parameter():
    """Every part of every path, every parameter of every query."""
    web = login(portal(), "root")
    texts = NASTY + many(100) if SOAK else NASTY[len(STORED)::6] + ("'", "%")
    words = re.compile(rb"sqlite|SQL|syntax error|no such (table|column)|"
                       rb"unrecognized token|near \"", re.I)
    with Steady(web) as link:
        def check(method, path):
            got = link.ask(method.encode(), path, b"",
                           None if method == "GET" else b"application/json")
            assert got.status < 500 or got.code == "not_converted", (
                method, path, got)
            # What was asked for may come back, but no words of a database.
            assert not words.search(got.body.replace(b"SQL", b"")) or \
                got.status == 200, (method, path, got)

        for method, path, names, query in routes():
            if (method, path) in (("DELETE", "/api/v1/session"),
                                  ("DELETE", "/api/v1/activity"),
                                  ("POST", "/api/v1/uploads")):
                continue
            for text in texts:
                for name in names:
                    bare = re.sub(r"\{(?!%s\})[^}]*\}" % name, "1.2.60.1", path)
                    check(method, bare.encode().replace(
                        b"{%s}" % name.encode(), quoted(text) or b"x"))
                for name in query:
                    check(method, re.sub(r"\{[^}]*\}", "1.2.60.1", path)
                          .encode() + b"?%s=%s" % (name.encode(),
                                                   quoted(text)))
        equal(len(uids(link.get(b"/api/v1/studies?limit=200"))), len(STORED))
        equal(len(web.get("/api/v1/users").json["users"]), 2)


def t_row_c1_credentials():
    """Before a login, too: names, passwords, keys, tokens, cookies."""
    server = portal()
    texts = ("' or '1'='1", "root' --", "root'/*", "\" or 1=1 --", "%", "r__t",
             "root\\", "*", "roo?")
    for i, text in enumerate(texts):
        # Of another address each time: else it would not be looked at.
        web = Http(server, X_Forwarded_For=f"192.0.2.{i + 1}",
                   X_Forwarded_Proto="https")
        if i == 0 or SOAK:
            for name, password in ((text, PASSWORD), ("eva", text)):
                got = web.post("/api/v1/session", {
                    "username": name, "password": password})
                equal(got.status, 401, (text, got))
        for headers in ({"Authorization": "Bearer " + text},
                        {"Cookie": "__Host-fileroom=" + text},
                        {"Cookie": "__Host-fileroom-link-0=" + text}):
            equal(web.get("/api/v1/session", headers=headers).status, 401)
        for path in ("/token?", "/token/archive?", "/reset?", "/setup?"):
            equal(web.get(path + urllib.parse.quote(text)).status, 404)


def traversals():
    dots = ("..", "%2e%2e", "%252e%252e", "%c0%ae%c0%ae", "..%00", "....",
            "..;", ".%2e", "%2e.", "%u002e%u002e", "%uff0e%uff0e",
            "%ef%bc%8e%ef%bc%8e", "..%01", "..%0d%0a", "%e0%80%ae%e0%80%ae")
    slashes = ("/", "%2f", "%252f", "\\", "%5c", "%255c", "//", "%c0%af",
               "%e0%80%af", "/./", "%ef%bc%8f", "/;/")
    for dot in dots:
        for slash in slashes:
            for place in ("etc/passwd", "fileroom.db", "token.key"):
                yield (dot + slash) * 4 + place
    yield from ("file:///etc/passwd", "/etc/passwd", "C:\\boot.ini",
                "/proc/self/environ", "....//....//etc/passwd",
                "..././..././etc/passwd", "\\\\evil.example\\x", "~/.bashrc",
                "etc/passwd%00.js", ".", "..", "%2e", "%00", "%2f", "index.html",
                "../../.HTTP/HTTP.db", "WEB-INF/web.xml", ".git/config")


class Opened:
    """The files that the server opens meanwhile, as strace sees it."""

    def __init__(self, server):
        self.server, self.tracer = server, None

    def __enter__(self):
        if not shutil.which("strace"):
            raise Skip("strace is not installed: tools/deps --test")
        self.file = tempfile.NamedTemporaryFile()
        self.words = tempfile.TemporaryFile()
        self.tracer = subprocess.Popen(
            ["strace", "-f", "-e", "trace=open,openat,openat2,creat", "-e",
             "signal=none", "-o", self.file.name, "-p", str(self.server.pid)],
            stdout=self.words, stderr=self.words)

        def attached():
            if self.tracer.poll() is not None:
                self.words.seek(0)
                raise Skip("strace: " + self.words.read().decode()[-200:])
            with open(f"/proc/{self.server.pid}/status",
                      encoding="ascii") as f:
                return "TracerPid:\t0\n" not in f.read()
        wait_for(attached, what="strace")
        return self

    def __exit__(self, *_):
        self.tracer.send_signal(signal.SIGINT)
        self.tracer.wait(PATIENCE)

    def paths(self):
        with open(self.file.name, encoding="utf-8", errors="replace") as f:
            return re.findall(r'open(?:at2?)?\([^"]*"([^"]*)"', f.read())


def t_row_b1_traversal_corpus():
    """Encodings of paths that lead elsewhere, on routes of every kind: there
    is nothing there, and no file is opened outside of the data folder."""
    server = portal()
    web = login(server, "root")
    before = ("/", "/assets/", "/api/v1/studies/", "/api/v1/users/", "/token/",
              "/api/v1/patients/1/archive/", "/api/v1/series/")
    asked = 0
    with Opened(server) as opened, Steady(web) as link:
        for i, path in enumerate(traversals()):
            for first in before if SOAK else ("/", before[1 + i % 6]):
                got = link.get((first + path).encode())
                asked += 1
                assert got.status in (400, 404), (first + path, got)
                assert b"root:" not in got.body and b"SQLite" not in got.body
        # Files are opened, and seen to be.
        got = link.get(b"/api/v1/studies/%s/archive" % study(1).encode())
        equal(got.status, 200)
    assert asked > 1000, asked
    seen = opened.paths()
    assert any(p.endswith(".dcm") for p in seen), seen[:9]
    for path in seen:
        # The database's own work: temporary files of its queries.
        assert path.startswith((server.data, "objects/", "/var/tmp/etilqs",
                                "/tmp/etilqs", os.path.join(
                                    tempfile.gettempdir(), "etilqs"))) or \
            "/" not in path or re.match(
                r"/(proc|sys|dev)/|[0-9]{4}/|/etc/localtime|"
                r"/usr/share/zoneinfo/", path), path
        assert ".." not in path and "passwd" not in path, path


def upload(web, body, kind=RAW):
    with Steady(web) as link:
        return link.ask(b"POST", b"/api/v1/uploads", body, kind)


def image():
    with tempfile.TemporaryDirectory() as folder:
        with open(sample.study(folder, count=1, study="u")[0], "rb") as f:
            return f.read()


def entry(name, data, mode=None, flag=0, said=None, crc=None):
    """A local entry of a zip, as somebody says it is."""
    import zlib
    said = len(data) if said is None else said
    crc = zlib.crc32(data) if crc is None else crc
    extra = b""
    if said > 0xFFFFFFFF:
        extra = struct.pack("<HHQQ", 1, 16, said, said)
        said = 0xFFFFFFFF
    head = struct.pack("<HHHHHIIIHH", 20, flag, 0, 0, 0x21, crc, said, said,
                       len(name), len(extra))
    return (b"PK\3\4" + head + name + extra + data,
            head, name, extra, mode or 0)


def zipped(*entries, repeat=1):
    """repeat: how often the list at the end names each."""
    body, listed, n = bytearray(), bytearray(), 0
    for local, head, name, extra, mode in entries:
        for _ in range(repeat):
            listed += (b"PK\1\2" + struct.pack("<H", 0x31E) + head
                       + struct.pack("<HHHII", 0, 0, 0, mode << 16, len(body))
                       + name + extra)
            n += 1
        body += local
    return bytes(body) + bytes(listed) + b"PK\5\6" + struct.pack(
        "<HHHHIIH", 0, 0, n & 0xFFFF, n & 0xFFFF, len(listed), len(body), 0)


def t_row_b3_hostile_zips():
    """Names, links, lengths and lists that lie: nothing is written but what
    is DICOM, and nothing outside."""
    server = portal()
    web = login(server, "root")
    one = image()
    outside = os.path.dirname(server.data)
    before = _attack.files_below(outside)
    files = len([f for f in before if f.endswith(".dcm")])
    for what, body, most in (
            ("link", zipped(entry(b"a", b"/etc/passwd", mode=0o120777)), 0),
            ("link, then through it", zipped(
                entry(b"a", b"/tmp", mode=0o120777), entry(b"a/b", b"x")), 0),
            ("device", zipped(entry(b"a", b"", mode=0o060666)), 0),
            ("setuid", zipped(entry(b"a", b"#!/bin/sh\n", mode=0o104777)), 0),
            ("encrypted", zipped(entry(b"a", one, flag=1)), 0),
            ("longer than it is", zipped(entry(b"a", one, said=1 << 20)), 0),
            ("zip64 lies", zipped(entry(b"a", one, said=1 << 60)), 0),
            ("shorter than it is", zipped(entry(b"a", one, said=400)), 0),
            ("wrong sum", zipped(entry(b"a", one, crc=1)), 0),
            ("one many times", zipped(entry(b"a", one), repeat=60000), 1),
            ("the same name", zipped(*[entry(b"a", one)] * 50), 1),
            ("names", zipped(*(entry(n, one) for n in (
                b"/etc/x", b"../../x", b"..\\..\\x", b"C:\\x", b"a\0b",
                b"\xff\xfe", b"x" * 60000, b"", b"/", b"-rf", b"$(id)",
                b"<img src=x onerror=alert(1)>"))), 1)):
        got = upload(web, body)
        assert got.status in (200, 400, 422), (what, got)
        assert got.json["stored"] <= most, (what, got)
        assert b"root:" not in got.body
        assert "<" not in (got.header("Content-Type") or "")
    new = _attack.files_below(outside) - before
    objects = [f for f in new if f.startswith(
        os.path.join(server.data, "objects"))]
    assert len(objects) <= 1 and files + len(objects) == len(
        [f for f in before | new if f.endswith(".dcm")]), new
    for path in new - set(objects):
        assert os.path.dirname(path) == server.data or \
            "quarantine" in path or "stderr" in path, path


def t_row_b5_two_things_at_once():
    """A preamble that is a program, an archive or a page does not stay."""
    server = portal()
    web = login(server, "root")
    one = bytearray(image())
    for i, head in enumerate((b"MZ\x90\0", b"\x7fELF\2\1\1", b"#!/bin/sh\n",
                              b"{\"a\":1}", b"<script>alert(1)</script>",
                              b"%PDF-1.7", b"GIF89a", b"II*\0\x08\0\0\0")):
        two = bytearray(one)
        two[:128] = head.ljust(128, b"\x90")
        at = two.index(b"1.2.840.10008.5.1.4.1.1.2\0")
        assert at > 0
        uid = sample.uid("instance", "u", 1, 1).encode()
        new = uid[:-2] + b"%02d" % i
        got = upload(web, bytes(two.replace(uid, new)))
        equal((got.status, got.json["stored"]), (200, 1), (head, got))
    path = f"/api/v1/studies/{sample.uid('study', 'u')}/archive"
    got = web.get(path)
    equal(got.status, 200)
    equal(got.header("X-Content-Type-Options"), "nosniff")
    assert got.header("Content-Disposition").startswith("attachment")
    with zipfile.ZipFile(io.BytesIO(got.body)) as z:
        assert len(z.namelist()) >= 8, z.namelist()
        for name in z.namelist():
            equal(z.read(name)[:132], bytes(128) + b"DICM", name)
            assert re.fullmatch(r"[A-Za-z0-9 ._/-]+", name), name


def t_row_b6_nothing_but_images():
    """Programs and pages are refused, and nothing of them stays."""
    server = portal()
    web = login(server, "root")
    before = _attack.files_below(server.data)
    for data in (b"<?php system($_GET['c']); ?>", b"MZ" + bytes(999),
                 b"\x7fELF" + bytes(99), b"#!/bin/sh\nid\n",
                 b"<html><script>alert(1)</script>", b"<svg onload=alert(1)>",
                 b"GIF89a<?php", b"\xca\xfe\xba\xbe" + bytes(50)):
        for kind in (RAW, b"text/html", b"application/dicom", b"image/svg+xml"):
            equal(upload(web, data, kind).status, 422, data)
    new = _attack.files_below(server.data) - before
    assert not [p for p in new if "fileroom.db" not in p], new


def t_row_c2_no_commands():
    """The program cannot hand a text to a shell: it has no way to."""
    if not shutil.which("nm"):
        raise Skip("nm is not installed")
    out = subprocess.run(
        ["nm", "-D", "--undefined-only", portal().program],
        capture_output=True, text=True, check=True).stdout
    names = {line.split()[-1].partition("@")[0]
             for line in out.splitlines() if line.strip()}
    assert "malloc" in names or "calloc" in names, sorted(names)[:20]
    bad = {n for n in names if re.fullmatch(
        r"system|popen|wordexp|v?fork|exec[lv]\w*|posix_spawnp|dlopen", n)}
    equal(bad, set())


def t_row_c4_xml():
    """There is no reader of XML: no entity of it reaches a file."""
    web = login(portal(), "root")
    bomb = b"<!ENTITY a0 \"x\">" + b"".join(
        b"<!ENTITY a%d \"%s\">" % (i, b"&a%d;" % (i - 1) * 9)
        for i in range(1, 9))
    for body in (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM '
                 b'"file:///etc/passwd">]><a>&x;</a>',
                 b"<!DOCTYPE a [" + bomb + b"]><a>&a8;</a>"):
        for kind in (b"application/dicom+xml", b"text/xml", b"application/xml",
                     b"multipart/related; type=\"application/dicom+xml\"; "
                     b"boundary=b", b"application/json", RAW):
            for method, path in ((b"POST", b"/api/v1/uploads"),
                                 (b"PATCH", b"/api/v1/account")):
                with Steady(web) as link:
                    got = link.ask(method, path, body, kind)
                assert got.status in (400, 415, 422), (path, kind, got)
                assert b"root:" not in got.body


def memory_kb(server):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))


def t_row_a6_depth():
    """Nested to a depth no reader by recursion survives."""
    web = login(portal(), "root")
    with Steady(web) as link:
        for n in (1, 33, 1000, 16000):
            for body in (b"[" * n, b'{"a":' * n, b'{"phone":' + b"[" * n,
                         b'{"phone":' + b"[" * n + b"]" * n + b"}",
                         b'{"a":' * n + b"1" + b"}" * n):
                got = link.ask(b"PATCH", b"/api/v1/account", body[:65000],
                               b"application/json")
                equal(got.status, 400, (n, body[:20]))
    head = b"\0" * 128 + b"DICM"
    meta = dicom.dataset([(0x00020010, "UI", dicom.EXPLICIT_LITTLE)])
    for depth in (65, 1000, 100000) + ((3000000,) if SOAK else ()):
        for defined in (False, True):
            if defined and depth > 100000:
                continue
            body = head + dicom.dataset(
                [(0x00020000, "UL", struct.pack("<I", len(meta)))]) + meta \
                + _attack.head("1.2.63.1") + _attack.nested(depth, defined)
            got = upload(web, body)
            equal((got.status, got.code), (422, "refused"), (depth, got))
            got = upload(web, zipped(entry(b"a", body)))
            equal((got.status, got.code), (422, "refused"), (depth, got))


def t_row_a8_bombs():
    """Little that becomes much."""
    server = portal()
    web = login(server, "root")
    head = b"\0" * 128 + b"DICM"
    meta = dicom.dataset([(0x00020010, "UI", dicom.DEFLATED)])
    meta = dicom.dataset([(0x00020000, "UL", struct.pack("<I", len(meta)))]) \
        + meta
    size = (512 if SOAK else 100) << 20
    bomb = head + meta + _attack.deflate(
        _attack.head("1.2.64.1") + struct.pack(
            "<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size) + bytes(size))
    assert len(bomb) < 1 << 20
    before = memory_kb(server)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a", bomb)
        z.writestr("b", bytes(size))
    for body in (bomb, out.getvalue()):
        got = upload(web, body)
        equal((got.status, got.json["stored"]), (422, 0), got)
    # A body is taken as it is, never inflated by what its head says.
    packed = gzip.compress(b'{"phone":"' + b"1" * 100 + b'"}')
    for coding in ("gzip", "deflate", "br", "gzip, gzip", "x"):
        for method, path, body in (
                ("PATCH", "/api/v1/account", packed),
                ("POST", "/api/v1/uploads", gzip.compress(image()))):
            got = web.ask(method, path, body, {
                "Content-Encoding": coding,
                "Content-Type": "application/json" if method == "PATCH"
                else RAW.decode()})
            equal((got.status, got.code), (415, "coding"), (coding, got))
    equal(web.patch("/api/v1/account", {"phone": "1"}, headers={
        "Content-Encoding": "identity"}).status, 200)
    grown = memory_kb(server) - before
    assert grown < (400 if _attack.sanitized() else 80) << 10, grown


def t_row_c6_character_sets():
    """What is no text of any character set comes out as UTF-8."""
    server = portal()
    web = login(server, "root")
    texts = (b"\xff\xfe\xfd", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80",
             b"\x1b$B", b"\x1b$B;3ED", b"\x1b(Ia\x1b", b"\x81\x5c\x95\x5c",
             b"\xa1^\xa1=", b"\x0e\x0f\x1b%/@", b"a\x00b", b"\xe2\x80\xae" * 9,
             b"\x1b$)C\xb1", b"\x00\x80\xff")
    sets = ("", "ISO_IR 100", "ISO_IR 192", "GB18030", "GBK", "ISO_IR 13",
            "\\ISO 2022 IR 87", "ISO 2022 IR 6\\ISO 2022 IR 149",
            "\\ISO 2022 IR 58", "NO_SUCH_SET", "\\".join(["ISO_IR 100"] * 20))
    with dicom.Association(server.dicom_port, [
            (dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
        for i, name in enumerate(sets):
            for k, text in enumerate(texts):
                uid = f"1.2.65.{i}.{k}"
                equal(a.store(dicom.CT, uid, dicom.dataset([
                    (0x00080005, "CS", name), (0x00080016, "UI", dicom.CT),
                    (0x00080018, "UI", uid), (0x00081030, "LO", text),
                    (0x00100010, "PN", text), (0x00100020, "LO", text),
                    (0x0020000D, "UI", f"1.2.66.{i}.{k}"),
                    (0x0020000E, "UI", f"1.2.67.{i}.{k}")])), 0)
    for what in ("patients", "studies", "series"):
        seen, after = 0, ""
        while True:
            got = web.get(f"/api/v1/{what}?limit=100&next="
                          + urllib.parse.quote(after, safe=""))
            equal(got.status, 200, got)
            got.body.decode("utf-8")
            assert b"\0" not in got.body and b"\x1b" not in got.body
            seen += len(got.json[what])
            after = got.json["next"]
            if not after:
                break
        assert what == "patients" or seen >= len(sets) * len(texts), (
            what, seen)
    for text in ("%ff", "%c0%af", "%ed%a0%80", "%00", "%", "%4", "%zz",
                 "%f5%80%80%80"):
        for path in (f"/api/v1/studies?patient_name={text}",
                     f"/api/v1/studies/{text}", f"/api/v1/users/{text}",
                     f"/api/v1/studies?{text}=1"):
            equal(web.get(path).status, 400, path)


def t_row_b7_what_others_may_read():
    """Nobody but the server's user reads anything; a password is a hash that
    costs what it should, and one bit of it decides."""
    server = portal()
    for at, folders, files in os.walk(server.data):
        for name in folders + files:
            mode = os.lstat(os.path.join(at, name)).st_mode
            assert stat.S_IMODE(mode) & 0o077 == 0, (at, name, oct(mode))
    equal(stat.S_IMODE(os.stat(server.data).st_mode), 0o700)
    import sqlite3
    with sqlite3.connect(os.path.join(server.data, "fileroom.db"),
                         timeout=120) as db:
        for hash_, in db.execute("select hash from user"):
            assert hash_.startswith("$argon2id$v=19$m=65536,t=3,p=1$"), hash_
    root = login(server, "root")
    # As CVE-2025-2265: what stands behind a zero, or is too long, counts.
    passwords = (("\U0001f600" * 1024, "\U0001f600" * 1024 + "x"),
                 ("x" * 1024, "x" * 1023), ("abcdefgh\x01i", "abcdefgh\x01j"))
    for i, (good, wrong) in enumerate(passwords if SOAK else passwords[:1]):
        add_user(server, f"u{i}", password=good)
        web = Http(server, X_Forwarded_For=f"198.51.100.{i + 1}",
                   X_Forwarded_Proto="https")
        form = {"Content-Type": "application/x-www-form-urlencoded"}

        def enter(password):
            return web.post("/login", urllib.parse.urlencode({
                "username": f"u{i}", "password": password}).encode(),
                headers=form).status

        assert enter(wrong) in (400, 401), i
        equal(enter(good), 303)
        equal(root.delete(f"/api/v1/users/u{i}").status, 204)


def t_row_d7_no_secret_in_the_log():
    """With all that is ever written to it: the end of the server looks for
    everything secret that was sent or came back (harness/server)."""
    server = users(**{"token_days": "-1", "trusted_proxies": "127.0.0.1"})
    with server:
        server.verb("settings", "set", "dicom.debug", "true")
        with tempfile.TemporaryDirectory() as folder:
            sample.study(folder, count=1, study="1")
            server.verb("import", folder)
        root = login(server, "root")
        wait_for(lambda: root.get("/healthz") and "/healthz" in server.log(),
                 what="the log says all")
        uid = sample.uid("study", "1")
        link = root.get(f"/api/v1/studies/{uid}/token").json["token"]
        for path in ("/token?", "/token/archive?", "/token/archive?x&", "/?",
                     "/login?", "/assets/x?", "/nothing?", "/reset?",
                     "/setup?", "/token/study?", "/api/v1/studies?x="):
            Http(server).get(path + link)
        Http(server).get("/nothing", headers={"Referer": "http://x/?" + link})
        key = root.post("/api/v1/account/keys", {"name": "k"}).json["key"]
        for headers in ({"Authorization": "Bearer " + key}, basic(
                "root", PASSWORD), {"Authorization": "Bearer " + key + "x"},
                {"Authorization": "Negotiate " + key}):
            Http(server).get("/api/v1/session", headers=headers)
        new = "a password of its own"
        reset = root.post("/api/v1/users/eva/reset").json["url"]
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        Http(server).post("/reset", urllib.parse.urlencode({
            "token": reset.partition("?")[2], "password": new}).encode(),
            headers=form)
        eva = login(server, "eva", new)
        eva.post("/api/v1/account/second_factor")
        eva.put("/api/v1/account/password", {
            "password": new, "new": new + " and more"})
        eva.ask("POST", "/api/v1/session",
                b'{"username":"eva","password":"' + PASSWORD.encode() + b'"',
                {"Content-Type": "application/json"})
        # What was never meant to be a name.
        root.post("/api/v1/session", {"username": new, "password": new})
        log = server.log()
        assert "Authorization" not in log and "fileroom=" not in log
        rows = root.get("/api/v1/activity?when=all").json["activity"]
        told = str(rows) + str([root.get(
            f"/api/v1/activity/{r['id']}").json for r in rows])
        for secret in (link, key, PASSWORD, reset.partition("?")[2],
                       root.cookies["fileroom"], root.csrf):
            assert secret not in told, secret


def t_the_server_is_in_its_senses():
    """The last: nothing of all that stays but in answers."""
    server = world.pop("server")
    with server:
        equal(Http(server).get("/readyz").status, 200)
        server.verb("check")


if __name__ == "__main__":
    sys.exit(main())
