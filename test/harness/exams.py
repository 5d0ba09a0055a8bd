"""Exams, as a modality tells them by MPPS, and the rows of the worklist that
they are about.

    with Server() as server, associate(server) as a:
        item = schedule(server)
        equal(create(a), 0)
        equal(status_of(server, item), STARTED)
"""

import os
import sqlite3
import struct

from . import dicom
from .runner import equal

MPPS = "1.2.840.10008.3.1.2.3.3"
RETRIEVE = "1.2.840.10008.3.1.2.3.4"
N_GET, N_SET, N_CREATE = 0x0110, 0x0120, 0x0140
SYNTAX = dicom.EXPLICIT_LITTLE
CONTEXTS = [(MPPS, [SYNTAX]), (RETRIEVE, [SYNTAX])]

SCHEDULED, ARRIVED, STARTED, COMPLETED, DISCONTINUED, CANCELED, HELD = range(
    1, 8)

STATUS, STEPS, REASON = 0x00400252, 0x00400270, 0x00400281


def associate(server, syntax=SYNTAX, **more):
    return dicom.Association(server.dicom_port, [
        (MPPS, [syntax]), (RETRIEVE, [syntax])], **more)


def sequence(tag, items, syntax=SYNTAX):
    order = ">" if syntax == dicom.EXPLICIT_BIG else "<"
    body = []
    for elements in items:
        ds = dataset(elements, syntax)
        body += [struct.pack(order + "HHI", 0xFFFE, 0xE000, len(ds)), ds]
    body = b"".join(body)
    return dicom.header(tag, "SQ", len(body), syntax) + body


def dataset(elements, syntax=SYNTAX):
    """(tag, vr, value); the value of SQ is a list of such lists."""
    return b"".join(
        sequence(t, v, syntax) if vr == "SQ"
        else dicom.element(t, vr, v, syntax)
        for t, vr, v in sorted(elements, key=lambda e: e[0]))


def step(study="1.2.77.1", accession="", step_id="", procedure=""):
    return [(0x0020000D, "UI", study), (0x00081110, "SQ", []),
            (0x00080050, "SH", accession), (0x00401001, "SH", procedure),
            (0x00321060, "LO", ""), (0x00400009, "SH", step_id),
            (0x00400007, "LO", ""), (0x00400008, "SQ", [])]


def exam(steps=None, without=(), **values):
    """The attributes of an N-CREATE (PS3.4 Table F.7.2-1)."""
    v = {"status": "IN PROGRESS", "id": "PPS1", "patient": "PAT1",
         "name": "Doe^Jane", "date": "20260102", "charset": None}
    v.update(values)
    elements = [
        (0x00100010, "PN", v["name"]), (0x00100020, "LO", v["patient"]),
        (0x00100030, "DA", ""), (0x00100040, "CS", "F"),
        (0x00081120, "SQ", []), (0x00400253, "SH", v["id"]),
        (0x00400241, "AE", "PARROT"), (0x00400242, "SH", ""),
        (0x00400243, "SH", ""), (0x00400244, "DA", v["date"]),
        (0x00400245, "TM", "101112"), (STATUS, "CS", v["status"]),
        (0x00400254, "LO", ""), (0x00400255, "LO", ""),
        (0x00081032, "SQ", []), (0x00400250, "DA", ""),
        (0x00400251, "TM", ""), (0x00080060, "CS", "CT"),
        (0x00200010, "SH", ""), (0x00400260, "SQ", []),
        (0x00400340, "SQ", []),
        (STEPS, "SQ", [step()] if steps is None else steps)]
    if v["charset"]:
        elements.append((0x00080005, "CS", v["charset"]))
    return [e for e in elements if e[0] not in without]


def final(status="COMPLETED", more=()):
    return [(STATUS, "CS", status), (0x00400250, "DA", "20260102"),
            (0x00400251, "TM", "111213"), *more,
            (0x00400340, "SQ", [[
                (0x00081050, "PN", ""), (0x00181030, "LO", "Head"),
                (0x00081070, "PN", ""), (0x0020000E, "UI", "1.2.77.1.1"),
                (0x0008103E, "LO", ""), (0x00080054, "AE", ""),
                (0x00081140, "SQ", [[(0x00081150, "UI", dicom.CT),
                                     (0x00081155, "UI", "1.2.77.1.1.1")]]),
                (0x00400220, "SQ", [])]])]


def request(a, command, uid, elements=None, sop_class=MPPS, tags=()):
    """Sends it: the status; a.values and a.data have the rest."""
    context = a.context_for(sop_class)
    syntax = a.contexts[context][1]
    if elements is not None and not isinstance(elements, bytes):
        elements = dataset(elements, syntax)
    requested = command != N_CREATE
    fields = [(0x0003 if requested else 0x0002, sop_class),
              (0x0100, command), (0x0110, a.next_message()),
              (0x0800, dicom.NO_DATA if elements is None else 0)]
    if uid is not None:
        fields.append((0x1001 if requested else 0x1000, uid))
    if tags:
        fields.append((0x1005, b"".join(
            struct.pack("<HH", t >> 16, t & 0xFFFF) for t in tags)))
    values = dicom.command([f for f in fields if not isinstance(f[1], bytes)])
    if tags:
        extra = fields[-1][1]
        body = values[12:] + struct.pack("<HHI", 0, 0x1005, len(extra)) + extra
        values = struct.pack("<HHII", 0, 0, 4, len(body)) + body
    a.send_message(context, values, elements)
    status, a.values, a.data = a.response()
    equal(struct.unpack("<H", a.values[0x0100])[0], command | dicom.RSP)
    a.comment = dicom.as_text(a.values.get(0x0902, b""))
    a.tags = [g << 16 | e for g, e in struct.iter_unpack(
        "<HH", a.values.get(0x1005, b""))]
    return status


def create(a, uid="1.2.99.1", elements=None):
    return request(a, N_CREATE, uid, exam() if elements is None else elements)


def change(a, uid="1.2.99.1", elements=None):
    return request(a, N_SET, uid, final() if elements is None else elements)


def look(a, uid="1.2.99.1", tags=()):
    """{tag: value} of an N-GET, whose status is a.status."""
    a.status = request(a, N_GET, uid, sop_class=RETRIEVE, tags=tags)
    return dicom.parse(a.data or b"", a.contexts[3][1])


def database(server):
    return sqlite3.connect(os.path.join(server.data, "fileroom.db"),
                           timeout=120)


def rows(server, sql, *args):
    db = database(server)
    try:
        return db.execute(sql, args).fetchall()
    finally:
        db.close()


def schedule(server, **values):
    """A row of the worklist; its number."""
    db = database(server)
    try:
        columns = [c[1] for c in db.execute("pragma table_info(item)")
                   if c[1] != "id"]
        row = {c: 0 if c in ("created", "changed") else "" for c in columns}
        row.update(status=SCHEDULED, PatientID="PAT1", PatientName="Doe^Jane",
                   RequestedProcedureID="R1", StudyInstanceUID="1.2.77.1",
                   ScheduledProcedureStepID="S1", AccessionNumber="A1")
        row.update(values)
        with db:
            return db.execute(
                "insert into item (%s) values (%s)" % (
                    ", ".join(row), ", ".join("?" * len(row))),
                list(row.values())).lastrowid
    finally:
        db.close()


def status_of(server, item):
    return rows(server, "select status from item where id = ?", item)[0][0]
