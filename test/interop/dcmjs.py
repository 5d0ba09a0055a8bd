"""The npm client dcmjs-dimse: echo, store, find, get, and as a modality."""

import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))

from harness import exams, runner, sample
from harness.server import Server


def t_performed_procedure_step():
    if not os.path.isdir(os.path.join(HERE, "node_modules")):
        raise runner.Skip("its npm packages are not installed")
    for status, want in (("COMPLETED", exams.COMPLETED),
                         ("DISCONTINUED", exams.DISCONTINUED)):
        with Server() as server:
            item = exams.schedule(server)
            done = subprocess.run(
                ["node", os.path.join(HERE, "mpps.js"),
                 str(server.dicom_port), "1.2.77.1", status],
                capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0, done.stderr + done.stdout
            seen = json.loads(done.stdout.strip().splitlines()[-1])
            assert [seen[k] for k in ("create", "set", "again", "get")] == [
                0, 0, 0x0110, 0], seen
            assert seen["status"] == status, seen
            assert exams.status_of(server, item) == want


def t_echo_store_find_get():
    if not os.path.isdir(os.path.join(HERE, "node_modules")):
        raise runner.Skip("its npm packages are not installed")
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        paths = sample.study(tmp, count=3, study="js", patient="JS1")
        study = sample.uid("study", "js")
        done = subprocess.run(
            ["node", os.path.join(HERE, "dcmjs.js"), str(server.dicom_port),
             study, *paths], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr + done.stdout
        seen = json.loads(done.stdout.strip().splitlines()[-1])
        assert seen["echo"] == 0, seen
        assert seen["stored"] == [0, 0, 0], seen
        assert seen["found"] == ["JS1"], seen
        assert sorted(seen["got"]) == sorted(
            sample.uid("instance", "js", 1, n) for n in (1, 2, 3)), seen


if __name__ == "__main__":
    sys.exit(runner.main())
