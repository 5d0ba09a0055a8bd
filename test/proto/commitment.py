"""Storage commitment: what is committed to has been read again, and whoever
asked is told, on the same association, a later one or a new one."""

import os
import select
import socket
import sqlite3
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.runner import equal, main, raises
from harness.server import Server, free_port, wait_for
from harness.sink import Sink

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


def items_of(value, syntax=SYNTAX):
    out, at = [], 0
    while at < len(value or b""):
        (n,) = struct.unpack_from("<I", value, at + 4)
        ds = dicom.parse(value[at + 8:at + 8 + n], syntax)
        out.append(ds)
        at += 8 + n
    return out


class Event:
    """An N-EVENT-REPORT that was read."""

    def __init__(self, number, values, data, syntax=SYNTAX):
        self.number = number
        equal(struct.unpack("<H", values[0x0100])[0], N_EVENT_REPORT)
        equal(dicom.as_text(values[0x0002]), COMMITMENT)
        equal(dicom.as_text(values[0x1000]), WELL_KNOWN)
        (self.message,) = struct.unpack("<H", values[0x0110])
        (self.type,) = struct.unpack("<H", values[0x1002])
        ds = dicom.parse(data, syntax)
        self.transaction = dicom.as_text(ds[0x00081195])
        self.retrieve = dicom.as_text(ds[0x00080054])
        self.good = [dicom.as_text(i[0x00081155])
                     for i in items_of(ds.get(0x00081199), syntax)]
        self.failed = {
            dicom.as_text(i[0x00081155]): struct.unpack(
                "<H", i[0x00081197])[0]
            for i in items_of(ds.get(0x00081198), syntax)}
        equal(self.type, 2 if self.failed else 1)


def event(a, status=0, answer=True):
    """Reads a report and answers it."""
    number, values, data = a.read_message()
    got = Event(number, values, data, a.contexts[number][1])
    if answer:
        answer_event(a, got, status)
    return got


def answer_event(a, got, status=0):
    a.send_message(got.number, dicom.command([
        (0x0002, COMMITMENT), (0x0100, N_EVENT_REPORT | dicom.RSP),
        (0x0120, got.message), (0x0800, dicom.NO_DATA), (0x0900, status),
        (0x1000, WELL_KNOWN), (0x1002, got.type)]))


class Accepted(dicom.Association):
    """An association that the server opened to us."""

    def __init__(self, connection, accept_role, classes):
        self.socket = connection
        connection.settimeout(120)
        self.fragment, self.message, self.pending = 16378, 0, []
        self.released = False
        kind, body = self.read_pdu()
        equal(kind, 1)
        self.called = body[4:20].decode().strip()
        self.calling = body[20:36].decode().strip()
        self.contexts, self.roles, answers, at = {}, [], b"", 68
        while at + 4 <= len(body):
            kind, n = body[at], struct.unpack_from(">H", body, at + 2)[0]
            value = body[at + 4:at + 4 + n]
            at += 4 + n
            if kind == 0x20:
                size = struct.unpack_from(">H", value, 6)[0]
                abstract = value[8:8 + size].decode()
                first = 12 + size
                size = struct.unpack_from(">H", value, first - 2)[0]
                syntax = value[first:first + size].decode()
                taken = classes is None or abstract in classes
                answers += dicom.item(
                    0x21, bytes([value[0], 0, 0 if taken else 3, 0])
                    + dicom.item(0x40, syntax))
                if taken:
                    self.contexts[value[0]] = (abstract, syntax)
            elif kind == 0x50:
                inner = 0
                while inner < len(value):
                    size = struct.unpack_from(">H", value, inner + 2)[0]
                    if value[inner] == 0x54:
                        self.roles.append(value[inner:inner + 4 + size])
                    inner += 4 + size
        more = b"".join(self.roles) if accept_role else b""
        self.send(dicom.pdu(2, body[:68] + dicom.item(
            0x10, dicom.APPLICATION) + answers
            + dicom.user_information(more=more)))

    def until_released(self):
        self.expect(5)
        self.send(dicom.RELEASE_RP)
        self.close()

    def stores(self, n, but=()):
        """Takes n C-STOREs, but not those of these UIDs."""
        for _ in range(n):
            number, values, _ = self.read_message()
            uid = dicom.as_text(values[0x1000])
            self.send_message(number, dicom.command([
                (0x0002, dicom.as_text(values[0x0002])),
                (0x0100, dicom.C_STORE | dicom.RSP),
                (0x0120, struct.unpack("<H", values[0x0110])[0]),
                (0x0800, dicom.NO_DATA),
                (0x0900, 0xA900 if uid in but else 0), (0x1000, uid)]))


