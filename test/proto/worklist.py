"""The verb worklist: items by hand and from HL7 files, lists, messages made of
items, the journal and its replay, beside a running server."""

import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import hl7  # noqa: E402
from harness.runner import equal, main, on_one_day  # noqa: E402
from harness.server import (  # noqa: E402
    VERB_SECONDS, Server, binary, wait_for)

TSAN = True


class Folder:
    """A temporary folder with an archive's data folder in it; no server."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="fileroom-worklist-")
        self.data = self("data")
        return self

    def __exit__(self, *what):
        shutil.rmtree(self.path, ignore_errors=True)

    def __call__(self, *parts):
        return os.path.join(self.path, *parts)

    def file(self, name, data):
        with open(self(name), "wb") as f:
            f.write(data)
        return self(name)

    def run(self, *args):
        done = subprocess.run(
            [binary(), *args, "--data", self.data], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
            errors="replace", timeout=VERB_SECONDS, check=False)
        for word in ("Sanitizer", "runtime error:", "must hold:"):
            assert word not in done.stderr, done.stderr
        return done

    def verb(self, *args, expect=0):
        done = self.run(*args)
        assert done.returncode == expect, (args, done)
        return done.stdout if expect == 0 else done.stderr

    def items(self, *args):
        return json.loads(self.verb("worklist", "list", "--json", *args))

    def item(self, number):
        return json.loads(self.verb("worklist", "show", str(number), "--json"))


NEW = ("worklist", "new", "PATIENT ID=P1", "PATIENT_NAME=Doe^Jane",
       "RequestedProcedureID=RP1")


# By hand.


def t_new_edit_show_delete():
    with Folder() as f:
        out = f.verb(*NEW, "MODALITY=ct", "start date=2026-11-22",
                     "START_TIME=10:30", "PATIENT SEX=f",
                     "SCHEDULED STATION AE TITLE=CT1")
        assert re.fullmatch(r"item 1, Study Instance UID 2\.25\.\d+\n", out), out
        item = f.item(1)
        for key, value in {"PatientID": "P1", "PatientName": "Doe^Jane",
                           "Modality": "CT", "status": "SCHEDULED",
                           "ScheduledProcedureStepStartDate": "20261122",
                           "ScheduledProcedureStepStartTime": "1030",
                           "PatientSex": "F",
                           "ScheduledProcedureStepID": "RP1"}.items():
            equal(item[key], value, key)
        f.verb("worklist", "edit", "1", "MODALITY=", "STATUS=started",
               "PATIENT NAME=Müller^Jörg")
        item = f.item(1)
        assert "Modality" not in item
        equal((item["status"], item["PatientName"]),
              ("STARTED", "Müller^Jörg"))
        shown = f.verb("worklist", "show", "1")
        assert "item 1, STARTED" in shown, shown
        assert re.search(r"PATIENT NAME +\(\*\) Müller\^Jörg", shown), shown
        for name in ("REQUESTED TIMING", "MEDICAL ALERTS"):
            assert name in shown, name
        f.verb("worklist", "delete", "1")
        err = f.verb("worklist", "show", "1", expect=1)
        assert "no worklist item 1" in err, err


def t_what_is_wrong_is_named():
    with Folder() as f:
        err = f.verb("worklist", "new", "PATIENT ID=1", expect=2)
        assert "PATIENT NAME, REQUESTED PROCEDURE ID" in err, err
        for word, part in (("PATIENT BIRTHDATE=1980-13-01", "YYYY-MM-DD"),
                           ("START TIME=25:00", "HH:MM"),
                           ("START TIME=10", "HH:MM"),
                           ("PATIENT SEX=X", "M, F or O"),
                           ("STUDY INSTANCE UID=1.02", "a UID"),
                           ("SCHEDULED STATION AE TITLE=SEVENTEENLETTERSX",
                            "16 characters"),
                           ("MODALITY=C-T", "letters"),
                           ("PATIENT WEIGHT (KG)=heavy", "a number"),
                           ("STATUS=gone", "SCHEDULED, ARRIVED"),
                           ("ALLERGIES=a\nb", "control"),
                           ("NOTHING=1", "no field 'NOTHING'"),
                           ("MODALITY", "FIELD=VALUE"),
                           ("PATIENT ID=2", "given twice")):
            err = f.verb(*NEW, word, expect=2)
            assert part in err, (word, err)
        for args, part in ((("list", "--from", "20261301"), "--from"),
                           (("list", "--status", "x"), "scheduled"),
                           (("list", "--today", "--to", "today"), "--today"),
                           (("list", "-o", "x"), "-o does not belong"),
                           (("list", "--max", "0"), "--max"),
                           (("show", "x"), "'x'"), (("delete", "0"), "'0'"),
                           (("edit", "1"), "missing"), ((), "list, show"),
                           (("lsit",), "'lsit'")):
            err = f.verb("worklist", *args, expect=2)
            assert part in err, (args, err)
        assert not os.path.exists(f.data)
        err = f.verb("worklist", "list", expect=1)
        assert f.data in err, err
        f.verb(*NEW)
        err = f.verb("worklist", "edit", "1", "PATIENT ID=", expect=2)
        assert "PATIENT ID" in err, err
        equal(f.item(1)["PatientID"], "P1")


def t_long_values_are_kept_and_warned_of():
    with Folder() as f:
        done = f.run(*NEW, "SCHEDULED_PROCEDURE_STEP_ID="
                     "5555^ADMINISTRATION OF IODINATED CONTRAST MEDIA^BODY^0",
                     "CommentsOnTheScheduledProcedureStep=one\ntwo")
        equal(done.returncode, 0)
        assert "longer than 16 characters" in done.stderr, done.stderr
        item = f.item(1)
        equal(item["ScheduledProcedureStepID"],
              "5555^ADMINISTRATION OF IODINATED CONTRAST MEDIA^BODY^0")
        equal(item["CommentsOnTheScheduledProcedureStep"], "one\ntwo")
        assert re.search(r"\n +two\n", f.verb("worklist", "show", "1"))


def t_duplicate_is_a_second_exam():
    with Folder() as f:
        f.verb(*NEW, "ACCESSION_NUMBER=A1", "PLACER ORDER NUMBER=PO1",
               "STATUS=COMPLETED", "MODALITY=MR")
        f.verb("worklist", "duplicate", "1", "ACCESSION_NUMBER=A2")
        one, two = f.item(1), f.item(2)
        equal((two["status"], two["AccessionNumber"], two["Modality"]),
              ("SCHEDULED", "A2", "MR"))
        assert "PlacerOrderNumber" not in two
        assert one["StudyInstanceUID"] != two["StudyInstanceUID"]


def t_study_uids_follow_the_settings():
    with Folder() as f:
        f.verb(*NEW)
        f.verb("settings", "set", "worklist.uid_root", "1.2.300.7")
        f.verb("settings", "set", "worklist.uid_for", "MR1,CT 2")
        f.verb(*NEW, "PATIENT_COMMENTS=x")
        f.verb(*NEW, "SCHEDULED_STATION_AE_TITLE=CT 2")
        f.verb(*NEW, "SCHEDULED_STATION_AE_TITLE=CT 2",
               "STUDY_INSTANCE_UID=1.2.3")
        uids = [i.get("StudyInstanceUID", "") for i in f.items()]
        assert uids[0].startswith("2.25."), uids
        equal(uids[1], "")
        assert uids[2].startswith("1.2.300.7.") and len(uids[2]) <= 64, uids
        equal(uids[3], "1.2.3")


@on_one_day
def t_list_filters_and_order():
    today = datetime.date.today()
    day = datetime.timedelta(days=1)
    with Folder() as f:
        for n, (name, when, modality, ae, status) in enumerate((
                ("Doe^Jane", today + day, "CT", "CT1", "SCHEDULED"),
                ("Doe^John", today, "CT", "CT2", "STARTED"),
                ("Müller^Zoë", today - day, "MR", "MR1", "COMPLETED"),
                ("Adams^Al", None, "MR", "", "CANCELED"))):
            word = "today" if when == today else \
                when.strftime("%d/%m/%Y") if when else ""
            f.verb("worklist", "new", f"PATIENT_ID=P{n}",
                   f"PATIENT_NAME={name}", "REQUESTED_PROCEDURE_ID=R",
                   f"ACCESSION_NUMBER=A{n}", f"MODALITY={modality}",
                   f"SCHEDULED_STATION_AE_TITLE={ae}", f"STATUS={status}",
                   f"START_DATE={word}")

        def found(*args):
            return [i["PatientID"] for i in f.items(*args)]

        equal(found(), ["P3", "P2", "P1", "P0"])
        equal(found("--today"), ["P1"])
        equal(found("--from", "today"), ["P1", "P0"])
        equal(found("--from", "yesterday", "--to", today.isoformat()),
              ["P2", "P1"])
        equal(found("--to", "yesterday"), ["P2"])
        equal(found("--patient", "P2"), ["P2"])
        equal(found("--name", "doe"), ["P1", "P0"])
        equal(found("--name", "muller"), ["P2"])
        equal(found("--name", "*zoe"), ["P2"])
        equal(found("--name", "doe^j?ne"), ["P0"])
        equal(found("--accession", "A3"), ["P3"])
        equal(found("--modality", "CT"), ["P1", "P0"])
        equal(found("--modality", "ct"), ["P1", "P0"])
        equal(found("--station", "CT2"), ["P1"])
        equal(found("--status", "started,Scheduled"), ["P1", "P0"])
        equal(found("--modality", "CT", "--status", "completed"), [])
        equal(found("--max", "2"), ["P3", "P2"])
        done = f.run("worklist", "list", "--max", "2")
        equal(len(done.stdout.splitlines()), 3)
        assert "more than 2" in done.stderr, done.stderr
        assert "Müller^Zoë" in done.stdout


def t_lists_of_many_pages():
    with Folder() as f:
        orders = b"".join(hl7.order(str(n), patient=f"P{n}", accession=f"A{n}",
                                    name=f"Name{n % 7}^X")
                          for n in range(1200))
        out = f.verb("worklist", "import", f.file("many.hl7", orders))
        equal(out, "taken: 1200\nrefused: 0\n")
        equal(len(f.items()), 1200)
        equal(len({i["id"] for i in f.items()}), 1200)
        equal(len(f.items("--name", "*e3^*")), len(range(3, 1200, 7)))
        equal(len(f.verb("worklist", "list").splitlines()), 501)
        # A second import makes no second item.
        f.verb("worklist", "import", f("many.hl7"))
        equal(len(f.items()), 1200)


# Messages.


def t_import_says_what_was_refused_and_replay_mends_it():
    with Folder() as f:
        # This sender has the patient's id in PID-2.
        bad = hl7.order("2", patient="", application="OLD").replace(
            b"PID|1|", b"PID|1|P2")
        path = f.file("a.hl7", hl7.order("1") + bad + hl7.order(
            "3", patient="P3", accession="A3"))
        done = f.run("worklist", "import", path)
        equal(done.returncode, 1)
        equal(done.stdout, "taken: 2\nrefused: 1\n")
        assert "message 2 (ORM^O01, control id 2): refused" in done.stderr, \
            done.stderr
        assert "PID-3" in done.stderr and "1 of 3" in done.stderr
        equal(len(f.items()), 2)
        failed = f.verb("hl7", "journal", "list", "--failed").splitlines()
        equal(len(failed), 2)
        number = failed[1].split()[0]
        # Without a better mapping it is refused again, and listed once.
        err = f.verb("hl7", "journal", "replay", number, expect=1)
        assert "1 of 1 were refused again" in err, err
        equal(len(f.verb("hl7", "journal", "list",
                         "--failed").splitlines()), 2)
        f.verb("hl7", "mapping", "set", "PATIENT ID", "PID", "2", "1", "--for",
               "OLD")
        out = f.verb("hl7", "journal", "replay", "--failed")
        assert "taken" in out and "control id 2" in out, out
        equal(f.verb("hl7", "journal", "list", "--failed"), "")
        equal(sorted(i["PatientID"] for i in f.items()), ["P1", "P2", "P3"])
        # Taken again, it makes no second item.
        f.verb("hl7", "journal", "replay", number)
        equal(len(f.items()), 3)
        err = f.verb("hl7", "journal", "replay", "999", expect=1)
        assert "999" in err, err
        for args in ((), ("1", "--failed")):
            f.verb("hl7", "journal", "replay", *args, expect=2)


def t_import_again_brings_back_what_was_deleted():
    with Folder() as f:
        path = f.file("a.hl7", hl7.order("1"))
        f.verb("worklist", "import", path)
        f.verb("worklist", "delete", "1")
        f.verb("worklist", "import", path)
        equal([i["PatientID"] for i in f.items()], ["P1"])


ORDER_FOR_IMPORT = (b"MSH|^~\\&|A|B|||20260101||ORM^O01|77|P|2.3\r"
                    b"PID|||P77||Doe^J\rORC|NW|A77\rOBR|1|A77||X^Y\r")


def t_files_that_are_none():
    with Folder() as f:
        f.verb(*NEW)
        err = f.verb("worklist", "import", f.file("x", b"hello\n"), expect=1)
        assert "no HL7 message" in err and f("x") in err, err
        err = f.verb("worklist", "import", f("none"), expect=1)
        assert "No such file" in err, err
        # One that cannot be read keeps no other out.
        f.verb("worklist", "import", f("none"),
               f.file("z", ORDER_FOR_IMPORT), expect=1)
        assert "P77" in f.verb("worklist", "list"), f.verb("worklist", "list")
        err = f.verb("worklist", "import", f.file("y", b""), expect=1)
        assert "no HL7 message" in err, err


def t_export_and_import_give_an_equal_item():
    values = {
        "PatientID": "P|1", "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "RequestedProcedureID": "RP^1&2", "PatientBirthDate": "19800102",
        "PatientSex": "O", "AccessionNumber": "A~1", "Modality": "CT",
        "Allergies": "nuts | \\ ^ ~ &", "StudyInstanceUID": "1.2.3.4",
        "CommentsOnTheScheduledProcedureStep": "one\ntwo",
        "ScheduledProcedureStepStartDate": "20261122",
        "ScheduledProcedureStepStartTime": "103059",
        "ScheduledStationAETitle": "CT 1",
        "RequestedProcedurePriority": "STAT", "PatientWeight": "70.5"}
    with Folder() as f, Folder() as g:
        f.verb("worklist", "new",
               *(f"{k}={v}" for k, v in values.items()), "STATUS=ARRIVED")
        f.verb("worklist", "export", "1", "-o", f("item.hl7"), "--app", "RIS",
               "--facility", "MAIN")
        with open(f("item.hl7"), "rb") as file:
            message = file.read()
        equal(hl7.field(message, "MSH", 5), "RIS")
        equal(hl7.field(message, "MSH", 6), "MAIN")
        equal(hl7.field(message, "MSH", 3), "FILEROOM")
        g.verb("worklist", "import", f("item.hl7"))
        one, two = f.item(1), g.item(1)
        for key in ("created", "changed", "application", "facility", "id"):
            one.pop(key), two.pop(key)
        equal(two, one)


def t_send():
    with Folder() as f, hl7.Host(lambda m: hl7.ack(
            m, "AE" if hl7.field(m, "PID", 3) == "P2" else "AA",
            "unknown")) as host:
        f.verb("settings", "set", "hl7.sending_application", "ROOM")
        f.verb("settings", "set", "hl7.sending_facility", "ANNEX")
        f.verb("hl7", "node", "add", "RIS", "127.0.0.1", str(host.port),
               "--app", "RISAPP")
        for n in (1, 2, 3):
            f.verb("worklist", "new", f"PATIENT_ID=P{n}",
                   "PATIENT_NAME=Doe^J", "REQUESTED_PROCEDURE_ID=R")
        err = f.verb("worklist", "send", "1", "2", "3", "RIS", "--facility",
                     "F2", expect=1)
        assert "item 2" in err and "unknown" in err, err
        assert "1 of 3 items" in err, err
        equal([hl7.field(m, "PID", 3) for m in host.got], ["P1", "P2", "P3"])
        equal([hl7.field(host.got[0], "MSH", n) for n in (3, 4, 5, 6, 9)],
              ["ROOM", "ANNEX", "RISAPP", "F2", "ORM^O01"])
        equal(len({hl7.field(m, "MSH", 10) for m in host.got}), 3)
        out = f.verb("worklist", "send", "1", host.address)
        assert "item 1: AA accepted" in out, out


# Beside a server.


def t_changes_beside_a_server_and_sending_to_another():
    with Server({"hl7.port": "auto", "hl7.bind": "127.0.0.1"}) as server, \
            Folder() as f:
        f.verb(*NEW, "MODALITY=US")
        f.verb("worklist", "send", "1", f"127.0.0.1:{server.hl7_port}")
        got = json.loads(server.verb("worklist", "list", "--json"))
        equal([(i["PatientID"], i["Modality"]) for i in got], [("P1", "US")])
        equal(got[0]["StudyInstanceUID"], f.item(1)["StudyInstanceUID"])
        server.verb("worklist", "edit", str(got[0]["id"]), "MODALITY=CT")
        server.verb(*NEW, "PATIENT_COMMENTS=second")
        equal(len(json.loads(server.verb("worklist", "list", "--json"))), 2)
        # By the queue of a server.
        server.verb("worklist", "send", "1", f"127.0.0.1:{server.hl7_port}",
                    "--queue")
        wait_for(lambda: "done" in server.verb("jobs", "list"), 60, "job done")


if __name__ == "__main__":
    sys.exit(main())
