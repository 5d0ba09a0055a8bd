"""doctor: each thing is broken, and found; nothing is changed by looking."""

import contextlib
import datetime
import glob
import json
import os
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom  # noqa: E402
from harness.runner import Skip, equal, main  # noqa: E402
from harness.server import (OTHER_PORTS, VERB_SECONDS,  # noqa: E402
                            Server, binary, free_port, wait_for)

NOBODY = 65534
# Whoever has the usual ports of this machine, it is not the test's concern.
NO_PORTS = [word for key in ("dicom.port", *OTHER_PORTS)
            for word in ("--set", f"{key}=0")]
# No name service is asked for an empty label.
NO_HOST = "no-such-host..invalid"


class Findings:
    def __init__(self, done):
        for word in ("Sanitizer", "runtime error:", "must hold:"):
            assert word not in done.stderr, done.stderr
        self.status = done.returncode
        self.answer = json.loads(done.stdout)
        self.all = self.answer["findings"]
        self.codes = {f["code"] for f in self.all}
        for level in ("problem", "note"):
            equal(self.answer[level + "s"],
                  sum(f["level"] == level for f in self.all))
        equal(self.status, 1 if self.answer["problems"] else 0)

    def one(self, code, *words):
        """The first finding of this code; its text has the words."""
        assert code in self.codes, (code, self.all)
        found = [f for f in self.all if f["code"] == code]
        if words:
            found = [f for f in found
                     if all(w in f["what"] + f.get("command", "")
                            for w in words)]
            assert found, (words, [f for f in self.all if f["code"] == code])
        if found[0]["level"] != "ok":
            assert found[0]["means"] and found[0]["do"], found[0]
        return found[0]

    def no(self, *codes):
        for code in codes:
            assert code not in self.codes, self.one(code)


def doctor(data, *args, **more):
    return Findings(subprocess.run(
        [binary(), "doctor", "--json", "--data", data, *args],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, encoding="utf-8", timeout=VERB_SECONDS,
        check=False, **more))


def nobody(folder):
    """How root, who may do everything, runs the program as somebody who may
    not, and who may look into this folder; a copy in it, if he cannot reach
    the checkout."""
    if os.geteuid() != 0:
        return {}
    more = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    os.chmod(folder, 0o755)
    try:
        subprocess.run([binary(), "help"], stdout=subprocess.DEVNULL,
                       check=False, **more)
    except PermissionError:
        more["executable"] = os.path.join(folder, "program")
        shutil.copy(binary(), more["executable"])
        os.chmod(more["executable"], 0o755)
    return more


def verb(data, *args):
    subprocess.run([binary(), *args, "--data", data], check=True,
                   timeout=VERB_SECONDS, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)


@contextlib.contextmanager
def archive(where=None):
    """A data folder that no server uses."""
    folder = tempfile.mkdtemp(prefix="fileroom-doctor-", dir=where)
    data = os.path.join(folder, "data")
    verb(data, "node", "add", "FIRST", "127.0.0.1", "104")
    try:
        yield data
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def database(data):
    db = sqlite3.connect(os.path.join(data, "fileroom.db"), timeout=120)
    try:
        yield db
        db.commit()
    finally:
        db.close()


def own(server):
    """The options that tell the doctor what the server was told."""
    args = []
    for key, value in server.settings.items():
        if value == "auto":
            name = key.replace(".port", "").replace(".tls_port", "-tls")
            value = str(server.ports[name][1])
        if value is not None:
            args += ["--set", f"{key}={value}"]
    return args


