"""What the tests of our client verbs share: a verb run without an archive, to
its end or beside the test, and the study that most nodes answer with."""

import contextlib
import os
import subprocess

from .server import SANITIZERS, binary

LEVEL, CHARSET = 0x00080052, 0x00080005
SERIES, INSTANCE = 0x0020000E, 0x00080018
STUDY, PATIENT, NAME = 0x0020000D, 0x00100020, 0x00100010


class Done:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err


def run(*args, expect=0, seconds=300, env=None):
    """A verb without an archive; its status must be as expected."""
    done = subprocess.run(
        [binary(), *args, "--data", "/nonexistent"], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds,
        env=dict(os.environ, **(env or {})), encoding="utf-8",
        errors="replace", check=False)
    for word in SANITIZERS:
        assert word not in done.stderr, done.stderr
    assert done.returncode == expect, "status %d\n%s%s" % (
        done.returncode, done.stdout, done.stderr)
    return Done(done.returncode, done.stdout, done.stderr)


def refused_with(text, *args, expect=1, **more):
    err = run(*args, expect=expect, **more).err
    assert text in err, err


@contextlib.contextmanager
def started(*args):
    """The Popen of a verb that runs beside the test, and not longer."""
    with subprocess.Popen(
            [binary(), *args], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            encoding="utf-8", errors="replace") as process:
        try:
            yield process
        finally:
            process.kill()


def nothing(_):
    pass


def study(uid="1.2.3", name="Doe^John", charset=None):
    elements = [(STUDY, "UI", uid), (NAME, "PN", name),
                (PATIENT, "LO", "P1")]
    if charset is not None:
        elements.append((CHARSET, "CS", charset))
    return elements
