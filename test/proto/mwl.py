"""Modality Worklist: keys, matching, what answers hold, stations, letters."""

import os
import re
import sqlite3
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom, worklist
from harness.exams import rows
from harness.runner import Skip, equal, main
from harness.server import Server, shared, wait_for
from harness.worklist import STEP, items_of, sequence

TSAN = True

CHARSET = 0x00080005
NAME, PATIENT_ID, BIRTH, SEX = 0x00100010, 0x00100020, 0x00100030, 0x00100040
STUDY, ACCESSION, PROCEDURE = 0x0020000D, 0x00080050, 0x00401001
MODALITY, AE, DATE, TIME = 0x00080060, 0x00400001, 0x00400002, 0x00400003
PHYSICIAN, STEP_ID, STATION = 0x00400006, 0x00400009, 0x00400010
STATUS, PROTOCOL, DESCRIPTION = 0x00400020, 0x00400008, 0x00400007
VRS = {CHARSET: "CS", NAME: "PN", PATIENT_ID: "LO", BIRTH: "DA", SEX: "CS",
       STUDY: "UI", ACCESSION: "SH", PROCEDURE: "SH", MODALITY: "CS",
       AE: "AE", DATE: "DA", TIME: "TM", PHYSICIAN: "PN", STEP_ID: "SH",
       STATION: "SH", STATUS: "CS", DESCRIPTION: "LO", PROTOCOL: "SQ",
       0x00321060: "LO", 0x00321032: "PN", 0x00080052: "CS",
       0x00401003: "SH", 0x00102000: "LO", 0x00102110: "LO",
       0x00321070: "LO", 0x00400011: "SH", 0x00400012: "LO",
       0x00400400: "LT", 0x00321064: "SQ", 0x00081110: "SQ",
       0x001021C0: "US", 0x00081030: "LO", 0x00101030: "DS",
       0x00101002: "SQ", 0x00380010: "LO"}
CONTEXTS = [(dicom.WORKLIST, [dicom.EXPLICIT_LITTLE])]


def item(n, **more):
    """An item with all that is required."""
    return {"PatientID": f"P{n}", "PatientName": f"Test{n}^Pat",
            "RequestedProcedureID": f"RP{n}", "AccessionNumber": f"A{n}",
            "ScheduledProcedureStepID": f"S{n}", "Modality": "CT",
            "StudyInstanceUID": f"1.2.3.{n}",
            "ScheduledStationAETitle": "CT1",
            "ScheduledProcedureStepStartDate": "20261121",
            "ScheduledProcedureStepStartTime": "%02d0000" % (8 + n % 10),
            **more}


class Worklist:
    def __init__(self, items=(), settings=None, calling="CT1",
                 syntax=dicom.EXPLICIT_LITTLE, env=None):
        self.items, self.calling, self.syntax = items, calling, syntax
        self.server = Server(settings, env=env)

    def __enter__(self):
        self.server.__enter__()
        worklist.put(self.server, self.items)
        self.a = self.associate(self.calling)
        return self

    def associate(self, calling, extended=()):
        return dicom.Association(self.server.dicom_port,
                                 [(dicom.WORKLIST, [self.syntax])],
                                 calling=calling)

    def call_as(self, calling):
        self.a.end()
        self.a = self.associate(calling)

    def __exit__(self, *args):
        if args[0] is None:
            self.a.release()
        self.a.close()
        return self.server.__exit__(*args)

    def find(self, top=None, step=None, want=0, pending=0xFF00):
        """Answers as {tag: value} with those of the step among them. step
        None: no sequence."""
        elements = [(t, VRS[t], v) for t, v in (top or {}).items()]
        if step is not None:
            elements.append(step if isinstance(step, tuple) else sequence(
                STEP, [[(t, VRS[t], v) for t, v in step.items()]],
                self.syntax))
        a = self.a
        a.query(dicom.WORKLIST, dicom.C_FIND,
                dicom.dataset(elements, self.syntax))
        answers = []
        while True:
            status, values, data = a.response()
            if status not in (0xFF00, 0xFF01):
                equal(status, want, "status")
                return answers
            equal(status, pending, "pending status")
            one = dicom.parse(data, self.syntax)
            if STEP in one:
                (inner,) = items_of(one[STEP])
                one.update(dicom.parse(inner, self.syntax))
            answers.append(one)

    def ids(self, top=None, step=None, **more):
        step = {} if step is None else step
        return [dicom.as_text(x[PATIENT_ID]) for x in self.find(
            {PATIENT_ID: "", **(top or {})}, step, **more)]


def text(answer, tag):
    return dicom.as_text(answer[tag])


def t_universal():
    """Everything, in the order of start, however nothing is asked for."""
    everything = ["P1", "P2", "P3"]
    with Worklist([item(3), item(1), item(2)]) as w:
        empty_item = sequence(STEP, [[]])
        for step in ({}, {DATE: ""}, {DATE: "", NAME: "*"}, {AE: "*"},
                     (STEP, "SQ", b""), empty_item,
                     {PROTOCOL: b""}):
            equal(w.ids({}, step), everything, step)
        equal([text(x, PATIENT_ID) for x in w.find({PATIENT_ID: ""})],
              everything)
        # An item of undefined length, and a sequence of it.
        undefined = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + \
            struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
        equal(w.ids({}, (STEP, "SQ", undefined)), everything)
        # Unasked, nothing comes; asked by an empty item, all of the step.
        (one, *_) = w.find({NAME: ""})
        equal(sorted(one), [CHARSET, NAME])
        (one, *_) = w.find({NAME: ""}, empty_item)
        for tag in (MODALITY, AE, DATE, TIME, STEP_ID, PHYSICIAN, STATION):
            assert tag in one, hex(tag)
        # Several items: the first counts.
        equal(w.ids({}, sequence(STEP, [[(TIME, "TM", "090000")],
                                        [(TIME, "TM", "100000")]])), ["P1"])
        # (0008,0052), as some send it.
        (one, *_) = w.find({0x00080052: "WORKLIST", NAME: ""}, {})
        equal(text(one, 0x00080052), "WORKLIST")


