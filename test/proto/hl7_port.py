"""The HL7 port: framing as it comes in the field, acknowledgements, batches,
who may send, TLS, and what is no HL7 at all."""

import os
import socket
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import tls
from harness.mllp import (END, START, Mllp, code, fields, frame, items,
                          journal, order, rows)
from harness.runner import equal, main, raises
from harness.server import Server, wait_for

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


if __name__ == "__main__":
    sys.exit(main())
