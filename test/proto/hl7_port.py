"""The HL7 port: framing as it comes in the field, acknowledgements, batches,
who may send, TLS, and what is no HL7 at all."""

import os
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import tls
from harness.mllp import (END, START, Mllp, code, fields, fill, frame, items,
                          journal, order)
from harness.runner import equal, main, raises
from harness.server import Server, free_port, open_files, wait_for

TSAN = True


def serve(**settings):
    return Server(settings={"hl7.port": "auto", **{
        "hl7." + key: value for key, value in settings.items()}})


def outcomes(server):
    return [row["outcome"] for row in journal(server)]


def t_order():
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            ack = c.ask(order("1", placer="4711", name="MÜLLER^EVA"))
        msh, msa = fields(ack, "MSH"), fields(ack, "MSA")
        equal(msa[1:3], ["AA", "1"])
        equal(msh[2:6], ["FILEROOM", "RAD", "HIS", "CLINIC"])
        equal(msh[8], "ACK^O01^ACK")
        assert ack.endswith(b"\r"), ack
        (item,) = items(server)
        equal(item["AccessionNumber"], "4711")
        equal(item["PatientName"], "MÜLLER^EVA")
        (entry,) = journal(server)
        equal((entry["outcome"], entry["type"], entry["control"],
               entry["source"]), ("applied", "ORM^O01", "1", "127.0.0.1"))
        equal(bytes(entry["raw"]), order("1", placer="4711",
                                         name="MÜLLER^EVA"))


def t_ready_line():
    with serve() as server:
        equal(list(server.ports), ["dicom", "hl7"])
    with serve(port="0") as server:
        equal(list(server.ports), ["dicom"])


def t_framings():
    """Each deviation gives its message one AA."""
    m = order
    ways = {
        "no CR": START + m("1") + b"\x1c",
        "CR LF": START + m("2") + b"\x1c\r\n",
        "LF": START + m("3") + b"\x1c\n",
        "NULs between": b"\0\0" + frame(m("4")) + b"\0\0\r\n ",
        "two start blocks": START + frame(m("5")),
        "LF segments": frame(m("6").replace(b"\r", b"\n")),
        "CRLF segments": frame(m("7").replace(b"\r", b"\r\n")),
        "mark": frame(b"\xef\xbb\xbf" + m("8")),
        "UTF-16": frame(m("9").decode().encode("utf-16")),
        "last segment open": frame(m("10").rstrip(b"\r")),
        "no start block": m("11") + b"\x1c\r",
        "blank line": m("12") + b"\r",
        "keep-alive": START + END + frame(m("13")),
    }
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            for n, (name, sent) in enumerate(ways.items(), 1):
                c.send(sent)
                equal(fields(c.receive(), "MSA")[1:3], ["AA", str(n)], name)
        equal(len(items(server)), len(ways))
        equal(set(outcomes(server)), {"applied"})


def t_rubbish_before_a_frame():
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            c.send(b"starting up...\r\n" + frame(order("1")))
            equal(code(c.receive()), "AA")
            c.send(frame(order("2")))
            equal(code(c.receive()), "AA")
        equal(outcomes(server), ["rejected", "applied", "applied"])


def t_start_within_a_message():
    """The first is given up, and its sender told so, the second taken."""
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            c.send(START + order("1")[:120] + frame(order("2")))
            equal(fields(c.receive(), "MSA")[1:3], ["AR", "1"])
            equal(fields(c.receive(), "MSA")[1:3], ["AA", "2"])
        equal(outcomes(server), ["rejected", "applied"])


def t_half_close():
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            c.send(START + order("1"))
            c.half_close()
            equal(fields(c.receive(), "MSA")[1:3], ["AA", "1"])
            equal(c.receive(), None)
        with Mllp(server.hl7_port) as c:
            c.send(order("2"))
            c.half_close()
            equal(fields(c.receive(), "MSA")[1:3], ["AA", "2"])
        with Mllp(server.hl7_port) as c:
            c.send(START + b"no message")
            c.half_close()
            equal(c.receive(), None)
        equal(outcomes(server), ["applied", "applied", "rejected"])
        equal(len(items(server)), 2)


