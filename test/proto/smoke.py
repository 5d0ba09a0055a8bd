"""The shortest way through everything: echo, store, find, get, and the same
after a restart."""

import sys
import os

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.runner import equal, main
from harness.server import Server

CONTEXTS = [(dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE]),
            (dicom.CT, [dicom.EXPLICIT_LITTLE]),
            (dicom.FIND_STUDY, [dicom.EXPLICIT_LITTLE]),
            (dicom.GET_STUDY, [dicom.EXPLICIT_LITTLE])]


def associate(server):
    return dicom.Association(
        server.dicom_port, CONTEXTS, user=dicom.user_information(
            more=dicom.role(dicom.CT, True, True)))


def look_around(a, data):
    status, answers = a.find(dicom.FIND_STUDY, [
        (0x00080052, "CS", "STUDY"), (0x00100010, "PN", "doe*"),
        (0x0020000D, "UI", "")])
    equal(status, 0)
    equal([dicom.as_text(x[0x0020000D]) for x in answers], ["1.2.3"])
    equal(dicom.as_text(answers[0][0x00100010]), "Doe^John")
    status, _, got = a.get(dicom.GET_STUDY, [
        (0x00080052, "CS", "STUDY"), (0x0020000D, "UI", "1.2.3")])
    equal(status, 0)
    equal(got, [("1.2.3.4.5", dicom.EXPLICIT_LITTLE, data)])


def t_echo_store_find_get():
    data = dicom.instance("1.2.3.4.5")
    with Server() as server:
        with associate(server) as a:
            equal(sorted(a.contexts), [1, 3, 5, 7])
            equal(a.echo(), 0)
            equal(a.store(dicom.CT, "1.2.3.4.5", data), 0)
            look_around(a, data)
        server.restart()
        with associate(server) as a:
            look_around(a, data)
        equal(server.log().count(" error "), 0, "errors in the log")


if __name__ == "__main__":
    sys.exit(main())
