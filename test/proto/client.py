"""Our verbs echo and move: against our own server, and against nodes that behave
badly."""

import os
import signal
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.client import (INSTANCE, LEVEL, PATIENT, SERIES, STUDY, nothing,
                            refused_with, run, started)
from harness.dicom import EXPLICIT_LITTLE
from harness.runner import equal, main
from harness.scp import Scp
from harness.server import Server, free_port


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
    # No name service is asked for an empty label.
    refused_with("cannot find the host", "echo", "PEER@nowhere..invalid:104")


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
        thread = threading.Thread(target=reset, daemon=True)
        thread.start()
        refused_with("may not speak TLS", "echo", "PEER@127.0.0.1:%d+tls"
                     % s.getsockname()[1])
        thread.join(60)


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
        with started("move", scp.node(), "--to", "T", "--study", "1.2") as p:
            assert ready.wait(60)
            p.send_signal(signal.SIGINT)
            out, err = p.communicate(timeout=120)
        equal(p.returncode, 1)
        assert "2 sent" in out and "stopped" in err, out + err
    equal(cancelled, [True])


if __name__ == "__main__":
    sys.exit(main())
