"""Power cuts: a run of the server is recorded (every write, flush and change
of names, and what it answered), then replayed to random prefixes with what was
not flushed lost. The same with a server built without flushes must be found
out, else this test could not fail."""

import os
import random
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), HERE]

import _load
import _orders
from harness.runner import Skip, main
from harness.server import ROOT, Server, binary

STATES = 3000 if os.environ.get("SOAK") else 150
SEED = int(os.environ.get("CRASH_SEED", random.randrange(1 << 30)))


def flavour(program):
    return os.path.basename(os.path.dirname(os.path.realpath(program)))


def build():
    """The recorder and the replayer, for the flavour under test."""
    subprocess.run(["make", "-s", "-C", ROOT, "B=" + flavour(binary()),
                    "crashers"], check=True, stdout=sys.stderr)
    return os.path.join(ROOT, "build", flavour(binary()), "test/crash")


class Objects:
    """What is sent to the server, and how much of it gets its answer."""
    COUNT = 120

    def __init__(self, server):
        self.load = _load.Load(server.dicom_port, SEED, threads=3,
                               count=self.COUNT)

    def finish(self, manifest):
        self.load.join()
        assert not self.load.unexpected, self.load.unexpected[:3]
        assert len(self.load.acknowledged) == self.COUNT
        _load.manifest(manifest, self.load.sent)


class Orders:
    COUNT = 300

    def __init__(self, server):
        self.load = _orders.Load(server.hl7_port)
        self.load.start(server.hl7_port, count=self.COUNT)

    def finish(self, manifest):
        self.load.join()
        assert not self.load.unexpected, self.load.unexpected[:3]
        assert len(self.load.acknowledged) + len(self.load.merged) \
            == self.COUNT
        _load.manifest(manifest, {})


def record(tools, tmp, program, stop, kind=Objects):
    """Runs a load against the program under the recorder; the log, and the
    manifest of what was sent."""
    log, data = os.path.join(tmp, "log"), os.path.join(tmp, "data")
    os.makedirs(data)
    server = Server({"hl7.port": "auto"}, data=data, program=program, env={
        "LD_PRELOAD": os.path.join(tools, "record.so"),
        "FILEROOM_RECORD_LOG": log, "FILEROOM_RECORD_ROOT": data})
    manifest = os.path.join(tmp, "manifest")
    try:
        kind(server).finish(manifest)
        if stop:
            server.stop()
    finally:
        server.close()
    return log, manifest


def replay(tools, tmp, log, manifest, states):
    done = subprocess.run(
        [os.path.join(tools, "powercut"), log, manifest, tmp, str(states),
         str(SEED)], capture_output=True, text=True, timeout=3000)
    tail = done.stdout + done.stderr
    hit = re.search(r"states (\d+) entries (\d+) acknowledged (\d+) "
                    r"violations (\d+)", done.stdout)
    assert hit, tail[-3000:]
    return int(hit.group(3)), int(hit.group(4)), tail[-3000:]


def t_nothing_acknowledged_is_lost():
    tools = build()
    print("seed", SEED)
    with tempfile.TemporaryDirectory() as tmp:
        log, manifest = record(tools, tmp, binary(), stop=True)
        acknowledged, violations, tail = replay(
            tools, tmp, log, manifest, STATES)
        assert acknowledged > STATES, "hardly anything was acknowledged"
        assert violations == 0, tail
        print("%d states, %d acknowledged objects checked"
              % (STATES, acknowledged))


def t_no_acknowledged_order_is_lost():
    tools = build()
    print("seed", SEED)
    with tempfile.TemporaryDirectory() as tmp:
        log, manifest = record(tools, tmp, binary(), stop=True, kind=Orders)
        acknowledged, violations, tail = replay(
            tools, tmp, log, manifest, STATES)
        assert acknowledged > STATES, "hardly anything was acknowledged"
        assert violations == 0, tail
        print("%d states, %d acknowledged orders checked"
              % (STATES, acknowledged))


def t_without_flushes_it_is_found_out():
    program = os.environ.get("FILEROOM_BIN_NOFLUSH")
    if not program:
        raise Skip("no build without flushes was given")
    tools = build()
    for kind in Objects, Orders:
        with tempfile.TemporaryDirectory() as tmp:
            log, manifest = record(tools, tmp, program, stop=False, kind=kind)
            _, violations, _ = replay(tools, tmp, log, manifest, 40)
            assert violations > 0, "a server without flushes passed"


if __name__ == "__main__":
    sys.exit(main())
