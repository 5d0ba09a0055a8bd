"""The job queue: sending studies on, retries, restarts, several nodes, what a
second process changes."""

import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.runner import equal, main
from harness.server import Server, free_port, wait_for
from harness.sink import Sink as Storage

TSAN = True


class Sink(Storage):
    """answer(uid) gives the status of each instance, or None to drop the
    connection; what it took is in taken, in order. classes: those it takes;
    None: all."""

    def __init__(self, answer=lambda uid: 0, reject=False, classes=None):
        self.answer, self.classes, self.taken = answer, classes, []
        super().__init__(self._take, self._choose,
                         reject=(1, 1, 7) if reject else None)

    def _choose(self, abstract, syntaxes):
        return syntaxes[0] if self.classes is None or \
            abstract in self.classes else None

    def _take(self, _, uid):
        status = self.answer(uid)
        if status is None:
            return "close"
        self.taken.append(uid)
        return status


def put(server, count, study="1.1", sop_class=dicom.CT):
    uids = ["%s.%d" % (study, i) for i in range(1, count + 1)]
    with dicom.Association(server.dicom_port,
                           [(sop_class, [dicom.EXPLICIT_LITTLE])]) as a:
        for uid in uids:
            equal(a.store(sop_class, uid, dicom.instance(
                uid, sop_class, study=study, series=study + ".0")), 0)
    return uids


def add_node(server, name, port):
    server.verb("node", "add", name, "127.0.0.1", str(port))


def send(server, node, *studies):
    words = server.verb("send", node, *studies).split()
    equal(words[0], "job")
    return words[1].rstrip(":")


def show(server, job, *more):
    """{field: value} of 'jobs show', and the lines of its items."""
    fields, items = {}, []
    for line in server.verb("jobs", "show", job, *more).splitlines():
        if line.startswith("  "):
            items.append(line.split(None, 2) if "to do" not in line
                         else ["to do"] + line.split(None, 3)[2:])
        else:
            name, _, value = line.partition(" ")
            fields[name] = value.strip()
    return fields, items


def wait_state(server, job, *states, seconds=60):
    def there():
        fields, _ = show(server, job)
        return fields if fields["state"] in states else None
    return wait_for(there, seconds, "job %s is %s" % (job, states))


def t_sends_all():
    with Server() as server, Sink() as sink:
        uids = put(server, 12) + put(server, 3, "1.2")
        put(server, 2, "1.3")
        add_node(server, "SINK", sink.port)
        job = send(server, "SINK", "1.1", "1.2")
        fields = wait_state(server, job, "done")
        equal(sorted(sink.taken), sorted(uids))
        equal(len(sink.requests), 1)
        equal(fields["items"], "15/15")
        equal(fields["node"], "SINK")
        equal(show(server, job)[1], [])
        equal(len(show(server, job, "--all")[1]), 15)
        assert job in server.verb("jobs", "list"), "not in the list"
        equal(server.verb("jobs", "list", "--state", "failed"), "")
        server.wait_log("job %s (send, node 'SINK', 15 of 15 done): done"
                        % job)
        equal(server.verb("jobs", "clear"), "0 jobs forgotten\n")
        equal(server.verb("jobs", "clear", "--before", "0"),
              "1 job forgotten\n")
        server.verb("jobs", "show", job, expect=1)


def t_wrong_words():
    with Server() as server, Sink() as sink:
        put(server, 1)
        add_node(server, "SINK", sink.port)
        add_node(server, "DEAF", 0)
        for words, text in (
                (("send", "NOBODY", "1.1"), "node add NOBODY"),
                (("send", "SINK", "9.9"), "no study 9.9"),
                (("jobs", "show", "77"), "no job 77"),
                (("jobs", "retry", "77"), "no job 77"),
                (("jobs", "cancel", "77"), "no job 77")):
            done = server.run(*words)
            equal(done.returncode, 1, words)
            assert text in done.stderr, done.stderr
        for words, text in (
                (("send", "DEAF", "1.1"), "--port"),
                (("send", "SINK", "no uid"), "no UID"),
                (("send", "SINK"), "missing"),
                (("jobs",), "list"), (("jobs", "what"), "list"),
                (("jobs", "show"), "missing"),
                (("jobs", "show", "x"), "number"),
                (("jobs", "list", "--state", "odd"), "waiting"),
                (("jobs", "clear", "--before", "-1"), "--before")):
            done = server.run(*words)
            equal(done.returncode, 2, words)
            assert text in done.stderr, done.stderr
        equal(server.verb("jobs", "list"), "")


