"""Modality Performed Procedure Steps: N-CREATE, N-SET, N-GET, and what they do
to the items of the worklist."""

import os
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.exams import (
    CANCELED, COMPLETED, DISCONTINUED, N_CREATE, N_GET, N_SET, REASON,
    RETRIEVE, SCHEDULED, STARTED, STATUS, STEPS, associate, change, create,
    dataset, exam, final, look, request, rows, schedule, status_of, step)
from harness.mllp import Mllp, code, order
from harness.runner import Skip, equal, main
from harness.server import Server, shared

TSAN = True

def t_life_of_an_exam():
    with Server() as server, associate(server) as a:
        item = schedule(server)
        equal(create(a), 0)
        equal(dicom.as_text(a.values[0x1000]), "1.2.99.1")
        equal(status_of(server, item), STARTED)
        equal(change(a, elements=[(0x00400254, "LO", "Head")]), 0)
        equal(status_of(server, item), STARTED)
        equal(change(a), 0)
        equal(status_of(server, item), COMPLETED)
        equal(change(a, elements=[(0x00400254, "LO", "Foot")]), 0x0110)
        equal(a.comment,
              "Performed Procedure Step Object may no longer be updated")
        equal(struct.unpack("<H", a.values[0x0903])[0], 0xA710)
        got = look(a)
        equal(a.status, 0)
        equal(dicom.as_text(got[STATUS]), "COMPLETED")
        equal(dicom.as_text(got[0x00400254]), "Head")
        equal(dicom.as_text(got[0x00400250]), "20260102")
        assert b"1.2.77.1.1.1" in got[0x00400340]
        server.wait_log("is completed: worklist items 1, changed 1")


def t_every_syntax():
    for n, syntax in enumerate([dicom.IMPLICIT_LITTLE, dicom.EXPLICIT_BIG]):
        with Server() as server, associate(server, syntax) as a:
            item = schedule(server)
            equal(create(a), 0)
            equal(change(a), 0)
            equal(status_of(server, item), COMPLETED)
            equal(dicom.as_text(look(a)[0x00100010]), "Doe^Jane")


def t_discontinued():
    with Server() as server, associate(server) as a:
        item = schedule(server)
        equal(create(a), 0)
        equal(change(a, elements=final("DISCONTINUED")), 0)
        equal(status_of(server, item), DISCONTINUED)
        # Begun again.
        equal(create(a, "1.2.99.2"), 0)
        equal(status_of(server, item), STARTED)
        equal(change(a, "1.2.99.2"), 0)
        equal(status_of(server, item), COMPLETED)


def t_wrong_entry():
    """The wrong patient was chosen: the item waits for its exam again."""
    reason = (REASON, "SQ", [[(0x00080100, "SH", "110514"),
                              (0x00080102, "SH", "DCM"),
                              (0x00080104, "LO", "Incorrect worklist entry "
                               "selected")]])
    with Server() as server, associate(server) as a:
        item = schedule(server)
        equal(create(a), 0)
        equal(change(a, elements=final("DISCONTINUED", [reason])), 0)
        equal(status_of(server, item), SCHEDULED)


def t_several_steps_in_one():
    with Server() as server, associate(server) as a:
        one = schedule(server)
        two = schedule(server, StudyInstanceUID="1.2.77.2",
                       ScheduledProcedureStepID="S2", AccessionNumber="A2")
        other = schedule(server, ScheduledProcedureStepID="S3")
        equal(create(a, elements=exam([
            step("1.2.77.1", step_id="S1"),
            step("1.2.500", accession="A2", step_id="S2")])), 0)
        equal(status_of(server, one), STARTED)
        equal(status_of(server, two), STARTED)
        equal(status_of(server, other), SCHEDULED)
        equal(change(a), 0)
        equal(status_of(server, one), COMPLETED)
        equal(status_of(server, two), COMPLETED)
        equal(status_of(server, other), SCHEDULED)


def t_several_exams_of_one_step():
    with Server() as server, associate(server) as a:
        item = schedule(server)
        equal(create(a, "1.2.99.1"), 0)
        equal(create(a, "1.2.99.2"), 0)
        equal(change(a, "1.2.99.1"), 0)
        equal(status_of(server, item), STARTED)
        equal(change(a, "1.2.99.2", final("DISCONTINUED")), 0)
        equal(status_of(server, item), COMPLETED)


