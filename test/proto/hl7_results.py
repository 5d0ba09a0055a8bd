"""What came of orders and patients, on the command line: merges, reports and
exams."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness.exams import associate, change, create, exam, step
from harness.runner import equal, main
from harness.server import Server

PDF = "JVBERi0xLjQKJSVFT0YK"


def adt(event, control, *segments):
    return "\r".join([
        f"MSH|^~\\&|HIS|CLINIC|||20260101||ADT^{event}|{control}|P|2.5",
        *segments, ""])


def oru(control, filler, *observations, status="F", study="1.2.77.1"):
    return "\r".join([
        f"MSH|^~\\&|RIS|CLINIC|||20260101||ORU^R01|{control}|P|2.5",
        "PID|||P1||DOE^JANE",
        f"OBR|1||{filler}|X^Chest CT||||||||||||||A1|||||||{status}",
        f"OBX|1|RP|113014^DICOM Study^DCM||{study}", *observations, ""])


def take(server, *messages):
    path = os.path.join(server.data, "messages.hl7")
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write("".join(messages))
    server.verb("worklist", "import", path)


def refusal(server, status, *words):
    done = server.run(*words)
    equal(done.returncode, status, (words, done.stderr))
    return done.stderr


def table(text):
    return [line.split() for line in text.splitlines()[1:]]


def new(server, **values):
    server.verb("worklist", "new", *(f"{k}={v}" for k, v in {
        "PATIENT_ID": "OLD", "PATIENT_NAME": "Doe^J",
        "REQUESTED_PROCEDURE_ID": "R1", **values}.items()))


def shown(server):
    lines = server.verb("worklist", "show", "1").splitlines()
    return [line[40:].strip() for line in lines
            if line.startswith(("PATIENT ID ", "PATIENT NAME "))]


def t_merges():
    with Server() as server:
        new(server)
        equal(server.verb("hl7", "merges", "list"), "")
        take(server, adt("A40", "1", "PID|||NEW^^^HOSP||Roe^Jane",
                         "MRG|OLD^^^HOSP"))
        equal(shown(server), ["NEW", "Roe^Jane"])
        (row,) = table(server.verb("hl7", "merges", "list"))
        equal((row[0], row[3:5]), ("1", ["OLD^^^HOSP", "NEW^^^HOSP"]))
        equal(row[5:7], ["journal", "entry"])
        server.verb("hl7", "merges", "undo", "1")
        equal(shown(server), ["OLD", "Doe^J"])
        assert "no merge 1" in refusal(server, 1, "hl7", "merges", "undo",
                                       "1")
        # By hand, and the other way round.
        equal(server.verb("hl7", "merges", "new", "OLD", "NEW"), "2\n")
        equal(shown(server)[0], "NEW")
        equal(server.verb("hl7", "merges", "new", "OLD", "NEW"),
              "they are one already\n")
        server.verb("hl7", "merges", "new", "NEW", "OLD")
        equal(shown(server)[0], "OLD")
        listed = server.verb("hl7", "merges", "list").splitlines()
        assert listed[1].endswith("hand"), listed
        assert listed[2].endswith("hand, ended by a later one"), listed
        equal(len(server.verb("hl7", "merges", "list", "--max",
                              "1").splitlines()), 2)


def t_wrong_usage():
    with Server() as server:
        for words, said in (
                (["merges", "drop"], "allowed: list, new or undo"),
                (["merges", "undo", "x"], "not the number of a merge"),
                (["merges", "new", "A", "A"], "the same"),
                (["merges", "new", "A^B", "C"], "ID, or ID^^^ISSUER"),
                (["merges", "new", "", "C"], "ID, or ID^^^ISSUER"),
                (["merges", "list", "--max", "0"], "1 to 10000"),
                (["merges", "undo", "1", "--max", "1"], "belongs to 'list'"),
                (["merges", "list", "more"], "")):
            assert said in refusal(server, 2, "hl7", *words), words
        for words, said in (
                (["exams", "--today"], "does not belong"),
                (["list", "--unscheduled"], "does not belong"),
                (["report", "x"], "not the number of a report"),
                (["exams", "--max", "no"], "1 to 10000")):
            assert said in refusal(server, 2, "worklist", *words), words
        assert "no report 7" in refusal(server, 1, "worklist", "report", "7")


def t_reports():
    with Server() as server:
        equal(server.verb("worklist", "reports"), "")
        take(server,
             oru("1", "F1", "OBX|2|TX|G||First \\X1B\\[31mline.~Second"),
             oru("2", "F2", "OBX|2|TX|G||Other", status="P",
                 study="1.2.77.2"),
             oru("3", "F3", f"OBX|2|ED|P||^a^PDF^Base64^{PDF}"))
        rows = table(server.verb("worklist", "reports"))
        equal([r[0] for r in rows], ["3", "2", "1"])
        equal([r[3:5] for r in rows], [["F", "pdf"], ["P", "text"],
                                       ["F", "text"]])
        rows = table(server.verb("worklist", "reports", "1.2.77.1"))
        equal([r[0] for r in rows], ["3", "1"])
        text = server.verb("worklist", "report", "1")
        assert "\x1b" not in text and text.endswith("Second\n"), text
        path = os.path.join(server.data, "report")
        server.verb("worklist", "report", "3", "-o", path)
        with open(path, "rb") as f:
            equal(f.read(), b"%PDF-1.4\n%%EOF\n")
        server.verb("worklist", "report", "2", "-o", path)
        with open(path, "rb") as f:
            equal(f.read(), b"Other")


def t_exams():
    with Server() as server, associate(server) as a:
        equal(server.verb("worklist", "exams"), "")
        new(server, ACCESSION_NUMBER="A1", PATIENT_ID="P1")
        for n in (1, 2):
            equal(create(a, f"1.2.99.{n}", exam(
                [step(f"1.2.88.{n}", f"A{n}")], patient="P1")), 0)
        equal(change(a, "1.2.99.1"), 0)
        rows = table(server.verb("worklist", "exams"))
        equal([r[2:4] for r in rows], [["in", "progress"],
                                       ["completed", "PARROT"]])
        equal([r[-3:] for r in rows], [["A2", "0", "1.2.99.2"],
                                       ["A1", "1", "1.2.99.1"]])
        (row,) = table(server.verb("worklist", "exams", "--unscheduled"))
        equal(row[-1], "1.2.99.2")
        new(server, ACCESSION_NUMBER="A2", PATIENT_ID="P1",
            REQUESTED_PROCEDURE_ID="R2")
        equal(server.verb("worklist", "exams", "--unscheduled"), "")


if __name__ == "__main__":
    sys.exit(main())
