"""The HL7 port (rows A1, A4, A6, A7, B2, C1, C4, C5, E2, E5): what is
malformed, huge or hostile, and the server that goes on."""

import os
import random
import re
import select
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), HERE]

import _attack
from harness.mllp import (END, START, Mllp, code, fields, frame, items,
                          journal, order, rows)
from harness.runner import equal, main
from harness.server import Server, wait_for

LENGTHS = (0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 4095, 65535, 65536,
           1 << 20)


def serve():
    return Server(settings={"hl7.port": "auto"})


def good(server, control="good"):
    """An order is taken: the server lives and is in its senses."""
    with Mllp(server.hl7_port) as c:
        equal(fields(c.ask(order(control)), "MSA")[1:3], ["AA", control])


def survives(server, *wire):
    """Sends, whatever comes of it; then the server must live."""
    with Mllp(server.hl7_port) as c:
        try:
            for w in wire:
                c.send(w)
            c.half_close()
            return c.rest()
        except OSError:
            return c.left


def t_A4_malformed_messages():
    """CVE-2025-53948: a malformed message freed twice what was one. Messages
    of every kind, changed at random, many on a connection."""
    rng = random.Random(4)
    more = ["NTE|1||a\\F\\b\\X0D\\c", "ZDS|1.2.3^App^^DICOM",
            "OBX|1|ED|P||^a^b^Base64^QUJD", "MRG|2^^^X",
            "TQ1|||||||202601020800||S", "IPC|A|R|1.2|S|CT|C^D||ST|AE",
            "SCH|1|2|||||||||^^^202601020800", "AIS|1||CT^HEAD"]
    kinds = ("ORM^O01", "OMG^O19", "OMI^O23", "SIU^S12", "SIU^S15",
             "ADT^A08", "ADT^A40", "ADT^A37", "ORU^R01", "ACK", "", "X")
    special = b"|^~\\&\r\n\0\x0b\x1c\x10MSHPIDOBR\"0123456789\xff\xc3\xe0\x1b"
    with serve() as server:
        for round_ in range(30 if _attack.sanitized() else 300):
            wire = bytearray()
            for i in range(40):
                m = bytearray(order(
                    f"{round_}.{i}", kind=rng.choice(kinds),
                    ack=rng.choice(("", "AL|AL", "ER|NE")),
                    charset=rng.choice(("", "8859/7", "ISO IR87", "GBK",
                                        "UNICODE UTF-16", "nonsense")),
                    version=rng.choice(("2.1", "2.3", "2.5.1", "9", "")),
                    more=rng.sample(more, rng.randrange(len(more)))))
                for _ in range(rng.choice((0, 1, 1, 3, 20))):
                    at = rng.randrange(len(m))
                    what = rng.randrange(4)
                    if what == 0:
                        m[at] = rng.choice(special)
                    elif what == 1:
                        del m[at:at + rng.randrange(30)]
                    elif what == 2:
                        m[at:at] = m[at:at + rng.randrange(200)]
                    else:
                        m[at:at] = bytes(rng.choices(special, k=5))
                    if not m:
                        m = bytearray(b"M")
                wire += frame(bytes(m))
            survives(server, bytes(wire))
            if round_ % 10 == 0:
                good(server, f"good{round_}")
        good(server)


def t_A1_field_lengths():
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            for n in LENGTHS:
                x = "x" * n
                for at, sent in enumerate((
                        order(x or "0", placer=f"a{n}"),
                        order(f"b{n}", app=x), order(f"c{n}", name=x),
                        order(f"d{n}", patient=x or "P"),
                        order(f"e{n}", placer=x or "A"),
                        order(f"f{n}", kind="ORM^" + x),
                        order(f"g{n}", charset=x),
                        order(f"h{n}", version=x),
                        order(f"i{n}", more=[x, "Z" + x, "ZZZ|" + x]))):
                    ack = c.ask(sent)
                    assert re.fullmatch("A[AER]", code(ack)), (n, at)
        good(server)


def t_A6_nesting_is_flat():
    """Components, subcomponents and escapes without end."""
    deep = "&".join("^".join("~" * 50 for _ in range(20)) for _ in range(50))
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            for name in (deep, "&" * 500000, "^" * 500000, "~" * 500000,
                         "\\" * 500001, "\\X" + "41" * 200000 + "\\",
                         "\\E\\" * 100000, "\\.sp 999999999\\",
                         "\\C2D46\\" * 1000, "\\F"):
                assert code(c.ask(order("1", name=name))) in ("AA", "AE",
                                                              "AR")
        good(server)


