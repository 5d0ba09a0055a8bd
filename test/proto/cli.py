"""The command line: every verb, wrong usages, exit statuses, settings and the
layers they come from, check, beside a running server."""

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

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import sample  # noqa: E402
from harness.cli import (Folder, counts, digests, flip,  # noqa: E402
                         instance_path, objects)
from harness.runner import Skip, equal, main, on_one_day  # noqa: E402
from harness.server import (OTHER_PORTS, ROOT, Server,  # noqa: E402
                            VERB_SECONDS, binary, free_port, known_settings,
                            wait_for)

TSAN = True

# For servers that a test starts itself: the defaults are fixed.
NO_OTHER_PORTS = [word for key in OTHER_PORTS
                  for word in ("--set", f"{key}=0")]


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


def t_version():
    want = "fileroom " + subprocess.run(
        [os.path.join(ROOT, "tools/version")], capture_output=True, text=True,
        check=True).stdout
    assert re.fullmatch(r"fileroom \d+\.\d+\S*\n", want), want
    with Folder() as f:
        for word in ("version", "--version", "-V"):
            said = f.verb(word, data=False)
            # The program may be older than the last commit.
            equal(said.partition("+")[0].split("-")[0].strip(),
                  want.partition("+")[0].split("-")[0].strip(), word)
            assert re.fullmatch(r"fileroom \d+\.\d+\S*\n", said), said
        assert "--version" in f.verb("help", "version", data=False)
        assert not os.path.exists(f.data)
        f.error(2, "version", "now", data=False)


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


def t_what_root_does_is_the_owners():
    """The packaged server is no root, but its operators are."""
    if os.geteuid() != 0:
        raise Skip("only root can give files away")
    nobody = 65534
    with Folder() as f:
        def as_nobody(*args):
            return subprocess.run(
                [binary(), *args, "--data", f.data], user=nobody,
                group=nobody, extra_groups=[], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                encoding="utf-8", timeout=300, check=False)

        os.chmod(f.path, 0o755)
        f.verb("settings", "set", "dicom.tls_port", "0")
        try:
            done = as_nobody("settings", "list")
        except (OSError, subprocess.SubprocessError) as e:
            raise Skip(f"nobody may not run the program: {e}") from None
        equal(done.returncode, 1)
        assert "belongs to user 'root'" in done.stderr, done.stderr
        shutil.rmtree(f.data)
        os.mkdir(f.data, 0o700)
        os.chown(f.data, nobody, nobody)
        equal(as_nobody("settings", "get", "dicom.port").returncode, 1)
        # A server as root made it; then one as nobody goes on.
        with Server(data=f.data, settings={"dicom.tls_port": "auto",
                                           "http.port": "auto",
                                           "http.tls": "true"}):
            pass
        files = sample.study(f("in"), count=2)
        assert "stored: 2" in f.verb("import", *files)
        study = sample.uid("study", "a")
        f.verb("token", study)
        changed = sample.image(number=1)
        changed.PatientName = "Other^Name"
        f.verb("import", sample.write(changed, f("in", "other.dcm")))
        f.verb("backup", f("backup"))
        f.verb("quarantine", "accept", "1")
        f.verb("reindex")
        for folder, _, names in os.walk(f.data):
            for name in [folder, *(os.path.join(folder, n) for n in names)]:
                equal(os.lstat(name).st_uid, nobody, name)
        equal(as_nobody("check").returncode, 0)
        assert "stored: 1" in as_nobody(
            "import", sample.write(sample.image(study="b"),
                                   f("in", "b.dcm"))).stdout
        empty = f("restored")
        os.mkdir(empty)
        os.chown(empty, nobody, nobody)
        f.verb("restore", f("backup"), "--data", empty, data=False)
        for folder, _, names in os.walk(empty):
            for name in [folder, *(os.path.join(folder, n) for n in names)]:
                equal(os.lstat(name).st_uid, nobody, name)


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
        f.verb("settings", "set", "worklist.watch_folder", "none")
        equal(f.verb("settings", "get", "worklist.watch_folder"), "\n")


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
        # The old one is closed as soon as the new one is open.
        wait_for(lambda: listens(second), 60, "the new port")
        wait_for(lambda: not listens(int(first)), 60, "the old port closed")
        # A port that is taken: the old one stays, and the log says why.
        port = free_port()
        with socket.create_server(("127.0.0.1", port)):
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
                       "dicom.bind=127.0.0.1", *NO_OTHER_PORTS)
        assert str(port) in text and "in use" in text, text


def t_second_server_is_refused():
    with Server() as server, Folder() as f:
        f.data = server.data
        text = f.error(1, "serve", "--set", "dicom.port=auto", "--set",
                       "dicom.bind=127.0.0.1", *NO_OTHER_PORTS)
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
        for args in (["serve", "--set", "dicom.port=0", *NO_OTHER_PORTS],
                     ["node", "list"]):
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
                                stdout=subprocess.PIPE, timeout=VERB_SECONDS)
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


def t_objects_without_their_index():
    """A lost database is no reason to begin anew, nor is a disk that is not
    mounted one to store in its place."""
    with Folder() as f:
        files = sample.study(f("in"), count=2)
        f.verb("import", *files[:1])
        os.rename(f("data", "objects"), f("away"))
        with Server(data=f.data) as server:
            assert "mount its disk" in server.log(), server.log()
            equal(server.run("import", files[1]).returncode, 1)
            assert "mount its disk" in server.run("doctor").stdout
        shutil.rmtree(f("data", "objects"))
        os.rename(f("away"), f("data", "objects"))
        with Server(data=f.data) as server:
            assert "stored: 1" in server.verb("import", files[1])
        for path in glob.glob(f("data", "fileroom.db*")):
            os.unlink(path)
        for args in (["import", files[0]], ["settings", "list"],
                     ["serve", "--set", "dicom.port=auto"]):
            done = f.run(*args)
            equal(done.returncode, 1, args)
        assert "fileroom reindex" in done.stderr, done.stderr
        assert not os.path.exists(f("data", "fileroom.db"))
        assert "2 indexed" in f.verb("reindex")
        assert "all is well" in f.verb("check")


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


@on_one_day
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
