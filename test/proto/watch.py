"""The watched folder of a running server, and what goes after its time:
worklist.watch_folder, watch_erase, retention."""

import json
import os
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import hl7  # noqa: E402
from harness.runner import Skip, equal, main  # noqa: E402
from harness.server import Server, shared, wait_for  # noqa: E402

TSAN = True


class Inbox:
    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="fileroom-inbox-")
        self.path = self._folder.name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.chmod(self.path, 0o700)
        self._folder.cleanup()

    def __call__(self, name):
        return os.path.join(self.path, name)

    def names(self):
        return sorted(os.listdir(self.path))

    def put(self, name, data):
        """Whole at once, as a program that is careful does."""
        with open(self("new.tmp"), "wb") as f:
            f.write(data)
        os.rename(self("new.tmp"), self(name))

    def write(self, name, data):
        with open(self(name), "wb") as f:
            f.write(data)

    def read(self, name):
        with open(self(name), encoding="utf-8") as f:
            return f.read()


def watching(inbox, **more):
    return Server({"worklist.watch_folder": inbox.path, **more})


def items(server):
    return json.loads(server.verb("worklist", "list", "--json"))


def t_files_are_taken_and_renamed():
    with Inbox() as inbox:
        inbox.write("before.hl7", hl7.order("1", patient="P1"))
        with watching(inbox) as server:
            inbox.write("a_slow.TXT", hl7.order("2", patient="P2",
                                                accession="A2"))
            inbox.put("quick.hl7", hl7.order("3", patient="P3",
                                             accession="A3"))
            wait_for(lambda: inbox.names() == [
                "a_slow.TXT.DON", "before.hl7.DON", "quick.hl7.DON"])
            equal(sorted(i["PatientID"] for i in items(server)),
                  ["P1", "P2", "P3"])
            listed = server.verb("hl7", "journal", "list")
            assert "a_slow.TXT#" in listed, listed
            # A name that is no text.
            inbox.put(os.fsdecode(b"m\xfc.hl7"), hl7.order(
                "4", patient="P4", accession="A4"))
            wait_for(lambda: len(items(server)) == 4)
            assert "m\\xfc.hl7#" in server.verb("hl7", "journal", "list")
            # Left as it came.
            equal(inbox.read("a_slow.TXT.DON"), hl7.order(
                "2", patient="P2", accession="A2").decode().replace(
                    "\r", "\n"))


def t_renamed_files_are_not_waited_for():
    """One that was written where it lies has to stand still for a while; one
    that was renamed to its place later is taken before."""
    with Inbox() as inbox, watching(inbox) as server:
        # Where all is slow the one may have stood still before the other came.
        for n in range(10):
            inbox.write(f"a{n}.hl7", hl7.order(f"a{n}", accession=f"A{n}"))
            inbox.put(f"b{n}.hl7", hl7.order(f"b{n}", accession=f"B{n}"))
            wait_for(lambda: not [x for x in inbox.names()
                                  if not x.endswith(".DON")])
            if os.stat(inbox(f"b{n}.hl7.DON")).st_ctime_ns < os.stat(
                    inbox(f"a{n}.hl7.DON")).st_ctime_ns:
                return
        raise AssertionError("never\n" + server.log())


def t_refused_files_keep_their_reason_beside_them():
    with Inbox() as inbox, watching(inbox) as server:
        inbox.put("mixed.hl7", hl7.order("1") + hl7.order("2", patient=""))
        inbox.put("text.txt", b"Dear all,\nthis is no message.\n")
        os.chmod(inbox.path, 0o755)
        wait_for(lambda: inbox.names() == [
            "mixed.hl7.ERR", "mixed.hl7.ERR.log", "text.txt.ERR",
            "text.txt.ERR.log"])
        reasons = inbox.read("mixed.hl7.ERR.log")
        assert "message 2 (ORM^O01, control id 2): refused" in reasons, reasons
        assert "PID-3" in reasons and "1 of 2 messages taken" in reasons
        assert "message 1" not in reasons
        assert "no HL7 message" in inbox.read("text.txt.ERR.log")
        # Readable by whoever may read the file.
        equal(os.stat(inbox("mixed.hl7.ERR.log")).st_mode & 0o777,
              os.stat(inbox("mixed.hl7.ERR")).st_mode & 0o777)
        equal(len(items(server)), 1)
        # Mended and put back under its name, it is taken; what was taken
        # before has no second effect.
        inbox.put("mixed.hl7", hl7.order("1") + hl7.order(
            "2", patient="P2", accession="A2"))
        wait_for(lambda: "mixed.hl7.DON" in inbox.names())
        equal(len(items(server)), 2)


def t_erased_by_the_setting_while_it_runs():
    with Inbox() as inbox, watching(inbox) as server:
        inbox.put("a.hl7", hl7.order("1"))
        wait_for(lambda: inbox.names() == ["a.hl7.DON"])
        server.verb("settings", "set", "worklist.watch_erase", "true")
        server.wait_log("worklist.watch_erase is now")
        inbox.put("b.hl7", hl7.order("2", accession="A2"))
        inbox.put("c.hl7", b"nothing")
        wait_for(lambda: inbox.names() == [
            "a.hl7.DON", "c.hl7.ERR", "c.hl7.ERR.log"])
        equal(len(items(server)), 2)


