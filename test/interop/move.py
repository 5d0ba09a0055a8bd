"""C-MOVE with others: DCMTK's movescu asks and receives (its own port, or
storescp's, which takes this or that), Orthanc asks and receives."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import runner, sample
from harness.server import Server, free_port, wait_for

sys.path.insert(0, os.path.dirname(__file__))

from orthanc import Orthanc


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def stores(server, paths, *options):
    subprocess.run(["storescu", *options, "-aec", "FILEROOM", "127.0.0.1",
                    str(server.dicom_port), *paths], check=True,
                   capture_output=True, timeout=120)


def movescu(server, study, destination, *options, ok=True, cwd=None):
    done = subprocess.run(
        ["movescu", "-v", "-S", "-aec", "FILEROOM", "-aet", "MOVER", "-aem",
         destination, *options, "-k", "QueryRetrieveLevel=STUDY", "-k",
         "StudyInstanceUID=" + sample.uid("study", study), "127.0.0.1",
         str(server.dicom_port)], capture_output=True, text=True,
        errors="replace", timeout=120, cwd=cwd)
    text = done.stdout + done.stderr
    if ok:
        assert done.returncode == 0, text
    return text


def digests(folder):
    import pydicom
    out = {}
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        out[str(pydicom.dcmread(path, stop_before_pixels=True)
                .SOPInstanceUID)] = sample.digest(path)
    return out


def digests_of(paths):
    import pydicom
    return {str(pydicom.dcmread(p, stop_before_pixels=True).SOPInstanceUID):
            sample.digest(p) for p in paths}


class Storescp:
    """DCMTK's receiver; bit for bit (+B)."""

    def __init__(self, *options):
        self.port = free_port()
        self.folder = tempfile.mkdtemp()
        self.process = subprocess.Popen(
            ["storescp", "+B", *options, "-od", self.folder, str(self.port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: listens(self.port), 60, "storescp")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)


def t_movescu_to_itself():
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        paths = sample.study(tmp, count=5, series=2, study="m1")
        stores(server, paths)
        port, out = free_port(), os.path.join(tmp, "out")
        os.makedirs(out)
        server.verb("node", "add", "MOVER", "127.0.0.1", str(port))
        # With +B it knows no -od.
        movescu(server, "m1", "MOVER", "+P", str(port), "+B", cwd=out)
        assert digests(out) == digests_of(paths)


def t_movescu_to_storescp():
    options = {sample.EXPLICIT_LITTLE: ("-xe", "+x="),
               sample.EXPLICIT_BIG: ("-xb", "+xb"),
               sample.IMPLICIT_LITTLE: ("-xi", "+xi")}
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        for n, (syntax, (propose, accept)) in enumerate(options.items()):
            paths = [sample.write(
                sample.image(study=syntax, number=i),
                os.path.join(tmp, syntax, "%d.dcm" % i), syntax)
                for i in range(1, 4)]
            stores(server, paths, propose)
            with Storescp(accept) as scp:
                server.verb("node", "add", "S%d" % n, "127.0.0.1",
                            str(scp.port))
                movescu(server, syntax, "S%d" % n)
                assert digests(scp.folder) == digests_of(paths), syntax


def t_storescp_takes_only_implicit():
    """It gets what it takes, and reads it."""
    import pydicom
    with Server() as server, tempfile.TemporaryDirectory() as tmp, \
            Storescp("+xi") as scp:
        paths = sample.study(tmp, count=3, study="m2")
        stores(server, paths, "-xe")
        server.verb("node", "add", "SCP", "127.0.0.1", str(scp.port))
        movescu(server, "m2", "SCP")
        got = [pydicom.dcmread(os.path.join(scp.folder, n))
               for n in os.listdir(scp.folder)]
        assert len(got) == 3
        for ds in got:
            assert ds.file_meta.TransferSyntaxUID == sample.IMPLICIT_LITTLE
            want = next(w for w in map(pydicom.dcmread, paths)
                        if w.SOPInstanceUID == ds.SOPInstanceUID)
            assert ds.PixelData == want.PixelData
            assert ds.PatientName == want.PatientName


def t_storescp_that_aborts():
    """Its own ways to fail: after a C-STORE, and during one."""
    for option in ("--abort-after", "--abort-during"):
        with Server() as server, tempfile.TemporaryDirectory() as tmp, \
                Storescp(option) as scp:
            stores(server, sample.study(tmp, count=3, study="m3"))
            server.verb("node", "add", "SCP", "127.0.0.1", str(scp.port))
            text = movescu(server, "m3", "SCP", ok=False)
            assert "0xa702" in text.lower() or "Refused" in text, text


def t_unknown_destination():
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        stores(server, sample.study(tmp, count=1, study="m4"))
        text = movescu(server, "m4", "NOBODY", ok=False)
        assert "MoveDestinationUnknown" in text, text


def t_orthanc_retrieves_from_us():
    """It asks us to move to itself, then another client asks us to move to
    it."""
    with Server() as server, tempfile.TemporaryDirectory() as tmp, \
            Orthanc(server) as orthanc:
        stores(server, sample.study(tmp + "/a", count=5, series=2,
                                    study="o1"))
        stores(server, sample.study(tmp + "/b", count=4, study="o2"))
        server.verb("node", "add", "ORTHANC", "127.0.0.1",
                    str(orthanc.dicom))
        orthanc.call("POST", "/modalities/fileroom/move", {
            "Level": "Study", "TargetAet": "ORTHANC", "Resources": [
                {"StudyInstanceUID": sample.uid("study", "o1")}]})
        assert len(orthanc.call("GET", "/instances")) == 10
        query = orthanc.call("POST", "/modalities/fileroom/query", {
            "Level": "Study", "Query": {
                "StudyInstanceUID": sample.uid("study", "o2")}})
        orthanc.call("POST", "/queries/%s/retrieve" % query["ID"],
                     {"TargetAet": "ORTHANC", "Synchronous": True})
        assert len(orthanc.call("GET", "/instances")) == 14


def t_orthanc_moves_to_us():
    """What another server sends us because somebody asked it to."""
    with Server() as server, tempfile.TemporaryDirectory() as tmp, \
            Orthanc(server) as orthanc:
        for path in sample.study(tmp, count=4, study="o3"):
            with open(path, "rb") as f:
                orthanc.call("POST", "/instances", f.read())
        done = subprocess.run(
            ["movescu", "-S", "-aec", "ORTHANC", "-aet", "FILEROOM", "-aem",
             "FILEROOM", "-k", "QueryRetrieveLevel=STUDY", "-k",
             "StudyInstanceUID=" + sample.uid("study", "o3"), "127.0.0.1",
             str(orthanc.dicom)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        server.wait_log("4 stores (0 failed)")


if __name__ == "__main__":
    sys.exit(runner.main())
