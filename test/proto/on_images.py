"""worklist.on_images: items of the worklist whose images arrive; and
worklist.notify: telling the HIS of it."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.exams import (
    ARRIVED, CANCELED, COMPLETED, DISCONTINUED, SCHEDULED, STARTED, associate,
    change, create, exam, final, rows, schedule, status_of, step)
from harness.hl7 import Host, ack, field
from harness.mllp import Mllp, code, order
from harness.runner import equal, main
from harness.server import Server, free_port, wait_for

TSAN = True
STUDY = "1.2.77.1"


def send(server, *uids, study=STUDY, **more):
    with dicom.Association(server.dicom_port, [
            (dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
        for uid in uids:
            equal(a.store(dicom.CT, uid, dicom.instance(
                uid, study=study, series=study + ".1", **more)), 0)


def becomes(server, item, status):
    wait_for(lambda: status_of(server, item) == status, 60,
             "status %d of item %d" % (status, item))


def jobs(server, kind="settle"):
    return rows(server, "select state from job where kind = ?", kind)


def t_started_and_completed():
    with Server({"worklist.images_quiet_s": "1"}) as server:
        item = schedule(server)
        other = schedule(server, StudyInstanceUID="1.2.77.2",
                         AccessionNumber="A2")
        send(server, "1.2.7.1", "1.2.7.2")
        becomes(server, item, COMPLETED)
        equal(status_of(server, other), SCHEDULED)
        wait_for(lambda: jobs(server) == [(2,)])
        server.wait_log("images of study 1.2.77.1: 1 item of the worklist is "
                        "started")


def t_waits_while_images_come():
    with Server() as server:
        item = schedule(server)
        send(server, "1.2.7.1")
        becomes(server, item, STARTED)
        wait_for(lambda: jobs(server) == [(0,)])
        # Once more on another association: one job, nothing written.
        send(server, "1.2.7.2")
        send(server, "1.2.7.2")
        equal(jobs(server), [(0,)])
        # An attempt that comes too early waits.
        server.verb("jobs", "retry", "1")
        wait_for(lambda: "images still arrive" in str(rows(
            server, "select error from job")))
        equal(status_of(server, item), STARTED)


def t_restart_in_between():
    with Server({"worklist.images_quiet_s": "6"}) as server:
        item = schedule(server)
        send(server, "1.2.7.1")
        # It waits; unless these seconds have gone by already.
        wait_for(lambda: jobs(server))
        server.kill()
        server.start()
        becomes(server, item, COMPLETED)


def t_hidden():
    with Server({"worklist.on_images": "hide"}) as server:
        item = schedule(server, status=ARRIVED)
        send(server, "1.2.7.1")
        becomes(server, item, COMPLETED)
        equal(jobs(server), [])


def t_deleted():
    with Server({"worklist.on_images": "delete"}) as server:
        schedule(server)
        schedule(server, StudyInstanceUID="1.2.77.2")
        send(server, "1.2.7.1")
        wait_for(lambda: rows(server, "select StudyInstanceUID from item")
                 == [("1.2.77.2",)])


def t_by_accession_number():
    """ACC1 of PAT1 is what the images say."""
    with Server({"worklist.on_images": "hide"}) as server:
        item = schedule(server, AccessionNumber="ACC1",
                        StudyInstanceUID="1.2.78")
        stranger = schedule(server, AccessionNumber="ACC1",
                            StudyInstanceUID="1.2.79", PatientID="OTHER")
        send(server, "1.2.7.1")
        becomes(server, item, COMPLETED)
        equal(status_of(server, stranger), SCHEDULED)


def t_of_several_the_modality_counts():
    with Server({"worklist.on_images": "hide"}) as server:
        mr = schedule(server, Modality="MR")
        ct = schedule(server, Modality="CT")
        over = schedule(server, Modality="CT", status=CANCELED)
        send(server, "1.2.7.1")
        becomes(server, ct, COMPLETED)
        equal(status_of(server, mr), SCHEDULED)
        equal(status_of(server, over), CANCELED)
        # None of that modality: not known which, but where it is the only.
        us = schedule(server, Modality="US", StudyInstanceUID="1.2.77.5")
        nm = schedule(server, Modality="NM", StudyInstanceUID="1.2.77.5")
        pt = schedule(server, Modality="PT", StudyInstanceUID="1.2.77.6")
        send(server, "1.2.7.5", study="1.2.77.5")
        send(server, "1.2.7.6", study="1.2.77.6")
        becomes(server, pt, COMPLETED)
        equal(status_of(server, us), SCHEDULED)
        equal(status_of(server, nm), SCHEDULED)


def t_mpps_decides_where_there_is_one():
    with Server({"worklist.on_images": "hide"}) as server, \
            associate(server) as a:
        item = schedule(server)
        last = schedule(server, StudyInstanceUID="1.2.77.3")
        equal(create(a, elements=exam([step(STUDY)])), 0)
        send(server, "1.2.7.1")
        send(server, "1.2.7.3", study="1.2.77.3")
        becomes(server, last, COMPLETED)
        equal(status_of(server, item), STARTED)
        equal(change(a, elements=final("DISCONTINUED")), 0)
        equal(status_of(server, item), DISCONTINUED)


def t_the_same_images_again_do_nothing():
    with Server({"worklist.on_images": "hide"}) as server:
        send(server, "1.2.7.1")
        item = schedule(server)
        other = schedule(server, StudyInstanceUID="1.2.77.2",
                         AccessionNumber="A2")
        send(server, "1.2.7.1")
        send(server, "1.2.7.2", study="1.2.77.2")
        becomes(server, other, COMPLETED)
        equal(status_of(server, item), SCHEDULED)


def told(host):
    return [(field(m, "ORC", 1), field(m, "ORC", 5)) for m in list(host.got)]


def t_the_his_is_told_of_exams():
    with Host() as host, Server({
            "worklist.notify": "127.0.0.1:%d" % host.port,
            "hl7.sending_application": "PACS"}) as server, \
            associate(server) as a:
        schedule(server, PatientName="Buc^Jérôme")
        equal(create(a, elements=exam([step(STUDY)])), 0)
        wait_for(lambda: told(host) == [("SC", "IP")])
        equal(field(host.got[0], "MSH", 3), "PACS")
        equal(field(host.got[0], "MSH", 9), "ORM^O01")
        equal(field(host.got[0], "PID", 3).split("^")[0], "PAT1")
        equal(field(host.got[0], "PID", 5), "Buc^Jérôme")
        equal(field(host.got[0], "ORC", 2), "A1")
        equal(change(a), 0)
        wait_for(lambda: told(host) == [("SC", "IP"), ("SC", "CM")])
        assert field(host.got[0], "MSH", 10) != field(host.got[1], "MSH", 10)
        # Nothing changes, nobody is told.
        equal(create(a, "1.2.99.2", exam([step(STUDY)])), 0)
        wait_for(lambda: jobs(server, "hl7") == [(2,), (2,)])


def t_the_his_is_told_of_an_exam_before_its_order():
    """By whatever way the order comes."""
    with Host() as host, Server({"hl7.port": "auto"}) as server, \
            associate(server) as a:
        server.verb("settings", "set", "worklist.notify", host.address)
        server.wait_log("worklist.notify is now")
        for n in (1, 2, 3):
            equal(create(a, "1.2.99.%d" % n, exam(
                [step("1.2.88.%d" % n, "A%d" % n)], patient="P1")), 0)
        equal(change(a, "1.2.99.1"), 0)
        with Mllp(server.hl7_port) as c:
            equal(code(c.ask(order("1", placer="A1"))), "AA")
        wait_for(lambda: told(host) == [("SC", "CM")])
        path = os.path.join(server.data, "order.hl7")
        with open(path, "wb") as f:
            f.write(order("2", placer="A2"))
        server.verb("worklist", "import", path)
        wait_for(lambda: told(host) == [("SC", "CM"), ("SC", "IP")])
        server.verb("worklist", "new", "PATIENT_ID=P1", "PATIENT_NAME=Doe",
                    "REQUESTED_PROCEDURE_ID=R3", "ACCESSION_NUMBER=A3")
        wait_for(lambda: told(host)[2:] == [("SC", "IP")])


def t_the_his_is_told_of_images():
    with Host() as host, Server({
            "worklist.images_quiet_s": "1"}, start=False) as server:
        server.settings["worklist.notify"] = "HIS"
        server.start()
        server.verb("hl7", "node", "add", "HIS", "127.0.0.1", str(host.port))
        schedule(server)
        send(server, "1.2.7.1")
        wait_for(lambda: told(host) == [("SC", "IP"), ("SC", "CM")])


def t_a_his_that_is_away_is_told_later():
    """The server dies in between, too."""
    port = free_port()
    with Server({"worklist.notify": "127.0.0.1:%d" % port}) as server:
        schedule(server)
        with associate(server) as a:
            equal(create(a, elements=exam([step(STUDY)])), 0)
        wait_for(lambda: jobs(server, "hl7") == [(0,)])
        server.kill()
        server.start()
        with Host(port=port) as host:
            def done():
                server.retry(1)
                return jobs(server, "hl7") == [(2,)]
            wait_for(done)
            equal(told(host), [("SC", "IP")])


def t_a_wrong_notify_harms_nobody():
    with Server({"worklist.notify": "a:b:c"}) as server, \
            associate(server) as a:
        item = schedule(server)
        equal(create(a, elements=exam([step(STUDY)])), 0)
        equal(status_of(server, item), STARTED)
        server.wait_log("worklist.notify: 'a:b:c' is no HL7 host")


if __name__ == "__main__":
    sys.exit(main())
