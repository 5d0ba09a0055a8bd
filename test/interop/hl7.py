"""HL7 clients of others: mllp_send of python3-hl7, node-hl7-client and
simple-hl7 of npm; and the messages of others, where there is a folder of
them: each is taken or refused in words, and none is lost."""

import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))

from harness import runner
from harness.mllp import END, START, Mllp, fields, items, journal, order
from harness.runner import equal
from harness.server import Server, shared


def serve():
    return Server(settings={"hl7.port": "auto"})


def written(tmp, count):
    path = os.path.join(tmp, "orders.hl7")
    with open(path, "wb") as f:
        f.write(b"\r".join(order(str(i)) for i in range(count)))
    return path


def t_mllp_send():
    if not shutil.which("mllp_send"):
        raise runner.Skip("no mllp_send (python3-hl7)")
    with serve() as server, tempfile.TemporaryDirectory() as tmp:
        done = subprocess.run(
            ["mllp_send", "--loose", "--file", written(tmp, 50), "-p",
             str(server.hl7_port), "127.0.0.1"], stdout=subprocess.PIPE,
            timeout=120, check=True)
        answers = done.stdout.split(START)[1:]
        equal([fields(a, "MSA")[1:3] for a in answers],
              [["AA", str(i)] for i in range(50)])
        equal(len(items(server)), 50)


def t_npm():
    if not os.path.isdir(os.path.join(HERE, "node_modules/simple-hl7")):
        raise runner.Skip("its npm packages are not installed")
    with serve() as server, tempfile.TemporaryDirectory() as tmp:
        done = subprocess.run(
            ["node", os.path.join(HERE, "hl7.js"), str(server.hl7_port),
             written(tmp, 5)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        seen = json.loads(done.stdout.strip().splitlines()[-1])
        want = [["AA", str(i)] for i in range(5)]
        # Its own has no patient.
        equal(seen["one"], want + [["AE", "BUILT"]])
        equal(seen["simple"], want)
        equal(len(items(server)), 5)


def t_messages_of_others():
    """Every one gets one answer or is an answer itself, a refused one says
    why, and all are in the journal with every byte."""
    folder = shared("data", "hl7")
    if not folder:
        raise runner.Skip("no folder of messages")
    paths = sorted(p for p in glob.glob(folder + "/**", recursive=True)
                   if os.path.isfile(p) and not p.endswith((".md", ".json")))
    with serve() as server:
        for path in paths:
            with open(path, "rb") as f:
                text = f.read().strip(START + END)
            if b"MSH" not in text:
                continue
            before = len(journal(server))
            with Mllp(server.hl7_port) as c:
                c.send(START + text + END)
                c.half_close()
                check_answers(server, path, before, c)
        assert len(items(server)) > 10, len(items(server))
    print(f"{len(paths)} files, {len(items_of(paths))} with messages")


def items_of(paths):
    return [p for p in paths if b"MSH" in open(p, "rb").read()]


def check_answers(server, path, before, c):
    answers = []
    while (a := c.receive()) is not None:
        answers.append(a)
    entries = journal(server)[before:]
    assert entries, path
    for e in entries:
        assert e["outcome"] in ("applied", "repeated") or e["reason"], path
        assert e["reason"] == "" or len(e["reason"]) > 15, e["reason"]
    said = [fields(a, "MSA")[1] for a in answers]
    assert len(said) <= 2 * len(entries), (path, said)
    for a in answers:
        msa = fields(a, "MSA")
        assert msa[1][1:] == "A" or msa[3], (path, msa)


if __name__ == "__main__":
    sys.exit(runner.main())
