"""Storage commitment: what is committed to has been read again, and whoever
asked is told, on the same association, a later one or a new one."""

import os
import sqlite3
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.runner import equal, main, raises
from harness.server import Server, wait_for

TSAN = True

COMMITMENT = "1.2.840.10008.1.20.1"
WELL_KNOWN = "1.2.840.10008.1.20.1.1"
N_EVENT_REPORT, N_ACTION = 0x0100, 0x0130
CONTEXTS = [(COMMITMENT, [dicom.IMPLICIT_LITTLE]),
            (dicom.CT, [dicom.EXPLICIT_LITTLE]),
            (dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE])]
SYNTAX = dicom.IMPLICIT_LITTLE


def associate(server, contexts=None, **more):
    return dicom.Association(server.dicom_port, contexts or CONTEXTS, **more)


def item(elements):
    body = dicom.dataset(elements, SYNTAX)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body


def sequence(tag, items):
    body = b"".join(items)
    return dicom.header(tag, "SQ", len(body), SYNTAX) + body


def reference(uid, sop_class=dicom.CT, reason=None):
    elements = [(0x00081150, "UI", sop_class), (0x00081155, "UI", uid)]
    if reason is not None:
        elements.append((0x00081197, "US", reason))
    return item(elements)


def information(transaction, references):
    """The data set of an N-ACTION; references: UIDs, or items as bytes."""
    return dicom.element(0x00081195, "UI", transaction, SYNTAX) + sequence(
        0x00081199, [r if isinstance(r, bytes) else reference(r)
                     for r in references])


def action_command(a, action=1, instance=WELL_KNOWN, has_data=True):
    return dicom.command([
        (0x0003, COMMITMENT), (0x0100, N_ACTION), (0x0110, a.next_message()),
        (0x0800, 0 if has_data else dicom.NO_DATA), (0x1001, instance),
        (0x1008, action)])


def ask(a, transaction, references, data=None, **more):
    """Sends the request; the status of its response."""
    if data is None:
        data = information(transaction, references)
    a.send_message(a.context_for(COMMITMENT),
                   action_command(a, has_data=data != b"", **more),
                   data or None)
    _, values, _ = a.read_message()
    equal(struct.unpack("<H", values[0x0100])[0], N_ACTION | dicom.RSP)
    equal(struct.unpack("<H", values[0x0120])[0], a.message)
    a.comment = dicom.as_text(values.get(0x0902, b""))
    return struct.unpack("<H", values[0x0900])[0]


def items_of(value):
    out, at = [], 0
    while at < len(value or b""):
        (n,) = struct.unpack_from("<I", value, at + 4)
        ds = dicom.parse(value[at + 8:at + 8 + n])
        out.append(ds)
        at += 8 + n
    return out


class Event:
    """An N-EVENT-REPORT that was read."""

    def __init__(self, number, values, data):
        self.number = number
        equal(struct.unpack("<H", values[0x0100])[0], N_EVENT_REPORT)
        equal(dicom.as_text(values[0x0002]), COMMITMENT)
        equal(dicom.as_text(values[0x1000]), WELL_KNOWN)
        (self.message,) = struct.unpack("<H", values[0x0110])
        (self.type,) = struct.unpack("<H", values[0x1002])
        ds = dicom.parse(data)
        self.transaction = dicom.as_text(ds[0x00081195])
        self.retrieve = dicom.as_text(ds[0x00080054])
        self.good = [dicom.as_text(i[0x00081155])
                     for i in items_of(ds.get(0x00081199))]
        self.failed = {
            dicom.as_text(i[0x00081155]): struct.unpack(
                "<H", i[0x00081197])[0]
            for i in items_of(ds.get(0x00081198))}
        equal(self.type, 2 if self.failed else 1)


def event(a, status=0, answer=True):
    """Reads a report and answers it."""
    got = Event(*a.read_message())
    if answer:
        answer_event(a, got, status)
    return got


def answer_event(a, got, status=0):
    a.send_message(got.number, dicom.command([
        (0x0002, COMMITMENT), (0x0100, N_EVENT_REPORT | dicom.RSP),
        (0x0120, got.message), (0x0800, dicom.NO_DATA), (0x0900, status),
        (0x1000, WELL_KNOWN), (0x1002, got.type)]))


def store(a, *uids):
    for uid in uids:
        equal(a.store(dicom.CT, uid, dicom.instance(uid)), 0)


def object_path(server, uid):
    for folder, _, names in os.walk(os.path.join(server.data, "objects")):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as f:
                if uid.encode() in f.read():
                    return path
    raise AssertionError("no file holds " + uid)


def told(server, transaction):
    db = sqlite3.connect(os.path.join(server.data, "fileroom.db"))
    try:
        return db.execute("select told > 0 from commitment where "
                          "transaction_uid = ?", (transaction,)).fetchall()
    finally:
        db.close()


