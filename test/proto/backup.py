"""backup and restore: beside a server that stores, killed in the middle,
restored elsewhere to an equal archive, what is refused."""

import glob
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom, sample  # noqa: E402
from harness.client import started  # noqa: E402
from harness.runner import equal, main  # noqa: E402
from harness.server import Server, binary, wait_for  # noqa: E402


class Elsewhere:
    """A folder for backups and what is restored from them."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="fileroom-backup-")
        return self

    def __exit__(self, *what):
        shutil.rmtree(self.path, ignore_errors=True)

    def __call__(self, *parts):
        return os.path.join(self.path, *parts)

    def run(self, *args, expect=0):
        done = subprocess.run([binary(), *args], capture_output=True,
                              text=True, timeout=300, check=False)
        equal(done.returncode, expect, done.stderr)
        for word in ("Sanitizer", "runtime error:", "must hold:"):
            assert word not in done.stderr, done.stderr
        return done

    def exported(self, data, name):
        """Path to hash of all that is in an archive."""
        out = self(name)
        with sqlite3.connect(data + "/fileroom.db", timeout=120) as db:
            studies = [row[0] for row in db.execute(
                "SELECT StudyInstanceUID FROM study")]
        self.run("export", *studies, "-o", out, "--data", data)
        found = {}
        for path in glob.glob(out + "/**", recursive=True):
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    found[os.path.relpath(path, out)] = hashlib.sha256(
                        f.read()).hexdigest()
        return found


def fill(server, elsewhere, studies=3, count=4):
    for n in range(studies):
        sample.study(elsewhere("in", str(n)), count=count, study=f"s{n}",
                     patient=f"P{n}", rows=8)
    server.verb("import", elsewhere("in"))
    shutil.rmtree(elsewhere("in"))


def copies(folder):
    return glob.glob(folder + "/objects/*/*/*/*/*.dcm")


def t_there_and_back():
    with Server() as server, Elsewhere() as e:
        fill(server, e)
        server.verb("node", "add", "CT1", "10.1.2.3", "104")
        server.verb("settings", "set", "dicom.ae_title", "PICTURES")
        token = server.verb("token", sample.uid("study", "s1"))
        text = server.verb("backup", e("b"))
        assert "in the backup: 12 objects, 0 set aside" in text, text
        assert "copied: 12 files" in text, text
        text = server.verb("backup", e("b"))
        assert "copied: 0 files" in text, text
        text = e.run("restore", e("b"), "--data", e("new")).stdout
        assert "in the archive: 12 objects" in text, text
        text = e.run("check", "--data", e("new")).stdout
        assert "12 objects checked, all is well" in text, text
        equal(e.exported(e("new"), "x"), e.exported(server.data, "y"))
        equal(e.run("token", sample.uid("study", "s1"), "--data",
                    e("new")).stdout, token)
        assert "CT1" in e.run("node", "list", "--data", e("new")).stdout
        for folder, folders, names in os.walk(e("b")):
            for name in folders + names:
                equal(os.stat(os.path.join(folder, name)).st_mode & 0o077, 0)
        with Server(data=e("new")) as other:
            equal(other.verb("settings", "get", "dicom.ae_title").split()[-1],
                  "PICTURES")
            with dicom.Association(other.dicom_port, [
                    (dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE])],
                    called="PICTURES") as a:
                equal(a.echo(), 0)


def t_while_it_stores():
    """What was acknowledged before a backup began is in it."""
    with Server() as server, Elsewhere() as e:
        told, stop = [], threading.Event()

        def send():
            with dicom.Association(server.dicom_port, [
                    (dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
                while not stop.is_set():
                    uid = f"1.2.3.{len(told) + 1}"
                    data = dicom.instance(
                        uid, study=f"1.2.{len(told) // 10}",
                        series=f"1.2.{len(told) // 10}.1")
                    equal(a.store(dicom.CT, uid, data), 0)
                    told.append(uid)

        sender = threading.Thread(target=send)
        sender.start()
        try:
            wait_for(lambda: len(told) > 20, 60, "stored objects")
            for n in range(3):
                before = list(told)
                server.verb("backup", e("b"))
                e.run("restore", e("b"), "--data", e(f"new{n}"))
                with sqlite3.connect(e(f"new{n}") + "/fileroom.db",
                                     timeout=120) as db:
                    got = {row[0] for row in db.execute(
                        "SELECT SOPInstanceUID FROM instance")}
                assert got >= set(before), sorted(set(before) - got)[:3]
                wait_for(lambda: len(told) > len(before) + 20, 60, "more")
        finally:
            stop.set()
            sender.join()
        for n in range(3):
            text = e.run("check", "--data", e(f"new{n}")).stdout
            assert "all is well" in text, text


def t_killed_in_the_middle():
    with Server() as server, Elsewhere() as e:
        fill(server, e, studies=2, count=5)
        server.verb("backup", e("b"))
        fill(server, e, studies=5, count=80)
        for stop in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            before = len(copies(e("b")))
            with started("backup", e("b"), "--data", server.data) as process:
                wait_for(lambda: process.poll() is not None
                         or len(copies(e("b"))) > before, 60, "copies")
                process.send_signal(stop)
                _, err = process.communicate(timeout=120)
            if process.returncode == 1:
                assert "run it again to go on" in err, err
            # The last finished one stands, or already this one.
            done = e.run("restore", e("b"), "--data", e("x")).stdout
            assert "archive: 10 objects" in done or \
                "archive: 400 objects" in done, done
            equal(len(copies(e("x"))), int(done.split()[3]))
            assert "all is well" in e.run("check", "--data", e("x")).stdout
            shutil.rmtree(e("x"))
        text = server.verb("backup", e("b"))
        assert "in the backup: 400 objects" in text, text
        equal(os.listdir(e("b", "tmp")), [])
        # A restore, killed: no archive until it went on.
        with started("restore", e("b"), "--data", e("new")) as process:
            wait_for(lambda: process.poll() is not None or copies(e("new")),
                     60, "restored files")
        if not os.path.exists(e("new", "fileroom.db")):
            done = e.run("check", "--data", e("new"), expect=1)
            assert "no archive" in done.stderr, done.stderr
            e.run("restore", e("b"), "--data", e("new"))
        assert "400 objects checked, all is well" in e.run(
            "check", "--data", e("new")).stdout
        equal(e.exported(e("new"), "x1"), e.exported(server.data, "y1"))


def t_damage_is_an_exit_status():
    with Server() as server, Elsewhere() as e:
        fill(server, e)
        path = copies(server.data)[0]
        with open(path, "r+b") as f:
            f.seek(-1, os.SEEK_END)
            last = f.read(1)
            f.seek(-1, os.SEEK_END)
            f.write(bytes([last[0] ^ 1]))
        done = server.run("backup", e("b"))
        equal(done.returncode, 1)
        assert "left out: objects/" in done.stderr, done.stderr
        assert os.path.basename(path) in done.stderr, done.stderr
        equal(len(copies(e("b"))), 11)
        done = e.run("restore", e("b"), "--data", e("new"), expect=1)
        assert os.path.basename(path) in done.stderr, done.stderr
        assert "check --repair" in done.stderr, done.stderr
        done = e.run("check", "--repair", "--data", e("new"))
        assert "missing: " in done.stdout, done.stdout
        assert "11 objects checked, all is well" in e.run(
            "check", "--data", e("new")).stdout


def t_another_archive_keeps_out():
    """A new archive where a lost one stood, and the backup goes on by the
    clock."""
    with Server() as server, Elsewhere() as e:
        fill(server, e, studies=1, count=2)
        server.verb("node", "add", "KEPT", "127.0.0.1", "104")
        server.verb("backup", e("b"))
        with Server() as new:
            fill(new, e, studies=1, count=1)
            for more in ([], ["--prune"]):
                done = new.run("backup", e("b"), *more)
                equal(done.returncode, 1)
                assert "backup of another archive" in done.stderr, done.stderr
        e.run("restore", e("b"), "--data", e("back"))
        assert "KEPT" in e.run("node", "list", "--data", e("back")).stdout
        assert "2 objects checked, all is well" in e.run(
            "check", "--data", e("back")).stdout
        # What was restored is the same archive.
        e.run("backup", e("b"), "--data", e("back"))
        server.verb("backup", e("b"), "--prune")


def t_refused():
    with Server() as server, Elsewhere() as e:
        fill(server, e, studies=1, count=1)
        os.makedirs(e("mine"))
        with open(e("mine", "letter"), "w", encoding="ascii") as f:
            f.write("x")
        for args, status, words in (
                (["backup"], 2, "missing"),
                (["backup", "a", "b"], 2, "'b'"),
                (["restore"], 2, "missing"),
                (["backup", "--all", e("b")], 2, "'--all'"),
                (["backup", e("mine")], 2, "neither empty nor a backup"),
                (["backup", server.data], 2, "within each other"),
                (["backup", server.data + "/objects/b"], 2,
                 "within each other"),
                (["backup", os.path.dirname(server.data)], 2,
                 "within each other"),
                (["restore", e("mine")], 1, "no finished backup"),
                (["restore", e("absent")], 1, "absent")):
            done = server.run(*args)
            equal(done.returncode, status, (args, done.stderr))
            assert words in done.stderr, (args, done.stderr)
        equal(os.listdir(e("mine")), ["letter"])
        assert not os.path.exists(server.data + "/objects/b")
        server.verb("backup", e("b"))
        done = server.run("restore", e("b"))
        equal(done.returncode, 1)
        assert "already" in done.stderr, done.stderr
        e.run("backup", e("c"), "--data", e("none"), expect=1)
        assert not os.path.exists(e("c"))


if __name__ == "__main__":
    sys.exit(main())
