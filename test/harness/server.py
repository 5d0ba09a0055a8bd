"""A server of one's own: a fresh data folder, automatic ports on loopback.

    with Server() as server:
        echo("127.0.0.1", server.dicom_port)

Leaving the block stops the server with SIGTERM and fails unless it ends with
status 0, has written nothing but its ready line to stdout, and no sanitizer
has spoken; leaving it by an exception kills the server and shows the end of
its log.
"""

import glob
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from .runner import Skip

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
# Sanitized servers on a busy machine are slow; a hang is still found. These
# are not what a server is measured by: they cost nothing when all is well.
PATIENCE = 120
READY_SECONDS = 240
STOP_SECONDS = 240
VERB_SECONDS = 300
SANITIZERS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer",
              "UndefinedBehaviorSanitizer", "runtime error:", "must hold:")
# What no log may show: put here by whoever sends or gets it (harness/portal).
SECRETS = set()
# Closed unless a test opens them: their defaults are fixed ports.
OTHER_PORTS = ("dicom.tls_port", "hl7.port", "http.port")


def binary():
    """The server under test: FILEROOM_BIN, else the release build."""
    return os.environ.get("FILEROOM_BIN") or os.path.join(
        ROOT, "build/fileroom")


def shared(*parts):
    """A path in the folder of sample data, or None where it is not there."""
    root = os.environ.get("FILEROOM_SHARED") or os.path.join(
        os.path.dirname(ROOT), "shared")
    path = os.path.join(root, *parts)
    return path if os.path.exists(path) else None


def wait_for(condition, seconds=PATIENCE, what="condition"):
    """Polls until the condition holds and returns what it returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


# Names held until this process ends, one for each port that it was given.
PORTS = []


def take_port(port):
    """Whether no other test was given this port: a name in the abstract space
    of Unix sockets has one holder, and touches no port and no file."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind("\0fileroom-test-port-%d" % port)
    except OSError:
        name.close()
        return False
    PORTS.append(name)
    return True


def free_port():
    """A port where nobody listens, and that nobody gets by chance either: not
    one of those that the system gives to connections and automatic ports, and
    not one that another test has been given."""
    with open("/proc/sys/net/ipv4/ip_local_port_range",
              encoding="ascii") as f:
        first = int(f.read().split()[0])
    while True:
        port = random.randrange(10000, first) if first > 20000 else 0
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            port = s.getsockname()[1]
        if take_port(port):
            return port