def t_cut_anywhere():
    """Two messages, cut at each byte."""
    sent = frame(order("1")) + frame(order("2"))
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            for at in range(1, len(sent)):
                c.send(sent[:at])
                c.send(sent[at:])
                equal(fields(c.receive(), "MSA")[1:3], ["AA", "1"])
                equal(fields(c.receive(), "MSA")[1:3], ["AA", "2"])
        with Mllp(server.hl7_port) as c:
            for i in range(len(sent)):
                c.send(sent[i:i + 1])
            equal(code(c.receive()), "AA")
            equal(code(c.receive()), "AA")
        equal(len(items(server)), 2)


def t_thousand_in_one_write():
    n = 1000
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            c.send(b"".join(frame(order(str(i))) for i in range(n)))
            for i in range(n):
                equal(fields(c.receive(), "MSA")[1:3], ["AA", str(i)])
        equal([i["AccessionNumber"] for i in items(server)],
              [f"A{i}" for i in range(n)])


def t_batch():
    """FHS, BHS: the messages one by one; more than fit one commit."""
    n = 600
    wrapped = (b"FHS|^~\\&|HIS\rBHS|^~\\&|HIS\r"
               + b"".join(order(str(i)) for i in range(n))
               + b"BTS|600\rFTS|1\r")
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            c.send(frame(wrapped))
            for i in range(n):
                equal(fields(c.receive(), "MSA")[1:3], ["AA", str(i)])
        equal(len(items(server)), n)


def t_order_of_answers():
    """Good, bad and unreadable ones in one write."""
    bad = order("2").replace(b"PID|||P1", b"PID|||")
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            c.send(frame(order("1")) + frame(bad) + frame(b"rubbish")
                   + frame(order("3", kind="XYZ^Z01"))
                   + frame(order("4")))
            got = [tuple(fields(c.receive(), "MSA")[1:3])
                   for _ in range(4)]
        equal(got, [("AA", "1"), ("AE", "2"), ("AR", "3"), ("AA", "4")])
        equal(outcomes(server), ["applied", "refused", "rejected",
                                 "rejected", "applied"])
        entries = journal(server)
        equal([e["control"] for e in entries], ["1", "2", "", "3", "4"])
        for e in entries:
            equal(e["reason"] == "", e["outcome"] == "applied")


def t_repeated():
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            for _ in range(3):
                equal(code(c.ask(order("1"))), "AA")
            c.send(frame(order("2")) * 3)
            for _ in range(3):
                equal(code(c.receive()), "AA")
        equal(len(items(server)), 2)
        equal(outcomes(server), ["applied", "repeated", "repeated"] * 2)


def t_enhanced_mode():
    def codes(ack, sent=None):
        c.send(frame(sent or order("1", ack=ack)) + frame(order("9")))
        got = []
        while True:
            a = fields(c.receive(), "MSA")
            if a[2] == "9":
                return got
            got.append(a[1])

    with serve() as server:
        with Mllp(server.hl7_port) as c:
            equal(codes("AL|NE"), ["CA"])
            equal(codes("NE|AL"), ["AA"])
            equal(codes("AL|AL"), ["CA", "AA"])
            equal(codes("NE|NE"), [])
            equal(codes("ER|ER"), [])
            equal(codes("ER|ER", order("1", ack="ER|ER", kind="XYZ^Z01")),
                  ["CR", "AR"])


def t_no_acknowledgements():
    with serve(send_ack="false") as server:
        with Mllp(server.hl7_port) as c:
            c.send(frame(order("1")) + b"\x10nobody\r")
            equal(c.socket.recv(100), b"\x10\r")
        equal(len(items(server)), 1)


def t_answers_get_none():
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            c.send(frame(b"MSH|^~\\&|A|B|C|D|2026||ACK|1|P|2.3\rMSA|AA|7\r"))
            equal(fields(c.ask(order("2")), "MSA")[2], "2")


def t_charsets():
    with serve(charset="8859/1") as server:
        with Mllp(server.hl7_port) as c:
            c.ask(order("1", name="MÜLLER^EVA").decode().encode("latin-1"))
            c.ask(order("2", name="Ωμέγα", charset="8859/7")
                  .decode().encode("iso8859-7"))
            c.ask(order("3", name="山田^太郎", charset="UNICODE UTF-8"))
            c.ask(order("4", name="ソ連^能", charset="ISO IR14")
                  .decode().encode("cp932"))
        equal([i["PatientName"] for i in items(server)],
              ["MÜLLER^EVA", "Ωμέγα", "山田^太郎", "ソ連^能"])