def t_matching():
    people = [
        item(1, PatientName="Müller^Anna", Modality="CT", PatientSex="F",
             ScheduledPerformingPhysicianName="ROSS"),
        item(2, PatientName="MULLER^BERT", Modality="MR", PatientSex="M",
             ScheduledStationAETitle="MR1\\MR2"),
        item(3, PatientName="Smith^John^Paul", Modality="US",
             ScheduledStationAETitle="US1", ScheduledStationName="SONO"),
        item(4, PatientName="Yamada^Tarou=山田^太郎", Modality="CT",
             PatientBirthDate="19700102"),
        item(5, PatientName="Łoś^Sørine", Modality="DX",
             ScheduledStationAETitle="DX1"),
    ]
    with Worklist(people) as w:
        for top, step, want in (
                ({NAME: "müller*"}, {}, ["P1", "P2"]),
                ({NAME: "MULLER^A*"}, {}, ["P1"]),
                ({NAME: "*^JOHN*"}, {}, ["P3"]),
                ({NAME: "Smith^John^Paul^^"}, {}, ["P3"]),
                ({NAME: "smi?h^john*"}, {}, ["P3"]),
                # Not to the letter: as people mean it.
                ({NAME: "SMITH"}, {}, ["P3"]),
                ({NAME: "Smith, John"}, {}, ["P3"]),
                ({NAME: "smith john"}, {}, ["P3"]),
                ({NAME: "Smit^John"}, {}, []),
                ({NAME: "yamada*"}, {}, ["P4"]),
                ({NAME: "山田^*"}, {}, ["P4"]),
                ({NAME: "los^sorine"}, {}, ["P5"]),
                ({NAME: "Los"}, {}, ["P5"]), ({NAME: "*RINE"}, {}, ["P5"]),
                ({NAME: "ŁOŚ*"}, {}, ["P5"]),
                ({PATIENT_ID: "P3"}, {}, ["P3"]),
                ({PATIENT_ID: "p3"}, {}, []),
                ({PATIENT_ID: "P*"}, {}, ["P1", "P2", "P3", "P4", "P5"]),
                ({ACCESSION: "A?"}, {MODALITY: "MR"}, ["P2"]),
                ({SEX: "f"}, {}, ["P1"]),
                ({BIRTH: "19700102"}, {}, ["P4"]),
                ({BIRTH: "19600101-19800101"}, {}, ["P4"]),
                ({STUDY: "1.2.3.1\\1.2.3.4"}, {}, ["P1", "P4"]),
                ({}, {MODALITY: "ct"}, ["P1", "P4"]),
                ({}, {MODALITY: "CT\\MR"}, ["P1", "P2", "P4"]),
                ({}, {MODALITY: "C*"}, ["P1", "P4"]),
                ({}, {AE: "MR2"}, ["P2"]),
                ({}, {AE: " MR1 "}, ["P2"]),
                ({}, {AE: "MR*"}, ["P2"]),
                ({}, {AE: "CT1\\US1"}, ["P1", "P3", "P4"]),
                ({}, {AE: "US1", STATION: "SONO"}, ["P3"]),
                # An item without value matches no value.
                ({}, {STATION: "S*"}, ["P3"]),
                ({SEX: "M"}, {MODALITY: "US"}, []),
                ({}, {PHYSICIAN: "ross"}, ["P1"]),
                ({}, {STEP_ID: "S4"}, ["P4"]),
                ({PROCEDURE: "RP2"}, {}, ["P2"]),
                ({}, {STATUS: "SCHEDULED"}, ["P1", "P2", "P3", "P4", "P5"]),
                ({}, {STATUS: "STARTED"}, [])):
            top = {CHARSET: "ISO_IR 192", **top}
            equal(w.ids(top, step), want, (top, step))
        # Keys beside the sequence count, and the step comes along.
        answers = w.find({MODALITY: "US", AE: "", PATIENT_ID: ""})
        equal([text(x, PATIENT_ID) for x in answers], ["P3"])
        assert STEP in answers[0]
        equal(text(answers[0], AE), "US1")
        # What the worklist does not know is no condition, and said to be.
        equal(w.ids({0x00081030: "CHEST"}, {}, pending=0xFF01),
              ["P1", "P2", "P3", "P4", "P5"])


