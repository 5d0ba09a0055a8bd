"""kill -9 at random moments under a load of stores: whatever was acknowledged
is there byte for byte after the restart, and nothing half-stored is."""

import os
import random
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), HERE]

import _load
from harness.runner import main
from harness.server import PATIENCE, Server

ROUNDS = int(os.environ.get("CRASH_ROUNDS",
                            1000 if os.environ.get("SOAK") else 20))


def t_kill_under_load():
    seed = int(os.environ.get("CRASH_SEED", random.randrange(1 << 30)))
    rng = random.Random(seed)
    print("seed", seed)
    with Server() as server:
        everything, first = {}, 0
        for i in range(ROUNDS):
            load = _load.Load(server.dicom_port, seed, first=first)
            # Now and then it is killed before it has taken anything, else
            # not, however slow it is. The moment is what is random here.
            if i % 4:
                assert load.taken.wait(PATIENCE), "nothing is stored"
            threading.Event().wait(rng.uniform(0.02, 0.6))
            server.kill()
            load.join()
            assert not load.unexpected, load.unexpected[:3]
            first = load.next
            everything.update(load.acknowledged)
            server.start()
            recent = dict(load.acknowledged)
            for uid in rng.sample(sorted(everything),
                                  min(20, len(everything))):
                recent[uid] = everything[uid]
            got = _load.fetch_all(server.dicom_port, recent)
            assert got == recent, (
                "round %d: %d of %d acknowledged objects are missing or "
                "differ" % (i, sum(got.get(u) != d for u, d in recent.items()),
                            len(recent)))
            assert not _load.temporary_files(server.data)
        assert everything, "no store was acknowledged before a kill"
        got = _load.fetch_all(server.dicom_port, everything)
        assert got == everything
        server.stop()
        server.verb("check")
        print("%d kills, %d acknowledged objects" % (ROUNDS, len(everything)))


if __name__ == "__main__":
    sys.exit(main())