def t_which_items():
    with Server() as server, associate(server) as a:
        study = schedule(server, StudyInstanceUID="1.2.77.10",
                         ScheduledProcedureStepID="")
        more = schedule(server, StudyInstanceUID="1.2.77.10",
                        ScheduledProcedureStepID="X")
        # Without a step ID: all of the study.
        equal(create(a, "1.2.99.1", exam([step("1.2.77.10")])), 0)
        equal(status_of(server, study), STARTED)
        equal(status_of(server, more), STARTED)
        # Another patient's accession number is another order.
        item = schedule(server, StudyInstanceUID="1.2.77.11",
                        AccessionNumber="A11")
        equal(create(a, "1.2.99.2", exam(
            [step("1.2.9", accession="A11")], patient="OTHER")), 0)
        equal(status_of(server, item), SCHEDULED)
        equal(create(a, "1.2.99.3", exam([step("1.2.9", accession="A11")])),
              0)
        equal(status_of(server, item), STARTED)
        # Cut to the 16 characters of an SH on their way.
        item = schedule(server, StudyInstanceUID="1.2.77.12",
                        AccessionNumber="ACCESSION-NUMBER-1",
                        ScheduledProcedureStepID="SCHEDULED-STEP-ID-1")
        equal(create(a, "1.2.99.4", exam([
            step("1.2.9", "ACCESSION-NUMBER", "SCHEDULED-STEP-I")])), 0)
        equal(status_of(server, item), STARTED)
        # A step ID of the scanner's own, and one item in question.
        item = schedule(server, StudyInstanceUID="1.2.77.13")
        equal(create(a, "1.2.99.5", exam([step("1.2.77.13",
                                               step_id="NEW")])), 0)
        equal(status_of(server, item), STARTED)
        # Procedure and step of the same patient.
        item = schedule(server, StudyInstanceUID="1.2.77.14",
                        AccessionNumber="", RequestedProcedureID="R14",
                        ScheduledProcedureStepID="S14")
        equal(create(a, "1.2.99.6", exam([step("1.2.9", "", "S14", "R14")])),
              0)
        equal(status_of(server, item), STARTED)
        # What was called off stays so.
        item = schedule(server, StudyInstanceUID="1.2.77.15", status=CANCELED)
        equal(create(a, "1.2.99.7", exam([step("1.2.77.15")])), 0)
        equal(status_of(server, item), CANCELED)


def t_unscheduled():
    with Server() as server, associate(server) as a:
        equal(create(a, elements=exam([step("1.2.77.50")])), 0)
        equal(change(a), 0)
        server.wait_log("unscheduled; kept until one comes")
        equal(rows(server, "select matched, StudyInstanceUID from mpps_step"),
              [(0, "1.2.77.50")])


def t_an_exam_before_its_order():
    """The HIS sends the order when the patient has been examined."""
    with Server({"hl7.port": "auto"}) as server, associate(server) as a:
        equal(create(a, elements=exam(
            [step("1.2.77.50", accession="P1")], patient="P1")), 0)
        with Mllp(server.hl7_port) as c:
            equal(code(c.ask(order("M1", placer="P1", patient="P1"))), "AA")
            equal(rows(server, "select status, AccessionNumber from item"),
                  [(STARTED, "P1")])
            equal(change(a), 0)
            equal(rows(server, "select status from item"), [(COMPLETED,)])


def t_without_a_name():
    with Server() as server, associate(server) as a:
        equal(create(a, None), 0)
        uid = dicom.as_text(a.values[0x1000])
        assert uid.startswith("2.25."), uid
        equal(change(a, uid), 0)


def t_names():
    with Server() as server, associate(server) as a:
        equal(create(a), 0)
        equal(create(a), 0x0111)
        equal(change(a, "1.2.99.5"), 0x0112)
        look(a, "1.2.99.5")
        equal(a.status, 0x0112)
        equal(create(a, "not a uid"), 0x0117)
        equal(create(a, "1." * 40), 0x0117)
        equal(change(a, None), 0x0117)
        equal(request(a, N_GET, "1.2.99.1"), 0x0118)
        equal(request(a, N_SET, "1.2.99.1", final(), RETRIEVE), 0x0118)