def t_a_file_being_written_is_left_alone():
    with Inbox() as inbox, watching(inbox) as server:
        whole = hl7.order("1") + hl7.order("2", patient="P2", accession="A2")
        with open(inbox("slow.hl7"), "wb", buffering=0) as f:
            f.write(whole[:100])
            inbox.put("first.hl7", hl7.order("3", accession="A3"))
            wait_for(lambda: "first.hl7.DON" in inbox.names())
            # Longer than files have to stand still, seen by another one.
            inbox.write("second.hl7", hl7.order("4", accession="A4"))
            wait_for(lambda: "second.hl7.DON" in inbox.names())
            assert "slow.hl7" in inbox.names()
            f.write(whole[100:])
        wait_for(lambda: "slow.hl7.DON" in inbox.names())
        equal(len(items(server)), 4)


def t_a_folder_beneath_the_data_and_one_that_comes_later():
    with Server({"worklist.watch_folder": "inbox"}) as server:
        folder = os.path.join(server.data, "inbox")
        server.wait_log(f"folder '{folder}'")
        assert "cannot open it" in server.log()
        os.mkdir(folder)
        server.wait_log("all is well again")
        with open(os.path.join(folder, "a.hl7"), "wb") as f:
            f.write(hl7.order("1"))
        wait_for(lambda: os.listdir(folder) == ["a.hl7.DON"])
        equal(server.log().count("cannot open it"), 1)


def t_a_folder_without_rights_takes_nothing():
    if os.geteuid() == 0:
        raise Skip("root may write everywhere")
    with Inbox() as inbox:
        inbox.write("a.hl7", hl7.order("1"))
        os.chmod(inbox.path, 0o500)
        with watching(inbox) as server:
            server.wait_log("must be allowed to write there")
            equal(items(server), [])
            os.chmod(inbox.path, 0o700)
            wait_for(lambda: inbox.names() == ["a.hl7.DON"])
            equal(len(items(server)), 1)


def t_a_full_disk_leaves_the_files():
    with Inbox() as inbox, watching(
            inbox, **{"store.reserve": None}) as server:
        server.verb("settings", "set", "store.reserve", "1000 TiB")
        server.wait_log("store.reserve is now")
        inbox.put("a.hl7", hl7.order("1"))
        server.wait_log("nothing is taken until that is mended")
        equal(inbox.names(), ["a.hl7"])
        server.verb("settings", "set", "store.reserve", "0")
        wait_for(lambda: inbox.names() == ["a.hl7.DON"])
        equal(len(items(server)), 1)


def t_killed_at_any_time_nothing_is_lost_or_doubled():
    count = 120
    with Inbox() as inbox, watching(inbox) as server:
        for n in range(count):
            # Every third without a control id.
            inbox.put(f"{n:03}.hl7", hl7.order(
                "" if n % 3 == 0 else str(n), patient=f"P{n}",
                accession=f"A{n}"))
            if n % 30 == 29:
                done = len([x for x in inbox.names() if x.endswith(".DON")])
                wait_for(lambda most=min(done, n): len(
                    [x for x in inbox.names() if x.endswith(".DON")]) > most)
                server.kill()
                server.start()
        wait_for(lambda: all(x.endswith(".DON") for x in inbox.names()))
        equal(len(inbox.names()), count)
        equal(sorted(i["PatientID"] for i in items(server)),
              sorted(f"P{n}" for n in range(count)))
        rows = server.verb("hl7", "journal", "list", "--max", "9999")
        equal(rows.count(" applied"), count)


def t_all_samples_get_a_verdict():
    root = shared("data", "hl7")
    if root is None:
        raise Skip("no samples")
    with Inbox() as inbox, watching(inbox) as server:
        count = 0
        for at, _, names in os.walk(root):
            for name in sorted(names):
                with open(os.path.join(at, name), "rb") as f:
                    inbox.put(f"{count:04}.hl7", f.read())
                count += 1
        wait_for(lambda: not [n for n in inbox.names()
                              if n.endswith(".hl7")], 600, "verdicts")
        names = inbox.names()
        done = [n for n in names if n.endswith(".DON")]
        refused = [n for n in names if n.endswith(".ERR")]
        equal(len(done) + len(refused), count)
        for name in refused:
            assert len(inbox.read(name + ".log").strip()) > 10, name
        assert len(done) > count // 4, (len(done), count)
        assert server.running()


def t_retention():
    with Server() as server:
        for name, date in (("old", "2020-01-01"), ("today", "today"),
                           ("later", "2999-12-31"), ("none", "")):
            if date == "today":
                date = time.strftime("%Y%m%d")
            server.verb("worklist", "new", f"PATIENT_ID={name}",
                        "PATIENT_NAME=Doe^J", "REQUESTED_PROCEDURE_ID=R",
                        f"START_DATE={date}")
        server.verb("settings", "set", "worklist.retention", "3m")
        wait_for(lambda: len(items(server)) == 3, 60, "the old one to go")
        equal(sorted(i["PatientID"] for i in items(server)),
              ["later", "none", "today"])
        server.wait_log("worklist.retention")


def t_stops_at_once():
    with Inbox() as inbox, watching(inbox) as server:
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(60)


if __name__ == "__main__":
    sys.exit(main())