class Node:
    """A node that listens; accept() waits for the server to call."""

    def __init__(self, server, ae="PARROT", port=0):
        self.socket = socket.create_server(("127.0.0.1", port))
        self.socket.settimeout(120)
        self.port = self.socket.getsockname()[1]
        server.verb("node", "add", ae, "127.0.0.1", str(self.port))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def accept(self, accept_role=True, classes=None):
        while True:
            connection, _ = self.socket.accept()
            poll = select.poll()
            poll.register(connection, select.POLLRDHUP)
            # Of a server that was killed since.
            if not poll.poll(0):
                return Accepted(connection, accept_role, classes)
            connection.close()


def archive(settings=None):
    """A server that gives a node, which is this program, all the time it
    needs."""
    return Server({"dicom.timeout_s": "600", **(settings or {})})


def job_of(server, kind, state):
    """Waits until the newest job of this kind is in this state."""
    def look():
        found = rows(server, "select id, error from job where kind = '%s' and "
                     "state = %d order by id desc" % (kind, state))
        return found and found[0]
    return wait_for(look, 60, "a job %s in state %d" % (kind, state))


def resting(server, kind, why):
    """Waits until the job of this kind waits for its next attempt, with these
    words as the reason, and lets it wait until it is hurried; its number."""
    later = int(time.time() * 1000) + 50 * 60000
    wait_for(lambda: change(
        server, "update job set next = ? where kind = ? and state = ? and "
        "error like ?", later, kind, WAITING, "%" + why + "%"),
        60, "a job %s that waits: %s" % (kind, why))
    return job_of(server, kind, WAITING)[0]


def hurry(server, job):
    """As if the pause before the next attempt were over."""
    change(server, "update job set next = 0 where id = ? and state = ?", job,
           WAITING)
    change(server, "update state set value = value + 1 where name = 'jobs'")


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


def rows(server, sql, *args):
    db = sqlite3.connect(os.path.join(server.data, "fileroom.db"), timeout=120)
    try:
        return db.execute(sql, args).fetchall()
    finally:
        db.close()


def change(server, sql, *args):
    """How many rows it changed."""
    db = sqlite3.connect(os.path.join(server.data, "fileroom.db"),
                         timeout=120)
    try:
        with db:
            return db.execute(sql, args).rowcount
    finally:
        db.close()


def told(server, transaction):
    return rows(server, "select told > 0 from commitment where "
                "transaction_uid = ?", transaction)


WAITING, RUNNING, DONE, FAILED = range(4)


def t_on_the_same_association():
    with archive() as server, associate(server) as a:
        store(a, "1.2.7.1", "1.2.7.2")
        equal(ask(a, "1.2.9.1", ["1.2.7.1", "1.2.7.2"]), 0)
        got = event(a)
        equal((got.transaction, got.good, got.failed, got.retrieve),
              ("1.2.9.1", ["1.2.7.1", "1.2.7.2"], {}, "FILEROOM"))
        equal(a.echo(), 0)
        wait_for(lambda: told(server, "1.2.9.1") == [(1,)])


