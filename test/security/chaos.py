"""Destinations of C-MOVE that misbehave in every way there is, at random, and
requesters that cancel and leave in between. Whatever happens: the final counts
add up to the instances there are, none is counted as sent that did not arrive,
everybody is answered, and the server lives on and forgets nothing.

CHAOS_SEED repeats a run (the seed is printed), CHAOS_ROUNDS makes it longer.
"""

import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../proto"))

from harness import dicom
from harness.runner import equal, main
from harness.server import Server, wait_for
from harness.sink import ACTIONS, Sink, any_syntax, only

import move as proto

SEED = int(os.environ.get("CHAOS_SEED") or time.time_ns() % 1000000)
ROUNDS = int(os.environ.get("CHAOS_ROUNDS") or 12)
STATUSES = (0, 0, 0, 0xB000, 0xB006, 0xB007, 0xA700, 0xA900, 0xC000, 0x0110,
            0x0122, 0x0001, 0xFFFF)
GREETINGS = ("accept",) * 12 + ("silent", "close", "garbage", "abort")
COUNT = 30
# A silent destination costs this long; everything else is quick.
TIMEOUT_S = 1
LONGEST_S = 200


def choices(rng):
    """What a destination accepts of what is proposed."""
    return rng.choice((any_syntax, any_syntax, only(dicom.IMPLICIT_LITTLE),
                       only(dicom.EXPLICIT_LITTLE), lambda *_: None,
                       lambda a, s: s[0] if a == dicom.CT else None,
                       lambda a, s: s[-1], lambda *_: "1.2.3.4"))


def sink_of(rng):
    odds = rng.choice((0.0, 0.02, 0.1, 0.5))
    own, lock = random.Random(rng.random()), threading.Lock()

    def behave(number, uid):
        with lock:
            if own.random() < odds:
                return own.choice(ACTIONS)
            return own.choice(STATUSES)
    return Sink(behave, choices(rng),
                reject=rng.choice((None,) * 8 + ((1, 1, 7), (2, 3, 1))),
                window=rng.choice((None, 2, 8)), greet=rng.choice(GREETINGS),
                max_length=rng.choice((128, 4096, 65536, 0)))


def requester(server, ae, rng, failures):
    """One requester; how it ends is the dice's."""
    how = rng.choice(("wait", "wait", "wait", "cancel", "abort", "close"))
    after = rng.choice((0, 0.01, 0.2))
    begin = time.monotonic()
    try:
        a = proto.associate(server, timeout=LONGEST_S)
        message = proto.request(a, ae, keys={proto.STUDY: "9.1"})
        if how != "wait":
            threading.Event().wait(after)
        if how == "abort":
            a.abort()
            return
        if how == "close":
            a.close()
            return
        if how == "cancel":
            a.cancel(message, dicom.MOVE_STUDY)
        answer = proto.Answer(a, message)
        done = sum(answer.counts)
        if answer.status == 0xFE00:
            equal(how, "cancel")
            equal(done + answer.remaining, COUNT)
        else:
            equal(done, COUNT)
            equal(answer.status, 0xA702 if answer.counts[1] == COUNT else
                  0 if answer.counts == (COUNT, 0, 0) else 0xB000)
        equal(len(answer.failed), answer.counts[1])
        before = COUNT + 1
        for remaining, *counts in answer.pending:
            equal(remaining + sum(counts), COUNT)
            assert remaining < before or counts == last, "going backwards"
            before, last = remaining, counts
        equal(a.echo(), 0)
        a.release()
        a.close()
        assert time.monotonic() - begin < LONGEST_S, "it took too long"
    except BaseException as e:  # pylint: disable=broad-except
        failures.append("%s (%s) after %.1f s: %r" % (
            ae, how, time.monotonic() - begin, e))


def descriptors(server):
    """Its sockets and open objects."""
    folder = "/proc/%d/fd" % server.pid
    found = 0
    for name in os.listdir(folder):
        try:
            target = os.readlink(os.path.join(folder, name))
        except OSError:
            continue
        found += target.startswith("socket") or target.endswith(".dcm")
    return found


def threads_run(server, rng, names):
    failures = []
    threads = [threading.Thread(target=requester, args=(
        server, rng.choice(names), random.Random(rng.random()), failures))
        for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(LONGEST_S + 30)
        assert not t.is_alive(), "a requester hangs"
    assert not failures, "\n".join(failures)


def patience(server, seconds):
    """How long it waits for others, from now on."""
    server.verb("settings", "set", "dicom.timeout_s", str(seconds))
    server.wait_log("dicom.timeout_s is now '%d'" % seconds)


def t_destinations_at_random():
    print("CHAOS_SEED=%d" % SEED)
    rng = random.Random(SEED)
    with Server({"dicom.max_outgoing": "3"}) as server:
        patience(server, TIMEOUT_S)
        proto.put(server, proto.objects("9.1", COUNT - 6, size=1 << 14))
        proto.put(server, {"9.1.7.%d" % i:
                           dicom.instance("9.1.7.%d" % i, dicom.MR,
                                          study="9.1", series="9.1.9")
                           for i in range(5)}, dicom.MR)
        proto.put(server, {"9.1.8": dicom.instance(
            "9.1.8", study="9.1", series="9.1.0", pixels=b"")},
            syntax=dicom.JPEG_BASELINE)
        with proto.associate(server) as a:
            equal(a.echo(), 0)
        wait_for(lambda: descriptors(server) == 1, what="one socket")
        before = descriptors(server)
        for number in range(ROUNDS):
            sinks = [sink_of(rng) for _ in range(3)]
            names = []
            for i, sink in enumerate(sinks):
                names.append("D%d.%d" % (number, i))
                proto.add(server, names[-1], sink.port)
            names.append("NOBODY%d" % number)
            proto.add(server, names[-1], proto.free_port())
            threads_run(server, rng, names)
            for sink in sinks:
                sink.close()
        # Nothing of it stays.
        wait_for(lambda: descriptors(server) <= before, 60,
                 "the descriptors of before")
        # One that behaves may be slower than those were let be.
        patience(server, 60)
        with Sink() as sink, proto.associate(server) as a:
            proto.add(server, "GOOD", sink.port)
            proto.move(a, "GOOD", keys={proto.STUDY: "9.1"}).is_(
                0, (COUNT, 0, 0))


def t_what_counts_as_sent_has_arrived():
    """Completed and warned: the destination had them whole and said so."""
    rng = random.Random(SEED + 1)
    with Server({"dicom.timeout_s": str(TIMEOUT_S)}) as server:
        items = proto.objects("9.2", 40, size=1 << 14)
        proto.put(server, items)
        for number in range(ROUNDS):
            answered, lock = {}, threading.Lock()

            def behave(count, uid, own=random.Random(rng.random()),
                       answered=answered, lock=lock):
                with lock:
                    if own.random() < 0.15:
                        return own.choice(("close", "cut", "reset", "abort",
                                           "wrong id", "garbage", "release"))
                    answered[uid] = own.choice((0, 0, 0xB000, 0xA700))
                    return answered[uid]
            with Sink(behave, window=rng.choice((None, 4))) as sink, \
                    proto.associate(server) as a:
                proto.add(server, "E%d" % number, sink.port)
                answer = proto.move(a, "E%d" % number,
                                    keys={proto.STUDY: "9.2"})
                equal(sum(answer.counts), 40)
                got = sink.data()
                for uid in set(items) - set(answer.failed):
                    equal(got.get(uid), items[uid], uid)
                    assert answered.get(uid) in (0, 0xB000), uid
        equal(server.running(), True)


if __name__ == "__main__":
    sys.exit(main())