def t_dates():
    days = [item(1, ScheduledProcedureStepStartDate="20261120",
                 ScheduledProcedureStepStartTime="2330"),
            item(2, ScheduledProcedureStepStartDate="20261121",
                 ScheduledProcedureStepStartTime="083059.5"),
            item(3, ScheduledProcedureStepStartDate="20261121",
                 ScheduledProcedureStepStartTime=""),
            item(4, ScheduledProcedureStepStartDate="20261122",
                 ScheduledProcedureStepStartTime="0700"),
            item(5, ScheduledProcedureStepStartDate="",
                 ScheduledProcedureStepStartTime="")]
    with Worklist(days) as w:
        for step, want in (
                ({DATE: "20261121"}, ["P3", "P2"]),
                ({DATE: "2026.11.21"}, ["P3", "P2"]),
                ({DATE: "20261121-"}, ["P3", "P2", "P4"]),
                ({DATE: "-20261120"}, ["P1"]),
                ({DATE: "20261120-20261122"}, ["P1", "P3", "P2", "P4"]),
                ({TIME: "08"}, ["P2"]),
                ({TIME: "0800-0830"}, ["P2"]),
                ({TIME: "08:00:00-08:31:00"}, ["P2"]),
                ({TIME: "-0700"}, ["P4"]),
                ({TIME: "070001-"}, ["P1", "P2"]),
                # One range, from moment to moment (Table K.6-1).
                ({DATE: "20261120-20261122", TIME: "0600-0900"},
                 ["P1", "P3", "P2", "P4"]),
                ({DATE: "20261120-20261122", TIME: "2331-0659"},
                 ["P3", "P2"]),
                ({DATE: "20261121-", TIME: "0831-"}, ["P3", "P4"]),
                ({DATE: "-20261121", TIME: "-0830"}, ["P1", "P3", "P2"]),
                # Of different forms: each by itself.
                ({DATE: "20261120-20261122", TIME: "-0830"}, ["P2", "P4"]),
                ({DATE: "20261121-", TIME: "-0800"}, ["P4"]),
                ({DATE: "20261121", TIME: "0800-0900"}, ["P2"])):
            equal(w.ids({}, step), want, step)
        w.server.verb("node", "add", "CT1", "127.0.0.1", "104",
                      "--worklist", "moment=no,days=0")
        w.call_as("CT1")
        nightly = {DATE: "20261120-20261122", TIME: "2200-0659"}
        equal(nightly_ids(w, nightly), [])
        equal(w.ids({}, {DATE: "20261120-20261122", TIME: "0600-0900"}),
              ["P2", "P4"])
        w.server.verb("node", "edit", "CT1", "--worklist", "days=1")
        equal(nightly_ids(w, {DATE: "20261121"}), ["P1", "P3", "P2", "P4"])
        w.server.verb("node", "edit", "CT1", "--worklist", "limit=2")
        equal(nightly_ids(w, {DATE: "20261121-"}), ["P3", "P2"])
        w.server.verb("node", "edit", "CT1", "--worklist", "none")
        equal(nightly_ids(w, nightly), ["P1", "P3", "P2"])
        done = w.server.run("node", "edit", "CT1", "--worklist", "days=99")
        equal(done.returncode, 2)
        assert "days=0..31" in done.stderr, done.stderr


def t_keys_that_are_no_dates():
    """A scanner that always sends an odd one shows its worklist all the
    same."""
    with Worklist([item(1), item(2, Modality="MR")]) as w:
        for step, want in (
                ({DATE: "2026-11-21"}, ["P1", "P2"]),
                ({DATE: "2026/11/20-2026/11/22"}, ["P1", "P2"]),
                ({DATE: "2026-11-22-"}, []),
                ({DATE: "20261101-20261131"}, ["P1", "P2"]),
                ({DATE: "2026-11-21", TIME: "0930-2400"}, ["P2"])):
            equal(w.ids({}, step), want, step)
        for key in ({DATE: "2024AB01-"}, {DATE: "20261122-20261122-"},
                    {DATE: "today"}, {TIME: "99"}, {TIME: "10-99"}):
            equal(w.ids({}, key, pending=0xFF01), ["P1", "P2"], key)
            # The others count.
            equal(w.ids({}, {MODALITY: "MR", **key}, pending=0xFF01), ["P2"])
    # Not more of them in a second are kept.
    with Worklist([item(1)]) as w:
        for n, (top, step, note) in enumerate((
                ({}, {DATE: "20261101-20261131"},
                 "Start Date is read as 20261101-20261130."),
                ({}, {TIME: "0930-2400"},
                 "Start Time is read as 0930-235959.999999."),
                ({}, {DATE: "2024AB01-"},
                 "Start Date = 2024AB01- is no date, and no condition."),
                ({}, {TIME: "10-99"},
                 "Note: Scheduled Procedure Step Start Time = 10-99 is no "
                 "time, and no condition."),
                ({BIRTH: "19\x1b[2J-"}, {}, "is no date, and no condition."))):
            w.call_as(f"ODD{n}")
            w.find({PATIENT_ID: "", **top}, step,
                   pending=0xFF01 if "no condition" in note else 0xFF00)
            said = w.server.verb("worklist", "explain", f"ODD{n}")
            assert note in said and "\x1b" not in said, said


def nightly_ids(w, step):
    """As the node is known now: it is looked at each second."""
    time.sleep(1.1)
    w.call_as("CT1")
    return w.ids({}, step)


