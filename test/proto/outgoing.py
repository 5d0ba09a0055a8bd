"""The activity of associations that the server opens itself: a row each, to
whom, when, how much, and how it ended; also of those that never came to be."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.portal import add_user, login
from harness.runner import equal, main
from harness.server import Server, wait_for
from harness.sink import Sink

import commitment
import fetch
import move

TSAN = True

LINE = re.compile(
    r"^\S+ \S+  dicom out (?P<calling>\S+) > (?P<called>\S+) (?P<at>\S+)  "
    r"[\d.]+ s(?P<counts>(?: \w+=\d+)*)  (?P<end>[^:]*)(?:: (?P<why>.*))?$")


def parsed(server):
    """The rows of our own, the oldest first."""
    out = []
    for line in reversed(server.verb("activity", "list",
                                     "--all").splitlines()):
        if " dicom out " not in line:
            continue
        match = LINE.match(line)
        assert match, line
        row = match.groupdict()
        row["counts"] = {name: int(n) for name, n in (
            pair.split("=") for pair in row["counts"].split())}
        out.append(row)
    return out


def rows(server, count):
    """When there are so many."""
    def look():
        found = parsed(server)
        return len(found) >= count and found
    found = wait_for(look, what="%d rows of our own" % count)
    equal(len(found), count, found)
    return found


def counted(row, **wanted):
    """Bytes are there, too, and nothing else."""
    counts = dict(row["counts"])
    assert counts.pop("in") > 0 and counts.pop("out") > 0, row
    equal(counts, wanted, row)


def t_of_moves():
    status = {"1.1.1.1": 0xB000, "1.1.1.2": (0xA700, "no \x1b room")}
    web, now = [], []

    def answer(n, uid):
        if web and not now:
            now.extend(web[0].get("/api/v1/activity/now").json["activity"])
        return status.get(uid, 0)
    with Server(settings={"http.port": "auto", "http.bind": "127.0.0.1"}) \
            as server, Sink(answer) as sink:
        add_user(server, "root", "--role", "admin")
        web.append(login(server, "root"))
        move.put(server, move.objects(count=5, size=1 << 16))
        move.add(server, "SINK", sink.port)
        move.add(server, "DEAD", move.free_port())
        wait_for(lambda: len(
            web[0].get("/api/v1/activity/now").json["activity"]) == 1)
        with move.associate(server) as a:
            move.move(a, "SINK").is_(0xB000, (3, 1, 1))
            move.move(a, "DEAD").is_(0xA702, (0, 5, 0))
            sink.reject = (1, 1, 3)
            move.move(a, "SINK").is_(0xA702, (0, 5, 0))
        one, two, three = rows(server, 3)
        equal((one["calling"], one["called"], one["at"], one["end"]),
              ("FILEROOM", "SINK", "127.0.0.1", "released"))
        counted(one, stores=5, failed=1, sent=4)
        assert one["counts"]["out"] > 5 << 16, one
        equal(one["why"], "A700: no \\x1b room")
        equal((two["called"], two["end"], two["counts"]),
              ("DEAD", "no association", {}))
        assert "refused" in two["why"], two
        equal((three["called"], three["end"]), ("SINK", "refused by the peer"))
        assert "calling AE" in three["why"], three
        # While it went on, and when it was over, the portal knew.
        equal(sorted((r["outgoing"], r["who"], r["called"]) for r in now),
              [(False, "PARROT", "FILEROOM"), (False, "root", "cookie"),
               (True, "FILEROOM", "SINK")])
        told = web[0].get("/api/v1/activity?protocol=dicom").json["activity"]
        equal(sorted(r["called"] for r in told if r["outgoing"]),
              ["DEAD", "SINK", "SINK"])
        # Not ours to be blamed for.
        assert "images refused" not in server.run("doctor").stdout


def t_of_sending_and_committing():
    with Server() as server, commitment.Node(server) as node:
        a, number, message, transaction, uids = commitment.send_committed(
            server, node)
        commitment.commit(a, number, message, transaction, uids)
        a.until_released()
        commitment.job_of(server, "commit", commitment.DONE)
        sent, asked = rows(server, 2)
        counted(sent, stores=len(uids), sent=len(uids))
        counted(asked)
        equal(asked["why"], "asks it to commit to %d instances" % len(uids))


def t_of_reports():
    with Server() as server, commitment.Node(server) as node:
        with commitment.associate(server) as a:
            equal(commitment.ask(a, "1.2.9.1", ["1.2.7.1"]), 0)
        with node.accept() as b:
            commitment.event(b)
            b.until_released()
        row, = rows(server, 1)
        counted(row)
        equal((row["called"], row["end"]), ("PARROT", "released"))
        equal(row["why"], "tells it the outcome of a storage commitment")


def t_of_fetching():
    there, here = fetch.two()
    with there, here:
        fetch.put(there, 2)
        fetch.pair(there, here)
        fetch.report(here, "--by", "get")
        wait_for(lambda: "gets=2" in here.verb("activity", "list", "--all"))
        found = [r for r in parsed(here) if "gets" in r["counts"]]
        equal(len(found), 1)
        counted(found[0], gets=2, stores=6, received=6)


if __name__ == "__main__":
    sys.exit(main())
