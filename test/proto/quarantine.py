"""quarantine: what was set aside is shown, compared, accepted and deleted
beside a running server, whose peers see the change at once."""

import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom  # noqa: E402
from harness.runner import equal, main  # noqa: E402
from harness.server import Server  # noqa: E402

UID = "1.2.3.4.9"


def send(server, pixels, name="Doe^John", uid=UID, calling="CT1"):
    data = dicom.instance(uid, pixels=pixels, name=name)
    with dicom.Association(server.dicom_port, [
            (dicom.CT, [dicom.EXPLICIT_LITTLE])], calling=calling) as a:
        equal(a.store(dicom.CT, uid, data), 0)
    return data


def stored(server):
    """What a C-GET brings."""
    with dicom.Association(server.dicom_port, [
            (dicom.GET_STUDY, [dicom.EXPLICIT_LITTLE]),
            (dicom.CT, [dicom.EXPLICIT_LITTLE])],
            user=dicom.user_information(
                more=dicom.role(dicom.CT, False, True))) as a:
        status, _, objects = a.get(dicom.GET_STUDY, [
            (0x00080052, "CS", "STUDY"), (0x0020000D, "UI", "1.2.3")])
        equal(status, 0)
        return [data for _, _, data in objects]


def listed(server):
    return [line.split() for line in
            server.verb("quarantine", "list").splitlines()]


def files(server):
    return [p for p in glob.glob(server.data + "/quarantine/**",
                                 recursive=True) if os.path.isfile(p)]


def t_accept_and_back():
    with Server() as server:
        first = send(server, b"\1\2", "Doe^John")
        second = send(server, b"\3\4", "Roe^Jane", calling="CT2")
        equal(stored(server), [first])
        (row,) = listed(server)
        equal((row[2], row[-2:]), ("differs", ["CT2", UID]))
        text = server.verb("quarantine", "show", row[0])
        for word in ("- (0010,0010) PN [Doe^John]",
                     "+ (0010,0010) PN [Roe^Jane]", "CT1", "CT2",
                     "a second arrival"):
            assert word in text, (word, text)
        assert "(0010,0020)" not in text, text
        out = server.verb("quarantine", "accept", row[0])
        assert "what was stored is in quarantine" in out, out
        equal(stored(server), [second])
        (row,) = listed(server)
        equal((row[2], row[-2:]), ("replaced", ["CT1", UID]))
        equal(len(files(server)), 1)
        server.verb("quarantine", "accept", row[0])
        equal(stored(server), [first])
        equal(server.verb("check").split("\n")[-2],
              "1 objects checked, all is well")
        # Peers go on as before.
        send(server, b"\5\6")
        equal(len(listed(server)), 2)
        send(server, b"\1\2")


def t_discard():
    with Server() as server:
        first = send(server, b"\1\2")
        for i in range(3):
            send(server, bytes([7, i]))
        numbers = [row[0] for row in listed(server)]
        equal(len(numbers), 3)
        equal(server.verb("quarantine", "discard", numbers[0]),
              numbers[0] + ": deleted\n")
        equal(len(files(server)), 2)
        server.verb("quarantine", "discard", "--all")
        equal((listed(server), files(server)), ([], []))
        done = server.run("quarantine", "discard", numbers[0])
        equal(done.returncode, 1)
        assert "there is no " + numbers[0] in done.stderr, done.stderr
        equal(stored(server), [first])
        server.restart()
        equal((listed(server), files(server)), ([], []))


def t_export():
    with Server() as server:
        send(server, b"\1\2")
        second = send(server, b"\3\4")
        (row,) = listed(server)
        path = os.path.join(server.data, "..", "aside.dcm")
        server.verb("quarantine", "export", row[0], path)
        with open(path, "rb") as f:
            text = f.read()
        assert text[128:132] == b"DICM" and text.endswith(second)
        equal(server.run("quarantine", "export", row[0], path).returncode, 1)
        with open(path, "rb") as f:
            equal(f.read(), text)


def t_damaged():
    with Server() as server:
        send(server, b"\1\2")
        (path,) = glob.glob(server.data + "/objects/*/*/*/*/*.dcm")
        with open(path, "r+b") as f:
            f.seek(-1, 2)
            f.write(b"\xff")
        server.verb("check", "--repair")
        (row,) = listed(server)
        equal(row[2], "changed")
        assert "not what was received" in server.verb(
            "quarantine", "show", row[0])
        done = server.run("quarantine", "accept", row[0])
        equal(done.returncode, 1)
        assert "not those that were received" in done.stderr, done.stderr
        server.verb("quarantine", "discard", row[0])
        equal(files(server), [])


def t_hostile_names():
    """What a peer sends as its title and its values does not reach the
    terminal as control characters."""
    with Server() as server:
        send(server, b"\1\2", "A^B", calling="CT\x1b[2J")
        send(server, b"\3\4", "A^\x1b[2J", calling="CT\x1b[2J")
        (row,) = listed(server)
        for args in (("list",), ("show", row[0])):
            text = server.verb("quarantine", *args)
            assert "\x1b" not in text, text


def t_wrong_usage():
    with Server() as server:
        for args, text in (
                ((), "list, show"), (("burn",), "'burn'"),
                (("show",), "missing"), (("show", "x"), "'x'"),
                (("accept",), "missing"), (("accept", "-1"), "'-1'"),
                (("discard", "1", "--all"), "--all"),
                (("list", "--all"), "--all"), (("export", "1"), "missing"),
                (("list", "1"), "'1'")):
            done = server.run("quarantine", *args)
            equal(done.returncode, 2, args)
            assert text in done.stderr, (args, done.stderr)


if __name__ == "__main__":
    sys.exit(main())