def t_stations():
    items = [item(1, ScheduledStationAETitle="CT1"),
             item(2, ScheduledStationAETitle="CT2"),
             item(3, ScheduledStationAETitle="")]
    with Worklist(items) as w:
        equal(w.ids(), ["P1", "P2", "P3"])
        equal(w.ids({}, {AE: "CT1"}), ["P1", "P3"])
        (one,) = [x for x in w.find({PATIENT_ID: "P3"}, {AE: ""})]
        equal(text(one, AE), "CT1")
        w.server.verb("settings", "set", "worklist.without_ae", "hide")
        w.server.wait_log("worklist.without_ae is now")
        w.call_as("CT1")
        equal(w.ids({}, {AE: "CT1"}), ["P1"])
        equal(w.ids(), ["P1", "P2", "P3"])
        w.server.verb("settings", "set", "worklist.calling_ae_as_station",
                      "true")
        w.server.wait_log("calling_ae_as_station is now")
        w.call_as("CT2")
        equal(w.ids(), ["P2"])
        equal(w.ids({}, {AE: ""}), ["P2"])
        equal(w.ids({}, {AE: "*"}), ["P2"])
        equal(w.ids({}, {AE: "CT1"}), ["P1"])
        # Of a node otherwise.
        w.server.verb("node", "add", "CT2", "127.0.0.1", "104", "--worklist",
                      "station=no")
        w.server.verb("node", "add", "CT1", "127.0.0.1", "104", "--worklist",
                      "without_ae=show")
        w.server.verb("node", "add", "ALL", "127.0.0.1", "104", "--worklist",
                      "ignore_ae=yes,station=no")
        equal(nightly_ids(w, {}), ["P1", "P3"])
        w.call_as("CT2")
        equal(w.ids(), ["P1", "P2", "P3"])
        w.call_as("ALL")
        equal(w.ids({}, {AE: "NOSUCH"}), ["P1", "P2", "P3"])


def t_statuses():
    every = [item(n, status=s) for n, s in enumerate(worklist.STATUS)]
    with Worklist(every) as w:
        answers = w.find({PATIENT_ID: ""}, {STATUS: ""})
        equal([(text(x, PATIENT_ID), text(x, STATUS)) for x in answers],
              [("P0", "SCHEDULED"), ("P1", "ARRIVED"), ("P2", "STARTED")])
        w.server.verb("node", "add", "CT1", "127.0.0.1", "104", "--worklist",
                      "started=hide")
        equal(nightly_ids(w, {}), ["P0", "P1"])


def t_limits_on_the_wire():
    """A26: values longer than DICOM allows are cut, and found by either; what
    would break a device does not leave."""
    long = "5555^ADMINISTRATION OF CONTRAST^BODY^0"
    with Worklist([
            item(1, ScheduledProcedureStepID=long,
                 AccessionNumber="2026-000000000012345",
                 ScheduledStationAETitle="A_TITLE_TOO_LONG_FOR_DICOM",
                 PatientName="Ödön^" + "é" * 80 + "^^^",
                 Modality="ct", StudyInstanceUID="not a uid",
                 PatientSex="female",
                 RequestedProcedureDescription="a\\b\tc\r\nd"),
            item(2, ScheduledProcedureStepID="", Modality="",
                 ScheduledProcedureStepStartDate="",
                 ScheduledProcedureStepStartTime="",
                 ScheduledProcedureStepDescription="",
                 RequestedProcedureDescription="Chest")]) as w:
        keys = {NAME: "", ACCESSION: "", STUDY: "", SEX: "",
                0x00321060: "", PATIENT_ID: "P1"}
        step = {STEP_ID: "", AE: "", MODALITY: "", DATE: "", TIME: "",
                DESCRIPTION: ""}
        (one,) = w.find(keys, step)
        equal(text(one, STEP_ID), long[:16])
        equal(text(one, ACCESSION), "2026-00000000001")
        equal(text(one, AE), "A_TITLE_TOO_LONG")
        equal(text(one, MODALITY), "CT")
        equal(text(one, SEX), "FEMALE")
        equal(text(one, STUDY), "")
        equal(text(one, 0x00321060), "a/b c  d")
        equal(one[NAME].decode("latin-1").strip(),
              "Ödön^" + "é" * 59)
        for tag, value in ((STEP_ID, long[:16]),
                           (STEP_ID, "5555*"), (AE, "A_TITLE_TOO_LONG")):
            equal(w.ids({}, {tag: value}), ["P1"], value)
        for value in ("2026-00000000001", "2026-000000000012345"):
            equal(w.ids({ACCESSION: value}, {}), ["P1"], value)
        equal(w.ids({ACCESSION: "2026-0000000000"}, {}), [])
        # Type 1 is never empty.
        (one,) = w.find({**keys, PATIENT_ID: "P2"}, step)
        equal(text(one, STEP_ID), "RP2")
        equal(text(one, MODALITY), "OT")
        assert re.fullmatch(r"20\d{6}", text(one, DATE)), one[DATE]
        equal(text(one, TIME), "000000")
        equal(text(one, DESCRIPTION), "Chest")


def t_day_of_the_order_is_ours():
    """What has no start is for the day it came, where the server stands."""
    for zone, hours in (("ZZZ-14", 14), ("ZZZ12", -12)):
        with Worklist([item(1, ScheduledProcedureStepStartDate="")],
                      env={"TZ": zone}) as w:
            (one,) = w.find({}, {DATE: ""})
            db = sqlite3.connect(os.path.join(w.server.data, "fileroom.db"))
            ((ms,),) = db.execute("SELECT created FROM item").fetchall()
            db.close()
            equal(text(one, DATE), time.strftime(
                "%Y%m%d", time.gmtime(ms / 1000 + hours * 3600)), zone)