def store(server, uid, pixels=b"\1\2"):
    with dicom.Association(server.dicom_port,
                           [(dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
        equal(a.store(dicom.CT, uid, dicom.instance(uid, pixels=pixels)), 0)


def tree(data):
    """Names, modes and sizes, but for the database's own files."""
    return sorted((os.path.relpath(p, data), os.stat(p).st_mode)
                  for p in glob.glob(data + "/**", recursive=True)
                  if "-wal" not in p and "-shm" not in p)


def t_beside_a_running_server():
    with Server() as server:
        store(server, "1.2.3.1")
        before = tree(server.data)
        found = doctor(server.data, "--deep", *own(server))
        equal(tree(server.data), before)
        found.one("archive.server", str(server.pid))
        found.one("ports.listening", str(server.dicom_port))
        found.one("network.loopback")
        found.one("host.open-files", "the server")
        found.one("disk.flush", " ms")
        found.one("disk.room")
        found.no("archive.read-only", "ports.taken", "ports.elsewhere",
                 "archive.unclean-stop", "archive.broken")
        for code in ("archive.opens", "archive.private", "archive.index",
                     "archive.quarantine", "host.clock",
                     "certificates.none"):
            found.one(code)
        # What it was told by --set is not known to others.
        other = doctor(server.data, "--set", "dicom.port=1")
        other.one("ports.elsewhere", "127.0.0.1:%d" % server.dicom_port)
        # Nothing was disturbed.
        store(server, "1.2.3.2")


def t_a_healthy_archive_has_no_problem():
    with archive() as data:
        found = doctor(data, *NO_PORTS, "--set", "store.reserve=0")
        problems = [f["code"] for f in found.all if f["level"] == "problem"]
        if "disk.memory" in problems:
            raise Skip("temporary files are in memory here")
        equal(problems, [])
        equal(found.status, 0)
        found.one("archive.no-server")
        found.one("ports.closed")


def t_as_text():
    with archive() as data:
        done = subprocess.run(
            [binary(), "doctor", "--data", data, "--set",
             "store.reserve=1024 TiB", "--set", "dicom.port=auto"],
            stdout=subprocess.PIPE, encoding="utf-8", check=False,
            timeout=VERB_SECONDS)
        equal(done.returncode, 1)
        lines = done.stdout.splitlines()
        at = [i for i, line in enumerate(lines)
              if line.startswith("  problem  ") and "1.0 PiB" in line][0]
        assert "A700" in lines[at + 1], lines
        assert "-> Make room" in lines[at + 2], lines
        assert "archive" in lines and "disk" in lines
        assert "  note     dicom.port is 'auto'" in lines
        assert lines[-1].endswith(" notes"), lines


def t_no_archive():
    with tempfile.TemporaryDirectory() as folder:
        for data in (folder, os.path.join(folder, "absent")):
            found = doctor(data, "--set", "dicom.port=0")
            found.one("archive.missing", data)
            equal(found.status, 1)
        # Looking has made nothing.
        equal(os.listdir(folder), [])


def t_damaged_archive():
    with archive() as data:
        with open(os.path.join(data, "fileroom.db"), "wb") as f:
            f.write(b"no database" * 1000)
        doctor(data).one("archive.broken", "fileroom.db")


def t_damaged_index():
    with archive() as data:
        with database(data) as db:
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("PRAGMA writable_schema = ON")
            db.execute("UPDATE sqlite_schema SET rootpage = (SELECT rootpage"
                       " FROM sqlite_schema WHERE name = 'study')"
                       " WHERE name = 'series'")
        doctor(data, "--deep").one("archive.index-damaged")


def t_schema():
    with archive() as data:
        with database(data) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            db.execute("PRAGMA user_version = 1000")
        doctor(data).one("archive.broken", "1000")
        if version < 2:
            return
        with database(data) as db:
            db.execute("PRAGMA user_version = %d" % (version - 1))
        doctor(data).one("archive.older-schema", str(version - 1))
        with database(data) as db:
            equal(db.execute("PRAGMA user_version").fetchone()[0],
                  version - 1)


def t_exposed_folder():
    with archive() as data:
        os.chmod(data, 0o755)
        # Closed within: nothing can be read.
        doctor(data).no("archive.exposed")
        os.chmod(os.path.join(data, "objects"), 0o755)
        found = doctor(data).one("archive.exposed", "0755")
        assert "chmod 0700" in found["command"], found


def t_read_only_folder():
    with archive() as data:
        more = nobody(os.path.dirname(data))
        os.chmod(data, 0o755 if more else 0o555)
        try:
            found = doctor(data, **more)
        finally:
            os.chmod(data, 0o700)
        found.one("archive.not-writable", data)
        if more:
            found.one("archive.owner", str(NOBODY))


def t_watched_folder():
    with archive() as data:
        doctor(data).no("worklist.watch-folder", "worklist.watch-folder-closed")
        folder = os.path.join(os.path.dirname(data), "in")
        verb(data, "settings", "set", "worklist.watch_folder", folder)
        doctor(data).one("worklist.watch-folder-closed", folder, "No such")
        os.mkdir(folder)
        doctor(data).one("worklist.watch-folder", folder)
        more = nobody(os.path.dirname(data))
        pinned = ["--set", "worklist.watch_folder=" + folder]
        for mode, said in ((0o555, "renamed"), (0o333, "read")):
            os.chmod(folder, mode)
            doctor(data, *pinned, **more).one(
                "worklist.watch-folder-closed", folder, said)
        # Beneath the data folder, as the server reads it.
        os.chmod(folder, 0o700)
        verb(data, "settings", "set", "worklist.watch_folder", "in")
        with open(os.path.join(data, "in"), "w"):
            doctor(data).one("worklist.watch-folder-closed",
                             os.path.join(data, "in"), "no folder")


def t_unclean_stop():
    with Server() as server:
        store(server, "1.2.3.3")
        server.kill()
        found = doctor(server.data)
        found.one("archive.no-server")
        found.one("archive.unclean-stop")
        server.start()
        doctor(server.data).no("archive.unclean-stop", "archive.no-server")


def t_quarantine_and_lost_objects():
    with Server() as server:
        store(server, "1.2.3.4", b"\1\2")
        store(server, "1.2.3.4", b"\3\4")
        found = doctor(server.data)
        found.one("archive.second-arrivals", ": 1")
        found.no("archive.quarantine", "archive.damaged-files",
                 "archive.lost-objects")
        (path,) = glob.glob(server.data + "/objects/*/*/*/*/*.dcm")
        with open(path, "r+b") as f:
            f.seek(-1, 2)
            f.write(b"\xff")
        server.verb("check", "--repair")
        found = doctor(server.data)
        found.one("archive.damaged-files", ": 1")
        assert "check" in found.one("archive.lost-objects")["command"]
        # It comes again, and is lost no more.
        store(server, "1.2.3.4", b"\1\2")
        doctor(server.data).no("archive.lost-objects")


def t_backups():
    with Server() as server, tempfile.TemporaryDirectory() as folder:
        doctor(server.data).no("archive.no-backup", "archive.backup")
        store(server, "1.2.3.4")
        doctor(server.data).one("archive.no-backup")
        server.verb("backup", folder)
        found = doctor(server.data)
        found.one("archive.backup", ": 0")
        found.no("archive.no-backup", "archive.backup-old")
        with database(server.data) as db:
            db.execute("UPDATE state SET value = value - 864000000"
                       " WHERE name = 'backup'")
        doctor(server.data).one("archive.backup-old", ": 10")


def t_key_of_tokens():
    with Server() as server:
        store(server, "1.2.3.4")
        doctor(server.data).no("archive.token-key")
        server.verb("token", "1.2.3")
        doctor(server.data).no("archive.token-key")
        os.remove(server.data + "/token.key")
        found = doctor(server.data)
        found.one("archive.token-key", "missing")
        assert not os.path.exists(server.data + "/token.key")
        server.verb("token", "new-key")
        doctor(server.data).no("archive.token-key")


def t_refused_stores():
    with Server() as server:
        with dicom.Association(server.dicom_port, [
                (dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
            assert a.store(dicom.CT, "1.2.3", b"\x08\0\x16\0") != 0
        # An association is written down after its end.
        wait_for(lambda: "archive.stores-refused" in doctor(
            server.data).codes)
        doctor(server.data).one("archive.stores-refused", ": 1")


def t_disk():
    with archive() as data:
        verb(data, "settings", "set", "store.reserve", "1024 TiB")
        found = doctor(data)
        found.one("disk.below-reserve", "1.0 PiB")
        found.no("disk.room", "disk.room-short")
        verb(data, "settings", "set", "store.reserve", "0")
        doctor(data).one("disk.room")


def t_disk_full_soon():
    with Server() as server:
        store(server, "1.2.3.5")
        with database(server.data) as db:
            db.execute("UPDATE instance SET size = ?", (1 << 60,))
        doctor(server.data, "--set", "store.reserve=0").one(
            "disk.room-short", "PiB came in the last week")


def t_archive_in_memory():
    if not os.access("/dev/shm", os.W_OK | os.X_OK):
        raise Skip("no /dev/shm")
    with archive("/dev/shm") as data:
        doctor(data).one("disk.memory", "tmpfs")


def t_port_taken():
    with open("/proc/self/comm", encoding="ascii") as f:
        name = "'%s'" % f.read().strip()
    port = free_port()
    with archive() as data, socket.create_server(
            ("127.0.0.1", port)) as other:
        for bind in ("127.0.0.1", "", "localhost"):
            found = doctor(data, "--set", f"dicom.port={port}", "--set",
                           f"dicom.bind={bind}")
            found.one("ports.taken", "dicom.port", str(port), name,
                      str(os.getpid()), "127.0.0.1:%d" % port)
        other.close()
        doctor(data, "--set", f"dicom.port={port}").one("ports.free")


def t_port_without_right():
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start",
              encoding="ascii") as f:
        if int(f.read()) < 1024:
            raise Skip("anybody may open low ports here")
    with tempfile.TemporaryDirectory() as folder:
        doctor("/nowhere", "--set", "dicom.port=1", **nobody(folder)).one(
            "ports.no-right", "port 1")


def t_wrong_bind_address():
    with archive() as data:
        for bind in ("198.51.100.77", NO_HOST):
            doctor(data, "--set", f"dicom.bind={bind}").one(
                "ports.no-such-address", bind)
        found = doctor(data, "--set", "dicom.bind=127.0.0.1", "--set",
                       "dicom.port=11121")
        found.one("network.loopback", "127.0.0.1")
        found = doctor(data, "--set", "dicom.bind=")
        found.no("network.loopback")


def t_clock_behind_the_objects():
    with archive() as data:
        os.makedirs(os.path.join(data, "objects/2098/01/02"))
        doctor(data).one("host.clock-behind", "2098/01/02")


def t_nodes():
    with archive() as data:
        found = doctor(data)
        found.one("nodes.known", ": 1")
        found.no("nodes.none", "nodes.alike", "nodes.no-port", "nodes.self",
                 "nodes.no-address")
        verb(data, "node", "add", "First", "127.0.0.1", "104")
        verb(data, "node", "allow", "SILENT", "127.0.0.1")
        verb(data, "node", "add", "GONE", NO_HOST, "104")
        verb(data, "node", "add", "FILEROOM", "127.0.0.1", "4")
        found = doctor(data)
        found.one("nodes.alike", "'FIRST'", "'First'")
        found.one("nodes.no-port", "'SILENT'")
        found.one("nodes.no-address", "'GONE'", NO_HOST,
                  "node edit GONE")
        found.one("nodes.self", "127.0.0.1 port 4")
        found.no("nodes.no-echo", "nodes.echo")
        verb(data, "node", "edit", "FILEROOM", "--port", "11121")
        doctor(data).no("nodes.self")
        verb(data, "node", "edit", "FILEROOM", "--host", "198.51.100.77")
        doctor(data).one("nodes.self", "198.51.100.77")


def t_no_node():
    with archive() as data:
        verb(data, "node", "delete", "FIRST")
        doctor(data).one("nodes.none")
        doctor(data, "--set", "dicom.access=open").no("nodes.none")


def t_echo_of_nodes():
    with Server() as server, socket.socket() as closed, \
            socket.socket() as mute:
        closed.bind(("127.0.0.1", 0))
        mute.bind(("127.0.0.1", 0))
        mute.listen(1)
        for title, port in (("FILEROOM", server.dicom_port),
                            ("OTHER", server.dicom_port),
                            ("CLOSED", closed.getsockname()[1]),
                            ("MUTE", mute.getsockname()[1])):
            server.verb("node", "add", title, "127.0.0.1", str(port))
        found = doctor(server.data, "--nodes")
        found.one("nodes.echo", "'FILEROOM'", " ms")
        found.one("nodes.no-echo", "'OTHER'", "called AE title")
        found.one("nodes.no-echo", "'CLOSED'", "refused")
        # Asked side by side, and given up.
        found.one("nodes.no-echo", "'MUTE'")
        equal(sum(f["code"].startswith("nodes.no-") for f in found.all), 3)


def t_refused_callers():
    with archive() as data:
        doctor(data).one("nodes.none-refused")
        now = int(datetime.datetime.now().timestamp() * 1000)
        rows = [
            ("CT7", "FILEROOM", "192.0.2.7",
             "not a known node: AE title unknown", now),
            ("$(reboot)';x", "FILEROOM", "192.0.2.8",
             "not a known node: AE title unknown", now),
            ("FIRST", "FILEROOM", "192.0.2.9", "not a known node: address is "
             "not that of the known node", now),
            ("CT8", "ARCHIVE", "192.0.2.7",
             "called AE title 'ARCHIVE' is not this archive's", now),
            ("", "", "192.0.2.7",
             "an HTTP request came to the DICOM port", now),
            ("OLD", "FILEROOM", "192.0.2.7",
             "not a known node: AE title unknown", now - 2 * 86400000),
        ]
        with database(data) as db:
            db.executemany(
                "INSERT INTO refusal (calling, called, address, reason,"
                " first, last, count) VALUES (?, ?, ?, ?, ?5, ?5, 3)", rows)
        found = doctor(data)
        equal(found.one("nodes.refused-unknown", "'CT7'", "3 times")
              ["command"], "fileroom node allow CT7 192.0.2.7")
        # What a stranger calls himself does not run when it is pasted.
        equal(found.one("nodes.refused-unknown", "reboot")["command"],
              "fileroom node allow '$(reboot)'\\'';x' 192.0.2.8")
        equal(found.one("nodes.refused-address", "'FIRST'", "127.0.0.1")
              ["command"], "fileroom node edit FIRST --host 192.0.2.9")
        found.one("nodes.refused-called", "'ARCHIVE'")
        found.one("nodes.refused-other", "HTTP")
        assert not any("OLD" in f["what"] for f in found.all)
        found.no("nodes.refused-more", "nodes.none-refused")
        with database(data) as db:
            db.executemany(
                "INSERT INTO refusal (calling, called, address, reason,"
                " first, last, count) VALUES (?, 'F', '192.0.2.7', 'x', ?2,"
                " ?2, 1)", [("N%d" % i, now) for i in range(40)])
        doctor(data).one("nodes.refused-more", "25 more")


def t_refusals_of_a_server_are_understood():
    """The words by which doctor tells refusals are those of the server."""
    with Server() as server:
        try:
            dicom.Association(server.dicom_port, [
                (dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE])],
                called="NOBODY")
            raise AssertionError("not rejected")
        except dicom.Rejected:
            pass
        wait_for(lambda: "nodes.refused-called" in doctor(server.data).codes)
        doctor(server.data).one("nodes.refused-called", "NOBODY")
    root = os.path.join(os.path.dirname(__file__), "../../src")
    with open(os.path.join(root, "store/table/node.c"), encoding="utf-8") as f:
        text = f.read()
    for words in ("AE title unknown", "address is not",
                  "host name does not resolve"):
        assert words in text, words


def make_certificate(folder, name, *more):
    os.makedirs(folder, exist_ok=True)
    key, cert = (os.path.join(folder, f"{name}-{what}.pem")
                 for what in ("key", "cert"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=test", "-keyout",
         key, "-out", cert, *more], check=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    os.chmod(key, 0o600)
    return cert, key


def expired_certificate(folder, name):
    """openssl makes none directly; its authority does."""
    cert, key = make_certificate(folder, name)
    with tempfile.TemporaryDirectory() as ca:
        for file, text in (
                ("index", ""), ("serial", "01\n"),
                ("conf", "[ca]\ndefault_ca=x\n[x]\ndatabase=%s/index\n"
                 "serial=%s/serial\nnew_certs_dir=%s\ndefault_md=sha256\n"
                 "policy=p\n[p]\ncommonName=supplied\n" % (ca, ca, ca))):
            with open(os.path.join(ca, file), "w", encoding="ascii") as f:
                f.write(text)
        request = os.path.join(ca, "request")
        subprocess.run(["openssl", "req", "-new", "-key", key, "-subj",
                        "/CN=test", "-out", request], check=True)
        subprocess.run(
            ["openssl", "ca", "-batch", "-selfsign", "-config",
             os.path.join(ca, "conf"), "-keyfile", key, "-in", request,
             "-out", cert, "-startdate", "20200101000000Z", "-enddate",
             "20200201000000Z"], check=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)


def t_certificates():
    if not shutil.which("openssl"):
        raise Skip("no openssl")
    with archive() as data:
        folder = os.path.join(data, "tls")
        cert, key = make_certificate(folder, "dicom", "-days", "365")
        found = doctor(data)
        found.one("certificates.good", cert)
        found.one("certificates.self-signed", cert)
        found.no("certificates.none", "certificates.key-exposed",
                 "certificates.expires-soon")
        os.chmod(key, 0o644)
        assert "chmod 0600" in doctor(data).one(
            "certificates.key-exposed", key)["command"]
        make_certificate(folder, "dicom", "-days", "5")
        found = doctor(data)
        found.one("certificates.expires-soon", cert)
        found.no("certificates.good")
        other, _ = make_certificate(data, "other")
        shutil.copy(other, cert)
        doctor(data).one("certificates.other-key", cert, key)
        with open(cert, "w", encoding="ascii") as f:
            f.write("no certificate")
        doctor(data).one("certificates.broken", cert)
        os.unlink(cert)
        doctor(data).one("certificates.missing", cert)
        expired_certificate(folder, "dicom")
        found = doctor(data)
        found.one("certificates.expired", "2020-02-01")
        found.no("certificates.good")


def t_certificates_that_settings_name():
    if not shutil.which("openssl"):
        raise Skip("no openssl")
    with archive() as data:
        cert, key = make_certificate(os.path.join(data, "own"), "x",
                                     "-days", "365")
        found = doctor(data, "--set", "dicom.tls_cert=own/x-cert.pem",
                       "--set", f"dicom.tls_key={key}", "--set",
                       "dicom.tls_ca=own/x-cert.pem")
        found.one("certificates.good", cert, "valid until")
        found.one("certificates.good", cert, "trusted")
        found = doctor(data, "--set", "dicom.tls_ca=/nowhere/ca.pem")
        found.one("certificates.missing", "/nowhere/ca.pem")


def t_echo_of_nodes_with_tls():
    with Server({"dicom.tls_port": "auto"}) as server:
        for title, port in (("FILEROOM", server.dicom_tls_port),
                            ("PLAIN", server.dicom_port)):
            server.verb("node", "add", title, "127.0.0.1", str(port), "--tls")
        found = doctor(server.data, "--nodes", *own(server))
        found.one("nodes.echo", "'FILEROOM'")
        found.one("nodes.no-echo", "'PLAIN'")
        found.one("ports.listening", "dicom.tls_port")
        found.one("certificates.self-signed")
        found.no("nodes.self")


def t_limits():
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    with archive() as data:
        doctor(data, preexec_fn=few).one("host.few-open-files", "256")
        doctor(data).one("host.memory")


def t_the_page_is_of_the_table():
    tool = os.path.join(os.path.dirname(__file__),
                        "../../tools/troubleshooting")
    equal(subprocess.run([sys.executable, tool, "--check"],
                         check=False).returncode, 0)


if __name__ == "__main__":
    sys.exit(main())
