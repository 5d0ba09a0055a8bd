"""The servers that are compared, each as its makers ship it.

A server is started in a fresh folder on the file system that is measured, on
a free port of the loopback interface, and answers to its AE title. Debian's
configuration defaults are kept but for: who may do what (everybody
everything), no HTTP, and TCP_NODELAY=1 for DCMTK's network code, without
which its answers are delayed.

What each promises when it answers a C-STORE is told in 'promise': figures of
servers that flush nothing are an orientation and never a target.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import time

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 120
STOP_SECONDS = 120


class Failed(Exception):
    """A server or a client did not do what was asked."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def find_program(name):
    return shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def stat_fields(pid):
    """The fields of /proc/PID/stat after the name, from the state on."""
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()


class Server:
    """What the servers share: a process group, and what it has consumed."""

    name = promise = called = None
    can = frozenset()

    def __init__(self, bench):
        self.bench = bench
        self.process = None
        self.port = 0
        self.folder = self.log = None

    @classmethod
    def available(cls, bench):
        return True

    def command(self):
        """The argument list; may write a configuration first."""
        raise NotImplementedError

    def prepare(self, folder):
        self.folder = folder
        self.log = folder + ".log"
        os.makedirs(folder, exist_ok=True)
        self.port = free_port()

    def spawn(self, stdout):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=self.folder,
                env=dict(os.environ, TCP_NODELAY="1"),
                stdin=subprocess.DEVNULL, stdout=stdout or log, stderr=log,
                start_new_session=True)

    def start(self, folder):
        self.prepare(folder)
        self.spawn(None)
        end = time.monotonic() + START_SECONDS
        while not self.bench.echoes(self):
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise Failed(f"{self.name} does not start: "
                             + read(self.log)[-500:])
            time.sleep(0.1)
        return self

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def kill(self):
        """Ends the process and what it has forked."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.process = None

    def members(self):
        """The process ids of the group that exist."""
        found = []
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                if int(stat_fields(name)[2]) == self.process.pid:
                    found.append(int(name))
            except (OSError, IndexError):
                continue
        return found

    def cpu_seconds(self):
        """User and system time, with children that have ended."""
        ticks = 0
        for pid in self.members():
            try:
                ticks += sum(int(n) for n in stat_fields(pid)[11:15])
            except OSError:
                continue
        return ticks / CLOCK_TICKS

    def rss_bytes(self):
        total = 0
        for pid in self.members():
            try:
                for line in read(f"/proc/{pid}/status").splitlines():
                    if line.startswith("VmRSS:"):
                        total += int(line.split()[1]) * 1024
            except OSError:
                continue
        return total


class Fileroom(Server):
    name = "fileroom"
    promise = "bytes, name and index row durable"
    called = "FILEROOM"
    can = frozenset(("store", "get", "move", "find", "hold", "start",
                     "orders"))
    ready_seconds = 0.0
    hl7_port = http_port = 0

    @classmethod
    def available(cls, bench):
        return os.access(bench.server_program, os.X_OK)

    def command(self):
        return [self.bench.server_program, "serve", "--data", self.folder,
                "--set", "dicom.port=auto", "--set", "dicom.bind=127.0.0.1",
                "--set", "dicom.tls_port=0", "--set", "hl7.port=auto",
                "--set", "hl7.bind=127.0.0.1", "--set", "http.port=0", "--set",
                "store.reserve=0"]

    def start(self, folder):
        new = not os.path.exists(folder)
        self.prepare(folder)
        if new:
            subprocess.run(
                [self.bench.server_program, "node", "add", "SINK",
                 "127.0.0.1", str(self.bench.sink_port), "--data", folder],
                check=True, stdout=subprocess.DEVNULL)
        begun = time.monotonic()
        self.spawn(subprocess.PIPE)
        line = self.process.stdout.readline().decode(errors="replace")
        self.ready_seconds = time.monotonic() - begun
        ports = {word.partition("=")[0]: int(word.rpartition(":")[2])
                 for word in line.split() if "=" in word}
        if line.startswith("ready") and "dicom" in ports:
            self.port, self.hl7_port = ports["dicom"], ports.get("hl7", 0)
            self.http_port = ports.get("http", 0)
            return self
        self.kill()
        raise Failed("fileroom does not start: " + read(self.log)[-500:])


class Orthanc(Server):
    name = "orthanc"
    promise = "bytes durable; name and index row not"
    called = "ORTHANC"
    can = frozenset(("store", "get", "move", "find", "silent"))

    @classmethod
    def available(cls, bench):
        return find_program("Orthanc") is not None

    def command(self):
        config = {
            "StorageDirectory": self.folder, "IndexDirectory": self.folder,
            "HttpServerEnabled": False, "Plugins": [],
            "DicomPort": self.port, "DicomAet": self.called,
            "DicomCheckCalledAet": False, "DicomCheckModalityHost": False,
            "DicomAlwaysAllowEcho": True, "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True, "DicomModalities": {
                "sink": ["SINK", "127.0.0.1", self.bench.sink_port]},
            "SyncStorageArea": True,
        }
        path = self.folder + ".json"
        with open(path, "w", encoding="utf-8") as f:
            json.dump(config, f)
        return [find_program("Orthanc"), path]


class Dcmqrscp(Server):
    name = "dcmqrscp"
    promise = "nothing flushed"
    called = "DCMQRSCP"
    can = frozenset(("store", "get", "move", "silent"))

    @classmethod
    def available(cls, bench):
        return find_program("dcmqrscp") is not None

    def command(self):
        path = self.folder + ".cfg"
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"NetworkTCPPort = {self.port}\n"
                    "MaxPDUSize = 16384\nMaxAssociations = 64\n"
                    "HostTable BEGIN\n"
                    f"sink = (SINK, 127.0.0.1, {self.bench.sink_port})\n"
                    "HostTable END\n"
                    "VendorTable BEGIN\nVendorTable END\n"
                    "AETable BEGIN\n"
                    f"{self.called} {self.folder} RW (400, 2000mb) ANY\n"
                    "AETable END\n")
        return [find_program("dcmqrscp"), "-c", path]


class Storescp(Server):
    name = "storescp"
    promise = "nothing flushed, no index"
    called = "STORESCP"
    can = frozenset(("store", "silent"))

    @classmethod
    def available(cls, bench):
        return find_program("storescp") is not None

    def command(self):
        return [find_program("storescp"), "--fork", "-od", self.folder,
                str(self.port)]


ALL = (Fileroom, Orthanc, Dcmqrscp, Storescp)