def t_sequences():
    codes = "C1^Chest^99X\\C2^Abdomen^99X"
    with Worklist([item(1, ScheduledProtocolCode=codes,
                        RequestedProcedureCode="R1^Scan^LN",
                        OtherPatientIDs="X1\\X2", PregnancyStatus="B6",
                        PatientWeight="70.5", AdmissionID="V1"),
                   item(2)]) as w:
        inner = [[(0x00080100, "SH", ""), (0x00080102, "SH", ""),
                  (0x00080104, "LO", "")]]
        (one, two) = w.find({PATIENT_ID: "", 0x001021C0: b"",
                             0x00101030: "", 0x00380010: "",
                             0x00081110: b"", 0x00101002: b""},
                            {PROTOCOL: sequence(PROTOCOL, inner)[2]})
        equal([dicom.parse(x, dicom.EXPLICIT_LITTLE)
               for x in items_of(one[PROTOCOL])],
              [{0x00080100: b"C1", 0x00080102: b"99X ",
                0x00080104: b"Chest "},
               {0x00080100: b"C2", 0x00080102: b"99X ",
                0x00080104: b"Abdomen "}])
        equal(one[0x001021C0], b"\3\0")
        equal(text(one, 0x00101030), "70.5")
        equal(text(one, 0x00380010), "V1")
        equal(one[0x00081110], b"")
        equal(len(items_of(one[0x00101002])), 2)
        equal(two[PROTOCOL], b"")
        equal(w.ids({0x001021C0: 3}, {}), ["P1"])
        equal(w.ids({0x001021C0: 1}, {}), [])
        # As some write what they leave open.
        equal(w.ids({0x001021C0: 0}, {}), ["P1", "P2"])
        for code, want in (("C2", ["P1"]), ("C*", ["P1"]), ("C3", [])):
            only = [[(0x00080100, "SH", code)]]
            equal(w.ids({}, {PROTOCOL: sequence(PROTOCOL, only)[2]}), want)
        # One item must satisfy all keys of the item.
        both = [[(0x00080100, "SH", "C1"), (0x00080104, "LO", "Abdomen")]]
        equal(w.ids({}, {PROTOCOL: sequence(PROTOCOL, both)[2]}), [])
        equal(w.ids({0x00321064: sequence(
            0x00321064, [[(0x00080100, "SH", "R1")]])[2]}, {}), ["P1"])


NAMES = (
    # name, what Python calls the set, what is declared when nothing is asked
    ("Doe^John", "ascii", "ISO_IR 100"),
    ("Müller^Änne", "latin-1", "ISO_IR 100"),
    ("Čapek^Łukasz", "iso8859-2", "ISO_IR 101"),
    ("Иванов^Пётр", "iso8859-5", "ISO_IR 144"),
    ("Παπαδόπουλος^Άννα", "iso8859-7", "ISO_IR 126"),
    ("Şahin^Işıl", "iso8859-9", "ISO_IR 148"),
    ("محمد^علي", "iso8859-6", "ISO_IR 127"),
    ("כהן^דוד", "iso8859-8", "ISO_IR 138"),
    ("ใจดี^สมชาย", "tis-620", "ISO_IR 166"),
    ("ﾔﾏﾀﾞ^ﾀﾛｳ", "shift_jis", "ISO_IR 13"),
    ("Yamada^Tarou=山田^太郎=やまだ^たろう", None, "\\ISO 2022 IR 87"),
    ("Hong^Gildong=洪^吉洞=홍^길동", None, "\\ISO 2022 IR 149"),
    ("Zhang^XiaoDong=张^小东", None, "\\ISO 2022 IR 58"),
    ("Zhu^Rongji=朱^镕基", "gb18030", "GB18030"),
    ("Müller^Иван", "utf-8", "ISO_IR 192"),
    ("🙂^Ärger", "utf-8", "ISO_IR 192"),
)


def t_letters():
    """The narrowest set that holds an answer, each declared."""
    with Worklist([item(n, PatientName=name)
                   for n, (name, _, _) in enumerate(NAMES)]) as w:
        for n, (name, codec, declared) in enumerate(NAMES):
            (one,) = w.find({NAME: "", PATIENT_ID: f"P{n}"}, {})
            if declared:
                equal(text(one, CHARSET), declared.strip(), name)
            if codec:
                equal(one[NAME].decode(codec).rstrip(" "), name)
            # What the query is written in, if it holds the answer.
            (one,) = w.find({NAME: "", PATIENT_ID: f"P{n}",
                             CHARSET: "ISO_IR 192"}, {})
            equal(text(one, CHARSET), "ISO_IR 192")
            equal(one[NAME].decode("utf-8").rstrip(" "), name)
        for n, asked, given in ((1, "ISO_IR 101", "ISO_IR 101"),
                                (1, "ISO_IR 144", "ISO_IR 100"),
                                (0, "ISO_IR 144", "ISO_IR 144"),
                                (10, "ISO 2022 IR 87", "\\ISO 2022 IR 87"),
                                (12, "GB18030", "GB18030"),
                                (3, "nonsense", "ISO_IR 144")):
            (one,) = w.find({NAME: "", PATIENT_ID: f"P{n}", CHARSET: asked},
                            {})
            equal(text(one, CHARSET), given.strip(), (n, asked))


