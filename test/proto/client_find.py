"""Our verb find: what it asks, how it shows answers, and what answers it does not
believe."""

import json
import os
import signal
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.client import (CHARSET, LEVEL, NAME, PATIENT, STUDY, nothing,
                            refused_with, run, started, study)
from harness.dicom import EXPLICIT_LITTLE
from harness.runner import equal, main
from harness.scp import Scp
from harness.server import Server


def answering(*answers, status=0, **more):
    """Answers the first request with these, each a list of elements, bytes,
    or None."""
    seen = []

    def script(a):
        number, values, data = a.read_message()
        seen.append((values, data))
        syntax = a.contexts[number][1]
        for answer in answers:
            if isinstance(answer, list):
                answer = dicom.dataset(answer, syntax)
            a.answer(number, values, 0xFF00, answer)
        a.answer(number, values, status, **more)
    script.seen = seen
    return script


def t_find_table():
    with Scp(answering(study(), study("1.2.4", "Roe^Jane"))) as scp:
        done = run("find", scp.node())
        lines = done.out.splitlines()
        equal(len(lines), 3)
        assert lines[0].startswith("PatientName"), lines
        assert "Doe^John" in lines[1] and "1.2.4" in lines[2], lines
        equal(lines[1].index("1.2.3"), lines[2].index("1.2.4"))
        assert "2 answers" in done.err, done.err


def t_find_keys():
    script = answering()
    with Scp(script, choose=lambda a, s: EXPLICIT_LITTLE) as scp:
        run("find", scp.node(), "PatientName=Doe*", "(0008,0050)=ACC",
            "00100020=7", "Rows=512", "--model", "patient", "--level",
            "study")
        equal(scp.requests[0]["contexts"][0][1], dicom.FIND_PATIENT)
    sent = dicom.parse(script.seen[0][1], EXPLICIT_LITTLE)
    equal(sent[LEVEL], b"STUDY ")
    equal(sent[NAME], b"Doe*")
    equal(sent[0x00080050], b"ACC ")
    equal(sent[PATIENT], b"7 ")
    equal(sent[0x00280010], struct.pack("<H", 512))
    equal(sent[STUDY], b"")
    assert CHARSET not in sent


def t_find_sequence_key():
    script = answering()
    with Scp(script, choose=lambda a, s: EXPLICIT_LITTLE) as scp:
        run("find", scp.node(), "--level", "series", "StudyInstanceUID=1.2",
            "RequestAttributesSequence.ScheduledProcedureStepID=7",
            "RequestAttributesSequence.RequestedProcedureID")
    sent = script.seen[0][1]
    inner = dicom.dataset([(0x00400009, "SH", "7"), (0x00401001, "SH", "")])
    assert dicom.element(
        0x00400275, "SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(inner))
        + inner) in sent, sent


def t_find_wrong_usage():
    for args, why in (
            (["PatientNam=1"], "PatientNam"),
            (["PatientName.PatientID=1"], "no sequence"),
            (["Rows=x"], "VR US"),
            (["StudyDate=2026-01-02"], "'2026-01-02' is not allowed"),
            (["StudyDate=20260102-today"], "ranges as"),
            (["StudyDate=20260230"], "YYYYMMDD"),
            (["StudyTime=8 o'clock"], "HHMMSS"),
            (["RequestAttributesSequence.ScheduledProcedureStepStartDate=x"],
             "YYYYMMDD"),
            (["Rows=70000"], "VR US"),
            (["RequestAttributesSequence=1"], "no value"),
            (["--level", "frame"], "--level"),
            (["--level", "series"], "StudyInstanceUID"),
            (["--level", "patient", "--model", "study"], "no patient level"),
            (["--level", "study", "--model", "patient"], "PatientID"),
            (["--model", "x"], "--model"),
            (["--format", "xml"], "--format"),
            (["--max", "0"], "--max"),
            (["--charset", "ISO_IR 1"], "--charset"),
            (["PatientName=Ä", "--charset", "ISO_IR 101",
              "PatientID=Ж"], "character set")):
        refused_with(why, "find", "A@127.0.0.1:1", *args, expect=2)


def t_find_dates_and_times():
    """All that are some go out as they were written."""
    for key, tag, values in (
            ("StudyDate", 0x00080020, (
                "20260102", "20260101-20260131", "20260101-", "-20260131",
                "2026.01.02", "20260101\\20260102", "2026*", "")),
            ("StudyTime", 0x00080030, (
                "08", "0800-1200", "0800-", "-235959.999999", "08*"))):
        for value in values:
            script = answering()
            with Scp(script, choose=lambda a, s: EXPLICIT_LITTLE) as scp:
                run("find", scp.node(), f"{key}={value}")
            sent = dicom.parse(script.seen[0][1], EXPLICIT_LITTLE)
            equal(sent[tag], dicom.text(value), value)