def open_files(count):
    """Lets this process, and those that it starts, have so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise Skip(f"only {hard} files may be open at once")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def known_settings():
    """The text of the settings tables: a key that is not there must not be
    set."""
    text = ""
    for path in glob.glob(os.path.join(ROOT, "src/*/setting*.def")):
        with open(path, encoding="utf-8") as f:
            text += f.read()
    return text


class Server:
    """The server. Keys of settings are as in 'settings list', and a value of
    None leaves a key at the server's own default; data is the folder to use,
    kept at the end, instead of a temporary one."""

    def __init__(self, settings=None, data=None, args=(), env=None,
                 start=True, program=None):
        self.program = program or binary()
        self.settings = {"dicom.port": "auto", "dicom.bind": "127.0.0.1"}
        known = known_settings()
        self.settings.update(
            {key: "0" for key in OTHER_PORTS if key in known})
        self.settings.update(settings or {})
        self.args, self.env = list(args), dict(env or {})
        self._folder = tempfile.mkdtemp(prefix="fileroom-test-")
        self.data = data or os.path.join(self._folder, "data")
        self.log_path = os.path.join(self._folder, "stderr")
        self.ports, self.stdout, self.process = {}, [], None
        if start:
            try:
                self.start()
            except BaseException:
                self.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None and self.process:
                self.stop()
            elif kind is not None:
                self.kill()
                print("the server's log ended with:\n" + self.log()[-4000:])
        finally:
            self.close()

    def command(self):
        argv = [self.program, "serve", "--data", self.data]
        for key, value in self.settings.items():
            if value is not None:
                argv += ["--set", f"{key}={value}"]
        return argv + self.args

    def start(self):
        """Starts it and waits until it is ready."""
        if self.process:
            raise AssertionError("the server is running already")
        self.stdout, self.ports = [], {}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), env=dict(os.environ, **self.env),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        self._reader = threading.Thread(
            target=self._read, args=(self.process,), daemon=True)
        self._reader.start()
        end = time.monotonic() + READY_SECONDS
        while not self.stdout:
            if not self._reader.is_alive() and not self.stdout:
                status = self.process.wait()
                self.process = None
                raise AssertionError(
                    f"the server ended with status {status} before it was "
                    f"ready:\n{self.log()[-4000:]}")
            if time.monotonic() > end:
                self.kill()
                raise AssertionError("the server does not become ready:\n"
                                     + self.log()[-4000:])
            time.sleep(0.005)
        self._parse(self.stdout[0])

    def _read(self, process):
        for line in process.stdout:
            self.stdout.append(line.decode(errors="replace").rstrip("\n"))

    def _parse(self, line):
        words = line.split()
        if not words or words[0] != "ready":
            self.kill()
            raise AssertionError(f"not a ready line: {line!r}")
        for word in words[1:]:
            name, _, address = word.partition("=")
            host, _, port = address.rpartition(":")
            self.ports[name] = (host.strip("[]"), int(port))

    @property
    def dicom_port(self):
        return self.ports["dicom"][1]

    @property
    def dicom_tls_port(self):
        return self.ports["dicom-tls"][1]

    @property
    def hl7_port(self):
        return self.ports["hl7"][1]

    @property
    def http_port(self):
        return self.ports["http"][1]

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        """What it wrote to stderr, over all its starts; while it runs, whole
        lines."""
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            text = f.read()
        return text[:text.rfind("\n") + 1] if self.running() else text

    def wait_log(self, text, seconds=PATIENCE):
        wait_for(lambda: text in self.log(), seconds, f"log line {text!r}")

    def check_log(self):
        """Fails if a sanitizer or an assertion of the server spoke, or if a
        secret stands in it."""
        log = self.log()
        for secret in SECRETS:
            if secret in log:
                at = log.index(secret)
                raise AssertionError(
                    f"a secret is in the server's log: {log[:at][-300:]}"
                    f">>>{secret}<<<")
        for word in SANITIZERS:
            at = log.find(word)
            if at >= 0:
                raise AssertionError(
                    "the server's log:\n" + log[max(0, at - 500):at + 6000])

    def stop(self, expect=0):
        """Ends it with SIGTERM; it must end with the status expected."""
        if not self.process:
            return
        process = self.process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                "the server does not stop:\n" + self.log()[-4000:]) from None
        self._reader.join(60)
        process.stdout.close()
        self.process = None
        self.check_log()
        if status != expect:
            raise AssertionError(f"the server ended with status {status}, "
                                 f"not {expect}:\n{self.log()[-4000:]}")
        if len(self.stdout) != 1:
            raise AssertionError(f"more on stdout: {self.stdout[1:]}")

    def kill(self):
        """Ends it at once (SIGKILL)."""
        if not self.process:
            return
        self.process.kill()
        self.process.wait()
        self._reader.join(60)
        self.process.stdout.close()
        self.process = None

    def restart(self):
        self.stop()
        self.start()

    def close(self):
        """Kills what still runs and removes the temporary folder."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, *args, stdin=None, env=None, seconds=VERB_SECONDS):
        """A command-line verb on this data folder; the CompletedProcess,
        with text."""
        return subprocess.run(
            [self.program, *args, "--data", self.data],
            env=dict(os.environ, **self.env, **(env or {})),
            input=stdin if stdin is not None else "",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            encoding="utf-8", errors="replace", timeout=seconds, check=False)

    def retry(self, job):
        """'jobs retry', unless that attempt has begun by itself meanwhile, or
        is over."""
        done = self.run("jobs", "retry", str(job))
        if done.returncode != 0 and not re.search(
                rf"job {job} is (running|done)\b", done.stderr):
            raise AssertionError(f"jobs retry {job}: {done.stderr}")

    def verb(self, *args, expect=0, **more):
        """As run(), but the status must be as expected; returns stdout."""
        done = self.run(*args, **more)
        if done.returncode != expect:
            raise AssertionError(
                f"{' '.join(args)}: status {done.returncode}, not {expect}\n"
                f"{done.stdout}{done.stderr}")
        return done.stdout
