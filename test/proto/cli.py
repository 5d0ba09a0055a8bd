"""The command line: every verb, wrong usages, exit statuses, settings and the
layers they come from, import, export, check, beside a running server."""

import glob
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

import pydicom  # noqa: E402
from harness import sample  # noqa: E402
from harness.runner import Skip, equal, main  # noqa: E402
from harness.server import (ROOT, Server, binary, free_port,  # noqa: E402
                            known_settings, wait_for)


# The import works with several threads.
TSAN = True


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
        with sqlite3.connect(os.path.join(self.data, "fileroom.db")) as db:
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


# Usage.


def t_help():
    with Folder() as f:
        text = f.verb("help", data=False)
        for verb in ("serve", "import", "export", "check", "doctor",
                     "quarantine", "reindex", "node",
                     "settings", "activity", "dump"):
            assert verb in text, verb
            more = f.verb("help", verb, data=False)
            assert f"usage: fileroom {verb}" in more, more
            assert "fileroom  " not in more, more
            assert "--data DIR" in more
            equal(f.verb(verb, "--help", data=False), more)
        assert not os.path.exists(f.data)


def t_man_page_names_all():
    with open(os.path.join(ROOT, "docs/fileroom.1"), encoding="utf-8") as f:
        page = f.read().replace("\\-", "-")
    with Folder() as f:
        verbs = re.findall(r"^  (\S+) ", f.verb("help", data=False), re.M)
        options = [o for v in verbs if v != "help" for o in re.findall(
            r"--[a-z][a-z-]*[a-z]", f.verb("help", v, data=False))
            if o != "--data"]
    assert "worklist-find" in verbs, verbs
    assert "--tls-ca" in options, options
    for name in options:
        assert name in page, name
    for name in verbs + re.findall(r'"([a-z0-9]+\.[a-z_]+)"', known_settings()):
        assert re.search(r"(?<![\w.])%s(?![\w.])" % re.escape(name), page), name


def t_wrong_usage():
    with Folder() as f:
        cases = [
            ((), None), (("nothing",), "'nothing'"),
            (("help", "nothing"), "'nothing'"),
            (("serve", "--bogus"), "'--bogus'"),
            (("serve", "extra"), "'extra'"),
            (("serve", "--set"), "--set"),
            (("serve", "--set", "dicom.port"), "KEY=VALUE"),
            (("serve", "--set", "dicom.prot=1"), "'dicom.prot'"),
            (("serve", "--set", "dicom.port=x"), "1 to 65535"),
            (("serve", "--log-format", "xml"), "text or json"),
            (("serve", "--config", "absent.ini"), "absent.ini"),
            (("import",), "missing"), (("import", "-x", "y"), "'-x'"),
            (("export", "1.2"), "-o"), (("export", "-o", "x"), "missing"),
            (("export", "1.2", "-o", "x", "--syntax", "jpeg"), "explicit"),
            (("check", "all"), "'all'"), (("check", "--fix"), "'--fix'"),
            (("doctor", "who"), "'who'"), (("doctor", "--fix"), "'--fix'"),
            (("doctor", "--set", "dicom.prot=1"), "'dicom.prot'"),
            (("reindex", "now"), "'now'"), (("dump",), "missing"),
            (("node",), "add"), (("node", "burn"), "'burn'"),
            (("node", "add", "A"), "missing"),
            (("node", "add", "A" * 17, "h", "1"), "16"),
            (("node", "add", "A\\B", "h", "1"), "backslash"),
            (("node", "add", "A", "h", "65536"), "65535"),
            (("node", "add", "A", "h h", "1"), "host"),
            (("node", "list", "--tls"), "--tls"),
            (("node", "edit", "A", "--tls", "--no-tls"), "--no-tls"),
            (("node", "delete"), "missing"),
            (("settings",), "get"), (("settings", "get"), "missing"),
            (("settings", "get", "no.key"), "'no.key'"),
            (("settings", "set", "dicom.port"), "missing"),
            (("settings", "set", "dicom.port", "-1"), "1 to 65535"),
            (("settings", "set", "store.reserve", "lots"), "2 GiB"),
            (("settings", "get", "dicom.port", "--default"), "--default"),
            (("activity",), "list"), (("activity", "burn"), "'burn'"),
            (("activity", "list", "--all", "--today"), "only one"),
            (("activity", "clear", "--all"), "days"),
        ]
        for args, text in cases:
            done = f.run(*args, data=bool(args))
            equal(done.returncode, 2, f"status of {args}")
            equal(done.stdout, "", f"stdout of {args}")
            assert text is None or text in done.stderr, (args, done.stderr)
        # None of them made anything.
        equal(os.listdir(f.path), [])


def t_verbs_without_an_archive():
    with Folder() as f:
        for args in (["check"], ["reindex"], ["node", "list"],
                     ["settings", "list"], ["activity", "list"],
                     ["export", "1.2", "-o", "out"],
                     ["node", "delete", "A"]):
            assert f.data in f.error(1, *args), args
            assert not os.path.exists(f.data), args


def t_data_from_the_environment():
    with Folder() as f:
        env = {"FILEROOM_DATA": f("other")}
        f.verb("node", "add", "A", "host", "104", data=False, env=env)
        assert os.path.isdir(f("other"))
        f.verb("node", "add", "A", "host", "104", data=False)
        assert os.path.isdir(f("data"))
        f.verb("node", "add", "B", "host", "104", env=env)
        assert "B " not in f.verb("node", "list", data=False, env=env)
        assert "B " in f.verb("node", "list", env=env)


