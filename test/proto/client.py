"""Our verbs echo, find, store, move and get: against our own server, and
against nodes that behave badly."""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.dicom import EXPLICIT_LITTLE
from harness.runner import equal, main
from harness.scp import Scp
from harness.server import SANITIZERS, Server, binary, free_port, wait_for

LEVEL, CHARSET = 0x00080052, 0x00080005
SERIES, INSTANCE = 0x0020000E, 0x00080018
STUDY, PATIENT, NAME = 0x0020000D, 0x00100020, 0x00100010


class Done:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err


def run(*args, expect=0, seconds=300, env=None):
    """A verb without an archive; its status must be as expected."""
    done = subprocess.run(
        [binary(), *args, "--data", "/nonexistent"], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds,
        env=dict(os.environ, **(env or {})), encoding="utf-8",
        errors="replace", check=False)
    for word in SANITIZERS:
        assert word not in done.stderr, done.stderr
    assert done.returncode == expect, "status %d\n%s%s" % (
        done.returncode, done.stdout, done.stderr)
    return Done(done.returncode, done.stdout, done.stderr)


def refused_with(text, *args, expect=1, **more):
    err = run(*args, expect=expect, **more).err
    assert text in err, err


def nothing(_):
    pass


# echo --------------------------------------------------------------------

def serve_echo(a):
    number, values, _ = a.read_message()
    a.answer(number, values, 0)


def t_echo():
    with Scp(serve_echo) as scp:
        out = run("echo", scp.node()).out
        assert "PEER at 127.0.0.1 port %d answers" % scp.port in out, out
        assert "SCRIPTED" in out and "2.25.1" in out, out
        equal(scp.requests[0]["calling"], "FILEROOM")
        run("echo", scp.node(), "--aet", "SOMEBODY")
        equal(scp.requests[1]["calling"], "SOMEBODY")


def t_echo_node_words():
    for word, why in (("PEER", "there is no archive"),
                      ("PEER@127.0.0.1", "names no port"),
                      ("PEER@127.0.0.1:0", "up to 65535"),
                      ("PEER@127.0.0.1:70000", "up to 65535"),
                      ("PEER@::1:104", "in brackets"),
                      ("PEER@:104", "in brackets"),
                      ("@localhost:104", "1 to 16 characters"),
                      ("P" * 17 + "@localhost:104", "1 to 16 characters")):
        refused_with(why, "echo", word, expect=2)
    refused_with("--timeout", "echo", "A@b:1", "--timeout", "0", expect=2)
    refused_with("--aet", "echo", "A@b:1", "--aet", "a\\b", expect=2)


def t_echo_ipv6():
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        return
    with listener:
        port = listener.getsockname()[1]
        with Scp(serve_echo) as scp:
            def relay():
                c, _ = listener.accept()
                scp._serve(c)
            t = threading.Thread(target=relay, daemon=True)
            t.start()
            run("echo", "PEER@[::1]:%d" % port)
            t.join(60)


def t_echo_nobody_listens():
    port = free_port()
    refused_with("nobody listens", "echo", "PEER@127.0.0.1:%d" % port)


def t_echo_unknown_host():
    refused_with("cannot find the host", "echo", "PEER@nowhere.invalid:104")


def t_echo_rejected():
    def reject(reason, result=1, source=1):
        def script(a):
            a.expect(1)
            a.send(dicom.pdu(3, bytes([0, result, source, reason])))
        return script
    for reason, words in ((3, "does not know our AE title 'FILEROOM'"),
                          (7, "its AE title is another one"),
                          (1, "may not know our AE title or address")):
        with Scp(reject(reason), raw=True) as scp:
            refused_with(words, "echo", scp.node())
    with Scp(reject(2, 2, 3), raw=True) as scp:
        refused_with("try again later", "echo", scp.node())


def t_echo_aborted():
    def script(a):
        a.expect(1)
        a.send(dicom.abort(2, 1))
    with Scp(script, raw=True) as scp:
        refused_with("aborted by the peer", "echo", scp.node())


def t_echo_hung_up():
    with Scp(lambda a: a.expect(1), raw=True) as scp:
        refused_with("closed the connection", "echo", scp.node())


def t_echo_silent():
    stop = threading.Event()
    with Scp(lambda a: stop.wait(300), raw=True) as scp:
        refused_with("is this its DICOM port", "echo", scp.node(),
                     "--timeout", "1")
        stop.set()