# Each set, a name in it, and how others read it: Python's codecs, which know
# the multi-byte sets by their sequences of escape or without them.
SETS = (
    ("ISO_IR 100", "Müller^Änne", "latin-1"),
    ("ISO_IR 101", "Čapek^Łukasz", "iso8859-2"),
    ("ISO_IR 109", "Ġużeppi^Ħamrun", "iso8859-3"),
    ("ISO_IR 110", "Ķīlis^Ģirts", "iso8859-4"),
    ("ISO_IR 144", "Иванов^Пётр", "iso8859-5"),
    ("ISO_IR 127", "محمد^علي", "iso8859-6"),
    ("ISO_IR 126", "Παπαδόπουλος^Άννα", "iso8859-7"),
    ("ISO_IR 138", "כהן^דוד", "iso8859-8"),
    ("ISO_IR 148", "Şahin^Işıl", "iso8859-9"),
    ("ISO_IR 203", "Œuvre^Žena", "iso8859-15"),
    ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ", "shift_jis"),
    ("ISO_IR 166", "ใจดี^สมชาย", "tis-620"),
    ("ISO_IR 192", "山田^Иван", "utf-8"),
    ("GB18030", "朱^镕基", "gb18030"),
    ("GBK", "朱^镕基", "gbk"),
    ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう",
     "iso2022_jp"),
    ("\\ISO 2022 IR 87\\ISO 2022 IR 159", "Oka^Jin=岡^丂", "iso2022_jp_2"),
    ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동", "euc_kr"),
    ("\\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东", "gb2312"),
)


def t_every_set():
    """Each set both ways: an answer in it is read by others, and its bytes as
    a key find the patient again."""
    with Worklist([item(n, PatientName=name)
                   for n, (_, name, _) in enumerate(SETS)]) as w:
        for n, (charset, name, codec) in enumerate(SETS):
            (one,) = w.find({NAME: "", PATIENT_ID: f"P{n}",
                             CHARSET: charset}, {})
            equal(one[CHARSET].decode().strip(), charset.strip())
            raw = one[NAME].rstrip(b" ")
            plain = raw if codec.startswith("iso2022") else re.sub(
                rb"\x1b\$\)[AC]", b"", raw)
            equal(plain.decode(codec), name, charset)
            found = w.ids({NAME: raw, CHARSET: charset}, {})
            # Two of them have the same name.
            assert f"P{n}" in found and len(found) <= 2, (charset, found)


def t_letters_of_a_node():
    """A configured set counts, and what it lacks is written in it."""
    want = {
        "ISO_IR 6": [
            "Doe^John", "Mueller^Aenne", "Capek^Lukasz", "Ivanov^Petr",
            "Papadopoulos^Anna", "Sahin^Isil", "mhmd^aly", "khn^dvd",
            "aichdi^smchay", "yamada^tarou",
            "Yamada^Tarou=U+5C71U+7530^U+592AU+90CE=yamada^tarou"],
        "ISO_IR 144": ["Doe^John", "Mueller^Aenne", "Capek^Lukasz",
                       "Иванов^Пётр", "Papadopoulos^Anna"],
        "ISO_IR 192": [name for name, _, _ in NAMES],
    }
    codecs = {"ISO_IR 6": "ascii", "ISO_IR 144": "iso8859-5",
              "ISO_IR 192": "utf-8"}
    with Worklist([item(n, PatientName=name)
                   for n, (name, _, _) in enumerate(NAMES)]) as w:
        w.server.verb("node", "add", "CT1", "127.0.0.1", "104")
        for charset, names in want.items():
            w.server.verb("node", "edit", "CT1", "--charset", charset)
            nightly_ids(w, {})
            for n, name in enumerate(names):
                (one,) = w.find({NAME: "", PATIENT_ID: f"P{n}",
                                 CHARSET: "ISO_IR 100"}, {})
                got = one[NAME].decode(codecs[charset]).rstrip(" ")
                equal(got, name, charset)
                equal(text(one, CHARSET) if CHARSET in one else "ISO_IR 6",
                      charset)
        # No question mark in any of them, and they are found by what shows.
        w.server.verb("node", "edit", "CT1", "--charset", "ISO_IR 6")
        equal(nightly_ids(w, {}), w.ids())
        for answer in w.find({NAME: ""}, {}):
            assert b"?" not in answer[NAME], answer[NAME]
        equal(w.ids({NAME: "MUELLER*"}, {}), ["P1", "P14"])
        equal(w.server.run("node", "edit", "CT1", "--charset",
                           "LATIN").returncode, 2)


def t_explain():
    """Why a scanner shows no patients, for each key."""
    items = [item(n, ScheduledStationAETitle="CT01") for n in range(4)] + \
        [item(9, ScheduledStationAETitle="", Modality="MR"),
         item(10, status="COMPLETED"), item(11, status="CANCELED")]
    with Worklist(items, {"worklist.without_ae": "hide"}) as w:
        equal(w.server.verb("worklist", "explain"),
              "nobody has asked for the worklist yet\n")
        for _ in range(3):
            equal(w.ids({}, {DATE: "20261121", MODALITY: "CT", AE: "CT1"}),
                  [])
        said = w.server.verb("worklist", "explain", "CT1")
        for text_ in (
                "CT1 asked at ", "from 127.0.0.1: 0 answers in ",
                "         7  items in the worklist",
                "         2          5  that are not shown: "
                "1 COMPLETED, 1 CANCELED",
                "         1          4  Modality = CT",
                "         4          0  Scheduled Station AE Title = CT1",
                "         0          0  Scheduled Procedure Step Start Date ="
                " 20261121",
                "Now 0 items would be shown.",
                "Without Scheduled Station AE Title = CT1 4 more would be "
                "shown. They have CT01 (4).",
                "2 more match, but are over or on hold."):
            assert text_ in said, (text_, said)
        # Keys come in the order of the query.
        assert said.index("Modality =") < said.index("Station AE Title =")
        # What the question is about is looked at as it is now.
        worklist.put(w.server, [item(12)])
        assert "Now 1 item would be shown." in w.server.verb(
            "worklist", "explain", "CT1")
        # Another query, which was odd; names as people write them.
        equal([text(x, PATIENT_ID) for x in
               w.find({PATIENT_ID: "", NAME: "test12"})], ["P12"])
        said = w.server.verb("worklist", "explain", "CT1")
        assert "Sequence is missing" in said, said
        assert "names taken as people write them" in said, said
        assert said.count("CT1 asked at") == 2, said
        table = w.server.verb("worklist", "explain").splitlines()
        equal(len(table), 2)
        assert table[1].startswith("CT1 "), table
        # Who never asked, and why not.
        said = w.server.verb("worklist", "explain", "MR7")
        assert "has not asked" in said and "node add MR7" in said, said