def t_full_stdout_is_a_failure():
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([binary(), "help"], stdout=full,
                              stderr=subprocess.PIPE, check=False)
        equal(done.returncode, 1)
        assert b"standard output" in done.stderr


def t_data_is_private():
    with Folder() as f:
        path = sample.write(sample.image(), f("in", "a.dcm"))
        f.verb("import", path)
        for folder, folders, names in os.walk(f.data):
            for name in folders + names:
                mode = os.stat(os.path.join(folder, name)).st_mode
                equal(mode & 0o077, 0, f"mode of {name}")


# Settings.


def t_settings():
    with Folder() as f:
        f.verb("settings", "set", "dicom.ae_title", "OTHER")
        f.verb("settings", "set", "store.reserve", "500MB")
        f.verb("settings", "set", "dicom.debug", "yes")
        equal(f.verb("settings", "get", "dicom.ae_title"), "OTHER\n")
        equal(f.verb("settings", "get", "store.reserve"), "500 MB\n")
        equal(f.verb("settings", "get", "dicom.debug"), "true\n")
        equal(f.verb("settings", "get", "dicom.port"), "11121\n")
        text = f.verb("settings", "list")
        assert "dicom.ae_title = OTHER\n    from: stored; default: FILEROOM" \
            in text, text
        assert "dicom.port = 11121\n    from: default" in text
        for key in ("dicom.bind", "dicom.access", "dicom.check_called_ae",
                    "dicom.timeout_s", "store.duplicate"):
            assert f"\n{key} = " in text, key
        f.verb("settings", "set", "dicom.ae_title", "--default")
        equal(f.verb("settings", "get", "dicom.ae_title"), "FILEROOM\n")


def t_settings_environment_is_stronger():
    with Folder() as f:
        f.verb("settings", "set", "dicom.port", "104")
        env = {"FILEROOM_DICOM_PORT": "105"}
        equal(f.verb("settings", "get", "dicom.port", env=env), "105\n")
        assert "from: environment" in f.verb("settings", "list", env=env)
        done = f.run("settings", "set", "dicom.port", "106", env=env)
        equal(done.returncode, 0)
        assert "FILEROOM_DICOM_PORT is stronger" in done.stderr
        equal(f.verb("settings", "get", "dicom.port"), "106\n")
        text = f.error(2, "settings", "list",
                       env={"FILEROOM_DICOM_PORT": "x"})
        assert "FILEROOM_DICOM_PORT" in text


def t_settings_export_import():
    with Folder() as f:
        f.verb("settings", "set", "dicom.ae_title", "OTHER")
        f.verb("settings", "set", "store.reserve", "1 GiB")
        f.verb("settings", "export", "s.ini")
        with open(f("s.ini"), encoding="utf-8") as ini:
            text = ini.read()
        equal(f.verb("settings", "export"), text)
        assert "[dicom]" in text and "\nae_title = OTHER\n" in text
        assert "\n#port = 11121\n" in text
        first = f.verb("settings", "list")
        f.data = f("second")
        f.verb("settings", "import", "s.ini")
        equal(f.verb("settings", "list"), first)
        # A file that is wrong anywhere changes nothing.
        with open(f("bad.ini"), "w", encoding="utf-8") as ini:
            ini.write("[dicom]\nae_title = THIRD\nport = many\n")
        text = f.error(2, "settings", "import", "bad.ini")
        assert "line 3" in text and "dicom.port" in text
        equal(f.verb("settings", "list"), first)
        f.error(1, "settings", "import", "absent.ini")


def t_layers_of_a_server():
    with Folder() as f:
        with open(f("c.ini"), "w", encoding="utf-8") as ini:
            ini.write("[dicom]\nae_title = FROMFILE\ntimeout_s = 11\n"
                      "access = open\nport = 1\n")
        for key, value in (("dicom.ae_title", "STORED"),
                           ("dicom.timeout_s", "10"),
                           ("dicom.check_called_ae", "true"),
                           ("dicom.access", "known")):
            f.verb("settings", "set", key, value)
        with Server(data=f.data, args=["--config", f("c.ini")],
                    env={"FILEROOM_DICOM_AE_TITLE": "FROMENV",
                         "FILEROOM_DICOM_TIMEOUT_S": "12"},
                    settings={"dicom.timeout_s": "13"}) as server:
            # default < stored < file < environment < --set, seen from
            # outside by the called AE title that is taken.
            equal(echo(server, "FROMENV"), 0)
            for wrong in ("STORED", "FROMFILE", "FILEROOM"):
                assert echo(server, wrong) != 0, wrong
        with Server(data=f.data, args=["--config", f("c.ini")]) as server:
            equal(echo(server, "FROMFILE"), 0)
        with Server(data=f.data) as server:
            equal(echo(server, "STORED"), 0)


def echo(server, called, calling="ECHOSCU"):
    if not shutil.which("echoscu"):
        raise Skip("no echoscu (DCMTK)")
    return subprocess.run(
        ["echoscu", "-to", "20", "-aet", calling, "-aec", called, "127.0.0.1",
         str(server.dicom_port)], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, check=False).returncode


# The server process.


def t_changed_settings_take_effect():
    with Server() as server:
        equal(echo(server, "FILEROOM"), 0)
        server.verb("settings", "set", "dicom.ae_title", "CHANGED")
        wait_for(lambda: echo(server, "CHANGED") == 0, 60, "new AE title")
        assert echo(server, "FILEROOM") != 0
        server.verb("settings", "set", "dicom.ae_title", "--default")
        wait_for(lambda: echo(server, "FILEROOM") == 0, 60, "old AE title")