def t_refused_then_taken():
    """Out of resources is tried again, with what is done left alone."""
    full = set()

    def answer(uid):
        return 0xA700 if uid in full else 0

    with Server() as server, Sink(answer) as sink:
        uids = put(server, 9)
        full.update(uids[3:6])
        add_node(server, "SINK", sink.port)
        job = send(server, "SINK", "1.1")
        for attempt in range(3):
            fields = wait_for(lambda: (lambda f: f if f["state"] == "waiting"
                                       and "error" in f else None)(
                                           show(server, job)[0]),
                              60, "a failed attempt")
            equal(fields["items"], "6/9")
            assert "A700" in fields["error"], fields
            if attempt == 2:
                full.clear()
            taken = len(sink.taken)
            server.retry(job)
            wait_for(lambda: len(sink.taken) >= taken + 3,
                     what="another attempt")
        wait_state(server, job, "done")
        # Three times, or once more by itself on a slow machine.
        again = sink.taken[len(uids):]
        equal(sink.taken[:len(uids)], uids)
        equal(again, uids[3:6] * max(3, len(again) // 3))


def t_node_down():
    """A node that is not there holds up nobody but itself; a hundred jobs for
    it do not each try."""
    with Server() as server, Sink() as sink:
        put(server, 2)
        add_node(server, "DEAD", free_port())
        add_node(server, "SINK", sink.port)
        dead = [send(server, "DEAD", "1.1") for _ in range(3)]
        alive = send(server, "SINK", "1.1")
        wait_state(server, alive, "done")
        fields = wait_for(
            lambda: (lambda f: f if "next" in f and "error" in f else None)(
                show(server, dead[0])[0]), 60, "a failed attempt")
        assert int(fields["attempts"]) >= 1, fields
        assert "DEAD" in fields["error"], fields
        equal(server.log().count("attempt 1 begins") <= 5, True)


def t_rejected():
    with Server() as server, Sink(reject=True) as sink:
        put(server, 1)
        add_node(server, "SINK", sink.port)
        job = send(server, "SINK", "1.1")
        server.wait_log("attempt 1 failed")
        fields = wait_state(server, job, "waiting")
        assert "AE title" in fields["error"], fields
        sink.reject = False
        server.retry(job)
        wait_state(server, job, "done")


def t_never_taken():
    """What a node will never take fails, the rest is sent."""
    def answer(uid):
        return {"1.1.2": 0xA900, "1.1.3": 0xC001, "1.1.4": 0xB000}.get(uid, 0)

    with Server() as server, Sink(answer, classes=[dicom.CT]) as sink:
        put(server, 5)
        put(server, 1, "1.2", dicom.MR)
        add_node(server, "SINK", sink.port)
        job = send(server, "SINK", "1.1", "1.2")
        fields = wait_state(server, job, "failed")
        equal(fields["items"], "3/6 (3 failed)")
        assert "3 of 6" in fields["error"], fields
        failed = {i[1]: i[2] for i in show(server, job)[1]}
        equal(sorted(failed), ["1.1.2", "1.1.3", "1.2.1"])
        assert failed["1.1.2"].startswith("A900"), failed
        report = os.path.join(server.data, "report.csv")
        server.verb("jobs", "show", job, "--report", report)
        with open(report, encoding="utf-8", newline="") as f:
            lines = f.read().split("\r\n")
        equal(lines[0], "uid,status,expected,got,reason")
        equal(len(lines), 8)
        # Once more, when the node has learned.
        sink.answer = lambda uid: 0
        sink.classes = None
        server.verb("jobs", "retry", job)
        equal(wait_state(server, job, "done")["items"], "6/6")


def t_killed_and_started_again():
    """kill -9 in the middle: all arrive, and what was answered is not sent
    again, but for the last few."""
    pause = threading.Event()
    seen = threading.Event()

    def answer(_):
        if len(sink.taken) == 60:
            seen.set()
            pause.wait(300)
            return None
        return 0

    with Server() as server, Sink(answer) as sink:
        uids = put(server, 150)
        add_node(server, "SINK", sink.port)
        job = send(server, "SINK", "1.1")
        assert seen.wait(300), "nothing was sent"
        server.kill()
        pause.set()
        sink.answer = lambda uid: 0
        server.start()
        equal(wait_state(server, job, "done")["items"], "150/150")
        equal(sorted(set(sink.taken)), sorted(uids))
        assert len(sink.taken) <= len(uids) + 10, len(sink.taken)
        equal(show(server, job)[0]["attempts"], "1")


def t_stopped_and_started_again():
    """A stop is prompt, and is no attempt."""
    hold = threading.Event()
    seen = threading.Event()

    def answer(_):
        if len(sink.taken) == 20 and not hold.is_set():
            seen.set()
            hold.wait(300)
        return 0

    with Server() as server, Sink(answer) as sink:
        uids = put(server, 60)
        add_node(server, "SINK", sink.port)
        job = send(server, "SINK", "1.1")
        assert seen.wait(300), "nothing was sent"
        server.stop()
        hold.set()
        server.start()
        fields = wait_state(server, job, "done")
        equal(fields["attempts"], "1")
        equal(sorted(set(sink.taken)), sorted(uids))
        server.wait_log("interrupted, to be continued")


def t_cancelled():
    hold = threading.Event()
    seen = threading.Event()

    def answer(_):
        if len(sink.taken) == 3:
            seen.set()
            hold.wait(300)
        return 0

    with Server() as server, Sink(answer) as sink:
        put(server, 50)
        add_node(server, "SINK", sink.port)
        first = send(server, "SINK", "1.1")
        assert seen.wait(300), "nothing was sent"
        # One job a node: the second waits, and may be cancelled as well.
        second = send(server, "SINK", "1.1")
        equal(show(server, second)[0]["state"], "waiting")
        server.verb("jobs", "cancel", second)
        server.verb("jobs", "cancel", first)
        equal(show(server, first)[0]["state"], "cancelled")
        server.wait_log("cancelled")
        hold.set()
        assert len(sink.taken) < 50, "sent in spite of the cancel"
        equal(server.run("jobs", "cancel", first).returncode, 1)
        server.verb("jobs", "retry", first)
        wait_state(server, first, "done")
        equal(show(server, second)[0]["state"], "cancelled")


def t_one_at_a_time():
    """dicom.max_outgoing, and a change of it beside the running server."""
    hold, here = threading.Event(), []

    def answer(_):
        here.append(1)
        hold.wait(300)
        return 0

    sinks = [Sink(answer) for _ in range(3)]
    with Server(settings={"dicom.max_outgoing": None}) as server:
        server.verb("settings", "set", "dicom.max_outgoing", "1")
        server.wait_log("dicom.max_outgoing is now '1'")
        put(server, 1)
        jobs = []
        for i, sink in enumerate(sinks):
            add_node(server, "SINK%d" % i, sink.port)
            jobs.append(send(server, "SINK%d" % i, "1.1"))
        wait_for(lambda: len(here) == 1, what="the first")
        states = [show(server, j)[0]["state"] for j in jobs]
        equal(sorted(states), ["running", "waiting", "waiting"])
        server.verb("settings", "set", "dicom.max_outgoing", "3")
        wait_for(lambda: len(here) == 3, what="the others")
        hold.set()
        for j in jobs:
            wait_state(server, j, "done")
    for sink in sinks:
        sink.close()


def t_broken_off():
    """The node drops the connection in the middle: what went is not sent
    again, and progress begins the count of attempts anew."""
    drops = []

    def answer(uid):
        if uid == "1.1.5" and len(drops) < 2:
            drops.append(uid)
            return None
        return 0

    with Server() as server, Sink(answer) as sink:
        uids = put(server, 10)
        add_node(server, "SINK", sink.port)
        job = send(server, "SINK", "1.1")
        for n in (1, 2):
            wait_for(lambda: len(drops) >= n, 60, "a drop")
            wait_state(server, job, "waiting", "done")
            server.retry(job)
        wait_state(server, job, "done")
        equal(sorted(set(sink.taken)), sorted(uids))


def t_gone_meanwhile():
    """The node's entry goes while its job waits."""
    with Server() as server:
        put(server, 1)
        add_node(server, "SINK", free_port())
        job = send(server, "SINK", "1.1")
        server.wait_log("attempt 1 failed")
        server.verb("node", "delete", "SINK")
        server.retry(job)
        fields = wait_state(server, job, "failed")
        assert "node add SINK" in fields["error"], fields


def t_without_server():
    """Added while no server runs: it begins when one starts."""
    with Server() as server, Sink() as sink:
        put(server, 2)
        add_node(server, "SINK", sink.port)
        server.stop()
        done = server.run("send", "SINK", "1.1")
        equal(done.returncode, 0)
        assert "no server is running" in done.stderr, done.stderr
        server.start()
        wait_state(server, "1", "done")
        equal(len(sink.taken), 2)


if __name__ == "__main__":
    sys.exit(main())