def t_failures_of_each_kind():
    with archive() as server, associate(server) as a:
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
        with archive() as server:
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
    with archive() as server, associate(server) as a:
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
    with archive() as server, associate(server, timeout=120) as a:
        store(a, "1.2.7.77")
        equal(ask(a, "1.2.9.1", uids), 0)
        got = event(a)
        equal(got.good, ["1.2.7.77"])
        equal(len(got.failed), 9999)
        equal(set(got.failed.values()), {0x0112})


def t_twice_in_the_list():
    with archive() as server, associate(server) as a:
        store(a, "1.2.7.1")
        equal(ask(a, "1.2.9.1", ["1.2.7.1", "1.2.7.1", "1.2.7.1"]), 0)
        equal(event(a).good, ["1.2.7.1"])


def t_asked_again_answered_again():
    with archive() as server, associate(server) as a:
        for missing in ({"1.2.7.1": 0x0112}, {}):
            equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
            equal(event(a).failed, missing)
            store(a, "1.2.7.1")


def t_one_after_the_other():
    """One report is under way at a time, the next follows its answer."""
    with archive() as server, associate(server) as a:
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
    with archive() as server, associate(server) as a:
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
    with archive() as server:
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
                silent.socket.settimeout(120)


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
        with archive() as server:
            with associate(server) as a:
                equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
                how(a, event(a, answer=False))
            with associate(server) as a:
                equal(event(a).failed, {"1.2.7.1": 0x0112}, how.__name__)


def t_roles():
    """Only who may be SCU can ask; an SCP is not told anything."""
    user = dicom.user_information(more=dicom.role(COMMITMENT, False, True))
    with archive() as server, associate(server, user=user) as a:
        equal(a.accepted["items"][0x54],
              [struct.pack(">H", len(COMMITMENT)) + COMMITMENT.encode()
               + b"\0\1"])
        equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0x0211)
    user = dicom.user_information(more=dicom.role(COMMITMENT, True, True))
    with archive() as server, associate(server, user=user) as a:
        assert a.accepted["items"][0x54][0].endswith(b"\1\1")
        equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
        event(a)


def t_stray_answers():
    """An answer to nothing is no reason to believe anything."""
    with archive() as server, associate(server) as a:
        equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
        got = event(a, answer=False)
        got.message += 1
        answer_event(a, got)
        raises((dicom.Aborted, dicom.Closed), a.echo)
        equal(told(server, "1.2.9.1"), [(0,)])


def send_report(a, transaction, good=(), failed=(), kind=1,
                instance=WELL_KNOWN):
    """We as another archive."""
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


def report(a, *args, **more):
    """The status of the answer to our report."""
    send_report(a, *args, **more)
    return a.response()[0]


def t_reports_nobody_asked_for():
    user = dicom.user_information(more=dicom.role(COMMITMENT, False, True))
    with archive() as server, associate(server, user=user) as a:
        equal(report(a, "1.2.9.1", ["1.2.7.1"]), 0x0115)
        equal(report(a, "1.2.9.1", ["1.2.7.1"], kind=3), 0x0113)
        equal(report(a, "1.2.9.1", ["1.2.7.1"], instance="1.2"), 0x0112)
        equal(report(a, "1.2.9.1"), 0x0115)
        equal(a.echo(), 0)


def t_released_at_once():
    """The node is called, under the title that it used, with our role."""
    with archive() as server, Node(server) as node:
        with associate(server, called="FILEROOM_TE") as a:
            store(a, "1.2.7.1")
            equal(ask(a, "1.2.9.1", ["1.2.7.1", "1.2.7.2"]), 0)
        with node.accept() as a:
            equal((a.calling, a.called), ("FILEROOM_TE", "PARROT"))
            equal(a.roles, [dicom.role(COMMITMENT, False, True)])
            got = event(a)
            equal((got.good, got.failed), (["1.2.7.1"], {"1.2.7.2": 0x0112}))
            a.until_released()
        job_of(server, "report", DONE)
        equal(told(server, "1.2.9.1"), [(1,)])


