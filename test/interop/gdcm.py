"""GDCM's client gdcmscu: echo, store, find."""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import runner, sample
from harness.server import Server


def gdcmscu(server, *options):
    done = subprocess.run(
        ["gdcmscu", "-H", "127.0.0.1", "-p", str(server.dicom_port),
         "--aetitle", "GDCM", "--call", "FILEROOM", *options],
        capture_output=True, text=True, timeout=60, errors="replace")
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    return text


def t_echo():
    with Server() as server:
        assert "succe" in gdcmscu(server, "--echo").lower()


def t_store_then_find():
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        paths = sample.study(tmp, count=4, study="g", patient="GDCM1",
                             name="Gdcm^Gerda")
        for path in paths:
            gdcmscu(server, "--store", "-i", path)
        for root in ("--patientroot", "--studyroot"):
            level = ["--patient"] if root == "--patientroot" else ["--study"]
            text = gdcmscu(server, "--find", root, *level,
                           "--key", "10,10=Gdcm*", "--key", "10,20=")
            assert "GDCM1" in text, text
        text = gdcmscu(server, "--find", "--studyroot", "--study",
                       "--key", "10,10=Nobody*", "--key", "10,20=")
        assert "GDCM1" not in text


if __name__ == "__main__":
    sys.exit(runner.main())