def t_missing_attributes():
    with Server() as server, associate(server) as a:
        for tag in (0x00080060, 0x00400241, 0x00400244, 0x00400245, STATUS,
                    0x00400253, STEPS):
            equal(create(a, elements=exam(without=[tag])), 0x0120)
            equal(a.tags, [tag])
            assert "is required" in a.comment, a.comment
        equal(create(a, elements=exam(id="")), 0x0121)
        equal(a.tags, [0x00400253])
        equal(create(a, elements=exam([])), 0x0121)
        equal(create(a, elements=exam([[(0x00080050, "SH", "A1")]])), 0x0120)
        equal(a.tags, [0x0020000D])
        equal(create(a, elements=exam([step("")])), 0x0121)
        # Text where a sequence should be.
        equal(create(a, elements=exam(without=[STEPS]) + [
            (STEPS, "LO", "steps")]), 0x0121)
        equal(create(a, elements=b""), 0x0120)
        equal(request(a, N_CREATE, "1.2.99.1"), 0x0120)
        equal(rows(server, "select count(*) from mpps"), [(0,)])
        # Of type 2: they need not be there.
        equal(create(a, elements=exam(without=[
            0x00100010, 0x00081120, 0x00400340, 0x00400250])), 0)


def t_invalid_values():
    with Server() as server, associate(server) as a:
        equal(create(a, elements=exam(status="COMPLETED")), 0x0106)
        equal(a.tags, [STATUS])
        equal(create(a, elements=exam(date="20261345")), 0x0106)
        equal(create(a, elements=exam([step("a.b")])), 0x0106)
        equal(create(a), 0)
        equal(change(a, elements=[(STATUS, "CS", "DONE")]), 0x0106)
        equal(change(a, elements=[(STATUS, "CS", "")]), 0x0106)
        equal(change(a, elements=[(0x00400250, "DA", "today")]), 0x0106)
        equal(dicom.as_text(look(a)[STATUS]), "IN PROGRESS")
        equal(change(a, elements=dataset(final())[:-5]), 0x0115)
        equal(create(a, "1.2.99.2", b"\xff" * 99), 0x0115)


def t_what_is_fixed_stays():
    with Server() as server, associate(server) as a:
        equal(create(a), 0)
        # Once more as it was: no harm.
        equal(change(a, elements=[(0x00100010, "PN", "Doe^Jane"),
                                  (STEPS, "SQ", [step()])]), 0)
        equal(change(a, elements=[(0x00100010, "PN", "Roe^Richard"),
                                  (STEPS, "SQ", [step("1.2.3")]),
                                  (0x00400254, "LO", "Head")]), 0x0107)
        equal(a.tags, [0x00100010, STEPS])
        got = look(a)
        equal(dicom.as_text(got[0x00100010]), "Doe^Jane")
        equal(dicom.as_text(got[0x00400254]), "Head")
        assert b"1.2.77.1" in got[STEPS]


def t_some_attributes():
    with Server() as server, associate(server) as a:
        equal(create(a), 0)
        got = look(a, tags=[0x00100010, STATUS])
        equal(a.status, 0)
        equal({t: dicom.as_text(v) for t, v in got.items()},
              {0x00100010: "Doe^Jane", STATUS: "IN PROGRESS"})
        got = look(a, tags=[STATUS, 0x00400280])
        equal(a.status, 1)
        equal(a.tags, [0x00400280])
        equal(list(got), [STATUS])
        look(a, tags=[0x00100010] * 65)
        equal(a.status, 0x0213)