def t_no_second_call_when_told():
    """The job's turn comes after that, for another has the only place."""
    with archive({"dicom.max_outgoing": "1"}) as server, \
            Node(server) as node, \
            Sink(lambda number, uid: "stall") as sink, \
            associate(server) as a:
        store(a, "1.2.7.1")
        server.verb("node", "add", "BUSY", "127.0.0.1", str(sink.port))
        server.verb("send", "BUSY", "1.2.3")
        assert sink.begun.wait(60)
        equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
        event(a)
        wait_for(lambda: told(server, "1.2.9.1") == [(1,)])
        sink.close()
        job_of(server, "report", DONE)
        node.socket.settimeout(0)
        raises(BlockingIOError, node.socket.accept)


def t_a_node_that_ignores_roles():
    with archive() as server, Node(server) as node:
        with associate(server) as a:
            equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
        with node.accept(accept_role=False) as a:
            event(a)
            a.until_released()
        job_of(server, "report", DONE)


def t_killed_before_the_report():
    with archive() as server, Node(server) as node:
        with associate(server) as a:
            store(a, "1.2.7.1")
            equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
            server.kill()
        server.start()
        with node.accept() as a:
            equal(event(a).good, ["1.2.7.1"])
            a.until_released()
        job_of(server, "report", DONE)


def t_killed_before_the_answer():
    """The report was sent and the answer never noted: it comes again."""
    with archive() as server, Node(server) as node:
        with associate(server) as a:
            equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
        with node.accept() as a:
            event(a, answer=False)
            server.kill()
        server.start()
        job = resting(server, "report", "the answer to the report")
        # It is not told at once, as the answer may still be on its way.
        with associate(server) as a:
            equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
            event(a)
        wait_for(lambda: told(server, "1.2.9.1") == [(1,)])
        hurry(server, job)
        job_of(server, "report", DONE)


def t_unreachable_then_there():
    with archive() as server:
        port = free_port()
        with Node(server, port=port):
            pass
        with associate(server) as a:
            equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
        job = resting(server, "report", "PARROT")
        server.verb("node", "delete", "PARROT")
        with Node(server, port=port) as node:
            hurry(server, job)
            with node.accept() as a:
                event(a)
                a.until_released()
            job_of(server, "report", DONE)


def t_a_node_that_will_not_hear():
    """It is not called in vain for ever, and its other jobs do not wait."""
    with archive() as server, Node(server) as node:
        with associate(server) as a:
            equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
        with node.accept() as a:
            event(a, status=0x0110)
            a.until_released()
        hurry(server, resting(server, "report", "0110"))
        with node.accept(classes=[]) as a:
            try:
                a.until_released()
            except dicom.Aborted:
                pass
        job = resting(server, "report", "offers none")
        with associate(server) as a:
            event(a)
        wait_for(lambda: told(server, "1.2.9.1") == [(1,)])
        hurry(server, job)
        job_of(server, "report", DONE)