def t_explain_what_was_refused():
    """A query that fails is one, and says why."""
    def said(w):
        return w.server.verb("worklist", "explain", "CT1")
    with Worklist([item(1)]) as w:
        w.a.query(dicom.WORKLIST, dicom.C_FIND, dicom.dataset(
            [(0x00102000, "UT", "x" * 20000)]))
        assert w.a.response()[0] >= 0xA000
        wait_for(lambda: "refused: a key of 20000 bytes" in said(w))
    with Worklist([item(1)]) as w:
        equal(w.ids({0x00102000: "x" * 9000}, {}), [])
        wait_for(lambda: "too long to be looked at again" in said(w))


def t_explain_forgets():
    """Few queries stay, and the same one again writes nothing."""
    with Worklist([item(1)]) as w:
        for n in range(12):
            equal(w.ids({PATIENT_ID: f"N{n}"}, {}), [])
        said = w.server.verb("worklist", "explain", "CT1")
        assert 1 <= said.count("CT1 asked at") <= 5, said

        def written():
            """So many are written in a second: it may be left out."""
            equal(w.ids(), ["P1"])
            return rows(w.server, "select * from worklist_query"
                        " where answers = 1")
        begun = time.monotonic()
        wait_for(written)
        path = os.path.join(w.server.data, "fileroom.db-wal")
        before = os.stat(path).st_mtime_ns, os.stat(path).st_size
        for _ in range(50):
            equal(w.ids(), ["P1"])
            now = os.stat(path).st_mtime_ns, os.stat(path).st_size
            # After a minute it is written again.
            if time.monotonic() > begun + 50:
                break
            equal(now, before)


def t_study_uids():
    """F48, F49: made when a scanner asks for one that wants it, and kept."""
    with Worklist([item(1, StudyInstanceUID=""),
                   item(2, StudyInstanceUID="", ScheduledStationAETitle=""),
                   item(3, StudyInstanceUID="",
                        ScheduledStationAETitle="MR1")],
                  {"worklist.uid_for": "CT1, CT2",
                   "worklist.uid_root": "1.2.300.0.7230010.3.1.3"}) as w:
        def uids():
            return [text(x, STUDY) for x in w.find({STUDY: ""}, {})]
        w.call_as("MR1")
        one, two, three = uids()
        assert one.startswith("1.2.300.0.7230010.3.1.3."), one
        equal((two, three), ("", ""))
        w.call_as("CT2")
        again, two, three = uids()
        equal((again, three), (one, ""))
        assert two.startswith("1.2.300.0.7230010.3.1.3.") and two != one
        w.call_as("MR1")
        equal(uids(), [one, two, ""])


def t_activity():
    """Queries are recorded only on demand (F38, F69)."""
    with Worklist([item(1)]) as w:
        for _ in range(3):
            w.call_as("CT1")
            equal(w.ids(), ["P1"])
        w.server.verb("settings", "set", "worklist.log_queries", "true")
        w.server.wait_log("worklist.log_queries is now")
        # That of the first line, which asked for nothing.
        equal(w.server.log().count("association of"), 1)
        for _ in range(2):
            w.call_as("CT1")
            equal(w.ids(), ["P1"])
        w.call_as("CT1")
        # Also the one that was there when the setting changed, or not.
        assert w.server.log().count("2 finds") == 0
        assert w.server.log().count("1 finds") >= 2, w.server.log()


def t_refused():
    with Worklist([item(1)]) as w:
        a = w.a
        for bad, want in ((b"", 0xA900), (b"\x10\0\x10\0PN", 0xC000),
                          (dicom.element(NAME, "PN", "x" * 20000), 0xC000)):
            a.query(dicom.WORKLIST, dicom.C_FIND, bad)
            status, _, _ = a.response()
            equal(status, want)
        equal(w.ids(), ["P1"])


def t_cancel():
    with Worklist([item(n) for n in range(3000)]) as w:
        a = w.a
        send, parts = a.send, []
        # In one piece: it is there before the last answer, however slow we
        # are to read the first.
        a.send = lambda *more: parts.extend(more)
        message = a.query(dicom.WORKLIST, dicom.C_FIND, dicom.dataset(
            [(PATIENT_ID, "LO", ""), sequence(STEP, [[]])]))
        a.cancel(message, dicom.WORKLIST)
        a.send = send
        a.send(*parts)
        status, count = 0xFF00, 0
        while status == 0xFF00:
            status, _, _ = a.response()
            count += 1
        equal(status, 0xFE00)
        assert count < 3000, count
        a.cancel(message, dicom.WORKLIST)
        equal(len(w.ids()), 3000)


