"""Clients that ask for the worklist: findscu -W, with DCMTK's own queries too,
Orthanc, and dcmjs-dimse."""

import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import pydicom

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import runner, worklist
from harness.runner import equal
from harness.server import Server, shared
from orthanc import Orthanc

ITEMS = [
    {"PatientID": "P1", "PatientName": "Müller^Anna",
     "PatientBirthDate": "19700102", "PatientSex": "F",
     "AccessionNumber": "A1", "RequestedProcedureID": "RP1",
     "StudyInstanceUID": "1.2.3.1", "Modality": "CT",
     "ScheduledStationAETitle": "CT1",
     "ScheduledProcedureStepStartDate": "20261121",
     "ScheduledProcedureStepStartTime": "0815",
     "ScheduledProcedureStepID": "S1",
     "ScheduledProtocolCode": "C1^Chest^99X"},
    {"PatientID": "P2", "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
     "AccessionNumber": "A2", "RequestedProcedureID": "RP2",
     "StudyInstanceUID": "1.2.3.2", "Modality": "MR",
     "ScheduledStationAETitle": "MR1",
     "ScheduledProcedureStepStartDate": "20261122",
     "ScheduledProcedureStepStartTime": "0900",
     "ScheduledProcedureStepID": "S2"},
]


def findscu(server, *keys, called="FILEROOM", query=None, expect=0):
    """The answers, as pydicom reads them."""
    with tempfile.TemporaryDirectory() as tmp:
        argv = ["findscu", "-W", "-v", "-X", "-od", tmp, "-aet", "CT1",
                "-aec", called, "127.0.0.1", str(server.dicom_port)]
        for key in keys:
            argv += ["-k", key]
        done = subprocess.run(argv + ([query] if query else []), timeout=120,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        equal(done.returncode, expect, done.stdout.decode("latin-1"))
        answers = []
        for path in sorted(glob.glob(tmp + "/rsp*.dcm")):
            answers.append(pydicom.dcmread(path, force=True))
            answers[-1].decode()
        return answers


def names(answer):
    """The values of Specific Character Set."""
    value = answer.SpecificCharacterSet
    return [value] if isinstance(value, str) else value


def t_findscu():
    with Server() as server:
        worklist.put(server, ITEMS)
        step = "(0040,0100)[0]."
        wanted = ("0010,0010", "0010,0020", "0020,000d",
                  step + "0008,0060", step + "0040,0001",
                  step + "0040,0002", step + "0040,0008")
        for more, sets in ((), (["ISO_IR 100"],
                                ["", "ISO 2022 IR 87"])), (
                ("0008,0005=ISO_IR 192",), (["ISO_IR 192"],
                                            ["ISO_IR 192"])):
            one, two = findscu(server, *wanted, *more)
            equal([one.PatientID, two.PatientID], ["P1", "P2"])
            equal([list(names(x)) for x in (one, two)], list(sets))
            equal(str(one.PatientName), "Müller^Anna")
            equal(str(two.PatientName),
                  "Yamada^Tarou=山田^太郎=やまだ^たろう")
            first = one.ScheduledProcedureStepSequence[0]
            equal(first.Modality, "CT")
            equal(first.ScheduledProtocolCodeSequence[0].CodeMeaning,
                  "Chest")
        for keys, want in (
                ((step + "0040,0001=MR1",), ["P2"]),
                ((step + "0040,0002=20261121",), ["P1"]),
                ((step + "0040,0002=20261121-20261122",
                  step + "0008,0060=CT"), ["P1"]),
                (("0010,0010=mull*",), ["P1"]),
                (("0008,0050=A2",), ["P2"]),
                ((step + "0040,0001=NOBODY",), [])):
            equal([x.PatientID for x in
                   findscu(server, "0010,0020", *keys)], want, keys)


def t_dcmtk_queries():
    """DCMTK's set, asked by its own client (see proto/mwl.py for answers)."""
    folder = shared("data/worklist/DCMTK+dcmtk/dcmwlm/data/wlistqry")
    if not folder:
        raise runner.Skip("no sample data")
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        worklist.put(server, ITEMS)
        asked = 0
        for path in sorted(glob.glob(folder + "/*.dump")):
            made = os.path.join(tmp, os.path.basename(path) + ".dcm")
            subprocess.run(["dump2dcm", "-q", path, made], check=True,
                           timeout=120)
            dumps = findscu(server, query=made)
            with open(path, encoding="latin-1") as f:
                narrow = re.search(r"\[(AA|DD|A2)", f.read())
            if not narrow and "wlistqry5" not in path:
                equal(len(dumps), 2, path)
            else:
                equal(len(dumps), 0, path)
            asked += 1
        equal(asked, 13)


def t_orthanc():
    with Server() as server, \
            Orthanc(server, {"DefaultEncoding": "Utf8"}) as orthanc:
        worklist.put(server, ITEMS)
        server.verb("node", "add", "ORTHANC", "127.0.0.1", "104")
        answers = orthanc.call("POST", "/modalities/fileroom/find-worklist", {
            "PatientID": "", "PatientName": "",
            "ScheduledProcedureStepSequence": [
                {"Modality": "", "ScheduledStationAETitle": "",
                 "ScheduledProcedureStepStartDate": ""}]})
        equal([(a["PatientID"], a["PatientName"]) for a in answers],
              [("P1", "Müller^Anna"),
               ("P2", "Yamada^Tarou=山田^太郎=やまだ^たろう")])
        equal([a["ScheduledProcedureStepSequence"][0]["Modality"]
               for a in answers], ["CT", "MR"])
        (one,) = orthanc.call("POST", "/modalities/fileroom/find-worklist", {
            "PatientID": "", "ScheduledProcedureStepSequence": [
                {"Modality": "CT"}]})
        equal(one["PatientID"], "P1")


def t_dcmjs():
    here = os.path.dirname(os.path.abspath(__file__))
    if not os.path.isdir(os.path.join(here, "node_modules")):
        raise runner.Skip("its npm packages are not installed")
    with Server() as server:
        worklist.put(server, ITEMS)
        for date, want in (("", ["P1", "P2"]), ("20261122", ["P2"]),
                           ("20270101", [])):
            done = subprocess.run(
                ["node", os.path.join(here, "worklist.js"),
                 str(server.dicom_port), date], timeout=120, check=False,
                capture_output=True, text=True)
            equal(done.returncode, 0, done.stderr + done.stdout)
            seen = json.loads(done.stdout.strip().splitlines()[-1])
            equal((seen["end"], [a[0] for a in seen["answers"]]), (0, want))
            for answer in seen["answers"]:
                item = ITEMS[int(answer[0][1:]) - 1]
                equal(answer[2], item["Modality"])
                assert item["PatientName"].split("^")[0] in answer[1], answer


if __name__ == "__main__":
    sys.exit(runner.main())
