"""Our verb store: files, folders, zips and studies of the archive, to nodes that
take them and nodes that do not."""

import os
import signal
import sys
import tempfile
import threading
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.client import refused_with, run, started
from harness.dicom import EXPLICIT_LITTLE
from harness.runner import equal, main
from harness.scp import Scp
from harness.server import Server, free_port, wait_for


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
            with started("store", scp.node(), path) as p:
                assert going.wait(60)
                p.send_signal(signal.SIGINT)
                _, err = p.communicate(timeout=120)
            equal(p.returncode, 1)
            assert "stopped" in err, err


if __name__ == "__main__":
    sys.exit(main())