def t_syntaxes():
    for syntax in (dicom.IMPLICIT_LITTLE, dicom.EXPLICIT_BIG):
        with Worklist([item(1), item(2)], syntax=syntax) as w:
            a = w.a
            step = dicom.dataset([(MODALITY, "CS", "CT")], syntax)
            order = ">" if syntax == dicom.EXPLICIT_BIG else "<"
            inner = struct.pack(order + "HHI", 0xFFFE, 0xE000, len(step))
            a.query(dicom.WORKLIST, dicom.C_FIND, dicom.dataset(
                [(NAME, "PN", ""), (STEP, "SQ", inner + step)], syntax))
            names = []
            while True:
                status, _, data = a.response()
                if status != 0xFF00:
                    break
                names.append(text(dicom.parse(data, syntax), NAME))
            equal((status, names), (0, ["Test1^Pat", "Test2^Pat"]))


# DCMTK's worklist set ----------------------------------------------------

LINE = re.compile(
    r"^\s*\((\w{4}),(\w{4})\) (\w\w|-)\s*(?:\[([^\]]*)\]|([^#\s]\S*))?")
FIELDS = {ACCESSION: "AccessionNumber", NAME: "PatientName",
          PATIENT_ID: "PatientID", BIRTH: "PatientBirthDate",
          SEX: "PatientSex", 0x00102000: "MedicalAlerts",
          0x00102110: "Allergies", STUDY: "StudyInstanceUID",
          0x00321032: "RequestingPhysician",
          0x00321060: "RequestedProcedureDescription",
          MODALITY: "Modality", 0x00321070: "RequestedContrastAgent",
          AE: "ScheduledStationAETitle",
          DATE: "ScheduledProcedureStepStartDate",
          TIME: "ScheduledProcedureStepStartTime",
          PHYSICIAN: "ScheduledPerformingPhysicianName",
          DESCRIPTION: "ScheduledProcedureStepDescription",
          STEP_ID: "ScheduledProcedureStepID",
          STATION: "ScheduledStationName",
          0x00400011: "ScheduledProcedureStepLocation",
          PROCEDURE: "RequestedProcedureID",
          0x00401003: "RequestedProcedurePriority"}


def lines_of(path):
    with open(path, encoding="latin-1") as f:
        for line in f:
            found = LINE.match(line)
            if found:
                group, element, vr, a, b = found.groups()
                yield (int(group + element, 16), vr,
                       (a if a is not None else b) or "")


def dcmtk_items(folder):
    for n in range(1, 11):
        fields = {}
        for tag, _, value in lines_of(f"{folder}/wklist{n}.dump"):
            if tag in FIELDS:
                fields.setdefault(FIELDS[tag], value)
        yield fields


def dcmtk_query(path):
    """The identifier as bytes."""
    levels = [[]]
    for tag, vr, value in lines_of(path):
        if vr == "SQ" or tag == 0xFFFEE000:
            levels.append([] if vr != "SQ" else tag)
        elif tag == 0xFFFEE00D:
            elements = levels.pop()
            sq = levels.pop()
            levels[-1].append(sequence(sq, [elements]))
        elif tag != 0xFFFEE0DD:
            levels[-1].append((tag, vr, value))
    return dicom.dataset(levels[0])


# Worked out by hand from the ten files, by PS3.4 K.2.2.1 and C.2.2.2: no file
# has the station AA2 or AA4 or the modality DD; those that start at noon or
# later are 2, 3, 4, 6, 7 and 10. In the order of their start.
ALL = [6, 9, 1, 5, 4, 3, 2, 8, 7, 10]
DCMTK = {0: ALL, 1: ALL, 2: [], 3: ALL, 4: [], 5: [6, 4, 3, 2, 7, 10],
         6: [], 7: [], 8: [], 9: [], 10: ALL, 11: ALL, 12: []}


def t_dcmtk_set():
    folder = shared("data/worklist/DCMTK+dcmtk/dcmwlm/data")
    if not folder:
        raise Skip("no sample data")
    items = list(dcmtk_items(folder + "/wlistdb/OFFIS"))
    names = [i["PatientName"] for i in items]
    with Worklist(items) as w:
        for n, want in DCMTK.items():
            query = dcmtk_query(f"{folder}/wlistqry/wlistqry{n}.dump")
            status, answers = w.a.find(dicom.WORKLIST, query)
            equal(status, 0)
            equal([text(x, NAME) for x in answers],
                  [names[i - 1] for i in want], f"wlistqry{n}")
            asked = dicom.parse(query, dicom.EXPLICIT_LITTLE)
            for answer in answers:
                equal(set(answer), {CHARSET, *asked}, f"wlistqry{n}")
            if STUDY in asked:
                equal([text(x, STUDY) for x in answers],
                      [items[i - 1]["StudyInstanceUID"] for i in want])
        # Beyond the set: each of several stations of one step.
        for ae, want in (("AA33", [1]), ("AB45", [5, 2]), ("NN77", [3, 8]),
                         ("AA32", [1, 4]), ("TZ77", [6])):
            equal(w.ids({}, {AE: ae}),
                  [items[i - 1]["PatientID"] for i in want], ae)


if __name__ == "__main__":
    sys.exit(main())
