"""worklist-find: what another server has on its worklist, shown and taken
over."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.exams import STARTED, dataset, rows
from harness.runner import equal, main
from harness.scp import Scp
from harness.server import Server

STEPS = 0x00400100


def entry(name="Doe^Jane", patient="P1", accession="A1", step_id="S1",
          procedure="R1", modality="CT", date="20260102", status=None,
          charset=None, more=(), more_step=(), steps=1, study="1.2.3",
          station="CT1"):
    step = [(0x00080060, "CS", modality), (0x00400001, "AE", station),
            (0x00400002, "DA", date), (0x00400003, "TM", "101112"),
            (0x00400009, "SH", step_id), *more_step]
    if status:
        step.append((0x00400020, "CS", status))
    elements = [
        (0x00080050, "SH", accession), (0x00100010, "PN", name),
        (0x00100020, "LO", patient), (0x0020000D, "UI", study),
        (0x00321060, "LO", "Head"), (0x00401001, "SH", procedure),
        (STEPS, "SQ", [step] * steps), *more]
    if charset:
        elements.append((0x00080005, "CS", charset))
    return elements


def answering(*answers, status=0):
    seen = []

    def script(a):
        number, values, data = a.read_message()
        syntax = a.contexts[number][1]
        seen.append((a.contexts[number][0], data, syntax))
        for answer in answers:
            a.answer(number, values, 0xFF00, dataset(answer, syntax))
        a.answer(number, values, status)
    script.seen = seen
    return script


def ask(server, *answers, args=(), expect=0, status=0):
    script = answering(*answers, status=status)
    with Scp(script, choose=lambda a, s: dicom.EXPLICIT_LITTLE) as scp:
        done = server.run("worklist-find", scp.node(), *args)
    equal(done.returncode, expect, done.stderr)
    ask.seen = script.seen
    return done


def items(server, columns="PatientName, AccessionNumber"):
    return rows(server, "select %s from item order by id" % columns)


def t_what_is_asked():
    with Server() as server:
        done = ask(server, entry(), args=(
            "--from", "2026-01-02", "--to", "20260103", "--name", "Doe*",
            "--patient", "P1", "--accession", "A1", "--birth-date",
            "1951-02-24", "--station", "CT1", "--modality", "CT",
            "RequestedProcedureID=R1"))
        abstract, data, syntax = ask.seen[0]
        equal(abstract, dicom.WORKLIST)
        sent = dicom.parse(data, syntax)
        equal(sent[0x00100010], b"Doe*")
        equal(sent[0x00100020], b"P1")
        equal(sent[0x00080050], b"A1")
        equal(sent[0x00100030], b"19510224")
        equal(sent[0x00401001], b"R1")
        equal(sent[0x00100040], b"")
        assert 0x00080005 not in sent, sent
        step = dicom.parse(sent[STEPS][8:], syntax)
        equal(step[0x00400002], b"20260102-20260103 ")
        equal(step[0x00400001], b"CT1 ")
        equal(step[0x00080060], b"CT")
        equal(step[0x00400003], b"")
        assert "PatientName" in done.stdout and "Doe^Jane" in done.stdout
        assert "1 answer\n" in done.stderr, done.stderr
        equal(items(server), [])


def t_dates():
    for args, want in (
            (["--from", "20260102"], b"20260102- "),
            (["--to", "20260102"], b"-20260102 "),
            (["--from", "20260102", "--to", "20260102"], b"20260102")):
        with Server() as server:
            ask(server, args=args)
            step = dicom.parse(dicom.parse(
                ask.seen[0][1], dicom.EXPLICIT_LITTLE)[STEPS][8:],
                dicom.EXPLICIT_LITTLE)
            equal(step[0x00400002], want)


def t_wrong_usage():
    with Server() as server:
        for args, why in (
                (["--from", "31.13.2026"], "--from"),
                (["--today", "--to", "today"], "--today"),
                (["PatientNam=1"], "PatientNam"),
                (["--max", "0"], "--max"),
                (["--format", "xml"], "--format")):
            done = server.run("worklist-find", "X@127.0.0.1:1", *args)
            equal(done.returncode, 2, done.stderr)
            assert why in done.stderr, done.stderr


def t_import_twice():
    with Server() as server:
        found = [entry(), entry("Roe^Richard", "P2", "A2", "S2", "R2"),
                 entry("Doe^Jane", "P1", "A1", "S9", "R1", "MR")]
        done = ask(server, *found, args=["--import"])
        assert "3 imported, 0 here already" in done.stderr, done.stderr
        want = [("Doe^Jane", "A1"), ("Roe^Richard", "A2"), ("Doe^Jane", "A1")]
        equal(items(server), want)
        equal(items(server, "Modality, ScheduledStationAETitle, "
                    "ScheduledProcedureStepStartDate, "
                    "ScheduledProcedureStepStartTime, StudyInstanceUID, "
                    "facility")[0],
              ("CT", "CT1", "20260102", "101112", "1.2.3", "PEER"))
        done = ask(server, *found, args=["--import"])
        assert "0 imported, 3 here already" in done.stderr, done.stderr
        equal(items(server), want)
        equal(len(rows(server, "select id from hl7_journal")), 3)
        # One of them has changed since.
        found[1] = entry("Roe^Richard", "P2", "A2", "S2", "R2",
                         date="20260105")
        done = ask(server, *found, args=["--import"])
        assert "1 imported, 2 here already" in done.stderr, done.stderr
        equal(items(server), want)
        equal(items(server, "ScheduledProcedureStepStartDate")[1],
              ("20260105",))
        # What was deleted here comes again.
        server.verb("worklist", "delete", "2")
        done = ask(server, *found, args=["--import"])
        assert "1 imported, 2 here already" in done.stderr, done.stderr
        equal(len(items(server)), 3)


def t_what_was_begun_stays_so():
    with Server() as server:
        ask(server, entry(), args=["--import"])
        server.verb("worklist", "edit", "1", "STATUS=STARTED")
        before = items(server, "status")
        ask(server, entry(date="20260109"), args=["--import"])
        equal(items(server, "status"), before)
        ask(server, entry("X", "P5", "A5", status="STARTED"),
            args=["--import"])
        equal(items(server, "status")[1], (STARTED,))


def t_letters():
    names = {
        "ISO_IR 100": ("Buc^Jérôme", "latin-1"),
        "ISO_IR 144": ("Люкceмбypг", "iso8859-5"),
        "ISO_IR 192": ("Wang^XiaoDong=王^小东", "utf-8"),
        "GB18030": ("Wang^XiaoDong=王^小东", "gb18030"),
        "\\ISO 2022 IR 87": (
            "Yamada^Tarou=山田^太郎",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"),
        "\\ISO 2022 IR 149": (
            "Hong^Gildong=洪^吉洞",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"),
    }
    with Server() as server:
        found = []
        for n, (charset, (text, how)) in enumerate(names.items()):
            raw = how if isinstance(how, bytes) else text.encode(how)
            found.append(entry(raw, "P%d" % n, "A%d" % n, charset=charset))
        done = ask(server, *found, args=["--import"])
        equal([name for name, _ in items(server)],
              [text for text, _ in names.values()])
        for text, _ in names.values():
            assert text in done.stdout, (text, done.stdout)
        done = ask(server, *found, args=["--import"])
        assert "0 imported, 6 here already" in done.stderr, done.stderr


def t_every_field():
    code = [[(0x00080100, "SH", "21100"), (0x00080102, "SH", "L"),
             (0x00080104, "LO", "CT ^Head\\")]]
    with Server() as server:
        ask(server, entry(more=[
            (0x00321064, "SQ", code), (0x001021C0, "US", 3),
            (0x00101002, "SQ", [[(0x00100020, "LO", "X1"),
                                 (0x00100021, "LO", "HOSP")],
                                [(0x00100020, "LO", "X2")]]),
            (0x00102000, "LO", "Pacemaker"), (0x00101030, "DS", "70.5"),
            (0x00402016, "LO", "PL1"), (0x00321032, "PN", "Smith^Ann")],
            more_step=[(0x00400008, "SQ", code),
                       (0x00400010, "SH", "Room 1")]), args=["--import"])
        equal(items(server, "RequestedProcedureCode, ScheduledProtocolCode, "
                    "PregnancyStatus, OtherPatientIDs, MedicalAlerts, "
                    "PatientWeight, PlacerOrderNumber, RequestingPhysician, "
                    "ScheduledStationName"),
              [("21100^CT  Head ^L", "21100^CT  Head ^L", "3",
                "X1^HOSP\\X2^", "Pacemaker", "70.5", "PL1", "Smith^Ann",
                "Room 1")])


def t_what_cannot_be_imported():
    with Server() as server:
        done = ask(server, entry(), entry(patient="", name="No^Id"),
                   entry(procedure="", accession="A7"),
                   args=["--import"], expect=1)
        assert "'No^Id'" in done.stderr, done.stderr
        assert "PATIENT ID" in done.stderr, done.stderr
        assert "1 imported, 0 here already, 2 not imported" in done.stderr
        equal(len(items(server)), 1)


def t_many():
    with Server() as server:
        found = [entry("N%d" % n, "P%d" % n, "A%d" % n, "S%d" % n)
                 for n in range(450)]
        done = ask(server, *found, args=["--import", "--format", "json"])
        assert "450 imported" in done.stderr, done.stderr
        equal(len(items(server)), 450)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        equal(lines[449]["PatientID"], "P449")
        equal(lines[449]["ScheduledProcedureStepSequence"][0]["Modality"],
              "CT")


def t_more_than_memory_holds():
    """Of what is not taken over nothing is kept."""
    large = [(tag, "LO", "x" * 60000) for tag in (
        0x00080080, 0x00100021, 0x00101040, 0x00102000, 0x00102110,
        0x00104000, 0x00321033, 0x00380010, 0x00380050, 0x00380300,
        0x00380500, 0x00401002, 0x00401004, 0x00401400)]
    with Server() as server:
        found = [entry(patient="", more=large)] * 90
        done = ask(server, *found, entry(), args=["--import"], expect=1)
        assert "1 imported, 0 here already, 90 not imported" in done.stderr, \
            done.stderr[-2000:]
        equal(items(server), [("Doe^Jane", "A1")])


def t_our_own_title_is_no_station():
    """What is for every station bears the title of who asks."""
    station = "ScheduledStationAETitle"
    with Server() as server:
        for name in ("FILEROOM", "FILEROOM "):
            ask(server, entry(station=name), args=["--import"])
            equal(items(server, station), [("",)])
        # Who asks as a modality gets that one's items.
        ask(server, entry(accession="A2", patient="P2", station="CT7"),
            args=["--import", "--aet", "CT7"])
        equal(items(server, station), [("",), ("CT7",)])


def t_several_steps_and_none():
    with Server() as server:
        ask(server, entry(steps=3),
            [e for e in entry("Roe^R", "P2", "A2") if e[0] != STEPS],
            args=["--import"])
        equal(items(server), [("Doe^Jane", "A1"), ("Roe^R", "A2")])


def t_a_node_that_refuses():
    with Server() as server:
        done = ask(server, entry(), args=["--import"], status=0xA700,
                   expect=1)
        assert "A700" in done.stderr, done.stderr
        equal(len(items(server)), 1)


def t_without_an_archive():
    with Server(start=False) as server:
        with Scp(answering(entry()),
                 choose=lambda a, s: dicom.EXPLICIT_LITTLE) as scp:
            done = server.run("worklist-find", scp.node())
            equal(done.returncode, 0)
            assert "Doe^Jane" in done.stdout
        done = server.run("worklist-find", "X@127.0.0.1:1", "--import")
        equal(done.returncode, 1)
        assert "there is no archive" in done.stderr, done.stderr


if __name__ == "__main__":
    sys.exit(main())