def t_letters():
    """An N-SET in another set than its N-CREATE; the answer holds both."""
    with Server() as server, associate(server) as a:
        equal(create(a, elements=exam(
            name="Buc^Jérôme".encode("latin-1"), charset="ISO_IR 100")), 0)
        # It says nothing of its letters: those of the N-CREATE.
        equal(change(a, elements=[
            (0x00400254, "LO", "Schädel".encode("latin-1"))]), 0)
        got = look(a)
        equal(dicom.as_text(got[0x00080005]), "ISO_IR 100")
        equal(got[0x00100010].decode("latin-1").strip(), "Buc^Jérôme")
        equal(got[0x00400254].decode("latin-1").strip(), "Schädel")
        equal(change(a, elements=[
            (0x00080005, "CS", "ISO_IR 144"),
            (0x00400280, "ST", "Люкceмбypг".encode("iso8859-5"))]), 0)
        got = look(a)
        equal(dicom.as_text(got[0x00080005]), "ISO_IR 192")
        equal(dicom.as_text(got[0x00100010]), "Buc^Jérôme")
        equal(dicom.as_text(got[0x00400280]), "Люкceмбypг")
        equal(create(a, "1.2.99.2", exam(
            name="Yamada^Tarou=".encode() + b"\x1b$B;3ED\x1b(B^\x1b$BB@O:"
            b"\x1b(B", charset="\\ISO 2022 IR 87")), 0)
        got = look(a, "1.2.99.2", [0x00100010, 0x00080005])
        equal(got[0x00100010].rstrip(),
              b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B")


def t_large():
    """Thousands of images in one step; more than an identifier holds is
    refused, and the association goes on."""
    def series(n):
        return [(0x00400340, "SQ", [[
            (0x0020000E, "UI", "1.2.77.1.1"), (0x00081140, "SQ", [
                [(0x00081150, "UI", dicom.CT),
                 (0x00081155, "UI", "1.2.77.1.1.%d" % i)]
                for i in range(n)])]])]
    with Server() as server, associate(server) as a:
        equal(create(a), 0)
        equal(change(a, elements=series(10000)), 0)
        equal(len(look(a)[0x00400340]), len(dataset(series(10000))) - 12)
        equal(change(a, elements=series(80000)), 0x0213)
        equal(create(a, "1.2.99.2", exam([step()] * 101)), 0x0213)
        equal(change(a), 0)


def t_exams_of_dvtk():
    """What DVTk's modality emulator sends."""
    folder = shared("data", "worklist", "dvtk-org+DVTk", "Modality_Emulator",
                    "Resources", "Data", "MPPS")
    if folder is None:
        raise Skip("its files are not here")
    with Server() as server, associate(server, dicom.IMPLICIT_LITTLE) as a:
        for name, how in (("mpps-inprogress1.dcm", create),
                          ("mpps-completed1.dcm", change)):
            with open(os.path.join(folder, name), "rb") as f:
                data = f.read()
            (n,) = struct.unpack_from("<I", data, 140)
            equal(how(a, elements=data[144 + n:]), 0)
        got = look(a)
        equal(dicom.as_text(got[STATUS]), "COMPLETED")
        equal(dicom.as_text(got[0x00100020]), "PA2")


def t_at_once():
    """N-SETs of one step by several associations: none is lost."""
    with Server() as server:
        with associate(server) as a:
            equal(create(a), 0)
        wrong = []

        def work(n):
            try:
                with associate(server, calling="AE%d" % n) as a:
                    for i in range(5):
                        tag = 0x00110010 + n
                        equal(change(a, elements=[
                            (0x00110010 + n, "LO", "P%d" % i)]), 0)
            except Exception as e:
                wrong.append(e)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        equal(wrong, [])
        with associate(server) as a:
            got = look(a)
        equal([dicom.as_text(got[0x00110010 + n]) for n in range(4)],
              ["P4"] * 4)


def t_killed_after_the_answer():
    with Server() as server:
        item = schedule(server)
        a = associate(server)
        equal(create(a), 0)
        server.kill()
        a.close()
        server.start()
        equal(status_of(server, item), STARTED)
        a = associate(server)
        equal(change(a), 0)
        server.kill()
        a.close()
        server.start()
        equal(status_of(server, item), COMPLETED)
        with associate(server) as a:
            equal(dicom.as_text(look(a)[STATUS]), "COMPLETED")
            equal(change(a), 0x0110)


if __name__ == "__main__":
    sys.exit(main())