def t_pinned_settings_stay():
    with Server(settings={"dicom.ae_title": "PINNED"}) as server:
        server.verb("settings", "set", "dicom.ae_title", "CHANGED")
        server.verb("settings", "set", "dicom.check_called_ae", "false")
        server.wait_log("dicom.check_called_ae is now 'false'")
        server.verb("settings", "set", "dicom.check_called_ae", "true")
        server.wait_log("dicom.check_called_ae is now 'true'")
        equal(echo(server, "PINNED"), 0)
        assert echo(server, "CHANGED") != 0


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except OSError:
        return False


def t_port_changes_without_restart():
    with Server(settings={"dicom.port": None},
                env={}, start=False) as server:
        first = str(free_port())
        server.verb("settings", "set", "dicom.port", first)
        server.start()
        equal(str(server.dicom_port), first)
        second = free_port()
        server.verb("settings", "set", "dicom.port", str(second))
        wait_for(lambda: listens(second), 60, "the new port")
        assert not listens(int(first))
        # A port that is taken: the old one stays, and the log says why.
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            server.verb("settings", "set", "dicom.port", str(port))
            server.wait_log("in use")
            assert listens(second)
        wait_for(lambda: listens(port) and not listens(second), 60,
                 "the port, free again")
        server.verb("settings", "set", "dicom.port", "0")
        wait_for(lambda: not listens(port), 60, "a closed port")


def t_closed_port_is_left_out_of_the_ready_line():
    with Server(settings={"dicom.port": "0"}) as server:
        equal(server.stdout, ["ready"])
        equal(server.ports, {})


def t_port_in_use():
    with socket.socket() as taken, Folder() as f:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = f.error(1, "serve", "--set", f"dicom.port={port}", "--set",
                       "dicom.bind=127.0.0.1")
        assert str(port) in text and "in use" in text, text


def t_second_server_is_refused():
    with Server() as server, Folder() as f:
        f.data = server.data
        text = f.error(1, "serve", "--set", "dicom.port=auto", "--set",
                       "dicom.bind=127.0.0.1")
        assert f"process {server.pid}" in text, text
        text = f.error(1, "reindex")
        assert f"process {server.pid}" in text, text
        equal(echo(server, "FILEROOM"), 0)


def t_newer_schema_is_refused():
    with Folder() as f:
        f.verb("node", "add", "A", "host", "104")
        with sqlite3.connect(os.path.join(f.data, "fileroom.db")) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                raise Skip("the schema's version is not in user_version")
            db.execute(f"PRAGMA user_version = {version + 1}")
        for args in (["serve", "--set", "dicom.port=0"], ["node", "list"]):
            text = f.error(1, *args)
            assert str(version) in text and str(version + 1) in text, text


def t_stop_signals():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Server() as server:
            os.kill(server.pid, number)
            equal(server.process.wait(60), 0)