def t_echo_not_accepted():
    with Scp(nothing, choose=lambda a, s: None) as scp:
        refused_with("none of the services", "echo", scp.node())


def t_echo_other_speech():
    def saying(words):
        def script(a):
            a.socket.recv(100)
            a.send(words)
        return script
    for words, told in (
            (b"HTTP/1.0 400 Bad Request\r\n\r\n", "an HTTP server"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak DICOM"),
            (b"\x0bMSH|^~\\&|", "does not speak DICOM"),
            (bytes(20), "does not speak DICOM")):
        with Scp(saying(words), raw=True) as scp:
            refused_with(told, "echo", scp.node())
    # A reset in the place of a TLS hello.
    with socket.create_server(("127.0.0.1", 0)) as s:
        def reset():
            c, _ = s.accept()
            c.recv(5000)
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         struct.pack("ii", 1, 0))
            c.close()
        thread = threading.Thread(target=reset)
        thread.start()
        refused_with("may not speak TLS", "echo", "PEER@127.0.0.1:%d+tls"
                     % s.getsockname()[1])
        thread.join(10)


def t_echo_failure_status():
    def script(a):
        number, values, _ = a.read_message()
        a.answer(number, values, 0x0122)
    with Scp(script) as scp:
        refused_with("0122", "echo", scp.node())


def t_node_echo():
    with Server() as server, Scp(serve_echo) as scp:
        server.verb("node", "add", "GOOD", "127.0.0.1", str(scp.port))
        server.verb("node", "add", "DEAD", "127.0.0.1", str(free_port()))
        server.verb("node", "allow", "MUTE", "127.0.0.1")
        assert "answers" in server.verb("node", "echo", "GOOD")
        assert "answers" in server.verb("echo", "GOOD")
        server.verb("node", "echo", "DEAD", expect=1)
        server.verb("node", "echo", "NOSUCH", expect=1)
        server.verb("echo", "NOSUCH", expect=2)
        server.verb("node", "echo", expect=2)
        table = server.verb("node", "echo", "--all", expect=1).splitlines()
        equal(len(table), 3)
        words = {line.split()[0]: line for line in table}
        assert "answers in" in words["GOOD"], table
        assert "nobody listens" in words["DEAD"], table
        assert "does not listen" in words["MUTE"], table


# find --------------------------------------------------------------------