def t_on_the_same_association():
    with Server() as server, associate(server) as a:
        store(a, "1.2.7.1", "1.2.7.2")
        equal(ask(a, "1.2.9.1", ["1.2.7.1", "1.2.7.2"]), 0)
        got = event(a)
        equal((got.transaction, got.good, got.failed, got.retrieve),
              ("1.2.9.1", ["1.2.7.1", "1.2.7.2"], {}, "FILEROOM"))
        equal(a.echo(), 0)
        wait_for(lambda: told(server, "1.2.9.1") == [(1,)])


def t_failures_of_each_kind():
    with Server() as server, associate(server) as a:
        store(a, "1.2.7.1", "1.2.7.2", "1.2.7.3", "1.2.7.4")
        path = object_path(server, "1.2.7.3")
        with open(path, "r+b") as f:
            f.seek(-1, 2)
            f.write(b"X")
        os.unlink(object_path(server, "1.2.7.4"))
        equal(ask(a, "1.2.9.1", [
            "1.2.7.1", reference("1.2.7.2", dicom.MR), "1.2.7.3", "1.2.7.4",
            "1.2.7.5"]), 0)
        got = event(a)
        equal(got.good, ["1.2.7.1"])
        equal(got.failed, {"1.2.7.2": 0x0119, "1.2.7.3": 0x0110,
                           "1.2.7.4": 0x0110, "1.2.7.5": 0x0112})
        found = server.run("check").stdout
        assert os.path.basename(path) in found, found


def t_every_syntax():
    for syntax in (dicom.EXPLICIT_LITTLE, dicom.EXPLICIT_BIG):
        with Server() as server:
            with associate(server, [(COMMITMENT, [syntax])]) as a:
                def one(uid):
                    body = dicom.dataset([(0x00081150, "UI", dicom.CT),
                                          (0x00081155, "UI", uid)], syntax)
                    order = ">" if syntax == dicom.EXPLICIT_BIG else "<"
                    return struct.pack(order + "HHI", 0xFFFE, 0xE000,
                                       len(body)) + body
                inside = one("1.2.7.1") + one("1.2.7.2")
                data = dicom.element(0x00081195, "UI", "1.2.9.1", syntax)
                data += dicom.header(
                    0x00081199, "SQ", len(inside), syntax) + inside
                equal(ask(a, None, None, data=data), 0)
                number, values, data = a.read_message()
                equal(struct.unpack("<H", values[0x1002])[0], 2)
                ds = dicom.parse(data, syntax)
                equal(dicom.as_text(ds[0x00081195]), "1.2.9.1")
                assert 0x00081198 in ds and 0x00081199 not in ds


def t_what_is_refused():
    good = information("1.2.9.1", ["1.2.7.1"])
    with Server() as server, associate(server) as a:
        equal(ask(a, "1.2.9.1", ["1.2.7.1"], instance="1.2.3"), 0x0112)
        equal(ask(a, "1.2.9.1", ["1.2.7.1"], action=2), 0x0123)
        equal(ask(a, None, None, data=b""), 0x0115)
        for what, data in {
                "cut": good[:-3],
                "no transaction": information("", ["1.2.7.1"]),
                "no sequence": good[:16],
                "empty sequence": information("1.2.9.1", []),
                "no instance": information("1.2.9.1", [reference("")]),
                "no uid": information("1.2.9.1", [reference("../../x")]),
                "long": information("1.2.9.1", [reference("1." * 40 + "1")]),
                "item without": information("1.2.9.1", [item([])]),
                "random": os.urandom(200) + b"\xff" * 8,
        }.items():
            equal(ask(a, None, None, data=data), 0x0115, what)
            assert a.comment, what
        many = reference("1.2.3") * 40000
        big = dicom.element(0x00081195, "UI", "1.2.9.1", SYNTAX) + sequence(
            0x00081199, [many])
        equal(ask(a, None, None, data=big), 0x0213)
        equal(ask(a, None, None, data=bytes(5 << 20)), 0x0213)
        equal(a.echo(), 0)
        equal(told(server, "1.2.9.1"), [])


def t_ten_thousand():
    uids = ["1.2.7.%d" % n for n in range(10000)]
    with Server() as server, associate(server, timeout=60) as a:
        store(a, "1.2.7.77")
        equal(ask(a, "1.2.9.1", uids), 0)
        got = event(a)
        equal(got.good, ["1.2.7.77"])
        equal(len(got.failed), 9999)
        equal(set(got.failed.values()), {0x0112})


def t_twice_in_the_list():
    with Server() as server, associate(server) as a:
        store(a, "1.2.7.1")
        equal(ask(a, "1.2.9.1", ["1.2.7.1", "1.2.7.1", "1.2.7.1"]), 0)
        equal(event(a).good, ["1.2.7.1"])


def t_asked_again_answered_again():
    with Server() as server, associate(server) as a:
        for missing in ({"1.2.7.1": 0x0112}, {}):
            equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
            equal(event(a).failed, missing)
            store(a, "1.2.7.1")