def t_second_signal_ends_at_once():
    with Server() as server:
        with socket.create_connection(("127.0.0.1", server.dicom_port)):
            os.kill(server.pid, signal.SIGTERM)
            server.wait_log("stopping")
            try:
                os.kill(server.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
            assert server.process.wait(60) in (0, 1)
        server.process = None


def t_log_formats():
    with Server(args=["--log-format", "json"],
                settings={"http.port": "auto"}) as server:
        server.wait_log("/setup?")
        again = server.command()
        again[again.index("--data") + 1] += "/objects/tmp/no/folder"
        failed = subprocess.run(again, stderr=subprocess.PIPE, check=False,
                                stdout=subprocess.PIPE, timeout=60)
        equal((failed.returncode, failed.stdout), (1, b""))
        server.stop()
        lines = server.log() + failed.stderr.decode()
        for line in lines.splitlines():
            equal(sorted(json.loads(line)),
                  ["area", "level", "message", "time"])


def t_standard_descriptors_closed():
    """A server started without them must not write its log into a file."""
    with Folder() as f:
        path = sample.write(sample.image(), f("in", "a.dcm"))
        argv = [binary(), "import", path, "--data", f.data]
        done = subprocess.run(
            ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', *argv], check=False)
        equal(done.returncode, 0)
        equal(digests(objects(f.data)), digests([path]))


# Import.


def t_import_a_tree():
    with Folder() as f:
        paths = sample.study(f("in", "deep", "er"), count=3, series=2)
        with open(f("in", "notes.txt"), "w", encoding="ascii") as text:
            text.write("not an image\n" * 50)
        open(f("in", "empty.dcm"), "wb").close()
        os.symlink("..", f("in", "deep", "loop"))
        os.symlink(paths[0], f("in", "link.dcm"))
        os.mkfifo(f("in", "pipe"))
        done = f.run("import", f("in"))
        equal(done.returncode, 0, done.stderr)
        got = counts(done.stdout)
        equal(got["stored"] + got["already there"], 7)
        equal(got["stored"], 6)
        equal(got["not DICOM, skipped"], 2)
        equal(got["links to folders, not followed"], 1)
        equal(got["refused"], 0)
        equal(digests(objects(f.data)), digests(paths))
        again = counts(f.verb("import", f("in"), f("in")))
        equal((again["stored"], again["already there"]), (0, 14))
        equal(len(objects(f.data)), 6)


def t_import_single_files():
    with Folder() as f:
        good = sample.write(sample.image(), f("a.dcm"))
        with open(f("b.dcm"), "wb") as bad:
            bad.write(b"this is not DICOM at all, whatever its name says")
        with open(good, "rb") as whole, open(f("c.dcm"), "wb") as cut:
            cut.write(whole.read()[:-100])
        done = f.run("import", good, f("b.dcm"), f("c.dcm"), f("absent.dcm"))
        equal(done.returncode, 1)
        equal(counts(done.stdout)["stored"], 1)
        equal(counts(done.stdout)["refused"], 3)
        for name in ("b.dcm", "c.dcm", "absent.dcm"):
            assert any(line.startswith("refused: ") and name in line
                       for line in done.stderr.splitlines()), done.stderr
        equal(digests(objects(f.data)), digests([good]))
        # What looks like elements and is none.
        subprocess.run(["tar", "cf", f("d.tar"), "-C", f.path, "a.dcm"],
                       check=True)
        assert "not a DICOM file" in f.run("import", f("d.tar")).stderr
        # In a folder what is not DICOM is skipped; what is torn is not.
        os.mkdir(f("in"))
        shutil.copy(f("b.dcm"), f("in"))
        equal(counts(f.verb("import", f("in")))["not DICOM, skipped"], 1)
        shutil.copy(f("c.dcm"), f("in"))
        equal(counts(f.verb("import", f("in"), expect=1))["refused"], 1)


def t_import_every_syntax():
    with Folder() as f:
        paths = [
            sample.write(sample.image(study=i), f("in", f"{i}.dcm"), s)
            for i, s in enumerate((sample.EXPLICIT_LITTLE,
                                   sample.IMPLICIT_LITTLE,
                                   sample.EXPLICIT_BIG, sample.DEFLATED))]
        equal(counts(f.verb("import", f("in")))["stored"], 4)
        equal(digests_raw(objects(f.data)), digests_raw(paths))


def digests_raw(paths):
    return sorted(sample.digest(p) for p in paths)


def t_import_duplicates_by_setting():
    for policy, line in (
            ("quarantine", "differ from what is there, and were kept aside"),
            ("replace", "differ from what was there, and replaced it"),
            ("refuse", None)):
        with Folder() as f:
            one = sample.write(sample.image(), f("one.dcm"))
            two = sample.write(sample.image(PatientComments="other"),
                               f("two.dcm"))
            f.verb("settings", "set", "store.duplicate", policy)
            f.verb("import", one)
            done = f.run("import", two)
            got = counts(done.stdout)
            equal(done.returncode, 1 if line is None else 0)
            equal(got["refused" if line is None else line], 1)
            equal(got["stored"], 0)
            kept = two if policy == "replace" else one
            equal(digests(objects(f.data)), digests([kept]), policy)


def t_import_respects_the_reserve():
    with Folder() as f:
        path = sample.write(sample.image(), f("a.dcm"))
        f.verb("settings", "set", "store.reserve", "1024 TiB")
        done = f.run("import", path)
        equal(done.returncode, 1)
        equal(counts(done.stdout)["stored"], 0)
        equal(objects(f.data), [])


def t_import_a_zip():
    with Folder() as f:
        paths = sample.study(f("in"), count=4)
        inner = f("inner.zip")
        with zipfile.ZipFile(inner, "w") as z:
            z.write(paths[3], "x.dcm")
        with zipfile.ZipFile(f("a.zip"), "w", zipfile.ZIP_DEFLATED) as z:
            z.write(paths[0], "../../../escape.dcm")
            z.write(paths[1], "/abs/olute.dcm")
            z.write(paths[2], "plain.dcm", zipfile.ZIP_STORED)
            z.writestr("readme.txt", "hello")
            z.writestr("folder/", "")
            z.write(inner, "nested.zip")
        done = f.run("import", f("a.zip"))
        equal(done.returncode, 1)
        got = counts(done.stdout)
        equal(got["stored"], 3)
        equal(got["not DICOM, skipped"], 1)
        equal(got["refused"], 1)
        assert "nested.zip: it is a zip within a zip" in done.stderr
        equal(digests(objects(f.data)), digests(paths[:3]))
        assert not os.path.exists(f("escape.dcm"))
        assert not os.path.exists("/abs")
        # A zip that lies in a folder is read, too.
        os.mkdir(f("folder"))
        shutil.move(inner, f("folder", "inner.bin"))
        equal(counts(f.verb("import", f("folder")))["stored"], 1)


def t_import_a_zip_without_dicom():
    with Folder() as f:
        os.mkdir(f("in"))
        for name in ("text.zip", "in/text.zip"):
            with zipfile.ZipFile(f(name), "w") as z:
                z.writestr("a.txt", "hello")
        with zipfile.ZipFile(f("empty.zip"), "w"):
            pass
        for name in ("text.zip", "empty.zip"):
            done = f.run("import", f(name))
            equal(done.returncode, 1)
            assert "no DICOM file in it" in done.stderr, done.stderr
        # In a folder it is nothing special: documents may be zips.
        f.verb("import", f("in"))


def t_import_damaged_zips():
    with Folder() as f:
        paths = sample.study(f("in"), count=3)
        with zipfile.ZipFile(f("a.zip"), "w", zipfile.ZIP_STORED) as z:
            for p in paths:
                z.write(p, os.path.basename(p))
        with open(f("a.zip"), "rb") as whole:
            data = bytearray(whole.read())
        # One bit within the second file: its checksum tells.
        with zipfile.ZipFile(f("a.zip")) as z:
            at = z.infolist()[1].header_offset + 3000
        data[at] ^= 1
        with open(f("b.zip"), "wb") as damaged:
            damaged.write(data)
        done = f.run("import", f("b.zip"))
        equal(done.returncode, 1)
        equal(counts(done.stdout)["stored"], 2, done.stderr)
        equal(counts(done.stdout)["refused"], 1)
        assert "i0002.dcm" in done.stderr, done.stderr
        # Cut anywhere: ends, and stores only what is whole.
        for cut in (10, 100, len(data) // 2, len(data) - 10):
            with open(f("c.zip"), "wb") as short:
                short.write(data[:cut])
            f.data = f(f"data{cut}")
            f.run("import", f("c.zip"))
            whole = set(digests_raw(paths))
            assert set(digests_raw(objects(f.data))) <= whole


def t_import_encrypted_zip():
    with Folder() as f:
        path = sample.write(sample.image(), f("a.dcm"))
        with zipfile.ZipFile(f("a.zip"), "w") as z:
            z.write(path, "a.dcm")
        with open(f("a.zip"), "rb") as whole:
            data = bytearray(whole.read())
        # Bit 0 of the general purpose flags, in both headers.
        data[6] |= 1
        data[data.rindex(b"PK\1\2") + 8] |= 1
        with open(f("e.zip"), "wb") as locked:
            locked.write(data)
        done = f.run("import", f("e.zip"))
        equal(done.returncode, 1)
        assert "encrypted" in done.stderr, done.stderr
        equal(counts(done.stdout)["stored"], 0)


def t_import_zip_bomb():
    with Folder() as f:
        ds = sample.image(rows=8)
        head = sample.write(ds, f("a.dcm"))
        with open(head, "rb") as whole:
            start = whole.read()[:-4]
        with zipfile.ZipFile(f("a.zip"), "w", zipfile.ZIP_DEFLATED) as z:
            with z.open("bomb.dcm", "w") as out:
                out.write(start)
                for _ in range(100):
                    out.write(bytes(1 << 20))
        done = f.run("import", f("a.zip"))
        equal(done.returncode, 1)
        equal(counts(done.stdout)["stored"], 0)
        # Either cap may speak first: the object's or the zip's.
        assert "refused: " in done.stderr
        equal(objects(f.data), [])


def dicomdir(folder):
    if not shutil.which("dcmmkdir"):
        raise Skip("no dcmmkdir (DCMTK)")
    done = subprocess.run(["dcmmkdir", "-Pgp", "+r", "+id", folder, "+D",
                           os.path.join(folder, "DICOMDIR")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    if done.returncode != 0:
        raise Skip("dcmmkdir: " + done.stdout.decode(errors="replace"))


def medium(f, count=3):
    paths = [sample.write(sample.image(number=n, StudyID="1"),
                          f("disc", "IMAGES", f"IM{n}"))
             for n in range(1, count + 1)]
    dicomdir(f("disc"))
    return paths


def t_import_dicomdir():
    with Folder() as f:
        paths = medium(f)
        # Beside the medium's files, and not named by it.
        sample.write(sample.image(study="stray"), f("disc", "STRAY"))
        got = counts(f.verb("import", f("disc", "DICOMDIR")))
        equal(got["stored"], 3)
        equal(digests(objects(f.data)), digests(paths))
        got = counts(f.verb("import", f("disc")))
        equal((got["stored"], got["already there"]), (1, 3))
        equal(got["DICOMDIR, not stored"], 1)


def t_import_dicomdir_in_lower_case():
    with Folder() as f:
        paths = medium(f)
        before = digests(paths)
        for p in paths:
            os.rename(p, os.path.join(os.path.dirname(p),
                                      os.path.basename(p).lower()))
        os.rename(f("disc", "IMAGES"), f("disc", "images"))
        f.verb("import", f("disc", "DICOMDIR"))
        equal(digests(objects(f.data)), before)


def t_import_dicomdir_with_missing_and_hostile_names():
    with Folder() as f:
        paths = medium(f)
        os.unlink(paths[1])
        secret = sample.write(sample.image(study="secret"), f("OUT"))
        assert os.path.exists(secret)
        for args in ([f("disc", "DICOMDIR")], [f("disc")]):
            done = f.run("import", *args)
            equal(done.returncode, 1)
            equal(counts(done.stdout)["refused"], 1)
            assert "IM2: is named by the DICOMDIR and not there" \
                in done.stderr, done.stderr
        with open(f("disc", "DICOMDIR"), "rb") as whole:
            data = whole.read()
        # The same length: "IMAGES\IM1" becomes "..\OUT    ".
        assert data.count(rb"IMAGES\IM1") == 1
        with open(f("disc", "DICOMDIR"), "wb") as out:
            out.write(data.replace(rb"IMAGES\IM1", b"..\\OUT    "))
        f.data = f("fresh")
        done = f.run("import", f("disc", "DICOMDIR"))
        equal(done.returncode, 1)
        assert "is no file name of a medium" in done.stderr, done.stderr
        equal(digests(objects(f.data)), digests([paths[2]]))


def t_import_leaves_out_the_archive_itself():
    with Folder() as f:
        sample.study(f("tree", "in"), count=2)
        f.data = f("tree", "data")
        f.verb("import", f("tree", "in"))
        got = counts(f.verb("import", f("tree")))
        equal((got["stored"], got["already there"]), (0, 2))


def t_import_hostile_file_names():
    with Folder() as f:
        path = sample.write(sample.image(), f("in", "a.dcm"))
        with open(path, "rb") as whole:
            torn = whole.read()[:-50]
        with open(f("in", "x\033[2J\nrefused: y.dcm"), "wb") as out:
            out.write(torn)
        done = f.run("import", f("in"))
        equal(done.returncode, 1)
        assert "\033" not in done.stderr
        equal(len([x for x in done.stderr.splitlines()
                   if x.startswith("refused: ")]), 1)


def t_import_beside_a_server():
    with Server() as server:
        paths = sample.study(os.path.join(server._folder, "in"), count=5,
                             series=3)
        got = counts(server.verb("import", os.path.dirname(
            os.path.dirname(paths[0]))))
        equal(got["stored"], 15)
        equal(digests(objects(server.data)), digests(paths))
        server.verb("check")


def t_import_stops_and_resumes():
    with Folder() as f:
        paths = sample.study(f("in"), count=60, series=2)
        child = subprocess.Popen(
            [binary(), "import", f("in"), "--data", f.data],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for(lambda: len(objects(f.data)) >= 2, 60, "first objects")
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=120)
        # It may have been faster than the signal.
        assert child.returncode in (0, 1), err
        if child.returncode == 1:
            assert b"run it again" in err, err
        stored = counts(out.decode())["stored"]
        equal(len(objects(f.data)), stored)
        got = counts(f.verb("import", f("in")))
        equal(got["already there"], stored)
        equal(got["stored"], 120 - stored)
        equal(digests(objects(f.data)), digests(paths))
        f.verb("check")


# Export.


def t_export_and_import_again():
    with Folder() as f:
        paths = sample.study(f("in"), count=3, series=2)
        f.verb("import", f("in"))
        uid = sample.uid("study", "a")
        got = counts(f.verb("export", uid, "-o", f("out")))
        equal(got["exported"], 6)
        out = files(f("out"))
        equal(digests(out), digests(paths))
        names = {os.path.relpath(p, f("out")) for p in out}
        assert ("Sample_One_SAMPLE1/20260102_Study_a/001_Series_1/0001.dcm"
                in names), names
        for p in out:
            meta = pydicom.dcmread(p).file_meta
            equal(str(meta.TransferSyntaxUID), sample.EXPLICIT_LITTLE)
            equal(str(meta.MediaStorageSOPClassUID), sample.CT)
            assert "PrivateInformation" not in meta
        # Again: a folder of its own, nothing overwritten.
        f.verb("export", uid, "-o", f("out"))
        equal(len(files(f("out"))), 12)
        assert os.path.isdir(f("out", "Sample_One_SAMPLE1",
                               "20260102_Study_a_2"))
        first = f.data
        f.data = f("second")
        equal(counts(f.verb("import", f("out")))["stored"], 6)
        equal(digests_raw(objects(f.data)), digests_raw(objects(first)))


def t_export_zip():
    with Folder() as f:
        paths = sample.study(f("in"), count=3)
        f.verb("import", f("in"))
        uid = sample.uid("study", "a")
        f.verb("export", uid, "-o", f("a.zip"))
        with zipfile.ZipFile(f("a.zip")) as z:
            equal(z.testzip(), None)
            equal({i.compress_type for i in z.infolist()},
                  {zipfile.ZIP_STORED})
            z.extractall(f("out"))
        equal(digests(files(f("out"))), digests(paths))
        text = f.error(1, "export", uid, "-o", f("a.zip"))
        assert "there already" in text
        assert not os.path.exists(f("a.zip.part"))
        f.data = f("second")
        equal(counts(f.verb("import", f("a.zip")))["stored"], 3)


def t_export_medium():
    """Names of the standard, one patient for each ID, and what few media
    allow is there and named."""
    with Folder() as f:
        for n, (issuer, name) in enumerate((("A", "One^Ann"),
                                            ("B", "Two^Bob")), 1):
            sample.write(sample.image(
                patient="77", IssuerOfPatientID=issuer, name=name,
                study=str(n)), f("in/%d" % n))
        sample.write(sample.image(patient="77", IssuerOfPatientID="A",
                                  name="One^Ann", study="1", number=2),
                     f("in/3"), syntax=sample.IMPLICIT_LITTLE)
        f.verb("import", f("in"))
        uids = [sample.uid("study", n) for n in ("1", "2")]
        done = f.run("export", *uids, uids[0], "-o", f("out"), "--dicomdir")
        equal(done.returncode, 0, done.stderr)
        equal(counts(done.stdout)["exported"], 3)
        assert "1 of them" in done.stderr, done.stderr
        equal({os.path.relpath(p, f("out")) for p in all_files(f("out"))}, {
            "DICOMDIR", "README.TXT",
            "DICOM/PT000001/ST000001/SE000001/IM000001",
            "DICOM/PT000001/ST000001/SE000001/IM000002",
            "DICOM/PT000002/ST000001/SE000001/IM000001"})
        records = pydicom.dcmread(f("out", "DICOMDIR")).DirectoryRecordSequence
        equal([(r.PatientID, r.PatientName, r.IssuerOfPatientID)
               for r in records if "PatientID" in r],
              [("77", "One^Ann", "A"), ("77_2", "Two^Bob", "B")])
        with open(f("out", "README.TXT"), encoding="ascii") as text:
            text = text.read()
        assert "2 patients" in text and "3 files" in text, text
        assert "DICOM/PT000001/ST000001/SE000001: 1 file" in text, text
        assert "Implicit VR Little Endian" in text, text
        # A medium is never mixed with another, nor overwritten.
        text = f.error(1, "export", uids[0], "-o", f("out"), "--dicomdir")
        assert "is there already" in text, text
        equal(len(all_files(f("out"))), 5)
        f.verb("export", uids[0], "-o", f("x.zip"), "--dicomdir", "--syntax",
               "explicit")
        with zipfile.ZipFile(f("x.zip")) as z:
            equal(z.testzip(), None)
            assert b"transfer syntaxes" not in z.read("README.TXT")
            z.extractall(f("x"))
        for record in pydicom.dcmread(
                f("x", "DICOMDIR")).DirectoryRecordSequence:
            if "ReferencedFileID" in record:
                equal(record.ReferencedTransferSyntaxUIDInFile,
                      sample.EXPLICIT_LITTLE)


def t_export_medium_without_what_is_damaged():
    with Folder() as f:
        sample.study(f("in"), count=3)
        f.verb("import", f("in"))
        victim = sorted(objects(f.data))[1]
        with open(victim, "r+b") as file:
            file.seek(-3, os.SEEK_END)
            file.write(b"xyz")
        uid = sample.uid("study", "a")
        done = f.run("export", uid, "-o", f("out"), "--dicomdir")
        equal(done.returncode, 1)
        equal(counts(done.stdout), {"exported": 2, "failed": 1})
        records = pydicom.dcmread(f("out", "DICOMDIR")).DirectoryRecordSequence
        names = ["/".join(r.ReferencedFileID) for r in records
                 if "ReferencedFileID" in r]
        equal(sorted(names), sorted(
            os.path.relpath(p, f("out"))
            for p in all_files(f("out", "DICOM"))))
        equal(len(names), 2)


def t_export_unknown_study():
    with Folder() as f:
        f.verb("import", sample.write(sample.image(), f("a.dcm")))
        text = f.error(1, "export", "1.2.3", "-o", f("out"))
        assert "'1.2.3'" in text
        assert not os.path.exists(f("out"))
        f.error(1, "export", sample.uid("study", "a"), "1.2.3", "-o",
                f("a.zip"))
        assert not os.path.exists(f("a.zip"))
        # One named twice is exported once.
        uid = sample.uid("study", "a")
        equal(counts(f.verb("export", uid, uid, "-o", f("b.zip")))["exported"],
              1)


def t_export_says_why_it_cannot_write():
    with Folder() as f:
        image = sample.image()
        image.PixelData = os.urandom(6_000_000)
        f.verb("import", sample.write(image, f("a.dcm")))
        done = subprocess.run(
            ["bash", "-c", 'trap "" XFSZ; ulimit -f 4000; exec "$@"', "-",
             binary(), "export", sample.uid("study", "a"), "--data", f.data,
             "-o", f("out.zip")], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, encoding="utf-8", check=False)
        equal(done.returncode, 1)
        assert "File too large" in done.stderr, done.stderr
        assert not os.path.exists(f("out.zip"))
        # Nothing follows a link within the archive; the folder may be one.
        os.rename(os.path.join(f.data, "objects"), f("elsewhere"))
        os.symlink(f("elsewhere"), os.path.join(f.data, "objects"))
        assert "objects' is a link" in f.error(1, "check")


def t_export_names_are_safe_and_unique():
    with Folder() as f:
        hostile = dict(name="../../^x/y", patient="..\\..", StudyDate="",
                       StudyDescription="CON", SeriesDescription="\u5c71",
                       charset="ISO_IR 192", SeriesNumber=None,
                       InstanceNumber=None)
        for n in range(1, 4):
            sample.write(sample.image(number=n, **hostile),
                         f("in", f"{n}.dcm"))
        last = sample.write(sample.image(number=1, series=2, **hostile),
                            f("last.dcm"))
        f.verb("import", f("in"))
        f.verb("import", last)
        f.verb("export", sample.uid("study", "a"), "-o", f("out"))
        names = sorted(os.path.relpath(p, f("out")) for p in files(f("out")))
        equal(names, ["x_y/CON_/series/image.dcm",
                      "x_y/CON_/series/image_2.dcm",
                      "x_y/CON_/series/image_3.dcm",
                      "x_y/CON_/series_2/image.dcm"])
        equal(sorted(os.listdir(f.path)), ["data", "in", "last.dcm", "out"])


def t_export_syntax():
    with Folder() as f:
        path = sample.write(sample.image(), f("a.dcm"))
        f.verb("import", path)
        uid = sample.uid("study", "a")
        want = pydicom.dcmread(path)
        for name, syntax in (("implicit", sample.IMPLICIT_LITTLE),
                             (sample.EXPLICIT_BIG, sample.EXPLICIT_BIG),
                             ("deflated", sample.DEFLATED),
                             ("explicit", sample.EXPLICIT_LITTLE)):
            out = f("out" + syntax)
            f.verb("export", uid, "-o", out, "--syntax", name)
            got = pydicom.dcmread(files(out)[0])
            equal(str(got.file_meta.TransferSyntaxUID), syntax)
            equal(got.PatientName, want.PatientName)
            equal(got.Rows, want.Rows)
            assert (got.pixel_array == want.pixel_array).all(), name
            f.verb("export", uid, "-o", f(name + ".zip"), "--syntax", name)
            with zipfile.ZipFile(f(name + ".zip")) as z:
                equal(z.testzip(), None)


def t_export_refuses_what_cannot_be_converted_or_is_damaged():
    with Folder() as f:
        ds = sample.image(number=1)
        ds.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
        sample.write(ds, f("in", "1.dcm"), "1.2.840.10008.1.2.4.50")
        sample.write(sample.image(number=2), f("in", "2.dcm"))
        f.verb("import", f("in"))
        uid = sample.uid("study", "a")
        done = f.run("export", uid, "-o", f("out"), "--syntax", "implicit")
        equal(done.returncode, 1)
        equal(counts(done.stdout), {"exported": 1, "failed": 1})
        assert sample.uid("instance", "a", 1, 1) in done.stderr
        assert "not converted" in done.stderr
        equal(len(files(f("out"))), 1)
        equal(counts(f.verb("export", uid, "-o", f("all")))["exported"], 2)
        # A flipped byte never leaves the archive.
        flip(instance_path(f, 2))
        done = f.run("export", uid, "-o", f("after"))
        equal(done.returncode, 1)
        equal(counts(done.stdout), {"exported": 1, "failed": 1})
        equal(len(files(f("after"))), 1)


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


# Check, reindex, nodes, activity, dump.


def t_check_and_repair():
    with Folder() as f:
        sample.study(f("in"), count=4)
        f.verb("import", f("in"))
        assert "4 objects checked, all is well" in f.verb("check")
        flip(instance_path(f, 1))
        equal(f.run("check", "--quick").returncode, 0)
        done = f.run("check")
        equal(done.returncode, 1)
        assert "changed" in done.stdout.lower(), done.stdout
        os.unlink(instance_path(f, 2))
        done = f.run("check", "--quick")
        equal(done.returncode, 1)
        assert "missing" in done.stdout.lower(), done.stdout
        f.run("check", "--repair")
        equal(f.run("check").returncode, 0)
        equal(counts(f.verb("export", sample.uid("study", "a"), "-o",
                            f("out")))["exported"], 2)


def t_reindex():
    with Folder() as f:
        sample.study(f("in"), count=3)
        f.verb("import", f("in"))
        f.verb("node", "add", "A", "host", "104")
        assert "3 indexed" in f.verb("reindex")
        f.verb("check")
        assert "A " in f.verb("node", "list")
        # The database lost altogether.
        for path in glob.glob(os.path.join(f.data, "fileroom.db*")):
            os.unlink(path)
        f.verb("reindex")
        f.verb("check")
        equal(counts(f.verb("export", sample.uid("study", "a"), "-o",
                            f("out")))["exported"], 3)
        # A mistyped folder does not become an archive.
        f.data = f("mistyped")
        f.error(1, "reindex")
        assert not os.path.exists(f.data)


def t_nodes():
    with Folder() as f:
        f.verb("node", "add", "CT1", "192.0.2.7", "104", "--name",
               "CT, r\u00f6\u00f6m 3", "--tls")
        f.verb("node", "allow", "A B", "host.example")
        text = f.verb("node", "list")
        assert "192.0.2.7 104 tls  CT, r\u00f6\u00f6m 3\n" in text, text
        assert "A B              host.example 0\n" in text, text
        f.error(1, "node", "add", "CT1", "192.0.2.8", "104")
        f.verb("node", "edit", "CT1", "--port", "11112", "--no-tls")
        text = f.verb("node", "list")
        assert "192.0.2.7 11112  CT, r" in text, text
        f.verb("node", "delete", "CT1")
        assert "CT1" not in f.verb("node", "list")
        assert "CT1" in f.error(1, "node", "delete", "CT1")
        f.error(1, "node", "edit", "CT1", "--port", "1")
        f.verb("node", "add", "SIX", "[2001:db8::7]", "104")
        assert " 2001:db8::7 104" in f.verb("node", "list")
        f.verb("node", "add", "EVIL", "h", "1", "--name", "\033[2Jx")
        assert "\033" not in f.verb("node", "list")


def t_refused_callers():
    with Server() as server:
        assert echo(server, "WRONGTITLE", "STRANGER") != 0
        text = wait_for(lambda: server.verb("node", "refused"), 60,
                        "a refused caller")
        assert "STRANGER from 127.0.0.1 to WRONGTITLE" in text, text
        server.verb("node", "refused", "--clear")
        equal(server.verb("node", "refused"), "")


def t_activity():
    with Server() as server:
        equal(echo(server, "FILEROOM", "ACTOR"), 0)
        text = wait_for(lambda: server.verb("activity", "list"), 60,
                        "activity")
        assert "ACTOR" in text and "echoes=1" in text, text
        assert "released" in text, text
        equal(server.verb("activity", "list", "--yesterday"), "")
        for days in ("--today", "--last-7-days", "--all"):
            assert "ACTOR" in server.verb("activity", "list", days)
        server.verb("activity", "clear")
        equal(server.verb("activity", "list", "--all"), "")


def t_dump():
    with Folder() as f:
        path = sample.write(sample.image(), f("a.dcm"))
        text = f.verb("dump", path, data=False)
        assert "(0010,0010) PN [Sample^One]" in text, text
        assert "(0002,0010)" in text
        assert not os.path.exists(f.data)
        with open(f("bad"), "wb") as bad:
            bad.write(hashlib.sha256(b"x").digest() * 10)
        f.error(1, "dump", f("bad"), data=False)
        f.error(1, "dump", f("absent"), data=False)
        open(f("empty"), "wb").close()
        f.error(1, "dump", f("empty"), data=False)
        assert "is not a file" in f.error(1, "dump", f.path, data=False)


if __name__ == "__main__":
    sys.exit(main())