def refused(server):
    return server.verb("node", "refused")


def quiet_end(port, sent, host="127.0.0.1"):
    """What comes back before the server closes."""
    with Mllp(port, host) as c:
        c.send(sent)
        return c.rest()


def t_other_protocols():
    with serve() as server:
        answer = quiet_end(server.hl7_port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ") and b"MLLP" in answer
        equal(quiet_end(server.hl7_port, b"\1\0\0\0\0\xcd" + bytes(205)), b"")
        equal(quiet_end(server.hl7_port, b"x" * 5000), b"")
        raises(OSError, tls.context().wrap_socket,
               socket.create_connection(("127.0.0.1", server.hl7_port), 120))
        server.wait_log("hl7.tls is false")
        wait_for(lambda: refused(server).count(" to HL7: ") == 4)
        text = refused(server)
        for words in ("an HTTP request came to the HL7 port",
                      "DICOM came to the HL7 port",
                      "no HL7 message begins within 4096 bytes",
                      "hl7.tls is false"):
            assert words in text, text
        equal(journal(server), [])


def t_too_large():
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            head = order("7")
            threading.Thread(target=c.push, daemon=True, args=(
                START + head + b"NTE|" + b"x" * (33 << 20),)).start()
            equal(fields(c.receive(), "MSA")[1:3], ["AR", "7"])
            equal(c.receive(), None)
        (entry,) = journal(server)
        equal(entry["outcome"], "rejected")
        equal(bytes(entry["raw"])[:len(head)], head)
        assert len(entry["raw"]) <= 65536
        with Mllp(server.hl7_port) as c:
            equal(code(c.ask(order("8"))), "AA")


def t_large_report():
    """What is large is not too large: 8 MiB of a PDF."""
    report = (order("1", kind="ORU^R01").replace(b"ORC|", b"ZZZ|")
              + b"OBX|1|ED|PDF||^application^pdf^Base64^"
              + b"QUJD" * (2 << 20) + b"\r")
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            c.send(frame(report) + frame(order("2")))
            equal(fields(c.receive(), "MSA")[2], "1")
            equal(fields(c.receive(), "MSA")[1:3], ["AA", "2"])
        equal(len(journal(server)[0]["raw"]), len(report))


def t_tls():
    with serve(tls="true") as server:
        context = tls.context()
        with Mllp(server.hl7_port, tls=context) as c:
            equal(code(c.ask(order("1"))), "AA")
            c.send(b"".join(frame(order(str(i))) for i in range(500)))
            for i in range(500):
                equal(fields(c.receive(), "MSA")[1:3], ["AA", str(i)])
        # Those that do not begin so go on as before.
        with Mllp(server.hl7_port) as c:
            equal(code(c.ask(order("501"))), "AA")
        equal(len(items(server)), 501)
        answer = quiet_end(server.hl7_port, b"\x16" + b"x" * 300)
        assert b"\x15\x03" in answer[:2] or answer == b"", answer
        with Mllp(server.hl7_port, tls=context) as c:
            c.send(b"GET / HTTP/1.0\r\n\r\n")
            assert b"400" in c.rest()


def t_tls_may_be_switched():
    with serve() as server:
        def speaks_tls():
            try:
                with Mllp(server.hl7_port, tls=tls.context()) as c:
                    return code(c.ask(order("1"))) == "AA"
            except OSError:
                return False

        del server.settings["hl7.port"]
        server.stop()
        port = free_port()
        server.settings["hl7.port"] = str(port)
        server.start()
        assert not speaks_tls()
        server.verb("settings", "set", "hl7.tls", "true")
        wait_for(speaks_tls)
        server.verb("settings", "set", "hl7.tls", "false")
        wait_for(lambda: not speaks_tls())


def t_port_follows_the_setting():
    with Server(settings={"hl7.port": None}, start=False) as server:
        server.verb("settings", "set", "hl7.port", "0")
        server.verb("settings", "set", "hl7.bind", "127.0.0.1")
        server.start()
        equal(list(server.ports), ["dicom"])
        server.verb("settings", "set", "hl7.port", "auto")
        server.wait_log("HL7 listens on 127.0.0.1:")
        line = [x for x in server.log().splitlines()
                if "HL7 listens" in x][-1]
        port = int(line.split("127.0.0.1:")[1].split()[0])
        with Mllp(port) as c:
            equal(code(c.ask(order("1"))), "AA")
            server.verb("settings", "set", "hl7.port", "0")
            server.wait_log("HL7 listens on no port now")
            # What stands, stands.
            equal(code(c.ask(order("2"))), "AA")
        raises(ConnectionRefusedError, Mllp, port)


def t_mapping_of_the_sender():
    """Taken up without a restart; the most telling one counts."""
    with serve() as server:
        server.verb("hl7", "mapping", "preset", "ihe-orm", "--for", "IHE")
        with Mllp(server.hl7_port) as c:
            c.ask(order("1", placer="P1", app="IHE"))
            c.ask(order("2", placer="P2"))
            got = {i["PlacerOrderNumber"] or i["AccessionNumber"]:
                   i["AccessionNumber"] for i in items(server)}
            # OBR-18 there, ORC-2 here.
            equal(got, {"P1": "CT", "P2": "P2"})
            server.verb("hl7", "mapping", "preset", "ihe-orm")
            c.ask(order("3", placer="P3"))
        equal(items(server)[-1]["AccessionNumber"], "CT")


def t_activity():
    with serve() as server:
        with Mllp(server.hl7_port) as c:
            c.ask(order("1"))
            c.ask(order("2", kind="XYZ^Z01"))
            c.send(b"\x10nobody\r")
            equal(c.socket.recv(10), b"\x10\r")
        with Mllp(server.hl7_port):
            pass
        wait_for(lambda: "hl7" in server.verb("activity", "list", "--all"))
        (line,) = server.verb("activity", "list", "--all").splitlines()
        assert "HIS 127.0.0.1 > CLINIC" in line, line
        assert " stores=2 failed=1 finds=1 " in line, line
        # Of patients nothing is logged.
        assert "DOE" not in server.log()


def t_idle_connections_cost_nothing():
    count = 5000
    open_files(count + 200)
    with serve() as server:
        threads = len(os.listdir(f"/proc/{server.pid}/task"))
        before = resident(server)
        held = [Mllp(server.hl7_port) for _ in range(count)]
        for c in held[:1000]:
            c.send(frame(order("1")))
        for c in held[:1000]:
            equal(code(c.receive()), "AA")
        started = time.monotonic()
        with Mllp(server.hl7_port) as c:
            equal(code(c.ask(order("2"))), "AA")
        # A thread for each would have let it wait for theirs to give up.
        assert time.monotonic() - started < 20
        wait_for(lambda: len(os.listdir(f"/proc/{server.pid}/task"))
                 < threads + 70)
        # Some KiB each, and the stacks of the workers that were busy; a stack
        # each is several times that. Sanitizers keep memory back, and want
        # more of it.
        if not re.search("asan|tsan", os.path.realpath(server.program)):
            assert resident(server) - before < 24 << 10, resident(server)
        for c in held:
            c.socket.close()


def resident(server):
    """In KiB."""
    with open(f"/proc/{server.pid}/status", encoding="ascii") as f:
        return int(f.read().split("VmRSS:")[1].split()[0])


def t_who_does_not_read():
    """Sends and never takes an answer: the others go on, a stop ends it."""
    with serve() as server:
        with Mllp(server.hl7_port) as stubborn:
            fill(stubborn.socket, b"".join(
                frame(order(str(i))) for i in range(1000)), 2)
            with Mllp(server.hl7_port) as c:
                equal(code(c.ask(order("x"))), "AA")


def t_stop_in_the_middle():
    """What was acknowledged before the stop is there after it."""
    with serve() as server:
        got = []
        with Mllp(server.hl7_port) as c:
            done = threading.Event()

            def sender():
                try:
                    for i in range(100000):
                        ack = c.ask(order(str(i)))
                        if ack is None:
                            return
                        got.append(fields(ack, "MSA")[2])
                except OSError:
                    pass
                finally:
                    done.set()

            threading.Thread(target=sender, daemon=True).start()
            wait_for(lambda: len(got) > 50)
            server.stop()
            assert done.wait(60)
        server.start()
        there = {i["AccessionNumber"] for i in items(server)}
        assert {"A" + i for i in got} <= there


if __name__ == "__main__":
    sys.exit(main())