def t_one_after_the_other():
    """One report is under way at a time, the next follows its answer."""
    with Server() as server, associate(server) as a:
        store(a, "1.2.7.1")
        equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
        first = event(a, answer=False)
        for n in (2, 3):
            equal(ask(a, "1.2.9.%d" % n, ["1.2.7.1"]), 0)
        equal(a.echo(), 0)
        answer_event(a, first)
        equal([event(a).transaction for _ in (2, 3)], ["1.2.9.2", "1.2.9.3"])


def t_while_requests_wait():
    """A peer that sends two requests at once gets both answers first."""
    with Server() as server, associate(server) as a:
        store(a, "1.2.7.1")
        context = a.context_for(COMMITMENT)
        a.send(*[dicom.p_data(dicom.pdv(
            context, action_command(a), is_command=True)) + dicom.p_data(
                dicom.pdv(context, information("1.2.9.%d" % n, ["1.2.7.1"])))
                 for n in (1, 2)])
        kinds = []
        for _ in range(2):
            kinds.append(struct.unpack(
                "<H", a.read_message()[1][0x0100])[0])
        equal(kinds, [N_ACTION | dicom.RSP] * 2)
        equal([event(a).transaction for _ in (1, 2)], ["1.2.9.1", "1.2.9.2"])


def t_on_a_later_association():
    with Server() as server:
        with associate(server) as a:
            store(a, "1.2.7.1")
            equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
        # Another title, a title of ours that it did not use, and an
        # association without the class hear nothing.
        with associate(server, calling="OTHER") as other, \
                associate(server, called="FILEROOM_E") as form, \
                associate(server, [CONTEXTS[2]]) as without, \
                associate(server) as a:
            equal(event(a).transaction, "1.2.9.1")
            wait_for(lambda: told(server, "1.2.9.1") == [(1,)])
            for silent in (other, form, without):
                silent.socket.setblocking(False)
                raises(BlockingIOError, silent.socket.recv, 1)
                silent.socket.settimeout(30)


def t_not_answered_told_again():
    """Released, aborted, or refused: the next association hears it again."""
    def release(a, got):
        a.release()

    def abort(a, got):
        a.abort()

    def refuse(a, got):
        answer_event(a, got, 0x0110)
        equal(a.echo(), 0)

    for how in (release, abort, refuse):
        with Server() as server:
            with associate(server) as a:
                equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
                how(a, event(a, answer=False))
            with associate(server) as a:
                equal(event(a).failed, {"1.2.7.1": 0x0112}, how.__name__)


def t_roles():
    """Only who may be SCU can ask; an SCP is not told anything."""
    user = dicom.user_information(more=dicom.role(COMMITMENT, False, True))
    with Server() as server, associate(server, user=user) as a:
        equal(a.accepted["items"][0x54],
              [struct.pack(">H", len(COMMITMENT)) + COMMITMENT.encode()
               + b"\0\1"])
        equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0x0211)
    user = dicom.user_information(more=dicom.role(COMMITMENT, True, True))
    with Server() as server, associate(server, user=user) as a:
        assert a.accepted["items"][0x54][0].endswith(b"\1\1")
        equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
        event(a)


def t_stray_answers():
    """An answer to nothing is no reason to believe anything."""
    with Server() as server, associate(server) as a:
        equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
        got = event(a, answer=False)
        got.message += 1
        answer_event(a, got)
        raises((dicom.Aborted, dicom.Closed), a.echo)
        equal(told(server, "1.2.9.1"), [(0,)])


def report(a, transaction, good=(), failed=(), kind=1, instance=WELL_KNOWN):
    """We as another archive: the status of the answer to our report."""
    data = dicom.element(0x00081195, "UI", transaction, SYNTAX)
    if failed:
        data += sequence(0x00081198, [reference(u, reason=r)
                                      for u, r in failed])
    if good:
        data += sequence(0x00081199, [reference(u) for u in good])
    a.send_message(a.context_for(COMMITMENT), dicom.command([
        (0x0002, COMMITMENT), (0x0100, N_EVENT_REPORT),
        (0x0110, a.next_message()), (0x0800, 0), (0x1000, instance),
        (0x1002, kind)]), data)
    return a.response()[0]


def t_reports_nobody_asked_for():
    user = dicom.user_information(more=dicom.role(COMMITMENT, False, True))
    with Server() as server, associate(server, user=user) as a:
        equal(report(a, "1.2.9.1", ["1.2.7.1"]), 0x0115)
        equal(report(a, "1.2.9.1", ["1.2.7.1"], kind=3), 0x0113)
        equal(report(a, "1.2.9.1", ["1.2.7.1"], instance="1.2"), 0x0112)
        equal(report(a, "1.2.9.1"), 0x0115)
        equal(a.echo(), 0)


if __name__ == "__main__":
    sys.exit(main())
