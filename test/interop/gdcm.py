"""GDCM's client gdcmscu: echo, store, find.

Debian 12's gdcmscu ends every association with an exception of its own after
it has read the A-RELEASE-RP ("ProtocolStream as nullptr is invalid", against
any server), and prints no answers then. So what it did is read from the
server: what was stored, and that each association was released in order."""

import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness.runner import main
from harness import sample
from harness.server import Server, wait_for

ITS_OWN_END = "ProtocolStream as nullptr is invalid"
ENDED = re.compile(r"association of 'GDCM'.* released .*?: (\d+) echoes, "
                   r"(\d+) stores \((\d+) failed\), (\d+) finds")


def gdcmscu(server, *options, port=None):
    """Runs it; the counts of the association as the server saw them: echoes,
    stores, failed stores, finds."""
    before = len(ENDED.findall(server.log()))
    done = subprocess.run(
        ["gdcmscu", "-H", "127.0.0.1", "-p", str(port or server.dicom_port),
         "--aetitle", "GDCM", "--call", "FILEROOM", *options],
        capture_output=True, text=True, timeout=120, errors="replace")
    assert done.returncode == 0 or ITS_OWN_END in done.stderr, (
        done.stdout + done.stderr)
    wait_for(lambda: len(ENDED.findall(server.log())) > before,
             what="the end of the association in the log")
    ends = ENDED.findall(server.log())
    assert len(ends) == before + 1, server.log()
    return tuple(map(int, ends[-1]))


def t_echo():
    with Server() as server:
        assert gdcmscu(server, "--echo") == (1, 0, 0, 0)


def t_store_then_find():
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        paths = sample.study(tmp, count=4, study="g", patient="GDCM1",
                             name="Gdcm^Gerda")
        for path in paths:
            assert gdcmscu(server, "--store", "-i", path) == (0, 1, 0, 0)
        for root, level in (("--patientroot", "--patient"),
                            ("--studyroot", "--study")):
            assert gdcmscu(server, "--find", root, level, "--key",
                           "10,10=Gdcm*", "--key", "10,20=") == (0, 0, 0, 1)
        out = os.path.join(tmp, "out")
        server.verb("export", sample.uid("study", "g"), "-o", out)
        back = [os.path.join(where, name) for where, _, names in os.walk(out)
                for name in names]
        assert len(back) == 4, back


if __name__ == "__main__":
    sys.exit(main())