def t_find_charset_of_keys():
    for args, charset, raw in (
            ([], b"ISO_IR 192", "Ä".encode()),
            (["--charset", "ISO_IR 100"], b"ISO_IR 100", b"\xc4")):
        script = answering()
        with Scp(script, choose=lambda a, s: EXPLICIT_LITTLE) as scp:
            run("find", scp.node(), "PatientName=Ä", *args)
        sent = dicom.parse(script.seen[0][1], EXPLICIT_LITTLE)
        equal(sent[CHARSET], charset)
        equal(sent[NAME].strip(), raw)


def t_find_charset_of_answers():
    with Scp(answering(study(name="Müller".encode("latin-1"),
                             charset="ISO_IR 100"),
                       study(name="Мир".encode("iso-8859-5"),
                             charset="ISO_IR 144"),
                       study(name="名前".encode(), charset="ISO_IR 192"),
                       study(name="Lüge".encode("latin-1"),
                             charset="ISO_IR 192"),
                       study(name=b"\x1b$B\x1b(J\xff\xfe", charset="lies"),
                       )) as scp:
        done = run("find", scp.node(), "--format", "json")
        names = [json.loads(line)["PatientName"]
                 for line in done.out.splitlines()]
        equal(names[:3], ["Müller", "Мир", "名前"])
        equal(len(names), 5)


def t_find_forged_lines():
    evil = b"A\r\nPEER\x1b[2J\x07B\xe2\x80\xae"
    for form in ("table", "json", "dump"):
        with Scp(answering(study(name=evil, charset="ISO_IR 192"))) as scp:
            done = run("find", scp.node(), "--format", form)
            assert "\x1b" not in done.out and "\x07" not in done.out
            if form == "table":
                equal(len(done.out.splitlines()), 2)
            if form == "json":
                equal(json.loads(done.out)["PatientName"][:1], "A")


def t_find_json_sequences():
    def sq(tag, inner):
        return dicom.element(tag, "SQ", struct.pack(
            "<HHI", 0xFFFE, 0xE000, len(inner)) + inner)
    inner = dicom.dataset([(0x00400009, "SH", "7")])
    deep = b""
    for _ in range(40):
        deep = sq(0x00400275, deep)
    data = dicom.dataset(study()) + dicom.dataset(
        [(0x00280010, "US", 512)]) + sq(0x00400275, inner)
    with Scp(answering(data, deep),
             choose=lambda a, s: EXPLICIT_LITTLE) as scp:
        lines = run("find", scp.node(), "--format", "json").out.splitlines()
        one = json.loads(lines[0])
        equal(one["RequestAttributesSequence"],
              [{"ScheduledProcedureStepID": "7"}])
        equal(one["Rows"], 512)
        json.loads(lines[1])
    with Scp(answering(data), choose=lambda a, s: EXPLICIT_LITTLE) as scp:
        out = run("find", scp.node(), "PatientID",
                  "RequestAttributesSequence.ScheduledProcedureStepID").out
        equal(out.splitlines()[1].split()[:2], ["P1", "7"])


def t_find_failure():
    with Scp(answering(status=0xA700, comment="too many")) as scp:
        done = run("find", scp.node(), expect=1)
        assert "A700" in done.err and "too many" in done.err, done.err


def t_find_unreadable_answers():
    with Scp(answering(None, b"\xff\xff\xff\xffnonsense", study())) as scp:
        done = run("find", scp.node(), "--format", "json")
        equal(len(done.out.splitlines()), 1)
        assert "2 answers could not be read" in done.err, done.err


def t_find_wrong_message_id():
    def script(a):
        number, values, _ = a.read_message()
        a.answer(number, values, 0, message=4711)
        a.read_message()
    with Scp(script) as scp:
        refused_with("4711", "find", scp.node())


def t_find_answer_of_another_service():
    def script(a):
        number, values, _ = a.read_message()
        a.answer(number, values, 0, code=0x8021)
        a.read_message()
    with Scp(script) as scp:
        refused_with("C-MOVE-RSP", "find", scp.node())


def t_find_answers_after_the_last():
    def script(a):
        answering(study())(a)
        values = {0x0100: b"\x20\0", 0x0110: b"\1\0"}
        for _ in range(20):
            a.answer(1, values, 0xFF00, dicom.dataset(
                study(), a.contexts[1][1]))
    with Scp(script) as scp:
        done = run("find", scp.node(), "--format", "json")
        equal(len(done.out.splitlines()), 1)


def t_find_endless_answers():
    def script(a):
        number, values, _ = a.read_message()
        data = dicom.dataset(study(), a.contexts[number][1])
        while not a.cancelled():
            a.answer(number, values, 0xFF00, data)
        a.answer(number, values, 0xFE00)
    with Scp(script) as scp:
        done = run("find", scp.node(), "--max", "5", "--format", "json")
        equal(len(done.out.splitlines()), 5)
        assert "5 answers, as many as asked for" in done.err, done.err


def t_find_endless_and_deaf():
    """It is always about to say more: only the time since the C-CANCEL counts.
    The timeout is long enough for this node's own answers, however slow."""
    def script(a):
        number, values, _ = a.read_message()
        data = dicom.dataset(study(), a.contexts[number][1])
        over = threading.Event()
        while not over.wait(0.02):
            a.answer(number, values, 0xFF00, data)
    with Scp(script) as scp:
        done = run("find", scp.node(), "--max", "5", "--timeout", "10",
                   "--format", "json")
        equal(len(done.out.splitlines()), 5)


