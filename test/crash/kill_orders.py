"""kill -9 at random moments under a stream of orders: each order that was
acknowledged is there, none is there twice, and what was not acknowledged and
comes again is taken once. Patients are merged on the way."""

import os
import random
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), HERE]

import _orders
from harness.mllp import rows
from harness.runner import equal, main
from harness.server import Server, wait_for

ROUNDS = int(os.environ.get("CRASH_ROUNDS",
                            300 if os.environ.get("SOAK") else 10))


def of_items(server):
    """What is looked at of each, for there are many."""
    return rows(server, "SELECT AccessionNumber, PatientID FROM item")


def check(server, load, acknowledged):
    """What is there is what was acknowledged, and maybe what was under way."""
    there = [row["AccessionNumber"] for row in of_items(server)]
    equal(len(there), len(set(there)), "orders that are there twice")
    lost = set(acknowledged) - set(there)
    assert not lost, "%d acknowledged orders are lost: %s" % (
        len(lost), sorted(lost)[:5])
    foreign = set(there) - set(load.sent)
    assert not foreign, foreign
    # Of each message one entry says that it took effect.
    entries = [row["control"] for row in rows(
        server, "SELECT control FROM hl7_journal WHERE outcome = 'applied'")]
    equal(len(entries), len(set(entries)), "messages applied twice")
    equal(len([c for c in entries if c.startswith("o")]), len(there))


def t_no_order_lost_or_doubled():
    seed = int(os.environ.get("CRASH_SEED", random.randrange(1 << 30)))
    rng = random.Random(seed)
    print("seed", seed, flush=True)
    with Server(settings={"hl7.port": "auto"}) as server:
        load = _orders.Load(server.hl7_port)
        for i in range(ROUNDS):
            before = len(load.acknowledged)
            load.start(server.hl7_port)
            # Now and then it is killed before it has taken anything, else
            # not, however slow it is. The moment is what is random here.
            if i % 4:
                wait_for(lambda: len(load.acknowledged) > before + 2 * ROUNDS
                         or load.unexpected, what="orders that are taken")
            threading.Event().wait(rng.uniform(0.02, 0.5))
            server.kill()
            load.join()
            assert not load.unexpected, load.unexpected[:3]
            server.start()
            check(server, load, load.acknowledged)
        assert len(load.acknowledged) > ROUNDS, "hardly anything was taken"
        # What was not acknowledged comes again, as a HIS does.
        load.again(server.hl7_port)
        assert not load.unexpected, load.unexpected[:3]
        equal(sorted(load.acknowledged), sorted(load.sent))
        check(server, load, load.acknowledged)
        equal(len(of_items(server)), len(load.sent))
        # Merges that were acknowledged are in force, whole.
        merged = {row["prior_id"]: row["PatientID"] for row in rows(
            server, "SELECT prior_id, PatientID FROM patient_alias")}
        for prior, stays in load.merged.items():
            equal(merged.get(prior), stays)
        for row in of_items(server):
            assert row["PatientID"] not in merged, row["PatientID"]
        server.stop()
        print("%d kills, %d orders, %d merges"
              % (ROUNDS, len(load.sent), len(load.merged)))


if __name__ == "__main__":
    sys.exit(main())
