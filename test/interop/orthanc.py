"""Orthanc as a client: it echoes, stores to us and queries us."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import runner, sample
from harness.server import Server, free_port, wait_for


class Orthanc:
    """Debian's Orthanc with one modality, 'fileroom', in a folder of its
    own; more is added to its configuration."""

    def __init__(self, server, more=None):
        self.program = shutil.which("Orthanc", path="/usr/sbin:/usr/bin")
        if self.program is None:
            raise runner.Skip("Orthanc is not installed")
        self.tmp = tempfile.mkdtemp()
        self.http, self.dicom = free_port(), free_port()
        with open(os.path.join(self.tmp, "orthanc.json"), "w") as f:
            json.dump({
                "Name": "interop", "StorageDirectory": self.tmp + "/db",
                "IndexDirectory": self.tmp + "/db",
                "HttpPort": self.http, "DicomPort": self.dicom,
                "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
                "DicomAet": "ORTHANC", "Plugins": [],
                # It gives up soon; we may be slow.
                "DicomScuTimeout": 300, "DicomScpTimeout": 300,
                "DicomModalities": {
                    "fileroom": ["FILEROOM", "127.0.0.1",
                                 server.dicom_port]},
                **(more or {}),
            }, f)

    def __enter__(self):
        self.log = open(os.path.join(self.tmp, "log"), "w")
        self.process = subprocess.Popen(
            [self.program, os.path.join(self.tmp, "orthanc.json")],
            stdout=self.log, stderr=self.log)
        until = time.monotonic() + 180
        while True:
            try:
                self.call("GET", "/system")
                return self
            except OSError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()
        shutil.rmtree(self.tmp, ignore_errors=True)

    def call(self, method, path, body=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        request = urllib.request.Request(
            "http://127.0.0.1:%d%s" % (self.http, path), body, method=method)
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.loads(answer.read() or b"null")


def t_echo_store_query():
    with Server() as server, tempfile.TemporaryDirectory() as tmp, \
            Orthanc(server) as orthanc:
        orthanc.call("POST", "/modalities/fileroom/echo", {})
        paths = sample.study(tmp, count=5, series=2, study="orthanc",
                             patient="ORTH1", name="Orthanc^Olga")
        for path in paths:
            with open(path, "rb") as f:
                orthanc.call("POST", "/instances", f.read())
        studies = orthanc.call("GET", "/studies")
        sent = orthanc.call("POST", "/modalities/fileroom/store", studies)
        assert sent["FailedInstancesCount"] == 0, sent
        assert sent["InstancesCount"] == 10, sent

        query = orthanc.call("POST", "/modalities/fileroom/query", {
            "Level": "Study", "Query": {"PatientName": "ORTHANC*"}})
        answers = orthanc.call(
            "GET", "/queries/%s/answers?expand&simplify" % query["ID"])
        assert [a["PatientID"] for a in answers] == ["ORTH1"], answers
        assert answers[0]["StudyInstanceUID"] == sample.uid("study", "orthanc")

        query = orthanc.call("POST", "/modalities/fileroom/query", {
            "Level": "Instance", "Query": {
                "StudyInstanceUID": sample.uid("study", "orthanc"),
                "SeriesInstanceUID": sample.uid("series", "orthanc", 2)}})
        answers = orthanc.call(
            "GET", "/queries/%s/answers?expand&simplify" % query["ID"])
        assert len(answers) == 5, answers

        # What it asks of the objects' headers, and of sequences in them.
        query = orthanc.call("POST", "/modalities/fileroom/query", {
            "Level": "Series", "Query": {
                "StudyInstanceUID": sample.uid("study", "orthanc"),
                "SeriesNumber": "2", "OperatorsName": "",
                "PatientAge": "", "Manufacturer": ""}})
        answers = orthanc.call(
            "GET", "/queries/%s/answers?expand&simplify" % query["ID"])
        assert [a["SeriesNumber"].strip() for a in answers] == ["2"], answers
        query = orthanc.call("POST", "/modalities/fileroom/query", {
            "Level": "Instance", "Normalize": False, "Query": {
                "StudyInstanceUID": sample.uid("study", "orthanc"),
                "PhotometricInterpretation": "MONO*", "Rows": ""}})
        answers = orthanc.call(
            "GET", "/queries/%s/answers?expand&simplify" % query["ID"])
        assert len(answers) == 10, answers
        assert {a["PhotometricInterpretation"] for a in answers} == {
            "MONOCHROME2"}, answers


def t_storage_commitment():
    """It asks us, and is called back; we send to it, and ask it."""
    with Server() as server, tempfile.TemporaryDirectory() as tmp, \
            Orthanc(server) as orthanc:
        server.verb("node", "add", "ORTHANC", "127.0.0.1",
                    str(orthanc.dicom))
        for path in sample.study(tmp, count=3, study="kept"):
            with open(path, "rb") as f:
                orthanc.call("POST", "/instances", f.read())
        instances = orthanc.call("GET", "/instances")
        orthanc.call("POST", "/modalities/fileroom/store", instances[:2])
        asked = orthanc.call(
            "POST", "/modalities/fileroom/storage-commitment",
            {"Resources": instances})

        def answered():
            report = orthanc.call("GET", asked["Path"])
            return report if report["Status"] != "Pending" else None
        report = wait_for(answered, 60, "the report")
        assert report["Status"] == "Failure", report
        assert len(report["Success"]) == 2, report
        assert [f["SOPInstanceUID"] for f in report["Failures"]] == [
            sample.uid("instance", "kept", 1, n) for n in (1, 2, 3)
            if sample.uid("instance", "kept", 1, n) not in
            [g["SOPInstanceUID"] for g in report["Success"]]], report

        server.verb("send", "ORTHANC", sample.uid("study", "kept"),
                    "--commit")

        def done():
            return any("commit" in line.split() and "done" in line.split()
                       for line in server.verb(
                           "jobs", "list", "--all").splitlines())
        wait_for(done, 60, "the commitment")


if __name__ == "__main__":
    sys.exit(runner.main())