def t_find_interrupted():
    """An answer is written out as it comes, with more to follow."""
    cancelled = []

    def script(a):
        number, values, _ = a.read_message()
        a.answer(number, values, 0xFF00, dicom.dataset(
            study(), a.contexts[number][1]))
        cancelled.append(a.cancelled(120))
        a.answer(number, values, 0xFE00)
    with Scp(script) as scp:
        with started("find", scp.node(), "--format", "json") as p:
            first = p.stdout.readline()
            assert first.startswith("{"), first
            p.send_signal(signal.SIGINT)
            out, err = p.communicate(timeout=120)
        equal(p.returncode, 1)
        assert "stopped" in err, err
        equal(out, "")
    equal(cancelled, [True])


def t_find_huge_pdu():
    def script(a):
        a.read_message()
        a.send(struct.pack(">BBI", 4, 0, 0xFFFFFFFF) + bytes(1000))
        a.until_closed()
    with Scp(script) as scp:
        refused_with("too long", "find", scp.node())


def t_find_huge_accept():
    def script(a):
        a.expect(1)
        a.send(struct.pack(">BBI", 2, 0, 0xFFFFFFFF) + bytes(1000))
        a.until_closed()
    with Scp(script, raw=True) as scp:
        refused_with("A-ASSOCIATE-AC", "find", scp.node())


def t_find_huge_answer():
    """An identifier beyond our cap: skipped, and the rest still comes."""
    big = study() + [(0x00204000, "LT", b"x" * (5 << 20))]
    with Scp(answering(big, study()), choose=lambda a, s:
             dicom.IMPLICIT_LITTLE) as scp:
        done = run("find", scp.node(), "--format", "json")
        equal(len(done.out.splitlines()), 1)
        assert "1 answers could not be read" in done.err, done.err


def t_find_asked_meanwhile():
    got = []

    def script(a):
        number, values, data = a.read_message()
        got.append(a.ask(number, dicom.C_ECHO, 9))
        got.append(a.ask(number, 0x0100, 10))
        got.append(a.ask(number, dicom.C_STORE, 11, data=b"\0" * 100000))
        a.answer(number, values, 0)
    with Scp(script) as scp:
        run("find", scp.node())
    equal(got, [0, 0x0118, 0x0122])


def t_find_contexts_not_proposed():
    """An acceptor that accepts what nobody asked for is not believed."""
    def script(a):
        request = a.expect(1)
        a.request = None
        body = request[:68] + dicom.item(0x10, dicom.APPLICATION.encode())
        for number in (1, 3, 255):
            body += dicom.item(0x21, bytes([number, 0, 0, 0]) + dicom.item(
                0x40, b"1.2.840.10008.1.2.4.70"))
        a.send(dicom.pdu(2, body + dicom.user_information()))
        a.until_released()
    with Scp(script, raw=True) as scp:
        refused_with("none of the services", "find", scp.node())


def t_find_our_server():
    with Server() as server:
        with dicom.Association(server.dicom_port,
                               [(dicom.CT, [EXPLICIT_LITTLE])]) as a:
            for i in range(3):
                equal(a.store(dicom.CT, "1.2.9.%d" % i, dicom.instance(
                    "1.2.9.%d" % i, study="1.2.%d" % i)), 0)
        node = "FILEROOM@127.0.0.1:%d" % server.dicom_port
        equal(len(run("find", node, "--format", "json").out.splitlines()), 3)
        done = run("find", node, "StudyInstanceUID=1.2.1", "--format", "json")
        one = json.loads(done.out)
        equal(one["PatientName"], "Doe^John")
        equal(one["NumberOfStudyRelatedInstances"], "1")
        for level, keys in (("patient", []), ("series", [
                "StudyInstanceUID=1.2.1"]), ("image", [
                    "StudyInstanceUID=1.2.1",
                    "SeriesInstanceUID=1.2.3.4"])):
            done = run("find", node, "--level", level, *keys, "--format",
                       "json")
            equal(len(done.out.splitlines()), 1, level)
        # Extended negotiation.
        for option, keys, want in (
                ("--fuzzy", ["PatientName=john doe"], 3),
                ("--fuzzy", ["PatientName=john roe"], 0),
                ("--relational", ["SOPInstanceUID=1.2.9.1"], 1)):
            done = run("find", node, option, *keys, "--format", "json")
            equal(len(done.out.splitlines()), want, keys)
        equal(run("find", node, "PatientName=john doe").out, "")


def t_find_extended_not_granted():
    with Scp(nothing) as scp:
        refused_with("does not do relational", "find", scp.node(),
                     "--relational")
    with Scp(nothing) as scp:
        refused_with("leave --fuzzy out", "find", scp.node(), "--fuzzy")


if __name__ == "__main__":
    sys.exit(main())
