"""Migration from other archives: Orthanc and dcmqrscp, by C-GET and by C-MOVE,
interrupted by kill -9 of ours and gone on with."""

import csv
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import runner, sample
from harness.runner import equal
from harness.server import Server, free_port, wait_for

sys.path.insert(0, os.path.dirname(__file__))

from orthanc import Orthanc

STUDIES, IMAGES = 6, 4


def make(tmp):
    """{study uid: paths}"""
    out = {}
    for n in range(STUDIES):
        folder = os.path.join(tmp, "s%d" % n)
        os.mkdir(folder)
        out[sample.uid("study", "mig%d" % n)] = sample.study(
            folder, count=IMAGES // 2, series=2, study="mig%d" % n,
            patient="MIG%d" % n)
    return out


class Dcmqrscp:
    """DCMTK's archive, which knows us as FILEROOM."""

    def __init__(self, server):
        self.program = shutil.which("dcmqrscp")
        if self.program is None:
            raise runner.Skip("dcmqrscp is not installed")
        self.tmp, self.dicom = tempfile.mkdtemp(), free_port()
        os.mkdir(self.tmp + "/db")
        self.config = os.path.join(self.tmp, "config")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write("NetworkTCPPort = %d\nMaxPDUSize = 16384\n"
                    "MaxAssociations = 16\nHostTable BEGIN\n"
                    "us = (FILEROOM, 127.0.0.1, %d)\nHostTable END\n"
                    "VendorTable BEGIN\nVendorTable END\nAETable BEGIN\n"
                    "THERE %s/db RW (500, 1024mb) ANY\nAETable END\n"
                    % (self.dicom, server.dicom_port, self.tmp))

    def __enter__(self):
        with open(os.path.join(self.tmp, "log"), "w") as log:
            self.process = subprocess.Popen(
                [self.program, "-c", self.config], stdout=log, stderr=log)
        wait_for(lambda: subprocess.run(
            ["echoscu", "-aec", "THERE", "127.0.0.1", str(self.dicom)],
            capture_output=True, check=False, timeout=120).returncode == 0,
            60, "dcmqrscp")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        shutil.rmtree(self.tmp, ignore_errors=True)

    def put(self, paths):
        subprocess.run(["storescu", "-aec", "THERE", "127.0.0.1",
                        str(self.dicom), *paths], check=True,
                       capture_output=True, timeout=120)


def fetch(server, *words, studies):
    path = os.path.join(os.path.dirname(server.data), "report.csv")
    done = server.run("fetch", "THERE", *words, "--report", path)
    equal(done.returncode, 0, done.stdout + done.stderr)
    with open(path, encoding="utf-8", newline="") as f:
        rows = {r["uid"]: (r["status"], r["expected"], r["got"])
                for r in csv.DictReader(f)}
    equal(rows, {s: ("done", str(IMAGES), str(IMAGES)) for s in studies})
    server.verb("check")


def t_orthanc():
    for by in ("get", "move"):
        with tempfile.TemporaryDirectory() as tmp, Server() as server, \
                Orthanc(server) as orthanc:
            studies = make(tmp)
            for path in sum(studies.values(), []):
                with open(path, "rb") as f:
                    orthanc.call("POST", "/instances", f.read())
            server.verb("node", "add", "THERE", "127.0.0.1",
                        str(orthanc.dicom))
            fetch(server, "--by", by, studies=studies)


def t_dcmqrscp():
    for by in ("get", "move"):
        with tempfile.TemporaryDirectory() as tmp, Server() as server, \
                Dcmqrscp(server) as peer:
            studies = make(tmp)
            peer.put(sum(studies.values(), []))
            server.verb("node", "add", "THERE", "127.0.0.1", str(peer.dicom))
            fetch(server, "--by", by, studies=studies)


def t_dcmqrscp_interrupted():
    with tempfile.TemporaryDirectory() as tmp, Server() as server, \
            Dcmqrscp(server) as peer:
        studies = make(tmp)
        peer.put(sum(studies.values(), []))
        server.verb("node", "add", "THERE", "127.0.0.1", str(peer.dicom))
        server.verb("fetch", "THERE")
        wait_for(lambda: "attempt 1 begins" in server.log(), 60, "the job")
        server.kill()
        server.start()
        wait_for(lambda: " done " in server.verb("jobs", "list"), 300,
                 "the end")
        fetch(server, studies=studies)


if __name__ == "__main__":
    sys.exit(runner.main())