def study(uid="1.2.3", name="Doe^John", charset=None):
    elements = [(STUDY, "UI", uid), (NAME, "PN", name),
                (PATIENT, "LO", "P1")]
    if charset is not None:
        elements.append((CHARSET, "CS", charset))
    return elements


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
    def script(a):
        number, values, _ = a.read_message()
        data = dicom.dataset(study(), a.contexts[number][1])
        while True:
            a.answer(number, values, 0xFF00, data)
    with Scp(script) as scp:
        done = run("find", scp.node(), "--max", "5", "--timeout", "1",
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
        p = subprocess.Popen([binary(), "find", scp.node(), "--format",
                              "json"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, encoding="utf-8")
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


# move --------------------------------------------------------------------

def moving(*steps):
    """Answers a C-MOVE with (status, counts, more) each."""
    seen = []

    def script(a):
        number, values, data = a.read_message()
        seen.append((values, data))
        for status, counts, more in steps:
            a.answer(number, values, status, counts=counts, **more)
    script.seen = seen
    return script


def t_move():
    script = moving((0xFF00, (2, 1, 0, 0), {}), (0, (None, 3, 0, 0), {}))
    with Scp(script, choose=lambda a, s: EXPLICIT_LITTLE) as scp:
        out = run("move", scp.node(), "--to", "THIRD", "--study", "1.2.3").out
        equal(out, "study 1.2.3: 3 sent, 0 with warnings, 0 failed\n")
        equal(scp.requests[0]["contexts"][0][1], dicom.MOVE_STUDY)
    values, data = script.seen[0]
    equal(values[0x0600].strip(), b"THIRD")
    sent = dicom.parse(data, EXPLICIT_LITTLE)
    equal(sent, {LEVEL: b"STUDY ", STUDY: b"1.2.3\0"})


def t_move_selections():
    for args, model, want in (
            (["--patient", "P1"], dicom.MOVE_PATIENT,
             {LEVEL: b"PATIENT ", PATIENT: b"P1"}),
            (["--patient", "P1", "--study", "1.2"], dicom.MOVE_PATIENT,
             {LEVEL: b"STUDY ", PATIENT: b"P1", STUDY: b"1.2\0"}),
            (["--study", "1.2", "--series", "1.3"], dicom.MOVE_STUDY,
             {LEVEL: b"SERIES", STUDY: b"1.2\0", SERIES: b"1.3\0"}),
            (["--study", "1.2", "--series", "1.3", "--image", "1.4"],
             dicom.MOVE_STUDY,
             {LEVEL: b"IMAGE ", STUDY: b"1.2\0", SERIES: b"1.3\0",
              INSTANCE: b"1.4\0"}),
            (["--level", "series", "StudyInstanceUID=1.2",
              "SeriesInstanceUID=1.3\\1.5"], dicom.MOVE_STUDY,
             {LEVEL: b"SERIES", STUDY: b"1.2\0", SERIES: b"1.3\\1.5\0"})):
        script = moving((0, (None, 1, 0, 0), {}))
        with Scp(script, choose=lambda a, s: EXPLICIT_LITTLE) as scp:
            run("move", scp.node(), "--to", "THIRD", *args)
            equal(scp.requests[0]["contexts"][0][1], model)
        equal(dicom.parse(script.seen[0][1], EXPLICIT_LITTLE), want)


def t_move_wrong_usage():
    for args, why in (
            (["--study", "1.2"], "--to AETITLE is missing"),
            (["--to", "X"], "what?"),
            (["--to", "X", "--series", "1.2"], "exactly one --study"),
            (["--to", "X", "--study", "1", "--image", "2"],
             "exactly one --series"),
            (["--to", "X", "--study", "1", "PatientID=1"], "either"),
            (["--to", "X", "PatientID=1"], "StudyInstanceUID"),
            (["--to", "X", "--level", "series", "SeriesInstanceUID=1"],
             "StudyInstanceUID"),
            (["--to", "X" * 17, "--study", "1.2"], "--to")):
        refused_with(why, "move", "A@127.0.0.1:1", *args, expect=2)


def t_move_destination_unknown():
    with Scp(moving((0xA801, None, {}))) as scp:
        refused_with("add it there", "move", scp.node(), "--to", "THIRD",
                     "--study", "1.2.3")


def t_move_failures():
    script = moving((0xFF00, (65535, 65535, 65535, 65535), {}),
                    (0xB000, (None, 2, 1, 0), {"comment": "one is lost"}))
    with Scp(script) as scp:
        done = run("move", scp.node(), "--to", "THIRD", "--study", "1.2.3",
                   expect=1)
        assert "2 sent, 0 with warnings, 1 failed" in done.out, done.out
        assert "one is lost" in done.err, done.err


def t_move_interrupted():
    ready, cancelled = threading.Event(), []

    def script(a):
        number, values, _ = a.read_message()
        a.answer(number, values, 0xFF00, counts=(9, 1, 0, 0))
        ready.set()
        cancelled.append(a.cancelled(120))
        a.answer(number, values, 0xFE00, counts=(8, 2, 0, 0))
    with Scp(script) as scp:
        p = subprocess.Popen(
            [binary(), "move", scp.node(), "--to", "T", "--study", "1.2"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        assert ready.wait(60)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=120)
        equal(p.returncode, 1)
        assert "2 sent" in out and "stopped" in err, out + err
    equal(cancelled, [True])


# get ---------------------------------------------------------------------

def giving(*objects, status=0, counts=None, classes=True, before=nothing,
           claim=None):
    """A node for C-GET: answers the C-FIND about classes, then stores the
    objects: (uid, bytes in explicit little endian)."""
    statuses = []

    def script(a):
        number, values, data = a.read_message()
        if values[0x0100] == b"\x20\0":
            while values[0x0100] == b"\x20\0":
                syntax = a.contexts[number][1]
                level = dicom.parse(data, syntax)[LEVEL].strip()
                if level == b"STUDY":
                    answer = study() + ([(0x00080062, "UI", dicom.CT)]
                                        if classes else [])
                elif level == b"SERIES":
                    answer = [(STUDY, "UI", "1.2.3"),
                              (SERIES, "UI", "1.2.3.4")]
                else:
                    answer = [(0x00080016, "UI", dicom.CT)]
                a.answer(number, values, 0xFF00,
                         dicom.dataset(answer, syntax))
                a.answer(number, values, 0)
                kind, body = a.read_pdu()
                if kind == 5:
                    a.send(dicom.RELEASE_RP)
                    raise dicom.Closed("done")
                a.unread(kind, body)
                number, values, data = a.read_message()
        before(a)
        context = a.context_for(dicom.CT, EXPLICIT_LITTLE)
        for i, (uid, data) in enumerate(objects):
            statuses.append(a.ask(context, dicom.C_STORE, 100 + i, dicom.CT,
                                  uid=uid, data=data))
            a.answer(number, values, 0xFF00, counts=(
                len(objects) - i - 1, i + 1, 0, 0))
        a.answer(number, values, status, counts=claim or (
            None, len(objects), 0, 0) if counts is None else counts)
    script.statuses = statuses
    return script


def ct(uid, **more):
    return uid, dicom.instance(uid, **more)


def files_below(folder):
    return sorted(os.path.join(d, f)[len(folder) + 1:]
                  for d, _, names in os.walk(folder) for f in names)


class Folder:
    """A folder in a folder that nothing may leave."""

    def __enter__(self):
        self.outer = tempfile.mkdtemp(prefix="fileroom-test-")
        self.path = os.path.join(self.outer, "in")
        return self

    def __exit__(self, kind, *_):
        around = os.listdir(self.outer)
        shutil.rmtree(self.outer)
        if kind is None:
            assert around in ([], ["in"]), around


def t_get_into_folder():
    objects = [ct("1.2.9.1"), ct("1.2.9.2", pixels=b"\5\6"),
               ct("1.2.9.3", pixels=b"\7\7")]
    with Folder() as f:
        for again in (False, True):
            with Scp(giving(*objects)) as scp:
                out = run("get", scp.node(), "-o", f.path, "--study",
                          "1.2.3").out
            equal(out, "study 1.2.3: %d new, %d already here, 0 refused "
                  "here, 0 failed there\n" % ((0, 3) if again else (3, 0)))
            names = files_below(f.path)
            equal([os.path.basename(n) for n in names],
                  ["0001.dcm", "0001_2.dcm", "0001_3.dcm"])
            assert names[0].startswith("Doe_John_PAT1/20260102_"), names
        with open(os.path.join(f.path, names[0]), "rb") as one:
            whole = one.read()
        equal(whole[128:132], b"DICM")
        assert whole.endswith(objects[0][1])


def t_get_into_archive():
    with Server() as server:
        for new in (2, 0):
            with Scp(giving(ct("1.2.9.1"), ct("1.2.9.2"))) as scp:
                out = server.verb("get", scp.node(), "--study", "1.2.3")
                assert "%d new" % new in out, out
        out = server.verb("find", "FILEROOM@127.0.0.1:%d" % server.dicom_port,
                          "--format", "json")
        equal(json.loads(out)["NumberOfStudyRelatedInstances"], "2")


def t_get_asks_for_images():
    """A node that knows no SOPClassesInStudy is asked for images."""
    with Folder() as f:
        with Scp(giving(ct("1.2.9.1"), classes=False)) as scp:
            run("get", scp.node(), "-o", f.path, "--study", "1.2.3")
            proposed = {c[1] for c in scp.requests[1]["contexts"]}
            equal(proposed, {dicom.GET_STUDY, dicom.CT})
            equal(scp.requests[1]["roles"], {dicom.CT: (0, 1)})


def t_get_without_find():
    def choose(abstract, syntaxes):
        return None if abstract == dicom.FIND_STUDY else syntaxes[0]
    with Folder() as f:
        with Scp(giving(ct("1.2.9.1")), choose=choose) as scp:
            run("get", scp.node(), "-o", f.path, "--study", "1.2.3")
            equal(len(scp.requests[-1]["contexts"]), 128)


def t_get_needs_somewhere():
    refused_with("-o", "get", "A@127.0.0.1:1", "--study", "1.2")
    with Folder() as f:
        refused_with("cannot make", "get", "A@127.0.0.1:1", "--study", "1.2",
                     "-o", os.path.join(f.path, "deep", "deeper"))


EVIL = ("../../../../tmp/evil", "/tmp/evil", "1.2/../../evil", "..",
        "1.2.3\0/evil", "CON", "1.2.3\r\nevil")


def evil_objects():
    """Instances whose every text would be a path."""
    out = []
    for i, name in enumerate(EVIL):
        uid = "1.2.9.%d" % i
        out.append((name, dicom.instance(
            uid, patient=name, name=name, study=name, series=name, more=[
                (0x00081030, "LO", name), (0x0008103E, "LO", name),
                (0x00200011, "IS", name[:12])])))
        out.append((name, dicom.instance(name, study=name)))
    return out


def t_get_names_never_leave():
    script = giving(*evil_objects())
    with Folder() as f:
        with Scp(script) as scp:
            run("get", scp.node(), "-o", f.path, "--study", "1.2.3", expect=1)
        for name in files_below(f.path):
            for part in name.split("/"):
                bare = part[:-4] if part.endswith(".dcm") else part
                assert bare and all(
                    c.isascii() and (c.isalnum() or c in "-_")
                    for c in bare), name
    assert set(script.statuses) <= {0xB007, 0xC000, 0}, script.statuses
    assert not os.path.exists("/tmp/evil")


def t_get_names_never_leave_archive():
    with Server() as server:
        with Scp(giving(*evil_objects())) as scp:
            server.run("get", scp.node(), "--study", "1.2.3")
        for name in files_below(os.path.join(server.data, "objects")):
            assert all(c in "0123456789abcdef/.dcm" for c in name), name
        server.verb("check")
    assert not os.path.exists("/tmp/evil")


def t_get_foreign_study():
    with Folder() as f:
        with Scp(giving(ct("1.2.9.1", study="6.6.6"))) as scp:
            done = run("get", scp.node(), "-o", f.path, "--study", "1.2.3")
            assert "1 are of a study that was not asked" in done.err, done.err


def t_get_counts_that_lie():
    with Folder() as f:
        for counts, status in (((None, 9, 0, 0), 1), ((None, 0, 0, 0), 0),
                               ((7, 65535, 65535, 65535), 1)):
            with Scp(giving(ct("1.2.9.1"), counts=counts)) as scp:
                run("get", scp.node(), "-o", f.path, "--study", "1.2.3",
                    expect=status)


def t_get_malformed_objects():
    good = dicom.instance("1.2.9.1")
    script = giving(("1.2.9.1", good[:-3]), ("1.2.9.2", b"\xff" * 50),
                    ct("1.2.9.3"))
    with Folder() as f:
        with Scp(script) as scp:
            done = run("get", scp.node(), "-o", f.path, "--study", "1.2.3",
                       expect=1)
            assert "1 new, 0 already here, 2 refused" in done.out, done.out
        equal(len(files_below(f.path)), 1)
    equal(script.statuses, [0xC000, 0xC000, 0])


def t_get_other_than_announced():
    """The meta header tells what the data set is."""
    script = giving(("1.2.8.8", dicom.instance("1.2.9.1")))
    with Folder() as f:
        with Scp(script) as scp:
            run("get", scp.node(), "-o", f.path, "--study", "1.2.3")
        (name,) = files_below(f.path)
        out = subprocess.run([binary(), "dump", os.path.join(f.path, name)],
                             stdout=subprocess.PIPE, encoding="utf-8",
                             check=True).stdout
        assert "(0002,0003) UI [1.2.9.1]" in out, out
        assert "1.2.8.8" not in out, out
    equal(script.statuses, [0xB007])


def t_get_without_uids_within():
    """Those of the request count then, as they do in the archive."""
    bare = dicom.dataset([(PATIENT, "LO", "P1"), (STUDY, "UI", "1.2.3")])
    script = giving(("1.2.8.8", bare))
    with Folder() as f:
        with Scp(script) as scp:
            run("get", scp.node(), "-o", f.path, "--study", "1.2.3")
        (name,) = files_below(f.path)
        out = subprocess.run([binary(), "dump", os.path.join(f.path, name)],
                             stdout=subprocess.PIPE, encoding="utf-8",
                             check=True).stdout
        assert "(0002,0003) UI [1.2.8.8]" in out, out
    equal(script.statuses, [0])


def t_get_role_not_granted():
    with Folder() as f:
        script = giving(ct("1.2.9.1"), counts=(None, 0, 1, 0), status=0xA702)
        with Scp(script, roles=False) as scp:
            done = run("get", scp.node(), "-o", f.path, "--study", "1.2.3",
                       expect=1)
            assert "A702" in done.err, done.err
        equal(files_below(f.path), [])
    equal(script.statuses, [0x0122])


def t_get_echo_in_between():
    got = []

    def before(a):
        context = a.context_for(dicom.CT)
        got.append(a.ask(context, dicom.C_ECHO, 7))
        got.append(a.ask(context, 0x0110, 8))
        got.append(a.ask(context, dicom.C_FIND, 9, data=b"\0" * 10))
    with Folder() as f:
        with Scp(giving(ct("1.2.9.1"), before=before)) as scp:
            run("get", scp.node(), "-o", f.path, "--study", "1.2.3")
    equal(got, [0, 0x0118, 0x0122])


def t_get_wrong_message_id():
    def before(a):
        a.answer(1, {0x0100: b"\x10\0", 0x0110: b"\x55\0"}, 0)
        a.read_message()
    with Folder() as f:
        with Scp(giving(before=before)) as scp:
            refused_with("message 85", "get", scp.node(), "-o", f.path,
                         "--study", "1.2.3")


def t_get_broken_off():
    def before(a):
        context = a.context_for(dicom.CT, EXPLICIT_LITTLE)
        a.send(dicom.p_data(dicom.pdv(context, dicom.store_command(
            5, dicom.CT, "1.2.9.1"), is_command=True)))
        a.send(dicom.p_data(dicom.pdv(
            context, dicom.instance("1.2.9.1")[:100], last=False)))
        a.send(dicom.abort())
        raise dicom.Closed("aborted")
    with Folder() as f:
        with Scp(giving(before=before)) as scp:
            refused_with("aborted by the peer", "get", scp.node(), "-o",
                         f.path, "--study", "1.2.3")
        equal(files_below(f.path), [])


def t_get_interrupted():
    """^C in an endless stream of instances; the rest can come later."""
    going, cancelled = threading.Event(), []

    def before(a):
        context = a.context_for(dicom.CT, EXPLICIT_LITTLE)
        for i in range(100000):
            a.send_message(context, dicom.store_command(
                i + 1, dicom.CT, "1.2.9.%d" % i), dicom.instance(
                    "1.2.9.%d" % i, pixels=struct.pack("<I", i)))
            _, values, _ = a.read_message()
            if values[0x0100] == b"\xff\x0f":
                cancelled.append(True)
                a.read_message()
                a.answer(1, {0x0100: b"\x10\0", 0x0110: b"\1\0"}, 0xFE00,
                         counts=(5, i + 1, 0, 0))
                return a.until_released()
            if i == 5:
                going.set()
        raise AssertionError("never cancelled")
    with Folder() as f:
        with Scp(giving(before=before)) as scp:
            p = subprocess.Popen(
                [binary(), "get", scp.node(), "-o", f.path, "--study",
                 "1.2.3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                encoding="utf-8")
            assert going.wait(60)
            p.send_signal(signal.SIGINT)
            _, err = p.communicate(timeout=120)
            equal(p.returncode, 1)
            assert "run it again" in err, err
        assert not [n for n in files_below(f.path) if ".part" in n]
    equal(cancelled, [True])


def t_get_full_disk():
    """What cannot be written is refused, and said so."""
    with Folder() as f:
        os.mkdir(f.path)
        os.chmod(f.path, 0o500)
        if os.geteuid() == 0:
            return
        with Scp(giving(ct("1.2.9.1"))) as scp:
            done = run("get", scp.node(), "-o", f.path, "--study", "1.2.3",
                       expect=1)
            assert "cannot make a file" in done.err, done.err


def t_get_our_server():
    syntaxes = (EXPLICIT_LITTLE, dicom.IMPLICIT_LITTLE, dicom.JPEG_LOSSLESS,
                dicom.RLE)
    with Server() as server, Server() as other, Folder() as f:
        for i, syntax in enumerate(syntaxes):
            with dicom.Association(server.dicom_port,
                                   [(dicom.CT, [syntax])]) as a:
                equal(a.store(dicom.CT, "1.2.9.%d" % i, dicom.instance(
                    "1.2.9.%d" % i, syntax=syntax
                    if syntax == dicom.IMPLICIT_LITTLE else EXPLICIT_LITTLE)),
                    0)
        node = "FILEROOM@127.0.0.1:%d" % server.dicom_port
        out = other.verb("get", node, "--study", "1.2.3")
        assert "4 new" in out, out
        other.verb("check")
        out = run("get", node, "-o", f.path, "--study", "1.2.3").out
        assert "4 new" in out, out
        done = other.run("get", node, "--study", "9.9.9")
        equal(done.returncode, 1)
        assert "has nothing" in done.stderr, done.stderr
        server.verb("node", "add", "OTHER", "127.0.0.1",
                    str(other.dicom_port))
        other.verb("node", "add", "FILEROOM", "127.0.0.1",
                   str(server.dicom_port))
        with dicom.Association(server.dicom_port,
                               [(dicom.CT, [EXPLICIT_LITTLE])]) as a:
            equal(a.store(dicom.CT, "1.2.9.9", dicom.instance("1.2.9.9")), 0)
        # The called title of a move is the other server's own.
        other.stop()
        other.settings["dicom.ae_title"] = "OTHER"
        other.start()
        server.verb("node", "edit", "OTHER", "--port", str(other.dicom_port))
        out = server.verb("move", node, "--to", "OTHER", "--study", "1.2.3")
        assert "5 sent" in out, out
        out = other.verb("find", "OTHER@127.0.0.1:%d" % other.dicom_port,
                         "--format", "json")
        equal(json.loads(out)["NumberOfStudyRelatedInstances"], "5")


# store -------------------------------------------------------------------

def part10(uid, data, sop_class=dicom.CT, syntax=EXPLICIT_LITTLE):
    meta = b"".join(dicom.element(*e) for e in (
        (0x00020001, "OB", b"\0\1"), (0x00020002, "UI", sop_class),
        (0x00020003, "UI", uid), (0x00020010, "UI", syntax),
        (0x00020012, "UI", "1.2.3")))
    return (bytes(128) + b"DICM" + dicom.element(
        0x00020000, "UL", len(meta)) + meta + data)


def write(folder, name, data):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)
    return path


def taking(statuses=()):
    """Takes what comes, with these statuses (0 for the rest); .got is what."""
    got = []

    def script(a):
        while True:
            number, values, data = a.read_message()
            got.append((a.contexts[number], dicom.as_text(values[0x1000]),
                        data))
            status = statuses[len(got) - 1] if len(got) <= len(
                statuses) else 0
            a.answer(number, values, status)
    script.got = got
    return script


def t_store_files():
    with tempfile.TemporaryDirectory() as d:
        one = dicom.instance("1.2.9.1")
        two = dicom.instance("1.2.9.2", sop_class=dicom.MR)
        write(d, "a/one.dcm", part10("1.2.9.1", one))
        write(d, "a/b/two", part10("1.2.9.2", two, dicom.MR))
        write(d, "a/readme.txt", b"not DICOM at all" * 20)
        with zipfile.ZipFile(os.path.join(d, "a/z.zip"), "w") as z:
            z.writestr("in/three.dcm", part10(
                "1.2.9.3", dicom.instance("1.2.9.3")))
            z.writestr("in/four.txt", b"nothing " * 50)
        script = taking()
        with Scp(script) as scp:
            done = run("store", scp.node(), os.path.join(d, "a"))
        equal(done.out, "sent: 3\nnot DICOM, skipped: 2\n")
        by_uid = {uid: (context, data) for context, uid, data in script.got}
        equal(sorted(by_uid), ["1.2.9.1", "1.2.9.2", "1.2.9.3"])
        equal(by_uid["1.2.9.1"][1], one)
        equal(by_uid["1.2.9.2"][0][0], dicom.MR)


def t_store_the_data_set_counts():
    """Class and instance are those of the data set, not of a meta header that
    names others."""
    with tempfile.TemporaryDirectory() as d:
        path = write(d, "x.dcm", part10("6.6.6", dicom.instance("1.2.9.1"),
                                        dicom.MR))
        script = taking()
        with Scp(script) as scp:
            run("store", scp.node(), path)
        (context, uid, _), = script.got
        equal((context[0], uid), (dicom.CT, "1.2.9.1"))


def t_store_failures():
    with tempfile.TemporaryDirectory() as d:
        for i in range(3):
            write(d, "%d.dcm" % i, part10(
                "1.2.9.%d" % i, dicom.instance("1.2.9.%d" % i)))
        with Scp(taking([0xA700, 0xB000])) as scp:
            done = run("store", scp.node(), d, expect=1)
        assert "sent: 1\nsent with a warning: 1\nfailed: 1\n" in done.out
        assert "A700" in done.err and "warned: " in done.err, done.err


def t_store_refused_files():
    with tempfile.TemporaryDirectory() as d:
        text = write(d, "t.txt", b"text" * 100)
        empty = write(d, "e.dcm", b"")
        broken = write(d, "b.dcm", bytes(128) + b"DICM" + b"\xff" * 40)
        with Scp(taking()) as scp:
            done = run("store", scp.node(), text, empty, broken,
                       os.path.join(d, "missing"), expect=1)
        assert "sent: 0\nrefused here: 4\n" in done.out, done.out
        equal(done.err.count("refused: "), 4)


def t_store_nobody_there():
    with tempfile.TemporaryDirectory() as d:
        path = write(d, "x.dcm", part10("1.2.9", dicom.instance("1.2.9")))
        refused_with("nobody listens", "store", "X@127.0.0.1:%d" % free_port(),
                     path)


def t_store_class_not_taken():
    with tempfile.TemporaryDirectory() as d:
        path = write(d, "x.dcm", part10("1.2.9", dicom.instance("1.2.9")))
        write(d, "y.dcm", part10("1.2.8", dicom.instance(
            "1.2.8", sop_class=dicom.MR), dicom.MR))
        script = taking()
        with Scp(script, choose=lambda a, s:
                 s[0] if a == dicom.MR else None) as scp:
            done = run("store", scp.node(), d, expect=1)
        assert "sent: 1" in done.out and "x.dcm" in done.err, done.err
        assert path in done.err


def t_store_many_in_flight():
    """The node grants eight at once and answers when it has eight."""
    def script(a):
        waiting = []
        for _ in range(16):
            waiting.append(a.read_message())
            if len(waiting) == 8:
                for number, values, _ in reversed(waiting):
                    a.answer(number, values, 0)
                waiting = []
    with tempfile.TemporaryDirectory() as d:
        for i in range(16):
            write(d, "%02d.dcm" % i, part10(
                "1.2.9.%d" % i, dicom.instance("1.2.9.%d" % i)))
        with Scp(script, more=dicom.window(8, 1)) as scp:
            out = run("store", scp.node(), d).out
            equal(out, "sent: 16\n")
            equal(scp.requests[0]["window"][0], 8)


def t_store_studies():
    with Server() as server, Server() as other:
        with dicom.Association(server.dicom_port,
                               [(dicom.CT, [EXPLICIT_LITTLE])]) as a:
            for i in range(5):
                equal(a.store(dicom.CT, "1.2.9.%d" % i, dicom.instance(
                    "1.2.9.%d" % i, study="1.2.%d" % (i % 2))), 0)
        node = "FILEROOM@127.0.0.1:%d" % other.dicom_port
        equal(server.verb("store", node, "--study", "1.2.0"), "sent: 3\n")
        equal(server.verb("store", node, "--study", "1.2.0", "--study",
                          "1.2.1"), "sent: 5\n")
        done = server.run("store", node, "--study", "9.9")
        equal(done.returncode, 1)
        assert "there is no study '9.9'" in done.stderr, done.stderr
        out = other.verb("find", node, "--format", "json")
        equal(len(out.splitlines()), 2)


def t_store_queued():
    script = taking()
    with Server() as server, Scp(script) as scp:
        with dicom.Association(server.dicom_port,
                               [(dicom.CT, [EXPLICIT_LITTLE])]) as a:
            equal(a.store(dicom.CT, "1.2.9.1", dicom.instance("1.2.9.1")), 0)
        server.verb("store", "PEER", "--study", "1.2.3", "--queue", expect=1)
        server.verb("node", "add", "PEER", "127.0.0.1", str(scp.port))
        out = server.verb("store", "PEER", "--study", "1.2.3", "--queue")
        assert "is in the queue" in out, out
        wait_for(lambda: script.got, 60, "the instance")
        equal(script.got[0][1], "1.2.9.1")


def t_store_wrong_usage():
    for args in ([], ["x", "--study", "1.2"], ["x", "--queue"], ["x", "--window", "0"],
                 ["x", "--window", "65"]):
        run("store", "A@127.0.0.1:1", *args, expect=2)


def t_store_interrupted():
    going = threading.Event()

    def script(a):
        a.read_message()
        going.set()
        a.until_closed()
    with tempfile.TemporaryDirectory() as d:
        path = write(d, "x.dcm", part10("1.2.9", dicom.instance("1.2.9")))
        with Scp(script) as scp:
            p = subprocess.Popen(
                [binary(), "store", scp.node(), path], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, encoding="utf-8")
            assert going.wait(60)
            p.send_signal(signal.SIGINT)
            _, err = p.communicate(timeout=120)
            equal(p.returncode, 1)
            assert "stopped" in err, err


if __name__ == "__main__":
    sys.exit(main())
