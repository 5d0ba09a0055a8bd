"""What we send, taken by an HL7 server of npm (simple-hl7): the verbs and the
job queue."""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))

from harness import hl7, runner
from harness.server import Server, wait_for


class Host:
    """The server in a process of its own; got() waits for the next message."""

    def __init__(self):
        if not os.path.isdir(os.path.join(HERE, "node_modules", "simple-hl7")):
            raise runner.Skip("its npm packages are not installed")
        self.process = subprocess.Popen(
            ["node", os.path.join(HERE, "hl7_host.js")], text=True,
            stdout=subprocess.PIPE)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.port = int(self.lines.get(timeout=120))
        self.address = f"127.0.0.1:{self.port}"

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)

    def got(self):
        return json.loads(self.lines.get(timeout=120))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def t_items_messages_and_jobs():
    with Host() as host, Server() as server, \
            tempfile.TemporaryDirectory() as tmp:
        server.verb("worklist", "new", "PATIENT_ID=P1", "MODALITY=CT",
                    "PATIENT_NAME=Doe^Jane", "REQUESTED_PROCEDURE_ID=R")
        server.verb("worklist", "send", "1", host.address)
        seen = host.got()
        runner.equal((seen["type"], seen["event"]), ("ORM", "O01"))
        runner.equal((seen["patient"], seen["modality"]), ("P1", "CT"))
        runner.equal(seen["sender"], "FILEROOM")
        # A file of two, of which it refuses one.
        path = os.path.join(tmp, "two.hl7")
        with open(path, "wb") as f:
            f.write(hl7.order("11", patient="P2")
                    + hl7.order("12", patient="P3"))
        done = server.run("hl7", "send", host.address, path)
        runner.equal(done.returncode, 1)
        assert "P2 is not wanted" in done.stderr, done.stderr
        assert "message 2: AA accepted" in done.stdout, done.stdout
        runner.equal([host.got()["control"] for _ in (1, 2)], ["11", "12"])
        # By the queue.
        server.verb("hl7", "node", "add", "NPM", "127.0.0.1", str(host.port))
        server.verb("worklist", "send", "1", "NPM", "--queue")
        runner.equal(host.got()["patient"], "P1")
        wait_for(lambda: "done" in server.verb("jobs", "list"), 60, "done")


if __name__ == "__main__":
    sys.exit(runner.main())
