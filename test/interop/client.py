"""Our verbs against the nodes of others: DCMTK's dcmqrscp and storescp, and
Orthanc."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.dirname(__file__))

from harness import runner, sample
from harness.runner import equal
from harness.server import Server, binary, free_port, wait_for
from move import listens
from orthanc import Orthanc

STUDY = sample.uid("study", "a")


def run(*args, expect=0):
    done = subprocess.run(
        [binary(), *args, "--data", "/nonexistent"], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def digests(folder):
    return sorted(sample.digest(os.path.join(d, n))
                  for d, _, names in os.walk(folder) for n in names)


class Dcmtk:
    """A DCMTK server until the block is left."""

    def __init__(self, port, *command):
        if shutil.which(command[0]) is None:
            raise runner.Skip(command[0] + " is not installed")
        self.port, self.command = port, command

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        wait_for(lambda: listens(self.port), 60, self.command[0])
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)


def dcmqrscp(tmp, peers=()):
    port = free_port()
    store = os.path.join(tmp, "qr")
    os.makedirs(store)
    config = os.path.join(tmp, "qr.cfg")
    with open(config, "w", encoding="utf-8") as f:
        f.write("NetworkTCPPort = %d\nMaxPDUSize = 16384\n"
                "MaxAssociations = 16\nHostTable BEGIN\n" % port)
        for name, peer in peers:
            f.write("%s = (%s, 127.0.0.1, %d)\n" % (name.lower(), name, peer))
        f.write("HostTable END\nVendorTable BEGIN\nVendorTable END\n"
                "AETable BEGIN\nQR %s RW (100, 1024mb) ANY\nAETable END\n"
                % store)
    return Dcmtk(port, "dcmqrscp", "-c", config)


def t_dcmqrscp():
    with tempfile.TemporaryDirectory() as tmp, Server(
            {"dicom.access": "open"}) as server, dcmqrscp(
                tmp, [("FILEROOM", server.dicom_port)]) as qr:
        node = "QR@127.0.0.1:%d" % qr.port
        sample.study(tmp + "/in", count=4)
        assert "OFFIS_DCMTK" in run("echo", node)
        equal(run("store", node, tmp + "/in"), "sent: 4\n")
        found = [json.loads(line) for line in run(
            "find", node, "--format", "json",
            "PatientName=Sample*").splitlines()]
        equal([f["StudyInstanceUID"] for f in found], [STUDY])
        for level, keys, n in (
                ("patient", [], 1), ("series", ["StudyInstanceUID=" + STUDY],
                                     1),
                ("image", ["StudyInstanceUID=" + STUDY, "SeriesInstanceUID="
                           + sample.uid("series", "a", 1)], 4)):
            lines = run("find", node, "--level", level, *keys, "--format",
                        "json").splitlines()
            equal(len(lines), n, level)
        out = run("get", node, "-o", tmp + "/out", "--study", STUDY)
        assert "4 new" in out, out
        equal(digests(tmp + "/out"), digests(tmp + "/in"))
        out = server.verb("get", node, "--study", STUDY)
        assert "4 new" in out, out


def t_dcmqrscp_moves_to_us():
    with tempfile.TemporaryDirectory() as tmp, Server(
            {"dicom.access": "open"}) as server, dcmqrscp(
                tmp, [("FILEROOM", server.dicom_port)]) as qr:
        node = "QR@127.0.0.1:%d" % qr.port
        sample.study(tmp + "/in", count=3)
        run("store", node, tmp + "/in")
        out = server.verb("move", node, "--to", "FILEROOM", "--study", STUDY)
        assert "3 sent" in out, out
        found = server.verb("find", "FILEROOM@127.0.0.1:%d"
                            % server.dicom_port, "--format", "json")
        equal(json.loads(found)["NumberOfStudyRelatedInstances"], "3")
        done = server.run("move", node, "--to", "NOBODY", "--study", STUDY)
        equal(done.returncode, 1)


def t_storescp():
    port = free_port()
    with tempfile.TemporaryDirectory() as tmp:
        out = os.path.join(tmp, "out")
        os.makedirs(out)
        sample.study(tmp + "/in", count=20)
        with Dcmtk(port, "storescp", "+xa", "-od", out, str(port)):
            equal(run("store", "ANY@127.0.0.1:%d" % port, tmp + "/in"),
                  "sent: 20\n")
        equal(digests(out), digests(tmp + "/in"))


def t_storescp_refuses():
    port = free_port()
    with Dcmtk(port, "storescp", "--refuse", str(port)):
        run("echo", "ANY@127.0.0.1:%d" % port, expect=1)


def t_storescp_tls():
    port = free_port()
    with tempfile.TemporaryDirectory() as tmp:
        out = os.path.join(tmp, "out")
        os.makedirs(out)
        sample.study(tmp + "/in", count=3)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
             "-keyout", tmp + "/key.pem", "-out", tmp + "/cert.pem", "-days",
             "30", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        with Dcmtk(port, "storescp", "+tls", tmp + "/key.pem",
                   tmp + "/cert.pem", "-ic", "+xa", "-od", out, str(port)):
            node = "ANY@localhost:%d+tls" % port
            run("echo", node)
            run("echo", node, "--tls-ca", tmp + "/cert.pem")
            equal(run("store", node, tmp + "/in"), "sent: 3\n")
            run("echo", "ANY@localhost:%d" % port, "--timeout", "5", expect=1)
        equal(digests(out), digests(tmp + "/in"))


def t_orthanc():
    with tempfile.TemporaryDirectory() as tmp, Server(
            {"dicom.access": "open"}) as server, Orthanc(server) as orthanc:
        node = "ORTHANC@127.0.0.1:%d" % orthanc.dicom
        sample.study(tmp + "/in", count=4)
        run("echo", node, "--aet", "FILEROOM")
        equal(run("store", node, tmp + "/in"), "sent: 4\n")
        found = json.loads(run("find", node, "--format", "json"))
        equal(found["StudyInstanceUID"], STUDY)
        equal(found["NumberOfStudyRelatedInstances"], "4")
        out = run("get", node, "-o", tmp + "/out", "--study", STUDY)
        assert "4 new" in out, out
        equal(digests(tmp + "/out"), digests(tmp + "/in"))
        out = run("move", node, "--to", "FILEROOM", "--study", STUDY)
        assert "sent" in out, out
        found = server.verb("find", "FILEROOM@127.0.0.1:%d"
                            % server.dicom_port, "--format", "json")
        equal(json.loads(found)["NumberOfStudyRelatedInstances"], "4")


if __name__ == "__main__":
    sys.exit(runner.main())
