"""C-MOVE: every level and model, what the destination takes and answers,
counts, the failed list, cancelling, destinations that are dead, many at
once."""

import contextlib
import glob
import os
import select
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.runner import equal, main
from harness.server import Server, free_port, wait_for
from harness.sink import Sink, only

TSAN = True

LEVEL, PATIENT, STUDY = 0x00080052, 0x00100020, 0x0020000D
SERIES, INSTANCE = 0x0020000E, 0x00080018
FAILED_LIST = 0x00080058
VRS = {LEVEL: "CS", PATIENT: "LO", STUDY: "UI", SERIES: "UI", INSTANCE: "UI"}
PATIENT_ONLY_MOVE = "1.2.840.10008.5.1.4.1.2.3.2"
PATIENT_ONLY_GET = "1.2.840.10008.5.1.4.1.2.3.3"
# What is done "at once" is done sooner, or our own patience ends.
LONG = {"dicom.timeout_s": "600"}
MODELS = (dicom.MOVE_STUDY, dicom.MOVE_PATIENT, PATIENT_ONLY_MOVE)


def objects(study="1.1", count=3, patient="P1", syntax=dicom.EXPLICIT_LITTLE,
            size=4, sop_class=dicom.CT):
    out = {}
    for i in range(count):
        uid = "%s.1.%d" % (study, i)
        out[uid] = dicom.instance(
            uid, sop_class, study=study, series="%s.%d" % (study, i % 2),
            patient=patient, syntax=syntax,
            pixels=struct.pack("<HH", i, 0x1234) * (size // 4))
    return out


def put(server, items, sop_class=dicom.CT, syntax=dicom.EXPLICIT_LITTLE):
    with dicom.Association(server.dicom_port, [(sop_class, [syntax])]) as a:
        for uid, data in items.items():
            equal(a.store(sop_class, uid, data), 0)


def add(server, ae, port, host="127.0.0.1"):
    server.verb("node", "add", ae, host, str(port))


def associate(server, more=b"", models=MODELS, **options):
    contexts = [(m, [dicom.EXPLICIT_LITTLE]) for m in models]
    contexts.append((dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE]))
    return dicom.Association(server.dicom_port, contexts,
                             user=dicom.user_information(more=more), **options)


def request(a, destination, level="STUDY", keys=None, model=dicom.MOVE_STUDY):
    """Sends a C-MOVE-RQ; its message id."""
    elements = [(LEVEL, "CS", level)]
    elements += [(t, VRS[t], v) for t, v in (keys or {STUDY: "1.1"}).items()]
    context = a.context_for(model)
    message = a.next_message()
    a.send_message(context, dicom.command(
        [(0x0002, model), (0x0100, dicom.C_MOVE), (0x0110, message),
         (0x0600, destination), (0x0700, 0), (0x0800, 0)]),
        dicom.dataset(elements, a.contexts[context][1]))
    return message


class Answer:
    """The final response, and the pending ones before it."""

    def __init__(self, a, message):
        self.pending = []
        while True:
            _, values, data = a.read_message()
            equal(struct.unpack("<H", values[0x0100])[0],
                  dicom.C_MOVE | dicom.RSP)
            equal(struct.unpack("<H", values[0x0120])[0], message)
            self.status = struct.unpack("<H", values[0x0900])[0]
            self.counts = tuple(
                struct.unpack("<H", values[t])[0] if t in values else None
                for t in (0x1021, 0x1022, 0x1023))
            self.remaining = struct.unpack("<H", values[0x1020])[0] \
                if 0x1020 in values else None
            self.comment = dicom.as_text(values.get(0x0902, b""))
            if self.status != 0xFF00:
                break
            equal(data, None)
            self.pending.append((self.remaining,) + self.counts)
        self.failed = []
        if data is not None:
            self.failed = sorted(dicom.as_text(dicom.parse(
                data, dicom.EXPLICIT_LITTLE)[FAILED_LIST]).split("\\"))

    def is_(self, status, counts):
        equal((self.status, self.counts), (status, counts), self.comment)
        return self


def move(a, destination, *args, **more):
    return Answer(a, request(a, destination, *args, **more))


class Black:
    """A port that neither accepts nor refuses: its queue is full."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.fill = []
        for _ in range(8):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", self.port))
            self.fill.append(s)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in self.fill:
            s.close()
        self.listener.close()


def t_levels():
    with Server() as server, Sink() as sink:
        one, two = objects(), objects("1.2", 2)
        other = objects("2.1", 1, "P2")
        for items in (one, two, other):
            put(server, items)
        add(server, "SINK", sink.port)

        def got(*args, **more):
            sink.got.clear()
            answer = move(a, "SINK", *args, **more)
            equal(answer.status, 0, answer.comment)
            equal(answer.counts, (len(sink.got), 0, 0))
            equal((answer.remaining, answer.failed), (None, []))
            return sink.data()
        with associate(server) as a:
            equal(got("STUDY", {STUDY: "1.1"}), one)
            equal(got("SERIES", {STUDY: "1.1", SERIES: "1.1.1"}),
                  {"1.1.1.1": one["1.1.1.1"]})
            equal(got("IMAGE", {INSTANCE: "1.2.1.1\\1.1.1.0"}),
                  {"1.2.1.1": two["1.2.1.1"], "1.1.1.0": one["1.1.1.0"]})
            equal(got("STUDY", {STUDY: "1.1\\2.1\\9.9"}), {**one, **other})
            equal(got("STUDY", {STUDY: "1.1", PATIENT: "P2"}), {})
            equal(got("STUDY", {STUDY: "9.9"}), {})
            equal(got("PATIENT", {PATIENT: "P1"}, model=dicom.MOVE_PATIENT),
                  {**one, **two})
            for level, key in (("PATIENT", {PATIENT: "P2"}),
                               ("STUDY", {STUDY: "2.1"})):
                equal(got(level, key, model=PATIENT_ONLY_MOVE), other)
            for level, keys, model in (
                    ("PATIENT", {PATIENT: "P1"}, dicom.MOVE_STUDY),
                    ("SERIES", {SERIES: "1.1.1"}, PATIENT_ONLY_MOVE),
                    ("STUDY", {STUDY: ""}, dicom.MOVE_STUDY),
                    ("", {STUDY: "1.1"}, dicom.MOVE_STUDY)):
                equal(move(a, "SINK", level, keys, model=model).status,
                      0xA900)
            equal(a.echo(), 0)
        equal(sink.requests[0]["calling"], "FILEROOM")
        equal(sink.requests[0]["called"], "SINK")
        wait_for(lambda: sink.open == 0)
        equal(set(sink.ends), {"released"})


def t_originator():
    with Server() as server, Sink() as sink:
        put(server, objects())
        add(server, "SINK", sink.port)
        with associate(server, calling="ASKER") as a:
            move(a, "SINK").is_(0, (3, 0, 0))
            message = a.message
        for item in sink.got:
            equal(dicom.as_text(item["values"][0x1030]), "ASKER")
            equal(struct.unpack("<H", item["values"][0x1031])[0], message)


def t_relational_is_negotiated():
    with Server() as server:
        for proposed, answered in ((b"\1", b"\1"), (b"\1\1", b"\1\0"),
                                   (b"\0", b"\0")):
            with associate(server, dicom.extended(
                    dicom.MOVE_STUDY, proposed)) as a:
                item = a.accepted["items"][0x56][0]
                equal(item[2 + len(dicom.MOVE_STUDY):], answered)


def t_get_of_patient_study_only():
    with Server() as server:
        put(server, objects())
        with dicom.Association(
                server.dicom_port, [(PATIENT_ONLY_GET,
                                     [dicom.EXPLICIT_LITTLE]),
                                    (dicom.CT, [dicom.EXPLICIT_LITTLE])],
                user=dicom.user_information(
                    more=dicom.role(dicom.CT, False, True))) as a:
            status, _, got = a.get(PATIENT_ONLY_GET, [
                (LEVEL, "CS", "PATIENT"), (PATIENT, "LO", "P1")])
            equal((status, len(got)), (0, 3))


def t_unknown_destinations():
    with Server() as server:
        put(server, objects())
        server.verb("node", "add", "DEAF", "127.0.0.1", "0")
        with associate(server) as a:
            answer = move(a, "NOBODY")
            equal((answer.status, answer.failed), (0xA801, []))
            assert "add" in answer.comment, answer.comment
            answer = move(a, "DEAF")
            equal(answer.status, 0xA801)
            assert "does not listen" in answer.comment, answer.comment
            answer = move(a, "FILEROOM")
            equal(answer.status, 0xA801)
            assert "itself" in answer.comment, answer.comment
            equal(move(a, "").status, 0xA801)
            equal(a.echo(), 0)
        server.wait_log("'fileroom node add'")


def t_to_ourselves():
    """A known node that is this server: through the network like any."""
    with Server() as server:
        items = objects(count=30)
        put(server, items)
        add(server, "FILEROOM", server.dicom_port)
        with associate(server) as a:
            move(a, "FILEROOM").is_(0, (30, 0, 0))


def t_to_a_node_that_speaks_tls():
    """And to one that is said to, and does not."""
    with Server({"dicom.tls_port": "auto"}) as server:
        put(server, objects())
        server.verb("node", "add", "FILEROOM", "127.0.0.1",
                    str(server.dicom_tls_port), "--tls")
        with associate(server) as a:
            move(a, "FILEROOM").is_(0, (3, 0, 0))
            server.verb("settings", "set", "dicom.timeout_s", "6")
            server.wait_log("dicom.timeout_s is now '6'")
            with Sink() as sink:
                server.verb("node", "add", "PLAIN", "127.0.0.1",
                            str(sink.port), "--tls")
                answer = move(a, "PLAIN").is_(0xA702, (0, 3, 0))
                assert answer.comment, "a reason"
                sink.errors.clear()


def t_converted():
    """What the destination takes, of what is stored."""
    plain = (dicom.IMPLICIT_LITTLE, dicom.EXPLICIT_LITTLE, dicom.EXPLICIT_BIG)
    with Server() as server:
        for n, syntax in enumerate(plain):
            put(server, objects("3.%d" % n, 2, syntax=syntax), syntax=syntax)
        for taken in (dicom.IMPLICIT_LITTLE, dicom.EXPLICIT_LITTLE):
            with Sink(choose=only(taken)) as sink, associate(server) as a:
                ae = "S%d" % sink.port
                add(server, ae, sink.port)
                for n, stored in enumerate(plain):
                    sink.got.clear()
                    move(a, ae, keys={STUDY: "3.%d" % n}).is_(0, (2, 0, 0))
                    want = objects("3.%d" % n, 2, syntax=stored)
                    if stored == taken:
                        equal(sink.data(), want)
                    for item in sink.got:
                        equal(item["syntax"], taken)
                        values = dicom.parse(item["data"], taken)
                        equal(dicom.as_text(values[INSTANCE]), item["uid"])
        with Sink() as sink, associate(server) as a:
            add(server, "ANY", sink.port)
            for n, stored in enumerate(plain):
                move(a, "ANY", keys={STUDY: "3.%d" % n}).is_(0, (2, 0, 0))
                equal(sink.got[-1]["syntax"], stored)


def t_compressed_is_not_taken():
    with Server() as server, \
            Sink(choose=only(dicom.EXPLICIT_LITTLE)) as sink:
        put(server, objects(count=2))
        jpeg = dicom.instance("1.1.9", study="1.1", series="1.1.0",
                              patient="P1", pixels=b"")
        put(server, {"1.1.9": jpeg}, syntax=dicom.JPEG_BASELINE)
        add(server, "SINK", sink.port)
        with associate(server) as a:
            answer = move(a, "SINK").is_(0xB000, (2, 1, 0))
            equal(answer.failed, ["1.1.9"])
            assert "does not take CT Image" in answer.comment, answer.comment
            # Alone it is all that was asked for.
            answer = move(a, "SINK", "IMAGE", {INSTANCE: "1.1.9"})
            answer.is_(0xA702, (0, 1, 0))
        with Sink() as open_sink, associate(server) as a:
            add(server, "OPEN", open_sink.port)
            move(a, "OPEN").is_(0, (3, 0, 0))
            equal(open_sink.data()["1.1.9"], jpeg)


def t_nothing_is_taken():
    with Server() as server, Sink(choose=lambda *_: None) as sink:
        put(server, objects())
        add(server, "SINK", sink.port)
        with associate(server) as a:
            answer = move(a, "SINK").is_(0xA702, (0, 3, 0))
            equal(answer.failed, sorted(objects()))
            equal(len(sink.requests), 1)


def t_more_contexts_than_one_association_holds():
    with Server() as server, Sink() as sink:
        items = {}
        classes = ["1.2.840.113619.4.%d" % i for i in range(150)]
        for at in range(0, len(classes), 100):
            part = classes[at:at + 100]
            with dicom.Association(server.dicom_port, [
                    (c, [dicom.EXPLICIT_LITTLE]) for c in part]) as a:
                for c in part:
                    uid = "1.1." + c.rsplit(".", 1)[1]
                    items[uid] = dicom.instance(uid, c, study="1.1")
                    equal(a.store(c, uid, items[uid]), 0)
        add(server, "SINK", sink.port)
        with associate(server) as a:
            move(a, "SINK").is_(0, (150, 0, 0))
        equal(sink.data(), items)
        equal(len(sink.requests), 3)


def t_statuses_of_the_destination():
    states = {"1.1.1.0": 0xB000, "1.1.1.1": (0xA700, "disk full"),
              "1.1.1.2": 0x0110, "1.1.1.3": 0xB007, "1.1.1.4": 0xB006,
              "1.1.1.5": 0xFE00}
    with Server() as server, \
            Sink(lambda number, uid: states.get(uid, 0)) as sink:
        put(server, objects(count=8))
        add(server, "SINK", sink.port)
        with associate(server) as a:
            answer = move(a, "SINK").is_(0xB000, (2, 3, 3))
            equal(answer.failed, ["1.1.1.1", "1.1.1.2", "1.1.1.5"])
            assert "disk full" in answer.comment, answer.comment
            move(a, "SINK", "IMAGE", {INSTANCE: "1.1.1.0"}).is_(
                0xB000, (0, 0, 1))
            move(a, "SINK", "IMAGE", {INSTANCE: "1.1.1.1"}).is_(
                0xA702, (0, 1, 0))


def t_file_gone():
    with Server() as server, Sink() as sink:
        put(server, objects(count=4))
        paths = sorted(glob.glob(os.path.join(
            server.data, "objects", "2*", "**", "*.dcm"), recursive=True))
        os.unlink(paths[0])
        add(server, "SINK", sink.port)
        with associate(server) as a:
            answer = move(a, "SINK").is_(0xB000, (3, 1, 0))
            equal(len(answer.failed), 1)
            assert "/" not in answer.comment, answer.comment
        equal(len(sink.got), 3)


def t_many():
    """More than a batch; the counts go down to nothing."""
    with Server() as server, Sink(window=8) as sink:
        items = objects("6.1", 1100)
        put(server, items)
        add(server, "SINK", sink.port)
        with associate(server) as a:
            answer = move(a, "SINK", keys={STUDY: "6.1"})
            answer.is_(0, (1100, 0, 0))
        equal(sink.data(), items)
        equal(len(sink.requests), 1)
        equal(sink.requests[0]["window"][0], 8)
        equal(sink.most_in_flight, 8)
        # Before the first has arrived it is told each second.
        first = next(p for p in answer.pending if p != (1100, 0, 0, 0))
        equal(first, (1099, 1, 0, 0))
        assert len(answer.pending) >= 100
        before = 1100
        for remaining, completed, failed, warning in answer.pending:
            equal(remaining + completed + failed + warning, 1100)
            assert remaining <= before
            before = remaining


def t_pending_each_second():
    """Also while the destination digests a single instance."""
    go = threading.Event()

    def slow(number, uid):
        go.wait(300)
        return 0
    with Server() as server, Sink(slow) as sink:
        put(server, objects(count=2))
        add(server, "SINK", sink.port)
        with associate(server) as a:
            message = request(a, "SINK")
            status, values, _ = a.response()
            equal(status, 0xFF00)
            equal(struct.unpack("<H", values[0x1020])[0], 2)
            go.set()
            Answer(a, message).is_(0, (2, 0, 0))


def t_cancel():
    for behave, done in (("stall", 4), ("deaf", 4)):
        with Server(LONG) as server, Sink(
                lambda n, uid, b=behave: b if n >= 4 else 0) as sink:
            put(server, objects(count=20, size=4 << 20 if behave == "deaf"
                                else 4))
            add(server, "SINK", sink.port)
            with associate(server) as a:
                message = request(a, "SINK")
                wait_for(lambda: sink.count == 5)
                a.cancel(message, dicom.MOVE_STUDY)
                answer = Answer(a, message).is_(0xFE00, (done, 0, 0))
                equal(answer.remaining, 20 - done)
                equal(a.echo(), 0)


def t_cancel_while_connecting():
    with Server(LONG) as server, Black() as black:
        put(server, objects())
        add(server, "BLACK", black.port)
        with associate(server) as a:
            message = request(a, "BLACK")
            equal(a.response()[0], 0xFF00)
            a.cancel(message, dicom.MOVE_STUDY)
            answer = Answer(a, message).is_(0xFE00, (0, 0, 0))
            equal(answer.remaining, 3)


def t_requester_leaves():
    for how in ("abort", "close"):
        with Server(LONG) as server, Sink(lambda n, uid: "stall") as sink:
            put(server, objects())
            add(server, "SINK", sink.port)
            a = associate(server)
            request(a, "SINK")
            wait_for(lambda: sink.begun.is_set() and sink.got)
            if how == "abort":
                a.abort()
            a.close()
            server.wait_log("the requester has gone")
            with associate(server) as b:
                equal(b.echo(), 0)


def t_destination_fails_in_the_middle():
    """Each way once, at the fourth instance: what was answered counts, the
    rest goes on in a new association, and nothing hangs."""
    for action in ("close", "cut", "reset", "abort", "release", "wrong id",
                   "wrong kind", "pending", "garbage", "request", "twice",
                   "data"):
        with Server() as server, Sink(
                lambda n, uid, act=action: act if n == 3 else 0) as sink:
            items = objects(count=10, size=1 << 16)
            put(server, items)
            add(server, "SINK", sink.port)
            with associate(server) as a:
                answer = move(a, "SINK")
                equal((sum(answer.counts), answer.counts[2]), (10, 0), action)
                # The break itself cost nothing: it was sent once more.
                answer.is_(0, (10, 0, 0))
            equal(sorted(sink.data()), sorted(items), action)
            equal(len(sink.requests), 2, action)


def t_poison():
    """An instance that the destination breaks at, every time."""
    with Server() as server, Sink(
            lambda n, uid: "close" if uid == "1.1.1.4" else 0) as sink:
        put(server, objects(count=10))
        add(server, "SINK", sink.port)
        with associate(server) as a:
            answer = move(a, "SINK").is_(0xB000, (9, 1, 0))
            equal(answer.failed, ["1.1.1.4"])
            assert "closed" in answer.comment, answer.comment
    # All of them: given up soon.
    with Server() as server, Sink(lambda n, uid: "close") as sink:
        put(server, objects(count=100))
        add(server, "SINK", sink.port)
        with associate(server) as a:
            answer = move(a, "SINK").is_(0xA702, (0, 100, 0))
            equal(len(answer.failed), 100)
        assert len(sink.requests) < 10, len(sink.requests)


def t_stalls():
    """Side by side: there is time for what does not stall."""
    with Server({"dicom.timeout_s": "10"}) as server, \
            contextlib.ExitStack() as ends:
        asked = []
        for n, action in enumerate(("stall", "deaf", "drip")):
            sink = ends.enter_context(Sink(
                lambda n, uid, act=action: act if n == 2 else 0))
            study = "1.%d" % n
            put(server, objects(study, 6, size=4 << 20 if action == "deaf"
                                else 4))
            add(server, action.upper(), sink.port)
            a = ends.enter_context(associate(server))
            asked.append((a, request(a, action.upper(), keys={STUDY: study})))
        for a, message in asked:
            answer = Answer(a, message).is_(0xB000, (2, 4, 0))
            equal(len(answer.failed), 4)
            assert answer.pending


def t_unreachable():
    with Server({"dicom.timeout_s": "2"}) as server:
        put(server, objects())
        add(server, "DEAD", free_port())
        add(server, "LOST", 104, "no-such-host.invalid")
        with Black() as black, associate(server) as a:
            add(server, "BLACK", black.port)
            for ae, word in (("DEAD", "refused"), ("LOST", "no-such-host"),
                             ("BLACK", "timed out")):
                answer = move(a, ae).is_(0xA702, (0, 3, 0))
                equal(answer.failed, sorted(objects()))
                server.wait_log(word)
                assert answer.comment, ae
            equal(a.echo(), 0)


def t_greetings():
    for greet, word in (("silent", "in time"), ("close", "closed"),
                        ("garbage", ""), ("abort", "abort")):
        # What waits for nothing has all the time.
        seconds = "4" if greet == "silent" else "600"
        with Server({"dicom.timeout_s": seconds}) as server, \
                Sink(greet=greet) as sink:
            put(server, objects())
            add(server, "SINK", sink.port)
            with associate(server) as a:
                answer = move(a, "SINK").is_(0xA702, (0, 3, 0))
                assert word in answer.comment, (greet, answer.comment)


def t_rejections_in_words():
    words = {(1, 1, 1): "reason", (1, 1, 2): "application context",
             (1, 1, 3): "calling AE", (1, 1, 7): "called AE",
             (1, 2, 2): "protocol version", (2, 3, 1): "congestion",
             (2, 3, 2): "limit"}
    with Server() as server, Sink() as sink:
        put(server, objects(count=1))
        add(server, "SINK", sink.port)
        with associate(server) as a:
            for n, (reject, word) in enumerate(words.items()):
                sink.reject = reject
                move(a, "SINK").is_(0xA702, (0, 1, 0))
                lines = wait_for(lambda: (lambda found: len(found) > n
                                          and found)([
                    x for x in server.log().splitlines()
                    if "interrupted" in x]), what="a line in the log")
                assert "rejected" in lines[-1], (reject, lines[-1])
                assert word in lines[-1], (reject, lines[-1])


def t_dead_destinations_delay_nobody():
    with Server(LONG) as server, Black() as black, Sink() as sink:
        put(server, objects())
        for ae in ("BLACK1", "BLACK2"):
            add(server, ae, black.port)
        add(server, "SINK", sink.port)
        waiting = []
        for i in range(12):
            a = associate(server)
            request(a, "BLACK%d" % (i % 2 + 1))
            waiting.append(a)
        with associate(server) as a:
            move(a, "SINK").is_(0, (3, 0, 0))
        with dicom.Association(
                server.dicom_port, [(dicom.GET_STUDY, [dicom.EXPLICIT_LITTLE]),
                                    (dicom.CT, [dicom.EXPLICIT_LITTLE])],
                user=dicom.user_information(
                    more=dicom.role(dicom.CT, False, True))) as a:
            equal(a.get(dicom.GET_STUDY, [
                (LEVEL, "CS", "STUDY"), (STUDY, "UI", "1.1")])[0], 0)
        put(server, objects("5.5"))
        for a in waiting:
            a.abort()


def t_so_many_at_once_to_one_destination():
    go = threading.Event()

    def hold(number, uid):
        go.wait(300)
        return 0
    with Server({"dicom.max_outgoing": "2"}) as server, Sink(hold) as sink:
        put(server, objects(count=2))
        add(server, "SINK", sink.port)
        running = [associate(server) for _ in range(5)]
        messages = [request(a, "SINK") for a in running[:2]]
        wait_for(lambda: sink.open == 2)
        messages += [request(a, "SINK") for a in running[2:]]
        # Two of those in line give up; their turn passes by.
        running[4].abort()
        running[3].cancel(messages[3], dicom.MOVE_STUDY)
        go.set()
        for a, message in list(zip(running, messages))[:3]:
            Answer(a, message).is_(0, (2, 0, 0))
            a.release()
            a.close()
        Answer(running[3], messages[3]).is_(0xFE00, (0, 0, 0))
        running[3].close()
        equal(sink.most_open, 2)
        equal(len(sink.got), 6)


def t_cancel_in_line():
    """At once, while those before still run; and so it is seen that a
    requester has gone."""
    go = threading.Event()

    def hold(number, uid):
        go.wait(300)
        return 0
    with Server({"dicom.max_outgoing": "1"}) as server, Sink(hold) as sink:
        put(server, objects(count=2))
        add(server, "SINK", sink.port)
        first = associate(server)
        message = request(first, "SINK")
        wait_for(lambda: sink.open == 1)
        for i in range(3):
            with associate(server) as a:
                waiting = request(a, "SINK")
                if i:  # it waits, not only stands where it came
                    threading.Event().wait(0.1)
                a.cancel(99, dicom.MOVE_STUDY)  # another's
                a.cancel(waiting, dicom.MOVE_STUDY)
                answer = Answer(a, waiting).is_(0xFE00, (0, 0, 0))
                equal(answer.remaining, 2)
                equal(a.echo(), 0)
        for how in ("abort", "close"):
            a = associate(server, calling="LEAVER")
            request(a, "SINK")
            before = server.log().count("'LEAVER'")
            if how == "abort":
                a.abort()
            a.close()
            wait_for(lambda n=before: server.log().count("'LEAVER'") >= n + 2,
                     what="the end of one that waited, after %s" % how)
        # One that cannot be looked into waits for its turn all the same.
        loud = associate(server)
        loud_id = request(loud, "SINK")
        for _ in range(5000):
            loud.send_message(loud.context_for(dicom.VERIFICATION),
                              dicom.command([(0x0002, dicom.VERIFICATION),
                                             (0x0100, 0x0030),
                                             (0x0110, 7), (0x0800, 0x0101)]))
        with associate(server) as a:
            equal(a.echo(), 0)
        go.set()
        Answer(first, message).is_(0, (2, 0, 0))
        Answer(loud, loud_id).is_(0, (2, 0, 0))
        loud.abort()
        first.release()
        first.close()
        equal(len(sink.requests), 2)


def t_told_in_line():
    """Pending responses while it waits: requesters give up without."""
    go = threading.Event()

    def hold(number, uid):
        go.wait(300)
        return 0
    with Server({"dicom.max_outgoing": "1"}) as server, Sink(hold) as sink:
        put(server, objects(count=3))
        add(server, "SINK", sink.port)
        with associate(server) as first, associate(server) as second:
            message = request(first, "SINK")
            wait_for(lambda: sink.open == 1)
            waiting = request(second, "SINK")
            for _ in range(2):
                status, values, data = second.response()
                equal((hex(status), data), ("0xff00", None))
                equal([struct.unpack("<H", values[t])[0] for t in range(
                    0x1020, 0x1024)], [3, 0, 0, 0])
            equal(len(sink.requests), 1)
            go.set()
            Answer(first, message).is_(0, (3, 0, 0))
            Answer(second, waiting).is_(0, (3, 0, 0))


def first_answered(line):
    """Of those that wait the first that need not any more: it, and its answer.
    The others are told now and then that they do (FF00)."""
    while True:
        told = select.select([a.socket for a in line], [], [], 120)[0]
        assert told, "nobody is told anything"
        for a in [a for a in line if a.socket in told]:
            status, values, _ = a.response()
            if status != 0xFF00:
                return a, values


def t_line_is_no_memory_hole():
    """What waits in line is held; more than there is room for is refused."""
    with Server({"dicom.max_outgoing": "1",
                 "dicom.timeout_s": "300"}) as server, \
            Sink(lambda n, uid: "stall") as sink:
        put(server, objects(count=1))
        add(server, "SINK", sink.port)
        first = associate(server)
        request(first, "SINK")
        wait_for(lambda: sink.open == 1)
        large = {STUDY: "1.1\\" + "\\".join(["1.2.3"] * 600000)}
        line = [associate(server) for _ in range(20)]
        messages = [request(a, "SINK", keys=large) for a in line]
        # Whichever was read when there was no room.
        refused, values = first_answered(line)
        equal(struct.unpack("<H", values[0x0900])[0], 0xA701)
        equal(struct.unpack("<H", values[0x0120])[0],
              messages[line.index(refused)])
        comment = dicom.as_text(values[0x0902])
        assert "later" in comment, comment
        equal(refused.echo(), 0)
        # Room again when the others give up.
        for a in line:
            if a is not refused:
                a.abort()
        wait_for(lambda: server.log().count("aborted by the peer after") >= 19,
                 120)
        message = request(refused, "SINK", keys=large)
        refused.cancel(message, dicom.MOVE_STUDY)
        assert Answer(refused, message).status != 0xA701
        first.abort()
        refused.release()
        refused.close()


def t_line_goes_on():
    """Turns come in order, however many gave up before theirs."""
    go = threading.Event()

    def hold(number, uid):
        go.wait(300)
        return 0
    with Server({"dicom.max_outgoing": "1"}) as server, Sink(hold) as sink:
        put(server, objects(count=1))
        add(server, "SINK", sink.port)
        line = [associate(server) for _ in range(40)]
        messages = [request(line[0], "SINK")]
        wait_for(lambda: sink.open == 1)
        messages += [request(a, "SINK") for a in line[1:]]
        threads = []
        for i, a in enumerate(line):
            if i % 3 == 1:
                threads.append(threading.Thread(target=a.cancel, args=(
                    messages[i], dicom.MOVE_STUDY)))
            elif i % 3 == 2:
                threads.append(threading.Thread(target=a.abort))
        threads.append(threading.Thread(target=go.set))
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for i, a in enumerate(line):
            if i % 3 == 0:
                Answer(a, messages[i]).is_(0, (1, 0, 0))
            elif i % 3 == 1:
                assert Answer(a, messages[i]).status in (0, 0xFE00)
            a.close()


def t_wider_while_they_wait():
    with Server() as server, Sink(lambda n, uid: "stall") as sink:
        server.verb("settings", "set", "dicom.max_outgoing", "1")
        server.wait_log("dicom.max_outgoing is now '1'")
        put(server, objects(count=1))
        add(server, "SINK", sink.port)
        running = [associate(server) for _ in range(3)]
        for a in running:
            request(a, "SINK")
        wait_for(lambda: sink.open == 1)
        server.verb("settings", "set", "dicom.max_outgoing", "3")
        wait_for(lambda: sink.open == 3)
        for a in running:
            a.abort()


def t_twenty_at_once():
    with Server() as server, Sink(window=4) as one, Sink() as two:
        items = [objects("7.%d" % i, 20) for i in range(4)]
        for part in items:
            put(server, part)
        add(server, "ONE", one.port)
        add(server, "TWO", two.port)
        errors = []

        def run(i):
            try:
                with associate(server) as a:
                    move(a, ("ONE", "TWO")[i % 2],
                         keys={STUDY: "7.%d" % (i % 4)}).is_(0, (20, 0, 0))
            except BaseException as e:  # pylint: disable=broad-except
                errors.append(e)
        threads = [threading.Thread(target=run, args=(i,)) for i in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if errors:
            raise errors[0]
        equal(len(one.got) + len(two.got), 400)
        assert max(one.most_open, two.most_open) <= 4


def t_recorded():
    with Server() as server, Sink() as sink:
        put(server, objects())
        add(server, "SINK", sink.port)
        with associate(server, calling="ASKER") as a:
            move(a, "SINK").is_(0, (3, 0, 0))
        server.wait_log("'ASKER' at 127.0.0.1 moved 3 of 3 instances to "
                        "'SINK' at 127.0.0.1 port %d" % sink.port)
        server.wait_log("1 moves, 0 instances in, 3 out")


def t_stop_of_the_server():
    """It waits neither for a silent destination nor for those in line, and
    what has not arrived is told as failed."""
    with Server({"dicom.timeout_s": "60", "dicom.max_outgoing": "1"}) \
            as server, Sink(lambda n, uid: "stall" if n else 0) as sink:
        put(server, objects(count=700))
        add(server, "SINK", sink.port)
        a, waits = associate(server), associate(server)
        message = request(a, "SINK")
        wait_for(lambda: len(sink.got) > 1)
        request(waits, "SINK")
        server.stop()
        assert "broken off" not in server.log()
        answer = Answer(a, message).is_(0xB000, (1, 699, 0))
        assert "stopped" in answer.comment, answer.comment
        equal(len(answer.failed), 699)
        waits.until_closed()
        a.close()
        waits.close()


def t_stop_while_connecting():
    with Server({"dicom.timeout_s": "60"}) as server, Black() as black:
        put(server, objects())
        add(server, "BLACK", black.port)
        a = associate(server)
        message = request(a, "BLACK")
        a.response()
        server.stop()
        assert "broken off" not in server.log()
        Answer(a, message).is_(0xA702, (0, 3, 0))
        a.close()


if __name__ == "__main__":
    sys.exit(main())
