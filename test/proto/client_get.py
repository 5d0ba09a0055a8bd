"""Our verb get: into folders and archives, from nodes that give what nobody asked
for, and under names that are paths."""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.client import (LEVEL, PATIENT, SERIES, STUDY, nothing, refused_with,
                            run, started, study)
from harness.dicom import EXPLICIT_LITTLE
from harness.runner import equal, main
from harness.scp import Scp
from harness.server import Server, binary


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


# A name of this process's own: the folder is everybody's.
AWAY = "/tmp/evil%d" % os.getpid()
EVIL = ("../../../.." + AWAY, AWAY, "1.2/../../evil", "..",
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
    assert not os.path.exists(AWAY)


def t_get_names_never_leave_archive():
    with Server() as server:
        with Scp(giving(*evil_objects())) as scp:
            server.run("get", scp.node(), "--study", "1.2.3")
        for name in files_below(os.path.join(server.data, "objects")):
            assert all(c in "0123456789abcdef/.dcm" for c in name), name
        server.verb("check")
    assert not os.path.exists(AWAY)


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
            with started("get", scp.node(), "-o", f.path, "--study",
                         "1.2.3") as p:
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


if __name__ == "__main__":
    sys.exit(main())
