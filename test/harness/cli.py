"""What the tests of the command line share: an archive in a temporary folder
that no server uses, what verbs print, and what lies in it."""

import glob
import os
import shutil
import sqlite3
import subprocess
import tempfile

import pydicom

from . import sample
from .server import binary


class Folder:
    """A temporary folder with an archive's data folder in it; no server."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="fileroom-cli-")
        self.data = self("data")
        return self

    def __exit__(self, *what):
        shutil.rmtree(self.path, ignore_errors=True)

    def __call__(self, *parts):
        return os.path.join(self.path, *parts)

    def run(self, *args, data=True, env=None):
        argv = [binary(), *args]
        if data:
            argv += ["--data", self.data]
        done = subprocess.run(
            argv, env=dict(os.environ, **(env or {})), cwd=self.path,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, encoding="utf-8", errors="replace",
            timeout=300, check=False)
        for word in ("Sanitizer", "runtime error:", "must hold:"):
            assert word not in done.stderr, done.stderr
        assert done.returncode in (0, 1, 2), done
        return done

    def verb(self, *args, expect=0, **more):
        done = self.run(*args, **more)
        assert done.returncode == expect, (args, done)
        return done.stdout

    def error(self, expect, *args, **more):
        done = self.run(*args, **more)
        assert done.returncode == expect, (args, done)
        assert done.stderr.startswith("fileroom: ") or \
            "\nfileroom: " in done.stderr, done.stderr
        return done.stderr

    def query(self, sql):
        with sqlite3.connect(os.path.join(self.data, "fileroom.db"),
                             timeout=120) as db:
            return db.execute(sql).fetchall()


def counts(text):
    """What import and export print, as a dictionary."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.rpartition(": ")
        found[name] = int(value.split()[0])
    return found


def digests(paths):
    """SOP Instance UID to the hash of the data set."""
    return {str(pydicom.dcmread(p, stop_before_pixels=True).SOPInstanceUID):
            sample.digest(p) for p in paths}


def files(folder, pattern="**/*.dcm"):
    return sorted(glob.glob(os.path.join(folder, pattern), recursive=True))


def all_files(folder):
    return [p for p in files(folder, "**/*") if os.path.isfile(p)]


def objects(data):
    return files(os.path.join(data, "objects"))


def digests_raw(paths):
    return sorted(sample.digest(p) for p in paths)


def instance_path(f, number):
    uid = sample.uid("instance", "a", 1, number)
    for path in objects(f.data):
        if str(pydicom.dcmread(path).SOPInstanceUID) == uid:
            return path
    raise AssertionError("no file of " + uid)


def flip(path, at=-10):
    os.chmod(path, 0o600)
    with open(path, "r+b") as file:
        file.seek(at, os.SEEK_END)
        byte = file.read(1)
        file.seek(at, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))
