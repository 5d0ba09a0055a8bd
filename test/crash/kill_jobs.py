"""kill -9 of the server while it works on the job queue, at random, again and
again: every instance arrives, what was answered is not sent again but for the
last few, and what the node never took is not called done."""

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "proto"))

import jobs
from harness.runner import equal, main
from harness.server import Server, wait_for

KILLS, IMAGES = 8, 400
# In flight at a kill, and taken but not yet noted.
LAST_FEW = 16


def t_send():
    seed = random.randrange(1 << 32)
    print("seed", seed, flush=True)
    dice = random.Random(seed)
    with Server() as server, jobs.Sink() as first, jobs.Sink() as second:
        sinks = (first, second)
        uids = jobs.put(server, IMAGES)
        numbers = []
        for name, sink in zip(("ONE", "TWO"), sinks):
            jobs.add_node(server, name, sink.port)
            numbers.append(jobs.send(server, name, "1.1"))
        for _ in range(KILLS):
            mark = len(first.got) + dice.randrange(1, IMAGES // KILLS)
            wait_for(lambda: len(first.got) >= mark
                     or len(first.got) >= IMAGES, 300, "progress")
            server.kill()
            server.start()
        for number, sink in zip(numbers, sinks):
            fields = jobs.wait_state(server, number, "done")
            equal(fields["items"], "%d/%d" % (IMAGES, IMAGES))
            equal(sorted(set(sink.taken)), sorted(uids))
            again = len(sink.taken) - IMAGES
            assert again <= KILLS * LAST_FEW, again


if __name__ == "__main__":
    sys.exit(main())