def t_an_unknown_caller():
    """Nobody can be called: the job says so, the next association hears."""
    with archive() as server:
        with associate(server) as a:
            equal(ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
        error = job_of(server, "report", FAILED)[1]
        assert "no node 'PARROT'" in error, error
        with associate(server) as a:
            event(a)


def send_committed(server, node, uids=("1.2.7.1", "1.2.7.2"), but=()):
    """Sends with commitment; the association of the N-ACTION, and what it
    asks for: (message, transaction, UIDs)."""
    with associate(server, calling="CT1") as a:
        store(a, *uids)
    server.verb("send", "PARROT", "1.2.3", "--commit")
    with node.accept() as a:
        a.stores(len(uids), but)
        a.until_released()
    return read_action(node.accept())


def read_action(a):
    number, values, data = a.read_message()
    equal(struct.unpack("<H", values[0x0100])[0], N_ACTION)
    equal(dicom.as_text(values[0x0003]), COMMITMENT)
    equal(dicom.as_text(values[0x1001]), WELL_KNOWN)
    equal(struct.unpack("<H", values[0x1008])[0], 1)
    syntax = a.contexts[number][1]
    ds = dicom.parse(data, syntax)
    uids = [dicom.as_text(i[0x00081155])
            for i in items_of(ds[0x00081199], syntax)]
    return (a, number, struct.unpack("<H", values[0x0110])[0],
            dicom.as_text(ds[0x00081195]), uids)


def answer_action(a, number, message, status=0):
    a.send_message(number, dicom.command([
        (0x0002, COMMITMENT), (0x0100, N_ACTION | dicom.RSP),
        (0x0120, message), (0x0800, dicom.NO_DATA), (0x0900, status),
        (0x1000, WELL_KNOWN)]))


def commit(a, number, message, transaction, uids):
    """On the same association, which is not kept open for long: the answer and
    the report are there at once."""
    with a.in_one_write():
        answer_action(a, number, message)
        send_report(a, transaction, uids)
    equal(a.response()[0], 0)


def t_asking_another_on_the_same_association():
    with archive() as server, Node(server) as node:
        a, number, message, transaction, uids = send_committed(server, node)
        equal(sorted(uids), ["1.2.7.1", "1.2.7.2"])
        commit(a, number, message, transaction, uids)
        a.until_released()
        job_of(server, "commit", DONE)


def t_asking_for_what_has_arrived():
    """One was refused: the others are committed to all the same."""
    with archive() as server, Node(server) as node:
        a, number, message, transaction, uids = send_committed(
            server, node, but=("1.2.7.1",))
        equal(uids, ["1.2.7.2"])
        commit(a, number, message, transaction, uids)
        a.until_released()
        job_of(server, "commit", DONE)
        assert "1 of 2 were not sent" in job_of(server, "send", FAILED)[1]


def t_asking_another_that_calls_back():
    user = dicom.user_information(more=dicom.role(COMMITMENT, False, True))
    with archive() as server, Node(server) as node:
        a, number, message, transaction, uids = send_committed(server, node)
        answer_action(a, number, message)
        with associate(server, user=user, calling="OTHER") as other:
            equal(report(other, transaction, uids), 0x0115)
        with associate(server, user=user) as back:
            equal(report(back, transaction, uids[:1],
                         [(uids[1], 0x0112)], kind=2), 0)
            # Told twice, the first counts.
            equal(report(back, transaction, uids), 0)
        a.until_released()
        error = job_of(server, "commit", FAILED)[1]
        assert "not committed to 1 of 2" in error, error
        assert "0112" in error, error
        equal(rows(server, "select error like '%0112%' from job_item where "
                   "name = ? and job = (select id from job where kind = "
                   "'commit')", uids[1]), [(1,)])


def t_asking_another_that_refuses():
    with archive() as server, Node(server) as node:
        a, number, message, _, _ = send_committed(server, node)
        answer_action(a, number, message, 0x0122)
        a.until_released()
        assert "0122" in job_of(server, "commit", FAILED)[1]
    with archive() as server, Node(server) as node:
        a, _, _, _, _ = send_committed(server, node)
        a.abort()
        hurry(server, resting(server, "commit", "PARROT"))
        a, number, message, transaction, uids = read_action(node.accept())
        commit(a, number, message, transaction, uids)
        a.until_released()
        job_of(server, "commit", DONE)


def t_asking_another_that_says_nothing():
    """Its day is over: nothing is committed. Meanwhile killed and begun
    again, it still waits for the same answer."""
    with archive() as server, Node(server) as node:
        a, number, message, transaction, uids = send_committed(server, node)
        answer_action(a, number, message)
        server.kill()
        a.close()
        server.start()
        job = resting(server, "commit", "for the answer")
        change(server, "update commitment set asked = asked - 86400000")
        hurry(server, job)
        error = job_of(server, "commit", FAILED)[1]
        assert "no answer within 24 h" in error, error


if __name__ == "__main__":
    sys.exit(main())
