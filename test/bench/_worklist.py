"""The benchmark's worklist: items for stations and days, put into Fileroom's
table, or as the files that DCMTK's wlmscpfs reads; see run.py and poll.c."""

import datetime
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                ".."))
import _peers
from harness import dicom, worklist

FIRST = datetime.date(2026, 1, 1)
EACH = 10  # items of a station and a day
SHAPES = {10000: {"stations": 100, "days": 10},
          1000000: {"stations": 1000, "days": 100}}


class Wlmscpfs(_peers.Server):
    name = "wlmscpfs"
    promise = "reads files"
    called = "BENCH"

    @classmethod
    def available(cls, bench):
        return _peers.find_program("wlmscpfs") is not None

    def command(self):
        return [_peers.find_program("wlmscpfs"), "-s", "-dfr", "-dfp",
                self.folder, str(self.port)]


def items(shape):
    n = 0
    for station in range(shape["stations"]):
        for day in range(shape["days"]):
            date = (FIRST + datetime.timedelta(day)).strftime("%Y%m%d")
            for k in range(EACH):
                n += 1
                yield {
                    "PatientID": f"P{n // 2}",
                    "PatientName": f"FAMILY{n // 2:07d}^GIVEN",
                    "PatientBirthDate": "19700102", "PatientSex": "F",
                    "AccessionNumber": f"A{n}",
                    "StudyInstanceUID": f"1.2.826.0.1.3680043.9.{n}",
                    "RequestedProcedureDescription": "CT of the chest",
                    "Modality": "CT",
                    "ScheduledStationAETitle": f"S{station:05d}",
                    "ScheduledProcedureStepStartDate": date,
                    "ScheduledProcedureStepStartTime": "%02d3000" % (8 + k),
                    "ScheduledPerformingPhysicianName": "TECH^ONE",
                    "ScheduledProcedureStepDescription": "Chest, contrast",
                    "ScheduledProcedureStepID": f"S{n}",
                    "RequestedProcedureID": f"R{n}"}


class Folder:
    """What worklist.put() wants of a server."""

    def __init__(self, folder):
        self.data = folder


def fill_table(folder, shape):
    batch = []
    for item in items(shape):
        batch.append(item)
        if len(batch) == 50000:
            worklist.put(Folder(folder), batch)
            batch = []
    worklist.put(Folder(folder), batch)


TOP = ((0x00080050, "SH", "AccessionNumber"), (0x00100010, "PN", "PatientName"),
       (0x00100020, "LO", "PatientID"), (0x00100030, "DA", "PatientBirthDate"),
       (0x00100040, "CS", "PatientSex"),
       (0x0020000D, "UI", "StudyInstanceUID"),
       (0x00321060, "LO", "RequestedProcedureDescription"),
       (0x00401001, "SH", "RequestedProcedureID"))
STEP = ((0x00080060, "CS", "Modality"),
        (0x00400001, "AE", "ScheduledStationAETitle"),
        (0x00400002, "DA", "ScheduledProcedureStepStartDate"),
        (0x00400003, "TM", "ScheduledProcedureStepStartTime"),
        (0x00400006, "PN", "ScheduledPerformingPhysicianName"),
        (0x00400007, "LO", "ScheduledProcedureStepDescription"),
        (0x00400009, "SH", "ScheduledProcedureStepID"))


def fill_files(folder, shape):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lockfile"), "wb"):
        pass
    for n, item in enumerate(items(shape)):
        step = [[(t, vr, item[f]) for t, vr, f in STEP]]
        data = dicom.dataset([(t, vr, item[f]) for t, vr, f in TOP] +
                             [worklist.sequence(worklist.STEP, step)])
        meta = dicom.dataset([
            (0x00020001, "OB", b"\0\1"),
            (0x00020002, "UI", "1.2.276.0.7230010.3.1.0.1"),
            (0x00020003, "UI", item["StudyInstanceUID"]),
            (0x00020010, "UI", dicom.EXPLICIT_LITTLE),
            (0x00020012, "UI", "1.2.3")])
        meta = dicom.element(0x00020000, "UL", len(meta)) + meta
        with open(os.path.join(folder, f"item{n}.wl"), "wb") as f:
            f.write(bytes(128) + b"DICM" + meta + data)