def t_A7_promises_cost_nothing():
    """Unfinished frames take what has come, not what may come."""
    with serve() as server:
        good(server)
        before = _attack.rss_kib(server)
        held = [Mllp(server.hl7_port) for _ in range(1000)]
        for c in held:
            c.send(START + b"MSH|^~\\&|" + b"9" * 30)
        survives(server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        good(server)
        if not _attack.sanitized():
            assert _attack.rss_kib(server) - before < 16 << 10
        for c in held:
            c.socket.close()


def t_B2_no_file_is_named_by_a_message():
    names = ("../../x", "/etc/x", "a\\X00\\b", "CON", "..\\..\\x", "~/x")
    with serve() as server:
        good(server)
        before = _attack.files_below(server.data)
        with Mllp(server.hl7_port) as c:
            for name in names:
                c.ask(order(name, placer=name, patient=name, app=name))
        after = _attack.files_below(server.data)
        equal({p for p in after - before if "fileroom.db" not in p}, set())


def t_C1_no_sql():
    nasty = ("' OR 1=1 --", "'; DROP TABLE item; --", "%", "_", "*", "?",
             "\"", "a\\X00\\b", "1) UNION SELECT 1 --", "$(id)", "{{7*7}}")
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            for i, text in enumerate(nasty):
                # Twice: as it comes, and looked up.
                for again in range(2):
                    ack = c.ask(order(f"{i}.{again}", placer=text,
                                      patient=text, name=text, app=text))
                    assert code(ack) in ("AA", "AE"), ack
                c.send(b"\x10" + text.encode() + b"\r")
                equal(c.socket.recv(100), b"\x10\r")
        equal(len(items(server)), len(nasty))
        assert "' OR 1=1 --" in {i["PatientID"] for i in items(server)}
        good(server)


def t_C4_xml_is_refused():
    bomb = (b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM '
            b'"file:///etc/passwd">]><ORM_O01>&a;</ORM_O01>')
    with serve() as server:
        survives(server, frame(bomb))
        (entry,) = journal(server)
        equal((entry["outcome"], bytes(entry["raw"])), ("rejected", bomb))
        good(server)


def t_C5_nothing_is_forged():
    """Escaped line breaks make no segments, in what is kept or answered, and
    no lines in the log."""
    evil = ("x\\X0D\\MSA\\F\\AA\\F\\FORGED\\X0D\\PID\\F\\EVIL",
            "x\\.br\\2026-01-01T00:00:00Z error forged", "\\X0A\\forged",
            "\\X1B\\[31mred", "x\\F\\y\\R\\z")
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            for i, text in enumerate(evil):
                for kind in ("ORM^O01", "XYZ^" + text, text):
                    ack = c.ask(order(text, placer=f"{i}", app=text,
                                      kind=kind))
                    equal(ack.count(b"\rMSA|"), 1)
                    assert all(line[:3] in (b"MSH", b"MSA", b"ERR")
                               for line in ack.split(b"\r")[:-1]), ack
        wait_for(lambda: "refused" in server.log())
        for line in server.log().splitlines():
            assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z (info|warning|error|"
                            r"debug) ", line) or line.startswith(
                                "made a new"), line
            assert "\x1b" not in line
        equal({i["PatientID"] for i in items(server)}, {"P1"})


def closed(s):
    """The server has said something, or closed it."""
    watch = select.poll()
    watch.register(s, select.POLLIN | select.POLLRDHUP)
    return bool(watch.poll(0))


def t_E2_one_byte_a_second():
    """Hundreds of slow senders hold no thread."""
    with serve() as server:
        good(server)
        threads = _attack.threads(server)
        slow = [Mllp(server.hl7_port) for _ in range(500)]
        wire = START + order("1")
        beside = 0
        for at in range(5):
            for c in slow:
                try:
                    c.send(wire[at:at + 1])
                except OSError:
                    pass  # it was too slow already
            good(server, f"g{at}")
            # By a thread for each it would come after some are cut off.
            beside += not any(closed(c.socket) for c in slow)
        assert beside > 0, "it waited for the slow ones"
        assert _attack.threads(server) < threads + 70
        for c in slow:
            c.socket.close()
        good(server)


def push(c, parts):
    try:
        for part in parts:
            c.send(part)
    except OSError:
        pass


def t_E5_endless_message():
    """A gigabyte without an end block."""
    with serve() as server:
        good(server)
        before = _attack.rss_kib(server)
        with Mllp(server.hl7_port) as c:
            thread = threading.Thread(target=push, args=(
                c, [START + order("1")] + [b"x" * (1 << 20)] * 1024))
            thread.start()
            equal(fields(c.receive(), "MSA")[1:3], ["AR", "1"])
            thread.join(300)
            assert not thread.is_alive()
        good(server)
        if not _attack.sanitized():
            assert _attack.rss_kib(server) - before < 200 << 10


def t_E5_many_large_at_once():
    """Unfinished frames of all together are bounded."""
    with serve() as server:
        good(server)
        held = [Mllp(server.hl7_port) for _ in range(16)]
        threads = [threading.Thread(target=push, args=(
            c, [START + order("1")] + [b"x" * (1 << 20)] * 30))
            for c in held]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
            assert not thread.is_alive()
        wait_for(lambda: any("too many large" in e["reason"]
                             for e in journal(server)))
        good(server)
        assert _attack.rss_kib(server) < (2 << 20), _attack.rss_kib(server)
        for c in held:
            c.socket.close()


def entries(server):
    """How many the journal has; with what they hold it would take long."""
    return rows(server, "SELECT count(*) AS n FROM hl7_journal")[0]["n"]


def t_E5_shapes():
    million = b"".join(b"NTE|%d\r" % i for i in range(1000000))
    shapes = {
        "segments": order("1") + million,
        "fields": order("1") + b"ZZZ" + b"|" * 1000000 + b"\r",
        "headers": b"MSH|^~\\&\r" * 20000,
        "delimiters": b"MSHaabcd\rPID" + b"a" * 1000,
        "same": b"MSH|||||\rPID|||1\r",
        "no header": b"PID|||1\r",
        "NULs": order("1").replace(b"|", b"|\0"),
        "all NUL": b"\0" * 10000,
        "mark": b"\xef\xbb\xbf",
        "half UTF-16": b"M\0S\0H",
        "UTF-16 bomb": b"\xff\xfe" + b"\0\xd8" * 100000,
        "shifts": order("1", charset="ISO IR87") + b"NTE|" + b"\x1b$B" * 9999,
    }
    with serve() as server:
        for name, shape in shapes.items():
            before = entries(server)
            survives(server, frame(shape))
            good(server, name)
            assert entries(server) > before + 1, name


if __name__ == "__main__":
    sys.exit(main())
